#!/bin/sh
# ktb clean, on a cache that is made up: what it lists, what it removes, what it leaves alone, and what a kill leaves.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="$tmp/cache" XDG_CONFIG_HOME="$tmp/config" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp"
cache=$tmp/cache/ktb
mkdir -m 700 "$tmp/run"

# item PATH MEGABYTES AGE: a folder with a file of that size, or the file itself; AGE is days.
item()
{
	case $1 in
	*.*) mkdir -p "$(dirname "$cache/$1")" && _file=$cache/$1 ;;
	*) mkdir -p "$cache/$1/out" && _file=$cache/$1/out/big ;;
	esac
	head -c "$(($2 * 1048576))" /dev/zero >"$_file"
	touch -d "$3 days ago" "$_file" "$cache/$1"
}

# 19 MB: kernels a (40 days), b (20), c (now); sources s (50) and t (10); an image, an index, a log.
make_cache()
{
	rm -rf "$cache"
	item build/aaaaaaaaaaaaaaaa 4 40
	item build/bbbbbbbbbbbbbbbb 4 20
	item build/cccccccccccccccc 4 0
	item source/5555555555555555 2 50
	item source/7777777777777777 2 10
	item initramfs/0123456789abcdef0123.cpio 1 30
	item gdb-index/fedcba9876543210fedc.gdb-index 1 5
	item logs/vm.log 1 60
	: >"$cache/build/objects"
	: >"$cache/initramfs/lock"
	: >"$cache/source/5555555555555555.lock"
	touch -d '50 days ago' "$cache/source/5555555555555555.lock"
	: >"$cache/source/abc.sha256"
}

