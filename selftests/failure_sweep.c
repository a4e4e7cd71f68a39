// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation failing in turn. Each scene is set up, run with the N-th
 * allocation failing, compared with what it should be - all as before if it
 * failed, all as without failure if it did not - and taken down, for N from 1
 * until nothing fails any more.
 *
 * Three ways to make allocations fail: the module's own hook, once and from
 * the N-th on; and the kernel's fault injection where it is built in, which
 * also reaches what the VFS and the page tables need.
 */
#include <linux/fs.h>

#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"
#include "failure.h"
#include "sweep.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	900

/* --- What is run */

static int run_create(struct scene *s)
{
	return made(s, vmo_create(s->dev, 16 * PG, 0, "made"));
}

static int run_clone(struct scene *s)
{
	return made(s, vmo_child(s->vmo, 0, 0, PAGES * PG));
}

static int run_clone_range(struct scene *s)
{
	return made(s, vmo_child(s->vmo, 0, 5 * PG, 25 * PG));
}

static int run_clone_read_only(struct scene *s)
{
	return made(s, vmo_child(s->vmo, COWVMO_CREATE_NO_WRITE, 0, 60 * PG));
}

static int run_clone_of_clone(struct scene *s)
{
	return made(s, vmo_child(s->child, 0, 3 * PG, PAGES * PG));
}

static int run_write_hole(struct scene *s)
{
	return pat_fill(s->vmo, 7, 200);
}

static int run_write_far(struct scene *s)
{
	return pat_fill(s->vmo, FAR + 1, 200);
}

static int run_write_copy(struct scene *s)
{
	return pat_fill(s->vmo, 20, 200);
}

static int run_write_part(struct scene *s)
{
	return vmo_put_byte(s->vmo, 20 * PG + 5, 77);
}

static int run_write_in_child(struct scene *s)
{
	return pat_fill(s->child, 20, 200);
}

static int run_write_past_end(struct scene *s)
{
	return pat_fill(s->vmo, PAGES + 3, 200);
}

static int run_zero_part(struct scene *s)
{
	return vmo_zero(s->vmo, 20 * PG + 100, 200);
}

static int run_zero_range(struct scene *s)
{
	return vmo_zero(s->vmo, 3 * PG, 27 * PG);
}

static int run_zero_whole(struct scene *s)
{
	return vmo_zero(s->vmo, 0, PAGES * PG);
}

static int run_decommit(struct scene *s)
{
	return vmo_decommit(s->vmo, 3 * PG, 27 * PG);
}

static int run_shrink(struct scene *s)
{
	return vmo_set_size(s->vmo, 5 * PG);
}

static int run_shrink_part(struct scene *s)
{
	return vmo_set_size(s->vmo, 5 * PG + 10);
}

static int run_shrink_child(struct scene *s)
{
	return vmo_set_size(s->child, 3 * PG);
}

static int run_grow(struct scene *s)
{
	return vmo_set_size(s->vmo, 1ULL << 50);
}

static int run_stream(struct scene *s)
{
	return vmo_set_stream_size(s->vmo, 5 * PG + 10);
}

static int run_ftruncate(struct scene *s)
{
	return vmo_ret(ftruncate(s->vmo, 5 * PG + 10));
}

static int run_commit_hole(struct scene *s)
{
	return vmo_commit(s->vmo, 7 * PG, PG);
}

static int run_commit_shared(struct scene *s)
{
	return vmo_commit(s->vmo, 20 * PG, PG);
}

static int run_fallocate(struct scene *s)
{
	return vmo_ret(fallocate(s->vmo, 0, 7 * PG, PG));
}

/* The signal, if there is one, shows as an error that nobody expects. */
static int run_fault_read(struct scene *s)
{
	unsigned char byte;

	return vmo_try_read(s->mem + 20 * PG, &byte);
}

static int run_fault_read_hole(struct scene *s)
{
	unsigned char byte;

	return vmo_try_read(s->mem + 7 * PG, &byte);
}

static int run_fault_hole(struct scene *s)
{
	return vmo_try_write(s->mem + 7 * PG + 1, 77);
}

static int run_fault_copy(struct scene *s)
{
	return vmo_try_write(s->mem + 21 * PG + 1, 77);
}

static int run_populate_hole(struct scene *s)
{
	return vmo_ret(madvise(s->mem + 7 * PG, PG, MADV_POPULATE_WRITE));
}

