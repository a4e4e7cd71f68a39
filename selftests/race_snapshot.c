// SPDX-License-Identifier: GPL-2.0
/*
 * Writers at full speed while snapshots are made, and somebody else who does
 * everything that changes page tables or content meanwhile. Each snapshot must
 * be the content of one instant, between the call and its return, and must
 * never change.
 */
#include "race.h"

#include <sys/uio.h>

#include "kselftest_harness.h"

#define SNAPSHOTS	100
/* Where the disturbance is not one that must be met so often */
#define FEWER		12

FIXTURE(race) {
	struct race *race;
	pthread_t writer[2];
	pthread_t disturber;
	pid_t child[2];
	struct holder holder;
	int snap[SNAPSHOTS];
	__u64 hash[SNAPSHOTS];
};

/* Where a mapping that cannot write stands among the others, if there is one */
enum place { P_NONE, P_FIRST, P_MIDDLE, P_LAST };

FIXTURE_VARIANT(race) {
	void *(*disturb)(void *race);
	enum place place;
	bool private;
	bool by_file;
	bool processes;
	int snapshots;
};

/* The disturbers */

static char *spare_of(struct race *race)
{
	return (char *)race->mem + RACE_PAGES * PG;
}

static void *disturb_mprotect(void *arg)
{
	struct race *race = arg;

	while (!race_stopped(race)) {
		mprotect(race->mem, RACE_BYTES, PROT_READ);
		mprotect(race->mem, RACE_BYTES, RW);
	}
	return NULL;
}

/* Only some pages, so that others stay writable */
static void *disturb_mprotect_part(void *arg)
{
	struct race *race = arg;
	unsigned int i = 0;

	while (!race_stopped(race)) {
		char *at = (char *)race->mem + i++ % RACE_PAGES * PG;

		mprotect(at, 4 * PG, PROT_WRITE);
		mprotect(at, 4 * PG, PROT_NONE);
		mprotect(at, 4 * PG, RW);
	}
	return NULL;
}

