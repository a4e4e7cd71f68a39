// SPDX-License-Identifier: GPL-2.0
/*
 * What of a pager's VMO is dirty, and how it becomes clean again.
 *
 * A page is clean, dirty, or being written back; its descriptor says which. So
 * is what reads zero without a page: markers say that. All that is dirty zeros
 * and lies side by side is one interval. Of an interval it is known how much of
 * it, from its beginning, is being written back: a run of markers of that kind
 * is never anywhere else in it.
 *
 * Nothing that is not dirty is mapped writable, so that every write comes by.
 *
 * Locking: all of it is under the root's lock, held for writing where it
 * changes.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "cowvmo.h"
#include "pager.h"

/* Ranges that are copied to the user at once. */
#define QUERY_BATCH	32

static bool is_dirty_zero(unsigned int marker)
{
	return marker == COW_ZERO_DIRTY || marker == COW_ZERO_AWAITING;
}

/**
 * struct zero_run - a run of dirty zeros, or a part of one
 * @first: where it begins
 * @awaiting: the first that is not being written back
 * @last: where it ends
 * @found: there is one
 */
struct zero_run {
	u64 first;
	u64 awaiting;
	u64 last;
	bool found;
};

static bool find_run(u64 first, u64 last, struct ptree_desc *desc,
		     unsigned int marker, void *data)
{
	struct zero_run *run = data;

	if (!is_dirty_zero(marker))
		return !run->found;
	if (!run->found) {
		run->first = first;
		run->awaiting = first;
		run->found = true;
	} else if (first != run->last + 1) {
		return false;
	}
	if (marker == COW_ZERO_AWAITING)
		run->awaiting = last + 1;
	run->last = last;
	return true;
}

/* The first run in [@first, @last], as far as it is in there. */
static bool next_zero_run(const struct cowvmo *root, u64 first, u64 last,
			  struct zero_run *run)
{
	*run = (struct zero_run){};
	ptree_visit(&root->tree, first, last, find_run, run);
	return run->found;
}

/* Where does the interval begin that has @index? */
static u64 interval_first(const struct cowvmo *root, u64 index)
{
	struct ptree_look look;

	while (index) {
		ptree_look(&root->tree, index - 1, &look);
		if (look.desc || !is_dirty_zero(look.marker))
			break;
		index = look.first;
	}
	return index;
}

static bool begins_before(const struct cowvmo *root, u64 index)
{
	return interval_first(root, index) != index;
}

/**
 * cow_fill_dirty() - a range becomes dirty zeros
 * @root: the VMO
 * @first: first index
 * @last: last index
 * @reserve: memory for when none can be had without waiting
 * @dead: receives what was there
 *
 * It becomes one with the intervals next to it, and none of that is being
 * written back any more.
 *
 * Context: the caller holds the root's lock for writing, and has unmapped the
 * range.
 * Return: 0 or -ENOMEM.
 */
int cow_fill_dirty(struct cowvmo *root, u64 first, u64 last,
		   struct cow_reserve *reserve, struct ptree_dead *dead)
{
	struct zero_run run;

	lockdep_assert_held_write(root->lock);
	/* Those that follow on it. */
	if (next_zero_run(root, last + 1, PTREE_MAX_INDEX, &run) &&
	    run.first == last + 1)
		last = run.last;
	return ptree_fill(&root->tree, interval_first(root, first), last,
			  COW_ZERO_DIRTY, &reserve->stash, dead);
}

/*
 * Writing back
 */

/* Who may go on writing to the page without a fault? */
static bool stays_dirty(struct ptree_desc *desc, u64 index, void *data)
{
	struct cowvmo *root = data;
	u64 pgoff = index - root->base;
	bool held;

	held = cow_is_pinned(root, pgoff, pgoff) ||
	       cowvmo_page_is_held(desc->page, 0);
	if (held && !cow_is_pinned(root, pgoff, pgoff) &&
	    cowvmo_page_mapcount(desc->page)) {
		cowvmo_unmap_page(root, pgoff);
		held = cowvmo_page_is_held(desc->page, 0);
	}
	if (held)
		desc->flags |= COW_DESC_HELD;
	return held;
}

