"""The rigs: generator and backend - a wire - the proxy under test - a wire - back.

    namespace <name>-load: meltemi-load          namespace <name>-dut: the proxy
      c0  (client) ------------ Wire A: veth ------------  cli
      s0  (backend) ----------- Wire A: veth ------------  srv
      the same two ports --- Wire B: vhost-user ---------  meltemi-node only

meltemi-load runs on LOAD_CPU, the proxy alone on PROXY_CPU. Only one rig works at a time.
"""
import dataclasses
import os
import shutil
import signal

import yaml

import certificates
import load
import machine
import measure
import mesh as mesh_lib
import network
import peers
import shell
import wires

NODE_BINARY = os.environ.get("MELTEMI_NODE_BINARY") or mesh_lib.NODE_BINARY
PREFIX = "mltb-"
RUN_DIR = "/run/meltemi-dev/bench"
LOAD_CPU, PROXY_CPU = 0, 1
PORT = 9080
TLS_PORT = 9443
BULK_PORT = 5201
HANDSHAKE_THREAD = "tls-handshakes"  # meltemi-node's name of it
SERVICE = "10.96.0.1"  # what clients of the plane dial, as pods do
CLIENT_ADDRESSES = 4   # tuples enough for connections per second


@dataclasses.dataclass
class Slice:
    """One run against one rig, and what it cost."""
    run: dict            # meltemi-load's result
    cpu_s: float         # the proxy's CPU was not idle
    process_s: float     # the proxy's threads and the CPU's soft interrupt daemon ran
    busy_cycles: float   # by meltemi-node's own count; 0: the proxy has none
    handshake_s: float   # of process_s: meltemi-node's handshake threads
    stats: dict          # meltemi-node's counters, the difference

    @property
    def requests(self):
        return self.run["requests_total"]

    @property
    def foreign(self):
        """Share of the CPU's work that was somebody else's."""
        return max(0.0, 1.0 - self.process_s / self.cpu_s) if self.cpu_s > 0 else 0.0


