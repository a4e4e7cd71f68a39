// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: marks.
 *
 * An interior slot is marked when anything below it is, so a walk goes to marks
 * and nowhere else.
 */
#include <linux/bitops.h>
#include <linux/sched.h>

#include "page_tree_internal.h"

/**
 * struct mark_walk - a walk over the marked nodes of a range
 * @first: first slot of the range
 * @last: last slot of the range
 * @at: first index below the current node
 * @level: level of the current node
 * @path: the nodes from the current one up
 * @todo: for each of them the marked slots not visited yet
 *
 * It goes down to level 1. Leaves are visited from there: with few marks, each
 * in a leaf of its own, there are more of them than of all others.
 */
struct mark_walk {
	u64 first;
	u64 last;
	u64 at;
	unsigned int level;
	struct ptree_node *path[PTREE_MAX_LEVELS];
	u64 todo[PTREE_MAX_LEVELS];
};

/* Whether part of the node of @level at @at is outside of the range. */
static inline bool mark_walk_clips(const struct mark_walk *walk, u64 at,
				   unsigned int level)
{
	return walk->first > at || walk->last < (at | ptree_span_mask(level));
}

/* The marks of a node that reach into the range. */
static u64 marks_within(const struct mark_walk *walk, u64 at,
			unsigned int level, u64 marks)
{
	unsigned int shift = ptree_shift(level);

	if (walk->first > at)
		marks &= ~0ULL << ((walk->first - at) >> shift);
	if (walk->last < (at | ptree_span_mask(level)))
		marks &= ~(~1ULL << ((walk->last - at) >> shift));
	return marks;
}

static inline void mark_walk_enter(struct mark_walk *walk,
				   struct ptree_node *node, unsigned int level)
{
	walk->level = level;
	walk->path[level] = node;
	walk->todo[level] = node->marks;
	if (unlikely(mark_walk_clips(walk, walk->at, level)))
		walk->todo[level] = marks_within(walk, walk->at, level,
						 node->marks);
}

static bool mark_walk_start(struct mark_walk *walk, const struct ptree *tree,
			    u64 first, u64 last)
{
	if (!tree->root || !tree->root->marks || last < tree->prefix ||
	    first > (tree->prefix | ptree_span_mask(tree->level)))
		return false;
	walk->first = first;
	walk->last = last;
	walk->at = tree->prefix;
	mark_walk_enter(walk, tree->root, tree->level);
	return true;
}

/* Go down to the next slot that is to be visited. */
static inline void mark_walk_down(struct mark_walk *walk)
{
	unsigned int level = walk->level;
	unsigned int slot = __ffs64(walk->todo[level]);

	walk->todo[level] &= walk->todo[level] - 1;
	walk->at |= (u64)slot << ptree_shift(level);
	mark_walk_enter(walk, walk->path[level]->child[slot], level - 1);
}

/* Back to the parent; returns the slot of the node that is left. */
static inline unsigned int mark_walk_up(struct mark_walk *walk)
{
	unsigned int slot = ptree_offset(walk->at, ++walk->level);

	walk->at &= ~ptree_span_mask(walk->level);
	return slot;
}

/**
 * struct mark_run - runs of marks being put together
 * @fn: receives complete ones
 * @arg: for @fn
 * @first: first slot of the current run
 * @end: slot after the current run, or 0 when there is none
 */
struct mark_run {
	void (*fn)(u64 first, u64 last, void *arg);
	void *arg;
	u64 first;
	u64 end;
};

static inline void mark_run_add(struct mark_run *run, u64 first, u64 end)
{
	if (run->end != first) {
		if (run->end)
			run->fn(run->first, run->end - 1, run->arg);
		run->first = first;
	}
	run->end = end;
}

static inline void mark_run_leaf(struct mark_run *run, u64 at, u64 marks)
{
	unsigned int low, length;

	while (marks) {
		low = __ffs64(marks);
		length = __ffs64(~(marks >> low));
		mark_run_add(run, at + low, at + low + length);
		marks &= marks + (1ULL << low);
	}
}

/* The leaves below the current node, which is of level 1. */
static void mark_run_leaves(struct mark_run *run, const struct mark_walk *walk)
{
	const bool clips = mark_walk_clips(walk, walk->at, 1);
	const struct ptree_node *node = walk->path[1];
	unsigned int slot;
	u64 todo, at, marks;

	for (todo = walk->todo[1]; todo; todo &= todo - 1) {
		slot = __ffs64(todo);
		at = walk->at + slot * PTREE_LEAF_SLOTS;
		marks = node->child[slot]->marks;
		if (unlikely(clips))
			marks = marks_within(walk, at, 0, marks);
		mark_run_leaf(run, at, marks);
	}
}

/**
 * ptree_visit_marked_runs() - visit the marked slots of a range
 * @tree: the tree
 * @first: first slot of the range
 * @last: last slot of the range
 * @fn: called in ascending order with the first and last slot of each run of
 *      marked slots that are neighbours; must leave the tree alone
 * @arg: for @fn
 *
 * Context: Writers of @tree are excluded.
 */
