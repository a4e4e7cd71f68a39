// SPDX-License-Identifier: GPL-2.0
/*
 * Loans of pages that somebody holds, who is neither a VMO nor a mapping: they
 * are waited for, and not taken from him.
 */
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "loan.h"

#define HELD_WAYS	7U

static bool commit_stops(FIXTURE_DATA(loan) * self, unsigned int page)
{
	__u64 done = 0;

	return vmo_op(self->lender, COWVMO_OP_COMMIT, 0, PAGES * PG,
		      &done) == -EBUSY && done == page * PG;
}

/* Does this way to have page @page of the lender fail as it should? */
static bool held_fails(FIXTURE_DATA(loan) * self, unsigned int way,
		       unsigned int page)
{
	unsigned char byte;

	switch (way) {
	case 0:
		return commit_stops(self, page);
	case 1:
		return vmo_put_byte(self->lender, page * PG, 1) == -EBUSY;
	case 2:
		return vmo_get_byte(self->lender, page * PG) == -EBUSY;
	case 3:
		return vmo_pin(self->lender, 0, page * PG, PG) == -EBUSY;
	case 4:
		return vmo_try_read(self->mem + page * PG, &byte) == SIGBUS;
	case 5:
		return vmo_try_write(self->mem + page * PG, 1) == SIGBUS;
	default:
		return vmo_pin(self->borrower, 0, 5 * PG, PG) == -EBUSY;
	}
}

/* All at once, as each waits for a while. */
static pid_t start_held(FIXTURE_DATA(loan) * self, unsigned int way,
			unsigned int page)
{
	pid_t pid = fork();

	if (!pid)
		_exit(held_fails(self, way, page) ? 0 : 1);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? status : -ECHILD;
}

/* A pipe has one of them: no way to have that, until it has been read. */
TEST_F(loan, held)
{
	pid_t pids[HELD_WAYS];
	unsigned int way;
	int fds[2], i;

	lend(_metadata, self);
	/* Which page of the lender is the borrower's fifth? */
	i = frame_of(self->borrower, 5) - self->base;
	ASSERT_EQ(0, splice_in(fds, self->theirs + 5 * PG));
	for (way = 0; way < HELD_WAYS; way++)
		pids[way] = start_held(self, way, i);
	for (way = 0; way < HELD_WAYS; way++)
		EXPECT_EQ(0, status_of(pids[way])) TH_LOG("way %u", way);
	EXPECT_EQ(0, vmo_validate());
	/* The others do come. */
	EXPECT_EQ(0, vmo_commit(self->lender, (i + 1) * PG,
				(PAGES - i - 1) * PG));
	EXPECT_EQ(0, has_all(self->borrower));
	EXPECT_EQ(0, splice_out(fds, 505));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	expect_back(_metadata, self);
}

/* The borrower gives it up, but the pipe has it still: nobody may write it. */
TEST_F(loan, held_after_the_borrower)
{
	int fds[2], i;

	lend(_metadata, self);
	i = frame_of(self->borrower, 5) - self->base;
	ASSERT_EQ(0, splice_in(fds, self->theirs + 5 * PG));
	EXPECT_EQ(0, vmo_decommit(self->borrower, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(-EBUSY, vmo_commit(self->lender, i * PG, PG));
	/* Others borrow what is free. */
	EXPECT_EQ(0, vmo_commit(self->borrower, 0, PAGES * PG));
	EXPECT_EQ(LENT - 1, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, splice_out(fds, 505));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	EXPECT_EQ(0, all_zero(self->borrower, PAGES));
}

/* Held of the lender's own time: it is the page that he has, and gets back. */
TEST_F(loan, held_of_the_lender)
{
	unsigned char buf[PG];
	int fds[2];

	ASSERT_EQ(0, splice_in(fds, self->mem));
	EXPECT_EQ(0, vmo_decommit(self->lender, 0, 2 * PG));
	EXPECT_EQ(0, vmo_commit(self->borrower, 0, 4 * PG));
	EXPECT_EQ(1, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	ASSERT_EQ((long)PG, read(fds[0], buf, PG));
	EXPECT_EQ(0, zero_mem_check(buf, PG));
	close(fds[0]);
	close(fds[1]);
}

/* A snapshot of the borrower copies what is held, for the child. */
TEST_F(loan, held_and_snapshot)
{
	int fds[2], child;
	unsigned char byte;

	lend(_metadata, self);
	/* So that somebody could have written to it since. */
	byte = *(volatile unsigned char *)(self->theirs + 5 * PG);
	EXPECT_EQ(0, vmo_try_write(self->theirs + 5 * PG, byte));
	ASSERT_EQ(0, splice_in(fds, self->theirs + 5 * PG));
	child = vmo_snapshot(self->borrower);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(LENT, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(LENT - 1, borrowed_by(child, self->base));
	EXPECT_EQ(0, has_all(child));
	EXPECT_EQ(0, splice_out(fds, 505));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, has_all(child));
	expect_back(_metadata, self);
	close(child);
}

TEST_HARNESS_MAIN
