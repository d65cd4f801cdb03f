"""E-mail, with a server on a real socket."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from alerting import START_NS, alert
from mailing import Mailbox, mailbox
from test_receivers import ONE, notice, receiver
from tests.app.certificates import served as served_as

from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.core.alerting import Notice


def send(box: Mailbox, one: Notice = ONE, timeout_s: float = 10.0, **said: object) -> None:
    usual = {"tls": "none", "sender": "tailrace@a.example", "to": ["ops@b.example"], **said}

    async def run() -> None:
        async with asyncio.timeout(timeout_s):
            await receiver("email", server=f"127.0.0.1:{box.port}", **usual).send(one)

    asyncio.run(run())


def read(box: Mailbox) -> EmailMessage:
    (text,) = box.mails
    found = email.message_from_string(text, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_a_mail_says_what_the_notice_says() -> None:
    with mailbox(Mailbox()) as box:
        send(box, to=["ops@b.example", "dev@b.example"])
    mail = read(box)
    assert mail["subject"] == "[FIRING:1] Down"
    assert mail["to"] == "ops@b.example, dev@b.example"
    assert mail["message-id"] == f"<7-{START_NS}@a.example>"
    assert "host=a" in mail.get_content()
    rcpt = [line for line in box.commands if line.upper().startswith("RCPT")]
    assert len(rcpt) == 2


@pytest.mark.parametrize("value", ["a\r\nBcc: evil@c.example", "a\nX: y", "ü" * 500, "\x00"])
def test_a_label_is_no_header(value: str) -> None:
    with mailbox(Mailbox()) as box:
        send(box, notice(alert(f"Down {value}")))
    mail = read(box)
    assert {name.lower() for name in mail} == {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "content-type",
        "content-transfer-encoding", "mime-version",
    }  # fmt: skip
    assert not any("evil" in line for line in box.commands)


@pytest.mark.parametrize(
    ("word", "answer", "lasting"),
    [
        ("RCPT", b"550 no such user\r\n", True),
        ("RCPT", b"450 later\r\n", False),
        ("MAIL", b"553 not you\r\n", True),
        (".", b"451 disk is full\r\n", False),
        ("DATA", b"554 no\r\n", True),
    ],
)
def test_what_the_server_refuses_is_a_failure(word: str, answer: bytes, lasting: bool) -> None:
    with mailbox(Mailbox(answers={word: answer})) as box, pytest.raises(NotTaken) as error:
        send(box)
    assert error.value.lasting is lasting
    assert str(error.value).startswith(f"status {answer[:3].decode()}")


def test_a_server_without_tls_gets_no_password() -> None:
    with mailbox(Mailbox()) as box, pytest.raises(NotTaken, match="STARTTLS") as error:
        send(box, tls="starttls", username="u", password="s3cret")
    assert error.value.lasting
    assert not any(line.startswith("AUTH") for line in box.commands)


def test_a_password_goes_over_tls(home: Path) -> None:
    with mailbox(Mailbox(tls=served_as(home))) as box:
        said = {"tls_ca": str(home / "ca.pem"), "username": "u", "password": "p"}
        send(box, tls="starttls", **said)
    assert [line.split()[0] for line in box.commands].index("STARTTLS") < [
        line.split()[0] for line in box.commands
    ].index("AUTH")
    assert len(box.mails) == 1


def test_a_certificate_of_nobody_known_is_a_failure(home: Path) -> None:
    with mailbox(Mailbox(tls=served_as(home))) as box, pytest.raises(NotTaken, match="not trusted"):
        send(box, tls="starttls")


def test_a_server_that_says_nothing_is_left_when_the_time_is_over() -> None:
    with mailbox(Mailbox(greeting=b"")) as box, pytest.raises(TimeoutError):
        send(box, timeout_s=0.2)


def test_a_server_that_never_stops_talking_is_left() -> None:
    endless = Mailbox(greeting=b"220-and\r\n" * 100_000)
    with mailbox(endless) as box, pytest.raises(NotTaken, match="more than"):
        send(box)


def test_a_server_that_hangs_up_is_a_failure() -> None:
    with mailbox(Mailbox(answers={"MAIL": b"221 bye\r\nQUIT"})) as box, pytest.raises(NotTaken):
        send(box)
