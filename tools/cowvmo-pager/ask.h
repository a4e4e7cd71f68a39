/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How one asks a running cowvmo-pager: a word over its socket, an answer, and
 * perhaps a descriptor. For programs that want its VMO, too.
 */
#ifndef COWVMO_PAGER_ASK_H
#define COWVMO_PAGER_ASK_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* False: the path is too long. */
static inline int ask_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	strcpy(address->sun_path, path);
	return 1;
}

/* A connection, or -1. Tries for up to @seconds: somebody may just come up. */
static inline int ask_dial(const char *path, unsigned int seconds)
{
	struct sockaddr_un address;
	unsigned int tries = 0;
	int fd;

	if (!ask_address(&address, path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (fd >= 0 && connect(fd, (struct sockaddr *)&address,
				  sizeof(address))) {
		if (tries++ == seconds * 20) {
			close(fd);
			return -1;
		}
		usleep(50000);
	}
	return fd;
}

/* What came: its length, or -1. @fd is the descriptor that came with it, or -1. */
static inline ssize_t ask_receive(int from, char *text, size_t room, int *fd)
{
	struct iovec iov = { text, room - 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *head;
	ssize_t got = recvmsg(from, &message, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (got < 0)
		return got;
	text[got] = '\0';
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(head), sizeof(*fd));
	return got;
}

/* The answer to @word is in @text: its length, or -1. */
static inline ssize_t ask_word(const char *path, unsigned int seconds,
			       const char *word, char *text, size_t room,
			       int *fd)
{
	int to = ask_dial(path, seconds);
	ssize_t got = -1;

	*fd = -1;
	text[0] = '\0';
	if (to < 0)
		return -1;
	if (send(to, word, strlen(word), MSG_NOSIGNAL) > 0)
		got = ask_receive(to, text, room, fd);
	close(to);
	return got;
}

#endif /* COWVMO_PAGER_ASK_H */
