"""Things break under load: only the requests that had to fail fail, and nothing leaks."""
import json
import time

import measure
import mesh as mesh_lib
import shell
from fixture import (CLIENT_NODE, CONNECTIONS, POOLS, POOLS_MORE, RATINGS, REVIEWS, curl, expect,
                     expect_equal, expect_level, expect_none_lost, lost, reset_rules, warm_level)


def backend_killed(mesh):
    before = warm_level(mesh)
    load = measure.Wrk(mesh, REVIEWS, 5, connections=CONNECTIONS)
    time.sleep(1.5)
    mesh.servers["reviews-v3"].kill()
    result = load.result()
    expect(lost(result) <= CONNECTIONS,
           f"{lost(result)} requests lost, {CONNECTIONS} were in flight\n{result.text}")
    expect_none_lost(measure.Wrk(mesh, REVIEWS, 3, connections=CONNECTIONS).result(),
                      "with the backend gone")
    mesh.start_server(mesh.topology.pod("reviews-v3"))
    shell.wait_until(lambda: "v3" in {r.version for r in measure.curl_many(mesh, REVIEWS, 9)},
                     "the backend to serve again", 15)
    expect_level(mesh, before)


def _remove_pod_in_use(mesh, name):
    """As the orchestrator does: the pod's link goes, and its Pod object with it."""
    pod = mesh.topology.pod(name)
    before = warm_level(mesh)
    bystander = measure.Wrk(mesh, RATINGS, 6, connections=4)
    load = measure.Wrk(mesh, REVIEWS, 6, connections=CONNECTIONS)
    time.sleep(1.5)
    mesh.disconnect_pod(pod)
    mesh.delete("Pod", name)
    result = load.result()
    expect_none_lost(bystander.result(), "requests to another service")
    expect(lost(result) <= CONNECTIONS,
           f"{lost(result)} requests lost, {CONNECTIONS} were in flight\n{result.text}")
    expect_none_lost(measure.Wrk(mesh, REVIEWS, 3, connections=CONNECTIONS).result(),
                      "after the removal")
    mesh.check_alive()
    # It returns: same name, same address, a new link.
    mesh.connect_pod(pod)
    mesh.apply(f"{mesh.config_source}/pod-{name}.yaml")
    shell.wait_until(
        lambda: pod.version in {r.version for r in measure.curl_many(mesh, REVIEWS, 9)},
        "the pod to serve again", 30, 0.2)
    expect_level(mesh, before)


def veth_of_local_pod_removed_in_use(mesh):
    _remove_pod_in_use(mesh, "reviews-v1")


def veth_of_remote_pod_removed_in_use(mesh):
    _remove_pod_in_use(mesh, "reviews-v3")


def veth_of_client_removed_in_use(mesh):
    """The client vanishes with its connections open: the plane lets go of them by itself."""
    pod = mesh.topology.pod("productpage-v1")
    before = warm_level(mesh)
    load = measure.Wrk(mesh, RATINGS, 4, connections=32, pod=pod.name, timeout="1s")
    time.sleep(1.5)
    mesh.disconnect_pod(pod)
    load.result()
    expect_level(mesh, before, connections_more=CONNECTIONS)  # fewer than the client had
    mesh.connect_pod(pod)
    shell.wait_until(
        lambda: measure.count(measure.curl_many(mesh, "http://productpage:9080/productpage", 1),
                              status=200) == 1, "the pod to be back", 30, 0.2)


def pilot_away(mesh):
    before = warm_level(mesh, POOLS)
    load = measure.Wrk(mesh, REVIEWS, 8, connections=CONNECTIONS)
    time.sleep(1)
    mesh.pilot.kill()
    time.sleep(2)
    expect_equal(200, measure.curl_many(mesh, REVIEWS, 1)[0].status, "a new client, Pilot away")
    mesh.start_pilot()
    mesh.wait_converged(30)
    mesh.apply("canary-50-50.yaml")
    expect_none_lost(load.result(), "while Pilot was away and came back")
    seen = {r.version for r in measure.curl_many(mesh, REVIEWS, 60)}
    expect_equal({"v1", "v3"}, seen, "versions after a rule given to the new Pilot")
    # The canary's two pools may each fill as far as the load is wide; packets must all be back.
    expect_level(mesh, before, connections_more=2 * POOLS_MORE)


def rules_change_under_load(mesh):
    """Snapshots are swapped without dropping a connection."""
    before = warm_level(mesh, POOLS)
    load = measure.Wrk(mesh, REVIEWS, 8, connections=CONNECTIONS)
    for _ in range(8):
        mesh.apply("canary-90-10.yaml")
        mesh.apply("reviews-everywhere.yaml")
    expect_none_lost(load.result(), "while rules changed")
    # Each subset's own pool may fill as far as the load is wide; packets must all be back.
    expect_level(mesh, before, connections_more=2 * POOLS_MORE)


def refused_rule_names_the_field(mesh):
    path = f"{mesh.run_dir}/bad.yaml"
    with open(f"{mesh_lib.BOOKINFO_DIR}/canary-50-50.yaml") as good, open(path, "w") as bad:
        bad.write(good.read().replace("weight: 50", "weight: -1", 1))
    done = mesh.meltemi("apply", "-f", path, check=False)
    expect_equal(1, done.returncode, "exit code of apply")
    for part in ("bad.yaml", "VirtualService", "spec.http[0].route[0].weight"):
        expect(part in done.stdout + done.stderr, f"no {part!r} in:\n{done.stdout}{done.stderr}")
    expect_equal(200, measure.curl_many(mesh, REVIEWS, 1)[0].status, "traffic after a refusal")


