#!/bin/sh
# timeout: 500
# ktb read against GDB, value by value, on guests that stand still, and against what the guests say of themselves: both
# kernels, with KASLR and without, and core files.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for jq and GDB; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-read.$$
export XDG_RUNTIME_DIR="$run" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
mkdir -m 700 "$run" || exit 1
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)

at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

for program in jq socat gdb xz; do
	command -v "$program" >/dev/null || not_ok "$program is there" 'these tests need it'
done

# --- Helpers ------------------------------------------------------------------------------------------------------

slide_of()
{
	"$KTB" ps --verbose --name "$1" 2>&1 >/dev/null | sed -n 's/.*slide \(0x[0-9a-f]*\),.*/\1/p'
}

# value NAME EXPR OPTION...: what is behind the type.
value()
{
	_name=$1 _expr=$2
	shift 2
	"$KTB" read --name "$_name" "$@" "$_expr" 2>&1 | sed 's/^([^)]*) //'
}

# qmp COMMAND [ARGUMENTS]: of the VM "kaslr".
qmp()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' "{\"execute\":\"$1\"${2:+,\"arguments\":{$2}}}" |
		socat -t 60 - "UNIX-CONNECT:$run/qmp" | grep -m 2 '"return"' >/dev/null
}

# --- Guests -------------------------------------------------------------------------------------------------------

detach new --port auto --memory 512M
detach kaslr --port auto --memory 512M --kaslr --qemu-arg=-qmp --qemu-arg="unix:$run/qmp,server=on,wait=off"
if [ -n "$old_source" ]; then
	detach old --port auto --memory 512M --kaslr --source "$old_source"
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi
for vm in new kaslr ${old_source:+old}; do
	expect "$vm boots" wait_for "$patience" log_has "$vm" 'debugvm:~# '
done
expect 'with KASLR the slide is not 0' [ "$(slide_of kaslr)" != 0x0 ]

# --- What the guest says itself -----------------------------------------------------------------------------------

own_words()
{
	ask "$1" 'uname -r; cat /proc/cmdline /proc/version /proc/sys/kernel/pid_max; hostname read-me; echo 7 >/proc/sys/kernel/panic'
	printf '%s\n' "$stdout" >"$tmp/words"
	expect_equal "$1: the release" "$(value "$1" init_uts_ns.name.release)" "\"$(sed -n 1p "$tmp/words")\""
	expect_equal "$1: the kernel's command line" "$(value "$1" saved_command_line | sed 's/^0x[0-9a-f]* //')" \
		"\"$(sed -n 2p "$tmp/words")\""
	expect_equal "$1: the banner, whose length only its symbol has" "$(value "$1" linux_banner)" \
		"\"$(sed -n 3p "$tmp/words")\\n\""
	expect_equal "$1: a number" "$(value "$1" pid_max)" "$(sed -n 4p "$tmp/words")"
	expect_equal "$1: what was changed just now" "$(value "$1" init_uts_ns.name.nodename)" '"read-me"'
	expect_equal "$1: and another one" "$(value "$1" panic_timeout)" 7
	expect_equal "$1: the first process, by way of pointers" "$(value "$1" 'init_pid_ns.child_reaper->comm')" '"init"'
	expect_equal "$1: a . goes the same way" "$(value "$1" init_pid_ns.child_reaper.pid)" 1
	expect_equal "$1: the idle task" "$(value "$1" init_task.comm)" '"swapper/0"'
	expect_equal "$1: its name by its address" \
		"$(value "$1" "((struct task_struct *)$("$KTB" read --name "$1" --json '&init_task' | jq -r '.[0].value'))->comm")" \
		'"swapper/0"'
	run "$KTB" read --name "$1" runqueues.cpu
	expect_equal "$1: a per-CPU variable of each CPU" "$stdout" '[cpu 0] (int) 0
[cpu 1] (int) 1'
	expect_equal "$1: and of one; the shell may split it" "$("$KTB" read --name "$1" runqueues[cpu 1].cpu)" '(int) 1'
	run "$KTB" read --name "$1" 'runqueues[cpu 1].nr_running'
	expect_match "$1: how many tasks want to run" '^\(unsigned int\) [0-9]$'
	before=$(value "$1" jiffies)
	ask "$1" 'sleep 0.3' # or else nothing happens there, and nothing counts
	expect "$1: jiffies grows" [ "$(value "$1" jiffies)" -gt "$before" ]
	expect_equal "$1: an enumeration by name" "$(value "$1" system_state)" SYSTEM_RUNNING
	expect_equal "$1: a function by name" "$(value "$1" tcp_prot.setsockopt | sed 's/.*0x[0-9a-f]* //')" '<tcp_setsockopt>'
	expect_equal "$1: the guest was not stopped" "$(field "$1" status)" running
}
for vm in new kaslr ${old_source:+old}; do
	own_words "$vm"
