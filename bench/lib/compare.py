"""The runs that bench/compare and bench/first_figure make."""
import os
import subprocess
import sys

import load
import machine
import mesh as mesh_lib
import rigs as rigs_lib
import scenarios as scenarios_lib
import shell
import tables

ROOT = load.ROOT
ALL = ("meltemi", "meltemi-vhost", "nginx", "haproxy")


def prepare(options):
    """Refuses what cannot work; builds the binaries."""
    if os.geteuid() != 0 or os.cpu_count() < 2:
        sys.exit("needs root and two CPUs")
    if options.no_build or "MELTEMI_NODE_BINARY" in os.environ:
        return
    subprocess.run([os.path.join(ROOT, "deploy/dev/setup")], check=True)
    done = subprocess.run(["bazel", "build", "//dataplane:meltemi-node",
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


def stay_out_of_the_way():
    """This program's own work belongs beside the generator, not on the proxy's CPU."""
    os.sched_setaffinity(0, {rigs_lib.LOAD_CPU})
    machine.raise_priority(os.getpid())


def run(names, plan, scenarios):
    """The Runner with its blocks."""
    rigs_lib.clean()
    rigs = rigs_lib.build(names)
    try:
        runner = scenarios_lib.Runner(rigs, plan)
        runner.find_capacity()
        runner.run(scenarios)
        return runner
    finally:
        rigs_lib.take_down(rigs)


def noise_text(runner, plan):
    kept = ", ".join(f"{name}: {len(blocks)}" for name, blocks in runner.blocks.items())
    thrown = sum(len(d) for d in runner.dropped.values())
    why = sorted({w for d in runner.dropped.values() for w in d})
    return (f"{plan.connections} connections, slices of {plan.seconds:g} s; rounds kept: {kept}; "
            f"{thrown} thrown away{' (' + ', '.join(why) + ')' if why else ''}")


def first_figure(options):
    prepare(options)
    plan = scenarios_lib.Plan(rounds=options.rounds, seconds=options.seconds,
                              connections=options.connections, accounting=options.accounting)
    with shell.alone("bench"):
        stay_out_of_the_way()
        runner = run(names_of(options), plan, scenarios_lib.standard(("saturation",)))
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


FIGURE_NOTES = """
CPU: how long the proxy's CPU {what}, per request. busy: by the plane's own count, the
turns that did something, with the kernel's work inside their system calls: a poll-mode worker is
never idle, so this is what its requests cost. cycles: of the {ghz:.2f} GHz time stamp counter, of
the busy time where there is one. Wire A: the same veth for all. Wire B: shared memory; what a NIC
would copy, the generator's CPU copies. Kernel work is dearer in a virtual machine than on metal:
ratios to kernel proxies flatter a userspace one here."""
