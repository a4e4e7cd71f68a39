/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reference model of the fuzzer: as simple as can be, so that it can be
 * believed. A VMO is an array of pointers to pages; a snapshot copies the
 * pointers and counts them. Whoever writes a page that somebody else points to
 * gets a copy. Attribution is then nothing but counting.
 *
 * A slice or reference has no array: it names its store, the VMO whose pages it
 * shows, and where they begin there.
 */
#ifndef COWVMO_SELFTEST_MODEL_H
#define COWVMO_SELFTEST_MODEL_H

#include "vmo.h"

#define M_VMOS		16
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

/*
 * fd is -1 while only mappings, pins and slices keep the VMO. A hidden one is
 * gone for all who look, but references to it still show its pages. Of indexes,
 * -1 is none.
 */
struct m_vmo {
	bool used;
	bool hidden;
	bool read_only;
	bool may_resize;
	bool high;
	int fd;
	int parent;
	int store;
	/* what a slice was made of, and keeps */
	int slice_of;
	__u32 flags;
	unsigned int mapped;
	unsigned int pinned;
	__u64 id;
	__u64 family;
	/* when it was made, compared with others */
	__u64 born;
	/* of a reference, its store's count: see m_sized() */
	__u64 stream;
	__u64 pages;
	/* first page in the store: 0 unless it is a slice */
	__u64 first;

	/* Only a store has the rest. */
	bool sealed;
	__u32 policy;
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
	__u64 born;
};

static inline bool m_is_slice(const struct m_vmo *vmo)
{
	return vmo->flags & COWVMO_INFO_SLICE;
}

static inline struct m_vmo *m_store(const struct model *m,
				    const struct m_vmo *vmo)
{
	return (struct m_vmo *)&m->vmo[vmo->store];
}

/* Whose size and stream size it has: a slice has its own. */
static inline struct m_vmo *m_sized(const struct model *m,
				    const struct m_vmo *vmo)
{
	return m_is_slice(vmo) ? (struct m_vmo *)vmo : m_store(m, vmo);
}

static inline bool m_is_cached(const struct m_vmo *store)
{
	return store->policy == COWVMO_CACHE_CACHED;
}

/* What the kernel answers when it is to write: 0 or an error */
static inline long m_write_error(const struct m_vmo *store)
{
	if (store->sealed)
		return -EPERM;
	return m_is_cached(store) ? 0 : -EBUSY;
}

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

static inline bool m_has_holes(const struct m_vmo *vmo)
{
	__u64 i;

	for (i = 0; i < vmo->pages; i++)
		if (!vmo->page[i])
			return true;
	return false;
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

static inline bool m_has_pins(const struct m_vmo *store)
{
	return m_is_pinned(store, 0, store->pages);
}

static inline void m_pin(struct model *m, int index, int to, __u64 first,
			 __u64 pages, bool writable)
{
	struct m_vmo *vmo = &m->vmo[index], *store = m_store(m, vmo);
	__u64 i;

	m->pin[to] = (struct m_pin) {
		.used = true, .writable = writable, .vmo = index,
		.first = first, .pages = pages,
	};
	first += vmo->first;
	m_commit(store, first * PG, pages * PG);
	for (i = first; i < first + pages; i++)
		store->pins[i]++;
	vmo->pinned++;
}

/* What a private mapping copied beyond a new end is lost with it. */
static inline void m_cut_copies(struct model *m, const struct m_vmo *store)
{
	unsigned int i, p;

	for (i = 0; i < M_MAPS; i++) {
		struct m_map *map = &m->map[i];
		const struct m_vmo *vmo = &m->vmo[map->vmo];

		if (!map->used || m_store(m, vmo) != store)
			continue;
		for (p = 0; p < map->pages; p++)
			if (map->first + p >= m_sized(m, vmo)->pages)
				m_page_put(&map->page[p].copy);
	}
}

/*
 * Everything from a place on, up to page @end, is gone; the page it is in
 * becomes one's own.
 */
static inline void m_cut(struct m_vmo *store, __u64 from, __u64 end)
{
	__u64 tail = from % PG;
	__u64 i;

	for (i = m_pages_of(from); i < end; i++)
		m_drop(store, i);
	if (tail && store->page[from / PG])
		memset(m_page_own(store, from / PG)->data + tail, 0,
		       PG - tail);
}

static inline void m_resize(struct model *m, struct m_vmo *store, __u64 bytes)
{
	if (bytes < store->pages * PG)
		m_cut(store, bytes, store->pages);
	store->pages = m_pages_of(bytes);
	store->stream = bytes;
	m_cut_copies(m, store);
}

static inline void m_set_stream(struct model *m, struct m_vmo *vmo, __u64 bytes)
{
	struct m_vmo *sized = m_sized(m, vmo);
	__u64 from = bytes < sized->stream ? bytes : sized->stream;

	if (bytes != sized->stream)
		m_cut(m_store(m, vmo), vmo->first * PG + from,
		      vmo->first + sized->pages);
	sized->stream = bytes;
}

static inline void m_create(struct model *m, int index, __u64 bytes,
			    __u32 flags)
{
	struct m_vmo *vmo = &m->vmo[index];

	memset(vmo, 0, sizeof(*vmo));
	vmo->used = true;
	vmo->may_resize = flags & COWVMO_CREATE_RESIZABLE;
	vmo->flags = vmo->may_resize ? COWVMO_INFO_RESIZABLE : 0;
	vmo->parent = -1;
	vmo->store = index;
	vmo->slice_of = -1;
	vmo->born = ++m->born;
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
	struct m_vmo *store = m_store(m, &m->vmo[from]), *vmo = &m->vmo[to];
	__u64 i;

	m_create(m, to, bytes, flags);
	vmo->flags |= COWVMO_INFO_COW_CLONE;
	if (flags & COWVMO_CREATE_NO_WRITE) {
		vmo->flags |= COWVMO_INFO_IMMUTABLE;
		vmo->read_only = true;
	}
	vmo->parent = from;
	vmo->family = store->family;
	vmo->base = store->base + offset / PG;
	for (i = 0; i < vmo->pages; i++) {
		if (offset / PG + i >= store->pages)
			break;
		vmo->page[i] = store->page[offset / PG + i];
		if (vmo->page[i])
			vmo->page[i]->sharers++;
	}
}

/* A slice, or with @slice being false a reference */
static inline void m_show(struct model *m, int from, int to, bool slice,
			  __u64 offset, __u64 bytes, __u32 flags)
{
	struct m_vmo *parent = &m->vmo[from], *vmo = &m->vmo[to];

	m_create(m, to, bytes, flags);
	vmo->parent = from;
	vmo->family = parent->family;
	vmo->store = parent->store;
	vmo->read_only = parent->read_only || flags & COWVMO_CREATE_NO_WRITE;
	vmo->flags = COWVMO_INFO_REFERENCE |
		(m_store(m, parent)->flags & COWVMO_INFO_RESIZABLE);
	if (!slice)
		return;
	vmo->flags = COWVMO_INFO_SLICE |
		(parent->flags & COWVMO_INFO_CONTIGUOUS);
	if (m_is_contiguous(vmo))
		vmo->stream = vmo->pages * PG;
	vmo->slice_of = from;
	vmo->first = parent->first + offset / PG;
}

/* Is there a slice that keeps it? */
static inline bool m_is_kept(const struct model *m, int index)
{
	int i;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && !m->vmo[i].hidden &&
		    m->vmo[i].slice_of == index)
			return true;
	return false;
}

