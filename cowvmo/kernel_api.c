// SPDX-License-Identifier: GPL-2.0
/*
 * What other modules can do with VMOs; <linux/cowvmo_kernel.h> tells it to
 * them. They come in where processes do: above all rooms, with the checks that
 * an ioctl makes.
 *
 * A handle is a file of the VMO, which has all that it takes: the right to
 * write, a user of the VMO, the module. It has another type so that no other
 * file is taken for one.
 */
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include <linux/cowvmo_kernel.h>

#include "cowvmo.h"

static struct file *handle_file(struct cowvmo_handle *handle)
{
	return (struct file *)handle;
}

/* A file, or an ERR_PTR */
static struct cowvmo_handle *file_handle(struct file *file)
{
	return (struct cowvmo_handle *)file;
}

static bool may_write(struct cowvmo_handle *handle)
{
	return handle_file(handle)->f_mode & FMODE_WRITE;
}

struct cowvmo_handle *cowvmo_make(u64 size, u32 flags, u32 align_log2,
				  const char *name)
{
	struct cowvmo_create args = {
		.vmo_size = size,
		.flags = flags,
		.align_log2 = align_log2,
	};

	if (strscpy(args.name, name, sizeof(args.name)) < 0)
		return ERR_PTR(-EINVAL);
	return file_handle(cowvmo_open_new(&args));
}
EXPORT_SYMBOL_GPL(cowvmo_make);

struct cowvmo_handle *cowvmo_get(int fd, bool write)
{
	struct file *file = cowvmo_file_of_fd(fd);

	if (IS_ERR(file) || !write || (file->f_mode & FMODE_WRITE))
		return file_handle(file);
	fput(file);
	return ERR_PTR(-EACCES);
}
EXPORT_SYMBOL_GPL(cowvmo_get);

struct cowvmo_handle *cowvmo_snapshot(struct cowvmo_handle *vmo, u32 flags,
				      u64 offset, u64 length)
{
	const struct cowvmo_create_child args = {
		.type = COWVMO_CHILD_SNAPSHOT,
		.flags = flags,
		.offset = offset,
		.length = length,
	};

	return file_handle(cowvmo_open_child(handle_file(vmo), &args));
}
EXPORT_SYMBOL_GPL(cowvmo_snapshot);

struct cowvmo_handle *cowvmo_read_only(struct cowvmo_handle *vmo)
{
	return file_handle(cowvmo_open_file(file_to_vmo(handle_file(vmo)),
					    false, NULL));
}
EXPORT_SYMBOL_GPL(cowvmo_read_only);

int cowvmo_to_fd(struct cowvmo_handle *vmo)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd >= 0)
		fd_install(fd, get_file(handle_file(vmo)));
	return fd;
}
EXPORT_SYMBOL_GPL(cowvmo_to_fd);

void cowvmo_put(struct cowvmo_handle *vmo)
{
	fput(handle_file(vmo));
}
EXPORT_SYMBOL_GPL(cowvmo_put);

u64 cowvmo_size(struct cowvmo_handle *vmo)
{
	const struct cowvmo *sized = vmo_sized(file_to_vmo(handle_file(vmo)));
	struct cowvmo *store = file_to_store(handle_file(vmo));
	u64 size;

	down_read(store->lock);
	size = vmo_size(sized);
	up_read(store->lock);
	return size;
}
EXPORT_SYMBOL_GPL(cowvmo_size);

ssize_t cowvmo_read(struct cowvmo_handle *vmo, void *buf, size_t count,
		    u64 offset)
{
	loff_t pos = offset;

	return kernel_read(handle_file(vmo), buf, count, &pos);
}
EXPORT_SYMBOL_GPL(cowvmo_read);

ssize_t cowvmo_write(struct cowvmo_handle *vmo, const void *buf, size_t count,
		     u64 offset)
{
	loff_t pos = offset;

	if (!may_write(vmo))
		return -EACCES;
	return kernel_write(handle_file(vmo), buf, count, &pos);
}
EXPORT_SYMBOL_GPL(cowvmo_write);

