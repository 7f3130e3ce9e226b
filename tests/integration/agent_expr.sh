#!/bin/sh
# timeout: 300
# Agent expressions: what ours are worth is what gdbserver says. A process runs through a row of breakpoints, at each of which
# gdbserver prints the values of expressions that GDB compiled; then the same bytecode is evaluated here, on the same memory and
# registers.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

eval=$(dirname "$KTB")/tests/integration/agent_eval
expect 'agent_eval is built' [ -x "$eval" ]
gcc -g -O1 -no-pie -o "$tmp/process" "$root/tests/integration/agent_values.c" || not_ok 'agent_values.c is compiled'

# Port 0: gdbserver says which one it took.
timeout 280 gdbserver --once 127.0.0.1:0 "$tmp/process" >"$tmp/gdbserver" 2>"$tmp/gdbserver.err" &
server=$!
at_exit "kill $server 2>/dev/null"
wait_for 10 grep -q '^Listening on port' "$tmp/gdbserver.err"
PORT=$(sed -n 's/^Listening on port //p' "$tmp/gdbserver.err") FOLDER=$tmp SEED=${SEED:-1}
export PORT FOLDER SEED

run timeout 250 gdb -nx -batch -x "$root/tests/integration/agent_expr.py" "$tmp/process"
expect_status 'GDB ran the process' 0
wait "$server"
grep '^[0-9]*: ' "$tmp/gdbserver" >"$tmp/gdbserver.values"
expect 'gdbserver evaluated hundreds of expressions' [ "$(wc -l <"$tmp/gdbserver.values")" -ge 500 ]
expect 'and conditions, of which some were true' [ "$(wc -l <"$tmp/stops")" -ge 20 ]

run "$eval" "$tmp"
expect_status 'the same bytecode runs here' 0
cat "$tmp/stops" "$tmp/gdbserver" >"$tmp/expected"
if cmp -s "$tmp/stdout" "$tmp/expected"; then
	ok 'every value, format and condition is as gdbserver has it'
else
	not_ok 'every value, format and condition is as gdbserver has it' "$(diff "$tmp/expected" "$tmp/stdout" | head -n 30)"
fi

# GDB has no value for some, such as flags or $tv before tracing starts.
grep -v ': error' "$tmp/values" >"$tmp/gdb.values"
grep '^[0-9]*: ' "$tmp/stdout" | grep -Fxv -f "$tmp/gdb.values" | sed 's/:.*//' >"$tmp/others"
differing=$(while read -r n; do grep "^$n:" "$tmp/gdb.values"; done <"$tmp/others")
expect_equal 'and as GDB itself has it, where it can say' "$differing" ''
expect 'which is nearly everywhere' [ "$(wc -l <"$tmp/gdb.values")" -ge 480 ]

finish
