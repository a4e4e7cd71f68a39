/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's operations that are about a VMO as one of many: which children
 * can be made of it, slices and references among them, and what holds for all
 * who show its content, SEAL and SET_CACHE_POLICY. Part of fuzz_exec.h.
 */
#ifndef COWVMO_SELFTEST_FUZZ_VIEW_H
#define COWVMO_SELFTEST_FUZZ_VIEW_H

/* The VMO of which a child can be made in slot @to, or NULL */
static inline struct m_vmo *f_parent(struct model *m, __u64 index, __u64 to)
{
	return to < M_VMOS && !m->vmo[to].used ? f_vmo(m, index) : NULL;
}

static inline void f_made(struct model *m, __u64 index, int fd)
{
	m->vmo[index].fd = fd;
	m->vmo[index].id = vmo_id(fd);
}

static inline bool f_flags_exclude(__u64 flags)
{
	const __u32 both = COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_NO_WRITE;

	return (flags & both) == both;
}

static inline bool f_is_snapshot(__u64 type)
{
	return type == COWVMO_CHILD_SNAPSHOT ||
		type == COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE ||
		type == COWVMO_CHILD_SNAPSHOT_MODIFIED;
}

static inline bool f_clone(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_parent(m, arg[0], arg[1]), *store;
	long want = 0;
	int fd;

	if (!vmo || arg[2] % PG || arg[3] > M_MAX_PAGES * PG ||
	    !f_is_snapshot(arg[5]))
		return false;
	store = m_store(m, vmo);
	if (store->base + vmo->first + arg[2] / PG > M_MAX_BASE)
		return false;
	if (m_is_contiguous(store))
		want = -EINVAL;
	else if (m_is_slice(vmo))
		want = -EOPNOTSUPP;
	else if (!m_is_cached(store) || m_has_pins(store))
		want = -EBUSY;
	fd = vmo_child_of(vmo->fd, arg[5], arg[4], arg[2], arg[3]);
	f_want("clone", fd < 0 ? fd : 0, want);
	if (want)
		return true;
	m_clone(m, arg[0], arg[1], arg[2], arg[3], arg[4]);
	f_made(m, arg[1], fd);
	return true;
}

static inline long f_slice_error(const struct model *m, const struct m_vmo *vmo,
				 const __u64 *arg)
{
	const struct m_vmo *sized = m_sized(m, vmo);

	if (arg[4] & COWVMO_CREATE_RESIZABLE)
		return -EINVAL;
	if (sized->flags & COWVMO_INFO_RESIZABLE)
		return -EOPNOTSUPP;
	if (arg[2] % PG || !f_inside(sized, arg[2], arg[3]))
		return -EINVAL;
	if (m_is_contiguous(vmo))
		return 0;
	return m_is_cached(m_store(m, vmo)) ? 0 : -EBUSY;
}

static inline bool f_slice(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_parent(m, arg[0], arg[1]);
	long want;
	int fd;

	if (!vmo)
		return false;
	want = f_slice_error(m, vmo, arg);
	fd = vmo_child_of(vmo->fd, COWVMO_CHILD_SLICE, arg[4], arg[2], arg[3]);
	f_want("slice", fd < 0 ? fd : 0, want);
	if (want)
		return true;
	m_show(m, arg[0], arg[1], true, arg[2], arg[3], arg[4]);
	f_made(m, arg[1], fd);
	return true;
}

static inline bool f_reference(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_parent(m, arg[0], arg[1]);
	long want = 0;
	int fd;

	if (!vmo)
		return false;
	if (f_flags_exclude(arg[2]))
		want = -EINVAL;
	else if (arg[2] & COWVMO_CREATE_RESIZABLE && !vmo->may_resize)
		want = -EPERM;
	else if (m_is_slice(vmo) || m_is_contiguous(vmo))
		want = -EOPNOTSUPP;
	else if (!m_is_cached(m_store(m, vmo)))
		want = -EBUSY;
	fd = vmo_reference(vmo->fd, arg[2]);
	f_want("reference", fd < 0 ? fd : 0, want);
	if (want)
		return true;
	m_show(m, arg[0], arg[1], false, 0, 0, arg[2]);
	f_made(m, arg[1], fd);
	return true;
}

/* Could a mapping of anything that shows the store write to it? */
static inline bool m_is_writably_mapped(const struct model *m,
					const struct m_vmo *store)
{
	unsigned int i;

	for (i = 0; i < M_MAPS; i++) {
		const struct m_map *map = &m->map[i];

		if (map->used && map->shared && !map->read_only &&
		    m_store(m, &m->vmo[map->vmo]) == store)
			return true;
	}
	return false;
}

static inline bool f_seal(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]), *store;
	long want = 0;

	if (!vmo)
		return false;
	store = m_store(m, vmo);
	if (vmo->read_only)
		want = -EACCES;
	else if (!store->sealed &&
		 (m_has_pins(store) || m_is_writably_mapped(m, store)))
		want = -EBUSY;
	f_want("seal", vmo_seal(vmo->fd), want);
	if (!want)
		store->sealed = true;
	return true;
}

static inline bool f_policy(struct model *m, const __u64 *arg)
{
	struct m_vmo *vmo = f_vmo(m, arg[0]);
	long want = 0;

	if (!vmo || arg[1] > COWVMO_CACHE_WRITE_COMBINING)
		return false;
	if (vmo->read_only)
		want = -EACCES;
	else if (arg[1] == m_store(m, vmo)->policy)
		want = 0;
	else if (m_is_contiguous(vmo) && m_has_holes(m_store(m, vmo)))
		want = -EBUSY;
	else if (m_store(m, vmo) != vmo ||
		 vmo->flags & COWVMO_INFO_COW_CLONE ||
		 m_children(m, arg[0]) || vmo->mapped || vmo->pinned)
		want = -EBUSY;
	f_want("policy", vmo_set_cache_policy(vmo->fd, arg[1]), want);
	if (!want)
		m_store(m, vmo)->policy = arg[1];
	return true;
}

#endif /* COWVMO_SELFTEST_FUZZ_VIEW_H */
