// SPDX-License-Identifier: GPL-2.0
/*
 * Looking inside, for root only, below /sys/kernel/debug/cowvmo:
 *
 * stats	live objects, "name value" a line
 * vmos		one line per VMO, "name=value" but for the id that begins it
 * tree		write an id, then read: the tree of that VMO
 * validate	"ok", or the first broken invariant of any VMO
 * fail_nth	failure injection for the calling task: "N" lets its N-th
 *		allocation in this module fail, "N all" all later ones too
 *
 * Whoever reads vmos or validate holds one family after the other still.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat.h"
#include "cowvmo.h"

static struct dentry *debug_dir;
static atomic64_t debug_tree_id;

static int stats_show(struct seq_file *m, void *unused)
{
	unsigned long decommitted, lent;

	cow_loan_stats(&decommitted, &lent);
	seq_printf(m, "vmos %ld\n", atomic_long_read(&cowvmo_nr_vmos));
	seq_printf(m, "pages %ld\n", atomic_long_read(&cowvmo_nr_pages));
	seq_printf(m, "nodes %ld\n", atomic_long_read(&ptree_nr_nodes));
	seq_printf(m, "descs %ld\n", atomic_long_read(&ptree_nr_descs));
	seq_printf(m, "pins %ld\n", atomic_long_read(&cowvmo_nr_pins));
	seq_printf(m, "decommitted %lu\n", decommitted);
	seq_printf(m, "lent %lu\n", lent);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

typedef void (*family_fn)(struct cowvmo_family *family, void *data);

/* Calls @fn for each family, which cannot go away meanwhile. */
static void walk_families(family_fn fn, void *data)
{
	struct cowvmo_family *family = cowvmo_family_from(0);

	for (; family; family = cowvmo_family_after(family))
		fn(family, data);
}

static const char *kind_of(const struct cowvmo *vmo)
{
	if (vmo->flags & COWVMO_INFO_SLICE)
		return "slice";
	if (vmo->flags & COWVMO_INFO_REFERENCE)
		return "reference";
	return vmo->flags & COWVMO_INFO_COW_CLONE ? "snapshot" : "vmo";
}

/* The family is held still; without @share all memory is somebody else's. */
static void show_vmo(struct cowvmo *vmo, const struct ptree_share *share,
		     void *data)
{
	static const struct ptree_share nothing;
	struct cowvmo *store = vmo->store;
	struct seq_file *m = data;
	u64 populated = 0, pinned = 0;

	if (share) {
		populated = ptree_populated(&store->tree) << PAGE_SHIFT;
		pinned = cow_pinned_pages(store) << PAGE_SHIFT;
	} else {
		share = &nothing;
	}
	seq_printf(m, "%llu family=%llu parent=%llu children=%u kind=%s store=%llu ",
		   vmo->id, vmo->family->id, vmo->parent ? vmo->parent->id : 0,
		   vmo->nr_children, kind_of(vmo), store->id);
	seq_printf(m, "owner=%d size=%llu stream=%llu populated=%llu ",
		   vmo->owner, vmo_size(vmo_sized(vmo)),
		   i_size_read(&vmo->inode), populated);
	seq_printf(m, "private=%llu scaled=%llu fraction=%llu pinned=%llu ",
		   share->private << PAGE_SHIFT, share->scaled.bytes,
		   share->scaled.fraction, pinned);
	seq_printf(m, "flags=0x%x base=%llu name=", cowvmo_info_flags(vmo),
		   store->base + vmo->view_first);
	seq_escape(m, vmo->name, "\n\\");
	seq_putc(m, '\n');
}

/* The position is the identity of the family to go on with. */
static void *vmos_start(struct seq_file *m, loff_t *pos)
{
	struct cowvmo_family *family = cowvmo_family_from(*pos);

	if (family)
		*pos = family->id;
	return family;
}

static void *vmos_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct cowvmo_family *family = cowvmo_family_after(v);

	*pos = family ? family->id : *pos + 1;
	return family;
}

static void vmos_stop(struct seq_file *m, void *v)
{
	if (v)
		cowvmo_family_put(v);
}

static int vmos_show(struct seq_file *m, void *v)
{
	return cowvmo_attribute_all(v, show_vmo, m);
}

static const struct seq_operations vmos_sops = {
	.start	= vmos_start,
	.next	= vmos_next,
	.stop	= vmos_stop,
	.show	= vmos_show,
};
DEFINE_SEQ_ATTRIBUTE(vmos);

static bool dump_node(const struct ptree_node *node, unsigned int level,
		      u64 first, void *data)
{
	seq_printf(data, "%*snode level=%u first=%llu refs=%u marks=%llx\n",
		   2 * (PTREE_MAX_LEVELS - level), "", level, first,
		   ptree_node_refs(node), ptree_node_marks(node));
	return true;
}

