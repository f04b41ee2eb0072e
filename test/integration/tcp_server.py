#!/usr/bin/python3
"""Opaque TCP: a server that does what the first byte of a connection says. tcp_server.py PORT

  E          echoes until the client ends
  1          echoes one byte, then ends first
  S<size>    sends so many bytes (8 bytes, big-endian) of a fixed pattern, then ends; of 64 KB or
             less the kernel takes a quarter at a time, so that the rest has to wait in the plane
  D          takes everything, then says its SHA-256 and the longest silence in seconds
"""
import contextlib
import hashlib
import resource
import selectors
import socket
import struct
import sys
import time

PATTERN = hashlib.sha512(b"meltemi").digest() * 4096  # 256 KB
READ_BYTES = 1 << 18
SHORT_BYTES = 1 << 16
RTO_MAX_MS = 44  # TCP_RTO_MAX_MS, Linux 6.15: after twice that in silence a kernel gives up


def pattern(at, count):
    """At most `count` bytes from offset `at`."""
    at %= len(PATTERN)
    return memoryview(PATTERN)[at:at + count]


def settle(sock):
    """The algorithm of the plane at the kernel's ends too, whatever the machine's own is."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def many_files():
    """Connections are files, and the usual limit is low. What is hard is not ours to raise: tests
    stay below 20,000 connections per process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Conn:
    __slots__ = ("sock", "kind", "head", "left", "at", "out", "sha", "last", "gap", "ended")

    def __init__(self, sock):
        self.sock, self.kind, self.head = sock, None, b""
        self.left = self.at = 0
        self.out = b""
        self.sha, self.last, self.gap, self.ended = None, 0.0, 0.0, False


class Server:
    def __init__(self, port):
        many_files()
        self._waits = selectors.EpollSelector()
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, port))
            listener.listen(65535)
            listener.setblocking(False)
            self._waits.register(listener, selectors.EVENT_READ, None)

    def run(self):
        while True:
            for key, _ in self._waits.select():
                if key.data is None:
                    self._accept(key.fileobj)
                    continue
                try:
                    self._serve(key.data)
                except OSError:
                    self._close(key.data)

    def _accept(self, listener):
        for _ in range(256):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            settle(sock)
            self._waits.register(sock, selectors.EVENT_READ, Conn(sock))

    def _close(self, conn):
        self._waits.unregister(conn.sock)
        conn.sock.close()

    def _serve(self, conn):
        if conn.left or conn.out:
            return self._send(conn)
        data = conn.sock.recv(READ_BYTES)
        if not data:
            return self._end(conn)
        if conn.kind is None:
            conn.kind, data = data[:1], data[1:]
            if conn.kind == b"D":
                conn.sha, conn.last = hashlib.sha256(), time.monotonic()
        if conn.kind == b"S":
            conn.head += data
            if len(conn.head) >= 8:
                conn.left = struct.unpack(">Q", conn.head[:8])[0]
                if conn.left <= SHORT_BYTES:
                    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SHORT_BYTES // 8)
                    with contextlib.suppress(OSError):
                        conn.sock.setsockopt(socket.IPPROTO_TCP, RTO_MAX_MS, 15_000)
                self._send(conn)
        elif conn.kind == b"D":
            now = time.monotonic()
            conn.gap, conn.last = max(conn.gap, now - conn.last), now
            conn.sha.update(data)
        elif data:
            conn.out = data
            conn.ended = conn.kind == b"1"
            self._send(conn)

    def _end(self, conn):
        conn.ended = True
        if conn.kind == b"D":
            conn.out = f"{conn.sha.hexdigest()} {conn.gap:.6f}\n".encode()
        self._send(conn)

    def _send(self, conn):
        """What the socket takes; the rest when it has room."""
        try:
            while conn.out:
                conn.out = conn.out[conn.sock.send(conn.out):]
            while conn.left:
                sent = conn.sock.send(pattern(conn.at, min(conn.left, READ_BYTES)))
                conn.at, conn.left = conn.at + sent, conn.left - sent
        except BlockingIOError:
            self._waits.modify(conn.sock, selectors.EVENT_WRITE, conn)
            return
        if conn.kind == b"S" and not conn.ended:  # a kernel gives up what is closed and not taken
            conn.sock.shutdown(socket.SHUT_WR)
            conn.out, conn.kind = b"", b"1"
            self._waits.modify(conn.sock, selectors.EVENT_READ, conn)
        elif conn.ended:
            self._close(conn)
        else:
            self._waits.modify(conn.sock, selectors.EVENT_READ, conn)


if __name__ == "__main__":
    Server(int(sys.argv[1])).run()
