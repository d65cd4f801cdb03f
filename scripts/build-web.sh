#!/usr/bin/env bash
# Builds the page from web/ into the package, when a source is newer than the last build.
set -euo pipefail
cd "$(dirname "$0")/.."
output=src/tailrace/ui/static/index.html

if [ -f "$output" ] && [ -z "$(find web -path web/node_modules -prune -o -newer "$output" -print -quit)" ]; then
    exit 0
fi
. scripts/node.sh
npm --prefix web run build --silent -- --logLevel warn
