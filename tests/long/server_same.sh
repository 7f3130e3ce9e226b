#!/bin/sh
# timeout: 900
# For ten minutes what tests/integration/server_same.sh does for one.
SECONDS_SAME=600
# shellcheck source=tests/integration/server_same.sh
. "$(dirname "$0")/../integration/server_same.sh"
