// SPDX-License-Identifier: GPL-2.0
/*
 * The model test: random steps over a family of trees, and the same steps on
 * flat arrays. After each step everything that can be seen of the trees is
 * compared, and everything inside is checked. Steps that take one tree are
 * here, those that take two in page_tree_model_two.c.
 *
 * The arrays are indexed by slot; a layout says which tree index a slot has.
 * Slots are in the order of their indexes, so a range of slots is a range of
 * indexes, with whatever lies between them.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "page_tree_model.h"

const char *const model_layouts[] = {
	"dense from index 0",
	"dense up to the last index",
	"dense around an odd base",
	"three clusters far apart",
	"one slot in each 2 MiB",
	"a third dense, the rest at all scales",
};

const unsigned int nr_model_layouts = ARRAY_SIZE(model_layouts);

static u64 layout_index(unsigned int layout, unsigned int slot)
{
	const unsigned int third = SLOTS / 3;

	switch (layout) {
	case 0:
		return slot;
	case 1:
		return PTREE_MAX_INDEX - (SLOTS - 1) + slot;
	case 2:
		return (1ULL << 40) - 77 + slot;
	case 3:
		if (slot < third)
			return slot;
		if (slot < 2 * third)
			return (1ULL << 30) + 5 + slot;
		return PTREE_MAX_INDEX - (SLOTS - 1) + slot;
	case 4:
		return 513ULL * slot + 3;
	default:
		if (slot < third)
			return (1ULL << 20) - 40 + slot;
		slot -= third;
		return (1ULL << 20) + (1ULL << (20 + slot / 10)) +
		       3 * (slot % 10);
	}
}

void model_see(struct model *m, unsigned int who, unsigned int slot,
	       unsigned int id)
{
	u16 *page = &m->page[who][slot];

	if (is_page(*page))
		m->cells[*page]--;
	*page = id;
	if (is_page(id))
		m->cells[id]++;
	else
		m->mark[who][slot] = false;
}

/*
 * Injection
 */

enum injection model_inject(struct model *m, struct ptree_stash *stash)
{
	*stash = (struct ptree_stash){};
	switch (rnd(m, 8)) {
	case 0:
		test_fail_allocations(rnd(m, 8), rnd(m, 2) ? 1 : ~0UL);
		return STARVED;
	case 1:
		CHECK(m->test, !ptree_stash_fill(stash, 2, GFP_KERNEL));
		test_fail_allocations(0, ~0UL);
		return STASHED;
	default:
		return NOTHING;
	}
}

void model_inject_end(struct model *m, struct ptree_stash *stash, int err,
		      enum injection injection)
{
	CHECK(m->test, !err || err == -ENOMEM);
	if (err) {
		CHECK(m->test, injection == STARVED);
		CHECK(m->test, test_failed_allocations());
		m->result->failed++;
	}
	test_fail_allocations(-1, 0);
	ptree_stash_drain(stash);
	CHECK(m->test, !stash->have.small && !stash->have.big &&
	      !stash->have.descs);
}

/*
 * Steps
 */

/* Put a new page into the slot of an open cursor. */
static int store_page(struct model *m, unsigned int who, unsigned int slot,
		      struct ptree_cursor *cursor, struct ptree_stash *stash)
{
	struct ptree_desc *desc, *old, *before = ptree_cursor_desc(cursor);
	struct page *page = test_page();

	desc = ptree_desc_alloc(stash, cursor->index, page);
	if (!desc) {
		ptree_page_free(page, 0);
		return -ENOMEM;
	}
	CHECK(m->test, desc->flags == 0 && desc->page == page);
	CHECK(m->test, ptree_desc_exclusive(desc));
	old = ptree_cursor_store(cursor, desc);
	CHECK(m->test, old == before && ptree_cursor_desc(cursor) == desc);
	if (old)
		ptree_desc_put(old);
	model_see(m, who, slot, test_page_id(page));
	return 0;
}

