// SPDX-License-Identifier: GPL-2.0
/*
 * Loans: what is decommitted of a contiguous VMO is lent to other VMOs, and
 * taken back, the same page, when it is needed again.
 *
 * A page of a contiguous VMO, the lender, is in its tree, or has been
 * decommitted; then it is one of these:
 *
 * - idle: on the list of what can be borrowed;
 * - lent: in the tree of a borrower, as any page of it;
 * - home: kept for the lender, who has asked for it.
 *
 * page_private() of a decommitted page is the lender's struct cow_contig, and
 * 0 of every other page of a VMO. That way a page goes home by itself when its
 * borrower frees it, wherever that happens.
 *
 * Who borrows is a VMO that needs a page without waiting: one that is CACHED,
 * not contiguous, and not of high priority, and not to pin it. Relatives may
 * come to share the page, and the descriptor that has it may change; but it
 * stays in its family and at its index, which the loan notes (TRANSFER copies
 * it). So whoever wants it back holds that family still, with all its locks,
 * and looks at that index of each member. The page is unmapped from all that
 * see it. If its descriptor is all that refers to it then, the content goes to
 * another page, which the descriptor gets. If not, somebody holds it: direct
 * I/O, a pipe; he is waited for, for a while.
 *
 * What its borrower pins, or gives another cache policy, is replaced in the
 * same way first.
 *
 * When the lender dies, what is lent stays with its borrowers, an ordinary page
 * from then on. If it was charged to no memory cgroup, the lender's user goes
 * on being charged for it, until it is freed: else anybody could get any amount
 * of memory for nothing, by having it lent to himself.
 *
 * Locking: loan_lock protects all of this and is inside of everything else.
 * Nothing that is looked up under it is used after it has been dropped, but for
 * the family's number and the index, which are looked at again. Whoever takes
 * pages back holds no lock of a VMO and no family->counts; inode locks and a
 * fault's mmap lock are outside of both.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "cowvmo.h"

static bool loan = true;
module_param(loan, bool, 0644);
MODULE_PARM_DESC(loan, "Lend what is decommitted of contiguous VMOs (default: Y)");

/* How often, and how long each time, somebody who holds a page is waited for */
#define HOLDER_TRIES	50
/* In a fault, with which all of a process may come to wait */
#define FAULT_TRIES	5
#define HOLDER_WAIT	msecs_to_jiffies(20)

enum loan_state {
	LOAN_NONE,	/* in the lender's tree */
	LOAN_IDLE,
	LOAN_LENT,
	LOAN_HOME,
};

/* In page_private(): lent, and the lender is gone; a cow_contig nevertheless. */
#define ORPHAN	1UL

/**
 * struct cow_loan - a page of a contiguous VMO
 * @family: of a lent page: the identity of the family that has it
 * @index: of a lent page: where that has it
 * @waiters: how many wait for it on the lender's behalf: it becomes home, not
 *	idle
 * @state: of enum loan_state
 * @used: it has been lent since it was decommitted
 */
struct cow_loan {
	u64 family;
	u64 index;
	u32 waiters;
	u8 state;
	bool used;
};

static DEFINE_SPINLOCK(loan_lock);
static LIST_HEAD(idle_pages);		/* by page->lru */
static unsigned long nr_idle;
static unsigned long nr_lent;
static unsigned long nr_home;
static unsigned long nr_orphans;

/* Under loan_lock. */
static struct cow_loan *loan_of(struct page *page)
{
	unsigned long private = page_private(page);
	struct cow_contig *contig = (struct cow_contig *)private;

	lockdep_assert_held(&loan_lock);
	return private && !(private & ORPHAN) ?
	       &contig->loans[page - contig->pages] : NULL;
}

static unsigned long *loan_counter(u8 state)
{
	switch (state) {
	case LOAN_IDLE:
		return &nr_idle;
	case LOAN_LENT:
		return &nr_lent;
	default:
		return &nr_home;
	}
}

static void set_state(struct page *page, struct cow_loan *entry, u8 state)
{
	unsigned long *counter;

	lockdep_assert_held(&loan_lock);
	if (entry->state == LOAN_IDLE)
		list_del(&page->lru);
	if (entry->state != LOAN_NONE) {
		counter = loan_counter(entry->state);
		WRITE_ONCE(*counter, *counter - 1);
	}
	entry->state = state;
	if (state == LOAN_NONE)
		return;
	counter = loan_counter(state);
	WRITE_ONCE(*counter, *counter + 1);
	if (state == LOAN_IDLE)
		list_add(&page->lru, &idle_pages);
}