static bool begin_page(u64 first, u64 last, struct ptree_desc *desc,
		       unsigned int marker, void *data)
{
	if (!desc)
		return true;
	if (desc->flags & COW_DESC_HELD)
		desc->flags &= ~COW_DESC_HELD;
	else if (cow_desc_state(desc) == COW_DESC_DIRTY)
		cow_desc_set_state(desc, COW_DESC_AWAITING);
	return true;
}

static void begin_pages(struct cowvmo *root, u64 first, u64 last)
{
	cowvmo_write_protect(root, first - root->base, last - root->base);
	smp_mb();	/* protected before holders are counted */
	ptree_clear_marks(&root->tree, first, last, stays_dirty, root, NULL);
	ptree_visit(&root->tree, first, last, begin_page, NULL);
}

/* A range that has not the beginning of an interval leaves that alone. */
static int begin_zeros(struct cowvmo *root, u64 first, u64 last,
		       struct cow_reserve *reserve)
{
	struct ptree_dead dead = {};
	struct zero_run run;
	u64 at = first;
	int err;

	while (at <= last && next_zero_run(root, at, last, &run)) {
		if (run.awaiting <= run.last &&
		    !(run.first == first && begins_before(root, first))) {
			err = ptree_fill(&root->tree, run.first, run.last,
					 COW_ZERO_AWAITING, &reserve->stash,
					 &dead);
			ptree_reap(&dead);
			if (err)
				return err;
		}
		at = run.last + 1;
	}
	return 0;
}

static int begin_locked(struct cowvmo *root, u64 first, u64 last, bool is_zero,
			struct cow_reserve *reserve)
{
	int err = begin_zeros(root, first, last, reserve);

	if (!err && !is_zero)
		begin_pages(root, first, last);
	return err;
}

static int clean_interval(struct cowvmo *root, const struct zero_run *run,
			  struct cow_reserve *reserve, struct ptree_dead *dead)
{
	struct ptree_look look;
	int err;

	cowvmo_unmap(root, run->first - root->base,
		     run->awaiting - 1 - root->base, false);
	err = ptree_erase(&root->tree, run->first, run->awaiting - 1,
			  &reserve->stash, dead);
	if (err)
		return err;
	/* The range may have ended before it. */
	ptree_look(&root->tree, run->awaiting, &look);
	if (look.marker == COW_ZERO_AWAITING)
		return cow_fill_dirty(root, run->awaiting, run->awaiting,
				      reserve, dead);
	return 0;
}

static int end_zeros(struct cowvmo *root, u64 first, u64 last,
		     struct cow_reserve *reserve, struct ptree_dead *dead)
{
	struct zero_run run;
	u64 at = first;
	int err;

	while (at <= last && next_zero_run(root, at, last, &run)) {
		if (run.awaiting > run.first &&
		    !(run.first == first && begins_before(root, first))) {
			err = clean_interval(root, &run, reserve, dead);
			if (err)
				return err;
		}
		at = run.last + 1;
	}
	return 0;
}

static bool end_page(u64 first, u64 last, struct ptree_desc *desc,
		     unsigned int marker, void *data)
{
	if (desc && cow_desc_state(desc) == COW_DESC_AWAITING)
		cow_desc_set_state(desc, COW_DESC_CLEAN);
	return true;
}

static int end_locked(struct cowvmo *root, u64 first, u64 last,
		      struct cow_reserve *reserve, struct ptree_dead *dead)
{
	int err = end_zeros(root, first, last, reserve, dead);

	if (!err)
		ptree_visit(&root->tree, first, last, end_page, NULL);
	return err;
}

enum writeback {
	WRITEBACK_BEGIN,
	WRITEBACK_BEGIN_ZERO,
	WRITEBACK_END,
};

