// SPDX-License-Identifier: GPL-2.0
/*
 * tools/cowvmo, which shows VMOs to people: what it says of known VMOs, to the
 * letter; whom it lets see what; how it fails.
 */
#include <termios.h>

#include "tool.h"
#include "kselftest_harness.h"

/*
 * A family whose figures are easily told: the store has four pages and one of
 * its own, its child two of them, a slice and a reference show the store.
 */
FIXTURE(tool) {
	struct run *run;
	int store, child, slice, reference;
	__u64 id, child_id, slice_id, reference_id, family;
	int pid, w;	/* width of an id */
};

FIXTURE_SETUP(tool)
{
	unsigned int i;

	self->run = calloc(1, sizeof(*self->run));
	self->store = vmo_new(16 * PG, 0);
	ASSERT_LE(0, self->store);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pat_fill(self->store, i, i + 1));
	ASSERT_EQ(0, vmo_set_name(self->store, "store"));
	self->child = vmo_child(self->store, COWVMO_CREATE_NO_WRITE, PG,
				8 * PG);
	ASSERT_EQ(0, vmo_set_name(self->child, "a child"));
	self->slice = vmo_slice(self->store, 0, 2 * PG);
	self->reference = vmo_reference(self->store, 0);
	ASSERT_EQ(0, pat_fill(self->store, 5, 9));
	self->id = vmo_id(self->store);
	self->child_id = vmo_id(self->child);
	self->slice_id = vmo_id(self->slice);
	self->reference_id = vmo_id(self->reference);
	self->family = vmo_family(self->store);
	self->pid = getpid();
	self->w = digits(self->reference_id);
}

FIXTURE_TEARDOWN(tool)
{
	close(self->store);
	close(self->child);
	close(self->slice);
	close(self->reference);
	free(self->run);
	EXPECT_EQ(0, vmo_validate());
}

static bool begins(const char *whole, const char *with)
{
	return !strncmp(whole, with, strlen(with));
}

/* --- Tables */

static const char *table_of(FIXTURE_DATA(tool) * self)
{
	int w = self->w > 2 ? self->w : 2, p = self->w > 6 ? self->w : 6;
	int u = digits(self->pid) + 1 + digits(self->reference);

	u = u > 7 ? u : 7;
	return text("%*s  KIND       SIZE  POPULATED  PRIVATE  SCALED  %*s  %-*s  NAME\n"
		    "%*llu  vmo         64K        16K       8K     12K  %*s  %-*s  store\n"
		    "%*llu  snapshot    32K         8K        0      4K  %*llu  %-*s  a child\n"
		    "%*llu  slice        8K          0        0       0  %*llu  %-*s  store\n"
		    "%*llu  reference   64K          0        0       0  %*llu  %-*s  store\n",
		    w, "ID", p, "PARENT", u, "USED BY",
		    w, self->id, p, "-", u,
		    text("%d:%d", self->pid, self->store),
		    w, self->child_id, p, self->id, u,
		    text("%d:%d", self->pid, self->child),
		    w, self->slice_id, p, self->id, u,
		    text("%d:%d", self->pid, self->slice),
		    w, self->reference_id, p, self->id, u,
		    text("%d:%d", self->pid, self->reference));
}

TEST_F(tool, ls)
{
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_STREQ(table_of(self), self->run->out);
	EXPECT_STREQ("", self->run->err);
}

/* Without debugfs root asks each VMO itself, and learns the same. */
TEST_F(tool, ls_without_debugfs)
{
	self->run->hide = "/sys/kernel/debug";
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_STREQ(table_of(self), self->run->out);
}

TEST_F(tool, ls_in_bytes)
{
	EXPECT_EQ(0, tool(self->run, "ls --bytes"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  vmo        65536      16384     8192   12288  "));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  snapshot   32768       8192        0    4096  "));
}

