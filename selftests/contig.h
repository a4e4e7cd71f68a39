/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of contiguous VMOs share: one of some pages with content, and
 * where its pages are.
 */
#ifndef COWVMO_SELFTEST_CONTIG_H
#define COWVMO_SELFTEST_CONTIG_H

#include "maps.h"

/* Whether what is decommitted is lent: 0 or -errno */
static inline int loan_allow(bool allow)
{
	return file_write("/sys/module/cowvmo/parameters/loan",
			  allow ? "1" : "0");
}

/* The page frame behind page @page of a VMO; 0: a hole; or -errno. For root. */
static inline long frame_of(int fd, __u64 page)
{
	struct cowvmo_page_state state;
	int rc = vmo_lookup(fd, 0, page * PG, PG, &state, 1, NULL);

	if (rc != 1)
		return rc < 0 ? rc : -EIO;
	return state.kind == COWVMO_KIND_PAGE ? (long)state.pfn : 0;
}

/* How many pages of [@first, @first + @n) are where they belong? */
static inline __u64 in_place(int fd, long base, __u64 first, __u64 n)
{
	static struct cowvmo_page_state states[4096];
	__u64 at = first * PG, end = (first + n) * PG, same = 0;
	int i, got;

	while (at < end) {
		got = vmo_lookup(fd, 0, at, end - at, states,
				 ARRAY_SIZE(states), &at);
		if (got <= 0)
			return 0;
		for (i = 0; i < got; i++)
			same += states[i].kind == COWVMO_KIND_PAGE &&
				states[i].flags & COWVMO_PAGE_PRIVATE &&
				states[i].pfn == base + states[i].offset / PG;
	}
	return same;
}

/* Is every byte of the VMO zero? 0 or -errno */
static inline int all_zero(int fd, __u64 pages)
{
	static unsigned char buf[256 * PG];
	__u64 at, n;
	int rc = 0;

	for (at = 0; !rc && at < pages; at += n) {
		n = pages - at < 256 ? pages - at : 256;
		if (pread(fd, buf, n * PG, at * PG) != (long)(n * PG))
			return -EIO;
		rc = zero_mem_check(buf, n * PG);
	}
	return rc;
}

/* A contiguous VMO whose page i has seed FILL + i; the fd or -errno */
static inline int contig_filled(__u64 pages)
{
	int fd = vmo_contiguous(pages * PG, 0);
	int rc = 0;
	__u64 i;

	for (i = 0; fd >= 0 && !rc && i < pages; i++)
		rc = pat_fill(fd, i, FILL + i);
	return rc ? rc : fd;
}

#endif /* COWVMO_SELFTEST_CONTIG_H */
