// SPDX-License-Identifier: GPL-2.0
/*
 * Cache policies: when one can be set and when not, what works meanwhile, and
 * that the kernel and the processes cache each page in the same way: a test
 * module tells how they map it, and the module's validator looks at the
 * kernel's mapping of every page.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "vmo.h"
#include "gup.h"
#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

#define CACHED	COWVMO_CACHE_CACHED
#define PAGES	40
/* What the fixture fills; the rest are holes. */
#define FILLED	20

FIXTURE(policy) {
	struct vmo_stats start;
	int vmo;
};

FIXTURE_VARIANT(policy) {
	__u32 policy;
	int mode;
};

FIXTURE_VARIANT_ADD(policy, uncached) {
	.policy = COWVMO_CACHE_UNCACHED, .mode = GUP_TEST_UC,
};

FIXTURE_VARIANT_ADD(policy, uncached_device) {
	.policy = COWVMO_CACHE_UNCACHED_DEVICE, .mode = GUP_TEST_UC,
};

FIXTURE_VARIANT_ADD(policy, write_combining) {
	.policy = COWVMO_CACHE_WRITE_COMBINING, .mode = GUP_TEST_WC,
};

static int fill(int vmo)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < FILLED; i++)
		rc = pat_fill(vmo, i, i + 1);
	return rc;
}

static int check(int vmo)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < PAGES; i++)
		rc = page_check(vmo, i, i < FILLED ? i + 1 : 0);
	return rc;
}

/* Whether the machine can have it is found out with a VMO of its own. */
static int offers(__u32 policy)
{
	int vmo = vmo_new(PG, 0);
	int rc = vmo_set_cache_policy(vmo, policy);

	close(vmo);
	return rc;
}

FIXTURE_SETUP(policy)
{
	int rc = offers(variant->policy);

	/* A kernel without a page attribute table */
	if (rc == -EOPNOTSUPP && variant->mode == GUP_TEST_WC)
		SKIP(return, "not offered by this kernel");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, gup_load());
	self->start = vmo_stats();
	self->vmo = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, fill(self->vmo));
}

FIXTURE_TEARDOWN(policy)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

#define SET_POLICY()							\
	ASSERT_EQ(0, vmo_set_cache_policy(self->vmo, variant->policy))

/* --- Setting it */

TEST(not_offered)
{
	const __u32 policy = COWVMO_CACHE_WRITE_COMBINING;
	int vmo = vmo_new(PG, 0);

	if (!offers(policy))
		SKIP(return, "this kernel has them all");
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_cache_policy(vmo, policy));
	EXPECT_EQ(CACHED, vmo_cache_policy(vmo));
	EXPECT_EQ(0, zero_check(vmo, 0));
	/* For lack of the policy, not because of how it is used */
	EXPECT_EQ(0, close(vmo_snapshot(vmo)));
	EXPECT_EQ(-EOPNOTSUPP, vmo_set_cache_policy(vmo, policy));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(policy, there_and_back)
{
	EXPECT_EQ(CACHED, vmo_cache_policy(self->vmo));
	SET_POLICY();
	EXPECT_EQ(variant->policy, vmo_cache_policy(self->vmo));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(CACHED, vmo_cache_policy(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, check(self->vmo));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->vmo));
}

TEST_F(policy, from_one_to_another)
{
	__u32 other = COWVMO_CACHE_UNCACHED + COWVMO_CACHE_WRITE_COMBINING -
		      variant->policy;

	if (variant->policy == COWVMO_CACHE_UNCACHED_DEVICE)
		other = COWVMO_CACHE_UNCACHED;
	if (offers(other))
		SKIP(return, "the other one is not offered");
	SET_POLICY();
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, other));
	EXPECT_EQ(other, vmo_cache_policy(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	SET_POLICY();
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, check(self->vmo));
}

TEST_F(policy, bad_values)
{
	static const __u32 bad[] = { 4, 5, 8, 0x80000000, ~0u };
	unsigned int i;

	SET_POLICY();
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, vmo_set_cache_policy(self->vmo, bad[i]));
	EXPECT_EQ(variant->policy, vmo_cache_policy(self->vmo));
}

