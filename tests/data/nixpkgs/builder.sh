# shellcheck shell=bash disable=SC2154,SC2164,SC2016 # what Nix gives the builder of a stand-in's package in the environment, and -e; text of a script
# Makes a package of the stand-in: what nixpkgs would have built from sources, in miniature; then come the phases that our
# flake has written, as nixpkgs would run them.

cd "$TMPDIR"

# What our package calls in its phases, with the same effect, as far as tests can see it.
patchelf() {
	[ "$1" = --add-rpath ] && [ -x "$3" ] || exit 1
	echo "$2" >>"$out/rpath"
}

# wrapProgram PROGRAM (--prefix | --suffix) VARIABLE SEPARATOR VALUE...
wrapProgram() {
	program=$1
	shift
	mv "$program" "${program%/*}/.${program##*/}-wrapped"
	{
		echo '#!/bin/sh'
		while [ $# -gt 0 ]; do
			case $1 in
			--prefix) printf 'export %s="%s%s$%s"\n' "$2" "$4" "$3" "$2" ;;
			--suffix) printf 'export %s="$%s%s%s"\n' "$2" "$2" "$3" "$4" ;;
			*) exit 1 ;;
			esac
			shift 4
		done
		printf 'exec "%s" "$@"\n' "${program%/*}/.${program##*/}-wrapped"
	} >"$program"
	chmod +x "$program"
}

# The program under test, in place of one that would be compiled.
make_ktb() {
	[ -e "$src/meson.build" ] || exit 1
	mkdir -p "$out/bin"
	ln -s "$machineKtb" "$out/bin/ktb"
	eval "${preCheck-}"
}

# With debug information that speaks of a folder that is gone afterwards, and with scripts that are links, as a real one has.
make_kernel() {
	cp -r "$src" linux
	mkdir -p "$TMPDIR/linux/build/scripts/gdb/linux"
	cd "$TMPDIR/linux/build"
	export buildRoot=$PWD
	gcc -g -o vmlinux ../kernel/fork.c
	mkdir -p "$out" "$dev/lib/modules/$modDirVersion/source" "$modules/lib/modules/$modDirVersion/kernel"
	ln -s "$TMPDIR/linux/scripts/gdb/vmlinux-gdb.py" vmlinux-gdb.py
	ln -s "$TMPDIR/linux/scripts/gdb/linux/hello.py" scripts/gdb/linux/hello.py
	cp vmlinux "$dev/"
	echo "$kernelConfig" >"$out/config"
	if [ -n "$machineKernel" ]; then
		ln -sf "$machineKernel/vmlinux" "$dev/vmlinux"
		ln -s "$machineKernel/bzImage" "$out/bzImage"
		rmdir "$modules/lib/modules/$modDirVersion/kernel" "$modules/lib/modules/$modDirVersion"
		ln -s "$machineKernel/modules/lib/modules"/* "$modules/lib/modules/"
	fi
	cd "$dev/lib/modules/$modDirVersion/source"
}

make_programs() {
	mkdir -p "$out/bin"
	for program in $provides; do
		ln -s "$(command -v "$program")" "$out/bin/$program"
	done
}

make_script() {
	mkdir -p "$out/bin"
	printf '%s' "$text" >"$out/bin/$name"
	chmod +x "$out/bin/$name"
}

make_source() {
	cp -r "$src" source
	chmod -R u+w source
	cd source
	eval "$installPhase"
}

case ${make-} in
kernel | programs | script) "make_$make" ;;
nothing) mkdir -p "$out" ;;
*)
	case ${pname-} in
	ktb | ktb-unit-tests) make_ktb ;;
	*-source) make_source ;;
	*) eval "$buildCommand" ;;
	esac
	;;
esac
eval "${postInstall-}"
eval "${postFixup-}"
