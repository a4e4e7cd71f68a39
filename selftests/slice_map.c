// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of slices: the pages of the parent, at their places in the slice,
 * up to its end and no further, whatever is done to the mapping.
 */
#include "maps.h"

#include <sys/uio.h>

#include "kselftest_harness.h"

/* Three leaves; the slice begins and ends in the middle of one. */
#define PAGES		40ULL
#define FIRST		5ULL
#define NR		20ULL

FIXTURE(map) {
	int vmo, slice;
	unsigned char *whole;	/* of the parent */
	unsigned char *mem;	/* of the slice */
};

FIXTURE_SETUP(map)
{
	self->vmo = vmo_filled(PAGES, PAGES, 0);
	ASSERT_LE(0, self->vmo);
	self->slice = vmo_slice(self->vmo, FIRST * PG, NR * PG);
	ASSERT_LE(0, self->slice);
	self->whole = vmo_map(self->vmo, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->whole);
	self->mem = vmo_map(self->slice, 0, NR * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(map)
{
	EXPECT_EQ(0, munmap(self->mem, NR * PG));
	EXPECT_EQ(0, munmap(self->whole, PAGES * PG));
	EXPECT_EQ(0, close(self->slice));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

static int around_check(int vmo)
{
	int rc = filled_check(vmo, 0, FIRST);

	return rc ? rc : filled_check(vmo, FIRST + NR, PAGES - FIRST - NR);
}

/* Pages [@from, @to) of a mapping that begins with page @first of the parent */
static int mem_check(const unsigned char *mem, __u64 first, __u64 from,
		     __u64 to)
{
	int rc = 0;

	for (; !rc && from < to; from++)
		rc = pat_mem_check(mem + from * PG, FILL + first + from);
	return rc;
}

/* --- The same pages */

TEST_F(map, reads_what_the_parent_has)
{
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 0, NR));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
}

TEST_F(map, stores_show_both_ways)
{
	self->mem[7 * PG + 3] = 0x11;
	EXPECT_EQ(0x11, self->whole[(FIRST + 7) * PG + 3]);
	EXPECT_EQ(0x11, vmo_get_byte(self->vmo, (FIRST + 7) * PG + 3));
	EXPECT_EQ(0x11, vmo_get_byte(self->slice, 7 * PG + 3));
	self->whole[(FIRST + 8) * PG] = 0x22;
	EXPECT_EQ(0x22, self->mem[8 * PG]);
	EXPECT_EQ(0, vmo_put_byte(self->slice, 9 * PG, 0x33));
	EXPECT_EQ(0x33, self->mem[9 * PG]);
	EXPECT_EQ(0x33, self->whole[(FIRST + 9) * PG]);
	EXPECT_EQ(0, vmo_put_byte(self->vmo, (FIRST + 10) * PG, 0x44));
	EXPECT_EQ(0x44, self->mem[10 * PG]);
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(map, at_an_offset)
{
	unsigned char *mem = vmo_map(self->slice, 3 * PG, 2 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, mem_check(mem, FIRST + 3, 0, 2));
	mem[PG] = 0x11;
	EXPECT_EQ(0x11, self->mem[4 * PG]);
	EXPECT_EQ(0, munmap(mem, 2 * PG));
}

TEST_F(map, of_a_slice_of_a_slice)
{
	int inner = vmo_slice(self->slice, 3 * PG, 2 * PG);
	unsigned char *mem = vmo_map(inner, PG, 2 * PG, RW), byte;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, mem_check(mem, FIRST + 4, 0, 1));
	mem[5] = 0x11;
	EXPECT_EQ(0x11, self->whole[(FIRST + 4) * PG + 5]);
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + PG, &byte));
	EXPECT_EQ(0, munmap(mem, 2 * PG));
	EXPECT_EQ(0, close(inner));
}

/* Where nothing is, zeros are shown; then somebody puts something there. */
TEST_F(map, zeros_give_way_to_content)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem, NR * PG));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, FIRST + 2, 7));
	EXPECT_EQ(0, pat_mem_check(self->mem + 2 * PG, 7));
	EXPECT_EQ(0, pat_fill(self->slice, 3, 8));
	EXPECT_EQ(0, pat_mem_check(self->mem + 3 * PG, 8));
	self->whole[(FIRST + 4) * PG] = 9;
	EXPECT_EQ(9, self->mem[4 * PG]);
	self->mem[5 * PG] = 10;
	EXPECT_EQ(10, self->whole[(FIRST + 5) * PG]);
	EXPECT_EQ(4 * PG, vmo_populated(self->vmo));
}

