// SPDX-License-Identifier: GPL-2.0
/*
 * CREATE and CREATE_CHILD: which arguments are taken, in which order they are
 * refused, and what the new VMO is.
 */
#include <sys/resource.h>

#include "vmo.h"
#include "kselftest_harness.h"

#define RESIZABLE	COWVMO_CREATE_RESIZABLE
#define NO_WRITE	COWVMO_CREATE_NO_WRITE
#define NAME_31		"0123456789abcdef0123456789abcde"
#define NAME_32		"0123456789abcdef0123456789abcdef"
/* Where the example of offsets that add up lives */
#define HIGH		(0ULL - 0x8000)

FIXTURE(create) {
	int dev;
	long vmos;
};

FIXTURE_SETUP(create)
{
	self->dev = vmo_device();
	ASSERT_LE(0, self->dev);
	self->vmos = vmo_stat("vmos");
	ASSERT_LE(0, self->vmos);
}

FIXTURE_TEARDOWN(create)
{
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, vmo_validate());
}

/* --- CREATE */

static void expect_size(struct __test_metadata *_metadata, int dev,
			__u64 asked, __u64 size)
{
	struct cowvmo_get_info info;
	struct stat st;
	int fd = vmo_create(dev, asked, 0, NULL);

	ASSERT_LE(0, fd) TH_LOG("size %llu", asked);
	EXPECT_EQ(0, vmo_info(fd, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(size, info.out_vmo_size);
	EXPECT_EQ(asked, info.out_stream_size);
	EXPECT_EQ(0, info.out_flags);
	EXPECT_EQ(0, info.out_parent_id);
	EXPECT_EQ(0, info.out_num_children);
	EXPECT_EQ(0, info.out_populated_bytes);
	EXPECT_EQ(0, info.out_private_bytes);
	EXPECT_EQ(0, info.out_scaled_bytes);
	EXPECT_EQ(0, info.out_scaled_fraction);
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(asked, (__u64)st.st_size);
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(0, close(fd));
}

TEST_F(create, sizes)
{
	static const struct { __u64 asked, size; } sizes[] = {
		{ 0, 0 }, { 1, PG }, { PG - 1, PG }, { PG, PG },
		{ PG + 1, 2 * PG }, { 1ULL << 32, 1ULL << 32 },
		{ (1ULL << 62) + 1, (1ULL << 62) + PG },
		{ VMO_MAX - PG + 1, VMO_MAX }, { VMO_MAX, VMO_MAX },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		expect_size(_metadata, self->dev, sizes[i].asked,
			    sizes[i].size);
}

TEST_F(create, too_large)
{
	static const __u64 sizes[] = {
		VMO_MAX + 1, VMO_MAX + PG, 1ULL << 63, (1ULL << 63) + PG,
		~0ULL - PG + 1, ~0ULL - 1, ~0ULL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-ERANGE, vmo_create(self->dev, sizes[i], 0, NULL))
			TH_LOG("number %u", i);
	EXPECT_EQ(self->vmos, vmo_stat("vmos"));
}

TEST_F(create, flags)
{
	struct cowvmo_get_info info;
	int fd = vmo_create(self->dev, PG, RESIZABLE, NULL);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_info(fd, &info, 0));
	EXPECT_EQ(COWVMO_INFO_RESIZABLE, (int)info.out_flags);
	EXPECT_EQ(-EINVAL, vmo_create(self->dev, PG, NO_WRITE, NULL));
	EXPECT_EQ(-EINVAL, vmo_create(self->dev, PG, RESIZABLE | NO_WRITE,
				      NULL));
	EXPECT_EQ(self->vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(self->vmos, vmo_stat("vmos"));
}

TEST_F(create, names)
{
	struct cowvmo_get_info info;
	int fd = vmo_create(self->dev, PG, 0, NAME_31);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_info(fd, &info, 0));
	EXPECT_STREQ(NAME_31, info.out_name);
	EXPECT_EQ(-EINVAL, vmo_create(self->dev, PG, 0, NAME_32));
	EXPECT_EQ(-EINVAL, vmo_set_name(fd, NAME_32));
	EXPECT_EQ(0, vmo_info(fd, &info, 0));
	EXPECT_STREQ(NAME_31, info.out_name);
	EXPECT_EQ(0, vmo_set_name(fd, ""));
	EXPECT_EQ(0, vmo_info(fd, &info, 0));
	EXPECT_STREQ("", info.out_name);
	EXPECT_EQ(0, close(fd));
}

/* What was behind a shorter name must not show behind the new one. */
TEST_F(create, name_is_padded_with_zero)
{
	struct cowvmo_get_info info;
	int fd = vmo_create(self->dev, PG, 0, NAME_31);
	struct cowvmo_set_name arg = { .size = sizeof(arg) };

	ASSERT_LE(0, fd);
	memset(arg.name, 'x', sizeof(arg.name));
	arg.name[2] = '\0';
	EXPECT_EQ(0, ioctl(fd, COWVMO_IOC_SET_NAME, &arg));
	EXPECT_EQ(0, vmo_info(fd, &info, 0));
	EXPECT_STREQ("xx", info.out_name);
	EXPECT_EQ(0, close(fd));
}

TEST_F(create, ids_differ)
{
	int a = vmo_create(self->dev, PG, 0, NULL);
	int b = vmo_create(self->dev, PG, 0, NULL);
	__u64 id_a = vmo_id(a), id_b = vmo_id(b);
	int c;

	EXPECT_NE(0, id_a);
	EXPECT_NE(~0ULL, id_a);
	EXPECT_NE(id_a, id_b);
	EXPECT_EQ(0, close(a));
	c = vmo_create(self->dev, PG, 0, NULL);
	EXPECT_NE(id_a, vmo_id(c));
	EXPECT_NE(id_b, vmo_id(c));
	EXPECT_EQ(0, close(b));
	EXPECT_EQ(0, close(c));
}

TEST_F(create, fd_is_cloexec_and_read_write)
{
	int fd = vmo_create(self->dev, PG, 0, NULL);
	int child = vmo_child(fd, 0, 0, PG);
	int frozen = vmo_child(fd, NO_WRITE, 0, PG);

	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(child, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(frozen, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(child, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDONLY, fcntl(frozen, F_GETFL) & O_ACCMODE);
	close(fd);
	close(child);
	close(frozen);
}

/* No fd left: the error says so and no VMO stays behind. */
TEST_F(create, no_fd)
{
	struct rlimit limit, none = { 0, 0 };
	int fd = vmo_create(self->dev, PG, 0, NULL);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, vmo_create(self->dev, PG, 0, NULL));
	EXPECT_EQ(-EMFILE, vmo_child(fd, 0, 0, PG));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, vmo_children(fd));
	EXPECT_EQ(self->vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ(0, close(fd));
}

/* --- CREATE_CHILD */

FIXTURE(child) {
	int vmo;
};

FIXTURE_SETUP(child)
{
	unsigned int i;

	self->vmo = vmo_new(4 * PG, RESIZABLE);
	ASSERT_LE(0, self->vmo);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pat_fill(self->vmo, i, i + 1));
}

FIXTURE_TEARDOWN(child)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(child, flags)
{
	static const struct { __u32 flags, info; } flags[] = {
		{ 0, COWVMO_INFO_COW_CLONE },
		{ RESIZABLE, COWVMO_INFO_COW_CLONE | COWVMO_INFO_RESIZABLE },
		{ NO_WRITE, COWVMO_INFO_COW_CLONE | COWVMO_INFO_IMMUTABLE |
			    COWVMO_INFO_READ_ONLY_FD },
	};
	struct cowvmo_get_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = vmo_child(self->vmo, flags[i].flags, 0, 4 * PG);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, vmo_info(fd, &info, 0));
		EXPECT_EQ(flags[i].info, info.out_flags);
		EXPECT_EQ(0, close(fd));
	}
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, RESIZABLE | NO_WRITE, 0, PG));
	EXPECT_EQ(0, vmo_info(self->vmo, &info, 0));
	EXPECT_EQ(COWVMO_INFO_RESIZABLE, (int)info.out_flags);
}

