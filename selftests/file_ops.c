// SPDX-License-Identifier: GPL-2.0
/*
 * A VMO fd as a file: lseek, fallocate, fstat, fsync, fdinfo, how an fd is
 * passed on, and that a read-only one stays read-only.
 */
#include <sys/wait.h>

#include <linux/falloc.h>

#include "vmo.h"
#include "kselftest_harness.h"

#define PAGES	8
#define BYTES	(PAGES * PG)
#define NO_WRITE COWVMO_CREATE_NO_WRITE

FIXTURE(file) {
	int vmo;
};

FIXTURE_SETUP(file)
{
	/* Data in pages 2, 3 and 6 */
	self->vmo = vmo_new(BYTES, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pat_fill(self->vmo, 2, 3));
	ASSERT_EQ(0, pat_fill(self->vmo, 3, 4));
	ASSERT_EQ(0, pat_fill(self->vmo, 6, 7));
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
}

static long long seek(int fd, __u64 at, int whence)
{
	off_t rc = lseek(fd, at, whence);

	return rc < 0 ? -errno : rc;
}

static int falloc(int fd, int mode, __u64 offset, __u64 length)
{
	return vmo_ret(fallocate(fd, mode, offset, length));
}

/* --- lseek */

TEST_F(file, seek)
{
	EXPECT_EQ(100, seek(self->vmo, 100, SEEK_SET));
	EXPECT_EQ(90, seek(self->vmo, -10, SEEK_CUR));
	EXPECT_EQ(BYTES - 1, seek(self->vmo, -1, SEEK_END));
	EXPECT_EQ(BYTES + 10, seek(self->vmo, 10, SEEK_END));
	EXPECT_EQ(-EINVAL, seek(self->vmo, -1, SEEK_SET));
	EXPECT_EQ(-EINVAL, seek(self->vmo, 0 - BYTES - 1, SEEK_END));
	EXPECT_EQ(-EINVAL, seek(self->vmo, 0, 99));
	EXPECT_EQ(BYTES + 10, seek(self->vmo, 0, SEEK_CUR));
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 10));
	EXPECT_EQ(10, seek(self->vmo, 0, SEEK_END));
}

TEST_F(file, seek_data_and_hole)
{
	static const struct { __u64 from, data, hole; } at[] = {
		{ 0, 2 * PG, 0 }, { 5, 2 * PG, 5 },
		{ 2 * PG - 1, 2 * PG, 2 * PG - 1 },
		{ 2 * PG, 2 * PG, 4 * PG }, { 2 * PG + 1, 2 * PG + 1, 4 * PG },
		{ 4 * PG - 1, 4 * PG - 1, 4 * PG }, { 4 * PG, 6 * PG, 4 * PG },
		{ 5 * PG + 9, 6 * PG, 5 * PG + 9 }, { 6 * PG, 6 * PG, 7 * PG },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		EXPECT_EQ(at[i].data, seek(self->vmo, at[i].from, SEEK_DATA));
		EXPECT_EQ(at[i].hole, seek(self->vmo, at[i].from, SEEK_HOLE));
	}
	EXPECT_EQ(-ENXIO, seek(self->vmo, 7 * PG, SEEK_DATA));
	EXPECT_EQ(7 * PG, seek(self->vmo, 7 * PG, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, seek(self->vmo, BYTES, SEEK_DATA));
	EXPECT_EQ(-ENXIO, seek(self->vmo, BYTES, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, seek(self->vmo, BYTES + 1, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, seek(self->vmo, -1, SEEK_DATA));
	EXPECT_EQ(-ENXIO, seek(self->vmo, -1, SEEK_HOLE));
}

/* The end of file is a hole, data beyond it is not there. */
TEST_F(file, seek_ends_with_the_stream)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 3 * PG + 10));
	EXPECT_EQ(0, vmo_commit(self->vmo, 6 * PG, PG));
	EXPECT_EQ(3 * PG + 10, seek(self->vmo, 2 * PG, SEEK_HOLE));
	EXPECT_EQ(3 * PG, seek(self->vmo, 3 * PG, SEEK_DATA));
	EXPECT_EQ(-ENXIO, seek(self->vmo, 3 * PG + 10, SEEK_DATA));
	EXPECT_EQ(-ENXIO, seek(self->vmo, 3 * PG + 10, SEEK_HOLE));
}

