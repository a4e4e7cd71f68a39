// SPDX-License-Identifier: GPL-2.0
/*
 * Reflinks: FICLONE, FICLONERANGE, and through them copy_file_range().
 *
 * Where two relatives have the range at the same place of their family's
 * content, the one shares the nodes of the other, in time that does not depend
 * on the width. Everywhere else, and where pages are pinned, they are copied
 * one by one, which is what
 * a program would do itself, without bringing them to user memory.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "cowvmo.h"

/**
 * struct reflink - what goes where
 * @from: the store that is read
 * @to: the store that changes
 * @src: first page in @from
 * @dst: first page in @to
 * @nr: number of pages
 */
struct reflink {
	struct cowvmo *from;
	struct cowvmo *to;
	u64 src;
	u64 dst;
	u64 nr;
};

static int share_locked(const struct reflink *link, struct ptree *tree,
			struct cow_reserve *reserve, struct ptree_dead *dead)
{
	struct cowvmo *to = link->to;
	u64 first = to->base + link->dst, last = first + link->nr - 1;
	int err;

	lockdep_assert_held_write(to->lock);
	if (to->sealed)
		return -EPERM;
	if (cow_is_pinned(to, link->dst, link->dst + link->nr - 1))
		return -EBUSY;
	/* Pages go only after nobody can reach them through a PTE. */
	if (cowvmo_is_mapped(to))
		ptree_diff(&to->tree, tree, first, last, cowvmo_unmap_run, to);
	err = ptree_graft(&to->tree, tree, first, last, &reserve->stash, dead);
	if (!err)
		to->shared_once = true;
	return err;
}

static int share_into(const struct reflink *link, struct ptree *tree,
		      struct ptree_dead *dead)
{
	struct cow_reserve reserve;
	int err;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	do {
		down_write(link->to->lock);
		err = share_locked(link, tree, &reserve, dead);
		up_write(link->to->lock);
		if (err != -ENOMEM)
			break;
		err = cow_reserve_fill(&reserve);
	} while (!err);
	cow_reserve_drain(&reserve);
	return err;
}

/* All or nothing. -EBUSY: what is pinned cannot be shared. */
static int reflink_share(const struct reflink *link)
{
	struct ptree_dead dead = {};
	struct cow_share share = {};
	int err;

	down_read(&link->to->family->counts);
	err = cow_share(link->from, link->src, link->src + link->nr - 1,
			&share);
	if (!err)
		err = share_into(link, &share.tree, &dead);
	ptree_clear(&share.tree, &dead);
	ptree_reap(&dead);
	up_read(&link->to->family->counts);
	if (!err)
		cow_loan_settle_range(link->to, link->dst, link->nr);
	return err;
}

/*
 * The page at *@at, held, or NULL and in *@holes how many pages from there on
 * have no content.
 */
static struct page *next_page(const struct reflink *link, u64 at, u64 *holes)
{
	struct cowvmo *from = link->from;
	u64 index = from->base + link->src + at, found;
	u64 last = from->base + link->src + link->nr - 1;
	struct page *page = NULL;

	down_read(from->lock);
	if (!ptree_next_data(&from->tree, index, last, &found))
		found = last + 1;
	*holes = found - index;
	if (!*holes)
		page = cow_hold_page(ptree_lookup(&from->tree, index));
	up_read(from->lock);
	return page;
}

static int write_copy_locked(struct cowvmo *to, u64 pgoff, struct page *page,
			     struct cow_reserve *reserve)
{
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(to->lock);
	if (to->sealed)
		return -EPERM;
	/* Shrunk meanwhile: there is nothing to write to. */
	if (pgoff >= to->nr_pages)
		return 0;
	err = cow_write_page(to, pgoff, &write, reserve);
	if (!err)
		copy_highpage(write.page, page);
	return err;
}

static int write_copy(struct cowvmo *to, u64 pgoff, struct page *page,
		      struct cow_reserve *reserve)
{
	int err;

	do {
		down_write(to->lock);
		err = write_copy_locked(to, pgoff, page, reserve);
		up_write(to->lock);
		if (err != -ENOMEM)
			return err;
		err = cow_reserve_fill(reserve);
	} while (!err);
	return err;
}

/* One page, or as many holes as there are. Advances *@at. */
static int copy_step(const struct reflink *link, u64 *at,
		     struct cow_reserve *reserve)
{
	u64 offset = (link->dst + *at) << PAGE_SHIFT, holes, done;
	struct page *page = next_page(link, *at, &holes);
	int err;

	if (page) {
		err = write_copy(link->to, link->dst + *at, page, reserve);
		put_page(page);
		holes = 1;
	} else {
		err = cow_zero(link->to, offset, holes << PAGE_SHIFT, &done, NULL);
	}
	if (!err)
		*at += holes;
	return err;
}

