// SPDX-License-Identifier: GPL-2.0
/*
 * FICLONE, FICLONERANGE and copy_file_range(2) between VMOs: shared where the
 * design can, copied where it cannot, and the same to look at.
 */
#include "maps.h"

#include <linux/fs.h>

#include "kselftest_harness.h"

#define PAGES	48ULL

FIXTURE(reflink)
{
	int fd, snapshot, stranger;
	unsigned char *map;
};

FIXTURE_SETUP(reflink)
{
	/* Pages 30 on are a hole. */
	self->fd = vmo_filled(PAGES, 30, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->fd);
	self->snapshot = vmo_snapshot(self->fd);
	ASSERT_LE(0, self->snapshot);
	self->stranger = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->stranger);
	self->map = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->map);
}

FIXTURE_TEARDOWN(reflink)
{
	munmap(self->map, PAGES * PG);
	close(self->fd);
	close(self->snapshot);
	close(self->stranger);
	EXPECT_EQ(0, vmo_validate());
}

static int clone_range(int from, __u64 src, __u64 length, int to, __u64 dst)
{
	struct file_clone_range arg = {
		.src_fd = from,
		.src_offset = src,
		.src_length = length,
		.dest_offset = dst,
	};

	return vmo_ret(ioctl(to, FICLONERANGE, &arg));
}

static int clone_all(int from, int to)
{
	return vmo_ret(ioctl(to, FICLONE, from));
}

static long copy(int from, __u64 src, __u64 length, int to, __u64 dst)
{
	loff_t in = src, out = dst;

	return vmo_ret(copy_file_range(from, &in, to, &out, length, 0));
}

/* 0 if [@at, @at + @n) of @fd is what vmo_filled() made of [@first, ...) */
static int is_content(int fd, __u64 at, __u64 first, __u64 n)
{
	int rc = 0;

	for (; !rc && n--; at++, first++)
		rc = first < 30 ? pat_check(fd, at, FILL + first) :
				  zero_check(fd, at);
	return rc;
}

TEST_F(reflink, relatives_share_at_the_same_place)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 20, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 40, 1));
	EXPECT_EQ(3 * PG, vmo_private(self->fd));
	EXPECT_EQ(0, clone_range(self->snapshot, PG, 20 * PG, self->fd, PG));
	EXPECT_EQ(PG, vmo_private(self->fd));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, 40));
	EXPECT_EQ(0, pat_check(self->fd, 40, 1));
	EXPECT_EQ(0, is_content(self->snapshot, 0, 0, PAGES));
}

TEST_F(reflink, mappings_see_it)
{
	__u64 i;

	for (i = 0; i < PAGES; i++)
		pat_mem_fill(self->map + i * PG, 500 + i);
	EXPECT_EQ(0, clone_range(self->snapshot, 8 * PG, 24 * PG, self->fd,
				 8 * PG));
	for (i = 0; i < PAGES; i++) {
		const void *at = self->map + i * PG;

		EXPECT_EQ(0, i < 8 || i >= 32 ? pat_mem_check(at, 500 + i) :
			     i < 30 ? pat_mem_check(at, FILL + i) :
				      zero_mem_check(at, PG));
	}
	/* What is written now is not the source's. */
	pat_mem_fill(self->map + 9 * PG, 7);
	EXPECT_EQ(0, pat_check(self->snapshot, 9, FILL + 9));
	EXPECT_EQ(0, pat_check(self->fd, 9, 7));
}

TEST_F(reflink, a_source_that_is_being_written)
{
	unsigned char *theirs = vmo_map(self->snapshot, 0, PAGES * PG, RW);

	ASSERT_NE(NULL, theirs);
	pat_mem_fill(theirs + 5 * PG, 1);
	EXPECT_EQ(0, clone_range(self->snapshot, 0, 8 * PG, self->fd, 0));
	EXPECT_EQ(0, pat_mem_check(self->map + 5 * PG, 1));
	pat_mem_fill(theirs + 5 * PG, 2);
	EXPECT_EQ(0, pat_mem_check(self->map + 5 * PG, 1));
	munmap(theirs, PAGES * PG);
}

