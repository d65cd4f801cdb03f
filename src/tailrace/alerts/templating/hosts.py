"""Parts of `host:port`, as Go's net package takes them apart."""

from __future__ import annotations

import ipaddress


def strip_port(text: str) -> str:
    """The host; the text as it is where it has no port, or is no address."""
    parts = _split(text)
    return parts[0] if parts else text


def strip_domain(text: str) -> str:
    """`host.example.com:80` without the domain; addresses of IP stay."""
    host, port = _split(text) or (text, "")
    if _is_ip(host):
        return text
    host = host.partition(".")[0]
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _split(text: str) -> tuple[str, str] | None:
    host, colon, port = text.rpartition(":")
    if not colon:
        return None
    if host.startswith("["):
        if not host.endswith("]"):
            return None
        host = host[1:-1]
    elif ":" in host:
        return None
    return None if set("[]") & {*host, *port} else (host, port)
