// SPDX-License-Identifier: GPL-2.0
/*
 * The pin as a file, which is what user space holds a pin by, and its mappings.
 *
 * It is a file of the kernel's anonymous inode: it has no content of its own,
 * and the pin behind it keeps VMO and module in place.
 *
 * A mapping of a pin needs none of the care that one of a VMO does. As long as
 * it exists the pin does, and its pages are the VMO's own and may be written
 * without asking: so its PTEs are writable from the start, there is no
 * ->page_mkwrite, for want of which drivers get long-term pins, and nobody
 * ever has to find these PTEs again. They go, and their TLB entries, before
 * the mapping lets go of the file.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "compat.h"
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
		   cow_pin_nr_pages(pin) << PAGE_SHIFT);
	seq_printf(m, "cowvmo-pin-writable:\t%d\n", pin->writable);
}

/* Pages that one fault maps at most */
#define FAULT_AHEAD	16

static vm_fault_t pin_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct cow_pin *pin = vma->vm_private_data;
	struct page *pages[FAULT_AHEAD];
	u64 left = cow_pin_nr_pages(pin);
	unsigned long nr;
	int err;

	/* Cannot be: it is no larger than the pin, and does not grow. */
	if (vmf->pgoff >= left)
		return VM_FAULT_SIGBUS;
	nr = min_t(u64, left - vmf->pgoff, FAULT_AHEAD);
	nr = min(nr, (vma->vm_end - vmf->address) >> PAGE_SHIFT);
	cow_pin_pages(pin, vmf->pgoff, nr, pages);
	err = vm_insert_pages(vma, vmf->address, pages, &nr);
	if (!err || err == -EBUSY)
		return VM_FAULT_NOPAGE;
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct pin_vm_ops = {
	.fault	= pin_fault,
};

/**
 * cow_pin_mmap() - map the pages of a pin
 * @pin: the pin, held by the file of the mapping
 * @vma: the mapping; its offset counts from where the pin begins
 *
 * Context: may sleep; takes the lock of the store.
 * Return: 0, -EINVAL, -EPERM, -EACCES, -EBUSY.
 */
int cow_pin_mmap(struct cow_pin *pin, struct vm_area_struct *vma)
{
	u64 nr_pages = cow_pin_nr_pages(pin);

	/* A private mapping would be one of copies, and no use to anybody. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff > nr_pages ||
	    vma_pages(vma) > nr_pages - vma->vm_pgoff)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	if (!pin->writable) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		cowvmo_vm_flags_clear(vma, VM_MAYWRITE);
	}
	cowvmo_vm_flags_clear(vma, VM_MAYEXEC);
	cowvmo_vm_flags_set(vma, VM_MIXEDMAP | VM_DONTEXPAND);
	vma->vm_private_data = pin;
	vma->vm_ops = &pin_vm_ops;
	/* What is pinned does not change its policy any more. */
	return cowvmo_cache_prepare_vma(pin->vmo->store, vma);
}

static int pin_mmap(struct file *file, struct vm_area_struct *vma)
{
	return cow_pin_mmap(file->private_data, vma);
}

static const struct file_operations cow_pin_fops = {
	.owner		= THIS_MODULE,
	.release	= pin_release,
	.unlocked_ioctl	= cowvmo_pin_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= pin_mmap,
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
	err = cow_pin_take(pin, true);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}
