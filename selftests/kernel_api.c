// SPDX-License-Identifier: GPL-2.0
/*
 * VMOs in the hands of another module: taken by descriptor, made there, looked
 * at, pinned, and what of that processes get to feel.
 */
#include "api.h"
#include "pin.h"

#include <sys/resource.h>

#include "kselftest_harness.h"

#define VMO	API_TEST_VMO
#define PINNED	API_TEST_PINNED
#define PAGE	API_TEST_PAGE

FIXTURE(api) {
	struct vmo_stats start;
	struct pinned p;
	int dev;
};

FIXTURE_SETUP(api)
{
	ASSERT_EQ(0, api_load());
	self->start = vmo_stats();
	ASSERT_EQ(0, pinned_setup(&self->p));
	self->dev = api_open();
	ASSERT_LE(0, self->dev);
	ASSERT_EQ(0, api_take(self->dev, self->p.fd, true));
}

FIXTURE_TEARDOWN(api)
{
	struct vmo_stats now;

	EXPECT_EQ(0, vmo_validate());
	if (self->dev >= 0)
		EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, pinned_teardown(&self->p));
	now = vmo_stats();
	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, api_unload());
}

/* --- Handles */

TEST_F(api, what_is_no_vmo)
{
	int pin = vmo_pin(self->p.fd, READ, 0, PG);
	int fds[] = {
		vmo_device(), pin, vmo_pin_export(pin), self->dev,
		memfd_create("api", 0), open("/dev/null", O_RDWR),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(-EINVAL, api_take(self->dev, fds[i], false));
		EXPECT_EQ(-EINVAL, api_take(self->dev, fds[i], true));
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] != self->dev)
			close(fds[i]);
	EXPECT_EQ(-EBADF, api_take(self->dev, fds[0], false));
	EXPECT_EQ(-EBADF, api_take(self->dev, -1, false));
	/* What it had it has. */
	EXPECT_EQ((int)(pat_word(FILL, 0) & 0xff),
		  api_read(self->dev, VMO, 0));
}

TEST_F(api, of_a_descriptor_that_reads)
{
	int fd = vmo_open_read_only(self->p.fd);

	EXPECT_EQ(-EACCES, api_take(self->dev, fd, true));
	ASSERT_EQ(0, api_take(self->dev, fd, false));
	EXPECT_EQ(-EACCES, api_store(self->dev, VMO, 0, 1));
	EXPECT_EQ(-EACCES, api_op(self->dev, COWVMO_OP_ZERO, 0, PG));
	EXPECT_EQ(-EACCES, api_pin(self->dev, WRITE, 0, PG));
	EXPECT_EQ(0, api_pin(self->dev, READ, 0, PG));
	close(fd);
	fd = api_do(self->dev, API_TEST_FD);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, pat_check(fd, 0, FILL));
	EXPECT_EQ(-EBADF, pat_fill(fd, 0, 1));
	close(fd);
}

/* To relatives, and to the module, it is there as long as a handle is. */
TEST_F(api, lives_by_a_handle)
{
	int snap = vmo_snapshot(self->p.fd);
	__u64 id = vmo_id(snap);

	ASSERT_EQ(0, api_take(self->dev, snap, true));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(1, vmo_children(self->p.fd));
	snap = api_do(self->dev, API_TEST_FD);
	EXPECT_EQ(id, vmo_id(snap));
	EXPECT_EQ(0, filled_check(snap, 0, FILLED));
	EXPECT_EQ(0, close(snap));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_PUT));
	EXPECT_EQ(0, vmo_children(self->p.fd));
}

static long module_users(void)
{
	char text[32];

	if (file_read("/sys/module/cowvmo/refcnt", text, sizeof(text)) < 0)
		return -1;
	return strtol(text, NULL, 10);
}

TEST_F(api, keeps_the_module)
{
	long users = module_users();

	ASSERT_LT(0, users);
	ASSERT_EQ(0, api_make(self->dev, PG));
	ASSERT_EQ(0, api_pin(self->dev, WRITE, 0, PG));
	EXPECT_LT(users, module_users() + 1);
	EXPECT_EQ(-EWOULDBLOCK, vmo_ret(syscall(SYS_delete_module, "cowvmo",
						O_NONBLOCK)));
	EXPECT_EQ(-EWOULDBLOCK, api_unload());
}

