#!/bin/sh
# timeout: 7200
# Each profile reports the defect that a small module (tests/data/defects) plants, on Linux 6.1. Two kernels: KCSAN alone,
# the rest together.
# shellcheck disable=SC2016,SC2317 # for later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$tmp/run"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'
source=$(ls /usr/src/linux-source-6.1.tar.*)
log=$tmp/run/ktb/profiles/console.log
cp -r "$root/tests/data/defects" "$tmp/defects"

# boot PROFILE...: a VM with such a kernel, and in it the modules.
boot()
{
	profiles=''
	for profile; do
		profiles="$profiles --profile $profile"
	done
	# shellcheck disable=SC2086 # words
	run "$KTB" build --source "$source" $profiles
	expect_status "a kernel with $* is built" 0
	# shellcheck disable=SC2086
	run "$KTB" vm --detach --name profiles --port off --source "$source" $profiles
	expect_status 'and boots' 0
	run timeout 120 "$KTB" exec --name profiles -- uname -r
	expect_status 'up to its init' 0
	# shellcheck disable=SC2086
	run "$KTB" module --source "$source" $profiles "$tmp/defects"
	expect_status 'modules are built for it' 0
	printf '%s\n' "$stdout" >modules
	# shellcheck disable=SC2046 # paths of ours, without blanks
	run "$KTB" push --name profiles $(cat modules) /tmp
	expect_status 'and pushed' 0
	expect_equal 'nothing was reported at boot' "$(grep -E 'BUG:|WARNING:|UBSAN:' "$log")" ''
}

# guest COMMAND: a line of shell, in the guest.
guest()
{
	timeout 180 "$KTB" exec --name profiles -- sh -c "$1"
}

reports()
{
	grep -q "$1" "$log"
}

# insert MODULE REGEX: what its defect is reported as.
insert()
{
	run guest "insmod /tmp/$1.ko"
	expect_status "$1 is inserted" 0
	expect "$1 is reported" wait_for 60 reports "$2"
}

boot kasan lockdep ubsan kmemleak btf
# KASAN comes last: the taint of its report turns lockdep off.
insert abba 'possible circular locking dependency detected'
insert shift 'UBSAN: shift-out-of-bounds in .*shift\.c'
run guest 'insmod /tmp/leak.ko; sleep 6
for i in 1 2 3; do echo scan >/sys/kernel/debug/kmemleak; sleep 2; done; cat /sys/kernel/debug/kmemleak'
expect_match 'leak is reported' 'unreferenced object 0x'
expect_match 'with who allocated it' 'leak_init'
run "$KTB" pull --name profiles /sys/kernel/btf/vmlinux "$tmp/btf"
expect_status 'types of the kernel are there' 0
run pahole --format_path=btf -C list_head "$tmp/btf"
expect_match 'and readable' 'struct list_head \*[ 	]+prev;'
run guest 'ls /sys/kernel/btf'
expect_match 'those of a module too' '^abba$'
insert oob 'BUG: KASAN: slab-out-of-bounds in oob_init'
"$KTB" stop --force profiles >/dev/null 2>&1

boot kcsan
insert race 'BUG: KCSAN: data-race in count'
"$KTB" stop --force profiles >/dev/null 2>&1

finish
