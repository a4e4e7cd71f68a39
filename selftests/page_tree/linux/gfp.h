/* SPDX-License-Identifier: GPL-2.0 */
/* User-space stand-in for the kernel header of the same name. */
#ifndef SHIM_LINUX_GFP_H
#define SHIM_LINUX_GFP_H

#include <linux/types.h>

#define __GFP_ACCOUNT	1u
#define __GFP_NOWARN	2u
#define GFP_NOWAIT	4u
#define GFP_KERNEL	8u

#endif
