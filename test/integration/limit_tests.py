"""Local rate limits of a node with two workers: each connection may be at either, the limit is one.

Buckets fill once an hour, so what is refused is exact.
"""
import collections
import dataclasses
import os
import sys

import measure
import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = tls_rig.NODE
TOPOLOGY = dataclasses.replace(tls_rig.TOPOLOGY, workers=2)
TCP, SERVER = tls_rig.OPAQUE, 9001
REQUESTS, OF_ALICE, CONNECTIONS = 20, 3, 5  # that pass
_LIMIT = "type.googleapis.com/envoy.extensions.filters.{}.local_ratelimit.v3.LocalRateLimit"


def _tokens(count):
    return {"max_tokens": count, "fill_interval": "3600s"}


def _request_limit():
    always = {"default_value": {"numerator": 100}}
    return {"@type": _LIMIT.format("http"), "stat_prefix": "limited",
            "token_bucket": _tokens(REQUESTS), "filter_enabled": always,
            "filter_enforced": always, "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
            "always_consume_default_token_bucket": False,
            "descriptors": [{"entries": [{"key": "user", "value": "alice"}],
                             "token_bucket": _tokens(OF_ALICE)}]}


def _resources(log):
    routes = {"/limited": "to-http", "/ready": "to-http", "/": "free"}
    manager = tls_rig.http_filter("limits", routes, log)
    config = manager["typed_config"]
    config["http_filters"].insert(0, {
        "name": "envoy.filters.http.local_ratelimit", "typed_config": {
            "@type": _LIMIT.format("http"), "stat_prefix": "unlimited"}})
    host = config["route_config"]["virtual_hosts"][0]
    host["rate_limits"] = [{"actions": [{"request_headers": {
        "header_name": "x-user", "descriptor_key": "user"}}]}]
    host["routes"][0]["typed_per_filter_config"] = {
        "envoy.filters.http.local_ratelimit": _request_limit()}
    connections = {"name": "envoy.filters.network.local_ratelimit", "typed_config": {
        "@type": _LIMIT.format("network"), "stat_prefix": "connections",
        "token_bucket": _tokens(CONNECTIONS)}}
    opaque = tls_rig.http_filter("behind", {"/": "connected"}, log)
    return {"listeners": [tls_rig.listener("requests", tls_rig.PLAIN, {"filters": [manager]}),
                          tls_rig.listener("connections", TCP,
                                           {"filters": [connections, opaque]})],
            "clusters": [tls_rig.cluster("to-http", SERVER)]}


def _start_server(mesh):
    mood = f"{mesh.run_dir}/mood"
    with open(mood, "w") as file:
        file.write("good")
    argv = [sys.executable, "-B", f"{HERE}/moody_server.py", str(SERVER), mood]
    mesh.servers["server"] = shell.Daemon("server", argv, f"{mesh.run_dir}/server.log",
                                          mesh.netns("backend")).start()
    shell.wait_until(lambda: _answers(mesh, tls_rig.PLAIN, "/ready", 1) == {"200": 1},
                     "the server to answer", 5)


def _answers(mesh, port, path, count, *arguments):
    """How often each status, "000" of none at all; every request on a connection of its own."""
    one = ["-o", "/dev/null", f"http://{tls_rig.GATEWAY}:{port}{path}"]
    done = mesh.run_in_pod("client", [
        "curl", "-s", "-m", "5", "-w", "%{http_code}\n", "-H", "connection: close", *arguments,
        *(one * count)], check=False)
    return collections.Counter(done.stdout.split())


PARALLEL = ("--parallel", "--parallel-max", "10")  # not where some fail: curl 7.88 may hang then


def _requests(mesh, log):
    expect_equal({"200": 50}, _answers(mesh, tls_rig.PLAIN, "/", 50, *PARALLEL), "of no limit")
    expect_equal({"200": REQUESTS, "429": 30},
                 _answers(mesh, tls_rig.PLAIN, "/limited", REQUESTS + 30, *PARALLEL),
                 "of the route's limit")
    expect_equal({"200": OF_ALICE, "429": 7},
                 _answers(mesh, tls_rig.PLAIN, "/limited", OF_ALICE + 7, "-H", "x-user: alice"),
                 "of alice's own bucket")
    url = f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}/limited"
    refused = mesh.run_in_pod("client", ["curl", "-si", "-m", "5", url]).stdout.lower()
    for line in ("429 too many requests", f"x-ratelimit-limit: {REQUESTS}",
                 "x-ratelimit-remaining: 0", "local_rate_limited"):
        expect(line in refused, f"a refusal has no {line!r}: {refused}")
    want = "/limited 429 RL - local_rate_limited\n"

    def logged():
        with open(log) as file:
            return sum(line == want for line in file) == 30 + 7 + 1
    shell.wait_until(logged, f"all refusals to be logged as {want!r}", 5)


def rate_limits_are_exact_over_workers(_):
    mesh = mesh_lib.Mesh("mltl-", TOPOLOGY)
    try:
        mesh.down()
        log = f"{mesh.run_dir}/limits.access.log"
        mesh.up_static(_resources(log))
        _start_server(mesh)
        _requests(mesh, log)
        expect_equal({"200": CONNECTIONS, "000": 10},
                     _answers(mesh, TCP, "/", CONNECTIONS + 10), "connections")
        page = mesh.admin(NODE, "/stats/prometheus")
        for name, label, prefix, want in (
                ("envoy_http_local_rate_limit_ok", "envoy_local_http_ratelimit_prefix",
                 "limited", REQUESTS + OF_ALICE),
                ("envoy_http_local_rate_limit_rate_limited", "envoy_local_http_ratelimit_prefix",
                 "limited", 30 + 7 + 1),
                ("envoy_local_rate_limit_rate_limited", "envoy_local_ratelimit_prefix",
                 "connections", 10)):
            expect_equal(want, measure.prometheus_sample(page, name, **{label: prefix}), name)
        mesh.check_alive()
        return f"{REQUESTS} requests, {OF_ALICE} of alice, {CONNECTIONS} connections"
    finally:
        mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(rate_limits_are_exact_over_workers.__name__, rate_limits_are_exact_over_workers)]
