"""A worker of the model and what is counted of it; times are seconds since the start of the load."""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum


class State(IntEnum):
    """Where a worker is in its life."""

    STARTING = 0
    SERVING = 1
    DRAINING = 2
    LEAVING = 3
    """Drained, and asked for until its operator has seen that."""
    GONE = 4


STARTING, SERVING, DRAINING, LEAVING, GONE = State
"""Each state by its own name: a model asks for them a million times, and a member of a class is found more slowly."""


class Event(IntEnum):
    """What the calendar holds."""

    READY = 0
    DUE = 1
    END = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """How the workers of a pool work.

    Args:
        concurrency: slots.
        fetched_ahead: messages held beside the running ones.
        acks_late: a task that is interrupted comes back; else it is lost.
        departure: seconds that a worker which is to go and holds nothing still costs.
        crowded: a start-up takes as many times as long as workers of the pool start together: they share a node.
    """

    concurrency: int
    fetched_ahead: int
    acks_late: bool
    departure: float = 0.0
    crowded: bool = False


@dataclass(slots=True)
class Worker:
    """One worker; `idle_from` counts only while it serves and runs nothing.

    `at_once` is the most workers of the fleet that were seen starting together with it, itself included.
    """

    began: float
    state: State = State.STARTING
    running: int = 0
    held: deque[int] = field(default_factory=deque)
    idle_from: float = 0.0
    at_once: int = 1


@dataclass(slots=True)
class Account:
    """What the workers cost and did, in seconds and counts; `idle` is of workers that are ready and run no task."""

    worker_seconds: float = 0.0
    idle: float = 0.0
    starts: int = 0
    changes: int = 0
    interrupted: int = 0
    peak: int = 0
