// SPDX-License-Identifier: GPL-2.0
/*
 * Memory priority: what SET_PRIORITY takes and refuses, whom the priority of a
 * VMO reaches, and that it is right after every step of closing a family, in
 * every order, whatever kinds of children it consists of.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

#define HIGH	COWVMO_PRIORITY_HIGH
#define DEFAULT	COWVMO_PRIORITY_DEFAULT

static bool is_high(int fd)
{
	return vmo_flags(fd) & COWVMO_INFO_HIGH_PRIORITY;
}

FIXTURE(priority) {
	struct vmo_stats start;
	int vmo;
};

FIXTURE_SETUP(priority)
{
	self->start = vmo_stats();
	self->vmo = vmo_new(4 * PG, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pat_fill(self->vmo, 1, 1));
}

FIXTURE_TEARDOWN(priority)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(priority, set_and_reset)
{
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, DEFAULT));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_TRUE(is_high(self->vmo));
	/* It is set, not counted. */
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, DEFAULT));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 1));
}

TEST_F(priority, values)
{
	static const __s32 bad[] = { 2, -1, 3, 0x7fffffff, -0x7fffffff - 1 };
	unsigned int i;

	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, vmo_set_priority(self->vmo, bad[i]));
	EXPECT_TRUE(is_high(self->vmo));
}

/* Who may only read does not decide for the others. */
TEST_F(priority, needs_write)
{
	int fd = vmo_open_read_only(self->vmo);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, vmo_set_priority(fd, HIGH));
	EXPECT_EQ(-EACCES, vmo_set_priority(fd, 7));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_TRUE(is_high(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(priority, of_a_sealed_vmo)
{
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_TRUE(is_high(self->vmo));
}

/* --- Whom it reaches */

TEST_F(priority, reaches_ancestors)
{
	int child = vmo_snapshot(self->vmo);
	int grandchild = vmo_snapshot(child);
	int other = vmo_snapshot(self->vmo);

	ASSERT_LE(0, child);
	ASSERT_LE(0, grandchild);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, vmo_set_priority(child, HIGH));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_TRUE(is_high(child));
	EXPECT_FALSE(is_high(grandchild));
	EXPECT_FALSE(is_high(other));
	EXPECT_EQ(0, vmo_set_priority(child, DEFAULT));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(grandchild));
	EXPECT_EQ(0, close(other));
}

TEST_F(priority, is_counted)
{
	int one = vmo_snapshot(self->vmo);
	int two = vmo_snapshot(self->vmo);

	EXPECT_EQ(0, vmo_set_priority(one, HIGH));
	EXPECT_EQ(0, vmo_set_priority(two, HIGH));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_EQ(0, vmo_set_priority(one, DEFAULT));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(self->vmo, DEFAULT));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(two, DEFAULT));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, close(one));
	EXPECT_EQ(0, close(two));
}

TEST_F(priority, is_not_inherited)
{
	int child;

	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	child = vmo_snapshot(self->vmo);
	EXPECT_FALSE(is_high(child));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, close(child));
	EXPECT_TRUE(is_high(self->vmo));
}

TEST_F(priority, of_a_slice)
{
	int slice = vmo_slice(self->vmo, PG, PG);
	int inner = vmo_slice(slice, 0, PG);

	EXPECT_EQ(0, vmo_set_priority(inner, HIGH));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_TRUE(is_high(slice));
	EXPECT_EQ(0, close(slice));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, close(inner));
	EXPECT_FALSE(is_high(self->vmo));
	slice = vmo_slice(self->vmo, 0, PG);
	/* The same memory */
	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	EXPECT_TRUE(is_high(slice));
	EXPECT_EQ(0, close(slice));
}

TEST_F(priority, of_a_reference)
{
	int ref = vmo_reference(self->vmo, 0);
	int child = vmo_snapshot(ref);

	EXPECT_EQ(0, vmo_set_priority(ref, HIGH));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_FALSE(is_high(child));
	EXPECT_EQ(0, vmo_set_priority(ref, DEFAULT));
	EXPECT_FALSE(is_high(self->vmo));
	EXPECT_EQ(0, vmo_set_priority(child, HIGH));
	EXPECT_TRUE(is_high(ref));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, close(child));
	EXPECT_FALSE(is_high(ref));
	EXPECT_EQ(0, close(ref));
}

