"""A rollout under load: ten backends on two nodes are replaced one by one, as an orchestrator does
it, and no request of HTTP/1.1, HTTP/2 or gRPC fails. A TCP connection outlives its endpoint."""
import json
import os
import re
import signal
import sys
import time

import measure
import mesh as mesh_lib
import servers
import shell
import topology as topo
from fixture import Failed, Talk, expect, expect_equal, expect_none_lost

COUNT = 10
LOAD_S = 18  # the rollout has to end before
DRAIN_S = 0.2  # an orchestrator's preStop; longer than a configuration needs
GRPC_S_MAX = 5
# Ports of the pods; name, number and port name of the service.
SERVICES = {9080: ("shop", 40, "http"), 9081: ("shop2", 41, "http2"), 9082: ("shopg", 42, "grpc"),
            9083: ("shopt", 43, "tcp")}
PODS = tuple(topo.Pod(f"shop-{i}", "client", (topo.NODE_A, topo.NODE_B)[i % 2], 20 + i)
             for i in range(2 * COUNT))  # of "client" no server is started by itself
TOPOLOGY = topo.Topology(
    nodes=(topo.NODE_A, topo.NODE_B), pods=(topo.Pod("client", "client", topo.NODE_A, 10), *PODS),
    services=tuple(topo.Service(name, number, port=port, port_name=kind, app="nobody")
                   for port, (name, number, kind) in SERVICES.items()))

_NGINX = servers.NGINX_START.replace("master_process off", "master_process on") + """\
  server {{
    listen 9080;
    listen 9081 http2;
    location / {{ return 200 "{name}\\n"; }}
  }}
}}
"""

# What is typed is sent, and what comes back is said.
_ECHO_CLIENT = """\
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
peer.sendall(b"E")
for line in sys.stdin:
    peer.sendall(line.encode())
    print("heard", peer.recv(100).decode().strip() or "the end", flush=True)
"""


class Rollout:
    def __init__(self, mesh):
        self._mesh = mesh
        self._ready = list(PODS[:COUNT])

    def up(self):
        self._mesh.up()
        for pod in PODS[COUNT:]:
            self._mesh.disconnect_pod(pod)
            self._mesh.meltemi("delete", "Pod", pod.name)
        for pod in PODS[:COUNT]:
            self._start(pod)
        for pod in PODS[:COUNT]:
            self._wait_listens(pod)
        self._apply_endpoints()
        for name in ("shop:9080", "shop2:9081"):
            prior = ["--http2-prior-knowledge"] if name == "shop2:9081" else []
            shell.wait_until(lambda n=name, p=prior: self._mesh.run_in_pod(
                "client", ["curl", "-sf", "-m", "2", *p, f"http://{n}/"],
                check=False).returncode == 0, f"{name} to answer", 10)

    def _daemon(self, pod, what):
        return self._mesh.servers[f"{pod.name}-{what}"]

    def _start(self, pod):
        run = self._mesh.pod_dir(pod)
        os.makedirs(run, exist_ok=True)
        with open(f"{run}/nginx.conf", "w") as file:
            file.write(_NGINX.format(run=run, name=pod.name))
        for what, argv in (
                ("nginx", ["nginx", "-e", "stderr", "-c", f"{run}/nginx.conf"]),
                ("greeter", [*mesh_lib.GREETERS["greeter-cpp"], "serve", "9082"]),
                ("tcp", [sys.executable, "-B", f"{mesh_lib.ROOT}/test/integration/tcp_server.py",
                         "9083"])):
            self._mesh.servers[f"{pod.name}-{what}"] = shell.Daemon(
                f"{pod.name}-{what}", argv, f"{self._mesh.run_dir}/{pod.name}-{what}.log",
                self._mesh.netns(pod.name)).start()

    def _wait_listens(self, pod):
        def listens():
            said = self._mesh.run_in_pod(pod.name, ["ss", "-Hltn"]).stdout
            return all(f":{port} " in said for port in SERVICES)
        shell.wait_until(listens, f"{pod.name} to listen", 10)

    def _apply_endpoints(self):
        documents = []
        for port, (name, number, kind) in SERVICES.items():
            service = self._mesh.topology.service(name)
            documents.append({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"clusterIP": service.v4, "clusterIPs": [service.v4, service.v6],
                         "ports": [{"name": kind, "port": port, "protocol": "TCP"}]}})
            documents.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-1", "namespace": "default",
                             "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [pod.v4], "conditions": {"ready": True}}
                              for pod in self._ready],
                "ports": [{"name": kind, "port": port}]})
        self._mesh.apply_objects(*documents)

    def replace(self, number):
        """One backend by a new one."""
        old, new = PODS[number], PODS[COUNT + number]
        self._mesh.connect_pod(new)
        self._mesh.meltemi("apply", "-f", f"{self._mesh.config_source}/pod-{new.name}.yaml")
        self._start(new)
        self._wait_listens(new)
        self._ready.append(new)
        self._apply_endpoints()
        self._ready.remove(old)
        self._apply_endpoints()
        time.sleep(DRAIN_S)
        self._daemon(old, "nginx").send(signal.SIGQUIT)
        self._daemon(old, "greeter").send(signal.SIGTERM)
        for what in ("nginx", "greeter"):
            shell.wait_until(lambda w=what: not self._daemon(old, w).running,
                             f"{what} of {old.name} to end", GRPC_S_MAX + 2)
        if number > 0:  # the first has the TCP connection yet
            self.remove(old)

    def remove(self, pod):
        self._daemon(pod, "tcp").stop()
        self._mesh.disconnect_pod(pod)
        self._mesh.meltemi("delete", "Pod", pod.name)


