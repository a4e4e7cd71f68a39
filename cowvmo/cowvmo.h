/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rooms of the module share.
 *
 * Locks, outermost first:
 *
 *   inode lock of write and ftruncate
 *   mmap lock or VMA lock of a faulting process
 *     family->counts	read: work that drops shared counts outside a VMO's
 *			lock; write: a query that must see exact counts
 *       family->lock	members, parents and children of a family
 *         vmo->lock	tree, base, nr_pages, stream size, every PTE that is
 *			installed or made writable. Two VMOs' locks are taken
 *			together by pair.c, in the order of their ids and under
 *			family->counts held for reading, or all of a family's
 *			under family->counts held for writing
 *           i_mmap_rwsem, page table lock
 *             loan_lock	what is lent, see loan.c
 *
 * Memory is allocated without waiting under vmo->lock; whoever fails drops
 * the lock, fills a struct cow_reserve and starts again. User memory is
 * touched under vmo->lock only with page faults disabled.
 */
#ifndef COWVMO_H
#define COWVMO_H

#include <linux/cowvmo.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "compat.h"
#include "page_tree.h"

struct cowvmo_pager;
struct cowvmo_pager_create_vmo;
struct cow_source;
struct cow_group;
struct kstat;
struct seq_file;
struct sg_table;
struct user_struct;

/* loff_t bounds a VMO. */
#define COWVMO_MAX_SIZE		(((u64)1 << 63) - PAGE_SIZE)

/*
 * Ioctls, read, write: a memory cgroup at its limit gives ENOMEM. Faults: it
 * meets the OOM killer, as a fault on any other memory does.
 */
#define COWVMO_GFP_CALL		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | \
				 __GFP_NOWARN)
#define COWVMO_GFP_FAULT	GFP_KERNEL_ACCOUNT

/* Pages per hold of a lock in long operations. */
#define COW_BATCH	64UL

/* Flags of a page descriptor: the cache policy that the page has. */
#define COW_DESC_POLICY	3U

/**
 * struct cowvmo_family - all VMOs that descend from one CREATE
 * @refs: one per VMO and per walker
 * @counts: see the lock order above
 * @lock: protects the lists below, and the family part of each VMO
 * @members: all VMOs with content of their own, oldest first
 * @nr_members: length of @members
 * @roots: living VMOs without a living ancestor, linked by @sibling
 * @wait: who polls a VMO of this family
 * @id: identity, by which it can be found; never changes
 */
struct cowvmo_family {
	refcount_t refs;
	struct rw_semaphore counts;
	struct mutex lock;		/* inside counts */
	struct list_head members;
	unsigned int nr_members;
	struct list_head roots;
	wait_queue_head_t wait;
	u64 id;
};

/**
 * struct cow_contig - the memory of a contiguous VMO
 * @pages: the first page; page n of the VMO is the n-th from there
 * @nr_pages: how many
 * @user: whose locked memory counts it, or NULL
 * @loans: what has become of each page that was decommitted, or NULL
 * @uses: pages that are still part of it, and one for the VMO
 * @link: for who is to free it
 */
struct cow_contig {
	struct page *pages;
	u64 nr_pages;
	struct user_struct *user;
	struct cow_loan *loans;
	atomic_long_t uses;
	struct llist_node link;
};

