// SPDX-License-Identifier: GPL-2.0
/*
 * The door: a Unix socket. Whoever may connect to it sends one word and gets one
 * answer: "fd" the VMO itself, "sync" once all that was dirty has been written
 * back, "stat" figures, "stop" once the pager ends. An answer begins with "ok"
 * or "error".
 *
 * The same thread writes back when it is time, so that one round never meets
 * another.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "pager.h"

#define WORD	16
#define ANSWER	1024

static int path_failed(const char *path, int fd)
{
	fprintf(stderr, "cowvmo-pager: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Only its owner can connect, unless told otherwise by the file's mode. */
int door_open(const char *path)
{
	struct sockaddr_un address;
	int fd;

	if (!ask_address(&address, path))
		return path_failed(path, -1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return path_failed(path, fd);
	unlink(path);
	if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&address,
				     sizeof(address)) ||
	    listen(fd, 16))
		return path_failed(path, fd);
	return fd;
}

/* With the descriptor, unless that is -1. */
static void send_answer(int to, const char *text, int fd)
{
	struct iovec iov = { (char *)text, strlen(text) };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	/* Who does not listen any more, does not need to know. */
	if (sendmsg(to, &message, MSG_NOSIGNAL) < 0)
		return;
}

static void do_word(struct door *door, int to, const char *word)
{
	char answer[ANSWER] = "ok\n";
	int err = 0, fd = -1;

	if (!strcmp(word, "fd"))
		fd = door->pager->vmo;
	else if (!strcmp(word, "sync"))
		err = write_back(door->pager, door->source);
	else if (!strcmp(word, "stat"))
		say_stats(door->pager, answer + 3, sizeof(answer) - 3);
	else if (!strcmp(word, "stop"))
		kill(getpid(), SIGTERM);
	else
		err = EINVAL;
	if (err)
		snprintf(answer, sizeof(answer), "error %s\n", strerror(err));
	send_answer(to, answer, fd);
}

/* Who connects and says nothing does not hold up the others for long. */
static void let_in(struct door *door)
{
	const struct timeval patience = { .tv_sec = 2 };
	char word[WORD] = "";
	ssize_t got;
	int to;

	to = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);
	if (to < 0)
		return;
	setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	got = recv(to, word, sizeof(word) - 1, 0);
	if (got > 0) {
		word[strcspn(word, "\r\n")] = '\0';
		do_word(door, to, word);
	}
	close(to);
}

/* Another round of writing back, because it is time or somebody said so. */
static void next_round(struct door *door)
{
	uint64_t orders;

	if (read(door->pager->order, &orders, sizeof(orders)) < 0 &&
	    errno != EAGAIN)
		return;
	write_back(door->pager, door->source);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Milliseconds to the next round, however often somebody asks meanwhile. */
static int time_left(const struct door *door, long long due)
{
	long long left;

	if (!door->source || !door->pager->interval)
		return -1;
	left = due - now_ms();
	return left > 0 ? left : 0;
}

void *door_main(void *data)
{
	struct door *door = data;
	struct pollfd fds[] = {
		{ .fd = door->pager->stop, .events = POLLIN },
		{ .fd = door->fd, .events = POLLIN },
		{ .fd = door->pager->order, .events = POLLIN },
	};
	const long long interval = door->pager->interval * 1000LL;
	long long due = now_ms() + interval;
	int got;

	for (;;) {
		got = poll(fds, 3, time_left(door, due));
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0 && fds[0].revents)
			break;
		if (got > 0 && fds[1].revents)
			let_in(door);
		if ((got > 0 && fds[2].revents) || !time_left(door, due)) {
			next_round(door);
			due = now_ms() + interval;
		}
	}
	return NULL;
}

/*
 * The other side of it
 */

/* Runs a program with the VMO as descriptor 3. */
static int run_with(int fd, char **words)
{
	if (fd != 3 && dup2(fd, 3) < 0)
		return path_failed("dup2", -1);
	if (fd == 3 && fcntl(fd, F_SETFD, 0))
		return path_failed("fcntl", -1);
	execvp(words[0], words);
	return path_failed(words[0], -1);
}

/* Returns what the process exits with. */
int door_ask(const char *path, char **words)
{
	char answer[ANSWER];
	int fd;

	if (!words[0] || (words[1] && strcmp(words[0], "fd"))) {
		fprintf(stderr, "cowvmo-pager: one of fd, sync, stat, stop\n");
		return 2;
	}
	if (ask_word(path, 0, words[0], answer, sizeof(answer), &fd) < 0)
		return -path_failed(path, -1);
	if (strncmp(answer, "ok", 2)) {
		fprintf(stderr, "cowvmo-pager: %s", answer);
		return 1;
	}
	if (words[1] && fd >= 0)
		return -run_with(fd, words + 1);
	fputs(answer + 3, stdout);
	return 0;
}
