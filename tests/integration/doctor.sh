#!/bin/sh
# timeout: 300
# What goes wrong with kernels, VMs and GDB, provoked with real ones: the doctor names it, with the remedy, and the remedy
# helps. The cases are those of README.md's "When something goes wrong".
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
# shellcheck disable=SC2317 # called by way of wait_for and expect
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run" XDG_CONFIG_HOME="$tmp/config"
# Some of it is said of the last VM; what is kept of ours must not mix with others'.
me=doc$$
mkdir -m 700 "$XDG_RUNTIME_DIR" "$tmp/config"
at_exit '"$KTB" stop --all --force >/dev/null 2>&1; rm -f "${XDG_CACHE_HOME:-$HOME/.cache}/ktb/logs/$me"*'

# start NAME ARGS...
start()
{
	_name=$1
	shift
	"$KTB" vm --quiet --detach --name "$me$_name" --memory 512M --accel tcg --port auto "$@"
}

is_up()
{
	wait_for 120 log_has "$me$1" '^debugvm:' || not_ok "$1 comes up" "$(console "$me$1" | tail -n 20)"
}

type_into()
{
	{
		printf '%s\r' "$2"
		sleep 0.5
	} | socat -u - "UNIX-CONNECT:$XDG_RUNTIME_DIR/ktb/$me$1/serial.sock"
}

# doctor NAME ARGS...: of one VM.
doctor()
{
	_name=$1
	shift
	run "$KTB" doctor --json --name "$me$_name" --accel tcg --port auto "$@"
}

