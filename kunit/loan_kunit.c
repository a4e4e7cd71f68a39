// SPDX-License-Identifier: GPL-2.0
/*
 * Contiguous memory and loans under KUnit: how a range is found, and each state
 * that a lent page can be in, one step at a time. The rest of the module is
 * stood in for: a family has one member, and nobody maps anything.
 */
#include <kunit/test.h>
#include <linux/module.h>

#define PTREE_CACHE_PREFIX "cowvmo_loan_kunit"

#include "../cowvmo/page_tree.c"
#include "../cowvmo/page_tree_find.c"
#include "../cowvmo/page_tree_memory.c"
#include "../cowvmo/page_tree_range.c"
#include "../cowvmo/page_tree_share.c"
#include "../cowvmo/page_tree_stats.c"

#include "../cowvmo/contiguous.c"
#include "../cowvmo/loan.c"

#define PAGES	16U
#define BASE	1000U	/* of the borrower */

/* --- What stands in for the module */

atomic_long_t cowvmo_nr_pages;

static struct {
	struct cowvmo_family family;
	struct cowvmo *lender;
	struct cowvmo *borrower;
	bool fails;
	bool high;
	u64 pinned;
} stub;

bool cowvmo_should_fail(void)
{
	return stub.fails;
}

bool ptree_should_fail(void)
{
	return false;
}

struct page *cowvmo_page_alloc(gfp_t gfp)
{
	struct page *page = stub.fails ? NULL : alloc_page(gfp);

	if (page)
		atomic_long_inc(&cowvmo_nr_pages);
	return page;
}

void cowvmo_page_free(struct page *page)
{
	if (cow_loan_return(page))
		return;
	atomic_long_dec(&cowvmo_nr_pages);
	put_page(page);
}

void ptree_page_free(struct page *page, u32 flags)
{
	cowvmo_page_free(page);
}

int cowvmo_charge_locked(u64 pages, struct user_struct **user)
{
	return 0;
}

void cowvmo_uncharge_locked(u64 pages, struct user_struct *user)
{
}

void cowvmo_unmap(struct cowvmo *vmo, u64 first, u64 last, bool even_cows)
{
}

void cowvmo_unmap_page(struct cowvmo *vmo, u64 pgoff)
{
}

bool cow_is_pinned(const struct cowvmo *store, u64 first, u64 last)
{
	return stub.pinned >= first && stub.pinned <= last;
}

bool cowvmo_is_high_priority(const struct cowvmo *store)
{
	return stub.high;
}

struct cowvmo_family *cowvmo_family_from(u64 id)
{
	return id <= stub.family.id ? &stub.family : NULL;
}

void cowvmo_family_put(struct cowvmo_family *family)
{
}

int cowvmo_family_freeze_killable(struct cowvmo_family *family)
{
	down_write(stub.borrower->lock);
	return 0;
}

void cowvmo_family_thaw(struct cowvmo_family *family)
{
	up_write(stub.borrower->lock);
}

/* --- A lender and a borrower */

static struct cowvmo *vmo_make(struct kunit *test, u64 base, u32 flags)
{
	struct cowvmo *vmo = kunit_kzalloc(test, sizeof(*vmo), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vmo);
	init_rwsem(&vmo->own_lock);
	vmo->lock = &vmo->own_lock;
	INIT_LIST_HEAD(&vmo->member);
	vmo->store = vmo;
	vmo->base = base;
	vmo->nr_pages = PAGES;
	vmo->flags = flags;
	return vmo;
}

static int loan_init(struct kunit *test)
{
	memset(&stub, 0, sizeof(stub));
	stub.pinned = U64_MAX;
	stub.family.id = 7;
	INIT_LIST_HEAD(&stub.family.members);
	stub.lender = vmo_make(test, 0, COWVMO_INFO_CONTIGUOUS);
	stub.borrower = vmo_make(test, BASE, 0);
	stub.borrower->family = &stub.family;
	list_add(&stub.borrower->member, &stub.family.members);
	return cow_contig_create(stub.lender, 0);
}

static void vmo_clear(struct cowvmo *vmo)
{
	struct ptree_dead dead = {};

	cow_contig_end(vmo);
	ptree_clear(&vmo->tree, &dead);
	ptree_reap(&dead);
}

