/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's operations on mappings: made, used, changed, moved and taken
 * away, page by page. Part of fuzz_exec.h.
 */
#ifndef COWVMO_SELFTEST_FUZZ_MAP_H
#define COWVMO_SELFTEST_FUZZ_MAP_H

static inline long f_map_error(const struct m_vmo *store,
			       const struct m_vmo *vmo, bool shared, bool write)
{
	if (!shared)
		return m_is_cached(store) ? 0 : -EBUSY;
	if (!write)
		return 0;
	if (vmo->read_only)
		return -EACCES;
	return store->sealed ? -EPERM : 0;
}

static inline bool f_do_map(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[1]);
	bool shared = arg[5];
	struct m_map *map;
	unsigned int i;
	long want;
	char *mem;

	if (!vmo || arg[0] >= M_MAPS || m->map[arg[0]].used || !arg[3] ||
	    arg[3] > M_MAP_PAGES)
		return false;
	mem = mmap(NULL, arg[3] * PG, arg[4], shared ? MAP_SHARED : MAP_PRIVATE,
		   vmo->fd, arg[2] * PG);
	want = f_map_error(m_store(m, vmo), vmo, shared, arg[4] & PROT_WRITE);
	f_want("mmap", mem == MAP_FAILED ? -errno : 0, want);
	if (want)
		return true;
	map = &m->map[arg[0]];
	*map = (struct m_map) {
		.used = true, .shared = shared, .vmo = arg[1],
		.read_only = vmo->read_only || m_store(m, vmo)->sealed,
		.first = arg[2], .pages = arg[3],
	};
	for (i = 0; i < map->pages; i++) {
		map->page[i].at = (unsigned char *)mem + i * PG;
		map->page[i].prot = arg[4];
	}
	vmo->mapped += map->pages;
	return true;
}

/* What an access must raise; a private copy outlives the page. */
static inline int f_signal(const struct model *m, const struct m_map *map,
			   const struct m_map_page *page, bool write)
{
	int needed = write ? PROT_WRITE : PROT_READ | PROT_WRITE;

	if (!(page->prot & needed))
		return SIGSEGV;
	if (page->copy)
		return 0;
	if (map->first + (page - map->page) >=
	    m_sized(m, &m->vmo[map->vmo])->pages)
		return SIGBUS;
	return 0;
}

/* Which page of the store a page of a mapping is */
static inline __u64 f_map_index(const struct model *m, const struct m_map *map,
				const struct m_map_page *page)
{
	return m->vmo[map->vmo].first + map->first + (page - map->page);
}

/* The page of the model that a store to a mapping changes */
static inline struct m_page *f_target(struct model *m, struct m_map *map,
				      struct m_map_page *page)
{
	struct m_vmo *store = m_store(m, &m->vmo[map->vmo]);
	__u64 index = f_map_index(m, map, page);

	if (map->shared)
		return m_page_own(store, index);
	if (page->copy)
		return page->copy;
	m_read(store, index, 1);
	page->copy = m_page_new(store->page[index]);
	return page->copy;
}

/* A load makes nothing, but of what is not cached, or lent. */
static inline const struct m_page *f_source(struct model *m,
					    const struct m_map *map,
					    const struct m_map_page *page)
{
	struct m_vmo *store = m_store(m, &m->vmo[map->vmo]);
	static const struct m_page nothing;
	__u64 index = f_map_index(m, map, page);

	if (page->copy)
		return page->copy;
	if (!m_is_cached(store) || m_is_contiguous(store))
		return m_page_own(store, index);
	return store->page[index] ? store->page[index] : &nothing;
}

static inline bool f_store(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], 1);
	unsigned char buf[PG];
	struct m_map_page *page;
	int want;

	if (!map || !map->page[arg[1]].at || arg[2] >= PG || !arg[3] ||
	    arg[3] > PG - arg[2])
		return false;
	page = &map->page[arg[1]];
	want = f_signal(m, map, page, true);
	m_bytes(buf, arg[4], arg[2], arg[3]);
	f_want("signal of a store", f_copy(page->at + arg[2], buf, arg[3]),
	       want);
	if (!want)
		memcpy(f_target(m, map, page)->data + arg[2], buf, arg[3]);
	return true;
}

/* Another process stores, through the mapping it inherited. */
static inline bool f_fork_store(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], 1);
	unsigned char buf[PG];
	struct m_map_page *page;
	int want, status;
	pid_t pid;

	if (!map || !map->page[arg[1]].at)
		return false;
	page = &map->page[arg[1]];
	want = f_signal(m, map, page, true);
	m_bytes(buf, arg[2], 0, PG);
	pid = fork();
	if (!pid)
		_exit(f_copy(page->at, buf, PG));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		f_fail("fork: %d, status %#x", -errno, status);
	f_want("signal of a child's store", WEXITSTATUS(status), want);
	if (want)
		return true;
	if (map->shared)
		memcpy(f_target(m, map, page)->data, buf, PG);
	else
		f_source(m, map, page);
	return true;
}

