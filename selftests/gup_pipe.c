// SPDX-License-Identifier: GPL-2.0
/*
 * Pipes that hold pages of a VMO, and direct I/O on its way: what one member
 * of a family gave away before it was closed must not show what another
 * writes later, by whatever way it writes.
 */
#include "access.h"

#include "kselftest_harness.h"

#define PAGES	2ULL

FIXTURE(pipe) {
	int survivor;
	unsigned char *mem;
	int pipes[2];
};

FIXTURE_VARIANT(pipe) {
	/* who dies: the parent or the clone */
	bool parent_gives;
	int (*put)(unsigned char *at, unsigned char byte);
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_store) { .put = put_store };
FIXTURE_VARIANT_ADD(pipe, parent_gives_store) {
	.put = put_store,
	.parent_gives = true,
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_process_vm) { .put = put_process_vm };
FIXTURE_VARIANT_ADD(pipe, parent_gives_process_vm) {
	.put = put_process_vm,
	.parent_gives = true,
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_ptrace) { .put = put_ptrace };
FIXTURE_VARIANT_ADD(pipe, parent_gives_ptrace) {
	.put = put_ptrace,
	.parent_gives = true,
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_read) { .put = put_read };
FIXTURE_VARIANT_ADD(pipe, parent_gives_read) {
	.put = put_read,
	.parent_gives = true,
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_direct) { .put = put_direct };
FIXTURE_VARIANT_ADD(pipe, parent_gives_direct) {
	.put = put_direct,
	.parent_gives = true,
};

FIXTURE_VARIANT_ADD(pipe, clone_gives_uring_direct) { .put = put_uring_direct };
FIXTURE_VARIANT_ADD(pipe, parent_gives_uring_direct) {
	.put = put_uring_direct,
	.parent_gives = true,
};

/* All of the page into the pipe, itself and not a copy */
static int give(int fd, int to)
{
	unsigned char *mem = vmo_map(fd, 0, PG, PROT_READ);
	struct iovec iov = { mem, PG };
	long rc;

	if (!mem)
		return -errno;
	rc = vmo_ret(vmsplice(to, &iov, 1, 0));
	munmap(mem, PG);
	close(fd);
	return rc == PG ? 0 : rc < 0 ? rc : -EIO;
}

FIXTURE_SETUP(pipe)
{
	int fd = vmo_filled(PAGES, PAGES, 0);
	int clone = vmo_snapshot(fd);

	ASSERT_GE(fd, 0);
	ASSERT_GE(clone, 0);
	ASSERT_EQ(0, pipe(self->pipes));
	ASSERT_EQ(0, give(variant->parent_gives ? fd : clone, self->pipes[1]));
	self->survivor = variant->parent_gives ? clone : fd;
	self->mem = vmo_map(self->survivor, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(pipe)
{
	munmap(self->mem, PAGES * PG);
	close(self->survivor);
	close(self->pipes[0]);
	close(self->pipes[1]);
	EXPECT_EQ(0, vmo_validate());
}

/* The pipe's page is as it was when the giver died. */
static int pipe_check(int from)
{
	__u64 page[PG / sizeof(__u64)];
	long got = vmo_ret(read(from, page, PG));

	if (got != PG)
		return got < 0 ? got : -EIO;
	return pat_mem_check(page, FILL);
}

TEST_F(pipe, shows_nothing_new)
{
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(0, variant->put(self->mem + BLOCK, 2));
	EXPECT_EQ(0, pipe_check(self->pipes[0]));
	EXPECT_EQ(1, vmo_get_byte(self->survivor, 0));
	EXPECT_EQ(2, vmo_get_byte(self->survivor, BLOCK));
}

TEST_F(pipe, shows_nothing_new_after_a_load)
{
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL));
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(0, pipe_check(self->pipes[0]));
}

