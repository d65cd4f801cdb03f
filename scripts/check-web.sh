#!/usr/bin/env bash
# Checks the types of web/.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/node.sh
npm --prefix web run check --silent
