#!/usr/bin/python3
"""Clients of tcp_server.py. They print a line of JSON per step.

  tcp_client.py transfer ADDRESS PORT up|down BYTES
  tcp_client.py churn ADDRESS PORT COUNT client|server PROCESSES
  tcp_client.py hold ADDRESS,ADDRESS... PORT COUNT       "check" and "close" on stdin
  tcp_client.py slow ADDRESS,ADDRESS... PORT COUNT BYTES "read" on stdin
"""
import errno
import hashlib
import json
import multiprocessing
import selectors
import socket
import struct
import sys
import time

from tcp_server import READ_BYTES, many_files, pattern, settle

OPENING_MAX = 500  # handshakes at once
PATIENCE_S = 60
SLOW_PATIENCE_S = 80  # what was refused a kernel sends again after twice the time it has waited


def say(**what):
    print(json.dumps(what), flush=True)


def connect(address, port, receive_buffer=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    settle(sock)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE_S)
    sock.connect((address, port))
    return sock


def expected_digest(size):
    sha, at = hashlib.sha256(), 0
    while at < size:
        part = pattern(at, min(size - at, READ_BYTES))
        sha.update(part)
        at += len(part)
    return sha.hexdigest()


def transfer(address, port, direction, size):
    """One stream of `size` bytes: whether all came, and the longest silence at the reader."""
    began = time.monotonic()
    with connect(address, port) as sock:
        if direction == "up":
            sock.sendall(b"D")
            at = 0
            while at < size:
                part = pattern(at, min(size - at, READ_BYTES))
                sock.sendall(part)
                at += len(part)
            sock.shutdown(socket.SHUT_WR)
            digest, gap = sock.makefile().readline().split()
        else:
            sock.sendall(b"S" + struct.pack(">Q", size))
            sha, gap, last = hashlib.sha256(), 0.0, time.monotonic()
            while data := sock.recv(READ_BYTES):
                now = time.monotonic()
                gap, last = max(gap, now - last), now
                sha.update(data)
            digest = sha.hexdigest()
    seconds = time.monotonic() - began
    say(whole=digest == expected_digest(size), gap_s=float(gap), seconds=seconds,
        mbit_s=size * 8e-6 / seconds)


def _churn_some(address, port, count, who, result):
    kind = b"E." if who == "client" else b"1."
    failed = {}
    for _ in range(count):
        try:
            with connect(address, port) as sock:
                sock.sendall(kind)
                if sock.recv(16) != b".":
                    raise OSError(errno.EIO, "no echo")
                if who == "server" and sock.recv(16) != b"":
                    raise OSError(errno.EIO, "no end")
        except OSError as error:
            failed[str(error)] = failed.get(str(error), 0) + 1
    result.put(failed)


def churn(address, port, count, who, processes):
    """Short connections one after the other, some at once; `who` ends them first."""
    began = time.monotonic()
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=_churn_some, args=(
        address, port, count // processes, who, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    failed = {}
    for _ in workers:
        for error, times in results.get().items():
            failed[error] = failed.get(error, 0) + times
    for worker in workers:
        worker.join()
    say(count=count // processes * processes, failed=failed, seconds=time.monotonic() - began)


def open_many(addresses, port, count, first, receive_buffer=0):
    """`count` connections, OPENING_MAX at once, each having said `first`; and how many failed."""
    many_files()
    waits = selectors.EpollSelector()
    done, failed, begun = [], 0, 0
    deadline = time.monotonic() + PATIENCE_S
    while len(done) + failed < count and time.monotonic() < deadline:
        while begun < count and begun - len(done) - failed < OPENING_MAX:
            address = addresses[begun % len(addresses)]
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setblocking(False)
            sock.connect_ex((address, port))
            waits.register(sock, selectors.EVENT_WRITE)
            begun += 1
        for key, _ in waits.select(1.0):
            waits.unregister(key.fileobj)
            if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                failed += 1
                key.fileobj.close()
                continue
            key.fileobj.send(first)
            done.append(key.fileobj)
    return done, count - len(done)


def _echo_on(socks):
    """How many of them answer a byte with that byte."""
    good = 0
    for begin in range(0, len(socks), OPENING_MAX):
        some = socks[begin:begin + OPENING_MAX]
        for sock in some:
            sock.setblocking(True)
            sock.settimeout(PATIENCE_S)
            sock.send(b"x")
        for sock in some:
            try:
                good += sock.recv(16) == b"x"
            except OSError:
                pass
    return good


def hold(addresses, port, count):
    began = time.monotonic()
    socks, failed = open_many(addresses, port, count, b"E")
    say(open=len(socks), failed=failed, seconds=time.monotonic() - began)
    for line in sys.stdin:
        if line.strip() == "check":
            began = time.monotonic()
            say(answered=_echo_on(socks), seconds=time.monotonic() - began)
        else:
            for sock in socks:
                sock.close()
            say(closed=len(socks))
            return


def slow(addresses, port, count, size):
    """Readers that do not read until they are told to."""
    began = time.monotonic()
    socks, failed = open_many(addresses, port, count, b"S" + struct.pack(">Q", size), 4096)
    say(open=len(socks), failed=failed, seconds=time.monotonic() - began)
    sys.stdin.readline()
    began = time.monotonic()
    waits = selectors.EpollSelector()
    for sock in socks:
        sock.setblocking(False)
        # With a window as small as before the time would be this program's.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 65535)
        waits.register(sock, selectors.EVENT_READ, [0])
    whole = reset = wrong = 0
    deadline = began + SLOW_PATIENCE_S
    while whole + reset + wrong < len(socks) and time.monotonic() < deadline:
        for key, _ in waits.select(1.0):
            try:
                data = key.fileobj.recv(READ_BYTES)
            except OSError:
                reset += 1
                waits.unregister(key.fileobj)
                continue
            if data and data == pattern(key.data[0], len(data)):
                key.data[0] += len(data)
                continue
            good = not data and key.data[0] == size
            whole, wrong = whole + good, wrong + (not good)
            waits.unregister(key.fileobj)
    say(whole=whole, reset=reset, wrong=wrong, seconds=time.monotonic() - began)


def main():
    what, *args = sys.argv[1:]
    if what == "transfer":
        transfer(args[0], int(args[1]), args[2], int(args[3]))
    elif what == "churn":
        churn(args[0], int(args[1]), int(args[2]), args[3], int(args[4]))
    elif what == "hold":
        hold(args[0].split(","), int(args[1]), int(args[2]))
    elif what == "slow":
        slow(args[0].split(","), int(args[1]), int(args[2]), int(args[3]))


if __name__ == "__main__":
    main()