static void dump_desc(struct ptree_desc *desc, u64 index, void *data)
{
	struct page *page = cow_hold_page(desc);

	seq_printf(data, "%*spage index=%llu leaves=%d refs=%d mapped=%d\n",
		   2 * (PTREE_MAX_LEVELS + 1), "", index,
		   atomic_read(&desc->leaves), page_ref_count(page) - 1,
		   cowvmo_page_mapcount(page));
	put_page(page);
}

static const struct ptree_visitor dump_visitor = {
	.node = dump_node,
	.desc = dump_desc,
};

static void dump_if_asked(struct cowvmo_family *family, void *data)
{
	struct cowvmo *vmo = NULL;

	mutex_lock(&family->lock);
	while ((vmo = cowvmo_family_next(family, vmo))) {
		if (vmo->id != atomic64_read(&debug_tree_id))
			continue;
		down_read(vmo->store->lock);
		seq_printf(data, "%llu store=%llu base=%llu pages=%llu\n",
			   vmo->id, vmo->store->id,
			   vmo->store->base + vmo->view_first,
			   vmo_sized(vmo)->nr_pages);
		ptree_walk(&vmo->store->tree, &dump_visitor, data);
		up_read(vmo->store->lock);
	}
	mutex_unlock(&family->lock);
}

static int tree_show(struct seq_file *m, void *unused)
{
	walk_families(dump_if_asked, m);
	return 0;
}

static int tree_open(struct inode *inode, struct file *file)
{
	return single_open(file, tree_show, NULL);
}

static ssize_t tree_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	u64 id;
	int err = kstrtou64_from_user(buf, count, 0, &id);

	if (err)
		return err;
	atomic64_set(&debug_tree_id, id);
	return count;
}

