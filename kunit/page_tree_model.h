/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the model test share; see page_tree_model.c. */
#ifndef PAGE_TREE_MODEL_H
#define PAGE_TREE_MODEL_H

#include <linux/bits.h>

#include "page_tree_test.h"

#define MEMBERS		8
#define SLOTS		480
/* What is in a slot: a page, nothing, or a marker */
#define NO_PAGE		TEST_PAGES
#define MARKER(n)	(NO_PAGE + (n))

/* Nodes and descriptors by address; more buckets than there can be objects */
#define OBJECT_BITS	15
#define OBJECTS		BIT(OBJECT_BITS)

/**
 * struct object - a node or a descriptor met while counts are checked
 * @address: of it
 * @round: the check it was met in; others are stale
 * @parents: how many point to it
 * @count: what it counts itself
 */
struct object {
	const void *address;
	u64 round;
	unsigned int parents;
	unsigned int count;
};

/**
 * struct model - the state of a run
 * @test: where failures go
 * @result: what happened
 * @rng: state of the random numbers
 * @index: for each slot its tree index
 * @tree: the members; all zero when empty
 * @page: for each member and slot the page seen there, NO_PAGE, or a MARKER()
 * @mark: for each member and slot whether it has a mark
 * @cells: for each page how many slots see it
 * @scratch: for the scaled size
 * @object: all nodes and descriptors, while counts are checked
 * @round: number of that check
 * @nr_nodes: different nodes found
 * @nr_descs: different descriptors found
 * @seen: slots in the runs that were reported
 * @next_run: index at which the next run may start
 * @runs_left: how many more runs are wanted, 0 for all
 * @copy: for each slot the copy that a step of a move made for it, or NO_PAGE
 * @stash: for that copy
 * @keep: which marks a clone is to keep: one slot in this many, 0 for none
 */
struct model {
	struct ptree_test *test;
	struct model_result *result;
	u64 rng;
	u64 index[SLOTS];
	struct ptree tree[MEMBERS];
	u16 page[MEMBERS][SLOTS];
	bool mark[MEMBERS][SLOTS];
	u16 cells[TEST_PAGES];
	struct ptree_scratch *scratch;
	struct object object[OBJECTS];
	u64 round;
	long nr_nodes;
	long nr_descs;
	bool seen[SLOTS];
	u64 next_run;
	unsigned int runs_left;
	u16 copy[SLOTS];
	struct ptree_stash *stash;
	unsigned int keep;
};

static inline bool is_page(unsigned int id)
{
	return id < NO_PAGE;
}

/* As a lookup tells it, which does not know markers */
static inline unsigned int as_page(unsigned int id)
{
	return is_page(id) ? id : NO_PAGE;
}

enum injection {
	NOTHING,	/* allocations succeed */
	STARVED,	/* some fail, and there is no stash */
	STASHED,	/* all fail, but the stash has enough */
};

/* The first slot whose index is at least @index, or SLOTS. */
static inline unsigned int slot_from(const struct model *m, u64 index)
{
	unsigned int low = 0, high = SLOTS, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (m->index[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline unsigned int rnd(struct model *m, unsigned int below)
{
	return (test_random(&m->rng) >> 32) % below;
}

/* page_tree_model.c */
void model_see(struct model *m, unsigned int who, unsigned int slot,
	       unsigned int id);
enum injection model_inject(struct model *m, struct ptree_stash *stash);
void model_inject_end(struct model *m, struct ptree_stash *stash, int err,
		      enum injection injection);
unsigned int model_slot(struct model *m, unsigned int who);
void model_range(struct model *m, unsigned int *low, unsigned int *high,
		 u64 *first, u64 *last);

void model_clear(struct model *m, unsigned int who);

/* page_tree_model_two.c */
void model_step_graft(struct model *m, unsigned int who);
void model_step_move(struct model *m, unsigned int who);

/* page_tree_model_check.c */
void model_check(struct model *m);

#endif /* PAGE_TREE_MODEL_H */
