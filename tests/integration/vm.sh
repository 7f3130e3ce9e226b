#!/bin/sh
# timeout: 300
# VMs without a terminal: in the background, side by side, stopped, panicking, debugged, and what is left of them.
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell, mostly the guest's
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# A folder whose name is longer than a socket's address may be.
run="$tmp/run-0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run"
vm_args='--memory 512M'
lines=150000

at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# --- Helpers ------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086 # words
ktb_vm()
{
	"$KTB" vm $vm_args "$@"
}

# The next ones are called by way of expect and wait_for, too.
# shellcheck disable=SC2317
file_has()
{
	grep -qe "$2" "$1"
}

# How often: the guest may have said it before.
# shellcheck disable=SC2317
log_has_times()
{
	[ "$(grep -ce "$3" "$(console_log "$1")")" -ge "$2" ]
}

# shellcheck disable=SC2317
is_gone()
{
	! "$KTB" list 2>/dev/null | grep -q "^$1 "
}

# shellcheck disable=SC2317
has_ended()
{
	! kill -0 "$1" 2>/dev/null
}

qemu_of()
{
	tr ' ' '\n' <"/proc/$1/task/$1/children" | while read -r _p; do
		case $(cat "/proc/$_p/comm") in
		ktb-*) echo "$_p" ;;
		esac
	done
}

# --- All that takes its time begins at once -----------------------------------------------------------------------

# The one whose output goes through a pipe that nobody reads for now.
mkfifo "$tmp/in"
: >"$tmp/held"
# shellcheck disable=SC2094
(
	ktb_vm --name out --port off <"$tmp/in" 2>"$tmp/out.err"
	echo "$?" >"$tmp/out.status"
) | (
	while [ -e "$tmp/held" ]; do
		sleep 0.1
	done
	cat >"$tmp/out"
) &
out_pipe=$!
exec 9>"$tmp/in"

detach a --memory 512M --port auto 3>"$tmp/inherited"
detach b --memory 512M --port off --kgdb-wait
detach deaf --memory 512M --port off
(
	ktb_vm --name early --port off --on-panic exit --append 'rdinit=/nonexistent init=/nonexistent' \
		</dev/null >"$tmp/early" 2>"$tmp/early.err"
	echo "$?" >"$tmp/early.status"
) &

# --- What is there ------------------------------------------------------------------------------------------------

run "$KTB" list
expect_match 'list shows one' '^a +running +[0-9]+ '
expect_match 'and the other, without a port' '^b +running +- '
run "$KTB" list --json
if command -v jq >/dev/null; then
	expect_equal 'list --json is JSON' \
		"$(printf '%s' "$stdout" | jq -c 'map(select(.name == "a" or .name == "b") | [.name, .port == null, .memory, .cpus])')" \
		'[["a",false,536870912,2],["b",true,536870912,2]]'
else
	expect_match 'list --json is JSON' '"name": ?"a"'
fi
port=$(field a port)
pid=$(field a pid)

expect_equal 'the folder is private' "$(stat -c %a "$run/ktb" "$run/ktb/a" | tr '\n' ' ')" '700 700 '
expect_equal 'its sockets are, too' "$(stat -c '%n %a' "$run"/ktb/a/*.sock "$run"/ktb/a/serial.* | sed 's/.*\///' | tr '\n' ' ')" \
	'agent.sock 600 control.sock 600 serial.sock 600 stub.sock 600 serial.in 600 serial.out 600 serial.sock 600 '
expect_equal 'who listens: ktb, on 127.0.0.1, and nobody else of this VM' \
	"$(grep -h " 0A " /proc/net/tcp /proc/net/tcp6 | awk '{ print $2, $10 }' | while read -r _address _inode; do
		for _p in "$pid" $(qemu_of "$pid"); do
			find "/proc/$_p/fd" -lname "socket:\[$_inode\]" 2>/dev/null | sed "s/.*/$_address/"
		done
	done)" "$(printf '0100007F:%04X' "$port")"

# A lock or a pipe that its starter had, it must not keep.
expect_equal 'none of its processes holds what it was started with' \
	"$(for _p in "$pid" $(tr ' ' '\n' <"/proc/$pid/task/$pid/children"); do
		find "/proc/$_p/fd" -lname "$tmp/in*"
	done)" ''
