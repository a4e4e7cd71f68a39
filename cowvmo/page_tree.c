// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: single slots.
 *
 * Every change of one slot goes through a cursor. Opening it makes the path
 * exclusive from the top down: a missing node is created empty, a shared one
 * is replaced by a copy. Each such step leaves the same content, so when
 * memory runs out half way there is nothing to undo but empty nodes.
 *
 * A copy counts the children before the old node is dropped. Hence children
 * never reach zero there, and what a copy costs is bounded by its width.
 *
 * Memory is in page_tree_memory.c, ranges are in page_tree_range.c, two trees
 * in page_tree_diff.c, marks in page_tree_marks.c, sharing in
 * page_tree_share.c, checks in page_tree_stats.c.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/prefetch.h>
#include <linux/string.h>

#include "page_tree_internal.h"

/*
 * Reading one slot, or a few
 */

static const struct ptree_node *leaf_find(const struct ptree *tree, u64 index)
{
	const struct ptree_node *node = tree->root;
	unsigned int level = tree->level, shift = ptree_shift(level);

	if (unlikely(!node || !ptree_covers(tree, index)))
		return NULL;
	for (; level > 1; level--, shift -= PTREE_UPPER_BITS) {
		node = node->child[(index >> shift) & PTREE_UPPER_MASK];
		if (unlikely(!ptree_is_pointer(node)))
			return NULL;
	}
	if (likely(level))
		node = node->child[ptree_offset(index, 1)];
	return likely(ptree_is_pointer(node)) ? node : NULL;
}

/**
 * ptree_lookup() - find the content of a slot
 * @tree: the tree
 * @index: the slot
 *
 * Context: Writers of @tree are excluded, and until the result is done with.
 * Return: the descriptor, not counted, or NULL, also for a marker.
 */
struct ptree_desc *ptree_lookup(const struct ptree *tree, u64 index)
{
	const struct ptree_node *leaf = leaf_find(tree, index);
	struct ptree_desc *desc;

	if (!leaf)
		return NULL;
	desc = leaf->desc[ptree_offset(index, 0)];
	return likely(ptree_is_pointer(desc)) ? desc : NULL;
}

static unsigned int leaf_pages(const struct ptree_node *leaf, unsigned int slot,
			       unsigned int end, struct page **pages)
{
	const struct ptree_desc *desc;
	unsigned int found = 0;

	for (; slot < end; slot++) {
		desc = leaf->desc[slot];
		if (ptree_is_pointer(desc)) {
			*pages++ = READ_ONCE(desc->page);
			found++;
		} else {
			*pages++ = NULL;
		}
	}
	return found;
}

/**
 * ptree_lookup_run() - find the content of neighbouring slots
 * @tree: the tree
 * @first: the first slot
 * @nr: how many
 * @pages: receives a page, or NULL, for each
 *
 * Context: Writers of @tree are excluded, and until the result is done with.
 * Return: how many are not NULL.
 */
unsigned int ptree_lookup_run(const struct ptree *tree, u64 first,
			      unsigned int nr, struct page **pages)
{
	const struct ptree_node *leaf;
	unsigned int slot, end, found = 0;

	while (nr) {
		leaf = leaf_find(tree, first);
		slot = ptree_offset(first, 0);
		end = min(slot + nr, PTREE_LEAF_SLOTS);
		nr -= end - slot;
		first += end - slot;
		if (leaf)
			found += leaf_pages(leaf, slot, end, pages);
		else
			memset(pages, 0, (end - slot) * sizeof(*pages));
		pages += end - slot;
	}
	return found;
}

/*
 * Exclusive paths
 */

/* @node has just been copied, so no child can be at its last count. */
static void children_put(struct ptree_node *node, unsigned int width)
{
	unsigned int i;

	for (i = 0; i < width; i++) {
		if (ptree_is_pointer(node->child[i]))
			atomic_dec(&node->child[i]->refs);
	}
}

/* Descriptors alike: both begin with their count. */
static inline void child_copy(struct ptree_node *copy,
			      const struct ptree_node *node, unsigned int i)
{
	struct ptree_node *child = node->child[i];

	copy->child[i] = child;
	if (ptree_is_pointer(child))
		atomic_inc(&child->refs);
}