TEST_F(reflink, relatives_at_another_place_copy)
{
	EXPECT_EQ(0, clone_range(self->snapshot, 20 * PG, 15 * PG, self->fd,
				 2 * PG));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, 2));
	EXPECT_EQ(0, is_content(self->fd, 2, 20, 15));
	EXPECT_EQ(0, is_content(self->fd, 17, 17, PAGES - 17));
	EXPECT_EQ(10 * PG, vmo_private(self->fd));
}

TEST_F(reflink, strangers_copy)
{
	EXPECT_EQ(0, pat_fill(self->stranger, 35, 1));
	EXPECT_EQ(0, clone_all(self->fd, self->stranger));
	EXPECT_EQ(0, is_content(self->stranger, 0, 0, PAGES));
	EXPECT_EQ(30 * PG, vmo_private(self->stranger));
	pat_mem_fill(self->map, 1);
	EXPECT_EQ(0, is_content(self->stranger, 0, 0, PAGES));
}

TEST_F(reflink, within_one_vmo)
{
	EXPECT_EQ(0, clone_range(self->fd, 0, 10 * PG, self->fd, 20 * PG));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, 20));
	EXPECT_EQ(0, is_content(self->fd, 20, 0, 10));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 0, 10 * PG, self->fd,
				       5 * PG));
}

TEST_F(reflink, through_slices_and_references)
{
	int slice = vmo_slice(self->snapshot, 8 * PG, 16 * PG);
	int reference = vmo_reference(self->fd, 0);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, reference);
	EXPECT_EQ(0, pat_fill(self->fd, 10, 1));
	/* The same place, under other numbers: shared */
	EXPECT_EQ(0, clone_range(slice, 0, 16 * PG, reference, 8 * PG));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, PAGES));
	EXPECT_EQ(0, vmo_private(self->fd));
	/* Two names of one content: nothing to do, or overlapping */
	EXPECT_EQ(0, clone_range(self->snapshot, 9 * PG, PG, slice, PG));
	EXPECT_EQ(-EINVAL, clone_range(self->snapshot, 9 * PG, 2 * PG, slice,
				       2 * PG));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 0, 2 * PG, reference, PG));
	/* Nothing beyond the end of a slice can be read through it. */
	EXPECT_EQ(-EINVAL, clone_range(slice, 15 * PG, 2 * PG, self->fd, 0));
	EXPECT_EQ(-EINVAL, clone_range(slice, 16 * PG, PG, self->fd, 0));
	EXPECT_EQ(-ENOSPC, clone_range(self->fd, 0, 2 * PG, slice, 15 * PG));
	EXPECT_EQ(0, is_content(self->snapshot, 0, 0, PAGES));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(reference));
}

TEST_F(reflink, grows_what_is_resizable)
{
	EXPECT_EQ(0, clone_range(self->fd, 0, 8 * PG, self->stranger,
				 (PAGES - 2) * PG));
	EXPECT_EQ((PAGES + 6) * PG, vmo_size(self->stranger));
	EXPECT_EQ((PAGES + 6) * PG, vmo_stream(self->stranger));
	EXPECT_EQ(0, is_content(self->stranger, PAGES - 2, 0, 8));
	EXPECT_EQ(-ENOSPC, clone_range(self->fd, 0, 2 * PG, self->snapshot,
				       (PAGES - 1) * PG));
	EXPECT_EQ(0, is_content(self->snapshot, 0, 0, PAGES));
}

TEST_F(reflink, up_to_an_odd_end)
{
	EXPECT_EQ(0, vmo_set_size(self->fd, 10 * PG + 100));
	EXPECT_EQ(0, vmo_set_size(self->stranger, 0));
	EXPECT_EQ(0, clone_all(self->fd, self->stranger));
	EXPECT_EQ(10 * PG + 100, vmo_stream(self->stranger));
	EXPECT_EQ(0, is_content(self->stranger, 0, 0, 10));
	EXPECT_EQ(0, vmo_set_stream_size(self->stranger, 11 * PG));
	EXPECT_EQ(0, vmo_get_byte(self->stranger, 10 * PG + 100));
	/* In the middle of another VMO that cannot be done by pages. */
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 0, 10 * PG + 100,
				       self->snapshot, 0));
}

