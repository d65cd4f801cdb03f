"""The tables of the control store, and the numbered steps that made them.

agents   tenant, source             the key
         first_seen_ns              server's clock, UTC
         last_seen_ns
         since_ns                   when the run that was heard last was first heard
         announcement               its last words, JSON of core.fleet.Announcement, no losses
losses   tenant, source, epoch, first_seq      the key: said again it is the same one
         last_seq, rows, bytes, reason, at_ns  as core.fleet.Loss
         received_ns                server's clock when it was first heard of
tokens   id                         the public part of the secret
         digest                     SHA-256 of the whole secret, hexadecimal
         name, tenant
         scopes                     words of core.access.Scope with spaces between them
         created_ns
         expires_ns, revoked_ns, used_ns       0 for never; `used_ns` is a minute coarse
changes  subject                    what others keep a copy of: "tokens", "keys"
         number                     one more with each change, so that a copy is known as old
pseudonym_keys
         tenant, kind, epoch        the key; epochs count from 1, the highest is in use
         wrapped                    see wrapping.py; empty when it is destroyed
         master                     MasterKey.id; the same in all rows that are not destroyed
         created_ns
         retired_ns, destroyed_ns   0 for never
findings id                         a hash of the place
         tenant, service, version, environment, detector, field, code, action
                                    the place, see core.finding.Place
         first_ns, last_ns, hits    of all that were found there
         alerted_ns                 since when it alerts, 0 when it does not
         over_ns                    when it was last seen to have reached its threshold
finding_hours, finding_spans
         finding, start_ns          the key: a finding, and the start of an hour or five minutes
         hits                       in that time
finding_writers
         writer                     the key: a process that writes findings
         number, at_ns              its last batch that was written, so that none is written twice
deletions
         id                         the key
         at_ns                      when it was noted
         tenant, place, reason, subject, signal, service, rows, bytes, first_ns, last_ns
                                    as core.deletion.Deletion
leases   subject                    what one process alone may do: "alerts"
         holder, until_ns           as core.alerting.AlertStore.lead has it

Of alerts, see core/alerting.py. A column in JSON may hold any text, which is written in ASCII:
PostgreSQL takes no character 0, and neither of the two takes half a character of UTF-16.

alerts   tenant, rule, id           the key; `id` is a hash of the labels
         labels, annotations        JSON: lists of names and values
         phase
         value                      as Python writes it: SQLite has no number that is none
         active_ns, fired_ns, left_ns, ended_ns, missed_ns
alert_evaluations
         tenant, rule               the key
         slot_ns, took_s, missed
         error                      JSON
alert_groups                        what was told of them
         tenant, receiver, id       the key; `id` is a hash of the group
         name                       JSON: the group
         at_ns
         firing, resolved           JSON: lists of fingerprints
alert_notices                       the outbox
         id                         counts up; none is used twice
         tenant, receiver
         group_id, name             as `id` and `name` of alert_groups
         body, bytes                the latter are its length, so that it need not be read
         made_ns, due_ns, attempts
         error                      JSON
         replaceable                0 or 1
silences tenant, id                 the key
         matchers                   JSON: lists of name, operator and value
         starts_ns, ends_ns, updated_ns
         author, comment            JSON
rule_texts
         tenant, folder, name       the key; `name` is the group
         text                       JSON
         updated_ns
error_patterns                      of core/errorpatterns.py: what services have logged before
         tenant, id                 the key; `id` is a hash
         service                    its name
         first_ns, last_ns

Of frames by their numbers, see ledger/ledger.py:

ledger_marks
         tenant, source, epoch      the key
         checked_seq                what became of every frame below it was looked at
         at_ns                      server's clock when it was written
ledger_gaps
         tenant, source, epoch, first_seq, last_seq
                                    the key: frames from `first_seq` to `last_seq` are missing
         found_ns
ledger_guarded
         tenant, source, epoch, seq the key: a frame that the guard let nothing pass of
         at_ns
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData()
PLACE_FIELDS = (
    "tenant", "service", "version", "environment", "detector", "field", "code", "action"
)  # fmt: skip
# Ordered by bytes everywhere: PostgreSQL's other collations change with its machine's libraries,
# and an index of before is then wrong.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")


def _text(name: str, primary_key: bool = False) -> Column[str]:
    return Column(name, _TEXT, nullable=False, primary_key=primary_key)


def _number(name: str, primary_key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=False, primary_key=primary_key, autoincrement=False)


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False)


def _counts(name: str) -> Table:
    """Hits of findings by the start of a span of time."""
    return Table(
        name,
        METADATA,
        _text("finding", primary_key=True),
        _number("start_ns", primary_key=True),
        _number("hits"),
        Index(f"{name}_by_time", "start_ns"),
    )


AGENTS = Table(
    "agents",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("first_seen_ns"),
    _number("last_seen_ns"),
    _number("since_ns"),
    Column("announcement", LargeBinary, nullable=False),
)
LOSSES = Table(
    "losses",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("epoch", primary_key=True),
    _number("first_seq", primary_key=True),
    _number("last_seq"),
    _number("rows"),
    _number("bytes"),
    _text("reason"),
    _number("at_ns"),
    _number("received_ns"),
    Index("losses_by_time", "tenant", "received_ns"),
)
TOKENS = Table(
    "tokens",
    METADATA,
    _text("id", primary_key=True),
    _text("digest"),
    _text("name"),
    _text("tenant"),
    _text("scopes"),
    _number("created_ns"),
    _number("expires_ns"),
    _number("revoked_ns"),
    _number("used_ns"),
)
CHANGES = Table(
    "changes",
    METADATA,
    _text("subject", primary_key=True),
    _number("number"),
)
KEYS = Table(
    "pseudonym_keys",
    METADATA,
    _text("tenant", primary_key=True),
    _text("kind", primary_key=True),
    _number("epoch", primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    _text("master"),
    _number("created_ns"),
    _number("retired_ns"),
    _number("destroyed_ns"),
)
FINDINGS = Table(
    "findings",
    METADATA,
    _text("id", primary_key=True),
    *map(_text, PLACE_FIELDS),
    _number("first_ns"),
    _number("last_ns"),
    _number("hits"),
    _number("alerted_ns"),
    _number("over_ns"),
    Index("findings_by_time", "tenant", "last_ns"),
    Index("findings_by_alert", "alerted_ns"),
)
FINDING_HOURS = _counts("finding_hours")
FINDING_SPANS = _counts("finding_spans")
FINDING_WRITERS = Table(
    "finding_writers",
    METADATA,
    _text("writer", primary_key=True),
    _number("number"),
    _number("at_ns"),
)
LEASES = Table(
    "leases",
    METADATA,
    _text("subject", primary_key=True),
    _text("holder"),
    _number("until_ns"),
)


def _alerts(metadata: MetaData, *times: str) -> Table:
    return Table(
        "alerts",
        metadata,
        _text("tenant", primary_key=True),
        _text("rule", primary_key=True),
        _text("id", primary_key=True),
        _json("labels"),
        _json("annotations"),
        _text("phase"),
        _text("value"),
        *map(_number, ("active_ns", "fired_ns", "left_ns", "ended_ns", *times)),
    )


ALERTS = _alerts(METADATA, "missed_ns")
ALERT_EVALUATIONS = Table(
    "alert_evaluations",
    METADATA,
    _text("tenant", primary_key=True),
    _text("rule", primary_key=True),
    _number("slot_ns"),
    Column("took_s", Double, nullable=False),
    _json("error"),
    _number("missed"),
)
ALERT_GROUPS = Table(
    "alert_groups",
    METADATA,
    _text("tenant", primary_key=True),
    _text("receiver", primary_key=True),
    _text("id", primary_key=True),
    _json("name"),
    _number("at_ns"),
    _json("firing"),
    _json("resolved"),
)
ALERT_NOTICES = Table(
    "alert_notices",
    METADATA,
    # Both databases count so that a number never comes again, not even that of the last one.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    _text("tenant"),
    _text("receiver"),
    _text("group_id"),
    _json("name"),
    Column("body", LargeBinary, nullable=False),
    _number("bytes"),
    _number("made_ns"),
    _number("due_ns"),
    _number("attempts"),
    _json("error"),
    _number("replaceable"),
    Index("alert_notices_by_group", "tenant", "receiver", "group_id", "bytes"),
    sqlite_autoincrement=True,
)
SILENCES = Table(
    "silences",
    METADATA,
    _text("tenant", primary_key=True),
    _text("id", primary_key=True),
    _json("matchers"),
    _number("starts_ns"),
    _number("ends_ns"),
    _number("updated_ns"),
    _json("author"),
    _json("comment"),
)
RULE_TEXTS = Table(
    "rule_texts",
    METADATA,
    _text("tenant", primary_key=True),
    _text("folder", primary_key=True),
    _text("name", primary_key=True),
    _json("text"),
    _number("updated_ns"),
)
ERROR_PATTERNS = Table(
    "error_patterns",
    METADATA,
    _text("tenant", primary_key=True),
    _text("id", primary_key=True),
    _text("service"),
    _number("first_ns"),
    _number("last_ns"),
    Index("error_patterns_by_time", "tenant", "last_ns"),
)
LEDGER_MARKS = Table(
    "ledger_marks",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("epoch", primary_key=True),
    _number("checked_seq"),
    _number("at_ns"),
)
LEDGER_GAPS = Table(
    "ledger_gaps",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("epoch", primary_key=True),
    _number("first_seq", primary_key=True),
    _number("last_seq", primary_key=True),
    _number("found_ns"),
)
LEDGER_GUARDED = Table(
    "ledger_guarded",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("epoch", primary_key=True),
    _number("seq", primary_key=True),
    _number("at_ns"),
    Index("ledger_guarded_by_time", "tenant", "at_ns"),
)
DELETIONS = Table(
    "deletions",
    METADATA,
    _text("id", primary_key=True),
    _text("tenant"),
    _number("at_ns"),
    *map(_text, ("place", "reason", "subject", "signal", "service")),
    *map(_number, ("rows", "bytes", "first_ns", "last_ns")),
    Index("deletions_by_time", "tenant", "at_ns"),
)

# Frames of agents of which the guard let no row pass, by minute: they never come into the queue.
LEDGER_AWAY = Table(
    "ledger_away",
    METADATA,
    _text("tenant", primary_key=True),
    _text("source", primary_key=True),
    _number("minute", primary_key=True),
    *map(_number, ("frames", "rows")),
)

# The form that an earlier step made.
_ALERTS_5 = _alerts(MetaData())

# What each step does: tables that it adds, and statements. A step never changes.
MIGRATIONS: tuple[tuple[Table | str, ...], ...] = (
    (AGENTS, LOSSES),
    (TOKENS, CHANGES),
    (KEYS,),
    (FINDINGS, FINDING_HOURS, FINDING_SPANS, FINDING_WRITERS),
    (LEASES, _ALERTS_5, ALERT_EVALUATIONS, ALERT_GROUPS, ALERT_NOTICES, SILENCES, RULE_TEXTS),
    (ERROR_PATTERNS,),
    (LEDGER_MARKS, LEDGER_GAPS, LEDGER_GUARDED),
    (
        "ALTER TABLE alerts ADD COLUMN missed_ns BIGINT NOT NULL DEFAULT 0",
        "UPDATE alerts SET missed_ns = fired_ns, left_ns = ended_ns WHERE left_ns = -1",
    ),
    (DELETIONS,),
    (LEDGER_AWAY,),
)
