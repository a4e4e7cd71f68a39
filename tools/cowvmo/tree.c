// SPDX-License-Identifier: GPL-2.0
/*
 * cowvmo tree: who descends from whom, and how much of what each sees is its
 * own. A bar shows that: private, shared, and the rest of the size.
 */
#include <stdlib.h>
#include <string.h>

#include "cowvmo.h"

#define BAR	16U

/* VMOs by family, parent and age: children stand side by side. */
static int by_parent(const void *a, const void *b)
{
	const struct vmo *x = *(struct vmo * const *)a;
	const struct vmo *y = *(struct vmo * const *)b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/**
 * struct forest - the VMOs in the order in which they are drawn
 * @vmos: all of them
 * @vmo: by family and parent
 * @table: what is drawn
 */
struct forest {
	const struct vmos *vmos;
	struct vmo **vmo;
	struct table *table;
};

/* The first whose parent is @parent, or where it would be */
static unsigned int first_child(const struct forest *forest, __u64 family,
				__u64 parent)
{
	unsigned int low = 0, high = forest->vmos->nr, middle;
	const struct vmo *vmo;

	while (low < high) {
		middle = (low + high) / 2;
		vmo = forest->vmo[middle];
		if (vmo->family < family ||
		    (vmo->family == family && vmo->parent < parent))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_child(const struct forest *forest, unsigned int at,
		     const struct vmo *parent)
{
	return at < forest->vmos->nr &&
	       forest->vmo[at]->family == parent->family &&
	       forest->vmo[at]->parent == parent->id;
}

/* A root, or one whose parent is not among those that can be seen */
static bool is_root(const struct forest *forest, const struct vmo *vmo)
{
	return !vmo->parent || !vmos_find(forest->vmos, vmo->parent);
}

/* How many of the bar's cells @part of @whole is: at least one, if any. */
static unsigned int cells(double part, double whole, unsigned int bar)
{
	unsigned int n;

	if (!part || !whole)
		return 0;
	n = part / whole * bar + 0.5;
	return n < 1 ? 1 : n > bar ? bar : n;
}

static char *stretch(char *to, const char *colour, const char *glyph,
		     unsigned int n)
{
	*to = '\0';
	if (!n)
		return to;
	to = stpcpy(to, paint(colour));
	for (; n; n--)
		to = stpcpy(to, glyph);
	return stpcpy(to, paint(PLAIN));
}

static const char *bar_text(const struct vmo *vmo)
{
	static char text[BAR * 4 + 64];
	unsigned int all, own;
	char *to = text;

	all = cells(vmo->populated, vmo->size, BAR);
	own = cells(vmo->private, vmo->populated, all);
	if (own == all && all > 1 && vmo->private < vmo->populated)
		own--;
	to = stretch(to, GREEN, opt.utf8 ? "█" : "#", own);
	to = stretch(to, BLUE, opt.utf8 ? "▒" : "=", all - own);
	stretch(to, DIM, opt.utf8 ? "·" : ".", BAR - all);
	return text;
}

/* What of it is whose, or whose it is as a whole */
static void add_bar(struct table *table, const struct vmo *vmo)
{
	if (!vmo->known)
		table_add(table, "%s", "");
	else if (vmo->store != vmo->id && !vmo->populated)
		table_add(table, "shows %llu", vmo->store);
	else if (vmo->memory)
		table_add(table, "%s", bar_text(vmo));
	else
		table_add(table, "%s", "");
}

static void add_row(struct forest *forest, const struct vmo *vmo,
		    const char *lines)
{
	const char *kind = vmo->known ? kind_text(vmo->flags) : "?";

	if (vmo->parent && is_root(forest, vmo))
		table_add(forest->table, "%llu %s of %llu", vmo->id, kind,
			  vmo->parent);
	else
		table_add(forest->table, "%s%llu %s", lines, vmo->id, kind);
	add_figures(forest->table, vmo);
	add_bar(forest->table, vmo);
	table_add(forest->table, "%s", users_text(vmo, 3));
	table_add(forest->table, "%s", name_text(vmo->name));
}

static unsigned int skip_to_child(const struct forest *forest,
				  const struct vmo *vmo)
{
	return first_child(forest, vmo->family, vmo->id);
}

/**
 * struct branch - a VMO whose children are being drawn
 * @vmo: the VMO
 * @next: its next child
 * @length: of the lines before its own name
 */
struct branch {
	const struct vmo *vmo;
	unsigned int next;
	size_t length;
};

/* Chains of snapshots may be of any length: no recursion. */
static void draw_below(struct forest *forest, const struct vmo *root)
{
	const char *glyph[4] = { "├─ ", "└─ ", "│  ", "   " };
	const char *ascii[4] = { "|- ", "`- ", "|  ", "   " };
	const char *const *line = opt.utf8 ? glyph : ascii;
	struct branch *stack = NULL, *top;
	char *lines = NULL;
	size_t depth = 0;

	stack = grow(stack, 0, sizeof(*stack));
	stack[depth++] = (struct branch) {
		root, skip_to_child(forest, root), 0
	};
	while (depth) {
		const struct vmo *vmo;
		size_t length;
		bool last;

		top = &stack[depth - 1];
		if (!is_child(forest, top->next, top->vmo)) {
			depth--;
			continue;
		}
		vmo = forest->vmo[top->next++];
		last = !is_child(forest, top->next, top->vmo);
		lines = realloc(lines, top->length + 16);
		stpcpy(lines + top->length, line[last]);
		add_row(forest, vmo, lines);
		length = stpcpy(lines + top->length, line[2 + last]) - lines;
		stack = grow(stack, depth, sizeof(*stack));
		stack[depth++] = (struct branch) {
			vmo, skip_to_child(forest, vmo), length
		};
	}
	free(stack);
	free(lines);
}

/* "family 3: 4 VMOs, 20K of memory" */
static void add_family(struct forest *forest, unsigned int from,
		       unsigned int to)
{
	bool memory = true;
	double sum = 0;
	char text[128];
	unsigned int i;

	for (i = from; i < to; i++) {
		memory = memory && forest->vmo[i]->memory;
		sum += forest->vmo[i]->scaled;
	}
	snprintf(text, sizeof(text), "%sfamily %llu%s: %u VMO%s%s%s%s",
		 paint(BOLD), forest->vmo[from]->family, paint(PLAIN),
		 to - from, to - from == 1 ? "" : "s",
		 forest->vmos->all ? "" : " that you may look at",
		 memory ? ", memory " : "", memory ? size_text(sum) : "");
	table_line(forest->table, text);
}

static void draw_family(struct forest *forest, unsigned int from,
			unsigned int to)
{
	unsigned int i;

	if (!forest->vmo[from]->family)
		table_line(forest->table, "without a descriptor");
	else
		add_family(forest, from, to);
	for (i = from; i < to; i++) {
		if (!is_root(forest, forest->vmo[i]))
			continue;
		add_row(forest, forest->vmo[i], "");
		if (forest->vmo[i]->known)
			draw_below(forest, forest->vmo[i]);
	}
}

/* Those of one family, or of all with 0 */
static void draw(struct forest *forest, __u64 only)
{
	unsigned int from, to;

	for (from = 0; from < forest->vmos->nr; from = to) {
		__u64 family = forest->vmo[from]->family;

		for (to = from; to < forest->vmos->nr; to++)
			if (forest->vmo[to]->family != family)
				break;
		if (!only || family == only)
			draw_family(forest, from, to);
	}
}

static int draw_tree(const struct vmos *vmos, __u64 only)
{
	const char *const heads[] = {
		"<VMO", "SIZE", "POPULATED", "PRIVATE", "SCALED",
		opt.utf8 ? "<█ own  ▒ shared" : "<# own  = shared",
		"<USED BY", "<NAME",
	};
	struct forest forest = {
		.vmos = vmos,
		.table = table_new(heads, NR(heads)),
	};

	forest.vmo = malloc(vmos->nr * sizeof(*forest.vmo) + 1);
	memcpy(forest.vmo, vmos->vmo, vmos->nr * sizeof(*forest.vmo));
	qsort(forest.vmo, vmos->nr, sizeof(*forest.vmo), by_parent);
	draw(&forest, only);
	table_print(forest.table);
	free(forest.vmo);
	return 0;
}

int cmd_tree(const char *spec)
{
	struct vmo *vmo = NULL;
	struct vmos vmos;
	int rc = gather(&vmos);

	if (rc)
		return rc;
	if (spec)
		vmo = find_vmo(spec, &vmos);
	rc = spec && !vmo ? -1 : draw_tree(&vmos, vmo ? vmo->family : 0);
	vmos_free(&vmos);
	return rc;
}
