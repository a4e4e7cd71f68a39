// SPDX-License-Identifier: GPL-2.0
/*
 * Writers at full speed through slices and references while snapshots are
 * made: each must be the content of one instant, whichever descriptor or
 * mapping a store came through. race_snapshot.c does this with the VMO itself.
 */
#include "race.h"

#include "kselftest_harness.h"

#define SNAPSHOTS	40
/* Where the disturbance is not one that must be met so often */
#define FEWER		12

/* Where the writers' pages begin in the VMO: in the middle of a leaf */
#define FIRST		21ULL
#define PAGES		(FIRST + RACE_BYTES / PG + 3)

/* By what a writer writes, or a snapshot is made */
enum by { B_VMO, B_SLICE, B_INNER, B_REFERENCE, B_SLICE_OF_REFERENCE, B_MAX };

/* What all descriptors of one content are */
struct views {
	int fd[B_MAX];
	/* where the writers' pages begin in each */
	__u64 first[B_MAX];
};

static int open_views(struct views *v)
{
	unsigned int i;

	v->fd[B_VMO] = vmo_new(PAGES * PG, 0);
	v->first[B_VMO] = FIRST;
	v->fd[B_SLICE] = vmo_slice(v->fd[B_VMO], FIRST * PG, RACE_BYTES);
	v->first[B_SLICE] = 0;
	v->fd[B_REFERENCE] = vmo_reference(v->fd[B_VMO], 0);
	v->first[B_REFERENCE] = FIRST;
	v->fd[B_SLICE_OF_REFERENCE] = vmo_slice(v->fd[B_REFERENCE],
						(FIRST - 1) * PG,
						RACE_BYTES + PG);
	v->first[B_SLICE_OF_REFERENCE] = 1;
	v->fd[B_INNER] = vmo_slice(v->fd[B_SLICE_OF_REFERENCE], PG,
				   RACE_BYTES);
	v->first[B_INNER] = 0;
	for (i = 0; i < B_MAX; i++)
		if (v->fd[i] < 0)
			return v->fd[i];
	return 0;
}

static void close_views(struct views *v)
{
	unsigned int i;

	for (i = 0; i < B_MAX; i++)
		close(v->fd[i]);
}

static void *map_view(const struct views *v, enum by by)
{
	return vmo_map(v->fd[by], v->first[by] * PG, RACE_BYTES, RW);
}

/* A snapshot of the writers' pages, of what can be cloned */
static int snapshot_by(const struct views *v, enum by by)
{
	return vmo_child(v->fd[by], 0, v->first[by] * PG, RACE_BYTES);
}

FIXTURE(race) {
	struct views views;
	/* one for each writer, who may come another way than the other */
	struct race race[2];
	pthread_t writer[2];
	pthread_t disturber;
	int snap[SNAPSHOTS];
	__u64 hash[SNAPSHOTS];
};

FIXTURE_VARIANT(race) {
	enum by by[2];
	enum by snapshot;
	bool by_file;
	void *(*disturb)(void *race);
	int snapshots;
};

static void *disturb_mprotect(void *arg)
{
	struct race *race = arg;

	while (!race_stopped(race)) {
		mprotect(race->mem, RACE_BYTES, PROT_READ);
		mprotect(race->mem, RACE_BYTES, RW);
	}
	return NULL;
}

/* Slices of the slice, mapped and written where nobody looks */
static void *disturb_slices(void *arg)
{
	struct race *race = arg;
	unsigned int i;

	for (i = 0; !race_stopped(race); i++) {
		__u64 page = i % RACE_PAGES;
		int slice = vmo_slice(race->fd, page * PG, 2 * PG);
		struct race_page *mem = vmo_map(slice, 0, 2 * PG, RW);

		if (!mem)
			abort();
		close(slice);
		mem[0].noise = i;
		mem[1].noise = i;
		munmap(mem, 2 * PG);
	}
	return NULL;
}

/* The spare pages behind the writers': freed and written by turns */
static void *disturb_zero(void *arg)
{
	struct race *race = arg;
	char *spare = (char *)race->mem + RACE_PAGES * PG;
	unsigned int i;

	for (i = 0; !race_stopped(race); i++) {
		spare[i % RACE_SPARE * PG] = i;
		vmo_zero(race->fd, RACE_PAGES * PG + i % 3 * 1000,
			 (RACE_SPARE - 3) * PG + i % 7 * 100);
		madvise(spare + i % RACE_SPARE * PG, PG, MADV_REMOVE);
	}
	return NULL;
}

