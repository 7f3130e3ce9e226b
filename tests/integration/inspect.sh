#!/bin/sh
# timeout: 400
# Kernels read from outside: ktb ps and ktb dmesg against what the guest itself says, on both kernels, with KASLR and
# without, with memory above 4 GB, paused, hung, panicked, and from core files.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the guest's shell; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-inspect.$$
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run" || exit 1
old_source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null)

at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

command -v jq >/dev/null || not_ok 'jq is there' 'these tests take JSON apart with it'

# --- Helpers ------------------------------------------------------------------------------------------------------

# ps NAME OPTION...: rows as JSON, one a line.
ps()
{
	_name=$1
	shift
	"$KTB" ps --json --name "$_name" "$@" 2>"$tmp/ps.err" | jq -c '.[]'
}

# What a guest says of its processes. Its own doings (the shell, what it starts, kernel threads that come and go) are left
# out on both sides.
cat >"$tmp/tasks.sh" <<'GUEST'
for p in /proc/[0-9]*; do
	read -r s <"$p/stat" 2>/dev/null || continue
	n=${s#*\(}
	n=${n%\)*}
	# Of kernel threads stat has a longer name than the task.
	while [ ${#n} -gt 15 ]; do n=${n%?}; done
	set -- ${s##*\) }
	while read -r key _ u _; do
		[ "$key" != Uid: ] || break
	done <"$p/status"
	echo "task ${p#/proc/} $2 $n $u $((($7 >> 21) & 1))"
done
GUEST
own_doings=' (sh|kworker/[^ ]*) '

same_tasks()
{
	ask "$1" 'sh /root/tasks.sh'
	printf '%s\n' "$stdout" | sed -n 's/^task //p' | grep -vE "$own_doings" | sort -n >"$tmp/theirs"
	ps "$1" | jq -r '[.pid, .ppid, .command, .uid, (if .kernel_thread then 1 else 0 end)] | join(" ")' |
		grep -vE "$own_doings" | sort -n >"$tmp/ours"
	diff "$tmp/theirs" "$tmp/ours" >"$tmp/diff" && [ "$(wc -l <"$tmp/ours")" -gt 10 ]
}

# The guest's own log, between marks; its prompt and echo aside.
same_log()
{
	ask "$1" 'dmesg'
	printf '%s\n' "$stdout" | sed 's/[[:space:]]*$//' >"$tmp/theirs"
	"$KTB" dmesg --name "$1" 2>/dev/null | sed 's/[[:space:]]*$//' >"$tmp/ours"
	diff "$tmp/theirs" "$tmp/ours" >"$tmp/diff" && [ "$(wc -l <"$tmp/ours")" -gt 100 ]
}

slide_of()
{
	"$KTB" ps --verbose --name "$1" 2>&1 >/dev/null | sed -n 's/.*slide 0x\([0-9a-f]*\),.*/\1/p'
}

# compare NAME: all that can be compared.
compare()
{
	if wait_for 2 same_tasks "$1"; then
		ok "$1: ps shows what /proc does"
	else
		not_ok "$1: ps shows what /proc does" "$(cat "$tmp/diff" "$tmp/ps.err")"
	fi
	if wait_for 2 same_log "$1"; then
		ok "$1: dmesg shows what dmesg does there"
	else
		not_ok "$1: dmesg shows what dmesg does there" "$(head -n 20 "$tmp/diff")"
	fi
	ask "$1" 'sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/rss \1/p" /proc/1/status'
	theirs=$(printf '%s\n' "$stdout" | sed -n 's/^rss //p')
	ours=$(ps "$1" | jq -r 'select(.pid == 1) | .rss_bytes / 1024')
	# Tasks gather up to 64 pages before 6.2 adds them up for /proc.
	expect "$1: the RSS of init is that of /proc, or a little more" \
		[ "$ours" -ge "${theirs:-9999999}" ] && [ "$ours" -le $((theirs + 4096)) ]
	expect_equal "$1: the guest was not stopped" "$("$KTB" list --json | jq -r ".[] | select(.name == \"$1\") | .status")" running
}

# --- Guests -------------------------------------------------------------------------------------------------------

detach new --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 512M
detach kaslr --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 5G --kaslr
detach core --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 256M --kaslr --qemu-arg=-qmp --qemu-arg="unix:$run/qmp,server=on,wait=off"
if [ -n "$old_source" ]; then
	detach old --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 512M --kaslr --source "$old_source"
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi
for vm in new kaslr core ${old_source:+old}; do
	expect "$vm boots" wait_for "$patience" log_has "$vm" 'debugvm:~# '
done

for vm in new kaslr ${old_source:+old}; do
	compare "$vm"
done
expect_equal 'without KASLR the slide is 0' "$(slide_of new)" 0
expect 'with KASLR it is not' [ "$(slide_of kaslr)" != 0 ]
[ -z "$old_source" ] || expect 'nor on 6.1' [ "$(slide_of old)" != 0 ]

# --- What tasks do ------------------------------------------------------------------------------------------------

ask new 'sleep 1000 & a=$!; cat /dev/zero >/dev/null & b=$!; sleep 1002 & c=$!; sleep 1; kill -STOP $c; sleep 1'
run "$KTB" ps --name new --long
expect_match 'one that sleeps, and where' '^ *[0-9]+ +[0-9]+ +[0-9]+ +0 +S .* 0xff[0-9a-f]+ +[a-z_0-9]*nanosleep[a-z_0-9]* +sleep$'
expect_match 'one that runs' ' R +[01] .* no .* cat$'
expect_match 'one that is stopped' ' T +[01] .* do_signal_stop +(sh|sleep)$'
expect_match 'a kernel thread' ' yes +0xff[0-9a-f]+ .* kthreadd$'
expect_equal 'nothing is said beside it' "$stderr" ''
expect_equal 'threads: every task has a number of its own' "$(ps new --threads | jq -r .tid | sort | uniq -d)" ''
ask new 'kill -KILL $a $b $c'

# A guest whose tasks come and go while they are read.
say new 'while [ ! -e /tmp/stop ]; do (:); (:); done &'
i=0
bad=''
while [ "$i" -lt 40 ]; do
	ps new --threads >"$tmp/rows" || bad="$bad status"
	grep -q '"pid":1,' "$tmp/rows" && grep -q '"command":"kthreadd"' "$tmp/rows" || bad="$bad $(cat "$tmp/ps.err")"
	[ -z "$(jq -r 'select(.complete and (.pid > 4194304 or .ppid > 4194304 or (.state | test("^[RSDTtXZPI]$") | not)))' "$tmp/rows")" ] ||
		bad="$bad nonsense"
	i=$((i + 1))
done
expect_equal '40 times during a storm of forks, nothing wrong' "$bad" ''
ask new 'touch /tmp/stop; wait'

# --- The log ------------------------------------------------------------------------------------------------------

"$KTB" dmesg -w --name new >"$tmp/follow" 2>"$tmp/follow.err" &
follow=$!
at_exit 'kill $follow 2>/dev/null'
ask new 'printf "<3>bad \033[31mnews\n" >/dev/kmsg; echo "<6>good news" >/dev/kmsg'
followed()
{
	grep -q 'good news' "$tmp/follow"
}
expect 'dmesg -w shows what comes' wait_for 10 followed
expect_equal 'once' "$(grep -c 'good news' "$tmp/follow")" 1
run "$KTB" dmesg --name new --level err
expect_match 'a level: what is as urgent, with nothing for a terminal to obey' 'bad \\x1b\[31mnews$'
expect 'and nothing less urgent' [ "$(printf '%s\n' "$stdout" | grep -c 'good news')" = 0 ]
expect_equal 'as JSON' "$("$KTB" dmesg --name new --json | jq -r '.[] | select(.text == "good news") | .level')" info
ask new 'echo "<28>bad weather" >/dev/kmsg; dmesg -r'
printf '%s\n' "$stdout" | sed -n 's/^<\([0-9]*\)>.*/\1/p' >"$tmp/theirs"
# The number that busybox shows has the facility in it; a message of several lines has one in each.
"$KTB" dmesg --json --name new | jq -r '.[] | .level as $l |
	(.facility * 8 + (["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"] | index($l))) as $number |
	.text | split("\n")[] | $number' >"$tmp/ours"
expect_equal 'levels and facilities are those that the guest shows' "$(sort "$tmp/ours" | uniq -c)" "$(sort "$tmp/theirs" | uniq -c)"
run "$KTB" dmesg -x --name new
expect_match 'and as text' '^daemon:warn  : \[ *[0-9]+\.[0-9]{6}\] bad weather$'
expect_match 'the kernel itself' '^kern  :notice: \[ *[0-9]+\.[0-9]{6}\] Linux version'
run "$KTB" ps --name new --core "$tmp/no-core"
expect_status 'a VM and a core at once' 2
expect_error 'which one?' 'which of them is meant'
run "$KTB" dmesg --name new --level nonsense
expect_status 'no such level: status 2' 2

# --- Stopped, hung, panicked --------------------------------------------------------------------------------------

run "$KTB" ps --stop --name new
expect_status 'ps --stop' 0
runs()
{
	"$KTB" list | grep -q "^$1 *running"
}
expect 'the guest goes on afterwards' wait_for 5 runs new
ask new 'echo al""ive'
expect_equal 'it really does' "$stdout" alive

run "$KTB" ps --name new --vmlinux "$("$KTB" list --json | jq -r '.[] | select(.name == "kaslr") | .vmlinux')"
expect_status 'the same vmlinux by name' 0
if [ -n "$old_source" ]; then
	run "$KTB" ps --name new --vmlinux "$("$KTB" list --json | jq -r '.[] | select(.name == "old") | .vmlinux')"
	expect_status 'a vmlinux of another kernel' 1
	expect_error 'both build IDs' "doesn't match: its build ID is [0-9a-f]{40}.*build ID.*[0-9a-f]{40}"
fi
detach held --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 512M --wait
run "$KTB" ps --name held
expect_error 'before the first instruction: says so' 'no task yet|not set up its page tables|not in the guest'
detach hung --port off --files "$tmp/tasks.sh:/root/tasks.sh" --memory 512M --append 'rdinit=/bin/false initcall_debug console=null panic=0'
run "$KTB" dmesg --name nonesuch
expect_status 'no such VM: status 1' 1

say new 'echo c >/proc/sysrq-trigger'
panicked()
{
	"$KTB" list | grep -q "^new *panicked"
}
expect 'a panic' wait_for "$patience" panicked
run "$KTB" dmesg --name new --level emerg
expect_match 'its last words' 'Kernel panic - not syncing: sysrq triggered crash'
run "$KTB" ps --name new
expect_match 'its tasks' '^ *1 +0 +1 .* init$'
# Its console is null: nothing comes out but through memory.
hung_says()
{
	"$KTB" dmesg --name hung 2>/dev/null | grep -q 'Run /bin/false as init process\|Kernel panic'
}
expect 'one without a console is heard all the same' wait_for "$patience" hung_says

# --- Core files ---------------------------------------------------------------------------------------------------

# dump FORMAT FILE: of the VM "core", by QMP.
dump()
{
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		"{\"execute\":\"dump-guest-memory\",\"arguments\":{\"paging\":false,\"protocol\":\"file:$2\",\"format\":\"$1\"}}" |
		socat -t 60 - "UNIX-CONNECT:$run/qmp" | grep -m 2 '"return"' >/dev/null
}
vmlinux=$("$KTB" list --json | jq -r '.[] | select(.name == "core") | .vmlinux')
ps core --stop | jq -c '[.pid, .command]' | grep -v kworker >"$tmp/live"
for format in elf kdump-zlib; do
	dump "$format" "$tmp/core"
	run "$KTB" ps --core "$tmp/core" --vmlinux "$vmlinux" --json
	expect_equal "$format: the core has the tasks of the VM" "$(printf '%s' "$stdout" | jq -c '.[] | [.pid, .command]' | grep -v kworker)" \
		"$(cat "$tmp/live")"
	run "$KTB" dmesg --core "$tmp/core" --vmlinux "$vmlinux"
	expect_match "$format: and its log" 'Linux version'
	# A dump without virtual addresses has VMCOREINFO too, for QEMU was told where it is.
	run "$KTB" ps --core "$tmp/core"
	expect_match "$format: it says itself of which kernel it is" '^ *1 +0 +1 .* init$'
	rm -f "$tmp/core"
done
run "$KTB" ps --core /etc/passwd --vmlinux "$vmlinux"
expect_error 'a file that is no core' 'no core file'

"$KTB" stop --force --quiet new
expect 'dmesg -w ends with the VM' wait_for 10 sh -c "! kill -0 $follow"
finish
