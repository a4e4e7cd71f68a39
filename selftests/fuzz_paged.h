/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of a VMO with a pager and of what is made of it, and the pager.
 *
 * A page is two halves, each full of one byte. The model knows the content of
 * every half, what the source has of it, and what is dirty; not what is present:
 * an operation may fail if the pager has failed a request meanwhile, or is
 * detached, but what it returns must be right.
 */
#ifndef COWVMO_SELFTEST_FUZZ_PAGED_H
#define COWVMO_SELFTEST_FUZZ_PAGED_H

#include "pager.h"

#define PP_PAGES	40U
#define PP_HALF		(PG / 2)
#define PP_VMOS		200U
#define PP_LIVE		6U

/**
 * struct pp_vmo - one of them
 * @fd: -1 once it is closed
 * @map: all of it
 * @pages: its size
 * @base: where it is in the root
 * @up: what shows through it; -1: nothing
 * @below: how many it shows through
 * @up_end: up to where, in pages of the root
 * @pit: its content is that of one instant
 * @group: made from each other, so that there is a hidden one above; 0: none
 * @own: it has this page itself, by pages of the root
 * @value: what is in there
 */
struct pp_vmo {
	int fd;
	unsigned char *map;
	unsigned int pages, base;
	int up;
	unsigned int below, up_end;
	bool pit;
	unsigned int group;
	bool own[PP_PAGES];
	unsigned char value[PP_PAGES][2];
};

/**
 * struct pp_model - all there is
 * @pager: the pager fd
 * @trap: the pager is asked before something becomes dirty
 * @detached: it gives nothing any more
 * @nr: VMOs that there ever were; 0 is the root
 * @vmo: them
 * @groups: members of each group
 * @source: what the source has
 * @dirty: not written back yet
 * @awaiting: being written back
 * @copied: what has been given to the source for that
 * @pending: of which pages
 * @thread: the pager's
 * @seed: of its choices
 * @stop: ends it
 * @failed: requests that it has failed
 */
struct pp_model {
	int pager;
	bool trap, detached;
	unsigned int nr;
	struct pp_vmo vmo[PP_VMOS];
	unsigned int groups[PP_VMOS + 1];
	unsigned char source[PP_PAGES][2];
	bool dirty[PP_PAGES], awaiting[PP_PAGES], pending[PP_PAGES];
	unsigned char copied[PP_PAGES][2];
	pthread_t thread;
	unsigned int seed;
	int stop, failed;
};

/* --- What is where */

static inline struct pp_vmo *pp_root(struct pp_model *m)
{
	return &m->vmo[0];
}

static inline unsigned char pp_value(struct pp_model *m, int v,
				     unsigned int index, unsigned int half)
{
	struct pp_vmo *at = &m->vmo[v];

	while (v && !at->own[index]) {
		if (index >= at->up_end)
			return 0;
		v = at->up;
		at = &m->vmo[v];
	}
	return at->value[index][half];
}

static inline bool pp_owns_any(const struct pp_vmo *vmo, unsigned int first,
			       unsigned int end)
{
	for (; first < end; first++) {
		if (vmo->own[first])
			return true;
	}
	return false;
}

static inline bool pp_below_hidden(const struct pp_model *m,
				   const struct pp_vmo *vmo)
{
	return vmo->group && m->groups[vmo->group] > 1;
}

/* Written to, by whatever means. */
static inline void pp_set(struct pp_model *m, int v, unsigned int index,
			  unsigned int half, unsigned char value)
{
	struct pp_vmo *vmo = &m->vmo[v];
	unsigned char other = pp_value(m, v, index, !half);

	vmo->value[index][half] = value;
	vmo->value[index][!half] = other;
	vmo->own[index] = true;
	if (!v) {
		m->dirty[index] = true;
		m->awaiting[index] = false;
	}
}

/* Gone for good when nobody has it, and nothing is below. */
static inline void pp_release(struct pp_model *m, int v)
{
	struct pp_vmo *vmo;

	while (v > 0 && m->vmo[v].fd < 0 && !m->vmo[v].below) {
		vmo = &m->vmo[v];
		if (vmo->group)
			m->groups[vmo->group]--;
		vmo->group = 0;
		v = vmo->up;
		m->vmo[v].below--;
	}
}

/* --- The pager: answers late, in part, by different means, or not well */

static inline unsigned int pp_rnd(unsigned int *seed, unsigned int below)
{
	return rand_r(seed) / 7 % below;
}

static inline void pp_fill(struct pp_model *m, unsigned char *to,
			   unsigned int page, unsigned int n)
{
	for (; n--; page++, to += PG) {
		memset(to, m->source[page][0], PP_HALF);
		memset(to + PP_HALF, m->source[page][1], PP_HALF);
	}
}

