#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Helpers shared by the scripts; source it, do not run it.
# shellcheck disable=SC2034 # variables here are used by the sourcing script

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/cowvmo
BUILD=$TREE/build
LOGS=$BUILD/logs
JOBS=$(nproc)

# What make was told is meant for our Makefile, not for the kernel's.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "error: $*"
	exit 1
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# Run a command as root: directly, or through sudo without a password prompt
# when nobody could answer one.
as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo && [ -t 0 ]; then
		sudo "$@"
	elif have sudo; then
		sudo -n "$@"
	else
		die "not root and no sudo: cannot run: $*"
	fi
}

# with_lock NAME COMMAND...: one holder of the cache lock NAME at a time.
with_lock()
{
	local name=$1 fd
	shift
	mkdir -p "$CACHE"
	exec {fd}>"$CACHE/$name.lock"
	flock "$fd"
	"$@" {fd}>&-
	local rc=$?
	exec {fd}>&-
	return "$rc"
}