/**
 * cow_loan_stats() - how many pages are decommitted, and how many lent
 * @decommitted: receives the number of those that are not in their VMOs
 * @lent: receives the number of those of them that others have
 */
void cow_loan_stats(unsigned long *decommitted, unsigned long *lent)
{
	spin_lock(&loan_lock);
	*lent = nr_lent;
	*decommitted = nr_idle + nr_lent + nr_home;
	spin_unlock(&loan_lock);
}

/**
 * cow_loan_is_on() - may pages be lent?
 *
 * Return: the module's parameter, which may change at any time.
 */
bool cow_loan_is_on(void)
{
	return READ_ONCE(loan);
}

/* --- The lender */

/**
 * cow_loan_prepare() - make room to note what is lent
 * @vmo: a contiguous VMO
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_loan_prepare(struct cowvmo *vmo)
{
	struct cow_contig *contig = vmo->contig;
	struct cow_loan *loans;

	if (cowvmo_should_fail())
		return -ENOMEM;
	loans = kvcalloc(contig->nr_pages, sizeof(*loans), COWVMO_GFP_CALL);
	if (!loans)
		return -ENOMEM;
	if (cmpxchg(&contig->loans, NULL, loans))
		kvfree(loans);
	return 0;
}

/**
 * cow_loan_bytes() - the memory that notes what is lent
 * @contig: the memory of a contiguous VMO, or NULL
 *
 * Return: bytes.
 */
u64 cow_loan_bytes(const struct cow_contig *contig)
{
	return contig && READ_ONCE(contig->loans) ?
	       contig->nr_pages * sizeof(struct cow_loan) : 0;
}

/* Takes the page out of its slot, which needs no memory. */
static void lend_page(struct cowvmo *vmo, u64 index)
{
	struct ptree_stash none = {};
	struct ptree_cursor cursor;
	struct ptree_desc *desc;
	struct cow_loan *entry;
	struct page *page;

	if (WARN_ON_ONCE(ptree_cursor_open(&cursor, &vmo->tree, index, &none)))
		return;
	desc = ptree_cursor_store(&cursor, NULL);
	ptree_cursor_close(&cursor);
	page = desc->page;
	desc->page = NULL;
	ptree_desc_put(desc);

	spin_lock(&loan_lock);
	set_page_private(page, (unsigned long)vmo->contig);
	entry = loan_of(page);
	entry->used = false;
	set_state(page, entry, LOAN_IDLE);
	spin_unlock(&loan_lock);
}

/* What was taken back, and never put in its place, can be lent again. */
static void unwant_page(struct cowvmo *vmo, u64 pgoff)
{
	struct page *page = vmo->contig->pages + pgoff;
	struct cow_loan *entry;

	spin_lock(&loan_lock);
	entry = loan_of(page);
	if (entry && entry->state == LOAN_HOME && !entry->waiters &&
	    !PageHWPoison(page))
		set_state(page, entry, LOAN_IDLE);
	spin_unlock(&loan_lock);
}

/**
 * cow_loan_lend() - decommit pages of a contiguous VMO
 * @vmo: the VMO
 * @first: first page
 * @last: last page; none of them is pinned
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: 0; -EAGAIN: cow_loan_prepare() has never been called.
 */
int cow_loan_lend(struct cowvmo *vmo, u64 first, u64 last)
{
	u64 found;

	lockdep_assert_held_write(vmo->lock);
	if (!READ_ONCE(vmo->contig->loans))
		return -EAGAIN;
	cowvmo_unmap(vmo, first, last, false);
	for (; first <= last; first++) {
		if (!ptree_next_data(&vmo->tree, vmo->base + first,
				     vmo->base + first, &found))
			unwant_page(vmo, first);
		else
			lend_page(vmo, found);
		if (!(first % COW_BATCH))
			cond_resched();
	}
	return 0;
}

/*
 * Is a page at home that others may still refer to? They must have got at it
 * through the lender, for which it is the right page; or be gone.
 */
