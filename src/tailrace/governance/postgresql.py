"""The control store in a database of PostgreSQL, through psycopg.

The number of migrations is the one row of the table `migrations`. Who may write waits at the start
of the transaction for an advisory lock that ends with it: one writes at a time, as in SQLite, so
the schema is made once and what a transaction has read holds until it ends.

A server that does not answer holds a caller up for no longer than the times below.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from tailrace.core.errors import ConfigError, StoreError
from tailrace.governance import location

if TYPE_CHECKING:
    import psycopg

# For each address of a host. libpq takes no less than 2.
CONNECT_S = 5
# A statement, the wait for a lock, and a transaction that its client has left open.
ANSWER_S = 5
# All of a piece of work; then its connection is cut. Beyond this waits only who asks a server that
# cannot even end a statement, such as one whose disk hangs.
WORK_S = 15.0
# After a failed connection who comes next hears so at once, for so long: otherwise callers would
# wait in line for one timeout each.
RETRY_S = 1.0
_LOCK = 7_480
_DEFAULTS: dict[str, Any] = {
    "application_name": "tailrace",
    "client_encoding": "utf8",
    "connect_timeout": CONNECT_S,
    # A peer that vanished without a word is noticed within ANSWER_S.
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": ANSWER_S * 1000,
}
_SESSION = "; ".join(
    f"SET {name} = '{ANSWER_S}s'"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
)


class Postgresql:
    """The database at `uri`, see location.py. `password` is asked for at each connection, so that
    it may change; it raises ConfigError."""

    def __init__(self, uri: str, password: Callable[[], str] | None = None) -> None:
        self._uri = uri
        self._password = password
        self._failed_s = -RETRY_S
        self._why = ""
        self._until_s = math.inf
        self._connection: psycopg.Connection | None = None
        self.where = location.shown(uri)

    def engine(self) -> Engine:
        """Raises StoreError when there is no driver."""
        try:
            engine = create_engine(
                "postgresql+psycopg://",
                creator=self._connect,
                pool_size=1,
                pool_pre_ping=True,
                hide_parameters=True,
                isolation_level="READ COMMITTED",
                use_native_hstore=False,
            )
        except ImportError:
            raise StoreError(
                f"{self.where}: the driver psycopg is not installed, or cannot be loaded: "
                "pip install 'tailrace[postgresql]'"
            ) from None
        event.listen(engine, "begin", _begin)
        self._watch(engine)
        return engine

    def version(self, connection: Connection) -> int:
        # Who may not create tables here may still use those that there are.
        if connection.execute(text("SELECT to_regclass('migrations')")).scalar() is None:
            connection.execute(text("CREATE TABLE migrations (number BIGINT NOT NULL)"))
        return int(connection.execute(text("SELECT max(number) FROM migrations")).scalar() or 0)

    def set_version(self, connection: Connection, number: int) -> None:
        connection.execute(text("DELETE FROM migrations"))
        connection.execute(text("INSERT INTO migrations VALUES (:number)"), {"number": number})

    def scrub(self, engine: Engine) -> bool:
        """When old rows leave its files, its log and its copies, its server decides."""
        return True

    def set_aside(self, error: DBAPIError) -> bool:
        """Its server knows better what to do with what is damaged."""
        return False

    @contextmanager
    def bounded(self) -> Iterator[None]:
        self._until_s = time.monotonic() + WORK_S
        try:
            yield
        finally:
            self._until_s = math.inf

    def _watch(self, engine: Engine) -> None:
        """Cut off what takes too long until `engine` is disposed of. A timer for each piece of work
        would cost more than the work."""
        disposed, every_s = threading.Event(), WORK_S / 5

        def watch() -> None:
            while not disposed.wait(every_s):
                if time.monotonic() > self._until_s:
                    self._cut()

        event.listen(engine, "engine_disposed", lambda _engine: disposed.set())
        threading.Thread(target=watch, name="control-watch", daemon=True).start()

    def _cut(self) -> None:
        """What reads from the connection fails; libpq has no timeout for that."""
        if self._connection is None or self._connection.closed:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(fileno=os.dup(self._connection.fileno())) as shared,
        ):
            shared.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> psycopg.Connection:
        """Raises psycopg.Error, StoreError."""
        import psycopg

        if time.monotonic() - self._failed_s < RETRY_S:
            raise StoreError(self._why)
        if time.monotonic() > self._until_s:
            raise StoreError(f"{self.where} does not answer")
        try:
            connection = psycopg.connect(**self._parameters(), autocommit=True)
            self._connection = connection
            with contextlib.ExitStack() as unready:
                unready.callback(connection.close)
                connection.execute(_SESSION)
                connection.autocommit = False
                unready.pop_all()
        except psycopg.Error as error:
            self._failed_s = time.monotonic()
            self._why = f"{self.where}: {str(error).partition(chr(10))[0]}"
            raise
        return connection

    def _parameters(self) -> dict[str, Any]:
        """What the URI says goes first. Raises psycopg.Error, StoreError."""
        from psycopg.conninfo import conninfo_to_dict

        # Prepared statements do not get through every connection pooler.
        found = {**_DEFAULTS, **conninfo_to_dict(self._uri), "prepare_threshold": None}
        if self._password is not None:
            try:
                found["password"] = self._password()
            except ConfigError as error:
                raise StoreError(f"{self.where}: {error}") from None
        return found


def _begin(connection: Connection) -> None:
    """As Control asked: `durable` is synced at its end, `reads` waits for nobody who writes."""
    options = connection.get_execution_options()
    if options.get("reads"):
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    if options.get("durable"):
        connection.exec_driver_sql(
            "SELECT set_config('synchronous_commit', 'on', true) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
