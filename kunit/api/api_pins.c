// SPDX-License-Identifier: GPL-2.0
/* Pins that a module takes. */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "api_kunit.h"

/* The pages of a pin are the content, in both directions. */
static void same_pages(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct cow_pin *pin = api_pin(test, vmo, PAGE_SIZE, 3 * PAGE_SIZE,
				      COWVMO_PIN_WRITE);
	struct page *pages[3];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 3 * PAGE_SIZE, cowvmo_pin_length(pin));
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 3, pages));
	for (i = 0; i < 3; i++) {
		u64 offset = (i + 1) * PAGE_SIZE;

		KUNIT_EXPECT_PTR_EQ(test, pages[i],
				    api_page(test, vmo, offset));
		/* A pin is no reference: nobody else takes it for a holder. */
		KUNIT_EXPECT_EQ(test, 1, page_ref_count(pages[i]));
		KUNIT_EXPECT_EQ(test, api_pattern(i + 1), api_peek(pages[i]));
		api_poke(pages[i], 'x');
		KUNIT_EXPECT_EQ(test, 'x', api_byte(vmo, offset));
		KUNIT_EXPECT_EQ(test, 1, cowvmo_write(vmo, "y", 1, offset));
		KUNIT_EXPECT_EQ(test, 'y', api_peek(pages[i]));
	}
	cowvmo_unpin(pin);
}

static void parts_of_a_pin(struct kunit *test)
{
	struct cow_pin *pin = api_pin(test, api_vmo(test), 0, 4 * PAGE_SIZE, 0);
	struct page *all[4], *some[2] = {};

	KUNIT_EXPECT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 4, all));
	KUNIT_EXPECT_EQ(test, 0, cowvmo_pin_pages(pin, 2 * PAGE_SIZE, 2, some));
	KUNIT_EXPECT_PTR_EQ(test, all[2], some[0]);
	KUNIT_EXPECT_PTR_EQ(test, all[3], some[1]);
	KUNIT_EXPECT_EQ(test, 0, cowvmo_pin_pages(pin, 4 * PAGE_SIZE, 0, some));
	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_pin_pages(pin, 1, 1, some));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			cowvmo_pin_pages(pin, 3 * PAGE_SIZE, 2, some));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			cowvmo_pin_pages(pin, 5 * PAGE_SIZE, 0, some));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			cowvmo_pin_pages(pin, -(u64)PAGE_SIZE, 1, some));
	cowvmo_unpin(pin);
}

static void errors(struct kunit *test)
{
	static const struct {
		int want;
		u64 offset, length;
		u32 flags;
	} calls[] = {
		{ -EINVAL, 0, PAGE_SIZE, 2 },
		{ -EINVAL, 0, PAGE_SIZE, ~0U },
		{ -EINVAL, 0, 0, 0 },
		{ -EINVAL, 1, PAGE_SIZE, 0 },
		{ -EINVAL, 0, PAGE_SIZE + 1, 0 },
		{ -ERANGE, SIZE, PAGE_SIZE, 0 },
		{ -ERANGE, 0, SIZE + PAGE_SIZE, 0 },
		{ -ERANGE, PAGE_SIZE, SIZE, COWVMO_PIN_WRITE },
		{ -ERANGE, PAGE_SIZE, -(u64)PAGE_SIZE, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		KUNIT_EXPECT_EQ_MSG(test, calls[i].want,
				    PTR_ERR(cowvmo_pin(api_vmo(test),
						       calls[i].offset,
						       calls[i].length,
						       calls[i].flags)),
				    "number %u", i);
	/* Nothing is pinned, and nothing was made. */
	KUNIT_EXPECT_NULL(test,
			  api_page(test, api_vmo(test), FILLED * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, cowvmo_resize(api_vmo(test), 0));
}

/* What is absent is made; what is there stays. */
static void holes(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct page *before = api_page(test, vmo, 5 * PAGE_SIZE);
	struct cow_pin *pin = api_pin(test, vmo, 5 * PAGE_SIZE, 3 * PAGE_SIZE,
				      0);
	struct page *pages[3];

	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 3, pages));
	KUNIT_EXPECT_PTR_EQ(test, before, pages[0]);
	KUNIT_EXPECT_EQ(test, 0, api_peek(pages[1]));
	KUNIT_EXPECT_PTR_EQ(test, pages[2],
			    api_page(test, vmo, 7 * PAGE_SIZE));
	cowvmo_unpin(pin);
	KUNIT_EXPECT_PTR_EQ(test, pages[2],
			    api_page(test, vmo, 7 * PAGE_SIZE));
}

/* A shared page is copied for a pin that only reads, too. */
static void shared(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *snap;
	struct page *page;
	struct cow_pin *pin;

	snap = cowvmo_snapshot(vmo, 0, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(snap));
	pin = api_pin(test, vmo, 0, PAGE_SIZE, 0);
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 1, &page));
	KUNIT_EXPECT_PTR_NE(test, page, api_page(test, snap, 0));
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_peek(page));
	/* Of the snapshot, and so of all others, snapshots can be made. */
	cowvmo_put(snap);
	KUNIT_EXPECT_EQ(test, -EBUSY, PTR_ERR(cowvmo_snapshot(vmo, 0, 0, SIZE)));
	cowvmo_unpin(pin);
	snap = cowvmo_snapshot(vmo, 0, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(snap));
	cowvmo_put(snap);
}

