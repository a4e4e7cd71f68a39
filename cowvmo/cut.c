// SPDX-License-Identifier: GPL-2.0
/*
 * Every way to make content go away: DECOMMIT, ZERO, and new sizes.
 *
 * Pages are cut out of the mappings first, then out of the tree; what only
 * this tree reached is chained up and freed after the lock has been dropped,
 * under family->counts for reading, so that queries never see half of it gone.
 * A pinned page does not go: it is cleared where it is, or the call is refused.
 * Neither does any page of a contiguous VMO.
 * What cuts content off does so in full or not at all; only ZERO goes step by
 * step, and tells how far it got.
 *
 * Locking: each function takes vmo->lock for writing unless its name ends in
 * _locked. When memory cannot be had without waiting, the lock is dropped, the
 * reserve filled, and everything looked up again.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "cowvmo.h"

/* Pages that are cleared where they are in one step. */
#define CLEAR_BATCH	64

/* May content be changed at all? */
static int check_change(const struct cowvmo *vmo, u64 offset, u64 length)
{
	int err = cow_check_range(vmo, offset, length);

	lockdep_assert_held(vmo->lock);
	if (err || !length)
		return err;
	return vmo->sealed ? -EPERM : 0;
}

/* May the kernel write zeros? */
static int check_zero(const struct cowvmo *vmo)
{
	lockdep_assert_held(vmo->lock);
	if (vmo->sealed)
		return -EPERM;
	return vmo_is_cached(vmo) ? 0 : -EBUSY;
}

/*
 * Cuts pages out of all mappings and out of the tree. In this order: once the
 * counts are dropped, a relative may find a page to be its own and write to it
 * in place. @even_cows as in cowvmo_unmap(), but only if all went well.
 */
static int erase_locked(struct cowvmo *vmo, u64 first, u64 last,
			bool even_cows, struct cow_reserve *reserve,
			struct ptree_dead *dead)
{
	int err = 0;

	lockdep_assert_held_write(vmo->lock);
	cowvmo_unmap(vmo, first, last, false);
	if (!first && last + 1 == vmo->nr_pages)
		ptree_clear(&vmo->tree, dead);	/* takes no memory */
	else
		err = ptree_erase(&vmo->tree, vmo->base + first,
				  vmo->base + last, &reserve->stash, dead);
	if (!err && even_cows)
		cowvmo_unmap(vmo, first, last, true);
	return err;
}

/* The first pages [*@from, *@to] of a range that stay where they are. */
static bool find_kept(const struct cowvmo *vmo, u64 first, u64 last,
		      u64 *from, u64 *to)
{
	if (!vmo_is_contiguous(vmo))
		return cow_find_pinned(vmo, first, last, from, to);
	*from = first;
	*to = last;
	return true;
}

static void clear_pages(const struct cowvmo *vmo, u64 first, u64 last)
{
	struct ptree_desc *desc;

	for (; first <= last; first++) {
		desc = ptree_lookup(&vmo->tree, vmo->base + first);
		if (desc && !PageHWPoison(desc->page))
			clear_highpage(desc->page);
	}
}

/*
 * One step of emptying pages [*@first, @last]: up to the next page that stays
 * where it is, or over some of those, which are cleared.
 *
 * What a step needs memory for are nodes that reach beyond both the step and
 * the pinned pages next to it, for those are on paths of the VMO's own: so all
 * steps together need no more than one step over the whole range would.
 */
static int cut_step_locked(struct cowvmo *vmo, u64 *first, u64 last,
			   bool even_cows, struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	u64 from, to;
	int err;

	if (find_kept(vmo, *first, last, &from, &to)) {
		if (from == *first) {
			last = min(to, from + CLEAR_BATCH - 1);
			clear_pages(vmo, from, last);
			*first = last + 1;
			return 0;
		}
		last = from - 1;
	}
	err = erase_locked(vmo, *first, last, even_cows, reserve, dead);
	if (!err)
		*first = last + 1;
	return err;
}

/**
 * struct cow_cut - what a function that cuts content off is asked
 * @offset: first byte, or the new end
 * @length: number of bytes, where it is a range
 * @relatives: the VMO has living relatives
 * @view: whose stream is meant, where it is about that
 */