static const struct file_operations tree_fops = {
	.owner		= THIS_MODULE,
	.open		= tree_open,
	.read		= seq_read,
	.write		= tree_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

/**
 * struct census - how often each node and descriptor of a family is named
 * @seen: object -> number of names found, as a value entry; a store is named
 *	by what shows it and has a high priority
 * @why: the first broken invariant, or NULL
 * @id: the VMO in which it was found
 * @vmo: the VMO at hand
 */
struct census {
	struct xarray seen;
	const char *why;
	u64 id;
	struct cowvmo *vmo;
};

static void census_fail(struct census *census, const char *why)
{
	if (census->why)
		return;
	census->why = why;
	census->id = census->vmo ? census->vmo->id : 0;
}

/* Returns true the first time. */
static bool census_count(struct census *census, const void *object)
{
	unsigned long key = (unsigned long)object >> 3;
	void *old = xa_load(&census->seen, key);
	unsigned long n = old ? xa_to_value(old) : 0;

	if (xa_err(xa_store(&census->seen, key, xa_mk_value(n + 1),
			    GFP_KERNEL)))
		census_fail(census, "no memory to count");
	return !n;
}

static bool count_node(const struct ptree_node *node, unsigned int level,
		       u64 first, void *data)
{
	return census_count(data, node);
}

static void count_desc(struct ptree_desc *desc, u64 index, void *data)
{
	struct census *census = data;
	struct cowvmo *vmo = census->vmo;
	u32 policy = desc->flags & COW_DESC_POLICY;
	const char *why;

	census_count(census, desc);
	why = cow_loan_validate(vmo, desc->page, index);
	if (why)
		census_fail(census, why);
	if (index < vmo->base || index - vmo->base >= vmo->nr_pages)
		census_fail(census, "page outside of the size");
	if (policy != vmo->cache_policy && !vmo->policy_changes)
		census_fail(census, "page: not of its VMO's cache policy");
	if (!cowvmo_page_has_policy(READ_ONCE(desc->page), policy))
		census_fail(census, "page: the kernel caches it otherwise");
}

static unsigned long census_of(struct census *census, const void *object)
{
	void *entry = xa_load(&census->seen, (unsigned long)object >> 3);

	return entry ? xa_to_value(entry) : 0;
}

static bool check_node(const struct ptree_node *node, unsigned int level,
		       u64 first, void *data)
{
	if (ptree_node_refs(node) != census_of(data, node))
		census_fail(data, "node: count is not what names it");
	return true;
}

static void check_desc(struct ptree_desc *desc, u64 index, void *data)
{
	if (atomic_read(&desc->leaves) != census_of(data, desc))
		census_fail(data, "page: count is not what names it");
}

static const struct ptree_visitor count_visitor = {
	.node = count_node,
	.desc = count_desc,
};

static const struct ptree_visitor check_visitor = {
	.node = check_node,
	.desc = check_desc,
};

/* Why the VMO is of high priority. */
static unsigned int count_reasons(const struct cowvmo *vmo)
{
	const struct cowvmo *child;
	unsigned int reasons = vmo->high;

	list_for_each_entry(child, &vmo->children, sibling)
		reasons += !!child->reasons;
	return reasons;
}

/* What one VMO says of its relatives, against what they say. */
static void check_vmo_links(struct census *census, struct cowvmo_family *family,
			    struct cowvmo *vmo)
{
	struct cowvmo *child;
	unsigned int children = 0;

	census->vmo = vmo;
	if (vmo->family != family)
		census_fail(census, "family: member of another");
	if (vmo->hidden)
		census_fail(census, "family: hidden, but to be seen");
	if (list_empty(&vmo->store->member))
		census_fail(census, "family: shows what is no member's");
	list_for_each_entry(child, &vmo->children, sibling) {
		children++;
		if (child->parent != vmo)
			census_fail(census, "family: child of another");
	}
	if (children != vmo->nr_children)
		census_fail(census, "family: wrong number of children");
	if (vmo->reasons != count_reasons(vmo))
		census_fail(census, "family: wrong reasons for its priority");
	if (vmo->reasons)
		census_count(census, vmo->store);
}

static void check_links(struct census *census, struct cowvmo_family *family)
{
	unsigned int members = 0, hidden = 0;
	struct cowvmo *vmo = NULL;

	while ((vmo = cowvmo_family_next(family, vmo))) {
		check_vmo_links(census, family, vmo);
		members += vmo->store == vmo;
	}
	census->vmo = NULL;
	list_for_each_entry(vmo, &family->members, member) {
		if (vmo->store != vmo)
			census_fail(census, "family: a member without content");
		if (vmo->hidden && list_empty(&vmo->references) &&
		    !vmo->nr_below)
			census_fail(census, "family: content that none shows");
		hidden += vmo->hidden;
		if (vmo->high_views != census_of(census, vmo))
			census_fail(census, "family: wrong number of high views");
	}
	if (members + hidden != family->nr_members)
		census_fail(census, "family: wrong number of members");
}

static void check_trees(struct census *census, struct cowvmo_family *family)
{
	struct cowvmo *vmo;
	const char *why;

	list_for_each_entry(vmo, &family->members, member) {
		census->vmo = vmo;
		ptree_walk(&vmo->tree, &count_visitor, census);
	}
	list_for_each_entry(vmo, &family->members, member) {
		census->vmo = vmo;
		why = ptree_validate(&vmo->tree) ?: cow_pins_validate(vmo) ?:
		      cow_source_validate(vmo);
		if (why)
			census_fail(census, why);
		ptree_walk(&vmo->tree, &check_visitor, census);
	}
}

static void validate_family(struct cowvmo_family *family, void *data)
{
	struct census *census = data;

	if (census->why)
		return;
	xa_init(&census->seen);
	cowvmo_family_freeze(family);
	check_links(census, family);
	check_trees(census, family);
	cowvmo_family_thaw(family);
	xa_destroy(&census->seen);
}

static int validate_show(struct seq_file *m, void *unused)
{
	struct census census = {};

	walk_families(validate_family, &census);
	if (census.why)
		seq_printf(m, "vmo %llu: %s\n", census.id, census.why);
	else
		seq_puts(m, "ok\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(validate);

static ssize_t fail_nth_write(struct file *file, const char __user *user,
			      size_t count, loff_t *pos)
{
	char buf[24], all[4] = "";
	unsigned int nth;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, user, count))
		return -EFAULT;
	buf[count] = '\0';
	if (sscanf(buf, "%u %3s", &nth, all) < 1)
		return -EINVAL;
	if (all[0] && strcmp(all, "all"))
		return -EINVAL;
	cowvmo_fail_arm(nth, all[0]);
	return count;
}

static ssize_t fail_nth_read(struct file *file, char __user *user,
			     size_t count, loff_t *pos)
{
	char buf[16];
	int len = scnprintf(buf, sizeof(buf), "%u\n", cowvmo_fail_left());

	return simple_read_from_buffer(user, count, pos, buf, len);
}

static const struct file_operations fail_nth_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.read	= fail_nth_read,
	.write	= fail_nth_write,
	.llseek	= default_llseek,
};

/**
 * cowvmo_debug_init() - make the debugfs directory; without debugfs, nothing
 */
void cowvmo_debug_init(void)
{
	debug_dir = debugfs_create_dir("cowvmo", NULL);
	debugfs_create_file("stats", 0400, debug_dir, NULL, &stats_fops);
	debugfs_create_file("vmos", 0400, debug_dir, NULL, &vmos_fops);
	debugfs_create_file("tree", 0600, debug_dir, NULL, &tree_fops);
	debugfs_create_file("validate", 0400, debug_dir, NULL, &validate_fops);
	debugfs_create_file("fail_nth", 0600, debug_dir, NULL, &fail_nth_fops);
}

/**
 * cowvmo_debug_exit() - remove it; waits for readers
 */
void cowvmo_debug_exit(void)
{
	debugfs_remove_recursive(debug_dir);
}
