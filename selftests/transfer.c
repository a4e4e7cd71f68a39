// SPDX-License-Identifier: GPL-2.0
/*
 * TRANSFER: pages go to another place, the source reads zero, and nobody who
 * shared or held them notices.
 */
#include "maps.h"

#include <sys/uio.h>

#include "kselftest_harness.h"

#define PAGES	80ULL
#define FULL	70ULL		/* pages with content */

FIXTURE(transfer)
{
	int from, to;
	unsigned char *src, *dst;
	__u64 done;
};

FIXTURE_SETUP(transfer)
{
	self->from = vmo_filled(PAGES, FULL, 0);
	self->to = vmo_new(PAGES * PG, 0);
	ASSERT_LE(0, self->from);
	ASSERT_LE(0, self->to);
	self->src = vmo_map(self->from, 0, PAGES * PG, RW);
	self->dst = vmo_map(self->to, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->src);
	ASSERT_NE(NULL, self->dst);
}

FIXTURE_TEARDOWN(transfer)
{
	munmap(self->src, PAGES * PG);
	munmap(self->dst, PAGES * PG);
	close(self->from);
	close(self->to);
	EXPECT_EQ(0, vmo_validate());
}

/* 0 if pages [@at, @at + @n) are what vmo_filled() made of [@first, ...) */
static int is_content(int fd, __u64 at, __u64 first, __u64 n)
{
	int rc = 0;

	for (; !rc && n--; at++, first++)
		rc = first < FULL ? pat_check(fd, at, FILL + first) :
				    zero_check(fd, at);
	return rc;
}

static int is_zero(int fd, __u64 at, __u64 n)
{
	int rc = 0;

	for (; !rc && n--; at++)
		rc = zero_check(fd, at);
	return rc;
}

/* Where a page is in memory, as root sees it; 0 when it cannot be read */
static __u64 frame(unsigned char *at)
{
	unsigned char byte;

	return vmo_try_read(at, &byte) ? 0 : pfn_of(at);
}

TEST_F(transfer, everything)
{
	long pages = vmo_stat("pages");

	EXPECT_EQ(0, vmo_transfer(self->to, 0, self->from, 0, PAGES * PG,
				  &self->done));
	EXPECT_EQ(PAGES * PG, self->done);
	EXPECT_EQ(0, is_content(self->to, 0, 0, PAGES));
	EXPECT_EQ(0, is_zero(self->from, 0, PAGES));
	EXPECT_EQ(0, vmo_populated(self->from));
	EXPECT_EQ(FULL * PG, vmo_populated(self->to));
	EXPECT_EQ(pages, vmo_stat("pages"));
}

TEST_F(transfer, the_pages_themselves)
{
	__u64 whole = frame(self->src + 16 * PG), single;

	single = frame(self->src + 3 * PG);
	ASSERT_NE(0, whole);
	ASSERT_NE(0, single);
	EXPECT_EQ(0, vmo_transfer(self->to, 32 * PG, self->from, 16 * PG,
				  16 * PG, NULL));
	EXPECT_EQ(0, vmo_transfer(self->to, 7 * PG, self->from, 3 * PG, PG,
				  NULL));
	EXPECT_EQ(whole, frame(self->dst + 32 * PG));
	EXPECT_EQ(single, frame(self->dst + 7 * PG));
}

TEST_F(transfer, any_place_and_length)
{
	__u64 src, dst, n;

	for (n = 1; n < 40; n += 7) {
		for (src = 0; src < 24; src += 5) {
			for (dst = 1; dst < 24; dst += 6) {
				int from = vmo_filled(PAGES, FULL, 0);
				int to = vmo_filled(PAGES, 30, 0);

				ASSERT_EQ(0, vmo_transfer(to, dst * PG, from,
							  src * PG, n * PG,
							  &self->done));
				ASSERT_EQ(n * PG, self->done);
				ASSERT_EQ(0, is_content(to, 0, 0, dst));
				ASSERT_EQ(0, is_content(to, dst, src, n));
				ASSERT_EQ(0, is_zero(from, src, n));
				ASSERT_EQ(0, is_content(from, src + n,
							src + n, 8));
				close(from);
				close(to);
			}
		}
	}
}

TEST_F(transfer, holes_become_holes)
{
	__u64 i;

	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(0, pat_fill(self->to, i, 900 + i));
	EXPECT_EQ(0, vmo_zero(self->from, 20 * PG, 10 * PG));
	EXPECT_EQ(0, vmo_transfer(self->to, 15 * PG, self->from, 15 * PG,
				  60 * PG, NULL));
	EXPECT_EQ(0, pat_check(self->to, 14, 914));
	EXPECT_EQ(0, is_content(self->to, 15, 15, 5));
	EXPECT_EQ(0, is_zero(self->to, 20, 10));
	EXPECT_EQ(0, is_content(self->to, 30, 30, 45));
	EXPECT_EQ(0, pat_check(self->to, 75, 975));
	EXPECT_EQ((15 + 5 + 40 + 5) * PG, vmo_populated(self->to));
}

