// SPDX-License-Identifier: GPL-2.0
/*
 * A family at work from all sides: snapshots of snapshots from several
 * threads, members closed, written, resized and looked at while others come
 * and go. What is checked is the content of each member, then that nothing is
 * left.
 */
#include "race.h"

#include "kselftest_harness.h"

#define THREADS	4
#define ROUNDS	40
#define PAGES	40ULL

FIXTURE(family) {
	int fd;
	struct vmo_stats before;
};

FIXTURE_SETUP(family)
{
	self->before = vmo_stats();
	self->fd = vmo_filled(PAGES, PAGES, COWVMO_CREATE_RESIZABLE);
	ASSERT_GE(self->fd, 0);
}

/* What the family used is free again, however it was taken apart. */
FIXTURE_TEARDOWN(family)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	close(self->fd);
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.nodes, after.nodes);
	EXPECT_EQ(self->before.descs, after.descs);
	EXPECT_EQ(0, vmo_validate());
}

struct job {
	int fd;
	unsigned int number;
	int error;
};

/* Makes a thread per job; returns the number of the first that failed, or 0. */
static int run_jobs(int fd, void *(*work)(void *))
{
	pthread_t thread[THREADS];
	struct job job[THREADS];
	int i, error = 0;

	for (i = 0; i < THREADS; i++) {
		job[i] = (struct job) { .fd = fd, .number = i };
		if (pthread_create(&thread[i], NULL, work, &job[i]))
			abort();
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		if (!error)
			error = job[i].error;
	}
	return error;
}

static void fail_at(struct job *job, bool failed, int line)
{
	if (failed && !job->error)
		job->error = line;
}

#define FAIL_IF(job, condition)	fail_at(job, condition, __LINE__)

/* A page that each thread writes; the others must stay as they were. */
static int check_but(int fd, __u64 but)
{
	return filled_check(fd, 0, but) ?:
		filled_check(fd, but + 1, PAGES - but - 1);
}

static void *snapshot_and_close(void *arg)
{
	struct job *job = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int snap = vmo_snapshot(job->fd);
		__u64 page = (i * 7 + job->number) % PAGES;

		FAIL_IF(job, snap < 0);
		FAIL_IF(job, pat_fill(snap, page, i));
		FAIL_IF(job, check_but(snap, page));
		FAIL_IF(job, pat_check(snap, page, i));
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, siblings_come_and_go, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, snapshot_and_close));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/* Each thread a chain of generations, a few of which are alive at a time */
#define ALIVE	5

static void *chain(void *arg)
{
	struct job *job = arg;
	int alive[ALIVE] = { [0 ... ALIVE - 1] = -1 };
	int last = job->fd;
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int *slot = &alive[i % ALIVE];
		int snap = vmo_snapshot(last);

		FAIL_IF(job, snap < 0);
		FAIL_IF(job, pat_fill(snap, job->number, i));
		if (i > ALIVE)
			FAIL_IF(job, pat_check(*slot, job->number, i - ALIVE));
		FAIL_IF(job, pat_check(snap, PAGES - 1, FILL + PAGES - 1));
		if (*slot >= 0)
			close(*slot);
		*slot = snap;
		last = snap;
	}
	for (i = 0; i < ALIVE; i++)
		if (alive[i] >= 0)
			close(alive[i]);
	return NULL;
}

TEST_F_TIMEOUT(family, chains_of_generations, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, chain));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/* All see the same page first; each then makes it its own, at the same time. */
static void *fork_pages(void *arg)
{
	struct job *job = arg;
	unsigned int i, n;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int snap = vmo_child(job->fd, 0, 0, PAGES * PG);
		unsigned char *mem = vmo_map(snap, 0, PAGES * PG, RW);

		FAIL_IF(job, snap < 0 || !mem);
		if (job->error)
			break;
		for (n = 0; n < PAGES; n++) {
			FAIL_IF(job, pat_mem_check(mem + n * PG, FILL + n));
			mem[n * PG] = job->number;
			FAIL_IF(job, mem[n * PG] != job->number);
		}
		munmap(mem, PAGES * PG);
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, members_write_the_same_pages, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, fork_pages));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/* One writes and rereads the parent, while its clones are read and mapped. */
static void *write_parent_or_read(void *arg)
{
	struct job *job = arg;
	unsigned int i, n;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		unsigned char *mem;
		int snap;

		if (!job->number) {
			FAIL_IF(job, pat_fill(job->fd, i % 8, i));
			FAIL_IF(job, pat_check(job->fd, i % 8, i));
			continue;
		}
		snap = vmo_child(job->fd, COWVMO_CREATE_NO_WRITE, 8 * PG,
				 (PAGES - 8) * PG);
		mem = vmo_map(snap, 0, (PAGES - 8) * PG, PROT_READ);
		FAIL_IF(job, snap < 0 || !mem);
		for (n = 0; mem && n < PAGES - 8; n++)
			FAIL_IF(job, pat_mem_check(mem + n * PG,
						   FILL + n + 8));
		munmap(mem, (PAGES - 8) * PG);
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, the_parent_writes_while_clones_read, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, write_parent_or_read));
	EXPECT_EQ(0, filled_check(self->fd, 8, PAGES - 8));
}

/*
 * The same through mappings: the writer has the page mapped already when it
 * writes first, the clones fault it in at that moment.
 */
static void store_pages(struct job *job)
{
	unsigned char *mem = vmo_map(job->fd, 0, PAGES * PG, RW);
	unsigned int i, n;

	FAIL_IF(job, !mem);
	for (i = 0; i < 4 * ROUNDS && !job->error; i++)
		for (n = 0; n < PAGES; n++) {
			unsigned char was = mem[n * PG];

			mem[n * PG] = was + 1;
			FAIL_IF(job, mem[n * PG] != (unsigned char)(was + 1));
		}
	munmap(mem, PAGES * PG);
}

