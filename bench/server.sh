#!/bin/sh
# The debug server over QEMU's own stub: conditions, steps, interrupts, memory, tasks, modules, attaching. Both are asked in turn on the
# same VM; the stub by its socket in the run directory.
# usage: server.sh [ktb vm's options]     RUNS=5 HITS=1000 ONLY="conditions steps interrupts memory tasks modules attach"
# shellcheck disable=SC2016 # what is in single quotes is for others
# shellcheck source=bench/lib.sh
RUNS=${RUNS:-5}
. "$(dirname "$0")/lib.sh"

HITS=${HITS:-1000}
ONLY=${ONLY:-conditions steps interrupts memory tasks modules attach}
export XDG_RUNTIME_DIR="$scratch"
unset PYTHONDONTWRITEBYTECODE
for program in calls tasks; do
	cc -O2 -static -pthread -o "$scratch/$program" "$bench_dir/$program.c" || exit 3
done
cc -O2 -D_GNU_SOURCE -o "$scratch/rsp" "$root/tests/rsp.c" || exit 3
mkdir "$scratch/many" || exit 1
"$KTB" vm -q --detach --name bench --port auto --append quiet --files "$scratch/calls:/root/calls" \
	--files "$scratch/tasks:/root/tasks" --gdb-modules "$scratch/many" "$@" || exit 1
trap 'kill $debugger 2>/dev/null; "$KTB" stop -q --force bench; rm -rf "$scratch"' EXIT
debugger=''
"$KTB" exec -q --name bench -- /root/calls 1 || exit 1
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | sed -n 's/.*"port": \([0-9]*\).*/\1/p')
vmlinux=$(printf '%s' "$json" | sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p')
stub=$scratch/ktb/bench/stub.sock
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
conditions() { gdb_on "$1" -ex 'break __x64_sys_getppid if (int)$rdi == 12345' -ex 'shell echo ready' -ex continue; }
false_by_ktb() { calls_under conditions "localhost:$port"; }
false_by_gdb() { calls_under conditions "$stub"; }
raw() { calls_under "$scratch/rsp" "$stub" hits "$called"; }

# wanted WORD: whether that part is to be run.
wanted() { case " $ONLY " in *" $1 "*) ;; *) return 1 ;; esac; }

if wanted conditions; then
	alternate false_by_ktb raw && ratio "$HITS false conditions, over raw s+c with registers" 1.11
	HITS=$((HITS / 5))
	alternate false_by_ktb false_by_gdb && ratio "$HITS of them, over GDB's own evaluation" 1
fi

# timed PEER PREPARE COMMAND TIMES [ROUNDS]: seconds that GDB needs for the command so many times, without attaching and leaving.
# With rounds, it is prepared anew for each, and the n-th of the commands counts with its median: what else the machine does comes
# and goes.
timed()
{
	cat >"$scratch/timed.py" <<PYTHON
import statistics, time, gdb
took = [[] for i in range($4)]
for turn in range(${5:-1}):
    gdb.execute("""$2""", to_string=True)
    for one in took:
        begin = time.monotonic()
        gdb.execute("""$3""", to_string=True)
        one.append(time.monotonic() - begin)
print("took %.6f" % sum(statistics.median(one) for one in took))
PYTHON
	gdb_on "$1" -ex "source $scratch/timed.py" -ex delete >"$scratch/output" 2>&1 </dev/null
	sed -n 's/^took //p' "$scratch/output" | grep . || { why "GDB failed"; return 1; }
	running
}

stepi_by_ktb() { timed "localhost:$port" 'info registers rip' 'stepi 100' 10; }
stepi_by_stub() { timed "$stub" 'info registers rip' 'stepi 100' 10; }

# The same eight steps through the same function, each time that it is called.
here='tbreak kernel_clone
continue'
next_by_ktb() { timed "localhost:$port" "$here" next 8 15; }
next_by_stub() { timed "$stub" "$here" next 8 15; }

if wanted interrupts; then
	interrupt_by_ktb() { "$scratch/rsp" "$port" interrupt 20 && running; }
	interrupt_by_stub() { "$scratch/rsp" "$stub" interrupt 20 && running; }
	alternate interrupt_by_ktb interrupt_by_stub &&
		absolute 'Ctrl-C to the stop, the slowest of 20' 0.1 "$scratch/a"
fi

if wanted steps; then
	alternate stepi_by_ktb stepi_by_stub && ratio '1,000 stepi by GDB, over the same on QEMU'"'"'s stub' 1.0
	# A process that calls, to step through what it calls.
	"$KTB" exec -q --name bench -- sh -c 'while :; do /bin/true; done >/dev/null 2>&1 & echo $! >/tmp/caller' || exit 1
	alternate next_by_ktb next_by_stub && ratio '8 next over calls, medians of 15 times each' 1.0
	"$KTB" exec -q --name bench -- sh -c 'kill $(cat /tmp/caller)'
fi

# Code, of which GDB looks at each character that comes, and what a kernel has in its data, with zeros in between.
code='dump binary memory /dev/null 0xffffffff81000000 0xffffffff81100000'
data='dump binary memory /dev/null &init_task ((char *)&init_task)+0x100000'
code_by_ktb() { timed "localhost:$port" 'info registers rip' "$code" 4; }
code_by_stub() { timed "$stub" 'info registers rip' "$code" 4; }
data_by_ktb() { timed "localhost:$port" 'info registers rip' "$data" 4; }
data_by_stub() { timed "$stub" 'info registers rip' "$data" 4; }
raw_memory_by_ktb() { "$scratch/rsp" "$port" read ffffffff81000000 100000 4; }
raw_memory_by_stub() { "$scratch/rsp" "$stub" read ffffffff81000000 100000 4; }

