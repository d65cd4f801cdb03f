"""What this process costs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tailrace.core.metrics import Metrics

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Memory in use; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def cpu_s() -> float:
    """CPU seconds of all threads since the start."""
    return time.process_time()


def measure(metrics: Metrics) -> None:
    """Set the two metrics of the process."""
    metrics.set("tailrace_process_resident_bytes", resident_bytes())
    metrics.set("tailrace_process_cpu_seconds_total", cpu_s())
