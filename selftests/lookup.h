/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of LOOKUP share: a VMO with memory in some places. Include it
 * after the harness.
 */
#ifndef COWVMO_SELFTEST_LOOKUP_H
#define COWVMO_SELFTEST_LOOKUP_H

#include "maps.h"

#define PAGES	16U

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

FIXTURE(lookup) {
	struct vmo_stats start;
	struct cowvmo_page_state page[PAGES];
	__u64 next;
	int vmo;
};

/* Even pages have memory. */
FIXTURE_SETUP(lookup)
{
	unsigned int i;

	self->start = vmo_stats();
	self->vmo = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, pat_fill(self->vmo, i, i + 1));
	memset(self->page, 0xff, sizeof(self->page));
}

FIXTURE_TEARDOWN(lookup)
{
	struct vmo_stats now;

	close(self->vmo);
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

/* All pages of a VMO of PAGES pages, one entry each */
static inline int look(FIXTURE_DATA(lookup) * self, int fd, __u32 flags)
{
	return vmo_lookup(fd, flags, 0, PAGES * PG, self->page, PAGES,
			  &self->next);
}

#endif /* COWVMO_SELFTEST_LOOKUP_H */
