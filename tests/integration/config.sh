#!/bin/sh
# timeout: 300
# ktb config, config explain, config edit and source: on a kernel in miniature, where every answer is known, and on the
# distribution's, in the kernel's own menuconfig.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

real_cache=${XDG_CACHE_HOME:-$HOME/.cache}
export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config" XDG_RUNTIME_DIR="$tmp/run"
export CCACHE_DISABLE=1
unset FAKE_SLOW FAKE_TORN FAKE_MENUCONFIG
mkdir -p "$HOME" "$tmp/work/deep"
mkdir -m 700 "$tmp/run"
cd "$tmp/work" || exit 1

cp -r "$root/tests/data/fake-kernel" "$tmp/linux"
rm "$tmp/linux/kconfig.awk"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config >"$tmp/linux/Kconfig"
cat >>"$tmp/linux/Kconfig" <<'END'
menu "Fake things"

config FAKE_BASE
	bool "Base of all fakes"
	help
	  What all fakes
	    stand on.

config FAKE_DROPPED
	bool "Never to be had"
	depends on FAKE_BASE && !KGDB
	select FAKE_HIDDEN

config FAKE_HIDDEN
	bool

config FAKE_NAME
	string "Name of the fake"
	default "nobody"

endmenu
END
cat >ktb.conf <<'END'
[kernel]
source = ../linux
fragment = my.config

[kconfig]
FAKE_NAME = "some body"
FAKE_DROPPED = y
END
printf '# mine\nCONFIG_FAKE_BASE=y\n' >my.config

# --- source ---

run "$KTB" source
expect_equal 'source: a tree is where it is' "$stdout" "$tmp/linux"
run "$KTB" source --json
expect_match 'source --json: the path' "\"path\": \"$tmp/linux\""
expect_match 'the kind' '"kind": "tree"'
expect_match 'a tree has no digest' '"sha256": null'
tar -C "$tmp" -cJf "$tmp/linux.tar.xz" linux
run "$KTB" source --source "$tmp/linux.tar.xz"
expect_status 'source: a tarball' 0
expect 'is unpacked' [ -e "$stdout/Kconfig" ]
run "$KTB" source --source "$tmp/linux.tar.xz" --json
expect_match 'its digest' "\"sha256\": \"$(sha256sum "$tmp/linux.tar.xz" | cut -d' ' -f1)\""
touch "$tmp/linux/.config"
run "$KTB" source
expect_status 'a tree that was built in is shown all the same' 0
rm "$tmp/linux/.config"
run "$KTB" source --source "$tmp/nothing"
expect_status 'source: one that is not there' 1

# --- The table ---

run "$KTB" config
expect_status 'config: the table' 0
expect_match 'has its head' '^OPTION +REQUESTED +EFFECTIVE +ASKED FOR IN$'
expect_match 'one of our own fragments, by its name' '^KGDB +y +y +ok +kgdb\.config:[0-9]+$'
expect_match 'one of the project, from here' '^FAKE_BASE +y +y +ok +my\.config:2$'
expect_match 'a string' '^FAKE_NAME +"some body" +"some body" +ok +ktb\.conf:6$'
expect_match 'one that was dropped is marked' '^FAKE_DROPPED +y +n +dropped +ktb\.conf:7$'
expect_error 'and counted' '1 of these was dropped; ktb config explain'
expect 'nothing was built for it' [ -z "$(find "$XDG_CACHE_HOME" -name vmlinux)" ]
before=$(find "$XDG_CACHE_HOME" -name configured -printf '%p %T@\n')
run "$KTB" config --json
expect_match 'JSON: the reason' '"reason": "dependency"'
expect_match 'JSON: the file' "\"file\": \"$tmp/work/my\.config\""
expect_match 'JSON: the line' '"line": 7'
expect_equal 'a second time nothing is configured' \
	"$(find "$XDG_CACHE_HOME" -name configured -printf '%p %T@\n')" "$before"
run "$KTB" config --kconfig FAKE_BASE=n
expect_match 'what gave way is no error' '^FAKE_BASE +n +n +ok +--kconfig$'
run "$KTB" build
expect_status 'building still refuses what was dropped' 2
expect_error 'and names it' FAKE_DROPPED
sed -i '/FAKE_DROPPED/d' ktb.conf
run "$KTB" build
expect_status 'without it the kernel is built' 0
run "$KTB" config
expect_error 'then there is nothing to tell' '^$'
run "$KTB" build
expect_error 'and looking does not make it be built again' 'up to date'

# --- explain ---

