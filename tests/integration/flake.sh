#!/bin/sh
# timeout: 300
# The Nix flake, without a network: in place of nixpkgs it gets tests/data/nixpkgs, which is strict about what it is asked
# for, and makes in miniature what would be built. What the flake writes itself is evaluated, built and run for real.
# shellcheck disable=SC2016,SC2317 # expanded later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$tmp/run"
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'
cd "$tmp" || exit 1

# --- A world for Nix ------------------------------------------------------------------------------------------------

# A flake sees what git knows of.
mkdir ktb
if git -c safe.directory="$root" -C "$root" rev-parse HEAD >/dev/null 2>&1; then
	(cd "$root" && git -c safe.directory="$root" ls-files -z | xargs -0 cp -P --parents -t "$tmp/ktb")
else
	(cd "$root" && cp -r flake.nix nix share meson.build README.md tests "$tmp/ktb")
fi
cp -r ktb/tests/data/nixpkgs nixpkgs
chmod -R u+w nixpkgs

# machine KTB KERNEL: what the stand-in has on this machine.
machine()
{
	printf '{\n  ktb = "%s";\n  kernel = "%s";\n}\n' "$1" "$2" >nixpkgs/machine.nix
}

# nix_ ARGUMENT...: with a store of its own, and nothing from elsewhere. Its answers are about what is asked, not about locks.
mkdir nix nix/home
nix_()
{
	env HOME="$tmp/nix/home" XDG_CACHE_HOME="$tmp/nix/home/cache" XDG_CONFIG_HOME="$tmp/nix/home/config" \
		NIX_REMOTE=local NIX_STORE_DIR="$tmp/nix/store" NIX_STATE_DIR="$tmp/nix/state" \
		NIX_LOCALSTATE_DIR="$tmp/nix/state" NIX_LOG_DIR="$tmp/nix/log" NIX_CONF_DIR="$tmp/nix/conf" NO_COLOR=1 \
		nix --extra-experimental-features 'nix-command flakes' --option sandbox false \
		--option build-users-group '' --option substitute false --option warn-dirty false "$@"
}
# A store can't be written to, by its owner neither.
at_exit 'chmod -R u+w "$tmp/nix"'

# of_flake VERB ATTRIBUTE OPTION...: of the flake in $flake.
flake=$tmp/ktb
of_flake()
{
	_verb=$1 _attribute=$2
	shift 2
	nix_ "$_verb" --no-write-lock-file --override-input "${input:-nixpkgs}" "path:$tmp/nixpkgs" "path:$flake#$_attribute" "$@"
}

# value ATTRIBUTE: as JSON. raw ATTRIBUTE: a string.
value()
{
	of_flake eval "$1" --json 2>>"$tmp/errors"
}

raw()
{
	of_flake eval "$1" --raw 2>>"$tmp/errors"
}

# built ATTRIBUTE [OUTPUT]: builds it, prints where that is.
built()
{
	of_flake build "$1" --no-link --json 2>>"$tmp/errors" | jq -r ".[0].outputs.${2:-out}"
}

# A program that says how it was called, and which programs it would find.
cat >stub <<'END'
#!/bin/sh
printf 'arguments:'
printf ' <%s>' "$@"
echo
for program in gdb busybox qemu-system-x86_64 depmod tmux; do
	command -v "$program"
done
END
chmod +x stub
machine "$tmp/stub" ''
x=x86_64-linux

# --- What there is --------------------------------------------------------------------------------------------------

run nix_ flake show --json --no-write-lock-file --override-input nixpkgs "path:$tmp/nixpkgs" "path:$flake"
expect_status 'nix flake show' 0
expect_equal 'it shows these outputs' \
	"$(printf '%s\n' "$stdout" | jq -r 'paths(type == "object" and has("type")) | join(".")' | sort | tr '\n' ' ')" \
	"apps.$x.gdb apps.$x.vm checks.$x.unit devShells.$x.default lib nixosConfigurations.debugvm packages.$x.default \
packages.$x.kernel packages.$x.kernelDev packages.$x.kernelSource packages.$x.ktb packages.$x.vm-runner "
expect 'nothing is written to the flake' [ ! -e ktb/flake.lock ]

