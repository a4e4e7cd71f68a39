// SPDX-License-Identifier: GPL-2.0
/*
 * What a pager can do with its VMOs: a batch of operations, and questions.
 *
 * A VMO is named by a descriptor or by its identity. A pager that goes by
 * identities keeps no VMO alive, and learns of the end of each.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cowvmo.h"
#include "ioctl.h"
#include "pager.h"

/**
 * struct paged - a VMO that a pager has named
 * @root: the VMO
 * @file: the file it was named by, or NULL: its inode is held
 */
struct paged {
	struct cowvmo *root;
	struct file *file;
};

static int paged_of_fd(struct cowvmo_pager *pager, int fd, struct paged *paged)
{
	struct cowvmo *vmo;

	paged->file = cowvmo_file_of_fd(fd);
	if (IS_ERR(paged->file))
		return PTR_ERR(paged->file);
	vmo = file_to_vmo(paged->file);
	paged->root = vmo->store;
	if (!(paged->file->f_mode & FMODE_WRITE)) {
		fput(paged->file);
		return -EACCES;
	}
	if (!vmo_is_slice(vmo) && vmo_is_pager_root(vmo->store) &&
	    vmo->store->source->pager == pager)
		return 0;
	fput(paged->file);
	return -EINVAL;
}

static int paged_get(struct cowvmo_pager *pager, int fd, u64 id,
		     struct paged *paged)
{
	if (fd >= 0)
		return id ? -EINVAL : paged_of_fd(pager, fd, paged);
	if (fd != -1)
		return -EBADF;
	paged->file = NULL;
	paged->root = cowvmo_pager_find(pager, id);
	return paged->root ? 0 : -EINVAL;
}

static void paged_put(struct paged *paged)
{
	if (paged->file)
		fput(paged->file);
	else
		iput(&paged->root->inode);
}

/*
 * One operation
 */

static bool op_has_source(const struct cowvmo_pager_op *op)
{
	return op->op == COWVMO_PAGER_SUPPLY ||
	       (op->op == COWVMO_PAGER_SUPPLY_COPY &&
		op->flags & COWVMO_PAGER_FROM_FILE);
}

/* Has the pager nothing to say by it once it is detached? */
static bool op_is_answer(u32 op)
{
	return op == COWVMO_PAGER_SUPPLY || op == COWVMO_PAGER_SUPPLY_COPY ||
	       op == COWVMO_PAGER_SUPPLY_ZERO || op == COWVMO_PAGER_FAIL;
}

static u32 op_flags(u32 op)
{
	switch (op) {
	case COWVMO_PAGER_SUPPLY_COPY:
		return COWVMO_PAGER_FROM_FILE;
	case COWVMO_PAGER_WRITEBACK_BEGIN:
		return COWVMO_PAGER_IS_ZERO;
	default:
		return 0;
	}
}

static int check_op(const struct cowvmo_pager_op *op)
{
	bool has_src = op->op == COWVMO_PAGER_SUPPLY ||
		       op->op == COWVMO_PAGER_SUPPLY_COPY;

	if (!op->op || op->op > COWVMO_PAGER_DETACH)
		return -EOPNOTSUPP;
	if (op->flags & ~op_flags(op->op) || (!has_src && op->src) ||
	    (op->op != COWVMO_PAGER_FAIL && op->code) ||
	    (!op_has_source(op) && op->src_fd != -1))
		return -EINVAL;
	if (!PAGE_ALIGNED(op->offset | op->length))
		return -EINVAL;
	if (op->op == COWVMO_PAGER_SUPPLY && !PAGE_ALIGNED(op->src))
		return -EINVAL;
	if (op->op == COWVMO_PAGER_DETACH && (op->offset || op->length))
		return -EINVAL;
	return 0;
}

/* Before anything is copied; looked at again where it matters. */
static int check_range(struct cowvmo *root, const struct cowvmo_pager_op *op)
{
	int err;

	down_read(root->lock);
	err = cow_check_range(root, op->offset, op->length);
	if (op_is_answer(op->op) && root->source->detached)
		err = -EPIPE;
	up_read(root->lock);
	return err;
}

