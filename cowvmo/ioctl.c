// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments: copied in, checked as far as they need no object's lock, and
 * handed on. The rules that hold for all ioctls are enforced here, in one
 * place: size versioning, write access.
 */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "cowvmo.h"
#include "ioctl.h"
#include "pager.h"

/**
 * cowvmo_install_file() - give the caller a new file
 * @file: the file, or an ERR_PTR
 * @fd: reserved for it before, so that nothing can fail after it
 *
 * Return: @fd, or the error.
 */
long cowvmo_install_file(struct file *file, int fd)
{
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static bool name_is_valid(const char *name)
{
	return strnlen(name, COWVMO_NAME_LEN) < COWVMO_NAME_LEN;
}

static long ioctl_query(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_query *query = &args->query;

	if (query->flags)
		return -EINVAL;
	query->out_abi_version = COWVMO_ABI_VERSION;
	query->out_page_size = PAGE_SIZE;
	query->out_max_size = COWVMO_MAX_SIZE;
	return 0;
}

static bool create_flags_are_valid(const struct cowvmo_create *create)
{
	const u32 known = COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_CONTIGUOUS;
	unsigned int align = create->align_log2;

	if (create->flags & ~known || create->reserved)
		return false;
	if (!(create->flags & COWVMO_CREATE_CONTIGUOUS))
		return !align;
	return create->flags != known &&
	       (!align || (align >= PAGE_SHIFT && align < 64));
}

static int check_create(const struct cowvmo_create *create)
{
	if (!create_flags_are_valid(create))
		return -EINVAL;
	if (!name_is_valid(create->name))
		return -EINVAL;
	if (create->vmo_size > COWVMO_MAX_SIZE)
		return -ERANGE;
	if ((create->flags & COWVMO_CREATE_CONTIGUOUS) && !create->vmo_size)
		return -EINVAL;
	return 0;
}

/**
 * cowvmo_open_new() - a VMO that the kernel itself wants
 * @create: which
 *
 * Context: may sleep.
 * Return: its first file, or an ERR_PTR: errors as of the ioctl.
 */
struct file *cowvmo_open_new(const struct cowvmo_create *create)
{
	int err = check_create(create);

	return err ? ERR_PTR(err) : cowvmo_create(create);
}

static long ioctl_create(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_create *create = &args->create;
	int err, fd;

	err = check_create(create);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cowvmo_create(create), fd);
}

static bool child_flags_are_valid(const struct cowvmo_create_child *args)
{
	/* NO_WRITE is about the fd, and right for all. */
	u32 flags = args->flags & ~COWVMO_CREATE_NO_WRITE;

	switch (args->type) {
	case COWVMO_CHILD_SLICE:
		return !flags;
	case COWVMO_CHILD_SNAPSHOT:
		return !(flags & ~(COWVMO_CREATE_RESIZABLE |
				   COWVMO_CREATE_POINT_IN_TIME));
	case COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE:
	case COWVMO_CHILD_SNAPSHOT_MODIFIED:
	case COWVMO_CHILD_REFERENCE:
		return !(flags & ~COWVMO_CREATE_RESIZABLE);
	default:
		return false;
	}
}

static int check_slice(const struct cowvmo *parent,
		       const struct cowvmo_create_child *args)
{
	const struct cowvmo *sized = vmo_sized(parent);

	if (sized->flags & COWVMO_INFO_RESIZABLE)
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(args->offset))
		return -EINVAL;
	if (args->length > COWVMO_MAX_SIZE)
		return -ERANGE;
	/* Nothing without that flag ever changes its size. */
	if (args->offset > vmo_size(sized) ||
	    args->length > vmo_size(sized) - args->offset)
		return -EINVAL;
	return cowvmo_check_policy(parent->store, args->type);
}

static int check_reference(const struct cowvmo *parent,
			   const struct cowvmo_create_child *args)
{
	if ((args->flags & COWVMO_CREATE_RESIZABLE) && !parent->may_resize)
		return -EPERM;
	if (args->offset || args->length)
		return -EINVAL;
	if (vmo_is_slice(parent) || vmo_is_contiguous(parent))
		return -EOPNOTSUPP;
	return cowvmo_check_policy(parent->store, args->type);
}