# says CHECK STATUS FOUND [REMEDY]
says()
{
	printf '%s\n' "$stdout" | jq -e --arg check "$1" --arg status "$2" --arg found "$3" --arg remedy "${4-}" '
		any(.[]; .check == $check and .status == $status and (.found | test($found; "p")) and
			(.remedy // "" | test($remedy; "p")))'
}

# expect_says NAME CHECK STATUS FOUND [REMEDY]
expect_says()
{
	_what=$1
	shift
	if says "$@" >/dev/null; then
		ok "$_what"
	else
		not_ok "$_what" "expected: $*
$(last_run)"
	fi
}

# --- Guests that say nothing: they are looked at in the end, when they have been silent for long --------------------

start mute --cmdline console=ttyS1 --append 'rdinit=/nonesuch root=/dev/nonesuch rootdelay=1000'
start hung --append 'rdinit=/nonesuch root=/dev/nonesuch rootdelay=1000'
start quiet --append quiet
silent_since=$(date +%s)

# --- All is well --------------------------------------------------------------------------------------------------

start well --on-disconnect stop
is_up well
doctor well
expect_status 'a VM that runs: status 0' 0
expect_says 'a VM that runs' vm ok "'${me}well' runs, and has booted; silent since"
expect_says 'its port' vm-port ok 'listens on 127.0.0.1'
expect_says 'its symbols' vm-symbols ok '/vmlinux'
expect_says 'the kernel is complete' kernel ok '/vmlinux'
expect_says 'its build ID' build-id ok '^[0-9a-f]{40}$'
expect_says 'debug information' debug-info ok '[0-9]+ functions'
expect_says 'helper scripts' scripts ok 'vmlinux-gdb.py'
expect_says 'options' options ok 'has all [0-9]+'
expect_says 'QEMU makes the machine' machine ok 'QEMU makes it'
run "$KTB" list
expect_match 'the doctor has not stopped it' "^${me}well +running"
type_into well 'echo a$((1+1))b'
expect 'and it still answers' wait_for 20 log_has "${me}well" '^a2b'

type_into well 'echo "<3>BUG: nothing really" >/dev/kmsg'
wait_for 20 log_has "${me}well" '\] BUG: nothing'
doctor well
expect_says 'what the kernel reports' vm warning 'has reported: BUG: nothing really' 'console.log'
expect_status 'is a warning' 0

# --- The VM doesn't start -----------------------------------------------------------------------------------------

run "$KTB" vm --detach --name "${me}bad" --accel tcg --port auto --qemu-arg=-device --qemu-arg=nonesuch
expect_status 'a VM that does not start' 125
doctor bad --qemu-arg=-device --qemu-arg=nonesuch
expect_status "a VM that doesn't start: status 1" 1
expect_says "a VM that doesn't start: what QEMU says, and what to do" machine problem "'nonesuch' is not a valid device" \
	'vm.qemu_arg.*--print-command'

# --- Disks, a root, a kernel from elsewhere -----------------------------------------------------------------------

truncate -s 4M "$tmp/disk.img"
qemu-img create -q -f qcow2 "$tmp/disk.qcow2" 4M
sum=$(cat "$tmp/disk.img" "$tmp/disk.qcow2" | sha256sum)
doctor none --image "$tmp/disk.img" --image "$tmp/disk.qcow2" --share "$tmp" --root "$tmp/config" --forward auto:22
expect_says 'disks that nobody has' machine ok 'QEMU makes it'
expect_equal 'which it leaves as they are' "$(cat "$tmp/disk.img" "$tmp/disk.qcow2" | sha256sum)" "$sum"
qemu-img create -q -f qcow2 -F raw -b "$tmp/gone.img" "$tmp/based.qcow2" 4M 2>/dev/null ||
	qemu-img create -q -u -f qcow2 -F raw -b "$tmp/gone.img" "$tmp/based.qcow2" 4M
doctor none --image "$tmp/based.qcow2"
expect_says 'an image without what it is based on' attach problem 'no file .*gone.img'
start disks --image "$tmp/disk.img" --image "$tmp/disk.qcow2" --forward auto:22 --root /dev/vda --init ktb
for disk in disk.img disk.qcow2; do
	run "$KTB" vm --detach --name "${me}two" --accel tcg --port auto --image "$tmp/$disk"
	expect_status "$disk: a second VM does not start" 125
	expect_error "$disk: QEMU says why" 'Failed to get "write" lock'
	doctor two --image "$tmp/$disk"
	expect_status "$disk: status 1" 1
	expect_says "$disk: the doctor has QEMU's words, and a remedy" machine problem 'Failed to get .*"write" lock' \
		'end that one, or copy the image'
done
qemu-img create -q -f qcow2 -F raw -b "$tmp/disk.img" "$tmp/new.qcow2"
doctor two --image "$tmp/new.qcow2"
expect_says 'one that only has the differences would still read what the other VM writes' machine problem 'lock'
port=$("$KTB" list --json | sed -n 's/.*"forward": "tcp:\([0-9]*\):22".*/\1/p')
doctor disks --image "$tmp/disk.img" --forward "$port:22"
expect_says 'of the VM that has them they are no problem' machine ok 'QEMU makes it'
expect_says 'nor is its port' attach ok "VM '${me}disks', which runs, has them"
is_up disks
doctor disks
expect_says 'a disk that could not be mounted as root' vm warning 'root is still the initramfs: no file system .* on /dev/vda' \
	'/dev/vda1'
"$KTB" stop --quiet --force "${me}disks"
doctor two --image "$tmp/disk.img"
expect_says 'the remedy helps' machine ok 'QEMU makes it'

built=$("$KTB" build -q)
# path NAME: of the kernel's files.
path()
{
	printf '%s\n' "$built" | sed -n "s/^$1  *//p"
}
cp -r "$(path modules)" "$tmp/modules"
rm -f "$tmp"/modules/lib/modules/*/modules.dep*
old_cache=${XDG_CACHE_HOME-}
export XDG_CACHE_HOME="$tmp/cache"
doctor none --kernel "$(path bzImage)" --vmlinux "$(path vmlinux)" --modules "$tmp/modules"
expect_status 'a kernel from elsewhere: status 0' 0
expect_says 'its release and its file' kernel ok 'built elsewhere .*/bzImage'
expect_says 'its symbols' debug-info ok '[0-9]+ functions'
expect_says 'what the VM needs of it' options ok 'what the VM needs'
expect_says 'QEMU loads it' machine ok 'loaded with the kernel'
for check in build-tools build-id scripts; do
	expect_says "$check: not of one from elsewhere" "$check" skipped 'vm.kernel: .*/bzImage was built elsewhere'
done
doctor none --kernel "$(path bzImage)" --vmlinux "$(path vmlinux)"
expect_says 'without its modules' options ok 'what the VM needs'
doctor none --kernel "$(path bzImage)"
expect_says 'without its symbols' options skipped 'no vmlinux'
expect 'it makes nothing' [ "$(ls "$tmp/cache/ktb")" = gdb-program ]
if [ -n "$old_cache" ]; then
	XDG_CACHE_HOME=$old_cache
else
	unset XDG_CACHE_HOME
fi

# --- GDB can't connect --------------------------------------------------------------------------------------------

start deaf --port off
doctor deaf
expect_says 'no debug port' vm-port warning 'has no debug port' '--port auto'
"$KTB" stop --quiet --force "${me}deaf"

# A GDB that holds the guest, and waits until it is told to go.
mkfifo "$tmp/gdb"
"$KTB" gdb --quiet --name "${me}well" <"$tmp/gdb" >"$tmp/gdb.out" 2>&1 &
gdb_pid=$!
exec 4>"$tmp/gdb"
stands_still()
{
	"$KTB" list | grep -Eq "^${me}$1 +(paused|debug)"
}
wait_for 60 stands_still well
wait_for 60 grep -q '^0x' "$tmp/gdb.out"
doctor well
expect_says 'a debugger is attached' vm-port warning 'a debugger is attached' 'leave that one'
expect_says 'and holds the guest' vm warning 'stands still .*a debugger is attached' 'continue'
expect_status 'which is no problem' 0
run "$KTB" gdb --name "${me}well" -- -batch
expect_status 'a second one is refused' 1
expect_error 'and told why, and what to do' "a debugger is attached to the VM ${me}well .*leave it first"
expect 'GDB was not started' [ -z "$stdout" ]
echo disconnect >&4
exec 4>&-
wait "$gdb_pid"
doctor well
expect_status 'left stopped: status 1' 1
expect_says 'left stopped by a debugger' vm problem 'no debugger is attached' "ktb gdb --name ${me}well -- -batch"
run "$KTB" gdb --name "${me}well" -- -batch
doctor well
expect_says 'the remedy helps' vm-port ok 'listens'
expect 'the guest goes on' says vm warning 'BUG: nothing'

# --- Symbols are missing ------------------------------------------------------------------------------------------

state=$XDG_RUNTIME_DIR/ktb/${me}well/state.json
cp "$state" "$tmp/state.json"
vmlinux=$("$KTB" build -q | sed -n 's/^vmlinux *//p')
objcopy --strip-debug "$vmlinux" "$tmp/vmlinux"
with_state()
{
	sed "$1" "$tmp/state.json" >"$tmp/state.new" && mv "$tmp/state.new" "$state"
}
with_state "s|$vmlinux|$tmp/vmlinux|"
doctor well
expect_says 'a stripped vmlinux' vm-symbols problem 'has no debug information' 'ktb build'
strip "$tmp/vmlinux"
doctor well
expect_says 'one without any symbols' vm-symbols problem 'has no symbols'
rm "$tmp/vmlinux"
doctor well
expect_says 'one that is gone' vm-symbols problem 'vmlinux' '--vmlinux FILE'
with_state 's/"build_id": *"[0-9a-f]*"/"build_id":"0123456789abcdef"/'
doctor well
expect_says 'one that was built anew' vm-symbols problem 'build ID .*not 0123456789abcdef' 'ktb stop, ktb vm'
run "$KTB" gdb --name "${me}well" -- -batch
expect_error 'ktb gdb refuses it' 'is not the kernel that runs'
with_state 's/x/x/'
doctor well
expect_says 'and all is well again' vm-symbols ok '/vmlinux'

# --- A supervisor that doesn't answer ------------------------------------------------------------------------------

pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$state")
kill -STOP "$pid"
start=$(date +%s)
doctor well
expect 'a supervisor that is stopped: bounded in time' [ $(($(date +%s) - start)) -lt 60 ]
expect_says 'a supervisor that is stopped' vm problem "doesn't answer" "kill -9 $pid"
kill -CONT "$pid"
"$KTB" stop --quiet "${me}well"
doctor well
expect_says 'the last VM' last-vm ok 'had booted and did not panic'

# --- The kernel hangs because of kgdbwait --------------------------------------------------------------------------

start kgdb --kgdb-wait
wait_for 60 log_has "${me}kgdb" 'kdb> '
doctor kgdb
expect_status 'kgdbwait: status 1' 1
expect_says 'kgdbwait: what it is, and what to do' vm problem 'kdb, .*because of kgdbwait' "ktb console ${me}kgdb, and type go"
type_into kgdb go
is_up kgdb
doctor kgdb
expect_says 'kgdbwait: after go' vm ok 'runs, and has booted'
type_into kgdb 'echo g >/proc/sysrq-trigger'
at_prompt()
{
	tail -n 1 "$(console_log "${me}kgdb")" | grep -q 'kdb> $'
}
wait_for 30 at_prompt
doctor kgdb
expect_says 'kdb later on' vm problem "kernel's own debugger\$" 'bt there shows'
type_into kgdb kgdb
wait_for 30 log_has "${me}kgdb" 'please attach debugger'
doctor kgdb
expect_status 'kgdb on the serial line: status 1' 1
expect_says 'kgdb on the serial line' vm problem 'waits for a debugger on its serial line' "ktb console ${me}kgdb.*\\\$3#33"
type_into kgdb '$3#33'
expect 'the remedy brings back kdb' wait_for 30 at_prompt
"$KTB" stop --quiet --force "${me}kgdb"

start held --wait
doctor held
expect_says 'held at reset' vm warning 'first instruction' 'ktb gdb'
"$KTB" stop --quiet --force "${me}held"

# --- The kernel panics immediately ---------------------------------------------------------------------------------

panicked()
{
	"$KTB" list | grep -Eq "^${me}panic +panicked"
}
start panic --append 'rdinit=/nonesuch root=/dev/nonesuch'
wait_for 60 panicked
doctor panic
expect_status 'a panic: status 1' 1
expect_says 'a panic: its words, and what to do' vm problem 'Kernel panic - not syncing: VFS: Unable to mount root' \
	"rdinit=.*vm.append.*ktb gdb --name ${me}panic"
"$KTB" stop --quiet --force "${me}panic"
doctor panic
expect_says 'a panic that is over' last-vm warning 'had panicked: .*Unable to mount root' 'rdinit=.*The log: /'
start panic --append 'rdinit=/bin/true'
wait_for 60 panicked
doctor panic
expect_says 'an init that ends' vm problem 'Attempted to kill init' 'vm.append'
"$KTB" stop --quiet --force "${me}panic"

# --- Nothing on the console ----------------------------------------------------------------------------------------

while [ "$(date +%s)" -lt $((silent_since + 35)) ]; do
	sleep 1
done
doctor mute
expect_says 'a guest without a console' vm problem 'has written nothing to its console' 'console=ttyS0'
doctor hung
expect_says 'a kernel that hangs' vm problem 'silent since [0-9.]+ (s|min).* in the middle of its boot' 'ktb gdb .*bt'
doctor quiet
expect_says 'one that was told to be quiet' vm ok "quiet' runs, .*silent since"

run "$KTB" doctor --name "${me}none" --accel tcg --port auto
expect_match 'a VM that does not run' "no VM '${me}none' runs"
finish
