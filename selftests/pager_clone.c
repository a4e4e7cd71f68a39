// SPDX-License-Identifier: GPL-2.0
/*
 * Clones of what a pager gives content to: what shows through, for how long,
 * and who is asked; and snapshots of one instant of it.
 */
#include "pager.h"

#include "kselftest_harness.h"

#define KEY	5ULL
#define PAGES	64ULL
#define SIZE	(PAGES * PG)
#define ONE_WAY	COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE
#define MODIFIED COWVMO_CHILD_SNAPSHOT_MODIFIED
#define INSTANT	COWVMO_CREATE_POINT_IN_TIME

FIXTURE(clone) {
	struct vmo_stats before;
	int pager, vmo;
};

FIXTURE_SETUP(clone)
{
	self->before = vmo_stats();
	self->pager = pager_new(0);
	self->vmo = pager_vmo(self->pager, KEY, SIZE,
			      COWVMO_PAGER_VMO_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pager_give(self->pager, self->vmo, 0, 16, 0));
}

FIXTURE_TEARDOWN(clone)
{
	struct vmo_stats after;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->pager));
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.descs, after.descs);
}

static int one_way(int fd)
{
	return vmo_child_of(fd, ONE_WAY, 0, 0, SIZE);
}

static int modified(int fd)
{
	return vmo_child_of(fd, MODIFIED, 0, 0, SIZE);
}

static int instant(int fd)
{
	return vmo_child_of(fd, COWVMO_CHILD_SNAPSHOT, INSTANT, 0, SIZE);
}

TEST_F(clone, sees_later_writes_until_its_own)
{
	int child = one_way(self->vmo);
	unsigned char *mem;

	ASSERT_LE(0, child);
	mem = vmo_map(child, 0, SIZE, PROT_READ | PROT_WRITE);
	EXPECT_EQ(0, pat_mem_check(mem + 3 * PG, 3));
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 100));
	EXPECT_EQ(0, pat_mem_check(mem + 3 * PG, 100));
	EXPECT_EQ(0, pat_check(child, 3, 100));
	EXPECT_EQ(0, pat_fill(child, 3, 200));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 100));
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 101));
	EXPECT_EQ(0, pat_check(child, 3, 200));
	EXPECT_EQ(0, pat_mem_check(mem + 3 * PG, 200));
	/* Through the mapping too. */
	mem[4 * PG] = 77;
	EXPECT_EQ(0, pat_check(self->vmo, 4, 4));
	EXPECT_EQ(77, vmo_get_byte(child, 4 * PG));
	EXPECT_STREQ("3+1", pager_dirt(self->pager, self->vmo));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, close(child));
}

TEST_F(clone, sees_through_any_depth)
{
	int chain[16], i;

	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 32, 16));
	chain[0] = self->vmo;
	for (i = 1; i < 16; i++) {
		chain[i] = one_way(chain[i - 1]);
		ASSERT_LE(0, chain[i]);
		/* It owns something: what is made from it hangs below it. */
		ASSERT_EQ(0, pat_fill(chain[i], 32 + i, 100 + i));
	}
	EXPECT_EQ(0, pat_check(chain[15], 2, 2));
	EXPECT_EQ(0, pat_check(chain[15], 33, 101));
	EXPECT_EQ(0, pat_fill(chain[5], 2, 55));
	EXPECT_EQ(0, pat_check(chain[15], 2, 55));
	EXPECT_EQ(0, pat_check(chain[4], 2, 2));
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 66));
	EXPECT_EQ(0, pat_check(chain[4], 2, 66));
	EXPECT_EQ(0, pat_check(chain[15], 2, 55));
	EXPECT_EQ(0, vmo_validate());
	/* Those in the middle go first; what shows through them stays. */
	for (i = 1; i < 15; i++)
		EXPECT_EQ(0, close(chain[i]));
	EXPECT_EQ(0, pat_check(chain[15], 2, 55));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(chain[15]));
}