run ktb_vm --name a --port off
expect_status 'a name that is taken: status 2' 2
expect_error 'what to do about it' "a VM named 'a' runs already.*--name.*ktb stop a"
run ktb_vm --name c --port "$port"
expect_status 'a port that is taken: status 2' 2
expect_error 'who has it' "port $port on 127\.0\.0\.1 is taken by process $pid \(ktb\).*--port auto"
run ktb_vm --detach --name c --port "$port"
expect_status 'in the background, too' 2
expect_error 'with the same message' "taken by process $pid"
run ktb_vm --detach --name c --port off --qemu-arg=-bogus
expect_status 'a QEMU that refuses: status 125' 125
expect_error 'what it said' '-bogus: invalid option'
run ktb_vm --name c --port off --qemu nonesuch-qemu
expect_status 'no QEMU: status 3' 3
for name in ../c a/b . -- ''; do
	run ktb_vm --port off "--name=$name"
	expect_status "--name '$name' is refused: status 2" 2
done
run "$KTB" stop nonesuch
expect_error 'stop of a VM that is not there' "no VM named 'nonesuch' runs; these do: a, b"
run "$KTB" console
expect_error 'console where there are several' 'several VMs run \(a, b'

# --- kdb ----------------------------------------------------------------------------------------------------------

await b '--kgdb-wait: the kdb prompt' log_has b 'kdb>'
say b go
await b 'go: it boots' log_has b 'debugvm:~# '

# --- A guest ------------------------------------------------------------------------------------------------------

await a 'the shell' log_has a 'debugvm:~# '
# shellcheck disable=SC2317
has_address()
{
	ask a 'ip addr show eth0'
	matches "$stdout" 'inet 10\.0\.2\.15/'
}
await a 'DHCP' has_address
ask a 'nproc; cat /proc/cmdline'
expect_match 'two CPUs' '^2$'
expect_match 'its parameters' 'console=ttyS0,115200.* nokaslr'
if [ "$("$KTB" list --json | jq -r '.[] | select(.name == "a").accel')" = tcg ]; then
	expect 'no CPU has to find out how fast it is' log_has a 'Calibrating delay loop (skipped) preset value'
	run ktb_vm --port off --accel tcg --print-command
	expect_match 'for it is told' "-append '[^']* lpj=[1-9][0-9]{4,} "
	run ktb_vm --port off --accel tcg --qemu-arg=-icount --qemu-arg=shift=3 --print-command
	expect_match 'but where its clock counts instructions' "-append 'no_timer_check tsc=reliable console="
fi

# Two consoles at once, and none of them a terminal.
(
	echo 'echo fir""st'
	while [ ! -e "$tmp/consoles.done" ]; do sleep 0.1; done
) | "$KTB" console a >"$tmp/console1" 2>/dev/null &
console1=$!
"$KTB" console a >"$tmp/console2" 2>/dev/null </dev/null &
console2=$!
await a 'what is typed on one console is seen there' wait_for 5 file_has "$tmp/console1" '^first'
await a 'and on another' wait_for 5 file_has "$tmp/console2" '^first'

# --- GDB ----------------------------------------------------------------------------------------------------------

run plain_gdb -ex "target remote localhost:$port" -ex 'info registers rip' -ex detach
expect_match 'GDB attaches' '^rip  *0x'
expect 'and leaves the VM running' wait_for 10 is_listed a running
ask a 'echo al""ive'
expect_match 'it really runs' '^alive$'
# A port scanner must not stop it.
socat -u OPEN:/dev/null "TCP:127.0.0.1:$port"
expect 'one who says nothing changes nothing' is_listed a running

# --- Who else may reach the debug port ---------------------------------------------------------------------------

# packet LINE: what has QEMU's monitor execute it.
packet()
{
	_body=qRcmd,$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')
	_sum=$(printf '%s' "$_body" | od -An -v -tu1 | awk '{ for (i = 1; i <= NF; i++) n += $i } END { printf "%02x", n % 256 }')
	printf '$%s#%s' "$_body" "$_sum"
}

touch_it=$(packet "migrate \"exec:touch $tmp/touched\"")
for greeting in '' 'POST / HTTP/1.1\r\n\r\n'; do
	run timeout "$patience" "$KTB" exec --name a -- \
		sh -c "printf '$greeting%s' '$touch_it' | nc -w 3 10.0.2.2 $port"
	expect_equal 'the guest gets no answer from the debug port' "$stdout" ''
done
printf 'POST / HTTP/1.1\r\n\r\n%s' "$touch_it" | timeout 3 socat -t 1 - "TCP:127.0.0.1:$port" >"$tmp/answer" 2>&1
expect 'the guest was refused' file_has "$run/ktb/a/ktb.log" 'refused: it came from a guest'
# Guests of other QEMUs, which may be behind a script.
for name in qemu-system-x86_64 .qemu-system-x86_64-wrapped; do
	cp "$(command -v socat)" "$tmp/$name"
	run sh -c 'printf %s "$1" | timeout 5 "$2" -t 1 - "TCP:127.0.0.1:$3"' sh "$touch_it" "$tmp/$name" "$port"
	expect_equal "$name gets no answer either" "$stdout" ''
