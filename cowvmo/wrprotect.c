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
#include "pte.h"

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
 * struct wp_table - the page table at hand, locked
 * @start: first address that it maps
 * @end: end of them; @start when there is no table at hand
 * @ptes: its first entry, or NULL where the process has no such table
 * @ptl: its lock, held if @ptes
 */
struct wp_table {
	unsigned long start;
	unsigned long end;
	pte_t *ptes;
	spinlock_t *ptl;		/* not ours */
};

/**
 * struct wp_pass - one pass over the marked pages of a VMO
 * @vmo: the VMO
 * @mms: mms in which a flush is owed; each pinned and announced
 * @pgoffs: for each of them, a page that one of its VMAs maps
 * @nr_mms: length of both
 * @vma: the VMA at hand
 * @table: the page table at hand
 * @announced: the mm at hand is among @mms
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
	struct wp_table table;
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

static void wp_table_leave(struct wp_table *table)
{
	if (table->ptes)
		cowvmo_pte_unlock(table->ptl);
	table->start = 0;
	table->end = 0;
	table->ptes = NULL;
}

static pmd_t *wp_find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	return pmd_offset(pud, addr);
}

static void wp_table_enter(struct wp_table *table, struct mm_struct *mm,
			   unsigned long addr)
{
	pmd_t *pmd = wp_find_pmd(mm, addr);

	wp_table_leave(table);
	cond_resched();
	table->start = addr & PMD_MASK;
	table->end = table->start + PMD_SIZE;
	if (pmd)
		table->ptes = cowvmo_pte_lock(mm, pmd, table->start,
					      &table->ptl);
}

static void wp_pte(struct wp_pass *pass, unsigned long addr, pte_t *ptep)
{
	struct mm_struct *mm = pass->vma->vm_mm;
	pte_t pte = ptep_get(ptep);

	if (!pte_present(pte))
		return;
	/* Whoever owes a flush for this PTE has said so before it let go. */
	if (unlikely(!pass->announced) &&
	    (pte_write(pte) || mm_tlb_flush_pending(mm))) {
		pass->unfinished = true;
		return;
	}
	if (!pte_write(pte) && !pte_dirty(pte))
		return;
	pte = ptep_get_and_clear(mm, addr, ptep);
	set_pte_at(mm, addr, ptep, pte_mkclean(pte_wrprotect(pte)));
}

/* A run of marked pages that the VMA at hand maps. */
static void wp_run(u64 first, u64 last, void *data)
{
	struct wp_pass *pass = data;
	struct vm_area_struct *vma = pass->vma;
	struct wp_table *table = &pass->table;
	u64 pgoff = first - pass->vmo->base;
	unsigned long addr = vma->vm_start +
			     ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
	unsigned long end = addr + ((last - first + 1) << PAGE_SHIFT);

	for (; addr < end; addr += PAGE_SIZE) {
		if (addr < table->start || addr >= table->end)
			wp_table_enter(table, vma->vm_mm, addr);
		if (table->ptes)
			wp_pte(pass, addr, table->ptes + pte_index(addr));
	}
}

static void wp_vma(struct wp_pass *pass, struct vm_area_struct *vma,
		   u64 first, u64 last)
{
	struct cowvmo *vmo = pass->vmo;

	first = max_t(u64, first, wp_vma_start(vma));
	last = min_t(u64, last, wp_vma_last(vma));

	pass->vma = vma;
	pass->announced = wp_announce(pass, vma->vm_mm, first);
	ptree_visit_marked_runs(&vmo->tree, vmo->base + first,
				vmo->base + last, wp_run, pass);
	wp_table_leave(&pass->table);
	if (mm_has_notifiers(vma->vm_mm))
		pass->notify = true;
}

static void wp_run_kernel_walk(u64 first, u64 last, void *data)
{
	struct cowvmo *vmo = data;

	wp_shared_mapping_range(vmo->inode.i_mapping, first - vmo->base,
				last - first + 1);
}

static void wp_unmap_run(u64 first, u64 last, void *data)
{
	struct cowvmo *vmo = data;

	cowvmo_unmap(vmo, first - vmo->base, last - vmo->base, false);
}

/*
 * Settles the announced flushes. If somebody else's is still pending then, it
 * may be a munmap() that took the VMA away before we could zap its page: it
 * has not flushed, and will flush no more than its own range. Then everything
 * is unmapped; what munmap() itself took is held until it has flushed.
 */
static void wp_flush(struct wp_pass *pass, u64 first, u64 last)
{
	struct cowvmo *vmo = pass->vmo;
	bool nested = false;
	unsigned int i;

	for (i = 0; i < pass->nr_mms; i++)
		unmap_mapping_pages(vmo->inode.i_mapping, pass->pgoffs[i], 1,
				    false);
	for (i = 0; i < pass->nr_mms; i++)
		nested |= mm_tlb_flush_nested(pass->mms[i]);
	if (nested)
		ptree_visit_marked_runs(&vmo->tree, vmo->base + first,
					vmo->base + last, wp_unmap_run, vmo);
	for (i = 0; i < pass->nr_mms; i++) {
		dec_tlb_flush_pending(pass->mms[i]);
		mmdrop(pass->mms[i]);
	}
}

/* Returns true when no writable PTE is left. */
static bool wp_one_pass(struct cowvmo *vmo, u64 first, u64 last)
{
	struct address_space *mapping = vmo->inode.i_mapping;
	struct vm_area_struct *vma;
	struct wp_pass pass;

	pass.vmo = vmo;
	pass.nr_mms = 0;
	pass.table.ptes = NULL;
	pass.unfinished = false;
	pass.notify = false;
	wp_table_leave(&pass.table);

	i_mmap_lock_read(mapping);
	for (vma = wp_vma_tree_iter_first(&mapping->i_mmap, first, last); vma;
	     vma = wp_vma_tree_iter_next(vma, first, last))
		wp_vma(&pass, vma, first, last);
	i_mmap_unlock_read(mapping);
	if (pass.notify || pass.unfinished)
		ptree_visit_marked_runs(&vmo->tree, vmo->base + first,
					vmo->base + last,
					wp_run_kernel_walk, vmo);
	wp_flush(&pass, first, last);
	smp_mb();	/* the changes are seen before holders are counted */
	return !pass.unfinished;
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

	lockdep_assert_held_write(vmo->lock);
	if (!mapping_mapped(vmo->inode.i_mapping))
		return;
	while (!wp_one_pass(vmo, first, last)) {
		if (++passes < WP_MAX_PASSES)
			continue;
		ptree_visit_marked_runs(&vmo->tree, vmo->base + first,
					vmo->base + last, wp_unmap_run, vmo);
		return;
	}
}
