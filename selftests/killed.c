// SPDX-License-Identifier: GPL-2.0
/*
 * A process that is killed in the middle of a long operation: the operation
 * ends soon, half done, and leaves a VMO in which all is in order.
 */
#include <sys/wait.h>

#include "vmo.h"
#include "kselftest_harness.h"

#define PAGES	4096ULL
#define BYTES	(PAGES * PG)
#define ROUNDS	12

FIXTURE(killed) {
	int vmo, child;
	struct vmo_stats start;
};

FIXTURE_VARIANT(killed) {
	/* One long operation, to be repeated until the process is killed */
	void (*work)(int vmo);
	int byte;	/* what it leaves where there was nothing */
};

static void work_commit(int vmo)
{
	vmo_commit(vmo, 0, BYTES);
	vmo_zero(vmo, 0, BYTES);
}

static void work_write(int vmo)
{
	static char buf[BYTES];

	memset(buf, 0x33, sizeof(buf));
	if (pwrite(vmo, buf, sizeof(buf), 0) < 0)
		_exit(1);
	vmo_zero(vmo, 0, BYTES);
}

static void work_fault(int vmo)
{
	unsigned char *mem = vmo_map(vmo, 0, BYTES, PROT_READ | PROT_WRITE);

	memset(mem, 0x33, BYTES);
	munmap(mem, BYTES);
	vmo_zero(vmo, 0, BYTES);
}

static void work_snapshot(int vmo)
{
	unsigned char *mem = vmo_map(vmo, 0, BYTES, PROT_READ | PROT_WRITE);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		memset(mem, 0x33, BYTES / 8);
		close(vmo_snapshot(vmo));
	}
	munmap(mem, BYTES);
	vmo_zero(vmo, 0, BYTES);
}

/* A half-made pin is taken back; what was committed for it stays. */
static void work_pin(int vmo)
{
	close(vmo_pin(vmo, COWVMO_PIN_WRITE, 0, BYTES));
	vmo_zero(vmo, 0, BYTES);
}

/* Made by moving away what is there; what was got is given back. */
static void work_contiguous(int vmo)
{
	close(vmo_contiguous(BYTES, 0));
	vmo_commit(vmo, 0, PG);
	vmo_zero(vmo, 0, BYTES);
}

/* The lender ends with whoever made it, and its pages are the borrower's. */
static void work_lend(int vmo)
{
	int fd = vmo_contiguous(BYTES / 4, 0);

	vmo_decommit(fd, 0, BYTES / 4);
	vmo_commit(vmo, 0, BYTES / 8);
	vmo_commit(fd, 0, BYTES / 4);
	close(fd);
	vmo_zero(vmo, 0, BYTES);
}

FIXTURE_VARIANT_ADD(killed, commit) { .work = work_commit, .byte = 0 };
FIXTURE_VARIANT_ADD(killed, write) { .work = work_write, .byte = 0x33 };
FIXTURE_VARIANT_ADD(killed, fault) { .work = work_fault, .byte = 0x33 };
FIXTURE_VARIANT_ADD(killed, pin) { .work = work_pin, .byte = 0 };
FIXTURE_VARIANT_ADD(killed, contiguous) { .work = work_contiguous };
FIXTURE_VARIANT_ADD(killed, lend) { .work = work_lend };
FIXTURE_VARIANT_ADD(killed, snapshot) {
	.work = work_snapshot, .byte = 0x33,
};

FIXTURE_SETUP(killed)
{
	self->start = vmo_stats();
	self->vmo = vmo_new(BYTES, 0);
	ASSERT_LE(0, self->vmo);
	self->child = vmo_snapshot(self->vmo);
	ASSERT_LE(0, self->child);
}

FIXTURE_TEARDOWN(killed)
{
	struct vmo_stats now;

	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->child));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

/* Runs the work in a process that is killed after @delay microseconds. */
static int kill_at_work(void (*work)(int vmo), int vmo, unsigned int delay)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		for (;;)
			work(vmo);
	usleep(delay);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? WTERMSIG(status) : -EIO;
}

/* Every page is as it was or as the work leaves it, and the sums are right. */
static void expect_order(struct __test_metadata *_metadata,
			 FIXTURE_DATA(killed) * self, int byte)
{
	__u64 page;

	ASSERT_EQ(0, vmo_validate());
	ASSERT_EQ(vmo_populated(self->vmo), vmo_private(self->vmo));
	ASSERT_EQ(vmo_populated(self->vmo) / PG,
		  vmo_stat("pages") - self->start.pages);
	ASSERT_EQ(0, vmo_populated(self->child));
	ASSERT_EQ(1, vmo_children(self->vmo));
	ASSERT_EQ(self->start.pins, vmo_stat("pins"));
	for (page = 0; page < PAGES; page += 61) {
		int got = vmo_get_byte(self->vmo, page * PG + 7);

		ASSERT_TRUE(got == 0 || got == byte);
	}
}

TEST_F_TIMEOUT(killed, at_work, 300)
{
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(SIGKILL, kill_at_work(variant->work, self->vmo,
						1000 + 7000 * round));
		expect_order(_metadata, self, variant->byte);
		/* And it goes on as if nothing had been */
		ASSERT_EQ(0, pat_fill(self->vmo, round, round + 1));
		ASSERT_EQ(0, pat_check(self->vmo, round, round + 1));
		ASSERT_EQ(0, zero_check(self->child, round));
		ASSERT_EQ(0, vmo_zero(self->vmo, 0, BYTES));
		ASSERT_EQ(0, vmo_populated(self->vmo));
	}
}

TEST_HARNESS_MAIN