TEST_F(pipe, shows_nothing_new_after_other_writes)
{
	EXPECT_EQ(0, vmo_put_byte(self->survivor, 100, 1));
	EXPECT_EQ(0, vmo_zero(self->survivor, 200, 10));
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(0, vmo_zero(self->survivor, 0, PG));
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(0, pipe_check(self->pipes[0]));
}

/* A second pipe shares the page with the first, and outlives it. */
TEST_F(pipe, a_duplicate_shows_nothing_new)
{
	int more[2];

	ASSERT_EQ(0, pipe(more));
	ASSERT_EQ(PG, tee(self->pipes[0], more[1], PG, 0));
	EXPECT_EQ(0, pipe_check(self->pipes[0]));
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(0, pipe_check(more[0]));
	close(more[0]);
	close(more[1]);
}

/* From the pipe to a file, after the write */
TEST_F(pipe, spliced_to_a_file)
{
	__u64 page[PG / sizeof(__u64)];
	int file = memfd_create("file", MFD_CLOEXEC);

	ASSERT_GE(file, 0);
	EXPECT_EQ(0, variant->put(self->mem, 1));
	EXPECT_EQ(PG, splice(self->pipes[0], NULL, file, NULL, PG, 0));
	EXPECT_EQ(PG, pread(file, page, PG, 0));
	EXPECT_EQ(0, pat_mem_check(page, FILL));
	close(file);
}

/* As long as the pipe holds it, it is no longer the survivor's page. */
TEST_F(pipe, later_snapshots_of_the_survivor)
{
	int one, two;

	one = vmo_snapshot(self->survivor);
	ASSERT_GE(one, 0);
	EXPECT_EQ(0, variant->put(self->mem, 1));
	two = vmo_snapshot(self->survivor);
	ASSERT_GE(two, 0);
	close(one);
	EXPECT_EQ(0, variant->put(self->mem, 2));
	EXPECT_EQ(1, vmo_get_byte(two, 0));
	close(two);
	EXPECT_EQ(0, variant->put(self->mem, 3));
	EXPECT_EQ(0, pipe_check(self->pipes[0]));
}

/*
 * Direct I/O that is on its way while snapshots are made. The file is large
 * enough for a request to be split, the tests do not depend on when it ends.
 */

#define FLIGHT_PAGES	512ULL
#define FLIGHT_BYTES	(FLIGHT_PAGES * PG)
#define FLIGHT_SNAPS	4

FIXTURE(flight) {
	int fd;
	int file;
	unsigned char *mem;
	struct uring ring;
	int snap[FLIGHT_SNAPS];
	__u64 sum[FLIGHT_SNAPS];
};

FIXTURE_SETUP(flight)
{
	unsigned char *buf = mmap(NULL, FLIGHT_BYTES, RW,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, buf);
	memset(buf, 0xee, FLIGHT_BYTES);
	self->file = disk_file(O_DIRECT);
	ASSERT_GE(self->file, 0);
	ASSERT_EQ(FLIGHT_BYTES, pwrite(self->file, buf, FLIGHT_BYTES, 0));
	munmap(buf, FLIGHT_BYTES);
	self->fd = vmo_new(FLIGHT_BYTES, 0);
	ASSERT_GE(self->fd, 0);
	self->mem = vmo_map(self->fd, 0, FLIGHT_BYTES, RW);
	ASSERT_NE(NULL, self->mem);
	memset(self->mem, 0x11, FLIGHT_BYTES);
	ASSERT_EQ(0, uring_open(&self->ring));
}

FIXTURE_TEARDOWN(flight)
{
	uring_close(&self->ring);
	munmap(self->mem, FLIGHT_BYTES);
	close(self->fd);
	close(self->file);
	unlink(DISK_FILE);
	EXPECT_EQ(0, vmo_validate());
}

