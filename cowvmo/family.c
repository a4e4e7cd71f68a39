// SPDX-License-Identifier: GPL-2.0
/*
 * Families: who descends from whom, and how their memory is divided.
 *
 * All VMOs that descend from one CREATE are a family; families never split.
 * Only within one family can pages be shared. Two things are kept apart:
 *
 * - what users see: each living VMO knows its nearest living ancestor. When a
 *   VMO dies, its children become children of its parent. This says nothing
 *   about which pages are shared;
 * - whose the memory is: the members are those with content of their own, also
 *   one that nobody has a file of, as long as a reference shows its content.
 *   Slices and references are no members.
 *
 * Locking: family->lock protects the list of members and all parent and child
 * links. family->counts makes counts exact for a query: whoever drops shared
 * nodes outside a VMO's lock holds it for reading from the moment they are
 * cut off, the query holds it for writing together with the lock of each
 * member.
 */
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "cowvmo.h"

/* Protects the last reference to each family. */
static DEFINE_MUTEX(families_lock);
/* All families by their identities, of which none is ever used again. */
static DEFINE_XARRAY_FLAGS(families, XA_FLAGS_ACCOUNT);
static atomic64_t last_family_id;

static struct cowvmo_family *family_alloc(void)
{
	struct cowvmo_family *family;

	if (cowvmo_should_fail())
		return NULL;
	family = kzalloc(sizeof(*family), COWVMO_GFP_CALL);
	if (!family)
		return NULL;
	refcount_set(&family->refs, 1);
	init_rwsem(&family->counts);
	mutex_init(&family->lock);
	init_waitqueue_head(&family->wait);
	INIT_LIST_HEAD(&family->members);
	INIT_LIST_HEAD(&family->roots);
	family->id = atomic64_inc_return(&last_family_id);
	return family;
}

/* From here on others can find it. */
static int family_publish(struct cowvmo_family *family)
{
	if (cowvmo_should_fail())
		return -ENOMEM;
	return xa_err(xa_store(&families, family->id, family,
			       COWVMO_GFP_CALL));
}

/**
 * cowvmo_family_create() - found a family
 * @vmo: its first member
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int cowvmo_family_create(struct cowvmo *vmo)
{
	struct cowvmo_family *family = family_alloc();
	int err;

	if (!family)
		return -ENOMEM;
	list_add_tail(&vmo->member, &family->members);
	family->nr_members = 1;
	list_add_tail(&vmo->sibling, &family->roots);
	vmo->family = family;
	err = family_publish(family);
	if (!err)
		return 0;
	vmo->family = NULL;
	list_del_init(&vmo->sibling);
	list_del_init(&vmo->member);
	kfree(family);
	return err;
}

/**
 * cowvmo_family_put() - drop a reference to a family
 * @family: the family
 *
 * Context: may sleep; takes families_lock for the last one.
 */
void cowvmo_family_put(struct cowvmo_family *family)
{
	if (!refcount_dec_and_mutex_lock(&family->refs, &families_lock))
		return;
	xa_erase(&families, family->id);
	mutex_unlock(&families_lock);
	kfree(family);
}

/**
 * cowvmo_family_from() - the first family that is not older than some
 * @id: an identity, which need not exist any more
 *
 * Context: may sleep.
 * Return: the living family with the lowest identity from @id on, with a
 * reference to be put, or NULL.
 */
struct cowvmo_family *cowvmo_family_from(u64 id)
{
	struct cowvmo_family *family;
	unsigned long index = id;

	mutex_lock(&families_lock);
	family = xa_find(&families, &index, ULONG_MAX, XA_PRESENT);
	if (family)
		refcount_inc(&family->refs);
	mutex_unlock(&families_lock);
	return family;
}

/**
 * cowvmo_family_exit() - free what is left of the index of families
 *
 * There are none any more; nodes that a failed allocation left may be.
 */
void cowvmo_family_exit(void)
{
	xa_destroy(&families);
}

/**
 * cowvmo_family_after() - go on to the next family
 * @family: a family, of which the caller's reference is put
 *
 * Context: may sleep.
 * Return: the next one, with a reference, or NULL.
 */
