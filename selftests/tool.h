/* SPDX-License-Identifier: GPL-2.0 */
/* Running tools/cowvmo, which the guest has in /bin, and seeing what it says */
#ifndef COWVMO_SELFTEST_TOOL_H
#define COWVMO_SELFTEST_TOOL_H

#include "maps.h"

#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define TOOL	"/bin/cowvmo"
#define USER	1000

/**
 * struct run - how the tool is run, and what came of it
 * @uid: by whom
 * @env: its environment, NULL-terminated
 * @hide: a directory that it finds empty, or NULL
 * @out: what it said
 * @err: what it complained
 * @rc: its exit code, or -errno
 */
struct run {
	uid_t uid;
	char *env[4];
	const char *hide;
	char out[1 << 17];
	char err[4096];
	int rc;
};

/* In a mount namespace of its own */
static inline void hide_directory(const char *path)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", path, "tmpfs", 0, NULL))
		_exit(126);
}

static inline void tool_exec(struct run *run, const char *command)
{
	char words[256], *argv[16] = { "cowvmo" }, *save = NULL;
	int n = 1;

	snprintf(words, sizeof(words), "%s", command);
	for (argv[n] = strtok_r(words, " ", &save); argv[n];)
		argv[++n] = strtok_r(NULL, " ", &save);
	execve(TOOL, argv, run->env);
	_exit(127);
}

/* @command is split at spaces. */
static inline pid_t tool_start(struct run *run, const char *command, int in,
			       int out, int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (run->hide)
		hide_directory(run->hide);
	if (run->uid && (setresgid(run->uid, run->uid, run->uid) ||
			 setresuid(run->uid, run->uid, run->uid)))
		_exit(126);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	tool_exec(run, command);
	return -1;
}

/* Both at once: either may fill its pipe. */
static inline void collect(struct run *run, int out, int err)
{
	struct pollfd fds[2] = {
		{ .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN },
	};
	size_t used[2] = { 0 }, size[2] = { sizeof(run->out),
					    sizeof(run->err) };
	char *text[2] = { run->out, run->err };
	unsigned int i;
	ssize_t n;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		poll(fds, 2, -1);
		for (i = 0; i < 2; i++) {
			if (!fds[i].revents)
				continue;
			n = read(fds[i].fd, text[i] + used[i],
				 size[i] - 1 - used[i]);
			if (n <= 0)
				fds[i].fd = -1;
			else
				used[i] += n;
		}
	}
	run->out[used[0]] = '\0';
	run->err[used[1]] = '\0';
}

/* Runs it to its end; returns the exit code. */
static inline int tool(struct run *run, const char *command)
{
	int out[2], err[2], status;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	pid = tool_start(run, command, STDIN_FILENO, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	collect(run, out[0], err[0]);
	close(out[0]);
	close(err[0]);
	if (waitpid(pid, &status, 0) != pid)
		run->rc = -errno;
	else
		run->rc = WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
	return run->rc;
}

/* printf() into a text that lives until some more have been made */
static inline const char *text(const char *format, ...)
{
	static char texts[16][8192];
	static unsigned int next;
	char *to = texts[next++ % 16];
	va_list args;

	va_start(args, format);
	vsnprintf(to, sizeof(texts[0]), format, args);
	va_end(args);
	return to;
}

static inline int digits(unsigned long long number)
{
	return snprintf(NULL, 0, "%llu", number);
}

/* What a user's program is that was started as such: others may look. */
static inline int become_user(void)
{
	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ||
	    prctl(PR_SET_DUMPABLE, 1))
		return -errno;
	return 0;
}

#endif /* COWVMO_SELFTEST_TOOL_H */
