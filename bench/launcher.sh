#!/bin/sh
# The launcher when there is nothing to do: what it adds to the program that it runs.
# usage: launcher.sh     RUNS=10
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

# A single call takes some milliseconds: many of them, one after the other, are one figure.
calls=20
# many COMMAND...: seconds of each call, on stdout.
many()
{
	# shellcheck disable=SC2016 # for the inner shell
	seconds sh -c 'n=$1; shift; while [ "$n" -gt 0 ]; do "$@" || exit; n=$((n - 1)); done' sh "$calls" "$@" |
		awk -v n="$calls" '{ printf "%.5f\n", $1 / n }'
}

"$root/ktb" version >/dev/null || exit 1
program=${KTB_BUILD_DIR:-$root/.build}/ktb
[ -x "$program" ] || { echo "the launcher has built elsewhere than in $program; name that with KTB_BUILD_DIR" >&2; exit 1; }
launched() { many "$root/ktb" version; }
alone() { many "$program" version; }
alternate launched alone || exit 1
paste "$scratch/a" "$scratch/b" | awk '{ printf "%.5f\n", $1 - $2 }' >"$scratch/added"
absolute 'the launcher, nothing to do, on top of ktb version' 0.05 "$scratch/added"
