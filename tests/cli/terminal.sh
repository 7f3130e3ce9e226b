#!/bin/sh
# timeout: 240
# ktb vm and ktb console on a terminal: keys, sizes, and the terminal as it was in the end, whatever the end is.
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell, mostly the guest's
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
patience=90
vm_args='--memory 512M --port off'

# session NAME COMMAND...: runs `ktb COMMAND` on a terminal; NAME.status has its exit status once it is over,
# NAME.terminal whether the terminal is as it was.
cat >"$tmp/session.sh" <<'EOF'
name=$1
shift
state() { stty -g && grep flags /proc/self/fdinfo/0 /proc/self/fdinfo/1; }
before=$(state)
"$@"
status=$?
# A guard restores it where we were killed; it needs a moment.
tries=1
[ "$status" != 137 ] || tries=100
until [ "$(state)" = "$before" ]; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || break
	sleep 0.1
done
[ "$(state)" = "$before" ] && echo same >"$name.terminal"
echo "$status" >"$name.status"
sleep 1000
EOF

# shellcheck disable=SC2086 # words
session()
{
	_name=$1
	shift
	rm -f "$tmp/$_name.status" "$tmp/$_name.terminal"
	if [ "$terminals" -gt 0 ]; then
		term_tmux kill-server
		wait_for 10 no_server
	fi
	term_start "exec sh '$tmp/session.sh' '$tmp/$_name' '$KTB' $*"
}

# The next ones are called by way of expect and wait_for, too.
# shellcheck disable=SC2317
no_server()
{
	! term_tmux list-sessions
}

# shellcheck disable=SC2317
is_raw()
{
	stty -a -F "$(term_tmux display-message -p '#{pane_tty}')" | grep -q -- '-icanon'
}

# shellcheck disable=SC2317
is_over()
{
	[ -s "$tmp/$1.status" ]
}

# shellcheck disable=SC2317
is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# ended NAME STATUS WHAT: the session is over, in that way.
ended()
{
	if ! wait_for "$patience" is_over "$1"; then
		not_ok "$3: it ends" "$(term_screen)"
		return
	fi
	expect_equal "$3: exit status" "$(cat "$tmp/$1.status")" "$2"
	expect_equal "$3: the terminal is as it was" "$(cat "$tmp/$1.terminal" 2>/dev/null)" same
}

# on_screen NAME REGEX
on_screen()
{
	if term_wait "$patience" "$2"; then
		ok "$1"
	else
		not_ok "$1" "not there: $2
$(term_screen)"
	fi
}

# type_line LINE
type_line()
{
	term_send -l "$1"
	term_send Enter
}

supervisor_of()
{
	"$KTB" list --json | tr -d ' \n' | sed 's/},{/},\n{/g' | sed -n "/\"name\":\"$1\"/s/.*\"pid\":\([0-9]*\).*/\1/p"
}

qemu_of()
{
	tr ' ' '\n' <"/proc/$1/task/$1/children" | while read -r _p; do
		case $(cat "/proc/$_p/comm") in
		ktb-*) echo "$_p" ;;
		esac
	done
}

at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# --- A guest with its shell ---------------------------------------------------------------------------------------

# shellcheck disable=SC2086 # words
session main vm --name main $vm_args
on_screen 'the shell is there' 'debugvm:~# '
expect 'the terminal is in raw mode' is_raw

type_line 'stty size; echo TERM is $TERM'
on_screen 'the guest knows the size of the window' '^24 80 *$'
on_screen 'and the terminal' "^TERM is $(term_tmux show-options -gv default-terminal)"

term_tmux resize-window -x 101 -y 31
# shellcheck disable=SC2317
size_is()
{
	term_send -l 'echo "<$(stty size)>"'
	term_send Enter
	sleep 0.3
	term_shows "^<$1> *\$"
}
expect 'the size follows that of the window' wait_for "$patience" size_is '31 101'
term_send C-l

# All of them, and Ctrl-a twice for once.
bytes=$(i=0
while [ "$i" -lt 256 ]; do
	printf '%02x ' "$i"
	[ "$i" != 1 ] || printf '01 '
	i=$((i + 1))
done)
sum=$(i=0
while [ "$i" -lt 256 ]; do
	# shellcheck disable=SC2059 # an octal escape
	printf "\\$(printf %03o "$i")"
	i=$((i + 1))
done | md5sum | cut -d ' ' -f 1)
type_line 'clear; stty raw -echo; echo rea""dy; dd bs=1 count=256 2>/dev/null | md5sum; stty sane'
on_screen 'it reads keys as they come' '^ready'
# shellcheck disable=SC2086 # words
term_send -H $bytes
on_screen 'every key reaches the guest' "$sum"

type_line 'clear; echo clea""red'
on_screen 'the keys had their time' '^cleared'
term_send C-a h
on_screen 'Ctrl-a h helps' 'Ctrl-a x  *end the VM'
term_send C-a c
on_screen 'Ctrl-a c: the monitor' '\(qemu\)'
type_line 'info status'
on_screen 'it answers' 'VM status: running'
term_send C-a c
on_screen 'Ctrl-a c again: back' "the guest's console"
type_line 'echo ba""ck'
on_screen 'the guest is there as before' '^back'

