"""Files by glob, followed through rotation: `stat` is the truth.

A file is known by device and inode, so a rename changes nothing: it stays open and is read to the
end. It is let go when no pattern matches it any more, another file has its name (or nobody has,
for longer) and it has not grown for a while. rotation.py knows what else may have become of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.files import fingerprint
from tailrace.agent.files.contents import Packed, is_packed, open_content
from tailrace.agent.files.discovery import Discovery, key_at, key_of, place_of
from tailrace.agent.files.rotation import Found, Known, Rotation
from tailrace.agent.files.table import FileTable
from tailrace.agent.files.tailed import TEXT_BYTES, TailedFile
from tailrace.agent.inputs import Files
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits, log
from tailrace.core.metrics import Metrics

_log = log.get("agent")
_SKIP_S = 60.0
# A file nobody replaced may still be written to through its old name for this many lingers.
_ABSENT_LINGERS = 12


class Tail:
    """The files of all inputs. One thread."""

    def __init__(
        self,
        settings: AgentSettings,
        state: State,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._state = state
        self._metrics = metrics
        inputs = [source for source in settings.inputs if isinstance(source, Files)]
        self._discovery = Discovery(inputs, [*settings.never, settings.directory])
        self.table = FileTable(state, limits.TAIL_FILES)
        self.files = self.table.files
        self._rotation = Rotation(state, self.table, self._discovery, settings.linger_s)
        self._known = frozenset(state.patterns)
        self._skipped: dict[str, float] = {}
        self._told: set[str] = set()
        self._first = True

    def look(self, now_s: float) -> bool:
        """Find new files, notice what moved, let go of what is finished.

        Returns True when the state changed in a way that must be durable before reading on.
        """
        present: dict[str, list[str]] = {}
        unknown: list[tuple[str, str, Files]] = []
        named: set[int] = set()
        for path, source in self._discovery.paths():
            named.add(id(source))
            key = key_at(path)
            if key is None:
                continue
            present.setdefault(key, []).append(path)
            if key not in self.files and self._skipped.get(key, 0.0) <= now_s:
                unknown.append((key, path, source))
        if self._first:
            self._tell_empty(named)
            for mark in self._state.files.values():
                if not mark.offset:
                    self._rotation.expect(mark)
        durable = self._admit_all(unknown, now_s) or self._first
        if self._first:
            self._find_lost(now_s)
            inputs = self._discovery.inputs
            self._state.patterns = sorted({p for source in inputs for p in source.paths})
            self._first = False
        self._skipped = {k: until for k, until in self._skipped.items() if k in present}
        self._rotation.forget_copies(present.keys())
        for file in list(self.files.values()):
            self._follow(file, present.get(file.key, []), now_s)
        return self._rotation.seek_missed(now_s) or durable

    def _tell_empty(self, named: set[int]) -> None:
        """A path with a slip in it looks like a log that is still to come."""
        for source in self._discovery.inputs:
            if id(source) not in named:
                _log.info("no file matches yet", extra={"paths": " ".join(source.paths)})

    @property
    def folders(self) -> set[str]:
        """Where something may happen to the files that are there or will be."""
        tailed = {os.path.dirname(file.place) for file in self.files.values()}
        return tailed | self._discovery.folders

    def _admit_all(self, unknown: list[tuple[str, str, Files]], now_s: float) -> bool:
        """Those that are what they were come first: what the others are is told by them."""
        durable = False
        for key, path, source in unknown:
            if key in self._state.files and key not in self.files:
                self._admit(path, source, None, now_s)
        # Of the rest those whose inode was known: what they were may be in the others. Compressed
        # ones come last: they may be made of files that were just found.
        for packed in (False, True):
            rest = [
                (key not in self._state.files, key, path, source)
                for key, path, source in unknown
                if is_packed(path) is packed and key not in self.files
            ]
            known = self._rotation.known() if rest else None
            for _, key, path, source in sorted(rest, key=lambda one: one[0]):
                if key not in self.files:
                    durable |= self._admit(path, source, known, now_s)
        return durable

    def _admit(self, path: str, source: Files, known: Known | None, now_s: float) -> bool:
        """Begin to tail; True when it does not begin at its beginning.

        Without `known`, only a file that still holds what was read of it.
        """
        content = None
        try:
            content = open_content(path)
            status = content.status()
            found = Found(path, key_of(status), source, content, status)
            if stat.S_ISREG(status.st_mode) and found.key not in self.files:
                why = self._discovery.refusal(path, content.descriptor, source)
                if why:
                    self._skip(path, found.key, why, now_s)
                else:
                    return self._begin(found, known, now_s)
        except OSError as error:
            self._skip(path, key_at(path) or "", error.strerror or "cannot be read", now_s)
        if content is not None:
            content.close()
        return False

    def _begin(self, found: Found, known: Known | None, now_s: float) -> bool:
        """Raises OSError with the content still open."""
        mark = self._state.files.get(found.key, Mark(found.path))
        changed = not fingerprint.holds(found.content, found.size, mark)
        if known is None and (changed or not mark.offset):
            found.content.close()
            return False
        gone = changed and not self._seek_rest(mark, found.input, now_s)
        begun: Mark | None = mark
        if mark.offset and not changed:
            begun = self._rotation.furthest(found.content, found.status, found.path, mark)
        if known is not None and (changed or not mark.offset):
            begun = self._beginning(found, known, changed, now_s)
        if begun is None:
            found.content.close()
            return changed
        if gone:
            self.table.remember(mark)  # it may turn up compressed
        if found.key in self._state.files and not begun.offset:
            # What came and went in between was written to after what was read last.
            begun = Mark(begun.path, changed_ns=mark.changed_ns)
        file = self._rotation.file(found.path, found.key, found.input, begun, now_s)
        file.hole = changed
        if begun.offset == found.size:  # it need not be opened again to see that
            file.seen = (found.status.st_size, found.status.st_mtime_ns)
        self.table.add(file, found.content)
        return changed or begun.offset != mark.offset

    def _seek_rest(self, mark: Mark, other: Files, now_s: float) -> bool:
        """The inode may be that of a file of another input now."""
        source = self._discovery.input_of(mark.path) or other
        return self._rotation.seek_rest(mark, source, now_s)

    def _beginning(self, found: Found, known: Known, hole: bool, now_s: float) -> Mark | None:
        start = found.content.read_at(TEXT_BYTES, 0)
        if b"\0" in (start.lstrip(b"\0") if hole else start):
            self._skip(found.path, found.key, "is not text", now_s)
            return None
        started = self._known.issuperset(found.input.paths)
        at_end = self._first and found.input.start == "end" and not started
        return self._rotation.beginning(found, known, at_end, now_s)

    def _find_lost(self, now_s: float) -> None:
        """Files that were rotated out of every pattern while nobody looked."""
        lost = [key for key in self._state.files if key not in self.files]
        for key in lost[: -limits.LOST_FILES]:
            del self._state.files[key]
        gone: list[tuple[Mark, Files]] = []
        for key in lost[-limits.LOST_FILES :]:
            mark = self._state.files[key]
            if not mark.offset:
                self.table.replaced(key)  # any file could be it
                continue
            source = self._discovery.input_of(mark.path)
            place = place_of(key, str(Path(mark.path).parent)) if source else None
            if source is None or (place and self._rotation.resume(place, mark, source, now_s)):
                continue
            if place:
                self.table.replaced(key)
            gone.append((mark, source))
        # Those that are where they were come first: nobody else is continued by them.
        for mark, source in gone:
            self._rotation.seek_rest(mark, source, now_s)

    def rewind(self, file: TailedFile, now_s: float) -> None:
        """A file was truncated; what was not read of it is looked for. The state must be durable
        before reading on."""
        found = self._rotation.seek_rest(file.mark, file.input, now_s)
        missing = 0 if found else max(0, file.size - file.mark.offset)
        if not found and file.mark.offset:
            self.table.remember(file.mark)  # it may turn up compressed
        self._metrics.add("tailrace_agent_vanished_bytes_total", missing)
        _log.warning(
            "file was truncated; reading it from its beginning",
            extra={"path": file.place, "missing": f"{missing} bytes"},
        )
        file.rewind()
        self._state.files[file.key] = file.mark
        self._rotation.seek_missed(now_s)

    def missed_beside(self, file: TailedFile, now_s: float) -> bool:
        """To be asked when the first of a file was read: nobody can tell whether it held something
        else when it was found. True when the state must be durable before that is kept."""
        folder = os.path.dirname(file.mark.path)
        return self._rotation.seek_missed(now_s, [folder])

    def _follow(self, file: TailedFile, places: list[str], now_s: float) -> None:
        """Notice that the file lost its name; let go of it when it is finished."""
        original = file.mark.path
        moved = places and file.place not in places
        if moved and file.content is None and not file.mark.offset:
            self._forget_unread(file)
            return
        if places:
            file.place = original if original in places else places[0]
        file.present = bool(places)
        if original in places:
            file.left_s, file.final = None, False
            return
        if file.left_s is None:
            file.left_s = file.grew_s = now_s
        taken = places or key_at(original) is not None
        linger_s = self._settings.linger_s * (1 if taken else _ABSENT_LINGERS)
        file.final = now_s - file.grew_s >= linger_s

    def ready(self, now_s: float, hurry: bool) -> list[TailedFile]:
        """Files worth reading now, the one that waited longest first; `open` each before."""
        found = [file for file in list(self.files.values()) if self._has_more(file, now_s, hurry)]
        return sorted(found, key=lambda file: file.taken_s)

    def _has_more(self, file: TailedFile, now_s: float, hurry: bool) -> bool:
        """Less than a chunk is left for `flush_interval_s`, unless `hurry`."""
        status = self.table.status(file)
        if status is None:
            self._find(file, now_s)
            return False
        pending = status.st_size - file.ahead.offset
        if (status.st_size, status.st_mtime_ns) == file.seen:
            ended = file.content is not None and file.content.ended
            unfinished = file.final and not (file.present and pending == 0)
            if not (ended or unfinished or (file.held and file.waited(now_s))):
                file.ended_s = now_s
                return False
        elif file.size != status.st_size:
            file.size, file.grew_s, file.final = status.st_size, now_s, False
        if is_packed(file.place) and now_s - file.grew_s < self._settings.linger_s:
            return False  # still being written, maybe
        early = now_s - file.taken_s < self._settings.flush_interval_s
        return hurry or not early or not 0 <= pending < self._settings.read_bytes

    def _find(self, file: TailedFile, now_s: float) -> None:
        """A file that was closed for want of descriptors moved, or is gone."""
        if not file.mark.offset:
            self._forget_unread(file)
            return
        place = place_of(file.key, str(Path(file.mark.path).parent))
        if place is not None:
            file.place = place
            return
        self.table.finish(file)
        if self._rotation.seek_rest(file.mark, file.input, now_s):
            return
        missing = file.size - file.mark.offset
        if missing > 0:
            self._metrics.add("tailrace_agent_vanished_bytes_total", missing)
            _log.error("file is gone before it was read", extra={"path": file.place})

    def _forget_unread(self, file: TailedFile) -> None:
        """Whatever has its inode now could be it: it is looked for by its name."""
        self.table.forget(file)
        self._rotation.expect(file.mark)

    def open(self, file: TailedFile, now_s: float) -> bool:
        """False when a file that was closed cannot be read now."""
        if file.content is not None:
            return True
        try:
            opened = self.table.reopen(file)
            if opened and not file.mark.offset:
                self._rotation.recognise(file)
        except OSError as error:
            self.drop(file, error.strerror or "cannot be read", now_s)
            return False
        if file.key not in self.files:
            self._rotation.expect(file.mark)
        return opened

    def let_go(self, file: TailedFile) -> None:
        """Close a file that was read to its end and will not grow; forget it when it is gone."""
        if isinstance(file.content, Packed) and file.content.ended:
            if file.content.damaged:
                _log.warning("compressed file ends early", extra={"path": file.place})
            self.table.close(file)
        if file.final and not file.present:
            self.table.finish(file)

    def drop(self, file: TailedFile, why: str, now_s: float) -> None:
        """Leave a file that cannot be read for a minute; its mark stays."""
        self.table.drop(file)
        self._skip(file.place, file.key, why, now_s)

    def _skip(self, path: str, key: str, why: str, now_s: float) -> None:
        self._skipped[key] = now_s + _SKIP_S
        if path not in self._told and len(self._told) < 10 * limits.TAIL_FILES:
            self._told.add(path)
            _log.warning("file is not tailed", extra={"path": path, "why": why})

    def close(self) -> None:
        """Close all files."""
        self.table.close_all()
