// SPDX-License-Identifier: GPL-2.0
/*
 * COWVMO_IOC_LOOKUP: what the pages of a range are, told of every page, of
 * those with memory, or of those that are a VMO's own.
 */
#include <stdint.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "maps.h"
#include "kin.h"
#include "kselftest_harness.h"
#include "lookup.h"

/* The flags of one page, or -errno */
static int flags_of(int fd, __u64 page)
{
	struct cowvmo_page_state state;
	int rc = vmo_lookup(fd, 0, page * PG, PG, &state, 1, NULL);

	if (rc != 1)
		return rc < 0 ? rc : -EIO;
	return state.kind == COWVMO_KIND_PAGE ? (int)state.flags : -ENODATA;
}

/* --- What is told of */

TEST_F(lookup, every_page_in_order)
{
	unsigned int i;

	ASSERT_EQ(PAGES, look(self, self->vmo, 0));
	EXPECT_EQ(PAGES * PG, self->next);
	for (i = 0; i < PAGES; i++) {
		struct cowvmo_page_state hole = { .offset = i * PG };

		EXPECT_EQ(i * PG, self->page[i].offset);
		if (i % 2) {
			EXPECT_EQ(0, memcmp(&hole, &self->page[i],
					    sizeof(hole)));
			continue;
		}
		EXPECT_EQ(COWVMO_KIND_PAGE, self->page[i].kind);
		EXPECT_EQ(COWVMO_PAGE_PRIVATE, (int)self->page[i].flags);
		EXPECT_EQ(0, self->page[i].sharers);
		EXPECT_EQ(0, self->page[i].pins);
		EXPECT_EQ(0, self->page[i].dirty);
		EXPECT_EQ(0, self->page[i].queue);
		EXPECT_EQ(0, self->page[i].reserved);
	}
}

TEST_F(lookup, only_populated)
{
	unsigned int i;

	ASSERT_EQ(PAGES / 2, look(self, self->vmo, COWVMO_LOOKUP_POPULATED));
	EXPECT_EQ(PAGES * PG, self->next);
	for (i = 0; i < PAGES / 2; i++) {
		EXPECT_EQ(2 * i * PG, self->page[i].offset);
		EXPECT_EQ(COWVMO_KIND_PAGE, self->page[i].kind);
	}
	EXPECT_EQ(0xff, self->page[i].kind);
}

/* Three pages in 2^62 bytes are found without looking at the rest. */
TEST_F(lookup, sparse)
{
	const __u64 at[] = { 1ULL << 13, 1ULL << 40, (1ULL << 62) - PG };
	int fd = vmo_new(1ULL << 62, 0);
	unsigned int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vmo_commit(fd, at[i], PG));
	ASSERT_EQ(3, vmo_lookup(fd, COWVMO_LOOKUP_POPULATED, 0, 1ULL << 62,
				self->page, PAGES, &self->next));
	EXPECT_EQ(1ULL << 62, self->next);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(at[i], self->page[i].offset);
	EXPECT_EQ(0, close(fd));
}

TEST_F(lookup, only_private)
{
	int child = vmo_snapshot(self->vmo);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, look(self, self->vmo, COWVMO_LOOKUP_PRIVATE));
	EXPECT_EQ(PAGES * PG, self->next);
	ASSERT_EQ(0, pat_fill(child, 4, 50));
	ASSERT_EQ(0, pat_fill(child, 7, 51));
	ASSERT_EQ(2, look(self, child, COWVMO_LOOKUP_PRIVATE));
	EXPECT_EQ(4 * PG, self->page[0].offset);
	EXPECT_EQ(7 * PG, self->page[1].offset);
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, (int)self->page[1].flags);
	ASSERT_EQ(1, look(self, self->vmo, COWVMO_LOOKUP_PRIVATE |
					   COWVMO_LOOKUP_POPULATED));
	EXPECT_EQ(4 * PG, self->page[0].offset);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(PAGES / 2, look(self, self->vmo, COWVMO_LOOKUP_PRIVATE));
}

