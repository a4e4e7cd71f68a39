// SPDX-License-Identifier: GPL-2.0
/*
 * Holds pages of user memory the way drivers do, and reads and writes them
 * later: holders that user space alone cannot make on every kernel.
 *
 * Root only; it can write to any page that its user once could.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cowvmo_gup_test.h"

struct holder {
	struct mutex lock;	/* for the rest */
	struct page *page;
	u32 flags;
};

static void holder_drop(struct holder *holder)
{
	bool dirty = holder->flags & GUP_TEST_WRITE;

	if (!holder->page)
		return;
	if (holder->flags & GUP_TEST_PIN)
		unpin_user_pages_dirty_lock(&holder->page, 1, dirty);
	else
		put_page(holder->page);
	holder->page = NULL;
}

static long holder_hold(struct holder *holder,
			const struct gup_test_hold __user *user)
{
	struct gup_test_hold hold;
	unsigned int gup = 0;
	int got;

	if (copy_from_user(&hold, user, sizeof(hold)))
		return -EFAULT;
	if (holder->page)
		return -EBUSY;
	if (hold.flags & GUP_TEST_WRITE)
		gup |= FOLL_WRITE;
	if (hold.flags & GUP_TEST_LONGTERM)
		gup |= FOLL_LONGTERM;
	if (hold.flags & GUP_TEST_PIN)
		got = pin_user_pages_fast(hold.address, 1, gup, &holder->page);
	else
		got = get_user_pages_fast(hold.address, 1, gup, &holder->page);
	if (got == 1) {
		holder->flags = hold.flags;
		return 0;
	}
	holder->page = NULL;
	return got < 0 ? got : -EFAULT;
}

static long holder_access(struct holder *holder, bool store,
			  struct gup_test_byte __user *user)
{
	struct gup_test_byte at;
	u8 *mem;

	if (copy_from_user(&at, user, sizeof(at)))
		return -EFAULT;
	if (!holder->page || at.offset >= PAGE_SIZE)
		return -EINVAL;
	mem = kmap_local_page(holder->page);
	if (store)
		WRITE_ONCE(mem[at.offset], at.byte);
	else
		at.byte = READ_ONCE(mem[at.offset]);
	kunmap_local(mem);
	if (!store && copy_to_user(user, &at, sizeof(at)))
		return -EFAULT;
	return 0;
}

static long gup_test_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct holder *holder = file->private_data;
	long ret = 0;

	mutex_lock(&holder->lock);
	switch (cmd) {
	case GUP_TEST_HOLD:
		ret = holder_hold(holder, (void __user *)arg);
		break;
	case GUP_TEST_LOAD:
	case GUP_TEST_STORE:
		ret = holder_access(holder, cmd == GUP_TEST_STORE,
				    (void __user *)arg);
		break;
	case GUP_TEST_DROP:
		holder_drop(holder);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&holder->lock);
	return ret;
}

static int gup_test_open(struct inode *inode, struct file *file)
{
	struct holder *holder = kzalloc(sizeof(*holder), GFP_KERNEL);

	if (!holder)
		return -ENOMEM;
	mutex_init(&holder->lock);
	file->private_data = holder;
	return 0;
}

static int gup_test_release(struct inode *inode, struct file *file)
{
	struct holder *holder = file->private_data;

	holder_drop(holder);
	kfree(holder);
	return 0;
}

static const struct file_operations gup_test_fops = {
	.owner		= THIS_MODULE,
	.open		= gup_test_open,
	.release	= gup_test_release,
	.unlocked_ioctl	= gup_test_ioctl,
};

static struct miscdevice gup_test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "cowvmo_gup_test",
	.fops	= &gup_test_fops,
	.mode	= 0600,
};
module_misc_device(gup_test_device);

MODULE_DESCRIPTION("Holds pages of user memory, for tests of cowvmo");
MODULE_LICENSE("GPL");
