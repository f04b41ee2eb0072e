#!/usr/bin/python3
"""Bookinfo's front page: asks details and reviews, by their service names, and shows both.

A request's end-user and tracing headers travel on, so that rules about users reach the services
behind. The page answers 200 when both parts are there, else 502; its headers say what was shown.
"""
import argparse
import html
import http.client
import http.server
import socket
import socketserver

FORWARDED = ("end-user", "x-request-id", "traceparent", "tracestate", "b3", "user-agent")
UPSTREAM_TIMEOUT_S = 10


def ask(host, path, headers):
    """(status, version, body) of a service; status 0 when it could not be reached."""
    connection = http.client.HTTPConnection(host, 9080, timeout=UPSTREAM_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
        return response.status, response.getheader("x-version", ""), body
    except (OSError, http.client.HTTPException) as error:
        return 0, "", str(error)
    finally:
        connection.close()


def page(details, reviews):
    rows = "".join(f"<tr><td>{name}</td><td>{status}</td><td>{version}</td>"
                   f"<td><code>{html.escape(body.strip())}</code></td></tr>\n"
                   for name, (status, version, body) in
                   (("details", details), ("reviews", reviews)))
    return ("<!doctype html>\n<title>Bookinfo</title>\n<h1>The Comedy of Errors</h1>\n"
            "<table><tr><th>service</th><th>status</th><th>version</th><th>says</th></tr>\n"
            f"{rows}</table>\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "productpage"

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):
        if self.path.startswith("/productpage"):
            headers = {name: self.headers[name] for name in FORWARDED if name in self.headers}
            details = ask("details", "/details/0", headers)
            reviews = ask("reviews", "/reviews/0", headers)
            status = 200 if details[0] == reviews[0] == 200 else 502
            self._reply(status, "text/html", page(details, reviews),
                        {"x-version": reviews[1] or "none", "x-reviews-status": reviews[0],
                         "x-details-status": details[0]})
        elif self.path.startswith("/health"):
            self._reply(200, "text/plain", b"ok\n", {})
        else:
            self._reply(404, "text/plain", b"try /productpage\n", {})

    def _reply(self, status, content_type, body, headers):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # the mesh keeps the access log


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    # Not http.server's own: that one looks its host name up in DNS before it serves.
    allow_reuse_address = True
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=9080)
    Server(("::", parser.parse_args().port), Handler).serve_forever()


if __name__ == "__main__":
    main()
