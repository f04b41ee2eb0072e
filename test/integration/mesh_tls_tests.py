"""Mutual TLS between nodes by itself: who speaks it, who is let in, and that nothing is lost when a
mesh goes from PERMISSIVE to STRICT."""
import os
import re
import time

import measure
import servers
import shell
import topology as topo
from fixture import FIRST_PEER, Talk, curl, expect, expect_equal, expect_none_lost
from tls_rig import Pki

SECRET = "what-nobody-else-may-read"
ECHO = "http://echo:9080/"
ECHO_POD = topo.Pod("echo-v1", "echo", topo.NODE_B, 20)
OUTSIDER = topo.Pod("outsider", topo.OUTSIDER, topo.NODE_B, 90)
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 11), ECHO_POD,
          topo.Pod("near-v1", "echo", topo.NODE_A, 21, version="near"), OUTSIDER),
    services=(topo.Service("echo", 20),
              topo.Service("first", 23, port=2525, port_name="tcp-first", app="echo"),
              topo.Service("secure", 24, port=8443, port_name="tls", app="echo")),
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


def servers_that_speak_first_are_heard(mesh):
    """A client of the mesh speaks TLS at once; one of outside is waited for, then taken as plain. A
    rule that comes later ends the connections that it denies, and no others."""
    mesh.wait_for_identities()
    _policy(mesh, "PERMISSIVE")
    servers = [shell.Daemon("first", ["/usr/bin/python3", "-B", FIRST_PEER, "serve", "2525"],
                            f"{mesh.run_dir}/first-{pod}.log", mesh.netns(pod)).start()
               for pod in (ECHO_POD.name, "near-v1")]
    try:
        for pod in (ECHO_POD.name, "near-v1"):
            shell.wait_until(lambda p=pod: "2525" in mesh.run_in_pod(p, ["ss", "-Hltn"]).stdout,
                             "the servers to listen", 10)
        continued = "meltemi_worker_sniff_continued_total"
        before = _stat(mesh, topo.NODE_B, continued)
        connect = ["/usr/bin/python3", "-B", FIRST_PEER, "connect"]
        service = [*connect, mesh.topology.service("first").v4, "2525"]
        with Talk(mesh, OUTSIDER.name, [*connect, ECHO_POD.v4, "2525"]) as outside, \
                Talk(mesh, "client", service) as inside, \
                Talk(mesh, "client", service) as second:
            for one in (inside, second):  # one of two servers each, near and far
                one.hear("220 ready", timeout_s=3)
            expect_equal("", outside.said(), "what is heard before the time is over")
            outside.hear("220 ready", timeout_s=8)
            expect_equal(before + 1, _stat(mesh, topo.NODE_B, continued), continued)
            for one in (outside, inside, second):
                one.type("ask\n")
                one.hear("ask")
            mesh.apply_objects({
                "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
                "metadata": {"name": "later", "namespace": "default"},
                "spec": {"action": "DENY", "rules": [{"from": [{"source": {
                    "principals": ["cluster.local/ns/default/sa/bookinfo-client"]}}]}]}})
            for one in (inside, second):
                shell.wait_until(lambda o=one: o.ended, "what is denied now to end", 10)
            outside.type("again\n")
            outside.hear("again")
            mesh.delete("AuthorizationPolicy", "later")
            denied = sum(_stat(mesh, node, "meltemi_engine_tcp_denied_later_total")
                         for node in (topo.NODE_A, topo.NODE_B))
            expect_equal(2, denied, "tcp_denied_later")
    finally:
        for server in servers:
            server.stop()


def _istio(kind, name, spec):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _by_sni():
    """Names of other servers at the service, and two services of the outside on one port."""
    subsets = {"near.test": "near", "far.test": "v1"}
    yield _istio("DestinationRule", "secure", {"host": "secure", "subsets": [
        {"name": subset, "labels": {"version": subset}} for subset in subsets.values()]})
    yield _istio("VirtualService", "secure", {"hosts": ["secure", *subsets], "tls": [
        {"match": [{"sniHosts": [name]}],
         "route": [{"destination": {"host": "secure", "subset": subset}}]}
        for name, subset in subsets.items()]})
    for name, pod in (("a", "near-v1"), ("b", ECHO_POD.name)):
        yield _istio("ServiceEntry", name, {
            "hosts": [f"{name}.example.com"], "resolution": "STATIC",
            "ports": [{"number": 443, "name": "tls", "protocol": "TLS", "targetPort": 8443}],
            "endpoints": [{"address": TOPOLOGY.pod(pod).v4}]})