# The items that are there, in a line.
left()
{
	(cd "$cache" && ls -d build/*/ source/*/ initramfs/*.cpio gdb-index/*.gdb-index logs/* 2>/dev/null) |
		sed 's/\/$//; s/.*\/\(.\)\1\1.*/\1/; s/.*\/\([^/]*\)$/\1/; s/0123.*/image/; s/fedc.*/index/; s/vm.log/log/' |
		tr '\n' ' '
}

# --- Looking ---

run "$KTB" clean
expect_status 'a cache that is not there is fine' 0
expect_equal 'and holds nothing' "$stdout" ''
run "$KTB" clean --json
expect_equal 'in JSON too' "$stdout" '[]'
run "$KTB" clean --all
expect_status 'nothing is removed of it' 0
expect 'and it is not made' [ ! -e "$cache" ]

make_cache
run "$KTB" clean
expect_status 'the cache is listed' 0
expect_match 'a kernel with its size and age' '^build +a{16} +4\.0 MB +40 d +- +not built to its end$'
expect_match 'a source' '^source +5{16} +2\.0 MB +50 d +- +out$'
expect_match 'an image by the beginning of its name' '^initramfs +0123456789abcdef +1\.0 MB +30 d'
expect_match 'an index' '^gdb-index +fedcba9876543210 +1\.0 MB'
expect_match 'a log' '^log +vm\.log +1\.0 MB +60 d'
expect_equal 'the oldest first' "$(printf '%s\n' "$stdout" | awk 'NR == 2 { print $1 }')" log
expect_error 'and the sum' '^ktb: 19 MB in .*/cache/ktb; --older-than'
expect_equal 'nothing is removed' "$(left)" 'a b c index image log 5 7 '
run "$KTB" clean --json
expect_match 'JSON has the path' "\"path\": \"$cache/build/a{16}\""
expect_match 'and the bytes' '"size": 4[0-9]{6}'

# --- Removing ---

run "$KTB" clean --older-than 25d --dry-run
expect_status 'a dry run' 0
expect_equal 'lists what would go' "$(printf '%s\n' "$stdout" | awk 'NR > 1 { print $1 }' | tr '\n' ' ')" \
	'log source build initramfs '
expect_error 'says so' 'would remove 4 items, 8\.[0-9] MB; 11 MB would be left'
expect_equal 'and removes nothing' "$(left)" 'a b c index image log 5 7 '
run "$KTB" clean --older-than 25d
expect_error 'without it they go' 'removed 4 items'
expect_equal 'and only they' "$(left)" 'b c index 7 '
expect 'nothing is left in the trash' [ -z "$(ls "$cache/trash")" ]
expect 'nor the lock of the source' [ ! -e "$cache/source/5555555555555555.lock" ]
run "$KTB" clean --older-than 2w
expect_equal 'weeks' "$(left)" 'c index 7 '
run "$KTB" clean --older-than 200h
expect_equal 'hours' "$(left)" 'c index '
run "$KTB" clean --older-than 1
expect_equal 'a bare number is days' "$(left)" 'c '
make_cache
run "$KTB" clean --max-size 13M
expect_equal 'by size: what was not used for longest goes first' "$(left)" 'b c index image 7 '
run "$KTB" clean --max-size 13M
expect_error 'no more than that' 'removed 0 items'
run "$KTB" clean --max-size 13 --older-than 15d
expect_equal 'both rules together' "$(left)" 'c index 7 '
run "$KTB" clean --all --json
expect_equal 'all of it' "$(left)" ''
expect_match 'JSON tells what went' '"removed": true'
run "$KTB" clean
expect_equal 'then nothing is listed' "$stdout" ''

# --- Rules that can't be ---

make_cache
for age in '' x 30x d -3d 3.5d 99999999999d; do
	run "$KTB" clean --older-than "$age" --dry-run
	expect_status "no age: '$age'" 2
done
run "$KTB" clean --older-than 30x
expect_error 'what it should be is said' "'30x' is not an age: 30d"
run "$KTB" clean --max-size lots
expect_status 'no size' 2
expect_error 'is said' "max-size: 'lots' is not a size"
run "$KTB" clean --dry-run
expect_status 'a dry run of nothing' 2
run "$KTB" clean everything
expect_status 'it takes no argument' 2
expect_equal 'and none of these removed anything' "$(left)" 'a b c index image log 5 7 '

# --- What is in use ---

# shellcheck disable=SC2317 # called by way of wait_for
is_held()
{
	! flock -n -x "$1" true
}

# shellcheck disable=SC2317
is_removing()
{
	[ -n "$(ls "$cache"/trash/*/ 2>/dev/null)" ]
}

# hold KIND FILE: a process has a lock on it (s: shared, x: exclusive).
hold()
{
	flock "-$1" "$2" sleep 300 &
	holders="$holders $!"
	wait_for 5 is_held "$2"
}

release()
{
	for _pid in $holders; do
		pkill -P "$_pid"
		kill "$_pid" 2>/dev/null
	done
	# shellcheck disable=SC2086 # a list
	wait $holders 2>/dev/null
	holders=
}
holders=
at_exit release

: >"$cache/build/aaaaaaaaaaaaaaaa/in-use"
: >"$cache/build/bbbbbbbbbbbbbbbb/lock"
: >"$cache/source/7777777777777777.in-use"
hold s "$cache/build/aaaaaaaaaaaaaaaa/in-use"
hold x "$cache/build/bbbbbbbbbbbbbbbb/lock"
hold x "$cache/source/5555555555555555.lock"
hold s "$cache/source/7777777777777777.in-use"
hold s "$cache/initramfs/0123456789abcdef0123.cpio"
run "$KTB" clean
expect_match 'what is used is shown as such' '^build +a{16} .* in use '
expect_match 'what is built too' '^build +b{16} .* being made '
run "$KTB" clean --all
expect_status 'all, while some is in use' 0
expect_equal 'what is in use stays' "$(left)" 'a b image 5 7 '
expect_error 'and that is said' '^ktb: kept: build a{16} \(in use\)'
run "$KTB" clean --max-size 1
expect_error 'that it was not enough is said' 'still more than was asked for'
release
run "$KTB" clean --all
expect_equal 'once it is not in use it goes' "$(left)" ''

# A VM of an older ktb holds no lock, but its record says what it uses.
make_cache
mkdir -p "$tmp/run/ktb"
chmod 700 "$tmp/run/ktb"
mkdir -m 700 "$tmp/run/ktb/old"
cat >"$tmp/run/ktb/old/state.json" <<END
{ "name": "old", "dir": "$tmp/run/ktb/old", "pid": $$, "port": 0, "accel": "tcg", "memory": 1, "cpus": 1, "started": 1, "kaslr": false,
  "cmdline": "x", "kernel": "$cache/build/aaaaaaaaaaaaaaaa/out/vmlinux",
  "vmlinux": "$cache/build/aaaaaaaaaaaaaaaa/out/vmlinux", "build_id": "00", "release": "6",
  "srctree": "$cache/source/5555555555555555/linux", "build_dir": "$cache/build/aaaaaaaaaaaaaaaa/out",
  "gdb_scripts": "x" }
END
: >"$tmp/run/ktb/old/lock"
hold x "$tmp/run/ktb/old/lock"
run "$KTB" clean --all
expect_equal 'what a running VM uses stays' "$(left)" 'a 5 '
expect_error 'with its name' "kept: build a{16} \(VM 'old'\)"
release

# --- Many of them ---

make_cache
mkdir -p "$cache/logs"
i=0
while [ "$i" -lt 9 ]; do
	echo "$i" >"$cache/logs/vm$i.log"
	i=$((i + 1))
done
run "$KTB" clean
expect_match 'small ones that are many are one line' '^log +\([0-9]+ of them\) +1.0 MB '
expect_equal 'and only one' "$(printf '%s\n' "$stdout" | grep -c '^log ')" 1
expect_match 'large ones have one each' '^build +aaaaaaaaaaaaaaaa '
run "$KTB" clean --json
expect 'as all have in JSON' [ "$(printf '%s\n' "$stdout" | grep -c '"kind": "log"')" -ge 9 ]

# --- Everything that other commands leave there ---

make_cache
item download/dddddddddddddddd 1 1
item module/eeeeeeeeeeeeeeee 1 1
item depmod/ffffffffffffffff 1 1
item edit/1234 1 1
mkdir -p "$cache/layout"
head -c 1048576 /dev/zero >"$cache/layout/1111111111111111"
run "$KTB" clean
for kind in download module depmod edit layout; do
	expect_match "$kind is listed" "^$kind +[0-9a-f]+ +1\.0 MB"
done
: >"$cache/module/eeeeeeeeeeeeeeee/lock"
: >"$cache/download/dddddddddddddddd/lock"
: >"$cache/depmod/ffffffffffffffff/in-use"
hold x "$cache/module/eeeeeeeeeeeeeeee/lock"
hold x "$cache/download/dddddddddddddddd/lock"
hold s "$cache/depmod/ffffffffffffffff/in-use"
run "$KTB" clean --all
release
expect_equal 'and removed, but for what is being made or used' \
	"$(cd "$cache" && find download module depmod edit layout -mindepth 1 -maxdepth 1 | tr '\n' ' ')" \
	'download/dddddddddddddddd module/eeeeeeeeeeeeeeee depmod/ffffffffffffffff '

# --- Killed in the middle ---

make_cache
i=0
while [ "$i" -lt 3000 ]; do
	: >"$cache/build/aaaaaaaaaaaaaaaa/out/$i"
	i=$((i + 1))
done
"$KTB" clean --all >/dev/null 2>&1 &
pid=$!
wait_for 5 is_removing
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
# Whether or not it came in time, one that was killed leaves such a thing.
mkdir -p "$cache/trash/XyZ/dddddddddddddddd/out"
run "$KTB" clean
expect_match 'what a killed run left is listed' '^trash +XyZ'
run "$KTB" clean --older-than 1000d
expect 'the next one that removes anything takes it away' [ -z "$(ls "$cache/trash")" ]
for folder in "$cache"/build/*/ "$cache"/source/*/; do
	[ ! -d "$folder" ] || expect "whole or gone: $folder" [ -s "$folder/out/big" ]
done

# Two at once.
make_cache
"$KTB" clean --all >"$tmp/first" 2>&1 &
pid=$!
run "$KTB" clean --all
wait "$pid"
expect_equal 'two at once: the first' $? 0
expect_status 'the second' 0
expect_equal 'nothing is left' "$(left)" ''

finish
