// SPDX-License-Identifier: GPL-2.0
/*
 * PIN: what it checks and in which order, what it does to the pages, what is
 * refused meanwhile and what finds the same pages.
 */
#include "pin.h"

#include "kselftest_harness.h"

FIXTURE(pin) {
	struct pinned p;
	long pins;
};

FIXTURE_SETUP(pin)
{
	self->pins = vmo_stat("pins");
	ASSERT_LE(0, self->pins);
	ASSERT_EQ(0, pinned_setup(&self->p));
}

FIXTURE_TEARDOWN(pin)
{
	EXPECT_EQ(0, pinned_teardown(&self->p));
	EXPECT_EQ(self->pins, vmo_stat("pins"));
}

/* --- What it checks */

TEST_F(pin, ranges)
{
	static const struct {
		int want;
		__u64 offset, length;
	} bad[] = {
		{ -EINVAL, 0, 0 },
		{ -EINVAL, PG, 0 },
		{ -EINVAL, PAGES * PG, 0 },
		{ -EINVAL, ~0ULL - PG + 1, 0 },
		{ -EINVAL, 1, PG },
		{ -EINVAL, PG - 1, PG },
		{ -EINVAL, 0, 1 },
		{ -EINVAL, 0, PG + 1 },
		{ -EINVAL, PG / 2, PG / 2 },
		{ -EINVAL, ~0ULL, PG },
		{ -EINVAL, 0, ~0ULL },
		{ -ERANGE, 0, (PAGES + 1) * PG },
		{ -ERANGE, PG, PAGES * PG },
		{ -ERANGE, PAGES * PG, PG },
		{ -ERANGE, (PAGES + 1) * PG, PG },
		{ -ERANGE, 1ULL << 62, PG },
		{ -ERANGE, 1ULL << 63, PG },
		{ -ERANGE, ~0ULL - PG + 1, PG },
		{ -ERANGE, ~0ULL - PG + 1, 2 * PG },
		{ -ERANGE, PG, ~0ULL - PG + 1 },
		{ -ERANGE, 0, ~0ULL - PG + 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(bad[i].want, vmo_pin(self->p.fd, READ, bad[i].offset,
					       bad[i].length))
			TH_LOG("read, number %u", i);
		EXPECT_EQ(bad[i].want, vmo_pin(self->p.fd, WRITE,
					       bad[i].offset, bad[i].length))
			TH_LOG("write, number %u", i);
	}
	EXPECT_EQ(FILLED * PG, vmo_populated(self->p.fd));
}

TEST_F(pin, the_whole_and_its_ends)
{
	int a = vmo_pin(self->p.fd, READ, 0, PAGES * PG);
	int b = vmo_pin(self->p.fd, WRITE, 0, PG);
	int c = vmo_pin(self->p.fd, WRITE, (PAGES - 1) * PG, PG);

	EXPECT_LE(0, a);
	EXPECT_LE(0, b);
	EXPECT_LE(0, c);
	EXPECT_EQ(self->pins + 3, vmo_stat("pins"));
	EXPECT_EQ(FD_CLOEXEC, fcntl(a, F_GETFD));
	EXPECT_EQ(0, vmo_validate());
	close(a);
	close(b);
	close(c);
}

/* Not for writing through an fd that cannot write; for reading, yes. */
TEST_F(pin, read_only_fds)
{
	int fd[2], pin, i;

	fd[0] = vmo_open_read_only(self->p.fd);
	fd[1] = vmo_child(self->p.fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	for (i = 0; i < 2; i++) {
		ASSERT_LE(0, fd[i]);
		EXPECT_EQ(-EACCES, vmo_pin(fd[i], WRITE, 0, PG));
		pin = vmo_pin(fd[i], READ, 0, PAGES * PG);
		EXPECT_LE(0, pin);
		EXPECT_EQ(0, filled_check(fd[i], 0, FILLED));
		EXPECT_EQ(PAGES * PG, vmo_private(fd[i]));
		close(pin);
		close(fd[i]);
	}
}

/* Sealed content can be pinned, but not to be written. */
TEST_F(pin, sealed)
{
	int pin;

	ASSERT_EQ(0, munmap(self->p.mem, PAGES * PG));
	ASSERT_EQ(0, vmo_seal(self->p.fd));
	EXPECT_EQ(-EPERM, vmo_pin(self->p.fd, WRITE, 0, PG));
	pin = vmo_pin(self->p.fd, READ, 0, PAGES * PG);
	EXPECT_LE(0, pin);
	EXPECT_EQ(PAGES * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	EXPECT_EQ(0, zero_check(self->p.fd, FILLED));
	EXPECT_EQ(0, vmo_seal(self->p.fd));
	EXPECT_EQ(-EBUSY, vmo_snapshot(self->p.fd));
	close(pin);
	self->p.mem = vmo_map(self->p.fd, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, self->p.mem);
}

/* Two things wrong at once: which one is told */
TEST_F(pin, order_of_checks)
{
	int reader = vmo_open_read_only(self->p.fd);
	int pins[COWVMO_MAX_PINS];
	unsigned int i;

	ASSERT_LE(0, reader);
	EXPECT_EQ(-EINVAL, vmo_pin(reader, WRITE | 2, 0, PG));
	EXPECT_EQ(-EACCES, vmo_pin(reader, WRITE, 1, PG));
	EXPECT_EQ(-EACCES, vmo_pin(reader, WRITE, 0, 0));
	EXPECT_EQ(-EINVAL, vmo_pin(self->p.fd, READ, 100 * PG, 0));
	EXPECT_EQ(-EINVAL, vmo_pin(self->p.fd, READ, 100 * PG + 1, PG));
	close(reader);
	ASSERT_EQ(0, munmap(self->p.mem, PAGES * PG));
	ASSERT_EQ(0, vmo_seal(self->p.fd));
	EXPECT_EQ(-EINVAL, vmo_pin(self->p.fd, WRITE, 0, 0));
	EXPECT_EQ(-ERANGE, vmo_pin(self->p.fd, WRITE, PAGES * PG, PG));
	for (i = 0; i < COWVMO_MAX_PINS; i++)
		pins[i] = vmo_pin(self->p.fd, READ, 0, PG);
	EXPECT_EQ(-ERANGE, vmo_pin(self->p.fd, READ, 0, (PAGES + 1) * PG));
	EXPECT_EQ(-EPERM, vmo_pin(self->p.fd, WRITE, 0, PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 0, PG));
	for (i = 0; i < COWVMO_MAX_PINS; i++)
		EXPECT_EQ(0, close(pins[i]));
	self->p.mem = vmo_map(self->p.fd, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, self->p.mem);
}

/* 31 pins a page; the page with most of them decides. */
TEST_F(pin, count)
{
	int pins[COWVMO_MAX_PINS], more[3];
	unsigned int i;

	for (i = 0; i < COWVMO_MAX_PINS; i++)
		ASSERT_LE(0, pins[i] = vmo_pin(self->p.fd, i % 2, 5 * PG, PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 5 * PG, PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, WRITE, 0, PAGES * PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 4 * PG, 2 * PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 5 * PG, 2 * PG));
	EXPECT_LE(0, more[0] = vmo_pin(self->p.fd, READ, 0, 5 * PG));
	EXPECT_LE(0, more[1] = vmo_pin(self->p.fd, READ, 6 * PG, 2 * PG));
	EXPECT_EQ(0, vmo_validate());
	close(pins[7]);
	EXPECT_LE(0, more[2] = vmo_pin(self->p.fd, WRITE, 0, PAGES * PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 5 * PG, PG));
	for (i = 0; i < 3; i++)
		close(more[i]);
	for (i = 0; i < COWVMO_MAX_PINS; i++)
		if (i != 7)
			close(pins[i]);
}

/* Each page of a staircase has as many as it can have, from all sides. */
TEST_F(pin, count_of_stairs)
{
	int fd = vmo_new(64 * PG, 0), pins[64 + 31], i, n = 0;

	ASSERT_LE(0, fd);
	for (i = 0; i < 64; i++)
		ASSERT_LE(0, pins[n++] = vmo_pin(fd, READ, i * PG,
						 (i < 33 ? 31 : 64 - i) * PG));
	EXPECT_EQ(0, vmo_validate());
	for (i = 30; i < 63; i++)
		EXPECT_EQ(-EOVERFLOW, vmo_pin(fd, READ, i * PG, PG))
			TH_LOG("page %d", i);
	EXPECT_EQ(-EOVERFLOW, vmo_pin(fd, READ, 0, 31 * PG));
	EXPECT_LE(0, pins[n++] = vmo_pin(fd, READ, 0, 30 * PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(fd, READ, 29 * PG, PG));
	while (n--)
		close(pins[n]);
	close(fd);
}

/* Pins that touch, and many that pass each other, are no overlap. */
TEST_F(pin, count_of_neighbours)
{
	int pins[100], i, n = 0;

	for (i = 0; i < 30; i++)
		ASSERT_LE(0, pins[n++] = vmo_pin(self->p.fd, READ, 0, 4 * PG));
	for (i = 0; i < 30; i++)
		ASSERT_LE(0, pins[n++] = vmo_pin(self->p.fd, READ, 4 * PG,
						 4 * PG));
	ASSERT_LE(0, pins[n++] = vmo_pin(self->p.fd, READ, 0, PAGES * PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 3 * PG, 2 * PG));
	while (n--)
		close(pins[n]);
}

/* --- What it does */

TEST_F(pin, commits)
{
	int pin = vmo_pin(self->p.fd, READ, (FILLED - 1) * PG, 3 * PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(PAGES * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	EXPECT_EQ(0, zero_check(self->p.fd, FILLED));
	EXPECT_EQ(0, zero_check(self->p.fd, FILLED + 1));
	close(pin);
	EXPECT_EQ(PAGES * PG, vmo_populated(self->p.fd));
}

/* A hole that is mapped shows the page from then on. */
TEST_F(pin, mapped_holes)
{
	unsigned char *hole = self->p.mem + FILLED * PG;
	int pin;

	EXPECT_EQ(0, hole[0]);
	pin = vmo_pin(self->p.fd, READ, FILLED * PG, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(0, hole[0]);
	EXPECT_EQ(0, pat_fill(self->p.fd, FILLED, 9));
	EXPECT_EQ(0, pat_mem_check(hole, 9));
	close(pin);
}

/* Shared pages are copied first, for pins that only read too. */
TEST_F(pin, forks)
{
	int snap = vmo_snapshot(self->p.fd), pin;

	ASSERT_LE(0, snap);
	EXPECT_EQ(0, vmo_private(self->p.fd));
	pin = vmo_pin(self->p.fd, READ, PG, 3 * PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(3 * PG, vmo_private(self->p.fd));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	pages_note(&self->p);
	self->p.mem[PG] = 1;
	EXPECT_EQ(0, pat_fill(self->p.fd, 2, 7));
	EXPECT_EQ(3, pages_same(&self->p, 1, 3));
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));

	/* The other way round: the snapshot's are copied. */
	close(pin);
	pin = vmo_pin(snap, WRITE, 4 * PG, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pat_fill(snap, 4, 8));
	EXPECT_EQ(0, filled_check(self->p.fd, 4, 2));
	close(pin);
	close(snap);
}

/* --- What is refused meanwhile */

TEST_F(pin, snapshots)
{
	static const __u32 types[] = {
		COWVMO_CHILD_SNAPSHOT, COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		COWVMO_CHILD_SNAPSHOT_MODIFIED,
	};
	int reference = vmo_reference(self->p.fd, 0);
	int pin = vmo_pin(self->p.fd, READ, 5 * PG, PG);
	unsigned int i;
	int snap;

	ASSERT_LE(0, pin);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-EBUSY, vmo_child_of(self->p.fd, types[i], 0, 0,
					       PAGES * PG));
		/* Where nothing is pinned, beyond the end, of nothing */
		EXPECT_EQ(-EBUSY, vmo_child_of(self->p.fd, types[i], 0, 0, PG));
		EXPECT_EQ(-EBUSY, vmo_child_of(self->p.fd, types[i], 0,
					       100 * PG, PG));
		EXPECT_EQ(-EBUSY, vmo_child_of(self->p.fd, types[i], 0, 0, 0));
		EXPECT_EQ(-EBUSY, vmo_child_of(reference, types[i], 0, 0,
					       PAGES * PG));
	}
	/* What is wrong with the arguments comes first. */
	EXPECT_EQ(-EINVAL, vmo_child(self->p.fd, 0, 1, PG));
	EXPECT_EQ(-ERANGE, vmo_child(self->p.fd, 0, 0, ~0ULL));
	EXPECT_EQ(1, vmo_children(self->p.fd));
	close(pin);
	snap = vmo_snapshot(reference);
	EXPECT_LE(0, snap);
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	close(snap);
	close(reference);
}

/* Slices and references have no pages of their own: nothing is in the way. */
TEST_F(pin, views)
{
	int fd = vmo_filled(PAGES, PAGES, 0);
	int pin = vmo_pin(fd, WRITE, 0, PAGES * PG);
	int slice = vmo_slice(fd, PG, 2 * PG);
	int reference = vmo_reference(fd, 0);

	ASSERT_LE(0, pin);
	EXPECT_LE(0, slice);
	EXPECT_LE(0, reference);
	EXPECT_EQ(0, filled_check(reference, 0, PAGES));
	close(slice);
	close(reference);
	close(pin);
	close(fd);
}

TEST_F(pin, decommit)
{
	int pin = vmo_pin(self->p.fd, READ, 2 * PG, 2 * PG);
	int snap;

	ASSERT_LE(0, pin);
	EXPECT_EQ(-EBUSY, vmo_decommit(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->p.fd, 0, 3 * PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->p.fd, 3 * PG, PG));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	/* Around it, and nothing at all */
	EXPECT_EQ(0, vmo_decommit(self->p.fd, 0, 2 * PG));
	EXPECT_EQ(0, vmo_decommit(self->p.fd, 4 * PG, 4 * PG));
	EXPECT_EQ(0, vmo_decommit(self->p.fd, 2 * PG, 0));
	EXPECT_EQ(2 * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 2, 2));
	/* What else is wrong comes first. */
	EXPECT_EQ(-ERANGE, vmo_decommit(self->p.fd, PG, PAGES * PG));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->p.fd, 2 * PG, PG + 1));
	close(pin);
	EXPECT_EQ(0, vmo_decommit(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_populated(self->p.fd));

	snap = vmo_snapshot(self->p.fd);
	pin = vmo_pin(self->p.fd, READ, 0, PG);
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->p.fd, 0, PG));
	close(pin);
	close(snap);
}

