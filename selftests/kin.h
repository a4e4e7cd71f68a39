/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A family of VMOs and a trivial model of it: which page of which member
 * holds what, and which pages are one and the same; for slices and references,
 * whose pages they show. kin_check() compares everything that can be seen -
 * content, relations, attribution and the pages that the module holds - with
 * the model.
 */
#ifndef COWVMO_SELFTEST_KIN_H
#define COWVMO_SELFTEST_KIN_H

#include <stdarg.h>

#include "vmo.h"

#define KIN_MAX		8
#define KIN_PAGES	8
#define KIN_NONE	(-1)

struct kin_page {
	__u64 ident;	/* equal: the same memory; 0: none */
	__u64 seed;	/* content, 0: zero */
};

struct kin_member {
	int fd;		/* -1: closed */
	int parent;	/* or KIN_NONE */
	int store;	/* whose pages it shows: often its own */
	int slice_of;	/* what it keeps alive, or KIN_NONE */
	unsigned int first;	/* of a slice: its first page in the store */
	unsigned int pages;	/* of a reference: see the store */
	__u64 id;
	__u64 born;
	struct kin_page page[KIN_PAGES];
};

struct kin {
	struct kin_member member[KIN_MAX];
	struct vmo_stats start;
	__u64 next, made;
	__u32 flags;	/* of all that are made */
	bool quick;	/* leave content out */
};

static inline void kin_init(struct kin *kin)
{
	unsigned int i;

	memset(kin, 0, sizeof(*kin));
	for (i = 0; i < KIN_MAX; i++) {
		kin->member[i].fd = -1;
		kin->member[i].slice_of = KIN_NONE;
	}
	kin->flags = COWVMO_CREATE_RESIZABLE;
	kin->start = vmo_stats();
}

/* Has it an fd, or a slice that keeps it alive? */
static inline bool kin_used(const struct kin *kin, int who)
{
	int i;

	if (kin->member[who].fd >= 0)
		return true;
	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].slice_of == who && kin_used(kin, i))
			return true;
	return false;
}

static inline bool kin_is_slice(const struct kin *kin, int who)
{
	return kin->member[who].slice_of != KIN_NONE;
}

/* Who stands for the memory: the VMO, else the oldest reference, or KIN_NONE */
static inline int kin_speaker(const struct kin *kin, int store)
{
	int i, who = KIN_NONE;

	if (kin->member[store].store != store || kin_used(kin, store))
		return kin_used(kin, store) ? store : KIN_NONE;
	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		if (m->store != store || kin_is_slice(kin, i) ||
		    !kin_used(kin, i))
			continue;
		if (who == KIN_NONE || m->born < kin->member[who].born)
			who = i;
	}
	return who;
}

/* Has it pages of its own that somebody still shows? */
static inline bool kin_has_content(const struct kin *kin, int who)
{
	return kin->member[who].store == who &&
		kin_speaker(kin, who) != KIN_NONE;
}

static inline unsigned int kin_pages(const struct kin *kin, int who)
{
	const struct kin_member *m = &kin->member[who];

	return kin_is_slice(kin, who) ? m->pages :
		kin->member[m->store].pages;
}

static inline struct kin_page *kin_at(struct kin *kin, int who,
				      unsigned int page)
{
	struct kin_member *m = &kin->member[who];

	return &kin->member[m->store].page[m->first + page];
}

static inline unsigned int kin_sharers(const struct kin *kin, __u64 ident)
{
	unsigned int i, p, n = 0;

	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		if (!kin_has_content(kin, i))
			continue;
		for (p = 0; p < m->pages; p++)
			n += m->page[p].ident == ident;
	}
	return n;
}

/* Memory of the writer's own: kept if nobody else sees it, else new. */
static inline void kin_own(struct kin *kin, struct kin_page *page)
{
	if (!page->ident || kin_sharers(kin, page->ident) > 1)
		page->ident = ++kin->next;
}

/* A new member, whose fd is at hand or is an error: 0 or that */
static inline int kin_add(struct kin *kin, int who, int fd, int parent,
			  unsigned int pages)
{
	struct kin_member *m = &kin->member[who];

	memset(m, 0, sizeof(*m));
	m->fd = fd < 0 ? -1 : fd;
	m->parent = parent;
	m->store = who;
	m->slice_of = KIN_NONE;
	m->pages = pages;
	m->born = ++kin->made;
	if (fd < 0)
		return fd;
	m->id = vmo_id(fd);
	return 0;
}

static inline int kin_create(struct kin *kin, int who, unsigned int pages)
{
	return kin_add(kin, who, vmo_new(pages * PG, kin->flags), KIN_NONE,
		       pages);
}

static inline int kin_clone(struct kin *kin, int who, int of,
			    unsigned int first, unsigned int pages)
{
	int fd = vmo_child(kin->member[of].fd, kin->flags, first * PG,
			   pages * PG);
	int rc = kin_add(kin, who, fd, of, pages);
	unsigned int p;

	for (p = 0; !rc && p < pages && first + p < kin_pages(kin, of); p++)
		kin->member[who].page[p] = *kin_at(kin, of, first + p);
	return rc;
}

