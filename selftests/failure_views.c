// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation failing in turn, where slices and references are made, used
 * and mapped, and where a VMO is opened or sealed. failure_sweep.c has the
 * rest.
 */
#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"
#include "failure.h"
#include "sweep.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	900

/* --- What is run: page 20 of the slice is page 23 of the VMO. */

static int run_slice(struct scene *s)
{
	return made(s, vmo_slice(s->vmo, 3 * PG, 5 * PG));
}

static int run_slice_read_only(struct scene *s)
{
	return made(s, vmo_child_of(s->vmo, COWVMO_CHILD_SLICE,
				    COWVMO_CREATE_NO_WRITE, 3 * PG, 5 * PG));
}

static int run_slice_of_view(struct scene *s)
{
	return made(s, vmo_slice(s->view, 3 * PG, 5 * PG));
}

static int run_reference(struct scene *s)
{
	return made(s, vmo_reference(s->vmo, COWVMO_CREATE_RESIZABLE));
}

static int run_reference_read_only(struct scene *s)
{
	return made(s, vmo_reference(s->vmo, COWVMO_CREATE_NO_WRITE));
}

static int run_reference_of_view(struct scene *s)
{
	return made(s, vmo_reference(s->view, 0));
}

static int run_clone_of_view(struct scene *s)
{
	return made(s, vmo_child(s->view, 0, 3 * PG, 30 * PG));
}

static int run_open(struct scene *s)
{
	return made(s, vmo_open_read_only(s->vmo));
}

static int run_open_view(struct scene *s)
{
	return made(s, vmo_open_read_only(s->view));
}

static int map_and_touch(int fd, int prot, int how, int advice)
{
	void *mem = mmap(NULL, PG, prot, how, fd, 20 * PG);
	int rc;

	if (mem == MAP_FAILED)
		return -errno;
	rc = vmo_ret(madvise(mem, PG, advice));
	munmap(mem, PG);
	return rc;
}

static int run_map_view(struct scene *s)
{
	return map_and_touch(s->view, PROT_READ | PROT_WRITE, MAP_SHARED,
			     MADV_POPULATE_WRITE);
}

static int run_map_view_private(struct scene *s)
{
	return map_and_touch(s->view, PROT_READ, MAP_PRIVATE,
			     MADV_POPULATE_READ);
}

static int run_view_remove(struct scene *s)
{
	return map_and_touch(s->view, PROT_READ | PROT_WRITE, MAP_SHARED,
			     MADV_REMOVE);
}

static int run_view_write_hole(struct scene *s)
{
	return pat_fill(s->view, 4, 200);
}

static int run_view_write_copy(struct scene *s)
{
	return pat_fill(s->view, 18, 200);
}

static int run_view_write_past_end(struct scene *s)
{
	return pat_fill(s->view, PAGES + 3, 200);
}

static int run_view_zero(struct scene *s)
{
	return vmo_zero(s->view, 3 * PG, 27 * PG);
}

static int run_view_stream(struct scene *s)
{
	return vmo_set_stream_size(s->view, 5 * PG + 10);
}

static int run_view_commit(struct scene *s)
{
	return vmo_commit(s->view, 4 * PG, PG);
}

static int run_view_shrink(struct scene *s)
{
	return vmo_set_size(s->view, 5 * PG + 10);
}

static int run_view_ftruncate(struct scene *s)
{
	return vmo_ret(ftruncate(s->view, 5 * PG + 10));
}

static int run_close_view(struct scene *s)
{
	int rc = vmo_ret(close(s->view));

	s->view = -1;
	return rc;
}

/* The mapping of the scene goes: it could write. */
static int run_seal(struct scene *s)
{
	munmap(s->mem, PAGES * PG);
	return vmo_seal(s->vmo);
}

/* A mapping of what is sealed is no longer one that may write. */
static int run_map_sealed(struct scene *s)
{
	return map_and_touch(s->vmo, PROT_READ, MAP_SHARED,
			     MADV_POPULATE_READ);
}

/* --- The scenes */

static const struct play making_plays[] = {
	{ "slice", run_slice, FIXED },
	{ "slice_read_only", run_slice_read_only, FIXED },
	{ "slice_of_slice", run_slice_of_view, SLICED },
	{ "reference", run_reference, 0 },
	{ "reference_read_only", run_reference_read_only, 0 },
	{ "reference_of_reference", run_reference_of_view, REFERENCED },
	{ "slice_of_reference", run_slice_of_view, REFERENCED | FIXED },
	{ "clone_of_reference", run_clone_of_view, REFERENCED },
	{ "clone_of_reference_touched", run_clone_of_view,
	  REFERENCED | MAPPED | TOUCHED | HELD },
	{ "open", run_open, 0 },
	{ "open_slice", run_open_view, SLICED },
	{ "open_reference", run_open_view, REFERENCED },
};

static const struct play mapping_plays[] = {
	{ "map_slice", run_map_view, SLICED | SNAPSHOT },
	{ "map_slice_private", run_map_view_private, SLICED },
	{ "map_reference", run_map_view, REFERENCED | SNAPSHOT },
	{ "remove_in_slice", run_view_remove, SLICED | SNAPSHOT },
	{ "map_sealed", run_map_sealed, MAPPED | TOUCHED | SEALED },
};

static const struct play writing_plays[] = {
	{ "slice_write_hole", run_view_write_hole, SLICED },
	{ "slice_write_copy", run_view_write_copy, SLICED | SNAPSHOT },
	{ "slice_zero", run_view_zero, SLICED | SNAPSHOT },
	{ "slice_stream", run_view_stream, SLICED | SNAPSHOT },
	{ "slice_commit", run_view_commit, SLICED },
	{ "reference_write_copy", run_view_write_copy,
	  REFERENCED | SNAPSHOT },
	{ "reference_write_past_end", run_view_write_past_end, REFERENCED },
	{ "reference_shrink", run_view_shrink, REFERENCED | SNAPSHOT },
	{ "reference_ftruncate", run_view_ftruncate, REFERENCED | SNAPSHOT },
};

static const struct play ending_plays[] = {
	{ "seal", run_seal, MAPPED | TOUCHED | FREE | SURE },
	{ "close_slice", run_close_view, SLICED | FREE | SURE },
	{ "close_reference", run_close_view, REFERENCED | FREE | SURE },
};

TEST_F_TIMEOUT(failing, making, PATIENCE)
{
	sweep(_metadata, variant->way, making_plays,
	      ARRAY_SIZE(making_plays));
}

TEST_F_TIMEOUT(failing, mapping, PATIENCE)
{
	sweep(_metadata, variant->way, mapping_plays,
	      ARRAY_SIZE(mapping_plays));
}

TEST_F_TIMEOUT(failing, writing, PATIENCE)
{
	sweep(_metadata, variant->way, writing_plays,
	      ARRAY_SIZE(writing_plays));
}

TEST_F_TIMEOUT(failing, ending, PATIENCE)
{
	sweep(_metadata, variant->way, ending_plays,
	      ARRAY_SIZE(ending_plays));
}

TEST_HARNESS_MAIN
