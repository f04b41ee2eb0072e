"""What is run against the rigs: blocks of slices, interleaved, noisy ones thrown away.

A block is one scenario run once against every rig, one after the other. Before each slice a fixed
loop is timed on the proxy's CPU; a block in which that differed by more than SPEED_CHANGE_MAX, or
in which somebody else used the proxy's CPU, does not count. Ratios are taken within a block.
"""
import dataclasses
import sys
import time

import machine
import rigs as rigs_lib

SPEED_CHANGE_MAX = 0.10
FOREIGN_MAX = 0.10


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    flags: dict
    share: float = 0.0      # of the slowest proxy's capacity; 0: as fast as it goes
    with_none: bool = False  # also without a proxy
    tls: bool = False       # between client and proxy
    wire_b: bool = True


@dataclasses.dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    connections: int = 64
    warmup: float = 0.3
    accounting: str = "cpu"  # "process": on a machine that does other work too
    budget_s: float = 2400.0

    def flags(self, **more):
        return {"connections": self.connections, "warmup": f"{self.warmup}s",
                "duration": f"{self.seconds}s", **more}


# What the client offers, and so what all proxies must have agreed to.
CIPHER = "TLS_AES_128_GCM_SHA256"


def standard(names=("saturation", "25 %", "50 %", "80 %", "connections", "tls", "tls-handshakes")):
    every = (
        Scenario("saturation", "keep-alive, saturated", {}),
        *(Scenario(f"{p} %", f"keep-alive, open loop at {p} % of the slowest",
                   {"arrival": "poisson"}, share=p / 100, with_none=True) for p in (25, 50, 80)),
        Scenario("connections", "a new connection for each request, saturated",
                 {"reuse": "per-request"}),
        Scenario("tls", "TLS 1.3 from the client, keep-alive, saturated", {}, tls=True),
        # Not on Wire B: its worker never sleeps, and the handshakes' thread shares its CPU.
        Scenario("tls-handshakes", "a new connection with a full TLS 1.3 handshake for each "
                 "request, saturated", {"reuse": "per-request"}, tls=True, wire_b=False),
    )
    return [s for s in every if s.name in names]


class Runner:
    """Runs blocks until every scenario has its rounds."""

    def __init__(self, rigs, plan, say=None):
        self.rigs, self.plan = rigs, plan
        self.blocks = {}   # scenario name -> [{rig name: Slice}]
        self.dropped = {}  # scenario name -> [why]
        self.capacity = 0.0
        self.errors = []
        self._say = say or (lambda text: print(text, end="", file=sys.stderr, flush=True))

    def find_capacity(self):
        """Requests per second of the slowest proxy: what the open-loop rates are shares of."""
        rates = {}
        for name, rig in self.rigs.items():
            if name != "none":
                flags = self.plan.flags(duration=f"{max(1.0, self.plan.seconds / 2)}s")
                rates[name] = rig.measure(**flags).run["requests_per_second"]
        self.capacity = min(rates.values())
        return rates

    def run(self, scenarios):
        started = time.monotonic()
        attempts = 2 * self.plan.rounds
        for attempt in range(attempts):
            for scenario in scenarios:
                kept = self.blocks.setdefault(scenario.name, [])
                if len(kept) >= self.plan.rounds:
                    continue
                self._block(scenario, attempt)
                self._say(f"\r{scenario.name}: {len(kept)}/{self.plan.rounds}, "
                          f"{len(self.dropped.get(scenario.name, []))} thrown away, "
                          f"{time.monotonic() - started:.0f} s   ")
            done = all(len(self.blocks[s.name]) >= self.plan.rounds for s in scenarios)
            if done or time.monotonic() - started > self.plan.budget_s:
                break
        self._say("\n")

    def _block(self, scenario, attempt):
        slices, speeds = {}, []
        for name in self._order(attempt):
            rig = self.rigs[name]
            if (name == "none" and not scenario.with_none) or (
                    rig.wire == "B" and not scenario.wire_b):
                continue
            speeds.append(machine.speed(rigs_lib.PROXY_CPU))
            rate = scenario.share * self.capacity if scenario.share else None
            tls = rig.tls_flags() if scenario.tls else {}
            one = rig.measure(**self.plan.flags(**scenario.flags, **tls, rate=rate))
            if one.run["errors"]["total"]:
                self.errors.append((scenario.name, name, one.run["errors"]))
            if scenario.tls and (one.run["tls"]["cipher"] != CIPHER or one.run["tls"]["resumed"]):
                self.errors.append((scenario.name, name, one.run["tls"]))
            slices[name] = one
        speeds.append(machine.speed(rigs_lib.PROXY_CPU))
        why = self._noise(slices, speeds)
        if why:
            self.dropped.setdefault(scenario.name, []).append(why)
        else:
            self.blocks[scenario.name].append(slices)

    def _order(self, attempt):
        """Another one is first in each round: whatever comes with the order evens out."""
        names = list(self.rigs)
        first = attempt % len(names)
        return names[first:] + names[:first]

    def _noise(self, slices, speeds):
        if max(speeds) / min(speeds) - 1.0 > SPEED_CHANGE_MAX:
            return "speed"
        if self.plan.accounting == "cpu":
            if any(one.foreign > FOREIGN_MAX for name, one in slices.items() if name != "none"):
                return "somebody else's work"
        return None


def cpu_us(one, accounting):
    """Microseconds of the proxy's CPU for a request."""
    used = one.cpu_s if accounting == "cpu" else one.process_s
    return 1e6 * used / one.requests if one.requests else None


def busy_us(one, hz):
    """The same by the plane's own count of turns that did something, and its handshakes."""
    if not one.requests or not one.busy_cycles:
        return None
    return 1e6 * (one.busy_cycles / hz + one.handshake_s) / one.requests
