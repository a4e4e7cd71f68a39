// SPDX-License-Identifier: GPL-2.0
/* A file, or a block device. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pager.h"

static int file_read(struct source *source, void *to, uint64_t offset,
		     uint64_t length)
{
	ssize_t got;

	while (length) {
		got = pread(source->fd, to, length, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (!got) {
			memset(to, 0, length);
			return 0;
		}
		to = (char *)to + got;
		offset += got;
		length -= got;
	}
	return 0;
}

static int file_write(struct source *source, const void *from, uint64_t offset,
		      uint64_t length)
{
	ssize_t put;

	while (length) {
		put = pwrite(source->fd, from, length, offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? errno : ENOSPC;
		from = (const char *)from + put;
		offset += put;
		length -= put;
	}
	return 0;
}

static int file_zero(struct source *source, uint64_t offset, uint64_t length)
{
	static const char zeros[65536];
	uint64_t part;
	int err = 0;

	if (!fallocate(source->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       offset, length))
		return 0;
	for (; !err && length; offset += part, length -= part) {
		part = length < sizeof(zeros) ? length : sizeof(zeros);
		err = file_write(source, zeros, offset, part);
	}
	return err;
}

static int file_flush(struct source *source)
{
	return fdatasync(source->fd) ? errno : 0;
}

static uint64_t file_extent(struct source *source, uint64_t offset,
			    uint64_t length, bool *zeros)
{
	off_t next = lseek(source->fd, offset, SEEK_DATA);

	*zeros = next < 0 ? errno == ENXIO : (uint64_t)next > offset;
	if (!*zeros)
		next = lseek(source->fd, offset, SEEK_HOLE);
	if (next < 0 || (uint64_t)next <= offset ||
	    (uint64_t)next - offset > length)
		return length;
	return next - offset;
}

static void file_close(struct source *source)
{
	close(source->fd);
	free(source);
}

static const struct source_ops file_ops = {
	.read	= file_read,
	.write	= file_write,
	.zero	= file_zero,
	.flush	= file_flush,
	.extent	= file_extent,
	.close	= file_close,
};

static bool file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*size = st.st_size;
	if (S_ISBLK(st.st_mode))
		return !ioctl(fd, BLKGETSIZE64, size);
	errno = EINVAL;
	return S_ISREG(st.st_mode);
}

struct source *file_open(const char *name, bool writable)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->ops = &file_ops;
	source->fd = open(name, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (source->fd < 0 || !file_size(source->fd, &source->size)) {
		fprintf(stderr, "cowvmo-pager: %s: %s\n", name,
			strerror(errno));
		if (source->fd >= 0)
			close(source->fd);
		free(source);
		return NULL;
	}
	return source;
}

struct source *source_open(const char *name, bool writable)
{
	return nbd_is_uri(name) ? nbd_open(name, writable) :
				  file_open(name, writable);
}
