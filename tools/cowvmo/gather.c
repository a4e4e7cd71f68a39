// SPDX-License-Identifier: GPL-2.0
/*
 * Which VMOs there are: root learns of all from debugfs, with their memory as
 * of one instant per family. Others learn of those that processes have which
 * they may look into, and ask for their memory one by one.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cowvmo.h"

#define LIST	"/sys/kernel/debug/cowvmo/vmos"

static unsigned int place_of(const struct vmos *vmos, __u64 id)
{
	unsigned int low = 0, high = vmos->nr, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (vmos->vmo[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vmo *vmos_find(const struct vmos *vmos, __u64 id)
{
	unsigned int at = place_of(vmos, id);

	return at < vmos->nr && vmos->vmo[at]->id == id ? vmos->vmo[at] : NULL;
}

/* Makes a record if there is none. */
struct vmo *vmos_get(struct vmos *vmos, __u64 id)
{
	unsigned int at = place_of(vmos, id);
	struct vmo *vmo;

	if (at < vmos->nr && vmos->vmo[at]->id == id)
		return vmos->vmo[at];
	vmo = grow(NULL, 0, sizeof(*vmo));
	*vmo = (struct vmo) { .id = id };
	vmos->vmo = grow(vmos->vmo, vmos->nr, sizeof(*vmos->vmo));
	memmove(&vmos->vmo[at + 1], &vmos->vmo[at],
		(vmos->nr - at) * sizeof(*vmos->vmo));
	vmos->vmo[at] = vmo;
	vmos->nr++;
	return vmo;
}

void vmos_free(struct vmos *vmos)
{
	unsigned int i;

	for (i = 0; i < vmos->nr; i++) {
		free(vmos->vmo[i]->user);
		free(vmos->vmo[i]);
	}
	free(vmos->vmo);
	memset(vmos, 0, sizeof(*vmos));
}

/* The kernel writes some bytes of a name as \ooo. */
static void take_name(struct vmo *vmo, const char *text)
{
	char *to = vmo->name, *end = to + sizeof(vmo->name) - 1;
	unsigned int byte;
	int length;

	while (*text && to < end) {
		if (*text == '\\' &&
		    sscanf(text, "\\%3o%n", &byte, &length) == 1) {
			*to++ = byte;
			text += length;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

struct figure {
	const char *key;
	size_t offset;
};

#define FIGURE(_key, _member)	{ _key, offsetof(struct vmo, _member) }

static void take_figure(struct vmo *vmo, const struct figure *figures,
			size_t nr, const char *key, __u64 value)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(figures[i].key, key))
			*(__u64 *)((char *)vmo + figures[i].offset) = value;
	if (!strcmp(key, "flags"))
		vmo->flags = value;
}

/* "ID key=value ... name=the rest of the line" */
static void take_line(struct vmos *vmos, char *line)
{
	static const struct figure figures[] = {
		FIGURE("family", family), FIGURE("parent", parent),
		FIGURE("store", store), FIGURE("children", children),
		FIGURE("size", size), FIGURE("stream", stream),
		FIGURE("populated", populated), FIGURE("private", private),
	};
	struct vmo *vmo = vmos_get(vmos, strtoull(line, &line, 10));
	char *key, *value;

	while ((key = strsep(&line, " "))) {
		value = strchr(key, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(key, "name")) {
			if (line)
				line[-1] = ' ';
			take_name(vmo, value);
			break;
		}
		if (!strcmp(key, "scaled"))
			vmo->scaled += strtoull(value, NULL, 0);
		else if (!strcmp(key, "fraction"))
			vmo->scaled += strtoull(value, NULL, 0) / FRACTIONS;
		else if (!strcmp(key, "owner"))
			vmo->owner = atoi(value);
		else
			take_figure(vmo, figures, NR(figures), key,
				    strtoull(value, NULL, 0));
	}
	vmo->known = true;
	vmo->memory = true;
}

static bool list_read(struct vmos *vmos)
{
	FILE *file = fopen(LIST, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		take_line(vmos, line);
	}
	free(line);
	fclose(file);
	return true;
}

/* What a descriptor of another process tells; 0, or -1 if nothing. */
int fdinfo_read(struct vmo *vmo, pid_t pid, int fd)
{
	static const struct figure figures[] = {
		FIGURE("id", id), FIGURE("family", family),
		FIGURE("parent", parent), FIGURE("store", store),
		FIGURE("children", children), FIGURE("size", size),
		FIGURE("stream-size", stream), FIGURE("populated", populated),
	};
	char path[64], *line = NULL, *value;
	static const char ours[] = "cowvmo-";
	size_t size = 0;
	int rc = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (getline(&line, &size, file) > 0) {
		value = strstr(line, ":\t");
		if (!value || strncmp(line, ours, sizeof(ours) - 1))
			continue;
		*value = '\0';
		value += 2;
		value[strcspn(value, "\n")] = '\0';
		if (!strcmp(line + sizeof(ours) - 1, "name"))
			take_name(vmo, value);
		else
			take_figure(vmo, figures, NR(figures),
				    line + sizeof(ours) - 1,
				    strtoull(value, NULL, 0));
		rc = 0;
	}
	/* That one is the descriptor's. */
	vmo->flags &= ~COWVMO_INFO_READ_ONLY_FD;
	free(line);
	fclose(file);
	return rc;
}

/* The VMO that a pin of another process is of; 0 if that cannot be told */
__u64 pin_read(pid_t pid, int fd)
{
	unsigned long long id = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!id && fgets(line, sizeof(line), file))
		sscanf(line, "cowvmo-pin-vmo: %llu", &id);
	fclose(file);
	return id;
}

/* The memory of one VMO, asked by any descriptor of it that can be had */
static void memory_read(struct vmo *vmo)
{
	unsigned int i;
	int fd;

	for (i = 0; i < vmo->nr_users && !vmo->memory; i++) {
		if (vmo->user[i].fd < 0)
			continue;
		fd = fd_of_process(vmo->user[i].pid, vmo->user[i].fd);
		if (fd < 0)
			continue;
		ask_vmo(vmo, fd);
		close(fd);
	}
}

/* 0, or -1 when there is no module to ask */
int gather(struct vmos *vmos)
{
	unsigned int i;

	memset(vmos, 0, sizeof(*vmos));
	if (access("/sys/module/cowvmo", F_OK))
		return fail("the cowvmo module is not loaded");
	vmos->all = list_read(vmos);
	procs_scan(vmos);
	for (i = 0; i < vmos->nr; i++)
		if (!vmos->vmo[i]->memory)
			memory_read(vmos->vmo[i]);
	return 0;
}
