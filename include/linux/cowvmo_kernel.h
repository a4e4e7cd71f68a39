/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowvmo for other modules: take a VMO by descriptor or make one, read and
 * write it, look its pages up, pin them.
 *
 * A handle is a VMO as one descriptor shows it, with the right of that to write
 * or not to write. As long as a module has a handle, the VMO lives, and is used
 * in the eyes of its relatives. A pin outlives the handle that it was made of.
 * Both keep cowvmo from being unloaded; and whoever uses these functions does.
 *
 * All of them may sleep and take locks that a page fault takes, except those
 * that say otherwise. What they do to a VMO is what the ioctls of
 * <linux/cowvmo.h> do, and the errors mean what they mean there; -EINTR comes
 * only to a task that is being killed. Offsets and lengths are in bytes.
 */
#ifndef _LINUX_COWVMO_KERNEL_H
#define _LINUX_COWVMO_KERNEL_H

#include <linux/cowvmo.h>
#include <linux/types.h>

struct cow_pin;
struct cowvmo_handle;
struct page;
struct sg_table;

/* --- Handles */

/**
 * cowvmo_make() - make a VMO, as COWVMO_IOC_CREATE does
 * @size: in bytes, rounded up to whole pages
 * @flags: COWVMO_CREATE_RESIZABLE, COWVMO_CREATE_CONTIGUOUS or 0
 * @align_log2: with CONTIGUOUS: the physical address is a multiple of 2 to the
 *	power of this, PAGE_SHIFT at least; 0: of PAGE_SIZE
 * @name: for people to read, less than COWVMO_NAME_LEN bytes
 *
 * A contiguous one that the page allocator has no memory for in one piece
 * counts towards the RLIMIT_MEMLOCK of the calling task.
 *
 * Return: a handle that may write, to be put; or an ERR_PTR:
 * -EINVAL: an unknown flag, both flags, @align_log2, CONTIGUOUS of no size, too
 * long a name; -ERANGE: too large; -ENOMEM; -ENFILE: no file to be had; -EINTR:
 * a contiguous one only.
 */
struct cowvmo_handle *cowvmo_make(u64 size, u32 flags, u32 align_log2,
				  const char *name);

/**
 * cowvmo_get() - take a VMO by a descriptor of the calling process
 * @fd: the descriptor
 * @write: the VMO is going to be written to
 *
 * Return: a handle that may do what the descriptor may, to be put; or an
 * ERR_PTR: -EBADF: it is not open; -EINVAL: it is no VMO's; -EACCES: @write,
 * and it is read-only.
 */
struct cowvmo_handle *cowvmo_get(int fd, bool write);

/**
 * cowvmo_snapshot() - a snapshot of a VMO, as COWVMO_IOC_CREATE_CHILD makes it
 * @vmo: the VMO
 * @flags: of enum cowvmo_create_flags
 * @offset: where it begins in @vmo, a multiple of PAGE_SIZE
 * @length: its size, rounded up to whole pages
 *
 * Return: a handle that may write unless @flags say otherwise, to be put; or
 * an ERR_PTR: -EINVAL: @flags, @offset, or the offsets of all generations are
 * too large together; -ERANGE: too large; -EOPNOTSUPP: of a slice; -EBUSY: a page is pinned, or
 * the cache policy is not CACHED; -ENOMEM; -ENFILE; -EINTR; -EIO: a page that
 * had to be copied is damaged.
 */
struct cowvmo_handle *cowvmo_snapshot(struct cowvmo_handle *vmo, u32 flags,
				      u64 offset, u64 length);

/**
 * cowvmo_read_only() - another handle of the same VMO, which cannot write
 * @vmo: the VMO
 *
 * For handing it, or a descriptor of it, to who may read only.
 *
 * Return: the handle, to be put; or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct cowvmo_handle *cowvmo_read_only(struct cowvmo_handle *vmo);

/**
 * cowvmo_to_fd() - a descriptor for the calling process
 * @vmo: the VMO
 *
 * Return: a close-on-exec descriptor that may do what the handle may, -EMFILE
 * or -ENOMEM. The handle stays the caller's.
 */