struct cow_cut {
	u64 offset;
	u64 length;
	bool relatives;
	struct cowvmo *view;
};

typedef int (*cow_cut_fn)(struct cowvmo *vmo, const struct cow_cut *cut,
			  struct cow_reserve *reserve,
			  struct ptree_dead *dead);

/* Has @fn do its work, which it does in full or not at all. */
static int run_cut(struct cowvmo *vmo, const struct cow_cut *cut,
		   cow_cut_fn fn)
{
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	int err;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	down_read(&vmo->family->counts);
	do {
		down_write(vmo->lock);
		err = fn(vmo, cut, &reserve, &dead);
		up_write(vmo->lock);
		if (err != -ENOMEM)
			break;
		err = cow_reserve_fill(&reserve);
	} while (!err);
	ptree_reap(&dead);
	up_read(&vmo->family->counts);
	cow_reserve_drain(&reserve);
	return err;
}

/* The order of the checks is part of the ABI. */
static int decommit_locked(struct cowvmo *vmo, const struct cow_cut *cut,
			   struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	int err = check_change(vmo, cut->offset, cut->length);
	u64 first, last;

	if (err || !cut->length)
		return err;
	if (cut->relatives || (vmo_is_contiguous(vmo) && !cow_loan_is_on()))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(cut->offset) || !PAGE_ALIGNED(cut->length))
		return -EINVAL;
	first = cut->offset >> PAGE_SHIFT;
	last = first + (cut->length >> PAGE_SHIFT) - 1;
	if (cow_is_pinned(vmo, first, last))
		return -EBUSY;
	if (!vmo_is_contiguous(vmo))
		return erase_locked(vmo, first, last, false, reserve, dead);
	if (!vmo_is_cached(vmo))
		return -EBUSY;
	return cow_loan_lend(vmo, first, last);
}

/**
 * cow_decommit() - free the memory of a range, or lend it to others
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes
 * @relatives: the VMO has living relatives, so that it is refused
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -EPERM, -EOPNOTSUPP, -EINVAL, -EBUSY, -ENOMEM, -EINTR.
 */
int cow_decommit(struct cowvmo *vmo, u64 offset, u64 length, bool relatives)
{
	const struct cow_cut cut = {
		.offset = offset,
		.length = length,
		.relatives = relatives,
	};
	int err;

	err = run_cut(vmo, &cut, decommit_locked);
	if (err != -EAGAIN)
		return err;
	/* All is well, but there is no room to note the loans in. */
	err = cow_loan_prepare(vmo);
	return err ?: run_cut(vmo, &cut, decommit_locked);
}

static bool reads_zero(struct page *page, unsigned int from, unsigned int to)
{
	void *addr = kmap_local_page(page);
	bool zero = !memchr_inv(addr + from, 0, to - from);

	kunmap_local(addr);
	return zero;
}

/* Zeroes bytes [@from, @to) of a page. */
static int zero_part_locked(struct cowvmo *vmo, u64 pgoff, unsigned int from,
			    unsigned int to, struct cow_reserve *reserve)
{
	struct cow_write write = {};
	struct ptree_desc *desc;
	struct page *page;
	bool zero;
	int err;

	desc = ptree_lookup(&vmo->tree, vmo->base + pgoff);
	if (!desc)
		return 0;
	page = cow_hold_page(desc);
	zero = reads_zero(page, from, to);
	put_page(page);
	if (zero)
		return 0;
	err = cow_write_page(vmo, pgoff, &write, reserve);
	if (!err)
		zero_user_segment(write.page, from, to);
	return err;
}

/*
 * One step of zeroing [@pos, @end): up to the end of the first page if that
 * is only a part of it, else whole pages. Advances @pos.
 */
static int zero_step_locked(struct cowvmo *vmo, u64 *pos, u64 end,
			    struct cow_reserve *reserve,
			    struct ptree_dead *dead)
{
	unsigned int from = offset_in_page(*pos);
	u64 pgoff = *pos >> PAGE_SHIFT;
	u64 page_end = (pgoff + 1) << PAGE_SHIFT;
	u64 next;
	int err;

