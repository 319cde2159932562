#!/bin/sh
# Runs an admin process of a built package, with that package's own code and dependencies:
# `infra/admin.sh dist/dozen.zip keys list`. Settings come from the environment, as always.
set -eu

package=${1:?which package}
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
"${PYTHON:-python3.13}" -m zipfile -e "$package" "$folder"
# -P and -S: neither what lies in the current folder nor what this Python has installed is the release
PYTHONPATH="$folder:$folder/.python_packages/lib/site-packages" "${PYTHON:-python3.13}" -P -S -m admin "$@"
