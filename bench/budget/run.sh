#!/bin/sh
# Runs a Python file of this folder: run.sh FILE ARGUMENTS.
set -eu
file="$(dirname "$(realpath "$0")")/$1"
shift
exec /usr/bin/python3 -B "$file" "$@"