static int run_populate_copy(struct scene *s)
{
	return vmo_ret(madvise(s->mem + 21 * PG, PG, MADV_POPULATE_WRITE));
}

static int run_private_mapping(struct scene *s)
{
	void *mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 s->vmo, 0);

	return mem == MAP_FAILED ? -errno : vmo_ret(munmap(mem, PG));
}

static int run_info(struct scene *s)
{
	struct cowvmo_get_info info;

	return vmo_info(s->vmo, &info, COWVMO_INFO_MEMORY);
}

static int run_lookup(struct scene *s)
{
	struct cowvmo_page_state pages[PAGES];
	int rc = vmo_lookup(s->vmo, COWVMO_LOOKUP_SHARERS, 0, PAGES * PG,
			    pages, PAGES, NULL);

	return rc == PAGES ? 0 : rc;
}

static int run_list(struct scene *s)
{
	char list[4096];
	long rc = file_read(VMO_DEBUGFS "vmos", list, sizeof(list));

	(void)s;
	return rc < 0 ? rc : 0;
}

static int run_restore(struct scene *s)
{
	return vmo_restore(s->vmo, s->child);
}

static int run_restore_keep(struct scene *s)
{
	return vmo_restore_how(s->vmo, COWVMO_RESTORE_KEEP, s->child);
}

/* The source has marks, and maybe pages that somebody holds. */
static int run_restore_child(struct scene *s)
{
	return vmo_restore(s->child, s->vmo);
}

static int run_compare(struct scene *s)
{
	struct cowvmo_range ranges[4];
	int rc = vmo_compare(s->vmo, s->child, 0, PAGES * PG, ranges, 4, NULL);

	return rc < 0 ? rc : 0;
}

/* Within one leaf: more may stop half way. */
static int run_transfer(struct scene *s)
{
	return vmo_transfer(s->vmo, 33 * PG, s->vmo, 0, 3 * PG, NULL);
}

static int run_transfer_leaf(struct scene *s)
{
	return vmo_transfer(s->vmo, 0, s->child, 16 * PG, 16 * PG, NULL);
}

static int run_reflink(struct scene *s)
{
	struct file_clone_range arg = {
		.src_fd = s->child,
		.src_offset = 3 * PG,
		.src_length = 30 * PG,
		.dest_offset = 3 * PG,
	};

	return vmo_ret(ioctl(s->vmo, FICLONERANGE, &arg));
}

static int run_reflink_copy(struct scene *s)
{
	struct file_clone_range arg = {
		.src_fd = s->child,
		.src_offset = 3 * PG,
		.src_length = PG,
		.dest_offset = 9 * PG,
	};

	return vmo_ret(ioctl(s->vmo, FICLONERANGE, &arg));
}

static int run_uncached(struct scene *s)
{
	return vmo_set_cache_policy(s->vmo, COWVMO_CACHE_UNCACHED);
}

static int run_cached(struct scene *s)
{
	return vmo_set_cache_policy(s->vmo, COWVMO_CACHE_CACHED);
}

static int populate(struct scene *s, int advice)
{
	void *mem = vmo_map(s->vmo, 7 * PG, PG, PROT_READ | PROT_WRITE);
	int rc = mem ? vmo_ret(madvise(mem, PG, advice)) : -ENOMEM;

	if (mem)
		munmap(mem, PG);
	return rc;
}

static int run_populate_uncached(struct scene *s)
{
	return populate(s, MADV_POPULATE_WRITE);
}

static int run_read_uncached(struct scene *s)
{
	return populate(s, MADV_POPULATE_READ);
}

static int run_priority(struct scene *s)
{
	return vmo_set_priority(s->child, COWVMO_PRIORITY_HIGH);
}

static int run_close_child(struct scene *s)
{
	int rc = vmo_ret(close(s->child));

	s->child = -1;
	return rc;
}

static int pin(struct scene *s, __u32 flags, __u64 first, __u64 pages)
{
	s->pins[3] = vmo_pin(s->vmo, flags, first * PG, pages * PG);
	return s->pins[3] < 0 ? s->pins[3] : 0;
}

static int run_pin(struct scene *s)
{
	return pin(s, COWVMO_PIN_WRITE, 16, 7);
}

static int run_pin_hole(struct scene *s)
{
	return pin(s, 0, 7, 1);
}

