// SPDX-License-Identifier: GPL-2.0
/*
 * Loans: what is decommitted of a contiguous VMO, others may borrow; the same
 * page comes back when it is wanted, and what the others had stays theirs.
 */
#include <linux/fs.h>

#include "kselftest_harness.h"
#include "loan.h"

/* --- DECOMMIT */

TEST_F(loan, decommit)
{
	struct cowvmo_get_info info;
	__u64 done = 7, metadata;

	EXPECT_EQ(0, vmo_info(self->lender, &info, COWVMO_INFO_MEMORY));
	metadata = info.out_metadata_bytes;
	EXPECT_EQ(0, vmo_op(self->lender, COWVMO_OP_DECOMMIT, 3 * PG, 5 * PG,
			    &done));
	EXPECT_EQ(5 * PG, done);
	EXPECT_EQ(0, vmo_info(self->lender, &info, COWVMO_INFO_MEMORY));
	EXPECT_LE(metadata + PAGES * 8, info.out_metadata_bytes);
	EXPECT_EQ((PAGES - 5) * PG, info.out_populated_bytes);
	EXPECT_EQ((PAGES - 5) * PG, info.out_private_bytes);
	EXPECT_EQ((PAGES - 5) * PG, info.out_scaled_bytes);
	EXPECT_EQ(5, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(0, frame_of(self->lender, 3));
	EXPECT_EQ(self->base + 8, frame_of(self->lender, 8));
	/* Again, and what overlaps */
	EXPECT_EQ(0, vmo_decommit(self->lender, 3 * PG, 5 * PG));
	EXPECT_EQ(0, vmo_decommit(self->lender, 2 * PG, 3 * PG));
	EXPECT_EQ(6, vmo_stat("decommitted"));
	EXPECT_EQ((long)(2 * PG), lseek(self->lender, 0, SEEK_HOLE));
	EXPECT_EQ((long)(8 * PG), lseek(self->lender, 2 * PG, SEEK_DATA));
	EXPECT_EQ(0, vmo_decommit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_populated(self->lender));
	EXPECT_EQ((long)PAGES, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	EXPECT_EQ(0, all_zero(self->lender, PAGES));
}

TEST_F(loan, decommit_errors)
{
	int pin = vmo_pin(self->lender, 0, 20 * PG, PG);
	int fd = vmo_open_read_only(self->lender);

	EXPECT_EQ(-EACCES, vmo_decommit(fd, 0, PG));
	close(fd);
	EXPECT_EQ(-ERANGE, vmo_decommit(self->lender, 1, PAGES * PG));
	EXPECT_EQ(-ERANGE, vmo_decommit(self->lender, PAGES * PG, PG));
	EXPECT_EQ(0, vmo_decommit(self->lender, 1, 0));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->lender, 1, PG));
	EXPECT_EQ(-EINVAL, vmo_decommit(self->lender, 20 * PG, PG + 1));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->lender, 20 * PG, PG));
	EXPECT_EQ(0, loan_allow(false));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->lender, 20 * PG, PG));
	EXPECT_EQ(-EOPNOTSUPP, vmo_decommit(self->lender, 1, PG));
	EXPECT_EQ(0, loan_allow(true));
	close(pin);
	munmap(self->mem, PAGES * PG);
	ASSERT_EQ(0, vmo_set_cache_policy(self->lender,
					  COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(-EBUSY, vmo_decommit(self->lender, 0, PG));
	ASSERT_EQ(0, vmo_set_cache_policy(self->lender, COWVMO_CACHE_CACHED));
	EXPECT_EQ(0, vmo_seal(self->lender));
	EXPECT_EQ(-EPERM, vmo_decommit(self->lender, 1, PG));
	EXPECT_EQ(0, filled_check(self->lender, 0, PAGES));
	EXPECT_EQ(0, vmo_stat("decommitted"));
	self->mem = vmo_map(self->lender, 0, PAGES * PG, PROT_READ);
}

/* What is away stays away when it is zeroed, and comes back zeroed. */
TEST_F(loan, zero)
{
	lend(_metadata, self);
	EXPECT_EQ(0, vmo_zero(self->lender, 10, (LENT + 2) * PG));
	EXPECT_EQ((PAGES - LENT) * PG, vmo_populated(self->lender));
	EXPECT_EQ(0, has_all(self->borrower));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, zero_mem_check(self->mem, LENT * PG));
	expect_back(_metadata, self);
}

