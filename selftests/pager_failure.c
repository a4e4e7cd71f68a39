// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail in what has to do with pagers: each allocation of each
 * step in turn. The step says ENOMEM, what can be seen is as it was, all that
 * must hold does, and the step works when it is done again.
 */
#include "pager.h"

#include "kselftest_harness.h"

#define PAGES	64ULL
#define SIZE	(PAGES * PG)
#define WIDE	(1ULL << 50)

struct scene {
	int pager, vmo, child, aux;
	unsigned char *mem;
	char *buf;
};

FIXTURE(failure) {
	struct vmo_stats before;
	struct scene scene;
};

/**
 * @step: what is done; 0 or more, or -errno
 * @fails: it has at least one allocation that can fail
 * @snapshot: the child is a snapshot of one instant, else a clone
 * @timeout: who asks the pager gives up
 */
FIXTURE_VARIANT(failure) {
	int (*step)(struct scene *scene);
	bool fails, snapshot, timeout;
};

static int close_new(int fd)
{
	return fd < 0 ? fd : close(fd);
}

static int new_pager(struct scene *scene)
{
	(void)scene;
	return close_new(pager_new(0));
}

static int new_vmo(struct scene *scene)
{
	return close_new(pager_vmo(scene->pager, 1, SIZE, 0));
}

static int new_clone(struct scene *scene)
{
	return close_new(vmo_child_of(scene->vmo,
				      COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
				      0, 0, SIZE));
}

static int new_pair(struct scene *scene)
{
	return close_new(vmo_child_of(scene->child,
				      COWVMO_CHILD_SNAPSHOT_MODIFIED, 0, PG,
				      SIZE));
}

static int new_instant(struct scene *scene)
{
	return close_new(vmo_child_of(scene->vmo, COWVMO_CHILD_SNAPSHOT,
				      COWVMO_CREATE_POINT_IN_TIME, 3 * PG,
				      SIZE));
}

static int supply_zero(struct scene *scene)
{
	return pager_zero(scene->pager, scene->vmo, 1000, 1 << 30);
}

static int supply_copy(struct scene *scene)
{
	return pager_copy(scene->pager, scene->vmo, 10, 40, scene->buf);
}

static int supply_move(struct scene *scene)
{
	return pager_move(scene->pager, scene->vmo, 11, 40, scene->aux, 3);
}

static int write_page(struct scene *scene)
{
	return pat_fill(scene->vmo, 2, 7);
}

static int write_clone(struct scene *scene)
{
	return pat_fill(scene->child, 2, 7);
}

static int zero_root(struct scene *scene)
{
	return vmo_zero(scene->vmo, 3 * PG, 5 * PG);
}

static int zero_clone(struct scene *scene)
{
	return vmo_zero(scene->child, 3 * PG, WIDE / 4);
}

static int commit_clone(struct scene *scene)
{
	return vmo_commit(scene->child, 0, 8 * PG);
}

static int grow(struct scene *scene)
{
	return vmo_set_size(scene->vmo, WIDE + (1ULL << 40));
}

static int begin(struct scene *scene)
{
	return pager_begin(scene->pager, scene->vmo, 0, 70);
}

static int end(struct scene *scene)
{
	return pager_end(scene->pager, scene->vmo, 0, 70);
}

static int query(struct scene *scene)
{
	struct dirty_pages out[8];

	return pager_query(scene->pager, scene->vmo, 0, PAGES, out, 8);
}

static int ask(struct scene *scene)
{
	return vmo_get_byte(scene->vmo, 50 * PG) == -ETIMEDOUT ? 0 : -ENOMEM;
}

FIXTURE_VARIANT_ADD(failure, new_pager) { .step = new_pager, .fails = true };
FIXTURE_VARIANT_ADD(failure, new_vmo) { .step = new_vmo, .fails = true };
FIXTURE_VARIANT_ADD(failure, new_clone) { .step = new_clone, .fails = true };
FIXTURE_VARIANT_ADD(failure, new_pair) { .step = new_pair, .fails = true };
FIXTURE_VARIANT_ADD(failure, new_instant) {
	.step = new_instant, .fails = true,
};

FIXTURE_VARIANT_ADD(failure, supply_zero) { .step = supply_zero };

FIXTURE_VARIANT_ADD(failure, supply_copy) {
	.step = supply_copy, .fails = true,
};

FIXTURE_VARIANT_ADD(failure, supply_move) { .step = supply_move };
FIXTURE_VARIANT_ADD(failure, write) { .step = write_page };
FIXTURE_VARIANT_ADD(failure, write_under_snapshot) {
	.step = write_page, .snapshot = true,
};

