// SPDX-License-Identifier: GPL-2.0
/* An export of an NBD server, by libnbd. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager.h"

bool nbd_is_uri(const char *name)
{
	return !strncmp(name, "nbd:", 4) || !strncmp(name, "nbds:", 5) ||
	       !strncmp(name, "nbd+unix:", 9) ||
	       !strncmp(name, "nbds+unix:", 10) ||
	       !strncmp(name, "nbd+vsock:", 10);
}

#ifndef WITHOUT_NBD
#include <libnbd.h>

/**
 * struct nbd_source - a connection
 * @source: what it is for the others
 * @nbd: the connection
 * @uri: where to
 * @writable: it is to be written to
 * @piece: most that the server takes in one request
 * @unflushed: something has been written since the last flush
 * @lost: over a connection that is no more
 */
struct nbd_source {
	struct source source;
	struct nbd_handle *nbd;
	const char *uri;
	bool writable;
	uint64_t piece;
	bool unflushed;
	bool lost;
};

static struct nbd_source *nbd_of(struct source *source)
{
	return (struct nbd_source *)source;
}

static int nbd_failed(const char *what)
{
	int err = nbd_get_errno();

	fprintf(stderr, "cowvmo-pager: %s: %s\n", what, nbd_get_error());
	return err ? err : EIO;
}

static int nbd_begin(struct nbd_source *nbd)
{
	int64_t size, most;

	nbd->nbd = nbd_create();
	if (!nbd->nbd || nbd_connect_uri(nbd->nbd, nbd->uri))
		return nbd_failed(nbd->uri);
	size = nbd_get_size(nbd->nbd);
	if (size < 0)
		return nbd_failed(nbd->uri);
	if (nbd->source.size && nbd->source.size != (uint64_t)size) {
		fprintf(stderr, "cowvmo-pager: %s: the size has changed\n",
			nbd->uri);
		return EIO;
	}
	if (nbd->writable && nbd_is_read_only(nbd->nbd)) {
		fprintf(stderr, "cowvmo-pager: %s: the export is read-only\n",
			nbd->uri);
		return EROFS;
	}
	nbd->source.size = size;
	most = nbd_get_block_size(nbd->nbd, LIBNBD_SIZE_MAXIMUM);
	nbd->piece = CHUNK;
	if (most > 0 && (uint64_t)most < CHUNK)
		nbd->piece = most;
	return 0;
}

static void nbd_end(struct nbd_source *nbd)
{
	if (nbd->nbd)
		nbd_close(nbd->nbd);
	nbd->nbd = NULL;
}

static bool is_dead(struct nbd_handle *nbd)
{
	return nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd);
}

/*
 * The server may have gone, and come back. What it had been given and not
 * promised to keep may be lost then: the next flush has to say so.
 */
static int nbd_alive(struct source *source)
{
	struct nbd_source *nbd = nbd_of(source);
	int err;

	if (nbd->nbd && !is_dead(nbd->nbd))
		return 0;
	nbd_end(nbd);
	nbd->lost = nbd->lost || nbd->unflushed;
	err = nbd_begin(nbd);
	if (err)
		nbd_end(nbd);
	return err;
}

static uint64_t piece_of(struct source *source, uint64_t length)
{
	return length < nbd_of(source)->piece ? length : nbd_of(source)->piece;
}

/* Is there anything at @offset, and how much of @length? */
static uint64_t within(struct source *source, uint64_t offset, uint64_t length)
{
	if (offset >= source->size)
		return 0;
	return length < source->size - offset ? length : source->size - offset;
}

static int read_raw(struct source *source, void *to, uint64_t offset,
		    uint64_t length)
{
	uint64_t there = within(source, offset, length), part;

	memset((char *)to + there, 0, length - there);
	for (; there; offset += part, there -= part) {
		part = piece_of(source, there);
		if (nbd_pread(nbd_of(source)->nbd, to, part, offset, 0))
			return nbd_failed("read");
		to = (char *)to + part;
	}
	return 0;
}

