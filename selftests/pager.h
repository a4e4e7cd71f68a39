/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scripted pager: one function per operation, requests that are read and
 * compared one by one, and threads that wait for the pager meanwhile.
 *
 * Functions return what they got or the negative errno, as in vmo.h. No test
 * depends on speed: PAGER_GUARD only ends what would hang for ever.
 */
#ifndef COWVMO_SELFTEST_PAGER_H
#define COWVMO_SELFTEST_PAGER_H

#include "vmo.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/cowvmo_pager.h>

/* Milliseconds */
#define PAGER_GUARD	60000

/* --- The calls */

static inline int pager_create(int dev, __u32 flags, __u32 timeout_ms)
{
	struct cowvmo_pager_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.timeout_ms = timeout_ms,
	};

	return vmo_ret(ioctl(dev, COWVMO_IOC_PAGER_CREATE, &arg));
}

/* As pager_create(), with a device fd of its own. */
static inline int pager_new(__u32 flags)
{
	int dev = vmo_device(), pager;

	if (dev < 0)
		return dev;
	pager = pager_create(dev, flags, 0);
	close(dev);
	return pager;
}

static inline int pager_vmo_ahead(int pager, __u64 key, __u64 size,
				  __u32 flags, __u32 read_ahead)
{
	struct cowvmo_pager_create_vmo arg = {
		.size = sizeof(arg),
		.flags = flags,
		.key = key,
		.vmo_size = size,
		.read_ahead = read_ahead,
		.name = "paged",
	};

	return vmo_ret(ioctl(pager, COWVMO_IOC_PAGER_CREATE_VMO, &arg));
}

static inline int pager_vmo(int pager, __u64 key, __u64 size, __u32 flags)
{
	return pager_vmo_ahead(pager, key, size, flags, 0);
}

static inline int pager_ops(int pager, struct cowvmo_pager_op *ops, __u32 nr,
			    __u32 *done)
{
	struct cowvmo_pager_ops arg = {
		.size = sizeof(arg),
		.ops = (uintptr_t)ops,
		.nr = nr,
		.op_size = sizeof(*ops),
	};
	int rc = vmo_ret(ioctl(pager, COWVMO_IOC_PAGER_OPS, &arg));

	if (done)
		*done = arg.out_nr;
	return rc;
}

/* One operation on @n pages from page @page on */
static inline struct cowvmo_pager_op pager_op(__u32 op, int vmo, __u64 page,
					      __u64 n)
{
	return (struct cowvmo_pager_op) {
		.op = op,
		.vmo_fd = vmo,
		.src_fd = -1,
		.offset = page * PG,
		.length = n * PG,
	};
}

static inline int pager_do(int pager, __u32 op, int vmo, __u64 page, __u64 n)
{
	struct cowvmo_pager_op arg = pager_op(op, vmo, page, n);

	return pager_ops(pager, &arg, 1, NULL);
}

static inline int pager_zero(int pager, int vmo, __u64 page, __u64 n)
{
	return pager_do(pager, COWVMO_PAGER_SUPPLY_ZERO, vmo, page, n);
}

static inline int pager_dirty(int pager, int vmo, __u64 page, __u64 n)
{
	return pager_do(pager, COWVMO_PAGER_DIRTY, vmo, page, n);
}

static inline int pager_begin(int pager, int vmo, __u64 page, __u64 n)
{
	return pager_do(pager, COWVMO_PAGER_WRITEBACK_BEGIN, vmo, page, n);
}

static inline int pager_begin_zero(int pager, int vmo, __u64 page, __u64 n)
{
	struct cowvmo_pager_op arg;

	arg = pager_op(COWVMO_PAGER_WRITEBACK_BEGIN, vmo, page, n);
	arg.flags = COWVMO_PAGER_IS_ZERO;
	return pager_ops(pager, &arg, 1, NULL);
}

static inline int pager_end(int pager, int vmo, __u64 page, __u64 n)
{
	return pager_do(pager, COWVMO_PAGER_WRITEBACK_END, vmo, page, n);
}

static inline int pager_detach(int pager, int vmo)
{
	return pager_do(pager, COWVMO_PAGER_DETACH, vmo, 0, 0);
}

static inline int pager_fail(int pager, int vmo, __u64 page, __u64 n,
			     __u32 code)
{
	struct cowvmo_pager_op arg;

	arg = pager_op(COWVMO_PAGER_FAIL, vmo, page, n);
	arg.code = code;
	return pager_ops(pager, &arg, 1, NULL);
}

static inline int pager_copy(int pager, int vmo, __u64 page, __u64 n,
			     const void *from)
{
	struct cowvmo_pager_op arg;

	arg = pager_op(COWVMO_PAGER_SUPPLY_COPY, vmo, page, n);
	arg.src = (uintptr_t)from;
	return pager_ops(pager, &arg, 1, NULL);
}

