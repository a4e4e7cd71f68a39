// SPDX-License-Identifier: GPL-2.0
/*
 * Cache policies: when one can be set and when not, and what is refused while
 * one is set. What is not is in cache_use.c.
 */
#include <sys/wait.h>

#include "vmo.h"
#include "kselftest_harness.h"
#include "cache_policy.h"

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

TEST_HARNESS_MAIN
