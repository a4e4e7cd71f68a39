// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a cache policy in use: the kernel and the processes cache each page
 * in the same way, whatever happens meanwhile. A test module tells how they map
 * it, and the module's validator looks at the kernel's mapping of every page.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "vmo.h"
#include "kselftest_harness.h"
#include "cache_policy.h"

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
