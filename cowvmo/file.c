// SPDX-License-Identifier: GPL-2.0
/*
 * The VMO as a file: what read, write, lseek, fallocate, ftruncate and fstat
 * do is what they do on a file in memory.
 *
 * Bytes are copied to and from user memory under vmo->lock with page faults
 * disabled, so that no reference to a page outlives the lock: the next
 * snapshot would have to treat it as a holder. Where the user's page is not there, the lock
 * is dropped and the page faulted in first; it may be a mapping of this VMO.
 *
 * Locking: the inode's lock orders everything that uses or changes the stream
 * size as an end of file, and is outside of vmo->lock.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uio.h>

#include "compat.h"
#include "cowvmo.h"
#include "pager.h"

/*
 * Copies always: copy_page_to_iter() would hand the page itself to a pipe, and
 * make it one that somebody holds.
 */
static size_t copy_out(struct page *page, unsigned int from, size_t bytes,
		       struct iov_iter *to)
{
	char *addr = kmap_local_page(page);
	size_t copied = copy_to_iter(addr + from, bytes, to);

	kunmap_local(addr);
	return copied;
}

/*
 * What a VMO with a pager has at a page, NULL where it reads zero. False: it is
 * absent, and to be asked for, as is the rest of the @bytes from @pos on.
 */
static bool find_paged(struct cowvmo *store, u64 pgoff, loff_t pos, u64 bytes,
		       struct ptree_desc **desc, struct cow_ask *ask)
{
	u64 last = pgoff + ((offset_in_page(pos) + bytes - 1) >> PAGE_SHIFT);
	struct cow_found found;

	cow_find(store, pgoff, &found);
	*desc = found.desc;
	if (!cow_found_absent(&found))
		return true;
	cow_ask_read(store, pgoff, last, ask);
	return false;
}

/*
 * Copies what is in one page; returns bytes copied, 0 at the end of file,
 * -EBUSY, or -EAGAIN: the page must be made present first.
 */
static ssize_t read_chunk_locked(struct cowvmo *vmo, loff_t pos,
				 struct iov_iter *to, size_t *wanted,
				 struct cow_ask *ask)
{
	loff_t left = i_size_read(&vmo->inode) - pos;
	u64 pgoff = vmo->view_first + (pos >> PAGE_SHIFT);
	unsigned int from = offset_in_page(pos);
	struct cowvmo *store = vmo->store;
	struct ptree_desc *desc;
	struct page *page;
	size_t copied;

	lockdep_assert_held(store->lock);
	*wanted = 0;
	if (!vmo_is_cached(store))
		return -EBUSY;
	if (left <= 0)
		return 0;
	*wanted = min3((size_t)(PAGE_SIZE - from), iov_iter_count(to),
		       (size_t)left);
	if (store->source) {
		if (!find_paged(store, pgoff, pos, min_t(u64, left,
							 iov_iter_count(to)),
				&desc, ask))
			return -EAGAIN;
	} else {
		desc = ptree_lookup(&store->tree, store->base + pgoff);
		if (!desc && vmo_fills_holes(store))
			return -EAGAIN;
	}
	page = desc ? cow_hold_page(desc) : NULL;
	pagefault_disable();
	copied = page ? copy_out(page, from, *wanted, to) :
			iov_iter_zero(*wanted, to);
	pagefault_enable();
	if (page)
		put_page(page);
	return copied;
}

/* After a short copy: a page of the user's is brought in, or a pipe is full. */
static bool can_go_on(struct iov_iter *to, size_t bytes)
{
	return user_backed_iter(to) &&
	       fault_in_iov_iter_writeable(to, bytes) != bytes;
}

static ssize_t read_chunk(struct cowvmo *vmo, loff_t pos, struct iov_iter *to,
			  size_t *wanted, bool nowait)
{
	u64 pgoff = vmo->view_first + (pos >> PAGE_SHIFT);
	ssize_t copied;
	int err = 0;

	while (!err) {
		struct cow_ask ask = {};

		down_read(vmo->store->lock);
		copied = read_chunk_locked(vmo, pos, to, wanted, &ask);
		up_read(vmo->store->lock);
		if (copied != -EAGAIN)
			return copied;
		if (!ask.source)
			err = cow_supply_page(vmo->store, pgoff,
					      COWVMO_GFP_CALL);
		else if (nowait)
			err = -EAGAIN;
		else
			err = cow_ask_wait(&ask, true);
	}
	return err;
}

