// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: moving content to other indexes.
 *
 * A move goes in steps of one leaf of either tree at most, holes aside, so that
 * its caller decides how long it holds its locks. Each step first makes both
 * paths exclusive and gathers what will be in the slots, which may fail and
 * leaves the same content; then it puts that there, which cannot.
 *
 * A leaf that only the source reaches, and that is moved whole to where a leaf
 * can be, is linked there as it is. Only the indexes in its descriptors change.
 */
#include <linux/errno.h>

#include "page_tree_internal.h"

/**
 * struct move_slots - the slots of one step
 * @nr: how many there are
 * @copies: how many of them get a copy
 * @desc: what each of them will have in the other tree
 */
struct move_slots {
	unsigned int nr;
	unsigned int copies;
	struct ptree_desc *desc[PTREE_LEAF_SLOTS];
};

/* Give the copies back that were made for the first @nr slots from @from on. */
static void slots_put(struct move_slots *slots, struct ptree_desc *const *from,
		      unsigned int nr)
{
	while (nr--) {
		if (slots->desc[nr] != from[nr])
			ptree_desc_put(slots->desc[nr]);
	}
}

/*
 * Gather what will be in the slots. The path to those of the source, which are
 * at @from, is exclusive: what is exclusive there may be taken.
 */
static int slots_get(const struct ptree_move *move, struct move_slots *slots,
		     struct ptree_desc *const *from, unsigned int nr)
{
	const struct ptree_mover *mover = move->mover;
	struct ptree_desc *desc;
	unsigned int i;
	int err;

	slots->nr = nr;
	slots->copies = 0;
	for (i = 0; i < nr; i++) {
		desc = from[i];
		slots->desc[i] = desc;
		if (!desc || (ptree_ref_alone(&desc->leaves) &&
			      mover->take(desc, move->arg)))
			continue;
		err = mover->copy(desc, move->dst + i, &slots->desc[i],
				  move->arg);
		if (err) {
			slots_put(slots, from, i);
			return err;
		}
		slots->copies++;
	}
	return 0;
}

/*
 * A whole leaf
 */

/* Put @leaf where it belongs, and what is there aside. */
static void leaf_link(struct ptree_move *move, struct ptree_node *const *path,
		      struct ptree_node *leaf)
{
	unsigned int slot = ptree_offset(move->dst, 1);
	struct ptree *tree = move->to;
	struct ptree_node *old, **link;

	link = tree->level ? &path[1]->child[slot] : &tree->root;
	old = *link;
	*link = leaf;
	if (tree->level) {
		path[1]->nr += !old;
		ptree_path_add(path, 1, tree->level,
			       leaf->pages - (ptree_is_pointer(old) ?
					      old->pages : 0));
		if (ptree_is_pointer(old) && old->marks)
			ptree_path_unmark(path, 1, tree->level, move->dst);
	} else {
		tree->prefix = move->dst;
	}
	if (ptree_is_pointer(old))
		ptree_dead_add_node(move->dead, old);
}

/* Take @leaf out of the source; its marks do not go with it. */
static void leaf_unlink(struct ptree_move *move, struct ptree_node *const *path,
			struct ptree_node *leaf)
{
	struct ptree *tree = move->from;

	if (tree->level) {
		if (leaf->marks)
			ptree_path_unmark(path, 1, tree->level, move->src);
		ptree_path_add(path, 1, tree->level, -leaf->pages);
		ptree_slot_cleared(path[1], ptree_offset(move->src, 1));
	} else {
		tree->root = NULL;
	}
	leaf->marks = 0;
	ptree_path_prune(tree, path, 1, move->src);
}

/* The copies take the places of what they were made of. */
static void leaf_replace(const struct ptree_move *move,
			 struct ptree_node *leaf, const struct move_slots *slots)
{
	unsigned int i;

	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		if (leaf->desc[i] == slots->desc[i])
			continue;
		ptree_dead_add_desc(move->dead, leaf->desc[i]);
		leaf->desc[i] = slots->desc[i];
	}
}

/* The source's leaf, which @from leads to, is exclusive. */
static int move_leaf(struct ptree_move *move, struct ptree_cursor *from)
{
	struct ptree_node *leaf = from->path[0];
	struct move_slots slots;
	struct ptree_cursor to;
	unsigned int i;
	int err;

	err = ptree_cursor_open_above(&to, move->to, move->dst, move->stash);
	if (err)
		return err;
	err = slots_get(move, &slots, leaf->desc, PTREE_LEAF_SLOTS);
	if (err) {
		ptree_path_prune(move->to, to.path, 1, move->dst);
		return err;
	}
	if (slots.copies)
		leaf_replace(move, leaf, &slots);
	for (i = 0; i < PTREE_LEAF_SLOTS; i++) {
		if (leaf->desc[i])
			leaf->desc[i]->index = move->dst + i;
	}
	/* It is exclusive still, but if both are one tree that may have grown. */
	if (move->from == move->to)
		ptree_cursor_follow(from, move->from, move->src);
	/* In this order: in one tree the new place keeps the old one's nodes. */
	leaf_link(move, to.path, leaf);
	leaf_unlink(move, from->path, leaf);
	return 0;
}

