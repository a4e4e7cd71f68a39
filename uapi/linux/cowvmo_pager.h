/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * cowvmo: user pagers, processes that are the source of a VMO's content.
 *
 * COWVMO_IOC_PAGER_CREATE on the device fd gives a pager fd,
 * COWVMO_IOC_PAGER_CREATE_VMO on that VMO fds. What such a VMO has not been
 * given yet is absent: whoever needs it waits, and read(2) on the pager fd tells
 * what is wanted. The pager answers with COWVMO_IOC_PAGER_OPS. Once answered,
 * content is shared by all mappings and clones, until the pager is asked no
 * more.
 *
 * What is written is dirty until the pager has written it back:
 * COWVMO_IOC_PAGER_QUERY_DIRTY tells what that is, COWVMO_PAGER_WRITEBACK_BEGIN
 * and _END frame the time that it takes.
 *
 * Conventions are those of linux/cowvmo.h. Behaviour of Zircon's pagers
 * (zx_pager_create() and relatives) where nothing else is said.
 *
 * When it fails. A waiter gets what the pager answered with COWVMO_PAGER_FAIL;
 * EPIPE when the VMO has been detached or the pager fd is closed, by whatever
 * death of its process; ETIMEDOUT when the pager has a timeout. A faulting
 * process gets SIGBUS, and COWVMO_IOC_GET_FAULT_ERROR tells it which. The next
 * access asks again. Every wait can be ended by a signal: a read or an ioctl by
 * any (EINTR, or it is restarted), a fault of the kernel's by one that kills.
 *
 * Who waits. A process that faults in user mode, reads, writes, or calls an
 * ioctl waits for the pager. The kernel itself, where it touches a mapping on
 * behalf of a system call, does not: an unprivileged pager could hold it up at
 * any such place. It gets EFAULT for what is absent, unless the pager was
 * created with COWVMO_PAGER_KERNEL_FAULTS.
 */
#ifndef _UAPI_LINUX_COWVMO_PAGER_H
#define _UAPI_LINUX_COWVMO_PAGER_H

#include <linux/cowvmo.h>

/**
 * enum cowvmo_pager_flags - flags of COWVMO_IOC_PAGER_CREATE
 * @COWVMO_PAGER_KERNEL_FAULTS: faults that do not come from user mode wait for
 *	this pager too: read(2) into a mapping, direct I/O, KVM,
 *	process_vm_readv(2). ptrace(2) and /proc/PID/mem never do. EPERM,
 *	unless the device fd is one of /dev/cowvmo-pager, or the caller has
 *	CAP_SYS_PTRACE, or the module's parameter kernel_faults is set
 */
enum cowvmo_pager_flags {
	COWVMO_PAGER_KERNEL_FAULTS	= 1 << 0,
};

/**
 * struct cowvmo_pager_create - ioctl(COWVMO_IOC_PAGER_CREATE), on the device fd
 * @size: sizeof(struct cowvmo_pager_create)
 * @flags: COWVMO_PAGER_KERNEL_FAULTS or 0; anything else is EINVAL
 * @timeout_ms: how long anybody waits for an answer, in milliseconds; 0: as
 *	long as it takes
 * @reserved: must be 0
 *
 * Returns a new close-on-exec fd, the pager. It can be polled (EPOLLIN: there
 * are requests) and read, by several threads at once; each request is given to
 * one of them. With O_NONBLOCK reading gives EAGAIN when there is none.
 *
 * When the fd is closed, what is present of its VMOs stays, and all else is as
 * after COWVMO_PAGER_DETACH.
 */
struct cowvmo_pager_create {
	__u32 size;
	__u32 flags;
	__u32 timeout_ms;
	__u32 reserved;
};

/**
 * enum cowvmo_pager_vmo_flags - flags of COWVMO_IOC_PAGER_CREATE_VMO
 * @COWVMO_PAGER_VMO_RESIZABLE: as COWVMO_CREATE_RESIZABLE
 * @COWVMO_PAGER_VMO_TRAP_DIRTY: the pager is asked before a clean page becomes
 *	dirty, so that it can reserve room
 */
enum cowvmo_pager_vmo_flags {
	COWVMO_PAGER_VMO_RESIZABLE	= 1 << 0,
	COWVMO_PAGER_VMO_TRAP_DIRTY	= 1 << 1,
};

