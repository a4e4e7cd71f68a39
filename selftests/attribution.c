// SPDX-License-Identifier: GPL-2.0
/*
 * Attribution: populated, private and scaled bytes are exact at every moment,
 * and what a family is charged adds up to the pages that exist.
 */
#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

FIXTURE(matrix) {
	struct kin kin;
};

/* Parent has 6 pages, the last one empty; the clone covers a part of it. */
FIXTURE_VARIANT(matrix) {
	unsigned int first, pages;
	bool clone_of_clone;
};

FIXTURE_VARIANT_ADD(matrix, whole) { .first = 0, .pages = 6 };
FIXTURE_VARIANT_ADD(matrix, head) { .first = 0, .pages = 2 };
FIXTURE_VARIANT_ADD(matrix, middle) { .first = 2, .pages = 2 };
FIXTURE_VARIANT_ADD(matrix, tail) { .first = 4, .pages = 2 };
FIXTURE_VARIANT_ADD(matrix, beyond) { .first = 3, .pages = 8 };
FIXTURE_VARIANT_ADD(matrix, outside) { .first = 7, .pages = 3 };
FIXTURE_VARIANT_ADD(matrix, empty) { .first = 1, .pages = 0 };
FIXTURE_VARIANT_ADD(matrix, grandchild) {
	.first = 1, .pages = 4, .clone_of_clone = true,
};

FIXTURE_SETUP(matrix)
{
	kin_init(&self->kin);
}

FIXTURE_TEARDOWN(matrix)
{
	kin_close_all(&self->kin);
	EXPECT_EQ(0, kin_gone(&self->kin));
}

/* Member 0 is the original, 1 the clone looked at, 2 one in between. */
static int family(struct kin *kin, const FIXTURE_VARIANT(matrix) * variant)
{
	unsigned int p;
	int rc = kin_create(kin, 0, 6);

	for (p = 0; !rc && p < 5; p++)
		rc = kin_write(kin, 0, p);
	if (!rc && variant->clone_of_clone)
		rc = kin_clone(kin, 2, 0, 0, 6);
	if (rc)
		return rc;
	return kin_clone(kin, 1, variant->clone_of_clone ? 2 : 0,
			 variant->first, variant->pages);
}

/* Writes of one member: every page, checked after each */
static void write_each(struct __test_metadata *_metadata, struct kin *kin,
		       int who)
{
	unsigned int p;

	for (p = 0; p < kin->member[who].pages; p++) {
		ASSERT_EQ(0, kin_write(kin, who, p));
		ASSERT_EQ(0, kin_check(kin)) TH_LOG("page %u", p);
	}
}

/* Bits of @writers: 1 the original, 2 the clone */
static void run_matrix(struct __test_metadata *_metadata,
		       FIXTURE_DATA(matrix) * self,
		       const FIXTURE_VARIANT(matrix) * variant,
		       unsigned int writers)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 2, 0, 1 },
					 { 2, 1, 0 }, { 0, 2, 1 }, { 1, 2, 0 } };
	struct kin *kin = &self->kin;
	unsigned int o, i;

	for (o = 0; o < ARRAY_SIZE(orders); o++) {
		ASSERT_EQ(0, family(kin, variant));
		ASSERT_EQ(0, kin_check(kin));
		if (writers & 1)
			write_each(_metadata, kin, 0);
		if (writers & 2)
			write_each(_metadata, kin, 1);
		for (i = 0; i < 3; i++) {
			if (kin->member[orders[o][i]].fd < 0)
				continue;
			ASSERT_EQ(0, kin_close(kin, orders[o][i]));
			ASSERT_EQ(0, kin_check(kin))
				TH_LOG("close order %u, closed %d", o,
				       orders[o][i]);
		}
		ASSERT_EQ(0, kin_gone(kin));
	}
}

TEST_F_TIMEOUT(matrix, nobody_writes, PATIENCE)
{
	run_matrix(_metadata, self, variant, 0);
}

TEST_F_TIMEOUT(matrix, parent_writes, PATIENCE)
{
	run_matrix(_metadata, self, variant, 1);
}

TEST_F_TIMEOUT(matrix, child_writes, PATIENCE)
{
	run_matrix(_metadata, self, variant, 2);
}

