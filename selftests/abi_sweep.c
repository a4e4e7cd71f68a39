// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI sweep: each ioctl is a variant of one fixture (abi_calls.h), and each
 * rule that holds for all of them is one test.
 *
 * The call that each variant makes is one that works and changes something,
 * so that both "same result" and "nothing has changed" can be told.
 */
#include "pager.h"
#include "abi_layout.h"
#include "kselftest_harness.h"

#define PAGES		4
#define BUF_PAGES	3
#define CANARY		0xa5

/* What an ioctl that fails must leave as it was. */
struct state {
	__u64 size, stream, populated, children;
	__u64 content[PAGES];
	char name[COWVMO_NAME_LEN];
	long vmos, pins;
	int free_fd;
};

static __u64 page_hash(int fd, unsigned int page)
{
	__u64 buf[PG / sizeof(__u64)] = { 0 };
	__u64 hash = 0;
	unsigned int i;

	if (page_read(fd, page, buf))
		return 0;
	for (i = 0; i < PG / sizeof(__u64); i++)
		hash = (hash ^ buf[i]) * 0x100000001b3ULL;
	return hash;
}

static void state_take(struct state *st, int fd)
{
	struct cowvmo_get_info info;
	unsigned int i;

	memset(st, 0, sizeof(*st));
	vmo_info(fd, &info, 0);
	st->size = info.out_vmo_size;
	st->stream = info.out_stream_size;
	st->populated = info.out_populated_bytes;
	st->children = info.out_num_children;
	memcpy(st->name, info.out_name, sizeof(st->name));
	for (i = 0; i < PAGES; i++)
		st->content[i] = page_hash(fd, i);
	st->vmos = vmo_stat("vmos");
	st->pins = vmo_stat("pins");
	st->free_fd = dup(fd);
	close(st->free_fd);
}

/* A member, @bytes long at @offset, of which only bits in @valid may be set */
struct member {
	unsigned int offset, bytes;
	__u64 valid;
};

/* Where an ioctl needs one: a snapshot from before the last page was filled */
static int kin_fd = -1;

/* A VMO of the pager that pager ioctls are for */
static int paged_fd = -1;

FIXTURE(abi) {
	int dev, vmo, pin, pager, target;
	unsigned char *buf;
	struct state before;
};

FIXTURE_VARIANT(abi) {
	unsigned long cmd;
	unsigned int size;
	unsigned int least;	/* sizeof the first version, if it has grown */
	bool on_device;		/* on the device fd */
	bool on_pin;		/* on a pin fd */
	bool on_pager;		/* on a pager fd; else on a VMO fd */
	bool outputs;		/* has out_ members */
	bool writes;		/* needs an fd open for writing */
	bool kin;		/* names another VMO: kin_fd */
	void (*fill)(void *arg);
	void (*check)(struct __test_metadata *_metadata, int vmo, int rc,
		      const void *arg);
	struct member members[3];
};

FIXTURE_SETUP(abi)
{
	unsigned int i;

	self->dev = vmo_device();
	ASSERT_LE(0, self->dev);
	self->vmo = vmo_create(self->dev, PAGES * PG, COWVMO_CREATE_RESIZABLE,
			       "abi");
	ASSERT_LE(0, self->vmo);
	for (i = 0; i < PAGES; i++) {
		if (variant->kin && i == PAGES - 1)
			kin_fd = vmo_snapshot(self->vmo);
		ASSERT_EQ(0, pat_fill(self->vmo, i, i + 1));
	}
	self->pin = -1;
	if (variant->on_pin) {
		self->pin = vmo_pin(self->vmo, 0, PG, 2 * PG);
		ASSERT_LE(0, self->pin);
	}
	self->pager = -1;
	if (variant->on_pager) {
		self->pager = pager_create(self->dev, 0, 0);
		paged_fd = pager_vmo(self->pager, 1, PAGES * PG, 0);
		ASSERT_LE(0, paged_fd);
	}
	self->target = variant->on_device ? self->dev :
		       variant->on_pin ? self->pin :
		       variant->on_pager ? self->pager : self->vmo;
	self->buf = mmap(NULL, (BUF_PAGES + 1) * PG, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->buf);
	ASSERT_EQ(0, munmap(self->buf + BUF_PAGES * PG, PG));
	state_take(&self->before, self->vmo);
	ASSERT_EQ(PAGES * PG, self->before.populated);
	ASSERT_LE(1, self->before.vmos);
}

FIXTURE_TEARDOWN(abi)
{
	EXPECT_EQ(0, munmap(self->buf, BUF_PAGES * PG));
	if (variant->kin)
		EXPECT_EQ(0, close(kin_fd));
	if (variant->on_pin)
		EXPECT_EQ(0, close(self->pin));
	if (variant->on_pager) {
		EXPECT_EQ(0, close(paged_fd));
		EXPECT_EQ(0, close(self->pager));
	}
	EXPECT_EQ(0, close(self->vmo));
	EXPECT_EQ(0, close(self->dev));
	EXPECT_EQ(0, vmo_validate());
}

