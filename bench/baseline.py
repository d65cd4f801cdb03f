"""The bare engine: the same rows into the same table, with nothing of tailrace around it.

    python -m bench.baseline STORE DIRECTORY FILES FILES_PER_INSERT [bare]

Runs in a process of its own and prints one JSON object: CPU seconds from the first insert until the
merges have settled, wall seconds, rows and bytes on disk. `bare` leaves the table's indexes out.
The engine has the server's configuration, the inserts have the engine's own defaults. Opening the
engine is not counted, as it is not for the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect

from bench import process
from bench.data import BODY_BYTES, Data
from tailrace.core import limits
from tailrace.store import schema
from tailrace.store.engine import configuration

SMALL_BYTES = 8_000_000
TIMEOUT_S = 3_600
_QUIET_S = 2.0
_MERGES_S = 600.0
_COLUMNS = (
    "time UInt64, severity String, body String, service String, trace_id String, "
    "span_id String, attributes Map(String, String), resource Map(String, String)"
)
_LEVELS = "['DEBUG','INFO','WARN','ERROR'], [5,9,13,17], 0"
_INSERT = """INSERT INTO logs (Tenant, Timestamp, IngestTime, TraceId, SpanId, TraceFlags,
  SeverityText, SeverityNumber, ServiceName, HostName, Body, ResourceAttributes, LogAttributes,
  Weight, Source, Epoch, Seq)
SELECT 'default', fromUnixTimestamp64Nano(toInt64(time), 'UTC'),
  fromUnixTimestamp64Nano(toInt64({now}), 'UTC'), trace_id, span_id, 0, severity,
  toUInt8(transform(toLowCardinality(severity), {levels})), service, resource['host.name'], body,
  resource, attributes, 1, 'bench', 1, {number}
FROM file('{files}', JSONEachRow, '{columns}')
SETTINGS input_format_parallel_parsing=0"""


@dataclass(frozen=True)
class Form:
    """One way to insert: bodies a statement, and whether the table has its indexes."""

    name: str
    files: int
    indexed: bool = True


FORMS = (
    Form("8 MB an insert", max(SMALL_BYTES // BODY_BYTES, 1)),
    Form("the writer's batches", max(limits.INSERT_BYTES // BODY_BYTES, 1)),
    Form("the writer's batches, no index", max(limits.INSERT_BYTES // BODY_BYTES, 1), False),
)


def measure(data: Data, scratch: Path, form: Form) -> dict[str, Any]:
    """Run this module in a process of its own on a fresh directory. Raises RuntimeError."""
    arguments = [str(scratch), str(data.directory), str(data.files), str(form.files)]
    arguments += [] if form.indexed else ["bare"]
    command = [sys.executable, "-m", "bench.baseline", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the bare engine failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["rows"] != data.rows:
        raise RuntimeError(f"the bare engine holds {found['rows']} rows, not {data.rows}")
    return found


def main(arguments: list[str]) -> None:
    """Load, settle, report."""
    store, directory = Path(arguments[0]), Path(arguments[1])
    files, step = int(arguments[2]), int(arguments[3])
    store.mkdir(parents=True)
    config = store / "engine.xml"
    config.write_text(configuration(limits.ENGINE_MEMORY_BYTES))
    path = f"{store / 'tables'}?config-file={config}"
    client = clickhouse_connect.get_client(interface="chdb", path=path)
    client.command(
        schema.LOGS_DDL if len(arguments) == 4 else schema.BULK_DDL.replace("bulk_rows", "logs", 1)
    )
    start_cpu_s, start_s = time.process_time(), time.monotonic()
    for first in range(1, files + 1, step):
        last = min(first + step - 1, files)
        statement = _INSERT.format(
            now=time.time_ns(),
            number=first,
            files=f"{directory}/{{{first}..{last}}}.ndjson",
            columns=_COLUMNS,
            levels=_LEVELS,
        )
        client.command(statement)
    loaded_s = time.monotonic() - start_s
    loaded_cpu_s = time.process_time() - start_cpu_s
    _settle(client)
    result = {
        "load_cpu_s": loaded_cpu_s,
        "cpu_s": time.process_time() - start_cpu_s,
        "load_s": loaded_s,
        "rows": int(client.query("SELECT count() FROM logs").result_rows[0][0]),
        "active_bytes": int(
            client.query(
                "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'logs'"
            ).result_rows[0][0]
        ),
        "peak_bytes": process.peak_bytes(_own_pid()),
    }
    client.close()
    print(json.dumps(result))


def _own_pid() -> int:
    return int(Path("/proc/self").resolve().name)


def _settle(client: Any) -> None:
    """Until no merge ran for two seconds."""
    deadline = time.monotonic() + _MERGES_S
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < _QUIET_S:
        if time.monotonic() > deadline:
            raise RuntimeError(f"merges did not settle within {_MERGES_S:.0f} s")
        if client.query("SELECT count() FROM system.merges").result_rows[0][0]:
            quiet_since = time.monotonic()
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
