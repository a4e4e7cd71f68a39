// SPDX-License-Identifier: GPL-2.0
/* Unit cases: clones, and ranges that are removed. */
#include "page_tree_cases.h"

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

const struct test_case range_cases[] = {
	{ "clone of everything", case_clone_whole },
	{ "clone of a part", case_clone_part },
	{ "clone without memory", case_clone_fails },
	{ "write to a shared page", case_fork },
	{ "last owner", case_last_owner },
	{ "erase holes", case_erase_holes },
	{ "erase without memory", case_erase_fails },
	{ "reap", case_reap },
	{}
};
