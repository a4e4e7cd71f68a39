// SPDX-License-Identifier: GPL-2.0
/*
 * read(2) and write(2) in all their forms: what happens at both ends, with
 * odd pieces, with bad memory, and with memory that is the VMO itself.
 */
#include <limits.h>
#include <sys/uio.h>

#include "vmo.h"
#include "kselftest_harness.h"

#define PAGES	4
#define BYTES	(PAGES * PG)

#ifndef RWF_NOWAIT
#define RWF_NOWAIT	0x8
#endif
#ifndef RWF_APPEND
#define RWF_APPEND	0x10
#endif

FIXTURE(rw) {
	int vmo, growing;
	unsigned char *buf;	/* 2 * BYTES, then nothing mapped */
};

FIXTURE_SETUP(rw)
{
	unsigned int i;

	self->vmo = vmo_new(BYTES, 0);
	self->growing = vmo_new(BYTES, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	ASSERT_LE(0, self->growing);
	self->buf = mmap(NULL, 2 * BYTES + PG, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buf);
	ASSERT_EQ(0, munmap(self->buf + 2 * BYTES, PG));
	for (i = 0; i < 2 * PAGES; i++)
		pat_mem_fill(self->buf + i * PG, i + 1);
}

FIXTURE_TEARDOWN(rw)
{
	EXPECT_EQ(0, munmap(self->buf, 2 * BYTES));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->growing));
}

static long put(int fd, const void *buf, size_t len, __u64 at)
{
	return vmo_ret(pwrite(fd, buf, len, at));
}

static long get(int fd, void *buf, size_t len, __u64 at)
{
	return vmo_ret(pread(fd, buf, len, at));
}

/* --- Ends */

TEST_F(rw, read_at_the_end)
{
	char byte;

	EXPECT_EQ(BYTES, put(self->vmo, self->buf, BYTES, 0));
	EXPECT_EQ(10, get(self->vmo, self->buf, 100, BYTES - 10));
	EXPECT_EQ(0, get(self->vmo, &byte, 1, BYTES));
	EXPECT_EQ(0, get(self->vmo, &byte, 1, BYTES + 1));
	EXPECT_EQ(0, get(self->vmo, &byte, 1, LLONG_MAX - 1));
	EXPECT_EQ(-EINVAL, get(self->vmo, &byte, 1, ~0ULL));
	EXPECT_EQ(BYTES, get(self->vmo, self->buf, 2 * BYTES, 0));
}

TEST_F(rw, fixed_size_is_an_end)
{
	static const __u64 beyond[] = {
		BYTES, BYTES + 1, BYTES + PG, 1ULL << 40, 1ULL << 62,
	};
	unsigned int i;

	EXPECT_EQ(10, put(self->vmo, self->buf, 100, BYTES - 10));
	for (i = 0; i < ARRAY_SIZE(beyond); i++)
		EXPECT_EQ(-ENOSPC, put(self->vmo, self->buf, 1, beyond[i]));
	EXPECT_EQ(0, put(self->vmo, self->buf, 0, BYTES));
	EXPECT_EQ(-EINVAL, put(self->vmo, self->buf, 1, ~0ULL));
	EXPECT_EQ(BYTES, put(self->vmo, self->buf, 2 * BYTES, 0));
	EXPECT_EQ(BYTES, vmo_size(self->vmo));
	EXPECT_EQ(BYTES, vmo_stream(self->vmo));
}

