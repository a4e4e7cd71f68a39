// SPDX-License-Identifier: GPL-2.0
/* Unit cases: content moved to other indexes. */
#include <linux/slab.h>

#include "page_tree_cases.h"

/**
 * struct trip - a move, and what was asked on the way
 * @move: the move
 * @dead: its dead
 * @held: the page that must not be taken, or NULL
 * @error: what the copying of it ends with
 * @taken: pages that were taken
 * @copied: pages that were copied
 * @steps: steps that succeeded
 */
struct trip {
	struct ptree_move move;
	struct ptree_dead dead;
	const struct page *held;
	int error;
	unsigned int taken;
	unsigned int copied;
	unsigned int steps;
};

static bool take(struct ptree_desc *desc, void *arg)
{
	struct trip *trip = arg;

	if (desc->page == trip->held)
		return false;
	trip->taken++;
	return true;
}

static int copy(struct ptree_desc *desc, u64 index, struct ptree_desc **copy,
		void *arg)
{
	struct trip *trip = arg;
	struct page *page;

	if (desc->page == trip->held && trip->error)
		return trip->error;
	page = test_page();
	*copy = ptree_desc_alloc(trip->move.stash, index, page);
	if (!*copy) {
		ptree_page_free(page, 0);
		return -ENOMEM;
	}
	trip->copied++;
	return 0;
}

static const struct ptree_mover mover = { .take = take, .copy = copy };

static void trip_start(struct trip *trip, struct ptree *from, u64 src,
		       struct ptree *to, u64 dst, u64 nr)
{
	*trip = (struct trip){
		.move = {
			.from = from,
			.to = to,
			.src = src,
			.dst = dst,
			.left = nr,
			.mover = &mover,
		},
	};
	trip->move.arg = trip;
	trip->move.dead = &trip->dead;
}

static void trip_end(struct ptree_test *t, struct trip *trip)
{
	ptree_reap(&trip->dead);
	CHECK_NULL(t, ptree_validate(trip->move.from));
	CHECK_NULL(t, ptree_validate(trip->move.to));
}

/* All of a move that cannot fail. */
static void move_all(struct ptree_test *t, struct trip *trip,
		     struct ptree *from, u64 src, struct ptree *to, u64 dst,
		     u64 nr)
{
	trip_start(trip, from, src, to, dst, nr);
	while (trip->move.left) {
		if (!CHECK(t, !ptree_move_step(&trip->move)))
			break;
		trip->steps++;
	}
	CHECK(t, trip->move.src == src + nr && trip->move.dst == dst + nr);
	CHECK(t, !ptree_move_step(&trip->move));
	trip_end(t, trip);
}

/* A leaf at the same place in a leaf: the node itself goes, without memory. */
static void case_move_leaf(struct ptree_test *t)
{
	struct ptree from = {}, to = {};
	struct ptree_node *leaf;
	struct page *pages[16];
	struct trip trip;
	unsigned int i;

	fill(t, &from, 16, 31);
	leaf = from.root;
	for (i = 0; i < 16; i++)
		pages[i] = page_at(&from, 16 + i);
	test_fail_allocations(0, ~0UL);
	move_all(t, &trip, &from, 16, &to, 1ULL << 40, 16);
	CHECK(t, trip.steps == 1 && trip.taken == 16);
	CHECK(t, is_zero(&from) && to.root == leaf && to.level == 0);
	for (i = 0; i < 16; i++)
		CHECK(t, page_at(&to, (1ULL << 40) + i) == pages[i]);
	CHECK(t, !test_failed_allocations());
	test_fail_allocations(-1, 0);
	/* Between trees that have more, a leaf being replaced. */
	fill(t, &from, 0, 511);
	fill(t, &to, (1ULL << 40) + 16, (1ULL << 40) + 600);
	mark_at(t, &from, 0);
	mark_at(t, &from, 20);
	mark_at(t, &to, (1ULL << 40) + 33);
	test_fail_allocations(0, ~0UL);
	move_all(t, &trip, &from, 16, &to, (1ULL << 40) + 32, 480);
	CHECK(t, trip.steps == 30 && trip.taken == 480);
	CHECK(t, !test_failed_allocations());
	test_fail_allocations(-1, 0);
	CHECK(t, ptree_populated(&from) == 32 && ptree_populated(&to) == 601);
	CHECK(t, ptree_node_marks(from.root) && !ptree_node_marks(to.root));
	CHECK(t, test_pages_live() == 32 + 601);
	drop_tree(&from);
	drop_tree(&to);
}