static int run_pin_shared(struct scene *s)
{
	return pin(s, 0, 20, 1);
}

static int run_pin_export(struct scene *s)
{
	s->pins[3] = vmo_pin_export(s->pins[0]);
	return s->pins[3] < 0 ? s->pins[3] : 0;
}

static int run_close_pins(struct scene *s)
{
	int rc = 0;
	int i;

	for (i = 0; i < 3; i++) {
		rc = rc ?: vmo_ret(close(s->pins[i]));
		s->pins[i] = -1;
	}
	return rc;
}

/* --- The scenes */

static const struct play create_plays[] = {
	{ "create", run_create, 0 },
	{ "clone", run_clone, 0 },
	{ "clone_empty", run_clone, EMPTY },
	{ "clone_wide", run_clone, WIDE },
	{ "clone_range", run_clone_range, 0 },
	{ "clone_read_only", run_clone_read_only, 0 },
	{ "clone_of_clone", run_clone_of_clone, SNAPSHOT },
};

static const struct play snapshot_mapped_plays[] = {
	{ "clone_mapped", run_clone, MAPPED | TOUCHED },
	{ "clone_mapped_range", run_clone_range, MAPPED | TOUCHED },
	{ "clone_retouched", run_clone,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED },
	{ "clone_held", run_clone, MAPPED | TOUCHED | HELD },
	{ "clone_held_again", run_clone,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | HELD },
};

static const struct play write_plays[] = {
	{ "write_first", run_write_hole, EMPTY },
	{ "write_hole", run_write_hole, 0 },
	{ "write_hole_shared", run_write_hole, SNAPSHOT },
	{ "write_far", run_write_far, WIDE },
	{ "write_far_empty", run_write_far, WIDE | EMPTY },
	{ "write_far_shared", run_write_far, WIDE | SNAPSHOT },
	{ "write_in_place", run_write_copy, FREE },
	{ "write_copy", run_write_copy, SNAPSHOT },
	{ "write_copy_part", run_write_part, SNAPSHOT },
	{ "write_copy_in_child", run_write_in_child, SNAPSHOT },
	{ "write_past_end", run_write_past_end, 0 },
};

static const struct play zero_plays[] = {
	{ "zero_part", run_zero_part, FREE },
	{ "zero_part_shared", run_zero_part, SNAPSHOT },
	{ "zero_range_shared", run_zero_range, SNAPSHOT },
	{ "zero_range_mapped", run_zero_range,
	  SNAPSHOT | MAPPED | RETOUCHED | FREE },
	{ "zero_whole_shared", run_zero_whole, SNAPSHOT | FREE },
	{ "zero_wide", run_zero_range, WIDE | SNAPSHOT },
	{ "decommit", run_decommit, FREE },
};

static const struct play resize_plays[] = {
	{ "shrink", run_shrink, FREE },
	{ "shrink_shared", run_shrink, SNAPSHOT },
	{ "shrink_part_shared", run_shrink_part, SNAPSHOT },
	{ "shrink_child", run_shrink_child, SNAPSHOT },
	{ "grow", run_grow, SNAPSHOT | FREE },
	{ "stream_shared", run_stream, SNAPSHOT },
	{ "ftruncate_shared", run_ftruncate, SNAPSHOT },
};

static const struct play commit_plays[] = {
	{ "commit_hole", run_commit_hole, 0 },
	{ "commit_shared", run_commit_shared, SNAPSHOT },
	{ "fallocate", run_fallocate, SNAPSHOT },
};

static const struct play pair_plays[] = {
	{ "restore", run_restore, SNAPSHOT | FREE },
	{ "restore_written", run_restore,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | FREE },
	{ "restore_keep", run_restore_keep,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | FREE },
	{ "restore_from_written", run_restore_child,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | FREE },
	{ "restore_from_held", run_restore_child,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | HELD },
	{ "compare", run_compare, SNAPSHOT | MAPPED | RETOUCHED },
	{ "transfer", run_transfer, FREE },
	{ "transfer_shared", run_transfer, SNAPSHOT },
	{ "transfer_held", run_transfer, MAPPED | TOUCHED | HELD },
	{ "transfer_leaf", run_transfer_leaf, SNAPSHOT },
	{ "reflink", run_reflink, SNAPSHOT | MAPPED | RETOUCHED },
	{ "reflink_copy", run_reflink_copy, SNAPSHOT },
};

