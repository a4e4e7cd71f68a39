// SPDX-License-Identifier: GPL-2.0
/* cowvmo ls: a line for each VMO. */
#include "cowvmo.h"

/* Sizes and memory, the same in every table */
void add_figures(struct table *table, const struct vmo *vmo)
{
	table_add(table, "%s", vmo->known ? size_text(vmo->size) : "-");
	table_add(table, "%s", vmo->known ? size_text(vmo->populated) : "-");
	table_add(table, "%s", vmo->memory ? size_text(vmo->private) : "-");
	table_add(table, "%s", vmo->memory ? size_text(vmo->scaled) : "-");
}

static void print_table(const struct vmos *vmos)
{
	static const char *const heads[] = {
		"ID", "<KIND", "SIZE", "POPULATED", "PRIVATE", "SCALED",
		"PARENT", "<USED BY", "<NAME",
	};
	struct table *table = table_new(heads, NR(heads));
	unsigned int i;

	for (i = 0; i < vmos->nr; i++) {
		const struct vmo *vmo = vmos->vmo[i];

		table_add(table, "%llu", vmo->id);
		table_add(table, "%s",
			  vmo->known ? kind_text(vmo->flags) : "?");
		add_figures(table, vmo);
		if (vmo->parent)
			table_add(table, "%llu", vmo->parent);
		else
			table_add(table, "-");
		table_add(table, "%s", users_text(vmo, 4));
		table_add(table, "%s", name_text(vmo->name));
	}
	table_print(table);
}

static void print_users_json(const struct vmo *vmo)
{
	unsigned int i;

	printf("\"used_by\": [");
	for (i = 0; i < vmo->nr_users; i++) {
		printf("%s{\"pid\": %d, ", i ? ", " : "", vmo->user[i].pid);
		if (vmo->user[i].fd == BY_MAPPING)
			printf("\"mapped\": true}");
		else if (vmo->user[i].fd == BY_PIN)
			printf("\"pinned\": true}");
		else
			printf("\"fd\": %d}", vmo->user[i].fd);
	}
	printf("]");
}

/* Without the brackets, so that more can be added */
void print_json(const struct vmo *vmo)
{
	printf("\"id\": %llu, ", vmo->id);
	if (vmo->known)
		printf("\"kind\": \"%s\", \"name\": \"%s\", \"family\": %llu, \"parent\": %llu, \"store\": %llu, \"children\": %llu, \"size\": %llu, \"stream_size\": %llu, \"populated\": %llu, ",
		       kind_text(vmo->flags), json_text(vmo->name),
		       vmo->family, vmo->parent, vmo->store, vmo->children,
		       vmo->size, vmo->stream, vmo->populated);
	if (vmo->memory)
		printf("\"private\": %llu, \"scaled\": %.3f, ", vmo->private,
		       vmo->scaled);
	if (vmo->owner)
		printf("\"owner\": %d, ", vmo->owner);
	printf("\"flags\": [%s%s%s], ", *flags_text(vmo->flags, "") ? "\"" : "",
	       flags_text(vmo->flags, "\", \""),
	       *flags_text(vmo->flags, "") ? "\"" : "");
	print_users_json(vmo);
}

int cmd_ls(const char *spec)
{
	struct vmos vmos;
	unsigned int i;

	(void)spec;
	if (gather(&vmos))
		return -1;
	if (!opt.json) {
		print_table(&vmos);
	} else {
		printf("[");
		for (i = 0; i < vmos.nr; i++) {
			printf("%s{", i ? ",\n " : "");
			print_json(vmos.vmo[i]);
			printf("}");
		}
		printf("]\n");
	}
	vmos_free(&vmos);
	return 0;
}
