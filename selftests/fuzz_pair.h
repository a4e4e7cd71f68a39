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

/* Can all that differs be restored in pages that it has for itself? */
static inline bool m_can_keep(const struct m_vmo *store,
			      const struct m_vmo *from)
{
	__u64 i;

	if (store->pages != from->pages)
		return false;
	for (i = 0; i < store->pages; i++)
		if (m_differs(store, i, from) &&
		    (!store->page[i] || store->page[i]->sharers > 1))
			return false;
	return true;
}

static inline void m_restore_page(struct m_vmo *store, __u64 index,
				  const struct m_page *from)
{
	struct m_page *page = store->page[index];

	if (!page || page == from)
		return;
	if (from)
		memcpy(page->data, from->data, PG);
	else
		memset(page->data, 0, PG);
}

static inline void m_restore(struct model *m, struct m_vmo *store,
			     struct m_vmo *from, bool keep)
{
	__u64 i;

	keep = keep && m_can_keep(store, from);
	for (i = 0; i < M_MAX_PAGES; i++) {
		if (keep)
			m_restore_page(store, i, from->page[i]);
		else
			m_share(&store->page[i], from->page[i]);
	}
	store->pages = from->pages;
	store->stream = from->stream;
	m_cut_copies(m, store);
}

static inline long f_restore_error(const struct m_vmo *vmo,
				   const struct m_vmo *store,
				   const struct m_vmo *from)
{
	if (!m_same_place(store, 0, from, 0))
		return -EINVAL;
	if (store == from)
		return 0;
	if (m_has_pins(from))
		return -EBUSY;
	if (store->sealed)
		return -EPERM;
	if (store->pages != from->pages && !vmo->may_resize)
		return -EINVAL;
	return m_has_pins(store) ? -EBUSY : 0;
}

static inline bool f_restore(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]), *source = f_vmo(m, arg[1]);
	struct m_vmo *store, *from;
	long want;

	if (!vmo || !source || arg[2] & ~COWVMO_RESTORE_KEEP)
		return false;
	store = m_store(m, vmo);
	from = m_store(m, source);
	if (vmo->read_only)
		want = -EACCES;
	else if (m_is_slice(vmo) || m_is_slice(source))
		want = -EOPNOTSUPP;
	else
		want = f_restore_error(vmo, store, from);
	f_want("restore", vmo_restore_how(vmo->fd, arg[2], source->fd), want);
	if (!want && store != from)
		m_restore(m, store, from, arg[2]);
	return true;
}

/* Two ranges of as many pages, as they are in their stores */
struct f_pair {
	struct m_vmo *to;
	struct m_vmo *from;
	__u64 dst;
	__u64 src;
	__u64 pages;
};

static inline struct f_pair f_pair_of(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = &m->vmo[arg[0]], *from = &m->vmo[arg[2]];

	return (struct f_pair) {
		.to = m_store(m, to), .dst = to->first + arg[1],
		.from = m_store(m, from), .src = from->first + arg[3],
		.pages = arg[4],
	};
}

static inline bool f_overlap(const struct f_pair *pair)
{
	return pair->to == pair->from && pair->dst < pair->src + pair->pages &&
	       pair->src < pair->dst + pair->pages;
}

/* Of one VMO with itself, at the same place: nothing is to be done. */
static inline bool f_is_same(const struct f_pair *pair)
{
	return pair->to == pair->from && pair->dst == pair->src;
}

static inline long f_transfer_error(const struct f_pair *pair)
{
	if (f_is_same(pair))
		return 0;
	if (f_overlap(pair))
		return -EINVAL;
	if (pair->from->sealed || pair->to->sealed)
		return -EPERM;
	if (m_is_contiguous(pair->from) || m_is_contiguous(pair->to))
		return -EOPNOTSUPP;
	if (!m_is_cached(pair->from) || !m_is_cached(pair->to))
		return -EBUSY;
	if (m_is_pinned(pair->to, pair->dst, pair->dst + pair->pages) ||
	    m_is_pinned(pair->from, pair->src, pair->src + pair->pages))
		return -EBUSY;
	return 0;
}

