// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about content on demand. The peer is userfaultfd on private anonymous
 * memory, which is the cheapest kind it has.
 *
 * Both handlers have the content in memory before anybody asks for it, in what
 * suits them best: a VMO whose pages can be given away, and a buffer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/cowvmo_pager.h>
#include <linux/userfaultfd.h>

#include "bench.h"

/* Since Linux 6.7; the header here may be older. */
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		(1 << 15)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#endif
#ifndef PAGEMAP_SCAN
struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN		(1 << 1)
#endif

/* What is read from one end to the other. */
#define LAZY		(256 * MIB)
/* How much the handlers of that give at once, at most. */
#define LAZY_BATCH	(2 * MIB)
/* Faults of which each waits for the handler. */
#define TRIPS		2048
/* Clones that read all they can. */
#define READERS		25

/*
 * A pager
 */

static int pager_new(void)
{
	struct cowvmo_pager_create arg = { .size = sizeof(arg) };
	int dev = open("/dev/cowvmo", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		die("/dev/cowvmo");
	fd = ioctl(dev, COWVMO_IOC_PAGER_CREATE, &arg);
	if (fd < 0)
		die("COWVMO_IOC_PAGER_CREATE");
	close(dev);
	return fd;
}

static int pager_vmo(int pager, u64 size, u64 read_ahead)
{
	struct cowvmo_pager_create_vmo arg = {
		.size = sizeof(arg), .key = 1, .vmo_size = size,
		.read_ahead = read_ahead, .name = "lazy",
	};
	int fd = ioctl(pager, COWVMO_IOC_PAGER_CREATE_VMO, &arg);

	if (fd < 0)
		die("COWVMO_IOC_PAGER_CREATE_VMO");
	return fd;
}

static void pager_op(int pager, struct cowvmo_pager_op *op)
{
	struct cowvmo_pager_ops arg = {
		.size = sizeof(arg), .ops = (uintptr_t)op, .nr = 1,
		.op_size = sizeof(*op),
	};

	if (ioctl(pager, COWVMO_IOC_PAGER_OPS, &arg))
		die("COWVMO_IOC_PAGER_OPS");
}

static void supply(int pager, int vmo, u64 offset, u64 length, int aux,
		   u64 src)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY, .vmo_fd = vmo, .src_fd = aux,
		.offset = offset, .length = length, .src = src,
	};

	pager_op(pager, &op);
}

static void supply_copy(int pager, int vmo, u64 offset, u64 length,
			const void *from)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY_COPY, .vmo_fd = vmo, .src_fd = -1,
		.offset = offset, .length = length, .src = (uintptr_t)from,
	};

	pager_op(pager, &op);
}

/*
 * userfaultfd
 */

