#!/bin/sh
# timeout: 240
# Builds a kernel in miniature (tests/data/fake-kernel) in all the ways in which a build can go right or wrong.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config"
export CCACHE_DISABLE=1
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
unset FAKE_SLOW FAKE_TORN
mkdir -p "$HOME" "$tmp/work"
cd "$tmp/work" || exit 1

# path NAME: of the last run's result.
path()
{
	printf '%s\n' "$stdout" | sed -n "s/^$1  *//p"
}

# listing FOLDER: everything that would show that something was written there.
listing()
{
	find "$1" -printf '%p %y %s %T@ %C@ %m\n' | sort
}

# The next three are called by way of expect and wait_for.
# shellcheck disable=SC2317
# sleepers SECONDS: the processes that sleep that long.
sleepers()
{
	for _p in /proc/[0-9]*; do
		if [ "$(tr '\0' ' ' <"$_p/cmdline" 2>/dev/null)" = "sleep $1 " ]; then
			echo "${_p#/proc/}"
		fi
	done
}

# shellcheck disable=SC2317
asleep()
{
	[ -n "$(sleepers "$1")" ]
}

# shellcheck disable=SC2317
nobody_sleeps()
{
	! asleep "$1"
}

# --- A tree ---

fake_kernel "$tmp/plain"
before=$(listing "$tmp/plain")
run "$KTB" build --source "$tmp/plain"
expect_status 'a plain tree is built' 0
expect_error 'one line says so at the end' 'kernel 6\.1\.0-fake built in [0-9.]+ s'
expect 'vmlinux is where stdout says' [ -f "$(path vmlinux)" ]
expect 'bzImage too' [ -f "$(path bzImage)" ]
expect 'the modules are installed' [ -f "$(path modules)/lib/modules/6.1.0-fake/kernel/drivers/fake.ko" ]
expect_equal 'nothing is written to the source' "$(listing "$tmp/plain")" "$before"
out=$(path build)

stamp=$(stat -c %y "$out/vmlinux")
run "$KTB" build --source "$tmp/plain"
expect_error 'a second time there is nothing to do' 'up to date'
expect_equal 'and nothing is built' "$(stat -c %y "$out/vmlinux")" "$stamp"
run "$KTB" build --source "$tmp/plain" --json
expect_match '--json has the build ID' '"build_id": ?"[0-9a-f]{40}"'

before_id=$(printf '%s\n' "$stdout" | sed -n 's/.*"build_id": *"\([0-9a-f]*\)".*/\1/p')
rm -rf "$out"
run "$KTB" build --source "$tmp/plain"
expect_status 'a build whose folder vanished is made again' 0
run "$KTB" build --source "$tmp/plain" --json
expect_match 'the same inputs give the same build ID' "\"build_id\": ?\"$before_id\""

echo '{"key": 5' >"$(dirname "$out")/manifest.json"
run "$KTB" build --source "$tmp/plain"
expect_error 'a broken manifest is made again' 'built in'

sleep 0.01
touch "$tmp/plain/kernel/sched.c"
run "$KTB" build --source "$tmp/plain"
expect_error 'a touched file is noticed' 'built in'
expect 'only what hangs on it is made' [ "$(grep -c '  CC' "$(path log)")" = 1 ]

run "$KTB" build --source "$tmp/plain" --kconfig FAKE_OTHER=y
expect 'another configuration has a folder of its own' [ "$(path build)" != "$out" ]

# --- Profiles ---

