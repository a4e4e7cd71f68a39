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
#include "pager.h"

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

/**
 * struct cut_how - what becomes of content that goes
 * @even_cows: private copies go too
 * @zero: where there is a pager: of enum cow_zero, what is there instead;
 *	COW_ZERO_NONE beyond the new end
 */
struct cut_how {
	bool even_cows;
	enum cow_zero zero;
};

/* How content of a VMO comes to read zero. */
static struct cut_how how_to_zero(const struct cowvmo *vmo)
{
	return (struct cut_how) {
		.zero = vmo_is_pager_root(vmo) ? COW_ZERO_DIRTY :
						 COW_ZERO_CLEAN,
	};
}

/*
 * Where there is a pager, empty is not zero. Who waits for what goes need not
 * wait any longer.
 */
static int replace_with(struct cowvmo *vmo, u64 first, u64 last,
			enum cow_zero zero, struct cow_reserve *reserve,
			struct ptree_dead *dead)
{
	struct cow_source *source = vmo->source;
	int err = 0;

	if (vmo_is_pager_root(vmo))
		err = cow_keep_for_snapshots(vmo, first, last, reserve);
	if (!err)
		err = zero == COW_ZERO_DIRTY ?
		      cow_fill_dirty(vmo, first, last, reserve, dead) :
		      ptree_fill(&vmo->tree, first, last, zero,
				 &reserve->stash, dead);
	if (err)
		return err;
	cow_requests_answer(source, COWVMO_PAGER_READ, first, last);
	cow_requests_answer(source, COWVMO_PAGER_DIRTY_ASKED, first, last);
	if (vmo_is_pager_root(vmo))
		source->modified = true;
	return 0;
}

/*
 * Cuts pages out of all mappings and out of the tree. In this order: once the
 * counts are dropped, a relative may find a page to be its own and write to it
 * in place. @even_cows as in cowvmo_unmap(), but only if all went well.
 */
static int erase_locked(struct cowvmo *vmo, u64 first, u64 last,
			const struct cut_how *how, struct cow_reserve *reserve,
			struct ptree_dead *dead)
{
	int err = 0;

	lockdep_assert_held_write(vmo->lock);
	cowvmo_unmap(vmo, first, last, false);
	if (vmo->source)
		err = replace_with(vmo, vmo->base + first, vmo->base + last,
				   how->zero, reserve, dead);
	else if (!first && last + 1 == vmo->nr_pages)
		ptree_clear(&vmo->tree, dead);	/* takes no memory */
	else
		err = ptree_erase(&vmo->tree, vmo->base + first,
				  vmo->base + last, &reserve->stash, dead);
	if (!err && how->even_cows)
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

static int clear_page_at(struct cowvmo *vmo, u64 pgoff,
			 struct cow_reserve *reserve)
{
	struct ptree_desc *desc;
	int err;

	/* Of a pager's it becomes dirty. */
	if (vmo->source) {
		err = cow_ready(vmo, pgoff, true, reserve);
		if (err)
			return err;
	}
	desc = ptree_lookup(&vmo->tree, vmo->base + pgoff);
	if (desc && !PageHWPoison(desc->page))
		clear_highpage(desc->page);
	if (desc && vmo_is_pager_root(vmo)) {
		cow_desc_set_state(desc, COW_DESC_DIRTY);
		vmo->source->modified = true;
	}
	return 0;
}

/* Clears pages from *@first on, up to @last. */
static int clear_pages(struct cowvmo *vmo, u64 *first, u64 last,
		       struct cow_reserve *reserve)
{
	int err = 0;