done

# --- GDB ----------------------------------------------------------------------------------------------------------

# Each number and pointer in a value: its path, a space, and the number; and the same for GDB to print. jq has numbers only
# up to 2^53, so larger ones are left out; pointers are text.
cat >"$tmp/leaves.jq" <<'JQ'
def shown: map(if type == "number" then "[\(.)]" else ".\(.)" end) | join("");
.[0].value | . as $all | [paths(scalars)] | .[] | . as $path | ($all | getpath($path)) as $value |
	if ($path | index("__padding")) then empty # thousands of zeros
	elif ($value | type) == "boolean" then [($path | shown), "d", (if $value then "1" else "0" end)]
	elif ($value | type) == "number" and ($value | fabs) < 9007199254740992 then [($path | shown), "d", "\($value)"]
	elif ($value | type) == "string" and ($value | test("^0x[0-9a-f]+$")) then [($path | shown), "x", $value]
	else empty end | @tsv
JQ

# What GDB runs while the guest stands still: ask NAME EXPR GDBS-EXPR DEPTH
cat >"$tmp/ask" <<'ASK'
#!/bin/sh
"$KTB" read --name "$1" --json --depth "$4" "$2" | jq -r -f "$tmp/leaves.jq" >"$tmp/leaves"
awk -F '\t' '{ print $1, $3 }' "$tmp/leaves" >>"$tmp/ours"
# A variable of GDB's own has all of the value: it is fetched once.
echo "set \$value = $3" >"$tmp/compare.gdb"
awk -F '\t' '{
	format = $2 == "d" ? "%ld" : "0x%lx"
	printf "printf \"%s %s\\n\", (long)$value%s\n", $1, format, $1
}' "$tmp/leaves" >>"$tmp/compare.gdb"
ASK
chmod +x "$tmp/ask"
export tmp KTB

same_as_gdb()
{
	: >"$tmp/ours"
	slide=$(slide_of "$1")
	# Per-CPU variables are linked at 0 and don't slide; GDB makes them do so.
	plain_gdb -iex 'set auto-load off' -ex 'set confirm off' -ex "symbol-file -o $slide $(field "$1" vmlinux)" \
		-ex "target remote localhost:$(field "$1" port)" \
		-ex "shell '$tmp/ask' $1 init_task init_task 5" -ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 'runqueues[cpu 1]' '(*(struct rq *)((char *)&runqueues - $slide + __per_cpu_offset[1]))' 2" \
		-ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 boot_cpu_data boot_cpu_data 2" -ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 tcp_prot tcp_prot 2" -ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 '*init_task.signal' '(*init_task.signal)' 3" -ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 __lru_add_drain_all::lru_drain_gen __lru_add_drain_all::lru_drain_gen 1" -ex "source $tmp/compare.gdb" \
		-ex "shell '$tmp/ask' $1 cpus_with_pcps __drain_all_pages::cpus_with_pcps 1" -ex "source $tmp/compare.gdb" \
		>"$tmp/gdb.out" 2>"$tmp/gdb.err" </dev/null
	sed -n '/^[].[a-z_A-Z0-9]* -\{0,1\}[0-9a-fx]*$/p' "$tmp/gdb.out" >"$tmp/theirs"
	if diff "$tmp/theirs" "$tmp/ours" >"$tmp/diff" && [ "$(wc -l <"$tmp/ours")" -gt 500 ]; then
		ok "$1: every number and pointer is GDB's ($(wc -l <"$tmp/ours") of them)"
	else
		not_ok "$1: every number and pointer is GDB's" "$(wc -l <"$tmp/ours") values
$(head -n 20 "$tmp/diff"; head -n 5 "$tmp/gdb.err")"
	fi
}
for vm in new ${old_source:+old}; do
	same_as_gdb "$vm"
