// SPDX-License-Identifier: GPL-2.0
/* Building, finding, updating, verifying. store.h says how and why. */
#include <stdio.h>
#include <string.h>

#include "store.h"

static size_t words(size_t bytes)
{
	return (bytes + 7) / 8;
}

/* What a word adds to a checksum depends on where it stands. */
static __u64 mix(__u64 word, __u64 place)
{
	word ^= place * 0x9e3779b97f4a7c15ULL;
	word ^= word >> 32;
	word *= 0xd6e8feb86659fd93ULL;
	return word ^ word >> 32;
}

static struct kv_record *record_at(const struct kv *kv, __u32 bucket)
{
	return (void *)((__u64 *)kv + kv->index[bucket]);
}

static size_t record_size(const struct kv_record *record)
{
	return sizeof(*record) +
		8 * (words(record->key_len) + words(record->value_len));
}

/* Over all of the record but the sum itself */
static __u64 checksum(const struct kv_record *record)
{
	const __u64 *word = &record->sum;
	size_t i, nr = record_size(record) / 8;
	__u64 sum = 0;

	for (i = 1; i < nr; i++)
		sum += mix(word[i], i);
	return sum;
}

static __u64 *value_of(struct kv_record *record)
{
	return record->data + words(record->key_len);
}

/* The bucket of @key, or the empty one where it would go. */
static __u32 find(const struct kv *kv, const void *key, size_t len)
{
	const struct kv_record *record;
	const unsigned char *byte = key;
	__u64 hash = len;

	while (byte < (const unsigned char *)key + len)
		hash = mix(hash, 1 + *byte++);
	for (;; hash++) {
		record = record_at(kv, hash % KV_BUCKETS);
		if (!kv->index[hash % KV_BUCKETS] ||
		    (record->key_len == len && !memcmp(record->data, key, len)))
			return hash % KV_BUCKETS;
	}
}

/*
 * Adds a record to a store that nobody updates yet; memory that reads zero is
 * an empty store. 0, or -1: no room.
 */
int kv_put(struct kv *kv, const char *key, const void *value, size_t len)
{
	size_t key_len = strlen(key);
	struct kv_record *record;

	kv->magic = KV_MAGIC;
	kv->size = kv->size ?: sizeof(*kv);
	if (key_len >= KV_KEY || len > KV_CHUNK ||
	    kv->size + sizeof(kv->slot[0]) > KV_SPACE ||
	    kv->records++ >= KV_BUCKETS / 4 * 3)
		return -1;
	record = (void *)((char *)kv + kv->size);
	record->key_len = key_len;
	record->value_len = len;
	memcpy(record->data, key, key_len);
	memcpy(value_of(record), value, len);
	record->sum = checksum(record);
	kv->index[find(kv, key, key_len)] = kv->size / 8;
	kv->size += record_size(record);
	return 0;
}

int kv_equal(const struct kv *kv, const char *key, const void *value, size_t len)
{
	struct kv_record *record = record_at(kv, find(kv, key, strlen(key)));

	return (void *)record != kv && record->value_len == len &&
		!memcmp(value_of(record), value, len);
}

/* Gives one record of @writer, chosen at random, a new value. */
void kv_update(struct kv *kv, unsigned int writer, __u64 *random)
{
	struct kv_slot *slot = &kv->slot[writer];
	struct kv_record *record = record_at(kv, slot->bucket);
	/* Count both in one step: no instant knows only half of it. */
	__u8 own = kv->clock >> KV_SHIFT(writer);
	__u64 add = 1 + ((__u64)((__u8)(own + 1) - own) << KV_SHIFT(writer));
	__u64 ticket = __atomic_fetch_add(&kv->clock, add, __ATOMIC_SEQ_CST) & KV_TICKETS;
	__u64 i, bucket;

	if (slot->seq % 2) {	/* this is a copy, made in mid-update */
		memcpy(record, slot->copy, record_size(record));
		__atomic_fetch_sub(&slot->seq, 1, __ATOMIC_SEQ_CST);
	}
	*random = mix(*random, ticket);
	bucket = *random % (KV_BUCKETS / KV_WRITERS) * KV_WRITERS + writer;
	if (*random >> 60)	/* 15 in 16 go to a sixteenth of the records */
		bucket %= KV_BUCKETS / 16;
	while (!kv->index[bucket])
		bucket = (bucket + KV_WRITERS) % KV_BUCKETS;
	record = record_at(kv, bucket);
	slot->bucket = bucket;
	memcpy(slot->copy, record, record_size(record));
	__atomic_fetch_add(&slot->seq, 1, __ATOMIC_SEQ_CST);

	for (i = 0; i < words(record->value_len); i++)
		value_of(record)[i] = *random + i;
	record->version++;
	record->ticket = ticket;
	record->sum = checksum(record);
	__atomic_fetch_add(&slot->seq, 1, __ATOMIC_SEQ_CST);
}

