#!/bin/sh
# timeout: 3600
# Each fuzz target as libFuzzer runs it, under ASan and UBSan, for FUZZ_SECONDS=60, from its corpus on.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

cd "$tmp" || exit 1
seconds=${FUZZ_SECONDS:-60}
run env CC=clang meson setup -Dfuzz=true -Dbuildtype=debug -Doptimization=1 -Db_sanitize=address,undefined \
	-Dc_args=-fno-sanitize-recover=all "$tmp/build" "$root"
expect_status 'it is configured' 0
run ninja -C "$tmp/build"
expect_status 'it is built' 0

# A target at a time on each CPU. What is found is printed, to be put into the corpus once it is mended. There is no -max_len:
# seeds would be cut to it, and an ELF file without its end is none; libFuzzer takes the length of the longest seed.
# shellcheck disable=SC2016 # for the inner shell
for source in "$root"/tests/fuzz/fuzz_*.c; do
	name=${source##*/fuzz_}
	echo "${name%.c}"
done | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' sh -c '
	mkdir "$2.new" && "build/tests/fuzz/fuzz_$2" -max_total_time="$3" -timeout=20 -rss_limit_mb=2048 \
		-artifact_prefix="$2.found." "$2.new" "$1/tests/fuzz/corpus/$2" >"$2.log" 2>&1 </dev/null
	echo "$?" >"$2.status"
' sh "$root" '{}' "$seconds"

# coverage NAME FIRST|LAST: what libFuzzer counted when it had read the corpus, and at the end.
coverage()
{
	sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$1.log" | case $2 in
	first) head -n 1 ;;
	*) tail -n 1 ;;
	esac
}

grew=0
for log in *.log; do
	name=${log%.log}
	found=$(ls "$name".found.* 2>/dev/null)
	if [ "$(cat "$name.status")" = 0 ] && [ -z "$found" ]; then
		ok "$name: nothing found in $seconds s"
	else
		not_ok "$name: nothing found in $seconds s" "$(tail -n 30 "$log")
input (base64): $(for f in $found; do base64 -w 0 "$f"; done)"
	fi
	first=$(coverage "$name" first) last=$(coverage "$name" last)
	[ "${last:-0}" -le "${first:-0}" ] || grew=$((grew + 1))
done
# Of a fuzzer that doesn't see what its inputs reach, it would stay the same.
if [ "$grew" -ge $(($(find . -maxdepth 1 -name '*.log' | wc -l) / 2)) ]; then
	ok 'inputs were found that reach more than the corpus does'
else
	not_ok 'inputs were found that reach more than the corpus does' "only by $grew targets"
fi

finish
