"""gRPC across two nodes: every client with every server, of Debian's grpc for Python and for C++,
and of @grpc/grpc-js. What each pair does is in greeter.py: all kinds of streams, deadlines,
metadata, cancellation both ways, 100 MB in each direction, 1,000 streams at once on a connection.
"""
import json
import time

import mesh as mesh_lib
import shell
from fixture import expect, expect_equal

CLIENTS = mesh_lib.GREETERS
EXPECTED = {
    "unary": "hello mesh", "initial": "who is there", "trailing": "greeter", "binary": "0001feff",
    "big": 2_000_006, "server_stream": 1000, "client_stream": "a,b,c",
    "both_streams": ["ONE", "TWO", "THREE"],
    "fails": ["NOT_FOUND", "no such greeting: 100 %"], "unknown": "UNIMPLEMENTED",
    "deadline_at_server": True, "deadline_ends_server": True,
    "cancel": "CANCELLED", "cancel_ends_server": True, "server_gives_up": ["ABORTED", "enough"],
    "mb_down": 100, "mb_up": 100, "together": 1000}


# With Istio's max_grpc_timeout the plane goes by the deadline too: who is first is chance, and
# the plane says UNAVAILABLE, as Envoy does.
DEADLINE_OVER = ("DEADLINE_EXCEEDED", "UNAVAILABLE")


def _call(mesh, client, server):
    done = mesh.run_in_pod("client", [*CLIENTS[client], "call", f"{server}:9080"], check=False)
    expect_equal(0, done.returncode, f"{client} calls {server}: {done.stderr}")
    seen = json.loads(done.stdout)
    expect(seen.pop("deadline") in DEADLINE_OVER, f"{client} calls {server}: a deadline: {seen}")
    expect_equal({}, {name: (value, seen.get(name)) for name, value in EXPECTED.items()
                      if seen.get(name) != value}, f"{client} calls {server}: wanted, seen")


def _listens(mesh, server):
    done = mesh.run_in_pod(f"{server}-v1", ["ss", "-Hltn", "sport = :9080"])
    return bool(done.stdout.strip())


def calls_of_every_kind(mesh):
    took = {}
    for server in CLIENTS:
        shell.wait_until(lambda s=server: _listens(mesh, s), f"{server} to listen", 10)
        for client in CLIENTS:
            begun = time.monotonic()
            _call(mesh, client, server)
            took[f"{client} to {server}"] = time.monotonic() - begun
    slowest = max(took, key=took.get)
    expect(sum(took.values()) < 60, f"too slow: {took}")
    return f"{len(took)} pairs in {sum(took.values()):.1f} s, {slowest} in {took[slowest]:.1f} s"


def tests():
    """[(name, function of mesh)]"""
    return [(f"grpc_{test.__name__}", test) for test in (calls_of_every_kind,)]
