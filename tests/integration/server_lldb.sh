#!/bin/sh
# timeout: 900
# The debug server with a real LLDB on each kernel: what it shows, breakpoints, steps, watchpoints, modules that come and go.
# shellcheck disable=SC2016,SC2317 # expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

field()
{
	"$KTB" list --json | sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"
}

runs() { [ "$(field status)" = running ]; }

gone() { [ -z "$(field name)" ]; }

no_copies() { ! ls "$XDG_CACHE_HOME/ktb/lldb-module/$server" >/dev/null 2>&1; }

# lldb_batch COMMANDS...: LLDB on the debug port; what it prints on both is in $stdout. Each is a command of its own.
#
# It has time: a function with a part in .text.unlikely is all that lies between to LLDB 14, and when one that is split so (6.1:
# do_init_module, load_module, alloc_netdev_mqs) is on the stack, it may disassemble those 5 MB, in a time that grows with their
# square. That is 15 s of a processor for each.
lldb_batch()
{
	printf 'target create "%s"\n' "$vmlinux" >"$tmp/symbols"
	lldb_without_symbols "$@"
}

# lldb_without_symbols COMMANDS...: the same, but that it doesn't read the kernel's, which takes it three seconds.
lldb_without_symbols()
{
	ran="lldb $*"
	{
		cat "$tmp/symbols"
		printf 'gdb-remote %s\n' "$port"
		printf '%s\n' "$@"
	} >"$tmp/commands"
	: >"$tmp/symbols"
	stdout=$(timeout 300 lldb --batch --no-lldbinit -s "$tmp/commands" 2>&1 </dev/null)
	status=$?
}

# meanwhile SHELL-COMMAND...: has the guest do something as soon as LLDB has let it go on.
meanwhile()
{
	: >"$tmp/trace"
	(
		timeout 60 sh -c "until grep -q '< [$]c\$' \"\$1\"; do sleep 0.1; done" sh "$tmp/trace"
		timeout 100 "$KTB" exec -- sh -c "$*"
	) >/dev/null 2>&1 &
}

on_kernel()
{
	version=$1 source=$2

	run "$KTB" vm --detach --port auto --memory 512M --source "$source" --trace-rsp "$tmp/trace"
	expect_status "$version: a VM runs" 0
	port=$(field port) vmlinux=$(field vmlinux)
	build=${vmlinux%/vmlinux}
	run "$KTB" push "$build/drivers/net/dummy.ko" "$build/fs/nls/nls_cp437.ko" /root/
	expect_status "$version: it has modules" 0
	run "$KTB" exec -- insmod /root/nls_cp437.ko
	expect_status "$version: one is loaded" 0

	meanwhile 'true; true'
	lldb_batch 'thread list' 'bt' 'register read rip cr3' 'memory read -f x -s 4 -c 1 &panic_timeout' \
		'expression panic_timeout = 77' 'image list' 'image lookup -n exit_nls_cp437' \
		'process plugin packet monitor info status' 'process plugin packet monitor lsmod' \
		'breakpoint set -n kernel_clone' 'continue' 'bt' 'thread step-inst' 'next' 'breakpoint delete -f' \
		'watchpoint set variable jiffies_64' 'continue' 'watchpoint delete -f' detach
	expect_status "$version: LLDB looks around" 0
	expect_match "$version: CPUs are named by what they run" "thread #2.*name = 'CPU 1: [a-z]"
	expect_match "$version: functions have file and line" 'frame #[0-9]*: 0xffffffff[0-9a-f]* vmlinux`[a-z_]+.* at [a-z_0-9]+\.[chS]:[0-9]+'
	expect_match "$version: registers of the system are there" 'cr3 = 0x'
	expect_match "$version: memory is read" '^0xffffffff[0-9a-f]*: 0x'
	expect_match "$version: a module that was there has symbols" 'Summary: nls_cp437.ko`exit_nls_cp437 at nls_cp437.c:'
	expect_match "$version: QEMU's monitor is reached" 'VM status: paused'
	expect_match "$version: a breakpoint stops" 'stop reason = breakpoint 1\.1'
	expect_match "$version: the backtrace names its function" '\* frame #0: .*`kernel_clone'
	expect_match "$version: it steps an instruction" 'stop reason = instruction step into'
	expect_match "$version: and a line" 'stop reason = step over'
	expect_match "$version: a watchpoint stops" 'stop reason = watchpoint 1'
	expect "$version: detached it runs" wait_for 10 runs
	run "$KTB" exec -- cat /proc/sys/kernel/panic
	expect_equal "$version: the guest sees what was written" "$stdout" 77

	# Its init function is in a section of its own, which LLDB would put elsewhere; nls_cp437's was where dummy's will be.
	meanwhile 'insmod /root/dummy.ko; rmmod dummy; rmmod nls_cp437'
	lldb_batch 'breakpoint set -n dummy_init_module' 'breakpoint set -n dummy_setup' continue continue bt \
		'image lookup -n exit_nls_cp437' continue bt continue 'breakpoint delete -f' continue 'image list' detach
	server=$(printf '%s\n' "$stdout" | sed -n 's|.*/lldb-module/\([0-9]*\)/.*|\1|p' | head -n 1)
	expect_match "$version: a load stops" 'stop reason = modules were loaded or unloaded'
	expect_match "$version: the init function of a module is hit" 'stop reason = breakpoint 1\.'
	expect_match "$version: with its line" '\* frame #0: .* dummy.ko`dummy_init_module at dummy.c:'
	expect_match "$version: a function of the module is hit" '\* frame #0: .* dummy.ko`dummy_setup.* at dummy.c:'
	expect_match "$version: an unload stops" 'frame #0: .*`free_module'
	expect "$version: detached it runs on" wait_for 10 runs
	expect "$version: no copy of a module stays" wait_for 10 no_copies

	kernel_clone=0x$(nm "$vmlinux" | sed -n 's/ T kernel_clone$//p')
	lldb_without_symbols "breakpoint set -a $kernel_clone" 'process kill'
	expect_match "$version: LLDB's kill is a way to leave" 'exited with status = 9'
	expect "$version: the machine runs on" wait_for 10 runs
	expect "$version: without its breakpoint" timeout 20 "$KTB" exec -- true
	lldb_without_symbols "breakpoint set -a $kernel_clone" quit
	expect "$version: and so is quit" wait_for 10 runs
	expect "$version: without a breakpoint, too" timeout 20 "$KTB" exec -- true
	lldb_without_symbols 'process plugin packet monitor quit'
	expect "$version: QEMU's quit ends it" wait_for 20 gone
}

# LLDB reads the answer to qOffsets in a way of its own.
with_kaslr()
{
	run "$KTB" vm --detach --port auto --memory 512M --kaslr
	run "$KTB" exec -- true
	expect_status 'KASLR: a VM runs' 0
	port=$(field port) vmlinux=$(field vmlinux)
	lldb_batch bt detach
	expect_match 'KASLR: functions have names' 'frame #[0-9]*: .* vmlinux`[a-z_]+.* at [a-z_0-9]+\.[chS]:[0-9]+'
	run "$KTB" stop --all
	expect_status 'KASLR: it ends' 0
}

with_kaslr
on_kernel 6.12 ''
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz
finish
