#!/bin/sh
# `ktb gdb -- -batch`, connected and back, over plain `gdb -batch`, from the second time on (the first one's index is made
# beside it).
# usage: gdb.sh [--big [VMLINUX]]     RUNS=10; --big: also with a vmlinux of 600 MB, the VMLINUX or one made for it
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

big='' large=''
case ${1-} in
'') ;;
--big) big=yes large=${2-} ;;
*) sed -n '4s/^# //p' "$0" >&2; exit 2 ;;
esac

export XDG_RUNTIME_DIR="$scratch"
# It tells Python, which GDB has in it, to read each script anew at each start.
unset PYTHONDONTWRITEBYTECODE
"$KTB" vm -q --detach --name bench --port auto --append quiet || exit 1
trap '"$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | sed -n 's/.*"port": \([0-9]*\).*/\1/p')
own=$(printf '%s' "$json" | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')

by_ktb() { XDG_CACHE_HOME="$cache" seconds "$KTB" gdb -q --name bench --vmlinux "$vmlinux" -- -batch; }
plain() { seconds gdb -batch "$vmlinux" -ex "target remote localhost:$port"; }

# compare VMLINUX TITLE TARGET: a row. Indexes are kept by build ID: in a cache of this row's own.
compare()
{
	vmlinux=$1
	cache=$(mktemp -d "$scratch/cache.XXXXXX")
	by_ktb >/dev/null || exit 1
	n=0
	while ! ls "$cache"/ktb/gdb-index/*.gdb-index >/dev/null 2>&1; do
		n=$((n + 1))
		[ "$n" -lt 600 ] || { echo "no index was made for $vmlinux within $n s" >&2; exit 1; }
		sleep 1
	done
	alternate by_ktb plain && ratio "$2" "$3"
}

compare "$own" 'ktb gdb -- -batch, over plain gdb' 1.1
if [ -n "$big" ]; then
	if [ -z "$large" ]; then
		large=$scratch/vmlinux
		"$bench_dir/big-vmlinux.sh" "$own" "$large" 640 || exit 1
	fi
	compare "$large" "the same, with a vmlinux of $(($(wc -c <"$large") / 1000000)) MB" 0.6
fi
