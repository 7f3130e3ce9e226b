#!/bin/sh
# timeout: 300
# A kernel that was built elsewhere: ktb's own ones, copied to where ktb knows nothing of them.
# shellcheck disable=SC2016,SC2317 # expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
built=$("$KTB" build -q) || not_ok 'the kernel is built'
other=$("$KTB" build -q --source "$(ls /usr/src/linux-source-6.1.tar.*)") || not_ok 'the other kernel is built'

# path NAME: of the kernel's files. other_path: of the other's.
path()
{
	printf '%s\n' "$built" | sed -n "s/^$1  *//p"
}

other_path()
{
	printf '%s\n' "$other" | sed -n "s/^$1  *//p"
}

mkdir "$tmp/elsewhere" "$tmp/home" "$tmp/cache"
cp "$(path bzImage)" "$tmp/elsewhere/vmlinuz"
ln -s "$(path vmlinux)" "$tmp/elsewhere/vmlinux"
cp -r "$(path modules)" "$tmp/elsewhere/root"
# As a package that was only unpacked has them.
rm -f "$tmp"/elsewhere/root/lib/modules/*/modules.dep* "$tmp"/elsewhere/root/lib/modules/*/modules.alias*
release=$(ls "$tmp/elsewhere/root/lib/modules")
# From here on there is no built kernel, and no source.
export XDG_CACHE_HOME="$tmp/cache" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

# --- What can't be -------------------------------------------------------------------------------------------------

run "$KTB" vm --detach --vmlinux "$tmp/elsewhere/vmlinux"
expect_status '--vmlinux without --kernel: a usage error' 2
run "$KTB" vm --detach --kernel "$tmp/none"
expect_status 'no such kernel' 125
expect_error 'it is named' "no file $tmp/none"
echo 'not a kernel' >"$tmp/text"
run "$KTB" vm --detach --kernel "$tmp/text"
expect_status 'a file that is no kernel: a usage error' 2
run "$KTB" vm --detach --kernel "$KTB"
expect_status 'a program that is no kernel: a usage error' 2
run "$KTB" vm --detach --kernel elsewhere/vmlinuz --vmlinux "$(other_path vmlinux)"
expect_status 'the symbols of another kernel' 125
expect_error 'both are shown' 'the kernel: .*6\.'
mkdir "$tmp/empty"
run "$KTB" vm --detach --kernel elsewhere/vmlinuz --modules empty
expect_status 'a folder without its modules' 125
expect_error 'the release is named' "$release"

# --- Its index, while ktb clean is at work ---------------------------------------------------------------------------

mkdir bin
real_depmod=$(PATH=$PATH:/usr/sbin:/sbin command -v depmod)
cat >bin/depmod <<-END
	#!/bin/sh
	"$real_depmod" "\$@" && "$KTB" clean --all >clean.out 2>&1
END
chmod +x bin/depmod
run env PATH="$tmp/bin:$PATH" "$KTB" vm --kernel elsewhere/vmlinuz --modules elsewhere/root --port off --print-command
expect_status 'ktb clean leaves an index that is being made' 0
expect 'and says so' grep -q 'kept: depmod' clean.out

# --- A bzImage, its symbols and its modules --------------------------------------------------------------------------

run "$KTB" vm --detach --port auto --memory 512M --kernel elsewhere/vmlinuz --vmlinux elsewhere/vmlinux --modules elsewhere/root
expect_status 'it runs' 0
expect_equal 'nothing that it lacks is spoken of' "$(printf '%s\n' "$stderr" | grep warning)" ''
await_log vm 'it comes up' 'debugvm:'
say vm 'uname -r; modprobe vfat && echo loaded=$(lsmod | grep -c fat)'
await_log vm 'its modules can be loaded' '^loaded=[12]'
run "$KTB" list --json
expect_match 'the release is known' "\"release\": \"$release\""
say vm 'while sleep 0.2; do /bin/true; done &'
run timeout 120 "$KTB" gdb --break kernel_clone -- -batch -ex continue -ex bt
expect_match 'a breakpoint is hit' 'Breakpoint 1, kernel_clone .*fork\.c'
# The record names the right one; memory is what counts.
run timeout 120 "$KTB" gdb --vmlinux "$(other_path vmlinux)" -- -batch
expect_status 'ktb gdb refuses the symbols of another kernel' 1
run "$KTB" stop
expect_status 'it stops' 0

# --- Without symbols -------------------------------------------------------------------------------------------------

# Its release alone can be told. So what runs is only seen in its memory.
run "$KTB" vm --detach --port auto --memory 512M --kernel elsewhere/vmlinuz
expect_status 'without symbols and modules it runs' 0
await_log vm 'and comes up' 'debugvm:'
run "$KTB" gdb -- -batch
expect_error 'ktb gdb says what is missing' '--vmlinux'
run timeout 120 "$KTB" gdb --vmlinux "$(other_path vmlinux)" -- -batch
expect_error 'the symbols of another kernel are noticed' "guest's memory"
run timeout 120 "$KTB" gdb --vmlinux "$tmp/elsewhere/vmlinux" -- -batch -ex 'info symbol kernel_clone'
expect_match 'the right ones are taken' 'kernel_clone in section'
run "$KTB" stop
expect_status 'it stops, too' 0

# --- A vmlinux -------------------------------------------------------------------------------------------------------

run "$KTB" vm --detach --port off --memory 512M --kernel elsewhere/vmlinux
expect_status 'a vmlinux runs' 0
await_log vm 'and comes up, too' 'debugvm:'
run "$KTB" stop --force

finish
