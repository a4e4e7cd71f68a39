// SPDX-License-Identifier: GPL-2.0
/*
 * Reading a pager: by io_uring, which asks before there is anything, and by
 * several threads, of which each request reaches one.
 */
#include "uring.h"

#include "pager.h"

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)
#define READERS	4U

FIXTURE(reading) {
	struct vmo_stats before;
	int pager, vmo;
};

FIXTURE_SETUP(reading)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	ASSERT_LE(0, self->pager);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	ASSERT_LE(0, self->vmo);
}

FIXTURE_TEARDOWN(reading)
{
	struct vmo_stats after;

	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
}

TEST_F(reading, io_uring_before_there_is_a_request)
{
	struct task task = { .kind = TASK_READ, .fd = self->vmo, .page = 7,
			     .n = 2 };
	struct cowvmo_pager_request request = {};
	struct uring ring;

	ASSERT_EQ(0, uring_open(&ring));
	ASSERT_EQ(0, uring_submit(&ring, IORING_OP_READ, self->pager, &request,
				  sizeof(request), 0));
	task_start(&task);
	EXPECT_EQ(sizeof(request), uring_wait(&ring));
	EXPECT_EQ(COWVMO_PAGER_READ, request.command);
	EXPECT_EQ(KEY, request.key);
	EXPECT_EQ(7 * PG, request.offset);
	EXPECT_EQ(2 * PG, request.length);
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 7, 2, 0));
	EXPECT_EQ(2 * PG, task_join(&task));
	free(task.buf);
	uring_close(&ring);
}

/* Nothing comes, and it can be taken back: the ring goes, and does not hang. */
TEST_F(reading, io_uring_that_is_given_up)
{
	static struct cowvmo_pager_request request;
	struct uring ring;

	ASSERT_EQ(0, uring_open(&ring));
	ASSERT_EQ(0, uring_submit(&ring, IORING_OP_READ, self->pager, &request,
				  sizeof(request), 0));
	uring_close(&ring);
	/* Whoever asks then is heard by the next reader, if not by that one. */
	EXPECT_TRUE(pager_is_quiet(self->pager));
}

struct reader {
	pthread_t thread;
	int pager, vmo;
	unsigned int got;
	unsigned char *seen;
};

static void *reader_main(void *data)
{
	struct reader *reader = data;
	struct cowvmo_pager_request request;
	__u64 page;

	while (read(reader->pager, &request, sizeof(request)) ==
	       sizeof(request)) {
		if (request.command == COWVMO_PAGER_COMPLETE)
			break;
		reader->got++;
		for (page = request.offset / PG;
		     page < (request.offset + request.length) / PG; page++)
			__atomic_add_fetch(&reader->seen[page], 1,
					   __ATOMIC_SEQ_CST);
		pager_give(reader->pager, reader->vmo, request.offset / PG,
			   request.length / PG, 0);
	}
	return NULL;
}

TEST_F(reading, each_request_reaches_one_thread)
{
	unsigned char seen[PAGES] = {};
	struct reader readers[READERS];
	struct task tasks[PAGES];
	unsigned int i, got = 0;

	for (i = 0; i < READERS; i++) {
		readers[i] = (struct reader) {
			.pager = self->pager, .vmo = self->vmo, .seen = seen,
		};
		ASSERT_EQ(0, pthread_create(&readers[i].thread, NULL,
					    reader_main, &readers[i]));
	}
	for (i = 0; i < PAGES; i++) {
		tasks[i] = (struct task) {
			.kind = TASK_READ, .fd = self->vmo, .page = i, .n = 1,
		};
		task_start(&tasks[i]);
	}
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(PG, task_join(&tasks[i]));
		EXPECT_EQ(0, pat_mem_check(tasks[i].buf, i));
		free(tasks[i].buf);
		EXPECT_EQ(1, seen[i]);
	}
	/* The end reaches one of them too; a signal the others. */
	EXPECT_EQ(0, pager_detach(self->pager, self->vmo));
	for (i = 0; i < READERS; i++) {
		while (pthread_tryjoin_np(readers[i].thread, NULL)) {
			pthread_kill(readers[i].thread, SIGUSR1);
			usleep(1000);
		}
		got += readers[i].got;
	}
	EXPECT_EQ(PAGES, got);
}