static int check_snapshot(const struct cowvmo *parent,
			  const struct cowvmo_create_child *args)
{
	u64 base = parent->store->base + parent->view_first +
		   (args->offset >> PAGE_SHIFT);
	int err;

	if (vmo_is_contiguous(parent) || !PAGE_ALIGNED(args->offset))
		return -EINVAL;
	if (args->length > COWVMO_MAX_SIZE)
		return -ERANGE;
	err = cowvmo_check_policy(parent->store, args->type);
	if (err)
		return err;
	if (base + DIV_ROUND_UP_ULL(args->length, PAGE_SIZE) >
	    PTREE_MAX_INDEX)
		return -EINVAL;
	/* Where there is a pager, that depends. */
	return vmo_is_slice(parent) && !parent->store->source ? -EOPNOTSUPP : 0;
}

/* The order of these checks is part of the ABI. */
static int check_create_child(const struct cowvmo *parent,
			      const struct cowvmo_create_child *args)
{
	const u32 exclusive = COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_NO_WRITE;

	if (args->length > U64_MAX - (PAGE_SIZE - 1))
		return -ERANGE;
	if ((args->flags & exclusive) == exclusive)
		return -EINVAL;
	if (!child_flags_are_valid(args) || args->reserved)
		return -EINVAL;
	switch (args->type) {
	case COWVMO_CHILD_SLICE:
		return check_slice(parent, args);
	case COWVMO_CHILD_REFERENCE:
		return check_reference(parent, args);
	default:
		return check_snapshot(parent, args);
	}
}

/**
 * cowvmo_open_child() - a child that the kernel itself wants
 * @parent: a file of the VMO
 * @args: which child
 *
 * Context: may sleep; takes the locks of cowvmo_create_child().
 * Return: the child's first file, or an ERR_PTR: errors as of the ioctl.
 */
struct file *cowvmo_open_child(struct file *parent,
			       const struct cowvmo_create_child *args)
{
	int err = check_create_child(file_to_vmo(parent), args);

	return err ? ERR_PTR(err) : cowvmo_create_child(parent, args);
}

static long ioctl_create_child(struct file *file, union cowvmo_args *args)
{
	struct cowvmo *parent = file_to_vmo(file);
	int err, fd;

	err = check_create_child(parent, &args->create_child);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cowvmo_create_child(file, &args->create_child),
			    fd);
}

/**
 * cowvmo_to_store() - from a range of a VMO to that of its store
 * @vmo: the VMO
 * @offset: in: first byte; out: the same byte as the store counts
 * @length: number of bytes
 *
 * A slice ends where it ends; the size of all others can change until the
 * store's lock is held, and is for the caller to look at.
 *
 * Return: 0, or -ERANGE when it is beyond the end of a slice.
 */
int cowvmo_to_store(const struct cowvmo *vmo, u64 *offset, u64 length)
{
	u64 size = vmo_size(vmo);

	if (!vmo_is_slice(vmo))
		return 0;
	if (*offset > size || length > size - *offset)
		return -ERANGE;
	*offset += vmo->view_first << PAGE_SHIFT;
	return 0;
}

static int check_range(struct cowvmo *store, u64 offset, u64 length, u64 *done)
{
	int err;

	down_read(store->lock);
	err = cow_check_range(store, offset, length);
	up_read(store->lock);
	if (!err)
		*done = length;
	return err;
}

/* A hint: that something cannot be had is no failure. */
static int always_need(struct cowvmo *store, u64 offset, u64 length, u64 *done)
{
	int err = cow_prefetch(store, offset, length, done);

	if (err == -ERESTARTSYS || err == -ERANGE)
		return err;
	*done = length;
	return 0;
}