static const char *json_of(FIXTURE_DATA(tool) * self)
{
	return text("[{\"id\": %llu, \"kind\": \"vmo\", \"name\": \"store\", \"family\": %llu, \"parent\": 0, \"store\": %llu, \"children\": 1, \"size\": 65536, \"stream_size\": 65536, \"populated\": 16384, \"private\": 8192, \"scaled\": 12288.000, \"owner\": %d, \"flags\": [], \"used_by\": [{\"pid\": %d, \"fd\": %d}]},\n"
		    " {\"id\": %llu, \"kind\": \"snapshot\", \"name\": \"a child\", \"family\": %llu, \"parent\": %llu, \"store\": %llu, \"children\": 0, \"size\": 32768, \"stream_size\": 32768, \"populated\": 8192, \"private\": 0, \"scaled\": 4096.000, \"owner\": %d, \"flags\": [\"immutable\"], \"used_by\": [{\"pid\": %d, \"fd\": %d}]}]\n",
		    self->id, self->family, self->id, self->pid, self->pid,
		    self->store, self->child_id, self->family, self->id,
		    self->child_id, self->pid, self->pid, self->child);
}

TEST_F(tool, ls_for_programs)
{
	EXPECT_EQ(0, close(self->slice));
	EXPECT_EQ(0, close(self->reference));
	EXPECT_EQ(0, tool(self->run, "ls --json"));
	EXPECT_STREQ(json_of(self), self->run->out);
	self->slice = vmo_slice(self->store, 0, PG);
	self->reference = vmo_reference(self->store, 0);
}

static const char *tree_of(FIXTURE_DATA(tool) * self, const char *between,
			   const char *last, const char *head,
			   const char *bar, const char *child_bar)
{
	int w = self->w, p = digits(self->pid) + 1 + digits(self->reference);

	p = p > 7 ? p : 7;
	return text("%-*s  SIZE  POPULATED  PRIVATE  SCALED  %s  %-*s  NAME\n"
		    "family %llu: 4 VMOs, memory 16K\n"
		    "%-*llu vmo            64K        16K       8K     12K  %s  %-*s  store\n"
		    "%s%-*llu snapshot    32K         8K        0      4K  %s  %-*s  a child\n"
		    "%s%-*llu slice        8K          0        0       0  shows %-*llu  %-*s  store\n"
		    "%s%-*llu reference   64K          0        0       0  shows %-*llu  %-*s  store\n",
		    w + 13, "VMO", head, p, "USED BY", self->family,
		    w, self->id, bar, p,
		    text("%d:%d", self->pid, self->store),
		    between, w, self->child_id, child_bar, p,
		    text("%d:%d", self->pid, self->child),
		    between, w, self->slice_id, 10, self->id, p,
		    text("%d:%d", self->pid, self->slice),
		    last, w, self->reference_id, 10, self->id, p,
		    text("%d:%d", self->pid, self->reference));
}

TEST_F(tool, tree)
{
	const char *want = tree_of(self, "|- ", "`- ", "# own  = shared ",
				   "##==............", "====............");

	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_STREQ(want, self->run->out);
	/* The family of any member, named either way */
	EXPECT_EQ(0, tool(self->run, text("tree %llu", self->slice_id)));
	EXPECT_STREQ(want, self->run->out);
	EXPECT_EQ(0, tool(self->run, text("tree %d:%d", self->pid,
					  self->child)));
	EXPECT_STREQ(want, self->run->out);
}

TEST_F(tool, tree_in_utf8)
{
	self->run->env[0] = "LC_ALL=C.UTF-8";
	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_STREQ(tree_of(self, "├─ ", "└─ ", "█ own  ▒ shared ",
			     "██▒▒············", "▒▒▒▒············"),
		     self->run->out);
}

/* Other families are left out when one is asked for. */
TEST_F(tool, tree_of_one_family)
{
	int other = vmo_new(PG, 0);
	__u64 id = vmo_id(other);

	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_NE(NULL, strstr(self->run->out, "\nfamily "));
	EXPECT_NE(NULL, strstr(self->run->out, text("\n%llu vmo ", id)));
	EXPECT_EQ(0, tool(self->run, text("tree %llu", id)));
	EXPECT_NE(NULL, strstr(self->run->out, text("\n%llu vmo ", id)));
	EXPECT_EQ(NULL, strstr(self->run->out, "store\n"));
	EXPECT_EQ(0, close(other));
}

/* Generations without end */
TEST_F(tool, tree_of_a_long_chain)
{
	int fd[120];
	unsigned int i;

	fd[0] = vmo_snapshot(self->store);
	for (i = 1; i < 120; i++)
		fd[i] = vmo_snapshot(fd[i - 1]);
	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("`- %llu snapshot ",
				    vmo_id(fd[119]))));
	for (i = 0; i < 120; i++)
		EXPECT_EQ(0, close(fd[i]));
}