TEST_F(policy, needs_write)
{
	int fd = vmo_open_read_only(self->vmo);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, vmo_set_cache_policy(fd, variant->policy));
	EXPECT_EQ(-EACCES, vmo_set_cache_policy(fd, CACHED));
	EXPECT_EQ(CACHED, vmo_cache_policy(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(policy, of_an_empty_vmo)
{
	int vmo = vmo_new(0, 0);

	EXPECT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
	EXPECT_EQ(variant->policy, vmo_cache_policy(vmo));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(policy, of_a_sealed_vmo)
{
	unsigned char *mem;

	ASSERT_EQ(0, vmo_seal(self->vmo));
	SET_POLICY();
	mem = vmo_map(self->vmo, 0, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	EXPECT_EQ(0, munmap(mem, PG));
}

/* A VMO that once had a clone: its pages may still be held by one that did. */
TEST_F(policy, after_a_clone)
{
	int child = vmo_snapshot(self->vmo);

	ASSERT_LE(0, child);
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->vmo, variant->policy));
	EXPECT_EQ(0, close(child));
	SET_POLICY();
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, check(self->vmo));
}

/* --- When it cannot be set */

static void expect_busy(struct __test_metadata *_metadata, int fd,
			__u32 policy)
{
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(fd, policy));
	/* What it has it can have. */
	EXPECT_EQ(0, vmo_set_cache_policy(fd, CACHED));
	EXPECT_EQ(CACHED, vmo_cache_policy(fd));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(policy, while_mapped)
{
	void *mem = vmo_map(self->vmo, 0, PG, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, mem);
	expect_busy(_metadata, self->vmo, variant->policy);
	EXPECT_EQ(0, munmap(mem, PG));
	SET_POLICY();
	mem = vmo_map(self->vmo, 0, PG, PROT_READ | PROT_WRITE);
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, variant->policy));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
}

TEST_F(policy, while_mapped_privately)
{
	void *mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->vmo, 0);

	ASSERT_NE(MAP_FAILED, mem);
	expect_busy(_metadata, self->vmo, variant->policy);
	EXPECT_EQ(0, munmap(mem, PG));
	SET_POLICY();
}

TEST_F(policy, while_mapped_through_a_read_only_fd)
{
	int fd = vmo_open_read_only(self->vmo);
	void *mem = vmo_map(fd, 0, PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close(fd));
	expect_busy(_metadata, self->vmo, variant->policy);
	EXPECT_EQ(0, munmap(mem, PG));
	SET_POLICY();
}

/* Even where nothing was touched, and by another process */
TEST_F(policy, while_mapped_elsewhere)
{
	int ready[2], end[2];
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(end));
	pid = fork();
	if (!pid) {
		byte = !vmo_map(self->vmo, 0, PAGES * PG, PROT_READ);
		if (write(ready[1], &byte, 1) != 1 ||
		    read(end[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(0, byte);
	expect_busy(_metadata, self->vmo, variant->policy);
	EXPECT_EQ(1, write(end[1], &byte, 1));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	SET_POLICY();
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
	close(end[1]);
}

TEST_F(policy, with_children)
{
	int vmo = vmo_new(4 * PG, 0);
	int slice = vmo_slice(vmo, 0, PG);
	int ref = vmo_reference(vmo, 0);
	int child = vmo_snapshot(vmo);
	int inner = vmo_slice(slice, 0, PG);

	ASSERT_LE(0, slice);
	ASSERT_LE(0, ref);
	ASSERT_LE(0, child);
	ASSERT_LE(0, inner);
	expect_busy(_metadata, vmo, variant->policy);
	expect_busy(_metadata, slice, variant->policy);
	expect_busy(_metadata, ref, variant->policy);
	expect_busy(_metadata, child, variant->policy);
	expect_busy(_metadata, inner, variant->policy);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(ref));
	/* The inner one keeps it. */
	EXPECT_EQ(0, close(slice));
	expect_busy(_metadata, vmo, variant->policy);
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(policy, of_a_child_alone)
{
	int child = vmo_snapshot(self->vmo);
	int ref = vmo_reference(self->vmo, 0);

	ASSERT_EQ(0, close(self->vmo));
	expect_busy(_metadata, child, variant->policy);
	expect_busy(_metadata, ref, variant->policy);
	EXPECT_EQ(0, close(ref));
	expect_busy(_metadata, child, variant->policy);
	self->vmo = child;
}

TEST_F(policy, while_a_page_is_held)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ);
	int holder = gup_hold(mem + 7 * PG, 0);

	ASSERT_LE(0, holder);
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	expect_busy(_metadata, self->vmo, variant->policy);
	EXPECT_EQ(0, check(self->vmo));
	EXPECT_EQ(0, close(holder));
	SET_POLICY();
	/* And back */
	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ);
	holder = gup_hold(mem + 7 * PG, 0);
	ASSERT_LE(0, holder);
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(variant->policy, vmo_cache_policy(self->vmo));
	EXPECT_EQ(variant->mode, gup_kernel_cache_mode(holder));
	EXPECT_EQ(0, close(holder));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, check(self->vmo));
}

