"""What begins TLS 1.3 by hand: who asks for a key of a group that takes long, as Python's own library never does."""

FFDHE8192 = 0x0104
"""The largest group of RFC 7919."""

_SHARE = b"\x7f" * 1024
"""Of that group: what the other side reckons from it takes a tenth of a second, and to write it takes nothing."""

_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""By which RFC 8446 knows a HelloRetryRequest."""

_VERSION, _SUITE = b"\x03\x04", b"\x13\x01"


def client_hello(group: int = FFDHE8192) -> bytes:
    """A client's first record, which speaks of one group; its share costs it nothing."""
    share = _counted(group.to_bytes(2, "big") + _counted(_SHARE, 2), 2)
    extensions = (
        _extension(43, _counted(_VERSION, 1))
        + _extension(10, _counted(group.to_bytes(2, "big"), 2))
        + _extension(13, _counted(bytes.fromhex("0403080408050806"), 2))
        + _extension(51, share)
    )
    return _record(1, b"\x03\x03" + bytes(32) + b"\0" + _counted(_SUITE, 2) + b"\x01\0" + _counted(extensions, 2))


def answers(hello: bytes, group: int = FFDHE8192) -> tuple[bytes, bytes]:
    """A server's records: it asks a client for a share of another group, and sends its own.

    Args:
        hello: the client's first record, whose session is repeated.
        group: that is asked for.
    """
    session, asked = _counted(hello[44 : 44 + hello[43]], 1), group.to_bytes(2, "big")
    return tuple(  # type: ignore[return-value] # of two
        _record(
            2,
            b"\x03\x03"
            + random
            + session
            + _SUITE
            + b"\0"
            + _counted(_extension(43, _VERSION) + _extension(51, it), 2),
        )
        for random, it in ((_RETRY, asked), (bytes(32), asked + _counted(_SHARE, 2)))
    )


def _counted(what: bytes, length: int) -> bytes:
    return len(what).to_bytes(length, "big") + what


def _extension(number: int, what: bytes) -> bytes:
    return number.to_bytes(2, "big") + _counted(what, 2)


def _record(kind: int, what: bytes) -> bytes:
    return b"\x16\x03\x03" + _counted(bytes([kind]) + _counted(what, 3), 2)
