#!/usr/bin/env bash
# The slow campaigns, in two lanes side by side: the agent's and then ten times as many examples of
# all property tests (see tests/examples.py), and all others. The engine owns one directory for each
# process, so the tests of the store and those of alerts run in their own. Further arguments go to
# one pytest alone.
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
properties() {
    .venv/bin/python -m pytest -m "hypothesis and not soak" --hypothesis-profile=soak \
        --junitxml="assurance/runs/soak-properties-$1.xml" "${@:2}"
}
agent() {
    local status=0
    # What whole lanes said is for `make assurance`.
    soak --junitxml=assurance/runs/soak-agent.xml tests/agent || status=$?
    properties store tests/store || status=$?
    properties alerts tests/alerts || status=$?
    properties others --ignore=tests/store --ignore=tests/alerts || status=$?
    return "$status"
}
told=$(mktemp)
agent >"$told" 2>&1 &
lane=$!
trap 'rm -f "$told"' EXIT
trap 'kill "$lane" 2>/dev/null' INT TERM
status=0
soak --junitxml=assurance/runs/soak-others.xml --ignore=tests/agent || status=$?
wait "$lane" || status=$?
cat "$told"
exit "$status"
