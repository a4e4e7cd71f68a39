// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of pins: they are the VMO's pages, keep the pin, give no more right
 * than it has, and drivers can hold them for long.
 */
#include "access.h"
#include "gup.h"
#include "pin.h"

#include "kselftest_harness.h"

#define FIRST	2ULL	/* what is pinned */
#define PINNED	5ULL

FIXTURE(pin_map) {
	struct pinned p;
	int pin;
	unsigned char *mem;	/* of the pin */
	long pins;
};

FIXTURE_SETUP(pin_map)
{
	self->pins = vmo_stat("pins");
	ASSERT_EQ(0, pinned_setup(&self->p));
	self->pin = vmo_pin(self->p.fd, WRITE, FIRST * PG, PINNED * PG);
	ASSERT_LE(0, self->pin);
	self->mem = vmo_map(self->pin, 0, PINNED * PG, RW);
	ASSERT_NE(NULL, self->mem);
}

FIXTURE_TEARDOWN(pin_map)
{
	EXPECT_EQ(0, vmo_validate());
	if (self->mem)
		EXPECT_EQ(0, munmap(self->mem, PINNED * PG));
	if (self->pin >= 0)
		EXPECT_EQ(0, close(self->pin));
	EXPECT_EQ(0, pinned_teardown(&self->p));
	EXPECT_EQ(self->pins, vmo_stat("pins"));
}

/* The pin and its mapping are gone. */
static int let_go(FIXTURE_DATA(pin_map) * self)
{
	int rc = vmo_ret(munmap(self->mem, PINNED * PG)) ?:
		vmo_ret(close(self->pin));

	self->mem = NULL;
	self->pin = -1;
	return rc;
}

/* --- The same pages */

TEST_F(pin_map, shows_the_pages)
{
	unsigned char byte;
	unsigned int i;

	pages_note(&self->p);
	for (i = 0; i < PINNED; i++) {
		byte = *(volatile unsigned char *)(self->mem + i * PG);
		EXPECT_EQ(self->p.mem[(FIRST + i) * PG], byte);
		EXPECT_EQ(self->p.pfn[FIRST + i], pfn_of(self->mem + i * PG));
	}
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL + FIRST));
}

TEST_F(pin_map, both_ways)
{
	self->mem[0] = 1;
	self->mem[PINNED * PG - 1] = 2;
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(2, vmo_get_byte(self->p.fd, (FIRST + PINNED) * PG - 1));
	EXPECT_EQ(0, pat_fill(self->p.fd, FIRST + 1, 3));
	EXPECT_EQ(0, pat_mem_check(self->mem + PG, 3));
	self->p.mem[(FIRST + 2) * PG] = 4;
	EXPECT_EQ(4, self->mem[2 * PG]);
	EXPECT_EQ(0, vmo_zero(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem, PINNED * PG));
	self->mem[0] = 5;
	EXPECT_EQ(5, self->p.mem[FIRST * PG]);
	EXPECT_EQ(0, vmo_set_stream_size(self->p.fd, 0));
	EXPECT_EQ(0, zero_mem_check(self->mem, PINNED * PG));
}

/* Only a part, at an offset; nothing beyond what is pinned */
TEST_F(pin_map, parts)
{
	unsigned char *mem = vmo_map(self->pin, 2 * PG, PG, RW);

	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem, FILL + FIRST + 2));
	mem[7] = 7;
	EXPECT_EQ(7, vmo_get_byte(self->p.fd, (FIRST + 2) * PG + 7));
	EXPECT_EQ(-EFAULT,
		  mremap(mem, PG, 2 * PG, MREMAP_MAYMOVE) == MAP_FAILED ?
		  -errno : 0);
	EXPECT_EQ(0, munmap(mem, PG));
}

static int map_error(int fd, int prot, int flags, __u64 offset, size_t length)
{
	void *mem = mmap(NULL, length, prot, flags, fd, offset);

	if (mem == MAP_FAILED)
		return -errno;
	munmap(mem, length);
	return 0;
}

