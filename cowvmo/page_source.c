// SPDX-License-Identifier: GPL-2.0
/*
 * The source of a VMO's content, and those who show what it gives.
 *
 * A VMO with a pager is the root of a hierarchy: clones of it have trees of
 * their own, and where these have nothing the content of the one above shows
 * through, at last the root's, and what that lacks is asked for. In such trees
 * empty means "look further, then ask"; what reads zero is said to by a marker
 * (enum cow_zero).
 *
 * Locking: all of a hierarchy is under one lock, the root's.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "cowvmo.h"
#include "pager.h"

/* Pages that one write asks for at once. */
#define WRITE_ASK	16

/**
 * cow_source_put() - one reference to a source less
 * @source: the source
 */
void cow_source_put(struct cow_source *source)
{
	if (!refcount_dec_and_test(&source->refs))
		return;
	cowvmo_pager_put(source->pager);
	kfree(source);
}

/**
 * cow_source_end() - the VMO is gone
 * @source: its source, or NULL
 */
void cow_source_end(struct cow_source *source)
{
	if (!source)
		return;
	/* It may have failed to come to be. */
	cowvmo_pager_remove(source);
	cow_source_put(source);
}

static struct cow_source *source_alloc(struct cowvmo_pager *pager)
{
	struct cow_source *source;

	if (cowvmo_should_fail())
		return NULL;
	source = kzalloc(sizeof(*source), COWVMO_GFP_CALL);
	if (!source)
		return NULL;
	refcount_set(&source->refs, 1);
	cowvmo_pager_get(pager);
	source->pager = pager;
	INIT_LIST_HEAD(&source->members);
	INIT_LIST_HEAD(&source->complete.link);
	source->complete.source = source;
	source->complete.command = COWVMO_PAGER_COMPLETE;
	spin_lock_init(&source->errors_lock);
	return source;
}

/**
 * cow_source_create() - make a new VMO one that has a pager
 * @vmo: the VMO, which nobody can reach yet; it has a size
 * @pager: the pager
 * @args: validated
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -ENOSPC, -EPIPE.
 */
int cow_source_create(struct cowvmo *vmo, struct cowvmo_pager *pager,
		      const struct cowvmo_pager_create_vmo *args)
{
	struct cow_source *source = source_alloc(pager);
	int err;

	if (!source)
		return -ENOMEM;
	source->root = vmo;
	source->key = args->key;
	source->id = vmo->id;
	source->trap_dirty = args->flags & COWVMO_PAGER_VMO_TRAP_DIRTY;
	source->read_ahead = args->read_ahead >> PAGE_SHIFT;
	list_add(&vmo->source_link, &source->members);
	vmo->source = source;
	err = cowvmo_pager_add(pager, source);
	if (!err)
		return 0;
	vmo->source = NULL;
	list_del_init(&vmo->source_link);
	cow_source_put(source);
	return err;
}

/* Tells the pager, once, that it will be asked no more. */
static void queue_complete(struct cow_source *source)
{
	struct cowvmo_pager *pager = source->pager;

	spin_lock(&pager->lock);
	if (!pager->closed && !source->complete.seq) {
		source->complete.seq = ++pager->last_seq;
		refcount_inc(&source->refs);
		cowvmo_pager_queue(pager, &source->complete);
	}
	spin_unlock(&pager->lock);
}

/**
 * cow_source_leave() - a VMO shows nothing any more
 * @vmo: a member of a hierarchy, whose content is about to go
 *
 * Context: may sleep; takes the root's lock.
 * Return: what has shown through it, or NULL. The caller puts its inode.
 */
struct cowvmo *cow_source_leave(struct cowvmo *vmo)
{
	struct cow_source *source = vmo->source;
	struct cowvmo *up;

	down_write(vmo->lock);
	list_del_init(&vmo->source_link);
	up = cow_clone_leave(vmo);
	if (!up)
		source->ended = true;
	up_write(vmo->lock);
	if (up)
		return up;
	cowvmo_pager_remove(source);
	queue_complete(source);
	return NULL;
}

/**
 * cow_find() - what is to be seen at a place
 * @vmo: a VMO with a source
 * @pgoff: the page
 * @found: receives the answer
 *
 * Context: the caller holds vmo->lock.
 */
