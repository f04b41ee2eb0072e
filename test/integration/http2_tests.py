"""HTTP/2 across the plane, bridged all four ways: curl, h2load, nghttpd."""
import hashlib
import os
import re

from fixture import curl, expect, expect_equal

ECHO = "http://echo:9080"          # an HTTP/1.1 server
STATIC = "http://static2:9080"     # nghttpd: HTTP/2 only
TEN_MB = 10_000_000


def http2_client_http1_server(mesh):
    done = curl(mesh, "--http2-prior-knowledge", "-w", "%{http_code} %{http_version}", f"{ECHO}/")
    expect_equal("ok\n200 2", done.stdout, "GET /")


def http2_client_posts_10_mb_both_ways(mesh):
    path, back = f"{mesh.run_dir}/upload2", f"{mesh.run_dir}/back2"
    content = os.urandom(TEN_MB)
    with open(path, "wb") as file:
        file.write(content)
    curl(mesh, "--http2-prior-knowledge", "--data-binary", f"@{path}", "-o", back, f"{ECHO}/echo")
    with open(back, "rb") as file:
        expect_equal(hashlib.sha256(content).hexdigest(), hashlib.sha256(file.read()).hexdigest(),
                     "checksum of what came back")


def http1_client_http2_server(mesh):
    done = curl(mesh, "--http1.1", "-w", "%{http_code} %{http_version}", f"{STATIC}/index.html")
    expect_equal("served by nghttpd\n200 1.1", done.stdout, "GET /index.html")
    done = curl(mesh, "--http1.1", "-o", "/dev/null", "-w", "%{http_code}", f"{STATIC}/missing")
    expect_equal("404", done.stdout, "GET /missing")


def http2_all_the_way(mesh):
    done = curl(mesh, "--http2-prior-knowledge", "-w", "%{http_code} %{http_version}",
                f"{STATIC}/index.html")
    expect_equal("served by nghttpd\n200 2", done.stdout, "GET /index.html")


def h2load_loses_nothing(mesh):
    for url in (f"{ECHO}/", f"{STATIC}/index.html"):
        done = mesh.run_in_pod("client", ["h2load", "-n", "20000", "-c", "8", "-m", "32", url],
                               check=False)
        expect(re.search(r"20000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout),
               f"h2load {url}:\n{done.stdout}{done.stderr}")
        expect(re.search(r"status codes: 20000 2xx", done.stdout), f"h2load:\n{done.stdout}")


def grpc_caller_learns_that_nobody_serves(mesh):
    """A reply of the plane's own, as gRPC says it: UNAVAILABLE, not a broken call."""
    server = mesh.servers["greeter-v1"]
    server.kill()
    try:
        done = curl(mesh, "--http2-prior-knowledge", "-X", "POST", "-H",
                    "content-type: application/grpc", "-H", "te: trailers", "-D", "-", "-o",
                    "/dev/null", "http://greeter:9080/meltemi.test.Greeter/Unary")
        expect("grpc-status: 14" in done.stdout.lower(), f"headers:\n{done.stdout}")
    finally:
        server.start()


def tests():
    """[(name, function of mesh)]"""
    return [(test.__name__, test) for test in (
        http2_client_http1_server, http2_client_posts_10_mb_both_ways, http1_client_http2_server,
        http2_all_the_way, h2load_loses_nothing, grpc_caller_learns_that_nobody_serves)]
