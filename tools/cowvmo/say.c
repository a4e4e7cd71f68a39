// SPDX-License-Identifier: GPL-2.0
/* How things are said: errors, sizes, names, colours. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cowvmo.h"

static void say(const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "cowvmo: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
}

/* Says why it cannot go on; returns -1 for the caller to return. */
int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return -1;
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/* An array with room for one more than @nr, doubled when it is full. */
void *grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? 2 * nr : 1) * size);
	if (!array) {
		note("%s", strerror(ENOMEM));
		exit(1);
	}
	return array;
}

/* Texts live until a few more have been made. */
static char *scratch(size_t size)
{
	static char *texts[16];
	static unsigned int next;
	char **text = &texts[next++ % NR(texts)];

	free(*text);
	*text = malloc(size);
	if (!*text) {
		note("%s", strerror(ENOMEM));
		exit(1);
	}
	return *text;
}

/* 1536 is 1.5K; a figure has three digits, or four below 1024. */
const char *size_text(double bytes)
{
	char *text = scratch(32);
	static const char *const units[] = { "", "K", "M", "G", "T", "P", "E" };
	unsigned int unit = 0;
	bool whole;

	if (opt.bytes) {
		sprintf(text, "%.0f", bytes);
		return text;
	}
	for (; bytes >= 1023.95 && unit + 1 < NR(units); unit++)
		bytes /= 1024;
	whole = !unit || bytes >= 99.95 || bytes == (__u64)bytes;
	sprintf(text, "%.*f%s", !whole, bytes, units[unit]);
	return text;
}

/* Length of the valid sequence of UTF-8 that @text begins with, or 0 */
static unsigned int utf8_length(const unsigned char *text)
{
	unsigned int i, n = text[0] < 0x80 ? 1 :
			    text[0] >= 0xc2 && text[0] < 0xe0 ? 2 :
			    text[0] >= 0xe0 && text[0] < 0xf0 ? 3 :
			    text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;

	for (i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((text[0] == 0xe0 && text[1] < 0xa0) ||
		       (text[0] == 0xed && text[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((text[0] == 0xf0 && text[1] < 0x90) ||
		       (text[0] == 0xf4 && text[1] >= 0x90)))
		return 0;
	return n;
}

static bool is_control(const unsigned char *at, unsigned int length)
{
	return (length == 1 && (*at < 0x20 || *at == 0x7f)) ||
	       (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

typedef bool (*special_fn)(char **to, unsigned char byte);

/* @special writes a byte in its own way, or leaves it as it is. */
static const char *escape(const char *name, const char *format,
			  special_fn special)
{
	const unsigned char *at = (const unsigned char *)name;
	char *text = scratch(6 * strlen(name) + 1), *to = text;
	unsigned int length;

	for (; *at; at += length ? length : 1) {
		length = utf8_length(at);
		if (length == 1 && special(&to, *at))
			continue;
		if (!length || is_control(at, length)) {
			to += sprintf(to, format, *at);
			length = 1;
			continue;
		}
		memcpy(to, at, length);
		to += length;
	}
	*to = '\0';
	return text;
}

static bool name_special(char **to, unsigned char byte)
{
	if (byte != '\\')
		return false;
	*to += sprintf(*to, "\\\\");
	return true;
}

/* For a terminal: nothing in a name is obeyed. */
const char *name_text(const char *name)
{
	return escape(name, "\\%03o", name_special);
}

static bool json_special(char **to, unsigned char byte)
{
	if (byte != '"' && byte != '\\')
		return false;
	*to += sprintf(*to, "\\%c", byte);
	return true;
}

const char *json_text(const char *name)
{
	return escape(name, "\\u%04x", json_special);
}

static bool xml_special(char **to, unsigned char byte)
{
	if (byte != '<' && byte != '&' && byte != '"')
		return false;
	*to += sprintf(*to, "&#%u;", byte);
	return true;
}

const char *xml_text(const char *name)
{
	return escape(name, "\\%03o", xml_special);
}

const char *kind_text(__u32 flags)
{
	if (flags & COWVMO_INFO_SLICE)
		return "slice";
	if (flags & COWVMO_INFO_REFERENCE)
		return "reference";
	return flags & COWVMO_INFO_COW_CLONE ? "snapshot" : "vmo";
}

/* What its kind does not tell */
const char *flags_text(__u32 flags, const char *between)
{
	static const struct {
		__u32 flag;
		const char *word;
	} words[] = {
		{ COWVMO_INFO_RESIZABLE, "resizable" },
		{ COWVMO_INFO_IMMUTABLE, "immutable" },
		{ COWVMO_INFO_SEALED, "sealed" },
		{ COWVMO_INFO_CONTIGUOUS, "contiguous" },
		{ COWVMO_INFO_HIGH_PRIORITY, "high-priority" },
	};
	char *text = scratch(256);
	unsigned int i;

	*text = '\0';
	for (i = 0; i < NR(words); i++) {
		if (!(flags & words[i].flag))
			continue;
		if (*text)
			strcat(text, between);
		strcat(text, words[i].word);
	}
	return text;
}

/* The escape sequence for a colour, where there is one */
const char *paint(const char *colour)
{
	char *text = scratch(32);

	if (!opt.colour)
		return "";
	sprintf(text, "\033[%sm", colour);
	return text;
}

/* What a process has of it: a descriptor, a pin, a mapping */
const char *user_text(const struct user *user)
{
	char *text;

	if (user->fd == BY_MAPPING)
		return "map";
	if (user->fd == BY_PIN)
		return "pin";
	text = scratch(16);
	sprintf(text, "%d", user->fd);
	return text;
}

/* PID:FD of those who have it; PID:pin or PID:map where it is that */
const char *users_text(const struct vmo *vmo, unsigned int most)
{
	size_t room = 16 + 32 * (vmo->nr_users < most ? vmo->nr_users : most);
	char *text = scratch(room), *to = text;
	unsigned int i;

	if (!vmo->nr_users)
		return "-";
	for (i = 0; i < vmo->nr_users && i < most; i++) {
		const struct user *user = &vmo->user[i];

		to += sprintf(to, "%s%d:%s", i ? "," : "", user->pid,
			      user_text(user));
	}
	if (i < vmo->nr_users)
		sprintf(to, ",+%u", vmo->nr_users - i);
	return text;
}
