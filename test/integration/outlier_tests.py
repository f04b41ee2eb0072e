"""Outlier detection of a node with two workers: five nginx, one of which misbehaves."""
import collections
import dataclasses
import time

import measure
import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

NODE = tls_rig.NODE
TOPOLOGY = dataclasses.replace(tls_rig.TOPOLOGY, workers=2)
PORTS = (9001, 9002, 9003, 9004, 9005)
ILL = 9003
STREAK = 5
OUT = "/failed_outlier_check"

# /half fails every other time, by chance; /all always.
_NGINX = """
daemon off;
master_process off;
pid {run}/nginx-{port}.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {run}/nginx-body-{port};
  proxy_temp_path {run}/nginx-proxy-{port};
  fastcgi_temp_path {run}/nginx-fastcgi-{port};
  uwsgi_temp_path {run}/nginx-uwsgi-{port};
  scgi_temp_path {run}/nginx-scgi-{port};
  split_clients "$request_id" $half {{ {percent}% 1; * 0; }}
  server {{
    listen {port};
    location /half {{
      if ($half) {{ return 500 "{port}"; }}
      return 200 "{port}";
    }}
    location /all {{ return {status} "{port}"; }}
  }}
}}
"""


def _watched(name, **detection):
    resource = tls_rig.cluster(name, PORTS[0])
    resource["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {
            "address": tls_rig.BACKEND, "port_value": port}}}} for port in PORTS]
    resource["outlier_detection"] = {"interval": "1s", "base_ejection_time": "2s",
                                     "max_ejection_percent": 20, **detection}
    return resource


def _resources(log):
    manager = tls_rig.http_filter("plain", {"/half": "to-half", "/all": "to-all"}, log)
    for route in manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]:
        del route["route"]["prefix_rewrite"]
    return {
        "listeners": [tls_rig.listener("plain", tls_rig.PLAIN, {"filters": [manager]})],
        "clusters": [_watched("to-half", consecutive_5xx=0),
                     _watched("to-all", consecutive_5xx=STREAK, base_ejection_time="60s",
                              enforcing_success_rate=0)]}


class Rig:
    def __init__(self):
        self.mesh = mesh_lib.Mesh("mlto-", TOPOLOGY)

    def up(self):
        self.mesh.down()
        self.mesh.up_static(_resources(f"{self.mesh.run_dir}/outlier.access.log"))
        for port in PORTS:
            path = f"{self.mesh.run_dir}/nginx-{port}.conf"
            with open(path, "w") as file:
                file.write(_NGINX.format(run=self.mesh.run_dir, port=port,
                                         percent=50 if port == ILL else 0.01,
                                         status=500 if port == ILL else 200))
            self.mesh.servers[str(port)] = shell.Daemon(
                f"nginx-{port}", ["nginx", "-e", "stderr", "-c", path],
                f"{self.mesh.run_dir}/nginx-{port}.log", self.mesh.netns("backend")).start()
        for port in PORTS:
            shell.wait_until(lambda p=port: self.mesh.run_in_pod("backend", [
                "curl", "-s", "-o", "/dev/null", f"http://{tls_rig.BACKEND}:{p}/all"],
                check=False).returncode == 0, f"nginx of {port} to answer", 5)

    def flags(self, cluster, port):
        """What each worker thinks."""
        head = f"{cluster}::{tls_rig.BACKEND}:{port}::health_flags::"
        page = self.mesh.admin(NODE, "/clusters") or ""
        return [line[len(head):] for line in page.splitlines() if line.startswith(head)]

    def statistic(self, cluster, name):
        page = self.mesh.admin(NODE, "/stats/prometheus") or ""
        head = f"envoy_cluster_outlier_detection_{name}{{envoy_cluster_name=\"{cluster}\"}} "
        values = [float(line[len(head):]) for line in page.splitlines() if line.startswith(head)]
        expect_equal(1, len(values), f"lines of {name}")
        return values[0]

    def answers(self, path, count):
        """How often which status; each request on a connection of its own, one after the other."""
        one = ["-o", "/dev/null", f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}{path}"]
        done = self.mesh.run_in_pod("client", [
            "curl", "-s", "-m", "5", "-w", "%{http_code}\n", "-H", "connection: close",
            *(one * count)], check=False)
        return collections.Counter(done.stdout.split())


def _a_host_that_fails_half_is_out(rig):
    load = measure.Wrk(rig.mesh, f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}/half", 8,
                       connections=32)
    begun = time.monotonic()
    shell.wait_until(lambda: rig.flags("to-half", ILL) == [OUT, OUT],
                     "the ill host to be out at both workers", 4, 0.05)
    took = time.monotonic() - begun
    for port in PORTS:
        if port != ILL:
            expect_equal(["healthy"] * 2, rig.flags("to-half", port), f"port {port}")
    expect_equal(1, rig.statistic("to-half", "ejections_active"), "ejected")
    # Back when its time is over, and out again an interval later: twice, for two and four seconds.
    shell.wait_until(lambda: rig.statistic("to-half", "ejections_enforced_success_rate") == 2,
                     "the second ejection", 6, 0.05)
    result = load.result()
    expect_equal(0, result.socket_errors, "socket errors")
    expect_equal(2, rig.statistic("to-half", "ejections_enforced_total"), "ejections")
    expect_equal(0, rig.statistic("to-half", "ejections_detected_consecutive_5xx"), "streaks")
    share = result.failed / result.requests
    expect(0.005 < share < 0.06, f"{100 * share:.1f} % of the requests failed")
    return f"out after {took:.1f} s, {100 * share:.1f} % of {result.requests} requests failed"


def outliers_are_ejected_by_all_workers(_):
    rig = Rig()
    try:
        rig.up()
        # Both workers have their part of these, and the streak is one.
        expect_equal({"500": STREAK, "200": 100 - STREAK}, dict(rig.answers("/all", 100)),
                     "answers of a host that always fails, and others")
        expect_equal([OUT, OUT], rig.flags("to-all", ILL), "the host that always fails")
        expect_equal(1, rig.statistic("to-all", "ejections_enforced_consecutive_5xx"), "ejections")
        said = _a_host_that_fails_half_is_out(rig)
        rig.mesh.check_alive()
        return said
    finally:
        rig.mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(outliers_are_ejected_by_all_workers.__name__, outliers_are_ejected_by_all_workers)]
