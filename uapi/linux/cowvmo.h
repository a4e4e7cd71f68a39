/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * cowvmo: copy-on-write virtual memory objects.
 *
 * open("/dev/cowvmo") gives a device fd; COWVMO_IOC_CREATE on it gives a VMO
 * fd, COWVMO_IOC_CREATE_CHILD on that gives further VMO fds, COWVMO_IOC_PIN on
 * a VMO fd gives a pin fd, which keeps pages where they are. A VMO fd is a
 * regular file of a file system of its own: read, write, lseek, mmap,
 * ftruncate, fallocate, fstat and fd passing do what they do on a memfd, poll
 * tells of children.
 *
 * Conventions
 *
 * Every ioctl takes a pointer to a struct whose first member, size, the
 * caller sets to sizeof the struct it was compiled with. A kernel that knows
 * a longer struct treats what is missing as zero; one that knows a shorter
 * struct accepts the surplus if it is zero. Members named out_* are written
 * by the kernel, and only as far as size reaches; what they hold before is
 * ignored. Padding and reserved members must be zero. All structs have the
 * same layout for 32- and 64-bit callers.
 *
 * Offsets and lengths are in bytes. P is the page size of the machine.
 *
 * Errors common to all ioctls; each ioctl adds its own:
 *
 * ENOTTY      not an ioctl of this kind of fd
 * EINVAL      size is shorter than the first version of the struct; a
 *             reserved member is not zero; a flag or code is not known
 * E2BIG       size is longer than the kernel's struct and the surplus is not
 *             zero: the caller asks for something this kernel does not know;
 *             or size is larger than P
 * EFAULT      the struct, or what it points to, cannot be read or written
 * EBADF       an fd named in the struct is not open
 * EACCES      the fd was not opened, or not created, for writing
 * EPERM       the VMO was not made RESIZABLE, or it is sealed
 * EBUSY       somebody uses the VMO in a way that the call must not disturb
 * ERANGE      a size or range lies outside the VMO, or outside what any VMO
 *             can have
 * EOPNOTSUPP  valid arguments, but not for this kind of VMO or in this state
 *             of its family
 * EOVERFLOW   a page has as many pins as it can have
 * ENOMEM      no memory, or the memory cgroup is at its limit, or the user is
 *             at RLIMIT_MEMLOCK
 * EIO         a page that had to be copied is damaged (a memory error of the
 *             hardware)
 * EINTR       a fatal signal arrived; out_done tells how far it got
 *
 * A call that fails has changed nothing, except where out_done says so.
 */
#ifndef _UAPI_LINUX_COWVMO_H
#define _UAPI_LINUX_COWVMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* 0: numbers and structs may still change. From 1 on they do not. */
#define COWVMO_ABI_VERSION	0

#define COWVMO_IOC_TYPE		0xD9

/* Bytes of a name, the terminating NUL included. */
#define COWVMO_NAME_LEN		32

/**
 * struct cowvmo_query - ioctl(COWVMO_IOC_QUERY), on the device fd
 * @size: sizeof(struct cowvmo_query)
 * @flags: must be 0
 * @out_abi_version: COWVMO_ABI_VERSION of the running module
 * @out_page_size: P, in bytes
 * @out_max_size: the largest size of a VMO, in bytes: 2^63 - P
 *
 * Tells what the running module is.
 */
struct cowvmo_query {
	__u32 size;
	__u32 flags;
	__u32 out_abi_version;
	__u32 out_page_size;
	__aligned_u64 out_max_size;
};

/**
 * enum cowvmo_create_flags - flags of COWVMO_IOC_CREATE and _CREATE_CHILD
 * @COWVMO_CREATE_RESIZABLE: the size may change: COWVMO_IOC_SET_SIZE,
 *	ftruncate(2), and a write(2) past the end grows it
 * @COWVMO_CREATE_NO_WRITE: children only: the new fd is read-only, for ever:
 *	no write, no writable mapping, no operation that changes content.
 *	Together with RESIZABLE: EINVAL
 * @COWVMO_CREATE_CONTIGUOUS: COWVMO_IOC_CREATE only: pages that follow each
 *	other in physical memory. Together with RESIZABLE: EINVAL
 * @COWVMO_CREATE_POINT_IN_TIME: a SNAPSHOT only: also of a VMO with a pager,
 *	the content of this instant. What is absent then is fetched when it is
 *	wanted; until then it must not change, so that zeroing it, or cutting it
 *	off, in the parent is EBUSY. EOPNOTSUPP of a clone or slice of such a VMO
 */
enum cowvmo_create_flags {
	COWVMO_CREATE_RESIZABLE		= 1 << 0,
	COWVMO_CREATE_NO_WRITE		= 1 << 1,
	COWVMO_CREATE_CONTIGUOUS	= 1 << 2,
	COWVMO_CREATE_POINT_IN_TIME	= 1 << 3,
};

