#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Instructions per operation of the page tree. The allocator is left out: in
# the kernel it is the slab's.
#
#   bench.sh PROGRAM [MIB...]
set -eu

prog=$1
shift
[ $# -gt 0 ] || set -- 64 1024
command -v callgrind_annotate >/dev/null || {
	echo "valgrind is missing" >&2
	exit 1
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for mib; do
	valgrind --tool=callgrind --callgrind-out-file="$dir/out" \
		--toggle-collect=kmem_cache_alloc \
		--toggle-collect=kmem_cache_free --collect-atstart=yes \
		"$prog" "$mib" >"$dir/counts" 2>"$dir/log"
	callgrind_annotate --inclusive=yes --threshold=100 "$dir/out" \
		>"$dir/costs"
	echo "# $mib MiB: instructions without the allocator's"
	awk 'FNR == NR { count[$1] = $2; unit[$1] = $3; order[++n] = $1; next }
	{
		for (i = 2; i <= NF; i++) {
			f = $i
			sub(/.*:/, "", f)
			if (f in count && !(f in cost)) {
				cost[f] = $1
				gsub(/,/, "", cost[f])
			}
		}
	}
	END {
		for (i = 1; i <= n; i++) {
			f = order[i]
			printf "%-26s %8.1f per %s\n", f, cost[f] / count[f],
				unit[f]
		}
	}' "$dir/counts" "$dir/costs"
done
