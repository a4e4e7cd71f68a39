// SPDX-License-Identifier: GPL-2.0
/* Options, signals, beginning and end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pager.h"

#define MAX_WORKERS	64U

/**
 * struct options - what was asked for
 * @socket: path of the door, or NULL
 * @read_only: nothing is kept of what is written
 * @prefetch: fetch all of it
 * @kernel_faults: the kernel's own faults wait too
 * @workers: threads that answer
 * @ahead: how much a sequence of faults asks for, in bytes
 * @interval: seconds from one round of writing back to the next, or 0
 * @timeout: of a request, in milliseconds; 0: none
 */
struct options {
	const char *socket;
	bool read_only;
	bool prefetch;
	bool kernel_faults;
	unsigned int workers;
	unsigned int ahead;
	unsigned int interval;
	unsigned int timeout;
};

static void usage(FILE *to)
{
	fputs("usage: cowvmo-pager [option...] SOURCE\n"
	      "       cowvmo-pager -c SOCKET sync|stat|stop\n"
	      "       cowvmo-pager -c SOCKET fd PROGRAM [argument...]\n"
	      "\n"
	      "Gives a VMO the content of SOURCE, a file, a block device or an NBD URI,\n"
	      "on demand, and writes back what is written to it. Ends, after writing back,\n"
	      "on SIGTERM and SIGINT; SIGHUP has it write back.\n"
	      "\n"
	      "  -s SOCKET   hand the VMO to those who connect, and take orders\n"
	      "  -r          read only: what is written is private, and lost at the end\n"
	      "  -p          fetch all of it in the background\n"
	      "  -j N        threads, each with its connection to the source (4)\n"
	      "  -a KIB      how far a sequence of faults reads ahead (1024; 0: not)\n"
	      "  -w SECONDS  write back this often (5; 0: only when told to)\n"
	      "  -t MS       a request that takes longer fails (0: it takes what it takes)\n"
	      "  -k          let the kernel's own faults wait: KVM, direct I/O, read(2)\n"
	      "              into the mapping; needs /dev/cowvmo-pager or CAP_SYS_PTRACE\n"
	      "  -c SOCKET   ask a running pager; \"fd\" runs a program with the VMO as\n"
	      "              descriptor 3\n", to);
}

static unsigned int number(const char *text, unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value > most) {
		fprintf(stderr, "cowvmo-pager: not a number up to %u: %s\n",
			most, text);
		exit(2);
	}
	return value;
}

static bool take_option(struct options *options, int opt, const char *arg)
{
	switch (opt) {
	case 's':
		options->socket = arg;
		return true;
	case 'r':
		options->read_only = true;
		return true;
	case 'p':
		options->prefetch = true;
		return true;
	case 'k':
		options->kernel_faults = true;
		return true;
	case 'j':
		options->workers = number(arg, MAX_WORKERS);
		return options->workers > 0;
	case 'a':
		options->ahead = number(arg, COWVMO_PAGER_MAX_READ_AHEAD / 1024) *
				 1024 & -PAGE;
		return true;
	case 'w':
		options->interval = number(arg, 1000000);
		return true;
	case 't':
		options->timeout = number(arg, 1000000000);
		return true;
	default:
		return false;
	}
}

int pager_do(struct pager *pager, struct cowvmo_pager_op *op)
{
	struct cowvmo_pager_ops arg = {
		.size = sizeof(arg), .ops = (uintptr_t)op, .nr = 1,
		.op_size = sizeof(*op),
	};

	return ioctl(pager->fd, COWVMO_IOC_PAGER_OPS, &arg) ? errno : 0;
}

void say_stats(struct pager *pager, char *to, size_t room)
{
	struct stats *stats = &pager->stats;

	snprintf(to, room,
		 "requests       %llu\nfailed         %llu\n"
		 "read-bytes     %llu\nzero-bytes     %llu\n"
		 "written-bytes  %llu\nrounds         %llu\n"
		 "write-errors   %llu\n",
		 stats->requests, stats->failed, stats->read_bytes,
		 stats->zero_bytes, stats->written_bytes, stats->rounds,
		 stats->write_errors);
}