/**
 * struct cowvmo - a virtual memory object
 * @lock: protects the content, see the lock order above: @own_lock, or where
 *	there is a pager that of the VMO the content comes from
 * @tree: the content, under @lock
 * @base: tree index of page 0; never changes
 * @nr_pages: size, under @lock; of a slice: never changes
 * @shared_once: the tree has had relatives: a page may be held by somebody
 *	who reached it through one of them; under @lock
 * @sealed: the content never changes again; under @lock
 * @policy_changes: some pages may have another policy yet; under @lock
 * @cache_policy: of enum cowvmo_cache_policy: of all pages; under @lock
 * @cache_bits: what the page protection of each mapping says of it; under
 *	@lock
 * @may_resize: SET_SIZE and what it stands for are allowed; never changes
 * @hidden: nobody has a file of it any more; under family->lock
 * @users: files, pins, and slices of this VMO
 * @zero_lock: protects the two below against readers of @lock
 * @zero_first: first page at which a zero page may be mapped
 * @zero_last: last such page; below @zero_first when there is none
 * @id: identity, never 0; never changes
 * @flags: of enum cowvmo_info_flags; never changes
 * @owner: process that made it, as numbered in the first PID namespace
 * @name: under family->lock
 * @family: set before the VMO can be found, then never changes
 * @store: whose content this VMO shows: its own, or, for a slice or reference,
 *	that of a VMO whose inode it holds. Never changes
 * @pins: all pins of it, by the pages they cover; under @lock
 * @view_first: for a slice: its first page in @store; never changes
 * @contig: of a contiguous VMO: where its memory is, until its content goes
 * @slice_of: for a slice: the VMO it was made from, which lives as long
 * @references: of a store: the references to it; of a reference: the link
 *	there. Under the store's @lock
 * @member: in family->members
 * @place: position there, under family->counts and set when it is needed
 * @parent: nearest living ancestor or NULL, under family->lock
 * @children: VMOs whose @parent this is, under family->lock
 * @sibling: in parent->children or in family->roots
 * @nr_children: length of @children
 * @high: made of high priority, under family->lock
 * @reasons: why it is: itself if @high, and each child with a reason; under
 *	family->lock
 * @high_views: of a store: VMOs with a reason that show it; changed under
 *	family->lock
 * @ro_mapping: private and read-only mappings, made when there is the first
 *	such; the writable shared ones are in the inode's own. A walk that
 *	write-protects must not meet them
 * @source: where absent content comes from, or NULL
 * @up: whose content shows through where this one has none, or NULL
 * @up_end: tree index from which on it does not
 * @nr_below: VMOs whose @up this is
 * @group: those that a hidden node of the reference would have as children, or
 *	NULL
 * @point_in_time: what @up has changed since is not to be seen
 * @source_link: in source->members
 * @inode: identity towards the VFS; its i_size is the stream size
 *
 * @source to @source_link are under @lock, and change under family->lock.
 *
 * What is said to be under @lock is there in a store only, and so is the
 * meaning of @tree to @zero_last.
 */
struct cowvmo {
	struct rw_semaphore *lock;
	struct rw_semaphore own_lock;
	struct ptree tree;
	struct rb_root_cached pins;
	u64 base;
	u64 nr_pages;
	bool shared_once;
	bool sealed;
	bool policy_changes;
	bool may_resize;
	bool hidden;
	u32 cache_policy;
	unsigned long cache_bits;
	atomic_t users;
	u64 zero_first;
	u64 zero_last;
	spinlock_t zero_lock;		/* innermost */
	u32 flags;
	u64 id;
	pid_t owner;
	unsigned int nr_children;
	bool high;
	unsigned int reasons;
	unsigned int high_views;
	unsigned int place;
	char name[COWVMO_NAME_LEN];
	struct cowvmo_family *family;
	struct cowvmo *store;
	u64 view_first;
	struct cow_contig *contig;
	struct cowvmo *slice_of;
	struct list_head references;
	struct list_head member;
	struct cowvmo *parent;
	struct list_head children;
	struct list_head sibling;
	struct address_space *ro_mapping;
	struct cow_source *source;
	struct cowvmo *up;
	u64 up_end;
	unsigned int nr_below;
	struct cow_group *group;
	bool point_in_time;
	struct list_head source_link;
	struct inode inode;
};

static inline struct cowvmo *inode_to_vmo(struct inode *inode)
{
	return container_of(inode, struct cowvmo, inode);
}

static inline struct cowvmo *file_to_vmo(struct file *file)
{
	return inode_to_vmo(file_inode(file));
}

/* The VMO that has the content which a file shows. */
static inline struct cowvmo *file_to_store(struct file *file)
{
	return file_to_vmo(file)->store;
}

static inline bool vmo_is_slice(const struct cowvmo *vmo)
{
	return vmo->flags & COWVMO_INFO_SLICE;
}

/* Do its pages, or those of the VMO it is a slice of, lie side by side? */
static inline bool vmo_is_contiguous(const struct cowvmo *vmo)
{
	return vmo->flags & COWVMO_INFO_CONTIGUOUS;
}

