// SPDX-License-Identifier: GPL-2.0
/*
 * madvise(), mlock(), msync(), mincore() and what the kernel shows of a
 * mapping; then what mmap() itself refuses.
 */
#include "maps.h"

#include "kselftest_harness.h"

#define PAGES	8ULL
#define FILLED	4ULL

FIXTURE(advice) {
	int fd;
	int snap;
	unsigned char *mem;
};

FIXTURE_SETUP(advice)
{
	self->fd = vmo_filled(PAGES, FILLED, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	self->mem[0] = 1;
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
}

FIXTURE_TEARDOWN(advice)
{
	EXPECT_EQ(1, vmo_get_byte(self->snap, 0));
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	close(self->snap);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(advice, dontneed_drops_no_content)
{
	self->mem[0] = 2;
	EXPECT_EQ(0, madvise(self->mem, PAGES * PG, MADV_DONTNEED));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(0, pat_mem_check(self->mem + PG, FILL + 1));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
}

TEST_F(advice, populate_read_allocates_nothing)
{
	EXPECT_EQ(0, madvise(self->mem, PAGES * PG, MADV_POPULATE_READ));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	EXPECT_EQ(0, vmo_private(self->fd));
	EXPECT_LE(FILLED * PG, smaps_bytes(self->mem, "Rss:"));
}

TEST_F(advice, populate_write_makes_all_pages_its_own)
{
	EXPECT_EQ(0, madvise(self->mem, PAGES * PG, MADV_POPULATE_WRITE));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->fd));
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
	EXPECT_EQ(0, zero_mem_check(self->mem + FILLED * PG,
				    (PAGES - FILLED) * PG));
}