TEST_F(api, made_by_a_driver)
{
	int fd;

	ASSERT_EQ(0, api_make(self->dev, 3 * PG + 1));
	fd = api_do(self->dev, API_TEST_FD);
	ASSERT_LE(0, fd);
	EXPECT_EQ(4 * PG, vmo_size(fd));
	EXPECT_EQ(0, vmo_populated(fd));
	EXPECT_EQ(0, pat_fill(fd, 1, 7));
	EXPECT_EQ((int)(pat_word(7, 0) & 0xff),
		  api_read(self->dev, VMO, PG));
	EXPECT_EQ(0, api_store(self->dev, VMO, 0, 9));
	EXPECT_EQ(9, vmo_get_byte(fd, 0));
	EXPECT_EQ(-ERANGE, api_make(self->dev, VMO_MAX + 1));
	close(fd);
}

/* One piece is all that a device has to be told. */
TEST_F(api, contiguous)
{
	int fd;

	ASSERT_EQ(0, api_make_contiguous(self->dev, 300 * PG - 1, 21));
	fd = api_do(self->dev, API_TEST_FD);
	ASSERT_LE(0, fd);
	EXPECT_EQ(COWVMO_INFO_CONTIGUOUS, (int)vmo_flags(fd));
	EXPECT_EQ(300 * PG, vmo_populated(fd));
	EXPECT_EQ(0, api_pin(self->dev, WRITE, 0, 300 * PG));
	EXPECT_EQ(1, api_do(self->dev, API_TEST_PIECES));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_TABLE));
	EXPECT_EQ(0, api_store(self->dev, PINNED, 299 * PG, 9));
	EXPECT_EQ(9, vmo_get_byte(fd, 299 * PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(fd, 0, PG));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_UNPIN));
	/* What is away comes back for a pin, to where it was. */
	EXPECT_EQ(0, vmo_decommit(fd, 5 * PG, 200 * PG));
	EXPECT_EQ(0, vmo_commit(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, api_pin(self->dev, 0, 0, 300 * PG));
	EXPECT_EQ(1, api_do(self->dev, API_TEST_PIECES));
	EXPECT_EQ(0, api_read(self->dev, PINNED, 6 * PG));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_UNPIN));
	EXPECT_EQ(-EINVAL, api_make_contiguous(self->dev, PG, 11));
	EXPECT_EQ(-EINVAL, api_make_contiguous(self->dev, 0, 12));
	EXPECT_EQ(-ENOMEM, api_make_contiguous(self->dev, VMO_MAX, 0));
	close(fd);
}

TEST_F(api, a_snapshot_by_a_driver)
{
	int fd = api_range(self->dev, API_TEST_CLONE, PG, 2 * PG, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(2 * PG, vmo_size(fd));
	EXPECT_EQ(vmo_id(self->p.fd), vmo_parent(fd));
	EXPECT_EQ(0, pat_fill(self->p.fd, 1, 7));
	EXPECT_EQ(0, pat_check(fd, 0, FILL + 1));
	close(fd);
	ASSERT_EQ(0, api_pin(self->dev, READ, 0, PG));
	EXPECT_EQ(-EBUSY, api_range(self->dev, API_TEST_CLONE, 0, PG, 0));
}

/* --- Content */

TEST_F(api, reads_and_writes)
{
	EXPECT_EQ(0, api_store(self->dev, VMO, 2 * PG + 1, 5));
	EXPECT_EQ(5, self->p.mem[2 * PG + 1]);
	self->p.mem[7 * PG] = 6;
	EXPECT_EQ(6, api_read(self->dev, VMO, 7 * PG));
	EXPECT_EQ(0, api_read(self->dev, VMO, 6 * PG));
	EXPECT_EQ(-ENODATA, api_read(self->dev, VMO, PAGES * PG));
	EXPECT_EQ(0, api_op(self->dev, COWVMO_OP_ZERO, 2 * PG, PG));
	EXPECT_EQ(0, self->p.mem[2 * PG + 1]);
	EXPECT_EQ(-ERANGE, api_op(self->dev, COWVMO_OP_ZERO, 0,
				  PAGES * PG + 1));
	ASSERT_EQ(0, munmap(self->p.mem, PAGES * PG));
	ASSERT_EQ(0, vmo_seal(self->p.fd));
	EXPECT_EQ(-EPERM, api_store(self->dev, VMO, 0, 1));
	EXPECT_EQ(-EPERM, api_pin(self->dev, WRITE, 0, PG));
	self->p.mem = vmo_map(self->p.fd, 0, PAGES * PG, PROT_READ);
	ASSERT_NE(NULL, self->p.mem);
}

static __u32 page_flags(int fd, __u64 page)
{
	struct cowvmo_page_state state;

	if (vmo_lookup(fd, 0, page * PG, PG, &state, 1, NULL) != 1)
		return ~0U;
	return state.flags;
}

TEST_F(api, looks_pages_up)
{
	EXPECT_EQ(0, api_look(self->dev, FILLED * PG));
	EXPECT_EQ(-ERANGE, api_look(self->dev, PAGES * PG));
	ASSERT_EQ(1, api_look(self->dev, 3 * PG + 9));
	EXPECT_EQ((int)(pat_word(FILL + 3, 0) & 0xff),
		  api_read(self->dev, PAGE, 0));
	/* Whoever asks sees that somebody has it. */
	EXPECT_TRUE(page_flags(self->p.fd, 3) & COWVMO_PAGE_HELD);
	EXPECT_FALSE(page_flags(self->p.fd, 2) & COWVMO_PAGE_HELD);
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->p.fd,
					       COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, vmo_zero(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ((int)(pat_word(FILL + 3, 0) & 0xff),
		  api_read(self->dev, PAGE, 0));
	EXPECT_EQ(0, api_look(self->dev, 3 * PG));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_LEAVE));
}

