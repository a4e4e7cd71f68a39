// SPDX-License-Identifier: GPL-2.0
/*
 * SEAL: from then on nothing changes the content, through whatever descriptor
 * or mapping; and it is refused while anybody could still do so.
 */
#include "gup.h"

#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"

#define RESIZABLE	COWVMO_CREATE_RESIZABLE
#define PAGES		4ULL
#define SIZE		(PAGES * PG)
#define PUNCH		(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static bool is_sealed(int fd)
{
	struct cowvmo_get_info info;

	return !vmo_info(fd, &info, 0) &&
		info.out_flags & COWVMO_INFO_SEALED;
}

/* --- What is refused, through each kind of descriptor */

enum via { V_ITSELF, V_REFERENCE, V_LATER_REFERENCE, V_CLONE };

FIXTURE(sealed) {
	int vmo, fd;
};

FIXTURE_VARIANT(sealed) {
	enum via via;
};

FIXTURE_VARIANT_ADD(sealed, itself) { .via = V_ITSELF };
FIXTURE_VARIANT_ADD(sealed, reference) { .via = V_REFERENCE };
FIXTURE_VARIANT_ADD(sealed, later_reference) { .via = V_LATER_REFERENCE };
FIXTURE_VARIANT_ADD(sealed, clone) { .via = V_CLONE };

FIXTURE_SETUP(sealed)
{
	self->vmo = vmo_filled(PAGES, PAGES, RESIZABLE);
	ASSERT_LE(0, self->vmo);
	if (variant->via == V_REFERENCE)
		self->fd = vmo_reference(self->vmo, RESIZABLE);
	else if (variant->via == V_CLONE)
		self->fd = vmo_child(self->vmo, RESIZABLE, 0, SIZE);
	else
		self->fd = dup(self->vmo);
	ASSERT_EQ(0, vmo_seal(variant->via == V_CLONE ? self->fd : self->vmo));
	if (variant->via == V_LATER_REFERENCE) {
		EXPECT_EQ(0, close(self->fd));
		self->fd = vmo_reference(self->vmo, RESIZABLE);
	}
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sealed)
{
	EXPECT_TRUE(is_sealed(self->fd));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(SIZE, vmo_size(self->fd));
	EXPECT_EQ(SIZE, vmo_stream(self->fd));
	EXPECT_EQ(SIZE, vmo_size(self->vmo));
	EXPECT_EQ(0, close(self->fd));
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(sealed, write)
{
	struct iovec iov = { "x", 1 };

	EXPECT_EQ(-EPERM, vmo_put_byte(self->fd, 0, 1));
	EXPECT_EQ(-EPERM, vmo_put_byte(self->fd, SIZE, 1));
	EXPECT_EQ(-EPERM, vmo_put_byte(self->fd, 10 * PG, 1));
	EXPECT_EQ(-EPERM, vmo_ret(write(self->fd, "x", 1)));
	EXPECT_EQ(-EPERM, vmo_ret(writev(self->fd, &iov, 1)));
	EXPECT_EQ(-EPERM, vmo_ret(pwritev2(self->fd, &iov, 1, 5, 0)));
	EXPECT_EQ(-EPERM, vmo_ret(pwritev2(self->fd, &iov, 1, 5,
					   RWF_APPEND)));
	EXPECT_EQ(0, pwrite(self->fd, "x", 0, 0));
}

TEST_F(sealed, sizes)
{
	EXPECT_EQ(-EPERM, vmo_set_size(self->fd, PG));
	EXPECT_EQ(-EPERM, vmo_set_size(self->fd, 2 * SIZE));
	EXPECT_EQ(-ERANGE, vmo_set_size(self->fd, VMO_MAX + 1));
	EXPECT_EQ(-EPERM, vmo_ret(ftruncate(self->fd, 0)));
	EXPECT_EQ(-EPERM, vmo_ret(ftruncate(self->fd, 2 * SIZE)));
	EXPECT_EQ(-EPERM, vmo_set_stream_size(self->fd, 0));
	EXPECT_EQ(-EPERM, vmo_set_stream_size(self->fd, PG));
	EXPECT_EQ(-ERANGE, vmo_set_stream_size(self->fd, SIZE + 1));
	EXPECT_EQ(0, vmo_set_stream_size(self->fd, SIZE));
}

TEST_F(sealed, ranges)
{
	__u64 done = 1;

	EXPECT_EQ(-EPERM, vmo_op(self->fd, COWVMO_OP_ZERO, 0, 1, &done));
	EXPECT_EQ(0, done);
	EXPECT_EQ(-EPERM, vmo_zero(self->fd, 0, SIZE));
	EXPECT_EQ(-EPERM, vmo_decommit(self->fd, 0, SIZE));
	/* After the range, before the rest */
	EXPECT_EQ(-ERANGE, vmo_zero(self->fd, 0, SIZE + 1));
	EXPECT_EQ(-ERANGE, vmo_decommit(self->fd, 1, SIZE));
	EXPECT_EQ(-EPERM, vmo_decommit(self->fd, 1, 1));
	EXPECT_EQ(0, vmo_zero(self->fd, SIZE, 0));
	EXPECT_EQ(0, vmo_decommit(self->fd, 1, 0));
}

TEST_F(sealed, fallocate)
{
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(self->fd, PUNCH, 0, PG)));
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(self->fd, PUNCH, 5, 7)));
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(self->fd, FALLOC_FL_ZERO_RANGE, 0,
					    PG)));
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(self->fd, FALLOC_FL_ZERO_RANGE,
					    SIZE, PG)));
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(self->fd, 0, 0, SIZE + 1)));
	EXPECT_EQ(-ENOSPC, vmo_ret(fallocate(self->fd, FALLOC_FL_KEEP_SIZE,
					     SIZE, 1)));
}

