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

static u32 cache_mode(pte_t *pte)
{
	unsigned long bits;

	if (!pte || !pte_present(*pte))
		return GUP_TEST_OTHER;
	bits = pte_val(*pte) & _PAGE_CACHE_MASK;
	if (!bits)
		return GUP_TEST_WB;
	if (bits == cachemode2protval(_PAGE_CACHE_MODE_UC_MINUS))
		return GUP_TEST_UC;
	if (bits == cachemode2protval(_PAGE_CACHE_MODE_WC))
		return GUP_TEST_WC;
	return GUP_TEST_OTHER;
}

static u32 kernel_cache_mode(struct page *page)
{
	unsigned int level;
	pte_t *pte, small;

	if (!page)
		return GUP_TEST_OTHER;
	pte = lookup_address((unsigned long)page_address(page), &level);
	if (!pte)
		return GUP_TEST_OTHER;
	/* In a large mapping the bit of that place tells that it is one. */
	small = *pte;
	if (level != PG_LEVEL_4K)
		small = __pte(pte_val(small) & ~_PAGE_PSE);
	return cache_mode(&small);
}

static pte_t *user_pte(unsigned long addr)
{
	pgd_t *pgd = pgd_offset(current->mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	if (pmd_none(*pmd) || pmd_bad(*pmd))
		return NULL;
	return pte_offset_kernel(pmd, addr);
}

static long holder_cache(struct holder *holder,
			 struct gup_test_cache __user *user)
{
	struct gup_test_cache cache;

	if (copy_from_user(&cache, user, sizeof(cache)))
		return -EFAULT;
	cache.kernel = kernel_cache_mode(holder->page);
	mmap_read_lock(current->mm);
	cache.user = cache_mode(user_pte(cache.address));
	mmap_read_unlock(current->mm);
	return copy_to_user(user, &cache, sizeof(cache)) ? -EFAULT : 0;
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
	case GUP_TEST_CACHE:
		ret = holder_cache(holder, (void __user *)arg);
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
