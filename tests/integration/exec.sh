#!/bin/sh
# timeout: 500
# Commands in a running guest, files in and out of it, on each kernel: ktb exec, push and pull.
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the guest; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

guest()
{
	timeout 120 "$KTB" exec --name vm -- "$@"
}

# run_guest COMMAND...: as run.
run_guest()
{
	run guest "$@"
}

sum()
{
	md5sum | cut -d ' ' -f 1
}

guest_has_no()
{
	! guest ps | grep -v grep | grep -q -e "$1"
}

port_of()
{
	"$KTB" list --json | sed -n 's/.*"port": *\([0-9]*\).*/\1/p'
}

commands()
{
	run_guest uname -r
	expect_status "$version: a command runs" 0
	expect_match "$version: it is this kernel's" "^$version\."
	run_guest sh -c 'echo out; echo err >&2; exit 7'
	expect_status "$version: its exit status" 7
	expect_equal "$version: standard output" "$stdout" out
	expect_equal "$version: standard error, apart from it" "$stderr" err
	run_guest sh -c 'kill -SEGV $$'
	expect_status "$version: killed by a signal" 139
	run_guest nonesuch
	expect_status "$version: no such command" 127
	expect_error "$version: which one" "can't run nonesuch: No such file"
	run_guest /etc
	expect_status "$version: not a program" 126
	run timeout 60 "$KTB" exec --cwd /proc/sys --env 'A=b c' -- sh -c 'pwd; echo "$A"; tty'
	expect_equal "$version: its folder, its environment, no terminal" "$stdout" "$(printf '/proc/sys\nb c\nnot a tty')"
	run timeout 60 "$KTB" exec --cwd /nonesuch -- true
	expect_status "$version: no such folder" 125
	expect_error "$version: which one" "can't enter folder /nonesuch"
	run_guest printf '%s|' '' 'a  b' '$HOME' '*'
	expect_equal "$version: arguments come as they are" "$stdout" '|a  b|$HOME|*|'
}

streams()
{
	expect_equal "$version: 20 MB in" "$(guest md5sum <random | cut -d ' ' -f 1)" "$(sum <random)"
	expect_equal "$version: 20 MB out and in" "$(guest cat <random | sum)" "$(sum <random)"
	expect_equal "$version: the end of input alone" "$(printf 'no newline' | guest cat)" 'no newline'
	expect_equal "$version: and none" "$(guest wc -c </dev/null)" 0
	guest sh -c 'cat; cat /proc/version >&2' <random >out 2>err
	expect "$version: both outputs at once" [ "$(sum <out)" = "$(sum <random)" ]
	expect "$version: and none is mixed with the other" grep -q '^Linux version' err
	guest yes 2>err | head -n 1 >out
	expect_equal "$version: a reader that has enough" "$(cat out)" y
	expect "$version: ends the command" wait_for 20 guest_has_no ' yes$'

	# Eight at once, and beside them one that floods and one whose reader doesn't read.
	guest cat /dev/zero >/dev/null &
	_flood=$!
	mkfifo slow
	guest cat /dev/zero >slow &
	exec 7<slow
	_slow=$!
	for _i in 1 2 3 4 5 6 7 8; do
		{
			head -c "$((_i * 100000))" random | guest cat | sum >"got.$_i"
		} &
		eval "_job$_i=\$!"
	done
	for _i in 1 2 3 4 5 6 7 8; do
		eval "wait \$_job$_i"
		expect_equal "$version: one of eight at once: $_i" "$(cat "got.$_i")" "$(head -c "$((_i * 100000))" random | sum)"
	done
	_start=$(date +%s)
	run_guest echo quick
	expect_equal "$version: a flood beside it" "$stdout" quick
	expect "$version: does not hold it up" [ "$(($(date +%s) - _start))" -lt 15 ]
	exec 7<&-
	kill "$_flood" "$_slow" 2>/dev/null
	wait "$_flood" "$_slow" 2>/dev/null
	rm slow
}

ends()
{
	timeout 120 "$KTB" exec -- sleep 1001 &
	_pid=$!
	wait_for 20 guest sh -c 'ps | grep -q "sleep 100[1]"'
	expect "$version: the command is there" guest sh -c 'ps | grep -q "sleep 100[1]"'
	kill -KILL "$(pgrep -P "$_pid" ktb)"
	wait "$_pid" 2>/dev/null
	expect "$version: a client that is killed takes its command along" wait_for 20 guest_has_no 'sleep 1001'
	"$KTB" exec -- sh -c 'trap "echo got it; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >out &
	_pid=$!
	wait_for 20 grep -q ready out
	kill -TERM "$_pid"
	wait "$_pid"
	expect_equal "$version: a signal is passed on" "$? $(tail -n 1 out)" '5 got it'
	"$KTB" exec -- sh -c 'trap "" TERM HUP; echo ready; sleep 1002; sleep 1002' >out &
	_pid=$!
	wait_for 20 grep -q ready out
	kill -TERM "$_pid"
	sleep 0.3
	kill -TERM "$_pid"
	wait "$_pid"
	expect_equal "$version: and a second one leaves" "$?" 143
	expect "$version: what ignores the hangup is killed" wait_for 20 guest_has_no 'sleep 1002'
	run_guest sh -c 'sleep 1003 >/dev/null 2>&1 & echo started'
	expect_equal "$version: what is left in the background is not waited for" "$stdout" started
	guest killall sleep

	# Only the agent dies; init starts another.
	"$KTB" exec -- sleep 1004 2>err &
	_pid=$!
	wait_for 20 guest sh -c 'ps | grep -q "sleep 100[4]"'
	guest sh -c 'kill -9 $(pidof ktb-agent)' 2>/dev/null
	wait "$_pid"
	expect_equal "$version: an agent that dies ends its commands" "$?" 125
	expect "$version: which is said" grep -q 'the connection to the guest broke' err
	run_guest echo again
	expect_equal "$version: and the next one has another" "$stdout" again
}

