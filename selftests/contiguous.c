// SPDX-License-Identifier: GPL-2.0
/*
 * Contiguous VMOs: that their pages lie side by side and stay there, whatever
 * is done to them, and what is refused.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "contig.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	600

#define MIB	0x100000ULL
#define PAGES	40ULL

/* --- Making them */

FIXTURE(make) {
	struct vmo_stats start;
};

/* Tests that ran before leave the memory in pieces, and caches in between. */
FIXTURE_SETUP(make)
{
	ASSERT_EQ(0, file_write("/proc/sys/vm/drop_caches", "3"));
	ASSERT_EQ(0, file_write("/proc/sys/vm/compact_memory", "1"));
	self->start = vmo_stats();
}

FIXTURE_TEARDOWN(make)
{
	struct vmo_stats now = vmo_stats();

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
}

static void make_one(struct __test_metadata *_metadata, __u64 pages,
		     unsigned int align)
{
	struct cowvmo_get_info info;
	int fd = vmo_contiguous(pages * PG, align);
	long base;

	ASSERT_LE(0, fd) TH_LOG("%llu pages, alignment %u", pages, align);
	base = frame_of(fd, 0);
	EXPECT_LT(0, base);
	EXPECT_EQ(pages, in_place(fd, base, 0, pages));
	if (align)
		EXPECT_EQ(0, base * PG % (1ULL << align));
	EXPECT_EQ(0, vmo_info(fd, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(COWVMO_INFO_CONTIGUOUS, (int)info.out_flags);
	EXPECT_EQ(pages * PG, info.out_vmo_size);
	EXPECT_EQ(pages * PG, info.out_stream_size);
	EXPECT_EQ(pages * PG, info.out_populated_bytes);
	EXPECT_EQ(pages * PG, info.out_private_bytes);
	EXPECT_EQ(pages * PG, info.out_scaled_bytes);
	EXPECT_STREQ("contiguous", info.out_name);
	EXPECT_EQ(0, all_zero(fd, pages));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(fd));
}

TEST_F(make, sizes)
{
	static const __u64 pages[] = {
		1, 2, 3, 8, 9, 15, 16, 17, 100, 511, 512, 513, 1000, 1024,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		make_one(_metadata, pages[i], 0);
}

/* Beyond what the page allocator keeps in one piece */
TEST_F(make, large)
{
	make_one(_metadata, 1025, 0);
	make_one(_metadata, 16 * MIB / PG, 0);
	make_one(_metadata, 40 * MIB / PG + 3, 0);
	make_one(_metadata, 64 * MIB / PG, 26);
}

TEST_F(make, alignments)
{
	unsigned int align;

	for (align = 12; align <= 25; align++) {
		make_one(_metadata, 1, align);
		make_one(_metadata, 5, align);
	}
	make_one(_metadata, 2000, 24);
}

/* Memory that others have left dirty is cleared, wherever it comes from. */
TEST_F(make, dirty_memory)
{
	static const __u64 pages[] = { 16, 512, 3000 };
	unsigned int i, round;
	unsigned char *mem;
	int fd;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		for (round = 0; round < 3; round++) {
			fd = vmo_contiguous(pages[i] * PG, 0);
			ASSERT_LE(0, fd);
			mem = vmo_map(fd, 0, pages[i] * PG, RW);
			ASSERT_NE(NULL, mem);
			EXPECT_EQ(0, zero_mem_check(mem, pages[i] * PG));
			memset(mem, 0xee, pages[i] * PG);
			munmap(mem, pages[i] * PG);
			close(fd);
		}
	}
}

TEST_F(make, size_is_rounded_up)
{
	int fd = vmo_contiguous(2 * PG + 1, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(3 * PG, vmo_size(fd));
	EXPECT_EQ(3 * PG, vmo_stream(fd));
	EXPECT_EQ(3 * PG, vmo_populated(fd));
	EXPECT_EQ(0, vmo_put_byte(fd, 3 * PG - 1, 1));
	EXPECT_EQ(-ENOSPC, vmo_put_byte(fd, 3 * PG, 1));
	EXPECT_EQ(3 * PG, vmo_stream(fd));
	close(fd);
}

static int create(int dev, __u32 flags, __u64 size, __u32 align, __u32 reserved)
{
	struct cowvmo_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.vmo_size = size,
		.align_log2 = align,
		.reserved = reserved,
	};

	return vmo_ret(ioctl(dev, COWVMO_IOC_CREATE, &arg));
}

TEST_F(make, errors)
{
	const __u32 c = COWVMO_CREATE_CONTIGUOUS, r = COWVMO_CREATE_RESIZABLE;
	const struct {
		int want;
		__u32 flags;
		__u64 size;
		__u32 align, reserved;
	} bad[] = {
		{ -EINVAL, c | r, PG, 0, 0 },
		{ -EINVAL, c | COWVMO_CREATE_NO_WRITE, PG, 0, 0 },
		{ -EINVAL, c | 8, PG, 0, 0 },
		{ -EINVAL, c, 0, 0, 0 },
		{ -EINVAL, c, 0, 12, 0 },
		{ -EINVAL, c, PG, 1, 0 },
		{ -EINVAL, c, PG, 11, 0 },
		{ -EINVAL, c, PG, 64, 0 },
		{ -EINVAL, c, PG, 65, 0 },
		{ -EINVAL, c, PG, 1u << 31, 0 },
		{ -EINVAL, c, PG, ~0u, 0 },
		{ -EINVAL, c, PG, 0, 1 },
		{ -EINVAL, 0, PG, 12, 0 },
		{ -EINVAL, r, PG, 12, 0 },
		{ -EINVAL, 0, PG, 0, 1 },
		/* Flags and alignment first, then the size */
		{ -EINVAL, c | r, VMO_MAX + 1, 0, 0 },
		{ -EINVAL, c, VMO_MAX + 1, 11, 0 },
		{ -ERANGE, c, VMO_MAX + 1, 0, 0 },
		{ -ERANGE, c, ~0ULL, 12, 0 },
		/* There is no such place. */
		{ -ENOMEM, c, VMO_MAX, 0, 0 },
		{ -ENOMEM, c, VMO_MAX - PG, 63, 0 },
		{ -ENOMEM, c, 1ULL << 50, 0, 0 },
		{ -ENOMEM, c, 1ULL << 40, 12, 0 },
		{ -ENOMEM, c, PG, 63, 0 },
		{ -ENOMEM, c, PG, 55, 0 },
		{ -ENOMEM, c, PG, 44, 0 },
		{ -ENOMEM, c, 100 * PG, 40, 0 },
	};
	int dev = vmo_device();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(bad[i].want, create(dev, bad[i].flags, bad[i].size,
					      bad[i].align, bad[i].reserved))
			TH_LOG("number %u", i);
	close(dev);
}

/* A large part of the memory that is free; told, for the documentation. */
TEST_F_TIMEOUT(make, largest, PATIENCE)
{
	long long kib, size;
	char text[4096], *free;
	int fd;

	ASSERT_LT(0, file_read("/proc/meminfo", text, sizeof(text)));
	free = strstr(text, "MemFree:");
	ASSERT_NE(NULL, free);
	kib = strtoll(free + 8, NULL, 10);
	for (size = kib * 1024; size > 0; size -= size / 16) {
		size -= size % (4 * MIB);
		fd = vmo_contiguous(size, 0);
		if (fd >= 0)
			break;
		ASSERT_EQ(-ENOMEM, fd);
	}
	ASSERT_LT(0, size);
	EXPECT_EQ(size / PG, in_place(fd, frame_of(fd, 0), 0, size / PG));
	close(fd);
	TH_LOG("%lld MiB in one piece, of %lld MiB free", size / (long)MIB,
	       kib / 1024);
	EXPECT_LE(64 * (long long)MIB, size);
}

/* More than there is in one piece: refused, and nothing is lost. */
TEST_F_TIMEOUT(make, too_much, PATIENCE)
{
	long long kib;
	char text[4096];

	ASSERT_LT(0, file_read("/proc/meminfo", text, sizeof(text)));
	ASSERT_EQ(0, strncmp(text, "MemTotal:", 9));
	kib = strtoll(text + 9, NULL, 10);
	EXPECT_EQ(-ENOMEM, vmo_contiguous(kib * 1024 - 4 * MIB, 0));
}

/* --- What they count for */

#define NOBODY	65534

static int as_nobody(void *arg)
{
	const struct rlimit limit = { 8 * MIB, 8 * MIB };
	int dev = *(int *)arg;
	int small, large, other;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	/* The page allocator's own is charged as all memory is. */
	small = create(dev, COWVMO_CREATE_CONTIGUOUS, MIB, 0, 0);
	if (small < 0)
		return 2;
	if (create(dev, COWVMO_CREATE_CONTIGUOUS, 8 * MIB + PG, 0, 0) !=
	    -ENOMEM)
		return 3;
	large = create(dev, COWVMO_CREATE_CONTIGUOUS, 5 * MIB, 0, 0);
	if (large < 0)
		return 4;
	if (create(dev, COWVMO_CREATE_CONTIGUOUS, 5 * MIB, 0, 0) != -ENOMEM)
		return 5;
	/* What is pinned counts together with it. */
	if (vmo_pin(small, 0, 0, MIB) < 0)
		return 6;
	if (vmo_pin(large, 0, 0, 3 * MIB) != -ENOMEM)
		return 7;
	/* A slice keeps it. */
	other = vmo_slice(large, 0, PG);
	close(large);
	if (create(dev, COWVMO_CREATE_CONTIGUOUS, 6 * MIB, 0, 0) != -ENOMEM)
		return 8;
	close(other);
	if (create(dev, COWVMO_CREATE_CONTIGUOUS, 6 * MIB, 0, 0) < 0)
		return 9;
	return 0;
}

/* What is charged to no cgroup stays charged to its user, whoever has it. */
static int lent_by_nobody(void *arg)
{
	const struct rlimit limit = { 8 * MIB, 8 * MIB };
	int dev = *(int *)arg, i;
	int lender, borrower;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return 1;
	borrower = create(dev, 0, 5 * MIB, 0, 0);
	for (i = 0; i < 2; i++) {
		lender = create(dev, COWVMO_CREATE_CONTIGUOUS, 5 * MIB, 0, 0);
		if (lender < 0)
			return 2;
		if (vmo_decommit(lender, 0, 5 * MIB) ||
		    vmo_commit(borrower, 0, 5 * MIB))
			return 3;
		close(lender);
		if (create(dev, COWVMO_CREATE_CONTIGUOUS, 5 * MIB, 0, 0) !=
		    -ENOMEM)
			return 4;
		/* What is pinned is replaced by what is charged as usual. */
		if (close(vmo_pin(borrower, 0, 0, 2 * MIB)))
			return 5;
		lender = create(dev, COWVMO_CREATE_CONTIGUOUS, 5 * MIB, 0, 0);
		if (lender < 0)
			return 6;
		close(lender);
		if (vmo_decommit(borrower, 0, 5 * MIB))
			return 7;
	}
	return 0;
}

TEST_F_TIMEOUT(make, locked_memory_that_is_lent, PATIENCE)
{
	int dev = vmo_device();

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, in_child(lent_by_nobody, &dev));
	EXPECT_EQ(0, in_child(lent_by_nobody, &dev));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_validate());
	close(dev);
}

