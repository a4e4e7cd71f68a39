/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls of the ABI sweep: for each ioctl of the header one that works, what
 * it does, and which bits of its members mean something. Part of abi_sweep.c,
 * which has the fixture. The build fails when an ioctl is missing here.
 */
#ifndef COWVMO_SELFTEST_ABI_CALLS_H
#define COWVMO_SELFTEST_ABI_CALLS_H

/* One call that works per ioctl, and what it does */

static void fill_query(void *arg)
{
	struct cowvmo_query *query = arg;

	memset(query, 0xff, sizeof(*query));
	query->flags = 0;
}

static void check_query(struct __test_metadata *_metadata, int vmo, int rc,
			const void *arg)
{
	const struct cowvmo_query *query = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(COWVMO_ABI_VERSION, (int)query->out_abi_version);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), query->out_page_size);
	EXPECT_EQ(PG, query->out_page_size);
	EXPECT_EQ(VMO_MAX, query->out_max_size);
}

static void fill_create(void *arg)
{
	*(struct cowvmo_create *)arg = (struct cowvmo_create) {
		.vmo_size = 3 * PG + 5,
		.name = "made",
	};
}

static void check_create(struct __test_metadata *_metadata, int vmo, int rc,
			 const void *arg)
{
	struct cowvmo_get_info info;

	(void)vmo;
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(0, vmo_info(rc, &info, 0));
	EXPECT_EQ(4 * PG, info.out_vmo_size);
	EXPECT_EQ(3 * PG + 5, info.out_stream_size);
	EXPECT_EQ(0, info.out_flags);
	EXPECT_STREQ("made", info.out_name);
	EXPECT_EQ(0, close(rc));
}

static void fill_child(void *arg)
{
	*(struct cowvmo_create_child *)arg = (struct cowvmo_create_child) {
		.type = COWVMO_CHILD_SNAPSHOT,
		.offset = PG,
		.length = 2 * PG,
	};
}

static void check_child(struct __test_metadata *_metadata, int vmo, int rc,
			const void *arg)
{
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(2 * PG, vmo_size(rc));
	EXPECT_EQ(vmo_id(vmo), vmo_parent(rc));
	EXPECT_EQ(0, pat_check(rc, 0, 2));
	EXPECT_EQ(0, pat_check(rc, 1, 3));
	EXPECT_EQ(0, close(rc));
}

static void fill_op(void *arg)
{
	*(struct cowvmo_op_range *)arg = (struct cowvmo_op_range) {
		.op = COWVMO_OP_ZERO,
		.offset = PG,
		.length = PG,
		.out_done = ~0ULL,
	};
}

static void check_op(struct __test_metadata *_metadata, int vmo, int rc,
		     const void *arg)
{
	const struct cowvmo_op_range *op = arg;

	EXPECT_EQ(0, rc);
	EXPECT_EQ(PG, op->out_done);
	EXPECT_EQ(0, pat_check(vmo, 0, 1));
	EXPECT_EQ(0, zero_check(vmo, 1));
	EXPECT_EQ(0, pat_check(vmo, 2, 3));
	EXPECT_EQ(3 * PG, vmo_populated(vmo));
}

static void fill_set_size(void *arg)
{
	*(struct cowvmo_set_size *)arg = (struct cowvmo_set_size) {
		.vmo_size = 2 * PG + 1,
	};
}

static void check_set_size(struct __test_metadata *_metadata, int vmo, int rc,
			   const void *arg)
{
	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(3 * PG, vmo_size(vmo));
	EXPECT_EQ(2 * PG + 1, vmo_stream(vmo));
	EXPECT_EQ(3 * PG, vmo_populated(vmo));
}

static void fill_stream(void *arg)
{
	*(struct cowvmo_set_stream_size *)arg =
	(struct cowvmo_set_stream_size) {
		.stream_size = 100,
	};
}

static void check_stream(struct __test_metadata *_metadata, int vmo, int rc,
			 const void *arg)
{
	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(4 * PG, vmo_size(vmo));
	EXPECT_EQ(100, vmo_stream(vmo));
}

static void fill_info(void *arg)
{
	struct cowvmo_get_info *info = arg;

	memset(info, 0xff, sizeof(*info));
	info->want = COWVMO_INFO_MEMORY;
}