/**
 * struct cowvmo_pager_create_vmo - ioctl(COWVMO_IOC_PAGER_CREATE_VMO), on a
 *	pager fd
 * @size: sizeof(struct cowvmo_pager_create_vmo)
 * @flags: of enum cowvmo_pager_vmo_flags; anything else is EINVAL
 * @key: comes back in each request
 * @vmo_size: size in bytes, as of COWVMO_IOC_CREATE (ERANGE)
 * @read_ahead: how much more than it needs a fault asks for when faults come in
 *	sequence, in bytes, a multiple of P; 0: nothing. More than
 *	COWVMO_PAGER_MAX_READ_AHEAD is EINVAL
 * @reserved: must be 0
 * @name: as of COWVMO_IOC_CREATE
 * @out_id: identity of the VMO, never used again, as in GET_INFO
 *
 * Returns a new close-on-exec fd of a VMO of which everything is absent.
 * ENOSPC: the pager has COWVMO_PAGER_MAX_VMOS already. EPIPE: it is being
 * closed.
 */
struct cowvmo_pager_create_vmo {
	__u32 size;
	__u32 flags;
	__aligned_u64 key;
	__aligned_u64 vmo_size;
	__u32 read_ahead;
	__u32 reserved;
	char name[COWVMO_NAME_LEN];
	__aligned_u64 out_id;
};

#define COWVMO_PAGER_MAX_READ_AHEAD	0x40000000U
/* Unless the administrator says otherwise, by the module's parameters. */
#define COWVMO_PAGER_MAX_VMOS		65536U
/* Requests that a pager has not answered; who would make one more gets EBUSY. */
#define COWVMO_PAGER_MAX_REQUESTS	65536U

/**
 * enum cowvmo_pager_command - what the pager is asked
 * @COWVMO_PAGER_READ: supply the range: somebody waits for content
 * @COWVMO_PAGER_COMPLETE: the last request for this VMO: it has been detached,
 *	or nobody can reach it any more. Offset and length are 0
 * @COWVMO_PAGER_DIRTY_ASKED: answer with COWVMO_PAGER_DIRTY: somebody waits to
 *	write
 */
enum cowvmo_pager_command {
	COWVMO_PAGER_READ		= 0,
	COWVMO_PAGER_COMPLETE		= 1,
	COWVMO_PAGER_DIRTY_ASKED	= 2,
};

/**
 * struct cowvmo_pager_request - what read(2) on a pager fd returns
 * @size: sizeof(struct cowvmo_pager_request) as the kernel knows it: where the
 *	next one begins
 * @command: of enum cowvmo_pager_command
 * @flags: 0
 * @key: of the VMO
 * @id: of the VMO
 * @offset: first byte, a multiple of P
 * @length: number of bytes, a multiple of P
 *
 * As many as fit into the buffer and are there; a buffer that is shorter than
 * one is EINVAL. A request that has been answered, or that nobody waits for any
 * more, before it is read is not delivered.
 */
