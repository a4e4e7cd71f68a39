// SPDX-License-Identifier: GPL-2.0
/*
 * What operations of the page tree cost, for bench.sh to count instructions:
 * each measured operation is a function of its own here. Prints by what to
 * divide the cost of each, and what that is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "page_tree.h"

#define MIB_PAGES	256UL

#define CLONES		100
#define LOOKUPS		1000
#define MARKS		16384UL

static u64 rng;

void ptree_page_free(struct page *page, u32 flags)
{
}

bool ptree_should_fail(void)
{
	return false;
}

static u64 random_page(u64 pages)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return ((rng * 0x2545f4914f6cdd1dULL) >> 20) % pages;
}

/* What a write fault does. */
static inline void write_page(struct ptree *tree, u64 index)
{
	struct ptree_desc *old, *desc;
	struct ptree_cursor cursor;

	if (ptree_cursor_open(&cursor, tree, index, NULL))
		abort();
	old = ptree_cursor_desc(&cursor);
	if (!old || !ptree_desc_exclusive(old)) {
		desc = ptree_desc_alloc(NULL, index, (struct page *)8);
		if (!desc)
			abort();
		old = ptree_cursor_store(&cursor, desc);
		if (old)
			ptree_desc_put(old);
	}
	ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
}

noinline void fresh_sequential(struct ptree *tree, u64 index)
{
	write_page(tree, index);
}

/* What a write() does. */
noinline void fresh_batch(struct ptree *tree, u64 first, u64 last)
{
	struct ptree_cursor cursor;
	struct ptree_desc *desc;

	while (first <= last) {
		if (ptree_cursor_open(&cursor, tree, first, NULL))
			abort();
		do {
			desc = ptree_desc_alloc(NULL, first, (struct page *)8);
			if (!desc || ptree_cursor_store(&cursor, desc))
				abort();
			ptree_cursor_mark(&cursor);
		} while (++first <= last && ptree_cursor_advance(&cursor));
		ptree_cursor_close(&cursor);
	}
}

noinline void first_write_sequential(struct ptree *tree, u64 index)
{
	write_page(tree, index);
}

noinline void first_write_random(struct ptree *tree, u64 index)
{
	write_page(tree, index);
}

noinline void write_again(struct ptree *tree, u64 index)
{
	write_page(tree, index);
}

noinline void one_write_per_clone(struct ptree *tree, u64 index)
{
	write_page(tree, index);
}

noinline void lookup(struct ptree *tree, u64 index)
{
	if (!ptree_lookup(tree, index))
		abort();
}

noinline void lookup_run_16(struct ptree *tree, u64 index)
{
	struct page *pages[16];

	if (ptree_lookup_run(tree, index & ~15ULL, 16, pages) != 16)
		abort();
}

static void run_nothing(u64 first, u64 last, void *arg)
{
}

noinline void visit_marks_dense(struct ptree *tree)
{
	ptree_visit_marked_runs(tree, 0, ~0ULL, run_nothing, NULL);
}

noinline void visit_marks_sparse(struct ptree *tree)
{
	ptree_visit_marked_runs(tree, 0, ~0ULL, run_nothing, NULL);
}

static bool keep_none(struct ptree_desc *desc, u64 index, void *arg)
{
	return false;
}

noinline void clear_marks_dense(struct ptree *tree)
{
	ptree_clear_marks(tree, 0, ~0ULL, NULL, NULL, NULL);
}

noinline void clear_marks_dense_asking(struct ptree *tree)
{
	ptree_clear_marks(tree, 0, ~0ULL, keep_none, NULL, NULL);
}

noinline void clear_marks_sparse(struct ptree *tree)
{
	ptree_clear_marks(tree, 0, ~0ULL, NULL, NULL, NULL);
}

static bool diff_nothing(u64 first, u64 last, void *arg)
{
	return true;
}

noinline void diff_equal(struct ptree *tree, struct ptree *clone)
{
	ptree_diff(tree, clone, 0, ~0ULL, diff_nothing, NULL);
}