TEST_F_TIMEOUT(matrix, both_write, PATIENCE)
{
	run_matrix(_metadata, self, variant, 3);
}

TEST_F_TIMEOUT(matrix, zero_and_commit, PATIENCE)
{
	struct kin *kin = &self->kin;
	unsigned int p, pages = variant->pages;

	ASSERT_EQ(0, family(kin, variant));
	for (p = 0; p < pages; p += 2)
		ASSERT_EQ(0, kin_zero(kin, 1, p, 1));
	EXPECT_EQ(0, kin_check(kin));
	for (p = 0; p < pages; p++)
		ASSERT_EQ(0, kin_commit(kin, 1, p));
	EXPECT_EQ(0, kin_check(kin));
	ASSERT_EQ(0, kin_commit(kin, 0, 2));
	ASSERT_EQ(0, kin_zero(kin, 0, 3, 2));
	EXPECT_EQ(0, kin_check(kin));
}

TEST_F_TIMEOUT(matrix, resize, PATIENCE)
{
	struct kin *kin = &self->kin;

	ASSERT_EQ(0, family(kin, variant));
	ASSERT_EQ(0, kin_resize(kin, 0, 3));
	EXPECT_EQ(0, kin_check(kin));
	ASSERT_EQ(0, kin_resize(kin, 1, 1));
	EXPECT_EQ(0, kin_check(kin));
	ASSERT_EQ(0, kin_resize(kin, 0, 8));
	ASSERT_EQ(0, kin_resize(kin, 1, 8));
	EXPECT_EQ(0, kin_check(kin));
	ASSERT_EQ(0, kin_write(kin, 0, 3));
	ASSERT_EQ(0, kin_write(kin, 1, 7));
	EXPECT_EQ(0, kin_check(kin));
}

/* --- More than two */

/* Pages divided by 3, 5 and 7 leave fractions that must add up again. */
static void sharers(struct __test_metadata *_metadata, unsigned int n)
{
	struct cowvmo_get_info info;
	struct kin kin;
	unsigned int i;

	kin_init(&kin);
	ASSERT_EQ(0, kin_create(&kin, 0, 5));
	ASSERT_EQ(0, kin_write_all(&kin, 0));
	for (i = 1; i < n; i++)
		ASSERT_EQ(0, kin_clone(&kin, i, i / 2, 0, 5));
	EXPECT_EQ(0, kin_check(&kin));
	ASSERT_EQ(0, vmo_info(kin.member[n - 1].fd, &info,
			      COWVMO_INFO_MEMORY));
	EXPECT_EQ(0, info.out_private_bytes);
	EXPECT_EQ(5 * PG, info.out_populated_bytes);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kin_write(&kin, i, i % 5));
		EXPECT_EQ(0, kin_check(&kin));
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, kin_close(&kin, (i * 3 + 1) % n));
		EXPECT_EQ(0, kin_check(&kin));
	}
	EXPECT_EQ(0, kin_gone(&kin));
}

TEST(two_sharers)
{
	sharers(_metadata, 2);
}

TEST(five_sharers)
{
	sharers(_metadata, 5);
}

TEST(seven_sharers)
{
	sharers(_metadata, 7);
}

/* A page shared by three, another by two, a third by nobody: in one VMO */
TEST(unevenly_shared)
{
	struct kin kin;

	kin_init(&kin);
	ASSERT_EQ(0, kin_create(&kin, 0, 3));
	ASSERT_EQ(0, kin_write_all(&kin, 0));
	ASSERT_EQ(0, kin_clone(&kin, 1, 0, 0, 2));
	ASSERT_EQ(0, kin_clone(&kin, 2, 1, 0, 1));
	EXPECT_EQ(0, kin_check(&kin));
	EXPECT_EQ(PG, vmo_private(kin.member[0].fd));
	EXPECT_EQ(0, vmo_private(kin.member[1].fd));
	ASSERT_EQ(0, kin_close(&kin, 1));
	EXPECT_EQ(0, kin_check(&kin));
	EXPECT_EQ(2 * PG, vmo_private(kin.member[0].fd));
	kin_close_all(&kin);
	EXPECT_EQ(0, kin_gone(&kin));
}