static long ioctl_op_range(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_op_range *range = &args->op_range;
	struct cowvmo *store = file_to_store(file);
	u64 offset = range->offset, done = 0;
	int err;

	range->out_done = 0;
	if (!range->op || range->op > COWVMO_OP_DONT_NEED)
		return -EINVAL;
	if (range->op < COWVMO_OP_PREFETCH && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	err = cowvmo_to_store(file_to_vmo(file), &offset, range->length);
	if (err)
		return err;
	switch (range->op) {
	case COWVMO_OP_COMMIT:
		err = cow_commit(store, offset, range->length, &done, NULL);
		break;
	case COWVMO_OP_DECOMMIT:
		err = cow_decommit(store, offset, range->length,
				   cowvmo_has_relatives(store));
		if (!err)
			done = range->length;
		break;
	case COWVMO_OP_ZERO:
		err = cow_zero(store, offset, range->length, &done, NULL);
		break;
	case COWVMO_OP_PREFETCH:
		err = cow_prefetch(store, offset, range->length, &done);
		break;
	case COWVMO_OP_ALWAYS_NEED:
		err = always_need(store, offset, range->length, &done);
		break;
	case COWVMO_OP_DONT_NEED:
		err = check_range(store, offset, range->length, &done);
		break;
	}
	range->out_done = done;
	return err;
}

static long ioctl_set_size(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_set_size *set_size = &args->set_size;
	struct cowvmo *store = file_to_store(file);
	int err;

	if (set_size->flags)
		return -EINVAL;
	if (!file_to_vmo(file)->may_resize)
		return -EPERM;
	do {
		struct cow_ask ask = {};

		inode_lock(&store->inode);
		err = cow_resize(store, set_size->vmo_size, &ask);
		inode_unlock(&store->inode);
		if (err != -EAGAIN)
			return err;
		err = cow_ask_wait(&ask, true);
	} while (!err);
	return err;
}

static long ioctl_set_stream_size(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_set_stream_size *set = &args->set_stream_size;
	struct cowvmo *vmo = file_to_vmo(file);
	struct inode *inode = vmo_stream_inode(vmo);
	int err;

	if (set->flags)
		return -EINVAL;
	do {
		struct cow_ask ask = {};

		inode_lock(inode);
		err = cow_set_stream_size(vmo, set->stream_size, &ask);
		inode_unlock(inode);
		if (err != -EAGAIN)
			return err;
		err = cow_ask_wait(&ask, true);
	} while (!err);
	return err;
}

static long ioctl_get_info(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_get_info info = { .want = args->get_info.want };
	int err;

	if (info.want & ~COWVMO_INFO_MEMORY)
		return -EINVAL;
	err = cowvmo_info(file_to_vmo(file), &info);
	if (err)
		return err;
	if (!(file->f_mode & FMODE_WRITE))
		info.out_flags |= COWVMO_INFO_READ_ONLY_FD;
	info.size = args->get_info.size;
	args->get_info = info;
	return 0;
}

static long ioctl_set_name(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_set_name *set_name = &args->set_name;

	if (set_name->flags || !name_is_valid(set_name->name))
		return -EINVAL;
	cowvmo_set_name(file_to_vmo(file), set_name->name);
	return 0;
}

static long ioctl_seal(struct file *file, union cowvmo_args *args)
{
	struct cowvmo *store = file_to_store(file);
	int err;

	if (args->seal.flags)
		return -EINVAL;
	if (store->source)
		return -EOPNOTSUPP;
	inode_lock(&store->inode);
	err = cow_seal(store);
	inode_unlock(&store->inode);
	return err;
}

/**
 * cowvmo_file_of_fd() - the file of a VMO by its descriptor
 * @fd: the descriptor
 *
 * Return: the file, for the caller to put, or an ERR_PTR: -EBADF if none is
 * open, -EINVAL if it is no VMO's.
 */
struct file *cowvmo_file_of_fd(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &cowvmo_file_fops)
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

/*
 * Another VMO named in a struct. It is kept by its file, so that its store is.
 */
static struct cowvmo *vmo_of_fd(int fd, struct file **file)
{
	*file = cowvmo_file_of_fd(fd);
	return IS_ERR(*file) ? ERR_CAST(*file) : file_to_vmo(*file);
}

/* A range of whole pages of a VMO: its first page in the store. */
static int pages_in_store(const struct cowvmo *vmo, u64 offset, u64 length,
			  u64 *first)
{
	int err = cowvmo_to_store(vmo, &offset, length);

	*first = offset >> PAGE_SHIFT;
	return err;
}

static int transfer_between(struct cowvmo *to, struct cowvmo *from,
			    struct cowvmo_transfer *args)
{
	u64 src, dst, done;
	int err;

	err = pages_in_store(from, args->src_offset, args->length, &src);
	if (!err)
		err = pages_in_store(to, args->dst_offset, args->length, &dst);
	if (err)
		return err;
	err = cow_transfer(to->store, dst, from->store, src,
			   args->length >> PAGE_SHIFT, &done);
	args->out_done = done << PAGE_SHIFT;
	return err;
}

static long ioctl_transfer(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_transfer *transfer = &args->transfer;
	struct cowvmo *from;
	struct file *source;
	int err;

	transfer->out_done = 0;
	if (transfer->flags || transfer->reserved ||
	    !PAGE_ALIGNED(transfer->dst_offset | transfer->src_offset |
			  transfer->length))
		return -EINVAL;
	from = vmo_of_fd(transfer->src_fd, &source);
	if (IS_ERR(from))
		return PTR_ERR(from);
	if (!(source->f_mode & FMODE_WRITE))
		err = -EACCES;
	else if (file_to_store(file)->source || from->store->source)
		err = -EOPNOTSUPP;
	else
		err = transfer_between(file_to_vmo(file), from, transfer);
	fput(source);
	return err;
}

static long ioctl_restore(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_restore *restore = &args->restore;
	struct cowvmo *vmo = file_to_vmo(file), *source;
	unsigned int how = 0;
	struct file *from;
	int err;

	if (restore->flags & ~COWVMO_RESTORE_KEEP || restore->reserved)
		return -EINVAL;
	if (restore->flags & COWVMO_RESTORE_KEEP)
		how |= COW_RESTORE_KEEP;
	if (vmo->may_resize)
		how |= COW_RESTORE_RESIZE;
	source = vmo_of_fd(restore->src_fd, &from);
	if (IS_ERR(source))
		return PTR_ERR(source);
	if (vmo_is_slice(vmo) || vmo_is_slice(source) ||
	    vmo->store->source || source->store->source) {
		err = -EOPNOTSUPP;
	} else {
		inode_lock(&vmo->store->inode);
		err = cow_restore(vmo->store, source->store, how);
		inode_unlock(&vmo->store->inode);
	}
	fput(from);
	return err;
}

static long ioctl_compare(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_compare *compare = &args->compare;
	struct cowvmo *other;
	struct file *with;
	int err;

	if (compare->flags)
		return -EINVAL;
	compare->out_nr = 0;
	compare->out_reserved = 0;
	compare->out_next = compare->offset;
	other = vmo_of_fd(compare->other_fd, &with);
	if (IS_ERR(other))
		return PTR_ERR(other);
	err = file_to_store(file)->source || other->store->source ?
	      -EOPNOTSUPP :
	      cowvmo_compare(file_to_vmo(file), other->store, compare);
	fput(with);
	return err;
}

static long ioctl_open(struct file *file, union cowvmo_args *args)
{
	int fd;

	if (args->open.flags != COWVMO_OPEN_NO_WRITE)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cowvmo_open_file(file_to_vmo(file), false, NULL),
			    fd);
}

