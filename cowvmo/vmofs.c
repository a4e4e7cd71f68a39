// SPDX-License-Identifier: GPL-2.0
/*
 * The pseudo file system that VMOs live in: inodes and files.
 *
 * A VMO is its inode. It is seen until nobody uses it any more: no file, no
 * mapping, no slice or pin of it. Its content stays until no reference shows
 * it either. The inode is held by all of these, and by paths that lead to it,
 * which use nothing. Each file holds a reference to the module, which the VFS
 * drops with the file, and keeps the file system mounted, whose type keeps the
 * module in place until the last inode has been evicted.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "cowvmo.h"
#include "trace.h"

#define COWVMO_MAGIC	0x434f5756	/* "VWOC" */

static struct kmem_cache *cowvmo_cache;
static const struct file_operations *cowvmo_fops;
static const struct inode_operations *cowvmo_iops;
static struct vfsmount *cowvmo_mnt;
static int cowvmo_mnt_count;

static void cowvmo_init_once(void *data)
{
	struct cowvmo *vmo = data;

	inode_init_once(&vmo->inode);
}

static struct inode *cowvmo_alloc_inode(struct super_block *sb)
{
	struct cowvmo *vmo;

	if (cowvmo_should_fail())
		return NULL;
	vmo = kmem_cache_alloc(cowvmo_cache, COWVMO_GFP_CALL);
	if (!vmo)
		return NULL;
	/* The root directory is made here too: an empty VMO without family. */
	memset(vmo, 0, offsetof(struct cowvmo, inode));
	init_rwsem(&vmo->own_lock);
	vmo->lock = &vmo->own_lock;
	spin_lock_init(&vmo->zero_lock);
	vmo->zero_first = U64_MAX;
	vmo->store = vmo;
	INIT_LIST_HEAD(&vmo->references);
	INIT_LIST_HEAD(&vmo->children);
	INIT_LIST_HEAD(&vmo->sibling);
	INIT_LIST_HEAD(&vmo->member);
	INIT_LIST_HEAD(&vmo->source_link);
	return &vmo->inode;
}

static void cowvmo_free_inode(struct inode *inode)
{
	kfree(inode_to_vmo(inode)->ro_mapping);
	kmem_cache_free(cowvmo_cache, inode_to_vmo(inode));
}

/*
 * A chain of slices may be of any length: if ours is the last reference to a
 * link, take the next one from it before it goes.
 */
static void put_slice_of(struct cowvmo *vmo)
{
	struct cowvmo *next;

	while (vmo && atomic_read(&vmo->inode.i_count) == 1) {
		next = vmo->slice_of;
		vmo->slice_of = NULL;
		iput(&vmo->inode);
		vmo = next;
	}
	if (vmo)
		iput(&vmo->inode);
}

/* A VMO goes whose pager, or whose ancestor's, content came from. */
static void source_end(struct cowvmo *vmo)
{
	if (vmo->lock != &vmo->own_lock)
		iput(&container_of(vmo->lock, struct cowvmo, own_lock)->inode);
	else
		cow_source_end(vmo->source);
}

/* A slice or reference goes, which may have failed to come to be. */
static void view_end(struct cowvmo *vmo)
{
	struct cowvmo *store = vmo->store;

	down_write(store->lock);
	list_del_init(&vmo->references);
	up_write(store->lock);
	iput(&store->inode);
	put_slice_of(vmo->slice_of);
}

/*
 * The end of a VMO, which nobody can reach any more. It cannot fail, in
 * whatever order relatives go.
 */
static void cowvmo_destroy(struct cowvmo *vmo)
{
	/* The root directory of the file system is no VMO. */
	if (!vmo->id)
		return;
	trace_cowvmo_free(vmo->id);
	if (vmo->family)
		cowvmo_family_put(vmo->family);
	else
		cow_clear(vmo);
	if (vmo->store != vmo)
		view_end(vmo);
	source_end(vmo);
	atomic_long_dec(&cowvmo_nr_vmos);
}

