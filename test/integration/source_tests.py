"""VirtualService matches by who the client is (sourceLabels, sourceNamespace) and by the address
it dials (destinationSubnets): over HTTP, opaque TCP and TLS by SNI, from pods of one node and of
two."""
import os
import re

import measure
import shell
import topology as topo
from fixture import FIRST_PEER, Talk, curl, expect, expect_equal, expect_none_lost
from tls_rig import Pki

SERVERS = (topo.Pod("details-v1", "details", topo.NODE_B, 21, version="v1"),
           topo.Pod("details-v2", "details", topo.NODE_A, 22, version="v2"),
           topo.Pod("details-v3", "details", topo.NODE_B, 23, version="v3"))
STABLE = topo.Pod("client", "client", topo.NODE_A, 11, version="stable")
CANARY = topo.Pod("canary", "client", topo.NODE_A, 12, version="canary")
FAR = topo.Pod("far", "client", topo.NODE_B, 13, version="canary")
OTHER = topo.Pod("other", "client", topo.NODE_B, 14, version="other")
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(STABLE, CANARY, FAR, OTHER, *SERVERS),
    services=(topo.Service("details", 12),
              topo.Service("raw", 25, port_name="tcp-raw", app="details"),
              topo.Service("secure", 26, port=8443, port_name="tls", app="details")),
)
PATH = "/details/0"
# Which server each client is to find.
WANTED = {STABLE.name: "v1", CANARY.name: "v2", FAR.name: "v2", OTHER.name: "v3"}


def _istio(kind, name, spec):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _to(subset, host, port):
    return {"route": [{"destination": {"host": host, "subset": subset,
                                       "port": {"number": port}}}]}


def _subsets(host):
    return _istio("DestinationRule", host, {"host": host, "subsets": [
        {"name": pod.version, "labels": {"version": pod.version}} for pod in SERVERS]})


def _by_client(host, port, kind, **match):
    """Nobody is of that namespace; the canaries and the stable ones are told by their labels."""
    sources = (({"sourceNamespace": "elsewhere"}, "v3"),
               ({"sourceLabels": {"app": "client", "version": "stable"}}, "v1"),
               ({"sourceNamespace": "default", "sourceLabels": {"version": "canary"}}, "v2"),
               ({}, "v3"))
    return _istio("VirtualService", host, {"hosts": [host], kind: [
        {"match": [{**source, **match, "port": port}], **_to(subset, host, port)}
        for source, subset in sources]})


def _version(mesh, pod, url):
    replies = measure.curl_many(mesh, url, 4, pod=pod)
    expect_equal(4, measure.count(replies, status=200), f"replies to {pod} by {url}: {replies}")
    return "+".join(sorted({reply.version for reply in replies}))


def http_goes_by_who_the_client_is(mesh):
    mesh.apply_objects(_subsets("details"), _by_client("details", 9080, "http"))
    for pod, version in WANTED.items():
        expect_equal(version, _version(mesh, pod, f"http://details:9080{PATH}"), f"of {pod}")


def opaque_tcp_goes_by_who_the_client_is(mesh):
    mesh.apply_objects(_subsets("raw"), _by_client("raw", 9080, "tcp"))
    for pod, version in WANTED.items():
        for address in (TOPOLOGY.service("raw").v4, f"[{TOPOLOGY.service('raw').v6}]"):
            expect_equal(version, _version(mesh, pod, f"http://{address}:9080{PATH}"), f"of {pod}")


def tls_goes_by_server_name_and_client(mesh):
    """The same name means another server to another client."""
    pki = Pki(f"{mesh.run_dir}/pki")

    def server(pod):
        pki.issue(pod, f"DNS:{pod}.test")
        return shell.Daemon("s_server", ["openssl", "s_server", "-accept", "8443", "-cert",
                                         pki.pem(pod), "-key", pki.key(pod), "-www"],
                            f"{mesh.run_dir}/s_server-{pod}.log", mesh.netns(pod)).start()

    def who(pod):
        done = shell.run(mesh.in_pod(pod, [
            "openssl", "s_client", "-connect", f"{TOPOLOGY.service('secure').v4}:8443",
            "-servername", "shop.test"]), check=False, timeout_s=10, stdin_text="Q\n")
        found = re.search(r"^subject=CN ?= ?details-(\S+)", done.stdout, re.M)
        return found.group(1) if found else done.stderr[-300:]

    running = [server(pod.name) for pod in SERVERS]
    try:
        for pod in SERVERS:
            shell.wait_until(lambda p=pod.name: ":8443 " in mesh.run_in_pod(
                p, ["ss", "-Hltn"]).stdout, f"{pod.name} to listen", 10)
        rule = _by_client("secure", 8443, "tls", sniHosts=["shop.test"])
        rule["spec"]["hosts"].append("shop.test")
        mesh.apply_objects(_subsets("secure"), rule)
        for pod, version in WANTED.items():
            for _ in range(3):
                expect_equal(version, who(pod), f"shop.test of {pod}")
    finally:
        for one in running:
            one.stop()


