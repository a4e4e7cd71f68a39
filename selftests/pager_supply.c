// SPDX-License-Identifier: GPL-2.0
/*
 * What a pager answers with: pages that move, copies, zeros, errors; and what
 * becomes of all that is present already.
 */
#include "pager.h"

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)

FIXTURE(supply) {
	struct vmo_stats before;
	int pager, vmo;
	unsigned char *mem;
};

FIXTURE_SETUP(supply)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, 0);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(supply)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.descs, after.descs);
}

/* --- By moving pages */

TEST_F(supply, moves_pages)
{
	int aux = vmo_new(SIZE, 0);
	unsigned int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, pat_fill(aux, 8 + i, 100 + i));
	EXPECT_EQ(0, pager_move(self->pager, self->vmo, 3, 20, aux, 8));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, pat_check(self->vmo, 3 + i, 100 + i));
		EXPECT_EQ(0, zero_check(aux, 8 + i));
	}
	EXPECT_EQ(20 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_populated(aux));
	EXPECT_STREQ("", pager_dirt(self->pager, self->vmo));
	EXPECT_EQ(0, close(aux));
}

/* The very pages: nothing is copied where the pager has written them. */
TEST_F(supply, moves_from_under_a_mapping)
{
	int aux = vmo_new(SIZE, 0);
	unsigned char *from = vmo_map(aux, 0, SIZE, PROT_READ | PROT_WRITE);
	struct vmo_stats stats;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		pat_mem_fill(from + i * PG, i);
	stats = vmo_stats();
	EXPECT_EQ(0, pager_move(self->pager, self->vmo, 0, PAGES, aux, 0));
	EXPECT_EQ(stats.pages, vmo_stats().pages);
	EXPECT_EQ(0, zero_mem_check(from, SIZE));
	from[0] = 1;
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, pat_mem_check(self->mem + i * PG, i));
	EXPECT_EQ(0, munmap(from, SIZE));
	EXPECT_EQ(0, close(aux));
}

TEST_F(supply, moves_only_to_what_is_absent)
{
	int aux = vmo_new(SIZE, 0);
	unsigned int i;

	for (i = 0; i < 16; i++)
		ASSERT_EQ(0, pat_fill(aux, i, 100 + i));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 4, 2, 0));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 9, 3));
	EXPECT_EQ(0, pager_move(self->pager, self->vmo, 0, 16, aux, 0));
	for (i = 0; i < 16; i++) {
		if (i >= 9 && i < 12) {
			EXPECT_EQ(0, zero_check(self->vmo, i));
		} else {
			EXPECT_EQ(0, pat_check(self->vmo, i,
					       i / 2 == 2 ? i : 100 + i));
		}
		EXPECT_EQ(0, zero_check(aux, i));
	}
	EXPECT_EQ(0, close(aux));
}

/* What the other has no page for is zero, and nobody is asked for it. */
TEST_F(supply, moves_holes_as_zeros)
{
	int aux = vmo_new(SIZE, 0);

	ASSERT_EQ(0, pat_fill(aux, 5, 1));
	EXPECT_EQ(0, pager_move(self->pager, self->vmo, 0, 16, aux, 0));
	EXPECT_EQ(0, zero_check(self->vmo, 4));
	EXPECT_EQ(0, pat_check(self->vmo, 5, 1));
	EXPECT_EQ(0, zero_check(self->vmo, 15));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(aux));
}

/* Somebody else sees the content: it is copied. */
TEST_F(supply, moves_from_a_clone)
{
	int origin = vmo_new(SIZE, 0), aux;

	ASSERT_EQ(0, pat_fill(origin, 3, 9));
	aux = vmo_snapshot(origin);
	EXPECT_EQ(0, pager_move(self->pager, self->vmo, 0, 8, aux, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 9));
	EXPECT_EQ(0, pat_check(origin, 3, 9));
	EXPECT_EQ(0, zero_check(aux, 3));
	EXPECT_EQ(0, close(aux));
	EXPECT_EQ(0, close(origin));
}