static int supply_from_vmo(struct cowvmo *root, const struct cowvmo_pager_op *op,
			   u64 *done)
{
	u64 offset = op->src;
	struct cowvmo *aux;
	struct file *file;
	int err;

	file = cowvmo_file_of_fd(op->src_fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	aux = file_to_vmo(file);
	err = -EACCES;
	if (!(file->f_mode & FMODE_WRITE))
		goto out;
	err = -EOPNOTSUPP;
	if (aux->store->source || vmo_is_contiguous(aux))
		goto out;
	err = cowvmo_to_store(aux, &offset, op->length);
	if (!err)
		err = cow_supply_move(root, op->offset >> PAGE_SHIFT,
				      op->length >> PAGE_SHIFT, aux->store,
				      offset >> PAGE_SHIFT, done);
out:
	fput(file);
	return err;
}

static int supply_from_file(struct cowvmo *root,
			    const struct cowvmo_pager_op *op, u64 *done)
{
	struct file *file = fget(op->src_fd);
	int err;

	if (!file)
		return -EBADF;
	if (!(file->f_mode & FMODE_READ))
		err = -EACCES;
	else if (!(file->f_mode & FMODE_PREAD) || !file->f_op->read_iter)
		err = -EINVAL;
	else if (op->src > LLONG_MAX - op->length)
		err = -EINVAL;
	else
		err = cow_supply_copy(root, op->offset >> PAGE_SHIFT,
				      op->length >> PAGE_SHIFT, op->src, file,
				      done);
	fput(file);
	return err;
}

static int supply_copy(struct cowvmo *root, const struct cowvmo_pager_op *op,
		       u64 *done)
{
	if (op->flags & COWVMO_PAGER_FROM_FILE)
		return supply_from_file(root, op, done);
	return cow_supply_copy(root, op->offset >> PAGE_SHIFT,
			       op->length >> PAGE_SHIFT, op->src, NULL, done);
}

static bool is_fail_code(u32 code)
{
	return code == EIO || code == EBADMSG || code == EBUSY ||
	       code == ENOSPC || code == EMSGSIZE;
}

static int fail(struct cowvmo *root, const struct cowvmo_pager_op *op)
{
	u64 first = op->offset >> PAGE_SHIFT;

	cow_requests_fail(root->source, first,
			  first + (op->length >> PAGE_SHIFT) - 1,
			  -(int)op->code);
	return 0;
}

/* Those that work on a range that is not empty. */
static int run_range_op(struct cowvmo *root, const struct cowvmo_pager_op *op,
			u64 *done)
{
	u64 first = op->offset >> PAGE_SHIFT, nr = op->length >> PAGE_SHIFT;

	switch (op->op) {
	case COWVMO_PAGER_SUPPLY:
		return supply_from_vmo(root, op, done);
	case COWVMO_PAGER_SUPPLY_COPY:
		return supply_copy(root, op, done);
	case COWVMO_PAGER_SUPPLY_ZERO:
		return cow_supply_zero(root, first, nr, done);
	case COWVMO_PAGER_FAIL:
		return fail(root, op);
	case COWVMO_PAGER_DIRTY:
		return cow_dirty_pages(root, first, nr, done);
	case COWVMO_PAGER_WRITEBACK_BEGIN:
		return cow_writeback_begin(root, first, nr,
					   op->flags & COWVMO_PAGER_IS_ZERO);
	default:
		return cow_writeback_end(root, first, nr);
	}
}

static int run_op(struct cowvmo *root, const struct cowvmo_pager_op *op,
		  u64 *done)
{
	int err;

	if (op->op == COWVMO_PAGER_DETACH) {
		cow_detach(root->source);
		return 0;
	}
	if (op->op == COWVMO_PAGER_FAIL && !is_fail_code(op->code))
		return -EINVAL;
	/* Who waits for what lies in the VMO is let go, even so. */
	if (op->op != COWVMO_PAGER_DIRTY) {
		err = check_range(root, op);
		if (err)
			return err;
	}
	if (!op->length)
		return 0;
	return run_range_op(root, op, done);
}

static void run_one(struct cowvmo_pager *pager, struct cowvmo_pager_op *op)
{
	struct paged paged;
	u64 done = 0;
	int err = check_op(op);

	if (!err)
		err = paged_get(pager, op->vmo_fd, op->vmo_id, &paged);
	if (!err) {
		err = run_op(paged.root, op, &done);
		paged_put(&paged);
	}
	op->out_error = -err;
	op->out_done = err ? done << PAGE_SHIFT : op->length;
}

/*
 * A batch
 */

static int read_op(const struct cowvmo_pager_ops *ops, u32 nr,
		   struct cowvmo_pager_op *op)
{
	const void __user *from = u64_to_user_ptr(ops->ops);

	return copy_struct_from_user(op, sizeof(*op),
				     from + (u64)nr * ops->op_size,
				     ops->op_size);
}

static int write_op(const struct cowvmo_pager_ops *ops, u32 nr,
		    const struct cowvmo_pager_op *op)
{
	void __user *to = u64_to_user_ptr(ops->ops);
	const size_t first = offsetof(struct cowvmo_pager_op, out_error);

	to += (u64)nr * ops->op_size;
	return copy_to_user(to + first, &op->out_error, sizeof(*op) - first) ?
	       -EFAULT : 0;
}

static long ioctl_ops(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_pager *pager = cowvmo_file_to_pager(file);
	struct cowvmo_pager_ops *ops = &args->pager_ops;
	struct cowvmo_pager_op op;
	int err = 0, first = 0;

	ops->out_nr = 0;
	if (ops->flags || ops->reserved || !ops->nr ||
	    ops->nr > COWVMO_PAGER_MAX_OPS || ops->op_size < sizeof(op) ||
	    ops->op_size % 8)
		return -EINVAL;
	if (ops->op_size > PAGE_SIZE)
		return -E2BIG;
	while (!err && ops->out_nr < ops->nr) {
		err = read_op(ops, ops->out_nr, &op);
		if (err)
			break;
		run_one(pager, &op);
		if (op.out_error && !first)
			first = -(int)op.out_error;
		err = write_op(ops, ops->out_nr, &op);
		ops->out_nr++;
		if (!err && ops->out_nr < ops->nr &&
		    fatal_signal_pending(current))
			err = -EINTR;
	}
	return err ?: first;
}

static bool create_vmo_is_valid(const struct cowvmo_pager_create_vmo *create)
{
	const u32 known = COWVMO_PAGER_VMO_RESIZABLE |
			  COWVMO_PAGER_VMO_TRAP_DIRTY;

	return !(create->flags & ~known) && !create->reserved &&
	       PAGE_ALIGNED(create->read_ahead) &&
	       create->read_ahead <= COWVMO_PAGER_MAX_READ_AHEAD &&
	       strnlen(create->name, COWVMO_NAME_LEN) < COWVMO_NAME_LEN;
}

static long ioctl_create_vmo(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_pager_create_vmo *create = &args->pager_create_vmo;
	int fd;

	create->out_id = 0;
	if (!create_vmo_is_valid(create))
		return -EINVAL;
	if (create->vmo_size > COWVMO_MAX_SIZE)
		return -ERANGE;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cowvmo_create_paged(cowvmo_file_to_pager(file),
						       create), fd);
}