int cowvmo_to_fd(struct cowvmo_handle *vmo);

/**
 * cowvmo_put() - let go of a handle
 * @vmo: the handle
 *
 * Context: any in which fput() can be called.
 */
void cowvmo_put(struct cowvmo_handle *vmo);

/* --- Content */

/**
 * cowvmo_size() - the size of a VMO
 * @vmo: the VMO
 *
 * Return: bytes, a multiple of PAGE_SIZE.
 */
u64 cowvmo_size(struct cowvmo_handle *vmo);

/**
 * cowvmo_read() - read up to the end of the stream, as read(2) does
 * @vmo: the VMO
 * @buf: receives the content
 * @count: how many bytes
 * @offset: the first
 *
 * Return: how many were read, fewer at the end of the stream, or if the rest
 * failed; -EINVAL: it reaches beyond what any file has; -EBUSY: the cache policy
 * is not CACHED. Of a contiguous VMO, if pages have to come back: -EBUSY:
 * somebody holds one; -ENOMEM; -EINTR; -EIO: one is damaged.
 */
ssize_t cowvmo_read(struct cowvmo_handle *vmo, void *buf, size_t count,
		    u64 offset);

/**
 * cowvmo_write() - write, as write(2) does
 * @vmo: the VMO
 * @buf: the content
 * @count: how many bytes
 * @offset: the first; beyond the end of the stream it grows
 *
 * Return: how many were written, fewer if the rest failed; -EACCES: the handle
 * may not write; -EINVAL: as above; -EPERM: the VMO is sealed; -EBUSY: the
 * cache policy is not CACHED, or as above; -ENOSPC, -EFBIG: beyond the size, which cannot
 * grow; -ENOMEM; -EINTR; -EIO: a page that had to be copied is damaged.
 */
ssize_t cowvmo_write(struct cowvmo_handle *vmo, const void *buf, size_t count,
		     u64 offset);

/**
 * cowvmo_get_page() - the page at an offset
 * @vmo: the VMO
 * @offset: any byte of it
 *
 * For reading. The page is the VMO's content at this instant. Later writes may
 * go to it or to another page; relatives may share it. As long as it is
 * referred to, snapshots copy it, and the cache policy cannot change; if it is
 * borrowed of a contiguous VMO, that cannot have it back. What shall remain the
 * VMO's page, or be written to, has to be pinned.
 *
 * Return: the page, with a reference for the caller to put_page(); NULL: a
 * hole, which reads zero; or an ERR_PTR: -ERANGE: beyond the size.
 */
struct page *cowvmo_get_page(struct cowvmo_handle *vmo, u64 offset);

/**
 * cowvmo_op_range() - COMMIT, DECOMMIT or ZERO, as COWVMO_IOC_OP_RANGE does
 * @vmo: the VMO
 * @op: which
 * @offset: first byte
 * @length: number of bytes
 * @done: receives how many are done, counted from @offset; or NULL
 *
 * Return: 0; -EINVAL: an unknown @op, or DECOMMIT of parts of pages; -EACCES:
 * the handle may not write; -ERANGE: beyond the size; -EPERM: it is sealed;
 * -EOPNOTSUPP: DECOMMIT of what has relatives, or is contiguous while loans are
 * turned off; -EBUSY: DECOMMIT of what is
 * pinned, or of a contiguous VMO that is not CACHED, ZERO while the cache policy
 * is not CACHED, COMMIT of a page that is lent and held by somebody; -ENOMEM,
 * -EINTR, and after the last: @done tells how far it got; -EIO: a page that had
 * to be copied is damaged.
 */
int cowvmo_op_range(struct cowvmo_handle *vmo, enum cowvmo_range_op op,
		    u64 offset, u64 length, u64 *done);

