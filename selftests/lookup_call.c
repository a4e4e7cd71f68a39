// SPDX-License-Identifier: GPL-2.0
/*
 * COWVMO_IOC_LOOKUP as a call: its range, the room for its results, its errors,
 * and what else may happen meanwhile. What it tells is in lookup.c.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "vmo.h"
#include "kselftest_harness.h"
#include "lookup.h"

/* --- The range and the room */

TEST_F(lookup, rounds_outward)
{
	ASSERT_EQ(3, vmo_lookup(self->vmo, 0, 2 * PG - 1, PG + 2, self->page,
				PAGES, &self->next));
	EXPECT_EQ(PG, self->page[0].offset);
	EXPECT_EQ(3 * PG, self->page[2].offset);
	EXPECT_EQ(3 * PG + 1, self->next);
	ASSERT_EQ(1, vmo_lookup(self->vmo, 0, 2 * PG + 5, 1, self->page, PAGES,
				&self->next));
	EXPECT_EQ(2 * PG, self->page[0].offset);
	EXPECT_EQ(2 * PG + 6, self->next);
}

TEST_F(lookup, empty_range)
{
	EXPECT_EQ(0, vmo_lookup(self->vmo, 0, 5, 0, self->page, PAGES,
				&self->next));
	EXPECT_EQ(5, self->next);
	EXPECT_EQ(0, vmo_lookup(self->vmo, 0, PAGES * PG, 0, self->page,
				PAGES, &self->next));
	EXPECT_EQ(PAGES * PG, self->next);
	EXPECT_EQ(0xff, self->page[0].kind);
}

TEST_F(lookup, goes_on_where_room_ended)
{
	EXPECT_EQ(3, vmo_lookup(self->vmo, 0, PG, 8 * PG, self->page, 3,
				&self->next));
	EXPECT_EQ(4 * PG, self->next);
	EXPECT_EQ(0xff, self->page[3].kind);
	EXPECT_EQ(2, vmo_lookup(self->vmo, COWVMO_LOOKUP_POPULATED, PG,
				8 * PG, self->page, 2, &self->next));
	EXPECT_EQ(5 * PG, self->next);
	EXPECT_EQ(2, vmo_lookup(self->vmo, COWVMO_LOOKUP_POPULATED, self->next,
				9 * PG - self->next, self->page, 3,
				&self->next));
	EXPECT_EQ(6 * PG, self->page[0].offset);
	EXPECT_EQ(8 * PG, self->page[1].offset);
	EXPECT_EQ(9 * PG, self->next);
}

/* In small steps of any size it tells the same as at once. */
TEST_F_TIMEOUT(lookup, in_steps, PATIENCE)
{
	static struct cowvmo_page_state all[1500], part[1500];
	const unsigned int steps[] = { 1, 7, 128, 129, 1000 };
	int fd = vmo_new(1500 * PG, 0), child;
	unsigned int s, flags, n, nr;
	__u64 next;

	for (n = 0; n < 1500; n += 1 + n % 5)
		ASSERT_EQ(0, vmo_commit(fd, n * PG, PG));
	child = vmo_snapshot(fd);
	for (n = 0; n < 1500; n += 1 + n % 37)
		ASSERT_EQ(0, vmo_put_byte(child, n * PG, 1));
	for (flags = 0; flags < 8; flags++) {
		n = vmo_lookup(child, flags, 0, 1500 * PG, all, 1500, &next);
		ASSERT_LT(40, n);
		ASSERT_EQ(1500 * PG, next);
		for (s = 0; s < ARRAY_SIZE(steps); s++) {
			memset(part, 0, sizeof(part));
			for (next = 0, nr = 0; next < 1500 * PG;)
				nr += vmo_lookup(child, flags, next,
						 1500 * PG - next, part + nr,
						 steps[s], &next);
			ASSERT_EQ(n, nr);
			ASSERT_EQ(0, memcmp(all, part, n * sizeof(*all)));
		}
	}
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fd));
}

/* --- Errors */

