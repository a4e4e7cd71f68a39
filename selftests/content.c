// SPDX-License-Identifier: GPL-2.0
/*
 * COMMIT, DECOMMIT and ZERO: what they do to content and memory, alone and
 * among relatives, and in which order their arguments are refused.
 */
#include "vmo.h"
#include "kselftest_harness.h"

#define PAGES	8
#define COMMIT	COWVMO_OP_COMMIT
#define DECOMMIT COWVMO_OP_DECOMMIT
#define ZERO	COWVMO_OP_ZERO

static const __u32 ops[] = { COMMIT, DECOMMIT, ZERO };

FIXTURE(content) {
	int vmo;
	long pages;	/* of the whole module, before */
};

FIXTURE_SETUP(content)
{
	unsigned int i;

	self->pages = vmo_stat("pages");
	self->vmo = vmo_new(PAGES * PG, COWVMO_CREATE_RESIZABLE);
	ASSERT_LE(0, self->vmo);
	/* Pages 0, 2, 4, 6 hold data, the odd ones nothing */
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, pat_fill(self->vmo, i, i + 1));
	ASSERT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
}

FIXTURE_TEARDOWN(content)
{
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
}

static void expect_pages(struct __test_metadata *_metadata, int fd,
			 const __u64 *seeds)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, page_check(fd, i, seeds[i]))
			TH_LOG("page %u", i);
}

static const __u64 untouched[PAGES] = { 1, 0, 3, 0, 5, 0, 7, 0 };

/* --- Ranges */

TEST_F(content, ranges_outside)
{
	static const struct { __u64 offset, length; } bad[] = {
		{ 0, PAGES * PG + 1 }, { PG, PAGES * PG },
		{ PAGES * PG, 1 }, { PAGES * PG + 1, 0 },
		{ PAGES * PG + PG, 0 }, { ~0ULL, 0 }, { 0, ~0ULL },
		{ ~0ULL, 1 }, { ~0ULL, ~0ULL }, { PG, ~0ULL },
		{ PG, 0 - PG }, { 0 - PG, PG }, { 1ULL << 63, 1ULL << 63 },
	};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		for (k = 0; k < ARRAY_SIZE(ops); k++)
			EXPECT_EQ(-ERANGE, vmo_op(self->vmo, ops[k],
						  bad[i].offset, bad[i].length,
						  NULL))
				TH_LOG("range %u op %u", i, ops[k]);
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
}

TEST_F(content, length_zero)
{
	static const __u64 at[] = { 0, 1, PG, PG + 7, PAGES * PG };
	unsigned int i, k;
	__u64 done;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		for (k = 0; k < ARRAY_SIZE(ops); k++) {
			EXPECT_EQ(0, vmo_op(self->vmo, ops[k], at[i], 0,
					    &done));
			EXPECT_EQ(0, done);
		}
	}
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
}

/* ERANGE, then success for length 0, then EOPNOTSUPP, then EINVAL */
TEST_F(content, order_of_checks)
{
	int child = vmo_child(self->vmo, 0, 0, PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(-ERANGE, vmo_decommit(self->vmo, 1, PAGES * PG));
	EXPECT_EQ(-ERANGE, vmo_decommit(self->vmo, PAGES * PG + 1, 0));
	EXPECT_EQ(0, vmo_decommit(self->vmo, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->vmo, 1, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->vmo, 0, PG));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->vmo, 1, PG));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->vmo, 0, PG - 1));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->vmo, 1, PG - 1));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->vmo, PG, PG + 1));
	EXPECT_EQ(0, vmo_decommit(self->vmo, 1, 0));
	expect_pages(_metadata, self->vmo, untouched);
}

/* --- COMMIT */

TEST_F(content, commit_keeps_content)
{
	__u64 done;

	EXPECT_EQ(0, vmo_op(self->vmo, COMMIT, 0, PAGES * PG, &done));
	EXPECT_EQ(PAGES * PG, done);
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + PAGES, vmo_stat("pages"));
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(0, vmo_op(self->vmo, COMMIT, 0, PAGES * PG, &done));
	EXPECT_EQ(PAGES * PG, vmo_populated(self->vmo));
}

