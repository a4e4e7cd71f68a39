/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's operations: a record that can be made at random, printed, read
 * back and repeated. All arguments are concrete; an operation that does not
 * fit the state it meets (its VMO is closed, its range too long) is skipped,
 * so that any part of a sequence is a sequence again.
 */
#ifndef COWVMO_SELFTEST_FUZZ_OPS_H
#define COWVMO_SELFTEST_FUZZ_OPS_H

#include "model.h"

#include <linux/falloc.h>

enum f_kind {
	F_CREATE,	/* vmo, bytes, flags */
	F_CLONE,	/* vmo, to, offset, bytes, flags, type */
	F_SLICE,	/* vmo, to, offset, bytes, flags */
	F_REFERENCE,	/* vmo, to, flags */
	F_CLOSE,	/* vmo */
	F_WRITE,	/* vmo, offset, length, seed */
	F_COMMIT,	/* vmo, offset, length */
	F_DECOMMIT,	/* vmo, offset, length */
	F_ZERO,		/* vmo, offset, length */
	F_PUNCH,	/* vmo, offset, length */
	F_ALLOCATE,	/* vmo, offset, length, mode */
	F_RESIZE,	/* vmo, bytes */
	F_STREAM,	/* vmo, bytes */
	F_PRIORITY,	/* vmo, priority */
	F_SEAL,		/* vmo */
	F_POLICY,	/* vmo, policy */
	F_RESTORE,	/* vmo, from, flags */
	F_COMPARE,	/* vmo, with */
	F_TRANSFER,	/* to, page, from, page, pages */
	F_REFLINK,	/* to, page, from, page, pages */
	F_COPY,		/* to, offset, from, offset, length */
	F_PIN,		/* vmo, to, offset, length, flags */
	F_PIN_STORE,	/* pin, page, in page, length, seed */
	F_UNPIN,	/* pin */
	F_MAP,		/* map, vmo, first page, pages, prot, shared */
	F_STORE,	/* map, page, in page, length, seed */
	F_FORK_STORE,	/* map, page, seed */
	F_PROTECT,	/* map, page, pages, prot */
	F_UNMAP,	/* map, page, pages */
	F_MOVE,		/* map, page */
	F_DONTNEED,	/* map, page, pages */
	F_POPULATE,	/* map, page, write */
	F_REMOVE,	/* map, page, pages */
	F_LOOK,		/* map: read all of it */
	F_KINDS,
};

struct f_op {
	__u32 kind;
	__u64 arg[6];
};

struct f_name {
	const char *name;
	unsigned int args;
	/* how often, relative to the others */
	unsigned int weight;
};

static const struct f_name f_names[F_KINDS] = {
	[F_CREATE]	= { "create", 3, 3 },
	[F_CLONE]	= { "clone", 6, 14 },
	[F_SLICE]	= { "slice", 5, 6 },
	[F_REFERENCE]	= { "reference", 3, 6 },
	[F_CLOSE]	= { "close", 1, 18 },
	[F_WRITE]	= { "write", 4, 20 },
	[F_COMMIT]	= { "commit", 3, 4 },
	[F_DECOMMIT]	= { "decommit", 3, 7 },
	[F_ZERO]	= { "zero", 3, 6 },
	[F_PUNCH]	= { "punch", 3, 3 },
	[F_ALLOCATE]	= { "allocate", 4, 4 },
	[F_RESIZE]	= { "resize", 2, 5 },
	[F_STREAM]	= { "stream", 2, 3 },
	[F_PRIORITY]	= { "priority", 2, 2 },
	[F_SEAL]	= { "seal", 1, 1 },
	[F_POLICY]	= { "policy", 2, 3 },
	[F_RESTORE]	= { "restore", 3, 10 },
	[F_COMPARE]	= { "compare", 2, 5 },
	[F_TRANSFER]	= { "transfer", 5, 6 },
	[F_REFLINK]	= { "reflink", 5, 6 },
	[F_COPY]	= { "copy", 5, 4 },
	[F_PIN]		= { "pin", 5, 5 },
	[F_PIN_STORE]	= { "pin_store", 5, 6 },
	[F_UNPIN]	= { "unpin", 1, 5 },
	[F_MAP]		= { "map", 6, 10 },
	[F_STORE]	= { "store", 5, 30 },
	[F_FORK_STORE]	= { "fork_store", 3, 1 },
	[F_PROTECT]	= { "protect", 4, 6 },
	[F_UNMAP]	= { "unmap", 3, 3 },
	[F_MOVE]	= { "move", 2, 3 },
	[F_DONTNEED]	= { "dontneed", 3, 3 },
	[F_POPULATE]	= { "populate", 3, 4 },
	[F_REMOVE]	= { "remove", 3, 2 },
	[F_LOOK]	= { "look", 1, 14 },
};