/* Who has nothing in the range is passed over, and later writes of his. */
TEST_F(clone, hangs_as_high_as_it_can)
{
	int middle = one_way(self->vmo), child = one_way(middle);

	EXPECT_EQ(vmo_id(middle), vmo_parent(child));
	EXPECT_EQ(0, pat_fill(middle, 3, 50));
	EXPECT_EQ(0, pat_check(child, 3, 3));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(middle));
}

TEST_F(clone, asks_for_what_the_root_lacks)
{
	int child = vmo_child_of(self->vmo, ONE_WAY, 0, 10 * PG, SIZE - 10 * PG);
	struct task task = { .fd = child, .page = 20, .n = 2 };
	struct task write = {
		.kind = TASK_WRITE, .fd = child, .page = 40, .n = 1, .seed = 9,
	};

	task_start(&task);
	EXPECT_STREQ("READ 5 30+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 30, 2, 0));
	EXPECT_EQ(2 * (long)PG, task_join(&task));
	EXPECT_EQ(0, pat_mem_check(task.buf, 30));
	/* It is there for all. */
	EXPECT_EQ(0, pat_check(self->vmo, 31, 31));
	EXPECT_EQ(0, vmo_populated(child));
	task_start(&write);
	EXPECT_STREQ("READ 5 50+1", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 50, 1, 0));
	EXPECT_EQ((long)PG, task_join(&write));
	EXPECT_EQ(0, pat_check(self->vmo, 50, 50));
	EXPECT_EQ(0, pat_check(child, 40, 49));
	EXPECT_STREQ("", pager_dirt(self->pager, self->vmo));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(child));
}

/* Not even a pager that wants to be asked is asked about a clone's own. */
TEST_F(clone, is_never_dirty)
{
	int vmo = pager_vmo(self->pager, 6, SIZE, COWVMO_PAGER_VMO_TRAP_DIRTY);
	int child;

	EXPECT_EQ(0, pager_zero(self->pager, vmo, 0, PAGES));
	child = one_way(vmo);
	EXPECT_EQ(0, pat_fill(child, 3, 3));
	EXPECT_EQ(0, vmo_zero(child, 3 * PG, PG));
	EXPECT_EQ(0, vmo_commit(child, 0, 8 * PG));
	EXPECT_STREQ("", pager_dirt(self->pager, vmo));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(vmo));
	EXPECT_STREQ("COMPLETE 6 0+0", pager_next(self->pager));
}

TEST_F(clone, zeroes_for_itself)
{
	int child = one_way(self->vmo);

	EXPECT_EQ(0, vmo_zero(child, 2 * PG, 40 * PG));
	EXPECT_EQ(0, zero_check(child, 3));
	EXPECT_EQ(0, zero_check(child, 30));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 3));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 30, 1, 0));
	EXPECT_EQ(0, zero_check(child, 30));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(child));
}

/* What has been cut off never comes back for those who saw it. */
TEST_F(clone, does_not_see_what_is_regrown)
{
	int child = one_way(self->vmo);
	unsigned char *mem = vmo_map(child, 0, SIZE, PROT_READ);

	EXPECT_EQ(0, pat_mem_check(mem + 9 * PG, 9));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 8 * PG));
	EXPECT_EQ(0, vmo_set_size(self->vmo, SIZE));
	EXPECT_EQ(0, pat_fill(self->vmo, 9, 100));
	EXPECT_EQ(0, zero_check(child, 9));
	EXPECT_EQ(0, zero_mem_check(mem + 9 * PG, PG));
	EXPECT_EQ(0, pat_check(child, 7, 7));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, close(child));
}

TEST_F(clone, reads_zero_beyond_the_parent)
{
	int child = vmo_child_of(self->vmo, ONE_WAY, 0, 60 * PG, 20 * PG);

	EXPECT_EQ(0, zero_check(child, 10));
	EXPECT_EQ(0, pat_fill(child, 12, 4));
	EXPECT_EQ(0, pat_check(child, 12, 4));
	EXPECT_TRUE(pager_is_quiet(self->pager));
	EXPECT_EQ(0, close(child));
}

/* --- Memory */

