"""What a line of plain text says of itself: read alike by the store and by an agent that samples.

The expressions are RE2 and Python at once. A level is looked for in the first HEAD_BYTES of a line,
and the first word that is one decides.
"""

from __future__ import annotations

LEVELS = {
    "TRACE": 1,
    "DEBUG": 5,
    "INFO": 9,
    "INFORMATION": 9,
    "NOTICE": 10,
    "WARN": 13,
    "WARNING": 13,
    "ERR": 17,
    "ERROR": 17,
    "CRIT": 21,
    "CRITICAL": 21,
    "FATAL": 21,
    "ALERT": 22,
    "PANIC": 23,
    "EMERG": 24,
}
HEAD_BYTES = 128
_WORDS = r"trace|debug|info|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|alert|panic|emerg"
# A word of its own: no part of a path, a package or a file name.
_AFTER = r"(?:$|[^\w./-]|\.(?:\s|$))"
LEVEL_WORD = rf"(?i)(?:^|[^\w./-])({_WORDS}){_AFTER}"
# The same word of text in lower case. RE2 has no lookbehind; `re` is quicker with one.
LOWER_LEVEL_WORD = rf"(?<![\w./-])({_WORDS}){_AFTER}"
TRACE_ID = r"""trace_?(?:id)?["']?[=:] ?["']?([0-9a-f]{32})"""