TEST_F(sealed, shared_mappings)
{
	unsigned char *mem;

	EXPECT_EQ(NULL, vmo_map(self->fd, 0, SIZE, RW));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(NULL, vmo_map(self->fd, 0, SIZE, PROT_WRITE));
	EXPECT_EQ(EPERM, errno);
	mem = vmo_map(self->fd, 0, SIZE, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, SIZE, RW)));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, SIZE, PROT_WRITE)));
	EXPECT_EQ(-EACCES, vmo_ret(madvise(mem, PG, MADV_REMOVE)));
	EXPECT_EQ(SIGSEGV, vmo_try_write(mem, 1));
	EXPECT_EQ(0, smaps_flag(mem, " mw"));
	EXPECT_EQ(0, munmap(mem, SIZE));
}

TEST_F(sealed, private_mappings_work)
{
	unsigned char *mem = map_private(self->fd, 0, SIZE, RW);
	unsigned char *later = map_private(self->fd, 0, SIZE, PROT_READ);

	ASSERT_NE(NULL, mem);
	ASSERT_NE(NULL, later);
	EXPECT_EQ(0, vmo_try_write(mem, 0x99));
	EXPECT_EQ(0, mprotect(later, SIZE, RW));
	EXPECT_EQ(0, vmo_try_write(later + PG, 0x99));
	EXPECT_EQ(0x99, mem[0]);
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	EXPECT_EQ(0, munmap(later, SIZE));
	EXPECT_EQ(0, munmap(mem, SIZE));
}

/* --- What still can be done */

