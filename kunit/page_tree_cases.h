/* SPDX-License-Identifier: GPL-2.0 */
/* What the unit cases of the page tree have in common. */
#ifndef PAGE_TREE_CASES_H
#define PAGE_TREE_CASES_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "page_tree_test.h"

#define LAST	PTREE_MAX_INDEX

static inline void drop_tree(struct ptree *tree)
{
	struct ptree_dead dead = {};

	ptree_clear(tree, &dead);
	ptree_reap(&dead);
}

/* Put a new page at @index, marked if asked; returns the page. */
static inline struct page *put_page_at(struct ptree_test *t,
				       struct ptree *tree, u64 index, bool mark)
{
	struct page *page = test_page();
	struct ptree_cursor cursor;
	struct ptree_desc *old;

	if (!CHECK(t, !ptree_cursor_open(&cursor, tree, index, NULL))) {
		ptree_page_free(page, 0);
		return NULL;
	}
	old = ptree_cursor_store(&cursor, ptree_desc_alloc(NULL, index, page));
	if (old)
		ptree_desc_put(old);
	if (mark)
		ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
	return page;
}

static inline void fill(struct ptree_test *t, struct ptree *tree, u64 first,
			u64 last)
{
	for (; first <= last; first++)
		put_page_at(t, tree, first, false);
}

static inline void mark_at(struct ptree_test *t, struct ptree *tree, u64 index)
{
	struct ptree_cursor cursor;

	CHECK(t, !ptree_cursor_open(&cursor, tree, index, NULL));
	ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
}

static inline struct page *page_at(const struct ptree *tree, u64 index)
{
	struct ptree_desc *desc = ptree_lookup(tree, index);

	return desc ? desc->page : NULL;
}

static inline bool is_zero(const struct ptree *tree)
{
	return !tree->root && !tree->prefix && !tree->level;
}

static inline void erase(struct ptree_test *t, struct ptree *tree, u64 first,
			 u64 last)
{
	struct ptree_dead dead = {};

	CHECK(t, !ptree_erase(tree, first, last, NULL, &dead));
	ptree_reap(&dead);
}

static inline long live_nodes(void)
{
	return atomic_long_read(&ptree_nr_nodes);
}

/* One array per file; the last element is empty. */
extern const struct test_case slot_cases[];
extern const struct test_case range_cases[];
extern const struct test_case view_cases[];
extern const struct test_case diff_cases[];
extern const struct test_case graft_cases[];
extern const struct test_case marker_cases[];
extern const struct test_case move_cases[];

#endif /* PAGE_TREE_CASES_H */
