"""Every node has the certificates of its workloads, and keeps them whatever the CA goes through."""
import json

import measure
import shell
from fixture import CLIENT_NODE, curl, expect, expect_equal

NODE = "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node"
ECHO = "http://echo:9080/"


def _expected(mesh, node):
    accounts = {p.service_account for p in mesh.topology.pods if p.node == node}
    return {NODE} | {f"spiffe://cluster.local/ns/default/sa/{a}" for a in accounts}


def _certs(mesh, node):
    """{identity: its entry of /certs}"""
    text = mesh.admin(node, "/certs")
    entries = json.loads(text)["certificates"] if text else []
    return {entry["cert_chain"][0]["subject_alt_names"][0]["uri"]: entry for entry in entries}


def _serials(mesh, node):
    return {uri: entry["cert_chain"][0]["serial_number"]
            for uri, entry in _certs(mesh, node).items()}


def _wait_for_all(mesh, nodes):
    for node in nodes:
        shell.wait_until(lambda n=node: set(_certs(mesh, n)) == _expected(mesh, n),
                         f"{node.name} to have its certificates", 20, 0.1)


def _issued(mesh):
    """{serial: the line of the CA's issuance log}"""
    with open(f"{mesh.ca_dir}/issuance.log") as log:
        return {entry["serial"]: entry for entry in map(json.loads, log)}


def _restart_planes(mesh, nodes):
    for node in nodes:
        expect_equal(0, mesh.planes[node.name].stop(), f"exit code of {node.name}")
        mesh.start_plane(node)
    mesh.wait_ready()


def each_node_has_its_own_certificates(mesh):
    _wait_for_all(mesh, mesh.topology.nodes)
    shown = {node: _certs(mesh, node) for node in mesh.topology.nodes}
    issued = _issued(mesh)
    for node, entries in shown.items():
        for uri, entry in entries.items():
            leaf = entry["cert_chain"][0]
            line = issued.get(leaf["serial_number"])
            expect(line is not None, f"{leaf} of {node.name} is not in the CA's log")
            expect_equal((uri, node.name, leaf["expiration_time"]),
                         (line["identity"], line["node"], line["not_after"]), "the CA's line")
            expect(leaf["days_until_expiration"] in ("0", "1"), f"a certificate of 24 h: {leaf}")
        stats = measure.node_stats(mesh, node)
        expect(stats["envoy_server_days_until_first_cert_expiring"] <= 1,
               f"days until the first ends on {node.name}")
        expect_equal(0, stats["meltemi_identity_failures_total"], f"failures of {node.name}")
    methods = {(line["node"], line["method"]) for line in issued.values()}
    expect_equal({("node-a", "join"), ("node-a", "certificate"), ("node-b", "jwt")}, methods,
                 "how the nodes proved themselves")


def a_node_gets_no_identity_of_another_node(mesh):
    """ratings runs on node-b only; node-a's plane is told of it by a bootstrap that lies."""
    node = CLIENT_NODE
    pod = mesh.topology.pod("ratings-v1")
    uri = f"spiffe://cluster.local/ns/default/sa/{pod.service_account}"
    expect(uri not in _certs(mesh, node), f"{node.name} has a certificate of {uri}")
    mesh.planes[node.name].stop()
    mesh.start_plane(node, more_workloads=[{
        "name": "liar", "namespace": "default", "service_account": pod.service_account}])
    try:
        refused = f"no workload of {uri} is bound to node node-a"
        shell.wait_until(lambda: refused in mesh.planes[node.name].log_tail(50),
                         "the refusal in the node's log", 20, 0.1)
        _wait_for_all(mesh, [node])
    finally:
        _restart_planes(mesh, [node])


def ca_killed_and_restarted_loses_nothing(mesh):
    _wait_for_all(mesh, mesh.topology.nodes)
    first, second = mesh.topology.nodes
    before, issued, bundle = (_serials(mesh, first), _issued(mesh),
                              mesh.meltemi_ca("trust-bundle").stdout)
    mesh.ca.kill()
    mesh.ca = None  # it is meant to be away
    # A node that starts now routes without certificates, says so, and goes on asking.
    _restart_planes(mesh, [second])
    expect_equal({}, _certs(mesh, second), f"certificates of {second.name} while the CA is away")
    stats = measure.node_stats(mesh, second)
    expect(stats["meltemi_identity_failures_total"] > 0, "no failure counted while the CA is away")
    expect_equal(0, stats["meltemi_identity_ready"], "identities that are ready")
    expect_equal(before, _serials(mesh, first), f"what {first.name} had")
    expect_equal("ok\n", curl(mesh, ECHO).stdout, "a request across the nodes")
    mesh.start_ca()
    _wait_for_all(mesh, [second])
    expect_equal(before, _serials(mesh, first), f"what {first.name} had")
    expect_equal(bundle, mesh.meltemi_ca("trust-bundle").stdout, "the roots after the restart")
    now = _issued(mesh)
    expect_equal(issued, {serial: now.get(serial) for serial in issued}, "lines of the log")


def tests():
    """[(name, function of mesh)]"""
    return [(test.__name__, test) for test in (
        each_node_has_its_own_certificates, a_node_gets_no_identity_of_another_node,
        ca_killed_and_restarted_loses_nothing)]
