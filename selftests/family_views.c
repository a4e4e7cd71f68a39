// SPDX-License-Identifier: GPL-2.0
/*
 * Families with slices and references, closed in every order: after each step
 * content, parents, children, whose the memory is and what is really allocated
 * are what the model says.
 */
#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

#define PAGES		5U

enum kind { K_NONE, K_SNAPSHOT, K_SLICE, K_REFERENCE };

/* All but the first, and what each is made from */
struct shape {
	struct {
		enum kind kind;
		int of;
	} member[KIN_MAX];
};

/* What the members write before any is closed */
enum scribble { S_NOTHING, S_OWN_PAGE, S_ALL, S_ZERO };

FIXTURE(views) {
	struct kin kin;
};

FIXTURE_VARIANT(views) {
	struct shape shape;
	__u32 flags;
};

FIXTURE_VARIANT_ADD(views, one_of_each) {
	.shape = { { { K_NONE, 0 }, { K_SNAPSHOT, 0 }, { K_SLICE, 0 },
		     { K_REFERENCE, 0 } } },
};

FIXTURE_VARIANT_ADD(views, below_a_reference) {
	.shape = { { { K_NONE, 0 }, { K_REFERENCE, 0 }, { K_SNAPSHOT, 1 },
		     { K_SLICE, 1 } } },
};

FIXTURE_VARIANT_ADD(views, below_a_snapshot) {
	.shape = { { { K_NONE, 0 }, { K_SNAPSHOT, 0 }, { K_SLICE, 1 },
		     { K_REFERENCE, 1 } } },
};

FIXTURE_VARIANT_ADD(views, slice_of_slice) {
	.shape = { { { K_NONE, 0 }, { K_SLICE, 0 }, { K_SLICE, 1 },
		     { K_REFERENCE, 0 } } },
};

FIXTURE_VARIANT_ADD(views, snapshot_chain) {
	.shape = { { { K_NONE, 0 }, { K_SNAPSHOT, 0 }, { K_SNAPSHOT, 1 },
		     { K_REFERENCE, 1 } } },
};

FIXTURE_VARIANT_ADD(views, snapshot_chain_by_references) {
	.shape = { { { K_NONE, 0 }, { K_REFERENCE, 0 }, { K_SNAPSHOT, 1 },
		     { K_REFERENCE, 2 } } },
	.flags = COWVMO_CREATE_RESIZABLE,
};

FIXTURE_VARIANT_ADD(views, references_of_references) {
	.shape = { { { K_NONE, 0 }, { K_REFERENCE, 0 }, { K_REFERENCE, 1 },
		     { K_SNAPSHOT, 2 } } },
	.flags = COWVMO_CREATE_RESIZABLE,
};

FIXTURE_VARIANT_ADD(views, slices_of_both) {
	.shape = { { { K_NONE, 0 }, { K_SNAPSHOT, 0 }, { K_SLICE, 0 },
		     { K_SLICE, 1 } } },
};

FIXTURE_VARIANT_ADD(views, slices_of_original_and_reference) {
	.shape = { { { K_NONE, 0 }, { K_REFERENCE, 0 }, { K_SLICE, 0 },
		     { K_SLICE, 1 } } },
};

FIXTURE_VARIANT_ADD(views, five) {
	.shape = { { { K_NONE, 0 }, { K_REFERENCE, 0 }, { K_SNAPSHOT, 0 },
		     { K_SLICE, 1 }, { K_SNAPSHOT, 1 } } },
};

FIXTURE_SETUP(views)
{
	kin_init(&self->kin);
	self->kin.flags = variant->flags;
	ASSERT_LE(0, self->kin.start.vmos);
}

FIXTURE_TEARDOWN(views)
{
	kin_close_all(&self->kin);
	EXPECT_EQ(0, kin_gone(&self->kin));
}

static unsigned int count(const struct shape *shape)
{
	unsigned int n = 1;

	while (n < KIN_MAX && shape->member[n].kind)
		n++;
	return n;
}