static inline void f_print(FILE *to, const char *lead, const struct f_op *op)
{
	unsigned int i;

	fprintf(to, "%s%s", lead, f_names[op->kind].name);
	for (i = 0; i < f_names[op->kind].args; i++)
		fprintf(to, " 0x%llx", (unsigned long long)op->arg[i]);
	fputc('\n', to);
}

/* 0, or -EINVAL when the line is not an operation. A leading # is allowed. */
static inline int f_parse(char *line, struct f_op *op)
{
	char *save, *word;
	unsigned int i;

	memset(op, 0, sizeof(*op));
	word = strtok_r(line, " \t\n#", &save);
	for (i = 0; word && i < F_KINDS; i++)
		if (!strcmp(word, f_names[i].name))
			break;
	if (!word || i == F_KINDS)
		return -EINVAL;
	op->kind = i;
	for (i = 0; i < f_names[op->kind].args; i++) {
		word = strtok_r(NULL, " \t\n", &save);
		if (!word)
			return -EINVAL;
		op->arg[i] = strtoull(word, NULL, 0);
	}
	return 0;
}

/* xorshift64*: the same sequence for the same seed, everywhere */
static inline __u64 f_random(__u64 *state)
{
	__u64 x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

static inline __u64 f_below(__u64 *state, __u64 limit)
{
	return limit ? (f_random(state) >> 11) % limit : 0;
}

/* Mostly small; now and then more than an inner node of the tree covers. */
static inline __u64 f_size(__u64 *rnd)
{
	__u64 pages;

	switch (f_below(rnd, 10)) {
	case 0:
		pages = f_below(rnd, M_MAX_PAGES);
		break;
	case 1:
		pages = f_below(rnd, 3);
		break;
	default:
		pages = 1 + f_below(rnd, 40);
	}
	if (pages && f_below(rnd, 4) == 0)
		return pages * PG - f_below(rnd, PG);
	return pages * PG;
}

/* A place at or below @limit: page-aligned three times of four. */
static inline __u64 f_place(__u64 *rnd, __u64 limit)
{
	__u64 at = f_below(rnd, limit + 1);

	return f_below(rnd, 4) ? at - at % PG : at;
}

static inline void f_range(__u64 *rnd, __u64 limit, __u64 *offset,
			   __u64 *length)
{
	__u64 most;

	*offset = f_place(rnd, limit);
	most = limit - *offset;
	if (most > 8 * PG && f_below(rnd, 6))
		most = 8 * PG;
	*length = f_place(rnd, most);
}

static inline int f_open_vmo(struct model *m, __u64 *rnd)
{
	unsigned int i, n = f_below(rnd, M_VMOS);

	for (i = 0; i < M_VMOS; i++, n = (n + 1) % M_VMOS)
		if (m->vmo[n].used && m->vmo[n].fd >= 0)
			return n;
	return -1;
}

static inline int f_free_vmo(struct model *m)
{
	unsigned int i;

	for (i = 0; i < M_VMOS; i++)
		if (!m->vmo[i].used)
			return i;
	return -1;
}

static inline int f_any_map(struct model *m, __u64 *rnd, bool used)
{
	unsigned int i, n = f_below(rnd, M_MAPS);

	for (i = 0; i < M_MAPS; i++, n = (n + 1) % M_MAPS)
		if (m->map[n].used == used)
			return n;
	return -1;
}

static inline int f_any_pin(struct model *m, __u64 *rnd, bool used)
{
	unsigned int i, n = f_below(rnd, M_PINS);

	for (i = 0; i < M_PINS; i++, n = (n + 1) % M_PINS)
		if (m->pin[n].used == used)
			return n;
	return -1;
}

static inline int f_random_prot(__u64 *rnd)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ,
		PROT_WRITE, PROT_NONE,
	};

	return prots[f_below(rnd, 5)];
}

