/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The persistent page tree: what a VMO's content is made of.
 *
 * A tree maps 52-bit page indexes to page descriptors. Nodes and descriptors
 * are counted; a clone takes one more count on the root (and copies the two
 * edges of a sub-range), so it costs nothing per page. A slot is *exclusive*
 * when every count on its path is 1: the root's, each node's and the
 * descriptor's. Exclusive content is changed in place; a shared node is never
 * changed, it is copied from the top down, its children counted before the
 * old node is dropped, and every step of that leaves equal content.
 *
 * Locking: the tree has no lock. The owner of a struct ptree excludes writers
 * of that tree (all functions that take it without const) from each other and
 * from readers of the same tree. Relatives that share nodes need no common
 * lock: counts are read with acquire and dropped with release, and a shared
 * node is immutable. No function here sleeps except those documented so.
 *
 * Indexes: "first" and "last" are inclusive, so that the whole index space
 * can be named. The same content has the same index in all relatives.
 *
 * Marks: a mark on a slot says "a writable PTE to this page may exist". Only
 * exclusive paths carry marks; an interior slot is marked when anything below
 * it is. Marks are cleared before content becomes shared.
 *
 * Markers: a slot can have a marker instead of content, a small number that means
 * something to the owner only. In an interior node it stands for all indexes
 * below that slot, so that one over any range costs two paths at most. Markers
 * are not counted, are no pages, and are never marked.
 *
 * This file and page_tree*.c know nothing of VMOs, mappings and locks, and
 * compile unchanged in user space (selftests/page_tree supplies the few
 * kernel headers).
 */
#ifndef COWVMO_PAGE_TREE_H
#define COWVMO_PAGE_TREE_H

#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/types.h>

struct page;
struct ptree_node;

#define PTREE_INDEX_BITS	52
#define PTREE_MAX_INDEX		((1ULL << PTREE_INDEX_BITS) - 1)

/* Slots of a leaf; also the natural batch of a fault-around. */
#define PTREE_LEAF_BITS		4
#define PTREE_LEAF_SLOTS	16U

/* A slot has nothing, a marker from 1 up to this, or a pointer. */
#define PTREE_MAX_MARKER	7U

/* Leaf 16, level 1 32 (one level-2 slot spans 2 MiB), 16 from there on. */
#define PTREE_MAX_LEVELS	13

/**
 * struct ptree_desc - one page of content, shared by all leaves that name it
 * @leaves: number of leaf nodes that name this descriptor, plus references
 *          held by callers
 * @flags: owner's flags, not interpreted by the tree; 0 when allocated
 * @page: the content; never NULL once stored. Owned by the descriptor and
 *        given to ptree_page_free(), with @flags, with the last count. The
 *        embedder may
 *        put another page with the same content here while the descriptor is
 *        shared; the tree only ever reads it once at a time
 * @index: tree index of the content
 */
struct ptree_desc {
	atomic_t leaves;
	u32 flags;
	struct page *page;
	u64 index;
};

/**
 * struct ptree - a tree; all zero is the empty tree
 * @root: NULL or a node of level @level that covers the aligned span that
 *        starts at @prefix
 * @prefix: first index below @root
 * @level: level of @root, 0 being a leaf
 */
struct ptree {
	struct ptree_node *root;
	u64 prefix;
	u8 level;
};

/**
 * struct ptree_need - an amount of tree memory
 * @small: nodes of 16 slots
 * @big: nodes of 32 slots
 * @descs: page descriptors
 */
struct ptree_need {
	unsigned long small;
	unsigned long big;
	unsigned long descs;
};

/**
 * struct ptree_stash - tree memory set aside before a lock is taken
 * @small: list of free 16-slot nodes
 * @big: list of free 32-slot nodes
 * @descs: list of free descriptors
 * @have: how much of each is here
 *
 * All zero is an empty stash. Functions that change a tree first try to
 * allocate without waiting and then take from the stash; -ENOMEM from them
 * means: drop the lock, ptree_stash_fill(), take the lock, look everything
 * up again.
 */
struct ptree_stash {
	void *small;
	void *big;
	void *descs;
	struct ptree_need have;
};

/**
 * struct ptree_dead - nodes and descriptors cut off a tree, not yet freed
 * @nodes: chain of nodes nobody else reaches; their children still count
 * @descs: chain of descriptors nobody else reaches
 *
 * All zero is the empty collection. Filled under the owner's lock in
 * time that depends on the height of the tree, emptied by ptree_reap()
 * outside of it.
 */
struct ptree_dead {
	struct ptree_node *nodes;
	struct ptree_desc *descs;
};

/**
 * struct ptree_cursor - an exclusive path to one slot
 * @tree: the tree
 * @index: index of the slot
 * @slot: the slot itself, in a leaf that only @tree reaches
 * @path: the nodes from the leaf (0) to the root (@tree->level)
 *
 * Valid from ptree_cursor_open() until ptree_cursor_close() or any other
 * change of the tree.
 */
