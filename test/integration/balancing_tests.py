"""Where requests go by what an operator writes: near servers first, and new ones little by little.

Two nodes in two regions, and Pilot; the same ServiceEntry means other things to them.
"""
import time

import mesh as mesh_lib
import shell
import topology as topo
from fixture import expect, expect_equal

REGIONS = {topo.NODE_A.name: "eu", topo.NODE_B.name: "us"}
ADDRESS, HOST = "10.96.0.240", "near.test"

_ENTRY = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: near}}
spec:
  hosts: [{host}]
  addresses: [{address}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 8080, name: http, protocol: HTTP, targetPort: 9080}}]
  endpoints: [{endpoints}]
"""
_RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: near}}
spec: {{host: {host}, trafficPolicy: {policy}}}
"""


class _Mesh(mesh_lib.Mesh):
    """Its nodes say where they are."""

    def bootstrap(self, node, *arguments, **more):
        bootstrap = super().bootstrap(node, *arguments, **more)
        bootstrap["node"]["locality"] = {"region": REGIONS[node.name], "zone": "1"}
        return bootstrap


class Rig:
    def __init__(self):
        self.mesh = _Mesh("mltb-", topo.BOOKINFO)
        pods = [p for p in topo.BOOKINFO.pods if p.app in ("details", "ratings", "reviews")]
        self.near = next(p for p in pods if p.node == topo.NODE_A)
        self.far = next(p for p in pods if p.node == topo.NODE_B)

    def apply(self, pods, policy):
        endpoints = ", ".join(f"{{address: {p.v4}, locality: {REGIONS[p.node.name]}/1/x}}"
                              for p in pods)
        path = f"{self.mesh.run_dir}/near.yaml"
        with open(path, "w") as file:
            file.write(_ENTRY.format(host=HOST, address=ADDRESS, endpoints=endpoints))
            file.write("---\n" + _RULE.format(host=HOST, policy=policy))
        self.mesh.apply(path)

    def of(self, node, pod, name):
        """What the node's workers say of the pod, as a list."""
        head = f"outbound|8080||{HOST}::{pod.v4}:9080::{name}::"
        page = self.mesh.admin(node, "/clusters") or ""
        return [line[len(head):] for line in page.splitlines() if line.startswith(head)]

    def requests(self, pod):
        return sum(map(int, self.of(topo.NODE_A, pod, "rq_total")))

    def ask(self, count):
        """How many were answered."""
        one = ["-o", "/dev/null", f"http://{ADDRESS}:8080/"]
        done = self.mesh.run_in_pod("client", ["curl", "-s", "-m", "5", "-w", "%{http_code}\n",
                                               *(one * count)], check=False)
        return sum("200" <= status < "500" for status in done.stdout.split())


def _near_servers_come_first(rig):
    rig.apply((rig.near, rig.far), "{outlierDetection: {consecutive5xxErrors: 2, "
              "baseEjectionTime: 60s, maxEjectionPercent: 100}}")
    for node, first, second in ((topo.NODE_A, rig.near, rig.far),
                                (topo.NODE_B, rig.far, rig.near)):
        expect_equal({"0"}, set(rig.of(node, first, "priority")), f"{first.name} at {node.name}")
        expect_equal({"1"}, set(rig.of(node, second, "priority")), f"{second.name} at {node.name}")
    expect_equal(40, rig.ask(40), "answers")
    expect_equal([40, 0], [rig.requests(p) for p in (rig.near, rig.far)], "requests, near and far")
    rig.mesh.servers[rig.near.name].kill()
    rig.ask(10)
    shell.wait_until(lambda: set(rig.of(topo.NODE_A, rig.near, "health_flags"))
                     == {"/failed_outlier_check"}, "the near one to be out", 5)
    before = rig.requests(rig.far)
    expect_equal(40, rig.ask(40), "answers of the far one")
    expect_equal(40, rig.requests(rig.far) - before, "requests to the far one")
    rig.mesh.start_server(rig.near)


def _new_servers_take_their_part_slowly(rig):
    window = 8
    policy = ("{loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {enabled: false}, "
              f"warmup: {{duration: {window}s}}}}}}")
    rig.apply((rig.near,), policy)
    time.sleep(window)  # it is no longer new, the next one is
    rig.apply((rig.near, rig.far), policy)
    shares = []
    for _ in range(2):
        before = rig.requests(rig.far)
        expect_equal(60, rig.ask(60), "answers")
        shares.append((rig.requests(rig.far) - before) / 60)
        time.sleep(window)
    expect(0 < shares[0] < 0.3, f"a new server had {shares[0]:.0%} at once")
    expect(0.45 < shares[1] < 0.55, f"it had {shares[1]:.0%} when it was no longer new")
    return f"a new server had {shares[0]:.0%} of the requests at first, {shares[1]:.0%} later"


def balancing_goes_by_place_and_age(_):
    rig = Rig()
    try:
        rig.mesh.up()
        rig.mesh.wait_converged()
        _near_servers_come_first(rig)
        said = _new_servers_take_their_part_slowly(rig)
        rig.mesh.check_alive()
        return f"near first, far when near is out; {said}"
    finally:
        rig.mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(balancing_goes_by_place_and_age.__name__, balancing_goes_by_place_and_age)]
