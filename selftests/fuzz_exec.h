/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Carries out one operation of the fuzzer on the module and on the model, and
 * compares what the calls return. An operation that does not fit the state
 * returns false and has changed nothing.
 */
#ifndef COWVMO_SELFTEST_FUZZ_EXEC_H
#define COWVMO_SELFTEST_FUZZ_EXEC_H

#include "fuzz_ops.h"

#include <stdarg.h>
#include <sys/wait.h>

#include "kselftest.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

/* What the process that fails tells the one that started it */
struct f_verdict {
	char why[256];
};

static struct f_verdict *f_verdict;

/* A call has been refused since this was last cleared. */
static bool f_refused;

static inline __noreturn __printf(1, 2) void f_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f_verdict->why, sizeof(f_verdict->why), format, args);
	va_end(args);
	_exit(1);
}

static inline void f_want(const char *what, long got, long want)
{
	if (got != want)
		f_fail("%s: got %ld, want %ld", what, got, want);
	f_refused |= want < 0;
}

/* Access to mappings: 0 or the signal */

static sigjmp_buf f_fault_env;
static volatile sig_atomic_t f_fault_expected;

static inline void f_on_fault(int sig)
{
	if (f_fault_expected)
		siglongjmp(f_fault_env, sig);
	f_fail("signal %d outside of any access to a mapping", sig);
}

static inline void f_catch_faults(void)
{
	struct sigaction act = { .sa_handler = f_on_fault };

	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
}

static inline int f_copy(void *to, const void *from, size_t length)
{
	int sig = sigsetjmp(f_fault_env, 1);

	if (!sig) {
		f_fault_expected = 1;
		memcpy(to, from, length);
	}
	f_fault_expected = 0;
	return sig;
}

/* Accesses to the objects of the model */

static inline struct m_vmo *f_vmo(struct model *m, __u64 index)
{
	if (index >= M_VMOS || !m->vmo[index].used || m->vmo[index].fd < 0)
		return NULL;
	return &m->vmo[index];
}

static inline struct m_map *f_map(struct model *m, __u64 index, __u64 page,
				  __u64 pages)
{
	struct m_map *map;

	if (index >= M_MAPS || !m->map[index].used)
		return NULL;
	map = &m->map[index];
	if (page >= map->pages || pages > map->pages - page)
		return NULL;
	return map;
}

static inline bool f_inside(const struct m_vmo *vmo, __u64 offset,
			    __u64 length)
{
	return offset <= vmo->pages * PG && length <= vmo->pages * PG - offset;
}

/* The VMO as an object */

static inline bool f_create(struct model *m, const __u64 *arg)
{
	int fd;

	if (arg[0] >= M_VMOS || m->vmo[arg[0]].used ||
	    arg[1] > M_MAX_PAGES * PG)
		return false;
	if (arg[2] & COWVMO_CREATE_CONTIGUOUS)
		fd = vmo_contiguous(arg[1], 0);
	else
		fd = vmo_new(arg[1], arg[2]);
	if (arg[2] & COWVMO_CREATE_CONTIGUOUS && !arg[1]) {
		f_want("create a contiguous VMO of nothing", fd, -EINVAL);
		return true;
	}
	if (fd < 0)
		f_fail("create: %d", fd);
	m_create(m, arg[0], arg[1], arg[2]);
	m->vmo[arg[0]].fd = fd;
	m->vmo[arg[0]].id = vmo_id(fd);
	m->vmo[arg[0]].family = vmo_family(fd);
	return true;
}

static inline bool f_close(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);

	if (!vmo)
		return false;
	f_want("close", vmo_ret(close(vmo->fd)), 0);
	vmo->fd = -1;
	m_release(m, arg[0]);
	return true;
}

/* As a file */

/* Only who may resize it grows it; else the end moves within the size. */
static inline __u64 f_write_limit(const struct model *m,
				  const struct m_vmo *vmo)
{
	if (vmo->may_resize)
		return M_MAX_PAGES * PG;
	return m_sized(m, vmo)->pages * PG;
}

