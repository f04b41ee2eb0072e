"""Bulk: iperf3 between two pods, its bytes passed through by the plane or by a kernel bridge.

    <name>-cli: iperf3 -c ---veth--- <name>-dut ---veth--- <name>-srv: iperf3 -s

iperf3's ends are kernel sockets with their offloads on; they share LOAD_CPU.
"""
import json
import os

import yaml

import machine
import network
import peers
import rigs
import shell
import wires


class Bulk:
    """Through meltemi-node, an opaque TCP listener."""

    def __init__(self, name, number):
        self.name = name
        self.number = number
        self.run_dir = f"{rigs.RUN_DIR}/bulk-{name}"
        self.daemons = []

    def netns(self, part):
        return f"{rigs.PREFIX}b{self.name}-{part}"

    def address(self, side, host):
        return f"10.{150 + self.number}.{side}.{host}"

    def target(self):
        return rigs.SERVICE

    def up(self):
        os.makedirs(self.run_dir, exist_ok=True)
        for part in ("cli", "dut", "srv"):
            network.add_namespace(self.netns(part))
        for side, part in ((1, "cli"), (2, "srv")):
            wires.add(self.netns(part), "eth0", self.netns("dut"), part)
            wires.kernel_address(self.netns(part), "eth0", f"{self.address(side, 2)}/24")
            if self.target() == rigs.SERVICE:
                wires.batch(self.netns(part), f"route add default via {self.address(side, 1)}")
            wires.receive_on(self.netns(part), "eth0", rigs.LOAD_CPU)
            wires.receive_on(self.netns("dut"), part, rigs.PROXY_CPU)
        self.start_middle()
        self._daemon("iperf3", ["iperf3", "-s", "-p", str(rigs.BULK_PORT)], "srv")
        shell.wait_until(lambda: self._iperf(0.2) is not None, f"iperf3 through {self.name}", 20)

    def _daemon(self, name, argv, part):
        daemon = shell.Daemon(name, argv, f"{self.run_dir}/{name}.log", self.netns(part),
                              rigs.LOAD_CPU).start()
        machine.raise_priority(daemon.pid)
        self.daemons.append(daemon)
        return daemon

    def start_middle(self):
        backend = f"{self.address(2, 2)}:{rigs.PORT}"
        config = peers.bootstrap(
            [("cli", "veth:cli", f"{self.address(1, 1)}/24"),
             ("srv", "veth:srv", f"{self.address(2, 1)}/24")],
            [("cli", [self.address(1, 2)]), ("srv", [self.address(2, 2)])],
            backend, rigs.PORT, rigs.PROXY_CPU, tcp_port=rigs.BULK_PORT)
        path = f"{self.run_dir}/bootstrap.yaml"
        with open(path, "w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        self._daemon("node", [rigs.NODE_BINARY, f"--config={path}"], "dut")

    def _iperf(self, seconds):
        done = shell.run(shell.in_netns(self.netns("cli"), [
            "taskset", "-c", str(rigs.LOAD_CPU), "iperf3", "-c", self.target(), "-p",
            str(rigs.BULK_PORT), "-t", str(max(1, round(seconds))), "-J"]), check=False,
            timeout_s=30)
        try:
            return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9
        except (ValueError, KeyError):
            return None

    def measure(self, seconds):
        """{gbps, cpu_s, seconds}; None when iperf3 failed."""
        before = machine.not_idle(rigs.PROXY_CPU)
        gbps = self._iperf(seconds)
        used = machine.not_idle(rigs.PROXY_CPU) - before
        return None if gbps is None else {"gbps": gbps, "cpu_s": used, "seconds": seconds}

    def down(self):
        for daemon in self.daemons:
            daemon.stop()
        self.daemons = []


class Bridge(Bulk):
    """Through a kernel bridge, all offloads on: super-frames of 64 KB pass as they are."""

    def address(self, side, host):
        return f"10.{150 + self.number}.0.{host + (64 if side == 2 else 0)}"

    def target(self):
        return self.address(2, 2)

    def start_middle(self):
        wires.kernel_bridge(self.netns("dut"), ("cli", "srv"))


def run(rounds, seconds):
    """[{name: {gbps, ...}}], interleaved."""
    both = {}
    found = []
    try:
        for number, (name, kind) in enumerate((("meltemi", Bulk), ("bridge", Bridge)), 1):
            both[name] = kind(name, number)
            both[name].up()
        for _ in range(rounds):
            one = {name: rig.measure(seconds) for name, rig in both.items()}
            if all(one.values()):
                found.append(one)
    finally:
        for rig in both.values():
            rig.down()
        network.remove(rigs.PREFIX + "b")
    return found
