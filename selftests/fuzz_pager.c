// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer of pagers: random operations on a VMO with a pager, on clones,
 * clones of clones and point-in-time snapshots of it, by a pager that answers
 * late, in part and with errors, writes back, and is detached; compared with the
 * model of fuzz_paged.h.
 *
 * FUZZ_SEED=n, FUZZ_STEPS=n, FUZZ_VALIDATE=n: as of fuzz_model.
 */
#include "fuzz_paged.h"

#include "kselftest.h"

#define FUZZ_OP		struct pp_op
#define SEGMENT		600U

enum pp_kind_of {
	PP_READ, PP_WRITE, PP_LOAD, PP_STORE, PP_ZERO, PP_RESIZE, PP_PREFETCH,
	PP_CLONE, PP_MODIFIED, PP_SNAPSHOT, PP_CLOSE, PP_SUPPLY, PP_WB_BEGIN,
	PP_WB_END, PP_DETACH, PP_KINDS,
};

static const char * const pp_names[PP_KINDS] = {
	"read", "write", "load", "store", "zero", "resize", "prefetch",
	"clone", "modified", "snapshot", "close", "supply", "wb_begin",
	"wb_end", "detach",
};

/* How often each, of 100 */
static const unsigned int pp_often[PP_KINDS] = {
	16, 14, 10, 10, 6, 4, 4, 6, 4, 4, 5, 4, 6, 6, 1,
};

/**
 * struct pp_op - an operation
 * @kind: which
 * @who: VMO, counted among those that are open
 * @at: half of a page, or page
 * @n: how many of them
 * @value: what is written
 */
struct pp_op {
	unsigned int kind, who, at, n;
	unsigned char value;
};

struct record {
	unsigned int done;
	unsigned long did[PP_KINDS], failed[PP_KINDS];
	struct pp_op op[SEGMENT];
	struct {
		char why[256];
	} verdict;
};

static struct {
	__u64 seed;
	unsigned long steps, validate;
} settings;

static struct record *record;

#include "fuzz_shrink.h"

/* Ends the process: what is here is not what should be. */
static void wrong(const char *what, long long seen, long long want)
{
	snprintf(record->verdict.why, sizeof(record->verdict.why),
		 "%s: %lld, not %lld", what, seen, want);
	_exit(1);
}

/* An error that the pager is the reason of? @failed: what it was before */
static void excused(struct pp_model *m, const char *what, long rc, int failed)
{
	bool pager = rc == -EIO || rc == -ENOSPC || rc == -EBADMSG;

	if (m->detached && rc == -EPIPE)
		return;
	if (pager && __atomic_load_n(&m->failed, __ATOMIC_SEQ_CST) != failed)
		return;
	wrong(what, rc, 0);
}

static int failed_so_far(struct pp_model *m)
{
	return __atomic_load_n(&m->failed, __ATOMIC_SEQ_CST);
}

/* The who'th of those that are open. */
static int choose(struct pp_model *m, unsigned int who)
{
	unsigned int live = 0, i;

	for (i = 0; i < m->nr; i++)
		live += m->vmo[i].fd >= 0;
	who %= live;
	for (i = 0;; i++) {
		if (m->vmo[i].fd >= 0 && !who--)
			return i;
	}
}

static unsigned int nr_live(struct pp_model *m)
{
	unsigned int live = 0, i;

	for (i = 0; i < m->nr; i++)
		live += m->vmo[i].fd >= 0;
	return live;
}

static unsigned char want_at(struct pp_model *m, int v, unsigned int half)
{
	return pp_value(m, v, m->vmo[v].base + half / 2, half % 2);
}

static void check_bytes(struct pp_model *m, int v, const unsigned char *buf,
			unsigned int half, long bytes)
{
	long i;

	for (i = 0; i < bytes; i++) {
		if (buf[i] != want_at(m, v, half + i / PP_HALF))
			wrong("content", buf[i],
			      want_at(m, v, half + i / PP_HALF));
	}
}

static bool do_read(struct pp_model *m, int v, const struct pp_op *op)
{
	static unsigned char buf[PP_PAGES * PG];
	unsigned int end = m->vmo[v].pages * 2, n = op->n;
	int failed = failed_so_far(m);
	long got;

	n = n < end - op->at ? n : end - op->at;
	got = vmo_ret(pread(m->vmo[v].fd, buf, n * PP_HALF,
			    op->at * PP_HALF));
	if (got < 0)
		excused(m, "read", got, failed);
	else if (got < (long)(n * PP_HALF) && failed_so_far(m) == failed &&
		 !m->detached)
		wrong("short read", got, n * PP_HALF);
	check_bytes(m, v, buf, op->at, got);
	return got >= 0;
}