/* --- Who asked first goes, others stay */

FIXTURE(leaving) {
	int pager, vmo;
	struct task tasks[3];
};

FIXTURE_VARIANT(leaving) {
	bool read_before;
};

FIXTURE_VARIANT_ADD(leaving, before_it_is_read) { .read_before = false };
FIXTURE_VARIANT_ADD(leaving, after_it_is_read) { .read_before = true };

FIXTURE_SETUP(leaving)
{
	unsigned int i;

	self->pager = pager_new(0);
	ASSERT_LE(0, self->pager);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	ASSERT_LE(0, self->vmo);
	for (i = 0; i < 3; i++) {
		self->tasks[i] = (struct task) {
			.kind = TASK_READ, .fd = self->vmo, .page = 3,
			.n = 4 - i,
		};
		task_start(&self->tasks[i]);
		/* Each waits before the next comes. */
		task_sleeps(&self->tasks[i]);
	}
	if (variant->read_before)
		EXPECT_STREQ("READ 5 3+4", pager_next(self->pager));
}

FIXTURE_TEARDOWN(leaving)
{
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
}

static long task_gives_up(struct task *task)
{
	pthread_kill(task->thread, SIGUSR1);
	return task_join(task);
}

TEST_F(leaving, others_are_answered)
{
	unsigned int i;

	EXPECT_EQ(-EINTR, task_gives_up(&self->tasks[0]));
	EXPECT_EQ(-EINTR, task_gives_up(&self->tasks[1]));
	if (!variant->read_before)
		EXPECT_STREQ("READ 5 3+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 3, 4, 0));
	EXPECT_EQ(2 * PG, task_join(&self->tasks[2]));
	for (i = 0; i < 3; i++)
		free(self->tasks[i].buf);
}

/* The last of them goes too: there is nothing to be asked any more. */
TEST_F(leaving, nobody_is_left)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EINTR, task_gives_up(&self->tasks[i]));
		free(self->tasks[i].buf);
	}
}

/* --- Limits */

static int set_limit(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/cowvmo/parameters/%s", name);
	return file_write(path, value);
}

TEST_F(reading, limit_of_vmos)
{
	int more, another;

	ASSERT_EQ(0, set_limit("pager_vmos", "2"));
	more = pager_vmo(self->pager, KEY + 1, PG, 0);
	EXPECT_LE(0, more);
	EXPECT_EQ(-ENOSPC, pager_vmo(self->pager, KEY + 2, PG, 0));
	close(more);
	another = pager_vmo(self->pager, KEY + 2, PG, 0);
	EXPECT_LE(0, another);
	close(another);
	ASSERT_EQ(0, set_limit("pager_vmos", "65536"));
}

/* Who waits for the same is no request more. */
TEST_F(reading, limit_of_requests)
{
	struct task tasks[3];
	unsigned int i;

	ASSERT_EQ(0, set_limit("pager_requests", "2"));
	for (i = 0; i < 3; i++) {
		tasks[i] = (struct task) {
			.kind = TASK_READ, .fd = self->vmo,
			.page = i < 2 ? i * 10 : 10, .n = 1,
		};
		task_start(&tasks[i]);
	}
	EXPECT_STREQ("READ 5 0+1", pager_next(self->pager));
	EXPECT_STREQ("READ 5 10+1", pager_next(self->pager));
	EXPECT_EQ(-EBUSY, vmo_get_byte(self->vmo, 30 * PG));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, 11, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(PG, task_join(&tasks[i]));
		free(tasks[i].buf);
	}
	ASSERT_EQ(0, set_limit("pager_requests", "65536"));
}

TEST_HARNESS_MAIN
