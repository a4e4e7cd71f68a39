// SPDX-License-Identifier: GPL-2.0
/*
 * Families: who is whose parent, what happens when a member dies - in every
 * order - and that nothing is left when the last one is gone.
 */
#include <sys/resource.h>

#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

FIXTURE(family) {
	struct kin kin;
};

FIXTURE_SETUP(family)
{
	kin_init(&self->kin);
	ASSERT_LE(0, self->kin.start.vmos);
	ASSERT_LE(0, self->kin.start.pages);
	ASSERT_LE(0, self->kin.start.nodes);
	ASSERT_LE(0, self->kin.start.descs);
}

FIXTURE_TEARDOWN(family)
{
	kin_close_all(&self->kin);
	EXPECT_EQ(0, kin_gone(&self->kin));
}

/* --- Relations */

TEST_F(family, parents_and_children)
{
	struct kin *kin = &self->kin;

	ASSERT_EQ(0, kin_create(kin, 0, 4));
	ASSERT_EQ(0, kin_write_all(kin, 0));
	EXPECT_EQ(0, kin_check(kin));
	ASSERT_EQ(0, kin_clone(kin, 1, 0, 0, 4));
	ASSERT_EQ(0, kin_clone(kin, 2, 0, 1, 2));
	ASSERT_EQ(0, kin_clone(kin, 3, 1, 0, 4));
	ASSERT_EQ(0, kin_clone(kin, 4, 3, 0, 0));
	EXPECT_EQ(2, vmo_children(kin->member[0].fd));
	EXPECT_EQ(1, vmo_children(kin->member[1].fd));
	EXPECT_EQ(0, vmo_children(kin->member[2].fd));
	EXPECT_EQ(vmo_id(kin->member[1].fd), vmo_parent(kin->member[3].fd));
	EXPECT_EQ(0, kin_check(kin));
}

/* The children of a VMO that dies become its parent's. */
TEST_F(family, rehoming)
{
	struct kin *kin = &self->kin;

	ASSERT_EQ(0, kin_create(kin, 0, 4));
	ASSERT_EQ(0, kin_write_all(kin, 0));
	ASSERT_EQ(0, kin_clone(kin, 1, 0, 0, 4));
	ASSERT_EQ(0, kin_clone(kin, 2, 1, 0, 4));
	ASSERT_EQ(0, kin_clone(kin, 3, 1, 0, 4));
	ASSERT_EQ(0, kin_clone(kin, 4, 2, 0, 4));
	EXPECT_EQ(0, kin_close(kin, 1));
	EXPECT_EQ(vmo_id(kin->member[0].fd), vmo_parent(kin->member[2].fd));
	EXPECT_EQ(vmo_id(kin->member[0].fd), vmo_parent(kin->member[3].fd));
	EXPECT_EQ(2, vmo_children(kin->member[0].fd));
	EXPECT_EQ(0, kin_check(kin));
	EXPECT_EQ(0, kin_close(kin, 2));
	EXPECT_EQ(vmo_id(kin->member[0].fd), vmo_parent(kin->member[4].fd));
	EXPECT_EQ(0, kin_check(kin));
	EXPECT_EQ(0, kin_close(kin, 0));
	EXPECT_EQ(0, vmo_parent(kin->member[3].fd));
	EXPECT_EQ(0, vmo_parent(kin->member[4].fd));
	EXPECT_EQ(0, kin_check(kin));
}

/* --- Closing in every order */

/* Whom each member but the first is made from */
static const struct shape {
	int of[4];
} shapes[] = {
	{ { 0, 0, 0, 0 } },	/* a star */
	{ { 0, 0, 1, 2 } },	/* a chain */
	{ { 0, 0, 1, 1 } },
	{ { 0, 0, 0, 1 } },
	{ { 0, 0, 1, 0 } },
};

/* What each member writes: nothing, its own page, everything, zeros */
static int scribble(struct kin *kin, int who, unsigned int how)
{
	switch (how % 4) {
	case 0:
		return 0;
	case 1:
		return kin_write(kin, who, who);
	case 2:
		return kin_write_all(kin, who);
	default:
		return kin_zero(kin, who, 1, 2);
	}
}

static int build(struct kin *kin, const struct shape *shape, unsigned int n,
		 unsigned int how)
{
	unsigned int i;
	int rc = kin_create(kin, 0, 5);

	if (!rc)
		rc = kin_write_all(kin, 0);
	for (i = 1; !rc && i < n; i++) {
		unsigned int first = how & 1 ? i - 1 : 0;

		rc = kin_clone(kin, i, shape->of[i], first, 5 - first);
		if (!rc)
			rc = scribble(kin, i, how >> i);
	}
	return rc ?: scribble(kin, 0, how);
}

static void close_all_ways(struct __test_metadata *_metadata, struct kin *kin,
			   unsigned int n, unsigned int how)
{
	unsigned int s, nth, i, ways = n == 3 ? 6 : 24;
	/* The shapes differ in the fourth member, but for the first two */
	unsigned int differ = n == 3 ? 2 : ARRAY_SIZE(shapes);
	int order[KIN_MAX];

	for (s = 0; s < differ; s++) {
		for (nth = 0; nth < ways; nth++) {
			ASSERT_EQ(0, build(kin, &shapes[s], n, how));
			kin_permutation(nth, n, order);
			for (i = 0; i < n; i++) {
				ASSERT_EQ(0, kin_check(kin))
					TH_LOG("shape %u, order %u, closed %u",
					       s, nth, i);
				ASSERT_EQ(0, kin_close(kin, order[i]));
			}
			ASSERT_EQ(0, kin_gone(kin));
		}
	}
}