static long ioctl_set_cache_policy(struct file *file, union cowvmo_args *args)
{
	u32 policy = args->set_cache_policy.policy;
	struct cowvmo *store = file_to_store(file);
	int err;

	if (policy > COWVMO_CACHE_WRITE_COMBINING)
		return -EINVAL;
	inode_lock(&store->inode);
	err = cowvmo_set_cache_policy(file_to_vmo(file), policy);
	inode_unlock(&store->inode);
	return err;
}

static long ioctl_set_priority(struct file *file, union cowvmo_args *args)
{
	switch (args->set_priority.priority) {
	case COWVMO_PRIORITY_DEFAULT:
	case COWVMO_PRIORITY_HIGH:
		cowvmo_set_priority(file_to_vmo(file),
				    args->set_priority.priority);
		return 0;
	default:
		return -EINVAL;
	}
}

static long ioctl_lookup(struct file *file, union cowvmo_args *args)
{
	const u32 known = COWVMO_LOOKUP_POPULATED | COWVMO_LOOKUP_PRIVATE |
			  COWVMO_LOOKUP_SHARERS;
	const u32 least = offsetofend(struct cowvmo_page_state, reserved);
	struct cowvmo_lookup *lookup = &args->lookup;
	struct cowvmo *vmo = file_to_vmo(file);
	u64 offset = lookup->offset;
	int err;

	lookup->out_nr = 0;
	lookup->out_reserved = 0;
	lookup->out_next = offset;
	if (lookup->flags & ~known || !lookup->nr_pages)
		return -EINVAL;
	if (lookup->entry_size < least || lookup->entry_size > PAGE_SIZE ||
	    lookup->entry_size % 8)
		return -EINVAL;
	err = cowvmo_to_store(vmo, &offset, lookup->length);
	if (err)
		return err;
	return cowvmo_lookup(vmo, offset, lookup);
}