TEST_F(loan, through_a_slice)
{
	int slice = vmo_slice(self->lender, 4 * PG, 8 * PG);

	EXPECT_EQ(-ERANGE, vmo_decommit(slice, 0, 9 * PG));
	EXPECT_EQ(0, vmo_decommit(slice, PG, 2 * PG));
	EXPECT_EQ(self->base + 4, frame_of(self->lender, 4));
	EXPECT_EQ(0, frame_of(self->lender, 5));
	EXPECT_EQ(0, frame_of(self->lender, 6));
	EXPECT_EQ(self->base + 7, frame_of(self->lender, 7));
	EXPECT_EQ(0, zero_check(slice, 1));
	EXPECT_EQ(0, vmo_commit(slice, 0, 8 * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	close(slice);
}

/* --- How they come back */

TEST_F(loan, commit)
{
	lend(_metadata, self);
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	expect_back(_metadata, self);
	EXPECT_EQ(0, zero_mem_check(self->mem, LENT * PG));
	EXPECT_EQ(0, filled_check(self->lender, LENT, PAGES - LENT));
}

TEST_F(loan, read)
{
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(0, zero_check(self->lender, i));
	expect_back(_metadata, self);
}

TEST_F(loan, write)
{
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(i, vmo_put_byte(self->lender, i * PG + 7, 9) + i);
	expect_back(_metadata, self);
	EXPECT_EQ(9, self->mem[7]);
	EXPECT_EQ(0, zero_mem_check(self->mem, 7));
	EXPECT_EQ(0, zero_mem_check(self->mem + 8, PG - 8));
}

TEST_F(loan, read_fault)
{
	unsigned char byte = 1;
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++) {
		EXPECT_EQ(0, vmo_try_read(self->mem + i * PG, &byte));
		EXPECT_EQ(0, byte);
	}
	expect_back(_metadata, self);
}

TEST_F(loan, write_fault)
{
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(0, vmo_try_write(self->mem + i * PG + 1, 3));
	expect_back(_metadata, self);
	EXPECT_EQ(3, vmo_get_byte(self->lender, 1));
	EXPECT_EQ(0, vmo_get_byte(self->lender, 2));
}

TEST_F(loan, private_mapping)
{
	unsigned char *mem = map_private(self->lender, 0, LENT * PG, RW);
	__u64 i;

	ASSERT_NE(NULL, mem);
	lend(_metadata, self);
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(0, vmo_try_write(mem + i * PG + 1, 3));
	expect_back(_metadata, self);
	EXPECT_EQ(0, vmo_get_byte(self->lender, 1));
	munmap(mem, LENT * PG);
}

TEST_F(loan, pin_by_the_lender)
{
	int pin;

	lend(_metadata, self);
	pin = vmo_pin(self->lender, 0, 0, LENT * PG);
	EXPECT_LE(0, pin);
	expect_back(_metadata, self);
	EXPECT_EQ(-EBUSY, vmo_decommit(self->lender, 0, PG));
	close(pin);
}

TEST_F(loan, reflink_to_the_lender)
{
	lend(_metadata, self);
	/* Each page is copied to the place that it was borrowed from, or by. */
	EXPECT_EQ(0, ioctl(self->lender, FICLONE, self->borrower));
	expect_back(_metadata, self);
	EXPECT_EQ(0, has_all(self->lender));
}

/* --- What the borrower does meanwhile */

/* Its mappings are good before and after; what it stores there stays. */
TEST_F(loan, borrower_is_mapped)
{
	unsigned char *also = vmo_map(self->borrower, 0, LENT * PG, PROT_READ);
	unsigned char *priv = map_private(self->borrower, 0, LENT * PG, RW);
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++) {
		self->theirs[i * PG] ^= 0xff;
		EXPECT_EQ(also[i * PG], self->theirs[i * PG]);
		priv[i * PG] = i % 2 ? 5 : priv[i * PG];
	}
	EXPECT_TRUE(is_lenders(self->base, pfn_of(self->theirs)));
	EXPECT_TRUE(is_lenders(self->base, pfn_of(also)));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	for (i = 0; i < LENT; i++) {
		EXPECT_EQ(also[i * PG], self->theirs[i * PG]);
		self->theirs[i * PG] ^= 0xff;
		EXPECT_EQ(also[i * PG], self->theirs[i * PG]);
		EXPECT_EQ(i % 2 ? 5 : also[i * PG] ^ 0xff,
			  i % 2 ? priv[i * PG] : also[i * PG] ^ 0xff);
	}
	EXPECT_FALSE(is_lenders(self->base, pfn_of(self->theirs)));
	expect_back(_metadata, self);
	munmap(also, LENT * PG);
	munmap(priv, LENT * PG);
}

