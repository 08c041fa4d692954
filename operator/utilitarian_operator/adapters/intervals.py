"""How often a broker is asked for each thing."""

from dataclasses import dataclass

from utilitarian_operator.core.never_started import AFTER

HEARTBEAT_S = 60
"""A broker forgets a connection after two of these in silence, also that of an operator whose node was lost."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two readings of the same thing.

    Args:
        looks_for_work_s: how often the asking of workers looks whether it is a fleet's turn.
        closely_s: workers whose tasks are short.
        near_s: workers that a decision rests on.
        learn_s: workers to learn averages from.
        look_around_s: all workers of the broker.
        beats_s: longer than an unused connection is kept: a fleet that sleeps holds none for this.
        celery_s: the version of Celery.
        statistics_s: of queues.
        declarations_s: how queues are declared.
        delayed_s: tasks that wait in the broker for their time.
        delayed_looked_for_s: where there are no queues for those: asking for one puts a line into the broker's log.
        begins_s: until a task that a worker runs in its own process is acknowledged; one that is not never began.
        idle_s: a connection on which nothing is said for longer would be closed by the broker: no heartbeat is sent in
            between.
    """

    looks_for_work_s: float = 0.25
    closely_s: float = 0.25
    near_s: float = 1.0
    learn_s: float = 2.0
    look_around_s: float = 30.0
    beats_s: float = 120.0
    celery_s: float = 3600.0
    statistics_s: float = 5.0
    declarations_s: float = 300.0
    delayed_s: float = 30.0
    delayed_looked_for_s: float = 300.0
    begins_s: float = AFTER.total_seconds()
    idle_s: float = HEARTBEAT_S


INTERVALS = Intervals()
