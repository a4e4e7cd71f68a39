// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the three kinds that are compared (VMOs, memfds, private
 * anonymous memory) and the ways to touch it. Whatever fails ends the run:
 * a figure of something that half happened is worth nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/cowvmo.h>
#include <linux/fs.h>

#include "bench.h"

bool vmo_present(void)
{
	return access("/dev/cowvmo", R_OK | W_OK) == 0;
}

int vmo_new(u64 size)
{
	struct cowvmo_create arg = {
		.size = sizeof(arg), .vmo_size = size, .name = "bench",
	};
	int dev = open("/dev/cowvmo", O_RDWR | O_CLOEXEC);
	int fd;

	if (dev < 0)
		die("/dev/cowvmo");
	fd = ioctl(dev, COWVMO_IOC_CREATE, &arg);
	if (fd < 0)
		die("COWVMO_IOC_CREATE");
	close(dev);
	return fd;
}

/* Nothing but the ioctl in here: this is what snapshots are timed by. */
int vmo_clone(int fd, u64 size)
{
	struct cowvmo_create_child arg = {
		.size = sizeof(arg), .type = COWVMO_CHILD_SNAPSHOT,
		.length = size,
	};
	int child = ioctl(fd, COWVMO_IOC_CREATE_CHILD, &arg);

	if (child < 0)
		die("COWVMO_IOC_CREATE_CHILD");
	return child;
}

void vmo_commit(int fd, u64 offset, u64 length)
{
	struct cowvmo_op_range arg = {
		.size = sizeof(arg), .op = COWVMO_OP_COMMIT,
		.offset = offset, .length = length,
	};

	if (ioctl(fd, COWVMO_IOC_OP_RANGE, &arg))
		die("COWVMO_OP_COMMIT");
	if (arg.out_done != length)
		die("COWVMO_OP_COMMIT: did not do all");
}

u64 vmo_metadata(int fd)
{
	struct cowvmo_get_info arg = {
		.size = sizeof(arg), .want = COWVMO_INFO_MEMORY,
	};

	if (ioctl(fd, COWVMO_IOC_GET_INFO, &arg))
		die("COWVMO_IOC_GET_INFO");
	return arg.out_metadata_bytes;
}

/* One byte by a system call, without any mapping. */
void vmo_poke(int fd, u64 offset)
{
	if (pwrite(fd, "x", 1, offset) != 1)
		die("pwrite");
}

void vmo_transfer(int to, int from, u64 size)
{
	struct cowvmo_transfer arg = {
		.size = sizeof(arg), .src_fd = from, .length = size,
	};

	if (ioctl(to, COWVMO_IOC_TRANSFER, &arg) || arg.out_done != size)
		die("COWVMO_IOC_TRANSFER");
}

void vmo_reflink(int to, int from, u64 size)
{
	struct file_clone_range arg = { .src_fd = from, .src_length = size };

	if (ioctl(to, FICLONERANGE, &arg))
		die("FICLONERANGE");
}

void vmo_restore(int fd, int source, unsigned int flags)
{
	struct cowvmo_restore arg = {
		.size = sizeof(arg),
		.src_fd = source,
		.flags = flags,
	};

	if (ioctl(fd, COWVMO_IOC_RESTORE, &arg))
		die("COWVMO_IOC_RESTORE");
}

int vmo_pin(int fd, u64 size)
{
	struct cowvmo_pin arg = {
		.size = sizeof(arg), .flags = COWVMO_PIN_WRITE, .length = size,
	};
	int pin = ioctl(fd, COWVMO_IOC_PIN, &arg);

	if (pin < 0)
		die("COWVMO_IOC_PIN");
	return pin;
}

int memfd_new(u64 size)
{
	int fd = memfd_create("bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		die("memfd_create");
	return fd;
}

void *map_fd(int fd, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);

	if (map == MAP_FAILED)
		die("mmap");
	return map;
}

/* With pages of 4 KiB, as everything that it is compared with. */
void *map_anon(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("mmap");
	if (madvise(map, size, MADV_NOHUGEPAGE) && errno != EINVAL)
		die("MADV_NOHUGEPAGE");
	return map;
}

void unmap(void *map, size_t size)
{
	if (munmap(map, size))
		die("munmap");
}

/* Keep the compiler from merging, moving or dropping what is touched. */
static inline void touch_write(char *p, char value)
{
	*p = value;
	__asm__ __volatile__("" : : : "memory");
}

static inline void touch_read(const char *p)
{
	__asm__ __volatile__("" : : "r" (*p) : "memory");
}

u64 write_all(char *map, size_t pages)
{
	u64 t = now();
	size_t i;

	for (i = 0; i < pages; i++)
		touch_write(map + i * PG, 1);
	return now() - t;
}

u64 read_all(const char *map, size_t pages)
{
	u64 t = now();
	size_t i;

	for (i = 0; i < pages; i++)
		touch_read(map + i * PG);
	return now() - t;
}

u64 write_some(char *map, const unsigned int *index, size_t pages)
{
	u64 t = now();
	size_t i;

	for (i = 0; i < pages; i++)
		touch_write(map + index[i] * PG, 2);
	return now() - t;
}

/*
 * fork(), timed in the parent alone: the child has a lower scheduling class
 * (see main.c) and first runs when the parent waits for something. It exits
 * at once or, to keep its copy of the memory alive, waits to be killed.
 */
pid_t fork_timed(u64 *time, bool linger)
{
	u64 t = now();
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		while (linger)
			pause();
		_exit(0);
	}
	*time = now() - t;
	return child;
}

/* What it takes a forked child to write all of the memory it shares. */
u64 write_in_child(char *map, size_t pages)
{
	struct sched_param param = { .sched_priority = 1 };
	int ends[2];
	pid_t child;
	u64 t;

	if (pipe(ends))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		sched_setscheduler(0, SCHED_FIFO, &param);
		t = write_all(map, pages);
		_exit(write(ends[1], &t, sizeof(t)) != sizeof(t));
	}
	if (read(ends[0], &t, sizeof(t)) != sizeof(t))
		die("child");
	close(ends[0]);
	close(ends[1]);
	reap(child);
	return t;
}

void reap(pid_t child)
{
	kill(child, SIGKILL);
	if (waitpid(child, NULL, 0) != child)
		die("waitpid");
}

/* What the memory cgroup that we are in is charged with. */
u64 memory_used(void)
{
	char text[32] = "";
	int fd = open("/sys/fs/cgroup/bench/memory.current", O_RDONLY);

	settle();
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die("memory.current");
	close(fd);
	return strtoull(text, NULL, 10);
}