/* Data is what has memory: shared with relatives or not, zero or not. */
TEST_F(file, seek_in_a_clone)
{
	int child = vmo_child(self->vmo, 0, PG, 4 * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(PG, seek(child, 0, SEEK_DATA));
	EXPECT_EQ(3 * PG, seek(child, PG, SEEK_HOLE));
	EXPECT_EQ(0, vmo_zero(child, PG, PG));
	EXPECT_EQ(2 * PG, seek(child, 0, SEEK_DATA));
	EXPECT_EQ(2 * PG, seek(self->vmo, 0, SEEK_DATA));
	EXPECT_EQ(0, vmo_commit(child, 0, 1));
	EXPECT_EQ(0, seek(child, 0, SEEK_DATA));
	EXPECT_EQ(PG, seek(child, 0, SEEK_HOLE));
	EXPECT_EQ(2 * PG, seek(self->vmo, 0, SEEK_DATA));
	EXPECT_EQ(0, close(child));
}

/* A hole of 2^62 bytes is crossed in one step, or this never ends. */
TEST_F(file, seek_far)
{
	const __u64 far = 1ULL << 62;
	int fd = vmo_new(far + 2 * PG, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENXIO, seek(fd, 0, SEEK_DATA));
	EXPECT_EQ(0, seek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(0, pat_fill(fd, far / PG, 1));
	EXPECT_EQ(far, seek(fd, 0, SEEK_DATA));
	EXPECT_EQ(far, seek(fd, PG, SEEK_DATA));
	EXPECT_EQ(far + PG, seek(fd, far, SEEK_HOLE));
	EXPECT_EQ(-ENXIO, seek(fd, far + PG, SEEK_DATA));
	EXPECT_EQ(0, close(fd));
}

/* --- fallocate */

TEST_F(file, fallocate_commits)
{
	EXPECT_EQ(0, falloc(self->vmo, 0, PG - 1, 2));
	EXPECT_EQ(4 * PG, vmo_populated(self->vmo) - PG);
	EXPECT_EQ(0, falloc(self->vmo, FALLOC_FL_KEEP_SIZE, 0, BYTES));
	EXPECT_EQ(BYTES, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 3));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
	EXPECT_EQ(BYTES, vmo_stream(self->vmo));
}

/* As in any file: the end moves, unless KEEP_SIZE says that it must not. */
TEST_F(file, fallocate_beyond_the_stream)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG));
	EXPECT_EQ(0, falloc(self->vmo, FALLOC_FL_KEEP_SIZE, PG, PG));
	EXPECT_EQ(PG, vmo_stream(self->vmo));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, falloc(self->vmo, 0, PG, PG + 10));
	EXPECT_EQ(2 * PG + 10, vmo_stream(self->vmo));
	EXPECT_EQ(BYTES, vmo_size(self->vmo));
}

TEST_F(file, fallocate_beyond_the_size)
{
	EXPECT_GT(0, falloc(self->vmo, 0, BYTES, PG));
	EXPECT_GT(0, falloc(self->vmo, 0, BYTES - PG, 2 * PG));
	EXPECT_GT(0, falloc(self->vmo, FALLOC_FL_KEEP_SIZE, BYTES, PG));
	EXPECT_EQ(BYTES, vmo_size(self->vmo));
	EXPECT_EQ(BYTES, vmo_stream(self->vmo));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
}

