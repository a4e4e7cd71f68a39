/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All ways in which the kernel reads and writes memory that a process has
 * mapped. A way to write sets at least the byte at @at, which begins a block
 * of 512; a way to read returns that byte. Both return a negative errno when
 * they are refused.
 */
#ifndef COWVMO_SELFTEST_ACCESS_H
#define COWVMO_SELFTEST_ACCESS_H

#include "uring.h"

#include <sys/ptrace.h>

#define BLOCK		512
/* A file system that does O_DIRECT */
#define DISK_FILE	"/mnt/disk/cowvmo-access"

/* 0, or -EIO when fewer bytes than @want went over */
static inline int access_ret(long got, long want)
{
	if (got < 0)
		return -errno;
	return got == want ? 0 : -EIO;
}

/* By hand */

static inline int put_store(unsigned char *at, unsigned char byte)
{
	return vmo_try_write(at, byte) ? -EFAULT : 0;
}

static inline int get_load(unsigned char *at)
{
	unsigned char byte;

	return vmo_try_read(at, &byte) ? -EFAULT : byte;
}

/* process_vm_readv(), process_vm_writev() */

static inline int put_process_vm(unsigned char *at, unsigned char byte)
{
	struct iovec from = { &byte, 1 }, to = { at, 1 };

	return access_ret(process_vm_writev(getpid(), &from, 1, &to, 1, 0), 1);
}

static inline int get_process_vm(unsigned char *at)
{
	unsigned char byte;
	struct iovec to = { &byte, 1 }, from = { at, 1 };
	int rc = access_ret(process_vm_readv(getpid(), &to, 1, &from, 1, 0), 1);

	return rc ? rc : byte;
}

/* /proc/PID/mem */

static inline int put_proc_mem(unsigned char *at, unsigned char byte)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	int rc = access_ret(pwrite(fd, &byte, 1, (uintptr_t)at), 1);

	close(fd);
	return rc;
}

static inline int get_proc_mem(unsigned char *at)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned char byte;
	int rc = access_ret(pread(fd, &byte, 1, (uintptr_t)at), 1);

	close(fd);
	return rc ? rc : byte;
}

/* ptrace(), of a child that has inherited the mapping */

static inline pid_t traced_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		abort();
	return pid;
}

static inline void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline int put_ptrace(unsigned char *at, unsigned char byte)
{
	pid_t pid = traced_child();
	long rc, word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, at, NULL);
	rc = -errno;
	if (!rc)
		rc = vmo_ret(ptrace(PTRACE_POKEDATA, pid, at,
				    (word & ~0xffL) | byte));
	end_child(pid);
	return rc;
}

static inline int get_ptrace(unsigned char *at)
{
	pid_t pid = traced_child();
	long word;
	int rc;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, at, NULL);
	rc = -errno;
	end_child(pid);
	return rc ? rc : word & 0xff;
}

/* Files: through the page cache, and around it */

static inline int disk_file(int flags)
{
	return open(DISK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
}

/* A block of the file is made to hold the byte, or tells what it holds. */
static inline int disk_set(unsigned char byte)
{
	unsigned char block[BLOCK];
	int fd = disk_file(0), rc;

	memset(block, byte, BLOCK);
	rc = access_ret(pwrite(fd, block, BLOCK, 0), BLOCK);
	fsync(fd);
	close(fd);
	return rc;
}

static inline int disk_get(void)
{
	unsigned char block[BLOCK];
	int fd = disk_file(0), rc;

	rc = access_ret(pread(fd, block, BLOCK, 0), BLOCK);
	close(fd);
	return rc ? rc : block[0];
}

static inline int put_file(unsigned char *at, unsigned char byte, int flags)
{
	int rc = disk_set(byte), fd = disk_file(flags);

	if (!rc)
		rc = access_ret(pread(fd, at, BLOCK, 0), BLOCK);
	close(fd);
	return rc;
}

static inline int get_file(unsigned char *at, int flags)
{
	int fd = disk_file(flags);
	int rc = access_ret(pwrite(fd, at, BLOCK, 0), BLOCK);

	close(fd);
	return rc ? rc : disk_get();
}

static inline int put_read(unsigned char *at, unsigned char byte)
{
	return put_file(at, byte, 0);
}

static inline int get_write(unsigned char *at)
{
	return get_file(at, 0);
}

static inline int put_direct(unsigned char *at, unsigned char byte)
{
	return put_file(at, byte, O_DIRECT);
}

static inline int get_direct(unsigned char *at)
{
	return get_file(at, O_DIRECT);
}

/* io_uring, with O_DIRECT and without */

static inline int ring_file(__u8 op, unsigned char *at, int flags)
{
	struct uring ring;
	int rc, fd = disk_file(flags);

	rc = uring_open(&ring);
	if (!rc) {
		rc = uring_rw(&ring, op, fd, at, BLOCK, 0);
		uring_close(&ring);
	}
	close(fd);
	return rc == BLOCK ? 0 : rc < 0 ? rc : -EIO;
}

static inline int put_uring(unsigned char *at, unsigned char byte)
{
	int rc = disk_set(byte);

	return rc ? rc : ring_file(IORING_OP_READ, at, 0);
}

static inline int get_uring(unsigned char *at)
{
	int rc = ring_file(IORING_OP_WRITE, at, 0);

	return rc ? rc : disk_get();
}

static inline int put_uring_direct(unsigned char *at, unsigned char byte)
{
	int rc = disk_set(byte);

	return rc ? rc : ring_file(IORING_OP_READ, at, O_DIRECT);
}

static inline int get_uring_direct(unsigned char *at)
{
	int rc = ring_file(IORING_OP_WRITE, at, O_DIRECT);

	return rc ? rc : disk_get();
}

/* A pipe that holds the page itself */
static inline int get_vmsplice(unsigned char *at)
{
	struct iovec iov = { at, 1 };
	unsigned char byte;
	int pipes[2], rc;

	if (pipe(pipes))
		return -errno;
	rc = access_ret(vmsplice(pipes[1], &iov, 1, 0), 1);
	if (!rc)
		rc = access_ret(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return rc ? rc : byte;
}

#endif /* COWVMO_SELFTEST_ACCESS_H */
