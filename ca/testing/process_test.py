"""meltemi-ca as a process, with clients of other makes: Python's gRPC and openssl.

Goal: what the README of ca/ tells an operator works, the certificates stand up to openssl, and the
APIs are wire-compatible with stubs that another protoc made. Method: one server per test in a
folder of its own, on ports the kernel picks.
"""
import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import grpc

sys.path.insert(0, os.path.join(os.getcwd(), "proto/istio/py"))
# pylint: disable=wrong-import-position
from security.v1alpha1 import ca_pb2, ca_service_pb2  # noqa: E402

BINARY = os.path.join(os.getcwd(), "ca/meltemi-ca")
CREATE = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
HANDLE = "/istio.v1.auth.IstioCAService/HandleCSR"
NODE = "spiffe://cluster.local/ns/meltemi-system/sa/meltemi-node"
REVIEWS = "spiffe://cluster.local/ns/shop/sa/reviews"


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


class Server:
    """A running meltemi-ca."""

    def __init__(self, folder, *flags):
        self.folder = folder
        self.log = open(os.path.join(folder, "stderr"), "w+")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [BINARY, "--data-dir", folder + "/ca", "--grpc-addr", "127.0.0.1:0",
             "--http-addr", "127.0.0.1:0", *flags], stderr=self.log)
        deadline = time.monotonic() + 60
        while True:
            self.log.seek(0)
            text = self.log.read()
            found = re.findall(r"serving .*grpc_port=(\d+).*http_port=(\d+)", text)
            if found:
                self.grpc, self.http = found[0]
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("did not start: " + text)
            time.sleep(0.02)

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}") as reply:
            return reply.read().decode()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.log.close()
        return code


class CaTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        os.mkdir(self.folder + "/registry")
        with open(self.folder + "/registry/pods.yaml", "w") as pods:
            pods.write("kind: Pod\nmetadata: {name: reviews-1, namespace: shop}\n"
                       "spec: {nodeName: node-a, serviceAccountName: reviews}\n")
        self.server = None

    def tearDown(self):
        if self.server is not None:
            self.assertEqual(0, self.server.stop())

    def start(self, *flags):
        self.server = Server(self.folder, "--registry-dir", self.folder + "/registry", *flags)
        return self.server

    def command(self, *words):
        done = run(BINARY, *words, "--data-dir", self.folder + "/ca")
        return done.returncode, done.stdout, done.stderr

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def csr(self, name="key", *extra):  # pylint: disable=keyword-arg-before-vararg
        key = os.path.join(self.folder, name + ".pem")
        if not extra:
            extra = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        done = run("openssl", "req", "-new", "-nodes", "-keyout", key, "-subj", "/CN=whoever",
                   "-addext", "subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/root",
                   *extra)
        self.assertEqual(0, done.returncode, done.stderr)
        with open(key) as text:
            return done.stdout, text.read()

    def channel(self, key=None, chain=None, roots=None):
        roots = roots if roots is not None else self.server.page("/trust-bundle")
        credentials = grpc.ssl_channel_credentials(
            roots.encode(), key and key.encode(), chain and chain.encode())
        return grpc.secure_channel("127.0.0.1:" + self.server.grpc, credentials, (
            ("grpc.ssl_target_name_override", "meltemi-ca"),
            ("grpc.use_local_subchannel_pool", 1)))

    def create(self, csr, token=None, impersonated=None, seconds=0, channel=None):
        request = ca_pb2.IstioCertificateRequest(csr=csr, validity_duration=seconds)
        if impersonated:
            request.metadata.update({"ImpersonatedIdentity": impersonated})
        own = channel or self.channel()
        call = own.unary_unary(
            CREATE, request_serializer=ca_pb2.IstioCertificateRequest.SerializeToString,
            response_deserializer=ca_pb2.IstioCertificateResponse.FromString)
        metadata = (("authorization", "Bearer " + token),) if token else ()
        try:
            return list(call(request, metadata=metadata, timeout=20).cert_chain)
        finally:
            if channel is None:
                own.close()

    def join_token(self, *more):
        code, out, error = self.command("join-token", "create", *more)
        self.assertEqual(0, code, error)
        return out.strip()

    def verify(self, chain):
        leaf = self.file("leaf.pem", chain[0])
        middle = self.file("middle.pem", "".join(chain[1:-1]) or chain[0])
        roots = self.file("roots.pem", chain[-1])
        done = run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", roots,
                   "-untrusted", middle, leaf)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return run("openssl", "x509", "-noout", "-text", "-in", leaf).stdout

    def refused(self, code, text, function, *args, **kwargs):
        with self.assertRaises(grpc.RpcError) as raised:
            function(*args, **kwargs)
        self.assertEqual(code, raised.exception.code())
        self.assertIn(text, raised.exception.details())


