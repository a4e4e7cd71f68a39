// SPDX-License-Identifier: GPL-2.0
/*
 * What is dirty, under KUnit: two neighbouring slots in every combination of
 * states, with a third that may be one with them, and everything that can happen
 * to every part of them, compared with the rules. The rest of the module is
 * stood in for.
 */
#include <kunit/test.h>
#include <linux/module.h>

#define PTREE_CACHE_PREFIX "cowvmo_dirty_kunit"

#include "../cowvmo/page_tree.c"
#include "../cowvmo/page_tree_find.c"
#include "../cowvmo/page_tree_marks.c"
#include "../cowvmo/page_tree_memory.c"
#include "../cowvmo/page_tree_range.c"
#include "../cowvmo/page_tree_share.c"
#include "../cowvmo/page_tree_stats.c"

#include "../cowvmo/dirty.c"

#define SLOTS	3U
/* So that the slots are in two leaves. */
#define BEGIN	(PTREE_LEAF_SLOTS - 1)

enum state {
	ABSENT, PAGE_CLEAN, PAGE_DIRTY, PAGE_AWAITING,
	ZERO_CLEAN, ZERO_DIRTY, ZERO_AWAITING, ZERO_UNTRACKED,
	STATES,
};

enum event {
	BEGIN_WRITE, BEGIN_ZERO, END_WRITE, ALLOW, MAKE_ZERO,
	EVENTS,
};

/* --- What stands in for the module */

static struct {
	struct cowvmo *root;
	u64 held;
	unsigned int answers;
} stub;

bool ptree_should_fail(void)
{
	return false;
}

void ptree_page_free(struct page *page, u32 flags)
{
	put_page(page);
}

void cowvmo_unmap(struct cowvmo *vmo, u64 first, u64 last, bool even_cows)
{
}

void cowvmo_unmap_page(struct cowvmo *vmo, u64 pgoff)
{
}

void cowvmo_write_protect(struct cowvmo *vmo, u64 first, u64 last)
{
}

bool cow_is_pinned(const struct cowvmo *store, u64 first, u64 last)
{
	return stub.held >= first && stub.held <= last;
}

void cow_requests_answer(struct cow_source *source, unsigned int command,
			 u64 first, u64 last)
{
	stub.answers++;
}

int cow_keep_for_snapshots(struct cowvmo *root, u64 first, u64 last,
			   struct cow_reserve *reserve)
{
	return 0;
}

void cow_reserve_init(struct cow_reserve *reserve, gfp_t gfp)
{
	memset(reserve, 0, sizeof(*reserve));
}

int cow_reserve_fill(struct cow_reserve *reserve)
{
	return ptree_stash_fill(&reserve->stash, 4, GFP_KERNEL);
}

void cow_reserve_drain(struct cow_reserve *reserve)
{
	ptree_stash_drain(&reserve->stash);
}

static int put_page_at(struct cowvmo *root, u64 index, u32 state,
		       struct cow_reserve *reserve)
{
	struct ptree_cursor cursor;
	struct ptree_desc *desc;
	struct page *page;
	int err;

	err = ptree_cursor_open(&cursor, &root->tree, index, &reserve->stash);
	if (err)
		return err;
	page = alloc_page(GFP_KERNEL);
	desc = page ? ptree_desc_alloc(&reserve->stash, index, page) : NULL;
	if (desc) {
		cow_desc_set_state(desc, state);
		ptree_cursor_store(&cursor, desc);
		/* Somebody may have a writable PTE. */
		if (state == COW_DESC_DIRTY)
			ptree_cursor_mark(&cursor);
	} else if (page) {
		put_page(page);
	}
	ptree_cursor_close(&cursor);
	return desc ? 0 : -ENOMEM;
}

int cow_make_dirty(struct cowvmo *root, u64 pgoff, struct cow_reserve *reserve)
{
	return put_page_at(root, pgoff, COW_DESC_DIRTY, reserve);
}

/* --- Slots in given states */

static bool is_interval(unsigned int state)
{
	return state == ZERO_DIRTY || state == ZERO_AWAITING;
}

