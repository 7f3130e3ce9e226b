#!/bin/sh
# Boot to the shell's prompt: `ktb vm`, the command that --print-command shows, and what one would type without ktb:
# bzImage of the same kernel on QEMU's default machine, with a shell script as init.
# usage: boot.sh [ktb vm's options]     RUNS=10
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

need cpio cpio
prompt='debugvm:~#'
export XDG_RUNTIME_DIR="$scratch"
"$KTB" build -q "$@" --json >"$scratch/kernel.json" || exit 1
bzimage=$(sed -n 's/.*"bzimage": "\(.*\)".*/\1/p' "$scratch/kernel.json")
# By hand one has no port to spare twice, and no terminal.
"$KTB" vm -q --port off "$@" --print-command >"$scratch/by-hand" || exit 1

# A userland as small as ours, its init a script.
mkdir -p "$scratch/root/bin" "$scratch/root/proc" "$scratch/root/sys" "$scratch/root/dev"
cp "$(command -v busybox)" "$scratch/root/bin/busybox"
for applet in $(busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "$scratch/root/bin/$applet"
done
cat >"$scratch/root/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
hostname debugvm
ip link set lo up
export HOME=/root PS1='debugvm:~# '
exec setsid cttyhack sh
INIT
chmod +x "$scratch/root/init"
(cd "$scratch/root" && find . | cpio -o -H newc 2>/dev/null) >"$scratch/script.cpio"
memory=$(sed -n 's/^ *-m \([0-9]*M\).*/\1/p' "$scratch/by-hand")
cpus=$(sed -n 's/^ *-smp \([0-9]*\).*/\1/p' "$scratch/by-hand")

by_ktb() { until_text 60 "$prompt" "$KTB" vm -q --port off "$@"; }
by_hand() { until_text 60 "$prompt" sh -c "exec $(cat "$scratch/by-hand")"; }
bare()
{
	until_text 60 "$prompt" qemu-system-x86_64 -machine pc -cpu max -m "$memory" -smp "$cpus" -nographic \
		-kernel "$bzimage" -initrd "$scratch/script.cpio" \
		-append 'console=ttyS0,115200 nokaslr kgdboc=ttyS0,115200 panic=-1'
}
options="$*"
# shellcheck disable=SC2086 # words
a() { by_ktb $options; }

alternate a by_hand && ratio 'ktb vm to the prompt, over the printed command' 1.05
alternate a bare && ratio 'the same, over bzImage on pc with a script as init' 0.90