/* Punching and zeroing are ZERO: at any alignment, among relatives too. */
static void zeroing_mode(struct __test_metadata *_metadata, int vmo, int mode)
{
	int child = vmo_child(vmo, 0, 0, BYTES);
	unsigned char page[PG], want[PG];

	ASSERT_LE(0, child);
	EXPECT_EQ(0, falloc(vmo, mode, 2 * PG + 100, PG));
	EXPECT_EQ(BYTES, vmo_stream(vmo));
	EXPECT_EQ(BYTES, vmo_size(vmo));
	pat_mem_fill(want, 3);
	memset(want + 100, 0, PG - 100);
	EXPECT_EQ(0, page_read(vmo, 2, page));
	EXPECT_EQ(0, memcmp(want, page, PG));
	pat_mem_fill(want, 4);
	memset(want, 0, 100);
	EXPECT_EQ(0, page_read(vmo, 3, page));
	EXPECT_EQ(0, memcmp(want, page, PG));
	EXPECT_EQ(0, falloc(vmo, mode, 2 * PG, 3 * PG));
	EXPECT_EQ(0, zero_check(vmo, 2));
	EXPECT_EQ(0, zero_check(vmo, 3));
	EXPECT_EQ(PG, vmo_populated(vmo));
	EXPECT_EQ(0, pat_check(child, 2, 3));
	EXPECT_EQ(0, pat_check(child, 3, 4));
	EXPECT_EQ(0, close(child));
}

TEST_F(file, punch_hole)
{
	zeroing_mode(_metadata, self->vmo,
		     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

TEST_F(file, zero_range)
{
	zeroing_mode(_metadata, self->vmo, FALLOC_FL_ZERO_RANGE);
}

TEST_F(file, zero_range_keep_size)
{
	zeroing_mode(_metadata, self->vmo,
		     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

/* What a tmpfs file does: there is nothing to punch beyond the end. */
TEST_F(file, punch_across_the_end)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	EXPECT_EQ(0, falloc(self->vmo, mode, 6 * PG, 1ULL << 40));
	EXPECT_EQ(0, zero_check(self->vmo, 6));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 4));
	EXPECT_EQ(0, falloc(self->vmo, mode, BYTES, PG));
	EXPECT_EQ(BYTES, vmo_stream(self->vmo));
	EXPECT_EQ(BYTES, vmo_size(self->vmo));
}

TEST_F(file, fallocate_unknown_modes)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE,
		FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE, 0x80, 0x4000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		EXPECT_EQ(-EOPNOTSUPP, falloc(self->vmo, modes[i], 0, PG))
			TH_LOG("mode %#x", modes[i]);
	EXPECT_EQ(-EINVAL, falloc(self->vmo, 0, 0, 0));
	EXPECT_EQ(-EINVAL, falloc(self->vmo, 0, -1, PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 3));
}

TEST_F(file, fallocate_grows_resizable)
{
	int fd = vmo_new(PG, COWVMO_CREATE_RESIZABLE);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, falloc(fd, 0, 3 * PG, PG + 10));
	EXPECT_EQ(5 * PG, vmo_size(fd));
	EXPECT_EQ(4 * PG + 10, vmo_stream(fd));
	EXPECT_EQ(2 * PG, vmo_populated(fd));
	EXPECT_EQ(0, close(fd));
}

/* --- fstat and the like */

TEST_F(file, fstat)
{
	struct stat st, child_st;
	int child = vmo_child(self->vmo, 0, 0, 3 * PG + 5);

	ASSERT_EQ(0, fstat(self->vmo, &st));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(0, st.st_mode & 0077);
	EXPECT_EQ(BYTES, st.st_size);
	EXPECT_EQ(3 * PG / 512, st.st_blocks);
	ASSERT_EQ(0, fstat(child, &child_st));
	EXPECT_EQ(3 * PG + 5, child_st.st_size);
	EXPECT_EQ(2 * PG / 512, child_st.st_blocks);
	EXPECT_EQ(st.st_dev, child_st.st_dev);
	EXPECT_NE(st.st_ino, child_st.st_ino);
	EXPECT_EQ(0, close(child));
}

