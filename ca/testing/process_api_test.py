"""meltemi-ca as a process: its two APIs to the byte, and what it asks API servers.

Goal: bytes of Istio's clients, written down here from Istio's protos and not by a protoc, are
understood, and so are the answers; service-account tokens are proven by a cluster's keys or by
TokenReview, over TLS; an operator's intermediates follow each other. Method: as process_test.py.
"""
import base64
import http.server
import json
import os
import re
import ssl
import threading
import time
import unittest

import grpc

import process_test
from process_test import CREATE, HANDLE, NODE, REVIEWS, run

ACCOUNT = "system:serviceaccount:shop:reviews"


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def text(tag, value):
    """A field of bytes; `tag` is the byte on the wire: number << 3 | 2."""
    value = value.encode() if isinstance(value, str) else value
    return tag + varint(len(value)) + value


def fields(data):
    """The wire's own view of a message: tags and values, in order."""
    def number(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return value, at
    out, at = [], 0
    while at < len(data):
        tag, at = number(at)
        value, at = number(at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        out.append((tag, value))
    return out


class ApiServer:
    """An API server of a cluster, over TLS: TokenReview and its keys."""

    def __init__(self, folder, name="localhost"):
        self.folder, self.asked, self.down = folder, [], False
        self.review, self.jwks = {}, "{}"
        self.roots = f"{folder}/api-roots.pem"
        done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=api", "-addext",
                   f"subjectAltName=DNS:{name}", "-keyout", f"{folder}/api-key.pem", "-out",
                   self.roots)
        assert done.returncode == 0, done.stderr
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                outer.asked.append((self.command, self.path, self.headers["Authorization"]))
                self.send_response(500 if outer.down else 200)
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self):  # pylint: disable=invalid-name
                self.answer(outer.jwks)

            def do_POST(self):  # pylint: disable=invalid-name
                self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(json.dumps({"status": outer.review}))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.roots, f"{folder}/api-key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Signer:
    """An issuer of tokens, with openssl's help."""

    def __init__(self, folder, kid="k"):
        self.kid, self.folder, self.key = kid, folder, f"{folder}/{kid}-signer.pem"
        run("openssl", "genrsa", "-out", self.key, "2048")
        modulus = run("openssl", "rsa", "-in", self.key, "-noout", "-modulus").stdout
        number = bytes.fromhex(modulus.strip().partition("=")[2])
        self.jwks = json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
                                          "n": self.encode(number), "e": "AQAB"}]})

    @staticmethod
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def token(self, seconds=600, subject=ACCOUNT):
        parts = ({"alg": "RS256", "kid": self.kid},
                 {"iss": "cluster", "aud": ["istio-ca"], "sub": subject,
                  "exp": int(time.time()) + seconds})
        signed = ".".join(self.encode(json.dumps(part).encode()) for part in parts)
        with open(self.folder + "/to-sign", "w") as out:
            out.write(signed)
        run("openssl", "dgst", "-sha256", "-sign", self.key, "-out", self.folder + "/signature",
            self.folder + "/to-sign")
        with open(self.folder + "/signature", "rb") as signature:
            return f"{signed}.{self.encode(signature.read())}"


class ApiTest(process_test.CaTest):

    def call(self, method, request, channel=None, token=None):
        """Bytes in, bytes out."""
        metadata = (("authorization", "Bearer " + token),) if token else ()
        own = channel or self.channel()
        try:
            return own.unary_unary(method)(request, metadata=metadata, timeout=20)
        finally:
            if channel is None:
                own.close()

    def life(self, certificate):
        """In minutes, without the two that it is dated back."""
        path = self.file("life.pem", certificate)
        dates = run("openssl", "x509", "-noout", "-dates", "-in", path).stdout
        at = [time.mktime(time.strptime(date, "%b %d %H:%M:%S %Y GMT"))
              for date in re.findall(r"=(.*)", dates)]
        return round((at[1] - at[0]) / 60) - 2