vm=nixosConfigurations.debugvm.config.system.build.vm
for output in "packages.$x.ktb" "packages.$x.default" "packages.$x.kernel" "packages.$x.kernelSource" \
	"packages.$x.kernelDev" "packages.$x.vm-runner" "devShells.$x.default" "checks.$x.unit" "$vm"; do
	run raw "$output.drvPath"
	expect_match "$output is evaluated" '^/.*\.drv$'
done
expect_equal 'default is ktb' "$(raw "packages.$x.default.drvPath")" "$(raw "packages.$x.ktb.drvPath")"
expect_equal "ktb's version is that of meson.build" "ktb $(raw "packages.$x.ktb.version")" "$("$KTB" version)"
expect_equal 'its unit tests are run' "$(value "checks.$x.unit.doCheck") $(value "checks.$x.unit.mesonFlags")" \
	'true ["-Dtests=true"]'
expect_equal "the package leaves that to the checks" \
	"$(value "packages.$x.ktb.doCheck") $(value "packages.$x.ktb.mesonFlags")" 'false ["-Dtests=false"]'

# --- The kernel's options -------------------------------------------------------------------------------------------

# of_fragments FILE...: what they ask for, without the help of Nix: NAME VALUE, and a ? behind the name of what may be missing.
of_fragments()
{
	for file; do
		case $file in
		*/compat.config) maybe='?' ;;
		*) maybe='' ;;
		esac
		sed -n "s/^CONFIG_\([^=]*\)=\"\(.*\)\"\$/\1$maybe \2/p; t
			s/^CONFIG_\([^=]*\)=\(.*\)\$/\1$maybe \2/p
			s/^# CONFIG_\([^ ]*\) is not set\$/\1? n/p" "$file"
	done | sort
}

# of_kernel ATTRIBUTE: the same of what the flake gives to NixOS.
of_kernel()
{
	value "$1" | jq -r 'to_entries[] | "\(.key)\(if .value.optional then "?" else "" end) \(.value.freeform // .value.tristate)"' |
		sort
}

# same NAME FILE FILE
same()
{
	if cmp -s "$2" "$3" && [ -s "$2" ]; then
		ok "$1"
	else
		not_ok "$1" "$(diff "$2" "$3")"
	fi
}

kconfig=$root/share/kconfig
of_fragments "$kconfig/base.config" "$kconfig/guest.config" "$kconfig/debug.config" "$kconfig/kgdb.config" \
	"$kconfig/compat.config" >asked
expect_equal 'all fragments are meant' "$(find "$kconfig" -maxdepth 1 -name '*.config' | wc -l)" 5
of_kernel "packages.$x.kernel.structuredExtraConfig" >given
same 'each line of a fragment is an option of the kernel, and nothing else is' asked given
of_kernel nixosConfigurations.debugvm.config.boot.kernelPackages.kernel.structuredExtraConfig >given
same "so it is with the NixOS guest's kernel" asked given
cp "$(built "packages.$x.kernel")/config" written
sort written >given
same "and with the lines that nixpkgs' configuration script is given" asked given

# What ktb asks for itself; a kernel in miniature knows all of it.
fake_kernel "$tmp/linux"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$kconfig"/*.config >"$tmp/linux/Kconfig"
run "$KTB" config --source "$tmp/linux" --json
printf '%s\n' "$stdout" | jq -r '.[] | select(.requested) | "\(.name) \(.requested)"' | tr -d '"' | sort >ktbs
sed 's/^\([^ ]*\)? /\1 /' asked | sort >without
same 'ktb asks for the same' without ktbs

