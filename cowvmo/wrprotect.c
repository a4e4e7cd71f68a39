// SPDX-License-Identifier: GPL-2.0
/*
 * Write-protecting what was made writable since the last time.
 *
 * Afterwards no PTE of the range is writable, and none is read-only but
 * dirty: mprotect() would make such a PTE writable without asking. Nothing
 * exported does both, so a pass of our own over the mappings clears the two
 * bits together, while the kernel is made to flush:
 *
 * - Each mm whose PTEs change is announced with inc_tlb_flush_pending()
 *   before they do. Whoever finishes a gather in that mm meanwhile finds two
 *   flushes nested and flushes the whole mm. After the pass we zap one page
 *   in each such mm, and thus have the core finish a gather.
 * - The announcement also covers a flush that somebody else, say mprotect(),
 *   still owes for PTEs that we find read-only already.
 * - An mm with MMU notifiers (KVM) gets the kernel's own write-protecting
 *   walk too: that calls them.
 * - More mms than fit on the stack are left to that walk, and the pass is
 *   repeated: what it then finds read-only and dirty needs no flush. Where
 *   that does not settle, the range is unmapped.
 *
 * Only the mappings in the inode's own address space can have writable PTEs;
 * that there is no other kind among them matters: the kernel's walk stops at
 * the first one.
 *
 * Why no PTE escapes: fork and mremap add the new VMA to the tree after the
 * old one and copy PTEs under both page table locks, so that a walk in tree
 * order sees them in the old place or in the new one. A VMA that munmap()
 * takes away between our pass and our zap may still be in a TLB; until
 * munmap() has flushed, it holds a reference to each of its pages, and the
 * caller, who tests for holders after this, treats them as held.
 *
 * Locking: the VMO's lock is held for writing, so no PTE is installed or made
 * writable by us. i_mmap_rwsem is taken inside.
 */
#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "cowvmo.h"

#define WP_MAX_MMS	16
#define WP_MAX_PASSES	4

static inline unsigned long wp_vma_start(struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

static inline unsigned long wp_vma_last(struct vm_area_struct *vma)
{
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

INTERVAL_TREE_DEFINE(struct vm_area_struct, shared.rb, unsigned long,
		     shared.rb_subtree_last, wp_vma_start, wp_vma_last,
		     static __maybe_unused, wp_vma_tree)

/**
 * struct wp_pass - one pass over the marked pages of a VMO
 * @vmo: the VMO
 * @mms: mms in which a flush is owed; each pinned and announced
 * @pgoffs: for each of them, a page that one of its VMAs maps
 * @nr_mms: length of both
 * @vma: the VMA at hand
 * @announced: its mm is among @mms
 * @unfinished: a writable PTE was left, or may be in a TLB, in an mm that did
 *	not fit
 * @notify: an mm has MMU notifiers
 */
struct wp_pass {
	struct cowvmo *vmo;
	struct mm_struct *mms[WP_MAX_MMS];
	u64 pgoffs[WP_MAX_MMS];
	unsigned int nr_mms;
	struct vm_area_struct *vma;
	bool announced;
	bool unfinished;
	bool notify;
};

/* Returns false when there is no room for one more. */
static bool wp_announce(struct wp_pass *pass, struct mm_struct *mm, u64 pgoff)
{
	unsigned int i;

	for (i = 0; i < pass->nr_mms; i++) {
		if (pass->mms[i] == mm)
			return true;
	}
	if (pass->nr_mms == WP_MAX_MMS)
		return false;
	mmgrab(mm);
	inc_tlb_flush_pending(mm);
	pass->mms[pass->nr_mms] = mm;
	pass->pgoffs[pass->nr_mms++] = pgoff;
	return true;
}

static int wp_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct wp_pass *pass = data;
	struct mm_struct *mm = pass->vma->vm_mm;
	pte_t pte = ptep_get(ptep);

	if (!pte_present(pte) || !(pte_write(pte) || pte_dirty(pte)))
		return 0;
	if (pte_write(pte) && !pass->announced) {
		pass->unfinished = true;
		return 0;
	}
	pte = ptep_get_and_clear(mm, addr, ptep);
	set_pte_at(mm, addr, ptep, pte_mkclean(pte_wrprotect(pte)));
	return 0;
}

static void wp_vma_run(struct wp_pass *pass, struct vm_area_struct *vma,
		       u64 first, u64 last)
{
	unsigned long start;

	first = max_t(u64, first, wp_vma_start(vma));
	last = min_t(u64, last, wp_vma_last(vma));
	start = vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT);

	pass->vma = vma;
	pass->announced = wp_announce(pass, vma->vm_mm, first);
	if (!pass->announced && mm_tlb_flush_pending(vma->vm_mm))
		pass->unfinished = true;
	apply_to_existing_page_range(vma->vm_mm, start,
				     (last - first + 1) << PAGE_SHIFT,
				     wp_pte, pass);
	if (mm_has_notifiers(vma->vm_mm))
		pass->notify = true;
}

