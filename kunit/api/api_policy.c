// SPDX-License-Identifier: GPL-2.0
/*
 * Cache policies: every change from one to another, looked at in the kernel's
 * mapping of the pages.
 */
#include <asm/pgtable.h>
#include <asm/pgtable_types.h>
#include <linux/file.h>

#include "api_kunit.h"

static const char * const names[] = {
	[COWVMO_CACHE_CACHED] = "cached",
	[COWVMO_CACHE_UNCACHED] = "uncached",
	[COWVMO_CACHE_UNCACHED_DEVICE] = "uncached_device",
	[COWVMO_CACHE_WRITE_COMBINING] = "write_combining",
};

static const enum page_cache_mode modes[] = {
	[COWVMO_CACHE_CACHED] = _PAGE_CACHE_MODE_WB,
	[COWVMO_CACHE_UNCACHED] = _PAGE_CACHE_MODE_UC_MINUS,
	[COWVMO_CACHE_UNCACHED_DEVICE] = _PAGE_CACHE_MODE_UC_MINUS,
	[COWVMO_CACHE_WRITE_COMBINING] = _PAGE_CACHE_MODE_WC,
};

#define POLICIES	4U

struct change {
	enum cowvmo_cache_policy from, to;
};

static const void *change_params(const void *prev, char *desc)
{
	static struct change changes[POLICIES * POLICIES];
	struct change *next = prev ? (struct change *)prev + 1 : changes;
	unsigned int i = next - changes;

	if (i == ARRAY_SIZE(changes))
		return NULL;
	next->from = i / POLICIES;
	next->to = i % POLICIES;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s_to_%s", names[next->from],
		 names[next->to]);
	return next;
}

/* The bits of the kernel's own mapping that say how a page is cached */
static unsigned long kernel_bits(struct page *page)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);
	unsigned long bits;

	if (!pte)
		return ~0UL;
	bits = pte_val(*pte);
	/* In a large mapping the bit of that place tells that it is one. */
	if (level != PG_LEVEL_4K)
		bits &= ~_PAGE_PSE;
	return bits & _PAGE_CACHE_MASK;
}

static void check_mode(struct kunit *test, struct page *page,
		       enum cowvmo_cache_policy policy)
{
	KUNIT_EXPECT_EQ(test, cachemode2protval(modes[policy]),
			kernel_bits(page));
}

static void check_pages(struct kunit *test, enum cowvmo_cache_policy policy)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		struct page *page = api_page(test, vmo, i * PAGE_SIZE);

		if (i >= FILLED) {
			KUNIT_EXPECT_NULL(test, page);
			continue;
		}
		KUNIT_ASSERT_NOT_NULL(test, page);
		check_mode(test, page, policy);
		KUNIT_EXPECT_EQ(test, api_pattern(i), api_peek(page));
	}
}

/* From each to each; then what is made has the new one, and can go back. */
static void change(struct kunit *test)
{
	const struct change *change = test->param_value;
	struct cowvmo_handle *vmo = api_vmo(test);
	u64 hole = FILLED * PAGE_SIZE;
	struct page *page;

	KUNIT_ASSERT_EQ(test, 0, cowvmo_change_policy(vmo, change->from));
	check_pages(test, change->from);
	KUNIT_ASSERT_EQ(test, 0, cowvmo_change_policy(vmo, change->to));
	check_pages(test, change->to);
	KUNIT_EXPECT_EQ(test, change->to ? -EBUSY : api_pattern(0),
			api_byte(vmo, 0));

	KUNIT_ASSERT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_COMMIT, hole, 1, NULL));
	page = api_page(test, vmo, hole);
	KUNIT_ASSERT_NOT_NULL(test, page);
	check_mode(test, page, change->to);
	KUNIT_EXPECT_EQ(test, 0, api_peek(page));

	KUNIT_ASSERT_EQ(test, 0,
			cowvmo_change_policy(vmo, COWVMO_CACHE_CACHED));
	check_mode(test, page, COWVMO_CACHE_CACHED);
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_byte(vmo, 0));
	KUNIT_EXPECT_EQ(test, 0, api_byte(vmo, hole));
}

/* A page that is freed is as any memory again, for whoever gets it next. */
static void freed(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct page *page = cowvmo_get_page(vmo, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(page));
	put_page(page);
	KUNIT_ASSERT_EQ(test, 0,
			cowvmo_change_policy(vmo,
					     COWVMO_CACHE_WRITE_COMBINING));
	page = cowvmo_get_page(vmo, 0);
	check_mode(test, page, COWVMO_CACHE_WRITE_COMBINING);
	KUNIT_EXPECT_EQ(test, 0, cowvmo_resize(vmo, 0));
	check_mode(test, page, COWVMO_CACHE_CACHED);
	KUNIT_EXPECT_EQ(test, 1, page_ref_count(page));
	put_page(page);
}

static void refused(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *snap;
	struct page *page;

	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_change_policy(vmo, POLICIES));
	page = cowvmo_get_page(vmo, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			cowvmo_change_policy(vmo, COWVMO_CACHE_UNCACHED));
	put_page(page);
	snap = cowvmo_snapshot(vmo, 0, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(snap));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			cowvmo_change_policy(vmo, COWVMO_CACHE_UNCACHED));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			cowvmo_change_policy(snap, COWVMO_CACHE_UNCACHED));
	/* What it is already it may be in any state. */
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_change_policy(vmo, COWVMO_CACHE_CACHED));
	cowvmo_put(snap);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_change_policy(vmo, COWVMO_CACHE_UNCACHED));
	KUNIT_EXPECT_EQ(test, -EBUSY, PTR_ERR(cowvmo_snapshot(vmo, 0, 0, SIZE)));
	KUNIT_EXPECT_EQ(test, -EBUSY, cowvmo_write(vmo, "x", 1, 0));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			cowvmo_op_range(vmo, COWVMO_OP_ZERO, 0, 1, NULL));
}

/* Pins of what is not cached are of pages with that policy, and keep it. */
static void pinned(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct page *pages[2];
	struct cow_pin *pin;

	KUNIT_ASSERT_EQ(test, 0,
			cowvmo_change_policy(vmo, COWVMO_CACHE_UNCACHED));
	pin = api_pin(test, vmo, (FILLED - 1) * PAGE_SIZE, 2 * PAGE_SIZE,
		      COWVMO_PIN_WRITE);
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 2, pages));
	check_mode(test, pages[0], COWVMO_CACHE_UNCACHED);
	check_mode(test, pages[1], COWVMO_CACHE_UNCACHED);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			cowvmo_change_policy(vmo, COWVMO_CACHE_CACHED));
	api_poke(pages[1], 'x');
	cowvmo_unpin(pin);
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_change_policy(vmo, COWVMO_CACHE_CACHED));
	KUNIT_EXPECT_EQ(test, 'x', api_byte(vmo, FILLED * PAGE_SIZE));
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE_PARAM(change, change_params),
	KUNIT_CASE(freed),
	KUNIT_CASE(refused),
	KUNIT_CASE(pinned),
	{}
};

struct kunit_suite api_policy_suite = {
	.name = "cowvmo_api_policy",
	.init = api_init,
	.exit = api_exit,
	.test_cases = policy_cases,
};
