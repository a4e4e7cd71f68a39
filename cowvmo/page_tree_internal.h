/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes of the page tree, for page_tree*.c and nobody else.
 *
 * Words used throughout:
 *   level   0 is a leaf; its slots hold descriptors, all others hold nodes
 *   span    the aligned range of indexes below a node
 *   pages   descriptors below a node; nr counts markers too
 *   shared  more than one count somewhere on the path from the root
 *
 * What holds whenever no function of the tree is running:
 *   - no node is empty, and a root that is no leaf has two used slots, or one
 *     with a marker: the root is the smallest node that covers the content;
 *   - @nr and @pages of every node are exact, shared nodes included;
 *   - a slot's mark is set if, and only if, its child has marks;
 *   - marks are on exclusive paths only.
 * Between ptree_cursor_open() and ptree_cursor_close() the first may not hold
 * on the open path.
 */
#ifndef COWVMO_PAGE_TREE_INTERNAL_H
#define COWVMO_PAGE_TREE_INTERNAL_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/stddef.h>

#include "page_tree.h"

/**
 * struct ptree_node - a node; 16 slots, or 32 on level 1
 * @refs: trees and nodes that point here
 * @level: 0 for a leaf
 * @nr: slots in use
 * @marks: one bit per slot
 * @next_dead: next in a struct ptree_dead, once nobody reaches the node
 * @pages: descriptors below
 * @child: the slots of an interior node
 * @desc: the slots of a leaf
 */
struct ptree_node {
	atomic_t refs;
	u8 level;
	u16 nr;
	union {
		u64 marks;
		struct ptree_node *next_dead;
	};
	u64 pages;
	union {
		DECLARE_FLEX_ARRAY(struct ptree_node *, child);
		DECLARE_FLEX_ARRAY(struct ptree_desc *, desc);
	};
};

/* Counting the children of a node must not depend on what they are. */
static_assert(offsetof(struct ptree_node, refs) == 0);
static_assert(offsetof(struct ptree_desc, leaves) == 0);

/* From level 2 up, each level looks at this many bits of an index. */
#define PTREE_UPPER_BITS	4
#define PTREE_UPPER_MASK	15U

static_assert(PTREE_LEAF_SLOTS == 1 << PTREE_LEAF_BITS);

/* Bits of an index below a slot of a node of @level. */
static inline unsigned int ptree_shift(unsigned int level)
{
	return PTREE_UPPER_BITS * level + (level >= 2);
}

static inline unsigned int ptree_width(unsigned int level)
{
	return level == 1 ? 32 : 16;
}

/* Low bits of the indexes below one node of @level. */
static inline u64 ptree_span_mask(unsigned int level)
{
	return (1ULL << ptree_shift(level + 1)) - 1;
}

static inline unsigned int ptree_offset(u64 index, unsigned int level)
{
	return (index >> ptree_shift(level)) & (ptree_width(level) - 1);
}

static inline size_t ptree_node_bytes(unsigned int level)
{
	return sizeof(struct ptree_node) + ptree_width(level) * sizeof(void *);
}

static inline bool ptree_covers(const struct ptree *tree, u64 index)
{
	return !((index ^ tree->prefix) >> ptree_shift(tree->level + 1));
}

/*
 * The child in @slot of what a tree has at a place of @level, a node or, below
 * leaves, a descriptor; also a marker or nothing. Above the root
 * there are no nodes, so @node may be the root itself, which counts as a child
 * of the places above it.
 */
static inline struct ptree_node *ptree_child_at(const struct ptree *tree,
						const struct ptree_node *node,
						unsigned int level,
						unsigned int slot)
{
	/* A marker stands for all that is below it. */
	if (!ptree_is_pointer(node))
		return (struct ptree_node *)node;
	if (likely(node->level == level))
		return node->child[slot];
	return ptree_offset(tree->prefix, level) == slot ? tree->root : NULL;
}

/*
 * The acquire pairs with the release in ptree_ref_drop(): who finds itself
 * alone sees everything that former sharers read as read, and may write.
 */
static inline bool ptree_ref_alone(const atomic_t *refs)
{
	return atomic_read_acquire(refs) == 1;
}

/*
 * Returns true when it was the last count. Nobody can add to a count of one
 * but through the caller, so the last one need not be written.
 */
static inline bool ptree_ref_drop(atomic_t *refs)
{
	return ptree_ref_alone(refs) || atomic_dec_and_test(refs);
}

static inline bool ptree_node_alone(const struct ptree_node *node)
{
	return ptree_ref_alone(&node->refs);
}

static inline void *ptree_marker(unsigned int marker)
{
	return (void *)(unsigned long)marker;
}

/* Take @slot, already empty or cut off, out of the bookkeeping of @node. */
static inline void ptree_slot_cleared(struct ptree_node *node,
				      unsigned int slot)
{
	node->child[slot] = NULL;
	node->marks &= ~BIT_ULL(slot);
	node->nr--;
}

static inline void ptree_dead_add_node(struct ptree_dead *dead,
				       struct ptree_node *node)
{
	if (ptree_ref_drop(&node->refs)) {
		node->next_dead = dead->nodes;
		dead->nodes = node;
	}
}

/* A dead descriptor needs no index any more: it becomes the link. */
static inline void ptree_dead_add_desc(struct ptree_dead *dead,
				       struct ptree_desc *desc)
{
	if (ptree_ref_drop(&desc->leaves)) {
		desc->index = (unsigned long)dead->descs;
		dead->descs = desc;
	}
}

/* The nodes of a path, from @level to @top, have @pages pages more. */
static inline void ptree_path_add(struct ptree_node *const *path,
				  unsigned int level, unsigned int top,
				  u64 pages)
{
	for (; level <= top; level++)
		path[level]->pages += pages;
}

/* The slot of @level around @index has no marks any more: tell those above. */
static inline void ptree_path_unmark(struct ptree_node *const *path,
				     unsigned int level, unsigned int top,
				     u64 index)
{
	for (; level <= top; level++) {
		path[level]->marks &= ~BIT_ULL(ptree_offset(index, level));
		if (path[level]->marks)
			break;
	}
}

struct ptree_node *ptree_node_alloc(unsigned int level,
				    struct ptree_stash *stash);
struct ptree_node *ptree_node_alloc_filled(unsigned int level,
					   unsigned int marker,
					   struct ptree_stash *stash);
struct ptree_node *ptree_node_alloc_empty(unsigned int level,
					  struct ptree_stash *stash);
void ptree_node_free(struct ptree_node *node);
void ptree_desc_free(struct ptree_desc *desc);
struct ptree_node *ptree_node_own(struct ptree_node **link,
				  struct ptree_stash *stash);
struct ptree_node *ptree_link_own(struct ptree_node **link,
				  struct ptree_node *parent, unsigned int level,
				  struct ptree_stash *stash);
void ptree_trim(struct ptree *tree);
bool ptree_next_used(const struct ptree *tree, u64 from, u64 last, u64 *found);
bool ptree_prev_used(const struct ptree *tree, u64 first, u64 from,
		     u64 *found);
int ptree_grow(struct ptree *tree, u64 index, unsigned int top,
	       struct ptree_stash *stash);
int ptree_cursor_open_above(struct ptree_cursor *cursor, struct ptree *tree,
			    u64 index, struct ptree_stash *stash);
void ptree_path_prune(struct ptree *tree, struct ptree_node *const *path,
		      unsigned int level, u64 index);

#endif /* COWVMO_PAGE_TREE_INTERNAL_H */
