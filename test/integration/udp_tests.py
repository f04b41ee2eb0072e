"""UDP services: real DNS servers and clients, datagrams of every size, and what nobody answers."""
import os

import measure
import shell
import topology as topo
from fixture import expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 10),
          topo.Pod("dns-v1", "dns", topo.NODE_A, 11, port=53),
          topo.Pod("dns-v2", "dns", topo.NODE_B, 12, port=53),
          topo.Pod("udp-echo-v1", "udp-echo", topo.NODE_B, 13, port=7)),
    services=(topo.Service("dns", 40, port=53, port_name="dns", protocol="UDP"),
              topo.Service("udp-echo", 41, port=7, port_name="echo", protocol="UDP")),
    workers=2,
)


def both(service):
    found = TOPOLOGY.service(service)
    return found.v4, found.v6


def who(mesh, address):
    """The address of the pod that answered; "" when none did."""
    done = mesh.run_in_pod("client", ["dig", "+short", "+tries=1", "+time=2", "who.test",
                                      f"@{address}"], check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def ask(mesh, address, size):
    return mesh.run_in_pod("client", ["/usr/bin/python3", "-B", f"{HERE}/udp_peer.py", "ask",
                                      address, "7", str(size)]).stdout.strip()


def wait_for_services(mesh):
    for address in both("dns"):
        shell.wait_until(lambda a=address: who(mesh, a), "DNS to answer", 20, 0.2)
    for address in both("udp-echo"):
        shell.wait_until(lambda a=address: ask(mesh, a, 1) == "same", "the echo", 20, 0.2)


def dns_of_a_service(mesh):
    """Both servers are asked, one here and one on the other node; each query has its answer."""
    wait_for_services(mesh)
    pods = {pod.v4 for pod in TOPOLOGY.pods if pod.app == "dns"}
    said = []
    for address in both("dns"):
        answers = [who(mesh, address) for _ in range(20)]
        expect_equal(pods, set(answers), f"who answered at {address}")
        said.append("/".join(str(answers.count(pod)) for pod in sorted(pods)))
    stats = measure.node_stats(mesh, topo.NODE_A)
    name = "envoy_udp_downstream_sess_tx_datagrams"
    expect(any(name in key for key in stats), f"no {name} in the node's statistics")
    return ", ".join(said)


def datagrams_of_every_size(mesh):
    """Also beyond the MTU: in fragments on both sides, made whole between."""
    wait_for_services(mesh)
    for address in both("udp-echo"):
        for size in (0, 1, 1400, 1452, 1472, 1473, 4000, 9000, 40_000):
            expect_equal("same", ask(mesh, address, size), f"{size} bytes to {address}")


def nobody_answers(mesh):
    """A server that is gone: its kernel says so, and the client hears it at once."""
    wait_for_services(mesh)
    mesh.servers["udp-echo-v1"].stop()
    try:
        for address in both("udp-echo"):
            expect_equal("ECONNREFUSED", ask(mesh, address, 10), f"of {address}, its server gone")
    finally:
        mesh.start_server(TOPOLOGY.pod("udp-echo-v1"))
    for address in both("udp-echo"):
        shell.wait_until(lambda a=address: ask(mesh, a, 1) == "same", "the echo", 20, 0.2)


TESTS = (dns_of_a_service, datagrams_of_every_size, nobody_answers)


def tests():
    """[(name, function of mesh, topology)]"""
    return [(f"udp_{test.__name__}", test, TOPOLOGY) for test in TESTS]
