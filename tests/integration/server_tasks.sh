#!/bin/sh
# timeout: 900
# Tasks as threads of GDB's: their names and stacks against those of ktb ps and ktb bt, what is refused, conditions by task,
# and the commands of `monitor` that look at the kernel.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the guest's shell and GDB; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-tasks.$$
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run" || exit 1
patience=120
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)

at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

command -v jq >/dev/null || not_ok 'jq is there' 'these tests take JSON apart with it'

# --- Helpers ------------------------------------------------------------------------------------------------------

log_has()
{
	grep -qe "$2" "$run/ktb/$1/console.log"
}

say()
{
	printf '%s\r' "$2" | socat -u - "UNIX-CONNECT:$run/ktb/$1/serial.sock" 2>/dev/null
}

# of NAME MEMBER: what ktb list knows of a VM.
of()
{
	"$KTB" list --json | jq -r ".[] | select(.name == \"$1\") | .$2"
}

# gdb_on NAME COMMAND...: what GDB says to these, errors included; the VM goes on afterwards.
gdb_on()
{
	vm=$1
	shift
	for command; do
		set -- "$@" -ex "$command"
		shift
	done
	plain_gdb -iex 'set auto-load no' "$(of "$vm" vmlinux)" -ex 'set pagination off' -ex 'set width 0' \
		-ex 'set print frame-arguments none' -ex 'set print address off' \
		-ex "target remote 127.0.0.1:$(of "$vm" port)" "$@" >"$tmp/gdb.out" 2>&1
	stdout=$(cat "$tmp/gdb.out")
}

# pid_of NAME COMM: the last task of that name. One that was started a moment ago may still be its shell.
pid_of()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$KTB" ps --threads --json --name "$1" |
			jq -er "[.[] | select(.command == \"$2\") | .tid] | last // empty" && return
		sleep 1
	done
}

# ours and theirs: stacks as lines "PID FUNCTION", up to the first frame in assembler, where GDB goes astray.
theirs()
{
	sed -n 's/^Thread [0-9]* (Thread 1\(0[0-9]*\) .*/task \1/p; s/^Thread [0-9]* (Thread [0-9] .*/task cpu/p; s/^#[0-9]* *\(.* in \)\{0,1\}\([^ ]*\) (.*) at \(.*\):[0-9]*$/frame \2 \3/p' \
		"$tmp/gdb.out" | awk '$1 == "task" { task = $2; cut = 0; next }
		$3 ~ /\.S$/ { cut = 1 }
		!cut && task != "cpu" { print task + 0, $2 }'
}

ours()
{
	jq -r '.[] | select(.frame != null) | [.pid, .function, .file // "x.S"] | join(" ")' "$tmp/bt.json" |
		awk '$1 != task { task = $1; cut = 0 } $3 ~ /\.S$/ { cut = 1 } !cut { print $1, $2 }'
}

# --- Tests of each kernel -----------------------------------------------------------------------------------------

# All that sleep are threads, named as ktb ps has them, with the stacks that ktb bt shows.
test_list()
{
	gdb_on "$1" 'monitor tasks all' "shell '$KTB' bt --all --json --name $1 >$tmp/bt.json" 'info threads' \
		'thread apply all -s backtrace' 'thread find sleep/' "thread find CPU 0"
	jq -r '[.[] | select(.end == "user" or .end == "start") | "\(.command)/\(.pid)"] | .[]' "$tmp/bt.json" |
		sort >"$tmp/expected"
	sed -n 's/^[* ]*[0-9]* *Thread 1[0-9]\{7\} "\([^"]*\)".*/\1/p' "$tmp/gdb.out" | sed 's/\(\/[0-9]*\) [A-Z].*/\1/' |
		sort >"$tmp/names"
	expect "$1: many tasks" [ "$(wc -l <"$tmp/names")" -gt 25 ]
	expect_equal "$1: those that sleep are threads" "$(diff "$tmp/expected" "$tmp/names")" ''
	expect "$1: CPUs are named by what they run" [ "$(grep -c 'Thread [12] "CPU [01]: swapper/[01]"' "$tmp/gdb.out")" -ge 2 ]
	expect_match "$1: a task is found by its name" "has target name 'sleep/"
	expect_match "$1: a CPU, too" "has target name 'CPU 0: "
	theirs | sort >"$tmp/theirs"
	ours | sort >"$tmp/ours"
	expect "$1: stacks with $(wc -l <"$tmp/ours") frames" [ "$(wc -l <"$tmp/ours")" -gt 100 ]
	expect_equal "$1: their functions are those that ktb bt has" "$(diff "$tmp/theirs" "$tmp/ours" | head -n 20)" ''
}

