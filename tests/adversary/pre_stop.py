"""Runs a pod's preStop hook, the script itself, in a thread of virtual time."""

import builtins
import io
import sys
import types
from functools import lru_cache
from typing import Any

from kombu.exceptions import ContentDisallowed

from tests.adversary import threads
from tests.adversary.broker_connection import Client, Connection, HooksMailbox
from tests.adversary.machine import Machine
from tests.adversary.rabbitmq import RabbitMQ

CATCHES_SIGTERM = "SigCgt: 0000000000004000"


@lru_cache
def _compiled(script: str) -> Any:
    return compile(script, "preStop", "exec")


def run(command: list[str], pod: str, rabbit: RabbitMQ, machine: Machine, thread: threads.Thread) -> Any:
    """Begin a hook; the future is done when the script ends, however it ends.

    Args:
        command: of the hook, `python3 -c SCRIPT ARGUMENTS`.
        pod: it runs in.
        rabbit: its broker.
        machine: for the clocks.
        thread: to run it.
    """
    names = _modules(command[3:], pod, rabbit, machine, thread)

    def imported(name: str, _globals: Any = None, _locals: Any = None, wanted: Any = (), _level: int = 0) -> Any:
        return names[name] if wanted or "." not in name else names[name.partition(".")[0]]

    def opened(_path: str) -> Any:
        return io.StringIO(CATCHES_SIGTERM + "\n")

    inside = {**vars(builtins), "__import__": imported, "open": opened, "print": lambda *_, **__: None}

    def hook() -> str:
        try:
            exec(_compiled(command[2]), {"__builtins__": inside, "__name__": "__main__"})  # noqa: S102 - our own script
        except SystemExit:
            return "gave up"
        except threads.Ended:
            if rabbit.loop.now < thread.until:
                raise
            return "was ended by its alarm"
        return "empty"

    return thread.submit(rabbit.loop, hook)


def _modules(
    arguments: list[str], pod: str, rabbit: RabbitMQ, machine: Machine, thread: threads.Thread
) -> dict[str, Any]:
    client = Client(rabbit, lambda: False, node=f"celery@{pod}")

    def alarm(seconds: int) -> None:
        thread.until = rabbit.loop.now + seconds

    def connection(*_: Any, **__: Any) -> Connection:
        return Connection(client)

    environment = {"POD_NAME": pod, "CELERY_BROKER_URL": "amqp://rabbit"}
    clock = {"monotonic": rabbit.loop.time, "sleep": threads.wait, "time": lambda: machine.true().timestamp()}
    return {
        "os": types.SimpleNamespace(environ=environment),
        "signal": types.SimpleNamespace(alarm=alarm),
        "sys": types.SimpleNamespace(argv=["-c", *arguments], exit=sys.exit, stderr=None),
        "time": types.SimpleNamespace(**clock),
        "kombu": types.SimpleNamespace(Connection=connection),
        "kombu.exceptions": types.SimpleNamespace(ContentDisallowed=ContentDisallowed),
        "kombu.pidbox": types.SimpleNamespace(Mailbox=HooksMailbox),
    }
