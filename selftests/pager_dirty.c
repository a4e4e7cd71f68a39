// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty, and clean again: who is asked before, what is told, and what a pager
 * that writes back can rely on.
 */
#include "pager.h"

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)
#define TRAP	COWVMO_PAGER_VMO_TRAP_DIRTY
#define RESIZABLE COWVMO_PAGER_VMO_RESIZABLE

FIXTURE(dirty) {
	struct vmo_stats before;
	int pager, vmo;
	unsigned char *mem;
};

FIXTURE_VARIANT(dirty) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(dirty, free) { .flags = RESIZABLE };
FIXTURE_VARIANT_ADD(dirty, trapped) { .flags = RESIZABLE | TRAP };

FIXTURE_SETUP(dirty)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, variant->flags);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, 2 * SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, pager_give(self->pager, self->vmo, 0, 32, 0));
}

FIXTURE_TEARDOWN(dirty)
{
	struct vmo_stats after;

	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, 2 * SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.descs, after.descs);
}

/* Runs the task; answers @asked, which comes only where it is trapped. */
static void run_task(struct __test_metadata *_metadata,
		     FIXTURE_DATA(dirty) * self, bool trapped,
		     struct task task, const char *asked)
{
	__u64 first, n;
	const char *request;

	task.fd = self->vmo;
	task.mem = self->mem;
	task_start(&task);
	if (trapped) {
		request = pager_next(self->pager);
		EXPECT_STREQ(asked, request);
		ASSERT_TRUE(pager_range(request, &first, &n));
		EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, first, n));
	}
	EXPECT_LE(0, task_join(&task));
	if (task.kind == TASK_PIN_WRITE)
		EXPECT_EQ(0, close(task.ret));
}

#define RUN(asked, ...) \
	run_task(_metadata, self, variant->flags & TRAP, \
		 (struct task) { __VA_ARGS__ }, asked)
#define DIRT(text) EXPECT_STREQ(text, pager_dirt(self->pager, self->vmo))

TEST_F(dirty, by_a_write)
{
	DIRT("");
	RUN("DIRTY 5 3+4", .kind = TASK_WRITE, .page = 3, .n = 4, .seed = 100);
	DIRT("3+4");
	EXPECT_EQ(0, pat_check(self->vmo, 5, 105));
	EXPECT_EQ(1, pager_modified(self->pager, self->vmo));
	EXPECT_EQ(0, pager_modified(self->pager, self->vmo));
}

TEST_F(dirty, by_a_store)
{
	EXPECT_NE(255, self->mem[3 * PG]);
	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 255);
	DIRT("3+1");
	EXPECT_EQ(255, vmo_get_byte(self->vmo, 3 * PG));
	EXPECT_EQ(1, pager_modified(self->pager, self->vmo));
	/* Once dirty, nobody is asked. */
	self->mem[3 * PG + 1] = 1;
	EXPECT_EQ(0, vmo_put_byte(self->vmo, 3 * PG + 2, 1) < 0);
}

TEST_F(dirty, not_by_reading)
{
	EXPECT_EQ(0, pat_check(self->vmo, 3, 3));
	EXPECT_EQ(0, pat_mem_check(self->mem + 4 * PG, 4));
	EXPECT_EQ(0, vmo_commit(self->vmo, 0, 32 * PG));
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_PREFETCH, 0, 32 * PG, NULL));
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_ALWAYS_NEED, 0, 32 * PG,
			    NULL));
	EXPECT_EQ(0, vmo_op(self->vmo, COWVMO_OP_DONT_NEED, 0, 32 * PG, NULL));
	DIRT("");
	EXPECT_EQ(0, pager_modified(self->pager, self->vmo));
}

TEST_F(dirty, by_a_pin_that_writes)
{
	int pin = vmo_pin(self->vmo, 0, 2 * PG, 2 * PG);

	EXPECT_LE(0, pin);
	DIRT("");
	RUN("DIRTY 5 8+2", .kind = TASK_PIN_WRITE, .page = 8, .n = 2);
	DIRT("8+2");
	EXPECT_EQ(0, close(pin));
}