TEST_F_TIMEOUT(make, locked_memory, PATIENCE)
{
	int dev = vmo_device();

	ASSERT_LE(0, dev);
	EXPECT_EQ(0, in_child(as_nobody, &dev));
	/* Whoever made them is gone, and what counted them. */
	EXPECT_EQ(0, in_child(as_nobody, &dev));
	close(dev);
}

/* --- What is done to one */

FIXTURE(contiguous) {
	struct vmo_stats start;
	int fd;
	long base;
	unsigned char *mem;
};

FIXTURE_SETUP(contiguous)
{
	self->start = vmo_stats();
	/* DECOMMIT is another program's business. */
	ASSERT_EQ(0, loan_allow(false));
	self->fd = contig_filled(PAGES);
	ASSERT_LE(0, self->fd);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->base = frame_of(self->fd, 0);
	ASSERT_LT(0, self->base);
}

/* Whatever was done, no page has moved. */
FIXTURE_TEARDOWN(contiguous)
{
	struct vmo_stats now;

	EXPECT_EQ(PAGES, in_place(self->fd, self->base, 0, PAGES));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->fd));
	EXPECT_EQ(0, vmo_validate());
	munmap(self->mem, PAGES * PG);
	EXPECT_EQ(0, close(self->fd));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	loan_allow(true);
}

