"""meltemi-load as a process that stays and does one run after the other."""
import json
import os
import select
import subprocess
import time

import machine
import shell

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BINARY = os.environ.get("MELTEMI_LOAD") or f"{ROOT}/bazel-bin/bench/load/meltemi-load"


class Load:
    """The generator and backend of one rig, in its own namespace, asleep between runs."""

    def __init__(self, netns, cpu, log_path, flags):
        argv = [BINARY, "--interactive", f"--cpu={cpu}", *flags]
        self._log_path = log_path
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                shell.in_netns(netns, machine.many_files(argv)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True)
        machine.raise_priority(self._process.pid)

    @property
    def pid(self):
        return self._process.pid

    def wait_ready(self, timeout_s=30.0):
        self._answer(timeout_s)

    def run(self, timeout_s=60.0, **flags):
        """One run; keyword arguments are its flags, with _ for -. Returns the result."""
        words = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()
                 if value is not None]
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        result = self._answer(timeout_s)
        if result.get("problem"):
            raise shell.CommandFailed(f"meltemi-load {' '.join(words)}: {result['problem']}")
        return result

    def _answer(self, timeout_s):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # One line is one answer and nothing is sent unasked: no line is lost in the buffer.
            readable, _, _ = select.select([self._process.stdout], [], [], 0.5)
            if readable:
                line = self._process.stdout.readline()
                if line.startswith("{"):
                    return json.loads(line)
            if self._process.poll() is not None:
                break
        with open(self._log_path, errors="replace") as log:
            raise shell.CommandFailed(f"meltemi-load gave no answer:\n{log.read()[-2000:]}")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def microseconds(result, what, key="latency_ns"):
    return result[key][what] / 1e3
