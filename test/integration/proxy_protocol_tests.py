"""The PROXY protocol: HAProxy and curl before the plane say who the client is."""
import collections

import mesh as mesh_lib
import shell
import tls_rig
from fixture import expect, expect_equal

GATEWAY, PLAIN, SECURE = tls_rig.GATEWAY, tls_rig.PLAIN, tls_rig.ONE
FILTER = "envoy.filters.listener.proxy_protocol"
# Of HAProxy: its port, where to, in which version.
PEERS = {8001: (PLAIN, "send-proxy"), 8002: (PLAIN, "send-proxy-v2"),
         8003: (SECURE, "send-proxy"), 8004: (SECURE, "send-proxy-v2"), 8005: (PLAIN, "")}


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
    return {"listeners": listeners}


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
        log = f"{mesh.run_dir}/proxy.access.log"
        mesh.up_static(_resources(pki, log))
        _start_haproxy(mesh)

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
        mesh.check_alive()
        return "HAProxy with versions 1 and 2, curl; plain and before TLS"
    finally:
        mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(proxy_protocol_says_who_the_client_is.__name__,
             proxy_protocol_says_who_the_client_is)]