/* The absent is read first, then asked about. */
TEST_F(dirty, by_a_write_to_what_is_absent)
{
	struct task task = {
		.kind = TASK_WRITE, .fd = self->vmo, .page = 40, .n = 2,
		.seed = 1,
	};

	task_start(&task);
	EXPECT_STREQ("READ 5 40+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 40, 2, 0));
	if (variant->flags & TRAP) {
		EXPECT_STREQ("DIRTY 5 40+2", pager_next(self->pager));
		EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 40, 2));
	}
	EXPECT_EQ(2 * (long)PG, task_join(&task));
	DIRT("40+2");
}

/* --- Writing back */

TEST_F(dirty, clean_again)
{
	RUN("DIRTY 5 3+2", .kind = TASK_WRITE, .page = 3, .n = 2, .seed = 100);
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	DIRT("3+2");
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("");
	EXPECT_EQ(0, pat_check(self->vmo, 3, 103));
	/* And dirty again. */
	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 1);
	DIRT("3+1");
}

TEST_F(dirty, not_clean_without_the_beginning)
{
	RUN("DIRTY 5 3+2", .kind = TASK_WRITE, .page = 3, .n = 2, .seed = 100);
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("3+2");
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 3, 1));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("4+1");
}

/* Whoever writes meanwhile makes it dirty once more. */
TEST_F(dirty, stays_so_if_written_to_meanwhile)
{
	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 1);
	RUN("DIRTY 5 4+1", .kind = TASK_STORE, .page = 4, .seed = 1);
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 2);
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("3+1");
}

TEST_F(dirty, stays_so_while_pinned)
{
	int pin;

	RUN("DIRTY 5 3+2", .kind = TASK_WRITE, .page = 3, .n = 2, .seed = 100);
	pin = vmo_pin(self->vmo, COWVMO_PIN_WRITE, 3 * PG, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("3+1");
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("");
}

/* A pin that comes later does not keep it from becoming clean. */
TEST_F(dirty, clean_although_pinned_for_reading_meanwhile)
{
	int pin;

	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 1);
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	pin = vmo_pin(self->vmo, 0, 3 * PG, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("");
	EXPECT_EQ(0, close(pin));
}

/* A page that was only read for writing is not lost. */
TEST_F(dirty, zeros_only_are_begun_with_if_said_so)
{
	RUN("DIRTY 5 3+1", .kind = TASK_STORE, .page = 3, .seed = 1);
	EXPECT_EQ(0, vmo_zero(self->vmo, 8 * PG, 4 * PG));
	DIRT("3+1 8+4z");
	EXPECT_EQ(0, pager_begin_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("3+1");
}

/* --- Zeros */

TEST_F(dirty, zeros_ask_nobody)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 30 * PG, 20 * PG));
	DIRT("30+20z");
	EXPECT_EQ(0, zero_check(self->vmo, 31));
	EXPECT_EQ(0, zero_check(self->vmo, 49));
	EXPECT_EQ(30 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(1, pager_modified(self->pager, self->vmo));
}

TEST_F(dirty, zeros_that_are_clean_stay_so)
{
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 40, 8));
	EXPECT_EQ(0, vmo_zero(self->vmo, 36 * PG, 16 * PG));
	DIRT("36+4z 48+4z");
}

TEST_F(dirty, zeros_are_joined)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 4 * PG));
	EXPECT_EQ(0, vmo_zero(self->vmo, 10 * PG, 4 * PG));
	DIRT("4+4z 10+4z");
	EXPECT_EQ(0, vmo_zero(self->vmo, 8 * PG, 2 * PG));
	DIRT("4+10z");
}

TEST_F(dirty, a_write_splits_zeros)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 8 * PG));
	RUN("DIRTY 5 6+1", .kind = TASK_STORE, .page = 6, .seed = 1);
	DIRT("4+2z 6+1 7+5z");
	EXPECT_EQ(0, zero_check(self->vmo, 7));
}

TEST_F(dirty, commit_makes_pages_of_zeros)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 8 * PG));
	RUN("DIRTY 5 6+2", .kind = TASK_COMMIT, .page = 6, .n = 2);
	DIRT("4+2z 6+2 8+4z");
}

/* A page that is pinned stays, and is cleared. */
TEST_F(dirty, zeros_around_a_pin)
{
	int pin = vmo_pin(self->vmo, 0, 6 * PG, PG);

	ASSERT_LE(0, pin);
	RUN("DIRTY 5 6+1", .kind = TASK_ZERO, .page = 4, .n = 4);
	DIRT("4+2z 6+1 7+1z");
	EXPECT_EQ(0, zero_check(self->vmo, 6));
	EXPECT_EQ(0, close(pin));
}