/* What a slice shows is counted from where it begins, and no more is there. */
TEST_F(api, slices)
{
	int fd = vmo_filled(PAGES, PAGES, 0);
	int slice = vmo_slice(fd, 3 * PG, 2 * PG);

	ASSERT_EQ(0, api_take(self->dev, slice, true));
	EXPECT_EQ((int)(pat_word(FILL + 4, 0) & 0xff),
		  api_read(self->dev, VMO, PG));
	EXPECT_EQ(1, api_look(self->dev, PG));
	EXPECT_EQ((int)(pat_word(FILL + 4, 0) & 0xff),
		  api_read(self->dev, PAGE, 0));
	EXPECT_EQ(-ERANGE, api_look(self->dev, 2 * PG));
	EXPECT_EQ(-ERANGE, api_pin(self->dev, READ, PG, 2 * PG));
	EXPECT_EQ(-EOPNOTSUPP,
		  api_range(self->dev, API_TEST_CLONE, 0, PG, 0));
	EXPECT_EQ(0, api_pin(self->dev, WRITE, PG, PG));
	EXPECT_EQ(0, api_store(self->dev, PINNED, 0, 1));
	EXPECT_EQ(1, vmo_get_byte(fd, 4 * PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(fd, 4 * PG, PG));
	EXPECT_EQ(0, vmo_decommit(fd, 3 * PG, PG));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_LEAVE));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_UNPIN));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_PUT));
	close(slice);
	close(fd);
}

/* --- Pins */

TEST_F(api, pins)
{
	ASSERT_EQ(0, api_pin(self->dev, WRITE, 4 * PG, 3 * PG));
	EXPECT_EQ(7 * PG, vmo_populated(self->p.fd));
	pages_note(&self->p);
	EXPECT_EQ(0, api_do(self->dev, API_TEST_TABLE));
	EXPECT_EQ((int)(pat_word(FILL + 5, 0) & 0xff),
		  api_read(self->dev, PINNED, PG));
	EXPECT_EQ(0, api_store(self->dev, PINNED, 2 * PG, 9));
	EXPECT_EQ(9, self->p.mem[6 * PG]);
	EXPECT_EQ(0, pat_fill(self->p.fd, 5, 1));
	EXPECT_EQ((int)(pat_word(1, 0) & 0xff),
		  api_read(self->dev, PINNED, PG));
	EXPECT_EQ(-ERANGE, api_read(self->dev, PINNED, 3 * PG));

	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->p.fd, 6 * PG, PG));
	EXPECT_EQ(-EBUSY, api_op(self->dev, COWVMO_OP_DECOMMIT, 6 * PG, PG));
	EXPECT_EQ(-EBUSY, vmo_set_size(self->p.fd, 6 * PG));
	EXPECT_EQ(-EBUSY, vmo_seal(self->p.fd));
	EXPECT_EQ(0, vmo_zero(self->p.fd, 0, PAGES * PG));
	EXPECT_EQ(0, api_read(self->dev, PINNED, PG));
	EXPECT_EQ(3, pages_same(&self->p, 4, 3));
	EXPECT_TRUE(page_flags(self->p.fd, 4) & COWVMO_PAGE_PINNED);
	/* Its own references are none: nobody holds what is only pinned. */
	EXPECT_FALSE(page_flags(self->p.fd, 4) & COWVMO_PAGE_HELD);

	EXPECT_EQ(0, api_do(self->dev, API_TEST_UNPIN));
	EXPECT_FALSE(is_pinned(self->p.fd));
	EXPECT_EQ(0, vmo_decommit(self->p.fd, 6 * PG, PG));
}

