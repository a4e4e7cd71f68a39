// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel itself says its slab caches hold. The kernel counts the
 * slabs that a processor has at hand as full of objects; shrinking a cache
 * takes them away first, so the figures are exact.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define SLAB_DIR	"/sys/kernel/slab"

/*
 * The files that shrink a cache are opened once: every open of such a file
 * leaves the kernel objects to free, seconds later.
 */
static int open_shrinkers(int *fds, int max)
{
	struct dirent *entry;
	char path[512];
	DIR *dir = opendir(SLAB_DIR);
	int n = 0;

	if (!dir)
		die(SLAB_DIR);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), SLAB_DIR "/%s/shrink",
			 entry->d_name);
		if (entry->d_name[0] == '.' || access(path, W_OK))
			continue;
		if (n == max)
			die("too many slab caches");
		fds[n] = open(path, O_WRONLY | O_CLOEXEC);
		if (fds[n++] < 0)
			die(path);
	}
	closedir(dir);
	return n;
}

static void shrink_all(void)
{
	static int fds[1024], nr;
	int i;

	if (!nr) {
		nr = open_shrinkers(fds, ARRAY_SIZE(fds));
		sleep(10);
	}
	for (i = 0; i < nr; i++)
		if (pwrite(fds[i], "1", 1, 0) != 1)
			die(SLAB_DIR);
}

/* name active total size per-slab pages-per-slab ... slabdata active total */
static bool read_cache(FILE *f, struct cache_use *use)
{
	unsigned long per_slab, pages;
	char line[512], *data;
	size_t n = use->count;

	if (!fgets(line, sizeof(line), f))
		return false;
	if (n == ARRAY_SIZE(use->cache))
		die("too many slab caches");
	data = strstr(line, "slabdata");
	if (!data || sscanf(line, "%39s %lu %*u %lu %lu %lu",
			    use->cache[n].name, &use->cache[n].objects,
			    &use->cache[n].object_size, &per_slab,
			    &pages) != 5)
		return true;
	if (sscanf(data, "slabdata %*u %lu", &use->cache[n].slabs) != 1)
		die("/proc/slabinfo");
	use->cache[n].slab_size = pages * PG;
	use->count++;
	return true;
}

void caches_read(struct cache_use *use)
{
	FILE *f;

	settle();
	shrink_all();
	settle();
	shrink_all();
	f = fopen("/proc/slabinfo", "re");
	if (!f)
		die("/proc/slabinfo");
	use->count = 0;
	while (read_cache(f, use))
		;
	fclose(f);
}

static ssize_t find_cache(const struct cache_use *use, const char *name)
{
	size_t i;

	for (i = 0; i < use->count; i++)
		if (!strcmp(use->cache[i].name, name))
			return i;
	return -1;
}

unsigned long cache_object_size(const struct cache_use *use, const char *name)
{
	ssize_t i = find_cache(use, name);

	if (i < 0)
		die(name);
	return use->cache[i].object_size;
}

static double cache_bytes(const struct cache_use *use, ssize_t i,
			  bool whole_slabs)
{
	if (i < 0)
		return 0;
	if (whole_slabs)
		return (double)use->cache[i].slabs * use->cache[i].slab_size;
	return (double)use->cache[i].objects * use->cache[i].object_size;
}

/*
 * How many bytes per one of per things the caches have grown, together, and
 * in a comment each, as far as it is anything; in objects, or in the whole
 * slabs that hold them.
 */
double caches_growth(const struct cache_use *before,
		     const struct cache_use *after, cache_filter *counts,
		     bool whole_slabs, double per)
{
	double sum = 0, bytes;
	const char *name;
	size_t i;

	for (i = 0; i < after->count; i++) {
		name = after->cache[i].name;
		bytes = cache_bytes(after, i, whole_slabs) -
			cache_bytes(before, find_cache(before, name),
				    whole_slabs);
		bytes /= per;
		if (bytes > 0.01 || bytes < -0.01)
			printf("# cache %s%s: %.2f bytes%s\n", name,
			       whole_slabs ? " in slabs" : "", bytes,
			       counts(name) ? "" : " (not counted)");
		if (counts(name))
			sum += bytes;
	}
	return sum;
}
