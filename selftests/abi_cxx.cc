// SPDX-License-Identifier: GPL-2.0
// The header must be usable from C++, pedantically; compiling this is the test.
#include <linux/cowvmo.h>
#include "abi_layout.h"

extern "C" int abi_cxx_use(struct cowvmo_get_info *info);

int abi_cxx_use(struct cowvmo_get_info *info)
{
	cowvmo_create create = {};
	cowvmo_create_child child = {};
	cowvmo_range_op op = COWVMO_OP_ZERO;

	create.size = sizeof(create);
	create.flags = COWVMO_CREATE_RESIZABLE;
	child.size = sizeof(child);
	child.type = COWVMO_CHILD_SNAPSHOT;
	child.flags = COWVMO_CREATE_RESIZABLE | COWVMO_CREATE_NO_WRITE;
	info->size = sizeof(*info);
	info->want = COWVMO_INFO_MEMORY;
	return op + static_cast<int>(create.flags + child.flags + info->want);
}
