// SPDX-License-Identifier: GPL-2.0
/*
 * Contiguous VMOs: their pages follow each other in physical memory, from
 * their creation to their end.
 *
 * All pages are in the tree before anybody can reach the VMO, and no page of
 * it is ever exchanged for another:
 *
 * - it never has a relative to share a page with. Snapshots and references are
 *   refused, TRANSFER too; so every page is exclusive, and written in place;
 * - what frees pages elsewhere clears them here (cut.c);
 * - its size never changes.
 *
 * Blocks that the page allocator keeps come from there, and are charged to the
 * memory cgroup as all pages are. It has none beyond a few megabytes. Then a
 * range is emptied of what can be moved, for which the kernel exports
 * alloc_contig_range(); which range is for us to choose. Nothing charges such
 * memory: it counts towards RLIMIT_MEMLOCK, as pinned memory does.
 *
 * Either way the pages are ordinary ones, each with a count of its own, and
 * are freed one by one.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/pageblock-flags.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "compat.h"
#include "cowvmo.h"

/* Ranges that are emptied before the search is given up: each may take long. */
#define CONTIG_TRIES	64

/* As alloc_contig_range() takes it, which would refuse to account. */
#define CONTIG_GFP	(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct contig_search - looking for a range to empty
 * @nr: how many pages
 * @step: where ranges may begin: at its multiples; a power of 2, in pages
 * @tries: how many more ranges may be emptied
 * @certain: leave out ranges with pages that only may be movable
 */
struct contig_search {
	u64 nr;
	u64 step;
	unsigned int tries;
	bool certain;
};

/* In use, and not on the lists of what reclaim and migration work on? */
static bool looks_unmovable(struct page *page)
{
	return page_count(page) && !PageLRU(page);
}

/*
 * The first page of a range that stands in the way, or the end of the range.
 * Nothing is held: it is a guess that saves work.
 */
static u64 find_obstacle(struct zone *zone, u64 pfn,
			 const struct contig_search *search)
{
	u64 end = pfn + search->nr;
	struct page *page;

	for (; pfn < end; pfn++) {
		page = pfn_to_online_page(pfn);
		if (!page || page_zone(page) != zone || PageReserved(page) ||
		    PageHuge(page))
			break;
		if (search->certain && looks_unmovable(page))
			break;
		if (!(pfn % COW_BATCH))
			cond_resched();
	}
	return pfn;
}

static struct page *empty_range(u64 pfn, u64 nr)
{
	if (cowvmo_should_fail())
		return NULL;
	if (cowvmo_alloc_range(pfn, pfn + nr, CONTIG_GFP))
		return NULL;
	return pfn_to_page(pfn);
}

static struct page *search_zone(struct zone *zone,
				struct contig_search *search)
{
	u64 pfn = ALIGN((u64)zone->zone_start_pfn, search->step);
	u64 end = zone_end_pfn(zone), obstacle;
	struct page *page;

	while (pfn < end && search->nr <= end - pfn && search->tries) {
		if (fatal_signal_pending(current))
			return NULL;
		obstacle = find_obstacle(zone, pfn, search);
		if (obstacle == pfn + search->nr) {
			search->tries--;
			page = empty_range(pfn, search->nr);
			if (page)
				return page;
			/* Where it failed is not told. */
			obstacle = pfn + search->nr / 4;
		}
		pfn = ALIGN(obstacle + 1, search->step);
		cond_resched();
	}
	return NULL;
}

/* Memory for devices that reach no further is left to them. */
#define CONTIG_LOWEST_ZONE	(IS_ENABLED(CONFIG_ZONE_DMA) ? 1 : 0)

static struct page *search_zones(struct contig_search *search)
{
	struct page *page = NULL;
	struct zone *zone;
	int type, nid;

	for (type = ZONE_NORMAL; type >= CONTIG_LOWEST_ZONE; type--) {
		for_each_online_node(nid) {
			zone = &NODE_DATA(nid)->node_zones[type];
			if (populated_zone(zone))
				page = search_zone(zone, search);
			if (page)
				return page;
		}
	}
	return NULL;
}

static struct page *alloc_range(u64 nr, unsigned int align_order)
{
	struct contig_search search = {
		.nr = nr,
		.step = max_t(u64, 1ULL << align_order, pageblock_nr_pages),
		.tries = CONTIG_TRIES,
		.certain = true,
	};
	struct page *page;

	/* So that no sum of page numbers overflows. */
	if (nr > totalram_pages() || align_order > PTREE_INDEX_BITS)
		return NULL;
	page = search_zones(&search);
	search.certain = false;
	return page ?: search_zones(&search);
}

/* What is beyond the first @nr pages goes back at once. */
static struct page *alloc_block(u64 nr, unsigned int order)
{
	struct page *page;
	u64 i;

	if (cowvmo_should_fail())
		return NULL;
	page = alloc_pages(COWVMO_GFP_CALL, order);
	if (!page)
		return NULL;
	if (order)
		split_page(page, order);
	for (i = nr; i < 1ULL << order; i++)
		__free_page(page + i);
	return page;
}

/* Memory of the allocator's, or if that has none and cannot be expected to. */
static int alloc_pages_of(struct cow_contig *contig, unsigned int align_order)
{
	unsigned int order = max_t(unsigned int, align_order,
				   order_base_2(contig->nr_pages));
	int err;

	if (order <= COWVMO_MAX_ORDER)
		contig->pages = alloc_block(contig->nr_pages, order);
	if (contig->pages)
		return 0;
	if (order <= PAGE_ALLOC_COSTLY_ORDER)
		return -ENOMEM;
	err = cowvmo_charge_locked(contig->nr_pages, &contig->user);
	if (err)
		return err;
	contig->pages = alloc_range(contig->nr_pages, align_order);
	if (contig->pages)
		return 0;
	return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
}

