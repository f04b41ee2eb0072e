"""Mutual TLS between nodes by itself: who speaks it, who is let in, and that nothing is lost when a
mesh goes from PERMISSIVE to STRICT."""
import os

import measure
import shell
import topology as topo
from fixture import curl, expect, expect_equal, expect_none_lost

SECRET = "what-nobody-else-may-read"
ECHO = "http://echo:9080/"
ECHO_POD = topo.Pod("echo-v1", "echo", topo.NODE_B, 20)
OUTSIDER = topo.Pod("outsider", topo.OUTSIDER, topo.NODE_B, 90)
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 11), ECHO_POD,
          topo.Pod("near-v1", "echo", topo.NODE_A, 21, version="near"), OUTSIDER),
    services=(topo.Service("echo", 20),),
    mesh_tls=True,
)


def _policy(mesh, mode):
    """The whole mesh's PeerAuthentication."""
    mesh.apply_objects({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                        "metadata": {"name": "default", "namespace": "istio-system"},
                        "spec": {"mtls": {"mode": mode}}})


def _stat(mesh, node, name):
    return measure.node_stats(mesh, node).get(name, 0.0)


def _captured(mesh, action):
    capture = measure.Capture(mesh, topo.NODE_B, "uplink")
    try:
        action()
    finally:
        seen = capture.bytes()
    return seen


def nothing_is_readable_between_the_nodes(mesh):
    mesh.wait_for_identities()
    _policy(mesh, "PERMISSIVE")
    def ask():
        for _ in range(20):  # of two endpoints, one is far
            curl(mesh, "-H", f"x-secret: {SECRET}", ECHO)
    _policy(mesh, "DISABLE")
    expect(SECRET.encode() in _captured(mesh, ask), "tcpdump does not see what is plain")
    _policy(mesh, "PERMISSIVE")
    seen = _captured(mesh, ask)
    expect(len(seen) > 2000, f"tcpdump saw {len(seen)} bytes only")
    expect(SECRET.encode() not in seen, "the request was readable on the uplink")
    expect(_stat(mesh, topo.NODE_B, "meltemi_tls_handshakes_done_total") > 0,
           "no handshake at the server's node")


def the_near_pod_needs_no_tls(mesh):
    for _ in range(20):
        curl(mesh, ECHO)
    expect(_stat(mesh, topo.NODE_A, "meltemi_worker_tls_local_total") > 0,
           "no connection to the pod of the same node")


def outsiders_are_served_in_permissive_and_refused_in_strict(mesh):
    url = f"http://{ECHO_POD.v4}:9080/"
    _policy(mesh, "PERMISSIVE")
    curl(mesh, url, pod=OUTSIDER.name)
    before = _stat(mesh, topo.NODE_B, "meltemi_worker_no_filter_chain_total")
    _policy(mesh, "STRICT")
    done = curl(mesh, "-m", "5", url, pod=OUTSIDER.name, check=False)
    expect(done.returncode != 0, "a client without identity was served in STRICT")
    expect_equal(before + 1, _stat(mesh, topo.NODE_B, "meltemi_worker_no_filter_chain_total"),
                 "no_filter_chain")
    done = curl(mesh, "-k", "-m", "5", f"https://{ECHO_POD.v4}:9080/", pod=OUTSIDER.name,
                check=False)
    expect(done.returncode != 0, "a client with TLS and no certificate was served in STRICT")
    for _ in range(10):
        curl(mesh, ECHO)
    _policy(mesh, "PERMISSIVE")
    curl(mesh, url, pod=OUTSIDER.name)


def strict_holds_for_ports_that_no_service_has(mesh):
    """And what the pod itself opens goes on as before: its replies come back to such a port."""
    port = 9999
    serve = shell.Daemon("unlisted", ["/usr/bin/python3", "-B", "-m", "http.server", str(port),
                                      "--bind", "::"],
                         f"{mesh.run_dir}/unlisted.log", mesh.netns(ECHO_POD.name)).start()
    beside = shell.Daemon("beside", ["/usr/bin/python3", "-B", "-m", "http.server", str(port),
                                     "--bind", "::"],
                          f"{mesh.run_dir}/beside.log", mesh.netns(OUTSIDER.name)).start()
    url = f"http://{ECHO_POD.v4}:{port}/"

    def code(*arguments, pod=OUTSIDER.name):
        return curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", *arguments, pod=pod,
                    check=False).stdout
    try:
        _policy(mesh, "PERMISSIVE")
        shell.wait_until(lambda: code(url) == "200", "the unlisted port to answer", 10)
        _policy(mesh, "STRICT")
        expect_equal("000", code(url), "an unlisted port of a STRICT pod, from outside")
        expect_equal("200", code(f"http://{OUTSIDER.v4}:{port}/", pod=ECHO_POD.name),
                     "what a STRICT pod asks outside")
        _policy(mesh, "PERMISSIVE")
        expect_equal("200", code(url), "PERMISSIVE again")
    finally:
        serve.stop()
        beside.stop()


def permissive_to_strict_under_load_loses_nothing(mesh):
    _policy(mesh, "PERMISSIVE")
    load = measure.Wrk(mesh, ECHO, 6, connections=16)
    for mode in ("STRICT", "PERMISSIVE", "STRICT"):
        _policy(mesh, mode)
    result = load.result()
    expect_none_lost(result, "PERMISSIVE to STRICT and back under load")
    _policy(mesh, "PERMISSIVE")
    return f"{result.requests} requests"


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []
    return [(f"mesh_tls_{test.__name__}", test, TOPOLOGY) for test in (
        nothing_is_readable_between_the_nodes, the_near_pod_needs_no_tls,
        outsiders_are_served_in_permissive_and_refused_in_strict,
        strict_holds_for_ports_that_no_service_has,
        permissive_to_strict_under_load_loses_nothing)]