TEST_F(contiguous, mapped)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(0, pat_mem_check(self->mem + i * PG, FILL + i));
		EXPECT_EQ(self->base + i, pfn_of(self->mem + i * PG));
		pat_mem_fill(self->mem + i * PG, 7 + i);
		EXPECT_EQ(self->base + i, pfn_of(self->mem + i * PG));
		EXPECT_EQ(0, pat_check(self->fd, i, 7 + i));
	}
}

TEST_F(contiguous, children)
{
	static const __u32 snapshots[] = {
		COWVMO_CHILD_SNAPSHOT, COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		COWVMO_CHILD_SNAPSHOT_MODIFIED,
	};
	int fds[2] = { self->fd, vmo_slice(self->fd, 2 * PG, 8 * PG) };
	unsigned int i, j;

	ASSERT_LE(0, fds[1]);
	for (i = 0; i < 2; i++) {
		for (j = 0; j < ARRAY_SIZE(snapshots); j++) {
			EXPECT_EQ(-EINVAL, vmo_child_of(fds[i], snapshots[j],
							0, 0, PG));
			EXPECT_EQ(-EINVAL, vmo_child_of(fds[i], snapshots[j],
							0, 0, 0));
			/* Before too large a length, after one that wraps */
			EXPECT_EQ(-EINVAL, vmo_child_of(fds[i], snapshots[j],
							0, 0, VMO_MAX + 1));
			EXPECT_EQ(-ERANGE, vmo_child_of(fds[i], snapshots[j],
							0, 0, ~0ULL));
		}
		EXPECT_EQ(-EOPNOTSUPP, vmo_reference(fds[i], 0));
		EXPECT_EQ(-EPERM,
			  vmo_reference(fds[i], COWVMO_CREATE_RESIZABLE));
		EXPECT_EQ(-EINVAL, vmo_child_of(fds[i], COWVMO_CHILD_REFERENCE,
						0, PG, 0));
	}
	EXPECT_EQ(1, vmo_children(self->fd));
	close(fds[1]);
}

