/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the failure sweep is about: scenes that are set up, looked at and taken
 * down, and ways to make an allocation in them fail.
 */
#ifndef COWVMO_SELFTEST_FAILURE_H
#define COWVMO_SELFTEST_FAILURE_H

#include <sys/uio.h>

#include "vmo.h"

#define PAGES		40	/* three leaves */
#define FAR		0x40000000ULL	/* a page far away */

/* What a scene consists of */
#define SNAPSHOT	0x01	/* a child that shares everything */
#define MAPPED		0x02	/* shared, before the snapshot */
#define TOUCHED		0x04	/* and written, before the snapshot */
#define RETOUCHED	0x08	/* and again, after it */
#define HELD		0x10	/* page 0 is in a pipe */
#define WIDE		0x20	/* a VMO of 2^62 bytes */
#define EMPTY		0x40	/* without content */
#define FIXED		0x80	/* not resizable */
#define SLICED		0x800	/* a slice of all but the first 3 pages */
#define REFERENCED	0x1000	/* a reference */
#define PINNED		0x2000	/* some pages are pinned, after the snapshot */
#define UNMAPPED	0x4000	/* no mapping */
#define UNCACHED	0x8000	/* of that cache policy, at last */
#define SEALED		0x10000	/* and no longer mapped, at last */
#define CONTIGUOUS	0x20000	/* with all of its pages, side by side */
#define LENDING		0x40000	/* one page of them is lent, to the child */
#define BORROWING	0x80000	/* its first page is somebody else's */

/* What may come out */
#define FREE		0x100	/* need not allocate anything */
#define SURE		0x200	/* cannot fail, whatever it allocates */
#define USER_FAULT	0x400	/* is retried for ever */
#define HOOK_ONLY	0x20000	/* need not allocate but for the hook's sake */

struct scene {
	int dev, vmo, child, view, made;
	unsigned char *mem;
	int pipe[2];
	int pins[4];	/* three of the scene, one that is made in it */
};

/* All that can be seen of one VMO */
struct view {
	__u64 size, stream, populated, private, scaled, fraction, children;
	__u64 content, policy, flags;
};

struct image {
	long vmos, pages, descs, pins;
	struct view vmo, child, view, made;
};

/* --- Scenes */

/* Seven pages of every eight hold data; one call for each seven. */
static inline int fill(struct scene *s, unsigned int flags)
{
	static unsigned char run[7 * PG];
	unsigned int p, i;

	if (flags & EMPTY)
		return 0;
	for (p = 0; p < PAGES; p += 8) {
		for (i = 0; i < 7; i++)
			pat_mem_fill(run + i * PG, p + i + 1);
		if (pwrite(s->vmo, run, sizeof(run), p * PG) != sizeof(run))
			return -EIO;
	}
	return flags & WIDE ? pat_fill(s->vmo, FAR, 99) : 0;
}

static inline void touch(struct scene *s, unsigned int flags, unsigned char value)
{
	unsigned int p;

	if (!(flags & MAPPED))
		return;
	for (p = 0; p < PAGES; p += 3)
		s->mem[p * PG + 9] = value;
}

static inline int hold(struct scene *s)
{
	struct iovec iov = { .iov_base = s->mem, .iov_len = PG };

	if (pipe(s->pipe))
		return -errno;
	return vmsplice(s->pipe[1], &iov, 1, 0) == PG ? 0 : -EIO;
}

/* The slice or reference of the scene, if it has one; 0 or -errno */
static inline int show(struct scene *s, unsigned int flags)
{
	if (flags & SLICED)
		s->view = vmo_slice(s->vmo, 3 * PG, (PAGES - 3) * PG);
	else if (flags & REFERENCED)
		s->view = vmo_reference(s->vmo, flags & FIXED ? 0 :
					COWVMO_CREATE_RESIZABLE);
	else
		return 0;
	return s->view < 0 ? s->view : 0;
}

/* In the middle of a leaf, at its edge, and across two; the first is shared. */
static inline int pin_some(struct scene *s)
{
	s->pins[0] = vmo_pin(s->vmo, COWVMO_PIN_WRITE, 23 * PG, PG);
	s->pins[1] = vmo_pin(s->vmo, 0, 16 * PG, 3 * PG);
	s->pins[2] = vmo_pin(s->vmo, 0, 27 * PG, 9 * PG);
	return s->pins[0] < 0 || s->pins[1] < 0 || s->pins[2] < 0 ? -EIO : 0;
}

/* The child is no relative then, and has one page. */
static inline int lend_page(struct scene *s)
{
	int rc = vmo_decommit(s->vmo, 20 * PG, PG);

	s->child = vmo_create(s->dev, PAGES * PG, 0, "borrower");
	return rc ? rc : pat_fill(s->child, 5, 77);
}

/* The lender is nobody who is looked at. */
static inline int borrow_page(struct scene *s)
{
	s->pins[0] = vmo_contiguous(PG, 0);
	return vmo_decommit(s->pins[0], 0, PG);
}

