#!/usr/bin/python3 -B
"""A gRPC service of every kind of call, and its client: Debian's grpc for Python at both ends.
greeter.cc and greeter.js are the same.

    greeter.py serve PORT            in the pod of the service
    greeter.py call TARGET           in a client's pod; prints one line of JSON

Messages are plain bytes: no generated code is needed to call through a proxy.
"""
import json
import os
import sys
import threading
import time
from concurrent import futures

import grpc

SERVICE = "meltemi.test.Greeter"
PIECES = 100  # of 1 MB: a stream of 100 MB
PIECE_BYTES = 1_000_000
TOGETHER = 1000


def piece(number):
    return bytes([number]) * PIECE_BYTES


class Server:
    def __init__(self):
        self._ended = set()
        self._here = threading.Condition()
        self._waiting = self._round = 0

    @staticmethod
    def unary(request, context):
        got = dict(context.invocation_metadata())
        trailing = [("x-served-by", "greeter")]
        if "x-raw-bin" in got:
            trailing.append(("x-raw-bin", got["x-raw-bin"]))
        if "x-asked" in got:
            context.send_initial_metadata((("x-heard", got["x-asked"]),))
        context.set_trailing_metadata(trailing)
        return b"hello " + request

    @staticmethod
    def server_stream(request, _):
        for i in range(int(request)):
            yield b"%d" % i

    @staticmethod
    def down(request, _):
        for i in range(int(request)):
            yield piece(i)

    @staticmethod
    def client_stream(requests, _):
        return b",".join(requests)

    @staticmethod
    def up(requests, _):
        return b"%d" % sum(request == piece(i) for i, request in enumerate(requests))

    @staticmethod
    def both_streams(requests, _):
        for request in requests:
            yield request.upper()

    @staticmethod
    def gives_up(requests, context):
        yield next(requests)
        context.abort(grpc.StatusCode.ABORTED, "enough")

    @staticmethod
    def fails(_, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such greeting: 100 %")

    @staticmethod
    def deadline(_, context):
        return b"%d" % (context.time_remaining() * 1000)

    def ended(self, key, _):
        return b"yes" if key in self._ended else b"no"

    def slow(self, key, context):
        self._tell_end(key, context)
        until = time.monotonic() + 5
        while context.is_active() and time.monotonic() < until:
            time.sleep(0.005)
        return b"late"

    def endless(self, key, context):
        self._tell_end(key, context)
        until = time.monotonic() + 10
        while context.is_active() and time.monotonic() < until:
            yield b"tick"
            time.sleep(0.005)

    def _tell_end(self, key, context):
        """`ended` says so when the client no longer wants the answer."""
        begun = time.monotonic()
        context.add_callback(
            lambda: self._ended.add(key) if time.monotonic() - begun < 4.5 else None)

    def together(self, request, _):
        """Answered when as many calls as the request says are here at once."""
        with self._here:
            mine = self._round
            self._waiting += 1
            if self._waiting == int(request):
                self._waiting = 0
                self._round += 1
                self._here.notify_all()
            return b"yes" if self._here.wait_for(lambda: self._round != mine, 20) else b"no"


def serve(port):
    ours = Server()
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(ours.unary),
        "Fails": grpc.unary_unary_rpc_method_handler(ours.fails),
        "Slow": grpc.unary_unary_rpc_method_handler(ours.slow),
        "Ended": grpc.unary_unary_rpc_method_handler(ours.ended),
        "Deadline": grpc.unary_unary_rpc_method_handler(ours.deadline),
        "Together": grpc.unary_unary_rpc_method_handler(ours.together),
        "ServerStream": grpc.unary_stream_rpc_method_handler(ours.server_stream),
        "Endless": grpc.unary_stream_rpc_method_handler(ours.endless),
        "Down": grpc.unary_stream_rpc_method_handler(ours.down),
        "ClientStream": grpc.stream_unary_rpc_method_handler(ours.client_stream),
        "Up": grpc.stream_unary_rpc_method_handler(ours.up),
        "BothStreams": grpc.stream_stream_rpc_method_handler(ours.both_streams),
        "GivesUp": grpc.stream_stream_rpc_method_handler(ours.gives_up)}
    server = grpc.server(futures.ThreadPoolExecutor(TOGETHER + 50))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if server.add_insecure_port(f"0.0.0.0:{port}") != port:
        sys.exit(f"cannot listen on port {port}")
    server.start()
    server.wait_for_termination()


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["OK", ""]