TEST_F(pin, shrink)
{
	int pin = vmo_pin(self->p.fd, READ, 3 * PG, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, 3 * PG));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, 0));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, 2 * PG + 1));
	EXPECT_EQ(-EBUSY, vmo_ret(ftruncate(self->p.fd, 3 * PG)));
	EXPECT_EQ(PAGES * PG, vmo_size(self->p.fd));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	pages_note(&self->p);

	/* Within the pinned page, which is cleared as far as it is cut */
	EXPECT_EQ(0, vmo_ret(ftruncate(self->p.fd, 3 * PG + 10)));
	EXPECT_EQ(4 * PG, vmo_size(self->p.fd));
	EXPECT_EQ(1, pages_same(&self->p, 3, 1));
	EXPECT_NE(0, zero_mem_check(self->p.mem + 3 * PG, 10));
	EXPECT_EQ(0, zero_mem_check(self->p.mem + 3 * PG + 10, PG - 10));
	EXPECT_EQ(0, vmo_set_size(self->p.fd, 100 * PG));
	EXPECT_EQ(0, vmo_set_size(self->p.fd, PAGES * PG));
	close(pin);
	EXPECT_EQ(0, vmo_set_size(self->p.fd, 0));
	EXPECT_EQ(0, vmo_set_size(self->p.fd, PAGES * PG));
}

