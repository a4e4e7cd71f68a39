// SPDX-License-Identifier: GPL-2.0
/*
 * The rounds. Every row is measured in every round, its sides one after the
 * other and in turns first, so that whatever drifts in the guest drifts for
 * both. Round 0 warms up and is for whoever reads the log; it does not count.
 *
 * The clock is CLOCK_MONOTONIC_RAW. In a guest whose clock counts
 * instructions (QEMU's -icount shift=0) a nanosecond is an instruction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define DEFAULT_ROUNDS	6

static const struct bench_row *const tables[] = {
	snapshot_rows, fault_rows, cost_rows, exchange_rows, pin_rows,
	pager_rows,
};

static const struct bench_row *const smp_tables[] = {
	pager_smp_rows,
};

void die(const char *what)
{
	printf("BENCH-FAILED %s: %s\n", what, strerror(errno));
	exit(1);
}

u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

u64 median(u64 *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

/* Let the kernel free what it frees later: RCU, work queues, exiting tasks. */
void settle(void)
{
	struct timespec t = { .tv_nsec = 50000000 };

	nanosleep(&t, NULL);
}

/* The numbers below pages, in an order that only seed decides. */
void shuffle(unsigned int *index, unsigned int pages, unsigned int seed)
{
	u64 state = seed * 0x9e3779b97f4a7c15ULL + 1;
	unsigned int i, j, t;

	for (i = 0; i < pages; i++)
		index[i] = i;
	for (i = pages - 1; i > 0; i--) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (state >> 33) % (i + 1);
		t = index[i];
		index[i] = index[j];
		index[j] = t;
	}
}

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", name, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Every process of a real system is in some memory cgroup: be in one too. */
static void enter_cgroup(void)
{
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir("/sys/fs/cgroup/bench", 0755);
	write_file("/sys/fs/cgroup/bench/cgroup.procs", "0");
}

/*
 * Nothing else shall run in the middle of what is timed, a forked child
 * least of all: be a real-time process whose children are not.
 */
static void be_undisturbed(void)
{
	struct sched_param param = { .sched_priority = 1 };

	write_file("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		die("SCHED_FIFO");
}

static void raise_file_limit(void)
{
	struct rlimit limit = { 8192, 8192 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
}

static void print_file(const char *what, const char *name)
{
	char text[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		n = 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	printf("# %s: %s\n", what, text);
	if (fd >= 0)
		close(fd);
}

static void print_machine(void)
{
	struct utsname u;

	uname(&u);
	printf("# kernel: %s %s\n", u.release, u.version);
	print_file("command line", "/proc/cmdline");
	print_file("clock source",
		   "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	print_file("cgroup", "/proc/self/cgroup");
	print_file("huge pages", "/sys/kernel/mm/transparent_hugepage/enabled");
}

static void run_side(const struct bench_row *row, const struct bench_side *side,
		     unsigned int round)
{
	double value;

	settle();
	value = side->run(round);
	printf("BENCH row=%s who=%s unit=%s value=%.2f round=%u\n", row->name,
	       side->who, row->unit, value, round);
	fflush(stdout);
}

static void run_row(const struct bench_row *row, unsigned int round)
{
	unsigned int n = 0, i;

	while (n < 3 && row->sides[n].who)
		n++;
	for (i = 0; i < n; i++) {
		const struct bench_side *side = &row->sides[(i + round) % n];

		if (!side->needs_module || vmo_present())
			run_side(row, side, round);
	}
}

static bool chosen(const struct bench_row *row, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, row->name))
			return true;
	return false;
}

static void run_table(const struct bench_row *row, char **names,
		      unsigned int round)
{
	for (; row->name; row++)
		if (chosen(row, names) && (!row->rounds || round < row->rounds))
			run_row(row, round);
}

static void run_round(char **names, unsigned int round)
{
	unsigned int i;

	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		for (i = 0; i < ARRAY_SIZE(smp_tables); i++)
			run_table(smp_tables[i], names, round);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		run_table(tables[i], names, round);
}

int main(int argc, char **argv)
{
	unsigned int rounds = DEFAULT_ROUNDS, round;
	int opt;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt != 'r') {
			fprintf(stderr, "usage: %s [-r rounds] [row...]\n", *argv);
			return 2;
		}
		rounds = strtoul(optarg, NULL, 0);
	}
	raise_file_limit();
	enter_cgroup();
	be_undisturbed();
	print_machine();
	for (round = 0; round <= rounds; round++)
		run_round(argv + optind, round);
	printf("BENCH-DONE\n");
	return 0;
}
