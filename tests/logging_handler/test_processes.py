"""Programs that end, crash and fork, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from .gateways import Gateway, free_port

PRELUDE = """
import atexit, logging, multiprocessing, os, signal, sys, threading, time
import tailrace.logging
from tailrace.logging import Handler, Processor, bound
log = logging.getLogger("program")
log.setLevel(logging.DEBUG)
"""
ATTACH = "handler = Handler(url={url!r}, service='shop', {options})\nlog.addHandler(handler)\n"
# Newer Pythons warn of any fork beside threads.
STRICT = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning"]


def run(program: str, url: str, status: int = 0, options: str = "") -> str:
    """What a program says on standard error. It has ten seconds."""
    code = PRELUDE + ATTACH.format(url=url, options=options) + textwrap.dedent(program)
    done = subprocess.run([*STRICT, "-c", code], capture_output=True, text=True, timeout=10)
    assert done.returncode == status, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise SystemExit(4)", 4),
        ("threading.Thread(target=lambda: (time.sleep(0.1), log.info('late'))).start()", 0),
        ("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()", 0),
        ("atexit.register(log.info, 'late')", 0),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); os.kill(os.getpid(), 15)", 5),
        ("logging.shutdown(); log.info('late')", 0),
        ("logging.getLogger().handlers.clear(); handler.close(); handler.close()", 0),
    ],
)
def test_what_was_logged_before_the_end_arrives(gateway: Gateway, ending: str, status: int) -> None:
    said = run(f"for n in range(100): log.info('n %d', n)\n{ending}\n", gateway.url, status)
    late = ["late"] if "late" in ending else []
    assert sorted(gateway.bodies()) == sorted([f"n {n}" for n in range(100)] + late)
    assert said == ""


def test_an_error_that_ends_the_program_arrives_with_its_traceback(gateway: Gateway) -> None:
    program = """
        sys.excepthook = lambda *info: log.critical("ended", exc_info=info)
        1 / 0
    """
    run(program, gateway.url, 1)
    (row,) = gateway.rows()
    assert row["attributes"]["exception.type"] == "ZeroDivisionError"


def test_a_program_ends_in_time_and_says_what_it_could_not_send() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    start_s = time.monotonic()
    said = run(
        """
        tailrace.logging.sender.EXIT_S = 0.3
        for n in range(12): log.info("n %d", n)
        """,
        url,
        options="queue_records=5",
    )
    assert said == f"tailrace: 12 log records did not reach {url}: 7 dropped, 5 waiting\n"
    assert time.monotonic() - start_s < 5


def test_a_gateway_that_never_answers_does_not_keep_the_program(gateway: Gateway) -> None:
    gateway.sink.go.clear()
    said = run("tailrace.logging.sender.EXIT_S = 0.3\nlog.info('x')", gateway.url)
    assert "1 log records did not reach" in said


def test_a_fork_begins_with_nothing_of_its_parent_and_a_thread_of_its_own(
    gateway: Gateway,
) -> None:
    said = run(
        """
        log.info("before")
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                log.info("child %d", child)
                ok = handler.flush(5)
                os._exit(0 if ok else 9)
            children.append(pid)
        log.info("after")
        for pid in children:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        """,
        gateway.url,
    )
    rows = gateway.rows()
    assert said == ""
    assert Counter(row["body"] for row in rows) == Counter(
        ["before", "after", "child 0", "child 1", "child 2"]
    )
    assert len({row["attributes"]["process.pid"] for row in rows}) == 4
    assert len(set(gateway.keys)) == len(gateway.keys)


def test_a_fork_while_other_threads_log_is_never_stuck(gateway: Gateway) -> None:
    run(
        """
        stop = threading.Event()
        def chatter():
            while not stop.is_set(): log.info("chatter")
        threads = [threading.Thread(target=chatter) for _ in range(3)]
        for thread in threads: thread.start()
        for child in range(20):
            pid = os.fork()
            if pid == 0:
                log.info("child")
                os._exit(0 if handler.flush(5) else 9)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop.set()
        for thread in threads: thread.join()
        """,
        gateway.url,
    )
    assert gateway.bodies().count("child") == 20


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_flush_when_they_end(
    gateway: Gateway, tmp_path: Path, method: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""{PRELUDE}
def attach():
    log.addHandler(Handler(url={gateway.url!r}))

def work(number):
    if not log.handlers:
        attach()  # a spawned process begins anew
    log.info("child %d", number)

if __name__ == "__main__":
    attach()
    log.info("parent")
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(n,)) for n in range(2)]
    for child in children: child.start()
    for child in children: child.join()
    with context.Pool(2) as pool:
        pool.map(work, range(2, 6))
        pool.close()
        pool.join()
"""
    )
    done = subprocess.run([*STRICT, str(program)], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(gateway.bodies()) == [*(f"child {n}" for n in range(6)), "parent"]


def test_it_is_light_and_shadows_nothing() -> None:
    heavy = ["asyncio", "ssl", "opentelemetry", "structlog", "psutil", "starlette", "tailrace.wire"]
    code = (
        "import sys, tailrace.logging, logging\n"
        "assert logging.getLogger and not hasattr(logging, 'Processor')\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['ssl']\n", done.stderr  # http.client brings it
