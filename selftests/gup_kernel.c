// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of a mapped VMO that the kernel holds, for a device or otherwise,
 * around snapshots. A page held when a snapshot is made stays with its VMO,
 * and the snapshot gets a copy, as long as it is held. What a closed clone
 * handed out never shows what the survivor writes later.
 */
#include "gup.h"

#include "kselftest_harness.h"

#define PAGES	4ULL
#define GET_READ	0
#define GET_WRITE	GUP_TEST_WRITE
#define PIN_READ	GUP_TEST_PIN
#define PIN_WRITE	(GUP_TEST_PIN | GUP_TEST_WRITE)
#define LONG_READ	(GUP_TEST_PIN | GUP_TEST_LONGTERM)
#define LONG_WRITE	(LONG_READ | GUP_TEST_WRITE)

FIXTURE(writer) {
	int fd;
	int held;
	unsigned char *mem;
};

FIXTURE_VARIANT(writer) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(writer, get) { .flags = GET_WRITE };
FIXTURE_VARIANT_ADD(writer, pin) { .flags = PIN_WRITE };
FIXTURE_VARIANT_ADD(writer, longterm) { .flags = LONG_WRITE };

FIXTURE_SETUP(writer)
{
	int rc = gup_load();

	if (rc)
		SKIP(return, "%s: %s", GUP_MODULE, strerror(-rc));
	self->fd = vmo_filled(PAGES, PAGES, COWVMO_CREATE_RESIZABLE);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->mem[0] = 1;
	self->mem[1] = 1;
	self->held = gup_hold(self->mem, variant->flags);
	/* Kernels from 6.4 on refuse such pins of what page_mkwrite guards. */
	if (variant->flags & GUP_TEST_LONGTERM && kernel_at_least(6, 4)) {
		ASSERT_EQ(-EFAULT, self->held);
		SKIP(return, "this kernel makes no such pins");
	}
	ASSERT_GE(self->held, 0);
}

FIXTURE_TEARDOWN(writer)
{
	close(self->held);
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

/* The first two bytes, or -EILSEQ */
static int bytes_of(int fd)
{
	int first = vmo_get_byte(fd, 0), second = vmo_get_byte(fd, 1);

	return first < 0 || second < 0 ? -EILSEQ : first * 256 + second;
}

#define BYTES(first, second)	((first) * 256 + (second))

TEST_F(writer, a_late_store_reaches_the_vmo_and_no_snapshot)
{
	int one, two;

	one = vmo_snapshot(self->fd);
	ASSERT_GE(one, 0);
	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	EXPECT_EQ(BYTES(1, 2), bytes_of(self->fd));
	EXPECT_EQ(BYTES(1, 1), bytes_of(one));
	EXPECT_EQ(2, self->mem[1]);

	two = vmo_snapshot(self->fd);
	ASSERT_GE(two, 0);
	EXPECT_EQ(0, gup_store(self->held, 1, 3));
	EXPECT_EQ(BYTES(1, 3), bytes_of(self->fd));
	EXPECT_EQ(BYTES(1, 2), bytes_of(two));
	EXPECT_EQ(BYTES(1, 1), bytes_of(one));
	EXPECT_EQ(0, vmo_validate());
	close(one);
	close(two);
}

/* Our own stores and those of the holder go to the same page. */
TEST_F(writer, stores_of_both_sides_meet)
{
	int snap;

	self->mem[0] = 2;
	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	self->mem[0] = 3;
	EXPECT_EQ(0, gup_store(self->held, 1, 3));
	EXPECT_EQ(0, vmo_put_byte(self->fd, 2, 3));
	EXPECT_EQ(3, gup_read(self->held, 0));
	EXPECT_EQ(3, gup_read(self->held, 2));
	EXPECT_EQ(BYTES(3, 3), bytes_of(self->fd));
	EXPECT_EQ(BYTES(2, 2), bytes_of(snap));
	close(snap);
}

/* After the snapshot is gone too: the page is once more the VMO's alone. */
TEST_F(writer, stores_meet_after_the_snapshot_is_closed)
{
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	close(snap);
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 4));
	EXPECT_EQ(0, gup_store(self->held, 1, 4));
	self->mem[2] = 4;
	EXPECT_EQ(4, gup_read(self->held, 0));
	EXPECT_EQ(4, gup_read(self->held, 2));
	EXPECT_EQ(BYTES(4, 4), bytes_of(self->fd));
}