/* --- What is refused meanwhile */

TEST_F(policy, reading_and_writing)
{
	char byte = 1;

	SET_POLICY();
	EXPECT_EQ(-EBUSY, vmo_ret(pread(self->vmo, &byte, 1, 0)));
	EXPECT_EQ(-EBUSY, vmo_ret(pread(self->vmo, &byte, 1, 39 * PG)));
	EXPECT_EQ(-EBUSY, vmo_ret(pwrite(self->vmo, &byte, 1, 0)));
	EXPECT_EQ(-EBUSY, vmo_ret(pwrite(self->vmo, &byte, 1, 39 * PG)));
	EXPECT_EQ(-EBUSY, vmo_ret(pwrite(self->vmo, &byte, 1, PAGES * PG)));
	EXPECT_EQ(0, vmo_ret(pread(self->vmo, &byte, 0, 0)));
	EXPECT_EQ(PAGES * PG, vmo_size(self->vmo));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, check(self->vmo));
}

TEST_F(policy, zeroing)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	__u64 done = ~0ULL;

	SET_POLICY();
	EXPECT_EQ(-EBUSY, vmo_op(self->vmo, COWVMO_OP_ZERO, 0, PG, &done));
	EXPECT_EQ(0, done);
	EXPECT_EQ(-EBUSY, vmo_zero(self->vmo, 1, 1));
	EXPECT_EQ(-EBUSY, vmo_zero(self->vmo, 30 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_ret(fallocate(self->vmo, punch, 0, PG)));
	EXPECT_EQ(-EBUSY, vmo_ret(fallocate(self->vmo, FALLOC_FL_ZERO_RANGE,
					    0, PG)));
	/* What needs no zeroing, and what is wrong anyway */
	EXPECT_EQ(0, vmo_zero(self->vmo, PG, 0));
	EXPECT_EQ(-ERANGE, vmo_zero(self->vmo, 0, (PAGES + 1) * PG));
	EXPECT_EQ(-EBUSY, vmo_set_stream_size(self->vmo, PG));
	EXPECT_EQ(-ERANGE, vmo_set_stream_size(self->vmo, PAGES * PG + 1));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PAGES * PG));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, check(self->vmo));
}

/* A seal is the stronger reason. */
TEST_F(policy, zeroing_what_is_sealed)
{
	char byte = 1;

	SET_POLICY();
	ASSERT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(-EPERM, vmo_zero(self->vmo, 0, PG));
	EXPECT_EQ(-EPERM, vmo_ret(pwrite(self->vmo, &byte, 1, 0)));
	EXPECT_EQ(-EPERM, vmo_set_stream_size(self->vmo, PG));
	EXPECT_EQ(-EBUSY, vmo_ret(pread(self->vmo, &byte, 1, 0)));
}

TEST_F(policy, children)
{
	static const __u32 types[] = {
		COWVMO_CHILD_SNAPSHOT, COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		COWVMO_CHILD_SNAPSHOT_MODIFIED,
	};
	const __u64 far = ~0ULL - PG + 1;
	int vmo = vmo_new(4 * PG, 0);
	unsigned int i;

	ASSERT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-EBUSY, vmo_child_of(vmo, types[i], 0, 0, PG));
		EXPECT_EQ(-EBUSY, vmo_child_of(vmo, types[i], 0, 0, 0));
		/* In the order of the checks */
		EXPECT_EQ(-EINVAL, vmo_child_of(vmo, types[i], 0, 1, PG));
		EXPECT_EQ(-ERANGE,
			  vmo_child_of(vmo, types[i], 0, 0, VMO_MAX + 1));
		EXPECT_EQ(-EBUSY, vmo_child_of(vmo, types[i], 0, far, PG));
	}
	EXPECT_EQ(-EBUSY, vmo_slice(vmo, 0, PG));
	EXPECT_EQ(-EINVAL, vmo_slice(vmo, 0, 5 * PG));
	EXPECT_EQ(-EBUSY, vmo_reference(vmo, 0));
	EXPECT_EQ(-EPERM, vmo_reference(vmo, COWVMO_CREATE_RESIZABLE));
	EXPECT_EQ(0, vmo_children(vmo));
	EXPECT_EQ(0, vmo_set_cache_policy(vmo, CACHED));
	i = vmo_snapshot(vmo);
	EXPECT_LE(0, (int)i);
	EXPECT_EQ(0, close(i));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(policy, private_mapping)
{
	void *mem;

	SET_POLICY();
	mem = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, self->vmo, 0);
	EXPECT_EQ(MAP_FAILED, mem);
	EXPECT_EQ(EBUSY, errno);
	mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->vmo,
		   0);
	EXPECT_EQ(MAP_FAILED, mem);
	EXPECT_EQ(EBUSY, errno);
}

