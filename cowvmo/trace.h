/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cowvmo

#if !defined(COWVMO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define COWVMO_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(cowvmo_create,
	TP_PROTO(u64 id, u64 size, u32 flags),
	TP_ARGS(id, size, flags),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, size)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->size = size;
		__entry->flags = flags;
	),
	TP_printk("id=%llu size=%llu flags=0x%x",
		  __entry->id, __entry->size, __entry->flags)
);

TRACE_EVENT(cowvmo_clone,
	TP_PROTO(u64 parent, u64 id, u64 offset, u64 length),
	TP_ARGS(parent, id, offset, length),
	TP_STRUCT__entry(
		__field(u64, parent)
		__field(u64, id)
		__field(u64, offset)
		__field(u64, length)
	),
	TP_fast_assign(
		__entry->parent = parent;
		__entry->id = id;
		__entry->offset = offset;
		__entry->length = length;
	),
	TP_printk("parent=%llu id=%llu offset=%llu length=%llu",
		  __entry->parent, __entry->id, __entry->offset,
		  __entry->length)
);

/* A write fault was answered; fresh: with a page that was not mapped there. */
TRACE_EVENT(cowvmo_fault,
	TP_PROTO(u64 id, u64 pgoff, bool fresh),
	TP_ARGS(id, pgoff, fresh),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, pgoff)
		__field(bool, fresh)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->pgoff = pgoff;
		__entry->fresh = fresh;
	),
	TP_printk("id=%llu pgoff=%llu fresh=%d",
		  __entry->id, __entry->pgoff, __entry->fresh)
);

DECLARE_EVENT_CLASS(cowvmo_page,
	TP_PROTO(u64 id, u64 pgoff),
	TP_ARGS(id, pgoff),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, pgoff)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->pgoff = pgoff;
	),
	TP_printk("id=%llu pgoff=%llu", __entry->id, __entry->pgoff)
);

/* A page that relatives share, or that others hold, was copied. */
DEFINE_EVENT(cowvmo_page, cowvmo_copy,
	TP_PROTO(u64 id, u64 pgoff),
	TP_ARGS(id, pgoff)
);

TRACE_EVENT(cowvmo_free,
	TP_PROTO(u64 id),
	TP_ARGS(id),
	TP_STRUCT__entry(
		__field(u64, id)
	),
	TP_fast_assign(
		__entry->id = id;
	),
	TP_printk("id=%llu", __entry->id)
);

#endif /* COWVMO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