TEST_F(file, fsync)
{
	EXPECT_EQ(0, fsync(self->vmo));
	EXPECT_EQ(0, fdatasync(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 3));
}

/* The number that stands after @key in an fd's fdinfo, ~0 without one */
static __u64 info_line(int fd, const char *key)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (file_read(path, text, sizeof(text)) < 0)
		return ~0ULL;
	at = strstr(text, key);
	if (!at || (at != text && at[-1] != '\n'))
		return ~0ULL;
	at += strlen(key);
	return *at == ':' ? strtoull(at + 1, NULL, 0) : ~0ULL;
}

TEST_F(file, fdinfo)
{
	int child = vmo_child(self->vmo, 0, 0, 3 * PG + 5);
	int fds[] = { self->vmo, child };
	struct cowvmo_get_info info;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vmo_info(fds[i], &info, 0));
		EXPECT_EQ(info.out_id, info_line(fds[i], "cowvmo-id"));
		EXPECT_EQ(info.out_parent_id, info_line(fds[i], "cowvmo-parent"));
		EXPECT_EQ(info.out_vmo_size, info_line(fds[i], "cowvmo-size"));
		EXPECT_EQ(info.out_populated_bytes,
			  info_line(fds[i], "cowvmo-populated"));
	}
	EXPECT_EQ(0, close(child));
}

/* The name is in /proc, for people to read. */
TEST_F(file, name_in_proc)
{
	char path[64], link[128] = "", text[4096] = "";

	EXPECT_EQ(0, vmo_set_name(self->vmo, "legible"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->vmo);
	EXPECT_LT(0, readlink(path, link, sizeof(link) - 1));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->vmo);
	EXPECT_LT(0, file_read(path, text, sizeof(text)));
	EXPECT_TRUE(strstr(link, "legible") || strstr(text, "legible"));
}

/* --- Passing an fd on */

TEST_F(file, reopen_fails)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int frozen = vmo_child(self->vmo, NO_WRITE, 0, BYTES);
	char path[64];
	unsigned int i;

	ASSERT_LE(0, frozen);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", frozen);
		EXPECT_EQ(-ENXIO, vmo_ret(open(path, modes[i])));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", self->vmo);
		EXPECT_EQ(-ENXIO, vmo_ret(open(path, modes[i])));
	}
	EXPECT_EQ(0, close(frozen));
}

TEST_F(file, dup)
{
	int copy = dup(self->vmo);

	ASSERT_LE(0, copy);
	EXPECT_EQ(vmo_id(self->vmo), vmo_id(copy));
	EXPECT_EQ(7, seek(copy, 7, SEEK_SET));
	EXPECT_EQ(7, seek(self->vmo, 0, SEEK_CUR));
	EXPECT_EQ(0, pat_fill(copy, 0, 50));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 50));
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 50));
}

TEST_F(file, over_a_socket)
{
	int sock[2], got;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	EXPECT_EQ(0, vmo_send_fd(sock[0], self->vmo));
	got = vmo_recv_fd(sock[1]);
	ASSERT_LE(0, got);
	EXPECT_EQ(vmo_id(self->vmo), vmo_id(got));
	EXPECT_EQ(0, pat_check(got, 2, 3));
	EXPECT_EQ(0, close(got));
	close(sock[0]);
	close(sock[1]);
}

/* In the queue of a socket an fd keeps its VMO alive. */
TEST_F(file, alive_in_a_socket)
{
	int child = vmo_child(self->vmo, 0, 0, BYTES);
	int sock[2], got;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	EXPECT_EQ(0, vmo_send_fd(sock[0], child));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(1, vmo_children(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 60));
	got = vmo_recv_fd(sock[1]);
	EXPECT_EQ(0, pat_check(got, 2, 3));
	EXPECT_EQ(0, vmo_send_fd(sock[0], got));
	EXPECT_EQ(0, close(got));
	close(sock[0]);
	close(sock[1]);
	EXPECT_EQ(0, vmo_children(self->vmo));
}

