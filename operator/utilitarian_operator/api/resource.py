"""The UtilitarianWorkerPool as its user writes it; `effective` fills in the defaults."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api.cel_rules import MOST_POOLS, with_rules
from utilitarian_operator.api.fields import (
    ATOMIC,
    SET,
    AppName,
    Cron,
    DnsLabel,
    DurationBetween,
    ExchangeName,
    ImageName,
    MemoryText,
    ObjectName,
    Pods,
    PrefixWord,
    QueueName,
    ShortText,
    ZoneName,
    keyed_by,
    ruled,
)
from utilitarian_operator.api.kubernetes import (
    EnvFromList,
    EnvList,
    Part,
    PodSpec,
    Resources,
    SecretSource,
    ValueOrReference,
)
from utilitarian_operator.api.problem import InvalidSpec
from utilitarian_operator.api.pydantic_messages import problems

GROUP = "utilitarian.io"
VERSION = "v1alpha1"
KIND = "UtilitarianWorkerPool"
PLURAL = "utilitarianworkerpools"
API_VERSION = f"{GROUP}/{VERSION}"

MOST_QUEUES = 40
MOST_QUEUES_ELSEWHERE = 40
MOST_SCHEDULES = 10

Mode = Literal["Auto", "Preview", "Paused"]
Execution = Literal["prefork", "threads", "gevent", "solo"]
OutsideRuns = Literal["React", "Hold"]
Wake = Literal["AtOnce", "WhenDue"]
Until = Literal["Drained", "Duration"]
PodSecurity = Literal["Baseline", "Restricted"]
Disruption = Literal["Allow", "Avoid"]
RolloutType = Literal["RollingUpdate", "Recreate"]
OnSecretChange = Literal["Roll", "Leave"]
ForeignConsumers = Literal["Unexpected", "Expected"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]

Workers = Annotated[int, Field(strict=True, ge=1, le=1000)]
Arguments = Annotated[tuple[ShortText, ...], Field(max_length=16), ATOMIC]
CommandPrefix = Annotated[tuple[PrefixWord, ...], Field(max_length=16), ATOMIC, ruled(*rules.COMMAND_PREFIX)]


class TLSSpec(Part):
    """Certificates for amqps:// and https://, each a PEM text in a Secret."""

    model_config = with_rules(rules.CERT_WITH_KEY)

    ca_from: SecretSource | None = None
    """Certificate of the authority that signed the broker's; the system's unless given. The preStop hook has it too."""
    cert_from: SecretSource | None = None
    """Client certificate, with keyFrom."""
    key_from: SecretSource | None = None
    """Key of the client certificate, with certFrom."""


class StatsSpec(Part):
    """Where the broker's statistics are read: what is unacknowledged, and how much came and went."""

    url_from: SecretSource
    """URLs, separated by commas: the management API (:15672), or all nodes' :15692; each address of a name is read."""


class BrokerPartsSpec(Part):
    """The parts of the broker's URL, each a value, or a secretKeyRef or configMapKeyRef; none of them is escaped."""

    host: ValueOrReference
    """Name or address of the broker."""
    port: ValueOrReference | None = None
    """Its port. Unless given: the scheme's, 5672 or 5671."""
    username: ValueOrReference | None = None
    """Name of the login. Unless given: none is in the URL, and Celery uses guest."""
    password: ValueOrReference | None = None
    """Password of the login, from a Secret: what stands in the resource is seen by all who may read it."""
    vhost: ValueOrReference | None = None
    """The virtual host. Unless given: /."""
    scheme: ValueOrReference | None = None
    """amqp, or amqps for TLS. Unless given: amqp."""


class BrokerSpec(Part):
    """The RabbitMQ that feeds the workers."""

    model_config = with_rules(rules.ONE_BROKER_URL)

    url_from: SecretSource | None = None
    """Its amqp:// or amqps:// URL, or several separated by semicolons. Workers get it as CELERY_BROKER_URL."""
    from_: BrokerPartsSpec | None = Field(default=None, alias="from")
    """Instead of urlFrom: the parts of its URL, which is put together and escaped for the operator and the workers."""
    stats: StatsSpec | None = None
    """Without it, what is unacknowledged is asked from the workers."""
    tls: TLSSpec | None = None
    """Certificates that the operator uses to read the broker. The workers' TLS is the application's own."""
    control_exchange: ExchangeName = "celery"
    """The application's control_exchange, by which remote control reaches its workers; Celery's own unless given."""


