/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every cowvmo selftest needs: one function per ioctl, recognisable page
 * contents, the module's debugfs files.
 *
 * Every function that makes a system call returns what it got (an fd, a count,
 * 0) or the negative errno, so that a test asserts one value and sees the
 * exact error in the failure message.
 */
#ifndef COWVMO_SELFTEST_VMO_H
#define COWVMO_SELFTEST_VMO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/cowvmo.h>

#define VMO_DEVICE	"/dev/cowvmo"
#define VMO_DEBUGFS	"/sys/kernel/debug/cowvmo/"

/* The selftests run on x86-64, where P is this; abi_sweep asserts it. */
#define PG		4096ULL
#define VMO_MAX		((1ULL << 63) - PG)

static inline long vmo_ret(long rc)
{
	return rc < 0 ? -errno : rc;
}

/* The ioctls */

static inline int vmo_device(void)
{
	return vmo_ret(open(VMO_DEVICE, O_RDWR | O_CLOEXEC));
}

static inline void vmo_copy_name(char *to, const char *name)
{
	if (name)
		memcpy(to, name, strnlen(name, COWVMO_NAME_LEN));
}

/* A name of COWVMO_NAME_LEN bytes or more arrives unterminated: EINVAL. */
static inline int vmo_create(int dev, __u64 size, __u32 flags,
			     const char *name)
{
	struct cowvmo_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.vmo_size = size,
	};

	vmo_copy_name(arg.name, name);
	return vmo_ret(ioctl(dev, COWVMO_IOC_CREATE, &arg));
}

/* As vmo_create(), with a device fd of its own. */
static inline int vmo_new(__u64 size, __u32 flags)
{
	int dev = vmo_device();
	int fd;

	if (dev < 0)
		return dev;
	fd = vmo_create(dev, size, flags, NULL);
	close(dev);
	return fd;
}

/* Pages side by side, the first at a multiple of 2^@align_log2, 0: anywhere */
static inline int vmo_contiguous(__u64 size, __u32 align_log2)
{
	struct cowvmo_create arg = {
		.size = sizeof(arg),
		.flags = COWVMO_CREATE_CONTIGUOUS,
		.vmo_size = size,
		.name = "contiguous",
		.align_log2 = align_log2,
	};
	int dev = vmo_device();
	int fd;

	if (dev < 0)
		return dev;
	fd = vmo_ret(ioctl(dev, COWVMO_IOC_CREATE, &arg));
	close(dev);
	return fd;
}

static inline int vmo_child_of(int fd, __u32 type, __u32 flags, __u64 offset,
			       __u64 length)
{
	struct cowvmo_create_child arg = {
		.size = sizeof(arg),
		.type = type,
		.flags = flags,
		.offset = offset,
		.length = length,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_CREATE_CHILD, &arg));
}

static inline int vmo_child(int fd, __u32 flags, __u64 offset, __u64 length)
{
	return vmo_child_of(fd, COWVMO_CHILD_SNAPSHOT, flags, offset, length);
}

static inline int vmo_slice(int fd, __u64 offset, __u64 length)
{
	return vmo_child_of(fd, COWVMO_CHILD_SLICE, 0, offset, length);
}

static inline int vmo_reference(int fd, __u32 flags)
{
	return vmo_child_of(fd, COWVMO_CHILD_REFERENCE, flags, 0, 0);
}

static inline int vmo_op(int fd, __u32 op, __u64 offset, __u64 length,
			 __u64 *done)
{
	struct cowvmo_op_range arg = {
		.size = sizeof(arg),
		.op = op,
		.offset = offset,
		.length = length,
		/* out_ members are ignored on the way in: must not matter */
		.out_done = 0xdeadbeefdeadbeefULL,
	};
	int rc = vmo_ret(ioctl(fd, COWVMO_IOC_OP_RANGE, &arg));

	if (done)
		*done = arg.out_done;
	return rc;
}

static inline int vmo_commit(int fd, __u64 offset, __u64 length)
{
	return vmo_op(fd, COWVMO_OP_COMMIT, offset, length, NULL);
}

static inline int vmo_decommit(int fd, __u64 offset, __u64 length)
{
	return vmo_op(fd, COWVMO_OP_DECOMMIT, offset, length, NULL);
}

static inline int vmo_zero(int fd, __u64 offset, __u64 length)
{
	return vmo_op(fd, COWVMO_OP_ZERO, offset, length, NULL);
}