static bool can_come_home(struct page *page, const struct cow_loan *entry)
{
	lockdep_assert_held(&loan_lock);
	return !PageHWPoison(page) &&
	       (!entry->used || page_ref_count(page) == 1);
}

/**
 * cow_loan_take_home() - a decommitted page goes back into its place
 * @vmo: its VMO
 * @pgoff: which page
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: the page, with what others have left in it; NULL: it is not here, see
 * cow_loan_settle().
 */
struct page *cow_loan_take_home(struct cowvmo *vmo, u64 pgoff)
{
	struct page *page = vmo->contig->pages + pgoff;
	struct cow_loan *entry;

	lockdep_assert_held_write(vmo->lock);
	spin_lock(&loan_lock);
	entry = loan_of(page);
	if (WARN_ON_ONCE(!entry) || entry->state == LOAN_LENT ||
	    !can_come_home(page, entry)) {
		page = NULL;
	} else {
		set_state(page, entry, LOAN_NONE);
		set_page_private(page, 0);
	}
	spin_unlock(&loan_lock);
	return page;
}

/* Returns whether the page goes on being a part of the memory. */
static bool end_loan(struct cow_contig *contig, u64 i)
{
	struct cow_loan *entry = &contig->loans[i];
	struct page *page = contig->pages + i;
	u8 state;

	spin_lock(&loan_lock);
	state = entry->state;
	if (state == LOAN_LENT && contig->user) {
		set_page_private(page, (unsigned long)contig | ORPHAN);
		nr_orphans++;
	} else if (state != LOAN_NONE) {
		set_page_private(page, 0);
	}
	if (state != LOAN_NONE)
		set_state(page, entry, LOAN_NONE);
	spin_unlock(&loan_lock);
	if (state == LOAN_IDLE || state == LOAN_HOME)
		cowvmo_page_free(page);
	return state == LOAN_LENT && contig->user;
}

/**
 * cow_loan_end() - a contiguous VMO dies
 * @contig: its memory
 *
 * What is lent becomes its borrowers', all other decommitted pages are freed.
 *
 * Context: may sleep.
 * Return: how many pages the user still has to be charged for. As each is
 * freed, cow_contig_put() is called for it.
 */
u64 cow_loan_end(struct cow_contig *contig)
{
	u64 i, left = 0;

	for (i = 0; contig->loans && i < contig->nr_pages; i++) {
		left += end_loan(contig, i);
		if (!(i % COW_BATCH))
			cond_resched();
	}
	kvfree(contig->loans);
	contig->loans = NULL;
	return left;
}

/* --- The borrower */

static bool may_borrow(const struct cowvmo *vmo)
{
	lockdep_assert_held_write(vmo->lock);
	return cow_loan_is_on() && vmo_is_cached(vmo) &&
	       !vmo_is_contiguous(vmo) && vmo->family &&
	       !cowvmo_is_high_priority(vmo);
}

/**
 * cow_loan_borrow() - a page that somebody has decommitted
 * @vmo: the VMO that needs one, not to be pinned
 * @index: for which index of its tree
 *
 * Context: the caller holds vmo->lock for writing. Does not sleep.
 * Return: a page of undefined content, or NULL.
 */
struct page *cow_loan_borrow(const struct cowvmo *vmo, u64 index)
{
	struct page *page, *found = NULL;
	struct cow_loan *entry;

	if (likely(!READ_ONCE(nr_idle)) || !may_borrow(vmo))
		return NULL;
	spin_lock(&loan_lock);
	page = list_first_entry_or_null(&idle_pages, struct page, lru);
	/* Somebody may hold it still; then another time. */
	if (page && page_ref_count(page) == 1 && !PageHWPoison(page)) {
		entry = loan_of(page);
		entry->family = vmo->family->id;
		entry->index = index;
		entry->used = true;
		set_state(page, entry, LOAN_LENT);
		found = page;
	} else if (page) {
		list_move_tail(&page->lru, &idle_pages);
	}
	spin_unlock(&loan_lock);
	return found;
}

/**
 * cow_loan_return() - the borrower frees a page
 * @page: any page that a VMO frees
 *
 * Context: Does not sleep.
 * Return: true if it was borrowed, and has gone home with the caller's
 * reference.
 */
