#!/bin/sh
# timeout: 450
# From a built kernel to a breakpoint, on each kernel: the demo, and ktb gdb with all that it promises.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# gdb_batch ARGS...: of ktb gdb; what GDB prints on both is in $stdout.
gdb_batch()
{
	ran="ktb gdb $*"
	stdout=$(timeout 120 "$KTB" gdb "$@" 2>"$tmp/stderr" </dev/null)
	status=$?
	stderr=$(cat "$tmp/stderr")
}

on_kernel()
{
	version=$1 source=$2

	run timeout 300 "$KTB" demo --source "$source"
	expect_status "$version: the demo succeeds" 0
	expect_match "$version: the demo shows the frame with file and line" '^#0 +kernel_clone \(.* at .*/fork\.c:[0-9]+'
	expect_match "$version: the demo shows registers" '^rip +0x[0-9a-f]+'
	expect_match "$version: the demo lists tasks" '0x[0-9a-f]+ +1 +init'
	expect_match "$version: the demo shows the kernel's log" "Linux version $version"
	expect_equal "$version: the demo leaves no VM" "$("$KTB" list)" ''

	run "$KTB" vm --detach --port auto --memory 512M --source "$source"
	expect_status "$version: a VM runs in the background" 0
	expect "$version: it comes up" wait_for 90 log_has vm 'debugvm:'
	say vm 'while sleep 0.2; do /bin/true; done &'

	gdb_batch --break kernel_clone -- -batch -ex continue -ex bt -ex list -ex 'info symbol $pc' -ex delete \
		-ex lx-version -ex 'info sharedlibrary'
	expect_status "$version: ktb gdb ends well" 0
	expect_match "$version: it stops at the breakpoint" 'Breakpoint 1, kernel_clone'
	expect_match "$version: the backtrace reaches the system call" '^#[0-9]+ .*do_syscall_64 .*common\.c:[0-9]+'
	expect_match "$version: list shows the source" '^[0-9]+[[:space:]]+(pid_t kernel_clone|\{)'
	expect_match "$version: the helpers are loaded" "^Linux version $version"

	run "$KTB" exec -- modprobe dummy
	gdb_batch -- -batch -ex 'info line dummy_setup' -ex "lx-symbols $("$KTB" build -q --source "$source" |
		sed -n 's/^build  *//p')" -ex 'info line dummy_setup'
	expect_equal "$version: a module has its symbols, before lx-symbols FOLDER and after it" \
		"$(printf '%s\n' "$stdout" | grep -cE 'Line [0-9]+ of ".*drivers/net/dummy\.c"')" 2
	expect_equal "$version: and nothing is complained about" "$(printf '%s\n' "$stdout$stderr" |
		grep -iE 'warning|error|traceback|auto-load')" ''
	expect_equal "$version: GDB lets the guest go on" "$(field vm status)" running

	gdb_batch --break do_fork -- -batch -ex 'info breakpoints'
	expect_error "$version: do_fork is translated, with a note" 'do_fork.*kernel_clone'
	expect_match "$version: and set" 'kernel_clone'
	gdb_batch --break sys_open -- -batch -ex 'info breakpoints'
	expect_error "$version: sys_open is openat, and the note names both" '__x64_sys_openat.*__x64_sys_open|__x64_sys_open[^a].*__x64_sys_openat'
	expect_match "$version: and set there" '__x64_sys_openat'
	gdb_batch --break sys_read -- -batch -ex 'info breakpoints'
	expect_match "$version: any other system call by its name" '__x64_sys_read'
	gdb_batch --break kernel_clon -- -batch
	expect_status "$version: an unknown name is an error" 1
	expect_error "$version: that lists near ones" 'kernel_clone'

	# The user's own settings come through, and win.
	echo 'set $mine = 42' >"$HOME/.gdbinit"
	gdb_batch -- -batch -ex 'print $mine'
	expect_match "$version: the user's gdbinit is respected" '= 42'
	rm "$HOME/.gdbinit"

	# By hand, as ktb vm says.
	port=$(field vm port)
	stdout=$(plain_gdb "$(field vm vmlinux)" -ex "target remote localhost:$port" -ex 'print init_task.comm' 2>&1)
	expect_match "$version: GDB by hand" '"swapper'

	# A vmlinux of another kernel.
	cp "$KTB" "$tmp/other"
	gdb_batch --vmlinux "$tmp/other" -- -batch
	expect_status "$version: a vmlinux that isn't the running kernel's is refused" 1
	expect_error "$version: both build IDs are shown" '[0-9a-f]{40}.*[0-9a-f]{40}|[0-9a-f]{40}$'

	# A module, by hand: its symbols from the build.
	say vm 'modprobe dummy && echo loaded'
	gdb_batch -- -batch -ex 'lx-lsmod'
	expect_match "$version: modprobe works" 'dummy'

	run "$KTB" stop
	expect_status "$version: ktb stop" 0
	gdb_batch -- -batch
	expect_error "$version: without a VM it says what to do" 'ktb vm'
	expect_equal "$version: nothing is left in the run directory" "$(ls "$tmp/run/ktb")" ''
}

