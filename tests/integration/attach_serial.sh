#!/bin/sh
# timeout: 900
# ktb attach: a kernel that somebody else started, here a VM whose second serial port is a telnet socket of QEMU's, debugged over
# that line and nothing else.
# shellcheck disable=SC2016,SC2317 # GDB's variables and what is expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export KTB XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'
port=$((20000 + $$ % 10000))

# What nobody but the console may take, though it looks like packets.
for i in 1 2 3 4 5 6 7 8; do
	echo "$i"' $OK#9a $T05thread:01;#07 +$?#3f- $S05#b8 costs $5 $W00#b7 $O41#b4 $g#67'
	seq -s ' ' 200
done >text

# line PLACE ARGS...: has the line, as `board`; what it says is in line.out.
line()
{
	place=$1
	shift
	"$KTB" attach --serial "$place" --vmlinux "$(field "$vm" vmlinux)" --name board --port auto "$@" </dev/null \
		>line.text 2>line.out &
	line=$!
	expect "$version: attach has the line $place" wait_for 30 is_listed board running
}

# over_line ARGS...: a session with GDB; what it prints on both is in $stdout.
over_line()
{
	ran="ktb gdb --kgdb --name board $*"
	stdout=$(timeout 120 "$KTB" gdb --quiet --kgdb --name board -- -batch "$@" 2>&1 </dev/null)
	status=$?
}

background()
{
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	"$KTB" gdb --quiet --kgdb --name board -- "$@" <"$tmp/fifo" >"$tmp/gdb.out" 2>&1 &
	gdb=$!
	exec 9>"$tmp/fifo"
}

says() { grep -qE "$1" "$tmp/gdb.out"; }

end_gdb()
{
	kill -9 "$gdb" 2>/dev/null
	wait "$gdb" 2>/dev/null
	exec 9>&-
}

# By another way than the line.
in_guest() { timeout 60 "$KTB" exec --name "$vm" -- "$@"; }
answers() { in_guest true; }
stands_in_kdb() { tail -c 20 "$(console_log board)" | grep -q 'kdb> $'; }

looks_around()
{
	over_line -ex bt -ex 'info threads' -ex 'set var panic_timeout = 77' -ex 'p panic_timeout' -ex 'stepi' -ex 'p $pc' \
		-ex 'monitor kdb summary'
	expect_status "$version: GDB looks around" 0
	expect_match "$version: it has stopped in the kernel's debugger" '^#0 .*kgdb_breakpoint'
	expect_match "$version: by a BREAK" 'sysrq'
	expect_match "$version: it sees the CPUs" 'Thread 2 "CPU 1'
	expect_match "$version: memory is written" '= 77$'
	expect_match "$version: monitor reaches kdb" '^nodename +debugvm'
	run in_guest cat /proc/sys/kernel/panic
	expect_equal "$version: detached it runs, and has what was written" "$stdout" 77
}

breaks()
{
	over_line -ex 'break __x64_sys_getppid' -ex 'shell "$KTB" exec --name "$vm" -- sh -c : >/dev/null 2>&1 &' \
		-ex continue -ex bt -ex 'p $lx_current().comm' -ex 'stepi' -ex 'next' -ex finish
	expect_match "$version: a breakpoint stops" 'Breakpoint 1, __(x64|do)_sys_getppid'
	expect_match "$version: the backtrace reaches the entry" 'entry_SYSCALL_64'
	expect_match "$version: finish runs to the caller" '^Value returned is|x64_sys_call|do_syscall'
	expect "$version: no breakpoint is left" in_guest sh -c 'sh -c :; sh -c :'
	background -ex continue
	expect "$version: a debugger lets it run" wait_for 60 says Continuing
	expect "$version: the guest goes on" wait_for 60 answers
}

shares_the_line()
{
	# Whether it was a stop that looks like one is asked, and a shell would show what was asked.
	say board 'stty -echo; echo re""ady; cat >/dev/null'
	await_log board "$version: nothing is echoed" '^ready'
	in_guest sh -c 'stty -opost </dev/ttyS1; { echo; echo "begin of text"; cat /root/text; echo "end of text"; } >/dev/ttyS1'
	await_log board "$version: the guest has written" '^end of text'
	sed -n '/^begin of text/,/^end of text/p' "$(console_log board)" | sed '1d;$d' >seen
	expect "$version: the console has what the guest wrote, byte for byte" cmp seen text
	# Not Ctrl-C: the terminal would forget what is typed behind it.
	(cd "$XDG_RUNTIME_DIR/ktb/board" && printf '\025\004' | socat -u - UNIX-CONNECT:serial.sock)
	say board 'stty echo; echo ba""ck'
	await_log board "$version: the shell is back" 'back$'
	kill -INT "$gdb"
	expect "$version: Ctrl-C stops it" wait_for 60 says 'received signal SIGINT'
	run "$KTB" list
	expect_match "$version: ktb list says so" '^board +debug'
	say board 'echo ty""ped'
	echo 'continue' >&9
	await_log board "$version: what was typed meanwhile arrives" '^typed'
	end_gdb
	expect "$version: a killed debugger leaves a guest that runs" wait_for 60 answers
}

