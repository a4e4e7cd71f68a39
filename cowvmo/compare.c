// SPDX-License-Identifier: GPL-2.0
/*
 * Comparing: where two relatives do not share what they show.
 *
 * The trees are followed down together, and left where they meet in the same
 * node. Ranges are collected under the locks of both, and written to user
 * memory after; a call that has no room for more tells where to go on.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cowvmo.h"

/* Ranges per call: what is collected must fit into kernel memory first. */
#define COMPARE_MAX	4096U

/**
 * struct compare - ranges being collected
 * @ranges: the ranges, in bytes of the VMO that was asked
 * @room: length of @ranges
 * @nr: how many there are
 * @base: tree index of byte 0
 * @next: first byte that has not been looked at, if there was no room for more
 * @full: there was not
 */
struct compare {
	struct cowvmo_range *ranges;
	u32 room;
	u32 nr;
	u64 base;
	u64 next;
	bool full;
};

static bool collect(u64 first, u64 last, void *data)
{
	struct compare *cmp = data;
	struct cowvmo_range *range;

	if (cmp->nr == cmp->room) {
		cmp->next = (first - cmp->base) << PAGE_SHIFT;
		cmp->full = true;
		return false;
	}
	range = &cmp->ranges[cmp->nr++];
	range->offset = (first - cmp->base) << PAGE_SHIFT;
	range->length = (last - first + 1) << PAGE_SHIFT;
	return true;
}

/* The range of the VMO as it is in the tree; -ERANGE if it is not. */
static int compare_locked(struct cowvmo *vmo, struct cowvmo *other,
			  const struct cowvmo_compare *args,
			  struct compare *cmp)
{
	struct cowvmo *store = vmo->store;
	u64 size = vmo_size(vmo_sized(vmo));
	u64 first, last;

	lockdep_assert_held(store->lock);
	lockdep_assert_held(other->lock);
	if (args->offset > size || args->length > size - args->offset)
		return -ERANGE;
	if (!args->length)
		return 0;
	cmp->base = store->base + vmo->view_first;
	first = cmp->base + (args->offset >> PAGE_SHIFT);
	last = cmp->base + ((args->offset + args->length - 1) >> PAGE_SHIFT);
	ptree_diff(&store->tree, &other->tree, first, last, collect, cmp);
	return 0;
}

static int compare_pair(struct cowvmo *vmo, struct cowvmo *other,
			const struct cowvmo_compare *args,
			struct compare *cmp)
{
	int err;

	cowvmo_lock_counts(vmo->store, other);
	cowvmo_lock_pair_shared(vmo->store, other);
	err = compare_locked(vmo, other, args, cmp);
	cowvmo_unlock_pair_shared(vmo->store, other);
	cowvmo_unlock_counts(vmo->store, other);
	return err;
}

static int compare_report(struct cowvmo_compare *args,
			  const struct compare *cmp)
{
	args->out_nr = cmp->nr;
	args->out_next = cmp->full ? cmp->next : args->offset + args->length;
	if (copy_to_user(u64_to_user_ptr(args->ranges), cmp->ranges,
			 cmp->nr * sizeof(*cmp->ranges)))
		return -EFAULT;
	return 0;
}

/**
 * cowvmo_compare() - what COWVMO_IOC_COMPARE does
 * @vmo: any VMO
 * @other: a store of the same family
 * @args: in and out; flags are valid
 *
 * Context: may sleep; takes the locks of both.
 * Return: 0; -EINVAL: no relatives; -ERANGE, -EFAULT, -ENOMEM.
 */
int cowvmo_compare(struct cowvmo *vmo, struct cowvmo *other,
		   struct cowvmo_compare *args)
{
	struct compare cmp = { .room = min(args->nr_ranges, COMPARE_MAX) };
	int err;

	if (vmo->family != other->family)
		return -EINVAL;
	if (cowvmo_should_fail())
		return -ENOMEM;
	cmp.ranges = kvmalloc_array(max(cmp.room, 1U), sizeof(*cmp.ranges),
				    COWVMO_GFP_CALL);
	if (!cmp.ranges)
		return -ENOMEM;
	err = compare_pair(vmo, other, args, &cmp);
	if (!err)
		err = compare_report(args, &cmp);
	kvfree(cmp.ranges);
	return err;
}
