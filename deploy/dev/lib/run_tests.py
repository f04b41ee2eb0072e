"""Runs every test of the tree, phase by phase, and counts test cases.

A C++ target counts with the cases its test.xml names; a target that did not build, crashed or
timed out counts as one failure. Nothing is skipped silently: a phase that cannot run fails, and so
does a test case that skips itself, but for those in MAY_BE_SKIPPED, which are printed and counted.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import mesh as mesh_lib

ROOT = mesh_lib.ROOT
# The sanitizers come last: their objects replace the plain ones, which the phases before need; tsan
# before asan, because it uses more of them.
PHASES = ("build", "unit", "netns", "integration", "tsan", "asan")


# Label: what this machine's kernel lacks then. The test itself asks the kernel.
MAY_BE_SKIPPED = {"//dataplane/nic:af_xdp_netns_test": "CONFIG_XDP_SOCKETS"}


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def bazel(*arguments, capture=False):
    return subprocess.run(["bazel", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE if capture else None, check=False)


def bazel_on(command, labels, *options):
    """A bazel command on labels too many for a command line; its exit status."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(labels))
        file.flush()
        return bazel(command, f"--target_pattern_file={file.name}", *options).returncode


def query(expression):
    """Labels, or None when the query itself fails: that is never an empty phase."""
    done = bazel("query", "--output=label", expression, capture=True)
    return done.stdout.split() if done.returncode == 0 else None


def read_cases(path):
    """Count of the test cases of one test.xml; None when it has none."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    count = Count()
    for case in root.findall(".//testcase"):
        children = {child.tag for child in case}
        if children & {"failure", "error"}:
            count.failed += 1
        elif "skipped" in children or case.get("result") == "skipped":
            count.skipped += 1
        elif case.get("status") != "notrun":  # else of another shard
            count.passed += 1
    return count


def read_events(path):
    """{label: (status, [test.xml])} of a build event file."""
    results = {}
    with open(path) as lines:
        for line in lines:
            event = json.loads(line)
            if "testResult" in event:
                label = event["id"]["testResult"]["label"]
                results.setdefault(label, ["", []])[1].extend(
                    output["uri"].removeprefix("file://")
                    for output in event["testResult"].get("testActionOutput", [])
                    if output.get("name") == "test.xml")
            elif "testSummary" in event:
                label = event["id"]["testSummary"]["label"]
                results.setdefault(label, ["", []])[0] = event["testSummary"]["overallStatus"]
    return results


def count_target(label, status, xml_files):
    count = Count()
    for cases in filter(None, map(read_cases, xml_files)):
        count.add(cases)
    if count.skipped:
        lacking = MAY_BE_SKIPPED.get(label)
        print(f"SKIP {label}: {count.skipped} cases, " +
              (f"the kernel has no {lacking}" if lacking else "which counts as failed"), flush=True)
        if not lacking:
            count.failed, count.skipped = count.failed + count.skipped, 0
    good = status in ("PASSED", "FLAKY")
    if not good and count.failed == 0:
        count.failed = 1
    elif count.passed + count.failed + count.skipped == 0:
        count.passed = 1
    return count


def bazel_test(labels, *options):
    """Tests the given labels; each of them must come back with a result."""
    with tempfile.TemporaryDirectory() as directory:
        events = f"{directory}/events.json"
        bazel_on("test", labels, "--keep_going", "--test_summary=short",
                 f"--build_event_json_file={events}", *options)
        results = read_events(events) if os.path.exists(events) else {}
    total = Count()
    for label in labels:
        status, xml_files = results.get(label, ("NO RESULT", []))
        if status not in ("PASSED", "FLAKY"):
            print(f"FAIL {label}: {status}", flush=True)
        total.add(count_target(label, status, xml_files))
    return total


UNIT = "tests(//...) except attr(tags, \"netns\", //...)"
# A unit test in C++ is built and run once, with sanitizers. Exact budgets are scripts over plain
# programs.
SANITIZED = f"kind(\"cc_test rule\", {UNIT})"


def phase_build():
    """All of //... must build, but the tests that the phase asan builds; one item of the count."""
    labels = query(f"//... except ({SANITIZED}) except attr(tags, \"manual\", //...)")
    if not labels:
        return Count(failed=1)
    good = bazel_on("build", labels) == 0
    return Count(passed=int(good), failed=int(not good))


def phase_unit():
    labels = query(f"({UNIT}) except ({SANITIZED})")
    return bazel_test(labels) if labels else Count(failed=1)


def phase_asan():
    """The unit tests under address and undefined behaviour."""
    labels = query(SANITIZED)
    # bazel-bin keeps the plain binaries: no test has them built again.
    return bazel_test(labels, "--config=asan", "--symlink_prefix=/") if labels else Count(failed=1)


def phase_tsan():
    """The tests that have threads of their own: all others are single-threaded by design."""
    labels = query("attr(tags, \"threads\", tests(//...))")
    return bazel_test(labels, "--config=tsan", "--symlink_prefix=/") if labels else Count(failed=1)


def phase_netns():
    labels = query("kind(\".*_test rule\", attr(tags, \"netns\", //...))")
    if labels is None:
        return Count(failed=1)
    if not labels:
        print("no target has the tag netns")
        return Count()
    return bazel_test(labels, "--strategy=TestRunner=local", "--local_test_jobs=1",
                      "--symlink_prefix=/")


def phase_integration():
    build = bazel("build", *mesh_lib.TEST_BINARIES)
    if build.returncode != 0:
        return Count(failed=1)
    with tempfile.NamedTemporaryFile("r", suffix=".json") as counts:
        subprocess.run(["/usr/bin/python3", "-B", f"{ROOT}/test/integration/run", "--counts",
                        counts.name], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
        text = counts.read()
    if not text:
        return Count(failed=1)  # it ended before it could count
    result = json.loads(text)
    return Count(result["passed"], result["failed"])


def main():
    parser = argparse.ArgumentParser(prog="deploy/dev/test", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PHASES, action="append",
                        help="run this phase (may be given again); default: all")
    options = parser.parse_args()
    phases = options.only or PHASES
    if os.geteuid() != 0 and {"netns", "integration"} & set(phases):
        sys.exit("test: the phases netns and integration need root")
    total, lines = Count(), []
    for phase in phases:
        print(f"=== {phase}", flush=True)
        started = time.monotonic()
        count = globals()[f"phase_{phase}"]()
        lines.append(f"{phase:12} {count.passed:5} passed {count.failed:4} failed"
                     f" {time.monotonic() - started:6.0f} s" +
                     (f" {count.skipped} skipped" if count.skipped else ""))
        print(f"=== {lines[-1]}", flush=True)
        total.add(count)
    print("\n" + "\n".join(lines) + "\n")
    failed = total.failed > 0 or total.passed == 0
    print(f"{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