run "$KTB" config explain FAKE_BASE
expect_status 'explain' 0
expect_match 'its type' '^type +bool$'
expect_match 'its prompt' '^prompt +Base of all fakes$'
expect_match 'its value' '^value +y$'
expect_match 'who asked' "^asked for +FAKE_BASE=y in $tmp/work/my\.config:2\$"
expect_match 'where it is defined' '^defined at +Kconfig:[0-9]+, in the menu Fake things$'
expect_match 'its help' '^help +What all fakes$'
expect_match 'the help keeps its form' '^ +  stand on\.$'
expect_match 'how to set it' '^set it with +FAKE_BASE=y\|n in \[kconfig\]'
run "$KTB" config explain CONFIG_FAKE_DROPPED
expect_match 'CONFIG_ in front is taken' '^name +FAKE_DROPPED$'
expect_match 'conditions have their values' '^ *(depends on)? *FAKE_BASE \(=y\)$'
expect_match 'those that fail are marked' "!KGDB \(=y\): doesn't hold\$"
expect_match 'what it would need' "^can't be set +needs .*KGDB"
expect_match 'what it selects' '^selects +FAKE_HIDDEN$'
run "$KTB" config explain FAKE_DROPPED --kconfig FAKE_DROPPED=y
expect_match 'one that was asked for in vain' '^not as asked +needs .*KGDB'
expect_match 'and who asked' '^asked for +FAKE_DROPPED=y in --kconfig$'
run "$KTB" config explain fake_hidden
expect_match 'small letters are taken' '^name +FAKE_HIDDEN$'
expect_match 'what selects it' '^selected by +FAKE_DROPPED \(=n\) at Kconfig:[0-9]+$'
expect_match 'no prompt' "^can't be set +has no prompt"
run "$KTB" config explain FAKE_NAME FAKE_BASE --json
expect_match 'several, as JSON' '"name": "FAKE_BASE"'
expect_match 'a string has quotes' '"value": "\\"some body\\""'
run "$KTB" config explain FAKE_BSAE
expect_status 'an unknown name' 1
expect_error 'near ones are listed' 'no option FAKE_BSAE; is one of these meant\? FAKE_BASE'
run "$KTB" config explain FAKE_
expect_error 'so are those that contain it' 'is one of these meant\? FAKE_BASE, FAKE_DROPPED, FAKE_HIDDEN, FAKE_NAME$'
run "$KTB" config explain XYZZY
expect_error 'or that there are none' 'none of a similar name'
run "$KTB" config explain
expect_status 'explain wants a name' 2
run "$KTB" config exlpain
expect_status 'another word is refused' 2

# --- edit, with a menuconfig that is a script ---

# edit NAME SCRIPT STATUS [FILE]: on a terminal; the script has the .config as $1. What was said is in $stdout.
edit()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$tmp/menuconfig"
	chmod +x "$tmp/menuconfig"
	ran="$KTB config edit ${4-}"
	stdout=$(FAKE_MENUCONFIG=$tmp/menuconfig script -qec "'$KTB' config edit ${4-}; echo status \$?" /dev/null \
		</dev/null | tr -d '\r')
	status=$(printf '%s\n' "$stdout" | sed -n 's/^status //p')
	expect_status "$1: status $3" "$3"
	expect "$1: leaves nothing in the cache" nothing_edited
}

# shellcheck disable=SC2317 # called by way of expect
nothing_edited()
{
	[ -z "$(find "$XDG_CACHE_HOME/ktb/edit" -mindepth 1 -type d)" ]
}

# shellcheck disable=SC2317
something_edited()
{
	! nothing_edited
}

# shellcheck disable=SC2317
cleaned_away()
{
	"$KTB" clean --all --quiet
	[ ! -e "$1" ]
}

run "$KTB" config edit
expect_status 'edit needs a terminal' 2
expect_error 'says so' 'needs a terminal'
edit 'nothing' : 0
expect_match 'nothing changed: it says so' '^ktb: nothing was changed$'
expect_equal 'and writes nothing' "$(ls)" "deep
ktb.conf
my.config"

# shellcheck disable=SC2016 # for the script
edit 'one' 'sed -i "s/^CONFIG_FAKE_NAME=.*/CONFIG_FAKE_NAME=\"else\"/; /FAKE_BASE/d" "$1"
printf "# CONFIG_FAKE_BASE is not set\n# CONFIG_KGDB is not set\nCONFIG_FAKE_HIDDEN=y\n" >>"$1"; sed -i "/^CONFIG_KGDB=/d" "$1"' 0
expect_match 'a change is shown' '^# CONFIG_FAKE_BASE is not set$'
expect_match 'and where it went' '^ktb: wrote 3 options to .*/work/kernel\.config$'
expect_match 'and how to use it' '^fragment = kernel\.config$'
expect_match 'who stands against it is named' 'FAKE_BASE=y is still asked for in .*/my\.config:2; take that out'
expect_match 'a line of ktb.conf too' 'FAKE_NAME="some body" is still asked for in .*/ktb\.conf:6'
expect 'what has no prompt is not in it' [ -z "$(grep HIDDEN kernel.config)" ]
expect 'what was changed is' grep -qx 'CONFIG_FAKE_NAME="else"' kernel.config

