#!/usr/bin/python3 -B
"""A WebSocket server and client on python3-websockets.

  websocket_peer.py serve PORT   says back each message; "close" makes it close with code 4001
  websocket_peer.py call URL IP  prints what it saw as JSON
"""
import asyncio
import hashlib
import http
import json
import os
import sys

import websockets

BYTES_MAX = 8 << 20


async def _echo(socket, *_):
    async for message in socket:
        if message == "close":
            await socket.close(4001, "asked to")
            return
        await socket.send(message)


async def _health(path, _):
    return (http.HTTPStatus.OK, [], b"ok\n") if path == "/health" else None


async def serve(port):
    # All of IPv4 and IPv6.
    async with websockets.serve(_echo, None, port, max_size=BYTES_MAX, process_request=_health):
        await asyncio.Future()


async def call(url, host):
    seen = {}
    async with websockets.connect(url, host=host, max_size=BYTES_MAX, compression=None) as socket:
        for number in range(200):
            await socket.send(str(number))
        seen["in_order"] = [await socket.recv() for _ in range(200)] == list(map(str, range(200)))
        content = os.urandom(4_000_000)
        await socket.send(content)
        back = await socket.recv()
        seen["large"] = hashlib.sha256(content).digest() == hashlib.sha256(back).digest()
        await (await socket.ping())
        seen["pong"] = True
        await socket.send("close")
        await socket.wait_closed()
        seen["closed"] = [socket.close_code, socket.close_reason]
    print(json.dumps(seen))


def main():
    kind, *where = sys.argv[1:]
    asyncio.run(serve(int(where[0])) if kind == "serve" else call(*where))


if __name__ == "__main__":
    main()
