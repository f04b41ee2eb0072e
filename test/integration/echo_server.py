#!/usr/bin/python3
"""An HTTP/1.1 server that says back what it got, in the ways tests need.

  POST /echo         the same bytes, with a content-length
  POST /echo-chunked the same bytes, chunked
  POST /sha256       the SHA-256 of the body
  GET  /bytes/N      N bytes of a fixed pattern; HEAD gives the same header
  GET  /chunked/N    the same bytes, chunked
  GET  /connection   a number that is the same for requests on one connection
  GET  /headers      the request's headers as JSON, names in lower case
"""
import argparse
import hashlib
import http.server
import itertools
import json
import socket
import socketserver

PATTERN = hashlib.sha512(b"meltemi").digest() * 1024  # 64 KB
BODY_BYTES_MAX = 64 << 20
_connections = itertools.count(1)


def pattern(size):
    whole, rest = divmod(size, len(PATTERN))
    return PATTERN * whole + PATTERN[:rest]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection_number = next(_connections)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self):
        kind, _, size = self.path.partition("?")[0].strip("/").partition("/")
        if kind == "bytes":
            self._reply(200, pattern(min(int(size), BODY_BYTES_MAX)))
        elif kind == "chunked":
            self._reply_chunked(pattern(min(int(size), BODY_BYTES_MAX)))
        elif kind == "connection":
            self._reply(200, f"{self.connection_number}\n".encode())
        elif kind == "headers":
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._reply(200, json.dumps(headers).encode())
        else:
            self._reply(200, b"ok\n")

    do_HEAD = do_GET

    def do_POST(self):
        body = self._body()
        if self.path == "/echo-chunked":
            self._reply_chunked(body)
        elif self.path == "/sha256":
            self._reply(200, hashlib.sha256(body).hexdigest().encode())
        else:
            self._reply(200, body)

    def _body(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            return self._chunks()
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def _chunks(self):
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _headers(self, status, name, value):
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("x-received-encoding", self.headers.get("transfer-encoding", "none"))
        self.end_headers()

    def _reply(self, status, body):
        self._headers(status, "content-length", str(len(body)))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reply_chunked(self, body, chunk=7919):
        self._headers(200, "transfer-encoding", "chunked")
        if self.command == "HEAD":
            return
        for at in range(0, len(body), chunk):
            part = body[at:at + chunk]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
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
