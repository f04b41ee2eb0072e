"""TLS of the plane with real peers: curl, openssl, wrk and h2load as clients, nginx and openssl as
servers (tls_rig.py)."""
import copy
import json
import re
import time

import yaml

import measure
import mesh as mesh_lib
import shell
import tls_peer_tests
from fixture import expect, expect_equal
from tls_rig import (BY_FILE, BY_NAME, GATEWAY, MUTUAL, NODE, ONE, PERMISSIVE, PLAIN, RIG, RULED,
                     put_secret_file, secret_file)


def _curl(*arguments, check=True):
    done = RIG.mesh.run_in_pod("client", ["curl", "-sS", "-m", "10", *arguments], check=False)
    if check:
        expect_equal(0, done.returncode, f"curl {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def _get(name, port, *arguments, path="/", check=True):
    """GET https://<name>:<port><path>, sent to the gateway."""
    return _curl("--cacert", RIG.pki.pem("ca-a"), "--resolve", f"{name}:{port}:{GATEWAY}",
                 *arguments, f"https://{name}:{port}{path}", check=check)


def _client_certificate(name):
    return "--cert", RIG.pki.pem(name), "--key", RIG.pki.key(name)


def _stat(name):
    return measure.node_stats(RIG.mesh, NODE).get(name, 0.0)


def _grown(names, action):
    before = measure.node_stats(RIG.mesh, NODE)
    action()
    after = measure.node_stats(RIG.mesh, NODE)
    return {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}


def _upstream(name):
    """(status, body, line of the access log) of a request that the plane sends on."""
    done = _curl("-w", "\n%{http_code}", f"http://{GATEWAY}:{PLAIN}/{name}")
    body, _, status = done.stdout.rpartition("\n")

    def line():
        with open(RIG.log) as log:
            lines = [entry for entry in log if entry.startswith(f"/{name} ")]
        return lines[-1] if lines else None
    return status, body.strip(), shell.wait_until(line, f"an access log line of /{name}", 5)


# Clients of the plane.

def tls_versions_and_alpn(_):
    want = "%{http_version} %{http_code}"
    for version, max_version in (("1.2", "1.2"), ("1.3", "1.3")):
        for http, option in (("2", "--http2"), ("1.1", "--http1.1")):
            done = _get("rotated.test", ONE, f"--tlsv{version}", "--tls-max", max_version, option,
                        "-w", want)
            expect_equal(f"one{http} 200", done.stdout, f"TLS {version}, HTTP/{http}")
    done = _get("rotated.test", ONE, "--no-alpn", "-w", want)
    expect_equal("one1.1 200", done.stdout, "without ALPN")
    done = _get("rotated.test", ONE, path="/plain")
    expect_equal("plain https\n", done.stdout, "x-forwarded-proto of a request that came with TLS")
    done = _get("rotated.test", ONE, "--tls-max", "1.1", "--tlsv1.0", "--ciphers",
                "DEFAULT:@SECLEVEL=0", check=False)
    expect(done.returncode != 0, "TLS 1.1 must be refused")


def cipher_suites(_):
    """Those with our own records and those that stay in OpenSSL, both kinds of certificates."""
    for name, port in (("rotated.test", ONE), ("x.wild.test", BY_NAME)):
        for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                      "TLS_CHACHA20_POLY1305_SHA256"):
            _get(name, port, "--tls13-ciphers", suite, "--tlsv1.3")
        key = "RSA" if name == "x.wild.test" else "ECDSA"
        for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"):
            _get(name, port, "--ciphers", f"ECDHE-{key}-{suite}", "--tls-max", "1.2")
    done = _get("rotated.test", ONE, "--ciphers", "ECDHE-ECDSA-AES128-SHA", "--tls-max", "1.2",
                check=False)
    expect(done.returncode != 0, "a suite without AEAD must be refused")


def server_name_chooses_the_certificate(_):
    for name, text in (("a.test", "chain a"), ("ALSO-A.test", "chain a"),
                       ("x.wild.test", "chain wild")):
        done = _get(name, BY_NAME)  # curl holds the certificate against the name
        expect_equal(text, done.stdout, name)
    before = _stat("meltemi_worker_no_filter_chain_total")
    done = _get("unknown.test", BY_NAME, check=False)
    expect(done.returncode != 0, "a name without a chain must be refused")
    done = _curl(f"http://{GATEWAY}:{BY_NAME}/", check=False)
    expect(done.returncode != 0, "plain HTTP must be refused where every chain has a name")
    expect_equal(before + 2, _stat("meltemi_worker_no_filter_chain_total"), "no_filter_chain")


