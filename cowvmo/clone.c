// SPDX-License-Identifier: GPL-2.0
/*
 * Children of VMOs that have a pager, or descend from one that has.
 *
 * Two kinds. A unidirectional child begins with nothing: what its parent has
 * shows through, later changes too, until it writes to a page itself. A
 * bidirectional one shares what its parent has in its own tree, as any
 * snapshot does, and what shows through the parent shows through the child.
 * The reference puts a hidden node above such a pair, and has rules that
 * follow from that; here they are a group that knows how many are left of it.
 *
 * A point-in-time snapshot is a bidirectional child of the root itself. What
 * the root lacks then, both lack, and either can have it fetched, into the root.
 * Before what is clean in the root changes, each such snapshot that lacks it
 * is given it (cow_keep_for_snapshots()). What is absent in the root and in a
 * snapshot must not change in the root: the pager would have it no longer once
 * it is written back. So that is refused, and has to be fetched first.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "cowvmo.h"
#include "pager.h"

/**
 * struct cow_group - members below one hidden node
 * @nr: how many; under their lock
 */
struct cow_group {
	unsigned int nr;
};

static bool is_below_hidden(const struct cowvmo *store)
{
	return store->group && store->group->nr > 1;
}

/* The range of a child, by indexes of the family. */
struct clone_range {
	u64 first;
	u64 end;
};

static struct clone_range range_of(const struct cowvmo *parent,
				   const struct cowvmo_create_child *args)
{
	const struct cowvmo *store = parent->store;
	struct clone_range range;

	range.first = store->base + parent->view_first +
		      (args->offset >> PAGE_SHIFT);
	range.end = range.first + DIV_ROUND_UP_ULL(args->length, PAGE_SIZE);
	return range;
}

/* Up to which index the parent has content that a child can see. */
static u64 parent_end(const struct cowvmo *parent)
{
	lockdep_assert_held(parent->store->lock);
	return parent->store->base + parent->view_first +
	       vmo_sized(parent)->nr_pages;
}

static bool owns_any(const struct cowvmo *store, u64 first, u64 end)
{
	struct ptree_look look;

	while (first < end) {
		ptree_look(&store->tree, first, &look);
		if (look.desc || look.marker)
			return true;
		first = look.last + 1;
	}
	return false;
}

/* Is what the VMO shows fixed at some instant, in part at least? */
static bool is_unidirectional_parent(const struct cowvmo *store)
{
	return !is_below_hidden(store) || store->point_in_time;
}

enum clone_kind {
	CLONE_UNIDIRECTIONAL,
	CLONE_BIDIRECTIONAL,
	CLONE_POINT_IN_TIME,
};

/* The order of these is part of the ABI. */
static int choose_kind(const struct cowvmo *parent,
		       const struct cowvmo_create_child *args)
{
	const struct cowvmo *store = parent->store;
	bool both;

	if (args->type == COWVMO_CHILD_SNAPSHOT) {
		if (!(args->flags & COWVMO_CREATE_POINT_IN_TIME) ||
		    !vmo_is_pager_root(store) || vmo_is_slice(parent))
			return -EOPNOTSUPP;
		return CLONE_POINT_IN_TIME;
	}
	both = args->type == COWVMO_CHILD_SNAPSHOT_MODIFIED && store->up;
	if (!both && is_unidirectional_parent(store))
		return CLONE_UNIDIRECTIONAL;
	if (vmo_is_slice(parent))
		return -EOPNOTSUPP;
	if (cow_has_pins(store))
		return -EBUSY;
	if (store->nr_below ||
	    (!is_below_hidden(store) && store->up != store->source->root))
		return -EOPNOTSUPP;
	return CLONE_BIDIRECTIONAL;
}

/* Has something to be kept for it before that changes in the root? */
static bool is_snapshot_of_root(const struct cowvmo *vmo)
{
	return vmo->point_in_time && vmo->up == vmo->source->root;
}

