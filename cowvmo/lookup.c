// SPDX-License-Identifier: GPL-2.0
/*
 * What the pages of a VMO are, for tools.
 *
 * A range is looked at in pieces: as many slots as there is room for in a
 * buffer, and no more than are looked at in a short time, under one hold of the
 * lock. What was found is copied to the user outside of it.
 *
 * Whether a page is shared, the VMO's own tree can tell. How many see it, only
 * all relatives can; the family is held still for that.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "compat.h"
#include "cowvmo.h"

/* Entries per piece, and slots that may be looked at for them. */
#define LOOKUP_BATCH	128U
#define LOOKUP_STEPS	1024U

/**
 * struct lookup - a range being looked at
 * @store: whose content it is
 * @view_first: page of @store that offsets are counted from
 * @flags: of enum cowvmo_lookup_flags
 * @show_pfn: the caller may know where pages are
 * @next: the next page of @store to look at
 * @last: the last one
 * @room: how many entries there may be in @batch
 * @nr: how many there are
 * @batch: what was found
 */
struct lookup {
	struct cowvmo *store;
	u64 view_first;
	u32 flags;
	bool show_pfn;
	u64 next;
	u64 last;
	unsigned int room;
	unsigned int nr;
	struct cowvmo_page_state *batch;
};

/*
 * Everybody else has a reference of his own, as each mapping does. References
 * first, mappings second, as in cowvmo_page_is_held(); one is the descriptor's,
 * one the caller's.
 */
static u32 flags_of_page(struct page *page)
{
	int holders = page_ref_count(page) - 2, mapped;
	u32 flags = 0;

	smp_rmb();	/* in this order, see above */
	mapped = cowvmo_page_mapcount(page);
	if (mapped)
		flags |= COWVMO_PAGE_MAPPED;
	if (holders > mapped)
		flags |= COWVMO_PAGE_HELD;
	return flags;
}

/* The family is held still. */
static u32 count_sharers(struct cowvmo_family *family,
			 const struct ptree_desc *desc)
{
	struct cowvmo *member;
	u32 sharers = 0;

	lockdep_assert_held_write(&family->counts);
	list_for_each_entry(member, &family->members, member)
		sharers += ptree_lookup(&member->tree, desc->index) == desc;
	return sharers;
}

static void add_page(struct lookup *lookup, const struct ptree_slot *slot,
		     struct cowvmo_page_state *state)
{
	struct page *page = cow_hold_page(slot->desc);

	state->kind = COWVMO_KIND_PAGE;
	state->flags = flags_of_page(page);
	if (lookup->show_pfn)
		state->pfn = page_to_pfn(page);
	put_page(page);
	if (slot->alone)
		state->flags |= COWVMO_PAGE_PRIVATE;
	if (slot->marked)
		state->flags |= COWVMO_PAGE_WRITABLE;
	state->pins = cow_pinned_count(lookup->store, lookup->next);
	if (state->pins)
		state->flags |= COWVMO_PAGE_PINNED;
	if (lookup->flags & COWVMO_LOOKUP_SHARERS)
		state->sharers = count_sharers(lookup->store->family,
					       slot->desc);
}

/*
 * One step to a slot that is asked for. False: not there yet, or there is none
 * any more.
 */
static bool find_slot(struct lookup *lookup, struct ptree_slot *slot)
{
	const u32 some = COWVMO_LOOKUP_POPULATED | COWVMO_LOOKUP_PRIVATE;
	const struct ptree *tree = &lookup->store->tree;
	u64 base = lookup->store->base, found;

	if (lookup->flags & some) {
		if (!ptree_next_data(tree, base + lookup->next,
				     base + lookup->last, &found)) {
			lookup->next = lookup->last + 1;
			return false;
		}
		lookup->next = found - base;
	}
	ptree_inspect(tree, base + lookup->next, slot);
	if ((lookup->flags & COWVMO_LOOKUP_PRIVATE) && !slot->alone) {
		lookup->next = slot->last - base + 1;
		return false;
	}
	return true;
}