/* RESIZABLE is not inherited, neither is being read-only. */
TEST_F(child, of_a_read_only_child)
{
	int frozen = vmo_child(self->vmo, NO_WRITE, 0, 4 * PG);
	int child = vmo_child(frozen, 0, 0, 4 * PG);
	struct cowvmo_get_info info;

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_info(child, &info, 0));
	EXPECT_EQ(COWVMO_INFO_COW_CLONE, (int)info.out_flags);
	EXPECT_EQ(0, pat_fill(child, 0, 77));
	EXPECT_EQ(0, pat_check(frozen, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(-EPERM, vmo_set_size(child, PG));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(frozen));
}

TEST_F(child, lengths)
{
	static const struct { __u64 asked, size; } lengths[] = {
		{ 0, 0 }, { 1, PG }, { PG, PG }, { PG + 1, 2 * PG },
		{ 4 * PG, 4 * PG }, { 5 * PG - 1, 5 * PG },
		{ VMO_MAX - 1, VMO_MAX }, { VMO_MAX, VMO_MAX },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		int fd = vmo_child(self->vmo, 0, 0, lengths[i].asked);

		ASSERT_LE(0, fd) TH_LOG("length %llu", lengths[i].asked);
		EXPECT_EQ(lengths[i].size, vmo_size(fd));
		EXPECT_EQ(lengths[i].asked, vmo_stream(fd));
		EXPECT_EQ(0, close(fd));
	}
}

