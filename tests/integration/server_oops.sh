#!/bin/sh
# timeout: 420
# Where the kernel says that something went wrong, GDB stops, and has the registers of the culprit: on each kernel.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1; forget_modules'

# Its folders in the cache go with the test's.
forget_modules()
{
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do
		case $(readlink "$_f") in
		"$tmp"/*) rm -rf "${_f%/src/*}" ;;
		esac
	done
}

field()
{
	"$KTB" list --json | sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"
}

# gdb_after HOW ARGS...: GDB goes on, and in the guest HOW is written to the module's file.
gdb_after()
{
	how=$1
	shift
	ran="gdb after $how"
	export how
	stdout=$(plain_gdb -iex 'set auto-load no' "$vmlinux" -ex 'set width 0' \
		-ex "target remote localhost:$port" \
		-ex 'shell "$KTB" exec -- sh -c "echo $how >/proc/faulty" >/dev/null 2>&1 &' -ex continue "$@" 2>&1 </dev/null)
	status=$?
}

# The culprit is the last thread, behind the two CPUs.
culprit() { set -- -ex 'info threads' -ex 'thread 3' -ex bt "$@"; gdb_after "$how" "$@"; }

line_of() { grep -n "$1" faulty/faulty.c | cut -d: -f1; }

make_module()
{
	mkdir faulty
	echo 'obj-m := faulty.o' >faulty/Kbuild
	cat >faulty/faulty.c <<'C'
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
static noinline void faulty_store(int *to)
{
	*to = 42; /* stored here */
	barrier();
}
static ssize_t faulty_write(struct file *file, const char __user *from, size_t n, loff_t *at)
{
	char how;
	if (get_user(how, from))
		return -EFAULT;
	if (how == 'n')
		faulty_store((int *)16);
	else if (how == 'g')
		faulty_store((int *)0x1122334455667788);
	else if (how == 'b')
		BUG(); /* a bug */
	else if (how == 'w')
		WARN(1, "it says %d\n", 42); /* a warning */
	return n;
}
static const struct proc_ops faulty_ops = { .proc_write = faulty_write };
static int __init faulty_init(void)
{
	return proc_create("faulty", 0600, NULL, &faulty_ops) ? 0 : -ENOMEM;
}
module_init(faulty_init);
MODULE_LICENSE("GPL");
C
}

on_kernel()
{
	version=$1 source=$2

	run "$KTB" vm --detach --port auto --memory 512M --source "$source" --stop-on oops,panic,warn
	expect_status "$version: a VM runs" 0
	run timeout 120 "$KTB" module faulty --load
	expect_status "$version: a module that does wrong is loaded" 0
	port=$(field port) vmlinux=$(field vmlinux)

	how=warn
	culprit
	expect_match "$version: a warning stops" "^warn: WARNING at .*/faulty\.c:$(line_of 'a warning'), in faulty_write\+0x[0-9a-f]+ \[faulty\]; "
	expect_match "$version: with a signal that says nothing" 'received signal SIGTRAP'
	expect_match "$version: the culprit's stack begins at its line" "^#0 .*faulty_write .*faulty\.c:$(line_of 'a warning')"
	run "$KTB" exec -- dmesg
	expect_match "$version: afterwards the kernel goes on with it" 'it says 42'

	how=null
	culprit -ex 'p $rip' -ex 'p to' -ex 'p $_thread' -ex stepi -ex 'set var $rax = 1'
	expect_match "$version: a null pointer stops" '^oops: BUG: kernel NULL pointer dereference, address: 0+10, in faulty_store\+0x[0-9a-f]+ \[faulty\]; '
	expect_match "$version: as it does a process" 'received signal SIGSEGV'
	expect_match "$version: on the CPU that runs it" '^\* [12] .*__die \('
	expect_match "$version: the culprit is a thread" '3 +Thread 900000[12] "oops: sh/[0-9]+ at faulty_store\+0x'
	expect_match "$version: the stack begins at the line" "^#0 .*faulty_store .*faulty\.c:$(line_of 'stored here')"
	expect_match "$version: and has the callers" "^#1 .*faulty_write .*faulty\.c:"
	expect_match "$version: up to the system call" '^#[0-9]+ .*ksys_write'
	expect_match "$version: and the values" '= \(int \*\) 0x10'
	expect_match "$version: a culprit makes no step" 'can only be looked at; thread [12] is the CPU'
	run "$KTB" exec -- dmesg
	expect_match "$version: the kernel has gone on with its oops" 'end trace'

	how=gp
	culprit
	expect_match "$version: a general protection fault says what the kernel says" '^oops: general protection fault.*, in faulty_store\+0x'
	expect_match "$version: with its line" "^#0 .*faulty_store .*faulty\.c:$(line_of 'stored here')"

	gdb_after bug -ex 'thread 3' -ex bt -ex 'shell (sleep 3; kill -INT $PPID) &' -ex continue -ex 'info threads'
	expect_match "$version: BUG() says where" "^bug: kernel BUG at .*/faulty\.c:$(line_of 'a bug')!, in faulty_write\+0x"
	expect_match "$version: with a signal of its own" 'received signal SIGILL'
	expect_match "$version: and its line" "^#0 .*faulty_write .*faulty\.c:$(line_of 'a bug')"
	expect_match "$version: going on, there is no second stop for it" 'received signal SIGINT'
	expect_equal "$version: nor a second word" "$(printf '%s\n' "$stdout" | grep -c '^\(bug\|oops\): ')" 1
	expect_equal "$version: and no culprit any more" "$(printf '%s\n' "$stdout" | grep -c '^[* ] *3 ')" 0

	"$KTB" exec -- sh -c 'echo 1 >/proc/sys/kernel/panic_on_oops'
	gdb_after null -ex continue -ex bt
	expect_match "$version: an oops that is a panic is an oops" '^oops: BUG: kernel NULL'
	expect_match "$version: and then a panic" '^panic: Fatal exception, in oops_end[.a-z]*\+0x'
	expect_match "$version: with a signal of its own" 'received signal SIGABRT'
	expect_match "$version: and who called it" '^#1 .*oops_end'
	"$KTB" stop --force >/dev/null 2>&1
}

run "$KTB" vm --print-command --stop-on oops,nonsense
expect_status 'a word that is none is refused' 2
expect_error 'and the words are named' "'oops,nonsense': what a debugger stops at is said by oops, bug, panic and warn"

make_module
on_kernel 6.12 ''
old=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)
if [ -n "$old" ]; then
	on_kernel 6.1 "$old"
else
	skip '6.1' 'linux-source-6.1 is not installed'
fi
finish
