#!/bin/sh
# timeout: 300
# Modules out of the kernel's tree, built and loaded on each kernel: ktb module.
# shellcheck disable=SC2016 # expanded later
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1; forget_modules'

# Its folders in the cache go with the test's.
# shellcheck disable=SC2317 # called when it ends
forget_modules()
{
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild "$XDG_CACHE_HOME"/ktb/module/*/src/Makefile; do
		case $(readlink "$_f") in
		"$tmp"/*) rm -rf "${_f%/src/*}" ;;
		esac
	done
}

make_module()
{
	mkdir -p hello/parts
	printf 'obj-m := hello.o\nhello-y := main.o parts/answer.o\n' >hello/Kbuild
	cat >hello/main.c <<'END'
#include <linux/module.h>
int hello_answer(void);
static int code;
module_param(code, int, 0444);
static int __init hello_init(void)
{
	pr_info("hello: answer %d in " __FILE__ "\n", hello_answer());
	return -code;
}
static void __exit hello_exit(void)
{
}
module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("GPL");
END
	printf 'int hello_answer(void);\nint hello_answer(void)\n{\n\treturn 42;\n}\n' >hello/parts/answer.c
}

module()
{
	run timeout 120 "$KTB" module "$@"
}

on_kernel()
{
	version=$1 source=$2

	rm -rf hello
	make_module
	find hello | sort >before
	module --source "$source" hello
	expect_status "$version: a module is built" 0
	expect "$version: it is where ktb says" test -f "$stdout"
	expect "$version: with debug information that names the folder" sh -c "readelf --debug-dump=info '$stdout' | grep -q '$tmp/hello/main.c'"
	run "$KTB" vm --detach --name vm --port off --memory 512M --source "$source"
	expect_status "$version: a VM runs" 0
	# The configuration here asks for the newest source.
	module hello --name vm
	expect_equal "$version: for that VM it is built against its kernel" \
		"$(modinfo -F vermagic "$stdout" | cut -d ' ' -f 1)" "$(field vm release)"
	printf '[vm]\nname = vm\n' >ktb.conf
	module hello
	expect_match "$version: a VM that is named in ktb.conf decides nothing" '/hello\.ko$'
	expect_equal "$version: but the source does" "$(modinfo -F vermagic "$stdout" | cut -d . -f 1,2)" 6.12
	rm ktb.conf
	module hello --load
	expect_status "$version: the module is inserted" 0
	expect_error "$version: what the kernel says to it" "^ktb: kernel: hello: answer 42 in $tmp/hello/main.c"
	run "$KTB" exec -- lsmod
	expect_match "$version: it is there" '^hello '
	module hello --load
	expect_status "$version: a second time" 1
	expect_error "$version: and what to do" 'a module of that name is there.*rmmod hello'
	run "$KTB" exec -- rmmod hello
	sed -i 's/42/43/' hello/parts/answer.c
	module hello --load -- code=12
	expect_status "$version: a module that refuses" 1
	expect_error "$version: its errno" 'insert hello: Cannot allocate memory'
	expect_error "$version: after a change it is built anew" 'kernel: hello: answer 43'
	printf 'int nonesuch_at_all(void);\nint hello_answer(void);\nint hello_answer(void)\n{\n\treturn nonesuch_at_all();\n}\n' \
		>hello/parts/answer.c
	module hello --load
	expect_status "$version: a symbol that is not there" 1
	expect_error "$version: is said" 'nonesuch_at_all'
	printf 'int hello_answer(void);\nint hello_answer(void)\n{\n\treturn nonesuch;\n}\n' >hello/parts/answer.c
	module hello --source "$source"
	expect_status "$version: a build that fails" 1
	expect_error "$version: the error, in the folder's words" "^$tmp/hello/parts/answer.c:4:[0-9]+: error: .*nonesuch.* undeclared"
	find hello | sort >after
	expect "$version: nothing was written to the folder" cmp before after
	"$KTB" stop vm 2>/dev/null

	# A part of it that comes as an object, without its source; and what a make in the folder has left.
	rm -rf hello
	make_module
	gcc -O2 -mcmodel=kernel -mno-red-zone -fno-pic -ffreestanding -fcf-protection=none -g0 -c -o hello/parts/answer.o \
		hello/parts/answer.c
	rm hello/parts/answer.c
	echo nonsense >hello/main.o
	cp hello/parts/answer.o blob.o
	module --source "$source" hello
	expect_status "$version: a module with an object of somebody else's is built" 0
	expect "$version: that is in it" sh -c "nm '$stdout' | grep -q ' [Tt] hello_answer$'"
	expect "$version: and is as it was" cmp blob.o hello/parts/answer.o
	touch hello/parts/.answer.o.cmd
	module --source "$source" hello
	expect_status "$version: one that a make has left is not taken" 1
}

module
expect_status 'no folder' 2
module empty --name nonesuch
expect_status 'a VM that is not there' 1
expect_error 'said so' 'nonesuch|no VM runs'
module nonesuch
expect_error 'a folder that is not there' 'nonesuch: No such file'
mkdir empty
module empty -- code=1
expect_error 'parameters without --load' 'need --load'
on_kernel 6.12 "$(ls /usr/src/linux-source-6.12.tar.*)"
on_kernel 6.1 "$(ls /usr/src/linux-source-6.1.tar.*)"
module empty
expect_error 'a folder with nothing to build' 'has no Kbuild and no Makefile'

finish
