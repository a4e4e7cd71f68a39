// SPDX-License-Identifier: GPL-2.0
/*
 * mprotect(), pkey_mprotect(), mremap() and fork() change or move page table
 * entries without asking the module. None of them, in any order, may make a
 * page writable that a snapshot has.
 */
#include "maps.h"

#include "kselftest_harness.h"

#define PAGES	4ULL

enum change {
	C_NONE, C_READ, C_READ_WRITE, C_WRITE, C_NO_ACCESS, C_PKEY,
	C_MOVE, C_FORK, C_DONTNEED, C_LOOK, CHANGES,
};

static const char *const change_names[CHANGES] = {
	"nothing", "mprotect(R)", "mprotect(RW)", "mprotect(W)",
	"mprotect(NONE)", "pkey_mprotect(RW)", "mremap", "fork",
	"MADV_DONTNEED", "load",
};

FIXTURE(protect) {
	int fd;
	int snap;
	int key;
	unsigned char *mem;
};

FIXTURE_SETUP(protect)
{
	self->fd = vmo_filled(PAGES, PAGES, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
	/* Where there are no keys, -1 makes the call a plain mprotect(). */
	self->key = pkey_alloc(0, 0);
	if (self->key < 0)
		self->key = -1;
	self->snap = -1;
}

FIXTURE_TEARDOWN(protect)
{
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	if (self->snap >= 0)
		close(self->snap);
	EXPECT_EQ(0, vmo_validate());
}

/* A longjmp() out of a signal handler leaves the rights of keys at "none". */
static void allow_key(int key)
{
	if (key >= 0)
		pkey_set(key, 0);
}

static int nothing_in_child(void *arg)
{
	return *(volatile unsigned char *)arg & 0;
}

static int change_move(unsigned char **mem)
{
	void *place = mmap(NULL, PAGES * PG, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *now;

	now = mremap(*mem, PAGES * PG, PAGES * PG,
		     MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (now == MAP_FAILED)
		return -errno;
	*mem = now;
	return 0;
}

static int look(unsigned char *mem, int key)
{
	unsigned char byte;
	__u64 i;

	for (i = 0; i < PAGES; i++)
		if (vmo_try_read(mem + i * PG, &byte))
			allow_key(key);
	return 0;
}

static int change(enum change what, unsigned char **mem, int key)
{
	const size_t length = PAGES * PG;
	int rc = 0;

	switch (what) {
	case C_READ:
		rc = mprotect(*mem, length, PROT_READ);
		break;
	case C_READ_WRITE:
		rc = mprotect(*mem, length, RW);
		break;
	case C_WRITE:
		rc = mprotect(*mem, length, PROT_WRITE);
		break;
	case C_NO_ACCESS:
		rc = mprotect(*mem, length, PROT_NONE);
		break;
	case C_PKEY:
		rc = pkey_mprotect(*mem, length, RW, key);
		break;
	case C_MOVE:
		return change_move(mem);
	case C_FORK:
		return in_child(nothing_in_child, mem);
	case C_DONTNEED:
		rc = madvise(*mem, length, MADV_DONTNEED);
		break;
	case C_LOOK:
		return look(*mem, key);
	default:
		break;
	}
	return vmo_ret(rc);
}

/* As far as the mapping lets us: bit i set when page i could be written. */
static unsigned int store_all(unsigned char *mem, int key, unsigned char byte)
{
	unsigned int done = 0;
	__u64 i;

	for (i = 0; i < PAGES; i++) {
		if (!vmo_try_write(mem + i * PG, byte))
			done |= 1 << i;
		else
			allow_key(key);
	}
	return done;
}

static int all_are(int fd, unsigned char byte)
{
	__u64 i;
	int got;

	for (i = 0; i < PAGES; i++) {
		got = vmo_get_byte(fd, i * PG);
		if (got != byte)
			return -EILSEQ;
	}
	return 0;
}

/* One sequence: 0, or the step that went wrong */
static int sequence(unsigned char **mem, int fd, int key, enum change before,
		    enum change first, enum change second)
{
	int snap, rc;

	if (change(C_READ_WRITE, mem, key) || store_all(*mem, key, 1) != 0xf)
		return 1;
	if (change(before, mem, key))
		return 2;
	snap = vmo_snapshot(fd);
	if (snap < 0)
		return 3;
	rc = change(first, mem, key) || change(second, mem, key) ? 4 : 0;
	store_all(*mem, key, 2);
	if (!rc && all_are(snap, 1))
		rc = 5;
	if (!rc && (change(C_READ_WRITE, mem, key) ||
		    store_all(*mem, key, 3) != 0xf || all_are(fd, 3)))
		rc = 6;
	if (!rc && all_are(snap, 1))
		rc = 7;
	close(snap);
	return rc;
}

/* All of one, two or three changes around the snapshot */
TEST_F_TIMEOUT(protect, every_sequence, 300)
{
	int before, first, second, rc;

	for (before = 0; before < CHANGES; before++)
		for (first = 0; first < CHANGES; first++)
			for (second = 0; second < CHANGES; second++) {
				rc = sequence(&self->mem, self->fd, self->key,
					      before, first, second);
				EXPECT_EQ(0, rc)
					TH_LOG("%s, snapshot, %s, %s",
					       change_names[before],
					       change_names[first],
					       change_names[second]);
			}
}

/* The access is taken away first, the snapshot comes then. */
TEST_F(protect, a_read_only_dirty_page)
{
	self->mem[0] = 1;
	ASSERT_EQ(0, mprotect(self->mem, PG, PROT_READ));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	ASSERT_EQ(0, mprotect(self->mem, PG, RW));
	self->mem[0] = 2;
	EXPECT_EQ(1, vmo_get_byte(self->snap, 0));
}

TEST_F(protect, a_part_of_the_mapping)
{
	__u64 i;

	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	ASSERT_EQ(0, mprotect(self->mem + PG, 2 * PG, PROT_READ));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0x9, store_all(self->mem, -1, 2));
	ASSERT_EQ(0, mprotect(self->mem, PAGES * PG, RW));
	EXPECT_EQ(0xf, store_all(self->mem, -1, 3));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(1, vmo_get_byte(self->snap, i * PG));
		EXPECT_EQ(3, vmo_get_byte(self->fd, i * PG));
	}
}

TEST_F(protect, a_hole_in_the_mapping)
{
	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	ASSERT_EQ(0, munmap(self->mem + PG, PG));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0xd, store_all(self->mem, -1, 2));
	EXPECT_EQ(0, all_are(self->snap, 1));
	EXPECT_EQ(1, vmo_get_byte(self->fd, PG));
	EXPECT_EQ(2, vmo_get_byte(self->fd, 2 * PG));
}

