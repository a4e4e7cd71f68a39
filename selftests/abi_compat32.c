// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl from a program of 32 bits, on a kernel of 64: the structs have
 * the same layout (abi_layout.h, compiled here with -m32) and the same
 * meaning, so that compat_ioctl has nothing to translate but the pointer.
 */
#include <poll.h>

#include "pager.h"
#include "abi_layout.h"
#include "kselftest_harness.h"

static_assert(sizeof(void *) == 4, "build with -m32");

FIXTURE(compat) {
	int dev, vmo;
};

FIXTURE_SETUP(compat)
{
	self->dev = vmo_device();
	ASSERT_LE(0, self->dev);
	self->vmo = vmo_create(self->dev, 4 * PG, COWVMO_CREATE_RESIZABLE,
			       "compat");
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pat_fill(self->vmo, 0, 1));
	ASSERT_EQ(0, pat_fill(self->vmo, 3, 4));
}

FIXTURE_TEARDOWN(compat)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, vmo_validate());
}

/* The table abi_names reads: each ioctl, and where it belongs */
static const struct {
	unsigned int cmd, size, least;
	bool on_device, on_pin, on_pager;
} table[] = {
	{ .cmd = COWVMO_IOC_QUERY, .on_device = true,
	  .size = sizeof(struct cowvmo_query) },
	{ .cmd = COWVMO_IOC_CREATE, .on_device = true,
	  .size = sizeof(struct cowvmo_create),
	  .least = offsetof(struct cowvmo_create, align_log2) },
	{ .cmd = COWVMO_IOC_CREATE_CHILD,
	  .size = sizeof(struct cowvmo_create_child) },
	{ .cmd = COWVMO_IOC_OP_RANGE,
	  .size = sizeof(struct cowvmo_op_range) },
	{ .cmd = COWVMO_IOC_SET_SIZE,
	  .size = sizeof(struct cowvmo_set_size) },
	{ .cmd = COWVMO_IOC_SET_STREAM_SIZE,
	  .size = sizeof(struct cowvmo_set_stream_size) },
	{ .cmd = COWVMO_IOC_GET_INFO,
	  .size = sizeof(struct cowvmo_get_info) },
	{ .cmd = COWVMO_IOC_SET_NAME,
	  .size = sizeof(struct cowvmo_set_name) },
	{ .cmd = COWVMO_IOC_TRANSFER,
	  .size = sizeof(struct cowvmo_transfer) },
	{ .cmd = COWVMO_IOC_RESTORE, .size = sizeof(struct cowvmo_restore) },
	{ .cmd = COWVMO_IOC_COMPARE, .size = sizeof(struct cowvmo_compare) },
	{ .cmd = COWVMO_IOC_SEAL, .size = sizeof(struct cowvmo_seal) },
	{ .cmd = COWVMO_IOC_OPEN, .size = sizeof(struct cowvmo_open) },
	{ .cmd = COWVMO_IOC_SET_CACHE_POLICY,
	  .size = sizeof(struct cowvmo_set_cache_policy) },
	{ .cmd = COWVMO_IOC_SET_PRIORITY,
	  .size = sizeof(struct cowvmo_set_priority) },
	{ .cmd = COWVMO_IOC_LOOKUP, .size = sizeof(struct cowvmo_lookup) },
	{ .cmd = COWVMO_IOC_PIN, .size = sizeof(struct cowvmo_pin) },
	{ .cmd = COWVMO_IOC_PIN_EXPORT, .on_pin = true,
	  .size = sizeof(struct cowvmo_pin_export) },
	{ .cmd = COWVMO_IOC_GET_FAULT_ERROR,
	  .size = sizeof(struct cowvmo_fault_error) },
	{ .cmd = COWVMO_IOC_PAGER_CREATE, .on_device = true,
	  .size = sizeof(struct cowvmo_pager_create) },
	{ .cmd = COWVMO_IOC_PAGER_CREATE_VMO, .on_pager = true,
	  .size = sizeof(struct cowvmo_pager_create_vmo) },
	{ .cmd = COWVMO_IOC_PAGER_OPS, .on_pager = true,
	  .size = sizeof(struct cowvmo_pager_ops) },
	{ .cmd = COWVMO_IOC_PAGER_QUERY_DIRTY, .on_pager = true,
	  .size = sizeof(struct cowvmo_pager_query_dirty) },
	{ .cmd = COWVMO_IOC_PAGER_QUERY_STATS, .on_pager = true,
	  .size = sizeof(struct cowvmo_pager_query_stats) },
};

static int call(int fd, unsigned int cmd, void *arg)
{
	return vmo_ret(ioctl(fd, cmd, arg));
}

