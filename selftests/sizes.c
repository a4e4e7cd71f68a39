// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes at which a number somewhere gets a bit more: 4 GiB, 2^32 pages, the
 * largest VMO. Whatever is done there costs what is touched, not the width.
 */
#include "vmo.h"
#include "kselftest_harness.h"

#define GIB_4	0x100000000ULL
#define PAGES_32	(GIB_4 * PG)	/* bytes of 2^32 pages */
/* Two edges of the highest tree, and the pages' own leaves */
#define FEW_NODES	64

FIXTURE(size) {
	int vmo;
	struct vmo_stats start;
};

FIXTURE_VARIANT(size) {
	__u64 size;
};

FIXTURE_VARIANT_ADD(size, below_4g) { .size = GIB_4 - PG };
FIXTURE_VARIANT_ADD(size, at_4g) { .size = GIB_4 };
FIXTURE_VARIANT_ADD(size, above_4g) { .size = GIB_4 + PG };
FIXTURE_VARIANT_ADD(size, below_2_32_pages) { .size = PAGES_32 - PG };
FIXTURE_VARIANT_ADD(size, at_2_32_pages) { .size = PAGES_32 };
FIXTURE_VARIANT_ADD(size, above_2_32_pages) { .size = PAGES_32 + PG };
FIXTURE_VARIANT_ADD(size, half) { .size = 1ULL << 62 };
FIXTURE_VARIANT_ADD(size, max) { .size = VMO_MAX };

FIXTURE_SETUP(size)
{
	self->start = vmo_stats();
	self->vmo = vmo_new(variant->size, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(variant->size, vmo_size(self->vmo));
}

FIXTURE_TEARDOWN(size)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
}

static void expect_few(struct __test_metadata *_metadata,
		       const struct vmo_stats *start, long pages)
{
	struct vmo_stats now = vmo_stats();

	EXPECT_EQ(pages, now.pages - start->pages);
	EXPECT_EQ(pages, now.descs - start->descs);
	EXPECT_GE(FEW_NODES, now.nodes - start->nodes);
}

TEST_F(size, first_and_last_page)
{
	__u64 last = variant->size / PG - 1;

	EXPECT_EQ(0, zero_check(self->vmo, last));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	expect_few(_metadata, &self->start, 0);
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_fill(self->vmo, last, 2));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, last, 2));
	EXPECT_EQ(0, zero_check(self->vmo, 1));
	EXPECT_EQ(0, zero_check(self->vmo, last - 1));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	expect_few(_metadata, &self->start, 2);
}

TEST_F(size, last_byte)
{
	char two[2] = { 1, 2 };

	EXPECT_EQ(0, vmo_put_byte(self->vmo, variant->size - 1, 0x77));
	EXPECT_EQ(0x77, vmo_get_byte(self->vmo, variant->size - 1));
	EXPECT_EQ(1, pread(self->vmo, two, 2, variant->size - 1));
	EXPECT_EQ(0, pread(self->vmo, two, 2, variant->size));
	EXPECT_EQ(variant->size, vmo_stream(self->vmo));
}

TEST_F(size, snapshot)
{
	__u64 last = variant->size / PG - 1;
	int child;

	EXPECT_EQ(0, pat_fill(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_fill(self->vmo, last, 2));
	child = vmo_snapshot(self->vmo);
	ASSERT_LE(0, child);
	EXPECT_EQ(variant->size, vmo_size(child));
	EXPECT_EQ(0, pat_fill(self->vmo, last, 3));
	EXPECT_EQ(0, pat_fill(child, 0, 4));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, last, 3));
	EXPECT_EQ(0, pat_check(child, 0, 4));
	EXPECT_EQ(0, pat_check(child, last, 2));
	expect_few(_metadata, &self->start, 4);
	EXPECT_EQ(0, close(child));
	expect_few(_metadata, &self->start, 2);
}

/* A clone of the last pages alone, and one of all but the first */
TEST_F(size, snapshot_of_the_far_end)
{
	__u64 last = variant->size / PG - 1;
	int tail, rest;

	EXPECT_EQ(0, pat_fill(self->vmo, last, 2));
	EXPECT_EQ(0, pat_fill(self->vmo, last - 1, 3));
	tail = vmo_child(self->vmo, 0, variant->size - PG, 2 * PG);
	rest = vmo_child(self->vmo, 0, PG, variant->size - PG);
	ASSERT_LE(0, tail);
	ASSERT_LE(0, rest);
	EXPECT_EQ(0, pat_check(tail, 0, 2));
	EXPECT_EQ(0, zero_check(tail, 1));
	EXPECT_EQ(0, pat_check(rest, last - 1, 2));
	EXPECT_EQ(0, pat_check(rest, last - 2, 3));
	EXPECT_EQ(PG, vmo_populated(tail));
	EXPECT_EQ(2 * PG, vmo_populated(rest));
	EXPECT_EQ(0, pat_fill(rest, last - 1, 4));
	EXPECT_EQ(0, pat_check(self->vmo, last, 2));
	EXPECT_EQ(0, pat_check(tail, 0, 2));
	EXPECT_EQ(0, close(tail));
	EXPECT_EQ(0, close(rest));
}