/*
 * A child of everything, of a part, of more than there is, or of nothing: far
 * beyond the end, where the tree is as high as it gets.
 */
static inline void f_make_clone(struct model *m, __u64 *rnd, struct f_op *op)
{
	static const __u32 types[] = {
		COWVMO_CHILD_SNAPSHOT, COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
		COWVMO_CHILD_SNAPSHOT_MODIFIED,
	};
	__u64 pages = m_sized(m, &m->vmo[op->arg[0]])->pages;

	op->arg[1] = f_free_vmo(m);
	switch (f_below(rnd, 16)) {
	case 0:
		op->arg[2] = (1ULL << f_below(rnd, 52)) * PG;
		op->arg[3] = f_size(rnd);
		break;
	case 1 ... 4:
		op->arg[2] = f_below(rnd, pages + 4) * PG;
		op->arg[3] = f_size(rnd);
		break;
	case 5 ... 8:
		op->arg[2] = f_below(rnd, pages + 1) * PG;
		op->arg[3] = f_below(rnd, pages * PG - op->arg[2] + 1);
		break;
	default:
		op->arg[3] = pages * PG;
	}
	op->arg[4] = f_below(rnd, 2) ? COWVMO_CREATE_RESIZABLE : 0;
	if (f_below(rnd, 8) == 0)
		op->arg[4] = COWVMO_CREATE_NO_WRITE;
	op->arg[5] = types[f_below(rnd, 3)];
}

/* Of a part, or of all; seldom not of whole pages, or more than there is */
static inline void f_make_slice(struct model *m, __u64 *rnd, struct f_op *op)
{
	__u64 bytes = m_sized(m, &m->vmo[op->arg[0]])->pages * PG;
	__u64 at = f_below(rnd, bytes + 1);

	op->arg[1] = f_free_vmo(m);
	if (f_below(rnd, 3))
		op->arg[2] = f_below(rnd, 16) ? at - at % PG : at;
	op->arg[3] = bytes - op->arg[2];
	if (f_below(rnd, 2))
		op->arg[3] = f_place(rnd, op->arg[3]);
	if (f_below(rnd, 16) == 0)
		op->arg[3] += f_below(rnd, 2 * PG);
	if (f_below(rnd, 6) == 0)
		op->arg[4] = COWVMO_CREATE_NO_WRITE;
	if (f_below(rnd, 32) == 0)
		op->arg[4] |= COWVMO_CREATE_RESIZABLE;
}

/* Who asks for the right to resize mostly has it. */
static inline void f_make_reference(struct model *m, __u64 *rnd,
				    struct f_op *op)
{
	op->arg[1] = f_free_vmo(m);
	if (f_below(rnd, 6) == 0)
		op->arg[2] = COWVMO_CREATE_NO_WRITE;
	else if (f_below(rnd, 2) &&
		 (m->vmo[op->arg[0]].may_resize || f_below(rnd, 8) == 0))
		op->arg[2] = COWVMO_CREATE_RESIZABLE;
	if (f_below(rnd, 32) == 0)
		op->arg[2] ^= COWVMO_CREATE_RESIZABLE;
}

