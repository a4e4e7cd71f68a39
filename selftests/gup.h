/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test module that holds pages, as a program sees it. Functions return 0,
 * a value, or a negative errno.
 */
#ifndef COWVMO_SELFTEST_GUP_H
#define COWVMO_SELFTEST_GUP_H

#include "maps.h"

#include <sys/syscall.h>
#include <sys/utsname.h>

#include "gup_test/cowvmo_gup_test.h"

/* Where the guest puts it */
#define GUP_MODULE	"/bin/cowvmo_gup_test.ko"

static inline bool kernel_at_least(unsigned int major, unsigned int minor)
{
	unsigned int x = 0, y = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &x, &y) != 2)
		return false;
	return x > major || (x == major && y >= minor);
}

/* Loads the module if it is not yet there. */
static inline int gup_load(void)
{
	int rc, fd;

	if (!access(GUP_TEST_DEVICE, R_OK))
		return 0;
	fd = open(GUP_MODULE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = vmo_ret(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return rc;
}

/* Holds the page at @at; the fd that does, or -errno */
static inline int gup_hold(const void *at, __u32 flags)
{
	struct gup_test_hold hold = {
		.address = (uintptr_t)at,
		.flags = flags,
	};
	int fd = open(GUP_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = vmo_ret(ioctl(fd, GUP_TEST_HOLD, &hold));
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static inline int gup_store(int fd, unsigned int offset, unsigned char byte)
{
	struct gup_test_byte at = { .offset = offset, .byte = byte };

	return vmo_ret(ioctl(fd, GUP_TEST_STORE, &at));
}

static inline int gup_read(int fd, unsigned int offset)
{
	struct gup_test_byte at = { .offset = offset };
	int rc = vmo_ret(ioctl(fd, GUP_TEST_LOAD, &at));

	return rc ? rc : at.byte;
}

/*
 * The cache mode of the held page as the kernel maps it and as the PTE at @at
 * does, if these are one and the same; else GUP_TEST_OTHER, or -errno
 */
static inline int gup_cache_mode(int fd, const void *at)
{
	struct gup_test_cache cache = { .address = (uintptr_t)at };
	int rc = vmo_ret(ioctl(fd, GUP_TEST_CACHE, &cache));

	if (rc)
		return rc;
	return cache.user == cache.kernel ? cache.user : GUP_TEST_OTHER;
}

/* As the kernel maps it */
static inline int gup_kernel_cache_mode(int fd)
{
	struct gup_test_cache cache = { 0 };
	int rc = vmo_ret(ioctl(fd, GUP_TEST_CACHE, &cache));

	return rc ? rc : (int)cache.kernel;
}

/* The page is let go; the fd remains. */
static inline int gup_drop(int fd)
{
	return vmo_ret(ioctl(fd, GUP_TEST_DROP));
}

#endif /* COWVMO_SELFTEST_GUP_H */
