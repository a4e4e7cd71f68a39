// SPDX-License-Identifier: GPL-2.0
/*
 * The persistent page tree: where nodes and descriptors come from.
 *
 * Under the owner's lock nothing waits for memory: first the allocator is
 * asked for what it has at once, then the stash.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "page_tree_internal.h"

/* A test build of the tree may be loaded beside the module. */
#ifndef PTREE_CACHE_PREFIX
#define PTREE_CACHE_PREFIX "cowvmo"
#endif

/* Most nodes that one path can need: growing to the top, then down again. */
#define PATH_SMALL	(2 * (PTREE_MAX_LEVELS - 2))
#define PATH_BIG	2

#define GFP_UNDER_LOCK	(GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN)

atomic_long_t ptree_nr_nodes;
atomic_long_t ptree_nr_descs;

static struct kmem_cache *small_cache;
static struct kmem_cache *big_cache;
static struct kmem_cache *desc_cache;

/**
 * ptree_caches_create() - make the slab caches that all trees share
 *
 * Context: Process context. Once, before anything else of the tree.
 * Return: 0 or -ENOMEM.
 */
int ptree_caches_create(void)
{
	small_cache = kmem_cache_create(PTREE_CACHE_PREFIX "_node16",
					ptree_node_bytes(0), 0, SLAB_ACCOUNT,
					NULL);
	big_cache = kmem_cache_create(PTREE_CACHE_PREFIX "_node32",
				      ptree_node_bytes(1), 0, SLAB_ACCOUNT,
				      NULL);
	desc_cache = kmem_cache_create(PTREE_CACHE_PREFIX "_page",
				       sizeof(struct ptree_desc), 0,
				       SLAB_ACCOUNT, NULL);
	if (small_cache && big_cache && desc_cache)
		return 0;
	ptree_caches_destroy();
	return -ENOMEM;
}

/**
 * ptree_caches_destroy() - undo ptree_caches_create()
 *
 * Context: Process context. All trees and stashes must be empty.
 */
void ptree_caches_destroy(void)
{
	kmem_cache_destroy(small_cache);
	kmem_cache_destroy(big_cache);
	kmem_cache_destroy(desc_cache);
	small_cache = NULL;
	big_cache = NULL;
	desc_cache = NULL;
}

static void *object_alloc(struct kmem_cache *cache, atomic_long_t *live,
			  gfp_t gfp)
{
	void *object;

	if (unlikely(ptree_should_fail()))
		return NULL;
	object = kmem_cache_alloc(cache, gfp);
	if (likely(object))
		atomic_long_inc(live);
	return object;
}

static void object_free(struct kmem_cache *cache, atomic_long_t *live,
			void *object)
{
	kmem_cache_free(cache, object);
	atomic_long_dec(live);
}

/* Objects of a stash are linked through their first word. */
static void stash_push(void **list, unsigned long *have, void *object)
{
	*(void **)object = *list;
	*list = object;
	++*have;
}

static void *stash_pop(void **list, unsigned long *have)
{
	void *object = *list;

	if (object) {
		*list = *(void **)object;
		--*have;
	}
	return object;
}

static int stash_fill_nodes(struct kmem_cache *cache, void **list,
			    unsigned long *have, unsigned long want, gfp_t gfp)
{
	void *node;

	while (*have < want) {
		node = object_alloc(cache, &ptree_nr_nodes, gfp);
		if (!node)
			return -ENOMEM;
		stash_push(list, have, node);
	}
	return 0;
}

static void stash_drain_one(struct kmem_cache *cache, atomic_long_t *live,
			    void **list, unsigned long *have)
{
	void *object;

	while ((object = stash_pop(list, have)))
		object_free(cache, live, object);
}

/* Descriptors are wanted by the dozen, and are cheaper that way. */
static int stash_fill_descs(struct ptree_stash *stash, unsigned long want,
			    gfp_t gfp)
{
	void *descs[PTREE_LEAF_SLOTS];
	unsigned int i, nr;

	while (stash->have.descs < want) {
		nr = min_t(unsigned long, want - stash->have.descs,
			   PTREE_LEAF_SLOTS);
		if (ptree_should_fail() ||
		    !kmem_cache_alloc_bulk(desc_cache, gfp, nr, descs))
			return -ENOMEM;
		atomic_long_add(nr, &ptree_nr_descs);
		for (i = 0; i < nr; i++)
			stash_push(&stash->descs, &stash->have.descs, descs[i]);
	}
	return 0;
}

/**
 * ptree_stash_fill_need() - set memory aside
 * @stash: where to
 * @need: how much of each must be there in the end
 * @gfp: how to allocate
 *
 * Context: Sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM; what was allocated stays in the stash either way.
 */
int ptree_stash_fill_need(struct ptree_stash *stash,
			  const struct ptree_need *need, gfp_t gfp)
{
	gfp |= __GFP_ACCOUNT;
	if (stash_fill_nodes(small_cache, &stash->small, &stash->have.small,
			     need->small, gfp) ||
	    stash_fill_nodes(big_cache, &stash->big, &stash->have.big,
			     need->big, gfp) ||
	    stash_fill_descs(stash, need->descs, gfp))
		return -ENOMEM;
	return 0;
}

/**
 * ptree_stash_fill() - set memory aside for whole paths
 * @stash: where to
 * @paths: number of slots that are to be written, each with a descriptor; a
 *         range, a clone, a graft or a step of a move takes two
 * @gfp: how to allocate
 *
 * Enough for any tree, however much it has to grow.
 *
 * Context: Sleeps if @gfp allows it.
 * Return: 0 or -ENOMEM; what was allocated stays in the stash either way.
 */
