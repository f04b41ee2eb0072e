"""The Markdown page, the plots and the JSON of a comparison."""
import dataclasses
import json
import os

import stats
import svg
import tables
from tables import PEERS, TITLES

RATES = ("25 %", "50 %", "80 %")

UNFAIR = """\
## What is unfair, in both directions

For us:

- The kernel's work is dearer in a virtual machine than on metal (5 to 7 times what is published for
  HAProxy). Ratios to kernel proxies flatter a userspace plane here; on metal, where 70 % of
  HAProxy's time is the kernel's, removing all of it gives 3.3 times.
- Our cost is busy time (turns that did something), not the time the CPU was taken: a poll-mode
  worker takes all of it under load. The CPU column shows that too, on Wire A.
- On Wire A soft interrupts that deliver to our socket between two busy turns are not in the busy
  time; they are in the CPU column.
- Wire B is memory shared with the generator: no interrupts, no system calls. What a NIC's DMA would
  copy, the generator's CPU copies. Peers cannot use it. It is compared with their Wire A.
- TLS: for a full handshake our server makes one session ticket, nginx and HAProxy two: their
  defaults. The client uses none of them.
- nginx 1.22 and HAProxy 2.6 are Debian's; newer ones are somewhat faster.
- Our plane does not write an access log here and neither do the peers.

Against us:

- Every packet we send on a veth runs the peer's receive path inside our system call; kernel proxies
  have the same cost, but segmentation and checksum are free for both.
- Busy time is wall time of turns: on a machine that does other work it contains what that took.
- Ordinary 4 KB pages where the machine has no huge pages: TLB misses are ours, not a NIC's.
- Generator and backend share one CPU: when they are the bottleneck ("generator busy" near 100 %),
  our saturated rate is what they can do, not what the plane can.
- TLS: our handshakes run on a thread of their own, here on the worker's CPU: every proxy has one
  CPU. What it takes is added to the busy time; a turn that it interrupts counts it twice. Where
  there are more CPUs a worker goes on meanwhile, which nothing here shows.
- Full handshakes are the generator's work too, as much as a server's: near 100 % of its time their
  rate is its rate, and only the cost for each says something about the proxy.
- Wire B's latency is shown without subtracting a wire, there is none to measure alone.

For nobody in particular: two CPUs only, one worker each; one route, one cluster, one endpoint; a
64-byte body; TLS with one certificate (P-256), X25519, one cipher suite, no client certificate.
"""


def write(directory, data, figures, extra):
    """comparison.json, README.md and the plots."""
    os.makedirs(directory, exist_ok=True)
    plots = _plots(figures)
    for name, text in plots.items():
        with open(f"{directory}/{name}.svg", "w") as file:
            file.write(text)
    with open(f"{directory}/comparison.json", "w") as file:
        json.dump(data, file, separators=(",", ":"))
        file.write("\n")
    page = markdown(data, figures, extra, plots)
    with open(f"{directory}/README.md", "w") as file:
        file.write(page)
    return page


def blocks_as_json(blocks):
    def slim(one):
        out = dataclasses.asdict(one)
        for key in ("latency_ns", "service_ns", "lateness_ns"):
            out["run"][key] = {k: v for k, v in out["run"][key].items() if k != "buckets"}
        out["stats"] = {k: v for k, v in out["stats"].items() if v and "_total" in k}
        return out
    return {name: [{rig: slim(one) for rig, one in block.items()} for block in kept]
            for name, kept in blocks.items()}


# The plots.

def _costs(figures, scenario):
    out = {}
    for name in figures.names(scenario):
        if name != "none":
            out[name] = [v * figures.hz / 1e6 for v in figures.over(scenario, name, figures.cost)]
    return out


def _rates(figures, scenario):
    return {name: figures.over(scenario, name, figures.rate) for name in figures.names(scenario)}


