"""HTTP/2 where a rule wants it, tunnels over HTTP/2 and CONNECT, and h2c by Upgrade.

HAProxy and nginx stand in for proxies and servers of both versions, curl, nghttp and Python's
websockets for clients.
"""
import dataclasses
import json
import os
import re
import signal
import sys
import time

import measure
import mesh as mesh_lib
import mesh_tls_tests
import servers
import shell
import tls_rig
import topology as topo
from fixture import curl, expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
ECHO = mesh_tls_tests.ECHO
NODE = tls_rig.NODE
NGINX, CHAT, HAPROXY_1, HAPROXY_2 = 9080, 9081, 9082, 9083
OPEN, ENDS, ON_1, ON_2 = 8080, 8081, 8082, 8083  # of the gateway
_HTTP2 = ("meltemi_engine_http2_upstream_total", "meltemi_engine_http2_downstream_total")


def _rule(mesh, **http):
    mesh.apply_objects({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                        "metadata": {"name": "echo", "namespace": "default"},
                        "spec": {"host": "echo",
                                 "trafficPolicy": {"connectionPool": {"http": http}}}})


def _stat(mesh, node, name):
    return measure.node_stats(mesh, node).get(name, 0.0)


def _spoken(mesh, *arguments):
    """What 30 requests, to the near pod and the far one, are answered, and how many connections of
    HTTP/2 were made: from node A, to node B."""
    nodes = (topo.NODE_A, topo.NODE_B)
    before = [_stat(mesh, node, name) for node, name in zip(nodes, _HTTP2)]
    told = {curl(mesh, "-w", "%{http_code} %{http_version}", *arguments, ECHO).stdout
            for _ in range(30)}
    return told, [_stat(mesh, node, name) - was
                  for (node, name), was in zip(zip(nodes, _HTTP2), before)]


def rules_choose_the_version(mesh):
    """The servers are of HTTP/1.1, one on the client's node and one on the other. HTTP/2 is spoken
    between the nodes, where a listener translates, and to nobody else."""
    mesh.wait_for_identities()
    told, made = _spoken(mesh)
    expect_equal(({"ok\n200 1.1"}, [0, 0]), (told, made), "without a rule")
    _rule(mesh, h2UpgradePolicy="UPGRADE", maxConcurrentStreams=10)
    told, made = _spoken(mesh)
    expect_equal({"ok\n200 1.1"}, told, "with UPGRADE")
    expect(min(made) >= 1, f"connections of HTTP/2 with UPGRADE: {made}")
    _rule(mesh, useClientProtocol=True)
    told, made = _spoken(mesh)
    expect_equal(({"ok\n200 1.1"}, [0, 0]), (told, made), "as clients of HTTP/1.1")
    told, made = _spoken(mesh, "--http2-prior-knowledge")
    expect_equal({"ok\n200 2"}, told, "as clients of HTTP/2")
    expect(made[1] >= 1, f"connections of HTTP/2 as clients of it: {made}")
    return "30 requests each, none lost"


def a_node_that_is_silent_is_left(mesh):
    """The other node stops; PING finds out, and its connections are closed and counted."""
    mesh.wait_for_identities()
    name = "envoy_cluster_http2_keepalive_timeout"
    _rule(mesh, h2UpgradePolicy="UPGRADE", http2KeepAlive={"interval": "1s", "timeout": "1s"})
    expect_equal({"ok\n200 1.1"}, _spoken(mesh)[0], "before")

    def timeouts():
        page = mesh.admin(topo.NODE_A, "/stats/prometheus")
        return sum(float(line.split()[-1]) for line in page.splitlines()
                   if line.startswith(name + "{"))
    time.sleep(3)  # several intervals: who answers is left alone
    expect_equal(0, timeouts(), f"{name} while all is well")
    pid = mesh.planes[topo.NODE_B.name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        shell.wait_until(lambda: timeouts() > 0, name, 10)
    finally:
        os.kill(pid, signal.SIGCONT)
    shell.wait_until(lambda: curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", ECHO,
                                  check=False).stdout == "200", "requests to be served again", 10)
    expect_equal({"ok\n200 1.1"}, _spoken(mesh)[0], "afterwards")


# CONNECT and upgrades: one node with a static configuration.

def _connect_route(cluster, ends):
    upgrade = {"upgrade_type": "CONNECT", **({"connect_config": {}} if ends else {})}
    return {"match": {"connect_matcher": {}},
            "route": {"cluster": cluster, "upgrade_configs": [upgrade]}}


def _listener(name, port, log, route=None, **more):
    manager = tls_rig.http_filter(name, {"/chat": "to-haproxy-2", "/": name}, log,
                                  http2_protocol_options={"allow_connect": True}, **more)
    if route:
        routes = manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
        routes.insert(0, route)
    return tls_rig.listener(name, port, {"filters": [manager]})


def _resources(log):
    upgrades = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
    return {
        "listeners": [
            _listener("open", OPEN, log, **upgrades),
            _listener("ends", ENDS, log, _connect_route("to-nginx", True)),
            _listener("on-1", ON_1, log, _connect_route("to-haproxy-1", False)),
            _listener("on-2", ON_2, log, _connect_route("to-haproxy-2", False))],
        "clusters": [tls_rig.cluster("to-nginx", NGINX),
                     tls_rig.cluster("to-haproxy-1", HAPROXY_1),
                     tls_rig.cluster("to-haproxy-2", HAPROXY_2, http2=True)]}