static void check_info(struct __test_metadata *_metadata, int vmo, int rc,
		       const void *arg)
{
	const struct cowvmo_get_info *info = arg;

	EXPECT_EQ(0, rc);
	EXPECT_EQ(COWVMO_INFO_RESIZABLE, (int)info->out_flags);
	EXPECT_EQ(COWVMO_CACHE_CACHED, (int)info->out_cache_policy);
	EXPECT_EQ(4 * PG, info->out_vmo_size);
	EXPECT_EQ(4 * PG, info->out_stream_size);
	EXPECT_EQ(vmo_id(vmo), info->out_id);
	EXPECT_EQ(0, info->out_parent_id);
	EXPECT_EQ(0, info->out_num_children);
	EXPECT_EQ(4 * PG, info->out_populated_bytes);
	EXPECT_EQ(4 * PG, info->out_private_bytes);
	EXPECT_EQ(4 * PG, info->out_scaled_bytes);
	EXPECT_EQ(0, info->out_scaled_fraction);
	EXPECT_NE(0, info->out_metadata_bytes);
	EXPECT_NE(~0ULL, info->out_metadata_bytes);
	EXPECT_STREQ("abi", info->out_name);
	EXPECT_EQ(vmo_family(vmo), info->out_family_id);
	EXPECT_NE(0, info->out_family_id);
	EXPECT_EQ(4 * PG, info->out_committed_bytes);
	EXPECT_EQ(4 * PG, info->out_committed_private_bytes);
	EXPECT_EQ(4 * PG, info->out_committed_scaled_bytes);
	EXPECT_EQ(0, info->out_committed_scaled_fraction);
	EXPECT_EQ(0, info->out_committed_change_events);
}

static void fill_name(void *arg)
{
	*(struct cowvmo_set_name *)arg = (struct cowvmo_set_name) {
		.name = "other",
	};
}

static void check_name(struct __test_metadata *_metadata, int vmo, int rc,
		       const void *arg)
{
	struct cowvmo_get_info info;

	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, vmo_info(vmo, &info, 0));
	EXPECT_STREQ("other", info.out_name);
}

/* The table: every ioctl of the header */

FIXTURE_VARIANT_ADD(abi, query) {
	.cmd = COWVMO_IOC_QUERY,
	.size = sizeof(struct cowvmo_query),
	.on_device = true, .outputs = true,
	.fill = fill_query, .check = check_query,
	.members = { { offsetof(struct cowvmo_query, flags), 4, 0 } },
};

FIXTURE_VARIANT_ADD(abi, create) {
	.cmd = COWVMO_IOC_CREATE,
	.size = sizeof(struct cowvmo_create),
	.least = offsetof(struct cowvmo_create, align_log2),
	.on_device = true,
	.fill = fill_create, .check = check_create,
	.members = {
		{ offsetof(struct cowvmo_create, flags), 4,
		  COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_CONTIGUOUS },
		{ offsetof(struct cowvmo_create, align_log2), 4, 0 },
		{ offsetof(struct cowvmo_create, reserved), 4, 0 },
	},
};

static void fill_contiguous(void *arg)
{
	*(struct cowvmo_create *)arg = (struct cowvmo_create) {
		.flags = COWVMO_CREATE_CONTIGUOUS,
		.vmo_size = 3 * PG + 5,
		.name = "made",
		.align_log2 = 16,
	};
}

static void check_contiguous(struct __test_metadata *_metadata, int vmo,
			     int rc, const void *arg)
{
	struct cowvmo_get_info info;

	(void)vmo;
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(0, vmo_info(rc, &info, 0));
	EXPECT_EQ(4 * PG, info.out_vmo_size);
	EXPECT_EQ(4 * PG, info.out_stream_size);
	EXPECT_EQ(4 * PG, info.out_populated_bytes);
	EXPECT_EQ(COWVMO_INFO_CONTIGUOUS, (int)info.out_flags);
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, create_contiguous) {
	.cmd = COWVMO_IOC_CREATE,
	.size = sizeof(struct cowvmo_create),
	.least = offsetof(struct cowvmo_create, align_log2),
	.on_device = true,
	.fill = fill_contiguous, .check = check_contiguous,
	.members = {
		{ offsetof(struct cowvmo_create, flags), 4,
		  COWVMO_CREATE_CONTIGUOUS },
		{ offsetof(struct cowvmo_create, align_log2), 4, 63 },
		{ offsetof(struct cowvmo_create, reserved), 4, 0 },
	},
};

