// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: ranges and clones.
 *
 * A range is removed in two steps. The first makes the nodes exclusive that
 * the range covers in part, at most one path for each of its two ends; it may
 * run out of memory, and leaves the same content. The second cuts everything
 * off those nodes that the range covers whole, and cannot fail. What was cut
 * off is freed later and elsewhere, so neither depends on the width of the
 * range or on what was in it.
 *
 * Only nodes with something to remove are touched: both ends are first moved
 * inwards to the outermost pages of the range.
 *
 * A clone is one more count on the lowest node that covers its content,
 * followed by the removal of what is outside of its range, which copies edges.
 */
#include <linux/errno.h>
#include <linux/prefetch.h>
#include <linux/sched.h>

#include "page_tree_internal.h"

/* Nodes or descriptors freed between two chances to be rescheduled. */
#define REAP_BATCH	32

/*
 * Searching
 */

/**
 * ptree_next_data() - find the first populated slot of a range
 * @tree: the tree
 * @from: first slot to look at
 * @last: last slot to look at
 * @found: receives the slot
 *
 * Context: Writers of @tree are excluded.
 * Return: true if there is one.
 */
bool ptree_next_data(const struct ptree *tree, u64 from, u64 last, u64 *found)
{
	const struct ptree_node *node;
	unsigned int level, slot, width;

	from = max(from, tree->prefix);
	while (tree->root && from <= last && ptree_covers(tree, from)) {
		node = tree->root;
		for (level = tree->level;; level--) {
			slot = ptree_offset(from, level);
			width = ptree_width(level);
			if (!node->child[slot]) {
				while (++slot < width && !node->child[slot])
					;
				if (slot == width)
					break;
				from &= ~ptree_span_mask(level);
				from |= (u64)slot << ptree_shift(level);
			}
			if (!level) {
				*found = from;
				return from <= last;
			}
			node = node->child[slot];
		}
		/* Nothing in the rest of this node; no node is empty. */
		from = (from | ptree_span_mask(level)) + 1;
	}
	return false;
}

/* The same from the other end: the last populated slot of a range. */
static bool prev_data(const struct ptree *tree, u64 first, u64 from,
		      u64 *found)
{
	const struct ptree_node *node;
	unsigned int level;
	int slot;

	from = min(from, tree->prefix | ptree_span_mask(tree->level));
	while (tree->root && from >= first && ptree_covers(tree, from)) {
		node = tree->root;
		for (level = tree->level;; level--) {
			slot = ptree_offset(from, level);
			if (!node->child[slot]) {
				while (--slot >= 0 && !node->child[slot])
					;
				if (slot < 0)
					break;
				from &= ~ptree_span_mask(level);
				from |= ((slot + 1ULL) << ptree_shift(level)) - 1;
			}
			if (!level) {
				*found = from;
				return from >= first;
			}
			node = node->child[slot];
		}
		from &= ~ptree_span_mask(level);
		if (!from)
			break;
		from--;
	}
	return false;
}

/*
 * Bits of the indexes around @index that are known to be populated, or -1 when
 * @index is a hole.
 */
static int populated_bits(const struct ptree *tree, u64 index)
{
	const struct ptree_node *node = tree->root;
	unsigned int level;

	if (!node || !ptree_covers(tree, index))
		return -1;
	for (level = tree->level;; level--) {
		if (node->pages > ptree_span_mask(level))
			return ptree_shift(level + 1);
		if (!node->child[ptree_offset(index, level)])
			return -1;
		if (!level)
			return 0;
		node = node->child[ptree_offset(index, level)];
	}
}

/**
 * ptree_next_hole() - find the first empty slot of a range
 * @tree: the tree
 * @from: first slot to look at
 * @last: last slot to look at
 * @found: receives the slot
 *
 * Context: Writers of @tree are excluded.
 * Return: true if there is one.
 */
bool ptree_next_hole(const struct ptree *tree, u64 from, u64 last, u64 *found)
{
	int bits;

	while (from <= last) {
		bits = populated_bits(tree, from);
		if (bits < 0) {
			*found = from;
			return true;
		}
		from = ((from >> bits) + 1) << bits;
	}
	return false;
}

/*
 * Giving back
 */

static void dead_add_node(struct ptree_dead *dead, struct ptree_node *node)
{
	if (ptree_ref_drop(&node->refs)) {
		node->next_dead = dead->nodes;
		dead->nodes = node;
	}
}

