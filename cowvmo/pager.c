// SPDX-License-Identifier: GPL-2.0
/*
 * The pager as a file: what a process reads that is the source of content.
 *
 * Requests stay where they are, in their source, until they are read; what is
 * pending here is a list of them in the order in which they were made. Each is
 * handed to one reader. If it cannot be delivered, it goes back to the front.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "cowvmo.h"
#include "pager.h"

static unsigned int pager_vmos = COWVMO_PAGER_MAX_VMOS;
module_param(pager_vmos, uint, 0644);
MODULE_PARM_DESC(pager_vmos, "VMOs that a pager can have");

static unsigned int pager_requests = COWVMO_PAGER_MAX_REQUESTS;
module_param(pager_requests, uint, 0644);
MODULE_PARM_DESC(pager_requests, "Requests that a pager can have unanswered");

/**
 * cowvmo_pager_has_room() - may it have one more request?
 * @pager: the pager
 *
 * Context: the caller holds pager->lock.
 */
bool cowvmo_pager_has_room(const struct cowvmo_pager *pager)
{
	lockdep_assert_held(&pager->lock);
	return pager->nr_requests < READ_ONCE(pager_requests);
}

/**
 * cowvmo_pager_get() - one more reference to a pager
 * @pager: the pager
 */
void cowvmo_pager_get(struct cowvmo_pager *pager)
{
	refcount_inc(&pager->refs);
}

/**
 * cowvmo_pager_put() - one reference less
 * @pager: the pager
 */
void cowvmo_pager_put(struct cowvmo_pager *pager)
{
	if (!refcount_dec_and_test(&pager->refs))
		return;
	xa_destroy(&pager->sources);
	kfree(pager);
}

/**
 * cowvmo_pager_queue() - let a reader know of something
 * @pager: the pager
 * @what: what it is
 *
 * Context: the caller holds pager->lock.
 */
void cowvmo_pager_queue(struct cowvmo_pager *pager, struct cow_pending *what)
{
	lockdep_assert_held(&pager->lock);
	list_add_tail(&what->link, &pager->pending);
	wake_up_interruptible_poll(&pager->wait, EPOLLIN | EPOLLRDNORM);
}

/**
 * struct taken - a request on its way to a reader
 * @pending: identity of it, and the source, with a reference
 * @packet: what is read
 */
struct taken {
	struct cow_pending pending;
	struct cowvmo_pager_request packet;
};

static void take_one(struct taken *taken, struct cow_pending *pending)
{
	struct cow_source *source = pending->source;
	struct cow_request *request;

	list_del_init(&pending->link);
	/* The end of a VMO has been waiting with a reference of its own. */
	if (pending->command != COWVMO_PAGER_COMPLETE)
		refcount_inc(&source->refs);
	taken->pending = *pending;
	taken->packet = (struct cowvmo_pager_request) {
		.size = sizeof(taken->packet),
		.command = pending->command,
		.key = source->key,
		.id = source->id,
	};
	if (pending->command == COWVMO_PAGER_COMPLETE)
		return;
	request = container_of(pending, struct cow_request, pending);
	taken->packet.offset = request->first << PAGE_SHIFT;
	taken->packet.length = (request->last - request->first + 1) <<
			       PAGE_SHIFT;
}

static bool take(struct cowvmo_pager *pager, struct taken *taken)
{
	struct cow_pending *pending;

	spin_lock(&pager->lock);
	pending = list_first_entry_or_null(&pager->pending, struct cow_pending,
					   link);
	if (pending)
		take_one(taken, pending);
	spin_unlock(&pager->lock);
	return pending;
}

