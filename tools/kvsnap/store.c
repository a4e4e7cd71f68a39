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

size_t kv_record_size(const struct kv_record *record)
{
	return sizeof(*record) +
		8 * (words(record->key_len) + words(record->value_len));
}

/* Over all of the record but the sum itself */
__u64 kv_sum(const struct kv_record *record)
{
	const __u64 *word = &record->sum;
	size_t i, nr = kv_record_size(record) / 8;
	__u64 sum = 0;

	for (i = 1; i < nr; i++)
		sum += mix(word[i], i);
	return sum;
}

__u64 *kv_value(struct kv_record *record)
{
	return record->data + words(record->key_len);
}

/* The bucket of @key, or the empty one where it would go. */
__u32 kv_bucket(const struct kv *kv, const void *key, size_t len)
{
	const struct kv_record *record;
	const unsigned char *byte = key;
	__u64 hash = len;

	while (byte < (const unsigned char *)key + len)
		hash = mix(hash, 1 + *byte++);
	for (;; hash++) {
		record = kv_record(kv, hash % KV_BUCKETS);
		if (!kv->index[hash % KV_BUCKETS] ||
		    (record->key_len == len && !memcmp(record->data, key, len)))
			return hash % KV_BUCKETS;
	}
}

/*
 * A new record in a store that nobody updates yet; memory that reads zero is
 * an empty store. The caller fills in value and checksum. NULL: no room.
 */
struct kv_record *kv_add(struct kv *kv, const char *key, size_t value_len)
{
	size_t len = strlen(key);
	struct kv_record *record;

	kv->magic = KV_MAGIC;
	if (!kv->size)
		kv->size = sizeof(*kv);
	if (len >= KV_KEY || kv->size + sizeof(kv->slot[0]) > KV_SPACE ||
	    kv->records >= KV_BUCKETS / 4 * 3)
		return NULL;
	record = (void *)((char *)kv + kv->size);
	record->key_len = len;
	record->value_len = value_len;
	memcpy(record->data, key, len);
	kv->index[kv_bucket(kv, key, len)] = kv->size / 8;
	kv->size += kv_record_size(record);
	kv->records++;
	return record;
}

/* Stores before this one come before it, stores after it after. */
static void publish(__u64 *seq, __u64 value)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(seq, value, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Nobody but the writer changes its own count. */
static __u64 take_ticket(struct kv *kv, unsigned int writer)
{
	__u8 own = kv->clock >> KV_SHIFT(writer);
	__u64 add = 1 + ((__u64)((__u8)(own + 1) - own) << KV_SHIFT(writer));

	/* One step: no instant knows only half of it. */
	return __atomic_fetch_add(&kv->clock, add, __ATOMIC_SEQ_CST) &
		KV_TICKETS;
}

/* Gives one record of @writer, chosen at random, a new value. */
void kv_update(struct kv *kv, unsigned int writer, __u64 *random)
{
	struct kv_slot *slot = &kv->slot[writer];
	struct kv_record *record = kv_record(kv, slot->bucket);
	__u64 i, bucket, ticket;

	if (slot->seq % 2) {	/* this is a copy, made in mid-update */
		memcpy(record, slot->copy, kv_record_size(record));
		publish(&slot->seq, slot->seq - 1);
	}
	ticket = take_ticket(kv, writer);
	*random = mix(*random, ticket);
	bucket = *random % (KV_BUCKETS / KV_WRITERS) * KV_WRITERS + writer;
	while (!kv->index[bucket])
		bucket = (bucket + KV_WRITERS) % KV_BUCKETS;
	record = kv_record(kv, bucket);
	slot->bucket = bucket;
	memcpy(slot->copy, record, kv_record_size(record));
	publish(&slot->seq, slot->seq + 1);

	for (i = 0; i < words(record->value_len); i++)
		kv_value(record)[i] = *random + i;
	record->version++;
	record->ticket = ticket;
	record->sum = kv_sum(record);
	publish(&slot->seq, slot->seq + 1);
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

static int out_of_bounds(const struct kv *kv, __u32 bucket)
{
	__u64 at = 8ULL * kv->index[bucket];
	struct kv_record *record = kv_record(kv, bucket);

	return at < sizeof(*kv) || at + sizeof(*record) > kv->size ||
		record->key_len >= KV_KEY || record->value_len > KV_CHUNK ||
		at + kv_record_size(record) > kv->size;
}

/* After this, the index can be searched. */
static int check_index(const struct kv *kv, struct verdict *verdict)
{
	__u64 found = 0;
	__u32 i;

	for (i = 0; i < KV_BUCKETS; found += !!kv->index[i++])
		if (kv->index[i] && out_of_bounds(kv, i))
			return object(verdict, "bucket leads nowhere", i, 0);
	if (found != kv->records || found >= KV_BUCKETS)
		return object(verdict, "records", kv->records, found);
	return 0;
}

/* The record as it was before the update under way, if there is one. */
static struct kv_record *settled(const struct kv *kv, __u32 bucket)
{
	const struct kv_slot *slot = &kv->slot[bucket % KV_WRITERS];
	struct kv_record *record = kv_record(kv, bucket);
	struct kv_record *copy = (void *)slot->copy;

	if (slot->seq % 2 == 0 || slot->bucket != bucket)
		return record;
	return copy->key_len == record->key_len &&
		copy->value_len == record->value_len ? copy : NULL;
}

static int check_record(const struct kv *kv, __u32 bucket, __u64 *versions,
			struct verdict *verdict)
{
	struct kv_record *record = settled(kv, bucket);

	if (!record || record->sum != kv_sum(record))
		return object(verdict, "wrong checksum in bucket", bucket, 0);
	if (kv_bucket(kv, record->data, record->key_len) != bucket)
		return object(verdict, "not found by key: bucket", bucket, 0);
	if (record->version && record->ticket >= verdict->clock)
		return object(verdict, "ticket from beyond the clock",
			      record->ticket, verdict->clock);
	versions[bucket % KV_WRITERS] += record->version;
	return 0;
}

/* Did each writer do what its slot says, and does the clock know it all? */
static int check_clock(const struct kv *kv, const __u64 *versions,
		       struct verdict *verdict)
{
	__u64 w, done, tickets = 0;
	__u8 unused;

	for (w = 0; w < KV_WRITERS; w++) {
		const struct kv_slot *slot = &kv->slot[w];

		done = slot->seq / 2;
		unused = (kv->clock >> KV_SHIFT(w)) - done;
		if (versions[w] != done)
			return object(verdict, "updates done, found", done,
				      versions[w]);
		if (slot->seq % 2 && (!unused || slot->bucket >= KV_BUCKETS ||
				      slot->bucket % KV_WRITERS != w))
			return object(verdict, "damaged journal", w, unused);
		verdict->under_way += slot->seq % 2;
		tickets += done + unused;
	}
	if (tickets != verdict->clock)
		return object(verdict, "tickets given out, found",
			      verdict->clock, tickets);
	return 0;
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