type_line 'clear; sleep 3; echo unse""en'
term_send C-a c
on_screen 'the monitor again' '\(qemu\)'
expect 'the guest goes on behind it' wait_for "$patience" log_has main 'unseen'
expect_equal 'and is not shown there' "$(term_screen | grep -c '^unseen')" 0
term_send C-a c
on_screen 'what it said meanwhile is shown after it' '^unseen'
type_line 'clear; sleep 2; yes $(seq 1 20) | head -n 1000; echo bulk""y'
term_send C-a c
expect 'much goes on behind it, too' wait_for "$patience" log_has main '^bulky'
term_send C-a c
on_screen 'the end of it is shown' '^bulky'
run term_tmux capture-pane -p -J -S -2000
expect_match 'behind how much it was, and where' 'the guest wrote [0-9]+ bytes meanwhile.*/main/console\.log'

type_line 'echo sleep""ing; sleep 1000'
on_screen 'something runs in the guest' '^sleeping'
term_send C-c
type_line 'echo interrupt""ed $?'
on_screen 'Ctrl-c ends what runs in the guest' '^interrupted 130'

# A terminal that isn't read from: the guest goes on, and so does everybody else who looks at it.
server=$(term_tmux display-message -p '#{pid}')
type_line 'sleep 1; seq 1 50000; echo fini""shed'
kill -STOP "$server"
at_exit 'kill -CONT "$server" 2>/dev/null'
expect 'a terminal that stands still holds nobody up' wait_for "$patience" log_has main '^finished'
expect 'ktb still answers' is_listed main running
kill -CONT "$server"
on_screen 'it gets everything in the end' '^finished'
expect 'in order' term_shows '^50000$'

type_line 'exit'
ended main 0 'exit of the shell'

# --- Ends that don't need a guest: its CPUs are held --------------------------------------------------------------

# shellcheck disable=SC2317 # called by name
has_qemu() { [ -n "$(qemu_of "$1")" ]; }

# held NAME: a VM that does nothing. Sets $pid and $qemu.
held()
{
	# shellcheck disable=SC2086 # words
	session "$1" vm --name "$1" $vm_args --wait
	wait_for "$patience" is_listed "$1" waiting
	pid=$(supervisor_of "$1")
	# It has its name once it has read its arguments.
	wait_for "$patience" has_qemu "$pid"
	qemu=$(qemu_of "$pid")
	wait_for "$patience" is_raw
	term_wait "$patience" 'Ctrl-a x ends the VM'
}

held key
term_send C-a x
ended key 0 'Ctrl-a x'
expect 'Ctrl-a x: QEMU is gone' wait_for 10 is_gone "$qemu"

held qemu
kill -KILL "$qemu"
ended qemu 125 'SIGKILL of QEMU'
on_screen 'SIGKILL of QEMU: it says so' 'QEMU ended by itself \(killed by SIGKILL\)'

held ended
kill -TERM "$qemu"
ended ended 125 'SIGTERM of QEMU'
on_screen 'SIGTERM of QEMU: it says who' 'QEMU was ended from outside \(host-signal\)'

for signal in TERM:143 HUP:129 INT:130 KILL:137; do
	held "ktb${signal%:*}"
	kill "-${signal%:*}" "$pid"
	ended "ktb${signal%:*}" "${signal#*:}" "SIG${signal%:*} of ktb"
	expect "SIG${signal%:*} of ktb: QEMU is gone" wait_for 10 is_gone "$qemu"
done
expect 'what was killed is left over' [ -d "$XDG_RUNTIME_DIR/ktb/ktbKILL" ]
run "$KTB" list
expect_equal 'and swept away by the next' "$status $stdout $(ls "$XDG_RUNTIME_DIR/ktb")" '0  '

# The terminal goes: so does the VM.
held closed
term_tmux kill-server
expect 'a terminal that closes ends the VM' wait_for "$patience" is_gone "$pid"
expect 'and QEMU' wait_for 10 is_gone "$qemu"

# --- A console ----------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086 # words
"$KTB" vm --detach --name back $vm_args 2>/dev/null
session console console back
on_screen 'ktb console shows the shell' 'debugvm:~# '
expect 'ktb console gives its size' wait_for "$patience" size_is '24 80'
term_tmux resize-window -x 90 -y 20
expect 'and the one it changes to' wait_for "$patience" size_is '20 90'
term_send C-a h
on_screen 'Ctrl-a h helps there' 'leave this console'
term_send C-a x
ended console 0 'leaving the console'
expect 'the VM runs on' is_listed back running

session second console back
wait_for "$patience" is_raw
type_line 'poweroff'
ended second 0 'the end of the VM under a console'
on_screen 'it says so' "VM 'back' has ended"
# The console is closed before the folder goes.
# shellcheck disable=SC2317
nothing_is_left()
{
	[ -z "$(ls "$XDG_RUNTIME_DIR/ktb")" ]
}
expect 'nothing is left' wait_for "$patience" nothing_is_left

finish
