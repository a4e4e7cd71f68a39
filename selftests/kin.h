/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A family of VMOs and a trivial model of it: which page of which member
 * holds what, and which pages are one and the same. kin_check() compares
 * everything that can be seen - content, relations, attribution and the pages
 * that the module holds - with the model.
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
	int fd;		/* -1: not alive */
	int parent;	/* or KIN_NONE */
	unsigned int pages;
	__u64 id;
	struct kin_page page[KIN_PAGES];
};

struct kin {
	struct kin_member member[KIN_MAX];
	struct vmo_stats start;
	__u64 next;
	bool quick;	/* leave content out */
};

static inline void kin_init(struct kin *kin)
{
	unsigned int i;

	memset(kin, 0, sizeof(*kin));
	for (i = 0; i < KIN_MAX; i++)
		kin->member[i].fd = -1;
	kin->start = vmo_stats();
}

static inline unsigned int kin_sharers(const struct kin *kin, __u64 ident)
{
	unsigned int i, p, n = 0;

	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		if (m->fd < 0)
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

static inline int kin_create(struct kin *kin, int who, unsigned int pages)
{
	struct kin_member *m = &kin->member[who];

	memset(m, 0, sizeof(*m));
	m->fd = vmo_new(pages * PG, COWVMO_CREATE_RESIZABLE);
	m->parent = KIN_NONE;
	m->pages = pages;
	if (m->fd < 0)
		return m->fd;
	m->id = vmo_id(m->fd);
	return 0;
}

static inline int kin_clone(struct kin *kin, int who, int of,
			    unsigned int first, unsigned int pages)
{
	struct kin_member *m = &kin->member[who], *from = &kin->member[of];
	unsigned int p;

	memset(m, 0, sizeof(*m));
	m->fd = vmo_child(from->fd, COWVMO_CREATE_RESIZABLE, first * PG,
			  pages * PG);
	m->parent = of;
	m->pages = pages;
	if (m->fd < 0)
		return m->fd;
	m->id = vmo_id(m->fd);
	for (p = 0; p < pages && first + p < from->pages; p++)
		m->page[p] = from->page[first + p];
	return 0;
}

static inline int kin_write(struct kin *kin, int who, unsigned int page)
{
	struct kin_member *m = &kin->member[who];

	kin_own(kin, &m->page[page]);
	m->page[page].seed = ++kin->next;
	return pat_fill(m->fd, page, m->page[page].seed);
}

static inline int kin_write_all(struct kin *kin, int who)
{
	unsigned int p;
	int rc = 0;

	for (p = 0; !rc && p < kin->member[who].pages; p++)
		rc = kin_write(kin, who, p);
	return rc;
}

static inline int kin_commit(struct kin *kin, int who, unsigned int page)
{
	struct kin_member *m = &kin->member[who];

	kin_own(kin, &m->page[page]);
	return vmo_commit(m->fd, page * PG, PG);
}

static inline int kin_zero(struct kin *kin, int who, unsigned int first,
			   unsigned int pages)
{
	struct kin_member *m = &kin->member[who];

	memset(&m->page[first], 0, pages * sizeof(m->page[0]));
	return vmo_zero(m->fd, first * PG, pages * PG);
}

static inline int kin_resize(struct kin *kin, int who, unsigned int pages)
{
	struct kin_member *m = &kin->member[who];
	unsigned int p;

	for (p = pages; p < KIN_PAGES; p++)
		m->page[p] = (struct kin_page) { 0 };
	m->pages = pages;
	return vmo_set_size(m->fd, pages * PG);
}

static inline int kin_close(struct kin *kin, int who)
{
	int fd = kin->member[who].fd;
	unsigned int i;

	/* Its children become its parent's. */
	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].parent == who)
			kin->member[i].parent = kin->member[who].parent;
	kin->member[who].fd = -1;
	return vmo_ret(close(fd));
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
	struct kin_expected e = { 0 };
	unsigned int i, p;

	for (p = 0; p < m->pages; p++) {
		unsigned int n = kin_sharers(kin, m->page[p].ident);

		if (!m->page[p].ident)
			continue;
		e.populated += PG;
		e.private += n == 1 ? PG : 0;
		e.scaled += PG * KIN_BYTE / n;
	}
	if (m->parent != KIN_NONE)
		e.parent_id = kin->member[m->parent].id;
	for (i = 0; i < KIN_MAX; i++)
		if (kin->member[i].fd >= 0 && kin->member[i].parent == who)
			e.children++;
	return e;
}

/* Pages that the family really has */
static inline long kin_real_pages(const struct kin *kin)
{
	long parts = 0;
	unsigned int i, p;

	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		for (p = 0; m->fd >= 0 && p < m->pages; p++)
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
	unsigned int p;
	int rc = 0;

	for (p = 0; !rc && p < m->pages; p++) {
		rc = page_check(m->fd, p, m->page[p].seed);
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
	if (info.out_id != m->id || info.out_vmo_size != m->pages * PG)
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

/* 0 if all that can be seen is as it should be; says what is not. */
static inline int kin_check(const struct kin *kin)
{
	__uint128_t scaled = 0, sum = 0;
	unsigned int i, alive = 0;
	struct vmo_stats now;
	int rc = 0;

	for (i = 0; !rc && i < KIN_MAX; i++) {
		if (kin->member[i].fd < 0)
			continue;
		alive++;
		rc = kin_check_info(kin, i, &scaled);
		if (!rc && !kin->quick)
			rc = kin_check_content(kin, i);
		sum += scaled;
	}
	if (rc)
		return rc;
	now = vmo_stats();
	if (now.vmos - kin->start.vmos != alive)
		return kin_wrong("%ld VMOs, not %u",
				 now.vmos - kin->start.vmos, alive);
	if (now.pages - kin->start.pages != kin_real_pages(kin))
		return kin_wrong("%ld pages, not %ld",
				 now.pages - kin->start.pages,
				 kin_real_pages(kin));
	if (!kin_near(sum, (now.pages - kin->start.pages) * PG * KIN_BYTE))
		return kin_wrong("scaled bytes do not add up to %ld pages",
				 now.pages - kin->start.pages);
	return vmo_validate();
}

/* 0 if nothing at all is left of the family. */
static inline int kin_gone(const struct kin *kin)
{
	struct vmo_stats now = vmo_stats();

	if (!memcmp(&now, &kin->start, sizeof(now)))
		return vmo_validate();
	return kin_wrong("left behind: %ld VMOs, %ld pages, %ld nodes, %ld descs",
			 now.vmos - kin->start.vmos,
			 now.pages - kin->start.pages,
			 now.nodes - kin->start.nodes,
			 now.descs - kin->start.descs);
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
