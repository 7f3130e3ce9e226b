#!/bin/sh
# timeout: 400
# ktb lsmod and ktb sym against what the guest says (/proc/modules, /sys/module, /proc/kallsyms, /proc/vmallocinfo) and
# against GDB, on both kernels, with KASLR, and in a core file.
#
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
run=/tmp/ktb-sym.$$
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run" || exit 1
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)
cd "$tmp" || exit 1

at_exit 'rm -rf "$run"'
at_exit 'forget_modules'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# Its folder in the cache goes with the test's.
# shellcheck disable=SC2317 # called when it ends
forget_modules()
{
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do
		[ "$(readlink "$_f")" != "$tmp/victim/Kbuild" ] || rm -rf "${_f%/src/*}"
	done
}

# A module that has all kinds of things, and that fails when it is asked to. $1: a number that makes it another one.
make_module()
{
	mkdir -p victim
	echo 'obj-m := victim.o' >victim/Kbuild
	cat >victim/victim.c <<END
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
int victim_number = $1;
static DEFINE_PER_CPU(long, victim_counter);
int *victim_place;
static noinline void victim_fail(int *where)
{
	*where = victim_number; /* line 9 */
	barrier();
}
static int victim_set(const char *value, const struct kernel_param *param)
{
	this_cpu_inc(victim_counter);
	victim_fail(victim_place); /* line 15 */
	barrier();
	return 0;
}
static const struct kernel_param_ops ops = { .set = victim_set };
module_param_cb(fail, &ops, NULL, 0200);
MODULE_LICENSE("GPL");
END
}

guest()
{
	_name=$1
	shift
	stdout=$(timeout 60 "$KTB" exec --name "$_name" -- sh -c "$*" 2>/dev/null)
}

sym()
{
	"$KTB" sym --name "$vm" --json "$@" 2>"$tmp/sym.err"
}

text()
{
	run "$KTB" sym --name "$vm" "$@"
}

# --- Modules ------------------------------------------------------------------------------------------------------

modules()
{
	guest "$vm" 'modprobe vfat; modprobe dummy; cat /proc/modules'
	printf '%s\n' "$stdout" | sed 's/ *$//' >"$tmp/theirs"
	"$KTB" lsmod --name "$vm" --json | jq -r '.[] | [.name, .size, .uses,
		(.used_by | if length > 0 then join(",") + "," else "-" end),
		(if .state == "live" then "Live" else .state end), .address,
		(if .taint then "(" + .taint + ")" else empty end)] | join(" ")' >"$tmp/ours"
	expect_equal "$vm: lsmod has what /proc/modules has" "$(cat "$tmp/ours")" "$(cat "$tmp/theirs")"
	expect "$vm: those are some" [ "$(wc -l <"$tmp/theirs")" -ge 4 ]

	guest "$vm" 'cd /sys/module && for s in */sections/* */sections/.*; do [ ! -f $s ] || echo $s $(cat $s); done'
	printf '%s\n' "$stdout" | sed 's/\/sections\// /' | sort >"$tmp/theirs"
	"$KTB" lsmod --name "$vm" --json | jq -r '.[] | .name as $n | .sections[] | [$n, .name, .address] | join(" ")' |
		sed 's/ 0x0*\([^ ]\)/ 0x\1/' | sort >"$tmp/ours"
	sed -i 's/ 0x0*\([^ ]\)/ 0x\1/' "$tmp/theirs"
	expect_equal "$vm: and the sections of /sys/module" "$(diff "$tmp/theirs" "$tmp/ours")" ''
	expect "$vm: those are many" [ "$(wc -l <"$tmp/ours")" -gt 40 ]

	expect_equal "$vm: each file was found, and is the one that was loaded" \
		"$("$KTB" lsmod --name "$vm" --json | jq -r '.[] | select(.file_matches != true) | .name')" ''
	run "$KTB" lsmod --name "$vm" --long
	expect_match "$vm: as a table" '^vfat +[0-9]+ +0 +- +live +- +0xffffffff[0-9a-f]{8} +yes +/.*/vfat\.ko$'
	expect_match "$vm: users" '^fat +[0-9]+ +1 +vfat +live'
	expect_match "$vm: out of the tree: tainted" '^victim +[0-9]+ +0 +- +live +OE? +0x[0-9a-f]+ +yes +/.*/module/.*/victim\.ko$'
	expect_match "$vm: with --long, sections" '^victim +\.text +0xffffffff[0-9a-f]{8}$'
	expect_equal "$vm: nothing is said beside it" "$stderr" ''
}