TEST_F(map, what_is_freed_reads_zero)
{
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 0, NR));
	EXPECT_EQ(0, vmo_decommit(self->vmo, FIRST * PG, PG));
	EXPECT_EQ(0, zero_mem_check(self->mem, PG));
	EXPECT_EQ(0, vmo_zero(self->slice, PG, PG));
	EXPECT_EQ(0, zero_mem_check(self->mem + PG, PG));
	EXPECT_EQ(0, zero_mem_check(self->whole + (FIRST + 1) * PG, PG));
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 2, NR));
}

/* --- Its end */

/* Whatever is mapped: nothing at @at and behind it can be read or written. */
static int expect_end(unsigned char *at, unsigned int pages)
{
	unsigned int i;
	unsigned char byte;

	for (i = 0; i < pages; i++) {
		if (vmo_try_read(at + i * PG, &byte) != SIGBUS)
			return -EILSEQ;
		if (vmo_try_write(at + (i + 1) * PG - 1, 1) != SIGBUS)
			return -EILSEQ;
	}
	return 0;
}

/* The last page is the middle of a leaf: the rest of it must not come along. */
static void expect_ends(struct __test_metadata *_metadata, int slice, int vmo,
			int how)
{
	unsigned char *mem = mmap(NULL, 32 * PG, RW, how, slice, 0);
	unsigned char byte;

	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, vmo_try_read(mem + (NR - 1) * PG, &byte));
	EXPECT_EQ(0, expect_end(mem + NR * PG, 32 - NR));
	EXPECT_EQ(0, mem_check(mem, FIRST, 0, NR));
	EXPECT_EQ(0, expect_end(mem + NR * PG, 32 - NR));
	EXPECT_EQ(0, vmo_try_write(mem + (NR - 1) * PG, 1));
	EXPECT_EQ(0, expect_end(mem + NR * PG, 32 - NR));
	EXPECT_EQ(0, around_check(vmo));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

TEST_F(map, ends_with_the_slice)
{
	expect_ends(_metadata, self->slice, self->vmo, MAP_SHARED);
}

TEST_F(map, ends_with_the_slice_if_private)
{
	expect_ends(_metadata, self->slice, self->vmo, MAP_PRIVATE);
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
}

TEST_F(map, ends_with_the_slice_if_populated)
{
	expect_ends(_metadata, self->slice, self->vmo,
		    MAP_SHARED | MAP_POPULATE);
}

TEST_F(map, ends_with_the_slice_if_private_and_populated)
{
	expect_ends(_metadata, self->slice, self->vmo,
		    MAP_PRIVATE | MAP_POPULATE);
}

TEST_F(map, ends_with_the_slice_if_read_only)
{
	int fd = vmo_open_read_only(self->slice);
	unsigned char *mem = vmo_map(fd, 0, 32 * PG, PROT_READ), byte;
	unsigned int i;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, vmo_try_read(mem + (NR - 1) * PG, &byte));
	for (i = NR; i < 32; i++)
		EXPECT_EQ(SIGBUS, vmo_try_read(mem + i * PG, &byte));
	EXPECT_EQ(0, mem_check(mem, FIRST, 0, NR));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
	EXPECT_EQ(0, close(fd));
}

