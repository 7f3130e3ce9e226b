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

cc -O2 -D_GNU_SOURCE -o rsp "$root/tests/rsp.c" || exit 1

# later COMMAND...: in the guest, once a debugger has let it go on.
cat >later <<'SH'
#!/bin/sh
for _ in $(seq 100); do
	timeout 60 "$KTB" exec --name "$vm" -- "$@" && break
	sleep 0.2
done >/dev/null 2>&1
SH
chmod +x later

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

gdb_on_line() { gdb_start "$KTB" gdb --quiet --kgdb --name board -- "$@"; }

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
	gdb_on_line -ex continue
	expect "$version: a debugger lets it run" wait_for 60 gdb_says Continuing
	expect "$version: the guest goes on" wait_for 60 answers
}

# What there is to be seen of Linux, all of it over the line.
knows_linux()
{
	in_guest cat /proc/kallsyms >kallsyms
	over_line -ex 'info threads' -ex 'p/x (long)&init_task' -ex 'monitor ps' -ex 'monitor lsmod' -ex 'monitor dmesg' -ex 'monitor bt 2' \
		-ex 'monitor bt --cpu' -ex 'monitor tasks kthreadd' -ex 'info threads' -ex 'thread 3' -ex bt
	expect_match "$version: CPUs are named by what they run" 'Thread [12] "CPU [01]: [a-z]'
	expect_match "$version: symbols are where the kernel is" "= 0x$(sed -n 's/ D init_task$//p' kallsyms)\$"
	expect_match "$version: tasks are listed" '^ +2 +0 +2 +0 +S .* yes +kthreadd'
	expect_match "$version: completely" '^ +1 +0 +1 +0 +. +[01] +[1-9][0-9]* +[0-9:.]+ +no +init'
	expect_match "$version: the kernel's log is read" 'Linux version'
	expect_match "$version: and a sleeping task's stack" '^#[0-9]+ +kthreadd\+0x'
	expect_match "$version: and that of a CPU in the debugger" '^#[0-9]+ +kgdb_breakpoint\+0x'
	expect_match "$version: a sleeping task is a thread" 'Thread 10000002 "kthreadd/2 S kthreadd" +0x[0-9a-f]+ in (context_switch|__schedule)'
	expect_match "$version: with a backtrace" '^#[0-9]+ +0x[0-9a-f]+ in kthreadd \('

	# Calls of others, of which none is meant, and then one that is.
	say board 'echo sh""ell $$'
	await_log board "$version: the shell says who it is" '^shell [0-9]'
	pid=$(console board | sed -n 's/^shell //p' | tail -n 1)
	cat >typed <<'SH'
./later sh -c 'sh -c :; sh -c :'
cd "$XDG_RUNTIME_DIR/ktb/board" && printf 'exec sh\r' | socat -u - UNIX-CONNECT:serial.sock
SH
	over_line -ex "break __x64_sys_getppid if \$ktb_pid == $pid" -ex 'shell sh typed >/dev/null 2>&1 &' -ex continue -ex 'info threads'
	expect_match "$version: of two tasks the one that is meant stops" "^\* .*CPU [01]: sh/$pid\""

	over_line -ex 'shell ./later modprobe dummy &' -ex 'set breakpoint pending on' -ex 'break dummy_init_module' -ex continue -ex 'bt 2' \
		-ex 'info sharedlibrary' -ex 'monitor lsmod'
	expect_match "$version: a module's symbols are there before its init function runs" 'dummy_init_module \(\) at .*dummy\.c:'
	expect_match "$version: from its file" 'Yes .*dummy.ko'
	expect_match "$version: it is listed" '^dummy +[0-9]'
	expect "$version: and it is loaded" wait_for 60 in_guest grep -q '^dummy ' /proc/modules
}

# frames ARGS...: "TASK #N function () at file:line" for each frame of tasks that sleep all the time, as `ktb gdb ARGS` has them.
frames()
{
	timeout 300 "$KTB" gdb --quiet "$@" -- -batch -ex 'set width 0' -ex 'set print frame-arguments none' -ex 'monitor tasks all' \
		-ex 'info threads' -ex 'thread apply all bt' 2>&1 </dev/null |
		awk '/^Thread [0-9]+ \(Thread/ { task = $5; sub(/^"/, "", task) } /^#/ { print task, $0 }' |
		grep -E '^(init|kthreadd|kswapd0|oom_reaper|kdevtmpfs|cpuhp/[01]|irq/9-acpi)/[0-9]+ '
}

# The same VM has QEMU's stub, too, by which GDB sees the same tasks.
same_stacks()
{
	frames --kgdb --name board >frames.kgdb
	frames --name "$vm" >frames.qemu
	ran='backtraces of sleeping tasks' status=$(wc -l <frames.qemu) stdout=$(diff frames.kgdb frames.qemu)
	expect "$version: sleeping tasks have backtraces" [ "$(cut -d ' ' -f 1 frames.qemu | sort -u | wc -l)" -ge 6 ]
	expect "$version: to their very beginnings" [ "$(grep -c ' ret_from_fork ' frames.qemu)" -ge 5 ]
	expect "$version: those through KGDB are those through QEMU's stub, frame by frame" cmp frames.kgdb frames.qemu
}

