// SPDX-License-Identifier: GPL-2.0
/*
 * Pages: where they come from, who else holds them, and memory set aside for
 * work under a VMO's lock.
 *
 * Every page is charged to the memory cgroup of whoever causes it to exist,
 * is never movable and never from CMA: others may hold it for long.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "compat.h"
#include "cowvmo.h"

atomic_long_t cowvmo_nr_pages;
atomic_long_t cowvmo_nr_vmos;

/*
 * Failure injection for kernels that have none: the task that armed it sees
 * its n-th allocation in this module fail, or that and all that follow.
 */
static DEFINE_SPINLOCK(fail_lock);
static struct task_struct *fail_task;
static unsigned int fail_left;
static bool fail_all;

/**
 * cowvmo_should_fail() - is this allocation to fail for a test?
 *
 * Return: true if the caller shall behave as if there were no memory.
 */
bool cowvmo_should_fail(void)
{
	bool fail = false;

	if (likely(READ_ONCE(fail_task) != current))
		return false;
	spin_lock(&fail_lock);
	if (fail_task == current) {
		if (fail_left)
			fail_left--;
		fail = !fail_left;
		if (fail && !fail_all)
			WRITE_ONCE(fail_task, NULL);
	}
	spin_unlock(&fail_lock);
	return fail;
}

/* The tree asks through its own name, so that it stands alone in its tests. */
bool ptree_should_fail(void)
{
	return cowvmo_should_fail();
}

/**
 * cowvmo_fail_arm() - let allocations of the calling task fail
 * @nth: the first to fail, 1 being the next; 0 disarms
 * @all: all later ones too
 *
 * Only one task is armed at a time, the last to ask.
 */
void cowvmo_fail_arm(unsigned int nth, bool all)
{
	spin_lock(&fail_lock);
	fail_left = nth;
	fail_all = all;
	WRITE_ONCE(fail_task, nth ? current : NULL);
	spin_unlock(&fail_lock);
}

/**
 * cowvmo_fail_left() - what remains until the failure
 *
 * Return: 0 once it has happened.
 */
unsigned int cowvmo_fail_left(void)
{
	return READ_ONCE(fail_left);
}

/**
 * cowvmo_page_alloc() - a page for a VMO
 * @gfp: how hard to try; with __GFP_ZERO the page reads zero, else its
 *	content is undefined and must be overwritten in full
 *
 * Return: the page with one reference, or NULL.
 */
struct page *cowvmo_page_alloc(gfp_t gfp)
{
	struct page *page;

	if (cowvmo_should_fail())
		return NULL;
	page = alloc_page(gfp | __GFP_HIGHMEM | __GFP_ACCOUNT);
	if (page)
		atomic_long_inc(&cowvmo_nr_pages);
	return page;
}

/**
 * cowvmo_page_free() - a VMO gives up its reference to a page
 * @page: the page; others who hold it keep it
 */
void cowvmo_page_free(struct page *page)
{
	if (cow_loan_return(page))
		return;
	atomic_long_dec(&cowvmo_nr_pages);
	put_page(page);
}

void ptree_page_free(struct page *page, u32 flags)
{
	if (flags & COW_DESC_POLICY)
		cowvmo_page_leave(page);
	else
		cowvmo_page_free(page);
}

/**
 * cowvmo_charge_locked() - count memory towards RLIMIT_MEMLOCK
 * @pages: how much
 * @user: receives whose locked memory counts it, or NULL if nobody's does
 *
 * Return: 0, or -ENOMEM when the user would be above the limit.
 */
int cowvmo_charge_locked(u64 pages, struct user_struct **user)
{
	u64 limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *owner;
	long now;

	*user = NULL;
	if (capable(CAP_IPC_LOCK))
		return 0;
	owner = get_uid(current_user());
	now = atomic_long_read(&owner->locked_vm);
	do {
		if (now + pages > limit) {
			free_uid(owner);
			return -ENOMEM;
		}
	} while (!atomic_long_try_cmpxchg(&owner->locked_vm, &now,
					  now + pages));
	*user = owner;
	return 0;
}

