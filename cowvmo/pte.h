/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking at one page table entry under its lock. The kernel's own way to do
 * that is not exported, and apply_to_existing_page_range() walks from the top
 * for each entry.
 */
#ifndef COWVMO_PTE_H
#define COWVMO_PTE_H

#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>

#include "compat.h"

#ifndef CONFIG_64BIT
#error "cowvmo needs a 64-bit kernel: page tables must be mapped at all times"
#endif

/**
 * cowvmo_pte_lock() - lock the page table below a PMD entry
 * @mm: whose page table
 * @pmd: the entry; may change at any time
 * @addr: address whose PTE is wanted
 * @ptl: receives the lock, for cowvmo_pte_unlock()
 *
 * A page table may be taken away while nobody holds the mmap lock or
 * i_mmap_rwsem: hence RCU, and the second look.
 *
 * Return: the PTE, or NULL (and no lock) where there is no page table.
 */
static inline pte_t *cowvmo_pte_lock(struct mm_struct *mm, pmd_t *pmd,
				     unsigned long addr, spinlock_t **ptl)
{
	pmd_t pmdval;
	pte_t *ptep;

	rcu_read_lock();
	for (;;) {
		pmdval = READ_ONCE(*pmd);
		if (pmd_none(pmdval) || pmd_bad(pmdval))
			break;
		*ptl = pte_lockptr(mm, &pmdval);
		ptep = pte_offset_kernel(&pmdval, addr);
		spin_lock(*ptl);
		if (likely(pmd_same(pmdval, READ_ONCE(*pmd)))) {
			/* Sparse cannot follow a lock that may be held. */
			__release(*ptl);
			__release(RCU);
			return ptep;
		}
		spin_unlock(*ptl);
	}
	rcu_read_unlock();
	return NULL;
}

static inline void cowvmo_pte_unlock(spinlock_t *ptl)
{
	__acquire(ptl);
	__acquire(RCU);
	spin_unlock(ptl);
	rcu_read_unlock();
}

#endif /* COWVMO_PTE_H */
