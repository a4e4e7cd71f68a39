/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels that cowvmo builds on: the only place
 * with version tests.
 */
#ifndef COWVMO_COMPAT_H
#define COWVMO_COMPAT_H

#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void cowvmo_vm_flags_set(struct vm_area_struct *vma,
				       unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void cowvmo_vm_flags_clear(struct vm_area_struct *vma,
					 unsigned long flags)
{
	vma->vm_flags &= ~flags;
}

/* What inode operations are given to map owners with. */
#define cowvmo_idmap struct user_namespace
#else
static inline void cowvmo_vm_flags_set(struct vm_area_struct *vma,
				       unsigned long flags)
{
	vm_flags_set(vma, flags);
}

static inline void cowvmo_vm_flags_clear(struct vm_area_struct *vma,
					 unsigned long flags)
{
	vm_flags_clear(vma, flags);
}

#define cowvmo_idmap struct mnt_idmap
#endif

static inline void cowvmo_fillattr(cowvmo_idmap *idmap, u32 request_mask,
				   struct inode *inode, struct kstat *stat)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	generic_fillattr(idmap, inode, stat);
#else
	generic_fillattr(idmap, request_mask, inode, stat);
#endif
}

/* Drops what a fault is under: the lock of the mm, or that of its VMA. */
static inline void cowvmo_release_fault_lock(struct vm_fault *vmf)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	mmap_read_unlock(vmf->vma->vm_mm);
#else
	release_fault_lock(vmf);
#endif
}

/* The largest order that the page allocator has. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define COWVMO_MAX_ORDER	(MAX_ORDER - 1)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define COWVMO_MAX_ORDER	MAX_ORDER
#else
#define COWVMO_MAX_ORDER	MAX_PAGE_ORDER
#endif

/* Empties a range of memory, and makes it ours; page by page it is given back. */
static inline int cowvmo_alloc_range(unsigned long first, unsigned long end,
				     gfp_t gfp)
{
#ifdef CONFIG_CONTIG_ALLOC
	return alloc_contig_range(first, end, MIGRATE_MOVABLE, gfp);
#else
	return -ENOMEM;
#endif
}

/* Reads through ->read_iter into pages of the pipe's own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define cowvmo_splice_read generic_file_splice_read
#else
#define cowvmo_splice_read copy_splice_read
#endif

/* Neither pte_mkwrite() with a VMA nor its old form is there on both. */
static inline pte_t cowvmo_pte_mkwrite(pte_t pte)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return pte_mkwrite(pte);
#else
	return pte_mkwrite_novma(pte);
#endif
}

/* The order-0 pages of a VMO: one of these is inline, the other is not. */
static inline int cowvmo_page_mapcount(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return page_mapcount(page);
#else
	return folio_mapcount((struct folio *)page);
#endif
}

/* The name of a namespace is a string from then on. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define COWVMO_IMPORT_NS(ns)	MODULE_IMPORT_NS(ns)
#else
#define COWVMO_IMPORT_NS(ns)	MODULE_IMPORT_NS(#ns)
#endif

/* For importers that do not hold the lock of the dma-buf: test modules */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define cowvmo_dma_buf_map	dma_buf_map_attachment
#define cowvmo_dma_buf_unmap	dma_buf_unmap_attachment
#define cowvmo_dma_buf_vmap	dma_buf_vmap
#define cowvmo_dma_buf_vunmap	dma_buf_vunmap
#else
#define cowvmo_dma_buf_map	dma_buf_map_attachment_unlocked
#define cowvmo_dma_buf_unmap	dma_buf_unmap_attachment_unlocked
#define cowvmo_dma_buf_vmap	dma_buf_vmap_unlocked
#define cowvmo_dma_buf_vunmap	dma_buf_vunmap_unlocked
#endif

#endif /* COWVMO_COMPAT_H */