/* Slices leave out their parent's first page. */
static int make(struct kin *kin, const struct shape *shape, int who)
{
	int of = shape->member[who].of;

	switch (shape->member[who].kind) {
	case K_SNAPSHOT:
		return kin_clone(kin, who, of, 0, PAGES);
	case K_SLICE:
		return kin_slice(kin, who, of, 1, kin_pages(kin, of) - 1);
	default:
		return kin_reference(kin, who, of);
	}
}

static int scribble(struct kin *kin, int who, enum scribble how)
{
	unsigned int pages = kin_pages(kin, who);

	switch (how) {
	case S_OWN_PAGE:
		return kin_write(kin, who, who % pages);
	case S_ALL:
		return who % 2 ? kin_write_all(kin, who) : 0;
	case S_ZERO:
		return kin_zero(kin, who, who % pages, 1);
	default:
		return 0;
	}
}

static int build(struct kin *kin, const struct shape *shape,
		 enum scribble how)
{
	unsigned int i, n = count(shape);
	int rc = kin_create(kin, 0, PAGES);

	rc = rc ?: kin_write_all(kin, 0);
	for (i = 1; !rc && i < n; i++)
		rc = make(kin, shape, i);
	for (i = 0; !rc && i < n; i++)
		rc = scribble(kin, i, how);
	return rc;
}

/* Whoever is left writes a page: in place or not, as the model says. */
static int write_on(struct kin *kin)
{
	unsigned int i;

	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].fd >= 0)
			return kin_write(kin, i, kin_pages(kin, i) - 1);
	return 0;
}

static unsigned int factorial(unsigned int n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

static void close_all_ways(struct __test_metadata *_metadata, struct kin *kin,
			   const struct shape *shape, enum scribble how)
{
	unsigned int nth, i, n = count(shape);
	int order[KIN_MAX];

	for (nth = 0; nth < factorial(n); nth++) {
		ASSERT_EQ(0, build(kin, shape, how));
		kin_permutation(nth, n, order);
		for (i = 0; i < n; i++) {
			ASSERT_EQ(0, kin_check(kin))
				TH_LOG("order %u, closed %u", nth, i);
			ASSERT_EQ(0, kin_close(kin, order[i]));
			if (nth % 2)
				ASSERT_EQ(0, write_on(kin));
		}
		ASSERT_EQ(0, kin_gone(kin));
	}
}

TEST_F_TIMEOUT(views, closed_unwritten, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, &variant->shape, S_NOTHING);
}

TEST_F_TIMEOUT(views, closed_with_own_pages, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, &variant->shape, S_OWN_PAGE);
}

TEST_F_TIMEOUT(views, closed_all_written, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, &variant->shape, S_ALL);
}

TEST_F_TIMEOUT(views, closed_with_holes, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, &variant->shape, S_ZERO);
}

/* --- Snapshots after the original is gone, and resizing through references */

TEST(resized_through_a_reference)
{
	struct kin kin;

	kin_init(&kin);
	ASSERT_EQ(0, kin_create(&kin, 0, 4));
	ASSERT_EQ(0, kin_write_all(&kin, 0));
	ASSERT_EQ(0, kin_reference(&kin, 1, 0));
	ASSERT_EQ(0, kin_clone(&kin, 2, 1, 1, 3));
	ASSERT_EQ(0, kin_close(&kin, 0));
	ASSERT_EQ(0, kin_check(&kin));
	ASSERT_EQ(0, kin_resize(&kin, 1, 2));
	ASSERT_EQ(0, kin_check(&kin));
	ASSERT_EQ(0, kin_resize(&kin, 1, 6));
	ASSERT_EQ(0, kin_write(&kin, 1, 5));
	ASSERT_EQ(0, kin_check(&kin));
	ASSERT_EQ(0, kin_clone(&kin, 3, 1, 0, 6));
	ASSERT_EQ(0, kin_reference(&kin, 4, 1));
	ASSERT_EQ(0, kin_check(&kin));
	ASSERT_EQ(0, kin_close(&kin, 1));
	ASSERT_EQ(0, kin_write(&kin, 4, 5));
	ASSERT_EQ(0, kin_commit(&kin, 4, 4));
	ASSERT_EQ(0, kin_check(&kin));
	kin_close_all(&kin);
	ASSERT_EQ(0, kin_gone(&kin));
}

TEST_HARNESS_MAIN
