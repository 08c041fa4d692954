"""What is said of a broker that fails: the kind of failure, in our own words; nothing that the other side has said.

Who names a broker in a resource could else read in its status what any server answers that the operator can reach. What
RabbitMQ says is looked at for the one thing that tells kinds apart, and thrown away: it names users and virtual hosts.
"""

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Iterator

from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, PreconditionFailed
from kombu.exceptions import KombuError

from utilitarian_operator.adapters.broker.bounded.refused import Ours
from utilitarian_operator.errors import (
    BrokerError,
    BrokerUnreachable,
    CertificateRefused,
    LoginRefused,
    RightMissing,
)

GONE = (OSError, AMQPError, KombuError)
"""What the libraries raise where there is no connection any more."""

_ACCESS = re.compile(r"\b(?:(configure|read|write) )?access to (queue|exchange|topic)\b")
_THINGS = {"queue": "a queue", "exchange": "an exchange", "topic": "a topic"}

_WORDS = {
    "BadStatusLine": "its answer is no HTTP",
    "ClientPayloadError": "its answer broke off",
    "ClientResponseError": "its answer is no HTTP",
    "OSError": "it ended the connection",
    "RecoverableConnectionError": "it ended the connection",
    "ServerDisconnectedError": "it ended the connection",
    "UnicodeDecodeError": "its answer is no text",
    "UnexpectedFrame": "its answer is no AMQP",
}
"""By the name of the library's class."""


@contextlib.contextmanager
def broker_errors(
    remedy: str = "docs/install.md has the rights that it needs", place: str = "the broker"
) -> Iterator[None]:
    """Translate py-amqp's errors at the edge.

    Args:
        remedy: what to do where a right is missing.
        place: who was asked.
    """
    try:
        yield
    except AccessRefused as error:
        if error.method_name or "queue" in str(error.reply_text):
            raise RightMissing(f"{place} refuses {right(str(error.reply_text))}; {remedy}") from error
        raise LoginRefused(f"{place} refuses user, password or virtual host of the URL") from error
    except NotAllowed as error:
        raise not_allowed(str(error.reply_text), place) from error
    except PreconditionFailed as error:  # it did answer
        raise BrokerUnreachable(_failed_precondition(str(error.reply_text), place)) from error
    except ssl.SSLError as error:
        raise untrusted(error, place) from error
    except GONE as error:
        raise BrokerUnreachable(f"no answer from {place}: {kind(error)}") from error


def kind(error: BaseException) -> str:
    """What kind of failure an error of a library is; nothing that the other side has said is in it."""
    ours = next((it for it in (error, error.__cause__) if isinstance(it, Ours)), None)
    if ours is not None:  # aiohttp raises errors of its own in its place
        return str(ours)
    inner = getattr(error, "os_error", None)  # aiohttp's own errors have that of the system in them
    if isinstance(inner, OSError) and inner is not error:
        return kind(inner)
    if isinstance(error, TimeoutError):
        return "timed out"
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror) or (isinstance(number, int) and number < 0):
        return "its name has no address"
    if isinstance(error, OSError) and isinstance(number, int) and number > 0:
        return os.strerror(number)
    code = getattr(error, "reply_code", None)
    name = type(error).__name__
    return _WORDS.get(name, f"{name} ({code})" if isinstance(code, int) and code else name)


def right(said: str) -> str:
    """What a broker refuses.

    Args:
        said: RabbitMQ's own words (ACCESS_REFUSED).
    """
    found = _ACCESS.search(said)
    if found is None:
        return "what was asked"
    return f"the right `{found[1]}` on {_THINGS[found[2]]}" if found[1] else f"access to {_THINGS[found[2]]}"


def _failed_precondition(said: str, place: str) -> str:
    if "queue limit" in said:
        of = "the vhost" if "in vhost" in said else "the broker"
        return (
            f"{place} makes no more queues: the limit of {of} is reached; raise it (rabbitmqctl set_vhost_limits, or "
            "rabbitmq.conf), or delete queues that nothing uses"
        )
    return f"{place} ended the call: PRECONDITION_FAILED; its log has why"


def not_allowed(said: str, place: str) -> BrokerError:
    """Why RabbitMQ opens no connection, or no channel, although the login is right, and what to do.

    Args:
        said: RabbitMQ's own words (NOT_ALLOWED).
        place: who was asked.
    """
    if "connection limit" in said:
        of = "its user" if "user connection limit" in said else "a node" if "node connection" in said else "the vhost"
        return BrokerUnreachable(
            f"{place} takes no more connections: the limit of {of} is reached; raise it (rabbitmqctl set_vhost_limits "
            "or set_user_limits, or rabbitmq.conf), or close connections"
        )
    if "number of channels" in said:
        of = "its user" if "for user" in said else "a node"
        return BrokerUnreachable(
            f"{place} opens no more channels: the limit of {of} is reached; raise it (rabbitmqctl set_user_limits, or "
            "rabbitmq.conf), or close connections"
        )
    if "is down" in said:
        return BrokerUnreachable(f"{place} says that the URL's virtual host is down; rabbitmqctl restart_vhost")
    if "not found" in said:
        return LoginRefused(
            f"{place} lacks the URL's virtual host; make it (rabbitmqctl add_vhost), or correct the URL's last part"
        )
    if "refused for user" in said:
        return LoginRefused(
            f"{place} refuses the user its virtual host; give the user rights in it (rabbitmqctl set_permissions)"
        )
    return LoginRefused(f"{place} refuses the connection: NOT_ALLOWED; its log has why")


def untrusted(error: ssl.SSLError, place: str) -> BrokerError:
    """What went wrong with TLS, and what to do; the reasons are OpenSSL's own, of this side.

    Args:
        error: of Python's ssl.
        place: who was asked.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(
            f"the certificate of {place} is not trusted: {error.verify_message}; spec.broker.tls.caFrom must hold the "
            "certificate of its authority, and the URL the name that it was made for"
        )
    if isinstance(error, Ours):
        return BrokerUnreachable(f"no answer from {place}: {error}")
    reason = getattr(error, "reason", None) or type(error).__name__
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return CertificateRefused(
            f"{place} asks for another client certificate ({reason}); see spec.broker.tls.certFrom and keyFrom"
        )
    if reason == "WRONG_VERSION_NUMBER":
        return BrokerUnreachable(f"{place} speaks no TLS there; write its TLS port, or a URL without the s")
    return BrokerUnreachable(f"no answer from {place}: TLS failed: {reason}; see spec.broker.tls")


def away(said: str) -> str:
    """Why a queue that is there can't be read.

    Args:
        said: RabbitMQ's own words (NOT_FOUND).
    """
    return "its node is down" if "home node" in said else "the broker can't reach it now"
