// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: what a change of content does to the PTEs that exist already.
 *
 * They are removed, or the one that a fault is about becomes writable. This
 * room knows page tables, and of content only what it is told.
 *
 * Locking: vmo->lock is held for writing, unless said otherwise; page table
 * locks are taken inside.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "compat.h"
#include "cowvmo.h"
#include "pager.h"
#include "pte.h"

static void unmap_own(struct cowvmo *vmo, u64 first, u64 last, bool even_cows)
{
	u64 nr = last - first + 1;

	unmap_mapping_pages(vmo->inode.i_mapping, first, nr, even_cows);
	if (vmo->ro_mapping)
		unmap_mapping_pages(vmo->ro_mapping, first, nr, even_cows);

	if (first <= vmo->zero_first && last >= vmo->zero_last) {
		vmo->zero_first = U64_MAX;
		vmo->zero_last = 0;
	}
}

/* Where the content may show through: in all that are, rather than ask each. */
static void unmap_below(struct cowvmo *vmo, u64 first, u64 last)
{
	struct cowvmo *member;

	list_for_each_entry(member, &vmo->source->members, source_link) {
		if (member != vmo && last >= member->base)
			unmap_own(member, max(first, member->base) -
					  member->base,
				  last - member->base, false);
	}
}

/**
 * cowvmo_unmap() - remove all PTEs of a range of pages
 * @vmo: the VMO
 * @first: first page
 * @last: last page
 * @even_cows: private copies too, as truncation does
 *
 * Also where they show through in other VMOs; private copies there stay.
 *
 * Context: the caller holds vmo->lock for writing.
 */
void cowvmo_unmap(struct cowvmo *vmo, u64 first, u64 last, bool even_cows)
{
	lockdep_assert_held_write(vmo->lock);
	unmap_own(vmo, first, last, even_cows);
	if (vmo->nr_below)
		unmap_below(vmo, vmo->base + first, vmo->base + last);
}

/**
 * cowvmo_unmap_run() - remove all PTEs of a run of slots, private copies not
 * @first: index of the first slot in the tree
 * @last: index of the last slot
 * @vmo: the VMO; for ptree_diff()
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: true.
 */
bool cowvmo_unmap_run(u64 first, u64 last, void *vmo)
{
	u64 base = ((struct cowvmo *)vmo)->base;

	cowvmo_unmap(vmo, first - base, last - base, false);
	return true;
}

/**
 * cowvmo_is_mapped() - has the VMO any mapping?
 * @vmo: the VMO
 *
 * Context: the caller holds vmo->lock for writing, so that a mapping that comes
 * now maps nothing yet.
 */
bool cowvmo_is_mapped(struct cowvmo *vmo)
{
	lockdep_assert_held_write(vmo->lock);
	return mapping_mapped(vmo->inode.i_mapping) ||
	       (vmo->ro_mapping && mapping_mapped(vmo->ro_mapping));
}

/**
 * cowvmo_unmap_page() - remove all PTEs of one page
 * @vmo: the VMO
 * @pgoff: the page
 *
 * Context: the caller holds vmo->lock for writing.
 */
void cowvmo_unmap_page(struct cowvmo *vmo, u64 pgoff)
{
	lockdep_assert_held_write(vmo->lock);
	if (vmo->nr_below)
		unmap_below(vmo, vmo->base + pgoff, vmo->base + pgoff);
	unmap_mapping_pages(vmo->inode.i_mapping, pgoff, 1, false);
	if (vmo->ro_mapping && mapping_mapped(vmo->ro_mapping))
		unmap_mapping_pages(vmo->ro_mapping, pgoff, 1, false);
}

/**
 * cowvmo_zero_mapped() - may a zero page be mapped at this place?
 * @vmo: the VMO
 * @pgoff: the place
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: false only if none is.
 */