# build_id_of VM: of its kernel's build.
build_id_of() { jq -r .build_id "$(dirname "$(field "$1" vmlinux)")/../manifest.json"; }

# Whoever has another vmlinux is told so, and debugs all the same.
sees_another_kernel()
{
	line "telnet:127.0.0.1:$port" --vmlinux "$1"
	over_line -ex 'p/x $pc' -ex stepi -ex 'info threads'
	expect_match "$version: another kernel's vmlinux: both build IDs are said" \
		"doesn't match: its build ID is $2, .* but one with the build ID $(build_id_of "$vm")"
	expect "$version: another kernel's vmlinux: on the console, too" grep -q "doesn't match: its build ID is $2" line.out
	expect_match "$version: another kernel's vmlinux: debugging goes on" 'Thread 2 "CPU 1"'
	expect "$version: another kernel's vmlinux: and the guest" wait_for 60 answers
	"$KTB" stop --quiet board
	wait "$line"
}

shares_the_line()
{
	# Whether it was a stop that looks like one is asked, and a shell would show what was asked.
	say board 'stty -echo; echo re""ady; cat >/dev/null'
	await_log board "$version: nothing is echoed" '^ready'
	# What the kernel has to say would come in between.
	in_guest sh -c 'echo 1 >/proc/sys/kernel/printk; stty -opost </dev/ttyS1; { echo; echo "begin of text"; cat /root/text; echo "end of text"; } >/dev/ttyS1'
	await_log board "$version: the guest has written" '^end of text'
	sed -n '/^begin of text/,/^end of text/p' "$(console_log board)" | sed '1d;$d' >seen
	stdout=$(diff seen text | cut -c1-300)
	expect "$version: the console has what the guest wrote, byte for byte" cmp seen text
	# Not Ctrl-C: the terminal would forget what is typed behind it.
	(cd "$XDG_RUNTIME_DIR/ktb/board" && printf '\025\004' | socat -u - UNIX-CONNECT:serial.sock)
	say board 'stty echo; echo ba""ck'
	await_log board "$version: the shell is back" 'back$'
	kill -INT "$gdb"
	expect "$version: Ctrl-C stops it" wait_for 60 gdb_says 'received signal SIGINT'
	run "$KTB" list
	expect_match "$version: ktb list says so, and nothing of what isn't known" '^board +debug +[0-9]+ +- +none +- +- '
	expect_equal "$version: nor does it as JSON" "$(field board cpus),$(field board memory)" null,null
	say board 'echo ty""ped'
	echo 'continue' >&9
	await_log board "$version: what was typed meanwhile arrives" '^typed'
	gdb_end
	expect "$version: a killed debugger leaves a guest that runs" wait_for 60 answers
}

# One that breaks in, reads memory, and detaches, fifty times.
again_and_again()
{
	attached=0
	for _ in $(seq 50); do
		timeout 30 ./rsp "$(field board port)" read "$(sed -n 's/ T _text$//p' kallsyms)" 40 1 >/dev/null 2>why &&
			attached=$((attached + 1))
	done
	ran="attach and detach 50 times" status=$attached stdout='' stderr=$(cat why)
	expect "$version: 50 times in a row one attaches and detaches" [ "$attached" = 50 ]
	expect "$version: and the guest runs" wait_for 60 answers
}

# on_kernel VERSION SOURCE SUFFIX OPTION...
on_kernel()
{
	version=$1 source=$2 vm=v$3
	shift 3
	port=$((port + 1))
	export vm
	detach "$vm" --port auto --memory 512M --source "$source" --files "$tmp/text:/root/text" \
		--cmdline 'console=ttyS1,115200 kgdboc=ttyS1,115200' \
		--qemu-arg -serial --qemu-arg "telnet:127.0.0.1:$port,server=on,wait=off,nodelay=on" "$@"
	await "$vm" "$version: it is up" answers
	line "telnet:127.0.0.1:$port"
	say board 'echo con""sole'
	await_log board "$version: its console is there" '^console'
	looks_around
	knows_linux
	same_stacks
	breaks
	shares_the_line
	again_and_again
	say board 'echo g >/proc/sysrq-trigger'
	await board "$version: SysRq-g leads to kdb" stands_in_kdb
	over_line -ex 'bt 2'
	expect_match "$version: a debugger finds it there" '^#0 .*kgdb_breakpoint'
	expect "$version: and lets it go on" wait_for 60 answers
	run "$KTB" stop board
	expect_error "$version: the line is left" "^ktb: the serial line of 'board' is left; the kernel there is not touched"
	wait "$line"
	expect_equal "$version: which is a success" "$?" 0
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
vmlinux=$(field v12 vmlinux) build_id=$(build_id_of v12)
"$KTB" stop --quiet --force v12
on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz 1 --kaslr
sees_another_kernel "$vmlinux" "$build_id"
without_break
on_errors
finish