TEST_F(contiguous, slices)
{
	const __u32 flags = COWVMO_INFO_SLICE | COWVMO_INFO_CONTIGUOUS;
	int slice = vmo_slice(self->fd, 2 * PG, 8 * PG - 100);
	int slice2 = vmo_slice(slice, 3 * PG, 2 * PG);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, slice2);
	EXPECT_EQ(flags, vmo_flags(slice));
	EXPECT_EQ(flags, vmo_flags(slice2));
	EXPECT_EQ(8 * PG, vmo_stream(slice));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(0, pat_check(slice2, 0, FILL + 5));
	EXPECT_EQ(self->base + 5, frame_of(slice2, 0));
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_stream_size(slice, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(slice, 0, PG));
	EXPECT_EQ(0, vmo_zero(slice2, 10, PG));
	EXPECT_EQ(0, vmo_get_byte(self->fd, 5 * PG + 10));
	EXPECT_EQ(0, vmo_populated(slice));
	close(slice);
	close(slice2);
}

/* A slice keeps the pages when the VMO itself is closed. */
TEST(slice_alone)
{
	int fd = contig_filled(8), slice = vmo_slice(fd, PG, 4 * PG);
	long base = frame_of(fd, 0);

	ASSERT_LE(0, slice);
	close(fd);
	EXPECT_EQ(4, in_place(slice, base + 1, 0, 4));
	EXPECT_EQ(0, pat_check(slice, 3, FILL + 4));
	EXPECT_EQ(0, vmo_validate());
	close(slice);
}

