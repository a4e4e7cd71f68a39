// SPDX-License-Identifier: GPL-2.0
/* kvsnap: snapshots of a store in full flight, by VMO, fork() and memcpy(). */
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "store.h"
#include "vmo.h"

#define SECONDS		6	/* at least, for each way of taking snapshots */
#define SNAPSHOTS	5	/* also at least */
#define RESETS		20
#define PATH		256
#define RELAXED		__ATOMIC_RELAXED
#define LEAST		(64ULL << 20)

/* A way to take snapshots, and how it went: times in ns, memory in bytes */
struct side {
	const char *name;
	enum { BY_MEMCPY, BY_VMO, BY_FORK } how;
	__u64 taken, good;
	__u64 call, calls, pause;	/* longest, sum, longest writer pause at one */
	__u64 memory;		/* most that a snapshot alone held in the end */
	__u64 updates, time;
	__u64 latency[512];	/* from one update to the next, in classes */
};

static const char *dir, *out;	/* what to load, where to save snapshots */
static int ends[2];		/* a socket: verdicts arrive at the first end */
static struct kv *kv;		/* what the writers write to, for whom */
static struct side *side;
static int stop, failures;
static unsigned int calls;	/* odd while a snapshot is being taken */

static void check(int good, const char *what)
{
	printf("  %s %s\n", good ? "ok " : "BAD", what);
	failures += !good;
}

/*
 * Each regular file becomes the records "1:/path#0", "1:/path#1", ... of
 * KV_CHUNK bytes, and again "2:/path#0", ... until LEAST is reached.
 */
static int comparing, copy_nr;
static __u64 loaded;

static int load_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char key[KV_KEY], buf[KV_CHUNK];
	int fd, nr = 0, bad = 0;
	ssize_t len = KV_CHUNK;

	if (copy_nr > 1 && loaded >= LEAST)
		return 1;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	fd = need(open(path, O_RDONLY), path);
	while (!bad && len == KV_CHUNK) {
		len = need(read(fd, buf, KV_CHUNK), path);
		snprintf(key, sizeof(key), "%d:%s#%d", copy_nr, path + strlen(dir), nr++);
		bad = comparing ? !kv_equal(kv, key, buf, len) :
			kv_put(kv, key, buf, len);
		loaded += len;
	}
	if (bad)
		warnx("%s does not fit, or is not what it was", path);
	close(fd);
	return bad ? -1 : 0;
}

static int load(int compare)
{
	int rc = 0;

	comparing = compare;
	loaded = 0;
	copy_nr = 0;
	while (rc >= 0 && loaded < LEAST && copy_nr++ < 64)
		rc = nftw(dir, load_file, 32, FTW_PHYS);
	return rc >= 0 && loaded >= LEAST;
}

/* What only this snapshot holds: a VMO, or else the child of a fork */
static __u64 memory_alone(int fd)
{
	int file = need(open("/proc/self/smaps_rollup", O_RDONLY), "smaps_rollup");
	char text[4096] = "", *dirty;

	need(read(file, text, sizeof(text) - 1), "smaps_rollup");
	close(file);
	dirty = strstr(text, "Private_Dirty:");
	if (fd >= 0)
		return vmo_info(fd).out_private_bytes;
	return dirty ? strtoull(dirty + strlen("Private_Dirty:"), NULL, 10) << 10 : 0;
}

/* The reader verifies, saves what is good, lets go of it, and tells. */
static void examine(void *copy, size_t size, const char *path, int fd)
{
	struct verdict verdict;
	size_t done = 0;
	int file;

	if (!kv_verify(copy, size, &verdict) && *path) {
		file = need(open(path, O_WRONLY | O_CREAT, 0666), path);
		need(ftruncate(file, size), path);
		while (done < size)
			done += need(write(file, copy + done, size - done), path);
		close(file);
	}
	verdict.memory = memory_alone(fd);
	munmap(copy, size);
	close(fd);
	need(send(ends[1], &verdict, sizeof(verdict), 0), "send");
}

static int await(struct verdict *verdict)
{
	need(recv(ends[0], verdict, sizeof(*verdict), 0), "recv");
	if (*verdict->why)
		printf("      %s\n", verdict->why);
	return !*verdict->why;
}

