#!/bin/sh
# timeout: 600
# Modules as libraries of a real GDB on each kernel: those that come, go, and come back rebuilt; a kernel that KASLR has moved;
# and what a reboot leaves of all that.
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the shell of GDB; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export KTB XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1; forget_modules'

# forget_copies BUILD_ID (a pattern): what debuggers had of it.
forget_copies()
{
	# shellcheck disable=SC2086 # a pattern
	rm -rf "$XDG_CACHE_HOME"/ktb/gdb-module/$1 "$XDG_CACHE_HOME"/ktb/gdb-index/$1.*
}

build_id()
{
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

# Its folders in the cache go with the test's.
many=
forget_modules()
{
	set -f
	for _f in $many; do
		set +f
		forget_copies "$_f"
	done
	set +f
	for _f in "$XDG_CACHE_HOME"/ktb/gdb-module/*/hello.ko; do
		[ ! -e "$_f" ] || forget_copies "$(basename "$(dirname "$_f")")"
	done
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do
		case $(readlink "$_f") in
		"$tmp"/*) rm -rf "${_f%/src/*}" ;;
		esac
	done
}

make_module()
{
	rm -rf hello
	mkdir hello
	echo 'obj-m := hello.o' >hello/Kbuild
	cat >hello/hello.c <<'C'
#include <linux/module.h>
#include <linux/percpu.h>
static DEFINE_PER_CPU(int, hello_count) = 7;
static int hello_answer = 42;
static int __init hello_init(void)
{
	this_cpu_inc(hello_count);
	return hello_answer < 0;
}
static void __exit hello_exit(void)
{
	hello_answer++;
}
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
C
}

# What the guest is told to do while GDB looks: each line one thing. While GDB has stopped it, it takes nothing, so that is
# tried again.
in_background()
{
	{
		cat <<'AGAIN'
again()
{
	for i in $(seq 150); do
		"$@" && return
		sleep 0.2
	done
	exit 1
}

guest() { "$KTB" exec --name "$VM" -- sh -c "$1"; }

# What was begun may have been done all the same.
load()
{
	"$KTB" module --name "$VM" "$1" --load || guest "grep -q '^$1 ' /proc/modules"
}

unload() { guest "rmmod $1; ! grep -q '^$1 ' /proc/modules"; }
AGAIN
		sed 's/^\(guest\|load\|unload\|"\$KTB"\) /again &/'
	} >background
	echo 'shell (sh background >background.log 2>&1 &)'
}

# gdb_on VM COMMAND...: what GDB says to these is in $stdout, and in gdb.out while it runs: there `source said` finds the command
# that a message names.
gdb_on()
{
	vm=$1 ran="GDB on $1"
	shift
	for command; do
		set -- "$@" -ex "$command"
		shift
	done
	plain_gdb -iex 'set auto-load no' "$(field "$vm" vmlinux)" -ex 'set pagination off' -ex 'set width 0' \
		-ex 'set breakpoint pending on' -ex "target remote localhost:$(field "$vm" port)" "$@" >gdb.out 2>&1 </dev/null
	stdout=$(cat gdb.out)
}

# count REGEX: in how many lines of the last one's.
count()
{
	printf '%s\n' "$stdout" | grep -cE -e "$1"
}

as_said='shell sed -n "s/.*have them moved by: \(symbol-file -o [^ ]* [^ ]*\).*/\1/p" gdb.out | tail -n 1 >said'

# Breakpoints that wait for a module, in code that runs when it comes and when it goes, and that is elsewhere in the next one.
test_coming()
{
	run timeout 120 "$KTB" module --source "$source" hello
	expect_status "$1: a module is built" 0
	background=$(in_background <<'SH'
load hello
unload hello
sed -i '1i\\n\n' hello/hello.c
sed -i 's/ = 42/ = 43/' hello/hello.c
load hello
guest 'modprobe dummy'
SH
)
	gdb_on "$1" 'break hello_init' 'break hello_exit' 'break dummy_setup' "$background" continue 'backtrace 3' \
		'print hello_answer' 'info symbol hello_exit' 'echo null:' 'info symbol 0' 'monitor read hello_count[cpu 0]' continue 'backtrace 1' \
		continue 'backtrace 3' 'print hello_answer' 'info sharedlibrary' continue 'backtrace 1' 'info sharedlibrary'
	expect_match "$1: it stops in the init function, by its line" "hit Breakpoint 1, hello_init \(\) at $tmp/hello/hello.c:6"
	expect_match "$1: called by the kernel" '^#1 .* do_one_initcall .*main\.c:[0-9]+'
	expect_match "$1: through the function that inserts it" '^#2 .* do_init_module .*main\.c:[0-9]+'
	expect_match "$1: its variables are there" '= 42$'
	expect_match "$1: its functions have names" '^(hello_exit|cleanup_module) in section \.exit\.text of '
	expect_equal "$1: a null pointer has no name of a module's" "$(count '^null:.*\.ko')" 0
	expect_match "$1: a per-CPU variable of it is read" '^\(int\) 7$'
	expect_match "$1: it stops when it goes" 'hit Breakpoint 2, hello_exit'
	expect_match "$1: and in the next one, where that has it" "hit Breakpoint 1, hello_init \(\) at $tmp/hello/hello.c:9"
	expect_match "$1: with what that has" '= 43$'
	expect_match "$1: and in a module of the kernel's" 'hit Breakpoint 3, dummy_setup .*drivers/net/dummy.c:[0-9]+'
	expect_equal "$1: each has its file" "$(count 'Yes  .*/(hello|dummy)\.ko$')" 3
}

# A file that was built again since: said once, and not taken.
test_stale()
{
	sed -i 's/ = 43/ = 44/' hello/hello.c
	run timeout 120 "$KTB" module --source "$source" hello
	background=$(in_background <<'SH'
guest 'modprobe loop'
unload loop
guest 'mknod /tmp/nonesuch p; [ -p /tmp/nonesuch ]'
SH
)
	gdb_on "$1" 'break hello_exit' 'break loop_init' 'break do_mknodat' "$background" continue 'info sharedlibrary' continue
	expect_equal "$1: a file that is another one is told of once" "$(count 'module hello has no symbols here: .*hello.ko was built again since it was loaded')" 1
	expect_equal "$1: and not taken" "$(count '^0x.*hello\.ko')" 0
	expect_match "$1: others are" 'hit Breakpoint 2.*loop_init'
	expect_match "$1: which leave nothing behind" 'hit Breakpoint 3.*do_mknodat'
	timeout 20 "$KTB" exec --name "$1" -- rmmod hello
}

# A hundred: the same file, with other names of the same length in it, and other build IDs. One is compressed.
test_many()
{
	rm -rf m00 many
	mkdir m00 many
	echo 'obj-m := m00.o' >m00/Kbuild
	sed 's/hello/m00/g; s/ = 4[0-9]/ = 42/' hello/hello.c >m00/m00.c
	run timeout 120 "$KTB" module --source "$source" m00
	id=$(readelf -SW "$stdout" | sed -n 's/.* \.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\).*/\1/p')
	for i in $(seq -w 0 99); do
		LC_ALL=C sed "s/m00/m$i/g" "$stdout" >"many/m$i.ko"
		printf '%s' "$i" | dd of="many/m$i.ko" bs=1 seek=$((0x$id + 34)) conv=notrunc 2>/dev/null
	done
	"$KTB" push --name "$1" many /tmp/many
	xz many/m50.ko
	rm many/m51.ko
	printf '\3757zXZ\0damaged' >many/m51.ko.xz
	background=$(in_background <<'SH'
guest 'for m in /tmp/many/*.ko; do n=${m##*/}; grep -q "^${n%.ko} " /proc/modules || insmod $m || exit 1; done'
SH
)
	began=$(date +%s%N)
	gdb_on "$1" 'break m99_init' 'break m50_init' "$background" continue continue 'backtrace 2' 'info sharedlibrary'
	took=$((($(date +%s%N) - began) / 1000000))
	expect "$1: a hundred modules come in $took ms" [ "$took" -lt 60000 ]
	expect_match "$1: it stops in the first that is waited for" "hit Breakpoint 2, m50_init \(\) at $tmp/m50/m50.c:9"
	expect_match "$1: and in the last one" "hit Breakpoint 1, m99_init \(\) at $tmp/m99/m99.c:9"
	id=$(build_id many/m00.ko)
	many="$many ${id%????}3[0-9]3[0-9]"
	expect_equal "$1: all have their symbols" "$(count 'Yes .*/m[0-9][0-9]\.ko$')" 99
	expect_equal "$1: but one whose file is damaged, which is said once" \
		"$(count 'module m51 has no symbols here: .*m51.ko.xz')" 1
	run "$KTB" lsmod --name "$1" --gdb-modules "$tmp/many" --json
	expect_equal "$1: ktb lsmod finds their files there" \
		"$(printf '%s' "$stdout" | jq -r '.[] | select(.name == "m42") | .file_matches, .file')" "true
$tmp/many/m42.ko"
	run "$KTB" lsmod --name "$1" --gdb-modules "$tmp/nonesuch"
	expect_status "$1: a folder that is not there: it goes on" 0
	expect_error "$1: and says so" 'there is no folder .*/nonesuch'
}

test_reboot()
{
	background=$(in_background <<'SH'
"$KTB" exec --name "$VM" -- sh -c '(sleep 0.5; reboot -f) >/dev/null 2>&1 </dev/null &'
SH
)
	gdb_on "$1" 'break kernel_init' 'break dummy_setup' "$background" continue 'info sharedlibrary' continue 'backtrace 1' 'info breakpoints'
	expect_match "$1: a reboot is told of" 'received signal SIGQUIT'
	expect_match "$1: its modules are gone" 'No shared libraries loaded'
	expect_match "$1: a breakpoint holds in the next kernel" 'hit Breakpoint 1, kernel_init'
	expect_match "$1: one in a module waits for it" 'PENDING'
	expect "$1: it boots" wait_for 60 timeout 60 "$KTB" exec --name "$1" -- true
}

# Held at the first instruction, where nobody knows yet where the kernel will be.
test_moved()
{
	gdb_on "$1" continue "$as_said" 'source said' 'hbreak kernel_init' continue 'backtrace 1'
	expect_equal "$1: that it was moved is said once" "$(count 'the kernel is 0x.* above where its symbols are')" 1
	expect_match "$1: with the command that helps" 'hit Breakpoint 1, kernel_init .*main\.c:[0-9]+'
	expect "$1: it boots" wait_for 60 timeout 60 "$KTB" exec --name "$1" -- modprobe dummy
	background=$(in_background <<'SH'
"$KTB" exec --name "$VM" -- cat /etc/passwd
SH
)
	gdb_on "$1" 'break vfs_read' "$background" continue 'backtrace 3' 'info line dummy_setup'
	expect_equal "$1: who comes later need not be told" "$(count 'above where its symbols are')" 0
	expect_match "$1: a breakpoint stops" 'hit Breakpoint 1, vfs_read .*read_write\.c:[0-9]+'
	expect_match "$1: with its callers" '^#1 .* in ksys_read .*read_write\.c:[0-9]+'
	expect_match "$1: modules are where they are" 'Line [0-9]+ of ".*drivers/net/dummy.c" (starts|is) at address 0xffffffff'
}

# The next kernel is elsewhere, and the last one's image is in memory yet.
test_moved_again()
{
	background=$(in_background <<'SH'
"$KTB" exec --name "$VM" -- sh -c '(sleep 0.5; reboot -f) >/dev/null 2>&1 </dev/null &'
SH
)
	gdb_on "$1" "$background" continue 'info sharedlibrary' continue "$as_said" 'source said' 'hbreak kernel_init' continue
	expect_match "$1: after a reboot there are no modules" 'No shared libraries loaded'
	expect_equal "$1: where the next kernel is is said" "$(count 'the kernel is 0x.* above where its symbols are')" 1
	expect_match "$1: a breakpoint stops there" 'hit Breakpoint 1, kernel_init .*main\.c:[0-9]+'
}

on_kernel()
{
	version=$1 source=$2

	make_module
	mkdir -p many
	# What is in ktb.conf can be said on the command line as well.
	rm -f ktb.conf
	set -- --gdb-modules many
	if [ "$version" = 6.1 ]; then
		printf '[gdb]\nmodules = %s\n' "$tmp/many" >ktb.conf
		set --
	fi
	export VM="plain-$version"
	detach "$VM" --port auto --memory 512M --source "$source" "$@"
	expect "$VM: it is up" timeout 60 "$KTB" exec --name "$VM" -- true
	test_coming "$VM"
	test_stale "$VM"
	test_many "$VM"
	test_reboot "$VM"
	"$KTB" stop "$VM" 2>/dev/null
	VM="moved-$version"
	detach "$VM" --port auto --memory 512M --source "$source" --kaslr --wait
	test_moved "$VM"
	test_moved_again "$VM"
	"$KTB" stop "$VM" 2>/dev/null
}

on_kernel 6.12 ''
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz
finish
