#!/bin/sh
# `ktb build` with nothing to do; with --long also a whole build over plain make.
# usage: build.sh [--long]     RUNS=10
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

long=''
case ${1-} in
'') ;;
--long) long=yes ;;
*) sed -n '3s/^# //p' "$0" >&2; exit 2 ;;
esac

"$KTB" build >/dev/null || exit 1
i=0
while [ "$i" -lt "$RUNS" ]; do
	seconds "$KTB" build >>"$scratch/nothing" || exit 1
	i=$((i + 1))
done
absolute 'ktb build, nothing to do, source from a package' 0.1 "$scratch/nothing"

# A git tree with all files of a kernel, and the makefiles of one that is built in a second: how long it takes to see that
# nothing has changed doesn't depend on what was built.
source=$("$KTB" build -q | sed -n 's/^source *//p')
tree=$scratch/tree
fake=$root/tests/data/fake-kernel
cp -r "$source" "$tree" && cp -r "$fake/." "$tree" || exit 1
awk -f "$fake/kconfig.awk" "$root"/share/kconfig/*.config >"$tree/Kconfig"
# Debian's source package ignores all of its files.
rm -f "$tree/.gitignore" && printf '*.o\n' >"$tree/.gitignore"
{
	git -C "$tree" init -q && git -C "$tree" add -A &&
		git -C "$tree" -c user.name=bench -c user.email=bench@localhost -c gc.auto=0 commit -qm source
} || exit 1
on_tree() { XDG_CACHE_HOME="$scratch/cache" seconds "$KTB" build --source "$tree"; }
git_status() { seconds git -C "$tree" status; }
on_tree >/dev/null && alternate on_tree git_status && ratio 'the same, a git tree, over git status' 1.5
rm -rf "$tree"

# One run each: it takes many minutes. The same configuration, the same number of jobs, no ccache.
if [ -n "$long" ]; then
	config=$("$KTB" build -q | sed -n 's/^build *//p')/.config
	jobs=$(getconf _NPROCESSORS_ONLN)
	mkdir "$scratch/out"
	cp "$config" "$scratch/out/.config"
	plain()
	{
		make -C "$source" O="$scratch/out" ARCH=x86_64 olddefconfig &&
			make -C "$source" O="$scratch/out" ARCH=x86_64 -j"$jobs" all compile_commands.json scripts_gdb
	}
	XDG_CACHE_HOME="$scratch/cache" seconds "$KTB" build --source "$source" --ccache=no --base "$config" -j "$jobs" >"$scratch/a" || exit 1
	seconds plain >"$scratch/b" || exit 1
	ratio 'ktb build from nothing, over plain make' 1.05
fi
