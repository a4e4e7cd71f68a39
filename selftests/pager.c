// SPDX-License-Identifier: GPL-2.0
/*
 * The user pager: what is asked for, by whom, when; and who is answered.
 */
#include "pager.h"

#include <sys/epoll.h>

#include "kselftest_harness.h"

#define KEY	77ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)

FIXTURE(pager) {
	struct vmo_stats before;
	int pager, vmo;
	unsigned char *mem;
};

FIXTURE_SETUP(pager)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	ASSERT_LE(0, self->pager);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(pager)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.descs, after.descs);
}

/* --- What is asked for */

FIXTURE(asks) {
	int pager, vmo;
	unsigned char *mem;
	struct task task;
};

FIXTURE_VARIANT(asks) {
	enum task_kind kind;
	__u64 page, n;
	const char *first, *second;
	long ret;
};

FIXTURE_VARIANT_ADD(asks, read_of_one) {
	.kind = TASK_READ, .page = 3, .n = 1,
	.first = "READ 77 3+1", .ret = PG,
};

FIXTURE_VARIANT_ADD(asks, read_of_all) {
	.kind = TASK_READ, .page = 0, .n = PAGES,
	.first = "READ 77 0+64", .ret = SIZE,
};

FIXTURE_VARIANT_ADD(asks, load) {
	.kind = TASK_LOAD, .page = 9, .n = 1, .first = "READ 77 9+1",
};

FIXTURE_VARIANT_ADD(asks, store) {
	.kind = TASK_STORE, .page = 9, .n = 1, .first = "READ 77 9+1",
};

FIXTURE_VARIANT_ADD(asks, write_of_many) {
	.kind = TASK_WRITE, .page = 2, .n = 20,
	.first = "READ 77 2+16", .second = "READ 77 18+4", .ret = 20 * PG,
};

FIXTURE_VARIANT_ADD(asks, commit) {
	.kind = TASK_COMMIT, .page = 1, .n = 40, .first = "READ 77 1+40",
};

FIXTURE_VARIANT_ADD(asks, prefetch) {
	.kind = TASK_PREFETCH, .page = 1, .n = 40, .first = "READ 77 1+40",
};

FIXTURE_VARIANT_ADD(asks, pin) {
	.kind = TASK_PIN, .page = 1, .n = 40, .first = "READ 77 1+40",
	.ret = 3,
};

FIXTURE_SETUP(asks)
{
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
	self->task = (struct task) {
		.kind = variant->kind,
		.fd = self->vmo,
		.page = variant->page,
		.n = variant->n,
		.mem = self->mem,
	};
}

FIXTURE_TEARDOWN(asks)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
}

/* The whole range it is, and once that is there, it goes on. */
TEST_F(asks, the_pager)
{
	task_start(&self->task);
	EXPECT_STREQ(variant->first, pager_next(self->pager));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, 18, 5));
	if (variant->second) {
		EXPECT_STREQ(variant->second, pager_next(self->pager));
	} else if (variant->page + variant->n > 18) {
		/* What is left is asked for again. */
		EXPECT_EQ(0, strncmp(pager_next(self->pager), "READ 77 18+",
				     11));
	}
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 18, PAGES - 18, 5));
	if (variant->kind == TASK_PIN) {
		EXPECT_LE(0, task_join(&self->task));
		EXPECT_EQ(0, close(self->task.ret));
	} else if (variant->kind == TASK_LOAD) {
		EXPECT_LE(0, task_join(&self->task));
	} else {
		EXPECT_EQ(variant->ret, task_join(&self->task));
	}
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, pat_check(self->vmo, 50, 55));
}

TEST_F(pager, nothing_is_asked_for_what_is_there)
{
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, PAGES, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 7, 8));
	EXPECT_EQ(0, vmo_commit(self->vmo, 0, SIZE));
	self->mem[5 * PG] = 1;
	EXPECT_TRUE(pager_is_quiet(self->pager));
}

TEST_F(pager, a_read_stops_at_what_is_there)
{
	struct task task = { .fd = self->vmo, .page = 2, .n = 10 };

	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 6, 2, 1));
	task_start(&task);
	EXPECT_STREQ("READ 77 2+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 2, 4, 1));
	EXPECT_STREQ("READ 77 8+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 8, 4, 1));
	EXPECT_EQ(10 * PG, task_join(&task));
	EXPECT_EQ(0, pat_mem_check(task.buf + 9 * PG, 12));
}

/* --- Several who wait */

TEST_F(pager, the_same_is_asked_for_once)
{
	struct task a = { .fd = self->vmo, .page = 4, .n = 4 };
	struct task b = a;

	task_start(&a);
	EXPECT_STREQ("READ 77 4+4", pager_next(self->pager));
	task_start(&b);
	task_sleeps(&b);
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 4, 4, 1));
	EXPECT_EQ(4 * PG, task_join(&a));
	EXPECT_EQ(4 * PG, task_join(&b));
}

