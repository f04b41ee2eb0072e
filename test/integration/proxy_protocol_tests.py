"""The PROXY protocol: HAProxy and curl say who the client is, and nginx hears it from the plane."""
import collections

import mesh as mesh_lib
import servers
import shell
import tls_rig
from fixture import expect, expect_equal

GATEWAY, PLAIN, SECURE = tls_rig.GATEWAY, tls_rig.PLAIN, tls_rig.ONE
ONWARDS = tls_rig.MUTUAL
FILTER = "envoy.filters.listener.proxy_protocol"
# Of HAProxy: its port, where to, in which version.
PEERS = {8001: (PLAIN, "send-proxy"), 8002: (PLAIN, "send-proxy-v2"),
         8003: (SECURE, "send-proxy"), 8004: (SECURE, "send-proxy-v2"), 8005: (PLAIN, "")}
_WRAPPER = ("type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3."
            "ProxyProtocolUpstreamTransport")
_NGINX = servers.NGINX_START + """\
  server {{
    listen {plain} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr of $proxy_protocol_server_port"; }}
  }}
  server {{
    listen {secure} ssl proxy_protocol;
    ssl_protocols TLSv1.3;
    ssl_certificate {certificate}.pem;
    ssl_certificate_key {certificate}.key;
    location / {{ return 200 "$proxy_protocol_addr by $ssl_protocol"; }}
  }}
}}
"""


def _to_nginx(name, port, version, socket):
    """A cluster whose connections begin with a PROXY header."""
    resource = tls_rig.cluster(name, port)
    resource["transport_socket"] = {
        "name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": {
            "@type": _WRAPPER, "config": {"version": version}, "transport_socket": socket}}
    return resource


def _resources(pki, log):
    def http(name):
        manager = tls_rig.http_filter(name, {"/": name}, log)
        log_format = manager["typed_config"]["access_log"][0]["typed_config"]["log_format"]
        log_format["text_format_source"]["inline_string"] = (
            "%REQ(:PATH)% %RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\n")
        return manager
    secure = tls_rig.server_socket({"tls_certificates": [tls_rig.certificate(pki, "a.test")]})
    listeners = [tls_rig.listener("plain", PLAIN, {"filters": [http("plain")]}),
                 tls_rig.listener("secure", SECURE,
                                  {"transport_socket": secure, "filters": [http("secure")]})]
    for listener in listeners:
        listener["listener_filters"] = [{"name": FILTER}]
        listener["listener_filters_timeout"] = "1s"
    routes = {"/v1": "to-v1", "/v2": "to-v2", "/tls": "to-tls"}
    listeners.append(tls_rig.listener("onwards", ONWARDS, {"filters": [
        tls_rig.http_filter("onwards", routes, "/dev/null")]}))
    plain = {"name": "envoy.transport_sockets.raw_buffer"}
    return {"listeners": listeners, "clusters": [
        _to_nginx("to-v1", tls_rig.NGINX_PLAIN, "V1", plain),
        _to_nginx("to-v2", tls_rig.NGINX_PLAIN, "V2", plain),
        _to_nginx("to-tls", tls_rig.NGINX, "V2", tls_rig.client_socket(
            "server.test", **tls_rig.trust(pki, "a")))]}


def _start_nginx(mesh, pki):
    path = f"{mesh.run_dir}/nginx.conf"
    with open(path, "w") as file:
        file.write(_NGINX.format(run=mesh.run_dir, plain=tls_rig.NGINX_PLAIN, secure=tls_rig.NGINX,
                                 certificate=f"{pki.folder}/server.test"))
    mesh.servers["nginx"] = shell.Daemon("nginx", ["nginx", "-e", "stderr", "-c", path],
                                         f"{mesh.run_dir}/nginx.log",
                                         mesh.netns("backend")).start()


def _servers_hear_it(mesh):
    own = mesh.topology.pod("client").v4

    def ask(path):
        url = f"http://{GATEWAY}:{ONWARDS}/{path}"
        return mesh.run_in_pod("client", ["curl", "-s", "-m", "5", *[url] * 3], check=False).stdout
    shell.wait_until(lambda: own in ask("v1"), "nginx to answer", 5)
    for path, want in (("v1", f"{own} of {ONWARDS}"), ("v2", f"{own} of {ONWARDS}"),
                       ("tls", f"{own} by TLSv1.3")):
        expect_equal(want * 3, ask(path), f"nginx, {path}")


def _start_haproxy(mesh):
    lines = ["global", "  maxconn 512", "defaults", "  mode tcp", "  timeout connect 5s",
             "  timeout client 20s", "  timeout server 20s"]
    for port, (target, how) in PEERS.items():
        lines += [f"listen p{port}", f"  bind 127.0.0.1:{port}",
                  f"  server plane {GATEWAY}:{target} {how}"]
    path = f"{mesh.run_dir}/haproxy.cfg"
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    mesh.servers["haproxy"] = shell.Daemon("haproxy", ["haproxy", "-db", "-f", path],
                                           f"{mesh.run_dir}/haproxy.log",
                                           mesh.netns("client")).start()


def proxy_protocol_says_who_the_client_is(_):
    mesh = mesh_lib.Mesh("mltp-", tls_rig.TOPOLOGY)
    try:
        mesh.down()
        pki = tls_rig.Pki(f"{mesh.run_dir}/pki")
        pki.issue("a.test", "DNS:a.test")
        pki.issue("server.test", "DNS:server.test")
        log = f"{mesh.run_dir}/proxy.access.log"
        mesh.up_static(_resources(pki, log))
        _start_haproxy(mesh)
        _start_nginx(mesh, pki)

        def ask(url, *arguments):
            return mesh.run_in_pod("client", ["curl", "-sk", "-m", "5", *arguments, url],
                                   check=False).stdout
        shell.wait_until(lambda: ask("http://127.0.0.1:8001/ready") == "plain",
                         "HAProxy to answer", 5)
        for port, (target, _how) in PEERS.items():
            scheme, want = ("https", "secure") if target == SECURE else ("http", "plain")
            expect_equal(want if port != 8005 else "", ask(f"{scheme}://127.0.0.1:{port}/{port}"),
                         f"port {port}")
        own = mesh.topology.pod("client").v4
        for path, scheme, port in (("own", "http", PLAIN), ("own-tls", "https", SECURE)):
            expect(ask(f"{scheme}://{GATEWAY}:{port}/{path}", "--haproxy-protocol") != "",
                   f"curl, {path}")
        want = collections.Counter([f"/{p} 200 127.0.0.1" for p in (8001, 8002, 8003, 8004)]
                                   + [f"/{p} 200 {own}" for p in ("own", "own-tls")])

        def logged():
            with open(log) as file:
                return want == collections.Counter(
                    line.strip() for line in file if "ready" not in line)
        shell.wait_until(logged, f"the access log to have {want}", 5)
        page = mesh.admin(tls_rig.NODE, "/stats/prometheus")
        expect("meltemi_worker_proxy_protocol_refused_total" in page, "no counter of the refused")
        _servers_hear_it(mesh)
        mesh.check_alive()
        return "from HAProxy (versions 1 and 2) and curl, to nginx; plain and before TLS"
    finally:
        mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(proxy_protocol_says_who_the_client_is.__name__,
             proxy_protocol_says_who_the_client_is)]