TEST_F(content, commit_rounds_outward)
{
	__u64 done;

	EXPECT_EQ(0, vmo_op(self->vmo, COMMIT, 2 * PG - 1, 2, &done));
	EXPECT_EQ(2, done);
	EXPECT_EQ((PAGES / 2 + 1) * PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_op(self->vmo, COMMIT, 3 * PG - 1, PG + 2, &done));
	EXPECT_EQ(PG + 2, done);
	EXPECT_EQ((PAGES / 2 + 2) * PG, vmo_populated(self->vmo));
	expect_pages(_metadata, self->vmo, untouched);
}

/* "Memory of its own": what was shared is copied. */
TEST_F(content, commit_unshares)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_private(child));
	EXPECT_EQ(0, vmo_commit(child, 0, 4 * PG));
	EXPECT_EQ(4 * PG, vmo_private(child));
	EXPECT_EQ(6 * PG, vmo_populated(child));
	EXPECT_EQ(2 * PG, vmo_private(self->vmo));
	EXPECT_EQ(self->pages + 8, vmo_stat("pages"));
	expect_pages(_metadata, child, untouched);
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(self->pages + 4, vmo_stat("pages"));
}

/* Nothing is copied for an original that is alone again. */
TEST_F(content, commit_after_the_clone_is_gone)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, vmo_commit(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(self->pages + PAGES, vmo_stat("pages"));
	expect_pages(_metadata, self->vmo, untouched);
}

/* --- DECOMMIT */

TEST_F(content, decommit_frees)
{
	static const __u64 after[PAGES] = { 1, 0, 0, 0, 0, 0, 7, 0 };
	__u64 done;

	EXPECT_EQ(0, vmo_op(self->vmo, DECOMMIT, PG, 5 * PG, &done));
	EXPECT_EQ(5 * PG, done);
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + 2, vmo_stat("pages"));
	expect_pages(_metadata, self->vmo, after);
	EXPECT_EQ(0, vmo_decommit(self->vmo, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_fill(self->vmo, 2, 30));
	EXPECT_EQ(0, pat_check(self->vmo, 2, 30));
}

/* A relative is a relative, even when nothing is shared with it. */
TEST_F(content, decommit_with_relatives)
{
	static const struct { __u64 offset, length; } kin[] = {
		{ 0, PAGES * PG }, { 0, 0 }, { PG, PG }, { 1 << 20, PG },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kin); i++) {
		int child = vmo_child(self->vmo, 0, kin[i].offset,
				      kin[i].length);

		ASSERT_LE(0, child);
		EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->vmo, 0, PG))
			TH_LOG("child %u", i);
		if (kin[i].length)
			EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(child, 0, PG));
		EXPECT_EQ(0, close(child));
	}
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(0, vmo_decommit(self->vmo, 0, PG));
	EXPECT_EQ(0, zero_check(self->vmo, 0));
}

/* The parent dead, a sibling is still a relative. */
TEST_F(content, decommit_with_a_sibling)
{
	int parent = vmo_new(PG, 0);
	int a, b;

	EXPECT_EQ(0, pat_fill(parent, 0, 9));
	a = vmo_child(parent, 0, 0, PG);
	b = vmo_child(parent, 0, 0, PG);
	ASSERT_LE(0, b);
	EXPECT_EQ(0, close(parent));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(a, 0, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(b, 0, PG));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(0, vmo_decommit(b, 0, PG));
	EXPECT_EQ(0, zero_check(b, 0));
	EXPECT_EQ(0, close(b));
}

/* The parent closed first: its last clone may decommit what it inherited. */
TEST_F(content, decommit_in_the_last_clone)
{
	int parent = vmo_new(2 * PG, 0);
	int child;

	EXPECT_EQ(0, pat_fill(parent, 0, 9));
	EXPECT_EQ(0, pat_fill(parent, 1, 10));
	child = vmo_child(parent, 0, 0, 2 * PG);
	EXPECT_EQ(0, close(parent));
	EXPECT_EQ(0, vmo_decommit(child, 0, PG));
	EXPECT_EQ(0, zero_check(child, 0));
	EXPECT_EQ(0, pat_check(child, 1, 10));
	EXPECT_EQ(PG, vmo_populated(child));
	EXPECT_EQ(self->pages + PAGES / 2 + 1, vmo_stat("pages"));
	EXPECT_EQ(0, close(child));
}

