"""What the machine does and is: CPU time, speed, memory, description."""
import contextlib
import hashlib
import os
import re
import resource
import subprocess
import time

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def not_idle(cpu):
    """Seconds this CPU has worked since boot: user, nice, system, interrupts, soft interrupts."""
    with open("/proc/stat") as stat:
        for line in stat:
            if line.startswith(f"cpu{cpu} "):
                user, nice, system, _, _, irq, softirq = map(int, line.split()[1:8])
                return (user + nice + system + irq + softirq) * TICK_S
    raise OSError(f"no cpu{cpu} in /proc/stat")


def run_time(pid, tids=None):
    """Seconds all threads of a process, or these, have run: with soft interrupts that came in
    between."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task") if tids is None else tids:
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat") as stat:
                total += int(stat.read().split()[0])
        except OSError:
            pass  # the thread has ended
    return total * 1e-9


def softirq_daemon(cpu):
    """The pid of ksoftirqd/<cpu>; None when it cannot be found."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() == f"ksoftirqd/{cpu}":
                    return int(pid)
        except OSError:
            pass
    return None


def speed(cpu):
    """How long a fixed piece of work takes on a CPU: the shortest of a few."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        return min(_work() for _ in range(5))
    finally:
        os.sched_setaffinity(0, mine)


def _work():
    started = time.perf_counter()
    hashlib.sha256(bytes(2 << 20)).digest()
    return time.perf_counter() - started


def cycles_per_second():
    """Of the time stamp counter, which the plane counts cycles with."""
    with open("/proc/cpuinfo") as info:
        return next(float(line.split(":")[1]) * 1e6 for line in info
                    if line.startswith("cpu MHz"))


def resident_bytes(pid):
    """Proportional set size of a process."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))


def kernel_memory_bytes():
    """What the kernel itself uses for objects: sockets, their buffers' heads, files."""
    with open("/proc/meminfo") as info:
        return sum(int(line.split()[1]) * 1024 for line in info if line.startswith("Slab:"))


def huge_pages():
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("HugePages_Total:"))


def many_files(argv):
    """The command with as many open files as we may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ["prlimit", f"--nofile={hard}:{hard}", *argv]


def raise_priority(pid):
    """The session of a process goes before other sessions' work (autogroup); best effort."""
    try:
        with open(f"/proc/{pid}/autogroup", "w") as group:
            group.write("-20")
    except OSError:
        pass


def threads(pid, name):
    """Those threads of a process that are called so."""
    found = []
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{pid}/task/{tid}/comm") as comm:
            if comm.read().strip() == name:
                found.append(tid)
    return found


def make_realtime(pid, priority, cpu=None):
    """SCHED_FIFO for a process's threads; with `cpu`: for those only that run nowhere else."""
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        if cpu is None or os.sched_getaffinity(tid) == {cpu}:
            os.sched_setscheduler(tid, os.SCHED_FIFO, os.sched_param(priority))


@contextlib.contextmanager
def realtime_allowed():
    """Realtime threads may take all of a CPU, soft interrupts before them; put back at the end."""
    limit = "/proc/sys/kernel/sched_rt_runtime_us"
    with open(limit) as file:
        before = file.read()
    daemons = [softirq_daemon(cpu) for cpu in range(os.cpu_count())]
    try:
        with open(limit, "w") as file:
            file.write("-1")
        for pid in filter(None, daemons):
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(11))
        yield
    finally:
        for pid in filter(None, daemons):
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        with open(limit, "w") as file:
            file.write(before)


def _first_line(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def describe(root):
    """{what: text} of the machine and of what is compared on it."""
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    with open("/proc/meminfo") as info:
        memory = int(re.search(r"MemTotal:\s+(\d+)", info.read()).group(1)) / (1 << 20)
    dirty = _first_line("git", "-C", root, "status", "--porcelain", "-uno") != "unknown"
    return {
        "processor": model.group(1) if model else "unknown",
        "processors": os.cpu_count(),
        "cycles_per_second": cycles_per_second(),
        "virtual": _first_line("systemd-detect-virt"),
        "memory_gb": round(memory, 1),
        "huge_pages": huge_pages(),
        "kernel": os.uname().release,
        "nginx": _first_line("nginx", "-v").removeprefix("nginx version: "),
        "haproxy": " ".join(_first_line("haproxy", "-v").split()[:3]),
        "meltemi": _first_line("git", "-C", root, "log", "-1", "--format=%h %cs")
        + (" with local changes" if dirty else ""),
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
