"""Parameters of one statement: values travel beside the SQL, never inside it."""

from __future__ import annotations

from collections.abc import Sequence


class Binder:
    """Hands out `{p0:Type}` placeholders and keeps their values."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._known: dict[tuple[str, object], str] = {}

    def text(self, value: str) -> str:
        """A placeholder for a String."""
        return self._bind(value, "String")

    def integer(self, value: int) -> str:
        """A placeholder for an Int64."""
        return self._bind(value, "Int64")

    def decimal(self, text: str) -> str:
        """A placeholder for a number with three digits after the point."""
        return self._bind(text, "Decimal(18, 3)")

    def texts(self, values: Sequence[str]) -> str:
        """A placeholder for an Array(String)."""
        return self._bind(list(values), "Array(String)")

    def numbers(self, values: Sequence[int]) -> str:
        """A placeholder for an Array(UInt64)."""
        return self._bind(list(values), "Array(UInt64)")

    def number(self, value: float) -> str:
        """A placeholder for a Float64."""
        return self._bind(value, "Float64")

    def _bind(self, value: object, kind: str) -> str:
        # The same value has the same placeholder, so that the engine sees what is alike.
        key = (kind, tuple(value) if isinstance(value, list) else value)
        if key not in self._known:
            name = f"p{len(self.values)}"
            self.values[name] = value
            self._known[key] = f"{{{name}:{kind}}}"
        return self._known[key]
