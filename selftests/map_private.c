// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings that never write to the object: MAP_PRIVATE ones, those of a
 * read-only fd, those with PROT_READ only. And that none of them, wherever it
 * stands among the mappings, keeps a snapshot from write-protecting the rest:
 * the kernel's own walk stops at the first mapping it does not want.
 */
#include "maps.h"

#include "kselftest_harness.h"

#define PAGES	8ULL
#define FILLED	4ULL

FIXTURE(private) {
	int fd;
	unsigned char *mem;
	unsigned char *shared;
};

FIXTURE_SETUP(private)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = map_private(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->shared = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->shared);
}

FIXTURE_TEARDOWN(private)
{
	munmap(self->mem, PAGES * PG);
	munmap(self->shared, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(private, reads_the_object)
{
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, zero_mem_check(self->mem + FILLED * PG, PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

TEST_F(private, a_write_does_not_reach_the_object)
{
	self->mem[0]++;
	self->mem[FILLED * PG] = 3;
	EXPECT_EQ(0, pat_check(self->fd, 0, FILL));
	EXPECT_EQ(0, pat_mem_check(self->shared, FILL));
	EXPECT_EQ(0, vmo_get_byte(self->fd, FILLED * PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

/* As above, but the page is there read-only before it is written. */
TEST_F(private, a_write_after_reading_does_not_reach_the_object)
{
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	self->mem[0]++;
	self->mem[FILLED * PG] = 3;
	EXPECT_EQ(0, pat_check(self->fd, 0, FILL));
	EXPECT_EQ(0, vmo_get_byte(self->fd, FILLED * PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

TEST_F(private, a_copy_survives_what_the_object_does)
{
	int snap;

	self->mem[0] = 77;
	EXPECT_EQ(0, vmo_put_byte(self->fd, 0, 1));
	self->shared[0] = 2;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	self->shared[0] = 3;
	EXPECT_EQ(0, vmo_zero(self->fd, 0, PAGES * PG));
	EXPECT_EQ(77, self->mem[0]);
	EXPECT_EQ(2, vmo_get_byte(snap, 0));
	close(snap);
}

TEST_F(private, what_is_not_copied_follows_the_object)
{
	int snap;

	EXPECT_EQ(0, self->mem[FILLED * PG]);
	EXPECT_EQ(0, vmo_put_byte(self->fd, FILLED * PG, 1));
	EXPECT_EQ(1, self->mem[FILLED * PG]);
	self->shared[FILLED * PG] = 2;
	EXPECT_EQ(2, self->mem[FILLED * PG]);
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	EXPECT_EQ(2, self->mem[FILLED * PG]);
	self->shared[FILLED * PG] = 3;
	EXPECT_EQ(3, self->mem[FILLED * PG]);
	EXPECT_EQ(0, vmo_zero(self->fd, FILLED * PG, PG));
	EXPECT_EQ(0, self->mem[FILLED * PG]);
	close(snap);
}

TEST_F(private, dontneed_returns_to_the_object)
{
	self->mem[0]++;
	EXPECT_EQ(0, madvise(self->mem, PG, MADV_DONTNEED));
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
}

TEST_F(private, populate_write_copies)
{
	EXPECT_EQ(0, madvise(self->mem, PAGES * PG, MADV_POPULATE_WRITE));
	self->shared[0]++;
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

TEST_F(private, map_populate_copies)
{
	unsigned char *mem = mmap(NULL, PAGES * PG, RW,
				  MAP_PRIVATE | MAP_POPULATE, self->fd, 0);

	ASSERT_NE(MAP_FAILED, mem);
	mem[0]++;
	EXPECT_EQ(0, pat_check(self->fd, 0, FILL));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	munmap(mem, PAGES * PG);
}

static int store_private(void *arg)
{
	unsigned char *mem = arg;

	mem[0] = 60;
	mem[PG]++;
	return mem[0];
}

TEST_F(private, a_forked_child_has_its_own_copies)
{
	self->mem[0] = 59;
	EXPECT_EQ(60, in_child(store_private, self->mem));
	EXPECT_EQ(59, self->mem[0]);
	EXPECT_EQ(0, pat_mem_check(self->mem + PG, FILL + 1));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
}

/* mprotect() must not turn a page of the object writable in place. */
TEST_F(private, mprotect_does_not_reach_the_object)
{
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, mprotect(self->mem, PAGES * PG, PROT_READ));
	EXPECT_EQ(0, mprotect(self->mem, PAGES * PG, RW));
	self->mem[0]++;
	EXPECT_EQ(0, mprotect(self->mem, PAGES * PG, PROT_WRITE));
	self->mem[PG]++;
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
}

TEST_F(private, a_read_only_fd_may_be_mapped_private_and_written)
{
	int snap = vmo_child(self->fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = map_private(snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, mem);
	mem[0]++;
	mem[FILLED * PG] = 8;
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	EXPECT_EQ(0, filled_check(self->fd, 0, FILLED));
	EXPECT_EQ(0, zero_check(snap, FILLED));
	munmap(mem, PAGES * PG);
	close(snap);
}

/*
 * Where a mapping that cannot write stands among those that can, in the order
 * of their making: all positions, all kinds, here and in another process.
 */
enum kind { K_PRIVATE, K_PRIVATE_READ, K_READ };

FIXTURE(among) {
	int fd;
	unsigned char *first;
	unsigned char *second;
	struct holder holder;
};

FIXTURE_VARIANT(among) {
	enum kind kind;
	unsigned int position;
	bool elsewhere;
};

FIXTURE_VARIANT_ADD(among, private_first) {
	.kind = K_PRIVATE,
	.position = 0,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_middle) {
	.kind = K_PRIVATE,
	.position = 1,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_last) {
	.kind = K_PRIVATE,
	.position = 2,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_read_first) {
	.kind = K_PRIVATE_READ,
	.position = 0,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_read_middle) {
	.kind = K_PRIVATE_READ,
	.position = 1,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_read_last) {
	.kind = K_PRIVATE_READ,
	.position = 2,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, read_first) {
	.kind = K_READ,
	.position = 0,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, read_middle) {
	.kind = K_READ,
	.position = 1,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, read_last) {
	.kind = K_READ,
	.position = 2,
	.elsewhere = false,
};

FIXTURE_VARIANT_ADD(among, private_first_elsewhere) {
	.kind = K_PRIVATE,
	.position = 0,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, private_middle_elsewhere) {
	.kind = K_PRIVATE,
	.position = 1,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, private_last_elsewhere) {
	.kind = K_PRIVATE,
	.position = 2,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, private_read_first_elsewhere) {
	.kind = K_PRIVATE_READ,
	.position = 0,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, private_read_middle_elsewhere) {
	.kind = K_PRIVATE_READ,
	.position = 1,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, private_read_last_elsewhere) {
	.kind = K_PRIVATE_READ,
	.position = 2,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, read_first_elsewhere) {
	.kind = K_READ,
	.position = 0,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, read_middle_elsewhere) {
	.kind = K_READ,
	.position = 1,
	.elsewhere = true,
};

FIXTURE_VARIANT_ADD(among, read_last_elsewhere) {
	.kind = K_READ,
	.position = 2,
	.elsewhere = true,
};

struct odd {
	int fd;
	enum kind kind;
};

/* The mapping that cannot write, with its pages there */
static int map_odd(void *arg)
{
	const struct odd *odd = arg;
	volatile unsigned char *mem;
	__u64 i;

	if (odd->kind == K_PRIVATE || odd->kind == K_PRIVATE_READ)
		mem = map_private(odd->fd, 0, PAGES * PG,
				  odd->kind == K_PRIVATE ? RW : PROT_READ);
	else
		mem = vmo_map(odd->fd, 0, PAGES * PG, PROT_READ);
	if (!mem)
		return 1;
	for (i = 0; i < PAGES; i++)
		(void)mem[i * PG];
	if (odd->kind == K_PRIVATE)
		mem[3 * PG]++;
	return 0;
}

static int add_odd(struct holder *holder, int fd, enum kind kind,
		   bool elsewhere)
{
	struct odd odd = { .fd = fd, .kind = kind };

	return elsewhere ? holder_start(holder, map_odd, &odd) : map_odd(&odd);
}

static unsigned char *map_writable(int fd)
{
	unsigned char *mem = vmo_map(fd, 0, PAGES * PG, RW);
	__u64 i;

	for (i = 0; mem && i < PAGES; i++)
		mem[i * PG] = 1;
	return mem;
}

FIXTURE_SETUP(among)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	if (variant->position == 0)
		ASSERT_EQ(0, add_odd(&self->holder, self->fd, variant->kind,
				     variant->elsewhere));
	self->first = map_writable(self->fd);
	ASSERT_NE(NULL, self->first);
	if (variant->position == 1)
		ASSERT_EQ(0, add_odd(&self->holder, self->fd, variant->kind,
				     variant->elsewhere));
	self->second = map_writable(self->fd);
	ASSERT_NE(NULL, self->second);
	if (variant->position == 2)
		ASSERT_EQ(0, add_odd(&self->holder, self->fd, variant->kind,
				     variant->elsewhere));
}

FIXTURE_TEARDOWN(among)
{
	if (variant->elsewhere)
		holder_stop(&self->holder);
	munmap(self->first, PAGES * PG);
	munmap(self->second, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(among, both_writers_are_write_protected)
{
	int snap = vmo_snapshot(self->fd);
	__u64 i;

	ASSERT_GE(snap, 0);
	for (i = 0; i < PAGES; i++)
		(i % 2 ? self->first : self->second)[i * PG] = 2;
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, vmo_get_byte(snap, i * PG));
		EXPECT_EQ(2, vmo_get_byte(self->fd, i * PG));
	}
	close(snap);
}

TEST_F(among, again_and_again)
{
	int snap[8];
	int i;

	for (i = 0; i < 8; i++) {
		self->first[0] = i;
		self->second[PG] = i;
		snap[i] = vmo_snapshot(self->fd);
		ASSERT_GE(snap[i], 0);
	}
	self->first[PG] = 99;
	self->second[0] = 99;
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(i, vmo_get_byte(snap[i], 0));
		EXPECT_EQ(i, vmo_get_byte(snap[i], PG));
		close(snap[i]);
	}
}

TEST_HARNESS_MAIN