done
expect 'so was a web page' file_has "$run/ktb/a/ktb.log" 'refused: what it said is not GDB'
expect_equal 'which is told nothing' "$(grep -v 'reset by peer' "$tmp/answer")" ''
expect 'the guest runs' wait_for 10 is_listed a running
run plain_gdb -ex "target remote localhost:$port" -ex 'monitor info version' \
	-ex "monitor migrate \"exec:touch $tmp/touched\"" -ex 'info registers rip' -ex detach
expect_error 'GDB can ask QEMU' '^[0-9]+\.[0-9]+\.[0-9]+'
expect_error 'but have it run nothing' "^ktb: 'migrate' is not for the debug port"
expect_match 'and goes on' '^rip  *0x'
expect 'nothing was run on the host' [ ! -e "$tmp/touched" ]

# --- A reboot, then a panic ---------------------------------------------------------------------------------------

qemu=$(qemu_of "$pid")
ask a 'dmesg -n 8'
say a reboot
await a 'a reboot boots again' log_has_times a 2 'Run /init'
await a 'to a shell' log_has_times a 2 'debugvm:~# '
expect_equal 'in the same VM' "$(qemu_of "$pid")" "$qemu"
# The prompt must be the new one's.
await a 'which answers' has_address
say a 'echo c >/proc/sysrq-trigger'
expect 'a panic pauses it' wait_for "$patience" is_listed a panicked
expect 'ktb says what it was' wait_for 10 file_has "$run/ktb/a/ktb.log" 'the guest panicked: Kernel panic - not syncing: sysrq triggered crash'
run plain_gdb -ex "target remote localhost:$port" -ex 'info registers rip' -ex detach
expect_match 'GDB can look at it' '^rip  *0x'
run "$KTB" stop a
expect_status 'a panicked VM is stopped' 0
expect 'and gone' is_gone a
: >"$tmp/consoles.done"
expect 'its consoles have ended' wait_for 20 has_ended "$console1"
expect 'both' wait_for 20 has_ended "$console2"

# --- The early panic ----------------------------------------------------------------------------------------------

await early 'an early panic ends a VM that is to exit' [ -s "$tmp/early.status" ]
expect_equal 'with status 134' "$(cat "$tmp/early.status")" 134
expect 'and its first line' file_has "$tmp/early.err" 'the guest panicked: Kernel panic - not syncing: '
expect 'the log is kept' file_has "$tmp/early.err" '^ktb: the console.s log: .*/logs/early\.log'

# Before the driver of the panic device is there, it is a reset that tells. And then once more, from the beginning.
(
	ktb_vm --verbose --name again --port off --on-panic reboot --cpus 1 </dev/null >"$tmp/again" 2>"$tmp/again.err" \
		--append 'initcall_blacklist=pvpanic_pci_init,pvpanic_pci_driver_init rdinit=/nonexistent init=/nonexistent'
	echo "$?" >"$tmp/again.status"
) &
# shellcheck disable=SC2317
panicked_twice()
{
	[ "$(grep -c 'the guest panicked: Kernel panic - not syncing: .*; starting it again' "$tmp/again.err")" -ge 2 ]
}

# --- No output is lost --------------------------------------------------------------------------------------------

await out 'a VM whose output nobody reads boots' log_has out 'debugvm:~# '
printf 'seq 1 %s; echo fini""shed\r' "$lines" >&9
await out 'and goes on writing' log_has out '^finished'
rm "$tmp/held"
printf 'poweroff\r' >&9
exec 9>&-
expect 'it powers off' wait_for "$patience" [ -s "$tmp/out.status" ]
expect_equal 'with status 0' "$(cat "$tmp/out.status")" 0
wait "$out_pipe"
seq 1 "$lines" >"$tmp/wanted"
tr -d '\r' <"$tmp/out" | grep -E '^[0-9]+$' >"$tmp/got"
expect 'no line is missing on stdout' cmp "$tmp/got" "$tmp/wanted"
expect 'the last one is that of the end' file_has "$tmp/out" 'reboot: Power down'

expect 'panic, reboot, panic' wait_for "$patience" panicked_twice
expect_equal 'without a panic device' "$(grep -c GUEST_PANICKED "$tmp/again.err")" 0
run "$KTB" stop --force again
expect_status 'stop --force ends even that' 0
wait_for 20 [ -s "$tmp/again.status" ]
expect_equal 'and its status tells of the panic' "$(cat "$tmp/again.status")" 134

# --- A guest that does not hear -----------------------------------------------------------------------------------