static void loan_exit(struct kunit *test)
{
	unsigned long decommitted, lent;

	vmo_clear(stub.borrower);
	vmo_clear(stub.lender);
	cow_loan_stats(&decommitted, &lent);
	KUNIT_EXPECT_EQ(test, decommitted, 0);
	KUNIT_EXPECT_EQ(test, lent, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&cowvmo_nr_pages), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&ptree_nr_nodes), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&ptree_nr_descs), 0);
}

static void expect_stats(struct kunit *test, unsigned long decommitted,
			 unsigned long lent)
{
	unsigned long now, away;

	cow_loan_stats(&now, &away);
	KUNIT_EXPECT_EQ(test, now, decommitted);
	KUNIT_EXPECT_EQ(test, away, lent);
}

static int lend(u64 first, u64 last)
{
	int err;

	down_write(stub.lender->lock);
	err = cow_loan_lend(stub.lender, first, last);
	up_write(stub.lender->lock);
	return err;
}

static void lend_all(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, cow_loan_prepare(stub.lender), 0);
	KUNIT_ASSERT_EQ(test, lend(0, PAGES - 1), 0);
}

/* Page @pgoff goes back into the lender's tree; false: it is not here. */
static bool take_home(u64 pgoff)
{
	struct cowvmo *vmo = stub.lender;
	struct ptree_stash stash = {};
	struct ptree_cursor cursor;
	struct page *page = NULL;

	ptree_stash_fill(&stash, 1, GFP_KERNEL);
	down_write(vmo->lock);
	if (!ptree_cursor_open(&cursor, &vmo->tree, pgoff, &stash)) {
		page = cow_loan_take_home(vmo, pgoff);
		if (page)
			ptree_cursor_store(&cursor,
					   ptree_desc_alloc(&stash, pgoff,
							    page));
		ptree_cursor_close(&cursor);
	}
	up_write(vmo->lock);
	ptree_stash_drain(&stash);
	return page == vmo->contig->pages + pgoff;
}

/* The borrower gets a page at @pgoff, if it may, and fills it with @byte. */
static struct page *borrow(u64 pgoff, u8 byte)
{
	struct cowvmo *vmo = stub.borrower;
	struct ptree_desc *desc, *old = NULL;
	struct ptree_stash stash = {};
	struct ptree_cursor cursor;
	struct page *page;

	ptree_stash_fill(&stash, 1, GFP_KERNEL);
	down_write(vmo->lock);
	page = cow_loan_borrow(vmo, BASE + pgoff);
	if (page && !ptree_cursor_open(&cursor, &vmo->tree, BASE + pgoff,
				       &stash)) {
		memset(page_address(page), byte, PAGE_SIZE);
		desc = ptree_desc_alloc(&stash, BASE + pgoff, page);
		old = ptree_cursor_store(&cursor, desc);
		ptree_cursor_close(&cursor);
	}
	if (old)
		ptree_desc_put(old);
	up_write(vmo->lock);
	ptree_stash_drain(&stash);
	return page;
}

static u64 place_of(struct page *page)
{
	return page - stub.lender->contig->pages;
}

static struct page *borrowers_page(u64 pgoff)
{
	return ptree_lookup(&stub.borrower->tree, BASE + pgoff)->page;
}

static bool has_byte(struct page *page, u8 byte)
{
	return !memchr_inv(page_address(page), byte, PAGE_SIZE);
}

/* --- Memory in one piece */

static void check_range(struct kunit *test, struct page *page, u64 nr,
			unsigned int align_order)
{
	u64 i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(page_to_pfn(page),
					   1ULL << align_order));
	for (i = 0; i < nr; i++) {
		struct page *at = pfn_to_page(page_to_pfn(page) + i);

		KUNIT_EXPECT_EQ(test, page_count(at), 1);
		KUNIT_EXPECT_EQ(test, page_private(at), 0);
		put_page(at);
	}
}

static void contig_range(struct kunit *test)
{
	check_range(test, alloc_range(1, 0), 1, 0);
	check_range(test, alloc_range(3, 11), 3, 11);
	check_range(test, alloc_range(1500, 0), 1500, 0);
	check_range(test, alloc_range(2048, 12), 2048, 12);
	KUNIT_EXPECT_NULL(test, alloc_range(U64_MAX >> PAGE_SHIFT, 0));
	KUNIT_EXPECT_NULL(test, alloc_range(1, 51));
	KUNIT_EXPECT_NULL(test, alloc_range(1, 40));
}