/**
 * cowvmo_uncharge_locked() - undo cowvmo_charge_locked()
 * @pages: how much it was
 * @user: what it gave; may be NULL
 */
void cowvmo_uncharge_locked(u64 pages, struct user_struct *user)
{
	if (!user)
		return;
	atomic_long_sub(pages, &user->locked_vm);
	free_uid(user);
}

/*
 * The page that shows through where a VMO has none. The kernel's own cannot
 * be inserted into a mapping on all kernels. Its references are counted in an
 * int, so that it is replaced long before enough mappings could overflow it.
 */
static DEFINE_SPINLOCK(zero_page_lock);
static struct page *zero_page;

#define ZERO_PAGE_MAX_REFS	(INT_MAX / 2)

/**
 * cowvmo_zero_page() - a page of zeros to map where a VMO has no page
 *
 * Context: may sleep.
 * Return: the page with a reference for the caller to put, or NULL.
 */
struct page *cowvmo_zero_page(void)
{
	struct page *page, *old = NULL, *fresh;

	spin_lock(&zero_page_lock);
	page = zero_page;
	if (page && page_ref_count(page) < ZERO_PAGE_MAX_REFS) {
		get_page(page);
		spin_unlock(&zero_page_lock);
		return page;
	}
	spin_unlock(&zero_page_lock);

	if (cowvmo_should_fail())
		return NULL;
	fresh = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!fresh)
		return NULL;
	spin_lock(&zero_page_lock);
	if (zero_page == page) {
		old = page;
		zero_page = fresh;
	} else {
		old = fresh;
	}
	page = zero_page;
	get_page(page);
	spin_unlock(&zero_page_lock);
	if (old)
		put_page(old);
	return page;
}

/**
 * cowvmo_zero_page_exit() - the module goes
 */
void cowvmo_zero_page_exit(void)
{
	if (zero_page)
		put_page(zero_page);
}

/**
 * cow_reserve_init() - an empty reserve
 * @reserve: the reserve
 * @gfp: how to fill it, COWVMO_GFP_CALL or COWVMO_GFP_FAULT
 */
void cow_reserve_init(struct cow_reserve *reserve, gfp_t gfp)
{
	memset(reserve, 0, sizeof(*reserve));
	INIT_LIST_HEAD(&reserve->pages);
	reserve->gfp = gfp;
	reserve->batch = 1;
}

/* Both edges of a range, and one page. */
#define RESERVE_PATHS	3

static void reserve_drop_pages(struct cow_reserve *reserve)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &reserve->pages, lru) {
		list_del(&page->lru);
		if (reserve->policy == COWVMO_CACHE_CACHED)
			cowvmo_page_free(page);
		else
			cowvmo_page_leave(page);
	}
	reserve->nr_pages = 0;
}