bool cow_loan_return(struct page *page)
{
	struct cow_loan *entry;
	unsigned long private;

	if (likely(!cow_page_is_borrowed(page)))
		return false;
	spin_lock(&loan_lock);
	private = page_private(page);
	entry = loan_of(page);
	if (entry) {
		set_state(page, entry, entry->waiters ? LOAN_HOME : LOAN_IDLE);
	} else if (private) {
		set_page_private(page, 0);
		nr_orphans--;
	}
	spin_unlock(&loan_lock);
	if (!entry && private)
		cow_contig_put((struct cow_contig *)(private & ~ORPHAN), 1);
	return entry;
}

/* --- Taking back */

/* The descriptor by which a family that is held still has a page. */
static struct ptree_desc *find_borrower(struct cowvmo_family *family,
					struct page *page, u64 index)
{
	struct ptree_desc *desc, *found = NULL;
	struct cowvmo *vmo;

	list_for_each_entry(vmo, &family->members, member) {
		lockdep_assert_held_write(vmo->lock);
		desc = ptree_lookup(&vmo->tree, index);
		if (!desc || desc->page != page)
			continue;
		cowvmo_unmap_page(vmo, index - vmo->base);
		found = desc;
	}
	return found;
}

/*
 * Puts @copy in the place of a page that nobody but its descriptor refers to.
 * It cannot be found through a PTE any more, and not through the tree, as the
 * family is held still: whoever refers to it has done so before.
 */
static int exchange_locked(struct ptree_desc *desc, struct page *copy)
{
	struct page *page = desc->page;

	smp_mb();	/* unmapped before holders are counted */
	if (PageHWPoison(page))
		return -EIO;
	if (!page_ref_freeze(page, 1))
		return -EBUSY;
	copy_highpage(copy, page);
	/* Pairs with cow_hold_page(), as that in cowvmo_take_over(). */
	smp_store_release(&desc->page, copy);
	page_ref_unfreeze(page, 1);
	return 0;
}

/* -EAGAIN: the family does not have it any more, or not as a loan. */
static int take_from(struct cowvmo_family *family, struct page *page,
		     u64 index, struct page *copy)
{
	struct ptree_desc *desc;
	int err = -EAGAIN;

	if (cowvmo_family_freeze_killable(family))
		return -EINTR;
	desc = find_borrower(family, page, index);
	/* If its lender has died, it may be pinned by now. */
	if (desc && cow_page_is_borrowed(page))
		err = exchange_locked(desc, copy);
	cowvmo_family_thaw(family);
	return err;
}

/* Gives the borrower another page for the one that it has. */
static int take_back(u64 family_id, u64 index, struct page *page, gfp_t gfp)
{
	struct cowvmo_family *family;
	struct page *copy;
	int err = -EAGAIN;

	copy = cowvmo_page_alloc(gfp);
	if (!copy)
		return -ENOMEM;
	family = cowvmo_family_from(family_id);
	if (family) {
		if (family->id == family_id)
			err = take_from(family, page, index, copy);
		cowvmo_family_put(family);
	}
	cowvmo_page_free(err ? copy : page);
	return err;
}

/* One try to have a page at home. -EBUSY: somebody holds it. */
static int recall_page(struct cowvmo *vmo, u64 pgoff, gfp_t gfp)
{
	struct page *page = vmo->contig->pages + pgoff;
	u64 family = 0, index = 0;
	struct cow_loan *entry;
	bool lent = false;
	int err = 0;

	spin_lock(&loan_lock);
	entry = loan_of(page);
	if (entry && entry->state == LOAN_LENT) {
		family = entry->family;
		index = entry->index;
		lent = true;
	} else if (entry) {
		set_state(page, entry, LOAN_HOME);
		if (PageHWPoison(page))
			err = -EIO;
		else if (!can_come_home(page, entry))
			err = -EBUSY;
	}
	spin_unlock(&loan_lock);
	return lent ? take_back(family, index, page, gfp) : err;
}

/* Is a page of the VMO borrowed, and from what family and index? */
static struct page *borrowed_page(struct cowvmo *vmo, u64 pgoff)
{
	struct page *page = NULL;
	struct ptree_desc *desc;