/* Of a store under its lock; of a slice at any time. */
static inline u64 vmo_size(const struct cowvmo *vmo)
{
	return vmo->nr_pages << PAGE_SHIFT;
}

/* Does a range lie within a store? Under its lock. */
static inline int cow_check_range(const struct cowvmo *vmo, u64 offset,
				  u64 length)
{
	u64 size = vmo_size(vmo);

	return offset > size || length > size - offset ? -ERANGE : 0;
}

/*
 * Whose lock orders what uses or changes the end of file. Taken as it is where
 * the VFS holds no inode's lock, and inside that of a reference where it does.
 */
static inline struct inode *vmo_stream_inode(struct cowvmo *vmo)
{
	return vmo_is_slice(vmo) ? &vmo->inode : &vmo->store->inode;
}

/* The VMO that has the size: a reference is as large as its store. */
static inline const struct cowvmo *vmo_sized(const struct cowvmo *vmo)
{
	return vmo_is_slice(vmo) ? vmo : vmo->store;
}

/* May the kernel read and write a store's content as any memory? */
static inline bool vmo_is_cached(const struct cowvmo *store)
{
	lockdep_assert_held(store->lock);
	return store->cache_policy == COWVMO_CACHE_CACHED &&
	       !store->policy_changes;
}

/* Must what is absent of a store be made present before it is read? */
static inline bool vmo_fills_holes(const struct cowvmo *store)
{
	return !vmo_is_cached(store) || vmo_is_contiguous(store);
}

/* The bits of a page protection that tell the cache policy. */
#ifdef CONFIG_X86
#define COWVMO_CACHE_BITS	_PAGE_CACHE_MASK
#else
#define COWVMO_CACHE_BITS	0UL
#endif

/* While the policy changes: no page protection is right. */
#define COWVMO_NO_CACHE_BITS	(~COWVMO_CACHE_BITS)

static inline void cowvmo_set_cache_bits(pgprot_t *prot, unsigned long bits)
{
	*prot = __pgprot((pgprot_val(*prot) & ~COWVMO_CACHE_BITS) | bits);
}

/* May a page of the store be mapped with this protection? */
static inline bool cowvmo_cache_agrees(const struct cowvmo *store,
				       pgprot_t prot)
{
	lockdep_assert_held(store->lock);
	return (pgprot_val(prot) & COWVMO_CACHE_BITS) == store->cache_bits;
}

/**
 * struct cow_ask - something that a pager must be asked for
 * @source: whom, or NULL
 * @command: of enum cowvmo_pager_command: READ or DIRTY_ASKED
 * @first: tree index of the first page
 * @last: tree index of the last page that may be of use
 */
struct cow_ask {
	struct cow_source *source;
	unsigned int command;
	u64 first;
	u64 last;
};

/**
 * struct cow_reserve - memory for one step under a VMO's lock
 * @stash: nodes and descriptors
 * @pages: chained pages
 * @nr_pages: length of @pages
 * @gfp: how to fill it
 * @policy: of the pages, of enum cowvmo_cache_policy. If not CACHED, they are
 *	zeroed
 * @wanted_policy: what it is to be when filled again
 * @batch: how many pages to have, where making them is dear
 * @keep: no page may be one that is borrowed
 * @ask: what to ask a pager for
 * @ask_end: how far the caller's work goes, in pages; for @ask
 * @no_wait: the caller asks, once it has dropped its locks
 * @settle: NULL, or a VMO for which a loan must be ended first
 * @settle_page: its page that the loan is about
 */
struct cow_reserve {
	struct ptree_stash stash;
	struct list_head pages;
	unsigned long nr_pages;
	gfp_t gfp;
	u32 policy;
	u32 wanted_policy;
	unsigned long batch;
	bool keep;
	bool no_wait;
	struct cow_ask ask;
	u64 ask_end;
	struct cowvmo *settle;
	u64 settle_page;
};

/**
 * struct cow_write - one page that shall be written
 * @mark: in: a writable PTE will be installed
 * @keep_clean: in: it shall not be written yet
 * @vmf: in: a write fault on a read-only PTE, or NULL. The core holds a
 *	reference to the page that the PTE maps, vmf->page
 * @page: out: the VMO's own page, which may be written in place
 * @unmapped: out: no PTE of the VMO maps @page
 * @installed: out: the faulting PTE is writable already
 */