static int call(int fd, unsigned long cmd, void *arg)
{
	return vmo_ret(ioctl(fd, cmd, arg));
}

static void expect_unchanged(struct __test_metadata *_metadata,
			     const struct state *before, int vmo)
{
	struct state now;

	state_take(&now, vmo);
	EXPECT_EQ(before->size, now.size);
	EXPECT_EQ(before->stream, now.stream);
	EXPECT_EQ(before->populated, now.populated);
	EXPECT_EQ(before->children, now.children);
	EXPECT_EQ(before->vmos, now.vmos);
	EXPECT_EQ(before->pins, now.pins);
	EXPECT_EQ(before->free_fd, now.free_fd);
	EXPECT_STREQ(before->name, now.name);
	EXPECT_EQ(0, memcmp(before->content, now.content,
			    sizeof(now.content)));
}

#include "abi_calls.h"

/* The struct at @at, claiming to be @size bytes long */
static void prepare(const FIXTURE_VARIANT(abi) * variant, unsigned char *at,
		    __u32 size)
{
	__u64 whole[32];

	variant->fill(whole);
	memcpy(at, whole, variant->size);
	memcpy(at, &size, sizeof(size));
}

/* --- The rules */

TEST_F(abi, exact)
{
	unsigned char *canary = self->buf + variant->size;
	unsigned int i;
	int rc;

	prepare(variant, self->buf, variant->size);
	memset(canary, CANARY, 64);
	rc = call(self->target, variant->cmd, self->buf);
	variant->check(_metadata, self->vmo, rc, self->buf);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(CANARY, canary[i]);
}