def subnets_choose_by_the_address_dialled(mesh):
    """In the order of the rule, not by the longest prefix; an address that nobody has will do."""
    to = lambda subset: _to(subset, "details", 9080)  # noqa: E731
    mesh.apply_objects(
        _subsets("details"),
        _istio("ServiceEntry", "outside", {
            "hosts": ["outside.example.com"], "resolution": "STATIC",
            "ports": [{"number": 7777, "name": "tcp", "protocol": "TCP"}],
            "endpoints": [{"address": "192.0.2.1"}]}),
        _istio("VirtualService", "outside", {"hosts": ["outside.example.com"], "tcp": [
            {"match": [{"destinationSubnets": ["198.51.100.0/25"]}], **to("v1")},
            {"match": [{"destinationSubnets": ["198.51.100.7"]}], **to("v3")},
            {"match": [{"destinationSubnets": ["198.51.100.0/24", "2001:db8::/32"],
                        "sourceLabels": {"version": "stable"}}], **to("v2")},
            to("v3")]}))
    for address, version, canary in (("198.51.100.7", "v1", "v1"), ("198.51.100.200", "v2", "v3"),
                                     ("[2001:db8::1]", "v2", "v3"), ("203.0.113.9", "v3", "v3")):
        url = f"http://{address}:7777{PATH}"
        expect_equal(version, _version(mesh, STABLE.name, url), f"the stable one's {address}")
        expect_equal(canary, _version(mesh, CANARY.name, url), f"the canary's {address}")


def _label(mesh, pod, version):
    document = topo.pod_document(pod)
    document["metadata"]["labels"]["version"] = version
    mesh.apply_objects(document)


def new_labels_move_a_client(mesh):
    """Also the connection that it has open, and not a request is lost."""
    mesh.apply_objects(_subsets("details"))
    request = f"GET {PATH} HTTP/1.1\r\nHost: details:9080\r\n\r\n"
    load = measure.Wrk(mesh, f"http://details:9080{PATH}", 8, connections=8)
    connect = ["/usr/bin/python3", "-B", FIRST_PEER, "connect", TOPOLOGY.service("details").v4,
               "9080"]
    with Talk(mesh, STABLE.name, connect) as talk:
        talk.type(request)
        talk.hear("HTTP/1.1 200")
        mesh.apply_objects(_by_client("details", 9080, "http"))
        for turn, (version, subset) in enumerate((("stable", "v1"), ("canary", "v2"),
                                                  ("unheard-of", "v3"), ("stable", "v1"))):
            _label(mesh, STABLE, version)
            expect_equal(subset, _version(mesh, STABLE.name, f"http://details:9080{PATH}"),
                         f"of the client as {version}")
            talk.type(request)
            talk.hear("HTTP/1.1 200", turn + 2)
            heard = re.findall(r"^x-version: (\S+)", talk.said(), re.M | re.I)
            expect_equal(subset, heard[-1], f"on the open connection as {version}")
        expect(not talk.ended, "the open connection has ended")
    result = load.result()
    expect_none_lost(result, "labels and rules that change")
    return f"{result.requests} requests"


def a_forged_address_does_not_help(mesh):
    """A pod that takes the address of a neighbour reaches nobody as it."""
    mesh.apply_objects(_subsets("details"), _by_client("details", 9080, "http"))
    expect_equal("v2", _version(mesh, CANARY.name, f"http://details:9080{PATH}"), "of the canary")
    add = ["ip", "address", "add", f"{CANARY.v4}/32", "dev", "lo"]
    mesh.run_in_pod(STABLE.name, add)
    try:
        done = curl(mesh, "-m", "3", "--interface", CANARY.v4, f"http://details:9080{PATH}",
                    pod=STABLE.name, check=False)
        expect_equal(28, done.returncode, f"curl as the canary: {done.stdout}{done.stderr}")
    finally:
        mesh.run_in_pod(STABLE.name, ["ip", "address", "del", f"{CANARY.v4}/32", "dev", "lo"])
    expect_equal("v1", _version(mesh, STABLE.name, f"http://details:9080{PATH}"), "as itself")


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []

    def cleaned(test):
        def run(mesh):
            try:
                return test(mesh)
            finally:
                for name in ("details", "raw", "secure", "outside"):
                    mesh.meltemi("delete", "VirtualService", name, check=False)
                    mesh.meltemi("delete", "DestinationRule", name, check=False)
                mesh.meltemi("delete", "ServiceEntry", "outside", check=False)
        return run
    return [(f"source_{test.__name__}", cleaned(test), TOPOLOGY) for test in (
        http_goes_by_who_the_client_is, opaque_tcp_goes_by_who_the_client_is,
        tls_goes_by_server_name_and_client, subnets_choose_by_the_address_dialled,
        new_labels_move_a_client, a_forged_address_does_not_help)]
