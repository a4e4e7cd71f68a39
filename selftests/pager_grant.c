// SPDX-License-Identifier: GPL-2.0
/*
 * Who may make the kernel wait for a pager, and what the kernel does where it
 * must not: every way to reach an absent page that is no fault of user mode.
 */
#include "pager.h"
#include "access.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	16ULL
#define SIZE	(PAGES * PG)
#define GRANT	COWVMO_PAGER_KERNEL_FAULTS

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static int get_populate(unsigned char *at)
{
	return vmo_ret(madvise(at, PG, MADV_POPULATE_READ)) ?: *at;
}

FIXTURE(kernel_faults) {
	int pager, vmo;
	unsigned char *mem;
};

/* What to access it with, and what that says where it cannot. */
FIXTURE_VARIANT(kernel_faults) {
	int (*get)(unsigned char *at);
	int error;
	bool never;	/* the kernel has no way to let it wait */
};

FIXTURE_VARIANT_ADD(kernel_faults, write_from_it) {
	.get = get_write, .error = -EFAULT,
};

FIXTURE_VARIANT_ADD(kernel_faults, process_vm) {
	.get = get_process_vm, .error = -EFAULT,
};

FIXTURE_VARIANT_ADD(kernel_faults, proc_mem) {
	.get = get_proc_mem, .error = -EIO, .never = true,
};

FIXTURE_VARIANT_ADD(kernel_faults, ptrace) {
	.get = get_ptrace, .error = -EIO, .never = true,
};

FIXTURE_VARIANT_ADD(kernel_faults, direct_io) {
	.get = get_direct, .error = -EFAULT,
};

FIXTURE_VARIANT_ADD(kernel_faults, vmsplice) {
	.get = get_vmsplice, .error = -EFAULT,
};

FIXTURE_VARIANT_ADD(kernel_faults, populate) {
	.get = get_populate, .error = -EFAULT,
};

FIXTURE_SETUP(kernel_faults)
{
	self->pager = -1;
}

FIXTURE_TEARDOWN(kernel_faults)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
}

static void begin(struct __test_metadata *_metadata,
		  FIXTURE_DATA(kernel_faults) * self, __u32 flags)
{
	self->pager = pager_new(flags);
	ASSERT_LE(0, self->pager);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

/* It fails at once, and nobody is asked. What is present can be had. */
TEST_F(kernel_faults, do_not_wait)
{
	int got;

	begin(_metadata, self, 0);
	got = variant->get(self->mem);
	EXPECT_EQ(variant->error, got);
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, 1));
	EXPECT_EQ(0, variant->get(self->mem));
}

struct accessor {
	int (*get)(unsigned char *at);
	unsigned char *mem;
	int got;
	pthread_t thread;
};

static void *accessor_main(void *data)
{
	struct accessor *accessor = data;

	accessor->got = accessor->get(accessor->mem);
	return NULL;
}

TEST_F(kernel_faults, wait_with_the_grant)
{
	struct accessor accessor = { .get = variant->get };
	char page[PG];

	begin(_metadata, self, GRANT);
	if (variant->never) {
		EXPECT_EQ(variant->error, variant->get(self->mem));
		EXPECT_TRUE(pager_is_quiet(self->pager));
		return;
	}
	accessor.mem = self->mem;
	memset(page, 42, sizeof(page));
	ASSERT_EQ(0, pthread_create(&accessor.thread, NULL, accessor_main,
				    &accessor));
	EXPECT_STREQ("READ 5 0+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_copy(self->pager, self->vmo, 0, 1, page));
	EXPECT_EQ(0, pthread_join(accessor.thread, NULL));
	EXPECT_EQ(42, accessor.got);
}

TEST_F(kernel_faults, fail_with_the_pager)
{
	struct accessor accessor = { .get = variant->get };

	begin(_metadata, self, GRANT);
	if (variant->never) {
		EXPECT_EQ(variant->error, variant->get(self->mem));
		EXPECT_TRUE(pager_is_quiet(self->pager));
		return;
	}
	accessor.mem = self->mem;
	ASSERT_EQ(0, pthread_create(&accessor.thread, NULL, accessor_main,
				    &accessor));
	EXPECT_STREQ("READ 5 0+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_detach(self->pager, self->vmo));
	EXPECT_EQ(0, pthread_join(accessor.thread, NULL));
	EXPECT_EQ(variant->error, accessor.got);
}

/* --- Who gets the grant */

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capset, &header, data);
}

/* 0: refused as it should be; else which step was not */
static int unprivileged(void)
{
	int dev = vmo_device(), special, pager;

	special = open("/dev/cowvmo-pager", O_RDWR | O_CLOEXEC);
	if (dev < 0 || special < 0)
		return 1;
	drop_capabilities();
	if (pager_create(dev, GRANT, 0) != -EPERM)
		return 2;
	pager = pager_create(dev, 0, 0);
	if (pager < 0)
		return 3;
	close(pager);
	/* Whose descriptor it is decides, as for userfaultfd. */
	pager = pager_create(special, GRANT, 0);
	if (pager < 0)
		return 4;
	close(pager);
	return 0;
}

TEST(by_device_or_capability)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(unprivileged());
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* 0: the parameter decides */
static int by_parameter(void)
{
	static const char path[] = "/sys/module/cowvmo/parameters/kernel_faults";
	int dev = vmo_device(), fd = open(path, O_RDWR), pager;

	if (fd < 0 || write(fd, "Y", 1) != 1)
		return 1;
	drop_capabilities();
	pager = pager_create(dev, GRANT, 0);
	if (pager < 0)
		return 2;
	close(pager);
	if (pwrite(fd, "N", 1, 0) != 1)
		return 3;
	return pager_create(dev, GRANT, 0) == -EPERM ? 0 : 4;
}

TEST(by_parameter_of_the_module)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(by_parameter());
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST(the_device_is_not_for_everybody)
{
	struct stat stat_of;

	ASSERT_EQ(0, stat("/dev/cowvmo-pager", &stat_of));
	EXPECT_EQ(0600, stat_of.st_mode & 07777);
}

TEST_HARNESS_MAIN