/* Being written back goes from the beginning of an interval, never later. */
static bool can_be(const unsigned int *state)
{
	unsigned int i;

	for (i = 1; i < SLOTS; i++) {
		if (state[i] == ZERO_AWAITING && state[i - 1] == ZERO_DIRTY)
			return false;
	}
	return true;
}

static int set_slot(struct cowvmo *root, u64 index, unsigned int state,
		    struct cow_reserve *reserve)
{
	static const unsigned int zeros[STATES] = {
		[ZERO_CLEAN] = COW_ZERO_CLEAN, [ZERO_DIRTY] = COW_ZERO_DIRTY,
		[ZERO_AWAITING] = COW_ZERO_AWAITING,
		[ZERO_UNTRACKED] = COW_ZERO_UNTRACKED,
	};
	static const u32 pages[STATES] = {
		[PAGE_CLEAN] = COW_DESC_CLEAN, [PAGE_DIRTY] = COW_DESC_DIRTY,
		[PAGE_AWAITING] = COW_DESC_AWAITING,
	};
	struct ptree_dead dead = {};
	int err = 0;

	if (pages[state])
		err = put_page_at(root, index, pages[state], reserve);
	else if (zeros[state])
		err = ptree_fill(&root->tree, index, index, zeros[state],
				 &reserve->stash, &dead);
	ptree_reap(&dead);
	return err;
}

static void set_slots(struct kunit *test, struct cowvmo *root,
		      const unsigned int *state)
{
	struct cow_reserve reserve;
	unsigned int i;

	cow_reserve_init(&reserve, GFP_KERNEL);
	down_write(root->lock);
	for (i = 0; i < SLOTS; i++) {
		KUNIT_ASSERT_EQ(test, cow_reserve_fill(&reserve), 0);
		KUNIT_ASSERT_EQ(test, set_slot(root, BEGIN + i, state[i],
					       &reserve), 0);
	}
	up_write(root->lock);
	cow_reserve_drain(&reserve);
}

static unsigned int get_slot(const struct cowvmo *root, u64 index)
{
	static const unsigned int zeros[] = {
		ABSENT, ZERO_CLEAN, ZERO_DIRTY, ZERO_AWAITING, ZERO_UNTRACKED,
	};
	struct ptree_look look;

	ptree_look(&root->tree, index, &look);
	if (!look.desc)
		return look.marker < 5 ? zeros[look.marker] : STATES;
	switch (look.desc->flags) {
	case COW_DESC_CLEAN:
		return PAGE_CLEAN;
	case COW_DESC_DIRTY:
		return PAGE_DIRTY;
	case COW_DESC_AWAITING:
		return PAGE_AWAITING;
	default:
		return STATES;
	}
}

/* --- The rules */

/* The first slot of the interval that slot @i is of. */
static unsigned int begin_of(const unsigned int *state, unsigned int i)
{
	while (i && is_interval(state[i - 1]))
		i--;
	return i;
}

static void rule_begin(unsigned int *state, unsigned int first,
		       unsigned int last, bool is_zero)
{
	unsigned int i;

	for (i = first; i <= last; i++) {
		if (state[i] == ZERO_DIRTY && begin_of(state, i) >= first)
			state[i] = ZERO_AWAITING;
		if (!is_zero && state[i] == PAGE_DIRTY &&
		    stub.held != BEGIN + i)
			state[i] = PAGE_AWAITING;
	}
}

static void rule_end(unsigned int *state, unsigned int first,
		     unsigned int last)
{
	unsigned int was[SLOTS], i;

	memcpy(was, state, sizeof(was));
	for (i = first; i < SLOTS; i++) {
		if (i <= last && was[i] == PAGE_AWAITING)
			state[i] = PAGE_CLEAN;
		if (was[i] != ZERO_AWAITING || begin_of(was, i) < first)
			continue;
		/* What goes on beyond the range has lost its beginning. */
		if (i <= last)
			state[i] = ABSENT;
		else if (begin_of(was, i) <= last)
			state[i] = ZERO_DIRTY;
	}
}

static int rule_allow(unsigned int *state, unsigned int first,
		      unsigned int last)
{
	unsigned int i;

	for (i = first; i <= last; i++) {
		if (state[i] == ABSENT)
			return -ENOENT;
	}
	for (i = first; i <= last; i++)
		state[i] = PAGE_DIRTY;
	return 0;
}