void cow_find(const struct cowvmo *vmo, u64 pgoff, struct cow_found *found)
{
	const struct cowvmo *at = vmo;
	u64 index = vmo->base + pgoff;
	struct ptree_look look;

	lockdep_assert_held(vmo->lock);
	found->last = U64_MAX;
	for (;;) {
		ptree_look(&at->tree, index, &look);
		found->last = min(found->last, look.last);
		found->desc = look.desc;
		found->zero = look.marker;
		found->own = at == vmo;
		if (look.desc || look.marker || !at->up)
			return;
		if (index >= at->up_end) {
			found->zero = COW_ZERO_CLEAN;
			return;
		}
		found->last = min(found->last, at->up_end - 1);
		at = at->up;
	}
}

/**
 * cow_find_run() - the pages to be seen at neighbouring places
 * @vmo: a VMO with a source
 * @pgoff: the first page
 * @nr: how many
 * @pages: receives a page, or NULL, for each
 *
 * Context: the caller holds vmo->lock, and keeps it until done with the pages.
 */
void cow_find_run(const struct cowvmo *vmo, u64 pgoff, unsigned int nr,
		  struct page **pages)
{
	struct cow_found found;
	unsigned int i;

	if (ptree_lookup_run(&vmo->tree, vmo->base + pgoff, nr, pages) == nr ||
	    !vmo->up)
		return;
	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		cow_find(vmo, pgoff + i, &found);
		if (found.desc)
			pages[i] = found.desc->page;
	}
}

/* Up to where is all absent, as the VMO sees it? */
static u64 gap_last(const struct cowvmo *vmo, u64 pgoff, u64 last)
{
	struct cow_found found;
	u64 at = pgoff;

	while (at < last) {
		cow_find(vmo, at, &found);
		if (!cow_found_absent(&found))
			return at - 1;
		if (found.last - vmo->base >= last)
			break;
		at = found.last - vmo->base + 1;
	}
	return last;
}

static int ask_for(struct cowvmo *vmo, unsigned int command, u64 pgoff,
		   u64 last, struct cow_ask *ask)
{
	if (command == COWVMO_PAGER_READ)
		last = gap_last(vmo, pgoff, last);
	ask->source = vmo->source;
	ask->command = command;
	ask->first = vmo->base + pgoff;
	ask->last = vmo->base + last;
	return -ENOMEM;
}

/**
 * cow_ask_read() - what to ask for, to read something absent
 * @vmo: a VMO with a source
 * @pgoff: the page, which is absent
 * @last: the last page that is wanted
 * @ask: receives what of this is to be asked for at once
 *
 * Context: the caller holds vmo->lock.
 */
void cow_ask_read(struct cowvmo *vmo, u64 pgoff, u64 last,
		  struct cow_ask *ask)
{
	ask_for(vmo, COWVMO_PAGER_READ, pgoff, last, ask);
}

/**
 * cow_ready() - is a page such that it can be written, or made the VMO's own?
 * @vmo: a VMO with a source
 * @pgoff: the page; within the size
 * @write: it is about to be written
 * @reserve: receives what to ask the pager for
 *
 * What is clean in the root is not dirty yet afterwards: the caller sees to it.
 *
 * Context: the caller holds vmo->lock for writing.
 * Return: 0; -ENOMEM: the caller drops the lock, fills @reserve and starts
 * again.
 */
int cow_ready(struct cowvmo *vmo, u64 pgoff, bool write,
	      struct cow_reserve *reserve)
{
	u64 end = max(reserve->ask_end, pgoff + 1);
	struct cow_found found;

	lockdep_assert_held_write(vmo->lock);
	if (write)
		end = min(end, pgoff + WRITE_ASK);
	cow_find(vmo, pgoff, &found);
	if (cow_found_absent(&found))
		return ask_for(vmo, COWVMO_PAGER_READ, pgoff, end - 1,
			       &reserve->ask);
	if (vmo->up)
		return 0;
	if (found.desc ?
	    !write || cow_desc_state(found.desc) == COW_DESC_DIRTY :
	    !write && found.zero == COW_ZERO_CLEAN)
		return 0;
	if (vmo->source->trap_dirty)
		return ask_for(vmo, COWVMO_PAGER_DIRTY_ASKED, pgoff, end - 1,
			       &reserve->ask);
	return cow_keep_for_snapshots(vmo, vmo->base + pgoff,
				      vmo->base + pgoff, reserve);
}