/* A dead descriptor needs no index any more: it becomes the link. */
static void dead_add_desc(struct ptree_dead *dead, struct ptree_desc *desc)
{
	if (ptree_ref_drop(&desc->leaves)) {
		desc->index = (unsigned long)dead->descs;
		dead->descs = desc;
	}
}

static void leaf_drop(struct ptree_node *leaf)
{
	unsigned int i;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++)
		prefetchw(leaf->desc[i]);
	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		if (leaf->desc[i])
			ptree_desc_put(leaf->desc[i]);
	}
}

/*
 * Free one dead thing. The children of a node that die with it join the chain,
 * which serves as the stack of the walk.
 */
static bool dead_free_one(struct ptree_dead *dead)
{
	struct ptree_node *node = dead->nodes;
	struct ptree_desc *desc = dead->descs;
	unsigned int i, width;

	if (desc) {
		dead->descs = (struct ptree_desc *)(unsigned long)desc->index;
		ptree_desc_free(desc);
		return true;
	}
	if (!node)
		return false;
	dead->nodes = node->next_dead;
	if (node->level) {
		width = ptree_width(node->level);
		for (i = 0; i < width; i++)
			prefetchw(node->child[i]);
		for (i = 0; i < width; i++) {
			if (node->child[i])
				dead_add_node(dead, node->child[i]);
		}
	} else {
		leaf_drop(node);
	}
	ptree_node_free(node);
	return true;
}

/**
 * ptree_reap() - free what was cut off trees
 * @dead: the collection, empty afterwards
 *
 * Context: Process context, no locks. Sleeps.
 */
void ptree_reap(struct ptree_dead *dead)
{
	unsigned int done = 0;

	while (dead_free_one(dead)) {
		if (!(++done % REAP_BATCH))
			cond_resched();
	}
}

/**
 * ptree_clear() - empty a tree
 * @tree: the tree
 * @dead: receives what only this tree reached
 *
 * Context: The owner of the tree excludes everybody else from it. Constant
 * time.
 */
void ptree_clear(struct ptree *tree, struct ptree_dead *dead)
{
	if (tree->root)
		dead_add_node(dead, tree->root);
	tree->root = NULL;
	tree->prefix = 0;
	tree->level = 0;
}

/*
 * Removing a range
 */

/* Whether [first, last] covers the whole node of @level around @at. */
static bool node_covered(u64 at, unsigned int level, u64 first, u64 last)
{
	u64 mask = ptree_span_mask(level);

	/* The top level spans more than there are indexes. */
	return first <= (at & ~mask) &&
	       last >= min_t(u64, at | mask, PTREE_MAX_INDEX);
}

/* Own the nodes around the page at @at that the range covers in part. */
static int edge_own(struct ptree *tree, u64 at, u64 first, u64 last,
		    struct ptree_stash *stash)
{
	struct ptree_node *node, **link = &tree->root;
	unsigned int level = tree->level;

	while (!node_covered(at, level, first, last)) {
		node = ptree_node_own(link, stash);
		if (!node)
			return -ENOMEM;
		if (!level)
			break;
		link = &node->child[ptree_offset(at, level)];
		level--;
	}
	return 0;
}

/* Empty all slots of @node that the range covers whole; returns the pages. */
static u64 slots_cut(struct ptree_node *node, u64 start, u64 first, u64 last,
		     struct ptree_dead *dead)
{
	unsigned int level = node->level, shift = ptree_shift(level);
	u64 slot = 0, end = ptree_width(level), pages = 0;

	if (first > start)
		slot = (first - start + (1ULL << shift) - 1) >> shift;
	if (last < (start | ptree_span_mask(level)))
		end = (last - start + 1) >> shift;
	for (; slot < end; slot++) {
		if (!node->child[slot])
			continue;
		if (level) {
			pages += node->child[slot]->pages;
			dead_add_node(dead, node->child[slot]);
		} else {
			pages++;
			dead_add_desc(dead, node->desc[slot]);
		}
		ptree_slot_cleared(node, slot);
	}
	return pages;
}

/*
 * Remove [first, last] from the nodes around @at that it covers in part, from
 * the bottom up, and those nodes that become empty.
 */
static void edge_cut(struct ptree *tree, u64 at, u64 first, u64 last,
		     struct ptree_dead *dead)
{
	struct ptree_node *path[PTREE_MAX_LEVELS + 1], *node = tree->root;
	unsigned int slot, level = tree->level;
	u64 pages = 0;