/* The same page table has the parent's mapping of what comes next. */
TEST_F(map, ends_beside_a_mapping_of_the_parent)
{
	unsigned char *area = mmap(NULL, 64 * PG, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *slice = area, *parent = area + 32 * PG, byte;

	ASSERT_NE(MAP_FAILED, (void *)area);
	ASSERT_EQ((void *)slice, mmap(slice, 32 * PG, RW,
				      MAP_SHARED | MAP_FIXED, self->slice, 0));
	ASSERT_EQ((void *)parent, mmap(parent, 32 * PG, RW,
				       MAP_SHARED | MAP_FIXED, self->vmo, 0));
	EXPECT_EQ(0, mem_check(parent, 0, 0, 32));
	EXPECT_EQ(0, vmo_try_read(slice + (NR - 1) * PG, &byte));
	EXPECT_EQ(0, expect_end(slice + NR * PG, 32 - NR));
	EXPECT_EQ(0, mem_check(parent, 0, 0, 32));
	EXPECT_EQ(0, munmap(area, 64 * PG));
}

TEST_F(map, populating_ends_with_the_slice)
{
	unsigned char *mem = vmo_map(self->slice, 0, 32 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-EFAULT, vmo_ret(madvise(mem, 32 * PG, MADV_POPULATE_READ)));
	EXPECT_EQ(-EFAULT, vmo_ret(madvise(mem, 32 * PG,
					   MADV_POPULATE_WRITE)));
	EXPECT_EQ(0, madvise(mem, NR * PG, MADV_POPULATE_WRITE));
	EXPECT_EQ(0, expect_end(mem + NR * PG, 32 - NR));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

TEST_F(map, begins_beyond_the_end)
{
	unsigned char *mem = vmo_map(self->slice, NR * PG, 4 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, expect_end(mem, 4));
	EXPECT_EQ(0, munmap(mem, 4 * PG));
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(map, of_an_empty_slice)
{
	int empty = vmo_slice(self->vmo, FIRST * PG, 0);
	unsigned char *mem = vmo_map(empty, 0, PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, expect_end(mem, 1));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, close(empty));
}

/* System calls that read or write through the mapping end there as well. */
TEST_F(map, kernel_access_ends_with_the_slice)
{
	unsigned char *mem = vmo_map(self->slice, 0, 32 * PG, RW);
	unsigned char byte = 1;
	struct iovec local = { &byte, 1 }, remote = { mem + NR * PG, 1 };
	int pipes[2];

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EFAULT, vmo_ret(process_vm_writev(getpid(), &local, 1,
						     &remote, 1, 0)));
	EXPECT_EQ(-EFAULT, vmo_ret(process_vm_readv(getpid(), &local, 1,
						    &remote, 1, 0)));
	EXPECT_EQ(-EFAULT, vmo_ret(write(pipes[1], mem + NR * PG, 1)));
	EXPECT_EQ(-EFAULT, vmo_ret(vmsplice(pipes[1], &remote, 1, 0)));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(0, close(pipes[0]));
	EXPECT_EQ(0, close(pipes[1]));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

/* --- Private mappings */

TEST_F(map, private_copies_stay_private)
{
	unsigned char *mem = map_private(self->slice, 0, NR * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, mem_check(mem, FIRST, 0, NR));
	mem[3 * PG] = 0x77;
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, pat_fill(self->vmo, FIRST + 4, 7));
	EXPECT_EQ(0, pat_mem_check(mem + 4 * PG, 7));
	EXPECT_EQ(0, vmo_zero(self->slice, 3 * PG, PG));
	EXPECT_EQ(0x77, mem[3 * PG]);
	EXPECT_EQ(0, madvise(mem, NR * PG, MADV_DONTNEED));
	EXPECT_EQ(0, zero_mem_check(mem + 3 * PG, PG));
	EXPECT_EQ(0, munmap(mem, NR * PG));
}

/* --- A snapshot of the parent write-protects the slice's mapping. */

TEST_F(map, a_snapshot_is_not_reached)
{
	int snap[3], i;

	for (i = 0; i < 3; i++) {
		self->mem[0] = i;
		self->mem[(NR - 1) * PG] = i;
		self->whole[(FIRST + 1) * PG] = i;
		snap[i] = vmo_snapshot(self->vmo);
		ASSERT_LE(0, snap[i]);
	}
	memset(self->mem, 99, NR * PG);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, vmo_get_byte(snap[i], FIRST * PG));
		EXPECT_EQ(i, vmo_get_byte(snap[i], (FIRST + NR - 1) * PG));
		EXPECT_EQ(i, vmo_get_byte(snap[i], (FIRST + 1) * PG));
		EXPECT_EQ(0, filled_check(snap[i], FIRST + 2, NR - 3));
		EXPECT_EQ(0, around_check(snap[i]));
		EXPECT_EQ(0, close(snap[i]));
	}
	EXPECT_EQ(99, self->whole[(FIRST + NR) * PG - 1]);
	EXPECT_EQ(0, around_check(self->vmo));
}

/* One that begins and ends within the slice */
TEST_F(map, a_snapshot_of_a_part_is_not_reached)
{
	int snap;

	memset(self->mem, 1, NR * PG);
	snap = vmo_child(self->vmo, 0, (FIRST + 3) * PG, 5 * PG);
	ASSERT_LE(0, snap);
	memset(self->mem, 2, NR * PG);
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	EXPECT_EQ(1, vmo_get_byte(snap, 5 * PG - 1));
	EXPECT_EQ(0, close(snap));
}

/* mprotect() makes no page writable that has been protected. */
TEST_F(map, mprotect_after_a_snapshot)
{
	int snap;

	memset(self->mem, 1, NR * PG);
	EXPECT_EQ(0, mprotect(self->mem, NR * PG, PROT_READ));
	snap = vmo_snapshot(self->vmo);
	ASSERT_LE(0, snap);
	EXPECT_EQ(0, mprotect(self->mem, NR * PG, RW));
	memset(self->mem, 2, NR * PG);
	EXPECT_EQ(1, vmo_get_byte(snap, FIRST * PG));
	EXPECT_EQ(1, vmo_get_byte(snap, (FIRST + NR) * PG - 1));
	EXPECT_EQ(2, self->whole[FIRST * PG]);
	EXPECT_EQ(0, close(snap));
}

