"""What resilience there is against servers that misbehave: feature by mood, of a node with two
workers. Each request says by its path which feature it meets and what the server is to do
(moody_server.py); what came of it is told by the reply, the access log and the counters."""
import dataclasses
import json
import os
import subprocess
import sys
import time

import measure
import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = tls_rig.NODE
TOPOLOGY = dataclasses.replace(tls_rig.TOPOLOGY, workers=2)
SERVER = 9001

_BEFORE = "upstream_reset_before_response_started{%s}"
_AFTER = "upstream_reset_after_response_started{%s}"
_CLOSED, _CUT = _BEFORE % "connection_termination", _AFTER % "connection_termination"
# Of Envoy's 3. A connection for each request: one that a server ends where another request had it
# before is no failure of the server's, and is replaced without a retry.
_MANY_RETRIES = {"circuit_breakers": {"thresholds": [{"max_retries": 100}]},
                 "max_requests_per_connection": 1}
_RETRIES = {"retry_on": "5xx,reset,connect-failure", "num_retries": 2,
            "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.01s"}}

# Of the route, and of its cluster.
FEATURES = {
    "timeout": ({"timeout": "0.5s"}, {}),
    "retries": ({"timeout": "0.7s", "retry_policy": _RETRIES}, _MANY_RETRIES),
    "per-try": ({"timeout": "1s", "retry_policy": {
        **_RETRIES, "num_retries": 1, "per_try_timeout": "0.2s"}}, _MANY_RETRIES),
    "idle": ({"timeout": "0s", "idle_timeout": "0.5s"}, {}),
    "breaker": ({"timeout": "0.9s"}, {"circuit_breakers": {"thresholds": [
        {"max_requests": 2}]}}),
    "budget": ({"timeout": "2s", "retry_policy": {**_RETRIES, "num_retries": 1}},
               {"circuit_breakers": {"thresholds": [{"retry_budget": {
                   "budget_percent": {"value": 1}, "min_retry_concurrency": 1}}]}}),
    "worn": ({}, {"max_requests_per_connection": 2}),
    "race": ({"timeout": "1s"}, {}),
}

GOOD = (200, "yes", "-", "via_upstream")

# (feature, mood): status, body (None: cut), flags, details.
MATRIX = {
    ("timeout", "good"): GOOD,
    ("timeout", "says_503"): (503, "", "-", "via_upstream"),
    ("timeout", "hangs"): (504, "upstream request timeout", "UT", "response_timeout"),
    ("timeout", "drips"): (504, "upstream request timeout", "UT", "response_timeout"),
    ("timeout", "drips_body"): (200, None, "UT", "response_timeout"),
    ("timeout", "resets"): (503, ..., "UC", _CLOSED),
    ("timeout", "half_closes"): (503, ..., "UC", _CLOSED),
    ("timeout", "lies"): (200, None, "UC", _CUT),

    ("retries", "says_503"): (503, "", "URX", "via_upstream"),
    ("retries", "says_503-once"): GOOD,
    ("retries", "resets"): (503, ..., "URX,UC", _CLOSED),
    ("retries", "resets-once"): GOOD,
    ("retries", "half_closes"): (503, ..., "URX,UC", _CLOSED),
    ("retries", "half_closes-once"): GOOD,
    ("retries", "hangs"): (504, "upstream request timeout", "UT", "response_timeout"),
    ("retries", "drips"): (504, "upstream request timeout", "UT", "response_timeout"),
    ("retries", "drips_body"): (200, None, "UT", "response_timeout"),
    ("retries", "lies"): (200, None, "UC", _CUT),

    ("per-try", "hangs"): (504, "upstream request timeout", "URX,UT", "upstream_per_try_timeout"),
    ("per-try", "hangs-once"): GOOD,
    ("per-try", "drips"): (504, "upstream request timeout", "URX,UT", "upstream_per_try_timeout"),
    ("per-try", "drips-once"): GOOD,
    ("per-try", "drips_body"): (200, None, "UT", "response_timeout"),  # the head was in time
    ("per-try", "resets-once"): GOOD,
    ("per-try", "half_closes"): (503, ..., "URX,UC", _CLOSED),
    ("per-try", "lies"): (200, None, "UC", _CUT),

    ("idle", "good-late"): GOOD,
    ("idle", "hangs"): (504, "stream timeout", "SI", "stream_idle_timeout"),
    ("idle", "drips"): (504, "stream timeout", "SI", "stream_idle_timeout"),
    ("idle", "drips_body"): (200, None, "SI", "stream_idle_timeout"),
    ("idle", "resets"): (503, ..., "UC", _CLOSED),
    ("idle", "half_closes"): (503, ..., "UC", _CLOSED),
    ("idle", "lies"): (200, None, "UC", _CUT),
}
# What the rows above come to, by cluster.
COUNTERS = {
    "timeout": {"upstream_rq_timeout": 3, "upstream_rq_retry": 0},
    "retries": {"upstream_rq_timeout": 3, "upstream_rq_retry": 9, "upstream_rq_retry_success": 3,
                "upstream_rq_retry_limit_exceeded": 3},
    "per-try": {"upstream_rq_per_try_timeout": 6, "upstream_rq_timeout": 1,
                "upstream_rq_retry": 6, "upstream_rq_retry_success": 3,
                "upstream_rq_retry_limit_exceeded": 3},
    "idle": {"upstream_rq_timeout": 0},
}


