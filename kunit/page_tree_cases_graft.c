// SPDX-License-Identifier: GPL-2.0
/* Unit cases: content of one tree put into another. */
#include <linux/slab.h>

#include "page_tree_cases.h"

static void graft(struct ptree_test *t, struct ptree *to, struct ptree *from,
		  u64 first, u64 last)
{
	struct ptree_dead dead = {};

	CHECK(t, !ptree_graft(to, from, first, last, NULL, &dead));
	ptree_reap(&dead);
	CHECK_NULL(t, ptree_validate(to));
	CHECK_NULL(t, ptree_validate(from));
}

/* Pages of @from in [first, last], of @old outside; all slots up to @end. */
static void check_grafted(struct ptree_test *t, const struct ptree *to,
			  const struct ptree *from, const struct ptree *old,
			  u64 first, u64 last, u64 end)
{
	unsigned int wrong = 0;
	u64 i;

	for (i = 0; i <= end; i++) {
		if (i >= first && i <= last)
			wrong += page_at(to, i) != page_at(from, i);
		else
			wrong += page_at(to, i) != page_at(old, i);
	}
	CHECK(t, wrong == 0);
}

/* Of the range only the edges are copied, however wide it is. */
static void case_graft_part(struct ptree_test *t)
{
	struct ptree to = {}, from = {}, old;
	long nodes;

	fill(t, &to, 0, 3999);
	fill(t, &from, 0, 3999);
	CHECK(t, !ptree_clone(&to, 0, LAST, NULL, &old));
	nodes = live_nodes();
	graft(t, &to, &from, 1000, 3000);
	/* Root, and at each end a node of 32 slots and a leaf. */
	CHECK(t, live_nodes() == nodes + 5);
	check_grafted(t, &to, &from, &old, 1000, 3000, 4000);
	CHECK(t, ptree_populated(&to) == 4000);
	CHECK(t, ptree_private(&from) == 4000 - 2001);
	drop_tree(&old);
	CHECK(t, ptree_private(&to) == 4000 - 2001);
	drop_tree(&from);
	CHECK(t, ptree_private(&to) == 4000);
	CHECK(t, test_pages_live() == 4000);
	drop_tree(&to);
}

/* Into nothing, of everything, and of nothing: no more memory than a clone. */
static void case_graft_whole(struct ptree_test *t)
{
	struct ptree to = {}, from = {}, none = {};

	fill(t, &from, 100, 1299);
	test_fail_allocations(0, ~0UL);
	graft(t, &to, &from, 0, ~0ULL);
	CHECK(t, to.root == from.root && ptree_node_refs(to.root) == 2);
	graft(t, &to, &from, 700, 800);
	CHECK(t, to.root == from.root && ptree_node_refs(to.root) == 2);
	test_fail_allocations(-1, 0);
	put_page_at(t, &to, 200, true);
	put_page_at(t, &to, 50, true);
	test_fail_allocations(0, ~0UL);
	graft(t, &to, &from, 50, 1299);
	CHECK(t, to.root == from.root);
	graft(t, &to, &none, 0, LAST);
	CHECK(t, is_zero(&to) && ptree_private(&from) == 1200);
	graft(t, &to, &none, 0, LAST);
	CHECK(t, is_zero(&to) && !test_failed_allocations());
	test_fail_allocations(-1, 0);
	drop_tree(&from);
}

/* What the source has not is erased, with no more than that. */
static void case_graft_holes(struct ptree_test *t)
{
	struct ptree to = {}, from = {};

	fill(t, &to, 0, 1000);
	put_page_at(t, &from, 5, false);
	put_page_at(t, &from, 2000, false);
	graft(t, &to, &from, 10, 999);
	CHECK(t, ptree_populated(&to) == 11);
	CHECK(t, page_at(&to, 9) && page_at(&to, 1000));
	graft(t, &to, &from, 0, 999);
	CHECK(t, ptree_populated(&to) == 2);
	CHECK(t, page_at(&to, 5) == page_at(&from, 5));
	graft(t, &to, &from, 6, 1999);
	CHECK(t, to.level == 0 && ptree_populated(&to) == 1);
	drop_tree(&to);
	drop_tree(&from);
}

/* Each place and height of the one with each of the other. */
static void case_graft_shapes(struct ptree_test *t)
{
	static const u64 at[] = {
		0, 17, 511, 512, 8191, 1ULL << 30, (1ULL << 51) + 7, LAST,
	};
	struct ptree to = {}, from = {};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (j = 0; j < ARRAY_SIZE(at); j++) {
			put_page_at(t, &to, at[i], true);
			put_page_at(t, &from, at[j], false);
			graft(t, &to, &from, at[j], at[j]);
			CHECK(t, page_at(&to, at[j]) == page_at(&from, at[j]));
			CHECK(t, page_at(&to, at[i]));
			CHECK(t, ptree_populated(&to) == 1 + (i != j));
			/* And back out again. */
			drop_tree(&from);
			graft(t, &to, &from, at[j], at[j]);
			CHECK(t, ptree_populated(&to) == (i != j));
			CHECK(t, i == j || to.level == 0);
			drop_tree(&to);
		}
	}
}