on_kernel 6.12 "$(ls /usr/src/linux-source-6.12.tar.*)"
on_kernel 6.1 "$(ls /usr/src/linux-source-6.1.tar.*)"

# The guest reboots under a debugger: told once, held once, and GDB knows where it is in the new boot.
run "$KTB" vm --detach --verbose --port auto --memory 512M
expect 'a VM to be rebooted comes up' wait_for 90 log_has vm 'debugvm:'
# It is typed while the guest stands still, and read when it goes on.
gdb_batch -- -batch -ex 'hbreak start_kernel' \
	-ex "shell printf 'reboot -f\\r' | socat -u - UNIX-CONNECT:$tmp/run/ktb/vm/serial.sock" -ex continue -ex 'echo held\n' -ex continue -ex bt -ex delete
expect_status 'a reboot under GDB: the session ends well' 0
expect_match 'GDB is told of the reset' 'received signal SIGQUIT'
expect_match 'and stops in the next boot' '^#0  start_kernel'
expect_equal 'once' "$(printf '%s\n' "$stdout" | grep -c 'received signal')" 1
expect 'ktb said that it is held' grep -q 'it is held at reset until the debugger continues' "$tmp/run/ktb/vm/ktb.log"
expect_equal 'one reset was enough' "$(grep -c 'event RESET$' "$tmp/run/ktb/vm/ktb.log")" 1
is_up_again()
{
	[ "$(grep -c 'Run /init' "$tmp/run/ktb/vm/console.log")" = 2 ]
}
expect 'the guest comes up' wait_for 90 is_up_again
expect_equal 'and runs' "$(field vm status)" running
gdb_batch -- -batch -ex lx-version
expect_match 'a debugger can attach as before' '^Linux version'
run "$KTB" stop
expect_status 'the guest that was rebooted is stopped' 0

# With KASLR it boots and can be debugged as without: the server says where the kernel is.
run "$KTB" vm --detach --kaslr --port auto --memory 512M
expect_status 'a VM with --kaslr runs' 0
expect 'it comes up' wait_for 90 log_has vm 'debugvm:'
expect_equal 'without nokaslr' "$(field vm cmdline | grep -c nokaslr)" 0
gdb_batch -- -batch -ex 'p &init_task.comm' -ex 'p init_task.comm' -ex 'info line kernel_clone'
expect_status 'ktb gdb attaches to it' 0
expect_match 'and has the variables of the kernel that was moved' '= "swapper'
expect_match 'and its code' 'Line [0-9]+ of ".*fork\.c" starts at address 0xffffffff'
expect_equal 'elsewhere than in vmlinux' "$(printf '%s\n' "$stdout" | grep -c "$(nm "$(field vm vmlinux)" |
	awk '$3 == "kernel_clone" { print $1 }')")" 0
run "$KTB" stop
expect_status 'it is stopped' 0

# Early in boot: the CPUs wait for the debugger.
run "$KTB" vm --detach --wait --port auto --memory 512M
expect_status 'a VM waits at reset' 0
expect_equal 'and says so' "$(field vm status)" waiting
gdb_batch --break start_kernel -- -batch -ex continue -ex bt
expect_match 'a breakpoint in start_kernel is hit' 'Breakpoint 1, start_kernel'
run "$KTB" stop --force
expect_status 'it is ended by force' 0

finish
