// SPDX-License-Identifier: GPL-2.0
/* Rows about what two objects do with each other: moving, sharing, resetting. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/cowvmo.h>

#include "bench.h"

/* How many live side by side, and what each of them touches of the template */
#define FANOUT		25
#define TOUCHED		(AREA_PAGES / 20)

/* Moving 64 MiB to an object that has nothing yet; per page */

static double transfer_pages(unsigned int round)
{
	int from = vmo_new(AREA), to = vmo_new(AREA);
	u64 t;

	(void)round;
	vmo_commit(from, 0, AREA);
	t = now();
	vmo_transfer(to, from, AREA);
	t = now() - t;
	close(from);
	close(to);
	return (double)t / AREA_PAGES;
}

/* The source is mapped and read before; @fresh: the destination has no pages */
static double memcpy_pages(bool fresh)
{
	int from = memfd_new(AREA), to = memfd_new(AREA);
	char *src = map_fd(from, AREA), *dst = map_fd(to, AREA);
	u64 t;

	write_all(src, AREA_PAGES);
	if (!fresh)
		write_all(dst, AREA_PAGES);
	t = now();
	memcpy(dst, src, AREA);
	__asm__ __volatile__("" : : : "memory");
	t = now() - t;
	unmap(src, AREA);
	unmap(dst, AREA);
	close(from);
	close(to);
	return (double)t / AREA_PAGES;
}

static double memcpy_fresh(unsigned int round)
{
	(void)round;
	return memcpy_pages(true);
}

static double memcpy_again(unsigned int round)
{
	(void)round;
	return memcpy_pages(false);
}

/* Sharing a range with a relative that has written a few pages of its own */

static double clone_range(u64 size)
{
	int fd = vmo_new(size), child;
	u64 t, i;

	vmo_commit(fd, 0, size);
	child = vmo_clone(fd, size);
	for (i = 0; i < 16; i++)
		vmo_poke(child, i * MIB);
	t = now();
	vmo_reflink(child, fd, size);
	t = now() - t;
	close(child);
	close(fd);
	return t;
}

static double clone_1g(unsigned int round)
{
	(void)round;
	return clone_range(GIB);
}

static double clone_16m(unsigned int round)
{
	(void)round;
	return clone_range(16 * MIB);
}

/* Resetting to a template after 1 % was written through a mapping */

static double restore_1pct(unsigned int round, unsigned int flags)
{
	static unsigned int index[AREA_PAGES];
	int fd = vmo_new(AREA), template;
	char *map = map_fd(fd, AREA);
	u64 t;

	write_all(map, AREA_PAGES);
	template = vmo_clone(fd, AREA);
	shuffle(index, AREA_PAGES, round);
	write_some(map, index, SPARSE_PAGES);
	t = now();
	vmo_restore(fd, template, flags);
	t = now() - t;
	unmap(map, AREA);
	close(template);
	close(fd);
	return t;
}

static double restore_keep(unsigned int round)
{
	return restore_1pct(round, COWVMO_RESTORE_KEEP);
}

static double restore_plain(unsigned int round)
{
	return restore_1pct(round, 0);
}

/* Copying all of a saved copy back, both of them mapped and in memory */
static double restore_copy(unsigned int round)
{
	char *saved = map_anon(AREA), *live = map_anon(AREA);
	u64 t;

	(void)round;
	write_all(saved, AREA_PAGES);
	write_all(live, AREA_PAGES);
	t = now();
	memcpy(live, saved, AREA);
	__asm__ __volatile__("" : : : "memory");
	t = now() - t;
	unmap(saved, AREA);
	unmap(live, AREA);
	return t;
}

/* What a fresh process for each run costs, without the run */
static double restore_fork(unsigned int round)
{
	char *map = map_anon(AREA);
	pid_t child;
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	t = now();
	child = fork();
	if (child < 0)
		die("fork");
	if (!child)
		_exit(0);
	if (waitpid(child, NULL, 0) != child)
		die("waitpid");
	t = now() - t;
	unmap(map, AREA);
	return t;
}

/* 25 copies of a template of 64 MiB, each of which touches 5 % of it */

struct fanout {
	u64 time;
	u64 bytes;
};

static const unsigned int *touched(unsigned int seed)
{
	static unsigned int index[AREA_PAGES];

	shuffle(index, AREA_PAGES, seed);
	return index;
}

/* @private: as MAP_PRIVATE mappings of the template, else as clones of it */
static struct fanout fan_out_maps(int template, bool private)
{
	char *map[FANOUT];
	int fd[FANOUT], i;
	struct fanout f = { .bytes = memory_used() };
	u64 t;

