"""A sender of syslog in a process of its own, at a steady rate.

    python -m bench.socketload udp|tcp PORT RATE SECONDS

Prints one JSON object: messages sent, and the seconds it took. It falls behind its rate where the
receiver or the machine is slower; over UDP nothing but the count of what arrived tells of losses.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time

# Messages of one write of a TCP stream, and between two looks at the clock.
BURST = 200
DIFFERENT = 2_000
_WORDS = ("order", "placed", "paid", "shipped", "cart", "customer", "stock", "payment", "retry")


def messages() -> list[bytes]:
    """About 200 bytes each, as rsyslog forwards them (RFC 5424)."""
    chance = random.Random(5)
    return [
        (
            f"<134>1 2026-09-21T12:00:{number % 60:02d}.{number % 1000:03d}Z host-{number % 10} "
            f"shop {1000 + number % 7} - - order {chance.getrandbits(40):010x} "
            + " ".join(chance.choices(_WORDS, k=16))
        ).encode()
        for number in range(DIFFERENT)
    ]


def main(arguments: list[str]) -> int:
    kind, port, rate, seconds = arguments[0], int(arguments[1]), *map(float, arguments[2:])
    lines = messages()
    tcp = kind == "tcp"
    sender = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    sender.connect(("127.0.0.1", port))
    bursts = [lines[n : n + BURST] for n in range(0, DIFFERENT, BURST)]
    streams = [b"".join(line + b"\n" for line in burst) for burst in bursts]
    began_s = time.monotonic()
    sent = turn = 0
    while (now_s := time.monotonic() - began_s) < seconds:
        if sent > rate * now_s:
            time.sleep(BURST / rate)
            continue
        if tcp:
            sender.sendall(streams[turn % len(streams)])
        else:
            for line in bursts[turn % len(bursts)]:
                sender.send(line)
        sent += BURST
        turn += 1
    sender.close()
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began_s}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