TEST_F(pager, only_what_is_new_is_asked_for)
{
	struct task a = { .fd = self->vmo, .page = 4, .n = 4 };
	struct task b = { .fd = self->vmo, .page = 2, .n = 8 };

	task_start(&a);
	EXPECT_STREQ("READ 77 4+4", pager_next(self->pager));
	task_start(&b);
	EXPECT_STREQ("READ 77 2+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 2, 6, 1));
	EXPECT_STREQ("READ 77 8+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 8, 2, 1));
	EXPECT_EQ(4 * PG, task_join(&a));
	EXPECT_EQ(8 * PG, task_join(&b));
}

/* Who lacks the first page goes on once that is there. */
TEST_F(pager, woken_by_the_first_page)
{
	struct task task = { .fd = self->vmo, .page = 4, .n = 4 };

	task_start(&task);
	EXPECT_STREQ("READ 77 4+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 6, 2, 1));
	task_sleeps(&task);
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 4, 1, 1));
	EXPECT_STREQ("READ 77 5+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 5, 1, 1));
	EXPECT_EQ(4 * PG, task_join(&task));
}

TEST_F(pager, what_is_answered_before_is_not_delivered)
{
	struct task task = { .fd = self->vmo, .page = 4, .n = 4 };
	struct pollfd fd = { .fd = self->pager, .events = POLLIN };

	task_start(&task);
	ASSERT_EQ(1, poll(&fd, 1, PAGER_GUARD));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 4, 4, 1));
	EXPECT_EQ(4 * PG, task_join(&task));
	EXPECT_TRUE(pager_is_quiet(self->pager));
}

