"""What integration tests share: the mesh they run in, and checks that explain themselves."""
import dataclasses
import os
import subprocess
import time

import measure
import mesh as mesh_lib
import shell
import topology as topo

PREFIX = os.environ.get("MELTEMI_TEST_PREFIX", "mltt-")

# Bookinfo, and what only tests need: an echo server on the other node, one with IPv6 endpoints
# only, iperf3 behind a TCP service, servers that speak HTTP/2 only, and one of WebSockets.
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=topo.BOOKINFO.pods + (
        topo.Pod("echo-v1", "echo", topo.NODE_B, 20),
        topo.Pod("iperf-v1", "iperf", topo.NODE_B, 21, port=5201),
        topo.Pod("static2-v1", "static2", topo.NODE_B, 23),
        topo.Pod("greeter-v1", "greeter", topo.NODE_B, 24),
        topo.Pod("chat-v1", "chat", topo.NODE_B, 25),
        topo.Pod("greeter-cpp-v1", "greeter-cpp", topo.NODE_B, 26),
        topo.Pod("greeter-js-v1", "greeter-js", topo.NODE_B, 27),
    ),
    services=topo.BOOKINFO.services + (
        topo.Service("echo", 20),
        topo.Service("echo6", 22, family="IPv6", app="echo"),
        topo.Service("iperf", 21, port=5201, port_name="tcp-iperf"),
        topo.Service("static2", 23, port_name="http2"),
        topo.Service("greeter", 24, port_name="grpc"),
        topo.Service("chat", 25, port_name="http"),
        topo.Service("greeter-cpp", 26, port_name="grpc"),
        topo.Service("greeter-js", 27, port_name="grpc"),
    ),
)

CLIENT_NODE = topo.NODE_A
FIRST_PEER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "first_peer.py")
REVIEWS = "http://reviews:9080/reviews/0"
RATINGS = "http://ratings:9080/ratings/0"


class Failed(AssertionError):
    """What a test expected and what it saw instead."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def expect_equal(expected, seen, what):
    if expected != seen:
        raise Failed(f"{what}: expected {expected!r}, saw {seen!r}")


@dataclasses.dataclass(frozen=True)
class Level:
    """What a node holds at one moment, summed over its workers."""
    packets: float
    tcp_connections: float
    l7_connections: float
    resident_bytes: int


def level(mesh, node):
    stats = measure.node_stats(mesh, node)
    return Level(_gauge(stats, node, "meltemi_packet_pool_outstanding"),
                 _gauge(stats, node, "meltemi_tcp_connections"),
                 _gauge(stats, node, "meltemi_l7_connections"),
                 resident_bytes(mesh.planes[node.name].pid))


def _gauge(stats, node, name):
    expect(name in stats, f"{node.name} has no metric {name}")
    return stats[name]


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def wait_for_level(mesh, node, before, connections_more=0, packets_more=0, resident_more=8 << 20,
                   timeout_s=30.0):
    """Waits until the node holds no more than `before`, plus what the caller says may stay."""
    seen = []

    def returned():
        now = level(mesh, node)
        seen[:] = [now]
        return (now.packets <= before.packets + packets_more
                and now.tcp_connections <= before.tcp_connections + connections_more
                and now.l7_connections <= before.l7_connections + connections_more
                and now.resident_bytes <= before.resident_bytes + resident_more)

    try:
        shell.wait_until(returned, "the level", timeout_s, 0.2)
    except TimeoutError:
        raise Failed(f"{node.name} did not return to its level before: {before}, "
                     f"now {seen[-1]}") from None


def curl(mesh, *arguments, pod="client", check=True):
    done = mesh.run_in_pod(pod, ["curl", "-sS", "-m", "30", *arguments], check=False)
    if check and done.returncode != 0:
        raise Failed(f"curl {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
    return done


def reset_rules(mesh):
    """The rules every test begins with: subsets named, all versions in turn, no faults."""
    known = {service.name for service in mesh.topology.services}
    if mesh_lib.plane() != "kernel" and {"reviews", "ratings"} <= known:
        mesh.apply("subsets.yaml", "reviews-everywhere.yaml", "ratings-plain.yaml")


def lost(result):
    return result.failed + result.socket_errors


def expect_none_lost(result, what):
    expect(result.requests > 0, f"{what}: no request at all\n{result.text}")
    expect_equal(0, lost(result), f"{what}: lost of {result.requests} requests\n{result.text}")


# Rules that send the same traffic to other clusters, each with a pool of its own.
POOLS = ("canary-50-50.yaml", "reviews-everywhere.yaml")


def warm_level(mesh, rules=()):
    """The level with the pools of every cluster of the test filled: what must be returned to."""
    for rule in rules or (None,):
        if rule:
            mesh.apply(rule)
        for url in (REVIEWS, RATINGS):
            expect_none_lost(measure.Wrk(mesh, url, 1, connections=64).result(), "undisturbed")
    nodes = mesh.topology.nodes
    time.sleep(0.5)  # replies to the clients' last FINs
    return {node: level(mesh, node) for node in nodes}


# How far a pool has filled depends on how many requests happened to overlap: up to the width of the
# load, and at the node of the backend a connection that comes in for each that goes out. What must
# be exact is counted in the simulation (test/sim).
CONNECTIONS = 16
POOLS_MORE = 2 * CONNECTIONS


def expect_level(mesh, before, connections_more=POOLS_MORE):
    for node, was in before.items():
        wait_for_level(mesh, node, was, connections_more=connections_more)


class Talk:
    """A program in a pod that we type to; what it says goes to a file."""

    def __init__(self, mesh, pod, argv):
        self._path = f"{mesh.run_dir}/talk-{time.monotonic_ns()}.log"
        with open(self._path, "wb") as log:
            self._process = subprocess.Popen(
                shell.in_netns(mesh.netns(pod), ["stdbuf", "-oL", *argv]), bufsize=0,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(5)

    @property
    def ended(self):
        return self._process.poll() is not None

    def type(self, text):
        self._process.stdin.write(text.encode())

    def said(self):
        with open(self._path, errors="replace") as log:
            return log.read()

    def hear(self, text, times=1, timeout_s=5):
        """Waits until it has said `text` so often."""
        try:
            shell.wait_until(lambda: self.said().count(text) >= times, text, timeout_s)
        except TimeoutError:
            expect(False, f"{self._path}: no {times} {text!r} in\n{self.said()[-1500:]}")
