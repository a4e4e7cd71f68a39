/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running random operations in processes of their own, and reducing a list of
 * them that fails to the smallest that still does.
 *
 * Whoever includes this defines FUZZ_OP, an operation, and SEGMENT, how many
 * are done with the same objects; settings.seed and .steps; and
 *
 *	run_random()	does operations of its own choice, and puts them into
 *			record->op; ends the process where one fails
 *	run_list()	does those of a list
 *	begin_run()	prepares the process that does either
 *	print_op()	prints one
 */
#ifndef COWVMO_SELFTEST_FUZZ_SHRINK_H
#define COWVMO_SELFTEST_FUZZ_SHRINK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Whoever runs us may stop us: rather a longer sequence than none */
#define SHRINK_SECONDS	60
/* A segment that takes longer than this hangs. */
#define HANG_SECONDS	600U

struct list {
	__u64 seed;
	unsigned int ops;
	FUZZ_OP op[SEGMENT];
};

static void run_random(__u64 seed, unsigned int steps);
static void run_list(const struct list *list);
static void begin_run(void);
static void print_op(const FUZZ_OP *op);

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

/* In a process of its own; true when it found nothing. */
static bool passes(const struct list *list, __u64 seed, unsigned int steps)
{
	int status = 0;
	pid_t pid;

	record->done = 0;
	record->verdict.why[0] = '\0';
	pid = fork();
	if (!pid) {
		alarm(HANG_SECONDS);
		begin_run();
		if (list)
			run_list(list);
		else
			run_random(seed, steps);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (WIFSIGNALED(status))
		snprintf(record->verdict.why, sizeof(record->verdict.why),
			 "killed by signal %d", WTERMSIG(status));
	return !status;
}

static void remove_part(struct list *to, const struct list *from,
			unsigned int at, unsigned int ops)
{
	to->seed = from->seed;
	to->ops = from->ops - ops;
	memcpy(to->op, from->op, at * sizeof(to->op[0]));
	memcpy(to->op + at, from->op + at + ops,
	       (to->ops - at) * sizeof(to->op[0]));
}

/* One round over the list with parts of @ops; true if any could go. */
static bool shrink_by(struct list *list, unsigned int ops, time_t end)
{
	static struct list smaller;
	bool gone = false;
	unsigned int at;

	for (at = 0; at + ops <= list->ops && time(NULL) < end;) {
		remove_part(&smaller, list, at, ops);
		if (passes(&smaller, 0, 0)) {
			at += ops;
			continue;
		}
		smaller.ops = record->done;
		*list = smaller;
		gone = true;
	}
	return gone;
}

/* Removes whatever can be removed while it still fails in some way. */
static void shrink(struct list *list)
{
	time_t end = time(NULL) + SHRINK_SECONDS;
	unsigned int ops = list->ops / 2;
	bool gone;

	while (ops && time(NULL) < end) {
		gone = shrink_by(list, ops, end);
		if (ops > 1)
			ops /= 2;
		else if (!gone)
			break;
	}
}

static void print_list(const struct list *list)
{
	unsigned int i;

	fflush(stdout);
	for (i = 0; i < list->ops; i++)
		print_op(&list->op[i]);
	fflush(stdout);
}

static void explain(__u64 seed)
{
	static struct list list, whole;

	ksft_print_msg("FUZZ_SEED=%llu, step %u: %s\n",
		       (unsigned long long)seed, record->done,
		       record->verdict.why);
	list.seed = seed;
	list.ops = record->done;
	memcpy(list.op, record->op, sizeof(list.op));
	whole = list;
	if (passes(&list, 0, 0)) {
		ksft_print_msg("does not fail again; all of it:\n");
		print_list(&whole);
		return;
	}
	shrink(&list);
	passes(&list, 0, 0);
	ksft_print_msg("smallest sequence: %s\n", record->verdict.why);
	print_list(&list);
}

/* One result for each segment; the first few that fail are explained. */
static void run_segments(void)
{
	unsigned int segments = (settings.steps + SEGMENT - 1) / SEGMENT;
	unsigned int i, failed = 0;

	ksft_set_plan(segments);
	for (i = 0; i < segments; i++) {
		__u64 seed = settings.seed + i;
		unsigned long left = settings.steps - i * (__u64)SEGMENT;
		unsigned int steps = left < SEGMENT ? left : SEGMENT;
		bool ok = passes(NULL, seed, steps);

		if (!ok && ++failed <= 3)
			explain(seed);
		ksft_test_result(ok, "FUZZ_SEED=%llu FUZZ_STEPS=%u\n",
				 (unsigned long long)seed, steps);
	}
}

#endif /* COWVMO_SELFTEST_FUZZ_SHRINK_H */
