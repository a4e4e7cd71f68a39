// SPDX-License-Identifier: GPL-2.0
/*
 * Relatives in several threads, no lock in common: what the rules about counts
 * are for. Run under the thread sanitizer, which sees a missing acquire or
 * release; the end of each round shows that freeing was exact.
 *
 * The threads of a round start from one tree, for sharing between them is used
 * up as they write. A page's content is changed in place when it is exclusive.
 *
 *   page_tree_threads [ROUNDS [SEED]]
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "page_tree_test.h"

#define THREADS		4
#define MEMBERS		3
#define SLOTS		300
#define STEPS		150
#define DEFAULT_ROUNDS	150

/* What the embedder's page is here. */
struct stub_page {
	u64 value;
};

static atomic_long_t live_pages;
static __thread u64 failing;

struct worker {
	pthread_t thread;
	u64 rng;
	u64 next_value;
	struct ptree tree[MEMBERS];
	u64 value[MEMBERS][SLOTS];
	unsigned long wrong;
	unsigned long in_place;
	unsigned long forked;
};

static struct worker workers[THREADS];

u64 test_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

void ptree_page_free(struct page *page, u32 flags)
{
	atomic_long_dec(&live_pages);
	free(page);
}

/* One allocation in 64 fails where a stash can help. */
bool ptree_should_fail(void)
{
	return failing && !(test_random(&failing) >> 58);
}

static struct stub_page *page_new(u64 value)
{
	struct stub_page *page = malloc(sizeof(*page));

	if (!page)
		abort();
	page->value = value;
	atomic_long_inc(&live_pages);
	return page;
}

/* Spread over several nodes of each level. */
static u64 slot_index(unsigned int slot)
{
	return slot < SLOTS / 2 ? slot : (1ULL << 33) + 3 * slot;
}

static unsigned int rnd(struct worker *w, unsigned int below)
{
	return (test_random(&w->rng) >> 32) % below;
}

static void store(struct ptree *tree, unsigned int slot, u64 value,
		  struct worker *w)
{
	u64 index = slot_index(slot);
	struct ptree_stash stash = {};
	struct ptree_cursor cursor;
	struct ptree_desc *desc, *old;

	if (ptree_stash_fill(&stash, 1, GFP_KERNEL))
		abort();
	failing = w ? test_random(&w->rng) | 1 : 0;
	if (ptree_cursor_open(&cursor, tree, index, &stash))
		abort();
	old = ptree_cursor_desc(&cursor);
	if (old && ptree_desc_exclusive(old)) {
		((struct stub_page *)old->page)->value = value;
		if (w)
			w->in_place++;
	} else {
		desc = ptree_desc_alloc(&stash, index,
					(struct page *)page_new(value));
		if (!desc)
			abort();
		old = ptree_cursor_store(&cursor, desc);
		if (old)
			ptree_desc_put(old);
		if (old && w)
			w->forked++;
	}
	ptree_cursor_mark(&cursor);
	ptree_cursor_close(&cursor);
	failing = 0;
	ptree_stash_drain(&stash);
}

static void drop_tree(struct ptree *tree)
{
	struct ptree_dead dead = {};

	ptree_clear(tree, &dead);
	ptree_reap(&dead);
}

static void clone_tree(struct ptree *tree, unsigned int low, unsigned int high,
		       struct ptree *clone)
{
	u64 first = slot_index(low), last = slot_index(high);
	struct ptree_stash stash = {};

	if (ptree_stash_fill(&stash, 2, GFP_KERNEL))
		abort();
	ptree_clear_marks(tree, first, last, NULL, NULL, NULL);
	if (ptree_clone(tree, first, last, &stash, clone))
		abort();
	ptree_stash_drain(&stash);
}

static void work_write(struct worker *w, unsigned int who)
{
	unsigned int i, slot = rnd(w, SLOTS);

	for (i = 0; i < 8; i++) {
		store(&w->tree[who], slot, ++w->next_value, w);
		w->value[who][slot] = w->next_value;
		slot = (slot + 1 + rnd(w, 30)) % SLOTS;
	}
}

