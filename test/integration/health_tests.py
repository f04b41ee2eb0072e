"""Active health checks of a node with two workers; servers that misbehave (moody_server.py)."""
import dataclasses
import os
import sys
import time

import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = tls_rig.NODE
TOPOLOGY = dataclasses.replace(tls_rig.TOPOLOGY, workers=2)
STEADY, MOODY, GRPC = 9001, 9002, 9003
HTTP_MOODS = ("says_503", "hangs", "resets", "half_closes", "lies", "drips")


def _checked(name, ports, check):
    resource = tls_rig.cluster(name, ports[0])
    resource["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {
            "address": tls_rig.BACKEND, "port_value": port}}}} for port in ports]
    resource["health_checks"] = [{
        "timeout": "0.2s", "interval": "0.1s", "no_traffic_interval": "0.1s",
        "unhealthy_threshold": 2, "healthy_threshold": 2, **check}]
    return resource


def _resources(log):
    return {
        "listeners": [tls_rig.listener("plain", tls_rig.PLAIN, {"filters": [
            tls_rig.http_filter("plain", {"/": "to-http"}, log)]})],
        "clusters": [
            _checked("to-http", (STEADY, MOODY), {"http_health_check": {"path": "/healthz"}}),
            _checked("to-tcp", (STEADY, MOODY), {"tcp_health_check": {
                "send": {"text": b"PING\n".hex()}, "receive": [{"text": b"+PONG".hex()}]}}),
            _checked("to-grpc", (GRPC,), {"grpc_health_check": {
                "service_name": "shop", "authority": "backend"}}),
        ]}


class Rig:
    def __init__(self):
        self.mesh = mesh_lib.Mesh("mlth-", TOPOLOGY)

    def up(self):
        self.mesh.down()
        self.mesh.up_static(_resources(f"{self.mesh.run_dir}/health.access.log"))
        for port in (STEADY, MOODY, GRPC):
            self.be(port, "good")
            argv = [sys.executable, "-B", f"{HERE}/moody_server.py",
                    *(["grpc"] if port == GRPC else []), str(port), self._file(port)]
            self.mesh.servers[str(port)] = shell.Daemon(
                f"moody-{port}", argv, f"{self.mesh.run_dir}/moody-{port}.log",
                self.mesh.netns("backend")).start()

    def _file(self, port):
        return f"{self.mesh.run_dir}/mood-{port}"

    def be(self, port, mood):
        with open(f"{self._file(port)}.new", "w") as file:
            file.write(mood)
        os.rename(f"{self._file(port)}.new", self._file(port))

    def flags(self, cluster, port):
        """What each worker thinks."""
        head = f"{cluster}::{tls_rig.BACKEND}:{port}::health_flags::"
        page = self.mesh.admin(NODE, "/clusters") or ""
        return {line[len(head):] for line in page.splitlines() if line.startswith(head)}

    def wait_for(self, cluster, port, flags):
        shell.wait_until(lambda: self.flags(cluster, port) == {flags},
                         f"port {port} of {cluster} to be {flags} at both workers", 5, 0.05)

    def statuses(self, count):
        urls = [word for i in range(count) for word in
                ("-o", "/dev/null", f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}/{i}")]
        done = self.mesh.run_in_pod("client", ["curl", "-s", "-m", "2", "-w", "%{http_code}\n",
                                               *urls], check=False)
        return set(done.stdout.split())


def health_checks_find_what_is_wrong(_):
    rig = Rig()
    try:
        rig.up()
        for cluster in ("to-http", "to-tcp"):
            for port in (STEADY, MOODY):
                rig.wait_for(cluster, port, "healthy")
        rig.wait_for("to-grpc", GRPC, "healthy")
        slowest = 0.0
        for mood in HTTP_MOODS:
            rig.be(MOODY, mood)
            begun = time.monotonic()
            rig.wait_for("to-http", MOODY, "/failed_active_hc")
            slowest = max(slowest, time.monotonic() - begun)
            rig.wait_for("to-tcp", MOODY, "/failed_active_hc")  # it only answers when it is good
            expect_equal({"200"}, rig.statuses(6), f"{mood}: requests go to the other")
            expect_equal({"healthy"}, rig.flags("to-http", STEADY), "the other")
            rig.be(MOODY, "good")
            rig.wait_for("to-http", MOODY, "healthy")
        rig.be(GRPC, "not_serving")
        rig.wait_for("to-grpc", GRPC, "/failed_active_hc")
        rig.be(GRPC, "good")
        rig.wait_for("to-grpc", GRPC, "healthy")
        rig.mesh.check_alive()
        expect(slowest < 3, f"{slowest:.1f} s until a host was out")
        return f"out within {slowest:.2f} s"
    finally:
        rig.mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(health_checks_find_what_is_wrong.__name__, health_checks_find_what_is_wrong)]
