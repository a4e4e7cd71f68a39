// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots: one VMO's content becomes that of two.
 *
 * Under the VMO's lock: take write access away from what was made writable
 * since the last snapshot, look who else holds those pages, share the tree.
 * A writer that was in time has finished its store before the flush; one that
 * was not faults, and waits for the lock. So the snapshot is the content of
 * one instant, whatever writers in whatever process do.
 *
 * A page that anyone else holds - a device, a pipe, a debugger - may be
 * written or must keep being read without a fault. It stays with its VMO,
 * mark and all, and the child gets a copy, made now. Who pins a page has said
 * that it is the content as long as the pin lives: then there is no snapshot.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"

/**
 * struct held_pages - marked pages that others hold
 * @vmo: the VMO
 * @indexes: where they are in the tree
 * @room: length of @indexes
 * @nr: how many there are; may be more than @room
 */
struct held_pages {
	struct cowvmo *vmo;
	u64 *indexes;
	unsigned long room;
	unsigned long nr;
};

/* Several PTEs, or somebody else? Without PTEs it can be told. */
static noinline bool page_is_held_unmapped(struct cowvmo *vmo,
					   struct page *page, u64 pgoff)
{
	if (!cowvmo_page_mapcount(page))
		return true;
	cowvmo_unmap_page(vmo, pgoff);
	return cowvmo_page_is_held(page, 0);
}

/*
 * Write access is gone; is anyone left who could write, or must go on
 * reading, without a fault?
 */
static bool keep_mark(struct ptree_desc *desc, u64 index, void *data)
{
	struct held_pages *held = data;
	struct cowvmo *vmo = held->vmo;

	if (likely(!cowvmo_page_is_held(desc->page, 0)))
		return false;
	if (!page_is_held_unmapped(vmo, desc->page, index - vmo->base))
		return false;
	if (held->nr < held->room)
		held->indexes[held->nr] = index;
	held->nr++;
	return true;
}

/*
 * Separates one held page after the tree has been shared: the VMO keeps the
 * page under a descriptor of its own, the one that the child sees gets a copy.
 */
static void separate_held_page(struct cowvmo *vmo, u64 index,
			       struct cow_reserve *reserve)
{
	struct page *copy = cow_reserve_page(reserve, COWVMO_CACHE_CACHED, 0);
	struct ptree_desc *theirs, *ours;
	struct ptree_cursor cursor;
	int err;

	err = ptree_cursor_open(&cursor, &vmo->tree, index, &reserve->stash);
	if (WARN_ON_ONCE(err || !copy))		/* it was reserved */
		return;
	theirs = ptree_cursor_desc(&cursor);
	ours = ptree_desc_alloc(&reserve->stash, index, theirs->page);
	if (WARN_ON_ONCE(!ours))
		return;

	copy_highpage(copy, theirs->page);
	ptree_cursor_store(&cursor, ours);
	theirs->page = copy;
	ptree_desc_put(theirs);
	ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
}

/* The paths of marked pages are exclusive: this cannot fail. */
static void restore_marks(struct cowvmo *vmo, struct held_pages *held,
			  struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	unsigned long i;

	for (i = 0; i < held->nr; i++) {
		if (WARN_ON_ONCE(ptree_cursor_open(&cursor, &vmo->tree,
						   held->indexes[i],
						   &reserve->stash)))
			continue;
		ptree_cursor_mark(&cursor);
		ptree_cursor_close(&cursor);
	}
}

static int share_tree(struct cowvmo *vmo, u64 first, u64 last,
		      struct held_pages *held, struct cow_reserve *reserve,
		      struct ptree *tree)
{
	unsigned long i;
	int err;

	if (held->nr)
		ptree_clear_marks(&vmo->tree, first, last, NULL, NULL, NULL);
	err = ptree_clone(&vmo->tree, first, last, &reserve->stash, tree);
	if (err) {
		restore_marks(vmo, held, reserve);
		return err;
	}
	for (i = 0; i < held->nr; i++) {
		separate_held_page(vmo, held->indexes[i], reserve);
		cond_resched();
	}
	vmo->shared_once = true;
	return 0;
}

static bool reserve_has(const struct cow_reserve *reserve,
			const struct ptree_need *need)
{
	return reserve->stash.have.small >= need->small &&
	       reserve->stash.have.big >= need->big &&
	       reserve->stash.have.descs >= need->descs &&
	       reserve->nr_pages >= need->descs;
}

/*
 * One try. -EAGAIN: *@need tells what must be reserved, held->nr how much
 * room the indexes need. -ENOMEM: a refill will do.
 */
static int snapshot_locked(struct cowvmo *vmo, u64 first, u64 last,
			   struct held_pages *held,
			   struct cow_reserve *reserve,
			   struct ptree_need *need, struct ptree *tree)
{
	u64 base = vmo->base;

	lockdep_assert_held_write(vmo->lock);
	if (cow_has_pins(vmo))
		return -EBUSY;
	if (first >= vmo->nr_pages || first > last)
		return 0;
	last = min(last, vmo->nr_pages - 1);
	cowvmo_write_protect(vmo, first, last);

