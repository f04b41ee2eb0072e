"""AuthorizationPolicy: who may do what, by identity, path, namespace and port; between nodes and on
one."""
import os

import measure
import topology as topo
from fixture import curl, expect, expect_equal

# The client and `near` are on node A, the others on node B.
ECHO, RAW, NEAR = "http://echo:9080/", "http://raw:9080/", "http://near:9080/"
NEAR_POD = topo.Pod("near-v1", "near", topo.NODE_A, 21)
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 11), NEAR_POD,
          topo.Pod("echo-v1", "echo", topo.NODE_B, 20), topo.Pod("raw-v1", "raw", topo.NODE_B, 22)),
    services=(topo.Service("echo", 20), topo.Service("near", 21),
              topo.Service("raw", 22, port_name="tcp-raw")),
    mesh_tls=True,
)
CLIENT = "cluster.local/ns/default/sa/bookinfo-client"


class _Policy:
    """One AuthorizationPolicy, in force between `with` and its end."""

    def __init__(self, mesh, spec, app=None, **annotations):
        self.mesh = mesh
        if app is not None:
            spec = {"selector": {"matchLabels": {"app": app}}, **spec}
        self.document = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
                         "metadata": {"name": "tested", "namespace": "default",
                                      "annotations": annotations}, "spec": spec}

    def __enter__(self):
        self.mesh.wait_for_identities()
        self.mesh.apply_objects(self.document)

    def __exit__(self, *_):
        self.mesh.delete("AuthorizationPolicy", "tested")


def _status(mesh, url, *arguments, pod="client"):
    """The HTTP status; "000" when the connection was ended instead."""
    return curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", "-m", "10", *arguments, url, pod=pod,
                check=False).stdout


def allowed_by_service_account(mesh):
    for url, app in ((ECHO, "echo"), (NEAR, "near")):
        with _Policy(mesh, {"rules": [{"from": [{"source": {"principals": [CLIENT]}}]}]}, app):
            expect_equal("200", _status(mesh, url), f"{app}, the account that is allowed")
            expect_equal("403", _status(mesh, url, pod="raw-v1"), f"{app}, another account")
            body = curl(mesh, url, pod="raw-v1").stdout
            expect_equal("RBAC: access denied", body, "the body of a denial")
        expect_equal("200", _status(mesh, url, pod="raw-v1"), f"{app}, without a policy")


def denied_by_path(mesh):
    deny = {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/bytes/1*"]}}]}]}
    with _Policy(mesh, deny):
        expect_equal("403", _status(mesh, ECHO + "bytes/10"), "the path")
        expect_equal("403", _status(mesh, ECHO + "x/../bytes/10", "--path-as-is"), "in disguise")
        expect_equal("403", _status(mesh, ECHO + "%62ytes/10"), "in another disguise")
        expect_equal("200", _status(mesh, ECHO + "bytes/20"), "another path")
        expect_equal("403", _status(mesh, NEAR + "x/../bytes/10", "--path-as-is"), "same node")


def allowed_by_namespace(mesh):
    for namespace, expected in (("default", "200"), ("elsewhere", "403")):
        with _Policy(mesh, {"rules": [{"from": [{"source": {"namespaces": [namespace]}}]}]}):
            for url in (ECHO, NEAR):
                expect_equal(expected, _status(mesh, url), f"{url} for {namespace}")


def denied_by_port_of_tcp(mesh):
    for port, expected in (("9080", "000"), ("9081", "200")):
        deny = {"action": "DENY", "rules": [{"to": [{"operation": {"ports": [port]}}]}]}
        with _Policy(mesh, deny, "raw"):
            expect_equal(expected, _status(mesh, RAW), f"raw, port {port} denied")
            expect_equal("200", _status(mesh, ECHO), "another workload")


def http_rules_of_tcp_ports_allow_nothing(mesh):
    with _Policy(mesh, {"rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}, "raw"):
        expect_equal("000", _status(mesh, RAW), "raw")


def an_empty_policy_denies_all(mesh):
    with _Policy(mesh, {}):
        expect_equal("403", _status(mesh, ECHO), "echo")
        expect_equal("403", _status(mesh, NEAR), "near")
        expect_equal("000", _status(mesh, RAW), "raw")
        # By its address, past every service.
        expect_equal("403", _status(mesh, f"http://{NEAR_POD.v4}:9080/"), "near, by its address")
    expect_equal("200", _status(mesh, RAW), "raw, without a policy")


def a_dry_run_only_counts(mesh):
    name = "envoy_http_rbac_istio_dry_run_allow_shadow_denied"
    with _Policy(mesh, {}, "echo", **{"istio.io/dry-run": "true"}):
        expect_equal("200", _status(mesh, ECHO), "echo")
        seen = sum(value for key, value in measure.node_stats(mesh, topo.NODE_B).items()
                   if key.startswith(name))
        expect(seen >= 1, f"{name} is {seen}")


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []
    return [(f"access_{test.__name__}", test, TOPOLOGY) for test in (
        allowed_by_service_account, denied_by_path, allowed_by_namespace, denied_by_port_of_tcp,
        http_rules_of_tcp_ports_allow_nothing, an_empty_policy_denies_all, a_dry_run_only_counts)]