TEST_F(tool, top_once)
{
	const char *at;

	EXPECT_EQ(0, tool(self->run, "top -1"));
	EXPECT_TRUE(begins(self->run->out,
			   "4 VMOs in 1 family, 16K of memory\n"));
	at = strstr(self->run->out, "store\n");
	EXPECT_LT(at, strstr(self->run->out, "a child\n"));
	EXPECT_EQ(0, tool(self->run, "top --once --key size"));
	at = strstr(self->run->out, text("%llu  reference ",
					 self->reference_id));
	EXPECT_NE(NULL, at);
	EXPECT_LT(at, strstr(self->run->out, "a child\n"));
}

/* --- Pages */

#define LEGEND(hole, shared, own)					\
	".  hole     " hole "  no memory, reads zero\n"			\
	"S  shared   " shared "  relatives see it too\n"		\
	"O  own      " own "  only this VMO sees it\n"

TEST_F(tool, map)
{
	EXPECT_EQ(0, tool(self->run, text("map %llu", self->id)));
	EXPECT_STREQ(text("VMO %llu \"store\": vmo, 64K, 16K populated\n\n"
			  "0x0000  OSS..O..........\n\n"
			  LEGEND("        12     48K", "         2      8K",
				 "         2      8K"), self->id),
		     self->run->out);
	EXPECT_EQ(0, tool(self->run, text("map -s %d:%d", self->pid,
					  self->slice)));
	EXPECT_STREQ(text("VMO %llu \"store\": slice, 8K, 8K populated\n\n"
			  "0x0000  O2\n\n"
			  LEGEND("         0       0", "         1      4K",
				 "         1      4K")
			  "2 to 9, +: how many VMOs see a shared page, the most in a cell\n",
			  self->slice_id),
		     self->run->out);
}

TEST_F(tool, map_of_marks_and_holders)
{
	unsigned char *mem = vmo_map(self->store, 0, 16 * PG, RW);
	struct iovec iov = { .iov_base = mem + 8 * PG, .iov_len = PG };
	int fd[2];

	mem[2 * PG] = 1;
	mem[7 * PG] = 1;
	mem[8 * PG] = 1;
	ASSERT_EQ(0, pipe2(fd, O_CLOEXEC));
	ASSERT_EQ((ssize_t)PG, vmsplice(fd[1], &iov, 1, 0));
	EXPECT_EQ(0, tool(self->run, text("map %llu", self->id)));
	EXPECT_NE(NULL, strstr(self->run->out, "\n0x0000  OSW..O.WH.......\n"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "\nW  written           2      8K  own, and writable in a mapping since the last snapshot\n"
			       "H  held              1      4K  by I/O, a pipe or a debugger\n"));
	close(fd[0]);
	close(fd[1]);
	EXPECT_EQ(0, munmap(mem, 16 * PG));
}

/* Who has pinned it is told, also when that is all that keeps it. */
TEST_F(tool, pins)
{
	int fd = vmo_new(4 * PG, 0), pin;
	__u64 id = vmo_id(fd);

	pin = vmo_pin(fd, 0, PG, 2 * PG);
	ASSERT_LE(0, pin);
	EXPECT_EQ(0, tool(self->run, text("map %llu", id)));
	EXPECT_NE(NULL, strstr(self->run->out, "\n0x0000  .PP.\n"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "\nP  pinned            2      8K  stays where it is; no snapshot meanwhile\n"));
	EXPECT_EQ(0, tool(self->run, text("stat %llu", id)));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("  used by      %d (tool): %d pinned\n",
				    self->pid, fd)));
	EXPECT_NE(NULL, strstr(self->run->out, "               2 pinned: stays where it is; no snapshot meanwhile\n"));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out, text("  %d:pin", self->pid)));
	EXPECT_EQ(1, tool(self->run, text("map %llu", id)));
	EXPECT_STREQ(text("cowvmo: %llu: process %d (tool) has it pinned, but nobody has a descriptor of it\n",
			  id, self->pid), self->run->err);
	EXPECT_EQ(0, close(pin));
}

