#!/bin/sh
# ktb doctor without a VM: what it says of a machine that lacks something, of fakes, and how it ends.
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run" XDG_CONFIG_HOME="$tmp/config" XDG_CACHE_HOME="$tmp/cache" CCACHE_DISABLE=1
mkdir -m 700 "$XDG_RUNTIME_DIR" "$tmp/config" "$tmp/cache" "$tmp/bin" "$tmp/work"
cd "$tmp/work" || exit 1

# Nothing here depends on the kernel: one in miniature will do, and is not built.
mkdir "$tmp/src"
cp -r "$root/tests/data/fake-kernel" "$tmp/src/linux"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config >"$tmp/src/linux/Kconfig"
tree=$tmp/src/linux

doctor()
{
	run "$KTB" doctor --source "$tree" --accel tcg --port auto --memory 128M "$@"
}

# finding CHECK: the doctor's line and those that belong to it.
finding()
{
	printf '%s\n' "$stdout" | awk -v title="$1" '
	/^  (ok|warning|problem|skipped) / {
		shown = substr($0, 12, 17)
		sub(/ +$/, "", shown)
		on = shown == title
	}
	/^[a-z]*:$/ || /^$/ {
		on = 0
	}
	on'
}

# expect_finding NAME CHECK STATUS FOUND MEANING REMEDY (regexes; the last two may be left out)
expect_finding()
{
	_finding=$(finding "$2")
	if matches "$_finding" "^  $3 +$2 +.*$4" && { [ -z "${5-}" ] || matches "$_finding" "^ +means: .*$5"; } &&
		{ [ -z "${6-}" ] || matches "$_finding" "^ +to do: .*$6"; }; then
		ok "$1"
	else
		not_ok "$1" "$(last_run)"
	fi
}

# fake NAME: a program in $tmp/bin, from standard input.
fake()
{
	{
		echo '#!/bin/sh'
		cat
	} >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# --- A machine that has everything --------------------------------------------------------------------------------

doctor
expect_status 'nothing but warnings: status 0' 0
expect_match 'the sum is at the end' '^0 problems, [0-9]+ warnings?\.$'
expect_finding 'QEMU and its version' QEMU ok 'QEMU emulator version [0-9]'
expect_finding 'GDB, its version and Python' GDB ok 'version [0-9]+, with Python'
expect_finding 'the compiler' 'build tools' ok 'gcc'
expect_finding 'the userland' "guest's userland" ok 'busybox'
expect_finding 'disk space' 'disk space' ok 'MB free in '
expect_finding 'memory' memory ok 'MB available of'
expect_finding 'KVM is not looked at for tcg' 'access to KVM' skipped 'vm.accel = tcg'
expect_finding 'and what needs it says so' KVM skipped 'needs: access to KVM'
expect_finding 'a kernel that is not built' kernel warning 'not built yet' 'takes minutes' 'ktb build'
expect_finding 'and what needs it is skipped' 'debug information' skipped 'needs: kernel'
expect_finding 'no VM' VMs skipped 'no VM runs'
expect 'it builds nothing' [ ! -e "$tmp/cache/ktb/build" ]
expect 'and says nothing elsewhere' [ -z "$stderr" ]

run "$KTB" doctor --json --source "$tree" --accel tcg --port auto
printf '%s\n' "$stdout" >"$tmp/json"
expect 'JSON can be read' python3 -c '
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) >= 18, len(rows)
assert {"machine", "kernel", "vm"} == {r["group"] for r in rows}
assert {r["status"] for r in rows} <= {"ok", "warning", "problem", "skipped"}
for r in rows:
    assert set(r) == {"group", "check", "status", "found", "meaning", "remedy"}, r
    assert r["found"]
    assert r["status"] not in ("warning", "problem") or r["meaning"] and r["remedy"], r
' "$tmp/json"

doctor --quiet
expect 'quiet shows only what is wrong' [ -z "$(printf '%s\n' "$stdout" | grep -E '^  (ok|skipped)|warnings?\.$')" ]
expect_match 'and does show it' '^  warning +kernel'

