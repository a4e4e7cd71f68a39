// SPDX-License-Identifier: GPL-2.0
/*
 * What else a system does to memory: many processes, core dumps, migration,
 * userfaultfd, damaged pages. All of it must leave snapshots exact, and open
 * no way to write around them.
 */
#include "maps.h"

#include <dirent.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#define PAGES	8ULL
/* More processes than a snapshot keeps in mind at a time */
#define PROCESSES	24

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

FIXTURE(system) {
	int fd;
	unsigned char *mem;
};

FIXTURE_SETUP(system)
{
	self->fd = vmo_filled(PAGES, PAGES, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(system)
{
	munmap(self->mem, PAGES * PG);
	close(self->fd);
	EXPECT_EQ(0, vmo_validate());
}

/* A child that stores to its byte whenever it is told to */
struct storer {
	pid_t pid;
	int sock;
};

static void store_when_told(unsigned char *mem, unsigned int number, int sock)
{
	unsigned char byte;

	while (read(sock, &byte, 1) == 1) {
		/* which makes a PTE that is still dirty writable */
		if (mprotect(mem, PAGES * PG, PROT_READ) ||
		    mprotect(mem, PAGES * PG, RW))
			break;
		mem[number % PAGES * PG + number] = byte;
		if (write(sock, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_storer(struct storer *storer, unsigned char *mem,
			unsigned int number)
{
	int sock[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -errno;
	storer->pid = fork();
	if (!storer->pid) {
		close(sock[0]);
		store_when_told(mem, number, sock[1]);
	}
	close(sock[1]);
	storer->sock = sock[0];
	return storer->pid < 0 ? -errno : 0;
}

static int tell_all(struct storer *storer, unsigned char byte)
{
	unsigned char answer;
	unsigned int i;

	for (i = 0; i < PROCESSES; i++)
		if (write(storer[i].sock, &byte, 1) != 1 ||
		    read(storer[i].sock, &answer, 1) != 1)
			return -EIO;
	return 0;
}

static int all_stored(int fd, unsigned char byte)
{
	unsigned int i;

	for (i = 0; i < PROCESSES; i++)
		if (vmo_get_byte(fd, i % PAGES * PG + i) != byte)
			return -EILSEQ;
	return 0;
}

TEST_F(system, many_processes_write)
{
	struct storer storer[PROCESSES];
	int snap[4], i;

	for (i = 0; i < PROCESSES; i++)
		ASSERT_EQ(0, start_storer(&storer[i], self->mem, i));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, tell_all(storer, i + 1));
		snap[i] = vmo_snapshot(self->fd);
		ASSERT_GE(snap[i], 0);
	}
	EXPECT_EQ(0, tell_all(storer, 99));
	EXPECT_EQ(0, all_stored(self->fd, 99));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, all_stored(snap[i], i + 1));
		close(snap[i]);
	}
	for (i = 0; i < PROCESSES; i++) {
		close(storer[i].sock);
		kill(storer[i].pid, SIGKILL);
		waitpid(storer[i].pid, NULL, 0);
	}
}

/* userfaultfd could hide a fault from us, or make a page writable again. */
TEST_F(system, userfaultfd_is_refused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (uintptr_t)self->mem, PAGES * PG },
	};
	static const __u64 modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	unsigned int i;

	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		area.mode = modes[i];
		EXPECT_EQ(-1, ioctl(uffd, UFFDIO_REGISTER, &area));
	}
	close(uffd);
}

/* An old call that makes a mapping out of one: the rules are the same. */
TEST_F(system, remap_file_pages)
{
	int snap;

	self->mem[0] = 1;
	self->mem[PG] = 1;
	ASSERT_EQ(0, remap_file_pages(self->mem, PG, 0, 1, 0));
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	((volatile unsigned char *)self->mem)[0] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->fd, PG));
	EXPECT_EQ(1, vmo_get_byte(self->fd, 0));
	EXPECT_EQ(1, vmo_get_byte(snap, PG));
	close(snap);
}

