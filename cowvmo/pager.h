/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rooms share that have to do with user pagers.
 *
 * Locks, inside of those in cowvmo.h:
 *
 *   vmo->lock		of the root of a family with a pager: the one lock of all
 *			its members
 *     pager->lock	requests, who waits for them, the pager's end
 *
 * A request is made under vmo->lock, held for reading, after looking that what
 * is wanted is absent; it is answered under vmo->lock, held for writing, after
 * that has changed. So nobody waits for what has come already.
 */
#ifndef COWVMO_PAGER_H
#define COWVMO_PAGER_H

#include <linux/completion.h>
#include <linux/cowvmo_pager.h>
#include <linux/xarray.h>

#include "cowvmo.h"

/* What a slot can be of which nothing is kept but that it reads zero. */
enum cow_zero {
	COW_ZERO_NONE,
	COW_ZERO_CLEAN,		/* of clones: just zero */
	COW_ZERO_DIRTY,
	COW_ZERO_AWAITING,
	COW_ZERO_UNTRACKED,	/* beyond the end of the stream */
};

/* The dirty state of a page in the root, in the flags of its descriptor. */
#define COW_DESC_DIRTY_STATE	0x0cU
#define COW_DESC_CLEAN		0x04U
#define COW_DESC_DIRTY		0x08U
#define COW_DESC_AWAITING	0x0cU
/* Either of the last two has it. */
#define COW_DESC_CHANGED	0x08U
/* While a write-back begins: somebody may go on writing to it. */
#define COW_DESC_HELD		0x10U

/**
 * struct cowvmo_pager - a user pager
 * @refs: its file, each source, each that is about to be read
 * @lock: protects what follows, and the requests of all sources
 * @pending: what has not been read yet, of struct cow_pending
 * @wait: who waits for that
 * @sources: by the identity of their VMOs; has its own lock
 * @nr_vmos: how many it has
 * @nr_requests: of those that wait for an answer
 * @last_seq: of the youngest request
 * @timeout: how long to wait for an answer, in jiffies
 * @kernel_faults: the kernel may wait too
 * @closed: nobody will read any more
 */
struct cowvmo_pager {
	refcount_t refs;
	spinlock_t lock;		/* see above */
	struct list_head pending;
	wait_queue_head_t wait;
	struct xarray sources;
	unsigned int nr_vmos;
	unsigned int nr_requests;
	u64 last_seq;
	long timeout;
	bool kernel_faults;
	bool closed;
};

/**
 * struct cow_pending - what a reader of the pager gets next
 * @link: in pager->pending, unless it has been read
 * @source: whom it is about
 * @command: of enum cowvmo_pager_command
 * @seq: identity, of a request
 */
struct cow_pending {
	struct list_head link;
	struct cow_source *source;
	u16 command;
	u64 seq;
};

/**
 * struct cow_request - a range that somebody waits for, on the stack of one
 * @pending: for the pager
 * @node: in the source's tree of those with the same command
 * @first: first page
 * @last: last page
 * @subtree_last: of the tree
 * @waiters: who waits, of struct cow_waiter
 */
struct cow_request {
	struct cow_pending pending;
	struct rb_node node;
	u64 first;
	u64 last;
	u64 subtree_last;
	struct list_head waiters;
};

/* Failures that are remembered for those who they hit in a fault. */
#define COW_FAULT_ERRORS	64

/**
 * struct cow_fault_error - why a fault failed
 * @task: identity of the thread
 * @pgoff: the page, as an index of the family
 * @err: errno, negative
 * @fresh: the fault has not been told yet
 */
struct cow_fault_error {
	pid_t task;
	u64 pgoff;
	int err;
	bool fresh;
};

/**
 * struct cow_source - where the absent content of a VMO comes from
 * @refs: the VMO, and what the pager has of it
 * @pager: whom to ask; for as long as the source lives
 * @root: the VMO; good while the source is among those of the pager
 * @key: what the pager calls it
 * @id: identity of the VMO
 * @trap_dirty: the pager is asked before something becomes dirty; never changes
 * @modified: written to since somebody asked; under the root's lock
 * @detached: nothing is to be had any more; under the root's lock
 * @ended: the content is gone; under the root's lock
 * @members: all that show content of the root's, itself included; under the
 *	root's lock
 * @nr_snapshots: of them, point-in-time snapshots of the root; under the root's
 *	lock
 * @requests: the READ and the DIRTY requests, under pager->lock
 * @complete: that it is the end, for the pager
 * @read_ahead: how much a sequence of faults may ask for, in pages
 * @ahead_next: where the last request ended, for those who go on from there
 * @ahead: how much it was for
 * @errors_lock: protects what follows
 * @errors: of faults
 * @next_error: which to forget next
 * @nr_fresh: how many have not been told yet
 */
