"""What is measured once, not in slices: idle processors, memory of idle connections."""
import threading
import time

import machine
import rigs as rigs_lib


def idle(rigs, seconds):
    """{name: {"cpu": share of a CPU used with no traffic}}, one rig after the other."""
    found = {}
    for name, rig in rigs.items():
        if name == "none":
            continue
        rig.resume()
        time.sleep(0.5)  # adaptive polling calms down
        ran, started = machine.run_time(rig.proxy.pid), time.monotonic()
        time.sleep(seconds)
        used = machine.run_time(rig.proxy.pid) - ran
        found[name] = {"cpu": used / (time.monotonic() - started)}
        rig.pause()
    return found


def memory(names, connections):
    """{name: {"process": bytes, "kernel": bytes}} for one idle keep-alive connection.

    Fresh processes; each connection has had one request. Kernel memory: the slab's growth, of the
    whole machine: the client's side is not in it, its TCP is our own.
    """
    found = {}
    for number, name in enumerate((n for n in names if n not in ("none", "meltemi-vhost")), 1):
        rig = rigs_lib.KINDS[name](name, number)
        try:
            rig.up()
            rig.wait_ready()
            # What grows once with the first traffic is not the connections'.
            rig.load.run(connections=100, warmup="0ms", duration="300ms")
            time.sleep(0.5)
            found[name] = _memory_of(rig, connections)
        finally:
            rigs_lib.take_down({name: rig})
    return found


def _memory_of(rig, connections):
    process, kernel = machine.resident_bytes(rig.proxy.pid), machine.kernel_memory_bytes()
    result = {}

    def hold():
        # One after the other: what a burst needs at once is not what idle connections keep.
        result.update(rig.load.run(connections=connections, requests_per_connection=1,
                                   rate=connections / 2, warmup="0ms", duration="4s", drain="0ms"))

    thread = threading.Thread(target=hold)
    thread.start()
    time.sleep(3.5)
    grown = {"process": machine.resident_bytes(rig.proxy.pid) - process,
             "kernel": machine.kernel_memory_bytes() - kernel}
    thread.join()
    if result.get("requests_total") != connections:
        return {"problem": f"{result.get('requests_total')} of {connections} connections answered"}
    if rig.name == "meltemi":
        grown["kernel"] = 0  # it has no socket; what else grew is the machine's noise
    return {what: bytes_ / connections for what, bytes_ in grown.items()}