/* Could not be delivered: the next reader gets it, if it is still wanted. */
static void put_back(struct cowvmo_pager *pager, struct taken *taken)
{
	struct cow_source *source = taken->pending.source;
	struct cow_pending *pending = NULL;
	struct cow_request *request;

	spin_lock(&pager->lock);
	if (taken->pending.command == COWVMO_PAGER_COMPLETE) {
		refcount_inc(&source->refs);
		pending = &source->complete;
	} else {
		request = cow_request_find(source, &taken->pending);
		if (request)
			pending = &request->pending;
	}
	if (pending) {
		list_add(&pending->link, &pager->pending);
		wake_up_interruptible_poll(&pager->wait,
					   EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock(&pager->lock);
}

/* Returns how much was read: a request, 0 if there is none, or an errno. */
static ssize_t read_one(struct cowvmo_pager *pager, struct iov_iter *to)
{
	struct taken taken;
	bool done;

	if (!take(pager, &taken))
		return 0;
	done = copy_to_iter(&taken.packet, sizeof(taken.packet), to) ==
	       sizeof(taken.packet);
	if (!done)
		put_back(pager, &taken);
	cow_source_put(taken.pending.source);
	return done ? sizeof(taken.packet) : -EFAULT;
}

/* Hands out what is there, as far as there is room for it. */
static ssize_t read_pending(struct cowvmo_pager *pager, struct iov_iter *to)
{
	ssize_t ret, done = 0;

	do {
		ret = read_one(pager, to);
		if (ret < 0)
			return done ?: ret;
		done += ret;
	} while (ret && iov_iter_count(to) >= ret);
	return done;
}

static bool has_pending(const struct cowvmo_pager *pager)
{
	return !list_empty_careful(&pager->pending);
}

static ssize_t pager_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct cowvmo_pager *pager = iocb->ki_filp->private_data;
	bool nowait = iocb->ki_flags & IOCB_NOWAIT ||
		      iocb->ki_filp->f_flags & O_NONBLOCK;
	ssize_t ret;

	if (iov_iter_count(to) < sizeof(struct cowvmo_pager_request))
		return -EINVAL;
	for (;;) {
		ret = read_pending(pager, to);
		if (ret)
			return ret;
		if (nowait)
			return -EAGAIN;
		ret = wait_event_interruptible_exclusive(pager->wait,
							 has_pending(pager));
		if (ret)
			return ret;
	}
}

static __poll_t pager_poll(struct file *file, poll_table *wait)
{
	struct cowvmo_pager *pager = file->private_data;

	poll_wait(file, &pager->wait, wait);
	return has_pending(pager) ? EPOLLIN | EPOLLRDNORM : 0;
}

/* Takes all that is pending away; what it was is of no interest. */
static void drop_pending(struct cowvmo_pager *pager)
{
	struct taken taken;

	while (take(pager, &taken))
		cow_source_put(taken.pending.source);
}

static int pager_release(struct inode *inode, struct file *file)
{
	struct cowvmo_pager *pager = file->private_data;
	struct cow_source *source;
	unsigned long id;

	spin_lock(&pager->lock);
	pager->closed = true;
	spin_unlock(&pager->lock);
	/* Nobody comes to wait any more. */
	xa_lock(&pager->sources);
	xa_for_each(&pager->sources, id, source) {
		refcount_inc(&source->refs);
		xa_unlock(&pager->sources);
		cow_requests_fail(source, 0, U64_MAX, -EPIPE);
		cow_source_put(source);
		cond_resched();
		xa_lock(&pager->sources);
	}
	xa_unlock(&pager->sources);
	drop_pending(pager);
	cowvmo_pager_put(pager);
	cowvmo_fs_put();
	return 0;
}

static void pager_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct cowvmo_pager *pager = file->private_data;
	unsigned int vmos, requests;

	spin_lock(&pager->lock);
	vmos = pager->nr_vmos;
	requests = pager->nr_requests;
	spin_unlock(&pager->lock);
	seq_printf(m, "cowvmo-pager-vmos:\t%u\n", vmos);
	seq_printf(m, "cowvmo-pager-requests:\t%u\n", requests);
}

static const struct file_operations pager_fops = {
	.owner		= THIS_MODULE,
	.release	= pager_release,
	.read_iter	= pager_read_iter,
	.poll		= pager_poll,
	.unlocked_ioctl	= cowvmo_pager_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= pager_show_fdinfo,
	.llseek		= noop_llseek,
};

/**
 * cowvmo_file_to_pager() - the pager behind a file
 * @file: any file
 *
 * Return: the pager, or NULL if it is something else.
 */
