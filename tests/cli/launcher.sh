#!/bin/sh
# The launcher, on a machine made of a folder of links and of an apt-get, sudo, meson and ninja that only write down how
# they were called.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

project="$tmp/a project"
bin=$tmp/bin
calls=$tmp/calls
real_path=$PATH

mkdir -p "$project/src" "$project/guest" "$project/share" "$project/scripts"
cp "$root/ktb" "$project/ktb"
touch "$project/meson.build" "$project/meson_options.txt" "$project/src/a.c"
cat >"$project/scripts/check" <<'END'
#!/bin/sh
echo "check in $KTB_BUILD_DIR: $*"
END
chmod +x "$project/scripts/check"

# fake NAME SCRIPT: a program that writes its name and arguments down, and then does what the script says.
fake()
{
	printf '#!/bin/sh\necho "%s $*" >>"%s"\n%s\n' "$1" "$calls" "$2" >"$bin/$1"
	chmod +x "$bin/$1"
}

# The program that a build makes: it says its arguments, and how it was found.
# shellcheck disable=SC2016 # for the fake
make_program='printf "#!/bin/sh\necho \"ran: \$*\"\necho \"makeflags: \${MAKEFLAGS-none}\"\n" >"$2/ktb"; chmod +x "$2/ktb"'

# machine: all that is needed is there. Real ones where they do no harm.
machine()
{
	rm -rf "$bin" "$project/.build" "$tmp/apt-has"
	mkdir "$bin"
	: >"$calls"
	for tool in sh cat rm mv mkdir rmdir ln ls chmod touch find grep sed tr head tail cksum readlink id sleep env flock \
		kill dirname; do
		ln -s "$(PATH=$real_path command -v "$tool")" "$bin/$tool"
	done
	for tool in gdb qemu-system-x86_64 make flex bison bc perl python3 ld depmod tar xz ccache tmux; do
		fake "$tool" ''
	done
	printf 'static, no interpreter\n' >"$bin/busybox"
	chmod +x "$bin/busybox"
	touch "$tmp/libc.a"
	fake gcc "case \$1 in -print*) echo '$tmp/libc.a' ;; *) cat >/dev/null ;; esac"
	fake pkg-config ''
	fake ldd ''
	# meson setup OPTION... BUILD SOURCE
	# shellcheck disable=SC2016 # for the fake
	fake meson 'while [ $# -gt 2 ]; do shift; done; mkdir -p "$1"; touch "$1/build.ninja"'
	fake ninja "$make_program"
	# apt-get installs what a file says it has: NAME of the program in a package of that name.
	# shellcheck disable=SC2016
	fake apt-get 'for p; do last=$p; done
case $* in *update*) touch "'"$tmp"'/updated"; exit ;; esac
seen=
for p; do
	case $p in
	install) seen=yes; continue ;;
	-*) continue ;;
	esac
	[ -n "$seen" ] || continue
	if ! grep -q "^$p " "'"$tmp"'/apt-has" 2>/dev/null; then
		echo "E: Unable to locate package $p"
		exit 100
	fi
	program=$(sed -n "s/^$p //p" "'"$tmp"'/apt-has")
	printf "#!/bin/sh\n" >"'"$bin"'/$program"
	chmod +x "'"$bin"'/$program"
done'
}

has_package()
{
	printf '%s\n' "$1" >>"$tmp/apt-has"
}

# launch ARGUMENT...: in that world. $as is what to run it by.
as=
launch()
{
	# shellcheck disable=SC2086 # no word or several
	run $as env -u CI -u KTB_BUILD_DIR -u XDG_CACHE_HOME -u XDG_CONFIG_HOME PATH="$bin" HOME="$tmp/home" MAKEFLAGS=-j99 \
		"$bin/sh" "$project/ktb" "$@"
}

# called REGEX: was there such a call? expect_calls compares them all.
# shellcheck disable=SC2317 # by way of expect
called()
{
	grep -Eq -e "$1" "$calls"
}

expect_no_calls()
{
	expect "$1" [ ! -s "$calls" ]
}

machine
launch version --json
expect_status 'a first call builds and runs' 0
expect_match 'the program has its arguments' '^ran: version --json$'
expect_match 'the program has its environment as it was' '^makeflags: -j99$'
expect 'meson was called' called '^meson setup .*-Dtests=false'
expect 'ninja was called' called '^ninja -C'
expect 'nothing was installed' [ -z "$(grep apt-get "$calls")" ]
expect_error 'it says that it builds' '^ktb: building$'

