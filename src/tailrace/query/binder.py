"""Parameters of one statement: values travel beside the SQL, never inside it."""

from __future__ import annotations


class Binder:
    """Hands out `{p0:Type}` placeholders and keeps their values."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def text(self, value: str) -> str:
        """A placeholder for a String."""
        return self._bind(value, "String")

    def integer(self, value: int) -> str:
        """A placeholder for an Int64."""
        return self._bind(value, "Int64")

    def _bind(self, value: object, kind: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{kind}}}"
