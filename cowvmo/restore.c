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
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "cowvmo.h"

static bool unmap_run(u64 first, u64 last, void *data)
{
	struct cowvmo *vmo = data;

	cowvmo_unmap(vmo, first - vmo->base, last - vmo->base, false);
	return true;
}

/* Removes the PTEs of all that is about to change. */
static void unmap_difference(struct cowvmo *vmo, const struct cow_share *share)
{
	u64 kept = min(vmo->nr_pages, share->nr_pages);

	lockdep_assert_held_write(&vmo->lock);
	if (!cowvmo_is_mapped(vmo))
		return;
	if (kept)
		ptree_diff(&vmo->tree, &share->tree, vmo->base,
			   vmo->base + kept - 1, unmap_run, vmo);
	if (kept < vmo->nr_pages)
		cowvmo_unmap(vmo, kept, vmo->nr_pages - 1, true);
}

static int restore_locked(struct cowvmo *vmo, struct cow_share *share,
			  bool may_resize, struct ptree_dead *dead)
{
	lockdep_assert_held_write(&vmo->lock);
	if (vmo->sealed)
		return -EPERM;
	if (share->nr_pages != vmo->nr_pages && !may_resize)
		return -EINVAL;
	if (cow_has_pins(vmo))
		return -EBUSY;
	unmap_difference(vmo, share);
	ptree_clear(&vmo->tree, dead);
	vmo->tree = share->tree;
	vmo->nr_pages = share->nr_pages;
	vmo->shared_once = true;
	share->tree = (struct ptree){};
	cow_set_end(vmo, share->stream_size);
	return 0;
}

static int restore_from(struct cowvmo *vmo, struct cowvmo *source,
			bool may_resize)
{
	struct ptree_dead dead = {};
	struct cow_share share = {};
	int err;

	err = cow_share(source, 0, U64_MAX >> PAGE_SHIFT, &share);
	if (err)
		return err;
	down_write(&vmo->lock);
	err = restore_locked(vmo, &share, may_resize, &dead);
	up_write(&vmo->lock);
	ptree_clear(&share.tree, &dead);
	ptree_reap(&dead);
	return err;
}

/**
 * cow_restore() - give a VMO the content, size and stream size of a relative
 * @vmo: the VMO
 * @source: a relative that begins at the same place in their family's content
 * @may_resize: whether the size may change
 *
 * Context: may sleep; the caller holds the lock of the inode of @vmo.
 * Return: 0; -EINVAL: not such a relative, or of another size; -EPERM: @vmo is
 * sealed; -EBUSY: one has pinned pages; -ENOMEM, -EINTR.
 */
int cow_restore(struct cowvmo *vmo, struct cowvmo *source, bool may_resize)
{
	int err;

	if (vmo->family != source->family || vmo->base != source->base)
		return -EINVAL;
	if (vmo == source)
		return 0;
	/* Until it is in its place, nobody accounts for what is shared. */
	down_read(&vmo->family->counts);
	err = restore_from(vmo, source, may_resize);
	up_read(&vmo->family->counts);
	return err;
}