/* Relatives share the borrowed pages; each goes on as if nothing was. */
TEST_F(loan, borrowers_share)
{
	int a, b, ref;
	__u64 i;

	lend(_metadata, self);
	a = vmo_snapshot(self->borrower);
	b = vmo_child(a, 0, 3 * PG, 8 * PG);
	ref = vmo_reference(self->borrower, 0);
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_LE(0, ref);
	EXPECT_EQ(LENT, borrowed_by(a, self->base));
	EXPECT_EQ(8, borrowed_by(b, self->base));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, has_all(a));
	EXPECT_EQ(0, pat_check(b, 0, 503));
	EXPECT_EQ(0, vmo_private(self->borrower));
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(0, pat_fill(a, i, 900 + i));
	EXPECT_EQ(0, pat_check(b, 7, 510));
	expect_back(_metadata, self);
	EXPECT_EQ(0, has_all(ref));
	close(a);
	close(b);
	close(ref);
}

/*
 * A writer may keep the shared page, and its relatives get a copy: the page
 * changes its descriptor, and is found all the same.
 */
TEST_F(loan, writer_keeps_the_page)
{
	int child;
	__u64 i;

	lend(_metadata, self);
	for (i = 0; i < LENT; i++)
		self->theirs[i * PG + 9] ^= 1;
	child = vmo_snapshot(self->borrower);
	ASSERT_LE(0, child);
	for (i = 0; i < LENT; i++)
		self->theirs[i * PG + 9] ^= 1;
	EXPECT_LT(0, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(self->theirs[i * PG + 9] ^ 1,
			  vmo_get_byte(child, i * PG + 9));
	expect_back(_metadata, self);
	close(child);
}

/* The only relative that has it left is a child. */
TEST_F(loan, a_child_has_it)
{
	int child;
	__u64 i;

	lend(_metadata, self);
	child = vmo_child(self->borrower, 0, 2 * PG, (LENT - 2) * PG);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, vmo_zero(self->borrower, 0, PAGES * PG));
	EXPECT_EQ((long)LENT - 2, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	for (i = 0; i < LENT - 2; i++)
		EXPECT_EQ(0, pat_check(child, i, 502 + i));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
	EXPECT_EQ(0, borrowed_by(child, self->base));
	close(child);
}

TEST_F(loan, borrower_pins)
{
	int pin;

	lend(_metadata, self);
	pin = vmo_pin(self->borrower, COWVMO_PIN_WRITE, 2 * PG, 4 * PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(LENT - 4, borrowed_by(self->borrower, self->base));
	EXPECT_EQ((long)LENT - 4, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, has_all(self->borrower));
	/* What is made for a pin is not borrowed. */
	close(pin);
	pin = vmo_pin(self->borrower, 0, LENT * PG, 4 * PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(LENT - 4, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	expect_back(_metadata, self);
	close(pin);
}

TEST_F(loan, borrower_changes_its_policy)
{
	lend(_metadata, self);
	munmap(self->theirs, PAGES * PG);
	EXPECT_EQ(0, vmo_set_cache_policy(self->borrower,
					  COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ((long)LENT, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, vmo_set_cache_policy(self->borrower,
					  COWVMO_CACHE_CACHED));
	EXPECT_EQ(0, has_all(self->borrower));
	self->theirs = vmo_map(self->borrower, 0, PAGES * PG, RW);
}

/* It, and what its ancestors show; and what is held stays. */
TEST_F(loan, borrower_gets_a_high_priority)
{
	int child, other, grandchild, fds[2];

	lend(_metadata, self);
	child = vmo_child(self->borrower, 0, 2 * PG, (LENT - 2) * PG);
	other = vmo_snapshot(self->borrower);
	grandchild = vmo_snapshot(child);
	ASSERT_LE(0, grandchild);
	ASSERT_EQ(0, vmo_zero(child, 0, 4 * PG));
	ASSERT_EQ(0, vmo_zero(self->borrower, 10 * PG, 2 * PG));
	ASSERT_EQ(0, splice_in(fds, self->theirs + 9 * PG));
	EXPECT_EQ((long)LENT, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_set_priority(child, COWVMO_PRIORITY_HIGH));
	EXPECT_EQ(1, borrowed_by(child, self->base));
	EXPECT_EQ(1, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(1, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, splice_out(fds, 509));
	EXPECT_EQ(0, vmo_set_priority(child, COWVMO_PRIORITY_HIGH));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(0, has_all(other));
	EXPECT_EQ(0, pat_check(grandchild, 0, 502));
	EXPECT_EQ(0, pat_check(child, 4, 506));
	EXPECT_EQ(0, pat_check(self->borrower, 9, 509));
	close(child);
	close(other);
	close(grandchild);
}

/* A sibling of low priority keeps what it alone has borrowed. */
TEST_F(loan, priority_of_a_sibling)
{
	int a = vmo_snapshot(self->borrower), b = vmo_snapshot(self->borrower);

	ASSERT_EQ(0, vmo_decommit(self->lender, 0, LENT * PG));
	ASSERT_EQ(0, vmo_commit(a, 0, 4 * PG));
	ASSERT_EQ(0, vmo_commit(b, 0, 4 * PG));
	EXPECT_EQ(8, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_set_priority(a, COWVMO_PRIORITY_HIGH));
	EXPECT_EQ(0, borrowed_by(a, self->base));
	EXPECT_EQ(4, borrowed_by(b, self->base));
	close(a);
	close(b);
}

/* A page cannot leave its family, where its lender looks for it. */
TEST_F(loan, borrower_transfers)
{
	int other = vmo_new(PAGES * PG, 0);
	__u64 i;

	lend(_metadata, self);
	EXPECT_EQ(0, vmo_transfer(other, 3 * PG, self->borrower, 0, LENT * PG,
				  NULL));
	EXPECT_EQ(0, vmo_validate());
	for (i = 0; i < LENT; i++)
		EXPECT_EQ(0, pat_check(other, 3 + i, 500 + i));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, borrowed_by(other, self->base));
	EXPECT_EQ(0, vmo_transfer(self->borrower, 0, other, 3 * PG, LENT * PG,
				  NULL));
	expect_back(_metadata, self);
	close(other);
}

TEST_F(loan, borrower_restores)
{
	int child = vmo_snapshot(self->borrower);

	lend(_metadata, self);
	EXPECT_EQ(0, vmo_restore(child, self->borrower));
	EXPECT_EQ(0, vmo_zero(self->borrower, 0, 4 * PG));
	EXPECT_EQ(LENT, borrowed_by(child, self->base));
	EXPECT_EQ(0, vmo_restore(self->borrower, child));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, has_all(child));
	expect_back(_metadata, self);
	close(child);
}

/* --- Ends */

TEST_F(loan, borrower_ends)
{
	lend(_metadata, self);
	munmap(self->theirs, PAGES * PG);
	EXPECT_EQ(0, close(self->borrower));
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ((long)LENT, vmo_stat("decommitted"));
	/* Others can have them. */
	self->borrower = vmo_filled(PAGES, LENT, 0);
	self->theirs = vmo_map(self->borrower, 0, PAGES * PG, RW);
	EXPECT_EQ(LENT, borrowed_by(self->borrower, self->base));
	EXPECT_EQ(0, filled_check(self->borrower, 0, LENT));
	EXPECT_EQ(0, zero_check(self->borrower, LENT));
}

TEST_F(loan, borrower_gives_up_some)
{
	lend(_metadata, self);
	EXPECT_EQ(0, vmo_decommit(self->borrower, 0, 4 * PG));
	EXPECT_EQ((long)LENT - 4, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_zero(self->borrower, 4 * PG, 4 * PG));
	EXPECT_EQ((long)LENT - 8, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_set_size(self->borrower, 9 * PG));
	EXPECT_EQ(1, vmo_stat("lent"));
	EXPECT_EQ((long)LENT, vmo_stat("decommitted"));
	EXPECT_EQ(0, pat_check(self->borrower, 8, 508));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
}

/* What is lent stays with who has it, and is an ordinary page from then on. */
TEST_F(loan, lender_ends)
{
	int child, pin;

	lend(_metadata, self);
	EXPECT_EQ(0, vmo_decommit(self->lender, LENT * PG, 4 * PG));
	munmap(self->mem, PAGES * PG);
	EXPECT_EQ(0, close(self->lender));
	self->lender = -1;
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ(0, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_validate());
	EXPECT_EQ(0, has_all(self->borrower));
	EXPECT_EQ(LENT, borrowed_by(self->borrower, self->base));
	pin = vmo_pin(self->borrower, COWVMO_PIN_WRITE, 0, PG);
	EXPECT_LE(0, pin);
	EXPECT_EQ(LENT, borrowed_by(self->borrower, self->base));
	close(pin);
	child = vmo_snapshot(self->borrower);
	EXPECT_LE(0, child);
	self->theirs[5] = 1;
	EXPECT_EQ(0, has_all(child));
	close(child);
}

/* --- Who does not borrow */

TEST_F(loan, not_borrowed)
{
	int fd;

	ASSERT_EQ(0, vmo_decommit(self->lender, 0, LENT * PG));
	/* The switch */
	EXPECT_EQ(0, loan_allow(false));
	EXPECT_EQ(0, pat_fill(self->borrower, 0, 1));
	EXPECT_EQ(0, loan_allow(true));
	/* Contiguous */
	fd = vmo_contiguous(4 * PG, 0);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, borrowed_by(fd, self->base));
	close(fd);
	/* Not CACHED */
	fd = vmo_new(4 * PG, 0);
	EXPECT_EQ(0, vmo_set_cache_policy(fd, COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, vmo_commit(fd, 0, 4 * PG));
	EXPECT_EQ(0, borrowed_by(fd, self->base));
	close(fd);
	/* Of high priority */
	fd = vmo_new(4 * PG, 0);
	EXPECT_EQ(0, vmo_set_priority(fd, COWVMO_PRIORITY_HIGH));
	EXPECT_EQ(0, vmo_commit(fd, 0, 2 * PG));
	EXPECT_EQ(0, borrowed_by(fd, self->base));
	EXPECT_EQ(0, vmo_set_priority(fd, COWVMO_PRIORITY_DEFAULT));
	EXPECT_EQ(0, vmo_commit(fd, 0, 4 * PG));
	EXPECT_EQ(2, borrowed_by(fd, self->base));
	close(fd);
	EXPECT_EQ(0, vmo_stat("lent"));
	EXPECT_EQ((long)LENT, vmo_stat("decommitted"));
	EXPECT_EQ(0, loan_allow(false));
	/* What is away can come back all the same. */
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(PAGES, in_place(self->lender, self->base, 0, PAGES));
}

/* Whoever gets what a writer leaves behind has not borrowed it either. */
TEST_F(loan, nor_by_a_parent_of_high_priority)
{
	int parent = vmo_new(4 * PG, 0), child;
	unsigned char *mem;
	__u64 i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pat_fill(parent, i, i + 1));
	EXPECT_EQ(0, vmo_set_priority(parent, COWVMO_PRIORITY_HIGH));
	child = vmo_snapshot(parent);
	mem = vmo_map(child, 0, 4 * PG, RW);
	ASSERT_NE(NULL, mem);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pat_mem_check(mem + i * PG, i + 1));
	EXPECT_EQ(0, vmo_decommit(self->lender, 0, LENT * PG));
	for (i = 0; i < 4; i++)
		mem[i * PG] = 77;
	EXPECT_EQ(0, borrowed_by(parent, self->base));
	/* By another way the child does. */
	EXPECT_EQ(0, pat_fill(child, 0, 7));
	EXPECT_EQ(0, vmo_restore(child, parent));
	EXPECT_EQ(0, pat_fill(child, 1, 7));
	EXPECT_EQ(1, borrowed_by(child, self->base));
	/* What comes from it is replaced. */
	EXPECT_EQ(0, vmo_restore(parent, child));
	EXPECT_EQ(0, borrowed_by(parent, self->base));
	EXPECT_EQ(0, pat_check(parent, 1, 7));
	EXPECT_EQ(0, pat_check(parent, 2, 3));
	munmap(mem, 4 * PG);
	close(child);
	close(parent);
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
}

/* The policy of a lender with pages away cannot change. */
TEST_F(loan, policy_of_the_lender)
{
	lend(_metadata, self);
	munmap(self->mem, PAGES * PG);
	EXPECT_EQ(-EBUSY, vmo_set_cache_policy(self->lender,
					       COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	EXPECT_EQ(0, vmo_set_cache_policy(self->lender,
					  COWVMO_CACHE_UNCACHED));
	EXPECT_EQ(0, vmo_set_cache_policy(self->lender, COWVMO_CACHE_CACHED));
	self->mem = vmo_map(self->lender, 0, PAGES * PG, RW);
}

/* --- Two lenders, one of which lives */

TEST_F(loan, two_lenders)
{
	int other = contig_filled(8);
	__u64 i;

	ASSERT_LE(0, other);
	lend(_metadata, self);
	EXPECT_EQ(0, vmo_decommit(other, 0, 8 * PG));
	for (i = LENT; i < LENT + 4; i++)
		EXPECT_EQ(0, pat_fill(self->borrower, i, 500 + i));
	EXPECT_EQ((long)LENT + 4, vmo_stat("lent"));
	EXPECT_EQ(0, close(other));
	EXPECT_EQ((long)LENT, vmo_stat("lent"));
	EXPECT_EQ((long)LENT, vmo_stat("decommitted"));
	EXPECT_EQ(0, vmo_commit(self->lender, 0, PAGES * PG));
	for (i = LENT; i < LENT + 4; i++)
		EXPECT_EQ(0, pat_check(self->borrower, i, 500 + i));
	expect_back(_metadata, self);
}

TEST_HARNESS_MAIN
