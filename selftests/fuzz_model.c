// SPDX-License-Identifier: GPL-2.0
/*
 * The model fuzzer: random operations on many VMOs, slices, references and
 * mappings, compared with a trivial model after each step: content, sizes,
 * family, attribution.
 *
 * FUZZ_SEED=n		where to begin; printed, random otherwise
 * FUZZ_STEPS=n		operations in all; a million for a soak
 * FUZZ_VALIDATE=n	run the module's validators every n steps; 0: never
 * FUZZ_CHECK=n		compare all content every n steps, a part after each
 * FUZZ_REPLAY=file	repeat the operations of a file, as printed on failure
 *
 * The steps are done in segments, each in a process and with VMOs of its own,
 * with a seed that follows from the first. When one fails, ever smaller parts
 * of it are repeated, and the smallest that fails is printed.
 */
#include "fuzz_check.h"

#include <time.h>

#define FUZZ_OP		struct f_op
#define SEGMENT		1000U

struct settings {
	__u64 seed;
	unsigned long steps;
	unsigned long validate;
	unsigned long check;
};

/* Shared with the process that does the work: what it did is seen here even
 * if it is killed.
 */
struct record {
	unsigned int done;
	/* of each kind, how often it was done, and refused as it should be */
	unsigned long did[F_KINDS];
	unsigned long refused[F_KINDS];
	struct f_op op[SEGMENT];
	struct f_verdict verdict;
};

static struct settings settings;
static struct record *record;

#include "fuzz_shrink.h"

static void check_after(struct model *m, __u64 *rnd, unsigned int step,
			const struct settings *how)
{
	if (how->check && step % how->check == 0)
		f_check_all(m);
	f_check_step(m, rnd);
	if (how->validate && step % how->validate == 0)
		f_want("validate", vmo_validate(), 0);
}

static void check_at_end(struct model *m)
{
	unsigned int i;

	f_check_all(m);
	for (i = 0; i < M_MAPS; i++)
		f_look(m, i);
	f_check_all(m);
	f_want("validate", vmo_validate(), 0);
}

/* Returns false if it does not fit the state. */
static bool apply(struct model *m, const struct f_op *op)
{
	f_refused = false;
	if (!f_apply(m, op))
		return false;
	if (f_refused)
		record->refused[op->kind]++;
	else
		record->did[op->kind]++;
	return true;
}

static void run_random(__u64 seed, unsigned int steps)
{
	__u64 rnd = seed * 2 + 1, look = seed | 1;
	struct model *m = calloc(1, sizeof(*m));
	unsigned int i;

	for (i = 0; i < steps; i++) {
		f_make(m, &rnd, &record->op[i]);
		record->done = i + 1;
		if (apply(m, &record->op[i]))
			check_after(m, &look, i, &settings);
	}
	check_at_end(m);
}

/*
 * Repeats operations, checking everything after each; running the validators
 * too takes time, and is done where they were what failed, or in a replay.
 */
static void run_list(const struct list *list)
{
	const struct settings thorough = {
		.validate = !record->verdict.why[0] ||
			    strstr(record->verdict.why, "validate"),
		.check = 1,
	};
	struct model *m = calloc(1, sizeof(*m));
	__u64 look = 1;
	unsigned int i;

	for (i = 0; i < list->ops; i++) {
		record->done = i + 1;
		if (f_apply(m, &list->op[i]))
			check_after(m, &look, i, &thorough);
	}
	check_at_end(m);
}

static void begin_run(void)
{
	f_catch_faults();
}

static void print_op(const struct f_op *op)
{
	f_print(stdout, "#   ", op);
}

static void replay(const char *path)
{
	static struct list list;
	FILE *file = fopen(path, "r");
	char line[256];

	if (!file)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	while (list.ops < SEGMENT && fgets(line, sizeof(line), file))
		if (!f_parse(line, &list.op[list.ops]))
			list.ops++;
	fclose(file);
	ksft_set_plan(1);
	if (!passes(&list, 0, 0))
		ksft_print_msg("step %u: %s\n", record->done,
			       record->verdict.why);
	ksft_test_result(!record->verdict.why[0], "%u operations once more\n",
			 list.ops);
}

/* So that it shows when the fuzzer does not get to do something any more. */
static void print_counts(void)
{
	unsigned int i;

	for (i = 0; i < F_KINDS; i++)
		ksft_print_msg("%s: %lu done, %lu refused\n", f_names[i].name,
			       record->did[i], record->refused[i]);
}

int main(void)
{
	const char *path = getenv("FUZZ_REPLAY");

	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (record == MAP_FAILED)
		return KSFT_FAIL;
	f_verdict = &record->verdict;
	settings.seed = setting("FUZZ_SEED", time(NULL) * 1000 + getpid());
	settings.steps = setting("FUZZ_STEPS", 3000);
	settings.validate = setting("FUZZ_VALIDATE", 16);
	settings.check = setting("FUZZ_CHECK", 16);

	ksft_print_header();
	ksft_print_msg("FUZZ_SEED=%llu FUZZ_STEPS=%lu\n",
		       (unsigned long long)settings.seed, settings.steps);
	if (path) {
		replay(path);
	} else {
		run_segments();
		print_counts();
	}
	ksft_finished();
}
