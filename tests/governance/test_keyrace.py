"""Processes that make a tenant's first keys at the same time, and one that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from keepers import Keeper, run
from places import Place

PROCESSES = 3
TENANTS = 5
# Each says when it is ready, waits for a word, and prints what it has for every tenant.
PROCESS = f"""
import asyncio, hashlib, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from keepers import Keeper
from places import Place
from tailrace.core.clock import ManualClock

async def main(at):
    control = Place(at).control()
    await control.open()
    keeper = Keeper(control, ManualClock())
    await keeper.keys.open()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range({TENANTS}):
        found = await keeper.keys.secrets(f"tenant{{number}}")
        print([hashlib.sha256(found[kind]).hexdigest() for kind in sorted(found)], flush=True)
    await control.close()

at = sys.argv[1]
asyncio.run(main(at if "://" in at else Path(at)))
"""


def begun(place: Place) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROCESS, str(place.at)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_that_make_the_first_keys_at_once_end_with_the_same(place: Place) -> None:
    processes = [begun(place) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert len(found[0]) == len(set(found[0])) == TENANTS
    assert all(lines == found[0] for lines in found)


def test_keys_that_were_given_outlive_a_process_that_is_killed(place: Place) -> None:
    process = begun(place)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    given = process.stdout.readline()
    process.kill()
    process.communicate()
    assert given

    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("tenant0")
        assert {key.epoch for key in await keeper.listed()} == {1}
        assert keeper.counted("made") == 0

    run(place, use)