/* Another place in the leaf: page by page, and each leaf in two steps. */
static void case_move_shifted(struct ptree_test *t)
{
	struct ptree from = {}, to = {};
	struct page *pages[100];
	struct trip trip;
	unsigned int i;

	fill(t, &from, 10, 109);
	fill(t, &to, 1000, 1300);
	for (i = 0; i < 100; i++)
		pages[i] = page_at(&from, 10 + i);
	mark_at(t, &from, 10);
	mark_at(t, &to, 1112);
	mark_at(t, &to, 1211);
	mark_at(t, &to, 1212);
	move_all(t, &trip, &from, 10, &to, 1112, 100);
	CHECK(t, trip.taken == 100 && !trip.copied && trip.steps == 13);
	CHECK(t, is_zero(&from) && ptree_populated(&to) == 301);
	for (i = 0; i < 100; i++)
		CHECK(t, page_at(&to, 1112 + i) == pages[i]);
	CHECK(t, test_pages_live() == 301);
	/* The mark next to the range is the only one left. */
	CHECK(t, ptree_clear_marks(&to, 0, 1211, NULL, NULL, NULL) == 0);
	CHECK(t, ptree_node_marks(to.root));
	erase(t, &to, 1212, 1212);
	CHECK(t, !ptree_node_marks(to.root));
	drop_tree(&to);
}

/* What relatives see is copied, and stays with them; so is what is held. */
static void case_move_copies(struct ptree_test *t)
{
	struct ptree from = {}, to = {}, clone;
	struct trip trip;
	struct page *held;

	fill(t, &from, 0, 63);
	CHECK(t, !ptree_clone(&from, 0, LAST, NULL, &clone));
	put_page_at(t, &from, 17, false);
	move_all(t, &trip, &from, 0, &to, 4096, 40);
	CHECK(t, trip.taken == 1 && trip.copied == 39);
	CHECK(t, ptree_populated(&from) == 24 && ptree_populated(&to) == 40);
	CHECK(t, ptree_populated(&clone) == 64 && ptree_private(&to) == 40);
	CHECK(t, page_at(&clone, 5) && page_at(&clone, 5) != page_at(&to, 4101));
	/* The last owner of what the other has given away. */
	CHECK(t, ptree_private(&clone) == 40);
	drop_tree(&from);
	held = page_at(&clone, 63);
	trip_start(&trip, &clone, 48, &to, 0, 16);
	trip.held = held;
	CHECK(t, !ptree_move_step(&trip.move));
	CHECK(t, trip.taken == 15 && trip.copied == 1);
	/* Whoever holds it has it until it is reaped. */
	CHECK(t, page_at(&to, 15) != held);
	CHECK(t, test_page_live(test_page_id(held)));
	trip_end(t, &trip);
	CHECK(t, !test_page_live(test_page_id(held)));
	drop_tree(&clone);
	drop_tree(&to);
}

/* Within one tree, to where there is nothing, and in the same leaf. */
static void case_move_within(struct ptree_test *t)
{
	static const u64 where[] = {
		0, 7, 16, 32, 511, 512, 8192, 1ULL << 40, LAST - 15,
	};
	struct ptree tree = {};
	struct page *page;
	struct trip trip;
	unsigned int i;
	u64 at = 3;

	page = put_page_at(t, &tree, at, true);
	for (i = 0; i < ARRAY_SIZE(where); at = where[i++]) {
		move_all(t, &trip, &tree, at, &tree, where[i], 1);
		CHECK(t, tree.level == 0 && page_at(&tree, where[i]) == page);
		CHECK(t, !ptree_node_marks(tree.root));
	}
	drop_tree(&tree);
	fill(t, &tree, 0, 15);
	for (i = 2, at = 0; i < ARRAY_SIZE(where); at = where[i++]) {
		if (where[i] % 16)
			i++;
		move_all(t, &trip, &tree, at, &tree, where[i], 16);
		CHECK(t, tree.level == 0 && ptree_populated(&tree) == 16);
		CHECK(t, tree.prefix == where[i] && live_nodes() == 1);
	}
	/* The other way round, over what is there, and beside it. */
	fill(t, &tree, 0, 1000);
	move_all(t, &trip, &tree, LAST - 15, &tree, 100, 16);
	CHECK(t, ptree_populated(&tree) == 1001 && tree.level == 2);
	move_all(t, &trip, &tree, 10, &tree, 12, 2);
	CHECK(t, ptree_populated(&tree) == 999 && !ptree_lookup(&tree, 11));
	move_all(t, &trip, &tree, 0, &tree, 500, 500);
	CHECK(t, ptree_populated(&tree) == 499);
	CHECK(t, test_pages_live() == 499);
	drop_tree(&tree);
}

