"""Addresses: what the hub may connect to, decided on text alone. Nothing here resolves a name."""


def is_numeric(host: str) -> bool:
    """Whether this is an IPv4 address in dotted form."""
    parts = host.split(".")
    if len(parts) != 4:
        return False
    return all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts)


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