static void look_locked(struct lookup *lookup)
{
	struct cowvmo_page_state *state;
	struct ptree_slot slot;
	unsigned int step;

	lockdep_assert_held(lookup->store->lock);
	lookup->nr = 0;
	for (step = 0; step < LOOKUP_STEPS; step++) {
		if (lookup->nr == lookup->room || lookup->next > lookup->last)
			break;
		/* Cut off meanwhile: nothing is there any more. */
		if (lookup->next >= lookup->store->nr_pages) {
			lookup->next = lookup->last + 1;
			break;
		}
		if (!find_slot(lookup, &slot))
			continue;
		state = &lookup->batch[lookup->nr++];
		*state = (struct cowvmo_page_state) {
			.offset = (lookup->next - lookup->view_first) <<
				  PAGE_SHIFT,
		};
		if (slot.desc)
			add_page(lookup, &slot, state);
		lookup->next++;
	}
}

static void look(struct lookup *lookup)
{
	struct cowvmo *store = lookup->store;

	if (lookup->flags & COWVMO_LOOKUP_SHARERS) {
		cowvmo_family_freeze(store->family);
		look_locked(lookup);
		cowvmo_family_thaw(store->family);
		return;
	}
	down_read(store->lock);
	look_locked(lookup);
	up_read(store->lock);
}

/* Hands on what was found, and says how far that is. */
static int deliver(const struct lookup *lookup, struct cowvmo_lookup *args)
{
	void __user *to = u64_to_user_ptr(args->pages);
	size_t known = sizeof(*lookup->batch);
	unsigned int i;

	to += (u64)args->out_nr * args->entry_size;
	for (i = 0; i < lookup->nr; i++, to += args->entry_size) {
		if (copy_to_user(to, &lookup->batch[i], known) ||
		    clear_user(to + known, args->entry_size - known))
			return -EFAULT;
	}
	args->out_nr += lookup->nr;
	args->out_next = args->offset + args->length;
	if (lookup->next <= lookup->last)
		args->out_next = (lookup->next - lookup->view_first) <<
				 PAGE_SHIFT;
	return 0;
}

static int look_at_all(struct lookup *lookup, struct cowvmo_lookup *args)
{
	int err = 0;

	while (!err && lookup->next <= lookup->last &&
	       args->out_nr < args->nr_pages) {
		lookup->room = min(args->nr_pages - args->out_nr, LOOKUP_BATCH);
		look(lookup);
		err = deliver(lookup, args);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

static int check_lookup(struct cowvmo *store, u64 offset, u64 length)
{
	u64 size;

	down_read(store->lock);
	size = vmo_size(store);
	up_read(store->lock);
	return offset > size || length > size - offset ? -ERANGE : 0;
}

/**
 * cowvmo_lookup() - tell what the pages of a range are
 * @vmo: the VMO
 * @offset: args->offset as an offset of the store
 * @args: what is asked; receives how far it got
 *
 * Context: may sleep; takes the lock of the store, or all locks of the family.
 * Return: 0, -ERANGE, -ENOMEM, -EFAULT, -EINTR.
 */
int cowvmo_lookup(struct cowvmo *vmo, u64 offset, struct cowvmo_lookup *args)
{
	struct lookup lookup = {
		.store = vmo->store,
		.view_first = vmo->view_first,
		.flags = args->flags,
		.show_pfn = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN),
		.next = offset >> PAGE_SHIFT,
	};
	int err = check_lookup(vmo->store, offset, args->length);

	if (err || !args->length)
		return err;
	lookup.last = (offset + args->length - 1) >> PAGE_SHIFT;
	if (cowvmo_should_fail())
		return -ENOMEM;
	lookup.batch = kmalloc_array(LOOKUP_BATCH, sizeof(*lookup.batch),
				     COWVMO_GFP_CALL);
	if (!lookup.batch)
		return -ENOMEM;
	err = look_at_all(&lookup, args);
	kfree(lookup.batch);
	return err;
}
