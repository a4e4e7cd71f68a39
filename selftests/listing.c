// SPDX-License-Identifier: GPL-2.0
/*
 * Who is there: a VMO's identity in /proc, and the list of all in debugfs,
 * whose figures are of one instant per family.
 */
#include <stdint.h>
#include <sys/wait.h>

#include "vmo.h"
#include "kin.h"
#include "kselftest_harness.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Seconds until a test counts as hung, on the slowest of kernels */
#define PATIENCE	300

static char list[1 << 20];

/* The line of @id in the list, or NULL */
static const char *line_of(__u64 id)
{
	char start[32];
	const char *at;
	int len = snprintf(start, sizeof(start), "%llu ",
			   (unsigned long long)id);

	for (at = list; at && *at; at = strchr(at, '\n'), at += !!at)
		if (!strncmp(at, start, len))
			return at;
	return NULL;
}

/* A figure of that line, ~0 without one */
static __u64 figure(__u64 id, const char *name)
{
	const char *line = line_of(id), *end, *at;
	char key[32];
	int len = snprintf(key, sizeof(key), " %s=", name);

	if (!line)
		return ~0ULL;
	end = strchr(line, '\n');
	at = strstr(line, key);
	return at && at < end ? strtoull(at + len, NULL, 0) : ~0ULL;
}

static int read_list(void)
{
	long rc = file_read(VMO_DEBUGFS "vmos", list, sizeof(list));

	return rc < 0 ? rc : 0;
}

/* The rest of the line after "@name=", as a string of its own */
static const char *word(__u64 id, const char *name)
{
	static char text[128];
	const char *line = line_of(id), *at;
	char key[32];

	snprintf(key, sizeof(key), " %s=", name);
	at = line ? strstr(line, key) : NULL;
	text[0] = '\0';
	if (at)
		sscanf(at + strlen(key), "%127s", text);
	return text;
}

FIXTURE(listing) {
	struct vmo_stats start;
};

FIXTURE_SETUP(listing)
{
	self->start = vmo_stats();
}

FIXTURE_TEARDOWN(listing)
{
	struct vmo_stats now = vmo_stats();

	EXPECT_EQ(0, memcmp(&now, &self->start, sizeof(now)));
	EXPECT_EQ(0, vmo_validate());
}

/* --- Identity */

/* 1 if a line of /proc/self/maps has this inode number and name, or 0 */
static int maps_has(const void *at, __u64 id)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long long start, inode;
	char line[512], name[64], want[64];
	int found = 0;

	snprintf(want, sizeof(want), "cowvmo:[%llu]", (unsigned long long)id);
	while (fgets(line, sizeof(line), file)) {
		name[0] = '\0';
		if (sscanf(line, "%llx-%*x %*s %*x %*s %llu %63s", &start,
			   &inode, name) < 2)
			continue;
		if (start == (uintptr_t)at)
			found = inode == id && !strcmp(name, want);
	}
	fclose(file);
	return found;
}

/* The same number everywhere, also where no descriptor is left */
TEST_F(listing, identity_in_proc)
{
	char path[64], link[64] = "", want[64];
	int fd = vmo_new(4 * PG, 0), slice = vmo_slice(fd, PG, 2 * PG);
	__u64 id = vmo_id(fd), slice_id = vmo_id(slice);
	void *shared, *private, *part;
	struct stat st;

	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(id, st.st_ino);
	ASSERT_EQ(0, fstat(slice, &st));
	EXPECT_EQ(slice_id, st.st_ino);
	EXPECT_NE(id, slice_id);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", slice);
	snprintf(want, sizeof(want), "cowvmo:[%llu]",
		 (unsigned long long)slice_id);
	EXPECT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_STREQ(want, link);

	shared = vmo_map(fd, 0, PG, RW);
	private = mmap(NULL, PG, RW, MAP_PRIVATE, fd, PG);
	part = vmo_map(slice, PG, PG, PROT_READ);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(1, maps_has(shared, id));
	EXPECT_EQ(1, maps_has(private, id));
	EXPECT_EQ(1, maps_has(part, slice_id));
	EXPECT_EQ(0, maps_has(part, id));
	EXPECT_EQ(0, munmap(shared, PG));
	EXPECT_EQ(0, munmap(private, PG));
	EXPECT_EQ(0, munmap(part, PG));
}

