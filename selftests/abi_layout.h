/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of every struct of the ABI, written down once more: a change of
 * the header that moves a member breaks the build, for 32 and 64 bits, in C
 * and in C++.
 */
#ifndef COWVMO_SELFTEST_ABI_LAYOUT_H
#define COWVMO_SELFTEST_ABI_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <linux/cowvmo_pager.h>

#define ABI_ASSERT(cond)	static_assert(cond, #cond)

#define ABI_SIZE(type, bytes) \
	ABI_ASSERT(sizeof(struct type) == (bytes))
#define ABI_AT(type, member, offset) \
	ABI_ASSERT(offsetof(struct type, member) == (offset))

ABI_ASSERT(COWVMO_NAME_LEN == 32);
ABI_ASSERT(COWVMO_IOC_TYPE == 0xD9);

ABI_ASSERT(COWVMO_IOC_QUERY == 0xD900);
ABI_ASSERT(COWVMO_IOC_CREATE == 0xD901);
ABI_ASSERT(COWVMO_IOC_CREATE_CHILD == 0xD940);
ABI_ASSERT(COWVMO_IOC_OP_RANGE == 0xD941);
ABI_ASSERT(COWVMO_IOC_SET_SIZE == 0xD942);
ABI_ASSERT(COWVMO_IOC_SET_STREAM_SIZE == 0xD943);
ABI_ASSERT(COWVMO_IOC_GET_INFO == 0xD944);
ABI_ASSERT(COWVMO_IOC_SET_NAME == 0xD945);
ABI_ASSERT(COWVMO_IOC_SET_CACHE_POLICY == 0xD94D);
ABI_ASSERT(COWVMO_IOC_SET_PRIORITY == 0xD94E);
ABI_ASSERT(COWVMO_IOC_SEAL == 0xD948);
ABI_ASSERT(COWVMO_IOC_OPEN == 0xD949);
ABI_ASSERT(COWVMO_IOC_LOOKUP == 0xD94C);
ABI_ASSERT(COWVMO_IOC_PIN == 0xD94B);
ABI_ASSERT(COWVMO_IOC_PAGER_CREATE == 0xD902);
ABI_ASSERT(COWVMO_IOC_GET_FAULT_ERROR == 0xD950);
ABI_ASSERT(COWVMO_IOC_PAGER_CREATE_VMO == 0xD9A0);
ABI_ASSERT(COWVMO_IOC_PAGER_OPS == 0xD9A1);
ABI_ASSERT(COWVMO_IOC_PAGER_QUERY_DIRTY == 0xD9A2);
ABI_ASSERT(COWVMO_IOC_PAGER_QUERY_STATS == 0xD9A3);

ABI_SIZE(cowvmo_query, 24);
ABI_AT(cowvmo_query, size, 0);
ABI_AT(cowvmo_query, flags, 4);
ABI_AT(cowvmo_query, out_abi_version, 8);
ABI_AT(cowvmo_query, out_page_size, 12);
ABI_AT(cowvmo_query, out_max_size, 16);

ABI_SIZE(cowvmo_create, 56);
ABI_AT(cowvmo_create, size, 0);
ABI_AT(cowvmo_create, flags, 4);
ABI_AT(cowvmo_create, vmo_size, 8);
ABI_AT(cowvmo_create, name, 16);
ABI_AT(cowvmo_create, align_log2, 48);
ABI_AT(cowvmo_create, reserved, 52);

ABI_SIZE(cowvmo_create_child, 32);
ABI_AT(cowvmo_create_child, size, 0);
ABI_AT(cowvmo_create_child, type, 4);
ABI_AT(cowvmo_create_child, flags, 8);
ABI_AT(cowvmo_create_child, reserved, 12);
ABI_AT(cowvmo_create_child, offset, 16);
ABI_AT(cowvmo_create_child, length, 24);

ABI_SIZE(cowvmo_op_range, 32);
ABI_AT(cowvmo_op_range, size, 0);
ABI_AT(cowvmo_op_range, op, 4);
ABI_AT(cowvmo_op_range, offset, 8);
ABI_AT(cowvmo_op_range, length, 16);
ABI_AT(cowvmo_op_range, out_done, 24);