/* The store has no file any more, but its content is still shown. */
TEST_F(priority, of_a_store_without_file)
{
	int vmo = vmo_new(PG, 0);
	int ref = vmo_reference(vmo, 0);
	int child = vmo_snapshot(ref);

	EXPECT_EQ(0, vmo_set_priority(vmo, HIGH));
	EXPECT_TRUE(is_high(ref));
	EXPECT_EQ(0, close(vmo));
	EXPECT_FALSE(is_high(ref));
	EXPECT_EQ(0, vmo_set_priority(child, HIGH));
	EXPECT_TRUE(is_high(ref));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(ref));
	EXPECT_TRUE(is_high(child));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(child));
}

TEST_F(priority, mapping_keeps_it)
{
	int child = vmo_snapshot(self->vmo);
	void *mem = vmo_map(child, 0, PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, vmo_set_priority(child, HIGH));
	EXPECT_EQ(0, close(child));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_FALSE(is_high(self->vmo));
}

TEST_F(priority, in_fdinfo)
{
	char path[64], text[1024], want[64];

	EXPECT_EQ(0, vmo_set_priority(self->vmo, HIGH));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->vmo);
	ASSERT_LT(0, file_read(path, text, sizeof(text)));
	snprintf(want, sizeof(want), "cowvmo-flags:\t0x%x\n",
		 COWVMO_INFO_HIGH_PRIORITY);
	EXPECT_NE(NULL, strstr(text, want)) TH_LOG("%s", text);
}

/* --- Closing in every order */

#define MEMBERS	4

static const __u32 kinds[] = {
	COWVMO_CHILD_SNAPSHOT, COWVMO_CHILD_SLICE, COWVMO_CHILD_REFERENCE,
};

/*
 * What the family is like, and a model of it: a VMO lives as long as its fd or
 * a slice of it does.
 */
struct clan {
	int fd[MEMBERS], parent[MEMBERS], store[MEMBERS], slice_of[MEMBERS];
	bool lives[MEMBERS], high[MEMBERS];
};

static bool has_reason(const struct clan *clan, int who)
{
	int i;

	if (clan->high[who])
		return true;
	for (i = 0; i < MEMBERS; i++)
		if (clan->lives[i] && clan->parent[i] == who &&
		    has_reason(clan, i))
			return true;
	return false;
}

static bool should_be_high(const struct clan *clan, int who)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (clan->lives[i] && clan->store[i] == clan->store[who] &&
		    has_reason(clan, i))
			return true;
	return false;
}

static int clan_check(const struct clan *clan)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (clan->fd[i] >= 0 &&
		    is_high(clan->fd[i]) != should_be_high(clan, i))
			return kin_wrong("member %d should%s be high", i,
					 should_be_high(clan, i) ? "" : " not");
	return 0;
}

static bool has_slice(const struct clan *clan, int who)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (clan->lives[i] && clan->slice_of[i] == who)
			return true;
	return false;
}

static void clan_put(struct clan *clan, int who)
{
	int i;

	if (who < 0 || clan->fd[who] >= 0 || has_slice(clan, who))
		return;
	clan->lives[who] = false;
	clan->high[who] = false;
	for (i = 0; i < MEMBERS; i++)
		if (clan->parent[i] == who)
			clan->parent[i] = clan->parent[who];
	clan_put(clan, clan->slice_of[who]);
}

static int clan_close(struct clan *clan, int who)
{
	int fd = clan->fd[who];

	clan->fd[who] = -1;
	clan_put(clan, who);
	return vmo_ret(close(fd));
}

static int clan_child(struct clan *clan, int who, int of, __u32 kind)
{
	__u64 length = kind == COWVMO_CHILD_REFERENCE ? 0 : PG;

	clan->fd[who] = vmo_child_of(clan->fd[of], kind, 0, 0, length);
	clan->lives[who] = clan->fd[who] >= 0;
	clan->parent[who] = of;
	clan->slice_of[who] = kind == COWVMO_CHILD_SLICE ? of : -1;
	clan->store[who] = kind == COWVMO_CHILD_SNAPSHOT ? who :
							    clan->store[of];
	return clan->fd[who] < 0 ? clan->fd[who] : 0;
}

/* The first, and three children that @shape tells; 0, or what was refused */
static int clan_build(struct clan *clan, unsigned int shape, unsigned int high)
{
	int i, rc = 0;

	memset(clan, 0, sizeof(*clan));
	for (i = 0; i < MEMBERS; i++) {
		clan->fd[i] = -1;
		clan->parent[i] = -1;
		clan->slice_of[i] = -1;
	}
	clan->fd[0] = vmo_new(PG, 0);
	clan->lives[0] = true;
	for (i = 1; !rc && i < MEMBERS; i++) {
		rc = clan_child(clan, i, shape % i, kinds[shape / i % 3]);
		shape /= 3 * i;
	}
	for (i = 0; i < MEMBERS; i++) {
		clan->high[i] = clan->fd[i] >= 0 && high & (1 << i);
		if (!rc && clan->high[i])
			rc = vmo_set_priority(clan->fd[i], HIGH);
	}
	return rc;
}

