// SPDX-License-Identifier: GPL-2.0
/*
 * CREATE_CHILD: which kind of child can be made of which kind of VMO, in which
 * order arguments are refused, and what the child is.
 */
#include "maps.h"
#include "kselftest_harness.h"

#define RESIZABLE	COWVMO_CREATE_RESIZABLE
#define NO_WRITE	COWVMO_CREATE_NO_WRITE
#define SNAPSHOT	COWVMO_CHILD_SNAPSHOT
#define AT_LEAST	COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE
#define MODIFIED	COWVMO_CHILD_SNAPSHOT_MODIFIED
#define SLICE		COWVMO_CHILD_SLICE
#define REFERENCE	COWVMO_CHILD_REFERENCE

#define PAGES		4ULL
#define SIZE		(PAGES * PG)

static __u32 flags_of(int fd)
{
	struct cowvmo_get_info info;

	return vmo_info(fd, &info, 0) ? ~0U : info.out_flags;
}

/* --- The matrix: what kind of VMO the parent is */

/* A VMO that another VMO has: the fds that lead to it stay open meanwhile. */
struct parent {
	int fd[3];
	int nr;
};

static int add(struct parent *parent, int fd)
{
	if (fd < 0)
		return fd;
	parent->fd[parent->nr++] = fd;
	return 0;
}

static int last_of(const struct parent *parent)
{
	return parent->fd[parent->nr - 1];
}

static int add_child(struct parent *parent, __u32 type, __u32 flags)
{
	bool whole = type == REFERENCE;

	return add(parent, vmo_child_of(last_of(parent), type, flags, 0,
					whole ? 0 : SIZE));
}

FIXTURE(matrix) {
	struct parent parent;
	int vmo;
};

/* How the parent comes to be: from a CREATE, by up to two generations */
FIXTURE_VARIANT(matrix) {
	__u32 created;
	struct {
		__u32 type, flags;
	} step[2];
	/* what comes of the five kinds of child */
	int snapshot, slice, reference;
};

FIXTURE_VARIANT_ADD(matrix, fixed) {
	.snapshot = 0, .slice = 0, .reference = 0,
};

