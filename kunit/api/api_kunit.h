/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites of the in-kernel interface share: a VMO, of which some pages
 * are filled, and ways to look at what is in pages.
 */
#ifndef API_KUNIT_H
#define API_KUNIT_H

#include <kunit/test.h>
#include <linux/cowvmo_kernel.h>
#include <linux/mm.h>

#define PAGES	8U
#define FILLED	6U
#define SIZE	((u64)PAGES * PAGE_SIZE)

/* The VMO of a case */
struct cowvmo_handle *api_vmo(struct kunit *test);

/* A resizable VMO of PAGES pages with FILLED filled ones, or an ERR_PTR */
struct cowvmo_handle *api_filled(void);

/* What page number @page was filled with; never 0 */
static inline u8 api_pattern(unsigned int page)
{
	return 0x41 + page;
}

/* The byte at an offset, as a negative errno if it cannot be read */
int api_byte(struct cowvmo_handle *vmo, u64 offset);

/* First byte of a page of memory */
u8 api_peek(struct page *page);
void api_poke(struct page *page, u8 byte);

/* The page at an offset, which is not held any more; NULL if it is a hole */
struct page *api_page(struct kunit *test, struct cowvmo_handle *vmo,
		      u64 offset);

/* A pin that must be possible */
struct cow_pin *api_pin(struct kunit *test, struct cowvmo_handle *vmo,
			u64 offset, u64 length, u32 flags);

int api_init(struct kunit *test);
void api_exit(struct kunit *test);

extern struct kunit_suite api_content_suite;
extern struct kunit_suite api_pins_suite;
extern struct kunit_suite api_policy_suite;
extern struct kunit_suite api_contig_suite;

#endif /* API_KUNIT_H */