class Rig:
    """A proxy between meltemi-load's two ports, on Wire A unless a subclass says otherwise."""
    wire = "A"
    realtime = False  # set for all by build()
    gateway = True  # the client reaches its target through the proxy
    tls = True      # there is a proxy that speaks it

    def __init__(self, name, number):
        self.name, self.number = name, number
        self.run_dir = f"{RUN_DIR}/{name}"
        self.daemons = []
        self.load = None
        self.proxy = None
        self.not_ready = ""
        self.files = None  # certificates
        self.softirqd = machine.softirq_daemon(PROXY_CPU)

    @property
    def title(self):
        titles = {"nginx": "nginx", "haproxy": "HAProxy", "none": "no proxy"}
        return titles.get(self.name, "meltemi")

    def netns(self, part):
        return f"{PREFIX}{self.name}-{part}"

    def address(self, side, host):
        return f"10.{100 + self.number}.{side}.{host}"

    def client_addresses(self):
        return [self.address(1, 2 + i) for i in range(CLIENT_ADDRESSES)]

    def target(self):
        return f"{self.address(1, 1)}:{PORT}"

    def tls_flags(self):
        """Of a run over TLS."""
        host, _, _ = self.target().rpartition(":")
        return {"target": f"{host}:{TLS_PORT}", "tls": "full", "tls_sni": certificates.NAME}

    def backend(self):
        return f"{self.address(2, 2)}:{PORT}"

    # Building and removing.

    def up(self, response_bytes=64, response_delay="0us"):
        os.makedirs(self.run_dir, exist_ok=True)
        self.files = certificates.make(f"{self.run_dir}/certificates")
        for part in ("load", "dut"):
            network.add_namespace(self.netns(part))
        self.build_wire()
        self.start_proxy()
        self.start_load(response_bytes, response_delay)

    def build_wire(self):
        for outer, inner in (("c0", "cli"), ("s0", "srv")):
            wires.add(self.netns("load"), outer, self.netns("dut"), inner)
            wires.receive_on(self.netns("load"), outer, LOAD_CPU)
            wires.receive_on(self.netns("dut"), inner, PROXY_CPU)

    def devices(self):
        return "veth:c0", "veth:s0"

    def start_load(self, response_bytes, response_delay):
        client, server = self.devices()
        flags = [f"--client-device={client}", f"--client-address={self.address(1, 2)}/24",
                 f"--client-addresses={CLIENT_ADDRESSES}",
                 f"--server-device={server}", f"--server-address={self.address(2, 2)}/24",
                 f"--server-port={PORT}", f"--target={self.target()}", "--memory-mb=64",
                 f"--response-bytes={response_bytes}", f"--response-delay={response_delay}",
                 f"--tls-ca={self.files.ca}"]
        if self.gateway:
            flags += [f"--client-gateway={self.address(1, 1)}",
                      f"--server-gateway={self.address(2, 1)}"]
        if self.load:
            self.load.stop()
        self.load = load.Load(self.netns("load"), LOAD_CPU, f"{self.run_dir}/load.log", flags)
        self.load.wait_ready()

    def daemon(self, name, argv, part, cpu):
        daemon = shell.Daemon(name, machine.many_files(argv),
                              f"{self.run_dir}/{name}.log", self.netns(part), cpu).start()
        machine.raise_priority(daemon.pid)
        self.daemons.append(daemon)
        return daemon

    def down(self):
        self.resume()
        if self.load:
            self.load.stop()
        for daemon in self.daemons:
            daemon.stop()
        self.load, self.proxy, self.daemons = None, None, []

    def pause(self):
        """Between its slices a rig must not use the CPUs."""

    def resume(self):
        pass

    # Measuring.

    def ready(self):
        if self.proxy:
            self.proxy.check_running()
        try:
            results = [self.load.run(connections=1, connect_timeout="500ms", warmup="0ms",
                                     duration="50ms", drain="50ms", **flags)
                       for flags in ({}, self.tls_flags()) if not flags or self.tls]
        except shell.CommandFailed as error:
            self.not_ready = str(error)
            return False
        return all(r["requests"] > 0 and r["errors"]["total"] == 0 for r in results)

    def wait_ready(self):
        try:
            shell.wait_until(self.ready, f"{self.name} to answer", 30, 0.2)
        except TimeoutError as error:
            logs = "".join(f"\n{d.name}:\n{d.log_tail()}" for d in self.daemons)
            raise shell.CommandFailed(f"{error}; {self.not_ready}{logs}") from error

    def stats(self):
        return {}

    def handshake_threads(self):
        return []

    def measure(self, **flags):
        self.resume()
        if self.realtime:
            machine.make_realtime(self.load.pid, 10)
            if self.proxy:
                machine.make_realtime(self.proxy.pid, 10, PROXY_CPU)
            # Before a worker that polls for ever, or they would never be done.
            for tid in self.handshake_threads():
                os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(11))
        before = self._clocks()
        run = self.load.run(**flags)
        after = self._clocks()
        self.pause()
        delta = {key: after[2][key] - before[2].get(key, 0.0) for key in after[2]}
        return Slice(run, after[0] - before[0], after[1] - before[1],
                     delta.get("meltemi_worker_busy_cycles_total", 0.0), after[3] - before[3],
                     delta)

    def _clocks(self):
        stats = self.stats()
        process = machine.run_time(self.proxy.pid) if self.proxy else 0.0
        daemon = machine.run_time(self.softirqd) if self.softirqd else 0.0
        handshakes = machine.run_time(self.proxy.pid, self.handshake_threads()) if (
            self.proxy) else 0.0
        return machine.not_idle(PROXY_CPU), process + daemon, stats, handshakes


class KernelPeer(Rig):

    def build_wire(self):
        super().build_wire()
        for side, inner in ((1, "cli"), (2, "srv")):
            wires.kernel_address(self.netns("dut"), inner, f"{self.address(side, 1)}/24")
        # TIME-WAIT and backlog as every busy server sets them.
        wires.sysctl(self.netns("dut"), "net.ipv4.tcp_tw_reuse=1",
                       "net.ipv4.ip_local_port_range=1024 65535",
                       "net.core.somaxconn=16384", "net.ipv4.tcp_max_syn_backlog=16384")


