// SPDX-License-Identifier: GPL-2.0
/*
 * Does kv_verify() accept each instant of a store, and nothing else? Runs
 * anywhere, in ordinary memory: "make -C tools/kvsnap test".
 */
#include <stdlib.h>

#include "../store.c"

#define TESTS	22	/* results */
#define RECORDS	3000
#define PAGE	4096UL

static struct kv *kv;
static size_t size;
static __u64 dice = 1;
static int tests, failed;

static void result(int good, const char *what)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++tests, what);
	failed += !good;
}

static int sound(const struct kv *store)
{
	struct verdict verdict;

	return !kv_verify(store, size, &verdict);
}

static void updates(struct kv *store, unsigned int times)
{
	while (times--)
		kv_update(store, times % KV_WRITERS, &dice);
}

static struct kv *copy_of(const struct kv *store)
{
	return memcpy(malloc(size), store, size);
}

static void build(void)
{
	char key[32], value[KV_CHUNK];
	unsigned int i;

	kv = calloc(1, sizeof(*kv) + RECORDS * sizeof(kv->slot[0]));
	for (i = 0; i < RECORDS; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		memset(value, i, sizeof(value));
		kv_put(kv, key, value, i % (KV_CHUNK + 1));
	}
	size = kv->size;
	result(sound(kv), "a store that nobody has updated");
	result(kv_equal(kv, "key 77", memset(value, 77, 77), 77) &&
	       !kv_equal(kv, "key 77", value, 76) &&
	       !kv_equal(kv, "key x", value, 0), "values found by key");
	updates(kv, 50001);
	result(sound(kv), "a store at rest");
}

/* Each bit of index and records matters. */
static void flip_bits(void)
{
	size_t first = offsetof(struct kv, index), at;
	int i, missed = 0;

	for (i = 0; i < 1000; i++) {
		dice = mix(dice, i);
		at = first + dice % (size - first);
		if (i % 2)	/* the index is sparse; take records as often */
			at = sizeof(*kv) + dice % (size - sizeof(*kv));
		((char *)kv)[at] ^= 1 << i % 8;
		missed += sound(kv);
		((char *)kv)[at] ^= 1 << i % 8;
	}
	result(!missed && sound(kv), "any bit of index and records flipped");
}

/* What a checksum does not catch, since it is made right again */
static void forge(void)
{
	struct kv_record *record = record_at(kv, kv->slot[0].bucket);
	struct kv_record old = *record;
	int missed = 0;

	record->version--;
	record->sum = checksum(record);
	missed += sound(kv);
	*record = old;
	record->version++;
	record->sum = checksum(record);
	missed += sound(kv);
	*record = old;
	record->ticket = kv->clock & KV_TICKETS;
	record->sum = checksum(record);
	missed += sound(kv);
	*record = old;
	result(!missed && sound(kv), "an update lost, doubled or from the future");
}

/* Two records of one writer change places in the index, twice. */
static void swap_buckets(void)
{
	__u32 a = 0, b, entry;
	int i, seen = 0;

	while (!kv->index[a])
		a++;
	for (b = a + KV_WRITERS; !kv->index[b]; b += KV_WRITERS)
		;
	for (i = 0; i < 2; i++) {
		entry = kv->index[a];
		kv->index[a] = kv->index[b];
		kv->index[b] = entry;
		seen += sound(kv) == i;
	}
	result(seen == 2, "records that are not found by their keys");
}

static void change(__u64 *word, __u64 value, const char *what)
{
	__u64 old = *word;
	int missed;

	*word = value;
	missed = sound(kv);
	*word = old;
	result(!missed && sound(kv), what);
}

static void change_header(void)
{
	struct kv_record *record = record_at(kv, kv->slot[1].bucket);

	change(&kv->clock, kv->clock + 1, "a ticket too many");
	change(&kv->clock, kv->clock - 1, "a ticket too few");
	change(&kv->clock, kv->clock ^ 1ULL << KV_SHIFT(1), "another writer's ticket");
	change(&kv->slot[0].seq, kv->slot[0].seq + 2, "an update said, not done");
	change(&kv->slot[1].seq, kv->slot[1].seq - 2, "an update done, not said");
	change(&kv->slot[1].seq, kv->slot[1].seq + 1, "an update under way, not journalled");
	memcpy(kv->slot[1].copy, record, record_size(record));
	change(&kv->slot[1].seq, kv->slot[1].seq + 1, "an update without ticket");
	change(&kv->records, kv->records - 1, "a record too many");
	change(&kv->size, kv->size + 8, "a file cut short");
	change(&kv->size, 0, "no size");
	change(&kv->magic, 0, "another file");
}

/* Pages of two instants in one copy, as copying a running store gives */
static void mix_instants(void)
{
	struct kv *later = copy_of(kv);
	char *to = (char *)kv, *from = (char *)later, saved[PAGE];
	size_t at, first = sizeof(*kv) / PAGE * PAGE + PAGE;
	int mixed = 0, missed = 0;

	updates(later, 500);
	for (at = first; at + PAGE <= size; at += PAGE) {
		if (!memcmp(to + at, from + at, PAGE))
			continue;
		mixed++;
		memcpy(saved, to + at, PAGE);
		memcpy(to + at, from + at, PAGE);
		missed += sound(kv);
		memcpy(to + at, saved, PAGE);
	}
	result(mixed > 100 && !missed && sound(kv) && sound(later),
	       "one page of a later instant");
	free(later);
}

/*
 * One update stopped after each word that it writes, and what becomes of it.
 * @after differs from kv by that update.
 */
static void stop_midway(const struct kv *after)
{
	struct kv *now = copy_of(kv);
	struct kv_slot *slot = &now->slot[0];
	__u64 *record, *end = (__u64 *)record_at(after, after->slot[0].bucket);
	size_t i, nr = record_size((void *)end) / 8;
	int accepted, torn = 0, ran_on = 0;
	struct kv *going;

	now->clock = after->clock;
	accepted = sound(now);
	*slot = after->slot[0];
	slot->seq = kv->slot[0].seq;
	accepted += sound(now);
	slot->seq++;
	record = (__u64 *)record_at(now, slot->bucket);
	for (i = 0; i < nr; i++) {
		accepted += sound(now);
		slot->seq ^= 1;
		torn += sound(now) && i && i < nr - 1;
		slot->seq ^= 1;
		going = copy_of(now);
		updates(going, 100);
		ran_on += sound(going);
		free(going);
		record[i] = end[i];
	}
	accepted += sound(now);
	slot->seq++;
	result(accepted == (int)nr + 3 && sound(now) && !memcmp(now, after, size),
	       "an update stopped at any word, with its journal");
	result(ran_on == (int)nr, "a store that runs on from there");
	result(!torn, "an update stopped at any word, without journal");
	slot->seq--;
	slot->copy[nr / 2] ^= 4;
	result(!sound(now), "an update stopped, and its journal damaged");
	free(now);
}

int main(void)
{
	struct kv *after;

	printf("TAP version 13\n1..%d\n", TESTS);
	build();
	flip_bits();
	forge();
	swap_buckets();
	change_header();
	mix_instants();
	after = copy_of(kv);
	kv_update(after, 0, &dice);
	stop_midway(after);
	free(after);
	free(kv);
	return failed || tests != TESTS;
}
