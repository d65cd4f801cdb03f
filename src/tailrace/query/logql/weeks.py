"""What both languages' parsers keep of weekly functions, see query/weeks.py."""

from __future__ import annotations

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_WEEKS_READ
from tailrace.query.logql.lexer import Token, place
from tailrace.query.logql.words import Words
from tailrace.query.weeks import wrong_weeks


class Weeks(Words):
    """Refuses weekly functions inside one another, and too many weeks. Raises QueryError."""

    # The function that is around what is read, and the weeks of all so far.
    _weekly: str = ""
    _weeks_read: int = 0

    def _begin_weekly(self, start: Token) -> None:
        """At the name of a weekly function."""
        if self._weekly:
            message = f"{start.text} stands inside {self._weekly}: weekly functions are not nested"
            raise self._fail(message, start)
        self._weekly = start.text

    def _end_weekly(self, start: Token, weeks: float, position: int) -> int:
        """After its last argument. `position` is where its weeks are said."""
        self._weekly = ""
        if wrong := wrong_weeks(start.text, weeks):
            raise QueryError(f"{wrong} at {place(self._source, position)}", position)
        self._weeks_read += int(weeks)
        if self._weeks_read > QUERY_WEEKS_READ:
            message = f"the query looks at more than {QUERY_WEEKS_READ} weeks (QUERY_WEEKS_READ)"
            raise self._fail(message, start)
        return int(weeks)
