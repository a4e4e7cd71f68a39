// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation failing in turn, where contiguous VMOs are made and used.
 * failure_sweep.c has the rest.
 */
#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"
#include "failure.h"
#include "sweep.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	900

/* --- What is run */

static int run_create(struct scene *s)
{
	return made(s, vmo_contiguous(16 * PG, 0));
}

static int run_create_trimmed(struct scene *s)
{
	return made(s, vmo_contiguous(37 * PG, 20));
}

/* What the page allocator does not have */
static int run_create_emptied(struct scene *s)
{
	return made(s, vmo_contiguous(3 * PG, 23));
}

static int run_slice(struct scene *s)
{
	return made(s, vmo_slice(s->vmo, 3 * PG, 5 * PG));
}

static int run_write(struct scene *s)
{
	return pat_fill(s->vmo, 20, 200);
}

static int run_zero(struct scene *s)
{
	return vmo_zero(s->vmo, 3 * PG + 5, 27 * PG);
}

static int run_commit(struct scene *s)
{
	return vmo_commit(s->vmo, 0, PAGES * PG);
}

static int run_pin(struct scene *s)
{
	s->pins[3] = vmo_pin(s->vmo, COWVMO_PIN_WRITE, 3 * PG, 20 * PG);
	return s->pins[3] < 0 ? s->pins[3] : 0;
}

static int run_uncached(struct scene *s)
{
	return vmo_set_cache_policy(s->vmo, COWVMO_CACHE_UNCACHED);
}

static int run_close(struct scene *s)
{
	int rc = vmo_ret(close(s->view));

	s->view = -1;
	return rc;
}

static const struct play making_plays[] = {
	{ "contiguous", run_create, 0 },
	{ "contiguous_trimmed", run_create_trimmed, 0 },
	{ "contiguous_emptied", run_create_emptied, 0 },
	{ "contiguous_slice", run_slice, CONTIGUOUS },
};

static const struct play using_plays[] = {
	{ "contiguous_write", run_write, CONTIGUOUS | FREE | SURE },
	{ "contiguous_zero", run_zero, CONTIGUOUS | FREE | SURE },
	{ "contiguous_commit", run_commit, CONTIGUOUS | FREE | SURE },
	{ "contiguous_pin", run_pin, CONTIGUOUS },
	{ "contiguous_uncached", run_uncached, CONTIGUOUS | UNMAPPED },
	{ "contiguous_close", run_close, CONTIGUOUS | SLICED | FREE | SURE },
};

FIXTURE(failing) {
};

FIXTURE_VARIANT(failing) {
	const struct way *way;
};

FIXTURE_VARIANT_ADD(failing, once) { .way = &once };
FIXTURE_VARIANT_ADD(failing, from_then_on) { .way = &all };
FIXTURE_VARIANT_ADD(failing, in_the_kernel) { .way = &kernel };

FIXTURE_SETUP(failing)
{
	if (variant->way == &kernel && !kernel_injects())
		SKIP(return, "kernel without fault injection");
}

FIXTURE_TEARDOWN(failing)
{
}

TEST_F_TIMEOUT(failing, making, PATIENCE)
{
	sweep(_metadata, variant->way, making_plays,
	      ARRAY_SIZE(making_plays));
}

TEST_F_TIMEOUT(failing, using, PATIENCE)
{
	sweep(_metadata, variant->way, using_plays, ARRAY_SIZE(using_plays));
}

TEST_HARNESS_MAIN