ABI_SIZE(cowvmo_set_size, 16);
ABI_AT(cowvmo_set_size, size, 0);
ABI_AT(cowvmo_set_size, flags, 4);
ABI_AT(cowvmo_set_size, vmo_size, 8);

ABI_SIZE(cowvmo_set_stream_size, 16);
ABI_AT(cowvmo_set_stream_size, size, 0);
ABI_AT(cowvmo_set_stream_size, flags, 4);
ABI_AT(cowvmo_set_stream_size, stream_size, 8);

ABI_SIZE(cowvmo_get_info, 176);
ABI_AT(cowvmo_get_info, size, 0);
ABI_AT(cowvmo_get_info, want, 4);
ABI_AT(cowvmo_get_info, out_flags, 8);
ABI_AT(cowvmo_get_info, out_cache_policy, 12);
ABI_AT(cowvmo_get_info, out_vmo_size, 16);
ABI_AT(cowvmo_get_info, out_stream_size, 24);
ABI_AT(cowvmo_get_info, out_id, 32);
ABI_AT(cowvmo_get_info, out_parent_id, 40);
ABI_AT(cowvmo_get_info, out_num_children, 48);
ABI_AT(cowvmo_get_info, out_populated_bytes, 56);
ABI_AT(cowvmo_get_info, out_private_bytes, 64);
ABI_AT(cowvmo_get_info, out_scaled_bytes, 72);
ABI_AT(cowvmo_get_info, out_scaled_fraction, 80);
ABI_AT(cowvmo_get_info, out_metadata_bytes, 88);
ABI_AT(cowvmo_get_info, out_name, 96);
ABI_AT(cowvmo_get_info, out_family_id, 128);
ABI_AT(cowvmo_get_info, out_committed_bytes, 136);
ABI_AT(cowvmo_get_info, out_committed_private_bytes, 144);
ABI_AT(cowvmo_get_info, out_committed_scaled_bytes, 152);
ABI_AT(cowvmo_get_info, out_committed_scaled_fraction, 160);
ABI_AT(cowvmo_get_info, out_committed_change_events, 168);

ABI_SIZE(cowvmo_set_name, 40);
ABI_AT(cowvmo_set_name, size, 0);
ABI_AT(cowvmo_set_name, flags, 4);
ABI_AT(cowvmo_set_name, name, 8);

ABI_SIZE(cowvmo_transfer, 48);
ABI_AT(cowvmo_transfer, size, 0);
ABI_AT(cowvmo_transfer, src_fd, 4);
ABI_AT(cowvmo_transfer, flags, 8);
ABI_AT(cowvmo_transfer, reserved, 12);
ABI_AT(cowvmo_transfer, dst_offset, 16);
ABI_AT(cowvmo_transfer, src_offset, 24);
ABI_AT(cowvmo_transfer, length, 32);
ABI_AT(cowvmo_transfer, out_done, 40);

ABI_SIZE(cowvmo_restore, 16);
ABI_AT(cowvmo_restore, size, 0);
ABI_AT(cowvmo_restore, src_fd, 4);
ABI_AT(cowvmo_restore, flags, 8);
ABI_AT(cowvmo_restore, reserved, 12);

ABI_SIZE(cowvmo_range, 16);
ABI_AT(cowvmo_range, offset, 0);
ABI_AT(cowvmo_range, length, 8);

ABI_SIZE(cowvmo_compare, 56);
ABI_AT(cowvmo_compare, size, 0);
ABI_AT(cowvmo_compare, other_fd, 4);
ABI_AT(cowvmo_compare, flags, 8);
ABI_AT(cowvmo_compare, nr_ranges, 12);
ABI_AT(cowvmo_compare, offset, 16);
ABI_AT(cowvmo_compare, length, 24);
ABI_AT(cowvmo_compare, ranges, 32);
ABI_AT(cowvmo_compare, out_nr, 40);
ABI_AT(cowvmo_compare, out_reserved, 44);
ABI_AT(cowvmo_compare, out_next, 48);

ABI_SIZE(cowvmo_seal, 8);
ABI_AT(cowvmo_seal, size, 0);
ABI_AT(cowvmo_seal, flags, 4);

