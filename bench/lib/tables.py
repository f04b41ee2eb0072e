"""Tables of what was measured: as text on a terminal, as Markdown on a page."""
import scenarios as scenarios_lib
import stats

TITLES = {"meltemi": "meltemi, Wire A (veth)", "meltemi-vhost": "meltemi, Wire B (vhost-user)",
          "nginx": "nginx, Wire A (veth)", "haproxy": "HAProxy, Wire A (veth)",
          "none": "no proxy, Wire A (bridge)", "bridge": "kernel bridge"}
PEERS = ("nginx", "haproxy")


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" for _ in head) + "|"]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def text(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    out = []
    for row in [head, *rows]:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w)
                 for i, (c, w) in enumerate(zip(row, widths))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out) + "\n"


class Figures:
    """What the blocks say, as quartiles."""

    def __init__(self, blocks, accounting, hz):
        self.blocks, self.accounting, self.hz = blocks, accounting, hz

    def names(self, scenario):
        there = self.blocks[scenario][0] if self.blocks.get(scenario) else {}
        return [name for name in TITLES if name in there]

    def over(self, scenario, name, value, over=None):
        """Quartiles of value(slice of `name`), or of over(slices) / value(slice)."""
        rounds = self.blocks.get(scenario, [])
        if over is None:
            return stats.per_round(rounds, lambda r: value(r[name]))
        return stats.per_round(rounds, over, lambda r: value(r[name]))

    def rate(self, one):
        return one.run["requests_per_second"]

    def cpu(self, one):
        return scenarios_lib.cpu_us(one, self.accounting)

    def busy(self, one):
        return scenarios_lib.busy_us(one, self.hz)

    def cost(self, one):
        """Comparable: CPU time of a kernel proxy, busy time of a poll-mode plane."""
        busy = self.busy(one)
        return busy if busy is not None else self.cpu(one)

    def best_peer(self, slices):
        costs = [self.cost(slices[p]) for p in PEERS if p in slices]
        return min(c for c in costs if c is not None) if costs else None

    def cost_ratio(self, scenario, name):
        """How many times less a request costs than at the better peer."""
        return self.over(scenario, name, self.cost, self.best_peer)

    def rate_ratio(self, scenario, name):
        """How many times more requests than the better peer."""
        def value(slices):
            peers = [self.rate(slices[p]) for p in PEERS if p in slices]
            return self.rate(slices[name]) / max(peers) if peers else None
        return stats.per_round(self.blocks.get(scenario, []), value)

    def latency(self, scenario, name, quantile):
        return self.over(scenario, name, lambda s: s.run["latency_ns"][quantile] / 1e3)

    def added(self, scenario, name, quantile):
        """Latency less what the wire alone takes in the same round."""
        def value(slices):
            if "none" not in slices:
                return None
            return (slices[name].run["latency_ns"][quantile]
                    - slices["none"].run["latency_ns"][quantile]) / 1e3
        return stats.per_round(self.blocks.get(scenario, []), value)


def cost_rows(figures, scenario):
    """proxy, wire | req/s | CPU us | busy us | cycles | times less than the better peer"""
    head = ["proxy, wire", "req/s", "CPU us/req", "busy us/req", "cycles/req",
            "cheaper than the better peer"]
    rows = []
    for name in figures.names(scenario):
        if name == "none":
            continue
        cost = figures.over(scenario, name, figures.cost)
        ratio = stats.spread_text(figures.cost_ratio(scenario, name)) + " x"
        busy = figures.over(scenario, name, figures.busy)
        polls = name == "meltemi-vhost"
        rows.append([TITLES[name], f"{figures.over(scenario, name, figures.rate)[1]:.0f}",
                     "polls" if polls else f"{figures.over(scenario, name, figures.cpu)[1]:.2f}",
                     f"{busy[1]:.2f}" if busy else "-", f"{cost[1] * figures.hz / 1e6:.0f}",
                     "-" if name in PEERS else ratio])
    return head, rows
