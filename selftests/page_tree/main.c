// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the unit cases and the model test in user space; TAP on stdout.
 *
 *   page_tree_test [STEPS [SEED]]
 *
 * STEPS are those of one model run; SEED is a number, or "random".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "page_tree_test.h"

#define DEFAULT_STEPS	3000
#define RUNS		2

static void report(struct ptree_test *test, const char *file, int line,
		   const char *what)
{
	if (test->failures <= 10)
		printf("# %s:%d: %s (seed %llu, step %lu)\n", file, line, what,
		       test->seed, test->step);
}

static bool result(const struct ptree_test *test, unsigned int nr,
		   const char *name)
{
	printf("%sok %u - %s\n", test->failures ? "not " : "", nr, name);
	fflush(stdout);
	return !test->failures;
}

static bool run_case(const struct test_case *c, unsigned int nr)
{
	struct ptree_test test = { .fail = report };

	c->run(&test);
	CHECK(&test, !atomic_long_read(&ptree_nr_nodes));
	CHECK(&test, !atomic_long_read(&ptree_nr_descs));
	CHECK(&test, !test_pages_live());
	CHECK(&test, !test_pages_double_freed());
	return result(&test, nr, c->name);
}

static bool run_model(unsigned int nr, unsigned int layout, u64 seed,
		      unsigned long steps)
{
	struct ptree_test test = { .fail = report };
	struct model_result did = {};
	char name[120];

	model_run(&test, layout, seed, steps, &did);
	/* A run that never got there has tested nothing. */
	if (steps >= 1000)
		CHECK(&test, did.in_place && did.forked && did.fresh &&
		      did.failed && did.kept && did.grafted && did.moved &&
		      did.copied);
	printf("# %lu in place, %lu forked, %lu fresh, %lu failed, %lu kept, ",
	       did.in_place, did.forked, did.fresh, did.failed, did.kept);
	printf("%lu grafted, %lu moved, %lu copied\n", did.grafted, did.moved,
	       did.copied);
	snprintf(name, sizeof(name), "model: %s, seed %llu, %lu steps",
		 model_layouts[layout], seed, steps);
	return result(&test, nr, name);
}

int main(int argc, char **argv)
{
	unsigned long steps = DEFAULT_STEPS;
	unsigned int i, nr = 0, bad = 0;
	const struct test_case *c;
	u64 seed = 20251;

	if (argc > 1)
		steps = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		seed = strcmp(argv[2], "random") ? strtoull(argv[2], NULL, 0) :
						   (u64)time(NULL);
	if (ptree_caches_create())
		return 2;
	for (c = test_case_next(NULL); c; c = test_case_next(c))
		nr++;
	printf("TAP version 13\n1..%u\n", nr + RUNS * nr_model_layouts);
	nr = 0;
	for (c = test_case_next(NULL); c; c = test_case_next(c))
		bad += !run_case(c, ++nr);
	for (i = 0; i < RUNS * nr_model_layouts; i++)
		bad += !run_model(++nr, i % nr_model_layouts,
				  seed + i / nr_model_layouts, steps);
	ptree_caches_destroy();
	return bad ? 1 : 0;
}