# Colour is for terminals.
expect 'no colour in a pipe' [ -z "$(printf '%s' "$stdout" | tr -cd '\033')" ]
coloured()
{
	script -qec "env TERM=xterm $* '$KTB' doctor --source '$tree' --accel tcg --port auto" /dev/null | tr -cd '\033' | wc -c
}
expect 'colour on a terminal' [ "$(coloured)" -gt 10 ]
expect_equal 'none with NO_COLOR' "$(coloured NO_COLOR=1)" 0
expect_equal 'none on a dumb one' "$(coloured TERM=dumb)" 0

# --- What is missing ----------------------------------------------------------------------------------------------

doctor --qemu qemu-system-nonesuch
expect_status 'no QEMU: status 1' 1
expect_finding 'no QEMU' QEMU problem 'qemu-system-nonesuch is not installed' 'no VM can be started' .
expect_finding 'the machine needs it' machine skipped 'needs: QEMU'
mkdir "$tmp/few"
for program in gcc ld sh env; do
	ln -s "$(command -v "$program")" "$tmp/few/$program"
done
run env PATH="$tmp/few" "$KTB" doctor --source "$tree" --accel tcg --port auto
expect_status 'a bare machine: status 1' 1
expect_finding 'a bare machine: QEMU and its package' QEMU problem 'not installed' . 'apt-get install qemu-system-x86$'
expect_finding 'a bare machine: GDB' GDB problem 'gdb is not installed' 'ktb gdb' 'package gdb'
expect_match 'a bare machine: build tools by their names, and packages' 'lacks: make, .*flex, bison'
expect_match 'a bare machine: what to install' 'apt-get install make .*flex bison'
expect_finding 'a bare machine: busybox' "guest's userland" problem busybox 'no shell' busybox-static

fake qemu-garbage <<'EOF'
echo hello
EOF
doctor --qemu "$tmp/bin/qemu-garbage"
expect_finding 'what is no QEMU' QEMU problem "doesn't say that it is QEMU"
fake gdb-bare <<'EOF'
echo 'GNU gdb (test) 12.1'
echo 'configured with --without-python'
EOF
doctor --program "$tmp/bin/gdb-bare"
expect_status 'a GDB without Python is no problem' 0
expect_finding 'but a warning' GDB warning 'version 12, was built without Python' 'lx-' .
doctor --cc nonesuch-gcc
expect_finding 'a compiler that is not there' 'build tools' problem 'nonesuch-gcc is not installed'
expect_status 'a compiler that is not there: status 1' 1

# --- What hangs, what crashes -------------------------------------------------------------------------------------

fake qemu-hangs <<'EOF'
sleep 1000 &
echo $! >"$0.child"
wait
EOF
start=$(date +%s)
doctor --qemu "$tmp/bin/qemu-hangs"
expect 'a program that hangs: it goes on' [ $(($(date +%s) - start)) -lt 60 ]
expect_finding 'and says so' QEMU problem 'no result after 10 seconds'
expect_finding 'and makes the other checks' GDB ok 'with Python'
# shellcheck disable=SC2317
is_dead()
{
	! kill -0 "$(cat "$tmp/bin/qemu-hangs.child")" 2>/dev/null
}
expect 'and leaves nothing of it' wait_for 10 is_dead

# --- Configuration ------------------------------------------------------------------------------------------------

port=$((30000 + $$ % 10000))
socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" SYSTEM:true &
socat_pid=$!
at_exit 'kill $socat_pid 2>/dev/null'
# shellcheck disable=SC2317
listens()
{
	grep -q "0100007F:$(printf %04X "$port") 00000000:0000 0A" /proc/net/tcp
}
wait_for 10 listens
run "$KTB" doctor --source "$tree" --accel tcg --port "$port"
expect_status 'a port that is taken: status 1' 1
expect_finding 'a port that is taken, by whom, and what to do' port problem "port $port .*by process $socat_pid" \
	"won't start" '--port auto'
doctor --port nonsense
expect_finding 'what is no port' port problem 'neither a port'
doctor --memory 900000G
expect_finding 'more memory than there is' memory problem 'available' 'has no more' 'memory'
doctor --kconfig 'KGDB=y' --fragment "$tmp/nonesuch"
expect_finding 'a kernel that can not be' kernel problem 'nonesuch' "can't be built" .
printf '[vm]\nmemroy = 3G\n' >ktb.conf
doctor
expect_status 'a ktb.conf that is wrong: status 2' 2
expect_error 'where, and what was meant' 'ktb.conf:2: .*memory'
rm ktb.conf

