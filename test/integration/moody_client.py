#!/usr/bin/python3 -B
"""Requests over HTTP/1.1, for a proxy whose servers misbehave.

    moody_client.py HOST:PORT at-once PATH...    each on a connection of its own, together
    moody_client.py HOST:PORT in-turn PATH...    on one connection as long as it lasts

Prints a line of JSON: [status, body] of each; of a reply that was cut [status, null], of none
[0, null].
"""
import http.client
import json
import sys
from concurrent import futures

TIMEOUT_S = 8


def ask(connection, path):
    status = 0
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        status = reply.status
        return [status, reply.read().decode()]
    except (http.client.HTTPException, OSError):
        connection.close()
        return [status, None]


def main(target, how, paths):
    if how == "in-turn":
        connection = http.client.HTTPConnection(target, timeout=TIMEOUT_S)
        print(json.dumps([ask(connection, path) for path in paths]))
        return
    with futures.ThreadPoolExecutor(len(paths)) as pool:
        print(json.dumps(list(pool.map(
            lambda path: ask(http.client.HTTPConnection(target, timeout=TIMEOUT_S), path), paths))))


if len(sys.argv) < 4 or sys.argv[2] not in ("at-once", "in-turn"):
    sys.exit(__doc__)
main(sys.argv[1], sys.argv[2], sys.argv[3:])
