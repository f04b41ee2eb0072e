"""Running commands and daemons, in network namespaces or not.

Everything started here is ours to end: a daemon is ended by its own process id, never by name.
"""
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time


class CommandFailed(Exception):
    """A command ended with a code other than zero; the text says which and what it printed."""


def run(argv, check=True, timeout_s=120, stdin_text=None):
    """Runs a command to its end and returns it with its text output."""
    done = subprocess.run(argv, input=stdin_text, capture_output=True, text=True,
                          timeout=timeout_s, errors="replace",
                          stdin=None if stdin_text is not None else subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(argv)}: exit {done.returncode}\n"
                            f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def in_netns(netns, argv):
    return ["ip", "netns", "exec", netns, *argv]


def wait_until(condition, what, timeout_s=10.0, step_s=0.02):
    """Polls until `condition` holds and returns its value; the error names what was awaited."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(step_s)


class Daemon:
    """A process that runs until we end it. Its output goes to a log file."""

    def __init__(self, name, argv, log_path, netns=None, cpu=None, env=None):
        self.name = name
        self.log_path = log_path
        self._argv = list(argv)
        if cpu is not None:
            self._argv = ["taskset", "-c", str(cpu), *self._argv]
        if netns:
            self._argv = in_netns(netns, self._argv)
        self._env = {**os.environ, **(env or {})}
        self._process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches us only, and we end it.
            self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, env=self._env, start_new_session=True)
        return self

    @property
    def pid(self):
        return self._process.pid if self._process else None

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self):
        return self._process.poll() if self._process else None

    def kill(self):
        """kill -9: what a crash looks like."""
        if self.running:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def send(self, number):
        """A signal that the process is to live on with."""
        self.check_running()
        self._process.send_signal(number)

    def stop(self, timeout_s=5.0):
        """SIGTERM, then SIGKILL; returns the exit code."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.exit_code

    def check_running(self):
        if not self.running:
            raise CommandFailed(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")

    def log_tail(self, lines=20):
        try:
            with open(self.log_path, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return "(no log)"


class Background:
    """A command with an end, run beside us: a load generator."""

    def __init__(self, argv):
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)

    def interrupt(self):
        """SIGINT: many end early then, and say what they have so far."""
        self._process.send_signal(signal.SIGINT)

    def finish(self, timeout_s=120):
        text, _ = self._process.communicate(timeout=timeout_s)
        return text


@contextlib.contextmanager
def alone(name):
    """One run at a time of what shares names on this machine."""
    os.makedirs("/run/meltemi-dev", exist_ok=True)
    with open(f"/run/meltemi-dev/{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{name}: another one is running on this machine")
        yield
