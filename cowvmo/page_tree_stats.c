// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: attribution, walking, checking.
 *
 * The scaled size of a tree divides each of its pages by the number of members
 * of the family that see it. All relatives keep the same content at the same
 * index, so the members are followed down together: at each position they fall
 * into classes that are at the same node, our own class first. When that is the
 * only one left, all pages below have as many sharers as it has members, and
 * the count in the node is enough.
 */
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "page_tree_internal.h"

/* One byte, in the units of struct ptree_scaled's fraction. */
#define FRACTION_BITS	63
#define FRACTION_MASK	((1ULL << FRACTION_BITS) - 1)

/* What one page counts. */
#define CONTENT_BYTES	4096

/*
 * Walking
 */

/**
 * ptree_walk() - visit all nodes and descriptors of a tree
 * @tree: the tree
 * @visitor: what to call; either function may be NULL
 * @arg: for @visitor
 *
 * In ascending order, a node before what is below it.
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
				if (node->desc[i])
					visitor->desc(node->desc[i], at + i,
						      arg);
			}
		}
		if (!level)
			i = PTREE_LEAF_SLOTS;
		/* Up to where there is something to the right, then down. */
		for (;;) {
			while (i < ptree_width(level) && !path[level]->child[i])
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

/* The leaves below a node of level 1 are counted there, not visited. */
static bool metadata_node(const struct ptree_node *node, unsigned int level,
			  u64 first, void *arg)
{
	u64 *bytes = arg;

	*bytes += ptree_node_bytes(level);
	if (level == 1)
		*bytes += node->nr * ptree_node_bytes(0);
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
 * Scaled size
 */

/**
 * struct member_class - members that are at the same node
 * @node: the node
 * @start: first index below @node
 * @mult: how many members
 * @bucket: place in the hash table
 *
 * At a position above a member's root the class has that root as its node, of
 * a lower level than the position.
 */
struct member_class {
	const struct ptree_node *node;
	u64 start;
	u32 mult;
	u32 bucket;
};

/**
 * struct ptree_scratch - memory for ptree_scaled()
 * @members: how many members it is for
 * @bits: log2 of the size of @table
 * @classes: for each level @members classes
 * @nr: for each level the number of classes in use
 * @slot: for each level the next slot to visit
 * @table: finds a class by its node, while classes are made; index plus one
 */
struct ptree_scratch {
	unsigned int members;
	unsigned int bits;
	struct member_class *classes[PTREE_MAX_LEVELS];
	unsigned int nr[PTREE_MAX_LEVELS];
	unsigned int slot[PTREE_MAX_LEVELS];
	u32 *table;
};

/**
 * ptree_scratch_alloc() - allocate the memory that ptree_scaled() needs
 * @members: how many trees the family may have at most
 * @gfp: how to allocate
 *
 * Context: Sleeps if @gfp allows it.
 * Return: the memory, or NULL.
 */
struct ptree_scratch *ptree_scratch_alloc(unsigned int members, gfp_t gfp)
{
	struct ptree_scratch *scratch;
	struct member_class *classes;
	unsigned int i, bits;
	size_t bytes;

	if (!members || members > 1U << 24 || ptree_should_fail())
		return NULL;
	bits = order_base_2(members) + 1;
	bytes = sizeof(*scratch) +
		(size_t)PTREE_MAX_LEVELS * members * sizeof(*classes) +
		sizeof(u32) * ((size_t)1 << bits);
	scratch = kvmalloc(bytes, gfp);
	if (!scratch)
		return NULL;
	scratch->members = members;
	scratch->bits = bits;
	classes = (struct member_class *)(scratch + 1);
	for (i = 0; i < PTREE_MAX_LEVELS; i++, classes += members)
		scratch->classes[i] = classes;
	scratch->table = (u32 *)classes;
	memset(scratch->table, 0, sizeof(u32) << bits);
	return scratch;
}

/**
 * ptree_scratch_free() - undo ptree_scratch_alloc()
 * @scratch: the memory, or NULL
 *
 * Context: Process context.
 */
void ptree_scratch_free(struct ptree_scratch *scratch)
{
	kvfree(scratch);
}

/* Add @mult members at @node to the classes of @level. */
static void class_add(struct ptree_scratch *scratch, unsigned int level,
		      const struct ptree_node *node, u64 start, u32 mult)
{
	struct member_class *class = scratch->classes[level];
	u32 bucket, mask = (1U << scratch->bits) - 1;

	if (scratch->nr[level] && class->node == node) {
		class->mult += mult;
		return;
	}
	bucket = ((unsigned long)node * 0x9e3779b97f4a7c15ULL) >>
		 (64 - scratch->bits);
	for (; scratch->table[bucket]; bucket = (bucket + 1) & mask) {
		if (class[scratch->table[bucket] - 1].node == node) {
			class[scratch->table[bucket] - 1].mult += mult;
			return;
		}
	}
	class += scratch->nr[level];
	class->node = node;
	class->start = start;
	class->mult = mult;
	class->bucket = bucket;
	scratch->table[bucket] = ++scratch->nr[level];
}

/* All classes of @level are known: make the table empty for the next ones. */
static void classes_done(struct ptree_scratch *scratch, unsigned int level)
{
	unsigned int i;

	for (i = 0; i < scratch->nr[level]; i++)
		scratch->table[scratch->classes[level][i].bucket] = 0;
}

/* The members' nodes at our own root, or their roots if those are below it. */
static void classify_roots(struct ptree_scratch *scratch,
			   const struct ptree *const *members, unsigned int nr,
			   const struct ptree *own)
{
	const struct ptree_node *node;
	unsigned int i, level;

	scratch->nr[own->level] = 0;
	class_add(scratch, own->level, own->root, own->prefix, 0);
	for (i = 0; i < nr; i++) {
		node = members[i]->root;
		level = members[i]->level;
		if (level < own->level) {
			if (node && ptree_covers(own, members[i]->prefix))
				class_add(scratch, own->level, node,
					  members[i]->prefix, 1);
			continue;
		}
		if (!node || !ptree_covers(members[i], own->prefix))
			continue;
		for (; node && level > own->level; level--)
			node = node->child[ptree_offset(own->prefix, level)];
		if (node)
			class_add(scratch, own->level, node, own->prefix, 1);
	}
	classes_done(scratch, own->level);
}

/* The members of the classes of @level at the child in @slot. */
static void classify_children(struct ptree_scratch *scratch, unsigned int level,
			      unsigned int slot)
{
	const struct member_class *class = scratch->classes[level];
	u64 start = class->start | (u64)slot << ptree_shift(level);
	const struct ptree_node *node;
	unsigned int i;

	scratch->nr[level - 1] = 0;
	for (i = 0; i < scratch->nr[level]; i++, class++) {
		node = class->node;
		if (node->level == level) {
			node = node->child[slot];
			if (node)
				class_add(scratch, level - 1, node, start,
					  class->mult);
		} else if (!((class->start ^ start) >> ptree_shift(level))) {
			class_add(scratch, level - 1, node, class->start,
				  class->mult);
		}
	}
	classes_done(scratch, level - 1);
}

/* Count @pages pages that @sharers members see. */
static void scaled_add(struct ptree_scaled *out, u64 pages, u32 sharers)
{
	u64 high, low, fraction, rest = CONTENT_BYTES % sharers;

	/* floor(rest * 2^63 / sharers), in two digits of base 2^32 */
	high = (rest << (FRACTION_BITS - 32)) / sharers;
	low = (rest << (FRACTION_BITS - 32)) % sharers;
	fraction = (high << 32) + (low << 32) / sharers;

	out->bytes += pages * (CONTENT_BYTES / sharers) +
		      mul_u64_u64_shr(pages, fraction, FRACTION_BITS);
	out->fraction += (pages * fraction) & FRACTION_MASK;
	out->bytes += out->fraction >> FRACTION_BITS;
	out->fraction &= FRACTION_MASK;
}

/* At a leaf the classes may still name the same descriptors. */
static void scaled_leaf(const struct ptree_scratch *scratch,
			struct ptree_scaled *out)
{
	const struct member_class *class = scratch->classes[0];
	const struct ptree_desc *desc;
	unsigned int i, j, sharers;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		desc = class[0].node->desc[i];
		if (!desc)
			continue;
		sharers = class[0].mult;
		for (j = 1; j < scratch->nr[0]; j++) {
			if (class[j].node->desc[i] == desc)
				sharers += class[j].mult;
		}
		scaled_add(out, 1, sharers);
	}
}

/* Whether what is below our node of @level has been counted without a look. */
static bool scaled_at_once(const struct ptree_scratch *scratch,
			   unsigned int level, struct ptree_scaled *out)
{
	const struct member_class *own = scratch->classes[level];

	if (scratch->nr[level] == 1)
		scaled_add(out, own->node->pages, own->mult);
	else if (!level)
		scaled_leaf(scratch, out);
	else
		return false;
	return true;
}

/**
 * ptree_scaled() - a tree's share of the memory of its family
 * @members: the trees of all members of the family, @self's included
 * @nr: how many
 * @self: which of them is asked about
 * @scratch: made for at least @nr members
 * @out: receives the sum over all pages of the size divided by the number of
 *       members that see the page
 *
 * Context: Process context, sleeps. Writers of all members are excluded. Takes
 * time in proportion to the nodes of @self that are not the same in all members
 * that have one there, times the number of different nodes there.
 */
void ptree_scaled(const struct ptree *const *members, unsigned int nr,
		  unsigned int self, struct ptree_scratch *scratch,
		  struct ptree_scaled *out)
{
	const struct ptree *own = members[self];
	unsigned int slot, level = own->level;

	*out = (struct ptree_scaled){};
	if (!own->root)
		return;
	classify_roots(scratch, members, nr, own);
	scratch->slot[level] = 0;
	if (scaled_at_once(scratch, level, out))
		return;
	for (;;) {
		slot = scratch->slot[level]++;
		if (slot == ptree_width(level)) {
			if (level++ == own->level)
				return;
			continue;
		}
		if (!scratch->classes[level]->node->child[slot])
			continue;
		classify_children(scratch, level, slot);
		cond_resched();
		if (!scaled_at_once(scratch, level - 1, out))
			scratch->slot[--level] = 0;
	}
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
		if (!leaf->desc[i])
			return "mark on an empty slot";
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
		if (!node->child[i])
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
	if (node->pages != nr)
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
	if (tree->level && tree->root->nr == 1)
		return "root is not the smallest";
	v.alone[tree->level + 1] = true;
	ptree_walk(tree, &visitor, &v);
	return v.error;
}
