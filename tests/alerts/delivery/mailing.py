"""An SMTP server on a real socket, in a thread, which answers as it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase


@dataclass
class Mailbox:
    """`answers`: what is said to a command instead of what is usual."""

    port: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    greeting: bytes = b"220 mail\r\n"
    tls: ssl.SSLContext | None = None
    commands: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    def converse(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            open_ones.enter_context(sock)
            sock.sendall(self.greeting)
            file = open_ones.enter_context(sock.makefile("rb"))
            while line := file.readline().decode().strip():
                self.commands.append(line)
                word = line.split(":")[0].split()[0].upper()
                sock.sendall(self.answers.get(word) or self._usual(word))
                if word == "STARTTLS" and self.tls:
                    sock = open_ones.enter_context(self.tls.wrap_socket(sock, server_side=True))
                    file = open_ones.enter_context(sock.makefile("rb"))
                if word == "DATA" and word not in self.answers:
                    self._take(sock, file)
                if word == "QUIT":
                    return

    def _take(self, sock: socket.socket, file: BufferedIOBase) -> None:
        data = b""
        while not data.endswith(b"\r\n.\r\n"):
            data += file.readline()
        self.mails.append(data[:-3].decode())
        sock.sendall(self.answers.get(".") or b"250 taken\r\n")

    def _usual(self, word: str) -> bytes:
        if word == "EHLO":
            more = b"250-STARTTLS\r\n" if self.tls else b""
            return b"250-mail\r\n" + more + b"250 AUTH PLAIN\r\n"
        usual = {"DATA": b"354 go on\r\n", "AUTH": b"235 welcome\r\n", "QUIT": b"221 bye\r\n"}
        return usual.get(word, b"220 ready\r\n" if word == "STARTTLS" else b"250 ok\r\n")


@contextlib.contextmanager
def mailbox(box: Mailbox) -> Iterator[Mailbox]:
    server = socket.create_server(("127.0.0.1", 0))
    box.port = server.getsockname()[1]
    threads: list[threading.Thread] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=box.converse, args=(server.accept()[0],))
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield box
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (accepting, *threads):
            thread.join(5)
