/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mappings share: a VMO with known pages, other processes,
 * /proc/self/smaps. Functions return 0 or a negative errno, as in vmo.h.
 */
#ifndef COWVMO_SELFTEST_MAPS_H
#define COWVMO_SELFTEST_MAPS_H

#include "vmo.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RW	(PROT_READ | PROT_WRITE)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

/* Page i of a filled VMO has seed FILL + i. */
#define FILL	100ULL

/* A VMO of @pages pages, the first @filled with content; the fd or -errno */
static inline int vmo_filled(__u64 pages, __u64 filled, __u32 flags)
{
	int fd = vmo_new(pages * PG, flags);
	__u64 i;
	int rc;

	for (i = 0; fd >= 0 && i < filled; i++) {
		rc = pat_fill(fd, i, FILL + i);
		if (rc) {
			close(fd);
			return rc;
		}
	}
	return fd;
}

/* Are pages [@first, @first + @n) as vmo_filled() made them? */
static inline int filled_check(int fd, __u64 first, __u64 n)
{
	int rc = 0;

	for (; !rc && n--; first++)
		rc = pat_check(fd, first, FILL + first);
	return rc;
}

static inline void *map_private(int fd, __u64 offset, size_t length, int prot)
{
	void *mem = mmap(NULL, length, prot, MAP_PRIVATE, fd, offset);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The exit status of @fn in another process, or -errno, -EINTR: killed */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(fn(arg) & 0xff);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

/* A process that holds something until it is told to go */

struct holder {
	pid_t pid;
	int go;
};

/* @fn runs first; the process then waits. 0, or what @fn returned. */
static inline int holder_start(struct holder *holder, int (*fn)(void *arg),
			       void *arg)
{
	int go[2], ready[2];
	char rc = 0;

	if (pipe2(go, O_CLOEXEC) || pipe2(ready, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	holder->pid = fork();
	if (!holder->pid) {
		close(go[1]);
		rc = fn(arg);
		if (write(ready[1], &rc, 1) == 1 && read(go[0], &rc, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	holder->go = go[1];
	if (holder->pid < 0 || read(ready[0], &rc, 1) != 1)
		rc = -EIO;
	close(ready[0]);
	return rc;
}

static inline void holder_stop(struct holder *holder)
{
	close(holder->go);
	if (holder->pid > 0)
		waitpid(holder->pid, NULL, 0);
}

/* The line of /proc/self/smaps that begins with @name, for the VMA at @at */
static inline int smaps_line(const void *at, const char *name, char *line,
			     size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	bool inside = false;
	int rc = -ENOENT;

	if (!file)
		return -errno;
	while (rc && fgets(line, size, file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)at && (uintptr_t)at < end;
		else if (inside && !strncmp(line, name, strlen(name)))
			rc = 0;
	}
	fclose(file);
	return rc;
}

/* A figure of smaps in bytes, or -errno */
static inline long smaps_bytes(const void *at, const char *name)
{
	char line[256];
	int rc = smaps_line(at, name, line, sizeof(line));

	return rc ? rc : strtol(line + strlen(name), NULL, 10) * 1024;
}

/* How many minor faults this thread has had */
static inline long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

/* Which page frame is mapped there: 0: none, or -errno. For root. */
static inline long pfn_of(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;
	long rc;

	if (fd < 0)
		return -errno;
	rc = vmo_ret(pread(fd, &entry, sizeof(entry),
			   (uintptr_t)at / PG * sizeof(entry)));
	close(fd);
	if (rc != sizeof(entry))
		return rc < 0 ? rc : -EIO;
	return entry >> 63 ? (long)(entry & ((1ULL << 55) - 1)) : 0;
}

/* 1: the VMA has the two-letter flag, 0: not, or -errno */
static inline int smaps_flag(const void *at, const char *flag)
{
	char line[256];
	int rc = smaps_line(at, "VmFlags:", line, sizeof(line));

	return rc ? rc : !!strstr(line, flag);
}

#endif /* COWVMO_SELFTEST_MAPS_H */
