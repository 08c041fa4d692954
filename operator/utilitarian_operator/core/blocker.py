"""What keeps a resource from running as it is written, as values."""

from dataclasses import dataclass

INVALID_SPEC = "InvalidSpec"
NAME_TAKEN = "NameTaken"
QUEUE_TAKEN = "QueueTaken"
REPLICAS_TAKEN = "ReplicasTaken"
REFUSED = "Refused"
SECRET_MISSING = "SecretMissing"  # noqa: S105 - the name of a reason
CONFIG_MAP_MISSING = "ConfigMapMissing"


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that a person must put right; the rest of the fleet goes on.

    Args:
        reason: one word, of the condition `Stalled` and of the event.
        message: field path, what is wrong, what to do, and what runs meanwhile.
        about: kind and name of an object that is not there, and the key if it is that.
    """

    reason: str
    message: str
    about: tuple[str, ...] = ()