TEST_F(pin, seal)
{
	int pin;

	ASSERT_EQ(0, munmap(self->p.mem, PAGES * PG));
	pin = vmo_pin(self->p.fd, WRITE, 3 * PG, PG);
	EXPECT_EQ(-EBUSY, vmo_seal(self->p.fd));
	EXPECT_EQ(0, pat_fill(self->p.fd, 0, 1));
	close(pin);
	pin = vmo_pin(self->p.fd, READ, 3 * PG, PG);
	EXPECT_EQ(-EBUSY, vmo_seal(self->p.fd));
	close(pin);
	EXPECT_EQ(0, vmo_seal(self->p.fd));
	self->p.mem = vmo_map(self->p.fd, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, self->p.mem);
}

/* --- What finds the same pages */

FIXTURE(same) {
	struct pinned p;
	int pin, snap;
};

FIXTURE_VARIANT(same) {
	__u32 flags;
	bool relatives;
};

FIXTURE_VARIANT_ADD(same, read) { .flags = READ };
FIXTURE_VARIANT_ADD(same, write) { .flags = WRITE };
FIXTURE_VARIANT_ADD(same, read_with_relatives) {
	.flags = READ, .relatives = true,
};

FIXTURE_VARIANT_ADD(same, write_with_relatives) {
	.flags = WRITE, .relatives = true,
};