# What of the host the VM is given.
rm -f "$tmp/text" && echo text >"$tmp/text"
truncate -s 1M "$tmp/raw.img"
mkdir "$tmp/share"
doctor
expect_finding 'nothing is asked for' 'folders and disks' ok 'none is asked for'
doctor --share "$tmp/share" --image "$tmp/raw.img" --image "$tmp/raw.img:ro" --root "$tmp/share" --forward auto:22
expect_finding 'what is there is counted' 'folders and disks' ok 'all there: 2 folders, 2 disks, 1 port'
expect 'and nothing is said elsewhere' [ -z "$stderr" ]

# wrong NAME FOUND ARGS...
wrong()
{
	_name=$1 _found=$2
	shift 2
	doctor "$@"
	expect_status "$_name: status 1" 1
	expect_finding "$_name" 'folders and disks' problem "$_found" "won't start" 'vm.share'
	expect_finding "$_name: the machine needs it" machine skipped 'needs: folders and disks'
}
wrong 'a folder that is not there' 'no folder .*/none' --share "$tmp/none"
wrong 'an image that is not there' 'no file .*/none' --image "$tmp/none"
wrong 'a root that is not there' 'no folder .*/none' --root "$tmp/none"
wrong 'a disk as root, and no disk' 'VM has none' --root /dev/vda
wrong 'an init without a root' 'no --root' --init /sbin/init
wrong 'a port that is taken' "by process $socat_pid" --forward "$port:22"

# A kernel from elsewhere.
doctor --kernel "$tmp/none"
expect_status 'a kernel that is not there: status 1' 1
expect_finding 'a kernel that is not there' kernel problem 'no file .*/none' "won't start" '--kernel'
expect_finding 'what needs it is skipped' machine skipped 'needs: kernel'
expect_finding 'building has nothing to do with it' 'build tools' skipped 'built elsewhere'
doctor --kernel "$tmp/text"
expect_finding 'what is no kernel' kernel problem 'neither a bzImage'
doctor --vmlinux "$tmp/text"
expect_finding 'symbols of no kernel' kernel problem 'name that with --kernel'

# A user who may not.
if [ "$(id -u)" = 0 ]; then
	chmod 755 "$tmp"
	mkdir -m 700 "$tmp/user"
	chown 65534 "$tmp/user"
	mkdir -m 755 "$tmp/closed" "$tmp/ktb" "$tmp/ktb/guest"
	cp "$KTB" "$tmp/ktb/"
	cp -rL "$(dirname "$KTB")/share" "$tmp/ktb/"
	cp "$(dirname "$KTB")/guest/guest-init" "$tmp/ktb/guest/"
	run as_user env XDG_RUNTIME_DIR="$tmp/user" XDG_CACHE_HOME="$tmp/closed" HOME="$tmp/user" \
		"$tmp/ktb/ktb" doctor --port auto --source "$tree"
	expect_status 'a cache that is not ours: status 1' 1
	expect_finding 'a cache that is not ours' 'disk space' problem "can't be written to" 'none can be built' XDG_CACHE_HOME
	if [ -c /dev/kvm ] && ! as_user test -w /dev/kvm; then
		expect_finding 'no access to KVM, and what it means' 'access to KVM' warning '/dev/kvm' 'TCG' .
		run as_user env XDG_RUNTIME_DIR="$tmp/user" XDG_CACHE_HOME="$tmp/user" HOME="$tmp/user" \
			"$tmp/ktb/ktb" doctor --port auto --source "$tree" --accel kvm
		expect_finding 'a problem for one who insists' 'access to KVM' problem '/dev/kvm' "won't run" 'accel auto'
	fi
fi

# The terminal.
term_start "TERM=xterm '$KTB' doctor --source '$tree' --accel tcg --port auto >'$tmp/small'"
term_wait 60 'Pane is dead' || not_ok 'doctor on a terminal ends' "$(term_screen)"
stdout=$(cat "$tmp/small")
expect_finding "the terminal's size" terminal ok '80 columns, 2[34] rows, TERM=xterm'
term_stop

run "$KTB" doctor nonsense
expect_status 'it takes no argument' 2
finish
