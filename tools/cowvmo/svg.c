// SPDX-License-Identifier: GPL-2.0
/* The picture of cowvmo map as a drawing, for a browser or a document. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cowvmo.h"

#define MARGIN	24
#define LABEL	96	/* room for the offsets at the left */
#define HEAD	64
#define ROW	22	/* of the legend */

/**
 * struct sheet - the measures of a drawing
 * @file: where it goes
 * @columns: cells in a row
 * @rows: rows of cells
 * @side: of a cell, with the gap behind it
 */
struct sheet {
	FILE *file;
	unsigned int columns;
	unsigned int rows;
	unsigned int side;
};

static const char *const fills[NR_STATES] = {
	[HOLE] = "#e8ebef",
	[SHARED] = "#5aa9e6",
	[PRIVATE] = "#3fa34d",
	[WRITTEN] = "#f2a516",
	[HELD] = "#d7263d",
	[PINNED] = "#7b2d8b",
};

static const char *const shades[] = {
	"#9ccbf2", "#5aa9e6", "#2176c7", "#0b3c7a",
};

static const char *const shade_meanings[] = {
	"shared by 2", "by 3 or 4", "by 5 to 8", "by more",
};

static unsigned int shade(__u32 sharers)
{
	return sharers > 2 ? (sharers > 4) + (sharers > 8) + 1 : 0;
}

static const char *fill_of(const struct cell *cell)
{
	enum state state = cell_state(cell);

	return state == SHARED && opt.sharers ? shades[shade(cell->sharers)] :
						fills[state];
}

/* Few pages are drawn large, many small; the width is much the same. */
static void measure(struct sheet *sheet, const struct picture *picture)
{
	static const struct {
		unsigned int cells, columns, side;
	} sizes[] = {
		{ 256, 32, 28 }, { 2048, 64, 14 }, { ~0U, 128, 7 },
	};
	unsigned int i = 0;

	while (picture->nr_cells > sizes[i].cells)
		i++;
	sheet->columns = sizes[i].columns;
	sheet->side = sizes[i].side;
	sheet->rows = (picture->nr_cells + sheet->columns - 1) /
		      sheet->columns;
}

static unsigned int legend_top(const struct sheet *sheet)
{
	return HEAD + MARGIN + sheet->rows * sheet->side + 16;
}

static unsigned int legend_rows(const struct picture *picture)
{
	unsigned int rows = opt.sharers;
	int state;

	for (state = HOLE; state < NR_STATES; state++)
		rows += picture->total[state] || state <= PRIVATE;
	return rows;
}