static ssize_t cowvmo_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct cowvmo *vmo = file_to_vmo(iocb->ki_filp);
	ssize_t copied, done = 0;
	size_t wanted;
	int err = 0;

	while (iov_iter_count(to)) {
		copied = read_chunk(vmo, iocb->ki_pos, to, &wanted,
				    iocb->ki_flags & IOCB_NOWAIT);
		if (copied < 0)
			err = copied;
		if (copied < 0 || !wanted)
			break;
		iocb->ki_pos += copied;
		done += copied;
		if (copied < wanted && !can_go_on(to, wanted - copied)) {
			err = -EFAULT;
			break;
		}
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		cond_resched();
	}
	return done ?: err;
}

/* How far a write may reach; a fixed size ends it, with ENOSPC. */
static int clip_write(const struct cowvmo *vmo, loff_t pos,
		      struct iov_iter *from)
{
	u64 limit = vmo_size(vmo_sized(vmo));

	if (vmo->may_resize)
		limit = min_t(u64, COWVMO_MAX_SIZE,
			      (PTREE_MAX_INDEX - vmo->store->base) <<
			      PAGE_SHIFT);
	if (pos >= limit)
		return vmo->may_resize ? -EFBIG : -ENOSPC;
	iov_iter_truncate(from, limit - pos);
	return 0;
}

/* Where there is a pager, what comes to be is dirty zeros to begin with. */
static int make_room(struct cowvmo *vmo, u64 pgoff, u64 end,
		     struct cow_reserve *reserve)
{
	struct cowvmo *store = vmo->store;
	int err;

	if (!store->source || pgoff < store->nr_pages)
		return 0;
	if (vmo_is_pager_root(store)) {
		err = cow_extend_root(store, pgoff + 1, reserve);
		if (err)
			return err;
	}
	store->nr_pages = pgoff + 1;
	return 0;
}

/*
 * Writes into one page. *@copied is short, even 0, where the user's memory is
 * not there.
 */
static int write_chunk_locked(struct cowvmo *vmo, loff_t pos, size_t bytes,
			      struct iov_iter *from, size_t *copied,
			      struct cow_reserve *reserve)
{
	u64 pgoff = vmo->view_first + (pos >> PAGE_SHIFT);
	struct cowvmo *store = vmo->store;
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(store->lock);
	if (store->sealed)
		return -EPERM;
	if (!vmo_is_cached(store))
		return -EBUSY;
	/* A fixed size does not change, and the inode's lock keeps the rest. */
	err = make_room(vmo, pgoff, pos + bytes, reserve);
	if (!err)
		err = cow_write_page(store, pgoff, &write, reserve);
	if (err)
		return err;
	pagefault_disable();
	*copied = copy_page_from_iter_atomic(write.page, offset_in_page(pos),
					     bytes, from);
	pagefault_enable();

	if (!*copied && !store->source && pgoff >= store->nr_pages)
		cow_drop_page(store, pgoff);
	pos += *copied;
	if (*copied && pos > i_size_read(&vmo->inode)) {
		store->nr_pages = max_t(u64, store->nr_pages, pgoff + 1);
		cow_set_end(vmo, pos);
	}
	return 0;
}

static int write_chunk(struct cowvmo *vmo, loff_t pos, size_t bytes,
		       struct iov_iter *from, size_t *copied,
		       struct cow_reserve *reserve)
{
	int err;

	do {
		down_write(vmo->store->lock);
		err = write_chunk_locked(vmo, pos, bytes, from, copied,
					 reserve);
		up_write(vmo->store->lock);
		if (err != -ENOMEM)
			return err;
		err = cow_reserve_fill(reserve);
	} while (!err);
	return err;
}