/* -EILSEQ if there is a byte that was neither before nor after */
static int sum_of(int fd, __u64 *sum, unsigned char a, unsigned char b)
{
	unsigned char buf[PG];
	__u64 i, n;

	*sum = 0;
	for (i = 0; i < FLIGHT_PAGES; i++) {
		if (page_read(fd, i, buf))
			return -EIO;
		for (n = 0; n < PG; n++) {
			if (buf[n] != a && buf[n] != b)
				return -EILSEQ;
			*sum = *sum * 31 + buf[n];
		}
	}
	return 0;
}

static int all_bytes(int fd, unsigned char byte)
{
	__u64 sum;

	return sum_of(fd, &sum, byte, byte);
}

/* What arrives late is in the VMO, and changes no snapshot. */
TEST_F(flight, reading_into_a_mapping)
{
	__u64 sum;
	int i;

	ASSERT_EQ(0, uring_submit(&self->ring, IORING_OP_READ, self->file,
				  self->mem, FLIGHT_BYTES, 0));
	for (i = 0; i < FLIGHT_SNAPS; i++) {
		self->snap[i] = vmo_snapshot(self->fd);
		ASSERT_GE(self->snap[i], 0);
		EXPECT_EQ(0, sum_of(self->snap[i], &self->sum[i], 0x11, 0xee));
	}
	EXPECT_EQ(FLIGHT_BYTES, uring_wait(&self->ring));
	EXPECT_EQ(0, all_bytes(self->fd, 0xee));
	for (i = 0; i < FLIGHT_SNAPS; i++) {
		EXPECT_EQ(0, sum_of(self->snap[i], &sum, 0x11, 0xee));
		EXPECT_EQ(self->sum[i], sum);
		close(self->snap[i]);
	}
}

/* Twice at once, from two sides of a snapshot */
TEST_F(flight, reading_into_parent_and_clone)
{
	int snap = vmo_snapshot(self->fd), later;
	unsigned char *mem;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, FLIGHT_BYTES, RW);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, uring_submit(&self->ring, IORING_OP_READ, self->file,
				  mem, FLIGHT_BYTES, 0));
	later = vmo_snapshot(self->fd);
	ASSERT_GE(later, 0);
	memset(self->mem, 0x22, FLIGHT_BYTES);
	EXPECT_EQ(FLIGHT_BYTES, uring_wait(&self->ring));
	EXPECT_EQ(0, all_bytes(self->fd, 0x22));
	EXPECT_EQ(0, all_bytes(snap, 0xee));
	EXPECT_EQ(0, all_bytes(later, 0x11));
	munmap(mem, FLIGHT_BYTES);
	close(snap);
	close(later);
}

/* A snapshot is written to disk, and closed while that is on its way. */
TEST_F(flight, writing_a_closed_clone)
{
	int snap = vmo_snapshot(self->fd);
	unsigned char *mem, *buf;
	__u64 i, wrong = 0;
	int rc;

	ASSERT_GE(snap, 0);
	mem = vmo_map(snap, 0, FLIGHT_BYTES, PROT_READ);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, uring_submit(&self->ring, IORING_OP_WRITE, self->file,
				  mem, FLIGHT_BYTES, 0));
	munmap(mem, FLIGHT_BYTES);
	close(snap);
	memset(self->mem, 0x33, FLIGHT_BYTES);
	rc = uring_wait(&self->ring);
	/* io_uring may put a request off; this one then found no memory. */
	if (rc == -EFAULT)
		SKIP(return, "the request began too late");
	EXPECT_EQ(FLIGHT_BYTES, rc);

	buf = mmap(NULL, FLIGHT_BYTES, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_EQ(FLIGHT_BYTES, pread(self->file, buf, FLIGHT_BYTES, 0));
	for (i = 0; i < FLIGHT_BYTES; i++)
		wrong += buf[i] != 0x11;
	EXPECT_EQ(0, wrong);
	munmap(buf, FLIGHT_BYTES);
	EXPECT_EQ(0, all_bytes(self->fd, 0x33));
}

TEST_HARNESS_MAIN