struct cow_write {
	bool mark;
	bool keep_clean;
	struct vm_fault *vmf;
	struct page *page;
	bool unmapped;
	bool installed;
};

/**
 * struct cow_pin - pages that stay where they are
 * @refs: its file, dma-bufs, other modules
 * @vmo: the VMO it was made from; held, and used
 * @node: in the store's tree of pins, unless nothing is pinned yet
 * @first: first page in the store; never changes
 * @last: last page that is pinned; changes while the pin is made, under the
 *	store's lock
 * @subtree_last: of the tree
 * @end: one more than the last page that is to be pinned; never changes
 * @user: whose locked memory counts it, or NULL
 * @writable: the pages may be written through it; never changes
 *
 * Once it is made, nothing of it changes, and its pages are in the tree of the
 * store, on paths of its own, marked.
 */
struct cow_pin {
	refcount_t refs;
	struct cowvmo *vmo;
	struct rb_node node;
	u64 first;
	u64 last;
	u64 subtree_last;
	u64 end;
	struct user_struct *user;
	bool writable;
};

/* All that are to be pinned, and are once it is made */
static inline u64 cow_pin_nr_pages(const struct cow_pin *pin)
{
	return pin->end - pin->first;
}

/* Under the store's lock, for reading or writing. */
static inline bool cow_has_pins(const struct cowvmo *store)
{
	return !RB_EMPTY_ROOT(&store->pins.rb_root);
}

/* The page that the faulting PTE maps, if there is one. */
static inline struct page *cow_write_mapped(const struct cow_write *write)
{
	return write->vmf ? write->vmf->page : NULL;
}

/**
 * cowvmo_page_is_held() - may anyone but the VMO and one PTE hold the page?
 * @page: a page of a VMO whose lock is held
 * @caller_refs: references the caller itself holds
 *
 * Every PTE has a reference, taken before it is counted as mapped and dropped
 * after; so with the reference count read first, at most one of each means
 * that nobody is left over. Two PTEs cannot be told from one and a holder,
 * while a fork may be adding one: that counts as held.
 *
 * Where it matters that nobody can come to hold the page for writing any
 * more, a full barrier stands between taking that away and asking.
 */
static inline bool cowvmo_page_is_held(struct page *page,
				       unsigned int caller_refs)
{
	int refs = page_ref_count(page) - caller_refs;

	if (refs == 1)
		return false;
	smp_rmb();	/* references first, mappings second */
	return refs != 2 || cowvmo_page_mapcount(page) != 1;
}

/* Is a page of a VMO another VMO's, lent to it? See loan.c. */
static inline bool cow_page_is_borrowed(struct page *page)
{
	return page_private(page);
}

/**
 * struct cow_share - content shared with a VMO
 * @tree: the content
 * @nr_pages: the VMO's size at that instant
 * @stream_size: its stream size, in bytes
 * @done: NULL, or called under the lock under which it has been shared
 */
struct cow_share {
	struct ptree tree;
	u64 nr_pages;
	u64 stream_size;
	void (*done)(struct cow_share *share);
};

/* vmofs.c */
int cowvmo_fs_init(const struct file_operations *fops,
		   const struct inode_operations *iops);
void cowvmo_fs_exit(void);
int cowvmo_fs_get(void);
void cowvmo_fs_put(void);
struct cowvmo *cowvmo_alloc(void);
void cowvmo_show(struct cowvmo *vmo, struct cowvmo *store);
struct file *cowvmo_open_file(struct cowvmo *vmo, bool writable,
			      const struct file_operations *fops);
void cowvmo_put_user(struct cowvmo *vmo);
int cowvmo_release(struct inode *inode, struct file *file);

/* vmo.c */
struct file *cowvmo_create(const struct cowvmo_create *args);
struct file *cowvmo_create_paged(struct cowvmo_pager *pager,
				 struct cowvmo_pager_create_vmo *args);
struct file *cowvmo_create_child(struct file *parent,
				 const struct cowvmo_create_child *args);
