// SPDX-License-Identifier: GPL-2.0
/*
 * lazydemo PAGER DATA DIR: files below DATA as one data set in DIR, larger than
 * the memory that this program may use, served on demand by PAGER, edited
 * through a mapping and written back; checked against the same edits done with
 * ordinary file I/O. Then once more, and the pager is killed half-way.
 *
 * Exits with an error, and says BAD, if anything is not as it should be.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/cowvmo_pager.h>

#include "../ask.h"

#define MIB		(1024 * 1024ULL)
#define PAGE		4096ULL
#define SIZE		(96 * MIB)
#define LIMIT_MIB	40
#define EDITS		3000
#define CGROUP		"/sys/fs/cgroup/lazydemo"

static char served[4096], plain[4096], door[100];
static unsigned int bad;

static void verdict(bool good, const char *what)
{
	printf("  %-58s %s\n", what, good ? "ok" : "BAD");
	bad += !good;
	fflush(stdout);
}

/*
 * The data set
 */

static int data_fd;
static uint64_t data_size;

static int add_file(const char *name, const struct stat *st, int type,
		    struct FTW *ftw)
{
	static char buf[65536];
	int fd = -1;
	ssize_t got;

	(void)st;
	(void)ftw;
	if (type == FTW_F)
		fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (data_size < SIZE && (got = read(fd, buf, sizeof(buf))) > 0) {
		if ((uint64_t)got > SIZE - data_size)
			got = SIZE - data_size;
		if (write(data_fd, buf, got) != got)
			err(1, "%s", served);
		data_size += got;
	}
	close(fd);
	return data_size == SIZE;
}