/* One page of 2^40 bytes written since the snapshot */
TEST_F(lookup, private_among_many_shared)
{
	int fd = vmo_new(1ULL << 40, 0), child;

	ASSERT_EQ(0, vmo_commit(fd, 0, 4096 * PG));
	ASSERT_EQ(0, vmo_commit(fd, 1ULL << 39, 4096 * PG));
	child = vmo_snapshot(fd);
	ASSERT_EQ(0, pat_fill(child, 3000, 1));
	ASSERT_EQ(1, vmo_lookup(child, COWVMO_LOOKUP_PRIVATE, 0, 1ULL << 40,
				self->page, PAGES, &self->next));
	EXPECT_EQ(3000 * PG, self->page[0].offset);
	EXPECT_EQ(1ULL << 40, self->next);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fd));
}

/* What lies outside of a child's range stays the parent's own. */
TEST_F(lookup, partial_snapshot)
{
	int child = vmo_child(self->vmo, 0, 4 * PG, 4 * PG);
	unsigned int i;

	ASSERT_LE(0, child);
	ASSERT_EQ(PAGES, look(self, self->vmo, COWVMO_LOOKUP_SHARERS));
	for (i = 0; i < PAGES; i += 2) {
		bool shared = i >= 4 && i < 8;

		EXPECT_EQ(shared ? 2 : 1, self->page[i].sharers);
		EXPECT_EQ(shared ? 0 : COWVMO_PAGE_PRIVATE,
			  (int)self->page[i].flags);
	}
	/* The child counts from its own beginning. */
	ASSERT_EQ(2, vmo_lookup(child, COWVMO_LOOKUP_POPULATED, 0, 4 * PG,
				self->page, PAGES, NULL));
	EXPECT_EQ(0, self->page[0].offset);
	EXPECT_EQ(2 * PG, self->page[1].offset);
	EXPECT_EQ(0, close(child));
}

TEST_F(lookup, changes_nothing)
{
	struct vmo_stats before = vmo_stats(), after;
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG, RW);

	mem[0] = 1;
	ASSERT_EQ(PAGES, look(self, self->vmo, 0));
	ASSERT_EQ(PAGES, look(self, self->vmo, COWVMO_LOOKUP_SHARERS));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE | COWVMO_PAGE_WRITABLE |
		  COWVMO_PAGE_MAPPED, flags_of(self->vmo, 0));
	after = vmo_stats();
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	EXPECT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

/* --- Flags */

/* A store through a mapping marks the page until the next snapshot. */
TEST_F(lookup, writable)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG, RW);
	volatile unsigned char *at = mem;
	int child;

	EXPECT_EQ(COWVMO_PAGE_PRIVATE, flags_of(self->vmo, 2));
	EXPECT_EQ(0, vmo_put_byte(self->vmo, 2 * PG, 5));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, flags_of(self->vmo, 2));
	(void)at[2 * PG];
	EXPECT_EQ(COWVMO_PAGE_PRIVATE | COWVMO_PAGE_MAPPED,
		  flags_of(self->vmo, 2));
	at[2 * PG] = 7;
	EXPECT_EQ(COWVMO_PAGE_PRIVATE | COWVMO_PAGE_MAPPED |
		  COWVMO_PAGE_WRITABLE, flags_of(self->vmo, 2));
	child = vmo_snapshot(self->vmo);
	EXPECT_EQ(COWVMO_PAGE_MAPPED, flags_of(self->vmo, 2));
	EXPECT_EQ(COWVMO_PAGE_MAPPED, flags_of(child, 2));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE | COWVMO_PAGE_MAPPED,
		  flags_of(self->vmo, 2));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, flags_of(self->vmo, 2));
}

