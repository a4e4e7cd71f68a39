// SPDX-License-Identifier: GPL-2.0
/*
 * RESTORE: a VMO becomes what a relative is, through every way it can be
 * looked at, and the relative stays what it was.
 */
#include "maps.h"

#include <pthread.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#define PAGES	40ULL

FIXTURE(restore)
{
	int fd, snapshot;
	unsigned char *map, *ro, *private;
};

FIXTURE_SETUP(restore)
{
	/* Pages 30 on are a hole. */
	self->fd = vmo_filled(PAGES, 30, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->fd);
	self->map = vmo_map(self->fd, 0, PAGES * PG, RW);
	self->ro = vmo_map(self->fd, 0, PAGES * PG, PROT_READ);
	self->private = map_private(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->map);
	ASSERT_NE(NULL, self->ro);
	ASSERT_NE(NULL, self->private);
	self->snapshot = vmo_snapshot(self->fd);
	ASSERT_LE(0, self->snapshot);
}

FIXTURE_TEARDOWN(restore)
{
	munmap(self->map, PAGES * PG);
	munmap(self->ro, PAGES * PG);
	munmap(self->private, PAGES * PG);
	close(self->fd);
	close(self->snapshot);
	EXPECT_EQ(0, vmo_validate());
}

/* 0 if the VMO is, in every way to look at it, as it was at the snapshot */
static int is_restored(FIXTURE_DATA(restore) * self)
{
	const unsigned char *maps[] = { self->map, self->ro, self->private };
	unsigned int m;
	int rc = filled_check(self->fd, 0, 30);
	__u64 i;

	for (i = 30; !rc && i < PAGES; i++)
		rc = zero_check(self->fd, i);
	for (m = 0; m < 3; m++) {
		for (i = 0; !rc && i < 30; i++)
			rc = pat_mem_check(maps[m] + i * PG, FILL + i);
		for (; !rc && i < PAGES; i++)
			rc = zero_mem_check(maps[m] + i * PG, PG);
	}
	return rc;
}

TEST_F(restore, what_was_written_by_pwrite)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 35, 1));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, vmo_private(self->fd));
}

TEST_F(restore, what_was_written_through_a_mapping)
{
	pat_mem_fill(self->map, 1);
	pat_mem_fill(self->map + 17 * PG, 1);
	pat_mem_fill(self->map + 39 * PG, 1);
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, what_was_read_too)
{
	/* Everything is mapped in all three, then some of it changes. */
	EXPECT_EQ(0, is_restored(self));
	pat_mem_fill(self->map + 5 * PG, 1);
	EXPECT_EQ(0, vmo_zero(self->fd, 7 * PG, 4 * PG));
	EXPECT_EQ(0, pat_mem_check(self->ro + 5 * PG, 1));
	EXPECT_EQ(0, zero_mem_check(self->private + 7 * PG, PG));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, a_write_afterwards_is_not_seen_by_the_source)
{
	pat_mem_fill(self->map + 2 * PG, 1);
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	pat_mem_fill(self->map + 2 * PG, 2);
	pat_mem_fill(self->map + 4 * PG, 2);
	EXPECT_EQ(0, filled_check(self->snapshot, 0, 30));
	EXPECT_EQ(0, pat_check(self->fd, 2, 2));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, again_and_again)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		self->map[(i * 7 % PAGES) * PG + i] ^= 0xff;
		ASSERT_EQ(0, pat_fill(self->fd, i * 11 % PAGES, i));
		ASSERT_EQ(0, vmo_restore(self->fd, self->snapshot));
		ASSERT_EQ(0, is_restored(self));
	}
}