FIXTURE_VARIANT_ADD(abi, create_child) {
	.cmd = COWVMO_IOC_CREATE_CHILD,
	.size = sizeof(struct cowvmo_create_child),
	.fill = fill_child, .check = check_child,
	.members = {
		{ offsetof(struct cowvmo_create_child, type), 4,
		  COWVMO_CHILD_SNAPSHOT | COWVMO_CHILD_SNAPSHOT_MODIFIED |
		  COWVMO_CHILD_REFERENCE },
		{ offsetof(struct cowvmo_create_child, flags), 4,
		  COWVMO_CREATE_POINT_IN_TIME | COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_NO_WRITE },
		{ offsetof(struct cowvmo_create_child, reserved), 4, 0 },
	},
};

FIXTURE_VARIANT_ADD(abi, op_range) {
	.cmd = COWVMO_IOC_OP_RANGE,
	.size = sizeof(struct cowvmo_op_range),
	.outputs = true, .writes = true,
	.fill = fill_op, .check = check_op,
	.members = { { offsetof(struct cowvmo_op_range, op), 4,
		       COWVMO_OP_ZERO } },
};

FIXTURE_VARIANT_ADD(abi, set_size) {
	.cmd = COWVMO_IOC_SET_SIZE,
	.size = sizeof(struct cowvmo_set_size),
	.writes = true,
	.fill = fill_set_size, .check = check_set_size,
	.members = { { offsetof(struct cowvmo_set_size, flags), 4, 0 } },
};

FIXTURE_VARIANT_ADD(abi, set_stream_size) {
	.cmd = COWVMO_IOC_SET_STREAM_SIZE,
	.size = sizeof(struct cowvmo_set_stream_size),
	.writes = true,
	.fill = fill_stream, .check = check_stream,
	.members = { { offsetof(struct cowvmo_set_stream_size, flags),
		       4, 0 } },
};

FIXTURE_VARIANT_ADD(abi, get_info) {
	.cmd = COWVMO_IOC_GET_INFO,
	.size = sizeof(struct cowvmo_get_info),
	.outputs = true,
	.fill = fill_info, .check = check_info,
	.members = { { offsetof(struct cowvmo_get_info, want), 4,
		       COWVMO_INFO_MEMORY } },
};

FIXTURE_VARIANT_ADD(abi, set_name) {
	.cmd = COWVMO_IOC_SET_NAME,
	.size = sizeof(struct cowvmo_set_name),
	.fill = fill_name, .check = check_name,
	.members = { { offsetof(struct cowvmo_set_name, flags), 4, 0 } },
};

static void fill_transfer(void *arg)
{
	*(struct cowvmo_transfer *)arg = (struct cowvmo_transfer) {
		.src_fd = kin_fd,
		.dst_offset = 3 * PG,
		.length = PG,
		.out_done = ~0ULL,
	};
}

static void check_transfer(struct __test_metadata *_metadata, int vmo, int rc,
			   const void *arg)
{
	const struct cowvmo_transfer *transfer = arg;

	EXPECT_EQ(0, rc);
	EXPECT_EQ(PG, transfer->out_done);
	EXPECT_EQ(0, pat_check(vmo, 0, 1));
	EXPECT_EQ(0, pat_check(vmo, 3, 1));
	EXPECT_EQ(0, zero_check(kin_fd, 0));
}

FIXTURE_VARIANT_ADD(abi, transfer) {
	.cmd = COWVMO_IOC_TRANSFER,
	.size = sizeof(struct cowvmo_transfer),
	.outputs = true, .writes = true, .kin = true,
	.fill = fill_transfer, .check = check_transfer,
	.members = {
		{ offsetof(struct cowvmo_transfer, flags), 4, 0 },
		{ offsetof(struct cowvmo_transfer, reserved), 4, 0 },
	},
};

static void fill_restore(void *arg)
{
	*(struct cowvmo_restore *)arg = (struct cowvmo_restore) {
		.src_fd = kin_fd,
	};
}