test_selection()
{
	pid=$(pid_of "$1" sleep)
	gdb_on "$1" 'info threads' 'echo --pid\n' "monitor tasks $pid" 'info threads' 'echo --name\n' 'monitor tasks kworker' \
		'info threads' 'echo --off\n' 'monitor tasks off' 'info threads' 'monitor tasks a b'
	awk '/^--/ { part = $1 } { print part ": " $0 }' "$tmp/gdb.out" >"$tmp/parts"
	expect "$1: no task is a thread unasked" [ "$(grep -c '^: .*Thread 1[0-9]\{7\} ' "$tmp/parts")" = 0 ]
	expect "$1: one by its PID" [ "$(grep '^--pid: .*Thread 1[0-9]\{7\} ' "$tmp/parts" | grep -c "sleep/$pid ")" = 1 ]
	expect "$1: several by name" [ "$(grep -c '^--name: .*Thread 1[0-9]\{7\} "kworker/' "$tmp/parts")" -gt 3 ]
	expect "$1: and no others" [ "$(grep '^--name: .*Thread 1[0-9]\{7\} ' "$tmp/parts" | grep -vc kworker)" = 0 ]
	expect "$1: none again" [ "$(grep -c '^--off: .*Thread 1[0-9]\{7\} ' "$tmp/parts")" = 0 ]
	expect_match "$1: what is no choice is refused" "'a b': which tasks are listed is said by all, off, a PID"
}

# A task that sleeps can be looked at, and no more; memory can be written.
test_refusals()
{
	pid=$(pid_of "$1" sleep)
	id=$((10000000 + pid))
	# Where --tasks was given, GDB's thread 3 was another one.
	thread=$([ "$1" = old ] && echo 4 || echo 3)
	gdb_on "$1" "monitor tasks $pid" 'info threads' "thread $thread" 'info registers rax rsp' 'stepi' 'set var $rbx = $rbx + 1' 'set scheduler-locking on' 'continue' \
		'set scheduler-locking off' \
		'set var init_task.comm[0] = 88' 'output init_task.comm' 'set var init_task.comm[0] = 115' \
		'thread 1' 'stepi' 'echo stepped\n'
	expect_match "$1: a register that isn't saved is unavailable" '^rax +<unavailable>'
	expect_match "$1: one that is has its value" '^rsp +0xff'
	expect "$1: it takes no step, and no register" \
		[ "$(grep -c "thread $id is the sleeping task sleep/$pid, which can only be looked at" "$tmp/gdb.out")" -ge 2 ]
	expect_match "$1: memory is written" '"Xwapper/0'
	expect_match "$1: a CPU takes a step" '^stepped'
}

# What the task of the name did, of two that do the same.
test_conditions()
{
	say "$1" 'while :; do sleep 0.3; cat /proc/uptime; done >/dev/null & echo first=$! ; while :; do sleep 0.2; cat /proc/uptime; done >/dev/null & echo second=$!'
	expect "$1: two loops" wait_for "$patience" log_has "$1" '^second=[0-9]'
	pid=$(sed -n 's/^second=\([0-9]*\).*/\1/p' "$run/ktb/$1/console.log" | tail -n 1)
	# The shell of the loop forks; nothing else does but the other loop.
	gdb_on "$1" "break kernel_clone if \$ktb_pid == $pid" 'continue' \
		'printf "pid %d tgid %d cpu %d\n", $ktb_pid, $ktb_tgid, $ktb_cpu' 'info threads' 'continue' \
		'printf "again %d\n", $ktb_pid' 'delete'
	expect_match "$1: a breakpoint for one task" "^pid $pid tgid $pid cpu [01]"
	expect_match "$1: and for it again" "^again $pid"
	expect_match "$1: the CPU is named by it" "CPU [01]: sh/$pid"
}

test_monitor()
{
	gdb_on "$1" 'monitor help' 'monitor ps' 'monitor bt 1' 'monitor lsmod' "monitor read init_uts_ns.name.sysname" \
		'monitor sym kernel_clone' 'monitor dmesg --level info' 'monitor info version' 'monitor ps --nonsense' \
		'monitor dmesg -w' "monitor bt 4000000" 'monitor read nothing_such'
	expect_match "$1: help" '^  bt \[PID...\]'
	expect_match "$1: ps" ' kthreadd$'
	expect_match "$1: bt" 'schedule\+0x'
	expect_match "$1: read" '"Linux"'
	expect_match "$1: sym" ': kernel_clone\+0x0/.*fork.c:'
	expect_match "$1: dmesg" 'Linux version '
	expect_match "$1: the rest is QEMU's" '^[0-9]+\.[0-9]+\.[0-9]+'
	expect_match "$1: an option that there isn't" 'monitor ps: unknown option --nonsense'
	expect_match "$1: nothing is followed" 'monitor dmesg: nothing more comes while the guest stands still'
	expect_match "$1: a task that there isn't" 'the guest has no task 4000000'
	expect_match "$1: a variable that there isn't" "no variable 'nothing_such'"
}

# --- Guests -------------------------------------------------------------------------------------------------------

run "$KTB" vm --tasks 'a b'
expect_error 'tasks that make no sense are refused before anything starts' "--tasks: 'a b'"
run "$KTB" vm --detach --port auto --name new --memory 512M
expect_status 'a guest' 0
if [ -n "$old_source" ]; then
	run "$KTB" vm --detach --port auto --name old --memory 512M --source "$old_source" --tasks init
	expect_status 'one with 6.1' 0
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi
for vm in new ${old_source:+old}; do
	expect "$vm boots" wait_for "$patience" log_has "$vm" 'debugvm:~# '
	say "$vm" 'sleep 1000 & echo star''ted'
	expect "$vm: has something to do" wait_for "$patience" log_has "$vm" '^started'
	if [ "$vm" = old ]; then
		gdb_on "$vm" 'info threads'
		expect_match "$vm: --tasks says what is listed" 'Thread 10000001 "init/1 '
	else
		test_selection "$vm"
	fi
	test_list "$vm"
	test_refusals "$vm"
	test_monitor "$vm"
	test_conditions "$vm"
done

finish
