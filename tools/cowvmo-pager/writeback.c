// SPDX-License-Identifier: GPL-2.0
/*
 * Writing back. A range is marked as being written, read, given to the source,
 * and clean once the source says that it is safe. Whoever writes to it meanwhile
 * makes it dirty again. After an error it stays as it is, and is tried in the
 * next round.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pager.h"

/* Ranges that are written before the source is asked to keep them. */
#define BATCH	256

/**
 * struct round - a part of what is dirty
 * @pager: whose
 * @source: where it goes
 * @buf: room for a chunk
 * @ranges: what it is
 * @nr: how many
 * @written: of them, that the source has been given
 */
struct round {
	struct pager *pager;
	struct source *source;
	char *buf;
	struct cowvmo_dirty_range ranges[BATCH];
	unsigned int nr;
	unsigned int written;
};

/* From @offset on. */
static int find_dirty(struct round *round, uint64_t offset)
{
	struct cowvmo_pager_query_dirty arg = {
		.size = sizeof(arg), .vmo_fd = round->pager->vmo,
		.room = BATCH, .offset = offset,
		.length = (round->pager->size + PAGE - 1) / PAGE * PAGE -
			  offset,
		.ranges = (uintptr_t)round->ranges,
	};

	if (ioctl(round->pager->fd, COWVMO_IOC_PAGER_QUERY_DIRTY, &arg))
		return errno;
	round->nr = arg.out_nr;
	round->written = 0;
	return 0;
}

static int mark(struct round *round, unsigned int op,
		const struct cowvmo_dirty_range *range)
{
	struct cowvmo_pager_op arg = {
		.op = op, .vmo_fd = round->pager->vmo, .src_fd = -1,
		.offset = range->offset, .length = range->length,
	};

	if (op == COWVMO_PAGER_WRITEBACK_BEGIN &&
	    range->flags & COWVMO_DIRTY_IS_ZERO)
		arg.flags = COWVMO_PAGER_IS_ZERO;
	return pager_do(round->pager, &arg);
}

/* How much of a range the source has room for. */
static uint64_t within(const struct round *round,
		       const struct cowvmo_dirty_range *range)
{
	uint64_t size = round->pager->size;

	if (range->offset >= size)
		return 0;
	return range->length < size - range->offset ? range->length :
						      size - range->offset;
}

static int write_content(struct round *round,
			 const struct cowvmo_dirty_range *range)
{
	uint64_t at = range->offset, left = within(round, range), part;
	int err = 0;

	for (; !err && left; at += part, left -= part) {
		part = left < CHUNK ? left : CHUNK;
		if (pread(round->pager->vmo, round->buf, part, at) !=
		    (ssize_t)part)
			return errno ? errno : EIO;
		err = round->source->ops->write(round->source, round->buf, at,
						part);
	}
	return err;
}

static int write_range(struct round *round,
		       const struct cowvmo_dirty_range *range)
{
	int err = mark(round, COWVMO_PAGER_WRITEBACK_BEGIN, range);

	if (err)
		return err;
	if (!(range->flags & COWVMO_DIRTY_IS_ZERO))
		err = write_content(round, range);
	else if (within(round, range))
		err = round->source->ops->zero(round->source, range->offset,
					       within(round, range));
	if (!err)
		round->pager->stats.written_bytes += range->length;
	return err;
}

/* Those that are safe become clean. */
static int keep(struct round *round)
{
	unsigned int i;
	int err;

	err = round->source->ops->flush(round->source);
	for (i = 0; !err && i < round->written; i++)
		err = mark(round, COWVMO_PAGER_WRITEBACK_END,
			   &round->ranges[i]);
	return err;
}

/* Goes on after what cannot be written; returns the first error. */
static int write_batch(struct round *round)
{
	int err, first = 0;
	unsigned int i;

	if (round->source->ops->begin)
		round->source->ops->begin(round->source);
	for (i = 0; i < round->nr; i++) {
		err = write_range(round, &round->ranges[i]);
		if (!err)
			round->ranges[round->written++] = round->ranges[i];
		else
			round->pager->stats.write_errors++;
		if (err && !first)
			first = err;
	}
	err = round->written ? keep(round) : 0;
	return first ? first : err;
}

static int write_rounds(struct round *round)
{
	const struct cowvmo_dirty_range *last;
	uint64_t offset = 0;
	int err, first = 0;
	bool some = false;

	while (offset < round->pager->size) {
		err = find_dirty(round, offset);
		if (err)
			return first ? first : err;
		if (!round->nr)
			break;
		some = true;
		last = &round->ranges[round->nr - 1];
		offset = last->offset + last->length;
		err = write_batch(round);
		if (err && !first)
			first = err;
	}
	round->pager->stats.rounds += some;
	return first;
}

int write_back(struct pager *pager, struct source *source)
{
	struct round *round;
	int err = ENOMEM;

	if (!source)
		return 0;
	round = calloc(1, sizeof(*round));
	if (round)
		round->buf = malloc(CHUNK);
	if (round && round->buf) {
		round->pager = pager;
		round->source = source;
		err = write_rounds(round);
	}
	if (err)
		fprintf(stderr, "cowvmo-pager: writing back: %s\n",
			strerror(err));
	if (round)
		free(round->buf);
	free(round);
	return err;
}
