// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: ranges, grafts and clones.
 *
 * The content of a range is replaced in two steps: by nothing, or by what
 * another tree has there. The first makes the nodes exclusive that the range
 * covers in part, at most one path for each of its two ends; it may run out of
 * memory, and leaves the same content. The second exchanges everything below
 * those nodes that the range covers whole, and cannot fail. What was cut off is
 * freed later and elsewhere, so neither depends on the width of the range or on
 * what was in it.
 *
 * Only nodes with something to replace are touched: both ends are first moved
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
 * Giving back
 */

static void leaf_drop(struct ptree_node *leaf)
{
	unsigned int i;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++)
		prefetchw(leaf->desc[i]);
	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		if (ptree_is_pointer(leaf->desc[i]))
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
			if (ptree_is_pointer(node->child[i]))
				ptree_dead_add_node(dead, node->child[i]);
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
		ptree_dead_add_node(dead, tree->root);
	tree->root = NULL;
	tree->prefix = 0;
	tree->level = 0;
}

/*
 * Replacing a range
 */

/**
 * struct range_edge - the nodes around one end of a range
 * @at: outermost page of the range at that end
 * @path: the nodes around it that the range covers in part, by level
 * @source: for each of them what the other tree has in its place, or NULL
 * @pages: by how many pages the node dealt with last has grown
 */
struct range_edge {
	u64 at;
	struct ptree_node *path[PTREE_MAX_LEVELS];
	struct ptree_node *source[PTREE_MAX_LEVELS];
	u64 pages;
};

/**
 * struct range_change - a range that is to get other content
 * @tree: the tree that changes
 * @source: the tree that has the new content; an empty one has holes
 * @first: first slot of the range
 * @last: last slot of the range
 * @low: its lower end
 * @high: its upper end
 * @dead: receives the old content
 */
struct range_change {
	struct ptree *tree;
	struct ptree source;
	u64 first;
	u64 last;
	struct range_edge low;
	struct range_edge high;
	struct ptree_dead *dead;
};

/* Whether the range covers the whole node of @level around @at. */
static bool node_covered(const struct range_change *change, u64 at,
			 unsigned int level)
{
	u64 mask = ptree_span_mask(level);

	/* The top level spans more than there are indexes. */
	return change->first <= (at & ~mask) &&
	       change->last >= min_t(u64, at | mask, PTREE_MAX_INDEX);
}

/*
 * What the source has in the place of the root, or its own root if that is
 * lower. If it has anything then also in the range, which the root covers: the
 * higher of the two covers the other.
 */
static struct ptree_node *source_at_root(const struct range_change *change)
{
	struct ptree_node *node = change->source.root;
	unsigned int level = change->source.level;

	for (; level > change->tree->level && ptree_is_pointer(node); level--)
		node = node->child[ptree_offset(change->tree->prefix, level)];
	return node;
}

/*
 * Own the nodes around one end that the range covers in part, down to where
 * both trees have the same node. Where only the source has something, nodes are
 * created empty.
 */
static int edge_own(const struct range_change *change, struct range_edge *edge,
		    struct ptree_stash *stash)
{
	struct ptree_node *source = source_at_root(change), *node = NULL;
	struct ptree_node **link = &change->tree->root;
	unsigned int slot, level = change->tree->level;

	while (*link != source && !node_covered(change, edge->at, level)) {
		node = ptree_link_own(link, node, level, stash);
		if (!node)
			return -ENOMEM;
		edge->path[level] = node;
		edge->source[level] = source;
		if (!level)
			break;
		slot = ptree_offset(edge->at, level);
		link = &node->child[slot];
		source = ptree_child_at(&change->source, source, level, slot);
		level--;
	}
	return 0;
}

/*
 * Put @child, or nothing, into a slot of a node of @level, in which there is
 * something else; returns by how many pages that is more.
 */
