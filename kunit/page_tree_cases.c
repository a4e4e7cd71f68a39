// SPDX-License-Identifier: GPL-2.0
/* Unit cases: one behaviour of the page tree each, in user space and KUnit. */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "page_tree_test.h"

#define LAST	PTREE_MAX_INDEX

static void drop_tree(struct ptree *tree)
{
	struct ptree_dead dead = {};

	ptree_clear(tree, &dead);
	ptree_reap(&dead);
}

/* Put a new page at @index, marked if asked; returns the page. */
static struct page *put_page_at(struct ptree_test *t, struct ptree *tree,
				u64 index, bool mark)
{
	struct page *page = test_page();
	struct ptree_cursor cursor;
	struct ptree_desc *old;

	if (!CHECK(t, !ptree_cursor_open(&cursor, tree, index, NULL))) {
		ptree_page_free(page);
		return NULL;
	}
	old = ptree_cursor_store(&cursor, ptree_desc_alloc(NULL, index, page));
	if (old)
		ptree_desc_put(old);
	if (mark)
		ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
	return page;
}

static void fill(struct ptree_test *t, struct ptree *tree, u64 first, u64 last)
{
	for (; first <= last; first++)
		put_page_at(t, tree, first, false);
}

static void mark_at(struct ptree_test *t, struct ptree *tree, u64 index)
{
	struct ptree_cursor cursor;

	CHECK(t, !ptree_cursor_open(&cursor, tree, index, NULL));
	ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
}

static struct page *page_at(const struct ptree *tree, u64 index)
{
	struct ptree_desc *desc = ptree_lookup(tree, index);

	return desc ? desc->page : NULL;
}

static bool is_zero(const struct ptree *tree)
{
	return !tree->root && !tree->prefix && !tree->level;
}

static void erase(struct ptree_test *t, struct ptree *tree, u64 first, u64 last)
{
	struct ptree_dead dead = {};

	CHECK(t, !ptree_erase(tree, first, last, NULL, &dead));
	ptree_reap(&dead);
}

static long live_nodes(void)
{
	return atomic_long_read(&ptree_nr_nodes);
}

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

/* A clone of everything is a count, whatever the size, and needs no memory. */
static void case_clone_whole(struct ptree_test *t)
{
	struct ptree tree = {}, clone, low, again;
	long nodes;

	fill(t, &tree, 100, 1299);
	nodes = live_nodes();
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_clone(&tree, 0, ~0ULL, NULL, &clone));
	CHECK(t, !ptree_clone(&tree, 100, 1299, NULL, &low));
	CHECK(t, !ptree_clone(&clone, 7, LAST, NULL, &again));
	CHECK(t, !test_failed_allocations() && live_nodes() == nodes);
	test_fail_allocations(-1, 0);
	CHECK(t, clone.root == tree.root && low.root == tree.root);
	CHECK(t, ptree_node_refs(tree.root) == 4);
	CHECK(t, page_at(&tree, 777) == page_at(&again, 777));
	CHECK(t, !ptree_private(&tree) && ptree_populated(&again) == 1200);
	drop_tree(&tree);
	drop_tree(&clone);
	drop_tree(&again);
	CHECK(t, ptree_private(&low) == 1200);
	CHECK_NULL(t, ptree_validate(&low));
	drop_tree(&low);
}

/* Part of a tree: same indexes, nothing outside, only edges copied. */
static void case_clone_part(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	long nodes;

	fill(t, &tree, 0, 8191);
	nodes = live_nodes();
	CHECK(t, !ptree_clone(&tree, 1000, 5000, NULL, &clone));
	CHECK(t, live_nodes() - nodes <= 5);
	CHECK(t, ptree_populated(&clone) == 4001);
	CHECK(t, !ptree_lookup(&clone, 999) && !ptree_lookup(&clone, 5001));
	CHECK(t, page_at(&clone, 1000) == page_at(&tree, 1000));
	CHECK(t, page_at(&clone, 5000) == page_at(&tree, 5000));
	CHECK(t, ptree_private(&tree) == 8192 - 4001);
	CHECK(t, !ptree_private(&clone));
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK_NULL(t, ptree_validate(&clone));
	drop_tree(&clone);
	CHECK(t, live_nodes() == nodes && ptree_private(&tree) == 8192);
	CHECK(t, !ptree_clone(&tree, 48, 63, NULL, &clone));
	CHECK(t, clone.level == 0 && live_nodes() == nodes);
	drop_tree(&clone);
	CHECK(t, !ptree_clone(&tree, 8192, LAST, NULL, &clone));
	CHECK(t, is_zero(&clone));
	drop_tree(&tree);
}