def no_healthy_upstream_says_why(mesh):
    """All backends of a service gone: 503, and the access log has the response flag."""
    mesh.servers["ratings-v1"].kill()
    try:
        replies = measure.curl_many(mesh, RATINGS, 3)
        expect_equal(3, measure.count(replies, status=503), "503 without a backend")
        expect_access_log(mesh, r" 503 UF")
    finally:
        mesh.start_server(mesh.topology.pod("ratings-v1"))
    shell.wait_until(lambda: measure.curl_many(mesh, RATINGS, 1)[0].status == 200,
                     "ratings to be back")


def expect_access_log(mesh, part):
    def has():
        with open(mesh.access_log(CLIENT_NODE), errors="replace") as log:
            return any(part in line for line in log)
    shell.wait_until(has, f"a line with {part!r} in the access log", 5)


def _static_resources(service, pod):
    """One listener and one cluster, as an Envoy bootstrap has them."""
    def at(address, port):
        return {"socket_address": {"address": address, "port_value": port}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
                 ".v3.HttpConnectionManager",
        "stat_prefix": "static",
        "route_config": {"name": "static", "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "static"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    }
    return {
        "listeners": [{
            "name": "static", "address": at(service.v4, service.port),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager}]}]}],
        "clusters": [{
            "name": "static", "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "static", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": at(pod.v4, pod.port)}}]}]}}],
    }


def static_resources_without_pilot(mesh):
    """A node that starts from its file alone serves what the file says."""
    node, pod = CLIENT_NODE, mesh.topology.pod("ratings-v1")
    service = mesh.topology.service("ratings")
    mesh.planes[node.name].stop()
    try:
        mesh.start_plane(node, _static_resources(service, pod))
        shell.wait_until(lambda: mesh.admin(node, "/ready") is not None, "the node to be ready")
        result = measure.Wrk(mesh, f"http://{service.v4}:9080/ratings/0", 3).result()
        expect_none_lost(result, "from static resources")
        expect("static::" in (mesh.admin(node, "/clusters") or ""), "/clusters has no static")
        expect("static" in (mesh.admin(node, "/listeners") or ""), "/listeners has no static")
    finally:
        mesh.planes[node.name].stop()
        mesh.start_plane(node)
        mesh.wait_ready()
    mesh.wait_converged()


def admin_pages_answer(mesh):
    for node in mesh.topology.nodes:
        for path in ("/ready", "/clusters", "/stats/prometheus"):
            expect(mesh.admin(node, path) is not None, f"{node.name}{path} does not answer")
        dump = json.loads(mesh.admin(node, "/config_dump") or "null")
        text = json.dumps(dump)
        expect("reviews.default.svc.cluster.local" in text,
               f"/config_dump of {node.name} does not know reviews")


def proxy_config_shows_what_runs(mesh):
    for what, part in (("routes", "reviews"), ("clusters", "outbound|9080||reviews.default"),
                       ("endpoints", mesh.topology.pod("reviews-v2").v4), ("listeners", "9080")):
        done = mesh.meltemi("proxy-config", what, CLIENT_NODE.name)
        expect(part in done.stdout, f"proxy-config {what} has no {part!r}:\n{done.stdout}")


def unknown_host_is_passed_through(mesh):
    """A pod's own address is no service: ALLOW_ANY lets the request go where it was sent."""
    pod = mesh.topology.pod("ratings-v1")
    done = curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", f"http://{pod.v4}:9080/")
    expect_equal("200", done.stdout, "GET from a pod's own address")


def ping_across_nodes(mesh):
    """What is not TCP to a service is routed, both families, up to 1400 bytes of payload."""
    pod = mesh.topology.pod("ratings-v1")
    for address in (pod.v4, pod.v6):
        for size in ("56", "1400"):
            mesh.run_in_pod("client", ["ping", "-q", "-c", "3", "-i", "0.05", "-W", "2", "-s",
                                       size, address])


def ping_beyond_the_mtu(mesh):
    """Fragments: the gateway makes its own whole and answers in fragments; others' are routed."""
    pod = mesh.topology.pod("ratings-v1")
    gateways = mesh.topology.pod("client").node.gateways
    for address in (*gateways, pod.v4, pod.v6):
        mesh.run_in_pod("client", ["ping", "-q", "-c", "3", "-i", "0.05", "-W", "2", "-M", "dont",
                                   "-s", "9000", address])


TESTS = (admin_pages_answer, proxy_config_shows_what_runs, refused_rule_names_the_field,
         unknown_host_is_passed_through, ping_across_nodes, ping_beyond_the_mtu,
         rules_change_under_load, static_resources_without_pilot, backend_killed,
         no_healthy_upstream_says_why, pilot_away, veth_of_remote_pod_removed_in_use,
         veth_of_local_pod_removed_in_use, veth_of_client_removed_in_use)


def _with_rules_reset(test):
    def run(mesh):
        reset_rules(mesh)
        test(mesh)
    return run


def tests():
    return [(test.__name__, _with_rules_reset(test)) for test in TESTS]
