// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMO's content is, and every way to change it.
 *
 * A page is written in place when only this VMO reaches it, and copied
 * otherwise. "Only this VMO" is a question to the tree - is the path to the
 * page exclusive? - and, if the VMO has ever had relatives, to the page: a
 * relative that is gone by now may have handed it to a pipe or a device that
 * still reads it. A marked page has passed that test since the last snapshot.
 *
 * When a page is copied because it is shared, either copy can become the
 * writer's. If the faulting PTE is all that maps the page, the writer keeps
 * it, and the descriptor that the relatives see is given the copy: no PTE has
 * to be removed or flushed. So a shared descriptor's page can change under a
 * relative that does not hold our lock; its content does not. Whoever uses
 * the page of a descriptor that may be shared holds it with cow_hold_page();
 * cowvmo_take_over() fails while anybody does.
 *
 * Locking: each function takes vmo->lock for writing unless its name ends in
 * _locked. Content that is cut off is freed after the lock is dropped, under
 * family->counts for reading, so that queries never see half of it gone.
 * When memory cannot be had without waiting, the lock is dropped, the reserve
 * filled, and everything looked up again.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"
#include "trace.h"

/* Pages per hold of the lock in long operations. */
#define COW_BATCH	64

static int check_range(const struct cowvmo *vmo, u64 offset, u64 length)
{
	u64 size = vmo_size(vmo);

	return offset > size || length > size - offset ? -ERANGE : 0;
}

/* May content be changed at all? */
static int check_change(const struct cowvmo *vmo, u64 offset, u64 length)
{
	int err = check_range(vmo, offset, length);

	lockdep_assert_held(&vmo->lock);
	if (err || !length)
		return err;
	return vmo->sealed ? -EPERM : 0;
}

/**
 * cow_hold_page() - take a reference to the page of a shared descriptor
 * @desc: the descriptor, kept alive by the caller's lock
 *
 * Return: the page; its content is @desc's for as long as it is held.
 */
struct page *cow_hold_page(const struct ptree_desc *desc)
{
	struct page *page;

	for (;;) {
		page = READ_ONCE(desc->page);
		if (get_page_unless_zero(page)) {
			if (likely(READ_ONCE(desc->page) == page))
				return page;
			put_page(page);
		}
		cpu_relax();
	}
}

/*
 * May the page be written where it is? Removes the VMO's own PTEs where only
 * that can tell.
 */
static bool may_write_in_place(struct cowvmo *vmo, u64 pgoff,
			       const struct ptree_cursor *cursor,
			       struct cow_write *write)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor);
	unsigned int caller_refs;
	struct page *page;

	if (!ptree_desc_exclusive(desc))
		return false;
	if (!vmo->shared_once || ptree_cursor_marked(cursor))
		return true;
	/* From here on nobody else can exchange the page. */
	page = READ_ONCE(desc->page);
	caller_refs = cow_write_mapped(write) == page;
	if (!cowvmo_page_is_held(page, caller_refs))
		return true;
	if (!cowvmo_page_mapcount(page))
		return false;
	cowvmo_unmap_page(vmo, pgoff);
	write->unmapped = true;
	return !cowvmo_page_is_held(page, caller_refs);
}

/* A descriptor with a page that has the content of @old, or zeros. */
static struct ptree_desc *new_content(struct cow_reserve *reserve, u64 index,
				      struct page *old)
{
	struct page *page = cow_reserve_page(reserve, old ? 0 : __GFP_ZERO);
	struct ptree_desc *desc;

	if (!page)
		return NULL;
	desc = ptree_desc_alloc(&reserve->stash, index, page);
	if (!desc) {
		cowvmo_page_free(page);
		return NULL;
	}
	if (old)
		copy_highpage(page, old);
	return desc;
}

/* Puts a page of zeros where there is none. */
static int fill_hole(struct cowvmo *vmo, u64 pgoff,
		     struct ptree_cursor *cursor, struct cow_write *write,
		     struct cow_reserve *reserve)
{
	struct ptree_desc *new = new_content(reserve, cursor->index, NULL);

