"""A client of one door in a process of its own: the same bodies over keep-alive connections.

    python -m bench.doorload PORT DOOR SECONDS

Prints one JSON object: rows acknowledged, seconds, and how often it was told to wait.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time

from bench.doorbodies import ALL, Bodies

CONNECTIONS = 4
TIMEOUT_S = 60.0


class Load:
    """What the connections share."""

    def __init__(self, port: int, load: Bodies, seconds: float) -> None:
        self._port = port
        self._load = load
        self._end_s = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.rows = 0
        self.waits = 0
        self.errors: list[str] = []

    def run(self, first: int) -> None:
        """One connection, until the time is over."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            for number in itertools.count(first):
                if time.monotonic() >= self._end_s or self.errors:
                    return
                self._send(connection, self._load.bodies[number % len(self._load.bodies)])
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            self.errors.append(repr(error))
        finally:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        connection.request("POST", self._load.path, body, self._load.headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status in (429, 503):
            with self._lock:
                self.waits += 1
            time.sleep(float(answer.getheader("Retry-After") or 1))
            return
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"POST {self._load.path}: {answer.status} {text[:300]!r}")
        with self._lock:
            self.rows += self._load.rows


def main(arguments: list[str]) -> int:
    """Exit status 1 with the first error when a body was refused."""
    port, load, seconds = int(arguments[0]), ALL[arguments[1]](), float(arguments[2])
    shared = Load(port, load, seconds)
    threads = [threading.Thread(target=shared.run, args=(n,)) for n in range(CONNECTIONS)]
    start_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if shared.errors:
        print(shared.errors[0], file=sys.stderr)
        return 1
    result = {"rows": shared.rows, "seconds": time.monotonic() - start_s, "waits": shared.waits}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