TEST_F(listing, fdinfo)
{
	int fd = vmo_new(3 * PG + 1, 0), child;
	char path[64], text[1024], want[512];

	ASSERT_EQ(0, vmo_set_name(fd, "a b\n\\c"));
	ASSERT_EQ(0, vmo_commit(fd, 0, PG));
	child = vmo_child(fd, COWVMO_CREATE_NO_WRITE, 0, 5 * PG);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", child);
	ASSERT_LT(0, file_read(path, text, sizeof(text)));
	snprintf(want, sizeof(want),
		 "cowvmo-id:\t%llu\n"
		 "cowvmo-parent:\t%llu\n"
		 "cowvmo-family:\t%llu\n"
		 "cowvmo-store:\t%llu\n"
		 "cowvmo-children:\t0\n"
		 "cowvmo-size:\t20480\n"
		 "cowvmo-stream-size:\t20480\n"
		 "cowvmo-populated:\t4096\n"
		 "cowvmo-flags:\t0xe\n"
		 "cowvmo-name:\ta b\\012\\134c\n",
		 (unsigned long long)vmo_id(child),
		 (unsigned long long)vmo_id(fd),
		 (unsigned long long)vmo_family(fd),
		 (unsigned long long)vmo_id(child));
	EXPECT_NE(NULL, strstr(text, want));
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fd));
}

/* --- The list */

TEST_F(listing, a_line_in_full)
{
	int fd = vmo_new(3 * PG + 1, COWVMO_CREATE_RESIZABLE), child;
	char want[512];
	__u64 id = vmo_id(fd), child_id;

	ASSERT_EQ(0, vmo_commit(fd, 0, 2 * PG));
	ASSERT_EQ(0, vmo_set_name(fd, "one name=two\n"));
	child = vmo_child(fd, COWVMO_CREATE_NO_WRITE, PG, PG);
	child_id = vmo_id(child);
	ASSERT_EQ(0, vmo_seal(fd));
	ASSERT_EQ(0, read_list());
	snprintf(want, sizeof(want),
		 "%llu family=%llu parent=0 children=1 kind=vmo store=%llu owner=%d size=16384 stream=12289 populated=8192 private=4096 scaled=6144 fraction=0 pinned=0 flags=0x41 base=0 name=one name=two\\012\n"
		 "%llu family=%llu parent=%llu children=0 kind=snapshot store=%llu owner=%d size=4096 stream=4096 populated=4096 private=0 scaled=2048 fraction=0 pinned=0 flags=0x6 base=1 name=one name=two\\012\n",
		 (unsigned long long)id,
		 (unsigned long long)vmo_family(fd),
		 (unsigned long long)id, getpid(),
		 (unsigned long long)child_id,
		 (unsigned long long)vmo_family(fd),
		 (unsigned long long)id,
		 (unsigned long long)child_id, getpid());
	EXPECT_NE(NULL, strstr(list, want)) TH_LOG("in: %s", list);
	EXPECT_EQ(0, close(child));
	EXPECT_EQ(0, close(fd));
}

/* What is true of a VMO's content is told of all that show it. */
TEST_F(listing, pins_and_priority)
{
	int fd = vmo_new(8 * PG, 0), slice = vmo_slice(fd, PG, 4 * PG), a, b;

	a = vmo_pin(slice, 0, 0, 2 * PG);
	b = vmo_pin(fd, 0, 2 * PG, 3 * PG);
	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(4 * PG, figure(vmo_id(fd), "pinned"));
	EXPECT_EQ(4 * PG, figure(vmo_id(fd), "populated"));
	EXPECT_EQ(0, figure(vmo_id(slice), "pinned"));
	EXPECT_EQ(COWVMO_INFO_SLICE, (int)figure(vmo_id(slice), "flags"));
	EXPECT_EQ(0, close(a));
	EXPECT_EQ(0, close(b));
	ASSERT_EQ(0, vmo_set_priority(slice, COWVMO_PRIORITY_HIGH));
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(0, figure(vmo_id(fd), "pinned"));
	EXPECT_EQ(COWVMO_INFO_HIGH_PRIORITY, (int)figure(vmo_id(fd), "flags"));
	EXPECT_EQ(COWVMO_INFO_SLICE | COWVMO_INFO_HIGH_PRIORITY,
		  (int)figure(vmo_id(slice), "flags"));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(fd));
}