TEST_F(transfer, mappings_follow)
{
	EXPECT_EQ(0, pat_mem_check(self->src + 5 * PG, FILL + 5));
	EXPECT_EQ(0, zero_mem_check(self->dst + 6 * PG, PG));
	self->src[8 * PG] ^= 1;
	EXPECT_EQ(0, vmo_transfer(self->to, 6 * PG, self->from, 5 * PG,
				  10 * PG, NULL));
	EXPECT_EQ(0, pat_mem_check(self->dst + 6 * PG, FILL + 5));
	EXPECT_EQ(0, zero_mem_check(self->src + 5 * PG, 10 * PG));
	self->dst[9 * PG] ^= 1;
	EXPECT_EQ(0, pat_check(self->to, 9, FILL + 8));
	pat_mem_fill(self->src + 5 * PG, 1);
	EXPECT_EQ(0, pat_check(self->to, 6, FILL + 5));
	EXPECT_EQ(0, pat_check(self->from, 5, 1));
}

TEST_F(transfer, what_relatives_share_stays_theirs)
{
	int snapshot = vmo_snapshot(self->from), reader;

	ASSERT_LE(0, snapshot);
	reader = vmo_snapshot(self->to);
	EXPECT_EQ(0, vmo_transfer(self->to, 0, self->from, 0, PAGES * PG,
				  NULL));
	EXPECT_EQ(0, is_content(self->to, 0, 0, PAGES));
	EXPECT_EQ(0, is_content(snapshot, 0, 0, PAGES));
	EXPECT_EQ(0, is_zero(reader, 0, PAGES));
	EXPECT_EQ(FULL * PG, vmo_private(self->to));
	pat_mem_fill(self->dst, 1);
	EXPECT_EQ(0, is_content(snapshot, 0, 0, PAGES));
	close(snapshot);
	close(reader);
}

TEST_F(transfer, what_somebody_holds_is_copied)
{
	struct iovec iov = { .iov_base = self->src + PG, .iov_len = PG };
	unsigned char buf[PG];
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(PG, vmsplice(ends[1], &iov, 1, 0));
	EXPECT_EQ(0, vmo_transfer(self->to, PG, self->from, PG, 2 * PG, NULL));
	EXPECT_EQ(0, is_content(self->to, 1, 1, 2));
	EXPECT_EQ(0, is_zero(self->from, 1, 2));
	pat_mem_fill(self->dst + PG, 1);
	ASSERT_EQ(PG, read(ends[0], buf, PG));
	EXPECT_EQ(0, pat_mem_check(buf, FILL + 1));
	close(ends[0]);
	close(ends[1]);
}

TEST_F(transfer, between_relatives)
{
	int snapshot = vmo_snapshot(self->from);

	ASSERT_LE(0, snapshot);
	EXPECT_EQ(0, vmo_transfer(snapshot, 40 * PG, self->from, 0, 20 * PG,
				  NULL));
	EXPECT_EQ(0, is_content(snapshot, 0, 0, 40));
	EXPECT_EQ(0, is_content(snapshot, 40, 0, 20));
	EXPECT_EQ(0, is_content(snapshot, 60, 60, 20));
	EXPECT_EQ(0, is_zero(self->from, 0, 20));
	close(snapshot);
}

TEST_F(transfer, within_one_vmo)
{
	EXPECT_EQ(0, vmo_transfer(self->from, 50 * PG, self->from, 0,
				  20 * PG, NULL));
	EXPECT_EQ(0, is_zero(self->from, 0, 20));
	EXPECT_EQ(0, is_content(self->from, 20, 20, 30));
	EXPECT_EQ(0, is_content(self->from, 50, 0, 20));
	/* To where it is: nothing happens, however long. */
	EXPECT_EQ(0, vmo_transfer(self->from, 20 * PG, self->from, 20 * PG,
				  30 * PG, &self->done));
	EXPECT_EQ(30 * PG, self->done);
	EXPECT_EQ(0, is_content(self->from, 20, 20, 30));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->from, 21 * PG, self->from,
					20 * PG, 2 * PG, &self->done));
	EXPECT_EQ(0, self->done);
	EXPECT_EQ(0, is_content(self->from, 20, 20, 30));
}

