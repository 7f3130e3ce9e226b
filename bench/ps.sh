#!/bin/sh
# Tasks and log of a running VM by `ktb ps` and `ktb dmesg`, over what shows them otherwise: GDB with the kernel's lx-ps on
# the same VM; crash and drgn on a dump of it.
# usage: ps.sh [ktb vm's options]     RUNS=10; crash(8) needs a kernel before 6.4, such as one of --source linux-source-6.1
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

export XDG_RUNTIME_DIR="$scratch"
unset PYTHONDONTWRITEBYTECODE
gcc -O2 -static -pthread -o "$scratch/tasks" "$bench_dir/tasks.c" || exit 3
"$KTB" vm -q --detach --name bench --port auto --memory 3G --append 'quiet log_buf_len=1M' \
	--files "$scratch/tasks:/root/tasks" --qemu-arg=-qmp --qemu-arg="unix:$scratch/qmp,server=on,wait=off" "$@" || exit 1
trap '"$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | sed -n 's/.*"port": \([0-9]*\).*/\1/p')
vmlinux=$(printf '%s' "$json" | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')
scripts=${vmlinux%/*}/vmlinux-gdb.py
# tasks PROCESSES THREADS: more of them.
made=0
tasks()
{
	made=$((made + 1))
	say "/root/tasks $1 $2 &"
	wait_log 'tasks are up' "$made"
}

of() { "$KTB" ps -q --name bench "$@" | wc -l; }

wait_log 'debugvm:~# ' 1
say 'echo 200000 >/proc/sys/kernel/pid_max; echo 100000 >/proc/sys/kernel/threads-max; echo 300000 >/proc/sys/vm/max_map_count'
tasks 960 0
echo "(tasks: $(of))" >&2

by_ktb() { seconds "$KTB" ps -q --name bench; }
by_gdb() { seconds gdb -nx -batch -iex 'set auto-load safe-path /' "$vmlinux" -ex "target remote localhost:$port" -ex "source $scripts" -ex lx-ps; }
by_crash() { seconds crash -s "$vmlinux" "$scratch/core" -i "$scratch/crash.in"; }
by_drgn() { seconds drgn -q -c "$scratch/core" -s "$vmlinux" "$scratch/ps.py"; }

by_ktb >/dev/null
alternate by_ktb by_gdb && ratio 'ktb ps of 1,000 tasks, over gdb -batch with lx-ps' 0.025

# dump PAGING: crash wants physical addresses (false), drgn virtual ones (true).
dump()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		"{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":$1,\"protocol\":\"file:$scratch/core\"}}" |
		socat -t 120 - "UNIX-CONNECT:$scratch/qmp" | grep -m 2 '"return"' >/dev/null
}

dump false
if command -v crash >/dev/null; then
	printf 'ps\nexit\n' >"$scratch/crash.in"
	by_crash >/dev/null && alternate by_ktb by_crash && ratio 'the same, over crash on a dump' 0.025
fi
if command -v drgn >/dev/null; then
	cat >"$scratch/ps.py" <<'PYTHON'
from drgn.helpers.linux.pid import for_each_task
for t in for_each_task(prog):
    print(t.pid.value_(), t.comm.string_().decode())
PYTHON
	rm -f "$scratch/core"
	dump true
	by_drgn >/dev/null && alternate by_ktb by_drgn && ratio 'the same, over drgn on that dump' 0.1
fi
by_core() { seconds "$KTB" ps -q --core "$scratch/core" --vmlinux "$vmlinux"; }
by_core >/dev/null && alternate by_core by_core && absolute 'ktb ps --core' 1 "$scratch/a"
rm -f "$scratch/core"

# A full log: two messages a line, 1 MB.
# shellcheck disable=SC2016 # expanded in the guest
say 'i=0; while [ $i -lt 16000 ]; do echo "message number $i: something that is as long as what kernels say" >/dev/kmsg; i=$((i + 1)); done; echo log''ged'
wait_log '^logged' 1
dmesg_by_ktb() { seconds "$KTB" dmesg -q --name bench; }
alternate dmesg_by_ktb dmesg_by_ktb && absolute 'ktb dmesg of a full buffer of 1 MB' 0.03 "$scratch/a"

tasks 0 9000
half=$(of -t)
threads_by_ktb() { seconds "$KTB" ps -q -t --name bench; }
alternate threads_by_ktb threads_by_ktb && cp "$scratch/a" "$scratch/half"
tasks 0 10000
echo "(threads: $half, then $(of -t))" >&2
alternate threads_by_ktb threads_by_ktb && absolute 'ktb ps -t of 20,000 tasks' 0.06 "$scratch/a"
cp "$scratch/half" "$scratch/b"
ratio '20,000 tasks over 10,000: linear' 2.2
/usr/bin/time -f '(peak memory of ktb ps -t, shared mappings included: %M KB)' "$KTB" ps -q -t --name bench >/dev/null
