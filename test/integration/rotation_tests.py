"""Nothing is lost under load while what mutual TLS stands on is replaced: certificates that fall
due by a jump of the clock, roots, the CA's process, a node's process.

The load makes a handshake for every few requests, half of them between the nodes, so that whatever
is in force is put to use at once. Nodes and CA go by one time of day that the tests move: a
certificate of a day falls due when they say so, and nobody waits."""
import dataclasses
import json
import os
import re
import signal

import measure
import mesh_tls_tests
import shell
import topology as topo
from fixture import expect, expect_equal, expect_none_lost

ECHO, ECHO_POD = mesh_tls_tests.ECHO, mesh_tls_tests.ECHO_POD
TOPOLOGY = dataclasses.replace(mesh_tls_tests.TOPOLOGY, movable_clock=True)
SECONDS_MAX = 100  # of load: it is ended when all is done
HALF_LIFE_S = 12 * 3600 + 1800  # and a little: nodes renew at 49 to 51 % of a certificate's day


class Load:
    """wrk from a pod of node-a to pods of both nodes; a connection between them ends after four
    requests. Handshakes are counted at `nodes`: those that live on."""

    def __init__(self, mesh, *nodes):
        mesh.apply_objects({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "short", "namespace": "default"},
            "spec": {"host": "echo", "trafficPolicy": {"connectionPool": {
                "http": {"maxRequestsPerConnection": 4}}}}})
        self._mesh, self._nodes = mesh, nodes or mesh.topology.nodes
        self._before = self._handshakes()
        self._wrk = measure.Wrk(mesh, ECHO, SECONDS_MAX, connections=8)

    def _handshakes(self):
        """(done, failed)"""
        stats = [measure.node_stats(self._mesh, node) for node in self._nodes]
        return tuple(sum(s.get(f"meltemi_tls_handshakes_{what}_total", 0) for s in stats)
                     for what in ("done", "failed"))

    def wait_for_handshakes(self, count=20):
        """So many more with what is in force now."""
        begun = self._handshakes()[0]
        shell.wait_until(lambda: self._handshakes()[0] >= begun + count,
                         f"{count} more handshakes", 10)

    def end(self, what):
        result = self._wrk.stop()
        done, failed = (now - was for now, was in zip(self._handshakes(), self._before))
        self._mesh.delete("DestinationRule", "short")
        expect_none_lost(result, what)
        expect_equal(0, failed, f"{what}: handshakes that failed, of {done:.0f}")
        return f"{result.requests} requests, {done / len(self._nodes):.0f} handshakes"


def _entries(mesh, node):
    """{identity: its entry of /certs}"""
    text = mesh.admin(node, "/certs")
    return {entry["cert_chain"][0]["subject_alt_names"][0]["uri"]: entry
            for entry in json.loads(text)["certificates"]} if text else {}


def _serials(mesh, *nodes):
    return {(node.name, uri): entry["cert_chain"][0]["serial_number"]
            for node in nodes or mesh.topology.nodes for uri, entry in _entries(mesh, node).items()}


def _wait_renewed(mesh, before, *nodes):
    """Each certificate of these nodes is another one."""
    names = [node.name for node in nodes or mesh.topology.nodes]

    def renewed():
        now = _serials(mesh, *nodes)
        return all(now.get(key, serial) != serial
                   for key, serial in before.items() if key[0] in names)
    shell.wait_until(renewed, f"new certificates on {names}", 20, 0.1)


def _stat(mesh, node, name):
    return measure.node_stats(mesh, node).get(name, 0.0)


def _jump_to_half_life(mesh):
    """Half of a certificate's life passes at once. The CA answers when all nodes have heard, some
    20 ms later: what it signs begins two minutes before its time of day, and a node that still goes
    by the old one would refuse who shows it."""
    def steps():
        return [_stat(mesh, node, "meltemi_node_wall_clock_steps_total")
                for node in mesh.topology.nodes]
    before = steps()
    mesh.ca.send(signal.SIGSTOP)
    mesh.clock.jump(HALF_LIFE_S)
    shell.wait_until(lambda: all(now > was for now, was in zip(steps(), before)),
                     "the nodes to go by the new time", 5)
    mesh.ca.send(signal.SIGCONT)


def clock_jump_to_half_life(mesh):
    """node-b's token has expired by then: it keeps what it has and says so, until the platform has
    written the next."""
    mesh.wait_for_identities()
    before = _serials(mesh)
    load = Load(mesh)
    load.wait_for_handshakes()
    _jump_to_half_life(mesh)
    _wait_renewed(mesh, before, topo.NODE_A)  # which asks with its certificate
    shell.wait_until(
        lambda: _stat(mesh, topo.NODE_B, "meltemi_identity_failures_in_a_row") >= 3,
        "node-b to be refused", 10)
    expect("Jwt is expired" in mesh.planes[topo.NODE_B.name].log_tail(), "node-b does not say why")
    old = _serials(mesh, topo.NODE_B)
    expect_equal({key: before[key] for key in old}, old, "what node-b had, its token expired")
    expect_equal(len(old), _stat(mesh, topo.NODE_B, "meltemi_identity_ready"),
                 "identities of node-b that are ready")
    load.wait_for_handshakes()  # new ones of node-a, old ones of node-b
    mesh.write_token(topo.NODE_B)
    _wait_renewed(mesh, before, topo.NODE_B)
    expect_equal(0, _stat(mesh, topo.NODE_B, "meltemi_identity_failures_in_a_row"),
                 "failures in a row of node-b")
    load.wait_for_handshakes()
    return load.end("the clock jumped")