static int uffd_new(void *map, u64 size, u64 features, u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = {
		.range = { (uintptr_t)map, size }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
	return fd;
}

static void uffd_copy(int fd, u64 to, const void *from, u64 size)
{
	struct uffdio_copy arg = {
		.dst = to, .src = (uintptr_t)from, .len = size,
	};

	if (ioctl(fd, UFFDIO_COPY, &arg))
		die("UFFDIO_COPY");
}

/* Content, every page of it there. */
static char *buffer_new(u64 size)
{
	char *buffer = map_anon(size);

	write_all(buffer, size / PG);
	return buffer;
}

/*
 * One fault, one answer, at random places
 */

/**
 * struct handler - a thread that answers faults
 * @thread: it
 * @fd: what it reads from
 * @vmo: whom it gives content, if it is a pager
 * @base: what it gives content, if it is not
 * @from: the content, one page of it or all
 * @aux: the content of a pager that gives its pages away
 * @size: how much there is
 * @cpu: where it is to run
 */
struct handler {
	pthread_t thread;
	int fd;
	int vmo;
	char *base;
	char *from;
	int aux;
	u64 size;
	int cpu;
};

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* Both wait in read(), which is one system call for each request. */
static void next_of(struct handler *h, void *to, size_t size)
{
	if (read(h->fd, to, size) != (ssize_t)size)
		die("reading a request");
}

static void begin_handler(struct handler *h, void *(*fn)(void *))
{
	if (pthread_create(&h->thread, NULL, fn, h))
		die("pthread_create");
}

static void *trip_pager(void *data)
{
	struct handler *h = data;
	struct cowvmo_pager_request request;
	unsigned int i;

	run_on(h->cpu);
	for (i = 0; i < TRIPS; i++) {
		next_of(h, &request, sizeof(request));
		supply_copy(h->fd, h->vmo, request.offset, request.length,
			    h->from);
	}
	return NULL;
}

static void *trip_uffd(void *data)
{
	struct handler *h = data;
	struct uffd_msg msg;
	unsigned int i;

	run_on(h->cpu);
	for (i = 0; i < TRIPS; i++) {
		next_of(h, &msg, sizeof(msg));
		uffd_copy(h->fd, msg.arg.pagefault.address & ~(PG - 1),
			  h->from, PG);
	}
	return NULL;
}

/* The places: the first page of each two, so that none is in sequence. */
static u64 read_scattered(const char *map, unsigned int seed)
{
	static unsigned int index[TRIPS];
	volatile char sum = 0;
	unsigned int i;
	u64 t;

	shuffle(index, TRIPS, seed);
	t = now();
	for (i = 0; i < TRIPS; i++)
		sum += map[index[i] * 2 * PG];
	return now() - t;
}

static double trip_ours(unsigned int round, int cpu)
{
	struct handler h = { .cpu = cpu };
	char *map;
	u64 t;

	run_on(0);
	h.from = buffer_new(PG);
	h.fd = pager_new();
	h.vmo = pager_vmo(h.fd, 2 * TRIPS * PG, 0);
	map = map_fd(h.vmo, 2 * TRIPS * PG);
	begin_handler(&h, trip_pager);
	settle();
	t = read_scattered(map, round);
	pthread_join(h.thread, NULL);
	unmap(map, 2 * TRIPS * PG);
	unmap(h.from, PG);
	close(h.vmo);
	close(h.fd);
	return per_page(t, TRIPS);
}

static double trip_theirs(unsigned int round, int cpu)
{
	struct handler h = { .cpu = cpu };
	char *map = map_anon(2 * TRIPS * PG);
	u64 t;

	run_on(0);
	h.from = buffer_new(PG);
	h.fd = uffd_new(map, 2 * TRIPS * PG, 0, UFFDIO_REGISTER_MODE_MISSING);
	begin_handler(&h, trip_uffd);
	settle();
	t = read_scattered(map, round);
	pthread_join(h.thread, NULL);
	close(h.fd);
	unmap(map, 2 * TRIPS * PG);
	unmap(h.from, PG);
	return per_page(t, TRIPS);
}

static double trip_same_ours(unsigned int round)
{
	return trip_ours(round, 0);
}

static double trip_same_uffd(unsigned int round)
{
	return trip_theirs(round, 0);
}

static double trip_other_ours(unsigned int round)
{
	return trip_ours(round, 1);
}

static double trip_other_uffd(unsigned int round)
{
	return trip_theirs(round, 1);
}

/*
 * Giving content that nobody waits for
 */

static double supply_move_ours(unsigned int round)
{
	int pager = pager_new(), vmo = pager_vmo(pager, AREA, 0);
	int aux = vmo_new(AREA);
	u64 t;

	(void)round;
	vmo_commit(aux, 0, AREA);
	t = now();
	supply(pager, vmo, 0, AREA, aux, 0);
	t = now() - t;
	close(aux);
	close(vmo);
	close(pager);
	return per_page(t, AREA_PAGES);
}

static double supply_copy_ours(unsigned int round)
{
	int pager = pager_new(), vmo = pager_vmo(pager, AREA, 0);
	char *from = buffer_new(AREA);
	u64 t = now();

	(void)round;
	supply_copy(pager, vmo, 0, AREA, from);
	t = now() - t;
	unmap(from, AREA);
	close(vmo);
	close(pager);
	return per_page(t, AREA_PAGES);
}

static double supply_uffd(unsigned int round)
{
	char *map = map_anon(AREA), *from = buffer_new(AREA);
	int fd = uffd_new(map, AREA, 0, UFFDIO_REGISTER_MODE_MISSING);
	u64 t = now();

	(void)round;
	uffd_copy(fd, (uintptr_t)map, from, AREA);
	t = now() - t;
	close(fd);
	unmap(from, AREA);
	unmap(map, AREA);
	return per_page(t, AREA_PAGES);
}

static double supply_zero(u64 size)
{
	int pager = pager_new(), vmo = pager_vmo(pager, size, 0);
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY_ZERO, .vmo_fd = vmo, .src_fd = -1,
		.length = size,
	};
	u64 t = now();

	pager_op(pager, &op);
	t = now() - t;
	close(vmo);
	close(pager);
	return t;
}