static void *disturb_fork(void *arg)
{
	struct race *race = arg;
	pid_t pid;

	while (!race_stopped(race)) {
		pid = fork();
		if (!pid) {
			race->mem[3].noise++;
			race->mem[RACE_PAGES - 1].noise++;
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	return NULL;
}

/* Another mapping, a part of which never stays where it is */
static void *disturb_mremap(void *arg)
{
	struct race *race = arg;
	char *mem = vmo_map(race->fd, 0, 8 * PG, RW);
	char *area = mmap(NULL, 16 * PG, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i = 0;

	if (!mem || area == MAP_FAILED)
		abort();
	while (!race_stopped(race)) {
		((struct race_page *)mem)[i % 8].noise = i;
		mem = mremap(mem, 8 * PG, 8 * PG,
			     MREMAP_MAYMOVE | MREMAP_FIXED,
			     area + i % 2 * 8 * PG);
		if (mem == MAP_FAILED)
			abort();
		((struct race_page *)mem)[i % 8].noise = i;
		i++;
	}
	munmap(area, 16 * PG);
	return NULL;
}

static void *disturb_dontneed(void *arg)
{
	struct race *race = arg;

	while (!race_stopped(race))
		madvise(race->mem, RACE_BYTES, MADV_DONTNEED);
	return NULL;
}

static void *disturb_map(void *arg)
{
	struct race *race = arg;
	struct race_page *mem;
	unsigned int i = 0;

	while (!race_stopped(race)) {
		mem = vmo_map(race->fd, 0, RACE_BYTES, RW);
		if (!mem)
			abort();
		mem[i % RACE_PAGES].noise = i;
		i++;
		munmap(mem, RACE_BYTES);
	}
	return NULL;
}

static void *disturb_zero(void *arg)
{
	struct race *race = arg;
	char *spare = spare_of(race);
	unsigned int i;

	for (i = 0; !race_stopped(race); i++) {
		spare[i % RACE_SPARE * PG] = i;
		spare[i * 5 % RACE_SPARE * PG] = i;
		vmo_zero(race->fd, RACE_PAGES * PG + i % 3 * 1000,
			 (RACE_SPARE - 3) * PG + i % 7 * 100);
		vmo_commit(race->fd, RACE_PAGES * PG, 4 * PG);
	}
	return NULL;
}

static void *disturb_resize(void *arg)
{
	struct race *race = arg;
	unsigned int i;

	for (i = 0; !race_stopped(race); i++) {
		vmo_put_byte(race->fd, (RACE_PAGES + i % RACE_SPARE) * PG, i);
		vmo_try_write((unsigned char *)spare_of(race), i);
		vmo_set_size(race->fd, (RACE_PAGES + i % 5) * PG + i % PG);
		vmo_try_write((unsigned char *)spare_of(race) + 3 * PG, i);
		vmo_set_size(race->fd, RACE_BYTES);
	}
	return NULL;
}

static void *disturb_info(void *arg)
{
	struct race *race = arg;
	struct cowvmo_get_info info;

	while (!race_stopped(race))
		vmo_info(race->fd, &info, COWVMO_INFO_MEMORY);
	return NULL;
}

/* Holders that come and go: a snapshot may meet any page held. */
static void *disturb_hold(void *arg)
{
	struct race *race = arg;
	__u64 noise = 0;
	unsigned int i;
	int pipes[2];
	char buf[PG];

	if (pipe(pipes))
		abort();
	for (i = 0; !race_stopped(race); i++) {
		struct race_page *page = &race->mem[i % RACE_PAGES];
		struct iovec local = { &noise, sizeof(noise) };
		struct iovec remote = { &page->noise, sizeof(noise) };
		struct iovec whole = { page, PG };

		noise = i;
		process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
		if (vmsplice(pipes[1], &whole, 1, 0) != PG ||
		    read(pipes[0], buf, PG) != PG)
			abort();
	}
	close(pipes[0]);
	close(pipes[1]);
	return NULL;
}

static void *disturb_protect_in_processes(void *arg)
{
	struct race *race = arg;
	pid_t pid = fork();

	if (!pid) {
		while (!race_stopped(race)) {
			mprotect(race->mem, RACE_BYTES, PROT_READ);
			mprotect(race->mem, RACE_BYTES, RW);
			race->mem[5].noise++;
		}
		_exit(0);
	}
	disturb_mprotect(race);
	waitpid(pid, NULL, 0);
	return NULL;
}

FIXTURE_VARIANT_ADD(race, alone) {
	.place = P_NONE,
};

FIXTURE_VARIANT_ADD(race, by_file) {
	.by_file = true,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, processes) {
	.processes = true,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, private_first) {
	.place = P_FIRST,
	.private = true,
};

FIXTURE_VARIANT_ADD(race, private_middle) {
	.place = P_MIDDLE,
	.private = true,
};

FIXTURE_VARIANT_ADD(race, private_last) {
	.place = P_LAST,
	.private = true,
};

FIXTURE_VARIANT_ADD(race, read_only_first) {
	.place = P_FIRST,
};

FIXTURE_VARIANT_ADD(race, read_only_middle) {
	.place = P_MIDDLE,
};

FIXTURE_VARIANT_ADD(race, read_only_last) {
	.place = P_LAST,
};

FIXTURE_VARIANT_ADD(race, mprotect) {
	.disturb = disturb_mprotect,
};

FIXTURE_VARIANT_ADD(race, mprotect_part) {
	.disturb = disturb_mprotect_part,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, mprotect_processes) {
	.disturb = disturb_protect_in_processes,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, mprotect_private_first) {
	.disturb = disturb_mprotect,
	.place = P_FIRST,
	.private = true,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, fork) {
	.disturb = disturb_fork,
};

FIXTURE_VARIANT_ADD(race, mremap) {
	.disturb = disturb_mremap,
};

FIXTURE_VARIANT_ADD(race, dontneed) {
	.disturb = disturb_dontneed,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, map_unmap) {
	.disturb = disturb_map,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, zero) {
	.disturb = disturb_zero,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, zero_by_file) {
	.disturb = disturb_zero,
	.by_file = true,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, resize) {
	.disturb = disturb_resize,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, info) {
	.disturb = disturb_info,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, hold) {
	.disturb = disturb_hold,
	.snapshots = FEWER,
};

/* The mapping that cannot write, in another process */
static int map_reader(void *arg)
{
	const struct race *race = arg;
	volatile struct race_page *mem;
	unsigned int i;

	mem = mmap(NULL, RACE_BYTES, race->by_file ? RW : PROT_READ,
		   race->by_file ? MAP_PRIVATE : MAP_SHARED, race->fd, 0);
	if (mem == MAP_FAILED)
		return 1;
	for (i = 0; i < RACE_PAGES + RACE_SPARE; i++)
		(void)mem[i].noise;
	return 0;
}

static int start_reader(struct holder *holder, const struct race *race,
			bool private)
{
	/* by_file, which a reader has no use for, says: private */
	struct race how = { .fd = race->fd, .by_file = private };

	return holder_start(holder, map_reader, &how);
}

/* mprotect() of a disturber: try again until it lets us. */
static void on_segv(int sig)
{
	(void)sig;
}

static void catch_segv(void)
{
	struct sigaction act = { .sa_handler = on_segv };

	sigaction(SIGSEGV, &act, NULL);
}

static pid_t start_process(struct race *race, unsigned int who)
{
	pid_t pid = fork();

	if (!pid) {
		race_write(race, who);
		_exit(0);
	}
	return pid;
}

FIXTURE_SETUP(race)
{
	struct race_page *other;

	self->race = race_new(COWVMO_CREATE_RESIZABLE);
	ASSERT_NE(NULL, self->race);
	ASSERT_GE(self->race->fd, 0);
	if (variant->place == P_FIRST)
		ASSERT_EQ(0, start_reader(&self->holder, self->race,
					  variant->private));
	other = vmo_map(self->race->fd, 0, RACE_BYTES, RW);
	ASSERT_NE(NULL, other);
	other[0].noise = 1;
	if (variant->place == P_MIDDLE)
		ASSERT_EQ(0, start_reader(&self->holder, self->race,
					  variant->private));
	ASSERT_EQ(0, race_map(self->race));
	if (variant->place == P_LAST)
		ASSERT_EQ(0, start_reader(&self->holder, self->race,
					  variant->private));
	self->race->by_file = variant->by_file;
	catch_segv();
}

static void start_writers(struct race *race, pthread_t *thread, pid_t *child,
			  bool processes)
{
	if (processes) {
		child[0] = start_process(race, 0);
		child[1] = start_process(race, 1);
		return;
	}
	if (pthread_create(&thread[0], NULL, race_writer0, race) ||
	    pthread_create(&thread[1], NULL, race_writer1, race))
		abort();
}

static void stop_writers(struct race *race, pthread_t *thread, pid_t *child,
			 bool processes)
{
	int i;

	__atomic_store_n(&race->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		if (processes)
			waitpid(child[i], NULL, 0);
		else
			pthread_join(thread[i], NULL);
	}
}

FIXTURE_TEARDOWN(race)
{
	int i;

	for (i = 0; i < SNAPSHOTS && self->snap[i] > 0; i++)
		close(self->snap[i]);
	if (variant->place != P_NONE)
		holder_stop(&self->holder);
	race_free(self->race);
	EXPECT_EQ(0, vmo_validate());
}

/* The round that a writer has begun: not by pread(), which waits for a lock. */
static __u64 round_now(struct race *race, unsigned int who)
{
	return __atomic_load_n(&race->mem[0].round[who], __ATOMIC_ACQUIRE);
}

/* One snapshot: 0, or what is wrong with it */
static int snapshot_once(struct race *race, int *snap, __u64 *hash)
{
	static struct race_page buf[RACE_PAGES];
	__u64 before[2], after[2];
	int rc, i;

	for (i = 0; i < 2; i++)
		before[i] = round_now(race, i);
	*snap = vmo_child(race->fd, 0, 0, RACE_BYTES);
	if (*snap < 0)
		return *snap;
	for (i = 0; i < 2; i++)
		after[i] = round_now(race, i);
	rc = race_check(*snap, buf);
	for (i = 0; !rc && i < 2; i++)
		if (buf[0].round[i] < before[i] || buf[0].round[i] > after[i])
			rc = 5;
	*hash = race_hash_of(*snap);
	return rc;
}

TEST_F_TIMEOUT(race, each_snapshot_is_one_instant, 240)
{
	int snapshots = race_snapshots(variant->snapshots ?: SNAPSHOTS);
	struct race *race = self->race;
	int i;

	start_writers(race, self->writer, self->child, variant->processes);
	if (variant->disturb)
		ASSERT_EQ(0, pthread_create(&self->disturber, NULL,
					    variant->disturb, race));
	race_hurry();
	for (i = 0; i < snapshots; i++) {
		race_let_write(race);
		EXPECT_EQ(0, snapshot_once(race, &self->snap[i],
					   &self->hash[i]));
		if (i % 16 == 0)
			EXPECT_EQ(0, vmo_validate());
	}
	stop_writers(race, self->writer, self->child, variant->processes);
	if (variant->disturb)
		pthread_join(self->disturber, NULL);
	for (i = 0; i < snapshots; i++)
		EXPECT_EQ(self->hash[i], race_hash_of(self->snap[i]));
}

TEST_HARNESS_MAIN