no_terminal()
{
	! term_tmux has-session 2>/dev/null
}

# One ends before the next begins.
end_terminal()
{
	term_stop
	wait_for 10 no_terminal
}

terminal()
{
	term_start "sh -c '\"$KTB\" exec -t; echo left=\$?; stty -a | grep -o \"[-]*icanon\"; sleep 100'"
	expect "$version: -t: a shell" term_wait 30 'debugvm:~# '
	term_send 'tty; stty size' Enter
	expect "$version: -t: on a terminal" term_wait 20 '^/dev/pts/[0-9]'
	expect "$version: -t: of this one's size" term_wait 20 '^24 80'
	term_tmux resize-window -x 100 -y 30
	sleep 1
	term_send 'stty size' Enter
	expect "$version: -t: which follows" term_wait 20 '^30 100'
	term_send 'sleep 1000; echo st''atus $?' Enter
	sleep 1
	term_send C-c
	expect "$version: -t: Ctrl-C is the command's" term_wait 20 'status 130|debugvm:~# *$'
	term_send 'exit 3' Enter
	expect "$version: -t: its exit status" term_wait 20 'left=3'
	expect "$version: -t: the terminal is as it was" term_wait 20 '^icanon'
	end_terminal
	term_start "sh -c '\"$KTB\" exec -t -- sh -c \"stty raw; echo be\"\"gin; cat\"; echo left=\$?; sleep 100'"
	expect "$version: -t: a program that takes every key" term_wait 30 'begin'
	term_send C-c C-a x
	expect "$version: -t: Ctrl-a x leaves it" term_wait 20 'left=129'
	end_terminal
	term_start "sh"
	term_send "\"$KTB\" exec -t -- sleep 1005" Enter
	wait_for 20 guest sh -c 'ps | grep -q "sleep 100[5]"'
	# The oldest: the terminal's guard has the same name.
	pkill -KILL -o -f '^[^ ]*ktb exec -t -- sleep 1005'
	sleep 0.5
	term_send 'stty -a | grep -o "[-]*icanon"' Enter
	expect "$version: -t: restored even after kill -9" term_wait 20 '^icanon'
	expect "$version: -t: and the command is gone" wait_for 20 guest_has_no 'sleep 1005'
	end_terminal
}

make_tree()
{
	rm -rf tree
	mkdir -p tree/sub/empty "tree/with space"
	echo one >tree/one
	printf 'a\0b' >'tree/with space/bin ary'
	: >tree/sub/nothing
	ln -s ../one tree/sub/link
	ln -s /etc/passwd tree/outside
	chmod 640 tree/one
	chmod 500 tree/sub/empty
	touch -d '2001-02-03 04:05:06' tree/one tree/sub
}

# listing FOLDER: names, modes, times, where links lead.
listing()
{
	(cd "$1" && find . \( -type l -printf '%p -> %l\n' \) -o \( -type f -printf '%p %m %T@ %s\n' \) -o -printf '%p %m\n' | sort)
}