/* Calls that take addresses are made page by page: a range may have holes. */
static inline bool f_protect(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], arg[2]);
	long want = 0;
	__u64 i;

	if (!map)
		return false;
	if (map->shared && map->read_only && arg[3] & PROT_WRITE)
		want = -EACCES;
	for (i = arg[1]; i < arg[1] + arg[2]; i++) {
		struct m_map_page *page = &map->page[i];

		if (!page->at)
			continue;
		f_want("mprotect", vmo_ret(mprotect(page->at, PG, arg[3])),
		       want);
		if (!want)
			page->prot = arg[3];
	}
	return true;
}

static inline bool f_unmap(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], arg[2]);
	struct m_vmo *vmo;
	bool left = false;
	__u64 i;

	if (!map)
		return false;
	vmo = &m->vmo[map->vmo];
	for (i = arg[1]; i < arg[1] + arg[2]; i++) {
		struct m_map_page *page = &map->page[i];

		if (!page->at)
			continue;
		f_want("munmap", vmo_ret(munmap(page->at, PG)), 0);
		page->at = NULL;
		m_page_put(&page->copy);
		vmo->mapped--;
	}
	for (i = 0; i < map->pages; i++)
		left |= !!map->page[i].at;
	map->used = left;
	m_release(m, map->vmo);
	return true;
}

static inline bool f_move(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], 1);
	struct m_map_page *page;
	void *place, *now;

	if (!map || !map->page[arg[1]].at)
		return false;
	page = &map->page[arg[1]];
	place = mmap(NULL, PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	now = mremap(page->at, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (now == MAP_FAILED)
		f_fail("mremap: %d", -errno);
	page->at = now;
	return true;
}

static inline bool f_dontneed(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], arg[2]);
	__u64 i;

	if (!map)
		return false;
	for (i = arg[1]; i < arg[1] + arg[2]; i++) {
		struct m_map_page *page = &map->page[i];

		if (!page->at)
			continue;
		f_want("MADV_DONTNEED",
		       vmo_ret(madvise(page->at, PG, MADV_DONTNEED)), 0);
		m_page_put(&page->copy);
	}
	return true;
}

static inline bool f_populate(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], 1);
	struct m_map_page *page;

	if (!map || !map->page[arg[1]].at)
		return false;
	page = &map->page[arg[1]];
	if (f_signal(m, map, page, arg[2]))
		return false;
	if (!arg[2] && !(page->prot & PROT_READ))
		return false;
	f_want("MADV_POPULATE",
	       vmo_ret(madvise(page->at, PG, arg[2] ? MADV_POPULATE_WRITE :
			       MADV_POPULATE_READ)), 0);
	if (arg[2])
		f_target(m, map, page);
	else
		f_source(m, map, page);
	return true;
}

static inline bool f_remove(struct model *m, const __u64 *arg)
{
	struct m_map *map = f_map(m, arg[0], arg[1], arg[2]);
	struct m_vmo *vmo, *store;
	__u64 i;

	if (!map || !map->shared || map->read_only)
		return false;
	vmo = &m->vmo[map->vmo];
	store = m_store(m, vmo);
	for (i = arg[1]; i < arg[1] + arg[2]; i++) {
		struct m_map_page *page = &map->page[i];
		bool inside = map->first + i < m_sized(m, vmo)->pages;
		long want = inside ? m_write_error(store) : 0;

		if (!page->at || !(page->prot & PROT_WRITE))
			continue;
		f_want("MADV_REMOVE",
		       vmo_ret(madvise(page->at, PG, MADV_REMOVE)), want);
		if (inside && !want)
			m_drop(store, f_map_index(m, map, page));
	}
	return true;
}

static inline void f_look_page(struct model *m, const struct m_map *map,
			       const struct m_map_page *page)
{
	int want = f_signal(m, map, page, false);
	unsigned char buf[PG];

	f_want("signal of a load", f_copy(buf, page->at, PG), want);
	if (want)
		return;
	if (memcmp(buf, f_source(m, map, page)->data, PG))
		f_fail("mapping %d page %llu differs", (int)(map - m->map),
		       (unsigned long long)(page - map->page));
}

static inline bool f_look(struct model *m, __u64 index)
{
	unsigned int i;

	if (index >= M_MAPS || !m->map[index].used)
		return false;
	for (i = 0; i < m->map[index].pages; i++)
		if (m->map[index].page[i].at)
			f_look_page(m, &m->map[index], &m->map[index].page[i]);
	return true;
}

#endif /* COWVMO_SELFTEST_FUZZ_MAP_H */
