// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting until no children are left: POLLPRI is there exactly while a VMO has
 * none, of whatever kind, and who sleeps until then is woken.
 */
#include "maps.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#define PAGES		4ULL
#define ALWAYS		(POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
/* Time enough for whatever is to happen: nobody measures it. */
#define LONG		120000

/* What poll() says at once */
static int poll_now(int fd)
{
	struct pollfd pfd = {
		.fd = fd,
		.events = ALWAYS | POLLPRI,
	};
	int rc = vmo_ret(poll(&pfd, 1, 0));

	return rc < 0 ? rc : pfd.revents;
}

/* 1: it has no children, 0: it has, or -errno */
static int is_alone(int fd)
{
	int rc = poll_now(fd);

	if (rc < 0)
		return rc;
	if ((rc & ALWAYS) != ALWAYS || rc & ~(ALWAYS | POLLPRI))
		return -EILSEQ;
	return !!(rc & POLLPRI);
}

FIXTURE(poll) {
	int vmo;
};

FIXTURE_SETUP(poll)
{
	self->vmo = vmo_filled(PAGES, PAGES, 0);
	ASSERT_LE(0, self->vmo);
}

FIXTURE_TEARDOWN(poll)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

/* --- What it tells */

TEST_F(poll, every_kind_of_child)
{
	static const struct { __u32 type, flags; __u64 length; } kinds[] = {
		{ COWVMO_CHILD_SNAPSHOT, 0, PG },
		{ COWVMO_CHILD_SNAPSHOT, COWVMO_CREATE_NO_WRITE, 0 },
		{ COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, PG },
		{ COWVMO_CHILD_SNAPSHOT_MODIFIED, 0, PG },
		{ COWVMO_CHILD_SLICE, 0, PG },
		{ COWVMO_CHILD_SLICE, COWVMO_CREATE_NO_WRITE, 0 },
		{ COWVMO_CHILD_REFERENCE, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		int fd;

		EXPECT_EQ(1, is_alone(self->vmo));
		fd = vmo_child_of(self->vmo, kinds[i].type, kinds[i].flags, 0,
				  kinds[i].length);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, is_alone(self->vmo)) TH_LOG("number %u", i);
		EXPECT_EQ(1, is_alone(fd));
		EXPECT_EQ(0, close(fd));
		EXPECT_EQ(1, is_alone(self->vmo)) TH_LOG("number %u", i);
	}
}

/* What failed to come to be was never there. */
TEST_F(poll, a_child_that_is_refused)
{
	EXPECT_EQ(-EINVAL, vmo_slice(self->vmo, 1, PG));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, 1, PG));
	EXPECT_EQ(1, is_alone(self->vmo));
}

TEST_F(poll, of_any_fd)
{
	int fd = vmo_open_read_only(self->vmo), other = dup(self->vmo);
	int child = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, is_alone(fd));
	EXPECT_EQ(0, is_alone(other));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(1, is_alone(fd));
	EXPECT_EQ(1, is_alone(other));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(other));
}

TEST_F(poll, the_last_of_several)
{
	int ref = vmo_reference(self->vmo, 0);
	int slice = vmo_slice(self->vmo, 0, PG);
	int snap = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(1, is_alone(self->vmo));
}

TEST_F(poll, a_mapping_is_still_a_child)
{
	int slice = vmo_slice(self->vmo, 0, PG);
	void *mem = vmo_map(slice, 0, PG, RW);

	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(1, is_alone(self->vmo));
}

/* A child that dies leaves its children to its parent. */
TEST_F(poll, grandchildren)
{
	int child = vmo_snapshot(self->vmo);
	int ref = vmo_reference(child, 0);
	int snap = vmo_snapshot(ref);

	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(1, vmo_children(self->vmo));
	EXPECT_EQ(1, is_alone(snap));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(1, is_alone(self->vmo));
}

/* One that a slice keeps alive keeps its children, and stays one. */
TEST_F(poll, a_child_that_its_slice_keeps)
{
	int child = vmo_snapshot(self->vmo);
	int slice = vmo_slice(child, 0, PG);

	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, is_alone(self->vmo));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(1, is_alone(self->vmo));
}

TEST_F(poll, every_order_of_closing_a_family)
{
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	unsigned int i, k;
	int fd[3];

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		fd[0] = vmo_reference(self->vmo, 0);
		fd[1] = vmo_snapshot(fd[0]);
		fd[2] = vmo_slice(fd[1], 0, PG);
		ASSERT_LE(0, fd[2]);
		for (k = 0; k < 3; k++) {
			EXPECT_EQ(0, is_alone(self->vmo));
			EXPECT_EQ(0, close(fd[orders[i][k]]));
		}
		EXPECT_EQ(1, is_alone(self->vmo)) TH_LOG("order %u", i);
	}
}