static bool do_write(struct pp_model *m, int v, const struct pp_op *op)
{
	static unsigned char buf[PP_PAGES * PG];
	unsigned int end = m->vmo[v].pages * 2, n = op->n, i;
	int failed = failed_so_far(m);
	long put;

	n = n < end - op->at ? n : end - op->at;
	memset(buf, op->value, n * PP_HALF);
	put = vmo_ret(pwrite(m->vmo[v].fd, buf, n * PP_HALF,
			     op->at * PP_HALF));
	/* A snapshot lacks it, and it is wanted no more than that. */
	if (put < 0 && put != -EBUSY)
		excused(m, "write", put, failed);
	if (put > 0 && put % PP_HALF)
		wrong("part of a write", put, n * PP_HALF);
	for (i = 0; put > 0 && i < put / PP_HALF; i++)
		pp_set(m, v, m->vmo[v].base + (op->at + i) / 2,
		       (op->at + i) % 2, op->value);
	return put >= 0;
}

/* Through the mapping, where an error is a signal, and has a reason. */
static bool do_touch(struct pp_model *m, int v, const struct pp_op *op)
{
	unsigned char *at = m->vmo[v].map + op->at * PP_HALF;
	int failed = failed_so_far(m), error;

	if (sigsetjmp(task_env, 1)) {
		error = pager_fault_error(m->vmo[v].fd, op->at / 2);
		excused(m, "fault", -error, failed);
		return false;
	}
	if (op->kind == PP_LOAD) {
		check_bytes(m, v, at, op->at, PP_HALF);
		return true;
	}
	*(volatile unsigned char *)at = op->value;
	memset(at, op->value, PP_HALF);
	pp_set(m, v, m->vmo[v].base + op->at / 2, op->at % 2, op->value);
	return true;
}

static void zeroed(struct pp_model *m, int v, unsigned int page,
		   unsigned int n)
{
	unsigned int i, index = m->vmo[v].base + page;

	for (i = 0; i < n; i++) {
		m->vmo[v].value[index + i][0] = 0;
		m->vmo[v].value[index + i][1] = 0;
		m->vmo[v].own[index + i] = true;
	}
}

/* What the module says is dirty, of pages whose state cannot be told. */
static void learn_dirty(struct pp_model *m, unsigned int first,
			unsigned int end, bool more)
{
	struct dirty_pages dirty[PP_PAGES];
	bool is[PP_PAGES] = {};
	int i, nr;
	__u64 j;

	nr = pager_query(m->pager, pp_root(m)->fd, 0, pp_root(m)->pages, dirty,
			 PP_PAGES);
	for (i = 0; i < nr; i++) {
		for (j = 0; j < dirty[i].n; j++)
			is[dirty[i].page + j] = true;
	}
	for (; first < end; first++) {
		if (is[first] && !m->dirty[first] && !more)
			wrong("became dirty", first, -1);
		m->dirty[first] = is[first];
		m->awaiting[first] &= is[first];
	}
}

static bool do_zero(struct pp_model *m, int v, const struct pp_op *op)
{
	unsigned int page = op->at / 2, n = 1 + op->n / 2, i;
	int failed = failed_so_far(m);
	__u64 done = 0;
	int rc;

	n = n < m->vmo[v].pages - page ? n : m->vmo[v].pages - page;
	rc = vmo_op(m->vmo[v].fd, COWVMO_OP_ZERO, page * PG, n * PG, &done);
	if (rc && rc != -EBUSY)
		excused(m, "zero", rc, failed);
	if (done > n * PG || done % PG)
		wrong("zero: done", done, n * PG);
	if (!rc && done != n * PG)
		wrong("zero: done", done, n * PG);
	zeroed(m, v, page, done / PG);
	for (i = 0; !v && i < done / PG; i++)
		m->awaiting[page + i] = false;
	/* What read zero without being dirty needs not be written. */
	if (!v && done)
		learn_dirty(m, page, page + done / PG, true);
	return !rc;
}

static void shrunk(struct pp_model *m, unsigned int pages)
{
	unsigned int i;

	for (i = 1; i < m->nr; i++) {
		if (!m->vmo[i].up && m->vmo[i].up_end > pages)
			m->vmo[i].up_end = pages;
	}
	for (i = pages; i < PP_PAGES; i++) {
		memset(m->source[i], 0, 2);
		memset(pp_root(m)->value[i], 0, 2);
		m->dirty[i] = false;
		m->awaiting[i] = false;
		m->pending[i] = false;
	}
}