struct cowvmo_family *cowvmo_family_after(struct cowvmo_family *family)
{
	struct cowvmo_family *next = cowvmo_family_from(family->id + 1);

	cowvmo_family_put(family);
	return next;
}

/**
 * cowvmo_family_join() - make a new VMO a child
 * @vmo: the new VMO; a member if it has content of its own
 * @parent: a living VMO of the family
 *
 * Context: the caller holds the family's lock.
 */
void cowvmo_family_join(struct cowvmo *vmo, struct cowvmo *parent)
{
	struct cowvmo_family *family = parent->family;

	lockdep_assert_held(&family->lock);
	refcount_inc(&family->refs);
	if (vmo->store == vmo) {
		list_add_tail(&vmo->member, &family->members);
		family->nr_members++;
	}
	vmo->parent = parent;
	list_add_tail(&vmo->sibling, &parent->children);
	WRITE_ONCE(parent->nr_children, parent->nr_children + 1);
	vmo->family = family;
}

/* Its children become children of its parent, or roots. */
static void hide_locked(struct cowvmo *vmo)
{
	struct cowvmo_family *family = vmo->family;
	struct cowvmo *child, *parent = vmo->parent;

	lockdep_assert_held(&family->lock);
	WRITE_ONCE(vmo->hidden, true);
	cowvmo_priority_hide(vmo);
	list_for_each_entry(child, &vmo->children, sibling)
		child->parent = parent;
	list_splice_tail_init(&vmo->children,
			      parent ? &parent->children : &family->roots);
	list_del_init(&vmo->sibling);
	if (parent)
		WRITE_ONCE(parent->nr_children,
			   parent->nr_children + vmo->nr_children - 1);
	vmo->parent = NULL;
	vmo->nr_children = 0;
}

/* Returns true if nobody shows a store's content: then it is no member. */
static bool unshow_store(struct cowvmo *store)
{
	bool shown;

	lockdep_assert_held(&store->family->lock);
	down_read(store->lock);
	shown = !store->hidden || !list_empty(&store->references) ||
		store->nr_below;
	up_read(store->lock);
	if (shown || list_empty(&store->member))
		return false;
	list_del_init(&store->member);
	store->family->nr_members--;
	return true;
}

/* A VMO that dies shows its store's content no longer; does anybody? */
static bool unshow_locked(struct cowvmo *vmo)
{
	struct cowvmo *store = vmo->store;

	lockdep_assert_held(&vmo->family->lock);
	if (store != vmo) {
		down_write(store->lock);
		list_del_init(&vmo->references);
		up_write(store->lock);
	}
	return unshow_store(store);
}

/*
 * The content of a store goes, and with it perhaps that of those above, which
 * was there only because it showed through. They may be many.
 */
static void clear_store(struct cowvmo *store)
{
	struct cowvmo_family *family = store->family;
	struct cowvmo *up, *held = NULL;
	bool unshown = true;

	while (unshown) {
		/* First nobody gives it anything any more. */
		up = store->source ? cow_source_leave(store) : NULL;
		cow_clear(store);
		if (held)
			iput(&held->inode);
		if (!up)
			return;
		mutex_lock(&family->lock);
		unshown = unshow_store(up);
		mutex_unlock(&family->lock);
		store = up;
		held = up;
	}
	iput(&held->inode);
}

/**
 * cowvmo_family_leave() - a VMO dies
 * @vmo: the VMO, which nobody uses any more
 *
 * Its content goes with it, but stays as long as a reference shows it; then
 * it goes with the last of these. Towards a query a close is one step: the
 * VMO, the member and all its counts vanish at once.
 *
 * Context: may sleep; takes the family's locks and that of the store.
 */
void cowvmo_family_leave(struct cowvmo *vmo)
{
	struct cowvmo_family *family = vmo->family;

	down_read(&family->counts);
	mutex_lock(&family->lock);
	hide_locked(vmo);
	if (unshow_locked(vmo)) {
		mutex_unlock(&family->lock);
		clear_store(vmo->store);
	} else {
		mutex_unlock(&family->lock);
	}
	up_read(&family->counts);
	wake_up_poll(&family->wait, EPOLLPRI);
}

