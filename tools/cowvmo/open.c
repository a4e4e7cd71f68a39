// SPDX-License-Identifier: GPL-2.0
/*
 * A descriptor of somebody else's VMO. The kernel hands it out to who may trace
 * the process: its owner, unless told otherwise, and root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cowvmo.h"

/* A copy of descriptor @fd of a process, or -1 with errno */
int fd_of_process(pid_t pid, int fd)
{
	int process = syscall(SYS_pidfd_open, pid, 0);
	int copy, error;

	if (process < 0)
		return -1;
	copy = syscall(SYS_pidfd_getfd, process, fd, 0);
	error = errno;
	close(process);
	errno = error;
	return copy;
}

static int get_info(int fd, struct cowvmo_get_info *info)
{
	*info = (struct cowvmo_get_info) {
		.size = sizeof(*info),
		.want = COWVMO_INFO_MEMORY,
	};
	return ioctl(fd, COWVMO_IOC_GET_INFO, info);
}

/* Asks a VMO about itself; 0, or -1 with errno: ESTALE if it is another one. */
int ask_vmo(struct vmo *vmo, int fd)
{
	struct cowvmo_get_info info;

	if (get_info(fd, &info))
		return -1;
	if (info.out_id != vmo->id) {
		errno = ESTALE;
		return -1;
	}
	vmo->family = info.out_family_id;
	vmo->parent = info.out_parent_id;
	vmo->children = info.out_num_children;
	vmo->size = info.out_vmo_size;
	vmo->stream = info.out_stream_size;
	vmo->populated = info.out_populated_bytes;
	vmo->private = info.out_private_bytes;
	vmo->scaled = info.out_scaled_bytes +
		      info.out_scaled_fraction / FRACTIONS;
	vmo->metadata = info.out_metadata_bytes;
	vmo->flags = info.out_flags & ~COWVMO_INFO_READ_ONLY_FD;
	memcpy(vmo->name, info.out_name, sizeof(vmo->name));
	vmo->known = true;
	vmo->memory = true;
	return 0;
}

static int explain(const char *spec, pid_t pid, int fd)
{
	switch (errno) {
	case ESRCH:
		return fail("%s: there is no process %d", spec, pid);
	case EBADF:
		return fail("%s: process %d has no descriptor %d", spec, pid,
			    fd);
	case EPERM:
		return fail("%s: you may not look into process %d (%s): that takes its owner or root, and kernel.yama.ptrace_scope may forbid it",
			    spec, pid, process_name(pid));
	default:
		return fail("%s: %s", spec, strerror(errno));
	}
}

/* Is it an id? Then the id; 0 if it must be PID:FD. */
static __u64 id_of(const char *spec)
{
	return spec[strspn(spec, "0123456789")] ? 0 :
	       strtoull(spec, NULL, 10);
}

static bool parse_user(const char *spec, int *pid, int *fd)
{
	int length = 0;

	return sscanf(spec, "%d:%d%n", pid, fd, &length) == 2 &&
	       !spec[length] && *pid > 0 && *fd >= 0;
}

static struct vmo *find_by_user(const struct vmos *vmos, pid_t pid, int fd)
{
	unsigned int i, k;

	for (i = 0; i < vmos->nr; i++) {
		struct vmo *vmo = vmos->vmo[i];

		for (k = 0; k < vmo->nr_users; k++)
			if (vmo->user[k].pid == pid && vmo->user[k].fd == fd)
				return vmo;
	}
	return NULL;
}

/* The record of what @spec names, an id or PID:FD; NULL having said why not */
struct vmo *find_vmo(const char *spec, struct vmos *vmos)
{
	__u64 id = id_of(spec);
	struct vmo *vmo;
	int pid, fd;

	if (id) {
		vmo = vmos_find(vmos, id);
	} else if (parse_user(spec, &pid, &fd)) {
		vmo = find_by_user(vmos, pid, fd);
	} else {
		fail("%s: neither the id of a VMO nor PID:FD", spec);
		return NULL;
	}
	if (!vmo && vmos->all)
		fail("%s: there is no such VMO", spec);
	else if (!vmo)
		fail("%s: no process that you may look into has such a VMO",
		     spec);
	return vmo;
}

static int open_of_process(const char *spec, struct vmos *vmos, int pid,
			   int fd, struct vmo **vmo)
{
	int copy = fd_of_process(pid, fd);
	struct cowvmo_get_info info;

	if (copy < 0)
		return explain(spec, pid, fd);
	if (get_info(copy, &info)) {
		fail("%s: %s", spec, errno == ENOTTY ? "that is not a VMO" :
						       strerror(errno));
		close(copy);
		return -1;
	}
	*vmo = vmos_get(vmos, info.out_id);
	return copy;
}

/* Any descriptor of a VMO */
static int open_by_id(const char *spec, const struct vmo *vmo)
{
	const struct user *user = NULL;
	unsigned int i;
	int fd;

	for (i = 0; i < vmo->nr_users; i++) {
		if (vmo->user[i].fd < 0)
			continue;
		user = &vmo->user[i];
		fd = fd_of_process(user->pid, user->fd);
		if (fd >= 0)
			return fd;
	}
	if (user)
		return explain(spec, user->pid, user->fd);
	if (vmo->nr_users)
		return fail("%s: process %d (%s) has it %s, but nobody has a descriptor of it",
			    spec, vmo->user[0].pid,
			    process_name(vmo->user[0].pid),
			    vmo->user[0].fd == BY_PIN ? "pinned" : "mapped");
	return fail("%s: no process has a descriptor of it", spec);
}

/*
 * What @spec names, an id or PID:FD. Returns a descriptor, or -1 having said
 * why; *@vmo is its record, brought up to date.
 */
int open_vmo(const char *spec, struct vmos *vmos, struct vmo **vmo)
{
	int pid, other, fd;

	if (!id_of(spec) && parse_user(spec, &pid, &other)) {
		fd = open_of_process(spec, vmos, pid, other, vmo);
	} else {
		*vmo = find_vmo(spec, vmos);
		fd = *vmo ? open_by_id(spec, *vmo) : -1;
	}
	if (fd < 0 || !ask_vmo(*vmo, fd))
		return fd;
	fail("%s: %s", spec, errno == ESTALE ? "it has just gone" :
					       strerror(errno));
	close(fd);
	return -1;
}