static void contig_block(struct kunit *test)
{
	check_range(test, alloc_block(1, 0), 1, 0);
	check_range(test, alloc_block(5, 3), 5, 3);
	check_range(test, alloc_block(1, 6), 1, 6);
	stub.fails = true;
	KUNIT_EXPECT_NULL(test, alloc_block(1, 0));
	KUNIT_EXPECT_NULL(test, alloc_range(1, 0));
	stub.fails = false;
}

/* However many ranges fail, only so many are tried. */
static void contig_tries(struct kunit *test)
{
	struct contig_search search = { .nr = 1, .step = 1, .tries = 5 };

	stub.fails = true;
	KUNIT_EXPECT_NULL(test, search_zones(&search));
	KUNIT_EXPECT_EQ(test, search.tries, 0);
	stub.fails = false;
}

/* A page in use that nobody could move is an obstacle, if that is asked. */
static void contig_obstacle(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct contig_search search = { .nr = 1, .step = 1 };
	u64 pfn;

	KUNIT_ASSERT_NOT_NULL(test, page);
	pfn = page_to_pfn(page);
	KUNIT_EXPECT_EQ(test, find_obstacle(page_zone(page), pfn, &search),
			pfn + 1);
	search.certain = true;
	KUNIT_EXPECT_EQ(test, find_obstacle(page_zone(page), pfn, &search),
			pfn);
	KUNIT_EXPECT_EQ(test, find_obstacle(page_zone(page) - 1, pfn, &search),
			pfn);
	__free_page(page);
}

static void contig_create(struct kunit *test)
{
	struct cow_contig *contig = stub.lender->contig;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, ptree_populated(&stub.lender->tree), PAGES);
	for (i = 0; i < PAGES; i++) {
		struct ptree_desc *desc = ptree_lookup(&stub.lender->tree, i);

		KUNIT_EXPECT_PTR_EQ(test, desc->page, contig->pages + i);
		KUNIT_EXPECT_TRUE(test, has_byte(desc->page, 0));
	}
	KUNIT_EXPECT_NULL(test, ptree_validate(&stub.lender->tree));
}

/* --- Loans */

static void loan_prepare(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, lend(0, 0), -EAGAIN);
	stub.fails = true;
	KUNIT_EXPECT_EQ(test, cow_loan_prepare(stub.lender), -ENOMEM);
	stub.fails = false;
	KUNIT_EXPECT_EQ(test, cow_loan_prepare(stub.lender), 0);
	KUNIT_EXPECT_EQ(test, cow_loan_prepare(stub.lender), 0);
	KUNIT_EXPECT_EQ(test, lend(3, 5), 0);
	KUNIT_EXPECT_EQ(test, lend(4, 6), 0);
	expect_stats(test, 4, 0);
	KUNIT_EXPECT_EQ(test, ptree_populated(&stub.lender->tree), PAGES - 4);
}

static void loan_home_again(struct kunit *test)
{
	unsigned int i;

	lend_all(test);
	expect_stats(test, PAGES, 0);
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_TRUE(test, take_home(i));
	expect_stats(test, 0, 0);
	KUNIT_EXPECT_EQ(test, ptree_populated(&stub.lender->tree), PAGES);
}

static void loan_borrow_and_return(struct kunit *test)
{
	struct page *page;

	lend_all(test);
	page = borrow(2, 0x22);
	KUNIT_ASSERT_NOT_NULL(test, page);
	expect_stats(test, PAGES, 1);
	KUNIT_EXPECT_NULL(test, cow_loan_validate(stub.borrower, page,
						  BASE + 2));
	KUNIT_EXPECT_NOT_NULL(test, cow_loan_validate(stub.borrower, page,
						      BASE + 3));
	stub.pinned = 2;
	KUNIT_EXPECT_NOT_NULL(test, cow_loan_validate(stub.borrower, page,
						      BASE + 2));
	KUNIT_EXPECT_FALSE(test, take_home(place_of(page)));
	vmo_clear(stub.borrower);
	expect_stats(test, PAGES, 0);
	KUNIT_EXPECT_TRUE(test, take_home(place_of(page)));
}

