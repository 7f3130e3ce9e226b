#!/bin/sh
# How much slower a guest with 1,000 tasks works while `ktb ps` runs in a loop, over the same while it runs in a loop on another
# such guest, which stands still: so what the loop takes of the host's CPUs and caches is in both. Whatever `ktb ps` did to the
# guest, by stopping it or by having it do something, it would have to work off. So the time is the CPU time that the thread
# of its only vCPU needs for a fixed piece of work: what else runs on the machine is not in it. That thread has one CPU of the
# host for itself as far as the loop goes, which has the others. Rounds are short and alternate; of each pair the ratio is taken, and of
# these the median, with the quartiles as its spread.
# usage: guest.sh [ktb vm's options]     RUNS=10 (each has six pairs)
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

export XDG_RUNTIME_DIR="$scratch"
need taskset util-linux
[ "$(nproc)" -gt 1 ] || { echo "$0 needs two CPUs: one for the guest, and one for ktb ps" >&2; exit 3; }
for program in tasks work; do
	gcc -O2 -static -pthread -o "$scratch/$program" "$bench_dir/$program.c" || exit 3
done
trap 'rm -f "$scratch/go"; "$KTB" stop -q --force --all; rm -rf "$scratch"' EXIT
for vm in bench other; do
	"$KTB" vm -q --detach --name "$vm" --port off --cpus 1 --append quiet --files "$scratch/tasks:/root/tasks" \
		--files "$scratch/work:/root/work" "$@" || exit 1
	wait_log 'debugvm:~# ' 1 "$vm"
	say '/root/tasks 960 0 &' "$vm"
	wait_log 'tasks are up' 1 "$vm"
done

# qemu NAME: its process, of which the supervisor is the parent.
qemu() { pgrep -x "ktb-$1" -P "$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$scratch/ktb/$1/state.json" | head -n 1)"; }
of_bench=$(qemu bench) && of_other=$(qemu other) || exit 1
kill -STOP "$of_other"

# Of the threads, the one that has run most is the vCPU's.
vcpu=$(for task in /proc/"$of_bench"/task/*; do echo "$(cut -d ' ' -f 1 "$task/schedstat") ${task##*/}"; done | sort -n | tail -n 1)
vcpu=${vcpu#* }
allowed=$(taskset -cp "$$" | sed 's/.*: //' | tr ',' '\n' | awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
its_cpu=$(echo "$allowed" | tail -n 1)
others=$(echo "$allowed" | sed '$d' | paste -s -d ,)
taskset -cp "$others" "$$" >/dev/null && taskset -cp "$its_cpu" "$vcpu" >/dev/null || exit 1

# How long it has run, in ns.
ran() { cut -d ' ' -f 1 "/proc/$of_bench/task/$vcpu/schedstat"; }

# work TIMES: seconds of its CPU time.
work()
{
	before=$(ran)
	"$KTB" exec -q --name bench -- /root/work "$1" >"$scratch/output" 2>&1 </dev/null || {
		why "status $?: work"
		return 1
	}
	echo $(($(ran) - before)) | awk '{ printf "%.4f\n", $1 / 1e9 }'
}

# Half a second of it, and many times: what else the machine does comes and goes more slowly than that.
work 4 >/dev/null
times=$(echo "$(work 4) $(work 20)" | awk '{ printf "%d\n", 0.5 * 16 / ($2 > $1 ? $2 - $1 : $1) + 1 }')
RUNS=$((6 * RUNS))

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
alternate looked_at other_looked_at && paired "a guest's CPU time for its work, while ktb ps runs in a loop" 1.02
# shellcheck disable=SC2046 # two words
printf '(calls of ktb ps: %s and %s, with %s lines)\n' $(wc -l <"$scratch/calls.bench") $(wc -l <"$scratch/calls.other") \
	"$(wc -l <"$scratch/ps.bench")" >&2
alternate other_looked_at alone && paired '(the same on another guest, over nothing: the host'"'"'s caches)' - >&2