/* Mapped through a relative is mapped; several mappings hold nothing. */
TEST_F(lookup, mapped_by_relatives)
{
	int child = vmo_snapshot(self->vmo);
	volatile unsigned char *a = vmo_map(child, 0, PG, PROT_READ);
	volatile unsigned char *b = vmo_map(child, 0, PG, PROT_READ);
	volatile unsigned char *c = vmo_map(self->vmo, 0, PG, PROT_READ);

	EXPECT_EQ(0, flags_of(self->vmo, 0));
	(void)a[0];
	EXPECT_EQ(COWVMO_PAGE_MAPPED, flags_of(self->vmo, 0));
	(void)b[0];
	(void)c[0];
	EXPECT_EQ(COWVMO_PAGE_MAPPED, flags_of(self->vmo, 0));
	EXPECT_EQ(COWVMO_PAGE_MAPPED, flags_of(child, 0));
	EXPECT_EQ(0, munmap((void *)a, PG));
	EXPECT_EQ(0, munmap((void *)b, PG));
	EXPECT_EQ(0, munmap((void *)c, PG));
	EXPECT_EQ(0, flags_of(self->vmo, 0));
	EXPECT_EQ(0, close(child));
}

TEST_F(lookup, held)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PG, RW);
	struct iovec iov = { .iov_base = mem, .iov_len = PG };
	static char buf[PG];
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ((ssize_t)PG, vmsplice(fd[1], &iov, 1, 0));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE | COWVMO_PAGE_MAPPED |
		  COWVMO_PAGE_HELD,
		  flags_of(self->vmo, 0) & ~COWVMO_PAGE_WRITABLE);
	EXPECT_EQ(0, munmap(mem, PG));
	EXPECT_EQ(COWVMO_PAGE_HELD,
		  flags_of(self->vmo, 0) &
		  (COWVMO_PAGE_HELD | COWVMO_PAGE_MAPPED));
	ASSERT_EQ((ssize_t)PG, read(fd[0], buf, PG));
	EXPECT_EQ(0, flags_of(self->vmo, 0) & COWVMO_PAGE_HELD);
	close(fd[0]);
	close(fd[1]);
}

/* --- Sharers, against the model */

/* 0 if LOOKUP says of every page of every member what the model does */
static int check_sharers(const struct kin *kin)
{
	struct cowvmo_page_state page[KIN_PAGES];
	unsigned int i, p, n;

	for (i = 0; i < KIN_MAX; i++) {
		const struct kin_member *m = &kin->member[i];

		if (m->fd < 0 || !m->pages)
			continue;
		if (vmo_lookup(m->fd, COWVMO_LOOKUP_SHARERS, 0, m->pages * PG,
			       page, KIN_PAGES, NULL) != (int)m->pages)
			return kin_wrong("member %u: lookup fails", i);
		for (p = 0; p < m->pages; p++) {
			n = m->page[p].ident ?
			    kin_sharers(kin, m->page[p].ident) : 0;
			if (page[p].sharers != n ||
			    page[p].kind != (n ? COWVMO_KIND_PAGE :
						 COWVMO_KIND_HOLE) ||
			    page[p].flags != (n == 1 ? COWVMO_PAGE_PRIVATE : 0))
				return kin_wrong("member %u page %u: %u sharers, flags %x, not %u",
						 i, p, page[p].sharers,
						 page[p].flags, n);
		}
	}
	return 0;
}

/* One step in the life of a family of @n; steps that cannot be do nothing. */
static int random_step(struct kin *kin, unsigned int n, unsigned int r)
{
	int a = r % n, b = r / 16 % n;
	unsigned int page = r / 256 % KIN_PAGES;
	struct kin_member *m = &kin->member[a];

	if (m->fd < 0 && kin->member[b].fd < 0)
		return 0;
	if (m->fd < 0)
		return kin_clone(kin, a, b, page / 2, KIN_PAGES - page);
	if (page >= m->pages)
		return 0;
	switch (r >> 20 & 7) {
	case 0:
		return kin_zero(kin, a, page, 1);
	case 1:
		return kin->member[b].fd >= 0 && a != b ? kin_close(kin, a) : 0;
	case 2:
		return kin_resize(kin, a, page);
	default:
		return kin_write(kin, a, page);
	}
}

