// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: what a pager is asked for, and who waits for it.
 *
 * A request is a range. Requests of one kind for one VMO never overlap: who
 * wants what is asked for already waits with the others for as much of it as
 * he wants, and asks for the rest later. Whoever waits is woken once the first
 * page that he lacks has come, and looks for himself what he still lacks. A
 * request that nobody waits for any more is forgotten, read or not.
 *
 * Locking: pager->lock; see pager.h.
 */
#include <linux/interval_tree_generic.h>
#include <linux/sched/signal.h>

#include "cowvmo.h"
#include "pager.h"

/**
 * struct cow_waiter - one who waits, on his stack
 * @link: in request->waiters, until he has been woken
 * @request: what for
 * @first: the first page that he lacks
 * @last: the last that he wants
 * @done: woken
 * @err: what he is told, once woken
 * @own: place for a request. One who waits for it lends it his, so that asking
 *	takes no memory
 */
struct cow_waiter {
	struct list_head link;
	struct cow_request *request;
	u64 first;
	u64 last;
	struct completion done;
	int err;
	struct cow_request own;
};

static inline u64 request_start(struct cow_request *request)
{
	return request->first;
}

static inline u64 request_last(struct cow_request *request)
{
	return request->last;
}

INTERVAL_TREE_DEFINE(struct cow_request, node, u64, subtree_last,
		     request_start, request_last, static, request_tree)

static struct rb_root_cached *tree_of(struct cow_source *source,
				      unsigned int command)
{
	return &source->requests[command == COWVMO_PAGER_DIRTY_ASKED];
}

static void forget_request(struct cow_request *request)
{
	struct cow_source *source = request->pending.source;

	lockdep_assert_held(&source->pager->lock);
	request_tree_remove(request,
			    tree_of(source, request->pending.command));
	list_del(&request->pending.link);
	source->pager->nr_requests--;
}

/* The request moves to the place that another waiter has for one. */
static struct cow_request *move_request(struct cow_request *from)
{
	struct cow_source *source = from->pending.source;
	struct rb_root_cached *tree = tree_of(source, from->pending.command);
	struct cow_waiter *waiter, *host;
	struct cow_request *to;

	lockdep_assert_held(&source->pager->lock);
	host = list_first_entry(&from->waiters, struct cow_waiter, link);
	to = &host->own;
	request_tree_remove(from, tree);
	to->pending.source = source;
	to->pending.command = from->pending.command;
	to->pending.seq = from->pending.seq;
	INIT_LIST_HEAD(&to->pending.link);
	if (!list_empty(&from->pending.link))
		list_replace(&from->pending.link, &to->pending.link);
	to->first = from->first;
	to->last = from->last;
	request_tree_insert(to, tree);
	INIT_LIST_HEAD(&to->waiters);
	list_splice(&from->waiters, &to->waiters);
	list_for_each_entry(waiter, &to->waiters, link)
		waiter->request = to;
	return to;
}

/*
 * Takes waiters off a request. Returns where it is then; NULL: nobody is left,
 * and it is forgotten.
 */
static struct cow_request *leave(struct cow_request *request,
				 struct list_head *leaving)
{
	struct cow_waiter *waiter;

	if (list_empty(&request->waiters)) {
		forget_request(request);
		return NULL;
	}
	list_for_each_entry(waiter, leaving, link) {
		if (request == &waiter->own)
			return move_request(request);
	}
	return request;
}

/* The waiters may be gone as soon as the lock is dropped. */
static void wake_all(struct list_head *woken, int err)
{
	struct cow_waiter *waiter, *next;

	list_for_each_entry_safe(waiter, next, woken, link) {
		waiter->err = err;
		list_del_init(&waiter->link);
		complete(&waiter->done);
	}
}

/* Does what the pager answered end the wait? */
static bool concerns(const struct cow_waiter *waiter, u64 first, u64 last,
		     int err)
{
	/* Content: what was lacking first. An error: any of it. */
	u64 end = err ? waiter->last : waiter->first;

	return waiter->first <= last && end >= first;
}

