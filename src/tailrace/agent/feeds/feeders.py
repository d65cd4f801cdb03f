"""The inputs that are no files, by their settings. Each imports what it needs only when it is used:
an agent that tails files carries none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from tailrace.agent.checkpoints import State
from tailrace.agent.checks import check, check_files
from tailrace.agent.feeds.intake import Feeder
from tailrace.agent.feeds.journal import Journal
from tailrace.agent.inputs import JournalInput
from tailrace.agent.settings import AgentSettings
from tailrace.agent.source import Source

# The module of each type; its `feeders` makes them.
_MODULES = {
    "prometheus": "prometheus",
    "rest": "rest",
    "host": "host",
    "redis": "slowlog",
    "syslog": "syslog",
    "otlp": "otlp",
    "stdin": "pipes",
    "command": "command",
}


def journals(settings: AgentSettings, state: State) -> list[Source]:
    """The journals among the inputs."""
    return [
        Journal(source, state, settings.flush_interval_s)
        for source in settings.inputs
        if isinstance(source, JournalInput)
    ]


def feeders(settings: AgentSettings, state: State, wake: Callable[[], None]) -> Sequence[Feeder]:
    """A feeder for each input that is neither files nor a journal. Raises ConfigError."""
    found: list[Feeder] = []
    check(settings.inputs)
    check_files(settings.inputs)
    for source in settings.inputs:
        if source.type in _MODULES:
            module = import_module(f"tailrace.agent.feeds.{_MODULES[source.type]}")
            found += module.feeders(source, settings, state, wake)
    return found