TEST_F_TIMEOUT(lookup, sharers_of_four, PATIENCE)
{
	unsigned int seed, step, state;
	struct kin kin;

	for (seed = 1; seed <= 20; seed++) {
		kin_init(&kin);
		state = seed;
		ASSERT_EQ(0, kin_create(&kin, 0, KIN_PAGES));
		for (step = 0; step < 60; step++) {
			ASSERT_EQ(0, random_step(&kin, 4, rand_r(&state)));
			ASSERT_EQ(0, check_sharers(&kin))
				TH_LOG("seed %u step %u", seed, step);
		}
		kin_close_all(&kin);
		ASSERT_EQ(0, kin_gone(&kin));
	}
}

/* More VMOs than a byte could count */
TEST_F(lookup, many_sharers)
{
	static int child[300];
	unsigned int i;

	for (i = 0; i < 300; i++) {
		child[i] = vmo_snapshot(self->vmo);
		ASSERT_LE(0, child[i]);
	}
	ASSERT_EQ(0, pat_fill(child[7], 0, 9));
	ASSERT_EQ(PAGES, look(self, self->vmo, COWVMO_LOOKUP_SHARERS));
	EXPECT_EQ(300, self->page[0].sharers);
	EXPECT_EQ(301, self->page[2].sharers);
	EXPECT_EQ(0, self->page[3].sharers);
	for (i = 0; i < 300; i++)
		EXPECT_EQ(0, close(child[i]));
}

/* --- Frame numbers */

TEST_F(lookup, frame_numbers)
{
	volatile unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG, RW);
	struct cowvmo_page_state theirs;
	int child;

	(void)mem[2 * PG];
	ASSERT_EQ(PAGES, look(self, self->vmo, 0));
	EXPECT_NE(0, self->page[2].pfn);
	EXPECT_EQ((__u64)pfn_of((void *)(mem + 2 * PG)), self->page[2].pfn);
	EXPECT_NE(self->page[4].pfn, self->page[2].pfn);
	EXPECT_EQ(0, self->page[1].pfn);

	child = vmo_snapshot(self->vmo);
	ASSERT_EQ(1, vmo_lookup(child, 0, 2 * PG, PG, &theirs, 1, NULL));
	EXPECT_EQ(self->page[2].pfn, theirs.pfn);
	ASSERT_EQ(0, pat_fill(child, 2, 9));
	ASSERT_EQ(1, vmo_lookup(child, 0, 2 * PG, PG, &theirs, 1, NULL));
	EXPECT_NE(self->page[2].pfn, theirs.pfn);
	EXPECT_EQ(0, munmap((void *)mem, PAGES * PG));
	EXPECT_EQ(0, close(child));
}

/* As with /proc/PID/pagemap: all the rest is told, that is not. */
TEST_F(lookup, no_frame_numbers_without_privilege)
{
	struct cowvmo_page_state page;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setresuid(1000, 1000, 1000))
			_exit(1);
		if (vmo_lookup(self->vmo, COWVMO_LOOKUP_SHARERS, 0, PG, &page,
			       1, NULL) != 1)
			_exit(2);
		_exit(page.pfn || page.kind != COWVMO_KIND_PAGE ||
		      page.flags != COWVMO_PAGE_PRIVATE || page.sharers != 1 ?
		      3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* --- Other descriptors */

TEST_F(lookup, read_only_descriptors)
{
	int fd = vmo_open_read_only(self->vmo);
	int child = vmo_child(self->vmo, COWVMO_CREATE_NO_WRITE, 0,
			      PAGES * PG);

	EXPECT_EQ(PAGES, look(self, fd, 0));
	EXPECT_EQ(PAGES, look(self, child, 0));
	EXPECT_EQ(0, self->page[0].flags);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, vmo_seal(self->vmo));
	EXPECT_EQ(PAGES, look(self, self->vmo, 0));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, (int)self->page[0].flags);
	EXPECT_EQ(0, close(fd));
}