static int writeback(struct cowvmo *root, u64 first, u64 nr,
		     enum writeback step)
{
	u64 index = root->base + first, last = index + nr - 1;
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	int err;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	do {
		down_write(root->lock);
		err = cow_check_range(root, first << PAGE_SHIFT,
				      nr << PAGE_SHIFT);
		if (!err && step == WRITEBACK_END)
			err = end_locked(root, index, last, &reserve, &dead);
		else if (!err)
			err = begin_locked(root, index, last,
					   step == WRITEBACK_BEGIN_ZERO,
					   &reserve);
		up_write(root->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		else
			break;
	} while (!err);
	ptree_reap(&dead);
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_writeback_begin() - the pager writes a range back
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 * @is_zero: only zeros that hold no memory
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -ENOMEM, -EINTR.
 */
int cow_writeback_begin(struct cowvmo *root, u64 first, u64 nr, bool is_zero)
{
	return writeback(root, first, nr,
			 is_zero ? WRITEBACK_BEGIN_ZERO : WRITEBACK_BEGIN);
}

/**
 * cow_writeback_end() - the pager has written a range back
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -ENOMEM, -EINTR.
 */
int cow_writeback_end(struct cowvmo *root, u64 first, u64 nr)
{
	return writeback(root, first, nr, WRITEBACK_END);
}

/*
 * Becoming dirty, with the pager's permission
 */

static bool stop_at_data(u64 first, u64 last, struct ptree_desc *desc,
			 unsigned int marker, void *data)
{
	u64 *next = data;

	if (first != *next)
		return false;
	*next = last + 1;
	return true;
}

static bool has_gap(const struct cowvmo *root, u64 first, u64 last)
{
	u64 next = first;

	return !ptree_visit(&root->tree, first, last, stop_at_data, &next) ||
	       next <= last;
}

static int dirty_page(struct cowvmo *root, u64 index,
		      struct cow_reserve *reserve)
{
	struct ptree_look look;
	int err;

	ptree_look(&root->tree, index, &look);
	if (look.desc && cow_desc_state(look.desc) == COW_DESC_DIRTY)
		return 0;
	err = cow_keep_for_snapshots(root, index, index, reserve);
	if (err)
		return err;
	if (look.desc) {
		cow_desc_set_state(look.desc, COW_DESC_DIRTY);
		return 0;
	}
	return cow_make_dirty(root, index - root->base, reserve);
}

static int dirty_locked(struct cowvmo *root, u64 first, u64 last, u64 *at,
			struct cow_reserve *reserve)
{
	struct cow_source *source = root->source;
	unsigned int batch = COW_BATCH;
	int err = 0;

	if (source->detached)
		return -EPIPE;
	if (last >= root->nr_pages) {
		cow_requests_answer(source, COWVMO_PAGER_DIRTY_ASKED, first,
				    last);
		return -ERANGE;
	}
	if (has_gap(root, *at, last)) {
		cow_requests_answer(source, COWVMO_PAGER_DIRTY_ASKED, first,
				    last);
		return -ENOENT;
	}
	while (!err && *at <= last && batch--) {
		err = dirty_page(root, *at, reserve);
		if (!err)
			++*at;
	}
	if (*at > first)
		cow_requests_answer(source, COWVMO_PAGER_DIRTY_ASKED, first,
				    *at - 1);
	return err;
}

/**
 * cow_dirty_pages() - let those write who wait for it
 * @root: the VMO
 * @first: first page
 * @nr: number of pages
 * @done: pages that are done, also after an error
 *
 * Context: may sleep.
 * Return: 0; -EOPNOTSUPP: nobody asks; -EPIPE; -ERANGE; -ENOENT: something is
 * absent; -ENOMEM, -EINTR.
 */
int cow_dirty_pages(struct cowvmo *root, u64 first, u64 nr, u64 *done)
{
	u64 at = first, last = first + nr - 1;
	struct cow_reserve reserve;
	int err = 0;

	if (!root->source->trap_dirty)
		return -EOPNOTSUPP;
	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	while (!err && at <= last) {
		down_write(root->lock);
		err = dirty_locked(root, first, last, &at, &reserve);
		up_write(root->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		if (!err && at <= last && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	cow_reserve_drain(&reserve);
	*done = at - first;
	return err;
}

/*
 * Telling what is dirty
 */

/**
 * struct dirty_query - ranges that have been found
 * @room: how many may be found until the walk stops
 * @nr: how many there are, of which the last may go on
 * @ranges: the first of them
 */
struct dirty_query {
	u64 room;
	u64 nr;
	struct cowvmo_dirty_range ranges[QUERY_BATCH];
};

/* Where they are only counted, the last place is used over again. */
static struct cowvmo_dirty_range *last_range(struct dirty_query *query)
{
	return &query->ranges[min_t(u64, query->nr, QUERY_BATCH) - 1];
}

static bool add_dirty(u64 first, u64 last, struct ptree_desc *desc,
		      unsigned int marker, void *data)
{
	struct dirty_query *query = data;
	struct cowvmo_dirty_range *range;
	u64 offset = first << PAGE_SHIFT;
	u32 flags = 0;

	if (!desc) {
		if (!is_dirty_zero(marker))
			return true;
		flags = COWVMO_DIRTY_IS_ZERO;
	}
	range = query->nr ? last_range(query) : NULL;
	if (!range || range->flags != flags ||
	    range->offset + range->length != offset) {
		if (query->nr == query->room)
			return false;
		query->nr++;
		range = last_range(query);
		*range = (struct cowvmo_dirty_range) {
			.offset = offset,
			.flags = flags,
		};
	}
	range->length += (last - first + 1) << PAGE_SHIFT;
	return true;
}

static int query_batch(struct cowvmo *root, u64 *at, u64 last,
		       struct dirty_query *query)
{
	struct cowvmo_dirty_range *range;
	int err = 0;

	query->nr = 0;
	down_read(root->lock);
	if (last >= root->nr_pages)
		err = -ERANGE;
	else if (ptree_visit_flagged(&root->tree, *at, last,
				     COW_DESC_CHANGED, add_dirty, query))
		*at = last + 1;
	up_read(root->lock);
	if (err || *at > last)
		return err;
	range = last_range(query);
	*at = (range->offset + range->length) >> PAGE_SHIFT;
	return 0;
}

static int query_ranges(struct cowvmo *root, u64 *at, u64 last,
			struct cowvmo_pager_query_dirty *args)
{
	struct cowvmo_dirty_range __user *to = u64_to_user_ptr(args->ranges);
	struct dirty_query query;
	int err;

	while (*at <= last && args->out_nr < args->room) {
		query.room = min(args->room - args->out_nr, QUERY_BATCH);
		err = query_batch(root, at, last, &query);
		if (err)
			return err;
		if (copy_to_user(to + args->out_nr, query.ranges,
				 query.nr * sizeof(*to)))
			return -EFAULT;
		args->out_nr += query.nr;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * cow_query_dirty() - tell what of a range is dirty
 * @root: the VMO
 * @args: validated; receives the answer
 *
 * Context: may sleep.
 * Return: 0, -ERANGE, -EFAULT, -EINTR.
 */
int cow_query_dirty(struct cowvmo *root, struct cowvmo_pager_query_dirty *args)
{
	u64 at = args->offset >> PAGE_SHIFT;
	u64 last = at + (args->length >> PAGE_SHIFT) - 1;
	struct dirty_query query = { .room = U64_MAX };
	int err;

	down_read(root->lock);
	err = cow_check_range(root, args->offset, args->length);
	up_read(root->lock);
	if (err || !args->length)
		return err;
	err = query_ranges(root, &at, last, args);
	if (err || !(args->flags & COWVMO_QUERY_DIRTY_COUNT))
		return err;
	if (at <= last)
		err = query_batch(root, &at, last, &query);
	args->out_available = args->out_nr + query.nr;
	return err;
}
