# shellcheck shell=sh
# Helpers for the shell tests. A test begins with
#
#	# shellcheck source=tests/lib.sh
#	. "$(dirname "$0")/../lib.sh"
#
# calls `ok NAME` or `not_ok NAME` (mostly through the expect_ functions) for each thing it tried, and ends with `finish`.
# Each test has a folder of its own, $tmp, which goes with it; what it starts it hands to `at_exit`. $root is the
# project, $KTB the program under test.

set -u

root=$(cd "$(dirname "$0")/../.." && pwd -P)
KTB=${KTB:-$root/.build/ktb}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ktb-test.XXXXXX") || exit 1
tests_passed=0
tests_failed=0
terminals=0
exit_commands=
status=0
stdout=
stderr=

# at_exit COMMAND: runs it (a line of shell) when the test ends, however it ends; the last one first.
at_exit()
{
	exit_commands="$1
$exit_commands"
}

cleanup()
{
	trap '' INT TERM HUP
	eval "$exit_commands"
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ok()
{
	tests_passed=$((tests_passed + 1))
	echo "ok - $1"
}

# not_ok NAME [DETAIL]
not_ok()
{
	tests_failed=$((tests_failed + 1))
	echo "not ok - $1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

# skip NAME WHY: what can't be tried here. In CI that is a failure: nothing passes by being skipped.
skip()
{
	if [ -n "${CI-}" ]; then
		not_ok "$1" "can't be run here: $2"
	else
		echo "ok - $1 # SKIP $2"
	fi
}

finish()
{
	[ "$((tests_passed + tests_failed))" -gt 0 ] || not_ok "$(basename "$0")" 'no test was run'
	[ "$tests_failed" = 0 ]
	exit
}

# run COMMAND...: sets $status, $stdout and $stderr.
run()
{
	ran="$*"
	"$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
	status=$?
	stdout='' stderr=''
	[ ! -s "$tmp/stdout" ] || stdout=$(cat "$tmp/stdout")
	[ ! -s "$tmp/stderr" ] || stderr=$(cat "$tmp/stderr")
}

# What the last `run` did, for a failure's report.
last_run()
{
	printf 'command: %s\nstatus: %s\nstdout: %s\nstderr: %s\n' "$ran" "$status" "$stdout" "$stderr"
}

# expect NAME COMMAND...: ok if the command succeeds.
expect()
{
	_name=$1
	shift
	if "$@"; then
		ok "$_name"
	else
		not_ok "$_name" "$(last_run)"
	fi
}

# expect_status NAME STATUS: of the last run.
expect_status()
{
	expect "$1" [ "$status" = "$2" ]
}

# matches TEXT REGEX (extended), over several lines; expect_match NAME REGEX looks at stdout, expect_error at stderr.
matches()
{
	grep -Eq -e "$2" <<-END
		$1
	END
}

expect_match()
{
	expect "$1" matches "$stdout" "$2"
}

expect_error()
{
	expect "$1" matches "$stderr" "$2"
}

expect_equal()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "expected: $3
got:      $2"
	fi
}

# wait_for SECONDS COMMAND...: until the command succeeds. False if it didn't in time. Processes are dear where many tests wait
# side by side: it asks more seldom the longer it takes, and looks at the clock in every eighth round.
wait_for()
{
	_limit=$1 _until='' _round=0
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $((_round % 8)) = 0 ]; then
			_now=$(date +%s)
			_until=${_until:-$((_now + _limit))}
			[ "$_now" -le "$_until" ] || return 1
		fi
		_round=$((_round + 1))
		if [ "$_round" -le 8 ]; then
			sleep 0.1
		elif [ "$_round" -le 24 ]; then
			sleep 0.2
		else
			sleep 0.4
		fi
	done
}

# --- VMs. Theirs is $XDG_RUNTIME_DIR. ---

# detach NAME OPTION...: starts one in the background; it must work.
detach()
{
	_vm=$1
	shift
	run "$KTB" vm --detach --name "$_vm" "$@"
	expect_status "$_vm starts" 0
}

# field NAME MEMBER: what `ktb list --json` says of it.
field()
{
	"$KTB" list --json | jq -r ".[] | select(.name == \"$1\") | .$2"
}

# is_listed NAME STATUS
is_listed()
{
	"$KTB" list 2>/dev/null | grep -Eq "^$1 +$2"
}

# Where what it said is; and that, as lines.
console_log()
{
	echo "$XDG_RUNTIME_DIR/ktb/$1/console.log"
}

console()
{
	tr -d '\r' <"$(console_log "$1")"
}

# log_has NAME REGEX (basic): a `$` at its end is the end of a line, which a terminal's ends in a carriage return.
log_has()
{
	case $2 in
	*\$) grep -qae "${2%?}$carriage_return*\$" "$(console_log "$1")" ;;
	*) grep -qae "$2" "$(console_log "$1")" ;;
	esac
}
carriage_return=$(printf '\r')