static int failed(const char *what)
{
	fprintf(stderr, "cowvmo-pager: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_pager(const struct options *options)
{
	const char *device = "/dev/cowvmo";
	struct cowvmo_pager_create arg = {
		.size = sizeof(arg), .timeout_ms = options->timeout,
	};
	int dev, fd;

	if (options->kernel_faults) {
		arg.flags = COWVMO_PAGER_KERNEL_FAULTS;
		device = "/dev/cowvmo-pager";
	}
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return failed(device);
	fd = ioctl(dev, COWVMO_IOC_PAGER_CREATE, &arg);
	close(dev);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
		return failed("making a pager");
	return fd;
}

static int create_vmo(struct pager *pager, const struct options *options)
{
	struct cowvmo_pager_create_vmo arg = {
		.size = sizeof(arg), .vmo_size = pager->size,
		.read_ahead = options->ahead,
	};
	const char *name = strrchr(pager->name, '/');

	snprintf(arg.name, sizeof(arg.name), "%.31s",
		 name && name[1] ? name + 1 : pager->name);
	pager->vmo = ioctl(pager->fd, COWVMO_IOC_PAGER_CREATE_VMO, &arg);
	return pager->vmo < 0 ? failed("making a VMO") : 0;
}

static void *prefetch_main(void *data)
{
	struct pager *pager = data;
	struct cowvmo_op_range arg = {
		.size = sizeof(arg), .op = COWVMO_OP_PREFETCH,
		.length = pager->size,
	};

	/* What fails here is met again by who needs it. */
	if (ioctl(pager->vmo, COWVMO_IOC_OP_RANGE, &arg) && errno != EPIPE)
		failed("fetching in advance");
	return NULL;
}

static pthread_t begin_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, fn, arg);
	if (errno) {
		failed("a thread");
		exit(1);
	}
	return thread;
}

/* Until it is told to end. */
static void wait_for_signal(struct pager *pager, const sigset_t *set)
{
	const uint64_t one = 1;
	int sig;

	for (;;) {
		if (sigwait(set, &sig))
			continue;
		if (sig != SIGHUP)
			return;
		if (write(pager->order, &one, sizeof(one)) != sizeof(one))
			failed("an order");
	}
}

static int run(struct pager *pager, struct door *door,
	       const struct options *options)
{
	pthread_t threads[MAX_WORKERS], keeper, fetcher = 0;
	const uint64_t one = 1;
	unsigned int i;
	sigset_t set;
	int err;

	/* Before there are threads, so that all have them blocked. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < options->workers; i++)
		threads[i] = begin_thread(serve_main, pager);
	keeper = begin_thread(door_main, door);
	if (options->prefetch)
		fetcher = begin_thread(prefetch_main, pager);
	printf("cowvmo-pager: %s: %llu bytes\n", pager->name,
	       (unsigned long long)pager->size);
	fflush(stdout);

	wait_for_signal(pager, &set);
	if (write(pager->stop, &one, sizeof(one)) != sizeof(one))
		return failed("stopping");
	pthread_join(keeper, NULL);
	for (i = 0; i < options->workers; i++)
		pthread_join(threads[i], NULL);
	err = write_back(pager, door->source);
	/* Ends the wait of whoever still waits, the fetcher included. */
	close(pager->fd);
	if (options->prefetch)
		pthread_join(fetcher, NULL);
	return err;
}

static int serve(const char *name, const struct options *options)
{
	struct pager pager = {
		.name = name,
		.writable = !options->read_only,
		.interval = options->interval,
		.stop = eventfd(0, EFD_CLOEXEC),
		.order = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	struct door door = { .pager = &pager, .fd = -1 };
	struct source *source = source_open(name, pager.writable);
	char stats[512];
	int err;

	if (!source)
		return 1;
	pager.size = source->size;
	door.source = pager.writable ? source : NULL;
	pager.fd = open_pager(options);
	if (pager.fd < 0 || create_vmo(&pager, options))
		return 1;
	if (options->socket) {
		door.fd = door_open(options->socket);
		if (door.fd < 0)
			return 1;
	}
	err = run(&pager, &door, options);
	if (options->socket)
		unlink(options->socket);
	source->ops->close(source);
	say_stats(&pager, stats, sizeof(stats));
	fputs(stats, stdout);
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct options options = {
		.workers = 4,
		.ahead = 1024 * 1024,
		.interval = 5,
	};
	const char *ask = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "+s:rpj:a:w:t:kc:h")) != -1) {
		if (opt == 'h') {
			usage(stdout);
			return 0;
		}
		if (opt == 'c') {
			ask = optarg;
		} else if (!take_option(&options, opt, optarg)) {
			usage(stderr);
			return 2;
		}
	}
	if (ask)
		return door_ask(ask, argv + optind);
	if (optind != argc - 1) {
		usage(stderr);
		return 2;
	}
	return serve(argv[optind], &options);
}