FIXTURE_SETUP(same)
{
	self->snap = -1;
	ASSERT_EQ(0, pinned_setup(&self->p));
	if (variant->relatives)
		ASSERT_LE(0, self->snap = vmo_snapshot(self->p.fd));
	self->pin = vmo_pin(self->p.fd, variant->flags, 2 * PG, 3 * PG);
	ASSERT_LE(0, self->pin);
	pages_note(&self->p);
}

/* Pages 2 to 4 are pinned and must be where they were. */
FIXTURE_TEARDOWN(same)
{
	EXPECT_EQ(3, pages_same(&self->p, 2, 3));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->pin));
	if (self->snap >= 0) {
		EXPECT_EQ(0, filled_check(self->snap, 0, FILLED));
		EXPECT_EQ(0, close(self->snap));
	}
	EXPECT_EQ(0, pinned_teardown(&self->p));
}

TEST_F(same, writes)
{
	EXPECT_EQ(0, pat_fill(self->p.fd, 2, 1));
	EXPECT_EQ(0, vmo_put_byte(self->p.fd, 3 * PG + 5, 1));
	self->p.mem[4 * PG] = 1;
	EXPECT_EQ(0, madvise(self->p.mem, PAGES * PG, MADV_POPULATE_WRITE));
	EXPECT_EQ(0, pat_check(self->p.fd, 2, 1));
}