for profile in "$kconfig"/profiles/*.config; do
	name=$(basename "$profile" .config)
	printf '{ outputs = { ktb, ... }: ktb.lib.testbench { profiles = [ "%s" ]; }; inputs.ktb.url = "path:%s"; }\n' \
		"$name" "$flake" >profile.nix
	mkdir -p mine
	cp profile.nix mine/flake.nix
	of_fragments "$profile" >of-profile
	# It stands above the others.
	cut -d ' ' -f 1 of-profile | tr -d '?' >names
	grep -vE "^($(paste -sd '|' names))[?]? " asked | sort - of-profile >wanted
	flake=$tmp/mine input=ktb/nixpkgs
	of_kernel "packages.$x.kernel.structuredExtraConfig" >given
	flake=$tmp/ktb input=
	same "the profile $name is the fragments and its own" wanted given
done

echo 'CONFIG_FOO = y' >>ktb/share/kconfig/kgdb.config
run of_flake eval "packages.$x.kernel.drvPath"
expect_error 'a line that is none of a fragment is an error' "kgdb\.config: this is no line of a Kconfig fragment: CONFIG_FOO = y"
cp "$kconfig/kgdb.config" ktb/share/kconfig/

# --- The guest ------------------------------------------------------------------------------------------------------

guest=nixosConfigurations.debugvm.config
expect_equal "the guest's kernel parameters" "$(value "$guest.boot.kernelParams")" '["nokaslr","kgdboc=ttyS0,115200"]'
expect 'kgdbwait is there for whoever wants it' grep -q '^ *# "kgdbwait"$' "$root/nix/guest.nix"
sed 's/# "kgdbwait"/"kgdbwait"/' "$root/nix/guest.nix" >ktb/nix/guest.nix
expect_equal 'and behind kgdboc, as it has to be' "$(value "$guest.boot.kernelParams")" \
	'["nokaslr","kgdboc=ttyS0,115200","kgdbwait"]'
cp "$root/nix/guest.nix" ktb/nix/
expect_equal 'root is logged in' "$(raw "$guest.services.getty.autologinUser")" root
expect_equal 'memory, CPUs and disk' \
	"$(value "$guest.virtualisation" | jq -c '[.memorySize, .cores, .diskSize, .graphics]')" '[2048,2,4096,false]'
for option in networking.firewall nix security.sudo services.logrotate services.lvm systemd.oomd; do
	expect_equal "what isn't needed is off: $option" "$(value "$guest.$option.enable")" false
done

runs=$(built "$vm")/bin/run-debugvm-vm
run env QEMU="$tmp/stub" "$runs" -snapshot
expect_match 'the debug port is on loopback, and nowhere else' '<-gdb> <tcp:127\.0\.0\.1:1234>'
expect 'not by -s' [ -z "$(printf '%s\n' "$stdout" | grep -e '<-s>')" ]
expect_match 'it boots the debug kernel' "<-kernel> <$(built "packages.$x.kernel")/bzImage>"
expect_match 'with its parameters' '<nokaslr kgdboc=ttyS0,115200 console=ttyS0,115200>'
expect_match 'its arguments go to QEMU' '<-snapshot>$'

# --- As README.md says ----------------------------------------------------------------------------------------------

grep -o '[ `]\.#[A-Za-z.]*' "$root/README.md" | sed 's/.*#//' | sort -u >named
while read -r name; do
	for place in "apps.$x.$name.program" "packages.$x.$name.drvPath" "$name.drvPath"; do
		run raw "$place"
		[ "$status" != 0 ] || break
	done
	expect_match "there is the .#$name that it names" '^/'
done <named
expect 'it names some' [ -s named ]
awk '/^```nix$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$root/README.md" >mine/flake.nix
expect 'README.md has a flake' [ -s mine/flake.nix ]
sed -i "s#\"[^\"]*\"; *\# where.*#\"path:$flake\";#" mine/flake.nix
flake=$tmp/mine input=ktb/nixpkgs
expect_equal 'it names an option of the kernel' \
	"$(value "packages.$x.kernel.structuredExtraConfig" | jq -c '[.DEBUG_SPINLOCK, .PROVE_LOCKING | .tristate]')" '["y","y"]'
expect_equal 'and memory, CPUs and disk' \
	"$(value "$guest.virtualisation" | jq -c '[.memorySize, .cores, .diskSize]')" '[4096,4,8192]'
expect_equal 'and a module of NixOS' "$(value "$guest.boot.kernelParams")" '["nokaslr","kgdboc=ttyS0,115200","slub_debug=P"]'
run of_flake run vm -- --detach
expect_match 'ktb gets memory and CPUs' ' <--memory=4096M> <--cpus=4> <--detach>$'
run of_flake run gdb -- --init my.gdb
expect_match 'and the breakpoints' ' <--break=kernel_clone> <--break=vfs_read if count > 4096> <--init> <my\.gdb>$'
flake=$tmp/ktb input=

# broken NAME TEXT REGEX: a flake with that is an error, so what is right was looked at.
broken()
{
	printf '{ inputs.ktb.url = "path:%s"; outputs = { ktb, ... }: ktb.lib.testbench { %s }; }\n' "$tmp/ktb" "$2" >mine/flake.nix
	run nix_ eval --no-write-lock-file --override-input ktb/nixpkgs "path:$tmp/nixpkgs" \
		"path:$tmp/mine#nixosConfigurations.debugvm.config.system.build.vm.drvPath"
	expect_error "$1" "$3"
}

broken 'an option that NixOS does not have' 'modules = [ { services.getty.autologinUsr = "root"; } ];' \
	"option 'services\.getty\.autologinUsr' does not exist"
broken 'a value of another type' 'modules = [ { virtualisation.cores = "2"; } ];' "'virtualisation\.cores' must be"
broken 'a kernel parameter with a blank' 'modules = [ { boot.kernelParams = [ "a b" ]; } ];' "'boot\.kernelParams' must be"
broken 'a profile that does not exist' 'profiles = [ "kasn" ];' 'profiles/kasn\.config'
broken 'an argument that the testbench does not have' 'breakpoint = [ "f" ];' "'breakpoint'"
broken 'a value that is no text' 'kernelOptions.KASAN = true;' 'Bool|bool'

# --- Every script ---------------------------------------------------------------------------------------------------

# All that is in the derivations that lead to the outputs, whatever it is called. But for NixOS' own, how a VM is started.
gdb_derivation=$(of_flake eval "apps.$x.gdb.program" --apply 'p: toString (builtins.attrNames (builtins.getContext p))' --raw 2>>errors)
{
	for output in "packages.$x.ktb" "packages.$x.kernelSource" "packages.$x.vm-runner" "devShells.$x.default" \
		"checks.$x.unit"; do
		of_flake show-derivation "$output" --recursive
	done
	nix_ show-derivation "$gdb_derivation" --recursive
} 2>>errors | jq -rs 'map(to_entries[]) | unique_by(.key)[] | .value.env as $e |
	($e | keys[]) | select(test("^(text|buildCommand|shellHook|.*Phase|(pre|post)[A-Z].*)$")) |
	[$e.name, ., ($e[.] | @base64)] | @tsv' | sort -u >scripts
expect_equal 'these are its scripts' "$(cut -f 1,2 scripts | tr '\t' ' ' | sort -u | tr '\n' ',')" \
	"gdb text,ktb-0.1.0 postFixup,ktb-0.1.0 preCheck,ktb-busybox buildCommand,ktb-gdb text,\
ktb-unit-tests-0.1.0 postFixup,ktb-unit-tests-0.1.0 preCheck,ktb-vm text,linux-6.12.1 postInstall,\
linux-source-6.12.1 installPhase,nix-shell shellHook,"
while IFS="$(printf '\t')" read -r package phase text; do
	printf '%s' "$text" | base64 -d >script
	# Programs are judged by all rules. Phases begin with what Nix has in the environment.
	case $phase in
	text) run shellcheck -s bash script ;;
	*) run shellcheck -s bash -e SC2154 script ;;
	esac
	expect_equal "shellcheck has nothing to say of $phase of $package" "$stdout$stderr" ''
done <scripts

# --- The scripts at work --------------------------------------------------------------------------------------------

# Phases have run when the packages were built.
kernel=$(built "packages.$x.kernel") dev=$(built "packages.$x.kernelDev" dev) modules=$(raw "packages.$x.kernel.modules")
source=$(built "packages.$x.kernelSource")
package=$(built "packages.$x.ktb")
expect "the kernel's scripts are beside vmlinux" [ -f "$dev/vmlinux-gdb.py" ]
expect 'as files, not as links to where they were' [ -z "$(find "$dev" -type l)" ]
expect 'the sources are there' [ -f "$source/kernel/fork.c" ]
expect_equal 'what is loaded at run time will be found' "$(sed 's#[^:]*/[a-z0-9]*-##g; s#/lib##g' "$package/rpath")" \
	'curl:libkdumpfile:openssl'
