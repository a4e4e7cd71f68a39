// SPDX-License-Identifier: GPL-2.0
/*
 * Cache policies: how the processor caches a VMO's memory.
 *
 * A page must never be mapped with two policies at once, and the kernel has
 * all memory mapped. So its mapping of each page of a VMO that is not CACHED
 * has the VMO's policy, from before the page becomes part of the VMO until
 * after it has left it:
 *
 * - Pages to come are given the policy in the reserve (page.c), since that may
 *   sleep; pages that go are queued and made CACHED before they are freed.
 *   What policy a page has is told by its descriptor.
 * - Reading a hole makes a page: a page of zeros that all share is CACHED.
 * - A private mapping is refused: the core's copies are CACHED.
 * - read, write, ZERO and snapshots are refused, as the reference does.
 *
 * The policy of a VMO changes only while nobody maps it and nobody holds a
 * page of it. Its pages are changed in batches, between which the lock is
 * dropped. Meanwhile no mapping of it can be made, and one that is just being
 * made, and not seen yet, has another page protection than the VMO's: faults
 * compare the two (cowvmo_cache_agrees()).
 *
 * What is borrowed is replaced before. What has been decommitted of a contiguous
 * VMO could not be changed: then the policy cannot.
 *
 * Locking: the policy is under vmo->lock. Who changes it holds the inode's
 * lock from start to end, and family->lock at the start, so that no child can
 * come into being.
 */
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#ifdef CONFIG_X86
#include <asm/memtype.h>
#include <asm/set_memory.h>
#endif

#include "cowvmo.h"

/* Pages changed at once: each time, all processors flush their TLBs. */
#define POLICY_BATCH	64

#ifdef CONFIG_X86
static bool policy_is_offered(u32 policy)
{
	return policy != COWVMO_CACHE_WRITE_COMBINING || pat_enabled();
}

static unsigned long policy_bits(u32 policy)
{
	switch (policy) {
	case COWVMO_CACHE_UNCACHED:
	case COWVMO_CACHE_UNCACHED_DEVICE:
		return cachemode2protval(_PAGE_CACHE_MODE_UC_MINUS);
	case COWVMO_CACHE_WRITE_COMBINING:
		return cachemode2protval(_PAGE_CACHE_MODE_WC);
	default:
		return 0;
	}
}

static int set_pages_cached(struct page **pages, unsigned int nr)
{
	return set_pages_array_wb(pages, nr);
}

static int set_pages_policy(struct page **pages, unsigned int nr, u32 policy)
{
	if (policy == COWVMO_CACHE_WRITE_COMBINING)
		return set_pages_array_wc(pages, nr);
	return set_pages_array_uc(pages, nr);
}

/**
 * cowvmo_page_has_policy() - does the kernel map a page as it should?
 * @page: the page
 * @policy: of enum cowvmo_cache_policy
 *
 * For the validator.
 */
bool cowvmo_page_has_policy(struct page *page, u32 policy)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);

	if (!pte)
		return false;
	if (level != PG_LEVEL_4K)
		return policy == COWVMO_CACHE_CACHED;
	return (pte_val(*pte) & _PAGE_CACHE_MASK) == policy_bits(policy);
}
#else
static bool policy_is_offered(u32 policy)
{
	return policy == COWVMO_CACHE_CACHED;
}

static unsigned long policy_bits(u32 policy)
{
	return 0;
}

static int set_pages_cached(struct page **pages, unsigned int nr)
{
	return 0;
}

static int set_pages_policy(struct page **pages, unsigned int nr, u32 policy)
{
	return -EOPNOTSUPP;
}

bool cowvmo_page_has_policy(struct page *page, u32 policy)
{
	return true;
}
#endif

/**
 * cowvmo_pages_set_policy() - change how the kernel maps pages
 * @pages: which; mapped by no process
 * @nr: length of @pages
 * @from: the policy that they all have
 * @to: the one that they are to have
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM: they are all CACHED; -EIO: what they are is not known.
 */
int cowvmo_pages_set_policy(struct page **pages, unsigned int nr, u32 from,
			    u32 to)
{
	if (from != COWVMO_CACHE_CACHED && set_pages_cached(pages, nr))
		return -EIO;
	if (to == COWVMO_CACHE_CACHED)
		return 0;
	if (cowvmo_should_fail())
		return -ENOMEM;
	if (!set_pages_policy(pages, nr, to))
		return 0;
	/* Some may have been changed. */
	return set_pages_cached(pages, nr) ? -EIO : -ENOMEM;
}

/* Pages that are not CACHED and belong to nobody any more, linked by lru. */
static LLIST_HEAD(leaving);