TEST_F(sealed, reading)
{
	EXPECT_EQ((off_t)SIZE, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ((off_t)SIZE, lseek(self->fd, 0, SEEK_HOLE));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_EQ(0, vmo_set_name(self->fd, "sealed"));
	EXPECT_EQ(0, vmo_seal(self->fd));
}

TEST_F(sealed, committing)
{
	EXPECT_EQ(0, vmo_commit(self->fd, 0, SIZE));
	EXPECT_EQ(0, fallocate(self->fd, 0, 0, SIZE));
	EXPECT_EQ(SIZE, vmo_populated(self->vmo));
}

TEST_F(sealed, clones_are_not)
{
	int clone = vmo_child(self->fd, RESIZABLE, 0, SIZE);
	unsigned char *mem = vmo_map(clone, 0, SIZE, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_FALSE(is_sealed(clone));
	EXPECT_EQ(0, filled_check(clone, 0, PAGES));
	mem[0] = 1;
	EXPECT_EQ(0, pat_fill(clone, 1, 7));
	EXPECT_EQ(0, vmo_zero(clone, 2 * PG, PG));
	EXPECT_EQ(0, vmo_set_size(clone, 3 * PG));
	EXPECT_EQ(0, filled_check(self->fd, 0, PAGES));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, vmo_seal(clone));
	EXPECT_EQ(-EPERM, vmo_put_byte(clone, 0, 2));
	EXPECT_EQ(0, close(clone));
}

/* Of its relatives only those that show the same are. */
TEST(relatives_are_not)
{
	int root = vmo_filled(PAGES, PAGES, 0), vmo = vmo_snapshot(root);
	int clone = vmo_snapshot(vmo), ref = vmo_reference(vmo, 0);

	ASSERT_EQ(0, vmo_seal(ref));
	EXPECT_TRUE(is_sealed(vmo));
	EXPECT_TRUE(is_sealed(ref));
	EXPECT_FALSE(is_sealed(root));
	EXPECT_FALSE(is_sealed(clone));
	EXPECT_EQ(0, close(vmo));
	EXPECT_EQ(-EPERM, vmo_put_byte(ref, 0, 1));
	EXPECT_EQ(0, pat_fill(root, 0, 7));
	EXPECT_EQ(0, pat_fill(clone, 0, 8));
	EXPECT_EQ(0, filled_check(ref, 0, PAGES));
	EXPECT_EQ(0, close(root));
	EXPECT_EQ(0, close(clone));
	EXPECT_EQ(0, close(ref));
}

/* --- Slices, and who may seal */

FIXTURE(seal) {
	int vmo;
};

FIXTURE_SETUP(seal)
{
	self->vmo = vmo_filled(PAGES, PAGES, 0);
	ASSERT_LE(0, self->vmo);
}

FIXTURE_TEARDOWN(seal)
{
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, vmo_validate());
}

TEST_F(seal, slices)
{
	int slice = vmo_slice(self->vmo, PG, 2 * PG), inner;

	ASSERT_EQ(0, vmo_set_stream_size(slice, 2 * PG));
	ASSERT_EQ(0, vmo_seal(self->vmo));
	inner = vmo_slice(slice, 0, PG);
	EXPECT_TRUE(is_sealed(slice));
	EXPECT_TRUE(is_sealed(inner));
	EXPECT_EQ(-EPERM, vmo_put_byte(inner, 0, 1));
	EXPECT_EQ(-EPERM, vmo_put_byte(slice, 0, 1));
	EXPECT_EQ(-EPERM, vmo_zero(slice, 0, 1));
	EXPECT_EQ(-EPERM, vmo_decommit(slice, 0, PG));
	EXPECT_EQ(-EPERM, vmo_set_stream_size(slice, PG));
	EXPECT_EQ(-EPERM, vmo_ret(fallocate(slice, PUNCH, 0, PG)));
	EXPECT_EQ(-ENOSPC, vmo_put_byte(slice, 2 * PG, 1));
	EXPECT_EQ(NULL, vmo_map(slice, 0, PG, RW));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, vmo_commit(slice, 0, 2 * PG));
	EXPECT_EQ(0, filled_check(self->vmo, 0, PAGES));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, close(slice));
}

