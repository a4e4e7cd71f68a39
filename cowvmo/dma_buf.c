// SPDX-License-Identifier: GPL-2.0
/*
 * The pin as a dma-buf, for drivers that import these.
 *
 * A dma-buf holds the pin, so that its pages stay where they are from the first
 * attachment to the last, and nothing has to be done when one comes or goes.
 * Each mapping has a scatterlist of its own, made for what its device can take.
 *
 * Devices may work with the pages through what is not coherent with the
 * processor's caches, or through bounce buffers; those who use the processor
 * say so (begin_cpu_access), and then all mappings have to be synchronized.
 * Hence the list of them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "cowvmo.h"

/**
 * struct pin_export - a dma-buf's own
 * @pin: what it shows; held
 * @lock: protects @mappings; inside dma_resv of the dma-buf
 * @mappings: all there are of it, of struct pin_mapping
 */
struct pin_export {
	struct cow_pin *pin;
	struct mutex lock;	/* for mappings */
	struct list_head mappings;
};

/**
 * struct pin_mapping - the pages as one device sees them
 * @table: where they are, for the processor and for the device
 * @dev: the device
 * @dir: what the device does with it
 * @link: in the export
 */
struct pin_mapping {
	struct sg_table table;
	struct device *dev;
	enum dma_data_direction dir;
	struct list_head link;
};

/* What goes through bounce buffers has less room than the device would take. */
static unsigned int max_segment(struct device *dev)
{
	size_t most = round_down(dma_max_mapping_size(dev), PAGE_SIZE);

	return min_t(size_t, dma_get_max_seg_size(dev),
		     max_t(size_t, most, PAGE_SIZE));
}

static struct pin_mapping *mapping_alloc(struct pin_export *export,
					 struct device *dev,
					 enum dma_data_direction dir)
{
	struct pin_mapping *mapping;
	int err;

	if (cowvmo_should_fail())
		return ERR_PTR(-ENOMEM);
	mapping = kzalloc(sizeof(*mapping), COWVMO_GFP_CALL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = dev;
	mapping->dir = dir;
	err = cow_pin_table(export->pin, max_segment(dev), &mapping->table);
	if (!err)
		return mapping;
	kfree(mapping);
	return ERR_PTR(err);
}

static void mapping_free(struct pin_mapping *mapping)
{
	sg_free_table(&mapping->table);
	kfree(mapping);
}

static struct sg_table *export_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct pin_export *export = attach->dmabuf->priv;
	struct pin_mapping *mapping;
	int err;

	/* What only reads must not let a device write. */
	if (!export->pin->writable && dir != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	mapping = mapping_alloc(export, attach->dev, dir);
	if (IS_ERR(mapping))
		return ERR_CAST(mapping);
	err = dma_map_sgtable(attach->dev, &mapping->table, dir, 0);
	if (err) {
		mapping_free(mapping);
		return ERR_PTR(err);
	}
	mutex_lock(&export->lock);
	list_add(&mapping->link, &export->mappings);
	mutex_unlock(&export->lock);
	return &mapping->table;
}

static void export_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *table, enum dma_data_direction dir)
{
	struct pin_mapping *mapping = container_of(table, struct pin_mapping, table);
	struct pin_export *export = attach->dmabuf->priv;

	mutex_lock(&export->lock);
	list_del(&mapping->link);
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(attach->dev, table, dir, 0);
	mapping_free(mapping);
}

/*
 * In the direction of each mapping, not of the caller: what a bounce buffer
 * would bring back of pages that the device only reads is old.
 */
static int export_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction dir)
{
	struct pin_export *export = dmabuf->priv;
	struct pin_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, link)
		dma_sync_sgtable_for_cpu(mapping->dev, &mapping->table,
					 mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

static int export_end_cpu_access(struct dma_buf *dmabuf,
				 enum dma_data_direction dir)
{
	struct pin_export *export = dmabuf->priv;
	struct pin_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, link)
		dma_sync_sgtable_for_device(mapping->dev, &mapping->table,
					    mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

/* The same as a mapping of the pin: the file of it holds the dma-buf. */
static int export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct pin_export *export = dmabuf->priv;

	return cow_pin_mmap(export->pin, vma);
}

/*
 * The core counts users: there is one at a time. It warns when there is none to
 * be had, of whatever exporter, so no test lets this fail.
 */
static int export_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct pin_export *export = dmabuf->priv;
	void *mem = cow_pin_vmap(export->pin);

	if (!mem)
		return -ENOMEM;
	iosys_map_set_vaddr(map, mem);
	return 0;
}

static void export_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void export_free(struct pin_export *export)
{
	cow_pin_put(export->pin);
	mutex_destroy(&export->lock);
	kfree(export);
}

static void export_release(struct dma_buf *dmabuf)
{
	export_free(dmabuf->priv);
}

static const struct dma_buf_ops export_ops = {
	.map_dma_buf		= export_map,
	.unmap_dma_buf		= export_unmap,
	.begin_cpu_access	= export_begin_cpu_access,
	.end_cpu_access		= export_end_cpu_access,
	.mmap			= export_mmap,
	.vmap			= export_vmap,
	.vunmap			= export_vunmap,
	.release		= export_release,
};

static struct pin_export *export_alloc(struct cow_pin *pin)
{
	struct pin_export *export;

	if (cowvmo_should_fail())
		return NULL;
	export = kzalloc(sizeof(*export), COWVMO_GFP_CALL);
	if (!export)
		return NULL;
	cow_pin_get(pin);
	export->pin = pin;
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->mappings);
	return export;
}

/**
 * cow_pin_export() - a dma-buf of a pin
 * @pin: the pin; the dma-buf holds it
 *
 * It may be mapped for what the pin is for, so its file is writable or not.
 *
 * Context: may sleep.
 * Return: the dma-buf's file, or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct file *cow_pin_export(struct cow_pin *pin)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct pin_export *export = export_alloc(pin);
	struct dma_buf *dmabuf;

	if (!export)
		return ERR_PTR(-ENOMEM);
	info.exp_name = "cowvmo";
	info.ops = &export_ops;
	info.size = cow_pin_nr_pages(pin) << PAGE_SHIFT;
	info.flags = pin->writable ? O_RDWR : O_RDONLY;
	info.priv = export;
	dmabuf = cowvmo_should_fail() ? ERR_PTR(-ENOMEM) :
		 dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		return dmabuf->file;
	export_free(export);
	return ERR_CAST(dmabuf);
}

COWVMO_IMPORT_NS(DMA_BUF);
