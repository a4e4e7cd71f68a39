// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen from outside: how many faults an access costs, tracepoints,
 * and the dumps in debugfs.
 */
#include "maps.h"

#include <sys/resource.h>

#include "kselftest_harness.h"

#define PAGES	64U
#define LEAF	16U
#define PAGE_TABLE	(512 * PG)
#define TRACEFS	"/sys/kernel/debug/tracing/"

static long write_faults(volatile unsigned char *map)
{
	long before = minor_faults();
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		map[i * PG] = 1;
	return minor_faults() - before;
}

/* The first round is for the loop itself, whose code may have to be read in. */
static long read_faults(const volatile unsigned char *map)
{
	static const volatile unsigned char warm[PAGES * PG];
	unsigned int round, i, sum = 0;
	long before = 0;

	for (round = 0; round < 2; round++) {
		const volatile unsigned char *at = round ? map : warm;

		before = minor_faults();
		for (i = 0; i < PAGES; i++)
			sum += at[i * PG];
	}
	return sum == PAGES ? minor_faults() - before : -1;
}

/*
 * A mapping at the start of a page table: reads are mapped around within one,
 * so a mapping that straddles two takes a fault more.
 */
static void *map_at_table(int fd)
{
	uintptr_t addr = (uintptr_t)mmap(NULL, 2 * PAGE_TABLE, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *mem;

	addr = (addr + PAGE_TABLE - 1) & ~(PAGE_TABLE - 1);
	mem = mmap((void *)addr, PAGES * PG, PROT_READ, MAP_SHARED | MAP_FIXED,
		   fd, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

FIXTURE(faulting)
{
	int fd;
	void *map;
};

FIXTURE_SETUP(faulting)
{
	minor_faults();	/* whatever that itself needs is there from now on */
	self->fd = vmo_new(PAGES * PG, 0);
	ASSERT_GE(self->fd, 0);
	self->map = vmo_map(self->fd, 0, PAGES * PG, RW);
	ASSERT_NE(NULL, self->map);
}

FIXTURE_TEARDOWN(faulting)
{
	munmap(self->map, PAGES * PG);
	close(self->fd);
}

TEST_F(faulting, a_fresh_page_is_writable_at_once)
{
	EXPECT_EQ(PAGES, write_faults(self->map));
	EXPECT_EQ(0, write_faults(self->map));
}

TEST_F(faulting, the_first_write_after_a_snapshot_is_one_fault)
{
	int snapshot;

	write_faults(self->map);
	snapshot = vmo_snapshot(self->fd);
	ASSERT_GE(snapshot, 0);
	EXPECT_EQ(PAGES, write_faults(self->map));
	EXPECT_EQ(0, write_faults(self->map));
	close(snapshot);
}

TEST_F(faulting, a_read_maps_the_leaf_around)
{
	void *again;

	write_faults(self->map);
	again = map_at_table(self->fd);
	ASSERT_NE(NULL, again);
	EXPECT_EQ(PAGES / LEAF, read_faults(again));
	munmap(again, PAGES * PG);
}

TEST_F(faulting, a_read_of_shared_pages_maps_the_leaf_around)
{
	int snapshot;
	void *map;

	write_faults(self->map);
	snapshot = vmo_snapshot(self->fd);
	map = map_at_table(snapshot);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(PAGES / LEAF, read_faults(map));
	munmap(map, PAGES * PG);
	close(snapshot);
}

static bool trace_has(const char *trace, const char *event, __u64 id)
{
	char text[64];

	snprintf(text, sizeof(text), "%s: id=%llu ", event,
		 (unsigned long long)id);
	return strstr(trace, text);
}

/* A VMO whose life has one event of each kind. */
static __u64 eventful_life(__u64 *child)
{
	int fd = vmo_new(PG, 0), snapshot;
	unsigned char *map = vmo_map(fd, 0, PG, RW);
	__u64 id = vmo_id(fd);

	map[0] = 1;
	snapshot = vmo_snapshot(fd);
	*child = vmo_id(snapshot);
	map[0] = 2;
	munmap(map, PG);
	close(snapshot);
	close(fd);
	return id;
}

TEST(tracepoints_tell_of_a_life)
{
	static char trace[65536];
	char clone[64];
	__u64 id, child;

	ASSERT_EQ(0, file_write(TRACEFS "trace", "\n"));
	ASSERT_EQ(0, file_write(TRACEFS "events/cowvmo/enable", "1"));
	id = eventful_life(&child);
	ASSERT_EQ(0, file_write(TRACEFS "events/cowvmo/enable", "0"));
	ASSERT_GT(file_read(TRACEFS "trace", trace, sizeof(trace)), 0);

	EXPECT_TRUE(trace_has(trace, "cowvmo_create", id));
	EXPECT_TRUE(trace_has(trace, "cowvmo_fault", id));
	EXPECT_TRUE(trace_has(trace, "cowvmo_copy", id));
	snprintf(clone, sizeof(clone), "cowvmo_clone: parent=%llu id=%llu ",
		 (unsigned long long)id, (unsigned long long)child);
	EXPECT_NE(NULL, strstr(trace, clone));
	snprintf(clone, sizeof(clone), "cowvmo_free: id=%llu\n",
		 (unsigned long long)id);
	EXPECT_NE(NULL, strstr(trace, clone));
}

TEST(the_list_names_every_vmo)
{
	static char list[65536];
	char text[96];
	int fd = vmo_new(3 * PG, 0), child;

	ASSERT_EQ(0, vmo_set_name(fd, "seen"));
	ASSERT_EQ(0, vmo_commit(fd, 0, PG));
	child = vmo_snapshot(fd);
	ASSERT_GT(file_read(VMO_DEBUGFS "vmos", list, sizeof(list)), 0);
	snprintf(text, sizeof(text),
		 "%llu family=%llu parent=0 children=1 kind=vmo ",
		 (unsigned long long)vmo_id(fd),
		 (unsigned long long)vmo_family(fd));
	EXPECT_NE(NULL, strstr(list, text));
	snprintf(text, sizeof(text),
		 "%llu family=%llu parent=%llu children=0 kind=snapshot ",
		 (unsigned long long)vmo_id(child),
		 (unsigned long long)vmo_family(fd),
		 (unsigned long long)vmo_id(fd));
	EXPECT_NE(NULL, strstr(list, text));
	EXPECT_NE(NULL, strstr(list, "name=seen\n"));
	close(child);
	close(fd);
}

/* The line of the list that begins with this id, or NULL */
static const char *list_line(const char *list, __u64 id)
{
	static char line[512];
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\n%llu family=", (unsigned long long)id);
	at = strstr(list, key);
	if (!at)
		return NULL;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"),
		 at + 1);
	return line;
}

/* What a VMO's line has to have in it */
static bool list_has(__u64 id, __u64 populated, __u64 base, __u64 store)
{
	static char list[65536] = "\n";
	char text[128];
	const char *line;

	if (file_read(VMO_DEBUGFS "vmos", list + 1, sizeof(list) - 1) <= 0)
		return false;
	line = list_line(list, id);
	snprintf(text, sizeof(text), " populated=%llu ",
		 (unsigned long long)populated);
	if (!line || !strstr(line, text))
		return false;
	snprintf(text, sizeof(text), " store=%llu owner=%d ",
		 (unsigned long long)store, getpid());
	if (!strstr(line, text))
		return false;
	snprintf(text, sizeof(text), " base=%llu ", (unsigned long long)base);
	return strstr(line, text);
}

TEST(the_list_tells_whose_pages_they_are)
{
	int fd = vmo_new(8 * PG, 0), slice, ref, inner;
	__u64 id = vmo_id(fd), ref_id;

	ASSERT_EQ(0, vmo_commit(fd, 0, 3 * PG));
	slice = vmo_slice(fd, 2 * PG, 4 * PG);
	inner = vmo_slice(slice, PG, PG);
	ref = vmo_reference(fd, 0);
	ASSERT_LE(0, ref);
	ref_id = vmo_id(ref);
	EXPECT_TRUE(list_has(id, 3 * PG, 0, id));
	EXPECT_TRUE(list_has(vmo_id(slice), 0, 2, id));
	EXPECT_TRUE(list_has(vmo_id(inner), 0, 3, id));
	EXPECT_TRUE(list_has(ref_id, 0, 0, id));
	/* It is there, and its memory counts, while a slice keeps it. */
	close(fd);
	EXPECT_TRUE(list_has(id, 3 * PG, 0, id));
	close(inner);
	close(slice);
	EXPECT_FALSE(list_has(id, 3 * PG, 0, id));
	EXPECT_TRUE(list_has(ref_id, 3 * PG, 0, id));
	close(ref);
	EXPECT_FALSE(list_has(ref_id, 3 * PG, 0, id));
}

static int owner_is_me(void *arg)
{
	int *fds = arg;

	fds[1] = vmo_slice(fds[0], 0, PG);
	return !list_has(vmo_id(fds[1]), 0, 0, vmo_id(fds[0]));
}

/* Of a child, the process that made it: whoever made the parent. */
TEST(the_list_tells_who_made_it)
{
	int fds[2] = { vmo_new(PG, 0) };

	EXPECT_EQ(0, in_child(owner_is_me, fds));
	EXPECT_TRUE(list_has(vmo_id(fds[0]), 0, 0, vmo_id(fds[0])));
	close(fds[0]);
}

TEST(the_dump_shows_the_tree)
{
	static char dump[65536];
	char id[32];
	int fd = vmo_new(40 * PG, 0);

	ASSERT_EQ(0, vmo_commit(fd, 17 * PG, PG));
	snprintf(id, sizeof(id), "%llu", (unsigned long long)vmo_id(fd));
	ASSERT_EQ(0, file_write(VMO_DEBUGFS "tree", id));
	ASSERT_GT(file_read(VMO_DEBUGFS "tree", dump, sizeof(dump)), 0);
	EXPECT_EQ(0, strncmp(dump, id, strlen(id)));
	EXPECT_NE(NULL, strstr(dump, "node level=0 first=16 refs=1 "));
	EXPECT_NE(NULL, strstr(dump, "page index=17 leaves=1 refs=1 mapped=0"));
	close(fd);
}

/* Of a slice or reference: the tree whose pages it shows */
TEST(the_dump_of_a_view_shows_the_tree)
{
	static char dump[65536];
	char id[32];
	int fd = vmo_new(40 * PG, 0), slice = vmo_slice(fd, PG, PG);

	ASSERT_EQ(0, vmo_commit(fd, 17 * PG, PG));
	snprintf(id, sizeof(id), "%llu", (unsigned long long)vmo_id(slice));
	ASSERT_EQ(0, file_write(VMO_DEBUGFS "tree", id));
	ASSERT_GT(file_read(VMO_DEBUGFS "tree", dump, sizeof(dump)), 0);
	EXPECT_EQ(0, strncmp(dump, id, strlen(id)));
	EXPECT_NE(NULL, strstr(dump, "page index=17 leaves=1 refs=1 mapped=0"));
	close(slice);
	close(fd);
}

TEST_HARNESS_MAIN