u32 cowvmo_info_flags(const struct cowvmo *vmo);
int cowvmo_info(struct cowvmo *vmo, struct cowvmo_get_info *info);
void cowvmo_set_name(struct cowvmo *vmo, const char *name);

/* family.c */
typedef void (*cowvmo_show_fn)(struct cowvmo *vmo,
			       const struct ptree_share *share, void *data);
struct cowvmo_family *cowvmo_family_from(u64 id);
void cowvmo_family_exit(void);
struct cowvmo_family *cowvmo_family_after(struct cowvmo_family *family);
int cowvmo_family_create(struct cowvmo *vmo);
void cowvmo_family_join(struct cowvmo *vmo, struct cowvmo *parent);
void cowvmo_family_leave(struct cowvmo *vmo);
void cowvmo_family_put(struct cowvmo_family *family);
struct cowvmo *cowvmo_family_next(struct cowvmo_family *family,
				  struct cowvmo *vmo);
bool cowvmo_has_relatives(struct cowvmo *vmo);
bool cowvmo_is_attributed(struct cowvmo *vmo);
void cowvmo_family_freeze(struct cowvmo_family *family);
int cowvmo_family_freeze_killable(struct cowvmo_family *family);
void cowvmo_family_thaw(struct cowvmo_family *family);
int cowvmo_attribute(struct cowvmo *vmo, struct cowvmo_get_info *info);
int cowvmo_attribute_all(struct cowvmo_family *family, cowvmo_show_fn show,
			 void *data);

/* priority.c */
void cowvmo_set_priority(struct cowvmo *vmo, bool high);
void cowvmo_priority_hide(struct cowvmo *vmo);
bool cowvmo_is_high_priority(const struct cowvmo *store);

/* cache_policy.c */
int cowvmo_set_cache_policy(struct cowvmo *vmo, u32 policy);
int cowvmo_check_policy(struct cowvmo *store, u32 type);
int cowvmo_cache_prepare_vma(struct cowvmo *store, struct vm_area_struct *vma);
int cowvmo_pages_set_policy(struct page **pages, unsigned int nr, u32 from,
			    u32 to);
void cowvmo_page_leave(struct page *page);
void cowvmo_pages_left(void);
bool cowvmo_page_has_policy(struct page *page, u32 policy);

/* file.c */
extern const struct file_operations cowvmo_file_fops;
extern const struct inode_operations cowvmo_inode_ops;
struct file *cowvmo_map_file(struct cowvmo *vmo, bool writable);
int cowvmo_extend(struct cowvmo *vmo, u64 end);

/* reflink.c */
loff_t cowvmo_remap_file_range(struct file *in, loff_t pos_in,
			       struct file *out, loff_t pos_out, loff_t len,
			       unsigned int flags);

/* main.c */
bool cowvmo_is_pager_device(struct file *file);
bool cowvmo_kernel_faults_allowed(void);

/* ioctl.c */
long cowvmo_device_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg);
long cowvmo_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long cowvmo_pin_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long cowvmo_call(struct file *file, unsigned int cmd, void *arg);
struct file *cowvmo_open_new(const struct cowvmo_create *create);
struct file *cowvmo_open_child(struct file *parent,
			       const struct cowvmo_create_child *args);
int cowvmo_to_store(const struct cowvmo *vmo, u64 *offset, u64 length);
struct file *cowvmo_file_of_fd(int fd);

/* contiguous.c */
void cow_contig_put(struct cow_contig *contig, u64 pages);
void cow_contig_reap(void);
int cow_contig_create(struct cowvmo *vmo, unsigned int align_log2);
void cow_contig_end(struct cowvmo *vmo);

/* loan.c */
u64 cow_loan_bytes(const struct cow_contig *contig);
int cow_loan_prepare(struct cowvmo *vmo);
bool cow_loan_is_on(void);
int cow_loan_lend(struct cowvmo *vmo, u64 first, u64 last);
struct page *cow_loan_take_home(struct cowvmo *vmo, u64 pgoff);
u64 cow_loan_end(struct cow_contig *contig);
struct page *cow_loan_borrow(const struct cowvmo *vmo, u64 index);
bool cow_loan_return(struct page *page);
int cow_loan_settle(struct cowvmo *vmo, u64 pgoff, gfp_t gfp);
int cow_loan_settle_all(struct cowvmo *vmo);
void cow_loan_settle_high(struct cowvmo_family *family);
void cow_loan_settle_range(struct cowvmo *vmo, u64 first, u64 nr);
const char *cow_loan_validate(const struct cowvmo *vmo, struct page *page,
			      u64 index);
