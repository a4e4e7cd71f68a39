/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reference model of the fuzzer: as simple as can be, so that it can be
 * believed. A VMO is an array of pointers to pages; a snapshot copies the
 * pointers and counts them. Whoever writes a page that somebody else points to
 * gets a copy. Attribution is then nothing but counting.
 */
#ifndef COWVMO_SELFTEST_MODEL_H
#define COWVMO_SELFTEST_MODEL_H

#include "vmo.h"

#define M_VMOS		12
#define M_MAPS		8
#define M_MAP_PAGES	48
#define M_PINS		5
/* More than one slot of a level-2 node of the tree: 512 pages */
#define M_MAX_PAGES	640ULL
/* Offsets of all generations add up to less than 2^52 pages, with room. */
#define M_MAX_BASE	((1ULL << 52) - 2 * M_MAX_PAGES)

struct m_page {
	unsigned int sharers;
	unsigned char data[PG];
};

/* fd is -1 while only a mapping keeps the VMO. @parent is an index or -1. */
struct m_vmo {
	bool used;
	bool read_only;
	bool high;
	int fd;
	int parent;
	int family;
	__u32 flags;
	unsigned int mapped;
	unsigned int pinned;
	__u64 id;
	__u64 stream;
	__u64 pages;
	/* sum of the offsets of this and all earlier generations, in pages */
	__u64 base;
	struct m_page *page[M_MAX_PAGES];
	unsigned char pins[M_MAX_PAGES];
};

/* One page of a mapping: NULL where it was unmapped. */
struct m_map_page {
	unsigned char *at;
	int prot;
	struct m_page *copy;
};

struct m_map {
	bool used;
	bool shared;
	bool read_only;
	int vmo;
	__u64 first;
	unsigned int pages;
	struct m_map_page page[M_MAP_PAGES];
};

/* Pages of a VMO that keep their place */
struct m_pin {
	bool used;
	bool writable;
	int fd;
	int vmo;
	__u64 first;
	__u64 pages;
};

struct m_memory {
	__u64 populated;
	__u64 private;
	__uint128_t scaled;
};

struct model {
	struct m_vmo vmo[M_VMOS];
	struct m_map map[M_MAPS];
	struct m_pin pin[M_PINS];
	int families;
};

static inline __u64 m_pages_of(__u64 bytes)
{
	return (bytes + PG - 1) / PG;
}

static inline struct m_page *m_page_new(const struct m_page *from)
{
	struct m_page *page = malloc(sizeof(*page));

	if (!page)
		abort();
	if (from)
		memcpy(page->data, from->data, PG);
	else
		memset(page->data, 0, PG);
	page->sharers = 1;
	return page;
}

static inline void m_page_put(struct m_page **slot)
{
	if (*slot && !--(*slot)->sharers)
		free(*slot);
	*slot = NULL;
}

/* The page for writing: nobody else sees it afterwards. */
static inline struct m_page *m_page_own(struct m_vmo *vmo, __u64 index)
{
	struct m_page **slot = &vmo->page[index];
	struct m_page *old = *slot;

	if (old && old->sharers == 1)
		return old;
	*slot = m_page_new(old);
	if (old)
		old->sharers--;
	return *slot;
}

/* The bytes that a test writes: from a seed and the place in the VMO. */
static inline unsigned char m_byte(__u64 seed, __u64 offset)
{
	return (seed ^ (offset * 31) ^ (offset >> 9)) | 1;
}

static inline void m_bytes(unsigned char *to, __u64 seed, __u64 offset,
			   __u64 length)
{
	while (length--)
		*to++ = m_byte(seed, offset++);
}

static inline void m_write(struct m_vmo *vmo, __u64 offset, __u64 length,
			   __u64 seed)
{
	while (length) {
		__u64 in = offset % PG;
		__u64 part = PG - in < length ? PG - in : length;
		struct m_page *page = m_page_own(vmo, offset / PG);

		m_bytes(page->data + in, seed, offset, part);
		offset += part;
		length -= part;
	}
}

