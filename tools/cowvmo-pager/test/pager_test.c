// SPDX-License-Identifier: GPL-2.0
/*
 * cowvmo-pager from end to end: a file and two real NBD servers as the source,
 * deaths of each party included. Runs as root of a guest, with the programs in a
 * file tree of their own, see scripts/pager-image.
 */
#include "../../../selftests/pager.h"
#include "../ask.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#define ROOT	"/mnt/data"
/* The scratch disk, as seen from here and from within the tree. */
#define DISK	"/mnt/disk"
#define IMAGE	DISK "/image"
#define PLAIN	DISK "/plain"
#define DOOR	DISK "/door"
#define NBD	DISK "/nbd"

#define MIB	(1024UL * 1024)
/* Not a multiple of a page, as files are. */
#define SIZE	(12 * MIB + 1234)
#define PAGES	((SIZE + PG - 1) / PG)
#define EDITS	200
/* Seconds that something may take to come up; only ends what would hang. */
#define GUARD	60

static char *const file_server[] = { NULL };

static char *const nbdkit[] = {
	"/usr/bin/nbdkit", "-f", "-U", NBD, "file", IMAGE, NULL,
};

static char *const qemu_nbd[] = {
	"/usr/bin/qemu-nbd", "-t", "-k", NBD, "-f", "raw", "-e", "16",
	"--discard=unmap", IMAGE, NULL,
};

/* --- Processes within the tree */