on_kernel()
{
	version=$1 source=$2 vm=v$3
	port=$((port + 1))
	export vm
	detach "$vm" --port auto --memory 512M --source "$source" --files "$tmp/text:/root/text" \
		--cmdline 'console=ttyS1,115200 kgdboc=ttyS1,115200' \
		--qemu-arg -serial --qemu-arg "telnet:127.0.0.1:$port,server=on,wait=off,nodelay=on"
	await "$vm" "$version: it is up" answers
	line "telnet:127.0.0.1:$port"
	say board 'echo con""sole'
	await_log board "$version: its console is there" '^console'
	looks_around
	breaks
	shares_the_line
	for _ in 1 2 3 4 5; do
		over_line -ex 'p 6 * 7'
		expect_match "$version: a debugger comes again" '= 42$'
	done
	say board 'echo g >/proc/sysrq-trigger'
	await board "$version: SysRq-g leads to kdb" stands_in_kdb
	over_line -ex 'bt 2'
	expect_match "$version: a debugger finds it there" '^#0 .*kgdb_breakpoint'
	expect "$version: and lets it go on" wait_for 60 answers
	"$KTB" stop --quiet board
	wait "$line"
	expect_equal "$version: the line is left" "$?" 0
	expect "$version: the guest isn't touched" answers
}

# The last kernel still runs.
without_break()
{
	line "telnet:127.0.0.1:$port" --no-break
	over_line -ex 'p 1'
	expect_match '--no-break: it is said what to do' 'echo g >/proc/sysrq-trigger'
	say board 'echo g >/proc/sysrq-trigger'
	await board '--no-break: it stands' stands_in_kdb
	over_line -ex 'bt 1'
	expect_match '--no-break: then it is found' '^#0 .*kgdb_breakpoint'
	expect '--no-break: and runs on' wait_for 60 answers
	for command in 'ps --name board' 'exec --name board -- true' 'dump --name board core'; do
		# shellcheck disable=SC2086 # words
		run "$KTB" $command
		expect_error "ktb $command: there is only a line" 'only its serial line'
	done
	"$KTB" stop --quiet --force "$vm"
	wait "$line"
	expect_equal 'the other side ends: status 1' "$?" 1
	expect 'the other side ends: it is said' grep -q 'was closed: the other side is gone' line.out
}

# Nobody but the test is at the other end.
on_errors()
{
	version=pty
	vm=board
	cp "$vmlinux" vmlinux
	"$KTB" attach --serial pty --vmlinux vmlinux --name board --port auto </dev/null >line.text 2>line.out &
	line=$!
	expect 'pty: it is made' wait_for 30 is_listed board running
	pty=$(sed -n 's/.*other end of \(.*\)/\1/p' line.out)
	expect 'pty: its name is said' [ -c "$pty" ]
	printf 'from outside\n' >"$pty"
	await_log board 'pty: what is written there is on the console' '^from outside'
	over_line -ex 'p 1'
	expect_match 'pty: a debugger is told that nobody is there' 'nobody is at the other end'
	"$KTB" attach --serial "$pty" --vmlinux vmlinux --name other --port auto </dev/null >/dev/null 2>&1 &
	other=$!
	expect 'pty: somebody else opens it' wait_for 30 is_listed other running
	run timeout 30 "$KTB" attach --serial "$pty" --vmlinux vmlinux --name third --port auto
	expect_status 'a line that another one has: status 2' 2
	"$KTB" stop --quiet other
	wait "$other"
	"$KTB" stop --quiet board
	wait "$line"

	run "$KTB" attach --vmlinux vmlinux
	expect_status 'without --serial: status 2' 2
	run "$KTB" attach --serial pty
	expect_status 'without --vmlinux: status 2' 2
	expect_error 'without --vmlinux: what to do' '--vmlinux'
	run "$KTB" attach --serial tcp:nowhere --vmlinux vmlinux
	expect_status 'no port: status 2' 2
	run "$KTB" attach --serial "tcp:127.0.0.1:$port" --vmlinux vmlinux
	expect_status 'nobody listens: status 1' 1
	run "$KTB" attach --serial /dev/null --speed 1 --vmlinux vmlinux
	expect_error 'no such speed: those that there are' '9600.*115200'
}

on_kernel 6.12 '' 12
vmlinux=$(field v12 vmlinux)
"$KTB" stop --quiet --force v12
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz 1
without_break
on_errors
finish