TEST_F(transfer, through_slices_and_references)
{
	int slice = vmo_slice(self->from, 16 * PG, 32 * PG);
	int reference = vmo_reference(self->to, 0);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, reference);
	EXPECT_EQ(0, vmo_transfer(reference, 0, slice, 4 * PG, 20 * PG, NULL));
	EXPECT_EQ(0, is_content(self->to, 0, 20, 20));
	EXPECT_EQ(0, is_zero(self->from, 20, 20));
	EXPECT_EQ(-ERANGE, vmo_transfer(reference, 0, slice, 13 * PG, 20 * PG,
					NULL));
	EXPECT_EQ(-ERANGE, vmo_transfer(slice, 31 * PG, reference, 0, 2 * PG,
					NULL));
	/* Two names of one content overlap as one does. */
	EXPECT_EQ(-EINVAL, vmo_transfer(slice, PG, self->from, 16 * PG, 2 * PG,
					NULL));
	close(slice);
	close(reference);
}

TEST_F(transfer, wide_holes_take_no_time)
{
	int from = vmo_new(1ULL << 60, 0), to = vmo_new(1ULL << 60, 0);

	ASSERT_LE(0, from);
	ASSERT_LE(0, to);
	EXPECT_EQ(0, pat_fill(from, 1ULL << 40, 1));
	EXPECT_EQ(0, pat_fill(from, (1ULL << 47) + 5, 2));
	EXPECT_EQ(0, pat_fill(to, 77, 3));
	EXPECT_EQ(0, vmo_transfer(to, PG, from, 0, (1ULL << 60) - PG,
				  &self->done));
	EXPECT_EQ((1ULL << 60) - PG, self->done);
	EXPECT_EQ(0, pat_check(to, (1ULL << 40) + 1, 1));
	EXPECT_EQ(0, pat_check(to, (1ULL << 47) + 6, 2));
	EXPECT_EQ(2 * PG, vmo_populated(to));
	EXPECT_EQ(0, vmo_populated(from));
	close(from);
	close(to);
}

TEST_F(transfer, what_is_pinned)
{
	int src = vmo_pin(self->from, 0, 5 * PG, PG);
	int dst = vmo_pin(self->to, 0, 40 * PG, PG);

	ASSERT_LE(0, src);
	ASSERT_LE(0, dst);
	EXPECT_EQ(-EBUSY, vmo_transfer(self->to, 0, self->from, 3 * PG, 3 * PG,
				       &self->done));
	EXPECT_EQ(0, self->done);
	EXPECT_EQ(-EBUSY, vmo_transfer(self->to, 40 * PG, self->from, 6 * PG,
				       PG, NULL));
	EXPECT_EQ(0, vmo_transfer(self->to, 41 * PG, self->from, 6 * PG, PG,
				  NULL));
	EXPECT_EQ(0, is_content(self->from, 3, 3, 3));
	EXPECT_EQ(0, is_content(self->to, 41, 6, 1));
	close(src);
	close(dst);
}

TEST_F(transfer, errors)
{
	int reader = vmo_open_read_only(self->from), sealed = vmo_new(PG, 0);
	int file = memfd_create("x", 0);

	EXPECT_EQ(0, vmo_seal(sealed));
	EXPECT_EQ(-EACCES, vmo_transfer(self->to, 0, reader, 0, PG, NULL));
	EXPECT_EQ(-EACCES, vmo_transfer(reader, 0, self->to, 0, PG, NULL));
	EXPECT_EQ(-EBADF, vmo_transfer(self->to, 0, -1, 0, PG, NULL));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->to, 0, file, 0, PG, NULL));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->to, 1, self->from, 0, PG, NULL));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->to, 0, self->from, 1, PG, NULL));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->to, 0, self->from, 0, 1, NULL));
	EXPECT_EQ(-ERANGE, vmo_transfer(self->to, 0, self->from, PG,
					PAGES * PG, NULL));
	EXPECT_EQ(-ERANGE, vmo_transfer(self->to, PG, self->from, 0,
					PAGES * PG, NULL));
	EXPECT_EQ(-ERANGE, vmo_transfer(self->to, 0, self->from,
					-(__u64)PG, 2 * PG, NULL));
	EXPECT_EQ(-EPERM, vmo_transfer(self->to, 0, sealed, 0, PG, NULL));
	EXPECT_EQ(-EPERM, vmo_transfer(sealed, 0, self->from, 0, PG, NULL));
	EXPECT_EQ(0, vmo_transfer(self->to, 0, self->from, PAGES * PG, 0,
				  NULL));
	EXPECT_EQ(0, is_content(self->from, 0, 0, PAGES));
	EXPECT_EQ(0, is_zero(self->to, 0, PAGES));
	close(reader);
	close(sealed);
	close(file);
}

TEST_HARNESS_MAIN