static inline u64 slot_replace(struct ptree_node *node, unsigned int level,
			       unsigned int slot, struct ptree_node *child,
			       struct ptree_dead *dead)
{
	struct ptree_node *old = node->child[slot];
	u64 pages = 0;

	if (old)
		ptree_slot_cleared(node, slot);
	if (ptree_is_pointer(old)) {
		if (level) {
			pages -= old->pages;
			ptree_dead_add_node(dead, old);
		} else {
			pages--;
			ptree_dead_add_desc(dead, (struct ptree_desc *)old);
		}
	}
	if (child) {
		node->child[slot] = child;
		node->nr++;
	}
	if (ptree_is_pointer(child)) {
		pages += level ? child->pages : 1;
		/* Descriptors alike: both begin with their count. */
		atomic_inc(&child->refs);
	}
	return pages;
}

/* All slots of a node that the range covers whole. */
static u64 slots_replace(const struct range_change *change,
			 struct ptree_node *node,
			 const struct ptree_node *source, u64 start)
{
	unsigned int level = node->level, shift = ptree_shift(level);
	u64 slot = 0, end = ptree_width(level), pages = 0;
	struct ptree_node *child;

	if (change->first > start)
		slot = (change->first - start + (1ULL << shift) - 1) >> shift;
	if (change->last < (start | ptree_span_mask(level)))
		end = (change->last - start + 1) >> shift;
	for (; slot < end; slot++) {
		child = ptree_child_at(&change->source, source, level, slot);
		if (node->child[slot] != child)
			pages += slot_replace(node, level, slot, child,
					      change->dead);
	}
	return pages;
}

/* The marker that all slots of a node have, or NULL. */
static void *common_marker(const struct ptree_node *node)
{
	unsigned int i, width = ptree_width(node->level);
	void *marker = node->child[0];

	if (node->nr != width || node->pages || ptree_is_pointer(marker))
		return NULL;
	for (i = 1; i < width; i++) {
		if (node->child[i] != marker)
			return NULL;
	}
	return marker;
}

/* A child has been dealt with: is it empty, or one marker, has it marks? */
static void child_settle(struct ptree_node *node, unsigned int slot)
{
	struct ptree_node *child = node->child[slot];
	void *marker;

	if (!ptree_is_pointer(child))
		return;
	marker = common_marker(child);
	if (!child->nr) {
		ptree_node_free(child);
		ptree_slot_cleared(node, slot);
	} else if (marker && ptree_node_alone(child)) {
		ptree_node_free(child);
		node->child[slot] = marker;
		node->marks &= ~BIT_ULL(slot);
	} else if (!child->marks) {
		node->marks &= ~BIT_ULL(slot);
	}
}

/* Both ends may be in the same node; only one replaces its slots then. */
static void edge_replace(const struct range_change *change,
			 struct range_edge *edge, unsigned int level,
			 bool slots)
{
	struct ptree_node *node = edge->path[level];

	if (!node)
		return;
	if (slots)
		edge->pages += slots_replace(change, node, edge->source[level],
					     edge->at & ~ptree_span_mask(level));
	if (level)
		child_settle(node, ptree_offset(edge->at, level));
	node->pages += edge->pages;
}

/* Both ends are prepared: replace the content from the bottom up. */
static void change_commit(struct range_change *change)
{
	struct range_edge *low = &change->low, *high = &change->high;
	struct ptree *tree = change->tree;
	unsigned int level;
	bool same;

	for (level = 0; level <= tree->level; level++) {
		same = low->path[level] == high->path[level];
		edge_replace(change, low, level, true);
		edge_replace(change, high, level, !same);
		if (same) {
			low->pages += high->pages;
			high->pages = 0;
		}
	}
	if (!tree->root->nr) {
		ptree_node_free(tree->root);
		tree->root = NULL;
	}
	ptree_trim(tree);
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
	struct range_change change = {
		.tree = tree,
		.first = first,
		.last = min_t(u64, last, PTREE_MAX_INDEX),
		.dead = dead,
	};

	if (!ptree_next_used(tree, first, change.last, &change.low.at) ||
	    !ptree_prev_used(tree, first, change.last, &change.high.at))
		return 0;
	if (node_covered(&change, tree->prefix, tree->level)) {
		ptree_clear(tree, dead);
		return 0;
	}
	if (edge_own(&change, &change.low, stash) ||
	    edge_own(&change, &change.high, stash))
		return -ENOMEM;
	change_commit(&change);
	return 0;
}