ABI_SIZE(cowvmo_set_cache_policy, 8);
ABI_AT(cowvmo_set_cache_policy, size, 0);
ABI_AT(cowvmo_set_cache_policy, policy, 4);

ABI_SIZE(cowvmo_set_priority, 8);
ABI_AT(cowvmo_set_priority, size, 0);
ABI_AT(cowvmo_set_priority, priority, 4);

ABI_SIZE(cowvmo_open, 8);
ABI_AT(cowvmo_open, size, 0);
ABI_AT(cowvmo_open, flags, 4);

ABI_SIZE(cowvmo_page_state, 32);
ABI_AT(cowvmo_page_state, offset, 0);
ABI_AT(cowvmo_page_state, pfn, 8);
ABI_AT(cowvmo_page_state, flags, 16);
ABI_AT(cowvmo_page_state, sharers, 20);
ABI_AT(cowvmo_page_state, pins, 24);
ABI_AT(cowvmo_page_state, kind, 28);
ABI_AT(cowvmo_page_state, dirty, 29);
ABI_AT(cowvmo_page_state, queue, 30);
ABI_AT(cowvmo_page_state, reserved, 31);

ABI_SIZE(cowvmo_lookup, 56);
ABI_AT(cowvmo_lookup, size, 0);
ABI_AT(cowvmo_lookup, flags, 4);
ABI_AT(cowvmo_lookup, offset, 8);
ABI_AT(cowvmo_lookup, length, 16);
ABI_AT(cowvmo_lookup, pages, 24);
ABI_AT(cowvmo_lookup, nr_pages, 32);
ABI_AT(cowvmo_lookup, entry_size, 36);
ABI_AT(cowvmo_lookup, out_nr, 40);
ABI_AT(cowvmo_lookup, out_reserved, 44);
ABI_AT(cowvmo_lookup, out_next, 48);
ABI_SIZE(cowvmo_pin, 24);
ABI_AT(cowvmo_pin, size, 0);
ABI_AT(cowvmo_pin, flags, 4);
ABI_AT(cowvmo_pin, offset, 8);
ABI_AT(cowvmo_pin, length, 16);
ABI_SIZE(cowvmo_pin_export, 8);
ABI_AT(cowvmo_pin_export, size, 0);
ABI_AT(cowvmo_pin_export, flags, 4);

ABI_SIZE(cowvmo_pager_create, 16);
ABI_AT(cowvmo_pager_create, size, 0);
ABI_AT(cowvmo_pager_create, flags, 4);
ABI_AT(cowvmo_pager_create, timeout_ms, 8);
ABI_AT(cowvmo_pager_create, reserved, 12);

ABI_SIZE(cowvmo_pager_create_vmo, 72);
ABI_AT(cowvmo_pager_create_vmo, size, 0);
ABI_AT(cowvmo_pager_create_vmo, flags, 4);
ABI_AT(cowvmo_pager_create_vmo, key, 8);
ABI_AT(cowvmo_pager_create_vmo, vmo_size, 16);
ABI_AT(cowvmo_pager_create_vmo, read_ahead, 24);
ABI_AT(cowvmo_pager_create_vmo, reserved, 28);
ABI_AT(cowvmo_pager_create_vmo, name, 32);
ABI_AT(cowvmo_pager_create_vmo, out_id, 64);

ABI_SIZE(cowvmo_pager_request, 40);
ABI_AT(cowvmo_pager_request, size, 0);
ABI_AT(cowvmo_pager_request, command, 4);
ABI_AT(cowvmo_pager_request, flags, 6);
ABI_AT(cowvmo_pager_request, key, 8);
ABI_AT(cowvmo_pager_request, id, 16);
ABI_AT(cowvmo_pager_request, offset, 24);
ABI_AT(cowvmo_pager_request, length, 32);

