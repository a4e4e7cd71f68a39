// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMO's content is, and how it is looked up, written and made.
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
 * _locked. When memory cannot be had without waiting, the lock is dropped, the
 * reserve filled, and everything looked up again.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"
#include "pager.h"
#include "trace.h"

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

static bool overwrite(struct page *page, const struct ptree_desc *source)
{
	struct page *from;

	if (PageHWPoison(page))
		return false;
	if (!source) {
		clear_highpage(page);
		return true;
	}
	from = cow_hold_page(source);
	if (PageHWPoison(from)) {
		put_page(from);
		return false;
	}
	copy_highpage(page, from);
	put_page(from);
	return true;
}

/**
 * cow_overwrite_page() - give a page other content where it is
 * @vmo: the VMO
 * @pgoff: the page; within the size
 * @source: what has the content, kept alive by the caller; NULL: zeros
 *
 * PTEs stay, writable ones too: who maps the page may see it change.
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: whether that was done; if not, the page would have to be replaced.
 */
bool cow_overwrite_page(struct cowvmo *vmo, u64 pgoff,
			const struct ptree_desc *source)
{
	u64 index = vmo->base + pgoff;
	struct ptree_stash none = {};
	struct cow_write write = {};
	struct ptree_cursor cursor;
	bool done = false;

	lockdep_assert_held_write(vmo->lock);
	/* Where the path is shared the page is, and the tree is to stay as it is. */
	if (!ptree_cursor_follow(&cursor, &vmo->tree, index) ||
	    WARN_ON_ONCE(ptree_cursor_open(&cursor, &vmo->tree, index, &none)))
		return false;
	if (ptree_cursor_desc(&cursor) &&
	    may_write_in_place(vmo, pgoff, &cursor, &write))
		done = overwrite(ptree_cursor_desc(&cursor)->page, source);
	ptree_cursor_close(&cursor);
	return done;
}

/* A page for an index, borrowed or the VMO's own. */
static struct page *new_page(struct cowvmo *vmo, u64 index, bool zeroed,
			     bool borrow, struct cow_reserve *reserve)
{
	struct page *page = NULL;

	/* A pager's content is looked for in more than one tree. */
	if (borrow && !reserve->keep && !vmo->source)
		page = cow_loan_borrow(vmo, index);
	if (!page)
		return cow_reserve_page(reserve, vmo->cache_policy,
					zeroed ? __GFP_ZERO : 0);
	if (zeroed)
		clear_highpage(page);
	return page;
}

/* A descriptor with a page that has the content of @old, or zeros. */
static struct ptree_desc *new_content(struct cowvmo *vmo, u64 index,
				      struct page *old, bool borrow,
				      struct cow_reserve *reserve)
{
	struct page *page = new_page(vmo, index, !old, borrow, reserve);
	struct ptree_desc *desc;

	if (!page)
		return NULL;
	desc = ptree_desc_alloc(&reserve->stash, index, page);
	if (!desc) {
		ptree_page_free(page, vmo->cache_policy);
		return NULL;
	}
	desc->flags = vmo->cache_policy;
	if (old)
		copy_highpage(page, old);
	return desc;
}

/**
 * cow_copy_content() - a copy of what a descriptor has
 * @vmo: the VMO that is to have it; its lock is held
 * @desc: the descriptor, maybe shared, kept alive by the caller's lock
 * @index: tree index of the copy
 * @copy: receives a descriptor with a page of its own
 * @reserve: memory for when none can be had without waiting
 *
 * Return: 0; -ENOMEM: the caller drops its locks, fills @reserve and starts
 * again; -EIO: the page is damaged.
 */
int cow_copy_content(struct cowvmo *vmo, struct ptree_desc *desc, u64 index,
		     struct ptree_desc **copy, struct cow_reserve *reserve)
{
	struct page *page = cow_hold_page(desc);
	int err = 0;

	if (PageHWPoison(page)) {
		err = -EIO;
	} else {
		*copy = new_content(vmo, index, page, true, reserve);
		if (!*copy)
			err = -ENOMEM;
	}
	put_page(page);
	return err;
}

