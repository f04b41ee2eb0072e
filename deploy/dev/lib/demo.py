"""The demo: a mesh with Istio's Bookinfo, steered by Istio rules, with what came of it measured.

Every step applies rules with the real CLI, sends traffic with real clients and adds rows to a
table. A row that does not hold makes the demo fail.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import measure
import mesh as mesh_lib
import shell
import topology

PREFIX = "mlt-"
# Bookinfo, in a mesh with identities, and somebody who has none.
TOPOLOGY = dataclasses.replace(
    topology.BOOKINFO, mesh_tls=True,
    pods=topology.BOOKINFO.pods + (
        topology.Pod("outsider", topology.OUTSIDER, topology.NODE_B, 90),))
REVIEWS = "http://reviews:9080/reviews/0"
RATINGS = "http://ratings:9080/ratings/0"
PAGE = "http://productpage:9080/productpage"
JASON = ("end-user: jason",)

USAGE = """usage: deploy/dev/demo [--keep | down | --help]

Builds a mesh of two nodes on this machine (network namespaces; nothing outside them changes),
runs Istio's Bookinfo in it and shows what Istio rules do to real requests. Needs root.

  (nothing)  run all steps, print the table, remove everything; exit 0 only if every row holds
  --keep     leave the mesh up afterwards, and print how to play with it
  down       remove what --keep left
