"""Every limit, with its reason. Nothing that a sender or a backlog can grow is unbounded."""

from __future__ import annotations

from tailrace.core.limits.alerts import *  # noqa: F403  one name for each limit, and one place
from tailrace.core.limits.backup import *  # noqa: F403
from tailrace.core.limits.data import *  # noqa: F403
from tailrace.core.limits.kept import *  # noqa: F403
from tailrace.core.limits.ledger import *  # noqa: F403
from tailrace.core.limits.units import *  # noqa: F403
