// SPDX-License-Identifier: GPL-2.0
/*
 * When a pager does not do its part: it goes, is killed, never answers, answers
 * too late; or its VMO goes, or changes its size, while somebody waits.
 * Nobody ever gets zeros for what is not known, or waits where he must not.
 */
#include "pager.h"

#include <sys/wait.h>

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)
#define RESIZABLE COWVMO_PAGER_VMO_RESIZABLE

FIXTURE(end) {
	struct vmo_stats before;
	int pager, vmo;
	unsigned char *mem;
	struct task read, load;
};

FIXTURE_SETUP(end)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, RESIZABLE);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, pager_give(self->pager, self->vmo, 0, 4, 0));
	ASSERT_EQ(0, pat_fill(self->vmo, 1, 100));
	ASSERT_EQ(0, vmo_zero(self->vmo, 4 * PG, 2 * PG));
	self->read = (struct task) { .fd = self->vmo, .page = 20, .n = 2 };
	self->load = (struct task) {
		.kind = TASK_LOAD, .fd = self->vmo, .page = 30,
		.mem = self->mem,
	};
}

FIXTURE_TEARDOWN(end)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	if (self->pager >= 0)
		EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.descs, after.descs);
}

static void expect_dead(struct __test_metadata *_metadata,
			FIXTURE_DATA(end) * self)
{
	char buf[PG];

	EXPECT_EQ(-EPIPE, vmo_ret(pread(self->vmo, buf, 1, 20 * PG)));
	EXPECT_EQ(-EPIPE, vmo_ret(pwrite(self->vmo, buf, 1, 20 * PG)));
	EXPECT_EQ(-EPIPE, vmo_commit(self->vmo, 20 * PG, PG));
	task_start(&self->load);
	EXPECT_EQ(TASK_SIGBUS, task_join(&self->load));
	EXPECT_EQ(EPIPE, self->load.error);
}

TEST_F(end, detached)
{
	task_start(&self->read);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	task_start(&self->load);
	EXPECT_STREQ("READ 5 30+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_detach(self->pager, self->vmo));
	EXPECT_EQ(-EPIPE, task_join(&self->read));
	EXPECT_EQ(TASK_SIGBUS, task_join(&self->load));
	EXPECT_EQ(EPIPE, self->load.error);
	EXPECT_STREQ("COMPLETE 5 0+0", pager_next(self->pager));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	expect_dead(_metadata, self);
	/* Nothing can be given to it any more. */
	EXPECT_EQ(-EPIPE, pager_zero(self->pager, self->vmo, 20, 1));
	EXPECT_EQ(-EPIPE, pager_give(self->pager, self->vmo, 20, 1, 0));
	EXPECT_EQ(-EPIPE, pager_fail(self->pager, self->vmo, 20, 1, EIO));
	EXPECT_EQ(0, pager_detach(self->pager, self->vmo));
	EXPECT_TRUE(pager_is_quiet(self->pager));
}

/* What is clean can be had no more; what is dirty is there, to be saved. */
TEST_F(end, detached_while_dirty)
{
	char buf[PG];
	int pin = vmo_pin(self->vmo, 0, 3 * PG, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pat_mem_check(self->mem + 2 * PG, 2));
	EXPECT_EQ(0, pager_detach(self->pager, self->vmo));
	EXPECT_EQ(-EPIPE, vmo_ret(pread(self->vmo, buf, 1, 2 * PG)));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 100));
	/* A page that is pinned stays. */
	EXPECT_EQ(0, pat_check(self->vmo, 3, 3));
	EXPECT_EQ(0, zero_check(self->vmo, 5));
	EXPECT_STREQ("1+1 4+2z", pager_dirt(self->pager, self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, 1, 200));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	EXPECT_STREQ("", pager_dirt(self->pager, self->vmo));
	EXPECT_EQ(0, close(pin));
}

TEST_F(end, pager_closed)
{
	task_start(&self->read);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	task_start(&self->load);
	EXPECT_STREQ("READ 5 30+1", pager_next(self->pager));
	EXPECT_EQ(0, close(self->pager));
	self->pager = -1;
	EXPECT_EQ(-EPIPE, task_join(&self->read));
	EXPECT_EQ(TASK_SIGBUS, task_join(&self->load));
	EXPECT_EQ(EPIPE, self->load.error);
	expect_dead(_metadata, self);
	/* All that is there stays. */
	EXPECT_EQ(0, pat_check(self->vmo, 2, 2));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 100));
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 7));
}

