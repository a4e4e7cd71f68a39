// SPDX-License-Identifier: GPL-2.0
/*
 * The module's life: it cannot be unloaded while a VMO lives in any form, can
 * the moment after, and can be loaded again and again. Ends with the module
 * loaded. COWVMO_KO names the module's file, /cowvmo.ko without.
 */
#include <sys/syscall.h>
#include <sys/uio.h>

#include "vmo.h"
#include "kselftest_harness.h"

static int load(void)
{
	const char *path = getenv("COWVMO_KO");
	int fd = open(path ? path : "/cowvmo.ko", O_RDONLY | O_CLOEXEC);
	long rc;

	if (fd < 0)
		return -errno;
	rc = vmo_ret(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return rc;
}

static int unload(void)
{
	return vmo_ret(syscall(SYS_delete_module, "cowvmo", O_NONBLOCK));
}

static bool loaded(void)
{
	return access("/sys/module/cowvmo", F_OK) == 0;
}

FIXTURE(module) {
	int vmo;
};

FIXTURE_SETUP(module)
{
	if (!loaded())
		ASSERT_EQ(0, load());
	self->vmo = vmo_new(4 * PG, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pat_fill(self->vmo, 0, 1));
	ASSERT_EQ(0, vmo_stat("vmos") - 1);
}

/* What held the module is gone: now it can be unloaded, and loaded. */
FIXTURE_TEARDOWN(module)
{
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, loaded());
	EXPECT_EQ(0, load());
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_stat("vmos"));
	EXPECT_EQ(0, vmo_stat("pages"));
	EXPECT_EQ(0, vmo_stat("nodes"));
	EXPECT_EQ(0, vmo_stat("descs"));
}

TEST_F(module, held_by_an_fd)
{
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, close(self->vmo));
}

TEST_F(module, held_by_the_device)
{
	int dev = vmo_device();

	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, close(dev));
}

TEST_F(module, held_by_a_read_only_clone)
{
	int frozen = vmo_child(self->vmo, COWVMO_CREATE_NO_WRITE, 0, PG);

	ASSERT_LE(0, frozen);
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, pat_check(frozen, 0, 1));
	EXPECT_EQ(0, close(frozen));
}

TEST_F(module, held_by_a_pin)
{
	int pin = vmo_pin(self->vmo, 0, 0, PG);

	ASSERT_LE(0, pin);
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, close(pin));
}

TEST_F(module, held_by_a_dma_buf)
{
	int pin = vmo_pin(self->vmo, 0, 0, PG);
	int buf = vmo_pin_export(pin);
	unsigned char *mem = vmo_map(buf, 0, PG, PROT_READ);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(pin));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, close(buf));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_F(module, held_by_a_socket)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	EXPECT_EQ(0, vmo_send_fd(sock[0], self->vmo));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, close(sock[0]));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, close(sock[1]));
}

/* A mapping of each kind is enough. */
static void held_by_mapping(struct __test_metadata *_metadata, int vmo,
			    int prot, int flags)
{
	unsigned char *mem = mmap(NULL, PG, prot, flags, vmo, 0);

	ASSERT_NE(MAP_FAILED, (void *)mem);
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	if (prot & PROT_WRITE)
		pat_mem_fill(mem, 2);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_F(module, held_by_a_shared_mapping)
{
	held_by_mapping(_metadata, self->vmo, PROT_READ | PROT_WRITE,
			MAP_SHARED);
}

TEST_F(module, held_by_a_read_only_mapping)
{
	held_by_mapping(_metadata, self->vmo, PROT_READ, MAP_SHARED);
}

TEST_F(module, held_by_a_private_mapping)
{
	held_by_mapping(_metadata, self->vmo, PROT_READ | PROT_WRITE,
			MAP_PRIVATE);
}

/* A page in a pipe is memory, not the module: it may outlive the VMO. */
TEST_F(module, page_in_a_pipe)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PG, PROT_READ);
	struct iovec iov = { .iov_base = mem, .iov_len = PG };
	unsigned char page[PG];
	int pipe_fd[2];

	ASSERT_NE(NULL, (void *)mem);
	ASSERT_EQ(0, pipe(pipe_fd));
	ASSERT_EQ(PG, vmsplice(pipe_fd[1], &iov, 1, 0));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, close(self->vmo));
	ASSERT_EQ(PG, read(pipe_fd[0], page, PG));
	EXPECT_EQ(0, pat_mem_check(page, 1));
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* A process that dies lets go of everything. */
TEST_F(module, held_by_a_process)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		unsigned char *mem = vmo_map(self->vmo, 0, PG,
					     PROT_READ | PROT_WRITE);

		close(self->vmo);
		mem[0] = 1;
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	EXPECT_EQ(0, close(self->vmo));
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	close(ready[0]);
	close(ready[1]);
}

/* --- Again and again */

static int use(void)
{
	int vmo = vmo_new(16 * PG, 0);
	int child = vmo_child(vmo, 0, 0, 16 * PG);
	unsigned char *mem = vmo_map(child, 0, 16 * PG,
				     PROT_READ | PROT_WRITE);
	int rc = 0;

	if (vmo < 0 || child < 0 || !mem)
		return -EIO;
	rc = rc ?: pat_fill(vmo, 3, 4);
	pat_mem_fill(mem, 5);
	rc = rc ?: pat_check(child, 0, 5);
	rc = rc ?: zero_check(child, 3);
	rc = rc ?: vmo_zero(child, 0, 16 * PG);
	rc = rc ?: vmo_validate();
	close(vmo);
	close(child);
	munmap(mem, 16 * PG);
	return rc;
}

TEST(load_use_unload)
{
	unsigned int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, use());
		ASSERT_EQ(0, unload()) TH_LOG("round %u", i);
		ASSERT_EQ(-ENOENT, vmo_device());
		ASSERT_EQ(0, load());
	}
	EXPECT_EQ(0, vmo_validate());
}

TEST(unload_twice)
{
	EXPECT_EQ(0, unload());
	EXPECT_EQ(-ENOENT, unload());
	EXPECT_EQ(0, load());
	EXPECT_EQ(-EEXIST, load());
	EXPECT_EQ(0, vmo_validate());
}

TEST_HARNESS_MAIN
