#!/bin/sh
# timeout: 1800
# The distribution's kernel, out of its package and its debug package, neither of them installed: 70 MB and 860 MB are
# downloaded.
# shellcheck disable=SC2016,SC2317 # for the guest's shell; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

patience=180
export XDG_CACHE_HOME="$tmp/cache" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
mkdir "$tmp/kernel" "$tmp/data"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
release=${package#linux-image-}
if ! apt-get download "$package" >download.log 2>&1; then
	not_ok "$package can be downloaded" "$(cat download.log)"
	finish
fi
dpkg-deb -x "$package"_*.deb kernel && rm "$package"_*.deb
# Newer packages have all below usr.
kernel=$(find kernel -name "vmlinuz-$release" | head -n 1)
echo content >data/file

run "$KTB" vm --detach --port auto --kernel "$kernel" --modules kernel --share data
expect_status 'the kernel runs, without its symbols' 0
await_log vm 'it comes up' 'debugvm:'
say vm 'echo release=$(uname -r); modprobe vfat && echo loaded=$(lsmod | grep -c ^vfat); echo data=$(cat /mnt/data/file)'
await_log vm 'it is that kernel' "^release=$release\$"
await_log vm 'modules load from the host' '^loaded=1'
await_log vm 'a folder is shared' '^data=content'
say vm 'sleep 3; ifconfig eth0 | grep inet; echo net=$(grep -c nameserver /etc/resolv.conf)'
await_log vm 'the network is up' '^net=[1-9]'
run "$KTB" gdb -- -batch
expect_error 'without symbols ktb gdb says what it needs' '--vmlinux'
run "$KTB" stop
expect_status 'it stops' 0

# The userland of this machine, below an overlay.
run "$KTB" vm --detach --port off --kernel "$kernel" --modules kernel --root /
expect_status 'with the root of this machine it runs' 0
await_log vm 'and comes up' 'debugvm:'
say vm 'echo shell=$0; touch /etc/ktb-was-here && echo written; modprobe vfat && echo module=$(lsmod | grep -c ^vfat)'
await_log vm 'its shell is that of this machine' 'shell=-\(bash\|sh\)'
await_log vm 'it can write' '^written'
await_log vm 'modules load there as well' '^module=1'
expect 'the machine itself is as it was' [ ! -e /etc/ktb-was-here ]
run "$KTB" stop
expect_status 'it stops, too' 0

if ! apt-get download "$package-dbg" >download.log 2>&1; then
	not_ok "$package-dbg can be downloaded" "$(cat download.log)"
	finish
fi
dpkg-deb --fsys-tarfile "$package"-dbg_*.deb | tar -x --wildcards "./usr/lib/debug/boot/vmlinux-*"
rm "$package"-dbg_*.deb
vmlinux=usr/lib/debug/boot/vmlinux-$release

run "$KTB" vm --detach --port auto --kernel "$kernel" --modules kernel --vmlinux "$vmlinux"
expect_status 'with the debug package it runs' 0
expect_equal 'it lacks nothing that a VM needs' "$(printf '%s\n' "$stderr" | grep warning)" ''
await_log vm 'and comes up with it' 'debugvm:'
say vm 'modprobe vfat'
say vm 'while sleep 0.2; do /bin/true; done &'
run timeout 300 "$KTB" gdb --break do_fork -- -batch -ex continue -ex 'bt 3' -ex 'print init_task.comm'
expect_match 'a breakpoint is hit, with its line' 'Breakpoint 1, kernel_clone .* at kernel/fork\.c:[0-9]+'
expect_match 'types are known' '"swapper'

# Such a kernel has ORC instead of frame pointers, hundreds of modules, and members of structures in an order of its own.
run "$KTB" ps --threads
expect_match 'its tasks are seen' ' init$'
expect_equal 'as many as it has itself' "$(printf '%s\n' "$stdout" | grep -c ' yes  ')" \
	"$("$KTB" exec -- sh -c 'for d in /proc/[0-9]*; do [ -e "$d/exe" ] || [ -s "$d/cmdline" ] || echo "$d"; done' | wc -l)"
run "$KTB" bt --all
expect_match 'stacks to their beginning' '--- entered from user mode, system call '
expect_equal 'and nothing guessed' "$(printf '%s\n' "$stdout" | grep -c '^#[0-9]* *?')" 0
expect_equal 'or broken off' "$(printf '%s\n' "$stdout" | grep -c -e '--- lost here')" 0
# Kernel threads that sleep, against the kernel's own word.
# shellcheck disable=SC2317
same_places()
{
	"$KTB" exec -- sh -c 'for d in /proc/[0-9]*; do echo "${d#/proc/} $(cat "$d/wchan")"; done' | sort >theirs
	"$KTB" ps --long --json | jq -r '.[] | select(.state == "S" and .kernel_thread) | "\(.pid) \(.sleeps_in)"' | sort >ours
	[ "$(wc -l <ours)" -gt 10 ] && [ -z "$(comm -23 ours theirs)" ]
}
expect 'they sleep where it says itself' wait_for 30 same_places
run "$KTB" lsmod
expect_match 'its modules are found on the host' '^vfat .* yes '
run "$KTB" read init_task.comm
expect_match 'a variable is read' '"swapper/0"'
run "$KTB" sym kernel_clone+0x10
expect_match 'an address has its line' 'kernel_clone\+0x10/0x[0-9a-f]+ at kernel/fork\.c:[0-9]+'
run "$KTB" stop
expect_status 'the last one stops' 0

finish
