#!/bin/sh
# timeout: 900
# The examples of README.md, of `ktb help COMMAND` and of the man page are executed.
#
# In README.md each block (```console, what a terminal shows; ```ini, a ktb.conf) has a comment in front that says how it is
# tried:
#
#	<!-- test: run -->			its commands, one after the other
#	<!-- test: fake source -->		the same, with a kernel in miniature as ~/src/linux; they fail
#	<!-- test: wrong conf -->		the same, in a folder with a ktb.conf that says memroy in [vm]; they fail
#	<!-- test: dropped -->			the same, with an empty cache beside the unpacked sources; they fail
#	<!-- test: roots -->			each boots, from a root that was made for it, and is ended
#	<!-- test: conf -->			as a ktb.conf it is understood
#	<!-- test: vm --kgdb-wait -->		its commands, while a VM stands at kdb's prompt; they find a problem
#	<!-- test: vm -->			the same, while a VM runs in the background
#	<!-- test: vm, COMMAND -->		and COMMAND has been typed into its shell
#	<!-- test: flake -->			in tests/integration/flake.sh
#	<!-- test: terminal -->			its first command in a terminal; what follows a prompt of the guest is typed
#	<!-- test: skip, because REASON -->	not at all
#
# What they print must be what the block says. There `...` stands for anything, and two numbers are always alike, as are
# accelerators and amounts of white space: kernels, machines and addresses differ.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# The kernels that are built already are in the user's cache.
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_CONFIG_HOME="$tmp/config" XDG_RUNTIME_DIR="$tmp/run"
export HOME="$tmp/home" CCACHE_DISABLE=1 TERM=xterm
port=$((20000 + $$ % 10000))
mkdir -p "$tmp/config/ktb" "$tmp/config/gdb" "$tmp/bin" "$tmp/work" "$tmp/home/src" "$tmp/blocks"
mkdir -m 700 "$tmp/run"
printf '[vm]\nport = %s\n' "$port" >"$tmp/config/ktb/ktb.conf"
# Without an index of a kernel's debug information GDB reads it all, each time.
printf 'set index-cache directory %s/ktb/gdb-index\nset index-cache enabled on\n' "$XDG_CACHE_HOME" >"$tmp/config/gdb/gdbinit"
ln -s "$KTB" "$tmp/bin/ktb"
ln -s "$KTB" "$tmp/work/ktb"
PATH=$tmp/bin:$PATH
echo 'info threads' >"$tmp/work/my.gdb"
cd "$tmp/work" || exit 1
# What the examples push, and the module that they build; its folder in the cache goes again.
mkdir tests hello
echo echo test >test.sh
cp test.sh tests
echo 'obj-m := hello.o' >hello/Kbuild
cat >hello/hello.c <<'END'
#include <linux/module.h>
static int answer;
module_param(answer, int, 0444);
static int __init hello_init(void)
{
	return 0;
}
static void __exit hello_exit(void)
{
}
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
END
# shellcheck disable=SC2016 # expanded when it is run
at_exit 'for f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do [ "$(readlink "$f")" != "$tmp/work/hello/Kbuild" ] || rm -rf "${f%/src/*}"; done'
# shellcheck disable=SC2016 # expanded when it is run
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# --- Comparing ----------------------------------------------------------------------------------------------------

# Filter: what may differ becomes the same.
normalize()
{
	tr -d '\r' | sed -E -e "s/$(printf '\033')\[[0-9;?]*[A-Za-z]//g" -e '/^ktb: using TCG: /d' -e '/^ktb: waiting for another ktb /d' \
		-e '/^\[Switching to Thread /d' -e '/^\[ *[0-9.]+\] (tsc|clocksource): /d' \
		-e 's/\<(tcg|kvm)\>/ACCEL/g' -e 's/0x[0-9a-f]+/0xN/g' -e 's/[0-9]+(\.[0-9]+)*/N/g' \
		-e 's/[[:space:]]+/ /g' -e 's/^ //' -e 's/ $//'
}