/* With -EAGAIN a pager is to be asked before it can go on. */
static ssize_t write_chunks(struct cowvmo *vmo, struct kiocb *iocb,
			    struct iov_iter *from, struct cow_ask *ask)
{
	u64 first = vmo->view_first << PAGE_SHIFT;
	struct cow_reserve reserve;
	ssize_t done = 0;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	reserve.no_wait = true;
	reserve.ask_end = (first + iocb->ki_pos + iov_iter_count(from) - 1) /
			  PAGE_SIZE + 1;
	while (!err && iov_iter_count(from)) {
		size_t bytes = min(PAGE_SIZE - offset_in_page(iocb->ki_pos),
				   iov_iter_count(from));
		size_t copied = 0;

		if (fault_in_iov_iter_readable(from, bytes) == bytes) {
			err = -EFAULT;
			break;
		}
		err = write_chunk(vmo, iocb->ki_pos, bytes, from, &copied,
				  &reserve);
		iocb->ki_pos += copied;
		done += copied;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	*ask = reserve.ask;
	cow_reserve_drain(&reserve);
	return done ?: err;
}

/* As far as it goes without a pager: with 0 or more, there may be one to ask. */
static ssize_t write_some(struct cowvmo *vmo, struct kiocb *iocb,
			  struct iov_iter *from, struct cow_ask *ask)
{
	struct inode *inode = vmo_stream_inode(vmo);
	ssize_t ret;

	inode_lock(inode);
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		goto out;
	ret = clip_write(vmo, iocb->ki_pos, from);
	if (ret)
		goto out;
	ret = file_update_time(iocb->ki_filp);
	if (ret)
		goto out;
	ret = write_chunks(vmo, iocb, from, ask);
out:
	inode_unlock(inode);
	return ret;
}

/* Nobody else must have to wait for the inode's lock while we wait. */
static ssize_t cowvmo_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct cowvmo *vmo = file_to_vmo(iocb->ki_filp);
	ssize_t ret, done = 0;

	for (;;) {
		struct cow_ask ask = {};

		ret = write_some(vmo, iocb, from, &ask);
		if (ret > 0)
			done += ret;
		if (!ask.source || (ret < 0 && ret != -EAGAIN))
			break;
		ret = iocb->ki_flags & IOCB_NOWAIT ? -EAGAIN :
		      cow_ask_wait(&ask, true);
		if (ret)
			break;
		/* What is appended is so in one piece. */
		if (done)
			iocb->ki_flags &= ~IOCB_APPEND;
	}
	return done ?: ret;
}

/* Where there is a pager: what it has not given yet may be anything. */
static bool seek_paged(struct cowvmo *store, u64 at, u64 last, int whence,
		       u64 *pgoff)
{
	bool want_zero = whence == SEEK_HOLE;
	struct cow_found found;
	bool zero;

	for (; at <= last; at = max(found.last, at + store->base) -
			       store->base + 1) {
		cow_find(store, at, &found);
		zero = found.zero;
		if (found.desc)
			found.last = store->base + at;
		if (zero == want_zero) {
			*pgoff = at;
			return true;
		}
	}
	*pgoff = last + 1;
	return want_zero;
}

static loff_t seek_content(struct file *file, loff_t offset, int whence)
{
	struct cowvmo *vmo = file_to_vmo(file), *store = vmo->store;
	u64 base = store->base + vmo->view_first;
	loff_t ret = -ENXIO, end;
	u64 at, last, found;

	down_read(store->lock);
	end = i_size_read(&vmo->inode);
	if (offset < 0 || offset >= end)
		goto out;
	at = base + (offset >> PAGE_SHIFT);
	last = base + ((end - 1) >> PAGE_SHIFT);
	if (store->source) {
		if (!seek_paged(store, at - store->base, last - store->base,
				whence, &found))
			goto out;
		found += store->base;
	} else if (whence == SEEK_DATA) {
		if (!ptree_next_data(&store->tree, at, last, &found))
			goto out;
	} else if (!ptree_next_hole(&store->tree, at, last, &found)) {
		found = last + 1;
	}
	ret = (found - base) << PAGE_SHIFT;
	ret = min(max(ret, offset), end);
out:
	up_read(store->lock);
	return ret < 0 ? ret : vfs_setpos(file, ret, COWVMO_MAX_SIZE);
}

static loff_t cowvmo_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = vmo_stream_inode(file_to_vmo(file));
	loff_t ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek_size(file, offset, whence,
						COWVMO_MAX_SIZE,
						i_size_read(file_inode(file)));
	inode_lock(inode);
	ret = seek_content(file, offset, whence);
	inode_unlock(inode);
	return ret;
}