static int write_open(struct model *m, unsigned int who, unsigned int slot,
		      struct ptree_cursor *cursor, struct ptree_stash *stash)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor);
	unsigned int id = m->page[who][slot];
	int err = 0;

	CHECK(m->test, cursor->index == m->index[slot]);
	CHECK(m->test, (desc ? test_page_id(desc->page) : NO_PAGE) ==
		       as_page(id));
	if (!is_page(id))
		CHECK(m->test, ptree_cursor_marker(cursor) == id - NO_PAGE);
	if (desc && ptree_desc_exclusive(desc)) {
		/* The last owner never copies, */
		CHECK(m->test, m->cells[id] == 1);
		m->result->in_place++;
	} else {
		/* and all others always do. */
		CHECK(m->test, !is_page(id) || m->cells[id] > 1);
		err = store_page(m, who, slot, cursor, stash);
		if (!err && !is_page(id))
			m->result->fresh++;
		else if (!err)
			m->result->forked++;
	}
	if (!err && rnd(m, 4)) {
		ptree_cursor_mark(cursor);
		m->mark[who][slot] = true;
	}
	CHECK(m->test, ptree_cursor_marked(cursor) == m->mark[who][slot]);
	return err;
}

/* A slot of @who, rather a populated one. */
unsigned int model_slot(struct model *m, unsigned int who)
{
	unsigned int tries, slot = rnd(m, SLOTS);

	for (tries = rnd(m, 30); tries && !is_page(m->page[who][slot]); tries--)
		slot = rnd(m, SLOTS);
	return slot;
}

/* Write to neighbours for as long as one cursor goes; returns where it ended */
static int write_run(struct model *m, unsigned int who, unsigned int *slot,
		     unsigned int *left, struct ptree_stash *stash)
{
	struct ptree_cursor cursor;
	int err;

	err = ptree_cursor_open(&cursor, &m->tree[who], m->index[*slot], stash);
	if (err)
		return err;
	for (;;) {
		err = write_open(m, who, *slot, &cursor, stash);
		if (err || !--*left || *slot + 1 == SLOTS ||
		    m->index[*slot + 1] != m->index[*slot] + 1 ||
		    !ptree_cursor_advance(&cursor))
			break;
		++*slot;
	}
	ptree_cursor_close(&cursor);
	return err;
}

static void step_write(struct model *m, unsigned int who)
{
	unsigned int slot = model_slot(m, who), left = 1 + rnd(m, 40);
	enum injection injection;
	struct ptree_stash stash;
	bool jump = rnd(m, 2);
	unsigned int one;
	int err;

	while (left) {
		injection = model_inject(m, &stash);
		/* What is set aside is enough for one slot, or two. */
		one = jump || injection == STASHED ? 1 : left;
		left -= one;
		err = write_run(m, who, &slot, &one, &stash);
		left += err ? 0 : one;
		model_inject_end(m, &stash, err, injection);
		slot = jump ? model_slot(m, who) : (slot + 1) % SLOTS;
	}
}

/* Empty one slot, or only open and close it. */
static void step_touch(struct model *m, unsigned int who)
{
	unsigned int slot = model_slot(m, who);
	bool drop = rnd(m, 2);
	struct ptree_cursor cursor;
	enum injection injection;
	struct ptree_stash stash;
	struct ptree_desc *old;
	int err;

	injection = model_inject(m, &stash);
	err = ptree_cursor_open(&cursor, &m->tree[who], m->index[slot], &stash);
	if (!err) {
		if (drop) {
			old = ptree_cursor_store(&cursor, NULL);
			CHECK(m->test, !old == !is_page(m->page[who][slot]));
			if (old)
				ptree_desc_put(old);
			model_see(m, who, slot, NO_PAGE);
		}
		ptree_cursor_close(&cursor);
	}
	model_inject_end(m, &stash, err, injection);
}

/* A range of slots, and one of indexes that contains no other slots. */
void model_range(struct model *m, unsigned int *low, unsigned int *high,
		 u64 *first, u64 *last)
{
	unsigned int a = rnd(m, SLOTS), b, wide = rnd(m, 30);
	u64 gap;

	b = a + rnd(m, rnd(m, 4) ? 30 : SLOTS);
	*low = wide == 0 ? 0 : a;
	*high = wide <= 1 ? SLOTS - 1 : min(b, SLOTS - 1U);
	*first = m->index[*low];
	*last = m->index[*high];
	gap = *low ? *first - m->index[*low - 1] : *first + 1;
	*first -= rnd(m, 2) ? test_random(&m->rng) % gap : 0;
	if (*high < SLOTS - 1)
		gap = m->index[*high + 1] - *last;
	else
		gap = ~0ULL - *last;
	*last += rnd(m, 2) ? test_random(&m->rng) % max(gap, 1ULL) : 0;
	if (!wide) {
		*first = 0;
		*last = ~0ULL;
	}
}