/* A page that a pipe holds stays with the VMO; the snapshot gets a copy. */
TEST_F(map, a_page_in_a_pipe)
{
	struct iovec iov = { self->mem + 2 * PG, PG };
	static unsigned char buf[PG];
	int snap, pipes[2];

	self->mem[2 * PG] = 1;
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(PG, vmsplice(pipes[1], &iov, 1, 0));
	snap = vmo_snapshot(self->vmo);
	ASSERT_LE(0, snap);
	self->mem[2 * PG] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, (FIRST + 2) * PG));
	EXPECT_EQ(PG, read(pipes[0], buf, PG));
	EXPECT_EQ(2, buf[0]);
	EXPECT_EQ(2, vmo_get_byte(self->vmo, (FIRST + 2) * PG));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(0, close(pipes[0]));
	EXPECT_EQ(0, close(pipes[1]));
}

/* --- What is done to the mapping */

TEST_F(map, remove_zeroes_its_own_pages)
{
	EXPECT_EQ(0, madvise(self->mem + 2 * PG, 3 * PG, MADV_REMOVE));
	EXPECT_EQ(0, zero_mem_check(self->mem + 2 * PG, 3 * PG));
	EXPECT_EQ(0, zero_mem_check(self->whole + (FIRST + 2) * PG, 3 * PG));
	EXPECT_EQ((PAGES - 3) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST, 2));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST + 5, NR - 5));
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(map, remove_ends_with_the_slice)
{
	unsigned char *mem = vmo_map(self->slice, 4 * PG, 32 * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, madvise(mem + (NR - 4) * PG, 8 * PG, MADV_REMOVE));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, madvise(mem + (NR - 5) * PG, 8 * PG, MADV_REMOVE));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + NR - 1));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST, NR - 1));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

TEST_F(map, remove_needs_a_writable_fd)
{
	int fd = vmo_open_read_only(self->slice);
	unsigned char *mem = vmo_map(fd, 0, PG, PROT_READ);
	unsigned char *own = map_private(self->slice, 0, PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-EACCES, vmo_ret(madvise(mem, PG, MADV_REMOVE)));
	EXPECT_EQ(-EACCES, vmo_ret(madvise(own, PG, MADV_REMOVE)));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, munmap(own, PG));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, close(fd));
}

TEST_F(map, dontneed_drops_no_content)
{
	self->mem[PG] = 9;
	EXPECT_EQ(0, madvise(self->mem, NR * PG, MADV_DONTNEED));
	EXPECT_EQ(9, self->mem[PG]);
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 2, NR));
}

/* What other mappings of a VMO are taken for, this is too. */
TEST_F(map, calls_that_change_nothing)
{
	static const int advice[] = {
		MADV_WILLNEED, MADV_RANDOM, MADV_COLD, MADV_PAGEOUT,
		MADV_DONTFORK, MADV_DOFORK,
	};
	unsigned char vec[NR];
	unsigned int i;

	self->mem[0] = 1;
	EXPECT_EQ(0, msync(self->mem, NR * PG, MS_SYNC));
	EXPECT_EQ(0, msync(self->mem, NR * PG, MS_ASYNC | MS_INVALIDATE));
	for (i = 0; i < ARRAY_SIZE(advice); i++)
		EXPECT_EQ(0, madvise(self->mem, NR * PG, advice[i]))
			TH_LOG("advice %d", advice[i]);
	EXPECT_EQ(0, mlock(self->mem, NR * PG));
	EXPECT_EQ(0, mincore(self->mem, NR * PG, vec));
	EXPECT_EQ(1, vec[1] & 1);
	EXPECT_EQ(0, munlock(self->mem, NR * PG));
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 1, NR));
	EXPECT_EQ(-EINVAL, vmo_ret(madvise(self->mem, PG, MADV_FREE)));
}

TEST_F(map, mremap_moves_it)
{
	unsigned char *to = mmap(NULL, NR * PG, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int snap;

	self->mem[0] = 1;
	self->mem = mremap(self->mem, NR * PG, NR * PG,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ((void *)to, (void *)self->mem);
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 1, NR));
	snap = vmo_snapshot(self->vmo);
	self->mem[0] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, FIRST * PG));
	EXPECT_EQ(2, vmo_get_byte(self->vmo, FIRST * PG));
	EXPECT_EQ(0, close(snap));
}