noinline void diff_sparse(struct ptree *tree, struct ptree *clone)
{
	ptree_diff(tree, clone, 0, ~0ULL, diff_nothing, NULL);
}

noinline void diff_dense(struct ptree *tree, struct ptree *clone)
{
	ptree_diff(tree, clone, 0, ~0ULL, diff_nothing, NULL);
}

noinline void diff_empty(struct ptree *tree, struct ptree *none)
{
	ptree_diff(tree, none, 0, ~0ULL, diff_nothing, NULL);
}

noinline void clone_whole(struct ptree *tree, u64 pages, struct ptree *clone)
{
	if (ptree_clone(tree, 0, pages - 1, NULL, clone))
		abort();
}

noinline void clone_part(struct ptree *tree, u64 pages, struct ptree *clone)
{
	if (ptree_clone(tree, pages / 3, pages / 3 * 2, NULL, clone))
		abort();
}

noinline void graft_part(struct ptree *to, struct ptree *from, u64 pages)
{
	struct ptree_dead dead = {};

	if (ptree_graft(to, from, pages / 3, pages / 3 * 2, NULL, &dead))
		abort();
	ptree_reap(&dead);
}

static bool take_all(struct ptree_desc *desc, void *arg)
{
	return true;
}

static int copy_none(struct ptree_desc *desc, u64 index,
		     struct ptree_desc **copy, void *arg)
{
	abort();
}

static void move_pages(struct ptree *from, u64 src, struct ptree *to, u64 dst,
		       u64 pages)
{
	const struct ptree_mover mover = { .take = take_all, .copy = copy_none };
	struct ptree_dead dead = {};
	struct ptree_move move = {
		.from = from,
		.to = to,
		.src = src,
		.dst = dst,
		.left = pages,
		.mover = &mover,
		.dead = &dead,
	};

	while (move.left) {
		if (ptree_move_step(&move))
			abort();
	}
}

noinline void move_leaves(struct ptree *from, struct ptree *to, u64 pages)
{
	move_pages(from, 0, to, 1ULL << 30, pages);
}

noinline void move_shifted(struct ptree *from, struct ptree *to, u64 pages)
{
	move_pages(from, 1ULL << 30, to, 5, pages);
}

noinline void erase_part(struct ptree *tree, u64 pages)
{
	struct ptree_dead dead = {};

	if (ptree_erase(tree, pages / 3, pages / 3 * 2, NULL, &dead))
		abort();
	ptree_reap(&dead);
}

noinline void drop_unwritten(struct ptree *tree)
{
	struct ptree_dead dead = {};

	ptree_clear(tree, &dead);
	ptree_reap(&dead);
}

noinline void drop_all(struct ptree *tree)
{
	struct ptree_dead dead = {};

	ptree_clear(tree, &dead);
	ptree_reap(&dead);
}

static void clear_all_marks(struct ptree *tree)
{
	ptree_clear_marks(tree, 0, ~0ULL, NULL, NULL, NULL);
}

static void first_writes(struct ptree *tree, u64 pages)
{
	u64 seed = rng, i, some = pages / 100;
	struct ptree clone, none = {};

	clear_all_marks(tree);
	clone_whole(tree, pages, &clone);
	diff_equal(tree, &clone);
	for (i = 0; i < some; i++)
		first_write_random(tree, random_page(pages));
	diff_sparse(tree, &clone);
	visit_marks_sparse(tree);
	clear_marks_sparse(tree);
	rng = seed;
	for (i = 0; i < some; i++)
		write_again(tree, random_page(pages));
	drop_all(&clone);

	clear_all_marks(tree);
	clone_whole(tree, pages, &clone);
	for (i = 0; i < pages; i++)
		first_write_sequential(tree, i);
	diff_dense(tree, &clone);
	diff_empty(tree, &none);
	drop_all(&clone);
}

