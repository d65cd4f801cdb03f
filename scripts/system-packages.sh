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
command -v logger >/dev/null || missing+=(bsdutils)
root() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }
if [ ${#missing[@]} -gt 0 ] && root; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
elif [ ${#missing[@]} -gt 0 ]; then
    echo "not installed: ${missing[*]}; tests that need it will be skipped." >&2
    echo "install with: sudo apt-get install ${missing[*]}" >&2
fi
# Only unpacked, for the tests: syslog-ng cannot be installed beside rsyslog, Prometheus and its
# Alertmanager would start their services, and rsyslog's TLS is a module that is named by its path.
packages="prometheus prometheus-alertmanager syslog-ng-core libivykis0 libnet1 libpcre3 libwrap0
    rsyslog-gnutls"
unpacked=$(cd "$(dirname "$0")/.." && pwd)/.venv/debian
# The Alertmanager of Debian looks for its templates there, and has no setting for another place.
templates=/usr/share/prometheus/alertmanager
# What is there says of which list it is, so that a package that is new in it is fetched.
done_with() { [ "$(cat "$unpacked/.ready" 2>/dev/null)" = "$packages" ]; }
placed() { [ -d "$templates" ] || ! root; }
done_with && placed && exit 0
mkdir -p "$unpacked"
cd "$unpacked"
unpack() {
    # shellcheck disable=SC2086
    done_with || apt-get download -qq $packages &&
        for package in ./*.deb; do [ ! -e "$package" ] || dpkg -x "$package" .; done &&
        rm -f ./*.deb && echo "$packages" >.ready
}
# Without root apt warns that it cannot change its user for the download.
unpack 2>/dev/null || { root && apt-get update -qq && unpack; } ||
    echo "prometheus, prometheus-alertmanager and syslog-ng could not be fetched by apt-get;" \
        "tests with them are skipped." >&2
if done_with && ! placed; then
    mkdir -p "$templates" && cp -r "$unpacked$templates/." "$templates"
fi
[ -d "$templates" ] ||
    echo "no $templates: tests with Alertmanager are skipped; install prometheus-alertmanager." >&2