/*
 * Fetching in advance
 */

/* Finds something absent in [*@pgoff, @last]. */
static bool next_absent(struct cowvmo *vmo, u64 *pgoff, u64 last,
			struct cow_ask *ask)
{
	struct cow_found found;

	lockdep_assert_held(vmo->lock);
	if (!vmo->nr_pages)
		return false;
	last = min(last, vmo->nr_pages - 1);
	while (*pgoff <= last) {
		cow_find(vmo, *pgoff, &found);
		if (cow_found_absent(&found)) {
			ask_for(vmo, COWVMO_PAGER_READ, *pgoff, last, ask);
			return true;
		}
		if (found.desc)
			++*pgoff;
		else
			*pgoff = found.last - vmo->base + 1;
	}
	return false;
}

static int fetch_step(struct cowvmo *vmo, u64 *pgoff, u64 last)
{
	struct cow_ask ask = {};
	bool absent;

	down_read(vmo->lock);
	absent = next_absent(vmo, pgoff, last, &ask);
	up_read(vmo->lock);
	if (!absent)
		*pgoff = last + 1;
	return absent ? cow_ask_wait(&ask, true) : 0;
}

/**
 * cow_prefetch() - have what is absent of a range given by its pager
 * @vmo: the VMO; without a pager there is nothing to do
 * @offset: first byte
 * @length: number of bytes; the range is rounded outward to pages
 * @done: bytes of the range that are done, also after an error
 *
 * Context: may sleep, as cow_ask_wait() does.
 * Return: 0, -ERANGE, and errors of cow_ask_wait().
 */
int cow_prefetch(struct cowvmo *vmo, u64 offset, u64 length, u64 *done)
{
	u64 pgoff = offset >> PAGE_SHIFT, last;
	int err;

	*done = 0;
	down_read(vmo->lock);
	err = cow_check_range(vmo, offset, length);
	up_read(vmo->lock);
	if (err || !length)
		return err;
	last = (offset + length - 1) >> PAGE_SHIFT;
	while (vmo->source && !err && pgoff <= last)
		err = fetch_step(vmo, &pgoff, last);
	if (!err)
		*done = length;
	else if (pgoff << PAGE_SHIFT > offset)
		*done = (pgoff << PAGE_SHIFT) - offset;
	return err;
}

/**
 * cow_fault_ask_last() - how much a fault should ask for
 * @source: the source
 * @index: what it lacks
 *
 * Faults that go on where the last one ended ask for twice as much each time.
 * Several threads may confuse each other; what is asked for is right anyway.
 *
 * Return: the last index to ask for.
 */
u64 cow_fault_ask_last(struct cow_source *source, u64 index)
{
	u64 limit = source->read_ahead, ahead = 1;

	if (!limit)
		return index;
	if (READ_ONCE(source->ahead_next) == index)
		ahead = min(READ_ONCE(source->ahead) * 2, limit);
	ahead = max(ahead, 1ULL);
	WRITE_ONCE(source->ahead, ahead);
	WRITE_ONCE(source->ahead_next, index + ahead);
	return index + ahead - 1;
}

/**
 * cow_reads_ahead() - may more come than was faulted for?
 * @source: of whom
 */
bool cow_reads_ahead(const struct cow_source *source)
{
	return source->read_ahead;
}

/**
 * cow_kernel_may_wait() - may faults that are not a process's wait?
 * @source: for whom
 */
bool cow_kernel_may_wait(const struct cow_source *source)
{
	return source->pager->kernel_faults;
}

/*
 * Errors of faults: a fault has dropped its lock when it learns of one, and can
 * but have it tried again. The second try finds it here.
 */

/**
 * cow_note_error() - remember why a fault of this thread failed
 * @source: whom it waited for
 * @index: what for
 * @err: why
 * @fresh: the fault will be tried again, and has to be told then
 */
void cow_note_error(struct cow_source *source, u64 index, int err, bool fresh)
{
	struct cow_fault_error *error;

	spin_lock(&source->errors_lock);
	error = &source->errors[source->next_error++ % COW_FAULT_ERRORS];
	WRITE_ONCE(source->nr_fresh,
		   source->nr_fresh + fresh - error->fresh);
	*error = (struct cow_fault_error) {
		.task = task_pid_nr(current),
		.pgoff = index,
		.err = err,
		.fresh = fresh,
	};
	spin_unlock(&source->errors_lock);
}

