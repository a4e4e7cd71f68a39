// SPDX-License-Identifier: GPL-2.0
/*
 * Imports dma-bufs as a driver does that has a device, and works with the
 * memory by the addresses that the device gets. It is for guests without an
 * IOMMU, where these are addresses of memory.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "cowvmo_dma_test.h"

static struct platform_device *importer;

struct import {
	struct mutex lock;	/* for the rest, and what importer can take */
	struct dma_buf *buf;
	struct dma_buf_attachment *attach;
	struct sg_table *table;
	enum dma_data_direction dir;
};

/* What one device can take is asked for where a mapping is made. */
static DEFINE_MUTEX(segment_lock);

static void import_drop(struct import *import)
{
	if (!import->buf)
		return;
	if (import->table)
		cowvmo_dma_buf_unmap(import->attach, import->table,
				     import->dir);
	if (import->attach)
		dma_buf_detach(import->buf, import->attach);
	dma_buf_put(import->buf);
	import->buf = NULL;
	import->attach = NULL;
	import->table = NULL;
}

static int import_map(struct import *import, unsigned int max_segment)
{
	struct dma_buf_attachment *attach;
	struct sg_table *table;

	attach = dma_buf_attach(import->buf, &importer->dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	import->attach = attach;
	mutex_lock(&segment_lock);
	dma_set_max_seg_size(&importer->dev, max_segment);
	table = cowvmo_dma_buf_map(attach, import->dir);
	mutex_unlock(&segment_lock);
	if (IS_ERR(table))
		return PTR_ERR(table);
	import->table = table;
	return 0;
}

static void import_tell(const struct import *import,
			struct dma_test_import *args)
{
	struct scatterlist *sg;
	unsigned int i;

	args->out_entries = import->table->nents;
	args->out_bytes = 0;
	args->out_largest = 0;
	for_each_sgtable_dma_sg(import->table, sg, i) {
		args->out_bytes += sg_dma_len(sg);
		if (sg_dma_len(sg) > args->out_largest)
			args->out_largest = sg_dma_len(sg);
	}
}

static int import_take(struct import *import,
		       const struct dma_test_import *args)
{
	static const enum dma_data_direction dirs[] = {
		DMA_NONE, DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
	};
	struct dma_buf *buf;
	int err;

	if (!args->flags || args->flags >= ARRAY_SIZE(dirs))
		return -EINVAL;
	buf = dma_buf_get(args->fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	import->buf = buf;
	import->dir = dirs[args->flags];
	err = import_map(import, args->max_segment);
	if (err)
		import_drop(import);
	return err;
}

static long import_ioctl(struct import *import,
			 struct dma_test_import __user *user)
{
	struct dma_test_import args;
	int err;

	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	if (import->buf)
		return -EBUSY;
	err = import_take(import, &args);
	if (err)
		return err;
	import_tell(import, &args);
	return copy_to_user(user, &args, sizeof(args)) ? -EFAULT : 0;
}

/* What a device would reach there: by its addresses, not by the pages. */
static struct page *device_page(const struct import *import, u64 offset,
				unsigned int *in_page)
{
	struct scatterlist *sg;
	unsigned int i;
	phys_addr_t at;

	for_each_sgtable_dma_sg(import->table, sg, i) {
		if (offset < sg_dma_len(sg)) {
			at = dma_to_phys(&importer->dev,
					 sg_dma_address(sg) + offset);
			*in_page = offset_in_page(at);
			return pfn_to_page(PHYS_PFN(at));
		}
		offset -= sg_dma_len(sg);
	}
	return NULL;
}

static int access_byte(struct import *import, bool store,
		       struct dma_test_byte *at)
{
	unsigned int in_page;
	struct page *page;
	u8 *mem;

	page = device_page(import, at->offset, &in_page);
	if (!page)
		return -ERANGE;
	mem = kmap_local_page(page);
	if (store)
		WRITE_ONCE(mem[in_page], at->byte);
	else
		at->byte = READ_ONCE(mem[in_page]);
	kunmap_local(mem);
	return 0;
}

static long access_ioctl(struct import *import, bool store,
			 struct dma_test_byte __user *user)
{
	enum dma_data_direction dir = store ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	struct dma_test_byte at;
	int err;

	if (copy_from_user(&at, user, sizeof(at)))
		return -EFAULT;
	if (!import->table)
		return -EINVAL;
	err = dma_buf_begin_cpu_access(import->buf, dir);
	if (err)
		return err;
	err = access_byte(import, store, &at);
	dma_buf_end_cpu_access(import->buf, dir);
	if (!err && !store && copy_to_user(user, &at, sizeof(at)))
		err = -EFAULT;
	return err;
}

static unsigned long pte_bits(const void *mem)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)mem, &level);
	unsigned long bits = pte ? pte_val(*pte) : 0;

	/* In a large mapping the bit of that place tells that it is one. */
	return level == PG_LEVEL_4K ? bits : bits & ~_PAGE_PSE;
}