def root_is_rotated_and_the_ca_restarted(mesh):
    """The CA is away, by a crash, between each two steps, and all that time new handshakes are
    made."""
    mesh.wait_for_identities()
    load = Load(mesh)
    old_roots = _roots(mesh)
    for step, roots, generation in (("begin", 2, 1), ("switch", 2, 2), ("retire", 1, 2)):
        mesh.ca.kill()
        mesh.ca = None  # it is meant to be away
        load.wait_for_handshakes()
        mesh.start_ca()
        mesh.meltemi_ca("rotate-root", step, *([] if step == "begin" else ["--force"]))
        shell.wait_until(lambda g=generation, r=roots: _ca_stands_at(mesh, g, r),
                         f"the CA to follow `{step}`", 5, 0.1)
        before = _serials(mesh)
        mesh.write_token(topo.NODE_B, HALF_LIFE_S)
        _jump_to_half_life(mesh)
        _wait_renewed(mesh, before)
        issued = _generations(mesh)
        for node in mesh.topology.nodes:
            for uri, entry in _entries(mesh, node).items():
                expect_equal((roots, generation), (len(entry["ca_cert"]), issued.get(
                    entry["cert_chain"][0]["serial_number"])), f"{uri} after `{step}`")
        load.wait_for_handshakes()
    expect(not old_roots & _roots(mesh), "the old root is trusted still")
    return load.end("the root was rotated")


def _generations(mesh):
    """{serial: which of the CA's certificates has signed it}, of the CA's log."""
    with open(f"{mesh.ca_dir}/issuance.log") as log:
        return {entry["serial"]: entry["generation"] for entry in map(json.loads, log)}


def _roots(mesh):
    return {root["serial_number"] for node in mesh.topology.nodes
            for entry in _entries(mesh, node).values() for root in entry["ca_cert"]}


def _ca_stands_at(mesh, generation, roots):
    """By the page of the server: a command has changed the folder, the server follows."""
    done = shell.run(shell.in_netns(mesh.control_netns, [
        "curl", "-s", "-m", "5", f"http://{topo.MANAGEMENT_GATEWAY}:15014/status"]), check=False)
    return (f"signs: generation {generation}," in done.stdout and
            f"trusted roots: {roots}\n" in done.stdout)


def _restart_node_b(mesh):
    before = _serials(mesh, topo.NODE_B)
    expect_equal(0, mesh.planes[topo.NODE_B.name].stop(), "exit code of node-b")
    mesh.start_plane(topo.NODE_B)
    shell.wait_until(lambda: set(_serials(mesh, topo.NODE_B)) == set(before),
                     "node-b to have its certificates", 20, 0.1)
    mesh.wait_converged()
    shell.wait_until(lambda: _contexts_ready(mesh, topo.NODE_B), "node-b to serve with them", 10)


def _contexts_ready(mesh, node):
    states = re.findall(r"^meltemi_tls_context_ready\{.*\} (\d)", mesh.admin(
        node, "/stats/prometheus") or "", re.M)
    return states and "0" not in states


def _echo_ready(mesh, ready):
    """The far pod, as its kubelet tells of it."""
    pod = topo.pod_document(ECHO_POD, mesh_tls=True)
    pod["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    mesh.apply_objects(pod)


def node_restarted_once_drained(mesh):
    """The pods of a node whose plane is to be restarted are taken out of service first, and return
    when it has certificates again: nobody is lost."""
    mesh.wait_for_identities()
    load = Load(mesh, topo.NODE_A)
    load.wait_for_handshakes()
    _echo_ready(mesh, False)
    shell.wait_until(lambda: _stat(mesh, topo.NODE_B, "meltemi_l7_exchanges") == 0,
                     "what is under way on node-b to end", 10)
    _restart_node_b(mesh)
    _echo_ready(mesh, True)
    load.wait_for_handshakes()
    return load.end("node-b was drained and restarted")


def node_restarted_under_load(mesh):
    """Without notice: what was under way there is asked for again elsewhere, where the route allows
    it."""
    mesh.wait_for_identities()
    mesh.apply_objects({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "again", "namespace": "default"},
        "spec": {"hosts": ["echo"], "http": [{
            "route": [{"destination": {"host": "echo"}}],
            "retries": {"attempts": 3, "perTryTimeout": "500ms",
                        "retryOn": "connect-failure,reset,unavailable"}}]}})
    load = Load(mesh, topo.NODE_A)
    load.wait_for_handshakes()
    _restart_node_b(mesh)
    load.wait_for_handshakes()
    told = load.end("node-b was restarted")
    mesh.delete("VirtualService", "again")
    return told


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []
    return [(f"rotation_{test.__name__}", test, TOPOLOGY) for test in (
        clock_jump_to_half_life, root_is_rotated_and_the_ca_restarted,
        node_restarted_once_drained, node_restarted_under_load)]
