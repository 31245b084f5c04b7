#!/bin/sh
# Install the server as a service of systemd, and start it: sudo sh deploy/install.sh REGION [BUCKET]
# Takes the checkout around it, else the newest wheel of lab2 beside it, and asks no package index if the wheels of what
# lab2 needs are there too (pip wheel --wheel-dir deploy .). Run it again to upgrade. DESTDIR puts everything under another
# folder, and starts nothing.
set -eu
[ $# -ge 1 ] || { echo "usage: sh install.sh REGION [BUCKET]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}
venv=$root/opt/lab2/venv

for python in python3.14 python3.13 python3.12 python3.11 python3; do # Amazon Linux 2023 calls 3.9 python3
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && break
    python=
done
[ -n "$python" ] || { dnf install --assumeyes python3.11 && python=python3.11; }
if ! "$python" -c 'import ensurepip' 2>/dev/null; then # Debian and Ubuntu have it in a package of its own
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq python3-venv >/dev/null
fi

index=
source=$here/..
if [ ! -f "$source/pyproject.toml" ]; then
    source=$(find "$here" -maxdepth 1 -name 'lab2-*.whl' | sort -V | tail -n 1)
    [ -n "$source" ] || { echo "install.sh: there is no lab2-*.whl beside it" >&2; exit 1; }
    [ -z "$(find "$here" -maxdepth 1 -name 'boto3-*.whl')" ] || index="--no-index --find-links $here"
fi
"$python" -m venv "$venv" # as it is until pip has what it needs: the service may start again meanwhile
# shellcheck disable=SC2086 - a list of words
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall $index "$source"
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
