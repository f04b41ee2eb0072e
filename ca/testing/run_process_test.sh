#!/bin/sh
# Debian's Python, which has gRPC; in a mount namespace of its own, for the test of a full disk.
namespace="unshare --mount"
$namespace true 2>/dev/null || namespace="unshare --user --map-root-user --mount"
exec $namespace /usr/bin/python3 -B ca/testing/process_test.py "$@"
