"""Ports come and go while traffic runs, by netlink and by the bootstrap file; workers may sleep.
"""
import dataclasses
import datetime
import os
import re
import signal
import time

import measure
import network
import shell
import topology as topo
from fixture import (CLIENT_NODE, PREFIX, RATINGS, REVIEWS, TOPOLOGY, curl, expect, expect_equal,
                     expect_level, expect_none_lost, reset_rules, warm_level)

# A lost notice would be made good by the retry, once a second: the bound tells them apart.
AT_ONCE_S = 0.5


def port_attached(mesh, node, name):
    """Whether the node has the port in use; None when its configuration has no such port."""
    page = mesh.admin(node, "/stats/prometheus") or ""
    value = measure.prometheus_sample(page, "meltemi_port_attached", port=name)
    return None if value is None else value == 1.0


def _ip(netns, *words):
    shell.run(["ip", "-n", netns, *words])


def _wait_attached(mesh, node, name, wanted, what):
    shell.wait_until(lambda: port_attached(mesh, node, name) is wanted, what, 10)


def _log_times(mesh, node, text, name):
    """When the node logged `text` about a port, in seconds since the epoch."""
    with open(f"{mesh.run_dir}/{node.name}.log", errors="replace") as log:
        return [datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()
                for line in log if text in line and f"port={name} " in line]


class Moment:
    """Something is done to a device; the node must answer at once. Measured by the node's own log:
    on a loaded machine it is our looking that is late."""

    def __init__(self, mesh, node, name):
        self._mesh, self._node, self._name = mesh, node, name

    def __enter__(self):
        self._began = time.time()
        return self

    def __exit__(self, *_):
        self._done = time.time()

    def answered(self, text):
        def times():
            return [t for t in _log_times(self._mesh, self._node, text, self._name)
                    if t > self._began]
        late = shell.wait_until(times, f"{self._node.name} to log {text!r}")[-1] - self._done
        expect(late < AT_ONCE_S, f"{text} {late:.2f} s late")


def link_recreated_in_use(mesh):
    """A pod's veth is removed in use and comes again under its name, at once and after a while."""
    pod, node = mesh.topology.pod("reviews-v1"), CLIENT_NODE
    before = warm_level(mesh)
    bystander = measure.Wrk(mesh, RATINGS, 8, connections=4)
    load = measure.Wrk(mesh, REVIEWS, 8, connections=16, timeout="1s")
    for pause in (0, 0, 0.3, 0.3, 1.2):
        time.sleep(0.3)
        with Moment(mesh, node, pod.name) as going:
            mesh.disconnect_pod(pod)
        if pause:
            going.answered("port detached")
            expect_equal(False, port_attached(mesh, node, pod.name), "attached without a device")
            time.sleep(pause)
        with Moment(mesh, node, pod.name) as coming:
            mesh.connect_pod(pod)
        coming.answered("port attached")
        expect_equal(True, port_attached(mesh, node, pod.name), "attached with its device back")
        mesh.run_in_pod(pod.name, ["ping", "-q", "-c", "1", "-W", "1", pod.node.gateways[0]])
    load.result()  # requests to the pod itself fail while it is away
    expect_none_lost(bystander.result(), "requests to another service")
    shell.wait_until(
        lambda: "v1" in {r.version for r in measure.curl_many(
            mesh, REVIEWS, 9)}, "the pod to serve again", 15, 0.2)
    expect_level(mesh, before)


def link_renamed_in_use(mesh):
    """A netdev under another name is another's; under its own it is the port's again."""
    pod, node = mesh.topology.pod("details-v1"), CLIENT_NODE
    netns = mesh.netns(node.name)
    before = warm_level(mesh)
    bystander = measure.Wrk(mesh, RATINGS, 4, connections=4)
    for word in ("down", "up"):  # no more than a pause: the port stays
        _ip(netns, "link", "set", pod.name, word)
    mesh.run_in_pod(pod.name, ["ping", "-q", "-c", "1", "-W", "1", pod.node.gateways[0]])
    with Moment(mesh, node, pod.name) as going:
        _rename(netns, pod.name, "elsewhere")
    going.answered("port detached")
    ping = mesh.run_in_pod(pod.name, ["ping", "-q", "-c", "1", "-W", "1", pod.node.gateways[0]],
                           check=False)
    expect(ping.returncode != 0, "a port under another name still answers")
    with Moment(mesh, node, pod.name) as coming:
        _rename(netns, "elsewhere", pod.name)
    coming.answered("port attached")
    mesh.run_in_pod(pod.name, ["ping", "-q", "-c", "1", "-W", "1", pod.node.gateways[0]])
    expect_none_lost(bystander.result(), "requests to another service")
    expect_level(mesh, before)