expect 'no profile is on by itself' [ -z "$(grep -E '^CONFIG_(KASAN|KCSAN|UBSAN|PROVE_LOCKING)=y' "$out/.config")" ]
run "$KTB" build --source "$tmp/plain" --profile kasan --profile=lockdep
expect_status 'profiles combine' 0
expect 'with what they stand for' [ "$(grep -Ec '^CONFIG_(KASAN_VMALLOC|PROVE_LOCKING)=y' "$(path build)/.config")" = 2 ]
run "$KTB" vm --source "$tmp/plain" --profile kasan --profile lockdep --print-command
expect_match 'a kernel with KASAN boots through its decompressor' '-kernel .*/bzImage '
expect_match 'with page tables as PVH leaves them' "nokaslr no5lvl "
run "$KTB" vm --source "$tmp/plain" --print-command
expect_match 'another one through PVH' '-kernel .*/vmlinux '
mkdir "$tmp/profiles"
printf '[kernel]\nsource = %s\nprofile = ubsan kmemleak\n[kconfig]\nUBSAN_SHIFT = n\n' "$tmp/plain" \
	>"$tmp/profiles/ktb.conf"
run sh -c "cd '$tmp/profiles' && '$KTB' build"
expect_status 'ktb.conf names several' 0
expect 'and has the last word' grep -q '^# CONFIG_UBSAN_SHIFT is not set' "$(path build)/.config"
expect 'about that option alone' grep -q '^CONFIG_UBSAN_BOUNDS=y' "$(path build)/.config"
expect_error 'which is said' "UBSAN_SHIFT=y of .*profiles/ubsan\.config:[0-9]+ gives way to UBSAN_SHIFT=n of .*ktb\.conf:5"
for name in nosuch ../base kasan.config; do
	run "$KTB" build --source "$tmp/plain" --profile "$name"
	expect_status "the profile '$name' is refused" 2
	expect_error 'with those that exist' 'btf, kasan, kcsan, kmemleak, lockdep, ubsan'
done
mkdir "$tmp/no-pahole"
for tool in /usr/bin/* /bin/* /usr/sbin/* /sbin/*; do
	[ "${tool##*/}" = pahole ] || ln -sf "$tool" "$tmp/no-pahole/"
done
run env PATH="$tmp/no-pahole" "$KTB" build --source "$tmp/plain" --profile btf
expect_status 'a tool that a profile needs is missing: status 3' 3
expect_error 'it is named, with its package' 'pahole'
expect_error 'and how to install it' 'apt-get install dwarves'

# --- git ---

fake_kernel "$tmp/git"
git -C "$tmp/git" init -q
printf '*.o\n' >"$tmp/git/.gitignore"
git -C "$tmp/git" add -A
git -C "$tmp/git" commit -qm one
before=$(listing "$tmp/git")
run "$KTB" build --source "$tmp/git"
expect_status 'a git checkout is built' 0
run "$KTB" build --source "$tmp/git"
expect_error 'clean, it is up to date' 'up to date'
expect_equal 'not even its index is written' "$(listing "$tmp/git")" "$before"
echo '/* changed */' >>"$tmp/git/kernel/panic.c"
run "$KTB" build --source "$tmp/git"
expect_error 'dirty, it is built' 'built in'
run "$KTB" build --source "$tmp/git"
expect_error 'dirty as before, it is up to date' 'up to date'
echo '/* again */' >>"$tmp/git/kernel/panic.c"
run "$KTB" build --source "$tmp/git"
expect_error 'dirty in another way, it is built' 'built in'
echo 'int new;' >"$tmp/git/kernel/new.c"
run "$KTB" build --source "$tmp/git"
expect_error 'an untracked file counts' 'built in'
echo x >"$tmp/git/kernel/ignored.o"
run "$KTB" build --source "$tmp/git"
expect_error 'an ignored one does not' 'up to date'

# --- Trees that can't be built ---