TEST_F(restore, the_state_of_the_source_of_now)
{
	unsigned char *theirs = vmo_map(self->snapshot, 0, PAGES * PG, RW);

	/* Its writable PTEs lose that: what it writes later is its own. */
	pat_mem_fill(theirs + PG, 1);
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, pat_mem_check(self->map + PG, 1));
	pat_mem_fill(theirs + PG, 2);
	EXPECT_EQ(0, pat_mem_check(self->map + PG, 1));
	EXPECT_EQ(0, pat_check(self->fd, 1, 1));
	EXPECT_EQ(0, pat_check(self->snapshot, 1, 2));
	munmap(theirs, PAGES * PG);
}

TEST_F(restore, private_copies_stay)
{
	pat_mem_fill(self->private + 6 * PG, 1);
	pat_mem_fill(self->map + 6 * PG, 2);
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, pat_mem_check(self->private + 6 * PG, 1));
	EXPECT_EQ(0, pat_mem_check(self->map + 6 * PG, FILL + 6));
}

TEST_F(restore, size_and_stream_size)
{
	EXPECT_EQ(0, vmo_set_size(self->fd, 10 * PG + 5));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(PAGES * PG, vmo_size(self->fd));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->fd));
	EXPECT_EQ(0, is_restored(self));

	EXPECT_EQ(0, vmo_set_size(self->fd, 2 * PAGES * PG));
	EXPECT_EQ(0, pat_fill(self->fd, PAGES + 5, 1));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(PAGES * PG, vmo_size(self->fd));
	EXPECT_EQ(0, vmo_set_size(self->fd, 2 * PAGES * PG));
	EXPECT_EQ(0, zero_check(self->fd, PAGES + 5));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
}

TEST_F(restore, a_shorter_source_cuts_mappings)
{
	int short_one = vmo_child(self->fd, 0, 0, 8 * PG);
	unsigned char byte;

	ASSERT_LE(0, short_one);
	EXPECT_EQ(0, is_restored(self));
	pat_mem_fill(self->private + 20 * PG, 1);
	EXPECT_EQ(0, vmo_restore(self->fd, short_one));
	EXPECT_EQ(8 * PG, vmo_size(self->fd));
	EXPECT_EQ(0, vmo_try_read(self->map + 7 * PG, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_read(self->map + 8 * PG, &byte));
	EXPECT_EQ(SIGBUS, vmo_try_read(self->ro + 20 * PG, &byte));
	/* As truncation does: private copies go too. */
	EXPECT_EQ(SIGBUS, vmo_try_read(self->private + 20 * PG, &byte));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, close(short_one));
}

TEST_F(restore, from_a_snapshot_of_a_snapshot)
{
	int second = vmo_snapshot(self->snapshot);

	ASSERT_LE(0, second);
	EXPECT_EQ(0, close(self->snapshot));
	self->snapshot = second;
	pat_mem_fill(self->map + 9 * PG, 1);
	EXPECT_EQ(0, vmo_restore(self->fd, second));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, a_snapshot_from_its_parent)
{
	EXPECT_EQ(0, pat_fill(self->snapshot, 2, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 3, 2));
	EXPECT_EQ(-EINVAL, (vmo_set_size(self->fd, PAGES * PG + 1),
			    vmo_restore(self->snapshot, self->fd)));
	EXPECT_EQ(0, pat_check(self->snapshot, 2, 1));
	EXPECT_EQ(0, vmo_set_size(self->fd, PAGES * PG));
	EXPECT_EQ(0, vmo_restore(self->snapshot, self->fd));
	EXPECT_EQ(0, pat_check(self->snapshot, 2, FILL + 2));
	EXPECT_EQ(0, pat_check(self->snapshot, 3, 2));
}

TEST_F(restore, through_references)
{
	int ours = vmo_reference(self->fd, COWVMO_CREATE_RESIZABLE);
	int theirs = vmo_reference(self->snapshot, 0);

	ASSERT_LE(0, ours);
	ASSERT_LE(0, theirs);
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(0, vmo_restore(ours, theirs));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, close(ours));
	EXPECT_EQ(0, close(theirs));
}

