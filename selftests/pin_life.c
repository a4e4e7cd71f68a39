// SPDX-License-Identifier: GPL-2.0
/*
 * How long a pin lives, what it keeps alive, whom it is charged to, and how it
 * goes together with slices and references.
 */
#include "pin.h"

#include <poll.h>
#include <sys/resource.h>

#include "kselftest_harness.h"

FIXTURE(life) {
	struct vmo_stats start;
	struct pinned p;
};

FIXTURE_SETUP(life)
{
	self->start = vmo_stats();
	ASSERT_EQ(0, pinned_setup(&self->p));
}

FIXTURE_TEARDOWN(life)
{
	struct vmo_stats now;

	EXPECT_EQ(0, pinned_teardown(&self->p));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
}

/* --- How long */

TEST_F(life, duplicates)
{
	int pin = vmo_pin(self->p.fd, WRITE, 0, PG);
	int other = dup(pin);

	ASSERT_LE(0, other);
	EXPECT_EQ(0, close(pin));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, close(other));
	EXPECT_FALSE(is_pinned(self->p.fd));
}

static int pin_some(void *arg)
{
	const struct pinned *p = arg;

	return vmo_pin(p->fd, WRITE, PG, 3 * PG) < 0;
}

TEST_F(life, the_process_ends)
{
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, pin_some, &self->p));
	EXPECT_TRUE(is_pinned(self->p.fd));
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

TEST_F(life, the_process_is_killed)
{
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, pin_some, &self->p));
	EXPECT_TRUE(is_pinned(self->p.fd));
	kill(holder.pid, SIGKILL);
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

/* A forked process has the same pin. */
static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

