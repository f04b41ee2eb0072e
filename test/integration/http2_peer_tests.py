"""HTTP/2 with what others made of it: nghttp, curl, h2load, nghttpx and HAProxy as clients;
nghttpd, nghttpx, HAProxy and nginx as servers. Every client with every server; a body of 2 GB."""
import hashlib
import os
import re
import time

import echo_server
import mesh as mesh_lib
import servers
import shell
import tls_rig
from fixture import expect, expect_equal

HERE = os.path.dirname(os.path.realpath(__file__))
NODE = tls_rig.NODE
ECHO = 9000  # HTTP/1.1, what the proxies below stand before
SERVERS = {"nghttpd": 9001, "nghttpx": 9002, "haproxy": 9003, "nginx": 9004}
BIG = 9005  # nginx, HTTP/1.1
BIG_BYTES = 2 << 30
# Proxies in the pod of the client: HTTP/1.1 in, HTTP/2 to the plane.
PROXIES = {"nghttpx": 3001, "haproxy": 3002}
BODY = echo_server.pattern(1_000_000)
PLANE = f"{tls_rig.GATEWAY}:{tls_rig.PLAIN}"

_HAPROXY = """\
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
listen peer
  bind {listen}
  server one {to}
"""
_NGINX = servers.NGINX_START + """\
  client_max_body_size 64m;
  server {{
    listen {h2} http2;
    location / {{ proxy_pass http://127.0.0.1:{echo}; proxy_http_version 1.1; }}
  }}
  server {{ listen {big}; location / {{ root {run}/big; }} }}
}}
"""


def _resources(log):
    routes = {f"/{name}/": f"to-{name}" for name in (*SERVERS, "big")}
    return {"listeners": [tls_rig.listener("plain", tls_rig.PLAIN, {"filters": [
                tls_rig.http_filter("plain", routes, log)]})],
            "clusters": [*(tls_rig.cluster(f"to-{name}", port, http2=True)
                           for name, port in SERVERS.items()), tls_rig.cluster("to-big", BIG)]}


class Rig:
    def __init__(self):
        self.mesh = mesh_lib.Mesh("mltp-", tls_rig.TOPOLOGY)
        self.run = self.mesh.run_dir

    def up(self):
        self.mesh.down()
        self.mesh.up_static(_resources(f"{self.run}/peers.access.log"))
        self._files()
        nghttpx = ["nghttpx", "--conf=/dev/null", "--workers=1", "--accesslog-file=/dev/null",
                   "--errorlog-file=/dev/stderr"]
        self._start("echo", "backend", ECHO, ["/usr/bin/python3", "-B", f"{HERE}/echo_server.py",
                                              "--port", str(ECHO)])
        self._start("nghttpd", "backend", SERVERS["nghttpd"], [
            "nghttpd", "--no-tls", "--echo-upload", "-d", f"{self.run}/pages",
            str(SERVERS["nghttpd"])])
        self._start("nghttpx", "backend", SERVERS["nghttpx"], [
            *nghttpx, f"--frontend=0.0.0.0,{SERVERS['nghttpx']};no-tls",
            f"--backend=127.0.0.1,{ECHO}"])
        self._start("haproxy", "backend", SERVERS["haproxy"], [
            "haproxy", "-db", "-f", f"{self.run}/haproxy-server.cfg"])
        self._start("nginx", "backend", SERVERS["nginx"], [
            "nginx", "-e", "stderr", "-c", f"{self.run}/nginx.conf"])
        self._start("nghttpx-client", "client", PROXIES["nghttpx"], [
            *nghttpx, f"--frontend=127.0.0.1,{PROXIES['nghttpx']};no-tls",
            f"--backend={tls_rig.GATEWAY},{tls_rig.PLAIN};/;proto=h2"])
        self._start("haproxy-client", "client", PROXIES["haproxy"], [
            "haproxy", "-db", "-f", f"{self.run}/haproxy-client.cfg"])

    def _files(self):
        self._write("haproxy-server.cfg", _HAPROXY.format(
            listen=f":{SERVERS['haproxy']} proto h2", to=f"127.0.0.1:{ECHO}"))
        self._write("haproxy-client.cfg", _HAPROXY.format(
            listen=f"127.0.0.1:{PROXIES['haproxy']}", to=f"{PLANE} proto h2"))
        self._write("nginx.conf", _NGINX.format(run=self.run, h2=SERVERS["nginx"], echo=ECHO,
                                                big=BIG))
        for folder in ("pages/bytes", "big"):
            os.makedirs(f"{self.run}/{folder}")
        for path in (f"pages/bytes/{len(BODY)}", "upload"):
            with open(f"{self.run}/{path}", "wb") as file:
                file.write(BODY)
        with open(f"{self.run}/pages/small", "wb") as file:
            file.write(b"ok\n")
        with open(f"{self.run}/big/file", "wb") as file:
            file.truncate(BIG_BYTES)

    def _write(self, name, text):
        with open(f"{self.run}/{name}", "w") as file:
            file.write(text)

    def _start(self, name, pod, port, argv):
        self.mesh.servers[name] = shell.Daemon(name, argv, f"{self.run}/{name}.log",
                                               self.mesh.netns(pod)).start()
        shell.wait_until(lambda: self.mesh.run_in_pod(
            pod, ["ss", "-Hltn", f"sport = :{port}"]).stdout.strip(), f"{name} to listen", 10)

    def client(self, argv, what):
        done = self.mesh.run_in_pod("client", argv, check=False)
        expect_equal(0, done.returncode, f"{what}: {done.stderr[-500:]}{done.stdout[-500:]}")
        return done.stdout


