// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: where two trees differ.
 *
 * Both trees are followed down together. What is the same node in both has the
 * same content and is passed over, a hole in both as well; so it takes time in
 * proportion to the nodes that differ. Trees of different heights meet at the
 * lowest place that covers them both: above its root a tree has one child.
 */
#include <linux/sched.h>

#include "page_tree_internal.h"

/**
 * struct diff_walk - a walk over two trees
 * @a: one tree
 * @b: the other
 * @node_a: for each level what @a has at the current place, or NULL
 * @node_b: the same for @b
 * @top: level of the place that covers both trees
 * @first: first slot of the range, clipped to that place
 * @last: last slot of the range, clipped to that place
 * @fn: receives complete runs; false ends the walk
 * @arg: for @fn
 * @run: first slot of the current run
 * @end: slot after the current run, or 0 when there is none
 */
struct diff_walk {
	const struct ptree *a;
	const struct ptree *b;
	const struct ptree_node *node_a[PTREE_MAX_LEVELS];
	const struct ptree_node *node_b[PTREE_MAX_LEVELS];
	unsigned int top;
	u64 first;
	u64 last;
	bool (*fn)(u64 first, u64 last, void *arg);
	void *arg;
	u64 run;
	u64 end;
};

/*
 * Find the lowest place that covers both trees; the empty one is anywhere.
 * Returns false if there is nothing to look at.
 */
static bool diff_start(struct diff_walk *walk, const struct ptree *a,
		       const struct ptree *b)
{
	u64 start = a->root ? a->prefix : b->prefix, apart = 0;
	unsigned int top = max(a->level, b->level);

	if (a->root == b->root)
		return false;
	if (a->root && b->root)
		apart = a->prefix ^ b->prefix;
	while (apart >> ptree_shift(top + 1))
		top++;
	start &= ~ptree_span_mask(top);
	if (walk->last < start || walk->first > (start | ptree_span_mask(top)))
		return false;
	walk->a = a;
	walk->b = b;
	walk->node_a[top] = a->root;
	walk->node_b[top] = b->root;
	walk->top = top;
	walk->first = max(walk->first, start);
	walk->last = min(walk->last, start | ptree_span_mask(top));
	return walk->first <= walk->last;
}

/* Slots from @first to before @end differ. */
static bool diff_add(struct diff_walk *walk, u64 first, u64 end)
{
	if (walk->end != first) {
		if (walk->end &&
		    !walk->fn(walk->run, walk->end - 1, walk->arg))
			return false;
		walk->run = first;
	}
	walk->end = end;
	return true;
}

/* As many slots as the widest node has, all with the same marker. */
#define ALL(marker)	{ [0 ... 31] = (struct ptree_node *)(marker) }

/* The slots of a node; a leaf's as well, which are only compared. */
static inline struct ptree_node *const *slots_of(const struct ptree_node *node)
{
	static struct ptree_node *const same[PTREE_MAX_MARKER + 1][32] = {
		ALL(0UL), ALL(1UL), ALL(2UL), ALL(3UL), ALL(4UL), ALL(5UL),
		ALL(6UL), ALL(7UL),
	};

	return ptree_is_pointer(node) ? node->child :
					same[(unsigned long)node];
}

/*
 * No page in one tree and nothing but pages in the other, or no pages at all:
 * that need not be looked at.
 */
static inline bool differs_whole(const struct ptree_node *a,
				 const struct ptree_node *b, unsigned int level)
{
	if (ptree_is_pointer(a) && ptree_is_pointer(b))
		return false;
	if (!ptree_is_pointer(a))
		a = b;
	return !ptree_is_pointer(a) || a->pages > ptree_span_mask(level);
}

/* What two leaves have from @at to before @end, run by run. */
static bool diff_leaf(struct diff_walk *walk, const struct ptree_node *leaf_a,
		      const struct ptree_node *leaf_b, u64 at, u64 end)
{
	struct ptree_node *const *a = slots_of(leaf_a), *const *b = slots_of(leaf_b);
	unsigned int low, slot = ptree_offset(at, 0), stop = slot + (end - at);

	if (differs_whole(leaf_a, leaf_b, 0))
		return diff_add(walk, at, end);
	at -= slot;
	for (; slot < stop; slot++) {
		low = slot;
		while (slot < stop && a[slot] != b[slot])
			slot++;
		if (slot > low && !diff_add(walk, at + low, at + slot))
			return false;
	}
	return true;
}

/*
 * The same for all leaves below two nodes. Most of what a walk meets are
 * leaves, so they are not visited like other nodes.
 */