/* The process that made it, though another one holds it */
TEST_F(listing, owner)
{
	int pair[2], status, fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (!pid)
		_exit(vmo_send_fd(pair[1], vmo_new(PG, 0)) ? 1 : 0);
	fd = vmo_recv_fd(pair[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, read_list());
	EXPECT_EQ((__u64)pid, figure(vmo_id(fd), "owner"));
	EXPECT_EQ(0, close(fd));
	close(pair[0]);
	close(pair[1]);
}

/* Each after its parent, whatever the order in which they were made */
TEST_F(listing, parents_first)
{
	int a = vmo_new(PG, 0), b = vmo_snapshot(a), c = vmo_snapshot(a);
	int d = vmo_snapshot(b);
	const int order[] = { a, b, d, c };
	const char *last = list;
	unsigned int i;

	ASSERT_EQ(0, read_list());
	for (i = 0; i < 4; i++) {
		EXPECT_LE(last, line_of(vmo_id(order[i])));
		last = line_of(vmo_id(order[i]));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, close(order[i]));
}

/* 0 if the list says of a VMO what its descriptor does */
static int same_as_info(int fd, __u64 *private, __uint128_t *scaled)
{
	struct cowvmo_get_info info;
	__u64 id;

	if (vmo_info(fd, &info, COWVMO_INFO_MEMORY))
		return -errno;
	id = info.out_id;
	if (figure(id, "size") != info.out_vmo_size ||
	    figure(id, "stream") != info.out_stream_size ||
	    figure(id, "family") != info.out_family_id ||
	    figure(id, "parent") != info.out_parent_id ||
	    figure(id, "children") != info.out_num_children ||
	    figure(id, "flags") != info.out_flags)
		return kin_wrong("VMO %llu: %s", id, line_of(id) ?: "no line");
	if (figure(id, "populated") != info.out_populated_bytes ||
	    figure(id, "private") != info.out_private_bytes ||
	    figure(id, "scaled") != info.out_scaled_bytes ||
	    figure(id, "fraction") != info.out_scaled_fraction)
		return kin_wrong("VMO %llu: %llu %llu %llu + %llu, not %s", id,
				 info.out_populated_bytes,
				 info.out_private_bytes,
				 info.out_scaled_bytes,
				 info.out_scaled_fraction, line_of(id));
	*private += info.out_private_bytes;
	*scaled += info.out_scaled_bytes * KIN_BYTE + info.out_scaled_fraction;
	return 0;
}

static int check_list(const struct kin *kin)
{
	__uint128_t scaled = 0;
	__u64 private = 0;
	unsigned int i;
	int rc = read_list();

	for (i = 0; !rc && i < KIN_MAX; i++)
		if (kin->member[i].fd >= 0)
			rc = same_as_info(kin->member[i].fd, &private,
					  &scaled);
	if (rc)
		return rc;
	return kin_near(scaled, kin_real_pages(kin) * PG * KIN_BYTE) ? 0 :
	       kin_wrong("does not add up");
}

/* One pass over the family finds what a query for each member does. */
TEST_F_TIMEOUT(listing, same_as_get_info, PATIENCE)
{
	unsigned int seed, step, r, state;
	struct kin kin;
	int a, b;

	for (seed = 1; seed <= 12; seed++) {
		kin_init(&kin);
		state = seed;
		ASSERT_EQ(0, kin_create(&kin, 0, KIN_PAGES));
		ASSERT_EQ(0, kin_write_all(&kin, 0));
		for (step = 0; step < 40; step++) {
			r = rand_r(&state);
			a = r % KIN_MAX;
			b = r / 16 % KIN_MAX;
			if (kin.member[a].fd >= 0) {
				ASSERT_EQ(0, kin_write(&kin, a, r / 256 % 4));
			} else if (kin.member[b].fd >= 0) {
				ASSERT_EQ(0, kin_clone(&kin, a, b, r / 256 % 4,
						       4));
			}
			ASSERT_EQ(0, check_list(&kin))
				TH_LOG("seed %u step %u", seed, step);
		}
		kin_close_all(&kin);
		ASSERT_EQ(0, kin_gone(&kin));
	}
}

/* Memory is counted once: at the VMO, else at the oldest reference to it. */
TEST_F(listing, views)
{
	int fd = vmo_new(4 * PG, 0), slice, first, second, child;
	__u64 id = vmo_id(fd), total = 0;
	__uint128_t scaled = 0;

	ASSERT_EQ(0, vmo_commit(fd, 0, 3 * PG));
	first = vmo_reference(fd, 0);
	second = vmo_reference(first, 0);
	child = vmo_snapshot(first);
	slice = vmo_slice(second, 0, PG);
	ASSERT_EQ(0, pat_fill(child, 0, 1));
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(id, figure(vmo_id(slice), "store"));
	EXPECT_STREQ("slice", word(vmo_id(slice), "kind"));
	EXPECT_STREQ("reference", word(vmo_id(first), "kind"));
	EXPECT_EQ(3 * PG, figure(id, "populated"));
	EXPECT_EQ(PG, figure(id, "private"));
	EXPECT_EQ(2 * PG, figure(id, "scaled"));
	EXPECT_EQ(0, figure(vmo_id(first), "populated"));
	EXPECT_EQ(0, figure(vmo_id(second), "scaled"));
	EXPECT_EQ(0, figure(vmo_id(slice), "populated"));

	EXPECT_EQ(0, close(fd));
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(NULL, line_of(id));
	EXPECT_EQ(3 * PG, figure(vmo_id(first), "populated"));
	EXPECT_EQ(PG, figure(vmo_id(first), "private"));
	EXPECT_EQ(0, figure(vmo_id(second), "populated"));
	EXPECT_EQ(0, same_as_info(first, &total, &scaled));
	EXPECT_EQ(0, same_as_info(second, &total, &scaled));
	EXPECT_EQ(0, same_as_info(slice, &total, &scaled));
	EXPECT_EQ(0, same_as_info(child, &total, &scaled));
	EXPECT_EQ(2 * PG, total);
	EXPECT_TRUE(scaled == 4 * PG * KIN_BYTE);

	EXPECT_EQ(0, close(first));
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(PG, figure(vmo_id(second), "private"));
	EXPECT_EQ(0, same_as_info(second, &total, &scaled));
	EXPECT_EQ(0, close(second));
	EXPECT_EQ(0, close(slice));
	EXPECT_EQ(0, close(child));
}

/* --- Many */

#define MANY	300

/* A family whose lines need more than a page */
TEST_F(listing, large_family)
{
	static int child[MANY];
	int fd = vmo_new(PG, 0);
	unsigned int i;

	ASSERT_EQ(0, pat_fill(fd, 0, 1));
	for (i = 0; i < MANY; i++)
		child[i] = vmo_snapshot(fd);
	ASSERT_EQ(0, read_list());
	EXPECT_EQ(MANY, figure(vmo_id(fd), "children"));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(PG / (MANY + 1),
			  figure(vmo_id(child[i]), "scaled"));
		EXPECT_EQ(0, close(child[i]));
	}
	EXPECT_EQ(0, close(fd));
}