/* Once written back, they are asked for as anything else. */
TEST_F(dirty, zeros_written_back_are_absent)
{
	struct task task = { .fd = self->vmo, .page = 5, .n = 1 };

	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 4 * PG));
	EXPECT_EQ(0, self->mem[5 * PG]);
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	DIRT("4+4z");
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("");
	task_start(&task);
	EXPECT_STREQ("READ 5 5+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 5, 1, 50));
	EXPECT_EQ((long)PG, task_join(&task));
	EXPECT_EQ(0, pat_mem_check(self->mem + 5 * PG, 55));
}

TEST_F(dirty, zeros_in_part)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 8 * PG));
	/* Without the beginning nothing is begun. */
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 6, 2));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("4+8z");
	/* The most that has been begun counts. */
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 4, 6));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, 6));
	/* The end too must have the beginning. */
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 5, 20));
	DIRT("4+8z");
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	DIRT("10+2z");
}

/* What is not ended with the rest has to be begun again. */
TEST_F(dirty, zeros_ended_in_part)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 8 * PG));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 4, 8));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 4, 2));
	DIRT("6+6z");
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 4, 8));
	DIRT("6+6z");
}

/* (d) More zeros meanwhile: it has to be begun again. */
TEST_F(dirty, zeros_joined_while_written_back)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 4 * PG));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 4, 4));
	EXPECT_EQ(0, vmo_zero(self->vmo, 8 * PG, 2 * PG));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 4, 6));
	DIRT("4+6z");
}

TEST_F(dirty, zeros_zeroed_again_while_written_back)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 4 * PG));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 4, 4));
	EXPECT_EQ(0, vmo_zero(self->vmo, 5 * PG, PG));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 4, 4));
	DIRT("4+4z");
}

/* --- Sizes */

TEST_F(dirty, growing_asks_nobody)
{
	EXPECT_EQ(0, vmo_set_size(self->vmo, SIZE + 4 * PG));
	DIRT("64+4z");
	EXPECT_EQ(0, zero_check(self->vmo, 66));
	EXPECT_EQ(0, vmo_set_size(self->vmo, SIZE + 8 * PG));
	DIRT("64+8z");
	EXPECT_EQ(1, pager_modified(self->pager, self->vmo));
}

TEST_F(dirty, growing_by_much)
{
	long nodes = vmo_stats().nodes;

	EXPECT_EQ(0, vmo_set_size(self->vmo, 1ULL << 40));
	EXPECT_LE(vmo_stats().nodes, nodes + 2 * 13);
	EXPECT_EQ(0, zero_check(self->vmo, (1ULL << 28) - 1));
	DIRT("64+268435392z");
}

/* (c) What was cut off and has come back is dirty, whatever was begun. */
TEST_F(dirty, regrown_while_written_back)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, 60 * PG, 4 * PG));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 60, 4));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 62 * PG));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 64 * PG));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 62, 2));
	DIRT("60+4z");
}

TEST_F(dirty, a_write_at_the_end)
{
	RUN("DIRTY 5 66+1", .kind = TASK_WRITE, .page = 66, .n = 1, .seed = 1);
	EXPECT_EQ(67 * PG, vmo_stream(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 66, 67));
	EXPECT_EQ(0, zero_check(self->vmo, 65));
	DIRT("64+2z 66+1");
}

/* --- Arguments */

TEST_F(dirty, what_is_not_its_own)
{
	int clone = vmo_child_of(self->vmo,
				 COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0, 0,
				 SIZE);
	struct dirty_pages out[1];

	ASSERT_LE(0, clone);
	EXPECT_EQ(-EINVAL, pager_query(self->pager, clone, 0, 1, out, 1));
	EXPECT_EQ(-EINVAL, pager_begin(self->pager, clone, 0, 1));
	EXPECT_EQ(-EINVAL, pager_modified(self->pager, clone));
	EXPECT_EQ(-ERANGE, pager_query(self->pager, self->vmo, 0, PAGES + 1,
				       out, 1));
	EXPECT_EQ(-ERANGE, pager_begin(self->pager, self->vmo, PAGES, 1));
	EXPECT_EQ(-ERANGE, pager_end(self->pager, self->vmo, PAGES, 1));
	EXPECT_EQ(0, close(clone));
}

