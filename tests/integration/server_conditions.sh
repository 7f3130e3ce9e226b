#!/bin/sh
# timeout: 900
# Conditions that the server evaluates hold as often as they do where GDB evaluates them itself, on each kernel; watchpoints of
# each kind; and what a debugger that is killed leaves of all that, where it shall leave the guest stopped.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export KTB XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# In the background: what is tried while a debugger has the guest stopped is refused, and tried again.
cat >in_guest <<'SH'
until "$KTB" exec -q -- sh -c "$1"; do
	sleep 0.2
done >/dev/null 2>&1
SH

# Harmless calls with all kinds of arguments, as soon as a variable of the kernel's has a value that a debugger gives it; then one
# that nobody else makes.
cat >calls.c <<'C'
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static const long numbers[] = {
	SYS_getpriority, SYS_getpgid, SYS_getsid, SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
	SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_dup, SYS_umask, SYS_alarm, SYS_setfsuid,
};

static int panic_timeout(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : -1;
}

int main(void)
{
	int fd = open("/proc/sys/kernel/panic", O_RDONLY);

	while (panic_timeout(fd) != 42)
		usleep(50000);
	for (long i = -20; i < 20; i++) {
		for (unsigned int n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
			syscall(numbers[n], i < 0 ? i * 0x123456789L : i, i * 37, ~i);
	}
	syscall(SYS_setfsgid, -1);
	return 0;
}
C
cc -O2 -static -o calls calls.c || exit 1

# FUNCTION CONDITION: one for each function, so that none hides what is wrong with another.
cat >conditions <<'CONDITIONS'
getpriority ((struct pt_regs *)$rdi)->di % 3 == 1
getpgid (int)((struct pt_regs *)$rdi)->di < -2
getsid (unsigned char)((struct pt_regs *)$rdi)->si > 200 || (short)((struct pt_regs *)$rdi)->di == 7
sched_getscheduler ((struct pt_regs *)$rdi)->di >> 2 == 3 && !(((struct pt_regs *)$rdi)->si & 4)
sched_get_priority_max (long)((struct pt_regs *)$rdi)->si / 5 == -3
sched_get_priority_min *(unsigned char *)(((struct pt_regs *)$rdi)->sp & ~7) != 0
getuid init_task.comm[((struct pt_regs *)$rdi)->di & 7] == 97
geteuid ($ktb_pid > 1 ? (long)((struct pt_regs *)$rdi)->dx : 0) > 3
getgid $ktb_pid == $ktb_tgid && ((struct pt_regs *)$rdi)->di + ((struct pt_regs *)$rdi)->dx == -1
getegid -((struct pt_regs *)$rdi)->si * 3 == 111 || ~((struct pt_regs *)$rdi)->dx == 5
dup init_task.pid == 0 && init_task.thread_info.flags >= 0 && (((struct pt_regs *)$rdi)->di ^ 5) < 4
umask (unsigned int)((struct pt_regs *)$rdi)->di << 28 == 0xf0000000
alarm ((struct pt_regs *)$rdi) > (struct pt_regs *)0xffff800000000000 && $rsp > $rdi
setfsuid *(unsigned long *)(((struct pt_regs *)$rdi)->di) == 0 || 1
CONDITIONS

# counts EVALUATED-BY: how often each held, in the order of the table.
counts()
{
	run "$KTB" exec -- sh -c '/root/calls >/dev/null 2>&1 </dev/null &'
	set -- -ex "set breakpoint condition-evaluation $1"
	while read -r function condition; do
		# What GDB evaluates itself it doesn't where memory can't be read, and stops.
		[ "$function" != setfsuid ] || continue
		set -- "$@" -ex "break *__x64_sys_$function if $condition" -ex 'ignore $bpnum 100000'
	done <conditions
	stdout=$(plain_gdb -iex 'set auto-load no' "$vmlinux" -ex 'set width 0' -ex "target remote localhost:$port" "$@" \
		-ex 'tbreak *__x64_sys_setfsgid' -ex 'set var panic_timeout = 42' -ex continue -ex 'set var panic_timeout = 1' \
		-ex 'info breakpoints' 2>&1 </dev/null)
	printf '%s\n' "$stdout" | awk '
		/^[0-9]+ +breakpoint / { if (n) print n, hits; n++; hits = 0 }
		/breakpoint already hit / { hits = $4 }
		END { if (n) print n, hits }'
}

# gdb_batch COMMAND...: what GDB says to these is in $stdout.
gdb_batch()
{
	ran="gdb $*"
	for command; do
		set -- "$@" -ex "$command"
		shift
	done
	stdout=$(plain_gdb -iex 'set auto-load no' "$vmlinux" -ex 'set width 0' -ex "target remote localhost:$port" "$@" 2>&1 </dev/null)
}

on_kernel()
{
	version=$1 source=$2

	detach vm --port auto --memory 512M --source "$source" --files "$tmp/calls:/root/calls" --on-disconnect stop --trace-rsp "$tmp/trace"
	run "$KTB" exec -- true
	expect_status "$version: it is up" 0
	port=$(field vm port) vmlinux=$(field vm vmlinux)

	by_gdb=$(counts host)
	: >trace
	by_server=$(counts target)
	expect_equal "$version: conditions hold as often as GDB says" "$by_server" "$by_gdb"
	# And the last one, which has no condition.
	held=$(printf '%s\n' "$by_gdb" | awk '{ n += $2 } END { print n + 1 }')
	expect "$version: most of them sometimes, and not always" \
		[ "$(printf '%s\n' "$by_gdb" | awk '$2 > 0 && $2 < 40 { n++ } END { print n + 0 }')" -ge 9 ]
	expect_equal "$version: and GDB hears of nothing else" "$(grep -cE ' > \$T05.*swbreak:' trace)" "$held"

	# Memory that can't be read is a reason to stop, and said.
	gdb_batch "$(sed -n 's/^setfsuid \(.*\)/break *__x64_sys_setfsuid if \1/p' conditions)" \
		'shell sh in_guest "echo 42 >/proc/sys/kernel/panic; /root/calls" &' continue
	expect_match "$version: a condition that can't be evaluated stops" 'could not be evaluated, so it stops: memory that can.t be read'

	gdb_batch 'rwatch panic_timeout' 'shell sh in_guest "cat /proc/sys/kernel/panic" &' continue 'info watchpoints'
	expect_match "$version: a read is seen" '^Hardware read watchpoint 1: panic_timeout'
	expect_match "$version: and counted" 'breakpoint already hit 1 time'
	gdb_batch 'awatch panic_timeout' \
		'shell sh in_guest "echo 5 >/proc/sys/kernel/panic; cat /proc/sys/kernel/panic" &' \
		continue continue 'info watchpoints'
	expect_match "$version: a write is seen by who waits for any access" '^New value = 5'
	expect_match "$version: and a read" '^Value = 5'
	gdb_batch 'watch panic_timeout if panic_timeout == 9' \
		'shell sh in_guest "for n in 7 8 9; do echo \$n >/proc/sys/kernel/panic; done" &' continue
	expect_match "$version: a write that a condition is about" '^New value = 9'
	expect_equal "$version: and none before" "$(printf '%s\n' "$stdout" | grep -c '^New value')" 1

	# It stays stopped, without what the debugger had planted, for the next one.
	gdb_start gdb -nx -q -iex "set index-cache directory $XDG_CACHE_HOME/ktb/gdb-index" -iex 'set index-cache enabled on' \
		-iex 'set auto-load no' "$vmlinux" -ex "target remote localhost:$port" -ex 'break __x64_sys_getpgid' \
		-ex 'watch panic_timeout' -ex continue
	expect "$version: a debugger lets it run" wait_for 120 gdb_says Continuing
	gdb_end
	expect "$version: killed, it leaves the guest stopped, as it shall" wait_for 20 is_listed vm paused
	gdb_batch 'print panic_timeout' 'info registers rip'
	expect_match "$version: the next one finds it there" '= 9$'
	run timeout 30 "$KTB" exec -- sh -c 'echo 42 >/proc/sys/kernel/panic; /root/calls'
	expect_status "$version: and nothing stops it that the first had planted" 0
	run "$KTB" stop
}

on_kernel 6.12 ''
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz
finish