ABI_SIZE(cowvmo_pager_op, 64);
ABI_AT(cowvmo_pager_op, op, 0);
ABI_AT(cowvmo_pager_op, flags, 4);
ABI_AT(cowvmo_pager_op, vmo_fd, 8);
ABI_AT(cowvmo_pager_op, src_fd, 12);
ABI_AT(cowvmo_pager_op, vmo_id, 16);
ABI_AT(cowvmo_pager_op, offset, 24);
ABI_AT(cowvmo_pager_op, length, 32);
ABI_AT(cowvmo_pager_op, src, 40);
ABI_AT(cowvmo_pager_op, code, 48);
ABI_AT(cowvmo_pager_op, out_error, 52);
ABI_AT(cowvmo_pager_op, out_done, 56);

ABI_SIZE(cowvmo_pager_ops, 32);
ABI_AT(cowvmo_pager_ops, size, 0);
ABI_AT(cowvmo_pager_ops, flags, 4);
ABI_AT(cowvmo_pager_ops, ops, 8);
ABI_AT(cowvmo_pager_ops, nr, 16);
ABI_AT(cowvmo_pager_ops, op_size, 20);
ABI_AT(cowvmo_pager_ops, out_nr, 24);
ABI_AT(cowvmo_pager_ops, reserved, 28);

ABI_SIZE(cowvmo_dirty_range, 24);
ABI_AT(cowvmo_dirty_range, offset, 0);
ABI_AT(cowvmo_dirty_range, length, 8);
ABI_AT(cowvmo_dirty_range, flags, 16);
ABI_AT(cowvmo_dirty_range, reserved, 20);

ABI_SIZE(cowvmo_pager_query_dirty, 64);
ABI_AT(cowvmo_pager_query_dirty, size, 0);
ABI_AT(cowvmo_pager_query_dirty, flags, 4);
ABI_AT(cowvmo_pager_query_dirty, vmo_fd, 8);
ABI_AT(cowvmo_pager_query_dirty, room, 12);
ABI_AT(cowvmo_pager_query_dirty, vmo_id, 16);
ABI_AT(cowvmo_pager_query_dirty, offset, 24);
ABI_AT(cowvmo_pager_query_dirty, length, 32);
ABI_AT(cowvmo_pager_query_dirty, ranges, 40);
ABI_AT(cowvmo_pager_query_dirty, out_nr, 48);
ABI_AT(cowvmo_pager_query_dirty, reserved, 52);
ABI_AT(cowvmo_pager_query_dirty, out_available, 56);

ABI_SIZE(cowvmo_pager_query_stats, 24);
ABI_AT(cowvmo_pager_query_stats, size, 0);
ABI_AT(cowvmo_pager_query_stats, flags, 4);
ABI_AT(cowvmo_pager_query_stats, vmo_fd, 8);
ABI_AT(cowvmo_pager_query_stats, out_flags, 12);
ABI_AT(cowvmo_pager_query_stats, vmo_id, 16);

ABI_SIZE(cowvmo_fault_error, 16);
ABI_AT(cowvmo_fault_error, size, 0);
ABI_AT(cowvmo_fault_error, out_error, 4);
ABI_AT(cowvmo_fault_error, offset, 8);

