// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: threads that fault, read and write, pagers that answer
 * late, in part or with an error, and sizes, zeros, write-backs, snapshots and
 * the end in between. PAGER_STRESS=n: rounds.
 *
 * A page's content tells which page it is of, so whatever of it is seen must be
 * that, or zero.
 */
#include "pager.h"

#include "kselftest_harness.h"

#define PAGES	96ULL
#define SIZE	(PAGES * PG)
#define USERS	8
#define PAGERS	2
#define STEPS	100

struct stress {
	int pager, vmo;
	unsigned char *mem;
	int stop, bad;
	__u32 flags;
};

struct worker {
	struct stress *stress;
	pthread_t thread;
	unsigned int seed;
};

static unsigned int rnd(struct worker *worker, unsigned int below)
{
	return rand_r(&worker->seed) / 7 % below;
}

/* The byte that all of page @page is full of; never 0. */
static unsigned char byte_of(__u64 page)
{
	return 1 + page % 255;
}

static void check(struct worker *worker, __u64 page, unsigned char byte)
{
	if (byte && byte != byte_of(page))
		__atomic_store_n(&worker->stress->bad, 1, __ATOMIC_RELAXED);
}

static void use(struct worker *worker)
{
	struct stress *stress = worker->stress;
	__u64 page = rnd(worker, PAGES), n = 1 + rnd(worker, 6), i;
	unsigned char buf[6 * PG];
	struct task task = {
		.kind = rnd(worker, 2) ? TASK_LOAD : TASK_STORE,
		.fd = stress->vmo, .page = page, .mem = stress->mem,
		.seed = byte_of(page),
	};
	long got;

	n = n > PAGES - page ? PAGES - page : n;
	switch (rnd(worker, 6)) {
	case 0:
		got = pread(stress->vmo, buf, n * PG, page * PG);
		for (i = 0; got > 0 && i < (__u64)got; i += PG)
			check(worker, page + i / PG, buf[i]);
		break;
	case 1:
		for (i = 0; i < n; i++)
			memset(buf + i * PG, byte_of(page + i), PG);
		/* It must not grow here. */
		got = lseek(stress->vmo, 0, SEEK_END);
		if ((__u64)got >= (page + n) * PG)
			got = pwrite(stress->vmo, buf, n * PG, page * PG);
		break;
	case 2:
		vmo_op(stress->vmo, COWVMO_OP_PREFETCH, page * PG, n * PG,
		       NULL);
		break;
	default:
		got = task_touch(&task);
		if (task.kind == TASK_LOAD && got >= 0)
			check(worker, page, got);
	}
}

static void *user_main(void *data)
{
	struct worker *worker = data;

	while (!__atomic_load_n(&worker->stress->stop, __ATOMIC_RELAXED))
		use(worker);
	return NULL;
}

/* One way to answer a range, which is a page at least. */
enum answer {
	ANSWER_COPY,
	ANSWER_ZERO,
	ANSWER_FAIL,
	NR_ANSWERS,
};

static int answer(struct worker *worker, unsigned int how, __u64 page, __u64 n)
{
	static const __u32 codes[] = { EIO, ENOSPC };
	struct stress *stress = worker->stress;
	unsigned char *buf;
	__u64 i;
	int rc;

	if (how == ANSWER_ZERO)
		return pager_zero(stress->pager, stress->vmo, page, n);
	if (how == ANSWER_FAIL)
		return pager_fail(stress->pager, stress->vmo, page, n,
				  codes[rnd(worker, 2)]);
	buf = aligned_alloc(PG, n * PG);
	for (i = 0; i < n; i++)
		memset(buf + i * PG, byte_of(page + i), PG);
	rc = pager_copy(stress->pager, stress->vmo, page, n, buf);
	free(buf);
	return rc;
}

/*
 * A range that ends beyond the VMO, which may have become smaller, is refused
 * as a whole: what of it there still is gets its answers page by page.
 */
static void answer_all(struct worker *worker, unsigned int how, __u64 page,
		       __u64 n)
{
	if (!n || answer(worker, how, page, n) != -ERANGE)
		return;
	while (n--)
		answer(worker, how, page++, 1);
}

/* Whoever wants the rest of a request that is answered in part still waits. */
static void answer_read(struct worker *worker,
			const struct cowvmo_pager_request *request)
{
	__u64 page = request->offset / PG, n = request->length / PG;
	__u64 now = rnd(worker, 4) ? n : rnd(worker, n);

	answer_all(worker, rnd(worker, 8) % NR_ANSWERS, page, now);
	if (!rnd(worker, 4))
		usleep(rnd(worker, 2000));
	answer_all(worker, rnd(worker, 8) % NR_ANSWERS, page + now, n - now);
}