/**
 * cowvmo_resize() - change the size, as COWVMO_IOC_SET_SIZE does
 * @vmo: the VMO
 * @size: in bytes, rounded up to whole pages
 *
 * Return: 0; -EACCES: the handle may not write; -EPERM: it is not RESIZABLE,
 * or sealed; -EBUSY: a pinned page would be cut off; -ERANGE: too large;
 * -EINVAL: too large with the offsets of all generations; -ENOMEM; -EINTR; -EIO:
 * a page that had to be copied is damaged.
 */
int cowvmo_resize(struct cowvmo_handle *vmo, u64 size);

/**
 * cowvmo_change_policy() - as COWVMO_IOC_SET_CACHE_POLICY does
 * @vmo: the VMO
 * @policy: how its memory is to be cached
 *
 * Return: 0; -EINVAL: an unknown @policy; -EACCES: the handle may not write;
 * -EOPNOTSUPP: the machine cannot do that; -EBUSY: it has relatives or views,
 * is mapped, or a page is pinned or referred to; -ENOMEM.
 */
int cowvmo_change_policy(struct cowvmo_handle *vmo,
			 enum cowvmo_cache_policy policy);

/* --- Pins */

/**
 * cowvmo_pin() - pin a range, as COWVMO_IOC_PIN does
 * @vmo: the VMO
 * @offset: first byte, a multiple of PAGE_SIZE
 * @length: number of bytes, a multiple of PAGE_SIZE and not 0
 * @flags: COWVMO_PIN_WRITE if the pages will be written to, or 0
 *
 * All pages of the range are there then, and remain the VMO's content until
 * cowvmo_unpin(); no relative shares them. All of the range is pinned or
 * nothing; memory that was made before an error stays. It does not count
 * towards anybody's RLIMIT_MEMLOCK: the module that asks for it decides how
 * much there may be.
 *
 * Return: the pin, or an ERR_PTR: -EINVAL: an unknown flag, or the range is
 * not one of whole pages; -EACCES: COWVMO_PIN_WRITE, and the handle may not
 * write; -ERANGE: beyond the size; -EPERM: COWVMO_PIN_WRITE, and it is sealed;
 * -EOVERFLOW: a page has COWVMO_MAX_PINS; -EBUSY: one is lent or borrowed, and
 * somebody holds it; -ENOMEM; -EINTR; -EIO: a page that had to be copied is
 * damaged.
 */
struct cow_pin *cowvmo_pin(struct cowvmo_handle *vmo, u64 offset, u64 length,
			   u32 flags);

/**
 * cowvmo_pin_length() - how much is pinned
 * @pin: the pin
 *
 * Context: any.
 * Return: bytes.
 */
u64 cowvmo_pin_length(const struct cow_pin *pin);

/**
 * cowvmo_pin_pages() - pages of a pin
 * @pin: the pin
 * @offset: where the first begins, counted from where the pin begins
 * @nr: how many
 * @pages: receives them, without references: they are good until
 *	cowvmo_unpin(). How the kernel's mapping of them is cached goes by the
 *	VMO's cache policy, which does not change while there is a pin
 *
 * Return: 0; -EINVAL: @offset is no multiple of PAGE_SIZE; -ERANGE: beyond the
 * end of the pin.
 */
int cowvmo_pin_pages(struct cow_pin *pin, u64 offset, unsigned int nr,
		     struct page **pages);

/**
 * cowvmo_pin_table() - the pages of a pin as a scatterlist, all of them
 * @pin: the pin
 * @max_segment: bytes that one entry may cover, as dma_get_max_seg_size()
 *	tells; UINT_MAX if it does not matter
 * @table: receives them; adjacent pages are one entry. For the caller to map
 *	with dma_map_sgtable(), and to free with sg_free_table()
 *
 * Return: 0; -EINVAL: @max_segment is less than a page; -ENOMEM.
 */
int cowvmo_pin_table(struct cow_pin *pin, unsigned int max_segment,
		     struct sg_table *table);

/**
 * cowvmo_unpin() - let go of a pin
 * @pin: the pin; no device works with its pages any more
 */
void cowvmo_unpin(struct cow_pin *pin);

#endif /* _LINUX_COWVMO_KERNEL_H */
