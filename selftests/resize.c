// SPDX-License-Identifier: GPL-2.0
/*
 * SET_SIZE, SET_STREAM_SIZE and ftruncate: which sizes are taken, what is
 * freed, and that whatever is cut off never comes back.
 */
#include "vmo.h"
#include "kselftest_harness.h"

#define PAGES	8

/* The two ways to set the size of a VMO do the same. */
FIXTURE(resize) {
	int vmo;
	long pages;
};

FIXTURE_VARIANT(resize) {
	int (*set)(int fd, __u64 size);
};

static int by_ftruncate(int fd, __u64 size)
{
	return vmo_ret(ftruncate(fd, size));
}

FIXTURE_VARIANT_ADD(resize, ioctl) { .set = vmo_set_size };
FIXTURE_VARIANT_ADD(resize, ftruncate) { .set = by_ftruncate };

static int make_filled(void)
{
	int fd = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (pat_fill(fd, i, i + 1))
			return -EIO;
	return fd;
}

FIXTURE_SETUP(resize)
{
	self->pages = vmo_stat("pages");
	self->vmo = make_filled();
	ASSERT_LE(0, self->vmo);
}

FIXTURE_TEARDOWN(resize)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
}

TEST_F(resize, rounds_up)
{
	static const __u64 sizes[] = {
		0, 1, PG - 1, PG, PG + 1, 3 * PG - 1, 40 * PG + 3, 1ULL << 40,
		(1ULL << 62) + 5, VMO_MAX - 1, VMO_MAX, 0,
	};
	unsigned int i;
	struct stat st;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(0, variant->set(self->vmo, sizes[i]));
		EXPECT_EQ((sizes[i] + PG - 1) / PG * PG, vmo_size(self->vmo));
		EXPECT_EQ(sizes[i], vmo_stream(self->vmo));
		EXPECT_EQ(0, fstat(self->vmo, &st));
		EXPECT_EQ(sizes[i], (__u64)st.st_size);
	}
}

TEST_F(resize, shrinking_frees)
{
	unsigned int i;

	EXPECT_EQ(0, variant->set(self->vmo, 3 * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + 3, vmo_stat("pages"));
	EXPECT_EQ(0, variant->set(self->vmo, PAGES * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, pat_check(self->vmo, i, i + 1));
	for (; i < PAGES; i++)
		EXPECT_EQ(0, zero_check(self->vmo, i));
}

/* Cut in the middle of a page, the rest of that page is zero from then on. */
TEST_F(resize, tail_is_zeroed)
{
	unsigned char page[PG], want[PG] = { 0 };

	EXPECT_EQ(0, variant->set(self->vmo, 2 * PG + 100));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, variant->set(self->vmo, PAGES * PG));
	EXPECT_EQ(0, page_read(self->vmo, 2, page));
	pat_mem_fill(want, 3);
	memset(want + 100, 0, PG - 100);
	EXPECT_EQ(0, memcmp(page, want, PG));
}

/* Bytes stored by mapping beyond the end, but in the last page, go too. */
TEST_F(resize, tail_written_by_mapping)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, variant->set(self->vmo, PG + 100));
	EXPECT_EQ(0, vmo_try_write(mem + PG + 200, 0xaa));
	EXPECT_EQ(PG + 100, vmo_stream(self->vmo));
	EXPECT_EQ(0, variant->set(self->vmo, PG + 150));
	EXPECT_EQ(0, variant->set(self->vmo, 2 * PG));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, PG + 200));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

TEST_F(resize, leaves_clones_alone)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);
	unsigned int i;

	ASSERT_LE(0, child);
	EXPECT_EQ(0, variant->set(self->vmo, PG + 1));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, pat_check(child, i, i + 1));
	/* Page 1 was copied for its tail; the clone keeps all 8 */
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + PAGES + 1, vmo_stat("pages"));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(self->pages + 2, vmo_stat("pages"));
}