# follows PATTERN TEXT (files): both normalized first.
follows()
{
	normalize <"$1" >"$tmp/pattern"
	normalize <"$2" >"$tmp/text"
	awk '
	FNR == NR {
		pattern = pattern $0 "\n"
		next
	}
	{
		text = text $0 "\n"
	}
	END {
		# A line of its own stands for any number of lines.
		sub(/^\.\.\.\n/, "...", pattern)
		while (sub(/\n\.\.\.\n/, "\n...", pattern))
			;
		n = split(pattern, parts, /\.\.\./)
		for (i = 1; i <= n; i++) {
			last = i == n
			at = index(text, parts[i])
			if (last && parts[i] != "" && length(text) >= length(parts[i]) &&
			    substr(text, length(text) - length(parts[i]) + 1) == parts[i])
				exit 0
			if (!at || (i == 1 && at != 1) || (last && parts[i] != ""))
				exit 1
			text = substr(text, at + length(parts[i]))
		}
	}
	' "$tmp/pattern" "$tmp/text"
}

# expect_transcript NAME PATTERN TEXT
expect_transcript()
{
	if follows "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "expected:
$(cat "$2")
got:
$(sed -n '1,30p' "$3" | cut -c 1-200)
[...]
$(sed '1,30d' "$3" | tail -n 30 | cut -c 1-200)"
	fi
}

# --- VMs ----------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317
nothing_runs()
{
	[ -z "$("$KTB" list)" ]
}

# is_settled NAME: its init has done all that comes behind the shell, and sleeps.
# shellcheck disable=SC2317 # called by way of wait_for
is_settled()
{
	"$KTB" ps --name "$1" | grep -Eq '^ *1 .* S .* init$'
}

need_no_vm()
{
	"$KTB" stop --quiet --all --force
}

# start_vm NAME: in the background; it may still be booting.
start_vm()
{
	"$KTB" vm --quiet --detach --name "$1" "--port=$([ "$1" = vm ] && echo "$port" || echo auto)" ||
		not_ok "a VM named $1 starts"
}

# need_vm NAME: it runs, no other does, and its shell is there.
need_vm()
{
	if [ "$(cd "$XDG_RUNTIME_DIR/ktb" 2>/dev/null && echo *)" != "$1" ]; then
		need_no_vm
		start_vm "$1"
	fi
	wait_for 90 log_has "$1" 'debugvm:' || not_ok "the VM $1 comes up" "$(console "$1" | tail -n 20)"
	wait_for 30 is_settled "$1"
}

# --- README -------------------------------------------------------------------------------------------------------

# A kernel in miniature, as a tree and as a tarball.
make_fake_source()
{
	cp -r "$root/tests/data/fake-kernel" "$HOME/src/linux"
	{
		cat "$root"/share/kconfig/*.config "$root"/share/kconfig/profiles/*.config
		echo CONFIG_FAKE_DROPPED=y
	} | awk -f "$root/tests/data/fake-kernel/kconfig.awk" >"$HOME/src/linux/Kconfig"
	tar -C "$HOME/src" -cJf "$tmp/work/linux-6.12.tar.xz" linux
}

# shell_line COMMAND: as a user types it, with our port in place of the usual one.
shell_line()
{
	timeout 240 sh -c "$(printf '%s\n' "$1" | sed "s/localhost:1234/localhost:$port/")" </dev/null
}

# perform BLOCK TRANSCRIPT STATUS: runs its commands; false if one of them did not end with the status.
perform()
{
	_good=yes
	: >"$2"
	grep '^\$ ' "$1" >"$tmp/commands"
	while IFS= read -r line <&3; do
		printf '%s\n' "$line" >>"$2"
		shell_line "${line#\$ }" >>"$2" 2>&1
		[ "$?" = "$3" ] || _good=
		printf '%s\n' "${line#\$ }" | sed 's/  *#.*//; s/^\.\///' >>"$tmp/done"
	done 3<"$tmp/commands"
	[ -n "$_good" ]
}

# run_block NAME BLOCK STATUS
run_block()
{
	if perform "$2" "$tmp/transcript" "$3"; then
		ok "$1: exit status $3"
	else
		not_ok "$1: exit status $3" "$(tail -n 40 "$tmp/transcript")"
	fi
	expect_transcript "$1: the output is as it says" "$2" "$tmp/transcript"
}

# shellcheck disable=SC2317
screen()
{
	term_tmux capture-pane -p -J -S - | sed '/^Pane is dead/d; /^ *$/d'
}

# shellcheck disable=SC2317
# at_prompt N: the guest's shell has asked for at least N lines, and waits for one.
at_prompt()
{
	screen >"$tmp/screen"
	[ "$(grep -c '^debugvm:' "$tmp/screen")" -ge "$1" ] && tail -n 1 "$tmp/screen" | grep -Eq '^debugvm:[^ ]*# *$'
}

# shellcheck disable=SC2317
# asks_again: the same, if need be because Enter was pressed: a message of the kernel's may have come behind the prompt.
asks_again()
{
	at_prompt 1 || { term_send Enter; false; }
}

# shellcheck disable=SC2317
screen_follows()
{
	screen >"$tmp/screen"
	follows "$1" "$tmp/screen"
}

# terminal_block NAME BLOCK
terminal_block()
{
	term_start "$(sed -n '1s/^\$ //p' "$2")"
	sed -n '1s/^\$ //p' "$2" >>"$tmp/done"
	sed -n 's/^debugvm:[^ ]*# *//p' "$2" >"$tmp/typed"
	# Messages of the kernel would come between.
	term_wait 90 '^debugvm:' || not_ok "$1: a prompt" "$(term_screen)"
	term_send 'dmesg -n 1' Enter
	prompts=2
	while IFS= read -r line <&3; do
		wait_for 60 at_prompt "$prompts" || not_ok "$1: a prompt for '$line'" "$(term_screen)"
		prompts=$((prompts + 1))
		term_send -l "$line"
		term_send Enter
	done 3<"$tmp/typed"
	# Nothing is said of empty lines: a terminal has many.
	sed '1d; /^ *$/d' "$2" >"$tmp/expected"
	wait_for 30 screen_follows "$tmp/expected"
	expect_transcript "$1: the screen is as it says" "$tmp/expected" "$tmp/screen"
	# What comes next must not take this one for one that runs.
	wait_for 30 nothing_runs
	term_stop
}

# boot_roots BLOCK: each of its commands.
boot_roots()
{
	make_roots
	need_no_vm
	sed -n 's/^\$ //p' "$1" >"$tmp/roots"
	while IFS= read -r line <&5; do
		case $line in
		# What is on that disk doesn't know of ktb.
		*--image*) foreground "$line" shell 'ktb stop --force' ;;
		*) foreground "$line" shell 'ktb stop' ;;
		esac
		printf '%s\n' "$line" | sed 's/  *#.*//' >>"$tmp/done"
	done 5<"$tmp/roots"
}

