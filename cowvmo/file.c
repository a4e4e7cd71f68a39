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
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uio.h>

#include "compat.h"
#include "cowvmo.h"

/* Copies what is in one page; returns bytes copied, 0 at the end of file. */
static size_t read_chunk_locked(struct cowvmo *vmo, loff_t pos,
				struct iov_iter *to, size_t *wanted)
{
	loff_t left = i_size_read(&vmo->inode) - pos;
	unsigned int from = offset_in_page(pos);
	struct ptree_desc *desc;
	struct page *page;
	size_t copied;

	lockdep_assert_held(&vmo->lock);
	*wanted = 0;
	if (left <= 0)
		return 0;
	*wanted = min3((size_t)(PAGE_SIZE - from), iov_iter_count(to),
		       (size_t)left);
	desc = ptree_lookup(&vmo->tree, vmo->base + (pos >> PAGE_SHIFT));
	page = desc ? cow_hold_page(desc) : NULL;
	pagefault_disable();
	if (page)
		copied = copy_page_to_iter(page, from, *wanted, to);
	else
		copied = iov_iter_zero(*wanted, to);
	pagefault_enable();
	if (page)
		put_page(page);
	return copied;
}

static ssize_t cowvmo_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct cowvmo *vmo = file_to_vmo(iocb->ki_filp);
	size_t copied, wanted;
	ssize_t done = 0;
	int err = 0;

	while (iov_iter_count(to)) {
		down_read(&vmo->lock);
		copied = read_chunk_locked(vmo, iocb->ki_pos, to, &wanted);
		up_read(&vmo->lock);
		if (!wanted)
			break;
		iocb->ki_pos += copied;
		done += copied;
		if (copied < wanted &&
		    fault_in_iov_iter_writeable(to, wanted - copied) ==
		    wanted - copied) {
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
	u64 limit = vmo_size(vmo);

	if (vmo->flags & COWVMO_INFO_RESIZABLE)
		limit = min_t(u64, COWVMO_MAX_SIZE,
			      (PTREE_MAX_INDEX - vmo->base) << PAGE_SHIFT);
	if (pos >= limit)
		return vmo->flags & COWVMO_INFO_RESIZABLE ? -EFBIG : -ENOSPC;
	iov_iter_truncate(from, limit - pos);
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
	struct cow_write write = {};
	int err;

	lockdep_assert_held_write(&vmo->lock);
	/* A fixed size does not change, and the inode's lock keeps the rest. */
	err = cow_write_page(vmo, pos >> PAGE_SHIFT, &write, reserve);
	if (err)
		return err;
	pagefault_disable();
	*copied = copy_page_from_iter_atomic(write.page, offset_in_page(pos),
					     bytes, from);
	pagefault_enable();

	if (!*copied && pos >= vmo_size(vmo))
		cow_drop_page(vmo, pos >> PAGE_SHIFT);
	pos += *copied;
	if (*copied && pos > i_size_read(&vmo->inode)) {
		vmo->nr_pages = max_t(u64, vmo->nr_pages,
				      DIV_ROUND_UP_ULL(pos, PAGE_SIZE));
		i_size_write(&vmo->inode, pos);
	}
	return 0;
}

static int write_chunk(struct cowvmo *vmo, loff_t pos, size_t bytes,
		       struct iov_iter *from, size_t *copied,
		       struct cow_reserve *reserve)
{
	int err;

	do {
		down_write(&vmo->lock);
		err = write_chunk_locked(vmo, pos, bytes, from, copied,
					 reserve);
		up_write(&vmo->lock);
		if (err != -ENOMEM)
			return err;
		err = cow_reserve_fill(reserve);
	} while (!err);
	return err;
}

static ssize_t write_chunks(struct cowvmo *vmo, struct kiocb *iocb,
			    struct iov_iter *from)
{
	struct cow_reserve reserve;
	ssize_t done = 0;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
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
	cow_reserve_drain(&reserve);
	return done ?: err;
}

static ssize_t cowvmo_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct cowvmo *vmo = file_to_vmo(iocb->ki_filp);
	ssize_t ret;

	inode_lock(&vmo->inode);
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		goto out;
	ret = clip_write(vmo, iocb->ki_pos, from);
	if (ret)
		goto out;
	ret = file_update_time(iocb->ki_filp);
	if (ret)
		goto out;
	ret = write_chunks(vmo, iocb, from);
out:
	inode_unlock(&vmo->inode);
	return ret;
}

static loff_t seek_content(struct file *file, loff_t offset, int whence)
{
	struct cowvmo *vmo = file_to_vmo(file);
	loff_t ret = -ENXIO, end;
	u64 at, last, found;

	down_read(&vmo->lock);
	end = i_size_read(&vmo->inode);
	if (offset < 0 || offset >= end)
		goto out;
	at = vmo->base + (offset >> PAGE_SHIFT);
	last = vmo->base + ((end - 1) >> PAGE_SHIFT);
	if (whence == SEEK_DATA) {
		if (!ptree_next_data(&vmo->tree, at, last, &found))
			goto out;
	} else if (!ptree_next_hole(&vmo->tree, at, last, &found)) {
		found = last + 1;
	}
	ret = (found - vmo->base) << PAGE_SHIFT;
	ret = min(max(ret, offset), end);
out:
	up_read(&vmo->lock);
	return ret < 0 ? ret : vfs_setpos(file, ret, COWVMO_MAX_SIZE);
}

