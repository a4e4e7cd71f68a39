// SPDX-License-Identifier: GPL-2.0
/*
 * The VMO as an object: how it comes to be, what it tells of itself.
 *
 * A VMO is built completely - content, family, file - before a file
 * descriptor makes it reachable, and everything that can fail comes first.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "cowvmo.h"
#include "pager.h"
#include "trace.h"

/*
 * Hands a new VMO over to its first file. The caller keeps the file system
 * mounted until the inode is owned by the file, or gone.
 */
static struct file *vmo_publish(struct cowvmo *vmo, bool writable)
{
	struct file *file = cowvmo_open_file(vmo, writable, NULL);

	/* It may be in a family already, and have content. */
	if (IS_ERR(file) && vmo->family)
		cowvmo_family_leave(vmo);
	iput(&vmo->inode);
	return file;
}

/* The stream of what is contiguous has the size that the VMO has. */
static void vmo_set_geometry(struct cowvmo *vmo, u64 size)
{
	vmo->nr_pages = DIV_ROUND_UP_ULL(size, PAGE_SIZE);
	i_size_write(&vmo->inode,
		     vmo_is_contiguous(vmo) ? vmo_size(vmo) : size);
}

static void vmo_set_flags(struct cowvmo *vmo, u32 flags)
{
	if (flags & COWVMO_CREATE_RESIZABLE)
		vmo->flags |= COWVMO_INFO_RESIZABLE;
	if (flags & COWVMO_CREATE_CONTIGUOUS)
		vmo->flags |= COWVMO_INFO_CONTIGUOUS;
	vmo->may_resize = flags & COWVMO_CREATE_RESIZABLE;
}

static struct file *vmo_create_mounted(const struct cowvmo_create *args)
{
	struct cowvmo *vmo;
	int err = 0;

	vmo = cowvmo_alloc();
	if (IS_ERR(vmo))
		return ERR_CAST(vmo);
	vmo_set_flags(vmo, args->flags);
	vmo_set_geometry(vmo, args->vmo_size);
	strscpy(vmo->name, args->name, sizeof(vmo->name));

	if (vmo_is_contiguous(vmo))
		err = cow_contig_create(vmo, args->align_log2);
	if (!err)
		err = cowvmo_family_create(vmo);
	if (err) {
		iput(&vmo->inode);
		return ERR_PTR(err);
	}
	trace_cowvmo_create(vmo->id, args->vmo_size, args->flags);
	return vmo_publish(vmo, true);
}

/**
 * cowvmo_create() - a VMO that reads zero, and has no parent
 * @args: validated
 *
 * Context: may sleep.
 * Return: its first file, or an ERR_PTR: -ENOMEM, -ENFILE; of a contiguous one
 * also -EINTR.
 */
struct file *cowvmo_create(const struct cowvmo_create *args)
{
	struct file *file;
	int err = cowvmo_fs_get();

	if (err)
		return ERR_PTR(err);
	file = vmo_create_mounted(args);
	cowvmo_fs_put();
	return file;
}

static struct file *vmo_create_paged_mounted(struct cowvmo_pager *pager,
					     struct cowvmo_pager_create_vmo *args)
{
	struct cowvmo *vmo;
	int err;

	vmo = cowvmo_alloc();
	if (IS_ERR(vmo))
		return ERR_CAST(vmo);
	vmo->flags = COWVMO_INFO_PAGER_BACKED;
	if (args->flags & COWVMO_PAGER_VMO_RESIZABLE)
		vmo->flags |= COWVMO_INFO_RESIZABLE;
	vmo->may_resize = args->flags & COWVMO_PAGER_VMO_RESIZABLE;
	vmo_set_geometry(vmo, args->vmo_size);
	strscpy(vmo->name, args->name, sizeof(vmo->name));
	args->out_id = vmo->id;

	err = cow_source_create(vmo, pager, args);
	if (!err)
		err = cowvmo_family_create(vmo);
	if (err) {
		iput(&vmo->inode);
		return ERR_PTR(err);
	}
	trace_cowvmo_create(vmo->id, args->vmo_size, args->flags);
	return vmo_publish(vmo, true);
}

