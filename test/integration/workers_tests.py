"""Two workers on ports with one queue each: what one receives and the other owns is handed over."""
import dataclasses

import failure_tests
import http_tests
import measure
from fixture import RATINGS, TOPOLOGY, expect, expect_none_lost

TWO_WORKERS = dataclasses.replace(TOPOLOGY, workers=2)

HTTP = (http_tests.get, http_tests.post_10_mb_both_ways, http_tests.chunked_both_ways,
        http_tests.head, http_tests.keep_alive, http_tests.close_after_reply,
        http_tests.ab_keep_alive,
        http_tests.iperf3_through_tcp_listener, http_tests.bookinfo_page)

FAILURES = (failure_tests.ping_across_nodes, failure_tests.backend_killed,
            failure_tests.rules_change_under_load,
            failure_tests.veth_of_local_pod_removed_in_use,
            failure_tests.veth_of_remote_pod_removed_in_use,
            failure_tests.veth_of_client_removed_in_use)


def segments_are_handed_over(mesh):
    """About half of the packets arrive at the worker that does not own their connection; none is
    lost on the way to the other."""
    before = {n: measure.node_stats(mesh, n) for n in mesh.topology.nodes}
    result = measure.Wrk(mesh, RATINGS, 5, connections=64).result()
    expect_none_lost(result, "two workers")
    said = []
    for node, was in before.items():
        now = measure.node_stats(mesh, node)
        handed = _more(was, now, "meltemi_worker_segments_handed_over_total")
        received = _more(was, now, "meltemi_port_rx_packets_total")
        expect(0.2 * received < handed < 0.8 * received,
               f"{node.name}: {handed:.0f} of {received:.0f} packets handed over")
        dropped = _more(was, now, "meltemi_worker_drop_peer_full_total")
        expect(dropped == 0, f"{node.name}: {dropped:.0f} packets dropped between workers")
        said.append(f"{node.name} {100 * handed / received:.0f} %")
    return ", ".join(said)


def _more(was, now, name):
    return now[name] - was[name]


def tests():
    """[(name, function of mesh, topology)]"""
    listed = [(segments_are_handed_over.__name__, segments_are_handed_over)]
    listed += [(n, t) for n, t in http_tests.tests()
               if n.rpartition("_ipv")[0] in {t.__name__ for t in HTTP}]
    listed += [(n, t) for n, t in failure_tests.tests() if n in {t.__name__ for t in FAILURES}]
    return [(f"two_workers_{name}", test, TWO_WORKERS) for name, test in listed]