static void check_restore(struct __test_metadata *_metadata, int vmo, int rc,
			  const void *arg)
{
	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, zero_check(vmo, 3));
	EXPECT_EQ(3 * PG, vmo_populated(vmo));
}

FIXTURE_VARIANT_ADD(abi, restore) {
	.cmd = COWVMO_IOC_RESTORE,
	.size = sizeof(struct cowvmo_restore),
	.writes = true, .kin = true,
	.fill = fill_restore, .check = check_restore,
	.members = {
		{ offsetof(struct cowvmo_restore, flags), 4,
		  COWVMO_RESTORE_KEEP },
		{ offsetof(struct cowvmo_restore, reserved), 4, 0 },
	},
};

static struct cowvmo_range found[2];

static void fill_compare(void *arg)
{
	memset(found, 0, sizeof(found));
	*(struct cowvmo_compare *)arg = (struct cowvmo_compare) {
		.other_fd = kin_fd,
		.nr_ranges = 2,
		.length = PAGES * PG,
		.ranges = (unsigned long)found,
		.out_nr = ~0U,
		.out_reserved = ~0U,
		.out_next = ~0ULL,
	};
}

static void check_compare(struct __test_metadata *_metadata, int vmo, int rc,
			  const void *arg)
{
	const struct cowvmo_compare *compare = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(1, compare->out_nr);
	EXPECT_EQ(0, compare->out_reserved);
	EXPECT_EQ(PAGES * PG, compare->out_next);
	EXPECT_EQ(3 * PG, found[0].offset);
	EXPECT_EQ(PG, found[0].length);
	EXPECT_EQ(0, found[1].length);
}

FIXTURE_VARIANT_ADD(abi, compare) {
	.cmd = COWVMO_IOC_COMPARE,
	.size = sizeof(struct cowvmo_compare),
	.outputs = true, .kin = true,
	.fill = fill_compare, .check = check_compare,
	.members = { { offsetof(struct cowvmo_compare, flags), 4, 0 } },
};

static void fill_none(void *arg)
{
	*(struct cowvmo_seal *)arg = (struct cowvmo_seal) { 0 };
}

static void check_seal(struct __test_metadata *_metadata, int vmo, int rc,
		       const void *arg)
{
	struct cowvmo_get_info info;

	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, vmo_info(vmo, &info, 0));
	EXPECT_EQ(COWVMO_INFO_RESIZABLE | COWVMO_INFO_SEALED,
		  (int)info.out_flags);
	EXPECT_EQ(-EPERM, pat_fill(vmo, 0, 9));
}

FIXTURE_VARIANT_ADD(abi, seal) {
	.cmd = COWVMO_IOC_SEAL,
	.size = sizeof(struct cowvmo_seal),
	.writes = true,
	.fill = fill_none, .check = check_seal,
	.members = { { offsetof(struct cowvmo_seal, flags), 4, 0 } },
};

static void fill_open(void *arg)
{
	*(struct cowvmo_open *)arg = (struct cowvmo_open) {
		.flags = COWVMO_OPEN_NO_WRITE,
	};
}

static void check_open(struct __test_metadata *_metadata, int vmo, int rc,
		       const void *arg)
{
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(vmo_id(vmo), vmo_id(rc));
	EXPECT_EQ(0, pat_check(rc, 0, 1));
	EXPECT_EQ(-EBADF, pat_fill(rc, 0, 9));
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, open) {
	.cmd = COWVMO_IOC_OPEN,
	.size = sizeof(struct cowvmo_open),
	.fill = fill_open, .check = check_open,
	.members = { { offsetof(struct cowvmo_open, flags), 4,
		       COWVMO_OPEN_NO_WRITE } },
};

static void fill_policy(void *arg)
{
	*(struct cowvmo_set_cache_policy *)arg =
	(struct cowvmo_set_cache_policy) {
		.policy = COWVMO_CACHE_UNCACHED,
	};
}

static void check_policy(struct __test_metadata *_metadata, int vmo, int rc,
			 const void *arg)
{
	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(COWVMO_CACHE_UNCACHED, (int)vmo_cache_policy(vmo));
	EXPECT_EQ(-EBUSY, pat_check(vmo, 0, 1));
}

