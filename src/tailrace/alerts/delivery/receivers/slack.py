"""Slack's incoming webhooks, and what else understands their JSON: Mattermost, Rocket.Chat."""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.alerts.delivery.messages import Message, read
from tailrace.alerts.delivery.posting import Post
from tailrace.alerts.delivery.receivers import words
from tailrace.alerts.delivery.receivers.webhook import usual
from tailrace.alerts.delivery.secret import secret
from tailrace.alerts.delivery.settings import Slack
from tailrace.alerts.delivery.targets import Allowed
from tailrace.alerts.templating.notices import for_chat
from tailrace.core.alerting import Notice

_COLOURS = {"firing": "danger", "resolved": "good"}


class SlackReceiver:
    """See Sender."""

    def __init__(self, settings: Slack, allowed: Allowed) -> None:
        self._settings = settings
        self._post = Post(allowed, settings.tls_ca)

    async def send(self, notice: Notice) -> None:
        said = self._settings
        body = msgspec.json.encode(payload(read(notice.body), said.channel))
        await self._post.post(secret(said.url, said.url_file), usual(notice), body)


def payload(message: Message, channel: str) -> dict[str, Any]:
    """One attachment, with a colour for how it stands. Nothing of it is markup."""
    title = for_chat(words.title(message))
    attachment = {
        "color": _COLOURS[message.status],
        "fallback": title,
        "title": title,
        "text": for_chat(words.body(message)),
        "mrkdwn_in": [],
    }
    if message.external_url:
        attachment["title_link"] = message.external_url
    return {"attachments": [attachment], **({"channel": channel} if channel else {})}
