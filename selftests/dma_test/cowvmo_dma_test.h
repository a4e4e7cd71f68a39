/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that imports dma-bufs, for tests only. Each open file has one at
 * a time, until it is closed.
 */
#ifndef COWVMO_DMA_TEST_H
#define COWVMO_DMA_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMA_TEST_DEVICE	"/dev/cowvmo_dma_test"

/* What the device will do with the memory */
#define DMA_TEST_READ		(1 << 0)
#define DMA_TEST_WRITE		(1 << 1)

/*
 * Takes the dma-buf behind @fd, attaches to it and maps it. @max_segment is
 * what the device can take in one piece.
 */
struct dma_test_import {
	__s32 fd;
	__u32 flags;
	__u32 max_segment;
	__u32 out_entries;
	__aligned_u64 out_bytes;
	/* Bytes of the largest entry */
	__aligned_u64 out_largest;
};

/* One byte of the buffer, where the device is told that it is */
struct dma_test_byte {
	__aligned_u64 offset;
	__u8 byte;
	__u8 pad[7];
};

/*
 * One byte of the buffer in the kernel's memory, where it is mapped as one
 * piece for the time of the call; @store: it is written
 */
struct dma_test_kernel {
	__aligned_u64 offset;
	__u8 byte;
	__u8 store;
	/* The mapping could be written to, and is cached as all others are */
	__u8 out_writable;
	__u8 out_agrees;
	__u8 pad[4];
};

#define DMA_TEST_IMPORT	_IOWR('G', 0x78, struct dma_test_import)
#define DMA_TEST_LOAD	_IOWR('G', 0x79, struct dma_test_byte)
#define DMA_TEST_STORE	_IOW('G', 0x7a, struct dma_test_byte)
#define DMA_TEST_DROP	_IO('G', 0x7b)
#define DMA_TEST_KERNEL	_IOWR('G', 0x7c, struct dma_test_kernel)

#endif /* COWVMO_DMA_TEST_H */
