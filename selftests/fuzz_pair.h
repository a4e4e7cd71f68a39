/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's operations on two VMOs: what becomes of one that is restored to
 * another, or gets a range of it. Part of fuzz_exec.h.
 */
#ifndef COWVMO_SELFTEST_FUZZ_PAIR_H
#define COWVMO_SELFTEST_FUZZ_PAIR_H

#include <linux/fs.h>

/* Slot @to shows the page that slot @from shows. */
static inline void m_share(struct m_page **to, struct m_page *from)
{
	if (from)
		from->sharers++;
	m_page_put(to);
	*to = from;
}

static inline bool m_same_place(const struct m_vmo *to, __u64 dst,
				const struct m_vmo *from, __u64 src)
{
	return to->family == from->family &&
	       to->base + dst == from->base + src;
}

static inline bool f_restore(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]), *from = f_vmo(m, arg[1]);
	long want = 0;
	__u64 i;

	if (!vmo || !from)
		return false;
	if (vmo->read_only)
		want = -EACCES;
	else if (!m_same_place(vmo, 0, from, 0))
		want = -EINVAL;
	else if (vmo != from && from->pinned)
		want = -EBUSY;
	else if (vmo->pages != from->pages &&
		 !(vmo->flags & COWVMO_INFO_RESIZABLE))
		want = -EINVAL;
	else if (vmo != from && vmo->pinned)
		want = -EBUSY;
	f_want("restore", vmo_restore(vmo->fd, from->fd), want);
	if (want || vmo == from)
		return true;
	for (i = 0; i < M_MAX_PAGES; i++)
		m_share(&vmo->page[i], from->page[i]);
	vmo->pages = from->pages;
	vmo->stream = from->stream;
	m_cut_copies(m, arg[0]);
	return true;
}

static inline bool f_overlap(const __u64 *arg)
{
	return arg[0] == arg[2] && arg[1] < arg[3] + arg[4] &&
	       arg[3] < arg[1] + arg[4];
}

static inline bool f_transfer(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = f_vmo(m, arg[0]), *from = f_vmo(m, arg[2]);
	__u64 n = arg[4], i;
	long want = 0;

	if (!to || !from || !n || !f_inside(to, arg[1] * PG, n * PG) ||
	    !f_inside(from, arg[3] * PG, n * PG))
		return false;
	if (to->read_only || from->read_only)
		want = -EACCES;
	else if (f_overlap(arg) && arg[1] != arg[3])
		want = -EINVAL;
	else if (!f_overlap(arg) &&
		 (m_is_contiguous(to) || m_is_contiguous(from)))
		want = -EOPNOTSUPP;
	else if (!f_overlap(arg) &&
		 (m_is_pinned(to, arg[1], arg[1] + n) ||
		  m_is_pinned(from, arg[3], arg[3] + n)))
		want = -EBUSY;
	f_want("transfer", vmo_transfer(to->fd, arg[1] * PG, from->fd,
					arg[3] * PG, n * PG, NULL), want);
	if (want || (to == from && arg[1] == arg[3]))
		return true;
	for (i = 0; i < n; i++) {
		struct m_page **src = &from->page[arg[3] + i];
		struct m_page **dst = &to->page[arg[1] + i];

		if (*src)
			m_page_own(from, arg[3] + i);
		m_page_put(dst);
		*dst = *src;
		*src = NULL;
	}
	return true;
}

static inline void m_copy(struct m_vmo *to, __u64 dst, const struct m_page *from)
{
	if (from)
		memcpy(m_page_own(to, dst)->data, from->data, PG);
	else
		m_drop(to, dst);
}

static inline bool f_reflink(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = f_vmo(m, arg[0]), *from = f_vmo(m, arg[2]);
	struct file_clone_range range = {
		.src_offset = arg[3] * PG,
		.src_length = arg[4] * PG,
		.dest_offset = arg[1] * PG,
	};
	__u64 n = arg[4], i;
	bool share;
	long want = 0;

	/* Ends of streams in the middle of pages have tests of their own. */
	if (!to || !from || !n || (arg[1] + n) * PG > to->stream ||
	    (arg[3] + n) * PG > from->stream)
		return false;
	if (to->read_only)
		want = -EBADF;
	else if (f_overlap(arg))
		want = -EINVAL;
	range.src_fd = from->fd;
	f_want("FICLONERANGE", vmo_ret(ioctl(to->fd, FICLONERANGE, &range)),
	       want);
	if (!want)
		m_read(to, arg[1], n);
	share = m_same_place(to, arg[1], from, arg[3]) && !from->pinned &&
		!m_is_pinned(to, arg[1], arg[1] + n);
	for (i = 0; !want && i < n; i++) {
		if (share)
			m_share(&to->page[arg[1] + i],
				from->page[arg[3] + i]);
		else
			m_copy(to, arg[1] + i, from->page[arg[3] + i]);
	}
	return true;
}

/* Does page @index of @vmo show what the other shows there? */
static inline bool m_differs(const struct m_vmo *vmo, __u64 index,
			     const struct m_vmo *other)
{
	__u64 at = vmo->base + index;
	const struct m_page *theirs = NULL;

	if (at >= other->base && at - other->base < other->pages)
		theirs = other->page[at - other->base];
	return vmo->page[index] != theirs;
}

static inline void f_check_ranges(const struct m_vmo *vmo,
				  const struct m_vmo *other,
				  const struct cowvmo_range *range,
				  unsigned int nr)
{
	__u64 i, end;

	for (i = 0; i < vmo->pages; i = end) {
		bool differs = m_differs(vmo, i, other);

		for (end = i + 1; end < vmo->pages; end++)
			if (m_differs(vmo, end, other) != differs)
				break;
		if (!differs)
			continue;
		if (!nr--)
			f_fail("compare: page %llu is missing",
			       (unsigned long long)i);
		if (range->offset != i * PG || range->length != (end - i) * PG)
			f_fail("compare: %llu+%llu, want page %llu to %llu",
			       (unsigned long long)range->offset,
			       (unsigned long long)range->length,
			       (unsigned long long)i, (unsigned long long)end);
		range++;
	}
	f_want("ranges too many", nr, 0);
}

static inline bool f_compare(struct model *m, const __u64 *arg)
{
	static struct cowvmo_range ranges[M_MAX_PAGES];
	struct m_vmo *vmo = f_vmo(m, arg[0]), *other = f_vmo(m, arg[1]);
	int nr;

	if (!vmo || !other)
		return false;
	nr = vmo_compare(vmo->fd, other->fd, 0, vmo->pages * PG, ranges,
			 M_MAX_PAGES, NULL);
	if (vmo->family != other->family) {
		f_want("compare strangers", nr, -EINVAL);
		return true;
	}
	if (nr < 0)
		f_fail("compare: %d", nr);
	f_check_ranges(vmo, other, ranges, nr);
	return true;
}

#endif /* COWVMO_SELFTEST_FUZZ_PAIR_H */
