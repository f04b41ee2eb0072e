#!/usr/bin/python3 -B
"""A server that misbehaves as a file or the request's path says.

    moody_server.py PORT MOOD-FILE    HTTP/1.1 and bare TCP ("PING" is answered with "+PONG")
    moody_server.py grpc PORT MOOD-FILE

Moods: good, says_503, hangs, resets, half_closes, lies (a body shorter than its length), drips (a
byte a second), drips_body (its head comes at once), events (five, one each 200 ms), leaves (good,
but the connection ends a few milliseconds later). grpc: good, not_serving.

A path /WHATEVER/MOOD/... has its own: MOOD-once is good from the second time the path is asked for,
MOOD-late takes 300 ms to begin.
"""
import random
import socket
import struct
import sys
import threading
import time
from concurrent import futures

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n" + b"yes"


def mood_of(path):
    with open(path) as file:
        return file.read().strip()


MOODS = ("good", "says_503", "hangs", "resets", "half_closes", "lies", "drips", "drips_body",
         "events", "leaves")
LATE_S = 0.3
_asked = set()  # paths with -once


def mood_of_request(head, path_of_file):
    path = head.split(b" ", 2)[1].decode()
    words = path.split("/")
    mood, *changes = words[2].split("-") if len(words) > 3 else [""]
    if mood not in MOODS:
        return mood_of(path_of_file)
    if "late" in changes:
        time.sleep(LATE_S)
    if "once" in changes and path in _asked:
        return "good"
    _asked.add(path)
    return mood


def say_events(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                       b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(5):
        event = b"data: %f\n\n" % time.monotonic()
        connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        time.sleep(0.2)
    connection.sendall(b"0\r\n\r\n")


def drip(connection, text):
    for byte in text:
        connection.sendall(bytes([byte]))
        time.sleep(1)


def answer(connection, mood):
    """True: the connection goes on."""
    if mood == "good":
        connection.sendall(OK)
    elif mood == "says_503":
        connection.sendall(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
    elif mood == "hangs":
        time.sleep(30)
    elif mood == "resets":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    elif mood == "half_closes":
        connection.shutdown(socket.SHUT_WR)
        time.sleep(1)
        return False
    elif mood == "lies":
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\nshort")
        return False
    elif mood == "drips":
        drip(connection, OK)
    elif mood == "drips_body":
        connection.sendall(OK[:-3])
        drip(connection, OK[-3:])
    elif mood == "events":
        say_events(connection)
    elif mood == "leaves":
        connection.sendall(OK)
        time.sleep(random.uniform(0, 0.004))
        return False
    return True


def serve_one(connection, path):
    asked = b""
    with connection:
        try:
            while data := connection.recv(4096):
                asked += data
                if asked.startswith(b"PING"):
                    if mood_of(path) == "good":
                        connection.sendall(b"+PONG\r\n")
                    asked = b""
                elif asked.endswith(b"\r\n\r\n"):
                    head, asked = asked, b""
                    if not answer(connection, mood_of_request(head, path)):
                        return
        except OSError:
            pass  # the other end has given up, as it should


def serve(port, path):
    with socket.create_server(("0.0.0.0", port), backlog=256) as server:
        while True:
            connection, _ = server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve_one, args=(connection, path), daemon=True).start()


def serve_grpc(port, path):
    import grpc

    def check(request, _):
        serving = mood_of(path) == "good" and request == b"\x0a\x04shop"
        return b"\x08\x01" if serving else b"\x08\x02"

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)}),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    server.start()
    server.wait_for_termination()


if sys.argv[1] == "grpc":
    serve_grpc(int(sys.argv[2]), sys.argv[3])
else:
    serve(int(sys.argv[1]), sys.argv[2])
