// SPDX-License-Identifier: GPL-2.0
/*
 * A page tree of the test module's own, so that it can be loaded beside the
 * module, and injects failures into nothing but itself.
 */
#define PTREE_CACHE_PREFIX "cowvmo_kunit"

#include "../cowvmo/page_tree.c"
#include "../cowvmo/page_tree_diff.c"
#include "../cowvmo/page_tree_find.c"
#include "../cowvmo/page_tree_marks.c"
#include "../cowvmo/page_tree_memory.c"
#include "../cowvmo/page_tree_move.c"
#include "../cowvmo/page_tree_range.c"
#include "../cowvmo/page_tree_share.c"
#include "../cowvmo/page_tree_stats.c"