TEST_F(clone, memory_is_there_once)
{
	struct cowvmo_get_info info;
	int child[25];
	unsigned int i;

	for (i = 0; i < 25; i++) {
		child[i] = one_way(self->vmo);
		EXPECT_EQ(0, pat_check(child[i], i % 16, i % 16));
		EXPECT_EQ(0, vmo_info(child[i], &info, COWVMO_INFO_MEMORY));
		EXPECT_EQ(0, info.out_populated_bytes);
		EXPECT_EQ(0, info.out_scaled_bytes);
		EXPECT_EQ(COWVMO_INFO_PAGER_BACKED | COWVMO_INFO_COW_CLONE,
			  info.out_flags);
	}
	EXPECT_EQ(self->before.pages + 16, vmo_stats().pages);
	for (i = 0; i < 25; i++)
		EXPECT_EQ(0, close(child[i]));
}

/* --- MODIFIED */

TEST_F(clone, of_what_has_been_modified)
{
	int first = modified(self->vmo), second;

	EXPECT_EQ(0, pat_fill(first, 3, 50));
	second = modified(first);
	ASSERT_LE(0, second);
	EXPECT_EQ(0, pat_check(second, 3, 50));
	EXPECT_EQ(0, pat_fill(first, 3, 60));
	EXPECT_EQ(0, pat_check(second, 3, 50));
	EXPECT_EQ(0, pat_fill(second, 4, 70));
	EXPECT_EQ(0, pat_check(first, 4, 4));
	/* What neither has modified follows the root. */
	EXPECT_EQ(0, pat_fill(self->vmo, 5, 80));
	EXPECT_EQ(0, pat_check(first, 5, 80));
	EXPECT_EQ(0, pat_check(second, 5, 80));
	EXPECT_EQ(0, close(first));
	EXPECT_EQ(0, pat_check(second, 3, 50));
	EXPECT_EQ(0, pat_check(second, 6, 6));
	EXPECT_EQ(0, close(second));
}

/* The table of what can be made of what */
TEST_F(clone, kinds)
{
	int child = one_way(self->vmo), pair, below, slice, fixed, part;

	EXPECT_EQ(-EOPNOTSUPP, vmo_snapshot(self->vmo));
	EXPECT_EQ(-EOPNOTSUPP, vmo_snapshot(child));
	/* Of a clone with clones: not MODIFIED. */
	EXPECT_EQ(0, pat_fill(child, 0, 1));
	below = one_way(child);
	ASSERT_LE(0, below);
	EXPECT_EQ(-EOPNOTSUPP, modified(child));
	/* Nor at the end of a chain. */
	EXPECT_EQ(-EOPNOTSUPP, modified(below));
	EXPECT_EQ(0, close(below));
	pair = modified(child);
	ASSERT_LE(0, pair);
	/* A pair is a snapshot of each other, whatever is asked for. */
	below = one_way(child);
	ASSERT_LE(0, below);
	EXPECT_EQ(0, pat_fill(child, 0, 2));
	EXPECT_EQ(0, pat_check(below, 0, 1));
	EXPECT_EQ(-EOPNOTSUPP, vmo_snapshot(pair));
	part = vmo_slice(pair, 0, PG);
	ASSERT_LE(0, part);
	EXPECT_EQ(-EOPNOTSUPP, vmo_child_of(part, ONE_WAY, 0, 0, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_child_of(part, MODIFIED, 0, 0, PG));
	EXPECT_EQ(0, close(part));
	EXPECT_EQ(0, close(below));
	EXPECT_EQ(0, close(pair));
	EXPECT_EQ(0, close(child));

	fixed = pager_vmo(self->pager, 9, SIZE, 0);
	slice = vmo_slice(fixed, 8 * PG, 8 * PG);
	ASSERT_LE(0, slice);
	EXPECT_EQ(-EOPNOTSUPP, vmo_snapshot(slice));
	child = vmo_child_of(slice, ONE_WAY, 0, PG, PG);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, pager_give(self->pager, fixed, 9, 1, 0));
	EXPECT_EQ(0, pat_check(child, 0, 9));
	EXPECT_EQ(0, close(child));
	child = vmo_child_of(slice, MODIFIED, 0, PG, PG);
	EXPECT_EQ(0, pat_check(child, 0, 9));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(slice));
	/* Slices of clones */
	child = one_way(fixed);
	slice = vmo_slice(child, 0, PG);
	EXPECT_EQ(-EOPNOTSUPP, vmo_child_of(slice, MODIFIED, 0, 0, PG));
	part = vmo_child_of(slice, ONE_WAY, 0, 0, PG);
	EXPECT_LE(0, part);
	EXPECT_EQ(0, close(part));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fixed));
	EXPECT_STREQ("COMPLETE 9 0+0", pager_next(self->pager));
}

