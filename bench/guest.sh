#!/bin/sh
# How much slower a guest with 1,000 tasks works while `ktb ps` runs in a loop, over the same while it runs in a loop on another
# such guest, which stands still: so what the loop takes of the host's CPUs and caches is in both. A time is that of a fixed
# piece of work by the guest's clock, less that in which QEMU was ready to run and had no CPU. A guest that is stopped, or has more to do, shows.
# usage: guest.sh [ktb vm's options]     RUNS=10 (each has three of them)
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

export XDG_RUNTIME_DIR="$scratch"
for program in tasks work; do
	gcc -O2 -static -pthread -o "$scratch/$program" "$bench_dir/$program.c" || exit 3
done
trap 'rm -f "$scratch/go"; "$KTB" stop -q --force --all; rm -rf "$scratch"' EXIT
for vm in bench other; do
	"$KTB" vm -q --detach --name "$vm" --port off --append quiet --files "$scratch/tasks:/root/tasks" \
		--files "$scratch/work:/root/work" "$@" || exit 1
	wait_log 'debugvm:~# ' 1 "$vm"
	say '/root/tasks 960 0 &' "$vm"
	wait_log 'tasks are up' 1 "$vm"
done

# qemu NAME: its process, of which the supervisor is the parent.
qemu() { pgrep -x "ktb-$1" -P "$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$scratch/ktb/$1/state.json" | head -n 1)"; }
of_bench=$(qemu bench) && of_other=$(qemu other) || exit 1
kill -STOP "$of_other"

# How long its thread that has run most has waited for a CPU, in ns.
waited() { cat /proc/"$of_bench"/task/*/schedstat | sort -n | tail -n 1 | cut -d ' ' -f 2; }

# work TIMES: seconds of it.
work()
{
	before=$(waited)
	"$KTB" exec -q --name bench -- /root/work "$1" >"$scratch/output" 2>&1 </dev/null || {
		why "status $?: work"
		return 1
	}
	awk -v w=$(($(waited) - before)) '{ printf "%.4f\n", ($1 - w) / 1e9 }' "$scratch/output"
}

# A second of it, and many times: what else the machine does comes and goes more slowly than that.
work 4 >/dev/null
work 4 >/dev/null
times=$(awk '{ printf "%d\n", 4e9 / $1 + 1 }' "$scratch/output")
RUNS=$((3 * RUNS))

# with_loop NAME: the work, while that guest is looked at.
with_loop()
{
	: >"$scratch/go"
	while [ -e "$scratch/go" ]; do
		"$KTB" ps -q --name "$1" >"$scratch/ps.$1" || break
		echo >>"$scratch/calls.$1"
	done &
	work "$times"
	result=$?
	rm -f "$scratch/go"
	wait "$!"
	return "$result"
}

alone() { work "$times"; }
looked_at() { with_loop bench; }
other_looked_at() { with_loop other; }

alone >/dev/null
alternate looked_at other_looked_at && ratio "a guest's work while ktb ps runs in a loop" 1.02
# shellcheck disable=SC2046 # two words
printf '(calls of ktb ps: %s and %s, with %s lines)\n' $(wc -l <"$scratch/calls.bench") $(wc -l <"$scratch/calls.other") \
	"$(wc -l <"$scratch/ps.bench")" >&2
for _ in 1 2 3 4 5; do alone; done >"$scratch/c" && echo "(nothing looked at: $(median "$scratch/c") s)" >&2