struct cow_source {
	refcount_t refs;
	struct cowvmo_pager *pager;
	struct cowvmo *root;
	u64 key;
	u64 id;
	bool trap_dirty;
	bool modified;
	bool detached;
	bool ended;
	struct list_head members;
	unsigned int nr_snapshots;
	struct rb_root_cached requests[2];
	struct cow_pending complete;
	u64 read_ahead;
	u64 ahead_next;
	u64 ahead;
	spinlock_t errors_lock;		/* innermost */
	struct cow_fault_error errors[COW_FAULT_ERRORS];
	unsigned int next_error;
	unsigned int nr_fresh;
};

/**
 * struct cow_found - what is to be seen at a place of a VMO with a pager
 * @desc: the page, or NULL
 * @zero: of enum cow_zero, or 0
 * @last: up to which index it is the same, if there is no page
 * @own: it is in the VMO's own tree
 */
struct cow_found {
	struct ptree_desc *desc;
	unsigned int zero;
	u64 last;
	bool own;
};

static inline bool cow_found_absent(const struct cow_found *found)
{
	return !found->desc && !found->zero;
}

/* Is it the VMO that a pager gives content to? */
static inline bool vmo_is_pager_root(const struct cowvmo *store)
{
	return store->source && !store->up;
}

static inline u32 cow_desc_state(const struct ptree_desc *desc)
{
	return desc->flags & COW_DESC_DIRTY_STATE;
}

static inline void cow_desc_set_state(struct ptree_desc *desc, u32 state)
{
	desc->flags = (desc->flags & ~COW_DESC_DIRTY_STATE) | state;
}

/* pager.c */
struct file *cowvmo_pager_open(const struct cowvmo_pager_create *args);
void cowvmo_pager_get(struct cowvmo_pager *pager);
void cowvmo_pager_put(struct cowvmo_pager *pager);
bool cowvmo_pager_has_room(const struct cowvmo_pager *pager);
void cowvmo_pager_queue(struct cowvmo_pager *pager, struct cow_pending *what);
int cowvmo_pager_add(struct cowvmo_pager *pager, struct cow_source *source);
void cowvmo_pager_remove(struct cow_source *source);
struct cowvmo *cowvmo_pager_find(struct cowvmo_pager *pager, u64 id);
struct cowvmo_pager *cowvmo_file_to_pager(struct file *file);

/* pager_ioctl.c */
long cowvmo_pager_ioctl(struct file *file, unsigned int cmd,
			unsigned long arg);

/* request.c */
void cow_requests_answer(struct cow_source *source, unsigned int command,
			 u64 first, u64 last);
void cow_requests_fail(struct cow_source *source, u64 first, u64 last,
		       int err);
struct cow_request *cow_request_find(struct cow_source *source,
				     const struct cow_pending *pending);

/* page_source.c */
int cow_source_create(struct cowvmo *vmo, struct cowvmo_pager *pager,
		      const struct cowvmo_pager_create_vmo *args);
void cow_source_put(struct cow_source *source);

void cow_find(const struct cowvmo *vmo, u64 pgoff, struct cow_found *found);
void cow_find_run(const struct cowvmo *vmo, u64 pgoff, unsigned int nr,
		  struct page **pages);
void cow_ask_read(struct cowvmo *vmo, u64 pgoff, u64 last,
		  struct cow_ask *ask);
void cow_detach(struct cow_source *source);
int cow_prefetch(struct cowvmo *vmo, u64 offset, u64 length, u64 *done);

/* supply.c */
int cow_supply_zero(struct cowvmo *root, u64 first, u64 nr, u64 *done);
int cow_supply_copy(struct cowvmo *root, u64 first, u64 nr, u64 src,
		    struct file *file, u64 *done);
int cow_supply_move(struct cowvmo *root, u64 first, u64 nr,
		    struct cowvmo *aux, u64 src, u64 *done);

/* dirty.c */
int cow_dirty_pages(struct cowvmo *root, u64 first, u64 nr, u64 *done);
int cow_writeback_begin(struct cowvmo *root, u64 first, u64 nr, bool is_zero);
int cow_writeback_end(struct cowvmo *root, u64 first, u64 nr);
int cow_query_dirty(struct cowvmo *root,
		    struct cowvmo_pager_query_dirty *args);
int cow_fill_dirty(struct cowvmo *root, u64 first, u64 last,
		   struct cow_reserve *reserve, struct ptree_dead *dead);

/* clone.c */
int cow_clone(struct cowvmo *parent, const struct cowvmo_create_child *args,
	      struct cowvmo *child);
struct cowvmo *cow_clone_leave(struct cowvmo *vmo);
int cow_keep_for_snapshots(struct cowvmo *root, u64 first, u64 last,
			   struct cow_reserve *reserve);

#endif /* COWVMO_PAGER_H */