static void clan_end(struct clan *clan)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		if (clan->fd[i] >= 0)
			clan_close(clan, i);
}

static int close_in_order(unsigned int shape, unsigned int high,
			  unsigned int nth)
{
	struct clan clan;
	int order[MEMBERS];
	int i, rc = clan_build(&clan, shape, high);

	kin_permutation(nth, MEMBERS, order);
	rc = rc ?: clan_check(&clan);
	for (i = 0; !rc && i < MEMBERS; i++)
		rc = clan_close(&clan, order[i]) ?: clan_check(&clan) ?:
			(nth < 3 ? vmo_validate() : 0);
	clan_end(&clan);
	return rc;
}

/*
 * Every shape in a third of all orders, the next one in another third. Who is
 * high is one of sixteen ways, in turn.
 */
TEST_F_TIMEOUT(priority, close_in_every_order, PATIENCE)
{
	/* 1 * 2 * 3 parents, 3 * 3 * 3 kinds */
	unsigned int shape, nth, built = 0;
	int rc;

	for (shape = 0; shape < 6 * 27; shape++) {
		for (nth = shape % 3; nth < 24; nth += 3) {
			rc = close_in_order(shape, (shape + 5 * nth) % 16, nth);
			/* A slice has but slices for children. */
			if (rc == -EOPNOTSUPP)
				break;
			ASSERT_EQ(0, rc)
				TH_LOG("shape %u order %u", shape, nth);
			built++;
		}
	}
	EXPECT_LT(8 * 40, built);
}

TEST_F_TIMEOUT(priority, reset_in_every_order, PATIENCE)
{
	unsigned int shape, nth;
	int order[MEMBERS];
	struct clan clan;
	int i, rc;

	for (shape = 0; shape < 6 * 27; shape++) {
		nth = shape % 24;
		rc = clan_build(&clan, shape, 15);
		kin_permutation(nth, MEMBERS, order);
		for (i = 0; !rc && i < MEMBERS; i++) {
			clan.high[order[i]] = false;
			rc = vmo_set_priority(clan.fd[order[i]], DEFAULT) ?:
				clan_check(&clan) ?: vmo_validate();
		}
		clan_end(&clan);
		if (rc != -EOPNOTSUPP)
			ASSERT_EQ(0, rc) TH_LOG("shape %u", shape);
	}
}

/* --- Many at once */

#define DEPTH	200

/* Middle VMOs go first: what was theirs climbs to the next one alive. */
TEST_F(priority, deep_chain)
{
	int fds[DEPTH], i;

	fds[0] = vmo_snapshot(self->vmo);
	for (i = 1; i < DEPTH; i++)
		fds[i] = vmo_child(fds[i - 1], 0, 0, PG);
	ASSERT_LE(0, fds[DEPTH - 1]);
	EXPECT_EQ(0, vmo_set_priority(fds[DEPTH - 1], HIGH));
	EXPECT_TRUE(is_high(self->vmo));
	for (i = 1; i < DEPTH - 1; i += 2)
		EXPECT_EQ(0, close(fds[i]));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_TRUE(is_high(fds[0]));
	EXPECT_EQ(0, vmo_validate());
	for (i = 0; i < DEPTH; i += 2)
		EXPECT_EQ(0, close(fds[i]));
	EXPECT_TRUE(is_high(self->vmo));
	EXPECT_EQ(0, close(fds[DEPTH - 1]));
	EXPECT_FALSE(is_high(self->vmo));
}

#define ROUNDS	300

static atomic_int racing;

/* Children that come, become high, and go */
static void *race_children(void *arg)
{
	int vmo = *(int *)arg, child, i, bad = 0;

	racing++;
	while (racing < 2)
		;
	for (i = 0; i < ROUNDS; i++) {
		child = i % 2 ? vmo_snapshot(vmo) : vmo_slice(vmo, 0, PG);
		bad |= child < 0 || vmo_set_priority(child, HIGH);
		bad |= !is_high(vmo);
		bad |= close(child);
	}
	return (void *)(long)bad;
}

TEST_F_TIMEOUT(priority, race, PATIENCE)
{
	pthread_t other;
	void *bad;

	ASSERT_EQ(0, pthread_create(&other, NULL, race_children, &self->vmo));
	EXPECT_EQ(NULL, race_children(&self->vmo));
	ASSERT_EQ(0, pthread_join(other, &bad));
	EXPECT_EQ(NULL, bad);
	EXPECT_FALSE(is_high(self->vmo));
}

TEST_HARNESS_MAIN