static void look_at_clone(struct job *job, unsigned char *mem, int snap)
{
	__u64 buf[PG / sizeof(__u64)];
	unsigned int n;

	for (n = 0; n < PAGES; n++) {
		unsigned char *page = mem + n * PG;
		unsigned char first = page[0];

		FAIL_IF(job, page_read(snap, n, buf));
		FAIL_IF(job, memcmp(buf, page, PG));
		FAIL_IF(job, page[0] != first);
		memcpy(buf, page, PG);
		((unsigned char *)buf)[0] = pat_word(FILL + n, 0);
		FAIL_IF(job, pat_mem_check(buf, FILL + n));
	}
}

static void *store_or_look(void *arg)
{
	struct job *job = arg;
	unsigned int i;

	if (!job->number)
		store_pages(job);
	for (i = 0; job->number && i < ROUNDS && !job->error; i++) {
		int snap = vmo_child(job->fd, 0, 0, PAGES * PG);
		unsigned char *mem = vmo_map(snap, 0, PAGES * PG, PROT_READ);

		FAIL_IF(job, snap < 0 || !mem);
		if (job->error)
			break;
		look_at_clone(job, mem, snap);
		madvise(mem, PAGES * PG, MADV_DONTNEED);
		look_at_clone(job, mem, snap);
		munmap(mem, PAGES * PG);
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, a_mapped_parent_writes_while_clones_look, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, store_or_look));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/* Sizes, zeroes, memory, attribution: on clones of one page set at once */
static void *change_clone(void *arg)
{
	struct job *job = arg;
	struct cowvmo_get_info info;
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int snap = vmo_child(job->fd, COWVMO_CREATE_RESIZABLE, 0,
				     PAGES * PG);
		__u64 cut = 1 + (i + job->number) % (PAGES - 1);

		FAIL_IF(job, snap < 0);
		FAIL_IF(job, vmo_set_size(snap, cut * PG));
		FAIL_IF(job, vmo_set_size(snap, PAGES * PG));
		FAIL_IF(job, filled_check(snap, 0, cut));
		FAIL_IF(job, zero_check(snap, cut));
		FAIL_IF(job, vmo_commit(snap, 0, PAGES * PG));
		FAIL_IF(job, vmo_info(snap, &info, COWVMO_INFO_MEMORY));
		FAIL_IF(job, info.out_private_bytes != PAGES * PG);
		FAIL_IF(job, vmo_zero(snap, 100, 2 * PG));
		FAIL_IF(job, vmo_info(snap, &info, COWVMO_INFO_MEMORY));
		FAIL_IF(job, info.out_private_bytes != (PAGES - 1) * PG);
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, clones_change_in_size, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, change_clone));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/* The sum of what all members of a family use, at every moment */
static void *sum_family(void *arg)
{
	struct job *job = arg;
	struct cowvmo_get_info info;
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int snap;

		if (job->number & 1) {
			FAIL_IF(job, vmo_info(job->fd, &info,
					      COWVMO_INFO_MEMORY));
			FAIL_IF(job, info.out_populated_bytes != PAGES * PG);
			FAIL_IF(job, info.out_scaled_bytes > PAGES * PG);
			FAIL_IF(job, info.out_private_bytes >
				info.out_scaled_bytes);
			continue;
		}
		snap = vmo_snapshot(job->fd);
		FAIL_IF(job, snap < 0);
		FAIL_IF(job, vmo_info(snap, &info, COWVMO_INFO_MEMORY));
		FAIL_IF(job, info.out_private_bytes);
		FAIL_IF(job, info.out_scaled_bytes > PAGES * PG / 2);
		close(snap);
	}
	return NULL;
}

TEST_F_TIMEOUT(family, attribution_while_members_come_and_go, 120)
{
	EXPECT_EQ(0, run_jobs(self->fd, sum_family));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
}

/*
 * Snapshots of a writer's VMO from two threads, each of which takes a snapshot
 * of its snapshot, closes the first and checks the second.
 */
static void *snapshot_twice(void *arg)
{
	struct job *job = arg;
	struct race_page *buf = malloc(RACE_PAGES * PG);
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int one = vmo_child(job->fd, 0, 0, RACE_BYTES);
		int two = vmo_child(one, 0, 0, RACE_BYTES);

		FAIL_IF(job, one < 0 || two < 0);
		if (i % 2)
			close(one);
		FAIL_IF(job, race_check(two, buf));
		if (!(i % 2))
			close(one);
		FAIL_IF(job, race_check(two, buf));
		close(two);
	}
	free(buf);
	return NULL;
}

TEST_F_TIMEOUT(family, snapshots_of_snapshots_of_writers, 240)
{
	struct race *race = race_new(0);
	pthread_t writer[2];

	ASSERT_NE(NULL, race);
	ASSERT_GE(race->fd, 0);
	ASSERT_EQ(0, race_map(race));
	ASSERT_EQ(0, pthread_create(&writer[0], NULL, race_writer0, race));
	ASSERT_EQ(0, pthread_create(&writer[1], NULL, race_writer1, race));
	race_let_write(race);
	EXPECT_EQ(0, run_jobs(race->fd, snapshot_twice));
	__atomic_store_n(&race->stop, 1, __ATOMIC_RELEASE);
	pthread_join(writer[0], NULL);
	pthread_join(writer[1], NULL);
	race_free(race);
}

TEST_HARNESS_MAIN