/* The caller is to drop its locks, and fill its reserve, which settles it. */
static int settle_first(struct cowvmo *vmo, u64 pgoff,
			struct cow_reserve *reserve)
{
	reserve->settle = vmo;
	reserve->settle_page = pgoff;
	return -ENOMEM;
}

/* Puts the page back that was decommitted of a contiguous VMO. */
static int fill_decommitted(struct cowvmo *vmo, u64 pgoff,
			    struct ptree_cursor *cursor,
			    struct cow_write *write,
			    struct cow_reserve *reserve)
{
	struct ptree_desc *new;

	new = ptree_desc_alloc(&reserve->stash, cursor->index, NULL);
	if (!new)
		return -ENOMEM;
	new->page = cow_loan_take_home(vmo, pgoff);
	if (!new->page) {
		ptree_desc_put(new);
		return settle_first(vmo, pgoff, reserve);
	}
	clear_highpage(new->page);
	ptree_cursor_store(cursor, new);
	write->page = new->page;
	write->unmapped = true;
	return 0;
}

/* Puts a page of zeros where there is none. */
static int fill_hole(struct cowvmo *vmo, u64 pgoff,
		     struct ptree_cursor *cursor, struct cow_write *write,
		     struct cow_reserve *reserve)
{
	struct ptree_desc *new;

	new = new_content(vmo, cursor->index, NULL, true, reserve);
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
	/* What relatives may come to have instead, they have not borrowed. */
	new = new_content(vmo, cursor->index, page,
			  cow_write_mapped(write) != page, reserve);
	if (!new) {
		err = -ENOMEM;
		goto out;
	}
	new->flags |= desc->flags & COW_DESC_DIRTY_STATE;
	trace_cowvmo_copy(vmo->id, pgoff);
	store_copy(vmo, pgoff, cursor, write, new, page);
out:
	if (held)
		put_page(page);
	return err;
}

/* Gives the VMO a copy of what shows through there. */
static int fork_page(struct cowvmo *vmo, u64 pgoff,
		     struct ptree_cursor *cursor, struct cow_write *write,
		     struct cow_reserve *reserve)
{
	struct cow_found found;
	struct ptree_desc *new;

	cow_find(vmo, pgoff, &found);
	if (WARN_ON_ONCE(cow_found_absent(&found)))
		return -EIO;
	if (!found.desc)
		return fill_hole(vmo, pgoff, cursor, write, reserve);
	if (PageHWPoison(found.desc->page))
		return -EIO;
	new = new_content(vmo, cursor->index, found.desc->page, false,
			  reserve);
	if (!new)
		return -ENOMEM;
	trace_cowvmo_copy(vmo->id, pgoff);
	ptree_cursor_store(cursor, new);
	cowvmo_unmap_page(vmo, pgoff);
	write->page = new->page;
	write->unmapped = true;
	return 0;
}

static int replace_page(struct cowvmo *vmo, u64 pgoff,
			struct ptree_cursor *cursor, struct cow_write *write,
			struct cow_reserve *reserve)
{
	if (ptree_cursor_desc(cursor))
		return copy_page_of(vmo, pgoff, cursor, write, reserve);
	if (vmo->up && !ptree_cursor_marker(cursor))
		return fork_page(vmo, pgoff, cursor, write, reserve);
	if (vmo_is_contiguous(vmo))
		return fill_decommitted(vmo, pgoff, cursor, write, reserve);
	return fill_hole(vmo, pgoff, cursor, write, reserve);
}

/* What has become of a slot of the root: @marker was there. */
static void note_state(struct cowvmo *root, struct ptree_cursor *cursor,
		       unsigned int marker, bool written)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor);

	if (written) {
		cow_desc_set_state(desc, COW_DESC_DIRTY);
		root->source->modified = true;
	} else if (marker) {
		cow_desc_set_state(desc, marker == COW_ZERO_CLEAN ?
					 COW_DESC_CLEAN : COW_DESC_DIRTY);
	}
}

