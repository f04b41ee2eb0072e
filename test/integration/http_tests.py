"""Real clients across the plane: curl, wrk, ab and iperf3, over IPv4 and IPv6."""
import hashlib
import json
import os
import re
import socket

import measure
from echo_server import pattern
from fixture import curl, expect, expect_equal

TEN_MB = 10_000_000
FAMILIES = ("4", "6")
WEBSOCKET_PEER = f"{os.path.dirname(os.path.realpath(__file__))}/websocket_peer.py"


def echo_url(path, service="echo"):
    return f"http://{service}:9080{path}"


def get(mesh, family):
    done = curl(mesh, f"-{family}", "-w", "%{http_code} %{http_version}", echo_url("/"))
    expect_equal("ok\n200 1.1", done.stdout, "GET /")


def get_from_ipv6_endpoint(mesh, family):
    """The client's family does not decide the endpoint's: the plane joins both."""
    done = curl(mesh, f"-{family}", echo_url("/bytes/100000", "echo6"), "-o", "/dev/null", "-w",
                "%{http_code} %{size_download}")
    expect_equal("200 100000", done.stdout, "GET from an IPv6 endpoint")


def _upload_file(mesh):
    path = f"{mesh.run_dir}/upload"
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(os.urandom(TEN_MB))
    with open(path, "rb") as file:
        return path, hashlib.sha256(file.read()).hexdigest()


def _sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def post_10_mb_up(mesh, family):
    path, digest = _upload_file(mesh)
    done = curl(mesh, f"-{family}", "--data-binary", f"@{path}", echo_url("/sha256"))
    expect_equal(digest, done.stdout, "checksum of what the server received")


def post_10_mb_both_ways(mesh, family):
    path, digest = _upload_file(mesh)
    back = f"{mesh.run_dir}/back"
    curl(mesh, f"-{family}", "--data-binary", f"@{path}", "-o", back, echo_url("/echo"))
    expect_equal(digest, _sha256_of(back), "checksum of what came back")


def get_10_mb(mesh, family):
    back = f"{mesh.run_dir}/back"
    curl(mesh, f"-{family}", "-o", back, echo_url(f"/bytes/{TEN_MB}"))
    expect_equal(hashlib.sha256(pattern(TEN_MB)).hexdigest(), _sha256_of(back), "checksum")


def chunked_both_ways(mesh, family):
    path, digest = _upload_file(mesh)
    back, headers = f"{mesh.run_dir}/back", f"{mesh.run_dir}/headers"
    curl(mesh, f"-{family}", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "--data-binary",
         f"@{path}", "-D", headers, "-o", back, echo_url("/echo-chunked"))
    expect_equal(digest, _sha256_of(back), "checksum of what came back in chunks")
    with open(headers) as file:
        text = file.read().lower()
    expect("x-received-encoding: chunked" in text, f"the request did not arrive chunked:\n{text}")
    expect("transfer-encoding: chunked" in text, f"the reply did not arrive chunked:\n{text}")


def expect_100_continue(mesh, family):
    path, digest = _upload_file(mesh)
    done = curl(mesh, f"-{family}", "-v", "-H", "Expect: 100-continue", "--data-binary",
                f"@{path}", echo_url("/sha256"))
    expect_equal(digest, done.stdout, "checksum")
    expect("100 Continue" in done.stderr, f"no 100 Continue:\n{done.stderr}")


def head(mesh, family):
    done = curl(mesh, f"-{family}", "-I", echo_url("/bytes/12345"),
                echo_url("/bytes/7"), "-o", "/dev/null", "-o", "/dev/null", "-w",
                "%{http_code} %{size_download} %header{content-length};")
    expect_equal("200 0 12345;200 0 7;", done.stdout, "HEAD twice on one connection")


def keep_alive(mesh, family):
    done = curl(mesh, f"-{family}", "-o", "/dev/null", "-w", "%{http_code} %{num_connects} ",
                echo_url("/connection?[1-50]"))
    words = done.stdout.split()
    expect_equal(["200"] * 50, words[0::2], "status")
    expect_equal(1, sum(map(int, words[1::2])), "connections for 50 requests")


def close_after_reply(mesh, family):
    done = curl(mesh, f"-{family}", "-o", "/dev/null", "-H", "Connection: close", "-w",
                "%{http_code} %{num_connects} ", echo_url("/connection?[1-10]"))
    words = done.stdout.split()
    expect_equal(["200"] * 10, words[0::2], "status")
    expect_equal(["1"] * 10, words[1::2], "a new connection each")