/*
 * Filling
 */

/* Remove the empty nodes that were created around one end. */
static void edge_undo(struct ptree *tree, u64 at)
{
	struct ptree_node *path[PTREE_MAX_LEVELS], *node = tree->root;
	unsigned int level = tree->level;

	if (!ptree_covers(tree, at))
		return;
	path[level] = node;
	while (level) {
		node = node->child[ptree_offset(at, level)];
		if (!ptree_is_pointer(node))
			break;
		path[--level] = node;
	}
	ptree_path_prune(tree, path, level, at);
}

/* The whole of what the tree spans becomes one marker. */
static int fill_root(struct ptree *tree, unsigned int marker,
		     struct ptree_stash *stash, struct ptree_dead *dead)
{
	struct ptree_node *root;

	root = ptree_node_alloc_filled(tree->level, marker, stash);
	if (!root)
		return -ENOMEM;
	ptree_dead_add_node(dead, tree->root);
	tree->root = root;
	return 0;
}

/* An empty tree gets a leaf to begin with, which is empty too. */
static int fill_begin(struct ptree *tree, u64 first, u64 last,
		      struct ptree_stash *stash)
{
	if (!tree->root) {
		tree->root = ptree_node_alloc_empty(0, stash);
		if (!tree->root)
			return -ENOMEM;
		tree->prefix = first & ~ptree_span_mask(0);
	}
	if (ptree_grow(tree, first, 0, stash))
		return -ENOMEM;
	return ptree_grow(tree, last, 0, stash);
}

/**
 * ptree_fill() - put a marker everywhere in a range
 * @tree: the tree
 * @first: its first slot
 * @last: its last slot
 * @marker: the marker; 0: makes the range empty
 * @stash: used when memory is not to be had at once; may be NULL
 * @dead: receives what only this tree reached
 *
 * Context: The owner of the tree excludes everybody else from it. Takes time
 * in proportion to the height of the tree, and memory for two paths at most:
 * what is put above the root is part of them.
 * Return: 0 or -ENOMEM, and then the content is as it was.
 */
int ptree_fill(struct ptree *tree, u64 first, u64 last, unsigned int marker,
	       struct ptree_stash *stash, struct ptree_dead *dead)
{
	struct range_change change = {
		.tree = tree,
		.source.root = ptree_marker(marker),
		.first = first,
		.last = min_t(u64, last, PTREE_MAX_INDEX),
		.low.at = first,
		.high.at = min_t(u64, last, PTREE_MAX_INDEX),
		.dead = dead,
	};
	int err;

	if (!marker)
		return ptree_erase(tree, first, last, stash, dead);
	err = fill_begin(tree, first, change.last, stash);
	if (!err && node_covered(&change, tree->prefix, tree->level)) {
		err = fill_root(tree, marker, stash, dead);
	} else if (!err) {
		if (edge_own(&change, &change.low, stash) ||
		    edge_own(&change, &change.high, stash))
			err = -ENOMEM;
		else
			change_commit(&change);
	}
	if (err && tree->root) {
		edge_undo(tree, first);
		if (tree->root)
			edge_undo(tree, change.last);
		ptree_trim(tree);
	}
	return err;
}

/*
 * Grafting
 */

/* Whether [first, last] has all the content of a tree that is not empty. */
static bool has_all(const struct ptree *tree, u64 first, u64 last)
{
	u64 found;

	if (first > tree->prefix && ptree_next_used(tree, 0, first - 1, &found))
		return false;
	return last >= (tree->prefix | ptree_span_mask(tree->level)) ||
	       !ptree_next_used(tree, last + 1, PTREE_MAX_INDEX, &found);
}