static long ioctl_query_dirty(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_pager_query_dirty *query = &args->pager_query_dirty;
	struct paged paged;
	int err;

	query->out_nr = 0;
	query->out_available = 0;
	if (query->flags & ~COWVMO_QUERY_DIRTY_COUNT || query->reserved ||
	    !PAGE_ALIGNED(query->offset | query->length))
		return -EINVAL;
	err = paged_get(cowvmo_file_to_pager(file), query->vmo_fd,
			query->vmo_id, &paged);
	if (err)
		return err;
	err = cow_query_dirty(paged.root, query);
	paged_put(&paged);
	return err;
}

static long ioctl_query_stats(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_pager_query_stats *query = &args->pager_query_stats;
	struct paged paged;
	int err;

	query->out_flags = 0;
	if (query->flags & ~COWVMO_QUERY_STATS_RESET)
		return -EINVAL;
	err = paged_get(cowvmo_file_to_pager(file), query->vmo_fd,
			query->vmo_id, &paged);
	if (err)
		return err;
	down_write(paged.root->lock);
	if (paged.root->source->modified)
		query->out_flags |= COWVMO_PAGER_STATS_MODIFIED;
	if (query->flags & COWVMO_QUERY_STATS_RESET)
		paged.root->source->modified = false;
	up_write(paged.root->lock);
	paged_put(&paged);
	return 0;
}

static const struct cowvmo_ioctl_op pager_ops[] = {
	IOCTL_OP(COWVMO_IOC_PAGER_CREATE_VMO, cowvmo_pager_create_vmo, out_id,
		 false, true, ioctl_create_vmo),
	IOCTL_OP(COWVMO_IOC_PAGER_OPS, cowvmo_pager_ops, reserved,
		 false, true, ioctl_ops),
	IOCTL_OP(COWVMO_IOC_PAGER_QUERY_DIRTY, cowvmo_pager_query_dirty,
		 out_available, false, true, ioctl_query_dirty),
	IOCTL_OP(COWVMO_IOC_PAGER_QUERY_STATS, cowvmo_pager_query_stats,
		 vmo_id, false, true, ioctl_query_stats),
};

/**
 * cowvmo_pager_ioctl() - ioctls of a pager's file
 * @file: the file
 * @cmd: COWVMO_IOC_PAGER_*
 * @arg: user address of the struct
 *
 * Return: see the uapi header.
 */
long cowvmo_pager_ioctl(struct file *file, unsigned int cmd,
			unsigned long arg)
{
	return cowvmo_dispatch(pager_ops, ARRAY_SIZE(pager_ops), file, cmd,
			       arg);
}