TEST_F(seal, read_mappings_of_slices)
{
	int slice = vmo_slice(self->vmo, PG, 2 * PG);
	unsigned char *mem, byte;

	ASSERT_EQ(0, vmo_seal(self->vmo));
	mem = vmo_map(slice, 0, 3 * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 2));
	EXPECT_EQ(SIGBUS, vmo_try_read(mem + 2 * PG, &byte));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, RW)));
	EXPECT_EQ(0, munmap(mem, 3 * PG));
	EXPECT_EQ(0, close(slice));
}

TEST_F(seal, needs_a_writable_fd)
{
	int fd = vmo_open_read_only(self->vmo);

	EXPECT_EQ(-EACCES, vmo_seal(fd));
	EXPECT_FALSE(is_sealed(self->vmo));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, 0, 1));
	ASSERT_EQ(0, vmo_seal(self->vmo));
	EXPECT_TRUE(is_sealed(fd));
	EXPECT_EQ(-EACCES, vmo_seal(fd));
	EXPECT_EQ(0, close(fd));
}

TEST_F(seal, of_what_is_empty)
{
	int vmo = vmo_new(0, RESIZABLE), zeros = vmo_new(SIZE, 0);

	EXPECT_EQ(0, vmo_seal(vmo));
	EXPECT_EQ(-EPERM, vmo_put_byte(vmo, 0, 1));
	EXPECT_EQ(-EPERM, vmo_set_size(vmo, PG));
	EXPECT_EQ(0, vmo_seal(zeros));
	EXPECT_EQ(-EPERM, vmo_put_byte(zeros, 0, 1));
	EXPECT_EQ(0, zero_check(zeros, PAGES - 1));
	EXPECT_EQ(0, vmo_commit(zeros, 0, PG));
	EXPECT_EQ(0, zero_check(zeros, 0));
	EXPECT_EQ(0, close(zeros));
	EXPECT_EQ(0, close(vmo));
}

/* --- Mappings that could write */

/* EBUSY as long as this mapping is there; it goes. */
static void expect_busy(struct __test_metadata *_metadata, int vmo, void *mem)
{
	ASSERT_NE(NULL, mem);
	ASSERT_NE(MAP_FAILED, mem);
	EXPECT_EQ(-EBUSY, vmo_seal(vmo));
	EXPECT_FALSE(is_sealed(vmo));
	EXPECT_EQ(0, vmo_put_byte(vmo, 0, 1));
	EXPECT_EQ(0, munmap(mem, PG));
}

TEST_F(seal, writable_mappings)
{
	int slice = vmo_slice(self->vmo, 2 * PG, PG);
	int ref = vmo_reference(self->vmo, 0);

	expect_busy(_metadata, self->vmo, vmo_map(self->vmo, 0, PG, RW));
	expect_busy(_metadata, self->vmo, vmo_map(slice, 0, PG, RW));
	expect_busy(_metadata, self->vmo, vmo_map(ref, PG, PG, RW));
	expect_busy(_metadata, ref, vmo_map(self->vmo, 0, PG, PROT_WRITE));
	/* mprotect() could make these writable. */
	expect_busy(_metadata, self->vmo, vmo_map(ref, 0, PG, PROT_READ));
	expect_busy(_metadata, self->vmo, vmo_map(slice, 0, PG, PROT_NONE));
	/* Nobody has touched a page there. */
	expect_busy(_metadata, self->vmo, vmo_map(self->vmo, SIZE, PG, RW));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(0, close(ref));
	EXPECT_EQ(0, close(slice));
}

TEST_F(seal, mappings_that_cannot_write)
{
	int fd = vmo_open_read_only(self->vmo);
	int slice = vmo_slice(self->vmo, PG, PG), ro = vmo_slice(fd, PG, PG);
	unsigned char *mem[4] = {
		vmo_map(fd, 0, SIZE, PROT_READ),
		vmo_map(ro, 0, PG, PROT_READ),
		map_private(self->vmo, 0, PG, RW),
		map_private(slice, 0, PG, RW),
	};
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_NE(NULL, mem[i]);
	EXPECT_EQ(0, pat_mem_check(mem[1], FILL + 1));
	mem[2][0] = 1;
	EXPECT_EQ(0, vmo_seal(self->vmo));
	mem[3][0] = 1;
	EXPECT_EQ(0, pat_mem_check(mem[0], FILL));
	EXPECT_EQ(0, pat_mem_check(mem[0] + PG, FILL + 1));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, munmap(mem[i], i ? PG : SIZE));
	EXPECT_EQ(0, close(ro));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(fd));
}