/* All are borrowed, each once; then there are none. */
static void loan_borrow_all(struct kunit *test)
{
	unsigned int i;

	lend_all(test);
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_NOT_NULL(test, borrow(i, i));
	expect_stats(test, PAGES, PAGES);
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_TRUE(test, has_byte(borrowers_page(i), i));
	down_write(stub.borrower->lock);
	KUNIT_EXPECT_NULL(test, cow_loan_borrow(stub.borrower, BASE));
	up_write(stub.borrower->lock);
}

static void loan_not_borrowed(struct kunit *test)
{
	lend_all(test);
	stub.high = true;
	KUNIT_EXPECT_NULL(test, borrow(0, 0));
	stub.high = false;
	stub.borrower->cache_policy = COWVMO_CACHE_UNCACHED;
	KUNIT_EXPECT_NULL(test, borrow(0, 0));
	stub.borrower->cache_policy = COWVMO_CACHE_CACHED;
	stub.borrower->policy_changes = true;
	KUNIT_EXPECT_NULL(test, borrow(0, 0));
	stub.borrower->policy_changes = false;
	stub.borrower->flags = COWVMO_INFO_CONTIGUOUS;
	KUNIT_EXPECT_NULL(test, borrow(0, 0));
	stub.borrower->flags = 0;
	loan = false;
	KUNIT_EXPECT_NULL(test, borrow(0, 0));
	loan = true;
	KUNIT_EXPECT_NOT_NULL(test, borrow(0, 0));
}

static void loan_recall(struct kunit *test)
{
	struct page *page;
	unsigned int i;

	lend_all(test);
	page = borrow(4, 0x44);
	KUNIT_ASSERT_NOT_NULL(test, page);
	stub.fails = true;
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, place_of(page),
					      GFP_KERNEL), -ENOMEM);
	stub.fails = false;
	KUNIT_EXPECT_PTR_EQ(test, borrowers_page(4), page);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, place_of(page),
					      GFP_KERNEL), 0);
	KUNIT_EXPECT_PTR_NE(test, borrowers_page(4), page);
	KUNIT_EXPECT_TRUE(test, has_byte(borrowers_page(4), 0x44));
	expect_stats(test, PAGES, 0);
	/* It is kept for its lender. */
	for (i = 5; i < 5 + PAGES; i++)
		KUNIT_EXPECT_PTR_NE(test, borrow(i, 0x55), page);
	expect_stats(test, PAGES, PAGES - 1);
	KUNIT_EXPECT_TRUE(test, take_home(place_of(page)));
}

/* What is not lent comes home without more ado, and stays. */
static void loan_recall_idle(struct kunit *test)
{
	lend_all(test);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, 3, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, 3, GFP_KERNEL), 0);
	expect_stats(test, PAGES, 0);
	/* Decommitted once more: it can be lent again. */
	KUNIT_EXPECT_EQ(test, lend(3, 3), 0);
	KUNIT_EXPECT_EQ(test, nr_idle, PAGES);
	KUNIT_EXPECT_TRUE(test, take_home(3));
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, 3, GFP_KERNEL), 0);
}

static void loan_recall_held(struct kunit *test)
{
	struct page *page;

	lend_all(test);
	page = borrow(4, 0x44);
	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, place_of(page),
					      GFP_KERNEL), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, borrowers_page(4), page);
	/* Given up by the borrower it is at home, but not for use. */
	vmo_clear(stub.borrower);
	expect_stats(test, PAGES, 0);
	KUNIT_EXPECT_FALSE(test, take_home(place_of(page)));
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, place_of(page),
					      GFP_KERNEL), -EBUSY);
	put_page(page);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.lender, place_of(page),
					      GFP_KERNEL), 0);
	KUNIT_EXPECT_TRUE(test, take_home(place_of(page)));
}

/* Held of the lender's own time: never lent, and taken back all the same. */
static void loan_held_before(struct kunit *test)
{
	struct page *page = stub.lender->contig->pages + 2;
	unsigned int i;

	get_page(page);
	lend_all(test);
	for (i = 0; i < 2 * PAGES; i++)
		KUNIT_EXPECT_PTR_NE(test, borrow(i % PAGES, 1), page);
	KUNIT_EXPECT_TRUE(test, take_home(2));
	put_page(page);
}