def _rename(netns, old, new):
    _ip(netns, "link", "set", old, "down")
    _ip(netns, "link", "set", old, "name", new)
    _ip(netns, "link", "set", new, "up")


# The bootstrap file, read again.


def _reloads(mesh, node, result):
    page = mesh.admin(node, "/stats/prometheus") or ""
    return measure.prometheus_sample(page, "meltemi_bootstrap_reloads_total", result=result)


def _reload(mesh, node, bootstrap, result="applied"):
    """Writes the file, sends SIGHUP, waits until the node says what it made of it."""
    before = _reloads(mesh, node, result)
    mesh.write_bootstrap(node, bootstrap)
    mesh.planes[node.name].send(signal.SIGHUP)
    shell.wait_until(lambda: (_reloads(mesh, node, result) or 0) > before,
                     f"{node.name} to say that the file is {result}", 5)


LATE = topo.Pod("late-v1", "details", CLIENT_NODE, 40)


def pod_added_and_removed_by_file(mesh):
    """A pod that no bootstrap knew comes, serves and goes; nobody else notices."""
    node = LATE.node
    before = warm_level(mesh)
    bystander = measure.Wrk(mesh, RATINGS, 8, connections=8)
    own = mesh.bootstrap(node)
    more = mesh.bootstrap(node, topology=dataclasses.replace(
        mesh.topology, pods=mesh.topology.pods + (LATE,)))
    network.add_namespace(mesh.netns(LATE.name), mesh.hosts())
    mesh.connect_pod(LATE)
    mesh.start_server(LATE)
    try:
        expect_equal(None, port_attached(mesh, node, LATE.name), "the port before the file")
        _reload(mesh, node, more)
        _wait_attached(mesh, node, LATE.name, True, "the new port to be attached")
        for address in (LATE.v4, f"[{LATE.v6}]"):  # from the other node and from this one
            for client in ("client", "ratings-v1"):
                url = f"http://{address}:9080/details/0"
                shell.wait_until(lambda c=client, u=url: curl(
                    mesh, "-o", "/dev/null", "-w", "%{http_code}", "-m", "2", u, pod=c,
                    check=False).stdout == "200", f"{url} to answer {client}", 5)
        got = curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", RATINGS, pod=LATE.name)
        expect_equal("200", got.stdout, "a request of the new pod")
        _reload(mesh, node, own)
        shell.wait_until(lambda: port_attached(mesh, node, LATE.name) is None,
                         "the port to be gone", 5)
        gone = curl(mesh, "-m", "1", RATINGS, pod=LATE.name, check=False)
        expect(gone.returncode != 0, "a pod that was taken away still gets answers")
    finally:
        mesh.servers.pop(LATE.name).kill()
        network.remove(mesh.netns(LATE.name))
    expect_none_lost(bystander.result(), "requests to another service")
    expect_level(mesh, before)


def wrong_file_is_refused_and_nothing_changes(mesh):
    node = CLIENT_NODE
    own = mesh.bootstrap(node)

    def meltemi(**changes):
        return {**own, "meltemi": {**own["meltemi"], **changes}}

    ports = own["meltemi"]["ports"]
    wrong = (
        (meltemi(workers=2), "meltemi.workers: differs"),
        (meltemi(ports=ports[1:]),
         f"meltemi.workloads[0].port: no port is called \\\"{ports[0]['name']}"),
        (meltemi(ports=[*ports, {"name": "x", "device": "vath:x"}]),
         f"meltemi.ports[{len(ports)}].device"),
        (meltemi(ports=[*ports, {"name": "x", "device": "vhost:/run/x.sock"}]),
         "meltemi.ports: the first port that DPDK drives"),
        ({**own, "admin": {"address": {"socket_address": {
            "address": "0.0.0.0", "port_value": 15001}}}}, "admin: differs"),
        ({**own, "nonsense": 1}, "nonsense: unknown field"),
    )
    names = {p["name"] for p in ports}
    bystander = measure.Wrk(mesh, RATINGS, 5, connections=8)
    for bootstrap, error in wrong:
        _reload(mesh, node, bootstrap, "refused")
        with open(f"{mesh.run_dir}/{node.name}.log", errors="replace") as log:
            last = [line for line in log if "bootstrap file refused" in line][-1]
        expect(error in last, f"no {error!r} in {last}")
    expect_equal({n: True for n in names}, {n: port_attached(mesh, node, n) for n in names},
                 "ports after refusals")
    _reload(mesh, node, own)
    expect_none_lost(bystander.result(), "while wrong files were refused")