/* A page among 2^32 is seen, and a cell says how much of it there is. */
TEST_F(tool, map_of_much)
{
	int fd = vmo_new(1ULL << 44, 0);

	ASSERT_EQ(0, vmo_commit(fd, 0, PG));
	ASSERT_EQ(0, vmo_commit(fd, 1ULL << 43, PG));
	EXPECT_EQ(0, tool(self->run, text("map %llu", vmo_id(fd))));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "a cell is 8388608 pages, 32G\n\n"
			       "0x00000000000  o..............................."));
	EXPECT_NE(NULL, strstr(self->run->out, "\n0x80000000000  o......"));
	EXPECT_EQ(0, close(fd));

	fd = vmo_new(4096 * PG, 0);
	ASSERT_EQ(0, vmo_commit(fd, 0, 6 * PG));
	self->run->env[0] = "COLUMNS=40";
	self->run->env[1] = "LINES=20";
	EXPECT_EQ(0, tool(self->run, text("map %llu", vmo_id(fd))));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "a cell is 32 pages, 128K\n\n0x000000  o....."));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "a capital letter: all pages of the cell have memory\n"));
	EXPECT_EQ(0, close(fd));
}

/* In colour a cell is as high as it is full. */
TEST_F(tool, map_in_colour)
{
	int fd = vmo_new(1024 * PG, 0);

	ASSERT_EQ(0, vmo_commit(fd, 0, 9 * PG));
	self->run->env[0] = "LC_ALL=C.UTF-8";
	self->run->env[1] = "COLUMNS=40";
	self->run->env[2] = "LINES=18";
	EXPECT_EQ(0, tool(self->run, text("map --colour=always %llu",
					  vmo_id(fd))));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "0x000000  \033[32m█▁\033[2m·"));
	EXPECT_EQ(0, close(fd));
}

TEST_F(tool, map_of_nothing)
{
	int fd = vmo_new(0, 0);

	EXPECT_EQ(0, tool(self->run, text("map %llu", vmo_id(fd))));
	EXPECT_NE(NULL, strstr(self->run->out, "vmo, 0, 0 populated\n"));
	EXPECT_EQ(0, tool(self->run, text("map -o - %llu", vmo_id(fd))));
	EXPECT_NE(NULL, strstr(self->run->out, "</svg>\n"));
	EXPECT_EQ(0, close(fd));
}

static unsigned int count(const char *in, const char *what)
{
	unsigned int n = 0;

	for (; (in = strstr(in, what)); in += strlen(what))
		n++;
	return n;
}

/* As many squares of each colour as there are pages */
TEST_F(tool, drawing)
{
	char *out = self->run->out;

	ASSERT_EQ(0, vmo_set_name(self->store, "<a & \"b\">"));
	EXPECT_EQ(0, tool(self->run, text("map --svg - %llu", self->id)));
	EXPECT_TRUE(begins(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1040\""));
	EXPECT_NE(NULL, strstr(out, text(">VMO %llu: &#60;a &#38; &#34;b&#34;></text>",
					 self->id)));
	EXPECT_EQ(16, count(out, "h26v26h-26z"));
	EXPECT_NE(NULL, strstr(out, "<path fill=\"#3fa34d\" d=\"M120 88h26v26h-26z\"/>\n"
				    "<path fill=\"#5aa9e6\" d=\"M148 88h26v26h-26zM176 88h26v26h-26z\"/>\n"
				    "<path fill=\"#e8ebef\" d=\"M204 88h26v26h-26zM232 88h26v26h-26z\"/>\n"
				    "<path fill=\"#3fa34d\" d=\"M260 88h26v26h-26z\"/>\n"));
	EXPECT_EQ(count(out, "<text "), count(out, "</text>"));
	EXPECT_STREQ("</svg>\n", out + strlen(out) - 7);
}

TEST_F(tool, drawing_in_a_file)
{
	static char drawn[1 << 16];

	EXPECT_EQ(0, tool(self->run, text("map -so /tmp/map.svg %llu",
					  self->id)));
	EXPECT_STREQ("", self->run->out);
	ASSERT_LT(0, file_read("/tmp/map.svg", drawn, sizeof(drawn)));
	EXPECT_NE(NULL, strstr(drawn, ">by 5 to 8</text>"));
	EXPECT_EQ(0, unlink("/tmp/map.svg"));
	EXPECT_EQ(1, tool(self->run, text("map -o /nowhere/map.svg %llu",
					  self->id)));
	EXPECT_STREQ("cowvmo: /nowhere/map.svg: No such file or directory\n",
		     self->run->err);
}