"""


class Table:
    """Rows of what was expected and what was measured."""

    def __init__(self):
        self.rows = []
        self._step = ""

    def step(self, name, says):
        self._step = name
        print(f"\n{len({r[0] for r in self.rows}) + 1:2}. {name}\n    {says}", flush=True)

    def row(self, what, expected, measured, holds):
        self.rows.append((self._step, what, expected, measured, holds))
        mark = "ok  " if holds else "FAIL"
        print(f"    {mark} {what}: {measured} (expected {expected})", flush=True)

    def share(self, what, count, n, p):
        """A share of requests must lie where chance puts it 999 times of 1000."""
        low, high = measure.binomial_interval(n, p)
        self.row(what, f"{low}..{high} of {n}", f"{count} = {100 * count / n:.1f} %",
                 low <= count <= high)

    def exact(self, what, count, expected):
        self.row(what, str(expected), str(count), count == expected)

    @property
    def holds(self):
        return bool(self.rows) and all(row[4] for row in self.rows)

    def text(self):
        head = ("step", "what", "expected", "measured", "")
        rows = [head] + [(s, w, e, m, "ok" if ok else "FAIL") for s, w, e, m, ok in self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines, last = [], None
        for row in rows:
            shown = (row[0] if row[0] != last else "", *row[1:])
            last = row[0]
            lines.append("  ".join(c.ljust(w) for c, w in zip(shown, widths)).rstrip())
        lines.insert(1, "  ".join("-" * w for w in widths).rstrip())
        return "\n".join(lines)


def other_failures(replies):
    return sum(r.status != 200 for r in replies)


# The steps.


def step_graph(mesh, table):
    table.step("the mesh", "curl asks productpage, which asks details and reviews, which ask "
               "ratings: two nodes, no rules")
    replies = measure.curl_many(mesh, PAGE, 90)
    table.exact("pages with every part there", measure.count(replies, status=200), 90)
    served = {r.version for r in replies}
    table.row("versions of reviews seen", "v1 v2 v3", " ".join(sorted(served)),
              served == {"v1", "v2", "v3"})
    for family in ("-4", "-6"):
        replies = measure.curl_many(mesh, RATINGS, 100, options=[family])
        table.exact(f"ratings over IPv{family[1]}", measure.count(replies, status=200), 100)


SECRET = "what-nobody-else-may-read"


def _with_secret(mesh):
    return measure.curl_many(mesh, RATINGS, 20, headers=(f"x-secret: {SECRET}",))


def _captured(mesh, action):
    """What passes between the nodes while `action` runs, and what that returns."""
    capture = measure.Capture(mesh, topology.NODE_B, "uplink")
    try:
        done = action()
    finally:
        seen = capture.bytes()
    return seen, done


def _under_load(mesh):
    load = measure.Wrk(mesh, RATINGS, 3, connections=16, headers=(f"x-secret: {SECRET}",))
    time.sleep(1)
    mesh.apply("mutual-tls-strict.yaml")
    return load.result()


def step_mutual_tls(mesh, table):
    table.step("mutual TLS", "the mesh goes from PERMISSIVE to STRICT under load, tcpdump listens "
               "between the nodes")
    mesh.apply("mutual-tls-disable.yaml")
    plain, _ = _captured(mesh, lambda: _with_secret(mesh))
    table.row("without it, tcpdump reads the request", "yes",
              "yes" if SECRET.encode() in plain else "no", SECRET.encode() in plain)
    mesh.apply("mutual-tls-permissive.yaml")
    ratings = f"http://{mesh.topology.pod('ratings-v1').v4}:9080/ratings/0"
    asked = measure.curl_many(mesh, ratings, 1, pod=topology.OUTSIDER)
    table.exact("PERMISSIVE: a client without identity is served",
                measure.count(asked, status=200), 1)
    seen, result = _captured(mesh, lambda: _under_load(mesh))
    lost = result.failed + result.socket_errors
    table.row("requests lost on the way to STRICT", "0", f"{lost} of {result.requests}",
              lost == 0 < result.requests)
    hidden = SECRET.encode() not in seen and len(seen) > 10_000
    table.row("tcpdump reads the request", "no",
              f"{'no' if hidden else 'yes'}, in {len(seen) >> 10} KB", hidden)
    refused = measure.curl_many(mesh, ratings, 1, pod=topology.OUTSIDER)
    table.exact("STRICT: a client without identity is served",
                measure.count(refused, status=200), 0)


def step_who_talks(mesh, table):
    table.step("who talks to whom", "meltemi connections: identities proven, not claimed")
    measure.curl_many(mesh, PAGE, 12)
    print("".join(f"    {line}\n" for line in mesh.meltemi("connections").stdout.splitlines()))
    talks = json.loads(mesh.meltemi("connections", "-o", "json").stdout)
    account = "spiffe://cluster.local/ns/default/sa/bookinfo-"
    proven = {(t["sourcePrincipal"].removeprefix(account),
               t["destinationPrincipal"].removeprefix(account))
              for t in talks if t["mutualTls"]}
    for pair in (("client", "productpage"), ("productpage", "details"),
                 ("productpage", "reviews"), ("reviews", "ratings")):
        table.row(f"{pair[0]} to {pair[1]}", "mutual TLS", "mutual TLS" if pair in proven else "no",
                  pair in proven)
    strangers = sum(t["requests"] for t in talks if not t["sourcePrincipal"])
    table.exact("requests without identity, from the step before", int(strangers), 1)


def step_canary(mesh, table, stable, canary, n=600):
    table.step(f"canary {stable}/{canary}", f"{stable} % of reviews from v1, {canary} % from v3")
    mesh.apply("subsets.yaml", f"canary-{stable}-{canary}.yaml")
    replies = measure.curl_many(mesh, PAGE, n, parallel=8)
    table.share("pages with reviews v3", measure.count(replies, version="v3"), n, canary / 100)
    strange = sum(r.status != 200 or r.version not in ("v1", "v3") for r in replies)
    table.exact("anything else", n - len(replies) + strange, 0)


def step_user(mesh, table):
    table.step("one user", "the header end-user: jason goes to v2, everybody else to v1")
    mesh.apply("reviews-v2-for-jason.yaml")
    jason = measure.curl_many(mesh, PAGE, 100, headers=JASON)
    others = measure.curl_many(mesh, PAGE, 100, headers=("end-user: ann",))
    table.exact("jason's pages with v2", measure.count(jason, status=200, version="v2"), 100)
    table.exact("other pages with v1", measure.count(others, status=200, version="v1"), 100)


def step_delay(mesh, table, n=400):
    table.step("delay fault", "one request in ten for ratings waits 2 s")
    mesh.apply("ratings-delay-10-percent.yaml")
    replies = measure.curl_many(mesh, RATINGS, n, parallel=50)
    late = [r for r in replies if r.seconds >= 2.0]
    table.share("requests delayed", len(late), n, 0.10)
    slowest = max((r.seconds for r in late), default=0.0)
    table.row("the longest", "2.0..2.5 s", f"{slowest:.2f} s", 2.0 <= slowest < 2.5)
    quick = max((r.seconds for r in replies if r.seconds < 2.0), default=9.9)
    table.row("the others", "< 1 s", f"{1000 * quick:.0f} ms at most", quick < 1.0)
    table.exact("errors", n - len(replies) + other_failures(replies), 0)


def step_abort(mesh, table):
    table.step("abort fault", "jason gets 503 from ratings, everybody else is served")
    mesh.apply("ratings-abort-for-jason.yaml")
    jason = measure.curl_many(mesh, RATINGS, 100, headers=JASON)
    others = measure.curl_many(mesh, RATINGS, 100)
    table.exact("503 for jason", measure.count(jason, status=503), 100)
    table.exact("200 for others", measure.count(others, status=200), 100)


@contextlib.contextmanager
def flapping(mesh, pod_name, period_s=0.2):
    """The pod answers 503, then serves, then answers 503 ..., each for `period_s`."""
    path = f"{mesh.pod_dir(mesh.topology.pod(pod_name))}/unwell"
    ended = threading.Event()

    def flap():
        unwell = False
        while not ended.wait(period_s):
            unwell = not unwell
            if unwell:
                with open(path, "w"):
                    pass
            else:
                os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    thread = threading.Thread(target=flap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def step_retries(mesh, table):
    table.step("retries", "reviews v3 answers 503 every other 0.2 s; retries go elsewhere")
    mesh.apply("ratings-plain.yaml", "reviews-no-retries.yaml")
    with flapping(mesh, "reviews-v3"):
        before = measure.Wrk(mesh, REVIEWS, 3, connections=8).result()
        mesh.apply("reviews-retries.yaml")
        after = measure.Wrk(mesh, REVIEWS, 3, connections=8).result()
    table.row("failed, each tried once", "> 0", f"{before.failed} of {before.requests}",
              before.failed > 0)
    table.row("failed, with retries", "0", f"{after.failed + after.socket_errors} of "
              f"{after.requests}", after.failed + after.socket_errors == 0 < after.requests)


def step_timeout(mesh, table):
    table.step("timeout", "ratings waits 2 s; reviews v2, which asks it, has 0.5 s to answer")
    mesh.apply("ratings-delay-always.yaml", "reviews-v2-timeout.yaml")
    replies = measure.curl_many(mesh, REVIEWS, 20, parallel=10)
    table.exact("504 for reviews", measure.count(replies, status=504), 20)
    times = [r.seconds for r in replies] or [9.9]
    table.row("after", "0.5..0.8 s", f"{min(times):.2f}..{max(times):.2f} s",
              min(times) >= 0.5 and max(times) < 0.8)


def step_backend_killed(mesh, table, connections=16):
    # Behind mutual TLS a dead pod's node answers for it with 503, as a sidecar would: the default
    # policy does not repeat that, this one does.
    table.step("a backend is killed", "kill -9 of reviews v3 under load; no health check helps, "
               "retries do")
    mesh.apply("ratings-plain.yaml", "reviews-retries.yaml")
    load = measure.Wrk(mesh, REVIEWS, 4, connections=connections)
    time.sleep(1.5)
    mesh.servers["reviews-v3"].kill()
    result = load.result()
    lost = result.failed + result.socket_errors
    table.row("requests lost", f"<= {connections} in flight", f"{lost} of {result.requests}",
              lost <= connections and result.requests > 0)
    later = measure.Wrk(mesh, REVIEWS, 2, connections=connections).result()
    table.exact("lost afterwards", later.failed + later.socket_errors, 0)
    mesh.start_server(mesh.topology.pod("reviews-v3"))
    back = shell.wait_until(
        lambda: "v3" in {r.version for r in measure.curl_many(mesh, REVIEWS, 9)},
        "reviews v3 to be back")
    table.row("restarted, it serves again", "yes", "yes" if back else "no", back)


def step_pilot_killed(mesh, table):
    table.step("Pilot is killed", "kill -9 of Pilot under load, two seconds later it starts again")
    load = measure.Wrk(mesh, REVIEWS, 7, connections=16)
    time.sleep(1)
    mesh.pilot.kill()
    time.sleep(2)
    mesh.start_pilot()
    mesh.wait_converged()
    mesh.apply("canary-90-10.yaml")
    result = load.result()
    table.row("requests lost", "0", f"{result.failed + result.socket_errors} of "
              f"{result.requests}", result.failed + result.socket_errors == 0 < result.requests)
    seen = {r.version for r in measure.curl_many(mesh, REVIEWS, 100)}
    table.row("a rule given to the new Pilot", "v1 v3", " ".join(sorted(seen)),
              seen == {"v1", "v3"})


def steps(mesh, table):
    step_graph(mesh, table)
    step_mutual_tls(mesh, table)
    step_who_talks(mesh, table)
    step_canary(mesh, table, 50, 50)
    step_canary(mesh, table, 90, 10)
    step_user(mesh, table)
    step_delay(mesh, table)
    step_abort(mesh, table)
    step_retries(mesh, table)
    step_timeout(mesh, table)
    step_backend_killed(mesh, table)
    step_pilot_killed(mesh, table)


# Around the steps.


def how_to_play(mesh):
    client = f"ip netns exec {mesh.netns('client')}"
    control = f"ip netns exec {mesh.control_netns}"
    cli = (f"{control} {os.path.relpath(mesh_lib.CLI_BINARY, mesh_lib.ROOT)} "
           f"--pilot={topology.PILOT_ADDRESS}")
    node = mesh.topology.nodes[0]
    return f"""
