// SPDX-License-Identifier: GPL-2.0
/* Rows about faults: a first write, a first read, a first write again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Snapshots in a row where few pages are written after each. */
#define GENERATIONS	16

/* An untouched object, mapped and written, page by page. */
static double fresh_write(int fd)
{
	char *map = map_fd(fd, AREA);
	u64 t = write_all(map, AREA_PAGES);

	unmap(map, AREA);
	close(fd);
	return per_page(t, AREA_PAGES);
}

static double fresh_write_vmo(unsigned int round)
{
	(void)round;
	return fresh_write(vmo_new(AREA));
}

static double fresh_write_memfd(unsigned int round)
{
	(void)round;
	return fresh_write(memfd_new(AREA));
}

/* Pages that are there, in a mapping that has seen none of them. */
static double read_fresh_mapping(int fd)
{
	char *map = map_fd(fd, AREA);
	u64 t = read_all(map, AREA_PAGES);

	unmap(map, AREA);
	return per_page(t, AREA_PAGES);
}

static double read_populated(int fd)
{
	char *map = map_fd(fd, AREA);
	double cost;

	write_all(map, AREA_PAGES);
	unmap(map, AREA);
	cost = read_fresh_mapping(fd);
	close(fd);
	return cost;
}

static double read_vmo(unsigned int round)
{
	(void)round;
	return read_populated(vmo_new(AREA));
}

static double read_memfd(unsigned int round)
{
	(void)round;
	return read_populated(memfd_new(AREA));
}

static double commit_vmo(unsigned int round)
{
	int fd = vmo_new(AREA);
	u64 t = now();

	(void)round;
	vmo_commit(fd, 0, AREA);
	t = now() - t;
	close(fd);
	return per_page(t, AREA_PAGES);
}

static double commit_memfd(unsigned int round)
{
	int fd = memfd_new(AREA);
	u64 t = now();

	(void)round;
	if (fallocate(fd, 0, 0, AREA))
		die("fallocate");
	t = now() - t;
	close(fd);
	return per_page(t, AREA_PAGES);
}

/*
 * Reading the last of a chain of clones, each made of the one before and
 * written to in one page, so that no two of the chain are the same.
 */
static double read_at_depth(unsigned int depth)
{
	static int chain[513];
	unsigned int i;
	double cost;

	chain[0] = vmo_new(AREA);
	vmo_commit(chain[0], 0, AREA);
	for (i = 1; i <= depth; i++) {
		chain[i] = vmo_clone(chain[i - 1], AREA);
		vmo_poke(chain[i], i * 7919 % AREA_PAGES * PG);
	}
	cost = read_fresh_mapping(chain[depth]);
	for (i = 0; i <= depth; i++)
		close(chain[i]);
	return cost;
}

static double read_depth_512(unsigned int round)
{
	(void)round;
	return read_at_depth(512);
}

static double read_depth_1(unsigned int round)
{
	(void)round;
	return read_at_depth(1);
}

/*
 * A mapping of which every page has been written, and a snapshot of it; then
 * all pages are written again while the snapshot is alive.
 */
static double copy_seq_vmo(unsigned int round)
{
	int fd = vmo_new(AREA);
	char *map = map_fd(fd, AREA);
	int snapshot;
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	snapshot = vmo_clone(fd, AREA);
	t = write_all(map, AREA_PAGES);
	close(snapshot);
	unmap(map, AREA);
	close(fd);
	return per_page(t, AREA_PAGES);
}

static double copy_seq_fork(unsigned int round)
{
	char *map = map_anon(AREA);
	pid_t child;
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	child = fork_timed(&t, true);
	settle();
	t = write_all(map, AREA_PAGES);
	reap(child);
	unmap(map, AREA);
	return per_page(t, AREA_PAGES);
}

/*
 * The same where somebody has read the snapshot through a mapping: the page
 * has more than one reader, and the writer must leave it to them. The peer is
 * a child that has read; it has PTEs of its own anyway.
 */
static double copy_read_vmo(unsigned int round)
{
	int fd = vmo_new(AREA), snapshot;
	char *map = map_fd(fd, AREA), *reader;
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	snapshot = vmo_clone(fd, AREA);
	reader = map_fd(snapshot, AREA);
	read_all(reader, AREA_PAGES);
	t = write_all(map, AREA_PAGES);
	unmap(reader, AREA);
	close(snapshot);
	unmap(map, AREA);
	close(fd);
	return per_page(t, AREA_PAGES);
}

