// SPDX-License-Identifier: GPL-2.0
/* cowvmo top: the VMOs with most memory, again and again. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cowvmo.h"

static struct termios saved;
static bool raw;

static double key_of(const struct vmo *vmo)
{
	if (!strcmp(opt.order, "populated"))
		return vmo->populated;
	if (!strcmp(opt.order, "private"))
		return vmo->private;
	if (!strcmp(opt.order, "size"))
		return vmo->size;
	return strcmp(opt.order, "id") ? vmo->scaled : 0;
}

/* Largest first, oldest first among equals */
static int by_key(const void *a, const void *b)
{
	const struct vmo *x = *(struct vmo * const *)a;
	const struct vmo *y = *(struct vmo * const *)b;
	double kx = key_of(x), ky = key_of(y);

	if (kx != ky)
		return kx > ky ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_number(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static unsigned int count_families(const struct vmos *vmos)
{
	__u64 *family = malloc(vmos->nr * sizeof(*family) + 1);
	unsigned int i, families = 0;

	for (i = 0; i < vmos->nr; i++)
		family[i] = vmos->vmo[i]->family;
	qsort(family, vmos->nr, sizeof(*family), by_number);
	/* Of what is only mapped it is not known: 0. */
	for (i = 0; i < vmos->nr; i++)
		families += family[i] && (!i || family[i] != family[i - 1]);
	free(family);
	return families;
}

static void print_sum(const struct vmos *vmos)
{
	unsigned int i, families = count_families(vmos);
	double sum = 0;

	for (i = 0; i < vmos->nr; i++)
		sum += vmos->vmo[i]->scaled;
	printf("%s%u VMO%s%s in %u famil%s, %s%s of memory\n", paint(BOLD),
	       vmos->nr, vmos->nr == 1 ? "" : "s",
	       vmos->all ? "" : " that you may look at", families,
	       families == 1 ? "y" : "ies", size_text(sum), paint(PLAIN));
}

static void print_top(const struct vmos *vmos, unsigned int most)
{
	static const char *const heads[] = {
		"ID", "<KIND", "SIZE", "POPULATED", "PRIVATE", "SCALED",
		"<USED BY", "<NAME",
	};
	struct table *table = table_new(heads, NR(heads));
	struct vmo **vmo = malloc(vmos->nr * sizeof(*vmo) + 1);
	unsigned int i;

	print_sum(vmos);
	memcpy(vmo, vmos->vmo, vmos->nr * sizeof(*vmo));
	qsort(vmo, vmos->nr, sizeof(*vmo), by_key);
	for (i = 0; i < vmos->nr && i < most; i++) {
		table_add(table, "%llu", vmo[i]->id);
		table_add(table, "%s",
			  vmo[i]->known ? kind_text(vmo[i]->flags) : "?");
		add_figures(table, vmo[i]);
		table_add(table, "%s", users_text(vmo[i], 3));
		table_add(table, "%s", name_text(vmo[i]->name));
	}
	table_print(table);
	free(vmo);
}

static int show(unsigned int most)
{
	struct vmos vmos;

	if (gather(&vmos))
		return -1;
	print_top(&vmos, most);
	vmos_free(&vmos);
	fflush(stdout);
	return 0;
}

static void restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	raw = false;
}

static void restore_and_die(int sig)
{
	restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Keys arrive at once, and are not shown. */
static void take_keys(void)
{
	struct termios mode;

	if (tcgetattr(STDIN_FILENO, &saved))
		return;
	mode = saved;
	mode.c_lflag &= ~(ICANON | ECHO);
	raw = !tcsetattr(STDIN_FILENO, TCSANOW, &mode);
	signal(SIGINT, restore_and_die);
	signal(SIGTERM, restore_and_die);
}

/* Waits; false: it shall end */
static bool pause_for_key(void)
{
	struct pollfd poll_fd = { .fd = STDIN_FILENO, .events = POLLIN };
	static const struct {
		char key;
		const char *order;
	} keys[] = {
		{ 's', "scaled" }, { 'p', "populated" }, { 'o', "private" },
		{ 'z', "size" }, { 'i', "id" },
	};
	unsigned int i;
	char key;

	if (poll(raw ? &poll_fd : NULL, raw, opt.delay) <= 0)
		return true;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
		return false;
	for (i = 0; i < NR(keys); i++)
		if (keys[i].key == key)
			opt.order = keys[i].order;
	return true;
}

int cmd_top(const char *spec)
{
	int rc = 0;

	(void)spec;
	if (opt.once)
		return show(~0U);
	take_keys();
	do {
		printf("\033[H\033[J");
		rc = show(opt.lines > 4 ? opt.lines - 4 : 1);
		printf("%sq: quit  sort by s: scaled  p: populated  o: private  z: size  i: id%s",
		       paint(DIM), paint(PLAIN));
		fflush(stdout);
	} while (!rc && pause_for_key());
	restore();
	printf("\n");
	return rc;
}