/* The loops are the cost of a copy, hence four children at a time. */
static struct ptree_node *node_copy(const struct ptree_node *node,
				    struct ptree_stash *stash)
{
	unsigned int i, width = ptree_width(node->level);
	struct ptree_node *copy;

	/* Counting is nothing but cache misses, so start them early. */
	for (i = 0; i < width; i += 4) {
		prefetchw(node->child[i]);
		prefetchw(node->child[i + 1]);
		prefetchw(node->child[i + 2]);
		prefetchw(node->child[i + 3]);
	}
	copy = ptree_node_alloc(node->level, stash);
	if (unlikely(!copy))
		return NULL;
	copy->nr = node->nr;
	copy->pages = node->pages;
	for (i = 0; i < width; i += 4) {
		child_copy(copy, node, i);
		child_copy(copy, node, i + 1);
		child_copy(copy, node, i + 2);
		child_copy(copy, node, i + 3);
	}
	return copy;
}

/*
 * Leave @node, whose children we have all counted for ourselves. The others
 * may have left meanwhile.
 */
static void node_leave(struct ptree_node *node)
{
	if (unlikely(ptree_ref_drop(&node->refs))) {
		children_put(node, ptree_width(node->level));
		ptree_node_free(node);
	}
}

/**
 * ptree_node_own() - make a node exclusive whose parents already are
 * @link: what points at it
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Context: The owner of the tree excludes everybody else from it.
 * Return: the node that is now behind @link, or NULL without memory.
 */
struct ptree_node *ptree_node_own(struct ptree_node **link,
				  struct ptree_stash *stash)
{
	struct ptree_node *node = *link, *copy;

	if (ptree_node_alone(node))
		return node;
	copy = node_copy(node, stash);
	if (unlikely(!copy))
		return NULL;
	*link = copy;
	node_leave(node);
	return copy;
}

/**
 * ptree_trim() - make the root the smallest node that covers the content
 * @tree: the tree
 *
 * Context: The owner of the tree excludes everybody else from it.
 */
void ptree_trim(struct ptree *tree)
{
	struct ptree_node *root = tree->root;
	unsigned int slot;

	if (!root) {
		tree->prefix = 0;
		tree->level = 0;
		return;
	}
	while (tree->level && root->nr == 1) {
		for (slot = 0; !root->child[slot]; slot++)
			;
		if (!ptree_is_pointer(root->child[slot]))
			break;
		tree->root = root->child[slot];
		tree->prefix |= (u64)slot << ptree_shift(tree->level);
		tree->level--;
		atomic_inc(&tree->root->refs);
		node_leave(root);
		root = tree->root;
	}
}

/**
 * ptree_grow() - put nodes above the root
 * @tree: the tree; the level of an empty one stays 0
 * @index: what the root must cover in the end
 * @top: the least level that it must have
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Context: The owner of the tree excludes everybody else from it.
 * Return: 0 or -ENOMEM; the content is the same in both cases, and until there
 * is more of it ptree_trim() undoes what was done.
 */
int ptree_grow(struct ptree *tree, u64 index, unsigned int top,
	       struct ptree_stash *stash)
{
	struct ptree_node *root = tree->root, *node;
	unsigned int level, slot;

	if (!root) {
		tree->prefix = index & ~ptree_span_mask(0);
		return 0;
	}
	while (tree->level < top || !ptree_covers(tree, index)) {
		level = tree->level + 1;
		node = ptree_node_alloc_empty(level, stash);
		if (!node)
			return -ENOMEM;
		slot = ptree_offset(tree->prefix, level);
		node->child[slot] = root;
		node->nr = 1;
		node->pages = root->pages;
		if (root->marks)
			node->marks = BIT_ULL(slot);
		tree->root = node;
		tree->level = level;
		tree->prefix &= ~ptree_span_mask(level);
		root = node;
	}
	return 0;
}

/**
 * ptree_path_prune() - remove the empty nodes of a path
 * @tree: the tree
 * @path: the nodes from @level to the root
 * @level: level of the lowest of them
 * @index: an index below it
 *
 * The root is the smallest afterwards.
 *
 * Context: The owner of the tree excludes everybody else from it.
 */
void ptree_path_prune(struct ptree *tree, struct ptree_node *const *path,
		      unsigned int level, u64 index)
{
	for (; level <= tree->level && !path[level]->nr; level++) {
		ptree_node_free(path[level]);
		if (level == tree->level)
			tree->root = NULL;
		else
			ptree_slot_cleared(path[level + 1],
					   ptree_offset(index, level + 1));
	}
	ptree_trim(tree);
}