static void rule_zero(unsigned int *state, unsigned int first,
		      unsigned int last)
{
	unsigned int i;

	for (i = begin_of(state, first); i < SLOTS; i++) {
		if (i > last && !is_interval(state[i]))
			break;
		state[i] = ZERO_DIRTY;
	}
}

static int rule(unsigned int *state, unsigned int event, unsigned int first,
		unsigned int last)
{
	switch (event) {
	case BEGIN_WRITE:
	case BEGIN_ZERO:
		rule_begin(state, first, last, event == BEGIN_ZERO);
		return 0;
	case END_WRITE:
		rule_end(state, first, last);
		return 0;
	case ALLOW:
		return rule_allow(state, first, last);
	default:
		rule_zero(state, first, last);
		return 0;
	}
}

/* --- The module */

static int make_zero(struct cowvmo *root, u64 first, u64 last)
{
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	int err;

	cow_reserve_init(&reserve, GFP_KERNEL);
	do {
		down_write(root->lock);
		err = cow_fill_dirty(root, first, last, &reserve, &dead);
		up_write(root->lock);
	} while (err == -ENOMEM && !cow_reserve_fill(&reserve));
	ptree_reap(&dead);
	cow_reserve_drain(&reserve);
	return err;
}

static int happen(struct cowvmo *root, unsigned int event, u64 first, u64 nr)
{
	u64 done;

	switch (event) {
	case BEGIN_WRITE:
	case BEGIN_ZERO:
		return cow_writeback_begin(root, first, nr,
					   event == BEGIN_ZERO);
	case END_WRITE:
		return cow_writeback_end(root, first, nr);
	case ALLOW:
		return cow_dirty_pages(root, first, nr, &done);
	default:
		return make_zero(root, first, first + nr - 1);
	}
}

static bool same_kind(unsigned int a, unsigned int b)
{
	return is_interval(a) == is_interval(b) &&
	       (is_interval(a) || a == PAGE_DIRTY || a == PAGE_AWAITING) &&
	       (is_interval(b) || b == PAGE_DIRTY || b == PAGE_AWAITING);
}

/* As many ranges as there are runs of one kind, with those bounds. */
static void check_query(struct kunit *test, struct cowvmo *root,
			const unsigned int *state)
{
	struct dirty_query query = { .room = QUERY_BATCH };
	unsigned int i, n = 0;
	u64 at = BEGIN;

	KUNIT_ASSERT_EQ(test, query_batch(root, &at, BEGIN + SLOTS - 1,
					  &query), 0);
	for (i = 0; i < SLOTS; i++) {
		if (!same_kind(state[i], state[i]) ||
		    (i && same_kind(state[i - 1], state[i])))
			continue;
		KUNIT_ASSERT_LT(test, (u64)n, query.nr);
		KUNIT_EXPECT_EQ(test, query.ranges[n].offset,
				(u64)(BEGIN + i) << PAGE_SHIFT);
		KUNIT_EXPECT_EQ(test, query.ranges[n].flags,
				is_interval(state[i]) ? COWVMO_DIRTY_IS_ZERO :
							0);
		n++;
	}
	KUNIT_EXPECT_EQ(test, query.nr, (u64)n);
}

static void try_one(struct kunit *test, const unsigned int *from,
		    unsigned int event, unsigned int first, unsigned int last)
{
	struct cowvmo *root = stub.root;
	unsigned int want[SLOTS], i;
	struct ptree_dead dead = {};
	int err;

	set_slots(test, root, from);
	memcpy(want, from, sizeof(want));
	err = rule(want, event, first, last);
	KUNIT_EXPECT_EQ(test, happen(root, event, BEGIN + first,
				     last - first + 1), err);
	for (i = 0; i < SLOTS; i++)
		KUNIT_EXPECT_EQ_MSG(test, get_slot(root, BEGIN + i), want[i],
				    "slot %u of %u %u %u after event %u on %u..%u",
				    i, from[0], from[1], from[2], event, first,
				    last);
	check_query(test, root, want);
	ptree_clear(&root->tree, &dead);
	ptree_reap(&dead);
}