static void work_read(struct worker *w, unsigned int who)
{
	unsigned int i, slot = rnd(w, SLOTS);
	struct ptree_desc *desc;
	u64 value;

	for (i = 0; i < 30; i++) {
		desc = ptree_lookup(&w->tree[who], slot_index(slot));
		value = desc ? ((struct stub_page *)desc->page)->value : 0;
		w->wrong += value != w->value[who][slot];
		slot = (slot + 1) % SLOTS;
	}
}

static void work_erase(struct worker *w, unsigned int who)
{
	unsigned int low = rnd(w, SLOTS), high = low + rnd(w, SLOTS - low);
	struct ptree_dead dead = {};

	if (ptree_erase(&w->tree[who], slot_index(low), slot_index(high), NULL,
			&dead))
		abort();
	ptree_reap(&dead);
	for (; low <= high; low++)
		w->value[who][low] = 0;
}

static void work_clone(struct worker *w, unsigned int who)
{
	unsigned int to = (who + 1 + rnd(w, MEMBERS - 1)) % MEMBERS;
	unsigned int low = 0, high = SLOTS - 1;

	drop_tree(&w->tree[to]);
	if (rnd(w, 2)) {
		low = rnd(w, SLOTS);
		high = low + rnd(w, SLOTS - low);
	}
	clone_tree(&w->tree[who], low, high, &w->tree[to]);
	memset(w->value[to], 0, sizeof(w->value[to]));
	for (; low <= high; low++)
		w->value[to][low] = w->value[who][low];
}

static void work_graft(struct worker *w, unsigned int who)
{
	unsigned int to = (who + 1 + rnd(w, MEMBERS - 1)) % MEMBERS;
	unsigned int low = rnd(w, SLOTS), high = low + rnd(w, SLOTS - low);
	u64 first = slot_index(low), last = slot_index(high);
	struct ptree_dead dead = {};

	ptree_clear_marks(&w->tree[who], first, last, NULL, NULL, NULL);
	if (ptree_graft(&w->tree[to], &w->tree[who], first, last, NULL, &dead))
		abort();
	ptree_reap(&dead);
	for (; low <= high; low++)
		w->value[to][low] = w->value[who][low];
}

static bool take_any(struct ptree_desc *desc, void *arg)
{
	return true;
}

/* Everybody may be reading what is copied. */
static int copy_page(struct ptree_desc *desc, u64 index,
		     struct ptree_desc **copy, void *arg)
{
	struct stub_page *page = (struct stub_page *)desc->page;

	*copy = ptree_desc_alloc(NULL, index,
				 (struct page *)page_new(page->value));
	return *copy ? 0 : -ENOMEM;
}

/* Slots of each half are as far apart as their indexes, or a third of that. */
static void work_move(struct worker *w, unsigned int who)
{
	static const struct ptree_mover mover = {
		.take = take_any,
		.copy = copy_page,
	};
	unsigned int to = (who + 1 + rnd(w, MEMBERS - 1)) % MEMBERS;
	unsigned int half = rnd(w, 2) ? SLOTS / 2 : 0, i;
	unsigned int nr = 1 + rnd(w, SLOTS / 2);
	unsigned int src = half + rnd(w, SLOTS / 2 - nr + 1);
	unsigned int dst = half + rnd(w, SLOTS / 2 - nr + 1);
	struct ptree_dead dead = {};
	struct ptree_move move = {
		.from = &w->tree[who],
		.to = &w->tree[to],
		.src = slot_index(src),
		.dst = slot_index(dst),
		.left = slot_index(src + nr - 1) - slot_index(src) + 1,
		.mover = &mover,
		.dead = &dead,
	};

	while (move.left) {
		if (ptree_move_step(&move))
			abort();
	}
	ptree_reap(&dead);
	for (i = 0; i < nr; i++) {
		w->value[to][dst + i] = w->value[who][src + i];
		w->value[who][src + i] = 0;
	}
}

