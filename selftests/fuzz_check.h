/* SPDX-License-Identifier: GPL-2.0 */
/* Compares everything that can be seen of the module with the model. */
#ifndef COWVMO_SELFTEST_FUZZ_CHECK_H
#define COWVMO_SELFTEST_FUZZ_CHECK_H

#include "fuzz_exec.h"

#define F_CHUNK		32ULL

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

static inline void f_check_memory(unsigned int index, const struct m_vmo *vmo)
{
	struct m_memory want = m_memory(vmo);
	struct cowvmo_get_info info;

	f_want("GET_INFO", vmo_info(vmo->fd, &info, COWVMO_INFO_MEMORY), 0);
	f_same(index, "populated", info.out_populated_bytes, want.populated);
	f_same(index, "private", info.out_private_bytes, want.private);
	f_check_scaled(index, &info, &want);
}

static inline void f_check_identity(const struct model *m, unsigned int index)
{
	const struct m_vmo *vmo = &m->vmo[index];
	struct cowvmo_get_info info;

	f_want("GET_INFO", vmo_info(vmo->fd, &info, 0), 0);
	f_same(index, "size", info.out_vmo_size, vmo->pages * PG);
	f_same(index, "stream size", info.out_stream_size, vmo->stream);
	f_same(index, "flags", info.out_flags,
	       vmo->flags |
	       (m_is_high(m, index) ? COWVMO_INFO_HIGH_PRIORITY : 0));
	f_same(index, "id", info.out_id, vmo->id);
	f_same(index, "parent", info.out_parent_id,
	       vmo->parent < 0 ? 0 : m->vmo[vmo->parent].id);
	f_same(index, "children", info.out_num_children,
	       m_children(m, index));
}

static inline void f_check_page(unsigned int index, const struct m_vmo *vmo,
				__u64 page, const unsigned char *got,
				size_t length)
{
	static const unsigned char zero[PG];
	const unsigned char *want = vmo->page[page] ? vmo->page[page]->data :
		zero;

	if (memcmp(got, want, length))
		f_fail("vmo %u: page %llu differs", index,
		       (unsigned long long)page);
}

/* Through read(2), as far as the stream reaches */
static inline void f_check_content(unsigned int index, struct m_vmo *vmo,
				   __u64 first, __u64 pages)
{
	static unsigned char buf[F_CHUNK * PG];
	__u64 at = first * PG, end = (first + pages) * PG;
	__u64 i, part;

	if (end > vmo->stream)
		end = vmo->stream;
	m_read(vmo, first, pages);
	for (; at < end; at += part) {
		part = end - at < sizeof(buf) ? end - at : sizeof(buf);
		f_want("read", vmo_ret(pread(vmo->fd, buf, part, at)), part);
		for (i = 0; i < part; i += PG)
			f_check_page(index, vmo, (at + i) / PG, buf + i,
				     part - i < PG ? part - i : PG);
	}
}

/* Data is where pages are; the end of file is a hole. */
static inline void f_check_seek(unsigned int index, const struct m_vmo *vmo,
				__u64 from)
{
	bool want_data;
	long want;
	__u64 i;

	if (from >= vmo->stream)
		return;
	for (want_data = false; ; want_data = true) {
		for (i = from / PG; i * PG < vmo->stream; i++)
			if (!!vmo->page[i] == want_data)
				break;
		want = i * PG > from ? i * PG : from;
		if (i * PG >= vmo->stream)
			want = want_data ? -ENXIO : (long)vmo->stream;
		f_same(index, want_data ? "SEEK_DATA" : "SEEK_HOLE",
		       vmo_ret(lseek(vmo->fd, from,
				     want_data ? SEEK_DATA : SEEK_HOLE)), want);
		if (want_data)
			return;
	}
}

static inline void f_check_all(struct model *m)
{
	unsigned int i;

	for (i = 0; i < M_VMOS; i++) {
		struct m_vmo *vmo = &m->vmo[i];

		if (!vmo->used || vmo->fd < 0)
			continue;
		f_check_content(i, vmo, 0, vmo->pages);
		f_check_identity(m, i);
		f_check_memory(i, vmo);
	}
}

/* After every step: what it changed, and what else that could have touched. */
static inline void f_check_step(struct model *m, __u64 *rnd)
{
	__u64 some = f_random(rnd);
	unsigned int i;

	for (i = 0; i < M_VMOS; i++) {
		struct m_vmo *vmo = &m->vmo[i];

		if (!vmo->used || vmo->fd < 0)
			continue;
		if (vmo->pages)
			f_check_content(i, vmo, some % vmo->pages, 4);
		f_check_identity(m, i);
		f_check_memory(i, vmo);
		if (vmo->stream)
			f_check_seek(i, vmo, (some >> 8) % vmo->stream);
	}
}

#endif /* COWVMO_SELFTEST_FUZZ_CHECK_H */