await deaf 'one that is to be deaf boots' log_has deaf 'debugvm:~# '
say deaf 'echo g >/proc/sysrq-trigger'
await deaf 'it stands in kdb, and QEMU does not know' log_has deaf 'Entering kdb'
"$KTB" stop deaf 2>"$tmp/deaf.err" &
deaf=$!
expect 'stop says what it waits for' wait_for 10 file_has "$tmp/deaf.err" \
	"waiting for the guest of VM 'deaf' to power off; after 15 s the VM is ended without it"

# --- Held at reset ------------------------------------------------------------------------------------------------

mkfifo "$tmp/hand.in"
ktb_vm --port off --print-command >"$tmp/hand.sh" 2>/dev/null
(
	sh "$tmp/hand.sh" <"$tmp/hand.in" >"$tmp/hand" 2>&1
	echo "$?" >"$tmp/hand.status"
) &
exec 8>"$tmp/hand.in"

detach held --memory 512M --port auto --wait
expect 'its CPUs are held' is_listed held waiting
expect_equal 'it has said nothing' "$(cat "$(console_log held)")" ''
port=$(field held port)
run plain_gdb -ex "target remote localhost:$port" -ex 'info registers rip' -ex detach
expect_match 'GDB finds it at the reset vector' '^rip  *0xfff0'
await held 'and lets it go' log_has held 'Linux version'
run plain_gdb -ex "target remote localhost:$port" -ex kill
expect 'kill ends it' wait_for 20 is_gone held

# A stopped guest can't be asked to power off, and is not.
detach paused --memory 512M --port off --wait
started=$(date +%s)
run "$KTB" stop paused
expect_status 'a VM that is paused is stopped' 0
expect 'at once' [ $(($(date +%s) - started)) -lt 10 ]

# --- Who starts one and doesn't wait ------------------------------------------------------------------------------

printf '#!/bin/sh\nsleep 4\nexec qemu-system-x86_64 "$@"\n' >"$tmp/slow-qemu"
chmod +x "$tmp/slow-qemu"
# shellcheck disable=SC2317
nothing_is_left_of()
{
	[ ! -e "$run/ktb/$1" ] && ! pgrep -f "^[^ ]*ktb vm .*--name $1\$" >/dev/null
}
for signal in TERM KILL; do
	# shellcheck disable=SC2086 # words
	"$KTB" vm $vm_args --port off --qemu "$tmp/slow-qemu" --detach --name "left$signal" >/dev/null 2>&1 &
	starter=$!
	expect "SIG$signal: it is being started" wait_for 20 [ -e "$run/ktb/left$signal/control.sock" ]
	expect "SIG$signal: which its starter waits for" kill "-$signal" "$starter"
	wait "$starter" 2>/dev/null
	expect "SIG$signal of the starter before the VM runs: nothing is left" wait_for 20 nothing_is_left_of "left$signal"
done

# --- By hand, and the end of all ----------------------------------------------------------------------------------

await hand 'what --print-command prints boots by hand' file_has "$tmp/hand" 'debugvm:~# '
printf 'poweroff\r' >&8
expect 'and ends' wait_for "$patience" [ -s "$tmp/hand.status" ]
expect_equal 'with status 0' "$(cat "$tmp/hand.status")" 0
exec 8>&-

wait "$deaf"
expect_equal 'stop of one that does not hear' "$?" 0
expect 'it is ended in the end, and that is said' file_has "$tmp/deaf.err" \
	"VM 'deaf' has ended; its guest did not power off in time"

run "$KTB" stop --all
expect_status 'stop --all' 0
expect 'b powered off in an orderly way' file_has "${XDG_CACHE_HOME:-$HOME/.cache}/ktb/logs/b.log" 'reboot: Power down'
run "$KTB" list
expect_equal 'none is left' "$stdout" ''
expect_equal 'nothing is left of them' "$(ls "$run/ktb")" ''
# shellcheck disable=SC2317
no_ram_is_left()
{
	! find /proc/[0-9]*/fd -lname '/memfd:ktb-ram*' 2>/dev/null | while read -r _fd; do
		_pid=${_fd#/proc/}
		tr '\0' '\n' <"/proc/${_pid%%/*}/environ" 2>/dev/null
	done | grep -q "^XDG_RUNTIME_DIR=$run\$"
}
expect_equal 'nothing is in /dev/shm' "$(find /dev/shm -name '*ktb*')" ''
expect 'no process holds memory of theirs' wait_for 10 no_ram_is_left

# --- Signals that come while it ends ----------------------------------------------------------------------------------

# A terminal that is closed hangs up more than once.
detach storm --memory 512M --port off
storm_pid=$("$KTB" list --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | tail -n 1)
storm_tries=0
while kill -HUP "$storm_pid" 2>/dev/null && [ "$storm_tries" -lt 200000 ]; do
	storm_tries=$((storm_tries + 1))
done
expect 'a storm of signals ends it, and leaves nothing behind' [ ! -e "$run/ktb/storm" ]
finish