ABI_ASSERT(COWVMO_CREATE_RESIZABLE == 1);
ABI_ASSERT(COWVMO_CREATE_NO_WRITE == 2);
ABI_ASSERT(COWVMO_CREATE_CONTIGUOUS == 4);
ABI_ASSERT(COWVMO_CHILD_SNAPSHOT == 1);
ABI_ASSERT(COWVMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE == 2);
ABI_ASSERT(COWVMO_CHILD_SNAPSHOT_MODIFIED == 3);
ABI_ASSERT(COWVMO_CHILD_SLICE == 4);
ABI_ASSERT(COWVMO_CHILD_REFERENCE == 5);
ABI_ASSERT(COWVMO_OP_COMMIT == 1);
ABI_ASSERT(COWVMO_OP_DECOMMIT == 2);
ABI_ASSERT(COWVMO_OP_ZERO == 3);
ABI_ASSERT(COWVMO_INFO_MEMORY == 1);
ABI_ASSERT(COWVMO_INFO_RESIZABLE == 1);
ABI_ASSERT(COWVMO_INFO_COW_CLONE == 2);
ABI_ASSERT(COWVMO_INFO_IMMUTABLE == 4);
ABI_ASSERT(COWVMO_INFO_READ_ONLY_FD == 8);
ABI_ASSERT(COWVMO_INFO_SLICE == 16);
ABI_ASSERT(COWVMO_INFO_REFERENCE == 32);
ABI_ASSERT(COWVMO_INFO_SEALED == 64);
ABI_ASSERT(COWVMO_INFO_CONTIGUOUS == 128);
ABI_ASSERT(COWVMO_INFO_HIGH_PRIORITY == 256);
ABI_ASSERT(COWVMO_CACHE_CACHED == 0);
ABI_ASSERT(COWVMO_CACHE_UNCACHED == 1);
ABI_ASSERT(COWVMO_CACHE_UNCACHED_DEVICE == 2);
ABI_ASSERT(COWVMO_CACHE_WRITE_COMBINING == 3);
ABI_ASSERT(COWVMO_PRIORITY_DEFAULT == 0);
ABI_ASSERT(COWVMO_PRIORITY_HIGH == 1);
ABI_ASSERT(COWVMO_OPEN_NO_WRITE == 1);
ABI_ASSERT(COWVMO_LOOKUP_POPULATED == 1);
ABI_ASSERT(COWVMO_LOOKUP_PRIVATE == 2);
ABI_ASSERT(COWVMO_LOOKUP_SHARERS == 4);
ABI_ASSERT(COWVMO_KIND_HOLE == 0);
ABI_ASSERT(COWVMO_KIND_PAGE == 1);
ABI_ASSERT(COWVMO_PAGE_PRIVATE == 1);
ABI_ASSERT(COWVMO_PAGE_WRITABLE == 2);
ABI_ASSERT(COWVMO_PAGE_MAPPED == 4);
ABI_ASSERT(COWVMO_PAGE_HELD == 8);
ABI_ASSERT(COWVMO_PAGE_PINNED == 16);
ABI_ASSERT(COWVMO_PIN_WRITE == 1);
ABI_ASSERT(COWVMO_MAX_PINS == 31);
ABI_ASSERT(COWVMO_PAGER_KERNEL_FAULTS == 1);
ABI_ASSERT(COWVMO_PAGER_VMO_RESIZABLE == 1);
ABI_ASSERT(COWVMO_PAGER_VMO_TRAP_DIRTY == 2);
ABI_ASSERT(COWVMO_PAGER_READ == 0);
ABI_ASSERT(COWVMO_PAGER_COMPLETE == 1);
ABI_ASSERT(COWVMO_PAGER_DIRTY_ASKED == 2);
ABI_ASSERT(COWVMO_PAGER_SUPPLY == 1);
ABI_ASSERT(COWVMO_PAGER_SUPPLY_COPY == 2);
ABI_ASSERT(COWVMO_PAGER_SUPPLY_ZERO == 3);
ABI_ASSERT(COWVMO_PAGER_FAIL == 4);
ABI_ASSERT(COWVMO_PAGER_DIRTY == 5);
ABI_ASSERT(COWVMO_PAGER_WRITEBACK_BEGIN == 6);
ABI_ASSERT(COWVMO_PAGER_WRITEBACK_END == 7);
ABI_ASSERT(COWVMO_PAGER_DETACH == 8);
ABI_ASSERT(COWVMO_PAGER_FROM_FILE == 1);
ABI_ASSERT(COWVMO_PAGER_IS_ZERO == 2);
ABI_ASSERT(COWVMO_DIRTY_IS_ZERO == 1);
ABI_ASSERT(COWVMO_QUERY_DIRTY_COUNT == 1);
ABI_ASSERT(COWVMO_QUERY_STATS_RESET == 1);
ABI_ASSERT(COWVMO_PAGER_STATS_MODIFIED == 1);
ABI_ASSERT(COWVMO_CREATE_POINT_IN_TIME == 8);
ABI_ASSERT(COWVMO_OP_PREFETCH == 4);
ABI_ASSERT(COWVMO_OP_ALWAYS_NEED == 5);
ABI_ASSERT(COWVMO_OP_DONT_NEED == 6);
ABI_ASSERT(COWVMO_INFO_PAGER_BACKED == 512);

#endif /* COWVMO_SELFTEST_ABI_LAYOUT_H */