/* What is left to be answered. In the middle of it, that is all of it. */
static void trim_request(struct cow_request *request, u64 first, u64 last)
{
	struct rb_root_cached *tree = tree_of(request->pending.source,
					      request->pending.command);

	request_tree_remove(request, tree);
	if (first <= request->first)
		request->first = last + 1;
	else if (last >= request->last)
		request->last = first - 1;
	request_tree_insert(request, tree);
}

static void answer(struct cow_source *source, unsigned int command, u64 first,
		   u64 last, int err)
{
	struct rb_root_cached *tree = tree_of(source, command);
	struct cow_request *request, *next;
	struct cow_waiter *waiter, *other;

	lockdep_assert_held(&source->pager->lock);
	for (request = request_tree_iter_first(tree, first, last); request;
	     request = next) {
		LIST_HEAD(woken);

		next = request_tree_iter_next(request, first, last);
		list_for_each_entry_safe(waiter, other, &request->waiters,
					 link) {
			if (concerns(waiter, first, last, err))
				list_move_tail(&waiter->link, &woken);
		}
		request = leave(request, &woken);
		if (request)
			trim_request(request, first, last);
		wake_all(&woken, err);
	}
}

/**
 * cow_requests_answer() - a range is as it was asked for, or cannot be any more
 * @source: the source
 * @command: what was asked for
 * @first: first page
 * @last: last page
 *
 * Context: the caller holds the root's lock for writing.
 */
void cow_requests_answer(struct cow_source *source, unsigned int command,
			 u64 first, u64 last)
{
	lockdep_assert_held_write(source->root->lock);
	spin_lock(&source->pager->lock);
	answer(source, command, first, last, 0);
	spin_unlock(&source->pager->lock);
}

/**
 * cow_requests_fail() - who waits for any of a range is told that it fails
 * @source: the source
 * @first: first page
 * @last: last page
 * @err: why, a negative errno
 *
 * Context: may be called with and without the root's lock.
 */
void cow_requests_fail(struct cow_source *source, u64 first, u64 last,
		       int err)
{
	spin_lock(&source->pager->lock);
	answer(source, COWVMO_PAGER_READ, first, last, err);
	answer(source, COWVMO_PAGER_DIRTY_ASKED, first, last, err);
	spin_unlock(&source->pager->lock);
}

/**
 * cow_request_find() - a request that was taken from the pager's list
 * @source: whose it is
 * @pending: what was taken
 *
 * Context: the caller holds pager->lock.
 * Return: the request, or NULL if nobody waits for it any more.
 */
struct cow_request *cow_request_find(struct cow_source *source,
				     const struct cow_pending *pending)
{
	struct rb_root_cached *tree = tree_of(source, pending->command);
	struct cow_request *request;

	lockdep_assert_held(&source->pager->lock);
	for (request = request_tree_iter_first(tree, 0, U64_MAX); request;
	     request = request_tree_iter_next(request, 0, U64_MAX)) {
		if (request->pending.seq == pending->seq)
			return request;
	}
	return NULL;
}

/* How far from @first on is all absent? False: @first is not. */
static bool find_absent(const struct cowvmo *root, u64 first, u64 *last)
{
	struct ptree_look look;
	u64 at = first;

	while (at <= *last) {
		ptree_look(&root->tree, at, &look);
		if (look.desc || look.marker)
			break;
		at = look.last + 1;
	}
	*last = min(*last, at - 1);
	return at != first;
}

static bool is_dirty(const struct ptree_look *look)
{
	return look->desc && cow_desc_state(look->desc) == COW_DESC_DIRTY;
}

/* How far from @first on is all there, and not dirty? */
static bool find_clean(const struct cowvmo *root, u64 first, u64 *last)
{
	struct ptree_look look;
	u64 at = first;

	while (at <= *last) {
		ptree_look(&root->tree, at, &look);
		if ((!look.desc && !look.marker) || is_dirty(&look))
			break;
		at = look.last + 1;
	}
	*last = min(*last, at - 1);
	return at != first;
}

