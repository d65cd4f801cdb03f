"""The input `prometheus`: a scrape of each target, by a feeder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.fetch import Endpoint, Unanswered
from tailrace.agent.feeds.intake import Batch, Feeder, Intake
from tailrace.agent.feeds.scheduled import Fetched, Scheduled, batches
from tailrace.agent.inputs import PrometheusInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.clock import Clock, SystemClock
from tailrace.core.errors import InputError
from tailrace.wire import exposition
from tailrace.wire.samples import Sample

JOB = "prometheus"


def feeders(
    source: PrometheusInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Feeder]:
    """A feeder for each target, so that one that hangs holds up no other."""
    found: list[Feeder] = []
    for url in source.targets:
        target = Target(source, url)
        name = f"prometheus {target.instance}{urlsplit(url).path}"
        intake = Intake(source, name, wake, flush_interval_s=settings.flush_interval_s)
        found.append(Scheduled(name, intake, source.interval, target.scrape, settings))
    return found


class Target:
    """One program that exposes metrics. `instance` is its HOST:PORT."""

    def __init__(self, source: PrometheusInput, url: str, clock: Clock | None = None) -> None:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self.instance = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._labels = {"job": source.service or JOB, "instance": self.instance}
        self._clock = clock or SystemClock()
        self._endpoint = Endpoint(
            url if parts.path else parts._replace(path="/metrics").geturl(),
            source.headers,
            source.token_file,
            min(source.timeout, source.interval),
            limits.SCRAPE_BYTES,
            exposition.ACCEPT,
        )

    def scrape(self) -> Fetched:
        """All samples of the target and those about the scrape; after a failure only these."""
        time_ns = self._clock.wall_ns()
        start_s = time.monotonic()
        found: list[Batch] = []
        failure = ""
        try:
            found = self._samples(time_ns)
        except (Unanswered, InputError) as error:
            failure = str(error)
        count = sum(batch.rows for batch in found)
        about = {
            "up": (0.0 if failure else 1.0, ""),
            "scrape_duration_seconds": (time.monotonic() - start_s, "s"),
            "scrape_samples_scraped": (float(count), ""),
        }
        found += batches(
            Sample(time_ns, name, value, "gauge", unit, self._labels)
            for name, (value, unit) in about.items()
        )
        return Fetched(found, failure)

    def _samples(self, time_ns: int) -> list[Batch]:
        """Raises Unanswered and InputError."""
        answer = self._endpoint.get()
        openmetrics = answer.content_type.startswith(exposition.OPENMETRICS)
        return batches(exposition.parse(answer.body, time_ns, openmetrics, self._labels))
