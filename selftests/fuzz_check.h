/* SPDX-License-Identifier: GPL-2.0 */
/* Compares everything that can be seen of the module with the model. */
#ifndef COWVMO_SELFTEST_FUZZ_CHECK_H
#define COWVMO_SELFTEST_FUZZ_CHECK_H

#include "fuzz_exec.h"

#include <poll.h>

#define F_CHUNK		32ULL
/* Pages that are looked at after every step */
#define F_LOOKUP	4

/* Two figures in one line, if they differ */
static inline void f_same(unsigned int index, const char *what, __u64 got,
			  __u64 want)
{
	if (got != want)
		f_fail("vmo %u: %s is %llu, should be %llu", index, what,
		       (unsigned long long)got, (unsigned long long)want);
}

/* Each page's share is rounded by less than one unit, on either side. */
static inline void f_check_scaled(unsigned int index,
				  const struct cowvmo_get_info *info,
				  const struct m_memory *want)
{
	__uint128_t got, differ;

	f_same(index, "fraction >= 1", info->out_scaled_fraction >> 63, 0);
	got = ((__uint128_t)info->out_scaled_bytes << 63) +
		info->out_scaled_fraction;
	differ = got > want->scaled ? got - want->scaled : want->scaled - got;
	if (differ > want->populated / PG)
		f_same(index, "scaled", info->out_scaled_bytes,
		       want->scaled >> 63);
	if (differ > want->populated / PG)
		f_fail("vmo %u: scaled fraction is off", index);
}

/* What a store has counts for one of those that show it, for others nothing. */
static inline void f_check_memory(const struct model *m, unsigned int index)
{
	const struct m_vmo *vmo = &m->vmo[index];
	bool speaks = m_speaker(m, vmo->store) == (int)index;
	struct m_memory want = { 0 };
	struct cowvmo_get_info info;

	if (speaks)
		want = m_memory(m_store(m, vmo));
	f_want("GET_INFO", vmo_info(vmo->fd, &info, COWVMO_INFO_MEMORY), 0);
	f_same(index, "populated", info.out_populated_bytes, want.populated);
	f_same(index, "private", info.out_private_bytes, want.private);
	f_check_scaled(index, &info, &want);
	if (!speaks)
		f_same(index, "metadata", info.out_metadata_bytes, 0);
}

static inline __u32 f_flags_of(const struct model *m, const struct m_vmo *vmo)
{
	__u32 flags = vmo->flags;

	if (vmo->read_only)
		flags |= COWVMO_INFO_READ_ONLY_FD;
	if (m_store(m, vmo)->sealed)
		flags |= COWVMO_INFO_SEALED;
	if (m_is_shown_high(m, vmo->store))
		flags |= COWVMO_INFO_HIGH_PRIORITY;
	return flags;
}

static inline void f_check_identity(const struct model *m, unsigned int index)
{
	const struct m_vmo *vmo = &m->vmo[index], *sized = m_sized(m, vmo);
	struct pollfd poll_fd = { .fd = vmo->fd, .events = POLLPRI };
	struct cowvmo_get_info info;

	f_want("GET_INFO", vmo_info(vmo->fd, &info, 0), 0);
	f_same(index, "size", info.out_vmo_size, sized->pages * PG);
	f_same(index, "stream size", info.out_stream_size, sized->stream);
	f_same(index, "flags", info.out_flags, f_flags_of(m, vmo));
	f_same(index, "policy", info.out_cache_policy,
	       m_store(m, vmo)->policy);
	f_same(index, "id", info.out_id, vmo->id);
	f_same(index, "family", info.out_family_id, vmo->family);
	f_same(index, "parent", info.out_parent_id,
	       vmo->parent < 0 ? 0 : m->vmo[vmo->parent].id);
	f_same(index, "children", info.out_num_children,
	       m_children(m, index));
	f_same(index, "POLLPRI", poll(&poll_fd, 1, 0), !m_children(m, index));
}

static inline void f_check_page(const struct model *m, unsigned int index,
				__u64 page, const unsigned char *got,
				size_t length)
{
	static const unsigned char zero[PG];
	const struct m_vmo *vmo = &m->vmo[index];
	const struct m_page *shown = m_store(m, vmo)->page[vmo->first + page];

	if (memcmp(got, shown ? shown->data : zero, length))
		f_fail("vmo %u: page %llu differs", index,
		       (unsigned long long)page);
}

/* Where there is no reading; a page that is not there would come to be. */
static inline void f_check_mapped(const struct model *m, unsigned int index,
				  __u64 first, __u64 pages)
{
	const struct m_vmo *vmo = &m->vmo[index], *store = m_store(m, vmo);
	unsigned char *mem, byte;
	__u64 i;

	f_want("read of what is not cached",
	       vmo_ret(pread(vmo->fd, &byte, 1, first * PG)), -EBUSY);
	mem = mmap(NULL, pages * PG, PROT_READ, MAP_SHARED, vmo->fd,
		   first * PG);
	if (mem == MAP_FAILED)
		f_fail("mmap: %d", -errno);
	for (i = 0; i < pages; i++)
		if (store->page[vmo->first + first + i])
			f_check_page(m, index, first + i, mem + i * PG, PG);
	f_want("munmap", vmo_ret(munmap(mem, pages * PG)), 0);
}