static void join_hierarchy(struct cowvmo *child, struct cowvmo *up, u64 end)
{
	lockdep_assert_held_write(up->lock);
	ihold(&up->inode);
	up->nr_below++;
	child->source = up->source;
	child->up = up;
	child->up_end = min(end, child->base + child->nr_pages);
	list_add_tail(&child->source_link, &up->source->members);
	child->source->nr_snapshots += is_snapshot_of_root(child);
}

/*
 * Hangs the child below the lowest that has anything in its range: what those in
 * between write later, it does not see.
 */
static void hang_below(struct cowvmo *child, struct cowvmo *parent,
		       const struct clone_range *range)
{
	struct cowvmo *up = parent->store;
	u64 end = min(range->end, parent_end(parent));

	end = max(end, range->first);
	while (up->up && !up->point_in_time &&
	       !owns_any(up, range->first, end)) {
		end = min(end, up->up_end);
		up = up->up;
	}
	join_hierarchy(child, up, end);
}

/**
 * struct clone_share - a bidirectional child being made
 * @share: its content
 * @child: the child
 * @store: what it is made from
 * @group: for both, if there is none yet
 * @end: index up to which the child sees its parent's content
 * @point_in_time: of the root
 */
struct clone_share {
	struct cow_share share;
	struct cowvmo *child;
	struct cowvmo *store;
	struct cow_group *group;
	u64 end;
	bool point_in_time;
};

/* Under the lock under which the content was shared. */
static void share_done(struct cow_share *share)
{
	struct clone_share *clone = container_of(share, struct clone_share,
						 share);
	struct cowvmo *child = clone->child, *store = clone->store;
	u64 end = min(clone->end, store->base + store->nr_pages);

	lockdep_assert_held_write(store->lock);
	child->shared_once = true;
	child->tree = share->tree;
	end = max(end, child->base);
	if (clone->point_in_time) {
		child->point_in_time = true;
		join_hierarchy(child, store, end);
		return;
	}
	child->point_in_time = store->point_in_time;
	join_hierarchy(child, store->up, min(end, store->up_end));
	if (!store->group) {
		store->group = clone->group;
		store->group->nr = 1;
		clone->group = NULL;
	}
	child->group = store->group;
	child->group->nr++;
}

static void share_nothing(struct clone_share *clone)
{
	down_write(clone->store->lock);
	share_done(&clone->share);
	up_write(clone->store->lock);
}

static int share_with(struct cowvmo *child, struct cowvmo *parent,
		      const struct clone_range *range, bool point_in_time)
{
	struct cowvmo *store = parent->store;
	struct clone_share clone = {
		.share.done = share_done,
		.child = child,
		.store = store,
		.end = range->end,
		.point_in_time = point_in_time,
	};
	u64 last = range->end - 1 - store->base;
	int err = 0;

	if (!point_in_time) {
		if (cowvmo_should_fail())
			return -ENOMEM;
		clone.group = kzalloc(sizeof(*clone.group), COWVMO_GFP_CALL);
		if (!clone.group)
			return -ENOMEM;
	}
	if (range->first == range->end)
		share_nothing(&clone);
	else
		err = cow_share(store, range->first - store->base, last,
				&clone.share);
	kfree(clone.group);
	return err;
}

/**
 * cow_clone() - make a child of a VMO that a pager gives content to
 * @parent: the VMO, or a slice of one
 * @args: which child
 * @child: the new VMO, which nobody can reach yet
 *
 * Context: may sleep; the caller holds family->lock.
 * Return: 0; -EOPNOTSUPP: there is no such child of this VMO; -EBUSY: a page is
 * pinned; -ENOMEM, -EINTR.
 */
int cow_clone(struct cowvmo *parent, const struct cowvmo_create_child *args,
	      struct cowvmo *child)
{
	struct clone_range range = range_of(parent, args);
	struct cowvmo *store = parent->store;
	int kind;

