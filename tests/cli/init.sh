#!/bin/sh
# ktb init: the file it writes, and all that it refuses to do.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CONFIG_HOME="$tmp/user" XDG_RUNTIME_DIR="$tmp/run"
mkdir -p "$tmp/project/deep" "$tmp/empty"
mkdir -m 700 "$tmp/run"
cd "$tmp/project" || exit 1

run "$KTB" init
expect_status 'init writes a ktb.conf' 0
expect_error 'and says where' "^ktb: wrote $tmp/project/ktb\.conf\$"
expect_equal 'nothing on stdout' "$stdout" ''
expect_equal 'it is all that is there' "$(ls)" "deep
ktb.conf"
expect_equal 'it is what help prints' "$(cat ktb.conf)" "$("$KTB" help ktb.conf)"
run "$KTB" list
expect_status 'it is taken' 0
# Every line that is an option, without its #.
sed -i 's/^# \([a-z][a-z0-9_]* =\)/\1/' ktb.conf
expect 'it has many options' [ "$(grep -c '^[a-z_0-9]* =' ktb.conf)" -gt 20 ]
run "$KTB" list
expect_status 'with all options active it is taken too' 0

echo '# mine' >ktb.conf
run "$KTB" init
expect_status 'one that is there is refused' 2
expect_error 'with the next step' 'there is a ktb\.conf in this folder already.*--force'
expect_equal 'and is not touched' "$(cat ktb.conf)" '# mine'
echo '[nonsense' >ktb.conf
run "$KTB" init --force
expect_status '--force writes over it, be it broken' 0
expect 'with a whole new one' grep -q '^\[kconfig\]' ktb.conf
expect_equal 'and no temporary file is left' "$(ls)" "deep
ktb.conf"

cd deep || exit 1
ln -s nowhere ktb.conf
run "$KTB" init
expect_status 'a link that leads nowhere is not touched either' 2
expect 'it is still a link' [ -L ktb.conf ]
rm ktb.conf
run "$KTB" init
expect_error 'that it hides one further up is said' "takes the place of $tmp/project/ktb\.conf"

cp -r "$root/tests/data/fake-kernel" "$tmp/linux"
: >"$tmp/linux/Kconfig"
run "$KTB" init --force --kernel ../../linux
expect_status '--kernel takes a tree' 0
expect 'and writes it as it was given' grep -qx 'source = \.\./\.\./linux' ktb.conf
mkdir -p "$tmp/project/deep/er"
run sh -c 'cd er && "$1" source' sh "$KTB"
expect_equal 'from a folder below, it is that tree' "$stdout" "$(readlink -f "$tmp/linux")"
touch "$tmp/linux/.config"
run "$KTB" init --force --kernel ../../linux
expect_status 'one that was built in is taken' 0
expect_error 'with a warning that tells how to clean it' 'mrproper'
rm "$tmp/linux/.config" ktb.conf
run "$KTB" init --kernel "$tmp/empty"
expect_status 'a folder without a kernel is refused' 2
expect_error 'and what it lacks is said' "$tmp/empty is not a kernel tree: it has no Makefile"
run "$KTB" init --kernel "$tmp/nothing"
expect_status 'what is not there is refused' 2
cp -r "$tmp/linux" "$tmp/with space"
run "$KTB" init --kernel "$tmp/with space"
expect_error 'a name that make cannot take is refused' 'spaces or colons'
expect 'after all that nothing was written' [ ! -e ktb.conf ]
run "$KTB" init there
expect_status 'it takes no argument' 2

if [ "$(id -u)" = 0 ]; then
	cp "$KTB" "$tmp/ktb"
	chmod 755 "$tmp" "$tmp/project" "$tmp/ktb"
	cd "$tmp/project" && rm -f ktb.conf
	run as_user "$tmp/ktb" init
	expect_status 'a folder that may not be written to is an error' 1
	expect_error 'that says so' 'Permission denied'
fi

finish
