#!/bin/sh
# Debian packages that the tests use and pip can't bring: OpenCV's libraries, a screen with keys, systemd-analyze, zsh.
# As root they are installed, with those that are named as arguments; otherwise their names are said.
set -eu
missing=""
for package in systemd libgl1 libglib2.0-0 xvfb openbox xdotool x11-xkb-utils x11-xserver-utils xauth zsh "$@"; do
    # Since Debian 13 some are called so, and serve by the old name too.
    dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
command="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 - a list of words
    DEBIAN_FRONTEND=noninteractive $command -qq >/dev/null
else
    echo "The tests need$missing. Install them with: sudo $command" >&2
    exit 1
fi