TEST_F_TIMEOUT(family, close_three_unwritten, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 3, 0);
}

TEST_F_TIMEOUT(family, close_three_own_pages, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 3, 5);
}

TEST_F_TIMEOUT(family, close_three_all_written, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 3, 0xaa);
}

TEST_F_TIMEOUT(family, close_three_zeroed, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 3, 0xff);
}

TEST_F_TIMEOUT(family, close_four_unwritten, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 4, 0);
}

TEST_F_TIMEOUT(family, close_four_mixed, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 4, 0x1b);
}

TEST_F_TIMEOUT(family, close_four_ranges, PATIENCE)
{
	close_all_ways(_metadata, &self->kin, 4, 0x35);
}

/* --- Staying alive */

TEST_F(family, mapping_keeps_alive)
{
	struct kin *kin = &self->kin;
	unsigned char *mem;

	ASSERT_EQ(0, kin_create(kin, 0, 4));
	ASSERT_EQ(0, kin_write_all(kin, 0));
	ASSERT_EQ(0, kin_clone(kin, 1, 0, 0, 4));
	mem = vmo_map(kin->member[1].fd, 0, 4 * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, close(kin->member[1].fd));
	EXPECT_EQ(1, vmo_children(kin->member[0].fd));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(kin->member[0].fd, 0, PG));
	EXPECT_EQ(0, kin_write_all(kin, 0));
	EXPECT_EQ(0, pat_mem_check(mem, 1 + 1));
	pat_mem_fill(mem + PG, 1000);
	EXPECT_EQ(0, pat_mem_check(mem + PG, 1000));
	EXPECT_EQ(0, munmap(mem, 4 * PG));
	EXPECT_EQ(0, vmo_children(kin->member[0].fd));
	kin->member[1].fd = -1;	/* closed above */
	EXPECT_EQ(0, kin_check(kin));
}

TEST_F(family, private_mapping_keeps_alive)
{
	struct kin *kin = &self->kin;
	unsigned char *mem;

	ASSERT_EQ(0, kin_create(kin, 0, 1));
	ASSERT_EQ(0, kin_write_all(kin, 0));
	ASSERT_EQ(0, kin_clone(kin, 1, 0, 0, 1));
	mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		   kin->member[1].fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, kin_close(kin, 1));
	EXPECT_EQ(1, vmo_children(kin->member[0].fd));
	EXPECT_EQ(0, pat_mem_check(mem, kin->member[0].page[0].seed));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, vmo_children(kin->member[0].fd));
	EXPECT_EQ(0, kin_check(kin));
}

/* --- Many */

static unsigned int lcg(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

static void shuffle(int *items, unsigned int n, unsigned int seed)
{
	unsigned int i;

	for (i = n - 1; i > 0; i--) {
		unsigned int k = lcg(&seed) % (i + 1);
		int item = items[i];

		items[i] = items[k];
		items[k] = item;
	}
}

static int allow_fds(unsigned int n)
{
	struct rlimit limit = { n, n };

	return vmo_ret(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Each generation writes one page; each must see its own and its elders'. */
static void chain(struct __test_metadata *_metadata, unsigned int depth,
		  unsigned int seed)
{
	int *fds = calloc(depth, sizeof(*fds));
	int *order = calloc(depth, sizeof(*order));
	unsigned int i, pages = 64;

	ASSERT_EQ(0, allow_fds(depth + 64));
	fds[0] = vmo_new(pages * PG, 0);
	for (i = 0; i < depth; i++) {
		if (i)
			fds[i] = vmo_child(fds[i - 1], 0, 0, pages * PG);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, pat_fill(fds[i], i % pages, i + 1));
		order[i] = i;
	}
	EXPECT_EQ(0, vmo_validate());
	shuffle(order, depth, seed);
	for (i = 0; i < depth; i++) {
		unsigned int at = order[i];

		/* Its own page, and its parent's: zero where there is none */
		ASSERT_EQ(0, pat_check(fds[at], at % pages, at + 1));
		ASSERT_EQ(0, page_check(fds[at], (at + pages - 1) % pages,
					at));
		ASSERT_EQ(0, close(fds[at]));
	}
	free(fds);
	free(order);
}

TEST_F_TIMEOUT(family, chain_of_64, PATIENCE)
{
	unsigned int seed;

	for (seed = 1; seed <= 3; seed++) {
		chain(_metadata, 64, seed);
		EXPECT_EQ(0, kin_gone(&self->kin));
	}
}

TEST_F_TIMEOUT(family, chain_of_1024, PATIENCE)
{
	chain(_metadata, 1024, 7);
}

TEST_F_TIMEOUT(family, siblings_500, PATIENCE)
{
	unsigned int i, n = 500;
	int order[500], fds[500];
	int vmo = vmo_new(4 * PG, 0);

	ASSERT_EQ(0, allow_fds(n + 64));
	ASSERT_EQ(0, pat_fill(vmo, 0, 1));
	for (i = 0; i < n; i++) {
		fds[i] = vmo_child(vmo, 0, 0, 4 * PG);
		ASSERT_LE(0, fds[i]);
		order[i] = i;
	}
	EXPECT_EQ(n, vmo_children(vmo));
	EXPECT_EQ(self->kin.start.pages + 1, vmo_stat("pages"));
	shuffle(order, n, 3);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, pat_check(fds[order[i]], 0, 1));
		ASSERT_EQ(0, close(fds[order[i]]));
		if (i == n / 2)
			EXPECT_EQ(0, close(vmo));
	}
}

TEST_HARNESS_MAIN
