#!/bin/sh
# What `ktb ps` has of memory for itself at its peak, with a vmlinux of 600 MB: the first time, when it goes through the debug
# information, and later.
# usage: memory.sh [VMLINUX]     VMLINUX: a large one of the default kernel, as big-vmlinux.sh makes them; else one is made
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

export XDG_RUNTIME_DIR="$scratch"
cc -O2 -D_GNU_SOURCE -o "$scratch/peak" "$bench_dir/peak.c" || exit 3
"$KTB" vm -q --detach --name bench --port off --append quiet || exit 1
trap '"$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
wait_log 'debugvm:~# '
large=${1-}
if [ -z "$large" ]; then
	large=$scratch/vmlinux
	"$bench_dir/big-vmlinux.sh" "$("$KTB" list --json | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')" "$large" 600 || exit 1
fi

# peak WHAT COMMAND...: its peak in MB: private, or anonymous. XDG_CACHE_HOME is empty at first.
peak()
{
	what=$1
	shift
	XDG_CACHE_HOME="$scratch/cache" "$scratch/peak" "$KTB" "$@" -q --name bench --vmlinux "$large" 2>&1 >"$scratch/output" |
		sed -n "s/.*$what \([0-9]*\).*/\1/p" | awk '{ print $1 / 1024 }'
	[ -s "$scratch/output" ] || { echo "ktb $1 said nothing" >&2; exit 1; }
}

mkdir "$scratch/cache"
amount 'ktb ps with a vmlinux of 600 MB, first: private memory' 60 "$(peak private ps)" MB
amount 'the same, from the second call on' 60 "$(peak private ps)" MB
amount 'ktb read of a variable with it, first' 60 "$(peak private read jiffies)" MB
rm -rf "$scratch/cache"
amount 'ktb ps, first: what can not be read again from the file' 60 "$(peak anonymous ps)" MB