TEST_F(api, pin_errors)
{
	EXPECT_EQ(-EINVAL, api_pin(self->dev, 2, 0, PG));
	EXPECT_EQ(-EINVAL, api_pin(self->dev, READ, 0, 0));
	EXPECT_EQ(-EINVAL, api_pin(self->dev, READ, 1, PG));
	EXPECT_EQ(-EINVAL, api_pin(self->dev, READ, 0, PG - 1));
	EXPECT_EQ(-ERANGE, api_pin(self->dev, READ, PG, PAGES * PG));
	EXPECT_EQ(-ERANGE, api_pin(self->dev, READ, PG, -PG));
	EXPECT_FALSE(is_pinned(self->p.fd));
	EXPECT_EQ(FILLED * PG, vmo_populated(self->p.fd));
}

/* Those of processes and of modules are counted together. */
TEST_F(api, pins_of_both)
{
	int pins[COWVMO_MAX_PINS], i;

	for (i = 0; i < COWVMO_MAX_PINS - 1; i++) {
		pins[i] = vmo_pin(self->p.fd, READ, 0, PG);
		ASSERT_LE(0, pins[i]);
	}
	ASSERT_EQ(0, api_pin(self->dev, READ, 0, PG));
	EXPECT_EQ(-EOVERFLOW, vmo_pin(self->p.fd, READ, 0, PG));
	EXPECT_EQ(-EOVERFLOW, api_pin(self->dev, READ, 0, 2 * PG));
	for (i = 0; i < COWVMO_MAX_PINS - 1; i++)
		close(pins[i]);
	EXPECT_TRUE(is_pinned(self->p.fd));
}

/* Every allocation fails in turn; then there is no pin. */
TEST_F(api, no_memory)
{
	int rc = -ENOMEM;
	unsigned int n;

	for (n = 1; n < 30 && rc; n++) {
		ASSERT_EQ(-ENOMEM, rc);
		EXPECT_FALSE(is_pinned(self->p.fd));
		ASSERT_EQ(0, vmo_fail_nth(n));
		rc = api_pin(self->dev, WRITE, 5 * PG, 2 * PG);
	}
	ASSERT_EQ(0, vmo_fail_nth(0));
	ASSERT_EQ(0, rc);
	EXPECT_LT(2, n);
	for (rc = -ENOMEM, n = 1; n < 10 && rc; n++) {
		ASSERT_EQ(-ENOMEM, rc);
		ASSERT_EQ(0, vmo_fail_nth(n));
		rc = api_do(self->dev, API_TEST_TABLE);
	}
	ASSERT_EQ(0, vmo_fail_nth(0));
	EXPECT_EQ(0, rc);
	EXPECT_EQ(4, n);
}

/* Not even of who may lock nothing is anything asked. */
static int pin_without_right(void *arg)
{
	struct rlimit none = { 0, 0 };
	int dev = *(int *)arg;

	if (setrlimit(RLIMIT_MEMLOCK, &none) || setresuid(65534, 65534, 65534))
		return 1;
	if (api_pin(dev, WRITE, 0, PAGES * PG))
		return 2;
	return api_store(dev, PINNED, 7 * PG, 3) ? 3 : 0;
}

TEST_F(api, memlock)
{
	EXPECT_EQ(0, in_child(pin_without_right, &self->dev));
	EXPECT_TRUE(is_pinned(self->p.fd));
	EXPECT_EQ(3, vmo_get_byte(self->p.fd, 7 * PG));
}

/* The driver still has it when all processes have let go. */
TEST_F(api, outlives_all_descriptors)
{
	long vmos = vmo_stat("vmos");
	int fd = vmo_filled(2, 2, 0);

	ASSERT_EQ(0, api_take(self->dev, fd, true));
	ASSERT_EQ(0, api_pin(self->dev, WRITE, PG, PG));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, api_do(self->dev, API_TEST_PUT));
	EXPECT_EQ(vmos + 1, vmo_stat("vmos"));
	EXPECT_EQ((int)(pat_word(FILL + 1, 0) & 0xff),
		  api_read(self->dev, PINNED, 0));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, api_do(self->dev, API_TEST_UNPIN));
	EXPECT_EQ(vmos, vmo_stat("vmos"));
}

static int pin_some(void *arg)
{
	const struct pinned *p = arg;
	int dev = api_open();

	return api_take(dev, p->fd, true) || api_pin(dev, WRITE, 0, PG);
}

TEST_F(api, the_process_is_killed)
{
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, pin_some, &self->p));
	EXPECT_TRUE(is_pinned(self->p.fd));
	kill(holder.pid, SIGKILL);
	holder_stop(&holder);
	EXPECT_FALSE(is_pinned(self->p.fd));
}

TEST_HARNESS_MAIN