	held->nr = 0;
	ptree_clear_marks(&vmo->tree, base + first, base + last, keep_mark,
			  held, need);
	if (held->nr) {
		/* The edges of the child's range are copied too. */
		need->small += 2 * PTREE_MAX_LEVELS;
		need->big += 2;
		if (held->nr > held->room || !reserve_has(reserve, need))
			return -EAGAIN;
	}
	return share_tree(vmo, base + first, base + last, held, reserve, tree);
}

static int make_room(struct held_pages *held, struct cow_reserve *reserve,
		     struct ptree_need *need)
{
	/* A little more: others may come to hold pages meanwhile. */
	unsigned long room = held->nr + held->nr / 8 + 16;

	need->small += need->small / 8;
	need->big += need->big / 8;
	need->descs = room;
	if (held->room < room) {
		kvfree(held->indexes);
		held->room = 0;
		held->indexes = kvmalloc_array(room, sizeof(u64),
					       reserve->gfp);
		if (!held->indexes)
			return -ENOMEM;
		held->room = room;
	}
	return cow_reserve_fill_need(reserve, need);
}

/* Nothing to share, but refused all the same where it would be. */
static int snapshot_nothing(struct cowvmo *vmo)
{
	int err;

	down_read(vmo->lock);
	err = cow_has_pins(vmo) ? -EBUSY : 0;
	up_read(vmo->lock);
	return err;
}

/**
 * cow_share() - share a range of a VMO's content with another tree
 * @vmo: the VMO
 * @first: first page
 * @last: last page; what lies beyond the VMO's end is left out
 * @share: receives the content of one instant, and how long it was then
 *
 * Context: may sleep; takes vmo->lock. The caller keeps queries of counts away
 * until the tree belongs to a member: it holds family->lock or family->counts.
 * Return: 0, -ENOMEM, or -EINTR when the task is being killed.
 */
int cow_share(struct cowvmo *vmo, u64 first, u64 last, struct cow_share *share)
{
	struct held_pages held = { .vmo = vmo };
	struct ptree_need need = {};
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	do {
		down_write(vmo->lock);
		err = snapshot_locked(vmo, first, last, &held, &reserve, &need,
				      &share->tree);
		share->nr_pages = vmo->nr_pages;
		share->stream_size = i_size_read(&vmo->inode);
		if (!err && share->done)
			share->done(share);
		up_write(vmo->lock);
		if (err == -EAGAIN)
			err = make_room(&held, &reserve, &need);
		else if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		else
			break;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
	} while (!err);
	cow_reserve_drain(&reserve);
	kvfree(held.indexes);
	return err;
}

/**
 * cow_snapshot() - share a range of a VMO's content with a new child
 * @vmo: the VMO
 * @offset: where the child begins, page-aligned
 * @length: the child's size in bytes
 * @child: the new VMO, which nobody can reach yet
 *
 * What lies beyond the VMO's end is left out for good.
 *
 * Context: may sleep; takes vmo->lock. The caller holds family->lock.
 * Return: 0; -EBUSY: a page of @vmo is pinned; -ENOMEM; -EINTR: the task is
 * being killed.
 */
int cow_snapshot(struct cowvmo *vmo, u64 offset, u64 length,
		 struct cowvmo *child)
{
	u64 first = offset >> PAGE_SHIFT;
	u64 last = first + DIV_ROUND_UP_ULL(length, PAGE_SIZE) - 1;
	struct cow_share share = {};
	int err;

	lockdep_assert_held(&vmo->family->lock);
	if (!length)
		return snapshot_nothing(vmo);
	child->shared_once = true;
	err = cow_share(vmo, first, last, &share);
	child->tree = share.tree;
	return err;
}

static int seal_locked(struct cowvmo *vmo)
{
	struct held_pages held = { .vmo = vmo };

	lockdep_assert_held_write(vmo->lock);
	if (vmo->sealed)
		return 0;
	/* Who holds a page through a pin that only reads cannot be told apart. */
	if (cow_has_pins(vmo) ||
	    mapping_writably_mapped(vmo->inode.i_mapping))
		return -EBUSY;
	/* Nobody can come to hold a page for writing now, but may still do. */
	smp_mb();	/* no mappings first, no holders second */
	if (vmo->nr_pages &&
	    ptree_clear_marks(&vmo->tree, vmo->base,
			      vmo->base + vmo->nr_pages - 1, keep_mark, &held,
			      NULL))
		return -EBUSY;
	vmo->sealed = true;
	return 0;
}

/**
 * cow_seal() - let the content of a VMO never change again
 * @vmo: the VMO
 *
 * Context: may sleep; the caller holds the inode's lock, so that no write is
 * half done.
 * Return: 0; -EBUSY: a mapping could write, a page is pinned, or somebody holds
 * a page that was writable.
 */
int cow_seal(struct cowvmo *vmo)
{
	int err;

	down_write(vmo->lock);
	err = seal_locked(vmo);
	up_write(vmo->lock);
	return err;
}