struct cowvmo_pager_request {
	__u32 size;
	__u16 command;
	__u16 flags;
	__aligned_u64 key;
	__aligned_u64 id;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * enum cowvmo_pager_opcode - what a pager can do with a range of a VMO
 * @COWVMO_PAGER_SUPPLY: give content by moving the pages of @src_fd, an
 *	anonymous VMO that is open for reading and writing (EACCES), from byte
 *	@src on. That range of it reads zero afterwards. What it has no pages for
 *	becomes zeros that cost nothing. EOPNOTSUPP: @src_fd is contiguous or
 *	has a pager; EBUSY: a page of it is pinned
 * @COWVMO_PAGER_SUPPLY_COPY: give content by copying it from user memory at
 *	@src, or with COWVMO_PAGER_FROM_FILE from @src_fd at byte @src: what is
 *	beyond its end is zeros
 * @COWVMO_PAGER_SUPPLY_ZERO: give zeros, which cost nothing, whatever the length
 * @COWVMO_PAGER_FAIL: who waits now for the range gets error @code: EIO,
 *	EBADMSG, EBUSY, ENOSPC or EMSGSIZE; anything else is EINVAL
 * @COWVMO_PAGER_DIRTY: who waits to write to the range may. EOPNOTSUPP: the VMO
 *	is not TRAP_DIRTY. ENOENT: something of the range is absent; who waits
 *	there tries again, and nothing has become dirty
 * @COWVMO_PAGER_WRITEBACK_BEGIN: what is dirty of the range is being written
 *	back. With COWVMO_PAGER_IS_ZERO only zeros that hold no memory are meant.
 *	A page that is pinned, or that somebody holds who may write to it, stays
 *	dirty. Of zeros in one piece, the range must have the beginning, else that
 *	piece is left as it is
 * @COWVMO_PAGER_WRITEBACK_END: it has been written back. Pages that nobody has
 *	written to meanwhile are clean, zeros that hold no memory become absent
 * @COWVMO_PAGER_DETACH: the pager will give nothing any more. @offset and
 *	@length must be 0. Who waits gets EPIPE. What is clean and not pinned is
 *	dropped, what is dirty stays, can be queried and written back.
 *
 * All supplying leaves alone what is present. Pages that it makes are charged
 * to the memory cgroup of the pager.
 */
enum cowvmo_pager_opcode {
	COWVMO_PAGER_SUPPLY		= 1,
	COWVMO_PAGER_SUPPLY_COPY	= 2,
	COWVMO_PAGER_SUPPLY_ZERO	= 3,
	COWVMO_PAGER_FAIL		= 4,
	COWVMO_PAGER_DIRTY		= 5,
	COWVMO_PAGER_WRITEBACK_BEGIN	= 6,
	COWVMO_PAGER_WRITEBACK_END	= 7,
	COWVMO_PAGER_DETACH		= 8,
};

/**
 * enum cowvmo_pager_op_flags - flags of a struct cowvmo_pager_op
 * @COWVMO_PAGER_FROM_FILE: of SUPPLY_COPY
 * @COWVMO_PAGER_IS_ZERO: of WRITEBACK_BEGIN
 */
enum cowvmo_pager_op_flags {
	COWVMO_PAGER_FROM_FILE	= 1 << 0,
	COWVMO_PAGER_IS_ZERO	= 1 << 1,
};

/**
 * struct cowvmo_pager_op - one operation of COWVMO_IOC_PAGER_OPS
 * @op: of enum cowvmo_pager_opcode; anything else is EOPNOTSUPP
 * @flags: of enum cowvmo_pager_op_flags, as far as @op has any
 * @vmo_fd: an fd of the VMO that is open for writing (EACCES), or -1: the one
 *	with @vmo_id
 * @src_fd: see @op; -1 where it is not used
 * @vmo_id: identity of the VMO; 0 with @vmo_fd. Not one of this pager: EINVAL
 * @offset: first byte, a multiple of P (else EINVAL)
 * @length: number of bytes, a multiple of P (else EINVAL); a range beyond the
 *	size is ERANGE
 * @src: see @op; 0 where it is not used
 * @code: see @op; 0 where it is not used
 * @out_error: 0 or an errno value
 * @out_done: bytes of the range that are done, also after an error
 *
 * A VMO that is named by a clone or slice of it is EINVAL.
 */
struct cowvmo_pager_op {
	__u32 op;
	__u32 flags;
	__s32 vmo_fd;
	__s32 src_fd;
	__aligned_u64 vmo_id;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 src;
	__u32 code;
	__u32 out_error;
	__aligned_u64 out_done;
};

/**
 * struct cowvmo_pager_ops - ioctl(COWVMO_IOC_PAGER_OPS), on a pager fd
 * @size: sizeof(struct cowvmo_pager_ops)
 * @flags: must be 0
 * @ops: address of the operations
 * @nr: how many, up to COWVMO_PAGER_MAX_OPS; more, or none, is EINVAL
 * @op_size: sizeof(struct cowvmo_pager_op); how far they lie apart. EINVAL,
 *	E2BIG as of any struct
 * @out_nr: how many have been run
 * @reserved: must be 0
 *
 * Runs one after the other, all of them, whatever the outcome of each, which is
 * told in its out_error and out_done. Returns 0 if all went well, else fails
 * with the first error. Only EFAULT, or a signal, ends it early.
 */
struct cowvmo_pager_ops {
	__u32 size;
	__u32 flags;
	__aligned_u64 ops;
	__u32 nr;
	__u32 op_size;
	__u32 out_nr;
	__u32 reserved;
};

#define COWVMO_PAGER_MAX_OPS	4096U

/**
 * enum cowvmo_dirty_flags - flags of a struct cowvmo_dirty_range
 * @COWVMO_DIRTY_IS_ZERO: the range reads zero, and holds no memory
 */
enum cowvmo_dirty_flags {
	COWVMO_DIRTY_IS_ZERO	= 1 << 0,
};

/**
 * struct cowvmo_dirty_range - a dirty range
 * @offset: first byte
 * @length: number of bytes
 * @flags: of enum cowvmo_dirty_flags
 * @reserved: 0
 */
struct cowvmo_dirty_range {
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 flags;
	__u32 reserved;
};

/**
 * enum cowvmo_query_dirty_flags - flags of COWVMO_IOC_PAGER_QUERY_DIRTY
 * @COWVMO_QUERY_DIRTY_COUNT: fill in @out_available
 */
enum cowvmo_query_dirty_flags {
	COWVMO_QUERY_DIRTY_COUNT	= 1 << 0,
};

/**
 * struct cowvmo_pager_query_dirty - ioctl(COWVMO_IOC_PAGER_QUERY_DIRTY), on a
 *	pager fd
 * @size: sizeof(struct cowvmo_pager_query_dirty)
 * @flags: of enum cowvmo_query_dirty_flags; anything else is EINVAL
 * @vmo_fd: as in struct cowvmo_pager_op
 * @room: how many ranges fit at @ranges
 * @vmo_id: as in struct cowvmo_pager_op
 * @offset: first byte, a multiple of P (else EINVAL)
 * @length: number of bytes, a multiple of P (else EINVAL); beyond the size is
 *	ERANGE
 * @ranges: address of an array of struct cowvmo_dirty_range
 * @out_nr: how many of them have been filled in
 * @reserved: must be 0
 * @out_available: how many there are in the range, with
 *	COWVMO_QUERY_DIRTY_COUNT; else 0
 *
 * Tells what is dirty, or is being written back, in order; what lies side by
 * side is one range if it is of one kind.
 */
struct cowvmo_pager_query_dirty {
	__u32 size;
	__u32 flags;
	__s32 vmo_fd;
	__u32 room;
	__aligned_u64 vmo_id;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 ranges;
	__u32 out_nr;
	__u32 reserved;
	__aligned_u64 out_available;
};

/**
 * enum cowvmo_query_stats_flags - flags of COWVMO_IOC_PAGER_QUERY_STATS
 * @COWVMO_QUERY_STATS_RESET: begin anew after this
 */
enum cowvmo_query_stats_flags {
	COWVMO_QUERY_STATS_RESET	= 1 << 0,
};

/**
 * enum cowvmo_pager_stats_flags - what QUERY_STATS tells
 * @COWVMO_PAGER_STATS_MODIFIED: written to, zeroed or resized since it was reset
 */
enum cowvmo_pager_stats_flags {
	COWVMO_PAGER_STATS_MODIFIED	= 1 << 0,
};

/**
 * struct cowvmo_pager_query_stats - ioctl(COWVMO_IOC_PAGER_QUERY_STATS), on a
 *	pager fd
 * @size: sizeof(struct cowvmo_pager_query_stats)
 * @flags: COWVMO_QUERY_STATS_RESET or 0; anything else is EINVAL
 * @vmo_fd: as in struct cowvmo_pager_op
 * @out_flags: of enum cowvmo_pager_stats_flags
 * @vmo_id: as in struct cowvmo_pager_op
 */
struct cowvmo_pager_query_stats {
	__u32 size;
	__u32 flags;
	__s32 vmo_fd;
	__u32 out_flags;
	__aligned_u64 vmo_id;
};

/**
 * struct cowvmo_fault_error - ioctl(COWVMO_IOC_GET_FAULT_ERROR), on a VMO fd
 * @size: sizeof(struct cowvmo_fault_error)
 * @out_error: errno value, 0 if none is known
 * @offset: a byte of the VMO at which the calling thread has met SIGBUS
 *
 * Tells why: what COWVMO_PAGER_FAIL said, EPIPE, ETIMEDOUT, or EFAULT for a
 * fault of the kernel's that must not wait. The last few of a VMO are known.
 */
struct cowvmo_fault_error {
	__u32 size;
	__u32 out_error;
	__aligned_u64 offset;
};

/* The device fd */
#define COWVMO_IOC_PAGER_CREATE		_IO(COWVMO_IOC_TYPE, 0x02)

/* A VMO fd */
#define COWVMO_IOC_GET_FAULT_ERROR	_IO(COWVMO_IOC_TYPE, 0x50)

/* A pager fd */
#define COWVMO_IOC_PAGER_CREATE_VMO	_IO(COWVMO_IOC_TYPE, 0xa0)
#define COWVMO_IOC_PAGER_OPS		_IO(COWVMO_IOC_TYPE, 0xa1)
#define COWVMO_IOC_PAGER_QUERY_DIRTY	_IO(COWVMO_IOC_TYPE, 0xa2)
#define COWVMO_IOC_PAGER_QUERY_STATS	_IO(COWVMO_IOC_TYPE, 0xa3)

#endif /* _UAPI_LINUX_COWVMO_PAGER_H */