static bool do_resize(struct pp_model *m, const struct pp_op *op)
{
	unsigned int pages = 1 + op->at / 2, old = pp_root(m)->pages;
	int failed = failed_so_far(m), rc;

	if (pages > PP_PAGES)
		return false;
	rc = vmo_set_size(pp_root(m)->fd, pages * PG);
	if (rc) {
		if (rc != -EBUSY)
			excused(m, "resize", rc, failed);
		return false;
	}
	pp_root(m)->pages = pages;
	if (pages < old)
		shrunk(m, pages);
	else
		learn_dirty(m, old, pages, true);
	return true;
}

static bool do_prefetch(struct pp_model *m, int v, const struct pp_op *op)
{
	unsigned int page = op->at / 2, n = 1 + op->n / 2;
	int failed = failed_so_far(m), rc;

	n = n < m->vmo[v].pages - page ? n : m->vmo[v].pages - page;
	rc = vmo_op(m->vmo[v].fd, op->value % 2 ? COWVMO_OP_PREFETCH :
		    COWVMO_OP_ALWAYS_NEED, page * PG, n * PG, NULL);
	if (rc)
		excused(m, "prefetch", rc, failed);
	return !rc;
}

/* --- Children */

static void add_child(struct pp_model *m, int fd, int v, unsigned int page,
		      unsigned int n)
{
	struct pp_vmo *child = &m->vmo[m->nr++];

	memset(child, 0, sizeof(*child));
	child->fd = fd;
	child->pages = n;
	child->base = m->vmo[v].base + page;
	child->map = vmo_map(fd, 0, n * PG, PROT_READ | PROT_WRITE);
	if (!child->map)
		wrong("mmap", 0, 1);
}

/* Hangs it below the lowest that has anything of its range. */
static void hang(struct pp_model *m, int v)
{
	struct pp_vmo *child = &m->vmo[m->nr - 1];
	unsigned int first = child->base, end = first + child->pages;
	int up = v;

	if (end > m->vmo[v].base + m->vmo[v].pages)
		end = m->vmo[v].base + m->vmo[v].pages;
	while (up && !m->vmo[up].pit && !pp_owns_any(&m->vmo[up], first, end)) {
		if (end > m->vmo[up].up_end)
			end = m->vmo[up].up_end;
		up = m->vmo[up].up;
	}
	child->up = up;
	child->up_end = end < first ? first : end;
	m->vmo[up].below++;
}

/* Has what the other has itself, and sees what shows through that. */
static void share(struct pp_model *m, int v)
{
	struct pp_vmo *child = &m->vmo[m->nr - 1], *from = &m->vmo[v];
	unsigned int i, end = child->base + child->pages;

	for (i = child->base; i < end; i++) {
		child->own[i] = from->own[i];
		memcpy(child->value[i], from->value[i], 2);
	}
	child->pit = from->pit;
	child->up = from->up;
	child->up_end = from->up_end < end ? from->up_end : end;
	m->vmo[child->up].below++;
	if (!from->group) {
		/* Its number is as good as any. */
		from->group = m->nr;
		m->groups[from->group] = 1;
	}
	child->group = from->group;
	m->groups[child->group]++;
}

static bool do_clone(struct pp_model *m, int v, const struct pp_op *op)
{
	unsigned int page = op->at / 2, n = 1 + op->n;
	bool both;
	int fd;

	if (m->nr == PP_VMOS || nr_live(m) == PP_LIVE)
		return false;
	n = n < m->vmo[v].pages - page ? n : m->vmo[v].pages - page;
	both = op->kind == PP_MODIFIED && v;
	both |= pp_below_hidden(m, &m->vmo[v]) && !m->vmo[v].pit;
	fd = vmo_child_of(m->vmo[v].fd, op->kind == PP_MODIFIED ?
			  COWVMO_CHILD_SNAPSHOT_MODIFIED :
			  COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, 0,
			  page * PG, n * PG);
	if (fd < 0) {
		/* There are trees that a hidden one does not fit into. */
		if (!both || fd != -EOPNOTSUPP)
			wrong("clone", fd, 0);
		return false;
	}
	add_child(m, fd, v, page, n);
	if (both)
		share(m, v);
	else
		hang(m, v);
	return true;
}

