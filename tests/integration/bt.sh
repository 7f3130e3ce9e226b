#!/bin/sh
# timeout: 900
# Stacks: ktb bt against GDB's backtraces, frame by frame, and against what the kernel prints of itself; of tasks that
# sleep, CPUs that are stopped, in an interrupt, in a panic, and of core files.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the guest's shell; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-bt.$$
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run" || exit 1
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)

at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

command -v jq >/dev/null || not_ok 'jq is there' 'these tests take JSON apart with it'

# --- Helpers ------------------------------------------------------------------------------------------------------

# gdb_on NAME COMMANDS: GDB on a VM, which stands still meanwhile and goes on afterwards.
gdb_on()
{
	{
		cat <<-GDB
			set pagination off
			set print frame-arguments none
			set print address off
			set width 0
			file $(field "$1" vmlinux)
			target remote 127.0.0.1:$(field "$1" port)
		GDB
		cat "$2"
	} >"$tmp/script"
	plain_gdb -iex 'set auto-load no' -x "$tmp/script" >"$tmp/gdb.out" 2>"$tmp/gdb.err"
}

# Both sides as lines "TASK FUNCTION FILE LINE", file without its folder, up to the first frame in assembler: there is no
# call frame information there, and GDB goes astray.
theirs()
{
	sed -n 's/^task \(.*\)/task \1/p; s/^#[0-9]* *\(.* in \)\{0,1\}\([^ ]*\) (.*) at \(.*\):\([0-9]*\)$/frame \2 \3 \4/p; s/^#[0-9]* .*in ?? ().*/frame ?? x.S 0/p' \
		"$tmp/gdb.out" | awk '$1 == "task" { task = $2; cut = 0; next }
		$3 ~ /\.S$/ || $2 ~ /^asm_/ { if ($2 != "__switch_to_asm") cut = 1; next }
		!cut && task != "none" { sub(".*/", "", $3); print task, $2, $3, $4 }'
}

# ours KEY: rows of bt --json, by this member. Only what GDB had: $tmp/asked has those tasks.
ours()
{
	jq -r ".[] | select(.frame != null) | [.$1, .function, .file // \"x.S\", .line // 0] | join(\" \")" "$tmp/bt.json" |
		awk 'NR == FNR { asked[$1] = 1; next }
		!($1 in asked) { next }
		$1 != task { task = $1; cut = 0 }
		$3 ~ /\.S$/ || $2 ~ /^asm_/ { cut = 1 }
		!cut { sub(".*/", "", $3); print $1, $2, $3, $4 }' "$tmp/asked" -
}

same_frames()
{
	theirs >"$tmp/theirs"
	sed -n 's/^task \([0-9]*\)$/\1/p' "$tmp/gdb.out" >"$tmp/asked"
	ours "$2" >"$tmp/ours"
	diff "$tmp/theirs" "$tmp/ours" >"$tmp/diff" && [ "$(wc -l <"$tmp/ours")" -ge "$3" ]
}

# compare WHAT KEY LEAST: the frames of both are the same, and not fewer than so many.
compare()
{
	if same_frames "$@"; then
		ok "$1: $(wc -l <"$tmp/ours") frames as GDB has them"
	else
		not_ok "$1: frames as GDB has them" "$(head -n 30 "$tmp/diff") $(tail -n 5 "$tmp/gdb.err") $(cat "$tmp/bt.err")"
	fi
}

# --- Guests -------------------------------------------------------------------------------------------------------

run "$KTB" vm --detach --port auto --name new --memory 512M --qemu-arg=-qmp --qemu-arg="unix:$run/qmp,server=on,wait=off"
expect_status 'a guest' 0
if [ -n "$old_source" ]; then
	run "$KTB" vm --detach --port auto --name old --memory 512M --source "$old_source"
	expect_status 'one with 6.1' 0
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi
run "$KTB" vm --detach --port off --name slid --memory 512M --kaslr
vms="new ${old_source:+old}"
for vm in $vms slid; do
	expect "$vm boots" wait_for "$patience" log_has "$vm" 'debugvm:~# '
done

# --- Tasks that sleep ---------------------------------------------------------------------------------------------