TEST_F(child, bad_arguments)
{
	EXPECT_EQ(-ERANGE, vmo_child(self->vmo, 0, 0, VMO_MAX + 1));
	EXPECT_EQ(-ERANGE, vmo_child(self->vmo, 0, 0, 1ULL << 63));
	EXPECT_EQ(-ERANGE, vmo_child(self->vmo, 0, 0, ~0ULL));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, 1, PG));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, PG - 1, PG));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, ~0ULL, PG));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, 512, 0));
	EXPECT_EQ(0, vmo_children(self->vmo));
}

/* A length that cannot be rounded up is looked at before everything else;
 * one that can, but is too large, after the offset's alignment.
 */
TEST_F(child, order_of_checks)
{
	EXPECT_EQ(-ERANGE, vmo_child(self->vmo, 0, 1, ~0ULL));
	EXPECT_EQ(-ERANGE, vmo_child(self->vmo, RESIZABLE | NO_WRITE, 0,
				     ~0ULL));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, RESIZABLE | NO_WRITE, 0,
				     1ULL << 63));
	EXPECT_EQ(-EINVAL, vmo_child(self->vmo, 0, 1, 1ULL << 63));
	EXPECT_EQ(0, vmo_children(self->vmo));
}

/* What lies beyond the parent reads zero, whatever happens to the parent. */
TEST_F(child, beyond_the_parent)
{
	int half = vmo_child(self->vmo, 0, 2 * PG, 4 * PG);
	int outside = vmo_child(self->vmo, 0, 1 << 20, 2 * PG);
	unsigned int i;

	ASSERT_LE(0, half);
	ASSERT_LE(0, outside);
	EXPECT_EQ(0, vmo_populated(outside));
	EXPECT_EQ(2 * PG, vmo_populated(half));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 2 << 20));
	for (i = 4; i < 8; i++)
		EXPECT_EQ(0, pat_fill(self->vmo, i, 50));
	EXPECT_EQ(0, pat_fill(self->vmo, (1 << 20) / PG, 51));
	EXPECT_EQ(0, pat_check(half, 0, 3));
	EXPECT_EQ(0, pat_check(half, 1, 4));
	EXPECT_EQ(0, zero_check(half, 2));
	EXPECT_EQ(0, zero_check(half, 3));
	EXPECT_EQ(0, zero_check(outside, 0));
	EXPECT_EQ(0, close(half));
	EXPECT_EQ(0, close(outside));
}

