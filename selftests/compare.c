// SPDX-License-Identifier: GPL-2.0
/*
 * COMPARE: which ranges of two relatives differ, in ascending order, with
 * nothing left out, and where to go on when there was no room.
 */
#include "vmo.h"

#include "kselftest_harness.h"

#define PAGES	64ULL
#define ROOM	64U

FIXTURE(compare)
{
	int fd, snapshot;
	struct cowvmo_range ranges[ROOM];
	__u64 next;
};

FIXTURE_SETUP(compare)
{
	__u64 i;

	self->fd = vmo_new(PAGES * PG, 0);
	ASSERT_LE(0, self->fd);
	/* The last quarter is a hole. */
	for (i = 0; i < PAGES * 3 / 4; i++)
		ASSERT_EQ(0, pat_fill(self->fd, i, i + 1));
	self->snapshot = vmo_snapshot(self->fd);
	ASSERT_LE(0, self->snapshot);
}

FIXTURE_TEARDOWN(compare)
{
	close(self->fd);
	close(self->snapshot);
	EXPECT_EQ(0, vmo_validate());
}

/* 0, or -EILSEQ and what was found instead. In pages. */
static int range_check(const struct cowvmo_range *range, __u64 first,
		       __u64 pages)
{
	if (range->offset == first * PG && range->length == pages * PG)
		return 0;
	fprintf(stderr, "# range: page %llu, %llu pages\n",
		(unsigned long long)(range->offset / PG),
		(unsigned long long)(range->length / PG));
	return -EILSEQ;
}

static int all(FIXTURE_DATA(compare) * self, int a, int b)
{
	return vmo_compare(a, b, 0, vmo_size(a), self->ranges, ROOM,
			   &self->next);
}

#define EXPECT_RANGE(i, first, pages)					\
	EXPECT_EQ(0, range_check(&self->ranges[i], first, pages))

TEST_F(compare, a_fresh_snapshot_is_equal)
{
	EXPECT_EQ(0, all(self, self->fd, self->snapshot));
	EXPECT_EQ(PAGES * PG, self->next);
}

TEST_F(compare, with_itself)
{
	EXPECT_EQ(0, all(self, self->fd, self->fd));
}

TEST_F(compare, written_by_either)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 100));
	EXPECT_EQ(0, pat_fill(self->snapshot, 20, 101));
	EXPECT_EQ(2, all(self, self->fd, self->snapshot));
	EXPECT_RANGE(0, 3, 1);
	EXPECT_RANGE(1, 20, 1);
	EXPECT_EQ(2, all(self, self->snapshot, self->fd));
	EXPECT_RANGE(0, 3, 1);
	EXPECT_RANGE(1, 20, 1);
}

TEST_F(compare, neighbours_are_one_range)
{
	__u64 i;

	/* Across leaves, written in any order and by both */
	for (i = 10; i < 40; i++)
		EXPECT_EQ(0, pat_fill(i & 1 ? self->fd : self->snapshot, i,
				      200));
	EXPECT_EQ(1, all(self, self->fd, self->snapshot));
	EXPECT_RANGE(0, 10, 30);
}

TEST_F(compare, holes_made_and_filled)
{
	EXPECT_EQ(0, vmo_zero(self->fd, 5 * PG, 2 * PG));
	EXPECT_EQ(0, pat_fill(self->fd, 60, 1));
	EXPECT_EQ(2, all(self, self->fd, self->snapshot));
	EXPECT_RANGE(0, 5, 2);
	EXPECT_RANGE(1, 60, 1);
}

TEST_F(compare, written_through_a_mapping)
{
	unsigned char *map = vmo_map(self->fd, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, map);
	map[7 * PG] = 1;
	EXPECT_EQ(1, all(self, self->fd, self->snapshot));
	EXPECT_RANGE(0, 7, 1);
	EXPECT_EQ(0, munmap(map, PAGES * PG));
}

TEST_F(compare, only_the_range_that_was_asked)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 100));
	EXPECT_EQ(0, pat_fill(self->fd, 8, 100));
	EXPECT_EQ(0, pat_fill(self->fd, 9, 100));
	/* Bytes in the middle of pages stand for the pages. */
	EXPECT_EQ(1, vmo_compare(self->fd, self->snapshot, 4 * PG + 7,
				 4 * PG - 6, self->ranges, ROOM,
				 &self->next));
	EXPECT_RANGE(0, 8, 1);
	EXPECT_EQ(8 * PG + 1, self->next);
	EXPECT_EQ(0, vmo_compare(self->fd, self->snapshot, 3 * PG, 0,
				 self->ranges, ROOM, &self->next));
	EXPECT_EQ(3 * PG, self->next);
}