static int write_raw(struct source *source, void *from, uint64_t offset,
		     uint64_t length)
{
	uint64_t part;

	nbd_of(source)->unflushed = true;
	for (; length; offset += part, length -= part) {
		part = piece_of(source, length);
		if (nbd_pwrite(nbd_of(source)->nbd, from, part, offset, 0))
			return nbd_failed("write");
		from = (char *)from + part;
	}
	return 0;
}

static int write_zeros(struct source *source, uint64_t offset, uint64_t length)
{
	static char zeros[65536];
	uint64_t part;
	int err = 0;

	for (; !err && length; offset += part, length -= part) {
		part = length < sizeof(zeros) ? length : sizeof(zeros);
		err = write_raw(source, zeros, offset, part);
	}
	return err;
}

static int zero_raw(struct source *source, void *unused, uint64_t offset,
		    uint64_t length)
{
	uint64_t part;

	(void)unused;
	if (nbd_can_zero(nbd_of(source)->nbd) <= 0)
		return write_zeros(source, offset, length);
	nbd_of(source)->unflushed = true;
	for (; length; offset += part, length -= part) {
		part = piece_of(source, length);
		if (nbd_zero(nbd_of(source)->nbd, part, offset, 0))
			return nbd_failed("zero");
	}
	return 0;
}

/* Once more, if what it failed by was the connection. */
static int with_retry(struct source *source,
		      int (*raw)(struct source *source, void *buf,
				 uint64_t offset, uint64_t length),
		      void *buf, uint64_t offset, uint64_t length)
{
	int err = nbd_alive(source);

	if (!err)
		err = raw(source, buf, offset, length);
	if (!err || !nbd_of(source)->nbd || !is_dead(nbd_of(source)->nbd))
		return err;
	err = nbd_alive(source);
	return err ? err : raw(source, buf, offset, length);
}

static int nbd_source_read(struct source *source, void *to, uint64_t offset,
			   uint64_t length)
{
	return with_retry(source, read_raw, to, offset, length);
}

static int nbd_source_write(struct source *source, const void *from,
			    uint64_t offset, uint64_t length)
{
	return with_retry(source, write_raw, (void *)from, offset, length);
}

static int nbd_source_zero(struct source *source, uint64_t offset,
			   uint64_t length)
{
	return with_retry(source, zero_raw, NULL, offset, length);
}

static void nbd_source_begin(struct source *source)
{
	nbd_of(source)->unflushed = false;
	nbd_of(source)->lost = false;
}

static int nbd_source_flush(struct source *source)
{
	struct nbd_source *nbd = nbd_of(source);
	int err = nbd_alive(source);

	if (err)
		return err;
	if (nbd_can_flush(nbd->nbd) > 0 && nbd_flush(nbd->nbd, 0))
		return nbd_failed("flush");
	err = nbd->lost ? EIO : 0;
	nbd->lost = false;
	nbd->unflushed = false;
	return err;
}

static void nbd_source_close(struct source *source)
{
	if (nbd_of(source)->nbd)
		nbd_shutdown(nbd_of(source)->nbd, 0);
	nbd_end(nbd_of(source));
	free(source);
}

static const struct source_ops nbd_ops = {
	.read	= nbd_source_read,
	.write	= nbd_source_write,
	.zero	= nbd_source_zero,
	.begin	= nbd_source_begin,
	.flush	= nbd_source_flush,
	.close	= nbd_source_close,
};

struct source *nbd_open(const char *uri, bool writable)
{
	struct nbd_source *nbd = calloc(1, sizeof(*nbd));

	if (!nbd)
		return NULL;
	nbd->source.ops = &nbd_ops;
	nbd->source.fd = -1;
	nbd->uri = uri;
	nbd->writable = writable;
	if (!nbd_begin(nbd))
		return &nbd->source;
	nbd_end(nbd);
	free(nbd);
	return NULL;
}

#else

struct source *nbd_open(const char *uri, bool writable)
{
	(void)writable;
	fprintf(stderr, "cowvmo-pager: %s: built without libnbd\n", uri);
	return NULL;
}

#endif