static double supply_zero_1g(unsigned int round)
{
	(void)round;
	return supply_zero(GIB);
}

static double supply_zero_16m(unsigned int round)
{
	(void)round;
	return supply_zero(16 * MIB);
}

/*
 * From one end to the other
 */

static u64 batch_of(u64 offset, u64 length, u64 size)
{
	return length < size - offset ? length : size - offset;
}

static void *lazy_pager(void *data)
{
	struct handler *h = data;
	struct cowvmo_pager_request request;
	u64 left;

	for (left = h->size; left; left -= request.length) {
		next_of(h, &request, sizeof(request));
		supply(h->fd, h->vmo, request.offset, request.length, h->aux,
		       request.offset);
	}
	return NULL;
}

/* As much at once as the other gets to: it knows that it is a sequence. */
static void *lazy_uffd(void *data)
{
	struct handler *h = data;
	struct uffd_msg msg;
	u64 offset, length;

	for (offset = 0; offset < h->size; offset += length) {
		next_of(h, &msg, sizeof(msg));
		length = batch_of(offset, LAZY_BATCH, h->size);
		uffd_copy(h->fd, (uintptr_t)h->base + offset, h->from + offset,
			  length);
	}
	return NULL;
}

static double lazy_ours(unsigned int round)
{
	struct handler h = { .size = LAZY };
	char *map;
	u64 t;

	(void)round;
	h.aux = vmo_new(LAZY);
	vmo_commit(h.aux, 0, LAZY);
	h.fd = pager_new();
	h.vmo = pager_vmo(h.fd, LAZY, LAZY_BATCH);
	map = map_fd(h.vmo, LAZY);
	begin_handler(&h, lazy_pager);
	settle();
	t = read_all(map, LAZY / PG);
	pthread_join(h.thread, NULL);
	unmap(map, LAZY);
	close(h.aux);
	close(h.vmo);
	close(h.fd);
	return per_page(t, LAZY / PG);
}

static double lazy_theirs(unsigned int round)
{
	struct handler h = { .size = LAZY };
	u64 t;

	(void)round;
	h.from = buffer_new(LAZY);
	h.base = map_anon(LAZY);
	h.fd = uffd_new(h.base, LAZY, 0, UFFDIO_REGISTER_MODE_MISSING);
	begin_handler(&h, lazy_uffd);
	settle();
	t = read_all(h.base, LAZY / PG);
	pthread_join(h.thread, NULL);
	close(h.fd);
	unmap(h.base, LAZY);
	unmap(h.from, LAZY);
	return per_page(t, LAZY / PG);
}

/*
 * What has been written to
 */

/* A VMO of which everything is there and clean. */
static int clean_vmo(int pager)
{
	int vmo = pager_vmo(pager, AREA, 0), aux = vmo_new(AREA);

	vmo_commit(aux, 0, AREA);
	supply(pager, vmo, 0, AREA, aux, 0);
	close(aux);
	return vmo;
}

