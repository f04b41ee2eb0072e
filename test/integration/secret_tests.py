"""Gateways take their certificates from Secrets (credentialName): Pilot sends them over mutual TLS
to the node that runs the gateway, they are replaced under load, and nobody is shown a key."""
import base64
import dataclasses
import json
import os

import gateway_tests
import measure
import shell
import tls_rig
import topology as topo
from fixture import curl, expect, expect_equal, expect_none_lost

TOPOLOGY = dataclasses.replace(gateway_tests.TOPOLOGY, pilot_tls=True)
OUTSIDER = gateway_tests.OUTSIDER
V4 = gateway_tests.V4
LOAD_PORT = 4443  # of any name: the load's handshakes give none
NAMES = ("a.example.com", "b.example.com", "c.example.com")


def _pki(mesh):
    pki = getattr(mesh, "secret_pki", None)
    if pki is None or not os.path.isdir(pki.folder):
        pki = mesh.secret_pki = tls_rig.Pki(f"{mesh.run_dir}/secret-pki")
        pki.issue("shop", *(f"DNS:{name}" for name in NAMES))
        pki.issue("next", *(f"DNS:{name}" for name in NAMES), authority="b")
        pki.issue("friend", "URI:spiffe://partner/friend")
        pki.issue("stranger", "URI:spiffe://partner/friend", authority="b")
    return pki


def _secret(mesh, name, **files):
    """A Secret with these keys (`_` for `.`) of files' texts."""
    pki = _pki(mesh)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/tls",
            "data": {key.replace("_", "."): base64.b64encode(pki.text(path).encode()).decode()
                     for key, path in files.items()}}


def _tls_secret(mesh, certificate, name="shop"):
    pki = _pki(mesh)
    return _secret(mesh, name, tls_crt=pki.pem(certificate), tls_key=pki.key(certificate),
                   ca_crt=pki.pem("ca-a"))


def _apply(mesh, *documents):
    mesh.apply_objects(*documents)


def _use_gateway(mesh):
    server = gateway_tests._server
    _apply(mesh, _tls_secret(mesh, "shop"), gateway_tests._object("Gateway", "front", {
        "selector": topo.INGRESS_LABELS,
        "servers": [
            server(443, "HTTPS", [NAMES[0]], mode="SIMPLE", credentialName="shop"),
            server(443, "HTTPS", [NAMES[1]], mode="MUTUAL", credentialName="shop"),
            server(443, "HTTPS", [NAMES[2]], mode="SIMPLE", credentialName="later"),
            server(LOAD_PORT, "HTTPS", ["*"], mode="SIMPLE", credentialName="shop"),
        ]}), gateway_tests._object("VirtualService", "web", {
            "hosts": list(NAMES), "gateways": ["front"],
            "http": [{"route": [{"destination": {"host": "echo"}}]}]}))
    shell.wait_until(lambda: _get(mesh, NAMES[0]) == "200", "the gateway to serve", 20, 0.1)


def _get(mesh, name, *arguments, authority="ca-a"):
    return curl(mesh, "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--cacert",
                _pki(mesh).pem(authority), "--resolve", f"{name}:443:{V4}", *arguments,
                f"https://{name}/", pod=OUTSIDER.name, check=False).stdout


def _key_lines(mesh):
    """What no page may show: the middle of each private key, as PEM and in base64."""
    out = []
    for name in ("shop", "next"):
        text = _pki(mesh).text(_pki(mesh).key(name))
        out += [text.splitlines()[1], base64.b64encode(text.encode()).decode()[80:140]]
    return out


def served_by_name_and_shown_to_nobody(mesh):
    _use_gateway(mesh)
    expect_equal("200", _get(mesh, NAMES[0]), "with the Secret's certificate")
    status = mesh.meltemi("status").stdout
    said = ("Gateway default/front: spec.servers[2].tls.credentialName: not served: Secret "
            "default/later is not there")
    expect(said in status, f"{said!r} in {status}")
    expect_equal("000", _get(mesh, NAMES[2]), "the server without a Secret")
    _apply(mesh, _tls_secret(mesh, "shop", name="later"))
    shell.wait_until(lambda: _get(mesh, NAMES[2]) == "200", "the Secret that came later", 10, 0.1)
    expect(said not in mesh.meltemi("status").stdout, "still named")
    mesh.meltemi("delete", "Secret", "later")
    shell.wait_until(lambda: _get(mesh, NAMES[2]) == "000", "the server to shut again", 10, 0.1)
    expect_equal("200", _get(mesh, NAMES[0]), "the other server")

    pages = {"meltemi get": mesh.meltemi("get", "secret", "shop", "-o", "yaml").stdout,
             "meltemi get all": mesh.meltemi("get", "secret").stdout,
             "status": mesh.meltemi("status").stdout}
    for node in mesh.topology.nodes:
        for path in ("/config_dump", "/certs", "/stats/prometheus"):
            pages[f"{node.name}{path}"] = mesh.admin(node, path) or ""
    for name in ("pilot.log", "node-a.log", "node-b.log"):
        with open(f"{mesh.run_dir}/{name}") as file:
            pages[name] = file.read()
    expect("[redacted]" in pages["meltemi get"], pages["meltemi get"])
    for line in _key_lines(mesh):
        for page, text in pages.items():
            expect(line not in text, f"a key in {page}")
    expect("kubernetes://default/shop" in pages["node-a/config_dump"], "no secret at the gateway")
    expect("kubernetes://default/shop" not in pages["node-b/config_dump"], "a secret at node-b")
    file, = (f"{mesh.config_dir}/{f}" for f in os.listdir(mesh.config_dir) if "secret" in f)
    expect_equal(0o600, os.stat(file).st_mode & 0o777, f"mode of {file}")


