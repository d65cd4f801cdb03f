"""Configuration to the agent's own settings, and `tailrace agent`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tailrace.agent.agent import Agent, delivery
from tailrace.agent.checks import check_files
from tailrace.agent.fleet.identity import identity
from tailrace.agent.settings import AgentSettings
from tailrace.app import config as configuration
from tailrace.app.config import AgentConfig, Config
from tailrace.core import limits, log
from tailrace.core.clock import SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.ship.gateways import targets

if TYPE_CHECKING:
    from tailrace.agent.fleet.exposition import Exposition

_log = log.get("app")
_LOOK_S = 0.2
_FINISH_S = 10.0


class Own(msgspec.Struct, frozen=True):
    """Where the server of the same process takes what its agent sends, and the token for it."""

    url: str
    token: str


def agent_settings(config: Config, data: Path, own: Own | None = None) -> AgentSettings:
    """Settings for an agent. Without gateways it sends to `own`, or else to the server that the
    configuration describes."""
    agent = config.agent
    token = configuration.token(agent, "agent")
    if not agent.gateways:
        own = own or Own(configuration.url(config), configuration.token(config.server, "server"))
        token = own.token
    return AgentSettings(
        inputs=agent.inputs,
        directory=str(Path(agent.directory) if agent.directory else data / "agent"),
        gateways=agent.gateways or ([own.url] if own else []),
        token=token,
        token_file=agent.token_file if agent.gateways else "",
        tls_ca=agent.tls_ca,
        tls_cert=agent.tls_cert,
        tls_key=agent.tls_key,
        zone=agent.zone,
        region=agent.region,
        spool_bytes=agent.spool,
        spool_age_s=agent.spool_age,
        spool_full=agent.spool_full,
        bulk=configuration.pace(agent),
        poll_interval_s=agent.poll_interval,
        flush_interval_s=agent.flush_interval,
        # Not all of `data`: tailrace's own log lies in it, and the demo's files.
        never=[str(path) for path in (data / "queue", data / "store", archive(config, data))],
        resource=_resource(agent),
        configuration=configuration.fingerprint(config),
        announce_interval_s=float(agent.announce),  # msgspec encodes no subclass
    )


def check_agent(config: Config) -> None:
    """What an agent reads before it begins: its token, certificates and the files of its inputs.
    Raises ConfigError."""
    delivery(agent_settings(config, Path(config.server.data_dir)))
    check_files(config.agent.inputs)


def _resource(agent: AgentConfig) -> dict[str, str]:
    """What a person said before what was found; an empty value leaves an identifier out."""
    said = {
        "system": agent.system,
        "cloud.region": agent.region,
        "cloud.availability_zone": agent.zone,
        "deployment.environment": agent.environment,
    }
    said = {name: value for name, value in said.items() if value} | agent.resource
    together = said | {k: v for k, v in identity().items() if k not in said}
    kept = [(name, value) for name, value in together.items() if value]
    return dict(kept[: limits.MACHINE_ATTRIBUTES])


def archive(config: Config, data: Path) -> Path:
    """The directory of the archive."""
    return Path(config.archive.directory) if config.archive.directory else data / "archive"


def run_agent(config: Config) -> None:
    """Tail and ship until SIGINT or SIGTERM."""
    if not config.agent.inputs:
        raise ConfigError("agent.inputs: name at least one input to tail")
    if not config.agent.gateways:
        raise ConfigError('agent.gateways: name a gateway, such as ["http://127.0.0.1:7480"]')
    data = Path(config.server.data_dir).resolve()
    settings = agent_settings(config, data)
    metrics = Metrics()
    agent = Agent(settings, SystemClock(), metrics)
    exposition = _exposition(config, metrics, agent)
    stop = stop_on_signals()
    agent.start()
    _log.info("started", extra={"gateways": ", ".join(t.name for t in targets(settings.gateways))})
    until_ended(agent, stop)
    if not stop.is_set():
        _log.info("all inputs have ended; what was read is being sent")
        agent.finish(_FINISH_S)
        while not (agent.shipped(_LOOK_S) or stop.is_set()):
            pass
    _log.info("stopping: what was read is being sent; the rest is kept in the spool")
    agent.stop(10.0)
    if exposition:
        exposition.close()


def _exposition(config: Config, metrics: Metrics, agent: Agent) -> Exposition | None:
    address = configuration.agent_address(config)
    if address is None:
        return None
    from tailrace.agent.fleet.exposition import Exposition

    return Exposition(*address, metrics, lambda: agent.ready)


def stop_on_signals() -> threading.Event:
    """Set by SIGINT or SIGTERM; a second Ctrl-C ends the process at once."""
    stop = threading.Event()

    def stopping(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopping)
    return stop


def until_ended(agent: Agent, stop: threading.Event) -> None:
    """Return when `stop` is set, or when every input of the agent has come to its end."""
    if not agent.finite:
        stop.wait()
        return
    ended = threading.Event()

    def wait() -> None:
        agent.wait_ended()
        ended.set()

    threading.Thread(target=wait, name="agent-ended", daemon=True).start()
    while not (stop.is_set() or ended.wait(_LOOK_S)):
        pass