TEST_F(size, range_operations_at_the_far_end)
{
	__u64 end = variant->size;

	EXPECT_EQ(0, vmo_commit(self->vmo, end - 3 * PG, 3 * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_zero(self->vmo, end - PG, PG));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_decommit(self->vmo, end - 2 * PG, 2 * PG));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_commit(self->vmo, end - 1, 1));
	EXPECT_EQ(0, vmo_zero(self->vmo, end - 1, 1));
	EXPECT_EQ(-ERANGE, vmo_zero(self->vmo, end - 1, 2));
	EXPECT_EQ(-ERANGE, vmo_commit(self->vmo, end, 1));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	expect_few(_metadata, &self->start, 2);
}

/* Everything in one call; what takes a step per page never returns. */
TEST_F(size, whole_range)
{
	__u64 last = variant->size / PG - 1, done = 0;
	int child;

	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_ZERO, 0, variant->size,
			    &done));
	EXPECT_EQ(variant->size, done);
	expect_few(_metadata, &self->start, 0);
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_fill(self->vmo, last / 2, 2));
	EXPECT_EQ(0, pat_fill(self->vmo, last, 3));
	child = vmo_snapshot(self->vmo);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_zero(self->vmo, 1, variant->size - 2));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_check(child, last / 2, 2));
	expect_few(_metadata, &self->start, 5);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_DECOMMIT, 0, variant->size,
			    &done));
	EXPECT_EQ(variant->size, done);
	expect_few(_metadata, &self->start, 0);
}

TEST_F(size, shrink_and_grow)
{
	__u64 last = variant->size / PG - 1;

	EXPECT_EQ(0, pat_fill(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_fill(self->vmo, last, 2));
	EXPECT_EQ(0, vmo_set_size(self->vmo, PG));
	EXPECT_EQ(0, vmo_set_size(self->vmo, variant->size));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, zero_check(self->vmo, last));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, variant->size - 1));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 1));
	EXPECT_EQ(variant->size, vmo_size(self->vmo));
	expect_few(_metadata, &self->start, 1);
}

TEST_F(size, mapped_at_the_far_end)
{
	unsigned char *mem = vmo_map(self->vmo, variant->size - 2 * PG,
				     2 * PG, PROT_READ | PROT_WRITE);
	unsigned char byte;
	int child;

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, vmo_try_write(mem + 2 * PG - 1, 5));
	EXPECT_EQ(5, vmo_get_byte(self->vmo, variant->size - 1));
	child = vmo_snapshot(self->vmo);
	EXPECT_EQ(0, vmo_try_write(mem + 2 * PG - 1, 6));
	EXPECT_EQ(5, vmo_get_byte(child, variant->size - 1));
	EXPECT_EQ(6, vmo_get_byte(self->vmo, variant->size - 1));
	EXPECT_EQ(0, vmo_try_read(mem, &byte));
	EXPECT_EQ(0, byte);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, munmap(mem, 2 * PG));
}

/* SIGBUS, where an offset beyond the end can be mapped at all */
TEST_F(size, mapped_beyond_the_end)
{
	unsigned char *mem = vmo_map(self->vmo, variant->size - PG, 2 * PG,
				     PROT_READ | PROT_WRITE);
	unsigned char byte;

	if (!mem) {
		EXPECT_EQ(VMO_MAX, variant->size);
		EXPECT_EQ(EOVERFLOW, errno);
		return;
	}
	EXPECT_EQ(0, vmo_try_write(mem, 5));
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + PG, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_write(mem + PG, 5));
	EXPECT_EQ(0, munmap(mem, 2 * PG));
}

/* Pages spread over the whole width, each in a leaf of its own */
TEST_F(size, spread)
{
	__u64 step = variant->size / PG / 40, i;
	int child;

	for (i = 0; i < 40; i++)
		ASSERT_EQ(0, pat_fill(self->vmo, i * step, i + 1));
	child = vmo_snapshot(self->vmo);
	for (i = 0; i < 40; i += 2)
		ASSERT_EQ(0, pat_fill(child, i * step, i + 100));
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, pat_check(self->vmo, i * step, i + 1));
		ASSERT_EQ(0, pat_check(child, i * step,
				       i % 2 ? i + 1 : i + 100));
	}
	EXPECT_EQ(40 * PG, vmo_populated(child));
	EXPECT_EQ(20 * PG, vmo_private(child));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(child));
}

TEST_HARNESS_MAIN
