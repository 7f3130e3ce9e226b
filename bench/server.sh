#!/bin/sh
# The debug server over QEMU's own stub: conditions, steps, interrupts, memory, tasks, attaching. Both are asked in turn on the same VM;
# the stub by its socket in the run directory.
# usage: server.sh [ktb vm's options]     RUNS=5 HITS=1000
# shellcheck source=bench/lib.sh
RUNS=${RUNS:-5}
. "$(dirname "$0")/lib.sh"

HITS=${HITS:-1000}
export XDG_RUNTIME_DIR="$scratch"
unset PYTHONDONTWRITEBYTECODE
for program in calls tasks; do
	cc -O2 -static -pthread -o "$scratch/$program" "$bench_dir/$program.c" || exit 3
done
cc -O2 -D_GNU_SOURCE -o "$scratch/rsp" "$root/tests/rsp.c" || exit 3
"$KTB" vm -q --detach --name bench --port auto --append quiet --files "$scratch/calls:/root/calls" \
	--files "$scratch/tasks:/root/tasks" "$@" || exit 1
trap 'kill $debugger 2>/dev/null; "$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
debugger=''
"$KTB" exec -q --name bench -- /root/calls 1 || exit 1
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | sed -n 's/.*"port": \([0-9]*\).*/\1/p')
vmlinux=$(printf '%s' "$json" | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')
stub=$scratch/ktb/bench/stub.sock
# shellcheck disable=SC2016 # awk's
called=$(nm "$vmlinux" | awk '$3 == "__x64_sys_getppid" { print $1 }')

# gdb_on PEER COMMAND...: a GDB without any settings but our own.
gdb_on()
{
	peer=$1
	shift
	set -- gdb -nx -q -batch -iex 'set auto-load no' -iex 'set sysroot' -iex 'set confirm off' "$vmlinux" -ex "target remote $peer" "$@"
	"$@"
}

# until_says FILE TEXT
until_says()
{
	n=0
	until grep -q "$2" "$1" 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -lt 300 ] || { echo "no '$2'; the end of its output:" >&2; tail -n 5 "$1" >&2; return 1; }
		sleep 0.1
	done
}

# calls_under COMMAND...: the time of $HITS calls in the guest, with a debugger that waits for them.
calls_under()
{
	"$@" >"$scratch/debugger" 2>&1 &
	debugger=$!
	until_says "$scratch/debugger" ready || { pkill -P "$debugger"; return 1; }
	# It may say so some time before the guest runs.
	sleep 0.5
	seconds "$KTB" exec -q --name bench -- /root/calls "$HITS" || return 1
	pkill -TERM -P "$debugger" || kill -TERM "$debugger"
	wait "$debugger"
	debugger=''
	running
}

# What was left stopped goes on.
running()
{
	"$KTB" list | grep -q ' running ' || gdb_on "localhost:$port" >/dev/null 2>&1
}

# conditions PEER: one that is false; whoever evaluates it. What GDB itself prints stays in its buffer.
# shellcheck disable=SC2016 # GDB's
conditions() { gdb_on "$1" -ex 'break __x64_sys_getppid if (int)$rdi == 12345' -ex 'shell echo ready' -ex continue; }
false_by_ktb() { calls_under conditions "localhost:$port"; }
false_by_gdb() { calls_under conditions "$stub"; }
raw() { calls_under "$scratch/rsp" "$stub" hits "$called"; }

alternate false_by_ktb raw && ratio "$HITS false conditions, over raw s+c with registers" 1.11
HITS=$((HITS / 5))
alternate false_by_ktb false_by_gdb && ratio "$HITS of them, over GDB's own evaluation" 1

# timed PEER PREPARE COMMAND TIMES: seconds that GDB needs for it, without attaching and leaving.
timed()
{
	cat >"$scratch/timed.py" <<PYTHON
import time, gdb
gdb.execute("""$2""", to_string=True)
begin = time.monotonic()
for i in range($4):
    gdb.execute("""$3""", to_string=True)
print("took %.6f" % (time.monotonic() - begin))
PYTHON
	gdb_on "$1" -ex "source $scratch/timed.py" -ex delete >"$scratch/output" 2>&1 </dev/null
	sed -n 's/^took //p' "$scratch/output" | grep . || { why "GDB failed"; return 1; }
	running
}

stepi_by_ktb() { timed "localhost:$port" 'info registers rip' 'stepi 500' 2; }
stepi_by_stub() { timed "$stub" 'info registers rip' 'stepi 500' 2; }
alternate stepi_by_ktb stepi_by_stub && ratio '1,000 stepi by GDB, over the same on QEMU'"'"'s stub' 1.0

# A process that calls, to step through what it calls.
"$KTB" exec -q --name bench -- sh -c 'while :; do /bin/true; done >/dev/null 2>&1 &' || exit 1
here='tbreak kernel_clone
continue'
next_by_ktb() { timed "localhost:$port" "$here" next 25; }
next_by_stub() { timed "$stub" "$here" next 25; }
alternate next_by_ktb next_by_stub && ratio '25 next over calls' 1.0

interrupt_by_ktb() { "$scratch/rsp" "$port" interrupt 20 && running; }
interrupt_by_stub() { "$scratch/rsp" "$stub" interrupt 20 && running; }
alternate interrupt_by_ktb interrupt_by_stub && absolute 'Ctrl-C to the stop, the slowest of 20' 0.1 "$scratch/a"

memory='dump binary memory /dev/null 0xffffffff81000000 0xffffffff81100000'
memory_by_ktb() { timed "localhost:$port" 'info registers rip' "$memory" 4; }
memory_by_stub() { timed "$stub" 'info registers rip' "$memory" 4; }
alternate memory_by_ktb memory_by_stub && ratio '4 MB read by GDB' 0.556
raw_memory_by_ktb() { "$scratch/rsp" "$port" read ffffffff81000000 100000 4; }
raw_memory_by_stub() { "$scratch/rsp" "$stub" read ffffffff81000000 100000 4; }
alternate raw_memory_by_ktb raw_memory_by_stub && ratio '1 MB read by a raw client' 0.1
running

"$KTB" exec -q --name bench -- sh -c '/root/tasks 220 0 >/dev/null 2>&1 &' || exit 1
sleep 3
tasks_by_ktb() { timed "localhost:$port" 'monitor tasks all' 'info threads' 1; }
alternate tasks_by_ktb tasks_by_ktb && absolute 'info threads with 256 tasks' 0.3 "$scratch/a"

attach_by_ktb() { seconds gdb_on "localhost:$port" && running; }
attach_by_stub() { seconds gdb_on "$stub" && running; }
alternate attach_by_ktb attach_by_stub && ratio 'attach to the prompt, and leave' 1.1
