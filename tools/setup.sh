#!/bin/sh
# Installs what the build needs, once. Asks no network when everything is there.
#   tools/setup.sh [LIST...]     each LIST is a file of package names (default: tools/packages.txt)
set -eu
here=$(dirname "$0")
[ $# -gt 0 ] || set -- "$here/packages.txt"
missing=""
for package in $(cat "$@" | sed 's/#.*//'); do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then
    as_root="sudo -n"
  else
    echo "error: packages are missing; install them with: sudo apt-get install -y$missing" >&2
    exit 2
  fi
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086
$as_root apt-get install -y -q --no-install-recommends $missing