static inline int set_up(struct scene *s, unsigned int flags)
{
	__u64 size = flags & WIDE ? 1ULL << 62 : PAGES * PG;
	bool fixed = flags & (FIXED | SLICED);
	int rc;

	*s = (struct scene) {
		.child = -1, .view = -1, .made = -1, .pipe = { -1, -1 },
		.pins = { -1, -1, -1, -1 },
	};
	s->dev = vmo_device();
	if (flags & CONTIGUOUS)
		s->vmo = vmo_contiguous(size, 0);
	else
		s->vmo = vmo_create(s->dev, size,
				    fixed ? 0 : COWVMO_CREATE_RESIZABLE,
				    "sweep");
	if (s->vmo < 0)
		return s->vmo;
	rc = flags & BORROWING ? borrow_page(s) : 0;
	rc = rc ?: fill(s, flags);
	if (!rc && flags & LENDING)
		rc = lend_page(s);
	if (!rc && flags & UNCACHED)
		rc = vmo_set_cache_policy(s->vmo, COWVMO_CACHE_UNCACHED);
	if (flags & UNMAPPED)
		return rc;
	s->mem = vmo_map(s->vmo, 0, PAGES * PG, PROT_READ | PROT_WRITE);
	if (!s->mem)
		return -EIO;
	rc = rc ?: show(s, flags);
	if (flags & TOUCHED)
		touch(s, flags, 0x41);
	if (!rc && flags & HELD)
		rc = hold(s);
	if (!rc && flags & SNAPSHOT) {
		s->child = vmo_child(s->vmo, COWVMO_CREATE_RESIZABLE, 0, size);
		rc = s->child < 0 ? s->child : 0;
	}
	if (flags & RETOUCHED)
		touch(s, flags, 0x42);
	if (!rc && flags & SEALED) {
		munmap(s->mem, PAGES * PG);
		s->mem = NULL;
		rc = vmo_seal(s->vmo);
	}
	return !rc && flags & PINNED ? pin_some(s) : rc;
}

static inline void take_down(struct scene *s)
{
	unsigned int i;

	if (s->mem)
		munmap(s->mem, PAGES * PG);
	close(s->vmo);
	if (s->child >= 0)
		close(s->child);
	if (s->view >= 0)
		close(s->view);
	if (s->made >= 0)
		close(s->made);
	if (s->pipe[0] >= 0) {
		close(s->pipe[0]);
		close(s->pipe[1]);
	}
	for (i = 0; i < 4; i++)
		if (s->pins[i] >= 0)
			close(s->pins[i]);
	close(s->dev);
}

/* Some words of each page, those that the scenes change among them */
static inline __u64 hash_range(int fd, __u64 page, unsigned int pages,
			       __u64 hash)
{
	static __u64 buf[(PAGES + 8) * PG / sizeof(__u64)];
	long got;
	unsigned int i;

	memset(buf, 0, pages * PG);
	got = pread(fd, buf, pages * PG, page * PG);
	hash = (hash ^ got) * 0x100000001b3ULL;
	for (i = 0; i < pages * PG / sizeof(*buf); i += i % 512 < 64 ? 1 : 32)
		hash = (hash ^ buf[i]) * 0x100000001b3ULL;
	return hash;
}

static inline int look(int fd, struct view *view)
{
	struct cowvmo_get_info info;
	int rc;

	memset(view, 0, sizeof(*view));
	if (fd < 0)
		return 0;
	rc = vmo_info(fd, &info, COWVMO_INFO_MEMORY);
	view->size = info.out_vmo_size;
	view->stream = info.out_stream_size;
	view->populated = info.out_populated_bytes;
	view->private = info.out_private_bytes;
	view->scaled = info.out_scaled_bytes;
	view->fraction = info.out_scaled_fraction;
	view->children = info.out_num_children;
	view->policy = info.out_cache_policy;
	view->flags = info.out_flags;
	view->content = hash_range(fd, 0, PAGES + 8, 0);
	view->content = hash_range(fd, FAR, 2, view->content);
	return rc;
}

/* Nodes are left out: a path may be copied and hold what it held before. */
static inline int take_image(const struct scene *s, struct image *image)
{
	struct vmo_stats now = vmo_stats();
	int rc;

	memset(image, 0, sizeof(*image));
	image->vmos = now.vmos;
	image->pages = now.pages;
	image->descs = now.descs;
	image->pins = now.pins;
	rc = look(s->vmo, &image->vmo);
	rc = rc ?: look(s->child, &image->child);
	rc = rc ?: look(s->view, &image->view);
	return rc ?: look(s->made, &image->made);
}

/* --- Ways to fail */

struct way {
	const char *name;
	int (*arm)(int fd, unsigned long n);
	int (*open)(void);
	bool lasting;
};

static inline int hook_open(void)
{
	return vmo_ret(open(VMO_DEBUGFS "fail_nth", O_RDWR));
}

static inline int put_text(int fd, const char *text)
{
	return vmo_ret(pwrite(fd, text, strlen(text), 0)) < 0 ? -errno : 0;
}

static inline int arm_once(int fd, unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", n);
	return put_text(fd, text);
}

static inline int arm_all(int fd, unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), n ? "%lu all" : "%lu", n);
	return put_text(fd, text);
}

static inline bool nothing_left(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	return strtol(text, NULL, 0) == 0;
}

static inline int kernel_open(void)
{
	static const char * const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	char path[128];
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 settings[i][0]);
		rc = file_write(path, settings[i][1]);
		if (rc)
			return rc;
	}
	return vmo_ret(open("/proc/thread-self/fail-nth", O_RDWR));
}

static const struct way once = { "once", arm_once, hook_open, false };
static const struct way all = { "and all later ones", arm_all, hook_open, true };
static const struct way kernel = { "in the kernel", arm_once, kernel_open, false };

#endif /* COWVMO_SELFTEST_FAILURE_H */