TAP = topo.Pod("tap-v1", "details", CLIENT_NODE, 41)


def tap_pod_by_file(mesh):
    """A pod whose interface is a TAP that the plane makes and moves into the pod."""
    node = TAP.node
    before = warm_level(mesh)
    own = mesh.bootstrap(node)
    more = mesh.bootstrap(node, topology=dataclasses.replace(
        mesh.topology, pods=mesh.topology.pods + (TAP,)))
    port = next(p for p in more["meltemi"]["ports"] if p["name"] == TAP.name)
    port["device"] = f"tap:tap0,{mesh.netns(TAP.name)}"
    network.add_namespace(mesh.netns(TAP.name), mesh.hosts())
    try:
        _reload(mesh, node, more)
        _wait_attached(mesh, node, TAP.name, True, "the TAP to be attached")
        network.address_pod(mesh.netns(TAP.name), "tap0", (TAP.v4, TAP.v6), node.gateways)
        mesh.start_server(TAP)
        for address in (TAP.v4, f"[{TAP.v6}]"):
            url = f"http://{address}:9080/details/0"
            shell.wait_until(lambda u=url: curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", u,
                                                check=False).stdout == "200", url, 5)
        result = measure.Wrk(mesh, RATINGS, 2, connections=16, pod=TAP.name).result()
        expect_none_lost(result, "requests of a pod with a TAP")
        _reload(mesh, node, own)
        shell.wait_until(lambda: port_attached(mesh, node, TAP.name) is None, "no port", 5)
    finally:
        if TAP.name in mesh.servers:
            mesh.servers.pop(TAP.name).kill()
        network.remove(mesh.netns(TAP.name))
    expect_level(mesh, before)


# Sleep. What must be cheap: a node whose pods are idle.


IDLE = topo.Topology(
    nodes=(topo.NODE_A,),
    pods=(topo.Pod("client", "client", topo.NODE_A, 10),
          topo.Pod("ratings-v1", "ratings", topo.NODE_A, 11)) + tuple(
              topo.Pod(f"idle{i}", "client", topo.NODE_A, 20 + i) for i in range(18)),
    services=(topo.Service("ratings", 14),),
    busy_poll_us_max=200,
    more_ports=({"name": "vm", "device": f"vhost:/run/meltemi-dev/{PREFIX}vm.sock",
                 "kind": "POD", "addresses": ["10.1.1.1/24"], "mtu": 1500},),
)

# And a port that cannot wake its worker, as a NIC's cannot.
IDLE_POLLED = dataclasses.replace(IDLE, more_ports=(
    {"name": "nic", "device": "null:", "kind": "POD", "addresses": ["10.1.1.1/24"]},))

# Both ends of a vhost-user link between two nodes; workers that never spin.
PING_PONG = dataclasses.replace(
    TOPOLOGY, busy_poll_us_max=0, uplink_socket=f"/run/meltemi-dev/{PREFIX}uplink.sock")


