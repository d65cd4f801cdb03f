"""E-mail by SMTP: plain text, one message to all addresses.

smtplib waits, so each message has a thread; a server that drips is cut off when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from io import BufferedIOBase

from tailrace.alerts.delivery import targets
from tailrace.alerts.delivery.messages import read
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.posting import CONNECT_S, tls_context
from tailrace.alerts.delivery.receivers import words
from tailrace.alerts.delivery.receivers.webhook import idempotency_key
from tailrace.alerts.delivery.secret import secret
from tailrace.alerts.delivery.settings import Email
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core import limits, log
from tailrace.core.address import host_port
from tailrace.core.alerting import Notice
from tailrace.core.visible import visible

_log = log.get("alerts")
_WORDS = 100


class EmailReceiver:
    """See Sender."""

    def __init__(self, settings: Email, allowed: Allowed) -> None:
        self._settings = settings
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(
            limits.ALERT_SENDS_PER_RECEIVER, thread_name_prefix="alerts-mail"
        )

    async def send(self, notice: Notice) -> None:
        said = self._settings
        password = secret(said.password, said.password_file)
        host, port = host_port(said.server, "server", "mail.example.com:587")
        addresses = await targets.addresses(host, port, True, self._allowed)
        session = _Session(said, host, (addresses[0], port), password)
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, session.deliver, written(said, notice)
        )
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            session.cut()
            with contextlib.suppress(NotTaken, OSError):
                await running
            raise


def written(said: Email, notice: Notice) -> EmailMessage:
    """The message. Its id is the same for each attempt to send a notice."""
    message = read(notice.body)
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = said.sender, ", ".join(said.to)
    mail["Subject"] = words.title(message)
    mail["Date"] = format_datetime(datetime.fromtimestamp(notice.made_ns // 10**9, UTC))
    domain = said.sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{idempotency_key(notice)}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(words.body(message))
    return mail


class _Session(smtplib.SMTP):
    """One conversation with the server at an address that may be connected to."""

    def __init__(self, said: Email, host: str, address: tuple[str, int], password: str) -> None:
        # The name of this machine, since asking for its whole name may take long.
        super().__init__(local_hostname=socket.gethostname(), timeout=float(said.timeout))
        self._said = said
        self._host = host
        self._address = address
        self._password = password
        self._plain: socket.socket | None = None
        self._over = False

    def deliver(self, mail: EmailMessage) -> None:
        """Raises NotTaken, OSError."""
        try:
            self._deliver(mail)
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(*next(iter(error.recipients.values()))) from None
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise NotTaken(str(error), lasting=True) from None
        except smtplib.SMTPException:
            raise NotTaken("it ended the conversation") from None
        except ssl.SSLCertVerificationError as error:
            words = f"its certificate is not trusted: {error.verify_message}"
            raise NotTaken(words, lasting=True) from None
        finally:
            self.close()

    def _deliver(self, mail: EmailMessage) -> None:
        said = self._said
        self.connect(*self._address)
        if said.tls == "starttls":
            self.starttls(context=tls_context(said.tls_ca, ""))
        if said.username:
            self.login(said.username, self._password)
        if refused := self.send_message(mail):
            _log.warning("%d addresses of %s are refused", len(refused), said.name)

    def cut(self) -> None:
        """End it, whatever it waits for."""
        self._over = True
        if self._plain:
            with contextlib.suppress(OSError):
                # The one of sockets: that of TLS would take the session away from its thread.
                socket.socket.shutdown(self._plain, socket.SHUT_RDWR)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = self._plain = socket.create_connection((host, port), CONNECT_S)
        if self._over:
            found.close()
            raise TimeoutError
        found.settimeout(timeout)
        if self._said.tls != "tls":
            return found
        context = tls_context(self._said.tls_ca, "")
        self._plain = wrapped = context.wrap_socket(found, server_hostname=self._host)
        return wrapped


class _Bounded:
    """What a server says, and no more of it than anybody reads."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._left = limits.ALERT_ANSWER_BYTES

    def readline(self, most: int) -> bytes:
        line = self._file.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise NotTaken("it says more than anybody reads")
        return line

    def close(self) -> None:
        self._file.close()


def _refused(status: int, said: bytes | str) -> NotTaken:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return NotTaken(f"status {status}: {visible(text[:_WORDS])}", lasting=status >= 500)