class Certificates(CaTest):

    def test_a_node_joins_and_asks_for_its_workload(self):
        self.start()
        csr, key = self.csr()
        joined = self.create(csr, self.join_token("--node", "node-a"))
        text = self.verify(joined)
        self.assertIn("Public-Key: (256 bit)", text)
        self.assertIn("CN = node-a", text)
        self.assertIn("URI:" + NODE, text)
        self.assertNotIn("kube-system", text)
        self.assertNotIn("whoever", text)
        self.assertIn("CA:FALSE", text)
        self.assertRegex(text, r"X509v3 Key Usage: critical\n\s+Digital Signature\n")
        with self.channel(key, joined[0]) as channel:
            csr, _ = self.csr("workload")
            chain = self.create(csr, impersonated=REVIEWS, channel=channel)
            text = self.verify(chain)
            self.assertRegex(text, r"X509v3 Subject Alternative Name: critical\n\s+URI:" + REVIEWS)
            self.assertRegex(text, r"Subject: *\n")
            self.refused(grpc.StatusCode.PERMISSION_DENIED, "is bound to node node-a", self.create,
                         csr, impersonated=REVIEWS + "x", channel=channel)
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, "CSR: ", self.create, "garbage",
                         channel=channel)
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, "at most 2160h", self.create, csr,
                         seconds=91 * 86400, channel=channel)
            csr, _ = self.csr("rsa", "-newkey", "rsa:2048")
            text = self.verify(self.create(csr, seconds=3600, channel=channel))
            self.assertIn("Digital Signature, Key Encipherment", text)
        with open(self.folder + "/ca/issuance.log") as log:
            lines = [json.loads(line) for line in log]
        self.assertEqual([NODE, REVIEWS, NODE], [line["identity"] for line in lines])
        self.assertEqual(["join", "certificate", "certificate"], [l["method"] for l in lines])
        metrics = self.server.page("/metrics")
        self.assertIn("\ncitadel_server_success_cert_issuance_count 3\n", metrics)
        self.assertIn("\ncitadel_server_csr_count 6\n", metrics)
        self.assertRegex(metrics, r"\ncitadel_server_root_cert_expiry_timestamp \d{10}\n")
        self.assertEqual("ready\n", self.server.page("/readyz"))

    def test_the_api_of_2017(self):
        self.start()
        csr, _ = self.csr()
        request = ca_service_pb2.CsrRequest(
            csr_pem=csr.encode(), node_agent_credential=self.join_token().encode(),
            credential_type="onprem", requested_ttl_minutes=60)
        with self.channel() as channel:
            call = channel.unary_unary(
                HANDLE, request_serializer=ca_service_pb2.CsrRequest.SerializeToString,
                response_deserializer=ca_service_pb2.CsrResponse.FromString)
            response = call(request, timeout=20)
            self.assertTrue(response.is_approved)
            self.verify([response.signed_cert.decode(), response.cert_chain.decode()])
            self.refused(grpc.StatusCode.UNAUTHENTICATED, "used or expired", call, request,
                         timeout=20)

    def test_callers_without_proof(self):
        self.start()
        csr, key = self.csr()
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "neither a token nor a client certificate",
                     self.create, csr)
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "join tokens and client certificates only",
                     self.create, csr, "some.jwt.token")
        # A certificate that nobody of ours has signed.
        self.file("key.pem", key)
        own = run("openssl", "req", "-x509", "-key", self.folder + "/key.pem", "-subj", "/CN=x",
                  "-addext", "subjectAltName=URI:" + NODE).stdout
        with self.channel(key, own) as channel:
            self.refused(grpc.StatusCode.UNAUTHENTICATED, "not to be trusted", self.create, csr,
                         channel=channel)

    def test_health(self):
        self.start()
        with self.channel() as channel:
            call = channel.unary_unary("/grpc.health.v1.Health/Check")
            self.assertEqual(b"\x08\x01", call(b"", timeout=20))  # SERVING