/* Carries an fd and a path over a Unix socket: out if @fd is one, else in. */
static int carry(int sock, int fd, const char *path)
{
	long control[CMSG_SPACE(sizeof(int)) / sizeof(long)];
	struct iovec iov = { (void *)path, fd < 0 ? PATH : strlen(path) + 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	*head = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if ((fd < 0 ? recvmsg(sock, &msg, 0) : sendmsg(sock, &msg, 0)) <= 0)
		return -1;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* A process that is sent snapshots. Early, so that it inherits no store. */
static void reader_start(void)
{
	char path[PATH];
	size_t size;
	int fd;

	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "socketpair");
	if (need(fork(), "fork"))
		return;
	close(ends[0]);
	while ((fd = carry(ends[1], -1, path)) >= 0) {
		size = need(lseek(fd, 0, SEEK_END), "lseek");
		examine(vmo_map(fd, size, PROT_READ), size, path, fd);
	}
	_exit(0);
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Eight classes of latencies for each power of two */
static unsigned int class(__u64 ns)
{
	unsigned int log = 60 - __builtin_clzll(ns | 8);

	return 8 * log + (ns >> log);
}

static __u64 class_end(unsigned int class)
{
	return class < 16 ? class : (9 + class % 8ULL) << (class / 8 - 1);
}

static void raise_to(__u64 *most, __u64 value)
{
	__u64 old = *most;

	while (value > old &&
	       !__atomic_compare_exchange_n(most, &old, value, 0, RELAXED, RELAXED))
		;
}

static void *write_loop(void *arg)
{
	unsigned int w = (size_t)arg, seen = calls, call;
	__u64 random = w, last = now(), gap;

	while (!__atomic_load_n(&stop, RELAXED)) {
		kv_update(kv, w, &random);
		gap = now() - last;
		last += gap;
		call = __atomic_load_n(&calls, RELAXED);
		if (call != seen || call % 2)
			raise_to(&side->pause, gap);
		seen = call;
		__atomic_add_fetch(&side->latency[class(gap)], 1, RELAXED);
		__atomic_add_fetch(&side->updates, 1, RELAXED);
	}
	return NULL;
}

static void writers(int start)
{
	static pthread_t thread[KV_WRITERS];
	size_t w;

	__atomic_store_n(&stop, !start, RELAXED);
	for (w = 0; w < KV_WRITERS; w++)
		if (!start)
			pthread_join(thread[w], NULL);
		else if (pthread_create(&thread[w], NULL, write_loop, (void *)w))
			err(1, "pthread_create");
}

/* Takes a snapshot, waits for the verdict, lets go. */
static void snapshot(int vmo, const char *path)
{
	void *copy = side->how == BY_MEMCPY ? malloc(kv->size) : NULL;
	struct verdict verdict;
	__u64 start = now();
	int fd = -1;

	alarm(120);	/* a reader that is gone does not answer */
	__atomic_add_fetch(&calls, 1, RELAXED);
	if (side->how == BY_VMO) {
		fd = vmo_snapshot(vmo, kv->size, COWVMO_CREATE_NO_WRITE);
	} else if (side->how == BY_MEMCPY) {
		memcpy(copy, kv, kv->size);
	} else if (!need(fork(), "fork")) {
		examine(kv, kv->size, path, -1);
		_exit(0);
	}
	__atomic_add_fetch(&calls, 1, RELAXED);
	start = now() - start;
	side->calls += start;
	raise_to(&side->call, start);

	if (side->how == BY_VMO)
		need(carry(ends[0], fd, path), "send");
	if (copy)
		kv_verify(copy, kv->size, &verdict);
	else
		await(&verdict);
	raise_to(&side->memory, copy ? kv->size : verdict.memory);
	side->good += !*verdict.why;
	side->taken++;
	if (side->how == BY_FORK)
		wait(NULL);
	close(fd);
	free(copy);
}

static void verify_file(const char *path)
{
	int fd = need(open(path, O_RDONLY), path);
	size_t size = need(lseek(fd, 0, SEEK_END), path);
	void *copy = vmo_map(fd, size, PROT_READ);
	struct verdict verdict;

	check(!kv_verify(copy, size, &verdict), path);
	printf("      instant %llu, undone %llu updates under way %s\n",
	       verdict.clock, verdict.under_way, verdict.why);
	munmap(copy, size);
	close(fd);
}

static void run(struct side *by, int vmo)
{
	__u64 start = now();
	char path[PATH];

	side = by;
	snprintf(path, sizeof(path), "%s/%s.kv", out, side->name);
	writers(1);
	while (now() - start < SECONDS * 1000000000ULL || side->taken < SNAPSHOTS)
		snapshot(vmo, path);
	writers(0);
	side->time = now() - start;
	check((side->good == side->taken) != (side->how == BY_MEMCPY),
	      side->how == BY_MEMCPY ? "memcpy: torn, as expected" : side->name);
	if (side->how != BY_MEMCPY)
		verify_file(path);
}

/* Bars on a logarithmic scale: eight characters are a factor of eight. */
static void chart(const char *what, double part, const struct side *by)
{
	for (; by->name; by++, what = "") {
		__u64 seen = by->latency[0], i = 0;

		while (seen < part * by->updates)
			seen += by->latency[++i];
		printf("  %-8s %-8s %10.1f us  %.*s\n", what, by->name, class_end(i) / 1e3,
		       i > 56 ? (int)(i - 56) / 3 : 0,
		       "############################################################");
	}
}

static void report(const struct side *by)
{
	printf("\n  Time from one update to the next, waiting for a processor included:\n");
	chart("p50", 0.5, by);
	chart("p99", 0.99, by);
	chart("p99.9", 0.999, by);
	chart("longest", 1, by);
	printf("\n             taken exact   call, mean  longest writer pause  updates/s memory\n");
	for (; by->name; by++)
		printf("  %-8s %7llu %5llu %9.2f ms %6.2f ms %8.2f ms %10llu %3llu MiB\n",
		       by->name, by->taken, by->good, by->calls / 1e6 / by->taken,
		       by->call / 1e6, by->pause / 1e6,
		       by->updates * 1000 / (by->time / 1000000), by->memory >> 20);
}

static void print_info(const char *what, int fd)
{
	struct cowvmo_get_info info = vmo_info(fd);

	printf("      %-9s VMO %llu, parent %llu: sees %llu KiB, %llu alone; its share is %llu\n",
	       what, info.out_id, info.out_parent_id, info.out_populated_bytes >> 10,
	       info.out_private_bytes >> 10, info.out_scaled_bytes >> 10);
}

static void check_at(const struct kv *copy, __u64 clock, const char *what)
{
	struct verdict verdict;

	check(!kv_verify(copy, copy->size, &verdict) && verdict.clock == clock, what);
}

/* A clone that goes its own way by @updates */
static struct kv *branch(int from, __u64 size, int *fd, unsigned int updates)
{
	__u64 random = updates;
	struct kv *copy;

	*fd = vmo_snapshot(from, size, 0);
	copy = vmo_map(*fd, size, PROT_READ | PROT_WRITE);
	while (updates--)
		kv_update(copy, updates % KV_WRITERS, &random);
	return copy;
}

/* @snap is a snapshot of the running store @vmo, which ends here. */
static void show_clones(int vmo, int snap, __u64 size)
{
	struct kv *first = vmo_map(snap, size, PROT_READ), *second, *third;
	__u64 clock = first->clock & KV_TICKETS, start, spent = 0;
	struct verdict verdict;
	int fd, fd2, i;

	printf("\nA clone of a clone, parents closed first\n");
	second = branch(snap, size, &fd, 5000);
	third = branch(fd, size, &fd2, 5000);
	print_info("store", vmo);
	print_info("snapshot", snap);
	print_info("clone", fd);
	print_info("its clone", fd2);
	need(carry(ends[0], snap, ""), "send");	/* not to be saved */
	munmap(kv, KV_SPACE);
	close(vmo);
	check(await(&verdict), "store closed while the reader verifies a snapshot");
	check_at(second, clock + 5000, "clone, 5000 updates on");
	munmap(second, size);
	close(fd);
	check_at(third, clock + 10000, "clone of the clone, its parent closed, 10000 updates on");

	printf("\nReset to a template, %d times\n", RESETS);
	for (i = 0; i < RESETS; i++) {
		munmap(third, size);
		close(fd2);
		start = now();
		third = branch(snap, size, &fd2, 1);
		spent += now() - start;
	}
	check_at(third, clock + 1, "the last run began with the template");
	check_at(first, clock, "the template is as it was");
	printf("      %.0f us from one run to the next\n", spent / 1e3 / RESETS);
}

static void demo(void)
{
	static struct side by[] = {
		{ "memcpy", BY_MEMCPY }, { "cowvmo", BY_VMO }, { "fork", BY_FORK }, { NULL }
	};
	int vmo = vmo_create(KV_SPACE, "kvsnap"), snap;
	struct kv *store = kv = vmo_map(vmo, KV_SPACE, PROT_READ | PROT_WRITE);

	madvise(kv, KV_SPACE, MADV_DONTFORK);	/* fork() shall copy its own only */
	printf("Loading %s into a VMO\n", dir);
	check(load(0) && load(1), "every file, found again by its keys");
	printf("      %llu records, %llu MiB\n\n", kv->records, kv->size >> 20);
	printf("%d writers at full speed, snapshot after snapshot\n", KV_WRITERS);
	run(&by[0], vmo);
	run(&by[1], vmo);
	kv = mmap(NULL, store->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(kv, store->size, MADV_NOHUGEPAGE);	/* pages as the VMO has */
	memcpy(kv, store, store->size);
	run(&by[2], -1);
	munmap(kv, store->size);
	report(by);

	kv = store;
	writers(1);
	usleep(100000);
	snap = vmo_snapshot(vmo, kv->size, COWVMO_CREATE_NO_WRITE);
	writers(0);
	show_clones(vmo, snap, kv->size);
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	if (argc < 3 || (strcmp(argv[1], "demo") && strcmp(argv[1], "verify")))
		errx(2, "usage: kvsnap demo DIR [OUTDIR] | kvsnap verify FILE...");
	if (strcmp(argv[1], "demo")) {
		while (argc-- > 2)
			verify_file(argv[argc]);
	} else {
		dir = argv[2];
		out = argc > 3 ? argv[3] : "/dev/shm";
		reader_start();
		demo();
	}
	printf("kvsnap: %s, %d failures\n", failures ? "FAILED" : "all is well", failures);
	return !!failures;
}
