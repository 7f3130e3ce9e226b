#!/bin/sh
# KGDB behind ktb's server over GDB straight on the kernel's stub, which then needs a line of its own: steps; and what the console
# loses by sharing its line.
# usage: kgdb.sh [ktb vm's options]     RUNS=5 BYTES=200000 ONLY="console steps"
# shellcheck disable=SC2016 # what is in single quotes is for others
# shellcheck source=bench/lib.sh
RUNS=${RUNS:-5}
. "$(dirname "$0")/lib.sh"

BYTES=${BYTES:-200000}
ONLY=${ONLY:-console steps}
export XDG_RUNTIME_DIR="$scratch"
unset PYTHONDONTWRITEBYTECODE

debugger=''
trap 'kill -9 $debugger 2>/dev/null; "$KTB" stop -q --all --force; rm -rf "$scratch"' EXIT
seq 1 100000 | head -c "$BYTES" >"$scratch/text"

# What is typed at the kernel's stub by its name: the second serial line, as a socket.
"$KTB" vm -q --detach --name shared --kgdb --port auto --append quiet --files "$scratch/text:/root/text" "$@" || exit 1
"$KTB" vm -q --detach --name own --port off --append quiet --files "$scratch/text:/root/text" \
	--qemu-arg=-serial --qemu-arg="unix:$scratch/line,server=on,wait=off" --append kgdboc=ttyS1,115200 "$@" || exit 1
json=$("$KTB" list --json)
port=$(printf '%s' "$json" | jq -r '.[] | select(.name == "shared") | .port')
vmlinux=$(printf '%s' "$json" | jq -r '.[0].vmlinux')

# up VM
up()
{
	n=0
	until "$KTB" exec -q --name "$1" -- true 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -lt 300 ] || { echo "the VM $1 doesn't answer" >&2; return 1; }
		sleep 0.2
	done
}
up shared && up own || exit 1

wanted() { case " $ONLY " in *" $1 "*) ;; *) return 1 ;; esac; }

# written VM: seconds that the guest needs to write the text to its console.
written()
{
	seconds "$KTB" exec -q --name "$1" -- sh -c 'cat /root/text >/dev/ttyS0; stty -F /dev/ttyS0 speed >/dev/null 2>&1; true'
}
with_debugger() { written shared; }
without() { written own; }

if wanted console; then
	mkfifo "$scratch/commands"
	"$KTB" gdb -q --kgdb --name shared -- -ex continue <"$scratch/commands" >"$scratch/debugger" 2>&1 &
	debugger=$!
	exec 9>"$scratch/commands"
	until grep -q Continuing "$scratch/debugger"; do
		kill -0 "$debugger" || exit 1
		sleep 0.2
	done
	up shared || exit 1
	alternate with_debugger without && ratio "$BYTES bytes to a console that KGDB shares, over one of its own" 1.053
	kill -9 "$debugger"
	debugger=''
	exec 9>&-
	up shared || exit 1
fi

# stepi_on PEER: seconds for some hundred steps, without attaching and leaving.
stepi_on()
{
	cat >"$scratch/steps.py" <<'PYTHON'
import time, gdb
gdb.execute("stepi 20", to_string=True)
begin = time.monotonic()
gdb.execute("stepi 200", to_string=True)
print("took %.6f" % (time.monotonic() - begin))
PYTHON
	gdb -nx -q -batch -iex 'set auto-load no' -iex 'set sysroot' -iex 'set remotetimeout 20' "$vmlinux" -ex "target remote $1" \
		-ex "source $scratch/steps.py" >"$scratch/output" 2>&1 </dev/null
	sed -n 's/^took //p' "$scratch/output" | grep . || { why 'GDB failed'; return 1; }
}
stepi_by_ktb() { stepi_on "localhost:$port"; }

# The stub doesn't hear GDB while the kernel runs, so that is stopped by hand; and what a session leaves is that it waits for GDB, not kdb.
stepi_by_gdb()
{
	"$KTB" exec -q --name own -- sh -c '(sleep 1; echo g >/proc/sysrq-trigger) >/dev/null 2>&1 &'
	sleep 2
	stepi_on "$scratch/line"
}

if wanted steps; then
	alternate stepi_by_ktb stepi_by_gdb && ratio '200 times stepi over KGDB, over GDB on its line' 1
fi
