#!/bin/sh
# `ktb gdb -- -batch`, connected and back, over plain `gdb -batch`.
# usage: gdb.sh [--big VMLINUX]     RUNS=10; VMLINUX is a large one (600 MB) with debug information
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

big=''
[ "${1-}" != --big ] || big=$2

export XDG_RUNTIME_DIR="$scratch"
"$KTB" vm -q --detach --name bench --port auto --append quiet || exit 1
trap '"$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | sed -n 's/.*"port": \([0-9]*\).*/\1/p')
vmlinux=$(printf '%s' "$json" | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')

by_ktb() { seconds "$KTB" gdb -q --name bench -- -batch; }
plain() { seconds gdb -batch "$vmlinux" -ex "target remote localhost:$port"; }

# The index of the first time is made in the background; wait for it once.
by_ktb >/dev/null
n=0
while [ "$n" -lt 120 ] && ! ls "${XDG_CACHE_HOME:-$HOME/.cache}"/ktb/gdb-index/*.gdb-index >/dev/null 2>&1; do
	sleep 1
	n=$((n + 1))
done
alternate by_ktb plain && ratio 'ktb gdb -- -batch, over plain gdb' 1.1
if [ -n "$big" ]; then
	echo "(--big: not a kernel; only loading its symbols is compared)" >&2
	index=${XDG_CACHE_HOME:-$HOME/.cache}/ktb/gdb-index
	a() { seconds gdb -q -batch -iex "set index-cache directory $index" -iex 'set index-cache enabled on' "$big"; }
	b() { seconds gdb -q -batch "$big"; }
	a >/dev/null
	alternate a b && ratio "loading a vmlinux of $(du -Lm "$big" | cut -f1) MB with an index, over without" 0.6
fi