/*
 * What is written to a contiguous VMO must be there, and cannot come while we
 * hold a page of somebody who may have borrowed it. If it is decommitted again
 * meanwhile, that may fail with -EBUSY.
 */
static int reflink_prepare(const struct reflink *link)
{
	u64 done;

	if (!vmo_is_contiguous(link->to))
		return 0;
	return cow_commit(link->to, link->dst << PAGE_SHIFT,
			  link->nr << PAGE_SHIFT, &done, NULL);
}

/* Part of it may be done after an error; *@done tells how many pages. */
static int reflink_copy(const struct reflink *link, u64 *done)
{
	struct cow_reserve reserve;
	int err = reflink_prepare(link);

	*done = 0;
	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	while (!err && *done < link->nr) {
		err = copy_step(link, done, &reserve);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	cow_reserve_drain(&reserve);
	return err;
}

static int reflink(const struct reflink *link, u64 *done)
{
	int err;

	*done = 0;
	if (link->from == link->to) {
		if (link->src == link->dst)
			goto all;
		if (link->src < link->dst + link->nr &&
		    link->dst < link->src + link->nr)
			return -EINVAL;
		return reflink_copy(link, done);
	}
	if (link->from->family != link->to->family ||
	    link->from->base + link->src != link->to->base + link->dst)
		return reflink_copy(link, done);
	err = reflink_share(link);
	if (err == -EBUSY)
		return reflink_copy(link, done);
	if (err)
		return err;
all:
	*done = link->nr;
	return 0;
}

static bool is_cached(struct cowvmo *vmo)
{
	bool cached;

	down_read(vmo->lock);
	cached = vmo_is_cached(vmo);
	up_read(vmo->lock);
	return cached;
}

/* After the VFS has checked the range, with the streams of both held still. */
static loff_t reflink_file(struct file *in, loff_t pos_in, struct file *out,
			   loff_t pos_out, loff_t len, bool can_shorten)
{
	struct cowvmo *from = file_to_vmo(in), *to = file_to_vmo(out);
	const struct reflink link = {
		.from = from->store,
		.to = to->store,
		.src = from->view_first + (pos_in >> PAGE_SHIFT),
		.dst = to->view_first + (pos_out >> PAGE_SHIFT),
		.nr = DIV_ROUND_UP_ULL(len, PAGE_SIZE),
	};
	u64 old_size = i_size_read(&to->inode);
	u64 old_pages = vmo_sized(to)->nr_pages, done;
	int err;

	/* Whoever changes that needs the inode's lock, and no children. */
	if (!is_cached(link.from) || !is_cached(link.to))
		return -EBUSY;
	err = cowvmo_extend(to, pos_out + len);
	if (err)
		return err;
	err = reflink(&link, &done);
	if (!err)
		return len;
	if (pos_out + len > old_size)
		cow_undo_grow(to, old_pages, old_size);
	/* What lies within the old size has been copied. */
	if (!can_shorten || !done || pos_out + len > old_size)
		return err;
	return done << PAGE_SHIFT;
}

/**
 * cowvmo_remap_file_range() - give a range of a VMO the content of another
 * @in: a file of the VMO that is read
 * @pos_in: where its range begins, page-aligned
 * @out: a file of the VMO that changes
 * @pos_out: where its range begins, page-aligned
 * @len: number of bytes; 0: up to the end of @in
 * @flags: REMAP_FILE_*
 *
 * Context: may sleep; takes the locks of both inodes.
 * Return: bytes done; -EOPNOTSUPP: deduplication, or one has a pager; -EINVAL: unaligned,
 * overlapping or beyond the end; -ENOSPC: @out is not resizable; -EPERM: it is
 * sealed; -EBUSY: one is not CACHED; -ENOMEM, -EINTR, -EIO.
 */
loff_t cowvmo_remap_file_range(struct file *in, loff_t pos_in,
			       struct file *out, loff_t pos_out, loff_t len,
			       unsigned int flags)
{
	struct inode *from = vmo_stream_inode(file_to_vmo(in));
	struct inode *to = vmo_stream_inode(file_to_vmo(out));
	loff_t ret;

	if (flags & ~REMAP_FILE_CAN_SHORTEN ||
	    file_to_store(in)->source || file_to_store(out)->source)
		return -EOPNOTSUPP;
	lock_two_nondirectories(from, to);
	ret = generic_remap_file_range_prep(in, pos_in, out, pos_out, &len,
					    flags);
	if (!ret && len)
		ret = reflink_file(in, pos_in, out, pos_out, len,
				   flags & REMAP_FILE_CAN_SHORTEN);
	unlock_two_nondirectories(from, to);
	return ret;
}