static struct page *get_page_locked(struct cowvmo *store, u64 offset)
{
	struct ptree_desc *desc;

	lockdep_assert_held(store->lock);
	if (offset >= vmo_size(store))
		return ERR_PTR(-ERANGE);
	desc = ptree_lookup(&store->tree, store->base + (offset >> PAGE_SHIFT));
	return desc ? cow_hold_page(desc) : NULL;
}

struct page *cowvmo_get_page(struct cowvmo_handle *vmo, u64 offset)
{
	struct cowvmo *store = file_to_store(handle_file(vmo));
	struct page *page;
	int err;

	err = cowvmo_to_store(file_to_vmo(handle_file(vmo)), &offset, 1);
	if (err)
		return ERR_PTR(err);
	down_read(store->lock);
	page = get_page_locked(store, offset);
	up_read(store->lock);
	return page;
}
EXPORT_SYMBOL_GPL(cowvmo_get_page);

int cowvmo_op_range(struct cowvmo_handle *vmo, enum cowvmo_range_op op,
		    u64 offset, u64 length, u64 *done)
{
	struct cowvmo_op_range args = {
		.op = op,
		.offset = offset,
		.length = length,
	};
	int err = cowvmo_call(handle_file(vmo), COWVMO_IOC_OP_RANGE, &args);

	if (done)
		*done = args.out_done;
	return err;
}
EXPORT_SYMBOL_GPL(cowvmo_op_range);

int cowvmo_resize(struct cowvmo_handle *vmo, u64 size)
{
	struct cowvmo_set_size args = { .vmo_size = size };

	return cowvmo_call(handle_file(vmo), COWVMO_IOC_SET_SIZE, &args);
}
EXPORT_SYMBOL_GPL(cowvmo_resize);

int cowvmo_change_policy(struct cowvmo_handle *vmo,
			 enum cowvmo_cache_policy policy)
{
	struct cowvmo_set_cache_policy args = { .policy = policy };

	return cowvmo_call(handle_file(vmo), COWVMO_IOC_SET_CACHE_POLICY,
			   &args);
}
EXPORT_SYMBOL_GPL(cowvmo_change_policy);

struct cow_pin *cowvmo_pin(struct cowvmo_handle *vmo, u64 offset, u64 length,
			   u32 flags)
{
	bool writable = flags & COWVMO_PIN_WRITE;
	struct cow_pin *pin;
	int err;

	if (flags & ~COWVMO_PIN_WRITE)
		return ERR_PTR(-EINVAL);
	if (writable && !may_write(vmo))
		return ERR_PTR(-EACCES);
	pin = cow_pin_new(file_to_vmo(handle_file(vmo)), offset, length,
			  writable);
	if (IS_ERR(pin))
		return pin;
	err = cow_pin_take(pin, false);
	if (!err)
		return pin;
	cow_pin_put(pin);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(cowvmo_pin);

u64 cowvmo_pin_length(const struct cow_pin *pin)
{
	return cow_pin_nr_pages(pin) << PAGE_SHIFT;
}
EXPORT_SYMBOL_GPL(cowvmo_pin_length);

int cowvmo_pin_pages(struct cow_pin *pin, u64 offset, unsigned int nr,
		     struct page **pages)
{
	u64 first = offset >> PAGE_SHIFT, all = cow_pin_nr_pages(pin);

	if (!PAGE_ALIGNED(offset))
		return -EINVAL;
	if (first > all || nr > all - first)
		return -ERANGE;
	cow_pin_pages(pin, first, nr, pages);
	return 0;
}
EXPORT_SYMBOL_GPL(cowvmo_pin_pages);

int cowvmo_pin_table(struct cow_pin *pin, unsigned int max_segment,
		     struct sg_table *table)
{
	return cow_pin_table(pin, max_segment, table);
}
EXPORT_SYMBOL_GPL(cowvmo_pin_table);

void cowvmo_unpin(struct cow_pin *pin)
{
	cow_pin_put(pin);
}
EXPORT_SYMBOL_GPL(cowvmo_unpin);
