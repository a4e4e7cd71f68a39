// SPDX-License-Identifier: GPL-2.0
/* Unit cases: where two trees differ, and whose a slot is. */
#include "page_tree_cases.h"

struct diffs {
	unsigned int nr;
	unsigned int room;
	u64 first[8];
	u64 last[8];
};

/* As an ioctl does it: what has no room is asked for again. */
static bool note_diff(u64 first, u64 last, void *arg)
{
	struct diffs *diffs = arg;

	if (diffs->nr == diffs->room)
		return false;
	diffs->first[diffs->nr] = first;
	diffs->last[diffs->nr++] = last;
	return true;
}

static void diff(struct ptree_test *t, const struct ptree *a,
		 const struct ptree *b, u64 first, u64 last,
		 struct diffs *diffs)
{
	struct diffs other = { .room = ARRAY_SIZE(other.first) };
	unsigned int i;

	*diffs = other;
	CHECK(t, ptree_diff(a, b, first, last, note_diff, diffs));
	/* To differ is mutual. */
	CHECK(t, ptree_diff(b, a, first, last, note_diff, &other));
	CHECK(t, diffs->nr == other.nr);
	for (i = 0; i < other.nr; i++)
		CHECK(t, diffs->first[i] == other.first[i] &&
		      diffs->last[i] == other.last[i]);
}

static bool is_run(const struct diffs *diffs, unsigned int i, u64 first,
		   u64 last)
{
	return i < diffs->nr && diffs->first[i] == first &&
	       diffs->last[i] == last;
}

static bool no_diff(u64 first, u64 last, void *arg)
{
	unsigned int *calls = arg;

	++*calls;
	return true;
}

/* Nothing differs from itself, and empty trees do not differ. */
static void case_diff_same(struct ptree_test *t)
{
	struct ptree a = {}, b = {};
	unsigned int calls = 0;

	CHECK(t, ptree_diff(&a, &b, 0, ~0ULL, no_diff, &calls));
	fill(t, &a, 5, 700);
	put_page_at(t, &a, LAST, false);
	CHECK(t, ptree_diff(&a, &a, 0, ~0ULL, no_diff, &calls));
	CHECK(t, !ptree_clone(&a, 0, LAST, NULL, &b));
	CHECK(t, ptree_diff(&a, &b, 0, ~0ULL, no_diff, &calls));
	/* Copied on the way to a write that did not happen: same content. */
	mark_at(t, &b, 77);
	CHECK(t, a.root != b.root);
	CHECK(t, ptree_diff(&a, &b, 0, ~0ULL, no_diff, &calls));
	CHECK(t, ptree_diff(&a, &b, 100, 99, no_diff, &calls));
	CHECK(t, !calls);
	drop_tree(&a);
	drop_tree(&b);
}

/* Written, removed and added slots, as runs that are as long as can be. */
static void case_diff_runs(struct ptree_test *t)
{
	struct ptree a = {}, b;
	struct diffs diffs;

	fill(t, &a, 0, 2000);
	CHECK(t, !ptree_clone(&a, 0, LAST, NULL, &b));
	put_page_at(t, &b, 0, false);
	fill(t, &b, 510, 513);
	erase(t, &b, 514, 520);
	put_page_at(t, &b, 522, false);
	fill(t, &b, 2001, 2003);
	diff(t, &a, &b, 0, ~0ULL, &diffs);
	CHECK(t, diffs.nr == 4);
	CHECK(t, is_run(&diffs, 0, 0, 0));
	CHECK(t, is_run(&diffs, 1, 510, 520));
	CHECK(t, is_run(&diffs, 2, 522, 522));
	CHECK(t, is_run(&diffs, 3, 2001, 2003));
	/* Runs are cut at the ends of the range. */
	diff(t, &a, &b, 511, 519, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 511, 519));
	diff(t, &a, &b, 1, 509, &diffs);
	CHECK(t, diffs.nr == 0);
	diff(t, &a, &b, 521, 2001, &diffs);
	CHECK(t, diffs.nr == 2 && is_run(&diffs, 1, 2001, 2001));
	drop_tree(&a);
	drop_tree(&b);
}

