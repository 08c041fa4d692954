"""What can go wrong, as one tree; adapters raise these `from` the library's own error.

OperatorError
├── BrokerError            the broker can't be read: every queue is Unknown until it can
│   ├── BrokerUnreachable  no connection, or it broke or fell silent
│   │   └── BrokerBlocked  it has a memory or disk alarm and takes no messages
│   ├── LoginRefused       the user or the password of the URL is wrong, or the virtual host is not theirs
│   │   └── CertificateRefused  TLS: we don't trust the broker's certificate, or the broker doesn't trust ours
│   └── RightMissing       the user lacks a right; the message names it
├── ClusterError           the API server refused or failed a request
│   ├── Conflict           another client changed the object in between: look again
│   ├── Gone               the object is not there (any more)
│   ├── Rejected           the API server refuses the object as it is: a person must act
│   ├── HistoryWentBack    the API server has an earlier state than was seen: what is kept in memory counts no more
│   └── LeaseUnsure        a Lease was not renewed in time: nothing is written until it is
├── SecretMissing          a Secret, or a key in it, that the resource names doesn't exist, or can't be what it is for
├── NamespaceTooLarge      the objects of a namespace take too much memory: its fleets are left alone
├── TooManyBrokers         more brokers are named than are looked at, of a namespace or of all
└── LeadershipLost         another replica holds the Lease: nothing may be written any more
"""


class OperatorError(Exception):
    """Base of everything that this package raises on purpose."""


LONGEST_SENTENCE = 1000
"""Characters of what a broker has said that are kept."""


class BrokerError(OperatorError):
    """The broker can't be read; what it said itself is cut where it goes on for too long."""

    def __init__(self, message: str) -> None:
        cut = len(message) > LONGEST_SENTENCE
        super().__init__(f"{message[: LONGEST_SENTENCE - 1]}…" if cut else message)


class BrokerUnreachable(BrokerError):
    """No connection to the broker, or it broke or fell silent."""


class BrokerBlocked(BrokerUnreachable):
    """The broker has a memory or disk alarm and takes no messages."""


class LoginRefused(BrokerError):
    """The broker refused the user, the password or the virtual host."""


class CertificateRefused(LoginRefused):
    """TLS: the broker's certificate is not trusted, or the broker wants another one of ours."""


class RightMissing(BrokerError):
    """The broker's user lacks a right; the message names it."""


class ClusterError(OperatorError):
    """The API server refused or failed a request."""


class TooManyBrokers(OperatorError):
    """More brokers are named than are looked at.

    Args:
        which: by which fleets, and how many.
    """

    def __init__(self, which: str) -> None:
        super().__init__(f"spec.broker: {which}: this one is not looked at; share brokers and logins")


class Conflict(ClusterError):
    """Another client changed the object in between."""


class Gone(ClusterError):
    """The object is not there (any more)."""


class Rejected(ClusterError):
    """The API server refuses the object as it is.

    Args:
        message: the whole of it.
        said: the API server's own sentence; the message unless given.
    """

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said or message


class LeaseUnsure(ClusterError):
    """A Lease was not renewed in time, or is not this operator's: nothing is written until it is."""


class HistoryWentBack(ClusterError):
    """The API server has an earlier state than was seen, as after a restore of etcd: all must be read anew."""


class SecretMissing(OperatorError):
    """A Secret, or a key in it, that the resource names doesn't exist, or holds something else than it should.

    Args:
        message: field path, what is wrong and what to do.
        about: kind and name of what is not there, and the key if it is that; nothing where all is there.
    """

    def __init__(self, message: str, about: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.about = about


class NamespaceTooLarge(OperatorError):
    """The objects of a namespace take too much memory: its fleets are left alone."""


class NoOperator(OperatorError):
    """No operator works on the fleets of a namespace."""


class LeadershipLost(OperatorError):
    """Another replica holds the Lease."""