/**
 * cowvmo_extend() - move the end of file out, if it is not there yet
 * @vmo: any VMO
 * @end: where it shall be at least, in bytes
 *
 * Context: may sleep; the caller holds the lock of vmo_stream_inode().
 * Return: 0; -ENOSPC: beyond a size that cannot change; -EFBIG, -EPERM,
 * -ENOMEM, -EINTR.
 */
int cowvmo_extend(struct cowvmo *vmo, u64 end)
{
	struct cowvmo *store = vmo->store;
	struct cow_ask ask = {};	/* growing needs none */
	int err;

	if (end <= i_size_read(&vmo->inode))
		return 0;
	err = inode_newsize_ok(&vmo->inode, end);
	if (err)
		return err;
	if (end > vmo_size(vmo_sized(vmo))) {
		if (!vmo->may_resize)
			return -ENOSPC;
		err = cow_resize(store, end, &ask);
		return err == -ERANGE || err == -EINVAL ? -EFBIG : err;
	}
	down_write(store->lock);
	if (store->sealed)
		err = -EPERM;
	else
		cow_set_end(vmo, end);
	up_write(store->lock);
	return err;
}

static int allocate_range(struct cowvmo *vmo, u64 offset, u64 end,
			  struct cow_ask *ask)
{
	u64 done;

	/* A success promises memory, and there is none beyond the size. */
	if (end > vmo_size(vmo_sized(vmo)))
		return -ENOSPC;
	return cow_commit(vmo->store, offset + (vmo->view_first << PAGE_SHIFT),
			  end - offset, &done, ask);
}

static int zero_file_range(struct cowvmo *vmo, u64 offset, u64 end,
			   struct cow_ask *ask)
{
	u64 done;

	end = min(end, vmo_size(vmo_sized(vmo)));
	if (offset >= end)
		return 0;
	return cow_zero(vmo->store, offset + (vmo->view_first << PAGE_SHIFT),
			end - offset, &done, ask);
}

static int fallocate_locked(struct cowvmo *vmo, int mode, u64 offset, u64 end,
			    struct cow_ask *ask)
{
	u64 old_size = i_size_read(&vmo->inode);
	u64 old_pages = vmo_sized(vmo)->nr_pages;
	int err = 0;

	if (!(mode & FALLOC_FL_KEEP_SIZE))
		err = cowvmo_extend(vmo, end);
	if (err)
		return err;
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		err = zero_file_range(vmo, offset, end, ask);
	else
		err = allocate_range(vmo, offset, end, ask);
	if (err && i_size_read(&vmo->inode) != old_size)
		cow_undo_grow(vmo, old_pages, old_size);
	return err;
}

static bool fallocate_mode_is_known(int mode)
{
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_PUNCH_HOLE:
	case FALLOC_FL_ZERO_RANGE:
		return true;
	default:
		return false;
	}
}

static long cowvmo_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t len)
{
	struct cowvmo *vmo = file_to_vmo(file);
	struct inode *inode = vmo_stream_inode(vmo);
	int err;

	if (!fallocate_mode_is_known(mode))
		return -EOPNOTSUPP;
	do {
		struct cow_ask ask = {};

		inode_lock(inode);
		err = fallocate_locked(vmo, mode, offset, (u64)offset + len,
				       &ask);
		if (!err)
			err = file_update_time(file);
		inode_unlock(inode);
		if (err != -EAGAIN)
			return err;
		err = cow_ask_wait(&ask, true);
	} while (!err);
	return err;
}

/*
 * For the file behind a mapping of a slice, which is known by the page numbers
 * of its store: madvise(MADV_REMOVE) comes here with them.
 */
static long slice_map_fallocate(struct file *file, int mode, loff_t offset,
				loff_t len)
{
	loff_t first = file_to_vmo(file)->view_first << PAGE_SHIFT;

	if (offset < first)
		return -EINVAL;
	return cowvmo_fallocate(file, mode, offset - first, len);
}

static int set_size_of(struct cowvmo *vmo, u64 size)
{
	struct cowvmo *store = vmo->store;
	struct cow_ask ask = {};
	int err;

	if (!vmo->may_resize)
		return -EPERM;
	/* The VFS has locked the reference, if it is one. */
	if (store != vmo)
		inode_lock_nested(&store->inode, I_MUTEX_NONDIR2);
	/* The VFS has a lock of ours, which must not be waited with. */
	err = cow_resize(store, size, &ask);
	if (store != vmo)
		inode_unlock(&store->inode);
	return err == -ERANGE ? -EFBIG : err;
}

