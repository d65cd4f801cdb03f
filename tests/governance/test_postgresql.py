"""A control store on a real PostgreSQL server: started at once, restarts, refusals, passwords."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import Place, nothing
from servers import Postgresql as Server
from sqlalchemy import text

from tailrace.core import limits
from tailrace.core.access import Scope
from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.fleet import Announcement, Loss
from tailrace.core.metrics import Metrics
from tailrace.governance import location, postgresql, tokentable
from tailrace.governance.control import Control
from tailrace.governance.fleet import STATES, Fleet
from tailrace.governance.postgresql import Postgresql
from tailrace.governance.schema import MIGRATIONS, TOKENS
from tailrace.governance.tokens import Tokens

PASSWORD = "sesame-0815"
SERVERS = 6


def refused(store: Postgresql) -> str:
    """Why it cannot be opened: one line, without the password."""
    with pytest.raises(StoreError) as caught:
        asyncio.run(Control(store).open())
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def soon(holds: Callable[[], Any], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def new_token(control: Control, now_ns: int = 1) -> tuple[str, str]:
    token, secret = await control.run(
        lambda c: tokentable.create(c, "shop", [Scope.INGEST], "wéb", now_ns), durable=True
    )
    return token.id, secret


def test_many_begin_at_once_and_none_fails_or_is_forgotten(schema: str) -> None:
    lost = Loss("a", 1, 10, 19, 100, 1_000, "spool_full", 5)
    said = Announcement(
        source="a", version="1", host="h", pid=1, started_ns=1, interval_s=15.0, losses=[lost]
    )

    async def main() -> None:
        controls = [Control(Postgresql(schema)) for _ in range(SERVERS)]
        await asyncio.gather(*(control.open() for control in controls))
        made = await asyncio.gather(*(new_token(control) for control in controls))
        metrics = Metrics()
        fleets = [Fleet(control, ManualClock(), metrics) for control in controls]
        await asyncio.gather(*(fleet.announce("default", said) for fleet in fleets))
        for control in controls:
            assert await control.read(tokentable.changes) == SERVERS
            known = {token.id for token in await control.read(tokentable.listed)}
            assert known == {token_id for token_id, _ in made}
        assert metrics.get("tailrace_agent_losses_rows_total", "spool_full") == 100
        assert (await fleets[0].agents("default", STATES, 9)).agents[0].lost_rows == 100
        await asyncio.gather(*(control.close() for control in controls))

    asyncio.run(main())


def test_a_server_that_is_away_and_back_costs_no_token(
    postgresql: Server, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock, metrics = ManualClock(), Metrics()
        control = Control(Postgresql(schema))
        await control.open()
        _, secret = await new_token(control)
        tokens = Tokens(control, clock, metrics)
        await tokens.open()
        await asyncio.to_thread(postgresql.stop)
        try:
            clock.advance(60.0)
            await tokens.look()
            assert tokens.principal(secret)
            assert metrics.get("tailrace_tokens_age_seconds") == 60.0
            assert "tokens cannot be read" in caplog.text
        finally:
            await asyncio.to_thread(postgresql.start)

        async def fresh() -> bool:
            await tokens.look()
            return metrics.get("tailrace_tokens_age_seconds") == 0.0

        await soon(fresh)
        assert tokens.principal(secret)
        assert limits.TOKENS_KEPT_S > 60.0
        await control.close()

    asyncio.run(main())


def test_a_restart_between_two_questions_is_not_noticed(postgresql: Server, schema: str) -> None:
    async def work(control: Control) -> None:
        assert await control.read(tokentable.changes) == 0
        await asyncio.to_thread(postgresql.stop)
        await asyncio.to_thread(postgresql.start)
        assert await control.read(tokentable.changes) == 0

    Place(schema).use(work)


def backends(c: Any) -> list[int]:
    return list(c.execute(text("SELECT pg_backend_pid()")).scalars())


def test_a_server_that_hangs_is_given_up_and_asked_again(
    schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "WORK_S", 0.5)

    async def work(control: Control) -> None:
        (backend,) = await control.read(backends)
        os.kill(backend, signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            with pytest.raises(StoreError, match="does not answer"):
                await control.read(tokentable.changes)
            assert time.monotonic() - began_s < 5
            assert await control.read(tokentable.changes) == 0
        finally:
            os.kill(backend, signal.SIGCONT)

    Place(schema).use(work)


def test_who_finds_the_server_silent_holds_nobody_else_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        control = Control(Postgresql(uri))

        async def main() -> None:
            began_s = time.monotonic()
            said = await asyncio.gather(*(control.open() for _ in range(9)), return_exceptions=True)
            assert time.monotonic() - began_s < 4
            assert Counter(map(type, said)) == {StoreError: 9}
            await control.close()

        asyncio.run(main())


def test_settings_of_the_database_change_nothing(postgresql: Server, database: str) -> None:
    name = database.partition("@/")[2].partition("?")[0]
    for setting in (
        "default_transaction_isolation = serializable",
        "synchronous_commit = off",
        "timezone = 'Asia/Kathmandu'",
        "bytea_output = escape",
    ):
        postgresql.do(f"ALTER DATABASE {name} SET {setting}", check=True)

    def set_to(c: Any) -> list[str]:
        names = ("transaction_isolation", "synchronous_commit")
        return [c.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    async def work(control: Control) -> None:
        assert await control.run(set_to, durable=True) == ["read committed", "on"]
        assert await control.run(set_to) == ["read committed", "off"]
        fleet = Fleet(control, ManualClock(), Metrics())
        said = Announcement(
            source="ä\\", version="1", host="\\x00", pid=1, started_ns=1, interval_s=9.0
        )
        await fleet.announce("default", said)
        await fleet.open()
        (agent,) = (await fleet.agents("default", STATES, 9)).agents
        assert agent.source == "ä\\"

    Place(database).use(work)


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_text_comes_back_as_it_was_and_nul_is_refused(postgresql: Server, encoding: str) -> None:
    name = f"text_{encoding.lower()}"
    form = f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    postgresql.do(f"CREATE DATABASE {name} {form}", check=True)

    async def work(control: Control) -> None:
        await new_token(control)
        assert [token.name for token in await control.read(tokentable.listed)] == ["wéb"]
        with pytest.raises(StoreError, match="NUL"):
            await control.run(lambda c: c.execute(TOKENS.update().values(name="a\0b")))
        assert [token.name for token in await control.read(tokentable.listed)] == ["wéb"]

    Place(postgresql.uri(name)).use(work)


def test_a_database_of_a_newer_tailrace_is_refused(schema: str) -> None:
    async def newer(control: Control) -> None:
        await control.run(lambda c: c.execute(text("UPDATE migrations SET number = 99")))

    Place(schema).use(newer)
    assert "newer tailrace (schema 99" in refused(Postgresql(schema))


@pytest.fixture
def person(postgresql: Server, database: str) -> Callable[[str], str]:
    """`person(name)`: a role that may use what is there; gives its URI on the port."""
    name = database.partition("@/")[2].partition("?")[0]

    def made(role: str) -> str:
        postgresql.do(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", check=True)
        postgresql.do(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            name, check=True,
        )  # fmt: skip
        return f"postgresql://{role}@127.0.0.1:{postgresql.port}/{name}"

    return made


def test_who_may_make_no_tables_may_use_those_that_there_are(
    database: str, person: Callable[[str], str]
) -> None:
    uri = person("early")
    assert "permission denied" in refused(Postgresql(uri, lambda: PASSWORD))
    Place(database).use(nothing)
    uri = person("late")

    async def main() -> None:
        control = Control(Postgresql(uri, lambda: PASSWORD))
        await control.open()
        assert await new_token(control)
        await control.close()

    asyncio.run(main())


def test_a_password_may_change_while_the_server_runs(
    postgresql: Server, database: str, person: Callable[[str], str], tmp_path: Path
) -> None:
    Place(database).use(nothing)
    uri, file = person("changing"), tmp_path / "password"
    file.write_text(PASSWORD)

    async def main() -> None:
        control = Control(Postgresql(uri, file.read_text))
        await control.open()
        postgresql.do("ALTER ROLE changing PASSWORD 'another'", check=True)
        postgresql.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'"
        )
        with pytest.raises(StoreError, match="password authentication failed") as caught:
            await control.read(tokentable.changes)
        assert PASSWORD not in str(caught.value)
        file.write_text("another")

        async def back() -> bool:
            try:
                return await control.read(tokentable.changes) == 0
            except StoreError:
                return False

        await soon(back)
        await control.close()

    asyncio.run(main())


def test_a_password_may_be_where_the_driver_looks(
    postgresql: Server,
    database: str,
    person: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Place(database).use(nothing)
    uri = person("looking")
    assert "no password supplied" in refused(Postgresql(uri))
    passfile, services = tmp_path / "pgpass", tmp_path / "services"
    passfile.write_text(f"*:*:*:looking:{PASSWORD}\n")
    passfile.chmod(0o600)
    services.write_text(
        f"[tailrace]\nhost=127.0.0.1\nport={postgresql.port}\nuser=looking\n"
        f"dbname={uri.rpartition('/')[2]}\npassword={PASSWORD}\n"
    )
    with monkeypatch.context() as environment:
        environment.setenv("PGPASSFILE", str(passfile))
        Place(uri).use(nothing)
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    Place("postgresql://?service=tailrace").use(nothing)


def test_a_refusal_says_what_and_where(
    postgresql: Server, person: Callable[[str], str], tmp_path: Path
) -> None:
    uri = person("refused")
    place = uri.rpartition("/")[0]
    wrong = refused(Postgresql(uri, lambda: "wrong-" + PASSWORD))
    assert wrong.startswith(f"{uri}: ")
    assert 'password authentication failed for user "refused"' in wrong
    assert 'database "none" does not exist' in refused(
        Postgresql(f"{place}/none?sslmode=disable", lambda: PASSWORD)
    )
    assert "Connection refused" in refused(Postgresql("postgresql://app@127.0.0.1:1/x"))
    assert "nonsense" in refused(Postgresql(f"{uri}?nonsense=1"))
    assert "SSL" in refused(Postgresql(f"{uri}?sslmode=require", lambda: PASSWORD))

    def gone() -> str:
        raise ConfigError("server.control_password_file: it is gone")

    assert refused(Postgresql(uri, gone)) == f"{uri}: server.control_password_file: it is gone"


def test_a_driver_that_is_missing_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = refused(Postgresql(f"postgresql://tailrace:{PASSWORD}@db/control"))
    assert said == (
        "postgresql://tailrace:***@db/control: the driver psycopg is not installed, or cannot be "
        "loaded: pip install 'tailrace[postgresql]'"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://",
        "postgres:///tailrace",
        "postgresql://tailrace@db/tailrace?sslmode=verify-full",
        "postgresql://tailrace@[::1]:5432,other:5433/tailrace?target_session_attrs=read-write",
        "postgresql://db:5432/tailrace",
        "postgresql://?service=tailrace&passfile=/etc/tailrace/pgpass",
    ],
)
def test_an_address_as_psql_takes_it_is_fine(uri: str) -> None:
    location.check(uri, "server.control")
    assert location.shown(uri) == uri.partition("?")[0]


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://u:PASS@db/x",
        "postgresql://u:PASS/y@db/x",
        "postgresql://u:PASS?y@db/x",
        "postgresql://u:PASS@y@db/x",
        "postgresql://:PASS@db/x",
        "postgresql://db/x?password=PASS",
        "postgresql://db/x?a=b&pass%77ord=PASS",
        "postgresql://db/x?sslpassword=PASS",
        "postgresql+psycopg://u:PASS@db/x",
        "host=db password=PASS",
        "mysql://u:PASS@db/x",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_shown(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.control") as caught:
        location.check(uri, "server.control")
    assert "PASS@" not in str(caught.value) and "=PASS" not in str(caught.value)
    if uri.startswith("postgresql"):
        assert "PASS" not in location.shown(uri)


def test_the_migrations_are_counted_in_one_row(schema: str) -> None:
    async def work(control: Control) -> None:
        rows = await control.read(lambda c: c.execute(text("SELECT number FROM migrations")).all())
        assert rows == [(len(MIGRATIONS),)]

    for _ in range(2):
        Place(schema).use(work)