static void make_data(const char *from)
{
	uint64_t before;

	data_fd = open(served, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (data_fd < 0)
		err(1, "%s", served);
	do {
		before = data_size;
		if (nftw(from, add_file, 32, FTW_PHYS) < 0)
			err(1, "%s", from);
	} while (data_size < SIZE && data_size > before);
	if (data_size != SIZE)
		errx(1, "%s: no files", from);
	close(data_fd);
}

static void copy_data(void)
{
	int from = open(served, O_RDONLY), to;
	loff_t at = 0;

	to = open(plain, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		err(1, "%s", plain);
	while ((uint64_t)at < SIZE) {
		if (copy_file_range(from, &at, to, NULL, SIZE - at, 0) <= 0)
			err(1, "%s", plain);
	}
	close(from);
	close(to);
}

static void digest(const char *name, char *to)
{
	char command[8192];
	FILE *out;

	snprintf(command, sizeof(command), "sha256sum '%s'", name);
	out = popen(command, "r");
	if (!out || fscanf(out, "%64s", to) != 1 || pclose(out))
		errx(1, "sha256sum %s", name);
}

static bool same_digest(void)
{
	char a[65], b[65];

	digest(served, a);
	digest(plain, b);
	printf("  sha256 %.16s... and %.16s...\n", a, b);
	return !strcmp(a, b);
}

/*
 * A limit for the memory of this program and of the pager
 */

static bool write_text(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static void limit_memory(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", LIMIT_MIB * MIB);
	mkdir(CGROUP, 0755);
	if (write_text(CGROUP "/memory.max", text) &&
	    write_text(CGROUP "/memory.swap.max", "0") &&
	    write_text(CGROUP "/cgroup.procs", "0"))
		printf("data set %llu MiB, memory limit %u MiB\n", SIZE / MIB,
		       LIMIT_MIB);
	else
		printf("data set %llu MiB; no memory limit here: %s\n",
		       SIZE / MIB, strerror(errno));
}

/*
 * The pager
 */

/* The descriptor that came with the answer, 0 if none, -1: it was an error. */
static int ask(const char *word)
{
	char text[1024];
	int fd;

	if (ask_word(door, 30, word, text, sizeof(text), &fd) < 0)
		err(1, "asking the pager");
	if (strncmp(text, "ok", 2))
		return -1;
	return fd < 0 ? 0 : fd;
}

static pid_t begin_pager(const char *program, int *vmo, char **map)
{
	pid_t pid = fork();

	if (!pid) {
		execl(program, program, "-s", door, "-w", "0", "-a", "64",
		      served, NULL);
		err(1, "%s", program);
	}
	*vmo = ask("fd");
	if (*vmo <= 0)
		errx(1, "no VMO");
	*map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *vmo, 0);
	if (*map == MAP_FAILED)
		err(1, "mmap");
	return pid;
}

/*
 * Edits
 */

static sigjmp_buf on_bus;

static void bus(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

/* An edit is within a page, so that it is done or not done. */
static void make_edit(unsigned int *seed, uint64_t *at, char *text,
		      unsigned int *length)
{
	unsigned int page = rand_r(seed) % (SIZE / PAGE), i;

	*length = 1 + rand_r(seed) % 200;
	*at = page * PAGE + rand_r(seed) % (PAGE - *length);
	for (i = 0; i < *length; i++)
		text[i] = rand_r(seed);
}

/* Reads what was there before it writes. Returns whether it could. */
static bool edit_map(char *map, int file, uint64_t at, const char *text,
		     unsigned int length, bool *right)
{
	char was[256];

	if (pread(file, was, length, at) != (ssize_t)length)
		err(1, "%s", plain);
	if (sigsetjmp(on_bus, 1))
		return false;
	if (memcmp(map + at, was, length))
		*right = false;
	memcpy(map + at, text, length);
	return true;
}

static void edit_both(char *map, int file, unsigned int seed,
		      unsigned int edits, bool *right)
{
	unsigned int length, i;
	char text[256];
	uint64_t at;

	for (i = 0; i < edits; i++) {
		make_edit(&seed, &at, text, &length);
		if (!edit_map(map, file, at, text, length, right))
			errx(1, "SIGBUS, though the pager lives");
		if (pwrite(file, text, length, at) != (ssize_t)length)
			err(1, "%s", plain);
	}
}

static uint64_t populated(int vmo)
{
	struct cowvmo_get_info info = {
		.size = sizeof(info), .want = COWVMO_INFO_MEMORY,
	};

	if (ioctl(vmo, COWVMO_IOC_GET_INFO, &info))
		err(1, "GET_INFO");
	return info.out_populated_bytes;
}

static void first_round(const char *program, int file)
{
	bool right = true;
	int vmo, status;
	uint64_t held;
	pid_t pid;
	char *map;

	printf("\nserved on demand, edited through a mapping, written back\n");
	pid = begin_pager(program, &vmo, &map);
	edit_both(map, file, 1, EDITS, &right);
	held = populated(vmo);
	printf("  %u edits; %.1f of %llu MiB were fetched\n", EDITS,
	       (double)held / MIB, SIZE / MIB);
	verdict(right, "what was read before each edit was right");
	verdict(held < SIZE / 2, "less than half of it was ever in memory");
	verdict(!ask("sync"), "written back on demand");
	verdict(same_digest(), "the file is what ordinary I/O makes of it");
	edit_both(map, file, 2, EDITS / 10, &right);
	verdict(!kill(pid, SIGTERM) && waitpid(pid, &status, 0) == pid &&
		!status, "more edits; the pager writes them back and ends");
	verdict(same_digest(), "the file is again what it should be");
	munmap(map, SIZE);
	close(vmo);
}

/* Once the pager is dead: what of the edits could still be made. */
struct outcome {
	unsigned int made;
	unsigned int refused;
	bool reason;
	bool kept;
};

static bool refused_for(int vmo, uint64_t at, int error)
{
	struct cowvmo_fault_error arg = {
		.size = sizeof(arg), .offset = at,
	};

	return !ioctl(vmo, COWVMO_IOC_GET_FAULT_ERROR, &arg) &&
	       (int)arg.out_error == error;
}

static void edit_orphan(int vmo, char *map, int file, unsigned int seed,
			struct outcome *outcome)
{
	unsigned int length, i;
	bool right = true;
	char text[256];
	uint64_t at;

	for (i = 0; i < EDITS; i++) {
		make_edit(&seed, &at, text, &length);
		if (!edit_map(map, file, at, text, length, &right)) {
			outcome->refused++;
			outcome->reason &= refused_for(vmo, at, EPIPE);
			continue;
		}
		outcome->made++;
		outcome->kept &= right && !memcmp(map + at, text, length);
		if (pwrite(file, text, length, at) != (ssize_t)length)
			err(1, "%s", plain);
	}
}

static void second_round(const char *program, int file)
{
	struct outcome outcome = { .reason = true, .kept = true };
	bool right = true;
	char before[65], after[65];
	int vmo, status;
	pid_t pid;
	char *map;

	printf("\nthe same, and the pager is killed half-way\n");
	pid = begin_pager(program, &vmo, &map);
	edit_both(map, file, 3, EDITS / 2, &right);
	verdict(!ask("sync") && same_digest(), "half of the edits are written back");
	digest(served, before);
	kill(pid, SIGKILL);
	verdict(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
		"the pager is dead");
	edit_orphan(vmo, map, file, 4, &outcome);
	printf("  %u edits to what was there, %u to what was not\n",
	       outcome.made, outcome.refused);
	verdict(outcome.made && outcome.kept && right,
		"what was there can be read and written");
	verdict(outcome.refused && outcome.reason,
		"what was not gives SIGBUS, and EPIPE as the reason");
	digest(served, after);
	verdict(!strcmp(before, after), "the file has what was written back");
	munmap(map, SIZE);
	close(vmo);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = bus, .sa_flags = SA_NODEFER };
	int file;

	if (argc != 4)
		errx(2, "usage: lazydemo PAGER DATA DIR");
	snprintf(served, sizeof(served), "%s/served", argv[3]);
	snprintf(plain, sizeof(plain), "%s/plain", argv[3]);
	snprintf(door, sizeof(door), "%s/door", argv[3]);
	sigaction(SIGBUS, &action, NULL);
	make_data(argv[2]);
	copy_data();
	sync();
	limit_memory();
	file = open(plain, O_RDWR | O_CLOEXEC);
	if (file < 0)
		err(1, "%s", plain);
	first_round(argv[1], file);
	second_round(argv[1], file);
	close(file);
	unlink(served);
	unlink(plain);
	printf("\nlazydemo: %s\n", bad ? "BAD" : "all as it should be");
	return bad != 0;
}
