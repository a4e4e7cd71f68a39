// SPDX-License-Identifier: GPL-2.0
/*
 * OPEN: one more descriptor of the same VMO, through which nobody can write,
 * by whatever path, though others write and it shows what they do.
 */
#include "access.h"

#include <linux/fs.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#include "kselftest_harness.h"

#define RESIZABLE	COWVMO_CREATE_RESIZABLE
#define PAGES		4ULL
#define SIZE		(PAGES * PG)

/* What the read-only descriptor is one of */
enum of { O_VMO, O_RESIZABLE, O_SLICE, O_REFERENCE, O_READ_ONLY };

FIXTURE(ro) {
	int vmo;	/* the pages are this one's */
	int writer;	/* of the same VMO as @fd */
	int fd;
};

FIXTURE_VARIANT(ro) {
	enum of of;
};

FIXTURE_VARIANT_ADD(ro, vmo) { .of = O_VMO };
FIXTURE_VARIANT_ADD(ro, resizable) { .of = O_RESIZABLE };
FIXTURE_VARIANT_ADD(ro, slice) { .of = O_SLICE };
FIXTURE_VARIANT_ADD(ro, reference) { .of = O_REFERENCE };
FIXTURE_VARIANT_ADD(ro, read_only) { .of = O_READ_ONLY };

static int open_as(int vmo, enum of of, int *writer)
{
	int first, fd;

	switch (of) {
	case O_SLICE:
		*writer = vmo_slice(vmo, 0, SIZE);
		return vmo_open_read_only(*writer);
	case O_REFERENCE:
		*writer = vmo_reference(vmo, 0);
		return vmo_open_read_only(*writer);
	case O_READ_ONLY:
		*writer = dup(vmo);
		first = vmo_open_read_only(vmo);
		fd = vmo_open_read_only(first);
		close(first);
		return fd;
	default:
		*writer = dup(vmo);
		return vmo_open_read_only(vmo);
	}
}

FIXTURE_SETUP(ro)
{
	bool resizable = variant->of == O_RESIZABLE;

	self->vmo = vmo_filled(PAGES, PAGES, resizable ? RESIZABLE : 0);
	ASSERT_LE(0, self->vmo);
	self->fd = open_as(self->vmo, variant->of, &self->writer);
	ASSERT_LE(0, self->writer);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ro)
{
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(SIZE, vmo_size(self->vmo));
	EXPECT_EQ(SIZE, vmo_stream(self->vmo));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->writer));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

/* --- The same VMO */

TEST_F(ro, is_the_same_vmo)
{
	struct cowvmo_get_info info, other;
	struct stat a, b;

	ASSERT_EQ(0, vmo_info(self->fd, &info, COWVMO_INFO_MEMORY));
	ASSERT_EQ(0, vmo_info(self->writer, &other, COWVMO_INFO_MEMORY));
	EXPECT_EQ(other.out_flags | COWVMO_INFO_READ_ONLY_FD, info.out_flags);
	info.out_flags = other.out_flags;
	EXPECT_EQ(0, memcmp(&info, &other, sizeof(info)));
	EXPECT_EQ(0, fstat(self->fd, &a));
	EXPECT_EQ(0, fstat(self->writer, &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(O_RDONLY, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	/* A position of its own */
	EXPECT_EQ(7, lseek(self->fd, 7, SEEK_SET));
	EXPECT_EQ(0, lseek(self->writer, 0, SEEK_CUR));
}

TEST_F(ro, shows_what_others_write)
{
	unsigned char *mem = vmo_map(self->fd, 0, SIZE, PROT_READ);
	unsigned char *rw = vmo_map(self->writer, 0, SIZE, RW);

	ASSERT_NE(NULL, mem);
	ASSERT_NE(NULL, rw);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 7));
	EXPECT_EQ(0, pat_mem_check(mem, 7));
	EXPECT_EQ(0, pat_check(self->fd, 0, 7));
	pat_mem_fill(rw, 8);
	EXPECT_EQ(0, pat_mem_check(mem, 8));
	EXPECT_EQ(0, vmo_zero(self->writer, 0, PG));
	EXPECT_EQ(0, zero_mem_check(mem, PG));
	pat_mem_fill(rw, FILL);
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
	EXPECT_EQ(0, munmap(rw, SIZE));
	EXPECT_EQ(0, munmap(mem, SIZE));
}

/* --- Nothing writes through it */

TEST_F(ro, calls_on_the_fd)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct iovec iov = { "x", 1 };

	EXPECT_EQ(-EBADF, vmo_put_byte(self->fd, 0, 1));
	EXPECT_EQ(-EBADF, vmo_ret(write(self->fd, "x", 1)));
	EXPECT_EQ(-EBADF, vmo_ret(pwritev2(self->fd, &iov, 1, 0, RWF_APPEND)));
	EXPECT_EQ(-EINVAL, vmo_ret(ftruncate(self->fd, 0)));
	EXPECT_EQ(-EBADF, vmo_ret(fallocate(self->fd, 0, 0, PG)));
	EXPECT_EQ(-EBADF, vmo_ret(fallocate(self->fd, punch, 0, PG)));
	EXPECT_EQ(-EBADF, vmo_ret(copy_file_range(self->vmo, NULL, self->fd,
						  NULL, PG, 0)));
	EXPECT_EQ(-EBADF, vmo_ret(sendfile(self->fd, self->vmo, NULL, PG)));
	EXPECT_EQ(-EBADF, vmo_ret(ioctl(self->fd, FICLONE, self->vmo)));
}