/* Part of a clone goes, and comes back. */
static void ranges(struct ptree *tree, u64 pages)
{
	struct ptree clone;
	unsigned int i;

	clear_all_marks(tree);
	for (i = 0; i < CLONES; i++) {
		clone_whole(tree, pages, &clone);
		erase_part(&clone, pages);
		graft_part(&clone, tree, pages);
		drop_unwritten(&clone);
	}
}

/* There and back. */
static void moves(struct ptree *tree, u64 pages)
{
	struct ptree other = {};

	move_leaves(tree, &other, pages);
	move_shifted(&other, tree, pages);
}

static void marks(struct ptree *tree, u64 pages)
{
	u64 i;

	clear_all_marks(tree);
	for (i = 0; i < MARKS; i++)
		write_again(tree, i);
	visit_marks_dense(tree);
	clear_marks_dense(tree);
	for (i = 0; i < MARKS; i++)
		write_again(tree, i);
	clear_marks_dense_asking(tree);
}

static void print_counts(u64 pages)
{
	const struct {
		const char *name;
		u64 count;
		const char *unit;
	} ops[] = {
		{ "fresh_sequential", pages, "page" },
		{ "fresh_batch", pages, "page" },
		{ "first_write_sequential", pages, "page" },
		{ "first_write_random", pages / 100, "page" },
		{ "write_again", pages / 100 + 2 * MARKS, "page" },
		{ "one_write_per_clone", CLONES, "page" },
		{ "lookup", LOOKUPS, "page" },
		{ "lookup_run_16", LOOKUPS, "run" },
		{ "visit_marks_dense", MARKS, "mark" },
		{ "visit_marks_sparse", pages / 100, "mark" },
		{ "clear_marks_dense", MARKS, "mark" },
		{ "clear_marks_dense_asking", MARKS, "mark" },
		{ "clear_marks_sparse", pages / 100, "mark" },
		{ "diff_equal", 1, "tree" },
		{ "diff_sparse", pages / 100, "page" },
		{ "diff_dense", pages, "page" },
		{ "diff_empty", 1, "tree" },
		{ "clone_whole", 3 * CLONES + 2, "clone" },
		{ "clone_part", CLONES, "clone" },
		{ "erase_part", CLONES, "range" },
		{ "graft_part", CLONES, "range" },
		{ "move_leaves", pages, "page" },
		{ "move_shifted", pages, "page" },
		{ "drop_unwritten", 3 * CLONES, "tree" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		printf("%s %llu %s\n", ops[i].name, ops[i].count, ops[i].unit);
}

int main(int argc, char **argv)
{
	u64 i, pages = (argc > 1 ? strtoul(argv[1], NULL, 0) : 64) * MIB_PAGES;
	struct ptree tree = {}, clone;

	rng = 20251;
	if (ptree_caches_create())
		return 2;
	fresh_batch(&tree, 0, pages - 1);
	drop_all(&tree);
	tree = (struct ptree){};
	for (i = 0; i < pages; i++)
		fresh_sequential(&tree, i);
	for (i = 0; i < LOOKUPS; i++)
		lookup(&tree, random_page(pages));
	for (i = 0; i < LOOKUPS; i++)
		lookup_run_16(&tree, random_page(pages));
	first_writes(&tree, pages);
	marks(&tree, pages);
	clear_all_marks(&tree);
	ranges(&tree, pages);
	for (i = 0; i < CLONES; i++) {
		clone_whole(&tree, pages, &clone);
		drop_unwritten(&clone);
	}
	for (i = 0; i < CLONES; i++) {
		clone_part(&tree, pages, &clone);
		drop_unwritten(&clone);
	}
	for (i = 0; i < CLONES; i++) {
		clear_all_marks(&tree);
		clone_whole(&tree, pages, &clone);
		one_write_per_clone(&tree, random_page(pages));
		drop_all(&clone);
	}
	moves(&tree, pages);
	drop_all(&tree);
	ptree_caches_destroy();
	print_counts(pages);
	return 0;
}