class Keystore(CaTest):

    def test_keys_are_private_and_a_restart_is_the_same_ca(self):
        self.start()
        bundle = self.server.page("/trust-bundle")
        for folder, _, names in os.walk(self.folder + "/ca"):
            self.assertEqual(0o700, os.stat(folder).st_mode & 0o777, folder)
            for name in names:
                self.assertEqual(0o600, os.stat(f"{folder}/{name}").st_mode & 0o777, name)
        self.assertEqual(0, self.server.stop())
        self.start()
        self.assertEqual(bundle, self.server.page("/trust-bundle"))
        self.assertEqual(bundle, self.command("trust-bundle")[1])

    def test_a_server_certificate_by_command(self):
        self.start()
        out = self.folder + "/pilot"
        create = ("certificate", "create", "--account", "meltemi-system/meltemi-pilot")
        code, said, error = self.command(*create, "--dns-names", "pilot,pilot.example", "--out",
                                         out)
        self.assertEqual((0, ""), (code, said), error)
        done = run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                   out + "/roots.pem", "-verify_hostname", "pilot.example", out + "/cert.pem")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        text = run("openssl", "x509", "-noout", "-text", "-in", out + "/cert.pem").stdout
        self.assertIn("URI:spiffe://cluster.local/ns/meltemi-system/sa/meltemi-pilot", text)
        keys = [run("openssl", "pkey", "-pubout", "-in", out + "/key.pem").stdout,
                run("openssl", "x509", "-noout", "-pubkey", "-in", out + "/cert.pem").stdout]
        self.assertEqual(keys[0], keys[1])
        self.assertEqual(0o600, os.stat(out + "/key.pem").st_mode & 0o777)
        with open(self.folder + "/ca/issuance.log") as log:
            line = json.loads(log.readlines()[-1])
        self.assertEqual("command", line["method"])
        self.assertIn(line["serial"].lower(), text.replace(":", "").lower())
        for words, why in (
                (create + ("--out", out), "--dns-names is required"),
                (create + ("--dns-names", "a"), "--out is required"),
                (create + ("--dns-names", "a", "--out", out, "--ttl", "9000h"), "at most 2160h"),
                (("certificate", "create", "--dns-names", "a", "--out", out), "is one of nodes")):
            code, _, error = self.command(*words)
            self.assertEqual(1, code)
            self.assertIn(why, error)

    def test_a_passphrase(self):
        secret = self.file("secret", "open sesame\n")
        os.chmod(secret, 0o600)
        self.start("--passphrase-file", secret)
        with open(self.folder + "/ca/gen-1/ca-key.pem") as key:
            self.assertIn("BEGIN ENCRYPTED PRIVATE KEY", key.read())
        code, _, error = self.command("trust-bundle")
        self.assertEqual(1, code)
        self.assertIn("needs a passphrase", error)

    def test_an_intermediate_of_the_operators_root(self):
        cacerts = self.folder + "/cacerts/"
        os.mkdir(cacerts)
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        usage = "keyUsage=critical,keyCertSign,cRLSign"
        run("openssl", "req", "-x509", *new, "-keyout", cacerts + "root-key.pem", "-out",
            cacerts + "root-cert.pem", "-days", "100", "-subj", "/O=Example/CN=Root", "-addext",
            usage)
        request = run("openssl", "req", *new, "-keyout", cacerts + "ca-key.pem", "-subj",
                      "/O=Example/CN=Mesh").stdout
        extensions = self.file("ext", "basicConstraints=critical,CA:TRUE,pathlen:0\n"
                               + usage + "\nsubjectKeyIdentifier=hash\n"
                               "authorityKeyIdentifier=keyid\n")
        done = run("openssl", "x509", "-req", "-CA", cacerts + "root-cert.pem", "-CAkey",
                   cacerts + "root-key.pem", "-days", "50", "-extfile", extensions, "-out",
                   cacerts + "ca-cert.pem", input=request)
        self.assertEqual(0, done.returncode, done.stderr)
        os.remove(cacerts + "root-key.pem")
        with open(cacerts + "cert-chain.pem", "w") as out:
            for name in ("ca-cert.pem", "root-cert.pem"):
                with open(cacerts + name) as part:
                    out.write(part.read())
        self.start("--cacerts", cacerts)
        with open(cacerts + "root-cert.pem") as root:
            # TLS of the listener, too, leads to the operator's root.
            with self.channel(roots=root.read()) as channel:
                csr, _ = self.csr()
                chain = self.create(csr, self.join_token(), channel=channel)
        self.assertEqual(3, len(chain))
        self.verify(chain)

    def test_mistakes_are_told(self):
        cases = (
            (("--trust-domain", "Upper"), "not a trust domain"),
            (("--workload-ttl", "never"), "--workload-ttl"),
            (("--nonsense",), "unknown flag"),
            (("--token-jwks", "/nowhere"), "/nowhere"),
            (("--cacerts", "/nowhere"), "/nowhere"),
            (("--token-review", "nonsense"), "is no http or https URL"),
            (("--grpc-addr", "nonsense:x"), "nonsense"),
            (("rotate-root", "sideways"), "no CA in"),
            (("dance",), "is no command"))
        for number, (flags, text) in enumerate(cases):
            done = run(BINARY, "--data-dir", f"{self.folder}/{number}", "--http-addr",
                       "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", *flags, timeout=60)
            self.assertIn(done.returncode, (1, 2), flags)
            self.assertIn(text, done.stderr, flags)
        self.assertEqual(0, run(BINARY, "--version").returncode)
        self.assertIn("rotate-root", run(BINARY, "--help").stdout)