static void step_erase(struct model *m, unsigned int who)
{
	struct ptree_dead dead = {};
	enum injection injection;
	struct ptree_stash stash;
	unsigned int low, high;
	u64 first, last;
	int err;

	model_range(m, &low, &high, &first, &last);
	injection = model_inject(m, &stash);
	err = ptree_erase(&m->tree[who], first, last, &stash, &dead);
	model_inject_end(m, &stash, err, injection);
	if (err)
		CHECK(m->test, !dead.nodes && !dead.descs);
	ptree_reap(&dead);
	CHECK(m->test, !dead.nodes && !dead.descs);
	for (; !err && low <= high; low++)
		model_see(m, who, low, NO_PAGE);
}

/* Only what has slots: one run of indexes after the other. */
static void step_fill(struct model *m, unsigned int who)
{
	unsigned int low, high, end, marker = 1 + rnd(m, PTREE_MAX_MARKER);
	struct ptree_dead dead = {};
	enum injection injection;
	struct ptree_stash stash;
	u64 first, last;
	int err;

	/* Equal ones next to each other become one. */
	if (rnd(m, 2))
		marker = 1;
	model_range(m, &low, &high, &first, &last);
	for (; low <= high; low = end) {
		for (end = low + 1; end <= high; end++) {
			if (m->index[end] != m->index[end - 1] + 1)
				break;
		}
		injection = model_inject(m, &stash);
		err = ptree_fill(&m->tree[who], m->index[low],
				 m->index[end - 1], marker, &stash, &dead);
		model_inject_end(m, &stash, err, injection);
		if (err)
			CHECK(m->test, !dead.nodes && !dead.descs);
		ptree_reap(&dead);
		for (; !err && low < end; low++)
			model_see(m, who, low, MARKER(marker));
	}
}

void model_clear(struct model *m, unsigned int who)
{
	struct ptree_dead dead = {};
	unsigned int slot;

	ptree_clear(&m->tree[who], &dead);
	ptree_reap(&dead);
	for (slot = 0; slot < SLOTS; slot++)
		model_see(m, who, slot, NO_PAGE);
}

static bool keep_mark(struct ptree_desc *desc, u64 index, void *arg)
{
	struct model *m = arg;
	unsigned int slot = slot_from(m, index);

	CHECK(m->test, desc->index == index);
	CHECK(m->test, slot < SLOTS && m->index[slot] == index);
	return slot % m->keep == 0;
}

static unsigned long clear_marks(struct model *m, unsigned int who,
				 unsigned int low, unsigned int high, u64 first,
				 u64 last, struct ptree_need *need)
{
	unsigned long kept, expected = 0;

	m->keep = rnd(m, 3) ? 0 : 1 + rnd(m, 5);
	kept = ptree_clear_marks(&m->tree[who], first, last,
				 m->keep ? keep_mark : NULL, m, need);
	for (; low <= high; low++) {
		if (m->keep && low % m->keep == 0)
			expected += m->mark[who][low];
		else
			m->mark[who][low] = false;
	}
	CHECK(m->test, kept == expected);
	CHECK(m->test, need->descs == kept);
	return kept;
}

/* What stays with its tree leaves the clone: with exactly the memory needed. */
static void part_kept(struct model *m, unsigned int who, unsigned int clone,
		      const struct ptree_need *need, unsigned int low,
		      unsigned int high)
{
	struct ptree_stash stash = {};
	struct ptree_cursor cursor;

	CHECK(m->test, !ptree_stash_fill_need(&stash, need, GFP_KERNEL));
	test_fail_allocations(0, ~0UL);
	for (; low <= high; low++) {
		if (!m->mark[who][low])
			continue;
		if (!CHECK(m->test,
			   !ptree_cursor_open(&cursor, &m->tree[clone],
					      m->index[low], &stash)))
			break;
		CHECK(m->test, !store_page(m, clone, low, &cursor, &stash));
		ptree_cursor_close(&cursor);
		m->result->kept++;
	}
	test_fail_allocations(-1, 0);
	ptree_stash_drain(&stash);
}