/**
 * cowvmo_family_next() - go through the living VMOs of a family
 * @family: the family
 * @vmo: NULL for the first, or the one before
 *
 * Context: the caller holds the family's lock.
 * Return: the next VMO, each after its parent, or NULL.
 */
struct cowvmo *cowvmo_family_next(struct cowvmo_family *family,
				  struct cowvmo *vmo)
{
	struct list_head *siblings;

	lockdep_assert_held(&family->lock);
	if (!vmo)
		return list_first_entry_or_null(&family->roots, struct cowvmo,
						sibling);
	if (!list_empty(&vmo->children))
		return list_first_entry(&vmo->children, struct cowvmo,
					sibling);
	for (; vmo; vmo = vmo->parent) {
		siblings = vmo->parent ? &vmo->parent->children :
					 &family->roots;
		if (!list_is_last(&vmo->sibling, siblings))
			return list_next_entry(vmo, sibling);
	}
	return NULL;
}

/**
 * cowvmo_has_relatives() - has the family any other member?
 * @vmo: the VMO
 *
 * Context: may sleep; takes the family's lock.
 * Return: true if so. A relative may come or go right after.
 */
bool cowvmo_has_relatives(struct cowvmo *vmo)
{
	bool relatives;

	mutex_lock(&vmo->family->lock);
	relatives = vmo->family->nr_members > 1;
	mutex_unlock(&vmo->family->lock);
	return relatives;
}

static void freeze_members(struct cowvmo_family *family)
{
	struct cowvmo *vmo;

	mutex_lock(&family->lock);
	list_for_each_entry(vmo, &family->members, member) {
		if (vmo->lock == &vmo->own_lock)
			down_write_nest_lock(vmo->lock, &family->counts);
	}
}

/**
 * cowvmo_family_freeze() - hold every tree of a family still
 * @family: the family
 *
 * Context: may sleep; takes all locks of the family, to be released by
 * cowvmo_family_thaw().
 */
void cowvmo_family_freeze(struct cowvmo_family *family)
{
	down_write(&family->counts);
	freeze_members(family);
}

/**
 * cowvmo_family_freeze_killable() - the same, for who may not know the family
 * @family: the family
 *
 * Who works on two of its members at once may take long.
 *
 * Context: as cowvmo_family_freeze().
 * Return: 0; -EINTR: the task is being killed, nothing is held.
 */
int cowvmo_family_freeze_killable(struct cowvmo_family *family)
{
	if (down_write_killable(&family->counts))
		return -EINTR;
	freeze_members(family);
	return 0;
}

/**
 * cowvmo_family_thaw() - undo cowvmo_family_freeze()
 * @family: the family
 */
void cowvmo_family_thaw(struct cowvmo_family *family)
{
	struct cowvmo *vmo;

	list_for_each_entry(vmo, &family->members, member) {
		if (vmo->lock == &vmo->own_lock)
			up_write(vmo->lock);
	}
	mutex_unlock(&family->lock);
	up_write(&family->counts);
}

/**
 * struct family_view - a family held still, to divide its memory
 * @family: the family
 * @room: how many members the memory is for
 * @trees: the trees of all members, by their place
 * @shares: receives what each has, for those who ask for all
 * @scratch: for the page tree's use
 */
struct family_view {
	struct cowvmo_family *family;
	unsigned int room;
	const struct ptree **trees;
	struct ptree_share *shares;
	struct ptree_scratch *scratch;
};

static void view_free(struct family_view *view)
{
	ptree_scratch_free(view->scratch);
	kvfree(view->shares);
	kvfree(view->trees);
}

static int view_alloc(struct family_view *view, bool all)
{
	view->shares = NULL;
	view->scratch = ptree_scratch_alloc(view->room, COWVMO_GFP_CALL);
	view->trees = kvmalloc_array(view->room, sizeof(*view->trees),
				     COWVMO_GFP_CALL);
	if (all)
		view->shares = kvmalloc_array(view->room,
					      sizeof(*view->shares),
					      COWVMO_GFP_CALL);
	if (view->scratch && view->trees && (!all || view->shares))
		return 0;
	view_free(view);
	return -ENOMEM;
}