fake_kernel "$tmp/inplace"
touch "$tmp/inplace/.config"
run "$KTB" build --source "$tmp/inplace"
expect_status 'a tree that was configured in place is refused' 2
expect_error 'and how to go on is said' 'make -C .*/inplace mrproper'
run "$KTB" build --source "$tmp/work"
expect_status 'a folder without a kernel is refused' 2
expect_error 'and what it lacks is said' 'not a kernel tree: it has no Makefile'
run "$KTB" build --source "$tmp/nothing"
expect_error 'a path that leads nowhere is named' "$tmp/nothing.*No such file"
fake_kernel "$tmp/with space/linux"
run "$KTB" build --source "$tmp/with space/linux"
expect_error 'a name that make cannot take is refused' 'spaces or colons'
fake_kernel "$tmp/secret"
chmod 700 "$tmp/secret"
chmod 755 "$tmp"
if [ "$(id -u)" = 0 ]; then
	mkdir -m 777 "$tmp/nobody"
	cp "$KTB" "$tmp/nobody/ktb"
	mkdir "$tmp/nobody/guest"
	cp "$(dirname "$KTB")/guest/guest-init" "$tmp/nobody/guest/"
	cp -r "$root/share" "$tmp/nobody/share"
	run as_user env XDG_CACHE_HOME="$tmp/nobody/cache" "$tmp/nobody/ktb" build --source "$tmp/secret"
	expect_error 'a tree that may not be read is refused' 'secret: Permission denied'
	chmod -R a+rX "$tmp/plain"
	run as_user env XDG_CACHE_HOME="$tmp/nobody/cache" "$tmp/nobody/ktb" build --source "$tmp/plain"
	expect_status 'an ordinary user builds a tree that he may not write to' 0
fi

# --- Tarballs ---

fake_kernel "$tmp/tar/linux-6.1"
tar -C "$tmp/tar" -cJf "$tmp/linux.tar.xz" linux-6.1
sum=$(sha256sum "$tmp/linux.tar.xz" | cut -d' ' -f1)
run "$KTB" build --source "$tmp/linux.tar.xz" --sha256 "$sum"
expect_status 'a tarball is built' 0
unpacked=$(path source)
run "$KTB" build --source "$tmp/linux.tar.xz"
expect_error 'a second time there is nothing to do' 'up to date'
wrong=$(echo "$sum" | tr 0-9a-f 1-9a-f0)
run "$KTB" build --source "$tmp/linux.tar.xz" --sha256 "$wrong"
expect_status 'a wrong SHA-256 is an error' 1
expect_error 'that shows what it is' "$sum"
expect_error 'and what it should be' "$wrong"
run "$KTB" build --source "$tmp/linux.tar.xz" --sha256 12ab
expect_status 'what is no SHA-256 is refused' 2
rm -rf "$unpacked"
mkdir -p "$(dirname "$unpacked").unpack/left/over"
run "$KTB" build --source "$tmp/linux.tar.xz" --kconfig FAKE_OTHER=y
expect_status 'what a killed unpacking left does no harm' 0
expect 'and is swept' [ ! -e "$(dirname "$unpacked").unpack" ]
for c in gz:gzip bz2:bzip2 zst:zstd; do
	if ! command -v "${c#*:}" >/dev/null; then
		skip "${c%:*} is unpacked" "${c#*:} is not installed"
		continue
	fi
	tar -C "$tmp/tar" -c "--${c#*:}" -f "$tmp/linux.tar.${c%:*}" linux-6.1
	run "$KTB" build --source "$tmp/linux.tar.${c%:*}"
	expect_status "${c%:*} is unpacked" 0
done
head -c 2000 "$tmp/linux.tar.xz" >"$tmp/short.tar.xz"
run "$KTB" build --source "$tmp/short.tar.xz"
expect_status 'a truncated tarball is an error' 1
expect_error 'that says so' 'short.tar.xz.*tar says'
expect 'and leaves nothing behind' [ -z "$(find "$XDG_CACHE_HOME/ktb/source" -name '*.unpack')" ]
echo 'no tarball' >"$tmp/text.tar.xz"
run "$KTB" build --source "$tmp/text.tar.xz"
expect_error 'a file that is no tarball is an error' 'damaged, incomplete or not a tarball'
tar -C "$tmp" -cJf "$tmp/other.tar.xz" work
run "$KTB" build --source "$tmp/other.tar.xz"
expect_error 'a tarball without a kernel is an error' 'not a kernel tree'
tar -C "$tmp" -cJf "$tmp/two.tar.xz" work plain
run "$KTB" build --source "$tmp/two.tar.xz"
expect_error 'a tarball with two folders is an error' 'more than the one folder'
echo x >"$tmp/linux.zip"
run "$KTB" build --source "$tmp/linux.zip"
expect_error 'a file of another kind is refused' 'neither a folder nor a file that ends in'