/**
 * struct cowvmo_create - ioctl(COWVMO_IOC_CREATE), on the device fd
 * @size: sizeof(struct cowvmo_create)
 * @flags: COWVMO_CREATE_RESIZABLE, COWVMO_CREATE_CONTIGUOUS or 0; anything
 *	else is EINVAL
 * @vmo_size: size in bytes, 0 to 2^63 - P; larger is ERANGE. Rounded up to
 *	whole pages; the exact value becomes the stream size (st_size). 0 with
 *	CONTIGUOUS is EINVAL
 * @name: NUL-terminated name for people to read, shown in /proc and debugfs;
 *	no terminating NUL within COWVMO_NAME_LEN is EINVAL
 * @align_log2: with CONTIGUOUS: the physical address is a multiple of 2 to the
 *	power of this. 0: of P. Less than that, or more than 63, is EINVAL, as is
 *	anything but 0 without CONTIGUOUS
 * @reserved: must be 0
 *
 * Makes an anonymous VMO that reads zero everywhere and holds no memory.
 * Returns a new close-on-exec fd, open for reading and writing.
 *
 * A CONTIGUOUS one has all of its memory from the start, in one piece, and
 * keeps these very pages: what frees memory elsewhere clears it here. Its
 * stream size is its size, for ever. It can have slices, which are contiguous
 * too. EINVAL of it: snapshots. EOPNOTSUPP: references,
 * COWVMO_IOC_SET_STREAM_SIZE, COWVMO_IOC_TRANSFER from or to it.
 *
 * COWVMO_OP_DECOMMIT lends its pages to other VMOs. They come back, the same
 * pages, zeroed, when they are read, written, committed or pinned; EBUSY, or
 * SIGBUS, if somebody goes on holding one for a second: direct I/O, a pipe, a
 * debugger. The borrower has a copy then, and sees none of it.
 *
 * Memory in one piece that the page allocator does not have is made by moving
 * away what is there. The memory cgroup does not count it: it counts towards
 * RLIMIT_MEMLOCK of the user, unless the caller has CAP_IPC_LOCK. ENOMEM when
 * none can be had, or no place has that alignment; EINTR when the caller is
 * killed.
 *
 * The order of checks: @flags, @align_log2, @reserved and @name (EINVAL),
 * ERANGE, @vmo_size (EINVAL). Also fails with EMFILE or ENFILE. Behaviour of
 * Zircon's zx_vmo_create() and zx_vmo_create_contiguous().
 */
struct cowvmo_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 vmo_size;
	char name[COWVMO_NAME_LEN];
	__u32 align_log2;
	__u32 reserved;
};

/**
 * enum cowvmo_child_type - how a child relates to the VMO it is made from
 * @COWVMO_CHILD_SNAPSHOT: a copy of the content as it is at this instant;
 *	neither sees what the other writes later
 * @COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE: a copy that may go on seeing what
 *	the parent writes until the child writes to a page itself. Of a VMO
 *	without a pager it is a SNAPSHOT
 * @COWVMO_CHILD_SNAPSHOT_MODIFIED: a copy of what the parent has written
 *	itself. Of a VMO without a pager it is a SNAPSHOT
 * @COWVMO_CHILD_SLICE: a part of the parent under a descriptor of its own: the
 *	same pages, not a copy. It has its own name and stream size, and keeps
 *	its parent alive. EOPNOTSUPP of a resizable VMO
 * @COWVMO_CHILD_REFERENCE: the whole parent under another identity: the same
 *	pages, size and stream size, another name. EOPNOTSUPP of a slice
 *
 * Snapshots of a slice are EOPNOTSUPP without a pager: it has no content of its
 * own. Of what is
 * contiguous there are only slices: snapshots are EINVAL, a reference is
 * EOPNOTSUPP.
 */
enum cowvmo_child_type {
	COWVMO_CHILD_SNAPSHOT			= 1,
	COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE	= 2,
	COWVMO_CHILD_SNAPSHOT_MODIFIED		= 3,
	COWVMO_CHILD_SLICE			= 4,
	COWVMO_CHILD_REFERENCE			= 5,
};

/**
 * struct cowvmo_create_child - ioctl(COWVMO_IOC_CREATE_CHILD), on a VMO fd
 * @size: sizeof(struct cowvmo_create_child)
 * @type: one of enum cowvmo_child_type; anything else is EINVAL
 * @flags: of enum cowvmo_create_flags; anything else is EINVAL, as is
 *	RESIZABLE with a slice. RESIZABLE with a reference asks for the right to
 *	change the size; EPERM unless the fd it is made from has that
 * @reserved: must be 0
 * @offset: where the child begins in the parent, a multiple of P (else
 *	EINVAL). Of a snapshot it may lie beyond the parent's end. Of a
 *	reference: 0
 * @length: size of the child in bytes, rounded up to whole pages; 0 is
 *	allowed, more than 2^63 - P is ERANGE. The exact value becomes the
 *	child's stream size. What of a snapshot lies beyond the parent's end
 *	reads zero, also after the parent grows; a slice must lie within the
 *	parent (EINVAL). Of a reference: 0
 *
 * Makes a child and returns a new close-on-exec fd for it, open for reading
 * and, unless NO_WRITE, for writing; a slice or reference only if the fd it is
 * made from is. The cost of a snapshot depends on what was made writable in
 * mappings since the last one, not on the size.
 *
 * EINVAL also when the offsets of this and all earlier generations and @length
 * add up to 2^64 or more. ERANGE wins over EINVAL when @length cannot be rounded up.
 * Pages that anyone else holds at this instant (direct I/O, pipes, a debugger)
 * are copied for a snapshot.
 *
 * The order of checks: @length that cannot be rounded up (ERANGE), RESIZABLE
 * with NO_WRITE, then @type, @flags and @reserved (EINVAL), EPERM, for a slice
 * EOPNOTSUPP because of a resizable parent, @offset (EINVAL), too large
 * a @length (ERANGE), ranges and sums (EINVAL), EOPNOTSUPP because of a slice,
 * for a snapshot EBUSY because of a pin.
 *
 * Behaviour of Zircon's zx_vmo_create_child().
 */