static inline int pager_copy_file(int pager, int vmo, __u64 page, __u64 n,
				  int file, __u64 offset)
{
	struct cowvmo_pager_op arg;

	arg = pager_op(COWVMO_PAGER_SUPPLY_COPY, vmo, page, n);
	arg.flags = COWVMO_PAGER_FROM_FILE;
	arg.src_fd = file;
	arg.src = offset;
	return pager_ops(pager, &arg, 1, NULL);
}

static inline int pager_move(int pager, int vmo, __u64 page, __u64 n, int aux,
			     __u64 aux_page)
{
	struct cowvmo_pager_op arg;

	arg = pager_op(COWVMO_PAGER_SUPPLY, vmo, page, n);
	arg.src_fd = aux;
	arg.src = aux_page * PG;
	return pager_ops(pager, &arg, 1, NULL);
}

/* Supplies pages with patterns: page p has that of @seed + p. */
static inline int pager_give(int pager, int vmo, __u64 page, __u64 n,
			     __u64 seed)
{
	char *buf = aligned_alloc(PG, n * PG);
	__u64 i;
	int rc;

	if (!buf)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		pat_mem_fill(buf + i * PG, seed + page + i);
	rc = pager_copy(pager, vmo, page, n, buf);
	free(buf);
	return rc;
}

/* Ranges in pages; how many there are, or -errno */
struct dirty_pages {
	__u64 page, n;
	bool zero;
};

static inline int pager_query(int pager, int vmo, __u64 page, __u64 n,
			      struct dirty_pages *out, __u32 room)
{
	struct cowvmo_dirty_range ranges[64];
	struct cowvmo_pager_query_dirty arg = {
		.size = sizeof(arg),
		.vmo_fd = vmo,
		.offset = page * PG,
		.length = n * PG,
		.ranges = (uintptr_t)ranges,
		.room = room,
	};
	__u32 i;
	int rc = vmo_ret(ioctl(pager, COWVMO_IOC_PAGER_QUERY_DIRTY, &arg));

	if (rc)
		return rc;
	for (i = 0; i < arg.out_nr; i++)
		out[i] = (struct dirty_pages) {
			.page = ranges[i].offset / PG,
			.n = ranges[i].length / PG,
			.zero = ranges[i].flags & COWVMO_DIRTY_IS_ZERO,
		};
	return arg.out_nr;
}

/*
 * All that is dirty, as text: "2+3 7+1z" are pages 2, 3, 4 and zeros at 7.
 */
static inline const char *pager_dirt(int pager, int vmo)
{
	static char text[2048];
	struct dirty_pages dirty[64];
	int i, at = 0, nr;

	nr = pager_query(pager, vmo, 0, vmo_size(vmo) / PG, dirty, 64);
	if (nr < 0) {
		snprintf(text, sizeof(text), "error %d", nr);
		return text;
	}
	text[0] = '\0';
	for (i = 0; i < nr; i++)
		at += snprintf(text + at, sizeof(text) - at, "%s%llu+%llu%s",
			       i ? " " : "", dirty[i].page, dirty[i].n,
			       dirty[i].zero ? "z" : "");
	return text;
}

/* Written to since last asked? Begins anew. Or -errno. */
static inline int pager_modified(int pager, int vmo)
{
	struct cowvmo_pager_query_stats arg = {
		.size = sizeof(arg),
		.flags = COWVMO_QUERY_STATS_RESET,
		.vmo_fd = vmo,
	};
	int rc = vmo_ret(ioctl(pager, COWVMO_IOC_PAGER_QUERY_STATS, &arg));

	return rc ? rc : !!(arg.out_flags & COWVMO_PAGER_STATS_MODIFIED);
}

static inline int pager_fault_error(int vmo, __u64 page)
{
	struct cowvmo_fault_error arg = {
		.size = sizeof(arg),
		.offset = page * PG,
	};
	int rc = vmo_ret(ioctl(vmo, COWVMO_IOC_GET_FAULT_ERROR, &arg));

	return rc ? rc : (int)arg.out_error;
}

/* --- Requests */

/* The next one as text, such as "READ 7 2+3", or what went wrong */
static inline const char *pager_next(int pager)
{
	static const char * const names[] = { "READ", "COMPLETE", "DIRTY" };
	struct pollfd fd = { .fd = pager, .events = POLLIN };
	struct cowvmo_pager_request request;
	static char text[128];
	ssize_t got;

	if (poll(&fd, 1, PAGER_GUARD) != 1)
		return "nothing";
	got = read(pager, &request, sizeof(request));
	if (got != sizeof(request) || request.size != sizeof(request) ||
	    request.command > 2 || request.flags || request.offset % PG ||
	    request.length % PG)
		snprintf(text, sizeof(text), "bad: %zd, errno %d", got, errno);
	else
		snprintf(text, sizeof(text), "%s %llu %llu+%llu",
			 names[request.command], request.key,
			 request.offset / PG, request.length / PG);
	return text;
}