/* --- What works meanwhile */

/* Each page that @mem maps is cached alike by the kernel and here. */
static int check_modes(unsigned char *mem, unsigned int pages, int mode)
{
	unsigned int i;
	int holder, rc;

	for (i = 0; i < pages; i++) {
		holder = gup_hold(mem + i * PG, 0);
		if (holder < 0)
			return holder;
		rc = gup_cache_mode(holder, mem + i * PG);
		close(holder);
		if (rc != mode)
			return rc < 0 ? rc : -EILSEQ;
	}
	return 0;
}

TEST_F(policy, mapping)
{
	unsigned char *mem;
	unsigned int i;

	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	EXPECT_EQ(0, check_modes(mem, PAGES, GUP_TEST_WB));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	SET_POLICY();
	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	for (i = 0; i < FILLED; i++)
		EXPECT_EQ(0, pat_mem_check(mem + i * PG, i + 1));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->vmo));
	/* Reading a hole gives it memory. */
	EXPECT_EQ(0, zero_mem_check(mem + FILLED * PG, PG));
	EXPECT_EQ((FILLED + 1) * PG, vmo_populated(self->vmo));
	/* So does writing. */
	pat_mem_fill(mem + 30 * PG, 100);
	pat_mem_fill(mem, 101);
	EXPECT_EQ((FILLED + 2) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, check_modes(mem, PAGES, variant->mode));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 101));
	EXPECT_EQ(0, pat_check(self->vmo, 30, 100));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 2));
	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	EXPECT_EQ(0, check_modes(mem, PAGES, GUP_TEST_WB));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

/* What the core does to PTEs keeps how they cache. */
TEST_F(policy, mapping_that_changes)
{
	unsigned char *mem, *to;
	int status;
	pid_t pid;

	SET_POLICY();
	mem = vmo_map(self->vmo, 0, 4 * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, check_modes(mem, 4, variant->mode));
	ASSERT_EQ(0, mprotect(mem, 2 * PG, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, check_modes(mem, 4, variant->mode));
	mem[0]++;
	mem[PG]++;
	EXPECT_EQ(0, check_modes(mem, 4, variant->mode));
	to = mmap(NULL, 4 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(to, mremap(mem, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(0, check_modes(to, 1, variant->mode));
	pid = fork();
	if (!pid)
		_exit(!!check_modes(mem + PG, 3, variant->mode));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, munmap(mem + PG, 3 * PG));
	EXPECT_EQ(0, munmap(to, 4 * PG));
}

TEST_F(policy, read_only_mapping)
{
	unsigned char *mem, byte;
	int fd;

	SET_POLICY();
	fd = vmo_open_read_only(self->vmo);
	mem = vmo_map(fd, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	EXPECT_EQ(0, vmo_try_read(mem + 30 * PG, &byte));
	EXPECT_EQ(0, check_modes(mem, PAGES, variant->mode));
	EXPECT_EQ(-1, mprotect(mem, PG, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(0, close(fd));
}

TEST_F(policy, commit_and_decommit)
{
	__u64 done = 0;

	SET_POLICY();
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_COMMIT, 0, PAGES * PG,
			    &done));
	EXPECT_EQ(PAGES * PG, done);
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_decommit(self->vmo, 5 * PG, 30 * PG));
	EXPECT_EQ(10 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->start.pages + 10, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_ret(fallocate(self->vmo, FALLOC_FL_KEEP_SIZE, 10 * PG,
				       PG)));
	EXPECT_EQ(11 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, pat_check(self->vmo, 4, 5));
	EXPECT_EQ(0, zero_check(self->vmo, 10));
	EXPECT_EQ(0, zero_check(self->vmo, 36));
}

TEST_F(policy, resizing)
{
	SET_POLICY();
	EXPECT_EQ(0, vmo_set_size(self->vmo, 10 * PG + 7));
	EXPECT_EQ(11 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_size(self->vmo, 60 * PG));
	EXPECT_EQ(0, vmo_commit(self->vmo, 59 * PG, PG));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, pat_check(self->vmo, 9, 10));
	EXPECT_EQ(pat_word(11, 0) & 0xff, vmo_get_byte(self->vmo, 10 * PG));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, 10 * PG + 7));
	EXPECT_EQ(0, zero_check(self->vmo, 11));
}

