"""How long a symptom must last before it counts: a worker that has just started, or lost its broker, needs a moment."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each symptom must last; a test hands in a shorter one.

    Args:
        not_consuming: a worker answers and consumes none of its queues. Three of the slow rounds of questions: one that
            reconnects consumes again after a few seconds.
        starts_within: a container runs, and its worker was never ready: it hangs; until then it may just be slow.
            Kubernetes' own progressDeadlineSeconds.
        mute: a worker answers no question. It may be busy; one whose main process says nothing for so long will not
            answer any more.
        no_progress: messages wait, and workers that are free begin none.
        foreign: consumers that are not the fleet's. A worker's word on its queues may be as old, and its consumer may
            be gone or back since then.
        unread: workers whose answers can't be read, before advice says so.
        sampled: an answer of a worker still counts in averages. Two of the slow rounds.
        beat_pending: the claim of beat's volume waits for a volume.
        beat_away: beat doesn't run: one that is restarted, or moved to another node, takes a part of it.
        dropped: messages have left a queue that nothing consumes. A broker may say a false zero for a while, as of a
            queue without its leader.
        idle: a worker is idle before nodes under it may go.
    """

    not_consuming: timedelta = timedelta(seconds=30)
    starts_within: timedelta = timedelta(minutes=10)
    mute: timedelta = timedelta(minutes=5)
    no_progress: timedelta = timedelta(seconds=30)
    foreign: timedelta = timedelta(seconds=30)
    unread: timedelta = timedelta(seconds=30)
    sampled: timedelta = timedelta(seconds=25)
    beat_pending: timedelta = timedelta(minutes=1)
    beat_away: timedelta = timedelta(minutes=2)
    dropped: timedelta = timedelta(minutes=1)
    idle: timedelta = timedelta(seconds=30)


PATIENCE = Patience()
