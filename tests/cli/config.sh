#!/bin/sh
# What ktb says to a configuration or a command line that can't be: what is wrong, where, and exit status 2.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CONFIG_HOME="$tmp/user"
mkdir -p "$tmp/user/ktb" "$tmp/project/deep"
cd "$tmp/project/deep" || exit 1

# refused NAME FILE REGEX: this ktb.conf is refused with such a message.
refused()
{
	printf '%s\n' "$2" >"$tmp/project/ktb.conf"
	run "$KTB" list
	expect_status "$1: status 2" 2
	expect_error "$1: the message" "$3"
	expect_equal "$1: nothing on stdout" "$stdout" ''
}

refused 'unknown name' '[vm]
memroy = 1G' "^ktb: .*/project/ktb\.conf:2: no option 'memroy' in \[vm\]; did you mean 'memory' in \[vm\]\?\$"
refused 'name in the wrong section' '[kernel]

cpus = 1' "ktb\.conf:3: no option 'cpus' in \[kernel\]; did you mean 'cpus' in \[vm\]"
refused 'unknown section' '[machine]
abcdefgh = 1' "ktb\.conf:1: no section \[machine\]; ktb help ktb\.conf lists them all"
refused 'section misspelt' '[kernel]
[outptu]' "ktb\.conf:2: no section \[outptu\]; did you mean \[output\]"
refused 'no section' 'cpus = 1' "ktb\.conf:1: 'cpus' stands before any \[section\]"
refused 'bad size' '[vm]
memory = lots' "ktb\.conf:2: memory: 'lots' is not a size"
refused 'bad number' '# comment
[vm]
cpus = two' "ktb\.conf:3: cpus: 'two' is not a number"
refused 'bad choice' '[vm]
accel = xen' "ktb\.conf:2: accel: 'xen' is not one of auto\|kvm\|tcg"
refused 'bad switch' '[vm]
kaslr = perhaps' "ktb\.conf:2: kaslr: 'perhaps' is neither yes nor no"
refused 'no program' '[gdb]
program =' "ktb\\.conf:2: program: it is empty"
refused 'no line of a configuration' '[vm]
memory 4G' 'ktb\.conf:2: expected \[section\] or name = value'

printf '[vm]\ncpus = 2\n' >"$tmp/project/ktb.conf"
run "$KTB" list
expect_status 'one that is right is taken' 0

printf '[vm]\ncpuz = 2\n' >"$tmp/user/ktb/ktb.conf"
run "$KTB" list
expect_status "the user's file is read too" 2
expect_error 'and named' "user/ktb/ktb\.conf:2: no option 'cpuz'"
rm "$tmp/user/ktb/ktb.conf"

# --- Whose it is ---

if [ "$(id -u)" = 0 ]; then
	chown 65534 "$tmp/project/ktb.conf"
	run "$KTB" list
	expect_status "another user's file is refused" 2
	expect_error 'with what it could do, and the way out' \
		'^ktb: (.*/project/ktb\.conf) belongs to user 65534, .* anything; .* set KTB_TRUST=/.*/project/ktb\.conf$'
	run env KTB_TRUST="$tmp/project/ktb.conf" "$KTB" list
	expect_status 'one that is trusted is read' 0
	run env KTB_TRUST="$tmp/ktb.conf" "$KTB" list
	expect_status 'but no other' 2
	run env SUDO_UID=65534 "$KTB" list
	expect_status 'by sudo one reads what was his before' 0
	run env SUDO_UID=65533 "$KTB" list
	expect_status 'and what was another one'"'"'s not' 2
	chown 0 "$tmp/project/ktb.conf"
else
	skip "another user's file" 'only root can make one'
fi
chmod o+w "$tmp/project/ktb.conf"
run "$KTB" list
expect_status 'a file that everybody can write is refused' 2
expect_error 'with the remedy' 'chmod o-w'
chmod o-w "$tmp/project/ktb.conf"
mv "$tmp/project/ktb.conf" "$tmp/project/kept"
mkfifo "$tmp/project/ktb.conf"
run timeout 10 "$KTB" list
expect_status 'a FIFO is not waited for' 2
expect_error 'but named' 'ktb\.conf is not a regular file'
rm "$tmp/project/ktb.conf"
mv "$tmp/project/kept" "$tmp/project/ktb.conf"

# wrong NAME REGEX ARGUMENT...: this command line is refused with such a message.
wrong()
{
	what=$1
	message=$2
	shift 2
	run "$KTB" "$@"
	expect_status "$what: status 2" 2
	expect_error "$what: the message" "$message"
	expect_equal "$what: nothing on stdout" "$stdout" ''
}

wrong 'unknown command' "^ktb: .*'?biuld'?.*build" biuld
wrong 'unknown option' '^ktb: unknown option --memroy; did you mean --memory\?$' vm --memroy 1G
wrong 'option of another command' '^ktb: --memory means nothing to this command' list --memory 1G
wrong 'value missing' '^ktb: --memory needs a value: SIZE' vm --memory
wrong 'value bad' "^ktb: --cpus: 'two' is not a number" vm --cpus=two
wrong 'no program' '^ktb: --program: it is empty; expected PROGRAM$' gdb --program ''
wrong 'no QEMU' '^ktb: --qemu: it is empty; expected PROGRAM$' vm --qemu=
wrong 'an empty list item' '^ktb: --share: it is empty; expected HOST' vm --share ''
wrong 'short option unknown' '^ktb: unknown option -Z' vm -Z
wrong 'unknown command' "^ktb: no command 'bulid'; did you mean 'build'\?\$" bulid
wrong 'help of an unknown command' "^ktb: no command 'bulid'; did you mean 'build'\?\$" help bulid
wrong 'unlike any command' "^ktb: no command 'frobnicate'; ktb help lists them\$" frobnicate
wrong 'kernel option without value' "^ktb: --kconfig wants NAME=VALUE, not 'KASAN'" build --kconfig KASAN

run "$KTB" version
expect_status 'version: status 0' 0
expect_match 'version: a number' '[0-9]+\.[0-9]+\.[0-9]+'
expect_equal 'version: nothing on stderr' "$stderr" ''
run "$KTB" help
expect_status 'help: status 0' 0
expect_match 'help: names the commands' '(^| )build( |$)'
run "$KTB" vm --help
expect_status 'help of a command: status 0' 0
expect_match 'help of a command: has its options' '--memory'

# The reader is gone before anything is written.
run sh -c '{ sleep 0.3; "$1" help ktb.conf; echo "status $?" >&2; } | :' sh "$KTB"
expect_equal 'a reader that has seen enough is no error' "$stderr" 'status 0'
run sh -c '"$1" version >/dev/full' sh "$KTB"
expect 'a result that can not be written is an error' [ "$status" != 0 ]

finish
