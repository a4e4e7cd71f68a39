// SPDX-License-Identifier: GPL-2.0
/*
 * cowvmo map: a picture of a VMO's pages. In colour, the height of a cell tells
 * how much of it has memory; without, capital letters say that all has.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cowvmo.h"

/* Most cells of a drawing */
#define SVG_CELLS	(128 * 128)

static const char letters[NR_STATES] = {
	[HOLE] = '.', [SHARED] = 's', [PRIVATE] = 'o', [WRITTEN] = 'w',
	[HELD] = 'h', [PINNED] = 'p',
};

static const char *const colours[NR_STATES] = {
	[HOLE] = DIM, [SHARED] = BLUE, [PRIVATE] = GREEN, [WRITTEN] = YELLOW,
	[HELD] = RED, [PINNED] = "35",
};

/* The more see a page, the darker it is: two, to four, to eight, more. */
static const char *shade(__u32 sharers)
{
	static const char *const shades[] = {
		"38;5;117", "38;5;75", "38;5;33", "38;5;25",
	};

	return shades[sharers > 2 ? (sharers > 4) + (sharers > 8) + 1 : 0];
}

static const char *colour_of(const struct cell *cell)
{
	enum state state = cell_state(cell);

	return state == SHARED && opt.sharers ? shade(cell->sharers) :
						colours[state];
}

/* Changes the colour where it changes; NULL is none. */
static void colour_to(const char *colour)
{
	static const char *now;

	if (colour == now)
		return;
	printf("%s", paint(colour ? colour : PLAIN));
	now = colour;
}

static void print_block(const struct cell *cell, __u64 pages)
{
	static const char *const heights[] = {
		"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
	};
	__u64 populated = cell_populated(cell);
	unsigned int height;

	height = populated * 8 / pages;
	if (populated && !height)
		height = 1;
	colour_to(colour_of(cell));
	printf("%s", heights[height]);
}

static void print_letter(const struct cell *cell)
{
	enum state state = cell_state(cell);
	char letter = letters[state];

	if (state == SHARED && opt.sharers)
		letter = cell->sharers > 9 ? '+' : '0' + cell->sharers;
	else if (state != HOLE && !cell->pages[HOLE])
		letter -= 'a' - 'A';
	colour_to(colour_of(cell));
	putchar(letter);
}

static void print_cell(const struct picture *picture, unsigned int i)
{
	const struct cell *cell = &picture->cell[i];
	__u64 pages = cell_populated(cell) + cell->pages[HOLE];

	if (opt.colour && opt.utf8)
		print_block(cell, pages);
	else
		print_letter(cell);
}

/* Hexadecimal digits of the offsets of a VMO of that size */
static unsigned int digits_of(__u64 size)
{
	unsigned int digits = 1;

	while (digits < 16 && (size - !!size) >> (4 * digits))
		digits++;
	return digits;
}

/* As many as fit, a power of two so that the offsets are round */
static unsigned int columns_for(__u64 size)
{
	unsigned int columns = 16, label = digits_of(size) + 4;

	while (2 * columns + label <= opt.columns)
		columns *= 2;
	return columns;
}

static void print_rows(const struct picture *picture, unsigned int columns,
		       __u64 size)
{
	__u64 row = columns * picture->per_cell * sysconf(_SC_PAGESIZE);
	unsigned int i;

	for (i = 0; i < picture->nr_cells; i++) {
		if (i % columns == 0)
			printf("0x%0*llx  ", digits_of(size),
			       i / columns * row);
		print_cell(picture, i);
		if (i % columns == columns - 1 || i == picture->nr_cells - 1) {
			colour_to(NULL);
			printf("\n");
		}
	}
}

static void print_state(const struct picture *picture, int state)
{
	char letter[2] = { letters[state] };
	const char *glyph = letter;

	if (opt.colour && opt.utf8)
		glyph = state == HOLE ? "·" : "█";
	else if (state != HOLE && picture->per_cell == 1)
		letter[0] -= 'a' - 'A';
	printf("%s%s%s  %-8s %10llu  %6s  %s%s%s\n", paint(colours[state]),
	       glyph, paint(PLAIN), state_names[state], picture->total[state],
	       size_text(picture->total[state] * sysconf(_SC_PAGESIZE)),
	       paint(DIM), state_meanings[state], paint(PLAIN));
}

static void print_shades(void)
{
	static const struct {
		__u32 sharers;
		const char *words;
	} shades[] = {
		{ 2, "2" }, { 4, "to 4" }, { 8, "to 8" }, { 9, "more" },
	};
	unsigned int i;

	for (i = 0; i < NR(shades); i++)
		printf("%s█%s %s  ", paint(shade(shades[i].sharers)),
		       paint(PLAIN), shades[i].words);
	printf("%sVMOs see a shared page%s\n", paint(DIM), paint(PLAIN));
}

static void print_legend(const struct picture *picture)
{
	bool blocks = opt.colour && opt.utf8;
	int state;

	for (state = HOLE; state < NR_STATES; state++)
		if (picture->total[state] || state <= PRIVATE)
			print_state(picture, state);
	if (opt.sharers && blocks)
		print_shades();
	else if (opt.sharers)
		printf("2 to 9, +: how many VMOs see a shared page, the most in a cell\n");
	if (picture->per_cell > 1 && !blocks)
		printf("a capital letter: all pages of the cell have memory\n");
}

static unsigned int rows_of_screen(void)
{
	return opt.lines > 18 ? opt.lines - 10 : 8;
}

static int print_map(const struct vmo *vmo, int fd)
{
	unsigned int columns = columns_for(vmo->size);
	struct picture picture;
	int rc;

	rc = picture_take(&picture, fd, vmo->size, columns * rows_of_screen());
	printf("%sVMO %llu%s \"%s\": %s, %s, %s populated\n", paint(BOLD),
	       vmo->id, paint(PLAIN), name_text(vmo->name),
	       kind_text(vmo->flags), size_text(vmo->size),
	       size_text((picture.pages - picture.total[HOLE]) *
			 sysconf(_SC_PAGESIZE)));
	if (picture.per_cell > 1)
		printf("a cell is %llu pages, %s\n", picture.per_cell,
		       size_text(picture.per_cell * sysconf(_SC_PAGESIZE)));
	printf("\n");
	print_rows(&picture, columns, vmo->size);
	printf("\n");
	print_legend(&picture);
	free(picture.cell);
	return rc;
}

static int draw_map(const struct vmo *vmo, int fd)
{
	struct picture picture;
	int rc;

	rc = picture_take(&picture, fd, vmo->size, SVG_CELLS);
	if (!rc)
		rc = svg_write(opt.svg, vmo, &picture);
	free(picture.cell);
	return rc;
}

int cmd_map(const char *spec)
{
	struct vmos vmos;
	struct vmo *vmo;
	int fd, rc = gather(&vmos);

	if (rc)
		return rc;
	fd = open_vmo(spec, &vmos, &vmo);
	if (fd >= 0) {
		rc = opt.svg ? draw_map(vmo, fd) : print_map(vmo, fd);
		close(fd);
	}
	vmos_free(&vmos);
	return fd < 0 ? -1 : rc;
}