/*
 * Families come and go while the list is read in small pieces: those that
 * are there all the time are told of once.
 */
TEST_F(listing, read_in_pieces)
{
	static int vmo[MANY];
	unsigned int i, round = 0;
	size_t used = 0;
	char *line;
	int file;
	long n;

	for (i = 0; i < MANY; i++)
		vmo[i] = vmo_new(PG, 0);
	file = open(VMO_DEBUGFS "vmos", O_RDONLY | O_CLOEXEC);
	while ((n = read(file, list + used, 97)) > 0) {
		used += n;
		/* One in three goes, before or after it is told of. */
		i = round++ * 3 * 7 % MANY;
		if (i % 3 == 0 && vmo[i] >= 0) {
			close(vmo[i]);
			vmo[i] = -1;
			close(vmo_new(PG, 0));
		}
	}
	ASSERT_EQ(0, n);
	list[used] = '\0';
	for (i = 0; i < MANY; i++) {
		if (vmo[i] < 0)
			continue;
		line = (char *)line_of(vmo_id(vmo[i]));
		ASSERT_NE(NULL, line);
		line[0] = 'x';
		ASSERT_EQ(NULL, line_of(vmo_id(vmo[i])));
		EXPECT_EQ(0, close(vmo[i]));
	}
	EXPECT_EQ(0, close(file));
}

/* --- The tree */

/* The highest level in the dump of a tree */
static int levels_of(int fd)
{
	char id[32];
	const char *at;
	int level, top = -1;

	snprintf(id, sizeof(id), "%llu", (unsigned long long)vmo_id(fd));
	if (file_write(VMO_DEBUGFS "tree", id) ||
	    file_read(VMO_DEBUGFS "tree", list, sizeof(list)) < 0)
		return -EIO;
	for (at = list; (at = strstr(at, "level=")); at++) {
		level = atoi(at + 6);
		top = level > top ? level : top;
	}
	return top;
}

/* A lookup does not climb: 64 generations are no deeper than one. */
TEST_F(listing, depth_is_not_of_generations)
{
	int fd = vmo_new(1000 * PG, 0), child, top;
	unsigned int i;

	ASSERT_EQ(0, vmo_commit(fd, 0, 40 * PG));
	ASSERT_EQ(0, vmo_commit(fd, 999 * PG, PG));
	top = levels_of(fd);
	EXPECT_EQ(2, top);
	for (i = 0; i < 64; i++) {
		child = vmo_snapshot(fd);
		ASSERT_EQ(0, pat_fill(child, i, 1));
		ASSERT_EQ(top, levels_of(child));
		ASSERT_EQ(0, close(fd));
		fd = child;
	}
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
