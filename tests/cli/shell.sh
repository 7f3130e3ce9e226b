#!/bin/sh
# ktb shell: the environment of a command and of a shell, with and without a kernel.
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

kernels=${XDG_CACHE_HOME:-$HOME/.cache}
export XDG_RUNTIME_DIR="$tmp/run" XDG_CONFIG_HOME="$tmp/config" XDG_CACHE_HOME="$tmp/cache" CCACHE_DISABLE=1
mkdir -m 700 "$XDG_RUNTIME_DIR" "$tmp/config" "$tmp/home" "$tmp/work" "$tmp/bin"
cd "$tmp/work" || exit 1
unset KTB_VMLINUX KTB_SOURCE KTB_BUILD PROMPT_COMMAND
cp -r "$root/tests/data/fake-kernel" "$tmp/linux"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config >"$tmp/linux/Kconfig"

# --- Commands -----------------------------------------------------------------------------------------------------

XDG_CACHE_HOME=$kernels
run "$KTB" shell -- sh -c 'echo "$KTB_VMLINUX" && [ -e "$KTB_VMLINUX" ] && [ -e "$KTB_SOURCE/init/main.c" ] && [ -e "$KTB_BUILD/.config" ]'
expect_status 'a command has the places of the kernel' 0
expect_match 'symbols' '/vmlinux$'
run "$KTB" shell -- nm "$("$KTB" build -q | sed -n 's/^vmlinux *//p')"
expect_match 'arguments are handed on' ' T kernel_clone$'
XDG_CACHE_HOME=$tmp/cache
run "$KTB" shell --source "$tmp/linux" -- sh -c 'exit 42'
expect_status 'its exit status is ours' 42
run "$KTB" shell --source "$tmp/linux" -- nonesuch-command
expect_status 'no such command: status 127' 127
expect_error 'and it is said' 'start nonesuch-command: No such file'
run env KTB_VMLINUX=/old "$KTB" shell --source "$tmp/linux" -- sh -c 'echo "<${KTB_VMLINUX-none} ${KTB_SOURCE-none} ${KTB_BUILD-none}>"; exit 3'
expect_status 'no kernel: the command runs all the same' 3
expect_equal 'the variables are not set' "$stdout" '<none none none>'
expect_error 'it is said why' 'not built yet.*ktb build'
expect 'nothing was built' [ ! -e "$tmp/cache/ktb/build" ]
run "$KTB" shell --source /nonesuch -- true
expect_status 'a source that is not there is no reason not to run' 0
expect_error 'and it is said' 'KTB_VMLINUX.*not set: .*/nonesuch'
mkdir "$tmp/few"
for program in gcc ld sh env; do
	ln -s "$(command -v "$program")" "$tmp/few/$program"
done
run env PATH="$tmp/few" "$KTB" shell --source "$tmp/linux" -- sh -c 'exit 5'
expect_status 'programs that are missing are no reason not to run' 5
for program in gdb qemu-system-x86_64 tmux socat; do
	expect_error "$program: missing, and its package" "$program is not installed.*apt-get install"
done
# What is found first is the one that runs, even if another ktb stands before.
printf '#!/bin/sh\necho other\n' >"$tmp/bin/ktb"
chmod +x "$tmp/bin/ktb"
run env PATH="$tmp/bin:$PATH" "$KTB" shell --quiet --source "$tmp/linux" -- sh -c 'command -v ktb'
expect_equal 'ktb is on PATH' "$(readlink -f "$stdout")" "$(readlink -f "$KTB")"
run sh -c 'printf "one\ntwo\n" | "$1" shell -q --source "$2" -- cat' sh "$KTB" "$tmp/linux"
expect_equal 'standard input is the command'"'"'s' "$stdout" 'one
two'
run sh -c 'echo "echo from \$0" | SHELL=/bin/sh "$1" shell --source "$2"' sh "$KTB" "$tmp/linux"
expect_match 'a shell without a terminal reads its input' '^from /bin/sh$'
expect 'and is not greeted' [ -z "$(printf '%s\n' "$stderr" | grep 'development shell')" ]

# --- A shell on a terminal ------------------------------------------------------------------------------------------

printf "PS1='mine> '\nalias hello='echo from my rc'\n" >"$tmp/home/.bashrc"
term_start "HOME=$tmp/home SHELL=$(command -v bash) TERM=xterm '$KTB' shell --source '$tmp/linux'"
expect 'bash: its own rc, and the prompt is marked' term_wait 20 '^\(ktb\) mine> *$'
expect 'a greeting that helps' term_shows 'ktb doctor'
term_send 'hello; ktb version' Enter
expect 'bash: its own aliases' term_wait 20 '^from my rc'
expect 'ktb is there' term_wait 20 '^ktb [0-9]'
term_send 'exit 7' Enter
expect "its status is ktb's" term_wait 20 'Pane is dead \(status 7'
term_stop
wait_for 10 sh -c "! [ -S '$tmp/tmux' ]" || rm -f "$tmp/tmux"
term_start "SHELL=/bin/sh TERM=xterm '$KTB' shell --source '$tmp/linux'"
expect 'sh: the prompt is marked' term_wait 20 '^\(ktb\) [$#] *$'
term_send 'exit' Enter
term_wait 20 'Pane is dead'
finish