# GDB is put to where __switch_to_asm() was entered, with the registers that it has put on the stack.
registers='rip rsp rbp rbx r12 r13 r14 r15'
{
	cat <<'GDB'
define stack_of
	printf "task %d\n", ((struct task_struct *)$arg0)->pid
	set $f = (struct inactive_task_frame *)((struct task_struct *)$arg0)->thread.sp
	set $rip = (unsigned long)&__switch_to_asm
	set $rsp = (unsigned long)&$f->ret_addr
	set $rbp = $f->bp
	set $rbx = $f->bx
	set $r12 = $f->r12
	set $r13 = $f->r13
	set $r14 = $f->r14
	set $r15 = $f->r15
	backtrace
end
GDB
	for r in $registers; do echo "set \$own_$r = (unsigned long)\$$r"; done
} >"$tmp/begin.gdb"
for r in $registers; do echo "set \$$r = \$own_$r"; done >"$tmp/end.gdb"

for vm in $vms; do
	say "$vm" 'sleep 1000 & cat /dev/zero | (sleep 1001; cat) & (read x </dev/ttyS1) & echo star''ted'
	expect "$vm: has something to do" wait_for "$patience" log_has "$vm" '^started'
	sleep 2
	{
		cat "$tmp/begin.gdb"
		echo "shell '$KTB' bt --all --json --name $vm >$tmp/bt.json 2>$tmp/bt.err"
		"$KTB" bt --all --json --name "$vm" 2>/dev/null |
			jq -r '.[] | select(.end == "user" or .end == "start" or .end == "lost") | "stack_of " + .task'
		cat "$tmp/end.gdb"
	} >"$tmp/all.gdb"
	gdb_on "$vm" "$tmp/all.gdb"
	compare "$vm: tasks that sleep" pid 150
	expect_equal "$vm: none of them is lost" "$(jq -r '.[] | select(.end == "lost" or .reliable == false)' "$tmp/bt.json")" ''
	expect "$vm: inlined functions are among them" [ "$(jq '[.[] | select(.inlined == true)] | length' "$tmp/bt.json")" -gt 30 ]
	expect_equal "$vm: init came by a system call" "$(jq -r '.[] | select(.pid == 1 and .end) | [.end, .syscall > 0] | join(" ")' "$tmp/bt.json")" 'user true'
	expect_equal "$vm: kthreadd by none" "$(jq -r '.[] | select(.pid == 2 and .end) | .end' "$tmp/bt.json")" start
done

# --- CPUs ---------------------------------------------------------------------------------------------------------

cat >"$tmp/cpus.gdb" <<GDB
shell '$KTB' bt --cpu --json --name VM >$tmp/bt.json 2>$tmp/bt.err
thread 1
printf "task 0\n"
backtrace
printf "task none\n"
thread 2
printf "task 1\n"
backtrace
GDB

# cpus NAME WHERE: what CPUs are at when one of them comes to a function.
cpus()
{
	{
		printf 'printf "task none\\n"\nhbreak %s\ncontinue\n' "$2"
		sed "s/VM/$1/" "$tmp/cpus.gdb"
		echo delete
	} >"$tmp/all.gdb"
	gdb_on "$1" "$tmp/all.gdb"
}
for vm in $vms; do
	say "$vm" 'for i in 1 2; do dd if=/dev/zero of=/dev/null bs=1M & done; sleep 1; echo bu''sy'
	expect "$vm: gets busy" wait_for "$patience" log_has "$vm" '^busy'
	run "$KTB" bt --cpu --name "$vm"
	expect_match "$vm: of a task that runs nothing is shown" 'runs on CPU [01]; with --stop'
	cpus "$vm" vfs_read
	compare "$vm: CPUs in a system call" cpu 3
	# A tick that finds the CPU in user mode is served on the task's own stack: one that finds it in the kernel is wanted.
	cpus "$vm" 'update_process_times if user_tick == 0'
	compare "$vm: CPUs in an interrupt" cpu 5
	expect "$vm: it is on the stack for interrupts" [ "$(jq -r '[.[] | select(.stack == "IRQ")] | length' "$tmp/bt.json")" -gt 3 ]
	expect "$vm: and is followed to what was interrupted" [ -n "$(jq -r '.[] | select(.regs) | .regs' "$tmp/bt.json")" ]
	expect_equal "$vm: to where the kernel was entered" "$(jq -r '.[] | select(.end) | select(.end != "user" and .end != "start")' "$tmp/bt.json")" ''
	run "$KTB" bt --cpu --stop --name "$vm"
	expect_status "$vm: --stop" 0
	expect_match "$vm: where dd is" '^PID [0-9]+  R  CPU [01]  dd$'
	expect_match "$vm: and where it came from" '^    --- (entered from|in) user mode, '
	expect "$vm: nothing is a guess" [ "$(printf '%s\n' "$stdout" | grep -c '^#[0-9]* *?')" = 0 ]
	expect_equal "$vm: the guest goes on" "$(field "$vm" status)" running
	say "$vm" 'killall dd; echo id''le'
	expect "$vm: gets idle" wait_for "$patience" log_has "$vm" '^idle'