def _curl(rig, server, url, *options):
    """Files with what came back of a download and of an upload, by curl and what stands before it.
    Each on a connection of its own: curl 7.88 cannot upload on one that it knows to be HTTP/2."""
    got = [f"{rig.run}/got-{i}" for i in range(2)]
    for path, target, more in ((got[0], f"bytes/{len(BODY)}", []),
                               (got[1], "echo", ["--data-binary", f"@{rig.run}/upload"])):
        said = rig.client(["curl", "-sS", "-m", "20", "-w", "%{http_code}", *options, *more, "-o",
                           path, f"{url}/{server}/{target}"], f"{url} {server}")
        expect_equal("200", said, f"{target} of {server} by {url}")
    return got


def _nghttp(rig, server):
    got = [f"{rig.run}/got-{i}" for i in range(2)]
    for path, target, options in ((got[0], f"bytes/{len(BODY)}", ""),
                                  (got[1], "echo", f"-d {rig.run}/upload")):
        rig.client(["sh", "-c", f"nghttp -t 20 {options} http://{PLANE}/{server}/{target} "
                    f"> {path}"], f"nghttp {server}")
    return got


def _both_ways(rig):
    want = hashlib.sha256(BODY).hexdigest()
    ways = {"nghttp": lambda server: _nghttp(rig, server),
            "curl": lambda server: _curl(rig, server, f"http://{PLANE}",
                                         "--http2-prior-knowledge"),
            **{f"curl by {name}": lambda server, p=port: _curl(rig, server, f"http://127.0.0.1:{p}")
               for name, port in PROXIES.items()}}
    for server in SERVERS:
        for name, way in ways.items():
            for path in way(server):
                with open(path, "rb") as file:
                    expect_equal(want, hashlib.sha256(file.read()).hexdigest(),
                                 f"a body between {name} and {server}")
                os.remove(path)
    return len(ways) * len(SERVERS)


def _loads(rig):
    """h2load, and ab through the proxies that make HTTP/2 of it: nothing is lost."""
    for server in SERVERS:
        said = rig.client(["h2load", "-n", "1000", "-c", "8", "-m", "16",
                           f"http://{PLANE}/{server}/small"], f"h2load {server}")
        expect("1000 succeeded, 0 failed, 0 errored, 0 timeout" in said,
               f"h2load {server}:\n{said}")
        for name, port in PROXIES.items():
            said = rig.client(["ab", "-q", "-k", "-n", "500", "-c", "8",
                               f"http://127.0.0.1:{port}/{server}/small"], f"ab {name} {server}")
            expect(re.search(r"Complete requests: +500\nFailed requests: +0\n", said)
                   and "Non-2xx" not in said, f"ab by {name} to {server}:\n{said}")


def _big_body(rig):
    begun = time.monotonic()
    said = rig.client(["curl", "-sS", "-m", "60", "-o", "/dev/null", "-w",
                       "%{http_code} %{size_download}", f"http://{PLANE}/big/file"], "a big body")
    expect_equal(f"200 {BIG_BYTES}", said, "a big body")
    return time.monotonic() - begun


def http2_peers(_):
    rig = Rig()
    try:
        rig.up()
        begun = time.monotonic()
        pairs = _both_ways(rig)
        bodies_s = time.monotonic() - begun
        _loads(rig)
        loads_s = time.monotonic() - begun - bodies_s
        big_s = _big_body(rig)
        rig.mesh.check_alive()
        return (f"{pairs} pairs with bodies in {bodies_s:.1f} s, loads in {loads_s:.1f} s, "
                f"{BIG_BYTES >> 30} GB in {big_s:.1f} s")
    finally:
        rig.mesh.down()


def tests():
    """[(name, function of mesh)]"""
    return [(http2_peers.__name__, http2_peers)]