	if (!new)
		return -ENOMEM;
	ptree_cursor_store(cursor, new);
	if (cowvmo_zero_mapped(vmo, pgoff))
		cowvmo_unmap_page(vmo, pgoff);
	write->page = new->page;
	write->unmapped = true;
	return 0;
}

/* Gives the slot a descriptor of the VMO's own, with the page or its copy. */
static void store_copy(struct cowvmo *vmo, u64 pgoff,
		       struct ptree_cursor *cursor, struct cow_write *write,
		       struct ptree_desc *new, struct page *page)
{
	struct ptree_desc *old;

	if (cow_write_mapped(write) == page &&
	    cowvmo_take_over(write->vmf, ptree_cursor_desc(cursor),
			     new->page)) {
		new->page = page;
		write->installed = true;
	} else {
		write->unmapped = true;
	}
	old = ptree_cursor_store(cursor, new);
	if (write->unmapped && cowvmo_page_mapcount(page))
		cowvmo_unmap_page(vmo, pgoff);
	write->page = new->page;
	ptree_desc_put(old);
}

/* Separates the slot from the relatives, or the page from its holders. */
static int copy_page_of(struct cowvmo *vmo, u64 pgoff,
			struct ptree_cursor *cursor, struct cow_write *write,
			struct cow_reserve *reserve)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor), *new;
	struct page *page = cow_write_mapped(write);
	bool held = false;
	int err = 0;

	/* The core's reference to what is mapped here does just as well. */
	if (page != READ_ONCE(desc->page)) {
		page = cow_hold_page(desc);
		held = true;
	}
	if (PageHWPoison(page)) {
		err = -EIO;
		goto out;
	}
	new = new_content(reserve, cursor->index, page);
	if (!new) {
		err = -ENOMEM;
		goto out;
	}
	trace_cowvmo_copy(vmo->id, pgoff);
	store_copy(vmo, pgoff, cursor, write, new, page);
out:
	if (held)
		put_page(page);
	return err;
}

static int replace_page(struct cowvmo *vmo, u64 pgoff,
			struct ptree_cursor *cursor, struct cow_write *write,
			struct cow_reserve *reserve)
{
	if (ptree_cursor_desc(cursor))
		return copy_page_of(vmo, pgoff, cursor, write, reserve);
	return fill_hole(vmo, pgoff, cursor, write, reserve);
}

/**
 * cow_write_page() - a page that may be written in place
 * @vmo: the VMO
 * @pgoff: which page; within the size
 * @write: what is wanted, and the answer
 * @reserve: memory for when none can be had without waiting
 *
 * Forks a shared page, makes one where there is none.
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: 0; -ENOMEM: the caller drops the lock, fills @reserve and starts
 * again; -EIO: the page to copy is damaged. After an error the content
 * is as it was.
 */
int cow_write_page(struct cowvmo *vmo, u64 pgoff, struct cow_write *write,
		   struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	int err;

	lockdep_assert_held_write(&vmo->lock);
	err = ptree_cursor_open(&cursor, &vmo->tree, vmo->base + pgoff,
				&reserve->stash);
	if (err)
		return err;
	write->unmapped = false;
	write->installed = false;
	if (ptree_cursor_desc(&cursor) &&
	    may_write_in_place(vmo, pgoff, &cursor, write))
		write->page = ptree_cursor_desc(&cursor)->page;
	else
		err = replace_page(vmo, pgoff, &cursor, write, reserve);
	if (!err && write->mark)
		ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
	return err;
}

/**
 * cow_drop_page() - undo cow_write_page() beyond the end of a VMO
 * @vmo: the VMO
 * @pgoff: the page, just made, mapped by nobody
 *
 * Context: the caller holds vmo->lock for writing.
 */
void cow_drop_page(struct cowvmo *vmo, u64 pgoff)
{
	struct ptree_stash none = {};
	struct ptree_cursor cursor;

	lockdep_assert_held_write(&vmo->lock);
	/* The path is exclusive: no memory is needed. */
	if (WARN_ON_ONCE(ptree_cursor_open(&cursor, &vmo->tree,
					   vmo->base + pgoff, &none)))
		return;
	ptree_desc_put(ptree_cursor_store(&cursor, NULL));
	ptree_cursor_close(&cursor);
}

