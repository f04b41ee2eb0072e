"""The overload manager of a node with two workers: memory, connections, cycles."""
import contextlib
import dataclasses
import json
import sys

import measure
import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

NODE = tls_rig.NODE
TOPOLOGY = dataclasses.replace(tls_rig.TOPOLOGY, workers=2)
CONNECTIONS = 6
_MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors."
URL = f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}/"


def _heap(bytes_max):
    return {"name": "envoy.resource_monitors.fixed_heap", "typed_config": {
        "@type": f"{_MONITORS}fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": bytes_max}}


def _connections(count):
    return {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": {
        "@type": f"{_MONITORS}downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": count}}


def _when(action, monitor, value):
    return {"name": f"envoy.overload_actions.{action}", "triggers": [
        {"name": monitor["name"], "threshold": {"value": value}}]}


@contextlib.contextmanager
def _node(monitor, action, value):
    """A node that does `action` when the monitor's pressure is `value`; (mesh, access log)."""
    mesh = mesh_lib.Mesh("mlto-", TOPOLOGY)
    try:
        mesh.down()
        log = f"{mesh.run_dir}/overload.access.log"
        answers = tls_rig.http_filter("answers", {"/": "ok"}, log)
        mesh.up_static(
            {"listeners": [tls_rig.listener("plain", tls_rig.PLAIN, {"filters": [answers]})]},
            overload_manager={"refresh_interval": "0.05s", "resource_monitors": [monitor],
                              "actions": [_when(action, monitor, value)]})
        yield mesh, log
        mesh.check_alive()
    finally:
        mesh.down()


def _get(mesh, *arguments):
    return mesh.run_in_pod("client", ["curl", "-si", "-m", "5", *arguments, URL]).stdout


def _sample(mesh, name):
    return measure.prometheus_sample(mesh.admin(NODE, "/stats/prometheus"), name)


def _count(mesh, name):
    """Of both workers."""
    return sum(measure.prometheus_sample(mesh.admin(NODE, "/stats/prometheus"), name,
                                         worker=str(worker)) for worker in range(2))


def memory_sheds_requests(_):
    """As much is allowed as no process gets by with."""
    monitor = _heap(1 << 20)
    with _node(monitor, "stop_accepting_requests", 0.95) as (mesh, log):
        shell.wait_until(lambda: " 503 " in _get(mesh), "requests to be shed", 5)
        reply = _get(mesh)
        expect("envoy overloaded" in reply, f"not in Envoy's words: {reply}")
        shell.wait_until(lambda: open(log).read().endswith("/ 503 OM - overload\n"),
                         "a record with the flag OM", 5)
        expect_equal(1, _sample(mesh, "envoy_overload_envoy_overload_actions_"
                                      "stop_accepting_requests_active"), "the action")
        pressure = _sample(mesh, "envoy_overload_envoy_resource_monitors_fixed_heap_pressure")
        expect(pressure > 95, f"a pressure of {pressure} %")
        return f"pressure {pressure:.0f} %"


# Prints, as JSON, what became of so many connections with a request each; then of as many as
# `again` says, after so many were closed.
_CLIENT = """
import json, socket, sys, time
host, port, count, closed, again = sys.argv[1], *map(int, sys.argv[2:])
held = []
def ask():
    try:
        s = socket.create_connection((host, port), 5)
        s.sendall(b"GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n")
        reply = s.recv(4096)
    except ConnectionError:
        reply = b""
    if reply:
        held.append(s)
    return reply[9:12].decode() or "reset"
first = [ask() for _ in range(count)]
for s in held[:closed]:
    s.close()
time.sleep(0.3)
print(json.dumps([first, [ask() for _ in range(again)]]))
"""


def connections_of_both_workers_are_limited(_):
    """At n - 1, n and n + 1; and places come back. The action never happens: the limit holds."""
    with _node(_connections(CONNECTIONS), "stop_accepting_requests", 1) as (mesh, _):
        def attempts(count, closed, again):
            done = mesh.run_in_pod("client", [
                sys.executable, "-c", _CLIENT, tls_rig.GATEWAY, str(tls_rig.PLAIN), str(count),
                str(closed), str(again)])
            shell.wait_until(lambda: _sample(
                mesh, "envoy_overload_envoy_resource_monitors_global_downstream_max_connections"
                      "_pressure") == 0, "all connections to be over", 5)
            return json.loads(done.stdout)
        few = CONNECTIONS - 1
        expect_equal([["200"] * few, []], attempts(few, 0, 0), "one less")
        first, again = attempts(CONNECTIONS + 3, 2, 3)
        # The request of the last one may come when the action is in force already.
        expect_equal(["200"] * few, first[:few], "all that may be, but the last")
        expect(first[few] in ("200", "503"), f"the last that may be: {first}")
        expect_equal(["reset"] * 3, first[CONNECTIONS:], "those beyond")
        expect_equal(["200", "reset"], [again[0], again[2]], "after two were closed")
        refused = _count(mesh, "meltemi_engine_downstream_overflow_total")
        expect_equal(4, refused, "refused")
        return f"{CONNECTIONS} of two workers"


def cycles_shed_requests_while_busy(_):
    monitor = {"name": "envoy.resource_monitors.cpu_utilization"}
    with _node(monitor, "stop_accepting_requests", 0.3) as (mesh, _):
        expect(" 200 " in _get(mesh), "an idle node sheds")
        mesh.run_in_pod("client", ["wrk", "-t1", "-c32", "-d2s", URL])
        shed = _count(mesh, "meltemi_engine_requests_shed_total")
        expect(shed > 0, "a busy node sheds nothing")
        shell.wait_until(lambda: " 200 " in _get(mesh), "the node to be idle again", 5)
        return f"{shed:.0f} shed"


def tests():
    """[(name, function of mesh)]"""
    return [(f"overload_{f.__name__}", f) for f in
            (memory_sheds_requests, connections_of_both_workers_are_limited,
             cycles_shed_requests_while_busy)]
