/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test module that works with VMOs through cowvmo's interface for modules,
 * as a program sees it. Functions return 0, a value, or a negative errno.
 */
#ifndef COWVMO_SELFTEST_API_H
#define COWVMO_SELFTEST_API_H

#include "maps.h"

#include <sys/syscall.h>

#include "api_test/cowvmo_api_test.h"

/* Where the guest puts it */
#define API_MODULE	"/bin/cowvmo_api_test.ko"

/* It keeps cowvmo from being unloaded, so whoever loads it unloads it too. */
static inline int api_load(void)
{
	int rc, fd = open(API_MODULE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rc = vmo_ret(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return rc;
}

static inline int api_unload(void)
{
	return vmo_ret(syscall(SYS_delete_module, "cowvmo_api_test",
			       O_NONBLOCK));
}

static inline int api_open(void)
{
	return vmo_ret(open(API_TEST_DEVICE, O_RDWR | O_CLOEXEC));
}

static inline int api_take(int dev, int fd, bool write)
{
	struct api_test_take arg = { .fd = fd, .write = write };

	return vmo_ret(ioctl(dev, API_TEST_TAKE, &arg));
}

static inline int api_make(int dev, __u64 size)
{
	struct api_test_take arg = { .fd = -1, .size = size };

	return vmo_ret(ioctl(dev, API_TEST_TAKE, &arg));
}

/* In one piece, the first byte at a multiple of 2^@align_log2 */
static inline int api_make_contiguous(int dev, __u64 size, __u32 align_log2)
{
	struct api_test_take arg = {
		.fd = -2, .size = size, .write = align_log2,
	};

	return vmo_ret(ioctl(dev, API_TEST_TAKE, &arg));
}

static inline int api_range(int dev, unsigned long cmd, __u64 offset,
			    __u64 length, __u32 flags)
{
	struct api_test_range arg = {
		.offset = offset, .length = length, .flags = flags,
	};

	return vmo_ret(ioctl(dev, cmd, &arg));
}

static inline int api_pin(int dev, __u32 flags, __u64 offset, __u64 length)
{
	return api_range(dev, API_TEST_PIN, offset, length, flags);
}

static inline int api_op(int dev, __u32 op, __u64 offset, __u64 length)
{
	return api_range(dev, API_TEST_OP, offset, length, op);
}

static inline int api_look(int dev, __u64 offset)
{
	return api_range(dev, API_TEST_LOOK, offset, 0, 0);
}

/* What takes nothing */
static inline int api_do(int dev, unsigned long cmd)
{
	return vmo_ret(ioctl(dev, cmd));
}

static inline int api_read(int dev, __u32 where, __u64 offset)
{
	struct api_test_byte at = { .offset = offset, .where = where };
	int rc = vmo_ret(ioctl(dev, API_TEST_LOAD, &at));

	return rc ? rc : at.byte;
}

static inline int api_store(int dev, __u32 where, __u64 offset,
			    unsigned char byte)
{
	struct api_test_byte at = {
		.offset = offset, .where = where, .byte = byte,
	};

	return vmo_ret(ioctl(dev, API_TEST_STORE, &at));
}

#endif /* COWVMO_SELFTEST_API_H */