TEST_F(pin_map, ranges)
{
	static const struct {
		int want;
		__u64 offset;
		size_t length;
	} maps[] = {
		{ 0, (PINNED - 1) * PG, PG },
		{ 0, 0, PINNED * PG - 5 },
		{ -EINVAL, 0, (PINNED + 1) * PG },
		{ -EINVAL, 0, PINNED * PG + 1 },
		{ -EINVAL, PG, PINNED * PG },
		{ -EINVAL, PINNED * PG, PG },
		{ -EINVAL, (PINNED + 1) * PG, PG },
		{ -EINVAL, 1ULL << 40, PG },
		{ -EINVAL, (1ULL << 63) - 2 * PG, PG },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(maps); i++)
		EXPECT_EQ(maps[i].want,
			  map_error(self->pin, RW, MAP_SHARED, maps[i].offset,
				    maps[i].length))
			TH_LOG("number %u", i);
}

/* --- What it may do */

TEST_F(pin_map, kinds)
{
	EXPECT_EQ(-EINVAL, map_error(self->pin, RW, MAP_PRIVATE, 0, PG));
	EXPECT_EQ(-EINVAL, map_error(self->pin, PROT_READ, MAP_PRIVATE, 0,
				     PG));
	EXPECT_EQ(-EPERM, map_error(self->pin, PROT_READ | PROT_EXEC,
				    MAP_SHARED, 0, PG));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(self->mem, PG,
					    PROT_READ | PROT_EXEC)));
}

TEST_F(pin_map, of_a_pin_that_reads)
{
	int pin = vmo_pin(self->p.fd, READ, 0, 4 * PG);
	unsigned char *mem;

	ASSERT_LE(0, pin);
	EXPECT_EQ(-EACCES, map_error(pin, RW, MAP_SHARED, 0, PG));
	EXPECT_EQ(-EACCES, map_error(pin, PROT_WRITE, MAP_SHARED, 0, PG));
	EXPECT_EQ(-EINVAL, map_error(pin, RW, MAP_PRIVATE, 0, PG));
	mem = vmo_map(pin, 0, 4 * PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pat_mem_check(mem + PG, FILL + 1));
	EXPECT_EQ(-EACCES, vmo_ret(mprotect(mem, PG, RW)));
	EXPECT_EQ(SIGSEGV, vmo_try_write(mem, 1));
	self->p.mem[0] = 1;
	EXPECT_EQ(1, mem[0]);
	EXPECT_EQ(0, munmap(mem, 4 * PG));
	close(pin);
}

/* Taken away and given back: the store comes through each time. */
TEST_F(pin_map, mprotect)
{
	unsigned int i;

	for (i = 1; i < 4; i++) {
		self->mem[0] = i;
		EXPECT_EQ(0, mprotect(self->mem, PINNED * PG, PROT_READ));
		EXPECT_EQ(SIGSEGV, vmo_try_write(self->mem, 9));
		EXPECT_EQ(0, mprotect(self->mem, PINNED * PG, RW));
		EXPECT_EQ(i, vmo_get_byte(self->p.fd, FIRST * PG));
	}
}

TEST_F(pin_map, advice)
{
	self->mem[0] = 1;
	EXPECT_EQ(0, madvise(self->mem, PINNED * PG, MADV_DONTNEED));
	EXPECT_EQ(1, self->mem[0]);
	EXPECT_EQ(0, madvise(self->mem, PINNED * PG, MADV_POPULATE_WRITE));
	EXPECT_NE(0, madvise(self->mem, PINNED * PG, MADV_REMOVE));
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
}

/* --- It keeps the pin */

TEST_F(pin_map, keeps_the_pin)
{
	EXPECT_EQ(0, close(self->pin));
	self->pin = -1;
	EXPECT_TRUE(is_pinned(self->p.fd));
	self->mem[0] = 1;
	EXPECT_EQ(0, munmap(self->mem + PG, (PINNED - 1) * PG));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(0, munmap(self->mem, PG));
	EXPECT_FALSE(is_pinned(self->p.fd));
	self->mem = NULL;
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
}

TEST_F(pin_map, keeps_the_vmo)
{
	EXPECT_EQ(0, close(self->pin));
	self->pin = -1;
	EXPECT_EQ(0, pinned_teardown(&self->p));
	EXPECT_EQ(0, pat_mem_check(self->mem, FILL + FIRST));
	self->mem[PG] = 1;
	EXPECT_EQ(1, self->mem[PG]);
	EXPECT_EQ(self->pins + 1, vmo_stat("pins"));
	EXPECT_EQ(0, munmap(self->mem, PINNED * PG));
	self->mem = NULL;
	EXPECT_EQ(self->pins, vmo_stat("pins"));
	ASSERT_EQ(0, pinned_setup(&self->p));
}

