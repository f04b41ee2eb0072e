"""Opaque TCP through the plane against the kernel's TCP on both sides: many connections, short
ones, slow ones, super-frames; and the table of losses, which path_tests.py has tests of. Losses are
dropped by nftables at the client's device, both ways, and the kernel's routing is measured beside
the plane's."""
import contextlib
import dataclasses
import json
import os
import re
import subprocess
import time

import measure
import mesh as mesh_lib
import shell
import topology as topo
from fixture import PREFIX, Failed, expect, expect_equal, level, wait_for_level

HERE = os.path.dirname(os.path.realpath(__file__))
PORT = 7000
# A plane has 32,768 source ports towards an endpoint, so 50,000 connections need several of them.
PEERS = tuple(topo.Pod(f"peer-{n}", "tcp-peer", topo.NODE_B, 30 + n, port=PORT) for n in range(8))
TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 10),
          topo.Pod("iperf-v1", "iperf", topo.NODE_B, 21, port=5201)) + PEERS,
    services=(topo.Service("tcp-peer", 30, port=PORT, port_name="tcp-peer"),
              topo.Service("iperf", 21, port=5201, port_name="tcp-iperf")),
    workers=2,
    memory_mb=256,  # ten thousand that stand still hold some 120 (dataplane/tcp/room_budget.h)
)
# The same with a link that has no offloads between the nodes.
PLAIN_LINK = dataclasses.replace(TOPOLOGY, uplink_socket=f"/run/meltemi-dev/{PREFIX}uplink.sock")
NODE = topo.NODE_A  # the one that ends the clients' connections


def address(service, family):
    found = TOPOLOGY.service(service)
    return found.v4 if family == "4" else found.v6


def both(service):
    return f"{address(service, '4')},{address(service, '6')}"