static void draw_head(const struct sheet *sheet, const struct vmo *vmo,
		      const struct picture *picture)
{
	unsigned int width, height;

	width = 2 * MARGIN + LABEL + sheet->columns * sheet->side;
	height = legend_top(sheet) + legend_rows(picture) * ROW + MARGIN;
	fprintf(sheet->file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#24292f\">\n",
		width, height, width, height);
	fprintf(sheet->file,
		"<title>VMO %llu %s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		vmo->id, xml_text(vmo->name));
	fprintf(sheet->file,
		"<text x=\"%u\" y=\"%u\" font-size=\"20\" font-weight=\"bold\">VMO %llu%s%s</text>\n",
		MARGIN, MARGIN + 16, vmo->id, *vmo->name ? ": " : "",
		xml_text(vmo->name));
	fprintf(sheet->file,
		"<text x=\"%u\" y=\"%u\" fill=\"#57606a\">%s, %s, %s populated; ",
		MARGIN, MARGIN + 40, kind_text(vmo->flags),
		size_text(vmo->size),
		size_text((picture->pages - picture->total[HOLE]) *
			  sysconf(_SC_PAGESIZE)));
	if (picture->per_cell == 1)
		fprintf(sheet->file, "a square is a page</text>\n");
	else
		fprintf(sheet->file, "a square is %llu pages, %s</text>\n",
			picture->per_cell,
			size_text(picture->per_cell * sysconf(_SC_PAGESIZE)));
}

/* How strongly it is filled tells how much of the cell has memory. */
static double opacity_of(const struct cell *cell)
{
	double populated = cell_populated(cell);

	return populated ? 0.5 + 0.5 * populated /
				  (populated + cell->pages[HOLE]) : 1;
}

static bool same(const struct cell *a, const struct cell *b)
{
	return fill_of(a) == fill_of(b) && opacity_of(a) == opacity_of(b);
}

/* Squares that look alike: one path draws them. */
static void draw_run(const struct sheet *sheet, const struct picture *picture,
		     unsigned int first, unsigned int nr)
{
	unsigned int side = sheet->side, gap = side > 10 ? 2 : 1;
	const struct cell *cell = &picture->cell[first];
	unsigned int x, y, i;

	x = MARGIN + LABEL + first % sheet->columns * side;
	y = HEAD + MARGIN + first / sheet->columns * side;
	fprintf(sheet->file, "<path fill=\"%s\"", fill_of(cell));
	if (opacity_of(cell) < 1)
		fprintf(sheet->file, " fill-opacity=\"%.2f\"",
			opacity_of(cell));
	fprintf(sheet->file, " d=\"");
	for (i = 0; i < nr; i++)
		fprintf(sheet->file, "M%u %uh%uv%uh-%uz", x + i * side, y,
			side - gap, side - gap, side - gap);
	fprintf(sheet->file, "\"/>\n");
}

static void draw_row(const struct sheet *sheet, const struct picture *picture,
		     unsigned int row)
{
	unsigned int at = row * sheet->columns, end = at + sheet->columns, nr;

	if (end > picture->nr_cells)
		end = picture->nr_cells;
	for (; at < end; at += nr) {
		for (nr = 1; at + nr < end; nr++)
			if (!same(&picture->cell[at], &picture->cell[at + nr]))
				break;
		draw_run(sheet, picture, at, nr);
	}
}

/* Offsets stand where there is room for them. */
static void draw_rows(const struct sheet *sheet, const struct picture *picture)
{
	unsigned int row, each = sheet->side >= 14 ? 1 : 2;
	__u64 bytes = sheet->columns * picture->per_cell *
		      sysconf(_SC_PAGESIZE);

	while (sheet->rows > 32 * each)
		each *= 2;
	for (row = 0; row < sheet->rows; row++) {
		if (row % each == 0)
			fprintf(sheet->file,
				"<text x=\"%u\" y=\"%u\" font-size=\"11\" font-family=\"monospace\" text-anchor=\"end\" fill=\"#57606a\">0x%llx</text>\n",
				MARGIN + LABEL - 10,
				HEAD + MARGIN + row * sheet->side +
				sheet->side / 2 + 4, row * bytes);
		draw_row(sheet, picture, row);
	}
}

static void draw_mark(const struct sheet *sheet, unsigned int x,
		      unsigned int y, const char *fill)
{
	fprintf(sheet->file,
		"<rect x=\"%u\" y=\"%u\" width=\"13\" height=\"13\" rx=\"2\" fill=\"%s\"/>\n",
		x, y, fill);
}

static void draw_text(const struct sheet *sheet, unsigned int x,
		      unsigned int y, const char *text)
{
	fprintf(sheet->file, "<text x=\"%u\" y=\"%u\">%s</text>\n", x, y + 11,
		text);
}

/* Right-aligned */
static void draw_figure(const struct sheet *sheet, unsigned int x,
			unsigned int y, const char *text, const char *unit)
{
	fprintf(sheet->file,
		"<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%s%s</text>\n",
		x, y + 11, text, unit);
}

static void draw_state(const struct sheet *sheet, unsigned int x,
		       unsigned int y, const struct picture *picture,
		       enum state state)
{
	__u64 pages = picture->total[state];
	char number[32];

	snprintf(number, sizeof(number), "%llu", pages);
	draw_mark(sheet, x, y, fills[state]);
	draw_text(sheet, x + 22, y, state_names[state]);
	draw_figure(sheet, x + 220, y, number, pages == 1 ? " page" : " pages");
	draw_figure(sheet, x + 290, y,
		    size_text(pages * sysconf(_SC_PAGESIZE)), "");
	draw_text(sheet, x + 320, y, state_meanings[state]);
}

static void draw_legend(const struct sheet *sheet,
			const struct picture *picture)
{
	unsigned int i, x = MARGIN + LABEL, y = legend_top(sheet);
	int state;

	for (state = HOLE; state < NR_STATES; state++) {
		if (!picture->total[state] && state > PRIVATE)
			continue;
		draw_state(sheet, x, y, picture, state);
		y += ROW;
	}
	for (i = 0; opt.sharers && i < NR(shades); i++) {
		draw_mark(sheet, x + i * 120, y, shades[i]);
		draw_text(sheet, x + i * 120 + 22, y, shade_meanings[i]);
	}
}

/* "-" is the standard output. */
int svg_write(const char *path, const struct vmo *vmo,
	      const struct picture *picture)
{
	struct sheet sheet = {
		.file = strcmp(path, "-") ? fopen(path, "we") : stdout,
	};

	if (!sheet.file)
		return fail("%s: %s", path, strerror(errno));
	measure(&sheet, picture);
	draw_head(&sheet, vmo, picture);
	draw_rows(&sheet, picture);
	draw_legend(&sheet, picture);
	fprintf(sheet.file, "</svg>\n");
	if (fflush(sheet.file) || ferror(sheet.file) ||
	    (sheet.file != stdout && fclose(sheet.file)))
		return fail("%s: %s", path, strerror(errno));
	return 0;
}