# await NAME WHAT COMMAND...: ok when the command succeeds, within $patience seconds.
patience=120
await()
{
	_vm=$1 _what=$2
	shift 2
	if wait_for "$patience" "$@"; then
		ok "$_what"
	else
		not_ok "$_what" "$(console "$_vm" 2>&1 | tail -n 30)"
	fi
}

# await_log NAME WHAT REGEX
await_log()
{
	await "$1" "$2" log_has "$1" "$3"
}

# say NAME TEXT: types a line on its console. The folder's path may be longer than a socket's may.
say()
{
	(cd "$XDG_RUNTIME_DIR/ktb/$1" && printf '%s\r' "$2" | socat -u - UNIX-CONNECT:serial.sock)
}

# ask NAME COMMAND: types a line of shell; sets $stdout to what it printed.
asked=0
ask()
{
	asked=$((asked + 1)) ran=$2 status=0 stderr=
	say "$1" "echo be''gin$asked; $2; echo en''d$asked"
	if wait_for "$patience" log_has "$1" "^end$asked"; then
		stdout=$(console "$1" | sed -n "/^begin$asked\$/,/^end$asked\$/p" | sed '1d;$d')
	else
		stdout="no answer: $(console "$1" | tail -n 20)"
	fi
}

# plain_gdb ARGUMENT...: GDB, and nothing of the user's. It takes the index of debug information that `ktb gdb` keeps, or makes
# it: without one it reads that of a kernel for ten seconds, each time.
gdb_patience=240
plain_gdb()
{
	timeout "$gdb_patience" gdb -nx -batch -iex "set index-cache directory ${XDG_CACHE_HOME:-$HOME/.cache}/ktb/gdb-index" \
		-iex 'set index-cache enabled on' "$@"
}

# --- A debugger in the background: its process is $gdb, and what is typed there is written to descriptor 9. ---

# gdb_start COMMAND...: it goes on until gdb_end.
gdb_start()
{
	rm -f "$tmp/gdb.in"
	mkfifo "$tmp/gdb.in"
	"$@" <"$tmp/gdb.in" >"$tmp/gdb.out" 2>&1 &
	gdb=$!
	exec 9>"$tmp/gdb.in"
}

# gdb_says REGEX: whether it has said so.
gdb_says() { grep -qE "$1" "$tmp/gdb.out"; }

# In no way that it could prepare for.
gdb_end()
{
	kill -9 "$gdb" 2>/dev/null
	wait "$gdb" 2>/dev/null
	exec 9>&-
}

# --- Other users, other kernels ---

# as_user COMMAND...: as one who isn't root, if we are; else just as ourselves.
as_user()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

# fake_kernel FOLDER: makes a source tree of a kernel in miniature, whose Kconfig knows the built-in fragments' options. Its
# make drops FAKE_DROPPED*, for which the caller may say in that Kconfig why.
fake_kernel()
{
	mkdir -p "$(dirname "$1")"
	cp -r "$root/tests/data/fake-kernel" "$1"
	rm "$1/kconfig.awk"
	awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config \
		"$root"/share/kconfig/profiles/*.config >"$1/Kconfig"
	printf 'config %s\n\tbool "fake"\n\n' FAKE_ERROR FAKE_OTHER FAKE_DROPPED >>"$1/Kconfig"
}

# A terminal of 80 by 24: term_start COMMAND (a line of shell), then term_send KEYS... (tmux's names: Enter, C-c),
# term_screen, and term_wait SECONDS REGEX, which is false if the screen didn't show it in time.
term_tmux()
{
	tmux -S "$tmp/tmux$terminals" -f /dev/null "$@"
}

# A new server each time: the one that was stopped last may not be gone yet.
term_start()
{
	terminals=$((terminals + 1))
	at_exit 'term_stop'
	term_tmux new-session -d -x 80 -y 24 "$1"
	term_keep
}

# The screen of a session that was begun stays when its program ends.
term_keep()
{
	term_tmux set-option -g remain-on-exit on >/dev/null
	term_server=$(term_tmux display-message -p '#{pid}')
}

term_send()
{
	term_tmux send-keys "$@"
}

# tmux (3.3) can lose the signal that says that its program has ended, while it runs utempter's helper; then it waits
# for the next one, and the pane is never said to be dead.
term_screen()
{
	kill -CHLD "$term_server" 2>/dev/null
	term_tmux capture-pane -p -J
}

term_shows()
{
	matches "$(term_screen)" "$1"
}

term_wait()
{
	wait_for "$1" term_shows "$2"
}

term_stop()
{
	term_tmux kill-server 2>/dev/null
}