TEST_F(restore, itself_changes_nothing)
{
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(0, vmo_restore(self->fd, self->fd));
	EXPECT_EQ(0, pat_check(self->fd, 3, 1));
}

/* --- With the memory kept */

#define KEEP	COWVMO_RESTORE_KEEP

TEST_F(restore, keep_overwrites_in_place)
{
	long before;

	pat_mem_fill(self->map + 3 * PG, 1);
	pat_mem_fill(self->map + 17 * PG, 1);
	pat_mem_fill(self->map + 35 * PG, 1);
	before = pfn_of(self->map + 3 * PG);
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(before, pfn_of(self->map + 3 * PG));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(3 * PG, vmo_private(self->fd));
	EXPECT_EQ(2 * PG, vmo_private(self->snapshot));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, vmo_private(self->fd));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, keep_leaves_pages_writable)
{
	long faults;

	pat_mem_fill(self->map + 3 * PG, 1);
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	faults = minor_faults();
	self->map[3 * PG] = 2;
	EXPECT_EQ(faults, minor_faults());
	EXPECT_EQ(2, vmo_get_byte(self->fd, 3 * PG));
	EXPECT_EQ(0, pat_check(self->snapshot, 3, FILL + 3));
}

/* What is writable after it is content of the next snapshot all the same. */
TEST_F(restore, keep_then_snapshot)
{
	int second;

	pat_mem_fill(self->map + 3 * PG, 1);
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	second = vmo_snapshot(self->fd);
	pat_mem_fill(self->map + 3 * PG, 2);
	EXPECT_EQ(0, filled_check(second, 0, 30));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, second));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, close(second));
}

TEST_F(restore, keep_what_pwrite_made)
{
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, pat_fill(self->fd, 4, 1));
	EXPECT_EQ(0, pat_fill(self->fd, 36, 1));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(2 * PG, vmo_private(self->fd));
}

/* Somebody reads page 5 of before the snapshot from a pipe, and still does. */
TEST_F(restore, keep_replaces_what_a_relative_handed_out)
{
	struct iovec iov = { .iov_len = PG };
	unsigned char *theirs, buf[PG];
	int pipes[2];

	theirs = vmo_map(self->snapshot, 0, PAGES * PG, PROT_READ);
	ASSERT_EQ(0, pipe(pipes));
	iov.iov_base = theirs + 5 * PG;
	ASSERT_EQ(PG, vmsplice(pipes[1], &iov, 1, 0));
	munmap(theirs, PAGES * PG);
	EXPECT_EQ(0, pat_fill(self->snapshot, 5, 1));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(0, pat_check(self->fd, 5, 1));
	ASSERT_EQ(PG, read(pipes[0], buf, PG));
	EXPECT_EQ(0, pat_mem_check(buf, FILL + 5));
	close(pipes[0]);
	close(pipes[1]);
}

/* What the VMO has dropped has to be shared again; so is all else then. */
TEST_F(restore, keep_shares_what_is_not_there)
{
	pat_mem_fill(self->map + 3 * PG, 1);
	EXPECT_EQ(0, vmo_zero(self->fd, 7 * PG, 4 * PG));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, vmo_private(self->fd));
}

TEST_F(restore, keep_with_another_size)
{
	pat_mem_fill(self->map + 3 * PG, 1);
	EXPECT_EQ(0, vmo_set_size(self->fd, 10 * PG + 5));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
	EXPECT_EQ(0, vmo_private(self->fd));
}

TEST_F(restore, keep_the_stream_size)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->fd, 12 * PG + 5));
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(PAGES * PG, vmo_stream(self->fd));
	EXPECT_EQ(0, is_restored(self));
}

TEST_F(restore, keep_again_and_again)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		self->map[(i * 7 % PAGES) * PG + i] ^= 0xff;
		ASSERT_EQ(0, pat_fill(self->fd, i * 11 % PAGES, i));
		ASSERT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
		ASSERT_EQ(0, is_restored(self));
	}
	EXPECT_EQ(PAGES * PG, vmo_private(self->fd));
	EXPECT_EQ(0, filled_check(self->snapshot, 0, 30));
}

