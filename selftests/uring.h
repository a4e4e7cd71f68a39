/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of io_uring as the tests need, on the bare system calls: one
 * request at a time. Functions return 0, a result, or a negative errno.
 */
#ifndef COWVMO_SELFTEST_URING_H
#define COWVMO_SELFTEST_URING_H

#include "maps.h"

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define URING_ENTRIES	4U

struct uring {
	int fd;
	unsigned char *sq;
	unsigned char *cq;
	size_t sq_length;
	size_t cq_length;
	struct io_uring_sqe *sqe;
	struct io_uring_params params;
};

static inline unsigned int *uring_field(unsigned char *ring, __u32 offset)
{
	return (unsigned int *)(ring + offset);
}

static inline void uring_close(struct uring *ring)
{
	munmap(ring->sq, ring->sq_length);
	munmap(ring->cq, ring->cq_length);
	munmap(ring->sqe, URING_ENTRIES * sizeof(*ring->sqe));
	close(ring->fd);
}

static inline void *uring_map(struct uring *ring, size_t length, __u64 offset)
{
	return mmap(NULL, length, RW, MAP_SHARED | MAP_POPULATE, ring->fd,
		    offset);
}

static inline int uring_open(struct uring *ring)
{
	struct io_uring_params *p = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = vmo_ret(syscall(SYS_io_uring_setup, URING_ENTRIES, p));
	if (ring->fd < 0)
		return ring->fd;
	ring->sq_length = p->sq_off.array + p->sq_entries * sizeof(__u32);
	ring->cq_length = p->cq_off.cqes +
		p->cq_entries * sizeof(struct io_uring_cqe);
	ring->sq = uring_map(ring, ring->sq_length, IORING_OFF_SQ_RING);
	ring->cq = uring_map(ring, ring->cq_length, IORING_OFF_CQ_RING);
	ring->sqe = uring_map(ring, URING_ENTRIES * sizeof(*ring->sqe),
			      IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED ||
	    ring->sqe == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

static inline int uring_enter(struct uring *ring, unsigned int submit,
			      unsigned int wait)
{
	return vmo_ret(syscall(SYS_io_uring_enter, ring->fd, submit, wait,
			       wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0));
}

/* Hands one request to the kernel; 0 or -errno. */
static inline int uring_submit(struct uring *ring, __u8 op, int fd, void *at,
			       __u32 length, __u64 offset)
{
	unsigned int *tail = uring_field(ring->sq, ring->params.sq_off.tail);
	unsigned int *mask = uring_field(ring->sq,
					 ring->params.sq_off.ring_mask);
	unsigned int *array = uring_field(ring->sq,
					  ring->params.sq_off.array);
	unsigned int slot = *tail & *mask;
	int rc;

	ring->sqe[slot] = (struct io_uring_sqe) {
		.opcode = op,
		.fd = fd,
		.addr = (uintptr_t)at,
		.len = length,
		.off = offset,
	};
	array[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	rc = uring_enter(ring, 1, 0);
	return rc == 1 ? 0 : rc < 0 ? rc : -EIO;
}

/* The result of the request that was submitted */
static inline int uring_wait(struct uring *ring)
{
	unsigned int *head = uring_field(ring->cq, ring->params.cq_off.head);
	unsigned int *tail = uring_field(ring->cq, ring->params.cq_off.tail);
	unsigned int *mask = uring_field(ring->cq,
					 ring->params.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(ring->cq +
					     ring->params.cq_off.cqes);
	int rc;

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head) {
		rc = uring_enter(ring, 0, 1);
		if (rc < 0 && rc != -EINTR)
			return rc;
	}
	rc = cqes[*head & *mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return rc;
}

static inline int uring_rw(struct uring *ring, __u8 op, int fd, void *at,
			   __u32 length, __u64 offset)
{
	int rc = uring_submit(ring, op, fd, at, length, offset);

	return rc ? rc : uring_wait(ring);
}

static inline int uring_register(struct uring *ring, void *at, size_t length)
{
	struct iovec iov = { at, length };

	return vmo_ret(syscall(SYS_io_uring_register, ring->fd,
			       IORING_REGISTER_BUFFERS, &iov, 1));
}

#endif /* COWVMO_SELFTEST_URING_H */
