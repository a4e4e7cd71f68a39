// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about pins: making sure that memory stays where it is, for a device.
 *
 * The peer is what is done for private memory: mlock() keeps it in memory, but
 * lets it be moved; a long-term GUP by a driver keeps it where it is. Buffers
 * of io_uring are the way to such a GUP without hardware.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "bench.h"

/* Pages that are there, and the VMO's own: the ioctl alone */
static double pin_vmo(unsigned int round)
{
	int fd = vmo_new(AREA), pin;
	u64 t;

	(void)round;
	vmo_commit(fd, 0, AREA);
	t = now();
	pin = vmo_pin(fd, AREA);
	t = now() - t;
	close(pin);
	close(fd);
	return (double)t / AREA_PAGES;
}

static int ring_new(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0)
		die("io_uring_setup");
	return ring;
}

static void ring_pin(int ring, void *map, size_t size)
{
	struct iovec iov = { .iov_base = map, .iov_len = size };

	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov,
		    1))
		die("IORING_REGISTER_BUFFERS");
}

/* Private memory that is there and mapped; @lock: mlock() it before */
static double pin_memory(bool lock)
{
	char *map = map_anon(AREA);
	int ring = ring_new();
	u64 t;

	write_all(map, AREA_PAGES);
	t = now();
	if (lock && mlock(map, AREA))
		die("mlock");
	ring_pin(ring, map, AREA);
	t = now() - t;
	close(ring);
	/* The ring lets go of its pages later. */
	settle();
	unmap(map, AREA);
	return (double)t / AREA_PAGES;
}

static double pin_locked(unsigned int round)
{
	(void)round;
	return pin_memory(true);
}

static double pin_gup(unsigned int round)
{
	(void)round;
	return pin_memory(false);
}

const struct bench_row pin_rows[] = {
	{ "pin-page", "instr/page", 0,
	  { { "ours", pin_vmo, true }, { "mlock-gup", pin_locked, false } } },
	{ "pin-gup", "instr/page", 0,
	  { { "ours", pin_vmo, true }, { "gup", pin_gup, false } } },
	{ 0 }
};