static int use_it(void *arg)
{
	unsigned char *mem = arg;

	mem[0] = 1;
	return mem[0] != 1;
}

TEST_F(pin_map, fork)
{
	struct holder holder;

	self->mem[0] = 0;
	ASSERT_EQ(0, holder_start(&holder, use_it, self->mem));
	EXPECT_EQ(0, let_go(self));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

TEST_F(pin_map, moved)
{
	void *place = mmap(NULL, PINNED * PG, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	self->mem[0] = 1;
	ASSERT_EQ(place, mremap(self->mem, PINNED * PG, PINNED * PG,
				MREMAP_MAYMOVE | MREMAP_FIXED, place));
	self->mem = place;
	EXPECT_EQ(0, close(self->pin));
	self->pin = -1;
	EXPECT_EQ(1, self->mem[0]);
	self->mem[PG] = 2;
	EXPECT_EQ(2, vmo_get_byte(self->p.fd, (FIRST + 1) * PG));
	EXPECT_TRUE(is_pinned(self->p.fd));
}

/* A large one, over several page tables */
TEST_F(pin_map, large)
{
	const __u64 pages = 2000;
	int fd = vmo_new(pages * PG, 0);
	int pin = vmo_pin(fd, WRITE, 0, pages * PG);
	unsigned char *mem = vmo_map(pin, 0, pages * PG, RW);
	__u64 i;

	ASSERT_NE(NULL, mem);
	for (i = 0; i < pages; i += 37)
		pat_mem_fill(mem + i * PG, i);
	for (i = 0; i < pages; i++)
		EXPECT_EQ(0, i % 37 ? zero_check(fd, i) : pat_check(fd, i, i));
	EXPECT_EQ(0, zero_mem_check(mem + PG, 36 * PG));
	EXPECT_EQ(0, munmap(mem, pages * PG));
	close(pin);
	close(fd);
}

/* --- What is pinned is nobody else's */

/*
 * A relative that is gone has left the page in a pipe: what comes later, by
 * whatever way, does not show there.
 */
static void pipe_of_a_relative(struct __test_metadata *_metadata, __u32 flags)
{
	int fd = vmo_filled(1, 1, 0), snap = vmo_snapshot(fd), pipes[2], pin;
	unsigned char *mem = vmo_map(snap, 0, PG, PROT_READ);
	struct iovec iov = { mem, PG };
	__u64 page[PG / sizeof(__u64)];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(PG, (__u64)vmsplice(pipes[1], &iov, 1, 0));
	munmap(mem, PG);
	close(snap);
	pin = vmo_pin(fd, flags, 0, PG);
	ASSERT_LE(0, pin);
	if (flags & WRITE) {
		mem = vmo_map(pin, 0, PG, RW);
		mem[0] = 1;
	} else {
		mem = vmo_map(pin, 0, PG, PROT_READ);
		EXPECT_EQ(0, vmo_put_byte(fd, 0, 1));
	}
	EXPECT_EQ(1, mem[0]);
	EXPECT_EQ(1, vmo_get_byte(fd, 0));
	ASSERT_EQ(PG, (__u64)read(pipes[0], page, PG));
	EXPECT_EQ(0, pat_mem_check(page, FILL));
	munmap(mem, PG);
	close(pin);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(pin_map, pipe_of_a_relative)
{
	pipe_of_a_relative(_metadata, WRITE);
	pipe_of_a_relative(_metadata, READ);
}

/* --- Who does I/O with it */

TEST_F(pin_map, direct_io)
{
	int (*const put[])(unsigned char *at, unsigned char byte) = {
		put_store, put_process_vm, put_proc_mem, put_ptrace, put_read,
		put_direct, put_uring, put_uring_direct,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(put); i++) {
		EXPECT_EQ(0, put[i](self->mem, i + 1)) TH_LOG("way %u", i);
		EXPECT_EQ(i + 1, vmo_get_byte(self->p.fd, FIRST * PG));
		EXPECT_EQ(i + 1, self->p.mem[FIRST * PG]);
	}
}

/* A driver holds them for as long as it likes, on every kernel. */
TEST_F(pin_map, longterm)
{
	int rc = gup_load(), held, snap;

	if (rc)
		SKIP(return, "%s: %s", GUP_MODULE, strerror(-rc));
	held = gup_hold(self->mem, GUP_TEST_PIN | GUP_TEST_LONGTERM |
			GUP_TEST_WRITE);
	ASSERT_LE(0, held);
	EXPECT_EQ(0, gup_store(held, 0, 1));
	EXPECT_EQ(1, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(0, vmo_put_byte(self->p.fd, FIRST * PG, 2));
	EXPECT_EQ(2, gup_read(held, 0));

	/* It outlives the pin: a snapshot has a copy of what is there then. */
	EXPECT_EQ(0, let_go(self));
	snap = vmo_snapshot(self->p.fd);
	ASSERT_LE(0, snap);
	EXPECT_EQ(0, gup_store(held, 0, 3));
	EXPECT_EQ(3, vmo_get_byte(self->p.fd, FIRST * PG));
	EXPECT_EQ(2, vmo_get_byte(snap, FIRST * PG));
	EXPECT_EQ(0, vmo_put_byte(self->p.fd, FIRST * PG, 4));
	EXPECT_EQ(4, gup_read(held, 0));
	close(held);
	close(snap);
	snap = vmo_snapshot(self->p.fd);
	EXPECT_EQ(0, vmo_private(snap));
	close(snap);
}

TEST_F(pin_map, longterm_of_a_pin_that_reads)
{
	int rc = gup_load(), held, pin;
	unsigned char *mem;

	if (rc)
		SKIP(return, "%s: %s", GUP_MODULE, strerror(-rc));
	pin = vmo_pin(self->p.fd, READ, 0, PG);
	mem = vmo_map(pin, 0, PG, PROT_READ);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(-EFAULT, gup_hold(mem, GUP_TEST_PIN | GUP_TEST_LONGTERM |
				    GUP_TEST_WRITE));
	EXPECT_EQ(-EFAULT, gup_hold(mem, GUP_TEST_WRITE));
	held = gup_hold(mem, GUP_TEST_PIN | GUP_TEST_LONGTERM);
	ASSERT_LE(0, held);
	EXPECT_EQ(0, vmo_put_byte(self->p.fd, 0, 2));
	EXPECT_EQ(2, gup_read(held, 0));
	munmap(mem, PG);
	close(pin);
	close(held);
}

/* io_uring's fixed buffers; 6.1 takes no mapped file as such. */
TEST_F(pin_map, fixed_buffers)
{
	int file = open(DISK_FILE, O_RDWR | O_CREAT | O_DIRECT, 0600);
	unsigned char *buffers = self->mem;
	struct uring ring;
	int snap, rc;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, uring_open(&ring));
	rc = uring_register(&ring, self->mem, PINNED * PG);
	if (rc == -EOPNOTSUPP && !kernel_at_least(6, 4)) {
		uring_close(&ring);
		close(file);
		SKIP(return, "fixed buffers are not for mapped files here");
	}
	ASSERT_EQ(0, rc);
	/* Out, something else in, and back */
	EXPECT_EQ(PG, (__u64)uring_rw(&ring, IORING_OP_WRITE_FIXED, file,
				      self->mem, PG, 0));
	EXPECT_EQ(0, pat_fill(self->p.fd, FIRST, 5));
	EXPECT_EQ(PG, (__u64)uring_rw(&ring, IORING_OP_READ_FIXED, file,
				      self->mem + PG, PG, 0));
	EXPECT_EQ(0, pat_check(self->p.fd, FIRST + 1, FILL + FIRST));
	EXPECT_EQ(0, pat_check(self->p.fd, FIRST, 5));

	/* Registered buffers outlive the pin. */
	EXPECT_EQ(-EBUSY, vmo_snapshot(self->p.fd));
	EXPECT_EQ(0, let_go(self));
	snap = vmo_snapshot(self->p.fd);
	ASSERT_LE(0, snap);
	EXPECT_EQ(PG, (__u64)uring_rw(&ring, IORING_OP_READ_FIXED, file,
				      buffers, PG, 0));
	EXPECT_EQ(0, pat_check(self->p.fd, FIRST, FILL + FIRST));
	EXPECT_EQ(0, pat_check(snap, FIRST, 5));
	close(snap);
	uring_close(&ring);
	close(file);
	unlink(DISK_FILE);
}

TEST_HARNESS_MAIN