/* Within the VMO a write moves the end of file, as in a file. */
TEST_F(rw, fixed_size_stream_grows)
{
	int fd = vmo_new(PG + 10, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(PG + 10, vmo_stream(fd));
	EXPECT_EQ(5, put(fd, "hello", 5, PG + 20));
	EXPECT_EQ(PG + 25, vmo_stream(fd));
	EXPECT_EQ(2 * PG, vmo_size(fd));
	EXPECT_EQ(0, vmo_get_byte(fd, PG + 15));
	EXPECT_EQ(5, put(fd, "hello world", 11, 2 * PG - 5));
	EXPECT_EQ(2 * PG, vmo_stream(fd));
	EXPECT_EQ(-ENOSPC, put(fd, "h", 1, 2 * PG));
	EXPECT_EQ(0, close(fd));
}

TEST_F(rw, resizable_grows)
{
	EXPECT_EQ(BYTES, put(self->growing, self->buf, BYTES, 0));
	EXPECT_EQ(100, put(self->growing, self->buf, 100, BYTES - 10));
	EXPECT_EQ(BYTES + 90, vmo_stream(self->growing));
	EXPECT_EQ(BYTES + PG, vmo_size(self->growing));
	EXPECT_EQ(1, put(self->growing, "x", 1, BYTES + 5 * PG));
	EXPECT_EQ(BYTES + 5 * PG + 1, vmo_stream(self->growing));
	EXPECT_EQ(BYTES + 6 * PG, vmo_size(self->growing));
	EXPECT_EQ(0, zero_check(self->growing, PAGES + 2));
	EXPECT_EQ((PAGES + 2) * PG, vmo_populated(self->growing));
	EXPECT_EQ(0, vmo_get_byte(self->growing, BYTES + 95));
}

TEST_F(rw, resizable_has_a_largest_size)
{
	long rc;

	EXPECT_EQ(1, put(self->growing, "x", 1, VMO_MAX - 1));
	EXPECT_EQ(VMO_MAX, vmo_size(self->growing));
	EXPECT_EQ('x', vmo_get_byte(self->growing, VMO_MAX - 1));
	EXPECT_EQ(1, put(self->growing, "yz", 2, VMO_MAX - 1));
	/* The VFS or the module may be the first to refuse */
	rc = put(self->growing, "x", 1, VMO_MAX);
	EXPECT_TRUE(rc == -EFBIG || rc == -ENOSPC);
	EXPECT_EQ(VMO_MAX, vmo_stream(self->growing));
	EXPECT_EQ(PG, vmo_populated(self->growing));
}

TEST_F(rw, length_zero)
{
	EXPECT_EQ(0, put(self->growing, self->buf, 0, BYTES + 5));
	EXPECT_EQ(0, put(self->growing, NULL, 0, 0));
	EXPECT_EQ(0, get(self->growing, NULL, 0, 0));
	EXPECT_EQ(BYTES, vmo_stream(self->growing));
	EXPECT_EQ(0, vmo_populated(self->growing));
}

TEST_F(rw, read_and_write_move_the_position)
{
	EXPECT_EQ(100, write(self->vmo, self->buf, 100));
	EXPECT_EQ(100, lseek(self->vmo, 0, SEEK_CUR));
	EXPECT_EQ(BYTES - 100, write(self->vmo, self->buf + 100, BYTES));
	EXPECT_EQ(-1, write(self->vmo, self->buf, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, read(self->vmo, self->buf + BYTES, BYTES));
	EXPECT_EQ(0, lseek(self->vmo, 0, SEEK_SET));
	EXPECT_EQ(BYTES, read(self->vmo, self->buf + BYTES, BYTES));
	EXPECT_EQ(0, memcmp(self->buf, self->buf + BYTES, BYTES));
	EXPECT_EQ(BYTES, lseek(self->vmo, 0, SEEK_CUR));
}

/* --- Appending */

TEST_F(rw, append)
{
	int fd = vmo_new(10, COWVMO_CREATE_RESIZABLE);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_APPEND));
	EXPECT_EQ(3, write(fd, "abc", 3));
	EXPECT_EQ(13, vmo_stream(fd));
	EXPECT_EQ(3, put(fd, "def", 3, 0));
	EXPECT_EQ(16, vmo_stream(fd));
	EXPECT_EQ('a', vmo_get_byte(fd, 10));
	EXPECT_EQ('f', vmo_get_byte(fd, 15));
	EXPECT_EQ(0, vmo_get_byte(fd, 0));
	EXPECT_EQ(0, close(fd));
}

TEST_F(rw, append_to_fixed_size)
{
	int fd = vmo_new(PG - 2, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_APPEND));
	EXPECT_EQ(2, write(fd, "abc", 3));
	EXPECT_EQ(-1, write(fd, "abc", 3));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ('b', vmo_get_byte(fd, PG - 1));
	EXPECT_EQ(PG, vmo_stream(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(rw, rwf_append)
{
	struct iovec iov = { .iov_base = "abc", .iov_len = 3 };

	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, 100));
	EXPECT_EQ(3, pwritev2(self->vmo, &iov, 1, 0, RWF_APPEND));
	EXPECT_EQ(103, vmo_stream(self->vmo));
	EXPECT_EQ('a', vmo_get_byte(self->vmo, 100));
	EXPECT_EQ(0, vmo_get_byte(self->vmo, 0));
}