TEST_F(contiguous, zeroing_clears_in_place)
{
	__u64 done;

	EXPECT_EQ(0, vmo_op(self->fd, COWVMO_OP_ZERO, 3 * PG, 5 * PG, &done));
	EXPECT_EQ(5 * PG, done);
	EXPECT_EQ(0, zero_mem_check(self->mem + 3 * PG, 5 * PG));
	EXPECT_EQ(0, pat_check(self->fd, 2, FILL + 2));
	EXPECT_EQ(0, pat_check(self->fd, 8, FILL + 8));
	EXPECT_EQ(0, vmo_zero(self->fd, 10 * PG + 100, 2 * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem + 10 * PG + 100, 2 * PG));
	EXPECT_NE(0, zero_mem_check(self->mem + 10 * PG, 100));
	EXPECT_NE(0, zero_mem_check(self->mem + 12 * PG + 100, 100));
	EXPECT_EQ(PAGES, in_place(self->fd, self->base, 0, PAGES));
	EXPECT_EQ(0, vmo_zero(self->fd, 0, PAGES * PG));
	EXPECT_EQ(0, all_zero(self->fd, PAGES));
}

TEST_F(contiguous, files_and_mappings_clear_in_place)
{
	const int keep = FALLOC_FL_KEEP_SIZE;

	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | keep, 0,
			       2 * PG));
	EXPECT_EQ(0, fallocate(self->fd, FALLOC_FL_ZERO_RANGE, 2 * PG, 2 * PG));
	EXPECT_EQ(0, madvise(self->mem + 4 * PG, 2 * PG, MADV_REMOVE));
	EXPECT_EQ(0, madvise(self->mem + 6 * PG, 2 * PG, MADV_DONTNEED));
	EXPECT_EQ(0, zero_mem_check(self->mem, 6 * PG));
	EXPECT_EQ(0, filled_check(self->fd, 6, PAGES - 6));
	EXPECT_EQ(0, fallocate(self->fd, 0, 0, PAGES * PG));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->fd, 0, 0, PAGES * PG + 1)));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_DATA));
	EXPECT_EQ((long)(PAGES * PG), lseek(self->fd, 0, SEEK_HOLE));
}

TEST_F(contiguous, decommit_is_refused)
{
	EXPECT_EQ(-ERANGE, vmo_decommit(self->fd, 0, (PAGES + 1) * PG));
	EXPECT_EQ(0, vmo_decommit(self->fd, PG, 0));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->fd, 0, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->fd, 1, PG));
	EXPECT_EQ(0, vmo_commit(self->fd, 0, PAGES * PG));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
}

TEST_F(contiguous, sizes_never_change)
{
	EXPECT_EQ(-EPERM, vmo_set_size(self->fd, PG));
	EXPECT_EQ(-EPERM, vmo_set_size(self->fd, 2 * PAGES * PG));
	EXPECT_EQ(-EPERM, vmo_ret(ftruncate(self->fd, PG)));
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_stream_size(self->fd, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_stream_size(self->fd, PAGES * PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_stream_size(self->fd, ~0ULL));
	EXPECT_EQ(PAGES * PG, vmo_size(self->fd));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->fd));
}