static void loan_give_back(struct kunit *test)
{
	unsigned int i;

	lend_all(test);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_NOT_NULL(test, borrow(i, i));
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.borrower, 1, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.borrower, 1, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.borrower, 9, GFP_KERNEL), 0);
	expect_stats(test, PAGES, 3);
	KUNIT_EXPECT_EQ(test, cow_loan_settle_all(stub.borrower), 0);
	expect_stats(test, PAGES, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_TRUE(test, has_byte(borrowers_page(i), i));
	KUNIT_EXPECT_EQ(test, nr_idle, PAGES);
}

/* What is lent becomes the borrower's, and is no loan to anybody any more. */
static void loan_lender_ends(struct kunit *test)
{
	struct page *page;

	lend_all(test);
	page = borrow(1, 0x11);
	KUNIT_ASSERT_NOT_NULL(test, page);
	vmo_clear(stub.lender);
	expect_stats(test, 0, 0);
	KUNIT_EXPECT_FALSE(test, cow_page_is_borrowed(page));
	KUNIT_EXPECT_PTR_EQ(test, borrowers_page(1), page);
	KUNIT_EXPECT_TRUE(test, has_byte(page, 0x11));
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.borrower, 1, GFP_KERNEL), 0);
	KUNIT_EXPECT_PTR_EQ(test, borrowers_page(1), page);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
}

static struct kunit_case contiguous_cases[] = {
	KUNIT_CASE(contig_range),
	KUNIT_CASE(contig_block),
	KUNIT_CASE(contig_tries),
	KUNIT_CASE(contig_obstacle),
	KUNIT_CASE(contig_create),
	{}
};

/* Whom nobody else is charged for goes on being, page by page. */
static void loan_lender_with_a_user_ends(struct kunit *test)
{
	struct cow_contig *contig = stub.lender->contig;
	struct user_struct *user = current_user();
	long before = atomic_long_read(&user->locked_vm);
	struct page *page;

	contig->user = get_uid(user);
	atomic_long_add(PAGES, &user->locked_vm);
	lend_all(test);
	page = borrow(0, 1);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, borrow(1, 2));
	vmo_clear(stub.lender);
	expect_stats(test, 0, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&user->locked_vm), before + 2);
	KUNIT_EXPECT_TRUE(test, cow_page_is_borrowed(page));
	KUNIT_EXPECT_NULL(test, cow_loan_validate(stub.borrower, page, BASE));
	/* It can still be replaced, as for a pin. */
	KUNIT_EXPECT_EQ(test, cow_loan_settle(stub.borrower, 0, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&user->locked_vm), before + 1);
	KUNIT_EXPECT_TRUE(test, has_byte(borrowers_page(0), 1));
	vmo_clear(stub.borrower);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&user->locked_vm), before);
	cow_contig_reap();
}

static struct kunit_case loan_cases[] = {
	KUNIT_CASE(loan_prepare),
	KUNIT_CASE(loan_home_again),
	KUNIT_CASE(loan_borrow_and_return),
	KUNIT_CASE(loan_borrow_all),
	KUNIT_CASE(loan_not_borrowed),
	KUNIT_CASE(loan_recall),
	KUNIT_CASE(loan_recall_idle),
	KUNIT_CASE(loan_recall_held),
	KUNIT_CASE(loan_held_before),
	KUNIT_CASE(loan_give_back),
	KUNIT_CASE(loan_lender_ends),
	KUNIT_CASE(loan_lender_with_a_user_ends),
	{}
};

static int loan_suite_init(struct kunit_suite *suite)
{
	return ptree_caches_create();
}

static void loan_suite_exit(struct kunit_suite *suite)
{
	ptree_caches_destroy();
}

static struct kunit_suite contiguous_suite = {
	.name = "cowvmo_contiguous",
	.suite_init = loan_suite_init,
	.suite_exit = loan_suite_exit,
	.init = loan_init,
	.exit = loan_exit,
	.test_cases = contiguous_cases,
};

static struct kunit_suite loan_suite = {
	.name = "cowvmo_loan",
	.suite_init = loan_suite_init,
	.suite_exit = loan_suite_exit,
	.init = loan_init,
	.exit = loan_exit,
	.test_cases = loan_cases,
};

kunit_test_suites(&contiguous_suite, &loan_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of cowvmo's contiguous memory and loans");