stale_file()
{
	make_module 4321
	run timeout 120 "$KTB" module "$@" victim
	expect_status "$vm: a module is built again" 0
	run "$KTB" lsmod --name "$vm"
	expect_match "$vm: the file is not the one that was loaded" '^victim .* no +/.*/victim\.ko$'
	expect_error "$vm: both build IDs" 'victim\.ko is not the file .*build ID is [0-9a-f]{40}, .* is [0-9a-f]{40}'
	text victim_set
	expect_status "$vm: its symbols are not used" 1
	expect_error "$vm: and that is said" 'victim.*not the file that was loaded'
	# As it was.
	make_module 1234
	run timeout 120 "$KTB" module "$@" victim
	text victim_set
	expect_status "$vm: the same source makes the same module" 0
}

# --- Code ---------------------------------------------------------------------------------------------------------

# Functions with names of their own, here and there: every n-th one.
names_of_functions()
{
	guest "$vm" 'cat /proc/kallsyms' || return
	printf '%s\n' "$stdout" >"$tmp/kallsyms"
	awk '$2 ~ /^[tT]$/ && $3 !~ /[.$]|^__?pfx_|^__SC|entry|_start|_end|^\.L/ { n[$3]++; a[$1]++; line[NR] = $0 }
		END { for (i in line) { split(line[i], f, " "); if (n[f[3]] == 1 && a[f[1]] == 1) print line[i] } }' \
		"$tmp/kallsyms" | sort | awk 'NR % 97 == 0 { print $1, $3, $4 }' >"$tmp/functions"
}