TEST_F(protect, a_page_moved_away_is_still_protected)
{
	unsigned char *away = mmap(NULL, PG, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	ASSERT_EQ(away, mremap(self->mem + PG, PG, PG,
			       MREMAP_MAYMOVE | MREMAP_FIXED, away));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0xd, store_all(self->mem, -1, 2));
	*(volatile unsigned char *)away = 2;
	EXPECT_EQ(0, all_are(self->snap, 1));
	EXPECT_EQ(0, all_are(self->fd, 2));
	munmap(away, PG);
}

TEST_F(protect, an_old_mapping_kept_by_mremap)
{
	unsigned char *copy;

	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	/* A length of 0 makes a second mapping of the same pages. */
	copy = mremap(self->mem, 0, PAGES * PG, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, copy);
	EXPECT_EQ(0xf, store_all(copy, -1, 1));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0xf, store_all(copy, -1, 2));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(0xf, store_all(self->mem, -1, 3));
	EXPECT_EQ(3, copy[0]);
	EXPECT_EQ(0, all_are(self->snap, 1));
	munmap(copy, PAGES * PG);
}

TEST_F(protect, dontunmap_leaves_an_empty_mapping)
{
	unsigned char *moved;

	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	moved = mremap(self->mem, PAGES * PG, PAGES * PG,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (moved == MAP_FAILED) {
		/* refused for mappings with VM_SPECIAL bits, up to now */
		ASSERT_EQ(EINVAL, errno);
		moved = NULL;
	}
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0xf, store_all(self->mem, -1, 2));
	if (moved) {
		EXPECT_EQ(0xf, store_all(moved, -1, 2));
		munmap(moved, PAGES * PG);
	}
	EXPECT_EQ(0, all_are(self->snap, 1));
}

TEST_F(protect, pkey_mprotect_alone)
{
	if (self->key < 0)
		SKIP(return, "no protection keys here");
	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	ASSERT_EQ(0, pkey_mprotect(self->mem, PAGES * PG, RW, self->key));
	EXPECT_EQ(0xf, store_all(self->mem, -1, 2));
	EXPECT_EQ(0, all_are(self->snap, 1));
	EXPECT_EQ(0, all_are(self->fd, 2));
}

/* A mapping made read-only from the start on an fd that may write */
TEST_F(protect, a_read_mapping_that_becomes_writable)
{
	unsigned char *mem = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	look(mem, -1);
	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	look(mem, -1);
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	ASSERT_EQ(0, mprotect(mem, PAGES * PG, RW));
	EXPECT_EQ(0xf, store_all(mem, -1, 2));
	EXPECT_EQ(2, self->mem[0]);
	EXPECT_EQ(0, all_are(self->snap, 1));
	munmap(mem, PAGES * PG);
}

TEST_F(protect, a_read_only_fd_never_becomes_writable)
{
	int ro = vmo_child(self->fd, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	unsigned char *mem;

	ASSERT_GE(ro, 0);
	EXPECT_EQ(NULL, vmo_map(ro, 0, PAGES * PG, RW));
	EXPECT_EQ(EACCES, errno);
	mem = vmo_map(ro, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	EXPECT_EQ(-1, mprotect(mem, PAGES * PG, RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, pkey_mprotect(mem, PAGES * PG, RW, self->key));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, vmo_try_write(mem, 1));
	EXPECT_EQ(0, filled_check(ro, 0, PAGES));
	munmap(mem, PAGES * PG);
	close(ro);
}

/* A child process writes with the rights it had when it was forked. */
static int protect_in_child(void *arg)
{
	unsigned char *mem = arg;

	if (mprotect(mem, PAGES * PG, PROT_READ) ||
	    mprotect(mem, PAGES * PG, RW))
		return 1;
	return store_all(mem, -1, 2) == 0xf ? 0 : 2;
}

TEST_F(protect, mprotect_in_a_child_after_the_snapshot)
{
	EXPECT_EQ(0xf, store_all(self->mem, -1, 1));
	self->snap = vmo_snapshot(self->fd);
	ASSERT_GE(self->snap, 0);
	EXPECT_EQ(0, in_child(protect_in_child, self->mem));
	EXPECT_EQ(0, all_are(self->snap, 1));
	EXPECT_EQ(0, all_are(self->fd, 2));
}

TEST_HARNESS_MAIN
