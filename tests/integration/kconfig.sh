#!/bin/sh
# timeout: 300
# What becomes of the options that were asked for: requests that contradict each other, and those that Kconfig drops.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config" CCACHE_DISABLE=1
mkdir -p "$HOME" "$tmp/work"
cd "$tmp/work" || exit 1

fake_kernel "$tmp/fake"
cat >>"$tmp/fake/Kconfig" <<'KCONFIG'
config FAKE_DROPPED_DEPENDS
	bool "needs another"
	depends on FAKE_OTHER && !DEBUG_KERNEL

choice
	prompt "one of them"
	default FAKE_CHOSEN

config FAKE_CHOSEN
	bool "the one"

config FAKE_DROPPED_CHOICE
	bool "the other"

endchoice
KCONFIG

# --- Contradictions ---

printf '# the first\nCONFIG_FAKE_OTHER=y\n' >one.config
printf 'CONFIG_DEBUG_KERNEL=y\n\n# CONFIG_FAKE_OTHER is not set\n' >two.config
run "$KTB" build --source "$tmp/fake" --fragment one.config --fragment two.config
expect_status 'two fragments that contradict each other are refused' 2
expect_error 'the message has both places' \
	'FAKE_OTHER=n in .*/two\.config:3 contradicts FAKE_OTHER=y in .*/one\.config:2'
run "$KTB" build --source "$tmp/fake" --fragment one.config --fragment one.config
expect_status 'saying the same twice is none' 0
printf 'CONFIG_FAKE_OTHER=y\nCONFIG_FAKE_OTHER=n\n' >self.config
run "$KTB" build --source "$tmp/fake" --fragment self.config
expect_error 'a fragment can contradict itself' '/self\.config:2 contradicts .*/self\.config:1'
printf '[kernel]\nsource = %s\n[kconfig]\nFAKE_OTHER = y\n\nFAKE_OTHER = n\n' "$tmp/fake" >ktb.conf
run "$KTB" build
expect_status 'so can ktb.conf' 2
expect_error 'with both lines' 'ktb\.conf:6 contradicts .*ktb\.conf:4'
rm ktb.conf
run "$KTB" build --source "$tmp/fake" --fragment one.config --kconfig FAKE_OTHER=n
expect_status 'the command line overrides a fragment' 0
expect_error 'and that is said' 'FAKE_OTHER=y of .*/one\.config:2 gives way to FAKE_OTHER=n of --kconfig'

# --- What is no fragment, or no option's value ---

# refused NAME REGEX ARGUMENT...: ktb build refuses it with such a message.
refused()
{
	what=$1 message=$2
	shift 2
	run "$KTB" build --source "$tmp/fake" "$@"
	expect_status "$what: status 2" 2
	expect_error "$what: the message" "$message"
	expect_equal "$what: nothing on stdout" "$stdout" ''
}

refused 'a name that is none' "'FAKE-OTHER' is not the name of a kernel option" --kconfig FAKE-OTHER=y
refused 'an empty value' '--kconfig|has no value' --kconfig FAKE_OTHER=
printf 'CONFIG_FAKE_OTHER=y\nFAKE_OTHER is on\n' >bad.config
refused 'a line that is none, with its place' "/bad\.config:2: 'FAKE_OTHER is on' is neither" --fragment bad.config
refused 'a string without its end' 'FAKE_OTHER: the string has no closing quote' --kconfig 'FAKE_OTHER="on'
run "$KTB" build --source "$tmp/fake" --fragment nothing.config
expect 'a fragment that is not there is an error' [ "$status" != 0 ]
expect_error 'that names it' '/nothing\.config: No such file'

# --- Dropped ---

printf '# why not\nCONFIG_FAKE_DROPPED_DEPENDS=y\n' >depends.config
run "$KTB" build --source "$tmp/fake" --fragment depends.config
expect_status 'an option whose dependencies are unmet is an error' 2
expect_error 'it is named, with who asked for it' 'FAKE_DROPPED_DEPENDS=y, asked for in .*/depends\.config:2'
expect_error 'with its value' 'depends\.config:2, is n'
expect_error 'with its definition' 'defined at Kconfig:[0-9]+'
expect_error 'with a dependency and its present value' 'needs FAKE_OTHER \(=n\): set FAKE_OTHER=y'
expect_error 'and with one that somebody asked for' 'needs !DEBUG_KERNEL \(=y\), asked for in .*/debug\.config:[0-9]+'
expect_error 'and what to do is said' 'allow-dropped'
expect_equal 'nothing is built' "$(find "$XDG_CACHE_HOME/ktb/build" -name manifest.json -newer depends.config)" ''

run "$KTB" build --source "$tmp/fake" --kconfig FAKE_DROPPED_CHOICE=y --kconfig FAKE_CHOSEN=y
expect_error 'one that a choice holds names the choice' 'choice'
expect_error 'and what it is set to' 'FAKE_CHOSEN'
expect_error 'and the command line, which asked for it' 'FAKE_DROPPED_CHOICE=y, asked for in --kconfig'

run "$KTB" build --source "$tmp/fake" --kconfig FAKE_DROPPED_DEPENDS=y --kconfig FAKE_DROPPED=y
expect_error 'several are counted' '^ktb: 2 options that were asked for'
run "$KTB" build --source "$tmp/fake" --kconfig FAKE_DROPPEDX=y
expect_error 'one that does not exist is called that' "FAKE_DROPPEDX=y, asked for in --kconfig, doesn't exist"
expect_error 'with a near name' 'FAKE_DROPPED($|[^A-Z_])'

printf '[kernel]\nsource = %s\nallow_dropped = yes\n[kconfig]\nFAKE_DROPPED_DEPENDS = y\n' "$tmp/fake" >ktb.conf
run "$KTB" build
expect_status 'allow-dropped makes it a warning' 0
expect_error 'that has place, value and reason all the same' 'FAKE_DROPPED_DEPENDS=y, asked for in .*ktb\.conf:5, is n'
run "$KTB" build
expect_status 'also from the cache' 0
rm ktb.conf

finish