	reserve->ask_end = last + 1;
	while (!err && *first <= last) {
		err = clear_page_at(vmo, *first, reserve);
		if (!err)
			++*first;
	}
	return err;
}

/*
 * Of a pager's VMO, what reads zero already, and need not be written back for
 * that, stays as it is. Returns true if *@first is such, else shortens the
 * range to what is not.
 */
static bool skip_clean_zeros(const struct cowvmo *vmo, u64 *first, u64 *last)
{
	struct ptree_look look;
	u64 at = *first;

	while (at <= *last) {
		ptree_look(&vmo->tree, vmo->base + at, &look);
		if (look.marker == COW_ZERO_CLEAN ||
		    look.marker == COW_ZERO_UNTRACKED)
			break;
		at = look.last - vmo->base + 1;
	}
	if (at > *last)
		return false;
	if (at != *first) {
		*last = at - 1;
		return false;
	}
	*first = min(look.last - vmo->base, *last) + 1;
	return true;
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
			   const struct cut_how *how,
			   struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	u64 from, to;
	int err;

	if (how->zero == COW_ZERO_DIRTY &&
	    skip_clean_zeros(vmo, first, &last))
		return 0;
	if (find_kept(vmo, *first, last, &from, &to)) {
		if (from == *first) {
			last = min(to, from + CLEAR_BATCH - 1);
			return clear_pages(vmo, first, last, reserve);
		}
		last = from - 1;
	}
	err = erase_locked(vmo, *first, last, how, reserve, dead);
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
 * @ask: NULL, or receives what to ask a pager for, with -EAGAIN
 */
struct cow_cut {
	u64 offset;
	u64 length;
	bool relatives;
	struct cowvmo *view;
	struct cow_ask *ask;
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
	reserve.no_wait = cut->ask;
	do {
		down_read(&vmo->family->counts);
		down_write(vmo->lock);
		err = fn(vmo, cut, &reserve, &dead);
		up_write(vmo->lock);
		ptree_reap(&dead);
		/* Queries must not wait for what is waited for now. */
		up_read(&vmo->family->counts);
		if (err != -ENOMEM)
			break;
		err = cow_reserve_fill(&reserve);
	} while (!err);
	if (cut->ask)
		*cut->ask = reserve.ask;
	cow_reserve_drain(&reserve);
	return err;
}

/* The order of the checks is part of the ABI. */
static int decommit_locked(struct cowvmo *vmo, const struct cow_cut *cut,
			   struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	int err = check_change(vmo, cut->offset, cut->length);
	const struct cut_how how = {};
	u64 first, last;

	if (err || !cut->length)
		return err;
	if (vmo->source || cut->relatives || (vmo_is_contiguous(vmo) && !cow_loan_is_on()))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(cut->offset) || !PAGE_ALIGNED(cut->length))
		return -EINVAL;
	first = cut->offset >> PAGE_SHIFT;
	last = first + (cut->length >> PAGE_SHIFT) - 1;
	if (cow_is_pinned(vmo, first, last))
		return -EBUSY;
	if (!vmo_is_contiguous(vmo))
		return erase_locked(vmo, first, last, &how, reserve, dead);
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

/* What is absent does not, as far as is known. */
static bool part_reads_zero(struct cowvmo *vmo, u64 pgoff, unsigned int from,
			    unsigned int to)
{
	struct cow_found found = { .zero = COW_ZERO_CLEAN };
	struct page *page;
	bool zero;

	if (vmo->source)
		cow_find(vmo, pgoff, &found);
	else
		found.desc = ptree_lookup(&vmo->tree, vmo->base + pgoff);
	if (!found.desc)
		return found.zero;
	page = cow_hold_page(found.desc);
	zero = reads_zero(page, from, to);
	put_page(page);
	return zero;
}

/* Zeroes bytes [@from, @to) of a page. */
static int zero_part_locked(struct cowvmo *vmo, u64 pgoff, unsigned int from,
			    unsigned int to, struct cow_reserve *reserve)
{
	struct cow_write write = {};
	int err;

	if (part_reads_zero(vmo, pgoff, from, to))
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
	const struct cut_how how = how_to_zero(vmo);
	u64 page_end = (pgoff + 1) << PAGE_SHIFT;
	u64 next;
	int err;

	if (from || end < page_end) {
		next = min(end, page_end);
		err = zero_part_locked(vmo, pgoff, from,
				       from + (next - *pos), reserve);
	} else {
		err = cut_step_locked(vmo, &pgoff, (end >> PAGE_SHIFT) - 1,
				      &how, reserve, dead);
		*pos = pgoff << PAGE_SHIFT;
		return err;
	}
	if (!err)
		*pos = next;
	return err;
}

/* Zeroes [*@pos, @end) as far as the VMO reaches, and reports progress. */
static int zero_range(struct cowvmo *vmo, u64 *pos, u64 end,
		      struct cow_ask *ask)
{
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	reserve.no_wait = ask;
	while (!err && *pos < end) {
		down_read(&vmo->family->counts);
		down_write(vmo->lock);
		if (*pos >= vmo_size(vmo))
			*pos = end;
		else
			err = check_zero(vmo) ?:
			      zero_step_locked(vmo, pos,
					       min(end, vmo_size(vmo)),
					       &reserve, &dead);
		up_write(vmo->lock);
		ptree_reap(&dead);
		up_read(&vmo->family->counts);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		/* Around pins it can take many steps. */
		if (!err && *pos < end && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (ask)
		*ask = reserve.ask;
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_zero() - make a range read zero, free its whole pages
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes
 * @done: bytes of the range that are done, also after an error
 * @ask: NULL, or receives what to ask a pager for with -EAGAIN
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -EPERM, -EBUSY (not CACHED; or a point-in-time snapshot
 * needs what is absent), -ENOMEM, -EINTR, -EIO; errors of cow_ask_wait(), or
 * -EAGAIN.
 */
int cow_zero(struct cowvmo *vmo, u64 offset, u64 length, u64 *done,
	     struct cow_ask *ask)
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
	err = zero_range(vmo, &pos, offset + length, ask);
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

/* Of a pager's, what reads zero is not made dirty for that. */
static bool must_clear_tail(struct cowvmo *vmo, u64 pgoff, unsigned int tail)
{
	if (vmo->source)
		return !part_reads_zero(vmo, pgoff, tail, PAGE_SIZE);
	return ptree_lookup(&vmo->tree, vmo->base + pgoff);
}

/*
 * Makes everything from byte @from to page @end read zero, or changes nothing:
 * where a page must be copied and a range cut out, or more than one range,
 * memory for all of it is there before it begins.
 */
static int cut_from_locked(struct cowvmo *vmo, u64 from, u64 end,
			   const struct cut_how *how,
			   struct cow_reserve *reserve,
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
	if (tail && must_clear_tail(vmo, first - 1, tail)) {
		if (!cow_reserve_is_full(reserve))
			return -ENOMEM;
		err = cow_write_page(vmo, first - 1, &write, reserve);
		if (err)
			return err;
	}
	while (at < end) {
		err = cut_step_locked(vmo, &at, end - 1, how, reserve, dead);
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

/* A clone of a slice or of the VMO never sees again what has been cut off. */
static void clip_views(struct cowvmo *vmo)
{
	u64 end = vmo->base + vmo->nr_pages;
	struct cowvmo *member;

	if (vmo->up)
		vmo->up_end = min(vmo->up_end, end);
	list_for_each_entry(member, &vmo->source->members, source_link) {
		if (member->up == vmo)
			member->up_end = min(member->up_end, end);
	}
}

/**
 * cow_extend_root() - make room at the end of a pager's VMO
 * @root: the VMO
 * @nr_pages: its new size in pages, which the caller then sets
 * @reserve: memory for when none can be had without waiting
 *
 * The room is dirty zeros: the pager is not asked for it.
 *
 * Context: the caller holds the root's lock for writing.
 * Return: 0 or -ENOMEM.
 */
int cow_extend_root(struct cowvmo *root, u64 nr_pages,
		    struct cow_reserve *reserve)
{
	struct ptree_dead dead = {};
	int err;

	lockdep_assert_held_write(root->lock);
	root->source->modified = true;
	if (nr_pages <= root->nr_pages)
		return 0;
	/* Nothing is there. */
	err = cow_fill_dirty(root, root->base + root->nr_pages,
			     root->base + nr_pages - 1, reserve, &dead);
	WARN_ON_ONCE(dead.descs);
	ptree_reap(&dead);
	return err;
}

static int resize_locked(struct cowvmo *vmo, const struct cow_cut *cut,
			 struct cow_reserve *reserve, struct ptree_dead *dead)
{
	const struct cut_how how = { .even_cows = true };
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
		err = cut_from_locked(vmo, size, vmo->nr_pages, &how, reserve,
				      dead);
	} else if (vmo_is_pager_root(vmo)) {
		err = cow_extend_root(vmo, DIV_ROUND_UP_ULL(size, PAGE_SIZE),
				      reserve);
	}
	if (err)
		return err;
	vmo->nr_pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	if (vmo->source)
		clip_views(vmo);
	cow_set_end(vmo, size);
	return 0;
}

/* What comes to lie before the end of the stream has to be written back. */
static int reveal_zeros(struct cowvmo *root, u64 first, u64 old, u64 size,
			struct cow_reserve *reserve, struct ptree_dead *dead)
{
	u64 from = first + DIV_ROUND_UP_ULL(old, PAGE_SIZE);
	u64 end = first + DIV_ROUND_UP_ULL(size, PAGE_SIZE);

	if (from >= end)
		return 0;
	return cow_fill_dirty(root, from, end - 1, reserve, dead);
}

static int set_stream_size_locked(struct cowvmo *vmo,
				  const struct cow_cut *cut,
				  struct cow_reserve *reserve,
				  struct ptree_dead *dead)
{
	u64 size = cut->offset, old = i_size_read(&cut->view->inode);
	u64 first = cut->view->view_first;
	u64 nr_pages = vmo_sized(cut->view)->nr_pages;
	struct cut_how how = how_to_zero(vmo);
	int err;

	lockdep_assert_held_write(vmo->lock);
	if (size > nr_pages << PAGE_SHIFT)
		return -ERANGE;
	if (size == old)
		return 0;
	err = check_zero(vmo);
	if (err)
		return err;
	if (vmo_is_pager_root(vmo))
		how.zero = COW_ZERO_UNTRACKED;
	err = cut_from_locked(vmo, (first << PAGE_SHIFT) + min(old, size),
			      first + nr_pages, &how, reserve, dead);
	if (!err && vmo_is_pager_root(vmo))
		err = reveal_zeros(vmo, first, old, size, reserve, dead);
	if (err)
		return err;
	cow_set_end(cut->view, size);
	return 0;
}

/**
 * cow_resize() - change a VMO's size and stream size
 * @vmo: a resizable VMO
 * @size: new size in bytes
 * @ask: receives what to ask a pager for with -EAGAIN
 *
 * Context: may sleep; the caller holds the inode's lock.
 * Return: 0; -ERANGE: no VMO can be so large; -EINVAL: this one cannot,
 * because of where its ancestors' ranges began; -EPERM: it is sealed; -EBUSY:
 * a page that would go is pinned, or a point-in-time snapshot needs what is
 * absent; -ENOMEM, -EINTR, -EIO; -EAGAIN, see @ask.
 */
int cow_resize(struct cowvmo *vmo, u64 size, struct cow_ask *ask)
{
	const struct cow_cut cut = { .offset = size, .ask = ask };

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
	const struct cut_how how = { .even_cows = true };
	struct cowvmo *store = vmo->store;
	struct ptree_dead dead = {};
	struct cow_reserve none;

	cow_reserve_init(&none, 0);
	down_read(&store->family->counts);
	down_write(store->lock);
	if (vmo_is_slice(vmo) || nr_pages >= store->nr_pages) {
		cow_set_end(vmo, stream_size);
	} else if (!cow_is_pinned(store, nr_pages, U64_MAX)) {
		/* Zeros of a pager's may need memory at their edges: they stay. */
		if (!erase_locked(store, nr_pages, store->nr_pages - 1, &how,
				  &none, &dead))
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
 * @ask: receives what to ask a pager for with -EAGAIN
 *
 * Context: may sleep; the caller holds the lock of vmo_stream_inode().
 * Return: 0, -EOPNOTSUPP (contiguous), -ERANGE, -EPERM, -EBUSY (not CACHED),
 * -ENOMEM, -EINTR, -EIO.
 */
int cow_set_stream_size(struct cowvmo *vmo, u64 size, struct cow_ask *ask)
{
	const struct cow_cut cut = {
		.offset = size,
		.view = vmo,
		.ask = ask,
	};

	if (vmo_is_contiguous(vmo))
		return -EOPNOTSUPP;
	return run_cut(vmo->store, &cut, set_stream_size_locked);
}
