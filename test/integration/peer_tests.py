"""Who is at the other end: what servers hear of their clients, what is counted and shown of both,
and that a service is nobody but its accounts."""
import json
import os
import re

import measure
import topology as topo
from fixture import curl, expect, expect_equal
from mesh_tls_tests import ECHO, ECHO_POD, OUTSIDER, TOPOLOGY

ACCOUNT = "spiffe://cluster.local/ns/default/sa/bookinfo-"
HEADER = "x-forwarded-client-cert"
FAR = re.compile(rf'By={ACCOUNT}echo;Hash=[0-9a-f]{{64}};Subject="";URI={ACCOUNT}client')
NEAR = re.compile(rf'By={ACCOUNT}echo;Subject="";URI={ACCOUNT}client')


def _policy(mesh, kind, name, namespace, spec):
    mesh.apply_objects({"apiVersion": "networking.istio.io/v1", "kind": kind,
                        "metadata": {"name": name, "namespace": namespace}, "spec": spec})


def _heard(mesh, *arguments, **where):
    """What the server says it got as the header; "" for none."""
    return json.loads(curl(mesh, *arguments, **where).stdout).get(HEADER, "")


def servers_hear_who_the_client_is(mesh):
    mesh.wait_for_identities()
    seen = {_heard(mesh, "-H", f"{HEADER}: By=evil;URI=evil", f"{ECHO}headers")
            for _ in range(20)}
    far = [text for text in seen if FAR.fullmatch(text)]
    near = [text for text in seen if NEAR.fullmatch(text)]
    expect_equal(sorted(far + near), sorted(seen), "what servers hear")
    expect(far and near, f"both the far pod and the near one hear of the client: {seen}")
    plain = _heard(mesh, "-H", f"{HEADER}: By=evil", f"http://{ECHO_POD.v4}:9080/headers",
                   pod=OUTSIDER.name)
    expect_equal("", plain, "what is heard of a client without certificate")


def principals_are_counted_and_shown(mesh):
    mesh.wait_for_identities()
    for _ in range(10):
        curl(mesh, ECHO)
    curl(mesh, f"http://{ECHO_POD.v4}:9080/", pod=OUTSIDER.name)
    page = mesh.admin(topo.NODE_B, "/stats/prometheus")
    pair = {"source_principal": f"{ACCOUNT}client", "destination_principal": f"{ACCOUNT}echo"}
    for labels in ({**pair, "connection_security_policy": "mutual_tls"},
                   {"source_principal": "unknown", "connection_security_policy": "none"}):
        counted = measure.prometheus_sample(page, "istio_requests_total", reporter="destination",
                                            **labels)
        expect((counted or 0) > 0, f"no requests of {labels} at the server's node")
    page = mesh.admin(topo.NODE_A, "/stats/prometheus")
    for reporter in ("source", "destination"):  # the near pod's side is told there as well
        counted = measure.prometheus_sample(page, "istio_requests_total", reporter=reporter, **pair)
        expect((counted or 0) > 0, f"no requests of {pair} by reporter {reporter}")
    talks = json.loads(mesh.meltemi("connections", "-o", "json").stdout)
    mutual = [t for t in talks if t["mutualTls"]]
    expect_equal([("client.default", "echo.default.svc.cluster.local")],
                 [(t["source"], t["destination"]) for t in mutual], "who talks with an identity")
    table = mesh.meltemi("connections").stdout
    expect("cluster.local/ns/default/sa/bookinfo-client" in table, table)
    done = mesh.meltemi("connections", "nobody", check=False)
    expect_equal((1, 'meltemi: no node "nobody" is connected to Pilot\n'),
                 (done.returncode, done.stderr), "a node that is not there")


def a_server_that_is_not_the_services_is_refused(mesh):
    """The rule expects another account than the servers have: far and near pods alike."""
    mesh.wait_for_identities()
    before = [measure.node_stats(mesh, topo.NODE_A).get(name, 0.0) for name in (
        "envoy_cluster_ssl_fail_verify_san", "meltemi_worker_tls_local_refused_total")]
    _policy(mesh, "DestinationRule", "echo", "default", {
        "host": "echo", "trafficPolicy": {"tls": {
            "mode": "ISTIO_MUTUAL", "subjectAltNames": [f"{ACCOUNT}somebody-else"]}}})
    try:
        for _ in range(10):
            done = curl(mesh, "-w", "\n%{http_code}", ECHO)
            expect(done.stdout.endswith("\n503"), f"answered: {done.stdout}")
            expect("TLS_error:CERTIFICATE_VERIFY_FAILED:verify_SAN_list" in done.stdout,
                   f"no reason in {done.stdout}")
    finally:
        mesh.delete("DestinationRule", "echo")
    with open(mesh.access_log(topo.NODE_A), errors="replace") as log:
        expect(" 503 UF" in log.read(), "no 503 UF in the access log")
    now = [measure.node_stats(mesh, topo.NODE_A).get(name, 0.0) for name in (
        "envoy_cluster_ssl_fail_verify_san", "meltemi_worker_tls_local_refused_total")]
    expect(now[0] >= before[0] + 10, f"ssl_fail_verify_san: {before[0]}, then {now[0]}")
    expect(now[1] > before[1], f"tls_local_refused: {before[1]}, then {now[1]}")
    curl(mesh, ECHO)


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []
    return [(f"peer_{test.__name__}", test, TOPOLOGY) for test in (
        servers_hear_who_the_client_is, principals_are_counted_and_shown,
        a_server_that_is_not_the_services_is_refused)]
