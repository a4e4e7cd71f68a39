// SPDX-License-Identifier: GPL-2.0
/*
 * Supplying: a pager gives content to what is absent.
 *
 * Nothing that is present is ever replaced: whoever has seen it would see it
 * change. What is supplied is clean. Waiters are woken as it arrives, under the
 * same hold of the lock.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "cowvmo.h"
#include "pager.h"

/* Pages that are copied before the lock is taken for them. */
#define COPY_BATCH	32U
/* Pages that are moved, or runs that are filled, per hold of the lock. */
#define MOVE_BATCH	512U
#define FILL_BATCH	64

static int check_supply(const struct cowvmo *root, u64 first, u64 nr)
{
	lockdep_assert_held_write(root->lock);
	if (root->source->detached)
		return -EPIPE;
	return cow_check_range(root, first << PAGE_SHIFT, nr << PAGE_SHIFT);
}

static void answer_read(struct cowvmo *root, u64 first, u64 nr)
{
	if (nr)
		cow_requests_answer(root->source, COWVMO_PAGER_READ, first,
				    first + nr - 1);
}

/* The first run [*@from, *@to] of what is absent in [@from, @last]. */
static bool next_absent(const struct cowvmo *root, u64 *from, u64 last,
			u64 *to)
{
	struct ptree_look look;
	u64 at;

	if (!ptree_next_hole(&root->tree, *from, last, from))
		return false;
	for (at = *from; at <= last; at = look.last + 1) {
		ptree_look(&root->tree, at, &look);
		if (look.desc || look.marker)
			break;
	}
	*to = min(at - 1, last);
	return true;
}

/*
 * Zeros
 */

/* Some runs of what is absent from *@at on. */
static int zero_locked(struct cowvmo *root, u64 *at, u64 last,
		       struct cow_reserve *reserve)
{
	struct ptree_dead dead = {};
	unsigned int runs;
	u64 to;
	int err;

	err = check_supply(root, *at, last - *at + 1);
	if (err)
		return err;
	for (runs = 0; runs < FILL_BATCH && *at <= last; runs++) {
		if (!next_absent(root, at, last, &to)) {
			*at = last + 1;
			break;
		}
		err = ptree_fill(&root->tree, *at, to, COW_ZERO_CLEAN,
				 &reserve->stash, &dead);
		if (err)
			break;
		*at = to + 1;
	}
	/* No pages were there. */
	WARN_ON_ONCE(dead.descs);
	ptree_reap(&dead);
	return err;
}

/**
 * cow_supply_zero() - what is absent of a range reads zero
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 * @done: pages that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0, -EPIPE, -ERANGE, -ENOMEM, -EINTR.
 */