/* --- ZERO */

TEST_F(content, zero_frees_whole_pages)
{
	static const __u64 after[PAGES] = { 1, 0, 0, 0, 0, 0, 7, 0 };
	__u64 done;

	EXPECT_EQ(0, vmo_op(self->vmo, ZERO, PG, 5 * PG, &done));
	EXPECT_EQ(5 * PG, done);
	EXPECT_EQ(2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + 2, vmo_stat("pages"));
	expect_pages(_metadata, self->vmo, after);
}

/* Bytes [from, from + len) are zero, all else is what @seeds says. */
static void expect_zeroed(struct __test_metadata *_metadata, int fd,
			  const __u64 *seeds, unsigned int from,
			  unsigned int len)
{
	static unsigned char want[PAGES * PG], got[PAGES * PG];
	unsigned int i;

	memset(want, 0, sizeof(want));
	for (i = 0; i < PAGES; i++)
		if (seeds[i])
			pat_mem_fill(want + i * PG, seeds[i]);
	memset(want + from, 0, len);
	ASSERT_EQ(sizeof(got), pread(fd, got, sizeof(got), 0));
	for (i = 0; i < sizeof(got); i++)
		ASSERT_EQ(want[i], got[i])
			TH_LOG("byte %u, zeroed %u+%u", i, from, len);
}

TEST_F(content, zero_parts_of_pages)
{
	static const struct { unsigned int from, len, populated; } parts[] = {
		{ 0, 1, 4 }, { 0, PG - 1, 4 }, { 1, PG - 1, 4 },
		{ PG - 1, 1, 4 }, { PG - 1, 2, 4 }, { 100, PG, 4 },
		{ 2 * PG - 1, PG + 2, 3 }, { PG + 1, 2 * PG, 3 },
		{ 1, PAGES * PG - 2, 1 }, { 7, 6 * PG, 2 },
		{ 2 * PG, 5 * PG - 1, 2 }, { 2 * PG + 5, 100, 4 },
		{ 0, PAGES * PG, 0 },
	};
	unsigned int i;
	__u64 done;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		int fd = vmo_child(self->vmo, 0, 0, PAGES * PG);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, vmo_op(fd, ZERO, parts[i].from, parts[i].len,
				    &done));
		EXPECT_EQ(parts[i].len, done);
		expect_zeroed(_metadata, fd, untouched, parts[i].from,
			      parts[i].len);
		EXPECT_EQ(parts[i].populated * PG, vmo_populated(fd))
			TH_LOG("part %u", i);
		EXPECT_EQ(0, close(fd));
	}
	expect_pages(_metadata, self->vmo, untouched);
}

/* A partial page that already reads zero costs nothing. */
TEST_F(content, zero_of_nothing)
{
	EXPECT_EQ(0, vmo_zero(self->vmo, PG + 1, 10));
	EXPECT_EQ(0, vmo_zero(self->vmo, 3 * PG, PG));
	EXPECT_EQ(0, vmo_zero(self->vmo, 5 * PG + 1, PG - 1));
	EXPECT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + PAGES / 2, vmo_stat("pages"));
	expect_pages(_metadata, self->vmo, untouched);
}

TEST_F(content, zero_leaves_relatives_alone)
{
	static const __u64 front[PAGES] = { 0, 0, 0, 0, 5, 0, 7, 0 };
	static const __u64 back[PAGES] = { 1, 0, 3, 0, 0, 0, 0, 0 };
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, 4 * PG));
	EXPECT_EQ(0, vmo_zero(child, 4 * PG, 4 * PG));
	expect_pages(_metadata, self->vmo, front);
	expect_pages(_metadata, child, back);
	EXPECT_EQ(self->pages + 4, vmo_stat("pages"));
	EXPECT_EQ(2 * PG, vmo_private(self->vmo));
	EXPECT_EQ(2 * PG, vmo_private(child));
	/* The last one that sees a page frees it */
	EXPECT_EQ(0, vmo_zero(self->vmo, 4 * PG, 4 * PG));
	EXPECT_EQ(self->pages + 2, vmo_stat("pages"));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(self->pages, vmo_stat("pages"));
}

