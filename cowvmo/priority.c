// SPDX-License-Identifier: GPL-2.0
/*
 * Memory priority: whose memory reclaim is to leave alone.
 *
 * A VMO is of high priority if it was made so, or if any VMO that lives below
 * it is: what a child shows, it may share with its ancestors. Each VMO counts
 * its reasons - itself, and each child that has any - so that a change climbs
 * only as far as it makes a difference. Slices and references have priorities
 * and children like all others, and what they show is their store's memory:
 * each store counts the VMOs with a reason that show it.
 *
 * A VMO that dies takes its own reason along; its children, and their reasons,
 * become its parent's.
 *
 * Locking: family->lock protects all counts. cowvmo_is_high_priority() reads
 * the store's without.
 */
#include "cowvmo.h"

static void add_reason(struct cowvmo *vmo)
{
	for (; vmo && !vmo->reasons++; vmo = vmo->parent)
		WRITE_ONCE(vmo->store->high_views,
			   vmo->store->high_views + 1);
}

static void drop_reason(struct cowvmo *vmo)
{
	for (; vmo && !--vmo->reasons; vmo = vmo->parent)
		WRITE_ONCE(vmo->store->high_views,
			   vmo->store->high_views - 1);
}

/**
 * cowvmo_set_priority() - change the priority of a VMO's memory
 * @vmo: any VMO
 * @high: leave it, and that of all its living ancestors, alone
 *
 * What is borrowed of it is replaced, where nobody holds it.
 *
 * Context: may sleep; takes all locks of the family.
 */
void cowvmo_set_priority(struct cowvmo *vmo, bool high)
{
	mutex_lock(&vmo->family->lock);
	if (vmo->high != high) {
		vmo->high = high;
		if (high)
			add_reason(vmo);
		else
			drop_reason(vmo);
	}
	mutex_unlock(&vmo->family->lock);
	if (high)
		cow_loan_settle_high(vmo->family);
}

/**
 * cowvmo_priority_hide() - a VMO is about to die
 * @vmo: the VMO, still with its parent and its children
 *
 * Context: the caller holds family->lock.
 */
void cowvmo_priority_hide(struct cowvmo *vmo)
{
	struct cowvmo *parent = vmo->parent;

	lockdep_assert_held(&vmo->family->lock);
	if (vmo->high) {
		vmo->high = false;
		drop_reason(vmo);
	}
	if (!vmo->reasons)
		return;
	/* What the parent counted once, it will have as so many children. */
	if (parent)
		parent->reasons += vmo->reasons - 1;
	vmo->reasons = 0;
	WRITE_ONCE(vmo->store->high_views, vmo->store->high_views - 1);
}

/**
 * cowvmo_is_high_priority() - is the memory of a VMO to be left alone?
 * @store: a VMO with content of its own
 *
 * Return: true if a living VMO that shows it, or one below such a VMO, is of
 * high priority. That may change right after.
 */
bool cowvmo_is_high_priority(const struct cowvmo *store)
{
	return READ_ONCE(store->high_views);
}