struct cowvmo_pager *cowvmo_file_to_pager(struct file *file)
{
	return file->f_op == &pager_fops ? file->private_data : NULL;
}

static struct cowvmo_pager *pager_alloc(const struct cowvmo_pager_create *args)
{
	struct cowvmo_pager *pager;

	if (cowvmo_should_fail())
		return NULL;
	pager = kzalloc(sizeof(*pager), COWVMO_GFP_CALL);
	if (!pager)
		return NULL;
	refcount_set(&pager->refs, 1);
	spin_lock_init(&pager->lock);
	INIT_LIST_HEAD(&pager->pending);
	init_waitqueue_head(&pager->wait);
	xa_init_flags(&pager->sources, XA_FLAGS_ACCOUNT);
	pager->timeout = args->timeout_ms ? msecs_to_jiffies(args->timeout_ms) :
					    MAX_SCHEDULE_TIMEOUT;
	pager->kernel_faults = args->flags & COWVMO_PAGER_KERNEL_FAULTS;
	return pager;
}

/**
 * cowvmo_pager_open() - a new pager
 * @args: validated, permission included
 *
 * Context: may sleep.
 * Return: its file, or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct file *cowvmo_pager_open(const struct cowvmo_pager_create *args)
{
	struct cowvmo_pager *pager = pager_alloc(args);
	struct file *file;
	int err;

	if (!pager)
		return ERR_PTR(-ENOMEM);
	/* It finds VMOs by their identities: they must have where to be. */
	err = cowvmo_fs_get();
	if (err)
		goto err_pager;
	file = cowvmo_should_fail() ? ERR_PTR(-ENOMEM) :
	       anon_inode_getfile("[cowvmo-pager]", &pager_fops, pager, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_fs;
	}
	file->f_mode |= FMODE_NOWAIT;
	return file;

err_fs:
	cowvmo_fs_put();
err_pager:
	cowvmo_pager_put(pager);
	return ERR_PTR(err);
}

/**
 * cowvmo_pager_add() - a pager becomes the source of one more VMO
 * @pager: the pager
 * @source: the source, which takes part in the pager until it is removed
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -ENOSPC: it has as many as it can; -EPIPE: it is closed.
 */
int cowvmo_pager_add(struct cowvmo_pager *pager, struct cow_source *source)
{
	int err = 0;

	spin_lock(&pager->lock);
	if (pager->closed)
		err = -EPIPE;
	else if (pager->nr_vmos >= READ_ONCE(pager_vmos))
		err = -ENOSPC;
	else
		pager->nr_vmos++;
	spin_unlock(&pager->lock);
	if (err)
		return err;
	err = cowvmo_should_fail() ? -ENOMEM :
	      xa_err(xa_store(&pager->sources, source->id, source,
			      COWVMO_GFP_CALL));
	if (!err)
		return 0;
	spin_lock(&pager->lock);
	pager->nr_vmos--;
	spin_unlock(&pager->lock);
	return err;
}

/**
 * cowvmo_pager_remove() - a VMO ends
 * @source: its source, which the pager cannot find any more afterwards
 *
 * Context: may sleep.
 */
void cowvmo_pager_remove(struct cow_source *source)
{
	struct cowvmo_pager *pager = source->pager;

	if (!xa_erase(&pager->sources, source->id))
		return;
	spin_lock(&pager->lock);
	pager->nr_vmos--;
	spin_unlock(&pager->lock);
}

/**
 * cowvmo_pager_find() - a VMO of a pager
 * @pager: the pager
 * @id: identity of the VMO
 *
 * Return: the VMO, its inode held for the caller to put; or NULL.
 */
struct cowvmo *cowvmo_pager_find(struct cowvmo_pager *pager, u64 id)
{
	struct cow_source *source;
	struct cowvmo *root = NULL;

	/* It is removed before the inode goes. */
	xa_lock(&pager->sources);
	source = xa_load(&pager->sources, id);
	if (source && igrab(&source->root->inode))
		root = source->root;
	xa_unlock(&pager->sources);
	return root;
}