static int cowvmo_setattr(cowvmo_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE) {
		/* A path leads here from any fd, and tells of no right. */
		if (!(attr->ia_valid & ATTR_FILE))
			return -EACCES;
		err = set_size_of(inode_to_vmo(inode), attr->ia_size);
		if (err)
			return err;
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

static int cowvmo_getattr(cowvmo_idmap *idmap, const struct path *path,
			  struct kstat *stat, u32 request_mask,
			  unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct cowvmo *vmo = inode_to_vmo(inode), *store = vmo->store;

	cowvmo_fillattr(idmap, request_mask, inode, stat);
	if (!cowvmo_is_attributed(vmo))
		return 0;
	down_read(store->lock);
	stat->blocks = ptree_populated(&store->tree) << (PAGE_SHIFT - 9);
	up_read(store->lock);
	return 0;
}

static void cowvmo_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct cowvmo_get_info info = {};

	cowvmo_info(file_to_vmo(file), &info);
	if (!(file->f_mode & FMODE_WRITE))
		info.out_flags |= COWVMO_INFO_READ_ONLY_FD;
	seq_printf(m, "cowvmo-id:\t%llu\n", info.out_id);
	seq_printf(m, "cowvmo-parent:\t%llu\n", info.out_parent_id);
	seq_printf(m, "cowvmo-family:\t%llu\n", info.out_family_id);
	seq_printf(m, "cowvmo-store:\t%llu\n", file_to_store(file)->id);
	seq_printf(m, "cowvmo-children:\t%llu\n", info.out_num_children);
	seq_printf(m, "cowvmo-size:\t%llu\n", info.out_vmo_size);
	seq_printf(m, "cowvmo-stream-size:\t%llu\n", info.out_stream_size);
	seq_printf(m, "cowvmo-populated:\t%llu\n", info.out_populated_bytes);
	seq_printf(m, "cowvmo-flags:\t0x%x\n", info.out_flags);
	seq_puts(m, "cowvmo-name:\t");
	seq_escape(m, info.out_name, "\n\\");
	seq_putc(m, '\n');
}

/* Readable and writable as any file; EPOLLPRI: no children are left. */
static __poll_t cowvmo_poll(struct file *file, poll_table *wait)
{
	struct cowvmo *vmo = file_to_vmo(file);
	__poll_t mask = DEFAULT_POLLMASK;

	poll_wait(file, &vmo->family->wait, wait);
	if (!READ_ONCE(vmo->nr_children))
		mask |= EPOLLPRI;
	return mask;
}

/* Of the file behind a mapping of a slice; cowvmo_mmap() makes it. */
static const struct file_operations slice_map_fops = {
	.owner		= THIS_MODULE,
	.release	= cowvmo_release,
	.fallocate	= slice_map_fallocate,
	.fsync		= noop_fsync,
};

/**
 * cowvmo_map_file() - the file that a mapping is to have
 * @vmo: what is mapped
 * @writable: writes through the mapping may reach the VMO
 *
 * Context: may sleep.
 * Return: a file, or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct file *cowvmo_map_file(struct cowvmo *vmo, bool writable)
{
	return cowvmo_open_file(vmo, writable,
				vmo_is_slice(vmo) ? &slice_map_fops : NULL);
}

const struct file_operations cowvmo_file_fops = {
	.owner		= THIS_MODULE,
	.release	= cowvmo_release,
	.unlocked_ioctl	= cowvmo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= cowvmo_mmap,
	.read_iter	= cowvmo_read_iter,
	.write_iter	= cowvmo_write_iter,
	.splice_read	= cowvmo_splice_read,
	.splice_write	= iter_file_splice_write,
	.remap_file_range = cowvmo_remap_file_range,
	.llseek		= cowvmo_llseek,
	.poll		= cowvmo_poll,
	.fallocate	= cowvmo_fallocate,
	.fsync		= noop_fsync,
	.show_fdinfo	= cowvmo_show_fdinfo,
};

const struct inode_operations cowvmo_inode_ops = {
	.getattr	= cowvmo_getattr,
	.setattr	= cowvmo_setattr,
};