int cow_supply_zero(struct cowvmo *root, u64 first, u64 nr, u64 *done)
{
	u64 at = first, before, last = first + nr - 1;
	struct cow_reserve reserve;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	do {
		down_write(root->lock);
		before = at;
		err = zero_locked(root, &at, last, &reserve);
		answer_read(root, before, at - before);
		up_write(root->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		if (!err && at <= last && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (!err && at <= last);
	cow_reserve_drain(&reserve);
	*done = at - first;
	return err;
}

/*
 * Copies
 */

/**
 * struct copies - pages on their way into a VMO
 * @root: the VMO
 * @first: page that the next one is for
 * @nr: how many are left
 * @at: the next of @pages
 * @pages: the pages; NULL once they are part of the VMO
 * @reserve: memory for when none can be had without waiting
 */
struct copies {
	struct cowvmo *root;
	u64 first;
	unsigned int nr;
	unsigned int at;
	struct page *pages[COPY_BATCH];
	struct cow_reserve reserve;
};

static void free_copies(struct copies *copies)
{
	while (copies->nr--) {
		if (copies->pages[copies->nr])
			cowvmo_page_free(copies->pages[copies->nr]);
	}
}

static int alloc_copies(struct copies *copies, unsigned int nr)
{
	struct page *page;

	copies->at = 0;
	for (copies->nr = 0; copies->nr < nr; copies->nr++) {
		page = cowvmo_page_alloc(COWVMO_GFP_CALL);
		if (!page) {
			free_copies(copies);
			return -ENOMEM;
		}
		copies->pages[copies->nr] = page;
	}
	return 0;
}

static int copy_from_memory(struct copies *copies, u64 src)
{
	const char __user *from = u64_to_user_ptr(src);
	unsigned long left;
	unsigned int i;
	void *to;

	for (i = 0; i < copies->nr; i++, from += PAGE_SIZE) {
		to = kmap_local_page(copies->pages[i]);
		left = copy_from_user(to, from, PAGE_SIZE);
		kunmap_local(to);
		if (left)
			return -EFAULT;
	}
	return 0;
}

/*
 * What is beyond the end of file is zeros. Not inlined: its vectors would be
 * cleared for those who copy from memory, too.
 */
static noinline int copy_from_file(struct copies *copies, struct file *file, u64 src)
{
	struct bio_vec vecs[COPY_BATCH];
	struct iov_iter to;
	loff_t pos = src;
	ssize_t got;
	unsigned int i;

	for (i = 0; i < copies->nr; i++)
		vecs[i] = (struct bio_vec) {
			.bv_page = copies->pages[i],
			.bv_len = PAGE_SIZE,
		};
	iov_iter_bvec(&to, READ, vecs, copies->nr, copies->nr * PAGE_SIZE);
	do {
		got = vfs_iter_read(file, &to, &pos, 0);
	} while (got > 0 && iov_iter_count(&to));
	if (got < 0)
		return got;
	iov_iter_zero(iov_iter_count(&to), &to);
	return 0;
}

/* Gives one absent slot its page, and those after it in the same leaf. */
static int insert_leaf(struct copies *copies)
{
	struct cowvmo *root = copies->root;
	struct ptree_stash *stash = &copies->reserve.stash;
	struct ptree_cursor cursor;
	struct ptree_desc *desc;
	int err;

	err = ptree_cursor_open(&cursor, &root->tree, copies->first, stash);
	if (err)
		return err;
	do {
		if (!ptree_cursor_desc(&cursor) &&
		    !ptree_cursor_marker(&cursor)) {
			desc = ptree_desc_alloc(stash, copies->first,
						copies->pages[copies->at]);
			if (!desc) {
				err = -ENOMEM;
				break;
			}
			desc->flags = COW_DESC_CLEAN;
			ptree_cursor_store(&cursor, desc);
			copies->pages[copies->at] = NULL;
		}
		copies->first++;
		copies->at++;
	} while (copies->at < copies->nr && ptree_cursor_advance(&cursor));
	ptree_cursor_close(&cursor);
	return err;
}

static int insert_locked(struct copies *copies)
{
	struct cowvmo *root = copies->root;
	u64 first = copies->first;
	struct ptree_look look;
	int err;

	err = check_supply(root, first, copies->nr - copies->at);
	while (!err && copies->at < copies->nr) {
		ptree_look(&root->tree, copies->first, &look);
		if (look.desc || look.marker) {
			copies->first++;
			copies->at++;
		} else {
			err = insert_leaf(copies);
		}
	}
	answer_read(root, first, copies->first - first);
	return err;
}

static int insert_copies(struct copies *copies)
{
	const struct ptree_need descs = { .descs = copies->nr };
	int err;

	/* In bulk they are cheaper; without, each is got when it is needed. */
	if (copies->nr > 1)
		ptree_stash_fill_need(&copies->reserve.stash, &descs,
				      GFP_NOWAIT | __GFP_NOWARN);
	do {
		down_write(copies->root->lock);
		err = insert_locked(copies);
		up_write(copies->root->lock);
		if (err != -ENOMEM)
			return err;
		err = cow_reserve_fill(&copies->reserve);
	} while (!err);
	return err;
}

static int copy_batch(struct copies *copies, unsigned int nr, u64 src,
		      struct file *file)
{
	int err = alloc_copies(copies, nr);

	if (err)
		return err;
	err = file ? copy_from_file(copies, file, src) :
		     copy_from_memory(copies, src);
	if (!err)
		err = insert_copies(copies);
	free_copies(copies);
	return err;
}

/**
 * cow_supply_copy() - what is absent of a range gets copies of something
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 * @src: where it is in user memory, or in @file
 * @file: a file that can be read at any place, or NULL
 * @done: pages that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0, -EPIPE, -ERANGE, -EFAULT, -ENOMEM, -EINTR, errors of reading.
 */
int cow_supply_copy(struct cowvmo *root, u64 first, u64 nr, u64 src,
		    struct file *file, u64 *done)
{
	struct copies copies = { .root = root, .first = first };
	u64 end = first + nr;
	int err = 0;

	cow_reserve_init(&copies.reserve, COWVMO_GFP_CALL);
	while (!err && copies.first < end) {
		err = copy_batch(&copies,
				 min_t(u64, end - copies.first, COPY_BATCH),
				 src + ((copies.first - first) << PAGE_SHIFT),
				 file);
		if (!err && copies.first < end && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	cow_reserve_drain(&copies.reserve);
	*done = copies.first - first;
	return err;
}

/*
 * Moves
 */

/**
 * struct supply_move - what is left of a move
 * @root: the VMO that gets it
 * @aux: the VMO that has it
 * @dst: next page of @root
 * @src: next page of @aux
 * @left: how many pages are left
 * @reserve: memory for when none can be had without waiting
 */
struct supply_move {
	struct cowvmo *root;
	struct cowvmo *aux;
	u64 dst;
	u64 src;
	u64 left;
	struct cow_reserve reserve;
};

/* Its range has been unmapped: a reference of anybody else's is a holder. */
static bool take_page(struct ptree_desc *desc, void *data)
{
	if (page_ref_count(desc->page) != 1 ||
	    cow_page_is_borrowed(desc->page))
		return false;
	desc->flags = COW_DESC_CLEAN;
	return true;
}

static int copy_page_out(struct ptree_desc *desc, u64 index,
			 struct ptree_desc **copy, void *data)
{
	struct supply_move *move = data;
	int err;

	err = cow_copy_content(move->root, desc, index, copy, &move->reserve);
	if (!err)
		(*copy)->flags = COW_DESC_CLEAN;
	return err;
}

static const struct ptree_mover mover = {
	.take = take_page,
	.copy = copy_page_out,
};

static int check_move(const struct supply_move *move)
{
	const struct cowvmo *aux = move->aux;
	int err = check_supply(move->root, move->dst, move->left);

	if (err)
		return err;
	err = cow_check_range(aux, move->src << PAGE_SHIFT,
			      move->left << PAGE_SHIFT);
	if (err)
		return err;
	if (aux->sealed)
		return -EPERM;
	if (!vmo_is_cached(aux) ||
	    cow_is_pinned(aux, move->src, move->src + move->left - 1))
		return -EBUSY;
	return 0;
}

/* What is left empty of a run after the move has no page in @aux. */
static int fill_rest(struct supply_move *move, u64 first, u64 last)
{
	struct ptree_dead dead = {};
	u64 to;
	int err;

	while (first <= last && next_absent(move->root, &first, last, &to)) {
		err = ptree_fill(&move->root->tree, first, to, COW_ZERO_CLEAN,
				 &move->reserve.stash, &dead);
		ptree_reap(&dead);
		if (err)
			return err;
		first = to + 1;
	}
	return 0;
}

static int move_run(struct supply_move *move, u64 first, u64 last,
		    struct ptree_dead *dead)
{
	struct ptree_move step = {
		.from = &move->aux->tree,
		.to = &move->root->tree,
		.src = move->aux->base + move->src + (first - move->dst),
		.dst = first,
		.left = last - first + 1,
		.mover = &mover,
		.arg = move,
		.stash = &move->reserve.stash,
		.dead = dead,
	};
	int err = 0;

	while (!err && step.left)
		err = ptree_move_step(&step);
	return err ?: fill_rest(move, first, last);
}

/* A part, all of which is done or can be begun again. */
static int move_part_locked(struct supply_move *move, u64 nr,
			    struct ptree_dead *dead)
{
	u64 at = move->dst, last = at + nr - 1, to;
	u64 src = move->aux->base + move->src;
	int err = check_move(move);

	if (err)
		return err;
	if (cowvmo_is_mapped(move->aux))
		cowvmo_unmap(move->aux, move->src, move->src + nr - 1, false);
	smp_mb();	/* unmapped before holders are counted */
	while (at <= last && next_absent(move->root, &at, last, &to)) {
		err = move_run(move, at, to, dead);
		if (err)
			return err;
		at = to + 1;
	}
	/* What was present already: this is not needed. */
	return ptree_erase(&move->aux->tree, src, src + nr - 1,
			   &move->reserve.stash, dead);
}

static int move_part(struct supply_move *move)
{
	u64 nr = min_t(u64, move->left, MOVE_BATCH);
	struct ptree_dead dead = {};
	int err;

	cowvmo_lock_pair(move->root, move->aux);
	err = move_part_locked(move, nr, &dead);
	if (!err) {
		answer_read(move->root, move->dst, nr);
		move->dst += nr;
		move->src += nr;
		move->left -= nr;
	}
	cowvmo_unlock_pair(move->root, move->aux);
	ptree_reap(&dead);
	return err;
}

/**
 * cow_supply_move() - what is absent of a range gets the pages of another VMO
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 * @aux: an anonymous VMO with content of its own, not contiguous
 * @src: first page there
 * @done: pages that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0, -EPIPE, -ERANGE, -EPERM, -EBUSY, -ENOMEM, -EINTR, -EIO.
 */
int cow_supply_move(struct cowvmo *root, u64 first, u64 nr,
		    struct cowvmo *aux, u64 src, u64 *done)
{
	struct supply_move move = {
		.root = root,
		.aux = aux,
		.dst = first,
		.src = src,
		.left = nr,
	};
	int err = 0;

	cow_reserve_init(&move.reserve, COWVMO_GFP_CALL);
	cowvmo_lock_counts(root, aux);
	do {
		err = move_part(&move);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&move.reserve);
		if (!err && move.left && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (!err && move.left);
	cowvmo_unlock_counts(root, aux);
	cow_reserve_drain(&move.reserve);
	*done = nr - move.left;
	return err;
}