/* What would take a pinned page away is refused, until the pin is gone. */
static void what_is_refused(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct cow_pin *pin = api_pin(test, vmo, 2 * PAGE_SIZE, 2 * PAGE_SIZE,
				      0);
	unsigned int i;
	int want;

	for (i = 0; i < 2; i++) {
		want = i ? 0 : -EBUSY;
		KUNIT_EXPECT_EQ(test, want,
				cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT,
						3 * PAGE_SIZE, PAGE_SIZE,
						NULL));
		KUNIT_EXPECT_EQ(test, want,
				cowvmo_resize(vmo, 3 * PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, want,
				cowvmo_change_policy(vmo,
						     COWVMO_CACHE_UNCACHED));
		if (!i) {
			/* What does not touch them is not. */
			KUNIT_EXPECT_EQ(test, 0,
					cowvmo_op_range(vmo,
							COWVMO_OP_DECOMMIT, 0,
							PAGE_SIZE, NULL));
			KUNIT_EXPECT_EQ(test, 0,
					cowvmo_resize(vmo, 4 * PAGE_SIZE));
			cowvmo_unpin(pin);
		}
	}
}

/* ZERO keeps pinned pages, and clears them. */
static void zero_in_place(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct cow_pin *pin = api_pin(test, vmo, 2 * PAGE_SIZE, PAGE_SIZE, 0);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 1, &page));
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_ZERO, 0, SIZE, NULL));
	KUNIT_EXPECT_PTR_EQ(test, page, api_page(test, vmo, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, api_peek(page));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, PAGE_SIZE));
	cowvmo_unpin(pin);
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_ZERO, 0, SIZE, NULL));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, 2 * PAGE_SIZE));
}

/* The most that a page can have; one more, even of its neighbour, is none. */
static void as_many_as_can_be(struct kunit *test)
{
	struct cow_pin *pins[COWVMO_MAX_PINS];
	struct cowvmo_handle *vmo = api_vmo(test);
	struct cow_pin *more;
	unsigned int i;

	for (i = 0; i < COWVMO_MAX_PINS; i++)
		pins[i] = api_pin(test, vmo, PAGE_SIZE, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			PTR_ERR(cowvmo_pin(vmo, 0, 2 * PAGE_SIZE, 0)));
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT, 0, PAGE_SIZE,
					NULL));
	cowvmo_unpin(pins[0]);
	more = api_pin(test, vmo, 0, 2 * PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			PTR_ERR(cowvmo_pin(vmo, PAGE_SIZE, PAGE_SIZE, 0)));
	cowvmo_unpin(more);
	for (i = 1; i < COWVMO_MAX_PINS; i++)
		cowvmo_unpin(pins[i]);
	KUNIT_EXPECT_EQ(test, 0, cowvmo_resize(vmo, 0));
}