def mutual_with_the_secrets_authority(mesh):
    _use_gateway(mesh)
    pki = _pki(mesh)

    def by(name):
        return _get(mesh, NAMES[1], "--cert", pki.pem(name), "--key", pki.key(name))
    shell.wait_until(lambda: by("friend") == "200", "a client with a certificate", 10, 0.1)
    expect_equal("000", by("stranger"), "a client of another authority")
    expect_equal("000", _get(mesh, NAMES[1]), "a client without a certificate")
    _apply(mesh, _secret(mesh, "shop-cacert", ca_crt=pki.pem("ca-b")))
    try:
        shell.wait_until(lambda: by("stranger") == "200", "NAME-cacert to be used", 10, 0.1)
        expect_equal("000", by("friend"), "a client of the old authority")
    finally:
        mesh.meltemi("delete", "Secret", "shop-cacert")
        mesh.wait_converged()


def replaced_under_load_without_loss(mesh):
    _use_gateway(mesh)
    host = f"Host: {NAMES[0]}"
    loads = [measure.Wrk(mesh, f"https://{V4}:{LOAD_PORT}/", 6, connections=4, pod=OUTSIDER.name,
                         headers=headers) for headers in ((host,), (host, "Connection: close"))]
    for certificate, authority in (("next", "ca-b"), ("shop", "ca-a"), ("next", "ca-b"),
                                   ("shop", "ca-a")):
        _apply(mesh, _tls_secret(mesh, certificate))
        shell.wait_until(lambda a=authority: _get(mesh, NAMES[0], authority=a) == "200",
                         f"the certificate of {authority}", 10, 0.1)
    results = [load.result() for load in loads]
    for result in results:
        expect_none_lost(result, "while the Secret was replaced")
    return f"{results[0].requests} requests, {results[1].requests} connections"


def a_broken_secret_shuts_its_server_alone(mesh):
    _use_gateway(mesh)
    good = _tls_secret(mesh, "shop")
    broken = json.loads(json.dumps(good))
    broken["data"]["tls.key"] = _tls_secret(mesh, "next")["data"]["tls.key"]
    server = gateway_tests._server
    _apply(mesh, broken, gateway_tests._object("Gateway", "front", {
        "selector": topo.INGRESS_LABELS,
        "servers": [server(443, "HTTPS", [NAMES[0]], mode="SIMPLE", credentialName="shop"),
                    server(80, "HTTP", ["plain.example.com"])]}),
           gateway_tests._object("VirtualService", "web", {
               "hosts": [NAMES[0], "plain.example.com"], "gateways": ["front"],
               "http": [{"route": [{"destination": {"host": "echo"}}]}]}))
    said = "Secret default/shop: its key is not that of its certificate"
    expect(said in mesh.meltemi("status").stdout, f"{said!r} in the status")
    shell.wait_until(lambda: _get(mesh, NAMES[0]) == "000", "the server to shut", 10, 0.1)
    done = curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", "-H", "host: plain.example.com",
                f"http://{V4}/", pod=OUTSIDER.name)
    expect_equal("200", done.stdout, "the other port")
    _apply(mesh, good)
    shell.wait_until(lambda: _get(mesh, NAMES[0]) == "200", "the mended Secret", 10, 0.1)


def tests():
    if os.environ.get("MELTEMI_NODE") == "kernel":
        return []
    return [(f"secret_{test.__name__}", test, TOPOLOGY) for test in (
        served_by_name_and_shown_to_nobody, mutual_with_the_secrets_authority,
        replaced_under_load_without_loss, a_broken_secret_shuts_its_server_alone)]