class Rotation(CaTest):

    def test_by_command_while_serving(self):
        """A client that renews all the time, with its last certificate, sees no failure; each
        certificate is trusted by whoever asked one step earlier."""
        self.start()
        csr, key = self.csr()
        chain = self.create(csr, self.join_token())

        def renew(until):
            nonlocal chain
            deadline = time.monotonic() + 60
            while True:
                roots = chain[-1]
                with self.channel(key, chain[0], roots) as channel:
                    fresh = self.create(csr, channel=channel)
                self.verify([fresh[0], roots])      # who asked before trusts what is given now
                self.verify([chain[0], fresh[-1]])  # and the other way round
                chain = fresh
                if f"phase: {until}" in self.server.page("/status"):
                    return
                self.assertLess(time.monotonic(), deadline)

        self.assertEqual(1, self.command("rotate-root", "switch")[0])
        for step, phase, roots in (("begin", "distributing", 2), ("switch", "switched", 2),
                                   ("retire", "steady", 1)):
            code, _, error = self.command("rotate-root", step)
            if step != "begin":
                self.assertEqual(1, code)
                self.assertIn("--force", error)
                code, _, error = self.command("rotate-root", step, "--force")
            self.assertEqual(0, code, error)
            renew(phase)
            renew(phase)
            self.assertEqual(roots, chain[-1].count("BEGIN CERTIFICATE"), step)
        self.assertFalse(os.path.exists(self.folder + "/ca/gen-1"))
        self.assertIn("generation 2", self.command("rotate-root", "status")[1])


