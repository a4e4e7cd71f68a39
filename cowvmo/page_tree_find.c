// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: searching and looking.
 */
#include "page_tree_internal.h"

/* How far around @index everything below the slot of @level is the same. */
static void look_span(struct ptree_look *look, u64 index, unsigned int shift)
{
	u64 mask = (1ULL << shift) - 1;

	look->first = index & ~mask;
	look->last = min_t(u64, index | mask, PTREE_MAX_INDEX);
}

/* Nothing is outside of what the root spans. */
static void look_outside(struct ptree_look *look, const struct ptree *tree,
			 u64 index)
{
	u64 end = tree->prefix | ptree_span_mask(tree->level);

	look->first = 0;
	look->last = PTREE_MAX_INDEX;
	if (!tree->root)
		return;
	if (index < tree->prefix)
		look->last = tree->prefix - 1;
	else
		look->first = end + 1;
}

/**
 * ptree_look() - what is at an index, and how far around it is the same
 * @tree: the tree
 * @index: the index, at most PTREE_MAX_INDEX
 * @look: receives the answer
 *
 * Context: Writers of @tree are excluded, and until the result is done with.
 */
void ptree_look(const struct ptree *tree, u64 index, struct ptree_look *look)
{
	const struct ptree_node *node = tree->root;
	unsigned int level = tree->level;
	void *child;

	look->desc = NULL;
	look->marker = 0;
	if (!node || !ptree_covers(tree, index)) {
		look_outside(look, tree, index);
		return;
	}
	for (;; level--) {
		child = node->child[ptree_offset(index, level)];
		if (!level || !ptree_is_pointer(child))
			break;
		node = child;
	}
	look_span(look, index, ptree_shift(level));
	if (ptree_is_pointer(child))
		look->desc = child;
	else
		look->marker = (unsigned long)child;
}

/**
 * struct visit - a walk over what is in a range
 * @first: first index of the range
 * @last: last index of the range
 * @flags: of which a descriptor must have one; 0: none
 * @fn: called for each
 * @arg: for @fn
 */
struct visit {
	u64 first;
	u64 last;
	u32 flags;
	bool (*fn)(u64 first, u64 last, struct ptree_desc *desc,
		   unsigned int marker, void *arg);
	void *arg;
};

/* The marker that stands for all of [@first, @last]. */
static bool visit_marker(const struct visit *visit, u64 first, u64 last,
			 const void *slot)
{
	return visit->fn(max(first, visit->first), min(last, visit->last), NULL,
			 (unsigned long)slot, visit->arg);
}

static bool visit_slot(const struct visit *visit, u64 index,
		       struct ptree_desc *slot)
{
	if (ptree_is_pointer(slot))
		return visit->fn(index, index, slot, 0, visit->arg);
	return !slot || visit_marker(visit, index, index, slot);
}

static bool visit_leaf(const struct visit *visit, const struct ptree_node *leaf,
		       u64 start)
{
	struct ptree_desc *const *at = leaf->desc, *const *end;
	const u32 flags = visit->flags;

	end = at + min_t(u64, visit->last - start, PTREE_LEAF_SLOTS - 1) + 1;
	if (visit->first > start)
		at += visit->first - start;
	for (; at < end; at++) {
		/* Most, where few are asked for. */
		if (flags && ptree_is_pointer(*at) && !((*at)->flags & flags))
			continue;
		if (!visit_slot(visit, start + (at - leaf->desc), *at))
			return false;
	}
	return true;
}

static bool visit_range(const struct ptree *tree, const struct visit *visit)
{
	const struct ptree_node *path[PTREE_MAX_LEVELS];
	u64 at = max(visit->first, tree->prefix), end;
	unsigned int slot, level = tree->level;
	void *child;

	if (!tree->root || at > visit->last || !ptree_covers(tree, at))
		return true;
	path[level] = tree->root;
	while (at <= visit->last) {
		if (!level) {
			if (!visit_leaf(visit, path[0],
					at & ~ptree_span_mask(0)))
				return false;
			at = (at | ptree_span_mask(0)) + 1;
		} else {
			slot = ptree_offset(at, level);
			child = path[level]->child[slot];
			end = at | ((1ULL << ptree_shift(level)) - 1);
			if (ptree_is_pointer(child)) {
				path[--level] = child;
				continue;
			}
			if (child && !visit_marker(visit, at, end, child))
				return false;
			at = end + 1;
		}
		/* Up to the node that goes on with @at. */
		while (!(at & ptree_span_mask(level))) {
			if (level == tree->level)
				return true;
			level++;
		}
	}
	return true;
}

