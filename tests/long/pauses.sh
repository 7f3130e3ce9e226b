#!/bin/sh
# timeout: 1200
# A guest that a debugger stopped for minutes has nothing to complain of when it goes on: on each kernel, with the kernel's own
# patience.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/pauses.sh
. "$root/tests/pauses.sh"

pauses 6.12 '' '' 130
pauses 6.1 "$(ls /usr/src/linux-source-6.1.tar.*)" '' 130
finish