/* Whether the file can promise not to wait or not: no byte is wrong. */
TEST_F(rw, rwf_nowait)
{
	struct iovec iov = { .iov_base = self->buf, .iov_len = BYTES };
	long rc;

	EXPECT_EQ(BYTES, put(self->vmo, self->buf + BYTES, BYTES, 0));
	rc = vmo_ret(pwritev2(self->vmo, &iov, 1, 0, RWF_NOWAIT));
	EXPECT_TRUE(rc == -EAGAIN || rc == -EOPNOTSUPP || rc > 0);
	if (rc < 0)
		rc = 0;
	EXPECT_EQ(BYTES, get(self->vmo, self->buf + BYTES, BYTES, 0));
	EXPECT_EQ(0, memcmp(self->buf, self->buf + BYTES, rc));
	EXPECT_EQ(BYTES, put(self->vmo, self->buf, BYTES, 0));
	iov.iov_base = self->buf + BYTES;
	rc = vmo_ret(preadv2(self->vmo, &iov, 1, 0, RWF_NOWAIT));
	EXPECT_TRUE(rc == -EAGAIN || rc == -EOPNOTSUPP || rc > 0);
	if (rc > 0)
		EXPECT_EQ(0, memcmp(self->buf, self->buf + BYTES, rc));
}

TEST_F(rw, rwf_unknown)
{
	struct iovec iov = { .iov_base = self->buf, .iov_len = 1 };

	EXPECT_EQ(-1, pwritev2(self->vmo, &iov, 1, 0, 0x40000000));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, preadv2(self->vmo, &iov, 1, 0, 0x40000000));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(0, vmo_populated(self->vmo));
}

/* --- Pieces */

/* Cuts @len bytes at @mem into pieces of @step, 2 * @step, 3 * @step, ... */
static int cut(struct iovec *iov, int max, unsigned char *mem, size_t len,
	       size_t step)
{
	size_t piece = step;
	int n;

	for (n = 0; len && n < max; n++) {
		piece = piece < len ? piece : len;
		iov[n].iov_base = mem;
		iov[n].iov_len = n % 3 == 2 ? 0 : piece;
		mem += iov[n].iov_len;
		len -= iov[n].iov_len;
		piece += step;
	}
	return n;
}

static long bytes_of(const struct iovec *iov, int n)
{
	long sum = 0;

	while (n--)
		sum += iov[n].iov_len;
	return sum;
}

TEST_F(rw, vectors)
{
	static const size_t steps[] = { 1, 7, 97, 511, 1000, 4095, 4097 };
	struct iovec in[200], out[200];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned char *back = self->buf + BYTES;
		__u64 at = 3 + 13 * i;
		size_t len = BYTES - at;
		int n = cut(in, ARRAY_SIZE(in), self->buf, len, steps[i]);
		int m = cut(out, ARRAY_SIZE(out), back, len,
			    steps[ARRAY_SIZE(steps) - 1 - i]);

		EXPECT_EQ(bytes_of(in, n), pwritev(self->vmo, in, n, at));
		memset(back, 0, BYTES);
		EXPECT_EQ(bytes_of(out, m), preadv(self->vmo, out, m, at));
		len = bytes_of(in, n) < bytes_of(out, m) ? bytes_of(in, n) :
			bytes_of(out, m);
		EXPECT_EQ(0, memcmp(self->buf, back, len));
	}
}

TEST_F(rw, odd_offsets)
{
	unsigned int at, len;

	for (at = 0; at < 2 * PG; at += 509) {
		for (len = 1; len < 2 * PG; len = len * 3 + 1) {
			unsigned char *src = self->buf + (at + len) % PG;
			unsigned char back[2 * PG];

			ASSERT_EQ(len, put(self->vmo, src, len, at));
			ASSERT_EQ(len, get(self->vmo, back, len, at));
			ASSERT_EQ(0, memcmp(src, back, len))
				TH_LOG("%u bytes at %u", len, at);
		}
	}
}

