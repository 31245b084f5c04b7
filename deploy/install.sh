#!/bin/sh
# Install the server as a service of systemd, and start it: sudo sh deploy/install.sh REGION [BUCKET]
# Takes the wheel beside this file, else the checkout around it. Run it again to upgrade. DESTDIR puts everything under
# another folder, and starts nothing.
set -eu
[ $# -ge 1 ] || { echo "usage: sh install.sh REGION [BUCKET]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
venv=$root/opt/lab2/venv

for python in python3.11 python3; do # Amazon Linux 2023 calls 3.9 python3
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { dnf install --assumeyes python3.11 && python=python3.11; }

wheel=$(find "$here" -maxdepth 1 -name 'lab2-*.whl' | sort | tail -n 1)
"$python" -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "${wheel:-$here/..}"
"$venv/bin/lab2-server" --version

mkdir -p "$root/etc/systemd/system"
printf 'AWS_REGION=%s\n%s' "$1" "${2:+LAB2_BUCKET=$2
}" >"$root/etc/lab2-server.env"
cp "$here/lab2-server.service" "$root/etc/systemd/system/"
[ -z "$root" ] || exit 0
systemctl daemon-reload
systemctl enable lab2-server
systemctl restart lab2-server