static int just_hold(void *arg)
{
	return arg ? 0 : 1;
}

TEST_F(seal, a_mapping_in_another_process)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE, RW);
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, just_hold, mem));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	holder_stop(&holder);
	EXPECT_EQ(0, vmo_seal(self->vmo));
}

/* Mappings of all sorts come and go: none is counted wrongly. */
TEST_F(seal, after_many_mappings)
{
	int fd = vmo_open_read_only(self->vmo);
	int slice = vmo_slice(self->vmo, PG, PG), i;

	for (i = 0; i < 20; i++) {
		unsigned char *mem[5] = {
			vmo_map(self->vmo, 0, PG, RW),
			vmo_map(slice, 0, PG, PROT_READ),
			vmo_map(fd, 0, PG, PROT_READ),
			map_private(slice, 0, PG, RW),
			map_private(self->vmo, 0, PG, RW),
		};
		int k;

		for (k = 0; k < 5; k++)
			EXPECT_EQ(0, munmap(mem[(i + k) % 5], PG));
	}
	EXPECT_EQ(0, vmo_seal(self->vmo));
	for (i = 0; i < 20; i++) {
		unsigned char *mem = vmo_map(i % 2 ? slice : self->vmo, 0, PG,
					     PROT_READ);

		ASSERT_NE(NULL, mem);
		EXPECT_EQ(0, munmap(mem, PG));
	}
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(fd));
}

/* --- Pages that others hold */

TEST_F(seal, a_page_in_a_pipe)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE, RW);
	struct iovec iov = { mem + PG, PG };
	static unsigned char buf[PG];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	mem[PG] = 1;
	ASSERT_EQ(PG, vmsplice(pipes[1], &iov, 1, 0));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, PG + 1, 2));
	EXPECT_EQ(PG, read(pipes[0], buf, PG));
	EXPECT_EQ(1, buf[0]);
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(0, close(pipes[0]));
	EXPECT_EQ(0, close(pipes[1]));
}

/* A pipe only reads: what never was in a writable mapping cannot be written. */
TEST_F(seal, a_page_in_a_pipe_that_was_not_writable)
{
	unsigned char *mem = map_private(self->vmo, 0, PG, PROT_READ);
	struct iovec iov = { mem, PG };
	static unsigned char buf[PG];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(PG, vmsplice(pipes[1], &iov, 1, 0));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(PG, read(pipes[0], buf, PG));
	EXPECT_EQ(0, pat_mem_check(buf, FILL));
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(0, close(pipes[0]));
	EXPECT_EQ(0, close(pipes[1]));
}

/* Many readers of a page are not holders of it. */
TEST_F(seal, a_page_with_many_readers)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE, RW);
	int fd = vmo_open_read_only(self->vmo), i;
	unsigned char *reader[8];

	mem[0] = 1;
	for (i = 0; i < 8; i++) {
		reader[i] = vmo_map(fd, 0, PG, PROT_READ);
		EXPECT_EQ(1, reader[i][0]);
	}
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(1, reader[i][0]);
		EXPECT_EQ(0, munmap(reader[i], PG));
	}
	EXPECT_EQ(0, close(fd));
}