TEST_F(supply, refuses_other_sources)
{
	int aux = vmo_new(SIZE, 0), contiguous = vmo_contiguous(PG, 0);
	int other = pager_vmo(self->pager, 2, SIZE, 0), pin;
	int read_only = vmo_open_read_only(aux), null;
	struct cowvmo_pager_op op;

	null = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EOPNOTSUPP, pager_move(self->pager, self->vmo, 0, 1,
					  contiguous, 0));
	EXPECT_EQ(-EOPNOTSUPP, pager_move(self->pager, self->vmo, 0, 1, other,
					  0));
	EXPECT_EQ(-EACCES, pager_move(self->pager, self->vmo, 0, 1, read_only,
				      0));
	EXPECT_EQ(-EINVAL, pager_move(self->pager, self->vmo, 0, 1, null, 0));
	EXPECT_EQ(-EBADF, pager_move(self->pager, self->vmo, 0, 1, 999, 0));
	EXPECT_EQ(-ERANGE, pager_move(self->pager, self->vmo, 0, 2, aux,
				      PAGES - 1));
	pin = vmo_pin(aux, 0, 2 * PG, PG);
	EXPECT_EQ(-EBUSY, pager_move(self->pager, self->vmo, 0, 8, aux, 0));
	EXPECT_EQ(0, close(pin));
	op = pager_op(COWVMO_PAGER_SUPPLY, self->vmo, 0, 1);
	op.src_fd = aux;
	op.src = 1;
	EXPECT_EQ(-EINVAL, pager_ops(self->pager, &op, 1, NULL));
	EXPECT_EQ(0, close(null));
	EXPECT_EQ(0, close(other));
	EXPECT_EQ(0, close(contiguous));
	EXPECT_EQ(0, close(read_only));
	EXPECT_EQ(0, close(aux));
}

/* --- By copying */

TEST_F(supply, copies_only_to_what_is_absent)
{
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 4, 2, 0));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, 16, 100));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 103));
	EXPECT_EQ(0, pat_check(self->vmo, 4, 4));
	EXPECT_EQ(0, pat_check(self->vmo, 15, 115));
	EXPECT_EQ(16 * PG, vmo_populated(self->vmo));
}

TEST_F(supply, copies_from_a_file)
{
	int file = memfd_create("file", MFD_CLOEXEC), pipes[2];
	char page[PG];

	pat_mem_fill(page, 1);
	ASSERT_EQ((long)PG, pwrite(file, page, PG, 0));
	ASSERT_EQ(100, pwrite(file, page, 100, PG));
	EXPECT_EQ(0, pager_copy_file(self->pager, self->vmo, 2, 4, file, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 1));
	/* What is beyond the end of file is zeros. */
	EXPECT_EQ(0, page_read(self->vmo, 3, page));
	EXPECT_EQ(0, zero_mem_check(page + 100, PG - 100));
	EXPECT_EQ(0, zero_check(self->vmo, 5));
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, pager_copy_file(self->pager, self->vmo, 9, 1,
					   pipes[0], 0));
	EXPECT_EQ(-EACCES, pager_copy_file(self->pager, self->vmo, 9, 1,
					   pipes[1], 0));
	EXPECT_EQ(-EBADF, pager_copy_file(self->pager, self->vmo, 9, 1, 999,
					  0));
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(0, close(file));
}

TEST_F(supply, copies_nothing_from_a_bad_address)
{
	EXPECT_EQ(-EFAULT, pager_copy(self->pager, self->vmo, 0, 1, NULL));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, 1, 7));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 7));
}

/* --- Zeros */

TEST_F(supply, zeros_cost_nothing)
{
	__u64 whole = 1ULL << 52;
	int vmo = pager_vmo(self->pager, 2, whole, 0);
	long nodes = vmo_stats().nodes;

	EXPECT_EQ(0, pager_give(self->pager, vmo, 1000, 1, 0));
	EXPECT_EQ(0, pager_zero(self->pager, vmo, 3, whole / PG - 5));
	EXPECT_LE(vmo_stats().nodes, nodes + 3 * 13);
	EXPECT_EQ(PG, vmo_populated(vmo));
	EXPECT_EQ(0, zero_check(vmo, 3));
	EXPECT_EQ(0, pat_check(vmo, 1000, 1000));
	EXPECT_EQ(0, zero_check(vmo, whole / PG / 2));
	EXPECT_EQ(0, zero_check(vmo, whole / PG - 3));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(vmo));
}

/* Nor do they when they come one by one. */
TEST_F(supply, zeros_become_one)
{
	int vmo = pager_vmo(self->pager, 2, 1ULL << 32, 0);
	long nodes = vmo_stats().nodes;
	unsigned int i;

	for (i = 0; i < 2048; i++)
		ASSERT_EQ(0, pager_zero(self->pager, vmo, i, 1));
	EXPECT_LE(vmo_stats().nodes, nodes + 8);
	EXPECT_EQ(0, zero_check(vmo, 2047));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(supply, zeros_can_be_written_to)
{
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, self->mem[5 * PG]);
	self->mem[5 * PG] = 1;
	EXPECT_EQ(1, vmo_get_byte(self->vmo, 5 * PG));
	EXPECT_EQ(0, pat_fill(self->vmo, 6, 3));
	EXPECT_EQ(0, pat_mem_check(self->mem + 6 * PG, 3));
	EXPECT_EQ(0, zero_check(self->vmo, 7));
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
}