static void cowvmo_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	cowvmo_destroy(inode_to_vmo(inode));
}

static const struct super_operations cowvmo_super_ops = {
	.alloc_inode	= cowvmo_alloc_inode,
	.free_inode	= cowvmo_free_inode,
	.evict_inode	= cowvmo_evict_inode,
	.statfs		= simple_statfs,
};

/* What /proc shows of a descriptor or a mapping, as it does of a pipe. */
static char *cowvmo_dname(struct dentry *dentry, char *buffer, int buflen)
{
	struct cowvmo *vmo = inode_to_vmo(d_inode(dentry));
	char text[32];
	int size;

	size = snprintf(text, sizeof(text), "cowvmo:[%llu]", vmo->id) + 1;
	if (size > buflen)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + buflen - size, text, size);
}

static const struct dentry_operations cowvmo_dentry_ops = {
	.d_dname	= cowvmo_dname,
};

static int cowvmo_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, COWVMO_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &cowvmo_super_ops;
	ctx->dops = &cowvmo_dentry_ops;
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	return 0;
}

static struct file_system_type cowvmo_fs = {
	.name			= "cowvmo",
	.owner			= THIS_MODULE,
	.init_fs_context	= cowvmo_init_fs_context,
	.kill_sb		= kill_anon_super,
};

/**
 * cowvmo_fs_get() - keep the file system mounted
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM when it could not be mounted.
 */
int cowvmo_fs_get(void)
{
	return simple_pin_fs(&cowvmo_fs, &cowvmo_mnt, &cowvmo_mnt_count);
}

/**
 * cowvmo_fs_put() - undo one cowvmo_fs_get()
 */
void cowvmo_fs_put(void)
{
	simple_release_fs(&cowvmo_mnt, &cowvmo_mnt_count);
}

static struct address_space *new_ro_mapping(struct cowvmo *vmo)
{
	struct address_space *mapping;

	if (cowvmo_should_fail())
		return NULL;
	mapping = kmalloc(sizeof(*mapping), COWVMO_GFP_CALL);
	if (!mapping)
		return NULL;
	address_space_init_once(mapping);
	init_rwsem(&mapping->invalidate_lock);
	mapping->host = &vmo->inode;
	mapping->a_ops = vmo->inode.i_mapping->a_ops;
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);
	return mapping;
}

/*
 * The address space of a store's private and read-only mappings. Whoever sees
 * such a mapping sees the address space too: a fault there takes vmo->lock
 * later.
 */
static struct address_space *ro_mapping(struct cowvmo *vmo)
{
	struct address_space *mapping = READ_ONCE(vmo->ro_mapping), *old;

	if (mapping)
		return mapping;
	mapping = new_ro_mapping(vmo);
	if (!mapping)
		return NULL;
	old = cmpxchg(&vmo->ro_mapping, NULL, mapping);
	if (!old)
		return mapping;
	kfree(mapping);
	return old;
}

/**
 * cowvmo_alloc() - a VMO without content, size, family and file
 *
 * Context: may sleep; the caller keeps the file system mounted.
 * Return: the VMO, to be released with iput() unless a file takes it over;
 * an ERR_PTR: -ENOMEM.
 */
struct cowvmo *cowvmo_alloc(void)
{
	static atomic64_t last_id;
	struct cowvmo *vmo;
	struct inode *inode;

	inode = alloc_anon_inode(cowvmo_mnt->mnt_sb);
	if (IS_ERR(inode))
		return ERR_CAST(inode);

	inode->i_mode = S_IFREG | 0600;
	/* No name leads here: with the last file, watches go too. */
	clear_nlink(inode);
	inode->i_op = cowvmo_iops;
	vmo = inode_to_vmo(inode);
	vmo->id = atomic64_inc_return(&last_id);
	/* So that stat and the maps of a process tell it too. */
	inode->i_ino = vmo->id;
	atomic_long_inc(&cowvmo_nr_vmos);
	vmo->owner = task_tgid_nr(current);
	return vmo;
}

