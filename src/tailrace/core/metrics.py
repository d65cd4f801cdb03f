"""tailrace's own metrics, in the Prometheus text format.

Names are one typed Literal, so that a typo is a type error and the documentation test can list
them. A metric has at most one label, whose values are constants of the code, never input.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal, get_args

from tailrace.core.histogram import Histogram

Name = Literal[
    "tailrace_agent_lines_total",
    "tailrace_agent_bytes_total",
    "tailrace_agent_frames_sent_total",
    "tailrace_agent_retries_total",
    "tailrace_agent_lines_cut_total",
    "tailrace_agent_repaired_total",
    "tailrace_agent_dropped_total",
    "tailrace_agent_frames_rejected_total",
    "tailrace_agent_spool_corrupt_total",
    "tailrace_agent_spool_bytes",
    "tailrace_agent_spool_age_seconds",
    "tailrace_agent_files",
    "tailrace_agent_vanished_bytes_total",
    "tailrace_agent_announcements_total",
    "tailrace_agents",
    "tailrace_agents_clock_skew_seconds",
    "tailrace_agent_losses_rows_total",
    "tailrace_ledger_checked_frames_total",
    "tailrace_ledger_gap_frames",
    "tailrace_ledger_rows",
    "tailrace_ledger_unexplained_frames",
    "tailrace_ledger_unexplained_rows",
    "tailrace_findings_alerts_total",
    "tailrace_findings_joined_total",
    "tailrace_findings_waiting",
    "tailrace_access_refused_total",
    "tailrace_tokens_age_seconds",
    "tailrace_keys_total",
    "tailrace_keys_age_seconds",
    "tailrace_ingest_requests_total",
    "tailrace_ingest_rows_total",
    "tailrace_ingest_bytes_total",
    "tailrace_ingest_rejected_total",
    "tailrace_ingest_refused_total",
    "tailrace_ingest_repaired_total",
    "tailrace_ingest_dropped_total",
    "tailrace_ingest_connections",
    "tailrace_limited_requests_total",
    "tailrace_limited_rows_total",
    "tailrace_diverted_rows_total",
    "tailrace_overload_level",
    "tailrace_connections",
    "tailrace_connections_closed_total",
    "tailrace_guard_rows_total",
    "tailrace_guard_hits_total",
    "tailrace_guard_dropped_rows_total",
    "tailrace_guard_refused_total",
    "tailrace_queue_bytes",
    "tailrace_queue_max_bytes",
    "tailrace_queue_frames_total",
    "tailrace_queue_syncs_total",
    "tailrace_queue_corrupt_total",
    "tailrace_queue_busy_total",
    "tailrace_dead_letters_total",
    "tailrace_dead_letters_gone_total",
    "tailrace_dead_letters_kept",
    "tailrace_dead_letter_bytes",
    "tailrace_dead_letter_max_bytes",
    "tailrace_writer_rows_total",
    "tailrace_writer_frames_total",
    "tailrace_writer_duplicates_total",
    "tailrace_writer_repaired_total",
    "tailrace_writer_inserts_total",
    "tailrace_writer_failures_total",
    "tailrace_writer_lag_seconds",
    "tailrace_store_dropped_rows_total",
    "tailrace_store_expiry_failures_total",
    "tailrace_backups_total",
    "tailrace_backup_age_seconds",
    "tailrace_store_rewritten_days_total",
    "tailrace_archive_rows_total",
    "tailrace_archive_files_total",
    "tailrace_archive_bytes_total",
    "tailrace_archive_files",
    "tailrace_archive_size_bytes",
    "tailrace_archive_packed_files_total",
    "tailrace_archive_packed_bytes_total",
    "tailrace_archive_expired_rows_total",
    "tailrace_archive_verified_files_total",
    "tailrace_archive_damaged_files",
    "tailrace_archive_upkeep_failures_total",
    "tailrace_query_requests_total",
    "tailrace_query_seconds_total",
    "tailrace_query_rejected_total",
    "tailrace_query_running",
    "tailrace_query_waiting",
    "tailrace_query_abandoned_total",
    "tailrace_query_read_rows_total",
    "tailrace_query_read_bytes_total",
    "tailrace_query_slow_total",
    "tailrace_query_cached_steps_total",
    "tailrace_query_cached_bytes",
    "tailrace_tail_followers",
    "tailrace_tail_queries",
    "tailrace_tail_rows_total",
    "tailrace_tail_dropped_total",
    "tailrace_rule_evaluations_total",
    "tailrace_rule_failures_total",
    "tailrace_rule_missed_total",
    "tailrace_rule_late_total",
    "tailrace_rule_unsettled_total",
    "tailrace_rule_late_slots_total",
    "tailrace_rule_late_changes_total",
    "tailrace_rule_said_bytes",
    "tailrace_rule_seconds_total",
    "tailrace_rule_lag_seconds",
    "tailrace_rule_clock_jumps_total",
    "tailrace_rule_files",
    "tailrace_alert_samples_total",
    "tailrace_notices_total",
    "tailrace_notices_waiting",
    "tailrace_notices_age_seconds",
    "tailrace_rule_delay_seconds",
    "tailrace_canary_seconds",
    "tailrace_canary_lost_total",
    "tailrace_alerts_late",
    "tailrace_stream_rules",
    "tailrace_stream_lines_total",
    "tailrace_stream_missed_rows_total",
    "tailrace_sampling_compared_total",
    "tailrace_sampling_error_ratio",
    "tailrace_sampling_wrong_services",
    "tailrace_disk_bytes",
    "tailrace_disk_free_bytes",
    "tailrace_space_bytes",
    "tailrace_space_free_bytes",
    "tailrace_space_level",
    "tailrace_space_full_seconds",
    "tailrace_process_resident_bytes",
    "tailrace_process_cpu_seconds_total",
]

NAMES: tuple[str, ...] = get_args(Name)


class Metrics:
    """Counters, gauges and histograms. Thread-safe. `*_total` only go up; what was observed is a
    histogram; the rest are gauges."""

    def __init__(self) -> None:
        self._values: dict[tuple[Name, str], float] = {}
        self._histograms: dict[tuple[Name, str], Histogram] = {}
        self._lock = threading.Lock()

    def add(self, name: Name, value: float = 1, label: str = "") -> None:
        """Add to a counter or gauge. `label` is a constant of the code, never input."""
        with self._lock:
            key = (name, label)
            self._values[key] = self._values.get(key, 0) + value

    def add_each(self, name: Name, values: Mapping[str, float]) -> None:
        """Add by label."""
        for label, value in values.items():
            self.add(name, value, label)

    def set(self, name: Name, value: float, label: str = "") -> None:
        """Set a gauge."""
        with self._lock:
            self._values[(name, label)] = value

    def observe(self, name: Name, seconds: float, label: str = "") -> None:
        """One more value of a histogram. `label` is a constant of the code, never input."""
        with self._lock:
            found = self._histograms.get((name, label))
            if found is None:
                found = self._histograms[(name, label)] = Histogram()
            found.add(seconds)

    def get(self, name: Name, label: str = "") -> float:
        """The present value, 0 when never touched."""
        with self._lock:
            return self._values.get((name, label), 0)

    def labelled(self, name: Name) -> dict[str, float]:
        """The present values of `name` by label."""
        with self._lock:
            return {label: value for (key, label), value in self._values.items() if key == name}

    def values(self) -> list[tuple[Name, str, float]]:
        """Name, label and present value of all."""
        with self._lock:
            return [(name, label, value) for (name, label), value in self._values.items()]

    def render(self) -> str:
        """All values as Prometheus text, version 0.0.4."""
        lines: list[str] = []
        seen = ""
        with self._lock:
            for (name, label), value in sorted(self._values.items()):
                if name != seen:
                    kind = "counter" if name.endswith("_total") else "gauge"
                    lines.append(f"# TYPE {name} {kind}")
                    seen = name
                labels = f'{{kind="{label}"}}' if label else ""
                lines.append(f"{name}{labels} {value:.17g}")
            for name, label in sorted(self._histograms):
                if name != seen:
                    lines.append(f"# TYPE {name} histogram")
                    seen = name
                lines += self._histograms[(name, label)].render(name, label)
        return "\n".join(lines) + "\n"