static void *pager_main(void *data)
{
	struct worker *worker = data;
	struct stress *stress = worker->stress;
	struct pollfd fd = { .fd = stress->pager, .events = POLLIN };
	struct cowvmo_pager_request request;
	__u64 page, n;

	while (!__atomic_load_n(&stress->stop, __ATOMIC_RELAXED)) {
		/* The other may have been faster, and there be no next one. */
		if (poll(&fd, 1, 20) != 1 ||
		    read(stress->pager, &request, sizeof(request)) < 0)
			continue;
		page = request.offset / PG;
		n = request.length / PG;
		if (request.command == COWVMO_PAGER_READ)
			answer_read(worker, &request);
		else if (request.command == COWVMO_PAGER_DIRTY_ASKED)
			pager_dirty(stress->pager, stress->vmo, page, n);
	}
	return NULL;
}

/* One of what happens to a VMO while it is used. */
static void disturb(struct worker *worker)
{
	struct stress *stress = worker->stress;
	__u64 page = rnd(worker, PAGES), n = 1 + rnd(worker, 20);
	int child;

	switch (rnd(worker, 6)) {
	case 0:
		vmo_set_size(stress->vmo, (PAGES / 2 + page / 2) * PG);
		vmo_set_size(stress->vmo, SIZE);
		break;
	case 1:
		vmo_zero(stress->vmo, page * PG, n * PG);
		break;
	case 2:
		child = vmo_child_of(stress->vmo, COWVMO_CHILD_SNAPSHOT,
				     COWVMO_CREATE_POINT_IN_TIME, 0, SIZE);
		if (child >= 0) {
			check(worker, page, vmo_get_byte(child, page * PG) < 0 ?
			      0 : vmo_get_byte(child, page * PG));
			close(child);
		}
		break;
	default:
		pager_begin(stress->pager, stress->vmo, 0, PAGES / 2);
		pager_end(stress->pager, stress->vmo, 0, PAGES / 2);
	}
}

static void start(struct worker *worker, struct stress *stress,
		  void *(*fn)(void *), unsigned int seed)
{
	worker->stress = stress;
	worker->seed = seed;
	if (pthread_create(&worker->thread, NULL, fn, worker))
		abort();
}

static void round_of(struct __test_metadata *_metadata, unsigned int round)
{
	struct worker users[USERS], pagers[PAGERS], self = { .seed = round };
	struct sigaction bus = { .sa_handler = task_sigbus };
	struct stress stress = {
		.flags = COWVMO_PAGER_VMO_RESIZABLE |
			 (round % 2 ? COWVMO_PAGER_VMO_TRAP_DIRTY : 0),
	};
	unsigned int i;

	sigaction(SIGBUS, &bus, NULL);
	stress.pager = pager_new(0);
	ASSERT_EQ(0, fcntl(stress.pager, F_SETFL, O_NONBLOCK));
	stress.vmo = pager_vmo_ahead(stress.pager, 1, SIZE, stress.flags,
				     8 * PG);
	ASSERT_LE(0, stress.vmo);
	stress.mem = vmo_map(stress.vmo, 0, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, stress.mem);
	self.stress = &stress;
	for (i = 0; i < PAGERS; i++)
		start(&pagers[i], &stress, pager_main, 100 * round + i);
	for (i = 0; i < USERS; i++)
		start(&users[i], &stress, user_main, 100 * round + 50 + i);
	for (i = 0; i < STEPS; i++)
		disturb(&self);
	EXPECT_EQ(0, vmo_validate());
	/* Whoever waits then is let go. */
	EXPECT_EQ(0, pager_detach(stress.pager, stress.vmo));
	__atomic_store_n(&stress.stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < USERS; i++)
		pthread_join(users[i].thread, NULL);
	for (i = 0; i < PAGERS; i++)
		pthread_join(pagers[i].thread, NULL);
	EXPECT_EQ(0, stress.bad);
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, munmap(stress.mem, SIZE));
	EXPECT_EQ(0, close(stress.vmo));
	EXPECT_EQ(0, close(stress.pager));
}

FIXTURE(stress) {
	int unused;
};

FIXTURE_SETUP(stress)
{
	self->unused = 0;
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, self->unused);
}

TEST_F_TIMEOUT(stress, everything_at_once, 600)
{
	const char *rounds = getenv("PAGER_STRESS");
	unsigned int round, n = rounds ? atoi(rounds) : 2;
	struct vmo_stats before = vmo_stats(), after;

	for (round = 0; round < n; round++)
		round_of(_metadata, round);
	after = vmo_stats();
	EXPECT_EQ(before.vmos, after.vmos);
	EXPECT_EQ(before.pages, after.pages);
	EXPECT_EQ(before.nodes, after.nodes);
	EXPECT_EQ(before.descs, after.descs);
}

TEST_HARNESS_MAIN