TEST_F(lookup, out_of_range)
{
	const __u64 end = PAGES * PG;

	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, 0, end + 1, self->page,
				      PAGES, &self->next));
	EXPECT_EQ(0, self->next);
	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, end, 1, self->page, PAGES,
				      NULL));
	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, end + 1, 0, self->page,
				      PAGES, NULL));
	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, PG, ~0ULL, self->page,
				      PAGES, NULL));
	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, ~0ULL, 1, self->page,
				      PAGES, NULL));
	EXPECT_EQ(-ERANGE, vmo_lookup(self->vmo, 0, ~0ULL, ~0ULL, self->page,
				      PAGES, NULL));
	EXPECT_EQ(0xff, self->page[0].kind);
}

static int look_with(int fd, __u32 flags, void *pages, __u32 nr,
		     __u32 entry_size, __u64 length)
{
	struct cowvmo_lookup arg = {
		.size = sizeof(arg),
		.flags = flags,
		.length = length,
		.pages = (unsigned long)pages,
		.nr_pages = nr,
		.entry_size = entry_size,
	};
	int rc = vmo_ret(ioctl(fd, COWVMO_IOC_LOOKUP, &arg));

	return rc < 0 ? rc : (int)arg.out_nr;
}

/* All of them before the range is looked at */
TEST_F(lookup, invalid)
{
	const __u32 sizes[] = { 0, 8, 24, 31, 33, 36, 4097, 4104, ~0U, ~7U };
	const __u64 beyond = (PAGES + 1) * PG;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(-EINVAL, look_with(self->vmo, 0, self->page, PAGES,
					     sizes[i], beyond))
			TH_LOG("size number %u", i);
	EXPECT_EQ(-EINVAL, look_with(self->vmo, 0, self->page, 0, 32, beyond));
	EXPECT_EQ(-EINVAL, look_with(self->vmo, 0, self->page, 0, 32, 0));
	EXPECT_EQ(-EINVAL, look_with(self->vmo, 8, self->page, PAGES, 32,
				     beyond));
	EXPECT_EQ(-EINVAL, look_with(self->vmo, ~0U, self->page, PAGES, 32,
				     beyond));
	EXPECT_EQ(-ERANGE, look_with(self->vmo, 7, self->page, PAGES, 32,
				     beyond));
}

/* A program that knows longer entries gets what there is, and zeros. */
TEST_F(lookup, longer_entries)
{
	const __u32 sizes[] = { 40, 64, 4096 };
	unsigned char *buf = malloc(5 * 4096);
	unsigned int i, n;

	ASSERT_EQ(PAGES, look(self, self->vmo, 0));
	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		memset(buf, 0xa5, 5 * 4096);
		ASSERT_EQ(4, look_with(self->vmo, 0, buf, 4, sizes[n],
				       PAGES * PG));
		for (i = 0; i < 4; i++) {
			unsigned char *at = buf + i * sizes[n];

			EXPECT_EQ(0, memcmp(at, &self->page[i], 32));
			EXPECT_EQ(0, zero_mem_check(at + 32, sizes[n] - 32));
		}
		EXPECT_EQ(0xa5, buf[4 * sizes[n]]);
	}
	free(buf);
}

TEST_F(lookup, bad_addresses)
{
	void *bad[] = { NULL, (void *)8, (void *)~0UL, (void *)-4096L,
			(void *)0xffff888000000000UL,
			(void *)0x0000800000000000UL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EFAULT, vmo_lookup(self->vmo, 0, PG, PG, bad[i], 1,
					      &self->next));
		EXPECT_EQ(PG, self->next);
		/* What there is nothing to tell of need not be written. */
		EXPECT_EQ(0, vmo_lookup(self->vmo, COWVMO_LOOKUP_POPULATED,
					PG, PG, bad[i], 1, &self->next));
		EXPECT_EQ(2 * PG, self->next);
	}
}