class WireBytes(ApiTest):

    def test_create_certificate(self):
        self.start()
        csr, key = self.csr()
        # csr = 1, validity_duration = 3.
        request = text(b"\x0a", csr) + b"\x18" + varint(3600)
        answer = fields(self.call(CREATE, request, token=self.join_token("--node", "node-a")))
        self.assertEqual([0x0a, 0x0a], [tag for tag, _ in answer])  # cert_chain = 1, repeated
        chain = [value.decode() for _, value in answer]
        self.assertIn("URI:" + NODE, self.verify(chain))
        self.assertEqual(60, self.life(chain[0]))
        # metadata = 4, a Struct: fields = 1, of entries: key = 1, value = 2: string_value = 3.
        entry = text(b"\x0a", "ImpersonatedIdentity") + text(b"\x12", text(b"\x1a", REVIEWS))
        request = text(b"\x0a", csr) + text(b"\x22", text(b"\x0a", entry))
        with self.channel(key, chain[0]) as channel:
            answer = fields(self.call(CREATE, request, channel))
            self.assertIn("URI:" + REVIEWS, self.verify([value.decode() for _, value in answer]))
            # A field of a newer Istio is passed over.
            self.call(CREATE, request + text(b"\x7a", "news"), channel)

    def test_handle_csr(self):
        self.start()
        csr, _ = self.csr()
        # csr_pem = 1, node_agent_credential = 2, credential_type = 3, requested_ttl_minutes = 4.
        request = (text(b"\x0a", csr) + text(b"\x12", self.join_token()) + text(b"\x1a", "onprem")
                   + b"\x20" + varint(90))
        answer = fields(self.call(HANDLE, request))
        # is_approved = 1, signed_cert = 3, cert_chain = 4.
        self.assertEqual([0x08, 0x1a, 0x22], [tag for tag, _ in answer])
        self.assertEqual(1, answer[0][1])
        chain = [value.decode() for _, value in answer[1:]]
        self.assertIn("URI:" + NODE, self.verify(chain))
        self.assertEqual(90, self.life(chain[0]))

    def test_garbage(self):
        self.start()
        csr, _ = self.csr()
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        for method in (CREATE, HANDLE):
            for request in (b"\xff\xff\xff", b"\x0a\x7f" + b"x", text(b"\x0a", csr)[:-1]):
                with self.assertRaises(grpc.RpcError):
                    self.call(method, request, token=self.join_token())
        for bad in ("", "garbage", csr[:-40], csr.replace("REQUEST", "CERTIFICATE")):
            credential = text(b"\x12", self.join_token())
            self.refused(invalid, "CSR: ", self.call, HANDLE, text(b"\x0a", bad) + credential)
            self.refused(invalid, "CSR: ", self.call, CREATE, text(b"\x0a", bad),
                         token=self.join_token())
        for minutes in (-1 % 2 ** 64, 91 * 24 * 60):
            self.refused(invalid, "", self.call, HANDLE, text(b"\x0a", csr)
                         + text(b"\x12", self.join_token()) + b"\x20" + varint(minutes))
        self.assertEqual("ready\n", self.server.page("/readyz"))


class Credentials(ApiTest):
    """What proves the caller of the API of 2017."""

    def handle(self, csr, credential, channel=None):
        request = text(b"\x0a", csr) + (text(b"\x12", credential) if credential else b"")
        return [value.decode() for _, value in fields(self.call(HANDLE, request, channel))[1:]]

    def test_a_token_of_kubernetes(self):
        signer = Signer(self.folder)
        self.start("--token-jwks", self.file("jwks", signer.jwks), "--token-issuer", "cluster")
        csr, _ = self.csr()
        self.assertIn("URI:" + REVIEWS, self.verify(self.handle(csr, signer.token())))
        unauthenticated = grpc.StatusCode.UNAUTHENTICATED
        self.refused(unauthenticated, "Jwt is expired", self.handle, csr, signer.token(-600))
        os.mkdir(self.folder + "/forger")
        self.refused(unauthenticated, "Jwt verification fails", self.handle, csr,
                     Signer(self.folder + "/forger").token())
        self.refused(unauthenticated, "is no service account", self.handle, csr,
                     signer.token(subject="alice"))

    def test_the_certificate_of_the_connection(self):
        self.start()
        csr, key = self.csr()
        first = self.handle(csr, self.join_token())
        with self.channel(key, first[0]) as channel:
            self.assertIn("URI:" + NODE, self.verify(self.handle(csr, "", channel)))
            # A bad credential is not excused by it.
            self.refused(grpc.StatusCode.UNAUTHENTICATED, "", self.handle, csr, "mjt1.bad", channel)
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "neither a token nor a client certificate",
                     self.handle, csr, "")