static const struct play fault_plays[] = {
	{ "fault_read", run_fault_read, USER_FAULT | FREE },
	{ "fault_read_hole", run_fault_read_hole, USER_FAULT | FREE },
	{ "fault_first", run_fault_hole, USER_FAULT | EMPTY },
	{ "fault_hole", run_fault_hole, USER_FAULT },
	{ "fault_copy", run_fault_copy, USER_FAULT | SNAPSHOT },
	{ "fault_copy_again", run_fault_copy,
	  USER_FAULT | SNAPSHOT | MAPPED | TOUCHED },
	{ "populate_hole", run_populate_hole, 0 },
	{ "populate_copy", run_populate_copy, SNAPSHOT },
	{ "populate_copy_again", run_populate_copy,
	  SNAPSHOT | MAPPED | TOUCHED },
	{ "private_mapping", run_private_mapping, 0 },
};

/* Around pinned pages there is more than one range to cut out. */
static const struct play pin_plays[] = {
	{ "pin", run_pin, 0 },
	{ "pin_again", run_pin, PINNED },
	{ "pin_hole", run_pin_hole, 0 },
	{ "pin_hole_empty", run_pin_hole, EMPTY },
	{ "pin_hole_shared", run_pin_hole, SNAPSHOT },
	{ "pin_shared", run_pin_shared, SNAPSHOT },
	{ "pin_shared_touched", run_pin_shared,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED },
	{ "pinned_zero_range", run_zero_range, SNAPSHOT | PINNED },
	{ "pinned_zero_whole", run_zero_whole, SNAPSHOT | PINNED | FREE },
	{ "pinned_stream", run_stream, SNAPSHOT | PINNED },
	{ "pinned_stream_touched", run_stream,
	  SNAPSHOT | PINNED | MAPPED | TOUCHED | RETOUCHED },
	{ "pinned_write", run_write_copy, SNAPSHOT | PINNED },
	{ "pin_export", run_pin_export, SNAPSHOT | PINNED },
	{ "close_pins", run_close_pins, SNAPSHOT | PINNED | FREE | SURE },
};

/* What is not cached cannot be read: content is looked at when it is again. */
static const struct play policy_plays[] = {
	{ "uncached", run_uncached, UNMAPPED | HOOK_ONLY },
	{ "uncached_empty", run_uncached, UNMAPPED | EMPTY | FREE },
	{ "cached_again", run_cached, UNMAPPED | UNCACHED | FREE },
	{ "commit_uncached", run_commit_hole, UNMAPPED | UNCACHED },
	{ "commit_uncached_first", run_commit_hole,
	  UNMAPPED | UNCACHED | EMPTY },
	{ "populate_uncached", run_populate_uncached, UNMAPPED | UNCACHED },
	{ "read_uncached_hole", run_read_uncached, UNMAPPED | UNCACHED },
	{ "shrink_uncached", run_shrink_part, UNMAPPED | UNCACHED | FREE },
	{ "decommit_uncached", run_decommit, UNMAPPED | UNCACHED | FREE },
};

static const struct play other_plays[] = {
	{ "priority", run_priority, SNAPSHOT | FREE | SURE },
	{ "info", run_info, SNAPSHOT },
	{ "lookup", run_lookup, SNAPSHOT },
	{ "list", run_list, SNAPSHOT },
	{ "close_child", run_close_child, SNAPSHOT | FREE | SURE },
	{ "close_written_child", run_close_child,
	  SNAPSHOT | MAPPED | TOUCHED | RETOUCHED | FREE | SURE },
};

TEST_F_TIMEOUT(failing, create, PATIENCE)
{
	sweep(_metadata, variant->way, create_plays,
	      ARRAY_SIZE(create_plays));
}

TEST_F_TIMEOUT(failing, snapshot_mapped, PATIENCE)
{
	sweep(_metadata, variant->way, snapshot_mapped_plays,
	      ARRAY_SIZE(snapshot_mapped_plays));
}

TEST_F_TIMEOUT(failing, write, PATIENCE)
{
	sweep(_metadata, variant->way, write_plays,
	      ARRAY_SIZE(write_plays));
}

TEST_F_TIMEOUT(failing, zero, PATIENCE)
{
	sweep(_metadata, variant->way, zero_plays,
	      ARRAY_SIZE(zero_plays));
}

