#!/bin/sh
# timeout: 900
# ktb dump: core files of guests that run, hang, have panicked or stand still, on both kernels, opened by GDB, crash, drgn
# and ktb itself; and what happens when that goes wrong.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for others; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-dump.$$
export XDG_RUNTIME_DIR="$run"
unset PYTHONDONTWRITEBYTECODE
mkdir -m 700 "$run" || exit 1
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)
core=$tmp/core

at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

for program in jq gdb crash drgn; do
	command -v "$program" >/dev/null || not_ok "$program is there" 'these tests need it'
done

# --- Helpers ------------------------------------------------------------------------------------------------------

# Processes without those that come and go: "PID COMMAND" lines.
own_doings=' (sh|kworker/.*|sleep)$'

tasks_of_vm()
{
	"$KTB" ps --json --name "$1" | jq -r '.[] | "\(.pid) \(.command)"' | grep -vE "$own_doings" | sort -n
}

tasks_of_core()
{
	"$KTB" ps --json --core "$@" 2>"$tmp/ps.err" | jq -r '.[] | "\(.pid) \(.command)"' | sort -n
}

# dump NAME OPTION...: into $core; must work. Sets $slide, as GDB takes it.
dump()
{
	_name=$1
	shift
	run "$KTB" dump --name "$_name" --json --force "$@" "$core"
	expect_status "$_name: ktb dump $*" 0
	slide=$(printf '%s' "$stdout" | jq -r '.[0].kernel_offset')
}

# in_gdb VMLINUX COMMAND...: GDB with $core; sets $stdout.
in_gdb()
{
	_vmlinux=$1
	shift
	for _c; do
		printf '%s\n' "$_c"
	done >"$tmp/gdb.in"
	run plain_gdb -iex 'set auto-load safe-path /' -iex 'set print thread-events off' \
		-ex "core-file $core" -ex "symbol-file -o $slide $_vmlinux" -x "$tmp/gdb.in"
}

# --- What readers make of it --------------------------------------------------------------------------------------

by_ktb()
{
	tasks_of_core "$core" >"$tmp/ours"
	tasks_of_vm "$1" >"$tmp/live"
	grep -vE "$own_doings" "$tmp/ours" | diff - "$tmp/live" >"$tmp/diff" && [ -s "$tmp/live" ]
	expect_equal "$1: the core has the tasks of the VM, and says itself of which kernel it is" "$(cat "$tmp/diff" "$tmp/ps.err")" ''
	run "$KTB" dmesg --core "$core"
	expect_match "$1: and its log" 'Linux version'
}

by_gdb()
{
	vmlinux=$(field "$1" vmlinux)
	# init sleeps: its stack is in vmalloc space, and its frame leads back into the scheduler.
	task=$("$KTB" ps --json --long --core "$core" | jq -r '.[] | select(.pid == 1) | .task')
	in_gdb "$vmlinux" 'info threads' 'thread apply all info registers rip' 'thread apply all bt' 'print init_task.comm' \
		"print/x ((struct task_struct *)$task)->thread.sp" \
		"print/a ((struct inactive_task_frame *)((struct task_struct *)$task)->thread.sp)->ret_addr" \
		"source ${vmlinux%/*}/vmlinux-gdb.py" 'lx-ps'
	expect_match "$1: gdb: a thread for each vCPU" '^  2 +LWP [0-9]+ '
	expect_match "$1: gdb: registers" '^rip +0xf{8}[0-9a-f]{8} +0xf{8}[0-9a-f]{8} <[a-z0-9_]+\+[0-9]+>'
	expect_match "$1: gdb: backtraces reach the beginning of the idle task" '^#[0-9]+ .* in (start_secondary|rest_init) '
	expect_match "$1: gdb: data of the kernel's image" '^\$1 = "swapper/0'
	expect "$1: gdb: that stack is not in the direct map" matches "$stdout" '^\$2 = 0xff[0-9a-f]{14}$'
	expect_match "$1: gdb: but readable" '^\$3 = 0x[0-9a-f]+ <(__switch_to_asm|__schedule|__sched_text|context_switch|ret_from_fork)?.*>$'
	printf '%s\n' "$stdout" | sed -n 's/^0x[0-9a-f]* *\([0-9][0-9]*\) *\(.*\)$/\1 \2/p' | grep -v '^0 ' | sort -n >"$tmp/theirs"
	diff "$tmp/ours" "$tmp/theirs" >"$tmp/diff"
	expect_equal "$1: gdb: lx-ps lists what ktb ps does" "$(cat "$tmp/diff")" ''
}