TEST_F(abi, short_size)
{
	unsigned int least = variant->least ? variant->least : variant->size;
	unsigned int size;

	for (size = 0; size < least; size++) {
		prepare(variant, self->buf, size);
		ASSERT_EQ(-EINVAL, call(self->target, variant->cmd, self->buf))
			TH_LOG("size %u", size);
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* What programs have that were compiled with the first version */
TEST_F(abi, first_version)
{
	unsigned char whole[256];
	int rc;

	if (!variant->least)
		return;
	prepare(variant, whole, variant->least);
	/* All that follows would be an error. */
	memset(whole + variant->least, CANARY,
	       variant->size - variant->least);
	rc = call(self->target, variant->cmd, whole);
	variant->check(_metadata, self->vmo, rc, whole);
}

/* A longer struct whose surplus is zero, at all lengths that matter */
static void long_zero(struct __test_metadata *_metadata,
		      FIXTURE_DATA(abi) * self,
		      const FIXTURE_VARIANT(abi) * variant, __u32 size)
{
	unsigned char *tail = self->buf + variant->size;
	int rc;

	memset(self->buf, 0, BUF_PAGES * PG);
	prepare(variant, self->buf, size);
	rc = call(self->target, variant->cmd, self->buf);
	variant->check(_metadata, self->vmo, rc, self->buf);
	EXPECT_EQ(0, zero_mem_check(tail, size - variant->size));
}

TEST_F(abi, long_zero_tail_1)
{
	long_zero(_metadata, self, variant, variant->size + 1);
}

TEST_F(abi, long_zero_tail_8)
{
	long_zero(_metadata, self, variant, variant->size + 8);
}

TEST_F(abi, long_zero_tail_page)
{
	long_zero(_metadata, self, variant, PG);
}

TEST_F(abi, long_dirty_tail)
{
	static const __u32 sizes[] = { 1, 7, 8, 9, 64, 1000 };
	unsigned int i, at;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (at = 0; at < sizes[i]; at += at < 16 ? 1 : 61) {
			memset(self->buf, 0, 2048);
			prepare(variant, self->buf, variant->size + sizes[i]);
			self->buf[variant->size + at] = 1;
			ASSERT_EQ(-E2BIG, call(self->target, variant->cmd,
					       self->buf))
				TH_LOG("surplus %u, byte %u", sizes[i], at);
		}
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* No struct is larger than a page: the kernel need not even look. */
TEST_F(abi, huge_size)
{
	static const __u32 sizes[] = {
		PG + 1, 2 * PG, BUF_PAGES * PG + 1, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff,
	};
	unsigned int i;

	memset(self->buf, 0, BUF_PAGES * PG);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		prepare(variant, self->buf, sizes[i]);
		ASSERT_EQ(-E2BIG, call(self->target, variant->cmd, self->buf))
			TH_LOG("size %u", sizes[i]);
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* The surplus begins in memory and goes on where nothing is mapped. */
TEST_F(abi, surplus_into_unmapped)
{
	unsigned char *at = self->buf + BUF_PAGES * PG - variant->size - 8;

	prepare(variant, at, variant->size + 9);
	EXPECT_EQ(-EFAULT, call(self->target, variant->cmd, at));
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* Each bit of flags, codes and reserved members that means nothing yet */
TEST_F(abi, unknown_bits)
{
	unsigned int i, bit;

	for (i = 0; i < ARRAY_SIZE(variant->members); i++) {
		const struct member *m = &variant->members[i];

		for (bit = 0; bit < 8 * m->bytes; bit++) {
			__u64 mask = 1ULL << bit, value = 0;

			if (m->valid & mask)
				continue;
			prepare(variant, self->buf, variant->size);
			memcpy(&value, self->buf + m->offset, m->bytes);
			value |= mask;
			memcpy(self->buf + m->offset, &value, m->bytes);
			ASSERT_EQ(-EINVAL, call(self->target, variant->cmd,
						self->buf))
				TH_LOG("offset %u bit %u", m->offset, bit);
		}
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

TEST_F(abi, bad_pointers)
{
	void *bad[] = {
		NULL, (void *)1, self->buf + BUF_PAGES * PG,
		(void *)~0xfffUL, (void *)~0UL,
		(void *)0xffff888000000000UL, (void *)0x0000800000000000UL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ASSERT_EQ(-EFAULT, call(self->target, variant->cmd, bad[i]))
			TH_LOG("pointer number %u", i);
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* The struct begins in memory and goes on where nothing is mapped. */
TEST_F(abi, crossing_into_unmapped)
{
	unsigned char *end = self->buf + BUF_PAGES * PG;
	__u64 whole[32];
	unsigned int have;

	prepare(variant, (unsigned char *)whole, variant->size);
	for (have = 1; have < variant->size; have++) {
		memcpy(end - have, whole, have);
		ASSERT_EQ(-EFAULT, call(self->target, variant->cmd,
					end - have))
			TH_LOG("%u bytes readable", have);
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* Nothing may be written where there are no outputs, nor done where they
 * cannot be delivered: a call that fails has changed nothing.
 */
TEST_F(abi, read_only_struct)
{
	int rc;

	prepare(variant, self->buf, variant->size);
	ASSERT_EQ(0, mprotect(self->buf, PG, PROT_READ));
	rc = call(self->target, variant->cmd, self->buf);
	if (variant->outputs) {
		EXPECT_EQ(-EFAULT, rc);
		expect_unchanged(_metadata, &self->before, self->vmo);
	} else {
		variant->check(_metadata, self->vmo, rc, self->buf);
	}
}

TEST_F(abi, unaligned_pointer)
{
	__u64 whole[32];
	int rc;

	prepare(variant, self->buf + 3, variant->size);
	rc = call(self->target, variant->cmd, self->buf + 3);
	memcpy(whole, self->buf + 3, variant->size);
	variant->check(_metadata, self->vmo, rc, whole);
}

TEST_F(abi, wrong_kind_of_fd)
{
	/* The first one is another of ours. */
	int fds[] = {
		variant->on_device ? self->vmo : self->dev,
		variant->on_pin ? dup(self->vmo) :
				  vmo_pin(self->vmo, 0, 0, PG),
		open("/dev/null", O_RDWR),
		memfd_create("abi", 0),
		open("/proc/self/status", O_RDONLY),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_LE(0, fds[i]);
		prepare(variant, self->buf, variant->size);
		EXPECT_EQ(-ENOTTY, call(fds[i], variant->cmd, self->buf))
			TH_LOG("fd number %u of the list", i);
	}
	for (i = 1; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	expect_unchanged(_metadata, &self->before, self->vmo);
	prepare(variant, self->buf, variant->size);
	EXPECT_EQ(-EBADF, call(-1, variant->cmd, self->buf));
}

TEST_F(abi, read_only_fd)
{
	struct state before;
	int fd, rc;

	/* That a pin only reads is no matter for any of its ioctls. */
	if (variant->on_device || variant->on_pin || variant->on_pager)
		return;
	fd = vmo_child(self->vmo, COWVMO_CREATE_NO_WRITE, 0, PAGES * PG);
	ASSERT_LE(0, fd);
	state_take(&before, fd);
	prepare(variant, self->buf, variant->size);
	rc = call(fd, variant->cmd, self->buf);
	if (variant->writes) {
		EXPECT_EQ(-EACCES, rc);
		expect_unchanged(_metadata, &before, fd);
	} else if (variant->cmd == COWVMO_IOC_CREATE_CHILD ||
		   variant->cmd == COWVMO_IOC_OPEN ||
		   variant->cmd == COWVMO_IOC_PIN) {
		variant->check(_metadata, fd, rc, self->buf);
	} else {
		EXPECT_EQ(0, rc);
	}
	EXPECT_EQ(0, close(fd));
}

/* The same numbers with a direction and a size are other ioctls. */
TEST_F(abi, other_encodings)
{
	unsigned int nr = _IOC_NR(variant->cmd);
	unsigned int dir;

	for (dir = 0; dir < 4; dir++) {
		unsigned int cmd = _IOC(dir, COWVMO_IOC_TYPE, nr,
					dir ? variant->size : 1);

		prepare(variant, self->buf, variant->size);
		EXPECT_EQ(-ENOTTY, call(self->target, cmd, self->buf));
	}
	expect_unchanged(_metadata, &self->before, self->vmo);
}

/* --- What is not one ioctl's */

static const unsigned int known[] = {
	_IOC_NR(COWVMO_IOC_QUERY), _IOC_NR(COWVMO_IOC_CREATE),
	_IOC_NR(COWVMO_IOC_CREATE_CHILD), _IOC_NR(COWVMO_IOC_OP_RANGE),
	_IOC_NR(COWVMO_IOC_SET_SIZE), _IOC_NR(COWVMO_IOC_SET_STREAM_SIZE),
	_IOC_NR(COWVMO_IOC_GET_INFO), _IOC_NR(COWVMO_IOC_SET_NAME),
	_IOC_NR(COWVMO_IOC_TRANSFER),
	_IOC_NR(COWVMO_IOC_RESTORE), _IOC_NR(COWVMO_IOC_COMPARE),
	_IOC_NR(COWVMO_IOC_SEAL), _IOC_NR(COWVMO_IOC_OPEN),
	_IOC_NR(COWVMO_IOC_SET_CACHE_POLICY),
	_IOC_NR(COWVMO_IOC_SET_PRIORITY),
	_IOC_NR(COWVMO_IOC_LOOKUP),
	_IOC_NR(COWVMO_IOC_PIN), _IOC_NR(COWVMO_IOC_PIN_EXPORT),
	_IOC_NR(COWVMO_IOC_PAGER_CREATE),
	_IOC_NR(COWVMO_IOC_GET_FAULT_ERROR),
	_IOC_NR(COWVMO_IOC_PAGER_CREATE_VMO), _IOC_NR(COWVMO_IOC_PAGER_OPS),
	_IOC_NR(COWVMO_IOC_PAGER_QUERY_DIRTY),
	_IOC_NR(COWVMO_IOC_PAGER_QUERY_STATS),
};

static bool is_known(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == nr)
			return true;
	return false;
}

TEST(unknown_codes)
{
	__u64 arg[32] = { sizeof(arg) };
	int dev = vmo_device();
	int vmo = vmo_create(dev, PG, 0, "codes");
	int pin = vmo_pin(vmo, COWVMO_PIN_WRITE, 0, PG);
	int pager = pager_create(dev, 0, 0);
	unsigned int nr;

	ASSERT_LE(0, pin);
	ASSERT_LE(0, pager);
	for (nr = 0; nr < 256; nr++) {
		unsigned int cmd = _IO(COWVMO_IOC_TYPE, nr);

		if (is_known(nr))
			continue;
		EXPECT_EQ(-ENOTTY, call(dev, cmd, arg)) TH_LOG("nr %u", nr);
		EXPECT_EQ(-ENOTTY, call(vmo, cmd, arg)) TH_LOG("nr %u", nr);
		EXPECT_EQ(-ENOTTY, call(pin, cmd, arg)) TH_LOG("nr %u", nr);
		EXPECT_EQ(-ENOTTY, call(pager, cmd, arg)) TH_LOG("nr %u", nr);
	}
}

TEST(codes_of_members)
{
	static const __u32 bad_ops[] = { 0, 7, 8, 255, 0x80000000, ~0u };
	static const __u32 bad_types[] = { 0, 6, 7, 255, 0x80000000, ~0u };
	int vmo = vmo_new(PG, 0);
	unsigned int i;

	ASSERT_LE(0, vmo);
	for (i = 0; i < ARRAY_SIZE(bad_ops); i++)
		EXPECT_EQ(-EINVAL, vmo_op(vmo, bad_ops[i], 0, PG, NULL));
	for (i = 0; i < ARRAY_SIZE(bad_types); i++) {
		struct cowvmo_create_child arg = {
			.size = sizeof(arg),
			.type = bad_types[i],
			.length = PG,
		};

		EXPECT_EQ(-EINVAL, call(vmo, COWVMO_IOC_CREATE_CHILD, &arg));
	}
	EXPECT_EQ(0, vmo_children(vmo));
}

TEST_HARNESS_MAIN