def clients_own_tls_goes_by_its_server_name(mesh):
    """To a service with a rule, and to services that have nothing else than their names."""
    _policy(mesh, "PERMISSIVE")
    pki = Pki(f"{mesh.run_dir}/pki")
    ports = {ECHO_POD.name: 8443, "near-v1": 8443, OUTSIDER.name: 443}

    def server(pod, port):
        pki.issue(pod, f"DNS:{pod}.test")
        return shell.Daemon("s_server", ["openssl", "s_server", "-accept", str(port), "-cert",
                                         pki.pem(pod), "-key", pki.key(pod), "-www"],
                            f"{mesh.run_dir}/s_server-{pod}.log", mesh.netns(pod)).start()

    def who(address, port, *name):
        done = shell.run(mesh.in_pod("client", [
            "openssl", "s_client", "-connect", f"{address}:{port}", *name]), check=False,
                         timeout_s=10, stdin_text="Q\n")
        found = re.search(r"^subject=CN ?= ?(\S+)", done.stdout, re.M)
        return found.group(1) if found else done.stderr[-300:]

    running = [server(pod, port) for pod, port in ports.items()]
    try:
        for pod, port in ports.items():
            shell.wait_until(lambda p=pod, n=port: f":{n} " in mesh.run_in_pod(
                p, ["ss", "-Hltn"]).stdout, f"{pod} to listen", 10)
        mesh.apply_objects(*_by_sni())
        secure = mesh.topology.service("secure").v4
        for name, pod in (("near.test", "near-v1"), ("far.test", ECHO_POD.name)):
            for _ in range(4):
                expect_equal(pod, who(secure, 8443, "-servername", name), f"{name} at the service")
        both = {who(secure, 8443, "-servername", "secure") for _ in range(8)}
        expect_equal({"near-v1", ECHO_POD.name}, both, "the service by its own name")
        for name, pod in (("a.example.com", "near-v1"), ("B.example.com", ECHO_POD.name)):
            for address in ("198.51.100.7", OUTSIDER.v4):  # nobody's; somebody else's
                expect_equal(pod, who(address, 443, "-servername", name), f"{name} at {address}")
        for name in (("-servername", "c.example.com"), ("-noservername",)):
            expect_equal(OUTSIDER.name, who(OUTSIDER.v4, 443, *name), f"{name}: let through")
    finally:
        for one in running:
            one.stop()
        for kind, name in (("VirtualService", "secure"), ("DestinationRule", "secure"),
                           ("ServiceEntry", "a"), ("ServiceEntry", "b")):
            mesh.meltemi("delete", kind, name, check=False)
        mesh.wait_converged()


_GUARDED = servers.NGINX_START + """\
  server {{
    listen {port} ssl;
    ssl_certificate {folder}/guarded.test.pem;
    ssl_certificate_key {folder}/guarded.test.key;
    ssl_client_certificate {folder}/ca-a.pem;
    ssl_verify_client optional;
    location / {{ return 200 "$ssl_server_name [$ssl_client_s_dn] $ssl_client_verify\\n"; }}
  }}
}}
"""
GUARDED_PORT, GUARDED = 9443, "198.51.100.9"


def rules_say_what_tls_servers_of_others_get(mesh):
    """DestinationRule SIMPLE and MUTUAL, with files of the node, to an nginx outside."""
    pki = Pki(f"{mesh.run_dir}/pki")
    pki.issue("guarded.test", "DNS:guarded.test")
    pki.issue("caller", "URI:spiffe://partner/caller")
    pki.issue("stranger", "URI:spiffe://partner/caller", authority="b")
    with open(f"{mesh.run_dir}/guarded.conf", "w") as config:
        config.write(_GUARDED.format(run=mesh.run_dir, port=GUARDED_PORT, folder=pki.folder))
    server = shell.Daemon("nginx", ["nginx", "-e", "stderr", "-c", f"{mesh.run_dir}/guarded.conf"],
                          f"{mesh.run_dir}/guarded.log", mesh.netns(OUTSIDER.name)).start()
    entry = _istio("ServiceEntry", "guarded", {
        "hosts": ["guarded.example.com"], "addresses": [GUARDED], "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": GUARDED_PORT}],
        "endpoints": [{"address": OUTSIDER.v4}]})
    trust = {"caCertificates": pki.pem("ca-a"), "subjectAltNames": ["guarded.test"],
             "sni": "guarded.test"}

    def shown(name):
        return {"clientCertificate": pki.pem(name), "privateKey": pki.key(name)}

    rows = (
        ({"mode": "SIMPLE", **trust}, "200", "guarded.test [] NONE"),
        ({"mode": "MUTUAL", **trust, **shown("caller")}, "200",
         "guarded.test [CN=caller] SUCCESS"),
        ({"mode": "MUTUAL", **trust, **shown("stranger")}, "400", "SSL certificate error"),
        ({"mode": "SIMPLE", **trust, "subjectAltNames": ["other.test"]}, "503",
         "CERTIFICATE_VERIFY_FAILED"),
        ({"mode": "SIMPLE", **trust, "caCertificates": pki.pem("ca-b")}, "503",
         "CERTIFICATE_VERIFY_FAILED"),
        ({"mode": "SIMPLE", "insecureSkipVerify": True, "sni": "x.test"}, "200", "x.test [] NONE"),
        ({"mode": "DISABLE"}, "400", "plain HTTP request was sent to HTTPS port"))
    def ask():
        return curl(mesh, "-w", "%{http_code}", "-H", "host: guarded.example.com",
                    f"http://{GUARDED}/").stdout

    try:
        for tls, code, text in rows:
            mesh.apply_objects(entry, _istio("DestinationRule", "guarded", {
                "host": "guarded.example.com", "trafficPolicy": {"tls": tls}}))

            # A context is made when the node has read its files.
            deadline, answer = time.monotonic() + 10, ask()
            while not (text in answer and answer.endswith(code)):
                expect(time.monotonic() < deadline, f"{tls}: {code} {text!r}, not {answer}")
                time.sleep(0.2)
                answer = ask()
    finally:
        server.stop()
        for kind in ("DestinationRule", "ServiceEntry"):
            mesh.meltemi("delete", kind, "guarded", check=False)
        mesh.wait_converged()


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
        strict_holds_for_ports_that_no_service_has, servers_that_speak_first_are_heard,
        clients_own_tls_goes_by_its_server_name,
        rules_say_what_tls_servers_of_others_get,
        permissive_to_strict_under_load_loses_nothing)]
