"""Clients' results as numbers, and what chance allows."""
import dataclasses
import math
import re
import time

import shell


@dataclasses.dataclass(frozen=True)
class Reply:
    """One request as curl saw it. status 0: no response."""
    status: int
    seconds: float
    version: str
    body_bytes: int


_FORMAT = "%{http_code} %{time_total} %{size_download} %header{x-version}\\n"


def curl_many(mesh, url, count, pod="client", headers=(), parallel=1, options=()):
    """`count` requests by one real curl, over keep-alive connections; one Reply each."""
    many = f"{url}{'&' if '?' in url else '?'}n=[1-{count}]"
    argv = ["curl", "-s", "-o", "/dev/null", "-m", "30", "-w", _FORMAT, *options]
    if parallel > 1:
        argv += ["-Z", "--parallel-immediate", "--parallel-max", str(parallel)]
    for header in headers:
        argv += ["-H", header]
    done = mesh.run_in_pod(pod, [*argv, many], check=False, timeout_s=300)
    return [_reply(line) for line in done.stdout.splitlines()]


def _reply(line):
    words = line.split()
    return Reply(int(words[0]), float(words[1]), words[3] if len(words) > 3 else "",
                 int(words[2]))


def count(replies, **wanted):
    """How many replies have all the given values, e.g. count(replies, status=200)."""
    return sum(all(getattr(r, k) == v for k, v in wanted.items()) for r in replies)


def binomial_interval(n, p, outside=0.001):
    """The counts k of n that chance p gives with probability 1 - outside, as (low, high).

    Exact: each tail holds at most outside/2.
    """
    if p <= 0.0 or p >= 1.0:
        return (n if p >= 1.0 else 0,) * 2
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(p) + (n - k) * math.log1p(-p) for k in range(n + 1)]
    chance = [math.exp(x) for x in logs]
    low, tail = 0, chance[0]
    while tail <= outside / 2:
        low += 1
        tail += chance[low]
    high, tail = n, chance[n]
    while tail <= outside / 2:
        high -= 1
        tail += chance[high]
    return low, high


@dataclasses.dataclass(frozen=True)
class WrkResult:
    requests: int
    seconds: float
    failed: int  # replies other than 2xx and 3xx
    socket_errors: int
    text: str

    @property
    def rate(self):
        return self.requests / self.seconds if self.seconds else 0.0


class Wrk:
    """wrk in a pod, beside us. No reply within the timeout counts as a socket error."""

    def __init__(self, mesh, url, seconds, connections=64, pod="client", headers=(), timeout="5s"):
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", timeout]
        for header in headers:
            argv += ["-H", header]
        self._process = shell.Background(mesh.in_pod(pod, [*argv, url]))

    def stop(self):
        """Its result, before its time."""
        self._process.interrupt()
        return self.result()

    def result(self):
        text = self._process.finish()
        total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", text)
        if not total:
            raise shell.CommandFailed(f"wrk did not finish:\n{text}")
        scale = {"ms": 0.001, "s": 1.0, "m": 60.0}[total.group(3)]
        failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                           text)
        return WrkResult(int(total.group(1)), float(total.group(2)) * scale,
                         int(failed.group(1)) if failed else 0,
                         sum(map(int, errors.groups())) if errors else 0, text)


class Capture:
    """tcpdump on a link of a node: what a node sends to itself, no tap sees."""

    def __init__(self, mesh, node, link, packets_max=20000):
        self._path = f"{mesh.run_dir}/{link}.pcap"
        self._daemon = shell.Daemon(
            "tcpdump", ["tcpdump", "-i", link, "--immediate-mode", "-U", "-c", str(packets_max),
                        "-w", self._path], f"{mesh.run_dir}/tcpdump-{time.monotonic_ns()}.log",
            mesh.netns(node.name)).start()
        shell.wait_until(lambda: "listening on" in self._daemon.log_tail(), "tcpdump to listen",
                         10)

    def bytes(self):
        """Ends it. All that was seen."""
        self._daemon.stop()
        with open(self._path, "rb") as file:
            return file.read()


def prometheus(text):
    """{name: sum of its samples} of a Prometheus text page."""
    sums = {}
    for line in text.splitlines():
        sample = re.match(r"([a-zA-Z_:][\w:]*)(\{.*\})?\s+(\S+)", line)
        if sample:
            name = sample.group(1)
            sums[name] = sums.get(name, 0.0) + float(sample.group(3))
    return sums


def prometheus_sample(text, name, **labels):
    """The value of the sample with these labels among its own; None when there is none."""
    for line in text.splitlines():
        sample = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)", line)
        if sample and sample.group(1) == name:
            seen = dict(re.findall(r'(\w+)="([^"]*)"', sample.group(2) or ""))
            if labels.items() <= seen.items():
                return float(sample.group(3))
    return None


def node_stats(mesh, node):
    page = mesh.admin(node, "/stats/prometheus")
    if page is None:
        raise shell.CommandFailed(f"{node.name}: /stats/prometheus does not answer")
    return prometheus(page)