def cpu_seconds(pid):
    """Time on the CPU of all threads that live, to the nanosecond."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as schedstat:
            total += int(schedstat.read().split()[0])
    return total / 1e9


def idle_node_costs_nothing(mesh, share_max=0.01):
    """20 idle pods and a vhost-user port: less than 1 % of a core."""
    node = topo.NODE_A
    expect_equal(200, measure.curl_many(mesh, RATINGS, 1)[0].status, "a request before")
    time.sleep(2)  # keep-alive connections stay, their first timers are over
    seconds = 10
    pid = mesh.planes[node.name].pid
    sleeps, before, started = _sleeps(mesh, node), cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - started)
    expect(share < share_max,
           f"{100 * share:.2f} % of a core with {len(mesh.topology.pods)} idle pods")
    expect(_sleeps(mesh, node) > sleeps, "the worker did not sleep")
    expect_equal(200, measure.curl_many(mesh, RATINGS, 1)[0].status, "a request after")
    return f"{100 * share:.2f} % of a core"


def idle_node_with_polled_port_naps(mesh):
    """It is waking up, 250 times a second, which a slow or busy machine makes dearer: 5 %."""
    return idle_node_costs_nothing(mesh, 0.05)


def _sleeps(mesh, node):
    return measure.node_stats(mesh, node)["meltemi_worker_sleeps_total"]


def _ping_pongs(mesh, address, count=10_000, lost_after_ms=400):
    """Pings one after the other, each meeting workers asleep. A wake-up that is lost costs the
    sleep's own end, up to 1 s: the longest round trip tells."""
    done = mesh.run_in_pod("client", ["ping", "-q", "-i", "0.001", "-c", str(count), "-W", "5",
                                      address], check=False, timeout_s=110)
    found = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout)
    times = re.search(r"= [\d.]+/([\d.]+)/([\d.]+)/", done.stdout)
    expect(found and times, f"ping: {done.stdout}{done.stderr}")
    expect_equal((count, count), (int(found.group(1)), int(found.group(2))), "sent and answered")
    expect(float(times.group(2)) < lost_after_ms, f"the longest round trip: {times.group(2)} ms")
    return float(times.group(1))


def no_wake_up_is_lost_on_veth(mesh):
    sleeps = _sleeps(mesh, CLIENT_NODE)
    average = _ping_pongs(mesh, topo.NODE_A.gateways[0])
    slept = _sleeps(mesh, CLIENT_NODE) - sleeps
    expect(slept > 9000, f"only {slept:.0f} sleeps: the pings did not meet a sleeping worker")
    return f"average {average:.3f} ms, {slept:.0f} sleeps"


def no_wake_up_is_lost_on_vhost_user(mesh):
    """Across the vhost-user link and back. The node at its server end sleeps and is woken by the
    client's notification; the one at the client end polls, which a virtio-user port must be."""
    sleeps = _sleeps(mesh, CLIENT_NODE)
    average = _ping_pongs(mesh, mesh.topology.pod("ratings-v1").v4)
    slept = _sleeps(mesh, CLIENT_NODE) - sleeps
    expect(slept > 9000, f"only {slept:.0f} sleeps: the pings did not meet a sleeping worker")
    return f"average {average:.3f} ms, {slept:.0f} sleeps"


def requests_over_vhost_user(mesh):
    result = measure.Wrk(mesh, RATINGS, 5, connections=64).result()
    expect_none_lost(result, "over vhost-user")
    return f"{result.rate:.0f} requests/s"


def vhost_user_link_returns(mesh):
    """Either end of a vhost-user link may die and come back."""
    reset_rules(mesh)
    for node in mesh.topology.nodes:
        mesh.planes[node.name].kill()
        mesh.start_plane(node)
        shell.wait_until(lambda: mesh.admin(node, "/ready") is not None, "the node to be ready", 20)
        shell.wait_until(lambda: [r.status for r in measure.curl_many(
            mesh, RATINGS, 1, options=("-m", "2"))] == [200],
            f"requests to pass again after {node.name} was killed", 30, 0.2)


def tests():
    """[(name, function of mesh, topology)]"""
    links = (link_recreated_in_use, link_renamed_in_use, pod_added_and_removed_by_file,
             tap_pod_by_file, wrong_file_is_refused_and_nothing_changes)
    pings = (no_wake_up_is_lost_on_veth, no_wake_up_is_lost_on_vhost_user,
             requests_over_vhost_user, vhost_user_link_returns)
    return ([(t.__name__, t, TOPOLOGY) for t in links] +
            [(idle_node_costs_nothing.__name__, idle_node_costs_nothing, IDLE),
             (idle_node_with_polled_port_naps.__name__, idle_node_with_polled_port_naps,
              IDLE_POLLED)] +
            [(t.__name__, t, PING_PONG) for t in pings])