static struct cow_fault_error *find_error(struct cow_source *source, u64 index)
{
	struct cow_fault_error *error;
	unsigned int i;

	lockdep_assert_held(&source->errors_lock);
	/* The youngest first. */
	for (i = 1; i <= COW_FAULT_ERRORS; i++) {
		error = &source->errors[(source->next_error - i) %
					COW_FAULT_ERRORS];
		if (error->err && error->pgoff == index &&
		    error->task == task_pid_nr(current))
			return error;
	}
	return NULL;
}

/**
 * cow_take_error() - has this fault of this thread failed just now?
 * @source: the source
 * @index: what is absent
 *
 * Return: why, once; 0 if it has not.
 */
int cow_take_error(struct cow_source *source, u64 index)
{
	struct cow_fault_error *error;
	int err = 0;

	/* What this thread has noted, it sees. */
	if (!READ_ONCE(source->nr_fresh))
		return 0;
	spin_lock(&source->errors_lock);
	error = find_error(source, index);
	if (error && error->fresh) {
		error->fresh = false;
		WRITE_ONCE(source->nr_fresh, source->nr_fresh - 1);
		err = error->err;
	}
	spin_unlock(&source->errors_lock);
	return err;
}

/**
 * cow_last_error() - why has a fault of this thread failed?
 * @source: the source
 * @index: where
 *
 * Return: why, or 0 if it is not known.
 */
int cow_last_error(struct cow_source *source, u64 index)
{
	struct cow_fault_error *error;
	int err = 0;

	spin_lock(&source->errors_lock);
	error = find_error(source, index);
	if (error)
		err = error->err;
	spin_unlock(&source->errors_lock);
	return err;
}

/*
 * Detaching
 */

/**
 * struct clean_search - looks for something clean to drop
 * @root: whose
 * @first: where it begins
 * @last: where it ends
 * @found: there is some
 */
struct clean_search {
	struct cowvmo *root;
	u64 first;
	u64 last;
	bool found;
};

static bool is_clean(const struct cowvmo *root, u64 index,
		     const struct ptree_desc *desc, unsigned int marker)
{
	if (!desc)
		return marker == COW_ZERO_CLEAN;
	return cow_desc_state(desc) == COW_DESC_CLEAN &&
	       !cow_is_pinned(root, index - root->base, index - root->base);
}

/* Ends the walk after the first run of what is clean. */
static bool search_clean(u64 first, u64 last, struct ptree_desc *desc,
			 unsigned int marker, void *data)
{
	struct clean_search *search = data;
	bool clean = is_clean(search->root, first, desc, marker);

	if (!clean)
		return !search->found;
	if (search->found && first != search->last + 1)
		return false;
	if (!search->found)
		search->first = first;
	search->last = last;
	search->found = true;
	return true;
}

/* One run from *@next on. */
static int drop_clean_locked(struct cowvmo *root, u64 *next,
			     struct cow_reserve *reserve,
			     struct ptree_dead *dead)
{
	struct clean_search search = { .root = root };
	int err;

	lockdep_assert_held_write(root->lock);
	ptree_visit(&root->tree, *next, PTREE_MAX_INDEX, search_clean,
		    &search);
	if (!search.found) {
		*next = PTREE_MAX_INDEX + 1;
		return 0;
	}
	cowvmo_unmap(root, search.first - root->base,
		     search.last - root->base, false);
	err = ptree_erase(&root->tree, search.first, search.last,
			  &reserve->stash, dead);
	if (!err)
		*next = search.last + 1;
	return err;
}

static void drop_clean(struct cowvmo *root)
{
	struct ptree_dead dead = {};
	struct cow_reserve reserve;
	u64 next = 0;
	int err = 0;

	cow_reserve_init(&reserve, COWVMO_GFP_CALL);
	down_read(&root->family->counts);
	while (!err && next <= PTREE_MAX_INDEX) {
		down_write(root->lock);
		err = drop_clean_locked(root, &next, &reserve, &dead);
		up_write(root->lock);
		if (err == -ENOMEM)
			err = cow_reserve_fill(&reserve);
		cond_resched();
	}
	ptree_reap(&dead);
	up_read(&root->family->counts);
	cow_reserve_drain(&reserve);
}