TEST_F(poll, select_knows_it_as_an_exception)
{
	struct timeval none = { 0 };
	int child;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(self->vmo, &set);
	EXPECT_EQ(1, select(self->vmo + 1, NULL, NULL, &set, &none));
	EXPECT_TRUE(FD_ISSET(self->vmo, &set));
	child = vmo_snapshot(self->vmo);
	EXPECT_EQ(0, select(self->vmo + 1, NULL, NULL, &set, &none));
	EXPECT_FALSE(FD_ISSET(self->vmo, &set));
	FD_SET(self->vmo, &set);
	EXPECT_EQ(1, select(self->vmo + 1, &set, NULL, NULL, &none));
	EXPECT_EQ(0, close(child));
}

/* --- epoll */

static int epoll_of(int fd, __u32 events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return epoll;
}

/* The events that are there, 0: none, or -errno */
static int epoll_now(int epoll)
{
	struct epoll_event event = { 0 };
	int rc = vmo_ret(epoll_wait(epoll, &event, 1, 0));

	return rc <= 0 ? rc : (int)event.events;
}

TEST_F(poll, epoll_by_level)
{
	int epoll = epoll_of(self->vmo, EPOLLPRI), child;

	ASSERT_LE(0, epoll);
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	child = vmo_snapshot(self->vmo);
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(0, close(epoll));
}

/* Each time that the last one goes is an edge. */
TEST_F(poll, epoll_by_edge)
{
	int epoll = epoll_of(self->vmo, EPOLLPRI | EPOLLET), child, i;

	ASSERT_LE(0, epoll);
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, epoll_now(epoll));
		child = i ? vmo_slice(self->vmo, 0, PG) :
			vmo_reference(self->vmo, 0);
		EXPECT_EQ(0, epoll_now(epoll));
		EXPECT_EQ(0, close(child));
		EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	}
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, close(epoll));
}

TEST_F(poll, epoll_once)
{
	int epoll = epoll_of(self->vmo, EPOLLPRI | EPOLLONESHOT);
	struct epoll_event again = { .events = EPOLLPRI | EPOLLONESHOT };
	int child = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_MOD, self->vmo, &again));
	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(0, close(epoll));
}

/* The fd goes while epoll watches it, and the family outlives it. */
TEST_F(poll, epoll_of_an_fd_that_is_closed)
{
	int child = vmo_snapshot(self->vmo);
	int epoll = epoll_of(child, EPOLLPRI | EPOLLET);

	EXPECT_EQ(EPOLLPRI, epoll_now(epoll));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, epoll_now(epoll));
	child = vmo_snapshot(self->vmo);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, close(epoll));
}

/* The same with the last of a family */
TEST(epoll_of_the_last_of_a_family)
{
	int vmo = vmo_new(PG, 0), epoll = epoll_of(vmo, EPOLLPRI);

	ASSERT_LE(0, epoll);
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, close(epoll));
}

/* --- Sleeping */

struct sleeper {
	pthread_t thread;
	int fd;
	int tid;	/* once it runs */
	int rc;
};

