// SPDX-License-Identifier: GPL-2.0
/*
 * Mapped VMOs that the kernel reads and writes for somebody: direct I/O,
 * io_uring, a debugger. Each way of writing is a store, with what that means
 * for snapshots; each way of reading is a load.
 */
#include "access.h"

#include "kselftest_harness.h"

#define PAGES	6ULL
#define FILLED	4ULL

FIXTURE(put) {
	int fd;
	unsigned char *mem;
};

FIXTURE_VARIANT(put) {
	int (*put)(unsigned char *at, unsigned char byte);
};

FIXTURE_VARIANT_ADD(put, store) { .put = put_store };
FIXTURE_VARIANT_ADD(put, process_vm) { .put = put_process_vm };
FIXTURE_VARIANT_ADD(put, proc_mem) { .put = put_proc_mem };
FIXTURE_VARIANT_ADD(put, ptrace) { .put = put_ptrace };
FIXTURE_VARIANT_ADD(put, read) { .put = put_read };
FIXTURE_VARIANT_ADD(put, direct) { .put = put_direct };
FIXTURE_VARIANT_ADD(put, uring) { .put = put_uring };
FIXTURE_VARIANT_ADD(put, uring_direct) { .put = put_uring_direct };

FIXTURE_SETUP(put)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(put)
{
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(put, into_a_hole)
{
	EXPECT_EQ(0, variant->put(self->mem + FILLED * PG, 3));
	EXPECT_EQ(3, vmo_get_byte(self->fd, FILLED * PG));
	EXPECT_EQ(3, self->mem[FILLED * PG]);
	EXPECT_EQ((FILLED + 1) * PG, vmo_populated(self->fd));
}

/* A page of zeros that is mapped already */
TEST_F(put, into_a_hole_that_was_read)
{
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	EXPECT_EQ(0, variant->put(self->mem + FILLED * PG, 3));
	EXPECT_EQ(3, vmo_get_byte(self->fd, FILLED * PG));
	EXPECT_EQ(3, self->mem[FILLED * PG]);
}

TEST_F(put, first_after_a_snapshot)
{
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, variant->put(self->mem, 3));
	EXPECT_EQ(3, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	EXPECT_EQ(PG, vmo_private(snap));
	close(snap);
}

TEST_F(put, before_and_after_snapshots)
{
	int snap[8], i;

	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0, variant->put(self->mem + PG, i));
		snap[i] = vmo_snapshot(self->fd);
		ASSERT_GE(snap[i], 0);
	}
	EXPECT_EQ(0, variant->put(self->mem + PG, 99));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(i, vmo_get_byte(snap[i], PG));
		close(snap[i]);
	}
	EXPECT_EQ(99, self->mem[PG]);
}

/* The page is mapped, for reading and shared with the snapshot. */
TEST_F(put, after_a_snapshot_and_a_load)
{
	int snap;

	self->mem[0] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(0, variant->put(self->mem, 2));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	close(snap);
}

TEST_F(put, into_the_clone)
{
	int snap = vmo_snapshot(self->fd);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, variant->put(mem, 3));
	EXPECT_EQ(3, vmo_get_byte(snap, 0));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	munmap(mem, PAGES * PG);
	close(snap);
}

/* A debugger may force its way into a private page, never into a shared one. */
TEST_F(put, a_mapping_for_reading_refuses)
{
	unsigned char *mem = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	EXPECT_GT(0, variant->put(mem, 3));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	EXPECT_GT(0, variant->put(mem + FILLED * PG, 3));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	munmap(mem, PAGES * PG);
}