static bool count_slots(u64 first, u64 last, void *arg)
{
	unsigned int *slots = arg;

	*slots += last - first + 1;
	return true;
}

/* Copies that a move made have equal values, but differ. */
static void work_diff(struct worker *w, unsigned int who)
{
	unsigned int slot, slots = 0, least = 0, with = rnd(w, MEMBERS);

	ptree_diff(&w->tree[who], &w->tree[with], 0, ~0ULL, count_slots,
		   &slots);
	for (slot = 0; slot < SLOTS; slot++)
		least += w->value[who][slot] != w->value[with][slot];
	w->wrong += slots < least;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i, who, what;

	for (i = 0; i < STEPS; i++) {
		who = rnd(w, MEMBERS);
		what = rnd(w, 100);
		if (what < 50)
			work_write(w, who);
		else if (what < 70)
			work_read(w, who);
		else if (what < 80)
			work_erase(w, who);
		else if (what < 88)
			work_clone(w, who);
		else if (what < 93)
			work_graft(w, who);
		else if (what < 95)
			work_move(w, who);
		else if (what < 98)
			work_diff(w, who);
		else
			w->wrong += ptree_private(&w->tree[who]) >
				    ptree_populated(&w->tree[who]);
	}
	for (who = 0; who < MEMBERS; who++) {
		w->wrong += !!ptree_validate(&w->tree[who]);
		drop_tree(&w->tree[who]);
	}
	return NULL;
}

/* All members of all threads begin as clones of one tree, which then goes. */
static void round_start(u64 *rng)
{
	struct ptree base = {};
	unsigned int i, j, slot;
	struct worker *w;

	for (slot = 0; slot < SLOTS; slot++)
		store(&base, slot, slot + 1, NULL);
	for (i = 0; i < THREADS; i++) {
		w = &workers[i];
		w->rng = test_random(rng) | 1;
		w->next_value = (u64)(i + 1) << 32;
		for (j = 0; j < MEMBERS; j++) {
			clone_tree(&base, 0, SLOTS - 1, &w->tree[j]);
			for (slot = 0; slot < SLOTS; slot++)
				w->value[j][slot] = slot + 1;
		}
	}
	drop_tree(&base);
}

static bool run_round(u64 *rng)
{
	unsigned long wrong = 0;
	unsigned int i;

	round_start(rng);
	for (i = 0; i < THREADS; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
	}
	return !wrong && !atomic_long_read(&ptree_nr_nodes) &&
	       !atomic_long_read(&ptree_nr_descs) &&
	       !atomic_long_read(&live_pages);
}

int main(int argc, char **argv)
{
	unsigned long i, in_place = 0, forked = 0, bad = 0;
	unsigned long rounds = DEFAULT_ROUNDS;
	u64 rng, seed = 20251;

	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		seed = strcmp(argv[2], "random") ? strtoull(argv[2], NULL, 0) :
						   (u64)time(NULL);
	if (ptree_caches_create())
		return 2;
	rng = seed * 0x9e3779b97f4a7c15ULL | 1;
	printf("TAP version 13\n1..1\n");
	for (i = 0; i < rounds; i++) {
		if (!run_round(&rng)) {
			printf("# round %lu went wrong\n", i);
			bad++;
		}
	}
	for (i = 0; i < THREADS; i++) {
		in_place += workers[i].in_place;
		forked += workers[i].forked;
	}
	printf("# %lu in place, %lu forked\n", in_place, forked);
	/* A test without sharing between threads would test nothing. */
	bad += !in_place || !forked;
	printf("%sok 1 - relatives in %u threads, seed %llu, %lu rounds\n",
	       bad ? "not " : "", THREADS, seed, rounds);
	ptree_caches_destroy();
	return bad ? 1 : 0;
}
