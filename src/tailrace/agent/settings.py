"""What an agent is told."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailrace.agent.delivery.pacing import Pace
from tailrace.agent.delivery.spool import Bounds, WhenFull
from tailrace.agent.inputs import AnyInput
from tailrace.core import limits
from tailrace.ship.gateways import Gateway


class AgentSettings(msgspec.Struct, frozen=True):
    """`directory` holds checkpoints and spool; files under a path in `never` are not tailed.

    `gateways`: base URLs such as "http://127.0.0.1:7480", with their zones or without; `zone` and
    `region` are where this machine is. `token_file` comes before `token` and is read again when it
    changes, as are the certificates. `bulk`: when the bulk lane is sent. `linger_s`: how long a
    rotated file must be quiet before its unfinished last line is taken and it is let go.
    `resource`: identifiers of the machine, for every input. `configuration`: a hash of all settings
    without secrets. `announce_interval_s`: how often the gateway hears how the agent is; 0 for
    never.
    """

    inputs: Sequence[AnyInput]
    directory: str
    gateways: Sequence[str | Gateway]
    token: str = ""
    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    zone: str = ""
    region: str = ""
    spool_bytes: int = limits.SPOOL_BYTES
    spool_age_s: float = 0.0
    spool_full: WhenFull = "stop"
    bulk: Pace = Pace()
    poll_interval_s: float = 0.25
    flush_interval_s: float = 0.5
    chunk_bytes: int = limits.MIB
    never: Sequence[str] = ()
    linger_s: float = 5.0
    resource: dict[str, str] = {}
    configuration: str = ""
    announce_interval_s: float = 0.0

    @property
    def spool_bounds(self) -> Bounds:
        """What the spool may hold."""
        return Bounds(self.spool_bytes, self.spool_age_s, self.spool_full)

    @property
    def read_bytes(self) -> int:
        """`chunk_bytes` within bounds: a chunk holds a whole line, and repaired fits a frame."""
        return max(2 * limits.LINE_BYTES, min(self.chunk_bytes, limits.FRAME_BYTES // 4))