/* Memory of which everything is there and write-protected. */
static int clean_memory(char *map)
{
	struct uffdio_writeprotect arg = {
		.range = { (uintptr_t)map, AREA },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = uffd_new(map, AREA,
			  UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
			  UFFDIO_REGISTER_MODE_WP);

	write_all(map, AREA_PAGES);
	if (ioctl(fd, UFFDIO_WRITEPROTECT, &arg))
		die("UFFDIO_WRITEPROTECT");
	return fd;
}

static double track_ours(unsigned int round)
{
	int pager = pager_new(), vmo = clean_vmo(pager);
	char *map = map_fd(vmo, AREA);
	u64 t;

	(void)round;
	read_all(map, AREA_PAGES);
	t = write_all(map, AREA_PAGES);
	unmap(map, AREA);
	close(vmo);
	close(pager);
	return per_page(t, AREA_PAGES);
}

static double track_theirs(unsigned int round)
{
	char *map = map_anon(AREA);
	int fd = clean_memory(map);
	u64 t = write_all(map, AREA_PAGES);

	(void)round;
	close(fd);
	unmap(map, AREA);
	return per_page(t, AREA_PAGES);
}

static void write_sparse(char *map, unsigned int seed)
{
	static unsigned int all[AREA_PAGES];

	shuffle(all, AREA_PAGES, seed);
	write_some(map, all, SPARSE_PAGES);
}

static double query_ours(unsigned int round)
{
	static struct cowvmo_dirty_range ranges[AREA_PAGES];
	int pager = pager_new(), vmo = clean_vmo(pager);
	struct cowvmo_pager_query_dirty arg = {
		.size = sizeof(arg), .vmo_fd = vmo, .room = AREA_PAGES,
		.length = AREA, .ranges = (uintptr_t)ranges,
	};
	char *map = map_fd(vmo, AREA);
	u64 t;

	write_sparse(map, round);
	t = now();
	if (ioctl(pager, COWVMO_IOC_PAGER_QUERY_DIRTY, &arg) || !arg.out_nr)
		die("COWVMO_IOC_PAGER_QUERY_DIRTY");
	t = now() - t;
	unmap(map, AREA);
	close(vmo);
	close(pager);
	return t;
}

static double query_theirs(unsigned int round)
{
	static struct page_region regions[AREA_PAGES];
	char *map = map_anon(AREA);
	int fd = clean_memory(map), pagemap;
	struct pm_scan_arg arg = {
		.size = sizeof(arg), .start = (uintptr_t)map,
		.end = (uintptr_t)map + AREA, .vec = (uintptr_t)regions,
		.vec_len = AREA_PAGES, .category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	u64 t;

	write_sparse(map, round);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	t = now();
	if (ioctl(pagemap, PAGEMAP_SCAN, &arg) <= 0)
		die("PAGEMAP_SCAN");
	t = now() - t;
	close(pagemap);
	close(fd);
	unmap(map, AREA);
	return t;
}

/*
 * Many that read the same
 */

static double readers_memory(unsigned int nr)
{
	int pager = pager_new(), vmo, clones[READERS];
	struct cowvmo_create_child arg = {
		.size = sizeof(arg),
		.type = COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		.length = AREA,
	};
	char *maps[READERS];
	unsigned int i;
	u64 before, used;

	settle();
	before = memory_used();
	vmo = clean_vmo(pager);
	for (i = 0; i < nr; i++) {
		clones[i] = ioctl(vmo, COWVMO_IOC_CREATE_CHILD, &arg);
		if (clones[i] < 0)
			die("COWVMO_IOC_CREATE_CHILD");
		maps[i] = map_fd(clones[i], AREA);
		read_all(maps[i], AREA_PAGES);
	}
	used = memory_used() - before;
	for (i = 0; i < nr; i++) {
		unmap(maps[i], AREA);
		close(clones[i]);
	}
	close(vmo);
	close(pager);
	return (double)used / MIB;
}

static double readers_25(unsigned int round)
{
	(void)round;
	return readers_memory(READERS);
}

static double readers_1(unsigned int round)
{
	(void)round;
	return readers_memory(1);
}

const struct bench_row pager_rows[] = {
	{ "trip", "instr", 0,
	  { { "ours", trip_same_ours, true },
	    { "uffd", trip_same_uffd, false } } },
	{ "supply-move", "instr/page", 0,
	  { { "ours", supply_move_ours, true },
	    { "uffd", supply_uffd, false } } },
	{ "supply-copy", "instr/page", 0,
	  { { "ours", supply_copy_ours, true },
	    { "uffd", supply_uffd, false } } },
	{ "supply-zero-1g", "instr", 0,
	  { { "ours", supply_zero_1g, true },
	    { "16m", supply_zero_16m, true } } },
	{ "lazy-read", "instr/page", 0,
	  { { "ours", lazy_ours, true }, { "uffd", lazy_theirs, false } } },
	{ "track-write", "instr/page", 0,
	  { { "ours", track_ours, true }, { "uffd", track_theirs, false } } },
	{ "dirty-query", "instr", 0,
	  { { "ours", query_ours, true },
	    { "pagemap", query_theirs, false } } },
	{ "readers-mem", "MiB", 2,
	  { { "ours", readers_25, true }, { "one", readers_1, true } } },
	{ 0 }
};

const struct bench_row pager_smp_rows[] = {
	{ "trip-other", "instr", 0,
	  { { "ours", trip_other_ours, true },
	    { "uffd", trip_other_uffd, false } } },
	{ 0 }
};
