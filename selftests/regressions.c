// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that were found by reading, each with the sequence that showed it.
 */
#include "vmo.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/inotify.h>

#include "kselftest_harness.h"

#define RW		(PROT_READ | PROT_WRITE)
#define ERASE_PAGES	1024ULL
#define ERASE_ROUNDS	12

/*
 * ZERO dropped its shares of pages before it unmapped them. A relative that
 * wrote just then found a page to be its own, and wrote to it in place: the
 * mapping that was about to lose the page showed the relative's bytes.
 *
 * Unmapping goes upward and takes its time, so write from the top downward.
 */
struct erase_race {
	int fd;
	pthread_barrier_t start;
	atomic_bool done;
};

static void *erase_thread(void *arg)
{
	struct erase_race *race = arg;

	pthread_barrier_wait(&race->start);
	vmo_zero(race->fd, 0, ERASE_PAGES * PG);
	atomic_store(&race->done, true);
	return NULL;
}

/* Returns how often the child's mapping showed what the parent wrote. */
static unsigned int write_against(struct erase_race *race, int parent,
				  const volatile unsigned char *map)
{
	unsigned int strange = 0;
	__u64 page = ERASE_PAGES;

	pthread_barrier_wait(&race->start);
	while (page-- && !atomic_load(&race->done)) {
		vmo_put_byte(parent, page * PG, 2);
		strange += map[page * PG] == 2;
	}
	return strange;
}

static unsigned int erase_round(void)
{
	int parent = vmo_new(ERASE_PAGES * PG, 0);
	struct erase_race race = {};
	unsigned int strange;
	pthread_t eraser;
	void *map;

	vmo_commit(parent, 0, ERASE_PAGES * PG);
	race.fd = vmo_snapshot(parent);
	map = vmo_map(race.fd, 0, ERASE_PAGES * PG, RW);
	if (!map || madvise(map, ERASE_PAGES * PG, MADV_POPULATE_READ))
		return 1;
	pthread_barrier_init(&race.start, NULL, 2);
	pthread_create(&eraser, NULL, erase_thread, &race);
	strange = write_against(&race, parent, map);
	pthread_join(eraser, NULL);
	munmap(map, ERASE_PAGES * PG);
	close(race.fd);
	close(parent);
	return strange;
}

TEST(erasing_never_shows_a_relatives_bytes)
{
	unsigned int i;

	for (i = 0; i < ERASE_ROUNDS; i++)
		ASSERT_EQ(0, erase_round());
}

/*
 * An inode with links was kept by a watch after its last file, and with it
 * the module and, when it was the last VMO, an unmount that never ended.
 */
TEST(a_watch_does_not_keep_a_vmo)
{
	struct vmo_stats before = vmo_stats();
	int watch = inotify_init1(IN_CLOEXEC);
	int fd = vmo_new(PG, 0);
	struct stat st;
	char path[64];

	ASSERT_GE(watch, 0);
	ASSERT_EQ(0, vmo_commit(fd, 0, PG));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_GE(inotify_add_watch(watch, path, IN_ALL_EVENTS), 0);
	close(fd);
	EXPECT_EQ(before.vmos, vmo_stats().vmos);
	EXPECT_EQ(before.pages, vmo_stats().pages);
	close(watch);
}

static int fail_from(unsigned int nth)
{
	char text[32];

	snprintf(text, sizeof(text), "%u all", nth);
	return file_write(VMO_DEBUGFS "fail_nth", text);
}

static void stop_failing(void)
{
	file_write(VMO_DEBUGFS "fail_nth", "0");
}

/* A fallocate() that failed after it had grown the VMO left it grown. */
TEST(a_failed_fallocate_does_not_grow)
{
	struct cowvmo_get_info info;
	unsigned int nth;
	int fd, rc = -1;

	for (nth = 1; nth < 400; nth++) {
		fd = vmo_new(PG + 1, COWVMO_CREATE_RESIZABLE);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, fail_from(nth));
		rc = fallocate(fd, 0, 0, 40 * PG);
		stop_failing();
		ASSERT_EQ(0, vmo_info(fd, &info, 0));
		ASSERT_EQ(0, vmo_validate());
		close(fd);
		if (!rc)
			break;
		ASSERT_EQ(ENOMEM, errno);
		ASSERT_EQ(2 * PG, info.out_vmo_size);
		ASSERT_EQ(PG + 1, info.out_stream_size);
		ASSERT_LE(info.out_populated_bytes, 2 * PG);
	}
	/* The loop went on until nothing was left to fail. */
	EXPECT_EQ(0, rc);
	EXPECT_EQ(40 * PG, info.out_vmo_size);
	EXPECT_GT(nth, 3);
}

/* Memory could not be given back when there was none to be had. */
TEST(shrinking_to_nothing_takes_no_memory)
{
	int fd = vmo_new(64 * PG, COWVMO_CREATE_RESIZABLE);
	int clone;

	ASSERT_EQ(0, vmo_commit(fd, 0, 64 * PG));
	clone = vmo_snapshot(fd);
	ASSERT_GE(clone, 0);
	ASSERT_EQ(0, fail_from(1));
	EXPECT_EQ(0, vmo_set_size(fd, 0));
	stop_failing();
	EXPECT_EQ(0, vmo_populated(fd));
	EXPECT_EQ(64 * PG, vmo_populated(clone));
	EXPECT_EQ(0, vmo_validate());
	close(clone);
	close(fd);
}

TEST_HARNESS_MAIN