/* A write that ends there moves the ends. */
static inline void m_extend(struct m_vmo *sized, __u64 end)
{
	if (end > sized->stream)
		sized->stream = end;
	if (m_pages_of(end) > sized->pages)
		sized->pages = m_pages_of(end);
}

static inline bool f_write(struct model *m, const __u64 *arg)
{
	static unsigned char buf[M_MAX_PAGES * PG];
	struct m_vmo *vmo = f_vmo(m, arg[0]);
	__u64 offset = arg[1], length = arg[2];
	__u64 limit, at;
	long got;

	if (!vmo || !length || offset > m_sized(m, vmo)->stream)
		return false;
	limit = f_write_limit(m, vmo);
	if (length > sizeof(buf) ||
	    (vmo->may_resize && offset + length > limit))
		return false;
	at = vmo->first * PG + offset;
	m_bytes(buf, arg[3], at, length);
	got = vmo_ret(pwrite(vmo->fd, buf, length, offset));
	if (vmo->read_only) {
		f_want("write through a read-only fd", got, -EBADF);
		return true;
	}
	if (offset >= limit) {
		f_want("write past the end", got, -ENOSPC);
		return true;
	}
	if (m_write_error(m_store(m, vmo))) {
		f_want("write", got, m_write_error(m_store(m, vmo)));
		return true;
	}
	if (length > limit - offset)
		length = limit - offset;
	f_want("write", got, length);
	m_extend(m_sized(m, vmo), offset + length);
	m_write(m_store(m, vmo), at, length, arg[3]);
	return true;
}

static inline long f_decommit_error(const struct model *m,
				    const struct m_vmo *store, __u64 offset,
				    __u64 length)
{
	if (!length)
		return 0;
	if (store->sealed)
		return -EPERM;
	if (m_relatives(m, store - m->vmo))
		return -EOPNOTSUPP;
	if (offset % PG || length % PG)
		return -EINVAL;
	if (m_is_pinned(store, offset / PG, (offset + length) / PG))
		return -EBUSY;
	return m_is_contiguous(store) && !m_is_cached(store) ? -EBUSY : 0;
}

static inline bool f_range_op(struct model *m, const struct f_op *op)
{
	static const __u32 codes[F_KINDS] = {
		[F_COMMIT] = COWVMO_OP_COMMIT,
		[F_DECOMMIT] = COWVMO_OP_DECOMMIT,
		[F_ZERO] = COWVMO_OP_ZERO,
	};
	struct m_vmo *vmo = f_vmo(m, op->arg[0]);
	__u64 offset = op->arg[1], length = op->arg[2];
	struct m_vmo *store;
	long want = 0;
	__u64 at;

	if (!vmo || !f_inside(m_sized(m, vmo), offset, length))
		return false;
	store = m_store(m, vmo);
	at = vmo->first * PG + offset;
	if (vmo->read_only)
		want = -EACCES;
	else if (op->kind == F_DECOMMIT)
		want = f_decommit_error(m, store, at, length);
	else if (op->kind == F_ZERO && length)
		want = m_write_error(store);
	f_want(f_names[op->kind].name,
	       vmo_op(vmo->fd, codes[op->kind], offset, length, NULL), want);
	if (!want && op->kind == F_COMMIT)
		m_commit(store, at, length);
	else if (!want && op->kind == F_DECOMMIT)
		m_decommit(store, at, length);
	else if (!want)
		m_zero(store, at, length);
	return true;
}

static inline bool f_punch(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);
	long want, got;

	if (!vmo || !f_inside(m_sized(m, vmo), arg[1], arg[2]) || !arg[2])
		return false;
	want = vmo->read_only ? -EBADF : m_write_error(m_store(m, vmo));
	got = vmo_ret(fallocate(vmo->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				arg[1], arg[2]));
	f_want("punch", got, want);
	if (!want)
		m_zero(m_store(m, vmo), vmo->first * PG + arg[1], arg[2]);
	return true;
}