TEST_F(tool, stat)
{
	const char *want = text("VMO %llu \"a child\"\n"
				"  kind         snapshot, immutable\n"
				"  family       %llu\n"
				"  parent       %llu\n"
				"  children     0\n"
				"  made by      %d (tool)\n"
				"  used by      %d (tool): %d\n"
				"  size         32K (32768 bytes)\n"
				"  populated    8K (8192 bytes)\n"
				"  private      0 bytes\n"
				"  scaled       4K (4096 bytes)\n"
				"  metadata     ", self->child_id,
				self->family, self->id, self->pid, self->pid,
				self->child);

	EXPECT_EQ(0, tool(self->run, text("stat %llu", self->child_id)));
	EXPECT_TRUE(begins(self->run->out, want));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  pages        8, of which\n"
			       "               2 seen by 2 VMOs\n"));
	EXPECT_EQ(0, tool(self->run, text("stat --json %llu", self->id)));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "\"pages\": {\"written\": 0, \"held\": 0, \"pinned\": 0, \"mapped\": 0, \"seen_by\": {\"1\": 2, \"2\": 2}}}\n"));
}

/* --- Names are shown, not obeyed. */

TEST_F(tool, names)
{
	ASSERT_EQ(0, vmo_set_name(self->store, "\033[31m\"\\\n\xc3\xa9\xff\x7f"));
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  \\033[31m\"\\\\\\012\xc3\xa9\\377\\177\n"));
	EXPECT_EQ(0, tool(self->run, "ls -j"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "\"name\": \"\\u001b[31m\\\"\\\\\\u000a\xc3\xa9\\u00ff\\u007f\""));
	/* As read from a descriptor's fdinfo */
	self->run->hide = "/sys/kernel/debug";
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  \\033[31m\"\\\\\\012\xc3\xa9\\377\\177\n"));
}

/* --- Who may see what */

struct theirs {
	int vmo;
	bool keep;	/* the descriptor, else only a mapping of it */
	bool dumpable;
};

static int hold_as_user(void *data)
{
	struct theirs *theirs = data;

	if (!theirs->keep) {
		if (!vmo_map(theirs->vmo, 0, PG, PROT_READ))
			return 1;
		close(theirs->vmo);
	}
	if (theirs->dumpable)
		return become_user() ? 1 : 0;
	return setresuid(USER, USER, USER) ? 1 : 0;
}

/* A user sees what his own processes have, in full, and nothing else. */
TEST_F(tool, by_a_user)
{
	struct theirs theirs = { self->child, true, true };
	struct holder holder;
	int w = self->w > 2 ? self->w : 2, p = self->w > 6 ? self->w : 6;

	ASSERT_EQ(0, holder_start(&holder, hold_as_user, &theirs));
	self->run->uid = USER;
	EXPECT_EQ(0, tool(self->run, "ls"));
	/* It inherited all four descriptors. */
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("%*llu  snapshot    32K         8K        0      4K  %*llu  %d:%d",
				    w, self->child_id, p, self->id,
				    holder.pid, self->child)));
	EXPECT_EQ(NULL, strstr(self->run->out, text(" %d:", self->pid)));
	EXPECT_EQ(0, tool(self->run, text("map %llu", self->id)));
	EXPECT_NE(NULL, strstr(self->run->out, "\n0x0000  OSS..O.........."));
	EXPECT_EQ(0, tool(self->run, text("stat %d:%d", holder.pid,
					  self->child)));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("  used by      %d (tool): %d\n",
				    holder.pid, self->child)));
	EXPECT_EQ(NULL, strstr(self->run->out, "made by"));
	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("family %llu: 4 VMOs that you may look at, memory 16K\n",
				    self->family)));
	holder_stop(&holder);
}

