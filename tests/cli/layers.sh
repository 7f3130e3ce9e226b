#!/bin/sh
# scripts/check-layers finds each kind of violation, and nothing else.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

tree=$tmp/tree

# fresh: a small tree in which all is as it should be.
fresh()
{
	rm -rf "$tree"
	mkdir -p "$tree/guest"
	for dir in base config mem rsp kbuild initramfs debuginfo kernel vm supervisor doctor target server cmd; do
		mkdir -p "$tree/src/$dir"
		echo '#include "base/err.h"' >"$tree/src/$dir/$dir.c"
	done
	echo '#include <stdint.h>' >"$tree/guest/protocol.h"
	echo '#include "protocol.h"' >"$tree/guest/init.c"
}

check_tree()
{
	run "$root/scripts/check-layers" "$tree"
}

# allowed FILE LINE / forbidden FILE LINE [WHAT]
allowed()
{
	fresh
	printf '%s\n' "$2" >>"$tree/$1"
	check_tree
	expect_status "$1 may have: $2" 0
}

forbidden()
{
	fresh
	printf '/* a\n * comment */\n%s\n' "$2" >"$tree/$1"
	check_tree
	if [ "$status" = 1 ] && matches "$stdout" "^$1:3: "; then
		ok "$1 may not have: $2"
	else
		not_ok "$1 may not have: $2" "$(last_run)"
	fi
}

run "$root/scripts/check-layers"
expect_status 'the sources keep to the rules' 0

fresh
check_tree
expect_status 'a tree in order passes' 0
expect_match 'it says how many files it looked at' '^16 files'

for module in mem rsp kbuild initramfs debuginfo config; do
	forbidden "src/$module/x.c" '#include "vm/vm.h"'
	forbidden "src/$module/x.h" '#include "cmd/command.h"'
done
forbidden src/base/x.c '#include "config/config.h"'
forbidden src/kernel/x.c '#include "rsp/rsp.h"'
forbidden src/kernel/x.c '#include "target/target.h"'
forbidden src/vm/x.c '#include "config/config.h"'
forbidden src/vm/x.c '#include "supervisor/loop.h"'
forbidden src/supervisor/x.c '#include "kernel/task.h"'
forbidden src/supervisor/x.c '#include "server/server.h"'
forbidden src/doctor/x.c '#include "kernel/task.h"'
forbidden src/target/qemu.c '#include "kernel/task.h"'
forbidden src/target/kgdb.c '#include "debuginfo/types.h"'
forbidden src/target/linux.c '#include "vm/qmp.h"'
forbidden src/server/x.c '#include "kernel/task.h"'
forbidden src/server/x.c '#include "target/qemu.h"'
forbidden src/server/x.c '#include "vm/qmp.h"'
forbidden src/doctor/x.c '#include "cmd/command.h"'
forbidden src/vm/x.c '#	include	"cmd/command.h"'
forbidden src/vm/x.c '#include <cmd/command.h>'
forbidden src/vm/x.c '#include "../cmd/command.h"'
forbidden src/vm/x.c '#include "qmp.h"'
forbidden src/vm/x.c '#include "guest/util.h"'
forbidden guest/x.c '#include "base/util.h"'
forbidden guest/x.c '#include "../src/base/util.h"'

allowed src/kernel/x.c '#include "mem/mem.h"'
allowed src/vm/x.c '#include "mem/mem.h"'
allowed src/vm/x.c '#include "guest/protocol.h"'
allowed src/target/linux.c '#include "kernel/task.h"'
allowed src/server/x.c '#include "target/target.h"'
allowed src/cmd/x.c '#include "server/server.h"'
allowed src/config/x.c '#include "config/options.def"'
allowed guest/x.c '#include "guest/protocol.h"'

forbidden src/vm/x.c '	exit(1);'
forbidden src/vm/x.c '	printf("%d", 1);'
forbidden src/vm/x.c '	puts("x");'
forbidden src/vm/x.c '	fputs("x", stdout);'
forbidden src/base/x.c '	const char *s = "/*"; exit(2);'
allowed src/cmd/x.c '	printf("%d\n", 1); exit(0);'
allowed guest/x.c '	printf("x");'
allowed src/vm/x.c '	_exit(127); buf_puts(b, "exit(1)"); fprintf(stderr, "x"); /* exit(1) */ // stdout'
allowed src/vm/x.c '	dup2(fd, STDOUT_FILENO);'

forbidden src/target/qemu.c '	q->pc = description_find(d, "rip");'
forbidden src/target/linux_tasks.c '	{ "k_gs_base", 8 },'
forbidden src/server/x.c '	if (streq(name, "r15"))'
allowed src/target/machine.c 'const char machine_pc[] = "rip";'
allowed src/target/kgdb_registers.c '	{ "rip", 8 },'
allowed src/target/linux_tasks.c '	return description_find(d, machine_pc);'
allowed src/kernel/x.c '	{ FACT_REGS_IP, "rip" },'

fresh
mkdir "$tree/src/extra"
echo '#include <stdio.h>' >"$tree/src/extra/x.c"
check_tree
expect_status 'a module nobody knows is found' 1

fresh
find "$tree" -name '*.[ch]' -delete
check_tree
expect_status 'a tree without sources is an error' 1

run "$root/scripts/check-layers" "$tmp/nowhere"
expect 'no tree at all is an error' [ "$status" != 0 ]

finish