/**
 * cowvmo_page_leave() - free a page that is not CACHED, later
 * @page: the page
 *
 * Whoever does this calls cowvmo_pages_left() when it may sleep.
 */
void cowvmo_page_leave(struct page *page)
{
	llist_add((struct llist_node *)&page->lru, &leaving);
}

static void free_left(struct page **pages, unsigned int nr)
{
	unsigned int i;

	if (set_pages_cached(pages, nr)) {
		/* Nobody could use them as they are. */
		pr_warn_once("cowvmo: memory lost: it stays uncached\n");
		return;
	}
	for (i = 0; i < nr; i++)
		cowvmo_page_free(pages[i]);
	cond_resched();
}

/* Not inlined: kernels may clear what is on the stack. */
static noinline void free_all_left(void)
{
	struct page *pages[POLICY_BATCH];
	struct llist_node *node, *next;
	unsigned int nr = 0;

	llist_for_each_safe(node, next, llist_del_all(&leaving)) {
		pages[nr++] = container_of((struct list_head *)node,
					   struct page, lru);
		if (nr == POLICY_BATCH) {
			free_left(pages, nr);
			nr = 0;
		}
	}
	if (nr)
		free_left(pages, nr);
}

/**
 * cowvmo_pages_left() - make pages CACHED and free them
 *
 * Context: may sleep.
 */
void cowvmo_pages_left(void)
{
	if (unlikely(!llist_empty(&leaving)))
		free_all_left();
}

/**
 * cowvmo_cache_prepare_vma() - give a mapping the policy of what it maps
 * @store: the VMO
 * @vma: the mapping, about to be made
 *
 * Context: may sleep; takes the lock of @store.
 * Return: 0; -EBUSY: a private mapping of what is not CACHED, or the policy
 * is changing.
 */
int cowvmo_cache_prepare_vma(struct cowvmo *store, struct vm_area_struct *vma)
{
	int err = 0;

	down_read(store->lock);
	if (store->policy_changes ||
	    (!vmo_is_cached(store) && is_cow_mapping(vma->vm_flags)))
		err = -EBUSY;
	else
		cowvmo_set_cache_bits(&vma->vm_page_prot, store->cache_bits);
	up_read(store->lock);
	return err;
}

/* Does anybody use the VMO so that its policy cannot change? */
static bool is_used(struct cowvmo *vmo)
{
	lockdep_assert_held(&vmo->family->lock);
	lockdep_assert_held_write(vmo->lock);
	if (vmo_is_contiguous(vmo) &&
	    ptree_populated(&vmo->tree) != vmo->nr_pages)
		return true;
	return vmo->policy_changes || vmo->nr_children ||
	       vmo->family->nr_members > 1 || cowvmo_is_mapped(vmo) ||
	       cow_is_pinned(vmo, 0, U64_MAX);
}

/* Takes the VMO out of service. */
static int begin_change(struct cowvmo *vmo, u32 policy)
{
	int err = 0;

	mutex_lock(&vmo->family->lock);
	down_write(vmo->lock);
	if (is_used(vmo)) {
		err = -EBUSY;
	} else {
		vmo->policy_changes = true;
		vmo->cache_policy = policy;
		vmo->cache_bits = COWVMO_NO_CACHE_BITS;
	}
	up_write(vmo->lock);
	mutex_unlock(&vmo->family->lock);
	return err;
}

static void end_change(struct cowvmo *vmo)
{
	down_write(vmo->lock);
	vmo->cache_bits = policy_bits(vmo->cache_policy);
	vmo->policy_changes = false;
	up_write(vmo->lock);
}

/**
 * struct policy_batch - pages whose policy is to change
 * @descs: theirs
 * @pages: the pages
 * @nr: how many
 * @from: the policy that they have
 */
struct policy_batch {
	struct ptree_desc *descs[POLICY_BATCH];
	struct page *pages[POLICY_BATCH];
	unsigned int nr;
	u32 from;
};

/* Collects pages from index @*at on; @*at is where to go on. */
static void collect_batch(struct cowvmo *vmo, u64 *at,
			  struct policy_batch *batch)
{
	u64 last = vmo->base + vmo->nr_pages;
	struct ptree_desc *desc;
	u32 policy;

	lockdep_assert_held_write(vmo->lock);
	batch->nr = 0;
	for (; batch->nr < POLICY_BATCH; ++*at) {
		if (*at >= last ||
		    !ptree_next_data(&vmo->tree, *at, last - 1, at)) {
			*at = last;
			return;
		}
		desc = ptree_lookup(&vmo->tree, *at);
		policy = desc->flags & COW_DESC_POLICY;
		if (policy == vmo->cache_policy)
			continue;
		if (batch->nr && policy != batch->from)
			return;
		batch->from = policy;
		batch->descs[batch->nr] = desc;
		batch->pages[batch->nr++] = READ_ONCE(desc->page);
	}
}

