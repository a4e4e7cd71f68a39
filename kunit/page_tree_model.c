// SPDX-License-Identifier: GPL-2.0
/*
 * The model test: random steps over a family of trees, and the same steps on
 * flat arrays. After each step everything that can be seen of the trees is
 * compared, and everything inside is checked.
 *
 * The arrays are indexed by slot; a layout says which tree index a slot has.
 * Slots are in the order of their indexes, so a range of slots is a range of
 * indexes, with whatever lies between them.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "page_tree_test.h"

#define MEMBERS		8
#define SLOTS		480
#define NO_PAGE		TEST_PAGES

/* Nodes and descriptors by address; more buckets than there can be objects */
#define OBJECT_BITS	15
#define OBJECTS		BIT(OBJECT_BITS)

/**
 * struct object - a node or a descriptor met while counts are checked
 * @address: of it
 * @round: the check it was met in; others are stale
 * @parents: how many point to it
 * @count: what it counts itself
 */
struct object {
	const void *address;
	u64 round;
	unsigned int parents;
	unsigned int count;
};

/**
 * struct model - the state of a run
 * @test: where failures go
 * @result: what happened
 * @rng: state of the random numbers
 * @index: for each slot its tree index
 * @tree: the members; all zero when empty
 * @page: for each member and slot the page seen there, or NO_PAGE
 * @mark: for each member and slot whether it has a mark
 * @cells: for each page how many slots see it
 * @scratch: for the scaled size
 * @object: all nodes and descriptors, while counts are checked
 * @round: number of that check
 * @nr_nodes: different nodes found
 * @nr_descs: different descriptors found
 * @seen_mark: marks found in one member
 * @next_run: index at which the next run of marks may start
 * @keep: which marks a clone is to keep: one slot in this many, 0 for none
 */
struct model {
	struct ptree_test *test;
	struct model_result *result;
	u64 rng;
	u64 index[SLOTS];
	struct ptree tree[MEMBERS];
	u16 page[MEMBERS][SLOTS];
	bool mark[MEMBERS][SLOTS];
	u16 cells[TEST_PAGES];
	struct ptree_scratch *scratch;
	struct object object[OBJECTS];
	u64 round;
	long nr_nodes;
	long nr_descs;
	bool seen_mark[SLOTS];
	u64 next_run;
	unsigned int keep;
};

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

