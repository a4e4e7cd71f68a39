// SPDX-License-Identifier: GPL-2.0
/*
 * Lenders that give and take their pages while borrowers write, snapshot,
 * transfer, pin and close: what a borrower has is what it wrote, a snapshot of
 * it is a cut through time, and a lender has the very same pages, and nobody
 * else's bytes in them.
 */
#include "race.h"

#include "kselftest_harness.h"
#include "contig.h"

#define LENT		64ULL
#define SNAPSHOTS	60
#define ROUNDS		60

struct job {
	struct race *race;
	unsigned int number;
	int stop;
	int error;
	unsigned long done, busy;
};

static void fail_at(struct job *job, bool failed, int line)
{
	if (failed && !job->error)
		__atomic_store_n(&job->error, line, __ATOMIC_RELEASE);
}

#define FAIL_IF(job, condition)	fail_at(job, condition, __LINE__)

static bool stopped(struct job *job)
{
	return __atomic_load_n(&job->stop, __ATOMIC_ACQUIRE) || job->error;
}

static void stop(struct job *job)
{
	__atomic_store_n(&job->stop, 1, __ATOMIC_RELEASE);
}

FIXTURE(race_loan) {
	struct vmo_stats before;
};

FIXTURE_SETUP(race_loan)
{
	ASSERT_EQ(0, loan_allow(true));
	self->before = vmo_stats();
}

FIXTURE_TEARDOWN(race_loan)
{
	struct vmo_stats after = vmo_stats();

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(0, memcmp(&after, &self->before, sizeof(after)));
}

/* --- The lender */

/* Has page @page there, by one of the ways that there are; 0 or -errno */
static int want_page(int fd, unsigned char *mem, __u64 page, unsigned int way)
{
	int pin;

	switch (way % 4) {
	case 0:
		return vmo_commit(fd, page * PG, PG);
	case 1:
		return vmo_try_read(mem + page * PG, &(unsigned char){ 0 }) ?
			-EBUSY : 0;
	case 2:
		return vmo_get_byte(fd, page * PG) < 0 ? -EBUSY : 0;
	default:
		pin = vmo_pin(fd, 0, page * PG, PG);
		if (pin >= 0)
			close(pin);
		return pin < 0 ? pin : 0;
	}
}

/* Somebody may hold a page for a moment; that is no error, but is counted. */
static void take_all(struct job *job, int fd, unsigned char *mem,
		     unsigned int way)
{
	__u64 page;
	int rc;

	for (page = 0; page < LENT && !job->error; page++) {
		do {
			rc = want_page(fd, mem, page, way + page);
			job->busy += rc == -EBUSY;
		} while (rc == -EBUSY && job->busy < 100);
		FAIL_IF(job, rc);
		FAIL_IF(job, zero_mem_check(mem + page * PG, PG));
		pat_mem_fill(mem + page * PG, way + page);
	}
}

/* vmo_try_read() is for one thread: faults are left to one lender. */
static void lend_and_take(struct job *job, int fd, long base, unsigned int i)
{
	unsigned char *mem = vmo_map(fd, 0, LENT * PG, RW);
	__u64 page;

	FAIL_IF(job, !mem || vmo_decommit(fd, 0, LENT * PG));
	usleep(2000);
	take_all(job, fd, mem, i);
	FAIL_IF(job, in_place(fd, base, 0, LENT) != LENT);
	usleep(1000);
	for (page = 0; page < LENT && !job->error; page++)
		FAIL_IF(job, pat_mem_check(mem + page * PG, i + page));
	munmap(mem, LENT * PG);
	job->done++;
}

static void *lender(void *arg)
{
	int fd = vmo_contiguous(LENT * PG, 0);
	struct job *job = arg;
	long base = frame_of(fd, 0);
	unsigned int i;

	FAIL_IF(job, fd < 0);
	for (i = 0; !stopped(job); i++)
		lend_and_take(job, fd, base, i);
	close(fd);
	return NULL;
}

/* One that goes away with pages on loan, again and again */
static void *dying_lender(void *arg)
{
	struct job *job = arg;

	while (!stopped(job)) {
		int fd = vmo_contiguous(16 * PG, 0);

		FAIL_IF(job, fd < 0 || vmo_decommit(fd, 0, 16 * PG));
		usleep(1000);
		FAIL_IF(job, vmo_commit(fd, 3 * PG, 5 * PG) &&
			++job->busy > 100);
		close(fd);
		job->done++;
	}
	return NULL;
}

/* --- A borrower with writers, of which snapshots are taken */

static void snapshot_once(struct job *job, struct race_page *buf)
{
	int snap = vmo_snapshot(job->race->fd);
	__u64 hash;

	FAIL_IF(job, snap < 0);
	FAIL_IF(job, race_check(snap, buf));
	hash = race_hash_of(snap);
	race_let_write(job->race);
	FAIL_IF(job, race_hash_of(snap) != hash);
	close(snap);
}

