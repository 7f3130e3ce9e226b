#!/bin/sh
# timeout: 180
# The debug server and QEMU's own stub say the same of a machine that stands still, whichever of the two has had it do what it did
# before. SECONDS_SAME: for how long.
# shellcheck disable=SC2016,SC2094 # expanded later; each writes a file of its own
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'
cc -O2 -D_GNU_SOURCE -o rsp "$root/tests/rsp.c" || exit 1

run "$KTB" vm --detach --port auto --memory 512M --on-disconnect stop
expect_status 'a VM runs' 0
run "$KTB" exec -- true
expect_status 'it is up' 0
"$KTB" exec -- sh -c 'while :; do cat /proc/stat; sleep 0.01; done >/dev/null 2>&1 &'
port=$(field vm port) stub=$tmp/run/ktb/vm/stub.sock

# peer PEER ...: a server that is about to end lets nobody in.
peer()
{
	for _try in 1 2 3 4 5; do
		timeout 20 ./rsp "$@" 2>"$tmp/why" && return
		sleep 0.2
	done
	return 1
}

rounds=0 questions=0 differences=0
until_time=$(($(date +%s) + ${SECONDS_SAME:-60}))
while [ "$(date +%s)" -lt "$until_time" ] && [ "$differences" -lt 3 ]; do
	rounds=$((rounds + 1))
	one=$port other=$stub
	[ $((rounds % 2)) = 0 ] || { one=$stub other=$port; }
	if ! { peer "$one" stir "$rounds" && peer "$one" answers "$rounds" >said && peer "$other" answers "$rounds" >other; }; then
		not_ok "round $rounds: somebody gave no answer" "$(cat "$tmp/why")"
		break
	fi
	questions=$((questions + $(wc -l <said)))
	cmp -s said other || {
		differences=$((differences + 1))
		diff said other | cut -c1-200 | head -6 >"$tmp/differ.$differences"
	}
done
expect_equal 'both say the same' "$(cat "$tmp"/differ.* 2>/dev/null)" ''
expect "in $rounds rounds, which are some" [ "$rounds" -ge 10 ]
expect "of $questions questions" [ "$questions" -gt $((rounds * 100)) ]
run plain_gdb -ex "target remote localhost:$port" -ex detach
expect 'and the guest goes on' wait_for 10 is_listed vm running
run "$KTB" exec -- echo alive
expect_equal 'as if nothing had been' "$stdout" alive
finish
