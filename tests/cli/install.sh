#!/bin/sh
# timeout: 600
# meson install: what goes where, and that it works from there. meson dist: a tarball that can be built and installed, into
# folders of another layout.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# What the tarball is built of was compiled before, in another folder.
if command -v ccache >/dev/null; then
	CCACHE_DIR=$(ccache --get-config cache_dir)
	export CCACHE_DIR CCACHE_BASEDIR="$tmp" CCACHE_NOHASHDIR=1
fi
export XDG_CACHE_HOME="$tmp/cache" XDG_CONFIG_HOME="$tmp/config" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
unset DESTDIR
mkdir -p "$tmp/home" "$tmp/elsewhere"
mkdir -m 700 "$tmp/run"
cd "$tmp/elsewhere" || exit 1
build=$(dirname "$KTB")

cp -r "$root/tests/data/fake-kernel" "$tmp/linux"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config >"$tmp/linux/Kconfig"

# vmlinux: of what the last run printed.
vmlinux()
{
	printf '%s\n' "$stdout" | sed -n 's/^vmlinux *//p'
}

# works NAME PROGRAM DATA: it does, and takes its data from below the folder DATA.
works()
{
	run "$2" version
	expect_status "$1: it runs" 0
	run "$2" help vm
	expect_match "$1: it helps" '^ktb vm - '
	run "$2" build --source "$tmp/linux"
	expect_status "$1: it builds" 0
	expect_error "$1: or finds it has nothing to build" 'up to date'
	expect_equal "$1: it is the same kernel as in the tree" "$(vmlinux)" "$first"
	run "$2" config --source "$tmp/linux" --json
	expect_match "$1: it uses its own fragments" "\"file\": \"$3/ktb/kconfig/base\.config\""
}

run "$KTB" build --source "$tmp/linux"
expect_status 'a kernel is built from the tree' 0
first=$(vmlinux)

# --- meson install ---

DESTDIR=$tmp/dest meson install -C "$build" --no-rebuild >"$tmp/install.log" 2>&1
expect_equal 'meson install' $? 0
program=$(find "$tmp/dest" -path '*/bin/ktb')
prefix=${program%/bin/ktb}
for file in bin/ktb libexec/ktb/guest-init share/ktb/kconfig/base.config share/ktb/kconfig/compat.config \
	share/man/man1/ktb.1 share/bash-completion/completions/ktb share/zsh/site-functions/_ktb \
	share/fish/vendor_completions.d/ktb.fish; do
	expect "installs $file" [ -s "$prefix/$file" ]
done
expect_equal 'and nothing else' "$(find "$tmp/dest" -type f | grep -vc '/share/ktb/kconfig/.*\.config$')" 6
expect_equal 'the completion is what the program prints' "$(cat "$prefix/share/bash-completion/completions/ktb")" \
	"$("$KTB" completion bash)"
works 'installed' "$program" "$prefix/share"
mv "$tmp/dest" "$tmp/moved"
works 'moved' "$tmp/moved${program#"$tmp/dest"}" "$tmp/moved${prefix#"$tmp/dest"}/share"
mkdir "$tmp/bin"
ln -s "$tmp/moved${program#"$tmp/dest"}" "$tmp/bin/ktb"
works 'by a link' "$tmp/bin/ktb" "$tmp/moved${prefix#"$tmp/dest"}/share"
rm -r "$tmp/moved${prefix#"$tmp/dest"}/share"
run "$tmp/bin/ktb" build --source "$tmp/linux"
expect_status 'without its data it says what is missing' 3
expect_error 'and where it looked' 'find the built-in Kconfig fragments: none of '
run "$tmp/bin/ktb" help vm
expect_status 'but it still helps' 0

# --- meson dist ---

if ! git -C "$root" rev-parse HEAD >/dev/null 2>&1; then
	skip 'meson dist' 'this is no git checkout'
	finish
fi
# In a build folder of its own: dist needs no more than a configured one.
if meson setup -Dtests=false "$tmp/for-dist" "$root" >"$tmp/dist.log" 2>&1 &&
	meson dist -C "$tmp/for-dist" --no-tests --allow-dirty --formats gztar >>"$tmp/dist.log" 2>&1; then
	ok 'meson dist'
else
	not_ok 'meson dist' "$(tail -n 20 "$tmp/dist.log")"
fi
mkdir "$tmp/release"
tar -C "$tmp/release" -xzf "$tmp"/for-dist/meson-dist/ktb-*.tar.gz
source=$(echo "$tmp"/release/ktb-*)
expect 'the tarball has the version in its name' [ -d "$tmp/release/ktb-$("$KTB" version | sed 's/ktb //')" ]
for file in ktb README.md LICENSE man/ktb.1.scd share/kconfig/base.config tests/lib.sh; do
	expect "the tarball has $file" [ -s "$source/$file" ]
done
if meson setup -Dtests=false --prefix "$tmp/opt" --datadir data --libexecdir lib/exec --bindir programs \
	"$tmp/out" "$source" >"$tmp/release.log" 2>&1 && meson install -C "$tmp/out" >>"$tmp/release.log" 2>&1; then
	ok 'it can be built and installed'
else
	not_ok 'it can be built and installed' "$(tail -n 20 "$tmp/release.log")"
fi
rm -rf "$tmp/out" "$source"
works 'another layout' "$tmp/opt/programs/ktb" "$tmp/opt/data"

finish
