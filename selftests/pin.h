/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of pins share: a VMO with a shared mapping, some of it
 * filled, and where its pages are.
 */
#ifndef COWVMO_SELFTEST_PIN_H
#define COWVMO_SELFTEST_PIN_H

#include "maps.h"

#define PAGES	8ULL
#define FILLED	6ULL
#define READ	0
#define WRITE	COWVMO_PIN_WRITE

struct pinned {
	int fd;
	unsigned char *mem;
	long pfn[PAGES];
};

static inline int pinned_setup(struct pinned *p)
{
	p->fd = vmo_filled(PAGES, FILLED, COWVMO_CREATE_RESIZABLE);
	if (p->fd < 0)
		return p->fd;
	p->mem = vmo_map(p->fd, 0, PAGES * PG, RW);
	return p->mem ? 0 : -ENOMEM;
}

static inline int pinned_teardown(struct pinned *p)
{
	int rc = vmo_ret(munmap(p->mem, PAGES * PG));

	if (p->fd >= 0 && close(p->fd))
		rc = -errno;
	return rc ? rc : vmo_validate();
}

/* Notes where the pages of the VMO are; all of them are touched. */
static inline void pages_note(struct pinned *p)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		*(volatile unsigned char *)(p->mem + i * PG);
		p->pfn[i] = pfn_of(p->mem + i * PG);
	}
}

/* How many of pages [@first, @first + @n) are still where they were? */
static inline unsigned int pages_same(struct pinned *p, unsigned int first,
				      unsigned int n)
{
	unsigned int i, same = 0;

	for (i = first; i < first + n; i++) {
		*(volatile unsigned char *)(p->mem + i * PG);
		same += p->pfn[i] > 0 &&
			pfn_of(p->mem + i * PG) == p->pfn[i];
	}
	return same;
}

/* Is any page of the VMO pinned? Then it cannot have a snapshot. */
static inline bool is_pinned(int fd)
{
	int snap = vmo_snapshot(fd);

	close(snap);
	return snap == -EBUSY;
}

#endif /* COWVMO_SELFTEST_PIN_H */