TEST_F(same, commit)
{
	EXPECT_EQ(0, vmo_commit(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_ret(fallocate(self->p.fd, 0, 0, PAGES * PG)));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
}

TEST_F(same, zero)
{
	EXPECT_EQ(0, vmo_zero(self->p.fd, PG, 6 * PG));
	EXPECT_EQ(0, zero_mem_check(self->p.mem + PG, 6 * PG));
	EXPECT_EQ(4 * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, 1));
}

TEST_F(same, zero_part)
{
	EXPECT_EQ(0, vmo_zero(self->p.fd, 2 * PG + 1, 2 * PG + 5));
	EXPECT_EQ(0, zero_mem_check(self->p.mem + 2 * PG + 1, 2 * PG + 5));
	EXPECT_NE(0, self->p.mem[2 * PG]);
	EXPECT_NE(0, zero_mem_check(self->p.mem + 4 * PG + 6, 8));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->p.fd));
}

/* One page between pinned ones, and the edges of the VMO */
TEST_F(same, zero_around_more_pins)
{
	int first = vmo_pin(self->p.fd, READ, 0, PG);
	int last = vmo_pin(self->p.fd, READ, 7 * PG, PG);
	int in = vmo_pin(self->p.fd, READ, 3 * PG, 3 * PG);
	__u64 done = 0;

	EXPECT_EQ(0, vmo_op(self->p.fd, COWVMO_OP_ZERO, 0, PAGES * PG, &done));
	EXPECT_EQ(PAGES * PG, done);
	EXPECT_EQ(0, zero_mem_check(self->p.mem, PAGES * PG));
	EXPECT_EQ(6 * PG, vmo_populated(self->p.fd));
	close(first);
	close(last);
	close(in);
}