static void *sleep_until_alone(void *arg)
{
	struct sleeper *sleeper = arg;
	struct pollfd pfd = { .fd = sleeper->fd, .events = POLLPRI };

	__atomic_store_n(&sleeper->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	sleeper->rc = vmo_ret(poll(&pfd, 1, LONG));
	if (sleeper->rc == 1 && pfd.revents != POLLPRI)
		sleeper->rc = -EILSEQ;
	return NULL;
}

static bool is_asleep(int tid)
{
	char path[64], buf[512], *at;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (file_read(path, buf, sizeof(buf)) < 0)
		return false;
	at = strrchr(buf, ')');
	return at && at[2] == 'S';
}

/* Comes back when the thread sleeps. */
static void start_sleeper(struct sleeper *sleeper, int fd)
{
	sleeper->fd = fd;
	sleeper->tid = 0;
	if (pthread_create(&sleeper->thread, NULL, sleep_until_alone, sleeper))
		abort();
	while (!__atomic_load_n(&sleeper->tid, __ATOMIC_ACQUIRE) ||
	       !is_asleep(sleeper->tid))
		usleep(100);
}

static int join_sleeper(struct sleeper *sleeper)
{
	pthread_join(sleeper->thread, NULL);
	return sleeper->rc;
}

TEST_F(poll, a_sleeper_is_woken)
{
	struct sleeper sleeper;
	int child;

	child = vmo_snapshot(self->vmo);
	start_sleeper(&sleeper, self->vmo);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(1, join_sleeper(&sleeper));
	child = vmo_reference(self->vmo, 0);
	start_sleeper(&sleeper, self->vmo);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(1, join_sleeper(&sleeper));
	child = vmo_slice(self->vmo, 0, PG);
	start_sleeper(&sleeper, self->vmo);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(1, join_sleeper(&sleeper));
}

TEST_F(poll, a_sleeper_is_woken_by_munmap)
{
	int slice = vmo_slice(self->vmo, 0, PG);
	void *mem = vmo_map(slice, 0, PG, RW);
	struct sleeper sleeper;

	EXPECT_EQ(0, close(slice));
	start_sleeper(&sleeper, self->vmo);
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(1, join_sleeper(&sleeper));
}

/* The children of a child that dies are children: it sleeps on. */
TEST_F(poll, a_sleeper_sleeps_while_there_are_grandchildren)
{
	int child = vmo_reference(self->vmo, 0), snap = vmo_snapshot(child);
	struct sleeper sleeper;

	start_sleeper(&sleeper, self->vmo);
	EXPECT_EQ(0, close(child));
	while (!is_asleep(sleeper.tid))
		usleep(100);
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(1, join_sleeper(&sleeper));
}

static int hold_child(void *arg)
{
	int *fds = arg;

	/* The other end has closed its own. */
	return vmo_children(fds[0]) == 1 ? 0 : 1;
}

/* The last descriptor goes with a process. */
TEST_F(poll, a_sleeper_is_woken_by_an_exit)
{
	int fds[2] = { self->vmo, vmo_snapshot(self->vmo) };
	struct holder holder;
	struct sleeper sleeper;

	ASSERT_EQ(0, holder_start(&holder, hold_child, fds));
	EXPECT_EQ(0, close(fds[1]));
	EXPECT_EQ(0, is_alone(self->vmo));
	start_sleeper(&sleeper, self->vmo);
	holder_stop(&holder);
	EXPECT_EQ(1, join_sleeper(&sleeper));
}

/* --- Children come and go while somebody waits: no wake-up is lost. */

#define ROUNDS		300
#define MAKERS		3

struct makers {
	int vmo;
	int last;	/* a child, to be closed by one of them */
	bool stop;
	int failed;
	pthread_barrier_t barrier;
	pthread_t thread[MAKERS];
};

static int make_child(int vmo, unsigned int kind)
{
	switch (kind % 3) {
	case 0:
		return vmo_child(vmo, 0, 0, PG);
	case 1:
		return vmo_slice(vmo, 0, PG);
	default:
		return vmo_reference(vmo, 0);
	}
}

/* A child and a child of it, closed in either order */
static void make_two(struct makers *makers, unsigned int seed)
{
	int fd[2];

	fd[0] = make_child(makers->vmo, seed);
	fd[1] = vmo_slice(fd[0], 0, PG);
	if (fd[0] < 0 || fd[1] < 0)
		__atomic_store_n(&makers->failed, 1, __ATOMIC_RELAXED);
	close(fd[seed / 3 % 2]);
	close(fd[1 - seed / 3 % 2]);
}

static void close_last(struct makers *makers)
{
	int last = __atomic_exchange_n(&makers->last, -1, __ATOMIC_RELAXED);

	if (last >= 0)
		close(last);
}

static void *make_often(void *arg)
{
	static unsigned int number;
	unsigned int seed = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
	struct makers *makers = arg;
	unsigned int i, when;

	for (;;) {
		pthread_barrier_wait(&makers->barrier);
		if (makers->stop)
			return NULL;
		when = rand_r(&seed) % 3;
		for (i = 0; i < 3; i++) {
			make_two(makers, rand_r(&seed));
			if (i == when)
				close_last(makers);
		}
		pthread_barrier_wait(&makers->barrier);
	}
}

TEST_F_TIMEOUT(poll, no_wake_up_is_lost, 300)
{
	struct makers makers = { .vmo = self->vmo };
	struct pollfd pfd = { .fd = self->vmo, .events = POLLPRI };
	unsigned int i;

	ASSERT_EQ(0, pthread_barrier_init(&makers.barrier, NULL, MAKERS + 1));
	for (i = 0; i < MAKERS; i++)
		ASSERT_EQ(0, pthread_create(&makers.thread[i], NULL,
					    make_often, &makers));
	for (i = 0; i < ROUNDS; i++) {
		makers.last = make_child(self->vmo, i);
		ASSERT_EQ(0, is_alone(self->vmo));
		pthread_barrier_wait(&makers.barrier);
		EXPECT_EQ(1, poll(&pfd, 1, LONG)) TH_LOG("round %u", i);
		pthread_barrier_wait(&makers.barrier);
		ASSERT_EQ(1, is_alone(self->vmo));
	}
	makers.stop = true;
	pthread_barrier_wait(&makers.barrier);
	for (i = 0; i < MAKERS; i++)
		pthread_join(makers.thread[i], NULL);
	EXPECT_EQ(0, makers.failed);
	pthread_barrier_destroy(&makers.barrier);
}

/* All who wait for the same are told, whichever fd they wait by. */
TEST_F_TIMEOUT(poll, all_sleepers_are_woken, 120)
{
	struct sleeper sleeper[4];
	unsigned int i, round;
	int fd[4], child;

	for (i = 0; i < 4; i++)
		fd[i] = i % 2 ? dup(self->vmo) : vmo_open_read_only(self->vmo);
	for (round = 0; round < 20; round++) {
		child = make_child(self->vmo, round);
		for (i = 0; i < 4; i++)
			start_sleeper(&sleeper[i], fd[i]);
		EXPECT_EQ(0, close(child));
		for (i = 0; i < 4; i++)
			EXPECT_EQ(1, join_sleeper(&sleeper[i]));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, close(fd[i]));
}

TEST_HARNESS_MAIN