def _plots(figures):
    plots = {}
    short = {"meltemi": "meltemi A (veth)", "meltemi-vhost": "meltemi B (vhost-user)",
             "nginx": "nginx A", "haproxy": "HAProxy A", "none": "no proxy A"}
    groups = [(label, _costs(figures, s)) for label, s in
              [*((f"at {r}", r) for r in RATES), ("saturated", "saturation"),
               ("new connection each", "connections")] if figures.names(s)]
    groups += [("TLS", costs) for costs in [_costs(figures, "tls")] if costs]
    if groups:
        plots["cost"] = svg.bars(
            "Cycles of CPU per proxied HTTP/1.1 request",
            "Lower is better. Median and quartiles of rounds; at shares of the slowest proxy's "
            "capacity, and saturated.", groups, short, "cycles")
    groups = [(label, _rates(figures, s)) for label, s in
              (("keep-alive", "saturation"), ("new connection each", "connections"))
              if figures.names(s)]
    if groups:
        plots["rate"] = svg.bars("Requests per second through one worker on one CPU, saturated",
                                 "Higher is better. Median and quartiles of rounds.", groups, short,
                                 "per second")
    handshakes = _costs(figures, "tls-handshakes")
    if handshakes:
        plots["handshakes"] = svg.bars(
            "Cycles of CPU per full TLS 1.3 handshake, with one request",
            "Lower is better. Median and quartiles of rounds.",
            [("new connection each", handshakes)], short, "cycles")
    for rate in RATES:
        curves = {name: _curve(figures, rate, name) for name in figures.names(rate)}
        if curves:
            plots[f"latency-{rate.split()[0]}"] = svg.percentiles(
                f"Latency, open loop at {rate} of the slowest proxy's capacity",
                "Lower is better. From the intended instant (Poisson) to the last byte; all rounds "
                "together.", curves, short)
    return plots


def _curve(figures, scenario, name):
    """[(share, us)] of all rounds' histograms together."""
    counts = {}
    for block in figures.blocks[scenario]:
        for upto, count in block[name].run["latency_ns"]["buckets"]:
            counts[upto] = counts.get(upto, 0) + count
    total, seen, out = sum(counts.values()), 0, []
    for upto in sorted(counts):
        seen += counts[upto]
        out.append((seen / total, upto / 1e3))
    return out


# The page.

def markdown(data, figures, extra, plots):
    parts = ["# Comparison\n", _machine(data), "## Goals, and where we stand\n",
             _goals(figures, extra), "## CPU per request\n"]
    if "cost" in plots:
        parts.append("![cycles per request](cost.svg)\n")
    titles = {"saturation": "Keep-alive, saturated", "connections": "A new connection for each "
              "request, saturated (upstream connections are kept by all)"}
    for scenario in ("saturation", *RATES, "connections"):
        if figures.names(scenario):
            title = titles.get(scenario, f"Keep-alive, open loop at {scenario} of the slowest "
                               "proxy's capacity")
            parts += [f"### {title}\n", tables.markdown(*tables.cost_rows(figures, scenario))]
    parts += _tls(figures, plots)
    if "rate" in plots:
        parts += ["## Saturation\n", "![requests per second](rate.svg)\n",
                  _saturated(figures, {"saturation": "keep-alive req/s",
                                       "connections": "new connections/s"})]
    parts += ["## Latency\n", "From the intended instant to the last byte, microseconds; added: "
              "less the same without a proxy in the same round.\n"]
    for rate in RATES:
        if figures.names(rate):
            parts += [f"### At {rate}\n", f"![latency](latency-{rate.split()[0]}.svg)\n",
                      tables.markdown(*_latency_rows(figures, rate))]
    parts += [_extra(extra), UNFAIR]
    return "\n".join(parts)


def _machine(data):
    m = data["machine"]
    return (f"{m['date']}: {m['processors']} x {m['processor']} at "
            f"{m['cycles_per_second'] / 1e9:.2f} GHz ({m['virtual']}), {m['memory_gb']} GB, "
            f"{m['huge_pages']} huge pages, Linux {m['kernel']}; {m['nginx']}, {m['haproxy']}; "
            f"meltemi at {m['meltemi']}.\n\n{data['how']}\n\n"
            "Wire A: the same veth for every proxy. Wire B: vhost-user, shared memory, the "
            "stand-in for a NIC's queues: only meltemi-node can use it. CPU: the CPU was not "
            "idle (soft interrupts included). busy: by the plane's own count, the turns that did "
            "something, their system calls included. Medians of rounds; in brackets the "
            "quartiles, of fewer than five rounds the extremes.\n")