done

# --- An exception that has a stack of its own -----------------------------------------------------------------------

printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"inject-nmi"}' >"$tmp/nmi"
{
	cat <<-GDB
		printf "task none\n"
		hbreak default_do_nmi
		shell (sleep 2; socat -t 5 - UNIX-CONNECT:$run/qmp <$tmp/nmi) >/dev/null 2>&1 &
		continue
	GDB
	sed "s/VM/new/" "$tmp/cpus.gdb"
	echo delete
} >"$tmp/all.gdb"
gdb_on new "$tmp/all.gdb"
compare 'an NMI' cpu 8
expect 'it is on the stack for NMIs' [ "$(jq -r '[.[] | select(.stack == "NMI")] | length' "$tmp/bt.json")" -gt 2 ]
expect 'and is followed to what was interrupted' [ "$(jq -r '[.[] | select(.regs)] | length' "$tmp/bt.json")" -gt 0 ]
expect_equal 'to where the kernel was entered' "$(jq -r '.[] | select(.end) | select(.end != "user" and .end != "start")' "$tmp/bt.json")" ''

# --- A module -----------------------------------------------------------------------------------------------------

mkdir "$tmp/napper"
echo 'obj-m := napper.o' >"$tmp/napper/Kbuild"
cat >"$tmp/napper/napper.c" <<'END'
#include <linux/kthread.h>
#include <linux/module.h>
static struct task_struct *task;
static __always_inline void nap(void)
{
	schedule_timeout_interruptible(HZ * 1000);
}
static noinline int napper(void *unused)
{
	while (!kthread_should_stop())
		nap();
	return 0;
}
static int __init napper_init(void)
{
	task = kthread_run(napper, NULL, "napper");
	return PTR_ERR_OR_ZERO(task);
}
static void __exit napper_exit(void)
{
	kthread_stop(task);
}
module_init(napper_init);
module_exit(napper_exit);
MODULE_LICENSE("GPL");
END
at_exit 'for f in "${XDG_CACHE_HOME:-$HOME/.cache}"/ktb/module/*/src/Kbuild; do [ "$(readlink "$f")" != "$tmp/napper/Kbuild" ] || rm -rf "${f%/src/*}"; done'
for vm in $vms; do
	if [ "$vm" = old ]; then
		run "$KTB" module --load --name old --source "$old_source" "$tmp/napper"
	else
		run "$KTB" module --load --name "$vm" "$tmp/napper"
	fi
	expect_status "$vm: a module" 0
	pid=$("$KTB" ps --json --name "$vm" | jq -r '.[] | select(.command == "napper") | .pid')
	run "$KTB" bt --name "$vm" "$pid"
	expect_match "$vm: its function, and where" '^#[0-9]+ +napper\+0x[0-9a-f]+/0x[0-9a-f]+ \[napper\] at .*/napper\.c:11$'
	expect_match "$vm: what was inlined there" '^#[0-9]+ +nap \(inlined\) \[napper\] at .*/napper\.c:6$'
	expect_match "$vm: what is around it" '^#[0-9]+ +kthread\+0x[0-9a-f]+/0x[0-9a-f]+ at kernel/kthread\.c:[0-9]+$'
	run "$KTB" ps --long --name "$vm"
	expect_match "$vm: ps knows the function in which it sleeps" ' 0x[0-9a-f]+ +napper \[napper\] +napper$'
done

# --- Beside them --------------------------------------------------------------------------------------------------