def _resources(log):
    manager = tls_rig.http_filter("moody", {}, log)
    manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"] = [
        {"match": {"prefix": f"/{name}/"}, "route": {"cluster": f"to-{name}", **route}}
        for name, (route, _) in FEATURES.items()]
    return {"listeners": [tls_rig.listener("moody", tls_rig.PLAIN, {"filters": [manager]})],
            "clusters": [{**tls_rig.cluster(f"to-{name}", SERVER), **cluster}
                         for name, (_, cluster) in FEATURES.items()]}


class Rig:
    def __init__(self):
        self.mesh = mesh_lib.Mesh("mltm-", TOPOLOGY)
        self.log = f"{self.mesh.run_dir}/moody.access.log"
        self._number = 0

    def up(self):
        self.mesh.down()
        self.mesh.up_static(_resources(self.log))
        mood = f"{self.mesh.run_dir}/mood"
        with open(mood, "w") as file:
            file.write("good")
        argv = [sys.executable, "-B", f"{HERE}/moody_server.py", str(SERVER), mood]
        self.mesh.servers["server"] = shell.Daemon(
            "server", argv, f"{self.mesh.run_dir}/server.log", self.mesh.netns("backend")).start()
        shell.wait_until(self._listens, "the server to listen", 5)

    def _listens(self):
        done = self.mesh.run_in_pod("backend", ["ss", "-Hltn", f"sport = :{SERVER}"])
        return bool(done.stdout.strip())

    def paths(self, feature, mood, count=1):
        """Paths that no request had before."""
        self._number += count
        return [f"/{feature}/{mood}/{self._number - i}" for i in range(count)]

    def ask(self, how, paths):
        """[(status, body, flags, details)], of the client and of the log."""
        done = self.mesh.run_in_pod("client", [
            f"{HERE}/moody_client.py", f"{tls_rig.GATEWAY}:{tls_rig.PLAIN}", how, *paths])
        replies = json.loads(done.stdout)
        logged = shell.wait_until(lambda: self._logged(paths), f"{len(paths)} lines of the log", 5)
        return [(*reply, *logged[path]) for path, reply in zip(paths, replies)]

    def _logged(self, paths):
        """{path: (flags, details)}, when all are there."""
        with open(self.log) as file:
            lines = [line.split() for line in file if line.endswith("\n")]
        found = {words[0]: (words[2], words[-1]) for words in lines}
        return {path: found[path] for path in paths} if set(paths) <= set(found) else None

    def counter(self, feature, name):
        return measure.prometheus_sample(self.mesh.admin(NODE, "/stats/prometheus"),
                                         f"envoy_cluster_{name}",
                                         envoy_cluster_name=f"to-{feature}")


def _same(want, seen):
    return all(w is ... or w == s for w, s in zip(want, seen))


def _by_matrix(rig):
    """All at once: they do not know each other."""
    paths = {key: rig.paths(*key)[0] for key in MATRIX}
    seen = dict(zip(paths, rig.ask("at-once", list(paths.values()))))
    wrong = [f"{key}: wanted {want}, saw {seen[key]}" for key, want in MATRIX.items()
             if not _same(want, seen[key])]
    expect(not wrong, "\n     ".join(wrong))
    for feature, counters in COUNTERS.items():
        expect_equal(counters, {name: rig.counter(feature, name) for name in counters},
                     f"counters of {feature}")


