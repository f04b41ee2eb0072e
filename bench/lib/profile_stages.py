"""The runs that bench/profile makes."""
import os
import re
import shutil
import subprocess
import sys

import load
import machine
import rigs as rigs_lib
import shell
import tables

# Cycles we mean each stage to take for one keep-alive request of HTTP/1.1 (64 bytes there, 200
# back, four segments in and four out) on a port with offloads and no system calls.
BUDGET = {"rx": 240, "ip": 280, "tcp_in": 540, "tls": 0, "engine": 160, "parse": 460, "route": 150,
          "balance": 60, "build": 200, "tcp_out": 440, "tx": 290, "other": 400}
SAMPLE = re.compile(r'meltemi_worker_stage_(cycles|entries)_total\{stage="(\w+)"\} (\S+)')
RIGS = {"A": "meltemi", "B": "meltemi-vhost"}


def _build():
    subprocess.run([os.path.join(load.ROOT, "deploy/dev/setup")], check=True)
    done = subprocess.run(["bazel", "build", "--config=profile", "//dataplane:meltemi-node",
                           "//bench/load:meltemi-load"], cwd=load.ROOT, check=False)
    if done.returncode != 0:
        sys.exit("the build failed")


def _stages(rig):
    """{(what, stage): value} since the node began."""
    page = shell.run(shell.in_netns(rig.netns("dut"), [
        "curl", "-s", "-f", "-m", "5", "http://127.0.0.1:15000/stats/prometheus"])).stdout
    found = {(what, stage): float(value) for what, stage, value in SAMPLE.findall(page)}
    if not found:
        sys.exit("this meltemi-node does not count stages: build it with --config=profile")
    return found


def _profile(name, options):
    rig = rigs_lib.build([name])[name]
    try:
        flags = {"connections": options.connections, "warmup": "500ms"}
        rig.measure(duration="500ms", **flags)  # pools and caches are warm after it
        rig.resume()
        before = _stages(rig)
        one = rig.measure(duration=f"{options.seconds}s", **flags)
        rig.resume()
        after = _stages(rig)
    finally:
        rigs_lib.take_down({name: rig})
    if one.run["errors"]["total"]:
        sys.exit(f"errors: {one.run['errors']}")
    return one, {key: after[key] - before[key] for key in after}


def _rows(one, stages, entry_cost):
    """Of each stage: cycles per request, its share, entries per request, our budget."""
    requests = one.requests
    own = {}
    for name in BUDGET:
        cycles = stages["cycles", name] - entry_cost * stages["entries", name]
        own[name] = max(0.0, cycles) / requests
    total = sum(own.values())
    rows = [(name, f"{own[name]:.0f}", f"{100 * own[name] / total:.0f} %",
             f"{stages['entries', name] / requests:.1f}", BUDGET[name] or "-") for name in BUDGET]
    return [*rows, ("all", f"{total:.0f}", "100 %", "", sum(BUDGET.values()))]


def _entry_cost(stages):
    """Cycles that entering a stage takes by itself: what the cheapest stage shows per entry."""
    costs = [stages["cycles", n] / stages["entries", n] for n in BUDGET if stages["entries", n]]
    return min(costs)


def run(options):
    if os.geteuid() != 0 or os.cpu_count() < 2:
        sys.exit("needs root and two CPUs")
    if not options.no_build:
        _build()
    kept = f"{rigs_lib.RUN_DIR}-profile"
    os.makedirs(kept, exist_ok=True)
    rigs_lib.NODE_BINARY = shutil.copy(rigs_lib.NODE_BINARY, kept)
    try:
        with shell.alone("bench"):
            os.sched_setaffinity(0, {rigs_lib.LOAD_CPU})
            rigs_lib.clean()
            for wire in ("A", "B") if options.wire == "both" else (options.wire,):
                one, stages = _profile(RIGS[wire], options)
                cost = _entry_cost(stages)
                print(f"{tables.TITLES[RIGS[wire]]}: {one.run['requests_per_second']:.0f} "
                      f"requests/s, {machine.cycles_per_second() / 1e9:.2f} GHz of the time stamp "
                      f"counter, {options.connections} connections\n")
                print(tables.text(("stage", "cycles", "share", "entries", "budget"),
                                  _rows(one, stages, cost)))
                print(f"Per request, turns that did nothing left out; {cost:.0f} cycles per entry "
                      "taken off for the counting.\n")
    finally:
        shutil.rmtree(kept, ignore_errors=True)
    return 0
