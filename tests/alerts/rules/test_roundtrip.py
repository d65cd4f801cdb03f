"""Whatever groups there are, they are written and read back as they are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.alerts.rule import Group, Language, Rule
from tailrace.alerts.rules.durations import read_duration, write_duration
from tailrace.alerts.rules.reader import Origin, read, read_group
from tailrace.alerts.rules.writer import write, write_folders, write_group
from tailrace.query.logql.duration import LONGEST_NS

MS = 1_000_000
EXPRESSIONS: list[tuple[str, Language]] = [
    ("up == 0", "promql"),
    ("vector(1)", "promql"),
    ("vector(1)", "logql"),
    ('max_over_time(sum by (job) (rate(x_total{a="b"}[5m]))[1h:1m]) > 3', "promql"),
    ('absent_over_time({job="a"}[5m])', "promql"),
    ('absent_over_time({job="a"}[5m])', "logql"),
    ('sum by (app) (\n  rate({app=~"a|b"}\n  |= "it\'s"\n  | json\n  [5m])\n) > 0.5', "logql"),
    ("SELECT count() AS value FROM logs", "sql"),
]
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
NAME = TEXT.filter(bool)
LABELS = st.dictionaries(NAME.filter(lambda name: name != "__name__"), TEXT, max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
DURATION = st.integers(0, LONGEST_NS // MS).map(lambda count: count * MS)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    expr, language = draw(st.sampled_from(EXPRESSIONS))
    since_ns = draw(st.integers(1, 1_500_000)) * MS if language == "sql" else 0
    common = {"expr": expr, "language": language, "labels": draw(LABELS), "since_ns": since_ns}
    offset_ns = draw(DURATION)
    if draw(st.booleans()):
        record = draw(NAME.filter(lambda name: not set("{}") & set(name)))
        return Rule(record=record, offset_ns=offset_ns, **common)  # type: ignore[arg-type]
    if draw(st.booleans()):
        stream = {"expr": '{a="b"} |= "panic"', "language": "logql", "labels": draw(LABELS)}
        return Rule(
            alert=draw(NAME), annotations=draw(LABELS), streams=True,
            quiet_ns=draw(st.integers(10_000, LONGEST_NS // MS)) * MS,
            by=tuple(draw(st.lists(st.sampled_from(["a", "b_1", "service_name"]), unique=True))),
            **stream,  # type: ignore[arg-type]
        )  # fmt: skip
    compares = language == "logql" and " > " in expr
    return Rule(
        alert=draw(NAME), for_ns=draw(DURATION), keep_firing_ns=draw(DURATION),
        annotations=draw(LABELS), offset_ns=offset_ns,
        min_confidence=draw(st.floats(0, 1)) if compares else 0.0,
        **common,  # type: ignore[arg-type]
    )  # fmt: skip


@st.composite
def groups(draw: st.DrawFn) -> Group:
    return Group(
        tenant="acme", folder="shop", name=draw(NAME),
        rules=tuple(draw(st.lists(rules(), max_size=3))),
        interval_ns=draw(st.integers(1000, LONGEST_NS // MS)) * MS, offset_ns=draw(DURATION),
        limit=draw(st.integers(0, 10**6)), labels=draw(LABELS),
    )  # fmt: skip


ORIGIN = Origin("acme", "shop")
LANGUAGE = st.sampled_from([None, "promql", "logql"])


@settings(deadline=None)
@given(st.lists(groups(), max_size=3, unique_by=lambda group: group.name), LANGUAGE)
def test_a_file_reads_back_as_it_was(found: list[Group], default: Language | None) -> None:
    reading = read(write(found, default), Origin("acme", "shop", language=default))
    assert not reading.errors
    assert list(reading.groups) == found


@settings(deadline=None)
@given(groups())
def test_a_single_group_reads_back_as_it_was(group: Group) -> None:
    assert read_group(write_group(group), ORIGIN).groups == (group,)


@settings(deadline=None)
@given(groups())
def test_folders_read_back_as_they_were(group: Group) -> None:
    assert read(write_folders([group]), Origin("acme")).groups == (group,)


@given(DURATION)
def test_a_duration_reads_back_as_it_was(duration_ns: int) -> None:
    assert read_duration(write_duration(duration_ns)) == duration_ns
