// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: how relatives share their pages.
 *
 * The scaled size of a tree divides each of its pages by the number of members
 * of the family that see it. All relatives keep the same content at the same
 * index, so the members are followed down together: at each position they fall
 * into classes that are at the same node. When only one class is left, all
 * pages below have as many sharers as it has members, and the count in the node
 * is enough.
 *
 * For one tree only the positions matter where its own class is. For all at
 * once each class collects what each of its members has below: on the way up
 * its share goes to all those classes that it came from.
 */
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

/* Below the leaves: classes of members that have the same descriptor. */
#define DESC_LEVEL	(-1)

#define NO_CLASS	(~0U)

/**
 * struct member_class - members that are at the same node
 * @node: the node; on DESC_LEVEL the descriptor
 * @start: first index below @node
 * @mult: how many members
 * @bucket: place in the hash table
 * @child: where they are at the slot being visited, a class of the level below
 * @share: what each of them has of what has been visited
 *
 * At a position above a member's root the class has that root as its node, of
 * a lower level than the position.
 */
struct member_class {
	const struct ptree_node *node;
	u64 start;
	u32 mult;
	u32 bucket;
	u32 child;
	struct ptree_share share;
};

/**
 * struct class_row - the classes at one position
 * @class: the classes
 * @nr: how many
 * @slot: the next slot to visit
 * @start: first index of the position
 */
struct class_row {
	struct member_class *class;
	unsigned int nr;
	unsigned int slot;
	u64 start;
};

/**
 * struct ptree_scratch - memory for ptree_scaled() and ptree_shares()
 * @members: how many members it is for
 * @bits: log2 of the size of @table
 * @rows: for each level, DESC_LEVEL first, a position
 * @table: finds a class by its node, while classes are made; index plus one
 * @roots: for each member the class of its root
 */
struct ptree_scratch {
	unsigned int members;
	unsigned int bits;
	struct class_row rows[PTREE_MAX_LEVELS + 1];
	u32 *table;
	u32 *roots;
};

/**
 * ptree_scratch_alloc() - allocate memory for ptree_scaled(), ptree_shares()
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
	bytes = sizeof(*scratch) + sizeof(u32) * ((size_t)members) +
		(size_t)(PTREE_MAX_LEVELS + 1) * members * sizeof(*classes) +
		sizeof(u32) * ((size_t)1 << bits);
	scratch = kvmalloc(bytes, gfp);
	if (!scratch)
		return NULL;
	scratch->members = members;
	scratch->bits = bits;
	classes = (struct member_class *)(scratch + 1);
	for (i = 0; i <= PTREE_MAX_LEVELS; i++, classes += members)
		scratch->rows[i].class = classes;
	scratch->table = (u32 *)classes;
	scratch->roots = scratch->table + ((size_t)1 << bits);
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

static struct class_row *row_of(struct ptree_scratch *scratch, int level)
{
	return &scratch->rows[level - DESC_LEVEL];
}

/* Add @mult members at @node to the classes of @row; returns which class. */
static u32 class_add(struct ptree_scratch *scratch, struct class_row *row,
		     const struct ptree_node *node, u64 start, u32 mult)
{
	u32 bucket, at, mask = (1U << scratch->bits) - 1;
	struct member_class *class = row->class;

	if (row->nr && class->node == node) {
		class->mult += mult;
		return 0;
	}
	bucket = ((unsigned long)node * 0x9e3779b97f4a7c15ULL) >>
		 (64 - scratch->bits);
	for (; scratch->table[bucket]; bucket = (bucket + 1) & mask) {
		at = scratch->table[bucket] - 1;
		if (class[at].node == node) {
			class[at].mult += mult;
			return at;
		}
	}
	at = row->nr++;
	class[at] = (struct member_class) {
		.node = node,
		.start = start,
		.mult = mult,
		.bucket = bucket,
	};
	scratch->table[bucket] = at + 1;
	return at;
}

/* All classes of @row are known: make the table empty for the next ones. */
static void classes_done(struct ptree_scratch *scratch,
			 const struct class_row *row)
{
	unsigned int i;

	for (i = 0; i < row->nr; i++)
		scratch->table[row->class[i].bucket] = 0;
}