TEST_F(policy, what_does_not_touch_content)
{
	SET_POLICY();
	EXPECT_EQ(FILLED * PG, lseek(self->vmo, 0, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, vmo_ret(lseek(self->vmo, FILLED * PG, SEEK_DATA)));
	EXPECT_EQ(0, vmo_set_name(self->vmo, "device"));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, COWVMO_PRIORITY_HIGH));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(FILLED * PG, vmo_private(self->vmo));
}

/* A page that its VMO frees is CACHED from then on, whoever has it. */
TEST_F(policy, freed_pages)
{
	unsigned char *mem;
	int holder[3], i;

	SET_POLICY();
	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	holder[0] = gup_hold(mem, 0);
	holder[1] = gup_hold(mem + 12 * PG, GUP_TEST_WRITE);
	holder[2] = gup_hold(mem + 30 * PG, GUP_TEST_WRITE);
	for (i = 0; i < 3; i++) {
		ASSERT_LE(0, holder[i]);
		EXPECT_EQ(variant->mode, gup_kernel_cache_mode(holder[i]));
	}
	EXPECT_EQ(0, vmo_decommit(self->vmo, 0, PG));
	EXPECT_EQ(GUP_TEST_WB, gup_kernel_cache_mode(holder[0]));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 20 * PG));
	EXPECT_EQ(GUP_TEST_WB, gup_kernel_cache_mode(holder[2]));
	EXPECT_EQ(variant->mode, gup_kernel_cache_mode(holder[1]));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(GUP_TEST_WB, gup_kernel_cache_mode(holder[1]));
	EXPECT_EQ(pat_word(13, 0) & 0xff, gup_read(holder[1], 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, close(holder[i]));
	self->vmo = vmo_new(PG, 0);
}

/* What a pin maps has the policy, and keeps it while it is pinned. */
TEST_F(policy, mapping_of_a_pin)
{
	unsigned char *mem;
	int pin, holder;

	SET_POLICY();
	pin = vmo_pin(self->vmo, COWVMO_PIN_WRITE, 0, 4 * PG);
	ASSERT_LE(0, pin);
	mem = vmo_map(pin, 0, 4 * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	mem[PG] = 1;
	holder = gup_hold(mem + PG, 0);
	ASSERT_LE(0, holder);
	EXPECT_EQ(variant->mode, gup_cache_mode(holder, mem + PG));
	EXPECT_EQ(0, close(holder));
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, munmap(mem, 4 * PG));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
}

/*
 * A VMO that once had a clone copies a page that is held before it is written.
 * The copy has the policy too, and so, to the end, has what the holder has.
 */
TEST_F(policy, copy_of_a_held_page)
{
	unsigned char *mem;
	int holder, child = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, close(child));
	SET_POLICY();
	mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, mem);
	holder = gup_hold(mem + 3 * PG, 0);
	ASSERT_LE(0, holder);
	pat_mem_fill(mem + 3 * PG, 99);
	EXPECT_EQ(pat_word(4, 0) & 0xff, gup_read(holder, 0));
	EXPECT_EQ(0, check_modes(mem, PAGES, variant->mode));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(GUP_TEST_WB, gup_kernel_cache_mode(holder));
	EXPECT_EQ(0, close(holder));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, CACHED));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 99));
}

/* What one VMO gave back another can have, again and again. */
TEST_F_TIMEOUT(policy, memory_comes_back, PATIENCE)
{
	int i, vmo;

	for (i = 0; i < 50; i++) {
		vmo = vmo_new(64 * PG, 0);
		ASSERT_EQ(0, vmo_commit(vmo, 0, (i % 2) * 64 * PG));
		ASSERT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
		ASSERT_EQ(0, vmo_commit(vmo, 0, 64 * PG));
		ASSERT_EQ(0, close(vmo));
		ASSERT_EQ(self->start.pages + FILLED, vmo_stat("pages"));
	}
}