/* The VMO, to its relatives, lives as long as the pin. */
static void outlives_the_handle(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_filled();
	struct cow_pin *pin;
	struct page *page;

	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	pin = api_pin(test, vmo, 4 * PAGE_SIZE, PAGE_SIZE, COWVMO_PIN_WRITE);
	cowvmo_put(vmo);
	flush_delayed_fput();
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, 1, &page));
	KUNIT_EXPECT_EQ(test, api_pattern(4), api_peek(page));
	api_poke(page, 'x');
	get_page(page);
	cowvmo_unpin(pin);
	/* Now the VMO has gone, and only we have its page. */
	KUNIT_EXPECT_EQ(test, 1, page_ref_count(page));
	KUNIT_EXPECT_EQ(test, 'x', api_peek(page));
	put_page(page);
}

static void pin_beyond_the_limit(struct kunit *test, struct cred *cred)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_MEMLOCK];
	const struct rlimit before = *limit;
	const struct cred *old;
	struct cow_pin *pin;

	limit->rlim_cur = 0;
	old = override_creds(cred);
	pin = cowvmo_pin(api_vmo(test), 0, SIZE, COWVMO_PIN_WRITE);
	KUNIT_EXPECT_EQ(test, 0,
			atomic_long_read(&current_user()->locked_vm));
	revert_creds(old);
	*limit = before;
	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	cowvmo_unpin(pin);
}

/* A module's pin counts for nobody, whoever is running. */
static void no_limit(struct kunit *test)
{
	struct cred *cred = prepare_creds();

	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_clear(cred->cap_effective);
	pin_beyond_the_limit(test, cred);
	put_cred(cred);
}

/* Every page of the pin in its place, in entries of at most @max bytes. */
static void check_table(struct kunit *test, struct cow_pin *pin,
			unsigned int max)
{
	struct page *pages[PAGES];
	struct sg_page_iter at;
	struct scatterlist *sg;
	struct sg_table table;
	unsigned int i, nr = 0;

	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, PAGES, pages));
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_table(pin, max, &table));
	for_each_sgtable_sg(&table, sg, i)
		KUNIT_EXPECT_LE(test, sg->length, max);
	for_each_sgtable_page(&table, &at, 0) {
		KUNIT_ASSERT_LT(test, nr, PAGES);
		KUNIT_EXPECT_PTR_EQ(test, pages[nr], sg_page_iter_page(&at));
		nr++;
	}
	KUNIT_EXPECT_EQ(test, PAGES, nr);
	sg_free_table(&table);
}

static void tables(struct kunit *test)
{
	struct cow_pin *pin = api_pin(test, api_vmo(test), 0, SIZE, 0);
	struct sg_table table;

	check_table(test, pin, PAGE_SIZE);
	check_table(test, pin, 3 * PAGE_SIZE);
	check_table(test, pin, UINT_MAX);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			cowvmo_pin_table(pin, PAGE_SIZE - 1, &table));
	cowvmo_unpin(pin);
}

/* More than is looked up under one hold of the lock */
static void many_pages(struct kunit *test)
{
	const unsigned int nr = 3000;
	struct cowvmo_handle *vmo = cowvmo_make(nr * PAGE_SIZE, 0, 0, "many");
	struct page **pages = kunit_kcalloc(test, nr, sizeof(*pages),
					    GFP_KERNEL);
	struct cow_pin *pin;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	pin = api_pin(test, vmo, 0, nr * PAGE_SIZE, 0);
	KUNIT_ASSERT_EQ(test, 0, cowvmo_pin_pages(pin, 0, nr, pages));
	for (i = 0; i < nr; i += 37)
		KUNIT_EXPECT_PTR_EQ(test, pages[i],
				    api_page(test, vmo, (u64)i * PAGE_SIZE));
	cowvmo_unpin(pin);
	cowvmo_put(vmo);
}

static struct kunit_case pins_cases[] = {
	KUNIT_CASE(same_pages),
	KUNIT_CASE(parts_of_a_pin),
	KUNIT_CASE(errors),
	KUNIT_CASE(holes),
	KUNIT_CASE(shared),
	KUNIT_CASE(what_is_refused),
	KUNIT_CASE(zero_in_place),
	KUNIT_CASE(as_many_as_can_be),
	KUNIT_CASE(outlives_the_handle),
	KUNIT_CASE(no_limit),
	KUNIT_CASE(tables),
	KUNIT_CASE(many_pages),
	{}
};

struct kunit_suite api_pins_suite = {
	.name = "cowvmo_api_pins",
	.init = api_init,
	.exit = api_exit,
	.test_cases = pins_cases,
};