TEST_F(map, mremap_grows_it_beyond_the_end)
{
	unsigned char *mem = vmo_map(self->slice, 0, PG, RW);

	ASSERT_NE(NULL, mem);
	mem = mremap(mem, PG, 32 * PG, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, mem_check(mem, FIRST, 0, NR));
	EXPECT_EQ(0, expect_end(mem + NR * PG, 32 - NR));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

/* An old length of 0 makes one more mapping of the same. */
TEST_F(map, mremap_doubles_it)
{
	unsigned char *mem = mremap(self->mem + PG, 0, 32 * PG,
				    MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, mem_check(mem, FIRST + 1, 0, NR - 1));
	mem[0] = 9;
	EXPECT_EQ(9, self->mem[PG]);
	EXPECT_EQ(0, expect_end(mem + (NR - 1) * PG, 32 - NR + 1));
	EXPECT_EQ(0, munmap(mem, 32 * PG));
}

/* Its pages cannot be rearranged: offsets here would be those of the parent. */
TEST_F(map, remap_file_pages_is_refused)
{
	EXPECT_EQ(-ENODEV, vmo_ret(remap_file_pages(self->mem, PG, 0, 0, 0)));
	EXPECT_EQ(-ENODEV, vmo_ret(remap_file_pages(self->mem, PG, 0,
						    FIRST + NR, 0)));
	EXPECT_EQ(0, mem_check(self->mem, FIRST, 0, NR));
}

static int write_in_child(void *arg)
{
	unsigned char *mem = arg;

	mem[3 * PG] = 0x66;
	return mem_check(mem, FIRST, 0, 3) || expect_end(mem + NR * PG, 2);
}

TEST_F(map, fork_shares_it)
{
	unsigned char *mem = vmo_map(self->slice, 0, (NR + 2) * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, in_child(write_in_child, mem));
	EXPECT_EQ(0x66, self->whole[(FIRST + 3) * PG]);
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(0, munmap(mem, (NR + 2) * PG));
}

/* --- What it keeps, and what shows of it */

TEST(keeps_slice_and_parent)
{
	long vmos = vmo_stat("vmos");
	int root = vmo_filled(PAGES, PAGES, 0);
	int vmo = vmo_child(root, 0, 0, PAGES * PG);
	int slice = vmo_slice(vmo, FIRST * PG, NR * PG);
	unsigned char *mem = vmo_map(slice, 0, NR * PG, RW);
	int snap;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(1, vmo_children(vmo));
	snap = vmo_snapshot(vmo);
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(1, vmo_children(root));
	EXPECT_EQ(vmos + 4, vmo_stat("vmos"));
	memset(mem, 9, NR * PG);
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	EXPECT_EQ(0, filled_check(root, 0, PAGES));
	EXPECT_EQ(0, munmap(mem, NR * PG));
	EXPECT_EQ(1, vmo_children(root));
	EXPECT_EQ(vmo_id(root), vmo_parent(snap));
	EXPECT_EQ(vmos + 2, vmo_stat("vmos"));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(0, close(root));
	EXPECT_EQ(vmos, vmo_stat("vmos"));
}

TEST_F(map, vma_flags)
{
	int fd = vmo_open_read_only(self->slice);
	unsigned char *ro = vmo_map(fd, 0, PG, PROT_READ);

	EXPECT_EQ(1, smaps_flag(self->mem, " mm"));
	EXPECT_EQ(1, smaps_flag(self->mem, " sh"));
	EXPECT_EQ(1, smaps_flag(self->mem, " mw"));
	EXPECT_EQ(0, smaps_flag(self->mem, " me"));
	EXPECT_EQ(0, smaps_flag(self->mem, " pf"));
	EXPECT_EQ(0, smaps_flag(ro, " mw"));
	EXPECT_EQ(0, munmap(ro, PG));
	EXPECT_EQ(0, close(fd));
}

/* The inode of /proc/self/maps is the one that fstat() tells. */
TEST_F(map, maps_shows_the_slice)
{
	char line[256];
	unsigned long start, inode = 0;
	struct stat st;
	FILE *maps = fopen("/proc/self/maps", "re");

	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-", &start) == 1 &&
		    start == (uintptr_t)self->mem)
			sscanf(line, "%*s %*s %*s %*s %lu", &inode);
	fclose(maps);
	ASSERT_EQ(0, fstat(self->slice, &st));
	EXPECT_EQ(st.st_ino, inode);
}

TEST_HARNESS_MAIN
