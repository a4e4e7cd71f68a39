// SPDX-License-Identifier: GPL-2.0
/* The pages of a VMO, and a picture of them: some neighbours are a cell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cowvmo.h"

#define BATCH	1024

const char *const state_names[NR_STATES] = {
	[HOLE] = "hole",
	[SHARED] = "shared",
	[PRIVATE] = "own",
	[WRITTEN] = "written",
	[HELD] = "held",
	[PINNED] = "pinned",
};

const char *const state_meanings[NR_STATES] = {
	[HOLE] = "no memory, reads zero",
	[SHARED] = "relatives see it too",
	[PRIVATE] = "only this VMO sees it",
	[WRITTEN] = "own, and writable in a mapping since the last snapshot",
	[HELD] = "by I/O, a pipe or a debugger",
	[PINNED] = "stays where it is; no snapshot meanwhile",
};

/* Tells @fn of each page that has memory; 0, or -1 having said why not. */
int each_page(int fd, __u64 size, __u32 flags, page_fn fn, void *data)
{
	static struct cowvmo_page_state page[BATCH];
	struct cowvmo_lookup lookup = {
		.size = sizeof(lookup),
		.flags = flags | COWVMO_LOOKUP_POPULATED,
		.length = size,
		.pages = (unsigned long)page,
		.nr_pages = BATCH,
		.entry_size = sizeof(page[0]),
	};
	__u32 i;

	while (lookup.length) {
		if (ioctl(fd, COWVMO_IOC_LOOKUP, &lookup)) {
			/* It was shrunk meanwhile: that is all. */
			if (errno == ERANGE)
				return 0;
			return fail("cannot look at its pages: %s",
				    strerror(errno));
		}
		for (i = 0; i < lookup.out_nr; i++)
			fn(&page[i], data);
		lookup.offset = lookup.out_next;
		lookup.length = size - lookup.offset;
	}
	return 0;
}

/* The state that matters most, of a page that is in several */
enum state state_of(const struct cowvmo_page_state *page)
{
	if (page->flags & COWVMO_PAGE_PINNED)
		return PINNED;
	if (page->flags & COWVMO_PAGE_HELD)
		return HELD;
	if (page->flags & COWVMO_PAGE_WRITABLE)
		return WRITTEN;
	return page->flags & COWVMO_PAGE_PRIVATE ? PRIVATE : SHARED;
}

static void add_page(const struct cowvmo_page_state *page, void *data)
{
	__u64 number = page->offset / sysconf(_SC_PAGESIZE);
	struct picture *picture = data;
	struct cell *cell = &picture->cell[number / picture->per_cell];
	enum state state = state_of(page);

	cell->pages[state]++;
	picture->total[state]++;
	if (page->sharers > cell->sharers)
		cell->sharers = page->sharers;
}

/* Whatever has no memory is a hole. */
static void add_holes(struct picture *picture)
{
	__u64 left = picture->pages, here;
	unsigned int i;

	for (i = 0; i < picture->nr_cells; i++) {
		here = left < picture->per_cell ? left : picture->per_cell;
		left -= here;
		here -= cell_populated(&picture->cell[i]);
		picture->cell[i].pages[HOLE] = here;
		picture->total[HOLE] += here;
	}
}

int picture_take(struct picture *picture, int fd, __u64 size,
		 unsigned int most_cells)
{
	int rc;

	memset(picture, 0, sizeof(*picture));
	picture->pages = size / sysconf(_SC_PAGESIZE);
	picture->per_cell = 1;
	while (picture->pages > most_cells * picture->per_cell)
		picture->per_cell *= 2;
	picture->nr_cells = (picture->pages + picture->per_cell - 1) /
			    picture->per_cell;
	picture->cell = calloc(picture->nr_cells + 1, sizeof(struct cell));
	if (!picture->cell)
		return fail("%s", strerror(ENOMEM));
	rc = each_page(fd, size, opt.sharers ? COWVMO_LOOKUP_SHARERS : 0,
		       add_page, picture);
	add_holes(picture);
	return rc;
}

/* A single page that is held is not to be missed among a thousand others. */
enum state cell_state(const struct cell *cell)
{
	int state;

	for (state = NR_STATES - 1; state > HOLE; state--)
		if (cell->pages[state])
			break;
	return state;
}

__u64 cell_populated(const struct cell *cell)
{
	__u64 pages = 0;
	int state;

	for (state = HOLE + 1; state < NR_STATES; state++)
		pages += cell->pages[state];
	return pages;
}