TEST_F(tool, by_a_stranger)
{
	self->run->uid = USER;
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_STREQ("ID  KIND  SIZE  POPULATED  PRIVATE  SCALED  PARENT  USED BY  NAME\n",
		     self->run->out);
	EXPECT_EQ(0, tool(self->run, "ls -j"));
	EXPECT_STREQ("[]\n", self->run->out);
	EXPECT_EQ(1, tool(self->run, text("map %llu", self->id)));
	EXPECT_STREQ("", self->run->out);
	EXPECT_STREQ(text("cowvmo: %llu: no process that you may look into has such a VMO\n",
			  self->id), self->run->err);
	EXPECT_EQ(1, tool(self->run, text("stat %d:%d", self->pid,
					  self->store)));
	EXPECT_STREQ(text("cowvmo: %d:%d: you may not look into process %d (tool): that takes its owner or root, and kernel.yama.ptrace_scope may forbid it\n",
			  self->pid, self->store, self->pid), self->run->err);
}

/* One that the kernel does not let others look into, as set-user-ID are */
TEST_F(tool, by_a_user_undumpable)
{
	struct theirs theirs = { self->child, true, false };
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, hold_as_user, &theirs));
	self->run->uid = USER;
	EXPECT_EQ(0, tool(self->run, "ls -j"));
	EXPECT_STREQ("[]\n", self->run->out);
	holder_stop(&holder);
}

#define YAMA	"/proc/sys/kernel/yama/ptrace_scope"

/* Where tracing is restricted, what a descriptor tells of itself remains. */
TEST_F(tool, by_a_user_under_yama)
{
	struct theirs theirs = { self->child, true, true };
	struct holder holder;

	if (access(YAMA, F_OK))
		SKIP(return, "kernel without Yama");
	ASSERT_EQ(0, holder_start(&holder, hold_as_user, &theirs));
	ASSERT_EQ(0, file_write(YAMA, "1"));
	self->run->uid = USER;
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  snapshot    32K         8K        -       -  "));
	EXPECT_EQ(1, tool(self->run, text("map %llu", self->child_id)));
	EXPECT_NE(NULL, strstr(self->run->err, ": you may not look into process "));
	ASSERT_EQ(0, file_write(YAMA, "0"));
	holder_stop(&holder);
}

/* Who closed the descriptor still has the memory. */
TEST_F(tool, only_mapped)
{
	struct theirs theirs = { self->child, false, true };
	struct holder holder;

	ASSERT_EQ(0, holder_start(&holder, hold_as_user, &theirs));
	EXPECT_EQ(0, close(self->child));
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       "  snapshot    32K         8K        0      4K  "));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("  %d:map", holder.pid)));
	EXPECT_EQ(1, tool(self->run, text("map %llu", self->child_id)));
	EXPECT_STREQ(text("cowvmo: %llu: process %d (tool) has it mapped, but nobody has a descriptor of it\n",
			  self->child_id, holder.pid), self->run->err);
	/* A user is told of it, but not what it is. */
	self->run->uid = USER;
	EXPECT_EQ(0, tool(self->run, "ls"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("%llu  ?", self->child_id)));
	EXPECT_EQ(0, tool(self->run, "ls -j"));
	EXPECT_NE(NULL, strstr(self->run->out,
			       text("{\"id\": %llu, \"flags\": [], \"used_by\": [{\"pid\": %d, \"mapped\": true}]}",
				    self->child_id, holder.pid)));
	EXPECT_EQ(0, tool(self->run, "tree"));
	EXPECT_NE(NULL, strstr(self->run->out, "\nwithout a descriptor\n"));
	holder_stop(&holder);
	self->child = dup(self->store);
}

/* --- What it cannot do */

