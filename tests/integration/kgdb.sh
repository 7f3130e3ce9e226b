#!/bin/sh
# timeout: 600
# KGDB over the serial line on each kernel, with a real GDB: what it can do, that the console loses nothing by it, and who may
# vanish at which moment.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export vm KTB XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
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
cc -O2 -static -o calls calls.c && cc -O2 -D_GNU_SOURCE -o rsp "$root/tests/rsp.c" || exit 1

# later COMMAND...: in the guest, once a debugger has let it go on; then, with INTERRUPT, that is interrupted.
cat >later <<'SH'
#!/bin/sh
for _ in $(seq 100); do
	"$KTB" exec --name "$vm" -- "$@" && break
	sleep 0.2
done >/dev/null 2>&1
[ -z "${INTERRUPT-}" ] || kill -INT "$INTERRUPT"
SH
chmod +x later

# What nobody but the console may take, though it looks like packets: ends with a $ and no line's end.
for i in 1 2 3 4 5 6 7 8; do
	echo "$i"' $OK#9a $T05thread:01;#07 +$?#3f- $S05#b8 costs $5 $W00#b7 $O41#b4 $g#67'
	seq -s ' ' 200
done >text
printf 'user$' >>text

# kgdb ARGS...: a session with GDB; what it prints on both is in $stdout.
kgdb()
{
	ran="ktb gdb --kgdb $*"
	stdout=$(timeout 120 "$KTB" gdb --quiet --kgdb --name "$vm" -- -batch "$@" 2>&1 </dev/null)
	status=$?
}

kgdb_background() { gdb_start "$KTB" gdb --quiet --kgdb --name "$vm" -- "$@"; }

in_guest() { timeout 60 "$KTB" exec --name "$vm" -- "$@"; }

server_pid() { pgrep -P "$(field "$vm" pid)" -x ktb-debug; }

answers() { "$KTB" exec --name "$vm" -- true; }