# A folder with a userland, and a disk that has it, with an init of its own, in its first partition.
make_roots()
{
	_tree=$HOME/debian
	mkdir -p "$_tree"
	for folder in bin sbin etc proc sys dev tmp run mnt root lib/modules; do
		mkdir -p "$_tree/$folder"
	done
	cp "$(command -v busybox)" "$_tree/bin/busybox"
	for applet in sh echo sleep mount ls; do
		ln -s busybox "$_tree/bin/$applet"
	done
	printf '#!/bin/sh\necho debugvm: of the disk\nwhile :; do sleep 1; done\n' >"$_tree/sbin/init"
	chmod +x "$_tree/sbin/init"
	truncate -s 32M partition.img
	PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q -d "$_tree" partition.img
	python3 - partition.img disk.img <<-'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0x83, b"\xff" * 3, 2048, len(data) // 512)
		mbr = bytes(446) + entry + bytes(48) + b"\x55\xaa"
		open(sys.argv[2], "wb").write(mbr + bytes(2048 * 512 - 512) + data)
	END
	qemu-img convert -f raw -O qcow2 disk.img debian-12-generic-amd64.qcow2
}

# in_lean_cache COMMAND...: kernels of other tests are not there, their sources are.
in_lean_cache()
{
	mkdir -p "$tmp/lean/ktb"
	[ -e "$tmp/lean/ktb/source" ] || ln -s "$cache/ktb/source" "$tmp/lean/ktb/source"
	XDG_CACHE_HOME=$tmp/lean
	"$@"
	XDG_CACHE_HOME=$cache
}

# Writes each block of README.md to blocks/LINE, and its comment to blocks/LINE.how.
split_readme()
{
	awk -v to="$tmp/blocks/" '
	/^<!-- test: .* -->$/ {
		how = substr($0, 12, length($0) - 15)
		next
	}
	/^```/ && !inside {
		inside = 1
		file = sprintf("%s%04d", to, NR)
		printf "%s\n", how >(file ".how")
		next
	}
	/^```/ {
		inside = 0
		file = ""
	}
	file {
		print >file
	}
	!/^$/ {
		how = ""
	}
	' "$root/README.md"
}