TEST_F(child, parent_shrunk_and_grown)
{
	int fd = vmo_child(self->vmo, 0, 0, 4 * PG);
	unsigned int i;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_set_size(self->vmo, PG));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pat_check(fd, i, i + 1));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 4 * PG));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	for (i = 1; i < 4; i++)
		EXPECT_EQ(0, zero_check(self->vmo, i));
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 60));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pat_check(fd, i, i + 1));
	EXPECT_EQ(0, close(fd));
}

/* A clone that was shrunk and grown does not see its parent again. */
TEST_F(child, clone_shrunk_and_grown)
{
	int fd = vmo_child(self->vmo, RESIZABLE, 0, 4 * PG);
	unsigned int i;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_set_size(fd, 2 * PG));
	EXPECT_EQ(0, vmo_set_size(fd, 8 * PG));
	EXPECT_EQ(0, pat_check(fd, 0, 1));
	EXPECT_EQ(0, pat_check(fd, 1, 2));
	for (i = 2; i < 8; i++)
		EXPECT_EQ(0, zero_check(fd, i));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pat_check(self->vmo, i, i + 1));
	EXPECT_EQ(0, close(fd));
}

TEST_F(child, of_a_child)
{
	int a = vmo_child(self->vmo, 0, PG, 3 * PG);
	int b = vmo_child(a, 0, PG, 4 * PG);
	int c = vmo_child(b, 0, PG, PG);

	ASSERT_LE(0, c);
	EXPECT_EQ(0, pat_fill(a, 1, 70));
	EXPECT_EQ(0, pat_fill(b, 1, 71));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 3));
	EXPECT_EQ(0, pat_check(a, 1, 70));
	EXPECT_EQ(0, pat_check(b, 0, 3));
	EXPECT_EQ(0, pat_check(b, 1, 71));
	EXPECT_EQ(0, zero_check(b, 2));
	EXPECT_EQ(0, zero_check(b, 3));
	EXPECT_EQ(0, pat_check(c, 0, 4));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(0, close(b));
	EXPECT_EQ(0, pat_check(c, 0, 4));
	EXPECT_EQ(0, close(c));
}

/* A stream size in the middle of a page hides the rest of the page, which
 * the clone has all the same: it is within its size.
 */
