// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: every PTE of a VMO is installed, made writable or removed here.
 *
 * The one rule: no PTE through which a write can reach a page exists, or comes
 * to exist, unless the VMO allowed it under its lock.
 *
 * - A fault inserts the page itself, under the lock, and returns
 *   VM_FAULT_NOPAGE. To hand the page to the core instead would leave a window
 *   in which the core installs a PTE that is no longer right.
 * - Because ->page_mkwrite exists, what is inserted is read-only. Only
 *   fault_make_writable() changes that, after the slot has been marked.
 * - A mapping that is not both shared and possibly writable never gets a
 *   writable PTE from us: the core makes private copies by itself. Such
 *   mappings live in an address space of their own (vmo->ro_mapping), since
 *   the kernel's write-protecting walk stops at the first of them.
 *
 * Locking: mmap lock or VMA lock of the process, then vmo->lock, then what
 * the core takes for page tables. Readers of vmo->lock only insert read-only
 * PTEs, so that a snapshot, which holds it for writing, sees all or nothing.
 */
#include <linux/file.h>
#include <linux/mm.h>

#include "compat.h"
#include "cowvmo.h"
#include "pte.h"
#include "trace.h"

/* A fault maps what is there of the leaf around it. */
#define FAULT_AROUND	PTREE_LEAF_SLOTS

static bool vma_may_write_object(const struct vm_area_struct *vma)
{
	const unsigned long needed = VM_SHARED | VM_MAYWRITE;

	return (vma->vm_flags & needed) == needed;
}

static vm_fault_t insert_result(int err)
{
	if (!err || err == -EBUSY)
		return VM_FAULT_NOPAGE;
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/**
 * cowvmo_unmap() - remove all PTEs of a range of pages
 * @vmo: the VMO
 * @first: first page
 * @last: last page
 * @even_cows: private copies too, as truncation does
 *
 * Context: the caller holds vmo->lock for writing.
 */
void cowvmo_unmap(struct cowvmo *vmo, u64 first, u64 last, bool even_cows)
{
	u64 nr = last - first + 1;

	lockdep_assert_held_write(&vmo->lock);
	unmap_mapping_pages(vmo->inode.i_mapping, first, nr, even_cows);
	unmap_mapping_pages(&vmo->ro_mapping, first, nr, even_cows);

	if (first <= vmo->zero_first && last >= vmo->zero_last) {
		vmo->zero_first = U64_MAX;
		vmo->zero_last = 0;
	}
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
	lockdep_assert_held_write(&vmo->lock);
	unmap_mapping_pages(vmo->inode.i_mapping, pgoff, 1, false);
	if (mapping_mapped(&vmo->ro_mapping))
		unmap_mapping_pages(&vmo->ro_mapping, pgoff, 1, false);
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
	lockdep_assert_held_write(&vmo->lock);
	return pgoff >= vmo->zero_first && pgoff <= vmo->zero_last;
}

/* Before the PTE exists: later writers must not miss it. */
static void note_zero_mapped(struct cowvmo *vmo, u64 pgoff)
{
	spin_lock(&vmo->zero_lock);
	vmo->zero_first = min(vmo->zero_first, pgoff);
	vmo->zero_last = max(vmo->zero_last, pgoff);
	spin_unlock(&vmo->zero_lock);
}

static vm_fault_t fault_zero(struct cowvmo *vmo, struct vm_fault *vmf)
{
	struct page *page = cowvmo_zero_page();
	int err;

	if (!page)
		return VM_FAULT_OOM;
	note_zero_mapped(vmo, vmf->pgoff);
	err = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page);
	put_page(page);
	return insert_result(err);
}

/* Inserts pages until a hole, an occupied PTE, or the end. */
static int insert_run(struct vm_area_struct *vma, u64 pgoff,
		      struct page **pages, unsigned int nr)
{
	unsigned long addr = vma->vm_start +
			     ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
	unsigned long run = 0;

	while (run < nr && pages[run])
		run++;
	return run ? vm_insert_pages(vma, addr, pages, &run) : 0;
}

/*
 * Looks up a run of pages, and holds them where relatives could change what a
 * descriptor names, as cow_hold_page() does.
 */
static void hold_run(struct cowvmo *vmo, u64 pgoff, unsigned int nr,
		     struct page **pages)
{
	struct page *again[FAULT_AROUND];
	unsigned int i;

	for (;;) {
		ptree_lookup_run(&vmo->tree, vmo->base + pgoff, nr, pages);
		if (!vmo->shared_once)
			return;
		for (i = 0; i < nr; i++) {
			if (pages[i] && !get_page_unless_zero(pages[i]))
				break;
		}
		if (i == nr) {
			ptree_lookup_run(&vmo->tree, vmo->base + pgoff, nr,
					 again);
			if (!memcmp(again, pages, nr * sizeof(*pages)))
				return;
		}
		while (i--) {
			if (pages[i])
				put_page(pages[i]);
		}
		cpu_relax();
	}
}