/* Trees of different heights, at different places, and the empty one. */
static void case_diff_shapes(struct ptree_test *t)
{
	struct ptree a = {}, b = {}, none = {}, part;
	struct diffs diffs;

	fill(t, &a, 40, 50);
	put_page_at(t, &b, LAST, false);
	put_page_at(t, &b, 1ULL << 40, false);
	diff(t, &a, &none, 0, ~0ULL, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 40, 50));
	diff(t, &b, &none, 1, LAST - 1, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 1ULL << 40, 1ULL << 40));
	diff(t, &a, &b, 0, ~0ULL, &diffs);
	CHECK(t, diffs.nr == 3 && is_run(&diffs, 0, 40, 50));
	CHECK(t, is_run(&diffs, 2, LAST, LAST));
	diff(t, &a, &b, 51, (1ULL << 40) - 1, &diffs);
	CHECK(t, diffs.nr == 0);
	/* A low tree inside a high one that shares its only leaf. */
	fill(t, &b, 64, 79);
	CHECK(t, !ptree_clone(&b, 64, 79, NULL, &part));
	CHECK(t, part.level == 0 && b.level == PTREE_MAX_LEVELS - 1);
	diff(t, &b, &part, 0, LAST - 1, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 1ULL << 40, 1ULL << 40));
	put_page_at(t, &part, 70, false);
	diff(t, &b, &part, 0, 1ULL << 39, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 70, 70));
	drop_tree(&a);
	drop_tree(&b);
	drop_tree(&part);
}

/* Full nodes against holes: one run, in part and across their borders. */
static void case_diff_full(struct ptree_test *t)
{
	struct ptree a = {}, b = {};
	struct diffs diffs;

	fill(t, &a, 16, 4095);
	put_page_at(t, &a, 1ULL << 30, false);
	fill(t, &b, 8192, 8193);
	diff(t, &a, &b, 0, 1ULL << 20, &diffs);
	CHECK(t, diffs.nr == 2 && is_run(&diffs, 0, 16, 4095));
	CHECK(t, is_run(&diffs, 1, 8192, 8193));
	diff(t, &a, &b, 700, 1300, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 700, 1300));
	/* All that is below the root of the one, nothing in the other. */
	erase(t, &a, 0, 511);
	erase(t, &a, 1024, LAST);
	CHECK(t, a.level == 1 && ptree_populated(&a) == 512);
	drop_tree(&b);
	diff(t, &a, &b, 0, LAST, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 512, 1023));
	diff(t, &a, &b, 600, 601, &diffs);
	CHECK(t, diffs.nr == 1 && is_run(&diffs, 0, 600, 601));
	drop_tree(&a);
}

/* A walk that was stopped goes on where it was, and misses nothing. */
static void case_diff_resume(struct ptree_test *t)
{
	struct diffs diffs = { .room = 2 };
	struct ptree a = {}, none = {};
	unsigned int i, calls = 0;
	u64 from = 0, expected;
	bool done = false;

	for (expected = 3; expected < 1000; expected += 100)
		fill(t, &a, expected, expected + 1);
	for (expected = 3; !done && calls < 10; calls++) {
		diffs.nr = 0;
		done = ptree_diff(&a, &none, from, LAST, note_diff, &diffs);
		for (i = 0; i < diffs.nr; i++, expected += 100)
			CHECK(t, is_run(&diffs, i, expected, expected + 1));
		from = diffs.last[1] + 1;
	}
	CHECK(t, done && expected == 1003 && calls == 5);
	drop_tree(&a);
}

static bool is_alone(struct ptree_test *t, const struct ptree *tree, u64 index)
{
	struct ptree_slot slot;

	ptree_inspect(tree, index, &slot);
	CHECK(t, slot.desc == ptree_lookup(tree, index));
	return slot.alone;
}

/* Shared nodes, shared descriptors below own nodes, and holes: not alone. */
static void case_alone(struct ptree_test *t)
{
	struct ptree tree = {}, clone;
	long nodes;

	CHECK(t, !is_alone(t, &tree, 0));
	fill(t, &tree, 0, 1023);
	CHECK(t, is_alone(t, &tree, 0) && is_alone(t, &tree, 1023));
	CHECK(t, !is_alone(t, &tree, 1024) && !is_alone(t, &tree, LAST));
	CHECK(t, !ptree_clone(&tree, 0, 1000, NULL, &clone));
	CHECK(t, !is_alone(t, &tree, 0) && !is_alone(t, &clone, 1000));
	CHECK(t, is_alone(t, &tree, 1001));
	put_page_at(t, &clone, 20, false);
	nodes = live_nodes();
	CHECK(t, is_alone(t, &clone, 20) && is_alone(t, &tree, 20));
	CHECK(t, !is_alone(t, &clone, 21) && !is_alone(t, &tree, 21));
	CHECK(t, live_nodes() == nodes);
	drop_tree(&clone);
	CHECK(t, is_alone(t, &tree, 21) && is_alone(t, &tree, 500));
	drop_tree(&tree);
}

const struct test_case diff_cases[] = {
	{ "a tree and itself", case_diff_same },
	{ "runs that differ", case_diff_runs },
	{ "trees of different shapes", case_diff_shapes },
	{ "full nodes and holes", case_diff_full },
	{ "stop and go on", case_diff_resume },
	{ "whose a slot is", case_alone },
	{}
};
