// SPDX-License-Identifier: GPL-2.0
/*
 * References: one content, size and stream size under several identities; the
 * right to change the size is each one's own.
 */
#include "maps.h"

#include <pthread.h>

#include "kselftest_harness.h"

#define RESIZABLE	COWVMO_CREATE_RESIZABLE
#define PAGES		4ULL
#define SIZE		(PAGES * PG)

FIXTURE(ref) {
	long vmos, pages;
	int vmo;		/* resizable */
	int ref;		/* may resize it */
	int fixed;		/* may not */
};

FIXTURE_SETUP(ref)
{
	self->vmos = vmo_stat("vmos");
	self->pages = vmo_stat("pages");
	self->vmo = vmo_filled(PAGES, PAGES, RESIZABLE);
	ASSERT_LE(0, self->vmo);
	self->ref = vmo_reference(self->vmo, RESIZABLE);
	ASSERT_LE(0, self->ref);
	self->fixed = vmo_reference(self->vmo, 0);
	ASSERT_LE(0, self->fixed);
}

static int close_if_open(int fd)
{
	return fd < 0 ? 0 : vmo_ret(close(fd));
}

FIXTURE_TEARDOWN(ref)
{
	EXPECT_EQ(0, close_if_open(self->fixed));
	EXPECT_EQ(0, close_if_open(self->ref));
	EXPECT_EQ(0, close_if_open(self->vmo));
	EXPECT_EQ(self->vmos, vmo_stat("vmos"));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_validate());
}

/* Do all see this size and this stream size, and does fstat() agree? */
static int sizes_are(const int *fds, unsigned int n, __u64 size, __u64 stream)
{
	struct stat st;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (vmo_size(fds[i]) != size || vmo_stream(fds[i]) != stream)
			return -EILSEQ;
		if (fstat(fds[i], &st) || (__u64)st.st_size != stream)
			return -EUCLEAN;
		if (lseek(fds[i], 0, SEEK_END) != (off_t)stream)
			return -ESPIPE;
	}
	return 0;
}

#define EXPECT_SIZES(size, stream)					\
	do {								\
		const int all[] = { self->vmo, self->ref, self->fixed };\
									\
		EXPECT_EQ(0, sizes_are(all, 3, size, stream));		\
	} while (0)

/* --- One content */

TEST_F(ref, writes_show_in_all)
{
	EXPECT_EQ(0, filled_check(self->ref, 0, PAGES));
	EXPECT_EQ(0, pat_fill(self->ref, 1, 7));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 7));
	EXPECT_EQ(0, pat_check(self->fixed, 1, 7));
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 8));
	EXPECT_EQ(0, pat_check(self->ref, 2, 8));
	EXPECT_EQ(0, vmo_zero(self->fixed, 0, PG));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
	EXPECT_EQ(0, vmo_decommit(self->ref, 3 * PG, PG));
	EXPECT_EQ(0, zero_check(self->vmo, 3));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_commit(self->fixed, 0, PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
}

TEST_F(ref, ranges_end_with_the_size)
{
	EXPECT_EQ(-ERANGE, vmo_zero(self->ref, 0, SIZE + 1));
	EXPECT_EQ(-ERANGE, vmo_commit(self->ref, SIZE, PG));
	EXPECT_EQ(-ERANGE, vmo_decommit(self->ref, SIZE + PG, 0));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 2 * SIZE));
	EXPECT_EQ(0, vmo_commit(self->ref, SIZE, PG));
	EXPECT_EQ(0, vmo_set_size(self->vmo, PG));
	EXPECT_EQ(-ERANGE, vmo_commit(self->ref, PG, 1));
}

