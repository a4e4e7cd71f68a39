/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that holds pages of user memory as drivers do, for tests only.
 * Each open file holds one page at a time, until it is closed.
 */
#ifndef COWVMO_GUP_TEST_H
#define COWVMO_GUP_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GUP_TEST_DEVICE	"/dev/cowvmo_gup_test"

/* How a page is held */
#define GUP_TEST_WRITE		(1 << 0)
/* pin_user_pages(), not get_user_pages() */
#define GUP_TEST_PIN		(1 << 1)
#define GUP_TEST_LONGTERM	(1 << 2)

struct gup_test_hold {
	__aligned_u64 address;
	__u32 flags;
	__u32 pad;
};

/* One byte of the held page, whoever maps it by now */
struct gup_test_byte {
	__u32 offset;
	__u8 byte;
	__u8 pad[3];
};

/* How x86 caches what a PTE maps */
#define GUP_TEST_WB		0
#define GUP_TEST_UC		1
#define GUP_TEST_WC		2
#define GUP_TEST_OTHER		3

/*
 * Cache modes: of the held page as the kernel maps it, and of the caller's own
 * PTE at @address; GUP_TEST_OTHER where there is none
 */
struct gup_test_cache {
	__aligned_u64 address;
	__u32 kernel;
	__u32 user;
};

#define GUP_TEST_HOLD	_IOW('G', 0x70, struct gup_test_hold)
#define GUP_TEST_LOAD	_IOWR('G', 0x71, struct gup_test_byte)
#define GUP_TEST_STORE	_IOW('G', 0x72, struct gup_test_byte)
#define GUP_TEST_DROP	_IO('G', 0x73)
#define GUP_TEST_CACHE	_IOWR('G', 0x74, struct gup_test_cache)

#endif /* COWVMO_GUP_TEST_H */