static long ioctl_pin(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_pin *arg = &args->pin;
	bool writable = arg->flags & COWVMO_PIN_WRITE;
	int fd;

	if (arg->flags & ~COWVMO_PIN_WRITE)
		return -EINVAL;
	if (writable && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cow_pin_open(file_to_vmo(file), arg->offset,
					 arg->length, writable), fd);
}

static long ioctl_pin_export(struct file *file, union cowvmo_args *args)
{
	int fd;

	if (args->pin_export.flags)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cow_pin_export(file->private_data), fd);
}

static long ioctl_fault_error(struct file *file, union cowvmo_args *args)
{
	struct cowvmo_fault_error *error = &args->fault_error;
	struct cowvmo *vmo = file_to_vmo(file), *store = vmo->store;
	u64 offset = error->offset;
	int err;

	error->out_error = 0;
	err = cowvmo_to_store(vmo, &offset, 0);
	if (!err && store->source)
		error->out_error = -cow_last_error(store->source,
						   store->base +
						   (offset >> PAGE_SHIFT));
	return err;
}

/* As for userfaultfd: who can hold the kernel up must be allowed to. */
static bool may_hold_kernel_up(struct file *device)
{
	return cowvmo_is_pager_device(device) || cowvmo_kernel_faults_allowed() ||
	       capable(CAP_SYS_PTRACE);
}

static long ioctl_pager_create(struct file *file, union cowvmo_args *args)
{
	const struct cowvmo_pager_create *create = &args->pager_create;
	int fd;

	if (create->flags & ~COWVMO_PAGER_KERNEL_FAULTS || create->reserved)
		return -EINVAL;
	if (create->flags & COWVMO_PAGER_KERNEL_FAULTS &&
	    !may_hold_kernel_up(file))
		return -EPERM;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	return cowvmo_install_file(cowvmo_pager_open(create), fd);
}

static const struct cowvmo_ioctl_op device_ops[] = {
	IOCTL_OP(COWVMO_IOC_QUERY, cowvmo_query, out_max_size,
		 false, true, ioctl_query),
	IOCTL_OP(COWVMO_IOC_CREATE, cowvmo_create, name,
		 false, false, ioctl_create),
	IOCTL_OP(COWVMO_IOC_PAGER_CREATE, cowvmo_pager_create, reserved,
		 false, false, ioctl_pager_create),
};

static const struct cowvmo_ioctl_op vmo_ops[] = {
	IOCTL_OP(COWVMO_IOC_CREATE_CHILD, cowvmo_create_child, length,
		 false, false, ioctl_create_child),
	IOCTL_OP(COWVMO_IOC_OP_RANGE, cowvmo_op_range, out_done,
		 false, true, ioctl_op_range),
	IOCTL_OP(COWVMO_IOC_SET_SIZE, cowvmo_set_size, vmo_size,
		 true, false, ioctl_set_size),
	IOCTL_OP(COWVMO_IOC_SET_STREAM_SIZE, cowvmo_set_stream_size,
		 stream_size, true, false, ioctl_set_stream_size),
	IOCTL_OP(COWVMO_IOC_GET_INFO, cowvmo_get_info,
		 out_committed_change_events,
		 false, true, ioctl_get_info),
	IOCTL_OP(COWVMO_IOC_SET_NAME, cowvmo_set_name, name,
		 false, false, ioctl_set_name),
	IOCTL_OP(COWVMO_IOC_TRANSFER, cowvmo_transfer, out_done,
		 true, true, ioctl_transfer),
	IOCTL_OP(COWVMO_IOC_RESTORE, cowvmo_restore, reserved,
		 true, false, ioctl_restore),
	IOCTL_OP(COWVMO_IOC_COMPARE, cowvmo_compare, out_next,
		 false, true, ioctl_compare),
	IOCTL_OP(COWVMO_IOC_SEAL, cowvmo_seal, flags,
		 true, false, ioctl_seal),
	IOCTL_OP(COWVMO_IOC_OPEN, cowvmo_open, flags,
		 false, false, ioctl_open),
	IOCTL_OP(COWVMO_IOC_SET_CACHE_POLICY, cowvmo_set_cache_policy, policy,
		 true, false, ioctl_set_cache_policy),
	IOCTL_OP(COWVMO_IOC_SET_PRIORITY, cowvmo_set_priority, priority,
		 true, false, ioctl_set_priority),
	IOCTL_OP(COWVMO_IOC_LOOKUP, cowvmo_lookup, out_next,
		 false, true, ioctl_lookup),
	IOCTL_OP(COWVMO_IOC_PIN, cowvmo_pin, length,
		 false, false, ioctl_pin),
	IOCTL_OP(COWVMO_IOC_GET_FAULT_ERROR, cowvmo_fault_error, offset,
		 false, true, ioctl_fault_error),
};