/* Mostly of one that can have another policy, which are few */
static inline void f_make_policy(struct model *m, __u64 *rnd, struct f_op *op)
{
	unsigned int i, n = f_below(rnd, M_VMOS);

	if (f_below(rnd, 3))
		op->arg[1] = f_below(rnd, 4);
	for (i = 0; i < M_VMOS && f_below(rnd, 64); i++, n = (n + 1) % M_VMOS) {
		const struct m_vmo *vmo = &m->vmo[n];

		if (!vmo->used || vmo->fd < 0 || vmo->mapped || vmo->pinned ||
		    vmo->parent >= 0 || m_children(m, n))
			continue;
		op->arg[0] = n;
		return;
	}
}

/*
 * Mostly a relative: strangers have little to do with each other. To restore,
 * mostly one that begins where this one does.
 */
static inline int f_other_vmo(struct model *m, __u64 *rnd, int index,
			      bool restore)
{
	const struct m_vmo *vmo = &m->vmo[index];
	unsigned int i, n = f_below(rnd, M_VMOS);

	for (i = 0; i < M_VMOS; i++, n = (n + 1) % M_VMOS) {
		const struct m_vmo *other = &m->vmo[n];

		if (!other->used || other->fd < 0 || (int)n == index ||
		    other->family != vmo->family)
			continue;
		if (restore && (other->store == vmo->store ||
				m_store(m, other)->base !=
				m_store(m, vmo)->base) &&
		    f_below(rnd, 8))
			continue;
		if (f_below(rnd, 8))
			return n;
	}
	return f_open_vmo(m, rnd);
}

/* From ranges of pages to ranges of bytes; mostly not of whole pages */
static inline void f_make_copy(__u64 *rnd, struct f_op *op)
{
	op->arg[1] *= PG;
	op->arg[3] *= PG;
	op->arg[4] *= PG;
	if (f_below(rnd, 3) == 0)
		return;
	op->arg[4] -= PG - 1;
	op->arg[1] += f_below(rnd, PG);
	if (f_below(rnd, 2))
		op->arg[3] += f_below(rnd, PG);
	else
		op->arg[3] += op->arg[1] % PG;
}

/* A range of each; half the time at the same place, if there is one. */
static inline void f_make_pair(struct model *m, __u64 *rnd, struct f_op *op)
{
	int other = f_other_vmo(m, rnd, op->arg[0], op->kind == F_RESTORE);
	const struct m_vmo *to = &m->vmo[op->arg[0]], *from = &m->vmo[other];
	__u64 place, base, most;

	if (op->kind == F_RESTORE || op->kind == F_COMPARE) {
		op->arg[1] = other;
		if (op->kind == F_RESTORE && f_below(rnd, 2))
			op->arg[2] = COWVMO_RESTORE_KEEP;
		return;
	}
	op->arg[1] = f_below(rnd, m_sized(m, to)->pages + 1);
	op->arg[2] = other;
	op->arg[3] = f_below(rnd, m_sized(m, from)->pages + 1);
	place = m_store(m, to)->base + to->first + op->arg[1];
	base = m_store(m, from)->base + from->first;
	if (f_below(rnd, 2) && place >= base)
		op->arg[3] = place - base;
	if (op->arg[3] > m_sized(m, from)->pages)
		op->arg[3] = m_sized(m, from)->pages;
	most = m_sized(m, to)->pages - op->arg[1];
	if (most > m_sized(m, from)->pages - op->arg[3])
		most = m_sized(m, from)->pages - op->arg[3];
	op->arg[4] = 1 + f_below(rnd, f_below(rnd, 3) ? most : 20);
	if (op->kind == F_COPY)
		f_make_copy(rnd, op);
}

