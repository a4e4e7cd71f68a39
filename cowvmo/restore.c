// SPDX-License-Identifier: GPL-2.0
/*
 * Restoring: a VMO becomes what a relative is.
 *
 * It is a snapshot of the relative, put into the VMO's place. Only where the
 * two differ are PTEs removed; a process that maps the VMO keeps all others,
 * and with them what it has faulted in. So a restore costs what has been
 * changed since the snapshot, by either, and not the size.
 *
 * Every page that was written since the tree was last shared is on a path of
 * the VMO's own, thus differs. That is where all marks are, so that no
 * writable PTE is left.
 *
 * Who resets often to the same thing would rather not fault in, copy and free
 * the same pages each time. On request, content is copied into the pages that
 * the VMO has of its own instead: nothing is unmapped, nothing allocated. Since
 * nobody is kept from writing meanwhile, that is for callers who know that
 * nobody does. Where it does not work out, all is restored as always.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"

/* Removes the PTEs of all that is about to change. */
static void unmap_difference(struct cowvmo *vmo, const struct cow_share *share)
{
	u64 kept = min(vmo->nr_pages, share->nr_pages);

	lockdep_assert_held_write(vmo->lock);
	if (!cowvmo_is_mapped(vmo))
		return;
	if (kept)
		ptree_diff(&vmo->tree, &share->tree, vmo->base,
			   vmo->base + kept - 1, cowvmo_unmap_run, vmo);
	if (kept < vmo->nr_pages)
		cowvmo_unmap(vmo, kept, vmo->nr_pages - 1, true);
}

/**
 * struct overwriting - what overwrite_run() needs
 * @vmo: the VMO that is restored
 * @share: what to
 */
struct overwriting {
	struct cowvmo *vmo;
	const struct cow_share *share;
};

static bool overwrite_run(u64 first, u64 last, void *data)
{
	const struct overwriting *to = data;
	const struct ptree_desc *source;
	u64 index;

	for (index = first; index <= last; index++) {
		source = ptree_lookup(&to->share->tree, index);
		/* Restoring all is quick. */
		if (fatal_signal_pending(current) ||
		    !cow_overwrite_page(to->vmo, index - to->vmo->base, source))
			return false;
		cond_resched();
	}
	return true;
}

/* Returns false when there is more to restore, which it does not tell apart. */
static bool overwrite_difference(struct cowvmo *vmo,
				 const struct cow_share *share)
{
	struct overwriting to = { .vmo = vmo, .share = share };

	lockdep_assert_held_write(vmo->lock);
	if (share->nr_pages != vmo->nr_pages)
		return false;
	return !vmo->nr_pages ||
	       ptree_diff(&vmo->tree, &share->tree, vmo->base,
			  vmo->base + vmo->nr_pages - 1, overwrite_run, &to);
}

/* Puts the shared tree in the place of the VMO's own. */
static void replace_tree(struct cowvmo *vmo, struct cow_share *share,
			 struct ptree_dead *dead)
{
	lockdep_assert_held_write(vmo->lock);
	unmap_difference(vmo, share);
	ptree_clear(&vmo->tree, dead);
	vmo->tree = share->tree;
	vmo->nr_pages = share->nr_pages;
	vmo->shared_once = true;
	share->tree = (struct ptree){};
}

static int restore_locked(struct cowvmo *vmo, struct cow_share *share,
			  unsigned int how, struct ptree_dead *dead)
{
	lockdep_assert_held_write(vmo->lock);
	if (vmo->sealed)
		return -EPERM;
	if (share->nr_pages != vmo->nr_pages && !(how & COW_RESTORE_RESIZE))
		return -EINVAL;
	if (cow_has_pins(vmo))
		return -EBUSY;
	if (!(how & COW_RESTORE_KEEP) || !overwrite_difference(vmo, share))
		replace_tree(vmo, share, dead);
	cow_set_end(vmo, share->stream_size);
	return 0;
}

static int restore_from(struct cowvmo *vmo, struct cowvmo *source,
			unsigned int how)
{
	struct ptree_dead dead = {};
	struct cow_share share = {};
	int err;

	err = cow_share(source, 0, U64_MAX >> PAGE_SHIFT, &share);
	if (err)
		return err;
	down_write(vmo->lock);
	err = restore_locked(vmo, &share, how, &dead);
	up_write(vmo->lock);
	ptree_clear(&share.tree, &dead);
	ptree_reap(&dead);
	return err;
}

/**
 * cow_restore() - give a VMO the content, size and stream size of a relative
 * @vmo: the VMO
 * @source: a relative that begins at the same place in their family's content
 * @how: of COW_RESTORE_*
 *
 * Context: may sleep; the caller holds the lock of the inode of @vmo.
 * Return: 0; -EINVAL: not such a relative, or of another size; -EPERM: @vmo is
 * sealed; -EBUSY: one has pinned pages; -ENOMEM, -EINTR.
 */
int cow_restore(struct cowvmo *vmo, struct cowvmo *source, unsigned int how)
{
	int err;

	if (vmo->family != source->family || vmo->base != source->base)
		return -EINVAL;
	if (vmo == source)
		return 0;
	/* Until it is in its place, nobody accounts for what is shared. */
	down_read(&vmo->family->counts);
	err = restore_from(vmo, source, how);
	up_read(&vmo->family->counts);
	if (!err)
		cow_loan_settle_range(vmo, 0, PTREE_MAX_INDEX);
	return err;
}
