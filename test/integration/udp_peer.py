#!/usr/bin/python3 -B
"""Datagrams: `udp_peer.py serve PORT` sends back what comes. `udp_peer.py ask ADDRESS PORT BYTES`
sends so many, and prints "same" when they come back, or the name of the error it got instead."""
import errno
import os
import socket
import sys

ANSWER_WITHIN_S = 3


def serve(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.bind(("::", port))
    while True:
        text, client = server.recvfrom(65536)
        server.sendto(text, client)


def ask(address, port, size):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(ANSWER_WITHIN_S)
    client.connect((address, port))
    text = os.urandom(size)
    try:
        client.send(text)
        return "same" if client.recv(65536) == text else "other"
    except socket.timeout:
        return "silence"
    except OSError as error:
        return errno.errorcode[error.errno]


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    print(ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
