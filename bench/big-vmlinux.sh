#!/bin/sh
# Makes a large vmlinux out of a small one: the same kernel, the same build ID, and more debug information behind its own.
# It stands for a distribution's kernel, in whose place it can be debugged, since code and symbols are the small one's.
# usage: big-vmlinux.sh VMLINUX RESULT [MEGABYTES]     600 by default; wants gcc, binutils and some GB in $TMPDIR
set -eu

[ $# -ge 2 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
vmlinux=$1 result=$2 size=${3:-600}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# A unit as the kernel has them: structs that point at each other, inlined functions, and functions that use them.
awk 'BEGIN {
	srand(1)
	for (i = 0; i < 1500; i++) {
		printf "enum e%d { E%d_A, E%d_B };\nstruct s%d {\n", i, i, i, i
		for (m = 0; m < 12; m++)
			printf i && rand() < 0.6 ? "struct s%d *m%d;\n" : "unsigned long n%d_%d;\n", int(rand() * i), m
		printf "enum e%d kind; int (*op)(struct s%d *, unsigned long); };\n", i, i
	}
	for (i = 0; i < 600; i++)
		printf "static inline unsigned long inl%d(struct s%d *p, unsigned long x)" \
			"{ for (unsigned long i = 0; i < x; i++) x ^= i * p->kind; return x; }\n", i, i
	for (i = 0; i < 60; i++) {
		printf "unsigned long UNIT_f%d(struct s%d *p, unsigned long x) { unsigned long r = x;\n", i, i
		for (k = 0; k < 8; k++) {
			j = int(rand() * 600)
			printf "{ struct s%d *q = (void *)p->op; r += inl%d(q, r); if (r & 1) return inl%d(q, x); }\n", j, j, j
		}
		printf "return r; }\n"
	}
}' >"$scratch/unit.c"
gcc -g -gdwarf-5 -O2 -S -o "$scratch/unit.s" "$scratch/unit.c"
as -o "$scratch/unit.o" "$scratch/unit.s"

# How many of them it takes, by what they add before they are linked.
own=$(wc -c <"$vmlinux")
unit=$(size -A "$scratch/unit.o" | awk '/^\.debug_(info|line|loclists|rnglists) / { n += $2 } END { print n }')
n=$(((size * 1000000 - own) / unit + 1))
[ "$n" -gt 0 ] || { echo "$vmlinux is larger than that already" >&2; exit 2; }
mkdir "$scratch/units"
# shellcheck disable=SC2016 # for the inner shell
seq "$n" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' \
	sh -c 'sed "s/UNIT/unit$1/g" "$2/unit.s" | as -o "$2/units/$1.o" -' sh '{}' "$scratch"

# The linker puts the units' sections behind the kernel's, which come first and as plain bytes, so that what refers to
# them stays right.
sections=$(readelf -SW "$vmlinux" | sed -n 's/.* \(\.debug_[a-z_]*\) .*/\1/p')
{
	echo '.section .note.GNU-stack,"",@progbits'
	for s in $sections; do
		objcopy --dump-section "$s=$scratch/$s" "$vmlinux" /dev/null
		printf '.section %s,"",@progbits\n.incbin "%s"\n' "$s" "$scratch/$s"
	done
} >"$scratch/own.s"
as -o "$scratch/own.o" "$scratch/own.s"
# Where the kernel has modules.
(cd "$scratch" && ld -Ttext=0xffffffffc0000000 -e 0 -o units.elf own.o units/*.o)
rm -rf "$scratch/units"
set --
for s in $sections; do
	objcopy --dump-section "$s=$scratch/$s" "$scratch/units.elf" /dev/null
	set -- "$@" --update-section "$s=$scratch/$s"
done
objcopy "$@" "$vmlinux" "$result"
