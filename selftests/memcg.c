// SPDX-License-Identifier: GPL-2.0
/*
 * Memory cgroups: pages and what describes them are charged; at the limit an
 * operation fails with ENOMEM, and a page fault costs at most a process of
 * the group, never the machine.
 *
 * Each test has a group of its own and a child in it that does the work. The
 * child touches nothing new once it is in, since the group may be full; what
 * it found out it leaves in shared memory, and the parent, outside, checks
 * the VMO while the group is still full.
 */
#include <semaphore.h>
#include <sys/wait.h>

#include "vmo.h"
#include "kselftest_harness.h"

#define ROOT		"/sys/fs/cgroup"
#define MIB		0x100000ULL
#define LIMIT		(12 * MIB)
#define WIDTH		(64 * MIB)
#define WIDTH_PAGES	(WIDTH / PG)

/* Shared with the child. A pipe would not do: writing to one needs memory. */
struct report {
	long rc;
	__u64 done;
	sem_t ready, stop;
};

FIXTURE(memcg) {
	char group[64];
	struct report *report;
	int dev, vmo;
	pid_t pid;
	struct vmo_stats start;
};

static int group_write(const char *group, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return file_write(path, text);
}

/* A number of the group's file: after @key, or the first */
static long long group_read(const char *group, const char *file,
			    const char *key)
{
	char path[128], text[8192], *at = text;
	size_t len = key ? strlen(key) : 0;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	if (file_read(path, text, sizeof(text)) < 0)
		return -1;
	while (key && at && (strncmp(at, key, len) || at[len] != ' ')) {
		at = strchr(at, '\n');
		at += !!at;
	}
	return at ? strtoll(at + len, NULL, 0) : -1;
}

static long long usage(const char *group)
{
	return group_read(group, "memory.current", NULL);
}

FIXTURE_SETUP(memcg)
{
	char limit[32];

	file_write(ROOT "/cgroup.subtree_control", "+memory");
	snprintf(self->group, sizeof(self->group), ROOT "/cowvmo-%d",
		 getpid());
	ASSERT_EQ(0, mkdir(self->group, 0755));
	snprintf(limit, sizeof(limit), "%llu", LIMIT);
	ASSERT_EQ(0, group_write(self->group, "memory.max", limit));
	self->report = mmap(NULL, PG, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->report);
	ASSERT_EQ(0, sem_init(&self->report->ready, 1, 0));
	ASSERT_EQ(0, sem_init(&self->report->stop, 1, 0));
	self->start = vmo_stats();
	self->dev = vmo_device();
	self->vmo = vmo_create(self->dev, WIDTH, 0, "memcg");
	ASSERT_LE(0, self->vmo);
	self->pid = 0;
}

/* The group lets go of everything, and so does the module. */
FIXTURE_TEARDOWN(memcg)
{
	struct vmo_stats now;
	int status;

	sem_post(&self->report->stop);
	if (self->pid > 0)
		waitpid(self->pid, &status, 0);
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, rmdir(self->group));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
}

/* What the child does in the group; its result goes into the report. */
typedef long (*work_fn)(FIXTURE_DATA(memcg) * self);

static void in_group(FIXTURE_DATA(memcg) * self, work_fn work)
{
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (group_write(self->group, "cgroup.procs", "0"))
		_exit(2);
	self->report->rc = work(self);
	sem_post(&self->report->ready);
	/* Until the parent has seen enough */
	sem_wait(&self->report->stop);
	_exit(0);
}

/* Returns when the child has done its work, or false if it died at it. */
static bool run_in_group(FIXTURE_DATA(memcg) * self, work_fn work)
{
	siginfo_t info = { 0 };

	self->pid = fork();
	if (!self->pid)
		in_group(self, work);
	while (sem_trywait(&self->report->ready)) {
		waitid(P_PID, self->pid, &info, WEXITED | WNOWAIT | WNOHANG);
		if (info.si_pid)
			return sem_trywait(&self->report->ready) == 0;
		usleep(10000);
	}
	return true;
}

static long fill_pages(FIXTURE_DATA(memcg) * self)
{
	static char page[PG];
	__u64 i;

	memset(page, 0x5a, sizeof(page));
	for (i = 0; i < WIDTH_PAGES; i++) {
		long rc = vmo_ret(pwrite(self->vmo, page, PG, i * PG));

		if (rc != PG)
			return rc;
		self->report->done = (i + 1) * PG;
	}
	return 0;
}

