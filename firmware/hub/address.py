"""Addresses: what the hub may connect to, decided on text alone. Nothing here resolves a name."""

SEARCH_TO = (("239.255.255.250", 2021), ("255.255.255.255", 2021))
"""Where printers listen for who looks for them."""


def is_numeric(host: str) -> bool:
    """Whether this is an IPv4 address in dotted form."""
    parts = host.split(".")
    if len(parts) != 4:
        return False
    return all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts)


def is_serial(text: str) -> bool:
    """Whether this can be a printer's serial number: capital letters and digits, 8 to 32 of them."""
    # Bytes, not characters: each new character would be kept for ever as a name.
    return 8 <= len(text) <= 32 and all(48 <= byte <= 57 or 65 <= byte <= 90 for byte in text.encode())


def plausible(printer: "dict") -> bool:  # type: ignore[type-arg]
    """Whether the serial number and the address that somebody tells can be a printer's."""
    return is_serial(printer["serial"]) and is_numeric(printer["host"])


def is_loopback(host: str) -> bool:
    """Whether this can only be the machine itself."""
    return host == "localhost" or (is_numeric(host) and host.startswith("127."))


def split_url(url: str) -> "tuple[bool, str, int, str]":
    """(tls, host, port, path) of a ws:// or wss:// address; ValueError for anything else."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in ("ws", "wss"):
        raise ValueError("the cloud's address must begin with wss://")
    tls = scheme == "wss"
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon:
        host, port = authority, "443" if tls else "80"
    if not host or "@" in host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("the cloud's address has no valid host and port")
    return tls, host, int(port), slash + path if slash else "/"