/**
 * ptree_link_own() - make a node exclusive that may not be there yet
 * @link: what points at it, or will
 * @parent: exclusive node that @link is a slot of; NULL for the root
 * @level: level of the node
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Context: The owner of the tree excludes everybody else from it.
 * Return: the node, empty if it was not there, full of what was there if that
 * was a marker, or NULL without memory.
 */
struct ptree_node *ptree_link_own(struct ptree_node **link,
				  struct ptree_node *parent, unsigned int level,
				  struct ptree_stash *stash)
{
	struct ptree_node *node;

	if (ptree_is_pointer(*link))
		return ptree_node_own(link, stash);
	if (*link) {
		node = ptree_node_alloc_filled(level, (unsigned long)*link,
					       stash);
		if (likely(node))
			*link = node;
		return node;
	}
	node = ptree_node_alloc_empty(level, stash);
	if (likely(node)) {
		*link = node;
		if (parent)
			parent->nr++;
	}
	return node;
}

/*
 * Make a path exclusive down to @bottom. All nodes above @level are, and are in
 * the cursor already.
 */
static noinline int path_own(struct ptree_cursor *cursor, struct ptree *tree,
			     u64 index, unsigned int level, unsigned int bottom,
			     struct ptree_stash *stash)
{
	struct ptree_node *node = NULL, **link = &tree->root;

	if (!tree->root || !ptree_covers(tree, index)) {
		if (ptree_grow(tree, index, 0, stash)) {
			ptree_trim(tree);
			return -ENOMEM;
		}
		level = tree->level;
	} else if (level < tree->level) {
		node = cursor->path[level + 1];
		link = &node->child[ptree_offset(index, level + 1)];
	}
	for (;; level--) {
		node = ptree_link_own(link, node, level, stash);
		if (unlikely(!node)) {
			ptree_path_prune(tree, cursor->path, level + 1, index);
			return -ENOMEM;
		}
		cursor->path[level] = node;
		if (level == bottom)
			return 0;
		link = &node->child[ptree_offset(index, level)];
	}
}

/*
 * Follow a path as long as it is exclusive. Returns the level of the first node
 * that is missing or shared, or -1 when there is none.
 *
 * This runs in every write fault. The geometry is spelled out: computing each
 * level's would double it.
 */
static __always_inline int path_follow(struct ptree_cursor *cursor,
				       const struct ptree *tree, u64 index)
{
	struct ptree_node *node = tree->root;
	int level = tree->level;
	unsigned int shift = ptree_shift(level);

	if (unlikely(!node || !ptree_covers(tree, index)))
		return level;
	for (; level > 1; level--, shift -= PTREE_UPPER_BITS) {
		if (unlikely(!ptree_is_pointer(node) || !ptree_node_alone(node)))
			return level;
		cursor->path[level] = node;
		node = node->child[(index >> shift) & PTREE_UPPER_MASK];
	}
	if (likely(level)) {
		if (unlikely(!ptree_is_pointer(node) || !ptree_node_alone(node)))
			return 1;
		cursor->path[1] = node;
		node = node->child[ptree_offset(index, 1)];
	}
	if (unlikely(!ptree_is_pointer(node) || !ptree_node_alone(node)))
		return 0;
	cursor->path[0] = node;
	return -1;
}

/**
 * ptree_cursor_follow() - open a cursor if that changes nothing
 * @cursor: the cursor; its path is filled in, no more
 * @tree: the tree
 * @index: the slot
 *
 * Context: Writers of @tree are excluded.
 * Return: true if the slot is in a leaf and the path to it exclusive.
 */
bool ptree_cursor_follow(struct ptree_cursor *cursor, const struct ptree *tree,
			 u64 index)
{
	return path_follow(cursor, tree, index) < 0;
}

/*
 * One slot for writing
 */

/**
 * ptree_cursor_open() - make the path to a slot exclusive
 * @cursor: the cursor, filled in
 * @tree: the tree
 * @index: the slot, at most PTREE_MAX_INDEX
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * The slot may be empty, and its descriptor may be shared.
 *
 * Context: The owner of the tree excludes everybody else from it until
 * ptree_cursor_close().
 * Return: 0 or -ENOMEM; the content is the same in both cases, and nothing has
 * to be closed in the second.
 */