static bool diff_leaves(struct diff_walk *walk, u64 at, u64 end)
{
	struct ptree_node *const *a = slots_of(walk->node_a[1]);
	struct ptree_node *const *b = slots_of(walk->node_b[1]);
	unsigned int slot = ptree_offset(at, 1);
	u64 next;

	for (; at < end; at = next, slot++) {
		next = (at | ptree_span_mask(0)) + 1;
		if (a[slot] != b[slot] &&
		    !diff_leaf(walk, a[slot], b[slot], at, min(next, end)))
			return false;
	}
	return true;
}

static inline bool above_root(const struct ptree_node *node, unsigned int level)
{
	return ptree_is_pointer(node) && node->level < level;
}

/*
 * From *@at on, which is in the interior place of @level, go to the first child
 * that is not the same in both trees. Returns false if there is none.
 */
static bool diff_down(struct diff_walk *walk, u64 *at, unsigned int level)
{
	unsigned int slot = ptree_offset(*at, level), width = ptree_width(level);
	const struct ptree_node *a = walk->node_a[level], *child_a = NULL;
	const struct ptree_node *b = walk->node_b[level], *child_b = NULL;
	u64 start = *at & ~ptree_span_mask(level);

	for (; slot < width; slot++) {
		child_a = ptree_child_at(walk->a, a, level, slot);
		child_b = ptree_child_at(walk->b, b, level, slot);
		if (child_a != child_b)
			break;
	}
	*at = max(*at, start + ((u64)slot << ptree_shift(level)));
	walk->node_a[level - 1] = child_a;
	walk->node_b[level - 1] = child_b;
	return slot < width;
}

/*
 * Visit the current place from @at to before @end, at a stretch. Returns false
 * if the walk is to end.
 */
static bool diff_visit(struct diff_walk *walk, unsigned int level, u64 at,
		       u64 end)
{
	const struct ptree_node *a = walk->node_a[level];
	const struct ptree_node *b = walk->node_b[level];

	if (differs_whole(a, b, level))
		return diff_add(walk, at, end);
	if (!level)
		return diff_leaf(walk, a, b, at, end);
	cond_resched();
	return diff_leaves(walk, at, end);
}

/* Whether the current place is more than diff_visit() can do. */
static bool is_interior(const struct diff_walk *walk, unsigned int level)
{
	const struct ptree_node *a = walk->node_a[level];
	const struct ptree_node *b = walk->node_b[level];

	if (level < 2)
		return level && (above_root(a, 1) || above_root(b, 1));
	return !differs_whole(a, b, level);
}

static bool diff_run(struct diff_walk *walk)
{
	unsigned int level = walk->top;
	u64 end, at = walk->first;

	do {
		if (!is_interior(walk, level)) {
			end = min(at | ptree_span_mask(level), walk->last) + 1;
			if (!diff_visit(walk, level, at, end))
				return false;
			at = end;
		} else if (diff_down(walk, &at, level)) {
			level--;
			continue;
		}
		while (at <= walk->last && !(at & ptree_span_mask(level)))
			level++;
	} while (at <= walk->last);
	return !walk->end || walk->fn(walk->run, walk->end - 1, walk->arg);
}

/**
 * ptree_diff() - find where two trees differ
 * @a: one tree
 * @b: the other; may be empty, and need not be a relative
 * @first: first slot of the range to look at
 * @last: last slot of the range to look at
 * @fn: called in ascending order with the first and last slot of each run of
 *      slots that differ, as long as it can be within the range; must leave
 *      both trees alone. False ends the walk
 * @arg: for @fn
 *
 * A slot differs when the trees name different descriptors there, have different
 * markers, or only one of them has anything. That the pages have equal content is not looked at.
 *
 * A walk that was ended goes on with @first after the last run, or with its
 * beginning if that run has yet to be dealt with.
 *
 * Context: Process context, sleeps. Writers of both trees are excluded. Takes
 * time in proportion to the nodes that are not the same in both trees, plus the
 * height. What only one tree has, and completely, counts as one node.
 * Return: true if @fn always returned true.
 */
bool ptree_diff(const struct ptree *a, const struct ptree *b, u64 first,
		u64 last, bool (*fn)(u64 first, u64 last, void *arg), void *arg)
{
	struct diff_walk walk = {
		.first = first,
		.last = min_t(u64, last, PTREE_MAX_INDEX),
		.fn = fn,
		.arg = arg,
	};

	return !diff_start(&walk, a, b) || diff_run(&walk);
}
