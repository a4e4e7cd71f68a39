// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: pages of a VMO that stay where they are.
 *
 * A pin is a range of pages in an interval tree of the store; nothing is kept
 * per page. Of each page that a pin covers this is true:
 *
 * - it is there, and only this VMO reaches it. What would free it, or share
 *   it, looks for pins first, under the same lock;
 * - it is marked. Who holds a pin may write without any fault; so it must have
 *   passed the test for writing in place before, as for a writable PTE, and
 *   the next snapshot after the pin must look who still holds it. A marked
 *   page is written in place, so that nobody else replaces it meanwhile. That
 *   is so for pins that only read, too.
 *
 * A pin is made from its beginning to its end, in pieces: each makes pages the
 * VMO's own and adds them to the range, under one hold of the lock. So nothing
 * has to be looked at again, and nobody can keep it from getting to its end.
 *
 * Locking: the trees are under the store's lock, looked at with it held for
 * reading, changed with it held for writing.
 */
#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "cowvmo.h"

/* Pages per hold of the lock. */
#define PIN_BATCH	64
#define LOOKUP_BATCH	1024U

atomic_long_t cowvmo_nr_pins;

static inline u64 pin_start(struct cow_pin *pin)
{
	return pin->first;
}

static inline u64 pin_last(struct cow_pin *pin)
{
	return pin->last;
}

INTERVAL_TREE_DEFINE(struct cow_pin, node, u64, subtree_last, pin_start,
		     pin_last, static, pin_tree)

/* The tree's own functions take what they only look at without const. */
static struct cow_pin *first_pin(const struct cowvmo *store, u64 first,
				 u64 last)
{
	lockdep_assert_held(store->lock);
	return pin_tree_iter_first((struct rb_root_cached *)&store->pins,
				   first, last);
}

/**
 * cow_find_pinned() - the first pinned pages of a range
 * @store: the VMO that has the content
 * @first: first page of the range
 * @last: last page of the range
 * @from: receives the first of its pages that is pinned
 * @to: receives a page of the range up to which all are pinned
 *
 * Context: the caller holds the store's lock.
 * Return: false if there is none.
 */
bool cow_find_pinned(const struct cowvmo *store, u64 first, u64 last,
		     u64 *from, u64 *to)
{
	/* Of all that reach into the range, the one that begins first. */
	const struct cow_pin *pin = first_pin(store, first, last);

	if (!pin)
		return false;
	*from = max(pin->first, first);
	*to = min(pin->last, last);
	return true;
}

/**
 * cow_is_pinned() - is any page of a range pinned?
 * @store: the VMO that has the content
 * @first: first page of the range
 * @last: last page of the range
 *
 * Context: the caller holds the store's lock.
 * Return: true if so.
 */
bool cow_is_pinned(const struct cowvmo *store, u64 first, u64 last)
{
	return first_pin(store, first, last);
}

/**
 * cow_pinned_count() - how many pins cover a page
 * @store: the VMO that has the content
 * @pgoff: the page
 *
 * Context: the caller holds the store's lock.
 * Return: 0 to COWVMO_MAX_PINS.
 */
unsigned int cow_pinned_count(const struct cowvmo *store, u64 pgoff)
{
	struct cow_pin *pin;
	unsigned int nr = 0;

	for (pin = first_pin(store, pgoff, pgoff); pin;
	     pin = pin_tree_iter_next(pin, pgoff, pgoff))
		nr++;
	return nr;
}

/**
 * cow_pinned_pages() - how many pages are pinned, however often
 * @store: the VMO that has the content
 *
 * Context: the caller holds the store's lock; takes time for each pin.
 * Return: the number of pages.
 */
