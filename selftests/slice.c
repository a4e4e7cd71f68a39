// SPDX-License-Identifier: GPL-2.0
/*
 * Slices: the pages of another VMO under a name of their own, reached by file
 * and by range operations. slice_map.c has their mappings.
 */
#include "maps.h"
#include "kselftest_harness.h"

#define PAGES		8ULL
/* The slice: its page i is page FIRST + i of the parent. */
#define FIRST		2ULL
#define NR		4ULL

FIXTURE(slice) {
	int vmo, slice;
};

FIXTURE_SETUP(slice)
{
	self->vmo = vmo_filled(PAGES, PAGES, 0);
	ASSERT_LE(0, self->vmo);
	self->slice = vmo_slice(self->vmo, FIRST * PG, NR * PG);
	ASSERT_LE(0, self->slice);
}

FIXTURE_TEARDOWN(slice)
{
	EXPECT_EQ(0, close(self->slice));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

/* Whatever was done, the pages around the slice are what they were. */
static int around_check(int vmo)
{
	int rc = filled_check(vmo, 0, FIRST);

	return rc ? rc : filled_check(vmo, FIRST + NR, PAGES - FIRST - NR);
}

/* --- The same pages */

TEST_F(slice, reads_what_the_parent_has)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		EXPECT_EQ(0, pat_check(self->slice, i, FILL + FIRST + i));
}

TEST_F(slice, writes_show_both_ways)
{
	EXPECT_EQ(0, pat_fill(self->slice, 1, 7));
	EXPECT_EQ(0, pat_check(self->vmo, FIRST + 1, 7));
	EXPECT_EQ(0, pat_fill(self->vmo, FIRST + 3, 8));
	EXPECT_EQ(0, pat_check(self->slice, 3, 8));
	EXPECT_EQ(0, vmo_put_byte(self->slice, 5, 0x55));
	EXPECT_EQ(0x55, vmo_get_byte(self->vmo, FIRST * PG + 5));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
}

TEST_F(slice, writes_show_in_siblings_that_overlap)
{
	int other = vmo_slice(self->vmo, (FIRST + 1) * PG, 2 * PG);
	int inner = vmo_slice(self->slice, PG, PG);

	EXPECT_EQ(0, pat_fill(inner, 0, 7));
	EXPECT_EQ(0, pat_check(other, 0, 7));
	EXPECT_EQ(0, pat_check(self->slice, 1, 7));
	EXPECT_EQ(0, pat_check(self->vmo, FIRST + 1, 7));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, close(other));
}

TEST_F(slice, ends_a_read)
{
	char buf[2 * PG];

	EXPECT_EQ(PG, pread(self->slice, buf, sizeof(buf), (NR - 1) * PG));
	EXPECT_EQ(100, pread(self->slice, buf, sizeof(buf), NR * PG - 100));
	EXPECT_EQ(0, pread(self->slice, buf, sizeof(buf), NR * PG));
	EXPECT_EQ(0, pread(self->slice, buf, sizeof(buf), (NR + 1) * PG));
}

TEST_F(slice, ends_a_write)
{
	static char buf[2 * PG];

	EXPECT_EQ(PG, pwrite(self->slice, buf, sizeof(buf), (NR - 1) * PG));
	EXPECT_EQ(100, pwrite(self->slice, buf, sizeof(buf), NR * PG - 100));
	EXPECT_EQ(-ENOSPC, vmo_ret(pwrite(self->slice, buf, 1, NR * PG)));
	EXPECT_EQ(-ENOSPC, vmo_ret(pwrite(self->slice, buf, 1, PAGES * PG)));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(NR * PG, vmo_stream(self->slice));
}

/* --- Range operations: bounds are those of the slice */

TEST_F(slice, ranges_beyond_its_end)
{
	static const __u32 ops[] = {
		COWVMO_OP_COMMIT, COWVMO_OP_DECOMMIT, COWVMO_OP_ZERO,
	};
	static const struct { __u64 offset, length; } bad[] = {
		{ 0, NR * PG + 1 }, { NR * PG, 1 }, { NR * PG + 1, 0 },
		{ (NR - 1) * PG, 2 * PG }, { NR * PG, PG }, { 0, ~0ULL },
		{ ~0ULL, 0 }, { PG, 0ULL - PG }, { 0ULL - PG, 2 * PG },
	};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		__u64 done = 1;

		for (k = 0; k < ARRAY_SIZE(bad); k++) {
			EXPECT_EQ(-ERANGE,
				  vmo_op(self->slice, ops[i], bad[k].offset,
					 bad[k].length, &done))
				TH_LOG("op %u, range %u", ops[i], k);
			EXPECT_EQ(0, done);
		}
		EXPECT_EQ(0, vmo_op(self->slice, ops[i], NR * PG, 0, &done));
		EXPECT_EQ(0, done);
	}
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
}