TEST_F(ref, holes_are_the_same)
{
	EXPECT_EQ(0, vmo_zero(self->ref, PG, PG));
	EXPECT_EQ((off_t)PG, lseek(self->fixed, 0, SEEK_HOLE));
	EXPECT_EQ((off_t)(2 * PG), lseek(self->fixed, PG, SEEK_DATA));
	EXPECT_EQ((off_t)SIZE, lseek(self->fixed, 2 * PG, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, vmo_ret(lseek(self->fixed, SIZE, SEEK_HOLE)));
}

/* --- One size */

TEST_F(ref, a_new_size_shows_in_all)
{
	EXPECT_EQ(0, vmo_set_size(self->ref, 6 * PG - 5));
	EXPECT_SIZES(6 * PG, 6 * PG - 5);
	EXPECT_EQ(0, vmo_set_size(self->vmo, PG + 1));
	EXPECT_SIZES(2 * PG, PG + 1);
	EXPECT_EQ(0, ftruncate(self->ref, 3 * PG));
	EXPECT_SIZES(3 * PG, 3 * PG);
	EXPECT_EQ(0, vmo_get_byte(self->fixed, PG + 1));
	EXPECT_EQ(0, zero_check(self->fixed, 2));
	EXPECT_EQ(0, ftruncate(self->vmo, 0));
	EXPECT_SIZES(0, 0);
	EXPECT_EQ(0, vmo_populated(self->vmo));
}

TEST_F(ref, a_growing_write_shows_in_all)
{
	EXPECT_EQ(0, vmo_put_byte(self->ref, 5 * PG, 1));
	EXPECT_SIZES(6 * PG, 5 * PG + 1);
	EXPECT_EQ(0, vmo_put_byte(self->fixed, 5 * PG + 9, 1));
	EXPECT_SIZES(6 * PG, 5 * PG + 10);
	EXPECT_EQ(0, fallocate(self->ref, 0, 0, 7 * PG + 1));
	EXPECT_SIZES(8 * PG, 7 * PG + 1);
	EXPECT_EQ(0, fallocate(self->fixed, 0, 0, 7 * PG + 2));
	EXPECT_SIZES(8 * PG, 7 * PG + 2);
}

TEST_F(ref, a_stream_size_shows_in_all)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->fixed, PG + 7));
	EXPECT_SIZES(SIZE, PG + 7);
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 3 * PG));
	EXPECT_SIZES(SIZE, 3 * PG);
	EXPECT_EQ(0, vmo_get_byte(self->ref, PG + 7));
	EXPECT_EQ(0, zero_check(self->ref, 2));
	EXPECT_EQ(-ERANGE, vmo_set_stream_size(self->ref, SIZE + 1));
	EXPECT_SIZES(SIZE, 3 * PG);
}

TEST_F(ref, appends_at_the_common_end)
{
	EXPECT_EQ(0, fcntl(self->fixed, F_SETFL, O_APPEND));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 100));
	EXPECT_EQ(1, write(self->fixed, "x", 1));
	EXPECT_SIZES(SIZE, 101);
	EXPECT_EQ('x', vmo_get_byte(self->vmo, 100));
	EXPECT_EQ(0, fcntl(self->ref, F_SETFL, O_APPEND));
	EXPECT_EQ(0, vmo_set_size(self->vmo, PG));
	EXPECT_EQ(1, write(self->ref, "y", 1));
	EXPECT_SIZES(2 * PG, PG + 1);
}

/* One made later has the size of that moment. */
TEST_F(ref, a_later_one)
{
	int later;

	EXPECT_EQ(0, vmo_set_size(self->vmo, 2 * PG + 3));
	later = vmo_reference(self->fixed, 0);
	ASSERT_LE(0, later);
	EXPECT_EQ(0, sizes_are(&later, 1, 3 * PG, 2 * PG + 3));
	EXPECT_EQ(0, vmo_set_size(self->ref, PG));
	EXPECT_EQ(0, sizes_are(&later, 1, PG, PG));
	EXPECT_EQ(0, close(later));
}

/* --- The right to change it */

TEST_F(ref, a_size_that_may_not_change)
{
	static char buf[2 * PG];

	EXPECT_EQ(-EPERM, vmo_set_size(self->fixed, PG));
	EXPECT_EQ(-EPERM, vmo_set_size(self->fixed, VMO_MAX + 1));
	EXPECT_EQ(-EPERM, vmo_ret(ftruncate(self->fixed, PG)));
	EXPECT_EQ(PG, pwrite(self->fixed, buf, 2 * PG, 3 * PG));
	EXPECT_EQ(-ENOSPC, vmo_ret(pwrite(self->fixed, buf, 1, SIZE)));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->fixed, 0, SIZE, 1)));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->fixed,
					     FALLOC_FL_ZERO_RANGE, SIZE, 1)));
	EXPECT_SIZES(SIZE, SIZE);
}