run env PATH=/usr/bin:/bin "$package/bin/ktb" version
expect_match "the package's ktb has its arguments" '^arguments: <version>$'
expect_match 'and a busybox that is alone' '/[a-z0-9]*-ktb-busybox/bin/busybox$'
expect_equal 'in a folder with nothing else' "$(ls "$(printf '%s\n' "$stdout" | sed -n 's#/busybox$##p')")" busybox
mkdir -p own
ln -s /bin/true own/gdb
run env PATH="$tmp/own:/usr/bin:/bin" "$package/bin/ktb" version
expect_match "a GDB of the user's own comes first" "^$tmp/own/gdb\$"

run of_flake run vm -- --detach 'two words' "it's" '' '$HOME'
expect_match 'nix run .#vm: the kernel, and all arguments as they were' \
	"^arguments: <vm> <--kernel=$kernel/bzImage> <--vmlinux=$dev/vmlinux> <--modules=$modules> <--detach> <two words> <it's> <> <\\\$HOME>\$"
expect_match 'with the QEMU of nixpkgs' "^$tmp/nix/store/[a-z0-9]*-qemu/bin/qemu-system-x86_64\$"
run of_flake run gdb -- --break f -- -batch
expect_match 'nix run .#gdb: the arguments, with those for GDB last' \
	"^arguments: <gdb> <--program=$tmp/nix/store/[a-z0-9]*-gdb/bin/gdb> <--break> <f> <--> <-batch>\$"