/* --- Errors */

FIXTURE(fails) {
	int pager, vmo;
	unsigned char *mem;
};

FIXTURE_VARIANT(fails) {
	int code;
};

FIXTURE_VARIANT_ADD(fails, io) { .code = EIO };
FIXTURE_VARIANT_ADD(fails, integrity) { .code = EBADMSG };
FIXTURE_VARIANT_ADD(fails, bad_state) { .code = EBUSY };
FIXTURE_VARIANT_ADD(fails, no_space) { .code = ENOSPC };
FIXTURE_VARIANT_ADD(fails, too_small) { .code = EMSGSIZE };

FIXTURE_SETUP(fails)
{
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE,
			      COWVMO_PAGER_VMO_TRAP_DIRTY);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(fails)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
}

TEST_F(fails, who_reads)
{
	struct task task = { .fd = self->vmo, .page = 2, .n = 4 };

	task_start(&task);
	EXPECT_STREQ("READ 5 2+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_fail(self->pager, self->vmo, 2, 4, variant->code));
	EXPECT_EQ(-variant->code, task_join(&task));
	/* That was for him. The next one asks again. */
	task_start(&task);
	EXPECT_STREQ("READ 5 2+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 2, 4));
	EXPECT_EQ(4 * (long)PG, task_join(&task));
}

TEST_F(fails, who_faults)
{
	struct task task = {
		.kind = TASK_LOAD, .fd = self->vmo, .page = 2, .mem = self->mem,
	};

	task_start(&task);
	EXPECT_STREQ("READ 5 2+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_fail(self->pager, self->vmo, 0, PAGES,
				variant->code));
	EXPECT_EQ(TASK_SIGBUS, task_join(&task));
	EXPECT_EQ(variant->code, task.error);
	task_start(&task);
	EXPECT_STREQ("READ 5 2+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 2, 1));
	EXPECT_EQ(0, task_join(&task));
}

TEST_F(fails, who_wants_to_write)
{
	struct task task = {
		.kind = TASK_STORE, .fd = self->vmo, .page = 2, .seed = 1,
		.mem = self->mem,
	};

	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	task_start(&task);
	EXPECT_STREQ("DIRTY 5 2+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_fail(self->pager, self->vmo, 2, 1, variant->code));
	EXPECT_EQ(TASK_SIGBUS, task_join(&task));
	EXPECT_EQ(variant->code, task.error);
	EXPECT_EQ(0, vmo_get_byte(self->vmo, 2 * PG));
}

/* Answered in part, then refused: only what was refused is asked for again. */
TEST_F(fails, the_rest)
{
	struct task task = { .fd = self->vmo, .page = 0, .n = 4 };

	task_start(&task);
	EXPECT_STREQ("READ 5 0+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, 2));
	EXPECT_STREQ("READ 5 2+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_fail(self->pager, self->vmo, 2, 2, variant->code));
	EXPECT_EQ(2 * (long)PG, task_join(&task));
}

TEST_F(supply, fails_without_anybody_waiting)
{
	EXPECT_EQ(0, pager_fail(self->pager, self->vmo, 0, PAGES, EIO));
	EXPECT_EQ(-ERANGE, pager_fail(self->pager, self->vmo, 0, PAGES + 1,
				      EIO));
	EXPECT_EQ(-EINVAL, pager_fail(self->pager, self->vmo, 0, 1, EPERM));
	EXPECT_EQ(-EINVAL, pager_fail(self->pager, self->vmo, 0, 1, 0));
	EXPECT_EQ(-EINVAL, pager_fail(self->pager, self->vmo, 0, 1,
				      EIO | 1U << 31));
}

/* --- Batches and arguments */

TEST_F(supply, goes_on_after_what_fails)
{
	struct cowvmo_pager_op ops[3] = {
		pager_op(COWVMO_PAGER_SUPPLY_ZERO, self->vmo, 0, 1),
		pager_op(COWVMO_PAGER_SUPPLY_ZERO, self->vmo, PAGES, 1),
		pager_op(COWVMO_PAGER_SUPPLY_ZERO, self->vmo, 2, 3),
	};
	__u32 done;

	EXPECT_EQ(-ERANGE, pager_ops(self->pager, ops, 3, &done));
	EXPECT_EQ(3, done);
	EXPECT_EQ(0, ops[0].out_error);
	EXPECT_EQ(PG, ops[0].out_done);
	EXPECT_EQ(ERANGE, ops[1].out_error);
	EXPECT_EQ(0, ops[1].out_done);
	EXPECT_EQ(0, ops[2].out_error);
	EXPECT_EQ(3 * PG, ops[2].out_done);
	EXPECT_EQ(0, zero_check(self->vmo, 4));
}

TEST_F(supply, by_identity)
{
	struct cowvmo_pager_op op;

	op = pager_op(COWVMO_PAGER_SUPPLY_ZERO, -1, 0, 1);
	op.vmo_id = vmo_id(self->vmo);
	EXPECT_EQ(0, pager_ops(self->pager, &op, 1, NULL));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
	op.vmo_id += 1000;
	EXPECT_EQ(-EINVAL, pager_ops(self->pager, &op, 1, NULL));
	op.vmo_id = vmo_id(self->vmo);
	op.vmo_fd = self->vmo;
	EXPECT_EQ(-EINVAL, pager_ops(self->pager, &op, 1, NULL));
}

TEST_F(supply, not_of_another_pagers)
{
	int other = pager_new(0), plain = vmo_new(SIZE, 0);
	int read_only = vmo_open_read_only(self->vmo);
	int slice = vmo_slice(self->vmo, 0, PG);
	int clone = vmo_child_of(self->vmo,
				 COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 0,
				 SIZE);

	ASSERT_LE(0, clone);
	EXPECT_EQ(-EINVAL, pager_zero(other, self->vmo, 0, 1));
	EXPECT_EQ(-EINVAL, pager_zero(self->pager, plain, 0, 1));
	EXPECT_EQ(-EACCES, pager_zero(self->pager, read_only, 0, 1));
	EXPECT_EQ(-EINVAL, pager_zero(self->pager, slice, 0, 1));
	EXPECT_EQ(-EINVAL, pager_zero(self->pager, clone, 0, 1));
	EXPECT_EQ(-EBADF, pager_zero(self->pager, 999, 0, 1));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(read_only));
	EXPECT_EQ(0, close(plain));
	EXPECT_EQ(0, close(other));
}

TEST_F(supply, with_bad_arguments)
{
	struct cowvmo_pager_op good, op;
	struct cowvmo_pager_ops ops = {
		.size = sizeof(ops),
		.ops = (uintptr_t)&op,
		.nr = 1,
		.op_size = sizeof(op),
	};

	good = pager_op(COWVMO_PAGER_SUPPLY_ZERO, self->vmo, 0, 1);
#define BAD(member, value, error) ({					\
		op = good;						\
		op.member = value;					\
		EXPECT_EQ(-(error), pager_ops(self->pager, &op, 1, NULL)); \
	})
	BAD(op, 0, EOPNOTSUPP);
	BAD(op, COWVMO_PAGER_DETACH + 1, EOPNOTSUPP);
	BAD(flags, 1, EINVAL);
	BAD(offset, 1, EINVAL);
	BAD(length, PG + 1, EINVAL);
	BAD(length, SIZE + PG, ERANGE);
	BAD(src, PG, EINVAL);
	BAD(src_fd, 0, EINVAL);
	BAD(code, EIO, EINVAL);
	BAD(vmo_fd, -2, EBADF);
	op = good;
	ops.nr = 0;
	EXPECT_EQ(-EINVAL, vmo_ret(ioctl(self->pager, COWVMO_IOC_PAGER_OPS,
					 &ops)));
	ops.nr = COWVMO_PAGER_MAX_OPS + 1;
	EXPECT_EQ(-EINVAL, vmo_ret(ioctl(self->pager, COWVMO_IOC_PAGER_OPS,
					 &ops)));
	ops.nr = 1;
	ops.op_size = sizeof(op) - 8;
	EXPECT_EQ(-EINVAL, vmo_ret(ioctl(self->pager, COWVMO_IOC_PAGER_OPS,
					 &ops)));
	ops.op_size = sizeof(op);
	ops.ops = 8;
	EXPECT_EQ(-EFAULT, vmo_ret(ioctl(self->pager, COWVMO_IOC_PAGER_OPS,
					 &ops)));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	/* Nothing at all is fine. */
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, PAGES, 0));
}

TEST_HARNESS_MAIN