/* fork() duplicates the fd, not the VMO. */
TEST_F(file, fork)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pat_check(self->vmo, 2, 3) ||
		      pat_fill(self->vmo, 2, 80));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pat_check(self->vmo, 2, 80));
	EXPECT_EQ(0, vmo_children(self->vmo));
}

/* --- A read-only fd */

FIXTURE(frozen) {
	int vmo, fd;
};

/* The way the fd came here must not make a difference. */
FIXTURE_VARIANT(frozen) {
	int (*pass)(int fd);
};

static int pass_socket(int fd)
{
	int sock[2], got;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		return -errno;
	got = vmo_send_fd(sock[0], fd);
	if (!got)
		got = vmo_recv_fd(sock[1]);
	close(sock[0]);
	close(sock[1]);
	return got;
}

static int pass_dup(int fd)
{
	return vmo_ret(dup(fd));
}

FIXTURE_VARIANT_ADD(frozen, dup) { .pass = pass_dup };
FIXTURE_VARIANT_ADD(frozen, socket) { .pass = pass_socket };

FIXTURE_SETUP(frozen)
{
	int child;

	self->vmo = vmo_new(2 * PG, 0);
	ASSERT_EQ(0, pat_fill(self->vmo, 0, 1));
	child = vmo_child(self->vmo, NO_WRITE, 0, 2 * PG);
	self->fd = variant->pass(child);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, close(child));
}

FIXTURE_TEARDOWN(frozen)
{
	EXPECT_EQ(0, pat_check(self->fd, 0, 1));
	EXPECT_EQ(0, zero_check(self->fd, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->vmo));
}

TEST_F(frozen, no_write)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	EXPECT_EQ(-EBADF, vmo_put_byte(self->fd, 0, 1));
	EXPECT_EQ(-EBADF, vmo_ret(write(self->fd, "x", 1)));
	EXPECT_EQ(-EBADF, falloc(self->fd, 0, 0, PG));
	EXPECT_EQ(-EBADF, falloc(self->fd, punch, 0, PG));
	EXPECT_EQ(-EACCES, vmo_zero(self->fd, 0, PG));
	EXPECT_EQ(-EINVAL, vmo_ret(ftruncate(self->fd, 0)));
}

/* Setting flags does not make it writable either. */
TEST_F(frozen, fcntl)
{
	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_APPEND));
	EXPECT_EQ(O_RDONLY, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(-EBADF, vmo_put_byte(self->fd, 0, 1));
}

TEST_F(frozen, no_writable_mapping)
{
	void *mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);

	EXPECT_EQ(MAP_FAILED, mem);
	EXPECT_EQ(EACCES, errno);
	mem = mmap(NULL, PG, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	EXPECT_EQ(-1, mprotect(mem, PG, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, vmo_try_write(mem, 1));
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_F(frozen, private_mapping)
{
	unsigned char *mem = mmap(NULL, PG, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE, self->fd, 0);

	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	EXPECT_EQ(0, vmo_try_write(mem, 0x99));
	EXPECT_EQ(0x99, mem[0]);
	EXPECT_EQ(0, munmap(mem, PG));
}

/* The way of debuggers, which write where the mapping alone would not. */
TEST_F(frozen, proc_self_mem)
{
	unsigned char *mem = vmo_map(self->fd, 0, PG, PROT_READ);
	int fd = open("/proc/self/mem", O_RDWR);

	ASSERT_NE(NULL, (void *)mem);
	ASSERT_LE(0, fd);
	EXPECT_GT(0, pwrite(fd, "x", 1, (unsigned long)mem));
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	close(fd);
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_HARNESS_MAIN