static int reserve_fill_pages(struct cow_reserve *reserve, unsigned long nr,
			      gfp_t gfp)
{
	while (reserve->nr_pages < nr) {
		struct page *page = cowvmo_page_alloc(reserve->gfp | gfp);

		if (!page)
			return -ENOMEM;
		list_add(&page->lru, &reserve->pages);
		reserve->nr_pages++;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Gives all its pages the reserve's policy, or drops them. */
static int reserve_set_policy(struct cow_reserve *reserve)
{
	struct page *pages[COW_BATCH], *page;
	unsigned int nr = 0;
	int err;

	list_for_each_entry(page, &reserve->pages, lru)
		pages[nr++] = page;
	err = cowvmo_pages_set_policy(pages, nr, COWVMO_CACHE_CACHED,
				      reserve->policy);
	if (err)
		reserve_drop_pages(reserve);
	return err;
}

/* Pages that are not CACHED are zeroed before, while that is quick. */
static int reserve_fill_uncached(struct cow_reserve *reserve)
{
	int err;

	if (reserve->nr_pages)
		return 0;
	err = reserve_fill_pages(reserve, min(reserve->batch, COW_BATCH),
				 __GFP_ZERO);
	if (err == -EINTR || !reserve->nr_pages)
		return err;
	return reserve_set_policy(reserve);
}

static int reserve_fill(struct cow_reserve *reserve)
{
	int err = ptree_stash_fill(&reserve->stash, RESERVE_PATHS,
				   reserve->gfp);

	if (err)
		return err;
	if (reserve->policy != reserve->wanted_policy) {
		reserve_drop_pages(reserve);
		reserve->policy = reserve->wanted_policy;
	}
	if (reserve->policy != COWVMO_CACHE_CACHED)
		return reserve_fill_uncached(reserve);
	return reserve_fill_pages(reserve, 1, 0);
}

/* Has a pager asked, by the caller if he holds locks that must not wait. */
static int reserve_ask(struct cow_reserve *reserve)
{
	return reserve->no_wait ? -EAGAIN : cow_ask_wait(&reserve->ask, true);
}

static int reserve_settle(struct cow_reserve *reserve)
{
	struct cowvmo *vmo = reserve->settle;

	reserve->settle = NULL;
	if (!vmo)
		return 0;
	return cow_loan_settle(vmo, reserve->settle_page, reserve->gfp);
}

/**
 * cow_reserve_fill() - enough to write one page and to cut out one range
 * @reserve: the reserve
 *
 * If what was missing is a page that is lent, or has been borrowed, ends that
 * loan; last, so that nothing else can fail then. If it is what a pager has,
 * asks for that, and does no more.
 *
 * Context: may sleep; no VMO's lock is held.
 * Return: 0, -ENOMEM, or -EINTR when the task is being killed; of a loan also
 * -EBUSY: somebody holds the page; -EIO; of a pager errors of cow_ask_wait(), or
 * -EAGAIN: the caller is to call that.
 */
int cow_reserve_fill(struct cow_reserve *reserve)
{
	int err;

	if (reserve->ask.source)
		return reserve_ask(reserve);
	err = reserve_fill(reserve);
	return err ?: reserve_settle(reserve);
}

/**
 * cow_reserve_fill_need() - enough to copy a given set of paths and pages
 * @reserve: the reserve
 * @need: what it must hold; as many pages as descriptors
 *
 * Context: may sleep; no VMO's lock is held.
 * Return: 0, -ENOMEM, or -EINTR when the task is being killed.
 */
int cow_reserve_fill_need(struct cow_reserve *reserve,
			  const struct ptree_need *need)
{
	int err = ptree_stash_fill_need(&reserve->stash, need, reserve->gfp);

	return err ?: reserve_fill_pages(reserve, need->descs, 0);
}

/**
 * cow_reserve_is_full() - was it filled by cow_reserve_fill()?
 * @reserve: the reserve
 */
bool cow_reserve_is_full(const struct cow_reserve *reserve)
{
	return reserve->nr_pages && reserve->stash.have.descs >= RESERVE_PATHS;
}

/**
 * cow_reserve_page() - a page, without waiting, or from the reserve
 * @reserve: the reserve
 * @policy: of enum cowvmo_cache_policy; if not CACHED, only from a reserve
 *	that has learnt here to have that kind of pages
 * @gfp: __GFP_ZERO or 0
 *
 * Return: the page or NULL.
 */
struct page *cow_reserve_page(struct cow_reserve *reserve, u32 policy,
			      gfp_t gfp)
{
	struct page *page = NULL;

	reserve->wanted_policy = policy;
	if (policy == COWVMO_CACHE_CACHED)
		page = cowvmo_page_alloc(GFP_NOWAIT | __GFP_NOWARN | gfp);
	if (page || !reserve->nr_pages || reserve->policy != policy)
		return page;
	page = list_first_entry(&reserve->pages, struct page, lru);
	list_del(&page->lru);
	reserve->nr_pages--;
	if (policy == COWVMO_CACHE_CACHED && (gfp & __GFP_ZERO))
		clear_highpage(page);
	return page;
}

/**
 * cow_reserve_drain() - give back what was not used
 * @reserve: the reserve
 *
 * Also what was cut off and must be made CACHED before it is freed.
 *
 * Context: may sleep.
 */
void cow_reserve_drain(struct cow_reserve *reserve)
{
	ptree_stash_drain(&reserve->stash);
	reserve_drop_pages(reserve);
	cowvmo_pages_left();
	cow_contig_reap();
}
