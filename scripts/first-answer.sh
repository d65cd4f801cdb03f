#!/usr/bin/env bash
# How long it takes from a clone to the first useful answer, as the README's reader sees it: clone,
# `make run`, a line sent, the line found. HOME is empty, but for what says where packages come from:
# the caches of pip and npm, and npm's registry, are the caller's. Exit status 1 when no answer came,
# or not within AIM_S.
set -euo pipefail
cd "$(dirname "$0")/.."
AIM_S=${AIM_S:-120}
GIVE_UP_S=600
folder=$(mktemp -d)
pip_cache=$(python3 -m pip cache dir 2>/dev/null || true)
npm_cache=$(npm config get cache 2>/dev/null || true)
npm_registry=$(npm config get registry 2>/dev/null || true)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
began=$(date +%s.%N)
since() { python3 -c "print(f'{$(date +%s.%N) - $1:6.1f} s  $2')"; }
stop() {
    [ -z "${server:-}" ] || { kill -INT -- "-$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT

git clone --quiet . "$folder/tailrace"
since "$began" "cloned"
mkdir "$folder/home"
set -m
env -i HOME="$folder/home" PATH="$PATH" PIP_CACHE_DIR="$pip_cache" \
    npm_config_cache="$npm_cache" npm_config_registry="$npm_registry" \
    TAILRACE_SERVER__LISTEN="127.0.0.1:$port" make -C "$folder/tailrace" run >"$folder/run.log" 2>&1 &
server=$!
set +m
answers() {
    curl --silent --fail --get "$url/loki/api/v1/query_range" \
        --data-urlencode 'query={service_name="me"} |= "hello"' | grep --quiet 'hello from my shell'
}
awaited() {
    until "$@"; do
        kill -0 "$server" 2>/dev/null && (($(date +%s) < ${began%.*} + GIVE_UP_S)) || {
            tail -n 20 "$folder/run.log" >&2
            exit 1
        }
        sleep 0.2
    done
}
awaited test -e "$folder/tailrace/.venv/.server"
since "$began" "packages are there"
awaited curl --silent --fail --output /dev/null "$url/ready"
since "$began" "it serves"
echo 'hello from my shell' | curl --silent --fail --output /dev/null --data-binary @- \
    "$url/ingest/lines?service=me"
awaited answers
since "$began" "the first answer (aim: $AIM_S s)"
mkdir -p assurance/runs
echo "$(date -u +%F) $(($(date +%s) - ${began%.*}))" >assurance/runs/first-answer.seconds
(($(date +%s) - ${began%.*} <= AIM_S))
