// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that works with VMOs: what it offers to a program is what cowvmo
 * offers to it. On every kernel; KUnit, which tests the same from the inside,
 * is not in all of them.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <linux/cowvmo_kernel.h>

#include "cowvmo_api_test.h"

struct client {
	struct mutex lock;	/* for the rest */
	struct cowvmo_handle *vmo;
	struct cow_pin *pin;
	struct page *page;
};

static void drop_vmo(struct client *client)
{
	if (client->vmo)
		cowvmo_put(client->vmo);
	client->vmo = NULL;
}

static void drop_pin(struct client *client)
{
	if (client->pin)
		cowvmo_unpin(client->pin);
	client->pin = NULL;
}

static void drop_page(struct client *client)
{
	if (client->page)
		put_page(client->page);
	client->page = NULL;
}

static long take(struct client *client, void __user *from)
{
	struct api_test_take args;
	struct cowvmo_handle *vmo;

	if (copy_from_user(&args, from, sizeof(args)))
		return -EFAULT;
	if (args.fd == -2)
		vmo = cowvmo_make(args.size, COWVMO_CREATE_CONTIGUOUS,
				  args.write, "driver");
	else if (args.size)
		vmo = cowvmo_make(args.size, COWVMO_CREATE_RESIZABLE, 0,
				  "driver");
	else
		vmo = cowvmo_get(args.fd, args.write);
	if (IS_ERR(vmo))
		return PTR_ERR(vmo);
	drop_vmo(client);
	client->vmo = vmo;
	return 0;
}

static long clone_to_fd(struct client *client, const struct api_test_range *range)
{
	struct cowvmo_handle *snapshot;
	long fd;

	snapshot = cowvmo_snapshot(client->vmo, range->flags, range->offset,
				   range->length);
	if (IS_ERR(snapshot))
		return PTR_ERR(snapshot);
	fd = cowvmo_to_fd(snapshot);
	cowvmo_put(snapshot);
	return fd;
}

static long pin(struct client *client, const struct api_test_range *range)
{
	struct cow_pin *pin = cowvmo_pin(client->vmo, range->offset,
					 range->length, range->flags);

	if (IS_ERR(pin))
		return PTR_ERR(pin);
	drop_pin(client);
	client->pin = pin;
	return 0;
}

static long look(struct client *client, u64 offset)
{
	struct page *page = cowvmo_get_page(client->vmo, offset);

	if (IS_ERR(page))
		return PTR_ERR(page);
	drop_page(client);
	client->page = page;
	return !!page;
}

static long with_range(struct client *client, unsigned int cmd, void __user *from)
{
	struct api_test_range range;

	if (copy_from_user(&range, from, sizeof(range)))
		return -EFAULT;
	if (!client->vmo)
		return -ENXIO;
	switch (cmd) {
	case API_TEST_CLONE:
		return clone_to_fd(client, &range);
	case API_TEST_OP:
		return cowvmo_op_range(client->vmo, range.flags, range.offset,
				       range.length, NULL);
	case API_TEST_PIN:
		return pin(client, &range);
	default:
		return look(client, range.offset);
	}
}

static int access_vmo(struct client *client, bool store, struct api_test_byte *at)
{
	ssize_t did;

	if (!client->vmo)
		return -ENXIO;
	did = store ? cowvmo_write(client->vmo, &at->byte, 1, at->offset) :
	      cowvmo_read(client->vmo, &at->byte, 1, at->offset);
	if (did < 0)
		return did;
	return did ? 0 : -ENODATA;
}

static int access_page(struct page *page, bool store, struct api_test_byte *at)
{
	unsigned int in_page = offset_in_page(at->offset);
	u8 *mem = kmap_local_page(page);

	if (store)
		WRITE_ONCE(mem[in_page], at->byte);
	else
		at->byte = READ_ONCE(mem[in_page]);
	kunmap_local(mem);
	return 0;
}