TEST_F(writer, a_released_page_is_shared_again)
{
	int snap;

	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	EXPECT_EQ(0, gup_drop(self->held));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, vmo_private(snap));
	self->mem[0] = 5;
	EXPECT_EQ(BYTES(1, 2), bytes_of(snap));
	close(snap);
}

/* The copy is made at the snapshot, and only of the page that is held. */
TEST_F(writer, one_page_is_copied)
{
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(PG, vmo_private(snap));
	EXPECT_EQ(PG, vmo_private(self->fd));
	EXPECT_EQ(PAGES * PG, vmo_populated(snap));
	close(snap);
}

TEST_F(writer, a_snapshot_without_the_held_page)
{
	int snap = vmo_child(self->fd, 0, PG, 2 * PG);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, vmo_private(snap));
	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	close(snap);
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, gup_store(self->held, 1, 3));
	EXPECT_EQ(BYTES(1, 2), bytes_of(snap));
	close(snap);
}

/* Nobody maps the page any more; it is held all the same. */
TEST_F(writer, held_after_munmap)
{
	int snap;

	EXPECT_EQ(0, munmap(self->mem, PAGES * PG));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	EXPECT_EQ(BYTES(1, 1), bytes_of(snap));
	EXPECT_EQ(BYTES(1, 2), bytes_of(self->fd));
	close(snap);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

/* A clone of a clone, the middle closed */
TEST_F(writer, a_snapshot_of_the_snapshot)
{
	int one = vmo_snapshot(self->fd), two;

	ASSERT_GE(one, 0);
	two = vmo_snapshot(one);
	ASSERT_GE(two, 0);
	close(one);
	EXPECT_EQ(0, gup_store(self->held, 1, 2));
	EXPECT_EQ(BYTES(1, 1), bytes_of(two));
	EXPECT_EQ(0, vmo_put_byte(two, 0, 9));
	EXPECT_EQ(BYTES(1, 2), bytes_of(self->fd));
	EXPECT_EQ(1, gup_read(self->held, 0));
	close(two);
}

/* Content that is gone does not come back through an old reference. */
TEST_F(writer, zeroed_while_held)
{
	EXPECT_EQ(0, vmo_zero(self->fd, 0, PG));
	EXPECT_EQ(0, gup_store(self->held, 1, 7));
	EXPECT_EQ(0, zero_check(self->fd, 0));
	EXPECT_EQ(0, zero_mem_check(self->mem, PG));
	self->mem[0] = 2;
	EXPECT_EQ(BYTES(2, 0), bytes_of(self->fd));
}

TEST_F(writer, cut_off_while_held)
{
	EXPECT_EQ(0, vmo_set_size(self->fd, 0));
	EXPECT_EQ(0, gup_store(self->held, 1, 7));
	EXPECT_EQ(0, vmo_set_size(self->fd, PAGES * PG));
	EXPECT_EQ(0, zero_check(self->fd, 0));
	EXPECT_EQ(0, zero_mem_check(self->mem, PAGES * PG));
}

/* The page outlives its VMO for as long as it is held. */
TEST_F(writer, closed_while_held)
{
	int fd = vmo_filled(1, 1, 0), held;
	unsigned char *mem;

	ASSERT_GE(fd, 0);
	mem = vmo_map(fd, 0, PG, RW);
	ASSERT_NE(NULL, mem);
	mem[0] = 6;
	held = gup_hold(mem, variant->flags);
	ASSERT_GE(held, 0);
	munmap(mem, PG);
	close(fd);
	EXPECT_EQ(6, gup_read(held, 0));
	EXPECT_EQ(0, gup_store(held, 0, 7));
	EXPECT_EQ(7, gup_read(held, 0));
	close(held);
}

/* Held through a private mapping, it is the process's copy. */
TEST_F(writer, a_private_mapping_is_held_apart)
{
	unsigned char *mem = map_private(self->fd, 0, PAGES * PG, RW);
	int held, snap;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	held = gup_hold(mem + PG, variant->flags);
	ASSERT_GE(held, 0);
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, gup_store(held, 0, 9));
	EXPECT_EQ(9, mem[PG]);
	EXPECT_EQ(0, filled_check(self->fd, 1, PAGES - 1));
	EXPECT_EQ(0, filled_check(snap, 1, PAGES - 1));
	close(held);
	munmap(mem, PAGES * PG);
	close(snap);
}

/* Readers: what they see after a clone is closed is what it had. */

