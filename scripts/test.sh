#!/usr/bin/env bash
# The whole suite but the soak, in parts of which LANES run side by side; the longest begin first,
# and those that wait for clocks and commands run beside those that compute. Further arguments go to
# each part. The engine owns one directory for each process, so the tests of the store, those of
# queries and those of alerts run in their own.
set -uo pipefail
cd "$(dirname "$0")/.."
# Hundreds of commands are started: each would compile the package again.
unset PYTHONDONTWRITEBYTECODE
LANES=4
clocks=(tests/endtoend/test_{alerts,clock,kills,latency,notices}.py)
doors=(tests/endtoend/test_{access,amtool,api,doors,gateways,guard,hostile,sql,tail}.py)
waiting=(tests/agent tests/app tests/gateway tests/governance tests/logging_handler tests/ship)
named=("${waiting[@]}" tests/endtoend tests/ui tests/query tests/guard tests/store tests/alerts)
# What runs is the part's name; what whole parts said is for `make assurance`.
part() {
    case $1 in
        clocks) pytest clocks "${clocks[@]}" "${@:2}" ;;
        query) pytest query tests/query "${@:2}" ;;
        doors) pytest doors "${doors[@]}" "${@:2}" ;;
        waiting) pytest waiting "${waiting[@]}" "${@:2}" ;;
        serving)
            pytest serving tests/endtoend tests/ui "${clocks[@]/#/--ignore=}" \
                "${doors[@]/#/--ignore=}" "${@:2}"
            ;;
        others) pytest others "${named[@]/#/--ignore=}" "${@:2}" ;;
        *) pytest "$1" "tests/$1" "${@:2}" ;;
    esac
}
whole=$(($# == 0))
pytest() {
    local said=()
    [ "$whole" = 0 ] || said=(--junitxml="assurance/runs/$1.xml")
    .venv/bin/python -m pytest -m "not soak" "${said[@]}" "${@:2}"
}
told=$(mktemp -d)
trap 'rm -rf "$told"' EXIT
trap 'kill $(jobs -p) 2>/dev/null' INT TERM
# Of parts that had other names before.
[ "$whole" = 0 ] || find assurance -path '*/runs/*.xml' ! -name 'soak-*' -delete
status=0 running=0
# pytest's 5 says that no test was asked for, as is so in most parts where -k names some.
over() {
    local code=0
    wait -n || code=$?
    [ "$code" = 0 ] || [ "$whole$code" = 05 ] || status=$code
    running=$((running - 1))
}
for name in query waiting clocks serving others doors alerts store guard; do
    [ "$running" -lt "$LANES" ] || over
    { part "$name" "$@" >"$told/$name" 2>&1; code=$?; cat "$told/$name"; exit "$code"; } &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do over; done
[ "$whole" = 0 ] || [ "$status" != 0 ] || echo "$(date -u +%F) $SECONDS" >assurance/runs/suite.seconds
exit "$status"