: >"$calls"
launch version
expect_match 'a second call runs' '^ran: version$'
expect_no_calls 'and calls nothing else'
expect_equal 'and says nothing else' "$stderr" ''

launch demo
expect_status 'a call that needs more looks once' 0
: >"$calls"
launch vm --source /x
expect_no_calls 'and not again'

sleep 0.05
touch "$project/src/a.c"
: >"$calls"
launch version
expect 'a changed file is noticed' called '^ninja'
: >"$calls"
launch version
expect_no_calls 'once'
sleep 0.05
touch "$project/guest/new.c"
launch version
expect 'a new file is noticed' called '^ninja'
sleep 0.05
: >"$calls"
rm "$project/guest/new.c"
launch version
expect 'a file that went is noticed' called '^ninja'

rm "$project/.build/ktb"
launch version
expect_match 'a program that went is built again' '^ran: version$'

rm "$bin/gdb"
has_package 'gdb gdb'
: >"$calls"
launch version
expect_no_calls 'what a command does not need is not looked for'
if [ "$(id -u)" = 0 ]; then
	launch gdb
	expect_status 'what is missing is installed' 0
	expect 'by apt-get' called '^apt-get .*install --no-install-recommends gdb$'
	expect_error 'with a word about it' '^ktb: installing: gdb$'
	expect_match 'and then it runs' '^ran: gdb$'

	machine
	rm "$bin/meson" "$bin/bc"
	has_package 'bc bc'
	launch demo
	expect_status 'a package that is not to be had: status 3' 3
	expect 'the list of packages was fetched' called '^apt-get .*update$'
	expect_error 'the end of what apt-get said is shown' 'Unable to locate package meson'
	expect 'nothing was built' [ ! -e "$project/.build/ktb" ]

	machine
	rm "$bin/ccache" "$bin/bc"
	has_package 'bc bc'
	launch gdb
	expect_status 'an optional package that is not to be had does no harm' 0
	expect 'it was tried' called '^apt-get .*install --no-install-recommends ccache$'
	rm "$bin/bc"
	: >"$calls"
	launch gdb
	expect 'and is not tried again' [ -z "$(grep ccache "$calls")" ]
else
	skip 'installing as root' 'this is no root'
fi

machine
rm "$bin/gdb" "$bin/apt-get"
launch gdb
expect_status 'without apt-get: status 3' 3
expect_error 'it names what is missing' '^ktb: missing on this machine: gdb$'

machine
rm "$bin/apt-get"
fake pkg-config 'case $* in *inih*) exit 1 ;; esac'
launch version
expect_status 'a library that is missing: status 3' 3
expect_error 'it is named' 'missing on this machine: inih \(library with headers\)'

machine
rm "$bin/apt-get"
printf '\177ELF /lib64/ld-linux-x86-64.so.2\n' >"$bin/busybox"
launch vm
expect_status 'a dynamic busybox is none' 3
expect_error 'it says that it wants a static one' 'a static busybox'

# As somebody else than root.
machine
rm "$bin/gdb"
chmod 755 "$tmp" "$bin"
chmod -R a+rwX "$project" "$calls"
as=as_user
launch gdb
expect_status 'no root and no sudo: status 3' 3
expect_error 'it prints the command' '^  apt-get install --no-install-recommends gdb'
expect 'it does not call apt-get' [ -z "$(grep apt-get "$calls")" ]

has_package 'gdb gdb'
chmod a+rwx "$bin"
# shellcheck disable=SC2016
fake sudo 'while [ "$1" = -n ]; do shift; done; "$@"'
fake true ''
launch gdb
expect_status 'sudo that asks nothing is used' 0
expect 'for apt-get' called '^sudo env DEBIAN_FRONTEND=noninteractive .*apt-get .*install --no-install-recommends gdb$'

machine
chmod -R a+rwX "$project" "$calls"
rm "$bin/gdb"
fake sudo 'exit 1'
launch gdb
expect_status 'sudo that would ask, and no terminal: status 3' 3
expect 'it is not asked' [ -z "$(grep apt-get "$calls")" ]

# A folder that this user can't write.
machine
chmod 666 "$calls"
chmod 755 "$project"
mkdir -p "$tmp/home"
chmod 777 "$tmp/home"
launch version
expect_status 'a read-only checkout is built from the cache' 0
expect 'and left as it was' [ ! -e "$project/.build" ]
: >"$calls"
launch version
expect_no_calls 'and only once'
as=