u64 cow_pinned_pages(const struct cowvmo *store)
{
	u64 pages = 0, end = 0;
	struct cow_pin *pin;

	/* In the order of their beginnings; all before @end is counted. */
	for (pin = first_pin(store, 0, U64_MAX); pin;
	     pin = pin_tree_iter_next(pin, 0, U64_MAX)) {
		if (pin->last >= end) {
			pages += pin->last + 1 - max(pin->first, end);
			end = pin->last + 1;
		}
		cond_resched();
	}
	return pages;
}

/* Has any page of the range as many pins as a page can have? */
static bool pins_are_full(const struct cowvmo *store, u64 first, u64 last)
{
	u64 open[COWVMO_MAX_PINS];	/* last pages of pins not yet ended */
	unsigned int nr = 0, i;
	struct cow_pin *pin;

	for (pin = first_pin(store, first, last); pin;
	     pin = pin_tree_iter_next(pin, first, last)) {
		for (i = nr; i--;) {
			if (open[i] < pin->first)
				open[i] = open[--nr];
		}
		open[nr++] = pin->last;
		if (nr == COWVMO_MAX_PINS)
			return true;
		cond_resched();
	}
	return false;
}

/* The order of these checks is part of the ABI. */
static int check_pin(const struct cow_pin *pin, u64 first, u64 last)
{
	const struct cowvmo *vmo = pin->vmo, *store = vmo->store;

	lockdep_assert_held(store->lock);
	if (last >= vmo->view_first + vmo_sized(vmo)->nr_pages)
		return -ERANGE;
	if (pin->writable && store->sealed)
		return -EPERM;
	return pins_are_full(store, first, last) ? -EOVERFLOW : 0;
}

/* Can it be made, as things are now? */
static int check_whole_pin(const struct cow_pin *pin)
{
	struct cowvmo *store = pin->vmo->store;
	int err;

	down_read(store->lock);
	err = check_pin(pin, pin->first, pin->end - 1);
	up_read(store->lock);
	return err;
}

static struct cow_pin *pin_alloc(struct cowvmo *vmo, u64 first, u64 nr_pages,
				 bool writable)
{
	struct cow_pin *pin;
	int err;

	if (cowvmo_should_fail())
		return ERR_PTR(-ENOMEM);
	pin = kzalloc(sizeof(*pin), COWVMO_GFP_CALL);
	if (!pin)
		return ERR_PTR(-ENOMEM);
	/* As a file does: the VMO is used, and the module cannot go. */
	err = cowvmo_fs_get();
	if (err) {
		kfree(pin);
		return ERR_PTR(err);
	}
	ihold(&vmo->inode);
	atomic_inc(&vmo->users);
	refcount_set(&pin->refs, 1);
	pin->vmo = vmo;
	RB_CLEAR_NODE(&pin->node);
	pin->first = vmo->view_first + first;
	pin->end = pin->first + nr_pages;
	pin->writable = writable;
	atomic_long_inc(&cowvmo_nr_pins);
	return pin;
}

static void pin_free(struct cow_pin *pin)
{
	struct cowvmo *vmo = pin->vmo, *store = vmo->store;

	if (!RB_EMPTY_NODE(&pin->node)) {
		down_write(store->lock);
		pin_tree_remove(pin, &store->pins);
		up_write(store->lock);
	}
	cowvmo_uncharge_locked(cow_pin_nr_pages(pin), pin->user);
	kfree(pin);
	cowvmo_put_user(vmo);
	iput(&vmo->inode);
	cowvmo_fs_put();
	atomic_long_dec(&cowvmo_nr_pins);
}

/**
 * cow_pin_get() - one more reference to a pin
 * @pin: the pin
 */
void cow_pin_get(struct cow_pin *pin)
{
	refcount_inc(&pin->refs);
}

/**
 * cow_pin_put() - one reference less; with the last one the pages are let go
 * @pin: the pin
 *
 * Context: may sleep; takes the store's lock and the family's locks.
 */
void cow_pin_put(struct cow_pin *pin)
{
	if (refcount_dec_and_test(&pin->refs))
		pin_free(pin);
}

