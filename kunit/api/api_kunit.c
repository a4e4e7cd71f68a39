// SPDX-License-Identifier: GPL-2.0
/*
 * The interface for other modules, used by another module. Includes nothing of
 * cowvmo but the two headers that others have.
 */
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/module.h>

#include "api_kunit.h"

struct cowvmo_handle *api_vmo(struct kunit *test)
{
	return test->priv;
}

static int fill(struct cowvmo_handle *vmo)
{
	unsigned int i;
	ssize_t got;
	u8 *buf;

	buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	for (i = 0; i < FILLED; i++) {
		memset(buf, api_pattern(i), PAGE_SIZE);
		got = cowvmo_write(vmo, buf, PAGE_SIZE, i * PAGE_SIZE);
		if (got != PAGE_SIZE)
			break;
	}
	kfree(buf);
	return i == FILLED ? 0 : -EIO;
}

struct cowvmo_handle *api_filled(void)
{
	struct cowvmo_handle *vmo;
	int err;

	vmo = cowvmo_make(SIZE, COWVMO_CREATE_RESIZABLE, 0, "kunit");
	if (IS_ERR(vmo))
		return vmo;
	err = fill(vmo);
	if (!err)
		return vmo;
	cowvmo_put(vmo);
	return ERR_PTR(err);
}

int api_byte(struct cowvmo_handle *vmo, u64 offset)
{
	u8 byte;
	ssize_t got = cowvmo_read(vmo, &byte, 1, offset);

	if (got < 0)
		return got;
	return got ? byte : -ENODATA;
}

u8 api_peek(struct page *page)
{
	u8 *mem = kmap_local_page(page);
	u8 byte = READ_ONCE(*mem);

	kunmap_local(mem);
	return byte;
}

void api_poke(struct page *page, u8 byte)
{
	u8 *mem = kmap_local_page(page);

	WRITE_ONCE(*mem, byte);
	kunmap_local(mem);
}

struct page *api_page(struct kunit *test, struct cowvmo_handle *vmo,
		      u64 offset)
{
	struct page *page = cowvmo_get_page(vmo, offset);

	KUNIT_ASSERT_FALSE(test, IS_ERR(page));
	if (page)
		put_page(page);
	return page;
}

struct cow_pin *api_pin(struct kunit *test, struct cowvmo_handle *vmo,
			u64 offset, u64 length, u32 flags)
{
	struct cow_pin *pin = cowvmo_pin(vmo, offset, length, flags);

	KUNIT_ASSERT_FALSE(test, IS_ERR(pin));
	return pin;
}

int api_init(struct kunit *test)
{
	test->priv = api_filled();
	return PTR_ERR_OR_ZERO(test->priv);
}

void api_exit(struct kunit *test)
{
	if (!IS_ERR_OR_NULL(test->priv))
		cowvmo_put(test->priv);
	/* A thread of the kernel closes files later; see that it works here. */
	flush_delayed_fput();
}

kunit_test_suites(&api_content_suite, &api_pins_suite, &api_policy_suite,
		  &api_contig_suite);

MODULE_DESCRIPTION("KUnit tests of what cowvmo offers to other modules");
MODULE_LICENSE("GPL");
