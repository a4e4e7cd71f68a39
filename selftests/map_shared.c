// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_SHARED mappings: they are the VMO's memory, and a snapshot is a cut
 * through all of them.
 */
#include "maps.h"

#include "kselftest_harness.h"

#define PAGES	8ULL
#define FILLED	4ULL

FIXTURE(shared) {
	int fd;
	unsigned char *mem;
};

FIXTURE_SETUP(shared)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(shared)
{
	EXPECT_EQ(0, munmap(self->mem, PAGES * PG));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(shared, reads_the_content)
{
	__u64 i;

	for (i = 0; i < FILLED; i++)
		EXPECT_EQ(0, pat_mem_check(self->mem + i * PG, FILL + i));
	EXPECT_EQ(0, zero_mem_check(self->mem + FILLED * PG,
				    (PAGES - FILLED) * PG));
}

TEST_F(shared, reading_zero_allocates_nothing)
{
	EXPECT_EQ(0, zero_mem_check(self->mem + FILLED * PG,
				    (PAGES - FILLED) * PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

TEST_F(shared, a_write_allocates_one_page)
{
	self->mem[FILLED * PG + 5] = 9;
	EXPECT_EQ((FILLED + 1) * PG, vmo_populated(self->fd));
	EXPECT_EQ(9, vmo_get_byte(self->fd, FILLED * PG + 5));
	EXPECT_EQ(0, vmo_get_byte(self->fd, FILLED * PG + 6));
}

TEST_F(shared, a_write_after_reading_zero)
{
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	self->mem[FILLED * PG] = 9;
	EXPECT_EQ(9, self->mem[FILLED * PG]);
	EXPECT_EQ(9, vmo_get_byte(self->fd, FILLED * PG));
	EXPECT_EQ((FILLED + 1) * PG, vmo_populated(self->fd));
}

/* A page mapped as zero must be replaced in the mapping, not only in the VMO */
TEST_F(shared, pwrite_shows_in_a_mapping_that_read_zero)
{
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	EXPECT_EQ(0, vmo_put_byte(self->fd, FILLED * PG, 7));
	EXPECT_EQ(7, self->mem[FILLED * PG]);
}

TEST_F(shared, pwrite_and_mapping_agree)
{
	self->mem[0] = 1;
	EXPECT_EQ(1, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 2));
	EXPECT_EQ(2, self->mem[0]);
}

TEST_F(shared, a_write_after_a_snapshot_is_not_in_it)
{
	int snap;

	self->mem[0] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	self->mem[0] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	EXPECT_EQ(2, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(PG, vmo_private(snap));
	close(snap);
}

TEST_F(shared, pwrite_after_a_snapshot_shows_in_the_mapping)
{
	int snap;

	self->mem[0] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 2));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	self->mem[0] = 3;
	EXPECT_EQ(3, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	close(snap);
}

TEST_F(shared, a_write_to_a_snapshot_stays_there)
{
	unsigned char *mem;
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	mem[0]++;
	mem[FILLED * PG] = 4;
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	EXPECT_EQ(4, vmo_get_byte(snap, FILLED * PG));
	munmap(mem, PAGES * PG);
	close(snap);
}

#define MANY	32

/* Each keeps what was there when it was made. */
TEST_F(shared, many_snapshots_of_one_page)
{
	int snap[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		self->mem[1] = i;
		snap[i] = vmo_snapshot(self->fd);
		ASSERT_GE(snap[i], 0);
		EXPECT_EQ(0, vmo_validate());
	}
	self->mem[1] = MANY;
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(i, vmo_get_byte(snap[i], 1));
	for (i = 0; i < MANY; i++) {
		close(snap[i]);
		self->mem[1]++;
	}
	EXPECT_EQ(2 * MANY, vmo_get_byte(self->fd, 1));
}

TEST_F(shared, a_snapshot_of_a_part)
{
	int snap;

	self->mem[0] = 1;
	self->mem[PG] = 1;
	self->mem[2 * PG] = 1;
	snap = vmo_child(self->fd, 0, PG, PG);
	ASSERT_GE(snap, 0);
	EXPECT_EQ((FILLED - 1) * PG, vmo_private(self->fd));
	self->mem[0] = 2;
	self->mem[PG] = 2;
	self->mem[2 * PG] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	EXPECT_EQ(FILLED * PG, vmo_private(self->fd));
	close(snap);
}

TEST_F(shared, an_offset_and_a_part)
{
	unsigned char *mem = vmo_map(self->fd, 2 * PG, 3 * PG, RW);
	int snap;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + 2));
	mem[0] = 1;
	mem[2 * PG] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	mem[0] = 2;
	mem[2 * PG] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, 2 * PG));
	EXPECT_EQ(1, vmo_get_byte(snap, 4 * PG));
	EXPECT_EQ(2, self->mem[2 * PG]);
	EXPECT_EQ(2, self->mem[4 * PG]);
	munmap(mem, 3 * PG);
	close(snap);
}

/* A mapping of a clone of the middle, whose place in the tree is shifted */
TEST_F(shared, a_mapped_clone_of_the_middle)
{
	int snap = vmo_child(self->fd, 0, 2 * PG, 4 * PG);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, 4 * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + 2));
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 3));
	EXPECT_EQ(0, zero_mem_check(mem + 2 * PG, 2 * PG));
	mem[0]++;
	EXPECT_EQ(0, pat_check(self->fd, 2, FILL + 2));
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 3));
	munmap(mem, 4 * PG);
	close(snap);
}