TEST_F(resize, of_a_clone)
{
	int child = vmo_child(self->vmo, COWVMO_CREATE_RESIZABLE, 2 * PG,
			      4 * PG);
	unsigned int i;

	ASSERT_LE(0, child);
	EXPECT_EQ(0, variant->set(child, 2 * PG));
	EXPECT_EQ(2 * PG, vmo_populated(child));
	EXPECT_EQ(0, variant->set(child, 6 * PG));
	EXPECT_EQ(2 * PG, vmo_populated(child));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, page_check(child, i, i < 2 ? i + 3 : 0));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, pat_check(self->vmo, i, i + 1));
	EXPECT_EQ(0, close(child));
}

TEST_F(resize, to_nothing)
{
	char byte;

	EXPECT_EQ(0, variant->set(self->vmo, 0));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
	EXPECT_EQ(0, pread(self->vmo, &byte, 1, 0));
	EXPECT_EQ(-ERANGE, vmo_commit(self->vmo, 0, 1));
	EXPECT_EQ(0, variant->set(self->vmo, PG));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
}

/* A mapping of what is cut off raises SIGBUS, and works again after. */
TEST_F(resize, mapped)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);
	unsigned char byte = 1;

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, vmo_try_write(mem + 5 * PG, 1));
	EXPECT_EQ(0, variant->set(self->vmo, 5 * PG));
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + 5 * PG, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_write(mem + 5 * PG, 1));
	EXPECT_EQ(0, vmo_try_write(mem + 5 * PG - 1, 9));
	EXPECT_EQ(0, variant->set(self->vmo, 6 * PG));
	EXPECT_EQ(0, vmo_try_read(mem + 5 * PG, &byte));
	EXPECT_EQ(0, byte);
	EXPECT_EQ(0, vmo_try_write(mem + 5 * PG, 7));
	EXPECT_EQ(7, vmo_get_byte(self->vmo, 5 * PG));
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + 6 * PG, &byte));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

TEST_F(resize, fixed_size)
{
	int fd = vmo_new(4 * PG, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, variant->set(fd, PG));
	EXPECT_EQ(-EPERM, variant->set(fd, 8 * PG));
	EXPECT_EQ(-EPERM, variant->set(fd, 0));
	EXPECT_EQ(4 * PG, vmo_size(fd));
	EXPECT_EQ(4 * PG, vmo_stream(fd));
	EXPECT_EQ(0, close(fd));
}

/* --- What differs between the two */

TEST(too_large)
{
	static const __u64 sizes[] = {
		VMO_MAX + 1, VMO_MAX + PG, 1ULL << 63, 0 - PG, ~0ULL,
	};
	int fd = make_filled();
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-ERANGE, vmo_set_size(fd, sizes[i]));
	EXPECT_EQ(-EINVAL, by_ftruncate(fd, -1));
	/* The VFS or the module may be the first to refuse this one */
	i = -by_ftruncate(fd, VMO_MAX + 1);
	EXPECT_TRUE(i == ERANGE || i == EFBIG);
	EXPECT_EQ(PAGES * PG, vmo_size(fd));
	EXPECT_EQ(PAGES * PG, vmo_populated(fd));
	EXPECT_EQ(0, close(fd));
}

TEST(read_only)
{
	int fd = make_filled();
	int frozen = vmo_child(fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);

	ASSERT_LE(0, frozen);
	EXPECT_EQ(-EACCES, vmo_set_size(frozen, PG));
	EXPECT_EQ(-EINVAL, by_ftruncate(frozen, PG));
	EXPECT_EQ(-EACCES, vmo_set_stream_size(frozen, PG));
	EXPECT_EQ(-EACCES, vmo_set_stream_size(frozen, PAGES * PG));
	EXPECT_EQ(PAGES * PG, vmo_size(frozen));
	EXPECT_EQ(0, close(frozen));
	EXPECT_EQ(0, close(fd));
}

/* --- The stream size */

FIXTURE(stream) {
	int vmo;
};

/* It moves within the VMO, resizable or not. */
FIXTURE_VARIANT(stream) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(stream, fixed) { .flags = 0 };
FIXTURE_VARIANT_ADD(stream, resizable) { .flags = COWVMO_CREATE_RESIZABLE };