static inline bool f_transfer(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = f_vmo(m, arg[0]), *from = f_vmo(m, arg[2]);
	struct f_pair pair;
	__u64 n = arg[4], i;
	long want;

	if (!to || !from || !n ||
	    !f_inside(m_sized(m, to), arg[1] * PG, n * PG) ||
	    !f_inside(m_sized(m, from), arg[3] * PG, n * PG))
		return false;
	pair = f_pair_of(m, arg);
	want = to->read_only || from->read_only ? -EACCES :
		f_transfer_error(&pair);
	f_want("transfer", vmo_transfer(to->fd, arg[1] * PG, from->fd,
					arg[3] * PG, n * PG, NULL), want);
	if (want || f_is_same(&pair))
		return true;
	for (i = 0; i < n; i++) {
		struct m_page **src = &pair.from->page[pair.src + i];
		struct m_page **dst = &pair.to->page[pair.dst + i];

		if (*src)
			m_page_own(pair.from, pair.src + i);
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

static inline void m_reflink(const struct f_pair *pair)
{
	bool share = pair->to != pair->from &&
		m_same_place(pair->to, pair->dst, pair->from, pair->src) &&
		!m_has_pins(pair->from) &&
		!m_is_pinned(pair->to, pair->dst, pair->dst + pair->pages);
	__u64 i;

	if (f_is_same(pair))
		return;
	m_read(pair->to, pair->dst, pair->pages);
	for (i = 0; i < pair->pages; i++) {
		struct m_page *from = pair->from->page[pair->src + i];

		if (share)
			m_share(&pair->to->page[pair->dst + i], from);
		else
			m_copy(pair->to, pair->dst + i, from);
	}
}

/* @one_stream: what the VFS takes for the same file it knows by itself. */
static inline long f_reflink_error(const struct f_pair *pair, bool one_stream)
{
	if (one_stream && f_overlap(pair))
		return -EINVAL;
	if (!m_is_cached(pair->from) || !m_is_cached(pair->to))
		return -EBUSY;
	if (f_is_same(pair))
		return 0;
	if (f_overlap(pair))
		return -EINVAL;
	return pair->to->sealed ? -EPERM : 0;
}

static inline bool f_reflink(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = f_vmo(m, arg[0]), *from = f_vmo(m, arg[2]);
	struct file_clone_range range = {
		.src_offset = arg[3] * PG,
		.src_length = arg[4] * PG,
		.dest_offset = arg[1] * PG,
	};
	struct f_pair pair;
	long want;

	/* Ends of streams in the middle of pages have tests of their own. */
	if (!to || !from || !arg[4] ||
	    (arg[1] + arg[4]) * PG > m_sized(m, to)->stream ||
	    (arg[3] + arg[4]) * PG > m_sized(m, from)->stream)
		return false;
	pair = f_pair_of(m, arg);
	want = to->read_only ? -EBADF :
		f_reflink_error(&pair, m_sized(m, to) == m_sized(m, from));
	range.src_fd = from->fd;
	f_want("FICLONERANGE", vmo_ret(ioctl(to->fd, FICLONERANGE, &range)),
	       want);
	if (!want)
		m_reflink(&pair);
	return true;
}

/* As they are written: a hole becomes zeros. */
static inline void m_copy_bytes(struct m_vmo *to, __u64 dst,
				const struct m_vmo *from, __u64 src,
				__u64 length)
{
	while (length) {
		__u64 part = PG - (dst % PG > src % PG ? dst : src) % PG;
		const struct m_page *page = from->page[src / PG];
		unsigned char *at;

		part = part < length ? part : length;
		at = m_page_own(to, dst / PG)->data + dst % PG;
		if (page)
			memcpy(at, page->data + src % PG, part);
		else
			memset(at, 0, part);
		dst += part;
		src += part;
		length -= part;
	}
}

/*
 * Whole pages are a reflink; what begins elsewhere goes through a pipe. Whole
 * pages and a part of one would be both, and are left out.
 */
static inline bool f_copy_range(struct model *m, const __u64 *arg)
{
	struct m_vmo *to = f_vmo(m, arg[0]), *from = f_vmo(m, arg[2]);
	bool pages = !(arg[1] % PG) && !(arg[3] % PG);
	off_t dst = arg[1], src = arg[3];
	struct f_pair pair;
	long want;

	if (!to || !from || to->store == from->store || !arg[4] ||
	    (pages && arg[4] % PG) ||
	    (!pages && m_is_contiguous(from)) ||
	    arg[1] + arg[4] > m_sized(m, to)->stream ||
	    arg[3] + arg[4] > m_sized(m, from)->stream)
		return false;
	pair = (struct f_pair) {
		.to = m_store(m, to), .dst = to->first + arg[1] / PG,
		.from = m_store(m, from), .src = from->first + arg[3] / PG,
		.pages = arg[4] / PG,
	};
	if (to->read_only)
		want = -EBADF;
	else if (!m_is_cached(pair.from))
		want = -EBUSY;
	else
		want = m_write_error(pair.to) ?: (long)arg[4];
	f_want("copy_file_range",
	       vmo_ret(copy_file_range(from->fd, &src, to->fd, &dst, arg[4],
				       0)), want);
	if (want < 0)
		return true;
	if (pages)
		m_reflink(&pair);
	else
		m_copy_bytes(pair.to, to->first * PG + arg[1], pair.from,
			     from->first * PG + arg[3], arg[4]);
	return true;
}

/* @ranges, of which there are @nr, are those of pages of @vmo that differ. */
static inline void f_check_ranges(const struct model *m,
				  const struct m_vmo *vmo,
				  const struct m_vmo *other,
				  const struct cowvmo_range *range,
				  unsigned int nr)
{
	const struct m_vmo *store = m_store(m, vmo);
	__u64 pages = m_sized(m, vmo)->pages;
	__u64 i, end;

	for (i = 0; i < pages; i = end) {
		bool differs = m_differs(store, vmo->first + i, other);

		for (end = i + 1; end < pages; end++)
			if (m_differs(store, vmo->first + end, other) !=
			    differs)
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
	nr = vmo_compare(vmo->fd, other->fd, 0, m_sized(m, vmo)->pages * PG,
			 ranges, M_MAX_PAGES, NULL);
	if (vmo->family != other->family) {
		f_want("compare strangers", nr, -EINVAL);
		return true;
	}
	if (nr < 0)
		f_fail("compare: %d", nr);
	f_check_ranges(m, vmo, m_store(m, other), ranges, nr);
	return true;
}

#endif /* COWVMO_SELFTEST_FUZZ_PAIR_H */
