// SPDX-License-Identifier: GPL-2.0
/* Unit cases: marks, attribution, and looking inside. */
#include <linux/slab.h>

#include "page_tree_cases.h"

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
	struct ptree_share shares[8];
	struct ptree_scaled scaled;

	if (!CHECK(t, scratch && nr <= ARRAY_SIZE(shares)))
		return;
	ptree_scaled(family, nr, self, scratch, &scaled);
	CHECK(t, scaled.bytes == bytes);
	CHECK(t, scaled.fraction == fraction);
	ptree_shares(family, nr, scratch, shares);
	CHECK(t, shares[self].scaled.bytes == bytes);
	CHECK(t, shares[self].scaled.fraction == fraction);
	CHECK(t, shares[self].private == ptree_private(family[self]));
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

/* Roots of all heights and places, and none at all, in one family. */
static void case_shares(struct ptree_test *t)
{
	struct ptree a = {}, b, c, d = {}, e, none = {};
	const struct ptree *family[] = { &none, &a, &b, &c, &d, &e };
	const struct ptree *nobody[] = { &none, &none };
	unsigned int i;

	check_scaled(t, nobody, 2, 1, 0, 0);
	put_page_at(t, &a, 7, false);
	fill(t, &a, 512, 1023);
	put_page_at(t, &a, LAST, false);
	CHECK(t, !ptree_clone(&a, 0, 600, NULL, &b));
	CHECK(t, !ptree_clone(&b, 7, 7, NULL, &c));
	put_page_at(t, &d, 1ULL << 40, false);
	CHECK(t, !ptree_clone(&d, 0, LAST, NULL, &e));
	/* Page 7 has three who see it, 512 to 600 two, the rest one. */
	check_scaled(t, family, 6, 0, 0, 0);
	check_scaled(t, family, 6, 1, 1365 + 89 * 2048 + 424 * 4096,
		     (1ULL << 63) / 3);
	check_scaled(t, family, 6, 2, 1365 + 89 * 2048, (1ULL << 63) / 3);
	check_scaled(t, family, 6, 3, 1365, (1ULL << 63) / 3);
	check_scaled(t, family, 6, 4, 2048, 0);
	check_scaled(t, family, 6, 5, 2048, 0);
	for (i = 0; i < 16; i++)
		put_page_at(t, &b, 512 + i, false);
	put_page_at(t, &c, 7, false);
	check_scaled(t, family, 6, 1, 2048 + 73 * 2048 + 440 * 4096, 0);
	check_scaled(t, family, 6, 2, 2048 + 73 * 2048 + 16 * 4096, 0);
	check_scaled(t, family, 6, 3, 4096, 0);
	drop_tree(&a);
	drop_tree(&b);
	drop_tree(&c);
	drop_tree(&d);
	drop_tree(&e);
}

/* What is seen of a slot, its path and its marks. */
static void case_inspect(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	struct ptree_slot slot;

	ptree_inspect(&tree, LAST, &slot);
	CHECK(t, !slot.desc && !slot.alone && !slot.marked &&
	      slot.last == LAST);
	fill(t, &tree, 0, 1023);
	put_page_at(t, &tree, 2048, true);
	ptree_inspect(&tree, 2048, &slot);
	CHECK(t, slot.desc && slot.alone && slot.marked && slot.last == 2048);
	ptree_inspect(&tree, 2049, &slot);
	CHECK(t, !slot.desc && !slot.alone && !slot.marked);
	ptree_inspect(&tree, 5, &slot);
	CHECK(t, slot.desc == ptree_lookup(&tree, 5) && slot.alone &&
	      !slot.marked);

	ptree_clear_marks(&tree, 0, LAST, NULL, NULL, NULL);
	CHECK(t, !ptree_clone(&tree, 0, LAST, NULL, &clone));
	/* The root is shared, then a node of the middle, a leaf, a page. */
	ptree_inspect(&tree, 5, &slot);
	CHECK(t, slot.desc && !slot.alone && slot.last == 8191);
	put_page_at(t, &clone, 2048, false);
	ptree_inspect(&tree, 5, &slot);
	CHECK(t, slot.desc && !slot.alone && slot.last == 511);
	put_page_at(t, &clone, 80, false);
	ptree_inspect(&tree, 5, &slot);
	CHECK(t, slot.desc && !slot.alone && slot.last == 15);
	ptree_inspect(&tree, 81, &slot);
	CHECK(t, slot.desc && !slot.alone && slot.last == 81);
	ptree_inspect(&tree, 80, &slot);
	CHECK(t, slot.desc && slot.alone && slot.last == 80);
	drop_tree(&clone);
	drop_tree(&tree);
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

const struct test_case view_cases[] = {
	{ "runs of marks", case_mark_runs },
	{ "clear marks", case_clear_marks },
	{ "marks go with their pages", case_marks_go },
	{ "scaled size", case_scaled },
	{ "shares of all at once", case_shares },
	{ "what a slot looks like", case_inspect },
	{ "metadata", case_metadata },
	{ "walk", case_walk },
	{ "validator", case_validator },
	{}
};