/**
 * cow_detach() - nothing more is to be had from the pager
 * @source: the source; the caller keeps its VMO
 *
 * Who waits fails. What is clean is dropped as far as there is memory for the
 * edges; what cannot be is as good as it was.
 *
 * Context: may sleep; takes the root's lock.
 */
void cow_detach(struct cow_source *source)
{
	struct cowvmo *root = source->root;
	bool first;

	down_write(root->lock);
	first = !source->detached;
	source->detached = true;
	up_write(root->lock);
	if (!first)
		return;
	cow_requests_fail(source, 0, U64_MAX, -EPIPE);
	drop_clean(root);
	queue_complete(source);
}

/*
 * Checking
 */

/**
 * struct source_check - a check of what a root has, in progress
 * @error: what was found wrong first
 * @next: the index after what was looked at last
 * @zero: of enum cow_zero, what that was
 */
struct source_check {
	const char *error;
	u64 next;
	unsigned int zero;
};

static bool check_content(u64 first, u64 last, struct ptree_desc *desc,
			  unsigned int marker, void *data)
{
	struct source_check *check = data;

	if (first != check->next)
		check->zero = COW_ZERO_NONE;
	if (desc && !cow_desc_state(desc))
		check->error = "source: a page that is neither clean nor dirty";
	else if (desc && desc->flags & COW_DESC_HELD)
		check->error = "source: a page of an unfinished write-back";
	else if (marker > COW_ZERO_UNTRACKED)
		check->error = "source: unknown marker";
	else if (marker == COW_ZERO_AWAITING && check->zero == COW_ZERO_DIRTY)
		check->error = "source: write-back begun inside of zeros";
	check->zero = marker;
	check->next = last + 1;
	return !check->error;
}

/* Of those below the root: all that may be known of what reads zero is that. */
static bool check_clone_content(u64 first, u64 last, struct ptree_desc *desc,
				unsigned int marker, void *data)
{
	struct source_check *check = data;

	if (marker > COW_ZERO_UNTRACKED)
		check->error = "source: unknown marker";
	return !check->error;
}

/* Has anything changed in the root that a snapshot of it still lacks? */
static const char *check_snapshot(const struct cowvmo *snapshot)
{
	const struct cowvmo *root = snapshot->up;
	struct ptree_look look, above;
	u64 at = snapshot->base;

	for (; at < snapshot->up_end; at = min(look.last, above.last) + 1) {
		ptree_look(&snapshot->tree, at, &look);
		ptree_look(&root->tree, at, &above);
		if (look.desc || look.marker)
			continue;
		if (above.desc ? cow_desc_state(above.desc) >= COW_DESC_DIRTY :
		    above.marker > COW_ZERO_CLEAN)
			return "source: a snapshot lacks what has changed";
	}
	return NULL;
}

static const char *check_place(const struct cowvmo *vmo)
{
	const struct cowvmo *member, *root = vmo->source->root;
	unsigned int below = 0, snapshots = 0;

	if (vmo->up && vmo->up->source != vmo->source)
		return "source: another's content shows through";
	if (vmo == root ? !!vmo->up : !vmo->up)
		return "source: no content shows through";
	list_for_each_entry(member, &vmo->source->members, source_link) {
		below += member->up == vmo;
		snapshots += member->point_in_time && member->up == root;
	}
	if (below != vmo->nr_below)
		return "source: wrong number of members below";
	if (snapshots != vmo->source->nr_snapshots)
		return "source: wrong number of snapshots";
	return NULL;
}

/**
 * cow_source_validate() - look for what cannot be
 * @vmo: a VMO with content of its own
 *
 * Context: the caller holds vmo->lock.
 * Return: NULL, or what is wrong.
 */
const char *cow_source_validate(const struct cowvmo *vmo)
{
	struct source_check check = {};
	const char *error;

	if (!vmo->source)
		return vmo->up || vmo->nr_below || vmo->group ?
		       "source: there is none" : NULL;
	error = check_place(vmo);
	if (error)
		return error;
	ptree_visit(&vmo->tree, 0, PTREE_MAX_INDEX,
		    vmo->up ? check_clone_content : check_content, &check);
	if (!check.error && vmo->point_in_time &&
	    vmo->up == vmo->source->root)
		return check_snapshot(vmo);
	return check.error;
}