int ptree_stash_fill(struct ptree_stash *stash, unsigned int paths, gfp_t gfp)
{
	const struct ptree_need need = {
		.small = (unsigned long)paths * PATH_SMALL,
		.big = (unsigned long)paths * PATH_BIG,
		.descs = paths,
	};

	return ptree_stash_fill_need(stash, &need, gfp);
}

/**
 * ptree_stash_drain() - give back what is left in a stash
 * @stash: the stash, empty afterwards
 *
 * Context: Any context that may free slab memory.
 */
void ptree_stash_drain(struct ptree_stash *stash)
{
	stash_drain_one(small_cache, &ptree_nr_nodes, &stash->small,
			&stash->have.small);
	stash_drain_one(big_cache, &ptree_nr_nodes, &stash->big,
			&stash->have.big);
	stash_drain_one(desc_cache, &ptree_nr_descs, &stash->descs,
			&stash->have.descs);
}

/**
 * ptree_node_alloc() - make a node
 * @level: its level
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Context: Does not sleep.
 * Return: a node with one count, without marks, its slots, @nr and @pages yet
 * to be filled in; or NULL.
 */
struct ptree_node *ptree_node_alloc(unsigned int level,
				    struct ptree_stash *stash)
{
	struct ptree_node *node;

	node = object_alloc(level == 1 ? big_cache : small_cache,
			    &ptree_nr_nodes, GFP_UNDER_LOCK);
	if (unlikely(!node) && stash)
		node = level == 1 ?
		       stash_pop(&stash->big, &stash->have.big) :
		       stash_pop(&stash->small, &stash->have.small);
	if (likely(node)) {
		atomic_set(&node->refs, 1);
		node->level = level;
		node->marks = 0;
	}
	return node;
}

/**
 * ptree_node_alloc_empty() - make a node with nothing in it
 * @level: its level
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Context: Does not sleep.
 * Return: a node with one count, or NULL.
 */
struct ptree_node *ptree_node_alloc_empty(unsigned int level,
					  struct ptree_stash *stash)
{
	struct ptree_node *node = ptree_node_alloc(level, stash);

	if (node) {
		node->nr = 0;
		node->pages = 0;
		memset(node->child, 0, ptree_width(level) * sizeof(void *));
	}
	return node;
}

/**
 * ptree_node_alloc_filled() - a node with one marker in all of its slots
 * @level: level of the node
 * @marker: the marker
 * @stash: used when memory is not to be had at once; may be NULL
 *
 * Return: the node, with a count of one, or NULL without memory.
 */
struct ptree_node *ptree_node_alloc_filled(unsigned int level,
					   unsigned int marker,
					   struct ptree_stash *stash)
{
	struct ptree_node *node = ptree_node_alloc_empty(level, stash);
	unsigned int i, width = ptree_width(level);

	if (!node)
		return NULL;
	for (i = 0; i < width; i++)
		node->child[i] = ptree_marker(marker);
	node->nr = width;
	return node;
}

/**
 * ptree_node_free() - free a node that nobody reaches
 * @node: the node; its slots no longer count
 *
 * Context: Any context that may free slab memory.
 */
void ptree_node_free(struct ptree_node *node)
{
	object_free(node->level == 1 ? big_cache : small_cache,
		    &ptree_nr_nodes, node);
}

/**
 * ptree_desc_free() - free a descriptor that nobody names, and its page
 * @desc: the descriptor
 *
 * Context: Any context that may free slab memory.
 */
void ptree_desc_free(struct ptree_desc *desc)
{
	if (desc->page)
		ptree_page_free(desc->page, desc->flags);
	object_free(desc_cache, &ptree_nr_descs, desc);
}

/**
 * ptree_desc_alloc() - make a descriptor
 * @stash: taken from first, whatever else it is for; may be NULL
 * @index: tree index of the content
 * @page: the content, the descriptor's from now on; NULL to set it later
 *
 * Context: Does not sleep.
 * Return: a descriptor with one count, the caller's, or NULL, and then @page
 * is still the caller's.
 */
struct ptree_desc *ptree_desc_alloc(struct ptree_stash *stash, u64 index,
				    struct page *page)
{
	struct ptree_desc *desc = NULL;

	if (stash)
		desc = stash_pop(&stash->descs, &stash->have.descs);
	if (!desc) {
		desc = object_alloc(desc_cache, &ptree_nr_descs, GFP_UNDER_LOCK);
		if (unlikely(!desc))
			return NULL;
	}
	atomic_set(&desc->leaves, 1);
	desc->flags = 0;
	desc->page = page;
	desc->index = index;
	return desc;
}

/**
 * ptree_desc_put() - drop one count of a descriptor
 * @desc: the descriptor
 *
 * Frees it and its page with the last one.
 *
 * Context: Does not sleep.
 */
void ptree_desc_put(struct ptree_desc *desc)
{
	if (ptree_ref_drop(&desc->leaves))
		ptree_desc_free(desc);
}

/**
 * ptree_desc_exclusive() - whether the caller's count is the only one
 * @desc: the descriptor
 *
 * Context: Any.
 * Return: true if no other leaf names it. Only together with an exclusive path
 * does that make the page the tree's own.
 */
bool ptree_desc_exclusive(const struct ptree_desc *desc)
{
	return ptree_ref_alone(&desc->leaves);
}