class FullDisk(CaTest):
    """The folder of the CA is a small file system that something else fills up."""

    FULL = "No space left on device"

    def setUp(self):
        super().setUp()
        os.mkdir(self.folder + "/ca")
        done = run("mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", self.folder + "/ca")
        self.assertEqual(0, done.returncode, done.stderr)  # run_process_test.sh makes it possible

    def tearDown(self):
        super().tearDown()
        run("umount", self.folder + "/ca")

    def fill(self):
        with open(self.folder + "/ca/filler", "wb", buffering=0) as out:
            with self.assertRaises(OSError) as raised:
                while True:
                    out.write(b"x" * 4096)
        self.assertEqual(errno.ENOSPC, raised.exception.errno)

    def make_room(self):
        os.remove(self.folder + "/ca/filler")

    def kept(self):
        """What must not change: the names in the folder, and the bytes of what is no log."""
        out = {}
        for folder, _, names in os.walk(self.folder + "/ca"):
            for name in set(names) - {"filler"}:
                with open(os.path.join(folder, name), "rb") as content:
                    out[os.path.join(folder, name)] = name == "issuance.log" or content.read()
        return out

    def until_status(self, text):
        deadline = time.monotonic() + 60
        while text not in self.server.page("/status"):
            self.assertLess(time.monotonic(), deadline, self.server.page("/status"))
            time.sleep(0.05)

    def test_issuance_stops_before_the_log_does(self):
        self.start()
        self.assertIn("failures: none\n", self.server.page("/status"))
        token = self.join_token()
        csr, key = self.csr()
        chain = self.create(csr, self.join_token())
        self.fill()
        with self.channel(key, chain[0]) as channel:
            issued = 1
            with self.assertRaises(grpc.RpcError) as raised:
                while True:  # the log's last block has room for some
                    self.create(csr, channel=channel)
                    issued += 1
        self.assertEqual(grpc.StatusCode.UNAVAILABLE, raised.exception.code())
        self.assertIn("the issuance log cannot be written: ", raised.exception.details())
        self.assertIn(self.FULL, raised.exception.details())
        before = self.kept()
        self.refused(grpc.StatusCode.UNAVAILABLE, self.FULL, self.create, csr, token)
        code, out, error = self.command("join-token", "create")
        self.assertEqual((1, ""), (code, out))
        self.assertIn(self.FULL, error)
        self.assertEqual(before, self.kept())  # and so is the token that was shown
        metrics = self.server.page("/metrics")
        self.assertIn('citadel_server_csr_sign_err_count{error="log"} 2\n', metrics)
        self.assertIn('meltemi_ca_failing{part="log"} 1\n', metrics)
        self.assertRegex(self.server.page("/status"), r"\nlog: failing since [-:TZ0-9]{20}: .*"
                         + self.FULL)
        self.make_room()
        self.create(csr, token)
        self.assertRegex(self.server.page("/status"), r"\nlog: failed from .* to .*" + self.FULL)
        self.assertIn('meltemi_ca_failing{part="log"} 0\n', self.server.page("/metrics"))
        with open(self.folder + "/ca/issuance.log") as log:
            lines = log.read().splitlines()
        whole = [line for line in lines if line.endswith("}")]
        self.assertEqual(issued + 1, len([json.loads(line) for line in whole]))
        self.assertLessEqual(len(lines) - len(whole), 2)  # what was torn stands by itself

    def test_rotation_waits(self):
        self.start("--distribute-time", "3s")
        self.fill()
        before = self.kept()
        code, _, error = self.command("rotate-root", "begin")
        self.assertEqual(1, code)
        self.assertIn(self.FULL, error)
        self.assertEqual(before, self.kept())  # no half of a generation is left
        self.make_room()
        self.assertEqual(0, self.command("rotate-root", "begin", "--distribute-time", "3s")[0])
        self.fill()
        self.until_status("rotation: failing since ")
        status = self.server.page("/status")
        self.assertIn("phase: distributing", status)
        self.assertRegex(status,
                         "rotation: failing since .*: rotation cannot switch: .*" + self.FULL)
        self.assertIn('meltemi_ca_failing{part="rotation"} 1\n', self.server.page("/metrics"))
        self.assertEqual("ready\n", self.server.page("/readyz"))
        self.make_room()
        self.until_status("phase: switched")
        self.until_status("rotation: failed from ")
        self.assertIn('meltemi_ca_failing{part="rotation"} 0\n', self.server.page("/metrics"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