TEST_F(ro, ioctls)
{
	EXPECT_EQ(-EACCES, vmo_zero(self->fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_commit(self->fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_decommit(self->fd, 0, PG));
	EXPECT_EQ(-EACCES, vmo_set_size(self->fd, 0));
	EXPECT_EQ(-EACCES, vmo_set_stream_size(self->fd, 0));
	EXPECT_EQ(-EACCES, vmo_seal(self->fd));
}

TEST_F(ro, flags_do_not_help)
{
	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_APPEND | O_NONBLOCK));
	EXPECT_EQ(O_RDONLY, fcntl(self->fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(-EBADF, vmo_put_byte(self->fd, 0, 1));
	EXPECT_EQ(NULL, vmo_map(self->fd, 0, PG, RW));
}

TEST_F(ro, io_uring)
{
	struct uring ring;
	unsigned char byte = 1;

	if (uring_open(&ring))
		SKIP(return, "no io_uring");
	EXPECT_EQ(-EBADF, uring_rw(&ring, IORING_OP_WRITE, self->fd, &byte, 1,
				   0));
	EXPECT_EQ(1, uring_rw(&ring, IORING_OP_READ, self->fd, &byte, 1, 0));
	uring_close(&ring);
}

/* --- Nothing opens it anew */

static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Whatever may be said of the mode: root is not asked. */
static void expect_no_path(struct __test_metadata *_metadata, int fd)
{
	const char *path = path_of(fd);

	EXPECT_EQ(-ENXIO, vmo_ret(open(path, O_RDWR)));
	EXPECT_EQ(-ENXIO, vmo_ret(open(path, O_WRONLY | O_TRUNC)));
	EXPECT_EQ(-ENXIO, vmo_ret(open(path, O_RDONLY)));
	EXPECT_EQ(-EACCES, vmo_ret(truncate(path, 0)));
	EXPECT_EQ(-EACCES, vmo_ret(truncate(path, PG)));
	EXPECT_EQ(-EACCES, vmo_ret(truncate(path, 2 * SIZE)));
}

TEST_F(ro, paths_to_the_fd)
{
	expect_no_path(_metadata, self->fd);
	EXPECT_EQ(0, fchmod(self->fd, 0777));
	expect_no_path(_metadata, self->fd);
}

TEST_F(ro, paths_to_the_path)
{
	int path = open(path_of(self->fd), O_PATH | O_CLOEXEC);

	ASSERT_LE(0, path);
	expect_no_path(_metadata, path);
	EXPECT_EQ(-EBADF, vmo_ret(ftruncate(path, 0)));
	EXPECT_EQ(-ENOTDIR, vmo_ret(openat(path, "x", O_RDWR)));
	EXPECT_EQ(0, close(path));
}

/* A writable fd has ftruncate(); a path is nobody's right. */
TEST_F(ro, paths_to_a_writable_fd)
{
	expect_no_path(_metadata, self->writer);
}

TEST_F(ro, handles_of_the_file)
{
	struct {
		struct file_handle head;
		unsigned char rest[MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	EXPECT_EQ(-EOPNOTSUPP,
		  vmo_ret(name_to_handle_at(AT_FDCWD, path_of(self->fd),
					    &handle.head, &mount,
					    AT_SYMLINK_FOLLOW)));
}

/* --- Nothing writes through its mappings */

static void expect_not_writable(struct __test_metadata *_metadata,
				unsigned char *mem)
{
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, RW)));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, PROT_WRITE)));
	EXPECT_EQ(-EACCES, vmo_ret(madvise(mem, PG, MADV_REMOVE)));
	EXPECT_EQ(SIGSEGV, vmo_try_write(mem, 1));
	EXPECT_GT(0, vmo_ret(madvise(mem, PG, MADV_POPULATE_WRITE)));
	EXPECT_GT(0, put_process_vm(mem, 1));
	EXPECT_GT(0, put_proc_mem(mem, 1));
	EXPECT_GT(0, put_ptrace(mem, 1));
	EXPECT_GT(0, put_direct(mem, 1));
	EXPECT_GT(0, put_read(mem, 1));
	EXPECT_EQ(0, pat_mem_check(mem, FILL));
}