TEST_F(ref, a_size_beyond_all_bounds)
{
	EXPECT_EQ(-ERANGE, vmo_set_size(self->ref, VMO_MAX + 1));
	EXPECT_EQ(-EFBIG, vmo_ret(pwrite(self->ref, "", 1, VMO_MAX)));
	EXPECT_SIZES(SIZE, SIZE);
}

TEST_F(ref, the_right_is_handed_on)
{
	int next = vmo_reference(self->ref, RESIZABLE);
	int without = vmo_reference(next, 0);

	ASSERT_LE(0, next);
	ASSERT_LE(0, without);
	EXPECT_EQ(-EPERM, vmo_reference(without, RESIZABLE));
	EXPECT_EQ(-EPERM, vmo_set_size(without, PG));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_EQ(0, vmo_set_size(next, PG));
	EXPECT_EQ(PG, vmo_size(without));
	EXPECT_EQ(0, close(without));
	EXPECT_EQ(0, close(next));
}

TEST_F(ref, of_a_vmo_of_fixed_size)
{
	int vmo = vmo_filled(PAGES, PAGES, 0);
	int ref = vmo_reference(vmo, 0);

	ASSERT_LE(0, ref);
	EXPECT_EQ(-EPERM, vmo_reference(vmo, RESIZABLE));
	EXPECT_EQ(-EPERM, vmo_set_size(ref, PG));
	EXPECT_EQ(-ENOSPC, vmo_ret(pwrite(ref, "", 1, SIZE)));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(vmo));
}

/* --- Closing */

TEST_F(ref, the_content_outlives_the_original)
{
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 7));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_EQ(0, pat_check(self->ref, 0, 7));
	EXPECT_EQ(0, pat_fill(self->ref, 1, 8));
	EXPECT_EQ(0, pat_check(self->fixed, 1, 8));
	EXPECT_EQ(0, vmo_set_size(self->ref, 2 * SIZE));
	EXPECT_EQ(2 * SIZE, vmo_size(self->fixed));
	EXPECT_EQ(0, vmo_put_byte(self->fixed, SIZE, 1));
	EXPECT_EQ(1, vmo_get_byte(self->ref, SIZE));
	EXPECT_EQ(self->pages + (long)PAGES + 1, vmo_stat("pages"));
}

struct memory {
	__u64 populated, private, scaled, metadata, blocks;
};

static struct memory memory_of(int fd)
{
	struct cowvmo_get_info info;
	struct memory memory = { 0 };
	struct stat st;

	if (vmo_info(fd, &info, COWVMO_INFO_MEMORY) || fstat(fd, &st))
		return (struct memory) { .populated = ~0ULL };
	memory.populated = info.out_populated_bytes;
	memory.private = info.out_private_bytes;
	memory.scaled = info.out_scaled_bytes;
	memory.metadata = info.out_metadata_bytes;
	memory.blocks = st.st_blocks;
	return memory;
}

static bool has_nothing(int fd)
{
	struct memory none = { 0 }, memory = memory_of(fd);

	return !memcmp(&none, &memory, sizeof(none));
}

static bool has_all(int fd, __u64 bytes)
{
	struct memory memory = memory_of(fd);

	return memory.populated == bytes && memory.private == bytes &&
		memory.scaled == bytes && memory.metadata &&
		memory.blocks == bytes / 512;
}

/* The memory counts as the original's, then as the oldest reference's. */
TEST_F(ref, whose_the_memory_is)
{
	int last = vmo_reference(self->fixed, 0);

	ASSERT_LE(0, last);
	EXPECT_TRUE(has_all(self->vmo, SIZE));
	EXPECT_TRUE(has_nothing(self->ref));
	EXPECT_TRUE(has_nothing(self->fixed));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_TRUE(has_all(self->ref, SIZE));
	EXPECT_TRUE(has_nothing(self->fixed));
	EXPECT_TRUE(has_nothing(last));
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	EXPECT_TRUE(has_all(self->fixed, SIZE));
	EXPECT_TRUE(has_nothing(last));
	EXPECT_EQ(0, close(self->fixed));
	self->fixed = -1;
	EXPECT_TRUE(has_all(last, SIZE));
	EXPECT_EQ(0, filled_check(last, 0, PAGES));
	EXPECT_EQ(0, close(last));
}

/* The oldest of those that are left, whichever was closed first */
TEST_F(ref, whose_the_memory_is_if_an_older_one_went_before)
{
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	EXPECT_TRUE(has_all(self->vmo, SIZE));
	EXPECT_TRUE(has_nothing(self->fixed));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_TRUE(has_all(self->fixed, SIZE));
}