/* A process that is the pager, and dies with a request unanswered */
TEST_F(end, pager_killed)
{
	int ready[2], pager, vmo;
	struct task task;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pager = pager_new(0);
	vmo = pager_vmo(pager, 1, SIZE, 0);
	ASSERT_LE(0, vmo);
	pid = fork();
	if (!pid) {
		pager_next(pager);
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	EXPECT_EQ(0, close(pager));
	task = (struct task) { .fd = vmo, .page = 20, .n = 2 };
	task_start(&task);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-EPIPE, task_join(&task));
	EXPECT_EQ(0, close(vmo));
	close(ready[0]);
	close(ready[1]);
}

TEST_F(end, pager_takes_too_long)
{
	int dev = vmo_device(), pager = pager_create(dev, 0, 50);
	int vmo = pager_vmo(pager, 1, SIZE, 0);
	char buf[PG];

	EXPECT_EQ(-ETIMEDOUT, vmo_ret(pread(vmo, buf, 1, 0)));
	self->load.fd = vmo;
	self->load.mem = vmo_map(vmo, 0, SIZE, PROT_READ);
	task_start(&self->load);
	EXPECT_EQ(TASK_SIGBUS, task_join(&self->load));
	EXPECT_EQ(ETIMEDOUT, self->load.error);
	/* It is not too late for the next one. */
	EXPECT_EQ(0, pager_give(pager, vmo, 0, 1, 5));
	EXPECT_EQ(0, pat_check(vmo, 0, 5));
	EXPECT_EQ(0, munmap(self->load.mem, SIZE));
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, close(pager));
	EXPECT_EQ(0, close(dev));
}

/* --- The end of a VMO */

TEST_F(end, complete_with_the_last_descriptor)
{
	int vmo = pager_vmo(self->pager, 9, SIZE, 0), copy = dup(vmo);
	void *mem = vmo_map(vmo, 0, PG, PROT_READ);

	EXPECT_EQ(0, close(vmo));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(copy));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_STREQ("COMPLETE 9 0+0", pager_next(self->pager));
	EXPECT_TRUE(pager_is_quiet(self->pager));
}

TEST_F(end, complete_with_the_last_child)
{
	static const __u32 types[] = {
		COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		COWVMO_CHILD_SNAPSHOT_MODIFIED, COWVMO_CHILD_SLICE,
	};
	unsigned int i;
	int vmo, child;

	for (i = 0; i < 3; i++) {
		vmo = pager_vmo(self->pager, 9, SIZE, 0);
		child = vmo_child_of(vmo, types[i], 0, 0, SIZE);
		ASSERT_LE(0, child);
		EXPECT_EQ(0, close(vmo));
		EXPECT_TRUE(pager_is_quiet(self->pager));
		EXPECT_EQ(0, close(child));
		EXPECT_STREQ("COMPLETE 9 0+0", pager_next(self->pager));
	}
}

TEST_F(end, complete_that_nobody_reads)
{
	int pager = pager_new(0), vmo = pager_vmo(pager, 9, SIZE, 0);

	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, close(pager));
}

/* --- What must not wait for a pager */

struct waiting {
	int vmo;
	unsigned char *mem;
};

static int touch(void *data)
{
	struct waiting *waiting = data;

	return waiting->mem[40 * PG];
}

TEST_F(end, killed_in_a_fault)
{
	struct waiting waiting = { .vmo = self->vmo, .mem = self->mem };
	pid_t pid = fork();

	if (!pid)
		_exit(touch(&waiting));
	EXPECT_STREQ("READ 5 40+1", pager_next(self->pager));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	/* Nobody waits any more: the next one asks anew. */
	task_start(&self->read);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(2 * (long)PG, task_join(&self->read));
}