static void wp_run(u64 first, u64 last, void *data)
{
	struct wp_pass *pass = data;
	struct rb_root_cached *root = &pass->vmo->inode.i_mapping->i_mmap;
	struct vm_area_struct *vma;

	first -= pass->vmo->base;
	last -= pass->vmo->base;
	for (vma = wp_vma_tree_iter_first(root, first, last); vma;
	     vma = wp_vma_tree_iter_next(vma, first, last))
		wp_vma_run(pass, vma, first, last);
}

static void wp_run_kernel_walk(u64 first, u64 last, void *data)
{
	struct cowvmo *vmo = data;

	wp_shared_mapping_range(vmo->inode.i_mapping, first - vmo->base,
				last - first + 1);
}

/* Settles the announced flushes. */
static void wp_flush(struct wp_pass *pass)
{
	struct address_space *mapping = pass->vmo->inode.i_mapping;
	unsigned int i;

	for (i = 0; i < pass->nr_mms; i++)
		unmap_mapping_pages(mapping, pass->pgoffs[i], 1, false);
	for (i = 0; i < pass->nr_mms; i++) {
		dec_tlb_flush_pending(pass->mms[i]);
		mmdrop(pass->mms[i]);
	}
}

/* Returns true when no writable PTE is left. */
static bool wp_one_pass(struct cowvmo *vmo, u64 first, u64 last)
{
	struct address_space *mapping = vmo->inode.i_mapping;
	struct wp_pass pass;

	pass.vmo = vmo;
	pass.nr_mms = 0;
	pass.unfinished = false;
	pass.notify = false;

	i_mmap_lock_read(mapping);
	ptree_for_each_marked_run(&vmo->tree, first, last, wp_run, &pass);
	i_mmap_unlock_read(mapping);
	if (pass.notify || pass.unfinished)
		ptree_for_each_marked_run(&vmo->tree, first, last,
					  wp_run_kernel_walk, vmo);
	wp_flush(&pass);
	return !pass.unfinished;
}

static void wp_unmap_run(u64 first, u64 last, void *data)
{
	struct cowvmo *vmo = data;

	cowvmo_unmap(vmo, first - vmo->base, last - vmo->base, false);
}

/**
 * cowvmo_write_protect() - take write access away from all marked pages
 * @vmo: the VMO
 * @first: first page
 * @last: last page
 *
 * The marks stay; the caller clears them once it knows who else holds the
 * pages.
 *
 * Context: may sleep; the caller holds vmo->lock for writing.
 */
void cowvmo_write_protect(struct cowvmo *vmo, u64 first, u64 last)
{
	unsigned int passes = 0;

	lockdep_assert_held_write(&vmo->lock);
	first += vmo->base;
	last += vmo->base;
	while (!wp_one_pass(vmo, first, last)) {
		if (++passes < WP_MAX_PASSES)
			continue;
		ptree_for_each_marked_run(&vmo->tree, first, last,
					  wp_unmap_run, vmo);
		return;
	}
}
