# For the scripts of bench/: medians of alternating runs, and a table of ratios. POSIX sh; source it.
# shellcheck shell=sh

bench_dir=$(cd "$(dirname "$0")" && pwd)
root=${bench_dir%/*}
KTB=${KTB:-$root/.build/ktb}
RUNS=${RUNS:-10}
scratch=$(mktemp -d)
# shellcheck disable=SC2064 # now, not then
trap "rm -rf '$scratch'" EXIT
trap 'exit 130' INT TERM HUP

[ -x "$KTB" ] || { echo "no program at $KTB: run ./ktb version first" >&2; exit 3; }
cc -O2 -D_GNU_SOURCE -o "$scratch/until" "$bench_dir/until.c" || exit 3

# median FILE: of one number a line.
median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# seconds COMMAND...: wall time of a command, on stdout; its own output is dropped.
seconds()
{
	begin=$(date +%s%N)
	"$@" >"$scratch/output" 2>&1 </dev/null || { echo "failed: $*" >&2; tail -n 5 "$scratch/output" >&2; return 1; }
	end=$(date +%s%N)
	awk -v n=$((end - begin)) 'BEGIN { printf "%.4f\n", n / 1e9 }'
}

# alternate NAME_A NAME_B: runs the shell functions a and b in turn, $RUNS times, and keeps what they print.
alternate()
{
	: >"$scratch/a"
	: >"$scratch/b"
	i=0
	while [ "$i" -lt "$RUNS" ]; do
		"$1" >>"$scratch/a" || return 1
		"$2" >>"$scratch/b" || return 1
		i=$((i + 1))
	done
}

# ratio TITLE TARGET: a row of the table from what alternate() kept.
ratio()
{
	a=$(median "$scratch/a") b=$(median "$scratch/b")
	awk -v t="$1" -v a="$a" -v b="$b" -v target="$2" 'BEGIN {
		r = a / b
		printf "%-58s %9.3f s %9.3f s %7.3f  <= %-5s %s\n", t, a, b, r, target, r <= target ? "met" : "MISSED"
	}'
}

# absolute TITLE TARGET FILE: a row for a time that stands alone.
absolute()
{
	awk -v t="$1" -v a="$(median "$3")" -v target="$2" 'BEGIN {
		printf "%-58s %9.3f s %9s   %7s  <= %-5s %s\n", t, a, "", "", target, a <= target ? "met" : "MISSED"
	}'
}