TEST_F(reflink, what_is_pinned_is_copied)
{
	int ours = vmo_pin(self->fd, COWVMO_PIN_WRITE, 10 * PG, PG);

	ASSERT_LE(0, ours);
	EXPECT_EQ(0, pat_fill(self->fd, 10, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 11, 1));
	EXPECT_EQ(0, clone_range(self->snapshot, 8 * PG, 8 * PG, self->fd,
				 8 * PG));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, PAGES));
	/* Out of what is pinned, too; the pin goes on holding the content. */
	EXPECT_EQ(0, pat_fill(self->fd, 10, 2));
	EXPECT_EQ(0, clone_range(self->fd, 8 * PG, 8 * PG, self->snapshot,
				 8 * PG));
	EXPECT_EQ(0, pat_check(self->snapshot, 10, 2));
	EXPECT_EQ(0, pat_fill(self->fd, 10, 3));
	EXPECT_EQ(0, pat_check(self->snapshot, 10, 2));
	EXPECT_EQ(0, close(ours));
}

TEST_F(reflink, errors)
{
	int file = memfd_create("x", 0), reader, pipes[2];

	reader = vmo_open_read_only(self->stranger);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 1, PG, self->stranger, 0));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 0, PG, self->stranger, 1));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, 0, 100, self->stranger, 0));
	EXPECT_EQ(-EINVAL, clone_range(self->fd, PG, PAGES * PG,
				       self->stranger, 0));
	EXPECT_EQ(-EBADF, clone_range(self->fd, 0, PG, reader, 0));
	EXPECT_EQ(-EXDEV, clone_range(file, 0, PG, self->fd, 0));
	EXPECT_EQ(0, vmo_seal(self->stranger));
	EXPECT_EQ(-EPERM, clone_range(self->fd, 0, PG, self->stranger, 0));
	EXPECT_EQ(0, zero_check(self->stranger, 0));
	/* A sealed source is as good as any. */
	EXPECT_EQ(0, clone_range(self->stranger, 0, PG, self->fd, 0));
	EXPECT_EQ(0, zero_check(self->fd, 0));
	close(file);
	close(reader);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(reflink, deduplication_is_refused)
{
	char space[sizeof(struct file_dedupe_range) +
		   sizeof(struct file_dedupe_range_info)] = { 0 };
	struct file_dedupe_range *arg = (void *)space;

	arg->src_length = PG;
	arg->dest_count = 1;
	arg->info[0].dest_fd = self->snapshot;
	EXPECT_EQ(0, vmo_ret(ioctl(self->fd, FIDEDUPERANGE, arg)));
	EXPECT_EQ(-EOPNOTSUPP, arg->info[0].status);
}

TEST_F(reflink, copy_file_range_shares_too)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(PAGES * PG, copy(self->snapshot, 0, PAGES * PG, self->fd,
				   0));
	EXPECT_EQ(0, is_content(self->fd, 0, 0, PAGES));
	EXPECT_EQ(0, vmo_private(self->fd));
}

TEST_F(reflink, copy_file_range_at_any_offset)
{
	unsigned char buf[PG + 10], zero[10] = { 0 };

	EXPECT_EQ(PG + 10, copy(self->fd, 3 * PG, PG + 10, self->stranger,
				100));
	EXPECT_EQ(PG + 10, pread(self->stranger, buf, PG + 10, 100));
	EXPECT_EQ(0, pat_mem_check(buf, FILL + 3));
	EXPECT_EQ(10, pread(self->stranger, buf, 10, 90));
	EXPECT_EQ(0, memcmp(buf, zero, 10));
	/* Beyond the end there is nothing to copy. */
	EXPECT_EQ(PG, copy(self->fd, 29 * PG, PG, self->stranger, 0));
	EXPECT_EQ(0, copy(self->fd, PAGES * PG, PG, self->stranger, 0));
}

TEST_F(reflink, copy_file_range_to_and_from_a_file)
{
	FILE *tmp = fopen("/mnt/disk/reflink", "w+");
	unsigned char buf[PG];
	int file;

	ASSERT_NE(NULL, tmp);
	file = fileno(tmp);
	/* Between file systems it is up to the kernel, which refuses. */
	EXPECT_EQ(-EXDEV, copy(self->fd, 0, PG, file, 0));
	EXPECT_EQ(PG, pwrite(file, memset(buf, 3, PG), PG, 0));
	EXPECT_EQ(-EXDEV, copy(file, 0, PG, self->fd, 0));
	fclose(tmp);
	unlink("/mnt/disk/reflink");
}

TEST_HARNESS_MAIN