_PIPELINE = '''
import socket, sys
host, family = sys.argv[1], int(sys.argv[2])
with socket.socket(family) as s:
    s.settimeout(10)
    s.connect((host, 9080))
    request = b"GET /bytes/%d HTTP/1.1\\r\\nHost: echo\\r\\n\\r\\n"
    s.sendall(b"".join(request % n for n in range(1, 11)))
    stream = s.makefile("rb")
    for _ in range(10):
        print(stream.readline().split()[1].decode(), end=" ")
        length = 0
        while (line := stream.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        print(len(stream.read(length)))
'''


def pipelining(mesh, family):
    """Ten requests in one write: ten replies, in order."""
    service = mesh.topology.service("echo")
    host, number = (service.v4, socket.AF_INET) if family == "4" else (service.v6, socket.AF_INET6)
    done = mesh.run_in_pod("client", ["/usr/bin/python3", "-c", _PIPELINE, host, str(int(number))])
    expect_equal([f"200 {n}" for n in range(1, 11)], done.stdout.splitlines(), "replies")


def websocket(mesh, family):
    service = mesh.topology.service("chat")
    host = service.v4 if family == "4" else service.v6
    done = mesh.run_in_pod("client", [WEBSOCKET_PEER, "call", "ws://chat:9080/", host],
                           check=False)
    expect_equal(0, done.returncode, f"websocket_peer.py call: {done.stderr}")
    expect_equal({"in_order": True, "large": True, "pong": True, "closed": [4001, "asked to"]},
                 json.loads(done.stdout), "what came back")


def upgrade_that_nobody_takes(mesh, family):
    """The server answers as if it had not been asked; what no route names is refused."""
    for protocol, status in (("websocket", "200"), ("other", "403")):
        done = curl(mesh, f"-{family}", "-o", "/dev/null", "-w", "%{http_code}",
                    "-H", "Connection: upgrade", "-H", f"Upgrade: {protocol}", echo_url("/"))
        expect_equal(status, done.stdout, f"an upgrade to {protocol}")


def wrk_64_connections(mesh, family):
    service = mesh.topology.service("ratings")
    host = service.v4 if family == "4" else f"[{service.v6}]"
    result = measure.Wrk(mesh, f"http://{host}:9080/ratings/0", 5, connections=64,
                         headers=("Host: ratings:9080",)).result()
    expect_equal((0, 0), (result.socket_errors, result.failed), "socket errors and non-2xx")
    expect(result.requests > 1000, f"only {result.requests} requests in 5 s")


def ab_keep_alive(mesh, family):
    service = mesh.topology.service("ratings")
    host = service.v4 if family == "4" else f"[{service.v6}]"
    done = mesh.run_in_pod("client", ["ab", "-q", "-k", "-n", "10000", "-c", "32", "-H",
                                      "Host: ratings:9080", f"http://{host}:9080/ratings/0"])
    counts = {name: int(number) for name, number in
              re.findall(r"^([\w -]+):\s+(\d+)", done.stdout, re.MULTILINE)}
    expect_equal(10000, counts.get("Complete requests"), "complete requests")
    expect_equal(0, counts.get("Failed requests"), "failed requests")
    expect_equal(0, counts.get("Non-2xx responses", 0), "non-2xx responses")
    expect(counts.get("Keep-Alive requests", 0) >= 9900, f"keep-alive requests: {counts}")


def iperf3_through_tcp_listener(mesh, family):
    for direction in ([], ["-R"]):
        done = mesh.run_in_pod("client", ["iperf3", f"-{family}", "-c", "iperf", "-t", "3", "-J",
                                          *direction], check=False)
        report = json.loads(done.stdout)
        expect("error" not in report, f"iperf3: {report.get('error')}")
        received = report["end"]["sum_received"]
        expect(received["bits_per_second"] > 50e6,
               f"{received['bits_per_second'] / 1e6:.0f} Mb/s in {direction or 'sending'}")


def bookinfo_page(mesh, family):
    replies = measure.curl_many(mesh, "http://productpage:9080/productpage", 30,
                                options=[f"-{family}"])
    expect_equal(30, measure.count(replies, status=200), "pages with every part")
    expect_equal({"v1", "v2", "v3"}, {r.version for r in replies}, "versions of reviews")


PER_FAMILY = (get, get_from_ipv6_endpoint, post_10_mb_up, post_10_mb_both_ways, get_10_mb,
              chunked_both_ways, expect_100_continue, head, keep_alive, close_after_reply,
              pipelining, websocket, upgrade_that_nobody_takes,
              wrk_64_connections, ab_keep_alive, iperf3_through_tcp_listener, bookinfo_page)


def tests():
    """[(name, function of mesh)]"""
    return [(f"{test.__name__}_ipv{family}", lambda mesh, t=test, f=family: t(mesh, f))
            for test in PER_FAMILY for family in FAMILIES]