TEST_F(ro, shared_mappings)
{
	unsigned char *mem = vmo_map(self->fd, 0, SIZE, PROT_READ);

	EXPECT_EQ(NULL, vmo_map(self->fd, 0, SIZE, RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(NULL, vmo_map(self->fd, 0, SIZE, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, smaps_flag(mem, " mw"));
	expect_not_writable(_metadata, mem);
	mem = mremap(mem, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	expect_not_writable(_metadata, mem);
	/* On a slice it is refused, elsewhere it rearranges what is read. */
	remap_file_pages(mem, PG, 0, 0, 0);
	expect_not_writable(_metadata, mem);
	EXPECT_EQ(0, munmap(mem, 2 * SIZE));
}

TEST_F(ro, mappings_in_a_forked_process)
{
	unsigned char *mem = vmo_map(self->fd, 0, SIZE, PROT_READ);
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(mprotect(mem, PG, RW) != -1 ||
		      vmo_try_write(mem, 1) != SIGSEGV ||
		      vmo_map(self->fd, 0, PG, RW));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, munmap(mem, SIZE));
}

TEST_F(ro, private_mappings_keep_their_writes)
{
	unsigned char *mem = map_private(self->fd, 0, SIZE, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, vmo_try_write(mem, 0x99));
	EXPECT_EQ(0, put_process_vm(mem + PG, 0x99));
	EXPECT_EQ(0, put_proc_mem(mem + 2 * PG, 0x99));
	EXPECT_EQ(0, munmap(mem, SIZE));
}

TEST_F(ro, map_files)
{
	unsigned char *mem = vmo_map(self->fd, 0, SIZE, PROT_READ);
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/map_files/%llx-%llx",
		 (uintptr_t)mem + 0ULL, (uintptr_t)mem + SIZE);
	EXPECT_EQ(-ENXIO, vmo_ret(open(path, O_RDWR)));
	EXPECT_EQ(-EACCES, vmo_ret(truncate(path, 0)));
	EXPECT_EQ(0, munmap(mem, SIZE));
}

/* --- Handed on */

TEST_F(ro, over_a_socket)
{
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, vmo_send_fd(sock[0], self->fd));
	fd = vmo_recv_fd(sock[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, vmo_put_byte(fd, 0, 1));
	EXPECT_EQ(NULL, vmo_map(fd, 0, PG, RW));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(sock[0]));
	EXPECT_EQ(0, close(sock[1]));
}

/* --- It keeps the VMO */

TEST(keeps_its_vmo)
{
	int root = vmo_filled(PAGES, PAGES, 0), vmo = vmo_snapshot(root);
	int fd = vmo_open_read_only(vmo), clone;
	__u64 id = vmo_id(vmo);

	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(1, vmo_children(root));
	EXPECT_EQ(id, vmo_id(fd));
	EXPECT_EQ(0, filled_check(fd, 0, PAGES));
	clone = vmo_snapshot(fd);
	EXPECT_EQ(id, vmo_parent(clone));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(vmo_id(root), vmo_parent(clone));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(0, vmo_children(root));
	EXPECT_EQ(0, close(root));
}

TEST(no_fd)
{
	struct rlimit limit, none = { 0, 0 };
	int vmo = vmo_new(PG, 0);
	long vmos = vmo_stat("vmos");

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, vmo_open_read_only(vmo));
	EXPECT_EQ(-EMFILE, vmo_slice(vmo, 0, PG));
	EXPECT_EQ(-EMFILE, vmo_reference(vmo, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, vmo_children(vmo));
	EXPECT_EQ(vmos, vmo_stat("vmos"));
	EXPECT_EQ(0, close(vmo));
}

TEST_HARNESS_MAIN
