// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: looking at single slots, walking, sizes, checking.
 * What relatives share is in page_tree_share.c.
 */
#include <linux/errno.h>
#include <linux/sched.h>

#include "page_tree_internal.h"

/*
 * One slot
 */

/**
 * ptree_inspect() - look at a slot and the path to it
 * @tree: the tree
 * @index: the slot
 * @slot: receives what is there
 *
 * That the slot is shared may be past already when a relative is being closed
 * or cut; that it is not holds for as long as writers of @tree are excluded.
 *
 * Context: Writers of @tree are excluded, and until the result is done with.
 */
void ptree_inspect(const struct ptree *tree, u64 index,
		   struct ptree_slot *slot)
{
	const struct ptree_node *node = tree->root;
	unsigned int level = tree->level;
	bool alone = true;

	*slot = (struct ptree_slot) { .last = index };
	if (!node || !ptree_covers(tree, index))
		return;
	for (;; level--) {
		if (alone && !ptree_node_alone(node)) {
			alone = false;
			slot->last = index | ptree_span_mask(level);
		}
		if (!level)
			break;
		node = node->child[ptree_offset(index, level)];
		if (!ptree_is_pointer(node))
			return;
	}
	slot->desc = node->desc[ptree_offset(index, 0)];
	if (!ptree_is_pointer(slot->desc))
		slot->desc = NULL;
	slot->alone = alone && slot->desc && ptree_desc_exclusive(slot->desc);
	slot->marked = node->marks & BIT_ULL(ptree_offset(index, 0));
}

/*
 * Walking
 */

/**
 * ptree_walk() - visit all nodes and descriptors of a tree
 * @tree: the tree
 * @visitor: what to call; either function may be NULL
 * @arg: for @visitor
 *
 * In ascending order, a node before what is below it. Markers are passed over.
 *
 * Context: Process context, sleeps. Writers of @tree are excluded, the visitor
 * included.
 */
void ptree_walk(const struct ptree *tree, const struct ptree_visitor *visitor,
		void *arg)
{
	const struct ptree_node *path[PTREE_MAX_LEVELS], *node = tree->root;
	unsigned int i, level = tree->level;
	u64 at = tree->prefix;

	while (node) {
		path[level] = node;
		i = 0;
		if (level == 1)
			cond_resched();
		if (visitor->node && !visitor->node(node, level, at, arg))
			i = ptree_width(level);
		if (!level && visitor->desc) {
			for (; i < PTREE_LEAF_SLOTS; i++) {
				if (ptree_is_pointer(node->desc[i]))
					visitor->desc(node->desc[i], at + i,
						      arg);
			}
		}
		if (!level)
			i = PTREE_LEAF_SLOTS;
		/* Up to where there is something to the right, then down. */
		for (;;) {
			while (i < ptree_width(level) &&
			       !ptree_is_pointer(path[level]->child[i]))
				i++;
			if (i < ptree_width(level))
				break;
			if (level == tree->level)
				return;
			i = ptree_offset(at, ++level) + 1;
			at &= ~ptree_span_mask(level);
		}
		at |= (u64)i << ptree_shift(level);
		node = path[level--]->child[i];
	}
}

/**
 * ptree_node_refs() - the count of a node
 * @node: the node
 *
 * Context: Any.
 * Return: the number of trees and nodes that point to it.
 */
unsigned int ptree_node_refs(const struct ptree_node *node)
{
	return atomic_read(&node->refs);
}

/**
 * ptree_node_marks() - the marks of a node
 * @node: the node
 *
 * Context: Writers of its tree are excluded.
 * Return: one bit per slot.
 */
u64 ptree_node_marks(const struct ptree_node *node)
{
	return node->marks;
}

/*
 * Sizes of one tree
 */

/**
 * ptree_populated() - count the pages of a tree
 * @tree: the tree
 *
 * Context: Writers of @tree are excluded. Constant time.
 * Return: the number of pages.
 */
u64 ptree_populated(const struct ptree *tree)
{
	return tree->root ? tree->root->pages : 0;
}

static bool private_node(const struct ptree_node *node, unsigned int level,
			 u64 first, void *arg)
{
	return ptree_node_alone(node);
}

static void private_desc(struct ptree_desc *desc, u64 index, void *arg)
{
	u64 *pages = arg;

	*pages += ptree_desc_exclusive(desc);
}

/**
 * ptree_private() - count the pages that only this tree sees
 * @tree: the tree
 *
 * Context: Process context, sleeps. Writers of @tree are excluded. Takes time
 * in proportion to its exclusive nodes and their pages.
 * Return: the number of pages on exclusive paths.
 */
u64 ptree_private(const struct ptree *tree)
{
	static const struct ptree_visitor visitor = {
		.node = private_node,
		.desc = private_desc,
	};
	u64 pages = 0;

	ptree_walk(tree, &visitor, &pages);
	return pages;
}