if wanted memory; then
	alternate code_by_ktb code_by_stub && ratio '4 MB of code read by GDB' 0.556
	alternate data_by_ktb data_by_stub && ratio '4 MB of data read by GDB' 0.556
	alternate raw_memory_by_ktb raw_memory_by_stub && ratio '1 MB of code read by a raw client' 0.1
fi

# The first one in a session has GDB read debug information of all that the tasks wait in.
first_by_ktb() { timed "localhost:$port" 'monitor tasks all' 'info threads' 1; }
second_by_ktb() { timed "localhost:$port" 'monitor tasks all
info threads' 'info threads' 1; }

if wanted tasks; then
	"$KTB" exec -q --name bench -- sh -c '/root/tasks 220 0 >/dev/null 2>&1 & echo $! >/tmp/tasks' || exit 1
	sleep 3
	alternate first_by_ktb second_by_ktb && {
		absolute "info threads with $("$KTB" ps -t --name bench | wc -l) tasks, the first in a session" 0.3 "$scratch/a"
		absolute 'the same, from the second on' 0.3 "$scratch/b"
	}
	"$KTB" exec -q --name bench -- sh -c 'kill $(cat /tmp/tasks)'
fi

# A hundred modules: the same file, with other names of the same length in it, and other build IDs.
load_many()
{
	mkdir "$scratch/m00" && echo 'obj-m := m00.o' >"$scratch/m00/Kbuild"
	cat >"$scratch/m00/m00.c" <<'C'
#include <linux/module.h>
static int m00_value = 42;
static int __init m00_init(void)
{
	pr_emerg("m00: begins\n");
	return m00_value < 0;
}
static void __exit m00_exit(void)
{
	m00_value++;
}
module_init(m00_init);
module_exit(m00_exit);
MODULE_LICENSE("GPL");
C
	built=$("$KTB" module -q --name bench "$scratch/m00") || return 1
	id=$(readelf -SW "$built" | sed -n 's/.* \.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\).*/\1/p')
	for i in $(seq -w 0 99) x0; do
		LC_ALL=C sed "s/m00/m$i/g" "$built" >"$scratch/many/m$i.ko"
		printf '%s' "$i" | dd of="$scratch/many/m$i.ko" bs=1 seek=$((0x$id + 34)) conv=notrunc 2>/dev/null
	done
	"$KTB" push -q --name bench "$scratch/many" /tmp/many &&
		"$KTB" exec -q --name bench -- sh -c 'for m in /tmp/many/m[0-9]*.ko; do insmod $m || exit 1; done'
}

# insmod_under PEER [COMMAND...]: the median time from insmod's start until the module's init function says something, while GDB has the
# guest running. By then GDB has the symbols, if it is to have them: it was stopped for that before the module's first instruction.
insmod_under()
{
	gdb_on "$@" -ex 'shell echo ready' -ex continue >"$scratch/debugger" 2>&1 </dev/null &
	debugger=$!
	until_says "$scratch/debugger" ready || { pkill -P "$debugger"; return 1; }
	sleep 0.5
	: >"$scratch/insmod"
	for _ in 1 2 3 4 5 6 7; do
		# What QEMU threw away at the stop for rmmod is translated again: one that is loaded already gets as far as that.
		"$KTB" exec -q --name bench -- sh -c 'for i in 1 2 3; do insmod /tmp/many/m00.ko 2>/dev/null; done; true' || return 1
		until_text 20 'mx0: begins' sh -c '"$1" exec -q --name bench -- insmod /tmp/many/mx0.ko & exec tail -n 0 -f "$2"' sh \
			"$KTB" "$XDG_RUNTIME_DIR/ktb/bench/console.log" >>"$scratch/insmod" || return 1
		"$KTB" exec -q --name bench -- sh -c 'until rmmod mx0 2>/dev/null; do usleep 10000; done' || return 1
	done
	pkill -TERM -P "$debugger" || kill -TERM "$debugger"
	wait "$debugger"
	debugger=''
	running
	median "$scratch/insmod"
}
insmod_by_ktb() { insmod_under "localhost:$port"; }
insmod_by_stub() { insmod_under "$stub"; }
# Raw, but stopped once on the way: QEMU throws all its translations away at each stop at a breakpoint, and makes them anew.
printf 'hbreak do_init_module\ncommands\nsilent\ncontinue\nend\n' >"$scratch/stop.gdb"
insmod_with_stop() { insmod_under "$stub" -x "$scratch/stop.gdb"; }
# difference TITLE: in ms, of what alternate() kept.
difference()
{
	amount "$1" 50 "$(echo "$(median "$scratch/a") $(median "$scratch/b")" | awk '{ print 1000 * ($1 - $2) }')" ms
}

if wanted modules; then
	load_many || exit 1
	alternate insmod_by_ktb insmod_by_stub && difference 'insmod of 101 modules to its first message, over raw'
	alternate insmod_by_ktb insmod_with_stop && difference 'the same, over raw with a stop at do_init_module'
	"$KTB" exec -q --name bench -- sh -c 'for m in /tmp/many/m[0-9]*.ko; do n=${m##*/}; rmmod ${n%.ko}; done'
fi

attach_by_ktb() { seconds gdb_on "localhost:$port" && running; }
attach_by_stub() { seconds gdb_on "$stub" && running; }
if wanted attach; then
	alternate attach_by_ktb attach_by_stub && ratio 'attach to the prompt, and leave' 1.1
fi