TEST_F(advice, populate_beyond_the_end_fails)
{
	unsigned char *mem = vmo_map(self->fd, PG, PAGES * PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-1, madvise(mem, PAGES * PG, MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(mem, PAGES * PG, MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	munmap(mem, PAGES * PG);
}

TEST_F(advice, map_populate_of_a_shared_mapping_only_reads)
{
	unsigned char *mem = mmap(NULL, PAGES * PG, RW,
				  MAP_SHARED | MAP_POPULATE, self->fd, 0);

	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(FILLED * PG, vmo_populated(self->fd));
	EXPECT_EQ(0, vmo_private(self->fd));
	mem[0] = 3;
	EXPECT_EQ(3, self->mem[0]);
	munmap(mem, PAGES * PG);
}

TEST_F(advice, willneed_and_the_like_do_no_harm)
{
	static const int advice[] = {
		MADV_WILLNEED, MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL,
		MADV_COLD, MADV_PAGEOUT, MADV_DONTFORK, MADV_DOFORK,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		EXPECT_EQ(0, madvise(self->mem, PAGES * PG, advice[i]))
			TH_LOG("advice %d", advice[i]);
		self->mem[0] = i;
		EXPECT_EQ(i, self->mem[0]);
	}
	EXPECT_EQ(0, filled_check(self->fd, 1, FILLED - 1));
}

/* MADV_FREE is for anonymous memory. */
TEST_F(advice, free_is_refused)
{
	EXPECT_EQ(-1, madvise(self->mem, PAGES * PG, MADV_FREE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, self->mem[0]);
}

TEST_F(advice, remove_needs_write_access)
{
	unsigned char *mem = vmo_map(self->snap, 0, PAGES * PG, PROT_READ);
	unsigned char *private = map_private(self->fd, 0, PG, RW);

	ASSERT_NE(NULL, mem);
	ASSERT_NE(NULL, private);
	EXPECT_EQ(-1, madvise(private, PG, MADV_REMOVE));
	EXPECT_EQ(0, filled_check(self->fd, 1, FILLED - 1));
	munmap(mem, PAGES * PG);
	munmap(private, PG);
}

/* Prefaults, no more: pages of a VMO are not swapped anyway. */
TEST_F(advice, mlock_prefaults)
{
	EXPECT_EQ(0, mlock(self->mem, PAGES * PG));
	EXPECT_LE(FILLED * PG, smaps_bytes(self->mem, "Rss:"));
	EXPECT_EQ(0, vmo_private(self->fd));
	self->mem[0] = 2;
	EXPECT_EQ(0, munlock(self->mem, PAGES * PG));
	EXPECT_EQ(2, self->mem[0]);
}

TEST_F(advice, mlockall_and_a_new_mapping)
{
	unsigned char *mem;

	EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	EXPECT_NE(NULL, mem);
	if (mem) {
		mem[0] = 4;
		EXPECT_EQ(4, self->mem[0]);
		munmap(mem, PAGES * PG);
	}
	EXPECT_EQ(0, munlockall());
}

TEST_F(advice, msync_succeeds)
{
	self->mem[0] = 2;
	EXPECT_EQ(0, msync(self->mem, PAGES * PG, MS_SYNC));
	EXPECT_EQ(0, msync(self->mem, PAGES * PG, MS_ASYNC | MS_INVALIDATE));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_EQ(0, fdatasync(self->fd));
	EXPECT_EQ(2, self->mem[0]);
}

/* It looks at the page tables for what the page cache does not have. */
TEST_F(advice, mincore_answers)
{
	unsigned char vec[PAGES];

	EXPECT_EQ(0, pat_mem_check(self->mem + PG, FILL + 1));
	EXPECT_EQ(0, mincore(self->mem, PAGES * PG, vec));
	EXPECT_EQ(1, vec[1] & 1);
}

TEST_F(advice, rss_is_what_is_mapped)
{
	EXPECT_EQ(0, madvise(self->mem, PAGES * PG, MADV_DONTNEED));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Rss:"));
	self->mem[5 * PG] = 1;
	EXPECT_EQ(PG, smaps_bytes(self->mem, "Rss:"));
	EXPECT_EQ(PG, smaps_bytes(self->mem, "Pss:"));
	EXPECT_EQ(PAGES * PG, smaps_bytes(self->mem, "Size:"));
	EXPECT_EQ(0, smaps_bytes(self->mem, "Swap:"));
}

/* Lost in a rewrite, each of these has been a security hole somewhere. */
TEST_F(advice, vma_flags)
{
	EXPECT_EQ(1, smaps_flag(self->mem, " mm"));
	EXPECT_EQ(1, smaps_flag(self->mem, " sh"));
	EXPECT_EQ(1, smaps_flag(self->mem, " mw"));
	EXPECT_EQ(0, smaps_flag(self->mem, " pf"));
	EXPECT_EQ(0, smaps_flag(self->mem, " io"));
	EXPECT_EQ(0, smaps_flag(self->mem, " me"));
}

TEST_F(advice, vma_flags_of_mappings_that_do_not_write)
{
	int ro = vmo_child(self->fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	unsigned char *private = map_private(self->fd, 0, PG, RW);
	unsigned char *mem;

	ASSERT_GE(ro, 0);
	mem = vmo_map(ro, 0, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	ASSERT_NE(NULL, private);
	EXPECT_EQ(1, smaps_flag(private, " mm"));
	EXPECT_EQ(0, smaps_flag(private, " sh"));
	EXPECT_EQ(1, smaps_flag(mem, " mm"));
	EXPECT_EQ(0, smaps_flag(mem, " mw"));
	munmap(mem, PG);
	munmap(private, PG);
	close(ro);
}

/* The mapping is named after the VMO in /proc/PID/maps, whatever its kind. */
TEST_F(advice, maps_shows_the_right_inode)
{
	unsigned char *private = map_private(self->fd, 0, PG, RW);
	char want[64], line[256];
	unsigned long start, ino;
	int found = 0;
	struct stat st;
	FILE *maps;

	ASSERT_NE(NULL, private);
	ASSERT_EQ(0, fstat(self->fd, &st));
	maps = fopen("/proc/self/maps", "re");
	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%*x %*s %*s %*s %lu %63s", &start, &ino,
			   want) < 2)
			continue;
		if (start != (uintptr_t)private && start != (uintptr_t)self->mem)
			continue;
		EXPECT_EQ(st.st_ino, ino);
		found++;
	}
	EXPECT_EQ(2, found);
	fclose(maps);
	munmap(private, PG);
}

/* mmap() */

TEST_F(advice, nothing_is_executable)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG, PROT_READ | PROT_EXEC, MAP_SHARED,
				   self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG, PROT_READ | PROT_EXEC,
				   MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect(self->mem, PG, RW | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(advice, unknown_and_unsupported_flags)
{
	unsigned char *mem;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, PG, RW,
				   MAP_SHARED_VALIDATE | MAP_SYNC, self->fd,
				   0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	mem = mmap(NULL, PG, RW, MAP_SHARED_VALIDATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	mem[0] = 6;
	EXPECT_EQ(6, self->mem[0]);
	munmap(mem, PG);
}

TEST_F(advice, bad_offsets)
{
	EXPECT_EQ(NULL, vmo_map(self->fd, 1, PG, RW));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PG, RW, MAP_SHARED, self->fd,
				   -(off_t)PG));
	EXPECT_EQ(EOVERFLOW, errno);
}

TEST_F(advice, far_beyond_the_end)
{
	unsigned char *mem = vmo_map(self->fd, 1ULL << 62, PG, RW);
	unsigned char byte;

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(SIGBUS, vmo_try_read(mem, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_write(mem, 1));
	munmap(mem, PG);
}

/* Only read(2), write(2) and mmap(2) through this fd: no way around it. */
TEST_F(advice, an_fd_cannot_be_reopened)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, open(path, O_RDONLY));
	EXPECT_EQ(ENXIO, errno);
}

TEST_HARNESS_MAIN