/* The members of the classes of @level at the child in @slot. */
static void classify_children(struct ptree_scratch *scratch, int level,
			      unsigned int slot)
{
	struct class_row *row = row_of(scratch, level);
	struct class_row *below = row_of(scratch, level - 1);
	struct member_class *class = row->class;
	const struct ptree_node *node;
	unsigned int i;

	below->nr = 0;
	below->start = row->start | (u64)slot << ptree_shift(level);
	for (i = 0; i < row->nr; i++, class++) {
		node = class->node;
		class->child = NO_CLASS;
		if (node->level == level) {
			node = node->child[slot];
			if (ptree_is_pointer(node))
				class->child = class_add(scratch, below, node,
							 below->start,
							 class->mult);
		} else if (!((class->start ^ below->start) >>
			     ptree_shift(level))) {
			class->child = class_add(scratch, below, node,
						 class->start, class->mult);
		}
	}
	classes_done(scratch, below);
}

static void scaled_sum(struct ptree_scaled *out,
		       const struct ptree_scaled *more)
{
	out->bytes += more->bytes;
	out->fraction += more->fraction;
	out->bytes += out->fraction >> FRACTION_BITS;
	out->fraction &= FRACTION_MASK;
}

/* Count @pages pages that @sharers members see. */
static void scaled_add(struct ptree_scaled *out, u64 pages, u32 sharers)
{
	u64 high, low, fraction, rest = CONTENT_BYTES % sharers;
	struct ptree_scaled more;

	/* floor(rest * 2^63 / sharers), in two digits of base 2^32 */
	high = (rest << (FRACTION_BITS - 32)) / sharers;
	low = (rest << (FRACTION_BITS - 32)) % sharers;
	fraction = (high << 32) + (low << 32) / sharers;

	more.bytes = pages * (CONTENT_BYTES / sharers) +
		     mul_u64_u64_shr(pages, fraction, FRACTION_BITS);
	more.fraction = (pages * fraction) & FRACTION_MASK;
	scaled_sum(out, &more);
}

/*
 * One tree
 */

/*
 * The members' nodes at our own root, or their roots if those are below it. Our
 * own class is the first, here and further down.
 */
static void classify_roots(struct ptree_scratch *scratch,
			   const struct ptree *const *members, unsigned int nr,
			   const struct ptree *own)
{
	struct class_row *row = row_of(scratch, own->level);
	const struct ptree_node *node;
	unsigned int i, level;

	row->nr = 0;
	row->start = own->prefix;
	class_add(scratch, row, own->root, own->prefix, 0);
	for (i = 0; i < nr; i++) {
		node = members[i]->root;
		level = members[i]->level;
		if (level < own->level) {
			if (node && ptree_covers(own, members[i]->prefix))
				class_add(scratch, row, node,
					  members[i]->prefix, 1);
			continue;
		}
		if (!node || !ptree_covers(members[i], own->prefix))
			continue;
		for (; ptree_is_pointer(node) && level > own->level; level--)
			node = node->child[ptree_offset(own->prefix, level)];
		if (ptree_is_pointer(node))
			class_add(scratch, row, node, own->prefix, 1);
	}
	classes_done(scratch, row);
}

/* At a leaf the classes may still name the same descriptors. */
static void scaled_leaf(const struct class_row *row, struct ptree_scaled *out)
{
	const struct member_class *class = row->class;
	const struct ptree_desc *desc;
	unsigned int i, j, sharers;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		desc = class[0].node->desc[i];
		if (!ptree_is_pointer(desc))
			continue;
		sharers = class[0].mult;
		for (j = 1; j < row->nr; j++) {
			if (class[j].node->desc[i] == desc)
				sharers += class[j].mult;
		}
		scaled_add(out, 1, sharers);
	}
}

/* Whether what is below our node of @level has been counted without a look. */
static bool scaled_at_once(struct ptree_scratch *scratch, int level,
			   struct ptree_scaled *out)
{
	const struct class_row *row = row_of(scratch, level);

	if (row->nr == 1)
		scaled_add(out, row->class->node->pages, row->class->mult);
	else if (!level)
		scaled_leaf(row, out);
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
	int level = own->level;
	struct class_row *row;
	unsigned int slot;

