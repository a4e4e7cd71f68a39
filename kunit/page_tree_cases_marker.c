// SPDX-License-Identifier: GPL-2.0
/* Unit cases: markers, which stand for ranges of any width. */
#include "page_tree_cases.h"

static void put_marker(struct ptree_test *t, struct ptree *tree, u64 first,
		       u64 last, unsigned int marker)
{
	struct ptree_dead dead = {};

	CHECK(t, !ptree_fill(tree, first, last, marker, NULL, &dead));
	ptree_reap(&dead);
	CHECK_NULL(t, ptree_validate(tree));
}

static unsigned int marker_at(const struct ptree *tree, u64 index)
{
	struct ptree_look look;

	ptree_look(tree, index, &look);
	return look.desc ? ~0U : look.marker;
}

/* Two paths at most, whatever the width, and exact to the slot. */
static void case_fill_any_width(struct ptree_test *t)
{
	static const u64 ends[] = {
		0, 1, 15, 16, 17, 511, 512, 513, 8191, 8192, 1ULL << 20,
		(1ULL << 33) + 5, (1ULL << 45) - 1, LAST - 1, LAST,
	};
	struct ptree tree = {};
	unsigned int i, j;
	long nodes;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (j = i; j < ARRAY_SIZE(ends); j++) {
			nodes = live_nodes();
			put_marker(t, &tree, ends[i], ends[j], 3);
			CHECK(t, live_nodes() - nodes <= 2 * PTREE_MAX_LEVELS);
			CHECK(t, marker_at(&tree, ends[i]) == 3);
			CHECK(t, marker_at(&tree, ends[j]) == 3);
			if (ends[i])
				CHECK(t, !marker_at(&tree, ends[i] - 1));
			if (ends[j] < LAST)
				CHECK(t, !marker_at(&tree, ends[j] + 1));
			CHECK(t, !ptree_populated(&tree));
			erase(t, &tree, ends[i], ends[j]);
			CHECK(t, is_zero(&tree));
		}
	}
}

/* Pages in the middle of a wide one, and gone again. */
static void case_pages_within(struct ptree_test *t)
{
	struct ptree tree = {};
	u64 middle = 1ULL << 40;
	struct page *page;

	put_marker(t, &tree, 5, LAST - 5, 1);
	page = put_page_at(t, &tree, middle, false);
	CHECK_NULL(t, ptree_validate(&tree));
	CHECK(t, page_at(&tree, middle) == page);
	CHECK(t, ptree_populated(&tree) == 1);
	CHECK(t, marker_at(&tree, middle - 1) == 1);
	CHECK(t, marker_at(&tree, middle + 1) == 1);
	CHECK(t, !page_at(&tree, middle + 1));
	put_marker(t, &tree, middle - 100, middle + 100, 1);
	CHECK(t, !ptree_populated(&tree));
	put_marker(t, &tree, 0, LAST, 2);
	CHECK(t, marker_at(&tree, 0) == 2 && marker_at(&tree, LAST) == 2);
	CHECK(t, live_nodes() == 1);
	drop_tree(&tree);
}

/* Filled one by one, a range costs no more than filled at once. */
static void case_fill_collapses(struct ptree_test *t)
{
	struct ptree tree = {};
	u64 index;

	for (index = 0; index < 8192; index++)
		put_marker(t, &tree, index, index, 4);
	/* A former root may be left on each level. */
	CHECK(t, live_nodes() <= 4);
	drop_tree(&tree);
}

/* Each allocation fails in turn; with three paths at hand, none is needed. */
static void case_fill_fails(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_dead dead = {};
	struct ptree_stash stash = {};
	long after;
	int err = -ENOMEM;

	fill(t, &tree, 1000, 1100);
	fill(t, &tree, 1 << 20, (1 << 20) + 40);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	for (after = 0; err; after++) {
		test_fail_allocations(after, 1);
		err = ptree_fill(&tree, 1050, LAST - 7, 1, NULL, &dead);
		test_fail_allocations(-1, 0);
		CHECK(t, !err || (!dead.nodes && !dead.descs));
		CHECK(t, !err || page_at(&tree, 1099) == page_at(&clone, 1099));
		CHECK_NULL(t, ptree_validate(&tree));
		CHECK_NULL(t, ptree_validate(&clone));
	}
	CHECK(t, after > 8);
	drop_tree(&tree);
	CHECK(t, !ptree_clone(&clone, 0, LAST, NULL, &tree));
	CHECK(t, !ptree_stash_fill(&stash, 2, GFP_KERNEL));
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_fill(&tree, 1050, LAST - 7, 1, &stash, &dead));
	test_fail_allocations(-1, 0);
	ptree_stash_drain(&stash);
	ptree_reap(&dead);
	CHECK(t, ptree_populated(&tree) == 50);
	CHECK(t, ptree_populated(&clone) == 142);
	drop_tree(&tree);
	drop_tree(&clone);
}

struct runs {
	u64 first[8], last[8];
	unsigned int nr;
};

static bool add_run(u64 first, u64 last, void *arg)
{
	struct runs *runs = arg;

	if (runs->nr < ARRAY_SIZE(runs->first)) {
		runs->first[runs->nr] = first;
		runs->last[runs->nr] = last;
	}
	runs->nr++;
	return true;
}

/* Clones share them; where they differ is found without looking at each. */
static void case_marker_relatives(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct runs runs = {};

	put_marker(t, &tree, 100, 1ULL << 44, 1);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	put_page_at(t, &clone, 1ULL << 30, false);
	put_marker(t, &clone, 1ULL << 40, (1ULL << 41) - 1, 2);
	CHECK(t, ptree_diff(&tree, &clone, 0, LAST, add_run, &runs));
	CHECK(t, runs.nr == 2);
	CHECK(t, runs.first[0] == 1ULL << 30 && runs.last[0] == 1ULL << 30);
	CHECK(t, runs.first[1] == 1ULL << 40);
	CHECK(t, runs.last[1] == (1ULL << 41) - 1);
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
	/* A part of it */
	CHECK(t, !ptree_clone(&clone, 50, 1ULL << 20, NULL, &tree));
	CHECK(t, !marker_at(&tree, 99) && marker_at(&tree, 100) == 1);
	CHECK(t, marker_at(&tree, 1ULL << 20) == 1);
	CHECK(t, !marker_at(&tree, (1ULL << 20) + 1));
	CHECK_NULL(t, ptree_validate(&tree));
	drop_tree(&tree);
	drop_tree(&clone);
}

static void case_marker_search(struct ptree_test *t)
{
	struct ptree tree = {};
	u64 found;

	put_marker(t, &tree, 10, 1ULL << 40, 1);
	CHECK(t, !ptree_next_data(&tree, 0, LAST, &found));
	CHECK(t, ptree_next_hole(&tree, 10, LAST, &found));
	CHECK(t, found == (1ULL << 40) + 1);
	put_page_at(t, &tree, 1ULL << 39, false);
	CHECK(t, ptree_next_data(&tree, 0, LAST, &found));
	CHECK(t, found == 1ULL << 39);
	erase(t, &tree, 12, 12);
	CHECK(t, ptree_next_hole(&tree, 10, LAST, &found) && found == 12);
	drop_tree(&tree);
}

const struct test_case marker_cases[] = {
	{ "a marker over any range is two paths", case_fill_any_width },
	{ "pages within a marker", case_pages_within },
	{ "markers one by one become one", case_fill_collapses },
	{ "allocations fail while filling", case_fill_fails },
	{ "relatives share markers", case_marker_relatives },
	{ "searching among markers", case_marker_search },
	{}
};