FIXTURE_VARIANT_ADD(race, slice) {
	.by = { B_SLICE, B_SLICE },
	.snapshot = B_VMO,
};

FIXTURE_VARIANT_ADD(race, slice_and_vmo) {
	.by = { B_SLICE, B_VMO },
	.snapshot = B_VMO,
};

FIXTURE_VARIANT_ADD(race, reference_and_vmo) {
	.by = { B_REFERENCE, B_VMO },
	.snapshot = B_REFERENCE,
};

FIXTURE_VARIANT_ADD(race, slice_of_slice_and_reference) {
	.by = { B_INNER, B_REFERENCE },
	.snapshot = B_VMO,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, two_slices) {
	.by = { B_SLICE, B_SLICE_OF_REFERENCE },
	.snapshot = B_REFERENCE,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, slice_by_file) {
	.by = { B_SLICE, B_SLICE },
	.snapshot = B_VMO,
	.by_file = true,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, mprotect) {
	.by = { B_SLICE, B_INNER },
	.snapshot = B_VMO,
	.disturb = disturb_mprotect,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, slices_come_and_go) {
	.by = { B_SLICE, B_VMO },
	.snapshot = B_REFERENCE,
	.disturb = disturb_slices,
	.snapshots = FEWER,
};

FIXTURE_VARIANT_ADD(race, zero) {
	.by = { B_SLICE, B_REFERENCE },
	.snapshot = B_VMO,
	.disturb = disturb_zero,
	.snapshots = FEWER,
};

/* mprotect() of a disturber: try again until it lets us. */
static void on_segv(int sig)
{
	(void)sig;
}

FIXTURE_SETUP(race)
{
	struct sigaction act = { .sa_handler = on_segv };
	int i;

	ASSERT_EQ(0, open_views(&self->views));
	for (i = 0; i < 2; i++) {
		struct race *race = &self->race[i];

		race->fd = self->views.fd[variant->by[i]];
		race->by_file = variant->by_file;
		race->mem = map_view(&self->views, variant->by[i]);
		ASSERT_NE(NULL, race->mem);
	}
	sigaction(SIGSEGV, &act, NULL);
}

FIXTURE_TEARDOWN(race)
{
	int i;

	for (i = 0; i < SNAPSHOTS && self->snap[i] > 0; i++)
		EXPECT_EQ(0, close(self->snap[i]));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, munmap(self->race[i].mem, RACE_BYTES));
	close_views(&self->views);
	EXPECT_EQ(0, vmo_validate());
}

static void let_write(struct race *race)
{
	int i;

	for (i = 0; i < 2; i++) {
		__u64 *steps = &race[i].steps[i];
		__u64 was = __atomic_load_n(steps, __ATOMIC_RELAXED);

		while (__atomic_load_n(steps, __ATOMIC_RELAXED) == was)
			usleep(100);
	}
}

static __u64 round_now(struct race *race, unsigned int who)
{
	return __atomic_load_n(&race->mem[0].round[who], __ATOMIC_ACQUIRE);
}

/* One snapshot: 0, or what is wrong with it */
static int snapshot_once(struct race *race, const struct views *views,
			 enum by by, int *snap)
{
	static struct race_page buf[RACE_PAGES];
	__u64 before[2], after[2];
	int rc, i;

	for (i = 0; i < 2; i++)
		before[i] = round_now(race, i);
	*snap = snapshot_by(views, by);
	if (*snap < 0)
		return *snap;
	for (i = 0; i < 2; i++)
		after[i] = round_now(race, i);
	rc = race_check(*snap, buf);
	for (i = 0; !rc && i < 2; i++)
		if (buf[0].round[i] < before[i] || buf[0].round[i] > after[i])
			rc = 5;
	return rc;
}

static void start(struct __test_metadata *_metadata, struct race *race,
		  pthread_t *writer)
{
	ASSERT_EQ(0, pthread_create(&writer[0], NULL, race_writer0, &race[0]));
	ASSERT_EQ(0, pthread_create(&writer[1], NULL, race_writer1, &race[1]));
}