/* Each allocation of a clone fails in turn: the tree is as before. */
static void case_clone_fails(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_stash stash = {};
	long after, nodes;
	int err;

	fill(t, &tree, 0, 8191);
	nodes = live_nodes();
	for (after = 0, err = -ENOMEM; err; after++) {
		test_fail_allocations(after, 1);
		err = ptree_clone(&tree, 1000, 5000, NULL, &clone);
		test_fail_allocations(-1, 0);
		CHECK(t, !err || (is_zero(&clone) && live_nodes() == nodes));
		CHECK(t, !err || ptree_private(&tree) == 8192);
		CHECK_NULL(t, ptree_validate(&tree));
	}
	CHECK(t, after > 3);
	drop_tree(&clone);
	CHECK(t, !ptree_stash_fill(&stash, 2, GFP_KERNEL));
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_clone(&tree, 1000, 5000, &stash, &clone));
	test_fail_allocations(-1, 0);
	ptree_stash_drain(&stash);
	drop_tree(&clone);
	drop_tree(&tree);
}

/* A write to a shared page is seen by the writer only. */
static void case_fork(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct page *old, *new;
	long nodes;

	fill(t, &tree, 0, 1023);
	old = page_at(&tree, 500);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	nodes = live_nodes();
	new = put_page_at(t, &tree, 500, true);
	CHECK(t, live_nodes() == nodes + 3);
	CHECK(t, page_at(&tree, 500) == new && page_at(&clone, 500) == old);
	CHECK(t, page_at(&tree, 501) == page_at(&clone, 501));
	CHECK(t, ptree_private(&tree) == 1 && ptree_private(&clone) == 1);
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK_NULL(t, ptree_validate(&clone));
	drop_tree(&tree);
	CHECK(t, live_nodes() == nodes && ptree_private(&clone) == 1024);
	CHECK(t, test_pages_live() == 1024);
	drop_tree(&clone);
}

/* The last owner has the page to itself, in whatever order the others go. */
static void case_last_owner(struct ptree_test *t)
{
	struct ptree tree[3] = {};
	unsigned int last;
	int i;

	for (last = 0; last < 3; last++) {
		struct ptree_cursor c;

		fill(t, &tree[0], 10, 50);
		CHECK(t, !ptree_clone(&tree[0], 0, LAST, NULL, &tree[1]));
		CHECK(t, !ptree_clone(&tree[1], 20, 45, NULL, &tree[2]));
		for (i = 2; i >= 0; i--) {
			if (i != last)
				drop_tree(&tree[i]);
		}
		test_fail_allocations(0, ~0UL);
		CHECK(t, !ptree_cursor_open(&c, &tree[last], 30, NULL));
		CHECK(t, ptree_desc_exclusive(ptree_cursor_desc(&c)));
		ptree_cursor_close(&c);
		test_fail_allocations(-1, 0);
		CHECK(t, test_pages_live() == (last == 2 ? 26 : 41));
		drop_tree(&tree[last]);
	}
}

