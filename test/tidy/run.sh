#!/bin/sh
# Runs the tidy tests on the source tree this script is a link into.
set -eu
queries=
for query in "$@"; do queries="$queries $(realpath "$query")"; done
# shellcheck disable=SC2086  # paths of bazel-out have no blanks
exec /usr/bin/python3 -B "$(dirname "$(realpath "$0")")/tidy_test.py" $queries