/* While one thread of the process waits in a fault, others go on. */
TEST_F(end, the_rest_of_the_process)
{
	unsigned char *more = vmo_map(self->vmo, 0, SIZE, PROT_READ);
	pid_t pid;
	void *mem;

	task_start(&self->load);
	EXPECT_STREQ("READ 5 30+1", pager_next(self->pager));
	mem = mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, mprotect(more, PG, PROT_NONE));
	EXPECT_EQ(0, munmap(more, SIZE));
	EXPECT_EQ(0, mprotect(self->mem + PG, PG, PROT_READ));
	EXPECT_EQ(0, mprotect(self->mem, SIZE, PROT_READ | PROT_WRITE));
	pid = fork();
	if (!pid)
		_exit(0);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 30, 1));
	EXPECT_EQ(0, task_join(&self->load));
}

/* The mapping goes while a fault waits in it. */
TEST_F(end, unmapped_in_a_fault)
{
	pid_t pid = fork();

	if (!pid) {
		struct task load = self->load;

		signal(SIGSEGV, SIG_DFL);
		task_start(&load);
		task_sleeps(&load);
		munmap(self->mem, SIZE);
		pager_zero(self->pager, self->vmo, 30, 1);
		task_join(&load);
		_exit(0);
	}
	EXPECT_STREQ("READ 5 30+1", pager_next(self->pager));
	/* It finds no mapping any more. */
	EXPECT_EQ(pid, waitpid(pid, (int *)&self->read.error, 0));
	EXPECT_TRUE(WIFSIGNALED(self->read.error));
	EXPECT_EQ(SIGSEGV, WTERMSIG(self->read.error));
}

TEST_F(end, others_who_use_the_inode)
{
	struct task write = {
		.kind = TASK_WRITE, .fd = self->vmo, .page = 40, .n = 1,
	};
	struct cowvmo_get_info info;

	task_start(&write);
	EXPECT_STREQ("READ 5 40+1", pager_next(self->pager));
	EXPECT_EQ(0, pat_fill(self->vmo, 1, 5));
	EXPECT_EQ(0, vmo_info(self->vmo, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 41 * PG));
	EXPECT_EQ(0, ftruncate(self->vmo, 42 * PG));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 40, 1));
	EXPECT_EQ((long)PG, task_join(&write));
}

/* ftruncate(2) has a lock that must not be waited with. */
TEST_F(end, truncate_does_not_wait)
{
	struct task size = {
		.kind = TASK_SET_SIZE, .fd = self->vmo, .seed = 20 * PG + 100,
	};

	EXPECT_EQ(-EAGAIN, vmo_ret(ftruncate(self->vmo, 20 * PG + 100)));
	EXPECT_EQ(SIZE, vmo_size(self->vmo));
	task_start(&size);
	EXPECT_STREQ("READ 5 20+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 20, 1, 0));
	EXPECT_EQ(0, task_join(&size));
	EXPECT_EQ(20 * PG + 100, vmo_stream(self->vmo));
	EXPECT_STREQ("1+1 4+2z 20+1", pager_dirt(self->pager, self->vmo));
}

/* --- What changes while somebody waits */

TEST_F(end, cut_off_while_waited_for)
{
	task_start(&self->read);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	task_start(&self->load);
	EXPECT_STREQ("READ 5 30+1", pager_next(self->pager));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 10 * PG));
	/* The end of file */
	EXPECT_EQ(0, task_join(&self->read));
	EXPECT_EQ(TASK_SIGBUS, task_join(&self->load));
	EXPECT_EQ(-ERANGE, pager_zero(self->pager, self->vmo, 20, 2));
}

/* (b) Who waits to read what is zeroed reads zeros. */
TEST_F(end, zeroed_while_waited_for)
{
	task_start(&self->read);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	EXPECT_EQ(0, vmo_zero(self->vmo, 16 * PG, 16 * PG));
	EXPECT_EQ(2 * (long)PG, task_join(&self->read));
	EXPECT_EQ(0, zero_mem_check(self->read.buf, 2 * PG));
	/* What the pager says now comes too late. */
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 20, 2, 0));
	EXPECT_EQ(0, zero_check(self->vmo, 20));
}

TEST_F(end, commit_of_what_is_cut_off)
{
	struct task commit = {
		.kind = TASK_COMMIT, .fd = self->vmo, .page = 8, .n = 20,
	};

	task_start(&commit);
	EXPECT_STREQ("READ 5 8+20", pager_next(self->pager));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 10 * PG));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 8, 2, 0));
	EXPECT_EQ(0, task_join(&commit));
	EXPECT_EQ(0, pat_check(self->vmo, 9, 9));
}

TEST_HARNESS_MAIN
