// SPDX-License-Identifier: GPL-2.0
/*
 * Unit cases: one behaviour of the page tree each, in user space and KUnit.
 * Those of single slots are here; page_tree_cases_*.c have the others.
 */
#include <linux/slab.h>

#include "page_tree_cases.h"

/* The empty tree answers everything, and needs no memory. */
static void case_empty(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	const struct ptree *members[] = { &tree };
	struct ptree_scratch *scratch;
	struct ptree_dead dead = {};
	struct ptree_scaled scaled;
	struct page *pages[3];
	u64 found;

	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_lookup(&tree, 0) && !ptree_lookup(&tree, LAST));
	CHECK(t, ptree_lookup_run(&tree, LAST - 1, 3, pages) == 0);
	CHECK(t, !pages[0] && !pages[1] && !pages[2]);
	CHECK(t, !ptree_next_data(&tree, 0, ~0ULL, &found));
	CHECK(t, ptree_next_hole(&tree, 5, 5, &found) && found == 5);
	CHECK(t, !ptree_next_hole(&tree, 6, 5, &found));
	CHECK(t, !ptree_erase(&tree, 0, ~0ULL, NULL, &dead));
	CHECK(t, !ptree_clone(&tree, 0, ~0ULL, NULL, &clone));
	CHECK(t, is_zero(&clone) && is_zero(&tree));
	CHECK(t, !ptree_populated(&tree) && !ptree_private(&tree));
	CHECK(t, !ptree_metadata_bytes(&tree));
	CHECK(t, !ptree_clear_marks(&tree, 0, ~0ULL, NULL, NULL, NULL));
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK(t, !test_failed_allocations());
	test_fail_allocations(-1, 0);

	scratch = ptree_scratch_alloc(1, GFP_KERNEL);
	if (!CHECK(t, scratch))
		return;
	ptree_scaled(members, 1, 0, scratch, &scaled);
	CHECK(t, !scaled.bytes && !scaled.fraction);
	ptree_scratch_free(scratch);
}

/* A page goes in, is found there and nowhere else, and comes out. */
static void case_one_page(struct ptree_test *t)
{
	static const u64 where[] = { 0, 15, 16, 511, 512, 1ULL << 40, LAST };
	struct ptree tree = {};
	struct page *page;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(where); i++) {
		page = put_page_at(t, &tree, where[i], false);
		CHECK(t, page_at(&tree, where[i]) == page);
		CHECK(t, !ptree_lookup(&tree, where[i] ^ 1));
		CHECK(t, !ptree_lookup(&tree, where[i] ^ (1ULL << 51)));
		CHECK(t, ptree_populated(&tree) == 1);
		CHECK(t, live_nodes() == 1 && tree.level == 0);
		CHECK_NULL(t, ptree_validate(&tree));
		erase(t, &tree, where[i], where[i]);
		CHECK(t, is_zero(&tree) && !test_pages_live());
	}
}

/* The root is the smallest node that covers the content, up and down. */
static void case_height(struct ptree_test *t)
{
	struct ptree tree = {};
	unsigned int level;

	put_page_at(t, &tree, 0, true);
	for (level = 1; level < PTREE_MAX_LEVELS; level++) {
		put_page_at(t, &tree, 1ULL << (level == 1 ? 4 : 4 * level + 1),
			    false);
		CHECK(t, tree.level == level && tree.prefix == 0);
		CHECK_NULL(t, ptree_validate(&tree));
	}
	CHECK(t, ptree_populated(&tree) == PTREE_MAX_LEVELS);
	while (--level) {
		CHECK(t, tree.level == level);
		erase(t, &tree, 1ULL << (level == 1 ? 4 : 4 * level + 1), LAST);
		CHECK_NULL(t, ptree_validate(&tree));
	}
	CHECK(t, tree.level == 0 && live_nodes() == 1);
	drop_tree(&tree);
}

/* Far apart at both ends of the index space: two thin paths. */
static void case_both_ends(struct ptree_test *t)
{
	struct ptree tree = {};
	u64 found = 0;

	put_page_at(t, &tree, LAST, false);
	put_page_at(t, &tree, 0, false);
	CHECK(t, tree.level == PTREE_MAX_LEVELS - 1);
	CHECK(t, live_nodes() == 2 * PTREE_MAX_LEVELS - 1);
	CHECK(t, ptree_next_data(&tree, 1, LAST, &found) && found == LAST);
	CHECK(t, !ptree_next_data(&tree, 1, LAST - 1, &found));
	CHECK(t, ptree_next_hole(&tree, 0, LAST, &found) && found == 1);
	CHECK(t, !ptree_next_hole(&tree, LAST, LAST, &found));
	erase(t, &tree, 1, LAST - 1);
	CHECK(t, ptree_populated(&tree) == 2);
	erase(t, &tree, 0, 0);
	CHECK(t, tree.level == 0 && tree.prefix == LAST - 15);
	erase(t, &tree, 0, ~0ULL);
	CHECK(t, is_zero(&tree));
}