struct cowvmo_create_child {
	__u32 size;
	__u32 type;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * enum cowvmo_range_op - operations of COWVMO_IOC_OP_RANGE
 * @COWVMO_OP_COMMIT: give every page of the range memory of its own, rounding
 *	outward to whole pages; content stays. May stop part-way
 * @COWVMO_OP_DECOMMIT: free the memory of the range, which then reads zero.
 *	The range must consist of whole pages (else EINVAL). EOPNOTSUPP while
 *	the VMO has relatives, that is, a living clone, parent or sibling.
 *	Slices and references are none: they have no memory of their own.
 *	EBUSY when a page of the range is pinned. Of a contiguous VMO the
 *	memory is not freed but lent; EOPNOTSUPP if the module is told not to,
 *	EBUSY while the VMO is not CACHED
 * @COWVMO_OP_ZERO: make the range read zero and free whole pages, but for
 *	pinned ones. Works in every state but EBUSY while not CACHED, and at
 *	any alignment
 *
 * @COWVMO_OP_PREFETCH: have what is absent of the range given by the VMO's
 *	pager, rounding outward to whole pages. Without a pager: nothing
 * @COWVMO_OP_ALWAYS_NEED: as PREFETCH, but that something cannot be had is no
 *	error
 * @COWVMO_OP_DONT_NEED: a hint without effect as yet
 *
 * COMMIT, DECOMMIT and ZERO need an fd open for writing (EACCES). With a pager,
 * all but DECOMMIT, which is EOPNOTSUPP then, can wait for it, and fail as it
 * says, with EPIPE, ETIMEDOUT or EINTR: see linux/cowvmo_pager.h.
 *
 * The order of checks: ERANGE, then success when @length is 0, then EPERM for
 * DECOMMIT and ZERO of what is sealed, EOPNOTSUPP, EINVAL for alignment, EBUSY.
 * COMMIT gets EBUSY when a page of a contiguous VMO that was lent is held by
 * somebody.
 */
enum cowvmo_range_op {
	COWVMO_OP_COMMIT	= 1,
	COWVMO_OP_DECOMMIT	= 2,
	COWVMO_OP_ZERO		= 3,
	COWVMO_OP_PREFETCH	= 4,
	COWVMO_OP_ALWAYS_NEED	= 5,
	COWVMO_OP_DONT_NEED	= 6,
};

/**
 * struct cowvmo_op_range - ioctl(COWVMO_IOC_OP_RANGE), on a VMO fd
 * @size: sizeof(struct cowvmo_op_range)
 * @op: one of enum cowvmo_range_op; anything else is EINVAL
 * @offset: first byte
 * @length: number of bytes; @offset + @length beyond the size is ERANGE
 * @out_done: bytes of the range that are done, counted from @offset. Written
 *	also when the call fails with ENOMEM, EINTR or EBUSY: repeat from there
 *
 * Behaviour of Zircon's zx_vmo_op_range().
 */
struct cowvmo_op_range {
	__u32 size;
	__u32 op;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 out_done;
};

/**
 * struct cowvmo_set_size - ioctl(COWVMO_IOC_SET_SIZE), on a VMO fd
 * @size: sizeof(struct cowvmo_set_size)
 * @flags: must be 0
 * @vmo_size: new size in bytes, rounded up to whole pages; the exact value
 *	becomes the stream size. More than 2^63 - P is ERANGE; 2^64 or more
 *	after adding the offsets of all generations is EINVAL
 *
 * Shrinking frees pages; what is regained by growing reads zero, in this VMO
 * and never again from a parent. EACCES without write access, EPERM when the
 * VMO is not RESIZABLE, EBUSY when a pinned page would be cut off. Behaviour of
 * Zircon's zx_vmo_set_size().
 */
struct cowvmo_set_size {
	__u32 size;
	__u32 flags;
	__aligned_u64 vmo_size;
};

/**
 * struct cowvmo_set_stream_size - ioctl(COWVMO_IOC_SET_STREAM_SIZE), VMO fd
 * @size: sizeof(struct cowvmo_set_stream_size)
 * @flags: must be 0
 * @stream_size: new end of file in bytes, at most the VMO's size (else
 *	ERANGE)
 *
 * Changes st_size without changing the VMO's size. Everything from the
 * smaller of the old and the new stream size on becomes zero; the unchanged
 * value changes nothing. Behaviour of Zircon's zx_vmo_set_stream_size().
 */
struct cowvmo_set_stream_size {
	__u32 size;
	__u32 flags;
	__aligned_u64 stream_size;
};

/**
 * enum cowvmo_info_want - what COWVMO_IOC_GET_INFO shall compute
 * @COWVMO_INFO_MEMORY: private, scaled and metadata bytes. These take time
 *	in proportion to what the family shares, and hold it still meanwhile
 */
enum cowvmo_info_want {
	COWVMO_INFO_MEMORY	= 1 << 0,
};

/**
 * enum cowvmo_info_flags - properties of a VMO
 * @COWVMO_INFO_RESIZABLE: made RESIZABLE
 * @COWVMO_INFO_COW_CLONE: made by CREATE_CHILD as a copy
 * @COWVMO_INFO_IMMUTABLE: a snapshot made with NO_WRITE
 * @COWVMO_INFO_READ_ONLY_FD: this fd is read-only
 * @COWVMO_INFO_SLICE: a slice
 * @COWVMO_INFO_REFERENCE: a reference
 * @COWVMO_INFO_SEALED: its content never changes again
 * @COWVMO_INFO_CONTIGUOUS: made CONTIGUOUS, or a slice of such a VMO
 * @COWVMO_INFO_HIGH_PRIORITY: its memory is left alone by reclaim
 * @COWVMO_INFO_PAGER_BACKED: content comes from a pager, also through others
 */
enum cowvmo_info_flags {
	COWVMO_INFO_RESIZABLE		= 1 << 0,
	COWVMO_INFO_COW_CLONE		= 1 << 1,
	COWVMO_INFO_IMMUTABLE		= 1 << 2,
	COWVMO_INFO_READ_ONLY_FD	= 1 << 3,
	COWVMO_INFO_SLICE		= 1 << 4,
	COWVMO_INFO_REFERENCE		= 1 << 5,
	COWVMO_INFO_SEALED		= 1 << 6,
	COWVMO_INFO_CONTIGUOUS		= 1 << 7,
	COWVMO_INFO_HIGH_PRIORITY	= 1 << 8,
	COWVMO_INFO_PAGER_BACKED	= 1 << 9,
};

/**
 * struct cowvmo_get_info - ioctl(COWVMO_IOC_GET_INFO), on a VMO fd
 * @size: sizeof(struct cowvmo_get_info)
 * @want: of enum cowvmo_info_want; anything else is EINVAL
 * @out_flags: of enum cowvmo_info_flags
 * @out_cache_policy: of enum cowvmo_cache_policy
 * @out_vmo_size: size in bytes, a multiple of P
 * @out_stream_size: end of file in bytes (st_size)
 * @out_id: identity of this VMO, unique while the module is loaded, never 0
 * @out_parent_id: identity of the VMO it was made from, or of the nearest
 *	living ancestor; 0 when there is none
 * @out_num_children: VMOs whose parent this one is. poll(2) reports POLLPRI
 *	while there are none
 * @out_populated_bytes: memory that this VMO can see: P for each page that is
 *	its own or shared with relatives. A page that is lent counts where it is
 * @out_private_bytes: the part that no relative can see; 0 without
 *	COWVMO_INFO_MEMORY, as the three below
 * @out_scaled_bytes: each page divided by the number of VMOs that can see it;
 *	summed over a family this is the memory really used
 * @out_scaled_fraction: further 1/2^63 parts of a byte, below 2^63
 * @out_metadata_bytes: kernel memory for the tree behind this VMO, shared
 *	parts counted in full
 * @out_name: the name, NUL-terminated
 * @out_family_id: the same for all that descend from one CREATE, and for
 *	nobody else
 * @out_committed_bytes: the part of @out_populated_bytes that is in pages, not
 *	compressed: all of it, as nothing is compressed yet
 * @out_committed_private_bytes: the same part of @out_private_bytes
 * @out_committed_scaled_bytes: the same part of @out_scaled_bytes
 * @out_committed_scaled_fraction: the same part of @out_scaled_fraction
 * @out_committed_change_events: how often memory was compressed or taken away
 *	by the system: 0, as none is
 *
 * Of a slice, and of a reference while the VMO it was made from or an older
 * reference lives, all memory members are 0: its pages are counted there.
 *
 * Works on read-only fds too.
 */
struct cowvmo_get_info {
	__u32 size;
	__u32 want;
	__u32 out_flags;
	__u32 out_cache_policy;
	__aligned_u64 out_vmo_size;
	__aligned_u64 out_stream_size;
	__aligned_u64 out_id;
	__aligned_u64 out_parent_id;
	__aligned_u64 out_num_children;
	__aligned_u64 out_populated_bytes;
	__aligned_u64 out_private_bytes;
	__aligned_u64 out_scaled_bytes;
	__aligned_u64 out_scaled_fraction;
	__aligned_u64 out_metadata_bytes;
	char out_name[COWVMO_NAME_LEN];
	__aligned_u64 out_family_id;
	__aligned_u64 out_committed_bytes;
	__aligned_u64 out_committed_private_bytes;
	__aligned_u64 out_committed_scaled_bytes;
	__aligned_u64 out_committed_scaled_fraction;
	__aligned_u64 out_committed_change_events;
};

/**
 * struct cowvmo_set_name - ioctl(COWVMO_IOC_SET_NAME), on a VMO fd
 * @size: sizeof(struct cowvmo_set_name)
 * @flags: must be 0
 * @name: the new name; no NUL within COWVMO_NAME_LEN is EINVAL
 *
 * Works on read-only fds too. Children made later inherit the name.
 */
struct cowvmo_set_name {
	__u32 size;
	__u32 flags;
	char name[COWVMO_NAME_LEN];
};

/**
 * struct cowvmo_transfer - ioctl(COWVMO_IOC_TRANSFER), on the VMO fd that gets
 * @size: sizeof(struct cowvmo_transfer)
 * @src_fd: the VMO fd that gives, open for writing (else EACCES; EBADF if not
 *	open, EINVAL if no VMO)
 * @flags: must be 0
 * @reserved: must be 0
 * @dst_offset: where the range begins in the VMO that gets
 * @src_offset: where it begins in the VMO that gives
 * @length: number of bytes. All three are multiples of P (else EINVAL)
 * @out_done: bytes of the range that are done. Written also when the call
 *	fails with ENOMEM or EINTR: repeat from there
 *
 * Moves the content of a range. The source reads zero there afterwards, and
 * what the destination had is gone. Pages that the source alone sees, and
 * nobody holds, go without a copy; they stay charged to the memory cgroup that
 * they are charged to. Holes become holes.
 *
 * Within one VMO the ranges must not overlap (EINVAL); to where it is already
 * a range can be moved. ERANGE: a range is not within its VMO. EPERM: one of
 * the two is sealed. EBUSY: a page of a range is pinned, or the cache policy
 * of one of the two is not CACHED. Both fds must be open for writing (EACCES).
 *
 * Behaviour of Zircon's zx_vmo_transfer_data().
 */
struct cowvmo_transfer {
	__u32 size;
	__s32 src_fd;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 dst_offset;
	__aligned_u64 src_offset;
	__aligned_u64 length;
	__aligned_u64 out_done;
};

/**
 * enum cowvmo_restore_flags - flags of COWVMO_IOC_RESTORE
 * @COWVMO_RESTORE_KEEP: pages that the VMO has for itself stay where they are,
 *	mapped and writable, and are overwritten: the VMO keeps that memory, and
 *	the next write to such a page is no fault. It is no instant any more:
 *	what others write meanwhile may be lost or kept, page by page, and
 *	readers may see some pages restored before others. For callers that have
 *	stopped all of them. Where pages cannot stay (there is one to restore
 *	where the VMO has none, one is held for I/O since before the last
 *	snapshot, the size differs), it is done as without the flag
 */
enum cowvmo_restore_flags {
	COWVMO_RESTORE_KEEP	= 1 << 0,
};

/**
 * struct cowvmo_restore - ioctl(COWVMO_IOC_RESTORE), on a VMO fd
 * @size: sizeof(struct cowvmo_restore)
 * @src_fd: a VMO fd of the same family that begins at the same place: a
 *	snapshot made with offset 0 of this VMO, or of one of which both are
 *	such snapshots
 * @flags: of enum cowvmo_restore_flags
 * @reserved: must be 0
 *
 * Gives the VMO the content that the other has at this instant; with it, the
 * size and the stream size. Mappings stay and show it. They share pages
 * afterwards, as after a snapshot. The cost depends on what is different, not
 * on the size.
 *
 * EBADF: @src_fd is not open. EINVAL: it is no VMO, or not such a relative, or
 * is of another size and this VMO not RESIZABLE. EOPNOTSUPP: one is a slice.
 * EPERM: this VMO is sealed. EBUSY: one of them has pinned pages. The other is
 * not changed, and may be read-only.
 */
struct cowvmo_restore {
	__u32 size;
	__s32 src_fd;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct cowvmo_range - a range of a VMO
 * @offset: first byte
 * @length: number of bytes
 */
struct cowvmo_range {
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * struct cowvmo_compare - ioctl(COWVMO_IOC_COMPARE), on a VMO fd
 * @size: sizeof(struct cowvmo_compare)
 * @other_fd: a VMO fd of the same family (else EINVAL; EBADF if not open)
 * @flags: must be 0
 * @nr_ranges: length of @ranges; more than 4096 are treated as 4096
 * @offset: first byte to compare; whole pages are compared
 * @length: number of bytes; beyond the size is ERANGE
 * @ranges: address of an array of struct cowvmo_range
 * @out_nr: how many ranges were written to @ranges
 * @out_reserved: written 0
 * @out_next: where to go on; @offset + @length when that was all
 *
 * Tells where the two do not show the same page of memory, in ascending order,
 * as offsets of the VMO that is asked; ranges that touch are one. What is not
 * reported is equal. What is reported may be: a page written with what it held
 * before is another page, and so is a page of zeros beside a hole. The cost
 * depends on how much is reported, not on the size.
 *
 * Pages correspond by their place in the family's content: byte 0 of
 * a snapshot made at offset X is byte X of its parent. What the other does not
 * reach is compared with zero. Works on read-only fds too.
 */
struct cowvmo_compare {
	__u32 size;
	__s32 other_fd;
	__u32 flags;
	__u32 nr_ranges;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 ranges;
	__u32 out_nr;
	__u32 out_reserved;
	__aligned_u64 out_next;
};

/**
 * struct cowvmo_seal - ioctl(COWVMO_IOC_SEAL), on a VMO fd
 * @size: sizeof(struct cowvmo_seal)
 * @flags: must be 0
 *
 * From now on the content and the size of the VMO never change, whoever has
 * what descriptor of it, its slices or its references. What would change them
 * fails with EPERM, mapping it shared and writable too. It can still be read,
 * mapped, committed, and cloned; a clone is not sealed.
 *
 * EBUSY when a shared mapping could write to it, a page of it is pinned, or
 * somebody holds a page for I/O that was in such a mapping. Needs an fd open for
 * writing (EACCES). Sealing what is sealed changes nothing. As memfd's
 * F_SEAL_WRITE.
 */
struct cowvmo_seal {
	__u32 size;
	__u32 flags;
};

/**
 * enum cowvmo_open_flags - flags of COWVMO_IOC_OPEN
 * @COWVMO_OPEN_NO_WRITE: the new fd is read-only, for ever
 */
enum cowvmo_open_flags {
	COWVMO_OPEN_NO_WRITE	= 1 << 0,
};

/**
 * struct cowvmo_open - ioctl(COWVMO_IOC_OPEN), on a VMO fd
 * @size: sizeof(struct cowvmo_open)
 * @flags: COWVMO_OPEN_NO_WRITE; anything else is EINVAL
 *
 * Returns a new close-on-exec fd of the same VMO, to be handed to who may read
 * but not write. Also fails with EMFILE or ENFILE.
 */
struct cowvmo_open {
	__u32 size;
	__u32 flags;
};

/**
 * enum cowvmo_cache_policy - policies of COWVMO_IOC_SET_CACHE_POLICY
 * @COWVMO_CACHE_CACHED: as any memory
 * @COWVMO_CACHE_UNCACHED: every access goes to memory
 * @COWVMO_CACHE_UNCACHED_DEVICE: as registers of a device are accessed. On x86
 *	the same as UNCACHED
 * @COWVMO_CACHE_WRITE_COMBINING: writes are collected, reads go to memory
 */
enum cowvmo_cache_policy {
	COWVMO_CACHE_CACHED		= 0,
	COWVMO_CACHE_UNCACHED		= 1,
	COWVMO_CACHE_UNCACHED_DEVICE	= 2,
	COWVMO_CACHE_WRITE_COMBINING	= 3,
};

/**
 * struct cowvmo_set_cache_policy - ioctl(COWVMO_IOC_SET_CACHE_POLICY), VMO fd
 * @size: sizeof(struct cowvmo_set_cache_policy)
 * @policy: one of enum cowvmo_cache_policy; anything else is EINVAL
 *
 * Says how the processor is to cache the VMO's memory, in the kernel and in
 * all mappings. The content stays.
 *
 * A VMO that is not CACHED is accessed through mappings. Reading a hole of it
 * through one gives it memory. These fail with EBUSY: read(2), write(2),
 * COWVMO_OP_ZERO, COWVMO_IOC_SET_STREAM_SIZE that changes something,
 * COWVMO_IOC_CREATE_CHILD except for a slice of a contiguous VMO, a private
 * mapping, and COWVMO_OP_DECOMMIT of a contiguous VMO. They, and all mappings,
 * fail with EBUSY also while the policy is changing.
 *
 * In this order: success when the VMO has that policy; EOPNOTSUPP when the
 * machine cannot have it (on other machines than x86 all but CACHED); EBUSY
 * when the VMO is a child of any kind or has one, is mapped, or has a page
 * that is pinned or held by anybody else (direct I/O, a pipe, a debugger), or is
 * contiguous and not all of its pages are there.
 *
 * Needs an fd open for writing (EACCES). Behaviour of Zircon's
 * zx_vmo_set_cache_policy().
 */
struct cowvmo_set_cache_policy {
	__u32 size;
	__u32 policy;
};

/**
 * enum cowvmo_priority - priorities of COWVMO_IOC_SET_PRIORITY
 * @COWVMO_PRIORITY_DEFAULT: as that of any memory
 * @COWVMO_PRIORITY_HIGH: reclaim leaves it alone
 */
enum cowvmo_priority {
	COWVMO_PRIORITY_DEFAULT	= 0,
	COWVMO_PRIORITY_HIGH	= 1,
};

/**
 * struct cowvmo_set_priority - ioctl(COWVMO_IOC_SET_PRIORITY), on a VMO fd
 * @size: sizeof(struct cowvmo_set_priority)
 * @priority: one of enum cowvmo_priority; anything else is EINVAL
 *
 * The memory of a VMO is of high priority while this VMO is, or any that lives
 * below it; a slice or reference stands for what it shows. A VMO's own
 * priority ends when it does, with its last descriptor, mapping and slice;
 * children do not inherit it. COWVMO_INFO_HIGH_PRIORITY tells how it is.
 *
 * Needs an fd open for writing (EACCES). Setting what is set changes nothing.
 * Behaviour of a Zircon memory profile.
 */
struct cowvmo_set_priority {
	__u32 size;
	__s32 priority;
};

/**
 * enum cowvmo_lookup_flags - flags of COWVMO_IOC_LOOKUP
 * @COWVMO_LOOKUP_POPULATED: only pages that have memory; holes are left out
 * @COWVMO_LOOKUP_PRIVATE: only pages that no relative sees. What is shared is
 *	passed over without looking at each page
 * @COWVMO_LOOKUP_SHARERS: count the VMOs that see each page. The family is held
 *	still for it, a batch of pages at a time
 */
enum cowvmo_lookup_flags {
	COWVMO_LOOKUP_POPULATED	= 1 << 0,
	COWVMO_LOOKUP_PRIVATE	= 1 << 1,
	COWVMO_LOOKUP_SHARERS	= 1 << 2,
};

/**
 * enum cowvmo_page_kind - what a page of a VMO is made of
 * @COWVMO_KIND_HOLE: nothing; it reads zero
 * @COWVMO_KIND_PAGE: a page of memory
 *
 * More kinds will come with compression and pagers.
 */
enum cowvmo_page_kind {
	COWVMO_KIND_HOLE	= 0,
	COWVMO_KIND_PAGE	= 1,
};

/**
 * enum cowvmo_page_flags - what is known of a page with memory
 * @COWVMO_PAGE_PRIVATE: no relative sees it: closing the VMO would free it
 * @COWVMO_PAGE_WRITABLE: it has been writable in a mapping since the last
 *	snapshot: the next one has to write-protect it
 * @COWVMO_PAGE_MAPPED: it is mapped, by whatever VMO that sees it
 * @COWVMO_PAGE_HELD: somebody refers to it who is neither a VMO nor a mapping:
 *	direct I/O, a pipe, a debugger. While mappings come and go it may be
 *	told of a page that nobody holds
 * @COWVMO_PAGE_PINNED: it is pinned: @pins of struct cowvmo_page_state is not 0
 */
enum cowvmo_page_flags {
	COWVMO_PAGE_PRIVATE	= 1 << 0,
	COWVMO_PAGE_WRITABLE	= 1 << 1,
	COWVMO_PAGE_MAPPED	= 1 << 2,
	COWVMO_PAGE_HELD	= 1 << 3,
	COWVMO_PAGE_PINNED	= 1 << 4,
};

/**
 * struct cowvmo_page_state - one page, as COWVMO_IOC_LOOKUP sees it
 * @offset: where it begins in the VMO, a multiple of P
 * @pfn: its page frame number; 0 for callers without CAP_SYS_ADMIN
 * @flags: of enum cowvmo_page_flags
 * @sharers: VMOs with content of their own that see it, 1 for a private one; 0
 *	without COWVMO_LOOKUP_SHARERS
 * @pins: how many pins hold it
 * @kind: of enum cowvmo_page_kind
 * @dirty: written 0; for pagers
 * @queue: written 0; for reclaim
 * @reserved: written 0
 *
 * Of a hole all but @offset and @kind is 0.
 */
struct cowvmo_page_state {
	__aligned_u64 offset;
	__aligned_u64 pfn;
	__u32 flags;
	__u32 sharers;
	__u32 pins;
	__u8 kind;
	__u8 dirty;
	__u8 queue;
	__u8 reserved;
};

/**
 * struct cowvmo_lookup - ioctl(COWVMO_IOC_LOOKUP), on a VMO fd
 * @size: sizeof(struct cowvmo_lookup)
 * @flags: of enum cowvmo_lookup_flags; anything else is EINVAL
 * @offset: first byte of the range
 * @length: number of bytes; the range is rounded outward to whole pages.
 *	@offset + @length beyond the size is ERANGE
 * @pages: user address of an array of struct cowvmo_page_state
 * @nr_pages: length of that array; 0 is EINVAL
 * @entry_size: sizeof(struct cowvmo_page_state), which is the distance of two
 *	entries. Shorter than the first version, larger than P or no multiple
 *	of 8 is EINVAL; what the kernel does not know is written 0
 * @out_nr: entries written
 * @out_reserved: written 0
 * @out_next: where to go on: what lies before it has been looked at. When it is
 *	@offset + @length, that is all
 *
 * Tells what the pages of a range are, in ascending order, as many as there is
 * room for. It changes nothing, and works on read-only fds. The range is looked
 * at in pieces, each at one instant.
 *
 * @out_nr and @out_next are written also when the call fails with EFAULT,
 * because @pages cannot be written, or with EINTR. Pages that are cut off
 * meanwhile are passed over.
 *
 * With PRIVATE it is the Lookup of Zircon's VmCowPages, with POPULATED its
 * LookupReadable.
 */
struct cowvmo_lookup {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 pages;
	__u32 nr_pages;
	__u32 entry_size;
	__u32 out_nr;
	__u32 out_reserved;
	__aligned_u64 out_next;
};

/**
 * enum cowvmo_pin_flags - flags of COWVMO_IOC_PIN
 * @COWVMO_PIN_WRITE: the pages will be written to through the pin. Needs an fd
 *	open for writing (EACCES); a sealed VMO: EPERM
 */
enum cowvmo_pin_flags {
	COWVMO_PIN_WRITE	= 1 << 0,
};

/* Pins that any one page can have. */
#define COWVMO_MAX_PINS		31

/**
 * struct cowvmo_pin - ioctl(COWVMO_IOC_PIN), on a VMO fd
 * @size: sizeof(struct cowvmo_pin)
 * @flags: COWVMO_PIN_WRITE or 0; anything else is EINVAL
 * @offset: first byte, a multiple of P (else EINVAL)
 * @length: number of bytes, a multiple of P and not 0 (else EINVAL);
 *	@offset + @length beyond the size is ERANGE
 *
 * Gives each page of the range memory of the VMO's own and holds it there: as
 * long as the pin lives, these very pages are the content. They are not
 * replaced, moved or freed, so that a device can be told where they are.
 * Returns a new close-on-exec fd, the pin. It lives as long as that fd, a
 * duplicate or a mapping of it does, and keeps the VMO alive. A pin without
 * COWVMO_PIN_WRITE also works on read-only fds.
 *
 * While any page of a VMO is pinned, EBUSY is what these get: a snapshot of
 * it, also of a part that is not pinned; COWVMO_IOC_SEAL. While a page in
 * question is pinned: COWVMO_OP_DECOMMIT, a new size that cuts it off.
 * Everything else works and finds the same page: COWVMO_OP_ZERO, hole punching
 * and COWVMO_IOC_SET_STREAM_SIZE clear it in place.
 *
 * The pin fd can be mapped, with MAP_SHARED only (else EINVAL), for writing
 * only with COWVMO_PIN_WRITE (else EACCES). Offsets count from where the pin
 * begins; what reaches beyond its end is EINVAL. Drivers can hold the pages of
 * such a mapping for long.
 *
 * Each page of each pin counts towards RLIMIT_MEMLOCK of the user, unless the
 * caller has CAP_IPC_LOCK: ENOMEM. EOVERFLOW when a page has COWVMO_MAX_PINS
 * already. All of the range is pinned, or nothing; memory that was committed
 * before a failure stays. Until the call has failed, others may see the pin.
 *
 * The order of checks: @flags (EINVAL), EACCES, @offset and @length (EINVAL),
 * ERANGE, EPERM, EOVERFLOW, ENOMEM. EBUSY when a page is one that was lent, by
 * this VMO or to it, and somebody goes on holding it. Also fails with EMFILE or
 * ENFILE. Behaviour of Zircon's zx_bti_pin().
 */
struct cowvmo_pin {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * struct cowvmo_pin_export - ioctl(COWVMO_IOC_PIN_EXPORT), on a pin fd
 * @size: sizeof(struct cowvmo_pin_export)
 * @flags: must be 0
 *
 * Makes the pin a dma-buf, for drivers that import these, and returns a new
 * close-on-exec fd of it. The pages are those of the pin. The dma-buf is the
 * pin's size, holds the pin as long as it lives, and may be made more than
 * once.
 *
 * Of a pin with COWVMO_PIN_WRITE it is open for reading and writing. Of one
 * without it is read-only: processes can map it for reading only, and importers
 * only for a device that reads (DMA_TO_DEVICE); others get EACCES.
 *
 * EOPNOTSUPP: the kernel has no dma-bufs. Also fails with EMFILE or ENFILE.
 */
struct cowvmo_pin_export {
	__u32 size;
	__u32 flags;
};

/* The device fd */
#define COWVMO_IOC_QUERY		_IO(COWVMO_IOC_TYPE, 0x00)
#define COWVMO_IOC_CREATE		_IO(COWVMO_IOC_TYPE, 0x01)

/* A VMO fd */
#define COWVMO_IOC_CREATE_CHILD		_IO(COWVMO_IOC_TYPE, 0x40)
#define COWVMO_IOC_OP_RANGE		_IO(COWVMO_IOC_TYPE, 0x41)
#define COWVMO_IOC_SET_SIZE		_IO(COWVMO_IOC_TYPE, 0x42)
#define COWVMO_IOC_SET_STREAM_SIZE	_IO(COWVMO_IOC_TYPE, 0x43)
#define COWVMO_IOC_GET_INFO		_IO(COWVMO_IOC_TYPE, 0x44)
#define COWVMO_IOC_SET_NAME		_IO(COWVMO_IOC_TYPE, 0x45)
#define COWVMO_IOC_TRANSFER		_IO(COWVMO_IOC_TYPE, 0x46)
#define COWVMO_IOC_RESTORE		_IO(COWVMO_IOC_TYPE, 0x47)
#define COWVMO_IOC_COMPARE		_IO(COWVMO_IOC_TYPE, 0x4a)
#define COWVMO_IOC_SEAL			_IO(COWVMO_IOC_TYPE, 0x48)
#define COWVMO_IOC_OPEN			_IO(COWVMO_IOC_TYPE, 0x49)
#define COWVMO_IOC_SET_CACHE_POLICY	_IO(COWVMO_IOC_TYPE, 0x4d)
#define COWVMO_IOC_SET_PRIORITY		_IO(COWVMO_IOC_TYPE, 0x4e)
#define COWVMO_IOC_LOOKUP		_IO(COWVMO_IOC_TYPE, 0x4c)
#define COWVMO_IOC_PIN			_IO(COWVMO_IOC_TYPE, 0x4b)

/* A pin fd */
#define COWVMO_IOC_PIN_EXPORT		_IO(COWVMO_IOC_TYPE, 0x80)

#endif /* _UAPI_LINUX_COWVMO_H */