TEST_F(pager, who_is_interrupted_waits_no_longer)
{
	struct task task = { .fd = self->vmo, .page = 4, .n = 4 };
	struct pollfd fd = { .fd = self->pager, .events = POLLIN };

	task_start(&task);
	ASSERT_EQ(1, poll(&fd, 1, PAGER_GUARD));
	EXPECT_EQ(0, pthread_kill(task.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, task_join(&task));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	/* The next one asks anew. */
	task_start(&task);
	EXPECT_STREQ("READ 77 4+4", pager_next(self->pager));
	EXPECT_EQ(0, pthread_kill(task.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, task_join(&task));
}

/* A fault is tried again after a signal, and asks again. */
TEST_F(pager, a_fault_that_is_interrupted_asks_again)
{
	struct task task = {
		.kind = TASK_LOAD, .fd = self->vmo, .page = 4, .mem = self->mem,
	};

	task_start(&task);
	EXPECT_STREQ("READ 77 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pthread_kill(task.thread, SIGUSR1));
	EXPECT_STREQ("READ 77 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 4, 1));
	EXPECT_EQ(0, task_join(&task));
}

/* --- Reading requests */

TEST_F(pager, several_in_one_read)
{
	struct task a = { .fd = self->vmo, .page = 4, .n = 1 };
	struct task b = { .fd = self->vmo, .page = 8, .n = 2 };
	struct cowvmo_pager_request requests[3] = {};

	task_start(&a);
	task_sleeps(&a);
	task_start(&b);
	task_sleeps(&b);
	EXPECT_EQ(2 * (int)sizeof(*requests),
		  read(self->pager, requests, sizeof(requests)));
	EXPECT_EQ(4 * PG, requests[0].offset);
	EXPECT_EQ(8 * PG, requests[1].offset);
	EXPECT_EQ(2 * PG, requests[1].length);
	EXPECT_EQ(KEY, requests[1].key);
	EXPECT_EQ(vmo_id(self->vmo), requests[1].id);
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ((long)PG, task_join(&a));
	EXPECT_EQ(2 * (long)PG, task_join(&b));
}

TEST_F(pager, what_cannot_be_delivered_stays)
{
	struct task a = { .fd = self->vmo, .page = 4, .n = 1 };
	char small[sizeof(struct cowvmo_pager_request) - 1];

	task_start(&a);
	task_sleeps(&a);
	EXPECT_EQ(-EINVAL, vmo_ret(read(self->pager, small, sizeof(small))));
	EXPECT_EQ(-EFAULT, vmo_ret(syscall(SYS_read, self->pager, NULL, 4096)));
	EXPECT_STREQ("READ 77 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ((long)PG, task_join(&a));
}

TEST_F(pager, without_waiting)
{
	struct cowvmo_pager_request request;

	EXPECT_EQ(0, fcntl(self->pager, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, vmo_ret(read(self->pager, &request,
					sizeof(request))));
}

TEST_F(pager, epoll_tells_of_requests)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct task a = { .fd = self->vmo, .page = 4, .n = 1 };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->pager, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	task_start(&a);
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, PAGER_GUARD));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ((long)PG, task_join(&a));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(0, close(epoll));
}

/* --- Read-ahead */

TEST(faults_in_sequence_ask_for_more)
{
	int pager = pager_new(0);
	int vmo = pager_vmo_ahead(pager, 1, SIZE, 0, 8 * PG);
	struct task task = { .kind = TASK_LOAD, .fd = vmo };
	static const struct {
		__u64 page;
		const char *asked;
	} steps[] = {
		{ 0, "READ 1 0+1" }, { 1, "READ 1 1+2" }, { 3, "READ 1 3+4" },
		{ 7, "READ 1 7+8" }, { 15, "READ 1 15+8" },
		/* Somewhere else it begins anew. */
		{ 50, "READ 1 50+1" },
	};
	unsigned int i;

	task.mem = vmo_map(vmo, 0, SIZE, PROT_READ);
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const char *asked;
		__u64 first, n;

		task.page = steps[i].page;
		task_start(&task);
		asked = pager_next(pager);
		EXPECT_STREQ(steps[i].asked, asked);
		ASSERT_TRUE(pager_range(asked, &first, &n));
		EXPECT_EQ(0, pager_zero(pager, vmo, first, n));
		EXPECT_EQ(0, task_join(&task));
	}
	EXPECT_EQ(0, munmap(task.mem, SIZE));
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, close(pager));
}

/* --- Arguments */

TEST(creating_with_bad_arguments)
{
	struct cowvmo_pager_create_vmo arg = {
		.size = sizeof(arg), .vmo_size = PG,
	};
	int dev = vmo_device(), pager = pager_create(dev, 0, 0);

	ASSERT_LE(0, pager);
	EXPECT_EQ(-EINVAL, pager_create(dev, 2, 0));
	EXPECT_EQ(-EINVAL, pager_vmo(pager, 0, PG, 4));
	EXPECT_EQ(-ERANGE, pager_vmo(pager, 0, VMO_MAX + 1, 0));
	EXPECT_EQ(-EINVAL, pager_vmo_ahead(pager, 0, PG, 0, 1));
	EXPECT_EQ(-EINVAL, pager_vmo_ahead(pager, 0, PG, 0,
					   COWVMO_PAGER_MAX_READ_AHEAD + PG));
	memset(arg.name, 'x', sizeof(arg.name));
	EXPECT_EQ(-EINVAL, vmo_ret(ioctl(pager, COWVMO_IOC_PAGER_CREATE_VMO,
					 &arg)));
	EXPECT_EQ(-ENOTTY, vmo_ret(ioctl(dev, COWVMO_IOC_PAGER_CREATE_VMO,
					 &arg)));
	EXPECT_EQ(-ENOTTY, vmo_create(pager, PG, 0, "x"));
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, close(pager));
}

TEST_F(pager, is_told_by_get_info)
{
	struct cowvmo_get_info info;

	EXPECT_EQ(0, vmo_info(self->vmo, &info, 0));
	EXPECT_EQ(COWVMO_INFO_PAGER_BACKED, info.out_flags);
	EXPECT_EQ(0, info.out_populated_bytes);
	EXPECT_STREQ("paged", info.out_name);
}

TEST_F(pager, what_it_cannot_have)
{
	int plain = vmo_new(SIZE, 0);

	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->vmo, 0, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_seal(self->vmo));
	EXPECT_EQ(-EOPNOTSUPP, vmo_transfer(self->vmo, 0, plain, 0, PG, NULL));
	EXPECT_EQ(-EOPNOTSUPP, vmo_transfer(plain, 0, self->vmo, 0, PG, NULL));
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->vmo,
					       COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(-EOPNOTSUPP, vmo_snapshot(self->vmo));
	EXPECT_EQ(0, close(plain));
}

TEST_HARNESS_MAIN