# CONNECT goes back to the node, which ends it; WebSocket to a server of HTTP/1.1.
_HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
frontend of1
  bind {backend}:{one}
  default_backend node1
frontend of2
  bind {backend}:{two} proto h2
  use_backend node2 if METH_CONNECT !{{ path_beg /chat }}
  default_backend chat
backend node1
  server node {gateway}:{ends}
backend node2
  server node {gateway}:{ends} proto h2
backend chat
  server chat {backend}:{chat}
"""
_NGINX = servers.NGINX_START + """\
  default_type text/plain;
  server {{
    listen {port};
    location / {{ return 200 "through the tunnel to $host\\n"; }}
  }}
}}
"""


def _start_servers(mesh):
    run, backend = mesh.run_dir, tls_rig.BACKEND
    with open(f"{run}/nginx.conf", "w") as config:
        config.write(_NGINX.format(run=run, port=NGINX))
    with open(f"{run}/haproxy.cfg", "w") as config:
        config.write(_HAPROXY.format(backend=backend, gateway=tls_rig.GATEWAY, ends=ENDS,
                                     one=HAPROXY_1, two=HAPROXY_2, chat=CHAT))
    for name, argv in (
            ("nginx", ["nginx", "-e", "stderr", "-c", f"{run}/nginx.conf"]),
            ("haproxy", ["haproxy", "-db", "-f", f"{run}/haproxy.cfg"]),
            ("chat", [sys.executable, "-B", f"{HERE}/websocket_peer.py", "serve", str(CHAT)])):
        mesh.servers[name] = shell.Daemon(name, argv, f"{run}/{name}.log",
                                          mesh.netns("backend")).start()
    for port in (NGINX, HAPROXY_1, HAPROXY_2, CHAT):
        shell.wait_until(lambda p=port: mesh.run_in_pod(
            "backend", ["ss", "-Hltn", f"sport = :{p}"]).stdout.strip(), f"port {port}", 10)


def _tunnel(mesh, port):
    """A request through the proxy at `port`, by a tunnel: its answer, and the proxy's."""
    return curl(mesh, "-p", "-x", f"http://{tls_rig.GATEWAY}:{port}", "-w", "%{http_connect}",
                "http://far.example:80/", check=False).stdout


def tunnels_of_both_versions(_):
    """curl's CONNECT is ended by the node, passed on to HAProxy by HTTP/1.1, and by HTTP/2; HAProxy
    sends it back by the same version, and then the node ends it. WebSocket goes to HAProxy by
    HTTP/2."""
    mesh = mesh_lib.Mesh("mltp-", dataclasses.replace(tls_rig.TOPOLOGY))
    try:
        mesh.down()
        log = f"{mesh.run_dir}/protocol.access.log"
        mesh.up_static(_resources(log))
        _start_servers(mesh)
        for port in (ENDS, ON_1, ON_2):
            expect_equal("through the tunnel to far.example\n200", _tunnel(mesh, port),
                         f"CONNECT at port {port}")
        expect_equal("405", _tunnel(mesh, OPEN), "CONNECT where none is allowed")
        expect(_stat(mesh, NODE, "meltemi_engine_http2_downstream_total") > 0,
               "HAProxy never spoke HTTP/2")
        done = mesh.run_in_pod("client", [
            f"{HERE}/websocket_peer.py", "call", f"ws://{tls_rig.GATEWAY}:{OPEN}/chat",
            tls_rig.GATEWAY], check=False)
        expect_equal(0, done.returncode, f"websocket_peer.py call: {done.stderr}")
        expect_equal({"in_order": True, "large": True, "pong": True, "closed": [4001, "asked to"]},
                     json.loads(done.stdout), "what came back by WebSocket")
        mesh.check_alive()
    finally:
        mesh.down()


# Of the mesh of http2_tests.

def h2c_by_upgrade(mesh):
    done = curl(mesh, "--http2", "-w", "%{http_code} %{http_version}", "http://echo:9080/")
    expect_equal("ok\n200 2", done.stdout, "curl --http2")
    done = curl(mesh, "--http2", "-w", "%{http_code} %{http_version}\n", "http://echo:9080/",
                "http://echo:9080/bytes/100000", "-o", "/dev/null")
    expect("200 2" in done.stdout, f"two requests: {done.stdout}")
    done = curl(mesh, "--http2", "-d", "body", "-w", "%{http_code} %{http_version}",
                "http://echo:9080/echo")
    expect_equal("body200 1.1", done.stdout, "a body stays with HTTP/1.1")
    done = mesh.run_in_pod("client", ["nghttp", "-u", "-v", "http://echo:9080/bytes/200000",
                                      "-n"], check=False)
    expect(re.search(r"HTTP Upgrade success", done.stdout) and ":status: 200" in done.stdout,
           f"nghttp -u:\n{done.stdout[-2000:]}{done.stderr}")


def tests():
    """[(name, function of mesh, topology)]"""
    import fixture
    mesh = mesh_tls_tests.TOPOLOGY
    return [(test.__name__, test, topology) for test, topology in (
        (h2c_by_upgrade, fixture.TOPOLOGY), (tunnels_of_both_versions, fixture.TOPOLOGY),
        (rules_choose_the_version, mesh), (a_node_that_is_silent_is_left, mesh))]