/**
 * cowvmo_create_paged() - a VMO whose content a pager has
 * @pager: the pager
 * @args: validated; receives the identity
 *
 * Context: may sleep.
 * Return: its first file, or an ERR_PTR: -ENOMEM, -ENFILE, -ENOSPC, -EPIPE.
 */
struct file *cowvmo_create_paged(struct cowvmo_pager *pager,
				 struct cowvmo_pager_create_vmo *args)
{
	struct file *file;
	int err = cowvmo_fs_get();

	if (err)
		return ERR_PTR(err);
	file = vmo_create_paged_mounted(pager, args);
	cowvmo_fs_put();
	return file;
}

static u32 snapshot_info_flags(u32 flags)
{
	u32 info = COWVMO_INFO_COW_CLONE;

	if (flags & COWVMO_CREATE_RESIZABLE)
		info |= COWVMO_INFO_RESIZABLE;
	if (flags & COWVMO_CREATE_NO_WRITE)
		info |= COWVMO_INFO_IMMUTABLE;
	return info;
}

/* A member of the family, with content of its own. */
static struct file *begin_snapshot(struct cowvmo *child, struct cowvmo *parent,
				   const struct cowvmo_create_child *args)
{
	struct cowvmo *store = parent->store;

	child->flags = snapshot_info_flags(args->flags) |
		       (store->flags & COWVMO_INFO_PAGER_BACKED);
	child->base = store->base + parent->view_first +
		      (args->offset >> PAGE_SHIFT);
	if (store->source) {
		/* The lock of all is the root's, which must be there for it. */
		ihold(&store->source->root->inode);
		child->lock = store->lock;
	}
	vmo_set_geometry(child, args->length);
	return vmo_publish(child, !(args->flags & COWVMO_CREATE_NO_WRITE));
}

/* The slice holds its parent once nothing can fail any more. */
static struct file *begin_slice(struct cowvmo *child, struct cowvmo *parent,
				const struct cowvmo_create_child *args,
				bool writable)
{
	struct file *file;

	child->flags = COWVMO_INFO_SLICE |
		       (parent->flags & (COWVMO_INFO_CONTIGUOUS |
					 COWVMO_INFO_PAGER_BACKED));
	child->view_first = parent->view_first + (args->offset >> PAGE_SHIFT);
	vmo_set_geometry(child, args->length);
	cowvmo_show(child, parent->store);
	file = vmo_publish(child, writable);
	if (!IS_ERR(file)) {
		ihold(&parent->inode);
		atomic_inc(&parent->users);
		child->slice_of = parent;
	}
	return file;
}

static struct file *begin_reference(struct cowvmo *child, struct cowvmo *store,
				    bool writable)
{
	child->flags = COWVMO_INFO_REFERENCE |
		       (store->flags & (COWVMO_INFO_RESIZABLE |
					COWVMO_INFO_PAGER_BACKED));
	cowvmo_show(child, store);
	down_write(store->lock);
	list_add_tail(&child->references, &store->references);
	i_size_write(&child->inode, i_size_read(&store->inode));
	up_write(store->lock);
	return vmo_publish(child, writable);
}

/* The child with its file, which only the content is missing from. */
static struct file *begin_child(struct cowvmo *child, struct file *from,
				const struct cowvmo_create_child *args)
{
	bool writable = (from->f_mode & FMODE_WRITE) &&
			!(args->flags & COWVMO_CREATE_NO_WRITE);
	struct cowvmo *parent = file_to_vmo(from);

	child->may_resize = args->flags & COWVMO_CREATE_RESIZABLE;
	switch (args->type) {
	case COWVMO_CHILD_SLICE:
		return begin_slice(child, parent, args, writable);
	case COWVMO_CHILD_REFERENCE:
		return begin_reference(child, parent->store, writable);
	default:
		return begin_snapshot(child, parent, args);
	}
}

