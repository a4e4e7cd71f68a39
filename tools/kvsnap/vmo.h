/* SPDX-License-Identifier: GPL-2.0 */
/* All that a program needs to use VMOs: open, an ioctl or three, mmap. */
#ifndef KVSNAP_VMO_H
#define KVSNAP_VMO_H

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/cowvmo.h>

/* For calls that the program cannot go on without */
static inline long need(long rc, const char *what)
{
	if (rc < 0)
		err(1, "%s", what);
	return rc;
}

/* Holds no memory until written: ask for as much as may ever be wanted. */
static inline int vmo_create(__u64 size, const char *name)
{
	struct cowvmo_create arg = { .size = sizeof(arg), .vmo_size = size };

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	return need(ioctl(need(open("/dev/cowvmo", O_RDWR), "/dev/cowvmo"),
			  COWVMO_IOC_CREATE, &arg), "create");
}

/* The first @size bytes as they are now, whoever is writing to them */
static inline int vmo_snapshot(int fd, __u64 size, __u32 flags)
{
	struct cowvmo_create_child arg = {
		.size = sizeof(arg), .type = COWVMO_CHILD_SNAPSHOT,
		.flags = flags, .length = size,
	};

	return need(ioctl(fd, COWVMO_IOC_CREATE_CHILD, &arg), "snapshot");
}

static inline void *vmo_map(int fd, __u64 size, int prot)
{
	void *mem = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? (void *)need(-1, "mmap") : mem;
}

static inline struct cowvmo_get_info vmo_info(int fd)
{
	struct cowvmo_get_info info = { .size = sizeof(info), .want = COWVMO_INFO_MEMORY };

	need(ioctl(fd, COWVMO_IOC_GET_INFO, &info), "info");
	return info;
}

#endif /* KVSNAP_VMO_H */
