#!/bin/sh
# timeout: 420
# The debug server with real debuggers on each kernel: what it passes on, what it adds, and who may vanish at which moment.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

cat >calls.c <<'C'
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (long n = argc > 1 ? atol(argv[1]) : 1; n; n--)
		syscall(SYS_getppid);
	return 0;
}
C
cc -O2 -static -o calls calls.c || exit 1

field()
{
	"$KTB" list --json | sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"
}

runs() { [ "$(field status)" = running ]; }

# gdb_batch ARGS...: plain GDB on the debug port; what it prints on both is in $stdout.
gdb_batch()
{
	ran="gdb $*"
	stdout=$(plain_gdb -iex 'set auto-load no' "$vmlinux" -ex "target remote localhost:$port" "$@" 2>&1 </dev/null)
	status=$?
}

server_pid() { pgrep -P "$(field pid)" -x ktb-debug; }

qemu_pid() { pgrep -P "$(field pid)" -f qemu-system; }

gdb_background()
{
	gdb_start gdb -nx -q -iex "set index-cache directory $XDG_CACHE_HOME/ktb/gdb-index" -iex 'set index-cache enabled on' \
		-iex 'set auto-load no' "$vmlinux" -ex "target remote localhost:$port" "$@"
}

on_kernel()
{
	version=$1 source=$2

	run "$KTB" vm --detach --port auto --memory 512M --source "$source" --files "$tmp/calls:/root/calls" \
		--trace-rsp "$tmp/trace"
	expect_status "$version: a VM runs" 0
	run "$KTB" exec -- /root/calls 1
	expect_status "$version: it is up" 0
	port=$(field port) vmlinux=$(field vmlinux)

	gdb_batch -ex 'info threads' -ex 'p $_exitcode' -ex 'x/2i $pc' -ex 'info registers rip cr3' -ex 'stepi' -ex 'stepi' \
		-ex 'x/1xw 0xfee00030' -ex 'set var panic_timeout = 77' -ex 'p panic_timeout' -ex 'monitor info status' \
		-ex 'monitor migrate exec:true' -ex 'p $ktb_cpu'
	expect_status "$version: GDB looks around" 0
	expect_match "$version: CPUs are named by what they run" 'Thread 1 "CPU 0: [a-z]'
	expect_match "$version: memory is written" '= 77$'
	expect_match "$version: QEMU's monitor is reached" 'VM status: paused'
	expect_match "$version: but for what would harm the host" "'migrate' is not for the debug port"
	expect "$version: detached it runs" wait_for 10 runs
	run "$KTB" exec -- cat /proc/sys/kernel/panic
	expect_equal "$version: the guest sees what was written" "$stdout" 77

	# Two hundred calls, one of which is meant.
	gdb_batch -ex 'break __x64_sys_getppid if $ktb_pid > 100000' -ex 'hbreak __x64_sys_getpgid' -ex 'info breakpoints' \
		-ex 'shell ("$KTB" exec -- /root/calls 200; kill -INT $PPID) >/dev/null 2>&1 &' -ex continue -ex 'info breakpoints'
	expect_match "$version: a false condition doesn't stop" 'received signal SIGINT'
	expect "$version: and the breakpoint is gone with the debugger" timeout 20 "$KTB" exec -- /root/calls 20

	gdb_batch -ex 'set dprintf-style agent' -ex 'dprintf __x64_sys_getppid,"called by %d on %d\n", (int)$ktb_pid, (int)$ktb_cpu' \
		-ex 'shell ("$KTB" exec -- /root/calls 3; kill -INT $PPID) >/dev/null 2>&1 &' -ex continue
	expect_equal "$version: dprintf prints each call" "$(printf '%s\n' "$stdout" | grep -cE '^called by [0-9]+ on [01]$')" 3

	gdb_batch -ex 'break __x64_sys_getppid' -ex 'shell "$KTB" exec -- /root/calls 1 >/dev/null 2>&1 &' -ex continue \
		-ex 'bt' -ex 'watch panic_timeout' -ex 'finish'
	expect_match "$version: a breakpoint stops" 'Breakpoint 1, __(x64|do)_sys_getppid'
	expect_match "$version: the backtrace reaches the entry" 'entry_SYSCALL_64'
	expect_match "$version: finish runs to the caller" '^Value returned is'

	# An offline CPU never takes its step: nothing waits for that.
	run "$KTB" exec -- sh -c 'echo 0 >/sys/devices/system/cpu/cpu1/online'
	gdb_batch -ex 'thread 2' -ex 'shell (sleep 1; kill -INT $PPID) >/dev/null 2>&1 &' -ex stepi \
		-ex 'shell (sleep 1; kill -INT $PPID) >/dev/null 2>&1 &' -ex 'thread 1' -ex continue -ex 'info registers rip'
	expect_equal "$version: the step of an offline CPU is interrupted, and it goes on" \
		"$(printf '%s\n' "$stdout" | grep -c 'received signal SIGINT')" 2
	run "$KTB" exec -- sh -c 'echo 1 >/sys/devices/system/cpu/cpu1/online'
	expect_status "$version: and so does the guest" 0

	# Whoever vanishes.
	gdb_background -ex 'break __x64_sys_getppid' -ex continue
	expect "$version: a debugger lets it run" wait_for 30 gdb_says Continuing
	gdb_batch
	expect_match "$version: a second one is told that it is refused" 'Remote failure reply: E\.ktb: another debugger is attached'
	gdb_end
	expect "$version: killed, it leaves no breakpoint" timeout 20 "$KTB" exec -- /root/calls 20

	gdb_background -ex 'break __x64_sys_getppid' -ex continue
	expect "$version: another one lets it run" wait_for 30 gdb_says Continuing
	kill -9 "$(server_pid)"
	expect "$version: its server killed, it leaves none either" timeout 20 "$KTB" exec -- /root/calls 20
	gdb_end
	gdb_batch -ex 'p 6 * 7'
	expect_match "$version: and one can attach again" '= 42$'
	expect "$version: it runs" wait_for 10 runs
	# The same while the guest stands at a breakpoint, which is on each CPU; who comes next doesn't find it.
	for cpu in 1 2; do
		gdb_background -ex 'break __x64_sys_getppid' -ex continue
		expect "$version: another one waits for a call" wait_for 60 gdb_says Continuing
		timeout 60 "$KTB" exec -- taskset "$cpu" /root/calls 1 >/dev/null 2>&1 &
		call=$!
		expect "$version: CPU $cpu stops there" wait_for 30 gdb_says 'hit Breakpoint 1,'
		kill -9 "$(server_pid)"
		gdb_end
		gdb_background -ex continue
		expect "$version: its server killed then, the next one goes on" wait_for 60 gdb_says Continuing
		expect "$version: and no breakpoint is left on any CPU" \
			timeout 30 "$KTB" exec -- sh -c 'taskset 1 /root/calls 20 && taskset 2 /root/calls 20'
		gdb_end
		wait "$call"
		expect "$version: it runs" wait_for 10 runs
	done

	# A reset keeps the session: the breakpoint is there in the new kernel.
	gdb_batch -ex 'hbreak start_kernel' -ex 'break __x64_sys_getppid' -ex 'monitor system_reset' -ex continue -ex continue -ex 'bt 1'
	expect_match "$version: a reboot keeps the session" 'start_kernel \(\)'

	gdb_background -ex continue
	expect "$version: a debugger is there when QEMU dies" wait_for 30 gdb_says Continuing
	kill -9 "$(qemu_pid)"
	expect "$version: it is told" wait_for 20 gdb_says 'terminated with signal|Remote connection closed|exited|Remote communication error'
	gdb_end
	expect "$version: the VM is gone" wait_for 20 sh -c '[ -z "$("$KTB" list)" ]'
	for side in '<' '>' 'stub<' 'stub>'; do
		expect "$version: the transcript has $side" grep -qE "^[0-9]+\.[0-9]{6} $side \\$" "$tmp/trace"
	done
}

on_kernel 6.12 ''
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz
finish