/* The copy that a partial ZERO makes is the writer's alone. */
TEST_F(content, zero_part_of_a_shared_page)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_zero(child, 10, 20));
	expect_zeroed(_metadata, child, untouched, 10, 20);
	expect_pages(_metadata, self->vmo, untouched);
	EXPECT_EQ(PG, vmo_private(child));
	EXPECT_EQ(self->pages + 5, vmo_stat("pages"));
	EXPECT_EQ(0, close(child));
}

TEST_F(content, zero_shows_in_mappings)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG,
				     PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, (void *)mem);
	EXPECT_EQ(0, pat_mem_check(mem, 1));
	pat_mem_fill(mem + PG, 40);
	EXPECT_EQ(0, vmo_zero(self->vmo, 0, 2 * PG));
	EXPECT_EQ(0, zero_mem_check(mem, 2 * PG));
	EXPECT_EQ(0, pat_mem_check(mem + 2 * PG, 3));
	EXPECT_EQ(0, vmo_decommit(self->vmo, 2 * PG, PG));
	EXPECT_EQ(0, zero_mem_check(mem + 2 * PG, PG));
	mem[0] = 5;
	EXPECT_EQ(5, vmo_get_byte(self->vmo, 0));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

/* A page that is zeroed is written afresh, not found again. */
TEST_F(content, write_after_zero)
{
	int child = vmo_child(self->vmo, 0, 0, PAGES * PG);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_zero(child, 0, PG));
	EXPECT_EQ(0, vmo_put_byte(child, 5, 0xee));
	EXPECT_EQ(0, vmo_get_byte(child, 4));
	EXPECT_EQ(0xee, vmo_get_byte(child, 5));
	EXPECT_EQ(0, vmo_get_byte(child, 6));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
	EXPECT_EQ(0, close(child));
}

/* The range between stream size and VMO size belongs to the VMO. */
TEST_F(content, beyond_the_stream_size)
{
	EXPECT_EQ(0, vmo_set_stream_size(self->vmo, PG));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, vmo_commit(self->vmo, 6 * PG, 2 * PG));
	EXPECT_EQ(3 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(PG, vmo_stream(self->vmo));
	EXPECT_EQ(0, vmo_decommit(self->vmo, 6 * PG, PG));
	EXPECT_EQ(0, vmo_zero(self->vmo, 7 * PG, PG));
	EXPECT_EQ(PG, vmo_populated(self->vmo));
	EXPECT_EQ(0, pat_check(self->vmo, 0, 1));
}

TEST_F(content, read_only_child)
{
	int frozen = vmo_child(self->vmo, COWVMO_CREATE_NO_WRITE, 0,
			       PAGES * PG);
	unsigned int k;

	ASSERT_LE(0, frozen);
	for (k = 0; k < ARRAY_SIZE(ops); k++) {
		EXPECT_EQ(-EACCES, vmo_op(frozen, ops[k], 0, PG, NULL));
		EXPECT_EQ(-EACCES, vmo_op(frozen, ops[k], 0, PAGES * PG,
					  NULL));
	}
	EXPECT_EQ(-EACCES, vmo_set_size(frozen, PG));
	EXPECT_EQ(-EACCES, vmo_set_stream_size(frozen, PG));
	expect_pages(_metadata, frozen, untouched);
	EXPECT_EQ(0, close(frozen));
}

/* Reading commits nothing, by whatever way. */
TEST_F(content, reading_commits_nothing)
{
	unsigned char *mem = vmo_map(self->vmo, 0, PAGES * PG, PROT_READ);
	unsigned int i;

	ASSERT_NE(NULL, (void *)mem);
	expect_pages(_metadata, self->vmo, untouched);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(untouched[i] ? 0 : -EILSEQ,
			  pat_mem_check(mem + i * PG, i + 1));
	EXPECT_EQ(PAGES / 2 * PG, vmo_populated(self->vmo));
	EXPECT_EQ(self->pages + PAGES / 2, vmo_stat("pages"));
	EXPECT_EQ(0, munmap(mem, PAGES * PG));
}

TEST_HARNESS_MAIN