/* Holes go as well, each in one step, and leave nodes of no use behind. */
static void case_move_holes(struct ptree_test *t)
{
	struct ptree from = {}, to = {};
	struct ptree_node *leaf;
	struct trip trip;

	put_page_at(t, &from, 5, false);
	put_page_at(t, &from, 1ULL << 50, false);
	put_page_at(t, &from, LAST, false);
	fill(t, &to, 100, 999);
	move_all(t, &trip, &from, 6, &to, 50, (1ULL << 50) - 6);
	CHECK(t, trip.steps == 1 && !trip.taken && is_zero(&to));
	fill(t, &to, 100, 999);
	/* A page, a hole up to a leaf, what is before its page, and that. */
	move_all(t, &trip, &from, 0, &to, 0, (1ULL << 50) + 1);
	CHECK(t, trip.steps == 3 && trip.taken == 2);
	CHECK(t, ptree_populated(&to) == 2 && page_at(&to, 1ULL << 50));
	CHECK(t, from.level == 0 && ptree_populated(&from) == 1);
	move_all(t, &trip, &from, LAST - 2, &to, 2, 3);
	CHECK(t, is_zero(&from) && page_at(&to, 4));
	CHECK(t, page_at(&to, 5) && ptree_populated(&to) == 3);
	drop_tree(&to);
	/* A leaf that begins with a hole is moved whole. */
	put_page_at(t, &from, 4096 + 5, false);
	leaf = from.root;
	move_all(t, &trip, &from, 0, &to, 512, 4096 + 16);
	CHECK(t, trip.steps == 2 && to.root == leaf);
	drop_tree(&to);
}

/* From each place and height to each other. */
static void case_move_shapes(struct ptree_test *t)
{
	static const u64 at[] = { 0, 48, 496, 512, 8192, 1ULL << 30, LAST - 15 };
	struct ptree from = {}, to = {};
	unsigned int i, j;
	struct trip trip;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (j = 0; j < ARRAY_SIZE(at); j++) {
			put_page_at(t, &from, at[i] + 3, false);
			put_page_at(t, &from, 1ULL << 20, false);
			put_page_at(t, &to, at[ARRAY_SIZE(at) - 1 - j], true);
			move_all(t, &trip, &from, at[i], &to, at[j], 16);
			CHECK(t, page_at(&to, at[j] + 3));
			CHECK(t, ptree_populated(&from) == 1);
			move_all(t, &trip, &to, at[j] + 1, &from, at[i], 15);
			CHECK(t, page_at(&from, at[i] + 2));
			CHECK(t, ptree_populated(&from) == 2);
			drop_tree(&from);
			drop_tree(&to);
		}
	}
}

/* One attempt that fails changes nothing; true when it did not fail. */
static bool try_step(struct ptree_test *t, struct trip *trip, long after)
{
	const struct ptree *from = trip->move.from, *to = trip->move.to;
	const u64 populated = ptree_populated(to), left = trip->move.left;
	int err;

	test_fail_allocations(after, 1);
	err = ptree_move_step(&trip->move);
	test_fail_allocations(-1, 0);
	CHECK_NULL(t, ptree_validate(from));
	CHECK_NULL(t, ptree_validate(to));
	if (!err)
		return true;
	CHECK(t, err == -ENOMEM && trip->move.left == left);
	CHECK(t, ptree_populated(to) == populated);
	CHECK(t, !trip->dead.nodes && !trip->dead.descs);
	return false;
}

