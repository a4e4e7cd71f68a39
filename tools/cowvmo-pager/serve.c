// SPDX-License-Identifier: GPL-2.0
/*
 * Answering requests. Each thread has a connection to the source and a VMO of
 * its own, into which it reads and whose pages it then gives away, without
 * copying them. What the kernel can read by itself, it is told to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pager.h"

/**
 * struct worker - a thread that answers
 * @pager: what it is for
 * @source: its own
 * @aux: VMO that it reads into; -1: the kernel reads
 * @mem: that VMO
 */
struct worker {
	struct pager *pager;
	struct source *source;
	int aux;
	void *mem;
};

static int make_aux(void)
{
	struct cowvmo_create arg = {
		.size = sizeof(arg), .vmo_size = CHUNK, .name = "pager-aux",
	};
	int dev = open("/dev/cowvmo", O_RDWR | O_CLOEXEC), fd;

	if (dev < 0)
		return -1;
	fd = ioctl(dev, COWVMO_IOC_CREATE, &arg);
	close(dev);
	return fd;
}

static bool begin(struct worker *worker)
{
	struct pager *pager = worker->pager;

	worker->source = source_open(pager->name, false);
	if (!worker->source)
		return false;
	if (worker->source->fd >= 0)
		return true;
	worker->aux = make_aux();
	if (worker->aux < 0)
		return false;
	worker->mem = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED,
			   worker->aux, 0);
	return worker->mem != MAP_FAILED;
}

/* What a waiter can be told. */
static uint32_t code_of(int err)
{
	return err == ENOSPC || err == EBUSY || err == EBADMSG ? err : EIO;
}

static void fail(struct worker *worker, uint64_t offset, uint64_t length,
		 int err)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_FAIL, .vmo_fd = worker->pager->vmo,
		.src_fd = -1, .offset = offset, .length = length,
		.code = code_of(err),
	};

	pager_do(worker->pager, &op);
	worker->pager->stats.failed++;
}

static int supply_zero(struct worker *worker, uint64_t offset, uint64_t length)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY_ZERO, .vmo_fd = worker->pager->vmo,
		.src_fd = -1, .offset = offset, .length = length,
	};

	return pager_do(worker->pager, &op);
}

/* The VMO ends at a page, the file perhaps before: the rest is zeros. */
static int supply_file(struct worker *worker, uint64_t offset, uint64_t length)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY_COPY, .flags = COWVMO_PAGER_FROM_FILE,
		.vmo_fd = worker->pager->vmo, .src_fd = worker->source->fd,
		.offset = offset, .length = length, .src = offset,
	};

	return pager_do(worker->pager, &op);
}

static int supply_pages(struct worker *worker, uint64_t offset,
			uint64_t length)
{
	struct cowvmo_pager_op op = {
		.op = COWVMO_PAGER_SUPPLY, .vmo_fd = worker->pager->vmo,
		.src_fd = worker->aux, .offset = offset, .length = length,
	};
	int err;

	err = worker->source->ops->read(worker->source, worker->mem, offset,
					length);
	return err ? err : pager_do(worker->pager, &op);
}

/* How much is of one kind, in whole pages: a page of both kinds is no zeros. */
static uint64_t part_of(struct worker *worker, uint64_t offset,
			uint64_t length, bool *zeros)
{
	struct source *source = worker->source;
	uint64_t part = length;

	*zeros = false;
	if (source->ops->extent)
		part = source->ops->extent(source, offset, length, zeros);
	if (part < PAGE)
		*zeros = false;
	if (*zeros)
		return part & -PAGE;
	part = (part + PAGE - 1) & -PAGE;
	return part < CHUNK ? part : CHUNK;
}

/* As much as is done at once; returns how much, or 0 after telling waiters. */
static uint64_t answer_part(struct worker *worker, uint64_t offset,
			    uint64_t length)
{
	uint64_t part;
	bool zeros;
	int err;

	part = part_of(worker, offset, length, &zeros);
	if (zeros)
		err = supply_zero(worker, offset, part);
	else if (worker->mem)
		err = supply_pages(worker, offset, part);
	else
		err = supply_file(worker, offset, part);
	if (err) {
		fail(worker, offset, length, err);
		return 0;
	}
	if (zeros)
		worker->pager->stats.zero_bytes += part;
	else
		worker->pager->stats.read_bytes += part;
	return part;
}

static void answer(struct worker *worker,
		   const struct cowvmo_pager_request *request)
{
	uint64_t offset = request->offset, left = request->length, part;

	if (request->command != COWVMO_PAGER_READ)
		return;
	worker->pager->stats.requests++;
	for (; left; offset += part, left -= part) {
		part = answer_part(worker, offset, left);
		if (!part)
			break;
	}
}

static void serve(struct worker *worker)
{
	struct pollfd fds[] = {
		{ .fd = worker->pager->fd, .events = POLLIN },
		{ .fd = worker->pager->stop, .events = POLLIN },
	};
	struct cowvmo_pager_request request;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		/* Does not wait: another thread may have been faster. */
		if (read(worker->pager->fd, &request, sizeof(request)) ==
		    sizeof(request))
			answer(worker, &request);
	}
}

void *serve_main(void *pager)
{
	struct worker worker = { .pager = pager, .aux = -1 };

	if (!begin(&worker)) {
		fprintf(stderr, "cowvmo-pager: a thread cannot begin: %s\n",
			strerror(errno));
		exit(1);
	}
	serve(&worker);
	if (worker.mem)
		munmap(worker.mem, CHUNK);
	if (worker.aux >= 0)
		close(worker.aux);
	worker.source->ops->close(worker.source);
	return NULL;
}