# crash 8.0.2's ps leaves out every task of kernels in which struct pid ends in a flexible array (b69f0aeb0689, in 6.1.y, too), so
# the list itself is walked: the address of each task, what it is called, and who its parent is.
by_crash()
{
	printf 'list task_struct.tasks -s task_struct.pid,real_parent,comm -h init_task\nsys\nexit\n' >"$tmp/crash.in"
	run timeout 240 crash -s "$(field "$1" vmlinux)" "$core" -i "$tmp/crash.in"
	printf '%s\n' "$stdout" | awk '
		/^[0-9a-f]+$/ { task = "0x" $1 }
		/^  pid = / { pid[task] = $3 + 0 }
		/^  real_parent = / { sub(",", "", $3); parent[task] = $3 }
		/^  comm = / { comm = $0; sub(/^[^"]*"/, "", comm); sub(/[\\"].*/, "", comm); name[task] = comm }
		END { for (t in pid) if (pid[t]) print t, pid[t], pid[parent[t]], name[t] }' | sort >"$tmp/theirs"
	"$KTB" ps --json --long --core "$core" | jq -r '.[] | "\(.task) \(.pid) \(.ppid) \(.command)"' | sort >"$tmp/long"
	diff "$tmp/long" "$tmp/theirs" >"$tmp/diff" && [ "$(wc -l <"$tmp/long")" -gt 20 ] || echo "$(wc -l <"$tmp/long") tasks" >>"$tmp/diff"
	expect_equal "$1: crash $2: its tasks are those of ktb ps" "$(cat "$tmp/diff")" ''
	expect_match "$1: crash $2: the machine" 'CPUS: 2'
}

by_drgn()
{
	cat >"$tmp/tasks.py" <<'END'
from drgn.helpers.linux.pid import find_task, for_each_task
for t in for_each_task(prog):
    print(t.pid.value_(), t.comm.string_().decode())
print("trace", " ".join(str(f.name) for f in prog.stack_trace(find_task(prog, 1))))
END
	run timeout 240 drgn -q -c "$core" -s "$(field "$1" vmlinux)" "$tmp/tasks.py"
	printf '%s\n' "$stdout" | grep '^[0-9]' | sort -n >"$tmp/theirs"
	diff "$tmp/ours" "$tmp/theirs" >"$tmp/diff"
	expect_equal "$1: drgn $2: its tasks are those of ktb ps" "$(cat "$tmp/diff")" ''
	expect_match "$1: drgn $2: the stack of a task that sleeps, though it is not on a CPU" '^trace .*__schedule .*do_epoll_wait'
}

# Each page of each segment, by a walk that is not ours.
by_libaddrxlat()
{
	run "$tmp/segments" "$core"
	expect_status "$1: libaddrxlat finds the same behind virtual addresses" 0
	expect_match "$1: and many of them" 'agree [0-9]{5,}'
}
# shellcheck disable=SC2046 # several words
gcc -O1 -o "$tmp/segments" "$root/tests/integration/segments.c" $(pkg-config --cflags --libs libkdumpfile libaddrxlat) ||
	not_ok 'segments.c is compiled'

# --- Guests -------------------------------------------------------------------------------------------------------

detach new --port off --memory 512M --qemu-arg=-qmp --qemu-arg="unix:$run/qmp,server=on,wait=off"
detach big --port off --memory 5G --kaslr
[ -n "$old_source" ] && detach old --port off --memory 512M --kaslr --source "$old_source"
[ -n "$old_source" ] || skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
for vm in new big ${old_source:+old}; do
	expect "$vm boots" wait_for "$patience" log_has "$vm" 'debugvm:~# '
done

for vm in new big ${old_source:+old}; do
	dump "$vm"
	expect_equal "$vm: only its owner may read it" "$(stat -c %a "$core")" 600
	expect "$vm: memory that was never used takes no room" \
		[ "$(($(stat -c '%b * 512' "$core")))" -lt $(($(stat -c %s "$core") / 2)) ]
	expect "$vm: the guest goes on" wait_for 5 is_listed "$vm" running
	by_ktb "$vm"
	by_gdb "$vm"
	by_libaddrxlat "$vm"
	case $vm in
	new) expect_equal 'without KASLR the offset is 0' "$slide" 0x0 ;;
	*) expect "$vm: with KASLR it is not" [ "$slide" != 0x0 ] ;;
	esac
done
if [ -n "$old_source" ]; then
	by_crash old elf
	by_drgn old elf
fi

# --- Compressed ---------------------------------------------------------------------------------------------------

for vm in new ${old_source:+old}; do
	dump "$vm" --compress
	expect_equal "$vm: compressed: its format" "$(head -c 8 "$core")" 'KDUMP   '
	expect_equal "$vm: compressed: only its owner may read it" "$(stat -c %a "$core")" 600
	expect "$vm: compressed: the guest goes on" wait_for 5 is_listed "$vm" running
	by_ktb "$vm"
done
if [ -n "$old_source" ]; then
	by_crash old compressed
	by_drgn old compressed
fi

# --- One made of another ------------------------------------------------------------------------------------------

# qmp COMMAND EVENT: what QEMU is told, and what it says when that is done.
qmp()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' "$1" >"$tmp/qmp.in"
	(cat "$tmp/qmp.in"; sleep 100) | timeout 100 socat - "UNIX-CONNECT:$run/qmp" >"$tmp/qmp.out" &
	expect "QEMU: $2" wait_for 100 grep -q "$2" "$tmp/qmp.out"
	kill "$!" 2>/dev/null
}

# It stands still, so all of them are of the same moment.
compressed=$tmp/compressed direct=$tmp/direct
qmp '{"execute":"stop"}' STOP
dump new --compress
mv "$core" "$compressed"
dump new
mv "$core" "$direct"
qmp '{"execute":"dump-guest-memory","arguments":{"paging":false,"protocol":"file:'"$tmp/qemus"'"}}' DUMP_COMPLETED
qmp '{"execute":"cont"}' RESUME

run "$KTB" dump --core "$direct" --json "$core"
expect_status 'of one from ktb dump: status 0' 0
expect 'it is the same, byte for byte' cmp "$direct" "$core"
for from in "$compressed" "$tmp/qemus"; do
	kind=${from##*/}
	run "$KTB" dump --core "$from" --json --force "$core"
	expect_status "of QEMU's ($kind): status 0" 0
	slide=$(printf '%s' "$stdout" | jq -r '.[0].kernel_offset')
	expect_equal "$kind: what is said of it" "$(printf '%s' "$stdout" | jq -c '.[0] | [.format, .vcpus, .vmcoreinfo, .kernel_offset]')" '["elf",2,true,"0x0"]'
	expect_equal "$kind: only its owner may read it" "$(stat -c %a "$core")" 600
	tasks_of_core "$direct" >"$tmp/live"
	tasks_of_core "$core" | diff - "$tmp/live" >"$tmp/diff" && [ -s "$tmp/live" ] || echo 'none, or others' >>"$tmp/diff"
	expect_equal "$kind: it has the tasks of the direct one" "$(cat "$tmp/diff" "$tmp/ps.err")" ''
	tasks_of_core "$core" >"$tmp/ours"
	by_gdb new
	"$KTB" bt --cpu --json --core "$core" >"$tmp/bt.there"
	"$KTB" bt --cpu --json --core "$direct" | diff - "$tmp/bt.there" >"$tmp/diff"
	expect_equal "$kind: it has the CPUs' stacks of the direct one" "$(cat "$tmp/diff")" ''
	readelf -lW "$direct" | awk '$1 == "LOAD" { print $3, $4, $5 }' | sort >"$tmp/live"
	readelf -lW "$core" | awk '$1 == "LOAD" { print $3, $4, $5 }' | sort | comm -13 - "$tmp/live" >"$tmp/diff"
	expect_equal "$kind: and all its virtual addresses" "$(cat "$tmp/diff")" ''
	by_libaddrxlat "$kind"
done
run "$KTB" dump --core "$direct" --compress "$core"
expect_status 'a compressed one of a core: status 2' 2
expect_error 'what to do' 'makedumpfile -c'
run "$KTB" dump --core "$direct" --name new "$tmp/third"
expect_status 'a core and a VM: status 2' 2
run "$KTB" dump --core "$direct" "$direct"
expect_status 'onto itself: status 2' 2
run "$KTB" dump --core "$tmp/qmp.in" "$tmp/third"
expect_status 'of what is no core: status 1' 1
expect_error 'said so' 'no core file that can be read'
run timeout -s INT 0.1 "$KTB" dump --core "$direct" "$tmp/third"
[ -e "$tmp/third" ] || cp --sparse=always "$direct" "$tmp/third"
expect 'interrupted, all of it is there or nothing' cmp "$direct" "$tmp/third"
rm -f "$compressed" "$direct" "$tmp/qemus" "$tmp/third"

# --- A task that runs ---------------------------------------------------------------------------------------------

say new 'cat /dev/zero >/dev/null & echo st""arted'
expect 'something runs' wait_for 30 log_has new '^started'
dump new
in_gdb "$(field new vmlinux)" 'info threads'
pid=$("$KTB" ps --json --core "$core" | jq -r '.[] | select(.command == "cat") | .pid')
expect_match 'its vCPU has its number' "LWP $pid "
say new 'kill $!'

# --- Guests that don't run ----------------------------------------------------------------------------------------

detach hung --port off --memory 256M --append 'rdinit=/bin/false console=null panic=0 initcall_debug'
expect 'one that hangs before its console' wait_for "$patience" sh -c '"$KTB" dmesg --name hung 2>/dev/null | grep -q "as init process"'
dump hung
run "$KTB" dmesg --core "$core"
expect_match 'the log of one that hung' 'Run /bin/false as init process'
# It takes a whole CPU.
run "$KTB" stop --force hung

say new 'echo c >/proc/sysrq-trigger'
expect 'a panic' wait_for "$patience" is_listed new panicked
dump new
in_gdb "$(field new vmlinux)" 'thread apply all bt'
expect_match 'gdb: the backtrace of a panic' ' in panic '
expect 'it is left as it was' is_listed new panicked
dump new --compress
run "$KTB" dmesg --core "$core" --level emerg
expect_match 'compressed: the last words' 'Kernel panic - not syncing: sysrq triggered crash'
expect 'it is still left as it was' is_listed new panicked

detach held --port off --memory 256M --kaslr --wait
run "$KTB" dump --name held --force "$core"
expect_status 'one before its first instruction' 0
expect_error 'the kernel is not there: said so' 'physical addresses only'
expect 'it does not start for it' is_listed held waiting

# --- What goes wrong ----------------------------------------------------------------------------------------------

only_core()
{
	[ -z "$(find "$tmp" -name '*.ktb-new-*')" ]
}

echo mine >"$tmp/mine"
run "$KTB" dump --name big "$tmp/mine"
expect_status 'a file that is there: status 2' 2
expect_error 'what to do' '--force'
expect_equal 'and it stays' "$(cat "$tmp/mine")" mine
run "$KTB" dump --name big --force "$tmp"
expect_status 'a folder: status 2' 2
run "$KTB" dump --name big --force /dev/null
expect_status 'a device: status 2' 2
expect 'which is there yet' [ -c /dev/null ]
run "$KTB" dump --name big "$tmp/no/such/folder"
expect_error 'a folder that is not there' 'No such file or directory'
run "$KTB" dump --name nonesuch "$tmp/other"
expect_status 'no such VM: status 1' 1
run "$KTB" dump
expect_status 'no file: status 2' 2
run "$KTB" dump --name big --force --vmlinux /etc/passwd "$tmp/mine"
expect_status 'a vmlinux that is none: status 1' 1
expect_equal 'what is there stays' "$(cat "$tmp/mine")" mine

# full OPTION...: on a file system with room for 4 MB.
full()
{
	_user=
	[ "$(id -u)" = 0 ] || _user=-r
	mkdir -p "$tmp/small"
	run unshare ${_user:+-r} -m sh -c 'mount -t tmpfs -o size=4M none "$1" && "$KTB" dump --name big "$2" "$1/core"
		status=$?; ls -A "$1"; exit $status' sh "$tmp/small" "${1:---quiet}"
}
export KTB
for option in --quiet --compress; do
	full "$option"
	expect_status "a disk that is full ($option): status 1" 1
	expect_error "a disk that is full ($option): said so" 'No space left on device'
	expect_equal "a disk that is full ($option): nothing is left" "$stdout" ''
	expect "a disk that is full ($option): the guest goes on" wait_for 10 is_listed big running
done

# Interrupted at some moment: all of it is there, or nothing.
interrupted=0
for delay in 0.01 0.03 0.05 0.1 0.15 0.2; do
	for option in --quiet --compress; do
		rm -f "$core"
		run timeout -s INT "$delay" "$KTB" dump --name big "$option" "$core"
		# The signal may also come when all is done.
		if [ -e "$core" ]; then
			tasks_of_core "$core" | grep -q '^1 init$' || not_ok "after $delay s: what is there is whole" "$(cat "$tmp/ps.err")"
		else
			[ "$status" != 0 ] || not_ok "after $delay s: it is there" "$(last_run)"
			interrupted=$((interrupted + 1))
		fi
		only_core || not_ok "after $delay s: nothing is left" "$(ls "$tmp")"
	done
done
# Killed, it can't clean up.
killed=0
for delay in 0.02 0.05 0.1 0.2; do
	for option in --quiet --compress; do
		rm -f "$core"
		run timeout -s KILL "$delay" "$KTB" dump --name big "$option" "$core"
		[ -e "$core" ] || killed=$((killed + 1))
		only_core || not_ok "killed after $delay s: nothing is left" "$(ls "$tmp")"
	done
done
expect 'some were killed' [ "$killed" -gt 0 ]
expect 'some were interrupted' [ "$interrupted" -gt 0 ]
expect 'the guest goes on' wait_for 20 is_listed big running
dump big --compress
expect 'a dump that was given up stands in no later one'"'"'s way' [ -s "$core" ]

# --- Cores that are none ------------------------------------------------------------------------------------------

dump big
cp --sparse=always "$core" "$tmp/whole"
head -c 100 "$tmp/whole" >"$core"
run "$KTB" ps --core "$core"
expect_error 'a core that ends in its headers' 'no core file that can be read|nothing says of which kernel'
truncate -s 40M "$tmp/whole"
run "$KTB" ps --core "$tmp/whole"
expect_status 'a core that ends early: status 1' 1
expect_error 'says so' "not in the guest's memory|can't be read|set up its page tables|no memory"
truncate -s 1M "$core"
run "$KTB" dmesg --core "$core"
expect_error 'nothing but zeros' 'no core file|nothing says of which kernel'
gcc -x c -c -o "$tmp/foreign" - </dev/null
run "$KTB" ps --core "$tmp/foreign"
expect_error 'an ELF file that is no core' 'no core file|nothing says of which kernel'

finish