done

# --- Modules ------------------------------------------------------------------------------------------------------

mkdir "$tmp/reader"
echo 'obj-m := reader.o' >"$tmp/reader/Kbuild"
cat >"$tmp/reader/reader.c" <<'END'
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
struct reader_thing {
	int number;
	const char *text;
	struct task_struct *loader;
};
static struct reader_thing things[3] = { { 1, "one" }, { -2, "two" }, { 3, "three" } };
static DEFINE_PER_CPU(int, reader_count);
static void (*reader_hook)(void);
int reader_seen;
static int asked;
module_param(asked, int, 0644);
static void reader_call(void)
{
	static int calls = 40;

	pr_info("reader: called %d, at %px\n", ++calls, &things);
}
static int __init reader_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(reader_count, cpu) = 100 + cpu;
	things[1].loader = current;
	reader_seen = asked;
	reader_hook = reader_call;
	reader_hook();
	return 0;
}
static void __exit reader_exit(void)
{
	reader_hook();
}
module_init(reader_init);
module_exit(reader_exit);
MODULE_LICENSE("GPL");
END

# Its folder in the cache goes with the test's.
forget_module()
{
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do
		[ "$(readlink "$_f")" != "$tmp/reader/Kbuild" ] || rm -rf "${_f%/src/*}"
	done
}
at_exit forget_module

# module_has_variables NAME OPTION...
module_has_variables()
{
	vm=$1
	shift
	run "$KTB" read --name "$vm" things
	expect_status "$vm: what no module has" 1
	run timeout 120 "$KTB" module --load --name "$vm" "$@" "$tmp/reader" -- asked=77
	expect_status "$vm: a module" 0
	expect_equal "$vm: its parameter" "$(value "$vm" reader::asked)" 77
	ask "$vm" 'echo 78 >/sys/module/reader/parameters/asked'
	expect_equal "$vm: when it was changed" "$(value "$vm" "'reader.c'::asked")" 78
	expect_equal "$vm: what has no initial value" "$(value "$vm" reader_seen)" 77
	expect_equal "$vm: a member of an array of its structs" "$(value "$vm" 'things[1].number')" -2
	expect_equal "$vm: text" "$(value "$vm" 'reader::things[2].text' | sed 's/^0x[0-9a-f]* //')" '"three"'
	expect_equal "$vm: a type of the kernel's" "$(value "$vm" 'things[1].loader->comm')" '"ktb-agent"'
	expect_equal "$vm: a function by name" "$(value "$vm" reader_hook | sed 's/^.*0x[0-9a-f]* //')" '<reader_call [reader]>'
	expect_equal "$vm: a static variable of a function" "$(value "$vm" reader_call::calls)" 41
	address=$("$KTB" dmesg --name "$vm" | sed -n 's/.*reader: called 41, at \([0-9a-f]*\)$/0x\1/p')
	expect_equal "$vm: where they are" "$("$KTB" read --name "$vm" --json '&things' | jq -r '.[0].value')" "$address"
	run "$KTB" read --name "$vm" "$address" --type 'struct reader_thing'
	expect_match "$vm: a type of the module's" '^    \.text = \(const char \*\) 0x[0-9a-f]* "one",$'
	run "$KTB" read --name "$vm" reader_count
	expect_equal "$vm: a per-CPU variable of the module's" "$stdout" '[cpu 0] (int) 100
[cpu 1] (int) 101'
	mv "$(ls "$XDG_CACHE_HOME"/ktb/module/*/src/reader.ko)" "$tmp/reader.away"
	run "$KTB" read --name "$vm" reader::things
	expect_status "$vm: without its file" 1
	expect_error "$vm: and why" 'the variables of module reader are not known'
	mkdir -p "$tmp/packed"
	xz -c "$tmp/reader.away" >"$tmp/packed/reader.ko.xz"
	expect_equal "$vm: a file that is compressed" "$("$KTB" read --name "$vm" --modules "$tmp/packed" calls)" '(int) 41'
	rm -rf "$tmp/packed"
	forget_module
}
module_has_variables new
module_has_variables kaslr
[ -z "$old_source" ] || module_has_variables old --source "$old_source"