/*
 * The source may be lower than a slot that it is to go into: give it the height
 * it needs there.
 */
static int source_fit(struct range_change *change, struct ptree_stash *stash)
{
	struct ptree *source = &change->source;
	unsigned int level;

	for (level = change->tree->level; level > source->level; level--) {
		if (node_covered(change, source->prefix, level - 1))
			return ptree_grow(source, source->prefix, level - 1,
					  stash);
	}
	return 0;
}

/* Make room for all that will be there; the content stays as it is. */
static int graft_prepare(struct range_change *change, struct ptree_stash *stash)
{
	if (ptree_grow(change->tree, change->low.at, 0, stash) ||
	    ptree_grow(change->tree, change->high.at, 0, stash) ||
	    source_fit(change, stash) ||
	    edge_own(change, &change->low, stash) ||
	    edge_own(change, &change->high, stash))
		return -ENOMEM;
	return 0;
}

/* Some of the old content stays, and there is new content. */
static int graft_part(struct range_change *change, struct ptree_stash *stash)
{
	struct ptree_dead ours = {};
	int err;

	atomic_inc(&change->source.root->refs);
	err = graft_prepare(change, stash);
	if (!err) {
		change_commit(change);
	} else {
		edge_undo(change->tree, change->low.at);
		edge_undo(change->tree, change->high.at);
		ptree_trim(change->tree);
	}
	/* Only what the source has grown by can be at its last count. */
	ptree_clear(&change->source, &ours);
	while (dead_free_one(&ours))
		;
	return err;
}

/**
 * ptree_graft() - replace the content of a range by that of another tree
 * @to: the tree that changes
 * @from: the tree that has the content, at the same indexes
 * @first: first slot of the range
 * @last: last slot of the range
 * @stash: used when memory is not to be had at once; may be NULL
 * @dead: receives what only @to reached
 *
 * What the range covers whole is shared, what it covers in part is copied; the
 * content of @from does not change. The marks of the range must be gone from
 * @from, as for ptree_clone(). Those of @to go with its content.
 *
 * Context: The owners of both trees, which are not the same, exclude everybody
 * else from them. Takes time in proportion to the height of the trees.
 * Return: 0 or -ENOMEM, and then the content is as it was.
 */
int ptree_graft(struct ptree *to, struct ptree *from, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree_dead *dead)
{
	struct range_change change = {
		.tree = to,
		.source = *from,
		.first = first,
		.last = min_t(u64, last, PTREE_MAX_INDEX),
		.dead = dead,
	};
	struct ptree whole;
	u64 at;
	int err;

	last = change.last;
	if (!ptree_next_used(from, first, last, &change.low.at))
		return ptree_erase(to, first, last, stash, dead);
	if (!to->root || has_all(to, first, last)) {
		err = ptree_clone(from, first, last, stash, &whole);
		if (err)
			return err;
		ptree_clear(to, dead);
		*to = whole;
		return 0;
	}
	ptree_prev_used(from, first, last, &change.high.at);
	if (ptree_next_used(to, first, last, &at)) {
		change.low.at = min(change.low.at, at);
		ptree_prev_used(to, first, last, &at);
		change.high.at = max(change.high.at, at);
	}
	return graft_part(&change, stash);
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
	if (!ptree_next_used(tree, first, last, &low) ||
	    !ptree_prev_used(tree, low, last, &high))
		return 0;
	while (level && !((low ^ high) >> ptree_shift(level)) &&
	       ptree_is_pointer(node->child[ptree_offset(low, level)])) {
		node = node->child[ptree_offset(low, level)];
		level--;
	}
	atomic_inc(&node->refs);
	clone->root = node;
	clone->level = level;
	clone->prefix = low & ~ptree_span_mask(level);
	return clone_clip(clone, first, last, stash);
}