static inline int vmo_set_size(int fd, __u64 size)
{
	struct cowvmo_set_size arg = {
		.size = sizeof(arg),
		.vmo_size = size,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_SET_SIZE, &arg));
}

static inline int vmo_set_stream_size(int fd, __u64 size)
{
	struct cowvmo_set_stream_size arg = {
		.size = sizeof(arg),
		.stream_size = size,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_SET_STREAM_SIZE, &arg));
}

static inline int vmo_info(int fd, struct cowvmo_get_info *info, __u32 want)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->want = want;
	return vmo_ret(ioctl(fd, COWVMO_IOC_GET_INFO, info));
}

static inline int vmo_set_name(int fd, const char *name)
{
	struct cowvmo_set_name arg = { .size = sizeof(arg) };

	vmo_copy_name(arg.name, name);
	return vmo_ret(ioctl(fd, COWVMO_IOC_SET_NAME, &arg));
}

static inline int vmo_transfer(int to, __u64 dst, int from, __u64 src,
			       __u64 length, __u64 *done)
{
	struct cowvmo_transfer arg = {
		.size = sizeof(arg),
		.src_fd = from,
		.dst_offset = dst,
		.src_offset = src,
		.length = length,
		.out_done = 0xdeadbeefdeadbeefULL,
	};
	int rc = vmo_ret(ioctl(to, COWVMO_IOC_TRANSFER, &arg));

	if (done)
		*done = arg.out_done;
	return rc;
}

static inline int vmo_restore_how(int fd, __u32 flags, int source)
{
	struct cowvmo_restore arg = {
		.size = sizeof(arg),
		.src_fd = source,
		.flags = flags,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_RESTORE, &arg));
}

static inline int vmo_restore(int fd, int source)
{
	return vmo_restore_how(fd, 0, source);
}

/* How many ranges were written, or -errno; @next receives where to go on. */
static inline int vmo_compare(int fd, int other, __u64 offset, __u64 length,
			      struct cowvmo_range *ranges, unsigned int room,
			      __u64 *next)
{
	struct cowvmo_compare arg = {
		.size = sizeof(arg),
		.other_fd = other,
		.nr_ranges = room,
		.offset = offset,
		.length = length,
		.ranges = (unsigned long)ranges,
		.out_nr = 0xdeadbeef,
		.out_reserved = 0xdeadbeef,
		.out_next = 0xdeadbeefdeadbeefULL,
	};
	int rc = vmo_ret(ioctl(fd, COWVMO_IOC_COMPARE, &arg));

	if (next)
		*next = arg.out_next;
	return rc < 0 ? rc : (int)arg.out_nr;
}

static inline int vmo_seal(int fd)
{
	struct cowvmo_seal arg = { .size = sizeof(arg) };

	return vmo_ret(ioctl(fd, COWVMO_IOC_SEAL, &arg));
}

/* One more fd of the same VMO, which cannot write */
static inline int vmo_open_read_only(int fd)
{
	struct cowvmo_open arg = {
		.size = sizeof(arg),
		.flags = COWVMO_OPEN_NO_WRITE,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_OPEN, &arg));
}

static inline int vmo_set_cache_policy(int fd, __u32 policy)
{
	struct cowvmo_set_cache_policy arg = {
		.size = sizeof(arg),
		.policy = policy,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_SET_CACHE_POLICY, &arg));
}

static inline int vmo_set_priority(int fd, __s32 priority)
{
	struct cowvmo_set_priority arg = {
		.size = sizeof(arg),
		.priority = priority,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_SET_PRIORITY, &arg));
}

/* The pages of a range: how many were told of, or -errno; @next may be NULL. */
static inline int vmo_lookup(int fd, __u32 flags, __u64 offset, __u64 length,
			     struct cowvmo_page_state *pages, __u32 nr,
			     __u64 *next)
{
	struct cowvmo_lookup arg = {
		.size = sizeof(arg),
		.flags = flags,
		.offset = offset,
		.length = length,
		.pages = (unsigned long)pages,
		.nr_pages = nr,
		.entry_size = sizeof(*pages),
		.out_nr = 0xdeadbeef,
		.out_next = 0xdeadbeefdeadbeefULL,
	};
	int rc = vmo_ret(ioctl(fd, COWVMO_IOC_LOOKUP, &arg));

	if (next)
		*next = arg.out_next;
	return rc < 0 ? rc : (int)arg.out_nr;
}