struct ptree_cursor {
	struct ptree *tree;
	u64 index;
	struct ptree_desc **slot;
	struct ptree_node *path[PTREE_MAX_LEVELS];
};

/**
 * struct ptree_mover - what becomes of the pages that are moved
 * @take: asked for each descriptor that only the source sees: may it go with
 *        its page as it is?
 * @copy: called for all others: *@copy becomes a descriptor of its own for
 *        @index with a page of the same content. An error ends the step, which
 *        then has done nothing
 *
 * Both must leave the trees alone.
 */
struct ptree_mover {
	bool (*take)(struct ptree_desc *desc, void *arg);
	int (*copy)(struct ptree_desc *desc, u64 index,
		    struct ptree_desc **copy, void *arg);
};

/**
 * struct ptree_move - a move of content in progress
 * @from: the tree that has it
 * @to: the tree that gets it; may be the same if the ranges are apart
 * @src: next slot to move
 * @dst: where to
 * @left: how many slots are left
 * @mover: what becomes of the pages
 * @arg: for @mover
 * @stash: used when memory is not to be had at once; may be NULL
 * @dead: receives what was in @to, and what was copied out of @from
 */
struct ptree_move {
	struct ptree *from;
	struct ptree *to;
	u64 src;
	u64 dst;
	u64 left;
	const struct ptree_mover *mover;
	void *arg;
	struct ptree_stash *stash;
	struct ptree_dead *dead;
};

/**
 * struct ptree_scaled - an amount of memory with a fraction
 * @bytes: whole bytes
 * @fraction: further 1/2^63 parts of a byte, below 2^63
 */
struct ptree_scaled {
	u64 bytes;
	u64 fraction;
};

/**
 * struct ptree_share - a tree's part of the memory of its family
 * @private: pages that no relative sees
 * @scaled: all pages, each divided by the number of trees that see it
 */
struct ptree_share {
	u64 private;
	struct ptree_scaled scaled;
};

/**
 * struct ptree_slot - what can be seen of a slot
 * @desc: the descriptor, not counted, or NULL
 * @alone: only this tree sees it
 * @marked: it has a mark
 * @last: if a node makes the path shared, the last index below that node;
 *        else the index of the slot
 */
struct ptree_slot {
	struct ptree_desc *desc;
	bool alone;
	bool marked;
	u64 last;
};

/**
 * struct ptree_look - what is at an index
 * @desc: the descriptor, not counted, or NULL
 * @marker: the marker, or 0
 * @first: first index up to which backwards it is known to be the same
 * @last: last index up to which it is known to be the same; of a descriptor both
 *        are its own
 */
struct ptree_look {
	struct ptree_desc *desc;
	unsigned int marker;
	u64 first;
	u64 last;
};

/**
 * struct ptree_visitor - callbacks of ptree_walk()
 * @node: called for each node before its children; false skips them
 * @desc: called for each descriptor of a leaf that was not skipped
 */
struct ptree_visitor {
	bool (*node)(const struct ptree_node *node, unsigned int level,
		     u64 first, void *arg);
	void (*desc)(struct ptree_desc *desc, u64 index, void *arg);
};

/* Module-wide */
int ptree_caches_create(void);
void ptree_caches_destroy(void);
extern atomic_long_t ptree_nr_nodes;	/* live, stashed ones included */
extern atomic_long_t ptree_nr_descs;

/* Supplied by the embedder: frees the page of a dead descriptor; may not sleep. */
void ptree_page_free(struct page *page, u32 flags);
/*
 * Supplied by the embedder: true makes the next allocation fail (failure
 * injection); constant false where not wanted.
 */
bool ptree_should_fail(void);

/* Memory set aside; fill may sleep as @gfp says, drain never does */
int ptree_stash_fill(struct ptree_stash *stash, unsigned int paths, gfp_t gfp);
int ptree_stash_fill_need(struct ptree_stash *stash,
			  const struct ptree_need *need, gfp_t gfp);
void ptree_stash_drain(struct ptree_stash *stash);

/* Descriptors */
struct ptree_desc *ptree_desc_alloc(struct ptree_stash *stash, u64 index,
				    struct page *page);
void ptree_desc_put(struct ptree_desc *desc);
bool ptree_desc_exclusive(const struct ptree_desc *desc);

/* Reading */
struct ptree_desc *ptree_lookup(const struct ptree *tree, u64 index);
unsigned int ptree_lookup_run(const struct ptree *tree, u64 first,
			      unsigned int nr, struct page **pages);
void ptree_look(const struct ptree *tree, u64 index, struct ptree_look *look);
bool ptree_visit(const struct ptree *tree, u64 first, u64 last,
		 bool (*fn)(u64 first, u64 last, struct ptree_desc *desc,
			    unsigned int marker, void *arg), void *arg);
