// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots, all combinations of: mapped or not; who writes; what comes first
 * after the snapshot, reading or writing; the order in which parent, child and
 * grandchild are closed. Content, sharing and attribution are compared with
 * the model after every single step.
 */
#include "fuzz_check.h"

enum { PARENT, CHILD, GRANDCHILD, MEMBERS };

#define SNAPSHOT	COWVMO_CHILD_SNAPSHOT

/* Four pages with content and one without */
#define FILLED	4
#define PAGES	5

#define CASES	(2 * 2 * 3 * 6)

enum writers { W_PARENT = 1, W_CHILD = 2, W_BOTH = 3 };

struct matrix_case {
	bool mapped;
	bool read_first;
	enum writers writers;
	const unsigned char *order;
};

static const unsigned char orders[6][MEMBERS] = {
	{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
	{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
};

static const char *const member_names[] = { "parent", "child", "grandchild" };
static const char *const writer_names[] = { "", "parent", "child", "both" };

static struct model *model;

static void step(struct f_op op)
{
	if (!f_apply(model, &op))
		f_fail("%s does not apply", f_names[op.kind].name);
	f_check_all(model);
	f_want("validate", vmo_validate(), 0);
}

#define STEP(...)	step((struct f_op) { __VA_ARGS__ })

static void map_member(const struct matrix_case *c, unsigned int who)
{
	if (c->mapped)
		STEP(F_MAP, { who, who, 0, PAGES, PROT_READ | PROT_WRITE, 1 });
}

static void write_page(const struct matrix_case *c, unsigned int who,
		       __u64 page, __u64 seed)
{
	if (!model->vmo[who].used)
		return;
	if (c->mapped)
		STEP(F_STORE, { who, page, 8, 4000, seed });
	else
		STEP(F_WRITE, { who, page * PG + 8, 4000, seed });
}

/* Everybody looks at everything, mapped or not. */
static void read_members(const struct matrix_case *c)
{
	unsigned int who;

	for (who = 0; who < MEMBERS; who++)
		if (c->mapped && model->map[who].used)
			STEP(F_LOOK, { who });
	f_check_all(model);
}

static void write_members(const struct matrix_case *c, __u64 seed)
{
	if (c->writers & W_PARENT) {
		write_page(c, PARENT, 0, seed);
		write_page(c, PARENT, 2, seed + 1);
		write_page(c, PARENT, 4, seed + 2);
	}
	if (c->writers & W_CHILD) {
		write_page(c, CHILD, 1, seed + 3);
		write_page(c, CHILD, 2, seed + 4);
		write_page(c, GRANDCHILD, 2, seed + 5);
		write_page(c, GRANDCHILD, 3, seed + 6);
	}
}

static void after_snapshot(const struct matrix_case *c, __u64 seed)
{
	if (c->read_first)
		read_members(c);
	write_members(c, seed);
	read_members(c);
}

static void close_member(const struct matrix_case *c, unsigned int who)
{
	STEP(F_CLOSE, { who });
	if (c->mapped)
		STEP(F_UNMAP, { who, 0, PAGES });
	if (model->vmo[who].used)
		f_fail("%s is still there", member_names[who]);
}

static void run_case(const struct matrix_case *c)
{
	unsigned int i;

	model = calloc(1, sizeof(*model));
	STEP(F_CREATE, { PARENT, PAGES * PG, 0 });
	map_member(c, PARENT);
	for (i = 0; i < FILLED; i++)
		write_page(c, PARENT, i, i + 16);

	STEP(F_CLONE, { PARENT, CHILD, 0, PAGES * PG, 0, SNAPSHOT });
	map_member(c, CHILD);
	after_snapshot(c, 32);

	STEP(F_CLONE, { CHILD, GRANDCHILD, 0, PAGES * PG, 0, SNAPSHOT });
	map_member(c, GRANDCHILD);
	after_snapshot(c, 64);

	for (i = 0; i < MEMBERS; i++) {
		close_member(c, c->order[i]);
		after_snapshot(c, 96 + i * 16);
	}
}

/* In a process of its own, so that every case begins with nothing. */
static bool case_passes(const struct matrix_case *c)
{
	int status;
	pid_t pid;

	f_verdict->why[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (!pid) {
		f_catch_faults();
		run_case(c);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (status)
		ksft_print_msg("%s (status %#x)\n", f_verdict->why, status);
	return !status;
}

static void report_case(const struct matrix_case *c)
{
	const char *mapped = c->mapped ? "mapped" : "not mapped";
	const char *first = c->read_first ? "read" : "write";

	ksft_test_result(case_passes(c),
			 "%s, %s writes, %s first, closed %s %s %s\n",
			 mapped, writer_names[c->writers], first,
			 member_names[c->order[0]], member_names[c->order[1]],
			 member_names[c->order[2]]);
}

int main(void)
{
	unsigned int i;

	f_verdict = mmap(NULL, sizeof(*f_verdict), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ksft_print_header();
	ksft_set_plan(CASES);
	for (i = 0; i < CASES; i++) {
		struct matrix_case c = {
			.mapped = i & 1,
			.read_first = i & 2,
			.writers = 1 + i / 4 % 3,
			.order = orders[i / 12],
		};

		report_case(&c);
	}
	ksft_finished();
}