TEST_F_TIMEOUT(policy, large, PATIENCE)
{
	const __u64 size = 8192 * PG;
	int vmo = vmo_new(size, 0);

	ASSERT_EQ(0, vmo_commit(vmo, 0, size));
	ASSERT_EQ(0, pat_fill(vmo, 8000, 5));
	EXPECT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(vmo, CACHED));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, pat_check(vmo, 8000, 5));
	EXPECT_EQ(0, close(vmo));
}

/* --- Races */

struct race {
	int vmo;
	__u32 policy;
	atomic_int stop;
	atomic_int bad;
};

/* Maps, touches, unmaps; what the kernel installs must agree. */
static void *race_map(void *arg)
{
	struct race *race = arg;
	unsigned char *mem;
	int holder, mode;

	while (!race->stop) {
		mem = mmap(NULL, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED,
			   race->vmo, 0);
		if (mem == MAP_FAILED) {
			race->bad |= errno != EBUSY;
			continue;
		}
		/* An access may meet the change: SIGBUS, here EFAULT */
		holder = gup_hold(mem + PG, GUP_TEST_WRITE);
		if (holder >= 0) {
			mode = gup_cache_mode(holder, mem + PG);
			race->bad |= mode < 0 || mode == GUP_TEST_OTHER;
			close(holder);
		} else {
			race->bad |= holder != -EFAULT;
		}
		munmap(mem, 4 * PG);
		/* Now and then nobody maps it. */
		usleep(100);
	}
	return NULL;
}

static void *race_range(void *arg)
{
	struct race *race = arg;
	int rc;

	while (!race->stop) {
		rc = vmo_commit(race->vmo, 0, PAGES * PG);
		race->bad |= rc && rc != -EBUSY;
		rc = vmo_decommit(race->vmo, 2 * PG, 30 * PG);
		race->bad |= rc && rc != -EBUSY && rc != -EOPNOTSUPP;
		rc = pat_fill(race->vmo, 5, 1);
		race->bad |= rc && rc != -EBUSY;
		rc = vmo_snapshot(race->vmo);
		race->bad |= rc < 0 && rc != -EBUSY;
		if (rc >= 0)
			close(rc);
	}
	return NULL;
}

static void race(struct __test_metadata *_metadata, int vmo, __u32 policy,
		 void *(*fn)(void *arg))
{
	struct race race = { .vmo = vmo, .policy = policy };
	unsigned int i, there = 0, back = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, fn, &race));
	/* On a busy machine it may take long to meet no mapping at all. */
	for (i = 0; there < 50 || back < 50; i++) {
		int rc;

		if (i >= 3000 && there && back)
			break;
		rc = vmo_set_cache_policy(vmo, policy);
		ASSERT_TRUE(!rc || rc == -EBUSY);
		there += !rc;
		if (i % 50 == 0)
			EXPECT_EQ(0, vmo_validate());
		rc = vmo_set_cache_policy(vmo, CACHED);
		ASSERT_TRUE(!rc || rc == -EBUSY);
		back += !rc;
		if (rc)
			usleep(50);
	}
	race.stop = 1;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, race.bad);
	EXPECT_EQ(0, vmo_validate());
}

TEST_F_TIMEOUT(policy, race_with_mappings, PATIENCE)
{
	race(_metadata, self->vmo, variant->policy, race_map);
}

TEST_F_TIMEOUT(policy, race_with_ranges, PATIENCE)
{
	race(_metadata, self->vmo, variant->policy, race_range);
}

/* Killed while its pages change: as if nothing had happened. */
TEST_F_TIMEOUT(policy, killed, PATIENCE)
{
	const __u64 pages = 4096;
	int vmo = vmo_new(pages * PG, 0);
	unsigned int i;

	ASSERT_EQ(0, vmo_commit(vmo, 0, pages * PG));
	for (i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (;;) {
				vmo_set_cache_policy(vmo, variant->policy);
				vmo_set_cache_policy(vmo, CACHED);
			}
		}
		usleep(1000 + 3000 * i);
		EXPECT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(pid, waitpid(pid, NULL, 0));
		ASSERT_EQ(0, vmo_validate());
		ASSERT_EQ(0, vmo_set_cache_policy(vmo, variant->policy));
		ASSERT_EQ(0, vmo_set_cache_policy(vmo, CACHED));
	}
	EXPECT_EQ(pages * PG, vmo_populated(vmo));
	EXPECT_EQ(0, close(vmo));
}

TEST_HARNESS_MAIN