# --- What fails ---

fake_kernel "$tmp/broken"
sed -i 's/return 1;/return oops;/' "$tmp/broken/kernel/sched.c"
run "$KTB" build --source "$tmp/broken"
expect_status 'a compile error fails' 1
expect_error 'its text is shown' "sched\.c:[0-9]+:[0-9]+: error: .*oops.* undeclared"
expect_error 'and the path of the log' 'The full log: /.*/build.log'
expect 'which is there' [ -s "$(printf '%s\n' "$stderr" | sed -n 's/^The full log: //p')" ]
sed -i 's/return oops;/return 1;/' "$tmp/broken/kernel/sched.c"
run "$KTB" build --source "$tmp/broken"
expect_status 'repaired, it is built' 0
run "$KTB" build --source "$tmp/plain" --kconfig FAKE_ERROR=y
expect_error 'a Kconfig error is shown' 'configure the kernel:.*|Kconfig:7: syntax error'
expect_status 'and fails' 1
run "$KTB" build --source "$tmp/plain" --kconfig FAKE_DROPPED=y
expect_status 'an option that is dropped is an error' 2
expect_error 'that names it' FAKE_DROPPED
run "$KTB" build --source "$tmp/plain" --kconfig FAKE_DROPPED=y --allow-dropped
expect_status 'or a warning, where that is asked for' 0
expect_error 'that names it too' FAKE_DROPPED
run "$KTB" build --source "$tmp/plain" --kconfig FAKE_DROPPED=y --allow-dropped
expect_error 'such a kernel is kept' 'up to date'
run "$KTB" build --source "$tmp/plain" --kconfig FAKE_DROPPED=y
expect_status 'but it stays an error where it is not asked for' 2
run "$KTB" build --source "$tmp/plain" --base "$tmp/no-such-config"
expect_error 'a base that is not there is named' 'no-such-config'
run "$KTB" build --source "$tmp/plain" --cc no-such-cc
expect_status 'a compiler that is not there is a prerequisite' 3

mkdir "$tmp/bin"
for p in sh env gcc ld as make awk find cmp git tar xz sed sort; do
	ln -s "$(command -v $p)" "$tmp/bin/$p"
done
run env PATH="$tmp/bin" "$KTB" build --source "$tmp/plain" --kconfig FAKE_OTHER=n
expect_status 'missing tools are prerequisites' 3
expect_error 'all of them are named' 'lacks: objcopy, flex, bison, bc, python3'
expect_error 'and their packages' 'apt-get install binutils flex bison bc python3'

# --- Interruptions ---

# resume NAME SIGNAL SECONDS: ends a build in its middle, looks for what is left, and builds on.
resume()
{
	fake_kernel "$tmp/resume-$1"
	FAKE_SLOW=$3 "$KTB" build --jobs 1 --source "$tmp/resume-$1" >"$tmp/first" 2>&1 &
	_pid=$!
	wait_for 20 asleep "$3" || not_ok "$1: the build began" "$(cat "$tmp/first")"
	kill "-$2" "$_pid"
	wait "$_pid"
	expect "$1: no process is left" wait_for 10 nobody_sleeps "$3"
	expect "$1: there is no manifest" [ -z "$(find "$XDG_CACHE_HOME/ktb/build" -name manifest.json -newer "$tmp/first")" ]
	run "$KTB" build --source "$tmp/resume-$1"
	expect_status "$1: the next run finishes it" 0
}

