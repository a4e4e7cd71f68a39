// SPDX-License-Identifier: GPL-2.0
/* The steps of the model test that change one tree by another. */
#include <linux/errno.h>
#include <linux/kernel.h>

#include "page_tree_model.h"

static unsigned int another(struct model *m, unsigned int who)
{
	return (who + 1 + rnd(m, MEMBERS - 1)) % MEMBERS;
}

/* All marks of a range go. */
static void clear_marks(struct model *m, unsigned int who, unsigned int low,
			unsigned int high, u64 first, u64 last)
{
	CHECK(m->test, !ptree_clear_marks(&m->tree[who], first, last, NULL,
					  NULL, NULL));
	for (; low <= high; low++)
		m->mark[who][low] = false;
}

/**
 * model_step_graft() - give a range of one tree to another
 * @m: the model
 * @who: the tree that gives
 */
void model_step_graft(struct model *m, unsigned int who)
{
	unsigned int low, high, to = another(m, who);
	struct ptree before = m->tree[who];
	struct ptree_dead dead = {};
	enum injection injection;
	struct ptree_stash stash;
	u64 first, last;
	int err;

	model_range(m, &low, &high, &first, &last);
	clear_marks(m, who, low, high, first, last);
	injection = model_inject(m, &stash);
	err = ptree_graft(&m->tree[to], &m->tree[who], first, last, &stash,
			  &dead);
	model_inject_end(m, &stash, err, injection);
	CHECK(m->test, before.root == m->tree[who].root);
	if (err)
		CHECK(m->test, !dead.nodes && !dead.descs);
	ptree_reap(&dead);
	for (; !err && low <= high; low++) {
		model_see(m, to, low, m->page[who][low]);
		m->mark[to][low] = false;
		m->result->grafted += is_page(m->page[to][low]);
	}
}

/*
 * Moving
 */

/* One page in eight is held by somebody. */
static bool page_held(const struct ptree_desc *desc)
{
	return test_page_id(desc->page) % 8 == 0;
}

static bool move_take(struct ptree_desc *desc, void *arg)
{
	struct model *m = arg;

	CHECK(m->test, ptree_desc_exclusive(desc));
	CHECK(m->test, m->cells[test_page_id(desc->page)] == 1);
	return !page_held(desc);
}

static int move_copy(struct ptree_desc *desc, u64 index,
		     struct ptree_desc **copy, void *arg)
{
	unsigned int slot, id = test_page_id(desc->page);
	struct page *page = test_page();
	struct model *m = arg;

	CHECK(m->test, m->cells[id] > 1 || page_held(desc));
	slot = slot_from(m, index);
	if (!CHECK(m->test, slot < SLOTS && m->index[slot] == index))
		return -EINVAL;
	*copy = ptree_desc_alloc(m->stash, index, page);
	if (!*copy) {
		ptree_page_free(page, 0);
		return -ENOMEM;
	}
	m->copy[slot] = test_page_id(page);
	return 0;
}

/* A step went from where @before was to where @after is. */
static void move_done(struct model *m, unsigned int from, unsigned int to,
		      const struct ptree_move *before,
		      const struct ptree_move *after)
{
	unsigned int src = slot_from(m, before->src);
	unsigned int dst, id;

	CHECK(m->test, after->src > before->src);
	CHECK(m->test, after->src - before->src == before->left - after->left);
	CHECK(m->test, after->src - before->src == after->dst - before->dst);
	for (; src < SLOTS && m->index[src] < after->src; src++) {
		dst = slot_from(m, before->dst + (m->index[src] - before->src));
		id = m->page[from][src];
		if (m->copy[dst] != NO_PAGE) {
			id = m->copy[dst];
			m->result->copied++;
		} else if (is_page(id)) {
			m->result->moved++;
		}
		model_see(m, from, src, NO_PAGE);
		model_see(m, to, dst, id);
		m->mark[to][dst] = false;
	}
}

static int move_step(struct model *m, unsigned int from, unsigned int to,
		     struct ptree_move *move)
{
	const struct ptree_need descs = { .descs = PTREE_LEAF_SLOTS };
	struct ptree_move before = *move;
	enum injection injection;
	struct ptree_stash stash;
	unsigned int slot;
	int err;