	down_read(vmo->lock);
	desc = ptree_lookup(&vmo->tree, vmo->base + pgoff);
	if (desc)
		page = READ_ONCE(desc->page);
	if (page && !cow_page_is_borrowed(page))
		page = NULL;
	up_read(vmo->lock);
	return page;
}

/* One try to have a page replaced by the VMO's own. */
static int give_back_page(struct cowvmo *vmo, u64 pgoff, gfp_t gfp)
{
	struct page *page = borrowed_page(vmo, pgoff);

	if (!page)
		return 0;
	return take_back(vmo->family->id, vmo->base + pgoff, page, gfp);
}

/* As long as somebody waits, what comes home is not lent again. */
static void wait_for_page(struct cowvmo *vmo, u64 pgoff, int more)
{
	if (!vmo_is_contiguous(vmo))
		return;
	spin_lock(&loan_lock);
	vmo->contig->loans[pgoff].waiters += more;
	spin_unlock(&loan_lock);
}

/* What is on its way is here at the second look. */
static int settle_once(struct cowvmo *vmo, u64 pgoff, gfp_t gfp)
{
	unsigned int looks = 2;
	int err;

	do {
		err = vmo_is_contiguous(vmo) ? recall_page(vmo, pgoff, gfp) :
					       give_back_page(vmo, pgoff, gfp);
	} while (err == -EAGAIN && --looks);
	return err == -EAGAIN ? -EBUSY : err;
}

/**
 * cow_loan_settle() - end the loan of a page
 * @vmo: the VMO that lends it, or one that borrows it
 * @pgoff: its place there
 * @gfp: how to allocate what the borrower gets for it
 *
 * Waits while somebody holds the page, but not for ever.
 *
 * Context: may sleep; takes all locks of a family. No VMO's lock is held, and
 * no family->counts.
 * Return: 0: the page was here for a moment at least; -EBUSY: somebody goes on
 * holding it; -ENOMEM, -EINTR, -EIO.
 */
int cow_loan_settle(struct cowvmo *vmo, u64 pgoff, gfp_t gfp)
{
	unsigned int tries = gfp == COWVMO_GFP_FAULT ? FAULT_TRIES :
						       HOLDER_TRIES;
	int err;

	wait_for_page(vmo, pgoff, 1);
	for (;;) {
		err = settle_once(vmo, pgoff, gfp);
		if (err != -EBUSY)
			break;
		if (!tries--)
			break;
		schedule_timeout_killable(HOLDER_WAIT);
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
	}
	wait_for_page(vmo, pgoff, -1);
	/* Then the page may go on being of use to others. */
	if (err && vmo_is_contiguous(vmo))
		unwant_page(vmo, pgoff);
	return err;
}

static bool is_any_borrowed(void)
{
	bool any;

	spin_lock(&loan_lock);
	any = nr_lent || nr_orphans;
	spin_unlock(&loan_lock);
	return any;
}

/* The next borrowed page from *@at on, before @end; false: there is none. */
static bool next_borrowed(struct cowvmo *vmo, u64 *at, u64 end)
{
	struct ptree_desc *desc;

	lockdep_assert_held(vmo->lock);
	end = min(end, vmo->base + vmo->nr_pages);
	for (; *at < end; ++*at) {
		if (!ptree_next_data(&vmo->tree, *at, end - 1, at))
			return false;
		desc = ptree_lookup(&vmo->tree, *at);
		if (cow_page_is_borrowed(READ_ONCE(desc->page)))
			return true;
		if (!(*at % COW_BATCH))
			cond_resched();
	}
	return false;
}

/**
 * cow_loan_settle_all() - end the loans of all pages that a VMO has borrowed
 * @vmo: a VMO that does not borrow any more now
 *
 * Context: as cow_loan_settle().
 * Return: as cow_loan_settle().
 */
int cow_loan_settle_all(struct cowvmo *vmo)
{
	u64 at = vmo->base;
	bool found;
	int err = 0;

	if (!is_any_borrowed())
		return 0;
	while (!err) {
		down_read(vmo->lock);
		found = next_borrowed(vmo, &at, U64_MAX);
		up_read(vmo->lock);
		if (!found)
			return 0;
		err = cow_loan_settle(vmo, at - vmo->base, COWVMO_GFP_CALL);
	}
	return err;
}

