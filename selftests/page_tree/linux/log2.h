/* SPDX-License-Identifier: GPL-2.0 */
/* User-space stand-in for the kernel header of the same name. */
#ifndef SHIM_LINUX_LOG2_H
#define SHIM_LINUX_LOG2_H

/* The smallest b with 1 << b >= n. */
static inline unsigned int order_base_2(unsigned long n)
{
	unsigned int bits = 0;

	while (1UL << bits < n)
		bits++;
	return bits;
}

#endif