	if (from || end < page_end) {
		next = min(end, page_end);
		err = zero_part_locked(vmo, pgoff, from,
				       from + (next - *pos), reserve);
	} else {
		err = cut_step_locked(vmo, &pgoff, (end >> PAGE_SHIFT) - 1,
				      false, reserve, dead);
		next = pgoff << PAGE_SHIFT;
	}
	if (!err)
		*pos = next;
	return err;
}

/* Zeroes [*@pos, @end) as far as the VMO reaches, and reports progress. */
static int zero_range(struct cowvmo *vmo, u64 *pos, u64 end)
{
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	down_read(&vmo->family->counts);
	while (!err && *pos < end) {
		down_write(vmo->lock);
		if (*pos >= vmo_size(vmo))
			*pos = end;
		else
			err = check_zero(vmo) ?:
			      zero_step_locked(vmo, pos,
					       min(end, vmo_size(vmo)),
					       &reserve, &dead);
		up_write(vmo->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		/* Around pins it can take many steps. */
		if (!err && *pos < end && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	ptree_reap(&dead);
	up_read(&vmo->family->counts);
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_zero() - make a range read zero, free its whole pages
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes
 * @done: bytes of the range that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -EPERM, -EBUSY (not CACHED), -ENOMEM, -EINTR, -EIO.
 */
int cow_zero(struct cowvmo *vmo, u64 offset, u64 length, u64 *done)
{
	u64 pos = offset;
	int err;

	*done = 0;
	down_read(vmo->lock);
	err = cow_check_range(vmo, offset, length);
	if (!err && length)
		err = check_zero(vmo);
	up_read(vmo->lock);
	if (err || !length)
		return err;
	err = zero_range(vmo, &pos, offset + length);
	*done = pos - offset;
	return err;
}

static int check_new_size(const struct cowvmo *vmo, u64 size)
{
	u64 pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);

	if (size > COWVMO_MAX_SIZE)
		return -ERANGE;
	if (vmo->base + pages > PTREE_MAX_INDEX)
		return -EINVAL;
	return 0;
}

/*
 * Makes everything from byte @from to page @end read zero, or changes nothing:
 * where a page must be copied and a range cut out, or more than one range,
 * memory for all of it is there before it begins.
 */
static int cut_from_locked(struct cowvmo *vmo, u64 from, u64 end,
			   bool even_cows, struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	u64 first = DIV_ROUND_UP_ULL(from, PAGE_SIZE), at = first;
	unsigned int tail = offset_in_page(from);
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(vmo->lock);
	if (first < end && !cow_reserve_is_full(reserve) &&
	    cow_is_pinned(vmo, first, end - 1))
		return -ENOMEM;
	if (tail && ptree_lookup(&vmo->tree, vmo->base + first - 1)) {
		if (!cow_reserve_is_full(reserve))
			return -ENOMEM;
		err = cow_write_page(vmo, first - 1, &write, reserve);
		if (err)
			return err;
	}
	while (at < end) {
		err = cut_step_locked(vmo, &at, end - 1, even_cows, reserve,
				      dead);
		if (err)
			return err;
		cond_resched();
	}
	if (write.page)
		zero_user_segment(write.page, tail, PAGE_SIZE);
	return 0;
}

/**
 * cow_set_end() - change where a VMO's stream ends
 * @vmo: any VMO; a store and the references to it have one stream
 * @size: the new stream size in bytes
 *
 * Context: the caller holds the store's lock for writing.
 */
void cow_set_end(struct cowvmo *vmo, u64 size)
{
	struct cowvmo *store = vmo->store, *reference;

	lockdep_assert_held_write(store->lock);
	if (vmo_is_slice(vmo)) {
		i_size_write(&vmo->inode, size);
		return;
	}
	i_size_write(&store->inode, size);
	list_for_each_entry(reference, &store->references, references)
		i_size_write(&reference->inode, size);
}

static int resize_locked(struct cowvmo *vmo, const struct cow_cut *cut,
			 struct cow_reserve *reserve, struct ptree_dead *dead)
{
	u64 size = cut->offset;
	int err;

	lockdep_assert_held_write(vmo->lock);
	err = check_new_size(vmo, size);
	if (err)
		return err;
	if (vmo->sealed)
		return -EPERM;
	if (size < vmo_size(vmo)) {
		if (cow_is_pinned(vmo, DIV_ROUND_UP_ULL(size, PAGE_SIZE),
				  U64_MAX))
			return -EBUSY;
		err = cut_from_locked(vmo, size, vmo->nr_pages, true, reserve,
				      dead);
		if (err)
			return err;
	}
	vmo->nr_pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	cow_set_end(vmo, size);
	return 0;
}

static int set_stream_size_locked(struct cowvmo *vmo,
				  const struct cow_cut *cut,
				  struct cow_reserve *reserve,
				  struct ptree_dead *dead)
{
	u64 size = cut->offset, old = i_size_read(&cut->view->inode);
	u64 first = cut->view->view_first;
	u64 nr_pages = vmo_sized(cut->view)->nr_pages;
	int err;

	lockdep_assert_held_write(vmo->lock);
	if (size > nr_pages << PAGE_SHIFT)
		return -ERANGE;
	if (size == old)
		return 0;
	err = check_zero(vmo);
	if (err)
		return err;
	err = cut_from_locked(vmo, (first << PAGE_SHIFT) + min(old, size),
			      first + nr_pages, false, reserve, dead);
	if (err)
		return err;
	cow_set_end(cut->view, size);
	return 0;
}

/**
 * cow_resize() - change a VMO's size and stream size
 * @vmo: a resizable VMO
 * @size: new size in bytes
 *
 * Context: may sleep; the caller holds the inode's lock.
 * Return: 0; -ERANGE: no VMO can be so large; -EINVAL: this one cannot,
 * because of where its ancestors' ranges began; -EPERM: it is sealed; -EBUSY:
 * a page that would go is pinned; -ENOMEM, -EINTR, -EIO.
 */
int cow_resize(struct cowvmo *vmo, u64 size)
{
	const struct cow_cut cut = { .offset = size };

	return run_cut(vmo, &cut, resize_locked);
}

/**
 * cow_undo_grow() - go back to a smaller size
 * @vmo: any VMO
 * @nr_pages: the size before cow_resize(), in pages
 * @stream_size: the stream size before, in bytes
 *
 * For who holds the inode's lock ever since: what has been added lies on paths
 * of the store's own, and to cut that off takes no memory. If somebody has
 * pinned a page there meanwhile, the sizes stay as they are.
 *
 * Context: may sleep.
 */
void cow_undo_grow(struct cowvmo *vmo, u64 nr_pages, u64 stream_size)
{
	struct cowvmo *store = vmo->store;
	struct ptree_dead dead = {};
	struct cow_reserve none;

	cow_reserve_init(&none, 0);
	down_read(&store->family->counts);
	down_write(store->lock);
	if (vmo_is_slice(vmo) || nr_pages >= store->nr_pages) {
		cow_set_end(vmo, stream_size);
	} else if (!cow_is_pinned(store, nr_pages, U64_MAX)) {
		erase_locked(store, nr_pages, store->nr_pages - 1, true, &none,
			     &dead);
		store->nr_pages = nr_pages;
		cow_set_end(vmo, stream_size);
	}
	up_write(store->lock);
	ptree_reap(&dead);
	up_read(&store->family->counts);
	cow_reserve_drain(&none);
}

/**
 * cow_set_stream_size() - change where the stream ends
 * @vmo: any VMO
 * @size: new stream size in bytes, within the VMO's size
 *
 * Context: may sleep; the caller holds the lock of vmo_stream_inode().
 * Return: 0, -EOPNOTSUPP (contiguous), -ERANGE, -EPERM, -EBUSY (not CACHED),
 * -ENOMEM, -EINTR, -EIO.
 */
int cow_set_stream_size(struct cowvmo *vmo, u64 size)
{
	const struct cow_cut cut = { .offset = size, .view = vmo };

	if (vmo_is_contiguous(vmo))
		return -EOPNOTSUPP;
	return run_cut(vmo->store, &cut, set_stream_size_locked);
}
