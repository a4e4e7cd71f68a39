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
#include <linux/slab.h>

#include "cowvmo.h"
#include "pager.h"

/**
 * struct cow_waiter - one who waits
 * @link: in request->waiters, until he has been woken
 * @request: what for
 * @first: the first page that he lacks
 * @last: the last that he wants
 * @done: woken
 * @err: what he is told, once woken
 */
struct cow_waiter {
	struct list_head link;
	struct cow_request *request;
	u64 first;
	u64 last;
	struct completion done;
	int err;
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

static struct cow_request *new_request(struct cow_source *source,
				       unsigned int command)
{
	struct cow_request *request;

	if (cowvmo_should_fail())
		return NULL;
	request = kzalloc(sizeof(*request), GFP_KERNEL_ACCOUNT);
	if (!request)
		return NULL;
	INIT_LIST_HEAD(&request->pending.link);
	INIT_LIST_HEAD(&request->waiters);
	request->pending.source = source;
	request->pending.command = command;
	return request;
}

static void forget_request(struct cow_request *request)
{
	struct cow_source *source = request->pending.source;

	lockdep_assert_held(&source->pager->lock);
	request_tree_remove(request,
			    tree_of(source, request->pending.command));
	list_del(&request->pending.link);
	source->pager->nr_requests--;
	kfree(request);
}

/* The waiter may be gone as soon as the lock is dropped. */
static void wake(struct cow_waiter *waiter, int err)
{
	waiter->err = err;
	list_del_init(&waiter->link);
	complete(&waiter->done);
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
		next = request_tree_iter_next(request, first, last);
		list_for_each_entry_safe(waiter, other, &request->waiters,
					 link) {
			if (concerns(waiter, first, last, err))
				wake(waiter, err);
		}
		if (list_empty(&request->waiters))
			forget_request(request);
		else
			trim_request(request, first, last);
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

static int begin_request(struct cow_request *request, u64 first, u64 last)
{
	struct cow_source *source = request->pending.source;
	struct cowvmo_pager *pager = source->pager;

	if (pager->nr_requests >= COWVMO_PAGER_MAX_REQUESTS)
		return -EBUSY;
	pager->nr_requests++;
	request->first = first;
	request->last = last;
	request->pending.seq = ++pager->last_seq;
	request_tree_insert(request,
			    tree_of(source, request->pending.command));
	cowvmo_pager_queue(pager, &request->pending);
	return 0;
}

/*
 * Has the waiter wait for a request that is there, or for @fresh. Returns 1 if
 * @fresh is in use then.
 */
static int join(struct cow_waiter *waiter, const struct cow_ask *ask,
		struct cow_request *fresh)
{
	struct rb_root_cached *tree = tree_of(ask->source, ask->command);
	struct cow_request *request;
	u64 last = ask->last;
	int err, used = 0;

	lockdep_assert_held(&ask->source->pager->lock);
	request = request_tree_iter_first(tree, ask->first, last);
	if (request && request->first <= ask->first) {
		last = min(last, request->last);
	} else {
		if (request)
			last = request->first - 1;
		request = fresh;
		err = begin_request(request, ask->first, last);
		if (err)
			return err;
		used = 1;
	}
	waiter->first = ask->first;
	waiter->last = last;
	waiter->request = request;
	list_add_tail(&waiter->link, &request->waiters);
	return used;
}

static int begin_wait(struct cow_waiter *waiter, struct cow_ask *ask,
		      struct cow_request *fresh)
{
	struct cow_source *source = ask->source;
	int ret = 0;

	init_completion(&waiter->done);
	INIT_LIST_HEAD(&waiter->link);
	down_read(source->root->lock);
	if (is_lacking(ask)) {
		spin_lock(&source->pager->lock);
		if (source->detached || source->pager->closed)
			ret = -EPIPE;
		else
			ret = join(waiter, ask, fresh);
		spin_unlock(&source->pager->lock);
	}
	up_read(source->root->lock);
	return ret;
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
	struct cow_request *request = waiter->request;

	spin_lock(&pager->lock);
	if (list_empty(&waiter->link)) {
		err = waiter->err;
	} else {
		list_del(&waiter->link);
		if (list_empty(&request->waiters))
			forget_request(request);
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
 * Return: 0: look again; -ERESTARTSYS: a signal; -ENOMEM; -EPIPE: nobody
 * answers any more; -ETIMEDOUT; -EBUSY: too many wait; what the pager says.
 */
int cow_ask_wait(struct cow_ask *ask, bool interruptible)
{
	struct cow_source *source = ask->source;
	struct cowvmo_pager *pager = source->pager;
	struct cow_waiter waiter = {};
	struct cow_request *fresh;
	long left;
	int ret;

	ask->source = NULL;
	fresh = new_request(source, ask->command);
	if (!fresh)
		return -ENOMEM;
	ask->source = source;
	ret = begin_wait(&waiter, ask, fresh);
	ask->source = NULL;
	if (ret <= 0)
		kfree(fresh);
	if (ret < 0 || !waiter.request)
		return ret;
	left = wait_for(&waiter, pager->timeout, interruptible);
	if (left > 0)
		return waiter.err;
	return give_up(&waiter, pager, left ? -ERESTARTSYS : -ETIMEDOUT);
}