TEST_F(compat, errors)
{
	int pin = vmo_pin(self->vmo, 0, 0, PG);
	int pager = pager_create(self->dev, 0, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		int right = table[i].on_device ? self->dev :
			    table[i].on_pin ? pin :
			    table[i].on_pager ? pager : self->vmo;
		int wrong = table[i].on_device ? self->vmo : self->dev;
		__u32 least = table[i].least ?: table[i].size;
		__u32 arg[64] = { least - 1 };

		EXPECT_EQ(-EINVAL, call(right, table[i].cmd, arg));
		arg[0] = table[i].size + 8;
		arg[table[i].size / 4] = 1;
		EXPECT_EQ(-E2BIG, call(right, table[i].cmd, arg));
		EXPECT_EQ(-EFAULT, call(right, table[i].cmd, NULL));
		/* The top of a 32-bit program's own half, and beyond */
		EXPECT_EQ(-EFAULT, call(right, table[i].cmd,
					(void *)0xfffff000));
		EXPECT_EQ(-ENOTTY, call(wrong, table[i].cmd, arg));
	}
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, close(pager));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
}

/* A pager, and what it reads */
TEST_F(compat, pager)
{
	int pager = pager_create(self->dev, 0, 0);
	int vmo = pager_vmo(pager, 1ULL << 40, 1ULL << 40, 0);
	struct task task = { .fd = vmo, .page = 1ULL << 27, .n = 1 };

	ASSERT_LE(0, vmo);
	task_start(&task);
	EXPECT_STREQ("READ 1099511627776 134217728+1", pager_next(pager));
	EXPECT_EQ(0, pager_give(pager, vmo, 1ULL << 27, 1, 3));
	EXPECT_EQ((long)PG, task_join(&task));
	EXPECT_EQ(0, pat_mem_check(task.buf, (1ULL << 27) + 3));
	EXPECT_EQ(0, vmo_zero(vmo, 0, 1ULL << 39));
	EXPECT_STREQ("0+134217728z", pager_dirt(pager, vmo));
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, close(pager));
}

TEST_F(compat, query)
{
	struct cowvmo_query query = { .size = sizeof(query) };

	EXPECT_EQ(0, call(self->dev, COWVMO_IOC_QUERY, &query));
	EXPECT_EQ(COWVMO_ABI_VERSION, query.out_abi_version);
	EXPECT_EQ(PG, query.out_page_size);
	EXPECT_EQ(VMO_MAX, query.out_max_size);
}

/* Sizes that need more than 32 bits arrive whole. */
TEST_F(compat, create)
{
	struct cowvmo_get_info info;
	int fd = vmo_create(self->dev, (1ULL << 40) + 7, 0, "wide");

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_info(fd, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ((1ULL << 40) + PG, info.out_vmo_size);
	EXPECT_EQ((1ULL << 40) + 7, info.out_stream_size);
	EXPECT_STREQ("wide", info.out_name);
	EXPECT_EQ(0, pat_fill(fd, (1ULL << 28) - 1, 9));
	EXPECT_EQ(0, pat_check(fd, (1ULL << 28) - 1, 9));
	EXPECT_EQ(PG, vmo_populated(fd));
	EXPECT_EQ(-ERANGE, vmo_create(self->dev, VMO_MAX + 1, 0, NULL));
	EXPECT_EQ(0, close(fd));
}

TEST_F(compat, create_child)
{
	int fd = vmo_child(self->vmo, 0, 3 * PG, 1ULL << 33);

	ASSERT_LE(0, fd);
	EXPECT_EQ(1ULL << 33, vmo_size(fd));
	EXPECT_EQ(0, pat_check(fd, 0, 4));
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 5));
	EXPECT_EQ(0, pat_check(fd, 0, 4));
	EXPECT_EQ(vmo_id(self->vmo), vmo_parent(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(compat, views)
{
	int wide = vmo_create(self->dev, 1ULL << 40, 0, "wide");
	int slice = vmo_slice(wide, (1ULL << 33) + PG, 1ULL << 34);
	int ref = vmo_reference(self->vmo, COWVMO_CREATE_RESIZABLE);
	struct pollfd pfd = { .fd = wide, .events = POLLPRI };

	ASSERT_LE(0, slice);
	ASSERT_LE(0, ref);
	EXPECT_EQ(1ULL << 34, vmo_size(slice));
	EXPECT_EQ(0, pat_fill(slice, (1ULL << 22) - 1, 7));
	EXPECT_EQ(0, pat_check(wide, (1ULL << 21) + (1ULL << 22), 7));
	EXPECT_EQ(-EINVAL, vmo_slice(slice, 1ULL << 33, (1ULL << 33) + 1));
	EXPECT_EQ(0, vmo_set_size(ref, 1ULL << 35));
	EXPECT_EQ(1ULL << 35, vmo_size(self->vmo));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(wide));
}

TEST_F(compat, op_range)
{
	__u64 done = 0;

	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_COMMIT, 0, 4 * PG, &done));
	EXPECT_EQ(4 * PG, done);
	EXPECT_EQ(4 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_ZERO, 3 * PG, PG, &done));
	EXPECT_EQ(PG, done);
	EXPECT_EQ(0, zero_check(self->vmo, 3));
	EXPECT_EQ(-ERANGE, vmo_op(self->vmo, COWVMO_OP_ZERO, 1ULL << 32, PG,
				  &done));
	EXPECT_EQ(0, vmo_decommit(self->vmo, 0, 4 * PG));
	EXPECT_EQ(0, vmo_populated(self->vmo));
}

