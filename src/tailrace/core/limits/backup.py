"""Of backups, and of what a look at a data directory finds."""

from __future__ import annotations

from tailrace.core.limits.units import MIB

# Left free on the disk of a backup: it is refused, or ends, before that is used.
BACKUP_RESERVE_BYTES = 256 * MIB
# Files of the queue that are held open while it is copied: with the usual settings it has 128
# segments at most, and connections need descriptors, too.
QUEUE_FILES_HELD = 1_000
# Backups in one directory: of each some words are read when they are listed.
BACKUPS_KEPT = 1_000
# What doctor says of one part: of more it says how many there are.
DOCTOR_FINDINGS = 100