/* Gives the VMO a page of its own; who else holds it does not matter. */
static int commit_slot(struct cowvmo *vmo, u64 pgoff,
		       struct ptree_cursor *cursor,
		       struct cow_reserve *reserve)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor);
	struct cow_write write = {};

	if (desc && ptree_desc_exclusive(desc))
		return 0;
	return replace_page(vmo, pgoff, cursor, &write, reserve);
}

/* Commits up to the end of a leaf, of the VMO, or of the range. */
static int commit_leaf_locked(struct cowvmo *vmo, u64 *pgoff, u64 last,
			      struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	int err;

	lockdep_assert_held_write(&vmo->lock);
	/* Shrunk meanwhile: the rest is not there to commit. */
	if (*pgoff >= vmo->nr_pages) {
		*pgoff = last + 1;
		return 0;
	}
	last = min(last, vmo->nr_pages - 1);
	err = ptree_cursor_open(&cursor, &vmo->tree, vmo->base + *pgoff,
				&reserve->stash);
	if (err)
		return err;
	do {
		err = commit_slot(vmo, *pgoff, &cursor, reserve);
		if (err)
			break;
		++*pgoff;
	} while (*pgoff <= last && ptree_cursor_advance(&cursor));
	ptree_cursor_close(&cursor);
	return err;
}

static int commit_batch(struct cowvmo *vmo, u64 *pgoff, u64 last,
			struct cow_reserve *reserve)
{
	const struct ptree_need descs = {
		.descs = min_t(u64, last - *pgoff + 1, COW_BATCH),
	};
	u64 end = *pgoff + COW_BATCH;
	int err = 0;

	/* In bulk they are cheaper; without, each is got when it is needed. */
	ptree_stash_fill_need(&reserve->stash, &descs,
			      GFP_NOWAIT | __GFP_NOWARN);
	down_write(&vmo->lock);
	while (!err && *pgoff < end && *pgoff <= last)
		err = commit_leaf_locked(vmo, pgoff, last, reserve);
	up_write(&vmo->lock);
	return err;
}

