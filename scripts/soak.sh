#!/usr/bin/env bash
# The slow campaigns, in two lanes side by side: the agent's, and all others. Further arguments go
# to one pytest alone.
set -uo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
soak() {
    .venv/bin/python -m pytest -m soak "$@"
}
if [ $# != 0 ]; then
    soak "$@"
    exit
fi
# What whole lanes said is for `make assurance`.
told=$(mktemp)
soak --junitxml=assurance/runs/soak-agent.xml tests/agent >"$told" 2>&1 &
lane=$!
trap 'rm -f "$told"' EXIT
trap 'kill "$lane" 2>/dev/null' INT TERM
status=0
soak --junitxml=assurance/runs/soak-others.xml --ignore=tests/agent || status=$?
wait "$lane" || status=$?
cat "$told"
exit "$status"