/* A low source goes into a high place, with the nodes that it lacks. */
static void case_graft_low(struct ptree_test *t)
{
	struct ptree to = {}, from = {};

	put_page_at(t, &to, 0, false);
	put_page_at(t, &to, LAST, false);
	fill(t, &from, 1ULL << 40, (1ULL << 40) + 15);
	CHECK(t, from.level == 0);
	graft(t, &to, &from, 1ULL << 39, 1ULL << 41);
	CHECK(t, ptree_populated(&to) == 18);
	CHECK(t, from.level == 0 && ptree_node_refs(from.root) == 2);
	CHECK(t, page_at(&to, (1ULL << 40) + 3) ==
		 page_at(&from, (1ULL << 40) + 3));
	/* The source is lower than all that is replaced. */
	graft(t, &to, &from, 1, LAST);
	CHECK(t, ptree_populated(&to) == 17 && page_at(&to, 0));
	drop_tree(&to);
	drop_tree(&from);
}

/* Relatives share what they had in common, and nothing is copied for it. */
static void case_graft_relatives(struct ptree_test *t)
{
	struct ptree to = {}, from;
	long nodes;

	fill(t, &to, 0, 4095);
	CHECK(t, !ptree_clone(&to, 0, LAST, NULL, &from));
	put_page_at(t, &to, 2000, false);
	nodes = live_nodes();
	/* The edges of the range are in nodes that both have. */
	graft(t, &to, &from, 3, 4000);
	CHECK(t, page_at(&to, 2000) == page_at(&from, 2000));
	CHECK(t, !ptree_private(&to) && live_nodes() == nodes - 2);
	drop_tree(&from);
	CHECK(t, ptree_private(&to) == 4096 && test_pages_live() == 4096);
	drop_tree(&to);
}

/* Marks in the range go; those beside it stay, and no others. */
static void case_graft_marks(struct ptree_test *t)
{
	struct ptree to = {}, from = {};

	fill(t, &to, 0, 2000);
	fill(t, &from, 0, 2000);
	mark_at(t, &to, 700);
	mark_at(t, &to, 1100);
	mark_at(t, &from, 600);
	mark_at(t, &from, 1200);
	graft(t, &to, &from, 650, 1150);
	CHECK(t, !ptree_node_marks(to.root));
	CHECK(t, ptree_node_marks(from.root));
	mark_at(t, &to, 649);
	graft(t, &to, &from, 650, 1150);
	CHECK(t, ptree_node_marks(to.root));
	graft(t, &to, &from, 601, 1150);
	CHECK(t, !ptree_node_marks(to.root));
	drop_tree(&from);
	drop_tree(&to);
}

/* Each allocation fails in turn, of the most that a graft can need. */
static void case_graft_fails(struct ptree_test *t)
{
	const u64 middle = (1ULL << 50) + 5;
	struct ptree to = {}, from = {}, old;
	struct ptree_stash stash = {};
	struct ptree_dead dead = {};
	long after, nodes;
	int err;

	put_page_at(t, &to, LAST, true);
	put_page_at(t, &from, 0, false);
	put_page_at(t, &from, 3, false);
	put_page_at(t, &from, middle, false);
	put_page_at(t, &from, middle + 1, false);
	nodes = live_nodes();
	for (after = 0, err = -ENOMEM; err; after++) {
		test_fail_allocations(after, 1);
		err = ptree_graft(&to, &from, 1, middle, NULL, &dead);
		test_fail_allocations(-1, 0);
		CHECK(t, !err || (!dead.nodes && !dead.descs));
		CHECK(t, !err || (to.level == 0 && live_nodes() == nodes));
		CHECK_NULL(t, ptree_validate(&to));
		CHECK_NULL(t, ptree_validate(&from));
	}
	/* Up to the top, and twice down again. */
	CHECK(t, after > 2 * PTREE_MAX_LEVELS && ptree_populated(&to) == 3);
	erase(t, &to, 0, LAST - 1);

	CHECK(t, !ptree_stash_fill(&stash, 2, GFP_KERNEL));
	test_fail_allocations(0, ~0UL);
	CHECK(t, !ptree_graft(&to, &from, 1, middle, &stash, &dead));
	test_fail_allocations(-1, 0);
	CHECK(t, ptree_populated(&to) == 3);

	/* And of one that copies: what has been copied by then stays so. */
	CHECK(t, !ptree_clone(&to, 0, LAST - 1, NULL, &old));
	put_page_at(t, &from, middle, false);
	for (after = 0, err = -ENOMEM; err; after++) {
		test_fail_allocations(after, 1);
		err = ptree_graft(&to, &from, 2, middle, NULL, &dead);
		test_fail_allocations(-1, 0);
		CHECK(t, !err || page_at(&to, middle) == page_at(&old, middle));
		CHECK(t, !err || (!dead.nodes && !dead.descs));
		CHECK_NULL(t, ptree_validate(&to));
	}
	CHECK(t, after > 5);
	CHECK(t, page_at(&to, middle) == page_at(&from, middle));
	ptree_stash_drain(&stash);
	ptree_reap(&dead);
	drop_tree(&old);
	drop_tree(&to);
	drop_tree(&from);
}

const struct test_case graft_cases[] = {
	{ "graft of a part", case_graft_part },
	{ "graft of everything", case_graft_whole },
	{ "graft of holes", case_graft_holes },
	{ "graft between shapes", case_graft_shapes },
	{ "graft of a low tree", case_graft_low },
	{ "graft between relatives", case_graft_relatives },
	{ "graft and marks", case_graft_marks },
	{ "graft without memory", case_graft_fails },
	{}
};
