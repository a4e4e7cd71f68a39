// SPDX-License-Identifier: GPL-2.0
/*
 * Tables: as wide as their widest cell. A head that begins with "<" is that of
 * a column of words, which stand at the left.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cowvmo.h"

struct table {
	const char *const *heads;
	unsigned int columns;
	char **cell;
	size_t nr;
};

struct table *table_new(const char *const *heads, unsigned int columns)
{
	struct table *table = grow(NULL, 0, sizeof(*table));

	*table = (struct table) { .heads = heads, .columns = columns };
	return table;
}

/* The next cell, row after row */
void table_add(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		exit(1);
	va_end(args);
	table->cell = grow(table->cell, table->nr, sizeof(*table->cell));
	table->cell[table->nr++] = text;
}

/* A line across the table, between two rows */
void table_line(struct table *table, const char *text)
{
	unsigned int c;

	table_add(table, "\n%s", text);
	for (c = 1; c < table->columns; c++)
		table_add(table, "%s", "");
}

/*
 * Columns on the screen. What continues a character takes none, nor do escape
 * sequences for colours, nor a line across the table.
 */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text && *text != '\n'; text++) {
		if (*text == '\033')
			text = strchr(text, 'm');
		else
			width += (*text & 0xc0) != 0x80;
	}
	return *text ? 0 : width;
}

static const char *head_of(const struct table *table, unsigned int column)
{
	const char *head = table->heads[column];

	return head + (*head == '<');
}

static void print_cell(FILE *line, const struct table *table,
		       unsigned int column, const char *text, size_t width)
{
	int pad = width - width_of(text);

	if (column)
		fprintf(line, "  ");
	if (*table->heads[column] == '<')
		fprintf(line, "%s%*s", text, pad, "");
	else
		fprintf(line, "%*s%s", pad, "", text);
}

/* A row, without the spaces at its end */
static void print_row(const struct table *table, char **cell,
		      const size_t *width)
{
	char *text = NULL;
	size_t size = 0;
	FILE *line = open_memstream(&text, &size);
	unsigned int c;

	for (c = 0; c < table->columns; c++)
		print_cell(line, table, c, cell ? cell[c] : head_of(table, c),
			   width[c]);
	fclose(line);
	while (size && text[size - 1] == ' ')
		size--;
	printf("%s%.*s%s\n", cell ? "" : paint(BOLD), (int)size, text,
	       cell ? "" : paint(PLAIN));
	free(text);
}

/* Prints it, and is done with it. */
void table_print(struct table *table)
{
	size_t i, width[16] = { 0 };
	unsigned int c;

	for (c = 0; c < table->columns; c++)
		width[c] = width_of(head_of(table, c));
	for (i = 0; i < table->nr; i++) {
		size_t w = width_of(table->cell[i]);

		c = i % table->columns;
		width[c] = w > width[c] ? w : width[c];
	}
	print_row(table, NULL, width);
	for (i = 0; i < table->nr; i += table->columns) {
		if (*table->cell[i] == '\n')
			printf("%s\n", table->cell[i] + 1);
		else
			print_row(table, &table->cell[i], width);
	}
	for (i = 0; i < table->nr; i++)
		free(table->cell[i]);
	free(table->cell);
	free(table);
}
