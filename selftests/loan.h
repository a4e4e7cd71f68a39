/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of loans share: a contiguous VMO, and another that borrows of
 * its pages. Include it after the harness.
 */
#ifndef COWVMO_SELFTEST_LOAN_H
#define COWVMO_SELFTEST_LOAN_H

#include <sys/uio.h>

#include "contig.h"

#define PAGES	40ULL
#define LENT	16ULL	/* pages that the tests decommit and others borrow */

FIXTURE(loan) {
	struct vmo_stats start;
	int lender, borrower;
	long base;
	unsigned char *mem, *theirs;
};

FIXTURE_SETUP(loan)
{
	ASSERT_EQ(0, loan_allow(true));
	ASSERT_EQ(0, vmo_stat("decommitted"));
	self->start = vmo_stats();
	self->lender = contig_filled(PAGES);
	ASSERT_LE(0, self->lender);
	self->base = frame_of(self->lender, 0);
	ASSERT_LT(0, self->base);
	self->mem = vmo_map(self->lender, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->borrower = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->borrower);
	self->theirs = vmo_map(self->borrower, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->theirs);
}

FIXTURE_TEARDOWN(loan)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	munmap(self->mem, PAGES * PG);
	munmap(self->theirs, PAGES * PG);
	if (self->lender >= 0)
		EXPECT_EQ(0, close(self->lender));
	if (self->borrower >= 0)
		EXPECT_EQ(0, close(self->borrower));
	EXPECT_EQ(0, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_stat("lent"));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	loan_allow(true);
}

static inline bool is_lenders(long base, long frame)
{
	return frame >= base && frame < base + (long)PAGES;
}

/* How many of a VMO's pages are the lender's? */
static inline __u64 borrowed_by(int fd, long base)
{
	struct cowvmo_page_state states[PAGES];
	int i, got = vmo_lookup(fd, 0, 0, vmo_size(fd), states, PAGES, NULL);
	__u64 n = 0;

	for (i = 0; i < got; i++)
		n += states[i].kind == COWVMO_KIND_PAGE &&
		     is_lenders(base, states[i].pfn);
	return n;
}

/* Decommits pages and has the borrower write as many: page i has seed 500 + i */
static inline void lend(struct __test_metadata *_metadata, FIXTURE_DATA(loan) * self)
{
	__u64 i;

	ASSERT_EQ(0, vmo_decommit(self->lender, 0, LENT * PG));
	for (i = 0; i < LENT; i++)
		ASSERT_EQ(0, pat_fill(self->borrower, i, 500 + i));
	ASSERT_EQ(LENT, borrowed_by(self->borrower, self->base));
	ASSERT_EQ((long)LENT, vmo_stat("lent"));
	ASSERT_EQ((PAGES - LENT) * PG, vmo_populated(self->lender));
	ASSERT_EQ(0, vmo_validate());
}

static inline int has_all(int fd)
{
	__u64 i;
	int rc = 0;

	for (i = 0; !rc && i < LENT; i++)
		rc = pat_check(fd, i, 500 + i);
	return rc;
}

/* All are back: zeroed, in their places; and the borrower has what it had. */
static inline void expect_back(struct __test_metadata *_metadata,
			       FIXTURE_DATA(loan) * self)
{
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	EXPECT_EQ(0, vmo_stat("decommitted"));
	EXPECT_EQ(0, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, has_all(self->borrower));
	EXPECT_EQ(0, vmo_validate());
}

static inline int splice_in(int *fds, void *mem)
{
	struct iovec iov = { .iov_base = mem, .iov_len = PG };

	if (pipe(fds))
		return -errno;
	return vmsplice(fds[1], &iov, 1, 0) == PG ? 0 : -EIO;
}

static inline int splice_out(int *fds, __u64 seed)
{
	unsigned char buf[PG];
	int rc = 0;

	if (read(fds[0], buf, PG) != (long)PG)
		rc = -EIO;
	close(fds[0]);
	close(fds[1]);
	return rc ? rc : pat_mem_check(buf, seed);
}

#endif /* COWVMO_SELFTEST_LOAN_H */
