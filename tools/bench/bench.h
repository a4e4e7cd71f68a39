/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowvmo-bench: what the module costs, next to what the kernel's own
 * mechanisms cost, measured side by side in the same guest.
 *
 * A row is a question; each of its sides is a function that sets a scene,
 * times one thing and returns what it took. Everything else is in here:
 * memory of three kinds behind one set of functions, the clock, and the
 * kernel's own count of its objects.
 */
#ifndef COWVMO_BENCH_H
#define COWVMO_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/types.h>

typedef __u64 u64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PG		4096UL
#define KIB		1024ULL
#define MIB		(1024ULL * KIB)
#define GIB		(1024ULL * MIB)
#define TIB		(1024ULL * GIB)

/* What the rows about mapped memory work on. */
#define AREA		(64 * MIB)
#define AREA_PAGES	(AREA / PG)
/* One page in a hundred of it. */
#define SPARSE_PAGES	(AREA_PAGES / 100)

/**
 * struct bench_side - one of the things a row compares
 * @who: "ours", or the name of the peer
 * @run: sets the scene, measures once, cleans up; returns the figure
 * @needs_module: cannot run without /dev/cowvmo
 */
struct bench_side {
	const char *who;
	double (*run)(unsigned int round);
	bool needs_module;
};

/**
 * struct bench_row - one line of the table
 * @name: its id
 * @unit: what its figures are counted in
 * @rounds: how often it is worth measuring; 0 for the default
 * @sides: what is compared; the last may be absent
 */
struct bench_row {
	const char *name;
	const char *unit;
	unsigned int rounds;
	struct bench_side sides[3];
};

/* Tables of rows, each ended by one without a name. */
extern const struct bench_row snapshot_rows[];
extern const struct bench_row fault_rows[];
extern const struct bench_row cost_rows[];
extern const struct bench_row exchange_rows[];
extern const struct bench_row pin_rows[];
extern const struct bench_row pager_rows[];
/* Those that need two processors, and are run where there are. */
extern const struct bench_row pager_smp_rows[];

static inline double per_page(u64 time, size_t pages)
{
	return (double)time / pages;
}

/* main.c */
void die(const char *what);
u64 now(void);
u64 median(u64 *v, size_t n);
void settle(void);
void shuffle(unsigned int *index, unsigned int pages, unsigned int seed);

/* memory.c: objects behind an fd */
bool vmo_present(void);
int vmo_new(u64 size);
int vmo_clone(int fd, u64 size);
void vmo_commit(int fd, u64 offset, u64 length);
u64 vmo_metadata(int fd);
void vmo_poke(int fd, u64 offset);
void vmo_transfer(int to, int from, u64 size);
void vmo_reflink(int to, int from, u64 size);
void vmo_restore(int fd, int source, unsigned int flags);
int vmo_pin(int fd, u64 size);
int memfd_new(u64 size);
void *map_fd(int fd, size_t size);
void *map_anon(size_t size);
void unmap(void *map, size_t size);

/* memory.c: touching what is mapped; returns the time it took */
u64 write_all(char *map, size_t pages);
u64 read_all(const char *map, size_t pages);
u64 write_some(char *map, const unsigned int *index, size_t pages);

/* memory.c: processes */
pid_t fork_timed(u64 *time, bool linger);
u64 write_in_child(char *map, size_t pages);
void reap(pid_t child);

/* memory.c: bytes of it, page tables and kernel objects included */
u64 memory_used(void);

/* caches.c: the kernel's count of its own objects */

/**
 * struct cache_use - what the kernel's slab caches hold
 * @count: number of caches
 * @cache: them
 */
struct cache_use {
	size_t count;
	struct {
		char name[40];
		unsigned long objects;
		unsigned long object_size;
		unsigned long slabs;
		unsigned long slab_size;
	} cache[512];
};

void caches_read(struct cache_use *use);
unsigned long cache_object_size(const struct cache_use *use, const char *name);
typedef bool cache_filter(const char *name);
double caches_growth(const struct cache_use *before,
		     const struct cache_use *after, cache_filter *counts,
		     bool whole_slabs, double per);

#endif /* COWVMO_BENCH_H */
