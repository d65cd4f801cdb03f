"""Each kind of receiver, with what really receives."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alerting import START_NS, alert, settings
from webhooks import Served, serving, status

from tailrace.alerts.delivery.messages import bodies
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.receivers import Sender, sender
from tailrace.alerts.delivery.targets import allowed
from tailrace.core.alerting import Alert, Notice, Phase
from tailrace.core.clock import ManualClock

KEY = ("default", "r", '{}:{alertname="Down"}')


def notice(*alerts: Alert) -> Notice:
    firing = [one for one in alerts if one.phase is Phase.FIRING]
    resolved = [one for one in alerts if one.phase is Phase.RESOLVED]
    labels = {"alertname": "Down"}
    (body,) = bodies(KEY, labels, firing, resolved, "https://tailrace.example")
    return Notice(7, *KEY, body, START_NS, START_NS)


ONE = notice(alert("Down", host="a"))


def receiver(kind: str, **said: object) -> Sender:
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in said.items())
    text = f'[[alerts.receivers]]\nname = "r"\nkind = "{kind}"\n{lines}'
    (made,) = settings(text).receivers
    return sender(made, allowed([]), ManualClock())


def test_a_webhook_gets_the_body_as_it_is_kept() -> None:
    async def run() -> Served:
        async with serving() as served:
            await receiver("webhook", url=served.url).send(ONE)
            return served

    (one,) = asyncio.run(run()).received
    assert one.body == ONE.body
    assert one.header("content-type") == "application/json"
    assert one.header("idempotency-key") == f"7-{START_NS}"


def test_a_webhook_shows_who_sends_and_that_nobody_changed_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")

    async def run() -> Served:
        async with serving() as served:
            said = {"token_file": str(tmp_path / "token"), "secret": "shared"}
            await receiver("webhook", url=served.url, **said).send(ONE)
            return served

    (one,) = asyncio.run(run()).received
    assert one.header("authorization") == "Bearer t0ken"
    digest = hmac.new(b"shared", one.body, hashlib.sha256).hexdigest()
    assert one.header("x-tailrace-signature") == f"sha256={digest}"


def test_a_webhook_may_have_a_user_and_a_password() -> None:
    async def run() -> Served:
        async with serving() as served:
            said = {"username": "u", "password": "p"}
            await receiver("webhook", url=served.url, **said).send(ONE)
            return served

    (one,) = asyncio.run(run()).received
    assert one.header("authorization") == "Basic dTpw"


def test_a_webhook_may_take_some_alerts_and_count_the_others() -> None:
    many = notice(*(alert("Down", host=str(number)) for number in range(5)))

    async def run() -> Served:
        async with serving() as served:
            await receiver("webhook", url=served.url, max_alerts=2).send(many)
            return served

    body = json.loads(asyncio.run(run()).received[0].body)
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (2, 3)


def test_a_file_that_is_gone_is_a_failure_that_a_person_mends(tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match="No such file") as error:
        asyncio.run(receiver("webhook", url_file=str(tmp_path / "url")).send(ONE))
    assert error.value.lasting


def slack(*alerts: Alert) -> dict[str, Any]:
    async def run() -> Served:
        async with serving() as served:
            await receiver("slack", url=served.url, channel="#ops").send(notice(*alerts))
            return served

    return json.loads(asyncio.run(run()).received[0].body)


def test_a_chat_gets_a_text_and_a_colour() -> None:
    body = slack(alert("Down", host="a"))
    (attachment,) = body["attachments"]
    assert body["channel"] == "#ops"
    assert attachment["color"] == "danger"
    assert attachment["title"].startswith("[FIRING:1] Down")
    assert attachment["title_link"] == "https://tailrace.example"
    assert "host=a" in attachment["text"]


def test_a_chat_sees_that_it_is_over() -> None:
    (attachment,) = slack(alert("Down", Phase.RESOLVED))["attachments"]
    assert attachment["color"] == "good"
    assert attachment["title"].startswith("[RESOLVED]")


def test_a_label_is_no_markup_and_calls_nobody() -> None:
    (attachment,) = slack(alert("Down", host="<!channel> & <http://a|b>"))["attachments"]
    assert "<" not in attachment["text"]
    assert "&lt;!channel&gt; &amp;" in attachment["text"]


def test_an_alertmanager_is_told_until_when_to_believe_it() -> None:
    async def run() -> Served:
        async with serving() as served:
            url = f"http://127.0.0.1:{served.port}/"
            both = notice(alert("Down", host="a"), alert("Down", Phase.RESOLVED, host="b"))
            await receiver("alertmanager", urls=[url]).send(both)
            return served

    (one,) = asyncio.run(run()).received
    assert one.head.startswith("POST /api/v2/alerts ")
    firing, resolved = json.loads(one.body)
    assert firing == {
        "labels": {"alertname": "Down", "host": "a"},
        "annotations": {},
        "startsAt": "2027-01-15T08:00:00Z",
        "endsAt": "2027-01-15T08:04:00Z",
        "generatorURL": "https://tailrace.example",
    }
    assert resolved["endsAt"] == "2027-01-15T08:00:00.000000001Z"


def test_one_of_several_alertmanagers_is_enough_and_each_is_told() -> None:
    async def run() -> None:
        async with serving(status(500)) as bad, serving() as good:
            urls = [f"http://127.0.0.1:{one.port}" for one in (bad, good)]
            await receiver("alertmanager", urls=urls).send(ONE)
            assert len(bad.received) == len(good.received) == 1
            with pytest.raises(NotTaken, match="status 500"):
                await receiver("alertmanager", urls=urls[:1]).send(ONE)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "body", "over"),
    [
        ("application/json", '"invalid label set"', True),
        ("text/plain", "Client sent an HTTP request to an HTTPS server.", False),
        ("application/json", '{"code": 400}', False),
    ],
)
def test_what_an_alertmanager_itself_refuses_is_over(kind: str, body: str, over: bool) -> None:
    async def run() -> None:
        async with serving(status(400, f"Content-Type: {kind}", body=body)) as served:
            url = f"http://127.0.0.1:{served.port}"
            with pytest.raises(NotTaken, match=r"400|refuses") as found:
                await receiver("alertmanager", urls=[url], token="t0ken").send(ONE)
            assert (found.value.over, found.value.lasting) == (over, not over)
            assert served.received[0].header("authorization") == "Bearer t0ken"

    asyncio.run(run())


def test_an_alertmanager_that_is_away_does_not_keep_others_from_refusing() -> None:
    async def run() -> None:
        refusal = status(400, "Content-Type: application/json", body='"no"')
        async with serving(refusal) as served, serving(status(500)) as bad:
            urls = [f"http://127.0.0.1:{one.port}" for one in (bad, served)]
            with pytest.raises(NotTaken) as found:
                await receiver("alertmanager", urls=urls).send(ONE)
            assert found.value.over

    asyncio.run(run())


def python(program: str) -> Sender:
    return receiver("command", command=[sys.executable, "-c", program])


def test_a_command_gets_the_notice_on_its_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_SERVER__TOKEN", "s3cret")
    program = (
        "import json, os, sys; json.dump([sys.stdin.read(), dict(os.environ)], "
        f"open({str(tmp_path / 'out')!r}, 'w'))"
    )
    asyncio.run(python(program).send(ONE))
    body, environment = json.loads((tmp_path / "out").read_text())
    assert body.encode() == ONE.body
    assert environment["TAILRACE_NOTICE"] == f"7-{START_NS}"
    assert "TAILRACE_SERVER__TOKEN" not in environment


def test_a_command_that_fails_says_why() -> None:
    program = "import sys; sys.stderr.write('no\\x1b[0m way' + ' ' * 1_000_000); sys.exit(3)"
    with pytest.raises(NotTaken, match=r"it ended with status 3: no\\x1b\[0m way"):
        asyncio.run(python(program).send(ONE))


def test_a_command_need_not_read_what_it_is_given() -> None:
    large = msgspec.structs.replace(ONE, body=b"x" * 4_000_000)
    asyncio.run(receiver("command", command=["true"]).send(large))


def test_a_command_that_is_none_is_a_failure_that_a_person_mends() -> None:
    with pytest.raises(NotTaken, match="No such file") as error:
        asyncio.run(receiver("command", command=["no-such-command-here"]).send(ONE))
    assert error.value.lasting


def test_a_command_whose_time_is_over_ends_with_all_that_it_began(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600']); "
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); time.sleep(600)"
    )

    async def run() -> None:
        sending = asyncio.create_task(python(program).send(ONE))
        while not (pid_file.exists() and pid_file.read_text()):
            await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(run())
    child = Path(f"/proc/{pid_file.read_text()}/stat")
    deadline_s = time.monotonic() + 5
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_the_own_log_has_a_line_for_each_alert(caplog: pytest.LogCaptureFixture) -> None:
    both = notice(alert("Down", host="a"), alert("Down", Phase.RESOLVED, host="b"))
    with caplog.at_level(logging.WARNING, "tailrace.alerts"):
        asyncio.run(receiver("log").send(both))
    assert caplog.messages == ["Down is firing: host=a", "Down is resolved: host=b"]
