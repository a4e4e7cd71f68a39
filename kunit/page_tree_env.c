// SPDX-License-Identifier: GPL-2.0
/* The embedder's side of the page tree, for tests that run in one thread. */
#include <linux/gfp.h>

#include "page_tree_test.h"

static struct stub_page {
	bool live;
} stubs[TEST_PAGES];

static unsigned int next_stub;
static unsigned int live_stubs;
static unsigned int double_freed;

static long fail_after = -1;
static unsigned long fail_count;
static unsigned long failed;

void test_fail(struct ptree_test *test, const char *file, int line,
	       const char *what)
{
	test->failures++;
	test->fail(test, file, line, what);
}

/* A page that is not live, and has not been for as long as possible. */
struct page *test_page(void)
{
	unsigned int i;

	for (i = 0; i < TEST_PAGES; i++) {
		next_stub = (next_stub + 1) % TEST_PAGES;
		if (stubs[next_stub].live)
			continue;
		stubs[next_stub].live = true;
		live_stubs++;
		return (struct page *)&stubs[next_stub];
	}
	return NULL;
}

unsigned int test_page_id(const struct page *page)
{
	return (const struct stub_page *)page - stubs;
}

bool test_page_live(unsigned int id)
{
	return stubs[id].live;
}

unsigned int test_pages_live(void)
{
	return live_stubs;
}

unsigned int test_pages_double_freed(void)
{
	return double_freed;
}

void ptree_page_free(struct page *page, u32 flags)
{
	struct stub_page *stub = (struct stub_page *)page;

	if (!stub->live) {
		double_freed++;
		return;
	}
	stub->live = false;
	live_stubs--;
}

void test_fail_allocations(long after, unsigned long count)
{
	fail_after = after;
	fail_count = count;
	failed = 0;
}

unsigned long test_failed_allocations(void)
{
	return failed;
}

bool ptree_should_fail(void)
{
	if (fail_after < 0)
		return false;
	if (fail_after > 0) {
		fail_after--;
		return false;
	}
	if (!fail_count)
		return false;
	fail_count--;
	failed++;
	return true;
}

/* xorshift64*; never let @state be 0 */
u64 test_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}
