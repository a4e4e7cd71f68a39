// SPDX-License-Identifier: GPL-2.0
/*
 * Pins that come and go while others snapshot, cut, zero, write and resize:
 * what is pinned stays the content, and each refusal is one that a pin
 * explains.
 */
#include "dma.h"
#include "race.h"

#include "kselftest_harness.h"

#define PAGES	64ULL
#define PINNED	8ULL	/* pages of each pinner's own */
#define PINNERS	3
#define ROUNDS	60

struct job {
	int fd;
	unsigned int number;
	int stop;
	int error;
	unsigned long done, refused;
};

static void fail_at(struct job *job, bool failed, int line)
{
	if (failed && !job->error)
		job->error = line;
}

#define FAIL_IF(job, condition)	fail_at(job, condition, __LINE__)

static bool stopped(struct job *job)
{
	return __atomic_load_n(&job->stop, __ATOMIC_ACQUIRE) || job->error;
}

FIXTURE(race_pin) {
	int fd;
	unsigned char *mem;
	struct vmo_stats before;
};

FIXTURE_SETUP(race_pin)
{
	self->before = vmo_stats();
	self->fd = vmo_filled(PAGES, PAGES, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->fd);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(race_pin)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, PAGES * PG));
	close(self->fd);
	after = vmo_stats();
	EXPECT_EQ(0, memcmp(&after, &self->before, sizeof(after)));
}

/*
 * Pins pages that it alone writes to, by three ways in turns; what it wrote is
 * what is there, and where it was.
 */
static void *pinner(void *arg)
{
	struct job *job = arg;
	__u64 first = job->number * 2 * PINNED;
	unsigned char *mem = vmo_map(job->fd, first * PG, PINNED * PG, RW);
	unsigned int i, p;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int pin = vmo_pin(job->fd, i % 2, first * PG, PINNED * PG);
		long pfn[PINNED];

		FAIL_IF(job, pin < 0);
		for (p = 0; p < PINNED; p++) {
			mem[p * PG] = i;
			pfn[p] = pfn_of(mem + p * PG);
			FAIL_IF(job, pfn[p] <= 0);
		}
		FAIL_IF(job, vmo_put_byte(job->fd, (first + i % PINNED) * PG,
					  i + 1));
		for (p = 0; p < PINNED; p++) {
			FAIL_IF(job, mem[p * PG] !=
				(unsigned char)(i + (p == i % PINNED)));
			FAIL_IF(job, pfn_of(mem + p * PG) != pfn[p]);
		}
		FAIL_IF(job, close(pin));
		job->done++;
	}
	munmap(mem, PINNED * PG);
	return NULL;
}

/* The same through a device, which has the pin alone meanwhile */
static void *importer(void *arg)
{
	struct job *job = arg;
	__u64 first = job->number * 2 * PINNED;
	unsigned int i, p;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		int pin = vmo_pin(job->fd, COWVMO_PIN_WRITE, first * PG,
				  PINNED * PG);
		int buf = vmo_pin_export(pin);
		int dev = dma_import(buf, DMA_TEST_READ | DMA_TEST_WRITE);

		FAIL_IF(job, dev < 0);
		FAIL_IF(job, close(pin) || close(buf));
		for (p = 0; p < PINNED; p++) {
			__u64 at = (first + p) * PG;

			FAIL_IF(job, dma_store(dev, p * PG, i));
			FAIL_IF(job, vmo_get_byte(job->fd, at) != (int)i);
			FAIL_IF(job, vmo_put_byte(job->fd, at, i + 1));
			FAIL_IF(job, dma_read(dev, p * PG) != (int)i + 1);
		}
		FAIL_IF(job, close(dev));
		job->done++;
	}
	return NULL;
}

static void *snapshotter(void *arg)
{
	struct job *job = arg;

	while (!stopped(job)) {
		int snap = vmo_snapshot(job->fd);

		FAIL_IF(job, snap < 0 && snap != -EBUSY);
		if (snap < 0) {
			job->refused++;
			continue;
		}
		/* Nobody writes to these pages. */
		FAIL_IF(job, filled_check(snap, PAGES - 4, 4));
		FAIL_IF(job, pat_fill(snap, 0, 1));
		close(snap);
		job->done++;
	}
	return NULL;
}

/* Cuts what no pinner's own is, and clears it. */
static void *cutter(void *arg)
{
	struct job *job = arg;
	__u64 first = (2 * job->number + 1) * PINNED;
	int rc;

	while (!stopped(job)) {
		FAIL_IF(job, vmo_zero(job->fd, first * PG, PINNED * PG));
		rc = vmo_decommit(job->fd, first * PG, PINNED * PG);
		FAIL_IF(job, rc && rc != -EOPNOTSUPP);
		FAIL_IF(job, zero_check(job->fd, first));
		FAIL_IF(job, vmo_put_byte(job->fd, first * PG, 1));
		job->done++;
	}
	return NULL;
}

/* Refused as long as the last pinner's pages are pinned; else it grows back. */
static void *resizer(void *arg)
{
	struct job *job = arg;
	int rc;

	while (!stopped(job)) {
		rc = vmo_set_size(job->fd, PAGES * PG + PG * job->number);
		FAIL_IF(job, rc);
		rc = vmo_set_size(job->fd, PAGES * PG);
		FAIL_IF(job, rc);
		job->done++;
	}
	return NULL;
}

