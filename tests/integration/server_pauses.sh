#!/bin/sh
# timeout: 240
# A guest that a debugger stopped for longer than its watchdogs wait has nothing to complain of when it goes on: on each kernel.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/pauses.sh
. "$root/tests/pauses.sh"

# The least that the kernel takes, and pauses that are longer.
pauses 6.12 '' 2 5
pauses 6.1 "$(ls /usr/src/linux-source-6.1.tar.*)" 2 5
finish
