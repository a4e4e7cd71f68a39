// SPDX-License-Identifier: GPL-2.0
/*
 * Faults: which page a process gets to see, and whether it may write to it.
 *
 * The one rule: no PTE through which a write can reach a page exists, or comes
 * to exist, unless the VMO allowed it under its lock.
 *
 * - A fault inserts the page itself, under the lock, and returns
 *   VM_FAULT_NOPAGE. To hand the page to the core instead would leave a window
 *   in which the core installs a PTE that is no longer right.
 * - Because ->page_mkwrite exists, what is inserted is read-only. Only
 *   cowvmo_make_writable() changes that, after the slot has been marked.
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
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"
#include "pager.h"
#include "trace.h"

/* A fault maps what is there of the leaf around it. */
#define FAULT_AROUND	PTREE_LEAF_SLOTS

/*
 * The pages of a store that a mapping may reach: all there are, or those of
 * the slice that is mapped.
 */
static u64 fault_end(const struct cowvmo *vmo)
{
	lockdep_assert_held(vmo->store->lock);
	return vmo_sized(vmo)->nr_pages + vmo->view_first;
}

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

static vm_fault_t fault_zero(struct cowvmo *vmo, struct vm_fault *vmf)
{
	struct page *page = cowvmo_zero_page();
	int err;

	if (!page)
		return VM_FAULT_OOM;
	cowvmo_note_zero_mapped(vmo, vmf->pgoff);
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
 * Holds the pages of a run where relatives could change what a descriptor names,
 * as cow_hold_page() does. Not inlined for the sake of those who need none of
 * it: kernels may clear what is on the stack.
 */
static noinline void hold_shared_run(struct cowvmo *vmo, u64 pgoff,
				     unsigned int nr, struct page **pages)
{
	struct page *again[FAULT_AROUND];
	unsigned int i;

	for (;;) {
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
		ptree_lookup_run(&vmo->tree, vmo->base + pgoff, nr, pages);
	}
}

static void hold_run(struct cowvmo *vmo, u64 pgoff, unsigned int nr,
		     struct page **pages)
{
	/* All that could change it is under our lock. */
	if (vmo->source) {
		cow_find_run(vmo, pgoff, nr, pages);
		return;
	}
	ptree_lookup_run(&vmo->tree, vmo->base + pgoff, nr, pages);
	if (vmo->shared_once)
		hold_shared_run(vmo, pgoff, nr, pages);
}

static void put_run(struct cowvmo *vmo, struct page **pages, unsigned int nr)
{
	unsigned int i;

	if (!vmo->shared_once || vmo->source)
		return;
	for (i = 0; i < nr; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
}

/*
 * There is no page. Returns 0 where none reads zero, and it must be made present
 * first.
 */
static vm_fault_t fault_absent(struct cowvmo *vmo, struct vm_fault *vmf)
{
	return !vmo->source && vmo_fills_holes(vmo) ? 0 : fault_zero(vmo, vmf);
}

/* The part of the tree's leaf around a page that VMA, page table and VMO have. */
static void fault_range(const struct cowvmo *vmo, u64 limit,
			const struct vm_fault *vmf, u64 *first, u64 *end)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned int slot = (vmo->base + vmf->pgoff) % FAULT_AROUND;
	unsigned int at = pte_index(vmf->address);
	u64 pgoff = vmf->pgoff;

	*first = pgoff - min3((u64)slot, (u64)at, pgoff - vma->vm_pgoff);
	*end = pgoff + min(FAULT_AROUND - slot, PTRS_PER_PTE - at);
	*end = min3(*end, limit, (u64)vma->vm_pgoff + vma_pages(vma));
}

static noinline vm_fault_t fault_present(struct cowvmo *vmo, u64 limit,
					 struct vm_fault *vmf)
{
	struct page *pages[FAULT_AROUND];
	u64 pgoff = vmf->pgoff, first, end;
	vm_fault_t ret = 0;
	unsigned int at, nr;
	int err;

	fault_range(vmo, limit, vmf, &first, &end);
	nr = end - first;
	at = pgoff - first;
	hold_run(vmo, first, nr, pages);
	if (pages[at]) {
		err = insert_run(vmf->vma, pgoff, pages + at, nr - at);
		if (!err && at)
			insert_run(vmf->vma, first, pages, at);
		ret = insert_result(err);
	}
	put_run(vmo, pages, nr);
	return ret;
}

/*
 * What a pager has to give: that it is asked for, or what it has given. A fault
 * that has waited for one page is about that: what lies around it, others have
 * seen to. Returns 0 where it is as good as any other's.
 */
static vm_fault_t fault_paged(struct cowvmo *vmo, struct vm_fault *vmf,
			      struct cow_ask *ask)
{
	u64 index = vmo->base + vmf->pgoff;
	struct cow_found found;

	cow_find(vmo, vmf->pgoff, &found);
	if (cow_found_absent(&found)) {
		ask->source = vmo->source;
		ask->command = COWVMO_PAGER_READ;
		ask->first = index;
		ask->last = index;
		return 0;
	}
	if (!found.desc || !(vmf->flags & FAULT_FLAG_TRIED) ||
	    cow_reads_ahead(vmo->source))
		return 0;
	return insert_result(insert_run(vmf->vma, vmf->pgoff,
					&found.desc->page, 1));
}

static vm_fault_t fault_read_locked(struct cowvmo *vmo, u64 limit,
				    struct vm_fault *vmf, struct cow_ask *ask)
{
	vm_fault_t ret = 0;

	lockdep_assert_held(vmo->lock);
	if (vmf->pgoff >= limit ||
	    !cowvmo_cache_agrees(vmo, vmf->vma->vm_page_prot))
		return VM_FAULT_SIGBUS;
	if (vmo->source)
		ret = fault_paged(vmo, vmf, ask);
	if (ret || ask->source)
		return ret;
	ret = fault_present(vmo, limit, vmf);
	return ret ?: fault_absent(vmo, vmf);
}

static vm_fault_t install_writable(struct vm_fault *vmf, struct page *page)
{
	int err;

	err = vm_insert_page(vmf->vma, vmf->address & PAGE_MASK, page);
	if (err && err != -EBUSY)
		return insert_result(err);
	cowvmo_make_writable(vmf, page);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t fault_error(int err)
{
	switch (err) {
	case -EIO:
		return VM_FAULT_HWPOISON;
	case -ERANGE:
	case -EPERM:
	case -EBUSY:
		return VM_FAULT_SIGBUS;
	default:
		return VM_FAULT_OOM;
	}
}

/* Would waiting hold up the kernel for somebody who may not do that? */
static bool may_wait(const struct vm_fault *vmf,
		     const struct cow_source *source)
{
	return vmf->flags & FAULT_FLAG_USER || cow_kernel_may_wait(source);
}

static vm_fault_t fault_ask_error(int err)
{
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/*
 * Waits for the pager, without the lock that the fault is under: after that the
 * VMA and @vmf may be gone, and all that can be said is "try again". What went
 * wrong is found then.
 */
static vm_fault_t fault_wait(struct vm_fault *vmf, struct cow_ask *ask)
{
	bool user = vmf->flags & FAULT_FLAG_USER;
	bool interruptible = user && vmf->flags & FAULT_FLAG_INTERRUPTIBLE;
	struct cow_source *source = ask->source;
	struct file *file = vmf->vma->vm_file;
	u64 index = ask->first;
	int err;

	err = cow_take_error(source, index);
	if (err)
		return fault_ask_error(err);
	if (!may_wait(vmf, source) ||
	    !(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		cow_note_error(source, index, -EFAULT, false);
		return VM_FAULT_SIGBUS;
	}
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	get_file(file);
	cowvmo_release_fault_lock(vmf);
	if (ask->command == COWVMO_PAGER_READ)
		ask->last = cow_fault_ask_last(source, index);
	err = cow_ask_wait(ask, interruptible);
	if (err && err != -ERESTARTSYS)
		cow_note_error(source, index, err, !signal_pending(current));
	fput(file);
	/* Somebody else's work was waited for. */
	return VM_FAULT_RETRY | VM_FAULT_MAJOR;
}

static vm_fault_t fault_read(struct cowvmo *vmo, struct vm_fault *vmf)
{
	struct cowvmo *store = vmo->store;
	vm_fault_t ret;
	int err;

	for (;;) {
		struct cow_ask ask = {};

		down_read(store->lock);
		ret = fault_read_locked(store, fault_end(vmo), vmf, &ask);
		up_read(store->lock);
		if (ret)
			return ret;
		if (ask.source)
			return fault_wait(vmf, &ask);
		err = cow_supply_page(store, vmf->pgoff, COWVMO_GFP_FAULT);
		if (err)
			return fault_error(err);
	}
}

static vm_fault_t fault_write_locked(struct cowvmo *vmo, struct vm_fault *vmf,
				     struct cow_write *write,
				     struct cow_reserve *reserve, int *err)
{
	struct cowvmo *store = vmo->store;

	lockdep_assert_held_write(store->lock);
	*err = store->sealed ? -EPERM : -ERANGE;
	if (store->sealed || vmf->pgoff >= fault_end(vmo) ||
	    !cowvmo_cache_agrees(store, vmf->vma->vm_page_prot))
		return 0;
	*err = cow_write_page(store, vmf->pgoff, write, reserve);
	if (*err)
		return 0;
	trace_cowvmo_fault(store->id, vmf->pgoff, write->unmapped);
	if (write->installed)
		return VM_FAULT_NOPAGE;
	/* An in-place write to a page that this VMA maps is only an upgrade. */
	if (cow_write_mapped(write) == write->page && !write->unmapped) {
		cowvmo_make_writable(vmf, write->page);
		return VM_FAULT_NOPAGE;
	}
	return install_writable(vmf, write->page);
}

/*
 * ->page_mkwrite must not wait. Without the PTE the access comes to ->fault,
 * which may.
 */
static vm_fault_t fault_retry(struct cowvmo *store, struct vm_fault *vmf)
{
	down_write(store->lock);
	cowvmo_unmap_page(store, vmf->pgoff);
	up_write(store->lock);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t fault_write(struct cowvmo *vmo, struct vm_fault *vmf,
			      bool pte_present)
{
	struct cow_reserve reserve;
	struct cow_ask ask;
	vm_fault_t ret;
	int err;

	cow_reserve_init(&reserve, COWVMO_GFP_FAULT);
	reserve.no_wait = true;
	do {
		struct cow_write write = {
			.mark = true,
			.vmf = pte_present ? vmf : NULL,
		};

		down_write(vmo->store->lock);
		ret = fault_write_locked(vmo, vmf, &write, &reserve, &err);
		up_write(vmo->store->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		else
			break;
	} while (!err);
	ask = reserve.ask;
	cow_reserve_drain(&reserve);
	if (err == -EAGAIN)
		return pte_present ? fault_retry(vmo->store, vmf) :
				     fault_wait(vmf, &ask);
	return err ? fault_error(err) : ret;
}

static int touch_pte(pte_t *ptep, unsigned long addr, void *data)
{
	return 0;
}

/*
 * Has the page table made before the lock is taken: the core would make it
 * under the lock, and wait there for memory.
 */
static vm_fault_t prepare_page_table(struct vm_fault *vmf)
{
	int err;

	if (likely(!pmd_none(READ_ONCE(*vmf->pmd))))
		return 0;
	err = apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK,
				  PAGE_SIZE, touch_pte, NULL);
	return err ? VM_FAULT_OOM : 0;
}

static vm_fault_t cowvmo_fault(struct vm_fault *vmf)
{
	struct cowvmo *vmo = file_to_vmo(vmf->vma->vm_file);
	vm_fault_t ret = prepare_page_table(vmf);

	if (ret)
		return ret;
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

/*
 * Gives a mapping the file that it is to be known by: a mapping that must
 * never write goes to the address space of its kind, and one of a slice is
 * kept under the page numbers of the store.
 */
static int mmap_set_file(struct cowvmo *vmo, struct vm_area_struct *vma)
{
	bool writable = vma_may_write_object(vma);
	struct file *file;

	if (!vmo_is_slice(vmo) &&
	    (writable || !(vma->vm_file->f_mode & FMODE_WRITE)))
		return 0;
	file = cowvmo_map_file(vmo, writable);
	if (IS_ERR(file))
		return PTR_ERR(file);
	vma_set_file(vma, file);
	fput(file);
	vma->vm_pgoff += vmo->view_first;
	return 0;
}

/* What is sealed can still be mapped for reading, but for no more than that. */
static int mmap_sealed(struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return 0;
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	cowvmo_vm_flags_clear(vma, VM_MAYWRITE);
	return 0;
}

/**
 * cowvmo_mmap() - map a VMO
 * @file: any file of it
 * @vma: the mapping; may reach beyond the VMO, faults there give SIGBUS
 *
 * Return: 0, -EPERM, -EBUSY, -ENOMEM or -ENFILE.
 */
int cowvmo_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct cowvmo *vmo = file_to_vmo(file);
	int err = 0;

	/* Sealing looks at mappings; faults look again, under the lock. */
	if (READ_ONCE(vmo->store->sealed))
		err = mmap_sealed(vma);
	if (!err)
		err = cowvmo_cache_prepare_vma(vmo->store, vma);
	if (!err)
		err = mmap_set_file(vmo, vma);
	if (err)
		return err;
	cowvmo_vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &cowvmo_vm_ops;
	return 0;
}