TEST_F(slice, zero)
{
	__u64 done = 0;

	EXPECT_EQ(0, vmo_op(self->slice, COWVMO_OP_ZERO, PG, 2 * PG, &done));
	EXPECT_EQ(2 * PG, done);
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 1));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 2));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST + 3, 1));
	EXPECT_EQ((PAGES - 2) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_zero(self->slice, 0, NR * PG));
	EXPECT_EQ((PAGES - NR) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(slice, zero_of_parts_of_pages)
{
	EXPECT_EQ(0, vmo_zero(self->slice, 0, 1));
	EXPECT_EQ(0, vmo_zero(self->slice, NR * PG - 1, 1));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, FIRST * PG));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, (FIRST + NR) * PG - 1));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST + 1, NR - 2));
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(slice, commit)
{
	__u64 done = 0;

	EXPECT_EQ(0, vmo_zero(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_op(self->slice, COWVMO_OP_COMMIT, PG + 5, PG, &done));
	EXPECT_EQ(PG, done);
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ((FIRST + 1) * (off_t)PG, lseek(self->vmo, 0, SEEK_DATA));
	EXPECT_EQ(0, vmo_op(self->slice, COWVMO_OP_COMMIT, 0, NR * PG, &done));
	EXPECT_EQ(NR * PG, done);
	EXPECT_EQ(NR * PG, vmo_populated(self->vmo));
}

/* Slices and references are no relatives: they have no memory of their own. */
TEST_F(slice, decommit)
{
	int ref = vmo_reference(self->vmo, 0);
	__u64 done = 0;

	ASSERT_LE(0, ref);
	EXPECT_EQ(-EINVAL, vmo_decommit(self->slice, 1, PG));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->slice, 0, PG - 1));
	EXPECT_EQ(0, vmo_op(self->slice, COWVMO_OP_DECOMMIT, PG, PG, &done));
	EXPECT_EQ(PG, done);
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 1));
	EXPECT_EQ((PAGES - 1) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_decommit(self->slice, 0, NR * PG));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(0, close(ref));
}

/* A clone is one, wherever it lies; that is said before the alignment is. */
TEST_F(slice, decommit_while_there_is_a_clone)
{
	int clone = vmo_child(self->vmo, 0, 0, PG);

	ASSERT_LE(0, clone);
	EXPECT_EQ(-ERANGE, vmo_decommit(self->slice, 1, NR * PG));
	EXPECT_EQ(0, vmo_decommit(self->slice, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->slice, 1, PG));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->slice, 1, PG));
	EXPECT_EQ(0, vmo_decommit(self->slice, 0, PG));
}

TEST_F(slice, never_changes_its_size)
{
	EXPECT_EQ(-EPERM, vmo_set_size(self->slice, NR * PG));
	EXPECT_EQ(-EPERM, vmo_set_size(self->slice, 0));
	EXPECT_EQ(-EPERM, vmo_ret(ftruncate(self->slice, 0)));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
}

/* --- Its own stream */

TEST_F(slice, has_a_stream_size_of_its_own)
{
	struct stat st;

	EXPECT_EQ(0, vmo_set_stream_size(self->slice, PG + 100));
	EXPECT_EQ(PG + 100, vmo_stream(self->slice));
	EXPECT_EQ(NR * PG, vmo_size(self->slice));
	EXPECT_EQ(0, fstat(self->slice, &st));
	EXPECT_EQ(PG + 100, (__u64)st.st_size);
	EXPECT_EQ(PAGES * PG, vmo_stream(self->vmo));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG));
	EXPECT_EQ(PG + 100, vmo_stream(self->slice));
	EXPECT_EQ(-ERANGE, vmo_set_stream_size(self->slice, NR * PG + 1));
}

/* From where the stream ended or ends to the end of the slice, not beyond */
TEST_F(slice, setting_the_stream_size_zeroes)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, NR * PG));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, PG + 100));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, (FIRST + 1) * PG + 100));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 2));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 3));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST, 1));
	EXPECT_EQ(0, around_check(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, FIRST + 3, 9));
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, 2 * PG));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 3));
	EXPECT_EQ(0, around_check(self->vmo));
}

TEST_F(slice, a_write_moves_the_stream_size)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, 10));
	EXPECT_EQ(0, vmo_put_byte(self->slice, PG + 9, 1));
	EXPECT_EQ(PG + 10, vmo_stream(self->slice));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, (FIRST + 2) * PG, 1));
	EXPECT_EQ(PG + 10, vmo_stream(self->slice));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->vmo));
}

