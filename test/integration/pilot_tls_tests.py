"""Nodes call Pilot by mutual TLS, with the certificates that the CA gave them."""
import measure
import mesh as mesh_lib
import shell
import topology as topo
from fixture import curl, expect, expect_equal, expect_none_lost

TOPOLOGY = topo.Topology(
    nodes=topo.BOOKINFO.nodes,
    pods=(topo.Pod("client", "client", topo.NODE_A, 11),
          topo.Pod("echo-v1", "echo", topo.NODE_B, 20)),
    services=(topo.Service("echo", 20),),
    mesh_tls=True,
    pilot_tls=True,
)
ECHO = "http://echo:9080/"


def _log(mesh):
    with open(f"{mesh.run_dir}/pilot.log") as log:
        return log.read()


def _refusals(mesh):
    done = shell.run(shell.in_netns(mesh.control_netns, [
        "curl", "-s", "-m", "5", f"http://{topo.MANAGEMENT_GATEWAY}:8080/metrics"]))
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()
            if line.startswith("pilot_xds_auth_failures{")}


def _restart(mesh, node):
    expect_equal(0, mesh.planes[node.name].stop(), f"exit code of {node.name}")
    mesh.start_plane(node)


def every_node_is_proven_and_served(mesh):
    """A fault that Pilot injects is seen: what nodes have came over TLS."""
    for node in mesh.topology.nodes:
        expect(f'node connected node={node.name}' in _log(mesh), f"{node.name} in {_log(mesh)}")
    expect("proven=no" not in _log(mesh), "a node that is not proven")
    mesh.apply_objects({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "echo"}, "spec": {"hosts": ["echo"], "http": [{
            "match": [{"uri": {"prefix": "/gone"}}], "directResponse": {"status": 410}},
            {"route": [{"destination": {"host": "echo"}}]}]}})
    for path, code in (("gone", "410"), ("", "200")):
        done = curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", ECHO + path)
        expect_equal(code, done.stdout, f"/{path}")


def a_node_with_another_name_is_refused(mesh):
    """node-b says it is node-a: the CA knows better, and its plane gets nothing."""
    node = topo.NODE_B
    before = _refusals(mesh)
    mesh.planes[node.name].stop()
    bootstrap = mesh.bootstrap(node)
    bootstrap["node"]["id"] = "node-a"
    mesh.write_token(node)
    mesh.write_bootstrap(node, bootstrap)
    mesh.planes[node.name] = shell.Daemon(
        node.name, [mesh_lib.NODE_BINARY, f"--config={mesh.bootstrap_path(node)}"],
        f"{mesh.run_dir}/{node.name}.log", mesh.netns(node.name)).start()
    try:
        said = 'the stream is of node \\"node-b\\", not of \\"node-a\\"'
        shell.wait_until(lambda: said in _log(mesh), "Pilot to say so", 20, 0.1)
        key = 'pilot_xds_auth_failures{reason="node"}'
        expect(_refusals(mesh).get(key, 0) > before.get(key, 0), f"{key} in {_refusals(mesh)}")
        expect(mesh.admin(node, "/ready") is None, "a node that was refused is ready")
    finally:
        _restart(mesh, node)
        mesh.wait_ready()


def pilots_certificate_is_renewed_while_it_serves(mesh):
    """New connections see the new one; a broken file changes nothing."""
    mesh.renew_pilot_certificate()
    _restart(mesh, topo.NODE_B)
    mesh.wait_ready()
    with open(f"{mesh.pilot_tls_dir}/cert.pem", "w") as file:
        file.write("broken")
    _restart(mesh, topo.NODE_B)
    mesh.wait_ready()
    expect("TLS files not usable" in _log(mesh), "Pilot does not say what is broken")
    mesh.renew_pilot_certificate()
    mesh.wait_converged()
    load = measure.Wrk(mesh, ECHO, 2, connections=8)
    expect_none_lost(load.result(), "after all that")


def pilot_killed_and_restarted_is_called_again(mesh):
    load = measure.Wrk(mesh, ECHO, 4, connections=8)
    mesh.pilot.kill()
    mesh.start_pilot()
    mesh.wait_converged()
    expect_none_lost(load.result(), "while Pilot was away")


def tests():
    return [(f"pilot_tls_{test.__name__}", test, TOPOLOGY) for test in (
        every_node_is_proven_and_served, a_node_with_another_name_is_refused,
        pilots_certificate_is_renewed_while_it_serves,
        pilot_killed_and_restarted_is_called_again)]