static inline int kin_slice(struct kin *kin, int who, int of,
			    unsigned int first, unsigned int pages)
{
	struct kin_member *m = &kin->member[who], *from = &kin->member[of];
	int fd = vmo_slice(from->fd, first * PG, pages * PG);
	int rc = kin_add(kin, who, fd, of, pages);

	m->store = from->store;
	m->first = from->first + first;
	m->slice_of = of;
	return rc;
}

static inline int kin_reference(struct kin *kin, int who, int of)
{
	int fd = vmo_reference(kin->member[of].fd, kin->flags);
	int rc = kin_add(kin, who, fd, of, 0);

	kin->member[who].store = kin->member[of].store;
	return rc;
}

static inline int kin_write(struct kin *kin, int who, unsigned int page)
{
	struct kin_page *at = kin_at(kin, who, page);

	kin_own(kin, at);
	at->seed = ++kin->next;
	return pat_fill(kin->member[who].fd, page, at->seed);
}

static inline int kin_write_all(struct kin *kin, int who)
{
	unsigned int p;
	int rc = 0;

	for (p = 0; !rc && p < kin_pages(kin, who); p++)
		rc = kin_write(kin, who, p);
	return rc;
}

static inline int kin_commit(struct kin *kin, int who, unsigned int page)
{
	kin_own(kin, kin_at(kin, who, page));
	return vmo_commit(kin->member[who].fd, page * PG, PG);
}

static inline int kin_zero(struct kin *kin, int who, unsigned int first,
			   unsigned int pages)
{
	struct kin_page *at = kin_at(kin, who, first);

	memset(at, 0, pages * sizeof(*at));
	return vmo_zero(kin->member[who].fd, first * PG, pages * PG);
}

static inline int kin_resize(struct kin *kin, int who, unsigned int pages)
{
	struct kin_member *m = &kin->member[kin->member[who].store];
	unsigned int p;

	for (p = pages; p < KIN_PAGES; p++)
		m->page[p] = (struct kin_page) { 0 };
	m->pages = pages;
	return vmo_set_size(kin->member[who].fd, pages * PG);
}

/* Its children become its parent's. */
static inline void kin_rehome(struct kin *kin, int who)
{
	unsigned int i;

	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].parent == who)
			kin->member[i].parent = kin->member[who].parent;
}

/* A slice takes those along that only it kept alive. */
static inline int kin_close(struct kin *kin, int who)
{
	int fd = kin->member[who].fd, rc = vmo_ret(close(fd)), next;

	kin->member[who].fd = -1;
	for (; who != KIN_NONE && !kin_used(kin, who); who = next) {
		next = kin->member[who].slice_of;
		kin_rehome(kin, who);
	}
	return rc;
}

static inline void kin_close_all(struct kin *kin)
{
	unsigned int i;

	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].fd >= 0)
			kin_close(kin, i);
}

/* --- What GET_INFO should say */

/* Scaled bytes are counted in units of 1/2^63. */
#define KIN_BYTE	((__uint128_t)1 << 63)

struct kin_expected {
	__u64 populated, private, parent_id, children;
	__uint128_t scaled;
};

static inline struct kin_expected kin_expect(const struct kin *kin, int who)
{
	const struct kin_member *m = &kin->member[who];
	const struct kin_member *store = &kin->member[m->store];
	struct kin_expected e = { 0 };
	unsigned int i, p;

	if (m->parent != KIN_NONE)
		e.parent_id = kin->member[m->parent].id;
	for (i = 0; i < KIN_MAX; i++)
		if (kin_used(kin, i) && kin->member[i].parent == who)
			e.children++;
	if (kin_speaker(kin, m->store) != who)
		return e;
	for (p = 0; p < store->pages; p++) {
		unsigned int n = kin_sharers(kin, store->page[p].ident);

		if (!store->page[p].ident)
			continue;
		e.populated += PG;
		e.private += n == 1 ? PG : 0;
		e.scaled += PG * KIN_BYTE / n;
	}
	return e;
}

/* Pages that the family really has */
static inline long kin_real_pages(const struct kin *kin)
{
	long parts = 0;
	unsigned int i, p;

	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		for (p = 0; kin_has_content(kin, i) && p < m->pages; p++)
			if (m->page[p].ident)
				parts += 840 /
					kin_sharers(kin, m->page[p].ident);
	}
	return parts / 840;
}

/* Division rounds: as many units as there are pages may be missing. */
static inline bool kin_near(__uint128_t a, __uint128_t b)
{
	__uint128_t slack = 2 * KIN_MAX * KIN_PAGES;

	return a <= b + slack && b <= a + slack;
}

static inline int kin_wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "# ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	return -EILSEQ;
}

static inline int kin_check_content(const struct kin *kin, int who)
{
	const struct kin_member *m = &kin->member[who];
	const struct kin_page *page = &kin->member[m->store].page[m->first];
	unsigned int p;
	int rc = 0;

	for (p = 0; !rc && p < kin_pages(kin, who); p++) {
		rc = page_check(m->fd, p, page[p].seed);
		if (rc)
			kin_wrong("member %d page %u: %d", who, p, rc);
	}
	return rc;
}