	path[level + 1] = NULL;
	while (node && !node_covered(at, level, first, last)) {
		path[level] = node;
		if (!level--)
			break;
		node = node->child[ptree_offset(at, level + 1)];
	}
	while (++level <= tree->level) {
		node = path[level];
		pages += slots_cut(node, at & ~ptree_span_mask(level), first,
				   last, dead);
		node->pages -= pages;
		slot = ptree_offset(at, level + 1);
		if (!node->nr) {
			if (path[level + 1])
				ptree_slot_cleared(path[level + 1], slot);
			else
				tree->root = NULL;
			ptree_node_free(node);
		} else if (!node->marks && path[level + 1]) {
			path[level + 1]->marks &= ~BIT_ULL(slot);
		}
	}
}

/**
 * ptree_erase() - make a range empty
 * @tree: the tree
 * @first: its first slot
 * @last: its last slot
 * @stash: used when memory is not to be had at once; may be NULL
 * @dead: receives what only this tree reached
 *
 * Context: The owner of the tree excludes everybody else from it. Takes time
 * in proportion to the height of the tree.
 * Return: 0 or -ENOMEM, and then the content is as it was.
 */
int ptree_erase(struct ptree *tree, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree_dead *dead)
{
	u64 low, high;

	last = min_t(u64, last, PTREE_MAX_INDEX);
	if (!ptree_next_data(tree, first, last, &low) ||
	    !prev_data(tree, low, last, &high))
		return 0;
	if (node_covered(tree->prefix, tree->level, first, last)) {
		ptree_clear(tree, dead);
		return 0;
	}
	if (edge_own(tree, low, first, last, stash) ||
	    edge_own(tree, high, first, last, stash))
		return -ENOMEM;
	edge_cut(tree, low, first, last, dead);
	edge_cut(tree, high, first, last, dead);
	ptree_trim(tree);
	return 0;
}

/*
 * Cloning
 */

/* Restrict a clone that shares a node with its origin to [first, last]. */
static int clone_clip(struct ptree *clone, u64 first, u64 last,
		      struct ptree_stash *stash)
{
	struct ptree_dead dead = {};
	int err = 0;

	if (first)
		err = ptree_erase(clone, 0, first - 1, stash, &dead);
	if (!err && last < PTREE_MAX_INDEX)
		err = ptree_erase(clone, last + 1, PTREE_MAX_INDEX, stash,
				  &dead);
	if (err)
		ptree_clear(clone, &dead);
	/* All the origin's is still the origin's: at most two paths are here. */
	while (dead_free_one(&dead))
		;
	return err;
}

/* Whether [first, last] has all the content of a tree that is not empty. */
static bool has_all(const struct ptree *tree, u64 first, u64 last)
{
	u64 found;

	if (first > tree->prefix && ptree_next_data(tree, 0, first - 1, &found))
		return false;
	return last >= (tree->prefix | ptree_span_mask(tree->level)) ||
	       !ptree_next_data(tree, last + 1, PTREE_MAX_INDEX, &found);
}

/**
 * ptree_clone() - give the content of a range to another tree
 * @tree: the tree
 * @first: first slot of the range
 * @last: last slot of the range
 * @stash: used when memory is not to be had at once; may be NULL
 * @clone: becomes a tree with the same content at the same indexes in the
 *         range and nothing outside; it must be empty
 *
 * The marks of the range must be gone. Those that ptree_clear_marks() was told
 * to keep may stay if the caller stores a descriptor of the clone's own in each
 * such slot of the clone, before anything else is done with either tree: that
 * makes the paths of the marks exclusive again.
 *
 * Context: The owner of @tree excludes everybody else from it.
 * Return: 0, or -ENOMEM and then @clone is empty. @tree is as it was.
 */
int ptree_clone(struct ptree *tree, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree *clone)
{
	struct ptree_node *node = tree->root;
	unsigned int level = tree->level;
	u64 low, high;

	*clone = (struct ptree){};
	last = min_t(u64, last, PTREE_MAX_INDEX);
	if (node && has_all(tree, first, last)) {
		atomic_inc(&node->refs);
		*clone = *tree;
		return 0;
	}
	if (!ptree_next_data(tree, first, last, &low) ||
	    !prev_data(tree, low, last, &high))
		return 0;
	while (level && !((low ^ high) >> ptree_shift(level))) {
		node = node->child[ptree_offset(low, level)];
		level--;
	}
	atomic_inc(&node->refs);
	clone->root = node;
	clone->level = level;
	clone->prefix = low & ~ptree_span_mask(level);
	return clone_clip(clone, first, last, stash);
}