bool cowvmo_zero_mapped(struct cowvmo *vmo, u64 pgoff)
{
	lockdep_assert_held_write(vmo->lock);
	return vmo->nr_below ||
	       (pgoff >= vmo->zero_first && pgoff <= vmo->zero_last);
}

/**
 * cowvmo_note_zero_mapped() - a zero page is about to be mapped
 * @vmo: the VMO
 * @pgoff: the place; before the PTE exists, so that no writer misses it
 *
 * Context: the caller holds vmo->lock for reading.
 */
void cowvmo_note_zero_mapped(struct cowvmo *vmo, u64 pgoff)
{
	spin_lock(&vmo->zero_lock);
	vmo->zero_first = min(vmo->zero_first, pgoff);
	vmo->zero_last = max(vmo->zero_last, pgoff);
	spin_unlock(&vmo->zero_lock);
}

/* The faulting PTE, locked, if it maps @page read-only; else NULL. */
static pte_t *lock_read_only_pte(struct vm_fault *vmf, struct page *page,
				 spinlock_t **ptl)
{
	pte_t *ptep, pte;

	ptep = cowvmo_pte_lock(vmf->vma->vm_mm, vmf->pmd, vmf->address, ptl);
	if (!ptep)
		return NULL;
	pte = ptep_get(ptep);
	if (pte_present(pte) && !pte_write(pte) &&
	    pte_pfn(pte) == page_to_pfn(page))
		return ptep;
	cowvmo_pte_unlock(*ptl);
	return NULL;
}

static void make_pte_writable(struct vm_fault *vmf, pte_t *ptep)
{
	pte_t pte = cowvmo_pte_mkwrite(pte_mkyoung(ptep_get(ptep)));

	set_pte_at(vmf->vma->vm_mm, vmf->address & PAGE_MASK, ptep,
		   pte_mkdirty(pte));
}

/**
 * cowvmo_make_writable() - let the faulting process write to a page
 * @vmf: the write fault
 * @page: what its PTE should map; the VMO's own, and marked
 *
 * If another thread has changed the PTE meanwhile, the access faults again.
 *
 * Context: the caller holds vmo->lock for writing.
 */
void cowvmo_make_writable(struct vm_fault *vmf, struct page *page)
{
	spinlock_t *ptl;	/* of the page table */
	pte_t *ptep = lock_read_only_pte(vmf, page, &ptl);

	if (!ptep)
		return;
	make_pte_writable(vmf, ptep);
	cowvmo_pte_unlock(ptl);
}

/* References to a page that a faulting PTE alone maps: it, a slot, the core. */
#define TAKE_OVER_REFS	3

/**
 * cowvmo_take_over() - keep the faulting process's page for its VMO
 * @vmf: a write fault on a read-only PTE, which maps vmf->page
 * @desc: the descriptor of that page, shared with relatives
 * @copy: a page with the same content
 *
 * If nothing but this PTE, the core for it, and the descriptor refers to the
 * page, gives the descriptor the copy and makes the PTE writable. Whoever
 * reaches the page through the PTE is kept out by its lock; whoever reaches
 * it through the descriptor cannot get a reference while the count is frozen,
 * and afterwards sees the copy.
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: true if so; else nothing has changed.
 */
bool cowvmo_take_over(struct vm_fault *vmf, struct ptree_desc *desc,
		      struct page *copy)
{
	struct page *page = vmf->page;
	bool taken = false;
	spinlock_t *ptl;	/* of the page table */
	pte_t *ptep;

	ptep = lock_read_only_pte(vmf, page, &ptl);
	if (!ptep)
		return false;
	if (cowvmo_page_mapcount(page) == 1 &&
	    page_ref_freeze(page, TAKE_OVER_REFS)) {
		/* Pairs with cow_hold_page(). */
		smp_store_release(&desc->page, copy);
		page_ref_unfreeze(page, TAKE_OVER_REFS);
		make_pte_writable(vmf, ptep);
		taken = true;
	}
	cowvmo_pte_unlock(ptl);
	return taken;
}