# Into one that is in use: what it has stays, but for what was changed.
printf '# a comment\nCONFIG_FAKE_BASE=y\n# CONFIG_SMP is not set\n' >my.config
cd deep || exit 1
# shellcheck disable=SC2016
edit 'again' 'sed -i "s/^CONFIG_FAKE_BASE=y/# CONFIG_FAKE_BASE is not set/" "$1"' 0 ../my.config
expect_match 'a fragment that is in use is said to be' 'it is in use already'
expect_equal 'it is changed in its place' "$(cat ../my.config)" "# a comment
# CONFIG_SMP is not set
# CONFIG_FAKE_BASE is not set"
cd ..
run "$KTB" config
expect_match 'and means that' '^FAKE_BASE +n +n +ok +my\.config:3$'

printf 'int main(void) { }\n' >main.c
edit 'no fragment' : 1 main.c
expect_match 'a file that is no fragment is refused' 'main\.c:1: '
expect_equal 'and not touched' "$(cat main.c)" 'int main(void) { }'
edit 'failing' 'echo broken >&2; exit 3' 1
expect_match 'a menuconfig that fails' 'menuconfig failed; nothing was saved'

mkdir "$tmp/bin"
cat >"$tmp/bin/gcc" <<END
#!/bin/sh
case "\$*" in *ncurses*) exit 1 ;; esac
exec $(command -v gcc) "\$@"
END
chmod +x "$tmp/bin/gcc"
(
	PATH=$tmp/bin:$PATH
	script -qec "'$KTB' config edit; echo status \$?" /dev/null </dev/null >"$tmp/no-curses" 2>&1
)
expect 'without curses it is a prerequisite' grep -q 'status 3' "$tmp/no-curses"
expect 'whose package is named' grep -q 'apt-get install libncurses-dev' "$tmp/no-curses"

# Ctrl-C.
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "CONFIG_FAKE_OTHER=y" >>"$1"\necho editing\nexec sleep 321\n' >"$tmp/menuconfig"
rm -f kernel.config
term_start "trap : INT; FAKE_MENUCONFIG='$tmp/menuconfig' '$KTB' config edit; echo status \$?; exec cat"
term_wait 20 '^editing' || not_ok 'the editor is there' "$(term_screen)"
term_send C-c
expect 'Ctrl-C ends it' term_wait 10 'interrupted by SIGINT; nothing was saved'
expect 'nothing is written' [ ! -e kernel.config ]
expect 'nothing is left in the cache' nothing_edited
term_stop

# Killed: the next one sweeps.
term_start "echo \$\$ >'$tmp/pid'; FAKE_MENUCONFIG='$tmp/menuconfig' exec '$KTB' config edit"
term_wait 20 '^editing' || not_ok 'the editor is there' "$(term_screen)"
kill -KILL "$(cat "$tmp/pid")"
expect 'a killed one leaves its folder' something_edited
term_stop
edit 'after a kill' : 0

# --- clean, while a kernel is built ---

printf '/* changed */\n' >>"$tmp/linux/kernel/sched.c"
FAKE_SLOW=2 "$KTB" build --jobs 1 >"$tmp/build.out" 2>&1 &
pid=$!
sleep 1
run "$KTB" clean --all
expect_error 'clean leaves what is being built' 'kept: build [0-9a-f]* \(being made\)'
wait "$pid"
expect_equal 'and the build ends well' $? 0
expect 'its kernel is there' [ -e "$(sed -n 's/^vmlinux *//p' "$tmp/build.out")" ]
# GDB's index is made for a moment longer.
expect 'afterwards it goes' wait_for 30 cleaned_away "$(sed -n 's/^vmlinux *//p' "$tmp/build.out")"
run "$KTB" build
expect_status 'and is built again' 0

# --- The real one ---

cd "$tmp/work/deep" && rm ../ktb.conf
XDG_CACHE_HOME=$real_cache
run "$KTB" config
expect_status 'the kernel: the table' 0
expect_match 'with hundreds of options' '^FUSE_FS |^PROC_FS |^MODULES '
run "$KTB" config explain DEBUG_SPINLOCK
expect_match 'the kernel: an option' '^defined at +lib/Kconfig\.debug:[0-9]+, in the menu .*Lock Debugging'
term_start "'$KTB' config edit; echo status \$?; exec cat"
expect 'its menuconfig opens' term_wait 90 'Arrow keys navigate the menu'
term_send /
term_wait 10 'Search Configuration Parameter|Enter .*string' || not_ok 'the search opens' "$(term_screen)"
term_send -l DEBUG_SPINLOCK
term_send Enter
term_wait 10 '\(1\) ' || not_ok 'the search finds it' "$(term_screen)"
term_send 1
term_wait 10 'Lock Debugging' || not_ok 'the search leads there' "$(term_screen)"
term_send y
term_wait 10 '\[\*\] Spinlock and rw-lock' || not_ok 'it is set' "$(term_screen)"
# Out of each menu, until it asks.
i=0
until term_shows 'Do you wish to save' || [ "$i" = 10 ]; do
	term_send Escape Escape
	term_wait 2 'Do you wish to save'
	i=$((i + 1))
done
term_send Enter
expect 'what was set there becomes a fragment' term_wait 20 'wrote 1 option to .*/deep/kernel\.config'
expect 'of one line' grep -qx 'CONFIG_DEBUG_SPINLOCK=y' kernel.config
term_stop

finish
