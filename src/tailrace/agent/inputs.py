"""What an agent is told to collect: one struct for each `type` of `[[agent.inputs]]`.

These are the settings as a person writes them; `app/config.py` reads them as they stand here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tailrace.core.units import Seconds

Severity = Literal["trace", "debug", "info", "warn", "error", "fatal"]


class Input(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """One application, or one part of a machine.

    `service`: empty means what the input itself knows. `resource`: further identifiers.
    """

    service: str = ""
    resource: dict[str, str] = {}

    @property
    def type(self) -> str:
        """The word that stands for this struct in the configuration."""
        return str(self.__struct_config__.tag)


class Keep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines that are kept whatever the sampling says; any one condition is enough.

    `severity`: at or above. `patterns`: regular expressions. `slow`: a duration in the line at or
    above. `errors`: an HTTP status from 500 on. What counts as these: agent/sampling/keeping.py.
    """

    severity: Severity | None = "error"
    patterns: list[str] = []
    slow: Seconds | None = None
    errors: bool = True


class LogInput(Input, frozen=True, kw_only=True):
    """An input of log lines.

    `drop`: regular expressions of lines that are left out, and counted. `sample`: the share of
    the other lines that goes to the hot lane, 0 or one in a whole number. `archive`: whether what
    is sampled out still goes, complete, to the bulk lane. `threshold`: the severity below which the
    application does not log; every row says it, so that a reader knows what cannot be there.
    """

    drop: list[str] = []
    sample: float = 1.0
    keep: Keep = Keep()
    archive: bool = True
    threshold: Severity | None = None


LineCodec = Literal["lines", "records", "postgresql", "mysql"]
Multiline = Literal["", "auto", "python", "java", "go", "node", "dotnet", "start"]


class Files(LogInput, frozen=True, kw_only=True, tag="files"):
    """Files by glob.

    `start`: where files are read from that are there when this input is started for the first
    time; files that appear later are always read from their beginning. `roots`: folders that links
    may lead to, besides those that `paths` name without wildcards. `multiline`: which lines belong
    to the one before; `multiline_start`: a regular expression of first lines, for "start";
    `multiline_wait`: how long the last lines wait for more.
    """

    paths: list[str] = []
    exclude: list[str] = []
    roots: list[str] = []
    codec: LineCodec = "lines"
    start: Literal["beginning", "end"] = "beginning"
    multiline: Multiline = ""
    multiline_start: str = ""
    multiline_wait: Seconds = Seconds("500ms")


class JournalInput(LogInput, frozen=True, kw_only=True, tag="journal"):
    """systemd's journal: of `units` only, of `directory` instead of the machine's own."""

    units: list[str] = []
    directory: str = ""
    start: Literal["beginning", "end"] = "beginning"


class SyslogInput(LogInput, frozen=True, kw_only=True, tag="syslog"):
    """A syslog server on `udp` and `tcp`, HOST:PORT each; empty means not."""

    udp: str = "127.0.0.1:5514"
    tcp: str = "127.0.0.1:5514"


class OtlpInput(LogInput, frozen=True, kw_only=True, tag="otlp"):
    """An OTLP/HTTP endpoint that relays."""

    listen: str = "127.0.0.1:4318"


class StdinInput(LogInput, frozen=True, kw_only=True, tag="stdin"):
    """Lines of standard input, until its end."""

    codec: Literal["lines", "records"] = "lines"


class CommandInput(LogInput, frozen=True, kw_only=True, tag="command"):
    """Lines of what a command prints on both its outputs, once.

    `attached`: the command has the agent's standard input and process group. `echo`: what it
    prints goes to the agent's own outputs as well. Both are for `tailrace run`.
    """

    command: list[str] = []
    attached: bool = False
    echo: bool = False


class PrometheusInput(Input, frozen=True, kw_only=True, tag="prometheus"):
    """A scrape of `targets`, URLs, each `interval`.

    `headers` go with each request, and as a bearer token what `token_file` holds at the time.
    """

    targets: list[str] = []
    headers: dict[str, str] = {}
    token_file: str = ""
    interval: Seconds = Seconds("15s")
    timeout: Seconds = Seconds("10s")


class RestInput(LogInput, frozen=True, kw_only=True, tag="rest"):
    """JSON from `url` each `interval`.

    `items`: a path to the parts that are records, empty for none; `time_key`, `body_key` and
    `severity_key` name what they hold. `changes`: only those that the answer before did not have.
    `metrics`: names of metrics, each with a path to its numbers. `headers`, `token_file`: as of
    `PrometheusInput`.
    """

    url: str = ""
    items: str = "$"
    time_key: str = ""
    body_key: str = ""
    severity_key: str = ""
    changes: bool = False
    metrics: dict[str, str] = {}
    headers: dict[str, str] = {}
    token_file: str = ""
    interval: Seconds = Seconds("60s")
    timeout: Seconds = Seconds("10s")


class HostInput(Input, frozen=True, kw_only=True, tag="host"):
    """Metrics of this machine, and of its `top` processes by CPU and by memory."""

    interval: Seconds = Seconds("15s")
    processes: int = 10


class RedisInput(LogInput, frozen=True, kw_only=True, tag="redis"):
    """The slow log of a Redis server at `address`, each `interval`."""

    address: str = "127.0.0.1:6379"
    username: str = ""
    password_file: str = ""
    interval: Seconds = Seconds("10s")


AnyInput = (
    Files
    | JournalInput
    | SyslogInput
    | OtlpInput
    | StdinInput
    | CommandInput
    | PrometheusInput
    | RestInput
    | HostInput
    | RedisInput
)