TEST_F(put, a_read_only_fd_refuses)
{
	int snap = vmo_child(self->fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_GT(0, variant->put(mem, 3));
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	munmap(mem, PAGES * PG);
	close(snap);
}

TEST_F(put, a_private_mapping_keeps_it)
{
	unsigned char *mem = map_private(self->fd, 0, PAGES * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, variant->put(mem, 3));
	EXPECT_EQ(0, variant->put(mem + FILLED * PG, 3));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	munmap(mem, PAGES * PG);
}

/* With or without success: nothing of it is the object's. */
TEST_F(put, a_private_mapping_for_reading)
{
	unsigned char *mem = map_private(self->fd, 0, PAGES * PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	variant->put(mem, 3);
	variant->put(mem + FILLED * PG, 3);
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	munmap(mem, PAGES * PG);
}

TEST_F(put, beyond_the_end_refuses)
{
	unsigned char *mem = vmo_map(self->fd, 0, 2 * PAGES * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_GT(0, variant->put(mem + PAGES * PG, 3));
	munmap(mem, 2 * PAGES * PG);
}

FIXTURE(get) {
	int fd;
	int snap;
	unsigned char *mem;
	unsigned char *old;
};

FIXTURE_VARIANT(get) {
	int (*get)(unsigned char *at);
};

FIXTURE_VARIANT_ADD(get, load) { .get = get_load };
FIXTURE_VARIANT_ADD(get, process_vm) { .get = get_process_vm };
FIXTURE_VARIANT_ADD(get, proc_mem) { .get = get_proc_mem };
FIXTURE_VARIANT_ADD(get, ptrace) { .get = get_ptrace };
FIXTURE_VARIANT_ADD(get, write) { .get = get_write };
FIXTURE_VARIANT_ADD(get, direct) { .get = get_direct };
FIXTURE_VARIANT_ADD(get, uring) { .get = get_uring };
FIXTURE_VARIANT_ADD(get, uring_direct) { .get = get_uring_direct };
FIXTURE_VARIANT_ADD(get, vmsplice) { .get = get_vmsplice };

FIXTURE_SETUP(get)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->mem[0] = 1;
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	self->old = vmo_map(self->snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->old);
}

FIXTURE_TEARDOWN(get)
{
	munmap(self->mem, PAGES * PG);
	munmap(self->old, PAGES * PG);
	close(self->fd);
	close(self->snap);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(get, both_sides)
{
	EXPECT_EQ(1, variant->get(self->mem));
	EXPECT_EQ(1, variant->get(self->old));
	self->mem[0] = 2;
	EXPECT_EQ(2, variant->get(self->mem));
	EXPECT_EQ(1, variant->get(self->old));
	self->old[0] = 3;
	EXPECT_EQ(2, variant->get(self->mem));
	EXPECT_EQ(3, variant->get(self->old));
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(3, vmo_get_byte(self->snap, 0));
}

TEST_F(get, zero_allocates_nothing)
{
	EXPECT_EQ(0, variant->get(self->mem + FILLED * PG));
	EXPECT_EQ(0, variant->get(self->old + FILLED * PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	self->mem[FILLED * PG] = 4;
	EXPECT_EQ(4, variant->get(self->mem + FILLED * PG));
	EXPECT_EQ(0, variant->get(self->old + FILLED * PG));
}

/* Reading does not make a page its own. */
TEST_F(get, shares_on)
{
	EXPECT_EQ(1, variant->get(self->mem));
	EXPECT_EQ(0, vmo_private(self->fd));
	EXPECT_EQ(0, vmo_private(self->snap));
}

TEST_F(get, through_a_read_only_fd)
{
	int snap = vmo_child(self->fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	self->mem[0] = 2;
	EXPECT_EQ(1, variant->get(mem));
	munmap(mem, PAGES * PG);
	close(snap);
}

/*
 * Buffers registered with io_uring are pinned for long. Where a page guards
 * its writes that is refused, on 6.12 as on 6.1; it must leave no trace.
 */
TEST(registered_buffers_are_refused)
{
	int fd = vmo_filled(2, 2, 0), rc, snap;
	unsigned char *mem;
	struct uring ring;

	ASSERT_GE(fd, 0);
	mem = vmo_map(fd, 0, 2 * PG, RW);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, uring_open(&ring));
	mem[0] = 1;
	rc = uring_register(&ring, mem, 2 * PG);
	EXPECT_TRUE(rc == -EFAULT || rc == -EOPNOTSUPP);
	uring_close(&ring);
	snap = vmo_snapshot(fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, vmo_private(snap));
	mem[0] = 5;
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	munmap(mem, 2 * PG);
	close(snap);
	close(fd);
}

TEST_HARNESS_MAIN