# The blocks that want nothing but a VM come last: they have the same one.
run_readme()
{
	split_readme
	for how_file in $(grep -Lx vm "$tmp"/blocks/*.how) $(grep -lx vm "$tmp"/blocks/*.how); do
		block=${how_file%.how}
		how=$(cat "$how_file")
		name="README.md:$(basename "$block") '$(sed -n '1s/^\$ //p' "$block" | cut -c 1-40)'"
		case $how in
		run)
			# What starts none goes on beside one.
			! grep -Eq '^\$ .*ktb (vm|demo|doctor)' "$block" || need_no_vm
			run_block "$name" "$block" 0
			;;
		'fake source')
			XDG_CACHE_HOME=$tmp/cache
			run_block "$name" "$block" 2
			XDG_CACHE_HOME=$cache
			;;
		dropped) in_lean_cache run_block "$name" "$block" 2 ;;
		roots) boot_roots "$block" ;;
		conf)
			mkdir -p "$tmp/conf"
			cp "$block" "$tmp/conf/ktb.conf"
			cd "$tmp/conf" || exit 1
			run "$KTB" list
			expect_status "$name: is understood" 0
			cd "$tmp/work" || exit 1
			;;
		'vm --kgdb-wait')
			need_no_vm
			"$KTB" vm --quiet --detach "--port=$port" --kgdb-wait
			wait_for 90 log_has vm 'kdb> ' || not_ok "$name: kdb's prompt"
			run_block "$name" "$block" 1
			need_no_vm
			;;
		'wrong conf')
			mkdir -p "$tmp/wrong"
			printf '[vm]\nmemroy = 4G\n' >"$tmp/wrong/ktb.conf"
			cd "$tmp/wrong" || exit 1
			run_block "$name" "$block" 2
			cd "$tmp/work" || exit 1
			;;
		vm | 'vm, '*)
			need_vm vm
			[ "$how" = vm ] || say vm "${how#vm, }"
			run_block "$name" "$block" 0
			;;
		terminal)
			need_no_vm
			terminal_block "$name" "$block"
			;;
		flake | 'skip, because '?*) ;;
		*) not_ok "$name" "no comment says how it is to be tested (see $0)" ;;
		esac
	done
	expect_equal 'README.md: at most two blocks are not tested' \
		"$(($(cat "$tmp"/blocks/*.how | grep -c '^skip') > 2))" 0
}

# --- Help and man page --------------------------------------------------------------------------------------------

# plain COMMAND [STATUS]
plain()
{
	run shell_line "$1"
	expect_status "example: $1" "${2:-0}"
}

# foreground COMMAND STATUS_OR_SHELL THEN: runs it while its input stays open, until THEN ends it.
foreground()
{
	rm -f "$tmp/keys"
	mkfifo "$tmp/keys"
	timeout 240 sh -c "$1" <"$tmp/keys" >"$tmp/foreground" 2>&1 &
	vm_pid=$!
	exec 4>"$tmp/keys"
	if [ "$2" = shell ]; then
		wait_for 180 grep -q 'debugvm:' "$tmp/foreground"
	else
		wait_for 30 is_listed vm "$2"
	fi || not_ok "example: $1: $2" "$(tail -n 20 "$tmp/foreground")"
	plain "$3"
	[ -z "$("$KTB" list)" ] || "$KTB" stop --quiet
	exec 4>&-
	wait "$vm_pid"
	expect_equal "example: $1" "$?" 0
}

# in_guest_terminal COMMAND: one that has a terminal in the guest, and is left.
in_guest_terminal()
{
	# A comment would hide the rest.
	term_start "sh -c '${1%%#*}; echo status \$?; sleep 100'"
	if term_wait 30 'debugvm:~# |Mem:'; then
		term_send C-a x
		if term_wait 10 '^status 129'; then
			ok "$1: it can be left"
		else
			not_ok "$1: it can be left" "$(term_screen)"
		fi
	else
		not_ok "$1" "$(term_screen)"
	fi
	term_stop
}

# on_console COMMAND
on_console()
{
	term_start "$1"
	wait_for 30 asks_again || not_ok "example: $1: the prompt" "$(screen)"
	term_send C-a x
	if term_wait 10 'left the console'; then
		ok "example: $1"
	else
		not_ok "example: $1" "$(term_screen)"
	fi
	term_stop
}

# in_shell COMMAND
in_shell()
{
	term_start "$1"
	if term_wait 30 'KTB_VMLINUX  */'; then
		ok "example: $1"
	else
		not_ok "example: $1" "$(term_screen)"
	fi
	term_send exit Enter
	term_wait 10 'Pane is dead'
	term_stop
}

# side_by_side COMMAND
side_by_side()
{
	term_start "$1"
	if term_wait 90 '\(gdb\)'; then
		ok "example: $1"
	else
		not_ok "example: $1" "$(term_screen)"
	fi
	term_send F12
	if term_wait 40 'Pane is dead \(status 0'; then
		ok "example: $1: F12 ends it"
	else
		not_ok "example: $1: F12 ends it" "$(term_screen)"
	fi
	term_stop
}

# on_line COMMAND ADDRESS: with somebody at the other end, who is waited for; socat's ADDRESS, "" for nobody.
on_line()
{
	need_no_vm
	[ -e vmlinux ] || ln -s "$(ktb build -q | sed -n 's/^vmlinux *//p')" vmlinux
	other=
	if [ "$2" ]; then
		socat "$2" EXEC:cat &
		other=$!
		wait_for 10 sh -c "$3" || not_ok "example: $1: the other end"
	fi
	timeout 60 sh -c "exec $1" </dev/null >"$tmp/foreground" 2>&1 &
	attached=$!
	wait_for 30 sh -c 'ktb list | grep -q running' || not_ok "example: $1: it has the line" "$(cat "$tmp/foreground")"
	ktb stop -q
	wait "$attached"
	expect_equal "example: $1" "$?" 0
	[ -z "$other" ] || kill "$other" 2>/dev/null
}

# in_menuconfig COMMAND: on the kernel in miniature; tests/integration/config.sh has the kernel's own menuconfig.
in_menuconfig()
{
	mkdir -p "$tmp/menu"
	printf '[kernel]\nsource = %s/src/linux\n' "$HOME" >"$tmp/menu/ktb.conf"
	term_start "cd '$tmp/menu' && XDG_CACHE_HOME='$tmp/cache' FAKE_MENUCONFIG='echo editing' $1"
	if term_wait 30 'nothing was changed' && term_shows 'editing /.*\.config'; then
		ok "example: $1"
	else
		not_ok "example: $1" "$(term_screen)"
	fi
	term_stop
}

# example LINE: "COMMAND  # what for"
example()
{
	command=$(printf '%s\n' "$1" | sed 's/  *#.*//; s/^ *//')
	grep -qxF "$command" "$tmp/done" && return
	printf '%s\n' "$command" >>"$tmp/done"
	case $command in
	'ktb build --source'*)
		XDG_CACHE_HOME=$tmp/cache
		plain "$command"
		XDG_CACHE_HOME=$cache
		;;
	'ktb init'*)
		mkdir -p "$tmp/init"
		cd "$tmp/init" || exit 1
		plain "$command"
		cd "$tmp/work" || exit 1
		;;
	'ktb clean'*)
		XDG_CACHE_HOME=$tmp/cache
		plain "$command"
		XDG_CACHE_HOME=$cache
		;;
	'ktb config edit') in_menuconfig "$command" ;;
	'ktb source'* | 'ktb config'* | 'ktb completion'* | 'cd '*) plain "$command" ;;
	'source <('*)
		run bash -c "$command"
		expect_status "example: $command" 0
		;;
	'ktb shell') in_shell "$command" ;;
	'ktb up'*)
		need_no_vm
		side_by_side "$command"
		;;
	'ktb doctor --name test'*)
		need_no_vm
		start_vm test
		plain "$command"
		;;
	'ktb shell'* | 'ktb doctor'* | 'ktb vm --print-command' | 'ktb build'* | 'ktb list'* | 'ktb help'* | 'ktb version'* | 'ktb demo'*) plain "$command" ;;
	'ktb vm'*' --detach'*)
		need_no_vm
		plain "$command"
		expect 'it runs in the background' [ -n "$("$KTB" list)" ]
		;;
	'ktb vm --wait')
		need_no_vm
		foreground "$command" waiting "${1##*elsewhere: }"
		;;
	'ktb vm'*)
		need_no_vm
		foreground "$command" shell 'ktb stop'
		;;
	'ktb gdb --break start_kernel') plain "$command" ;;
	'ktb dmesg -w')
		need_vm vm
		run timeout 2 sh -c "exec $command"
		expect_equal "example: $command goes on" "$status" 124
		expect_match 'and has shown what was there' 'Linux version'
		;;
	'ktb dump --core vm.kdump'*)
		need_vm vm
		[ -e vm.kdump ] || "$KTB" dump -q --compress vm.kdump >/dev/null
		rm -f again.core
		plain "$command"
		;;
	'ktb dump'*)
		rm -f vm.core vm.kdump
		need_vm vm
		plain "$command"
		;;
	'ktb attach'*/dev/ttyUSB0*)
		[ -e vmlinux ] || ln -s "$(ktb build -q | sed -n 's/^vmlinux *//p')" vmlinux
		run sh -c "$command" </dev/null
		expect_status "example: $command, without such a device" 1
		expect_error "example: $command: says which" '/dev/ttyUSB0'
		;;
	'ktb attach'*telnet:localhost:7001*)
		on_line "$command" TCP4-LISTEN:7001,bind=127.0.0.1,reuseaddr 'grep -q ":1B59 00000000:0000 0A" /proc/net/tcp'
		;;
	'ktb attach'*unix:serial.sock*) on_line "$command" UNIX-LISTEN:serial.sock '[ -S serial.sock ]' ;;
	'ktb attach'*) on_line "$command" '' ;;
	'ktb gdb'* | 'ktb ps'* | 'ktb bt'* | 'ktb dmesg'* | 'ktb read'* | 'ktb lsmod'* | 'ktb sym'*)
		need_vm vm
		plain "$command"
		;;
	'gdb VMLINUX '*)
		need_vm vm
		plain "gdb $(ktb build -q | sed -n 's/^vmlinux *//p') ${command#gdb VMLINUX }"
		;;
	'ktb exec -t'*)
		need_vm vm
		in_guest_terminal "$command"
		;;
	'ktb exec'* | 'ktb push'* | 'ktb pull'* | 'ktb module'*)
		need_vm vm
		plain "$command"
		;;
	'ktb console'*)
		name=${command#ktb console}
		name=${name# }
		need_vm "${name:-vm}"
		on_console "$command"
		;;
	'ktb stop'*)
		case $command in
		*' a b')
			need_no_vm
			start_vm a
			start_vm b
			;;
		*) need_vm vm ;;
		esac
		plain "$command"
		expect 'nothing runs any more' nothing_runs
		;;
	*) not_ok "example: $command" "$0 doesn't know how to try it" ;;
	esac
}

