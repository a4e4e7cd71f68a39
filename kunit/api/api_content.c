// SPDX-License-Identifier: GPL-2.0
/* Handles, and the content of VMOs. */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "api_kunit.h"

static void make_errors(struct kunit *test)
{
	const char *long_name = "0123456789abcdef0123456789abcdef";
	const u64 max = (1ULL << 63) - PAGE_SIZE;
	struct cowvmo_handle *vmo;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(PAGE_SIZE, 2, 0, "flags")));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_make(PAGE_SIZE, 0, 0, long_name)));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			PTR_ERR(cowvmo_make(max + 1, 0, 0, "large")));
	vmo = cowvmo_make(max, 0, 0, "largest");
	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	KUNIT_EXPECT_EQ(test, max, cowvmo_size(vmo));
	cowvmo_put(vmo);
	vmo = cowvmo_make(1, 0, 0, "rounded");
	KUNIT_ASSERT_FALSE(test, IS_ERR(vmo));
	KUNIT_EXPECT_EQ(test, PAGE_SIZE, cowvmo_size(vmo));
	cowvmo_put(vmo);
}

/* The handle, the descriptor, and a handle by that: all the same VMO */
static void by_descriptor(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *other;
	int fd = cowvmo_to_fd(vmo);

	KUNIT_ASSERT_LE(test, 0, fd);
	other = cowvmo_get(fd, true);
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	close_fd(fd);
	KUNIT_EXPECT_EQ(test, 1, cowvmo_write(other, "x", 1, 0));
	KUNIT_EXPECT_EQ(test, 'x', api_byte(vmo, 0));
	cowvmo_put(other);
	KUNIT_EXPECT_EQ(test, -EBADF, PTR_ERR(cowvmo_get(fd, false)));
	KUNIT_EXPECT_EQ(test, -EBADF, PTR_ERR(cowvmo_get(-1, false)));
}

static int fd_of(const char *path)
{
	struct file *file = filp_open(path, O_RDWR, 0);
	int fd;

	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		fput(file);
	else
		fd_install(fd, file);
	return fd;
}

static void other_descriptors(struct kunit *test)
{
	static const char * const paths[] = { "/dev/null", "/dev/cowvmo" };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		fd = fd_of(paths[i]);
		KUNIT_ASSERT_LE(test, 0, fd);
		KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR(cowvmo_get(fd, false)));
		KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR(cowvmo_get(fd, true)));
		close_fd(fd);
	}
}

/* Where a handle came from decides what it may do, and what it is made into. */
static void rights(struct kunit *test)
{
	struct cowvmo_handle *reader = cowvmo_read_only(api_vmo(test)), *again;
	int fd;

	KUNIT_ASSERT_FALSE(test, IS_ERR(reader));
	KUNIT_EXPECT_EQ(test, api_pattern(1), api_byte(reader, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EACCES, cowvmo_write(reader, "x", 1, 0));
	KUNIT_EXPECT_EQ(test, -EACCES,
			cowvmo_op_range(reader, COWVMO_OP_ZERO, 0, 1, NULL));
	KUNIT_EXPECT_EQ(test, -EACCES,
			cowvmo_op_range(reader, COWVMO_OP_COMMIT, 0, 1, NULL));
	KUNIT_EXPECT_EQ(test, -EACCES, cowvmo_resize(reader, 0));
	KUNIT_EXPECT_EQ(test, -EACCES,
			cowvmo_change_policy(reader, COWVMO_CACHE_UNCACHED));
	KUNIT_EXPECT_EQ(test, -EACCES,
			PTR_ERR(cowvmo_pin(reader, 0, PAGE_SIZE,
					   COWVMO_PIN_WRITE)));
	fd = cowvmo_to_fd(reader);
	KUNIT_ASSERT_LE(test, 0, fd);
	KUNIT_EXPECT_EQ(test, -EACCES, PTR_ERR(cowvmo_get(fd, true)));
	again = cowvmo_get(fd, false);
	KUNIT_ASSERT_FALSE(test, IS_ERR(again));
	KUNIT_EXPECT_EQ(test, -EACCES, cowvmo_write(again, "x", 1, 0));
	close_fd(fd);
	cowvmo_put(again);
	cowvmo_put(reader);
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_byte(api_vmo(test), 0));
}