resume 'SIGKILL' KILL 317
resume 'SIGTERM' TERM 318
expect 'SIGTERM: it says that it was interrupted' grep -q 'interrupted by SIGTERM; the next run goes on' "$tmp/first"

# A background job of a non-interactive shell ignores SIGINT: a terminal doesn't.
fake_kernel "$tmp/ctrl-c"
if command -v tmux >/dev/null; then
	term_start "trap : INT; FAKE_SLOW=319 '$KTB' build --jobs 1 --source '$tmp/ctrl-c'; exec cat"
	wait_for 20 asleep 319 || not_ok 'Ctrl-C: the build began' "$(term_screen)"
	term_send C-c
	expect 'Ctrl-C leaves no process' wait_for 10 nobody_sleeps 319
	expect 'Ctrl-C: it says that it was interrupted' term_wait 5 'interrupted by SIGINT'
	term_stop
else
	skip 'Ctrl-C leaves no process' 'there is no tmux'
fi

# A changed tree: how many objects are made anew is known.
fake_kernel "$tmp/count"
run "$KTB" build --source "$tmp/count"
sleep 0.01
touch "$tmp/count/kernel/sched.c" "$tmp/count/kernel/panic.c"
if command -v tmux >/dev/null; then
	term_start "FAKE_SLOW=3 '$KTB' build --jobs 1 --source '$tmp/count'; exec cat"
	expect 'a changed tree: objects done of the total' term_wait 60 '2 of about 2  CC kernel/[a-z]*\.o'
	term_stop
else
	skip 'a changed tree: objects done of the total' 'there is no tmux'
fi

# The compiler is killed while it writes an object that an earlier build had finished.
fake_kernel "$tmp/torn"
run "$KTB" build --source "$tmp/torn"
sleep 0.01
echo '/* changed */' >>"$tmp/torn/kernel/sched.c"
FAKE_TORN=1 FAKE_SLOW=320 "$KTB" build --jobs 1 --source "$tmp/torn" >"$tmp/first" 2>&1 &
pid=$!
wait_for 20 asleep 320
kill -KILL "$pid"
wait "$pid"
wait_for 10 nobody_sleeps 320
run "$KTB" build --source "$tmp/torn"
expect_status 'a half-written object is made again' 0

# --- Two at once ---

fake_kernel "$tmp/two"
FAKE_SLOW=1 "$KTB" build --jobs 1 --source "$tmp/two" >"$tmp/one.out" 2>"$tmp/one.err" &
pid=$!
sleep 1
run "$KTB" build --source "$tmp/two"
wait "$pid"
expect_equal 'the first of two builds' $? 0
expect_status 'and the second' 0
expect_error 'the second waits' 'another ktb is building this kernel; waiting'
expect_error 'and finds it built' 'up to date'
# An image that was made of files as young as these is not used again: its name is another one.
expect_equal 'both name the same kernel' "$(printf '%s\n' "$stdout" | grep -v '^initramfs')" \
	"$(grep -v '^initramfs' "$tmp/one.out")"

# --- A full disk ---

mkdir "$tmp/small"
if mount -t tmpfs -o size=512k tmpfs "$tmp/small" 2>/dev/null; then
	at_exit "umount '$tmp/small'"
	run env FAKE_BIG=600000 XDG_CACHE_HOME="$tmp/small" "$KTB" build --source "$tmp/plain"
	expect_status 'a full disk fails' 1
	expect_error 'and is called that' 'No space left on device|disk is full'
	expect_error 'with what to do' 'Make room'
	rm -rf "$tmp/small/ktb"
	head -c 450000 /dev/zero >"$tmp/small/big"
	run env XDG_CACHE_HOME="$tmp/small" "$KTB" build --source "$tmp/linux.tar.xz"
	expect_error 'also while unpacking' 'No space left on device|disk is full'
else
	skip 'a full disk fails' 'no tmpfs can be mounted (not root)'
fi

finish