static void enter_tree(char *const argv[])
{
	if (chroot(ROOT) || chdir("/"))
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static pid_t begin_process(char *const argv[])
{
	pid_t pid = fork();

	if (!pid)
		enter_tree(argv);
	return pid;
}

/* What it exits with, or -signal. */
static int end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int end_process(pid_t pid, int sig)
{
	if (pid <= 0 || kill(pid, sig))
		return -ESRCH;
	return end_of(pid);
}

/* --- The socket */

/* Gets an answer, which is kept in @text, and the descriptor, or 0 or -1. */
static int ask(const char *word, char *text, size_t room)
{
	int fd;

	if (ask_word(DOOR, GUARD, word, text, room, &fd) < 0)
		return -errno;
	if (strncmp(text, "ok", 2))
		return -1;
	return fd < 0 ? 0 : fd;
}

static int order(const char *word)
{
	char text[1024];

	return ask(word, text, sizeof(text));
}

static unsigned long long stat_of(const char *name)
{
	char text[1024], *at;

	if (ask("stat", text, sizeof(text)))
		return 0;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* --- Files */

static unsigned char byte_at(__u64 offset)
{
	return (offset >> 12) * 37 + (offset & 0xfff) * 11 + 5;
}

/* With a hole of 1 MiB in it. */
static int make_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned char *buf = malloc(MIB);
	__u64 at, i, n;

	if (fd < 0 || ftruncate(fd, SIZE))
		return -errno;
	for (at = 0; at < SIZE; at += MIB) {
		if (at == 4 * MIB)
			continue;
		n = SIZE - at < MIB ? SIZE - at : MIB;
		for (i = 0; i < n; i++)
			buf[i] = byte_at(at + i);
		if (pwrite(fd, buf, n, at) != (ssize_t)n)
			return -errno;
	}
	free(buf);
	return fd;
}

/* Where two files differ first, or their size; what is beyond, too. */
static long same_files(int a, int b)
{
	static unsigned char x[65536], y[65536];
	long at, i, n, m;

	for (at = 0;; at += n) {
		n = pread(a, x, sizeof(x), at);
		m = pread(b, y, sizeof(y), at);
		if (n != m || n < 0)
			return -1;
		if (!n)
			return at;
		for (i = 0; i < n; i++) {
			if (x[i] != y[i])
				return at + i;
		}
	}
}

static long same_memory(const unsigned char *mem, int fd)
{
	static unsigned char buf[65536];
	long at, i, n;

	for (at = 0; (n = pread(fd, buf, sizeof(buf), at)) > 0; at += n) {
		for (i = 0; i < n; i++) {
			if (mem[at + i] != buf[i])
				return at + i;
		}
	}
	return at;
}

/* --- The fixture: a source, a pager for it, and what it should be */

FIXTURE(pager) {
	int plain;
	pid_t server;
	pid_t pager;
	int vmo;
	unsigned char *mem;
};

FIXTURE_VARIANT(pager) {
	char *const *server;
};

FIXTURE_VARIANT_ADD(pager, file) {
	.server = file_server,
};

FIXTURE_VARIANT_ADD(pager, nbdkit) {
	.server = nbdkit,
};

FIXTURE_VARIANT_ADD(pager, qemu_nbd) {
	.server = qemu_nbd,
};

static int begin_server(char *const *server, pid_t *pid)
{
	int fd;

	*pid = 0;
	if (!server[0])
		return 0;
	unlink(NBD);
	*pid = begin_process(server);
	fd = ask_dial(NBD, GUARD);
	if (fd < 0)
		return -errno;
	return close(fd);
}

static int begin_pager(char *const *server, char *option, pid_t *pid)
{
	char *argv[] = {
		"/usr/bin/cowvmo-pager", "-s", DOOR, "-w", "0", option,
		server[0] ? "nbd+unix:///?socket=" NBD : IMAGE, NULL,
	};

	unlink(DOOR);
	*pid = begin_process(argv);
	return order("fd");
}

static bool mount_tree(void)
{
	static const char *const dirs[] = { "/dev", "/proc", DISK };
	char to[64];
	unsigned int i;

	if (!access(ROOT "/dev/cowvmo", F_OK))
		return true;
	for (i = 0; i < 3; i++) {
		snprintf(to, sizeof(to), ROOT "%s", dirs[i]);
		if (mount(dirs[i], to, NULL, MS_BIND, NULL))
			return false;
	}
	return true;
}

FIXTURE_SETUP(pager)
{
	int image;

	self->pager = 0;
	self->server = 0;
	ASSERT_TRUE(mount_tree());
	image = make_file(IMAGE);
	ASSERT_LE(0, image);
	close(image);
	self->plain = make_file(PLAIN);
	ASSERT_LE(0, self->plain);
	ASSERT_EQ(0, begin_server(variant->server, &self->server));
	self->vmo = begin_pager(variant->server, "-j4", &self->pager);
	ASSERT_LT(0, self->vmo);
	self->mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(pager)
{
	if (self->pager)
		EXPECT_EQ(-SIGKILL, end_process(self->pager, SIGKILL));
	if (self->server)
		end_process(self->server, SIGKILL);
	munmap(self->mem, PAGES * PG);
	close(self->vmo);
	close(self->plain);
}

/* The same to the VMO, through the mapping, and to the plain file. */
static void edit(struct __test_metadata *_metadata, unsigned char *mem,
		 int plain, unsigned int seed, unsigned int edits)
{
	unsigned char buf[3000];
	unsigned int i, n, j;
	__u64 at;

	srand(seed);
	for (i = 0; i < edits; i++) {
		at = rand() % (SIZE - sizeof(buf));
		n = 1 + rand() % sizeof(buf);
		for (j = 0; j < n; j++)
			buf[j] = rand();
		memcpy(mem + at, buf, n);
		ASSERT_EQ(n, pwrite(plain, buf, n, at));
	}
}

static long image_like(int plain)
{
	int fd = open(IMAGE, O_RDONLY);
	long same = same_files(fd, plain);

	close(fd);
	return same;
}

TEST_F_TIMEOUT(pager, content_comes_when_it_is_wanted, 300)
{
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
	EXPECT_EQ(0, self->mem[SIZE]);
	EXPECT_LT(0, stat_of("requests"));
	EXPECT_EQ(0, stat_of("failed"));
	EXPECT_EQ(0, stat_of("written-bytes"));
	/* Only the kernel knows of a hole in a file; an NBD read does not tell. */
	if (!variant->server[0])
		EXPECT_LE(MIB, stat_of("zero-bytes"));
}

TEST_F_TIMEOUT(pager, what_is_written_is_written_back, 300)
{
	unsigned int round;

	for (round = 0; round < 3; round++) {
		edit(_metadata, self->mem, self->plain, round, EDITS);
		ASSERT_EQ(0, order("sync"));
		EXPECT_EQ(SIZE, image_like(self->plain));
		EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
	}
	EXPECT_EQ(3, stat_of("rounds"));
	EXPECT_EQ(0, stat_of("write-errors"));
	/* Nothing is dirty any more. */
	ASSERT_EQ(0, order("sync"));
	EXPECT_EQ(3, stat_of("rounds"));
}

TEST_F_TIMEOUT(pager, zeros_are_written_back, 300)
{
	static const char zeros[3 * PG];

	ASSERT_EQ(0, vmo_zero(self->vmo, 2 * MIB, 3 * PG));
	ASSERT_EQ(sizeof(zeros), pwrite(self->plain, zeros, sizeof(zeros),
					2 * MIB));
	ASSERT_EQ(0, order("sync"));
	EXPECT_EQ(SIZE, image_like(self->plain));
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
}

TEST_F_TIMEOUT(pager, the_end_writes_back, 300)
{
	edit(_metadata, self->mem, self->plain, 7, EDITS);
	EXPECT_EQ(0, end_process(self->pager, SIGTERM));
	self->pager = 0;
	EXPECT_EQ(SIZE, image_like(self->plain));
}

/* Waits until the pager is done with what it has been told by a signal. */
TEST_F_TIMEOUT(pager, a_signal_writes_back, 300)
{
	edit(_metadata, self->mem, self->plain, 8, 20);
	ASSERT_EQ(0, kill(self->pager, SIGHUP));
	while (!stat_of("rounds"))
		usleep(10000);
	EXPECT_EQ(SIZE, image_like(self->plain));
}

/* Those that are there stay; the others fail, and say why. */
TEST_F_TIMEOUT(pager, the_pager_is_killed, 300)
{
	struct task task = { .kind = TASK_LOAD, .fd = self->vmo, .page = 2500,
			     .mem = self->mem };
	struct sigaction bus = { .sa_handler = task_sigbus };

	sigaction(SIGBUS, &bus, NULL);
	edit(_metadata, self->mem, self->plain, 9, 20);
	ASSERT_EQ(0, order("sync"));
	self->mem[0] ^= 0xff;
	EXPECT_EQ(-SIGKILL, end_process(self->pager, SIGKILL));
	self->pager = 0;
	/* It was never read. */
	EXPECT_EQ(-EPIPE, vmo_get_byte(self->vmo, 2600 * PG));
	EXPECT_EQ(TASK_SIGBUS, task_touch(&task));
	EXPECT_EQ(EPIPE, task.error);
	/* What was dirty is not lost to those who have the VMO. */
	EXPECT_EQ((unsigned char)~byte_at(0), self->mem[0]);
	/* What had been written back is all that there is. */
	EXPECT_EQ(SIZE, image_like(self->plain));
}

TEST_F_TIMEOUT(pager, the_server_is_killed_and_comes_back, 300)
{
	if (!variant->server[0])
		SKIP(return, "a file has no server");
	edit(_metadata, self->mem, self->plain, 10, 20);
	EXPECT_EQ(-SIGKILL, end_process(self->server, SIGKILL));
	EXPECT_EQ(-EIO, vmo_get_byte(self->vmo, 2700 * PG));
	EXPECT_EQ(-1, order("sync"));
	EXPECT_LT(0, stat_of("failed"));
	EXPECT_LT(0, stat_of("write-errors"));
	ASSERT_EQ(0, begin_server(variant->server, &self->server));
	/* Each thread has a connection, and each is made anew. */
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
	ASSERT_EQ(0, order("sync"));
	EXPECT_EQ(SIZE, image_like(self->plain));
}

/* --- Options */

TEST_F_TIMEOUT(pager, read_only, 300)
{
	int original = make_file(DISK "/original");

	ASSERT_EQ(0, end_process(self->pager, SIGTERM));
	self->vmo = begin_pager(variant->server, "-r", &self->pager);
	ASSERT_LT(0, self->vmo);
	munmap(self->mem, PAGES * PG);
	self->mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	edit(_metadata, self->mem, self->plain, 11, 20);
	EXPECT_EQ(0, order("sync"));
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
	EXPECT_EQ(0, end_process(self->pager, SIGTERM));
	self->pager = 0;
	EXPECT_EQ(SIZE, image_like(original));
	close(original);
}

TEST_F_TIMEOUT(pager, prefetch, 300)
{
	/* The hole of a file takes no memory. */
	const __u64 pages = variant->server[0] ? PAGES : PAGES - 256;
	struct cowvmo_get_info info;

	ASSERT_EQ(0, end_process(self->pager, SIGTERM));
	self->vmo = begin_pager(variant->server, "-p", &self->pager);
	ASSERT_LT(0, self->vmo);
	do {
		usleep(50000);
		ASSERT_EQ(0, vmo_info(self->vmo, &info, COWVMO_INFO_MEMORY));
	} while (info.out_populated_bytes < pages * PG);
	/* Nobody is asked for anything any more. */
	EXPECT_EQ(-SIGKILL, end_process(self->pager, SIGKILL));
	self->pager = 0;
	munmap(self->mem, PAGES * PG);
	self->mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ);
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
}

/* Another pager for the same source, with an option. */
static void restart(struct __test_metadata *_metadata, pid_t *pager, int *vmo,
		    unsigned char **mem, char *const *server, char *option)
{
	EXPECT_EQ(0, end_process(*pager, SIGTERM));
	munmap(*mem, PAGES * PG);
	close(*vmo);
	*vmo = begin_pager(server, option, pager);
	ASSERT_LT(0, *vmo);
	*mem = vmo_map(*vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, *mem);
}

TEST_F_TIMEOUT(pager, written_back_when_it_is_time, 300)
{
	restart(_metadata, &self->pager, &self->vmo, &self->mem,
		variant->server, "-w1");
	edit(_metadata, self->mem, self->plain, 12, 20);
	while (!stat_of("rounds"))
		usleep(100000);
	EXPECT_EQ(SIZE, same_memory(self->mem, self->plain));
	ASSERT_EQ(0, order("sync"));
	EXPECT_EQ(SIZE, image_like(self->plain));
}

/* What the kernel reads for a system call: not without the grant. */
TEST_F_TIMEOUT(pager, faults_of_the_kernel, 300)
{
	int out = open(DISK "/out", O_RDWR | O_CREAT | O_TRUNC, 0600);

	EXPECT_EQ(-EFAULT, vmo_ret(write(out, self->mem + 900 * PG, PG)));
	restart(_metadata, &self->pager, &self->vmo, &self->mem,
		variant->server, "-k");
	EXPECT_EQ(PG, vmo_ret(write(out, self->mem + 900 * PG, PG)));
	close(out);
}

/* A server that is there and says nothing: whoever waits is let go. */
TEST_F_TIMEOUT(pager, the_server_hangs, 300)
{
	if (!variant->server[0])
		SKIP(return, "a file has no server");
	restart(_metadata, &self->pager, &self->vmo, &self->mem,
		variant->server, "-t500");
	ASSERT_EQ(0, kill(self->server, SIGSTOP));
	EXPECT_EQ(-ETIMEDOUT, vmo_get_byte(self->vmo, 700 * PG));
	ASSERT_EQ(0, kill(self->server, SIGCONT));
	/* It may take as long again; then it is there. */
	while (vmo_get_byte(self->vmo, 700 * PG) == -ETIMEDOUT)
		usleep(10000);
	EXPECT_EQ(byte_at(700 * PG), vmo_get_byte(self->vmo, 700 * PG));
}

TEST_F_TIMEOUT(pager, orders, 300)
{
	char *argv[] = {
		"/usr/bin/cowvmo-pager", "-c", DOOR, "stat", NULL,
	};

	EXPECT_EQ(-1, order("nonsense"));
	EXPECT_EQ(0, end_of(begin_process(argv)));
	argv[3] = "nonsense";
	EXPECT_EQ(1, end_of(begin_process(argv)));
	argv[3] = "stop";
	EXPECT_EQ(0, end_of(begin_process(argv)));
	EXPECT_EQ(0, end_of(self->pager));
	self->pager = 0;
	EXPECT_EQ(1, end_of(begin_process(argv)));
}

/* Sources that are none. */
TEST(no_source)
{
	char *argv[] = {
		"/usr/bin/cowvmo-pager", "/nothing/there", NULL,
	};

	ASSERT_TRUE(mount_tree());
	EXPECT_EQ(1, end_of(begin_process(argv)));
	argv[1] = "nbd+unix:///?socket=/nothing/there";
	EXPECT_EQ(1, end_of(begin_process(argv)));
	argv[1] = "-x";
	EXPECT_EQ(2, end_of(begin_process(argv)));
	argv[1] = "/dev";
	EXPECT_EQ(1, end_of(begin_process(argv)));
}

TEST_HARNESS_MAIN