/* --- Bad memory */

TEST_F(rw, unmapped_buffer)
{
	void *nowhere = self->buf + 2 * BYTES;

	EXPECT_EQ(-EFAULT, put(self->vmo, nowhere, PG, 0));
	EXPECT_EQ(-EFAULT, put(self->vmo, nowhere + 8, 1, 10));
	EXPECT_EQ(-EFAULT, put(self->growing, nowhere, PG, BYTES));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
	EXPECT_EQ(BYTES, vmo_size(self->growing));
	EXPECT_EQ(BYTES, vmo_stream(self->growing));
	EXPECT_EQ(0, pat_fill(self->vmo, 0, 9));
	EXPECT_EQ(-EFAULT, put(self->vmo, nowhere, PG, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 9));
	EXPECT_EQ(-EFAULT, get(self->vmo, nowhere, PG, 0));
	EXPECT_EQ(-EFAULT, get(self->vmo, nowhere, PG, PG));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 9));
}

/* Kernel memory is as bad as none. */
TEST_F(rw, kernel_buffer)
{
	void *kernel = (void *)0xffff888000000000UL;

	EXPECT_EQ(-EFAULT, put(self->vmo, kernel, PG, 0));
	EXPECT_EQ(-EFAULT, get(self->vmo, kernel, PG, 0));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
}

/* A buffer whose end is missing: a partial count, and only that much. */
TEST_F(rw, half_a_buffer)
{
	static const unsigned int have[] = {
		1, 100, PG - 1, PG, PG + 1, 2 * PG - 50, 3 * PG + 1,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(have); i++) {
		unsigned char *src = self->buf + 2 * BYTES - have[i];
		unsigned char back[BYTES], old[BYTES];
		long rc;

		memset(old, 0x11, BYTES);
		ASSERT_EQ(BYTES, put(self->vmo, old, BYTES, 0));
		rc = put(self->vmo, src, have[i] + PG / 2, 5);
		if (rc == -EFAULT)
			rc = 0;
		EXPECT_LE(0, rc);
		EXPECT_GE((long)have[i], rc);
		/* Whole pages that could be read are not given up */
		EXPECT_LE((long)(have[i] / PG * PG) - (long)PG, rc);
		ASSERT_EQ(BYTES, get(self->vmo, back, BYTES, 0));
		EXPECT_EQ(0, memcmp(back, old, 5));
		EXPECT_EQ(0, memcmp(back + 5, src, rc));
		EXPECT_EQ(0, memcmp(back + PG / 2 + 5 + have[i],
				    old + PG / 2 + 5 + have[i],
				    BYTES - PG / 2 - 5 - have[i]));
	}
}

TEST_F(rw, half_a_buffer_to_read_into)
{
	unsigned char *end = self->buf + 2 * BYTES;
	long rc;

	EXPECT_EQ(BYTES, put(self->vmo, self->buf, BYTES, 0));
	rc = get(self->vmo, end - PG - 10, 2 * PG, 0);
	EXPECT_LE((long)PG, rc);
	EXPECT_GE((long)PG + 10, rc);
	EXPECT_EQ(0, memcmp(self->buf, end - PG - 10, rc));
	/* Holes are no different */
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, BYTES));
	rc = get(self->vmo, end - PG - 10, 2 * PG, 0);
	EXPECT_LE((long)PG, rc);
	EXPECT_EQ(0, zero_mem_check(end - PG - 10, rc));
}

TEST_F(rw, read_only_buffer)
{
	EXPECT_EQ(PG, put(self->vmo, self->buf, PG, 0));
	EXPECT_EQ(0, mprotect(self->buf + PG, PG, PROT_READ));
	EXPECT_EQ(-EFAULT, get(self->vmo, self->buf + PG, PG, 0));
	EXPECT_EQ(0, pat_mem_check(self->buf + PG, 2));
	EXPECT_EQ(PG, put(self->vmo, self->buf + PG, PG, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 2));
}

/* --- The VMO as its own buffer */

FIXTURE(self_copy) {
	int vmo, child;
	unsigned char *mem;
};

/* Is the content shared with a clone, is it there, is it mapped already? */
FIXTURE_VARIANT(self_copy) {
	bool shared, touched;
};