/* A part of a page: what reads zero already is left alone. */
static inline void m_zero_part(struct m_vmo *vmo, __u64 index, __u64 in,
			       __u64 part)
{
	const struct m_page *page = vmo->page[index];

	if (page && zero_mem_check(page->data + in, part))
		memset(m_page_own(vmo, index)->data + in, 0, part);
}

/* One whose pages are lent, not freed; reading brings them back. */
static inline bool m_is_contiguous(const struct m_vmo *vmo)
{
	return vmo->flags & COWVMO_INFO_CONTIGUOUS;
}

/* A page goes; one that is pinned stays, and is cleared. */
static inline void m_drop(struct m_vmo *vmo, __u64 index)
{
	if (vmo->pins[index] || (m_is_contiguous(vmo) && vmo->page[index]))
		memset(m_page_own(vmo, index)->data, 0, PG);
	else
		m_page_put(&vmo->page[index]);
}

static inline void m_zero(struct m_vmo *vmo, __u64 offset, __u64 length)
{
	while (length) {
		__u64 in = offset % PG;
		__u64 part = PG - in < length ? PG - in : length;
		__u64 index = offset / PG;

		if (part == PG)
			m_drop(vmo, index);
		else
			m_zero_part(vmo, index, in, part);
		offset += part;
		length -= part;
	}
}

static inline void m_commit(struct m_vmo *vmo, __u64 offset, __u64 length)
{
	__u64 i;

	if (!length)
		return;
	for (i = offset / PG; i < m_pages_of(offset + length); i++)
		m_page_own(vmo, i);
}

static inline void m_decommit(struct m_vmo *vmo, __u64 offset, __u64 length)
{
	__u64 i;

	for (i = offset / PG; i < (offset + length) / PG; i++)
		m_page_put(&vmo->page[i]);
}

/* Pages [@first, @first + @pages) are looked at, as far as there are any. */
static inline void m_read(struct m_vmo *vmo, __u64 first, __u64 pages)
{
	__u64 end = first + pages < vmo->pages ? first + pages : vmo->pages;

	if (m_is_contiguous(vmo) && first < end)
		m_commit(vmo, first * PG, (end - first) * PG);
}

/* Is any of pages [@first, @end) pinned? */
static inline bool m_is_pinned(const struct m_vmo *vmo, __u64 first, __u64 end)
{
	for (; first < end; first++)
		if (vmo->pins[first])
			return true;
	return false;
}

static inline void m_pin(struct model *m, int index, int to, __u64 first,
			 __u64 pages, bool writable)
{
	struct m_vmo *vmo = &m->vmo[index];
	__u64 i;

	m->pin[to] = (struct m_pin) {
		.used = true, .writable = writable, .vmo = index,
		.first = first, .pages = pages,
	};
	m_commit(vmo, first * PG, pages * PG);
	for (i = first; i < first + pages; i++)
		vmo->pins[i]++;
	vmo->pinned++;
}

/* What a private mapping copied beyond a new end is lost with it. */
static inline void m_cut_copies(struct model *m, int vmo)
{
	unsigned int i, p;

	for (i = 0; i < M_MAPS; i++) {
		struct m_map *map = &m->map[i];

		if (!map->used || map->vmo != vmo)
			continue;
		for (p = 0; p < map->pages; p++)
			if (map->first + p >= m->vmo[vmo].pages)
				m_page_put(&map->page[p].copy);
	}
}

/* Everything from a place on is gone; the page it is in becomes one's own. */
static inline void m_cut(struct m_vmo *vmo, __u64 from)
{
	__u64 tail = from % PG;
	__u64 i;

	for (i = m_pages_of(from); i < vmo->pages; i++)
		m_drop(vmo, i);
	if (tail && vmo->page[from / PG])
		memset(m_page_own(vmo, from / PG)->data + tail, 0, PG - tail);
}

static inline void m_resize(struct model *m, int index, __u64 bytes)
{
	struct m_vmo *vmo = &m->vmo[index];

	if (bytes < vmo->pages * PG)
		m_cut(vmo, bytes);
	vmo->pages = m_pages_of(bytes);
	vmo->stream = bytes;
	m_cut_copies(m, index);
}

