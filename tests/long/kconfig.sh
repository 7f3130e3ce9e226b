#!/bin/sh
# timeout: 900
# Options that the real kernels drop: why, in the words of their own Kconfig files. Nothing is compiled but Kconfig.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config"
mkdir "$HOME"
cd "$tmp" || exit 1
printf 'CONFIG_KVM_XEN=y\n' >xen.config

for version in 6.12 6.1; do
	export XDG_CACHE_HOME="$tmp/$version"
	run "$KTB" build --source "$(ls "/usr/src/linux-source-$version".tar.*)" --fragment xen.config \
		--kconfig UNWINDER_GUESS=y --kconfig NO_SUCH_THING=y
	expect_status "$version: dropped options are an error" 2
	expect_error "$version: all are counted" '^ktb: [3-9] options that were asked for'
	expect_error "$version: each with its place and value" 'KVM_XEN=y, asked for in .*/xen\.config:1, is n'
	expect_error "$version: its definition" 'defined at arch/x86/kvm/Kconfig:[0-9]+'
	expect_error "$version: and the chain of what it needs" 'needs VIRTUALIZATION \(=n\): set VIRTUALIZATION=y'
	expect_error "$version: a choice's member that can't be had" 'UNWINDER_GUESS=y, asked for in --kconfig, is n'
	expect_error "$version: why" 'needs !STACKDEPOT \(=y\)|choice'
	expect_error "$version: one that doesn't exist" "NO_SUCH_THING=y, asked for in --kconfig, doesn't exist"
	rm -rf "$XDG_CACHE_HOME"
done

finish