TEST_F(compat, sizes)
{
	EXPECT_EQ(0, vmo_set_size(self->vmo, (1ULL << 35) + 1));
	EXPECT_EQ((1ULL << 35) + PG, vmo_size(self->vmo));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, (1ULL << 34) + 3));
	EXPECT_EQ((1ULL << 34) + 3, vmo_stream(self->vmo));
	EXPECT_EQ((1LL << 34) + 3, lseek(self->vmo, 0, SEEK_END));
}

TEST_F(compat, set_name)
{
	struct cowvmo_get_info info;

	EXPECT_EQ(0, vmo_set_name(self->vmo, "other"));
	EXPECT_EQ(0, vmo_info(self->vmo, &info, 0));
	EXPECT_STREQ("other", info.out_name);
	EXPECT_EQ(-EINVAL,
		  vmo_set_name(self->vmo, "0123456789abcdef0123456789abcdef"));
}

TEST_F(compat, transfer)
{
	__u64 done = 0;
	int fd = vmo_create(self->dev, 1ULL << 40, 0, "wide");

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_transfer(fd, 1ULL << 35, self->vmo, 0, 4 * PG, &done));
	EXPECT_EQ(4 * PG, done);
	EXPECT_EQ(0, pat_check(fd, 1ULL << 23, 1));
	EXPECT_EQ(0, pat_check(fd, (1ULL << 23) + 3, 4));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, close(fd));
}

TEST_F(compat, restore_and_compare)
{
	struct cowvmo_range ranges[2] = { 0 };
	int snapshot = vmo_snapshot(self->vmo);
	__u64 next;

	ASSERT_LE(0, snapshot);
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 7));
	EXPECT_EQ(1, vmo_compare(self->vmo, snapshot, 0, 4 * PG, ranges, 2,
				 &next));
	EXPECT_EQ(3 * PG, ranges[0].offset);
	EXPECT_EQ(PG, ranges[0].length);
	EXPECT_EQ(4 * PG, next);
	EXPECT_EQ(0, vmo_restore(self->vmo, snapshot));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 4));
	EXPECT_EQ(0, close(snapshot));
}

TEST_F(compat, seal)
{
	int fd = vmo_open_read_only(self->vmo);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(-EPERM, pat_fill(self->vmo, 0, 2));
	EXPECT_EQ(0, pat_check(fd, 0, 1));
	EXPECT_EQ(0, close(fd));
}

TEST_F(compat, set_cache_policy)
{
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(COWVMO_CACHE_UNCACHED, vmo_cache_policy(self->vmo));
	EXPECT_EQ(-EBUSY, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(-EINVAL, vmo_set_cache_policy(self->vmo, 4));
	EXPECT_EQ(0, vmo_set_cache_policy(self->vmo, COWVMO_CACHE_CACHED));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
}

TEST_F(compat, set_priority)
{
	EXPECT_EQ(0, vmo_set_priority(self->vmo, COWVMO_PRIORITY_HIGH));
	EXPECT_TRUE(vmo_flags(self->vmo) & COWVMO_INFO_HIGH_PRIORITY);
	EXPECT_EQ(-EINVAL, vmo_set_priority(self->vmo, -1));
}

/* The address of the entries fills a member of 64 bits. */
TEST_F(compat, lookup)
{
	struct cowvmo_page_state pages[4];
	__u64 next;

	ASSERT_EQ(4, vmo_lookup(self->vmo, 0, 0, 4 * PG, pages, 4, &next));
	EXPECT_EQ(4 * PG, next);
	EXPECT_EQ(3 * PG, pages[3].offset);
	EXPECT_EQ(COWVMO_KIND_HOLE, pages[1].kind);
	EXPECT_EQ(COWVMO_KIND_PAGE, pages[3].kind);
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, pages[3].flags);
	EXPECT_EQ(-EFAULT, vmo_lookup(self->vmo, 0, 0, 4 * PG,
				      (void *)0xfffff000, 4, &next));
	EXPECT_EQ(0, next);
}

TEST_F(compat, pin)
{
	int pin = vmo_pin(self->vmo, COWVMO_PIN_WRITE, 2 * PG, 2 * PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(-EBUSY, vmo_snapshot(self->vmo));
	EXPECT_EQ(-ERANGE, vmo_pin(self->vmo, 0, 1ULL << 32, PG));
	EXPECT_EQ(0, close(pin));
}

TEST_F(compat, pin_export)
{
	int pin = vmo_pin(self->vmo, 0, 2 * PG, 2 * PG);
	int buf = vmo_pin_export(pin);
	unsigned char *mem;

	ASSERT_LE(0, buf);
	EXPECT_EQ(0, close(pin));
	mem = vmo_map(buf, PG, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, 4));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(-EBUSY, vmo_snapshot(self->vmo));
	EXPECT_EQ(0, close(buf));
}

TEST_F(compat, mapping)
{
	void *mem = vmo_map(self->vmo, 3 * PG, PG, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, 4));
	pat_mem_fill(mem, 6);
	EXPECT_EQ(0, pat_check(self->vmo, 3, 6));
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_HARNESS_MAIN
