"""The runs that bench/compare and bench/first_figure make."""
import contextlib
import json
import os
import signal
import subprocess
import sys

import bulk
import extras
import load
import machine
import page
import rigs as rigs_lib
import scenarios as scenarios_lib
import shell
import tables

ROOT = load.ROOT
ALL = ("meltemi", "meltemi-vhost", "nginx", "haproxy")


def prepare(options):
    """Refuses what cannot work; builds the binaries."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was built is removed
    if os.geteuid() != 0 or os.cpu_count() < 2:
        sys.exit("needs root and two CPUs")
    if options.no_build or "MELTEMI_NODE_BINARY" in os.environ:
        return
    subprocess.run([os.path.join(ROOT, "deploy/dev/setup")], check=True)
    config = ["--config=release"] if options.release else []
    done = subprocess.run(["bazel", "build", *config, "//dataplane:meltemi-node",
                           "//bench/load:meltemi-load"], cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.exit("the build failed")


def names_of(options, every=ALL):
    if not options.only:
        return list(every)
    names = options.only.split(",")
    unknown = [n for n in names if n not in rigs_lib.KINDS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(rigs_lib.KINDS)}")
    return names


@contextlib.contextmanager
def quiet(options):
    """Alone on this machine as far as we can see to it."""
    with shell.alone("bench"):
        # This program's own work belongs beside the generator, not on the proxy's CPU.
        os.sched_setaffinity(0, {rigs_lib.LOAD_CPU})
        machine.raise_priority(os.getpid())
        with machine.realtime_allowed() if options.realtime else contextlib.nullcontext():
            yield


def common_flags(parser):
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--accounting", choices=("cpu", "process"), default="cpu",
                        help="process: on a machine that does other work too")
    parser.add_argument("--realtime", action="store_true",
                        help="the proxy and the generator are SCHED_FIFO: other work stands still")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--release", action="store_true",
                        help="build with link-time optimisation, as for production: some minutes")


def run(names, plan, scenarios, realtime, idle_s=0.0):
    """The Runner with its blocks, and what idle rigs use when asked."""
    rigs_lib.clean()
    rigs = rigs_lib.build(names, realtime)
    try:
        runner = scenarios_lib.Runner(rigs, plan)
        if scenarios:
            runner.find_capacity()
            runner.run(scenarios)
        return runner, extras.idle(rigs, idle_s) if idle_s else {}
    finally:
        rigs_lib.take_down(rigs)


def noise_text(runner, plan):
    kept = ", ".join(f"{name}: {len(blocks)}" for name, blocks in runner.blocks.items())
    thrown = sum(len(d) for d in runner.dropped.values())
    why = sorted({w for d in runner.dropped.values() for w in d})
    realtime = ", the proxy and the generator SCHED_FIFO" if rigs_lib.Rig.realtime else ""
    return (f"{plan.connections} connections{realtime}, slices of {plan.seconds:g} s; rounds "
            f"kept: {kept}; {thrown} thrown away{' (' + ', '.join(why) + ')' if why else ''}")


def first_figure(options):
    prepare(options)
    plan = scenarios_lib.Plan(rounds=options.rounds, seconds=options.seconds,
                              connections=options.connections, accounting=options.accounting)
    with quiet(options):
        runner, _ = run(names_of(options), plan, scenarios_lib.standard(("saturation",)),
                        options.realtime)
    if not runner.blocks.get("saturation"):
        sys.exit(f"first_figure: no round was steady ({noise_text(runner, plan)}); the machine "
                 "does other work: --accounting=process counts the proxies' own time only")
    figures = tables.Figures(runner.blocks, plan.accounting, machine.cycles_per_second())
    print("One HTTP/1.1 keep-alive request through a proxy, saturated; medians, then (quartiles) "
          "of the ratios within a round.\n")
    print(tables.text(*tables.cost_rows(figures, "saturation")))
    print(noise_text(runner, plan))
    print(FIGURE_NOTES.format(ghz=machine.cycles_per_second() / 1e9,
                              what="was not idle" if plan.accounting == "cpu" else
                              "ran the proxy or its soft interrupts"))
    for scenario, name, errors in runner.errors:
        print(f"errors: {scenario}, {name}: {errors}")
    return 1 if runner.errors else 0


def compare(options):
    against = None
    if options.against:
        try:
            with open(f"{options.against}/comparison.json") as file:
                against = json.load(file)["goals"]
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"--against {options.against}: no comparison there: {error}")
    prepare(options)
    quick = options.quick
    plan = scenarios_lib.Plan(
        rounds=options.rounds or (3 if quick else 12),
        seconds=options.seconds or (1.0 if quick else 3.0), connections=options.connections,
        accounting=options.accounting, budget_s=180.0 if quick else 1900.0)
    every = ("saturation", "25 %", "50 %", "80 %", "connections", "tls", "tls-handshakes", "bulk",
             "idle", "memory")
    wanted = tuple(options.scenarios.split(",")) if options.scenarios else every
    names = names_of(options, (*ALL, "none"))
    with quiet(options):
        extra = {}
        if "memory" in wanted:
            extra["memory_connections"] = 2000 if quick else 8000
            extra["memory"] = extras.memory(names, extra["memory_connections"])
        if "bulk" in wanted:
            extra["bulk"] = bulk.run(3 if quick else plan.rounds, 1 if quick else 3)
        runner, extra["idle"] = run(names, plan, scenarios_lib.standard(wanted), options.realtime,
                                    0.0 if "idle" not in wanted else 2.0 if quick else 5.0)
    return _write(options, plan, runner, extra, against)


def _write(options, plan, runner, extra, against):
    data = {"machine": machine.describe(ROOT), "how": noise_text(runner, plan),
            "accounting": plan.accounting, "capacity": runner.capacity, "extra": extra,
            "blocks": page.blocks_as_json(runner.blocks), "dropped": runner.dropped,
            "errors": runner.errors}
    figures = tables.Figures(runner.blocks, plan.accounting, data["machine"]["cycles_per_second"])
    data["goals"] = page.goals(figures, extra)
    print(page.write(options.output, data, figures, extra))
    if against is not None:
        print(f"## Against {options.against}\n")
        print(tables.text(*page.agreement(data["goals"], against)))
    print(f"written: {options.output}", file=sys.stderr)
    for scenario, name, errors in runner.errors:
        print(f"errors: {scenario}, {name}: {errors}", file=sys.stderr)
    return 1 if runner.errors else 0


FIGURE_NOTES = """
CPU: how long the proxy's CPU {what}, per request. busy: by the plane's own count, the
turns that did something, with the kernel's work inside their system calls: a poll-mode worker is
never idle, so this is what its requests cost. cycles: of the {ghz:.2f} GHz time stamp counter, of
the busy time where there is one. Wire A: the same veth for all. Wire B: shared memory; what a NIC
would copy, the generator's CPU copies. Kernel work is dearer in a virtual machine than on metal:
ratios to kernel proxies flatter a userspace one here."""