static loff_t cowvmo_llseek(struct file *file, loff_t offset, int whence)
{
	loff_t ret;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek_size(file, offset, whence,
						COWVMO_MAX_SIZE,
						i_size_read(file_inode(file)));
	inode_lock(file_inode(file));
	ret = seek_content(file, offset, whence);
	inode_unlock(file_inode(file));
	return ret;
}

/* Moves the end of file out to @end, if it is not there yet. */
static int extend_to(struct cowvmo *vmo, u64 end)
{
	int err;

	if (end <= i_size_read(&vmo->inode))
		return 0;
	err = inode_newsize_ok(&vmo->inode, end);
	if (err)
		return err;
	if (end > vmo_size(vmo)) {
		if (!(vmo->flags & COWVMO_INFO_RESIZABLE))
			return -ENOSPC;
		err = cow_resize(vmo, end);
		return err == -ERANGE || err == -EINVAL ? -EFBIG : err;
	}
	down_write(&vmo->lock);
	i_size_write(&vmo->inode, end);
	up_write(&vmo->lock);
	return 0;
}

static int allocate_range(struct cowvmo *vmo, u64 offset, u64 end)
{
	u64 done;

	/* A success promises memory, and there is none beyond the size. */
	if (end > vmo_size(vmo))
		return -ENOSPC;
	return cow_commit(vmo, offset, end - offset, &done);
}

static int zero_file_range(struct cowvmo *vmo, u64 offset, u64 end)
{
	u64 done;

	end = min(end, vmo_size(vmo));
	if (offset >= end)
		return 0;
	return cow_zero(vmo, offset, end - offset, &done);
}

static int fallocate_locked(struct cowvmo *vmo, int mode, u64 offset, u64 end)
{
	u64 old_size = i_size_read(&vmo->inode), old_pages = vmo->nr_pages;
	int err = 0;

	if (!(mode & FALLOC_FL_KEEP_SIZE))
		err = extend_to(vmo, end);
	if (err)
		return err;
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		err = zero_file_range(vmo, offset, end);
	else
		err = allocate_range(vmo, offset, end);
	if (err && i_size_read(&vmo->inode) != old_size)
		cow_undo_grow(vmo, old_pages, old_size);
	return err;
}

static long cowvmo_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t len)
{
	struct cowvmo *vmo = file_to_vmo(file);
	int err;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_PUNCH_HOLE:
	case FALLOC_FL_ZERO_RANGE:
		break;
	default:
		return -EOPNOTSUPP;
	}
	inode_lock(&vmo->inode);
	err = fallocate_locked(vmo, mode, offset, (u64)offset + len);
	if (!err)
		err = file_update_time(file);
	inode_unlock(&vmo->inode);
	return err;
}

static int cowvmo_setattr(cowvmo_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct cowvmo *vmo = inode_to_vmo(inode);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE) {
		if (!(vmo->flags & COWVMO_INFO_RESIZABLE))
			return -EPERM;
		err = cow_resize(vmo, attr->ia_size);
		if (err)
			return err == -ERANGE ? -EFBIG : err;
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

static int cowvmo_getattr(cowvmo_idmap *idmap, const struct path *path,
			  struct kstat *stat, u32 request_mask,
			  unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct cowvmo *vmo = inode_to_vmo(inode);

	cowvmo_fillattr(idmap, request_mask, inode, stat);
	down_read(&vmo->lock);
	stat->blocks = ptree_populated(&vmo->tree) << (PAGE_SHIFT - 9);
	up_read(&vmo->lock);
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
	seq_printf(m, "cowvmo-children:\t%llu\n", info.out_num_children);
	seq_printf(m, "cowvmo-size:\t%llu\n", info.out_vmo_size);
	seq_printf(m, "cowvmo-stream-size:\t%llu\n", info.out_stream_size);
	seq_printf(m, "cowvmo-populated:\t%llu\n", info.out_populated_bytes);
	seq_printf(m, "cowvmo-flags:\t0x%x\n", info.out_flags);
	seq_puts(m, "cowvmo-name:\t");
	seq_escape(m, info.out_name, "\n\\");
	seq_putc(m, '\n');
}

const struct file_operations cowvmo_file_fops = {
	.owner		= THIS_MODULE,
	.release	= cowvmo_release,
	.unlocked_ioctl	= cowvmo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= cowvmo_mmap,
	.read_iter	= cowvmo_read_iter,
	.write_iter	= cowvmo_write_iter,
	.llseek		= cowvmo_llseek,
	.fallocate	= cowvmo_fallocate,
	.fsync		= noop_fsync,
	.show_fdinfo	= cowvmo_show_fdinfo,
};

const struct inode_operations cowvmo_inode_ops = {
	.getattr	= cowvmo_getattr,
	.setattr	= cowvmo_setattr,
};
