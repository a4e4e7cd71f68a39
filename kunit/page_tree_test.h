/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the unit cases and the model test of the page tree stand on. All of it
 * compiles in user space and in a KUnit module.
 */
#ifndef PAGE_TREE_TEST_H
#define PAGE_TREE_TEST_H

#include <linux/types.h>

#include "page_tree.h"

/**
 * struct ptree_test - one test in progress
 * @fail: reports a check that did not hold
 * @failures: how many did not
 * @seed: of the model run
 * @step: of the model run
 * @arg: the runner's
 */
struct ptree_test {
	void (*fail)(struct ptree_test *test, const char *file, int line,
		     const char *what);
	unsigned int failures;
	u64 seed;
	unsigned long step;
	void *arg;
};

/* True if @cond holds; otherwise the test fails, and goes on. */
#define CHECK(test, cond) \
	((cond) ? true : (test_fail(test, __FILE__, __LINE__, #cond), false))

/* @str is a result that says what is wrong, NULL being right. */
#define CHECK_NULL(test, str)						\
do {									\
	const char *__str = (str);					\
									\
	if (__str)							\
		test_fail(test, __FILE__, __LINE__, __str);		\
} while (0)

void test_fail(struct ptree_test *test, const char *file, int line,
	       const char *what);

/**
 * struct test_case - a unit case
 * @name: what it is about
 * @run: does it; all trees are empty again in the end
 */
struct test_case {
	const char *name;
	void (*run)(struct ptree_test *test);
};

/* The first case, or the one after @prev, or NULL. */
const struct test_case *test_case_next(const struct test_case *prev);

/**
 * struct model_result - what a model run did
 * @in_place: writes that found the page exclusive
 * @forked: writes that replaced a shared page
 * @fresh: writes to a hole
 * @failed: operations that failed for an injected reason
 * @kept: marks that stayed at a clone
 * @grafted: pages that one tree got from another
 * @moved: pages that went to another index
 * @copied: pages whose copies went there
 */
struct model_result {
	unsigned long in_place;
	unsigned long forked;
	unsigned long fresh;
	unsigned long failed;
	unsigned long kept;
	unsigned long grafted;
	unsigned long moved;
	unsigned long copied;
};

extern const char *const model_layouts[];
extern const unsigned int nr_model_layouts;

void model_run(struct ptree_test *test, unsigned int layout, u64 seed,
	       unsigned long steps, struct model_result *result);

/* Pages that hold nothing but a number, and injected failures */
#define TEST_PAGES	8192

struct page *test_page(void);
unsigned int test_page_id(const struct page *page);
bool test_page_live(unsigned int id);
unsigned int test_pages_live(void);
unsigned int test_pages_double_freed(void);

/*
 * The next @after allocations succeed, then @count fail; a negative @after
 * lets all succeed.
 */
void test_fail_allocations(long after, unsigned long count);
unsigned long test_failed_allocations(void);

u64 test_random(u64 *state);

#endif /* PAGE_TREE_TEST_H */