run "$KTB" bt --name slid 1 2
expect_status 'with KASLR' 0
expect_match 'init' '^PID 1  S  CPU [01]  init$'
expect_match 'where it waits' '^#[0-9]+ +do_epoll_wait\+0x[0-9a-f]+/0x[0-9a-f]+ at fs/eventpoll.c:[0-9]+$'
expect_match 'what was inlined' '^#[0-9]+ +ep_poll \(inlined\) at fs/eventpoll.c:[0-9]+$'
expect_match 'from user mode' '^    --- entered from user mode, system call [0-9]+, RIP 0x[0-9a-f]+, RSP 0x7f[0-9a-f]+ ---$'
expect_match 'a kernel thread' '^#[0-9]+ +kthreadd\+0x[0-9a-f]+/0x[0-9a-f]+ at kernel/kthread.c:[0-9]+$'
run "$KTB" bt --long --name slid 1
expect_match 'with addresses' '^#1 +\[ff[0-9a-f]{14}\] 0xffffffff[0-9a-f]{8} __schedule\+'
run "$KTB" bt --blocked --name slid
expect_status 'nobody is blocked' 0
run "$KTB" bt --name slid
expect_status 'of which task?' 2
run "$KTB" bt --name slid --all 1
expect_status 'not all and one' 2
run "$KTB" bt --name slid nonsense
expect_status 'no PID' 2
run "$KTB" bt --name slid 4000000
expect_status 'no such task' 1
expect_error 'what to do then' 'ktb ps --threads'

# --- A panic ------------------------------------------------------------------------------------------------------

panicked()
{
	"$KTB" list | grep -q "^$1 *panicked"
}

# What the kernel printed of the stack of the task that brought it down, its guesses left out: what called panic().
printed()
{
	tr -d '\r' <"$(console_log "$1")" | sed -n '/sysrq: Trigger a crash/,$p' |
		sed -n '/<TASK>/,/<\/TASK>/s/^\[[^]]*\]  *\([a-zA-Z_][^ ?]*+0x[^ ]*\).*/\1/p' | sed '1,/^panic+/d'
}
for vm in $vms; do
	say "$vm" 'echo c >/proc/sysrq-trigger'
	expect "$vm: a panic" wait_for "$patience" panicked "$vm"
	run "$KTB" bt --cpu --name "$vm"
	expect_match "$vm: where it ends" '^#[0-9]+ +panic\+0x'
	expect_match "$vm: across the exception" '    --- interrupted, registers at 0x'
	expect_match "$vm: to what has caused it" '^#[0-9]+ +sysrq_handle_crash\+0x[0-9a-f]+/0x[0-9a-f]+ at drivers/tty/sysrq.c:[0-9]+$'
	expect_match "$vm: and to the system call" 'entered from user mode, system call 1,'
	printed "$vm" >"$tmp/printed"
	printf '%s\n' "$stdout" | sed -n 's/^#[0-9]* *\([^ ]*+0x[^ ]*\).*/\1/p' | sed '1,/^panic+/d' |
		head -n "$(wc -l <"$tmp/printed")" | diff "$tmp/printed" - >"$tmp/diff"
	expect_equal "$vm: functions, offsets and sizes are those that the kernel printed" "$(cat "$tmp/diff")" ''
	expect "$vm: which were some" [ "$(wc -l <"$tmp/printed")" -gt 4 ]
done

# --- Core files ---------------------------------------------------------------------------------------------------

# dump FORMAT FILE: of the VM "new", by QMP.
dump()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		"{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$2\",\"format\":\"$1\"}}" |
		socat -t 60 - "UNIX-CONNECT:$run/qmp" | grep -m 2 '"return"' >/dev/null
}
"$KTB" bt --all --name new >"$tmp/live" 2>/dev/null
"$KTB" bt --cpu --name new >"$tmp/live.cpu" 2>/dev/null
for format in elf kdump-zlib; do
	dump "$format" "$tmp/core"
	"$KTB" bt --core "$tmp/core" --all >"$tmp/dead" 2>"$tmp/bt.err"
	expect_equal "$format: the core has the stacks of the VM" "$(diff "$tmp/live" "$tmp/dead" | head -n 20)" ''
	"$KTB" bt --core "$tmp/core" --cpu >"$tmp/dead" 2>"$tmp/bt.err"
	expect_equal "$format: and what its CPUs were at" "$(diff "$tmp/live.cpu" "$tmp/dead" | head -n 20)" ''
	rm -f "$tmp/core"
done
expect 'there were stacks' [ "$(grep -c '^PID' "$tmp/live")" -gt 30 ]
finish
