#!/usr/bin/env bash
# Debian packages that the tests use. Installed where we are root; named where we are not.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
[ -x /lib/systemd/systemd-journal-remote ] || missing+=(systemd-journal-remote)
# Servers whose logs are read; the tests run them as nobody, each in a folder of its own.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server-core)
command -v mariadb >/dev/null || missing+=(mariadb-client-core)
# A library to preload, which tests look for by its path.
command -v faketime >/dev/null || missing+=(faketime)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v rsyslogd >/dev/null || missing+=(rsyslog)
command -v prometheus >/dev/null || missing+=(prometheus)
command -v syslog-ng >/dev/null || missing+=(syslog-ng-core)
command -v logger >/dev/null || missing+=(bsdutils)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
    echo "not installed: ${missing[*]}; tests that need it will be skipped." >&2
    echo "install with: sudo apt-get install ${missing[*]}" >&2
fi