/* fallocate() to commit or to zero: 0 or an error, which has changed nothing */
static inline long f_allocate_error(const struct model *m,
				    const struct m_vmo *vmo, __u64 offset,
				    __u64 end, __u64 mode)
{
	const struct m_vmo *store = m_store(m, vmo), *sized = m_sized(m, vmo);
	__u64 size = sized->pages * PG;

	if (vmo->read_only)
		return -EBADF;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > sized->stream) {
		if (end > size && !vmo->may_resize)
			return -ENOSPC;
		if (store->sealed)
			return -EPERM;
		if (end > size)
			size = end;
	}
	if (mode & FALLOC_FL_ZERO_RANGE)
		return offset < size ? m_write_error(store) : 0;
	return end > size ? -ENOSPC : 0;
}

static inline bool f_allocate(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]), *sized;
	__u64 offset = arg[1], end = arg[1] + arg[2];
	__u64 at;
	long want;

	if (!vmo || !arg[2] || end > M_MAX_PAGES * PG ||
	    arg[3] & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE))
		return false;
	sized = m_sized(m, vmo);
	at = vmo->first * PG + offset;
	want = f_allocate_error(m, vmo, offset, end, arg[3]);
	f_want("fallocate", vmo_ret(fallocate(vmo->fd, arg[3], offset, arg[2])),
	       want);
	if (want)
		return true;
	if (!(arg[3] & FALLOC_FL_KEEP_SIZE))
		m_extend(sized, end);
	if (end > sized->pages * PG)
		end = sized->pages * PG;
	if (!(arg[3] & FALLOC_FL_ZERO_RANGE))
		m_commit(m_store(m, vmo), at, end - offset);
	else if (offset < end)
		m_zero(m_store(m, vmo), at, end - offset);
	return true;
}

static inline bool f_resize(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]), *store;
	long want = 0;

	if (!vmo || arg[1] > M_MAX_PAGES * PG)
		return false;
	store = m_store(m, vmo);
	if (vmo->read_only)
		want = -EACCES;
	else if (!vmo->may_resize || store->sealed)
		want = -EPERM;
	else if (m_is_pinned(store, m_pages_of(arg[1]), store->pages))
		want = -EBUSY;
	f_want("resize", vmo_set_size(vmo->fd, arg[1]), want);
	if (!want)
		m_resize(m, store, arg[1]);
	return true;
}

static inline bool f_stream(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);
	long want = 0;

	if (!vmo)
		return false;
	if (vmo->read_only)
		want = -EACCES;
	else if (m_is_contiguous(vmo))
		want = -EOPNOTSUPP;
	else if (arg[1] > m_sized(m, vmo)->pages * PG)
		want = -ERANGE;
	else if (arg[1] != m_sized(m, vmo)->stream)
		want = m_write_error(m_store(m, vmo));
	f_want("stream", vmo_set_stream_size(vmo->fd, arg[1]), want);
	if (!want)
		m_set_stream(m, vmo, arg[1]);
	return true;
}

static inline bool f_priority(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);

	if (!vmo || arg[1] > COWVMO_PRIORITY_HIGH)
		return false;
	f_want("priority", vmo_set_priority(vmo->fd, arg[1]),
	       vmo->read_only ? -EACCES : 0);
	if (!vmo->read_only)
		vmo->high = arg[1];
	return true;
}

/* Pinned */

static inline bool f_pin(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);
	__u64 offset = arg[2], length = arg[3];
	long want = 0;
	int fd;

	if (!vmo || arg[1] >= M_PINS || m->pin[arg[1]].used ||
	    arg[4] & ~COWVMO_PIN_WRITE ||
	    !f_inside(m_sized(m, vmo), offset, length))
		return false;
	if (vmo->read_only && arg[4] & COWVMO_PIN_WRITE)
		want = -EACCES;
	else if (offset % PG || length % PG || !length)
		want = -EINVAL;
	else if (m_store(m, vmo)->sealed && arg[4] & COWVMO_PIN_WRITE)
		want = -EPERM;
	fd = vmo_pin(vmo->fd, arg[4], offset, length);
	f_want("pin", fd < 0 ? fd : 0, want);
	if (fd < 0)
		return true;
	m_pin(m, arg[0], arg[1], offset / PG, length / PG, arg[4]);
	m->pin[arg[1]].fd = fd;
	return true;
}