/* One step of a random walk over a family */
static int random_step(struct kin *kin, unsigned int r)
{
	int a = r % KIN_MAX, b = r / 8 % KIN_MAX;
	unsigned int page = r / 64 % KIN_PAGES;
	struct kin_member *m = &kin->member[a];

	if (m->fd < 0 && kin->member[b].fd < 0)
		return kin_create(kin, a, KIN_PAGES);
	if (m->fd < 0)
		return kin_clone(kin, a, b, page, KIN_PAGES - page);
	if (r >> 20 & 1 && page < m->pages)
		return kin_write(kin, a, page);
	if (r >> 21 & 1 && page < m->pages)
		return kin_zero(kin, a, page, 1);
	return r >> 22 & 1 ? kin_close(kin, a) : 0;
}

FIXTURE(large) {
	struct kin kin;
};

FIXTURE_SETUP(large)
{
	kin_init(&self->kin);
}

FIXTURE_TEARDOWN(large)
{
	kin_close_all(&self->kin);
	EXPECT_EQ(0, kin_gone(&self->kin));
}

TEST_F_TIMEOUT(large, random_walk, PATIENCE)
{
	unsigned int step, seed = 12345;

	ASSERT_EQ(0, kin_create(&self->kin, 0, KIN_PAGES));
	for (step = 0; step < 300; step++) {
		ASSERT_EQ(0, random_step(&self->kin, rand_r(&seed)));
		ASSERT_EQ(0, kin_check(&self->kin)) TH_LOG("step %u", step);
	}
}

/* One step among four, who resize, write, clear, commit, clone and close */
static int step_of_four(struct kin *kin, unsigned int r)
{
	int a = r % 4, b = r / 4 % 4;
	unsigned int page = r / 16 % KIN_PAGES;
	struct kin_member *m = &kin->member[a];

	if (m->fd < 0)
		return kin->member[b].fd < 0 ? 0 :
		       kin_clone(kin, a, b, page, 1 + r / 128 % KIN_PAGES);
	if (page >= m->pages)
		return kin_resize(kin, a, page + 1);
	switch (r >> 20 & 7) {
	case 0:
		return kin->member[b].fd < 0 || a == b ? 0 : kin_close(kin, a);
	case 1:
		return kin_resize(kin, a, page);
	case 2:
		return kin_zero(kin, a, page, 1);
	case 3:
		return kin_commit(kin, a, page);
	default:
		return kin_write(kin, a, page);
	}
}

/* At every moment of any history the scaled bytes are what there really is. */
TEST_F_TIMEOUT(large, histories_of_four, PATIENCE)
{
	unsigned int seed, step, state;
	struct kin *kin = &self->kin;

	kin->quick = true;
	for (seed = 1; seed <= 40; seed++) {
		state = seed;
		kin->next = 0;
		ASSERT_EQ(0, kin_create(kin, 0, KIN_PAGES));
		ASSERT_EQ(0, kin_write_all(kin, 0));
		for (step = 0; step < 40; step++) {
			ASSERT_EQ(0, step_of_four(kin, rand_r(&state)));
			ASSERT_EQ(0, kin_check(kin))
				TH_LOG("seed %u step %u", seed, step);
		}
		kin_close_all(kin);
		ASSERT_EQ(0, kin_gone(kin));
	}
}

/* --- What has no content of its own */

static int counts_nothing(int fd)
{
	struct cowvmo_get_info info;
	struct stat st;

	if (vmo_info(fd, &info, COWVMO_INFO_MEMORY) || fstat(fd, &st))
		return -errno;
	return info.out_populated_bytes || info.out_private_bytes ||
	       info.out_scaled_bytes || info.out_scaled_fraction ||
	       info.out_metadata_bytes || info.out_committed_bytes ||
	       info.out_committed_private_bytes ||
	       info.out_committed_scaled_bytes ||
	       info.out_committed_scaled_fraction || st.st_blocks ?
	       -EILSEQ : 0;
}