static unsigned int nr_children(const struct ptree_node *node)
{
	unsigned int i, nr = 0;

	for (i = 0; i < ptree_width(node->level); i++)
		nr += ptree_is_pointer(node->child[i]);
	return nr;
}

/* The leaves below a node of level 1 are counted there, not visited. */
static bool metadata_node(const struct ptree_node *node, unsigned int level,
			  u64 first, void *arg)
{
	u64 *bytes = arg;

	*bytes += ptree_node_bytes(level);
	if (level == 1)
		*bytes += nr_children(node) * ptree_node_bytes(0);
	return level > 1;
}

/**
 * ptree_metadata_bytes() - the memory behind a tree, pages not included
 * @tree: the tree
 *
 * Context: Process context, sleeps. Writers of @tree are excluded. Takes time
 * in proportion to its interior nodes.
 * Return: bytes of nodes and descriptors that the tree reaches, shared ones
 * counted in full.
 */
u64 ptree_metadata_bytes(const struct ptree *tree)
{
	static const struct ptree_visitor visitor = { .node = metadata_node };
	u64 bytes = ptree_populated(tree) * sizeof(struct ptree_desc);

	ptree_walk(tree, &visitor, &bytes);
	return bytes;
}

/*
 * Checking
 */

/**
 * struct validation - a check in progress
 * @error: the first thing found wrong
 * @alone: for each level whether the path down to it is exclusive
 */
struct validation {
	const char *error;
	bool alone[PTREE_MAX_LEVELS + 1];
};

static const char *validate_leaf(const struct ptree_node *leaf)
{
	unsigned int i;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		if (!(leaf->marks & BIT_ULL(i)))
			continue;
		if (!ptree_is_pointer(leaf->desc[i]))
			return "mark on a slot without a page";
		if (!ptree_desc_exclusive(leaf->desc[i]))
			return "mark on a shared descriptor";
	}
	return NULL;
}

static const char *validate_children(const struct ptree_node *node,
				     unsigned int level)
{
	u64 pages = 0, marks = 0;
	unsigned int i;

	for (i = 0; i < ptree_width(level); i++) {
		if (!ptree_is_pointer(node->child[i]))
			continue;
		if (node->child[i]->level != level - 1)
			return "level of a child is not one less";
		pages += node->child[i]->pages;
		if (node->child[i]->marks)
			marks |= BIT_ULL(i);
	}
	if (pages != node->pages)
		return "pages below a node miscounted";
	if (marks != node->marks)
		return "marks disagree with those of the children";
	return NULL;
}

static const char *validate_node(const struct ptree_node *node,
				 unsigned int level, bool alone)
{
	unsigned int i, nr = 0;

	if (node->level != level)
		return "node is not of the level of its place";
	if (atomic_read(&node->refs) < 1)
		return "count of a node below one";
	for (i = 0; i < ptree_width(level); i++)
		nr += !!node->child[i];
	if (!nr)
		return "empty node";
	if (nr != node->nr)
		return "slots of a node miscounted";
	if (node->marks && !alone)
		return "mark on a shared path";
	if (level)
		return validate_children(node, level);
	if (node->pages != nr_children(node))
		return "pages of a leaf miscounted";
	return validate_leaf(node);
}

static bool validate_visit(const struct ptree_node *node, unsigned int level,
			   u64 first, void *arg)
{
	struct validation *v = arg;

	if (v->error)
		return false;
	v->alone[level] = v->alone[level + 1] && ptree_node_alone(node);
	v->error = validate_node(node, level, v->alone[level]);
	return !v->error;
}

static void validate_desc(struct ptree_desc *desc, u64 index, void *arg)
{
	struct validation *v = arg;

	if (v->error)
		return;
	if (atomic_read(&desc->leaves) < 1)
		v->error = "count of a descriptor below one";
	else if (desc->index != index)
		v->error = "descriptor is not at its index";
	else if (!desc->page)
		v->error = "descriptor without a page";
}

/**
 * ptree_validate() - check everything that must hold for a tree
 * @tree: the tree; no cursor is open on it
 *
 * Context: Process context, sleeps. Writers of @tree are excluded. Takes time
 * in proportion to its size.
 * Return: NULL, or what was found wrong first.
 */
const char *ptree_validate(const struct ptree *tree)
{
	static const struct ptree_visitor visitor = {
		.node = validate_visit,
		.desc = validate_desc,
	};
	struct validation v = {};

	if (!tree->root)
		return tree->prefix || tree->level ? "empty tree not all zero" :
						     NULL;
	if (tree->level >= PTREE_MAX_LEVELS)
		return "tree too high";
	if (tree->prefix & ptree_span_mask(tree->level))
		return "prefix not aligned";
	if (tree->prefix > PTREE_MAX_INDEX)
		return "prefix beyond the last index";
	if (tree->level && tree->root->nr == 1 && nr_children(tree->root))
		return "root is not the smallest";
	v.alone[tree->level + 1] = true;
	ptree_walk(tree, &visitor, &v);
	return v.error;
}