static void start(pthread_t *thread, void *(*work)(void *), struct job *job,
		  int fd, unsigned int number)
{
	*job = (struct job) { .fd = fd, .number = number };
	if (pthread_create(thread, NULL, work, job))
		abort();
}

/* Three pinners against one of the others; the line of the first failure */
static int against(int fd, void *(*pin)(void *), void *(*work)(void *),
		   struct job *other)
{
	pthread_t threads[PINNERS], thread;
	struct job jobs[PINNERS];
	int i, error = 0;

	start(&thread, work, other, fd, 1);
	for (i = 0; i < PINNERS; i++)
		start(&threads[i], pin, &jobs[i], fd, i);
	for (i = 0; i < PINNERS; i++) {
		pthread_join(threads[i], NULL);
		error = error ?: jobs[i].error;
	}
	__atomic_store_n(&other->stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return error ?: other->error;
}

TEST_F_TIMEOUT(race_pin, snapshots, 300)
{
	struct job job;

	EXPECT_EQ(0, against(self->fd, pinner, snapshotter, &job));
	EXPECT_LT(0, job.done + job.refused);
	EXPECT_EQ(0, filled_check(self->fd, PAGES - 4, 4));
}

TEST_F_TIMEOUT(race_pin, cuts, 300)
{
	struct job job;

	EXPECT_EQ(0, against(self->fd, pinner, cutter, &job));
	EXPECT_EQ(0, filled_check(self->fd, PAGES - 4, 4));
}

TEST_F_TIMEOUT(race_pin, sizes, 300)
{
	struct job job;

	EXPECT_EQ(0, against(self->fd, pinner, resizer, &job));
	EXPECT_EQ(0, filled_check(self->fd, PAGES - 4, 4));
}

TEST_F_TIMEOUT(race_pin, devices_and_snapshots, 300)
{
	struct job job;

	ASSERT_EQ(0, dma_load());
	EXPECT_EQ(0, against(self->fd, importer, snapshotter, &job));
	EXPECT_LT(0, job.done + job.refused);
	EXPECT_EQ(0, filled_check(self->fd, PAGES - 4, 4));
}

TEST_F_TIMEOUT(race_pin, devices_and_cuts, 300)
{
	struct job job;

	ASSERT_EQ(0, dma_load());
	EXPECT_EQ(0, against(self->fd, importer, cutter, &job));
	EXPECT_EQ(0, filled_check(self->fd, PAGES - 4, 4));
}

/* Many pin the same pages, up to the limit and beyond. */
static void *same_pages(void *arg)
{
	struct job *job = arg;
	int pins[16], i, n;

	for (i = 0; i < ROUNDS && !job->error; i++) {
		for (n = 0; n < 16; n++) {
			pins[n] = vmo_pin(job->fd, i % 2, (i + n) % 8 * PG,
					  8 * PG);
			FAIL_IF(job, pins[n] < 0 && pins[n] != -EOVERFLOW);
			job->refused += pins[n] < 0;
		}
		while (n--)
			close(pins[n]);
	}
	return NULL;
}

TEST_F_TIMEOUT(race_pin, the_same_pages, 300)
{
	pthread_t threads[PINNERS];
	struct job jobs[PINNERS];
	int i;

	for (i = 0; i < PINNERS; i++)
		start(&threads[i], same_pages, &jobs[i], self->fd, i);
	for (i = 0; i < PINNERS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, jobs[i].error);
	}
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
}

/*
 * A pin of a range that is cut in the middle of the call is made in full, or
 * not at all.
 */
static void *shrinker(void *arg)
{
	struct job *job = arg;
	int rc;

	while (!stopped(job)) {
		rc = vmo_set_size(job->fd, PG);
		FAIL_IF(job, rc && rc != -EBUSY);
		job->refused += rc != 0;
		job->done += rc == 0;
		FAIL_IF(job, vmo_set_size(job->fd, 2048 * PG));
	}
	return NULL;
}

TEST_F_TIMEOUT(race_pin, shrunk_meanwhile, 300)
{
	unsigned int tries, made = 0, lost = 0;
	pthread_t thread;
	struct job job;

	ASSERT_EQ(0, munmap(self->mem, PAGES * PG));
	ASSERT_EQ(0, vmo_set_size(self->fd, 2048 * PG));
	start(&thread, shrinker, &job, self->fd, 0);
	/* Until each has been in the other's way, if they ever are */
	for (tries = 0; tries < 100 * ROUNDS; tries++) {
		int pin = vmo_pin(self->fd, COWVMO_PIN_WRITE, PG, 1024 * PG);

		if (pin < 0) {
			ASSERT_EQ(-ERANGE, pin);
			lost++;
			continue;
		}
		made++;
		EXPECT_LE(1025 * PG, vmo_populated(self->fd));
		EXPECT_EQ(-EBUSY, vmo_set_size(self->fd, PG));
		EXPECT_EQ(0, close(pin));
		if (made >= ROUNDS && lost &&
		    __atomic_load_n(&job.refused, __ATOMIC_RELAXED))
			break;
	}
	__atomic_store_n(&job.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, job.error);
	TH_LOG("%u pins, %u lost, %lu cuts, %lu refused", made, lost, job.done,
	       job.refused);
	EXPECT_EQ(0, vmo_set_size(self->fd, PAGES * PG));
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

TEST_HARNESS_MAIN
