#!/usr/bin/python3
"""Reorders: what comes to the device "detour0" goes on some time later. detour.py DEVICE DELAY_MS

nftables forwards frames of DEVICE to it, at random: those that were to leave by DEVICE do so after
all, with the mark MARK by which nftables knows them; those that had come by DEVICE are received
from detour0. Says "ready", ends with its standard input, and says how many went each way.
"""
import fcntl
import heapq
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

MARK = 7
NAME = "detour0"
TUNSETIFF, IFF_TAP_NO_PI = 0x400454ca, 0x1002
FRAME_BYTES_MAX = 70_000


def address_of(device):
    with open(f"/sys/class/net/{device}/address") as file:
        return bytes.fromhex(file.read().strip().replace(":", ""))


def open_tap():
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TAP_NO_PI))
    # What is received there has a source that lives elsewhere.
    subprocess.run(["sysctl", "-qw", f"net.ipv4.conf.{NAME}.rp_filter=0",
                    f"net.ipv6.conf.{NAME}.accept_ra=0"], check=True)
    subprocess.run(["ip", "link", "set", NAME, "up"], check=True)
    return tap


def open_raw(device):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    raw.bind((device, 0))
    return raw


def main():
    device, delay_s = sys.argv[1], float(sys.argv[2]) / 1000
    tap, raw = open_tap(), open_raw(device)
    own, there = address_of(device), address_of(NAME)
    counts = {"in": 0, "out": 0}
    flying = []  # (due, number, frame): a heap
    number = 0
    print("ready", flush=True)
    while True:
        wait = max(0.0, flying[0][0] - time.monotonic()) if flying else None
        readable, _, _ = select.select([tap, sys.stdin], [], [], wait)
        if sys.stdin in readable:
            break
        while tap in readable:
            try:
                frame = os.read(tap, FRAME_BYTES_MAX)
            except BlockingIOError:
                break
            number += 1
            heapq.heappush(flying, (time.monotonic() + delay_s, number, frame))
        while flying and flying[0][0] <= time.monotonic():
            frame = heapq.heappop(flying)[2]
            if frame[:6] == own:
                os.write(tap, there + frame[6:])
                counts["in"] += 1
            elif frame[6:12] == own:
                raw.send(frame)
                counts["out"] += 1
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
