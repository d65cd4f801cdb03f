"""Log records of a Python application, sent to a gateway by a thread of their own.

`Handler` serves the standard library's logging, `Processor` serves structlog, and both hand
their records to a `Sender`, which they may share. `bound` gives every record within it more
attributes. Nothing here raises into the application, waits for the network or needs more than the
base install; docs/python.md shows the use.
"""

from tailrace.logging.context import bound
from tailrace.logging.handler import Handler
from tailrace.logging.processor import Processor
from tailrace.logging.sender import Sender

__all__ = ["Handler", "Processor", "Sender", "bound"]
