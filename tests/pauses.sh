# shellcheck shell=sh
# What tests/integration/server_pauses.sh and tests/long/pauses.sh have in common: pauses of a guest, and what it says of them.
# shellcheck disable=SC2016,SC2034,SC2154,SC2317 # variables of tests/lib.sh; for later; called by name

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}" XDG_RUNTIME_DIR="$tmp/run" HOME="$tmp/home"
mkdir -m 700 "$tmp/run" "$tmp/home"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1; forget_modules'

complaint='soft lockup|detected.* stall|blocked for more than|Marking clocksource|timekeeping watchdog|Long readout'

field()
{
	"$KTB" list --json | sed -n "s/.*\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p"
}

in_guest()
{
	timeout 60 "$KTB" exec -- sh -c "$1"
}

# In seconds: the guest's uptime and time of day, and the host's.
clocks()
{
	in_guest 'cut -d. -f1 /proc/uptime; date +%s'
	date +%s
}

# What of its log is a complaint.
complaints() { in_guest dmesg | grep -E "$complaint"; }
clocks_stood()
{
	paste before after | awk -v stood="$1" '{ went[NR] = $2 - $1 }
		END { exit went[3] - went[1] < stood || went[3] - went[2] < stood }'
}

# A module whose init function keeps its CPU to itself.
make_module()
{
	mkdir -p spin
	echo 'obj-m := spin.o' >spin/Kbuild
	cat >spin/spin.c <<-'C'
		#include <linux/delay.h>
		#include <linux/module.h>
		static int ms;
		module_param(ms, int, 0444);
		static int __init spin_init(void)
		{
			preempt_disable();
			mdelay(ms);
			preempt_enable();
			return -EAGAIN;
		}
		module_init(spin_init);
		MODULE_LICENSE("GPL");
	C
}

forget_modules()
{
	for _f in "$XDG_CACHE_HOME"/ktb/module/*/src/Kbuild; do
		case $(readlink "$_f") in
		"$tmp"/*) rm -rf "${_f%/src/*}" ;;
		esac
	done
}

# pauses VERSION SOURCE THRESHOLD SECONDS: three pauses of so many seconds at least. THRESHOLD: how long the guest waits before
# it complains, in seconds; empty: as it is.
complained() { complaints | grep -q 'soft lockup'; }

pauses()
{
	version=$1 source=$2 threshold=$3 seconds=$4

	run "$KTB" vm --detach --port auto --memory 512M --source "$source"
	expect_status "$version: a VM runs" 0
	if [ -n "$threshold" ]; then
		# Soft lockups are told after twice that; RCU's patience is at least 3 seconds.
		in_guest "echo $((threshold / 2)) >/proc/sys/kernel/watchdog_thresh
			echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
			echo $threshold >/proc/sys/kernel/hung_task_timeout_secs
			echo 1 >/proc/sys/kernel/hung_task_check_interval_secs"
	fi
	clocks >before
	# While it stands, in the midst of steps, and stopped by QEMU's monitor.
	stdout=$(gdb_patience=$((4 * seconds + 120)) && plain_gdb -iex 'set auto-load no' "$(field vmlinux)" \
		-ex "target remote localhost:$(field port)" \
		-ex 'set scheduler-locking step' -ex "shell sleep $seconds" -ex 'tbreak tick_nohz_idle_stop_tick' -ex continue \
		-ex 'stepi 20' -ex "shell sleep $seconds" -ex 'stepi 20' -ex 'monitor stop' -ex "shell sleep $seconds" \
		-ex 'echo done\n' 2>&1 </dev/null)
	expect_match "$version: it is stopped and stepped" '^done'
	# The watchdogs look.
	sleep $((2 * ${threshold:-2} + 4))
	clocks >after
	expect_equal "$version: it has gone on" "$(wc -l <after)" 3
	expect_equal "$version: and complains of nothing" "$(complaints)" ''
	expect "$version: its clocks stood" clocks_stood $((3 * seconds - 2))
	if [ -n "$threshold" ]; then
		make_module
		# On a machine that is busy itself the watchdog has been seen to miss one.
		for _try in 1 2 3; do
			run timeout 120 "$KTB" module spin --source "$source" --load -- ms=$((5000 * threshold))
			! complained || break
		done
		expect "$version: it would, of what really holds a CPU" wait_for 5 complained
	fi
	"$KTB" stop --force >/dev/null 2>&1
}