def passthrough_by_server_name(_):
    """A chain without TLS of its own: the bytes go to nginx as they are, whose certificate is for
    another name."""
    done = _get("pass.test", BY_NAME, "--http1.1", check=False)
    expect_equal(60, done.returncode, "curl's code for a certificate of somebody else")
    done = _get("pass.test", BY_NAME, "--http1.1", "-k")
    expect_equal("pass.test TLSv1.3 HTTP/1.1 [http/1.1]\n", done.stdout, "what nginx saw")


def rules_know_the_server_name_of_ended_tls(_):
    denied = "envoy_tcp_rbac_denied"
    for name in ("also-a.test", "ALSO-A.test"):
        def ask(n=name):
            done = _get(n, RULED, check=False)
            expect(done.returncode != 0, f"{n} is denied, and was answered: {done.stdout}")
        expect_equal({denied: 1.0}, _grown([denied], ask), name)
    expect_equal("plain \n", _get("a.test", RULED).stdout, "a name that no rule denies")


def tls_and_plain_on_one_port(_):
    expect_equal("with TLS", _get("a.test", PERMISSIVE).stdout, "https")
    expect_equal("without TLS", _curl(f"http://{GATEWAY}:{PERMISSIVE}/").stdout, "http")


def client_certificates_are_verified(_):
    names = [f"envoy_listener_ssl_{n}" for n in (
        "handshake", "fail_verify_no_cert", "fail_verify_error", "fail_verify_san",
        "connection_error")]

    def grown(*arguments, works):
        def ask():
            done = _get("a.test", MUTUAL, *arguments, check=False)
            expect_equal(works, done.returncode == 0, f"curl {arguments}: {done.stderr}")
        return [name[19:] for name, more in _grown(names, ask).items() if more > 0]

    for versions in (("--tlsv1.3",), ("--tls-max", "1.2")):
        for friend in ("friend", "friend-by-dns"):
            expect_equal(["handshake"], grown(*versions, *_client_certificate(friend), works=True),
                         friend)
        expect_equal(["fail_verify_no_cert"], grown(*versions, works=False), "no certificate")
        expect_equal(["fail_verify_san"],
                     grown(*versions, *_client_certificate("foe"), works=False), "another name")
        expect_equal(["fail_verify_error"],
                     grown(*versions, *_client_certificate("friend-of-b"), works=False),
                     "another authority")
    done = grown("--ciphers", "ECDHE-ECDSA-AES128-SHA", "--tls-max", "1.2", works=False)
    expect_equal(["connection_error"], done, "no common suite")


def _s_client(*arguments, text="", port=ONE, name="rotated.test"):
    argv = ["openssl", "s_client", "-connect", f"{GATEWAY}:{port}", "-servername", name,
            "-CAfile", RIG.pki.pem("ca-a"), *arguments]
    return shell.run(RIG.mesh.in_pod("client", argv), check=False, stdin_text=text, timeout_s=20)


def openssl_client(_):
    request = "GET / HTTP/1.0\r\nHost: rotated.test\r\n\r\n"
    for version in ("-tls1_2", "-tls1_3"):
        done = _s_client(version, "-ign_eof", "-verify_return_error", text=request)
        expect("Verify return code: 0 (ok)" in done.stdout and "\n\none" in done.stdout,
               f"s_client {version}:\n{done.stdout[-600:]}{done.stderr}")
        expect("closed" in done.stdout, f"no orderly end:\n{done.stdout}")
    session = f"{RIG.mesh.run_dir}/session"

    def resume():
        _s_client("-tls1_3", "-ign_eof", "-sess_out", session, text=request)
        done = _s_client("-tls1_3", "-ign_eof", "-sess_in", session, text=request)
        expect("Reused, TLSv1.3" in done.stdout, f"not resumed:\n{done.stdout}")
    expect_equal({"envoy_listener_ssl_session_reused": 1.0},
                 _grown(["envoy_listener_ssl_session_reused"], resume), "session_reused")


