#!/bin/sh
# Stacks of 1,000 tasks of a running VM by `ktb bt --all`, with functions, lines and what was inlined.
# usage: bt.sh [--big] [ktb vm's options]     RUNS=10; --big: also with a vmlinux of 600 MB
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

big=''
[ "${1-}" != --big ] || { big=yes; shift; }
export XDG_RUNTIME_DIR="$scratch"
gcc -O2 -static -pthread -o "$scratch/tasks" "$bench_dir/tasks.c" || exit 3
"$KTB" vm -q --detach --name bench --port off --memory 2G --append quiet --files "$scratch/tasks:/root/tasks" "$@" || exit 1
trap '"$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
wait_log 'debugvm:~# '
say '/root/tasks 960 0 &'
wait_log 'tasks are up'

"$KTB" bt -q --all --name bench >"$scratch/stacks"
echo "(tasks: $(grep -c '^PID' "$scratch/stacks"), frames: $(grep -c '^#' "$scratch/stacks"))" >&2

bt() { seconds "$KTB" bt -q --all --name bench; }
alternate bt bt && absolute 'ktb bt --all of 1,000 tasks' 0.5 "$scratch/a"
by_json() { seconds "$KTB" bt -q --all --json --name bench; }
alternate by_json by_json && absolute 'the same as JSON' 0.5 "$scratch/a"

if [ -n "$big" ]; then
	vmlinux=$("$KTB" list --json | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')
	"$bench_dir/big-vmlinux.sh" "$vmlinux" "$scratch/vmlinux" 600 || exit 1
	by_big() { seconds "$KTB" bt -q --all --name bench --vmlinux "$scratch/vmlinux"; }
	by_big >/dev/null && alternate by_big by_big && absolute 'the same with a vmlinux of 600 MB' 0.5 "$scratch/a"
fi
/usr/bin/time -f '(peak memory of ktb bt --all, shared mappings included: %M KB)' "$KTB" bt -q --all --name bench >/dev/null