static struct file *vmo_create_child_mounted(struct file *from,
					     const struct cowvmo_create_child *args)
{
	struct cowvmo *parent = file_to_vmo(from);
	struct cowvmo *child;
	struct file *file;
	int err = 0;

	child = cowvmo_alloc();
	if (IS_ERR(child))
		return ERR_CAST(child);
	file = begin_child(child, from, args);
	if (IS_ERR(file))
		return file;

	/* Relatives come and go only before or after. */
	mutex_lock(&parent->family->lock);
	err = cowvmo_check_policy(parent->store, args->type);
	if (!err && child->store == child)
		err = parent->store->source ?
		      cow_clone(parent, args, child) :
		      cow_snapshot(parent->store, args->offset, args->length,
				   child);
	if (!err) {
		memcpy(child->name, parent->name, sizeof(child->name));
		cowvmo_family_join(child, parent);
	}
	mutex_unlock(&parent->family->lock);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	trace_cowvmo_clone(parent->id, child->id, args->offset, args->length);
	return file;
}

/**
 * cowvmo_create_child() - a snapshot, slice or reference of a VMO
 * @parent: a file of the VMO
 * @args: validated as far as no lock is needed for it
 *
 * Context: may sleep; takes family->lock and the lock of the store.
 * Return: the child's first file, or an ERR_PTR: -ENOMEM, -ENFILE, -EBUSY,
 * -EINTR.
 */
struct file *cowvmo_create_child(struct file *parent,
				 const struct cowvmo_create_child *args)
{
	struct file *file;
	int err = cowvmo_fs_get();

	if (err)
		return ERR_PTR(err);
	file = vmo_create_child_mounted(parent, args);
	cowvmo_fs_put();
	return file;
}

/**
 * cowvmo_info_flags() - of enum cowvmo_info_flags, what is true of any fd
 * @vmo: the VMO
 *
 * Context: the caller holds the lock of the store.
 */
u32 cowvmo_info_flags(const struct cowvmo *vmo)
{
	const struct cowvmo *store = vmo->store;
	u32 flags = vmo->flags;

	lockdep_assert_held(store->lock);
	if (store->sealed)
		flags |= COWVMO_INFO_SEALED;
	if (cowvmo_is_high_priority(store))
		flags |= COWVMO_INFO_HIGH_PRIORITY;
	return flags;
}

/* Nothing is compressed: all that is there is in pages. */
static void info_committed(struct cowvmo_get_info *info)
{
	info->out_committed_bytes = info->out_populated_bytes;
	info->out_committed_private_bytes = info->out_private_bytes;
	info->out_committed_scaled_bytes = info->out_scaled_bytes;
	info->out_committed_scaled_fraction = info->out_scaled_fraction;
}

/**
 * cowvmo_info() - what COWVMO_IOC_GET_INFO tells
 * @vmo: the VMO
 * @info: in: @want; out: everything else but @size and the read-only flag
 *
 * Context: may sleep; takes the lock of the store, family->lock and, if asked
 * for memory, the locks of the whole family.
 * Return: 0 or -ENOMEM.
 */
int cowvmo_info(struct cowvmo *vmo, struct cowvmo_get_info *info)
{
	bool attributed = cowvmo_is_attributed(vmo);
	struct cowvmo_family *family = vmo->family;
	struct cowvmo *store = vmo->store;
	int err = 0;

	info->out_id = vmo->id;
	info->out_family_id = family->id;

	down_read(store->lock);
	info->out_flags = cowvmo_info_flags(vmo);
	info->out_vmo_size = vmo_size(vmo_sized(vmo));
	info->out_stream_size = i_size_read(&vmo->inode);
	if (attributed)
		info->out_populated_bytes = ptree_populated(&store->tree) <<
					    PAGE_SHIFT;
	info->out_cache_policy = store->cache_policy;
	up_read(store->lock);

	mutex_lock(&family->lock);
	info->out_parent_id = vmo->parent ? vmo->parent->id : 0;
	info->out_num_children = vmo->nr_children;
	memcpy(info->out_name, vmo->name, sizeof(info->out_name));
	mutex_unlock(&family->lock);

	if (attributed && (info->want & COWVMO_INFO_MEMORY))
		err = cowvmo_attribute(store, info);
	info_committed(info);
	return err;
}

/**
 * cowvmo_set_name() - rename a VMO
 * @vmo: the VMO
 * @name: NUL-terminated within COWVMO_NAME_LEN
 *
 * Context: may sleep; takes family->lock.
 */
void cowvmo_set_name(struct cowvmo *vmo, const char *name)
{
	mutex_lock(&vmo->family->lock);
	strscpy_pad(vmo->name, name, sizeof(vmo->name));
	mutex_unlock(&vmo->family->lock);
}
