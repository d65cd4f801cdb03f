"""A sender in a process of its own: bodies, compressed as they go, over keep-alive connections.

    python -m bench.client PORT DIRECTORY FILES

Prints one JSON object: seconds from the first byte to the last ack, own CPU seconds, bodies, the
bytes sent, and how often it was told to wait.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from pathlib import Path

import zstandard

CONNECTIONS = 4
LEVEL = 1
TIMEOUT_S = 120.0


class Sender:
    """Takes the next body of the directory until there is none, each until it is acknowledged."""

    def __init__(self, port: int, directory: Path, files: int) -> None:
        self._port = port
        self._directory = directory
        self._numbers = itertools.count(1)
        self._files = files
        self._lock = threading.Lock()
        self.waits = 0
        self.sent_bytes = 0
        self.acked = 0
        self.errors: list[str] = []

    def run(self) -> None:
        """One connection; several of these run at a time."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        try:
            while not self.errors:
                with self._lock:
                    number = next(self._numbers)
                if number > self._files:
                    return
                raw = (self._directory / f"{number}.ndjson").read_bytes()
                self._send(connection, compressor.compress(raw))
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            self.errors.append(repr(error))
        finally:
            connection.close()

    def _send(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}
        while True:
            connection.request("POST", "/ingest/records", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                break
            if answer.status not in (429, 503):
                raise RuntimeError(f"POST /ingest/records: {answer.status} {text[:300]!r}")
            with self._lock:
                self.waits += 1
            time.sleep(float(answer.getheader("Retry-After") or 1))
        with self._lock:
            self.sent_bytes += len(body)
            self.acked += 1


def main(arguments: list[str]) -> int:
    """Exit status 1 with the first error when a body was not taken."""
    port, directory, files = int(arguments[0]), Path(arguments[1]), int(arguments[2])
    sender = Sender(port, directory, files)
    threads = [threading.Thread(target=sender.run) for _ in range(CONNECTIONS)]
    start_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end_s = time.monotonic()
    if sender.errors or sender.acked != files:
        print(f"{sender.acked} of {files} bodies acknowledged: {sender.errors}", file=sys.stderr)
        return 1
    result = {
        # CLOCK_MONOTONIC is one clock for all processes of a machine.
        "start_s": start_s,
        "seconds": end_s - start_s,
        "cpu_s": time.process_time(),
        "bodies": sender.acked,
        "sent_bytes": sender.sent_bytes,
        "waits": sender.waits,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