static long fill_at_once(FIXTURE_DATA(memcg) * self)
{
	static char chunk[256 * PG];
	__u64 i;

	memset(chunk, 0x5a, sizeof(chunk));
	for (i = 0; i < WIDTH; ) {
		long rc = vmo_ret(pwrite(self->vmo, chunk, sizeof(chunk), i));

		if (rc <= 0)
			return rc;
		i += rc;
		self->report->done = i;
	}
	return 0;
}

static long commit_all(FIXTURE_DATA(memcg) * self)
{
	return vmo_op(self->vmo, COWVMO_OP_COMMIT, 0, WIDTH,
		      &self->report->done);
}

static long allocate_all(FIXTURE_DATA(memcg) * self)
{
	long rc = vmo_ret(fallocate(self->vmo, 0, 0, WIDTH));

	self->report->done = vmo_populated(self->vmo);
	return rc;
}

static long touch_all(FIXTURE_DATA(memcg) * self)
{
	unsigned char *mem = vmo_map(self->vmo, 0, WIDTH,
				     PROT_READ | PROT_WRITE);
	__u64 i;

	for (i = 0; i < WIDTH_PAGES; i++) {
		mem[i * PG] = 0x5a;
		self->report->done = (i + 1) * PG;
	}
	return 0;
}

/* The first @done bytes are there, what follows is not, all is in order. */
static void expect_filled(struct __test_metadata *_metadata,
			  FIXTURE_DATA(memcg) * self, __u64 done, int byte)
{
	EXPECT_LT(LIMIT / 4, done);
	EXPECT_GT(LIMIT, done);
	EXPECT_EQ(0, done % PG);
	EXPECT_EQ(done, vmo_populated(self->vmo));
	EXPECT_EQ(byte, vmo_get_byte(self->vmo, 0));
	EXPECT_EQ(byte, vmo_get_byte(self->vmo, done - PG));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, done));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, group_read(self->group, "memory.events", "oom_kill"));
}

static void expect_enomem(struct __test_metadata *_metadata,
			  FIXTURE_DATA(memcg) * self, work_fn work, int byte)
{
	ASSERT_TRUE(run_in_group(self, work));
	EXPECT_EQ(-ENOMEM, self->report->rc);
	expect_filled(_metadata, self, self->report->done, byte);
	/* Room again: the same VMO goes on where it stopped */
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, WIDTH));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, 5, 6));
	EXPECT_EQ(0, pat_check(self->vmo, 5, 6));
}

TEST_F(memcg, write_fails)
{
	expect_enomem(_metadata, self, fill_pages, 0x5a);
}

TEST_F(memcg, large_write_fails)
{
	expect_enomem(_metadata, self, fill_at_once, 0x5a);
}

TEST_F(memcg, commit_fails)
{
	expect_enomem(_metadata, self, commit_all, 0);
}

/* All or nothing is not asked of fallocate; only that it says ENOMEM. */
TEST_F(memcg, fallocate_fails)
{
	ASSERT_TRUE(run_in_group(self, allocate_all));
	EXPECT_EQ(-ENOMEM, self->report->rc);
	EXPECT_EQ(WIDTH, vmo_stream(self->vmo));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, group_read(self->group, "memory.events", "oom_kill"));
}

/* A fault has no error to return: the OOM killer takes the child alone. */
TEST_F(memcg, fault_kills_within_the_group)
{
	int status;

	EXPECT_FALSE(run_in_group(self, touch_all));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	self->pid = 0;
	EXPECT_LE(1, group_read(self->group, "memory.events", "oom_kill"));
	EXPECT_LT(LIMIT / 4, self->report->done);
	EXPECT_LE(self->report->done, vmo_populated(self->vmo));
	EXPECT_EQ(0x5a, vmo_get_byte(self->vmo, 0));
	EXPECT_EQ(0x5a, vmo_get_byte(self->vmo, self->report->done - PG));
	EXPECT_EQ(0, vmo_validate());
}

/* A snapshot needs no memory for pages; the copies that follow do. */
static long snapshot_and_copy(FIXTURE_DATA(memcg) * self)
{
	static char page[PG];
	const __u64 pages = LIMIT / PG * 2 / 3;
	__u64 i;
	int child;

	memset(page, 0x5a, sizeof(page));
	for (i = 0; i < pages; i++)
		if (pwrite(self->vmo, page, PG, i * PG) != PG)
			return -EIO;
	child = vmo_snapshot(self->vmo);
	if (child < 0)
		return -EDOM;
	memset(page, 0x66, sizeof(page));
	for (i = 0; i < pages; i++) {
		long rc = vmo_ret(pwrite(child, page, PG, i * PG));

		if (rc != PG)
			return rc;
		self->report->done = (i + 1) * PG;
	}
	return 0;
}