/* The first page alone if it is zeros, or all up to the next that is. */
static inline unsigned int pp_kind(struct pp_model *m, unsigned int page,
				   unsigned int n, bool *zero)
{
	unsigned int i;

	*zero = !m->source[page][0] && !m->source[page][1];
	for (i = 1; i < n; i++) {
		if (*zero != (!m->source[page + i][0] &&
			      !m->source[page + i][1]))
			break;
	}
	return i;
}

static inline int pp_give_moved(struct pp_model *m, const void *from,
				unsigned int page, unsigned int n)
{
	int aux = vmo_new(n * PG, 0), rc;

	if (aux < 0)
		return aux;
	rc = pwrite(aux, from, n * PG, 0) == (long)(n * PG) ?
	     pager_move(m->pager, pp_root(m)->fd, page, n, aux, 0) : -EIO;
	close(aux);
	return rc;
}

static inline int pp_give(struct pp_model *m, unsigned int *seed,
			  unsigned int page, unsigned int n)
{
	unsigned char *buf = aligned_alloc(PG, PP_PAGES * PG);
	int rc = 0, fd = pp_root(m)->fd;
	unsigned int part;
	bool zero;

	for (; !rc && n; page += part, n -= part) {
		part = pp_kind(m, page, n, &zero);
		pp_fill(m, buf, page, part);
		if (zero && pp_rnd(seed, 2))
			rc = pager_zero(m->pager, fd, page, part);
		else if (pp_rnd(seed, 3))
			rc = pager_copy(m->pager, fd, page, part, buf);
		else
			rc = pp_give_moved(m, buf, page, part);
	}
	free(buf);
	return rc;
}

static inline void pp_refuse(struct pp_model *m, unsigned int page,
			     unsigned int n, unsigned int code)
{
	__atomic_add_fetch(&m->failed, 1, __ATOMIC_SEQ_CST);
	pager_fail(m->pager, pp_root(m)->fd, page, n, code);
}

static inline void pp_answer(struct pp_model *m, unsigned int *seed,
			     const struct cowvmo_pager_request *request)
{
	unsigned int page = request->offset / PG, n = request->length / PG;
	unsigned int part = pp_rnd(seed, 3) ? n : 1 + pp_rnd(seed, n);
	static const int codes[] = { EIO, ENOSPC, EBADMSG };

	if (!pp_rnd(seed, 4))
		usleep(pp_rnd(seed, 300));
	if (!pp_rnd(seed, 16)) {
		pp_refuse(m, page, n, codes[pp_rnd(seed, 3)]);
		return;
	}
	if (request->command == COWVMO_PAGER_DIRTY_ASKED) {
		pager_dirty(m->pager, pp_root(m)->fd, page, n);
		return;
	}
	if (pp_give(m, seed, page, part))
		pp_refuse(m, page, n, EIO);
	else if (n > part && pp_give(m, seed, page + part, n - part))
		pp_refuse(m, page + part, n - part, EIO);
}

static inline void *pp_main(void *data)
{
	struct pp_model *m = data;
	struct pollfd fd = { .fd = m->pager, .events = POLLIN };
	struct cowvmo_pager_request request;
	unsigned int seed = m->seed;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		if (poll(&fd, 1, 5) == 1 &&
		    read(m->pager, &request, sizeof(request)) ==
		    sizeof(request) &&
		    request.command != COWVMO_PAGER_COMPLETE)
			pp_answer(m, &seed, &request);
	}
	return NULL;
}

/* --- Beginning and end */

static inline bool pp_begin(struct pp_model *m, unsigned int seed)
{
	struct pp_vmo *root = pp_root(m);
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->seed = seed;
	m->trap = seed & 1;
	m->pager = pager_new(0);
	root->pages = PP_PAGES * 3 / 4;
	root->up = -1;
	for (i = 0; i < root->pages; i++) {
		if (pp_rnd(&seed, 4)) {
			m->source[i][0] = 1 + pp_rnd(&seed, 255);
			m->source[i][1] = pp_rnd(&seed, 256);
		}
		root->value[i][0] = m->source[i][0];
		root->value[i][1] = m->source[i][1];
	}
	root->fd = pager_vmo_ahead(m->pager, 7, root->pages * PG,
				   COWVMO_PAGER_VMO_RESIZABLE |
				   (m->trap ? COWVMO_PAGER_VMO_TRAP_DIRTY : 0),
				   4 * PG);
	root->map = vmo_map(root->fd, 0, PP_PAGES * PG, PROT_READ | PROT_WRITE);
	m->nr = 1;
	return m->pager >= 0 && root->fd >= 0 && root->map &&
	       !pthread_create(&m->thread, NULL, pp_main, m);
}

static inline void pp_end(struct pp_model *m)
{
	__atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
	pthread_join(m->thread, NULL);
	close(m->pager);
}

#endif /* COWVMO_SELFTEST_FUZZ_PAGED_H */