class Nginx(KernelPeer):

    def start_proxy(self):
        argv = peers.write_nginx(f"{self.run_dir}/proxy", self.backend(), PORT, TLS_PORT,
                                 self.files)
        self.proxy = self.daemon("proxy", argv, "dut", PROXY_CPU)


class HaProxy(KernelPeer):

    def start_proxy(self):
        argv = peers.write_haproxy(f"{self.run_dir}/proxy", self.backend(), PORT, TLS_PORT,
                                   self.files)
        self.proxy = self.daemon("proxy", argv, "dut", PROXY_CPU)


class NoProxy(Rig):
    """The wire alone: both ends in one network, a kernel bridge between. What the rig itself
    takes."""
    gateway = False
    tls = False

    def address(self, side, host):
        return f"10.{100 + self.number}.0.{host + (64 if side == 2 else 0)}"

    def target(self):
        return self.backend()

    def start_proxy(self):
        wires.kernel_bridge(self.netns("dut"), ("cli", "srv"))


class Meltemi(Rig):
    huge_pages = False

    def target(self):
        return f"{SERVICE}:{PORT}"

    def node_devices(self):
        return "veth:cli", "veth:srv"

    def start_proxy(self):
        client, server = self.node_devices()
        config = peers.bootstrap(
            [("cli", client, f"{self.address(1, 1)}/24"),
             ("srv", server, f"{self.address(2, 1)}/24")],
            [("cli", self.client_addresses()), ("srv", [self.address(2, 2)])],
            self.backend(), PORT, PROXY_CPU, huge_pages=self.huge_pages,
            tls=(TLS_PORT, self.files))
        path = f"{self.run_dir}/bootstrap.yaml"
        with open(path, "w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        # The worker pins itself; the control threads stay off its CPU.
        self.proxy = self.daemon("proxy", [NODE_BINARY, f"--config={path}"], "dut", LOAD_CPU)

    def wait_ready(self):
        super().wait_ready()
        # Every proxy has one CPU for all it does for its clients.
        for tid in self.handshake_threads():
            os.sched_setaffinity(tid, {PROXY_CPU})

    def handshake_threads(self):
        return machine.threads(self.proxy.pid, HANDSHAKE_THREAD)

    def stats(self):
        page = shell.run(shell.in_netns(self.netns("dut"), [
            "curl", "-s", "-f", "-m", "5", "http://127.0.0.1:15000/stats/prometheus"])).stdout
        return measure.prometheus(page)


class MeltemiVhost(Meltemi):
    """Wire B: shared memory between the two processes, as a NIC's queues would be. The plane is
    the guest's side (virtio), which like a NIC's driver moves descriptors; the copying, a NIC's
    DMA, is the other side's (vhost), the generator's."""
    wire = "B"

    def build_wire(self):
        pass

    def socket(self, side):
        return f"{self.run_dir}/{side}.sock"

    def devices(self):
        return f"vhost:{self.socket('c')}", f"vhost:{self.socket('s')}"

    def node_devices(self):
        return f"virtio:{self.socket('c')}", f"virtio:{self.socket('s')}"

    # These ports have nothing to wake a sleeper with: the worker polls for ever.
    def pause(self):
        if self.proxy and self.proxy.running:
            os.kill(self.proxy.pid, signal.SIGSTOP)

    def resume(self):
        if self.proxy and self.proxy.running:
            os.kill(self.proxy.pid, signal.SIGCONT)


KINDS = {"meltemi": Meltemi, "meltemi-vhost": MeltemiVhost, "nginx": Nginx, "haproxy": HaProxy,
         "none": NoProxy}


def build(names, realtime=False):
    """{name: rig}, all up and answering."""
    Rig.realtime = realtime
    rigs = {}
    try:
        for number, name in enumerate(names, 1):
            rigs[name] = KINDS[name](name, number)
            rigs[name].up()
            rigs[name].wait_ready()
            rigs[name].pause()
    except BaseException:
        take_down(rigs)
        raise
    return rigs


def take_down(rigs):
    for rig in rigs.values():
        rig.down()
    clean()


def clean():
    network.remove(PREFIX)
    shutil.rmtree(RUN_DIR, ignore_errors=True)