/*
 * Some slots
 */

/*
 * All of @nr slots were exchanged: of their leaf @used more are in use, with
 * @pages pages more.
 */
static void slots_changed(struct ptree_cursor *cursor, unsigned int nr,
			  int used, int pages)
{
	u64 slots = (BIT_ULL(nr) - 1) << ptree_offset(cursor->index, 0);
	struct ptree_node *leaf = cursor->path[0];
	unsigned int top = cursor->tree->level;

	leaf->nr += used;
	ptree_path_add(cursor->path, 0, top, pages);
	if (leaf->marks & slots) {
		leaf->marks &= ~slots;
		if (!leaf->marks)
			ptree_path_unmark(cursor->path, 1, top, cursor->index);
	}
}

static void slots_move(struct ptree_move *move, const struct move_slots *slots,
		       struct ptree_cursor *to, struct ptree_cursor *from)
{
	unsigned int i, moved = 0, replaced = 0, markers = 0;

	for (i = 0; i < slots->nr; i++) {
		if (ptree_is_pointer(to->slot[i])) {
			ptree_dead_add_desc(move->dead, to->slot[i]);
			replaced++;
		} else if (to->slot[i]) {
			markers++;
		}
		to->slot[i] = slots->desc[i];
		if (!from->slot[i])
			continue;
		if (from->slot[i] == slots->desc[i])
			slots->desc[i]->index = move->dst + i;
		else
			ptree_dead_add_desc(move->dead, from->slot[i]);
		from->slot[i] = NULL;
		moved++;
	}
	slots_changed(to, slots->nr, moved - replaced - markers,
		      moved - replaced);
	slots_changed(from, slots->nr, -moved, -moved);
}

static int move_slots(struct ptree_move *move, unsigned int nr)
{
	struct ptree_cursor to, from;
	struct move_slots slots;
	int err;

	err = ptree_cursor_open(&to, move->to, move->dst, move->stash);
	if (err)
		return err;
	/* In one tree this leaves the other path as it is: the leaf is there. */
	err = ptree_cursor_open(&from, move->from, move->src, move->stash);
	if (!err) {
		err = slots_get(move, &slots, from.slot, nr);
		if (!err)
			slots_move(move, &slots, &to, &from);
		ptree_cursor_close(&from);
	}
	ptree_cursor_close(&to);
	return err;
}

/*
 * How many slots have nothing that could be moved, or 0. It does not end in the
 * middle of a leaf that has something, so that such a leaf can be moved whole.
 */
static u64 hole_length(const struct ptree_move *move, u64 nr)
{
	u64 found, leaf;

	if (!ptree_next_data(move->from, move->src, move->src + move->left - 1,
			     &found))
		return move->left;
	if (found - move->src < nr)
		return 0;
	leaf = found & ~ptree_span_mask(0);
	return leaf > move->src + nr ? leaf - move->src : nr;
}

/**
 * ptree_move_step() - move content to other indexes
 * @move: what is left of the move; moved on by what has been done
 *
 * The source has no markers. Those of the destination are replaced.
 *
 * Moves what one leaf has, or passes over a hole of any width. The slots that
 * @move->src has gone by are empty then, those that @move->dst has gone by have
 * what was there, and what they had is in @move->dead. Marks do not go with
 * their pages: there must be no writable PTEs in either range any more.
 *
 * A page that is also in @move->dead counts as seen by somebody else until
 * ptree_reap().
 *
 * Context: The owners of both trees exclude everybody else from them. Takes
 * time in proportion to the height of the trees, and calls the mover 16 times
 * at most.
 * Return: 0, -ENOMEM, or what the mover's copy() returned. After an error the
 * content is as it was, and @move too.
 */
int ptree_move_step(struct ptree_move *move)
{
	struct ptree_cursor from;
	u64 nr, hole = 0;
	bool leaf;
	int err;

	nr = PTREE_LEAF_SLOTS - max(ptree_offset(move->src, 0),
				    ptree_offset(move->dst, 0));
	nr = min(nr, move->left);
	if (!nr)
		return 0;
	leaf = nr == PTREE_LEAF_SLOTS &&
	       ptree_cursor_follow(&from, move->from, move->src);
	if (!leaf)
		hole = hole_length(move, nr);
	if (hole) {
		nr = hole;
		err = ptree_erase(move->to, move->dst, move->dst + nr - 1,
				  move->stash, move->dead);
	} else if (leaf) {
		err = move_leaf(move, &from);
	} else {
		err = move_slots(move, nr);
	}
	if (err)
		return err;
	move->src += nr;
	move->dst += nr;
	move->left -= nr;
	return 0;
}
