// SPDX-License-Identifier: GPL-2.0
/*
 * Two VMOs at once: how what works on a pair takes the locks of both.
 *
 * All functions take stores, which may be the same and may be of two families.
 * counts of two families are taken in the order of their addresses, locks of
 * two VMOs in the order of their ids, and always under both counts: whoever
 * holds a whole family still has its counts for writing, so that the order in
 * which he takes the locks does not matter.
 */
#include <linux/file.h>

#include "cowvmo.h"

/**
 * cowvmo_lock_counts() - let counts of two VMOs change, but not be queried
 * @a: a VMO
 * @b: another, of the same family or not
 *
 * Context: may sleep; no lock of this module is held.
 */
void cowvmo_lock_counts(struct cowvmo *a, struct cowvmo *b)
{
	struct cowvmo_family *first = a->family, *second = b->family;

	if (first > second)
		swap(first, second);
	down_read(&first->counts);
	if (first != second)
		down_read_nested(&second->counts, SINGLE_DEPTH_NESTING);
}

/**
 * cowvmo_unlock_counts() - undo cowvmo_lock_counts()
 * @a: a VMO
 * @b: the other
 */
void cowvmo_unlock_counts(struct cowvmo *a, struct cowvmo *b)
{
	up_read(&a->family->counts);
	if (a->family != b->family)
		up_read(&b->family->counts);
}

/**
 * cowvmo_lock_pair_shared() - lock the content of two VMOs for reading
 * @a: a VMO
 * @b: another, or the same
 *
 * Context: may sleep; the caller holds the counts of both.
 */
void cowvmo_lock_pair_shared(struct cowvmo *a, struct cowvmo *b)
{
	lockdep_assert_held(&a->family->counts);
	lockdep_assert_held(&b->family->counts);
	if (a->id > b->id)
		swap(a, b);
	down_read(a->lock);
	if (a != b)
		down_read_nested(b->lock, SINGLE_DEPTH_NESTING);
}

/**
 * cowvmo_unlock_pair_shared() - undo cowvmo_lock_pair_shared()
 * @a: a VMO
 * @b: the other
 */
void cowvmo_unlock_pair_shared(struct cowvmo *a, struct cowvmo *b)
{
	up_read(a->lock);
	if (a != b)
		up_read(b->lock);
}

/**
 * cowvmo_lock_pair() - lock the content of two VMOs for writing
 * @a: a VMO
 * @b: another, or the same
 *
 * Context: may sleep; the caller holds the counts of both.
 */
void cowvmo_lock_pair(struct cowvmo *a, struct cowvmo *b)
{
	lockdep_assert_held(&a->family->counts);
	lockdep_assert_held(&b->family->counts);
	if (a->id > b->id)
		swap(a, b);
	down_write(a->lock);
	if (a != b)
		down_write_nested(b->lock, SINGLE_DEPTH_NESTING);
}

/**
 * cowvmo_unlock_pair() - undo cowvmo_lock_pair()
 * @a: a VMO
 * @b: the other
 */
void cowvmo_unlock_pair(struct cowvmo *a, struct cowvmo *b)
{
	up_write(a->lock);
	if (a != b)
		up_write(b->lock);
}