TEST_F(slice, appends_where_its_stream_ends)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, 10));
	EXPECT_EQ(0, fcntl(self->slice, F_SETFL, O_APPEND));
	EXPECT_EQ(1, write(self->slice, "x", 1));
	EXPECT_EQ('x', vmo_get_byte(self->vmo, FIRST * PG + 10));
	EXPECT_EQ(11, vmo_stream(self->slice));
}

TEST_F(slice, seeks_its_own_content)
{
	const off_t pg = PG;

	EXPECT_EQ(0, vmo_zero(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(-ENXIO, vmo_ret(lseek(self->slice, 0, SEEK_DATA)));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, 0, 1));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, (FIRST + NR) * PG, 1));
	EXPECT_EQ(-ENXIO, vmo_ret(lseek(self->slice, 0, SEEK_DATA)));
	EXPECT_EQ(0, lseek(self->slice, 0, SEEK_HOLE));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, (FIRST + 2) * PG, 1));
	EXPECT_EQ(2 * pg, lseek(self->slice, 5, SEEK_DATA));
	EXPECT_EQ(2 * pg + 7, lseek(self->slice, 2 * pg + 7, SEEK_DATA));
	EXPECT_EQ(3 * pg, lseek(self->slice, 2 * pg, SEEK_HOLE));
	EXPECT_EQ(4 * pg, lseek(self->slice, 0, SEEK_END));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, (FIRST + 3) * PG, 1));
	EXPECT_EQ(4 * pg, lseek(self->slice, 2 * pg, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, vmo_ret(lseek(self->slice, 4 * pg, SEEK_HOLE)));
}

/* --- fallocate */

TEST_F(slice, fallocate_commits)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(0, fallocate(self->slice, 0, PG, PG));
	EXPECT_EQ((FIRST + 1) * (off_t)PG, lseek(self->vmo, 0, SEEK_DATA));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->slice, 0, PG, NR * PG)));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->slice,
					     FALLOC_FL_KEEP_SIZE, NR * PG, 1)));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
}

TEST_F(slice, fallocate_moves_its_stream_size)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->slice, 10));
	EXPECT_EQ(0, fallocate(self->slice, 0, 0, PG + 3));
	EXPECT_EQ(PG + 3, vmo_stream(self->slice));
	EXPECT_EQ(0, fallocate(self->slice, FALLOC_FL_ZERO_RANGE, PG, PG + 9));
	EXPECT_EQ(2 * PG + 9, vmo_stream(self->slice));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->vmo));
}

TEST_F(slice, punching_ends_where_it_ends)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	EXPECT_EQ(0, fallocate(self->slice, mode, NR * PG, 8 * PG));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, fallocate(self->slice, mode, 3 * PG, 8 * PG));
	EXPECT_EQ(0, zero_check(self->vmo, FIRST + 3));
	EXPECT_EQ(0, filled_check(self->vmo, FIRST, 3));
	EXPECT_EQ(0, around_check(self->vmo));
}

/* --- What it says of itself */

TEST_F(slice, has_no_memory_of_its_own)
{
	struct cowvmo_get_info info;
	struct stat st;

	ASSERT_EQ(0, vmo_info(self->slice, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(0, info.out_populated_bytes);
	EXPECT_EQ(0, info.out_private_bytes);
	EXPECT_EQ(0, info.out_scaled_bytes);
	EXPECT_EQ(0, info.out_scaled_fraction);
	EXPECT_EQ(0, info.out_metadata_bytes);
	EXPECT_EQ(0, fstat(self->slice, &st));
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(PAGES * PG, vmo_private(self->vmo));
}

static unsigned long long figure_of(int fd, const char *key)
{
	char path[64], buf[1024], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read(path, buf, sizeof(buf)) < 0)
		return ~0ULL;
	at = strstr(buf, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : ~0ULL;
}

TEST_F(slice, tells_in_fdinfo_whose_pages_it_shows)
{
	int inner = vmo_slice(self->slice, 0, PG);

	EXPECT_EQ(vmo_id(self->vmo), figure_of(self->slice, "cowvmo-store:\t"));
	EXPECT_EQ(vmo_id(self->vmo), figure_of(inner, "cowvmo-store:\t"));
	EXPECT_EQ(vmo_id(self->vmo), figure_of(self->vmo, "cowvmo-store:\t"));
	EXPECT_EQ(vmo_id(self->slice), figure_of(inner, "cowvmo-parent:\t"));
	EXPECT_EQ(0, figure_of(self->slice, "cowvmo-populated:\t"));
	EXPECT_EQ(PAGES * PG, figure_of(self->vmo, "cowvmo-populated:\t"));
	EXPECT_EQ(0, close(inner));
}

/* --- Snapshots beside it */

TEST_F(slice, a_snapshot_of_the_parent_keeps_what_was)
{
	int snap = vmo_snapshot(self->vmo);

	ASSERT_LE(0, snap);
	EXPECT_EQ(0, pat_fill(self->slice, 0, 7));
	EXPECT_EQ(0, vmo_zero(self->slice, PG, PG));
	EXPECT_EQ(0, vmo_put_byte(self->slice, 2 * PG, 1));
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	EXPECT_EQ(0, pat_check(self->vmo, FIRST, 7));
	EXPECT_EQ(0, pat_fill(snap, FIRST + 3, 9));
	EXPECT_EQ(0, pat_check(self->slice, 3, FILL + FIRST + 3));
	EXPECT_EQ(0, close(snap));
}

TEST_F(slice, of_a_snapshot)
{
	int snap = vmo_child(self->vmo, 0, PG, 4 * PG);
	int slice = vmo_slice(snap, PG, 2 * PG);

	ASSERT_LE(0, slice);
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 7));
	EXPECT_EQ(0, pat_check(slice, 0, FILL + 2));
	EXPECT_EQ(0, pat_fill(slice, 1, 8));
	EXPECT_EQ(0, pat_check(snap, 2, 8));
	EXPECT_EQ(0, pat_check(self->vmo, 3, FILL + 3));
	/* The four pages around the snapshot, and the two that differ */
	EXPECT_EQ(6 * PG, vmo_private(self->vmo));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(snap));
}