/*
 * Verifying. It believes nothing: a copy may be damaged in any way and must
 * not lead out of its own bytes.
 */
static int object(struct verdict *verdict, const char *why, __u64 a, __u64 b)
{
	snprintf(verdict->why, sizeof(verdict->why), "%s %llu %llu", why, a, b);
	return -1;
}

/* After this, the index can be searched. */
static int check_index(const struct kv *kv, struct verdict *verdict)
{
	const struct kv_record *record;
	__u64 at, found = 0;
	__u32 i;

	for (i = 0; i < KV_BUCKETS; found += !!kv->index[i++]) {
		record = record_at(kv, i);
		at = 8ULL * kv->index[i];
		if (at && (at < sizeof(*kv) || at + sizeof(*record) > kv->size ||
			   record->key_len >= KV_KEY || record->value_len > KV_CHUNK ||
			   at + record_size(record) > kv->size))
			return object(verdict, "bucket leads nowhere:", i, 0);
	}
	return found == kv->records && found < KV_BUCKETS ? 0 :
		object(verdict, "records, found", kv->records, found);
}

/* The record as it was before the update under way, if there is one. */
static struct kv_record *settled(const struct kv *kv, __u32 bucket)
{
	const struct kv_slot *slot = &kv->slot[bucket % KV_WRITERS];
	struct kv_record *record = record_at(kv, bucket), *copy = (void *)slot->copy;

	if (slot->seq % 2 == 0 || slot->bucket != bucket)
		return record;
	return record_size(copy) == record_size(record) ? copy : NULL;
}

static int check_record(const struct kv *kv, __u32 bucket, __u64 *found, struct verdict *verdict)
{
	struct kv_record *record = settled(kv, bucket);

	if (!record || record->sum != checksum(record))
		return object(verdict, "wrong checksum in bucket", bucket, 0);
	if (find(kv, record->data, record->key_len) != bucket)
		return object(verdict, "not found by key: bucket", bucket, 0);
	if (record->version && record->ticket >= verdict->clock)
		return object(verdict, "ticket, clock", record->ticket, verdict->clock);
	found[bucket % KV_WRITERS] += record->version;
	return 0;
}

/* Did each writer do what its slot says, and does the clock know it all? */
static int check_clock(const struct kv *kv, const __u64 *found, struct verdict *verdict)
{
	__u64 w, done, tickets = 0;
	__u8 unused;

	for (w = 0; w < KV_WRITERS; w++) {
		const struct kv_slot *slot = &kv->slot[w];

		done = slot->seq / 2;
		unused = (kv->clock >> KV_SHIFT(w)) - done;
		if (found[w] != done)
			return object(verdict, "updates done, found", done, found[w]);
		if (slot->seq % 2 && (!unused || slot->bucket >= KV_BUCKETS ||
				      slot->bucket % KV_WRITERS != w))
			return object(verdict, "damaged journal", w, unused);
		verdict->under_way += slot->seq % 2;
		tickets += done + unused;
	}
	return tickets == verdict->clock ? 0 :
		object(verdict, "tickets given out, found", verdict->clock, tickets);
}

/* 0, or -1 with the reason in @verdict */
int kv_verify(const struct kv *kv, size_t size, struct verdict *verdict)
{
	__u64 versions[KV_WRITERS] = { 0 };
	__u32 i;

	memset(verdict, 0, sizeof(*verdict));
	if (size < sizeof(*kv) || kv->magic != KV_MAGIC || size < kv->size)
		return object(verdict, "not a store, or cut short", size, 0);
	if (check_index(kv, verdict))
		return -1;
	verdict->clock = kv->clock & KV_TICKETS;
	for (i = 0; i < KV_BUCKETS; i++)
		if (kv->index[i] && check_record(kv, i, versions, verdict))
			return -1;
	return check_clock(kv, versions, verdict);
}