# The examples of a text with commands in lines of their own.
examples()
{
	while IFS= read -r line <&3; do
		example "$line"
	done 3<"$1"
}

run_help()
{
	"$KTB" help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' >"$tmp/names"
	expect 'help lists commands' [ "$(grep -c . "$tmp/names")" -ge 9 ]
	while read -r name; do
		"$KTB" help "$name" | sed -n '/^Examples:/,$s/^  //p' >"$tmp/examples-$name"
		expect "help $name has an example" [ -s "$tmp/examples-$name" ]
	done <"$tmp/names"
	# Those that share a VM side by side.
	for name in build help list version init source config completion clean shell doctor attach gdb ps bt dmesg read dump lsmod sym exec push pull module stop \
		console vm up demo; do
		cat "$tmp/examples-$name"
	done >"$tmp/all-examples"
	expect 'the examples of all commands are tried' \
		[ "$(cat "$tmp"/examples-* | wc -l)" = "$(wc -l <"$tmp/all-examples")" ]
	examples "$tmp/all-examples"
}

run_man()
{
	KTB=$KTB "$root/scripts/man" --print >"$tmp/ktb.1.scd"
	expect 'man/ktb.1.scd has what the program says of its commands and options (else: scripts/man)' \
		cmp -s "$tmp/ktb.1.scd" "$root/man/ktb.1.scd"
	# shellcheck disable=SC2016 # no command
	sed -n '/^# EXAMPLES/,/^# /{/^```/,/^```/{/^```/!p}}' "$root/man/ktb.1.scd" >"$tmp/man-examples"
	expect 'the man page has examples' [ -s "$tmp/man-examples" ]
	examples "$tmp/man-examples"
	if command -v scdoc >/dev/null; then
		run sh -c 'scdoc <"$1"' sh "$root/man/ktb.1.scd"
		expect_status 'scdoc takes the man page' 0
	else
		skip 'scdoc takes the man page' 'scdoc is not installed'
	fi
}

# Every option that is spoken of exists.
check_options()
{
	"$KTB" help man-sections | grep -Eo -e '--[a-z][a-z0-9-]+' | sort -u >"$tmp/known"
	grep -Eo -e '--[a-z][a-z0-9-]+' "$root/README.md" "$root/man/ktb.1.scd" | sed 's/.*://' | sort -u >"$tmp/named"
	expect_equal 'README.md and man page name no option that ktb has not' \
		"$(comm -13 "$tmp/known" "$tmp/named")" ''
}

cache=$XDG_CACHE_HOME
make_fake_source
: >"$tmp/done"
check_options
run_readme
run_help
run_man
need_no_vm
finish
