"""The reference application, whose worker fails to acknowledge its third task; every other one goes well."""

import itertools

from amqp.exceptions import UnexpectedFrame
from celery.worker.request import Request

from utilitarian.celery import app

UNLUCKY = 3
_COUNT = itertools.count(1)


class UnluckyRequest(Request):  # type: ignore[misc]
    """A task's request at its worker; Celery takes the class from the task."""

    def acknowledge(self) -> None:
        """Raises once what Celery raises where two threads read one connection."""
        if not self.acknowledged and next(_COUNT) == UNLUCKY:
            raise UnexpectedFrame("Received frame_end 0x01 while expecting 0xce")
        super().acknowledge()


for task in app.tasks.values():
    task.Request = UnluckyRequest
