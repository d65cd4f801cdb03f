"""What the built-in alerts are called, for settings: without reading their rules."""

from __future__ import annotations

GUARD_FINDING = "GuardFinding"
NEW_ERROR_PATTERN = "NewErrorPattern"
OF_THE_SERVER = (
    "AgentSilent", "QueueGrowing", "DeadLetters", "DeadLettersFull", "RuleFailing", "ClockSkew",
    "DiskForecast", "SpaceLow", "SpaceFull", "NotificationsFailing", "AlertsLate", "LateRows",
    "SampleWrong", "LedgerUnexplained", "LedgerGap", "ArchiveDamaged",
)  # fmt: skip
OF_TENANTS = ("ErrorRateJump",)
NAMES = (*OF_THE_SERVER, *OF_TENANTS, GUARD_FINDING, NEW_ERROR_PATTERN)
