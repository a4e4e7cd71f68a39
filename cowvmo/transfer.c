// SPDX-License-Identifier: GPL-2.0
/*
 * Transfer: pages go from one VMO to another, or elsewhere in the same one,
 * and the source reads zero where they were.
 *
 * A page goes as it is if the source alone sees it and nobody holds it, else
 * the destination gets a copy. To tell that, and so that nobody goes on
 * looking at a page that has left, both ranges are unmapped first, a batch
 * at a time; locks are dropped in between.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "cowvmo.h"

/* Pages per hold of the locks. A hole is passed over at once. */
#define TRANSFER_BATCH	512U

/**
 * struct transfer - what is left of a transfer
 * @from: the store that is emptied
 * @to: the store that is filled
 * @src: next page of @from
 * @dst: next page of @to
 * @left: how many pages are left
 * @reserve: memory for when none can be had without waiting
 */
struct transfer {
	struct cowvmo *from;
	struct cowvmo *to;
	u64 src;
	u64 dst;
	u64 left;
	struct cow_reserve reserve;
};

/*
 * The range has been unmapped: a reference of anybody else's is a holder. What
 * is borrowed stays where its lender can find it.
 */
static bool take_page(struct ptree_desc *desc, void *data)
{
	return page_ref_count(desc->page) == 1 &&
	       !cow_page_is_borrowed(desc->page);
}

static int copy_content(struct ptree_desc *desc, u64 index,
			struct ptree_desc **copy, void *data)
{
	struct transfer *transfer = data;

	return cow_copy_content(transfer->to, desc, index, copy,
				&transfer->reserve);
}

static const struct ptree_mover mover = {
	.take = take_page,
	.copy = copy_content,
};

static void unmap_pages(struct cowvmo *vmo, u64 first, u64 nr)
{
	if (cowvmo_is_mapped(vmo))
		cowvmo_unmap(vmo, first, first + nr - 1, false);
}

static bool has_pins(const struct cowvmo *vmo, u64 first, u64 nr)
{
	return cow_is_pinned(vmo, first, first + nr - 1);
}

static int check_transfer(const struct transfer *transfer)
{
	const struct cowvmo *from = transfer->from, *to = transfer->to;

	if (transfer->src > from->nr_pages ||
	    transfer->left > from->nr_pages - transfer->src ||
	    transfer->dst > to->nr_pages ||
	    transfer->left > to->nr_pages - transfer->dst)
		return -ERANGE;
	if (!transfer->left)
		return 0;
	if (from->sealed || to->sealed)
		return -EPERM;
	if (vmo_is_contiguous(from) || vmo_is_contiguous(to))
		return -EOPNOTSUPP;
	if (!vmo_is_cached(from) || !vmo_is_cached(to))
		return -EBUSY;
	return has_pins(from, transfer->src, transfer->left) ||
	       has_pins(to, transfer->dst, transfer->left) ? -EBUSY : 0;
}

/* A batch with content, or a hole. */
static u64 batch_length(const struct transfer *transfer)
{
	struct cowvmo *from = transfer->from;
	u64 first = from->base + transfer->src, found;

	if (!ptree_next_data(&from->tree, first, first + transfer->left - 1,
			     &found))
		return transfer->left;
	if (found - first > TRANSFER_BATCH)
		return (found - first) & ~(u64)(PTREE_LEAF_SLOTS - 1);
	return min_t(u64, transfer->left, TRANSFER_BATCH);
}

static int transfer_locked(struct transfer *transfer, struct ptree_dead *dead)
{
	struct cowvmo *from = transfer->from, *to = transfer->to;
	struct ptree_move move = {
		.from = &from->tree,
		.to = &to->tree,
		.src = from->base + transfer->src,
		.dst = to->base + transfer->dst,
		.mover = &mover,
		.arg = transfer,
		.stash = &transfer->reserve.stash,
		.dead = dead,
	};
	int err;

	lockdep_assert_held_write(from->lock);
	lockdep_assert_held_write(to->lock);
	err = check_transfer(transfer);
	if (err || !transfer->left)
		return err;
	move.left = batch_length(transfer);
	unmap_pages(from, transfer->src, move.left);
	unmap_pages(to, transfer->dst, move.left);
	smp_mb();	/* unmapped before holders are counted */
	while (!err && move.left)
		err = ptree_move_step(&move);
	transfer->left -= move.src - (from->base + transfer->src);
	transfer->src = move.src - from->base;
	transfer->dst = move.dst - to->base;
	return err;
}

static int transfer_batch(struct transfer *transfer)
{
	struct ptree_dead dead = {};
	int err;

	cowvmo_lock_pair(transfer->from, transfer->to);
	err = transfer_locked(transfer, &dead);
	cowvmo_unlock_pair(transfer->from, transfer->to);
	ptree_reap(&dead);
	return err;
}

static int transfer_all(struct transfer *transfer)
{
	int err;

	cow_reserve_init(&transfer->reserve, COWVMO_GFP_CALL);
	do {
		err = transfer_batch(transfer);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&transfer->reserve);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (!err && transfer->left);
	cow_reserve_drain(&transfer->reserve);
	return err;
}

/**
 * cow_transfer() - move the content of a range to another place
 * @to: the VMO that gets it
 * @dst: first page there
 * @from: the VMO that has it, maybe the same
 * @src: first page there
 * @nr: number of pages
 * @done: pages that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0; -EINVAL: the ranges overlap; -ERANGE: one is not within its VMO;
 * -EPERM: one is sealed; -EOPNOTSUPP: one is contiguous; -EBUSY: a page is
 * pinned, or one is not CACHED; -ENOMEM, -EINTR, -EIO.
 */
int cow_transfer(struct cowvmo *to, u64 dst, struct cowvmo *from, u64 src,
		 u64 nr, u64 *done)
{
	struct transfer transfer = {
		.from = from,
		.to = to,
		.src = src,
		.dst = dst,
		.left = nr,
	};
	int err;

	*done = 0;
	if (from == to && src == dst) {
		*done = nr;
		return 0;
	}
	if (from == to && src < dst + nr && dst < src + nr)
		return -EINVAL;
	cowvmo_lock_counts(from, to);
	err = transfer_all(&transfer);
	cowvmo_unlock_counts(from, to);
	*done = nr - transfer.left;
	return err;
}
