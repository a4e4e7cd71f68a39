/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowvmo-pager: gives a VMO the content of a file or of an NBD export, on
 * demand, and writes back what others have written to it.
 *
 *   source_*.c	where content comes from and goes to
 *   serve.c	answers the requests of the pager fd, in several threads
 *   writeback.c	finds what is dirty and has the source keep it
 *   door.c	hands the VMO to others, takes their orders, and keeps the time
 *   main.c	options, signals, beginning and end
 */
#ifndef COWVMO_PAGER_TOOL_H
#define COWVMO_PAGER_TOOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/cowvmo_pager.h>

#define PAGE		4096ULL
/* Most that is read from, or written to, the source in one piece. */
#define CHUNK		(1024 * 1024ULL)

struct source;

/**
 * struct source_ops - a kind of source
 * @read: exactly @length bytes; what is beyond the end reads zero
 * @write: exactly @length bytes, within the size
 * @zero: as @write with zeros
 * @begin: what has been written so far, and not flushed, will be written again;
 *	may be NULL
 * @flush: what has been written since then is safe when this returns
 * @extent: how many bytes from @offset on are of one kind, zeros or not; may be
 *	NULL
 * @close: the end
 *
 * Those that can fail return 0 or an errno value. A source is used by one thread at
 * a time.
 */
struct source_ops {
	int (*read)(struct source *source, void *to, uint64_t offset,
		    uint64_t length);
	int (*write)(struct source *source, const void *from, uint64_t offset,
		     uint64_t length);
	int (*zero)(struct source *source, uint64_t offset, uint64_t length);
	void (*begin)(struct source *source);
	int (*flush)(struct source *source);
	uint64_t (*extent)(struct source *source, uint64_t offset,
			   uint64_t length, bool *zeros);
	void (*close)(struct source *source);
};

/**
 * struct source - content
 * @ops: what it can do
 * @size: in bytes
 * @fd: a file that the kernel may read from by itself, or -1
 */
struct source {
	const struct source_ops *ops;
	uint64_t size;
	int fd;
};

/* NULL after saying why not */
struct source *source_open(const char *name, bool writable);
struct source *file_open(const char *name, bool writable);
struct source *nbd_open(const char *uri, bool writable);
bool nbd_is_uri(const char *name);

/**
 * struct stats - what has been done
 * @requests: that were answered
 * @failed: of them, with an error
 * @read_bytes: from the source
 * @zero_bytes: that were known to be zeros
 * @written_bytes: to the source
 * @rounds: of writing back that found something
 * @write_errors: ranges that could not be written
 */
struct stats {
	atomic_ullong requests;
	atomic_ullong failed;
	atomic_ullong read_bytes;
	atomic_ullong zero_bytes;
	atomic_ullong written_bytes;
	atomic_ullong rounds;
	atomic_ullong write_errors;
};

/**
 * struct pager - all there is
 * @name: of the source
 * @writable: what is written is kept
 * @interval: seconds from one round of writing back to the next, or 0
 * @fd: the pager
 * @vmo: the VMO
 * @size: of the source
 * @stop: eventfd that ends all threads
 * @order: eventfd that has the next round of writing back begin
 * @stats: what has been done
 */
struct pager {
	const char *name;
	bool writable;
	unsigned int interval;
	int fd;
	int vmo;
	uint64_t size;
	int stop;
	int order;
	struct stats stats;
};

/* main.c */
int pager_do(struct pager *pager, struct cowvmo_pager_op *op);
void say_stats(struct pager *pager, char *to, size_t room);

/* serve.c; each thread has a source of its own */
void *serve_main(void *pager);

/* writeback.c; 0 or the first error */
int write_back(struct pager *pager, struct source *source);

/* door.c */

/**
 * struct door - the socket, and the thread that writes back
 * @pager: what it is for
 * @source: where what is dirty goes; NULL: nowhere
 * @fd: where others connect, or -1
 */
struct door {
	struct pager *pager;
	struct source *source;
	int fd;
};

int door_open(const char *path);
void *door_main(void *door);
int door_ask(const char *path, char **words);

#endif /* COWVMO_PAGER_TOOL_H */
