// SPDX-License-Identifier: GPL-2.0
/*
 * The page tree under KUnit: with the kernel's slab, its checkers, and the very
 * cases and model that run in user space.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "page_tree_test.h"

static unsigned long steps = 100;
module_param(steps, ulong, 0444);
MODULE_PARM_DESC(steps, "steps of each model run");

static unsigned long seed = 20251;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "seed of the model runs");

static void report(struct ptree_test *test, const char *file, int line,
		   const char *what)
{
	struct kunit *kunit = test->arg;

	if (test->failures <= 10)
		KUNIT_FAIL(kunit, "%s:%d: %s (seed %llu, step %lu)", file, line,
			   what, test->seed, test->step);
}

static void check_nothing_left(struct kunit *kunit)
{
	KUNIT_EXPECT_EQ(kunit, atomic_long_read(&ptree_nr_nodes), 0);
	KUNIT_EXPECT_EQ(kunit, atomic_long_read(&ptree_nr_descs), 0);
	KUNIT_EXPECT_EQ(kunit, test_pages_live(), 0);
	KUNIT_EXPECT_EQ(kunit, test_pages_double_freed(), 0);
}

static const void *unit_params(const void *prev, char *desc)
{
	const struct test_case *c = test_case_next(prev);

	if (c)
		strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
	return c;
}

/* One behaviour each; see page_tree_cases*.c. */
static void page_tree_unit(struct kunit *kunit)
{
	struct ptree_test test = { .fail = report, .arg = kunit };
	const struct test_case *c = kunit->param_value;

	c->run(&test);
	check_nothing_left(kunit);
}

static const void *model_params(const void *prev, char *desc)
{
	const char *const *layout = prev;

	layout = layout ? layout + 1 : model_layouts;
	if (layout == model_layouts + nr_model_layouts)
		return NULL;
	strscpy(desc, *layout, KUNIT_PARAM_DESC_SIZE);
	return layout;
}

/* Random steps against flat arrays; see page_tree_model.c. */
static void page_tree_model(struct kunit *kunit)
{
	struct ptree_test test = { .fail = report, .arg = kunit };
	const char *const *layout = kunit->param_value;
	struct model_result did = {};

	model_run(&test, layout - model_layouts, seed, steps, &did);
	kunit_info(kunit,
		   "seed %lu, %lu steps: %lu in place, %lu forked, %lu fresh, %lu failed, %lu kept, %lu grafted, %lu moved, %lu copied",
		   seed, steps, did.in_place, did.forked, did.fresh, did.failed,
		   did.kept, did.grafted, did.moved, did.copied);
	/* A run that never got there has tested nothing. */
	if (steps >= 100)
		KUNIT_EXPECT_TRUE(kunit,
				  did.in_place && did.forked && did.fresh);
	/* These are rarer, and not in every short run of a sparse layout. */
	if (steps >= 1000)
		KUNIT_EXPECT_TRUE(kunit,
				  did.grafted && did.moved && did.copied);
	check_nothing_left(kunit);
}

static int tree_suite_init(struct kunit_suite *suite)
{
	return ptree_caches_create();
}

static void tree_suite_exit(struct kunit_suite *suite)
{
	ptree_caches_destroy();
}

static struct kunit_case page_tree_cases[] = {
	KUNIT_CASE_PARAM(page_tree_unit, unit_params),
	KUNIT_CASE_PARAM(page_tree_model, model_params),
	{}
};

static struct kunit_suite page_tree_suite = {
	.name = "cowvmo_page_tree",
	.suite_init = tree_suite_init,
	.suite_exit = tree_suite_exit,
	.test_cases = page_tree_cases,
};

kunit_test_suite(page_tree_suite);

MODULE_DESCRIPTION("KUnit tests of the cowvmo page tree");
MODULE_LICENSE("GPL");
