#!/usr/bin/python3 -B
"""A server that misbehaves as a file says, for health checks.

    moody_server.py PORT MOOD-FILE    HTTP/1.1 and bare TCP ("PING" is answered with "+PONG")
    moody_server.py grpc PORT MOOD-FILE

Moods: good, says_503, hangs, resets, half_closes, lies (a body shorter than its length), drips (a
byte a second). grpc: good, not_serving.
"""
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
        for byte in OK:
            connection.sendall(bytes([byte]))
            time.sleep(1)
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
                    asked = b""
                    if not answer(connection, mood_of(path)):
                        return
        except OSError:
            pass  # the other end has given up, as it should


def serve(port, path):
    with socket.create_server(("0.0.0.0", port)) as server:
        while True:
            connection, _ = server.accept()
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
