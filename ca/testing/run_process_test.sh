#!/bin/sh
# run_process_test.sh FILE.py ...: with Debian's Python, which has gRPC; in a mount namespace of its
# own, for the test of a full disk.
namespace="unshare --mount"
$namespace true 2>/dev/null || namespace="unshare --user --map-root-user --mount"
exec $namespace /usr/bin/python3 -B "$@"
