"""The rules that span fields, in CEL with a message each, as the API server checks them.

The API server refuses a CRD whose rules could cost too much at the limits of the schema: lists are walked with has()
and macros, never by `orValue([])`, index or join, whose results have no bound that it knows.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from utilitarian_operator.api.names import BEAT, DNS_LABEL_PATTERN, LONGEST_PAIR


@dataclass(frozen=True)
class Rule:
    """A rule of `x-kubernetes-validations`.

    Args:
        cel: true where the object is right; `self` is what the rule stands at.
        message: what is wrong and what to do.
    """

    cel: str
    message: str

    def written(self) -> dict[str, Any]:
        """The rule as the schema has it."""
        return {"rule": self.cel, "message": self.message}


def quoted(text: str) -> str:
    """A string literal of CEL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_rules(*rules: Rule) -> ConfigDict:
    """Configuration of a model whose schema carries these rules."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [rule.written() for rule in rules]})


MOST_POOLS = 100
BUILT_IN_MAX = 10
"""Workers a pool has at most where neither it nor the defaults say otherwise."""

BUILT_IN_POOL_COUNT = 11
LONGEST_BUILT_IN_NAME = 13
"""Of the layout without `pools`; a test compares both with it."""

WORKER_FLAGS = (
    r"^(-E*[AbQXcPn]|--(app|broker|queues|exclude-queues|concurrency|pool|hostname"
    r"|prefetch-multiplier|max-tasks-per-child|max-memory-per-child|without-gossip|without-mingle|without-heartbeat)(=|$))"
)
WORKER_LOSSES = r"^--(autoscale|purge|discard)(=|$)"
WORKER_BEATS = r"^(-E*[Bs]|--(beat|schedule|schedule-filename|scheduler)(=|$))"
WORKER_ENDS = r"^(-E*[DS]|--(detach|executable|pidfile|statedb|uid|gid|help|version)(=|$))"
GLOBAL_FLAGS = r"^(-E*[Cq]|--(result-backend|loader|config|workdir|skip-checks|no-color|quiet)(=|$))"
WORKER_SETTINGS = (
    r"(?i)^((worker)?[._](enable_remote_control|concurrency|pool|prefetch_multiplier|max_\w+_per_child|autoscaler"
    r"|state_db|\w*soft_shutdown\w*)|broker[._]\w*url|control[._]exchange|task[._]serializer)="
)
SHELL = r"^(/\S*/)?(a|ba|da|k|z)?sh$"
SCRIPT_FOLLOWS = "^-[a-z]*c$"
CELERY = r"(^|/)celery$"
BEAT_FLAGS = r"^(-[AbsS]|--(app|broker|schedule|scheduler|detach|pidfile)(=|$))"


_DEFAULT = "self.?defaults.?scaling.?"
_MIN = f"p.?scaling.?min.orValue({_DEFAULT}min.orValue(0))"
_MIN_OF_ANY = f"(has(p.queues) || {_MIN} > 0 ? {_MIN} : 1)"
_MAX = f"p.?scaling.?max.orValue({_DEFAULT}max.orValue({BUILT_IN_MAX}))"
_HOLDS = f"p.?scaling.?outsideRuns.orValue({_DEFAULT}outsideRuns.orValue('React')) == 'Hold'"
_RUNS_WRONG = f"has(p.schedule) && p.schedule.exists(s, has(s.workers) && s.workers > {_MAX})"
_INHERITED = "self.?defaults.?worker.?execution.orValue('prefork') != 'prefork'"
_PREFORK_ONLY = (
    "has(p.worker) && !has(p.worker.execution) && (has(p.worker.maxTasksPerChild) || has(p.worker.maxMemoryPerChild))"
)

NOT_BEAT = Rule(f"self.name != '{BEAT}'", "beat is taken by the scheduler's own objects: call the pool something else")
CATCH_ALL_AWAKE = Rule(
    "has(self.queues) || !has(self.scaling) || !has(self.scaling.min) || self.scaling.min >= 1",
    "a catch-all learns its queues from its workers, so one must stay: give scaling.min of 1 or more, or name queues",
)
OWN_MIN_WITHIN_MAX = Rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min may not be more than max")
OWN_RUNS_WITHIN_MAX = Rule(
    "!has(self.schedule) || !has(self.scaling) || !has(self.scaling.max) "
    "|| self.schedule.all(s, !has(s.workers) || s.workers <= self.scaling.max)",
    "a schedule's workers may not be more than scaling.max",
)
PREFORK_ONLY = Rule(
    "!has(self.execution) || self.execution == 'prefork' "
    "|| !(has(self.maxTasksPerChild) || has(self.maxMemoryPerChild))",
    "maxTasksPerChild and maxMemoryPerChild replace child processes, which only prefork has: leave them out, "
    "or set execution: prefork",
)
SOLO_IS_ONE = Rule(
    "!has(self.execution) || self.execution != 'solo' || !has(self.concurrency) || self.concurrency == 1",
    "execution: solo runs one task at a time: leave concurrency out, or set another execution",
)


def _without(pattern: str, message: str) -> Rule:
    """No argument may match."""
    return Rule(f"self.all(a, !a.matches({quoted(pattern)}))", message)


WORKER_ARGUMENTS = (
    _without(
        WORKER_FLAGS,
        "extraArgs may not have a flag that the operator sets: use queues, the fields of worker, spec.app, spec.broker",
    ),
    _without(
        WORKER_LOSSES,
        "extraArgs may not have what loses tasks: --autoscale ends children at work (use scaling), --purge throws away "
        "what waits",
    ),
    _without(
        WORKER_BEATS, "extraArgs may not start a beat in each worker, which sends every task as often: use spec.beat"
    ),
    _without(
        WORKER_ENDS,
        "extraArgs may not have what ends a container or keeps it from starting again: --detach, --pidfile, --statedb, "
        "--uid and --gid (use pod.securityContext), --help",
    ),
    _without(
        GLOBAL_FLAGS,
        "extraArgs may not have an option of celery itself, with which its worker does not start: use env, such as "
        "CELERY_RESULT_BACKEND, CELERY_CONFIG_MODULE or SKIP_CHECKS",
    ),
    _without(
        WORKER_SETTINGS,
        "extraArgs may not have a setting that the operator makes (use the fields of worker, spec.broker), or with "
        "which it can't ask workers what they hold or lead them out: set the rest in the application",
    ),
)
COMMAND_PREFIX = (
    _without(CELERY, "commandPrefix is what stands before celery, which the operator writes itself: leave celery out"),
    Rule(
        f"!self.exists(w, w.matches({quoted(SHELL)})) || !self.exists(w, w.matches({quoted(SCRIPT_FOLLOWS)})) "
        "|| self.exists(w, w.contains('\"$@\"'))",
        "a shell's script is given celery's words as \"$@\", which it has to run: "
        "write [sh, -c, '. /etc/env; exec \"$@\"', sh]",
    ),
)
BEAT_ARGUMENTS = Rule(
    f"self.all(a, !a.matches({quoted(BEAT_FLAGS)}))",
    "extraArgs may not have a flag that the operator sets (use beat.scheduler and beat.storage), nor one that keeps "
    "beat from running: --pidfile (a beat that was killed leaves its file, which stops the next) and --detach",
)
REQUESTS_WITHIN_LIMITS = Rule(
    "!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) "
    "|| !isQuantity(string(self.requests[k])) || !isQuantity(string(self.limits[k])) "
    "|| quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
    "a request may not be more than its limit",
)
ONE_VALUE = Rule("!(has(self.value) && has(self.valueFrom))", "give either value or valueFrom, not both")
ONE_ENV_SOURCE = Rule(
    "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef), has(self.resourceFieldRef)]"
    ".filter(given, given).size() == 1",
    "give exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef",
)
ONE_ENV_FROM = Rule("has(self.secretRef) != has(self.configMapRef)", "give either secretRef or configMapRef")
CERT_WITH_KEY = Rule(
    "has(self.certFrom) == has(self.keyFrom)", "certFrom and keyFrom go together: give both or neither"
)
_NONE_MORE = "has(self.maxSurge) && string(self.maxSurge) in ['0', '0%']"
SOME_PODS_MOVE = Rule(
    f"!({_NONE_MORE}) || (has(self.maxUnavailable) && !(string(self.maxUnavailable) in ['0', '0%']))",
    "with maxSurge 0 an old worker must go before a new one comes: give maxUnavailable of 1 or more",
)
RECREATE_ALONE = Rule(
    "!has(self.type) || self.type != 'Recreate' || !(has(self.maxSurge) || has(self.maxUnavailable))",
    "with type: Recreate all old workers go first: leave maxSurge and maxUnavailable out",
)
ONE_BROKER_URL = Rule("has(self.urlFrom) != has(self.from)", "give either urlFrom, or from with the parts of the URL")
ONE_KEY_SOURCE = Rule(
    "has(self.secretKeyRef) != has(self.configMapKeyRef)", "give either secretKeyRef or configMapKeyRef"
)
EPHEMERAL_HAS_NO_SIZE = Rule(
    "!has(self.ephemeral) || !self.ephemeral || !(has(self.size) || has(self.storageClassName))",
    "ephemeral storage has no volume: leave size and storageClassName out, or leave ephemeral out",
)
DURATION_WITH_UNTIL = Rule(
    "has(self.duration) == (has(self.until) && self.until == 'Duration')",
    "duration and until: Duration go together: give both or neither",
)
TOLERATION_VALUE = Rule(
    "!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
    "operator: Exists takes no value: leave it out, or set operator: Equal",
)
TOLERATION_KEY = Rule(
    "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
    "a toleration without key needs operator: Exists",
)
OWN_LABELS = Rule(
    "self.all(k, !k.startsWith('utilitarian.io/') && !k.startsWith('app.kubernetes.io/'))",
    "names under utilitarian.io/ and app.kubernetes.io/ are the operator's: choose a prefix of your own",
)
OWN_ANNOTATIONS = Rule(
    "self.all(k, !k.startsWith('utilitarian.io/') && k != 'controller.kubernetes.io/pod-deletion-cost')",
    "names under utilitarian.io/ and the pod-deletion-cost are the operator's: choose a prefix of your own",
)
SOME_QUEUE = Rule("size(self) > 0", "name at least one queue, or leave queues out for the catch-all")
SOME_POOL = Rule(
    "size(self) > 0", "name at least one pool, or leave pools out for the documented layout of the 14 queues"
)
_BLOCK = 5
QUEUE_IN_ONE_POOL = tuple(
    Rule(
        f"!has(self.pools) || {list(range(first, first + _BLOCK))}.all(i, i >= size(self.pools) "
        "|| !has(self.pools[i].queues) || self.pools.all(o, o.name <= self.pools[i].name || !has(o.queues) "
        "|| !sets.intersects(o.queues, self.pools[i].queues)))",
        "a queue may be in one pool only: its depth could not be shared out between two",
    )
    for first in range(0, MOST_POOLS, _BLOCK)
)
"""One rule in parts, each for some of the pools: at 100 pools of 40 queues one alone would cost too much."""

ONE_CATCH_ALL = Rule(
    "!has(self.pools) || self.pools.filter(p, !has(p.queues)).size() <= 1",
    "only one pool may be without queues (the catch-all): name queues for the others",
)
MIN_WITHIN_MAX = Rule(
    f"has(self.pools) ? self.pools.all(p, {_MIN_OF_ANY} <= {_MAX}) "
    f": {_DEFAULT}min.orValue(0) <= {_DEFAULT}max.orValue({BUILT_IN_MAX})",
    f"scaling.min may not be more than scaling.max, which is {BUILT_IN_MAX} unless given",
)
MINS_WITHIN_BUDGET = Rule(
    f"!has(self.maxWorkers) || (has(self.pools) ? self.pools.map(p, {_MIN_OF_ANY}).sum() "
    f": {BUILT_IN_POOL_COUNT} * {_DEFAULT}min.orValue(0)) <= self.maxWorkers",
    "the pools' scaling.min together may not be more than maxWorkers: lower them, or raise maxWorkers",
)
RUNS_WITHIN_MAX = Rule(
    f"!has(self.pools) || !self.pools.exists(p, {_RUNS_WRONG})",
    f"a schedule's workers may not be more than scaling.max, which is {BUILT_IN_MAX} unless given",
)
HOLD_NEEDS_RUNS = Rule(
    f"has(self.pools) ? !self.pools.exists(p, {_HOLDS} && !(has(p.schedule) && size(p.schedule) > 0)) "
    f": {_DEFAULT}outsideRuns.orValue('React') != 'Hold'",
    "outsideRuns: Hold without a schedule would hold the work for ever: add a schedule, or set React",
)
PREFORK_ONLY_INHERITED = Rule(
    f"!has(self.pools) || !({_INHERITED}) || !self.pools.exists(p, {_PREFORK_ONLY})",
    "maxTasksPerChild and maxMemoryPerChild need prefork, and defaults.worker.execution is another: "
    "set the pool's execution: prefork",
)
SOLO_INHERITED = Rule(
    "!has(self.pools) || self.?defaults.?worker.?execution.orValue('prefork') != 'solo' || self.pools.all(p, "
    "!has(p.worker) || has(p.worker.execution) || !has(p.worker.concurrency) || p.worker.concurrency == 1)",
    "defaults.worker.execution is solo, which runs one task at a time: leave the pool's concurrency out, "
    "or set its execution",
)
NAME_IS_LABEL = Rule(
    f"self.metadata.name.matches({quoted(DNS_LABEL_PATTERN)})",
    "metadata.name becomes part of other names: use lower-case letters, digits and hyphens, a letter first, no dots",
)
NAMES_FIT = Rule(
    f"has(self.spec.pools) ? self.spec.pools.all(p, size(self.metadata.name) + size(p.name) <= {LONGEST_PAIR}) "
    f": size(self.metadata.name) + {LONGEST_BUILT_IN_NAME} <= {LONGEST_PAIR}",
    f"metadata.name and a pool's name may have {LONGEST_PAIR} characters together "
    f"(the documented layout's longest has {LONGEST_BUILT_IN_NAME}): shorten one of them",
)

OF_THE_SPEC = (
    *QUEUE_IN_ONE_POOL,
    ONE_CATCH_ALL,
    MIN_WITHIN_MAX,
    MINS_WITHIN_BUDGET,
    RUNS_WITHIN_MAX,
    HOLD_NEEDS_RUNS,
    PREFORK_ONLY_INHERITED,
    SOLO_INHERITED,
)
OF_THE_RESOURCE = (NAME_IS_LABEL, NAMES_FIT)