void cow_loan_stats(unsigned long *decommitted, unsigned long *lent);

/* cow_pages.c */
struct page *cow_hold_page(const struct ptree_desc *desc);
int cow_copy_content(struct cowvmo *vmo, struct ptree_desc *desc, u64 index,
		     struct ptree_desc **copy, struct cow_reserve *reserve);
bool cow_overwrite_page(struct cowvmo *vmo, u64 pgoff,
			const struct ptree_desc *source);
int cow_write_page(struct cowvmo *vmo, u64 pgoff, struct cow_write *write,
		   struct cow_reserve *reserve);
int cow_own_pages(struct cowvmo *vmo, u64 *pgoff, u64 last, bool write,
		  struct cow_reserve *reserve);
int cow_make_dirty(struct cowvmo *root, u64 pgoff, struct cow_reserve *reserve);
void cow_drop_page(struct cowvmo *vmo, u64 pgoff);
int cow_commit(struct cowvmo *vmo, u64 offset, u64 length, u64 *done,
	       struct cow_ask *ask);
int cow_supply_page(struct cowvmo *vmo, u64 pgoff, gfp_t gfp);
void cow_clear(struct cowvmo *vmo);

/* cut.c */
int cow_decommit(struct cowvmo *vmo, u64 offset, u64 length, bool relatives);
int cow_zero(struct cowvmo *vmo, u64 offset, u64 length, u64 *done,
	     struct cow_ask *ask);
int cow_resize(struct cowvmo *vmo, u64 size, struct cow_ask *ask);
int cow_extend_root(struct cowvmo *root, u64 nr_pages,
		    struct cow_reserve *reserve);
void cow_undo_grow(struct cowvmo *vmo, u64 nr_pages, u64 stream_size);
void cow_set_end(struct cowvmo *vmo, u64 size);
int cow_set_stream_size(struct cowvmo *vmo, u64 size, struct cow_ask *ask);

/* request.c */
int cow_ask_wait(struct cow_ask *ask, bool interruptible);

/* page_source.c */
const char *cow_source_validate(const struct cowvmo *vmo);
void cow_source_end(struct cow_source *source);
struct cowvmo *cow_source_leave(struct cowvmo *vmo);
int cow_ready(struct cowvmo *vmo, u64 pgoff, bool write,
	      struct cow_reserve *reserve);
void cow_note_error(struct cow_source *source, u64 index, int err,
		    bool fresh);
int cow_take_error(struct cow_source *source, u64 index);
int cow_last_error(struct cow_source *source, u64 index);
u64 cow_fault_ask_last(struct cow_source *source, u64 index);
bool cow_kernel_may_wait(const struct cow_source *source);
bool cow_reads_ahead(const struct cow_source *source);

/* snapshot.c */
int cow_share(struct cowvmo *vmo, u64 first, u64 last,
	      struct cow_share *share);
int cow_snapshot(struct cowvmo *vmo, u64 offset, u64 length,
		 struct cowvmo *child);
int cow_seal(struct cowvmo *vmo);

/* pair.c */
void cowvmo_lock_counts(struct cowvmo *a, struct cowvmo *b);
void cowvmo_unlock_counts(struct cowvmo *a, struct cowvmo *b);
void cowvmo_lock_pair_shared(struct cowvmo *a, struct cowvmo *b);
void cowvmo_unlock_pair_shared(struct cowvmo *a, struct cowvmo *b);
void cowvmo_lock_pair(struct cowvmo *a, struct cowvmo *b);
void cowvmo_unlock_pair(struct cowvmo *a, struct cowvmo *b);

/* restore.c */
#define COW_RESTORE_RESIZE	0x1	/* the size may change */
#define COW_RESTORE_KEEP	0x2	/* overwrite pages rather than drop them */

int cow_restore(struct cowvmo *vmo, struct cowvmo *source, unsigned int how);

