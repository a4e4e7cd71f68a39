// SPDX-License-Identifier: GPL-2.0
/*
 * The module and its device.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "cowvmo.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct file_operations cowvmo_device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= cowvmo_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

/* Who may open this one may have pagers that hold the kernel up. */
static const struct file_operations pager_device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= cowvmo_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static bool kernel_faults;
module_param(kernel_faults, bool, 0644);
MODULE_PARM_DESC(kernel_faults,
		 "Any pager may have faults of the kernel wait for it");

/**
 * cowvmo_is_pager_device() - is it the device for privileged pagers?
 * @file: a file of either device
 */
bool cowvmo_is_pager_device(struct file *file)
{
	return file->f_op == &pager_device_fops;
}

/**
 * cowvmo_kernel_faults_allowed() - has the administrator allowed it to all?
 */
bool cowvmo_kernel_faults_allowed(void)
{
	return READ_ONCE(kernel_faults);
}

static struct miscdevice cowvmo_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "cowvmo",
	.mode	= 0660,
	.fops	= &cowvmo_device_fops,
};

static struct miscdevice pager_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "cowvmo-pager",
	.mode	= 0600,
	.fops	= &pager_device_fops,
};

static int __init cowvmo_init(void)
{
	int err;

	err = cowvmo_fs_init(&cowvmo_file_fops, &cowvmo_inode_ops);
	if (err)
		return err;
	err = ptree_caches_create();
	if (err)
		goto err_fs;
	cowvmo_debug_init();
	err = misc_register(&cowvmo_device);
	if (err)
		goto err_debug;
	err = misc_register(&pager_device);
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&cowvmo_device);
err_debug:
	cowvmo_debug_exit();
	ptree_caches_destroy();
err_fs:
	cowvmo_fs_exit();
	return err;
}

static void __exit cowvmo_exit(void)
{
	misc_deregister(&pager_device);
	misc_deregister(&cowvmo_device);
	cowvmo_debug_exit();
	cow_contig_reap();
	cowvmo_zero_page_exit();
	ptree_caches_destroy();
	cowvmo_fs_exit();
	cowvmo_family_exit();
	WARN(atomic_long_read(&cowvmo_nr_pages), "cowvmo: %ld page still allocated\n",
	     atomic_long_read(&cowvmo_nr_pages));
}

module_init(cowvmo_init);
module_exit(cowvmo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Copy-on-write virtual memory objects");