def _latency_rows(figures, rate):
    head = ["proxy, wire", "p50", "p99", "p99.9", "added p50", "added p99", "added p99.9"]
    rows = []
    for name in figures.names(rate):
        row = [TITLES[name]]
        row += [stats.spread_text(figures.latency(rate, name, q), 0)
                for q in ("p50", "p99", "p99.9")]
        wire_a = name not in ("none", "meltemi-vhost")
        row += [stats.spread_text(figures.added(rate, name, q), 0) if wire_a else "-"
                for q in ("p50", "p99", "p99.9")]
        rows.append(row)
    return head, rows


def _tls(figures, plots):
    """TLS 1.3 between client and proxy: a request of a connection that stays, and one that has a
    handshake of its own."""
    there = {s: what for s, what in (("tls", "keep-alive req/s"),
                                     ("tls-handshakes", "full handshakes/s")) if figures.names(s)}
    if not there:
        return []
    titles = {"tls": "Keep-alive, saturated", "tls-handshakes":
              "A new connection with a full handshake for each request, saturated"}
    parts = ["## TLS\n", "TLS 1.3 from the client, upstream plain; TLS_AES_128_GCM_SHA256, X25519, "
             "an ECDSA certificate on P-256 for all. meltemi's busy time has its handshakes in "
             "it.\n"]
    if "handshakes" in plots:
        parts.append("![cycles per handshake](handshakes.svg)\n")
    for scenario in there:
        parts += [f"### {titles[scenario]}\n",
                  tables.markdown(*tables.cost_rows(figures, scenario))]
    return [*parts, _saturated(figures, there)]


def _saturated(figures, scenarios):
    """Rates; and whether they are the generator's, which is busy then."""
    head = ["proxy, wire"]
    for what in scenarios.values():
        head += [what, "x the better peer", "generator busy"]
    rows = []
    for name in TITLES:
        if not any(name in figures.names(s) for s in scenarios):
            continue
        row = [TITLES[name]]
        for scenario in scenarios:
            if name not in figures.names(scenario):
                row += ["-", "-", "-"]
                continue
            busy = figures.over(scenario, name, lambda s: 100.0 * s.run["generator"]["busy_ns"]
                                / s.run["generator"]["total_ns"])
            row += [f"{figures.over(scenario, name, figures.rate)[1]:.0f}",
                    "-" if name in PEERS else
                    stats.spread_text(figures.rate_ratio(scenario, name)), f"{busy[1]:.0f} %"]
        rows.append(row)
    return tables.markdown(head, rows)


def _extra(extra):
    parts = []
    if extra.get("bulk"):
        rows = []
        for name in ("meltemi", "bridge"):
            gbps = stats.quartiles(r[name]["gbps"] for r in extra["bulk"])
            cpu = stats.quartiles(100 * r[name]["cpu_s"] / r[name]["seconds"]
                                  for r in extra["bulk"])
            rows.append([TITLES[name].split(",")[0], stats.spread_text(gbps, 1), f"{cpu[1]:.0f} %"])
        parts += ["## Bulk TCP between two pods, Wire A\n",
                  "iperf3, one connection; meltemi: an opaque TCP listener, two connections "
                  "joined; bridge: the kernel's, all offloads on, one connection.\n",
                  tables.markdown(["through", "Gb/s", "CPU of the middle"], rows)]
    if extra.get("idle"):
        rows = [[TITLES[n], f"{100 * v['cpu']:.2f} %"] for n, v in extra["idle"].items()]
        parts += ["## Idle\n", tables.markdown(["proxy, wire", "of a CPU without traffic"], rows)]
    if extra.get("memory"):
        rows = []
        for name, v in extra["memory"].items():
            if "problem" in v:
                rows.append([TITLES[name], v["problem"], "", ""])
            else:
                rows.append([TITLES[name], f"{v['process']:.0f}", f"{v['kernel']:.0f}",
                             f"{v['process'] + v['kernel']:.0f}"])
        parts += ["## Memory of an idle keep-alive connection\n",
                  f"Bytes, from {extra['memory_connections']} downstream connections that have had "
                  "one request each; upstream ones are pooled and few. Kernel: growth of the "
                  "slab.\n",
                  tables.markdown(["proxy, wire", "process", "kernel", "sum"], rows)]
    return "\n".join(parts)