TEST_F(restore, keep_what_is_pinned)
{
	int pin = vmo_pin(self->fd, 0, 5 * PG, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(-EBUSY, vmo_restore_how(self->fd, KEEP, self->snapshot));
	EXPECT_EQ(0, pat_check(self->fd, 3, 1));
	EXPECT_EQ(0, close(pin));
}

TEST_F(restore, errors)
{
	int stranger = vmo_filled(PAGES, 30, 0), dev = vmo_device();
	int file = memfd_create("x", 0), middle, slice, reader;

	middle = vmo_child(self->fd, 0, PG, PAGES * PG);
	reader = vmo_open_read_only(self->fd);
	EXPECT_EQ(-EINVAL, vmo_restore(self->fd, stranger));
	EXPECT_EQ(-EINVAL, vmo_restore(self->fd, middle));
	EXPECT_EQ(-EINVAL, vmo_restore(self->fd, file));
	EXPECT_EQ(-EINVAL, vmo_restore(self->fd, dev));
	EXPECT_EQ(-EBADF, vmo_restore(self->fd, -1));
	EXPECT_EQ(-EACCES, vmo_restore(reader, self->snapshot));
	slice = vmo_slice(self->snapshot, 0, PAGES * PG);
	EXPECT_LE(0, slice);
	EXPECT_EQ(-EOPNOTSUPP, vmo_restore(self->fd, slice));
	EXPECT_EQ(-EOPNOTSUPP, vmo_restore(slice, self->fd));
	/* What is mapped read-only, but from this fd, could become writable. */
	munmap(self->map, PAGES * PG);
	EXPECT_EQ(-EBUSY, vmo_seal(self->fd));
	munmap(self->ro, PAGES * PG);
	EXPECT_EQ(0, vmo_seal(self->fd));
	EXPECT_EQ(-EPERM, vmo_restore(self->fd, self->snapshot));
	/* From what is sealed, and read-only, it can be. */
	EXPECT_EQ(0, pat_fill(self->snapshot, 0, 1));
	EXPECT_EQ(0, vmo_restore(self->snapshot, reader));
	EXPECT_EQ(0, filled_check(self->snapshot, 0, 30));
	close(stranger);
	close(file);
	close(dev);
	close(middle);
	close(slice);
	close(reader);
}

TEST_F(restore, what_is_pinned)
{
	int pin = vmo_pin(self->fd, 0, 5 * PG, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(0, pat_fill(self->fd, 3, 1));
	EXPECT_EQ(-EBUSY, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(-EBUSY, vmo_restore(self->snapshot, self->fd));
	EXPECT_EQ(0, pat_check(self->fd, 3, 1));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
}

/* Writers in two threads while the VMO is restored: never a mixture. */

struct hammer {
	unsigned char *map;
	volatile bool stop;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	unsigned char n = 0;
	__u64 i;

	while (!h->stop)
		for (n++, i = 0; i < PAGES; i++)
			((volatile unsigned char *)h->map)[i * PG] = n;
	return NULL;
}

TEST_F(restore, against_writers)
{
	struct hammer h = { .map = self->map };
	pthread_t threads[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, hammer, &h));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, vmo_restore(self->fd, self->snapshot));
		ASSERT_EQ(0, filled_check(self->snapshot, 0, 30));
	}
	/* Of what comes out nothing is said, but the source is untouched. */
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, vmo_restore_how(self->fd, KEEP, self->snapshot));
		ASSERT_EQ(0, filled_check(self->snapshot, 0, 30));
	}
	h.stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, vmo_restore(self->fd, self->snapshot));
	EXPECT_EQ(0, is_restored(self));
}

TEST_HARNESS_MAIN
