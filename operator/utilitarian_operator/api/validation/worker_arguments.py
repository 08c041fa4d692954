"""Arguments of a worker that break what the operator promises: each with the reason and a remedy."""

from collections.abc import Iterable, Iterator, Sequence

from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.validation.command_line import CELERY, WORKER, Word, read

_FIELD = "the operator sets it: use"
_SET = "the operator sets it: leave it out"
_BEAT = "a beat inside each worker would send every task as often: use spec.beat, of which there is exactly one"
_KILLS = "it ends child processes that are at work: use scaling, which takes whole workers that hold nothing"
_PURGES = "it throws away what waits in the queues whenever a worker starts: leave it out"
_DETACHES = "the container would end at once: leave it out"
_ONCE = "the worker would say it and end: leave it out"
_PIDFILE = (
    "one that a killed worker leaves on a volume names process 1, which always lives, and stops the next: leave it out"
)
_STATE = "it is one file for one worker, which all pods would write or none keeps: leave it out"
_USER = "a container has no right to change its user: use pod.securityContext"
_EXCLUDES = (
    "a queue of the pool that its workers don't consume makes them stuck: name only those that they shall consume"
)
_GLOBAL = "it is an option of celery and not of its worker, which would not start: "
_MUTE = "only remote control tells what a worker holds, and tells it to take nothing more: leave it out"
_SOFT = "a soft shutdown cuts off tasks that were acknowledged when they began: leave it out"
_DEAF = "the operator asks workers in json, which they would not take: name json too"
_SERIALIZER = "workers would answer in it, and what is no JSON is never decoded: give tasks a serializer of their own"

REFUSED = {
    **dict.fromkeys(("-Q", "--queues"), f"{_FIELD} queues"),
    **dict.fromkeys(("-X", "--exclude-queues"), _EXCLUDES),
    **dict.fromkeys(("-n", "--hostname"), "the operator knows a worker by its name, celery@POD: leave it out"),
    **dict.fromkeys(("-c", "--concurrency"), f"{_FIELD} worker.concurrency"),
    **dict.fromkeys(("-P", "--pool"), f"{_FIELD} worker.execution"),
    "--prefetch-multiplier": f"{_FIELD} worker.prefetchMultiplier",
    "--max-tasks-per-child": f"{_FIELD} worker.maxTasksPerChild",
    "--max-memory-per-child": f"{_FIELD} worker.maxMemoryPerChild",
    **dict.fromkeys(
        ("--without-gossip", "--without-mingle", "--without-heartbeat"), "the operator sets it: leave it out"
    ),
    **dict.fromkeys(("-B", "--beat", "-s", "--schedule", "--schedule-filename", "--scheduler"), _BEAT),
    "--autoscale": _KILLS,
    **dict.fromkeys(("--purge", "--discard"), _PURGES),
    **dict.fromkeys(("-D", "--detach", "--executable"), _DETACHES),
    **dict.fromkeys(("--help", "--version"), _ONCE),
    "--pidfile": _PIDFILE,
    **dict.fromkeys(("-S", "--statedb"), _STATE),
    **dict.fromkeys(("--uid", "--gid"), _USER),
    **dict.fromkeys(("-A", "--app"), f"{_FIELD} spec.app"),
    **dict.fromkeys(("-b", "--broker"), f"{_FIELD} spec.broker.urlFrom"),
    "--result-backend": f"{_GLOBAL}set CELERY_RESULT_BACKEND in env",
    "--config": f"{_GLOBAL}set CELERY_CONFIG_MODULE in env",
    "--loader": f"{_GLOBAL}set CELERY_LOADER in env",
    "--workdir": f"{_GLOBAL}set PYTHONPATH in env",
    "--skip-checks": f"{_GLOBAL}set SKIP_CHECKS in env",
    **dict.fromkeys(("-C", "--no-color"), f"{_GLOBAL}set NO_COLOR in env"),
    **dict.fromkeys(("-q", "--quiet"), f"{_GLOBAL}use --loglevel"),
}
"""Options of `celery worker`, and of `celery` where one may be taken for the worker's."""

SETTINGS = {
    "worker_enable_remote_control": _MUTE,
    "control_exchange": "set it in the application, and name it in spec.broker.controlExchange",
    "task_serializer": _SERIALIZER,
    **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), f"{_FIELD} spec.broker.urlFrom"),
    "worker_concurrency": f"{_FIELD} worker.concurrency",
    "worker_pool": f"{_FIELD} worker.execution",
    "worker_prefetch_multiplier": f"{_FIELD} worker.prefetchMultiplier",
    "worker_max_tasks_per_child": f"{_FIELD} worker.maxTasksPerChild",
    "worker_max_memory_per_child": f"{_FIELD} worker.maxMemoryPerChild",
    "worker_autoscaler": _KILLS,
    "worker_state_db": _STATE,
    **dict.fromkeys(("worker_soft_shutdown_timeout", "worker_enable_soft_shutdown_on_idle"), _SOFT),
}
"""Celery's settings that may be given on the command line as NAME=VALUE, in small letters with underscores."""

_GIVEN_FLAGS = CELERY | WORKER


def check_worker_arguments(path: str, arguments: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with a worker's `extraArgs`, in the order of the arguments.

    Args:
        path: of the field.
        arguments: as written.
    """
    for what, why in _wrong(read(arguments, _GIVEN_FLAGS)):
        yield Problem(path, "", f"{what}: {why}")


def _wrong(words: Iterable[Word]) -> Iterator[tuple[str, str]]:
    for word in words:
        if word.option:
            if word.option in REFUSED:
                yield word.option, REFUSED[word.option]
            elif word.value == "":
                yield word.option, "it needs a value: write it after it"
        else:
            yield from _wrong_setting(word.value or "")


def _wrong_setting(text: str) -> Iterator[tuple[str, str]]:
    name, given, value = text.partition("=")
    if not given:
        yield name, "it is no option: a setting of Celery is written as worker.NAME=VALUE"
    elif not name:
        yield text, "it names no setting: one of Celery is written as worker.NAME=VALUE"
    elif setting_name(name) == "accept_content" and "json" not in value:
        yield name, _DEAF
    elif setting_name(name) in SETTINGS:
        yield name, SETTINGS[setting_name(name)]


def setting_name(written: str) -> str:
    """A setting's name as Celery has it; on a worker's command line one that begins with a dot is the worker's."""
    name = written.lower().replace(".", "_")
    return f"worker{name}" if name.startswith("_") else name