/* The range of a request, in pages; false if it is none */
static inline bool pager_range(const char *request, __u64 *page, __u64 *n)
{
	const char *at = strrchr(request, ' ');
	char *end;

	if (!at)
		return false;
	*page = strtoull(at + 1, &end, 10);
	if (*end != '+')
		return false;
	*n = strtoull(end + 1, &end, 10);
	return !*end;
}

/* Is nothing to be read? */
static inline bool pager_is_quiet(int pager)
{
	struct pollfd fd = { .fd = pager, .events = POLLIN };

	return poll(&fd, 1, 0) == 0;
}

/* --- Those who wait */

enum task_kind {
	TASK_READ, TASK_WRITE, TASK_LOAD, TASK_STORE, TASK_COMMIT, TASK_ZERO,
	TASK_PIN, TASK_PIN_WRITE, TASK_PREFETCH, TASK_SET_SIZE,
};

/**
 * struct task - one access by a thread of its own
 * @kind: what it does
 * @fd: of the VMO
 * @page: first page
 * @n: number of pages
 * @seed: of patterns that are written
 * @mem: mapping, of page 0 on
 * @thread: who does it
 * @tid: its identity, once it runs
 * @ret: what came of it: 0 or more, or -errno; -SIGBUS - 1000 for a signal
 * @error: what GET_FAULT_ERROR says then
 * @buf: what was read
 */
struct task {
	enum task_kind kind;
	int fd;
	__u64 page, n, seed;
	unsigned char *mem;
	pthread_t thread;
	pid_t tid;
	long ret;
	int error;
	char *buf;
};

#define TASK_SIGBUS	(-1000L - SIGBUS)

static __thread sigjmp_buf task_env;

static inline void task_sigbus(int sig)
{
	(void)sig;
	siglongjmp(task_env, 1);
}

static inline long task_touch(struct task *task)
{
	volatile unsigned char *at = task->mem + task->page * PG;

	if (sigsetjmp(task_env, 1)) {
		task->error = pager_fault_error(task->fd, task->page);
		return TASK_SIGBUS;
	}
	if (task->kind == TASK_LOAD)
		return *at;
	*at = task->seed;
	return 0;
}

static inline long task_transfer(struct task *task)
{
	__u64 i;

	task->buf = malloc(task->n * PG);
	if (task->kind == TASK_READ)
		return vmo_ret(pread(task->fd, task->buf, task->n * PG,
				     task->page * PG));
	for (i = 0; i < task->n; i++)
		pat_mem_fill(task->buf + i * PG, task->seed + task->page + i);
	return vmo_ret(pwrite(task->fd, task->buf, task->n * PG,
			      task->page * PG));
}

static inline long task_do(struct task *task)
{
	__u64 offset = task->page * PG, length = task->n * PG;

	switch (task->kind) {
	case TASK_READ:
	case TASK_WRITE:
		return task_transfer(task);
	case TASK_LOAD:
	case TASK_STORE:
		return task_touch(task);
	case TASK_COMMIT:
		return vmo_commit(task->fd, offset, length);
	case TASK_ZERO:
		return vmo_zero(task->fd, offset, length);
	case TASK_PIN:
		return vmo_pin(task->fd, 0, offset, length);
	case TASK_PIN_WRITE:
		return vmo_pin(task->fd, COWVMO_PIN_WRITE, offset, length);
	case TASK_PREFETCH:
		return vmo_op(task->fd, COWVMO_OP_PREFETCH, offset, length,
			      NULL);
	case TASK_SET_SIZE:
		return vmo_set_size(task->fd, task->seed);
	}
	return -EINVAL;
}

static inline void *task_main(void *data)
{
	struct task *task = data;

	__atomic_store_n(&task->tid, gettid(), __ATOMIC_RELEASE);
	task->ret = task_do(task);
	return NULL;
}

static inline void task_ignore(int sig)
{
	(void)sig;
}

/* SIGUSR1 interrupts what it waits for, and is not restarted after. */
static inline void task_start(struct task *task)
{
	struct sigaction bus = { .sa_handler = task_sigbus };
	struct sigaction usr = { .sa_handler = task_ignore };

	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGUSR1, &usr, NULL);
	task->tid = 0;
	if (pthread_create(&task->thread, NULL, task_main, task))
		abort();
	while (!__atomic_load_n(&task->tid, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* What came of it; gives up, for good, on one that hangs. */
static inline long task_join(struct task *task)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PAGER_GUARD / 1000;
	if (pthread_timedjoin_np(task->thread, NULL, &until)) {
		fprintf(stderr, "# a thread hangs\n");
		_exit(1);
	}
	return task->ret;
}

static inline char task_state(pid_t tid)
{
	char path[64], line[256], *at;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (file_read(path, line, sizeof(line)) < 0)
		return '?';
	at = strrchr(line, ')');
	return at ? at[2] : '?';
}

/* Waits until the thread sleeps. */
static inline void task_sleeps(struct task *task)
{
	while (task_state(task->tid) != 'S')
		usleep(1000);
}

#endif /* COWVMO_SELFTEST_PAGER_H */
