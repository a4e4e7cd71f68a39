/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the tool share. */
#ifndef COWVMO_TOOL_H
#define COWVMO_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/cowvmo.h>

/* Fractions of a byte in one byte, as GET_INFO counts them */
#define FRACTIONS	9223372036854775808.0

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

/**
 * struct user - a process that has a VMO
 * @pid: the process
 * @fd: its descriptor of the VMO, or one of the next
 */
struct user {
	pid_t pid;
	int fd;
};

#define BY_MAPPING	(-1)	/* none, it has the VMO mapped */
#define BY_PIN		(-2)	/* of a pin */

/**
 * struct vmo - all that is known of a VMO
 * @id: identity
 * @family: all that descend from one another
 * @parent: identity of the parent, 0 without
 * @store: whose content it shows, its own or another's
 * @children: VMOs whose parent it is
 * @size: in bytes
 * @stream: end of file
 * @populated: bytes it sees
 * @private: bytes that only it sees
 * @scaled: bytes divided by those who see them
 * @metadata: bytes of kernel memory behind it, once asked
 * @flags: of enum cowvmo_info_flags
 * @owner: who made it, 0: not told
 * @known: the above are known, but for the next
 * @memory: @private and @scaled are
 * @name: as it is, NUL-terminated
 * @user: who has it
 * @nr_users: length of @user
 */
struct vmo {
	__u64 id;
	__u64 family;
	__u64 parent;
	__u64 store;
	__u64 children;
	__u64 size;
	__u64 stream;
	__u64 populated;
	__u64 private;
	double scaled;
	__u64 metadata;
	__u32 flags;
	pid_t owner;
	bool known;
	bool memory;
	char name[COWVMO_NAME_LEN];
	struct user *user;
	unsigned int nr_users;
};

/**
 * struct vmos - the VMOs that there are to tell of
 * @vmo: ascending by id
 * @nr: how many
 * @all: those of the whole system
 */
struct vmos {
	struct vmo **vmo;
	unsigned int nr;
	bool all;
};

/**
 * struct options - what was asked for on the command line
 * @bytes: sizes in bytes
 * @json: for programs
 * @colour: escape sequences will be understood
 * @utf8: and line drawing characters
 * @once: top: one table, and no screen
 * @sharers: map: count who sees each page
 * @columns: width of the terminal
 * @lines: its height
 * @delay: top: milliseconds between two tables
 * @order: top: what to sort by
 * @svg: map: where to draw to, or NULL
 */
struct options {
	bool bytes;
	bool json;
	bool colour;
	bool utf8;
	bool once;
	bool sharers;
	unsigned int columns;
	unsigned int lines;
	unsigned int delay;
	const char *order;
	const char *svg;
};

extern struct options opt;

/* say.c */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grow(void *array, size_t nr, size_t size);
const char *size_text(double bytes);
const char *name_text(const char *name);
const char *json_text(const char *name);
const char *xml_text(const char *name);
const char *kind_text(__u32 flags);
const char *flags_text(__u32 flags, const char *between);
const char *paint(const char *colour);
const char *user_text(const struct user *user);
const char *users_text(const struct vmo *vmo, unsigned int most);

#define DIM	"2"
#define BOLD	"1"
#define RED	"31"
#define GREEN	"32"
#define YELLOW	"33"
#define BLUE	"34"
#define PLAIN	"0"

/* table.c */
struct table;
struct table *table_new(const char *const *heads, unsigned int columns);
void table_add(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_line(struct table *table, const char *text);
void table_print(struct table *table);

/* gather.c */
int gather(struct vmos *vmos);
void vmos_free(struct vmos *vmos);
struct vmo *vmos_find(const struct vmos *vmos, __u64 id);
struct vmo *vmos_get(struct vmos *vmos, __u64 id);
int fdinfo_read(struct vmo *vmo, pid_t pid, int fd);
__u64 pin_read(pid_t pid, int fd);

/* procs.c */
void procs_scan(struct vmos *vmos);
const char *process_name(pid_t pid);

/* open.c */
int fd_of_process(pid_t pid, int fd);
struct vmo *find_vmo(const char *spec, struct vmos *vmos);
int open_vmo(const char *spec, struct vmos *vmos, struct vmo **vmo);
int ask_vmo(struct vmo *vmo, int fd);

/* pages.c */
enum state {
	HOLE,
	SHARED,
	PRIVATE,
	WRITTEN,
	HELD,
	PINNED,
	NR_STATES
};

/**
 * struct cell - some neighbouring pages
 * @pages: how many are in each state
 * @sharers: most VMOs that see one of them
 */
struct cell {
	__u64 pages[NR_STATES];
	__u32 sharers;
};

/**
 * struct picture - all pages of a VMO
 * @pages: how many there are
 * @per_cell: pages in a cell, a power of two
 * @cell: the cells
 * @nr_cells: how many
 * @total: pages in each state
 */
struct picture {
	__u64 pages;
	__u64 per_cell;
	struct cell *cell;
	unsigned int nr_cells;
	__u64 total[NR_STATES];
};

extern const char *const state_names[NR_STATES];
extern const char *const state_meanings[NR_STATES];
typedef void (*page_fn)(const struct cowvmo_page_state *page, void *data);
int each_page(int fd, __u64 size, __u32 flags, page_fn fn, void *data);
enum state state_of(const struct cowvmo_page_state *page);
int picture_take(struct picture *picture, int fd, __u64 size,
		 unsigned int most_cells);
enum state cell_state(const struct cell *cell);
__u64 cell_populated(const struct cell *cell);

/* The commands: 0, or -1 having said why not */
int cmd_ls(const char *spec);
int cmd_tree(const char *spec);
int cmd_map(const char *spec);
int cmd_stat(const char *spec);
int cmd_top(const char *spec);
void add_figures(struct table *table, const struct vmo *vmo);
void print_json(const struct vmo *vmo);
int svg_write(const char *path, const struct vmo *vmo,
	      const struct picture *picture);

#endif /* COWVMO_TOOL_H */