/* Is what was asked for still lacking? Restricts it to what is. */
static bool is_lacking(struct cow_ask *ask)
{
	const struct cowvmo *root = ask->source->root;

	lockdep_assert_held(root->lock);
	if (ask->first >= root->nr_pages)
		return false;
	ask->last = min(ask->last, root->nr_pages - 1);
	if (ask->command == COWVMO_PAGER_READ)
		return find_absent(root, ask->first, &ask->last);
	return find_clean(root, ask->first, &ask->last);
}

static int begin_request(struct cow_request *request,
			 const struct cow_ask *ask, u64 last)
{
	struct cowvmo_pager *pager = ask->source->pager;

	if (!cowvmo_pager_has_room(pager))
		return -EBUSY;
	pager->nr_requests++;
	request->pending.source = ask->source;
	request->pending.command = ask->command;
	request->pending.seq = ++pager->last_seq;
	request->first = ask->first;
	request->last = last;
	INIT_LIST_HEAD(&request->waiters);
	request_tree_insert(request, tree_of(ask->source, ask->command));
	cowvmo_pager_queue(pager, &request->pending);
	return 0;
}

/* Has the waiter wait for a request that is there, or for his own. */
static int join(struct cow_waiter *waiter, const struct cow_ask *ask)
{
	struct rb_root_cached *tree = tree_of(ask->source, ask->command);
	struct cow_request *request;
	u64 last = ask->last;
	int err;

	lockdep_assert_held(&ask->source->pager->lock);
	request = request_tree_iter_first(tree, ask->first, last);
	if (request && request->first <= ask->first) {
		last = min(last, request->last);
	} else {
		if (request)
			last = request->first - 1;
		request = &waiter->own;
		err = begin_request(request, ask, last);
		if (err)
			return err;
	}
	waiter->first = ask->first;
	waiter->last = last;
	waiter->request = request;
	list_add_tail(&waiter->link, &request->waiters);
	return 0;
}

static int begin_wait(struct cow_waiter *waiter, struct cow_ask *ask)
{
	struct cow_source *source = ask->source;
	int err = 0;

	waiter->request = NULL;
	waiter->err = 0;
	init_completion(&waiter->done);
	INIT_LIST_HEAD(&waiter->link);
	down_read(source->root->lock);
	if (is_lacking(ask)) {
		spin_lock(&source->pager->lock);
		if (source->detached || source->pager->closed)
			err = -EPIPE;
		else
			err = join(waiter, ask);
		spin_unlock(&source->pager->lock);
	}
	up_read(source->root->lock);
	return err;
}

static long wait_for(struct cow_waiter *waiter, long timeout,
		     bool interruptible)
{
	if (interruptible)
		return wait_for_completion_interruptible_timeout(&waiter->done,
								 timeout);
	return wait_for_completion_killable_timeout(&waiter->done, timeout);
}

/* Gives up, unless somebody has just been faster. */
static int give_up(struct cow_waiter *waiter, struct cowvmo_pager *pager,
		   int err)
{
	LIST_HEAD(leaving);

	spin_lock(&pager->lock);
	if (list_empty(&waiter->link)) {
		err = waiter->err;
	} else {
		list_move(&waiter->link, &leaving);
		leave(waiter->request, &leaving);
	}
	spin_unlock(&pager->lock);
	return err;
}

/**
 * cow_ask_wait() - ask a pager for something, and wait for its answer
 * @ask: what; done with afterwards
 * @interruptible: any signal ends the wait, not only one that kills
 *
 * Context: may sleep, for as long as the pager likes; no lock is held but such
 * as nobody minds. The caller has a member of the family.
 * Return: 0: look again; -ERESTARTSYS: a signal; -EPIPE: nobody answers any
 * more; -ETIMEDOUT; -EBUSY: too many wait; what the pager says.
 */
int cow_ask_wait(struct cow_ask *ask, bool interruptible)
{
	struct cowvmo_pager *pager = ask->source->pager;
	struct cow_waiter waiter;
	long left;
	int err;

	err = begin_wait(&waiter, ask);
	ask->source = NULL;
	if (err || !waiter.request)
		return err;
	left = wait_for(&waiter, pager->timeout, interruptible);
	if (left > 0)
		return waiter.err;
	return give_up(&waiter, pager, left ? -ERESTARTSYS : -ETIMEDOUT);
}