/* Makes what the cursor is at a page that may be written in place. */
static int own_slot(struct cowvmo *vmo, u64 pgoff, struct ptree_cursor *cursor,
		    struct cow_write *write, struct cow_reserve *reserve)
{
	unsigned int marker = ptree_cursor_marker(cursor);
	int err = 0;

	write->unmapped = false;
	write->installed = false;
	if (ptree_cursor_desc(cursor) &&
	    may_write_in_place(vmo, pgoff, cursor, write))
		write->page = ptree_cursor_desc(cursor)->page;
	else
		err = replace_page(vmo, pgoff, cursor, write, reserve);
	if (!err && reserve->keep && cow_page_is_borrowed(write->page))
		err = settle_first(vmo, pgoff, reserve);
	if (err)
		return err;
	if (write->mark)
		ptree_cursor_mark(cursor);
	if (vmo_is_pager_root(vmo))
		note_state(vmo, cursor, marker, !write->keep_clean);
	return 0;
}

/*
 * Is a page of the root there, that becomes dirty without asking and without
 * anybody who would have to be given what it was?
 */
static bool is_ready(const struct cowvmo *vmo, u64 pgoff)
{
	return vmo_is_pager_root(vmo) && !vmo->source->trap_dirty &&
	       !vmo->source->nr_snapshots &&
	       ptree_lookup(&vmo->tree, vmo->base + pgoff);
}

/* Opens a cursor, and owns its slot; what a pager has to say is heard. */
static int own_page(struct cowvmo *vmo, u64 pgoff, struct cow_write *write,
		    struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	int err;

	err = ptree_cursor_open(&cursor, &vmo->tree, vmo->base + pgoff,
				&reserve->stash);
	if (err)
		return err;
	err = own_slot(vmo, pgoff, &cursor, write, reserve);
	ptree_cursor_close(&cursor);
	return err;
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
	int err = 0;

	lockdep_assert_held_write(vmo->lock);
	if (vmo->source && !is_ready(vmo, pgoff))
		err = cow_ready(vmo, pgoff, true, reserve);
	return err ?: own_page(vmo, pgoff, write, reserve);
}

/**
 * cow_make_dirty() - give a page of zeros memory, with the pager's permission
 * @root: a VMO with a pager
 * @pgoff: the page, which reads zero
 * @reserve: memory for when none can be had without waiting
 *
 * Context: the caller holds the root's lock for writing.
 * Return: as cow_write_page().
 */
int cow_make_dirty(struct cowvmo *root, u64 pgoff, struct cow_reserve *reserve)
{
	bool modified = root->source->modified;
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(root->lock);
	err = own_page(root, pgoff, &write, reserve);
	/* Nobody has written to it yet. */
	root->source->modified = modified;
	return err;
}

/**
 * cow_own_pages() - pages that may be written in place, without a fault
 * @vmo: the VMO
 * @pgoff: in: the first page; out: the first that is not done
 * @last: the last page; within the size
 * @write: they are about to be written
 * @reserve: memory for when none can be had without waiting
 *
 * They are marked, as pages with a writable PTE are. If the reserve says so,
 * none of them is borrowed.
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: as cow_write_page().
 */
int cow_own_pages(struct cowvmo *vmo, u64 *pgoff, u64 last, bool write,
		  struct cow_reserve *reserve)
{
	struct cow_write how = { .mark = true, .keep_clean = !write };
	struct ptree_cursor cursor;
	int err = 0;

	lockdep_assert_held_write(vmo->lock);
	reserve->ask_end = last + 1;
	while (!err && *pgoff <= last) {
		if (vmo->source)
			err = cow_ready(vmo, *pgoff, write, reserve);
		err = err ?: ptree_cursor_open(&cursor, &vmo->tree,
					       vmo->base + *pgoff,
					       &reserve->stash);
		if (err)
			return err;
		do {
			err = own_slot(vmo, *pgoff, &cursor, &how, reserve);
			if (err)
				break;
			++*pgoff;
		} while (*pgoff <= last && !vmo->source &&
			 ptree_cursor_advance(&cursor));
		ptree_cursor_close(&cursor);
	}
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

