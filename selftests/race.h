/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writers with a logical clock, and what a snapshot of their work must look
 * like.
 *
 * Each of two writers goes through all pages in order, again and again,
 * writing the number of the round. Thus at any instant its pages show round n
 * up to some page and round n - 1 from there on. With each page it also writes
 * down which round of the other writer it saw on some other page. A snapshot
 * that has this note but not what was seen is not a cut through time.
 */
#ifndef COWVMO_SELFTEST_RACE_H
#define COWVMO_SELFTEST_RACE_H

#include "maps.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>

#define RACE_PAGES	32ULL
/* Room behind the writers' pages, for whoever wants to disturb there */
#define RACE_SPARE	16ULL
#define RACE_BYTES	((RACE_PAGES + RACE_SPARE) * PG)

struct race_page {
	__u64 seen[2];
	__u64 round[2];
	/* for others to write; nothing is expected of it */
	__u64 noise;
	__u8 pad[PG - 56];
	__u64 tail[2];
};

struct race {
	int fd;
	struct race_page *mem;
	/* the writers use pwrite() */
	bool by_file;
	int stop;
	__u64 steps[2];
};

static inline void race_put(struct race *race, __u64 *at, __u64 value)
{
	off_t offset = (char *)at - (char *)race->mem;

	if (!race->by_file)
		__atomic_store_n(at, value, __ATOMIC_RELEASE);
	else if (pwrite(race->fd, &value, sizeof(value), offset) !=
		 sizeof(value))
		abort();
}

static inline __u64 race_get(struct race *race, const __u64 *at)
{
	off_t offset = (const char *)at - (const char *)race->mem;
	__u64 value;

	if (!race->by_file)
		return __atomic_load_n(at, __ATOMIC_ACQUIRE);
	if (pread(race->fd, &value, sizeof(value), offset) != sizeof(value))
		abort();
	return value;
}

static inline bool race_stopped(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_ACQUIRE);
}

/* The page of the other writer that is looked at with this page */
static inline unsigned int race_pair(unsigned int page)
{
	return (page * 7 + 5) % RACE_PAGES;
}

static inline void race_write_page(struct race *race, unsigned int page,
				   unsigned int who, __u64 round)
{
	struct race_page *mem = &race->mem[page];
	__u64 *other = &race->mem[race_pair(page)].round[!who];

	race_put(race, &mem->seen[who], race_get(race, other));
	race_put(race, &mem->round[who], round);
	race_put(race, &mem->tail[who], round);
	__atomic_fetch_add(&race->steps[who], 1, __ATOMIC_RELAXED);
}

static inline void race_write(struct race *race, unsigned int who)
{
	unsigned int page;
	__u64 round;

	for (round = 1; ; round++)
		for (page = 0; page < RACE_PAGES; page++) {
			if (race_stopped(race))
				return;
			race_write_page(race, page, who, round);
		}
}

static inline void *race_writer0(void *race)
{
	race_write(race, 0);
	return NULL;
}

static inline void *race_writer1(void *race)
{
	race_write(race, 1);
	return NULL;
}

/* 0, or a number that tells which rule one writer's pages break */
static inline int race_check_writer(const struct race_page *mem,
				    unsigned int who)
{
	__u64 first = mem[0].round[who];
	unsigned int i;

	for (i = 0; i < RACE_PAGES; i++) {
		const struct race_page *page = &mem[i];
		const struct race_page *pair = &mem[race_pair(i)];

		if (page->round[who] > first ||
		    page->round[who] + 1 < first)
			return 1;
		if (i && page->round[who] > page[-1].round[who])
			return 2;
		if (page->tail[who] > page->round[who] ||
		    page->tail[who] + 1 < page->round[who])
			return 3;
		if (page->seen[who] > pair->round[!who])
			return 4;
	}
	return 0;
}

/* Reads a snapshot and checks it: 0, a rule's number, or -errno. */
static inline int race_check(int snap, struct race_page *buf)
{
	long got = vmo_ret(pread(snap, buf, RACE_PAGES * PG, 0));
	int rc;

	if (got != (long)(RACE_PAGES * PG))
		return got < 0 ? got : -EIO;
	rc = race_check_writer(buf, 0);
	return rc ? rc : race_check_writer(buf, 1);
}

static inline __u64 race_hash(const void *mem, size_t length)
{
	const __u64 *word = mem;
	__u64 hash = 0;
	size_t i;

	for (i = 0; i < length / sizeof(*word); i++)
		hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ULL;
	return hash;
}

/* All of a snapshot, the spare pages too: it must never change. */
static inline __u64 race_hash_of(int snap)
{
	static __thread char buf[RACE_BYTES];
	long got = pread(snap, buf, sizeof(buf), 0);

	return got > 0 ? race_hash(buf, got) : 0;
}

/* Until both writers have written something more: asleep, not in their way. */
static inline void race_let_write(struct race *race)
{
	__u64 was[2];
	int i;

	for (i = 0; i < 2; i++)
		was[i] = __atomic_load_n(&race->steps[i], __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		while (__atomic_load_n(&race->steps[i], __ATOMIC_RELAXED) ==
		       was[i])
			usleep(100);
}

/*
 * Who makes snapshots need not wait until the writers have had their turns,
 * and so interrupts them anywhere. Called when all others have been started,
 * as they would inherit it; not all kernels and users may do it.
 */
static inline void race_hurry(void)
{
	struct sched_param param = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_FIFO, &param);
}

/* How many snapshots to make: @most, or fewer where whoever runs us says so. */
static inline int race_snapshots(int most)
{
	const char *text = getenv("RACE_SNAPSHOTS");
	int wanted = text ? atoi(text) : 0;

	return wanted > 0 && wanted < most ? wanted : most;
}

/* In shared memory, so that writers may be processes. */
static inline struct race *race_new(__u32 flags)
{
	struct race *race = mmap(NULL, sizeof(*race), RW,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (race == MAP_FAILED)
		return NULL;
	race->fd = vmo_new(RACE_BYTES, flags);
	return race;
}

static inline int race_map(struct race *race)
{
	race->mem = vmo_map(race->fd, 0, RACE_BYTES, RW);
	return race->mem ? 0 : -errno;
}

static inline void race_free(struct race *race)
{
	munmap(race->mem, RACE_BYTES);
	close(race->fd);
	munmap(race, sizeof(*race));
}

#endif /* COWVMO_SELFTEST_RACE_H */
