"""Of what is kept: the queue, its dead letters, inserts into the store, and the archive."""

from __future__ import annotations

from tailrace.core.limits.units import GIB, KIB, MIB

# One segment is the unit of deletion and of a recovery scan.
SEGMENT_BYTES = 64 * MIB
QUEUE_BYTES = 8 * GIB
DEAD_LETTER_BYTES = 256 * MIB
# Dead letters, of which is known what they are without reading them: 750 bytes of memory for each,
# and 20 microseconds of each start.
DEAD_LETTERS = 100_000
# Of one answer: half a MiB.
DEAD_LETTERS_LISTED = 1_000
# Letters of one request that replays or drops them, and bytes of those that are replayed: the queue
# writes them in between others, and who asks asks again.
DEAD_LETTERS_AT_ONCE = 1_000
REPLAY_BYTES = 64 * MIB
# Of what a letter holds that is shown to a person; all of it goes into a file.
DEAD_LETTER_SHOWN_BYTES = 64 * KIB
# Below this much free space the queue answers Busy: the store and the archive need room to drain.
DISK_RESERVE_BYTES = 512 * MIB
# Left free by the engine: an insert or a merge that meets the end leaves a part that is damaged.
ENGINE_RESERVE_BYTES = 128 * MIB
# One insert: large enough for few parts, small enough for memory and for freshness.
INSERT_BYTES = 32 * MIB
INSERT_WAIT_S = 0.5
# Senders whose newest frame the writer knows: one small entry each, and one query for a forgotten
# one.
SOURCES_REMEMBERED = 10_000
# The archive is written in larger steps: a file per step, tenant and hour.
ARCHIVE_BYTES = 192 * MIB
ARCHIVE_WAIT_S = 60.0
# From this size on a file of the archive is left alone: readers skip within it, and a query of a
# day opens few. It is packed of so many others at most: each is a name in a statement, and buffers.
ARCHIVE_FILE_BYTES = 128 * MIB
ARCHIVE_PACKED_FILES = 256
# What the engine may hold to pack some: rows are sorted on disk beyond a 16th of it.
ARCHIVE_PACKING_BYTES = 288 * MIB
# With more than this in the queue nothing is packed: rows that come in go first. A step of the
# archive waits in it, and a segment that is not done with.
ARCHIVE_PACKING_QUEUE_BYTES = 512 * MIB
# Tenants and services whose rows stay longer or shorter than those of others: each is looked for in
# files of which it may be over.
ARCHIVE_KEPT_APART = 1_000
# Damaged files that are known by name: beyond it the disk itself is to be looked at.
ARCHIVE_DAMAGED = 1_000
# Names in the manifest's lines that may count no more, beside as many as do: then it is rewritten.
# Days of steps, and a few megabytes.
ARCHIVE_MANIFEST_DEAD = 10_000