TEST_F(clone, of_what_is_pinned)
{
	int child = one_way(self->vmo), pin, other;

	EXPECT_EQ(0, pat_fill(child, 0, 1));
	pin = vmo_pin(child, 0, 0, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(-EBUSY, modified(child));
	other = one_way(child);
	EXPECT_LE(0, other);
	EXPECT_EQ(0, close(other));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, close(child));
}

TEST_F(clone, by_reference)
{
	int reference = vmo_reference(self->vmo, 0), child;

	EXPECT_EQ(0, pat_check(reference, 3, 3));
	child = one_way(reference);
	EXPECT_EQ(0, pat_fill(reference, 3, 8));
	EXPECT_EQ(0, pat_check(child, 3, 8));
	EXPECT_STREQ("3+1", pager_dirt(self->pager, self->vmo));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(reference));
}

/* --- Of one instant */

TEST_F(clone, of_one_instant)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE,
				     PROT_READ | PROT_WRITE);
	int snap;

	mem[PG] = 11;
	snap = instant(self->vmo);
	ASSERT_LE(0, snap);
	mem[PG] = 12;
	mem[2 * PG] = 13;
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 100));
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, PG));
	EXPECT_EQ(11, vmo_get_byte(snap, PG));
	EXPECT_EQ(0, pat_check(snap, 2, 2));
	EXPECT_EQ(0, pat_check(snap, 3, 3));
	EXPECT_EQ(0, pat_check(snap, 4, 4));
	EXPECT_EQ(12, vmo_get_byte(self->vmo, PG));
	/* Once it is written back, that is so all the same. */
	EXPECT_EQ(0, pager_begin(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pager_end(self->pager, self->vmo, 0, PAGES));
	EXPECT_EQ(0, pat_check(snap, 3, 3));
	EXPECT_EQ(0, pat_check(snap, 4, 4));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, close(snap));
}

/* What was absent then is fetched into the root, and stays what it was. */
TEST_F(clone, of_one_instant_with_what_comes_later)
{
	int snap = instant(self->vmo);
	struct task task = { .fd = snap, .page = 20, .n = 2 };

	task_start(&task);
	EXPECT_STREQ("READ 5 20+2", pager_next(self->pager));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 20, 4, 0));
	EXPECT_EQ(2 * (long)PG, task_join(&task));
	EXPECT_EQ(0, pager_zero(self->pager, self->vmo, 30, 4));
	/* The root's own changes */
	EXPECT_EQ(0, pat_fill(self->vmo, 20, 100));
	EXPECT_EQ(0, pat_fill(self->vmo, 22, 100));
	EXPECT_EQ(0, pat_fill(self->vmo, 31, 100));
	EXPECT_EQ(0, vmo_zero(self->vmo, 23 * PG, PG));
	EXPECT_EQ(0, pat_check(snap, 20, 20));
	EXPECT_EQ(0, pat_check(snap, 21, 21));
	EXPECT_EQ(0, pat_check(snap, 22, 22));
	EXPECT_EQ(0, pat_check(snap, 23, 23));
	EXPECT_EQ(0, zero_check(snap, 31));
	EXPECT_EQ(0, vmo_validate());
	/* And the snapshot's */
	EXPECT_EQ(0, pat_fill(snap, 21, 50));
	EXPECT_EQ(0, pat_check(self->vmo, 21, 21));
	EXPECT_EQ(0, close(snap));
}