	for (i = 0; i < FANOUT; i++) {
		const unsigned int *index = touched(i);

		t = now();
		fd[i] = private ? dup(template) : vmo_clone(template, AREA);
		map[i] = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			      private ? MAP_PRIVATE : MAP_SHARED, fd[i], 0);
		if (map[i] == MAP_FAILED)
			die("mmap");
		f.time += now() - t;
		f.time += write_some(map[i], index, TOUCHED);
	}
	f.bytes = memory_used() - f.bytes;
	for (i = 0; i < FANOUT; i++) {
		unmap(map[i], AREA);
		close(fd[i]);
	}
	return f;
}

static struct fanout fan_out_clones(void)
{
	int template = vmo_new(AREA);
	struct fanout f;

	vmo_commit(template, 0, AREA);
	f = fan_out_maps(template, false);
	close(template);
	return f;
}

static struct fanout fan_out_private(void)
{
	int template = memfd_new(AREA);
	char *map = map_fd(template, AREA);
	struct fanout f;

	write_all(map, AREA_PAGES);
	unmap(map, AREA);
	f = fan_out_maps(template, true);
	close(template);
	return f;
}

/* The child tells how long its writes took, and stays. */
static pid_t fan_out_child(char *map, const unsigned int *index, int out)
{
	pid_t child = fork();
	u64 t;

	if (child < 0)
		die("fork");
	if (child)
		return child;
	t = write_some(map, index, TOUCHED);
	if (write(out, &t, sizeof(t)) != sizeof(t))
		_exit(1);
	for (;;)
		pause();
}

static struct fanout fan_out_forks(void)
{
	struct fanout f = { 0 };
	char *map = map_anon(AREA);
	pid_t child[FANOUT];
	int ends[2], i;
	u64 t, writes;

	write_all(map, AREA_PAGES);
	if (pipe(ends))
		die("pipe");
	f.bytes = memory_used();
	for (i = 0; i < FANOUT; i++) {
		const unsigned int *index = touched(i);

		t = now();
		child[i] = fan_out_child(map, index, ends[1]);
		f.time += now() - t;
		if (read(ends[0], &writes, sizeof(writes)) != sizeof(writes))
			die("child");
		f.time += writes;
	}
	f.bytes = memory_used() - f.bytes;
	for (i = 0; i < FANOUT; i++)
		reap(child[i]);
	close(ends[0]);
	close(ends[1]);
	unmap(map, AREA);
	return f;
}

static double fan_time_clones(unsigned int round)
{
	(void)round;
	return fan_out_clones().time;
}

static double fan_time_forks(unsigned int round)
{
	(void)round;
	return fan_out_forks().time;
}

static double fan_time_private(unsigned int round)
{
	(void)round;
	return fan_out_private().time;
}

static double fan_memory_clones(unsigned int round)
{
	(void)round;
	return (double)fan_out_clones().bytes / MIB;
}

static double fan_memory_forks(unsigned int round)
{
	(void)round;
	return (double)fan_out_forks().bytes / MIB;
}

static double fan_memory_private(unsigned int round)
{
	(void)round;
	return (double)fan_out_private().bytes / MIB;
}

const struct bench_row exchange_rows[] = {
	{ "transfer", "instr/page", 0,
	  { { "ours", transfer_pages, true },
	    { "memcpy", memcpy_fresh, false } } },
	{ "transfer-again", "instr/page", 0,
	  { { "ours", transfer_pages, true },
	    { "memcpy", memcpy_again, false } } },
	{ "clone-range", "instr", 3,
	  { { "ours", clone_1g, true }, { "16m", clone_16m, true } } },
	{ "restore-1pct", "instr", 0,
	  { { "ours", restore_keep, true },
	    { "copy", restore_copy, false } } },
	{ "restore-plain", "instr", 0,
	  { { "ours", restore_plain, true },
	    { "copy", restore_copy, false } } },
	{ "restore-fork", "instr", 0,
	  { { "ours", restore_plain, true },
	    { "fork", restore_fork, false } } },
	{ "fanout-fork", "instr", 3,
	  { { "ours", fan_time_clones, true },
	    { "fork", fan_time_forks, false } } },
	{ "fanout-private", "instr", 3,
	  { { "ours", fan_time_clones, true },
	    { "private", fan_time_private, false } } },
	{ "fanout-mem-fork", "MiB", 3,
	  { { "ours", fan_memory_clones, true },
	    { "fork", fan_memory_forks, false } } },
	{ "fanout-mem-private", "MiB", 3,
	  { { "ours", fan_memory_clones, true },
	    { "private", fan_memory_private, false } } },
	{ 0 }
};