TEST_F(dirty, query_in_pieces)
{
	struct cowvmo_dirty_range ranges[2];
	struct cowvmo_pager_query_dirty arg = {
		.size = sizeof(arg),
		.flags = COWVMO_QUERY_DIRTY_COUNT,
		.vmo_fd = self->vmo,
		.length = SIZE,
		.ranges = (uintptr_t)ranges,
		.room = 2,
	};
	unsigned int i;

	for (i = 0; i < PAGES; i += 4)
		ASSERT_EQ(0, vmo_zero(self->vmo, i * PG, 2 * PG));
	EXPECT_EQ(0, vmo_ret(ioctl(self->pager, COWVMO_IOC_PAGER_QUERY_DIRTY,
				   &arg)));
	EXPECT_EQ(2, arg.out_nr);
	EXPECT_EQ(16, arg.out_available);
	EXPECT_EQ(4 * PG, ranges[1].offset);
	EXPECT_EQ(2 * PG, ranges[1].length);
	arg.ranges = 8;
	EXPECT_EQ(-EFAULT, vmo_ret(ioctl(self->pager,
					 COWVMO_IOC_PAGER_QUERY_DIRTY, &arg)));
}

/* --- Where the pager is asked */

FIXTURE(trap) {
	int pager, vmo;
	unsigned char *mem;
};

FIXTURE_SETUP(trap)
{
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE, TRAP);
	ASSERT_LE(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(trap)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(self->mem, SIZE));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
}

TEST_F(trap, permission_for_zeros_makes_pages)
{
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, self->mem[2 * PG]);
	EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 2, 4));
	DIRT("2+4");
	EXPECT_EQ(4 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, pager_modified(self->pager, self->vmo));
	self->mem[2 * PG] = 1;
	EXPECT_EQ(1, vmo_get_byte(self->vmo, 2 * PG));
}

TEST_F(trap, no_permission_for_what_is_absent)
{
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 0, 4, 0));
	EXPECT_EQ(-ENOENT, pager_dirty(self->pager, self->vmo, 0, 5));
	DIRT("");
	EXPECT_EQ(-ERANGE, pager_dirty(self->pager, self->vmo, 0, PAGES + 1));
	EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 0, 4));
	DIRT("0+4");
}

/* (a) What he asked about has been written back meanwhile: read, ask again. */
TEST_F(trap, gone_while_it_was_asked_about)
{
	struct task task = {
		.kind = TASK_STORE, .fd = self->vmo, .page = 4, .seed = 9,
		.mem = self->mem,
	};

	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, PG));
	task_start(&task);
	EXPECT_STREQ("DIRTY 5 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 4, 1));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 4, 1));
	EXPECT_EQ(-ENOENT, pager_dirty(self->pager, self->vmo, 4, 1));
	EXPECT_STREQ("READ 5 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 4, 1));
	EXPECT_STREQ("DIRTY 5 4+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 4, 1));
	EXPECT_EQ(0, task_join(&task));
	EXPECT_EQ(9, vmo_get_byte(self->vmo, 4 * PG));
}

TEST_F(trap, write_asks_in_pieces)
{
	struct task task = {
		.kind = TASK_WRITE, .fd = self->vmo, .page = 0, .n = 20,
	};

	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 0, PAGES));
	task_start(&task);
	EXPECT_STREQ("DIRTY 5 0+16", pager_next(self->pager));
	EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 0, 16));
	EXPECT_STREQ("DIRTY 5 16+4", pager_next(self->pager));
	EXPECT_EQ(0, pager_dirty(self->pager, self->vmo, 16, 4));
	EXPECT_EQ(20 * (long)PG, task_join(&task));
	DIRT("0+20");
}

TEST_F(trap, asked_in_vain_without_it)
{
	int vmo = pager_vmo(self->pager, 1, SIZE, 0);

	EXPECT_EQ(0, pager_zero(self->pager, vmo, 0, PAGES));
	EXPECT_EQ(-EOPNOTSUPP, pager_dirty(self->pager, vmo, 0, 1));
	EXPECT_EQ(0, close(vmo));
}

TEST_HARNESS_MAIN