/* Storing replaces and hands the old descriptor over; NULL empties. */
static void case_store(struct ptree_test *t)
{
	struct ptree_desc *first, *second;
	struct ptree tree = {};
	struct ptree_cursor c;

	first = ptree_desc_alloc(NULL, 7, test_page());
	second = ptree_desc_alloc(NULL, 7, test_page());
	CHECK(t, !ptree_cursor_open(&c, &tree, 7, NULL));
	CHECK(t, !ptree_cursor_desc(&c));
	CHECK(t, !ptree_cursor_store(&c, first));
	CHECK(t, ptree_cursor_desc(&c) == first);
	CHECK(t, ptree_cursor_store(&c, second) == first);
	CHECK(t, ptree_populated(&tree) == 1);
	CHECK(t, test_pages_live() == 2);
	ptree_desc_put(first);
	CHECK(t, test_pages_live() == 1);
	ptree_cursor_mark(&c);
	CHECK(t, ptree_cursor_marked(&c));
	CHECK(t, ptree_cursor_store(&c, NULL) == second);
	CHECK(t, !ptree_cursor_marked(&c));
	CHECK(t, !ptree_cursor_store(&c, NULL));
	ptree_desc_put(second);
	ptree_cursor_close(&c);
	CHECK(t, is_zero(&tree));
}

/* A cursor goes on to the end of its leaf, and no further. */
static void case_advance(struct ptree_test *t)
{
	struct ptree tree = {};
	struct ptree_cursor c;
	u64 index;

	put_page_at(t, &tree, 1000, false);
	CHECK(t, !ptree_cursor_open(&c, &tree, 20, NULL));
	for (index = 20; index < 30; index++) {
		CHECK(t, c.index == index && !ptree_cursor_desc(&c));
		if (index != 25)
			ptree_cursor_store(&c, ptree_desc_alloc(NULL, index,
								test_page()));
		CHECK(t, ptree_cursor_advance(&c));
	}
	CHECK(t, ptree_cursor_advance(&c) && c.index == 31);
	CHECK(t, !ptree_cursor_advance(&c) && c.index == 31);
	ptree_cursor_close(&c);
	CHECK(t, ptree_populated(&tree) == 10);
	CHECK(t, !ptree_lookup(&tree, 25) && ptree_lookup(&tree, 29));
	CHECK_NULL(t, ptree_validate(&tree));
	/* All of a leaf seen, nothing stored: nothing stays. */
	CHECK(t, !ptree_cursor_open(&c, &tree, 64, NULL));
	while (ptree_cursor_advance(&c))
		;
	ptree_cursor_close(&c);
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
}

/* Opening a hole and closing it again leaves no nodes behind. */
static void case_open_close(struct ptree_test *t)
{
	struct ptree tree = {};
	struct ptree_cursor c;

	CHECK(t, !ptree_cursor_open(&c, &tree, LAST / 3, NULL));
	CHECK(t, live_nodes() == 1);
	ptree_cursor_close(&c);
	CHECK(t, is_zero(&tree) && !live_nodes());
	put_page_at(t, &tree, 0, true);
	CHECK(t, !ptree_cursor_open(&c, &tree, LAST, NULL));
	CHECK(t, live_nodes() == 2 * PTREE_MAX_LEVELS - 1);
	ptree_cursor_close(&c);
	CHECK(t, live_nodes() == 1);
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
}

/* Each allocation of the longest open fails in turn, and none leaves a trace */
static void case_open_fails(struct ptree_test *t)
{
	const long all = 2 * PTREE_MAX_LEVELS - 2;
	struct ptree tree = {};
	struct ptree_cursor c;
	long after;

	put_page_at(t, &tree, 0, true);
	for (after = 0; after < all; after++) {
		test_fail_allocations(after, 1);
		CHECK(t, ptree_cursor_open(&c, &tree, LAST, NULL) == -ENOMEM);
		CHECK(t, live_nodes() == 1 && tree.level == 0);
		CHECK_NULL(t, ptree_validate(&tree));
	}
	test_fail_allocations(all, 1);
	CHECK(t, !ptree_cursor_open(&c, &tree, LAST, NULL));
	ptree_cursor_close(&c);
	test_fail_allocations(-1, 0);
	drop_tree(&tree);
}