/* Erasing nothing touches and allocates nothing, even in shared nodes. */
static void case_erase_holes(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_dead dead = {};

	put_page_at(t, &tree, 3, false);
	put_page_at(t, &tree, 9, false);
	put_page_at(t, &tree, 1ULL << 30, false);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_erase(&tree, 4, 8, NULL, &dead));
	CHECK(t, !ptree_erase(&tree, 10, (1ULL << 30) - 1, NULL, &dead));
	CHECK(t, !ptree_erase(&tree, (1ULL << 30) + 1, ~0ULL, NULL, &dead));
	CHECK(t, tree.root == clone.root && !test_failed_allocations());
	CHECK(t, ptree_erase(&tree, 9, 9, NULL, &dead) == -ENOMEM);
	test_fail_allocations(-1, 0);
	CHECK(t, ptree_populated(&tree) == 3 && !dead.nodes && !dead.descs);
	drop_tree(&tree);
	drop_tree(&clone);
}

/* Each allocation of an erasure fails in turn: the content is as before. */
static void case_erase_fails(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_dead dead = {};
	long after;
	int err;

	fill(t, &tree, 0, 8191);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	for (after = 0, err = -ENOMEM; err; after++) {
		test_fail_allocations(after, 1);
		err = ptree_erase(&clone, 1000, 5000, NULL, &dead);
		test_fail_allocations(-1, 0);
		CHECK(t, !err || ptree_populated(&clone) == 8192);
		CHECK(t, !err || (!dead.nodes && !dead.descs));
		CHECK_NULL(t, ptree_validate(&clone));
	}
	ptree_reap(&dead);
	CHECK(t, ptree_populated(&clone) == 8192 - 4001);
	CHECK(t, page_at(&clone, 999) == page_at(&tree, 999));
	CHECK(t, page_at(&clone, 5001) == page_at(&tree, 5001));
	CHECK(t, !ptree_lookup(&clone, 1000) && !ptree_lookup(&clone, 5000));
	CHECK(t, ptree_private(&tree) == 4001);
	drop_tree(&tree);
	CHECK(t, test_pages_live() == 8192 - 4001);
	drop_tree(&clone);
}