def many_streams_and_connections(_):
    done = RIG.mesh.run_in_pod("client", ["h2load", "-n", "20000", "-c", "8", "-m", "32",
                                          f"https://{GATEWAY}:{ONE}/plain"], check=False)
    expect(re.search(r"20000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout),
           f"h2load:\n{done.stdout}{done.stderr}")
    result = measure.Wrk(RIG.mesh, f"https://{GATEWAY}:{ONE}/plain", 4, connections=32).result()
    expect_equal((0, 0), (result.socket_errors, result.failed), f"lost\n{result.text}")
    expect(result.requests > 500, f"only {result.requests} requests")


# Servers of the plane.

def upstream_tls(_):
    for name, body in (("nginx", "server.test TLSv1.3 HTTP/1.1 [http/1.1]"),
                       ("nginx-h2", "server.test TLSv1.3 HTTP/2.0 [h2]")):
        status, seen, _ = _upstream(name)
        expect_equal(("200", body), (status, seen), name)
    status, seen, _ = _upstream("openssl-12")
    expect_equal("200", status, "openssl s_server")
    expect("TLSv1.2" in seen, f"s_server's page:\n{seen}")
    status, seen, _ = _upstream("mutual")
    expect_equal(("200", "CN=friend SUCCESS"), (status, seen), "nginx that asks for a certificate")
    status, seen, _ = _upstream("mutual-without")
    expect_equal("400", status, "nginx that is shown none")


def upstream_validation(_):
    for name, counter, reason in (
            ("wrong-ca", "fail_verify_error", "TLS_error:CERTIFICATE_VERIFY_FAILED"),
            ("wrong-san", "fail_verify_san", "TLS_error:CERTIFICATE_VERIFY_FAILED:verify_SAN_list"),
            ("not-tls", "connection_error", "TLS_error")):
        key = f"envoy_cluster_ssl_{counter}"
        seen = []
        grown = _grown([key], lambda n=name: seen.append(_upstream(n)))
        status, body, line = seen[0]
        expect_equal("503", status, f"{name}: status")
        expect("transport failure reason: TLS_error" in body, f"{name}: {body}")
        expect(f"/{name} 503 UF {reason} " in line, f"{name}: access log {line!r}")
        expect(grown[key] >= 1, f"{name}: {key} did not grow")


# Change.

def _rotates_under_load(name, port, again):
    """New connections get what again() makes; no request of old or new ones is lost."""
    def serial():
        leaf = _s_client(text="Q", port=port, name=name).stdout
        return leaf.split("-----END CERTIFICATE-----")[0].rpartition("-----")[2]

    url = f"https://{GATEWAY}:{port}/plain"
    loads = [measure.Wrk(RIG.mesh, url, 8, connections=16),
             measure.Wrk(RIG.mesh, url, 8, connections=4, headers=("Connection: close",))]
    time.sleep(1)
    seen = {serial()}
    for _round in range(3):
        again()
        shell.wait_until(lambda: serial() not in seen, "the new certificate to be served", 5)
        seen.add(serial())
    for load in loads:
        result = load.result()
        expect(result.requests > 50, f"hardly any request:\n{result.text}")
        expect_equal((0, 0), (result.socket_errors, result.failed), f"lost\n{result.text}")


def secrets_of_a_file_are_rotated_under_load(_):
    """sds_config.path_config_source: the file is read again, and a broken one is told."""
    def again():
        RIG.pki.issue("filed.test", "DNS:filed.test")
        put_secret_file(RIG.pki, "filed.test")

    _rotates_under_load("filed.test", BY_FILE, again)
    with open(secret_file(RIG.pki), "w") as file:
        file.write("resources: [")
    plane = RIG.mesh.planes[NODE.name]
    shell.wait_until(lambda: f"{secret_file(RIG.pki)}: line 1: " in plane.log_tail(1),
                     "the log to tell of the broken file", 5)
    expect_equal("by file", _get("filed.test", BY_FILE).stdout, "with the last good certificate")
    put_secret_file(RIG.pki, "filed.test")


def certificate_is_rotated_under_load(_):
    _rotates_under_load("rotated.test", ONE,
                        lambda: RIG.pki.issue("rotated.test", "DNS:rotated.test"))
    # A key that does not fit is not taken, and said so.
    with open(RIG.pki.key("rotated.test")) as key:
        good = key.read()
    RIG.pki.issue("unrelated", "DNS:rotated.test")
    with open(RIG.pki.key("rotated.test"), "w") as key:
        key.write(RIG.pki.text(RIG.pki.key("unrelated")))
    plane = RIG.mesh.planes[NODE.name]
    shell.wait_until(lambda: "does not fit the certificate" in plane.log_tail(1),
                     "the log to tell of the wrong key", 5)
    expect_equal("one", _get("rotated.test", ONE).stdout, "with the last good certificate")
    with open(RIG.pki.key("rotated.test"), "w") as key:
        key.write(good)


def keys_are_not_shown(_):
    text = RIG.mesh.admin(NODE, "/config_dump")
    expect("BEGIN CERTIFICATE" in text, "the inline certificate is not shown")
    expect("PRIVATE KEY" not in text, "a private key is shown")
    expect_equal(2, json.dumps(json.loads(text)).count("[redacted]"), "as bootstrap and listener")


def wrong_configuration_names_the_field(_):
    def without_key(resources):
        del resources["secrets"][0]["tls_certificate"]["private_key"]
        return 'Secret "rotated": tls_certificate.private_key'

    def old_version(resources):
        context = resources["listeners"][2]["filter_chains"][0]["transport_socket"]["typed_config"]
        context["common_tls_context"]["tls_params"] = {"tls_minimum_protocol_version": "TLSv1_1"}
        return ('Listener "one": filter_chains[0].transport_socket.typed_config.common_tls_context.'
                'tls_params.tls_minimum_protocol_version')

    def broken_certificate(resources):
        context = resources["listeners"][4]["filter_chains"][0]["transport_socket"]["typed_config"]
        context["common_tls_context"]["tls_certificates"][0]["certificate_chain"] = {
            "inline_string": "no PEM"}
        return 'Listener "permissive": filter_chains[0].transport_socket.typed_config'

    def chains_alike(resources):
        resources["listeners"][1]["filter_chains"][1]["filter_chain_match"] = {
            "server_names": ["a.test"]}
        return 'Listener "by-name": filter_chains[1].filter_chain_match'

    with open(f"{RIG.mesh.run_dir}/{NODE.name}.yaml") as file:
        good = yaml.safe_load(file)
    for spoil in (without_key, old_version, broken_certificate, chains_alike):
        bootstrap = copy.deepcopy(good)
        bootstrap["meltemi"].update(ports=[], routes=[], workloads=[])
        del bootstrap["admin"]
        field = spoil(bootstrap["static_resources"])
        path = f"{RIG.mesh.run_dir}/wrong.yaml"
        with open(path, "w") as file:
            yaml.safe_dump(bootstrap, file)
        done = shell.run([mesh_lib.NODE_BINARY, f"--config={path}"], check=False, timeout_s=20)
        expect(done.returncode != 0, f"{spoil.__name__}: was taken")
        expect(field in (done.stdout + done.stderr).replace('\\"', '"'),
               f"{spoil.__name__}: no {field!r} in\n{done.stdout}{done.stderr}")


TESTS = (tls_versions_and_alpn, cipher_suites, server_name_chooses_the_certificate,
         passthrough_by_server_name, rules_know_the_server_name_of_ended_tls,
         tls_and_plain_on_one_port, client_certificates_are_verified,
         openssl_client, many_streams_and_connections, upstream_tls, upstream_validation,
         certificate_is_rotated_under_load, secrets_of_a_file_are_rotated_under_load,
         keys_are_not_shown,
         wrong_configuration_names_the_field) + tls_peer_tests.TESTS


def _in_rig(test):
    """The rig is built for the first test and goes after the last; a failure keeps its log."""
    def run(mesh):
        if not RIG.mesh.is_up:
            RIG.up()
        try:
            test(mesh)
            RIG.mesh.check_alive()
        except Exception:
            print(RIG.mesh.planes[NODE.name].log_tail(40) if RIG.mesh.planes else "", flush=True)
            raise
        finally:
            if test is TESTS[-1]:
                RIG.down()
    return run


def down():
    RIG.down()


def tests():
    """[(name, function of mesh)]"""
    return [(f"tls_{test.__name__}".replace("tls_tls_", "tls_"), _in_rig(test)) for test in TESTS]