static inline void f_make_on_pin(struct model *m, __u64 *rnd, struct f_op *op)
{
	int index = f_any_pin(m, rnd, true);

	op->arg[0] = index < 0 ? 0 : index;
	if (index < 0 || op->kind == F_UNPIN)
		return;
	op->arg[1] = f_below(rnd, m->pin[index].pages);
	op->arg[2] = f_below(rnd, PG);
	op->arg[3] = 1 + f_below(rnd, PG - op->arg[2]);
	op->arg[4] = f_below(rnd, 256);
}

/* Of one page, of some, of all; now and then not of pages at all */
static inline void f_make_pin(struct model *m, __u64 *rnd, struct f_op *op)
{
	__u64 pages = m_sized(m, &m->vmo[op->arg[0]])->pages;
	int to = f_any_pin(m, rnd, false);

	if (to < 0 || !pages) {
		op->kind = F_UNPIN;
		f_make_on_pin(m, rnd, op);
		return;
	}
	op->arg[1] = to;
	op->arg[2] = f_below(rnd, pages) * PG;
	op->arg[3] = (1 + f_below(rnd, pages - op->arg[2] / PG)) * PG;
	if (op->arg[3] > 8 * PG && f_below(rnd, 4))
		op->arg[3] = 8 * PG;
	if (f_below(rnd, 16) == 0)
		op->arg[3] -= f_below(rnd, PG);
	op->arg[4] = f_below(rnd, 2) ? COWVMO_PIN_WRITE : 0;
}

static inline void f_make_on_vmo(struct model *m, __u64 *rnd, struct f_op *op)
{
	int index = f_open_vmo(m, rnd);
	struct m_vmo *sized;

	if (index < 0) {
		op->kind = F_CREATE;
		return;
	}
	sized = m_sized(m, &m->vmo[index]);
	op->arg[0] = index;
	switch (op->kind) {
	case F_CLONE:
		f_make_clone(m, rnd, op);
		break;
	case F_SLICE:
		f_make_slice(m, rnd, op);
		break;
	case F_REFERENCE:
		f_make_reference(m, rnd, op);
		break;
	case F_PIN:
		f_make_pin(m, rnd, op);
		break;
	case F_WRITE:
		f_range(rnd, sized->stream, &op->arg[1], &op->arg[2]);
		/* beyond the end, now and then */
		if (f_below(rnd, 8) == 0)
			op->arg[2] += f_below(rnd, 4 * PG);
		op->arg[3] = f_below(rnd, 256);
		break;
	case F_ALLOCATE:
		f_range(rnd, sized->pages * PG, &op->arg[1], &op->arg[2]);
		/* beyond the end, now and then */
		if (f_below(rnd, 4) == 0)
			op->arg[2] += f_below(rnd, 4 * PG);
		op->arg[3] = f_below(rnd, 2) ? FALLOC_FL_KEEP_SIZE : 0;
		if (f_below(rnd, 2))
			op->arg[3] |= FALLOC_FL_ZERO_RANGE;
		break;
	case F_RESIZE:
		op->arg[1] = f_size(rnd);
		break;
	case F_STREAM:
		op->arg[1] = f_below(rnd, sized->pages * PG + 1);
		break;
	case F_PRIORITY:
		op->arg[1] = f_below(rnd, 2);
		break;
	case F_POLICY:
		f_make_policy(m, rnd, op);
		break;
	case F_RESTORE ... F_COPY:
		f_make_pair(m, rnd, op);
		break;
	default:
		f_range(rnd, sized->pages * PG, &op->arg[1], &op->arg[2]);
		if (op->kind == F_DECOMMIT && f_below(rnd, 8))
			op->arg[2] -= op->arg[2] % PG;
		if (op->kind == F_DECOMMIT && f_below(rnd, 8))
			op->arg[1] -= op->arg[1] % PG;
	}
}

