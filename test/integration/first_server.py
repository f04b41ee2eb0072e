#!/usr/bin/python3 -B
"""A server that speaks first, as of SMTP, and then says back what it hears."""
import socketserver
import sys


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 ready\r\n")
        while said := self.request.recv(4096):
            self.request.sendall(said)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


Server(("0.0.0.0", int(sys.argv[1])), Session).serve_forever()
