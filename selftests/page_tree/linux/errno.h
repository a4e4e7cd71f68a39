/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's error numbers are user space's too. */
#include_next <linux/errno.h>
