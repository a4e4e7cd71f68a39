// SPDX-License-Identifier: GPL-2.0
/*
 * splice(2), sendfile(2) and tee(2): between a VMO and pipes, sockets, files
 * and other VMOs. What has been read is a copy: it no longer changes, and it is
 * no holder of a page.
 */
#include "vmo.h"

#include <limits.h>
#include <sys/sendfile.h>

#include "kselftest_harness.h"

#define PAGES	6ULL

FIXTURE(splice)
{
	int fd, other;
	int pipe[2];
};

FIXTURE_SETUP(splice)
{
	__u64 i;

	self->fd = vmo_new(PAGES * PG, 0);
	self->other = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
	/* Page 2 is a hole. */
	for (i = 0; i < PAGES; i++)
		if (i != 2)
			ASSERT_EQ(0, pat_fill(self->fd, i, i + 1));
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(splice)
{
	close(self->pipe[0]);
	close(self->pipe[1]);
	close(self->fd);
	close(self->other);
	EXPECT_EQ(0, vmo_validate());
}

/* Is what comes out of @fd the content of @pages pages from @first on? */
static int stream_check(int fd, __u64 first, __u64 pages)
{
	unsigned char buf[PG];
	size_t got;
	long rc;

	for (; pages--; first++) {
		for (got = 0; got < PG; got += rc) {
			rc = vmo_ret(read(fd, buf + got, PG - got));
			if (rc <= 0)
				return rc ? rc : -ENODATA;
		}
		rc = first == 2 ? zero_mem_check(buf, PG) :
				  pat_mem_check(buf, first + 1);
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * One call may do less than asked: a kernel that cannot have pages in bulk
 * takes one. Until all is done, or nothing more can be: bytes, or -errno.
 */
static long splice_all(int from, loff_t *in, int to, loff_t *out, size_t length)
{
	size_t done = 0;
	long rc = 0;

	while (done < length) {
		rc = vmo_ret(splice(from, in, to, out, length - done,
				    SPLICE_F_NONBLOCK));
		if (rc <= 0)
			break;
		done += rc;
	}
	return done ? (long)done : rc;
}

TEST_F(splice, to_a_pipe)
{
	loff_t at = 0;

	EXPECT_EQ(PAGES * PG, splice_all(self->fd, &at, self->pipe[1], NULL,
					 PAGES * PG));
	EXPECT_EQ(PAGES * PG, at);
	EXPECT_EQ(0, stream_check(self->pipe[0], 0, PAGES));
}

TEST_F(splice, from_an_odd_offset_over_the_end)
{
	loff_t at = 5 * PG - 100;
	unsigned char buf[2 * PG];

	EXPECT_EQ(PG + 100, splice_all(self->fd, &at, self->pipe[1], NULL,
				       4 * PG));
	EXPECT_EQ(PG + 100, read(self->pipe[0], buf, sizeof(buf)));
	EXPECT_EQ(0, pat_mem_check(buf + 100, 6));
	EXPECT_EQ(0, splice_all(self->fd, &at, self->pipe[1], NULL, PG));
}

TEST_F(splice, a_full_pipe_takes_what_it_can)
{
	int room = fcntl(self->pipe[1], F_SETPIPE_SZ, 2 * PG);
	loff_t at = 0;

	ASSERT_EQ(2 * PG, room);
	EXPECT_EQ(2 * PG, splice_all(self->fd, &at, self->pipe[1], NULL,
				     PAGES * PG));
	EXPECT_EQ(-EAGAIN, splice_all(self->fd, &at, self->pipe[1], NULL, PG));
	EXPECT_EQ(2 * PG, at);
	EXPECT_EQ(0, stream_check(self->pipe[0], 0, 2));
}

TEST_F(splice, what_was_read_no_longer_changes)
{
	loff_t at = 0;
	int snapshot;

	EXPECT_EQ(PG, splice_all(self->fd, &at, self->pipe[1], NULL, PG));
	EXPECT_EQ(0, pat_fill(self->fd, 0, 99));
	snapshot = vmo_snapshot(self->fd);
	ASSERT_LE(0, snapshot);
	/* Nobody holds a page: the snapshot shares all of them. */
	EXPECT_EQ(0, vmo_private(snapshot));
	EXPECT_EQ(0, close(snapshot));
	EXPECT_EQ(0, stream_check(self->pipe[0], 0, 1));
}

TEST_F(splice, from_a_pipe)
{
	loff_t from = 0, to = PG;

	EXPECT_EQ(2 * PG, splice_all(self->fd, &from, self->pipe[1], NULL,
				     2 * PG));
	EXPECT_EQ(2 * PG, splice_all(self->pipe[0], NULL, self->other, &to,
				     2 * PG));
	EXPECT_EQ(0, zero_check(self->other, 0));
	EXPECT_EQ(0, pat_check(self->other, 1, 1));
	EXPECT_EQ(0, pat_check(self->other, 2, 2));
}

TEST_F(splice, from_a_pipe_grows_only_what_is_resizable)
{
	loff_t from = 0, to = PAGES * PG;

	EXPECT_EQ(PG, splice_all(self->fd, &from, self->pipe[1], NULL, PG));
	EXPECT_EQ(-ENOSPC, splice_all(self->pipe[0], NULL, self->fd, &to, PG));
	to = PAGES * PG;
	EXPECT_EQ(PG, splice_all(self->pipe[0], NULL, self->other, &to, PG));
	EXPECT_EQ((PAGES + 1) * PG, vmo_size(self->other));
	EXPECT_EQ(0, pat_check(self->other, PAGES, 1));
}

TEST_F(splice, into_what_cannot_be_written)
{
	int reader = vmo_open_read_only(self->other);
	loff_t from = 0, to = 0;

	ASSERT_LE(0, reader);
	EXPECT_EQ(PG, splice_all(self->fd, &from, self->pipe[1], NULL, PG));
	EXPECT_EQ(-EBADF, splice_all(self->pipe[0], NULL, reader, &to, PG));
	EXPECT_EQ(0, vmo_seal(self->other));
	EXPECT_EQ(-EPERM, splice_all(self->pipe[0], NULL, self->other, &to,
				     PG));
	EXPECT_EQ(0, stream_check(self->pipe[0], 0, 1));
	EXPECT_EQ(0, close(reader));
}

TEST_F(splice, through_a_slice)
{
	int slice = vmo_slice(self->fd, 3 * PG, 2 * PG);
	loff_t at = 0;

	ASSERT_LE(0, slice);
	EXPECT_EQ(2 * PG, splice_all(slice, &at, self->pipe[1], NULL,
				     PAGES * PG));
	EXPECT_EQ(0, stream_check(self->pipe[0], 3, 2));
	EXPECT_EQ(0, close(slice));
}

TEST_F(splice, sendfile_to_a_socket)
{
	int socks[2];
	off_t at = PG;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	EXPECT_EQ(4 * PG, sendfile(socks[0], self->fd, &at, 4 * PG));
	EXPECT_EQ(5 * PG, at);
	EXPECT_EQ(0, stream_check(socks[1], 1, 4));
	close(socks[0]);
	close(socks[1]);
}

TEST_F(splice, sendfile_to_a_file_and_back)
{
	int file = memfd_create("spliced", 0);
	off_t at = 0;

	ASSERT_LE(0, file);
	EXPECT_EQ(PAGES * PG, sendfile(file, self->fd, &at, PAGES * PG));
	EXPECT_EQ(0, lseek(file, 0, SEEK_SET));
	EXPECT_EQ(0, stream_check(file, 0, PAGES));
	at = 0;
	EXPECT_EQ(PAGES * PG, sendfile(self->other, file, &at, PAGES * PG));
	EXPECT_EQ(0, lseek(self->other, 0, SEEK_SET));
	EXPECT_EQ(0, stream_check(self->other, 0, PAGES));
	EXPECT_EQ(0, close(file));
}

TEST_F(splice, sendfile_between_vmos)
{
	off_t at = 0;

	EXPECT_EQ(PAGES * PG, sendfile(self->other, self->fd, &at,
				       PAGES * PG));
	EXPECT_EQ(0, lseek(self->other, 0, SEEK_SET));
	EXPECT_EQ(0, stream_check(self->other, 0, PAGES));
}

TEST_HARNESS_MAIN