/* An array that ends in the middle: what was delivered is right and counted. */
TEST_F(lookup, array_ends_early)
{
	const unsigned int room = 192;
	struct cowvmo_lookup arg = {
		.size = sizeof(arg), .length = 1024 * PG, .nr_pages = 1024,
		.entry_size = sizeof(struct cowvmo_page_state),
	};
	struct cowvmo_page_state *page;
	unsigned int i;
	char *mem = mmap(NULL, 3 * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, munmap(mem + 2 * PG, PG));
	ASSERT_EQ(0, vmo_set_size(self->vmo, 1024 * PG));
	page = (void *)(mem + 2 * PG - room * sizeof(*page));
	arg.pages = (unsigned long)page;
	EXPECT_EQ(-EFAULT, vmo_ret(ioctl(self->vmo, COWVMO_IOC_LOOKUP, &arg)));
	EXPECT_LT(0, arg.out_nr);
	EXPECT_GE(room, arg.out_nr);
	EXPECT_EQ(arg.out_nr * PG, arg.out_next);
	for (i = 0; i < arg.out_nr; i++)
		EXPECT_EQ(i * PG, page[i].offset);
	EXPECT_EQ(0, munmap(mem, 2 * PG));
}

/* --- While other things happen */

struct resizing {
	int vmo, stop;
};

static void *resize(void *data)
{
	struct resizing *r = data;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		vmo_set_size(r->vmo, PG);
		vmo_set_size(r->vmo, 2000 * PG);
		vmo_commit(r->vmo, 0, 2000 * PG);
	}
	return NULL;
}

/* Whatever is cut off meanwhile: no entry is out of order or out of range. */
TEST_F_TIMEOUT(lookup, while_resized, PATIENCE)
{
	static struct cowvmo_page_state page[2000];
	struct resizing r = { .vmo = self->vmo };
	unsigned int round, i, seen = 0;
	pthread_t thread;
	int n;

	ASSERT_EQ(0, pthread_create(&thread, NULL, resize, &r));
	for (round = 0; seen < 200; round++) {
		n = vmo_lookup(self->vmo, round % 8, 0, 2000 * PG, page, 2000,
			       &self->next);
		if (n == -ERANGE)
			continue;
		seen++;
		ASSERT_LE(0, n);
		ASSERT_EQ(2000 * PG, self->next);
		for (i = 0; i < (unsigned int)n; i++) {
			ASSERT_LT(page[i].offset, 2000 * PG);
			ASSERT_TRUE(!i ||
				    page[i].offset > page[i - 1].offset);
		}
	}
	r.stop = 1;
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

/* An array of far more entries than memory: the same 2 MiB again and again */
#define WINDOW	(512 * PG)
#define WINDOWS	600ULL

static void *wide_array(void)
{
	int fd = vmo_new(WINDOW, 0);
	char *mem = mmap(NULL, WINDOWS * WINDOW, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned int i;

	for (i = 0; i < WINDOWS; i++)
		if (mmap(mem + i * WINDOW, WINDOW, RW, MAP_SHARED | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			return NULL;
	close(fd);
	return mem;
}

/* Killed in the middle it ends there, and says how far it got. */
TEST_F_TIMEOUT(lookup, killed, PATIENCE)
{
	struct cowvmo_lookup *arg = mmap(NULL, PG, RW,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile __u64 *first = NULL;
	int status, fd = vmo_new(1ULL << 50, 0);
	void *array = wide_array();
	pid_t pid;

	ASSERT_NE(NULL, array);
	*arg = (struct cowvmo_lookup) {
		.size = sizeof(*arg), .length = 1ULL << 50,
		.pages = (unsigned long)array,
		.nr_pages = WINDOWS * WINDOW / 32, .entry_size = 32,
	};
	first = array;
	*first = 77;
	pid = fork();
	if (!pid) {
		ioctl(fd, COWVMO_IOC_LOOKUP, arg);
		for (;;)
			pause();
	}
	/* Entry 0 is overwritten: it is at work. */
	while (*first == 77)
		usleep(100);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(0, arg->out_nr);
	EXPECT_GT(arg->nr_pages, arg->out_nr);
	EXPECT_EQ(arg->out_nr * PG, arg->out_next);
	EXPECT_EQ(0, munmap(array, WINDOWS * WINDOW));
	EXPECT_EQ(0, munmap(arg, PG));
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