FIXTURE_VARIANT_ADD(failure, write_clone) { .step = write_clone };
FIXTURE_VARIANT_ADD(failure, zero) { .step = zero_root };
FIXTURE_VARIANT_ADD(failure, zero_under_snapshot) {
	.step = zero_root, .snapshot = true,
};

FIXTURE_VARIANT_ADD(failure, zero_clone) { .step = zero_clone };
FIXTURE_VARIANT_ADD(failure, commit_clone) { .step = commit_clone };
FIXTURE_VARIANT_ADD(failure, grow) { .step = grow };
FIXTURE_VARIANT_ADD(failure, begin) { .step = begin };
FIXTURE_VARIANT_ADD(failure, end) { .step = end };
FIXTURE_VARIANT_ADD(failure, query) { .step = query };
/* Asking takes no memory. */
FIXTURE_VARIANT_ADD(failure, ask) { .step = ask, .timeout = true };

FIXTURE_SETUP(failure)
{
	struct scene *scene = &self->scene;
	int dev = vmo_device(), i;

	self->before = vmo_stats();
	scene->pager = pager_create(dev, 0, variant->timeout ? 1 : 0);
	scene->vmo = pager_vmo(scene->pager, 5, WIDE,
			       COWVMO_PAGER_VMO_RESIZABLE);
	ASSERT_LE(0, scene->vmo);
	EXPECT_EQ(0, close(dev));
	ASSERT_EQ(0, pager_give(scene->pager, scene->vmo, 0, 10, 0));
	scene->child = vmo_child_of(scene->vmo, variant->snapshot ?
				    COWVMO_CHILD_SNAPSHOT :
				    COWVMO_CHILD_SNAPSHOT_MODIFIED,
				    variant->snapshot ?
				    COWVMO_CREATE_POINT_IN_TIME : 0, 0, WIDE);
	ASSERT_LE(0, scene->child);
	if (!variant->snapshot) {
		ASSERT_EQ(0, pat_fill(scene->vmo, 1, 100));
		ASSERT_EQ(0, vmo_zero(scene->vmo, 60 * PG, 4 * PG));
	}
	ASSERT_EQ(0, pat_fill(scene->child, 4, 100));
	scene->mem = vmo_map(scene->vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, scene->mem);
	EXPECT_NE(255, scene->mem[2 * PG]);
	scene->buf = aligned_alloc(PG, 40 * PG);
	for (i = 0; i < 40; i++)
		pat_mem_fill(scene->buf + i * PG, i);
	scene->aux = vmo_new(SIZE, 0);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, pat_fill(scene->aux, 3 + 2 * i, i));
}

FIXTURE_TEARDOWN(failure)
{
	struct scene *scene = &self->scene;
	struct vmo_stats after;

	EXPECT_EQ(0, munmap(scene->mem, SIZE));
	EXPECT_EQ(0, close(scene->aux));
	EXPECT_EQ(0, close(scene->child));
	EXPECT_EQ(0, close(scene->vmo));
	EXPECT_EQ(0, close(scene->pager));
	free(scene->buf);
	after = vmo_stats();
	EXPECT_EQ(self->before.vmos, after.vmos);
	EXPECT_EQ(self->before.pages, after.pages);
	EXPECT_EQ(self->before.nodes, after.nodes);
	EXPECT_EQ(self->before.descs, after.descs);
}

/* What the step may have done in part is what it would do anyway. */
static void expect_sane(struct __test_metadata *_metadata,
			const struct scene *scene, bool snapshot)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, pat_check(scene->vmo, 0, 0));
	EXPECT_EQ(0, pat_check(scene->vmo, 1, snapshot ? 1 : 100));
	EXPECT_EQ(0, pat_check(scene->child, 1, snapshot ? 1 : 100));
	EXPECT_EQ(0, pat_check(scene->vmo, 9, 9));
}

TEST_F(failure, of_each_allocation)
{
	unsigned int nth, failed = 0;
	long left = 0;
	int rc = -ENOMEM;

	for (nth = 1; nth < 200; nth++) {
		ASSERT_EQ(0, vmo_fail_nth(nth));
		rc = variant->step(&self->scene);
		left = vmo_fail_left();
		ASSERT_EQ(0, vmo_fail_nth(0));
		if (left)
			break;
		/* There are places to fall back on: it may have worked. */
		if (rc < 0) {
			EXPECT_EQ(-ENOMEM, rc) TH_LOG("allocation %u", nth);
			failed++;
		}
		expect_sane(_metadata, &self->scene, variant->snapshot);
	}
	EXPECT_LT(0, left);
	EXPECT_LE(0, rc);
	if (variant->fails)
		EXPECT_LT(0, failed);
	expect_sane(_metadata, &self->scene, variant->snapshot);
}

TEST_HARNESS_MAIN