/* transfer.c */
int cow_transfer(struct cowvmo *to, u64 dst, struct cowvmo *from, u64 src,
		 u64 nr, u64 *done);

/* compare.c */
int cowvmo_compare(struct cowvmo *vmo, struct cowvmo *other,
		   struct cowvmo_compare *args);

/* lookup.c */
int cowvmo_lookup(struct cowvmo *vmo, u64 offset, struct cowvmo_lookup *args);

/* pin.c */
struct cow_pin *cow_pin_new(struct cowvmo *vmo, u64 offset, u64 length,
			    bool writable);
int cow_pin_take(struct cow_pin *pin, bool charge);
void cow_pin_get(struct cow_pin *pin);
void cow_pin_put(struct cow_pin *pin);
void cow_pin_pages(struct cow_pin *pin, u64 first, unsigned int nr,
		   struct page **pages);
int cow_pin_table(struct cow_pin *pin, unsigned int max_segment,
		  struct sg_table *table);
void *cow_pin_vmap(struct cow_pin *pin);
bool cow_find_pinned(const struct cowvmo *store, u64 first, u64 last,
		     u64 *from, u64 *to);
bool cow_is_pinned(const struct cowvmo *store, u64 first, u64 last);
unsigned int cow_pinned_count(const struct cowvmo *store, u64 pgoff);
u64 cow_pinned_pages(const struct cowvmo *store);
const char *cow_pins_validate(const struct cowvmo *store);
extern atomic_long_t cowvmo_nr_pins;

/* pin_file.c */
int cow_pin_mmap(struct cow_pin *pin, struct vm_area_struct *vma);
struct file *cow_pin_open(struct cowvmo *vmo, u64 offset, u64 length,
			  bool writable);

/* dma_buf.c */
#ifdef CONFIG_DMA_SHARED_BUFFER
struct file *cow_pin_export(struct cow_pin *pin);
#else
static inline struct file *cow_pin_export(struct cow_pin *pin)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

/* page.c */
struct page *cowvmo_page_alloc(gfp_t gfp);
void cowvmo_page_free(struct page *page);
int cowvmo_charge_locked(u64 pages, struct user_struct **user);
void cowvmo_uncharge_locked(u64 pages, struct user_struct *user);
struct page *cowvmo_zero_page(void);
void cowvmo_zero_page_exit(void);
bool cowvmo_should_fail(void);
void cowvmo_fail_arm(unsigned int nth, bool all);
unsigned int cowvmo_fail_left(void);
extern atomic_long_t cowvmo_nr_pages;
extern atomic_long_t cowvmo_nr_vmos;
void cow_reserve_init(struct cow_reserve *reserve, gfp_t gfp);
int cow_reserve_fill(struct cow_reserve *reserve);
bool cow_reserve_is_full(const struct cow_reserve *reserve);
int cow_reserve_fill_need(struct cow_reserve *reserve,
			  const struct ptree_need *need);
void cow_reserve_drain(struct cow_reserve *reserve);
struct page *cow_reserve_page(struct cow_reserve *reserve, u32 policy,
			      gfp_t gfp);

/* fault.c */
int cowvmo_mmap(struct file *file, struct vm_area_struct *vma);

/* mapping.c */
void cowvmo_unmap(struct cowvmo *vmo, u64 first, u64 last, bool even_cows);
bool cowvmo_unmap_run(u64 first, u64 last, void *vmo);
bool cowvmo_is_mapped(struct cowvmo *vmo);
void cowvmo_unmap_page(struct cowvmo *vmo, u64 pgoff);
bool cowvmo_take_over(struct vm_fault *vmf, struct ptree_desc *desc,
		      struct page *copy);
void cowvmo_make_writable(struct vm_fault *vmf, struct page *page);
void cowvmo_note_zero_mapped(struct cowvmo *vmo, u64 pgoff);
bool cowvmo_zero_mapped(struct cowvmo *vmo, u64 pgoff);

/* wrprotect.c */
void cowvmo_write_protect(struct cowvmo *vmo, u64 first, u64 last);

/* debug.c */
void cowvmo_debug_init(void);
void cowvmo_debug_exit(void);

#endif /* COWVMO_H */
