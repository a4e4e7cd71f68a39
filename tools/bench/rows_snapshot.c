// SPDX-License-Identifier: GPL-2.0
/* Rows about taking a snapshot and about dropping one. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define SMALL		(16 * MIB)
#define LARGE		(2 * GIB)
#define SPARSE		(16 * TIB)
/* Pages that the sparse one has, far apart. */
#define SCATTERED	4096
/* Clones timed one by one in a round; their median is the figure. */
#define SAMPLES		33

/* Objects that take long to fill are filled once and kept. */
static int small_vmo(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = vmo_new(SMALL);
		vmo_commit(fd, 0, SMALL);
	}
	return fd;
}

static int large_vmo(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = vmo_new(LARGE);
		vmo_commit(fd, 0, LARGE);
	}
	return fd;
}

static int sparse_vmo(void)
{
	static int fd = -1;
	u64 i;

	if (fd < 0) {
		fd = vmo_new(SPARSE);
		for (i = 0; i < SCATTERED; i++)
			vmo_poke(fd, i * 0x9e3779b97f4a7c15ULL % SPARSE);
	}
	return fd;
}

/* What one clone costs, and what closing it costs that nobody has written. */
static double time_clones(int fd, u64 size, bool closing)
{
	u64 times[SAMPLES];
	u64 t;
	int child, i;

	for (i = 0; i < SAMPLES; i++) {
		t = now();
		child = vmo_clone(fd, size);
		if (!closing)
			times[i] = now() - t;
		t = now();
		close(child);
		if (closing)
			times[i] = now() - t;
	}
	return median(times, SAMPLES);
}

static double clone_small(unsigned int round)
{
	(void)round;
	return time_clones(small_vmo(), SMALL, false);
}

static double clone_large(unsigned int round)
{
	(void)round;
	return time_clones(large_vmo(), LARGE, false);
}

static double clone_sparse(unsigned int round)
{
	(void)round;
	return time_clones(sparse_vmo(), SPARSE, false);
}

static double close_small(unsigned int round)
{
	(void)round;
	return time_clones(small_vmo(), SMALL, true);
}

static double close_large(unsigned int round)
{
	(void)round;
	return time_clones(large_vmo(), LARGE, true);
}

/*
 * A store that takes snapshots: the one before is still there, and since it
 * was taken all pages, or a few, have been written through the mapping.
 */
static double snapshot_mapped(bool sparse, unsigned int round)
{
	static unsigned int index[AREA_PAGES];
	int fd = vmo_new(AREA);
	char *map = map_fd(fd, AREA);
	int earlier, snapshot;
	u64 t;

	write_all(map, AREA_PAGES);
	earlier = vmo_clone(fd, AREA);
	if (sparse) {
		shuffle(index, AREA_PAGES, round);
		write_some(map, index, SPARSE_PAGES);
	} else {
		write_all(map, AREA_PAGES);
	}
	t = now();
	snapshot = vmo_clone(fd, AREA);
	t = now() - t;
	close(snapshot);
	close(earlier);
	unmap(map, AREA);
	close(fd);
	return t;
}

static double snapshot_full(unsigned int round)
{
	return snapshot_mapped(false, round);
}

static double snapshot_sparse(unsigned int round)
{
	return snapshot_mapped(true, round);
}

/*
 * The same with fork(): an earlier child, then all written again, then the
 * fork that is timed. The child exits at once, outside of the time taken.
 * How much was written makes no difference to fork.
 */
static double snapshot_fork(unsigned int round)
{
	char *map = map_anon(AREA);
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	reap(fork_timed(&t, false));
	write_all(map, AREA_PAGES);
	settle();
	reap(fork_timed(&t, false));
	unmap(map, AREA);
	return t;
}

const struct bench_row snapshot_rows[] = {
	{ "snapshot-2g", "instr", 0,
	  { { "ours", clone_large, true }, { "16m", clone_small, true } } },
	{ "snapshot-16t", "instr", 0,
	  { { "ours", clone_sparse, true }, { "16m", clone_small, true } } },
	{ "snapshot-mapped", "instr", 0,
	  { { "ours", snapshot_full, true }, { "fork", snapshot_fork, false } } },
	{ "snapshot-1pct", "instr", 0,
	  { { "ours", snapshot_sparse, true }, { "fork", snapshot_fork, false } } },
	{ "close-2g", "instr", 0,
	  { { "ours", close_large, true }, { "16m", close_small, true } } },
	{ 0 }
};