static const struct cowvmo_ioctl_op pin_ops[] = {
	IOCTL_OP(COWVMO_IOC_PIN_EXPORT, cowvmo_pin_export, flags,
		 false, false, ioctl_pin_export),
};

static long run_op(const struct cowvmo_ioctl_op *op, struct file *file,
		   void __user *user)
{
	union cowvmo_args args;
	u32 size;
	long ret;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&args, op->size, user, size);
	if (ret)
		return ret;
	/* It may have changed between the two copies. */
	args.query.size = size;
	if (op->needs_write && !(file->f_mode & FMODE_WRITE))
		return -EACCES;

	/* Learn before anything is done that the outcome cannot be told. */
	if (op->has_outputs &&
	    copy_to_user(user, &args, min(size, op->size)))
		return -EFAULT;
	ret = op->run(file, &args);
	if (op->has_outputs &&
	    copy_to_user(user, &args, min(size, op->size)))
		return -EFAULT;
	return ret;
}

static const struct cowvmo_ioctl_op *find_op(const struct cowvmo_ioctl_op *ops,
					     unsigned int nr, unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (ops[i].cmd == cmd)
			return &ops[i];
	}
	return NULL;
}

/**
 * cowvmo_dispatch() - run an ioctl
 * @ops: those that there are
 * @nr: how many
 * @file: the file
 * @cmd: which one
 * @arg: user address of its struct
 *
 * Return: see the uapi header; -ENOTTY if there is no such one.
 */
long cowvmo_dispatch(const struct cowvmo_ioctl_op *ops, unsigned int nr,
		     struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct cowvmo_ioctl_op *op = find_op(ops, nr, cmd);

	return op ? run_op(op, file, (void __user *)arg) : -ENOTTY;
}

/**
 * cowvmo_device_ioctl() - ioctls of /dev/cowvmo
 * @file: the open device
 * @cmd: COWVMO_IOC_*
 * @arg: user address of the struct
 *
 * Return: see the uapi header.
 */
long cowvmo_device_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	return cowvmo_dispatch(device_ops, ARRAY_SIZE(device_ops), file, cmd, arg);
}

/**
 * cowvmo_ioctl() - ioctls of a VMO's file
 * @file: a file of the VMO
 * @cmd: COWVMO_IOC_*
 * @arg: user address of the struct
 *
 * Return: see the uapi header.
 */
long cowvmo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cowvmo_dispatch(vmo_ops, ARRAY_SIZE(vmo_ops), file, cmd, arg);
}

/**
 * cowvmo_pin_ioctl() - ioctls of a pin's file
 * @file: a file of the pin, which is its private data
 * @cmd: COWVMO_IOC_*
 * @arg: user address of the struct
 *
 * Return: see the uapi header.
 */
long cowvmo_pin_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return cowvmo_dispatch(pin_ops, ARRAY_SIZE(pin_ops), file, cmd, arg);
}

/**
 * cowvmo_call() - an ioctl of a VMO's file, by the kernel itself
 * @file: a file of the VMO
 * @cmd: COWVMO_IOC_*, one whose struct names no user memory
 * @arg: the struct, in the kernel's memory; its size does not matter
 *
 * Return: see the uapi header.
 */
long cowvmo_call(struct file *file, unsigned int cmd, void *arg)
{
	const struct cowvmo_ioctl_op *op = find_op(vmo_ops,
						   ARRAY_SIZE(vmo_ops), cmd);
	union cowvmo_args args;
	long ret;

	if (WARN_ON_ONCE(!op))
		return -ENOTTY;
	if (op->needs_write && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	memcpy(&args, arg, op->size);
	ret = op->run(file, &args);
	if (op->has_outputs)
		memcpy(arg, &args, op->size);
	return ret;
}