static inline int vmo_pin(int fd, __u32 flags, __u64 offset, __u64 length)
{
	struct cowvmo_pin arg = {
		.size = sizeof(arg),
		.flags = flags,
		.offset = offset,
		.length = length,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_PIN, &arg));
}

/* A pin as a dma-buf */
static inline int vmo_pin_export(int pin)
{
	struct cowvmo_pin_export arg = { .size = sizeof(arg) };

	return vmo_ret(ioctl(pin, COWVMO_IOC_PIN_EXPORT, &arg));
}

/* A snapshot of the whole VMO as large as it is now. */
static inline int vmo_snapshot(int fd)
{
	struct cowvmo_get_info info;
	int rc = vmo_info(fd, &info, 0);

	return rc ? rc : vmo_child(fd, 0, 0, info.out_vmo_size);
}

/* Page contents: word i of a page with seed s is a hash of both */

static inline __u64 pat_word(__u64 seed, unsigned int i)
{
	__u64 x = seed * 0x9e3779b97f4a7c15ULL + i + 1;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 32);
}

static inline void pat_mem_fill(void *page, __u64 seed)
{
	__u64 *word = page;
	unsigned int i;

	for (i = 0; i < PG / sizeof(*word); i++)
		word[i] = pat_word(seed, i);
}

/* 0, or -EILSEQ: the bytes are not what they should be. */
static inline int pat_mem_check(const void *page, __u64 seed)
{
	const __u64 *word = page;
	unsigned int i;

	for (i = 0; i < PG / sizeof(*word); i++)
		if (word[i] != pat_word(seed, i))
			return -EILSEQ;
	return 0;
}

static inline int zero_mem_check(const void *mem, size_t length)
{
	const unsigned char *byte = mem;
	size_t i;

	for (i = 0; i < length; i++)
		if (byte[i])
			return -EILSEQ;
	return 0;
}

/* Writes page number @page; 0 or -errno, a short write being -EIO. */
static inline int pat_fill(int fd, __u64 page, __u64 seed)
{
	__u64 buf[PG / sizeof(__u64)];
	long rc;

	pat_mem_fill(buf, seed);
	rc = vmo_ret(pwrite(fd, buf, PG, page * PG));
	if (rc < 0)
		return rc;
	return rc == PG ? 0 : -EIO;
}

static inline int page_read(int fd, __u64 page, void *buf)
{
	long rc = vmo_ret(pread(fd, buf, PG, page * PG));

	if (rc < 0)
		return rc;
	return rc == PG ? 0 : -EIO;
}

static inline int pat_check(int fd, __u64 page, __u64 seed)
{
	__u64 buf[PG / sizeof(__u64)];
	int rc = page_read(fd, page, buf);

	return rc ? rc : pat_mem_check(buf, seed);
}

static inline int zero_check(int fd, __u64 page)
{
	__u64 buf[PG / sizeof(__u64)];
	int rc = page_read(fd, page, buf);

	return rc ? rc : zero_mem_check(buf, sizeof(buf));
}

/* Seed 0 means: reads zero. For tests that keep a table of what is where. */
static inline int page_check(int fd, __u64 page, __u64 seed)
{
	return seed ? pat_check(fd, page, seed) : zero_check(fd, page);
}

/* One byte of a VMO, or -errno */
static inline int vmo_get_byte(int fd, __u64 offset)
{
	unsigned char byte;
	long rc = vmo_ret(pread(fd, &byte, 1, offset));

	if (rc < 0)
		return rc;
	return rc == 1 ? byte : -ENODATA;
}

static inline int vmo_put_byte(int fd, __u64 offset, unsigned char byte)
{
	long rc = vmo_ret(pwrite(fd, &byte, 1, offset));

	if (rc < 0)
		return rc;
	return rc == 1 ? 0 : -EIO;
}

/* Figures of GET_INFO, ~0 when it fails */

static inline __u64 vmo_populated(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_populated_bytes;
}

static inline __u64 vmo_size(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_vmo_size;
}

static inline __u64 vmo_stream(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_stream_size;
}

static inline __u64 vmo_id(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_id;
}

static inline __u64 vmo_family(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_family_id;
}

static inline __u64 vmo_parent(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_parent_id;
}

static inline __u64 vmo_children(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0ULL : info.out_num_children;
}

static inline __u32 vmo_flags(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0U : info.out_flags;
}

static inline __u32 vmo_cache_policy(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0U : info.out_cache_policy;
}