TEST_F(child, odd_length)
{
	int fd = vmo_child(self->vmo, 0, 0, PG + 10);
	char buf[PG];

	ASSERT_LE(0, fd);
	EXPECT_EQ(10, pread(fd, buf, PG, PG));
	EXPECT_EQ(0, pread(fd, buf, PG, PG + 10));
	EXPECT_EQ(2 * PG, vmo_populated(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(child, names)
{
	struct cowvmo_get_info info;
	int child;

	EXPECT_EQ(0, vmo_set_name(self->vmo, "first"));
	child = vmo_child(self->vmo, 0, 0, PG);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_set_name(self->vmo, "second"));
	EXPECT_EQ(0, vmo_info(child, &info, 0));
	EXPECT_STREQ("first", info.out_name);
	EXPECT_EQ(0, vmo_set_name(child, "third"));
	EXPECT_EQ(0, vmo_info(self->vmo, &info, 0));
	EXPECT_STREQ("second", info.out_name);
	EXPECT_EQ(0, close(child));
	child = vmo_child(self->vmo, NO_WRITE, 0, PG);
	EXPECT_EQ(0, vmo_info(child, &info, 0));
	EXPECT_STREQ("second", info.out_name);
	EXPECT_EQ(0, vmo_set_name(child, "frozen"));
	EXPECT_EQ(0, vmo_info(child, &info, 0));
	EXPECT_STREQ("frozen", info.out_name);
	EXPECT_EQ(0, close(child));
}

/* The example of the semantics: offsets of generations add up, even those of
 * objects of size 0 that share nothing.
 */
TEST_F(child, offsets_add_up)
{
	int empty = vmo_new(0, 0);
	int high = vmo_child(empty, 0, HIGH, 0);
	int higher;

	ASSERT_LE(0, high);
	EXPECT_EQ(-EINVAL, vmo_child(high, 0, 0x8000, 0));
	EXPECT_EQ(-EINVAL, vmo_child(high, 0, 0x10000, 0));
	EXPECT_EQ(-EINVAL, vmo_child(empty, 0, HIGH, 0x10000));
	higher = vmo_child(high, RESIZABLE, 0x4000, 0);
	ASSERT_LE(0, higher);
	EXPECT_EQ(-EINVAL, vmo_set_size(higher, 0x8000));
	EXPECT_EQ(0, vmo_size(higher));
	EXPECT_EQ(-EINVAL, vmo_child(higher, 0, 0x4000, 0));
	EXPECT_EQ(0, vmo_set_size(higher, PG));
	EXPECT_EQ(0, pat_fill(higher, 0, 80));
	EXPECT_EQ(0, pat_check(higher, 0, 80));
	EXPECT_EQ(0, close(higher));
	EXPECT_EQ(0, close(high));
	EXPECT_EQ(0, close(empty));
}

/* The same sums when the generations in between are gone */
TEST_F(child, offsets_outlive_their_owners)
{
	int empty = vmo_new(0, 0);
	int high = vmo_child(empty, 0, HIGH, 0);
	int higher = vmo_child(high, RESIZABLE, 0x4000, 0);

	ASSERT_LE(0, higher);
	EXPECT_EQ(0, close(high));
	EXPECT_EQ(0, close(empty));
	EXPECT_EQ(-EINVAL, vmo_set_size(higher, 0x8000));
	EXPECT_EQ(-EINVAL, vmo_child(higher, 0, 0x4000, 0));
	EXPECT_EQ(0, close(higher));
}

/* A write that would grow such a clone too far fails and changes nothing. */
TEST_F(child, growing_write_beyond_all_offsets)
{
	int empty = vmo_new(0, 0);
	int high = vmo_child(empty, RESIZABLE, HIGH, 0);

	ASSERT_LE(0, high);
	EXPECT_NE(0, pat_fill(high, 8, 1));
	EXPECT_EQ(0, vmo_size(high));
	EXPECT_EQ(0, vmo_stream(high));
	EXPECT_EQ(0, pat_fill(high, 0, 1));
	EXPECT_EQ(PG, vmo_size(high));
	EXPECT_EQ(0, close(high));
	EXPECT_EQ(0, close(empty));
}

/* Offsets add up without wrapping where content is shared, too. */
TEST_F(child, wide_offsets)
{
	int big = vmo_new(VMO_MAX, 0);
	__u64 last = VMO_MAX / PG - 1;
	int a, b;

	ASSERT_LE(0, big);
	EXPECT_EQ(0, pat_fill(big, last, 90));
	a = vmo_child(big, 0, VMO_MAX - PG, VMO_MAX);
	ASSERT_LE(0, a);
	EXPECT_EQ(0, pat_check(a, 0, 90));
	EXPECT_EQ(PG, vmo_populated(a));
	EXPECT_EQ(0, pat_fill(a, last, 91));
	b = vmo_child(a, 0, VMO_MAX - PG, 2 * PG);
	ASSERT_LE(0, b);
	EXPECT_EQ(0, pat_check(b, 0, 91));
	EXPECT_EQ(0, zero_check(b, 1));
	EXPECT_EQ(-EINVAL, vmo_child(b, 0, VMO_MAX - PG, VMO_MAX));
	EXPECT_EQ(0, close(big));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(0, pat_check(b, 0, 91));
	EXPECT_EQ(0, close(b));
}

TEST_HARNESS_MAIN