/* Each allocation fails in turn, of a whole leaf and of parts with copies. */
static void case_move_fails(struct ptree_test *t)
{
	struct ptree from = {}, to = {}, clone;
	struct trip trip;
	long after;

	fill(t, &from, 0, 1000);
	put_page_at(t, &to, 0, true);
	trip_start(&trip, &from, 16, &to, LAST - 31, 16);
	for (after = 0; !try_step(t, &trip, after); after++)
		CHECK(t, live_nodes() == 67 && to.level == 0);
	CHECK(t, after == 2 * PTREE_MAX_LEVELS - 3 && trip.taken == 16);
	trip_end(t, &trip);
	erase(t, &to, 1, LAST);

	CHECK(t, !ptree_clone(&from, 0, LAST, NULL, &clone));
	trip_start(&trip, &from, 32, &to, LAST - 15, 16);
	for (after = 0; !try_step(t, &trip, after); after++)
		CHECK(t, test_pages_live() == 986 && to.level == 0);
	/* Two paths to make, one to copy, and 16 pages. */
	CHECK(t, after > 2 * PTREE_MAX_LEVELS && trip.move.left == 0);
	trip_end(t, &trip);
	CHECK(t, page_at(&to, LAST) && page_at(&clone, 47));
	CHECK(t, !ptree_lookup(&from, 47));
	drop_tree(&clone);
	drop_tree(&from);
	drop_tree(&to);
}

/* An error of the mover ends the step, and copies made for it are gone. */
static void case_move_refused(struct ptree_test *t)
{
	struct ptree from = {}, to = {}, clone;
	struct trip trip;

	fill(t, &from, 0, 31);
	CHECK(t, !ptree_clone(&from, 0, 7, NULL, &clone));
	put_page_at(t, &to, 9, true);
	trip_start(&trip, &from, 0, &to, 0, 32);
	trip.held = page_at(&from, 9);
	trip.error = -EIO;
	CHECK(t, ptree_move_step(&trip.move) == -EIO);
	CHECK(t, trip.copied == 8 && trip.move.left == 32);
	CHECK(t, ptree_populated(&from) == 32 && ptree_populated(&to) == 1);
	CHECK(t, test_pages_live() == 33 && ptree_node_marks(to.root));
	trip.error = 0;
	CHECK(t, !ptree_move_step(&trip.move) && !ptree_move_step(&trip.move));
	CHECK(t, trip.move.left == 0 && is_zero(&from));
	trip_end(t, &trip);
	/* The same with a whole leaf, and into nothing. */
	trip_start(&trip, &to, 16, &from, LAST - 15, 16);
	trip.held = page_at(&to, 31);
	trip.error = -EIO;
	CHECK(t, ptree_move_step(&trip.move) == -EIO && is_zero(&from));
	CHECK(t, ptree_populated(&to) == 32);
	CHECK(t, ptree_lookup(&to, 20)->index == 20);
	trip_end(t, &trip);
	drop_tree(&to);
	drop_tree(&clone);
}

/* A step at the widest needs no more than what is set aside for two paths. */
static void case_move_stash(struct ptree_test *t)
{
	struct ptree_stash stash = {};
	struct ptree from = {}, to = {}, clone;
	struct trip trip;

	put_page_at(t, &from, 3, false);
	put_page_at(t, &from, LAST, false);
	put_page_at(t, &to, 0, false);
	CHECK(t, !ptree_clone(&from, 0, LAST, NULL, &clone));
	CHECK(t, !ptree_stash_fill(&stash, 2, GFP_KERNEL));
	test_fail_allocations(0, ~0UL);
	trip_start(&trip, &from, 0, &to, LAST - 100, 4);
	trip.move.stash = &stash;
	CHECK(t, !ptree_move_step(&trip.move));
	test_fail_allocations(-1, 0);
	CHECK(t, trip.copied == 1 && page_at(&to, LAST - 97));
	trip_end(t, &trip);
	ptree_stash_drain(&stash);
	drop_tree(&from);
	drop_tree(&clone);
	drop_tree(&to);
}

const struct test_case move_cases[] = {
	{ "move of a leaf", case_move_leaf },
	{ "move to another place in a leaf", case_move_shifted },
	{ "move of what others see", case_move_copies },
	{ "move within a tree", case_move_within },
	{ "move of holes", case_move_holes },
	{ "move between shapes", case_move_shapes },
	{ "move without memory", case_move_fails },
	{ "move that is refused", case_move_refused },
	{ "move with a stash", case_move_stash },
	{}
};