# --- As something else, and as text -------------------------------------------------------------------------------

run "$KTB" read --name new '&init_task.comm' --type 'u8[4]'
expect_equal 'an address, seen as another type' "$stdout" '(u8 [4]) { 0x73, 0x77, 0x61, 0x70 }'
address=$("$KTB" read --name new --json 'init_task.tasks.next' | jq -r '.[0].value')
run "$KTB" read --name new "$address" --type 'struct list_head'
expect_match 'an address as a number' '^\(struct list_head\) \{$'
run "$KTB" read --name new --depth 1 init_task
expect_match 'a struct, member by member' '^    \.pid = \(pid_t\) 0,$'
expect_match 'no deeper than it was asked for' '^    \.tasks = \(struct list_head\) \{ \.\.\. \},$'
expect_equal 'with --stop' "$("$KTB" read --stop --name new init_task.pid)" '(pid_t) 0'
runs()
{
	[ "$(field new status)" = running ]
}
expect 'the guest goes on afterwards' wait_for 5 runs

# --- What is wrong ------------------------------------------------------------------------------------------------

# fails STATUS REGEX ARGS...
fails()
{
	_status=$1 _regex=$2
	shift 2
	run "$KTB" read --name new "$@"
	expect_status "$*: status $_status" "$_status"
	expect_error "$*: why" "$_regex"
}
fails 1 "knows no variable 'init_tsk'; there is init_task" init_tsk
fails 1 "'init_task' is a struct task_struct, which has no member 'parnet'; there is parent" init_task.parnet
fails 1 "'init_task.mm' is NULL" 'init_task.mm->pgd'
fails 1 "is at 0x1010: 0x1010 is not mapped" '*(int *)0x1010'
fails 1 'there is no CPU 7' 'runqueues[cpu 7]'
fails 1 "'schedule' is a function" schedule
fails 1 "knows no variable 'schedule::nothing'" schedule::nothing
fails 2 'the name of a variable is expected' 'schedule::'
fails 2 "here$" 'init_task..comm'
fails 2 '^ {14}\^$' 'init_task..comm'
fails 2 'nothing says what is there' 0xffff888000000000
fails 2 'wants an expression'
fails 2 'a number from 1 to 32' --depth 0 init_task
fails 1 "no struct 'task_strct'; there is task_struct" 0xffff888000000000 --type 'struct task_strct'

# --- Core files ---------------------------------------------------------------------------------------------------

qmp stop
for expr in init_task 'runqueues[cpu 1]' saved_command_line 'init_pid_ns.child_reaper->comm'; do
	"$KTB" read --name kaslr --depth 6 "$expr"
done >"$tmp/live" 2>&1
for format in elf kdump-zlib; do
	qmp dump-guest-memory "\"paging\":false,\"protocol\":\"file:$tmp/core\",\"format\":\"$format\""
	for expr in init_task 'runqueues[cpu 1]' saved_command_line 'init_pid_ns.child_reaper->comm'; do
		"$KTB" read --core "$tmp/core" --depth 6 "$expr"
	done >"$tmp/dead" 2>&1
	expect "$format: a core says what the guest did" cmp -s "$tmp/live" "$tmp/dead"
	rm -f "$tmp/core"
done
expect 'which is something' grep -q '"init"' "$tmp/live"

finish