TEST_F(contiguous, transfer_is_refused)
{
	int other = vmo_filled(PAGES, PAGES, 0);
	__u64 done = 9;

	EXPECT_EQ(-EOPNOTSUPP, vmo_transfer(self->fd, 0, other, 0, PG, &done));
	EXPECT_EQ(0, done);
	EXPECT_EQ(-EOPNOTSUPP, vmo_transfer(other, 0, self->fd, 0, PG, NULL));
	EXPECT_EQ(-EOPNOTSUPP,
		  vmo_transfer(self->fd, 0, self->fd, 4 * PG, PG, NULL));
	EXPECT_EQ(0, vmo_transfer(self->fd, PG, self->fd, PG, PG, NULL));
	EXPECT_EQ(0, vmo_transfer(self->fd, PG, other, PG, 0, NULL));
	EXPECT_EQ(-EINVAL, vmo_transfer(self->fd, 0, self->fd, PG, 2 * PG,
					NULL));
	EXPECT_EQ(-ERANGE, vmo_transfer(self->fd, PAGES * PG, other, 0, PG,
					NULL));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(0, filled_check(other, 0, PAGES));
	munmap(self->mem, PAGES * PG);
	EXPECT_EQ(0, vmo_seal(self->fd));
	EXPECT_EQ(-EPERM, vmo_transfer(self->fd, 0, other, 0, PG, NULL));
	self->mem = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);
	close(other);
}

/* Reflinks copy, in both directions and within. */
TEST_F(contiguous, reflink_copies)
{
	struct file_clone_range range = {
		.src_offset = 2 * PG, .src_length = 4 * PG,
	};
	int other = vmo_filled(PAGES, PAGES / 2, 0);

	range.src_fd = other;
	range.dest_offset = 10 * PG;
	EXPECT_EQ(0, ioctl(self->fd, FICLONERANGE, &range));
	EXPECT_EQ(0, pat_check(self->fd, 10, FILL + 2));
	EXPECT_EQ(0, pat_check(self->fd, 13, FILL + 5));
	/* Holes become zeros. */
	range.src_offset = 30 * PG;
	range.dest_offset = 20 * PG;
	EXPECT_EQ(0, ioctl(self->fd, FICLONERANGE, &range));
	EXPECT_EQ(0, zero_check(self->fd, 20));
	EXPECT_EQ(0, zero_check(self->fd, 23));
	EXPECT_EQ(0, pat_check(self->fd, 24, FILL + 24));
	range.src_fd = self->fd;
	range.src_offset = 0;
	range.dest_offset = 30 * PG;
	EXPECT_EQ(0, ioctl(self->fd, FICLONERANGE, &range));
	EXPECT_EQ(0, pat_check(self->fd, 33, FILL + 3));
	EXPECT_EQ(0, ioctl(other, FICLONERANGE, &range));
	EXPECT_EQ(0, pat_check(other, 30, FILL));
	EXPECT_NE(frame_of(other, 30), frame_of(self->fd, 0));
	EXPECT_EQ(0, ioctl(self->fd, FICLONE, other));
	EXPECT_EQ(0, pat_check(self->fd, 0, FILL));
	close(other);
}

TEST_F(contiguous, restore_and_compare)
{
	int other = vmo_new(PAGES * PG, 0);
	struct cowvmo_range ranges[4];

	EXPECT_EQ(0, vmo_restore(self->fd, self->fd));
	EXPECT_EQ(-EINVAL, vmo_restore(self->fd, other));
	EXPECT_EQ(-EINVAL, vmo_restore(other, self->fd));
	EXPECT_EQ(0, vmo_compare(self->fd, self->fd, 0, PAGES * PG, ranges, 4,
				 NULL));
	close(other);
}

TEST_F(contiguous, pinned)
{
	int pin = vmo_pin(self->fd, COWVMO_PIN_WRITE, 2 * PG, 8 * PG);
	unsigned char *mem;

	ASSERT_LE(0, pin);
	mem = vmo_map(pin, 0, 8 * PG, RW);
	ASSERT_NE(NULL, mem);
	memset(mem, 0x5a, PG);
	EXPECT_EQ(0x5a, self->mem[2 * PG + 99]);
	EXPECT_EQ(self->base + 2, pfn_of(mem));
	EXPECT_EQ(0, vmo_zero(self->fd, 0, PAGES * PG));
	EXPECT_EQ(0, zero_mem_check(mem, 8 * PG));
	munmap(mem, 8 * PG);
	close(pin);
}

