"""Measures what budgets.txt limits and prints limit, measurement and goal side by side.

check.py exact MEASURE              what the program `measure` prints: counts and bytes
check.py instructions INSTRUCTIONS  by valgrind, a run of the program `instructions` per scenario

Fails when a figure is above its limit, when one is not in the table, and when one of the table was
not measured.
"""
import dataclasses
import os
import re
import subprocess
import sys
import tempfile

TABLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "budgets.txt")
INSTRUCTIONS = ("instructions", "instructions_per_kilobyte")
SMALL, LARGE = "_64k", "_1m"  # scenarios of bodies come in two sizes
BODY_KILOBYTES = 1024 - 64


@dataclasses.dataclass(frozen=True)
class Budget:
    limit: float
    within: float  # a fraction
    goal: float    # None: none


def read_table(text):
    """{(scenario, metric): Budget}, in the table's order."""
    table = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        scenario, metric, limit, within, goal = line.split()[:5]
        key = (scenario, metric)
        if key in table:
            raise ValueError(f"twice in the table: {scenario} {metric}")
        table[key] = Budget(float(limit), float(within.rstrip("%")) / 100,
                            None if goal == "-" else float(goal))
    return table


def judge(table, measured):
    """(lines to print, whether all is within its budget)."""
    lines = [f"{'scenario':12} {'metric':26} {'measured':>10} {'limit':>10} {'goal':>8}  "]
    good = True
    for key in [*table, *(key for key in measured if key not in table)]:
        budget, value = table.get(key), measured.get(key)
        if budget is None or value is None:
            good = False
            remark = "NOT IN THE TABLE" if budget is None else "NOT MEASURED"
            lines.append(f"{key[0]:12} {key[1]:26} {remark}")
            continue
        good &= not over(value, budget)
        goal = "-" if budget.goal is None else f"{budget.goal:g}"
        lines.append(f"{key[0]:12} {key[1]:26} {value:10.6g} {budget.limit:10.6g} {goal:>8}  "
                     f"{remark_of(value, budget)}")
    return lines, good


def over(value, budget):
    return value > budget.limit * (1 + budget.within) + 1e-9


def remark_of(value, budget):
    if over(value, budget):
        return "OVER BUDGET: +" + share(value - budget.limit, budget.limit)
    remarks = []
    if budget.goal is not None and value > budget.goal:
        gap = f"{value / budget.goal:.1f} x" if value > 2 * budget.goal > 0 else (
            f"+{value - budget.goal:.4g}")
        remarks.append(f"to go: {gap}")
    if value < budget.limit * (1 - budget.within) - 1e-9 and budget.limit - value > 5e-4 * value:
        remarks.append(f"the limit can go down to {value:.6g}")
    return "; ".join(remarks)


def share(difference, whole):
    return f"{difference:.4g}" + (f" ({100 * difference / whole:.1f} %)" if whole else "")


def measure_exact(program):
    """None under a sanitizer."""
    text = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout
    if text.strip() == "sanitizer":
        return None
    return {(scenario, metric): float(value)
            for scenario, metric, value in map(str.split, text.splitlines())}


def callgrind(program, scenario):
    """(instructions, requests) of the scenario's measured part."""
    with tempfile.NamedTemporaryFile("r") as out:
        done = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--collect-atstart=no",
             f"--callgrind-out-file={out.name}", program, scenario],
            check=True, stdout=subprocess.PIPE, text=True)
        total = re.search(r"^summary: (\d+)", out.read(), re.MULTILINE)
    return int(total[1]), int(done.stdout)


def measure_instructions(program, table):
    measured = {}
    for scenario, metric in table:
        if metric == "instructions":
            instructions, requests = callgrind(program, scenario)
            measured[scenario, metric] = instructions / requests
        else:
            small, large = (callgrind(program, scenario + size) for size in (SMALL, LARGE))
            measured[scenario, metric] = (
                (large[0] / large[1] - small[0] / small[1]) / BODY_KILOBYTES)
    return measured


def main(what, program):
    with open(TABLE) as file:
        table = read_table(file.read())
    table = {key: budget for key, budget in table.items()
             if (key[1] in INSTRUCTIONS) == (what == "instructions")}
    if what == "instructions":
        sanitizer = subprocess.run([program, "--build"], check=True, stdout=subprocess.PIPE,
                                   text=True).stdout.strip() == "sanitizer"
        measured = None if sanitizer else measure_instructions(program, table)
    else:
        measured = measure_exact(program)
    if measured is None:
        print("built with a sanitizer: nothing to measure")
        return 0
    lines, good = judge(table, measured)
    print("\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
