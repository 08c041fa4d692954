"""What was seen of one fleet at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.counted.dropped import Dropped
from utilitarian_operator.core.observation.model.figures import Source, Unknown
from utilitarian_operator.core.observation.model.pool import PoolSnapshot


@dataclass(frozen=True)
class FleetSnapshot:
    """Everything seen of one fleet at one moment; without slots, so that one can be made of another (`changed`).

    Args:
        at: when the look was finished.
        pools: by pool name.
        broker: None when the broker answered; else why it did not.
        statistics: whether the broker's statistics are read: None when they were; else why not.
        mute: None when workers can be asked, whether they answer or not; else why not.
        about: the broker's settings, as far as it tells them.
        let_in: the mark of the addresses by which it let the operator in; empty where it didn't answer.
        beat: of the fleet; None where it is not asked for.
        rolling_out: names of the Deployments and the StatefulSet whose template has not reached every pod.
        leftover: pools that the resource doesn't ask for any more and whose Deployment is still there, by name.
        sources: that were asked, and how fresh each is.
        dropped: tasks that left a queue while nothing consumed it, by queue, where there were some within a day.
        last_messages: when a message was last seen to come to each queue of a pool with schedules, where one ever was.
    """

    at: datetime
    pools: Mapping[str, PoolSnapshot]
    broker: Unknown | None = None
    statistics: Unknown | None = None
    beat: BeatSnapshot | None = None
    rolling_out: tuple[str, ...] = ()
    mute: Unknown | None = None
    leftover: Mapping[str, PoolSnapshot] = field(default_factory=dict)
    about: BrokerSettings = field(default_factory=BrokerSettings)
    let_in: str = ""
    sources: tuple[Source, ...] = ()
    last_messages: Mapping[str, datetime] = field(default_factory=dict)
    dropped: Mapping[str, Dropped] = field(default_factory=dict)