	lockdep_assert_held_write(vmo->lock);
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
	unsigned int marker = ptree_cursor_marker(cursor);
	struct cow_write write = {};
	int err;

	if (desc && ptree_desc_exclusive(desc))
		return 0;
	err = replace_page(vmo, pgoff, cursor, &write, reserve);
	if (!err && vmo_is_pager_root(vmo))
		note_state(vmo, cursor, marker, false);
	return err;
}

/* Commits up to the end of a leaf, of the VMO, or of the range. */
static int commit_leaf_locked(struct cowvmo *vmo, u64 *pgoff, u64 last,
			      struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	int err;

	lockdep_assert_held_write(vmo->lock);
	/* Shrunk meanwhile: the rest is not there to commit. */
	if (*pgoff >= vmo->nr_pages) {
		*pgoff = last + 1;
		return 0;
	}
	last = min(last, vmo->nr_pages - 1);
	if (vmo->source) {
		reserve->ask_end = last + 1;
		err = cow_ready(vmo, *pgoff, false, reserve);
		if (err)
			return err;
	}
	err = ptree_cursor_open(&cursor, &vmo->tree, vmo->base + *pgoff,
				&reserve->stash);
	if (err)
		return err;
	do {
		err = commit_slot(vmo, *pgoff, &cursor, reserve);
		if (err)
			break;
		++*pgoff;
	} while (*pgoff <= last && !vmo->source &&
		 ptree_cursor_advance(&cursor));
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
	down_write(vmo->lock);
	while (!err && *pgoff < end && *pgoff <= last)
		err = commit_leaf_locked(vmo, pgoff, last, reserve);
	up_write(vmo->lock);
	return err;
}

static int commit_pages(struct cowvmo *vmo, u64 *pgoff, u64 last, gfp_t gfp,
			struct cow_ask *ask)
{
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, gfp);
	reserve.no_wait = ask;
	while (!err && *pgoff <= last) {
		reserve.batch = min_t(u64, last - *pgoff + 1, COW_BATCH);
		err = commit_batch(vmo, pgoff, last, &reserve);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (ask)
		*ask = reserve.ask;
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_commit() - give every page of a range memory of its own
 * @vmo: the VMO
 * @offset: first byte
 * @length: number of bytes; the range is rounded outward to pages
 * @done: bytes of the range that are done, also after an error
 * @ask: NULL, or receives what to ask a pager for with -EAGAIN
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -ENOMEM, -EINTR, -EIO; -EBUSY: a page was lent, and is
 * held by somebody; errors of cow_ask_wait(), or -EAGAIN.
 */
int cow_commit(struct cowvmo *vmo, u64 offset, u64 length, u64 *done,
	       struct cow_ask *ask)
{
	u64 pgoff = offset >> PAGE_SHIFT;
	int err;

	*done = 0;
	down_read(vmo->lock);
	err = cow_check_range(vmo, offset, length);
	up_read(vmo->lock);
	if (err || !length)
		return err;

	err = commit_pages(vmo, &pgoff, (offset + length - 1) >> PAGE_SHIFT,
			   COWVMO_GFP_CALL, ask);
	if (pgoff << PAGE_SHIFT > offset)
		*done = min((pgoff << PAGE_SHIFT) - offset, length);
	return err;
}

/**
 * cow_supply_page() - give a page memory before it is read
 * @vmo: the VMO
 * @pgoff: the page
 * @gfp: COWVMO_GFP_CALL or COWVMO_GFP_FAULT
 *
 * For a VMO where nothing else can stand in for what is absent.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM, -EINTR, -EIO, -EBUSY. By the time that the caller has taken the
 * lock the page may be absent again.
 */
int cow_supply_page(struct cowvmo *vmo, u64 pgoff, gfp_t gfp)
{
	return commit_pages(vmo, &pgoff, pgoff, gfp, NULL);
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

	cow_contig_end(vmo);
	down_write(vmo->lock);
	ptree_clear(&vmo->tree, &dead);
	up_write(vmo->lock);
	ptree_reap(&dead);
	cowvmo_pages_left();
	cow_contig_reap();
}
