// SPDX-License-Identifier: GPL-2.0
/* cowvmo stat: everything about one VMO. */
#include <stdlib.h>
#include <unistd.h>

#include "cowvmo.h"

/**
 * struct census - the pages of a VMO, counted
 * @state: by state
 * @mapped: those that are mapped
 * @by: how many pages so many VMOs see
 * @nr: length of @by
 */
struct census {
	__u64 state[NR_STATES];
	__u64 mapped;
	struct {
		__u32 sharers;
		__u64 pages;
	} *by;
	unsigned int nr;
};

static void count_page(const struct cowvmo_page_state *page, void *data)
{
	struct census *census = data;
	unsigned int i;

	census->state[state_of(page)]++;
	census->mapped += !!(page->flags & COWVMO_PAGE_MAPPED);
	for (i = 0; i < census->nr; i++)
		if (census->by[i].sharers == page->sharers)
			break;
	if (i == census->nr) {
		census->by = grow(census->by, census->nr++,
				  sizeof(*census->by));
		census->by[i].sharers = page->sharers;
		census->by[i].pages = 0;
	}
	census->by[i].pages++;
}

static int by_sharers(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static int take_census(struct census *census, const struct vmo *vmo, int fd)
{
	int rc = each_page(fd, vmo->size, COWVMO_LOOKUP_SHARERS, count_page,
			   census);

	if (census->nr)
		qsort(census->by, census->nr, sizeof(*census->by), by_sharers);
	return rc;
}

static void print_size(const char *what, double bytes)
{
	if (opt.bytes || bytes < 1024)
		printf("  %-12s %.0f bytes\n", what, bytes);
	else
		printf("  %-12s %s (%.0f bytes)\n", what, size_text(bytes),
		       bytes);
}

/* Descriptors of one process side by side */
static void print_users(const struct vmo *vmo)
{
	pid_t last = 0;
	unsigned int i;

	for (i = 0; i < vmo->nr_users; i++) {
		const struct user *user = &vmo->user[i];

		if (user->pid != last)
			printf("%s  %-12s %d (%s):", i ? "\n" : "",
			       i ? "" : "used by", user->pid,
			       process_name(user->pid));
		printf(" %s", user->fd == BY_MAPPING ? "mapped" :
			      user->fd == BY_PIN ? "pinned" : user_text(user));
		last = user->pid;
	}
	if (vmo->nr_users)
		printf("\n");
}

static void print_relations(const struct vmo *vmo)
{
	const char *flags = flags_text(vmo->flags, ", ");

	printf("%sVMO %llu%s \"%s\"\n", paint(BOLD), vmo->id, paint(PLAIN),
	       name_text(vmo->name));
	printf("  %-12s %s%s%s\n", "kind", kind_text(vmo->flags),
	       *flags ? ", " : "", flags);
	printf("  %-12s %llu\n", "family", vmo->family);
	if (vmo->parent)
		printf("  %-12s %llu\n", "parent", vmo->parent);
	if (vmo->store && vmo->store != vmo->id)
		printf("  %-12s %llu\n", "shows", vmo->store);
	printf("  %-12s %llu\n", "children", vmo->children);
	if (vmo->owner)
		printf("  %-12s %d (%s)\n", "made by", vmo->owner,
		       process_name(vmo->owner));
	print_users(vmo);
}

static void print_pages(const struct vmo *vmo, const struct census *census)
{
	__u64 page = sysconf(_SC_PAGESIZE);
	unsigned int i;
	int state;

	printf("  %-12s %llu, of which\n", "pages", vmo->size / page);
	for (i = 0; i < census->nr; i++) {
		printf("  %12s %llu ", "", census->by[i].pages);
		if (census->by[i].sharers == 1)
			printf("its own\n");
		else
			printf("seen by %u VMOs\n", census->by[i].sharers);
	}
	for (state = WRITTEN; state < NR_STATES; state++)
		if (census->state[state])
			printf("  %12s %llu %s: %s\n", "",
			       census->state[state], state_names[state],
			       state_meanings[state]);
	if (census->mapped)
		printf("  %12s %llu mapped\n", "", census->mapped);
}

static void print_stat(const struct vmo *vmo, const struct census *census)
{
	print_relations(vmo);
	print_size("size", vmo->size);
	if (vmo->stream != vmo->size)
		print_size("stream size", vmo->stream);
	print_size("populated", vmo->populated);
	print_size("private", vmo->private);
	print_size("scaled", vmo->scaled);
	print_size("metadata", vmo->metadata);
	print_pages(vmo, census);
}

static void print_stat_json(const struct vmo *vmo, const struct census *census)
{
	unsigned int i;

	printf("{");
	print_json(vmo);
	printf(", \"metadata\": %llu, \"pages\": {\"written\": %llu, \"held\": %llu, \"pinned\": %llu, \"mapped\": %llu, \"seen_by\": {",
	       vmo->metadata, census->state[WRITTEN], census->state[HELD],
	       census->state[PINNED], census->mapped);
	for (i = 0; i < census->nr; i++)
		printf("%s\"%u\": %llu", i ? ", " : "", census->by[i].sharers,
		       census->by[i].pages);
	printf("}}}\n");
}

int cmd_stat(const char *spec)
{
	struct census census = { 0 };
	struct vmos vmos;
	struct vmo *vmo;
	int fd, rc = gather(&vmos);

	if (rc)
		return rc;
	fd = open_vmo(spec, &vmos, &vmo);
	rc = fd < 0 ? -1 : take_census(&census, vmo, fd);
	if (!rc && opt.json)
		print_stat_json(vmo, &census);
	else if (!rc)
		print_stat(vmo, &census);
	if (fd >= 0)
		close(fd);
	free(census.by);
	vmos_free(&vmos);
	return rc;
}