static inline __u64 vmo_private(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, COWVMO_INFO_MEMORY) ? ~0ULL :
		info.out_private_bytes;
}

/* Mappings: a shared one of the whole range, NULL when it fails */
static inline void *vmo_map(int fd, __u64 offset, size_t length, int prot)
{
	void *mem = mmap(NULL, length, prot, MAP_SHARED, fd, offset);

	return mem == MAP_FAILED ? NULL : mem;
}

/* Access that may raise a signal: 0, or the signal's number */

static sigjmp_buf vmo_try_env;

static inline void vmo_try_handler(int sig)
{
	siglongjmp(vmo_try_env, sig);
}

static inline int vmo_try(unsigned char *at, bool write, unsigned char *byte)
{
	struct sigaction act = { .sa_handler = vmo_try_handler };
	struct sigaction bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(vmo_try_env, 1);
	if (!sig) {
		if (write)
			__atomic_store_n(at, *byte, __ATOMIC_RELAXED);
		else
			*byte = __atomic_load_n(at, __ATOMIC_RELAXED);
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

static inline int vmo_try_read(void *at, unsigned char *byte)
{
	return vmo_try(at, false, byte);
}

static inline int vmo_try_write(void *at, unsigned char byte)
{
	return vmo_try(at, true, &byte);
}

/* Passing an fd over a Unix socket */

union vmo_cmsg {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static inline int vmo_send_fd(int sock, int fd)
{
	union vmo_cmsg control = { 0 };
	struct iovec iov = { .iov_base = "f", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static inline int vmo_recv_fd(int sock)
{
	union vmo_cmsg control = { 0 };
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* Small files of /proc, /sys and debugfs */

static inline long file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	long rc = 0;

	if (fd < 0)
		return -errno;
	while (got < size - 1) {
		rc = vmo_ret(read(fd, buf + got, size - 1 - got));
		if (rc <= 0)
			break;
		got += rc;
	}
	close(fd);
	buf[got] = '\0';
	return rc < 0 ? rc : (long)got;
}

static inline int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long rc;

	if (fd < 0)
		return -errno;
	rc = vmo_ret(write(fd, text, strlen(text)));
	close(fd);
	return rc < 0 ? rc : 0;
}

/* The module's validators: 0, -EUCLEAN with the complaint on stderr, -errno */
static inline int vmo_validate(void)
{
	char buf[1024];
	long rc = file_read(VMO_DEBUGFS "validate", buf, sizeof(buf));

	if (rc < 0)
		return rc;
	if (!strcmp(buf, "ok\n"))
		return 0;
	fprintf(stderr, "# validate: %s\n", buf);
	return -EUCLEAN;
}

/* Makes the @n-th allocation that the module makes for this task fail. */
static inline int vmo_fail_nth(unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", n);
	return file_write(VMO_DEBUGFS "fail_nth", text);
}

/* What remains until the armed failure; 0: it has happened. Or -errno. */
static inline long vmo_fail_left(void)
{
	char buf[32];
	long rc = file_read(VMO_DEBUGFS "fail_nth", buf, sizeof(buf));

	return rc < 0 ? rc : strtol(buf, NULL, 0);
}

/* The number behind @name in debugfs stats; -ENOENT without one */
static inline long vmo_stat_of(const char *stats, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = stats; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtol(line + len, NULL, 0);
	}
	return -ENOENT;
}

/* A figure of debugfs stats: vmos, pages, nodes, descs, pins. Or -errno. */
static inline long vmo_stat(const char *name)
{
	char buf[1024];
	long rc = file_read(VMO_DEBUGFS "stats", buf, sizeof(buf));

	return rc < 0 ? rc : vmo_stat_of(buf, name);
}

struct vmo_stats {
	long vmos, pages, nodes, descs, pins;
};

static inline struct vmo_stats vmo_stats(void)
{
	char buf[1024];

	if (file_read(VMO_DEBUGFS "stats", buf, sizeof(buf)) < 0)
		buf[0] = '\0';
	return (struct vmo_stats) {
		.vmos = vmo_stat_of(buf, "vmos"),
		.pages = vmo_stat_of(buf, "pages"),
		.nodes = vmo_stat_of(buf, "nodes"),
		.descs = vmo_stat_of(buf, "descs"),
		.pins = vmo_stat_of(buf, "pins"),
	};
}

#endif /* COWVMO_SELFTEST_VMO_H */
