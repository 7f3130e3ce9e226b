#!/bin/sh
# timeout: 1800
# Many boots in a row of each kernel: every one reaches the prompt. BOOTS=30
# shellcheck disable=SC2016,SC2317 # for later; called by name
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$tmp/run"
cd "$tmp" || exit 1
at_exit '"$KTB" stop --all --force >/dev/null 2>&1'

for version in 6.12 6.1; do
	source=$(ls "/usr/src/linux-source-$version".tar.*)
	i=0
	while [ "$i" -lt "${BOOTS:-30}" ]; do
		i=$((i + 1))
		run "$KTB" vm --detach --name boots --port off --source "$source"
		if [ "$status" = 0 ] && wait_for 60 log_has boots 'debugvm:'; then
			ok "$version: boot $i"
		else
			not_ok "$version: boot $i" "$(last_run)
$(console boots | tail -n 30)"
		fi
		"$KTB" stop --force boots >/dev/null 2>&1
	done
done

finish
