/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module that works with VMOs through what cowvmo offers to others, for tests
 * only. Each open file has one VMO, one pin of it and one page at a time, until
 * it is closed.
 */
#ifndef COWVMO_API_TEST_H
#define COWVMO_API_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define API_TEST_DEVICE	"/dev/cowvmo_api_test"

/*
 * The VMO behind @fd; or, if that is -1, a new one of @size bytes; or, if it is
 * -2, a contiguous one, aligned by 2^@write
 */
struct api_test_take {
	__s32 fd;
	__u32 write;
	__aligned_u64 size;
};

struct api_test_range {
	__aligned_u64 offset;
	__aligned_u64 length;
	/* Of COWVMO_PIN_*, or of enum cowvmo_range_op */
	__u32 flags;
	__u32 pad;
};

/* Where a byte is read and written */
#define API_TEST_VMO	0	/* cowvmo_read(), cowvmo_write() */
#define API_TEST_PINNED	1	/* in pages of the pin, counted from its begin */
#define API_TEST_PAGE	2	/* in the page that was looked up */

struct api_test_byte {
	__aligned_u64 offset;
	__u32 where;
	__u8 byte;
	__u8 pad[3];
};

#define API_TEST_TAKE	_IOW('G', 0x80, struct api_test_take)
#define API_TEST_PUT	_IO('G', 0x81)
/* A new descriptor of it */
#define API_TEST_FD	_IO('G', 0x82)
/* A snapshot of it, by a new descriptor */
#define API_TEST_CLONE	_IOW('G', 0x83, struct api_test_range)
#define API_TEST_OP	_IOW('G', 0x84, struct api_test_range)
#define API_TEST_PIN	_IOW('G', 0x85, struct api_test_range)
#define API_TEST_UNPIN	_IO('G', 0x86)
/* 1: there is a page at that offset, which is held now; 0: there is none */
#define API_TEST_LOOK	_IOW('G', 0x87, struct api_test_range)
#define API_TEST_LEAVE	_IO('G', 0x88)
#define API_TEST_LOAD	_IOWR('G', 0x89, struct api_test_byte)
#define API_TEST_STORE	_IOW('G', 0x8a, struct api_test_byte)
/* -EUCLEAN: the scatterlist of the pin has not the pages of the pin */
#define API_TEST_TABLE	_IO('G', 0x8b)
/* How many pieces the scatterlist of the pin has, if they may be of any length */
#define API_TEST_PIECES	_IO('G', 0x8c)

#endif /* COWVMO_API_TEST_H */
