"""Followers in a process of their own, all of one query of a live tail.

    python -m bench.followers PORT FOLLOWERS QUERY

Prints `ready` when all are connected, then reads standard input to its end, and prints one JSON
object: `seen`, for each probe the seconds of the monotonic clock at which each follower had its
line; `lines`, how many each follower got; `dropped`, how many it was told that it did not.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect

PROBE = re.compile(r"probe\d{5}")

DROPPED = re.compile(r'"dropped_lines":(\d+)')
CONNECTING = 20


class Followers:
    """What all of them saw."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self.seen: dict[str, list[float]] = {}
        self.messages = [0] * count
        self.dropped = [0] * count
        self._connecting = asyncio.Semaphore(CONNECTING)

    async def open(self) -> ClientConnection:
        """One connection, few at a time."""
        async with self._connecting:
            return await connect(self._url, max_size=None, open_timeout=60)

    async def follow(self, number: int, socket: ClientConnection) -> None:
        """Until the connection ends."""
        async for message in socket:
            now_s = time.monotonic()
            text = str(message)
            self.messages[number] += 1
            for probe in set(PROBE.findall(text)):
                self.seen.setdefault(probe, []).append(now_s)
            if found := DROPPED.search(text):
                self.dropped[number] += int(found[1])


async def main(port: int, count: int, query: str) -> None:
    """Follow until standard input ends."""
    url = f"ws://127.0.0.1:{port}/loki/api/v1/tail?query={quote(query)}&limit=0"
    followers = Followers(url, count)
    sockets = await asyncio.gather(*(followers.open() for _ in range(count)))
    tasks = [asyncio.create_task(followers.follow(n, one)) for n, one in enumerate(sockets)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = {"seen": followers.seen, "messages": followers.messages, "dropped": followers.dropped}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