files()
{
	make_tree
	run "$KTB" push tree /tmp
	expect_status "$version: push a folder" 0
	mkdir -p back
	rm -rf back/*
	run "$KTB" pull /tmp/tree back
	expect_status "$version: pull it" 0
	expect_error "$version: a link that leads outside is left out" 'left out: back/tree/outside.*/etc/passwd'
	rm tree/outside
	guest sh -c 'mkdir -p /tmp/hostile && ln -sf "/$(printf "\\033]0;mine\\007\\033[2J")" /tmp/hostile/link'
	run "$KTB" pull /tmp/hostile back
	expect_error "$version: what it would do to the terminal is shown instead" 'to /\\x1b]0;mine\\x07\\x1b\[2J'
	rm -rf back/hostile
	expect_equal "$version: all is as it was" "$(listing back/tree)" "$(listing tree)"
	expect "$version: to the byte" diff -r back/tree tree
	run "$KTB" push random /tmp/new
	expect_equal "$version: push under a name" "$(guest md5sum /tmp/new | cut -d ' ' -f 1)" "$(sum <random)"
	run "$KTB" pull /tmp/new back/copy
	expect "$version: pull under a name" cmp random back/copy
	run "$KTB" push random tree/one /nonesuch/
	expect_status "$version: push to nowhere" 1
	expect_error "$version: is said" "can't put anything into /nonesuch/: No such file"
	run "$KTB" push random tree/one /tmp/new
	expect_error "$version: several need a folder" "can't put anything into /tmp/new: Not a directory"
	run "$KTB" push nonesuch tree/one /tmp
	expect_status "$version: push what isn't there" 1
	expect_error "$version: is said" "can't look at nonesuch: No such file"
	expect_equal "$version: and the rest is there" "$(guest cat /tmp/one)" one
	run "$KTB" pull /proc/version /proc/uptime back
	expect "$version: files without a size" grep -q '^Linux version' back/version
	run "$KTB" pull /nonesuch back
	expect_status "$version: pull what isn't there" 1
	expect_error "$version: is said" "in the guest: can't look at /nonesuch"
	run "$KTB" pull /tmp/. back
	expect_status "$version: pull what has no name" 2
	guest sh -c 'mkdir /tmp/small && mount -t tmpfs -o size=5m tmpfs /tmp/small && echo old >/tmp/small/random'
	run "$KTB" push random /tmp/small
	expect_status "$version: a full disk" 1
	expect_error "$version: is said, and where" "in the guest: can't write /tmp/small/random: No space left on device"
	expect_equal "$version: the old file is there, and no other" \
		"$(guest sh -c 'ls -A /tmp/small; cat /tmp/small/random')" "$(printf 'random\nold')"
	guest sh -c 'umount /tmp/small; rm -rf /tmp/tree /tmp/new /tmp/one'
}

stops()
{
	port=$(port_of)
	_exec=$(guest awk '$3 == "begin_new_exec" { print $1 }' /proc/kallsyms)
	(plain_gdb -ex "target remote localhost:$port" -ex 'shell while [ ! -e go ]; do sleep 0.1; done' \
		-ex "hbreak *0x$_exec" -ex continue -ex 'shell while [ ! -e on ]; do sleep 0.1; done' \
		-ex delete -ex detach >/dev/null 2>&1) &
	_gdb=$!
	expect "$version: a debugger stops it" wait_for 30 is_listed vm '[dp][ea][bu][us]'
	run_guest true
	expect_status "$version: nothing is run in a VM that is stopped" 125
	expect_error "$version: and why" "VM 'vm' is (paused|stopped by a debugger), so nothing can be run"
	: >go
	expect "$version: it goes on" wait_for 30 is_listed vm running
	# The command's own beginning is what runs into the breakpoint.
	guest echo on >out 2>err &
	_pid=$!
	expect "$version: a command that stops the VM is waited for" \
		wait_for 30 grep -q "VM 'vm' is stopped by a debugger; the command waits" err
	: >on
	wait "$_pid"
	expect_equal "$version: to its end" "$? $(cat out)" '0 on'
	wait "$_gdb"
	rm go on

	guest sleep 1006 2>err &
	_pid=$!
	wait_for 20 guest sh -c 'ps | grep -q "sleep 100[6]"'
	run_guest reboot
	wait "$_pid"
	expect "$version: a reboot ends commands" [ "$?" -ge 125 ]
	# What comes before the end is told so.
	for _try in 1 2 3 4 5 6 7 8 9 10; do
		run_guest uname -r
		matches "$status $stderr" '^125 .*it shuts down or restarts' || break
	done
	expect_match "$version: and the next one waits until it is up" "^$version\."
	guest sh -c 'echo c >/proc/sysrq-trigger' 2>err
	expect_equal "$version: a panic: the status" "$?" 125
	expect "$version: a panic is said" grep -q 'the guest panicked' err
	run_guest true
	expect_error "$version: and said again" "VM 'vm' has panicked"
	"$KTB" stop vm 2>/dev/null
	run_guest true
	expect_status "$version: no VM" 125
	run "$KTB" vm --detach --name vm --port off --memory 512M --source "$source"
	guest sleep 1007 2>err &
	_pid=$!
	wait_for 20 guest sh -c 'ps | grep -q "sleep 100[7]"'
	"$KTB" stop --force vm 2>/dev/null
	wait "$_pid"
	expect_equal "$version: a VM that ends: the status" "$?" 125
	expect "$version: a VM that ends is said" grep -q "VM 'vm' has ended, and the command with it" err
}

on_kernel()
{
	version=$1 source=$2

	run "$KTB" vm --detach --name vm --port auto --memory 512M --source "$source"
	expect_status "$version: a VM runs in the background" 0
	commands
	streams
	ends
	terminal
	files
	stops
}

dd if=/dev/urandom of=random bs=1M count=20 2>/dev/null
run "$KTB" exec uname
expect_status 'a command without --' 2
expect_error 'where it belongs' "takes no argument 'uname' in front of --"
on_kernel 6.12 "$(ls /usr/src/linux-source-6.12.tar.*)"
on_kernel 6.1 "$(ls /usr/src/linux-source-6.1.tar.*)"

finish