/* 0 if this VMO is what @populated bytes, @private of them, are counted as */
static int counts(int fd, __u64 populated, __u64 private)
{
	struct cowvmo_get_info info;
	struct stat st;

	if (vmo_info(fd, &info, COWVMO_INFO_MEMORY) || fstat(fd, &st))
		return -errno;
	return info.out_populated_bytes != populated ||
	       info.out_private_bytes != private ||
	       info.out_committed_bytes != populated ||
	       info.out_committed_private_bytes != private ||
	       info.out_committed_scaled_bytes != info.out_scaled_bytes ||
	       info.out_committed_scaled_fraction !=
	       info.out_scaled_fraction ||
	       (__u64)st.st_blocks * 512 != populated ? -EILSEQ : 0;
}

/* Memory is the VMO's, however many show it; then the oldest reference's. */
TEST(slices_and_references)
{
	int fd = vmo_new(4 * PG, 0), slice, first, second, inner, child;

	ASSERT_EQ(0, vmo_commit(fd, 0, 3 * PG));
	slice = vmo_slice(fd, 0, 2 * PG);
	inner = vmo_slice(slice, PG, PG);
	first = vmo_reference(fd, 0);
	second = vmo_reference(first, 0);
	EXPECT_EQ(0, counts(fd, 3 * PG, 3 * PG));
	EXPECT_EQ(0, counts_nothing(slice));
	EXPECT_EQ(0, counts_nothing(inner));
	EXPECT_EQ(0, counts_nothing(first));
	EXPECT_EQ(0, counts_nothing(second));
	child = vmo_snapshot(second);
	ASSERT_EQ(0, pat_fill(slice, 1, 5));
	EXPECT_EQ(0, counts(fd, 3 * PG, PG));
	EXPECT_EQ(0, counts(child, 3 * PG, PG));
	EXPECT_EQ(0, counts_nothing(slice));
	/* A slice keeps its parent, which goes on counting. */
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, counts_nothing(first));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, counts_nothing(first));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, counts(first, 3 * PG, PG));
	EXPECT_EQ(0, counts_nothing(second));
	EXPECT_EQ(0, close(first));
	EXPECT_EQ(0, counts(second, 3 * PG, PG));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, counts(second, 3 * PG, 3 * PG));
	EXPECT_EQ(0, close(second));
	EXPECT_EQ(0, vmo_validate());
}

/* --- What is asked for, and what it costs */

TEST(only_what_is_wanted)
{
	struct cowvmo_get_info info;
	int fd = vmo_new(2 * PG, 0);

	ASSERT_EQ(0, pat_fill(fd, 0, 1));
	memset(&info, 0xff, sizeof(info));
	info.size = sizeof(info);
	info.want = 0;
	ASSERT_EQ(0, ioctl(fd, COWVMO_IOC_GET_INFO, &info));
	EXPECT_EQ(PG, info.out_populated_bytes);
	EXPECT_EQ(0, info.out_private_bytes);
	EXPECT_EQ(0, info.out_scaled_bytes);
	EXPECT_EQ(0, info.out_scaled_fraction);
	EXPECT_EQ(0, info.out_metadata_bytes);
	EXPECT_EQ(0, close(fd));
}

/* 64 bytes a page are the budget of a densely populated VMO. */
TEST_F_TIMEOUT(large, metadata, PATIENCE)
{
	const unsigned int pages = 8192;
	struct cowvmo_get_info info;
	struct stat st;
	int fd = vmo_new(pages * PG, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vmo_commit(fd, 0, pages * PG));
	ASSERT_EQ(0, vmo_info(fd, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(pages * PG, info.out_populated_bytes);
	EXPECT_LT(0, info.out_metadata_bytes);
	EXPECT_GE(pages * 64, info.out_metadata_bytes);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(pages * PG / 512, (__u64)st.st_blocks);
	EXPECT_EQ(0, close(fd));
}

/* A clone that was never written to adds nothing to the tree. */
TEST(metadata_of_a_clone)
{
	struct vmo_stats before, after;
	int child, fd = vmo_new(512 * PG, 0);

	ASSERT_EQ(0, vmo_commit(fd, 0, 512 * PG));
	before = vmo_stats();
	child = vmo_child(fd, 0, 0, 512 * PG);
	ASSERT_LE(0, child);
	after = vmo_stats();
	EXPECT_EQ(before.pages, after.pages);
	EXPECT_EQ(before.nodes, after.nodes);
	EXPECT_EQ(before.descs, after.descs);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
