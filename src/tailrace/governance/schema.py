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
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text

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

# What each step adds. A step never changes: one that alters a table states the old form itself.
MIGRATIONS: tuple[tuple[Table, ...], ...] = (
    (AGENTS, LOSSES),
    (TOKENS, CHANGES),
    (KEYS,),
    (FINDINGS, FINDING_HOURS, FINDING_SPANS, FINDING_WRITERS),
)
