/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Importers of dma-bufs, as a program sees them: the test module, and vgem, a
 * driver without a device that Debian has. Functions return 0, a value, or
 * a negative errno.
 */
#ifndef COWVMO_SELFTEST_DMA_H
#define COWVMO_SELFTEST_DMA_H

#include "maps.h"

#include <sys/syscall.h>

#include "dma_test/cowvmo_dma_test.h"

/* Where the guest puts them */
#define DMA_MODULE	"/bin/cowvmo_dma_test.ko"
#define VGEM_MODULES	"/mod/vgem.order"
#define VGEM_DEVICE	"/dev/dri/card0"

#define ANY_SEGMENT	0x80000000U

static inline int module_load(const char *path)
{
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rc = vmo_ret(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return rc;
}

/* Loads the test module if it is not yet there. */
static inline int dma_load(void)
{
	return access(DMA_TEST_DEVICE, R_OK) ? module_load(DMA_MODULE) : 0;
}

/* Imports @buf into @device. */
static inline int dma_import_into(int device, int buf, __u32 flags,
				  __u32 max_segment,
				  struct dma_test_import *got)
{
	*got = (struct dma_test_import) {
		.fd = buf, .flags = flags, .max_segment = max_segment,
	};
	return vmo_ret(ioctl(device, DMA_TEST_IMPORT, got));
}

/* The fd of a device that has imported @buf, or -errno */
static inline int dma_import(int buf, __u32 flags)
{
	int rc, fd = open(DMA_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	struct dma_test_import got;

	if (fd < 0)
		return -errno;
	rc = dma_import_into(fd, buf, flags, ANY_SEGMENT, &got);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static inline int dma_read(int fd, __u64 offset)
{
	struct dma_test_byte at = { .offset = offset };
	int rc = vmo_ret(ioctl(fd, DMA_TEST_LOAD, &at));

	return rc ? rc : at.byte;
}

static inline int dma_store(int fd, __u64 offset, unsigned char byte)
{
	struct dma_test_byte at = { .offset = offset, .byte = byte };

	return vmo_ret(ioctl(fd, DMA_TEST_STORE, &at));
}

/*
 * The byte as the kernel sees it in one piece, after it was written if @store.
 * -EUCLEAN: it is cached in another way there; -EROFS: it cannot be written.
 */
static inline int dma_kernel(int fd, __u64 offset, bool store,
			     unsigned char byte)
{
	struct dma_test_kernel at = {
		.offset = offset, .store = store, .byte = byte,
	};
	int rc = vmo_ret(ioctl(fd, DMA_TEST_KERNEL, &at));

	if (rc)
		return rc;
	if (!at.out_agrees)
		return -EUCLEAN;
	return store && !at.out_writable ? -EROFS : at.byte;
}

/* Unmapped, detached, and let go; the fd remains. */
static inline int dma_drop(int fd)
{
	return vmo_ret(ioctl(fd, DMA_TEST_DROP));
}

/* Does the device find what pages [@first, @first + @n) were filled with? */
static inline int dma_check(int fd, __u64 first, __u64 n)
{
	__u64 buf[PG / sizeof(__u64)], i;
	unsigned int at;
	int byte;

	for (i = 0; i < n; i++) {
		pat_mem_fill(buf, FILL + first + i);
		for (at = 0; at < PG; at += at < 64 ? 1 : 509) {
			byte = dma_read(fd, i * PG + at);
			if (byte < 0)
				return byte;
			if (byte != ((unsigned char *)buf)[at])
				return -EILSEQ;
		}
	}
	return 0;
}

/* --- vgem: what of its interface is used here; no header of it is installed */

struct prime_handle {
	__u32 handle;
	__u32 flags;
	__s32 fd;
};

struct gem_close {
	__u32 handle;
	__u32 pad;
};

#define PRIME_HANDLE_TO_FD	_IOWR('d', 0x2d, struct prime_handle)
#define PRIME_FD_TO_HANDLE	_IOWR('d', 0x2e, struct prime_handle)
#define GEM_CLOSE		_IOW('d', 0x09, struct gem_close)

/* Loads it and what it needs: 0, or -ENOENT where there is none. */
static inline int vgem_load(void)
{
	char path[128] = "/mod/";
	FILE *list;
	int rc = 0;

	if (!access(VGEM_DEVICE, R_OK))
		return 0;
	list = fopen(VGEM_MODULES, "re");
	if (!list)
		return -errno;
	while (!rc && fgets(path + 5, sizeof(path) - 5, list)) {
		path[strcspn(path, "\n")] = '\0';
		rc = module_load(path);
		if (rc == -EEXIST)
			rc = 0;
	}
	fclose(list);
	return rc;
}

/* An fd of it, or -ENOENT where there is none */
static inline int vgem_open(void)
{
	int rc = vgem_load();

	return rc ? rc : vmo_ret(open(VGEM_DEVICE, O_RDWR | O_CLOEXEC));
}

/* The handle, which is never 0, or -errno */
static inline int vgem_import(int vgem, int buf)
{
	struct prime_handle arg = { .fd = buf };
	int rc = vmo_ret(ioctl(vgem, PRIME_FD_TO_HANDLE, &arg));

	return rc ? rc : (int)arg.handle;
}

/* A dma-buf of the object, or -errno */
static inline int vgem_export(int vgem, int handle)
{
	struct prime_handle arg = {
		.handle = handle, .flags = O_CLOEXEC | O_RDWR,
	};
	int rc = vmo_ret(ioctl(vgem, PRIME_HANDLE_TO_FD, &arg));

	return rc ? rc : arg.fd;
}

static inline int vgem_close(int vgem, int handle)
{
	struct gem_close arg = { .handle = handle };

	return vmo_ret(ioctl(vgem, GEM_CLOSE, &arg));
}

#endif /* COWVMO_SELFTEST_DMA_H */