	lockdep_assert_held(&store->family->lock);
	/* What it depends on changes under family->lock only, but for pins. */
	down_write(store->lock);
	kind = choose_kind(parent, args);
	if (kind == CLONE_UNIDIRECTIONAL)
		hang_below(child, parent, &range);
	up_write(store->lock);
	if (kind <= CLONE_UNIDIRECTIONAL)
		return kind;
	return share_with(child, parent, &range, kind == CLONE_POINT_IN_TIME);
}

/**
 * cow_clone_leave() - a member leaves its group, and what shows through it
 * @vmo: the member
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: what has shown through, or NULL. The caller puts its inode.
 */
struct cowvmo *cow_clone_leave(struct cowvmo *vmo)
{
	struct cow_group *group = vmo->group;
	struct cowvmo *up = vmo->up;

	lockdep_assert_held_write(vmo->lock);
	if (group && !--group->nr)
		kfree(group);
	vmo->group = NULL;
	if (!up)
		return NULL;
	vmo->source->nr_snapshots -= is_snapshot_of_root(vmo);
	vmo->up = NULL;
	up->nr_below--;
	return up;
}

/*
 * Point-in-time snapshots
 */

/* A page that somebody holds for writing, or has, cannot be shared. */
static int keep_copy(struct cowvmo *member, struct ptree_cursor *cursor,
		     struct ptree_desc *desc, struct cow_reserve *reserve)
{
	struct ptree_desc *copy;
	int err;

	err = cow_copy_content(member, desc, desc->index, &copy, reserve);
	if (!err)
		ptree_cursor_store(cursor, copy);
	return err;
}

static int keep_page(struct cowvmo *member, struct cowvmo *root,
		     struct ptree_desc *desc, struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	struct ptree_slot slot;
	int err;

	ptree_inspect(&root->tree, desc->index, &slot);
	err = ptree_cursor_open(&cursor, &member->tree, desc->index,
				&reserve->stash);
	if (err)
		return err;
	if (slot.marked) {
		err = keep_copy(member, &cursor, desc, reserve);
	} else {
		atomic_inc(&desc->leaves);
		ptree_cursor_store(&cursor, desc);
	}
	ptree_cursor_close(&cursor);
	return err;
}

/* What the member lacks of a range that is about to change in the root. */
static int keep_range(struct cowvmo *member, struct cowvmo *root, u64 first,
		      u64 last, struct cow_reserve *reserve)
{
	struct ptree_look look, above;
	struct ptree_dead dead = {};
	u64 end;
	int err = 0;

	for (; !err && first <= last; first = end + 1) {
		ptree_look(&member->tree, first, &look);
		end = min(look.last, last);
		if (look.desc || look.marker)
			continue;
		ptree_look(&root->tree, first, &above);
		end = min(end, above.last);
		if (above.desc)
			err = keep_page(member, root, above.desc, reserve);
		else if (above.marker)
			err = ptree_fill(&member->tree, first, end,
					 COW_ZERO_CLEAN, &reserve->stash,
					 &dead);
		else
			err = -EBUSY;
		ptree_reap(&dead);
		cond_resched();
	}
	return err;
}

/**
 * cow_keep_for_snapshots() - something clean is about to change in the root
 * @root: the VMO
 * @first: first index
 * @last: last index
 * @reserve: memory for when none can be had without waiting
 *
 * Context: the caller holds the root's lock for writing.
 * Return: 0; -EBUSY: it must not change, as some of it is absent, and will be
 * wanted; -EIO; -ENOMEM: the caller drops the lock, fills @reserve and starts
 * again.
 */
int cow_keep_for_snapshots(struct cowvmo *root, u64 first, u64 last,
			   struct cow_reserve *reserve)
{
	struct cowvmo *member;
	int err = 0;

	lockdep_assert_held_write(root->lock);
	if (!root->source->nr_snapshots)
		return 0;
	list_for_each_entry(member, &root->source->members, source_link) {
		if (!is_snapshot_of_root(member) || !member->up_end)
			continue;
		err = keep_range(member, root, max(first, member->base),
				 min(last, member->up_end - 1), reserve);
		if (err)
			break;
	}
	return err;
}
