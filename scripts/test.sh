#!/usr/bin/env bash
# The whole suite but the soak, in two halves side by side: most tests wait for a process or a clock.
# Further arguments go to both. The engine owns one directory for each process, so the store's tests
# run in their own.
set -uo pipefail
cd "$(dirname "$0")/.."
pytest() { .venv/bin/python -m pytest -m "not soak" "$@"; }
servers() {
    local status=0
    pytest tests/store "$@" || status=$?
    pytest tests/endtoend tests/ui "$@" || status=$?
    return "$status"
}
half=$(mktemp)
trap 'rm -f "$half"' EXIT
servers "$@" >"$half" 2>&1 &
other=$!
trap 'kill "$other" 2>/dev/null' INT TERM
status=0
pytest --ignore tests/store --ignore tests/endtoend --ignore tests/ui "$@" || status=$?
wait "$other" || status=$?
cat "$half"
exit "$status"
