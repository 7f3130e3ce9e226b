#!/bin/sh
# `ktb build` with nothing to do; with --long also a whole build over plain make.
# usage: build.sh [--git TREE] [--long]     RUNS=10
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

tree='' long=''
while [ $# -gt 0 ]; do
	case $1 in
	--git) tree=$2; shift ;;
	--long) long=yes ;;
	*) sed -n '3s/^# //p' "$0" >&2; exit 2 ;;
	esac
	shift
done

"$KTB" build >/dev/null || exit 1
i=0
while [ "$i" -lt "$RUNS" ]; do
	seconds "$KTB" build >>"$scratch/nothing" || exit 1
	i=$((i + 1))
done
absolute 'ktb build, nothing to do, source from a package' 0.1 "$scratch/nothing"

if [ -n "$tree" ]; then
	"$KTB" build --source "$tree" >/dev/null || exit 1
	on_tree() { seconds "$KTB" build --source "$tree"; }
	git_status() { seconds git -C "$tree" status; }
	alternate on_tree git_status && ratio 'ktb build, nothing to do, a git tree, over git status' 1.5
fi

# One run each: it takes many minutes. The same configuration, the same number of jobs, no ccache.
if [ -n "$long" ]; then
	source=$("$KTB" build -q | sed -n 's/^source *//p')
	config=$("$KTB" build -q | sed -n 's/^build *//p')/.config
	jobs=$(getconf _NPROCESSORS_ONLN)
	mkdir "$scratch/out"
	cp "$config" "$scratch/out/.config"
	plain()
	{
		make -C "$source" O="$scratch/out" ARCH=x86_64 olddefconfig &&
			make -C "$source" O="$scratch/out" ARCH=x86_64 -j"$jobs" all compile_commands.json scripts_gdb
	}
	XDG_CACHE_HOME="$scratch/cache" seconds "$KTB" build --ccache=no --base "$config" -j "$jobs" >"$scratch/a" || exit 1
	seconds plain >"$scratch/b" || exit 1
	ratio 'ktb build from nothing, over plain make' 1.05
fi