class WorkerSpec(Part):
    """How one worker runs: flags of `celery worker` and the resources of its container."""

    model_config = with_rules(rules.PREFORK_ONLY, rules.SOLO_IS_ONE)

    concurrency: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    """Tasks that one worker runs at a time (--concurrency). Unless given: 4, and 1 with execution solo."""
    execution: Execution | None = None
    """How it runs them (--pool). Unless given: prefork."""
    prefetch_multiplier: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    """Messages it reserves for each slot (--prefetch-multiplier). Unless given: 1."""
    max_tasks_per_child: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Replace a child process after so many tasks; prefork only. Unless given: never."""
    max_memory_per_child: MemoryText | None = None
    """Replace a child process that holds more memory after a task; prefork only. Unless given: never."""
    resources: Resources | None = None
    """Resources of the container. Unless given: requests of 50m and 256Mi, no limits."""
    events: bool | None = Field(default=None, strict=True)
    """Whether it sends events (-E) and heartbeats, which Flower and exporters listen to. Unless given: false."""
    command_prefix: CommandPrefix | None = None
    """Words before `celery`, such as newrelic-admin, run-program: what wraps the worker. Unless given: none."""
    extra_args: Annotated[Arguments, ruled(*rules.WORKER_ARGUMENTS)] | None = None
    """More arguments for `celery worker`. Those that the operator sets, or that break its promises, are refused."""


class ScalingSpec(Part):
    """How many workers a pool has, and what is promised to its tasks."""

    model_config = with_rules(rules.OWN_MIN_WITHIN_MAX)

    min: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = None
    """Workers that stay when there is nothing to do. Unless given: 0, and 1 for the catch-all."""
    max: Workers | None = None
    """Workers it has at most. Unless given: 10."""
    drain_within: Annotated[timedelta, DurationBetween("1s", "168h")] | None = None
    """A task is started within this after it arrived. Unless given: 10m."""
    task_duration: Annotated[timedelta, DurationBetween("1ms", "168h")] | None = None
    """A first guess of the seconds per task; the measured figure replaces it. Unless given: 5s."""
    stabilization: Annotated[timedelta, DurationBetween("0s", "24h")] | None = None
    """No worker goes before it was superfluous for this long. Unless given: 60s."""
    idle_after: Annotated[timedelta, DurationBetween("0s", "24h")] | None = None
    """The last workers go after this long without any task. Unless given: 2m."""
    outside_runs: OutsideRuns | None = None
    """What happens to work outside the pool's scheduled runs: React to it, or Hold it, visibly. Unless given: React."""
    wake: Wake | None = None
    """When a sleeping pool wakes: AtOnce, or WhenDue, to start its tasks in drainWithin. Unless given: AtOnce."""


class ScheduleSpec(Part):
    """A run that comes at a known time."""

    model_config = with_rules(rules.DURATION_WITH_UNTIL)

    name: DnsLabel
    """Name of the run."""
    start: Cron
    """When it starts: minute, hour, day, month, weekday; L and LW (last day, last weekday of the month) are known."""
    time_zone: ZoneName | None = None
    """Zone of `start`. Unless given: the fleet's timeZone."""
    workers: Workers | None = None
    """Workers that are ready when it starts. Unless given: 1."""
    warm_up: Annotated[timedelta, DurationBetween("0s", "24h")] | None = None
    """So much before the start they are asked for. Unless given: 2m."""
    finish_within: Annotated[timedelta, DurationBetween("1m", "2160h")] | None = None
    """Deadline of the run, from its start. Unless given: none, and the run is sized by drainWithin."""
    until: Until | None = None
    """What ends the run: Drained, all its tasks are done, or Duration. Unless given: Drained."""
    duration: Annotated[timedelta, DurationBetween("1m", "2160h")] | None = None
    """Length of a run with until: Duration."""


