"""Statements over the table of series."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.query.binder import Binder
from tailrace.query.expressions import alternatives
from tailrace.query.logql.ast import Matcher
from tailrace.query.needle import label_regex
from tailrace.query.plan import Statement
from tailrace.query.promql.ast import NAME
from tailrace.query.promql.tokens import MS

# From and to, event time in nanoseconds; None is all time.
Span = tuple[int, int] | None


def selected(matchers: Sequence[Matcher], tenant: str, span: Span, most: int) -> Statement:
    """Rows `(fingerprint, name, labels)` of the series seen within the hours of `span`."""
    bind = Binder()
    where = _seen(tenant, span, bind) + [_condition(matcher, bind) for matcher in matchers]
    sql = (
        "SELECT Fingerprint, any(MetricName), any(Labels) FROM series "
        f"WHERE {' AND '.join(where)} GROUP BY Fingerprint LIMIT {most}"
    )
    return Statement(sql, bind.values)


def label_names(tenant: str, span: Span, most: int) -> Statement:
    """Rows `(label)`, as it is stored."""
    bind = Binder()
    where = " AND ".join(_seen(tenant, span, bind))
    sql = f"SELECT DISTINCT arrayJoin(mapKeys(Labels)) FROM series WHERE {where} LIMIT {most}"
    return Statement(sql, bind.values)


def label_values(label: str, tenant: str, span: Span, most: int) -> Statement:
    """Rows `(value)`; '' of the series that have no such label."""
    bind = Binder()
    value = _value(label, bind)
    where = " AND ".join(_seen(tenant, span, bind))
    sql = f"SELECT DISTINCT {value} FROM series WHERE {where} LIMIT {most}"
    return Statement(sql, bind.values)


def metadata(tenant: str, metric: str, most: int) -> Statement:
    """Rows `(name, kind, unit)`; of `metric` only, unless it is ""."""
    bind = Binder()
    where = _seen(tenant, None, bind)
    if metric:
        where.append(_condition(Matcher(NAME, "=", metric), bind))
    sql = (
        "SELECT MetricName, anyLast(Kind), anyLast(Unit) FROM series "
        f"WHERE {' AND '.join(where)} GROUP BY MetricName ORDER BY MetricName LIMIT {most}"
    )
    return Statement(sql, bind.values)


def moment(nanoseconds: int, bind: Binder) -> str:
    """A DateTime64(3), also before 1970: a window that ends then may begin there."""
    return f"fromUnixTimestamp64Milli({bind.integer(nanoseconds // MS)}, 'UTC')"


def _seen(tenant: str, span: Span, bind: Binder) -> list[str]:
    """Conditions for the series of a tenant with samples in the hours of `span`."""
    where = [f"Tenant = {bind.text(tenant)}"]
    if span:
        where.append(f"FirstSeen <= {moment(span[1], bind)}")
        where.append(f"LastSeen >= {moment(span[0], bind)} - toIntervalHour(1)")
    return where


def _condition(matcher: Matcher, bind: Binder) -> str:
    test = _test(matcher, bind)
    spellings = [_value(matcher.name, bind)]
    if matcher.name == NAME:
        spellings.append(_safe("MetricName", ":"))
    found = f"({' OR '.join(f'{test[0]}{name}{test[1]}' for name in spellings)})"
    return found if matcher.op in ("=", "=~") else f"NOT {found}"


def _test(matcher: Matcher, bind: Binder) -> tuple[str, str]:
    """SQL before and after what is to be equal to the value, or to match it."""
    if matcher.op in ("=", "!="):
        return "", f" = {bind.text(matcher.value)}"
    if (texts := alternatives(matcher.value)) is not None:
        return "", f" IN {bind.texts(texts)}"
    return "match(", f", {bind.text(label_regex(matcher.value))})"


def _value(label: str, bind: Binder) -> str:
    """SQL for the value of a label, '' without it."""
    if label == NAME:
        return "MetricName"
    name = bind.text(label)
    other = f"arrayFirst(k -> {_safe('k')} = {name}, mapKeys(Labels))"
    return f"if(mapContains(Labels, {name}), Labels[{name}], Labels[{other}])"


def _safe(expression: str, also: str = "") -> str:
    """As `labels.sanitise`."""
    plain = f"replaceRegexpAll({expression}, '[^a-zA-Z0-9_{also}]', '_')"
    return f"replaceRegexpAll({plain}, '^([0-9])', '_\\\\1')"