static bool do_snapshot(struct pp_model *m, const struct pp_op *op)
{
	unsigned int page = op->at / 2, n = 1 + op->n, i;
	struct pp_vmo *child;
	int fd;

	if (m->nr == PP_VMOS || nr_live(m) == PP_LIVE ||
	    pp_root(m)->fd < 0)
		return false;
	n = n < pp_root(m)->pages - page ? n : pp_root(m)->pages - page;
	fd = vmo_child_of(pp_root(m)->fd, COWVMO_CHILD_SNAPSHOT,
			  COWVMO_CREATE_POINT_IN_TIME, page * PG, n * PG);
	if (fd < 0)
		wrong("snapshot", fd, 0);
	add_child(m, fd, 0, page, n);
	child = &m->vmo[m->nr - 1];
	child->up = 0;
	child->up_end = page + n;
	child->pit = true;
	pp_root(m)->below++;
	for (i = page; i < page + n; i++) {
		child->own[i] = true;
		memcpy(child->value[i], pp_root(m)->value[i], 2);
	}
	return true;
}

static bool do_close(struct pp_model *m, int v)
{
	struct pp_vmo *vmo = &m->vmo[v];

	if (!v)
		return false;
	munmap(vmo->map, vmo->pages * PG);
	close(vmo->fd);
	vmo->fd = -1;
	pp_release(m, v);
	return true;
}

/* --- What a pager does by itself */

static bool do_supply(struct pp_model *m, const struct pp_op *op)
{
	unsigned int page = op->at / 2, n = 1 + op->n / 2, seed = op->value;
	int rc;

	if (page >= pp_root(m)->pages)
		return false;
	n = n < pp_root(m)->pages - page ? n : pp_root(m)->pages - page;
	rc = pp_give(m, &seed, page, n);
	if (rc != (m->detached ? -EPIPE : 0))
		wrong("supply", rc, 0);
	return true;
}

static void begin_range(struct pp_model *m, const struct dirty_pages *range)
{
	static unsigned char buf[PP_PAGES * PG];
	__u64 i;
	int rc;

	rc = range->zero ?
	     pager_begin_zero(m->pager, pp_root(m)->fd, range->page, range->n) :
	     pager_begin(m->pager, pp_root(m)->fd, range->page, range->n);
	if (rc)
		wrong("writeback begin", rc, 0);
	if (pread(pp_root(m)->fd, buf, range->n * PG, range->page * PG) !=
	    (long)(range->n * PG))
		wrong("reading what is dirty", -errno, 0);
	check_bytes(m, 0, buf, range->page * 2, range->n * PG);
	for (i = range->page; i < range->page + range->n; i++) {
		m->pending[i] = true;
		m->awaiting[i] = true;
		memcpy(m->copied[i], pp_root(m)->value[i], 2);
	}
}

static bool do_wb_begin(struct pp_model *m)
{
	struct dirty_pages dirty[PP_PAGES];
	int i, nr;

	nr = pager_query(m->pager, pp_root(m)->fd, 0, pp_root(m)->pages, dirty,
			 PP_PAGES);
	if (nr < 0)
		wrong("query", nr, 0);
	for (i = 0; i < nr; i++)
		begin_range(m, &dirty[i]);
	return nr > 0;
}

/*
 * Of what had been begun, all that nobody has written to is clean. Zeros may stay
 * dirty with those that they have become one with.
 */
static void ended(struct pp_model *m, unsigned int page)
{
	const unsigned char *value = pp_root(m)->value[page];

	memcpy(m->source[page], m->copied[page], 2);
	m->pending[page] = false;
	if (!value[0] && !value[1])
		learn_dirty(m, page, page + 1, false);
	else if (m->awaiting[page])
		m->dirty[page] = false;
	m->awaiting[page] = false;
}

static bool do_wb_end(struct pp_model *m)
{
	unsigned int i;
	int rc;

	rc = pager_end(m->pager, pp_root(m)->fd, 0, pp_root(m)->pages);
	if (rc)
		wrong("writeback end", rc, 0);
	for (i = 0; i < pp_root(m)->pages; i++) {
		if (m->pending[i])
			ended(m, i);
	}
	return true;
}

static void check_dirty(struct pp_model *m)
{
	struct dirty_pages dirty[PP_PAGES];
	bool is[PP_PAGES] = {};
	unsigned int page;
	int i, nr;
	__u64 j;

	nr = pager_query(m->pager, pp_root(m)->fd, 0, pp_root(m)->pages, dirty,
			 PP_PAGES);
	if (nr < 0)
		wrong("query", nr, 0);
	for (i = 0; i < nr; i++) {
		for (j = 0; j < dirty[i].n; j++)
			is[dirty[i].page + j] = true;
	}
	for (page = 0; page < pp_root(m)->pages; page++) {
		if (is[page] != m->dirty[page])
			wrong(is[page] ? "dirty page" : "clean page", page, -1);
	}
}

/* --- Running them */