class RolloutSpec(Part):
    """How a pool's workers are replaced by those of a new template; each finishes what it holds before it goes."""

    model_config = with_rules(rules.SOME_PODS_MOVE, rules.RECREATE_ALONE)

    type: RolloutType | None = None
    """Recreate: all old workers go before the first new one comes. Unless given: RollingUpdate."""
    max_surge: Pods | None = None
    """New workers beside the old ones, a number or a share. Unless given: 25%."""
    max_unavailable: Pods | None = None
    """Old workers that may go before new ones consume, a number or a share. Unless given: 0."""
    on_secret_change: OnSecretChange | None = None
    """Leave: workers keep what a Secret or ConfigMap held when they started. Unless given: Roll."""
    on_mount_change: OnSecretChange | None = None
    """The same for those that are mounted, or that other containers use. Unless given: as onSecretChange."""


class PoolSpec(Part):
    """Workers of one kind: one Deployment, for one queue or a few."""

    model_config = with_rules(rules.NOT_BEAT, rules.CATCH_ALL_AWAKE, rules.OWN_RUNS_WITHIN_MAX)

    name: DnsLabel
    """Name of the pool; its Deployment is called NAME-POOL."""
    queues: (
        Annotated[
            tuple[QueueName, ...],
            Field(max_length=MOST_QUEUES),
            SET,
            ruled(rules.SOME_QUEUE),
        ]
        | None
    ) = None
    """Queues its workers consume (-Q). Left out: the catch-all, which consumes the application's own queues."""
    priority: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = None
    """Who gets workers first when maxWorkers is short; higher first. Unless given: 50."""
    env: EnvList | None = None
    """Environment variables, over those of the fleet."""
    env_from: EnvFromList | None = None
    """Secrets and ConfigMaps that become environment variables, after those of the fleet."""
    image: ImageName | None = None
    """Image of this pool's workers; another one rolls this pool alone. Unless given: the fleet's."""
    app: AppName | None = None
    """The application that its workers run, as for celery -A. Unless given: the fleet's."""
    pull_policy: PullPolicy | None = None
    """When its nodes pull the image. Unless given: the fleet's."""
    worker: WorkerSpec | None = None
    """How one worker runs; over defaults.worker."""
    scaling: ScalingSpec | None = None
    """How many workers; over defaults.scaling."""
    schedule: Annotated[tuple[ScheduleSpec, ...], Field(max_length=MOST_SCHEDULES), keyed_by("name")] | None = None
    """Runs that come at known times. Unless given: none."""
    drain_timeout: Annotated[timedelta, DurationBetween("1s", "168h")] | None = None
    """Grace of a stopping worker. Unless given: 1h."""
    rollout: RolloutSpec | None = None
    """How its workers are replaced when its template changes."""
    disruption_budget: bool | None = Field(default=None, strict=True)
    """Whether it has a PodDisruptionBudget: false where another one has the same pods. Unless given: true."""
    foreign_consumers: ForeignConsumers | None = None
    """Expected: others run workers on its queues on purpose, and it still gets smaller. Unless given: Unexpected."""
    disruption: Disruption | None = None
    """Avoid: ask node autoscalers to leave a busy worker's node alone. Unless given: Allow."""
    pod: PodSpec | None = None
    """What its pods need; over defaults.pod and the fleet's pod."""


class DefaultsSpec(Part):
    """What a pool has unless it says otherwise."""

    worker: WorkerSpec | None = None
    """Under each pool's worker."""
    scaling: ScalingSpec | None = None
    """Under each pool's scaling."""
    pod: PodSpec | None = None
    """Under each pool's pod, over the fleet's."""


class StorageSpec(Part):
    """Where beat keeps when each task was last sent; without it a run that fell into a downtime is skipped."""

    model_config = with_rules(rules.EPHEMERAL_HAS_NO_SIZE)

    ephemeral: bool | None = Field(default=None, strict=True)
    """Keep it in the pod only: for a scheduler that has a database of its own."""
    size: MemoryText | None = None
    """Size of the volume. Unless given: 100Mi."""
    storage_class_name: ObjectName | None = None
    """Class of the volume. Unless given: the cluster's default."""


