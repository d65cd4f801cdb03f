"""A program: the notice is JSON on its standard input, and exit status 0 means that it took it.

No shell reads its words. Of the environment it has what a program needs to run, and
TAILRACE_NOTICE, which is the same for each attempt to send a notice. What it starts is ended with
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.receivers.webhook import idempotency_key
from tailrace.alerts.delivery.settings import Command
from tailrace.core import limits
from tailrace.core.alerting import Notice
from tailrace.core.visible import visible

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_READ_BYTES = 16 * limits.KIB
_WORDS = 200


class CommandReceiver:
    """See Sender."""

    def __init__(self, settings: Command) -> None:
        self._words = settings.command

    async def send(self, notice: Notice) -> None:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**kept, "TAILRACE_NOTICE": idempotency_key(notice)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or "it cannot be run"
            raise NotTaken(f"{self._words[0]}: {words}", lasting=True) from None
        try:
            said = await _fed(process, notice.body)
            status = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if status:
            raise NotTaken(f"it ended with status {status}: {said}")


async def _fed(process: asyncio.subprocess.Process, body: bytes) -> str:
    """Give it the notice while its complaints are read; the first of them."""
    assert process.stdin is not None and process.stderr is not None
    complaints = asyncio.create_task(_first(process.stderr))
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(body)
            await process.stdin.drain()
        process.stdin.close()
        return await complaints
    finally:
        complaints.cancel()


async def _first(reader: asyncio.StreamReader) -> str:
    """As many bytes as a line shows; the rest is read, so that nobody waits, and dropped."""
    found = b""
    while data := await reader.read(_READ_BYTES):
        found = (found + data)[:_WORDS] if len(found) < _WORDS else found
    return visible(found.decode("utf-8", "replace").strip())