FIXTURE_VARIANT_ADD(self_copy, alone) { };
FIXTURE_VARIANT_ADD(self_copy, alone_touched) { .touched = true };
FIXTURE_VARIANT_ADD(self_copy, shared) { .shared = true };
FIXTURE_VARIANT_ADD(self_copy, shared_touched) {
	.shared = true, .touched = true,
};

FIXTURE_SETUP(self_copy)
{
	self->vmo = vmo_new(BYTES, 0);
	ASSERT_LE(0, self->vmo);
	ASSERT_EQ(0, pat_fill(self->vmo, 0, 1));
	ASSERT_EQ(0, pat_fill(self->vmo, 1, 2));
	self->mem = vmo_map(self->vmo, 0, BYTES, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, (void *)self->mem);
	if (variant->touched)
		self->mem[0] = self->mem[0];
	self->child = vmo_child(self->vmo, 0, 0, variant->shared ? BYTES : 0);
	ASSERT_LE(0, self->child);
}

FIXTURE_TEARDOWN(self_copy)
{
	EXPECT_EQ(0, vmo_validate());
	if (variant->shared) {
		EXPECT_EQ(0, pat_check(self->child, 0, 1));
		EXPECT_EQ(0, pat_check(self->child, 1, 2));
		EXPECT_EQ(0, zero_check(self->child, 2));
		EXPECT_EQ(0, zero_check(self->child, 3));
	}
	EXPECT_EQ(0, munmap(self->mem, BYTES));
	EXPECT_EQ(0, close(self->child));
	EXPECT_EQ(0, close(self->vmo));
}

TEST_F(self_copy, write_from_mapping)
{
	EXPECT_EQ(2 * PG, put(self->vmo, self->mem, 2 * PG, 2 * PG));
	EXPECT_EQ(0, pat_mem_check(self->mem + 2 * PG, 1));
	EXPECT_EQ(0, pat_mem_check(self->mem + 3 * PG, 2));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
}

TEST_F(self_copy, read_into_mapping)
{
	EXPECT_EQ(2 * PG, get(self->vmo, self->mem + 2 * PG, 2 * PG, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 3, 2));
	EXPECT_EQ(2 * PG, get(self->vmo, self->mem, 2 * PG, 2 * PG));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 2));
}

/* Each page onto itself: the same bytes, whoever faults first */
TEST_F(self_copy, onto_itself)
{
	EXPECT_EQ(BYTES, put(self->vmo, self->mem, BYTES, 0));
	EXPECT_EQ(BYTES, get(self->vmo, self->mem, BYTES, 0));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, pat_check(self->vmo, 1, 2));
	EXPECT_EQ(0, zero_check(self->vmo, 2));
	EXPECT_EQ(0, zero_check(self->vmo, 3));
}

/* Zeros out of holes, over data */
TEST_F(self_copy, hole_over_data)
{
	EXPECT_EQ(PG, put(self->vmo, self->mem + 3 * PG, PG, 0));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
	EXPECT_EQ(PG, get(self->vmo, self->mem + PG, PG, 2 * PG));
	EXPECT_EQ(0, zero_check(self->vmo, 1));
}

/* A clone's mapping as the source of its parent, and the other way round */
TEST_F(self_copy, through_a_relative)
{
	unsigned char *mem = vmo_map(self->child, 0, BYTES, PROT_READ);

	ASSERT_NE(NULL, (void *)mem);
	if (variant->shared) {
		EXPECT_EQ(2 * PG, put(self->vmo, mem, 2 * PG, 2 * PG));
		EXPECT_EQ(0, pat_check(self->vmo, 2, 1));
		EXPECT_EQ(0, pat_check(self->vmo, 3, 2));
		EXPECT_EQ(BYTES, put(self->vmo, mem, BYTES, 0));
		EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
		EXPECT_EQ(0, zero_check(self->vmo, 2));
	} else {
		EXPECT_EQ(-EFAULT, put(self->vmo, mem, PG, 2 * PG));
		EXPECT_EQ(0, zero_check(self->vmo, 2));
	}
	EXPECT_EQ(0, munmap(mem, BYTES));
}

TEST_HARNESS_MAIN