FIXTURE_VARIANT_ADD(matrix, resizable) {
	.created = RESIZABLE,
	.slice = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, snapshot) {
	.created = RESIZABLE,
	.step = { { SNAPSHOT, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, snapshot_resizable) {
	.step = { { SNAPSHOT, RESIZABLE } },
	.slice = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, snapshot_immutable) {
	.step = { { SNAPSHOT, NO_WRITE } },
};

FIXTURE_VARIANT_ADD(matrix, at_least_on_write) {
	.step = { { AT_LEAST, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, modified) {
	.step = { { MODIFIED, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, modified_of_snapshot) {
	.step = { { SNAPSHOT, 0 }, { MODIFIED, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, slice) {
	.step = { { SLICE, 0 } },
	.snapshot = -EOPNOTSUPP, .reference = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, slice_of_snapshot) {
	.step = { { SNAPSHOT, 0 }, { SLICE, 0 } },
	.snapshot = -EOPNOTSUPP, .reference = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, slice_of_slice) {
	.step = { { SLICE, 0 }, { SLICE, 0 } },
	.snapshot = -EOPNOTSUPP, .reference = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, slice_of_reference) {
	.step = { { REFERENCE, 0 }, { SLICE, 0 } },
	.snapshot = -EOPNOTSUPP, .reference = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, reference) {
	.step = { { REFERENCE, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, reference_resizable) {
	.created = RESIZABLE,
	.step = { { REFERENCE, RESIZABLE } },
	.slice = -EOPNOTSUPP,
};

/* It cannot be resized through this one, but through others. */
FIXTURE_VARIANT_ADD(matrix, reference_of_resizable) {
	.created = RESIZABLE,
	.step = { { REFERENCE, 0 } },
	.slice = -EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(matrix, reference_of_reference) {
	.step = { { REFERENCE, 0 }, { REFERENCE, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, reference_of_snapshot) {
	.created = RESIZABLE,
	.step = { { SNAPSHOT, 0 }, { REFERENCE, 0 } },
};

FIXTURE_VARIANT_ADD(matrix, snapshot_of_reference) {
	.created = RESIZABLE,
	.step = { { REFERENCE, RESIZABLE }, { SNAPSHOT, 0 } },
};

FIXTURE_SETUP(matrix)
{
	int i;

	ASSERT_EQ(0, add(&self->parent,
			 vmo_filled(PAGES, PAGES, variant->created)));
	for (i = 0; i < 2 && variant->step[i].type; i++)
		ASSERT_EQ(0, add_child(&self->parent, variant->step[i].type,
				       variant->step[i].flags));
	self->vmo = last_of(&self->parent);
}

FIXTURE_TEARDOWN(matrix)
{
	int i;

	for (i = 0; i < self->parent.nr; i++)
		EXPECT_EQ(0, close(self->parent.fd[i]));
	EXPECT_EQ(0, vmo_validate());
}

/* One child: refused without a trace, or as the parent is */
static void expect_child(struct __test_metadata *_metadata, int vmo,
			 __u32 type, int expected)
{
	__u64 length = type == REFERENCE ? 0 : SIZE;
	long vmos = vmo_stat("vmos");
	int fd = vmo_child_of(vmo, type, 0, 0, length);

	if (expected) {
		EXPECT_EQ(expected, fd) TH_LOG("type %u", type);
		EXPECT_EQ(0, vmo_children(vmo));
		EXPECT_EQ(vmos, vmo_stat("vmos"));
		return;
	}
	ASSERT_LE(0, fd) TH_LOG("type %u: %d", type, fd);
	EXPECT_EQ(1, vmo_children(vmo));
	EXPECT_EQ(vmo_id(vmo), vmo_parent(fd));
	EXPECT_NE(vmo_id(vmo), vmo_id(fd));
	EXPECT_EQ(SIZE, vmo_size(fd));
	EXPECT_EQ(SIZE, vmo_stream(fd));
	EXPECT_EQ(0, filled_check(fd, 0, PAGES));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, vmo_children(vmo));
	EXPECT_EQ(vmos, vmo_stat("vmos"));
}

TEST_F(matrix, every_kind_of_child)
{
	expect_child(_metadata, self->vmo, SNAPSHOT, variant->snapshot);
	expect_child(_metadata, self->vmo, AT_LEAST, variant->snapshot);
	expect_child(_metadata, self->vmo, MODIFIED, variant->snapshot);
	expect_child(_metadata, self->vmo, SLICE, variant->slice);
	expect_child(_metadata, self->vmo, REFERENCE, variant->reference);
}

/* A read-only fd is enough for whatever can be made of the VMO. */
TEST_F(matrix, every_kind_of_child_of_a_read_only_fd)
{
	int fd = vmo_open_read_only(self->vmo);

	ASSERT_LE(0, fd);
	expect_child(_metadata, fd, SNAPSHOT, variant->snapshot);
	expect_child(_metadata, fd, AT_LEAST, variant->snapshot);
	expect_child(_metadata, fd, MODIFIED, variant->snapshot);
	expect_child(_metadata, fd, SLICE, variant->slice);
	expect_child(_metadata, fd, REFERENCE, variant->reference);
	EXPECT_EQ(0, close(fd));
}

/* --- Two things wrong at once: the earlier check tells. */

FIXTURE(order) {
	int fixed, resizable, slice, ref, ref_resizable;
};

FIXTURE_SETUP(order)
{
	self->fixed = vmo_filled(PAGES, PAGES, 0);
	self->resizable = vmo_filled(PAGES, PAGES, RESIZABLE);
	self->slice = vmo_slice(self->fixed, 0, SIZE);
	self->ref = vmo_reference(self->resizable, 0);
	self->ref_resizable = vmo_reference(self->resizable, RESIZABLE);
	ASSERT_LE(0, self->fixed);
	ASSERT_LE(0, self->resizable);
	ASSERT_LE(0, self->slice);
	ASSERT_LE(0, self->ref);
	ASSERT_LE(0, self->ref_resizable);
}

FIXTURE_TEARDOWN(order)
{
	EXPECT_EQ(0, close(self->ref_resizable));
	EXPECT_EQ(0, close(self->ref));
	EXPECT_EQ(0, close(self->slice));
	EXPECT_EQ(0, close(self->resizable));
	EXPECT_EQ(0, close(self->fixed));
	EXPECT_EQ(0, vmo_validate());
}

#define UNROUNDABLE	(~0ULL - PG + 2)
#define TOO_LARGE	(VMO_MAX + 1)
#define BOTH		(RESIZABLE | NO_WRITE)
#define UNKNOWN		0x80U
/* The last multiple of P: no length but 0 can follow. */
#define LAST		(0ULL - PG)

struct wrong {
	__u32 type, flags, reserved;
	__u64 offset, length;
	int error;
};

static int child_with(int fd, const struct wrong *wrong)
{
	struct cowvmo_create_child arg = {
		.size = sizeof(arg),
		.type = wrong->type,
		.flags = wrong->flags,
		.reserved = wrong->reserved,
		.offset = wrong->offset,
		.length = wrong->length,
	};

	return vmo_ret(ioctl(fd, COWVMO_IOC_CREATE_CHILD, &arg));
}

/* A table of these ends with one that has no error. */
static void expect_wrong(struct __test_metadata *_metadata, int fd,
			 const struct wrong *wrong)
{
	unsigned int i;

	for (i = 0; wrong[i].error; i++)
		EXPECT_EQ(wrong[i].error, child_with(fd, &wrong[i]))
			TH_LOG("number %u", i);
	EXPECT_EQ(0, vmo_children(fd));
}

TEST_F(order, of_any_kind)
{
	static const struct wrong wrong[] = {
		/* a length that cannot be rounded up, before all else */
		{ SNAPSHOT, BOTH, 0, 0, UNROUNDABLE, -ERANGE },
		{ SLICE, BOTH, 0, 0, UNROUNDABLE, -ERANGE },
		{ REFERENCE, BOTH, 0, 0, UNROUNDABLE, -ERANGE },
		{ 0, 0, 0, 0, UNROUNDABLE, -ERANGE },
		{ 6, UNKNOWN, 1, 1, ~0ULL, -ERANGE },
		{ SLICE, RESIZABLE, 0, 0, UNROUNDABLE, -ERANGE },
		{ REFERENCE, RESIZABLE, 0, 1, UNROUNDABLE, -ERANGE },
		/* flags, types and reserved members, before the rest */
		{ SNAPSHOT, BOTH, 0, 0, TOO_LARGE, -EINVAL },
		{ SLICE, BOTH, 0, 0, TOO_LARGE, -EINVAL },
		{ REFERENCE, BOTH, 0, 0, 0, -EINVAL },
		{ SNAPSHOT, UNKNOWN, 0, 0, TOO_LARGE, -EINVAL },
		{ SNAPSHOT, 0, 1, 0, TOO_LARGE, -EINVAL },
		{ SLICE, RESIZABLE, 0, 0, TOO_LARGE, -EINVAL },
		{ SLICE, UNKNOWN, 0, 0, TOO_LARGE, -EINVAL },
		{ SLICE, 0, 1, 0, TOO_LARGE, -EINVAL },
		{ REFERENCE, UNKNOWN, 0, 0, TOO_LARGE, -EINVAL },
		{ 0, 0, 0, 0, TOO_LARGE, -EINVAL },
		{ 6, 0, 0, 0, TOO_LARGE, -EINVAL },
		{ ~0U, 0, 0, 0, TOO_LARGE, -EINVAL },
		{ 0 }
	};

	expect_wrong(_metadata, self->ref, wrong);
	expect_wrong(_metadata, self->slice, wrong);
}

TEST_F(order, of_snapshots)
{
	static const struct wrong wrong[] = {
		/* the offset before the length before the sum */
		{ SNAPSHOT, 0, 0, 1, TOO_LARGE, -EINVAL },
		{ AT_LEAST, 0, 0, PG - 1, TOO_LARGE, -EINVAL },
		{ MODIFIED, 0, 0, PG + 1, TOO_LARGE, -EINVAL },
		{ SNAPSHOT, 0, 0, LAST, TOO_LARGE, -ERANGE },
		{ AT_LEAST, 0, 0, LAST, TOO_LARGE, -ERANGE },
		{ MODIFIED, RESIZABLE, 0, LAST, TOO_LARGE, -ERANGE },
		{ SNAPSHOT, 0, 0, LAST, PG, -EINVAL },
		{ AT_LEAST, 0, 0, LAST, 1, -EINVAL },
		{ MODIFIED, NO_WRITE, 0, LAST, VMO_MAX, -EINVAL },
		{ 0 }
	};
	/* that it is a slice, after all of these */
	static const struct wrong of_slice[] = {
		{ SNAPSHOT, 0, 0, 1, 0, -EINVAL },
		{ SNAPSHOT, 0, 0, 0, TOO_LARGE, -ERANGE },
		{ SNAPSHOT, 0, 0, LAST, PG, -EINVAL },
		{ SNAPSHOT, 0, 0, 0, PG, -EOPNOTSUPP },
		{ AT_LEAST, RESIZABLE, 0, SIZE, PG, -EOPNOTSUPP },
		{ MODIFIED, NO_WRITE, 0, 0, 0, -EOPNOTSUPP },
		{ 0 }
	};

	expect_wrong(_metadata, self->ref, wrong);
	expect_wrong(_metadata, self->slice, wrong);
	expect_wrong(_metadata, self->slice, of_slice);
}

TEST_F(order, of_slices)
{
	static const struct wrong resizable[] = {
		/* a parent that can change its size, before the offset */
		{ SLICE, 0, 0, 1, TOO_LARGE, -EOPNOTSUPP },
		{ SLICE, 0, 0, 0, TOO_LARGE, -EOPNOTSUPP },
		{ SLICE, 0, 0, SIZE, PG, -EOPNOTSUPP },
		{ SLICE, NO_WRITE, 0, 0, 0, -EOPNOTSUPP },
		/* after the flags */
		{ SLICE, RESIZABLE, 0, 0, 0, -EINVAL },
		{ SLICE, 0, 1, 0, 0, -EINVAL },
		{ 0 }
	};
	static const struct wrong fixed[] = {
		{ SLICE, 0, 0, 1, TOO_LARGE, -EINVAL },
		{ SLICE, 0, 0, PG - 1, 1, -EINVAL },
		{ SLICE, 0, 0, 0, TOO_LARGE, -ERANGE },
		{ SLICE, 0, 0, SIZE + PG, TOO_LARGE, -ERANGE },
		{ SLICE, 0, 0, LAST, TOO_LARGE, -ERANGE },
		{ SLICE, 0, 0, SIZE + PG, 0, -EINVAL },
		{ SLICE, 0, 0, SIZE, 1, -EINVAL },
		{ SLICE, 0, 0, 0, SIZE + 1, -EINVAL },
		{ SLICE, 0, 0, PG, SIZE, -EINVAL },
		{ SLICE, 0, 0, PG, VMO_MAX, -EINVAL },
		{ SLICE, 0, 0, LAST, 0, -EINVAL },
		{ SLICE, 0, 0, LAST, PG, -EINVAL },
		{ 0 }
	};

	expect_wrong(_metadata, self->ref, resizable);
	expect_wrong(_metadata, self->ref_resizable, resizable);
	expect_wrong(_metadata, self->slice, fixed);
	EXPECT_EQ(0, close(self->slice));
	expect_wrong(_metadata, self->fixed, fixed);
	self->slice = vmo_slice(self->fixed, 0, SIZE);
}

TEST_F(order, of_references)
{
	static const struct wrong no_right[] = {
		/* the right, before offset, length and kind */
		{ REFERENCE, RESIZABLE, 0, 0, 0, -EPERM },
		{ REFERENCE, RESIZABLE, 0, PG, 0, -EPERM },
		{ REFERENCE, RESIZABLE, 0, 0, PG, -EPERM },
		{ REFERENCE, RESIZABLE, 0, 1, TOO_LARGE, -EPERM },
		{ 0 }
	};
	static const struct wrong range[] = {
		{ REFERENCE, 0, 0, PG, 0, -EINVAL },
		{ REFERENCE, 0, 0, 1, 0, -EINVAL },
		{ REFERENCE, 0, 0, 0, 1, -EINVAL },
		{ REFERENCE, 0, 0, 0, SIZE, -EINVAL },
		{ REFERENCE, 0, 0, 0, TOO_LARGE, -EINVAL },
		{ REFERENCE, NO_WRITE, 0, LAST, 0, -EINVAL },
		{ 0 }
	};
	static const struct wrong of_slice[] = {
		{ REFERENCE, 0, 0, 0, 0, -EOPNOTSUPP },
		{ REFERENCE, NO_WRITE, 0, 0, 0, -EOPNOTSUPP },
		{ 0 }
	};

	expect_wrong(_metadata, self->ref, no_right);
	expect_wrong(_metadata, self->slice, no_right);
	expect_wrong(_metadata, self->ref, range);
	expect_wrong(_metadata, self->ref_resizable, range);
	expect_wrong(_metadata, self->slice, range);
	expect_wrong(_metadata, self->slice, of_slice);
}

/* --- Geometry */

FIXTURE(child) {
	int vmo;
};

FIXTURE_SETUP(child)
{
	self->vmo = vmo_filled(PAGES, PAGES, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, vmo_set_name(self->vmo, "parent"));
}

FIXTURE_TEARDOWN(child)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(child, sizes_of_slices)
{
	static const struct { __u64 offset, length, size; } good[] = {
		{ 0, 0, 0 }, { SIZE, 0, 0 }, { 0, 1, PG }, { 0, SIZE, SIZE },
		{ 3 * PG, PG, PG }, { 3 * PG, PG - 1, PG },
		{ PG, 2 * PG + 1, 3 * PG },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		int fd = vmo_slice(self->vmo, good[i].offset, good[i].length);

		ASSERT_LE(0, fd) TH_LOG("number %u: %d", i, fd);
		EXPECT_EQ(good[i].size, vmo_size(fd));
		EXPECT_EQ(good[i].length, vmo_stream(fd));
		EXPECT_EQ(0, close(fd));
	}
}

/* A parent of odd size ends with its last whole page. */
TEST_F(child, slices_go_by_the_size_of_the_parent)
{
	int odd = vmo_new(SIZE - 1, 0), fd;

	ASSERT_LE(0, odd);
	fd = vmo_slice(odd, PG, SIZE - PG);
	ASSERT_LE(0, fd);
	EXPECT_EQ(SIZE - PG, vmo_stream(fd));
	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, vmo_set_stream_size(odd, 0));
	fd = vmo_slice(odd, 0, SIZE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(odd));
}

TEST_F(child, slices_of_slices_add_up)
{
	int outer = vmo_slice(self->vmo, PG, 3 * PG);
	int inner = vmo_slice(outer, PG, PG);

	ASSERT_LE(0, inner);
	EXPECT_EQ(0, pat_check(inner, 0, FILL + 2));
	/* Not by what the outer one's parent has */
	EXPECT_EQ(-EINVAL, vmo_slice(inner, 0, 2 * PG));
	EXPECT_EQ(-EINVAL, vmo_slice(inner, PG, PG));
	EXPECT_EQ(-EINVAL, vmo_slice(outer, PG, 3 * PG));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, close(outer));
}

TEST_F(child, slices_of_the_largest_vmo)
{
	int huge = vmo_new(VMO_MAX, 0), fd;

	ASSERT_LE(0, huge);
	fd = vmo_slice(huge, VMO_MAX - PG, PG);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pat_fill(huge, VMO_MAX / PG - 1, 7));
	EXPECT_EQ(0, pat_check(fd, 0, 7));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(-EINVAL, vmo_slice(huge, VMO_MAX, 1));
	fd = vmo_slice(huge, 0, VMO_MAX);
	ASSERT_LE(0, fd);
	EXPECT_EQ(VMO_MAX, vmo_size(fd));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(huge));
}

/* The offsets of all generations, references between them or not */
TEST_F(child, offsets_add_up_through_references)
{
	const __u64 high = 0ULL - 0x8000;
	int clone = vmo_child(self->vmo, RESIZABLE, high, 0);
	int ref = vmo_reference(clone, RESIZABLE);
	int fd;

	ASSERT_LE(0, ref);
	EXPECT_EQ(-EINVAL, vmo_child(ref, 0, 0x8000, 0));
	fd = vmo_child(ref, RESIZABLE, 0x4000, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, vmo_set_size(fd, 0x4000));
	EXPECT_EQ(0, vmo_set_size(fd, 0x3000));
	EXPECT_EQ(-EINVAL, vmo_set_size(ref, 0x8000));
	EXPECT_EQ(0, vmo_set_size(ref, 0x7000));
	EXPECT_EQ(0x7000, vmo_size(clone));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(clone));
}

/* --- What a child is */

TEST_F(child, flags)
{
	static const struct { __u32 type, flags, info; } good[] = {
		{ AT_LEAST, 0, COWVMO_INFO_COW_CLONE },
		{ AT_LEAST, RESIZABLE,
		  COWVMO_INFO_COW_CLONE | COWVMO_INFO_RESIZABLE },
		{ MODIFIED, NO_WRITE,
		  COWVMO_INFO_COW_CLONE | COWVMO_INFO_IMMUTABLE |
		  COWVMO_INFO_READ_ONLY_FD },
		{ SLICE, 0, COWVMO_INFO_SLICE },
		{ SLICE, NO_WRITE,
		  COWVMO_INFO_SLICE | COWVMO_INFO_READ_ONLY_FD },
		{ REFERENCE, 0, COWVMO_INFO_REFERENCE },
		{ REFERENCE, NO_WRITE,
		  COWVMO_INFO_REFERENCE | COWVMO_INFO_READ_ONLY_FD },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		bool whole = good[i].type == REFERENCE;
		int fd = vmo_child_of(self->vmo, good[i].type, good[i].flags,
				      0, whole ? 0 : PG);

		EXPECT_EQ(good[i].info, flags_of(fd)) TH_LOG("number %u", i);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		EXPECT_EQ(0, close(fd));
	}
	EXPECT_EQ(0, flags_of(self->vmo));
}

/* RESIZABLE tells of the VMO, whoever may make use of it. */
TEST_F(child, flags_of_references_to_what_is_resizable)
{
	int vmo = vmo_new(PG, RESIZABLE);
	int with = vmo_reference(vmo, RESIZABLE);
	int without = vmo_reference(with, 0);

	EXPECT_EQ(COWVMO_INFO_REFERENCE | COWVMO_INFO_RESIZABLE,
		  flags_of(with));
	EXPECT_EQ(COWVMO_INFO_REFERENCE | COWVMO_INFO_RESIZABLE,
		  flags_of(without));
	EXPECT_EQ(-EPERM, vmo_reference(without, RESIZABLE));
	EXPECT_EQ(0, close(without));
	EXPECT_EQ(0, close(with));
	EXPECT_EQ(0, close(vmo));
}

static int name_is(int fd, const char *name)
{
	struct cowvmo_get_info info;
	int rc = vmo_info(fd, &info, 0);

	return rc ? rc : strcmp(name, info.out_name);
}

TEST_F(child, names)
{
	int slice = vmo_slice(self->vmo, 0, PG);
	int ref = vmo_reference(self->vmo, 0);
	int clone = vmo_child_of(self->vmo, MODIFIED, 0, 0, PG);
	int inner;

	EXPECT_EQ(0, name_is(slice, "parent"));
	EXPECT_EQ(0, name_is(ref, "parent"));
	EXPECT_EQ(0, name_is(clone, "parent"));
	EXPECT_EQ(0, vmo_set_name(slice, "slice"));
	EXPECT_EQ(0, vmo_set_name(ref, "reference"));
	EXPECT_EQ(0, name_is(self->vmo, "parent"));
	EXPECT_EQ(0, name_is(slice, "slice"));
	EXPECT_EQ(0, name_is(ref, "reference"));
	inner = vmo_slice(slice, 0, PG);
	EXPECT_EQ(0, name_is(inner, "slice"));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(slice));
}

/* Without a pager a child of either kind is a snapshot: nothing shows later. */
static void expect_snapshot(struct __test_metadata *_metadata, int vmo,
			    __u32 type)
{
	unsigned char *mem = vmo_map(vmo, 0, SIZE, RW);
	int fd;

	ASSERT_NE(NULL, mem);
	mem[9] = 1;
	fd = vmo_child_of(vmo, type, 0, 0, SIZE);
	ASSERT_LE(0, fd);
	mem[9] = 2;
	EXPECT_EQ(1, vmo_get_byte(fd, 9));
	EXPECT_EQ(0, pat_fill(vmo, 1, 77));
	EXPECT_EQ(0, vmo_zero(vmo, 2 * PG, PG));
	EXPECT_EQ(0, filled_check(fd, 1, 3));
	EXPECT_EQ(0, pat_fill(fd, 3, 78));
	EXPECT_EQ(0, pat_check(vmo, 3, FILL + 3));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, close(fd));
}

TEST_F(child, at_least_on_write_is_a_snapshot)
{
	expect_snapshot(_metadata, self->vmo, AT_LEAST);
}

TEST_F(child, modified_is_a_snapshot)
{
	expect_snapshot(_metadata, self->vmo, MODIFIED);
}

/* --- Rights */

/* Nothing that this fd is asked to write is written. */
static void expect_read_only(struct __test_metadata *_metadata, int fd)
{
	unsigned char *mem;

	ASSERT_LE(0, fd);
	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_NE(0, flags_of(fd) & COWVMO_INFO_READ_ONLY_FD);
	EXPECT_EQ(-EBADF, vmo_put_byte(fd, 0, 1));
	EXPECT_EQ(-EBADF, vmo_ret(fallocate(fd, 0, 0, PG)));
	EXPECT_EQ(-EINVAL, vmo_ret(ftruncate(fd, 0)));
	EXPECT_EQ(-EACCES, vmo_commit(fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_zero(fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_decommit(fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_set_size(fd, 0));
	EXPECT_EQ(-EACCES, vmo_set_stream_size(fd, 0));
	EXPECT_EQ(-EACCES, vmo_seal(fd));
	EXPECT_EQ(NULL, vmo_map(fd, 0, PG, RW));
	EXPECT_EQ(EACCES, errno);
	mem = vmo_map(fd, 0, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, RW)));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, filled_check(fd, 0, PAGES));
	EXPECT_EQ(0, close(fd));
}

TEST_F(child, no_write)
{
	expect_read_only(_metadata, vmo_child_of(self->vmo, AT_LEAST, NO_WRITE,
						 0, SIZE));
	expect_read_only(_metadata, vmo_child_of(self->vmo, MODIFIED, NO_WRITE,
						 0, SIZE));
	expect_read_only(_metadata, vmo_child_of(self->vmo, SLICE, NO_WRITE, 0,
						 SIZE));
	expect_read_only(_metadata, vmo_child_of(self->vmo, REFERENCE,
						 NO_WRITE, 0, 0));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, 0, 1));
}

/* What shows the same pages cannot have more rights than what it is made of. */
TEST_F(child, views_of_a_read_only_fd)
{
	int fd = vmo_open_read_only(self->vmo);
	int slice = vmo_slice(fd, 0, SIZE), ref = vmo_reference(fd, 0);

	expect_read_only(_metadata, vmo_slice(slice, 0, SIZE));
	expect_read_only(_metadata, vmo_slice(ref, 0, SIZE));
	expect_read_only(_metadata, vmo_reference(ref, 0));
	expect_read_only(_metadata, slice);
	expect_read_only(_metadata, ref);
	expect_read_only(_metadata, fd);
}

TEST_F(child, views_of_an_immutable_snapshot)
{
	int fd = vmo_child(self->vmo, NO_WRITE, 0, SIZE);

	expect_read_only(_metadata, vmo_slice(fd, 0, SIZE));
	expect_read_only(_metadata, vmo_reference(fd, 0));
	expect_read_only(_metadata, fd);
}

/* RESIZABLE is a right to more than reading: it comes to nothing here. */
TEST_F(child, resizable_reference_of_a_read_only_fd)
{
	int vmo = vmo_filled(PAGES, PAGES, RESIZABLE);
	int fd = vmo_open_read_only(vmo);

	expect_read_only(_metadata, vmo_reference(fd, RESIZABLE));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(vmo));
}

/* A snapshot is a copy: it can be written. */
TEST_F(child, snapshots_of_a_read_only_fd)
{
	int fd = vmo_open_read_only(self->vmo);
	int ref = vmo_reference(fd, 0);
	int clone = vmo_child(ref, RESIZABLE, 0, SIZE);

	ASSERT_LE(0, clone);
	EXPECT_EQ(COWVMO_INFO_COW_CLONE | COWVMO_INFO_RESIZABLE,
		  flags_of(clone));
	EXPECT_EQ(0, pat_fill(clone, 0, 9));
	EXPECT_EQ(0, vmo_set_size(clone, PG));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