void ptree_visit_marked_runs(const struct ptree *tree, u64 first, u64 last,
			     void (*fn)(u64 first, u64 last, void *arg),
			     void *arg)
{
	struct mark_run run = { .fn = fn, .arg = arg };
	struct mark_walk walk;

	if (!mark_walk_start(&walk, tree, first, last))
		return;
	for (;;) {
		if (walk.level == 1) {
			mark_run_leaves(&run, &walk);
		} else if (!walk.level) {
			mark_run_leaf(&run, walk.at, walk.todo[0]);
		} else if (walk.todo[walk.level]) {
			mark_walk_down(&walk);
			continue;
		}
		if (walk.level == tree->level)
			break;
		mark_walk_up(&walk);
	}
	if (run.end)
		fn(run.first, run.end - 1, arg);
}

/**
 * struct mark_clear - marks being cleared
 * @keep: asked about each, or NULL
 * @arg: for @keep
 * @need: the nodes on the paths of those that stayed
 */
struct mark_clear {
	bool (*keep)(struct ptree_desc *desc, u64 index, void *arg);
	void *arg;
	struct ptree_need need;
};

/* Those of the marks @marks of a leaf that may go. */
static u64 leaf_ask(struct mark_clear *clear, const struct ptree_node *leaf,
		    u64 marks)
{
	unsigned int slot, kept = 0;
	u64 todo;

	for (todo = marks; todo; todo &= todo - 1) {
		slot = __ffs64(todo);
		if (clear->keep(leaf->desc[slot], leaf->desc[slot]->index,
				clear->arg)) {
			marks &= ~BIT_ULL(slot);
			kept++;
		}
	}
	if (kept) {
		clear->need.descs += kept;
		clear->need.small++;
	}
	return marks;
}

/* Clear the marks @marks of a leaf; true if none is left. */
static inline bool leaf_clear(struct mark_clear *clear, struct ptree_node *leaf,
			      u64 marks)
{
	if (clear->keep)
		marks = leaf_ask(clear, leaf, marks);
	leaf->marks &= ~marks;
	return !leaf->marks;
}

/* The same for all leaves below the current node, which is of level 1. */
static void leaves_clear(struct mark_clear *clear, const struct mark_walk *walk)
{
	const bool clips = mark_walk_clips(walk, walk->at, 1);
	struct ptree_node *leaf, *node = walk->path[1];
	unsigned int slot;
	u64 todo, marks;

	for (todo = walk->todo[1]; todo; todo &= todo - 1) {
		slot = __ffs64(todo);
		leaf = node->child[slot];
		marks = leaf->marks;
		if (unlikely(clips))
			marks = marks_within(walk, walk->at +
					     slot * PTREE_LEAF_SLOTS, 0, marks);
		if (leaf_clear(clear, leaf, marks))
			node->marks &= ~BIT_ULL(slot);
	}
}

static void need_node(struct ptree_need *need, unsigned int level)
{
	if (level == 1)
		need->big++;
	else
		need->small++;
}

/**
 * ptree_clear_marks() - clear the marks of a range
 * @tree: the tree
 * @first: first slot of the range
 * @last: last slot of the range
 * @keep: asked for each marked slot whether its mark must stay; may be NULL,
 *        must leave the tree alone
 * @arg: for @keep
 * @need: receives what it takes to copy the paths of the marks that stayed
 *        once more, with a descriptor for each; may be NULL
 *
 * Context: The owner of the tree excludes everybody else from it.
 * Return: how many marks stayed.
 */
unsigned long ptree_clear_marks(struct ptree *tree, u64 first, u64 last,
				bool (*keep)(struct ptree_desc *desc,
					     u64 index, void *arg),
				void *arg, struct ptree_need *need)
{
	struct mark_clear clear = { .keep = keep, .arg = arg };
	unsigned long before[PTREE_MAX_LEVELS] = {};
	struct ptree_node *node;
	struct mark_walk walk;
	unsigned int slot;

	if (!mark_walk_start(&walk, tree, first, last))
		goto out;
	for (;;) {
		node = walk.path[walk.level];
		if (walk.level == 1) {
			leaves_clear(&clear, &walk);
			cond_resched();
		} else if (!walk.level) {
			leaf_clear(&clear, node, walk.todo[0]);
		} else if (walk.todo[walk.level]) {
			mark_walk_down(&walk);
			before[walk.level] = clear.need.descs;
			continue;
		}
		/* Leaves were counted when they were cleared. */
		if (walk.level && clear.need.descs > before[walk.level])
			need_node(&clear.need, walk.level);
		if (walk.level == tree->level)
			break;
		slot = mark_walk_up(&walk);
		if (!node->marks)
			walk.path[walk.level]->marks &= ~BIT_ULL(slot);
	}
out:
	if (need)
		*need = clear.need;
	return clear.need.descs;
}
