"""uvicorn's websockets, where a handshake that cannot be read is answered too."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn 0.54 keeps the refusal of a too long line (414) or header (431) to itself, and the
    client waits for ever on a connection that nothing closes."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        refusal = [] if self.handshake_initiated else self.conn.data_to_send()
        if refusal:
            self.transport.write(b"".join(refusal))
            self.transport.close()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # Whoever does not read does not let what waits be sent either: closing would take for ever.
        self.transport.abort()
