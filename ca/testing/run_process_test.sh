#!/bin/sh
# Debian's Python, which has gRPC.
exec /usr/bin/python3 -B ca/testing/process_test.py "$@"
