"""The preStop hook of a worker: a script that runs in the worker's own container and needs nothing but its kombu.

It is for every end that the operator doesn't lead: a rollout, an eviction, `kubectl delete`, a deleted resource. The
worker takes nothing more, finishes what it holds, and only then is told to end. It never imports the application.
"""

from datetime import timedelta

LEFT_FOR_SIGTERM = timedelta(seconds=10)
"""Of the grace period: an empty worker ends within two seconds of SIGTERM, a threads worker within ten."""

SCRIPT = """\
import os, sys, time
from kombu import Connection
from kombu.pidbox import Mailbox

node, end = "celery@" + os.environ["POD_NAME"], time.time() + float(sys.argv[1])


def catches_sigterm():
    # Until Celery has installed its handlers, the kernel drops a SIGTERM to process 1, and the worker would live on.
    with open("/proc/1/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> 14 & 1


def ask(question):
    replies = mailbox.call([node], question, timeout=2) or [{}]
    return replies[0].get(node)


while not catches_sigterm() and time.time() < end:
    time.sleep(0.2)
with Connection(os.environ["CELERY_BROKER_URL"], connect_timeout=5) as connection:
    mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json")(connection)
    while time.time() < end:
        queues = ask("active_queues")
        for queue in queues or ():
            mailbox.cast([node], "cancel_consumer", {"queue": queue["name"]})
        if queues == [] and ask("reserved") == [] and ask("active") == []:
            break
        time.sleep(1)
"""
"""Tasks that wait for an ETA are given back by the SIGTERM that follows: they may be due in a month."""


def command(grace: timedelta) -> list[str]:
    """The hook's command: it returns when the worker is empty, or a little before the grace period ends.

    Args:
        grace: `terminationGracePeriodSeconds` of the pod.
    """
    patience = max(grace - LEFT_FOR_SIGTERM, grace / 2)
    return ["python3", "-c", SCRIPT, f"{patience.total_seconds():.0f}"]