	for (slot = 0; slot < SLOTS; slot++)
		m->copy[slot] = NO_PAGE;
	injection = model_inject(m, &stash);
	if (injection == STASHED) {
		test_fail_allocations(-1, 0);
		CHECK(m->test,
		      !ptree_stash_fill_need(&stash, &descs, GFP_KERNEL));
		test_fail_allocations(0, ~0UL);
	}
	m->stash = &stash;
	move->stash = &stash;
	err = ptree_move_step(move);
	model_inject_end(m, &stash, err, injection);
	if (err)
		CHECK(m->test, move->left == before.left &&
		      move->src == before.src && move->dst == before.dst);
	else
		move_done(m, from, to, &before, move);
	return err;
}

/* How many slots from @a on are as far apart as those from @b on. */
static unsigned int same_distances(struct model *m, unsigned int a,
				   unsigned int b)
{
	unsigned int n, most = rnd(m, 4) ? 1 + rnd(m, 60) : SLOTS;

	for (n = 1; n < most && a + n < SLOTS && b + n < SLOTS; n++) {
		if (m->index[a + n] - m->index[a] !=
		    m->index[b + n] - m->index[b])
			break;
	}
	return n;
}

/* How many indexes before a slot, or after it, belong to no slot. */
static u64 gap_before(const struct model *m, unsigned int slot)
{
	return m->index[slot] - (slot ? m->index[slot - 1] + 1 : 0);
}

static u64 gap_after(const struct model *m, unsigned int slot)
{
	return (slot + 1 < SLOTS ? m->index[slot + 1] - 1 : PTREE_MAX_INDEX) -
	       m->index[slot];
}

/* A range of slots at @a, with some of what is around it, to one at @b. */
static bool choose_move(struct model *m, unsigned int a, unsigned int b,
			struct ptree_move *move)
{
	unsigned int n = same_distances(m, a, b);
	u64 gap;

	move->src = m->index[a];
	move->dst = m->index[b];
	move->left = m->index[a + n - 1] - m->index[a] + 1;
	gap = min(gap_before(m, a), gap_before(m, b));
	if (!rnd(m, 4)) {
		gap = test_random(&m->rng) % (gap + 1);
		move->src -= gap;
		move->dst -= gap;
		move->left += gap;
	}
	gap = min(gap_after(m, a + n - 1), gap_after(m, b + n - 1));
	if (!rnd(m, 4))
		move->left += test_random(&m->rng) % (gap + 1);
	return move->from != move->to ||
	       move->src + move->left <= move->dst ||
	       move->dst + move->left <= move->src;
}

/* Nobody moves markers. */
static bool has_markers(const struct model *m, unsigned int who,
			const struct ptree_move *move)
{
	unsigned int slot = slot_from(m, move->src);

	for (; slot < SLOTS && m->index[slot] < move->src + move->left; slot++) {
		if (m->page[who][slot] > NO_PAGE)
			return true;
	}
	return false;
}

/**
 * model_step_move() - move pages to other slots
 * @m: the model
 * @who: the tree that they come from
 */
void model_step_move(struct model *m, unsigned int who)
{
	static const struct ptree_mover mover = {
		.take = move_take,
		.copy = move_copy,
	};
	unsigned int a = model_slot(m, who), b = rnd(m, SLOTS);
	unsigned int to = rnd(m, 3) ? another(m, who) : who;
	struct ptree_dead dead = {};
	struct ptree_move move = {
		.from = &m->tree[who],
		.to = &m->tree[to],
		.mover = &mover,
		.arg = m,
		.dead = &dead,
	};

	/* Half of them with the same place in their leaves. */
	if (rnd(m, 2))
		b = (a + 16 * rnd(m, SLOTS / 16)) % SLOTS;
	if (!choose_move(m, a, b, &move) || has_markers(m, who, &move))
		return;
	while (move.left && !m->test->failures) {
		if (move_step(m, who, to, &move))
			break;
		/* What is dead still shares, and would be copied for it. */
		ptree_reap(&dead);
	}
	CHECK(m->test, !dead.nodes && !dead.descs);
}