gdb=$(printf '%s\n' "$stdout" | sed -n 's/.*<--program=\([^>]*\)>.*/\1/p')
expect_match 'its GDB is the one that knows the sources' "^$gdb\$"
run "$gdb" -nx -batch "$dev/vmlinux" -ex 'list kernel_clone' -ex 'info source'
expect_match "GDB finds the sources, though the build's folder is gone" 'here a child begins'
expect_match 'in the store' "Located in $source/kernel/(../kernel/)?fork\.c"
expect_match "and the kernel's commands" "^the kernel's scripts are loaded\$"
run "$gdb" --version
expect_match 'other arguments reach GDB' '^GNU gdb'

run of_flake print-dev-env "devShells.$x.default"
expect_status 'nix develop has an environment' 0
raw "devShells.$x.default.shellHook" >hook
run bash -c '. ./hook'
expect_equal 'a shell without a terminal hears nothing' "$stdout$stderr" ''
run bash -ic '. ./hook'
expect_error 'at a terminal there is a short help' '^meson setup build && ninja -C build  *builds ktb$'
sed -n 's#^ *build/ktb \([a-z]*\) .*#\1#p' hook >named
while read -r command; do
	run "$KTB" help "$command"
	expect_status "the help's command $command exists" 0
done <named
expect 'it names some commands' [ -s named ]

# --- All of it ------------------------------------------------------------------------------------------------------

# ktb itself, and a kernel that it built in place of that of nixpkgs.
run "$KTB" build --quiet --json
expect_status 'a kernel' 0
mkdir real
for part in vmlinux bzimage modules; do
	printf '%s\n' "$stdout" | jq -r ".$part" >place
	ln -s "$(cat place)" "real/$part"
done
mv real/bzimage real/bzImage
machine "$KTB" "$tmp/real"
vm_runner=$(built "packages.$x.vm-runner")/bin/ktb-vm
run "$vm_runner" --detach --name flake --port auto
expect_status 'nix run .#vm boots' 0
await_log flake 'to its shell' 'debugvm:'
run "$KTB" exec --name flake -- modprobe dummy
expect_status 'with its modules' 0
run of_flake run gdb -- --name flake --break kernel_clone -- -batch -ex 'info breakpoints' -ex 'info registers rip'
expect_status 'nix run .#gdb attaches' 0
expect_match 'with the breakpoint' 'breakpoint .* in kernel_clone'
expect_match 'and the registers' '^rip '
run "$KTB" stop flake
expect_status 'it ends' 0

finish