TEST_F(memcg, snapshot_under_the_limit)
{
	const __u64 pages = LIMIT / PG * 2 / 3;
	__u64 i;

	ASSERT_TRUE(run_in_group(self, snapshot_and_copy));
	EXPECT_EQ(-ENOMEM, self->report->rc);
	EXPECT_LT(PG, self->report->done);
	EXPECT_EQ(1, vmo_children(self->vmo));
	EXPECT_EQ(pages * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->report->done, vmo_private(self->vmo));
	for (i = 0; i < pages; i += 50)
		ASSERT_EQ(0x5a, vmo_get_byte(self->vmo, i * PG));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, group_read(self->group, "memory.events", "oom_kill"));
}

/*
 * --- What is charged
 *
 * The kernel charges ahead, up to 64 pages for each processor, and gives that
 * back when it likes: no figure is good to more than a mebibyte.
 */

FIXTURE(charge) {
	char group[64];
	int vmo;
};

/* This process is in the group; no limit. */
FIXTURE_SETUP(charge)
{
	file_write(ROOT "/cgroup.subtree_control", "+memory");
	snprintf(self->group, sizeof(self->group), ROOT "/cowvmo-c%d",
		 getpid());
	ASSERT_EQ(0, mkdir(self->group, 0755));
	self->vmo = vmo_new(1ULL << 60, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, group_write(self->group, "cgroup.procs", "0"));
}

FIXTURE_TEARDOWN(charge)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, file_write(ROOT "/cgroup.procs", "0"));
	EXPECT_EQ(0, rmdir(self->group));
}

TEST_F(charge, pages)
{
	long long before = usage(self->group);

	ASSERT_LE(0, before);
	EXPECT_EQ(0, vmo_commit(self->vmo, 0, 16 * MIB));
	EXPECT_LE(before + 15 * (long long)MIB, usage(self->group));
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, 16 * MIB));
	EXPECT_GT(before + 4 * (long long)MIB, usage(self->group));
}

/* What the page allocator has in one piece is charged, to the page. */
TEST_F(charge, contiguous)
{
	long long before = usage(self->group);
	int fd = vmo_contiguous(4 * MIB, 0);

	ASSERT_LE(0, fd);
	EXPECT_LE(before + 3 * (long long)MIB, usage(self->group));
	close(fd);
	EXPECT_GT(before + (long long)MIB, usage(self->group));
	/* What is cut off of a block is not. */
	fd = vmo_contiguous(PG, 22);
	ASSERT_LE(0, fd);
	EXPECT_GT(before + (long long)MIB, usage(self->group));
	close(fd);
	/* What is made free is charged to nobody, but for its tree. */
	fd = vmo_contiguous(32 * MIB, 0);
	ASSERT_LE(0, fd);
	EXPECT_GT(before + 4 * (long long)MIB, usage(self->group));
	close(fd);
}

/* A borrowed page stays charged to its lender, and is no charge to others. */
TEST_F(charge, borrowed)
{
	int fd = vmo_contiguous(4 * MIB, 0);
	long long before;

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vmo_decommit(fd, 0, 4 * MIB));
	before = usage(self->group);
	EXPECT_EQ(0, vmo_commit(self->vmo, 0, 4 * MIB));
	EXPECT_GT(before + (long long)MIB, usage(self->group));
	EXPECT_EQ((long)(4 * MIB / PG), vmo_stat("lent"));
	/* Who takes it back pays for what the other gets. */
	EXPECT_EQ(0, vmo_commit(fd, 0, 4 * MIB));
	EXPECT_LE(before + 3 * (long long)MIB, usage(self->group));
	close(fd);
}

/* Pages so far apart that each needs nodes of its own: those are charged. */
TEST_F(charge, metadata)
{
	const __u64 pages = 4096, apart = 1ULL << 24;
	long long before = usage(self->group), grown;
	struct cowvmo_get_info info;
	__u64 i;

	for (i = 0; i < pages; i++)
		ASSERT_EQ(0, vmo_put_byte(self->vmo, i * apart * PG, 1));
	grown = usage(self->group) - before;
	ASSERT_EQ(0, vmo_info(self->vmo, &info, COWVMO_INFO_MEMORY));
	EXPECT_EQ(pages * PG, info.out_populated_bytes);
	EXPECT_LT(2 * MIB, info.out_metadata_bytes);
	EXPECT_LE((long long)(pages * PG + info.out_metadata_bytes - MIB),
		  grown);
}

TEST_HARNESS_MAIN
