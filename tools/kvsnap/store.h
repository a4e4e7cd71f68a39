/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A key-value store in one piece of memory, wherever that memory lies.
 *
 * It holds offsets and no pointers, so the same bytes work in a VMO, in a
 * snapshot mapped by another process, and in a file: clock, a journal slot per
 * writer, an open-addressing hash index, records one after the other.
 *
 * Writers never wait for each other: the record behind bucket b belongs to
 * writer b % KV_WRITERS. Yet a copy of the store shows whether it is the store
 * as it was at one instant of the writers' logical clock. Each update
 *
 *  1. takes a ticket: one atomic addition to the clock. The low bits count all
 *     tickets, eight bits more for each writer count its own, modulo 256;
 *  2. copies the record to the writer's slot and makes the slot's seq odd;
 *  3. changes the record: value, version, ticket, checksum;
 *  4. makes seq even: seq / 2 updates are done.
 *
 * So at any instant the clock says which tickets wait for their update, and the
 * slots undo what is half done. All tickets differ: if those found lie below
 * the clock and are as many as it gave out, the copy has exactly the updates
 * before that instant. A copy can run on; tickets under way stay unused.
 */
#ifndef KVSNAP_STORE_H
#define KVSNAP_STORE_H

#include <stddef.h>
#include <linux/types.h>

#define KV_MAGIC	0x32706e73766bULL	/* "kvsnp2" */
#define KV_WRITERS	2
#define KV_BUCKETS	0x80000U
#define KV_KEY		512		/* longest key, with its NUL */
#define KV_CHUNK	1024		/* longest value */
#define KV_SPACE	0x40000000ULL	/* largest store */
#define KV_TICKETS	((1ULL << 40) - 1)
#define KV_SHIFT(w)	(40 + 8 * (w))	/* of the writer's own count */

struct kv_record {
	__u64 sum;
	__u64 version;		/* updates of this record */
	__u64 ticket;		/* of the last one */
	__u32 key_len;
	__u32 value_len;
	__u64 data[];		/* key, then value, padded to whole words */
};

struct kv_slot {
	__u64 seq;		/* 2 * updates done, + 1 while in one */
	__u64 bucket;		/* whose record it is that is copied here */
	__u64 copy[(sizeof(struct kv_record) + KV_KEY + KV_CHUNK) / 8];
};

struct kv {
	__u64 magic;
	__u64 size;		/* of everything, in bytes */
	__u64 records, unused[5];
	__u64 clock, room[7];	/* in a cache line of its own */
	struct kv_slot slot[KV_WRITERS];
	__u32 index[KV_BUCKETS];	/* offset / 8, 0 when empty */
};

struct verdict {
	__u64 clock;		/* the instant */
	__u64 under_way;	/* updates undone from the journal */
	__u64 memory;		/* that this snapshot alone holds; not set here */
	char why[112];		/* what is wrong, or empty */
};

int kv_put(struct kv *kv, const char *key, const void *value, size_t len);
int kv_equal(const struct kv *kv, const char *key, const void *value, size_t len);
void kv_update(struct kv *kv, unsigned int writer, __u64 *random);
int kv_verify(const struct kv *kv, size_t size, struct verdict *verdict);

#endif /* KVSNAP_STORE_H */