static void try_event(struct kunit *test, const unsigned int *state,
		      unsigned int event)
{
	unsigned int first, last;

	for (first = 0; first < SLOTS; first++) {
		for (last = first; last < SLOTS; last++)
			try_one(test, state, event, first, last);
	}
	cond_resched();
}

/* What the third slot can be that makes a difference to the others. */
static bool is_wanted(const unsigned int *state)
{
	return can_be(state) &&
	       (state[2] == ABSENT || state[2] == ZERO_AWAITING ||
		(state[2] == ZERO_DIRTY && is_interval(state[1])));
}

static void every_state_and_event(struct kunit *test)
{
	unsigned int state[SLOTS], code, event;

	for (code = 0; code < STATES * STATES * STATES; code++) {
		state[0] = code % STATES;
		state[1] = code / STATES % STATES;
		state[2] = code / STATES / STATES;
		for (event = 0; event < EVENTS && is_wanted(state); event++)
			try_event(test, state, event);
	}
}

/* Somebody may go on writing to the middle one: it stays dirty. */
static void held_pages_stay_dirty(struct kunit *test)
{
	unsigned int state[SLOTS] = { PAGE_DIRTY, 0, PAGE_DIRTY };

	stub.held = BEGIN + 1;
	for (state[1] = 0; state[1] < STATES; state[1]++) {
		try_event(test, state, BEGIN_WRITE);
		try_event(test, state, END_WRITE);
	}
}

/* Whoever waits for permission is answered, whatever comes of it. */
static void permission_is_answered(struct kunit *test)
{
	unsigned int state[SLOTS] = { PAGE_CLEAN, ABSENT, ZERO_CLEAN };
	struct ptree_dead dead = {};

	set_slots(test, stub.root, state);
	KUNIT_EXPECT_EQ(test, happen(stub.root, ALLOW, BEGIN, SLOTS), -ENOENT);
	KUNIT_EXPECT_EQ(test, stub.answers, 1U);
	KUNIT_EXPECT_EQ(test, happen(stub.root, ALLOW, BEGIN, 1), 0);
	KUNIT_EXPECT_EQ(test, stub.answers, 2U);
	stub.root->source->detached = true;
	KUNIT_EXPECT_EQ(test, happen(stub.root, ALLOW, BEGIN, 1), -EPIPE);
	stub.root->source->detached = false;
	stub.root->source->trap_dirty = false;
	KUNIT_EXPECT_EQ(test, happen(stub.root, ALLOW, BEGIN, 1), -EOPNOTSUPP);
	ptree_clear(&stub.root->tree, &dead);
	ptree_reap(&dead);
}

static int dirty_init(struct kunit *test)
{
	struct cow_source *source;
	struct cowvmo *root;

	root = kunit_kzalloc(test, sizeof(*root), GFP_KERNEL);
	source = kunit_kzalloc(test, sizeof(*source), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, root);
	KUNIT_ASSERT_NOT_NULL(test, source);
	init_rwsem(&root->own_lock);
	root->lock = &root->own_lock;
	root->nr_pages = 1000;
	root->store = root;
	root->source = source;
	source->root = root;
	source->trap_dirty = true;
	memset(&stub, 0, sizeof(stub));
	stub.root = root;
	stub.held = U64_MAX;
	return 0;
}

static struct kunit_case dirty_cases[] = {
	KUNIT_CASE_SLOW(every_state_and_event),
	KUNIT_CASE(held_pages_stay_dirty),
	KUNIT_CASE(permission_is_answered),
	{}
};

static int dirty_suite_init(struct kunit_suite *suite)
{
	return ptree_caches_create();
}

static void dirty_suite_exit(struct kunit_suite *suite)
{
	ptree_caches_destroy();
}

static struct kunit_suite dirty_suite = {
	.name = "cowvmo_dirty",
	.init = dirty_init,
	.suite_init = dirty_suite_init,
	.suite_exit = dirty_suite_exit,
	.test_cases = dirty_cases,
};

kunit_test_suite(dirty_suite);

MODULE_DESCRIPTION("KUnit tests of what is dirty of a pager's VMO");
MODULE_LICENSE("GPL");