def _breaker(rig):
    """Two requests at a time at all workers, and the third is told to go: whatever the server did
    to those before. Connections are not so exact: each worker may have one (Envoy)."""
    moods = ("good", "says_503", "hangs", "resets", "half_closes", "lies", "drips")
    for number, mood in enumerate(moods, 1):
        rig.ask("at-once", rig.paths("breaker", mood))
        seen = rig.ask("at-once", rig.paths("breaker", "good-late", 5))
        refused = [s for s in seen if s != GOOD]
        expect_equal((3, {(503, "UO", _BEFORE % "overflow")}),
                     (len(refused), {(s[0], *s[2:]) for s in refused}), f"after {mood}: {seen}")
        expect_equal(3 * number, rig.counter("breaker", "upstream_rq_pending_overflow"),
                     f"overflows, {mood}")


def _budget(rig):
    """One retry at a time: of four that fail at once one is tried again."""
    for number, (mood, flags) in enumerate((
            ("says_503-late", ["UO", "UO", "UO", "URX"]),
            ("resets-late", ["UO,UC", "UO,UC", "UO,UC", "URX,UC"]),
            ("half_closes-late", ["UO,UC", "UO,UC", "UO,UC", "URX,UC"])), 1):
        seen = rig.ask("at-once", rig.paths("budget", mood, 4))
        expect_equal({503}, {s[0] for s in seen}, f"{mood}: {seen}")
        expect_equal(flags, sorted(s[2] for s in seen), f"flags, {mood}")
        expect_equal((number, 3 * number), (rig.counter("budget", "upstream_rq_retry"),
                                            rig.counter("budget", "upstream_rq_retry_overflow")),
                     f"retries and overflows, {mood}")


def _worn(rig):
    """A connection is done after two requests, whatever the answers."""
    for number, mood in enumerate(("good", "says_503"), 1):
        seen = rig.ask("in-turn", rig.paths("worn", mood, 6))
        expect_equal({(200, "-") if mood == "good" else (503, "-")},
                     {(s[0], s[2]) for s in seen}, f"answers, {mood}")
        expect_equal((3 * number, 3 * number), (rig.counter("worn", "upstream_cx_total"),
                                                rig.counter("worn", "upstream_cx_max_requests")),
                     f"connections, and those worn, {mood}")


def _race(rig):
    """A connection that ends when it is asked again did no harm; a fresh one that ends did."""
    for mood in ("resets", "half_closes"):
        first, again = rig.paths("race", "good")[0], rig.paths("race", f"{mood}-once")[0]
        fresh = rig.paths("timeout", mood)[0]
        seen = rig.ask("in-turn", [first, again, fresh])
        expect_equal([GOOD, GOOD], seen[:2], f"a connection that {mood} when asked again")
        expect_equal((503, "UC"), (seen[2][0], seen[2][2]), f"a fresh one that {mood}")
    # Most of these meet a connection that is about to end, has ended, or ends just now.
    paths = rig.paths("race", "leaves", 600)
    seen = rig.ask("in-turn", paths)
    expect_equal({GOOD}, set(seen), "beside a server that leaves")
    expect(rig.counter("race", "upstream_cx_total") > 100, "the server did not leave")


def moody_servers(_):
    rig = Rig()
    try:
        rig.up()
        took = {}
        for part in (_by_matrix, _breaker, _budget, _worn, _race, _events):
            begun = time.monotonic()
            part(rig)
            took[part.__name__[1:]] = round(time.monotonic() - begun, 1)
        rig.mesh.check_alive()
        return f"{len(MATRIX)} pairs; s: {took}"
    finally:
        rig.mesh.down()


def _events(rig):
    """Server-Sent Events come one by one: each says when it was sent, by the clock that we have."""
    for version in ("--http1.1", "--http2-prior-knowledge"):
        path = rig.paths("idle", "events")[0]
        argv = ["curl", "-sN", "-m", "5", version,
                f"http://{tls_rig.GATEWAY}:{tls_rig.PLAIN}{path}"]
        with subprocess.Popen(rig.mesh.in_pod("client", argv), stdout=subprocess.PIPE,
                              bufsize=0) as process:
            late = [time.monotonic() - float(line.split()[1]) for line in process.stdout
                    if line.startswith(b"data: ")]
        expect_equal(5, len(late), f"events over {version}")
        expect(max(late) < 0.15, f"events over {version} were late: {late}")


def tests():
    """[(name, function of mesh)]"""
    return [(moody_servers.__name__, moody_servers)]
