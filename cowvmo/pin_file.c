// SPDX-License-Identifier: GPL-2.0
/*
 * The pin as a file, which is what user space holds a pin by.
 *
 * It is a file of the kernel's anonymous inode: it has no content of its own,
 * and the pin behind it keeps VMO and module in place.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "cowvmo.h"

static int pin_release(struct inode *inode, struct file *file)
{
	cow_pin_put(file->private_data);
	return 0;
}

static void pin_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct cow_pin *pin = file->private_data;
	const struct cowvmo *vmo = pin->vmo;

	seq_printf(m, "cowvmo-pin-vmo:\t%llu\n", vmo->id);
	seq_printf(m, "cowvmo-pin-offset:\t%llu\n",
		   (pin->first - vmo->view_first) << PAGE_SHIFT);
	seq_printf(m, "cowvmo-pin-length:\t%llu\n",
		   (pin->end - pin->first) << PAGE_SHIFT);
	seq_printf(m, "cowvmo-pin-writable:\t%d\n", pin->writable);
}

static const struct file_operations cow_pin_fops = {
	.owner		= THIS_MODULE,
	.release	= pin_release,
	.llseek		= noop_llseek,
	.show_fdinfo	= pin_show_fdinfo,
};

static struct file *pin_file(struct cow_pin *pin)
{
	if (cowvmo_should_fail())
		return ERR_PTR(-ENOMEM);
	/* What may be done with a mapping goes by the mode of the file. */
	return anon_inode_getfile("[cowvmo-pin]", &cow_pin_fops, pin,
				  pin->writable ? O_RDWR : O_RDONLY);
}

/**
 * cow_pin_open() - pin a range of a VMO
 * @vmo: any VMO that the caller has a file of
 * @offset: first byte, in @vmo
 * @length: number of bytes; both multiples of the page size
 * @writable: the pages will be written to through the pin
 *
 * Pages are made last, so that a failure for want of anything else leaves the
 * VMO as it was.
 *
 * Context: may sleep; takes the store's lock.
 * Return: the pin's file, or an ERR_PTR: -EINVAL, -ERANGE, -EPERM, -EOVERFLOW,
 * -ENOMEM, -ENFILE, -EINTR, -EIO.
 */
struct file *cow_pin_open(struct cowvmo *vmo, u64 offset, u64 length,
			  bool writable)
{
	struct cow_pin *pin;
	struct file *file;
	int err;

	pin = cow_pin_new(vmo, offset, length, writable);
	if (IS_ERR(pin))
		return ERR_CAST(pin);
	file = pin_file(pin);
	if (IS_ERR(file)) {
		cow_pin_put(pin);
		return file;
	}
	err = cow_pin_take(pin);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}
