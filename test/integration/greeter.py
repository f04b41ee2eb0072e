#!/usr/bin/python3 -B
"""A gRPC service of every kind of call, and its client: Debian's grpc at both ends.

    greeter.py serve PORT            in the pod of the service
    greeter.py call TARGET           in a client's pod; prints one line of JSON

Messages are plain bytes: no generated code is needed to call through a proxy.
"""
import json
import sys
import time
from concurrent import futures

import grpc

SERVICE = "meltemi.test.Greeter"


def unary(request, context):
    context.set_trailing_metadata((("x-served-by", "greeter"),))
    return b"hello " + request


def server_stream(request, _):
    for i in range(int(request)):
        yield b"%d" % i


def client_stream(requests, _):
    return b",".join(requests)


def both_streams(requests, _):
    for request in requests:
        yield request.upper()


def fails(_, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such greeting: 100 %")


def slow(_, __):
    time.sleep(5)
    return b"late"


def serve(port):
    handlers = grpc.method_handlers_generic_handler(SERVICE, {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "BothStreams": grpc.stream_stream_rpc_method_handler(both_streams),
        "Fails": grpc.unary_unary_rpc_method_handler(fails),
        "Slow": grpc.unary_unary_rpc_method_handler(slow)})
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((handlers,))
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


def call(target):
    channel = grpc.insecure_channel(target)
    path = f"/{SERVICE}/".__add__
    name_in = channel.unary_unary(path("Unary"))
    reply, rpc = name_in.with_call(b"mesh", timeout=10)
    big = name_in(b"x" * 2_000_000, timeout=20)
    streamed = list(channel.unary_stream(path("ServerStream"))(b"1000", timeout=10))
    joined = channel.stream_unary(path("ClientStream"))(iter([b"a", b"b", b"c"]), timeout=10)

    # One message at a time, each after the answer to the one before: nothing may be held back.
    answers = []

    def asked_one_by_one():
        for word in (b"one", b"two", b"three"):
            yield word
            while len(answers) == 0 or answers[-1] != word.upper():
                time.sleep(0.001)

    for answer in channel.stream_stream(path("BothStreams"))(asked_one_by_one(), timeout=10):
        answers.append(answer)
    print(json.dumps({
        "unary": reply.decode(),
        "trailing": dict(rpc.trailing_metadata()).get("x-served-by"),
        "big": len(big),
        "server_stream": len(streamed),
        "client_stream": joined.decode(),
        "both_streams": [a.decode() for a in answers],
        "fails": status_of(lambda: channel.unary_unary(path("Fails"))(b"", timeout=10)),
        "unknown": status_of(lambda: channel.unary_unary(path("Nothing"))(b"", timeout=10))[0],
        "deadline": status_of(lambda: channel.unary_unary(path("Slow"))(b"", timeout=0.5))[0],
    }))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    elif len(sys.argv) == 3 and sys.argv[1] == "call":
        call(sys.argv[2])
    else:
        sys.exit(__doc__)
