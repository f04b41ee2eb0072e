"""UDP in super-frames: the sender hands the kernel ten datagrams at once (UDP_SEGMENT, Linux 4.18).

  datagrams.py receive ADDRESS PORT COUNT    prints "ready", then how many came whole
  datagrams.py send ADDRESS PORT COUNT
"""
import socket
import sys
import time

BYTES = 1200
TOGETHER = 10
UDP_SEGMENT = 103  # of SOL_UDP; no name in Python 3.11
SILENCE_S = 3


def datagram(index):
    return index.to_bytes(4, "big") + bytes((index * 7 + i) % 251 for i in range(BYTES - 4))


def udp(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def receive(address, port, count):
    with udp(address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((address, port))
        print("ready", flush=True)
        sock.settimeout(30)
        whole = set()
        try:
            while len(whole) < count:
                data = sock.recv(65536)
                index = int.from_bytes(data[:4], "big")
                if data == datagram(index):
                    whole.add(index)
                sock.settimeout(SILENCE_S)
        except TimeoutError:
            pass
        print(len(whole), flush=True)


def send(address, port, count):
    with udp(address) as sock:
        sock.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, UDP_SEGMENT, BYTES)
        for first in range(0, count, TOGETHER):
            sock.sendto(b"".join(datagram(first + i) for i in range(TOGETHER)), (address, port))
            time.sleep(0.002)


if __name__ == "__main__":
    {"receive": receive, "send": send}[sys.argv[1]](sys.argv[2], int(sys.argv[3]),
                                                    int(sys.argv[4]))