/* What was cut off lives until it is reaped. */
static void case_reap(struct ptree_test *t)
{
	struct ptree tree = {};
	struct ptree_dead dead = {};

	fill(t, &tree, 0, 2047);
	CHECK(t, !ptree_erase(&tree, 5, 1000, NULL, &dead));
	CHECK(t, !ptree_erase(&tree, 1500, 1500, NULL, &dead));
	CHECK(t, test_pages_live() == 2048);
	ptree_clear(&tree, &dead);
	CHECK(t, is_zero(&tree) && test_pages_live() == 2048);
	ptree_reap(&dead);
	CHECK(t, !test_pages_live() && !live_nodes());
	CHECK(t, !dead.nodes && !dead.descs);
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

struct runs {
	unsigned int nr;
	u64 first[8];
	u64 last[8];
};

static void note_run(u64 first, u64 last, void *arg)
{
	struct runs *runs = arg;

	if (runs->nr < ARRAY_SIZE(runs->first)) {
		runs->first[runs->nr] = first;
		runs->last[runs->nr] = last;
	}
	runs->nr++;
}

/* Marks of neighbours are one run, across leaves and higher nodes. */
static void case_mark_runs(struct ptree_test *t)
{
	struct ptree tree = {};
	struct runs runs = {};
	u64 i;

	fill(t, &tree, 0, 1100);
	for (i = 500; i <= 530; i++)
		mark_at(t, &tree, i);
	mark_at(t, &tree, 0);
	mark_at(t, &tree, 532);
	mark_at(t, &tree, 1100);
	ptree_visit_marked_runs(&tree, 0, ~0ULL, note_run, &runs);
	CHECK(t, runs.nr == 4);
	CHECK(t, runs.first[0] == 0 && runs.last[0] == 0);
	CHECK(t, runs.first[1] == 500 && runs.last[1] == 530);
	CHECK(t, runs.first[2] == 532 && runs.last[2] == 532);
	CHECK(t, runs.first[3] == 1100 && runs.last[3] == 1100);
	runs.nr = 0;
	ptree_visit_marked_runs(&tree, 510, 520, note_run, &runs);
	CHECK(t, runs.nr == 1);
	CHECK(t, runs.first[0] == 510 && runs.last[0] == 520);
	runs.nr = 0;
	ptree_visit_marked_runs(&tree, 533, 1099, note_run, &runs);
	CHECK(t, runs.nr == 0);
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
}

static bool keep_odd(struct ptree_desc *desc, u64 index, void *arg)
{
	unsigned int *asked = arg;

	++*asked;
	return index & 1;
}

/* Kept marks stay, and are paid for exactly. */
static void case_clear_marks(struct ptree_test *t)
{
	struct ptree_need need;
	struct ptree tree = {};
	unsigned int asked = 0;
	struct runs runs = {};

	fill(t, &tree, 0, 1100);
	mark_at(t, &tree, 4);
	mark_at(t, &tree, 5);
	mark_at(t, &tree, 7);
	mark_at(t, &tree, 600);
	mark_at(t, &tree, 1001);
	CHECK(t, ptree_clear_marks(&tree, 0, 999, keep_odd, &asked,
				   &need) == 2);
	CHECK(t, asked == 4);
	/* Root, one node of 32 slots, one leaf. */
	CHECK(t, need.small == 2 && need.big == 1 && need.descs == 2);
	ptree_visit_marked_runs(&tree, 0, LAST, note_run, &runs);
	CHECK(t, runs.nr == 3 && runs.first[2] == 1001);
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK(t, !ptree_clear_marks(&tree, 0, LAST, NULL, NULL, &need));
	CHECK(t, !need.small && !need.big && !need.descs);
	CHECK(t, !ptree_node_marks(tree.root));
	drop_tree(&tree);
}

/* Whoever erases a page erases its mark, and copies have none. */
static void case_marks_go(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct runs runs = {};

	fill(t, &tree, 0, 1100);
	mark_at(t, &tree, 5);
	mark_at(t, &tree, 700);
	mark_at(t, &tree, 1100);
	erase(t, &tree, 600, 800);
	erase(t, &tree, 5, 5);
	ptree_visit_marked_runs(&tree, 0, LAST, note_run, &runs);
	CHECK(t, runs.nr == 1 && runs.first[0] == 1100);
	/* The mark is outside of what is cloned, though in the same nodes. */
	CHECK(t, !ptree_clone(&tree, 0, 1099, NULL, &clone));
	CHECK(t, !ptree_node_marks(clone.root));
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK_NULL(t, ptree_validate(&clone));
	drop_tree(&clone);
	drop_tree(&tree);
}

static void check_scaled(struct ptree_test *t, const struct ptree *const *family,
			 unsigned int nr, unsigned int self, u64 bytes,
			 u64 fraction)
{
	struct ptree_scratch *scratch = ptree_scratch_alloc(nr, GFP_KERNEL);
	struct ptree_scaled scaled;

	if (!CHECK(t, scratch))
		return;
	ptree_scaled(family, nr, self, scratch, &scaled);
	CHECK(t, scaled.bytes == bytes);
	CHECK(t, scaled.fraction == fraction);
	ptree_scratch_free(scratch);
}

/* Pages are divided by those who see them; a third leaves a fraction. */
static void case_scaled(struct ptree_test *t)
{
	const u64 third = (1ULL << 63) / 3;
	struct ptree a = {}, b, c, d = {};
	const struct ptree *family[] = { &a, &b, &c, &d };

	fill(t, &a, 0, 999);
	CHECK(t, !ptree_clone(&a, 0, LAST, NULL, &b));
	CHECK(t, !ptree_clone(&a, 990, 1100, NULL, &c));
	/* a and b share 990 pages, all three share ten */
	check_scaled(t, family, 4, 0, 990 * 2048 + 10 * 1365 + 3,
		     10 * third - 3 * (1ULL << 63));
	check_scaled(t, family, 4, 2, 10 * 1365 + 3,
		     10 * third - 3 * (1ULL << 63));
	check_scaled(t, family, 4, 3, 0, 0);
	put_page_at(t, &b, 995, false);
	put_page_at(t, &b, 5000, false);
	/* Nine floors of a third of 2^63 are a bit less than three of it. */
	check_scaled(t, family, 4, 1, 990 * 2048 + 9 * 1365 + 2 + 2 * 4096,
		     9 * third - 2 * (1ULL << 63));
	drop_tree(&b);
	drop_tree(&c);
	check_scaled(t, family, 4, 0, 1000 * 4096, 0);
	drop_tree(&a);
}

/* Nodes and descriptors by the byte. */
static void case_metadata(struct ptree_test *t)
{
	struct ptree tree = {}, clone;

	put_page_at(t, &tree, 0, false);
	CHECK(t, ptree_metadata_bytes(&tree) ==
	      152 + sizeof(struct ptree_desc));
	fill(t, &tree, 1, 1023);
	CHECK(t, ptree_metadata_bytes(&tree) ==
	      152 + 2 * 280 + 64 * 152 + 1024 * sizeof(struct ptree_desc));
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	CHECK(t, ptree_metadata_bytes(&clone) == ptree_metadata_bytes(&tree));
	/* 64 bytes per page of a dense tree is the limit. */
	CHECK(t, ptree_metadata_bytes(&tree) <= 1024 * 64);
	drop_tree(&tree);
	drop_tree(&clone);
}

static bool only_right_half(const struct ptree_node *node, unsigned int level,
			    u64 first, void *arg)
{
	return level || first >= 32;
}

static void count_visit(struct ptree_desc *desc, u64 index, void *arg)
{
	unsigned int *seen = arg;

	*seen += desc->index == index;
}

/* A walk sees everything but what it is told to skip. */
static void case_walk(struct ptree_test *t)
{
	const struct ptree_visitor all = { .desc = count_visit };
	const struct ptree_visitor half = {
		.node = only_right_half,
		.desc = count_visit,
	};
	struct ptree tree = {};
	unsigned int seen = 0;

	fill(t, &tree, 0, 63);
	put_page_at(t, &tree, LAST, false);
	ptree_walk(&tree, &all, &seen);
	CHECK(t, seen == 65);
	seen = 0;
	ptree_walk(&tree, &half, &seen);
	CHECK(t, seen == 33);
	drop_tree(&tree);
}

/* The validator notices what is wrong with a tree. */
static void case_validator(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_desc *desc;

	fill(t, &tree, 0, 63);
	CHECK_NULL(t, ptree_validate(&tree));
	desc = ptree_lookup(&tree, 17);
	desc->index = 18;
	CHECK(t, ptree_validate(&tree));
	desc->index = 17;
	mark_at(t, &tree, 17);
	CHECK_NULL(t, ptree_validate(&tree));
	/* Shared with its mark: what the caller must not do. */
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	CHECK(t, ptree_validate(&tree) && ptree_validate(&clone));
	drop_tree(&clone);
	CHECK_NULL(t, ptree_validate(&tree));
	tree.prefix = 16;
	CHECK(t, ptree_validate(&tree));
	tree.prefix = 0;
	tree.level++;
	CHECK(t, ptree_validate(&tree));
	tree.level--;
	drop_tree(&tree);
}

const struct test_case test_cases[] = {
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
	{ "clone of everything", case_clone_whole },
	{ "clone of a part", case_clone_part },
	{ "clone without memory", case_clone_fails },
	{ "write to a shared page", case_fork },
	{ "last owner", case_last_owner },
	{ "erase holes", case_erase_holes },
	{ "erase without memory", case_erase_fails },
	{ "reap", case_reap },
	{ "lookup of a run", case_lookup_run },
	{ "data and holes", case_seek },
	{ "runs of marks", case_mark_runs },
	{ "clear marks", case_clear_marks },
	{ "marks go with their pages", case_marks_go },
	{ "scaled size", case_scaled },
	{ "metadata", case_metadata },
	{ "walk", case_walk },
	{ "validator", case_validator },
};

const unsigned int nr_test_cases = ARRAY_SIZE(test_cases);
