#!/bin/sh
# timeout: 300
# ktb up on real terminals: both panes, a breakpoint that is hit, the key that leaves both, and every other end; nothing is
# left behind by any of them.
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
# shellcheck disable=SC2317 # called by way of wait_for and expect
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run" XDG_CONFIG_HOME="$tmp/config" TMPDIR="$tmp/tmp"
mkdir -m 700 "$XDG_RUNTIME_DIR" "$tmp/config" "$TMPDIR" "$tmp/bin"
patience=90
up_args='--memory 512M --accel tcg --port auto'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# up NAME COLUMNS ROWS ARGS...: in a terminal of that size; NAME.status has its exit status once it is over.
up()
{
	_name=$1
	_size="-x $2 -y $3"
	shift 3
	rm -f "$tmp/$_name.status"
	term_stop
	wait_for 10 no_terminal
	rm -f "$tmp/tmux"
	# shellcheck disable=SC2086 # words
	term_tmux new-session -d $_size "cd '$tmp'; '$KTB' up --name $_name $up_args $* 2>'$tmp/$_name.err'
		echo \$? >'$tmp/$_name.status'; cat '$tmp/$_name.err'; sleep 1000"
	term_keep
}
at_exit 'term_stop'

no_terminal()
{
	! term_tmux list-sessions
}

# The processes of one session: tmux, its panes, GDB and the VM all name its folder or its VM.
processes()
{
	pgrep -f "$TMPDIR/ktb-up|ktb-$1|--name=$1" | grep -vx "$$"
}

nothing_is_left()
{
	[ -z "$(processes "$1")" ] && [ -z "$(ls "$TMPDIR")" ] && [ ! -e "$XDG_RUNTIME_DIR/ktb/$1" ]
}

expect_nothing_left()
{
	if wait_for 40 nothing_is_left "$2"; then
		ok "$1: nothing is left behind"
	else
		not_ok "$1: nothing is left behind" "$(processes "$2" | xargs -r ps -o pid,args -p; ls -R "$TMPDIR" "$XDG_RUNTIME_DIR")"
	fi
}

# expect_end NAME SESSION STATUS
expect_end()
{
	wait_for 40 test -s "$tmp/$2.status"
	expect_equal "$1: exit status $3" "$(cat "$tmp/$2.status" 2>/dev/null)" "$3"
	expect_nothing_left "$1" "$2"
}

on_screen()
{
	if term_wait "$patience" "$2"; then
		ok "$1"
	else
		not_ok "$1" "$(term_screen)
$(cat "$tmp"/*.err)"
	fi
}

# --- Side by side -------------------------------------------------------------------------------------------------

up wide 160 40 --break=kernel_clone --forward=auto:22
on_screen 'both are there, and the key that leaves is shown' "VM 'wide' .*GDB "
on_screen 'the key that leaves' 'F12 ends VM and GDB'
on_screen 'GDB waits for the guest' 'GDB attaches when'
on_screen 'and attaches' 'Breakpoint 1 at 0x.*|\(gdb\)'
on_screen 'side by side' '│.*\(gdb\)'
expect "it is the user's program that runs, on a tmux of its own" [ -S "$TMPDIR"/ktb-up.*/tmux.sock ]
term_send 'continue' Enter
term_send F9
sleep 0.5
term_send 'ls /' Enter
on_screen 'the breakpoint is hit' 'hit Breakpoint 1, kernel_clone'
term_send F9
sleep 0.5
term_send -l 'set confirm off'
term_send Enter
term_send -l 'delete'
term_send Enter
term_send -l 'quit'
term_send Enter
on_screen 'GDB quits, and it is said what then' 'GDB has ended .*Enter'
expect 'the VM runs on' wait_for 20 sh -c "'$KTB' list | grep -q '^wide *running'"
term_send Enter
on_screen 'and GDB starts again' 'Remote debugging using'
term_send F12
expect_end 'F12' wide 0
expect 'nor was a port told that the VM does not have' [ -z "$(grep forwarded "$tmp/wide.err")" ]
on_screen 'and it is said what became of the VM' "left, and VM 'wide' was ended"
expect_equal 'the terminal is as it was' "$(term_tmux display-message -p '#{alternate_on} #{cursor_flag}')" '0 1'

# --- One above the other, inside of a tmux, with GDB's arguments ------------------------------------------------------

up narrow 80 30 "--wait -- -ex 'break start_kernel' -ex continue"
on_screen 'narrow: one above the other' '^── GDB |^─+ GDB '
on_screen 'narrow: --wait and what stands behind -- reach their commands' 'hit Breakpoint 1, start_kernel'
expect 'nested: no prefix that the outer one would take' \
	sh -c 'tmux -S "$1"/ktb-up.*/tmux.sock show-options -g prefix | grep -qi none' sh "$TMPDIR"
term_tmux kill-server
expect_nothing_left 'a terminal that is closed' narrow

# --- Other ends ----------------------------------------------------------------------------------------------------

up killed 100 30
on_screen 'a VM' "VM 'killed'"
wait_for "$patience" test -e "$XDG_RUNTIME_DIR/ktb/killed/state.json"
pid=$(pgrep -f "$KTB up --name killed " | xargs -r ps -o pid=,comm= -p | awk '$2 == "ktb" { print $1; exit }')
kill -9 "$pid"
expect_end 'kill -9' killed 137

up detached 100 30
on_screen 'another' "VM 'detached'"
wait_for "$patience" test -e "$XDG_RUNTIME_DIR/ktb/detached/state.json"
tmux -S "$TMPDIR"/ktb-up.*/tmux.sock detach-client
expect_end 'detaching' detached 0

up terminated 100 30
on_screen 'one more' "VM 'terminated'"
wait_for "$patience" test -e "$XDG_RUNTIME_DIR/ktb/terminated/state.json"
kill "$(pgrep -f "$KTB up --name terminated " | xargs -r ps -o pid=,comm= -p | awk '$2 == "ktb" { print $1; exit }')"
expect_end 'SIGTERM' terminated 143

up stopped 100 30
on_screen 'GDB is on it' '\(gdb\)'
"$KTB" stop --quiet stopped
expect_end 'ktb stop from elsewhere' stopped 0

up panic 100 30 "--append 'rdinit=/bin/true'"
on_screen 'a panic: GDB attaches to what is left' '\(gdb\)'
"$KTB" stop --quiet --force panic
expect_end 'a panic' panic 134
on_screen 'a panic: it is said' 'status 134'

# --- What can't be ---------------------------------------------------------------------------------------------------

up broken 100 30 --qemu-arg=-device --qemu-arg=nonesuch
expect_end "a VM that doesn't start" broken 125
on_screen 'its message is seen' "'nonesuch' is not a valid device"

up usage 100 30 --cpus=0
expect_end 'an option that can not be' usage 2
up tiny 15 5
expect_end 'a terminal that is too small' tiny 2
up portless 100 30 --port off
expect_end 'no debug port' portless 2
run "$KTB" up
expect_status 'no terminal: status 2' 2
expect_error 'no terminal: what to do instead' 'needs a terminal; .*ktb vm --detach'
for program in gcc ld sh env; do
	ln -s "$(command -v "$program")" "$tmp/bin/$program"
done
script -qec "PATH='$tmp/bin'; '$KTB' up; echo status \$?" /dev/null >"$tmp/out" </dev/null
stdout=$(cat "$tmp/out")
expect_match 'no tmux: status 3' '^status 3'
expect_match 'no tmux: the package' 'apt-get install tmux'
finish