/* A slice keeps the original alive: then it is still its memory. */
TEST_F(ref, whose_the_memory_is_while_a_slice_lives)
{
	int vmo = vmo_filled(PAGES, PAGES, 0);
	int ref = vmo_reference(vmo, 0);
	int slice = vmo_slice(vmo, 0, PG), other = vmo_slice(ref, 0, PG);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, close(vmo));
	EXPECT_TRUE(has_nothing(ref));
	EXPECT_TRUE(has_nothing(slice));
	EXPECT_EQ(0, close(slice));
	EXPECT_TRUE(has_all(ref, SIZE));
	EXPECT_TRUE(has_nothing(other));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, filled_check(other, 0, 1));
	EXPECT_EQ(0, close(other));
}

/* An O_PATH descriptor leads to an inode, but uses nothing of the VMO. */
TEST_F(ref, whose_the_memory_is_while_a_path_lives)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->ref);
	fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	EXPECT_EQ(1, vmo_children(self->vmo));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_TRUE(has_all(self->fixed, SIZE));
	EXPECT_EQ(0, close(self->fixed));
	self->fixed = -1;
	EXPECT_EQ(self->pages, vmo_stat("pages"));
	EXPECT_EQ(0, close(fd));
}

/* --- Relations */

TEST_F(ref, parents_and_children)
{
	int inner = vmo_reference(self->ref, 0);
	int clone = vmo_snapshot(inner);

	ASSERT_LE(0, clone);
	EXPECT_EQ(2, vmo_children(self->vmo));
	EXPECT_EQ(1, vmo_children(self->ref));
	EXPECT_EQ(1, vmo_children(inner));
	EXPECT_EQ(vmo_id(self->ref), vmo_parent(inner));
	EXPECT_EQ(vmo_id(inner), vmo_parent(clone));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(vmo_id(self->ref), vmo_parent(clone));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_EQ(0, vmo_parent(self->ref));
	EXPECT_EQ(0, vmo_parent(self->fixed));
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	EXPECT_EQ(0, vmo_parent(clone));
	EXPECT_EQ(0, close(clone));
}

/* What nobody has an fd of any more is a relative while it is shown. */
TEST_F(ref, what_only_a_reference_shows_is_a_relative)
{
	int snap = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_EQ(0, vmo_private(snap));
	EXPECT_EQ(0, vmo_private(self->ref));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(snap, 0, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->ref, 0, PG));
	EXPECT_EQ(0, close(self->fixed));
	self->fixed = -1;
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	EXPECT_EQ(SIZE, vmo_private(snap));
	EXPECT_EQ(0, vmo_decommit(snap, 0, PG));
	EXPECT_EQ(0, close(snap));
}

/* --- Snapshots */

TEST_F(ref, a_snapshot_of_it)
{
	int snap = vmo_snapshot(self->ref);

	ASSERT_LE(0, snap);
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 7));
	EXPECT_EQ(0, pat_fill(self->fixed, 1, 8));
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	EXPECT_EQ(0, pat_check(self->ref, 0, 7));
	EXPECT_EQ(0, pat_fill(snap, 2, 9));
	EXPECT_EQ(0, pat_check(self->ref, 2, FILL + 2));
	EXPECT_EQ(0, close(snap));
}

TEST_F(ref, a_snapshot_of_it_without_the_original)
{
	int snap;

	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	snap = vmo_child(self->fixed, 0, PG, 2 * PG);
	ASSERT_LE(0, snap);
	EXPECT_EQ(0, pat_fill(self->ref, 1, 7));
	EXPECT_EQ(0, pat_check(snap, 0, FILL + 1));
	EXPECT_EQ(vmo_id(self->fixed), vmo_parent(snap));
	EXPECT_EQ(3 * PG, vmo_private(self->ref));
	EXPECT_EQ(PG, vmo_private(snap));
	EXPECT_EQ(0, close(snap));
}

/* --- Mappings */

