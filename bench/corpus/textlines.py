"""The lines that programs write around a message: what stands before it, and what follows."""

from __future__ import annotations

from collections.abc import Callable

from bench.corpus.chance import Chance, Weighted
from bench.corpus.names import AGENTS, FILES, HOSTS, LOGGERS, PATHS, SERVICES
from bench.corpus.sample import Fragment, joined

_LEVELS = Weighted((("INFO", 60), ("WARN", 15), ("ERROR", 15), ("DEBUG", 10)))
Around = Callable[[Chance, Fragment], Fragment]


def clock(chance: Chance) -> tuple[int, int, int, int]:
    """Day of a month, hour, minute, second."""
    return chance.between(1, 28), chance.below(24), chance.below(60), chance.below(60)


def iso(chance: Chance, digits: int = 3, zone: str = "Z") -> str:
    day, hour, minute, second = clock(chance)
    fraction = f".{chance.digits(digits)}" if digits else ""
    return f"2026-11-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}{zone}"


def plain_time(chance: Chance, point: str = ",") -> str:
    day, hour, minute, second = clock(chance)
    return f"2026-11-{day:02d} {hour:02d}:{minute:02d}:{second:02d}{point}{chance.digits(3)}"


def level(chance: Chance) -> str:
    return chance.weighted(_LEVELS)


def address(chance: Chance) -> str:
    return f"10.{chance.below(256)}.{chance.below(256)}.{chance.between(1, 254)}"


def _syslog(chance: Chance, message: Fragment) -> Fragment:
    day, hour, minute, second = clock(chance)
    at = f"Nov {day:>2} {hour:02d}:{minute:02d}:{second:02d}"
    pid = chance.between(300, 4194303)
    return message.within(f"{at} {chance.pick(HOSTS)} {chance.pick(SERVICES)}[{pid}]: ")


def _syslog5424(chance: Chance, message: Fragment) -> Fragment:
    number = chance.between(0, 191)
    place = f"{chance.pick(HOSTS)} {chance.pick(SERVICES)} {chance.between(300, 99999)}"
    return message.within(f"<{number}>1 {iso(chance, 6)} {place} - - ")


def _logback(chance: Chance, message: Fragment) -> Fragment:
    thread = f"[http-nio-8080-exec-{chance.between(1, 200)}]"
    return message.within(
        f"{plain_time(chance)} {level(chance):5} {thread} {chance.pick(LOGGERS)} - "
    )


def _python(chance: Chance, message: Fragment) -> Fragment:
    return message.within(f"{plain_time(chance)} {level(chance)} {chance.pick(LOGGERS)}: ")


def _django(chance: Chance, message: Fragment) -> Fragment:
    day, hour, minute, second = clock(chance)
    at = f"[{day:02d}/Nov/2026 {hour:02d}:{minute:02d}:{second:02d}]"
    return message.within(f"{at} {level(chance)} [{chance.pick(LOGGERS)}:{chance.below(900)}] ")


def _rails(chance: Chance, message: Fragment) -> Fragment:
    name = level(chance)
    at = f"[{iso(chance, 6, '')} #{chance.between(2, 65535)}]"
    return message.within(f"{name[0]}, {at}  {name} -- : [{chance.uuid()}] ")


def _go(chance: Chance, message: Fragment) -> Fragment:
    at = plain_time(chance, ".").replace("-", "/")
    return message.within(f"{at} {chance.pick(FILES)}:{chance.between(2, 900)}: ")


def _klog(chance: Chance, message: Fragment) -> Fragment:
    day, hour, minute, second = clock(chance)
    at = f"{hour:02d}:{minute:02d}:{second:02d}.{chance.digits(6)}"
    place = f"{chance.pick(FILES)}:{chance.between(2, 900)}"
    return message.within(f"{level(chance)[0]}11{day:02d} {at} {chance.below(99999):7d} {place}] ")


def _container(chance: Chance, message: Fragment) -> Fragment:
    return message.within(f"{iso(chance, 9)} {chance.pick(('stdout', 'stderr'))} F ")


def _nginx(chance: Chance, message: Fragment) -> Fragment:
    at = plain_time(chance, ".").replace("-", "/")[:19]
    process = f"{chance.below(9999)}#{chance.below(9999)}: *{chance.below(10**7)}"
    request = f'request: "POST {chance.pick(PATHS)} HTTP/1.1", host: "shop.example.com"'
    return message.within(f"{at} [error] {process} ", f", client: {address(chance)}, {request}")


def _postgres(chance: Chance, message: Fragment) -> Fragment:
    what = chance.pick(("LOG", "DETAIL", "ERROR", "STATEMENT", "WARNING"))
    return message.within(
        f"{plain_time(chance, '.')} UTC [{chance.below(99999)}] app@shop {what}:  "
    )


def _kafka(chance: Chance, message: Fragment) -> Fragment:
    return message.within(
        f"[{plain_time(chance)}] {level(chance)} [broker {chance.below(9)}] ",
        f" ({chance.pick(LOGGERS)})",
    )


def _logfmt(chance: Chance, message: Fragment) -> Fragment:
    said = message.mapped(lambda text: text.replace("\\", "\\\\").replace('"', '\\"'))
    return said.within(
        f'ts={iso(chance)} level={level(chance).lower()} service={chance.pick(SERVICES)} msg="',
        f'" duration_ms={chance.below(2000)} trace_id={chance.hex(32)}',
    )


def _console(chance: Chance, message: Fragment) -> Fragment:
    return message.within(
        f"{iso(chance, 6)} [{level(chance).lower():<9}] ",
        f" request_id={chance.uuid()} attempt={chance.below(9)}",
    )


def _alone(chance: Chance, message: Fragment) -> Fragment:
    return message


def _trace(chance: Chance, message: Fragment) -> Fragment:
    """An exception with its stack, over several lines."""
    name = chance.pick(LOGGERS)
    lines = [f"\n\tat {name}.call({chance.pick(FILES)}:{chance.below(900)})" for _ in range(3)]
    cause = f"\nCaused by: java.net.SocketTimeoutException: {chance.below(30000)} ms"
    return message.within(
        f"{plain_time(chance)} ERROR {name} - java.lang.IllegalStateException: ",
        "".join(lines) + cause,
    )


AROUND: Weighted[tuple[str, Around]] = Weighted(
    (
        (("syslog", _syslog), 8), (("syslog5424", _syslog5424), 4), (("logback", _logback), 10),
        (("python", _python), 8), (("django", _django), 6), (("rails", _rails), 6),
        (("go", _go), 6), (("klog", _klog), 5), (("container", _container), 6),
        (("nginx", _nginx), 4), (("postgres", _postgres), 5), (("kafka", _kafka), 4),
        (("logfmt", _logfmt), 12), (("console", _console), 5), (("alone", _alone), 6),
        (("trace", _trace), 3),
    )
)  # fmt: skip


def access(chance: Chance, target: Fragment) -> Fragment:
    """A request in the combined format; `target` is its path with its query."""
    day, hour, minute, second = clock(chance)
    at = f"[{day:02d}/Nov/2026:{hour:02d}:{minute:02d}:{second:02d} +0000]"
    method = chance.pick(("GET", "GET", "GET", "POST", "PUT"))
    size = chance.below(10 ** chance.between(2, 7))
    status = chance.pick((200, 200, 200, 201, 304, 400, 404, 500))
    return joined(
        (
            f'{address(chance)} - - {at} "{method} ',
            target,
            f' HTTP/1.1" {status} {size} "-" "{chance.pick(AGENTS)}"',
        )
    )