/* One path's worth of stash is enough for the longest path there is. */
static void case_stash(struct ptree_test *t)
{
	struct ptree_stash stash = {};
	struct ptree_desc *desc;
	struct ptree tree = {};
	struct ptree_cursor c;
	struct page *page;
	long nodes;

	put_page_at(t, &tree, 0, false);
	CHECK(t, !ptree_stash_fill(&stash, 1, GFP_KERNEL));
	nodes = live_nodes();
	CHECK(t, !ptree_stash_fill(&stash, 1, GFP_KERNEL));
	CHECK(t, live_nodes() == nodes && nodes > 1);
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_cursor_open(&c, &tree, LAST, &stash));
	page = test_page();
	desc = ptree_desc_alloc(&stash, LAST, page);
	CHECK(t, desc && !ptree_cursor_store(&c, desc));
	ptree_cursor_close(&c);
	CHECK(t, !ptree_desc_alloc(&stash, 1, page));
	CHECK(t, live_nodes() == nodes);
	test_fail_allocations(-1, 0);
	ptree_stash_drain(&stash);
	CHECK(t, live_nodes() == 2 * PTREE_MAX_LEVELS - 1);
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
}

/* Descriptors are set aside in any number, and used before others are made. */
static void case_stash_descs(struct ptree_test *t)
{
	const struct ptree_need need = { .descs = 37 };
	struct ptree_stash stash = {};
	struct ptree_desc *desc;

	test_fail_allocations(1, 1);
	CHECK(t, ptree_stash_fill_need(&stash, &need, GFP_KERNEL) == -ENOMEM);
	CHECK(t, stash.have.descs && stash.have.descs < 37);
	test_fail_allocations(-1, 0);
	CHECK(t, !ptree_stash_fill_need(&stash, &need, GFP_KERNEL));
	CHECK(t, stash.have.descs == 37);
	CHECK(t, atomic_long_read(&ptree_nr_descs) == 37);
	desc = ptree_desc_alloc(&stash, 3, test_page());
	CHECK(t, desc->index == 3 && stash.have.descs == 36);
	CHECK(t, atomic_long_read(&ptree_nr_descs) == 37);
	ptree_desc_put(desc);
	ptree_stash_drain(&stash);
}

/* Runs of slots across leaves, holes included. */
static void case_lookup_run(struct ptree_test *t)
{
	struct page *pages[64];
	struct ptree tree = {};
	unsigned int i;

	fill(t, &tree, 10, 40);
	put_page_at(t, &tree, LAST, false);
	CHECK(t, ptree_lookup_run(&tree, 0, 64, pages) == 31);
	for (i = 0; i < 64; i++)
		CHECK(t, pages[i] == page_at(&tree, i));
	CHECK(t, ptree_lookup_run(&tree, 41, 16, pages) == 0);
	CHECK(t, ptree_lookup_run(&tree, LAST - 2, 8, pages) == 1);
	CHECK(t, !pages[1] && pages[2] && !pages[3]);
	drop_tree(&tree);
}

/* Data and holes at the borders of nodes, full nodes being skipped. */
static void case_seek(struct ptree_test *t)
{
	struct ptree tree = {};
	u64 found;

	fill(t, &tree, 16, 4095);
	CHECK(t, ptree_next_data(&tree, 0, 16, &found) && found == 16);
	CHECK(t, !ptree_next_data(&tree, 0, 15, &found));
	CHECK(t, ptree_next_hole(&tree, 0, LAST, &found) && found == 0);
	CHECK(t, ptree_next_hole(&tree, 16, LAST, &found) && found == 4096);
	CHECK(t, !ptree_next_hole(&tree, 16, 4095, &found));
	CHECK(t, !ptree_next_data(&tree, 4096, LAST, &found));
	erase(t, &tree, 777, 777);
	CHECK(t, ptree_next_hole(&tree, 100, LAST, &found) && found == 777);
	CHECK(t, ptree_next_data(&tree, 777, LAST, &found) && found == 778);
	drop_tree(&tree);
}

const struct test_case slot_cases[] = {
	{ "the empty tree", case_empty },
	{ "one page", case_one_page },
	{ "height follows the content", case_height },
	{ "both ends of the index space", case_both_ends },
	{ "store", case_store },
	{ "advance", case_advance },
	{ "open and close", case_open_close },
	{ "open without memory", case_open_fails },
	{ "stash", case_stash },
	{ "stash of descriptors", case_stash_descs },
	{ "lookup of a run", case_lookup_run },
	{ "data and holes", case_seek },
	{}
};

static const struct test_case *const test_groups[] = {
	slot_cases,
	range_cases,
	view_cases,
	diff_cases,
	graft_cases,
	marker_cases,
	move_cases,
};

const struct test_case *test_case_next(const struct test_case *prev)
{
	const struct test_case *c;
	unsigned int i;

	if (!prev)
		return test_groups[0];
	if (prev[1].run)
		return prev + 1;
	for (i = 0; i + 1 < ARRAY_SIZE(test_groups); i++) {
		for (c = test_groups[i]; c->run; c++) {
			if (c == prev)
				return test_groups[i + 1];
		}
	}
	return NULL;
}