/* A slice begins where it begins, and shows its parent's pages. */
TEST_F(lookup, slices)
{
	int vmo = vmo_new(PAGES * PG, 0), slice, inner;

	ASSERT_EQ(0, pat_fill(vmo, 4, 1));
	slice = vmo_slice(vmo, 3 * PG, 4 * PG);
	inner = vmo_slice(slice, PG, PG);
	ASSERT_EQ(4, vmo_lookup(slice, COWVMO_LOOKUP_SHARERS, 0, 4 * PG,
				self->page, PAGES, &self->next));
	EXPECT_EQ(4 * PG, self->next);
	EXPECT_EQ(0, self->page[0].offset);
	EXPECT_EQ(COWVMO_KIND_HOLE, self->page[0].kind);
	EXPECT_EQ(COWVMO_KIND_PAGE, self->page[1].kind);
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, (int)self->page[1].flags);
	EXPECT_EQ(1, self->page[1].sharers);
	ASSERT_EQ(1, vmo_lookup(inner, COWVMO_LOOKUP_POPULATED, 0, PG,
				self->page, PAGES, &self->next));
	EXPECT_EQ(0, self->page[0].offset);
	EXPECT_EQ(-ERANGE, vmo_lookup(slice, 0, 0, 4 * PG + 1, self->page,
				      PAGES, NULL));
	EXPECT_EQ(-ERANGE, vmo_lookup(inner, 0, PG, 1, self->page, PAGES,
				      NULL));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(inner));
	EXPECT_EQ(0, close(vmo));
}

TEST_F(lookup, references)
{
	struct cowvmo_page_state page[PAGES];
	int reference = vmo_reference(self->vmo, 0), child;

	child = vmo_snapshot(reference);
	ASSERT_EQ(PAGES, look(self, self->vmo, COWVMO_LOOKUP_SHARERS));
	ASSERT_EQ(PAGES, vmo_lookup(reference, COWVMO_LOOKUP_SHARERS, 0,
				    PAGES * PG, page, PAGES, NULL));
	EXPECT_EQ(0, memcmp(page, self->page, sizeof(page)));
	/* Two VMOs have content; the reference has none of its own. */
	EXPECT_EQ(2, page[0].sharers);
	EXPECT_EQ(0, close(self->vmo));
	ASSERT_EQ(PAGES, look(self, reference, COWVMO_LOOKUP_SHARERS));
	EXPECT_EQ(2, self->page[0].sharers);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, flags_of(reference, 0));
	self->vmo = reference;
}

TEST_F(lookup, pins)
{
	struct cowvmo_page_state pages[3];
	int a = vmo_pin(self->vmo, 0, 0, 2 * PG);
	int b = vmo_pin(self->vmo, COWVMO_PIN_WRITE, PG, 2 * PG);

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(3, vmo_lookup(self->vmo, 0, 0, 3 * PG, pages, 3, NULL));
	EXPECT_EQ(1, pages[0].pins);
	EXPECT_EQ(2, pages[1].pins);
	EXPECT_EQ(1, pages[2].pins);
	EXPECT_TRUE(pages[0].flags & COWVMO_PAGE_PINNED);
	close(a);
	ASSERT_EQ(3, vmo_lookup(self->vmo, 0, 0, 3 * PG, pages, 3, NULL));
	EXPECT_EQ(0, pages[0].pins);
	EXPECT_FALSE(pages[0].flags & COWVMO_PAGE_PINNED);
	EXPECT_EQ(1, pages[1].pins);
	close(b);
}

TEST_HARNESS_MAIN