static void stop(struct race *race, pthread_t *writer)
{
	int i;

	for (i = 0; i < 2; i++)
		__atomic_store_n(&race[i].stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		pthread_join(writer[i], NULL);
}

TEST_F_TIMEOUT(race, each_snapshot_is_one_instant, 240)
{
	int snapshots = race_snapshots(variant->snapshots ?: SNAPSHOTS), i;

	start(_metadata, self->race, self->writer);
	if (variant->disturb)
		ASSERT_EQ(0, pthread_create(&self->disturber, NULL,
					    variant->disturb, self->race));
	race_hurry();
	for (i = 0; i < snapshots; i++) {
		let_write(self->race);
		EXPECT_EQ(0, snapshot_once(self->race, &self->views,
					   variant->snapshot, &self->snap[i]));
		self->hash[i] = race_hash_of(self->snap[i]);
		if (i % 16 == 0)
			EXPECT_EQ(0, vmo_validate());
	}
	stop(self->race, self->writer);
	if (variant->disturb)
		pthread_join(self->disturber, NULL);
	for (i = 0; i < snapshots; i++)
		EXPECT_EQ(self->hash[i], race_hash_of(self->snap[i]));
	/* Nothing has come to lie around the slice. */
	for (i = 0; i < (int)FIRST; i++)
		EXPECT_EQ(0, zero_check(self->views.fd[B_VMO], i));
	EXPECT_EQ(0, zero_check(self->views.fd[B_VMO], PAGES - 1));
}

/* --- Views come and go while their content is looked at and cloned. */

struct churn {
	int vmo, failed;
	bool stop;
	unsigned int seed;
	pthread_t thread;
};

/* A few views of the VMO and of each other, used and closed in any order */
static int churn_once(struct churn *churn)
{
	int fd[4], i, at, rc = 0;

	fd[0] = vmo_reference(churn->vmo, 0);
	fd[1] = vmo_slice(fd[0], PG, 2 * PG);
	fd[2] = vmo_child(fd[0], 0, 0, 4 * PG);
	fd[3] = vmo_slice(fd[2], 0, PG);
	for (i = 0; i < 4; i++)
		if (fd[i] < 0)
			return fd[i];
	rc = vmo_put_byte(fd[1], 0, 1);
	rc = rc ?: vmo_put_byte(fd[3], 0, 2);
	if (!rc && vmo_get_byte(fd[2], 0) != 2)
		rc = -EILSEQ;
	at = rand_r(&churn->seed) % 4;
	for (i = 0; i < 4; i++)
		close(fd[(at + i) % 4]);
	return rc;
}

static void *churn_often(void *arg)
{
	struct churn *churn = arg;

	while (!__atomic_load_n(&churn->stop, __ATOMIC_ACQUIRE))
		if (churn_once(churn))
			churn->failed++;
	return NULL;
}

/* Nobody ever has more than all of it, and in the end all is one's. */
TEST(views_come_and_go)
{
	int vmo = vmo_filled(4, 4, 0), snap = vmo_snapshot(vmo), i;
	struct churn churn[2] = {
		{ .vmo = vmo, .seed = 1 }, { .vmo = snap, .seed = 2 },
	};
	struct cowvmo_get_info info;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&churn[i].thread, NULL,
					    churn_often, &churn[i]));
	for (i = 0; i < 300; i++) {
		EXPECT_EQ(0, vmo_info(vmo, &info, COWVMO_INFO_MEMORY));
		EXPECT_EQ(4 * PG, info.out_populated_bytes);
		EXPECT_GE(4 * PG, info.out_private_bytes);
		EXPECT_GE(4 * PG, info.out_scaled_bytes);
		EXPECT_LE(info.out_private_bytes, info.out_scaled_bytes);
		if (i % 16 == 0)
			EXPECT_EQ(0, vmo_validate());
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&churn[i].stop, true, __ATOMIC_RELEASE);
		pthread_join(churn[i].thread, NULL);
		EXPECT_EQ(0, churn[i].failed);
	}
	EXPECT_EQ(1, vmo_children(vmo));
	EXPECT_EQ(0, vmo_children(snap));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(4 * PG, vmo_private(vmo));
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(0, vmo_validate());
}

TEST_HARNESS_MAIN