# Failures of the build.
machine
fake ninja 'echo "[1/2] Compiling"; echo "a.c:1: error: oops"; exit 1'
launch version
expect_status 'a failed build: status 1' 1
expect_error 'the error is shown' '^a\.c:1: error: oops$'
expect 'and not what went well' [ -z "$(printf '%s' "$stderr" | grep Compiling)" ]
fake ninja "$make_program"
launch version
expect_status 'and mended' 0
fake ninja 'exit 1'
touch "$project/src/a.c"
sleep 0.05
touch "$project/src/a.c"
launch version
expect_status 'the old program is not run in place of one that failed to build' 1
expect_equal 'it printed nothing' "$stdout" ''

machine
fake meson 'echo "meson.build:1: ERROR: no"; exit 1'
launch version
expect_status 'a failed configuration: status 1' 1
expect_error 'the error is shown too' 'ERROR: no'

# Found by whatever way.
machine
launch version
ln -sf "$project/ktb" "$tmp/link to ktb"
run env PATH="$bin" "$bin/sh" "$tmp/link to ktb" version
expect_match 'by a link' '^ran: version$'
run sh -c 'cd "$1" && PATH=$2 sh ktb version' sh "$project" "$bin"
expect_match 'from its own folder' '^ran: version$'
run sh -c 'cd "$1/src" && PATH=$2 sh ../ktb version' sh "$project" "$bin"
expect_match 'by a relative path' '^ran: version$'
run sh -c 'cd / && PATH=$1 sh "$2/ktb" version "a b" ""' sh "$bin" "$project"
expect_match 'arguments stay whole' '^ran: version a b $'

run env PATH="$bin" KTB_BUILD_DIR="$tmp/else where" "$bin/sh" "$project/ktb" version
expect_match 'KTB_BUILD_DIR is where it builds' '^ran: version$'
expect 'there' [ -x "$tmp/else where/ktb" ]

# A project that was moved.
mv "$project" "$tmp/moved"
sleep 0.05
touch "$tmp/moved/src/a.c"
: >"$calls"
run env PATH="$bin" "$bin/sh" "$tmp/moved/ktb" version
expect_match 'a project that was moved runs' '^ran: version$'
expect 'it was configured anew' called '^meson setup'
mv "$tmp/moved" "$project"

# Two at once: the second waits, and finds it done.
machine
fake ninja "sleep 1; $make_program"
env PATH="$bin" "$bin/sh" "$project/ktb" version >"$tmp/first" 2>&1 &
first=$!
wait_for 5 grep -q '^ninja' "$calls"
launch version
expect_match 'of two at once the second runs' '^ran: version$'
expect_error 'it says what it waits for' 'waiting for another ktb'
wait "$first"
expect 'so does the first' grep -q '^ran: version$' "$tmp/first"
expect_equal 'one of them built' "$(grep -c '^ninja' "$calls")" 1

machine
rm "$bin/flock"
fake ninja "sleep 1; $make_program"
env PATH="$bin" "$bin/sh" "$project/ktb" version >"$tmp/first" 2>&1 &
first=$!
wait_for 5 grep -q '^ninja' "$calls"
launch version
wait "$first"
expect_match 'the same without flock' '^ran: version$'
expect_equal 'one of them built, without flock' "$(grep -c '^ninja' "$calls")" 1
expect 'no lock is left' [ ! -e "$project/.build/launcher/lock.d" ]
machine
rm "$bin/flock"
mkdir -p "$project/.build/launcher/lock.d"
echo 999999999 >"$project/.build/launcher/lock.d/pid"
launch version
expect_match 'a lock whose owner died is taken over' '^ran: version$'

# The test suite.
machine
rm "$bin/gdb" "$bin/apt-get"
launch check
expect_status 'check wants all there is' 3
machine
for tool in socat jq crash drgn qemu-img mkfs.ext4 scdoc script git zsh fish setpriv shellcheck clang clang-tidy \
	clang-format valgrind zstd bzip2 gdbserver lldb nix; do
	fake "$tool" ''
done
fake clang "echo '$tmp/clang'"
mkdir -p "$tmp/clang/lib/linux"
touch "$tmp/clang/lib/linux/libclang_rt.asan-x86_64.a"
launch check --only x
expect_status 'check is run' 0
expect_match 'with its arguments' "^check in $project/.build: --only x\$"
expect 'nothing is built for it' [ -z "$(grep '^ninja' "$calls")" ]
fake pahole ''
rm "$bin/apt-get"
launch check --long
expect_status 'check --long needs more' 3
expect_error "what its clang can't make fuzzers of" "missing on this machine: clang's libclang_rt.fuzzer"
touch "$tmp/clang/lib/linux/libclang_rt.fuzzer-x86_64.a"
launch check --long
expect_status 'and has it then' 0

finish
