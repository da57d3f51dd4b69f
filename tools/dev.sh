#!/bin/sh
# The demo with the front end rebuilt on every save. Reload the tab to see a change.
# Usage: tools/dev.sh VENV_BIN [arguments of limelight demo]
set -eu
bin=$1
shift

"$bin/python" tools/web.py run build -- --watch &
watcher=$!
trap 'kill "$watcher" 2>/dev/null || true' EXIT INT TERM
LIMELIGHT_LIVE_WEB=1 "$bin/limelight" demo "$@"
