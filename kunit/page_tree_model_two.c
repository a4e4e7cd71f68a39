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
		m->result->grafted += m->page[to][low] != NO_PAGE;
	}
}