/* The other side writes: the clone, in a mapping that has seen no page. */
static double copy_child_vmo(unsigned int round)
{
	int fd = vmo_new(AREA), clone;
	char *map = map_fd(fd, AREA), *theirs;
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	clone = vmo_clone(fd, AREA);
	theirs = map_fd(clone, AREA);
	t = write_all(theirs, AREA_PAGES);
	unmap(theirs, AREA);
	close(clone);
	unmap(map, AREA);
	close(fd);
	return per_page(t, AREA_PAGES);
}

static double copy_child_fork(unsigned int round)
{
	char *map = map_anon(AREA);
	u64 t;

	(void)round;
	write_all(map, AREA_PAGES);
	t = write_in_child(map, AREA_PAGES);
	unmap(map, AREA);
	return per_page(t, AREA_PAGES);
}

/*
 * The same with few pages, at random, and with one snapshot after the other:
 * the kernel fetches free pages by the hundred, so that a single batch of
 * writes would mostly tell whether it just had to.
 */
static void choose_pages(unsigned int *index, unsigned int seed)
{
	static unsigned int all[AREA_PAGES];

	shuffle(all, AREA_PAGES, seed);
	memcpy(index, all, SPARSE_PAGES * sizeof(*index));
}

static double copy_sparse_vmo(unsigned int round)
{
	unsigned int index[SPARSE_PAGES], i;
	int fd = vmo_new(AREA), snapshot = -1, next;
	char *map = map_fd(fd, AREA);
	u64 t = 0;

	write_all(map, AREA_PAGES);
	for (i = 0; i < GENERATIONS; i++) {
		choose_pages(index, round * GENERATIONS + i);
		next = vmo_clone(fd, AREA);
		if (snapshot >= 0)
			close(snapshot);
		snapshot = next;
		settle();
		t += write_some(map, index, SPARSE_PAGES);
	}
	close(snapshot);
	unmap(map, AREA);
	close(fd);
	return per_page(t, GENERATIONS * SPARSE_PAGES);
}

static double copy_sparse_fork(unsigned int round)
{
	unsigned int index[SPARSE_PAGES], i;
	char *map = map_anon(AREA);
	pid_t child = 0, next;
	u64 t = 0, forked;

	write_all(map, AREA_PAGES);
	for (i = 0; i < GENERATIONS; i++) {
		choose_pages(index, round * GENERATIONS + i);
		next = fork_timed(&forked, true);
		if (child)
			reap(child);
		child = next;
		settle();
		t += write_some(map, index, SPARSE_PAGES);
	}
	reap(child);
	unmap(map, AREA);
	return per_page(t, GENERATIONS * SPARSE_PAGES);
}

const struct bench_row fault_rows[] = {
	{ "copy-write-seq", "instr/page", 0,
	  { { "ours", copy_seq_vmo, true }, { "fork", copy_seq_fork, false } } },
	{ "copy-write-1pct", "instr/page", 0,
	  { { "ours", copy_sparse_vmo, true }, { "fork", copy_sparse_fork, false } } },
	{ "copy-write-read", "instr/page", 0,
	  { { "ours", copy_read_vmo, true },
	    { "fork", copy_seq_fork, false } } },
	{ "copy-write-child", "instr/page", 0,
	  { { "ours", copy_child_vmo, true },
	    { "fork", copy_child_fork, false } } },
	{ "fresh-write", "instr/page", 0,
	  { { "ours", fresh_write_vmo, true },
	    { "memfd", fresh_write_memfd, false } } },
	{ "read-fault", "instr/page", 0,
	  { { "ours", read_vmo, true }, { "memfd", read_memfd, false } } },
	{ "read-shared", "instr/page", 0,
	  { { "ours", read_depth_1, true }, { "memfd", read_memfd, false } } },
	{ "commit", "instr/page", 0,
	  { { "ours", commit_vmo, true }, { "fallocate", commit_memfd, false } } },
	{ "read-depth-512", "instr/page", 0,
	  { { "ours", read_depth_512, true },
	    { "depth-1", read_depth_1, true } } },
	{ 0 }
};