static int access_byte(struct client *client, bool store, struct api_test_byte *at)
{
	struct page *page = client->page;
	int err;

	if (at->where == API_TEST_VMO)
		return access_vmo(client, store, at);
	if (at->where == API_TEST_PINNED) {
		if (!client->pin)
			return -ENXIO;
		err = cowvmo_pin_pages(client->pin,
				       round_down(at->offset, PAGE_SIZE), 1,
				       &page);
		if (err)
			return err;
	}
	return page ? access_page(page, store, at) : -ENXIO;
}

static long with_byte(struct client *client, bool store, void __user *mem)
{
	struct api_test_byte at;
	int err;

	if (copy_from_user(&at, mem, sizeof(at)))
		return -EFAULT;
	err = access_byte(client, store, &at);
	if (!err && !store && copy_to_user(mem, &at, sizeof(at)))
		err = -EFAULT;
	return err;
}

/* The same pages one by one and as a table, which any device could take */
static long check_table(struct client *client)
{
	struct sg_page_iter at;
	struct sg_table table;
	struct page *page;
	u64 offset = 0;
	int err;

	if (!client->pin)
		return -ENXIO;
	err = cowvmo_pin_table(client->pin, UINT_MAX, &table);
	if (err)
		return err;
	for_each_sgtable_page(&table, &at, 0) {
		err = cowvmo_pin_pages(client->pin, offset, 1, &page);
		if (!err && page != sg_page_iter_page(&at))
			err = -EUCLEAN;
		if (err)
			break;
		offset += PAGE_SIZE;
	}
	sg_free_table(&table);
	if (!err && offset != cowvmo_pin_length(client->pin))
		err = -EUCLEAN;
	return err;
}

static long count_pieces(struct client *client)
{
	struct sg_table table;
	long pieces;

	if (!client->pin)
		return -ENXIO;
	pieces = cowvmo_pin_table(client->pin, UINT_MAX, &table);
	if (pieces)
		return pieces;
	pieces = table.orig_nents;
	sg_free_table(&table);
	return pieces;
}

static long run(struct client *client, unsigned int cmd, void __user *mem)
{
	switch (cmd) {
	case API_TEST_TAKE:
		return take(client, mem);
	case API_TEST_PUT:
		drop_vmo(client);
		return 0;
	case API_TEST_FD:
		return client->vmo ? cowvmo_to_fd(client->vmo) : -ENXIO;
	case API_TEST_CLONE:
	case API_TEST_OP:
	case API_TEST_PIN:
	case API_TEST_LOOK:
		return with_range(client, cmd, mem);
	case API_TEST_UNPIN:
		drop_pin(client);
		return 0;
	case API_TEST_LEAVE:
		drop_page(client);
		return 0;
	case API_TEST_LOAD:
	case API_TEST_STORE:
		return with_byte(client, cmd == API_TEST_STORE, mem);
	case API_TEST_TABLE:
		return check_table(client);
	case API_TEST_PIECES:
		return count_pieces(client);
	default:
		return -ENOTTY;
	}
}

static long api_test_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct client *client = file->private_data;
	long ret;

	mutex_lock(&client->lock);
	ret = run(client, cmd, (void __user *)arg);
	mutex_unlock(&client->lock);
	return ret;
}

static int api_test_open(struct inode *inode, struct file *file)
{
	struct client *client = kzalloc(sizeof(*client), GFP_KERNEL);

	if (!client)
		return -ENOMEM;
	mutex_init(&client->lock);
	file->private_data = client;
	return 0;
}

static int api_test_release(struct inode *inode, struct file *file)
{
	struct client *client = file->private_data;

	drop_page(client);
	drop_pin(client);
	drop_vmo(client);
	kfree(client);
	return 0;
}

static const struct file_operations api_test_fops = {
	.owner		= THIS_MODULE,
	.open		= api_test_open,
	.release	= api_test_release,
	.unlocked_ioctl	= api_test_ioctl,
};

static struct miscdevice api_test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "cowvmo_api_test",
	.fops	= &api_test_fops,
	.mode	= 0600,
};
module_misc_device(api_test_device);

MODULE_DESCRIPTION("Works with VMOs as a driver does, for tests of cowvmo");
MODULE_LICENSE("GPL");
