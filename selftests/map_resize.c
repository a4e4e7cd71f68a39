// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to mappings when the VMO under them changes: its size, its
 * content as a whole, or the mapping's own size.
 */
#include "maps.h"

#include "kselftest_harness.h"

#define PAGES	8ULL
#define FILLED	6ULL

FIXTURE(resize) {
	int fd;
	unsigned char *mem;
	unsigned char *private;
};

/* The mappings reach beyond the end from the start. */
#define MAPPED	(2 * PAGES)

FIXTURE_SETUP(resize)
{
	self->fd = vmo_filled(PAGES, FILLED, COWVMO_CREATE_RESIZABLE);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, MAPPED * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->private = map_private(self->fd, 0, MAPPED * PG, RW);
	ASSERT_NE(NULL, self->private);
}

FIXTURE_TEARDOWN(resize)
{
	munmap(self->mem, MAPPED * PG);
	munmap(self->private, MAPPED * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

/* The byte there, or minus the signal */
static int load(unsigned char *at)
{
	unsigned char byte = 0;
	int sig = vmo_try_read(at, &byte);

	return sig ? -sig : byte;
}

static int store(unsigned char *at, unsigned char byte)
{
	return -vmo_try_write(at, byte);
}

TEST_F(resize, beyond_the_end_is_sigbus)
{
	EXPECT_EQ(0, load(self->mem + PAGES * PG - 1));
	EXPECT_EQ(-SIGBUS, load(self->mem + PAGES * PG));
	EXPECT_EQ(-SIGBUS, store(self->mem + PAGES * PG, 1));
	EXPECT_EQ(-SIGBUS, load(self->private + PAGES * PG));
	EXPECT_EQ(-SIGBUS, store(self->private + PAGES * PG, 1));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

/* The last page is whole in a mapping, whatever the stream size says. */
TEST_F(resize, the_last_page_is_whole)
{
	EXPECT_EQ(0, vmo_set_size(self->fd, PG + 1));
	EXPECT_EQ(0, load(self->mem + 2 * PG - 1));
	EXPECT_EQ(0, store(self->mem + 2 * PG - 1, 1));
	EXPECT_EQ(-SIGBUS, load(self->mem + 2 * PG));
}

TEST_F(resize, shrink_unmaps)
{
	EXPECT_EQ(0, pat_mem_check(self->mem + 3 * PG, FILL + 3));
	EXPECT_EQ(0, store(self->mem + 2 * PG, 1));
	EXPECT_EQ(0, load(self->private + 7 * PG));
	EXPECT_EQ(0, vmo_set_size(self->fd, 2 * PG));
	EXPECT_EQ(-SIGBUS, load(self->mem + 3 * PG));
	EXPECT_EQ(-SIGBUS, store(self->mem + 2 * PG, 1));
	EXPECT_EQ(-SIGBUS, load(self->private + 2 * PG));
	EXPECT_EQ(-SIGBUS, load(self->private + 7 * PG));
	EXPECT_EQ(0, pat_mem_check(self->mem + PG, FILL + 1));
}

TEST_F(resize, ftruncate_unmaps_too)
{
	EXPECT_EQ(0, store(self->mem + 2 * PG, 1));
	EXPECT_EQ(0, ftruncate(self->fd, PG + 100));
	EXPECT_EQ(-SIGBUS, load(self->mem + 2 * PG));
	EXPECT_EQ(0, load(self->mem + PG + 100));
	EXPECT_EQ(0, load(self->mem + 2 * PG - 1));
	EXPECT_EQ((unsigned char)pat_word(FILL + 1, 0), load(self->mem + PG));
}

/* Truncation takes private copies beyond the end with it, for ever. */
TEST_F(resize, shrink_takes_private_copies)
{
	EXPECT_EQ(0, store(self->private + PG, 5));
	EXPECT_EQ(0, store(self->private + 3 * PG, 5));
	EXPECT_EQ(0, vmo_set_size(self->fd, 2 * PG));
	EXPECT_EQ(5, load(self->private + PG));
	EXPECT_EQ(-SIGBUS, load(self->private + 3 * PG));
	EXPECT_EQ(0, vmo_set_size(self->fd, PAGES * PG));
	EXPECT_EQ(0, load(self->private + 3 * PG));
	EXPECT_EQ(5, load(self->private + PG));
}

TEST_F(resize, grow_makes_it_accessible)
{
	EXPECT_EQ(-SIGBUS, load(self->mem + PAGES * PG));
	EXPECT_EQ(0, vmo_set_size(self->fd, (PAGES + 1) * PG));
	EXPECT_EQ(0, load(self->mem + PAGES * PG));
	EXPECT_EQ(0, store(self->mem + PAGES * PG, 3));
	EXPECT_EQ(3, vmo_get_byte(self->fd, PAGES * PG));
	EXPECT_EQ(-SIGBUS, load(self->mem + (PAGES + 1) * PG));
}

TEST_F(resize, what_is_regained_reads_zero)
{
	int snap = vmo_snapshot(self->fd);

	ASSERT_GE(snap, 0);
	EXPECT_EQ(0, pat_mem_check(self->mem + 3 * PG, FILL + 3));
	EXPECT_EQ(0, vmo_set_size(self->fd, PG));
	EXPECT_EQ(0, vmo_set_size(self->fd, PAGES * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem + PG, (PAGES - 1) * PG));
	EXPECT_EQ(0, zero_mem_check(self->private + PG, (PAGES - 1) * PG));
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	close(snap);
}

TEST_F(resize, a_write_that_grows_the_vmo)
{
	EXPECT_EQ(-SIGBUS, load(self->mem + PAGES * PG));
	EXPECT_EQ(0, vmo_put_byte(self->fd, PAGES * PG + 5, 6));
	EXPECT_EQ(6, load(self->mem + PAGES * PG + 5));
}

TEST_F(resize, to_nothing_and_back)
{
	EXPECT_EQ(0, store(self->mem, 1));
	EXPECT_EQ(0, vmo_set_size(self->fd, 0));
	EXPECT_EQ(-SIGBUS, load(self->mem));
	EXPECT_EQ(0, vmo_populated(self->fd));
	EXPECT_EQ(0, vmo_set_size(self->fd, PG));
	EXPECT_EQ(0, load(self->mem));
	EXPECT_EQ(0, vmo_populated(self->fd));
}

/* The clone has the page still, and its mapping keeps it. */
TEST_F(resize, a_clone_keeps_what_the_parent_lost)
{
	int snap = vmo_snapshot(self->fd);
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem + 3 * PG, FILL + 3));
	EXPECT_EQ(0, vmo_set_size(self->fd, PG));
	EXPECT_EQ(0, pat_mem_check(mem + 3 * PG, FILL + 3));
	mem[3 * PG]++;
	EXPECT_EQ(0, pat_mem_check(mem + 2 * PG, FILL + 2));
	munmap(mem, PAGES * PG);
	close(snap);
}

/* A mapping may grow beyond the VMO; the fault tells. */
TEST_F(resize, mremap_grows_beyond_the_end)
{
	unsigned char *mem = vmo_map(self->fd, 0, 2 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, store(mem, 1));
	mem = mremap(mem, 2 * PG, MAPPED * PG, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(1, load(mem));
	EXPECT_EQ(0, pat_mem_check(mem + 5 * PG, FILL + 5));
	EXPECT_EQ(-SIGBUS, load(mem + PAGES * PG));
	EXPECT_EQ(-SIGBUS, store(mem + (MAPPED - 1) * PG, 1));
	munmap(mem, MAPPED * PG);
}

TEST_F(resize, mremap_shrinks)
{
	EXPECT_EQ(0, store(self->mem + PG, 1));
	ASSERT_EQ(self->mem, mremap(self->mem, MAPPED * PG, PG, 0));
	EXPECT_EQ((unsigned char)pat_word(FILL, 0), load(self->mem));
	EXPECT_EQ(-SIGSEGV, load(self->mem + PG));
	EXPECT_EQ(1, vmo_get_byte(self->fd, PG));
}

/* Parts of pages keep the rest of the page, in place. */
TEST_F(resize, zero_of_parts_of_pages)
{
	__u64 page[PG / sizeof(__u64)];
	unsigned char *want = (unsigned char *)page;

	ASSERT_EQ(0, vmo_zero(self->fd, 10, 2 * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem + 10, 2 * PG));
	pat_mem_fill(page, FILL);
	EXPECT_EQ(0, memcmp(self->mem, want, 10));
	pat_mem_fill(page, FILL + 2);
	EXPECT_EQ(0, memcmp(self->mem + 2 * PG + 10, want + 10, PG - 10));
}

/* What removes content under a mapping: six ways, with one result. */

enum remove { R_ZERO, R_DECOMMIT, R_PUNCH, R_ZERO_RANGE, R_MADV, R_STREAM };

FIXTURE(remove) {
	int fd;
	int snap;
	unsigned char *mem;
	unsigned char *private;
};

FIXTURE_VARIANT(remove) {
	enum remove how;
	bool snapshot;
};

FIXTURE_VARIANT_ADD(remove, zero) {
	.how = R_ZERO,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, zero_with_snapshot) {
	.how = R_ZERO,
	.snapshot = true,
};

FIXTURE_VARIANT_ADD(remove, decommit) {
	.how = R_DECOMMIT,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, punch_hole) {
	.how = R_PUNCH,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, punch_hole_with_snapshot) {
	.how = R_PUNCH,
	.snapshot = true,
};

FIXTURE_VARIANT_ADD(remove, zero_range) {
	.how = R_ZERO_RANGE,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, zero_range_with_snapshot) {
	.how = R_ZERO_RANGE,
	.snapshot = true,
};

FIXTURE_VARIANT_ADD(remove, madv_remove) {
	.how = R_MADV,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, madv_remove_with_snapshot) {
	.how = R_MADV,
	.snapshot = true,
};

FIXTURE_VARIANT_ADD(remove, stream_size) {
	.how = R_STREAM,
	.snapshot = false,
};

FIXTURE_VARIANT_ADD(remove, stream_size_with_snapshot) {
	.how = R_STREAM,
	.snapshot = true,
};

FIXTURE_SETUP(remove)
{
	self->snap = -1;
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->private = map_private(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->private);
	self->mem[2 * PG] = 1;
	self->private[3 * PG] = 44;
	if (variant->snapshot) {
		self->snap = vmo_snapshot(self->fd);
		ASSERT_GE(self->snap, 0);
	}
}

FIXTURE_TEARDOWN(remove)
{
	munmap(self->mem, PAGES * PG);
	munmap(self->private, PAGES * PG);
	if (self->snap >= 0)
		close(self->snap);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

/* Pages 2, 3 and all that follow */
static int remove_content(int fd, unsigned char *mem, enum remove how)
{
	const __u64 offset = 2 * PG, length = (PAGES - 2) * PG;
	const int keep = FALLOC_FL_KEEP_SIZE;

	switch (how) {
	case R_ZERO:
		return vmo_zero(fd, offset, length);
	case R_DECOMMIT:
		return vmo_decommit(fd, offset, length);
	case R_PUNCH:
		return vmo_ret(fallocate(fd, FALLOC_FL_PUNCH_HOLE | keep,
					 offset, length));
	case R_ZERO_RANGE:
		return vmo_ret(fallocate(fd, FALLOC_FL_ZERO_RANGE | keep,
					 offset, length));
	case R_MADV:
		return vmo_ret(madvise(mem + offset, length, MADV_REMOVE));
	case R_STREAM:
		return vmo_set_stream_size(fd, offset);
	}
	return -EINVAL;
}

/* The snapshot, if there is one, keeps it all. */
static int snapshot_check(int snap)
{
	if (snap < 0)
		return 0;
	if (vmo_get_byte(snap, 2 * PG) != 1)
		return -EILSEQ;
	return filled_check(snap, 0, 2) ?: filled_check(snap, 3, FILLED - 3);
}

TEST_F(remove, reads_zero_through_mappings)
{
	ASSERT_EQ(0, remove_content(self->fd, self->mem, variant->how));
	EXPECT_EQ(0, zero_mem_check(self->mem + 2 * PG, (PAGES - 2) * PG));
	EXPECT_EQ(0, zero_mem_check(self->private + 2 * PG, PG));
	EXPECT_EQ(44, self->private[3 * PG]);
	EXPECT_EQ(2 * PG, vmo_populated(self->fd));
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, pat_mem_check(self->mem + PG, FILL + 1));
	EXPECT_EQ(0, snapshot_check(self->snap));
}

TEST_F(remove, a_store_afterwards)
{
	ASSERT_EQ(0, remove_content(self->fd, self->mem, variant->how));
	self->mem[2 * PG] = 2;
	EXPECT_EQ(0, zero_mem_check(self->mem + 2 * PG + 1, PG - 1));
	EXPECT_EQ(2, self->private[2 * PG]);
	EXPECT_EQ(3 * PG, vmo_populated(self->fd));
	EXPECT_EQ(0, snapshot_check(self->snap));
}

TEST_HARNESS_MAIN