TEST_F(ref, mappings_show_the_same)
{
	unsigned char *a = vmo_map(self->vmo, 0, SIZE, RW);
	unsigned char *b = vmo_map(self->fixed, PG, 3 * PG, RW);

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	b[0] = 0x11;
	EXPECT_EQ(0x11, a[PG]);
	a[2 * PG] = 0x22;
	EXPECT_EQ(0x22, b[PG]);
	EXPECT_EQ(0, madvise(b, PG, MADV_REMOVE));
	EXPECT_EQ(0, zero_mem_check(a + PG, PG));
	EXPECT_EQ(0, filled_check(self->ref, 0, 1));
	EXPECT_EQ(0, munmap(b, 3 * PG));
	EXPECT_EQ(0, munmap(a, SIZE));
}

TEST_F(ref, mappings_of_all_are_write_protected)
{
	unsigned char *a = vmo_map(self->vmo, 0, SIZE, RW);
	unsigned char *b = vmo_map(self->ref, 0, SIZE, RW);
	int snap[3], i;

	for (i = 0; i < 3; i++) {
		a[0] = i;
		b[1] = i;
		b[PG] = i;
		snap[i] = vmo_snapshot(i == 1 ? self->ref : self->vmo);
		ASSERT_LE(0, snap[i]);
	}
	memset(b, 9, PG);
	a[PG] = 9;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(i, vmo_get_byte(snap[i], 0));
		EXPECT_EQ(i, vmo_get_byte(snap[i], 1));
		EXPECT_EQ(i, vmo_get_byte(snap[i], PG));
		EXPECT_EQ(0, close(snap[i]));
	}
	EXPECT_EQ(9, a[0]);
	EXPECT_EQ(9, b[PG]);
	EXPECT_EQ(0, munmap(b, SIZE));
	EXPECT_EQ(0, munmap(a, SIZE));
}

TEST_F(ref, resizing_unmaps_from_all)
{
	unsigned char *a = vmo_map(self->fixed, 0, SIZE, RW), byte;
	unsigned char *b = map_private(self->vmo, 0, SIZE, RW);

	a[3 * PG] = 1;
	b[3 * PG] = 1;
	EXPECT_EQ(0, vmo_set_size(self->ref, PG));
	EXPECT_EQ(SIGBUS, vmo_try_read(a + 3 * PG, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_read(b + 3 * PG, &byte));
	EXPECT_EQ(0, vmo_try_read(a, &byte));
	EXPECT_EQ(0, vmo_set_size(self->vmo, SIZE));
	EXPECT_EQ(0, vmo_try_read(a + 3 * PG, &byte));
	EXPECT_EQ(0, byte);
	EXPECT_EQ(0, munmap(b, SIZE));
	EXPECT_EQ(0, munmap(a, SIZE));
}

/* A mapping of a reference keeps it, and with it the content. */
TEST_F(ref, mappings_keep_the_content)
{
	unsigned char *mem = vmo_map(self->fixed, 0, SIZE, RW);
	int snap = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, close(self->fixed));
	self->fixed = -1;
	EXPECT_EQ(3, vmo_children(self->vmo));
	EXPECT_EQ(0, close(self->vmo));
	self->vmo = -1;
	EXPECT_EQ(0, close(self->ref));
	self->ref = -1;
	mem[0] = 1;
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(snap, 0, PG));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, vmo_decommit(snap, 0, PG));
	EXPECT_EQ(self->pages + (long)PAGES - 1, vmo_stat("pages"));
	EXPECT_EQ(0, close(snap));
}

/* --- Two who lock two of them */

static void *truncate_often(void *arg)
{
	int *fds = arg, i;

	for (i = 0; i < 2000; i++)
		if (ftruncate(fds[0], i % 5 * PG) ||
		    vmo_set_size(fds[1], (1 + i % 3) * PG) ||
		    vmo_put_byte(fds[i % 2], i % 9 * PG, 1))
			return "failed";
	return NULL;
}

TEST_F(ref, resized_from_all_sides)
{
	int forth[2] = { self->vmo, self->ref };
	int back[2] = { self->ref, self->vmo };
	pthread_t thread;
	void *failed;

	ASSERT_EQ(0, pthread_create(&thread, NULL, truncate_often, forth));
	EXPECT_EQ(NULL, truncate_often(back));
	pthread_join(thread, &failed);
	EXPECT_EQ(NULL, failed);
	EXPECT_EQ(vmo_size(self->vmo), vmo_size(self->fixed));
	EXPECT_EQ(vmo_stream(self->vmo), vmo_stream(self->fixed));
	EXPECT_EQ(0, ftruncate(self->ref, 0));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
}

TEST_HARNESS_MAIN