TEST_F_TIMEOUT(failing, resize, PATIENCE)
{
	sweep(_metadata, variant->way, resize_plays,
	      ARRAY_SIZE(resize_plays));
}

TEST_F_TIMEOUT(failing, commit, PATIENCE)
{
	sweep(_metadata, variant->way, commit_plays,
	      ARRAY_SIZE(commit_plays));
}

TEST_F_TIMEOUT(failing, pair, PATIENCE)
{
	sweep(_metadata, variant->way, pair_plays,
	      ARRAY_SIZE(pair_plays));
}

TEST_F_TIMEOUT(failing, fault, PATIENCE)
{
	sweep(_metadata, variant->way, fault_plays,
	      ARRAY_SIZE(fault_plays));
}

TEST_F_TIMEOUT(failing, pin, PATIENCE)
{
	sweep(_metadata, variant->way, pin_plays,
	      ARRAY_SIZE(pin_plays));
}

TEST_F_TIMEOUT(failing, policy, PATIENCE)
{
	sweep(_metadata, variant->way, policy_plays,
	      ARRAY_SIZE(policy_plays));
}

TEST_F_TIMEOUT(failing, other, PATIENCE)
{
	sweep(_metadata, variant->way, other_plays,
	      ARRAY_SIZE(other_plays));
}

/* --- What may stop part-way says how far it got */

/* Pages before @done are as @run leaves them, the others as they were. */
static int check_partial(const struct scene *s, bool shared, long done,
			 bool written)
{
	unsigned char page[PG];
	unsigned int p;
	int rc;

	for (p = 0; p < PAGES; p++) {
		if (written && p < done / PG) {
			rc = page_read(s->vmo, p, page);
			if (!rc && (page[0] != 0x77 || page[PG - 1] != 0x77))
				rc = -EILSEQ;
		} else {
			rc = page_check(s->vmo, p,
					shared && p % 8 != 7 ? p + 1 : 0);
		}
		if (rc)
			return rc;
	}
	return vmo_private(s->vmo) == (__u64)done ? 0 : -EUCLEAN;
}

/* @shared: over content that has to be copied, else over nothing */
static void partial(struct __test_metadata *_metadata, bool shared,
		    bool written, long (*run)(const struct scene *s))
{
	unsigned int failed = 0;
	int hook = hook_open();
	bool fired = true;
	struct scene s;
	unsigned long n;

	for (n = 1; fired && n < MOST; n++) {
		long done;

		ASSERT_EQ(0, set_up(&s, shared ? SNAPSHOT : EMPTY));
		ASSERT_EQ(0, arm_all(hook, n));
		done = run(&s);
		fired = nothing_left(hook);
		ASSERT_EQ(0, arm_all(hook, 0));
		ASSERT_LE(0, done);
		ASSERT_EQ(0, done % PG);
		ASSERT_TRUE(fired || done == PAGES * PG);
		failed += done < (long)(PAGES * PG);
		ASSERT_EQ(0, check_partial(&s, shared, done, written))
			TH_LOG("n %lu, done %ld", n, done);
		ASSERT_EQ(0, vmo_validate());
		take_down(&s);
	}
	EXPECT_GT(MOST, n);
	EXPECT_LT(0, failed);
	close(hook);
}

static long commit_whole(const struct scene *s)
{
	__u64 done = ~0ULL;
	int rc = vmo_op(s->vmo, COWVMO_OP_COMMIT, 0, PAGES * PG, &done);

	return rc == 0 || rc == -ENOMEM ? (long)done : -EIO;
}

static long write_whole(const struct scene *s)
{
	static unsigned char buf[PAGES * PG];
	long rc;

	memset(buf, 0x77, sizeof(buf));
	rc = vmo_ret(pwrite(s->vmo, buf, sizeof(buf), 0));
	return rc == -ENOMEM ? 0 : rc;
}

TEST(partial_commit)
{
	partial(_metadata, false, false, commit_whole);
}

TEST(partial_commit_of_shared)
{
	partial(_metadata, true, false, commit_whole);
}

TEST(partial_write)
{
	partial(_metadata, false, true, write_whole);
}

TEST(partial_write_of_shared)
{
	partial(_metadata, true, true, write_whole);
}

TEST_HARNESS_MAIN