static void put_run(struct cowvmo *vmo, struct page **pages, unsigned int nr)
{
	unsigned int i;

	if (!vmo->shared_once)
		return;
	for (i = 0; i < nr; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
}

static vm_fault_t fault_read_locked(struct cowvmo *vmo, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *pages[FAULT_AROUND];
	u64 pgoff = vmf->pgoff, first, end;
	unsigned int at, nr;
	vm_fault_t ret;
	int err;

	lockdep_assert_held(&vmo->lock);
	if (pgoff >= vmo->nr_pages)
		return VM_FAULT_SIGBUS;

	/* The window follows the leaves of the tree, whatever the base. */
	first = pgoff - min_t(u64, pgoff, (vmo->base + pgoff) % FAULT_AROUND);
	end = pgoff - (vmo->base + pgoff) % FAULT_AROUND + FAULT_AROUND;
	first = max_t(u64, first, vma->vm_pgoff);
	end = min3(end, vmo->nr_pages, (u64)vma->vm_pgoff + vma_pages(vma));
	nr = end - first;
	at = pgoff - first;

	hold_run(vmo, first, nr, pages);
	if (pages[at]) {
		err = insert_run(vma, pgoff, pages + at, nr - at);
		if (!err && at)
			insert_run(vma, first, pages, at);
		ret = insert_result(err);
	} else {
		ret = fault_zero(vmo, vmf);
	}
	put_run(vmo, pages, nr);
	return ret;
}

static vm_fault_t fault_read(struct cowvmo *vmo, struct vm_fault *vmf)
{
	vm_fault_t ret;

	down_read(&vmo->lock);
	ret = fault_read_locked(vmo, vmf);
	up_read(&vmo->lock);
	return ret;
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
	pte_t pte = pte_mkdirty(pte_mkyoung(ptep_get(ptep)));

	set_pte_at(vmf->vma->vm_mm, vmf->address & PAGE_MASK, ptep,
		   cowvmo_pte_mkwrite(pte));
}

/*
 * Lets the faulting process write to the page. If another thread has changed
 * the PTE meanwhile, the access faults again.
 */
static void fault_make_writable(struct vm_fault *vmf, struct page *page)
{
	spinlock_t *ptl;
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
	spinlock_t *ptl;
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

static vm_fault_t install_writable(struct vm_fault *vmf, struct page *page)
{
	int err;

	err = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page);
	if (err && err != -EBUSY)
		return insert_result(err);
	fault_make_writable(vmf, page);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t write_error(int err)
{
	switch (err) {
	case -EHWPOISON:
		return VM_FAULT_HWPOISON;
	case -ERANGE:
		return VM_FAULT_SIGBUS;
	default:
		return VM_FAULT_OOM;
	}
}

static vm_fault_t fault_write_locked(struct cowvmo *vmo, struct vm_fault *vmf,
				     struct cow_write *write,
				     struct cow_reserve *reserve, int *err)
{
	lockdep_assert_held_write(&vmo->lock);
	*err = -ERANGE;
	if (vmf->pgoff >= vmo->nr_pages)
		return 0;
	*err = cow_write_page(vmo, vmf->pgoff, write, reserve);
	if (*err)
		return 0;
	trace_cowvmo_fault(vmo->id, vmf->pgoff, write->unmapped);
	if (write->installed)
		return VM_FAULT_NOPAGE;
	/* An in-place write to a page that this VMA maps is only an upgrade. */
	if (cow_write_mapped(write) == write->page && !write->unmapped) {
		fault_make_writable(vmf, write->page);
		return VM_FAULT_NOPAGE;
	}
	return install_writable(vmf, write->page);
}

static vm_fault_t fault_write(struct cowvmo *vmo, struct vm_fault *vmf,
			      bool pte_present)
{
	struct cow_reserve reserve;
	vm_fault_t ret;
	int err;

	cow_reserve_init(&reserve, COWVMO_GFP_FAULT);
	do {
		struct cow_write write = {
			.mark = true,
			.vmf = pte_present ? vmf : NULL,
		};

		down_write(&vmo->lock);
		ret = fault_write_locked(vmo, vmf, &write, &reserve, &err);
		up_write(&vmo->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		else
			break;
	} while (!err);
	cow_reserve_drain(&reserve);
	return err ? write_error(err) : ret;
}

static vm_fault_t cowvmo_fault(struct vm_fault *vmf)
{
	struct cowvmo *vmo = file_to_vmo(vmf->vma->vm_file);

	/* A private mapping's write is the core's business: it copies. */
	if ((vmf->flags & FAULT_FLAG_WRITE) && vma_may_write_object(vmf->vma))
		return fault_write(vmo, vmf, false);
	return fault_read(vmo, vmf);
}

/*
 * A write to a read-only PTE of a writable shared mapping. The core holds a
 * reference to the page meanwhile.
 */
static vm_fault_t cowvmo_page_mkwrite(struct vm_fault *vmf)
{
	struct cowvmo *vmo = file_to_vmo(vmf->vma->vm_file);

	return fault_write(vmo, vmf, true);
}

/*
 * Only here to qualify: with it the core calls ->fault under the VMA lock
 * where it has one. It is called under RCU and could not take vmo->lock.
 */
static vm_fault_t cowvmo_map_pages(struct vm_fault *vmf, pgoff_t start,
				   pgoff_t end)
{
	return 0;
}

static const struct vm_operations_struct cowvmo_vm_ops = {
	.fault		= cowvmo_fault,
	.page_mkwrite	= cowvmo_page_mkwrite,
	.map_pages	= cowvmo_map_pages,
};

/* Moves a mapping that must never write to the address space of its kind. */
static int mmap_read_only(struct cowvmo *vmo, struct vm_area_struct *vma)
{
	struct file *file;

	if (vma->vm_file->f_mapping == &vmo->ro_mapping)
		return 0;
	file = cowvmo_open_file(vmo, false);
	if (IS_ERR(file))
		return PTR_ERR(file);
	vma_set_file(vma, file);
	fput(file);
	return 0;
}

/**
 * cowvmo_mmap() - map a VMO
 * @file: any file of it
 * @vma: the mapping; may reach beyond the VMO, faults there give SIGBUS
 *
 * Return: 0, -ENOMEM or -ENFILE.
 */
int cowvmo_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!vma_may_write_object(vma)) {
		int err = mmap_read_only(file_to_vmo(file), vma);

		if (err)
			return err;
	}
	cowvmo_vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &cowvmo_vm_ops;
	return 0;
}