class Client:
    def __init__(self, target):
        self._channel = grpc.insecure_channel(target)

    def _unary(self, name):
        return self._channel.unary_unary(f"/{SERVICE}/{name}")

    def _down(self, name):
        return self._channel.unary_stream(f"/{SERVICE}/{name}")

    def _up(self, name):
        return self._channel.stream_unary(f"/{SERVICE}/{name}")

    def _both(self, name):
        return self._channel.stream_stream(f"/{SERVICE}/{name}")

    def unary(self):
        reply, rpc = self._unary("Unary").with_call(b"mesh", timeout=10, metadata=(
            ("x-asked", "who is there"), ("x-raw-bin", b"\x00\x01\xfe\xff")))
        trailing = dict(rpc.trailing_metadata())
        return {"unary": reply.decode(), "trailing": trailing.get("x-served-by"),
                "initial": dict(rpc.initial_metadata()).get("x-heard"),
                "binary": trailing.get("x-raw-bin", b"").hex(),
                "big": len(self._unary("Unary")(b"x" * 2_000_000, timeout=20))}

    def streams(self):
        # One message at a time, each after the answer to the one before: nothing may be held back.
        answers = []

        def asked_one_by_one():
            for word in (b"one", b"two", b"three"):
                yield word
                while len(answers) == 0 or answers[-1] != word.upper():
                    time.sleep(0.001)

        for answer in self._both("BothStreams")(asked_one_by_one(), timeout=10):
            answers.append(answer)
        return {"server_stream": len(list(self._down("ServerStream")(b"1000", timeout=10))),
                "client_stream": self._up("ClientStream")(
                    iter([b"a", b"b", b"c"]), timeout=10).decode(),
                "both_streams": [answer.decode() for answer in answers]}

    def ends(self):
        key = b"py%d" % os.getpid()
        slow = status_of(lambda: self._unary("Slow")(b"slow " + key, timeout=0.3))[0]
        left = int(self._unary("Deadline")(b"", timeout=7))
        endless = self._down("Endless")(b"endless " + key)
        for _ in range(3):
            next(endless)
        endless.cancel()
        return {"fails": status_of(lambda: self._unary("Fails")(b"", timeout=10)),
                "unknown": status_of(lambda: self._unary("No")(b"", timeout=10))[0],
                "deadline": slow, "deadline_ends_server": self._ended(b"slow " + key),
                "deadline_at_server": 5000 < left <= 7100 or left,
                "cancel": endless.code().name,
                "cancel_ends_server": self._ended(b"endless " + key),
                "server_gives_up": status_of(self._given_up)}

    def _given_up(self):
        def words():
            for _ in range(1000):
                yield b"word"
                time.sleep(0.001)
        list(self._both("GivesUp")(words()))

    def _ended(self, key):
        for _ in range(200):
            if self._unary("Ended")(key, timeout=5) == b"yes":
                return True
            time.sleep(0.01)
        return False

    def long(self):
        down = self._down("Down")(b"%d" % PIECES, timeout=60)
        return {"mb_down": sum(got == piece(i) for i, got in enumerate(down)),
                "mb_up": int(self._up("Up")(map(piece, range(PIECES)), timeout=60))}

    def together(self):
        """All on the one connection of the channel; each is answered when all have come."""
        calls = [self._unary("Together").future(b"%d" % TOGETHER, timeout=25)
                 for _ in range(TOGETHER)]
        return {"together": sum(call.exception() is None and call.result() == b"yes"
                                for call in calls)}


def call_all(target):
    client = Client(target)
    print(json.dumps({**client.unary(), **client.streams(), **client.ends(), **client.long(),
                      **client.together()}))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    elif len(sys.argv) == 3 and sys.argv[1] == "call":
        call_all(sys.argv[2])
    else:
        sys.exit(__doc__)
