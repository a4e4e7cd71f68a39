// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation failing in turn, where contiguous VMOs are made and used, and
 * where their pages are lent and taken back. failure_sweep.c has the rest.
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

/* Loans: page 20 of the lender is away. */

static int run_decommit(struct scene *s)
{
	return vmo_decommit(s->vmo, 3 * PG, 20 * PG);
}

static int run_commit_one(struct scene *s)
{
	return vmo_commit(s->vmo, 20 * PG, PG);
}

static int run_read(struct scene *s)
{
	int byte = vmo_get_byte(s->vmo, 20 * PG + 5);

	return byte < 0 ? byte : 0;
}

static int run_fault_read(struct scene *s)
{
	return vmo_ret(madvise(s->mem + 20 * PG, PG, MADV_POPULATE_READ));
}

static int run_fault_write(struct scene *s)
{
	return vmo_ret(madvise(s->mem + 20 * PG, PG, MADV_POPULATE_WRITE));
}

static int run_pin_one(struct scene *s)
{
	s->pins[3] = vmo_pin(s->vmo, 0, 20 * PG, PG);
	return s->pins[3] < 0 ? s->pins[3] : 0;
}

/* The borrower's page 0 */

static int run_pin_borrowed(struct scene *s)
{
	s->pins[3] = vmo_pin(s->vmo, COWVMO_PIN_WRITE, 0, PG);
	return s->pins[3] < 0 ? s->pins[3] : 0;
}

static int run_write_borrowed(struct scene *s)
{
	return pat_fill(s->vmo, 0, 200);
}

static int run_transfer_borrowed(struct scene *s)
{
	return vmo_transfer(s->vmo, 39 * PG, s->vmo, 0, PG, NULL);
}

static int run_snapshot_borrowed(struct scene *s)
{
	return made(s, vmo_snapshot(s->vmo));
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

static const struct play lending_plays[] = {
	{ "lend", run_decommit, CONTIGUOUS },
	{ "take_back_commit", run_commit_one, CONTIGUOUS | LENDING },
	{ "take_back_write", run_write, CONTIGUOUS | LENDING },
	{ "take_back_read", run_read, CONTIGUOUS | LENDING },
	{ "take_back_pin", run_pin_one, CONTIGUOUS | LENDING },
	{ "take_back_fault_read", run_fault_read,
	  CONTIGUOUS | LENDING },
	{ "take_back_fault_write", run_fault_write,
	  CONTIGUOUS | LENDING },
};

static const struct play borrowing_plays[] = {
	{ "borrowed_pin", run_pin_borrowed, BORROWING },
	{ "borrowed_write", run_write_borrowed, BORROWING | FREE | SURE },
	{ "borrowed_write_shared", run_write_borrowed, BORROWING | SNAPSHOT },
	{ "borrowed_transfer", run_transfer_borrowed, BORROWING },
	{ "borrowed_snapshot", run_snapshot_borrowed, BORROWING },
};

TEST_F_TIMEOUT(failing, making, PATIENCE)
{
	sweep(_metadata, variant->way, making_plays,
	      ARRAY_SIZE(making_plays));
}

TEST_F_TIMEOUT(failing, using, PATIENCE)
{
	sweep(_metadata, variant->way, using_plays, ARRAY_SIZE(using_plays));
}

TEST_F_TIMEOUT(failing, lending, PATIENCE)
{
	sweep(_metadata, variant->way, lending_plays,
	      ARRAY_SIZE(lending_plays));
}

TEST_F_TIMEOUT(failing, borrowing, PATIENCE)
{
	sweep(_metadata, variant->way, borrowing_plays,
	      ARRAY_SIZE(borrowing_plays));
}

TEST_HARNESS_MAIN
