#!/usr/bin/env bash
# The whole suite but the soak, in four lanes side by side, each about as long as the others on two
# cores: what computes; what waits for commands (and the guard's and the store's tests); whole
# servers that wait for clocks, then the tests of alerts; and all other whole servers. Further
# arguments go to each. The engine owns one directory for each process, so the tests of the store
# and those of alerts run in their own.
set -uo pipefail
cd "$(dirname "$0")/.."
# Hundreds of commands are started: each would compile the package again.
unset PYTHONDONTWRITEBYTECODE
waiting=(tests/agent tests/app tests/gateway tests/governance tests/guard tests/logging_handler tests/ship)
serving=(tests/endtoend tests/ui)
clocks=(tests/endtoend/test_{alerts,clock,kills,latency,notices}.py)
others=("${waiting[@]}" "${serving[@]}" tests/store tests/alerts)
# The first argument names the lane. What whole lanes said is for `make assurance`.
whole=$(($# == 0))
pytest() {
    local said=()
    [ "$whole" = 0 ] || said=(--junitxml="assurance/runs/$1.xml")
    .venv/bin/python -m pytest -m "not soak" "${said[@]}" "${@:2}"
}
waits() {
    local status=0
    pytest waiting "${waiting[@]}" "$@" || status=$?
    pytest store tests/store "$@" || status=$?
    return "$status"
}
clocks() {
    local status=0
    pytest clocks "${clocks[@]}" "$@" || status=$?
    pytest alerts tests/alerts "$@" || status=$?
    return "$status"
}
serves() {
    pytest serving "${serving[@]}" "${clocks[@]/#/--ignore=}" "$@"
}
told=$(mktemp -d)
lanes=()
for lane in waits clocks serves; do
    "$lane" "$@" >"$told/$lane" 2>&1 &
    lanes+=($!)
done
trap 'rm -rf "$told"' EXIT
trap 'kill "${lanes[@]}" 2>/dev/null' INT TERM
status=0
pytest computing "${others[@]/#/--ignore=}" "$@" || status=$?
for lane in "${lanes[@]}"; do wait "$lane" || status=$?; done
cat "$told"/*
[ "$whole" = 0 ] || [ "$status" != 0 ] || echo "$(date -u +%F) $SECONDS" >assurance/runs/suite.seconds
exit "$status"