/* /proc/PID/map_files names the file behind a mapping: it must not open. */
TEST_F(system, map_files_do_not_open)
{
	unsigned char *private = map_private(self->fd, 0, PG, RW);
	const unsigned char *at[] = { self->mem, private };
	const size_t length[] = { PAGES * PG, PG };
	unsigned int i;
	char path[128];

	ASSERT_NE(NULL, private);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
			 (unsigned long)at[i],
			 (unsigned long)(at[i] + length[i]));
		EXPECT_EQ(0, access(path, F_OK))
			TH_LOG("%s", path);
		EXPECT_EQ(-1, open(path, O_RDWR));
		EXPECT_EQ(-1, open(path, O_RDONLY));
	}
	munmap(private, PG);
}

/* Our pages do not move, and nobody comes to harm for trying. */
TEST_F(system, migration)
{
	void *pages[PAGES];
	int nodes[PAGES] = { 0 }, status[PAGES];
	unsigned long mask = 1;
	int snap;
	__u64 i;

	for (i = 0; i < PAGES; i++)
		pages[i] = self->mem + i * PG;
	self->mem[0] = 1;
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	syscall(SYS_move_pages, 0, PAGES, pages, nodes, status,
		MPOL_MF_MOVE_ALL);
	syscall(SYS_mbind, self->mem, PAGES * PG, MPOL_BIND, &mask, 2,
		MPOL_MF_MOVE_ALL);
	syscall(SYS_migrate_pages, 0, 2, &mask, &mask);
	file_write("/proc/sys/vm/compact_memory", "1");
	file_write("/proc/sys/vm/drop_caches", "3");
	EXPECT_EQ(1, self->mem[0]);
	self->mem[0] = 2;
	EXPECT_EQ(1, vmo_get_byte(snap, 0));
	EXPECT_EQ(0, filled_check(self->fd, 1, PAGES - 1));
	close(snap);
}

/* Advice for huge pages, merging and dumps: taken or not, no harm done */
TEST_F(system, other_advice)
{
	static const int advice[] = {
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_DONTDUMP, MADV_DODUMP,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_PAGEOUT,
	};
	int snap = vmo_snapshot(self->fd);
	unsigned int i;

	ASSERT_GE(snap, 0);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->mem, PAGES * PG, advice[i]);
		self->mem[0] = i;
		EXPECT_EQ(i, vmo_get_byte(self->fd, 0));
	}
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	EXPECT_EQ(0, filled_check(self->fd, 1, PAGES - 1));
	close(snap);
}

/* The page in a core file, which begins with @seed's pattern */
static bool core_has(const char *path, __u64 seed)
{
	static __u64 page[PG / sizeof(__u64)], want[PG / sizeof(__u64)];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = false;

	pat_mem_fill(want, seed);
	while (!found && read(fd, page, PG) == PG)
		found = !memcmp(page, want, PG);
	close(fd);
	return found;
}

static void dump_core(const char *dir)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	file_write("/proc/self/coredump_filter", "0xff");
	if (setrlimit(RLIMIT_CORE, &unlimited) || chdir(dir) ||
	    prctl(PR_SET_DUMPABLE, 1))
		_exit(1);
	abort();
}

TEST_F(system, a_core_dump_has_the_content)
{
	char dir[] = "/tmp/coreXXXXXX", path[64];
	int status, snap;
	pid_t pid;

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, file_write("/proc/sys/kernel/core_pattern", "core"));
	file_write("/proc/sys/kernel/core_uses_pid", "0");
	snap = vmo_snapshot(self->fd);
	ASSERT_GE(snap, 0);
	self->mem[0]++;
	pid = fork();
	if (!pid)
		dump_core(dir);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	snprintf(path, sizeof(path), "%s/core", dir);
	EXPECT_TRUE(core_has(path, FILL + 1));
	EXPECT_TRUE(core_has(path, FILL + PAGES - 1));
	EXPECT_EQ(0, filled_check(snap, 0, PAGES));
	unlink(path);
	rmdir(dir);
	close(snap);
}

TEST_HARNESS_MAIN