/**
 * struct loan_walk - going through what a family has borrowed
 * @member: how many members have been gone through
 * @at: index at which to go on in the next; 0: at its beginning
 */
struct loan_walk {
	unsigned int member;
	u64 at;
};

/*
 * The next borrowed page that a VMO of high priority shows; U64_MAX: none. It is
 * named by its index, which is the same in all that show it.
 */
static u64 next_high_borrowed(struct cowvmo_family *family,
			      struct loan_walk *walk, struct page **page)
{
	unsigned int member = 0;
	struct cowvmo *vmo;
	bool found = false;

	mutex_lock(&family->lock);
	list_for_each_entry(vmo, &family->members, member) {
		if (member++ < walk->member)
			continue;
		down_read(vmo->lock);
		walk->at = max(walk->at, vmo->base);
		found = cowvmo_is_high_priority(vmo) &&
			next_borrowed(vmo, &walk->at, U64_MAX);
		if (found)
			*page = ptree_lookup(&vmo->tree, walk->at)->page;
		up_read(vmo->lock);
		if (found)
			break;
		walk->member++;
		walk->at = 0;
	}
	mutex_unlock(&family->lock);
	return found ? walk->at++ : U64_MAX;
}

/* Who found that a member may borrow, before it might not any more, has done. */
static void wait_for_borrowers(struct cowvmo_family *family)
{
	struct cowvmo *vmo;

	mutex_lock(&family->lock);
	list_for_each_entry(vmo, &family->members, member) {
		down_read(vmo->lock);
		up_read(vmo->lock);
	}
	mutex_unlock(&family->lock);
}

/**
 * cow_loan_settle_high() - end the loans of what has come to be of high priority
 * @family: the family in which that is so
 *
 * As far as that is possible: pages that somebody holds stay borrowed.
 *
 * Context: as cow_loan_settle().
 */
void cow_loan_settle_high(struct cowvmo_family *family)
{
	struct loan_walk walk = {};
	struct page *page;
	int err = 0;
	u64 index;

	wait_for_borrowers(family);
	if (!is_any_borrowed())
		return;
	while (err != -ENOMEM && !fatal_signal_pending(current)) {
		index = next_high_borrowed(family, &walk, &page);
		if (index == U64_MAX)
			return;
		err = take_back(family->id, index, page, COWVMO_GFP_CALL);
		cond_resched();
	}
}

/**
 * cow_loan_settle_range() - the same for a part of one such VMO
 * @vmo: the VMO, which has got content that may be borrowed
 * @first: first page
 * @nr: how many pages
 *
 * Context: as cow_loan_settle().
 */
void cow_loan_settle_range(struct cowvmo *vmo, u64 first, u64 nr)
{
	u64 at = vmo->base + first, end = at + nr;
	struct page *page = NULL;
	bool found;
	int err = 0;

	if (!cowvmo_is_high_priority(vmo) || !is_any_borrowed())
		return;
	while (err != -ENOMEM && !fatal_signal_pending(current)) {
		down_read(vmo->lock);
		found = next_borrowed(vmo, &at, end);
		if (found)
			page = ptree_lookup(&vmo->tree, at)->page;
		up_read(vmo->lock);
		if (!found)
			return;
		err = take_back(vmo->family->id, at++, page, COWVMO_GFP_CALL);
		cond_resched();
	}
}

/**
 * cow_loan_validate() - is what a VMO has borrowed lent to it?
 * @vmo: the VMO; its family is held still
 * @page: a page of its
 * @index: where it is in the tree
 *
 * Return: NULL, or what is wrong.
 */
const char *cow_loan_validate(const struct cowvmo *vmo, struct page *page,
			      u64 index)
{
	const struct cow_loan *entry;
	const char *why = NULL;

	if (!cow_page_is_borrowed(page))
		return NULL;
	if (vmo_is_contiguous(vmo))
		return "loan: a page is decommitted, but there";
	if (cow_is_pinned(vmo, index - vmo->base, index - vmo->base))
		return "loan: a borrowed page is pinned";
	spin_lock(&loan_lock);
	entry = loan_of(page);
	if (entry && (entry->state != LOAN_LENT || entry->index != index ||
		      entry->family != vmo->family->id))
		why = "loan: a page is not lent to who has it";
	spin_unlock(&loan_lock);
	return why;
}