static struct cow_contig *contig_alloc(u64 nr_pages, unsigned int align_order)
{
	struct cow_contig *contig;
	int err;
	u64 i;

	if (cowvmo_should_fail())
		return ERR_PTR(-ENOMEM);
	contig = kzalloc(sizeof(*contig), COWVMO_GFP_CALL);
	if (!contig)
		return ERR_PTR(-ENOMEM);
	contig->nr_pages = nr_pages;
	atomic_long_set(&contig->uses, nr_pages + 1);
	err = alloc_pages_of(contig, align_order);
	if (err) {
		cowvmo_uncharge_locked(nr_pages, contig->user);
		kfree(contig);
		return ERR_PTR(err);
	}
	/* What a split block has there in all pages but the first is not said. */
	for (i = 0; i < nr_pages; i++) {
		set_page_private(contig->pages + i, 0);
		if (!(i % COW_BATCH))
			cond_resched();
	}
	atomic_long_add(nr_pages, &cowvmo_nr_pages);
	return contig;
}

/* Puts pages in their places until memory is short, or for a batch. */
static int fill_locked(struct cowvmo *vmo, u64 *next,
		       struct ptree_stash *stash)
{
	u64 end = min(*next + COW_BATCH, vmo->nr_pages);
	struct ptree_cursor cursor;
	struct ptree_desc *desc;
	int err = 0;

	lockdep_assert_held_write(vmo->lock);
	while (!err && *next < end) {
		err = ptree_cursor_open(&cursor, &vmo->tree, vmo->base + *next,
					stash);
		if (err)
			return err;
		do {
			struct page *page = vmo->contig->pages + *next;

			desc = ptree_desc_alloc(stash, cursor.index, page);
			if (!desc) {
				err = -ENOMEM;
				break;
			}
			clear_highpage(page);
			ptree_cursor_store(&cursor, desc);
			++*next;
		} while (*next < end && ptree_cursor_advance(&cursor));
		ptree_cursor_close(&cursor);
	}
	return err;
}

/* Puts all pages in the tree; after an error, *@next is the first left over. */
static int fill_all(struct cowvmo *vmo, u64 *next)
{
	const struct ptree_need descs = { .descs = COW_BATCH };
	struct ptree_stash stash = {};
	int err = 0;

	while (!err && *next < vmo->nr_pages) {
		/* In bulk they are cheaper; without, it goes on one by one. */
		ptree_stash_fill_need(&stash, &descs,
				      GFP_NOWAIT | __GFP_NOWARN);
		down_write(vmo->lock);
		err = fill_locked(vmo, next, &stash);
		up_write(vmo->lock);
		if (err == -ENOMEM)
			err = ptree_stash_fill(&stash, 1, COWVMO_GFP_CALL);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	ptree_stash_drain(&stash);
	return err;
}

/**
 * cow_contig_create() - give a new VMO memory in one piece
 * @vmo: the VMO, with its size, which nobody can reach yet
 * @align_log2: its address is a multiple of 2 to the power of this
 *
 * Context: may sleep, long; takes vmo->lock.
 * Return: 0; -ENOMEM: there is no such range, or none can be had, or the user
 * is at RLIMIT_MEMLOCK; -EINTR. After an error the VMO is good for nothing but
 * to be released.
 */
int cow_contig_create(struct cowvmo *vmo, unsigned int align_log2)
{
	unsigned int align_order = align_log2 > PAGE_SHIFT ?
				   align_log2 - PAGE_SHIFT : 0;
	struct cow_contig *contig;
	u64 next = 0;
	int err;

	contig = contig_alloc(vmo->nr_pages, align_order);
	if (IS_ERR(contig))
		return PTR_ERR(contig);
	vmo->contig = contig;
	err = fill_all(vmo, &next);
	for (; next < vmo->nr_pages; next++)
		cowvmo_page_free(contig->pages + next);
	return err;
}

/* Those of which nothing is left. */
static LLIST_HEAD(ended);

/* One use that is not a page, or those that were pages. */
static void put_uses(struct cow_contig *contig, u64 uses)
{
	if (!atomic_long_sub_and_test(uses, &contig->uses))
		return;
	free_uid(contig->user);
	llist_add(&contig->link, &ended);
}

/**
 * cow_contig_put() - pages do not belong to contiguous memory any more
 * @contig: the memory, which may go with the last of them
 * @pages: how many
 *
 * Context: Does not sleep. Whoever may sleep calls cow_contig_reap() some time.
 */
void cow_contig_put(struct cow_contig *contig, u64 pages)
{
	if (contig->user)
		atomic_long_sub(pages, &contig->user->locked_vm);
	put_uses(contig, pages);
}

/**
 * cow_contig_reap() - free what is known of contiguous memory that is gone
 *
 * Context: may sleep.
 */
void cow_contig_reap(void)
{
	struct cow_contig *contig, *next;

	if (likely(llist_empty(&ended)))
		return;
	llist_for_each_entry_safe(contig, next, llist_del_all(&ended), link)
		kfree(contig);
}

/**
 * cow_contig_end() - the content of a VMO is about to go
 * @vmo: the VMO, which nobody can reach any more; may be any
 *
 * Its pages are ordinary ones from now on, except that its user goes on being
 * charged for what is lent, if that is charged to nobody else.
 *
 * Context: may sleep.
 */
void cow_contig_end(struct cowvmo *vmo)
{
	struct cow_contig *contig = vmo->contig;

	if (!contig)
		return;
	vmo->contig = NULL;
	cow_contig_put(contig, contig->nr_pages - cow_loan_end(contig));
	put_uses(contig, 1);
	cow_contig_reap();
}
