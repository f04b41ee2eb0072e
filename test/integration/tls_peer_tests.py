"""The plane's TLS against other people's: openssl s_client and s_server with every suite the plane
claims, client certificates, resumption and key updates; HAProxy as a client with a certificate,
nginx as a server that asks for one. Run by tls_tests.py, in its rig."""
import re
import urllib.parse

import measure
import shell
from fixture import FIRST_PEER, Talk, expect, expect_equal
from tls_rig import BACKEND, BY_NAME, GATEWAY, MUTUAL, NODE, OPAQUE, PEER, PLAIN, RIG

SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
SUITES_12 = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
REQUEST = "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"


def _only(suite, key="ECDSA"):
    """s_client's and s_server's options for one suite."""
    if suite.startswith("TLS_"):
        return "-tls1_3", "-ciphersuites", suite
    return "-tls1_2", "-cipher", f"ECDHE-{key}-{suite}"


def _files(name):
    return "-cert", RIG.pki.pem(name), "-key", RIG.pki.key(name)


def _grown(names, action):
    before = measure.node_stats(RIG.mesh, NODE)
    action()
    after = measure.node_stats(RIG.mesh, NODE)
    return {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}


def _s_client(*arguments, port=MUTUAL, name="a.test", text=REQUEST):
    argv = ["openssl", "s_client", "-connect", f"{GATEWAY}:{port}", "-servername", name, "-CAfile",
            RIG.pki.pem("ca-a"), "-verify_return_error", *arguments]
    return shell.run(RIG.mesh.in_pod("client", argv), check=False, stdin_text=text, timeout_s=20)


def s_client_with_every_suite(_):
    """With client certificates of both kinds of keys; a server's RSA key has its own listener."""
    rows = [(s, "ECDSA", MUTUAL, "a.test", friend)
            for s in SUITES_13 + SUITES_12 for friend in ("friend", "friend-by-dns")]
    rows += [(s, "RSA", BY_NAME, "x.wild.test", "friend") for s in SUITES_13 + SUITES_12]
    for suite, key, port, name, friend in rows:
        done = _s_client("-ign_eof", *_only(suite, key), *_files(friend), port=port, name=name)
        cipher = suite if suite.startswith("TLS_") else f"ECDHE-{key}-{suite}"
        expect(f"Cipher is {cipher}" in done.stdout and "HTTP/1.1 200" in done.stdout,
               f"{suite}, {key}, {friend}:\n{done.stdout[-800:]}{done.stderr[-400:]}")


def s_client_resumes_with_its_certificate(_):
    for version in ("1_2", "1_3"):
        session = f"{RIG.mesh.run_dir}/session-{version}"
        ask = ("-ign_eof", f"-tls{version}", *_files("friend"))

        def resume():
            _s_client(*ask, "-sess_out", session)
            done = _s_client(*ask, "-sess_in", session)
            expect("Reused, TLSv" in done.stdout and "HTTP/1.1 200" in done.stdout,
                   f"TLS {version}, not resumed:\n{done.stdout[-800:]}{done.stderr[-400:]}")
        expect_equal({"envoy_listener_ssl_session_reused": 1.0},
                     _grown(["envoy_listener_ssl_session_reused"], resume), f"TLS {version}")


KEY_UPDATES = ("meltemi_tls_key_updates_in_total", "meltemi_tls_key_updates_out_total")