bool ptree_visit_flagged(const struct ptree *tree, u64 first, u64 last,
			 u32 flags,
			 bool (*fn)(u64 first, u64 last,
				    struct ptree_desc *desc,
				    unsigned int marker, void *arg), void *arg);
bool ptree_next_data(const struct ptree *tree, u64 from, u64 last, u64 *found);
bool ptree_next_hole(const struct ptree *tree, u64 from, u64 last, u64 *found);

/* One slot for writing */
bool ptree_cursor_follow(struct ptree_cursor *cursor, const struct ptree *tree,
			 u64 index);
int ptree_cursor_open(struct ptree_cursor *cursor, struct ptree *tree,
		      u64 index, struct ptree_stash *stash);
void ptree_cursor_close(struct ptree_cursor *cursor);
struct ptree_desc *ptree_cursor_store(struct ptree_cursor *cursor,
				      struct ptree_desc *desc);
void ptree_cursor_mark(struct ptree_cursor *cursor);
bool ptree_cursor_marked(const struct ptree_cursor *cursor);

static inline bool ptree_is_pointer(const void *slot)
{
	return (unsigned long)slot > PTREE_MAX_MARKER;
}

/* The descriptor at the slot, or NULL where there is none. */
static inline struct ptree_desc *
ptree_cursor_desc(const struct ptree_cursor *cursor)
{
	return ptree_is_pointer(*cursor->slot) ? *cursor->slot : NULL;
}

/* The marker at the slot, or 0 where there is none. */
static inline unsigned int
ptree_cursor_marker(const struct ptree_cursor *cursor)
{
	return ptree_is_pointer(*cursor->slot) ? 0 :
	       (unsigned long)*cursor->slot;
}

/**
 * ptree_cursor_advance() - go on to the next slot, if that is cheap
 * @cursor: an open cursor
 *
 * Context: As ptree_cursor_open().
 * Return: true if the cursor is now at the next index. False at the end of a
 * leaf: the cursor stays where it is, to be closed and opened anew.
 */
static inline bool ptree_cursor_advance(struct ptree_cursor *cursor)
{
	if (!((cursor->index + 1) % PTREE_LEAF_SLOTS))
		return false;
	cursor->index++;
	cursor->slot++;
	return true;
}

/* Two trees */
int ptree_graft(struct ptree *to, struct ptree *from, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree_dead *dead);
int ptree_move_step(struct ptree_move *move);
bool ptree_diff(const struct ptree *a, const struct ptree *b, u64 first,
		u64 last, bool (*fn)(u64 first, u64 last, void *arg),
		void *arg);	/* may sleep */

/* Ranges */
int ptree_erase(struct ptree *tree, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree_dead *dead);
int ptree_fill(struct ptree *tree, u64 first, u64 last, unsigned int marker,
	       struct ptree_stash *stash, struct ptree_dead *dead);
void ptree_clear(struct ptree *tree, struct ptree_dead *dead);
void ptree_reap(struct ptree_dead *dead);	/* may sleep */
int ptree_clone(struct ptree *tree, u64 first, u64 last,
		struct ptree_stash *stash, struct ptree *clone);

/* Marks */
void ptree_visit_marked_runs(const struct ptree *tree, u64 first, u64 last,
			     void (*fn)(u64 first, u64 last, void *arg),
			     void *arg);
unsigned long ptree_clear_marks(struct ptree *tree, u64 first, u64 last,
				bool (*keep)(struct ptree_desc *desc,
					     u64 index, void *arg),
				void *arg, struct ptree_need *need);

/* Attribution */
u64 ptree_populated(const struct ptree *tree);
u64 ptree_private(const struct ptree *tree);
u64 ptree_metadata_bytes(const struct ptree *tree);
struct ptree_scratch *ptree_scratch_alloc(unsigned int members, gfp_t gfp);
void ptree_scratch_free(struct ptree_scratch *scratch);
void ptree_scaled(const struct ptree *const *members, unsigned int nr,
		  unsigned int self, struct ptree_scratch *scratch,
		  struct ptree_scaled *out);
void ptree_shares(const struct ptree *const *members, unsigned int nr,
		  struct ptree_scratch *scratch, struct ptree_share *shares);

/* Looking inside, for tools, validators and dumps */
void ptree_inspect(const struct ptree *tree, u64 index,
		   struct ptree_slot *slot);
void ptree_walk(const struct ptree *tree, const struct ptree_visitor *visitor,
		void *arg);
unsigned int ptree_node_refs(const struct ptree_node *node);
u64 ptree_node_marks(const struct ptree_node *node);
const char *ptree_validate(const struct ptree *tree);

#endif /* COWVMO_PAGE_TREE_H */