static inline int kin_check_info(const struct kin *kin, int who,
				 __uint128_t *scaled)
{
	const struct kin_member *m = &kin->member[who];
	struct kin_expected e = kin_expect(kin, who);
	struct cowvmo_get_info info;

	if (vmo_info(m->fd, &info, COWVMO_INFO_MEMORY))
		return -errno;
	*scaled = info.out_scaled_bytes * KIN_BYTE + info.out_scaled_fraction;
	if (info.out_id != m->id ||
	    info.out_vmo_size != kin_pages(kin, who) * PG)
		return kin_wrong("member %d: id %llu size %llu", who,
				 info.out_id, info.out_vmo_size);
	if (info.out_parent_id != e.parent_id ||
	    info.out_num_children != e.children)
		return kin_wrong("member %d: parent %llu not %llu, children %llu not %llu",
				 who, info.out_parent_id, e.parent_id,
				 info.out_num_children, e.children);
	if (info.out_populated_bytes != e.populated ||
	    info.out_private_bytes != e.private)
		return kin_wrong("member %d: populated %llu not %llu, private %llu not %llu",
				 who, info.out_populated_bytes, e.populated,
				 info.out_private_bytes, e.private);
	if (info.out_scaled_fraction >> 63 || !kin_near(*scaled, e.scaled))
		return kin_wrong("member %d: scaled %llu + %#llx, not %llu + %#llx",
				 who, info.out_scaled_bytes,
				 info.out_scaled_fraction,
				 (__u64)(e.scaled >> 63),
				 (__u64)(e.scaled & (KIN_BYTE - 1)));
	if (!info.out_metadata_bytes != !e.populated)
		return kin_wrong("member %d: %llu bytes of metadata for %llu",
				 who, info.out_metadata_bytes, e.populated);
	return 0;
}

/* How many there are: what has content is there though nobody uses it. */
static inline long kin_alive(const struct kin *kin)
{
	unsigned int i;
	long n = 0;

	for (i = 0; i < KIN_MAX; i++)
		n += kin_used(kin, i) || kin_has_content(kin, i);
	return n;
}

/* Memory that is counted as one's that cannot be asked, having no fd */
static inline __uint128_t kin_unheard(const struct kin *kin)
{
	__uint128_t sum = 0;
	unsigned int i;

	for (i = 0; i < KIN_MAX; i++)
		if (kin_used(kin, i) && kin->member[i].fd < 0)
			sum += kin_expect(kin, i).scaled;
	return sum;
}

/* What the module says it has; @scaled: sum over all with an fd */
static inline int kin_check_stats(const struct kin *kin, __uint128_t scaled)
{
	struct vmo_stats now = vmo_stats();
	long vmos = now.vmos - kin->start.vmos;
	long pages = now.pages - kin->start.pages;

	if (vmos != kin_alive(kin))
		return kin_wrong("%ld VMOs, not %ld", vmos, kin_alive(kin));
	if (pages != kin_real_pages(kin))
		return kin_wrong("%ld pages, not %ld", pages,
				 kin_real_pages(kin));
	if (!kin_near(scaled + kin_unheard(kin), pages * PG * KIN_BYTE))
		return kin_wrong("scaled bytes do not add up to %ld pages",
				 pages);
	return vmo_validate();
}

/* 0 if all that can be seen is as it should be; says what is not. */
static inline int kin_check(const struct kin *kin)
{
	__uint128_t scaled = 0, sum = 0;
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < KIN_MAX; i++) {
		if (kin->member[i].fd < 0)
			continue;
		rc = kin_check_info(kin, i, &scaled);
		if (!rc && !kin->quick)
			rc = kin_check_content(kin, i);
		sum += scaled;
	}
	return rc ? rc : kin_check_stats(kin, sum);
}

/* 0 if nothing at all is left of the family. */
static inline int kin_gone(const struct kin *kin)
{
	struct vmo_stats now = vmo_stats();

	if (!memcmp(&now, &kin->start, sizeof(now)))
		return vmo_validate();
	return kin_wrong("left behind: %ld VMOs, %ld pages, %ld nodes, %ld descs, %ld pins",
			 now.vmos - kin->start.vmos,
			 now.pages - kin->start.pages,
			 now.nodes - kin->start.nodes,
			 now.descs - kin->start.descs,
			 now.pins - kin->start.pins);
}

/* The @nth of @n! permutations */
static inline void kin_permutation(unsigned int nth, unsigned int n, int *out)
{
	int left[KIN_MAX];
	unsigned int i, k, at;

	for (i = 0; i < n; i++)
		left[i] = i;
	for (i = n; i > 0; i--) {
		at = nth % i;
		nth /= i;
		out[n - i] = left[at];
		for (k = at; k + 1 < i; k++)
			left[k] = left[k + 1];
	}
}

#endif /* COWVMO_SELFTEST_KIN_H */
