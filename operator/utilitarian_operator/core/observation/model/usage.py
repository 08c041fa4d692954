"""What one worker uses of CPU and memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What the container that runs Celery used, as the metrics API has it.

    Args:
        cpu: cores, on the average of some seconds.
        memory: bytes of its working set: what the kernel could not free.
        busy: its slots that were busy since the reading before, on the average; None where that was not seen.
        measured: when, as the API writes it; None where it does not say.
    """

    cpu: float
    memory: float
    busy: float | None = None
    measured: str | None = None
