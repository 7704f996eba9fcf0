"""A name server for the access point: whatever a phone asks for is here, so that its questions come to our page."""

import asyncio
import socket

PORT = 53
_POLL_MS = 50
_QUESTION = b"\x00\x01\x00\x01"  # an address, of the internet


class Names:
    """Answers every question with `address`."""

    def __init__(self, address: str, port: int = PORT) -> None:
        self._address = bytes([int(part) for part in address.split(".")])
        self._port = port
        self._socket: "socket.socket | None" = None

    async def run(self) -> None:
        """Serve for ever."""
        listener = self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(socket.getaddrinfo("0.0.0.0", self._port)[0][-1])  # noqa: S104 - the access point's only
        listener.setblocking(False)
        while True:
            try:
                asked, peer = listener.recvfrom(512)
                reply = answer(asked, self._address)
                if reply:
                    listener.sendto(reply, peer)
                await asyncio.sleep_ms(0)  # who asks without end must not keep the others waiting
            except OSError:
                await asyncio.sleep_ms(_POLL_MS)

    def stop(self) -> None:
        """Stop."""
        if self._socket is not None:
            self._socket.close()


def answer(asked: bytes, address: bytes) -> bytes:
    """The reply to one question (RFC 1035); empty for anything else."""
    if len(asked) < 17 or asked[2] & 0xF8 or asked[4:6] != b"\x00\x01":
        return b""
    end = asked.find(b"\x00", 12)
    if end < 0 or len(asked) < end + 5:
        return b""
    question = asked[12 : end + 5]
    if asked[end + 1 : end + 5] != _QUESTION:
        # There is such a name, but nothing of this kind: nobody waits for more.
        return asked[:2] + b"\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00" + question
    found = b"\xc0\x0c" + _QUESTION + b"\x00\x00\x00\x0a\x00\x04" + address
    return asked[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + found