static bool apply(struct pp_model *m, const struct pp_op *from)
{
	int v = choose(m, from->who);
	struct pp_op fitted = *from, *op = &fitted;

	/* Sizes are given as they are; all else is where something is. */
	if (op->kind == PP_SNAPSHOT)
		op->at %= pp_root(m)->pages * 2;
	else if (op->kind != PP_RESIZE)
		op->at %= m->vmo[v].pages * 2;
	switch (op->kind) {
	case PP_READ:
		return do_read(m, v, op);
	case PP_WRITE:
		return do_write(m, v, op);
	case PP_LOAD:
	case PP_STORE:
		return do_touch(m, v, op);
	case PP_ZERO:
		return do_zero(m, v, op);
	case PP_RESIZE:
		return do_resize(m, op);
	case PP_PREFETCH:
		return do_prefetch(m, v, op);
	case PP_CLONE:
	case PP_MODIFIED:
		return do_clone(m, v, op);
	case PP_SNAPSHOT:
		return do_snapshot(m, op);
	case PP_CLOSE:
		return do_close(m, v);
	case PP_SUPPLY:
		return do_supply(m, op);
	case PP_WB_BEGIN:
		return do_wb_begin(m);
	case PP_WB_END:
		return do_wb_end(m);
	default:
		/* Late: most of what there is needs the pager. */
		if (op->who % 4 || record->done < SEGMENT * 3 / 4)
			return false;
		m->detached = true;
		return !pager_detach(m->pager, pp_root(m)->fd);
	}
}

static void make(unsigned int *seed, struct pp_op *op)
{
	unsigned int pick = pp_rnd(seed, 100);

	op->kind = 0;
	while (pick >= pp_often[op->kind])
		pick -= pp_often[op->kind++];
	op->who = pp_rnd(seed, 1000);
	op->at = pp_rnd(seed, PP_PAGES * 2);
	op->n = 1 + pp_rnd(seed, pp_rnd(seed, 4) ? 6 : PP_PAGES);
	op->value = pp_rnd(seed, 4) ? 1 + pp_rnd(seed, 255) : 0;
}

static void step(struct pp_model *m, const struct pp_op *op, unsigned int i)
{
	record->done = i + 1;
	if (apply(m, op))
		record->did[op->kind]++;
	else
		record->failed[op->kind]++;
	check_dirty(m);
	if (settings.validate && !(i % settings.validate) && vmo_validate())
		wrong("validate", vmo_validate(), 0);
}

static void finish(struct pp_model *m)
{
	const struct pp_op all = { .n = PP_PAGES * 2 };
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		if (m->vmo[i].fd >= 0)
			do_read(m, i, &all);
	}
	if (vmo_validate())
		wrong("validate", vmo_validate(), 0);
	pp_end(m);
}

static void run_random(__u64 seed, unsigned int steps)
{
	static struct pp_model m;
	unsigned int rnd = seed * 2654435761U, i;

	if (!pp_begin(&m, seed))
		wrong("beginning", errno, 0);
	for (i = 0; i < steps; i++) {
		make(&rnd, &record->op[i]);
		step(&m, &record->op[i], i);
	}
	finish(&m);
}

/* The pager makes the same choices as before, as far as it is asked the same. */
static void run_list(const struct list *list)
{
	static struct pp_model m;
	unsigned int i;

	if (!pp_begin(&m, list->seed))
		wrong("beginning", errno, 0);
	for (i = 0; i < list->ops; i++)
		step(&m, &list->op[i], i);
	finish(&m);
}

static void begin_run(void)
{
	struct sigaction bus = { .sa_handler = task_sigbus };

	sigaction(SIGBUS, &bus, NULL);
}

static void print_op(const struct pp_op *op)
{
	printf("#   %s who=%u at=%u n=%u value=%u\n", pp_names[op->kind],
	       op->who, op->at, op->n, op->value);
}

static void print_counts(void)
{
	unsigned int i;

	for (i = 0; i < PP_KINDS; i++)
		ksft_print_msg("%s: %lu done, %lu not\n", pp_names[i],
			       record->did[i], record->failed[i]);
}

int main(void)
{
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (record == MAP_FAILED)
		return KSFT_FAIL;
	settings.seed = setting("FUZZ_SEED", time(NULL) * 1000 + getpid());
	settings.steps = setting("FUZZ_STEPS", 3000);
	settings.validate = setting("FUZZ_VALIDATE", 16);
	ksft_print_header();
	ksft_print_msg("FUZZ_SEED=%llu FUZZ_STEPS=%lu\n",
		       (unsigned long long)settings.seed, settings.steps);
	run_segments();
	print_counts();
	ksft_finished();
}
