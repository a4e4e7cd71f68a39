// SPDX-License-Identifier: GPL-2.0
/* Contiguous VMOs, as a driver would want them: where their memory is. */
#include <linux/io.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "api_kunit.h"

#define CONTIG	COWVMO_CREATE_CONTIGUOUS

static void make_errors(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(0, CONTIG, 0, "empty")));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(PAGE_SIZE, CONTIG |
					    COWVMO_CREATE_RESIZABLE, 0,
					    "both")));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(PAGE_SIZE, CONTIG, PAGE_SHIFT - 1,
					    "less")));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(PAGE_SIZE, 0, PAGE_SHIFT,
					    "not contiguous")));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			PTR_ERR(cowvmo_make(1ULL << 50, CONTIG, 0, "huge")));
}

/* Page after page in memory, from an address that is a multiple of @align */
static void check_place(struct kunit *test, struct cowvmo_handle *vmo,
			u64 align)
{
	u64 size = cowvmo_size(vmo), i;
	struct page *first = api_page(test, vmo, 0);

	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_EXPECT_EQ(test, 0, page_to_phys(first) & (align - 1));
	for (i = 0; i < size; i += PAGE_SIZE) {
		struct page *page = api_page(test, vmo, i);

		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_ASSERT_EQ(test, page_to_phys(first) + i,
				page_to_phys(page));
		KUNIT_ASSERT_EQ(test, 0, api_peek(page));
	}
}

/* One entry is enough for all that is pinned. */
static void check_one_segment(struct kunit *test, struct cowvmo_handle *vmo)
{
	u64 size = cowvmo_size(vmo);
	struct cow_pin *pin = api_pin(test, vmo, 0, size, COWVMO_PIN_WRITE);
	struct sg_table table;

	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_table(pin, UINT_MAX, &table));
	KUNIT_EXPECT_EQ(test, 1, table.orig_nents);
	KUNIT_EXPECT_EQ(test, size, table.sgl->length);
	sg_free_table(&table);
	cowvmo_unpin(pin);
}

static void check_made(struct kunit *test, u64 size, u32 align_log2)
{
	struct cowvmo_handle *vmo = cowvmo_make(size, CONTIG, align_log2, "");

	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	check_place(test, vmo, align_log2 ? 1ULL << align_log2 : PAGE_SIZE);
	check_one_segment(test, vmo);
	cowvmo_put(vmo);
}

static void sizes(struct kunit *test)
{
	check_made(test, PAGE_SIZE, 0);
	check_made(test, 3 * PAGE_SIZE, 0);
	check_made(test, SZ_1M + PAGE_SIZE, 0);
	/* More than the page allocator has in one piece */
	check_made(test, SZ_16M, 0);
}

static void alignments(struct kunit *test)
{
	check_made(test, PAGE_SIZE, PAGE_SHIFT);
	check_made(test, PAGE_SIZE, 16);
	check_made(test, 5 * PAGE_SIZE, 21);
	check_made(test, SZ_8M, 24);
}

/* Whatever is done to it, a page stays where it is. */
static void stays(struct kunit *test)
{
	struct cowvmo_handle *vmo = cowvmo_make(SIZE, CONTIG, 0, "stays");
	struct page *first;

	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	first = api_page(test, vmo, 0);
	KUNIT_EXPECT_EQ(test, 1, cowvmo_write(vmo, "x", 1, 2 * PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, first + 2, api_page(test, vmo, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, cowvmo_op_range(vmo, COWVMO_OP_ZERO, 0, SIZE,
						 NULL));
	KUNIT_EXPECT_PTR_EQ(test, first + 2, api_page(test, vmo, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, api_byte(vmo, 2 * PAGE_SIZE));
	cowvmo_put(vmo);
}

/* What is decommitted is gone, and the same page comes back, and is zero. */
static void comes_back(struct kunit *test)
{
	struct cowvmo_handle *vmo = cowvmo_make(SIZE, CONTIG, 0, "lends");
	struct page *first;

	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	first = api_page(test, vmo, 0);
	KUNIT_EXPECT_EQ(test, 1, cowvmo_write(vmo, "x", 1, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT,
						 PAGE_SIZE, PAGE_SIZE, NULL));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, PAGE_SIZE));
	check_one_segment(test, vmo);
	KUNIT_EXPECT_PTR_EQ(test, first + 1, api_page(test, vmo, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, api_byte(vmo, PAGE_SIZE));
	cowvmo_put(vmo);
}

static struct kunit_case contig_cases[] = {
	KUNIT_CASE(make_errors),
	KUNIT_CASE(sizes),
	KUNIT_CASE(alignments),
	KUNIT_CASE(stays),
	KUNIT_CASE(comes_back),
	{}
};

struct kunit_suite api_contig_suite = {
	.name = "cowvmo_api_contig",
	.init = api_init,
	.exit = api_exit,
	.test_cases = contig_cases,
};
