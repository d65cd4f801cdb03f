"""tailrace: high-velocity log collection, storage and search."""

# The name that type checkers know, without the module that it is from.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tailrace.client import connect as connect

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`tailrace.connect`, whose imports only who uses it pays for."""
    if name == "connect":
        from tailrace.client import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