static void kernel_access(u8 *mem, struct dma_test_kernel *at)
{
	unsigned long bits, others;

	bits = pte_bits(mem);
	others = pte_bits(page_address(vmalloc_to_page(mem)));
	at->out_writable = !!(bits & _PAGE_RW);
	at->out_agrees = !((bits ^ others) & _PAGE_CACHE_MASK);
	if (!at->store)
		at->byte = READ_ONCE(*mem);
	else if (at->out_writable)
		WRITE_ONCE(*mem, at->byte);
}

static long kernel_ioctl(struct import *import,
			 struct dma_test_kernel __user *user)
{
	struct dma_test_kernel at;
	struct iosys_map map;
	int err;

	if (copy_from_user(&at, user, sizeof(at)))
		return -EFAULT;
	if (!import->buf)
		return -EINVAL;
	if (at.offset >= import->buf->size)
		return -ERANGE;
	err = cowvmo_dma_buf_vmap(import->buf, &map);
	if (err)
		return err;
	kernel_access(map.vaddr + at.offset, &at);
	cowvmo_dma_buf_vunmap(import->buf, &map);
	return copy_to_user(user, &at, sizeof(at)) ? -EFAULT : 0;
}

static long dma_test_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct import *import = file->private_data;
	long ret = 0;

	mutex_lock(&import->lock);
	switch (cmd) {
	case DMA_TEST_IMPORT:
		ret = import_ioctl(import, (void __user *)arg);
		break;
	case DMA_TEST_LOAD:
	case DMA_TEST_STORE:
		ret = access_ioctl(import, cmd == DMA_TEST_STORE,
				   (void __user *)arg);
		break;
	case DMA_TEST_KERNEL:
		ret = kernel_ioctl(import, (void __user *)arg);
		break;
	case DMA_TEST_DROP:
		import_drop(import);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&import->lock);
	return ret;
}

static int dma_test_open(struct inode *inode, struct file *file)
{
	struct import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	if (!import)
		return -ENOMEM;
	mutex_init(&import->lock);
	file->private_data = import;
	return 0;
}

static int dma_test_release(struct inode *inode, struct file *file)
{
	struct import *import = file->private_data;

	import_drop(import);
	kfree(import);
	return 0;
}

static const struct file_operations dma_test_fops = {
	.owner		= THIS_MODULE,
	.open		= dma_test_open,
	.release	= dma_test_release,
	.unlocked_ioctl	= dma_test_ioctl,
};

static struct miscdevice dma_test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "cowvmo_dma_test",
	.fops	= &dma_test_fops,
	.mode	= 0600,
};

static int __init dma_test_init(void)
{
	int err;

	importer = platform_device_register_simple("cowvmo_dma_test",
						   PLATFORM_DEVID_NONE, NULL,
						   0);
	if (IS_ERR(importer))
		return PTR_ERR(importer);
	err = dma_coerce_mask_and_coherent(&importer->dev, DMA_BIT_MASK(64));
	if (!err)
		err = misc_register(&dma_test_device);
	if (err)
		platform_device_unregister(importer);
	return err;
}

static void __exit dma_test_exit(void)
{
	misc_deregister(&dma_test_device);
	platform_device_unregister(importer);
}

module_init(dma_test_init);
module_exit(dma_test_exit);

MODULE_DESCRIPTION("Imports dma-bufs, for tests of cowvmo");
MODULE_LICENSE("GPL");
COWVMO_IMPORT_NS(DMA_BUF);