/* Through read(2), as far as the stream reaches */
static inline void f_check_content(const struct model *m, unsigned int index,
				   __u64 first, __u64 pages)
{
	static unsigned char buf[F_CHUNK * PG];
	const struct m_vmo *vmo = &m->vmo[index], *sized = m_sized(m, vmo);
	__u64 at = first * PG, end;
	__u64 i, part;

	if (pages > sized->pages - first)
		pages = sized->pages - first;
	if (!m_is_cached(m_store(m, vmo)) && pages) {
		f_check_mapped(m, index, first, pages);
		return;
	}
	end = (first + pages) * PG;
	if (end > sized->stream)
		end = sized->stream;
	m_read(m_store(m, vmo), vmo->first + first, pages);
	for (; at < end; at += part) {
		part = end - at < sizeof(buf) ? end - at : sizeof(buf);
		f_want("read", vmo_ret(pread(vmo->fd, buf, part, at)), part);
		for (i = 0; i < part; i += PG)
			f_check_page(m, index, (at + i) / PG, buf + i,
				     part - i < PG ? part - i : PG);
	}
}

/* What LOOKUP tells of some pages, by their place in the VMO */
static inline void f_check_lookup(const struct model *m, unsigned int index,
				  __u64 first, __u64 pages)
{
	const struct m_vmo *vmo = &m->vmo[index], *store = m_store(m, vmo);
	struct cowvmo_page_state state[F_LOOKUP];
	__u64 i;

	if (pages > m_sized(m, vmo)->pages - first)
		pages = m_sized(m, vmo)->pages - first;
	f_want("LOOKUP", vmo_lookup(vmo->fd, COWVMO_LOOKUP_SHARERS, first * PG,
				    pages * PG, state, F_LOOKUP, NULL), pages);
	for (i = 0; i < pages; i++) {
		__u64 at = vmo->first + first + i;
		const struct m_page *page = store->page[at];

		f_same(index, "offset", state[i].offset, (first + i) * PG);
		f_same(index, "kind", state[i].kind, page ?
		       COWVMO_KIND_PAGE : COWVMO_KIND_HOLE);
		f_same(index, "sharers", state[i].sharers,
		       page ? page->sharers : 0);
		f_same(index, "pins", state[i].pins, store->pins[at]);
		f_same(index, "private",
		       !!(state[i].flags & COWVMO_PAGE_PRIVATE),
		       page && page->sharers == 1);
	}
}

/* Data is where pages are; the end of file is a hole. */
static inline void f_check_seek(const struct model *m, unsigned int index,
				__u64 from)
{
	const struct m_vmo *vmo = &m->vmo[index], *store = m_store(m, vmo);
	__u64 stream = m_sized(m, vmo)->stream;
	bool want_data;
	long want;
	__u64 i;

	if (from >= stream)
		return;
	for (want_data = false; ; want_data = true) {
		for (i = from / PG; i * PG < stream; i++)
			if (!!store->page[vmo->first + i] == want_data)
				break;
		want = i * PG > from ? i * PG : from;
		if (i * PG >= stream)
			want = want_data ? -ENXIO : (long)stream;
		f_same(index, want_data ? "SEEK_DATA" : "SEEK_HOLE",
		       vmo_ret(lseek(vmo->fd, from,
				     want_data ? SEEK_DATA : SEEK_HOLE)), want);
		if (want_data)
			return;
	}
}

static inline void f_check_all(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < M_VMOS; i++) {
		const struct m_vmo *vmo = &m->vmo[i];

		if (!vmo->used || vmo->fd < 0)
			continue;
		f_check_content(m, i, 0, m_sized(m, vmo)->pages);
		f_check_identity(m, i);
		f_check_memory(m, i);
	}
}

static inline void f_check_some(const struct model *m, unsigned int index,
				__u64 first)
{
	f_check_content(m, index, first, F_LOOKUP);
	f_check_lookup(m, index, first, F_LOOKUP);
}

/* After every step: what it changed, and what else that could have touched. */
static inline void f_check_step(const struct model *m, __u64 *rnd)
{
	__u64 some = f_random(rnd);
	unsigned int i;

	for (i = 0; i < M_VMOS; i++) {
		const struct m_vmo *sized;

		if (!m->vmo[i].used || m->vmo[i].fd < 0)
			continue;
		sized = m_sized(m, &m->vmo[i]);
		if (sized->pages)
			f_check_some(m, i, some % sized->pages);
		f_check_identity(m, i);
		f_check_memory(m, i);
		if (sized->stream)
			f_check_seek(m, i, (some >> 8) % sized->stream);
	}
}

#endif /* COWVMO_SELFTEST_FUZZ_CHECK_H */