static void read_write(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *fixed;
	u64 edge = 2 * PAGE_SIZE - 2;
	u8 buf[4];

	KUNIT_EXPECT_EQ(test, 4, cowvmo_read(vmo, buf, 4, edge));
	KUNIT_EXPECT_EQ(test, api_pattern(1), buf[1]);
	KUNIT_EXPECT_EQ(test, api_pattern(2), buf[2]);
	KUNIT_EXPECT_EQ(test, 4, cowvmo_write(vmo, "abcd", 4, edge));
	KUNIT_EXPECT_EQ(test, 'b', api_byte(vmo, edge + 1));
	KUNIT_EXPECT_EQ(test, 'c', api_byte(vmo, edge + 2));
	KUNIT_EXPECT_EQ(test, 0, api_byte(vmo, FILLED * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 2, cowvmo_read(vmo, buf, 4, SIZE - 2));
	KUNIT_EXPECT_EQ(test, 0, cowvmo_read(vmo, buf, 4, SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_read(vmo, buf, 4, 1ULL << 63));
	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_write(vmo, buf, 4, 1ULL << 63));
	KUNIT_EXPECT_EQ(test, -EFBIG, cowvmo_write(vmo, buf, 1, LLONG_MAX - 1));
	/* What is resizable grows by a write, the other does not. */
	KUNIT_EXPECT_EQ(test, 4, cowvmo_write(vmo, "abcd", 4, SIZE));
	KUNIT_EXPECT_EQ(test, SIZE + PAGE_SIZE, cowvmo_size(vmo));
	fixed = cowvmo_make(PAGE_SIZE, 0, 0, "fixed");
	KUNIT_ASSERT_FALSE(test, IS_ERR(fixed));
	KUNIT_EXPECT_EQ(test, -ENOSPC, cowvmo_write(fixed, buf, 4, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 2, cowvmo_write(fixed, buf, 4, PAGE_SIZE - 2));
	KUNIT_EXPECT_EQ(test, -EPERM, cowvmo_resize(fixed, 0));
	cowvmo_put(fixed);
}

static void ranges(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	u64 done = 77;

	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_COMMIT, 0, SIZE,
					&done));
	KUNIT_EXPECT_EQ(test, SIZE, done);
	KUNIT_EXPECT_NOT_NULL(test, api_page(test, vmo, SIZE - 1));
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT, 0, PAGE_SIZE,
					NULL));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, 0));
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_ZERO, PAGE_SIZE + 1,
					PAGE_SIZE - 1, NULL));
	KUNIT_EXPECT_EQ(test, api_pattern(1), api_byte(vmo, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, api_byte(vmo, PAGE_SIZE + 1));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT, 1, PAGE_SIZE,
					NULL));
	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_op_range(vmo, 0, 0, 1, NULL));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			cowvmo_op_range(vmo, COWVMO_OP_COMMIT, 0, SIZE + 1,
					&done));
	KUNIT_EXPECT_EQ(test, 0, done);
	KUNIT_EXPECT_EQ(test, 0, cowvmo_resize(vmo, PAGE_SIZE + 1));
	KUNIT_EXPECT_EQ(test, 2 * PAGE_SIZE, cowvmo_size(vmo));
	KUNIT_EXPECT_EQ(test, -ERANGE, cowvmo_resize(vmo, 1ULL << 63));
}

