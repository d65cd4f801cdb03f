"""Alertmanager's JSON by POST, signed where a secret is shared."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

import msgspec

from tailrace import __version__
from tailrace.alerts.delivery.messages import read
from tailrace.alerts.delivery.posting import Post
from tailrace.alerts.delivery.secret import secret
from tailrace.alerts.delivery.settings import Credentials, Webhook
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core.alerting import Notice

SIGNATURE = "X-Tailrace-Signature"
IDEMPOTENCY = "Idempotency-Key"


class WebhookReceiver:
    """See Sender."""

    def __init__(self, settings: Webhook, allowed: Allowed) -> None:
        self._settings = settings
        self._post = Post(allowed, settings.tls_ca, settings.tls_cert)

    async def send(self, notice: Notice) -> None:
        said = self._settings
        body = _cut(notice.body, said.max_alerts)
        headers = usual(notice)
        if key := secret(said.secret, said.secret_file):
            digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={digest}"
        url = secret(said.url, said.url_file)
        await self._post.post(url, headers, body, credentials(said))


def usual(notice: Notice) -> dict[str, str]:
    """Headers of every request. The key is the same for each attempt to send a notice."""
    return {
        "Content-Type": "application/json",
        "User-Agent": f"tailrace/{__version__}",
        IDEMPOTENCY: idempotency_key(notice),
    }


def idempotency_key(notice: Notice) -> str:
    """No other notice has it, of this store or of one that was begun anew."""
    return f"{notice.id}-{notice.made_ns}"


def credentials(said: Credentials) -> dict[str, str]:
    """Headers with what its settings say. Raises NotTaken."""
    headers = dict(said.headers)
    if token := secret(said.token, said.token_file):
        headers["Authorization"] = f"Bearer {token}"
    elif said.username:
        pair = f"{said.username}:{secret(said.password, said.password_file)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers


def _cut(body: bytes, most: int) -> bytes:
    """The alerts beyond `most` are only counted; 0 is all."""
    message = read(body) if most else None
    if message is None or len(message.alerts) <= most:
        return body
    left_out = message.truncated_alerts + len(message.alerts) - most
    cut = msgspec.structs.replace(message, alerts=message.alerts[:most], truncated_alerts=left_out)
    return msgspec.json.encode(cut)