/* The first slot whose index is at least @index, or SLOTS. */
static unsigned int slot_from(const struct model *m, u64 index)
{
	unsigned int low = 0, high = SLOTS, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (m->index[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static unsigned int rnd(struct model *m, unsigned int below)
{
	return (test_random(&m->rng) >> 32) % below;
}

static void see(struct model *m, unsigned int who, unsigned int slot,
		unsigned int id)
{
	u16 *page = &m->page[who][slot];

	if (*page != NO_PAGE)
		m->cells[*page]--;
	*page = id;
	if (id != NO_PAGE)
		m->cells[id]++;
	else
		m->mark[who][slot] = false;
}

/*
 * Injection
 */

enum injection {
	NOTHING,	/* allocations succeed */
	STARVED,	/* some fail, and there is no stash */
	STASHED,	/* all fail, but the stash has enough */
};

static enum injection inject(struct model *m, struct ptree_stash *stash)
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

static void inject_end(struct model *m, struct ptree_stash *stash, int err,
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
		ptree_page_free(page);
		return -ENOMEM;
	}
	CHECK(m->test, desc->flags == 0 && desc->page == page);
	CHECK(m->test, ptree_desc_exclusive(desc));
	old = ptree_cursor_store(cursor, desc);
	CHECK(m->test, old == before && ptree_cursor_desc(cursor) == desc);
	if (old)
		ptree_desc_put(old);
	see(m, who, slot, test_page_id(page));
	return 0;
}

static int write_open(struct model *m, unsigned int who, unsigned int slot,
		      struct ptree_cursor *cursor, struct ptree_stash *stash)
{
	struct ptree_desc *desc = ptree_cursor_desc(cursor);
	unsigned int id = m->page[who][slot];
	int err = 0;

	CHECK(m->test, cursor->index == m->index[slot]);
	CHECK(m->test, (desc ? test_page_id(desc->page) : NO_PAGE) == id);
	if (desc && ptree_desc_exclusive(desc)) {
		/* The last owner never copies, */
		CHECK(m->test, m->cells[id] == 1);
		m->result->in_place++;
	} else {
		/* and all others always do. */
		CHECK(m->test, id == NO_PAGE || m->cells[id] > 1);
		err = store_page(m, who, slot, cursor, stash);
		if (!err && id == NO_PAGE)
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
static unsigned int random_slot(struct model *m, unsigned int who)
{
	unsigned int tries, slot = rnd(m, SLOTS);

	for (tries = rnd(m, 30); tries && m->page[who][slot] == NO_PAGE; tries--)
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
	unsigned int slot = random_slot(m, who), left = 1 + rnd(m, 40);
	enum injection injection;
	struct ptree_stash stash;
	bool jump = rnd(m, 2);
	unsigned int one;
	int err;

	while (left) {
		injection = inject(m, &stash);
		/* What is set aside is enough for one slot, or two. */
		one = jump || injection == STASHED ? 1 : left;
		left -= one;
		err = write_run(m, who, &slot, &one, &stash);
		left += err ? 0 : one;
		inject_end(m, &stash, err, injection);
		slot = jump ? random_slot(m, who) : (slot + 1) % SLOTS;
	}
}

/* Empty one slot, or only open and close it. */
static void step_touch(struct model *m, unsigned int who)
{
	unsigned int slot = random_slot(m, who);
	bool drop = rnd(m, 2);
	struct ptree_cursor cursor;
	enum injection injection;
	struct ptree_stash stash;
	struct ptree_desc *old;
	int err;

	injection = inject(m, &stash);
	err = ptree_cursor_open(&cursor, &m->tree[who], m->index[slot], &stash);
	if (!err) {
		if (drop) {
			old = ptree_cursor_store(&cursor, NULL);
			CHECK(m->test, !old == (m->page[who][slot] == NO_PAGE));
			if (old)
				ptree_desc_put(old);
			see(m, who, slot, NO_PAGE);
		}
		ptree_cursor_close(&cursor);
	}
	inject_end(m, &stash, err, injection);
}

/* A range of slots, and one of indexes that contains no other slots. */
static void random_range(struct model *m, unsigned int *low, unsigned int *high,
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

	random_range(m, &low, &high, &first, &last);
	injection = inject(m, &stash);
	err = ptree_erase(&m->tree[who], first, last, &stash, &dead);
	inject_end(m, &stash, err, injection);
	if (err)
		CHECK(m->test, !dead.nodes && !dead.descs);
	ptree_reap(&dead);
	CHECK(m->test, !dead.nodes && !dead.descs);
	for (; !err && low <= high; low++)
		see(m, who, low, NO_PAGE);
}

static void step_clear(struct model *m, unsigned int who)
{
	struct ptree_dead dead = {};
	unsigned int slot;

	ptree_clear(&m->tree[who], &dead);
	ptree_reap(&dead);
	for (slot = 0; slot < SLOTS; slot++)
		see(m, who, slot, NO_PAGE);
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
	random_range(m, &low, &high, &first, &last);
	if (!rnd(m, 2)) {
		low = 0;
		high = SLOTS - 1;
		first = m->index[low];
		last = m->index[high];
	}
	kept = clear_marks(m, who, low, high, first, last, &need);
	injection = inject(m, &stash);
	err = ptree_clone(&m->tree[who], first, last, &stash, &clone);
	inject_end(m, &stash, err, injection);
	if (err) {
		CHECK(m->test, !clone.root && !clone.prefix && !clone.level);
		return;
	}
	step_clear(m, to);
	m->tree[to] = clone;
	for (slot = low; slot <= high; slot++)
		see(m, to, slot, m->page[who][slot]);
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
	else if (what < 75)
		step_erase(m, who);
	else if (what < 96)
		step_clone(m, who);
	else if (what < 97)
		step_clear(m, who);
	else
		step_stash(m);
}

/*
 * Checks
 */

/* Meet an object; true the first time. */
static bool meet(struct model *m, const void *address, unsigned int count)
{
	unsigned int i = ((unsigned long)address * 0x9e3779b97f4a7c15ULL) >>
			 (64 - OBJECT_BITS);

	while (m->object[i].round == m->round &&
	       m->object[i].address != address)
		i = (i + 1) % OBJECTS;
	if (m->object[i].round != m->round)
		m->object[i] = (struct object){ address, m->round, 0, count };
	return !m->object[i].parents++;
}

static bool count_node(const struct ptree_node *node, unsigned int level,
		       u64 first, void *arg)
{
	struct model *m = arg;

	if (!meet(m, node, ptree_node_refs(node)))
		return false;
	m->nr_nodes++;
	return true;
}

static void count_desc(struct ptree_desc *desc, u64 index, void *arg)
{
	struct model *m = arg;

	m->nr_descs += meet(m, desc, atomic_read(&desc->leaves));
}

/* Every count is the number of parents, and nothing else is alive. */
static void check_counts(struct model *m)
{
	static const struct ptree_visitor visitor = {
		.node = count_node,
		.desc = count_desc,
	};
	unsigned int i, wrong = 0;

	m->round++;
	m->nr_nodes = 0;
	m->nr_descs = 0;
	for (i = 0; i < MEMBERS; i++)
		ptree_walk(&m->tree[i], &visitor, m);
	for (i = 0; i < OBJECTS; i++) {
		if (m->object[i].round == m->round)
			wrong += m->object[i].parents != m->object[i].count;
	}
	CHECK(m->test, wrong == 0);
	CHECK(m->test, m->nr_nodes == atomic_long_read(&ptree_nr_nodes));
	CHECK(m->test, m->nr_descs == atomic_long_read(&ptree_nr_descs));
}

/* Exact freeing: a page is alive if, and only if, someone sees it. */
static void check_pages(struct model *m)
{
	unsigned int id, wrong = 0;

	for (id = 0; id < TEST_PAGES; id++)
		wrong += test_page_live(id) != (m->cells[id] > 0);
	CHECK(m->test, wrong == 0);
	CHECK(m->test, !test_pages_double_freed());
}

static void check_content(struct model *m, unsigned int who)
{
	const struct ptree *tree = &m->tree[who];
	unsigned int id, slot, own = 0, all = 0, wrong = 0;
	struct ptree_desc *desc;

	for (slot = 0; slot < SLOTS; slot++) {
		desc = ptree_lookup(tree, m->index[slot]);
		id = m->page[who][slot];
		wrong += (desc ? test_page_id(desc->page) : NO_PAGE) != id;
		if (id != NO_PAGE) {
			all++;
			own += m->cells[id] == 1;
		}
	}
	CHECK(m->test, wrong == 0);
	CHECK(m->test, ptree_populated(tree) == all);
	CHECK(m->test, ptree_private(tree) == own);
	CHECK_NULL(m->test, ptree_validate(tree));
}

static void check_run(struct model *m, unsigned int who)
{
	struct page *pages[50];
	unsigned int i, slot, id, found = 0, wrong = 0, nr = rnd(m, 50);
	u64 first = m->index[rnd(m, SLOTS)];

	first -= min_t(u64, first, rnd(m, 20));
	CHECK(m->test, ptree_lookup_run(&m->tree[who], first, 0, pages) == 0);
	i = ptree_lookup_run(&m->tree[who], first, nr, pages);
	for (slot = 0; slot < nr; slot++)
		found += !!pages[slot];
	CHECK(m->test, i == found);
	for (i = 0; i < nr; i++) {
		slot = slot_from(m, first + i);
		id = NO_PAGE;
		if (slot < SLOTS && m->index[slot] == first + i)
			id = m->page[who][slot];
		wrong += (pages[i] ? test_page_id(pages[i]) : NO_PAGE) != id;
	}
	CHECK(m->test, wrong == 0);
}

static void check_next_data(struct model *m, unsigned int who, u64 from,
			    u64 last)
{
	unsigned int slot = slot_from(m, from);
	u64 found = 0;
	bool any;

	while (slot < SLOTS && m->page[who][slot] == NO_PAGE)
		slot++;
	any = slot < SLOTS && m->index[slot] <= last;
	if (!CHECK(m->test,
		   ptree_next_data(&m->tree[who], from, last, &found) == any))
		return;
	CHECK(m->test, !any || found == m->index[slot]);
}

static void check_next_hole(struct model *m, unsigned int who, u64 from,
			    u64 last)
{
	u64 expected = from, found = 0;
	unsigned int slot;
	bool any;

	for (slot = slot_from(m, from); slot < SLOTS; slot++, expected++) {
		if (m->index[slot] != expected || m->page[who][slot] == NO_PAGE)
			break;
	}
	any = expected <= last;
	if (!CHECK(m->test,
		   ptree_next_hole(&m->tree[who], from, last, &found) == any))
		return;
	CHECK(m->test, !any || found == expected);
}

static void check_search(struct model *m, unsigned int who)
{
	u64 a = m->index[rnd(m, SLOTS)], b = m->index[rnd(m, SLOTS)];

	a -= min_t(u64, a, rnd(m, 3));
	check_next_data(m, who, min(a, b), max(a, b));
	check_next_data(m, who, a, ~0ULL);
	check_next_data(m, who, 0, b);
	check_next_hole(m, who, min(a, b), max(a, b));
	check_next_hole(m, who, a, PTREE_MAX_INDEX);
}

static void mark_run(u64 first, u64 last, void *arg)
{
	struct model *m = arg;
	unsigned int slot;

	/* Runs are as long as can be, and rise. */
	if (!CHECK(m->test, first >= m->next_run && last >= first))
		return;
	m->next_run = last + 2;
	for (; first <= last; first++) {
		slot = slot_from(m, first);
		if (!CHECK(m->test, slot < SLOTS && m->index[slot] == first))
			return;
		m->seen_mark[slot] = true;
	}
}

static void check_marks(struct model *m, unsigned int who)
{
	unsigned int slot, low = 0, high = SLOTS - 1, wrong = 0;
	u64 first = 0, last = ~0ULL;
	bool expected;

	if (!rnd(m, 3))
		random_range(m, &low, &high, &first, &last);
	memset(m->seen_mark, 0, sizeof(m->seen_mark));
	m->next_run = 0;
	ptree_visit_marked_runs(&m->tree[who], first, last, mark_run, m);
	for (slot = 0; slot < SLOTS; slot++) {
		expected = slot >= low && slot <= high && m->mark[who][slot];
		wrong += m->seen_mark[slot] != expected;
	}
	CHECK(m->test, wrong == 0);
}

/* floor(rest * 2^63 / n), one bit after the other */
static u64 fraction_of(u64 rest, u64 n)
{
	u64 fraction = 0;
	int bit;

	for (bit = 0; bit < 63; bit++) {
		rest <<= 1;
		fraction <<= 1;
		if (rest >= n) {
			rest -= n;
			fraction |= 1;
		}
	}
	return fraction;
}

static void scaled_expected(struct model *m, unsigned int who,
			    struct ptree_scaled *out)
{
	unsigned int slot, id, n;
	u64 fraction[MEMBERS + 1];

	for (n = 1; n <= MEMBERS; n++)
		fraction[n] = fraction_of(4096 % n, n);
	*out = (struct ptree_scaled){};
	for (slot = 0; slot < SLOTS; slot++) {
		id = m->page[who][slot];
		if (id == NO_PAGE)
			continue;
		n = m->cells[id];
		if (!CHECK(m->test, n >= 1 && n <= MEMBERS))
			return;
		out->bytes += 4096 / n;
		out->fraction += fraction[n];
		if (out->fraction >> 63) {
			out->fraction -= 1ULL << 63;
			out->bytes++;
		}
	}
}

static void check_scaled(struct model *m)
{
	struct ptree_scaled scaled, expected, sum = {};
	const struct ptree *members[MEMBERS];
	unsigned int id, who;
	u64 all = 0;

	for (who = 0; who < MEMBERS; who++)
		members[who] = &m->tree[who];
	for (id = 0; id < TEST_PAGES; id++)
		all += m->cells[id] > 0 ? 4096 : 0;
	for (who = 0; who < MEMBERS; who++) {
		ptree_scaled(members, MEMBERS, who, m->scratch, &scaled);
		scaled_expected(m, who, &expected);
		CHECK(m->test, scaled.bytes == expected.bytes);
		CHECK(m->test, scaled.fraction == expected.fraction);
		sum.bytes += scaled.bytes;
		sum.fraction += scaled.fraction;
		if (sum.fraction >> 63) {
			sum.fraction -= 1ULL << 63;
			sum.bytes++;
		}
	}
	/* Only fractions of a fraction are lost. */
	if (sum.fraction)
		sum.bytes++;
	CHECK(m->test, sum.bytes == all);
}

static void check_all(struct model *m)
{
	unsigned int who;

	check_counts(m);
	check_pages(m);
	for (who = 0; who < MEMBERS; who++) {
		check_content(m, who);
		check_marks(m, who);
		check_run(m, who);
		check_search(m, who);
	}
	check_scaled(m);
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
		check_all(m);
		if (test->failures)
			break;
	}
	for (who = 0; who < MEMBERS; who++)
		step_clear(m, who);
	CHECK(test, !atomic_long_read(&ptree_nr_nodes));
	CHECK(test, !atomic_long_read(&ptree_nr_descs));
	CHECK(test, !test_pages_live());
	ptree_scratch_free(m->scratch);
out:
	kvfree(m);
}