class BeatSpec(Part):
    """The scheduler of periodic tasks: exactly one, ever."""

    enabled: bool = Field(default=True, strict=True)
    """Whether it runs here."""
    image: ImageName | None = None
    """Image of beat. Unless given: the fleet's."""
    app: AppName | None = None
    """The application whose tasks it sends, as for celery -A. Unless given: the fleet's."""
    pull_policy: PullPolicy | None = None
    """When its node pulls the image. Unless given: the fleet's."""
    storage: StorageSpec | None = None
    """Its memory."""
    scheduler: ShortText | None = None
    """Class of the scheduler (--scheduler); Celery's own, with a file, unless given."""
    command_prefix: CommandPrefix | None = None
    """Words before `celery`, as for a worker; those of the workers are not beat's. Unless given: none."""
    extra_args: Annotated[Arguments, ruled(rules.BEAT_ARGUMENTS)] | None = None
    """More arguments for `celery beat`."""
    resources: Resources | None = None
    """Resources of the container. Unless given: requests of 50m and 256Mi, no limits."""
    pod: PodSpec | None = None
    """What its pod needs; over the fleet's pod."""


class UtilitarianWorkerPoolSpec(Part):
    """The fleet: one image, one broker, pools of workers and one beat."""

    model_config = with_rules(*rules.OF_THE_SPEC)

    image: ImageName
    """Image of the application; pools and beat may have their own."""
    app: AppName = "utilitarian"
    """The application, as for celery -A; pools and beat may have their own."""
    pull_policy: PullPolicy | None = None
    """When nodes pull the image. Unless given: Kubernetes' own choice, Always for :latest and else IfNotPresent."""
    broker: BrokerSpec
    """The RabbitMQ that feeds the workers."""
    env: EnvList | None = None
    """Environment variables of every worker and beat."""
    env_from: EnvFromList | None = None
    """Secrets and ConfigMaps that become environment variables of every worker and beat."""
    mode: Mode = "Auto"
    """Auto; Preview: nothing is changed, status shows what would be; Paused: the numbers of workers are left alone."""
    time_zone: ZoneName = "UTC"
    """Zone of every schedule; it must be the application's own."""
    max_workers: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """The fleet's ceiling, shared by priority. Unless given: none but the pools' own."""
    defaults: DefaultsSpec | None = None
    """What every pool has unless it says otherwise."""
    pools: (
        Annotated[tuple[PoolSpec, ...], Field(max_length=MOST_POOLS), keyed_by("name"), ruled(rules.SOME_POOL)] | None
    ) = None
    """The pools. Left out: the documented layout of the 14 queues, without schedules."""
    queues_elsewhere: Annotated[tuple[QueueName, ...], Field(max_length=MOST_QUEUES_ELSEWHERE), SET] | None = None
    """Queues that no pool consumes on purpose; QueuesCovered doesn't miss them. Unless given: none."""
    pod: PodSpec | None = None
    """What every pod needs, beat's included."""
    pod_security: PodSecurity = "Baseline"
    """Restricted: pods run as the image's own user, who is not root, and get no ServiceAccount's token unasked."""
    beat: BeatSpec = BeatSpec()
    """The scheduler of periodic tasks."""


class Metadata(Part):
    """What the operator reads of an object's metadata; the rest is Kubernetes' own business."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class UtilitarianWorkerPool(Part):
    """The Celery workers and the one beat of a Utilitarian installation, fed by one RabbitMQ."""

    model_config = with_rules(*rules.OF_THE_RESOURCE)

    api_version: Literal["utilitarian.io/v1alpha1"]
    kind: Literal["UtilitarianWorkerPool"]
    metadata: Metadata
    spec: UtilitarianWorkerPoolSpec
    status: Mapping[str, Any] = Field(default_factory=dict)


def parse(body: Mapping[str, Any]) -> UtilitarianWorkerPool:
    """Read a resource as the API server or a YAML file gives it.

    Raises:
        InvalidSpec: with one Problem for each field that is missing, unknown or out of its bounds.
    """
    try:
        return UtilitarianWorkerPool.model_validate(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidSpec(problems(error, UtilitarianWorkerPool)) from None