TEST_F(tool, refuses)
{
	const struct {
		const char *command, *error;
		int rc;
	} cases[] = {
		{ "", "what shall be done? (cowvmo --help)", 2 },
		{ "show", "not a command: show (cowvmo --help)", 2 },
		{ "map", "which VMO? (cowvmo --help)", 2 },
		{ "stat", "which VMO? (cowvmo --help)", 2 },
		{ "map 1 2", "too many arguments: 2 (cowvmo --help)", 2 },
		{ "ls 1", "too many arguments: 1 (cowvmo --help)", 2 },
		{ "ls -s", "not an option of this command: -s (cowvmo --help)", 2 },
		{ "ls -q", "not an option, or without its argument: -q (cowvmo --help)", 2 },
		{ "map -o", "not an option, or without its argument: -o (cowvmo --help)", 2 },
		{ "top -d 0", "not understood: 0 (cowvmo --help)", 2 },
		{ "top -d x", "not understood: x (cowvmo --help)", 2 },
		{ "top -k name", "not understood: name (cowvmo --help)", 2 },
		{ "ls --colour=red", "not understood: red (cowvmo --help)", 2 },
		{ "map x", "x: neither the id of a VMO nor PID:FD", 1 },
		{ "map 1:2:3", "1:2:3: neither the id of a VMO nor PID:FD", 1 },
		{ "map -- -1", "-1: neither the id of a VMO nor PID:FD", 1 },
		{ "map 0", "0: neither the id of a VMO nor PID:FD", 1 },
		{ "stat 9999999999", "9999999999: there is no such VMO", 1 },
		{ "tree 9999999999", "9999999999: there is no such VMO", 1 },
		{ "stat 4194000:1", "4194000:1: there is no process 4194000", 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].rc, tool(self->run, cases[i].command))
			TH_LOG("case %u", i);
		EXPECT_STREQ("", self->run->out);
		EXPECT_STREQ(text("cowvmo: %s\n", cases[i].error),
			     self->run->err);
	}
}

TEST_F(tool, refuses_descriptors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT_EQ(1, tool(self->run, text("map %d:%d", self->pid, null)));
	EXPECT_STREQ(text("cowvmo: %d:%d: that is not a VMO\n", self->pid,
			  null), self->run->err);
	EXPECT_EQ(0, close(null));
	EXPECT_EQ(1, tool(self->run, text("map %d:900", self->pid)));
	EXPECT_STREQ(text("cowvmo: %d:900: process %d has no descriptor 900\n",
			  self->pid, self->pid), self->run->err);
}

TEST_F(tool, without_the_module)
{
	self->run->hide = "/sys/module";
	EXPECT_EQ(1, tool(self->run, "ls"));
	EXPECT_STREQ("cowvmo: the cowvmo module is not loaded\n",
		     self->run->err);
}

TEST_F(tool, help)
{
	EXPECT_EQ(0, tool(self->run, "--help"));
	EXPECT_NE(NULL, strstr(self->run->out, "\ncowvmo tree [-b] [VMO] "));
	EXPECT_EQ(0, tool(self->run, "map --help"));
	EXPECT_TRUE(begins(self->run->out, "cowvmo ls "));
}

/* --- On a terminal */

static pid_t top_on_terminal(struct run *run, int *terminal)
{
	int slave;
	pid_t pid;

	*terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*terminal < 0 || grantpt(*terminal) || unlockpt(*terminal))
		return -1;
	slave = open(ptsname(*terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid = tool_start(run, "top -d 600", slave, slave, slave);
	close(slave);
	return pid;
}

/* Reads until @what has come, or nothing comes any more */
static bool terminal_shows(int terminal, struct run *run, const char *what)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(terminal, run->out + used,
			 sizeof(run->out) - 1 - used);
		used += n > 0 ? n : 0;
		run->out[used] = '\0';
		if (strstr(run->out, what))
			return true;
	} while (n > 0);
	return false;
}

/* Keys are heard at once, and the terminal is as it was in the end. */
TEST_F(tool, top_on_a_terminal)
{
	struct termios mode;
	int terminal, status;
	pid_t pid;

	self->run->env[0] = "TERM=linux";
	pid = top_on_terminal(self->run, &terminal);
	ASSERT_LT(0, pid);
	EXPECT_TRUE(terminal_shows(terminal, self->run, "i: id"));
	EXPECT_NE(NULL, strstr(self->run->out, "\033[H\033[J"));
	EXPECT_NE(NULL, strstr(self->run->out, "4 VMOs in 1 family"));
	ASSERT_EQ(0, tcgetattr(terminal, &mode));
	EXPECT_EQ(0, (int)(mode.c_lflag & (ICANON | ECHO)));
	ASSERT_EQ(1, write(terminal, "z", 1));
	EXPECT_TRUE(terminal_shows(terminal, self->run, "i: id"));
	ASSERT_EQ(1, write(terminal, "q", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, tcgetattr(terminal, &mode));
	EXPECT_EQ(ICANON | ECHO, (int)(mode.c_lflag & (ICANON | ECHO)));
	close(terminal);
}

TEST_HARNESS_MAIN
