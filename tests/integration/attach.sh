#!/bin/sh
# timeout: 400
# What of the host a VM is given: folders, disks, ports, and another root than the initramfs.
# shellcheck disable=SC2016,SC2317 # what is in single quotes is for the guest's shell; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'
PATH=$PATH:/usr/sbin:/sbin

# --- Helpers -------------------------------------------------------------------------------------------------------

# boot ARGS...: in the background.
boot()
{
	run "$KTB" vm --detach --port off --memory 512M "$@"
}

stop()
{
	run "$KTB" stop "$@"
	expect_status 'it ends' 0
}

# refused STATUS NAME REGEX ARGS...: before anything is built or booted.
refused()
{
	_status=$1 _name=$2 _regex=$3
	shift 3
	boot "$@"
	expect_status "$_name: refused" "$_status"
	expect_error "$_name: it says why" "$_regex"
}

# --- What can't be -------------------------------------------------------------------------------------------------

mkdir data "data, too" out
echo content >data/file
ln -s file data/link
echo file >text
truncate -s 1M raw.img
qemu-img create -q -f qcow2 real.qcow2 1M
cp real.qcow2 lying.img
qemu-img create -q -f raw base.raw 1M
qemu-img create -q -f qcow2 -F raw -b base.raw based.qcow2

refused 125 'a folder that is not there' 'no folder .*/none' --share none
refused 2 'a file as a folder' 'not a folder' --share text
refused 2 'two folders in one place' 'two folders for /mnt/data' --share data --share "$tmp/data"
refused 125 'an image that is not there' 'no file .*/none' --image none
refused 2 'a folder as an image' 'neither a file nor a disk' --image data
refused 2 'a raw image that begins as qcow2 does' 'say which it is' --image lying.img
refused 2 'a raw image named qcow2' 'no qcow2 image' --image raw.img:qcow2
mkdir chain
qemu-img create -q -f qcow2 chain/bottom.qcow2 1M
qemu-img create -q -f qcow2 -F qcow2 -b bottom.qcow2 chain/middle.qcow2
qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 chain/top.qcow2
run "$KTB" vm --print-command --image chain/top.qcow2
expect_status 'an image on an image on an image' 0
qemu-img rebase -q -u -F raw -b nbd://127.0.0.1/x chain/bottom.qcow2
refused 2 'what leads out at the bottom' 'chain/bottom.qcow2: it is based on .nbd:.*no plain file' --image chain/top.qcow2
qemu-img rebase -q -u -F qcow2 -b top.qcow2 chain/bottom.qcow2
refused 2 'a circle' 'based on itself' --image chain/top.qcow2
rm -r chain
refused 2 'a disk as root, without disks' '--image' --root /dev/vda
refused 125 'a root that is not there' 'no folder .*/none' --root none
refused 2 'an init without a root' 'no --root' --init /sbin/init
refused 2 'half a forward' 'HOSTPORT:GUESTPORT' --forward 22
refused 2 'parameters that the kernel would cut off' 'too|lost' --append "$(printf '%02100d' 0)"

python3 -c 'import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(600)' >port &
holder=$!
at_exit "kill $holder 2>/dev/null"
wait_for 20 test -s port
refused 125 'a port that is taken' "python3|process $holder" --forward "$(cat port):22"
kill $holder

# --- Folders, disks and a port ---------------------------------------------------------------------------------------

printf '[vm]\nshare = data "data, too:/other place" out:/out:rw\nforward = auto:7000 udp:auto:7000\n' >ktb.conf
boot --image raw.img --image based.qcow2:snapshot --image real.qcow2:ro
rm ktb.conf
expect_status 'a VM with folders, disks and ports' 0
told=$(printf '%s\n' "$stderr" | sed -n 's/^ktb: forwarded: //p' | tr '\n' ' ')
expect_error 'an image that is based on another is spoken of' 'is based on base.raw'
await_log vm 'it comes up' 'debugvm:'
ask vm 'cat /mnt/data/link; ls -d "/other place"'
expect_match 'a folder can be read, by its links too' '^content$'
expect_match 'a place with a blank in it' '^/other place$'
ask vm 'touch /mnt/data/new; mkdir /x; umount /mnt/data; mount -t 9p -o trans=virtio,version=9p2000.L share0 /x; mount | grep " /x "; for c in "touch /x/new" "rm /x/file" "chmod 777 /x/file" "ln /x/file /x/hard" "mv /x/file /x/moved"; do $c && echo "$c: could"; done; echo over >/x/file'
expect_match 'mounted anew by the guest, it is writable as far as that goes' ' /x type 9p \(rw'
expect 'but QEMU lets nothing be changed' [ "$(cat data/file)" = content ]
expect_equal 'and nothing was made there' "$(ls data)" 'file
link'
expect_equal 'no attempt is said to have worked' "$(printf '%s\n' "$stdout" | grep could)" ''
ask vm 'echo made >/out/file && mkdir /out/folder && cat /out/file; chmod 4755 /out/file; mknod /out/null c 1 3; ln -s /etc/shadow /out/shadow'
expect_equal 'a writable folder is written to' "$(cat out/file)" made
if [ "$(id -u)" = 0 ]; then
	expect 'run by root, a guest makes no device of the host' [ ! -c out/null ]
	expect 'nor a program that is setuid' [ -z "$(find out -perm /6000)" ]
	expect 'nor a link that leads out' [ ! -L out/shadow ]