static int commit_pages(struct cowvmo *vmo, u64 *pgoff, u64 last)
{
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	while (!err && *pgoff <= last) {
		err = commit_batch(vmo, pgoff, last, &reserve);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_commit() - give every page of a range memory of its own
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes; the range is rounded outward to pages
 * @done: bytes of the range that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -ENOMEM, -EINTR, -EIO.
 */
int cow_commit(struct cowvmo *vmo, u64 offset, u64 length, u64 *done)
{
	u64 pgoff = offset >> PAGE_SHIFT;
	int err;

	*done = 0;
	down_read(&vmo->lock);
	err = check_range(vmo, offset, length);
	up_read(&vmo->lock);
	if (err || !length)
		return err;

	err = commit_pages(vmo, &pgoff, (offset + length - 1) >> PAGE_SHIFT);
	if (pgoff << PAGE_SHIFT > offset)
		*done = min((pgoff << PAGE_SHIFT) - offset, length);
	return err;
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

	lockdep_assert_held_write(&vmo->lock);
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
		down_write(&vmo->lock);
		err = fn(vmo, cut, &reserve, &dead);
		up_write(&vmo->lock);
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

	if (err || !cut->length)
		return err;
	if (cut->relatives)
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(cut->offset) || !PAGE_ALIGNED(cut->length))
		return -EINVAL;
	return erase_locked(vmo, cut->offset >> PAGE_SHIFT,
			    (cut->offset + cut->length - 1) >> PAGE_SHIFT,
			    false, reserve, dead);
}

/**
 * cow_decommit() - free the memory of a range
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes
 * @relatives: the VMO has living relatives, so that it is refused
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -EPERM, -EOPNOTSUPP, -EINVAL, -ENOMEM, -EINTR.
 */
int cow_decommit(struct cowvmo *vmo, u64 offset, u64 length, bool relatives)
{
	const struct cow_cut cut = {
		.offset = offset,
		.length = length,
		.relatives = relatives,
	};

	return run_cut(vmo, &cut, decommit_locked);
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
 * is only a part of it, else all whole pages. Advances @pos.
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
		next = round_down(end, PAGE_SIZE);
		err = erase_locked(vmo, pgoff, (next >> PAGE_SHIFT) - 1,
				   false, reserve, dead);
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
		down_write(&vmo->lock);
		if (*pos >= vmo_size(vmo))
			*pos = end;
		else if (vmo->sealed)
			err = -EPERM;
		else
			err = zero_step_locked(vmo, pos,
					       min(end, vmo_size(vmo)),
					       &reserve, &dead);
		up_write(&vmo->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
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
 * Return: 0, -ERANGE, -EPERM, -ENOMEM, -EINTR, -EIO.
 */
int cow_zero(struct cowvmo *vmo, u64 offset, u64 length, u64 *done)
{
	u64 pos = offset;
	int err;

	*done = 0;
	down_read(&vmo->lock);
	err = check_change(vmo, offset, length);
	up_read(&vmo->lock);
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
 * where a page must be copied and a range cut out, memory for both is there
 * before either begins.
 */
static int cut_from_locked(struct cowvmo *vmo, u64 from, u64 end,
			   bool even_cows, struct cow_reserve *reserve,
			   struct ptree_dead *dead)
{
	u64 first = DIV_ROUND_UP_ULL(from, PAGE_SIZE);
	unsigned int tail = offset_in_page(from);
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(&vmo->lock);
	if (tail && ptree_lookup(&vmo->tree, vmo->base + first - 1)) {
		if (!cow_reserve_is_full(reserve))
			return -ENOMEM;
		err = cow_write_page(vmo, first - 1, &write, reserve);
		if (err)
			return err;
	}
	if (first < end) {
		err = erase_locked(vmo, first, end - 1, even_cows, reserve,
				   dead);
		if (err)
			return err;
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

	lockdep_assert_held_write(&store->lock);
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

	lockdep_assert_held_write(&vmo->lock);
	err = check_new_size(vmo, size);
	if (err)
		return err;
	if (vmo->sealed)
		return -EPERM;
	if (size < vmo_size(vmo)) {
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

	lockdep_assert_held_write(&vmo->lock);
	if (size > nr_pages << PAGE_SHIFT)
		return -ERANGE;
	if (size == old)
		return 0;
	if (vmo->sealed)
		return -EPERM;
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
 * because of where its ancestors' ranges began; -EPERM: it is sealed;
 * -ENOMEM, -EINTR, -EIO.
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
 * of the store's own, and to cut that off takes no memory.
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
	down_write(&store->lock);
	if (!vmo_is_slice(vmo) && nr_pages < store->nr_pages) {
		erase_locked(store, nr_pages, store->nr_pages - 1, true, &none,
			     &dead);
		store->nr_pages = nr_pages;
	}
	cow_set_end(vmo, stream_size);
	up_write(&store->lock);
	ptree_reap(&dead);
	up_read(&store->family->counts);
}

/**
 * cow_set_stream_size() - change where the stream ends
 * @vmo: any VMO
 * @size: new stream size in bytes, within the VMO's size
 *
 * Context: may sleep; the caller holds the lock of vmo_stream_inode().
 * Return: 0, -ERANGE, -EPERM, -ENOMEM, -EINTR, -EIO.
 */
int cow_set_stream_size(struct cowvmo *vmo, u64 size)
{
	const struct cow_cut cut = { .offset = size, .view = vmo };

	return run_cut(vmo->store, &cut, set_stream_size_locked);
}

/**
 * cow_clear() - drop all content of a VMO that nobody can reach any more
 * @vmo: the VMO
 *
 * Context: may sleep.
 */
void cow_clear(struct cowvmo *vmo)
{
	struct ptree_dead dead = {};

	down_write(&vmo->lock);
	ptree_clear(&vmo->tree, &dead);
	up_write(&vmo->lock);
	ptree_reap(&dead);
}