def _expect_h2load(said):
    total = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, 0 failed, "
                      r"0 errored, 0 timeout", said)
    expect(total and int(total.group(3)) > 0, f"h2load:\n{said[-1200:]}")
    expect(f"status codes: {total.group(3)} 2xx, 0 3xx, 0 4xx, 0 5xx" in said,
           f"h2load:\n{said[-1200:]}")
    return int(total.group(3))


def _names(mesh, url):
    done = mesh.run_in_pod("client", ["curl", "-s", "-m", "20", f"{url}/[1-200]"])
    return set(done.stdout.split())


def _under_load(mesh, rollout):
    h1 = measure.Wrk(mesh, "http://shop:9080/", LOAD_S, connections=4)
    h2 = shell.Background(mesh.in_pod("client", [
        "h2load", "-D", str(LOAD_S), "-c", "4", "-m", "8", "--rps", "200", "http://shop2:9081/"]))
    grpc = shell.Background(mesh.in_pod("client", [
        *mesh_lib.GREETERS["greeter-cpp"], "load", "shopg:9082", str(LOAD_S)]))
    begun = time.monotonic()
    for number in range(COUNT):
        rollout.replace(number)
    took = time.monotonic() - begun
    expect(took < LOAD_S - 1, f"the rollout took {took:.1f} s, the load ended before")
    of_h1, of_h2, of_grpc = h1.result(), h2.finish(), grpc.finish()
    expect_none_lost(of_h1, "HTTP/1.1")
    count = _expect_h2load(of_h2)
    calls = json.loads(of_grpc.splitlines()[-1])
    expect(calls["good"] > 0 and calls["failed"] == 0, f"gRPC: {of_grpc}")
    return (f"{COUNT} replaced in {took:.1f} s, none lost of {of_h1.requests} requests of h1, "
            f"{count} of h2 and {calls['good']} gRPC calls")


def _talk_to_first(mesh):
    """An opaque connection to the first endpoint; the balancer chooses, so we ask until it is."""
    argv = [sys.executable, "-c", _ECHO_CLIENT, "shopt", "9083"]
    for _ in range(100):
        talk = Talk(mesh, "client", argv)
        talk.type("hello\n")
        talk.hear("heard hello")
        if mesh.run_in_pod(PODS[0].name, ["ss", "-Htn", "state", "established",
                                          "sport = :9083"]).stdout.strip():
            return talk
        talk.__exit__()
    raise Failed("a hundred connections, and none to the first endpoint")


def _outliving(mesh, rollout):
    with _talk_to_first(mesh) as talk:
        said = _under_load(mesh, rollout)
        for _ in range(3):
            talk.type("still there\n")
        talk.hear("heard still there")
        rollout.remove(PODS[0])
        return said


def rollout_loses_nothing(_):
    mesh = mesh_lib.Mesh("mltr-", TOPOLOGY)
    try:
        mesh.down()
        rollout = Rollout(mesh)
        rollout.up()
        said = _outliving(mesh, rollout)
        new = {pod.name for pod in PODS[COUNT:]}
        for url in ("http://shop:9080", "http://shop2:9081"):
            expect_equal(new, _names(mesh, url), f"who serves {url}")
        mesh.check_alive()
        return said
    finally:
        mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(rollout_loses_nothing.__name__, rollout_loses_nothing)]