/* --- It keeps its parent alive */

FIXTURE(alive) {
	long vmos, pages;
};

FIXTURE_SETUP(alive)
{
	self->vmos = vmo_stat("vmos");
	self->pages = vmo_stat("pages");
}

FIXTURE_TEARDOWN(alive)
{
	EXPECT_EQ(self->vmos, vmo_stat("vmos"));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(alive, parent_without_an_fd)
{
	int root = vmo_filled(PAGES, PAGES, 0);
	int vmo = vmo_child(root, 0, 0, PAGES * PG);
	int slice = vmo_slice(vmo, FIRST * PG, NR * PG);
	__u64 id = vmo_id(vmo);

	ASSERT_LE(0, slice);
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(id, vmo_parent(slice));
	EXPECT_EQ(1, vmo_children(root));
	EXPECT_EQ(self->vmos + 3, vmo_stat("vmos"));
	EXPECT_EQ(0, pat_fill(root, FIRST, 7));
	EXPECT_EQ(0, pat_check(slice, 0, FILL + FIRST));
	EXPECT_EQ(0, pat_fill(slice, 1, 8));
	EXPECT_EQ(0, pat_check(slice, 1, 8));
	EXPECT_EQ(0, filled_check(root, FIRST + 1, 1));
	/* A relative still */
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(root, 0, PG));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, vmo_children(root));
	EXPECT_EQ(0, vmo_decommit(root, 0, PG));
	EXPECT_EQ(self->vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ(0, close(root));
}

TEST_F(alive, with_its_other_children)
{
	int vmo = vmo_filled(PAGES, PAGES, 0);
	int snap = vmo_snapshot(vmo);
	int slice = vmo_slice(vmo, 0, PG);
	__u64 id = vmo_id(vmo);

	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(id, vmo_parent(snap));
	EXPECT_EQ(id, vmo_parent(slice));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, vmo_parent(snap));
	EXPECT_EQ(PAGES * PG, vmo_private(snap));
	EXPECT_EQ(0, close(snap));
}

/* Another slice, or a mapping of one, does just as well. */
TEST_F(alive, by_the_last_of_several)
{
	int vmo = vmo_filled(PAGES, PAGES, 0);
	int a = vmo_slice(vmo, 0, PG), b = vmo_slice(vmo, PG, PG);
	unsigned char *mem = vmo_map(b, 0, PG, RW);
	__u64 id = vmo_id(vmo);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, close(b));
	EXPECT_EQ(id, vmo_parent(a));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(self->vmos + 2, vmo_stat("vmos"));
	EXPECT_EQ(0, pat_mem_check(mem, FILL + 1));
	mem[3] = 9;
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_F(alive, in_a_socket)
{
	int vmo = vmo_filled(PAGES, PAGES, 0), sock[2];
	int slice = vmo_slice(vmo, PG, PG);
	__u64 id = vmo_id(vmo);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, vmo_send_fd(sock[0], slice));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(vmo));
	slice = vmo_recv_fd(sock[1]);
	ASSERT_LE(0, slice);
	EXPECT_EQ(id, vmo_parent(slice));
	EXPECT_EQ(0, pat_check(slice, 0, FILL + 1));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(sock[0]));
	EXPECT_EQ(0, close(sock[1]));
}

TEST_HARNESS_MAIN
