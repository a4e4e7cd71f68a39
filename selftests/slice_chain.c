// SPDX-License-Identifier: GPL-2.0
/*
 * Long chains of slices: each keeps the one that it was made from, so that a
 * close can end them all. In whatever order and by how many threads that
 * happens: the stack must not grow with the chain, and nothing be left.
 */
#include "maps.h"

#include <pthread.h>
#include <sys/resource.h>

#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

#define DEEP		10000
/* For orders that are slow to go through: recursion would show all the same */
#define DEPTH		2000
#define PAGES		4ULL

FIXTURE(chain) {
	struct vmo_stats start;
	int *fds;
};

FIXTURE_SETUP(chain)
{
	struct rlimit limit = { DEEP + 100, DEEP + 100 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->start = vmo_stats();
	ASSERT_LE(0, self->start.vmos);
	self->fds = calloc(DEEP, sizeof(*self->fds));
	ASSERT_NE(NULL, self->fds);
}

FIXTURE_TEARDOWN(chain)
{
	struct vmo_stats now = vmo_stats();

	EXPECT_EQ(0, memcmp(&self->start, &now, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
	free(self->fds);
}

/* A slice of a slice of ... of a VMO; 0 or -errno */
static int make_chain(int *fds, unsigned int depth)
{
	unsigned int i;

	fds[0] = vmo_filled(PAGES, PAGES, 0);
	for (i = 1; fds[i - 1] >= 0 && i < depth; i++)
		fds[i] = vmo_slice(fds[i - 1], 0, PAGES * PG);
	return fds[i - 1] < 0 ? fds[i - 1] : 0;
}

/* Those that are left see what the first and the last of them write. */
static int link_check(int fd, int writer, unsigned char byte)
{
	int rc = vmo_put_byte(writer, 5, byte);

	if (rc)
		return rc;
	return vmo_get_byte(fd, 5) == byte ? filled_check(fd, 1, PAGES - 1) :
		-EILSEQ;
}

TEST_F_TIMEOUT(chain, closed_from_the_first, PATIENCE)
{
	unsigned int i;

	ASSERT_EQ(0, make_chain(self->fds, DEEP));
	EXPECT_EQ(0, vmo_validate());
	for (i = 0; i < DEEP - 1; i++) {
		if (i % 1000 == 999)
			EXPECT_EQ(0, link_check(self->fds[DEEP - 1],
						self->fds[i], i));
		ASSERT_EQ(0, close(self->fds[i]));
	}
	EXPECT_EQ(self->start.vmos + DEEP, vmo_stat("vmos"));
	EXPECT_EQ(0, filled_check(self->fds[DEEP - 1], 1, PAGES - 1));
	EXPECT_EQ(0, close(self->fds[DEEP - 1]));
}

TEST_F_TIMEOUT(chain, closed_from_the_last, PATIENCE)
{
	unsigned int i;

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	for (i = DEPTH - 1; i > 0; i--) {
		ASSERT_EQ(0, close(self->fds[i]));
		if (i % 250)
			continue;
		EXPECT_EQ(0, link_check(self->fds[0], self->fds[i - 1], i));
		EXPECT_EQ(0, vmo_children(self->fds[i - 1]));
		EXPECT_EQ(self->start.vmos + i, vmo_stat("vmos"));
	}
	EXPECT_EQ(0, close(self->fds[0]));
}

TEST_F_TIMEOUT(chain, closed_in_the_middle_first, PATIENCE)
{
	unsigned int i;

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	for (i = DEPTH / 4; i < DEPTH * 3 / 4; i++)
		ASSERT_EQ(0, close(self->fds[i]));
	EXPECT_EQ(self->start.vmos + DEPTH, vmo_stat("vmos"));
	/* The end goes, and what it alone kept */
	for (i = DEPTH - 1; i >= DEPTH * 3 / 4; i--)
		ASSERT_EQ(0, close(self->fds[i]));
	EXPECT_EQ(self->start.vmos + DEPTH / 4, vmo_stat("vmos"));
	EXPECT_EQ(0, vmo_children(self->fds[DEPTH / 4 - 1]));
	for (i = 0; i < DEPTH / 4; i++)
		ASSERT_EQ(0, close(self->fds[i]));
}

TEST_F_TIMEOUT(chain, closed_in_a_shuffled_order, PATIENCE)
{
	unsigned int i, k, seed = 1;
	int fd;

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	for (i = DEPTH - 1; i > 0; i--) {
		k = rand_r(&seed) % (i + 1);
		fd = self->fds[i];
		self->fds[i] = self->fds[k];
		self->fds[k] = fd;
	}
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(0, close(self->fds[i]));
}

/* Nobody has an fd of any but the last: the whole chain hangs on a mapping. */
TEST_F_TIMEOUT(chain, held_by_a_mapping, PATIENCE)
{
	int fd = vmo_filled(PAGES, PAGES, 0), next;
	unsigned char *mem;
	unsigned int i;

	for (i = 1; i < DEEP; i++) {
		next = vmo_slice(fd, 0, PAGES * PG);
		ASSERT_LE(0, next);
		ASSERT_EQ(0, close(fd));
		fd = next;
	}
	mem = vmo_map(fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(self->start.vmos + DEEP, vmo_stat("vmos"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	mem[0] = 1;
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

/* --- Several threads close */

struct closer {
	pthread_t thread;
	int *fds;
	int first, last, step;
};

static void *close_some(void *arg)
{
	struct closer *closer = arg;
	int i;

	for (i = closer->first; i != closer->last; i += closer->step)
		if (close(closer->fds[i]))
			abort();
	return NULL;
}

static void close_by_two(struct __test_metadata *_metadata,
			 struct closer *closer)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&closer[i].thread, NULL,
					    close_some, &closer[i]));
	for (i = 0; i < 2; i++)
		pthread_join(closer[i].thread, NULL);
}

/* The last two of each pair of links go at about the same time. */
TEST_F_TIMEOUT(chain, closed_by_two_side_by_side, PATIENCE)
{
	struct closer closer[2] = {
		{ .fds = self->fds, .first = DEPTH - 1, .last = -1,
		  .step = -2 },
		{ .fds = self->fds, .first = DEPTH - 2, .last = -2,
		  .step = -2 },
	};

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	close_by_two(_metadata, closer);
}

TEST_F_TIMEOUT(chain, closed_by_two_from_both_ends, PATIENCE)
{
	struct closer closer[2] = {
		{ .fds = self->fds, .first = 0, .last = DEPTH / 2,
		  .step = 1 },
		{ .fds = self->fds, .first = DEPTH - 1, .last = DEPTH / 2 - 1,
		  .step = -1 },
	};

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	close_by_two(_metadata, closer);
}

/* Two ends of one chain: whoever comes last ends what they had in common. */
TEST_F_TIMEOUT(chain, with_two_ends, PATIENCE)
{
	struct closer closer[2] = {
		{ .fds = self->fds, .first = 0, .last = DEPTH / 2,
		  .step = 1 },
		{ .fds = self->fds, .first = DEPTH / 2, .last = DEPTH,
		  .step = 1 },
	};
	unsigned int i;

	ASSERT_EQ(0, make_chain(self->fds, DEPTH));
	/* From the middle on it is another arm, from the link at a quarter. */
	for (i = DEPTH - 1; i >= DEPTH / 2; i--)
		ASSERT_EQ(0, close(self->fds[i]));
	for (i = DEPTH / 2; i < DEPTH; i++) {
		int from = i == DEPTH / 2 ? DEPTH / 4 : i - 1;

		self->fds[i] = vmo_slice(self->fds[from], 0, PG);
		ASSERT_LE(0, self->fds[i]);
	}
	close_by_two(_metadata, closer);
}

/* --- References, which keep the content but not each other */

TEST_F_TIMEOUT(chain, of_references, PATIENCE)
{
	unsigned int i;

	self->fds[0] = vmo_filled(PAGES, PAGES, 0);
	for (i = 1; i < DEPTH; i++) {
		self->fds[i] = vmo_reference(self->fds[i - 1], 0);
		ASSERT_LE(0, self->fds[i]);
	}
	for (i = 0; i < DEPTH - 1; i++)
		ASSERT_EQ(0, close(self->fds[i]));
	EXPECT_EQ(self->start.vmos + 2, vmo_stat("vmos"));
	EXPECT_EQ(0, vmo_parent(self->fds[DEPTH - 1]));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fds[DEPTH - 1]));
	EXPECT_EQ(0, filled_check(self->fds[DEPTH - 1], 0, PAGES));
	EXPECT_EQ(0, close(self->fds[DEPTH - 1]));
}

TEST_HARNESS_MAIN