/**
 * cowvmo_show() - have a new VMO show another's content
 * @vmo: the new VMO, a slice or reference
 * @store: the VMO that has the content; @vmo holds it from now on
 */
void cowvmo_show(struct cowvmo *vmo, struct cowvmo *store)
{
	ihold(&store->inode);
	vmo->store = store;
}

/*
 * Where the mappings of a file are kept: in one place for all that show the
 * same content, by page numbers of the store. The VFS takes the inode behind
 * it for the one that has the end of file. A slice has another, so its own
 * files keep its own address space: what is mapped is a file made for that.
 */
static struct address_space *mapping_of(struct cowvmo *vmo, bool writable,
					bool mapped)
{
	if (vmo_is_slice(vmo) && !mapped)
		return &vmo->inode.i_data;
	return writable ? &vmo->store->inode.i_data : ro_mapping(vmo->store);
}

/**
 * cowvmo_open_file() - one more file of a VMO
 * @vmo: the VMO; the file takes a reference of its own
 * @writable: false: nothing reached through this file can ever be written
 * @fops: of a file behind a slice's mapping; NULL: those of every VMO's file
 *
 * i_fop stays unset, so that no path through /proc opens the inode anew with
 * other rights. FMODE_ATOMIC_POS stays unset, as it does for a memfd.
 *
 * Context: may sleep.
 * Return: the file or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct file *cowvmo_open_file(struct cowvmo *vmo, bool writable,
			      const struct file_operations *fops)
{
	struct address_space *mapping;
	struct file *file;
	int err;

	if (cowvmo_should_fail())
		return ERR_PTR(-ENOMEM);
	mapping = mapping_of(vmo, writable, fops);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	err = cowvmo_fs_get();
	if (err)
		return ERR_PTR(err);
	__module_get(THIS_MODULE);
	ihold(&vmo->inode);
	file = alloc_file_pseudo(&vmo->inode, cowvmo_mnt, "cowvmo",
				 (writable ? O_RDWR : O_RDONLY) | O_LARGEFILE,
				 fops ?: cowvmo_fops);
	if (IS_ERR(file)) {
		iput(&vmo->inode);
		module_put(THIS_MODULE);
		cowvmo_fs_put();
		return file;
	}
	atomic_inc(&vmo->users);
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_mapping = mapping;
	return file;
}

/**
 * cowvmo_put_user() - a VMO has one user less
 * @vmo: the VMO; the caller, or a slice of it, holds its inode
 *
 * Context: may sleep; takes the family's locks.
 */
void cowvmo_put_user(struct cowvmo *vmo)
{
	while (vmo && atomic_dec_and_test(&vmo->users)) {
		/* It may have failed to come to be. */
		if (vmo->family)
			cowvmo_family_leave(vmo);
		vmo = vmo->slice_of;
	}
}

/**
 * cowvmo_release() - the last reference to a file of a VMO is gone
 * @inode: the VMO's inode
 * @file: the file
 *
 * Return: 0.
 */
int cowvmo_release(struct inode *inode, struct file *file)
{
	cowvmo_put_user(inode_to_vmo(inode));
	cowvmo_fs_put();
	return 0;
}

/**
 * cowvmo_fs_init() - the module comes
 * @fops: file operations of a VMO's files
 * @iops: inode operations of a VMO
 *
 * Return: 0 or -ENOMEM.
 */
int cowvmo_fs_init(const struct file_operations *fops,
		   const struct inode_operations *iops)
{
	cowvmo_fops = fops;
	cowvmo_iops = iops;
	cowvmo_cache = kmem_cache_create("cowvmo_inode", sizeof(struct cowvmo),
					 0, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					 cowvmo_init_once);
	return cowvmo_cache ? 0 : -ENOMEM;
}

/**
 * cowvmo_fs_exit() - the module goes; no inode is left
 */
void cowvmo_fs_exit(void)
{
	/* Inodes are freed after a grace period. */
	rcu_barrier();
	kmem_cache_destroy(cowvmo_cache);
}
