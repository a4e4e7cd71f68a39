// SPDX-License-Identifier: GPL-2.0
/* What must hold after each step of the model test. */
#include <linux/kernel.h>
#include <linux/string.h>

#include "page_tree_model.h"

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
		wrong += (desc ? test_page_id(desc->page) : NO_PAGE) !=
			 as_page(id);
		if (is_page(id)) {
			all++;
			own += m->cells[id] == 1;
		}
	}
	CHECK(m->test, wrong == 0);
	CHECK(m->test, ptree_populated(tree) == all);
	CHECK(m->test, ptree_private(tree) == own);
	CHECK_NULL(m->test, ptree_validate(tree));
}

/* What makes a path shared up to @last is shared by all that is there. */
static bool all_shared(const struct model *m, unsigned int who, u64 first,
		       u64 last)
{
	unsigned int slot, id;

	for (slot = 0; slot < SLOTS; slot++) {
		id = m->page[who][slot];
		if (m->index[slot] >= first && m->index[slot] <= last &&
		    is_page(id) && m->cells[id] < 2)
			return false;
	}
	return true;
}

static void check_inspect(struct model *m, unsigned int who)
{
	unsigned int id, slot, wrong = 0;
	struct ptree_slot seen;

	for (slot = 0; slot < SLOTS; slot++) {
		id = m->page[who][slot];
		ptree_inspect(&m->tree[who], m->index[slot], &seen);
		wrong += seen.desc != ptree_lookup(&m->tree[who],
						   m->index[slot]);
		wrong += seen.alone != (is_page(id) && m->cells[id] == 1);
		wrong += seen.marked != m->mark[who][slot];
		wrong += seen.last > m->index[slot] &&
			 !all_shared(m, who, m->index[slot], seen.last);
	}
	CHECK(m->test, wrong == 0);
}

/* What is asked about one slot, and of all of them the sum. */
static void check_alone(struct model *m, unsigned int who)
{
	const struct ptree *tree = &m->tree[who];
	unsigned int id, slot, wrong = 0;
	struct ptree_slot state;

	for (slot = rnd(m, 8); slot < SLOTS; slot += 1 + rnd(m, 8)) {
		ptree_inspect(tree, m->index[slot], &state);
		id = m->page[who][slot];
		wrong += (state.desc ? test_page_id(state.desc->page) :
			  NO_PAGE) != as_page(id);
		wrong += state.alone != (is_page(id) && m->cells[id] == 1);
	}
	CHECK(m->test, wrong == 0);
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
		wrong += (pages[i] ? test_page_id(pages[i]) : NO_PAGE) !=
			 as_page(id);
	}
	CHECK(m->test, wrong == 0);
}

/* What is there, and what is said of all that is around it. */
static void check_look(struct model *m, unsigned int who)
{
	unsigned int slot, other, wrong = 0;
	struct ptree_look look;
	u16 id;

	for (slot = rnd(m, 8); slot < SLOTS; slot += 1 + rnd(m, 8)) {
		ptree_look(&m->tree[who], m->index[slot], &look);
		id = m->page[who][slot];
		wrong += (look.desc ? test_page_id(look.desc->page) :
			  MARKER(look.marker)) != id;
		wrong += look.first > m->index[slot];
		wrong += look.last < m->index[slot];
		other = slot_from(m, look.first);
		for (; other < SLOTS && m->index[other] <= look.last; other++)
			wrong += m->page[who][other] != id;
	}
	CHECK(m->test, wrong == 0);
}

struct visited {
	struct model *m;
	const u16 *page;
	unsigned int slots;
	unsigned int wrong;
	u64 next;
};

static bool note_visit(u64 first, u64 last, struct ptree_desc *desc,
		       unsigned int marker, void *arg)
{
	struct visited *visited = arg;
	const struct model *m = visited->m;
	unsigned int slot = slot_from(m, first);
	u64 at;

	visited->wrong += first < visited->next || last < first;
	visited->next = last + 1;
	for (at = first; at <= last; at++, slot++) {
		if (slot == SLOTS || m->index[slot] != at) {
			visited->wrong++;
			return false;
		}
		visited->slots++;
		visited->wrong += visited->page[slot] !=
				  (desc ? test_page_id(desc->page) :
				   MARKER(marker));
	}
	return true;
}