/* A driver that has the page for writing, mapping or not, snapshot or not */
TEST_F(seal, a_page_that_a_driver_writes)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE, RW);
	int rc = gup_load(), held, snap;

	if (rc)
		SKIP(return, "no module to hold pages: %d", rc);
	mem[2 * PG] = 1;
	held = gup_hold(mem + 2 * PG, GUP_TEST_WRITE);
	ASSERT_LE(0, held);
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	snap = vmo_snapshot(self->vmo);
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	EXPECT_EQ(0, gup_store(held, 1, 2));
	EXPECT_EQ(2, vmo_get_byte(self->vmo, 2 * PG + 1));
	EXPECT_EQ(0, gup_drop(held));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(2, vmo_get_byte(self->vmo, 2 * PG + 1));
	EXPECT_EQ(0, close(held));
}

/* It was refused: all goes on as before, snapshots are exact. */
TEST_F(seal, refused_and_then_used)
{
	unsigned char *mem = vmo_map(self->vmo, 0, SIZE, RW);
	struct iovec iov = { mem, PG };
	int pipes[2], snap;

	ASSERT_EQ(0, pipe(pipes));
	memset(mem, 1, SIZE);
	ASSERT_EQ(PG, vmsplice(pipes[1], &iov, 1, 0));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(-EBUSY, vmo_seal(self->vmo));
	mem = vmo_map(self->vmo, 0, SIZE, RW);
	memset(mem, 2, 2 * PG);
	snap = vmo_snapshot(self->vmo);
	memset(mem, 3, SIZE);
	EXPECT_EQ(2, vmo_get_byte(snap, 0));
	EXPECT_EQ(2, vmo_get_byte(snap, PG));
	EXPECT_EQ(1, vmo_get_byte(snap, 2 * PG));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(0, munmap(mem, SIZE));
	EXPECT_EQ(0, close(pipes[0]));
	EXPECT_EQ(0, close(pipes[1]));
	EXPECT_EQ(0, vmo_seal(self->vmo));
}

/* --- Others write meanwhile: once it is sealed, nothing changes any more. */

struct writer {
	int fd;
	int error;
};

/* Maps, stores and unmaps, until that is refused. */
static void *map_and_store(void *arg)
{
	struct writer *writer = arg;
	unsigned char *mem, i = 0;

	for (;;) {
		mem = vmo_map(writer->fd, 0, PG, RW);
		if (!mem)
			break;
		/* Mapped before and touched after it was sealed: a signal */
		vmo_try_write(mem + 9, ++i);
		munmap(mem, PG);
	}
	writer->error = -errno;
	return NULL;
}

static void *write_by_file(void *arg)
{
	struct writer *writer = arg;
	unsigned char i = 0;

	do {
		writer->error = vmo_put_byte(writer->fd, 9, ++i);
	} while (!writer->error);
	return NULL;
}

static void seal_against(struct __test_metadata *_metadata, int vmo, int fd,
			 void *(*write)(void *arg))
{
	struct writer writer = { .fd = fd };
	pthread_t thread;
	int rc, byte;

	ASSERT_EQ(0, pthread_create(&thread, NULL, write, &writer));
	while (vmo_get_byte(fd, 9) == 0)
		usleep(100);
	do {
		rc = vmo_seal(vmo);
	} while (rc == -EBUSY);
	byte = vmo_get_byte(fd, 9);
	EXPECT_EQ(0, rc);
	pthread_join(thread, NULL);
	EXPECT_EQ(-EPERM, writer.error);
	EXPECT_EQ(byte, vmo_get_byte(fd, 9));
}

TEST_F_TIMEOUT(seal, while_others_write, 120)
{
	int i, vmo, fd;

	for (i = 0; i < 60; i++) {
		vmo = vmo_new(SIZE, 0);
		if (i % 3 == 0)
			fd = dup(vmo);
		else
			fd = i % 3 == 1 ? vmo_slice(vmo, PG, PG) :
				vmo_reference(vmo, 0);
		seal_against(_metadata, vmo, fd,
			     i % 2 ? map_and_store : write_by_file);
		EXPECT_EQ(0, close(fd));
		EXPECT_EQ(0, close(vmo));
	}
}

TEST_HARNESS_MAIN