def _goals(figures, extra):
    return tables.markdown(["what", "goal", "now", ""],
                           [row[:4] for row in goals(figures, extra)])


def goals(figures, extra):
    """[what, goal, now, met, quartiles or None] of the goals that this comparison can judge."""
    rows = []

    def add(what, goal, now, met, three=None):
        rows.append([what, goal, now, "-" if met is None else ("met" if met else "not yet"),
                     three])

    def ratio(what, goal, three, better=lambda v, g: v >= g):
        add(what, f"{goal:g} x", stats.spread_text(three, 1) + (" x" if three else ""),
            None if three is None else better(three[1], goal), three)

    ratio("CPU per keep-alive request, Wire B, against the better peer on Wire A", 15,
          figures.cost_ratio("saturation", "meltemi-vhost"))
    cycles = figures.over("saturation", "meltemi-vhost", figures.cost)
    cycles = [c * figures.hz / 1e6 for c in cycles] if cycles else None
    add("cycles per keep-alive request, Wire B", "4000", stats.spread_text(cycles, 0),
        cycles[1] <= 4000 if cycles else None, cycles)
    ratio("CPU per keep-alive request, Wire A, the kernel's work in our system calls counted", 4,
          figures.cost_ratio("saturation", "meltemi"))
    ratio("saturated requests per second, Wire A", 3, figures.rate_ratio("saturation", "meltemi"))
    ratio("p99.9 added latency at 50 %, Wire A, times lower", 5, _added_ratio(figures))
    ratio("CPU per new connection, Wire B", 20, figures.cost_ratio("connections", "meltemi-vhost"))
    ratio("CPU per new connection, Wire A", 4, figures.cost_ratio("connections", "meltemi"))
    memory = extra.get("memory", {}).get("meltemi", {}).get("process")
    add("memory of an idle keep-alive connection (a pair: 0.75 KB)", "768 B",
        f"{memory:.0f} B" if memory is not None else "-", memory <= 768 if memory else None)
    three = stats.quartiles(r["meltemi"]["gbps"] / r["bridge"]["gbps"]
                            for r in extra.get("bulk") or [])
    ratio("bulk TCP pass-through, Wire A, of the kernel bridge", 1, three)
    for name in ("meltemi", "meltemi-vhost"):
        share = extra.get("idle", {}).get(name, {}).get("cpu")
        add(f"idle plane, {TITLES[name].split(', ')[1]}", "1 % of a CPU",
            f"{100 * share:.1f} %" if share is not None else "-",
            share < 0.01 if share is not None else None)
    return rows


def agreement(ours, theirs):
    """(head, rows): the goals of two runs side by side."""
    then = {row[0]: row for row in theirs}
    rows = []
    for what, _, now, _, three in ours:
        if three is None or what not in then or then[what][4] is None:
            continue
        other = then[what][4]
        overlap = three[0] <= other[2] and other[0] <= three[2]
        apart = f"{100 * abs(three[1] / other[1] - 1):.0f} %" if other[1] else "-"
        rows.append([what, now, then[what][2], apart, "yes" if overlap else "no"])
    return ["what", "this run", "that run", "medians apart", "spreads overlap"], rows


def _added_ratio(figures):
    def value(slices):
        if "none" not in slices or not any(p in slices for p in PEERS):
            return None
        wire = slices["none"].run["latency_ns"]["p99.9"]
        peers = [slices[p].run["latency_ns"]["p99.9"] - wire for p in PEERS if p in slices]
        ours = slices["meltemi"].run["latency_ns"]["p99.9"] - wire
        return min(peers) / ours if ours > 0 else None
    return stats.per_round(figures.blocks.get("50 %", []), value)