static void lookups(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test);
	struct page *page = cowvmo_get_page(vmo, 3 * PAGE_SIZE + 5);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(page));
	/* The VMO's own reference, and ours */
	KUNIT_EXPECT_EQ(test, 2, page_ref_count(page));
	KUNIT_EXPECT_EQ(test, api_pattern(3), api_peek(page));
	KUNIT_EXPECT_PTR_EQ(test, page, api_page(test, vmo, 3 * PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, FILLED * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -ERANGE, PTR_ERR(cowvmo_get_page(vmo, SIZE)));
	KUNIT_EXPECT_EQ(test, -ERANGE, PTR_ERR(cowvmo_get_page(vmo, U64_MAX)));
	/* It remains what it was when the VMO has let go of it. */
	KUNIT_EXPECT_EQ(test, 0,
			cowvmo_op_range(vmo, COWVMO_OP_ZERO, 0, SIZE, NULL));
	KUNIT_EXPECT_NULL(test, api_page(test, vmo, 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1, page_ref_count(page));
	KUNIT_EXPECT_EQ(test, api_pattern(3), api_peek(page));
	put_page(page);
}

static void snapshots(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *snap;

	snap = cowvmo_snapshot(vmo, 0, PAGE_SIZE, 2 * PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(snap));
	KUNIT_EXPECT_EQ(test, 2 * PAGE_SIZE, cowvmo_size(snap));
	KUNIT_EXPECT_PTR_EQ(test, api_page(test, vmo, PAGE_SIZE),
			    api_page(test, snap, 0));
	KUNIT_EXPECT_EQ(test, 1, cowvmo_write(vmo, "x", 1, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, api_pattern(1), api_byte(snap, 0));
	KUNIT_EXPECT_PTR_NE(test, api_page(test, vmo, PAGE_SIZE),
			    api_page(test, snap, 0));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			cowvmo_op_range(vmo, COWVMO_OP_DECOMMIT, 0, PAGE_SIZE,
					NULL));
	KUNIT_EXPECT_EQ(test, -EPERM, cowvmo_resize(snap, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR(cowvmo_snapshot(vmo, 0, 1, 1)));
	KUNIT_EXPECT_EQ(test, -EINVAL, PTR_ERR(cowvmo_snapshot(vmo, 4, 0, 1)));
	KUNIT_EXPECT_EQ(test, -ERANGE,
			PTR_ERR(cowvmo_snapshot(vmo, 0, 0, 1ULL << 63)));
	cowvmo_put(snap);
}

static void kinds_of_snapshots(struct kunit *test)
{
	const u64 half = 1ULL << 63;
	struct cowvmo_handle *fixed, *low, *high;

	fixed = cowvmo_snapshot(api_vmo(test), COWVMO_CREATE_NO_WRITE, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(fixed));
	KUNIT_EXPECT_EQ(test, -EACCES, cowvmo_write(fixed, "x", 1, 0));
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_byte(fixed, 0));
	/* As far from the first generation as it can be; then beyond */
	low = cowvmo_snapshot(fixed, 0, half, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(low));
	high = cowvmo_snapshot(low, COWVMO_CREATE_RESIZABLE, half - 2 * PAGE_SIZE,
			       PAGE_SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(high));
	KUNIT_EXPECT_EQ(test, -EINVAL, cowvmo_resize(high, 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(cowvmo_snapshot(high, 0, 2 * PAGE_SIZE,
						PAGE_SIZE)));
	cowvmo_put(high);
	cowvmo_put(low);
	cowvmo_put(fixed);
}

/* A page that is referred to stays with its VMO: snapshots have copies. */
static void snapshot_of_a_held_page(struct kunit *test)
{
	struct cowvmo_handle *vmo = api_vmo(test), *before, *snap;
	struct page *page;

	before = cowvmo_snapshot(vmo, 0, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(before));
	page = cowvmo_get_page(vmo, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(page));
	snap = cowvmo_snapshot(vmo, 0, 0, SIZE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(snap));
	KUNIT_EXPECT_EQ(test, 1, cowvmo_write(vmo, "x", 1, 0));
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_byte(snap, 0));
	KUNIT_EXPECT_EQ(test, api_pattern(0), api_byte(before, 0));
	put_page(page);
	cowvmo_put(snap);
	cowvmo_put(before);
}

static struct kunit_case content_cases[] = {
	KUNIT_CASE(make_errors),
	KUNIT_CASE(by_descriptor),
	KUNIT_CASE(other_descriptors),
	KUNIT_CASE(rights),
	KUNIT_CASE(read_write),
	KUNIT_CASE(ranges),
	KUNIT_CASE(lookups),
	KUNIT_CASE(snapshots),
	KUNIT_CASE(kinds_of_snapshots),
	KUNIT_CASE(snapshot_of_a_held_page),
	{}
};

struct kunit_suite api_content_suite = {
	.name = "cowvmo_api_content",
	.init = api_init,
	.exit = api_exit,
	.test_cases = content_cases,
};
