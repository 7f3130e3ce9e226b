#!/bin/sh
# timeout: 600
# Guests whose kernel chooses its own place, and another one at each reboot, while the last one's image stays in memory: what
# looks at them from outside looks at the one that runs. On both kernels.
#
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for others; functions are called by wait_for
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

run=/tmp/ktb-moved.$$
export XDG_RUNTIME_DIR="$run"
mkdir -m 700 "$run" || exit 1
at_exit 'rm -rf "$run"'
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

inside()
{
	timeout 100 "$KTB" exec --name "$vm" -- sh -c "$1" 2>/dev/null
}

# It has booted, and not the time before.
is_another_boot()
{
	now=$(inside 'cat /proc/sys/kernel/random/boot_id') && [ -n "$now" ] && [ "$now" != "$last" ]
}

# What ktb says of _text, as the guest writes it.
text_by()
{
	"$KTB" sym _text --json "$@" | jq -r '.[0].address | ltrimstr("0x")'
}

# Which boot ktb ps shows, again and again.
poll()
{
	: >"$tmp/go"
	: >"$tmp/polled"
	while [ -e "$tmp/go" ]; do
		"$KTB" ps --name "$vm" >"$tmp/ps" 2>/dev/null
		grep -o -m 1 "boot-$boot\$" "$tmp/ps" || echo another
	done >>"$tmp/polled"
}

on_kernel()
{
	vm=moved-$1 last='' places=''
	detach "$vm" --port off --memory 1G --kaslr --source "$2"
	await "$vm" "$vm: it boots" is_another_boot
	"$KTB" dmesg -w --name "$vm" >"$tmp/followed" 2>&1 &
	follower=$!
	for boot in 1 2 3 4; do
		last=$now
		said=$(inside "grep ' _text\$' /proc/kallsyms | cut -d ' ' -f 1")
		places="$places $said"
		expect_equal "$vm: boot $boot: ktb sym has the place that the guest says" "$(text_by --name "$vm")" "$said"
		# The name is of this boot only.
		inside "(printf boot-$boot >/proc/self/comm; exec 0<>/dev/null 1>&0 2>&0; while :; do sleep 1000; done) &"
		run "$KTB" ps --name "$vm"
		expect_equal "$vm: boot $boot: ktb ps has the tasks of this one" \
			"$(printf '%s\n' "$stdout" | sed -n 's/.* \(boot-[0-9]\)$/\1/p' | sort -u)" "boot-$boot"
		run "$KTB" dump --name "$vm" --force --compress "$tmp/core"
		expect_equal "$vm: boot $boot: and so has a core" "$(text_by --core "$tmp/core")" "$said"
		poll &
		poller=$!
		inside '(sleep 0.2; reboot -f) >/dev/null 2>&1 </dev/null &'
		await "$vm" "$vm: boot $boot: it boots again" is_another_boot
		rm -f "$tmp/go"
		wait "$poller"
		# Before the reset it is the right one.
		expect_equal "$vm: boot $boot: once it is gone it is never shown again" "$(uniq "$tmp/polled")" "boot-$boot
another"
	done
	expect "$vm: dmesg -w has seen each boot" wait_for 20 sh -c '[ "$(grep -c "Linux version" "$1")" = 5 ]' sh "$tmp/followed"
	kill "$follower" 2>/dev/null
	expect "$vm: it was at several places" [ "$(printf '%s\n' "$places" | tr ' ' '\n' | sort -u | grep -c .)" -gt 1 ]
	"$KTB" stop --force "$vm" 2>/dev/null
}
export KTB

on_kernel 6.12 ''
if [ -e /usr/src/linux-source-6.1.tar.xz ]; then
	on_kernel 6.1 /usr/src/linux-source-6.1.tar.xz
else
	skip 'a kernel 6.1' 'linux-source-6.1 is not installed'
fi
finish