/**
 * ptree_visit() - visit what is in a range
 * @tree: the tree
 * @first: first index of the range
 * @last: last index of the range
 * @fn: called in ascending order for each descriptor, with its index twice, and
 *      for the marker of each slot, with the indexes of the range that it
 *      stands for; must leave the tree alone. False ends the walk
 * @arg: for @fn
 *
 * Context: Writers of @tree are excluded.
 * Return: true if @fn always returned true.
 */
bool ptree_visit(const struct ptree *tree, u64 first, u64 last,
		 bool (*fn)(u64 first, u64 last, struct ptree_desc *desc,
			    unsigned int marker, void *arg), void *arg)
{
	return ptree_visit_flagged(tree, first, last, 0, fn, arg);
}

/**
 * ptree_visit_flagged() - visit what is in a range, and has a flag
 * @tree: the tree
 * @first: first index of the range
 * @last: last index of the range
 * @flags: only descriptors that have one of them are visited; 0: all. Markers
 *      are in any case
 * @fn: as of ptree_visit()
 * @arg: for @fn
 *
 * Context: Writers of @tree are excluded.
 * Return: true if @fn always returned true.
 */
bool ptree_visit_flagged(const struct ptree *tree, u64 first, u64 last,
			 u32 flags,
			 bool (*fn)(u64 first, u64 last,
				    struct ptree_desc *desc,
				    unsigned int marker, void *arg), void *arg)
{
	const struct visit visit = {
		.first = first,
		.last = min_t(u64, last, PTREE_MAX_INDEX),
		.flags = flags,
		.fn = fn,
		.arg = arg,
	};

	return visit_range(tree, &visit);
}

/* Slots with a marker count only where they are asked for. */
static inline bool slot_is_used(const void *child, bool markers)
{
	return markers ? !!child : ptree_is_pointer(child);
}

static __always_inline bool next_slot(const struct ptree *tree, u64 from,
				      u64 last, bool markers, u64 *found)
{
	const struct ptree_node *node;
	unsigned int level, slot, width;

	from = max(from, tree->prefix);
	while (tree->root && from <= last && ptree_covers(tree, from)) {
		node = tree->root;
		for (level = tree->level;; level--) {
			slot = ptree_offset(from, level);
			width = ptree_width(level);
			if (!slot_is_used(node->child[slot], markers)) {
				while (++slot < width &&
				       !slot_is_used(node->child[slot], markers))
					;
				if (slot == width)
					break;
				from &= ~ptree_span_mask(level);
				from |= (u64)slot << ptree_shift(level);
			}
			if (!level || !ptree_is_pointer(node->child[slot])) {
				*found = from;
				return from <= last;
			}
			node = node->child[slot];
		}
		/* Nothing in the rest of this node. */
		from = (from | ptree_span_mask(level)) + 1;
	}
	return false;
}

/**
 * ptree_next_data() - find the first page of a range
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
	return next_slot(tree, from, last, false, found);
}

/**
 * ptree_next_used() - find the first slot of a range that is not empty
 * @tree: the tree
 * @from: first slot to look at
 * @last: last slot to look at
 * @found: receives the slot
 *
 * Context: Writers of @tree are excluded.
 * Return: true if there is one.
 */
bool ptree_next_used(const struct ptree *tree, u64 from, u64 last, u64 *found)
{
	return next_slot(tree, from, last, true, found);
}

/**
 * ptree_prev_used() - find the last slot of a range that is not empty
 * @tree: the tree
 * @first: last slot to look at
 * @from: first slot to look at, from there downwards
 * @found: receives the slot
 *
 * Context: Writers of @tree are excluded.
 * Return: true if there is one.
 */
bool ptree_prev_used(const struct ptree *tree, u64 first, u64 from,
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
			if (!level || !ptree_is_pointer(node->child[slot])) {
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
 * Bits of the indexes around @index that are known to be used, or -1 when @index
 * is a hole.
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
		if (!level ||
		    !ptree_is_pointer(node->child[ptree_offset(index, level)]))
			return ptree_shift(level);
		node = node->child[ptree_offset(index, level)];
	}
}

/**
 * ptree_next_hole() - find the first empty slot of a range, without a marker
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
