/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The failure sweep: each scene is set up, run with the N-th allocation
 * failing, compared with what it should be - all as before if it failed, all
 * as without failure if it did not - and taken down, for N from 1 until
 * nothing fails any more. Include it after the harness.
 */
#ifndef COWVMO_SELFTEST_SWEEP_H
#define COWVMO_SELFTEST_SWEEP_H

#include "failure.h"
#include "kin.h"

#define MOST		400	/* more allocations than any scene makes */

/* A scene by name: what it consists of and what is run in it */
struct play {
	const char *name;
	int (*run)(struct scene *scene);
	unsigned int flags;
};

/* One play, while it is given again and again */
struct season {
	const struct play *play;
	const struct way *way;
	struct scene scene;
	struct image before, after;
	unsigned int fired, failed;
	int hook;
};

/* 0 if the N-th allocation failing had one of the results that it may have */
static inline int judge(const struct season *season, int rc, bool fired)
{
	const struct play *play = season->play;
	struct image now;

	if (rc && rc != -ENOMEM)
		return kin_wrong("%s: error %d", play->name, rc);
	if (rc && (!fired || play->flags & SURE))
		return kin_wrong("%s: must not fail", play->name);
	if (take_image(&season->scene, &now))
		return kin_wrong("%s: cannot be looked at", play->name);
	if (!memcmp(&now, rc ? &season->before : &season->after, sizeof(now)))
		return vmo_validate();
	kin_wrong("%s: %d, but not as %s", play->name, rc,
		  rc ? "before" : "without failure");
	return kin_wrong("pages %+ld, populated %llu, private %llu, size %llu",
			 now.pages - season->before.pages, now.vmo.populated,
			 now.vmo.private, now.vmo.size);
}

/* One performance; 1 if there was something left to fail, or an error */
static inline int perform(struct season *season, unsigned long n)
{
	int rc = set_up(&season->scene, season->play->flags);
	bool fired;

	if (rc || season->way->arm(season->hook, n))
		return -EIO;
	rc = season->play->run(&season->scene);
	fired = nothing_left(season->hook);
	if (season->way->arm(season->hook, 0))
		return -EIO;
	season->fired += fired;
	season->failed += rc != 0;
	rc = judge(season, rc, fired);
	take_down(&season->scene);
	if (rc)
		kin_wrong("%s: allocation %lu failing %s", season->play->name,
			  n, season->way->name);
	return rc ?: fired;
}

/* What it should be, before and after, without any failure */
static inline int rehearse(struct season *season)
{
	int rc = set_up(&season->scene, season->play->flags);

	rc = rc ?: take_image(&season->scene, &season->before);
	rc = rc ?: season->play->run(&season->scene);
	rc = rc ?: take_image(&season->scene, &season->after);
	take_down(&season->scene);
	return rc;
}

/* Without the hook, only splitting a large mapping would allocate. */
static inline bool may_be_free(const struct play *play, const struct way *way)
{
	return play->flags & FREE ||
		(play->flags & HOOK_ONLY && way == &kernel);
}

static inline int sweep_one(const struct play *play, const struct way *way)
{
	struct season season = { .play = play, .way = way };
	unsigned long n;
	int rc;

	season.hook = way->open();
	if (season.hook < 0)
		return kin_wrong("no hook: %d", season.hook);
	rc = rehearse(&season);
	for (n = 1; !rc && n < MOST; n++) {
		rc = perform(&season, n);
		if (rc <= 0)
			break;
		rc = 0;
	}
	close(season.hook);
	if (rc || n == MOST)
		return kin_wrong("%s: %d, %lu allocations", play->name, rc, n);
	/* What never met the hook, or never failed, has tested nothing. */
	if (!may_be_free(play, way) && !season.fired)
		return kin_wrong("%s: allocates nothing", play->name);
	if (!(play->flags & (FREE | SURE)) && way->lasting && !season.failed)
		return kin_wrong("%s: never fails", play->name);
	return 0;
}

static inline void sweep(struct __test_metadata *_metadata,
			 const struct way *way, const struct play *plays,
			 unsigned int n)
{
	struct kin kin;
	unsigned int i;

	kin_init(&kin);
	for (i = 0; i < n; i++) {
		/* A page fault that cannot succeed is repeated for ever */
		if (way->lasting && plays[i].flags & USER_FAULT)
			continue;
		EXPECT_EQ(0, sweep_one(&plays[i], way));
		EXPECT_EQ(0, kin_gone(&kin));
	}
}

/* What a scene's run made, to be looked at and closed */
static inline int made(struct scene *s, int fd)
{
	s->made = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

/* The kernel's own injection is there only if it was built in. */
static inline bool kernel_injects(void)
{
	return !access("/proc/thread-self/fail-nth", F_OK) &&
		!access("/sys/kernel/debug/failslab", F_OK);
}

/* Every group of scenes, in each way */
FIXTURE(failing) {
};

FIXTURE_VARIANT(failing) {
	const struct way *way;
};

FIXTURE_VARIANT_ADD(failing, once) { .way = &once };
FIXTURE_VARIANT_ADD(failing, from_then_on) { .way = &all };
FIXTURE_VARIANT_ADD(failing, in_the_kernel) { .way = &kernel };

FIXTURE_SETUP(failing)
{
	if (variant->way == &kernel && !kernel_injects())
		SKIP(return, "kernel without fault injection");
}

FIXTURE_TEARDOWN(failing)
{
}

#endif /* COWVMO_SELFTEST_SWEEP_H */