static void view_collect(struct family_view *view)
{
	struct cowvmo *member;
	unsigned int nr = 0;

	list_for_each_entry(member, &view->family->members, member) {
		member->place = nr;
		view->trees[nr++] = &member->tree;
	}
}

/* Holds the family still, with memory enough for as many as there are then. */
static int view_open(struct family_view *view, bool all)
{
	struct cowvmo_family *family = view->family;
	int err;

	view->room = READ_ONCE(family->nr_members);
	for (;;) {
		view->room += view->room / 4 + 1;
		err = view_alloc(view, all);
		if (err)
			return err;
		cowvmo_family_freeze(family);
		if (family->nr_members <= view->room)
			break;
		view->room = family->nr_members;
		cowvmo_family_thaw(family);
		view_free(view);
	}
	view_collect(view);
	return 0;
}

static void view_close(struct family_view *view)
{
	cowvmo_family_thaw(view->family);
	view_free(view);
}

static bool is_attributed_locked(struct cowvmo *vmo)
{
	struct cowvmo *store = vmo->store;

	lockdep_assert_held(store->lock);
	if (store == vmo)
		return true;
	return !vmo_is_slice(vmo) && READ_ONCE(store->hidden) &&
	       list_is_first(&vmo->references, &store->references);
}

/**
 * cowvmo_is_attributed() - is the memory counted as this VMO's?
 * @vmo: the VMO
 *
 * Every page belongs to the members that see it. A member that nobody has a
 * file of is stood in for by the oldest reference to it.
 *
 * Context: may sleep; takes the lock of the store.
 * Return: false: its memory members are all 0.
 */
bool cowvmo_is_attributed(struct cowvmo *vmo)
{
	struct cowvmo *store = vmo->store;
	bool attributed;

	if (store == vmo)
		return true;
	down_read(store->lock);
	attributed = is_attributed_locked(vmo);
	up_read(store->lock);
	return attributed;
}

/**
 * cowvmo_attribute() - a VMO's part of the memory of its family
 * @vmo: whose part is asked for, a member
 * @info: receives the memory members
 *
 * Context: may sleep; takes all locks of the family.
 * Return: 0 or -ENOMEM.
 */
int cowvmo_attribute(struct cowvmo *vmo, struct cowvmo_get_info *info)
{
	struct family_view view = { .family = vmo->family };
	struct ptree_scaled scaled;
	int err;

	err = view_open(&view, false);
	if (err)
		return err;
	ptree_scaled(view.trees, view.family->nr_members, vmo->place,
		     view.scratch, &scaled);
	info->out_scaled_bytes = scaled.bytes;
	info->out_scaled_fraction = scaled.fraction;
	info->out_populated_bytes = ptree_populated(&vmo->tree) << PAGE_SHIFT;
	info->out_private_bytes = ptree_private(&vmo->tree) << PAGE_SHIFT;
	info->out_metadata_bytes = ptree_metadata_bytes(&vmo->tree) +
				   cow_loan_bytes(vmo->contig);
	view_close(&view);
	return 0;
}

/**
 * cowvmo_attribute_all() - divide a family's memory among its living VMOs
 * @family: the family
 * @show: called for each VMO, after its parent, with what is counted as its
 *	own, or NULL if nothing ever is
 * @data: for @show
 *
 * What @show is told is of one instant: the sum is what the family really uses.
 *
 * Context: may sleep; takes all locks of the family, also around @show.
 * Return: 0 or -ENOMEM.
 */
int cowvmo_attribute_all(struct cowvmo_family *family, cowvmo_show_fn show,
			 void *data)
{
	struct family_view view = { .family = family };
	struct cowvmo *vmo = NULL;
	int err;

	err = view_open(&view, true);
	if (err)
		return err;
	ptree_shares(view.trees, family->nr_members, view.scratch,
		     view.shares);
	while ((vmo = cowvmo_family_next(family, vmo)))
		show(vmo, is_attributed_locked(vmo) ?
			  &view.shares[vmo->store->place] : NULL, data);
	view_close(&view);
	return 0;
}