The mesh is up. From {mesh_lib.ROOT}:
  a request    {client} curl -s http://reviews:9080/reviews/0
  the page     {client} curl -si http://productpage:9080/productpage
  load         {client} wrk -t1 -c64 -d10 {RATINGS}
  a rule       {cli} apply -f deploy/dev/bookinfo/canary-50-50.yaml
  the nodes    {cli} status
  who talks    {cli} connections
  routes       {cli} proxy-config routes {node.name}
  numbers      {control} curl -s http://{node.management_v4}:15000/stats/prometheus
  access log   tail -f {mesh.access_log(node)}
  remove it    deploy/dev/demo down
"""


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupted(number, _):
    for again in SIGNALS:  # whoever is impatient must not stop the cleaning up
        signal.signal(again, signal.SIG_IGN)
    raise SystemExit(128 + number)


def build():
    print("building (the first time takes a while) ...", flush=True)
    subprocess.run(["bazel", "build", *mesh_lib.BINARIES], cwd=mesh_lib.ROOT, check=True,
                   stdin=subprocess.DEVNULL)


def run(keep):
    started = time.monotonic()
    mesh = mesh_lib.Mesh(PREFIX, TOPOLOGY)
    table, finished = Table(), False
    try:
        mesh.up()
        mesh.wait_ready()
        steps(mesh, table)
        mesh.check_alive()
        finished = True
    except (shell.CommandFailed, TimeoutError, OSError) as error:
        print(f"\ndemo: {error}\n", file=sys.stderr)
        for daemon in [*mesh.planes.values(), mesh.pilot, mesh.ca]:
            if daemon:
                print(f"--- {daemon.name}\n{daemon.log_tail()}", file=sys.stderr)
    finally:
        if not keep or not finished:
            mesh.down()
    print(f"\n{table.text()}\n")
    good = finished and table.holds
    print(f"{'every row holds' if good else 'NOT every row holds'}; "
          f"{time.monotonic() - started:.0f} s")
    if keep and finished:
        print(how_to_play(mesh))
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(usage=USAGE, add_help=False)
    parser.add_argument("command", nargs="?", choices=["down"])
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, interrupted)
    with shell.alone("demo"):
        if options.command == "down":
            mesh_lib.Mesh(PREFIX, TOPOLOGY).down()
            return 0
        if mesh_lib.plane() == "meltemi":
            build()
        return run(options.keep)


if __name__ == "__main__":
    sys.exit(main())
