r"""What stack traces look like, by the runtime that prints them.

Every trace has indented lines that nothing else has, its frames. A grammar says what a frame is,
which lines before the first frame belong to it, and which lines may follow. Expressions are of
whole lines, each with its "\n"; a "\r" before it is part of the line's text.

Sources: what CPython 3.11, OpenJDK 17 and Node.js 20 print; the documentation of Go's
runtime/debug and of .NET's Exception.ToString and console logger.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A head is at most this many lines: the ones that a library puts there, and a message of eight.
HEAD_LINES = 14


class Grammar(NamedTuple):
    """One way to print a trace.

    `frame`: the first line that gives it away. `head`: all of the lines before it that belong to
    it. `heading`: what may still become a head, or a head's last lines. `lone`: a frame behind any
    other line belongs to that line ("joins"), begins an event ("begins"), or is none ("ignored").
    `unit`: what may follow, one line or a few. `pending`: what may still become a unit.
    `reach`: the most lines of a head. `rest`: where the event begins with a log line, what follows
    it up to the next one.
    """

    frame: re.Pattern[bytes]
    head: re.Pattern[bytes]
    heading: re.Pattern[bytes]
    lone: str
    unit: re.Pattern[bytes]
    pending: re.Pattern[bytes]
    reach: int = HEAD_LINES
    rest: re.Pattern[bytes] | None = None


_REST = rb"[^\n]*+\n"
_BLANK = rb"\r?\n"
# A line that begins as log lines do: with a time, a level or a bracket.
_LOG = (
    rb"(?:[\[({<\"']?\d{1,4}[-/.:]\d|[\[{<]|[A-Z][a-z]{2},? [ \d]\d"
    rb"|(?i:[\[<(]?(?:trace|debug|info|notice|warn(?:ing)?|error|critical|fatal|severe)\b)"
    rb"|[IWEF]\d{4} )"
)
begins_log = re.compile(_LOG).match
_PLAIN = rb"(?:[^\s]" + _REST + rb")"
_CLASS = rb"[A-Za-z_]\w*+(?:[.$+/][\w$+`<>\[\],-]++)++"
_NAMED = rb"(?:[A-Z]\w*?(?:Error|Exception|Rejection|Throwable)(?: \[\w+\])?)"

# java, node, dotnet: frames are " at PLACE".
_AT = rb"(?:\t+| {3,})at [^\s][^\n]*?[.(:<]" + _REST
# Node.js prints the fields of an error in a block that begins on the line of the last frame.
_BLOCK = (
    rb"(?:\t+| {3,})at [^\n]* \{\r?\n(?:  " + _REST + rb"|" + _BLANK + rb"){0,2000}+"
    + rb"(?:\}" + _REST + rb")?+"
)  # fmt: skip
_CAUSE = rb"[ \t]*+(?:Caused by: |Suppressed: |Wrapped by: |---> )" + _REST
# A class on a line of its own is an exception that a logger printed below its line; so dotted it is
# Java's or .NET's. Others begin an event.
_EXCEPTION = _CLASS + rb"(?:: " + _REST + rb"|\r?\n)"
_FRESH = (
    rb"(?:(?:Exception in thread \"|Unhandled exception\. |Uncaught )" + _REST
    + rb"|" + _NAMED + rb"(?:: " + _REST + rb"|\r?\n))"
)  # fmt: skip
_MESSAGE = rb"(?:(?!" + _LOG + rb"|" + _EXCEPTION + rb"|" + _FRESH + rb")" + _REST + rb")"
# The line before, of java.util.logging two; Spring leaves a line blank.
_ABOVE = (
    rb"(?:[A-Z][a-z]{2} \d\d?, \d{4} " + _REST + rb"[A-Z]+: " + _REST
    + rb"|(?!" + _EXCEPTION + rb"|" + _FRESH + rb")" + _PLAIN + rb"(?:" + _BLANK + rb")?)"
)  # fmt: skip
# Of a cause's message; not what may follow a cause without one.
_CAUSED = rb"(?:(?!" + _CAUSE + rb"|\t- | *+--- End of |Node\.js v)" + _MESSAGE + rb")"
_CONSOLE = rb"(?:trce|dbug|info|warn|fail|crit): [^\n]*\[\d+\]\r?\n"
_UNCAUGHT = (rb"\S[^\n]*:\d+\r?\n", _REST, rb"[ \t]*\^+\r?\n", _BLANK)
_THREAD = rb"\"[^\n]*\n   java\.lang\.Thread\.State: " + _REST
_OMITTED = rb"[ \t]*+\.\.\. \d+ (?:more|common frames omitted|lines matching )" + _REST
_AT_UNIT = (
    rb"(?:" + _BLOCK
    + rb"|" + _AT
    + rb"|" + _OMITTED
    + rb"|\t- (?:locked|waiting|parking|eliminated|None)" + _REST
    + rb"| *+--- End of " + _REST
    + rb"|[ \t]*+Caused by: \[CIRCULAR REFERENCE:" + _REST
    + rb"|" + _CAUSE + _CAUSED + rb"{0,8}?(?=" + _AT + rb"|" + _OMITTED + rb"|" + _CAUSE + rb")"
    + rb"|" + _CAUSE
    + rb"|" + _BLANK + rb"Node\.js v" + _REST + rb")"
)  # fmt: skip


def _compiled(*alternatives: bytes) -> re.Pattern[bytes]:
    return re.compile(b"|".join(alternatives))


def _begun(parts: tuple[bytes, ...], rest: bytes) -> bytes:
    """The first of `parts`, the first two, ..., all with `rest`."""
    expression = rest
    for part in reversed(parts[1:]):
        expression = rb"(?:" + part + expression + rb")?"
    return parts[0] + expression


_AT_HEADS = (
    rb"".join(_UNCAUGHT) + _PLAIN + rb"(?:" + _MESSAGE + rb"){0,8}",
    _ABOVE + rb"?" + _EXCEPTION + rb"(?:" + _MESSAGE + rb"){0,8}",
    _FRESH + rb"(?:" + _MESSAGE + rb"){0,8}",
    _CONSOLE + rb"(?: {6}" + _REST + rb"){1,8}",
    _THREAD,
)

AT = Grammar(
    frame=re.compile(_AT),
    head=_compiled(*_AT_HEADS),
    heading=_compiled(
        *_AT_HEADS,
        _begun(_UNCAUGHT, rb"(?:" + _PLAIN + rb"(?:" + _MESSAGE + rb"){0,8})?"),
        rb"[A-Z][a-z]{2} \d\d?, \d{4} " + _REST + rb"(?:[A-Z]+: " + _REST + rb")?",
        _PLAIN + rb"(?:" + _BLANK + rb")?",
    ),
    lone="joins",
    unit=re.compile(_AT_UNIT),
    pending=_compiled(
        _BLANK,
        _CAUSE + _CAUSED + rb"{0,8}",
    ),
)

# go: frames are "\tFILE:LINE", each below its function.
_PLACE = rb"\t(?:[^\n]*\.(?:go|s|c):|<autogenerated>:)\d" + _REST
_GOROUTINE = rb"goroutine \d+ [^\n]*\]:\r?\n"
_FUNCTION = (
    rb"(?:created by " + _REST + rb"|[\w.][^\s]*\.[^\s]*(?:\([^\n]*\))?\r?\n|\S+\([^\n]*\)\r?\n)"
)
_PANIC = (
    rb"(?:panic: |fatal error: |runtime: |SIG[A-Z]+: )" + _REST
    + rb"(?:\t" + _REST + rb"|\[signal " + _REST + rb"|fatal error: " + _REST
    + rb"|runtime stack:\r?\n|PC=" + _REST + rb"|\[recovered" + _REST + rb"|" + _BLANK + rb"){0,8}"
)  # fmt: skip
_GO_ABOVE = rb"(?!" + _FUNCTION + rb"|panic: |goroutine )" + _PLAIN
GO = Grammar(
    frame=re.compile(_PLACE),
    head=_compiled(
        _PANIC + rb"(?:" + _GOROUTINE + rb")?" + _FUNCTION,
        rb"[^\n]*" + _GOROUTINE + _FUNCTION,
        _GO_ABOVE + rb"(?:" + _GOROUTINE + rb")?" + _FUNCTION,
    ),
    heading=_compiled(
        _PANIC + rb"(?:" + _GOROUTINE + rb")?(?:" + _FUNCTION + rb")?",
        rb"[^\n]*" + _GOROUTINE + rb"(?:" + _FUNCTION + rb")?",
        _GO_ABOVE + rb"(?:" + _GOROUTINE + rb")?(?:" + _FUNCTION + rb")?",
    ),
    lone="joins",
    unit=_compiled(
        rb"\t" + _REST,
        _FUNCTION + rb"(?=\t)",
        rb"(?:" + _BLANK + rb")?" + _GOROUTINE,
        rb"\.\.\." + _REST,
        rb"exit status \d+\r?\n",
        rb"(?:" + _BLANK + rb")?r(?:[a-ds]|[a-z]{2,5}|\d+) +0x[0-9a-f]+\r?\n",
        rb"(?:cs|fs|gs) +0x[0-9a-f]+\r?\n",
    ),
    pending=_compiled(_BLANK, _FUNCTION),
)

# python: frames are '  File "PATH", line N', below their title; the exception comes last.
_TITLE = rb"(?:Traceback|Stack) \(most recent call last\):\r?\n"
_GROUP = rb"  \+ Exception Group Traceback \(most recent call last\):\r?\n"
_TASK = rb"[^\s]" + _REST + rb"future: " + _REST
_PY_ABOVE = rb"(?:" + _TASK + rb"|(?!" + _TITLE + rb")" + _PLAIN + rb")"
_CHAIN = (
    rb"(?:During handling of the above exception, another exception occurred:"
    rb"|The above exception was the direct cause of the following exception:)\r?\n"
)
_PY_MESSAGE = (
    rb"(?:(?!" + _LOG + rb"|" + _TITLE + rb"|" + _GROUP + rb"|" + _CHAIN + rb")" + _REST + rb")"
)
_PY_RAISED = rb"(?!" + _LOG + rb")[A-Za-z_][\w.<>]*+(?:: " + _REST + rb"|\r?\n)"
_PY_HEADS = (_PY_ABOVE + rb"?" + _TITLE, rb"[^\n]+" + _TITLE, _PY_ABOVE)
PYTHON = Grammar(
    frame=_compiled(rb"  File \"[^\n]*\", line \d" + _REST, _GROUP),
    head=_compiled(*_PY_HEADS),
    heading=_compiled(*_PY_HEADS),
    lone="begins",
    unit=_compiled(
        rb" *+[|+]" + _REST,
        rb"[ \t]++[^\s|+]" + _REST + rb"(?:" + _PY_RAISED + rb")?",
        # What Python prints of a message is not marked: only a chain behind it says what it was.
        rb"(?:"
        + _PY_MESSAGE
        + rb"){0,8}?"
        + _BLANK
        + _CHAIN
        + _BLANK
        + rb"(?:"
        + _TITLE
        + rb"|(?="
        + _GROUP
        + rb"))",
    ),
    pending=_compiled(
        rb"(?:"
        + _PY_MESSAGE
        + rb"){0,8}(?:"
        + _BLANK
        + rb"(?:"
        + _CHAIN
        + rb"(?:"
        + _BLANK
        + rb")?)?)?"
    ),
    rest=re.compile(rb"(?:" + _PY_MESSAGE + rb"){1,8}?(?=" + _LOG + rb"|\Z)"),
)

# dotnet: the console logger indents every line of a message below its category.
CONSOLE = Grammar(
    frame=re.compile(rb" {6}\S" + _REST),
    head=re.compile(_CONSOLE),
    heading=re.compile(_CONSOLE),
    lone="ignored",
    unit=re.compile(rb" {6}" + _REST),
    pending=re.compile(rb"(?!)"),
    reach=1,
)