/* What it would have to ask for later must not change before. */
TEST_F(clone, of_one_instant_keeps_what_is_absent)
{
	int snap = instant(self->vmo), second = instant(self->vmo);

	EXPECT_EQ(-EBUSY, vmo_zero(self->vmo, 30 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->vmo, 30 * PG));
	EXPECT_EQ(SIZE, vmo_size(self->vmo));
	EXPECT_EQ(0, close(second));
	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 30, PAGES - 30, 0));
	EXPECT_EQ(0, vmo_zero(self->vmo, 30 * PG, PG));
	EXPECT_EQ(0, vmo_set_size(self->vmo, 30 * PG));
	EXPECT_EQ(0, pat_check(snap, 30, 30));
	EXPECT_EQ(0, pat_check(snap, 40, 40));
	EXPECT_EQ(0, close(snap));
}

TEST_F(clone, of_one_instant_and_of_that)
{
	int snap = instant(self->vmo), below, pair;

	below = one_way(snap);
	ASSERT_LE(0, below);
	EXPECT_EQ(0, pat_fill(self->vmo, 3, 100));
	EXPECT_EQ(0, pat_check(below, 3, 3));
	EXPECT_EQ(0, close(below));
	pair = modified(snap);
	ASSERT_LE(0, pair);
	EXPECT_EQ(0, pat_fill(self->vmo, 4, 100));
	EXPECT_EQ(0, pat_fill(snap, 5, 100));
	EXPECT_EQ(0, pat_check(pair, 3, 3));
	EXPECT_EQ(0, pat_check(pair, 4, 4));
	EXPECT_EQ(0, pat_check(pair, 5, 5));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(0, pat_fill(self->vmo, 6, 100));
	EXPECT_EQ(0, pat_check(pair, 6, 6));
	EXPECT_EQ(0, close(pair));
}

TEST_F(clone, of_one_instant_only_of_a_pagers)
{
	int plain = vmo_new(SIZE, 0), child = one_way(self->vmo), copy;

	EXPECT_EQ(-EOPNOTSUPP, instant(child));
	EXPECT_EQ(-EINVAL, vmo_child_of(self->vmo, ONE_WAY, INSTANT, 0, SIZE));
	/* Of an anonymous one every snapshot is. */
	copy = instant(plain);
	EXPECT_LE(0, copy);
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(plain));
}

/* A page that is pinned in the root cannot be shared any more: it is copied. */
TEST_F(clone, of_one_instant_and_a_pin_after_it)
{
	int snap = instant(self->vmo), pin;

	EXPECT_EQ(0, pager_give(self->pager, self->vmo, 20, 1, 0));
	pin = vmo_pin(self->vmo, 0, 20 * PG, PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(-EBUSY, instant(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, 20, 100));
	EXPECT_EQ(0, pat_check(snap, 20, 20));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, close(snap));
}

/* --- Every order of closing */

TEST_F(clone, closed_in_every_order)
{
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 },
	};
	int fd[3], i, j;

	for (i = 0; i < 6; i++) {
		fd[0] = pager_vmo(self->pager, i, SIZE, 0);
		EXPECT_EQ(0, pager_give(self->pager, fd[0], 0, 4, 0));
		fd[1] = one_way(fd[0]);
		EXPECT_EQ(0, pat_fill(fd[1], 1, 100));
		fd[2] = one_way(fd[1]);
		ASSERT_LE(0, fd[2]);
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(0, close(fd[orders[i][j]]));
			EXPECT_EQ(0, vmo_validate());
			if (j < 2 && orders[i][2] == 2) {
				EXPECT_EQ(0, pat_check(fd[2], 0, 0));
				EXPECT_EQ(0, pat_check(fd[2], 1, 100));
			}
		}
		EXPECT_EQ(0, strncmp(pager_next(self->pager), "COMPLETE", 8));
	}
}

TEST_HARNESS_MAIN