static void check_visit(struct model *m, unsigned int who)
{
	struct visited visited = { .m = m, .page = m->page[who] };
	unsigned int low, high, used = 0;
	u64 first, last;

	model_range(m, &low, &high, &first, &last);
	CHECK(m->test, ptree_visit(&m->tree[who], first, last, note_visit,
				   &visited));
	for (; low <= high; low++)
		used += m->page[who][low] != NO_PAGE;
	CHECK(m->test, !visited.wrong && visited.slots == used);
}

static void check_next_data(struct model *m, unsigned int who, u64 from,
			    u64 last)
{
	unsigned int slot = slot_from(m, from);
	u64 found = 0;
	bool any;

	while (slot < SLOTS && !is_page(m->page[who][slot]))
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

static void note_run(u64 first, u64 last, void *arg)
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
		m->seen[slot] = true;
	}
}

static void notes_start(struct model *m)
{
	memset(m->seen, 0, sizeof(m->seen));
	m->next_run = 0;
}

static void check_marks(struct model *m, unsigned int who)
{
	unsigned int slot, low = 0, high = SLOTS - 1, wrong = 0;
	u64 first = 0, last = ~0ULL;
	bool expected;

	if (!rnd(m, 3))
		model_range(m, &low, &high, &first, &last);
	notes_start(m);
	ptree_visit_marked_runs(&m->tree[who], first, last, note_run, m);
	for (slot = 0; slot < SLOTS; slot++) {
		expected = slot >= low && slot <= high && m->mark[who][slot];
		wrong += m->seen[slot] != expected;
	}
	CHECK(m->test, wrong == 0);
}

static bool note_difference(u64 first, u64 last, void *arg)
{
	struct model *m = arg;

	note_run(first, last, m);
	return !m->runs_left || --m->runs_left;
}

/* In one go, or in several that end after a few runs each. */
static void check_diff(struct model *m, unsigned int who)
{
	unsigned int slot, low, high, with = rnd(m, MEMBERS), wrong = 0;
	bool expected, done, bounded;
	u64 first, last;

	model_range(m, &low, &high, &first, &last);
	notes_start(m);
	do {
		m->runs_left = rnd(m, 3) ? 0 : 1 + rnd(m, 4);
		bounded = m->runs_left;
		done = ptree_diff(&m->tree[who], &m->tree[with], first, last,
				  note_difference, m);
		/* It ends when it is told to, and only then. */
		if (!CHECK(m->test, done == (!bounded || m->runs_left)))
			return;
		first = m->next_run - 1;
	} while (!done);
	for (slot = 0; slot < SLOTS; slot++) {
		expected = slot >= low && slot <= high &&
			   m->page[who][slot] != m->page[with][slot];
		wrong += m->seen[slot] != expected;
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
		if (!is_page(id))
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
	struct ptree_share shares[MEMBERS];
	unsigned int id, who;
	u64 all = 0;

	for (who = 0; who < MEMBERS; who++)
		members[who] = &m->tree[who];
	for (id = 0; id < TEST_PAGES; id++)
		all += m->cells[id] > 0 ? 4096 : 0;
	ptree_shares(members, MEMBERS, m->scratch, shares);
	for (who = 0; who < MEMBERS; who++) {
		ptree_scaled(members, MEMBERS, who, m->scratch, &scaled);
		scaled_expected(m, who, &expected);
		CHECK(m->test, scaled.bytes == expected.bytes);
		CHECK(m->test, scaled.fraction == expected.fraction);
		CHECK(m->test, shares[who].scaled.bytes == expected.bytes);
		CHECK(m->test,
		      shares[who].scaled.fraction == expected.fraction);
		CHECK(m->test,
		      shares[who].private == ptree_private(members[who]));
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

void model_check(struct model *m)
{
	unsigned int who;

	check_counts(m);
	check_pages(m);
	for (who = 0; who < MEMBERS; who++) {
		check_content(m, who);
		check_alone(m, who);
		check_inspect(m, who);
		check_marks(m, who);
		check_diff(m, who);
		check_run(m, who);
		check_look(m, who);
		check_visit(m, who);
		check_search(m, who);
	}
	check_scaled(m);
}
