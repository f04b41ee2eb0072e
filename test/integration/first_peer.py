#!/usr/bin/python3 -B
"""A server that speaks first, as of SMTP, and then says back what it hears: serve PORT.
And a client that says what it is told and prints what it hears: connect ADDRESS PORT."""
import socket
import socketserver
import sys
import threading


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 ready\r\n")
        while said := self.request.recv(4096):
            self.request.sendall(said)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def say(peer):
    for line in sys.stdin:
        peer.sendall(line.encode())


def connect(address):
    with socket.create_connection(address) as peer:
        threading.Thread(target=say, args=(peer,), daemon=True).start()
        while heard := peer.recv(4096):
            print(heard.decode(), end="", flush=True)


if sys.argv[1] == "serve":
    Server(("0.0.0.0", int(sys.argv[2])), Session).serve_forever()
else:
    connect((sys.argv[2], int(sys.argv[3])))