/* Through a mapping of the pin, made for it; one that reads has none. */
static inline bool f_pin_store(struct model *m, const __u64 *arg)
{
	unsigned char buf[PG];
	struct m_pin *pin;
	struct m_vmo *vmo;
	char *mem;

	if (arg[0] >= M_PINS || !m->pin[arg[0]].used)
		return false;
	pin = &m->pin[arg[0]];
	if (arg[1] >= pin->pages || arg[2] >= PG || !arg[3] ||
	    arg[3] > PG - arg[2])
		return false;
	vmo = &m->vmo[pin->vmo];
	mem = mmap(NULL, pin->pages * PG, PROT_READ | PROT_WRITE, MAP_SHARED,
		   pin->fd, 0);
	f_want("mmap of a pin", mem == MAP_FAILED ? -errno : 0,
	       pin->writable ? 0 : -EACCES);
	if (mem == MAP_FAILED)
		return true;
	m_bytes(buf, arg[4], arg[2], arg[3]);
	f_want("signal of a store to a pin",
	       f_copy(mem + arg[1] * PG + arg[2], buf, arg[3]), 0);
	memcpy(m_page_own(m_store(m, vmo), vmo->first + pin->first +
			  arg[1])->data + arg[2], buf, arg[3]);
	f_want("munmap", vmo_ret(munmap(mem, pin->pages * PG)), 0);
	return true;
}

static inline bool f_unpin(struct model *m, const __u64 *arg)
{
	struct m_pin *pin;

	if (arg[0] >= M_PINS || !m->pin[arg[0]].used)
		return false;
	pin = &m->pin[arg[0]];
	f_want("unpin", vmo_ret(close(pin->fd)), 0);
	m_unpin(m, pin);
	return true;
}

#include "fuzz_map.h"
#include "fuzz_pair.h"
#include "fuzz_view.h"

static inline bool f_apply(struct model *m, const struct f_op *op)
{
	switch (op->kind) {
	case F_CREATE:		return f_create(m, op->arg);
	case F_CLONE:		return f_clone(m, op->arg);
	case F_SLICE:		return f_slice(m, op->arg);
	case F_REFERENCE:	return f_reference(m, op->arg);
	case F_CLOSE:		return f_close(m, op->arg);
	case F_WRITE:		return f_write(m, op->arg);
	case F_COMMIT:
	case F_DECOMMIT:
	case F_ZERO:		return f_range_op(m, op);
	case F_PUNCH:		return f_punch(m, op->arg);
	case F_ALLOCATE:	return f_allocate(m, op->arg);
	case F_RESIZE:		return f_resize(m, op->arg);
	case F_STREAM:		return f_stream(m, op->arg);
	case F_PRIORITY:	return f_priority(m, op->arg);
	case F_SEAL:		return f_seal(m, op->arg);
	case F_POLICY:		return f_policy(m, op->arg);
	case F_RESTORE:		return f_restore(m, op->arg);
	case F_COMPARE:		return f_compare(m, op->arg);
	case F_TRANSFER:	return f_transfer(m, op->arg);
	case F_REFLINK:		return f_reflink(m, op->arg);
	case F_COPY:		return f_copy_range(m, op->arg);
	case F_PIN:		return f_pin(m, op->arg);
	case F_PIN_STORE:	return f_pin_store(m, op->arg);
	case F_UNPIN:		return f_unpin(m, op->arg);
	case F_MAP:		return f_do_map(m, op->arg);
	case F_STORE:		return f_store(m, op->arg);
	case F_FORK_STORE:	return f_fork_store(m, op->arg);
	case F_PROTECT:		return f_protect(m, op->arg);
	case F_UNMAP:		return f_unmap(m, op->arg);
	case F_MOVE:		return f_move(m, op->arg);
	case F_DONTNEED:	return f_dontneed(m, op->arg);
	case F_POPULATE:	return f_populate(m, op->arg);
	case F_REMOVE:		return f_remove(m, op->arg);
	case F_LOOK:		return f_look(m, op->arg[0]);
	}
	return false;
}

#endif /* COWVMO_SELFTEST_FUZZ_EXEC_H */
