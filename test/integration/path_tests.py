"""Opaque TCP through the plane over paths that lose and reorder, the kernel's routing of the same
pods beside it. nftables drops, or sends round by detour.py, at the client's device, both ways."""
import concurrent.futures
import contextlib
import json
import subprocess

import detour
import shell
from fixture import expect
from tcp_tests import (HERE, TOPOLOGY, iperf, kernel_mesh, loss, transfer, wait_for_peers)

STREAMS = (1, 8, 64)
LOSSES = (1, 10, 50)  # of 1000
FAMILIES = ("4", "6")
IPERF_S = 1
# Of what the kernel reaches in the same run: what a plane in user space, on CPUs it shares with
# both ends, must. Of one stream in a second chance decides more (a timeout, or none), at 5 %
# nothing else: it may try again.
SHARE_OF_KERNEL = {(1, 1): 1 / 10, (1, 10): 1 / 25}
SHARE_OF_MANY = 1 / 10
MBIT_S_MIN = 0.5
TRIES_OF_ONE = 3


def _rate(mesh, family, streams, direction, least):
    for _ in range(TRIES_OF_ONE if streams == 1 else 1):
        reached = iperf(mesh, family, streams, direction, IPERF_S)
        if reached >= least:
            break
    return reached


def _losses(mesh, direction):
    """Every number of streams and loss, by both families. The kernel's figure is IPv4's."""
    wait_for_peers(mesh)
    said, slow = [], []
    with kernel_mesh() as kernel:
        for streams in STREAMS:
            for per_mille in LOSSES:
                with loss(kernel, per_mille, but_syns=True):
                    reached = iperf(kernel, "4", streams, direction, IPERF_S)
                share = SHARE_OF_KERNEL.get((streams, per_mille),
                                            0 if streams == 1 else SHARE_OF_MANY)
                least = max(reached * share, MBIT_S_MIN)
                with loss(mesh, per_mille, but_syns=True):
                    rates = [_rate(mesh, f, streams, direction, least) for f in FAMILIES]
                said.append(f"x{streams} {per_mille / 10:g} % " +
                            "/".join(f"{rate:.0f}" for rate in rates) + f" ({reached:.0f})")
                if min(rates) < least:
                    slow.append(f"{said[-1]}: {least:.1f} at least")
    expect(not slow, f"{direction}, Mb/s of IPv4/IPv6 (of the kernel): {slow}")
    return "Mb/s of IPv4/IPv6 (of the kernel): " + ", ".join(said)


def streams_and_losses_up(mesh):
    return _losses(mesh, "up")


def streams_and_losses_down(mesh):
    return _losses(mesh, "down")


RUNS = 3  # of each family, at once
# (lost of 1000, bytes of a run, seconds that are allowed whatever the kernel's are: how many
# timeouts come in a row is chance, two of them up to 1 %, four at 5 %)
SILENCES = ((1, 5_000_000, 1.0), (10, 5_000_000, 1.0), (50, 700_000, 3.4))


def losses_never_silence_longer_than_the_kernel(mesh):
    """Bytes are intact, and the longest silence at a reader is of the kernel's kind: of RUNS runs
    by each family twice the kernel's longest at most, or what chance may do."""
    wait_for_peers(mesh)
    said, late = [], []
    with kernel_mesh() as kernel, concurrent.futures.ThreadPoolExecutor(4 * RUNS) as pool:
        for per_mille, size, allowed_s in SILENCES:
            for direction in ("up", "down"):
                with loss(mesh, per_mille), loss(kernel, per_mille):
                    runs = [[pool.submit(transfer, where, family, direction, size)
                             for family in FAMILIES for _ in range(RUNS)]
                            for where in (mesh, kernel)]
                    gaps = [max(run.result()["gap_s"] for run in some) for some in runs]
                said.append(f"{per_mille / 10:g} % {direction} {gaps[0]:.2f} s "
                            f"(kernel {gaps[1]:.2f})")
                if gaps[0] > max(2 * gaps[1], allowed_s):
                    late.append(said[-1])
    expect(not late, f"silent longer than the kernel: {late}")
    return ", ".join(said)


REORDERED = 40  # of a thousand packets of either direction ...
DETOUR_MS = 3   # ... come so much later, overtaken by many


@contextlib.contextmanager
def reordering(mesh, counts):
    """`counts` is filled in at the end: packets of the client that went round, out and in."""
    netns = mesh.netns("client")
    process = subprocess.Popen(
        mesh.in_pod("client", ["/usr/bin/python3", "-B", f"{HERE}/detour.py", "eth0",
                               str(DETOUR_MS)]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        expect(process.stdout.readline() == "ready\n", "detour.py did not begin")
        rule = (f"meta l4proto tcp meta mark != {detour.MARK} numgen random mod 1000 < {REORDERED} "
                f'counter fwd to "{detour.NAME}"')
        chains = " ".join(
            f"chain {hook} {{ type filter hook {hook} device eth0 priority 0; {rule}; }};"
            for hook in ("ingress", "egress"))
        shell.run(shell.in_netns(netns, ["nft", f"table netdev reorder {{ {chains} }}"]))
        yield
        shell.run(shell.in_netns(netns, ["nft", "delete table netdev reorder"]))
        counts.update(json.loads(process.communicate()[0]))
    finally:
        process.kill()
        process.communicate()


def _reordered(mesh, family, direction):
    wait_for_peers(mesh)
    counts = {}
    # Packets, not super-frames: more of them, and each is one to overtake.
    netns = mesh.netns("client")
    shell.run(shell.in_netns(netns, ["ethtool", "-K", "eth0", "tso", "off", "gso", "off"]))
    try:
        with reordering(mesh, counts):
            heard = transfer(mesh, family, direction, 20_000_000)
    finally:
        shell.run(shell.in_netns(netns, ["ethtool", "-K", "eth0", "tso", "on", "gso", "on"]))
    text = counts["out" if direction == "up" else "in"]
    said = f"{heard['mbit_s']:.0f} Mb/s, {counts['out']} out and {counts['in']} in went round"
    expect(text >= 20, f"too few were overtaken: {said}")
    expect(heard["mbit_s"] > 20 and heard["gap_s"] < 0.5, f"taken for losses: {said}")
    return said


def reordered_ipv4_up(mesh):
    return _reordered(mesh, "4", "up")


def reordered_ipv4_down(mesh):
    return _reordered(mesh, "4", "down")


def reordered_ipv6_up(mesh):
    return _reordered(mesh, "6", "up")


def reordered_ipv6_down(mesh):
    return _reordered(mesh, "6", "down")


TESTS = (streams_and_losses_up, streams_and_losses_down,
         losses_never_silence_longer_than_the_kernel, reordered_ipv4_up, reordered_ipv4_down,
         reordered_ipv6_up, reordered_ipv6_down)


def tests():
    """[(name, function of mesh, topology)]"""
    return [(f"opaque_{test.__name__}", test, TOPOLOGY) for test in TESTS]
