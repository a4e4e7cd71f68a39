// SPDX-License-Identifier: GPL-2.0
/* Rows about memory: what a clone and what a page cost besides themselves. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define CLONES		1000
#define CLONED		(16 * MIB)
#define DENSE		(256 * MIB)

/*
 * Of the caches that grow with a clone, these are what the kernel has for
 * any open file: the file, its name, and what a security module hangs on it.
 */
static bool beyond_file(const char *name)
{
	static const char *const own[] = {
		"filp", "dentry", "lsm_file_cache", "lsm_inode_cache",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(own); i++)
		if (!strcmp(name, own[i]))
			return false;
	return true;
}

static bool any(const char *name)
{
	(void)name;
	return true;
}

/* The table of fds grows too, but is not a clone's: let it grow before. */
static void grow_fd_table(int fd)
{
	if (dup2(fd, CLONES + 256) < 0)
		die("dup2");
	close(CLONES + 256);
}

/*
 * All that grows, less one plain inode for each: the module's own inode
 * starts with one.
 */
static double clone_bytes(unsigned int round)
{
	static struct cache_use before, after;
	static int clones[CLONES];
	int fd = vmo_new(CLONED);
	double bytes;
	int i;

	(void)round;
	vmo_commit(fd, 0, CLONED);
	grow_fd_table(fd);
	close(vmo_clone(fd, CLONED));
	caches_read(&before);
	for (i = 0; i < CLONES; i++)
		clones[i] = vmo_clone(fd, CLONED);
	caches_read(&after);
	bytes = caches_growth(&before, &after, beyond_file, false, CLONES) -
		cache_object_size(&after, "inode_cache");
	for (i = 0; i < CLONES; i++)
		close(clones[i]);
	close(fd);
	return bytes;
}

/*
 * The larger of what the module says and of what the kernel's caches grew
 * by, whole slabs counted, memory cgroup's pointers included.
 */
static double metadata_bytes(unsigned int round)
{
	static struct cache_use before, after;
	const double pages = DENSE / PG;
	double told, grown;
	int fd = vmo_new(DENSE);

	(void)round;
	caches_read(&before);
	vmo_commit(fd, 0, DENSE);
	caches_read(&after);
	told = vmo_metadata(fd) / pages;
	grown = caches_growth(&before, &after, any, true, pages);
	printf("# metadata per page: %.2f bytes told, %.2f in slabs\n", told,
	       grown);
	close(fd);
	return told > grown ? told : grown;
}

const struct bench_row cost_rows[] = {
	{ "clone-bytes", "bytes", 3, { { "ours", clone_bytes, true } } },
	{ "metadata", "bytes/page", 3, { { "ours", metadata_bytes, true } } },
	{ 0 }
};