FIXTURE_VARIANT_ADD(abi, set_cache_policy) {
	.cmd = COWVMO_IOC_SET_CACHE_POLICY,
	.size = sizeof(struct cowvmo_set_cache_policy),
	.writes = true,
	.fill = fill_policy, .check = check_policy,
	.members = { { offsetof(struct cowvmo_set_cache_policy, policy), 4,
		       3 } },
};

static void fill_priority(void *arg)
{
	*(struct cowvmo_set_priority *)arg = (struct cowvmo_set_priority) {
		.priority = COWVMO_PRIORITY_HIGH,
	};
}

static void check_priority(struct __test_metadata *_metadata, int vmo, int rc,
			   const void *arg)
{
	struct cowvmo_get_info info;

	(void)arg;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, vmo_info(vmo, &info, 0));
	EXPECT_EQ(COWVMO_INFO_RESIZABLE | COWVMO_INFO_HIGH_PRIORITY,
		  (int)info.out_flags);
}

FIXTURE_VARIANT_ADD(abi, set_priority) {
	.cmd = COWVMO_IOC_SET_PRIORITY,
	.size = sizeof(struct cowvmo_set_priority),
	.writes = true,
	.fill = fill_priority, .check = check_priority,
	.members = { { offsetof(struct cowvmo_set_priority, priority), 4,
		       COWVMO_PRIORITY_HIGH } },
};

static struct cowvmo_page_state looked_up[PAGES];

static void fill_lookup(void *arg)
{
	memset(looked_up, 0xff, sizeof(looked_up));
	*(struct cowvmo_lookup *)arg = (struct cowvmo_lookup) {
		.flags = COWVMO_LOOKUP_SHARERS,
		.offset = PG,
		.length = 2 * PG,
		.pages = (unsigned long)looked_up,
		.nr_pages = PAGES,
		.entry_size = sizeof(looked_up[0]),
		.out_nr = 77,
		.out_reserved = 77,
		.out_next = 77,
	};
}

static void check_lookup(struct __test_metadata *_metadata, int vmo, int rc,
			 const void *arg)
{
	const struct cowvmo_lookup *lookup = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(2, lookup->out_nr);
	EXPECT_EQ(0, lookup->out_reserved);
	EXPECT_EQ(3 * PG, lookup->out_next);
	EXPECT_EQ(PG, looked_up[0].offset);
	EXPECT_EQ(2 * PG, looked_up[1].offset);
	EXPECT_EQ(COWVMO_KIND_PAGE, looked_up[1].kind);
	EXPECT_EQ(COWVMO_PAGE_PRIVATE, (int)looked_up[1].flags);
	EXPECT_EQ(1, looked_up[1].sharers);
	EXPECT_EQ(~0ULL, looked_up[2].offset);
}

FIXTURE_VARIANT_ADD(abi, lookup) {
	.cmd = COWVMO_IOC_LOOKUP,
	.size = sizeof(struct cowvmo_lookup),
	.outputs = true,
	.fill = fill_lookup, .check = check_lookup,
	.members = {
		{ offsetof(struct cowvmo_lookup, flags), 4,
		  COWVMO_LOOKUP_POPULATED | COWVMO_LOOKUP_PRIVATE |
		  COWVMO_LOOKUP_SHARERS },
		{ offsetof(struct cowvmo_lookup, entry_size), 4,
		  sizeof(struct cowvmo_page_state) | 0xff8 },
	},
};

static void fill_pin(void *arg)
{
	*(struct cowvmo_pin *)arg = (struct cowvmo_pin) {
		.offset = PG,
		.length = 2 * PG,
	};
}

static void check_pin(struct __test_metadata *_metadata, int vmo, int rc,
		      const void *arg)
{
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(-EBUSY, vmo_snapshot(vmo));
	EXPECT_EQ(0, pat_check(vmo, 1, 2));
	EXPECT_EQ(0, pat_check(vmo, 2, 3));
	EXPECT_EQ(-EINVAL, vmo_ret(read(rc, &vmo, 1)));
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, pin) {
	.cmd = COWVMO_IOC_PIN,
	.size = sizeof(struct cowvmo_pin),
	.fill = fill_pin, .check = check_pin,
	.members = { { offsetof(struct cowvmo_pin, flags), 4,
		       COWVMO_PIN_WRITE } },
};

