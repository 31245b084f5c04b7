#!/bin/sh
# Install the server as a service of systemd, and start it: sudo sh deploy/install.sh REGION [BUCKET]
# Takes the checkout around this file, else the newest wheel beside it. Run it again to upgrade. DESTDIR puts everything under
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

source=$here/.. # the checkout, where there is one
[ -f "$source/pyproject.toml" ] || source=$(find "$here" -maxdepth 1 -name 'lab2-*.whl' | sort -V | tail -n 1)
[ -n "$source" ] || { echo "install.sh: there is no lab2-*.whl beside it" >&2; exit 1; }
"$python" -m venv "$venv" # as it is until pip has what it needs: the service may start again meanwhile
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall "$source"
"$venv/bin/lab2-server" --version

mkdir -p "$root/etc/systemd/system"
settings=$root/etc/lab2-server.env # what else is in there stays
touch "$settings"
{
    grep -v -e '^AWS_REGION=' ${2:+-e '^LAB2_BUCKET='} "$settings" || true
    printf 'AWS_REGION=%s\n' "$1"
    [ -z "${2:-}" ] || printf 'LAB2_BUCKET=%s\n' "$2"
} >"$settings.new"
mv "$settings.new" "$settings"
cp "$here/lab2-server.service" "$root/etc/systemd/system/"
[ -z "$root" ] || exit 0
systemctl daemon-reload
systemctl enable lab2-server
systemctl restart lab2-server