/*
 * Whose the memory counts as: of all who can be seen and show the store, who
 * came first, which is the store itself while it can be seen. Or -1
 */
static inline int m_speaker(const struct model *m, int store)
{
	int i, who = -1;

	for (i = 0; i < M_VMOS; i++) {
		const struct m_vmo *vmo = &m->vmo[i];

		if (!vmo->used || vmo->hidden || vmo->store != store ||
		    m_is_slice(vmo))
			continue;
		if (who < 0 || vmo->born < m->vmo[who].born)
			who = i;
	}
	return who;
}

/* Nobody sees it any more. Its pages go when nobody shows them. */
static inline void m_hide(struct model *m, int index)
{
	struct m_vmo *vmo = &m->vmo[index], *store = m_store(m, vmo);
	__u64 i;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].parent == index)
			m->vmo[i].parent = vmo->parent;
	vmo->hidden = true;
	vmo->parent = -1;
	vmo->high = false;
	if (store != vmo)
		vmo->used = false;
	if (m_speaker(m, vmo->store) >= 0)
		return;
	for (i = 0; i < store->pages; i++)
		m_page_put(&store->page[i]);
	store->used = false;
}

/*
 * A VMO dies with fd, mappings, pins and slices; children go to its parent. A
 * slice may be the last that kept the one it was made of.
 */
static inline void m_release(struct model *m, int index)
{
	while (index >= 0) {
		struct m_vmo *vmo = &m->vmo[index];

		if (vmo->fd >= 0 || vmo->mapped || vmo->pinned ||
		    m_is_kept(m, index))
			return;
		m_hide(m, index);
		index = vmo->slice_of;
	}
}

static inline void m_unpin(struct model *m, struct m_pin *pin)
{
	struct m_vmo *vmo = &m->vmo[pin->vmo];
	__u64 first = vmo->first + pin->first;
	__u64 i;

	for (i = first; i < first + pin->pages; i++)
		m_store(m, vmo)->pins[i]--;
	vmo->pinned--;
	pin->used = false;
	m_release(m, pin->vmo);
}

/* Others of the family that have pages of their own, hidden ones too */
static inline unsigned int m_relatives(const struct model *m, int index)
{
	int i, n = 0;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].store == i &&
		    m->vmo[i].family == m->vmo[index].family)
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

/* The memory is that of all who show it. */
static inline bool m_is_shown_high(const struct model *m, int store)
{
	int i;

	for (i = 0; i < M_VMOS; i++)
		if (m->vmo[i].used && m->vmo[i].store == store &&
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