static void set_batch_policy(struct policy_batch *batch, u32 policy)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		batch->descs[i]->flags = (batch->descs[i]->flags &
					  ~COW_DESC_POLICY) | policy;
}

/* -EIO: what they have is not known; to be treated as not CACHED. */
static int change_batch(struct cowvmo *vmo, struct policy_batch *batch)
{
	u32 policy = vmo->cache_policy;
	int err;

	lockdep_assert_held_write(vmo->lock);
	err = cowvmo_pages_set_policy(batch->pages, batch->nr, batch->from,
				      policy);
	if (err == -ENOMEM)
		policy = COWVMO_CACHE_CACHED;
	else if (err && policy == COWVMO_CACHE_CACHED)
		policy = batch->from;
	set_batch_policy(batch, policy);
	return err;
}

/* Nobody may hold a page: not for I/O, not in a TLB that is to be flushed. */
static int check_batch(struct cowvmo *vmo, struct policy_batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		if (cowvmo_page_is_held(batch->pages[i], 0))
			return -EBUSY;
	return 0;
}

typedef int (*batch_fn)(struct cowvmo *vmo, struct policy_batch *batch);

/* Calls @fn for all pages whose policy is not the VMO's. */
static int walk_batches(struct cowvmo *vmo, batch_fn fn, bool killable)
{
	struct policy_batch batch;
	u64 at = vmo->base, end;
	int err = 0;

	do {
		down_write(vmo->lock);
		collect_batch(vmo, &at, &batch);
		if (batch.nr)
			err = fn(vmo, &batch);
		end = vmo->base + vmo->nr_pages;
		up_write(vmo->lock);
		if (!err && killable && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	} while (!err && at < end);
	return err;
}

/* All pages get the VMO's policy, or again @old, which they had. */
static int change_pages(struct cowvmo *vmo, u32 old)
{
	int err = cow_loan_settle_all(vmo);

	/* Damaged: as bad as held. Nothing has been changed yet. */
	if (err == -EIO)
		err = -EBUSY;
	if (!err)
		err = walk_batches(vmo, check_batch, true);
	if (!err)
		err = walk_batches(vmo, change_batch, true);
	if (!err)
		return 0;
	down_write(vmo->lock);
	vmo->cache_policy = old;
	up_write(vmo->lock);
	/* It takes no memory to go back: large mappings are split already. */
	if (walk_batches(vmo, change_batch, false))
		return -EIO;
	return err;
}

static bool is_child(const struct cowvmo *vmo)
{
	return vmo->store != vmo || (vmo->flags & COWVMO_INFO_COW_CLONE);
}

/**
 * cowvmo_set_cache_policy() - change how a VMO's memory is cached
 * @vmo: any VMO
 * @policy: of enum cowvmo_cache_policy
 *
 * Context: may sleep; the caller holds the lock of the store's inode. Takes
 * family->lock and vmo->lock.
 * Return: 0, -EOPNOTSUPP, -EBUSY, -ENOMEM, -EINTR.
 */
int cowvmo_set_cache_policy(struct cowvmo *vmo, u32 policy)
{
	u32 old = READ_ONCE(vmo->store->cache_policy);
	int err;

	if (policy == old)
		return 0;
	if (!policy_is_offered(policy))
		return -EOPNOTSUPP;
	if (is_child(vmo) || vmo->store->source)
		return -EBUSY;
	err = begin_change(vmo, policy);
	if (err)
		return err;
	err = change_pages(vmo, old);
	if (err == -EIO) {
		/* It stays out of service. */
		pr_warn_once("cowvmo: the cache policy of a VMO is stuck\n");
		return -ENOMEM;
	}
	end_change(vmo);
	return err;
}

/**
 * cowvmo_check_policy() - may a VMO have such a child?
 * @store: the VMO that has the content
 * @type: of enum cowvmo_child_type
 *
 * Context: may sleep; takes the lock of @store. The answer holds as long as
 * family->lock is held.
 * Return: 0 or -EBUSY.
 */
int cowvmo_check_policy(struct cowvmo *store, u32 type)
{
	bool allowed;

	down_read(store->lock);
	allowed = vmo_is_cached(store) ||
		  (type == COWVMO_CHILD_SLICE && vmo_is_contiguous(store) &&
		   !store->policy_changes);
	up_read(store->lock);
	return allowed ? 0 : -EBUSY;
}