def s_client_changes_keys(_):
    """Once for itself, twice for both, between requests."""
    for suite in SUITES_13:
        argv = ["openssl", "s_client", "-connect", f"{GATEWAY}:{MUTUAL}", "-servername", "a.test",
                *_only(suite), *_files("friend")]

        def update():
            with Talk(RIG.mesh, "client", argv) as talk:
                talk.hear("Verify return code")
                for n, letter in enumerate("kKK"):
                    talk.type("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                    talk.hear("HTTP/1.1 200", n + 1)
                    talk.type(f"{letter}\n")
                    talk.hear("KEYUPDATE", n + 1)
                talk.type("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
                talk.hear("HTTP/1.1 200", 4)
        grown = _grown(KEY_UPDATES, update)
        # Those of ChaCha20 are OpenSSL's own business, uncounted.
        if "CHACHA" not in suite:
            expect_equal([3.0, 2.0], list(grown.values()), f"key updates in and out, {suite}")


class _Server(Talk):
    """openssl s_server behind the clusters "to-peer", with the client's certificate required."""

    def __init__(self, *arguments, certificate="server.test"):
        super().__init__(RIG.mesh, "backend", [
            "openssl", "s_server", "-accept", f"{BACKEND}:{PEER}", *_files(certificate), "-CAfile",
            RIG.pki.pem("ca-a"), "-Verify", "3", "-verify_return_error", *arguments])
        self.hear("ACCEPT")


def _ask_peer():
    return RIG.mesh.run_in_pod("client", ["curl", "-sS", "-m", "10", "-w", "\n%{http_code}",
                                          f"http://{GATEWAY}:{PLAIN}/peer"], check=False).stdout


def s_server_with_every_suite(_):
    """The plane shows its certificate, and comes back with the session it was given."""
    rows = [(s, "ECDSA", "server.test") for s in SUITES_13 + SUITES_12]
    rows += [(s, "RSA", "server-rsa") for s in (SUITES_13[0],) + SUITES_12]
    for suite, key, certificate in rows:
        with _Server("-www", *_only(suite, key), certificate=certificate):
            cipher = suite if suite.startswith("TLS_") else f"ECDHE-{key}-{suite}"
            page = _ask_peer()
            expect(page.endswith("200") and f"Cipher is {cipher}" in page and "New, " in page,
                   f"s_server {suite}, {key}:\n{page[-800:]}")
            page = _ask_peer()
            expect("Reused, " in page, f"s_server {suite}, {key}: not resumed\n{page[-800:]}")


def s_server_refuses_a_foe(_):
    """The alert of a server that does not know our issuer comes behind our handshake, when the
    request is on its way."""
    def ask():
        with _Server("-www", "-tls1_3", "-CAfile", RIG.pki.pem("ca-b")):
            page = _ask_peer()
        expect(page.endswith("503") and "connection termination" in page, f"answered: {page}")
    alerts = "meltemi_tls_alerts_in_total"
    expect_equal({alerts: 1.0}, _grown([alerts], ask), "alerts of the server")


def s_server_changes_keys(_):
    """An opaque stream that goes on through updates of either side's keys."""
    for suite in SUITES_13:
        def update():
            with _Server(*_only(suite)) as server, Talk(
                    RIG.mesh, "client", ["/usr/bin/python3", "-B", FIRST_PEER, "connect", GATEWAY,
                                         str(OPAQUE)]) as client:
                client.type("ask 1\n")
                server.hear("ask 1")
                for n, letter in enumerate("kKK"):
                    server.type(f"{letter}\n")
                    server.hear("SSL_do_handshake -> 1", n + 1)
                    server.type(f"answer {n}\n")
                    client.hear(f"answer {n}")
                    client.type(f"again {n}\n")
                    server.hear(f"again {n}")
        grown = _grown(KEY_UPDATES, update)
        if "CHACHA" not in suite:
            expect_equal([3.0, 2.0], list(grown.values()), f"key updates in and out, {suite}")


# HAProxy in the client's pod: a port for each way to speak to the plane's MUTUAL port. Those of
# HTTP/1.1 have a connection for each request.
_HAPROXY = {8001: ("friend", "alpn http/1.1 ssl-min-ver TLSv1.3"),
            8002: ("friend", "alpn h2 ssl-min-ver TLSv1.3"),
            8003: ("friend-by-dns", "alpn http/1.1 ssl-max-ver TLSv1.2"),
            8004: ("foe", "alpn http/1.1"),
            8005: ("friend", "alpn http/1.1 no-ssl-reuse")}


def _haproxy_config():
    lines = ["global", "  maxconn 512", "  nbthread 1", "defaults", "  mode http",
             "  timeout connect 5s", "  timeout client 20s", "  timeout server 20s", "  retries 0"]
    for port, (name, options) in _HAPROXY.items():
        both = f"{RIG.mesh.run_dir}/haproxy-{name}.pem"
        with open(both, "w") as file:
            file.write(RIG.pki.text(RIG.pki.pem(name)) + RIG.pki.text(RIG.pki.key(name)))
        lines += [f"listen p{port}", f"  bind 127.0.0.1:{port}",
                  *(["  option httpclose"] if "http/1.1" in options else []),
                  f"  server plane {GATEWAY}:{MUTUAL} ssl crt {both} ca-file {RIG.pki.pem('ca-a')}"
                  f" verify required sni str(a.test) verifyhost a.test {options}"]
    path = f"{RIG.mesh.run_dir}/haproxy.cfg"
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path


def haproxy_as_client(_):
    daemon = shell.Daemon("haproxy", ["haproxy", "-db", "-f", _haproxy_config()],
                          f"{RIG.mesh.run_dir}/haproxy.log", RIG.mesh.netns("client")).start()

    def ask(port):
        return RIG.mesh.run_in_pod("client", ["curl", "-sS", "-m", "10", "-w", " %{http_code}",
                                              f"http://127.0.0.1:{port}/"], check=False).stdout
    try:
        shell.wait_until(lambda: ask(8001) == "mutual 200", "HAProxy to answer", 5)
        for port, (name, options) in _HAPROXY.items():
            if name == "foe":
                grown = _grown(["envoy_listener_ssl_fail_verify_san"], lambda p=port: expect(
                    ask(p)[-3:] in ("502", "503"), "a certificate of somebody else was served"))
                expect(grown["envoy_listener_ssl_fail_verify_san"] >= 1, f"not counted: {grown}")
            else:
                expect_equal("mutual 200", ask(port), f"HAProxy, {name}, {options}")
        for port, resumes in ((8001, {True}), (8002, {True, False}), (8003, {True}),
                              (8005, {False})):
            def load():
                result = measure.Wrk(RIG.mesh, f"http://127.0.0.1:{port}/", 1,
                                     connections=8).result()
                expect(result.requests > 20, f"port {port}: hardly any request:\n{result.text}")
                expect_equal((0, 0), (result.socket_errors, result.failed), f"lost\n{result.text}")
            resumed = _grown(["envoy_listener_ssl_session_reused"], load)
            expect((resumed["envoy_listener_ssl_session_reused"] > 0) in resumes,
                   f"port {port}: {resumed}")
    finally:
        daemon.stop()


def nginx_as_server(_):
    """It asks for certificates: the plane's is shown on every connection, new, resumed and kept."""
    done = RIG.mesh.run_in_pod("client", ["curl", "-sS", "-m", "10", "--no-keepalive"] + [
        f"http://{GATEWAY}:{PLAIN}/mutual"] * 5, check=False)
    expect_equal(["CN=friend SUCCESS"] * 5, done.stdout.splitlines(), "what nginx saw")
    result = measure.Wrk(RIG.mesh, f"http://{GATEWAY}:{PLAIN}/mutual", 1, connections=16).result()
    expect(result.requests > 100, f"hardly any request:\n{result.text}")
    expect_equal((0, 0), (result.socket_errors, result.failed), f"lost\n{result.text}")


def servers_get_the_clients_certificate(_):
    """x-forwarded-client-cert with Cert and Chain: of a client of each kind of key."""
    for friend in ("friend", "friend-by-dns"):
        done = RIG.mesh.run_in_pod("client", [
            "curl", "-sSi", "-m", "10", "--cacert", RIG.pki.pem("ca-a"), "--resolve",
            f"a.test:{MUTUAL}:{GATEWAY}", "--cert", RIG.pki.pem(friend), "--key",
            RIG.pki.key(friend), "-H", "x-forwarded-client-cert: Hash=0",
            f"https://a.test:{MUTUAL}/plain"])
        heard = re.search(r"^x-client-cert: (\S+)\s*$", done.stdout, re.M)
        expect(heard, f"{friend}: no header\n{done.stdout}")
        fields = dict(part.partition("=")[::2] for part in heard.group(1).split(";"))
        expect_equal(["Hash", "Cert", "Chain"], list(fields), f"{friend}: {heard.group(1)}")
        leaf = RIG.pki.text(RIG.pki.pem(friend))
        cert, chain = (urllib.parse.unquote(fields[name].strip('"')) for name in ("Cert", "Chain"))
        expect_equal(leaf, cert, f"{friend}: Cert")
        # curl sends its authority along.
        expect_equal(leaf + RIG.pki.text(RIG.pki.pem("ca-a")), chain, f"{friend}: Chain")


TESTS = (s_client_with_every_suite, s_client_resumes_with_its_certificate, s_client_changes_keys,
         s_server_with_every_suite, s_server_refuses_a_foe, s_server_changes_keys,
         haproxy_as_client, nginx_as_server, servers_get_the_clients_certificate)
