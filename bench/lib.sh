# For the scripts of bench/: medians of alternating runs, and a table of ratios. POSIX sh; source it.
# shellcheck shell=sh

bench_dir=$(cd "$(dirname "$0")" && pwd)
root=${bench_dir%/*}
KTB=${KTB:-$root/.build/ktb}
RUNS=${RUNS:-10}
RETRIES=${RETRIES:-5}
failed=0
scratch=$(mktemp -d)
# shellcheck disable=SC2064 # now, not then
trap "rm -rf '$scratch'" EXIT
trap 'exit 130' INT TERM HUP

[ -x "$KTB" ] || { echo "no program at $KTB: run ./ktb version first" >&2; exit 3; }
cc -O2 -D_GNU_SOURCE -o "$scratch/until" "$bench_dir/until.c" || exit 3

# need PROGRAM PACKAGE: what a script can't do without, and ktb does.
need()
{
	command -v "$1" >/dev/null || {
		echo "$0 needs $1, which is not installed: apt-get install $2" >&2
		exit 3
	}
}

# median FILE: of one number a line.
median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# why WHAT: for a run that failed; the end of $scratch/output goes with it.
why()
{
	echo "failed, $1; the end of its output:" >&2
	tail -n 12 "$scratch/output" | tr -d '\r' | sed 's/^/    /' >&2
}

# until_text SECONDS TEXT COMMAND...: how long it takes until the command's output has TEXT, on stdout. What the command says
# when it is ended then is dropped with the rest.
until_text()
{
	"$scratch/until" "$scratch/output" "$@" && return
	case $? in
	1) why "ended without '$2'" ;;
	124) why "no '$2' in $1 s" ;;
	*) why 'could not be run' ;;
	esac
	return 1
}

# seconds COMMAND...: wall time of a command, on stdout; its own output is dropped.
seconds()
{
	begin=$(date +%s%N)
	"$@" >"$scratch/output" 2>&1 </dev/null || {
		why "status $?: $*"
		return 1
	}
	end=$(date +%s%N)
	awk -v n=$((end - begin)) 'BEGIN { printf "%.4f\n", n / 1e9 }'
}

# once NAME FILE: runs the shell function, once more if it fails, as long as no more than $RETRIES have failed. $failed is the
# number of all that did.
once()
{
	until "$1" >"$scratch/one"; do
		failed=$((failed + 1))
		if [ "$failed" -gt "$RETRIES" ]; then
			echo "$1: $failed runs failed; no figure" >&2
			return 1
		fi
		echo "$1: once more" >&2
	done
	cat "$scratch/one" >>"$2"
}

# alternate NAME_A NAME_B: runs the shell functions a and b in turn, $RUNS times, and keeps what they print.
alternate()
{
	: >"$scratch/a"
	: >"$scratch/b"
	failed=0
	i=0
	while [ "$i" -lt "$RUNS" ]; do
		once "$1" "$scratch/a" || return 1
		once "$2" "$scratch/b" || return 1
		i=$((i + 1))
	done
}

# ratio TITLE TARGET: a row of the table from what alternate() kept.
ratio()
{
	a=$(median "$scratch/a") b=$(median "$scratch/b")
	awk -v t="$1" -v a="$a" -v b="$b" -v target="$2" -v failed="$failed" 'BEGIN {
		r = a / b
		printf "%-58s %9.3f s %9.3f s %7.3f  <= %-5s %s%s\n", t, a, b, r, target, r <= target ? "met" : "MISSED",
			failed ? " (" failed " failed)" : ""
	}'
}

# paired TITLE TARGET: a row of the median of the ratios of each pair that alternate() kept, and between which two half of them
# are. A target of - is none.
paired()
{
	a=$(median "$scratch/a") b=$(median "$scratch/b")
	paste "$scratch/a" "$scratch/b" | awk '{ print $1 / $2 }' | sort -n >"$scratch/ratios"
	awk -v t="$1" -v a="$a" -v b="$b" -v target="$2" -v r="$(median "$scratch/ratios")" '
		{ v[NR] = $1 }
		END {
			printf "%-58s %9.3f s %9.3f s %7.3f  <= %-5s %s (half of %d pairs: %.3f to %.3f)\n", t, a, b, r, target,
				target == "-" ? "" : r <= target ? "met" : "MISSED", NR, v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)]
		}' "$scratch/ratios"
}

# wait_log TEXT [TIMES [NAME]]: until the guest has said it so often.
wait_log()
{
	n=0
	log=$XDG_RUNTIME_DIR/ktb/${3:-bench}/console.log
	until [ "$(grep -c "$1" "$log")" -ge "${2:-1}" ]; do
		n=$((n + 1))
		[ "$n" -lt 600 ] || { echo "the guest doesn't get on:" >&2; tail -n 5 "$log" >&2; exit 1; }
		sleep 0.5
	done
}

# say COMMAND [NAME]: types it into the guest's shell.
say() { printf '%s\r' "$1" | socat -u - "UNIX-CONNECT:$XDG_RUNTIME_DIR/ktb/${2:-bench}/serial.sock"; }

# amount TITLE TARGET VALUE UNIT: a row for what is no time.
amount()
{
	awk -v t="$1" -v target="$2" -v a="$3" -v unit="$4" 'BEGIN {
		printf "%-58s %8.1f %-2s %11s %7s  <= %-5s %s\n", t, a, unit, "", "", target, a <= target ? "met" : "MISSED"
	}'
}

# absolute TITLE TARGET FILE: a row for a time that stands alone.
absolute()
{
	awk -v t="$1" -v a="$(median "$3")" -v target="$2" 'BEGIN {
		printf "%-58s %9.3f s %9s   %7s  <= %-5s %s\n", t, a, "", "", target, a <= target ? "met" : "MISSED"
	}'
}