FIXTURE_SETUP(stream)
{
	unsigned int i;

	self->vmo = vmo_new(PAGES * PG, variant->flags);
	ASSERT_LE(0, self->vmo);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(0, pat_fill(self->vmo, i, i + 1));
}

FIXTURE_TEARDOWN(stream)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
}

TEST_F(stream, lower)
{
	unsigned char page[PG], want[PG];

	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 2 * PG + 10));
	EXPECT_EQ(PAGES * PG, vmo_size(self->vmo));
	EXPECT_EQ(2 * PG + 10, vmo_stream(self->vmo));
	EXPECT_EQ(2 * PG + 10, (__u64)lseek(self->vmo, 0, SEEK_END));
	EXPECT_EQ(10, pread(self->vmo, page, PG, 2 * PG));
	pat_mem_fill(want, 3);
	EXPECT_EQ(0, memcmp(page, want, 10));
	EXPECT_EQ(0, pread(self->vmo, page, PG, 2 * PG + 10));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
}

TEST_F(stream, lower_and_raise)
{
	unsigned char page[PG], want[PG];
	unsigned int i;

	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 2 * PG + 10));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PAGES * PG));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 2));
	EXPECT_EQ(0, page_read(self->vmo, 2, page));
	pat_mem_fill(want, 3);
	memset(want + 10, 0, PG - 10);
	EXPECT_EQ(0, memcmp(page, want, PG));
	for (i = 3; i < PAGES; i++)
		EXPECT_EQ(0, zero_check(self->vmo, i));
}

/* What a mapping stored beyond the end is gone when the end moves over it. */
TEST_F(stream, raise_clears_what_was_beyond)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG + 10));
	EXPECT_EQ(0, vmo_try_write(mem + PG + 20, 0xaa));
	EXPECT_EQ(0, vmo_try_write(mem + PG + 5, 0xbb));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG + 15));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PAGES * PG));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, PG + 20));
	EXPECT_EQ(0xbb, vmo_get_byte(self->vmo, PG + 5));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

TEST_F(stream, unchanged_value_changes_nothing)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG + 10));
	EXPECT_EQ(0, vmo_try_write(mem + PG + 20, 0xaa));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG + 10));
	EXPECT_EQ(0xaa, mem[PG + 20]);
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

TEST_F(stream, beyond_the_size)
{
	static const __u64 sizes[] = {
		PAGES * PG + 1, (PAGES + 1) * PG, 1ULL << 63, ~0ULL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-ERANGE, vmo_set_stream_size(self->vmo, sizes[i]));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->vmo));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, pat_check(self->vmo, i, i + 1));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 0));
	EXPECT_EQ(0, vmo_stream(self->vmo));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PAGES * PG));
}

TEST_F(stream, leaves_clones_alone)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);
	unsigned int i;

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 10));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, pat_check(child, i, i + 1));
	EXPECT_EQ(PAGES * PG, vmo_stream(child));
	EXPECT_EQ(0, vmo_set_stream_size(child, 3 * PG));
	EXPECT_EQ(10, vmo_stream(self->vmo));
	EXPECT_EQ(0, close(child));
}

/* Faults end with the VMO, not with the stream. */
TEST_F(stream, mapping_beyond_the_stream)
{
	unsigned char *mem = vmo_map(self->vmo, 0, (PAGES + 1) * PG,
				     PROT_READ | PROT_WRITE);
	unsigned char byte = 1;

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 10));
	EXPECT_EQ(0, vmo_try_read(mem + 3 * PG, &byte));
	EXPECT_EQ(0, byte);
	EXPECT_EQ(0, vmo_try_write(mem + 3 * PG, 4));
	EXPECT_EQ(10, vmo_stream(self->vmo));
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + PAGES * PG, &byte));
	EXPECT_EQ(0, munmap(mem, (PAGES + 1) * PG));
}

TEST_HARNESS_MAIN
