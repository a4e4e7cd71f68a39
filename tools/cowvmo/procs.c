// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a VMO: the descriptors and mappings of all processes that may be
 * looked into. /proc shows both as cowvmo:[ID]; a pin tells its VMO in fdinfo.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cowvmo.h"

static const char prefix[] = "cowvmo:[";
static const char pin[] = "anon_inode:[cowvmo-pin]";

static __u64 id_of(const char *name)
{
	return strncmp(name, prefix, sizeof(prefix) - 1) ? 0 :
	       strtoull(name + sizeof(prefix) - 1, NULL, 10);
}

static void add_user(struct vmo *vmo, pid_t pid, int fd)
{
	vmo->user = grow(vmo->user, vmo->nr_users, sizeof(*vmo->user));
	vmo->user[vmo->nr_users++] = (struct user) { .pid = pid, .fd = fd };
}

/* Of a process with a descriptor of it, mappings tell nothing more. */
static bool has_user(const struct vmo *vmo, pid_t pid)
{
	return vmo->nr_users && vmo->user[vmo->nr_users - 1].pid == pid;
}

static void add_fd(struct vmos *vmos, pid_t pid, int fd, __u64 id)
{
	struct vmo *vmo = vmos_get(vmos, id);

	add_user(vmo, pid, fd);
	if (!vmo->known)
		vmo->known = !fdinfo_read(vmo, pid, fd);
}

/* A pin keeps a VMO, too, and from being snapshotted: it is told of once. */
static void add_pin(struct vmos *vmos, pid_t pid, int fd)
{
	__u64 id = pin_read(pid, fd);
	struct vmo *vmo;
	unsigned int i;

	if (!id)
		return;
	vmo = vmos_get(vmos, id);
	for (i = 0; i < vmo->nr_users; i++)
		if (vmo->user[i].pid == pid && vmo->user[i].fd == BY_PIN)
			return;
	add_user(vmo, pid, BY_PIN);
}

static void scan_fds(struct vmos *vmos, pid_t pid)
{
	char path[64], link[64];
	struct dirent *entry;
	ssize_t length;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		length = readlinkat(dirfd(dir), entry->d_name, link,
				    sizeof(link) - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		fd = atoi(entry->d_name);
		if (id_of(link))
			add_fd(vmos, pid, fd, id_of(link));
		else if (!strcmp(link, pin))
			add_pin(vmos, pid, fd);
	}
	closedir(dir);
}

static void scan_maps(struct vmos *vmos, pid_t pid)
{
	char path[64], *line = NULL, *name;
	size_t size = 0;
	struct vmo *vmo;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (getline(&line, &size, file) > 0) {
		name = strstr(line, prefix);
		if (!name || name[-1] != ' ')
			continue;
		vmo = vmos_get(vmos, id_of(name));
		if (!has_user(vmo, pid))
			add_user(vmo, pid, BY_MAPPING);
	}
	free(line);
	fclose(file);
}

/* By process: its descriptors, then pins and mappings */
static int by_process(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (unsigned int)x->fd < (unsigned int)y->fd ? -1 :
	       x->fd != y->fd;
}

/* Adds to @vmos what processes have, and tells of all who has them. */
void procs_scan(struct vmos *vmos)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned int i;
	pid_t pid;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		pid = atoi(entry->d_name);
		scan_fds(vmos, pid);
		scan_maps(vmos, pid);
	}
	closedir(dir);
	for (i = 0; i < vmos->nr; i++)
		if (vmos->vmo[i]->nr_users)
			qsort(vmos->vmo[i]->user, vmos->vmo[i]->nr_users,
			      sizeof(struct user), by_process);
}

/* What a process calls itself, "?" when it is gone */
const char *process_name(pid_t pid)
{
	char path[64], name[64], *got;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return "?";
	got = fgets(name, sizeof(name), file);
	fclose(file);
	if (!got)
		return "?";
	name[strcspn(name, "\n")] = '\0';
	return name_text(name);
}
