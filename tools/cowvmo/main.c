// SPDX-License-Identifier: GPL-2.0
/*
 * cowvmo: look at VMOs from outside. See cowvmo.1.
 *
 * Exit code: 0, 1 when something could not be done, 2 when it was not
 * understood what.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cowvmo.h"

struct options opt = {
	.columns = 80,
	.lines = 24,
	.delay = 2000,
	.order = "scaled",
};

static const char help[] =
	"cowvmo ls [-bj]              the VMOs there are: yours, or root sees all\n"
	"cowvmo tree [-b] [VMO]       who descends from whom, and what they share\n"
	"cowvmo map [-bs] VMO         a picture of its pages\n"
	"cowvmo map -o FILE [-bs] VMO the same as a drawing (SVG)\n"
	"cowvmo stat [-bj] VMO        everything about one\n"
	"cowvmo top [-b1] [-d SECONDS] [-k KEY]   the largest, again and again\n"
	"\n"
	"VMO is an id, or PID:FD: a descriptor of a process.\n"
	"\n"
	"-b, --bytes      sizes in bytes\n"
	"-j, --json       for programs\n"
	"-s, --sharers    map: tell how many VMOs see each page\n"
	"-o, --svg FILE   map: draw to a file; - is the standard output\n"
	"-1, --once       top: one table\n"
	"-d, --delay N    top: seconds between two tables (2)\n"
	"-k, --key KEY    top: sort by scaled, populated, private, size or id\n"
	"    --colour WHEN  always, never, or auto: on a terminal\n"
	"-h, --help\n";

static int usage(const char *why, const char *what)
{
	note("%s%s%s (cowvmo --help)", why, *what ? ": " : "", what);
	return 2;
}

/**
 * struct command - one of them
 * @name: what it is called
 * @run: does it; 0 or -1
 * @vmo: how it is with a VMO: 0 takes none, 1 may, 2 needs one
 * @options: those that it knows
 */
struct command {
	const char *name;
	int (*run)(const char *spec);
	int vmo;
	const char *options;
};

static const struct command commands[] = {
	{ "ls", cmd_ls, 0, "bj" },
	{ "tree", cmd_tree, 1, "b" },
	{ "map", cmd_map, 2, "bso" },
	{ "stat", cmd_stat, 2, "bj" },
	{ "top", cmd_top, 0, "b1dk" },
};

static const struct command *command_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static bool is_key(const char *name)
{
	static const char *const keys[] = {
		"scaled", "populated", "private", "size", "id",
	};
	unsigned int i;

	for (i = 0; i < NR(keys); i++)
		if (!strcmp(keys[i], name))
			return true;
	return false;
}

static bool take_delay(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.1 && seconds <= 86400))
		return false;
	opt.delay = seconds * 1000;
	return true;
}

static bool take_colour(const char *when)
{
	if (strcmp(when, "auto"))
		opt.colour = !strcmp(when, "always");
	return !strcmp(when, "auto") || !strcmp(when, "always") ||
	       !strcmp(when, "never");
}

/* False: its argument is not one */
static bool take_option(int option)
{
	switch (option) {
	case 'b':
		opt.bytes = true;
		break;
	case 'j':
		opt.json = true;
		break;
	case 's':
		opt.sharers = true;
		break;
	case 'o':
		opt.svg = optarg;
		break;
	case '1':
		opt.once = true;
		break;
	case 'd':
		return take_delay(optarg);
	case 'k':
		opt.order = optarg;
		return is_key(optarg);
	case 'c':
		return take_colour(optarg);
	}
	return true;
}

static bool wants_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;
	unsigned int i;

	for (i = 0; i < NR(names) && !(value && *value); i++)
		value = getenv(names[i]);
	return value && (strstr(value, "UTF-8") || strstr(value, "utf8") ||
			 strstr(value, "UTF8") || strstr(value, "utf-8"));
}

/* Of the environment, as of a terminal of that many */
static unsigned int number_from(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);
	unsigned int number = value ? atoi(value) : 0;

	return number ? number : otherwise;
}

static void look_at_terminal(void)
{
	const char *term = getenv("TERM");
	struct winsize size;

	opt.utf8 = wants_utf8();
	opt.columns = number_from("COLUMNS", opt.columns);
	opt.lines = number_from("LINES", opt.lines);
	if (!isatty(STDOUT_FILENO))
		return;
	opt.colour = !getenv("NO_COLOR") && term && strcmp(term, "dumb");
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return;
	opt.columns = size.ws_col;
	opt.lines = size.ws_row;
}

/* 0, or an exit code: of usage, or 1 with the help printed */
static int take_options(int argc, char **argv, const struct command *command)
{
	static const struct option options[] = {
		{ "bytes", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "sharers", no_argument, NULL, 's' },
		{ "svg", required_argument, NULL, 'o' },
		{ "once", no_argument, NULL, '1' },
		{ "delay", required_argument, NULL, 'd' },
		{ "key", required_argument, NULL, 'k' },
		{ "colour", required_argument, NULL, 'c' },
		{ "color", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "bjso:1d:k:h", options,
				     NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		if (option == '?')
			return usage("not an option, or without its argument",
				     argv[optind - 1]);
		if (option != 'c' && !strchr(command->options, option))
			return usage("not an option of this command",
				     argv[optind - 1]);
		if (!take_option(option))
			return usage("not understood", optarg);
	}
	return 0;
}

/* An error of the output, a full disk say, is one too. */
static int finish(int rc)
{
	if (fflush(stdout) || ferror(stdout))
		rc = fail("cannot write");
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int rc;

	if (argc < 2)
		return usage("what shall be done?", "");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return finish(0);
	}
	command = command_named(argv[1]);
	if (!command)
		return usage("not a command", argv[1]);
	look_at_terminal();
	rc = take_options(argc - 1, argv + 1, command);
	if (rc)
		return rc;
	argc -= optind + 1;
	argv += optind + 1;
	if (command->vmo == 2 && !argc)
		return usage("which VMO?", "");
	if (argc > !!command->vmo)
		return usage("too many arguments", argv[!!command->vmo]);
	return finish(command->run(argv[0]));
}
