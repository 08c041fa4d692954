"""The preStop hook of a worker: a script that runs in the worker's container with its kombu alone.

It is for every end that the operator doesn't lead: a rollout, an eviction, `kubectl delete`, a deleted resource. The
worker takes nothing more, finishes what it holds, and only then is asked to end. It never imports the application.
"""

from datetime import timedelta

from utilitarian_operator.core import never_started
from utilitarian_operator.core.objects.wrapped_process import HOP

LEFT_FOR_SIGTERM = timedelta(seconds=10)
"""Of the grace period: an empty worker ends within two seconds of SIGTERM, a threads worker within ten."""

SILENCE = timedelta(seconds=30)
"""A worker that has not said so long that it takes nothing more is left to SIGTERM, with its grace still before it."""

FIRST_ANSWER = timedelta(seconds=10)
"""The same for one that has said nothing at all since the broker answers: it goes on taking tasks as long."""

SETTLING = timedelta(seconds=5)
"""After a gevent worker holds nothing: it acknowledges what it ran every two seconds only, and a SIGTERM before that
would give tasks back that have run."""

CA_VARIABLE = "UTILITARIAN_BROKER_CA"
"""In the worker's environment where `broker.tls.caFrom` is given: the script can't know what the application trusts."""

EXCHANGE_VARIABLE = "UTILITARIAN_CONTROL_EXCHANGE"
"""In the worker's environment where `broker.controlExchange` is not Celery's own."""

SCRIPT = """\
import os, signal, sys, time
from kombu import Connection
from kombu.exceptions import ContentDisallowed
from kombu.pidbox import Mailbox

patience, silence, settling, never_begun, first_answer = map(int, sys.argv[1:])
exchange = os.environ.get("UTILITARIAN_CONTROL_EXCHANGE", "celery")
node, end = "celery@" + os.environ["POD_NAME"], time.monotonic() + patience
addresses, ca = os.environ["CELERY_BROKER_URL"].split(";"), os.environ.get("UTILITARIAN_BROKER_CA")


def catches_sigterm():
    # Until Celery has installed its handlers, the kernel drops a SIGTERM to process 1, and the worker would live on.
    with open("/proc/1/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> 14 & 1


def ends_at_latest(moment):
    # The signal ends this script, whatever the libraries wait for.
    signal.alarm(max(1, int(moment - time.monotonic())))


def connect(address):
    options = {}
    if ca and address.startswith("amqps:"):
        options["ssl"] = {"server_hostname": None, "context": {"cadata": ca, "check_hostname": True}}
    made = Connection(address, connect_timeout=5, **options)
    made.ensure_connection(max_retries=1, interval_start=0)
    # The library would go on for ever to publish to an address that is away.
    made.ensure = lambda _, publish, **retries: publish
    return made


def has_a_mailbox():
    # Of another connection's own queue the broker says that it is locked: it is there.
    try:
        with connection.channel() as channel:
            channel.queue_declare(f"{node}.{exchange}.pidbox", passive=True)
    except Exception as error:
        return getattr(error, "code", None) != 404
    return True


def ask(question, **arguments):
    replies = mailbox.call([node], question, arguments, timeout=10) or [{}]
    answer = replies[0].get(node)
    return answer if isinstance(answer, list) else None


def doubtful(task):
    seconds = time.time() - (task["time_start"] or time.time())
    return never_begun and not task["acknowledged"] and seconds > never_begun


def runs_nothing():
    active = ask("active")
    if active and all(map(doubtful, active)):
        # Their acknowledgement at the start failed: they stay in the answer for ever, and are never run.
        tasks = ask("registered", taskinfoitems=["acks_late"], builtins=True) or ()
        return all(task["name"] + " [acks_late=False]" in tasks for task in active)
    return active == []


def empty():
    global heard
    queues = ask("active_queues")
    if queues is None:
        return False
    heard = True
    for queue in queues:
        mailbox.cast([node], "cancel_consumer", {"queue": queue["name"]})
    ends_at_latest(min(end, time.monotonic() + silence) if queues else end)
    return not queues and ask("reserved") == [] and runs_nothing()


ends_at_latest(end)
while not catches_sigterm():
    time.sleep(0.2)
ends_at_latest(min(end, time.monotonic() + silence))
connection, heard, unheard_until, missing = None, False, None, 0
while True:
    try:
        if connection is None:
            connection = connect(addresses[0])
            mailbox = Mailbox(exchange, type="fanout", accept=["json"], serializer="json")(connection)
        if not heard:
            unheard_until = unheard_until or time.monotonic() + first_answer
            ends_at_latest(min(end, unheard_until))
            missing = 0 if has_a_mailbox() else missing + 1
            if missing > 2:
                sys.exit("the worker has no mailbox: SIGTERM has to tell it")
        if not missing and empty():
            break
    except ContentDisallowed:
        sys.exit("the worker's answers are not in JSON: SIGTERM has to tell it")
    except Exception as error:
        # Its kind alone: the words of an error may hold a part of the URL.
        print("the broker:", type(error).__name__, file=sys.stderr, flush=True)
        connection = None
        addresses.append(addresses.pop(0))
    time.sleep(1)
connection.release()
time.sleep(settling)
"""
"""Tasks that wait for an ETA are given back by the SIGTERM that follows: they may be due in a month.

It asks until the worker says that it consumes nothing and holds nothing. Until the first of these is known, a broker or
a worker that is silent for `SILENCE` ends it: a worker that can't be asked to take nothing more has to be stopped.
One that has no mailbox, or answers in what is never read, is left to SIGTERM at once.
"""

_AS_PROCESS_1 = """\
def catches_sigterm():
    # Until Celery has installed its handlers, the kernel drops a SIGTERM to process 1, and the worker would live on.
    with open("/proc/1/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> 14 & 1
"""

_BEHIND_A_WRAPPER = """\
def catches_sigterm():
    return hears_sigterm(found(mark)[2])
"""

WRAPPED_SCRIPT = HOP + SCRIPT.replace(_AS_PROCESS_1, _BEHIND_A_WRAPPER)
"""The same for a worker behind a `commandPrefix`, which may be another process than number 1."""


def command(
    grace: timedelta,
    execution: str,
    silence: timedelta = SILENCE,
    first_answer: timedelta = FIRST_ANSWER,
    never_begun: timedelta = never_started.AFTER,
    *,
    wrapped: bool = False,
) -> list[str]:
    """The hook's command: it returns when the worker is empty, or a little before the grace period ends.

    Args:
        grace: `terminationGracePeriodSeconds` of the pod.
        execution: of the worker, Celery's `--pool`.
        silence: how long broker and worker may say nothing before the worker takes nothing more.
        first_answer: how long the worker may say nothing at all although the broker answers.
        never_begun: how long the acknowledgement of a task that runs may take.
        wrapped: whether the worker is started through a `commandPrefix`.
    """
    patience = max(grace - LEFT_FOR_SIGTERM, grace / 2)
    settling = SETTLING if execution == "gevent" else timedelta()
    doubted = timedelta() if execution == "prefork" else never_begun
    # One with a single thread answers between two tasks, and takes none while it is mute.
    first = silence if execution == "solo" else min(first_answer, silence)
    times = (patience, silence, settling, doubted, first)
    return ["python3", "-c", WRAPPED_SCRIPT if wrapped else SCRIPT, *(f"{time.total_seconds():.0f}" for time in times)]