static void check_pin_export(struct __test_metadata *_metadata, int vmo,
			     int rc, const void *arg)
{
	(void)vmo;
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(2 * PG, lseek(rc, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(rc, F_GETFD));
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, pin_export) {
	.cmd = COWVMO_IOC_PIN_EXPORT,
	.size = sizeof(struct cowvmo_pin_export),
	.on_pin = true,
	.fill = fill_none, .check = check_pin_export,
	.members = { { offsetof(struct cowvmo_pin_export, flags), 4, 0 } },
};

static void check_fault_error(struct __test_metadata *_metadata, int vmo,
			      int rc, const void *arg)
{
	const struct cowvmo_fault_error *error = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(0, error->out_error);
}

static void fill_fault_error(void *arg)
{
	*(struct cowvmo_fault_error *)arg = (struct cowvmo_fault_error) {
		.out_error = ~0U,
		.offset = PG,
	};
}

FIXTURE_VARIANT_ADD(abi, get_fault_error) {
	.cmd = COWVMO_IOC_GET_FAULT_ERROR,
	.size = sizeof(struct cowvmo_fault_error),
	.outputs = true,
	.fill = fill_fault_error, .check = check_fault_error,
};

static void fill_pager_create(void *arg)
{
	*(struct cowvmo_pager_create *)arg = (struct cowvmo_pager_create) {
		.timeout_ms = 1000,
	};
}

static void check_pager_create(struct __test_metadata *_metadata, int vmo,
			       int rc, const void *arg)
{
	(void)vmo;
	(void)arg;
	ASSERT_LE(0, rc);
	EXPECT_EQ(FD_CLOEXEC, fcntl(rc, F_GETFD));
	EXPECT_TRUE(pager_is_quiet(rc));
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, pager_create) {
	.cmd = COWVMO_IOC_PAGER_CREATE,
	.size = sizeof(struct cowvmo_pager_create),
	.on_device = true,
	.fill = fill_pager_create, .check = check_pager_create,
	.members = {
		{ offsetof(struct cowvmo_pager_create, flags), 4,
		  COWVMO_PAGER_KERNEL_FAULTS },
		{ offsetof(struct cowvmo_pager_create, reserved), 4, 0 },
	},
};

static void fill_pager_create_vmo(void *arg)
{
	*(struct cowvmo_pager_create_vmo *)arg =
		(struct cowvmo_pager_create_vmo) {
			.key = 7,
			.vmo_size = 3 * PG + 5,
			.name = "made",
			.out_id = ~0ULL,
		};
}

static void check_pager_create_vmo(struct __test_metadata *_metadata, int vmo,
				   int rc, const void *arg)
{
	const struct cowvmo_pager_create_vmo *create = arg;

	(void)vmo;
	ASSERT_LE(0, rc);
	EXPECT_EQ(FD_CLOEXEC, fcntl(rc, F_GETFD));
	EXPECT_EQ(vmo_id(rc), create->out_id);
	EXPECT_EQ(4 * PG, vmo_size(rc));
	EXPECT_EQ(3 * PG + 5, vmo_stream(rc));
	EXPECT_EQ(0, close(rc));
}

FIXTURE_VARIANT_ADD(abi, pager_create_vmo) {
	.cmd = COWVMO_IOC_PAGER_CREATE_VMO,
	.size = sizeof(struct cowvmo_pager_create_vmo),
	.on_pager = true, .outputs = true,
	.fill = fill_pager_create_vmo, .check = check_pager_create_vmo,
	.members = {
		{ offsetof(struct cowvmo_pager_create_vmo, flags), 4,
		  COWVMO_PAGER_VMO_RESIZABLE | COWVMO_PAGER_VMO_TRAP_DIRTY },
		/* Whole pages, up to COWVMO_PAGER_MAX_READ_AHEAD */
		{ offsetof(struct cowvmo_pager_create_vmo, read_ahead), 4,
		  0x7ffff000 },
		{ offsetof(struct cowvmo_pager_create_vmo, reserved), 4, 0 },
	},
};

static struct cowvmo_pager_op given;

static void fill_pager_ops(void *arg)
{
	given = pager_op(COWVMO_PAGER_SUPPLY_ZERO, paged_fd, 0, 2);
	given.out_error = ~0U;
	given.out_done = ~0ULL;
	*(struct cowvmo_pager_ops *)arg = (struct cowvmo_pager_ops) {
		.ops = (unsigned long)&given,
		.nr = 1,
		.op_size = sizeof(given),
		.out_nr = ~0U,
	};
}

static void check_pager_ops(struct __test_metadata *_metadata, int vmo,
			    int rc, const void *arg)
{
	const struct cowvmo_pager_ops *ops = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(1, ops->out_nr);
	EXPECT_EQ(0, given.out_error);
	EXPECT_EQ(2 * PG, given.out_done);
	EXPECT_EQ(0, zero_check(paged_fd, 1));
}

FIXTURE_VARIANT_ADD(abi, pager_ops) {
	.cmd = COWVMO_IOC_PAGER_OPS,
	.size = sizeof(struct cowvmo_pager_ops),
	.on_pager = true, .outputs = true,
	.fill = fill_pager_ops, .check = check_pager_ops,
	.members = {
		{ offsetof(struct cowvmo_pager_ops, flags), 4, 0 },
		{ offsetof(struct cowvmo_pager_ops, reserved), 4, 0 },
	},
};

static struct cowvmo_dirty_range dirt[2];

static void fill_query_dirty(void *arg)
{
	/* It is written to by the first who asks. */
	vmo_zero(paged_fd, PG, 2 * PG);
	memset(dirt, 0, sizeof(dirt));
	*(struct cowvmo_pager_query_dirty *)arg =
		(struct cowvmo_pager_query_dirty) {
			.flags = COWVMO_QUERY_DIRTY_COUNT,
			.vmo_fd = paged_fd,
			.room = 2,
			.length = PAGES * PG,
			.ranges = (unsigned long)dirt,
			.out_nr = ~0U,
			.out_available = ~0ULL,
		};
}

static void check_query_dirty(struct __test_metadata *_metadata, int vmo,
			      int rc, const void *arg)
{
	const struct cowvmo_pager_query_dirty *query = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(1, query->out_nr);
	EXPECT_EQ(1, query->out_available);
	EXPECT_EQ(PG, dirt[0].offset);
	EXPECT_EQ(2 * PG, dirt[0].length);
	EXPECT_EQ(COWVMO_DIRTY_IS_ZERO, (int)dirt[0].flags);
	EXPECT_EQ(0, dirt[1].length);
}

FIXTURE_VARIANT_ADD(abi, pager_query_dirty) {
	.cmd = COWVMO_IOC_PAGER_QUERY_DIRTY,
	.size = sizeof(struct cowvmo_pager_query_dirty),
	.on_pager = true, .outputs = true,
	.fill = fill_query_dirty, .check = check_query_dirty,
	.members = {
		{ offsetof(struct cowvmo_pager_query_dirty, flags), 4,
		  COWVMO_QUERY_DIRTY_COUNT },
		{ offsetof(struct cowvmo_pager_query_dirty, reserved), 4, 0 },
	},
};

static void fill_query_stats(void *arg)
{
	vmo_zero(paged_fd, PG, PG);
	*(struct cowvmo_pager_query_stats *)arg =
		(struct cowvmo_pager_query_stats) {
			.vmo_fd = paged_fd,
			.out_flags = ~0U,
		};
}

static void check_query_stats(struct __test_metadata *_metadata, int vmo,
			      int rc, const void *arg)
{
	const struct cowvmo_pager_query_stats *query = arg;

	(void)vmo;
	EXPECT_EQ(0, rc);
	EXPECT_EQ(COWVMO_PAGER_STATS_MODIFIED, (int)query->out_flags);
}

FIXTURE_VARIANT_ADD(abi, pager_query_stats) {
	.cmd = COWVMO_IOC_PAGER_QUERY_STATS,
	.size = sizeof(struct cowvmo_pager_query_stats),
	.on_pager = true, .outputs = true,
	.fill = fill_query_stats, .check = check_query_stats,
	.members = {
		{ offsetof(struct cowvmo_pager_query_stats, flags), 4,
		  COWVMO_QUERY_STATS_RESET },
	},
};

#endif /* COWVMO_SELFTEST_ABI_CALLS_H */