TEST_F(same, punch)
{
	EXPECT_EQ(0, vmo_ret(fallocate(self->p.fd, FALLOC_FL_PUNCH_HOLE |
				       FALLOC_FL_KEEP_SIZE, 0, PAGES * PG)));
	EXPECT_EQ(0, zero_mem_check(self->p.mem, PAGES * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->p.fd));
}

TEST_F(same, zero_range)
{
	EXPECT_EQ(0, vmo_ret(fallocate(self->p.fd, FALLOC_FL_ZERO_RANGE, 0,
				       PAGES * PG)));
	EXPECT_EQ(0, zero_mem_check(self->p.mem, PAGES * PG));
}

TEST_F(same, advice)
{
	EXPECT_EQ(0, madvise(self->p.mem, PAGES * PG, MADV_REMOVE));
	EXPECT_EQ(0, zero_mem_check(self->p.mem, PAGES * PG));
	EXPECT_EQ(0, madvise(self->p.mem, PAGES * PG, MADV_DONTNEED));
}

TEST_F(same, stream_size)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->p.fd, 3 * PG + 7));
	EXPECT_EQ(0, filled_check(self->p.fd, 0, 3));
	EXPECT_EQ(0, zero_mem_check(self->p.mem + 3 * PG + 7, 5 * PG - 7));
	EXPECT_EQ(5 * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, vmo_set_stream_size(self->p.fd, 0));
	EXPECT_EQ(0, zero_mem_check(self->p.mem, PAGES * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->p.fd));
	EXPECT_EQ(0, vmo_set_stream_size(self->p.fd, PAGES * PG));
}

TEST_F(same, stream_size_before_all_pins)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->p.fd, PG + 7));
	EXPECT_EQ(0, zero_mem_check(self->p.mem + PG + 7, 7 * PG - 7));
	EXPECT_EQ(5 * PG, vmo_populated(self->p.fd));
}

TEST_F(same, remapped)
{
	EXPECT_EQ(0, munmap(self->p.mem, PAGES * PG));
	EXPECT_EQ(0, pat_fill(self->p.fd, 2, 1));
	self->p.mem = vmo_map(self->p.fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->p.mem);
}

/* A private mapping has copies of its own, as always. */
TEST_F(same, private_mappings)
{
	unsigned char *mem = map_private(self->p.fd, 0, PAGES * PG, RW);

	ASSERT_NE(NULL, mem);
	mem[2 * PG] = 1;
	EXPECT_EQ(0, filled_check(self->p.fd, 0, FILLED));
	EXPECT_NE(self->p.pfn[2], pfn_of(mem + 2 * PG));
	munmap(mem, PAGES * PG);
}

TEST_HARNESS_MAIN