static inline void f_make_on_map(struct model *m, __u64 *rnd, struct f_op *op)
{
	int index = f_any_map(m, rnd, true);
	struct m_map *map;

	if (index < 0) {
		op->kind = F_CREATE;
		return;
	}
	map = &m->map[index];
	op->arg[0] = index;
	op->arg[1] = f_below(rnd, map->pages);
	op->arg[2] = 1 + f_below(rnd, map->pages - op->arg[1]);
	switch (op->kind) {
	case F_STORE:
		op->arg[2] = f_below(rnd, PG);
		op->arg[3] = 1 + f_below(rnd, PG - op->arg[2]);
		op->arg[4] = f_below(rnd, 256);
		break;
	case F_FORK_STORE:
		op->arg[2] = f_below(rnd, 256);
		break;
	case F_PROTECT:
		op->arg[3] = f_random_prot(rnd);
		break;
	case F_UNMAP:
		if (f_below(rnd, 2))
			break;
		op->arg[1] = 0;
		op->arg[2] = map->pages;
		break;
	case F_POPULATE:
		op->arg[2] = f_below(rnd, 2);
		break;
	}
}

/* What is not cached is rare, and there to be mapped. */
static inline int f_vmo_to_map(struct model *m, __u64 *rnd)
{
	unsigned int i;

	for (i = 0; i < M_VMOS && f_below(rnd, 16); i++)
		if (m->vmo[i].used && m->vmo[i].fd >= 0 &&
		    !m_is_cached(m_store(m, &m->vmo[i])))
			return i;
	return f_open_vmo(m, rnd);
}

static inline void f_make_map(struct model *m, __u64 *rnd, struct f_op *op)
{
	int map = f_any_map(m, rnd, false);
	int vmo = f_vmo_to_map(m, rnd);

	if (map < 0 || vmo < 0) {
		op->kind = F_UNMAP;
		f_make_on_map(m, rnd, op);
		return;
	}
	op->arg[0] = map;
	op->arg[1] = vmo;
	op->arg[2] = f_below(rnd, m_sized(m, &m->vmo[vmo])->pages + 1);
	if (f_below(rnd, 3) == 0)
		op->arg[2] = 0;
	op->arg[3] = 1 + f_below(rnd, M_MAP_PAGES);
	op->arg[4] = f_below(rnd, 2) ? PROT_READ | PROT_WRITE :
		f_random_prot(rnd);
	op->arg[5] = f_below(rnd, 4) != 0;
}

static inline enum f_kind f_random_kind(__u64 *rnd)
{
	unsigned int i, sum = 0;
	__u64 pick;

	for (i = 0; i < F_KINDS; i++)
		sum += f_names[i].weight;
	pick = f_below(rnd, sum);
	for (i = 0; pick >= f_names[i].weight; i++)
		pick -= f_names[i].weight;
	return i;
}

/* The next operation; what it says fits the state of the model. */
static inline void f_make(struct model *m, __u64 *rnd, struct f_op *op)
{
	memset(op, 0, sizeof(*op));
	op->kind = f_random_kind(rnd);
	if (op->kind > F_MAP && f_any_map(m, rnd, true) < 0)
		op->kind = F_MAP;
	if (op->kind == F_MAP)
		f_make_map(m, rnd, op);
	else if (op->kind == F_UNPIN || op->kind == F_PIN_STORE)
		f_make_on_pin(m, rnd, op);
	else if (op->kind > F_MAP)
		f_make_on_map(m, rnd, op);
	else if (op->kind != F_CREATE)
		f_make_on_vmo(m, rnd, op);
	if (op->kind != F_CREATE)
		return;
	memset(op->arg, 0, sizeof(op->arg));
	op->arg[0] = f_free_vmo(m);
	op->arg[1] = f_size(rnd);
	op->arg[2] = f_below(rnd, 2) ? COWVMO_CREATE_RESIZABLE : 0;
	if (f_below(rnd, 6) == 0)
		op->arg[2] = COWVMO_CREATE_CONTIGUOUS;
}

#endif /* COWVMO_SELFTEST_FUZZ_OPS_H */