	*out = (struct ptree_scaled){};
	if (!own->root)
		return;
	classify_roots(scratch, members, nr, own);
	row_of(scratch, level)->slot = 0;
	if (scaled_at_once(scratch, level, out))
		return;
	for (;;) {
		row = row_of(scratch, level);
		slot = row->slot++;
		if (slot == ptree_width(level)) {
			if (level++ == own->level)
				return;
			continue;
		}
		if (!ptree_is_pointer(row->class->node->child[slot]))
			continue;
		classify_children(scratch, level, slot);
		cond_resched();
		if (!scaled_at_once(scratch, level - 1, out))
			row_of(scratch, --level)->slot = 0;
	}
}

/*
 * All trees
 */

/*
 * The lowest position that covers all members: its row has their roots. Returns
 * its level, or DESC_LEVEL when they are all empty.
 */
static int classify_all(struct ptree_scratch *scratch,
			const struct ptree *const *members, unsigned int nr)
{
	int level = DESC_LEVEL;
	struct class_row *row;
	unsigned int i;
	u64 at = 0;

	for (i = 0; i < nr; i++) {
		if (!members[i]->root)
			continue;
		if (level == DESC_LEVEL)
			at = members[i]->prefix;
		level = max_t(int, level, members[i]->level);
		while ((at ^ members[i]->prefix) >> ptree_shift(level + 1))
			level++;
	}
	if (level == DESC_LEVEL)
		return level;
	row = row_of(scratch, level);
	row->nr = 0;
	row->start = at & ~ptree_span_mask(level);
	for (i = 0; i < nr; i++) {
		scratch->roots[i] = NO_CLASS;
		if (members[i]->root)
			scratch->roots[i] = class_add(scratch, row,
						      members[i]->root,
						      members[i]->prefix, 1);
	}
	classes_done(scratch, row);
	return level;
}

/* Whether what is below this position has been counted without a look. */
static bool shares_at_once(struct ptree_scratch *scratch, int level)
{
	struct class_row *row = row_of(scratch, level);
	struct member_class *class = row->class;
	unsigned int i;
	u64 pages;

	if (row->nr > 1 && level != DESC_LEVEL)
		return false;
	for (i = 0; i < row->nr; i++, class++) {
		pages = level == DESC_LEVEL ? 1 : class->node->pages;
		scaled_add(&class->share.scaled, pages, class->mult);
		if (class->mult == 1)
			class->share.private += pages;
	}
	return true;
}

/* The child at the current slot is done: who is there has what it has. */
static void shares_fold(struct ptree_scratch *scratch, int level)
{
	const struct class_row *below = row_of(scratch, level - 1);
	struct class_row *row = row_of(scratch, level);
	struct member_class *class = row->class;
	const struct ptree_share *share;
	unsigned int i;

	for (i = 0; i < row->nr; i++, class++) {
		if (class->child == NO_CLASS)
			continue;
		share = &below->class[class->child].share;
		class->share.private += share->private;
		scaled_sum(&class->share.scaled, &share->scaled);
	}
}

static void shares_walk(struct ptree_scratch *scratch, int top)
{
	int level = top;
	unsigned int slot;

	row_of(scratch, level)->slot = 0;
	if (shares_at_once(scratch, level))
		return;
	for (;;) {
		slot = row_of(scratch, level)->slot++;
		if (slot == ptree_width(level)) {
			if (level == top)
				return;
			shares_fold(scratch, ++level);
			continue;
		}
		classify_children(scratch, level, slot);
		cond_resched();
		if (shares_at_once(scratch, level - 1))
			shares_fold(scratch, level);
		else
			row_of(scratch, --level)->slot = 0;
	}
}

/**
 * ptree_shares() - divide the memory of a family among all its members
 * @members: the trees of all members
 * @nr: how many
 * @scratch: made for at least @nr members
 * @shares: receives for each member what ptree_private() and ptree_scaled()
 *          tell of it
 *
 * Context: Process context, sleeps. Writers of all members are excluded. Takes
 * time in proportion to the nodes that are not the same in all members that
 * have one there, each counted once.
 */
void ptree_shares(const struct ptree *const *members, unsigned int nr,
		  struct ptree_scratch *scratch, struct ptree_share *shares)
{
	int top = classify_all(scratch, members, nr);
	const struct class_row *row;
	unsigned int i;

	memset(shares, 0, nr * sizeof(*shares));
	if (top == DESC_LEVEL)
		return;
	shares_walk(scratch, top);
	row = row_of(scratch, top);
	for (i = 0; i < nr; i++) {
		if (scratch->roots[i] != NO_CLASS)
			shares[i] = row->class[scratch->roots[i]].share;
	}
}