static void step_clone(struct model *m, unsigned int who)
{
	unsigned int slot, low, high, to = rnd(m, MEMBERS);
	enum injection injection;
	struct ptree_stash stash;
	struct ptree_need need;
	struct ptree clone;
	unsigned long kept;
	u64 first, last;
	int err;

	if (to == who)
		to = (who + 1) % MEMBERS;
	model_range(m, &low, &high, &first, &last);
	if (!rnd(m, 2)) {
		low = 0;
		high = SLOTS - 1;
		first = m->index[low];
		last = m->index[high];
	}
	kept = clear_marks(m, who, low, high, first, last, &need);
	injection = model_inject(m, &stash);
	err = ptree_clone(&m->tree[who], first, last, &stash, &clone);
	model_inject_end(m, &stash, err, injection);
	if (err) {
		CHECK(m->test, !clone.root && !clone.prefix && !clone.level);
		return;
	}
	model_clear(m, to);
	m->tree[to] = clone;
	for (slot = low; slot <= high; slot++)
		model_see(m, to, slot, m->page[who][slot]);
	if (kept)
		part_kept(m, who, to, &need, low, high);
}

/* A stash that cannot be filled loses nothing. */
static void step_stash(struct model *m)
{
	struct ptree_stash stash = {};
	unsigned int paths = 1 + rnd(m, 3);
	int err;

	test_fail_allocations(rnd(m, 80), 1);
	err = ptree_stash_fill(&stash, paths, GFP_KERNEL);
	CHECK(m->test, (err != 0) == (test_failed_allocations() != 0));
	CHECK(m->test, err || stash.have.descs == paths);
	test_fail_allocations(-1, 0);
	ptree_stash_drain(&stash);
}

static void step(struct model *m)
{
	unsigned int who = rnd(m, MEMBERS), what = rnd(m, 100);

	if (what < 45)
		step_write(m, who);
	else if (what < 60)
		step_touch(m, who);
	else if (what < 68)
		step_fill(m, who);
	else if (what < 75)
		step_erase(m, who);
	else if (what < 84)
		step_clone(m, who);
	else if (what < 89)
		model_step_graft(m, who);
	else if (what < 96)
		model_step_move(m, who);
	else if (what < 97)
		model_clear(m, who);
	else
		step_stash(m);
}

static bool model_start(struct model *m, unsigned int layout, u64 seed)
{
	unsigned int who, slot;

	m->scratch = ptree_scratch_alloc(MEMBERS, GFP_KERNEL);
	if (!m->scratch)
		return false;
	m->rng = seed * 0x9e3779b97f4a7c15ULL + layout + 1;
	if (!m->rng)
		m->rng = 1;
	for (slot = 0; slot < SLOTS; slot++) {
		m->index[slot] = layout_index(layout, slot);
		for (who = 0; who < MEMBERS; who++)
			m->page[who][slot] = NO_PAGE;
	}
	return true;
}

/**
 * model_run() - run the model test
 * @test: receives failures; the run ends after the first step with one
 * @layout: number of one of model_layouts
 * @seed: any number
 * @steps: how many
 * @result: what happened is added here
 *
 * Context: Process context; nothing else uses the tree or the test pages.
 */
void model_run(struct ptree_test *test, unsigned int layout, u64 seed,
	       unsigned long steps, struct model_result *result)
{
	struct model *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	unsigned int who;

	if (!CHECK(test, m))
		return;
	m->test = test;
	m->result = result;
	test->seed = seed;
	if (!CHECK(test, model_start(m, layout, seed)))
		goto out;
	for (test->step = 1; test->step <= steps; test->step++) {
		step(m);
		model_check(m);
		if (test->failures)
			break;
	}
	for (who = 0; who < MEMBERS; who++)
		model_clear(m, who);
	CHECK(test, !atomic_long_read(&ptree_nr_nodes));
	CHECK(test, !atomic_long_read(&ptree_nr_descs));
	CHECK(test, !test_pages_live());
	ptree_scratch_free(m->scratch);
out:
	kvfree(m);
}
