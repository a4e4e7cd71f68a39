/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of cache policies share: a VMO with some pages, for each
 * policy that is not the ordinary one. Include it after the harness.
 */
#ifndef COWVMO_SELFTEST_CACHE_POLICY_H
#define COWVMO_SELFTEST_CACHE_POLICY_H

#include "vmo.h"
#include "gup.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

#define CACHED	COWVMO_CACHE_CACHED
#define PAGES	40
/* What the fixture fills; the rest are holes. */
#define FILLED	20

FIXTURE(policy) {
	struct vmo_stats start;
	int vmo;
};

FIXTURE_VARIANT(policy) {
	__u32 policy;
	int mode;
};

FIXTURE_VARIANT_ADD(policy, uncached) {
	.policy = COWVMO_CACHE_UNCACHED, .mode = GUP_TEST_UC,
};

FIXTURE_VARIANT_ADD(policy, uncached_device) {
	.policy = COWVMO_CACHE_UNCACHED_DEVICE, .mode = GUP_TEST_UC,
};

FIXTURE_VARIANT_ADD(policy, write_combining) {
	.policy = COWVMO_CACHE_WRITE_COMBINING, .mode = GUP_TEST_WC,
};

static inline int fill(int vmo)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < FILLED; i++)
		rc = pat_fill(vmo, i, i + 1);
	return rc;
}

static inline int check(int vmo)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < PAGES; i++)
		rc = page_check(vmo, i, i < FILLED ? i + 1 : 0);
	return rc;
}

/* Whether the machine can have it is found out with a VMO of its own. */
static inline int offers(__u32 policy)
{
	int vmo = vmo_new(PG, 0);
	int rc = vmo_set_cache_policy(vmo, policy);

	close(vmo);
	return rc;
}

FIXTURE_SETUP(policy)
{
	int rc = offers(variant->policy);

	/* A kernel without a page attribute table */
	if (rc == -EOPNOTSUPP && variant->mode == GUP_TEST_WC)
		SKIP(return, "not offered by this kernel");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, gup_load());
	self->start = vmo_stats();
	self->vmo = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, fill(self->vmo));
}

FIXTURE_TEARDOWN(policy)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

#define SET_POLICY()							\
	ASSERT_EQ(0, vmo_set_cache_policy(self->vmo, variant->policy))

#endif /* COWVMO_SELFTEST_CACHE_POLICY_H */