int ptree_cursor_open(struct ptree_cursor *cursor, struct ptree *tree,
		      u64 index, struct ptree_stash *stash)
{
	int err, level = path_follow(cursor, tree, index);

	if (level >= 0) {
		err = path_own(cursor, tree, index, level, 0, stash);
		if (err)
			return err;
	}
	cursor->tree = tree;
	cursor->index = index;
	cursor->slot = &cursor->path[0]->desc[ptree_offset(index, 0)];
	return 0;
}

/**
 * ptree_cursor_open_above() - make the path to a leaf exclusive, without it
 * @cursor: the cursor; its path is filled in from level 1 up, no more. There is
 *          none if the leaf is, or will be, the root
 * @tree: the tree
 * @index: a slot of the leaf, which may be shared or missing
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * In the end ptree_path_prune() is called for level 1.
 *
 * Context: As ptree_cursor_open().
 * Return: 0 or -ENOMEM; the content is the same in both cases, and nothing has
 * to be pruned in the second.
 */
int ptree_cursor_open_above(struct ptree_cursor *cursor, struct ptree *tree,
			    u64 index, struct ptree_stash *stash)
{
	int level = path_follow(cursor, tree, index);

	if (level < 1 && (!tree->root || ptree_covers(tree, index)))
		return 0;
	return path_own(cursor, tree, index, level, 1, stash);
}

/**
 * ptree_cursor_close() - be done with a cursor
 * @cursor: the cursor
 *
 * Context: As ptree_cursor_open().
 */
void ptree_cursor_close(struct ptree_cursor *cursor)
{
	if (unlikely(!*cursor->slot))
		ptree_path_prune(cursor->tree, cursor->path, 0, cursor->index);
}

/* The slot has one page more, or one less: @delta says so to the whole path. */
static inline void cursor_count(struct ptree_cursor *cursor, int delta)
{
	ptree_path_add(cursor->path, 0, cursor->tree->level, delta);
}

/**
 * ptree_cursor_store() - change the slot
 * @cursor: the cursor
 * @desc: what goes in, with a count of the caller's, or NULL to empty the slot
 *
 * A mark of the slot stays unless the slot becomes empty.
 *
 * Context: As ptree_cursor_open(). Cannot fail.
 * Return: the descriptor that was in the slot, with its count, or NULL.
 */
struct ptree_desc *ptree_cursor_store(struct ptree_cursor *cursor,
				      struct ptree_desc *desc)
{
	struct ptree_desc *old = *cursor->slot;

	*cursor->slot = desc;
	cursor->path[0]->nr += !!desc - !!old;
	if (!ptree_is_pointer(old)) {
		if (desc)
			cursor_count(cursor, 1);
		return NULL;
	}
	if (!desc) {
		cursor_count(cursor, -1);
		ptree_path_unmark(cursor->path, 0, cursor->tree->level,
				  cursor->index);
	}
	return old;
}

/* The leaf has its first mark: tell the nodes above. */
static noinline void path_mark(struct ptree_cursor *cursor)
{
	unsigned int level, top = cursor->tree->level;
	struct ptree_node *node;
	u64 before;

	for (level = 1; level <= top; level++) {
		node = cursor->path[level];
		before = node->marks;
		node->marks |= BIT_ULL(ptree_offset(cursor->index, level));
		if (before)
			break;
	}
}

/**
 * ptree_cursor_mark() - note that a writable PTE may exist
 * @cursor: the cursor; the slot's descriptor is there and exclusive
 *
 * Context: As ptree_cursor_open().
 */
void ptree_cursor_mark(struct ptree_cursor *cursor)
{
	struct ptree_node *leaf = cursor->path[0];
	u64 before = leaf->marks;

	leaf->marks = before | BIT_ULL(ptree_offset(cursor->index, 0));
	/* A node with marks is marked in its parent. */
	if (!before)
		path_mark(cursor);
}

/**
 * ptree_cursor_marked() - whether the slot has a mark
 * @cursor: the cursor
 *
 * Context: As ptree_cursor_open().
 * Return: true if it has.
 */
bool ptree_cursor_marked(const struct ptree_cursor *cursor)
{
	return cursor->path[0]->marks &
	       BIT_ULL(ptree_offset(cursor->index, 0));
}