class ApiServers(ApiTest):

    def setUp(self):
        super().setUp()
        self.api = ApiServer(self.folder)
        self.addCleanup(lambda: self.api.stop())  # pylint: disable=unnecessary-lambda
        self.own = self.file("own", "our own token\n")

    def test_token_review(self):
        self.start("--token-review", self.api.url, "--token-review-ca", self.api.roots,
                   "--token-review-token", self.own)
        csr, _ = self.csr()
        self.api.review = {"authenticated": True, "audiences": ["istio-ca"],
                           "user": {"username": ACCOUNT}}
        self.assertIn("URI:" + REVIEWS, self.verify(self.create(csr, "a.k8s.token")))
        self.assertEqual([("POST", "/apis/authentication.k8s.io/v1/tokenreviews",
                           "Bearer our own token")], self.api.asked)
        self.api.review = {"error": "the Pod is gone"}
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "the Pod is gone", self.create, csr, "a.b.c")
        self.api.down = True
        self.refused(grpc.StatusCode.UNAVAILABLE, "the API server answered 500", self.create, csr,
                     "a.b.c")

    def test_an_impostor_gets_no_token(self):
        self.api.review = {"authenticated": True, "audiences": ["istio-ca"],
                           "user": {"username": ACCOUNT}}
        os.mkdir(self.folder + "/other")
        other = ApiServer(self.folder + "/other", "kubernetes.default.svc")
        self.addCleanup(other.stop)
        csr, _ = self.csr()
        for url, roots, why in ((self.api.url, other.roots, "certificate"),
                                (other.url, other.roots, "hostname mismatch")):
            self.start("--token-review", url, "--token-review-ca", roots, "--token-review-token",
                       self.own)
            self.refused(grpc.StatusCode.UNAVAILABLE, why, self.create, csr, "a.b.c")
            self.assertEqual(0, self.server.stop())
            self.server = None
        self.assertEqual([], self.api.asked + other.asked)

    def test_keys_by_url(self):
        signer, following = Signer(self.folder), Signer(self.folder, "next")
        self.api.down = True
        self.start("--token-jwks", self.api.url + "/openid/v1/jwks", "--token-jwks-ca",
                   self.api.roots, "--token-jwks-token", self.own, "--token-issuer", "cluster")
        csr, _ = self.csr()
        self.refused(grpc.StatusCode.UNAVAILABLE, "keys of tokens have not come", self.create, csr,
                     signer.token())
        self.until("token_keys: failing since ")
        self.api.jwks, self.api.down = signer.jwks, False
        self.until("token_keys: failed from ")
        self.assertIn("URI:" + REVIEWS, self.verify(self.create(csr, signer.token())))
        self.assertEqual({("GET", "/openid/v1/jwks", "Bearer our own token")}, set(self.api.asked))
        # A key that is not known is looked for, within seconds; what is away changes nothing.
        self.api.jwks = following.jwks
        self.refused(grpc.StatusCode.UNAUTHENTICATED, "Jwks doesn't have key", self.create, csr,
                     following.token())
        deadline = time.monotonic() + 60
        while True:
            try:
                self.create(csr, following.token())
                break
            except grpc.RpcError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.2)
        self.api.down = True
        self.create(csr, following.token())

    def until(self, line):
        deadline = time.monotonic() + 60
        while line not in self.server.page("/status"):
            self.assertLess(time.monotonic(), deadline, self.server.page("/status"))
            time.sleep(0.05)


class Intermediates(ApiTest):
    """One root, which the CA has no key of, and two intermediates, one after the other."""

    def setUp(self):
        super().setUp()
        self.cacerts = self.folder + "/cacerts/"
        os.mkdir(self.cacerts)
        self.key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.usage = "keyUsage=critical,keyCertSign,cRLSign"
        run("openssl", "req", "-x509", *self.key, "-keyout", self.folder + "/root-key.pem", "-out",
            self.folder + "/root.pem", "-days", "100", "-subj", "/O=Example/CN=Root", "-addext",
            self.usage)

    def plug(self, name, days):
        """As an operator does: the folder changes file by file, its certificate last."""
        fresh = {key: f"{self.folder}/{name}-{key}" for key in ("ca-key.pem", "ca-cert.pem")}
        request = run("openssl", "req", *self.key, "-keyout", fresh["ca-key.pem"], "-subj",
                      f"/O=Example/CN={name}").stdout
        extensions = self.file("ext", "basicConstraints=critical,CA:TRUE,pathlen:0\n" + self.usage
                               + "\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        done = run("openssl", "x509", "-req", "-CA", self.folder + "/root.pem", "-CAkey",
                   self.folder + "/root-key.pem", "-CAcreateserial", "-days", str(days),
                   "-extfile", extensions, "-out", fresh["ca-cert.pem"], input=request)
        self.assertEqual(0, done.returncode, done.stderr)
        with open(self.folder + "/root.pem") as root, open(fresh["ca-cert.pem"]) as own:
            root, own = root.read(), own.read()
        for file, content in (("root-cert.pem", root), ("cert-chain.pem", own + root)):
            os.replace(self.file(file + ".new", content), self.cacerts + file)
        for file, path in fresh.items():
            os.replace(path, self.cacerts + file)

    def days(self):
        return {name: float(value) for name, value in re.findall(
            r'meltemi_ca_days_to_expiry{certificate="(\w+)"} (\S+)', self.server.page("/metrics"))}

    def test_one_follows_the_other(self):
        self.plug("first", 50)
        self.start("--cacerts", self.cacerts)
        csr, key = self.csr()
        old = self.create(csr, self.join_token())
        self.assertEqual(3, len(old))
        days = self.days()
        self.assertAlmostEqual(100, days["root"], delta=0.1)
        self.assertAlmostEqual(50, days["issuer"], delta=0.1)
        self.assertAlmostEqual(1, days["leaf"], delta=0.1)
        self.assertIn("\nmeltemi_ca_rotation_overdue 0\n", self.server.page("/metrics"))
        time.sleep(1.1)  # newer is what began later, by the second
        self.plug("second", 80)
        deadline = time.monotonic() + 60
        while self.days()["issuer"] < 79:  # trusted already: nothing has to be waited for
            self.assertLess(time.monotonic(), deadline, self.server.page("/status"))
            time.sleep(0.1)
        with self.channel(key, old[0] + old[1], old[-1]) as channel:  # it came with the old one
            new = self.create(csr, channel=channel)
        self.verify(new)
        self.assertNotEqual(old[1], new[1])
        self.assertEqual(old[-1], new[-1])
        # Each is trusted by whoever has the other's answer.
        self.verify([new[0], new[1], old[-1]])
        self.verify([old[0], old[1], new[-1]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