# The frames of a backtrace, as GDB and `ktb bt` write them: the functions' names.
frames_of_gdb() { printf '%s\n' "$stdout" | sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([A-Za-z0-9_.]*\) (.*/\2/p'; }

on_kernel()
{
	version=$1 source=$2 vm=k$3
	detach "$vm" --kgdb --port auto --memory 512M --source "$source" --files "$tmp/calls:/root/calls" \
		--files "$tmp/text:/root/text"
	await "$vm" "$version: it is up" answers

	kgdb -ex 'bt' -ex 'info threads' -ex 'lx-ps' -ex 'set var panic_timeout = 77' -ex 'p panic_timeout' \
		-ex 'monitor kdb summary' -ex 'monitor dmesg' -ex 'monitor nonsense' -ex 'stepi' -ex 'p $pc' -ex 'p $xmm0'
	expect_status "$version: GDB looks around" 0
	expect_match "$version: it has stopped in the kernel's debugger" '^#0 .*kgdb_breakpoint'
	expect_match "$version: by a BREAK" 'sysrq'
	expect_match "$version: CPUs are named by what they run" 'Thread [12] "CPU [01]: [a-z]'
	expect_match "$version: the kernel's GDB scripts work" '^0x[0-9a-f]+ +2 +kthreadd'
	expect_match "$version: memory is written" '= 77$'
	expect_match "$version: monitor reaches kdb" '^nodename +debugvm'
	expect_match "$version: and what ktb knows itself" 'Linux version'
	expect_match "$version: a command that is none is said to be none" 'kdb said nothing'
	expect_match "$version: registers that the kernel doesn't send are not made up" '= <unavailable>$'
	run in_guest cat /proc/sys/kernel/panic
	expect_equal "$version: detached it runs, and has what was written" "$stdout" 77

	# Two hundred calls, of which none is meant, and then one that is.
	kgdb -ex 'break __x64_sys_getppid if $ktb_pid > 100000' \
		-ex 'shell INTERRUPT=$PPID ./later /root/calls 200 &' -ex continue
	expect_match "$version: a false condition doesn't stop; Ctrl-C does" 'received signal SIGINT'
	kgdb -ex 'break __x64_sys_getppid' -ex 'shell ./later /root/calls 2 &' \
		-ex continue -ex bt -ex 'p $lx_current().comm' -ex 'stepi' -ex 'stepi' -ex 'next' -ex 'continue' -ex 'finish'
	expect_match "$version: a breakpoint stops" 'Breakpoint 1, __(x64|do)_sys_getppid'
	expect_match "$version: the backtrace reaches the entry" 'entry_SYSCALL_64'
	expect_match "$version: of the task that called" '= "calls'
	expect_equal "$version: it is hit again after steps" "$(printf '%s\n' "$stdout" | grep -c 'hit Breakpoint 1, ')" 2
	expect_match "$version: finish runs to the caller" '^Value returned is'
	expect "$version: no breakpoint is left" in_guest /root/calls 20

	# Sleeping tasks, and the same by ktb itself from the memory of a kernel that stands.
	kgdb -ex 'monitor tasks kthreadd' -ex 'info threads' -ex 'thread 3' -ex bt -ex 'shell "$KTB" bt --name "$vm" 2 >bt.ktb' -ex 'stepi' -ex 'thread 1'
	frames_of_gdb | grep -E 'schedule|kthreadd|ret_from_fork' | grep -v asm | sort -u >frames.gdb
	sed -n 's/^ *#*[0-9]* *//p' bt.ktb >frames.ktb
	expect "$version: a sleeping task's backtrace has frames" [ "$(wc -l <frames.gdb)" -ge 3 ]
	while read -r frame; do
		expect "$version: ktb bt sees $frame, too" grep -q "$frame" bt.ktb
	done <frames.gdb
	expect_match "$version: it can't be stepped" 'can.t be|only looked at|read-only|sleep'

	# Modules. A copy for GDB that was made of a stripped file, which has the same build ID, is none of this one.
	for copy in "$XDG_CACHE_HOME"/ktb/gdb-module/*/dummy.ko; do
		[ ! -e "$copy" ] || strip -g "$copy"
	done
	kgdb -ex 'shell ./later modprobe dummy &' -ex 'set breakpoint pending on' \
		-ex 'break dummy_init_module' -ex continue -ex 'bt 2' -ex 'info sharedlibrary'
	expect_match "$version: a module's symbols are there before its init function runs" 'dummy_init_module \(\) at .*dummy\.c:'
	expect_match "$version: from its file" 'Yes .*dummy.ko'

	# The console while a debugger is there.
	kgdb_background -ex continue
	expect "$version: a debugger lets it run" wait_for 60 gdb_says Continuing
	expect "$version: the guest goes on" wait_for 60 answers
	# What the kernel has to say would come in between.
	run in_guest sh -c 'echo 1 >/proc/sys/kernel/printk; stty -opost </dev/ttyS0; echo >/dev/ttyS0; echo "begin of text" >/dev/ttyS0; cat /root/text >/dev/ttyS0; echo >/dev/ttyS0; echo "end of text" >/dev/ttyS0'
	await_log "$vm" "$version: the guest has written" '^end of text'
	sed -n '/^begin of text/,/^end of text/p' "$(console_log "$vm")" | sed '1d;$d' >seen
	{ cat text; echo; } >meant
	stdout=$(diff seen meant | cut -c1-300)
	expect "$version: the console has what the guest wrote, byte for byte" cmp seen meant

	# What is typed while it stands is there when it goes on.
	kill -INT "$gdb"
	expect "$version: Ctrl-C stops it" wait_for 30 gdb_says 'received signal SIGINT'
	say "$vm" 'echo ty""ped'
	echo 'continue' >&9
	await_log "$vm" "$version: what was typed meanwhile arrives" '^typed'
	run in_guest sh -c 'echo 7 >/proc/sys/kernel/printk'

	# Whoever vanishes.
	run "$KTB" gdb --quiet --kgdb --name "$vm" -- -batch
	expect "$version: a second debugger is refused" matches "$stdout$stderr" 'another debugger is attached|one at a time'
	gdb_end
	expect "$version: a killed debugger leaves a guest that runs" wait_for 30 answers
	kgdb_background -ex 'break __x64_sys_getppid' -ex continue
	expect "$version: another one plants a breakpoint" wait_for 60 gdb_says Continuing
	kill -9 "$(server_pid)"
	expect "$version: its server killed, none is left" wait_for 60 in_guest /root/calls 20
	gdb_end

	# Again and again: one that breaks in, reads memory, and detaches.
	attached=0
	for _ in $(seq 50); do
		timeout 30 ./rsp "$(field "$vm" port)" read ffffffff81000000 40 1 >/dev/null 2>why && attached=$((attached + 1))
	done
	ran="attach and detach 50 times" status=$attached stdout='' stderr=$(cat why)
	expect "$version: 50 times in a row one attaches and detaches" [ "$attached" = 50 ]
	expect "$version: and the guest runs" wait_for 30 answers

	# kdb by hand.
	say "$vm" 'echo g >/proc/sysrq-trigger'
	await "$vm" "$version: SysRq-g leads to kdb, as ever" sh -c 'tail -c 20 "$1" | grep -q "kdb> $"' sh "$(console_log "$vm")"
	kgdb -ex 'bt 2'
	expect_match "$version: a debugger finds it waiting there" '^#0 .*kgdb_breakpoint'
	expect "$version: and lets it go on" wait_for 30 answers

	# A reset ends the session, and the next one is as good.
	kgdb_background -ex 'break __x64_sys_getppid' -ex continue
	expect "$version: a debugger is there" wait_for 60 gdb_says Continuing
	in_guest reboot -f >/dev/null 2>&1
	expect "$version: it is told of the reset" wait_for 30 gdb_says 'the kernel reboots, or powers off'
	gdb_end
	await "$vm" "$version: the guest is up again" answers
	expect_equal "$version: what the kernel said to the debugger then isn't on the console" "$(console "$vm" | grep -c '\$W01#b8')" 0
	kgdb -ex 'p 6 * 7'
	expect_match "$version: and can be debugged" '= 42$'
	expect "$version: it runs" wait_for 30 answers
	"$KTB" stop --quiet --force "$vm"
}

# --kgdb-wait; a line of KGDB's own.
on_lines()
{
	vm=w
	detach w --kgdb --kgdb-wait --port auto --memory 512M
	await_log w '--kgdb-wait: it waits early in boot' 'kdb>'
	kgdb -ex bt -ex 'break start_kernel' -ex 'tbreak do_sys_openat2' -ex continue -ex 'bt 1'
	expect_match '--kgdb-wait: the client finds it there' 'kgdb_initial_breakpoint|kgdb_arch_late|dbg_late_init|opt_kgdb_wait'
	expect_match '--kgdb-wait: breakpoints hold' 'do_sys_openat2 \('
	await w '--kgdb-wait: it boots' answers
	"$KTB" stop --quiet --force w

	vm=own
	detach own --kgdb --line ttyS1 --port auto --memory 512M --files "$tmp/calls:/root/calls"
	await own 'a line of its own: it is up' answers
	kgdb -ex 'bt 3' -ex 'break __x64_sys_getppid' -ex 'shell ./later /root/calls 1 &' \
		-ex continue -ex 'stepi' -ex 'bt 2'
	expect_match 'a line of its own: it stops by a BREAK on the console' '^#0 .*kgdb_breakpoint'
	expect_match 'a line of its own: breakpoints stop' 'Breakpoint 1, __(x64|do)_sys_getppid'
	expect 'a line of its own: it runs on' wait_for 30 answers
	expect 'a line of its own: no packet was on the console' sh -c '! grep -q "\$[A-Za-z0-9?].*#[0-9a-f][0-9a-f]" "$1"' sh "$(console_log own)"
	"$KTB" stop --quiet --force own
}

on_errors()
{
	vm=none
	detach none --kgdb --port auto --memory 256M --cmdline 'console=ttyS0,115200'
	await none 'without kgdboc=: it is up' answers
	kgdb -ex 'p 1'
	expect_match 'without kgdboc=: it is said what is missing' 'did not stop for BREAK.*(kgdboc|No KGDB)'
	expect 'without kgdboc=: the guest runs on' wait_for 30 answers
	"$KTB" stop --quiet --force none
	detach plain --port auto --memory 256M
	run "$KTB" gdb --kgdb --name plain -- -batch
	expect_status 'gdb --kgdb on a VM without: status 1' 1
	expect_error 'gdb --kgdb on a VM without: what to do' 'ktb vm --kgdb'
	"$KTB" stop --quiet --force plain
	run "$KTB" vm --kgdb --wait
	expect_status '--kgdb and --wait exclude each other' 2
	run "$KTB" vm --kgdb --raw-stub
	expect_status '--kgdb and --raw-stub exclude each other' 2
}

on_kernel 6.12 '' 12
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz 1
on_lines
on_errors
finish
