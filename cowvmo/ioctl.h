/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rooms share that have ioctls.
 */
#ifndef COWVMO_IOCTL_H
#define COWVMO_IOCTL_H

#include <linux/build_bug.h>
#include <linux/cowvmo_pager.h>
#include <linux/stddef.h>

union cowvmo_args {
	struct cowvmo_query query;
	struct cowvmo_create create;
	struct cowvmo_create_child create_child;
	struct cowvmo_op_range op_range;
	struct cowvmo_set_size set_size;
	struct cowvmo_set_stream_size set_stream_size;
	struct cowvmo_get_info get_info;
	struct cowvmo_set_name set_name;
	struct cowvmo_transfer transfer;
	struct cowvmo_restore restore;
	struct cowvmo_compare compare;
	struct cowvmo_seal seal;
	struct cowvmo_open open;
	struct cowvmo_set_cache_policy set_cache_policy;
	struct cowvmo_set_priority set_priority;
	struct cowvmo_lookup lookup;
	struct cowvmo_pin pin;
	struct cowvmo_pin_export pin_export;
	struct cowvmo_fault_error fault_error;
	struct cowvmo_pager_create pager_create;
	struct cowvmo_pager_create_vmo pager_create_vmo;
	struct cowvmo_pager_ops pager_ops;
	struct cowvmo_pager_query_dirty pager_query_dirty;
	struct cowvmo_pager_query_stats pager_query_stats;
};

/**
 * struct cowvmo_ioctl_op - one ioctl
 * @cmd: its number
 * @size: sizeof its struct
 * @min_size: its size in the first version
 * @needs_write: -EACCES without FMODE_WRITE
 * @has_outputs: the struct is copied back
 * @run: does it; the result becomes the ioctl's
 */
struct cowvmo_ioctl_op {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	bool needs_write;
	bool has_outputs;
	long (*run)(struct file *file, union cowvmo_args *args);
};

/*
 * The first version of each struct ended with @_last. The layout is the same
 * for everybody: no implicit padding, at most 8-byte alignment.
 */
#define IOCTL_OP(_cmd, _struct, _last, _write, _out, _run)		\
	{								\
		.cmd = _cmd,						\
		.size = sizeof(struct _struct) +			\
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) % 8),	\
		.min_size = offsetofend(struct _struct, _last),		\
		.needs_write = _write,					\
		.has_outputs = _out,					\
		.run = _run,						\
	}

long cowvmo_install_file(struct file *file, int fd);
long cowvmo_dispatch(const struct cowvmo_ioctl_op *ops, unsigned int nr,
		     struct file *file, unsigned int cmd, unsigned long arg);

#endif /* COWVMO_IOCTL_H */