fi
ask vm 'for d in vda vdb vdc; do echo written | dd of=/dev/$d conv=fsync 2>/dev/null && echo "$d: could"; done; cat /sys/block/vd?/ro'
expect_match 'a disk is written to' '^vda: could'
expect_match 'one that is a snapshot is, too' '^vdb: could'
expect_equal 'one that is read-only is not' "$(printf '%s\n' "$stdout" | grep vdc)" ''
expect 'the file has it' grep -q written raw.img
expect 'the snapshot has forgotten it' [ "$(tr -d '\0' <base.raw | wc -c)" = 0 ]

forward=$("$KTB" list --json | sed -n 's/.*"forward": "\(.*\)".*/\1/p')
expect 'ktb list shows the ports' matches "$forward" '^tcp:[0-9]+:7000 udp:[0-9]+:7000$'
expect_equal 'which the user was told' "$told" "$forward "
run "$KTB" vm --name other --port off --forward auto:7000 --print-command
expect 'one that does not run has no port to be told' [ -z "$(printf '%s\n' "$stderr" | grep forwarded)" ]
host_port=${forward#tcp:}
host_port=${host_port%%:*}
ask vm 'nc -l -p 7000 -e cat & sleep 1; echo listens'
expect_equal 'the guest is reached' "$(echo hello | timeout 20 socat -t 5 - "TCP:127.0.0.1:$host_port")" hello
expect 'on 127.0.0.1 only' [ -z "$(awk -v port="$(printf ':%04X' "$host_port")" \
	'$4 == "0A" && substr($2, 9) == port && substr($2, 1, 8) != "0100007F"' /proc/net/tcp /proc/net/tcp6)" ]

refused 125 'an image that another VM has' 'in use by another VM' --name second --image raw.img
stop

# --- A folder as root ------------------------------------------------------------------------------------------------

mkdir -p tree/bin tree/sbin tree/etc tree/root tree/lib
cp "$(command -v busybox)" tree/bin/busybox
for applet in sh cat ls touch mount sed grep stty modprobe lsmod poweroff chmod; do
	ln -s busybox "tree/bin/$applet"
done
printf '#!/bin/sh\necho "own init, process $$: $(cat /etc/mark)"\nexec sh\n' >tree/sbin/init
chmod 755 tree/sbin/init
echo of-the-tree >tree/etc/mark
(cd tree && find . | sort) >before

boot --root tree --share data
expect_status 'a VM with a folder as its root' 0
await_log vm 'ktb init serves it' 'debugvm:'
ask vm 'cat /etc/mark /mnt/data/file; echo new >/etc/mark; touch /here; cat /etc/mark; modprobe dummy && lsmod | grep dummy; mount'
expect_match 'it is the root' '^of-the-tree$'
expect_match 'shares are in it' '^content$'
expect_match 'it can be written to' '^new$'
expect_match "the kernel's modules are there" '^dummy '
expect_match 'what init mounts is there' ' on /sys/kernel/debug '
expect_equal 'the folder is as it was' "$(cd tree && find . | sort)" "$(cat before)"
expect_equal 'its files, too' "$(cat tree/etc/mark)" of-the-tree
run "$KTB" stop
expect_status 'ktb stop asks that init' 0

boot --root tree --init /sbin/init
await_log vm 'its own init runs if that is asked for' '^own init, process 1: of-the-tree'
run timeout 20 "$KTB" exec -- true
expect_status 'nothing can be run there: status 125' 125
expect_error 'and why is said at once' 'has an init of its own.*ktb console.*--forward'
stop --force

boot --root tree --init /sbin/none
await_log vm 'an init that is not there is spoken of' "can't run the init /sbin/none"
await_log vm 'and ours goes on' 'debugvm:'
stop

# --- A disk as root --------------------------------------------------------------------------------------------------

mkdir -p tree/proc tree/sys tree/dev tree/mnt tree/tmp tree/run tree/lib/modules
truncate -s 64M disk.img
mkfs.ext4 -q -d tree disk.img
qemu-img convert -f raw -O qcow2 disk.img disk.qcow2

boot --image disk.qcow2 --root /dev/vda
await_log vm "a disk's own init runs" '^own init, process 1: of-the-tree'
stop --force

boot --image disk.img --root /dev/vda --init ktb
await_log vm 'ours runs on a disk, too' 'debugvm:'
ask vm 'echo kept >/etc/mark; cat /etc/mark'
expect_match 'it writes there' '^kept$'
stop
left_clean()
{
	! dumpe2fs -h "$1" 2>/dev/null | grep -q needs_recovery
}

expect 'the disk was left clean' left_clean disk.img
expect_equal 'and has it' "$(debugfs -R 'cat /etc/mark' disk.img 2>/dev/null)" kept
run e2fsck -n -f disk.img
expect_status 'nothing in it needs repair' 0

boot --image disk.img:ro --root /dev/vda --init ktb
await_log vm 'read-only, too' 'debugvm:'
ask vm 'cat /etc/mark; touch /x || echo refused'
expect_match 'it is read' '^kept$'
expect_match 'it is not written to' '^refused$'
stop

truncate -s 1M empty.img
boot --image empty.img --root /dev/vda
await_log vm 'a disk without a file system is spoken of' 'no file system that the kernel knows is on /dev/vda'
await_log vm 'the shell is in the initramfs then' 'debugvm:'
stop

finish