/* The pages up to @last, which follow on those it has, are pinned now. */
static void extend_pin(struct cow_pin *pin, u64 last)
{
	struct cowvmo *store = pin->vmo->store;

	lockdep_assert_held_write(store->lock);
	if (!RB_EMPTY_NODE(&pin->node))
		pin_tree_remove(pin, &store->pins);
	pin->last = last;
	pin_tree_insert(pin, &store->pins);
}

/* Makes the next pages the VMO's own, and pins them as far as that worked. */
static int pin_batch(struct cow_pin *pin, u64 *next,
		     struct cow_reserve *reserve)
{
	struct cowvmo *store = pin->vmo->store;
	u64 last = min(*next + PIN_BATCH, pin->end) - 1;
	u64 done = *next;
	int err;

	down_write(store->lock);
	err = check_pin(pin, *next, last);
	if (!err)
		err = cow_own_pages(store, &done, last, pin->writable,
				    reserve);
	if (done > *next)
		extend_pin(pin, done - 1);
	up_write(store->lock);
	*next = done;
	return err;
}

static int take_pages(struct cow_pin *pin)
{
	struct cow_reserve reserve;
	u64 next = pin->first;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	reserve.keep = true;
	while (!err && next < pin->end) {
		err = pin_batch(pin, &next, &reserve);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	cow_reserve_drain(&reserve);
	return err;
}

/**
 * cow_pin_new() - a pin that does not pin anything yet
 * @vmo: any VMO that the caller has a file of
 * @offset: first byte, in @vmo
 * @length: number of bytes; both multiples of the page size
 * @writable: the pages will be written to through the pin
 *
 * Context: may sleep.
 * Return: the pin, or an ERR_PTR: -EINVAL, -ENOMEM.
 */
struct cow_pin *cow_pin_new(struct cowvmo *vmo, u64 offset, u64 length,
			    bool writable)
{
	if (!length || !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(length))
		return ERR_PTR(-EINVAL);
	return pin_alloc(vmo, offset >> PAGE_SHIFT, length >> PAGE_SHIFT,
			 writable);
}

/**
 * cow_pin_take() - pin the pages of a new pin
 * @pin: the pin
 * @charge: it is made for the calling user, whose locked memory counts it
 *
 * Context: may sleep; takes the store's lock.
 * Return: 0, -ERANGE, -EPERM, -EOVERFLOW, -ENOMEM, -EINTR, -EIO; -EBUSY: a
 * page was lent, and is held by somebody. After an error the caller puts the
 * pin, and with that nothing is pinned.
 */
int cow_pin_take(struct cow_pin *pin, bool charge)
{
	int err = check_whole_pin(pin);

	if (!err && charge)
		err = cowvmo_charge_locked(cow_pin_nr_pages(pin), &pin->user);
	return err ?: take_pages(pin);
}

static void pages_of_piece(struct cow_pin *pin, u64 first, unsigned int nr,
			   struct page **pages)
{
	struct cowvmo *store = pin->vmo->store;
	unsigned int found;

	down_read(store->lock);
	found = ptree_lookup_run(&store->tree,
				 store->base + pin->first + first, nr, pages);
	up_read(store->lock);
	WARN_ON_ONCE(found != nr);
}

/**
 * cow_pin_pages() - the pages of a pin
 * @pin: the pin
 * @first: the first one wanted, counted from where the pin begins
 * @nr: how many; all of them within the pin
 * @pages: receives them; they are good for as long as the pin is held
 *
 * Context: may sleep; takes the store's lock for reading.
 */
void cow_pin_pages(struct cow_pin *pin, u64 first, unsigned int nr,
		   struct page **pages)
{
	while (nr) {
		unsigned int piece = min(nr, LOOKUP_BATCH);

		pages_of_piece(pin, first, piece, pages);
		first += piece;
		pages += piece;
		nr -= piece;
		cond_resched();
	}
}

/* All of them, or NULL; to be freed with kvfree() */
static struct page **pin_page_array(struct cow_pin *pin)
{
	u64 nr = cow_pin_nr_pages(pin);
	struct page **pages;

	if (cowvmo_should_fail())
		return NULL;
	/* There is none for more pages than an unsigned int can count. */
	pages = kvmalloc_array(nr, sizeof(*pages), COWVMO_GFP_CALL);
	if (pages)
		cow_pin_pages(pin, 0, nr, pages);
	return pages;
}

/**
 * cow_pin_table() - the pages of a pin as a scatterlist
 * @pin: the pin
 * @max_segment: bytes that one entry may cover
 * @table: receives all of it; adjacent pages are one entry
 *
 * Context: may sleep; takes the store's lock for reading.
 * Return: 0; -EINVAL: @max_segment is less than a page; -ENOMEM. The caller
 * frees @table with sg_free_table().
 */
int cow_pin_table(struct cow_pin *pin, unsigned int max_segment,
		  struct sg_table *table)
{
	u64 nr = cow_pin_nr_pages(pin);
	struct page **pages;
	int err = -ENOMEM;

	if (max_segment < PAGE_SIZE)
		return -EINVAL;
	pages = pin_page_array(pin);
	if (!pages)
		return -ENOMEM;
	if (!cowvmo_should_fail())
		err = sg_alloc_table_from_pages_segment(table, pages, nr, 0,
							nr << PAGE_SHIFT,
							max_segment,
							COWVMO_GFP_CALL);
	kvfree(pages);
	return err;
}

/**
 * cow_pin_vmap() - the pages of a pin as one piece of kernel memory
 * @pin: the pin
 *
 * It is cached as the VMO is, and is read-only if the pin is.
 *
 * Context: may sleep; takes the store's lock for reading.
 * Return: where it is, or NULL. The caller undoes it with vunmap().
 */
void *cow_pin_vmap(struct cow_pin *pin)
{
	pgprot_t prot = pin->writable ? PAGE_KERNEL : PAGE_KERNEL_RO;
	struct cowvmo *store = pin->vmo->store;
	struct page **pages;
	void *mem = NULL;

	pages = pin_page_array(pin);
	if (!pages)
		return NULL;
	down_read(store->lock);
	cowvmo_set_cache_bits(&prot, store->cache_bits);
	up_read(store->lock);
	if (!cowvmo_should_fail())
		mem = vmap(pages, cow_pin_nr_pages(pin), VM_MAP, prot);
	kvfree(pages);
	return mem;
}

static void count_run(u64 first, u64 last, void *data)
{
	u64 *pages = data;

	*pages += last - first + 1;
}

/* Marked pages are there, and on paths that only one tree reaches. */
static bool pin_is_marked(const struct cowvmo *store,
			  const struct cow_pin *pin)
{
	u64 pages = 0;

	ptree_visit_marked_runs(&store->tree, store->base + pin->first,
				store->base + pin->last, count_run, &pages);
	return pages == pin->last - pin->first + 1;
}

/**
 * cow_pins_validate() - look for what cannot be
 * @store: a VMO with content of its own
 *
 * Context: the caller holds the store's lock.
 * Return: NULL, or what is wrong.
 */
const char *cow_pins_validate(const struct cowvmo *store)
{
	struct cow_pin *pin;

	for (pin = first_pin(store, 0, U64_MAX); pin;
	     pin = pin_tree_iter_next(pin, 0, U64_MAX)) {
		if (pin->vmo->store != store)
			return "pin: of another VMO";
		if (pin->first > pin->last || pin->last >= pin->end ||
		    pin->last >= store->nr_pages)
			return "pin: pages outside of the size";
		if (cow_pinned_count(store, pin->first) > COWVMO_MAX_PINS)
			return "pin: a page has too many";
		if (!pin_is_marked(store, pin))
			return "pin: a page is not there, or not marked";
		cond_resched();
	}
	return NULL;
}