class Client:
    """A tcp_client.py in the client's pod."""

    def __init__(self, mesh, *arguments):
        self._process = subprocess.Popen(
            mesh.in_pod("client", ["/usr/bin/python3", "-B", f"{HERE}/tcp_client.py",
                                   *map(str, arguments)]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def tell(self, word):
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def hear(self):
        line = self._process.stdout.readline()
        if not line:
            raise Failed("tcp_client.py ended without a word")
        return json.loads(line)


@contextlib.contextmanager
def loss(mesh, per_mille, but_syns=False):
    """Of a thousand TCP packets from and to the client's pod, so many are dropped. Without SYNs: of
    64 connections one is lost nearly always, and its second is more than a short run."""
    netns = mesh.netns("client")
    if per_mille:
        which = "tcp flags & syn == 0" if but_syns else "meta l4proto tcp"
        rule = f"{which} numgen random mod 1000 < {per_mille} counter drop"
        chains = " ".join(
            f"chain {hook} {{ type filter hook {hook} device eth0 priority 0; {rule}; }};"
            for hook in ("ingress", "egress"))
        shell.run(shell.in_netns(netns, ["nft", f"table netdev loss {{ {chains} }}"]))
    try:
        yield
    finally:
        if per_mille:
            shell.run(shell.in_netns(netns, ["nft", "delete table netdev loss"]))


@contextlib.contextmanager
def kernel_mesh():
    """The same pods, routed by the kernel."""
    was = os.environ.get("MELTEMI_NODE")
    os.environ["MELTEMI_NODE"] = "kernel"
    mesh = mesh_lib.Mesh(f"{PREFIX}k-", TOPOLOGY)
    try:
        mesh.up()
        wait_for_peers(mesh)
        yield mesh
    finally:
        mesh.down()
        os.environ.pop("MELTEMI_NODE")
        if was is not None:
            os.environ["MELTEMI_NODE"] = was


def wait_for_peers(mesh):
    for family in ("4", "6"):
        shell.wait_until(lambda f=family: _churn(mesh, f, 1, "client", 1)["failed"] == {},
                         "the service to answer", 20, 0.2)


def _churn(mesh, family, count, who, processes):
    with Client(mesh, "churn", address("tcp-peer", family), PORT, count, who, processes) as client:
        return client.hear()


def _iperf_is_free(mesh):
    """Its server refuses a client until it has read the end of the one before: behind a loss, that
    comes after that client has gone."""
    held = mesh.run_in_pod("iperf-v1", ["ss", "-Htn", "state", "established", "state",
                                        "close-wait", "sport = :5201"])
    return not held.stdout.strip()


def iperf(mesh, family, streams, direction, seconds):
    """Mb/s received."""
    shell.wait_until(lambda: _iperf_is_free(mesh), "iperf3's server to be free", 20)
    reverse = ["-R"] if direction == "down" else []
    done = mesh.run_in_pod("client", ["iperf3", f"-{family}", "-c", address("iperf", family), "-t",
                                      str(seconds), "-P", str(streams), "-C", "cubic", "-J",
                                      *reverse], check=False)
    report = json.loads(done.stdout or "{}")
    expect("error" not in report and "end" in report, f"iperf3: {report.get('error', done.stderr)}")
    return report["end"]["sum_received"]["bits_per_second"] / 1e6


def transfer(mesh, family, direction, size, to=None):
    to = to or address("tcp-peer", family)
    with Client(mesh, "transfer", to, PORT, direction, size) as client:
        heard = client.hear()
    expect(heard["whole"], f"{size} bytes {direction}: not what was sent")
    return heard


HELD, HOLDERS = 50_000, 4


def fifty_thousand_connections_at_once(mesh):
    wait_for_peers(mesh)
    prepare_for_many(mesh)
    before = level(mesh, NODE)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(mesh, "hold", both("tcp-peer"), PORT,
                                              HELD // HOLDERS)) for _ in range(HOLDERS)]
        opened = [client.hear() for client in clients]
        expect_equal([(HELD // HOLDERS, 0)] * HOLDERS, [(o["open"], o["failed"]) for o in opened],
                     "connections opened, and failed")
        held = level(mesh, NODE)
        expect(held.tcp_connections >= 2 * HELD, f"the plane has {held.tcp_connections:.0f}")
        for client in clients:
            client.tell("check")
        expect_equal(HELD, sum(client.hear()["answered"] for client in clients),
                     "answers on open connections")
        for client in clients:
            client.tell("close")
            client.hear()
    wait_for_level(mesh, NODE, before, resident_more=1 << 40)
    each = (held.resident_bytes - before.resident_bytes) / HELD
    return (f"{HELD} opened in {max(o['seconds'] for o in opened):.1f} s, {each:.0f} bytes each "
            f"with both halves, {held.resident_bytes >> 20} MB resident")


def prepare_for_many(mesh):
    """Clients and servers that can: the plane is to be the narrow place."""
    for pod in mesh.topology.pods:
        shell.run(shell.in_netns(mesh.netns(pod.name), [
            "sysctl", "-qw", "net.core.somaxconn=65535", "net.ipv4.tcp_max_syn_backlog=65535",
            "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1"]))


SHORT = 100_000


def hundred_thousand_short_connections(mesh):
    """By both families, ended first by the client and by the server."""
    wait_for_peers(mesh)
    prepare_for_many(mesh)
    _churn(mesh, "4", 2000, "client", 4)  # what grows once has grown
    before = level(mesh, NODE)
    stats = measure.node_stats(mesh, NODE)
    began = time.monotonic()
    for family in ("4", "6"):
        for who in ("client", "server"):
            heard = _churn(mesh, family, SHORT // 4, who, 4)
            now = measure.node_stats(mesh, NODE)
            expect_equal({}, heard["failed"], f"IPv{family}, ended by the {who}: failures; " + str(
                {name: now[name] - stats.get(name, 0) for name in now
                 if re.match(r"meltemi_(tcp|worker|ip)_.*(fail|drop|refus|no_|full|reset)", name)
                 and now[name] != stats.get(name, 0)}))
    seconds = time.monotonic() - began
    after = measure.node_stats(mesh, NODE)
    name = "meltemi_worker_connect_no_port_total"
    expect_equal(stats.get(name), after.get(name), "connections without a source port")
    wait_for_level(mesh, NODE, before, resident_more=32 << 20)
    more = (level(mesh, NODE).resident_bytes - before.resident_bytes) >> 10
    return f"{SHORT / seconds:.0f}/s, {more} KB more afterwards"


# Each sends more than the kernels on its way take, to somebody who does not read it.
SLOW, SLOW_READERS, SLOW_BYTES = 10_000, 2, 64 * 1024


def ten_thousand_readers_that_have_stopped(mesh):
    """Packets are left for others, who are served as before; then they read on, and get all."""
    wait_for_peers(mesh)
    prepare_for_many(mesh)
    alone = _beside(mesh)
    before = level(mesh, NODE)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(mesh, "slow", both("tcp-peer"), PORT,
                                              SLOW // SLOW_READERS, SLOW_BYTES))
                   for _ in range(SLOW_READERS)]
        opened = [client.hear() for client in clients]
        expect_equal([(SLOW // SLOW_READERS, 0)] * SLOW_READERS,
                     [(o["open"], o["failed"]) for o in opened], "connections opened, and failed")
        time.sleep(5)
        held = level(mesh, NODE)
        beside = _beside(mesh)
        for client in clients:
            client.tell("read")
        read = [client.hear() for client in clients]
    stats = measure.node_stats(mesh, NODE)
    expect_equal((SLOW, 0, 0), tuple(sum(r[what] for r in read)
                                     for what in ("whole", "reset", "wrong")),
                 "readers that got all, were reset, got something else")
    for name in ("meltemi_packet_pool_alloc_failures_total", "meltemi_tcp_shed_slow_readers_total"):
        expect_equal(0, stats[name], name)
    grown = held.resident_bytes - before.resident_bytes
    # All packets there are, and what two connections cost beside them.
    most = (TOPOLOGY.memory_mb << 20) + 2 * SLOW * 4096
    expect(grown < most, f"{grown >> 20} MB more resident, {most >> 20} allowed")
    said = (f"{held.packets - before.packets:.0f} packets and {grown >> 20} MB held; beside them "
            f"{beside[0]:.0f} connections/s (alone {alone[0]:.0f}), {beside[1]:.0f} Mb/s "
            f"(alone {alone[1]:.0f}); all read in {max(r['seconds'] for r in read):.1f} s")
    expect(beside[0] > alone[0] / 4 and beside[1] > 10, said)
    return said


def _beside(mesh):
    """Connections/s one after the other, and Mb/s of a download."""
    short = _churn(mesh, "4", 500, "client", 1)
    expect_equal({}, short["failed"], "short connections that failed")
    return (short["count"] / short["seconds"],
            transfer(mesh, "4", "down", 5_000_000)["mbit_s"])


def _counter(mesh, name):
    """Of both planes together."""
    return sum(measure.prometheus(mesh.admin(node, "/stats/prometheus")).get(name, 0)
               for node in mesh.topology.nodes)


def super_frames_over_a_plain_link(mesh):
    """Pods send 64 KB at once, the link takes packets of its MTU: cut on one side, merged on the
    other. TCP to a service, which the planes end, and to a pod, which they route; UDP."""
    wait_for_peers(mesh)
    pod = mesh.topology.pod("peer-0")
    for family, to in (("4", pod.v4), ("6", pod.v6)):
        for direction in ("up", "down"):
            transfer(mesh, family, direction, 20_000_000)
            before = [_counter(mesh, f"meltemi_ip_{name}_total")
                      for name in ("super_frames_cut", "forwarded")]
            transfer(mesh, family, direction, 20_000_000, to)
            cut, forwarded = (_counter(mesh, f"meltemi_ip_{name}_total") - value
                              for name, value in zip(("super_frames_cut", "forwarded"), before))
            expect(forwarded > 300, f"to {to}: {forwarded:.0f} packets were routed")
            expect(cut > 100, f"to {to} {direction}: {cut:.0f} super-frames were cut")
        _datagrams(mesh, pod, to)
    merged = _counter(mesh, "meltemi_worker_segments_merged_total")
    expect(merged > 1000, f"{merged:.0f} packets were merged")
    return f"{merged:.0f} packets merged"


def _datagrams(mesh, pod, to, count=1000):
    before = _counter(mesh, "meltemi_ip_super_frames_cut_total")
    program = ["/usr/bin/python3", "-B", f"{HERE}/datagrams.py"]
    receiver = subprocess.Popen(
        mesh.in_pod(pod.name, [*program, "receive", to, "9999", str(count)]),
        stdout=subprocess.PIPE, text=True)
    try:
        expect_equal("ready\n", receiver.stdout.readline(), "the receiver's first word")
        mesh.run_in_pod("client", [*program, "send", to, "9999", str(count)])
        expect_equal(f"{count}\n", receiver.stdout.readline(), f"datagrams that came whole to {to}")
    finally:
        receiver.kill()
        receiver.communicate()
    cut = _counter(mesh, "meltemi_ip_super_frames_cut_total") - before
    expect(cut >= count / 10, f"{cut:.0f} super-frames of UDP were cut")


def matrix(mesh):
    """Lines of the whole table: every family, direction, loss and number of streams."""
    wait_for_peers(mesh)
    yield f"Linux {os.uname().release}, CUBIC at all ends, the plane with two workers; iperf3 for"
    yield "2 s, Mb/s; then one stream of 20 MB (4 MB at 5 %), the longest silence at its reader, s"
    heads = "".join(f"{head:>10}" for head in ("plane", "kernel", "silence", "kernel"))
    yield f"{'':16}{'streams':>8}{'lost %':>8}{heads}"
    with kernel_mesh() as kernel:
        for family in ("4", "6"):
            for direction in ("up", "down"):
                for streams in (1, 8, 64):
                    for per_mille in (0, 1, 10, 50):
                        yield _row(mesh, kernel, family, direction, streams, per_mille)


def _row(mesh, kernel, family, direction, streams, per_mille):
    rates, gaps = [], []
    for where in (mesh, kernel):
        with loss(where, per_mille):
            rates.append(iperf(where, family, streams, direction, 2))
            if streams == 1:
                size = 20_000_000 if per_mille < 50 else 4_000_000
                gaps.append(transfer(where, family, direction, size)["gap_s"])
    return (f"IPv{family} {direction:<11}{streams:>8}{per_mille / 10:>8g}"
            + "".join(f"{rate:>10.0f}" for rate in rates)
            + "".join(f"{gap:>10.3f}" for gap in gaps))


TESTS = (fifty_thousand_connections_at_once, hundred_thousand_short_connections,
         ten_thousand_readers_that_have_stopped)


def tests():
    """[(name, function of mesh, topology)]"""
    return ([(f"opaque_{test.__name__}", test, TOPOLOGY) for test in TESTS] +
            [(super_frames_over_a_plain_link.__name__, super_frames_over_a_plain_link,
              PLAIN_LINK)])