static void cuts_through_time(struct __test_metadata *_metadata, bool by_file)
{
	struct job jobs[2] = { { .number = 0 }, { .number = 1 } };
	struct job snaps = { .race = race_new(0) };
	struct race_page *buf = malloc(RACE_PAGES * PG);
	pthread_t writers[2], lenders[2];
	unsigned int i;

	ASSERT_NE(NULL, snaps.race);
	snaps.race->by_file = by_file;
	ASSERT_EQ(0, race_map(snaps.race));
	pthread_create(&lenders[0], NULL, lender, &jobs[0]);
	pthread_create(&lenders[1], NULL, dying_lender, &jobs[1]);
	pthread_create(&writers[0], NULL, race_writer0, snaps.race);
	pthread_create(&writers[1], NULL, race_writer1, snaps.race);
	for (i = 0; i < SNAPSHOTS && !snaps.error && !jobs[0].error; i++)
		snapshot_once(&snaps, buf);
	__atomic_store_n(&snaps.race->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		stop(&jobs[i]);
		pthread_join(writers[i], NULL);
		pthread_join(lenders[i], NULL);
		EXPECT_EQ(0, jobs[i].error);
		EXPECT_LT(0, jobs[i].done);
	}
	EXPECT_EQ(0, snaps.error);
	TH_LOG("%lu times lent, %lu and %lu times somebody held a page",
	       jobs[0].done, jobs[0].busy, jobs[1].busy);
	race_free(snaps.race);
	free(buf);
}

TEST_F_TIMEOUT(race_loan, snapshots_of_mapped_writers, 600)
{
	cuts_through_time(_metadata, false);
}

TEST_F_TIMEOUT(race_loan, snapshots_of_file_writers, 600)
{
	cuts_through_time(_metadata, true);
}

/* --- Borrowers that come and go */

static void fill(struct job *job, int fd, __u64 seed)
{
	__u64 page;

	for (page = 0; page < 32; page++)
		FAIL_IF(job, pat_fill(fd, page, seed + page));
}

static void check(struct job *job, int fd, __u64 first, __u64 seed)
{
	for (; first < 32 && !job->error; first++)
		FAIL_IF(job, pat_check(fd, first, seed + first));
}

static void borrow_once(struct job *job, __u64 seed)
{
	int fd = vmo_new(32 * PG, COWVMO_CREATE_RESIZABLE);
	int child, grandchild, other, pin;

	fill(job, fd, seed);
	child = vmo_snapshot(fd);
	grandchild = vmo_snapshot(child);
	FAIL_IF(job, grandchild < 0);
	fill(job, child, seed + 7);
	check(job, fd, 0, seed);
	close(fd);
	check(job, grandchild, 0, seed);
	other = vmo_new(32 * PG, 0);
	FAIL_IF(job, vmo_transfer(other, 4 * PG, child, 4 * PG, 20 * PG,
				  NULL));
	FAIL_IF(job, pat_check(other, 5, seed + 12));
	FAIL_IF(job, vmo_restore(child, grandchild));
	check(job, child, 0, seed);
	close(grandchild);
	pin = vmo_pin(child, COWVMO_PIN_WRITE, 0, 8 * PG);
	FAIL_IF(job, pin < 0);
	check(job, child, 0, seed);
	close(pin);
	FAIL_IF(job, vmo_zero(child, 0, 16 * PG));
	check(job, child, 16, seed);
	close(child);
	close(other);
}

static void *borrower(void *arg)
{
	struct job *job = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS && !job->error; i++)
		borrow_once(job, 1000 * (job->number + 1) + i);
	return NULL;
}

TEST_F_TIMEOUT(race_loan, borrowers_come_and_go, 600)
{
	struct job lenders[2] = { { .number = 0 } };
	struct job jobs[3] = { { .number = 0 }, { .number = 1 },
			       { .number = 2 } };
	pthread_t lending[2], borrowing[3];
	unsigned int i;

	pthread_create(&lending[0], NULL, lender, &lenders[0]);
	pthread_create(&lending[1], NULL, dying_lender, &lenders[1]);
	for (i = 0; i < 3; i++)
		pthread_create(&borrowing[i], NULL, borrower, &jobs[i]);
	for (i = 0; i < 3; i++) {
		pthread_join(borrowing[i], NULL);
		EXPECT_EQ(0, jobs[i].error);
	}
	for (i = 0; i < 2; i++) {
		stop(&lenders[i]);
		pthread_join(lending[i], NULL);
		EXPECT_EQ(0, lenders[i].error);
		EXPECT_LT(0, lenders[i].done);
	}
}

TEST_HARNESS_MAIN
