"""Traffic rules that the demo does not show, with a real client and real servers."""
import measure
import shell
from fixture import CLIENT_NODE, REVIEWS, expect, expect_equal, reset_rules

_HASH = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {consistentHash: %s}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
"""

_MIRROR = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews, subset: v1}}]
    mirror: {host: reviews, subset: v3}
    mirrorPercentage: {value: 100}
"""

_CORS = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
    corsPolicy:
      allowOrigins: [{exact: "https://shop.example"}]
      allowMethods: [GET, POST]
      allowHeaders: [x-token]
      maxAge: 24h
"""


def _apply(mesh, text):
    path = f"{mesh.run_dir}/rule.yaml"
    with open(path, "w") as file:
        file.write(text)
    mesh.apply(path)


def consistent_hash(mesh):
    """Each user keeps its server, and the users share them all; ring hash and Maglev."""
    for kind in ("httpHeaderName: end-user",
                 "httpHeaderName: end-user, maglev: {tableSize: 65537}"):
        _apply(mesh, _HASH % f"{{{kind}}}")
        servers = set()
        for user in range(24):
            replies = measure.curl_many(mesh, REVIEWS, 5, headers=[f"end-user: user-{user}"])
            expect_equal(5, measure.count(replies, status=200), f"replies to user {user}")
            of_user = {reply.version for reply in replies}
            expect_equal(1, len(of_user), f"servers of user {user} by {kind}: {of_user}")
            servers |= of_user
        expect_equal({"v1", "v2", "v3"}, servers, f"servers of all users by {kind}")


def _requests_of(mesh, subset):
    return measure.prometheus_sample(
        mesh.admin(CLIENT_NODE, "/stats/prometheus"), "envoy_cluster_upstream_rq_total",
        envoy_cluster_name=f"outbound|9080|{subset}|reviews.default.svc.cluster.local") or 0


def mirrored_requests(mesh):
    """The client hears the one server, the other gets as many requests."""
    _apply(mesh, _MIRROR)
    before = _requests_of(mesh, "v3")
    replies = measure.curl_many(mesh, REVIEWS, 20)
    expect_equal(20, measure.count(replies, status=200, version="v1"), "replies of v1")
    shell.wait_until(lambda: _requests_of(mesh, "v3") - before == 20, "20 mirrored requests", 5)


def cors(mesh):
    """A browser's preflight is answered by the plane; of another origin nothing is allowed."""
    _apply(mesh, _CORS)
    ask = ["curl", "-s", "-i", "-X", "OPTIONS", "-H", "access-control-request-method: POST"]
    allowed = mesh.run_in_pod("client", [*ask, "-H", "origin: https://shop.example",
                                         REVIEWS]).stdout
    for part in ("HTTP/1.1 200", "access-control-allow-origin: https://shop.example",
                 "access-control-allow-methods: GET,POST", "access-control-allow-headers: x-token",
                 "access-control-max-age: 86400"):
        expect(part in allowed, f"no {part!r} in:\n{allowed}")
    other = mesh.run_in_pod("client", ["curl", "-s", "-i", "-H", "origin: https://other.example",
                                       REVIEWS]).stdout
    expect("access-control-allow-origin" not in other, f"another origin is allowed:\n{other}")


def tests():
    """[(name, function of mesh)]"""
    def with_rules_reset(test):
        def run(mesh):
            reset_rules(mesh)
            try:
                test(mesh)
            finally:
                reset_rules(mesh)
        return run
    return [(f"rules_{test.__name__}", with_rules_reset(test))
            for test in (consistent_hash, mirrored_requests, cors)]
