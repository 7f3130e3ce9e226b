#!/bin/sh
# timeout: 1200
# Builds that are killed at any moment, two at a time: what they leave in the cache never stops the next one, and never
# makes a wrong kernel. KILLS=100
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config" CCACHE_DISABLE=1
mkdir -p "$HOME" "$tmp/tar"
cd "$tmp" || exit 1

fake_kernel "$tmp/tar/linux"
tar -C "$tmp/tar" -cJf "$tmp/linux.tar.xz" linux

# find_id: builds it; sets $id to its build ID.
find_id()
{
	run "$KTB" build --source "$tmp/linux.tar.xz" --json
	id=$(printf '%s\n' "$stdout" | sed -n 's/.*"build_id": *"\([0-9a-f]*\)".*/\1/p')
}

# In the same place: debug information names it, and the build ID is made of that.
find_id
right=$id
rm -rf "$tmp/cache"
expect 'the kernel is built where nobody is killed' [ -n "$right" ]

# A moment between 0 and 1.2 s: the whole of a build, its unpacking included. What is complete is thrown away now and
# then, so that there is something to do.
i=0 wrong=0
while [ "$i" -lt "${KILLS:-100}" ]; do
	i=$((i + 1))
	[ $((i % 5)) != 0 ] || rm -rf "$tmp/cache/ktb/source"
	[ $((i % 3)) != 0 ] || rm -f "$tmp"/cache/ktb/build/*/manifest.json "$tmp"/cache/ktb/build/*/out/kernel/*.o
	setsid "$KTB" build --jobs 1 --source "$tmp/linux.tar.xz" >/dev/null 2>&1 &
	first=$!
	setsid "$KTB" build --jobs 1 --source "$tmp/linux.tar.xz" >/dev/null 2>&1 &
	second=$!
	sleep "$(awk -v seed="$i" 'BEGIN { srand(seed); printf "%.3f", 1.2 * rand() }')"
	kill -KILL "$first" 2>/dev/null
	[ $((i % 2)) = 0 ] || kill -KILL "$second" 2>/dev/null
	wait "$first" "$second" 2>/dev/null
	[ $((i % 10)) = 0 ] || continue
	find_id
	if [ "$id" != "$right" ]; then
		not_ok "after $i of them the kernel is right" "$(last_run)"
		wrong=1
		break
	fi
done
[ "$wrong" = 1 ] || ok "after $i of them the kernel is right"
expect_equal 'no half-unpacked source is left' "$(find "$tmp/cache/ktb/source" -name '*.unpack')" ''
find_id
expect_equal 'nor a half-written file' "$(find "$tmp/cache/ktb/build" -name '*.ktb-new-*')" ''

finish