/* What somebody holds is written all the same: it cannot move. */
TEST_F(contiguous, held)
{
	struct iovec iov = { .iov_base = self->mem, .iov_len = 2 * PG };
	unsigned char buf[2 * PG];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ((long)(2 * PG), vmsplice(fds[1], &iov, 1, 0));
	EXPECT_EQ(0, pat_fill(self->fd, 0, 99));
	pat_mem_fill(self->mem + PG, 98);
	EXPECT_EQ(2, in_place(self->fd, self->base, 0, 2));
	ASSERT_EQ((long)(2 * PG), read(fds[0], buf, 2 * PG));
	EXPECT_EQ(0, pat_mem_check(buf, 99));
	EXPECT_EQ(0, pat_mem_check(buf + PG, 98));
	close(fds[0]);
	close(fds[1]);
}

/* A private mapping copies for itself. */
TEST_F(contiguous, private_mapping)
{
	unsigned char *mem = map_private(self->fd, 0, 4 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(self->base, (*(volatile unsigned char *)mem, pfn_of(mem)));
	memset(mem, 1, PG);
	EXPECT_NE(self->base, pfn_of(mem));
	EXPECT_EQ(0, pat_check(self->fd, 0, FILL));
	munmap(mem, 4 * PG);
}

static int write_in_child(void *arg)
{
	unsigned char *mem = arg;

	memset(mem, 0x33, 3 * PG);
	return 0;
}

TEST_F(contiguous, other_processes)
{
	EXPECT_EQ(0, in_child(write_in_child, self->mem));
	EXPECT_EQ(0x33, vmo_get_byte(self->fd, 2 * PG + 5));
	EXPECT_EQ(0, pat_check(self->fd, 3, FILL + 3));
}

TEST_F(contiguous, sealed)
{
	EXPECT_EQ(-EBUSY, vmo_seal(self->fd));
	munmap(self->mem, PAGES * PG);
	EXPECT_EQ(0, vmo_seal(self->fd));
	EXPECT_EQ(-EPERM, pat_fill(self->fd, 0, 1));
	EXPECT_EQ(-EPERM, vmo_zero(self->fd, 0, PG));
	EXPECT_EQ(-EPERM, vmo_decommit(self->fd, 0, PG));
	EXPECT_EQ(-EINVAL, vmo_snapshot(self->fd));
	self->mem = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);
	EXPECT_NE(NULL, self->mem);
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
}

/* Of what is not CACHED there are slices; pages and content stay. */
TEST_F(contiguous, cache_policy)
{
	unsigned char *mem;
	int slice;

	munmap(self->mem, PAGES * PG);
	ASSERT_EQ(0, vmo_set_cache_policy(self->fd,
					  COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(-EBUSY, vmo_zero(self->fd, 0, PG));
	EXPECT_EQ(-EBUSY, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(-EINVAL, vmo_snapshot(self->fd));
	EXPECT_EQ(-EOPNOTSUPP, vmo_reference(self->fd, 0));
	slice = vmo_slice(self->fd, PG, PG);
	ASSERT_LE(0, slice);
	mem = vmo_map(slice, 0, PG, RW);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + 1));
	pat_mem_fill(mem, 77);
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->fd, COWVMO_CACHE_CACHED));
	munmap(mem, PG);
	close(slice);
	EXPECT_EQ(PAGES, in_place(self->fd, self->base, 0, PAGES));
	EXPECT_EQ(0, vmo_set_cache_policy(self->fd, COWVMO_CACHE_CACHED));
	EXPECT_EQ(0, pat_check(self->fd, 1, 77));
	EXPECT_EQ(0, pat_check(self->fd, 2, FILL + 2));
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
}

/* One that ends while it is not CACHED */
TEST_F(make, uncached_end)
{
	int fd = vmo_contiguous(300 * PG, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_set_cache_policy(fd, COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, close(fd));
}

TEST_F(contiguous, read_only_fd)
{
	int fd = vmo_open_read_only(self->fd);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, vmo_zero(fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_decommit(fd, 0, PG));
	EXPECT_EQ(0, filled_check(fd, 0, PAGES));
	EXPECT_EQ(-EINVAL, vmo_snapshot(fd));
	close(fd);
}

TEST_HARNESS_MAIN