/* What one mapping's write replaces must go from all others. */
TEST_F(shared, two_mappings_of_one_vmo)
{
	unsigned char *other = vmo_map(self->fd, 0, PAGES * PG, RW);
	unsigned char *reader = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);
	int snap;

	ASSERT_NE(NULL, other);
	ASSERT_NE(NULL, reader);
	other[0] = 1;
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(1, reader[0]);
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(1, other[0]);
	self->mem[0] = 2;
	EXPECT_EQ(2, other[0]);
	EXPECT_EQ(2, reader[0]);
	other[0] = 3;
	EXPECT_EQ(3, self->mem[0]);
	EXPECT_EQ(3, reader[0]);
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	munmap(other, PAGES * PG);
	munmap(reader, PAGES * PG);
	close(snap);
}

TEST_F(shared, one_page_at_two_addresses)
{
	volatile unsigned char *first = self->mem, *place = first + 5 * PG;
	unsigned char *other = vmo_map(self->fd, 0, PG, RW);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(place, mremap(other, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED,
				place));
	place[0] = 5;
	EXPECT_EQ(5, first[0]);
	EXPECT_EQ(5, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(0, vmo_get_byte(self->fd, 5 * PG));
}

TEST_F(shared, a_mapping_outlives_its_fd)
{
	long vmos = vmo_stat("vmos");
	int fd = vmo_filled(2, 2, 0);
	unsigned char *mem;
	int snap;

	ASSERT_GE(fd, 0);
	mem = vmo_map(fd, 0, 2 * PG, RW);
	ASSERT_NE(NULL, mem);
	snap = vmo_snapshot(fd);
	ASSERT_GE(snap, 0);
	close(fd);
	EXPECT_EQ(vmos + 2, vmo_stat("vmos"));
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	mem[0]++;
	EXPECT_EQ(0, pat_check(snap, 0, FILL));
	EXPECT_EQ(PG, vmo_private(snap));
	munmap(mem, 2 * PG);
	EXPECT_EQ(vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ(2 * PG, vmo_private(snap));
	close(snap);
	EXPECT_EQ(vmos, vmo_stat("vmos"));
}

/* The buffers of read and write may be mappings of the very same VMO. */
TEST_F(shared, pwrite_from_its_own_mapping)
{
	EXPECT_EQ(PG, pwrite(self->fd, self->mem + PG, PG, 0));
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL + 1));
	EXPECT_EQ(PG, pwrite(self->fd, self->mem + 6 * PG, PG, 2 * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem + 2 * PG, PG));
	EXPECT_EQ(PG, pwrite(self->fd, self->mem + 3 * PG, PG, 3 * PG));
	EXPECT_EQ(0, pat_mem_check(self->mem + 3 * PG, FILL + 3));
}

TEST_F(shared, pread_into_its_own_mapping)
{
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(PG, pread(self->fd, self->mem + 6 * PG, PG, PG));
	EXPECT_EQ(0, pat_mem_check(self->mem + 6 * PG, FILL + 1));
	EXPECT_EQ(PG, pread(self->fd, self->mem, PG, 2 * PG));
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL + 2));
	EXPECT_EQ(0, pat_check(snap, 0, FILL));
	EXPECT_EQ(0, zero_check(snap, 6));
	close(snap);
}

static int store_in_child(void *arg)
{
	unsigned char *mem = arg;

	mem[0] = 50;
	mem[FILLED * PG] = 51;
	return mem[PG];
}

TEST_F(shared, fork_shares_the_mapping)
{
	int seen;

	self->mem[PG] = 49;
	seen = in_child(store_in_child, self->mem);
	EXPECT_EQ(49, seen);
	EXPECT_EQ(50, self->mem[0]);
	EXPECT_EQ(51, self->mem[FILLED * PG]);
	EXPECT_EQ(50, vmo_get_byte(self->fd, 0));
}

TEST_F(shared, a_snapshot_before_fork)
{
	int snap;

	self->mem[0] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_LT(0, in_child(store_in_child, self->mem));
	EXPECT_EQ(50, self->mem[0]);
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	EXPECT_EQ(0, vmo_get_byte(snap, FILLED * PG));
	close(snap);
}

struct inherited {
	unsigned char *mem;
	int fd;
	int snap;
};

/* The parent's writable PTEs are as good as ours: both must lose them. */
static int snapshot_in_child(void *arg)
{
	struct inherited *in = arg;
	int snap;

	in->mem[0] = 2;
	snap = vmo_snapshot(in->fd);
	if (snap < 0)
		return 1;
	if (vmo_send_fd(in->snap, snap))
		return 2;
	in->mem[0] = 3;
	return vmo_get_byte(snap, 0) == 2 ? 0 : 3;
}

TEST_F(shared, a_snapshot_by_a_forked_child)
{
	struct inherited in = { .mem = self->mem, .fd = self->fd };
	int sock[2], snap;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	in.snap = sock[1];
	self->mem[0] = 1;
	EXPECT_EQ(0, in_child(snapshot_in_child, &in));
	snap = vmo_recv_fd(sock[0]);
	ASSERT_GE(snap, 0);
	self->mem[0] = 4;
	EXPECT_EQ(2, vmo_get_byte(snap, 0));
	EXPECT_EQ(4, vmo_get_byte(self->fd, 0));
	close(snap);
}

TEST_F(shared, a_snapshot_while_a_child_has_it_mapped)
{
	int sock[2], snap, status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	self->mem[0] = 1;
	pid = fork();
	if (!pid) {
		self->mem[0] = 2;
		if (write(sock[1], &byte, 1) != 1 ||
		    read(sock[1], &byte, 1) != 1)
			_exit(1);
		self->mem[0] = 3;
		_exit(0);
	}
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	ASSERT_EQ(1, write(sock[0], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, vmo_get_byte(snap, 0));
	EXPECT_EQ(3, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(3, self->mem[0]);
	close(snap);
}

TEST_HARNESS_MAIN