FIXTURE(reader) {
	int fd;
	int clone;
	int held;
	unsigned char *mem;
};

FIXTURE_VARIANT(reader) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(reader, get) { .flags = GET_READ };
FIXTURE_VARIANT_ADD(reader, pin) { .flags = PIN_READ };
FIXTURE_VARIANT_ADD(reader, longterm) { .flags = LONG_READ };

FIXTURE_SETUP(reader)
{
	unsigned char *mem;
	int rc = gup_load();

	if (rc)
		SKIP(return, "%s: %s", GUP_MODULE, strerror(-rc));
	self->fd = vmo_filled(PAGES, PAGES, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->mem[0] = 1;
	self->clone = vmo_snapshot(self->fd);
	ASSERT_GE(self->clone, 0);

	/* The clone's page, which is still the parent's, read by someone */
	mem = vmo_map(self->clone, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	self->held = gup_hold(mem, variant->flags);
	ASSERT_GE(self->held, 0);
	EXPECT_EQ(1, gup_read(self->held, 0));
	munmap(mem, PAGES * PG);
}

FIXTURE_TEARDOWN(reader)
{
	EXPECT_EQ(1, gup_read(self->held, 0));
	close(self->held);
	if (self->clone >= 0)
		close(self->clone);
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

static int close_clone(int *fd)
{
	int rc = vmo_ret(close(*fd));

	*fd = -1;
	return rc;
}

TEST_F(reader, stores_of_the_parent)
{
	self->mem[0] = 2;
	EXPECT_EQ(1, gup_read(self->held, 0));
	EXPECT_EQ(0, close_clone(&self->clone));
	self->mem[0] = 3;
	EXPECT_EQ(3, vmo_get_byte(self->fd, 0));
}

TEST_F(reader, stores_after_the_clone_is_closed)
{
	EXPECT_EQ(0, close_clone(&self->clone));
	self->mem[0] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(1, gup_read(self->held, 0));
	self->mem[0] = 3;
}

/* As above, but the survivor has the page mapped, and may upgrade its PTE. */
TEST_F(reader, stores_to_a_page_that_is_mapped)
{
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(1, self->mem[0]);
	self->mem[0] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
}

TEST_F(reader, pwrite_after_the_clone_is_closed)
{
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 2));
	EXPECT_EQ(2, self->mem[0]);
}

TEST_F(reader, a_part_zeroed_after_the_clone_is_closed)
{
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(0, vmo_zero(self->fd, 0, 10));
	EXPECT_EQ(0, self->mem[0]);
}

TEST_F(reader, commit_then_store)
{
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(0, vmo_commit(self->fd, 0, PG));
	self->mem[0] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
}

TEST_F(reader, populate_then_store)
{
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(0, madvise(self->mem, PG, MADV_POPULATE_WRITE));
	self->mem[0] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
}

/* The parent dies, the clone survives and writes. */
TEST_F(reader, the_clone_survives)
{
	int snap = vmo_snapshot(self->clone);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, close_clone(&self->clone));
	EXPECT_EQ(0, munmap(self->mem, PAGES * PG));
	EXPECT_EQ(0, close(self->fd));
	self->fd = snap;
	EXPECT_EQ(0, vmo_put_byte(snap, 0, 5));
	self->mem = vmo_map(snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->mem[0]++;
	EXPECT_EQ(6, vmo_get_byte(snap, 0));
}

/* A later snapshot, taken while the reader still reads */
TEST_F(reader, a_later_snapshot)
{
	int snap;

	EXPECT_EQ(0, close_clone(&self->clone));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	self->mem[0] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	close(snap);
	self->mem[0] = 3;
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 4));
}

/* A page never shared: a reader, such as a device, sees what is written. */
TEST_F(reader, an_unshared_page_stays_in_step)
{
	int fd = vmo_filled(1, 1, 0), held;
	unsigned char *mem;

	ASSERT_GE(fd, 0);
	mem = vmo_map(fd, 0, PG, RW);
	ASSERT_NE(NULL, mem);
	held = gup_hold(mem, variant->flags);
	ASSERT_GE(held, 0);
	mem[0] = 8;
	EXPECT_EQ(8, gup_read(held, 0));
	EXPECT_EQ(0, vmo_put_byte(fd, 0, 9));
	EXPECT_EQ(9, gup_read(held, 0));
	close(held);
	munmap(mem, PG);
	close(fd);
}

TEST_HARNESS_MAIN