TEST_F(compare, goes_on_where_the_room_ended)
{
	__u64 i, at = 0;
	unsigned int calls = 0;

	for (i = 0; i < PAGES; i += 2)
		EXPECT_EQ(0, pat_fill(self->fd, i, 300));
	for (i = 0; at < PAGES * PG; calls++) {
		int n = vmo_compare(self->fd, self->snapshot, at,
				    PAGES * PG - at, self->ranges, 3,
				    &self->next);
		int j;

		ASSERT_LE(0, n);
		ASSERT_GE(3, n);
		for (j = 0; j < n; j++, i += 2)
			EXPECT_RANGE(j, i, 1);
		ASSERT_LT(at, self->next);
		at = self->next;
	}
	EXPECT_EQ(PAGES, i);
	EXPECT_EQ(11, calls);
}

TEST_F(compare, without_room_it_finds_the_first)
{
	EXPECT_EQ(0, pat_fill(self->fd, 33, 100));
	EXPECT_EQ(0, vmo_compare(self->fd, self->snapshot, 0, PAGES * PG, NULL,
				 0, &self->next));
	EXPECT_EQ(33 * PG, self->next);
}

TEST_F(compare, ranges_of_a_snapshot_of_the_middle)
{
	int middle = vmo_child(self->fd, 0, 8 * PG, 16 * PG);

	ASSERT_LE(0, middle);
	EXPECT_EQ(0, pat_fill(middle, 2, 100));
	EXPECT_EQ(1, all(self, middle, self->fd));
	EXPECT_RANGE(0, 2, 1);
	/* Seen from the whole, what the middle does not reach is zero. */
	EXPECT_EQ(3, all(self, self->fd, middle));
	EXPECT_RANGE(0, 0, 8);
	EXPECT_RANGE(1, 10, 1);
	EXPECT_RANGE(2, 24, 24);
	EXPECT_EQ(0, close(middle));
}

TEST_F(compare, through_slices_and_references)
{
	int slice = vmo_slice(self->fd, 16 * PG, 8 * PG);
	int reference = vmo_reference(self->snapshot, 0);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, reference);
	EXPECT_EQ(0, pat_fill(self->fd, 15, 100));
	EXPECT_EQ(0, pat_fill(slice, 4, 100));
	EXPECT_EQ(0, pat_fill(self->fd, 24, 100));
	EXPECT_EQ(1, all(self, slice, reference));
	EXPECT_RANGE(0, 4, 1);
	EXPECT_EQ(-ERANGE, vmo_compare(slice, reference, 0, 8 * PG + 1,
				       self->ranges, ROOM, NULL));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(reference));
}

TEST_F(compare, read_only_descriptors_suffice)
{
	int a = vmo_open_read_only(self->fd);
	int b = vmo_open_read_only(self->snapshot);

	EXPECT_EQ(0, pat_fill(self->fd, 1, 100));
	EXPECT_EQ(1, all(self, a, b));
	EXPECT_RANGE(0, 1, 1);
	close(a);
	close(b);
}

TEST_F(compare, cousins_of_a_terabyte)
{
	int big = vmo_new(1ULL << 40, 0), a, b;

	ASSERT_LE(0, big);
	EXPECT_EQ(0, pat_fill(big, 1ULL << 27, 1));
	a = vmo_snapshot(big);
	b = vmo_snapshot(big);
	EXPECT_EQ(0, pat_fill(a, 0, 2));
	EXPECT_EQ(0, pat_fill(b, (1ULL << 28) - 1, 2));
	EXPECT_EQ(2, all(self, a, b));
	EXPECT_RANGE(0, 0ULL, 1);
	EXPECT_RANGE(1, (1ULL << 28) - 1, 1);
	close(a);
	close(b);
	close(big);
}

TEST_F(compare, errors)
{
	int stranger = vmo_new(PAGES * PG, 0), file = memfd_create("x", 0);
	int dev = vmo_device();

	EXPECT_EQ(-EINVAL, all(self, self->fd, stranger));
	EXPECT_EQ(-EINVAL, all(self, self->fd, file));
	EXPECT_EQ(-EINVAL, all(self, self->fd, dev));
	EXPECT_EQ(-EBADF, all(self, self->fd, -1));
	EXPECT_EQ(-ERANGE, vmo_compare(self->fd, self->snapshot, 0,
				       PAGES * PG + 1, self->ranges, ROOM,
				       NULL));
	EXPECT_EQ(-ERANGE, vmo_compare(self->fd, self->snapshot, ~0ULL, 2,
				       self->ranges, ROOM, NULL));
	EXPECT_EQ(0, pat_fill(self->fd, 0, 9));
	EXPECT_EQ(-EFAULT, vmo_compare(self->fd, self->snapshot, 0, PG, NULL,
				       ROOM, NULL));
	close(stranger);
	close(file);
	close(dev);
}

TEST_HARNESS_MAIN