code()
{
	names_of_functions
	expect "$vm: functions to try" [ "$(wc -l <"$tmp/functions")" -gt 60 ]
	sed 's/\[//; s/\]//; s/ $//' "$tmp/functions" | awk '{ print "0x" $1, $2, $3 }' | sed 's/ $//' >"$tmp/theirs"
	# shellcheck disable=SC2046 # words
	sym $(awk '{ print "0x" $1 }' "$tmp/functions") |
		jq -r '.[] | select(.offset == 0) | [.address, .symbol, (.module // empty)] | join(" ")' >"$tmp/ours"
	expect_equal "$vm: addresses have the names that kallsyms gives them" "$(diff "$tmp/theirs" "$tmp/ours")" ''
	# shellcheck disable=SC2046
	sym $(awk '{ print $2 }' "$tmp/functions") |
		jq -r '.[] | [.address, .symbol, (.module // empty)] | join(" ")' >"$tmp/ours"
	expect_equal "$vm: and names those addresses" "$(diff "$tmp/theirs" "$tmp/ours")" ''

	# Where functions begin.
	vmlinux=$("$KTB" list --json | jq -r ".[] | select(.name == \"$vm\") | .vmlinux")
	slide=$("$KTB" ps --verbose --name "$vm" 2>&1 >/dev/null | sed -n 's/.*slide 0x\([0-9a-f]*\),.*/\1/p')
	expect "$vm: with KASLR" [ "$slide" != 0 ]
	awk '!$3 { print $1 }' "$tmp/functions" >"$tmp/addresses"
	# shellcheck disable=SC2046
	sym $(sed 's/^/0x/' "$tmp/addresses") | jq -r '.[].frames[0] | (.file // "?") + ":" + (.line // "?" | tostring)' |
		sed 's/.*\///' >"$tmp/ours"
	while read -r a; do
		printf 'info line *0xffffffff%x\n' $((0x${a#ffffffff} - 0x$slide))
	done <"$tmp/addresses" >"$tmp/script"
	plain_gdb -iex 'set auto-load off' -x "$tmp/script" "$vmlinux" 2>/dev/null |
		sed 's/^No line.*/?:?/; s/^Line \([0-9]*\) of "\([^"]*\)".*/\2:\1/; s/.*\///' >"$tmp/theirs"
	expect_equal "$vm: the lines that GDB finds" "$(diff "$tmp/theirs" "$tmp/ours")" ''

	text 'vfs_read+0x10'
	expect_match "$vm: text" '^0xffffffff[0-9a-f]{8}: vfs_read\+0x10/0x[0-9a-f]+ at fs/read_write\.c:[0-9]+$'
	printed=$(printf '%s\n' "$stdout" | sed 's/.*: \(.*\) at .*/\1/')
	text "$printed"
	expect_match "$vm: as the kernel prints it" '^0xffffffff[0-9a-f]{8}: vfs_read\+0x10/'
	text vfs_read+0x10/0x7777
	expect_status "$vm: of another size" 1
	expect_error "$vm: it is of another kernel" 'another size.*another build'
	text victim_set '[victim]'
	expect_match "$vm: a module's, in two words" ': victim_set\+0x0/0x[0-9a-f]+ \[victim\] at .*victim\.c:1[23]$'
	text vfs_raed
	expect_status "$vm: no such symbol" 1
	expect_error "$vm: similar ones" 'no symbol vfs_raed.*vfs_read'
	text 'a b'
	expect_status "$vm: nothing that could be looked up" 2
}

# --- Data ---------------------------------------------------------------------------------------------------------

data()
{
	task=$("$KTB" ps --name "$vm" --long --json | jq -r '.[] | select(.pid == 1) | .task')
	text "$task+0x20"
	expect_match "$vm: an object of a slab, and whose" 'task_struct of PID 1 \(init\), slab object of task_struct, \+0x20 of 0x[0-9a-f]+; physical 0x'
	sp=$("$KTB" bt --name "$vm" --json 1 | jq -r '.[0].sp')
	text "$sp"
	expect_match "$vm: a stack, and whose" 'stack of PID 1 \(init\), \+0x[0-9a-f]+ of 0x4000; physical 0x'

	text runqueues
	expect_match "$vm: a per-CPU variable, for each CPU" 'runqueues\+0x0/0x[0-9a-f]+, per-CPU variable of CPU 1; physical 0x'
	expect_equal "$vm: all of them" "$(printf '%s\n' "$stdout" | wc -l)" 2
	on_1=$(printf '%s\n' "$stdout" | sed -n '2s/:.*//p')
	text "$on_1+8"
	expect_match "$vm: found again by its address" 'runqueues\+0x8/0x[0-9a-f]+, per-CPU variable of CPU 1'

	text init_task
	expect_match "$vm: a variable" ': init_task\+0x0/0x[0-9a-f]+, in \.data; physical 0x'
	text victim_number
	expect_match "$vm: a module's" ': victim_number\+0x0/0x4 \[victim\], in \.data; physical 0x'
	physical=$(printf '%s\n' "$stdout" | sed 's/.*physical //')

	# Neither a stack (with its guard page) nor a module.
	guest "$vm" 'cat /proc/vmallocinfo'
	line=$(printf '%s\n' "$stdout" | awk '$2 != 20480 && $1 !~ /^0xffffffff/ && $3 ~ /^[a-z_]+\+0x[0-9a-f]+\/0x[0-9a-f]+$/' | head -n 1)
	text "${line%%-*}"
	caller=$(printf '%s\n' "$line" | awk '{ print $3 }')
	expect_match "$vm: an area of vmalloc's, and who asked for it" "area of vmalloc's, \\+0x0 of 0x[0-9a-f]+, asked for by $(printf '%s' "$caller" | sed 's/+/\\+/') at "
	text "$physical" 0xffffffffff600000
	expect_match "$vm: no address of the kernel's" 'not in the kernel.s half'
	expect_match "$vm: nothing that is known" 'no part of the kernel that is known here; not mapped'
}

# --- An oops ------------------------------------------------------------------------------------------------------

oops()
{
	guest "$vm" 'dmesg -n 1; (echo 1 >/sys/module/victim/parameters/fail); dmesg'
	printf '%s\n' "$stdout" | sed -n '/BUG: kernel NULL pointer/,/end trace/p' >"$tmp/oops"
	expect "$vm: an oops" grep -q 'RIP: 0010:victim_fail' "$tmp/oops"
	"$KTB" sym --name "$vm" - <"$tmp/oops" >"$tmp/annotated"
	status=$? stdout=$(cat "$tmp/annotated")
	expect_status "$vm: it is annotated" 0
	expect_match "$vm: where it was" 'RIP: 0010:victim_fail\+0x[0-9a-f/x]+ \[victim\] at .*victim\.c:9$'
	expect_match "$vm: who called: the call, not what follows it" ' victim_set\+0x[0-9a-f/x]+ \[victim\] at .*victim\.c:15$'
	expect_match "$vm: the kernel" ' param_attr_store\+0x[0-9a-f/x]+ at kernel/params\.c:[0-9]+$'
	printf '%s\n' "$stdout" | sed 's/ ([0-9a-f]* is [^)]*)//g; s/ at [^ ]*:[0-9]*\( ([a-z_0-9]*, inlined)\)\{0,1\}\(, [^ ]*:[0-9]*\( ([a-z_0-9]*, inlined)\)\{0,1\}\)*$//' >"$tmp/bare"
	expect_equal "$vm: all else is as it was" "$(diff "$tmp/oops" "$tmp/bare")" ''
	expect_equal "$vm: as JSON" "$("$KTB" sym --name "$vm" --json - <"$tmp/oops" |
		jq -r '.[] | select(.line | test("RIP: 0010")) | .places[0] | .symbol + " " + .module + " " + (.frames[-1].line | tostring)' | head -n 1)" \
		'victim_fail victim 9'
	printf ' f+0x1/0x2\r\n vfs_read+0x10/0x7777\n' | "$KTB" sym --name "$vm" - >"$tmp/out" 2>"$tmp/err"
	expect_equal "$vm: what isn't of this kernel stays" "$(cat "$tmp/out")" " f+0x1/0x2
 vfs_read+0x10/0x7777"
	expect "$vm: and that is said" grep -q '2 places were left as they are' "$tmp/err"
	expect_equal "$vm: no text, nothing" "$("$KTB" sym --name "$vm" - </dev/null)" ''
}

# --- Core files, other states -------------------------------------------------------------------------------------

core()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		"{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$tmp/core\"}}" |
		socat -t 60 - "UNIX-CONNECT:$run/qmp" | grep -m 2 '"return"' >/dev/null
	for c in lsmod 'sym victim_number runqueues' 'sym vfs_read+0x10'; do
		# shellcheck disable=SC2086 # words
		expect_equal "core: $c" "$("$KTB" $c --core "$tmp/core" --vmlinux "$vmlinux")" "$("$KTB" $c --name "$vm")"
	done
	rm -f "$tmp/core"
}

on_kernel()
{
	vm=$1
	shift
	make_module 1234
	# shellcheck disable=SC2086 # words
	run "$KTB" vm --detach --port off --name "$vm" --memory 256M --kaslr --append no_hash_pointers $qemu "$@"
	expect_status "$vm starts" 0
	run timeout 120 "$KTB" module --name "$vm" --load victim
	expect_status "$vm: a module is loaded" 0
	modules
	code
	data
	oops
	[ -z "$qemu" ] || core
	stale_file "$@"
	"$KTB" stop --force --quiet "$vm"
}

qemu="--qemu-arg=-qmp --qemu-arg=unix:$run/qmp,server=on,wait=off"
on_kernel new
qemu=
if [ -n "$old_source" ]; then
	on_kernel old --source "$old_source"
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi

vm=none
text vfs_read
expect_status 'no such VM' 1
run "$KTB" sym
expect_status 'without an argument: status 2' 2
run "$KTB" lsmod extra
expect_status 'lsmod takes none: status 2' 2
finish