static inline void m_set_stream(struct m_vmo *vmo, __u64 bytes)
{
	if (bytes != vmo->stream)
		m_cut(vmo, bytes < vmo->stream ? bytes : vmo->stream);
	vmo->stream = bytes;
}

static inline void m_create(struct model *m, int index, __u64 bytes,
			    __u32 flags)
{
	struct m_vmo *vmo = &m->vmo[index];

	memset(vmo, 0, sizeof(*vmo));
	vmo->used = true;
	vmo->flags = flags & COWVMO_CREATE_RESIZABLE ?
		COWVMO_INFO_RESIZABLE : 0;
	vmo->parent = -1;
	vmo->family = m->families++;
	vmo->pages = m_pages_of(bytes);
	vmo->stream = bytes;
	if (!(flags & COWVMO_CREATE_CONTIGUOUS))
		return;
	vmo->flags |= COWVMO_INFO_CONTIGUOUS;
	vmo->stream = vmo->pages * PG;
	m_commit(vmo, 0, vmo->stream);
}

static inline void m_clone(struct model *m, int from, int to, __u64 offset,
			   __u64 bytes, __u32 flags)
{
	struct m_vmo *parent = &m->vmo[from], *vmo = &m->vmo[to];
	__u64 i;

	m_create(m, to, bytes, flags);
	vmo->flags |= COWVMO_INFO_COW_CLONE;
	if (flags & COWVMO_CREATE_NO_WRITE) {
		vmo->flags |= COWVMO_INFO_IMMUTABLE | COWVMO_INFO_READ_ONLY_FD;
		vmo->read_only = true;
	}
	vmo->parent = from;
	vmo->family = parent->family;
	vmo->base = parent->base + offset / PG;
	for (i = 0; i < vmo->pages; i++) {
		if (offset / PG + i >= parent->pages)
			break;
		vmo->page[i] = parent->page[offset / PG + i];
		if (vmo->page[i])
			vmo->page[i]->sharers++;
	}
}

/* A VMO dies with fd, mappings and pins; children go to its parent. */
static inline void m_release(struct model *m, int index)
{
	struct m_vmo *vmo = &m->vmo[index];
	__u64 i;

	if (vmo->fd >= 0 || vmo->mapped || vmo->pinned)
		return;
	for (i = 0; i < vmo->pages; i++)
		m_page_put(&vmo->page[i]);
	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].parent == index)
			m->vmo[i].parent = vmo->parent;
	vmo->used = false;
}

static inline void m_unpin(struct model *m, struct m_pin *pin)
{
	struct m_vmo *vmo = &m->vmo[pin->vmo];
	__u64 i;

	for (i = pin->first; i < pin->first + pin->pages; i++)
		vmo->pins[i]--;
	vmo->pinned--;
	pin->used = false;
	m_release(m, pin->vmo);
}

static inline unsigned int m_relatives(const struct model *m, int index)
{
	unsigned int i, n = 0;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].family == m->vmo[index].family)
			n++;
	return n - 1;
}

static inline unsigned int m_children(const struct model *m, int index)
{
	unsigned int i, n = 0;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].parent == index)
			n++;
	return n;
}

/* Itself, or any that lives below it */
static inline bool m_is_high(const struct model *m, int index)
{
	int i;

	if (m->vmo[index].high)
		return true;
	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].parent == index &&
		    m_is_high(m, i))
			return true;
	return false;
}

/* Scaled memory is counted in 1/2^63 of a byte. */
static inline struct m_memory m_memory(const struct m_vmo *vmo)
{
	struct m_memory sum = { 0 };
	__u64 i;

	for (i = 0; i < vmo->pages; i++) {
		const struct m_page *page = vmo->page[i];

		if (!page)
			continue;
		sum.populated += PG;
		if (page->sharers == 1)
			sum.private += PG;
		sum.scaled += ((__uint128_t)PG << 63) / page->sharers;
	}
	return sum;
}

#endif /* COWVMO_SELFTEST_MODEL_H */