TEST_F(life, fork)
{
	int pin = vmo_pin(self->p.fd, READ, 0, PG);
	struct holder holder;

	ASSERT_LE(0, pin);
	ASSERT_EQ(0, holder_start(&holder, nothing, NULL));
	EXPECT_EQ(0, close(pin));
	EXPECT_TRUE(is_pinned(self->p.fd));
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

TEST_F(life, exec)
{
	int ends[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		pin_some(&self->p);
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", "echo x; read y", NULL);
		_exit(1);
	}
	close(ends[1]);
	/* It has become the other program when that says something. */
	EXPECT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_FALSE(is_pinned(self->p.fd));
	close(ends[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* In a socket, where no process holds it */
TEST_F(life, on_its_way)
{
	int pin = vmo_pin(self->p.fd, READ, 0, PG), sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	ASSERT_EQ(0, vmo_send_fd(sock[0], pin));
	EXPECT_EQ(0, close(pin));
	EXPECT_TRUE(is_pinned(self->p.fd));
	pin = vmo_recv_fd(sock[1]);
	EXPECT_LE(0, pin);
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, close(pin));
	EXPECT_FALSE(is_pinned(self->p.fd));
	close(sock[0]);
	close(sock[1]);
}

TEST_F(life, no_way_to_another_right)
{
	int pin = vmo_pin(self->p.fd, READ, 0, PG);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	EXPECT_EQ(-ENXIO, vmo_ret(open(path, O_RDWR)));
	EXPECT_EQ(O_RDONLY, fcntl(pin, F_GETFL) & O_ACCMODE);
	close(pin);
	pin = vmo_pin(self->p.fd, WRITE, 0, PG);
	EXPECT_EQ(O_RDWR, fcntl(pin, F_GETFL) & O_ACCMODE);
	close(pin);
}

TEST_F(life, fdinfo)
{
	int pin = vmo_pin(self->p.fd, WRITE, 2 * PG, 3 * PG);
	char path[64], text[1024], want[256];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pin);
	ASSERT_LT(0, file_read(path, text, sizeof(text)));
	snprintf(want, sizeof(want),
		 "cowvmo-pin-vmo:\t%llu\ncowvmo-pin-offset:\t8192\ncowvmo-pin-length:\t12288\ncowvmo-pin-writable:\t1\n",
		 vmo_id(self->p.fd));
	EXPECT_NE(NULL, strstr(text, want)) TH_LOG("%s", text);
	close(pin);
}

/* --- What it keeps alive */

/* Without any file of it the VMO is still there, as its relatives see. */
TEST_F(life, the_vmo)
{
	int snap = vmo_snapshot(self->p.fd);
	int pin = vmo_pin(snap, WRITE, 0, 2 * PG);
	struct pollfd ready = { .fd = self->p.fd, .events = POLLPRI };

	ASSERT_LE(0, pin);
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(self->start.vmos + 2, vmo_stat("vmos"));
	EXPECT_EQ(1, vmo_children(self->p.fd));
	EXPECT_EQ(0, poll(&ready, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->p.fd, 0, PG));
	EXPECT_EQ(self->start.pages + (long)FILLED + 2, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, vmo_children(self->p.fd));
	EXPECT_EQ(1, poll(&ready, 1, 0));
	EXPECT_EQ(POLLPRI, ready.revents);
	EXPECT_EQ(self->start.vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ(self->start.pages + (long)FILLED, vmo_stat("pages"));
}

/* A middle one: its children become its parent's when the pin goes. */
TEST_F(life, the_family)
{
	int middle = vmo_snapshot(self->p.fd);
	int last = vmo_snapshot(middle);
	int pin = vmo_pin(middle, READ, 0, PG);
	__u64 id = vmo_id(middle);

	EXPECT_EQ(0, close(middle));
	EXPECT_EQ(id, vmo_parent(last));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(vmo_id(self->p.fd), vmo_parent(last));
	EXPECT_EQ(0, filled_check(last, 0, FILLED));
	EXPECT_EQ(0, close(last));
}

/* --- Slices and references */

TEST_F(life, slices)
{
	int fd = vmo_filled(PAGES, PAGES, 0);
	int outer = vmo_slice(fd, 2 * PG, 4 * PG);
	int inner = vmo_slice(outer, PG, 2 * PG);
	int pin = vmo_pin(inner, WRITE, PG, PG);	/* page 4 */

	ASSERT_LE(0, pin);
	EXPECT_EQ(-ERANGE, vmo_pin(inner, READ, PG, 2 * PG));
	EXPECT_EQ(-ERANGE, vmo_pin(inner, READ, 2 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_snapshot(fd));
	EXPECT_EQ(-EBUSY, vmo_decommit(fd, 4 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(outer, 2 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(inner, 0, 2 * PG));
	EXPECT_EQ(0, vmo_decommit(inner, 0, PG));
	EXPECT_EQ(0, vmo_decommit(fd, 5 * PG, PG));
	EXPECT_EQ(0, vmo_decommit(fd, 0, 4 * PG));
	EXPECT_EQ(0, filled_check(fd, 4, 1));
	EXPECT_EQ(0, vmo_set_stream_size(inner, 0));
	EXPECT_EQ(3 * PG, vmo_populated(fd));
	EXPECT_EQ(0, zero_check(fd, 4));

	/* The pin keeps the slice, and that its parents. */
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(1, vmo_children(outer));
	EXPECT_EQ(0, close(outer));
	EXPECT_EQ(1, vmo_children(fd));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(self->start.vmos + 4, vmo_stat("vmos"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(self->start.vmos + 1, vmo_stat("vmos"));
}

TEST_F(life, references)
{
	int reference = vmo_reference(self->p.fd, COWVMO_CREATE_RESIZABLE);
	int pin = vmo_pin(reference, READ, 3 * PG, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(-EBUSY, vmo_snapshot(self->p.fd));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, PG));
	EXPECT_EQ(-EBUSY, vmo_set_size(reference, PG));
	EXPECT_EQ(-EBUSY, vmo_ret(ftruncate(reference, PG)));
	EXPECT_EQ(-EBUSY, vmo_decommit(reference, 0, PAGES * PG));
	EXPECT_EQ(-EBUSY, vmo_seal(reference));
	EXPECT_EQ(-ERANGE, vmo_pin(reference, READ, PAGES * PG, PG));
	EXPECT_EQ(0, vmo_set_size(self->p.fd, 2 * PAGES * PG));
	close(pin);
	pin = vmo_pin(reference, READ, PAGES * PG, PG);
	EXPECT_LE(0, pin);
	EXPECT_EQ(0, close(reference));
	EXPECT_EQ(1, vmo_children(self->p.fd));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, vmo_children(self->p.fd));
}

/* The last of all holds the content. */
TEST_F(life, a_reference_alone)
{
	int reference = vmo_reference(self->p.fd, 0);
	int pin = vmo_pin(reference, READ, 0, PAGES * PG);

	EXPECT_EQ(0, munmap(self->p.mem, PAGES * PG));
	EXPECT_EQ(0, close(self->p.fd));
	EXPECT_EQ(0, filled_check(reference, 0, FILLED));
	EXPECT_EQ(PAGES * PG, vmo_populated(reference));
	EXPECT_EQ(0, close(reference));
	EXPECT_EQ(self->start.pages + (long)PAGES, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(self->start.pages, vmo_stat("pages"));
	ASSERT_EQ(0, pinned_setup(&self->p));
}

/* --- RLIMIT_MEMLOCK: in processes without the right to ignore it */

#define NOBODY	65534
#define MAY	4ULL

/* What a process found: 0, or the line of the first that was not so */
struct finding {
	int line;
};

static void want_at(struct finding *finding, bool so, int line)
{
	if (!so && !finding->line)
		finding->line = line;
}

#define WANT(finding, condition)	want_at(finding, condition, __LINE__)

/* As an exit code, which is never 0 for a line */
static int told(const struct finding *finding)
{
	return finding->line % 256 ? finding->line : !!finding->line;
}

static int become_nobody(__u64 limit)
{
	struct rlimit rlimit = { limit, limit };

	if (setrlimit(RLIMIT_MEMLOCK, &rlimit))
		return -errno;
	return vmo_ret(setresuid(NOBODY, NOBODY, NOBODY));
}

static int within_the_limit(void *arg)
{
	const struct pinned *p = arg;
	__u64 before = vmo_populated(p->fd);
	int a, b;
	struct finding f = { 0 };

	WANT(&f, !become_nobody(MAY * PG));
	WANT(&f, vmo_pin(p->fd, READ, 0, PAGES * PG) == -ENOMEM);
	WANT(&f, vmo_populated(p->fd) == before);
	a = vmo_pin(p->fd, READ, 0, MAY * PG);
	WANT(&f, a >= 0);
	WANT(&f, vmo_pin(p->fd, READ, 7 * PG, PG) == -ENOMEM);
	/* A page counts for each of its pins. */
	WANT(&f, vmo_pin(p->fd, WRITE, 0, PG) == -ENOMEM);
	WANT(&f, !close(a));
	a = vmo_pin(p->fd, WRITE, 0, (MAY - 1) * PG);
	WANT(&f, a >= 0);
	WANT(&f, vmo_pin(p->fd, READ, 0, 2 * PG) == -ENOMEM);
	b = vmo_pin(p->fd, READ, 7 * PG, PG);
	WANT(&f, b >= 0);
	WANT(&f, !close(a) && !close(b));
	/* What fails for another reason is not counted. */
	WANT(&f, vmo_pin(p->fd, READ, 6 * PG, 4 * PG) == -ERANGE);
	WANT(&f, vmo_pin(p->fd, READ, 0, MAY * PG) >= 0);
	return told(&f);
}

static int no_limit_at_all(void *arg)
{
	const struct pinned *p = arg;
	struct finding f = { 0 };

	WANT(&f, !become_nobody(RLIM_INFINITY));
	WANT(&f, vmo_pin(p->fd, WRITE, 0, PAGES * PG) >= 0);
	WANT(&f, vmo_pin(p->fd, WRITE, 0, PAGES * PG) >= 0);
	return told(&f);
}

static int nothing_allowed(void *arg)
{
	const struct pinned *p = arg;
	struct finding f = { 0 };

	WANT(&f, !become_nobody(0));
	WANT(&f, vmo_pin(p->fd, READ, 0, PG) == -ENOMEM);
	/* What else is wrong comes first. */
	WANT(&f, vmo_pin(p->fd, READ, 0, (PAGES + 1) * PG) == -ERANGE);
	return told(&f);
}

static int with_the_right(void *arg)
{
	const struct pinned *p = arg;
	struct rlimit none = { 0, 0 };
	struct finding f = { 0 };

	WANT(&f, !setrlimit(RLIMIT_MEMLOCK, &none));
	WANT(&f, vmo_pin(p->fd, WRITE, 0, PAGES * PG) >= 0);
	return told(&f);
}

TEST_F(life, memlock)
{
	EXPECT_EQ(0, in_child(within_the_limit, &self->p));
	EXPECT_FALSE(is_pinned(self->p.fd));
	EXPECT_EQ(0, in_child(within_the_limit, &self->p));
}

TEST_F(life, memlock_unlimited)
{
	EXPECT_EQ(0, in_child(no_limit_at_all, &self->p));
}

TEST_F(life, memlock_of_nothing)
{
	EXPECT_EQ(0, in_child(nothing_allowed, &self->p));
}

TEST_F(life, memlock_and_the_right_to_ignore_it)
{
	EXPECT_EQ(0, in_child(with_the_right, &self->p));
}

struct passed {
	struct pinned *p;
	int sock;
	bool as_dma_buf;
};

static int pin_and_pass(void *arg)
{
	const struct passed *passed = arg;
	struct finding f = { 0 };
	int pin;

	WANT(&f, !become_nobody(MAY * PG));
	pin = vmo_pin(passed->p->fd, READ, 0, MAY * PG);
	WANT(&f, pin >= 0);
	if (passed->as_dma_buf)
		pin = vmo_pin_export(pin);
	WANT(&f, !vmo_send_fd(passed->sock, pin));
	return told(&f);
}

static int pin_one(void *arg)
{
	const struct pinned *p = arg;
	int rc = become_nobody(MAY * PG) ?: vmo_pin(p->fd, READ, 0, PG);

	return rc < 0 ? -rc : 0;
}

/* It counts for the user who made it, as long as anybody has it. */
static void pass_on(struct __test_metadata *_metadata, struct pinned *p,
		    bool as_dma_buf)
{
	struct passed passed = { .p = p, .as_dma_buf = as_dma_buf };
	int sock[2], got;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	passed.sock = sock[0];
	ASSERT_EQ(0, in_child(pin_and_pass, &passed));
	got = vmo_recv_fd(sock[1]);
	ASSERT_LE(0, got);
	EXPECT_EQ(ENOMEM, in_child(pin_one, p));
	close(got);
	EXPECT_EQ(0, in_child(pin_one, p));
	close(sock[0]);
	close(sock[1]);
}

TEST_F(life, memlock_of_a_pin_that_was_passed_on)
{
	pass_on(_metadata, &self->p, false);
}

TEST_F(life, memlock_of_a_dma_buf_that_was_passed_on)
{
	pass_on(_metadata, &self->p, true);
}

TEST_HARNESS_MAIN
