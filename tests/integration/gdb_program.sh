#!/bin/sh
# timeout: 300
# gdb.init and gdb.program: a file of the user's commands, and programs that are wrapped around GDB, as pwndbg and gef are.
# shellcheck disable=SC2016 # GDB's variables
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
# What is known of the GDB here is asked anew for each program: not in the user's cache.
cache=$XDG_CACHE_HOME
mkdir -m 700 "$tmp/run" "$tmp/home"
mkdir "$tmp/project" "$tmp/project/below" "$tmp/bin"
cd "$tmp/project" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

run "$KTB" vm --detach --port auto --memory 512M
expect_status 'a VM runs' 0
export XDG_CACHE_HOME="$tmp/cache"
[ -d "$cache" ] || not_ok 'there is a cache'

# --- A file of commands ----------------------------------------------------------------------------------------------

# It sees the connection and the breakpoints, and comes before the rest of the command line.
cat >my.gdb <<'END'
printf "from the file: connected %d\n", $pc != 0
info breakpoints
set $mine = 40
END
printf '[gdb]\ninit = my.gdb\nbreak = kernel_clone\n' >ktb.conf
cd below || exit 1
run timeout 120 "$KTB" gdb -- -batch -ex 'print $mine + 2'
expect_status 'gdb.init works' 0
expect_match 'GDB is connected by then' '^from the file: connected 1$'
expect_match 'the breakpoints are set' '^1 +breakpoint .* kernel_clone'
expect_match 'what stands behind -- comes later' '^\$1 = 42$'
echo 'print 7 * 6' >other.gdb
run timeout 120 "$KTB" gdb --init other.gdb -- -batch
expect_match '--init takes its place' '= 42$'
expect_equal 'the other is not read' "$(printf '%s\n' "$stdout" | grep 'from the file')" ''
run "$KTB" gdb --init none.gdb -- -batch
expect_status 'a file that is not there: fails' 1
expect_error 'it is named' 'none\.gdb'
run "$KTB" gdb --init "$tmp" -- -batch
expect_status 'a folder: a usage error' 2
cd .. && rm ktb.conf

# --- Programs around GDB ---------------------------------------------------------------------------------------------

gdb=$(command -v gdb)
cat >"$tmp/bin/wrapped-gdb" <<END
#!/bin/sh
echo 'wrapper: 160 commands loaded'
echo 'wrapper: version 2024.1 (not that of the debugger)'
exec '$gdb' -q -iex 'set \$wrapped = 1' "\$@"
END
chmod 755 "$tmp/bin/wrapped-gdb"
printf '[gdb]\nprogram = %s\n' "$tmp/bin/wrapped-gdb" >ktb.conf
run timeout 120 "$KTB" gdb --break kernel_clone -- -batch -ex 'print $wrapped' -ex lx-version
expect_status 'a wrapper around GDB works' 0
expect_match 'it is the one that ran' '= 1$'
expect_match "with the kernel's commands" '^Linux version'
rm ktb.conf

ln -s wrapped-gdb "$tmp/bin/gdb-multiarch"
PATH=$tmp/bin:$PATH
run timeout 120 "$KTB" gdb --program gdb-multiarch -- -batch -ex 'print $wrapped'
expect_match 'one that is found on PATH' '= 1$'

printf '#!/bin/sh\necho "lldb version 14"\n' >"$tmp/bin/no-gdb"
chmod 755 "$tmp/bin/no-gdb"
run "$KTB" gdb --program no-gdb -- -batch
expect_status 'what is no GDB: fails' 1
expect_error 'it says so' 'lldb version 14'
run "$KTB" gdb --program none-such -- -batch
expect_status 'what is not installed: status 3' 3

XDG_CACHE_HOME=$cache
run "$KTB" stop
expect_status 'the VM ends' 0

finish
