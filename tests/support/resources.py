"""Resources that must be refused: what the API server says of each, and what the operator says of the same."""

from dataclasses import dataclass
from typing import Any

from tests.support.yaml_text import load

BASE = """
apiVersion: utilitarian.io/v1alpha1
kind: UtilitarianWorkerPool
metadata: {name: fleet}
spec:
  image: quay.io/pwit/utilitarian:2026.11
  broker: {urlFrom: {secretKeyRef: {name: env, key: URL}}}
"""


@dataclass(frozen=True)
class Refused:
    """One invalid resource.

    Args:
        id: of the case.
        spec: YAML of fields that replace those of a valid spec; null takes one away.
        says: part of the API server's message; empty where only the operator can tell.
        path: of the operator's problem.
        remedy: part of the operator's remedy; `says` unless given.
        name: of the resource.
    """

    id: str
    spec: str
    says: str
    path: str
    remedy: str = ""
    name: str = "fleet"

    @property
    def body(self) -> dict[str, Any]:
        """The whole resource."""
        return resource(self.spec, self.name)


def resource(spec: str = "{}", name: str = "fleet") -> dict[str, Any]:
    """A valid resource with some fields of its spec replaced."""
    body: dict[str, Any] = load(BASE)
    body["metadata"]["name"] = name
    body["spec"].update(load(spec))
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    return body


def pool(fields: str) -> str:
    """A spec with one pool that has a queue and these fields."""
    return f"pools: [{{name: a, queues: [q], {fields}}}]"


DURATION = "write a duration from 1s to 168h, such as 500ms, 90s or 1h30m"
WORKER_ARGUMENTS = "spec.pools[0].worker.extraArgs"
NOT_TWICE = "names must differ"

INVALID: tuple[Refused, ...] = (
    # What is required
    Refused("no-image", "image: null", "spec.image: Required value", "spec.image", "is required"),
    Refused("no-broker", "broker: null", "spec.broker: Required value", "spec.broker", "is required"),
    Refused(
        "no-secret-key",
        "broker: {urlFrom: {secretKeyRef: {name: env}}}",
        "spec.broker.urlFrom.secretKeyRef.key: Required value",
        "spec.broker.urlFrom.secretKeyRef.key",
        "is required",
    ),
    *(
        Refused(f"broker-{name}", f"broker: {broker}", says, path, remedy)
        for name, broker, says, path, remedy in (
            ("no-way", "{}", "give either urlFrom, or from", "spec.broker", ""),
            (
                "two-ways",
                "{urlFrom: {secretKeyRef: {name: e, key: k}}, from: {host: h}}",
                "give either urlFrom, or from",
                "spec.broker",
                "",
            ),
            (
                "no-host",
                "{from: {port: 5672}}",
                "spec.broker.from.host: Required value",
                "spec.broker.from.host",
                "is required",
            ),
            ("list-for-a-host", "{from: {host: [h]}}", "", "spec.broker.from.host", "write a value, or"),
            (
                "url-for-a-host",
                "{from: {host: 'amqp://h'}}",
                "",
                "spec.broker.from.host",
                "write the name or the address alone",
            ),
            *(
                (
                    name,
                    f"{{from: {{host: '{it}'}}}}",
                    "",
                    "spec.broker.from.host",
                    "write the name or the address alone",
                )
                for name, it in {
                    "port-in-a-host": "h:5672",
                    "zone-in-a-host": "fe80::1%eth0",
                    "no-ipv6": "::1::",
                }.items()
            ),
            ("no-port", "{from: {host: h, port: 0}}", "", "spec.broker.from.port", "write a port from 1 to 65535"),
            ("scheme", "{from: {host: h, scheme: redis}}", "", "spec.broker.from.scheme", "write amqp or amqps"),
            (
                "password-alone",
                "{from: {host: h, password: {secretKeyRef: {name: e, key: k}}}}",
                "",
                "spec.broker.from.password",
                "give username too",
            ),
            (
                "reference-to-nothing",
                "{from: {host: {}}}",
                "",
                "spec.broker.from.host",
                "give either secretKeyRef or configMapKeyRef",
            ),
            (
                "reference-without-key",
                "{from: {host: {secretKeyRef: {name: e}}}}",
                "",
                "spec.broker.from.host.secretKeyRef.key",
                "is required",
            ),
        )
    ),
    Refused("empty-image", 'image: ""', "spec.image", "spec.image", "write an image"),
    Refused("image-with-space", 'image: "a b"', "write an image", "spec.image"),
    # Names and fields that don't exist
    Refused(
        "unknown-field",
        "maxWorker: 3",
        'unknown field "spec.maxWorker"',
        "spec.maxWorker",
        "is no field here; did you mean maxWorkers?",
    ),
    Refused(
        "url-in-the-resource",
        'broker: {url: "amqp://user:hidden@rabbit/"}',
        'unknown field "spec.broker.url"',
        "spec.broker.url",
        "did you mean urlFrom?",
    ),
    Refused(
        "unknown-field-in-a-pool",
        pool("scaling: {minimum: 3}"),
        'unknown field "spec.pools[0].scaling.minimum"',
        "spec.pools[0].scaling.minimum",
        "did you mean min?",
    ),
    Refused(
        "snake-case",
        pool("drain_timeout: 1h"),
        'unknown field "spec.pools[0].drain_timeout"',
        "spec.pools[0].drain_timeout",
        "did you mean drainTimeout?",
    ),
    Refused("image-of-a-pool-with-space", pool("image: 'a b'"), "write an image", "spec.pools[0].image"),
    Refused("app-of-beat-with-flag", "beat: {app: 'a --b'}", "as for celery -A", "spec.beat.app"),
    Refused(
        "unknown-pull-policy",
        pool("pullPolicy: Sometimes"),
        'supported values: "Always", "IfNotPresent", "Never"',
        "spec.pools[0].pullPolicy",
        "must be 'Always'",
    ),
    Refused(
        "events-in-quotes",
        pool("worker: {events: 'yes'}"),
        'must be of type boolean: "string"',
        "spec.pools[0].worker.events",
        "write true or false",
    ),
    Refused("app-with-flag", 'app: "utilitarian --foo"', "write the application as for celery -A", "spec.app"),
    Refused("pool-in-capitals", "pools: [{name: AMR, queues: [q]}]", "write lower-case letters", "spec.pools[0].name"),
    Refused("pool-with-dot", "pools: [{name: a.b, queues: [q]}]", "write lower-case letters", "spec.pools[0].name"),
    Refused("pool-with-digit-first", "pools: [{name: 1a, queues: [q]}]", "a letter first", "spec.pools[0].name"),
    Refused("pool-called-beat", "pools: [{name: beat, queues: [q]}]", "call the pool something", "spec.pools[0].name"),
    Refused(
        "pools-named-alike",
        "pools: [{name: a, queues: [q]}, {name: a, queues: [r]}]",
        'spec.pools[1]: Duplicate value: {"name":"a"}',
        "spec.pools",
        NOT_TWICE,
    ),
    Refused(
        "names-too-long-together",
        f"pools: [{{name: {'p' * 30}, queues: [q]}}]",
        "may have 45 characters together",
        "spec.pools[0].name",
        name="f" * 16,
    ),
    Refused("name-too-long-for-the-layout", "{}", "may have 45 characters", "spec.pools[8].name", name="f" * 33),
    Refused("dotted-name", "{}", "no dots", "metadata.name", name="a.fleet"),
    # Queues
    Refused("queue-with-comma", "pools: [{name: a, queues: ['q,r']}]", "without commas", "spec.pools[0].queues[0]"),
    Refused(
        "queue-with-space-before", "pools: [{name: a, queues: [' q']}]", "without commas", "spec.pools[0].queues[0]"
    ),
    Refused(
        "queue-with-space-after", "pools: [{name: a, queues: ['q ']}]", "without commas", "spec.pools[0].queues[0]"
    ),
    Refused(
        "queue-with-a-newline", 'pools: [{name: a, queues: ["q\\nr"]}]', "without commas", "spec.pools[0].queues[0]"
    ),
    Refused("queue-of-a-space", "pools: [{name: a, queues: [' ']}]", "without commas", "spec.pools[0].queues[0]"),
    Refused("queue-like-a-flag", "pools: [{name: a, queues: [-q]}]", "leading hyphen", "spec.pools[0].queues[0]"),
    Refused(
        "queue-of-too-many-bytes",
        f"pools: [{{name: a, queues: [{'ö' * 128}]}}]",
        "",
        "spec.pools[0].queues[0]",
        "255 bytes of UTF-8",
    ),
    Refused(
        "queue-too-long",
        f"pools: [{{name: a, queues: [{'q' * 256}]}}]",
        "Too long: may not be more than 255",
        "spec.pools[0].queues[0]",
        "may not be more than 255 characters",
    ),
    Refused(
        "queue-is-a-number",
        "pools: [{name: a, queues: [7]}]",
        'must be of type string: "integer"',
        "spec.pools[0].queues[0]",
        "must be a string",
    ),
    Refused(
        "queue-twice-in-a-pool",
        "pools: [{name: a, queues: [q, q]}]",
        'spec.pools[0].queues[1]: Duplicate value: "q"',
        "spec.pools[0].queues",
        NOT_TWICE,
    ),
    Refused(
        "queue-in-two-pools",
        "pools: [{name: a, queues: [p, q]}, {name: b, queues: [q]}]",
        "a queue may be in one pool only",
        "spec.pools[1].queues[0]",
    ),
    Refused(
        "too-many-queues",
        f"pools: [{{name: a, queues: {[f'q{n}' for n in range(41)]}}}]",
        "Too many: 41: must have at most 40 items",
        "spec.pools[0].queues",
        "may have at most 40 entries",
    ),
    Refused(
        "no-queue-in-the-list", "pools: [{name: a, queues: []}]", "name at least one queue", "spec.pools[0].queues"
    ),
    Refused("no-pool-in-the-list", "pools: []", "leave pools out for the documented layout", "spec.pools"),
    Refused(
        "two-catch-alls", "pools: [{name: a}, {name: b}]", "only one pool may be without queues", "spec.pools[1].queues"
    ),
    Refused("catch-all-asleep", "pools: [{name: a, scaling: {min: 0}}]", "one must stay", "spec.pools[0].scaling"),
    # Numbers
    Refused(
        "negative-min",
        pool("scaling: {min: -1}"),
        "should be greater than or equal to 0",
        "spec.pools[0].scaling.min",
        "must be at least 0",
    ),
    Refused(
        "max-of-zero",
        pool("scaling: {max: 0}"),
        "should be greater than or equal to 1",
        "spec.pools[0].scaling.max",
        "must be at least 1",
    ),
    Refused(
        "huge-max",
        pool("scaling: {max: 1001}"),
        "should be less than or equal to 1000",
        "spec.pools[0].scaling.max",
        "must be at most 1000",
    ),
    Refused(
        "number-in-quotes",
        pool('scaling: {max: "5"}'),
        'must be of type integer: "string"',
        "spec.pools[0].scaling.max",
        "write a whole number, without quotes",
    ),
    Refused(
        "fraction",
        pool("scaling: {max: 2.5}"),
        'must be of type integer: "number"',
        "spec.pools[0].scaling.max",
        "write a whole number",
    ),
    Refused(
        "concurrency-of-zero",
        pool("worker: {concurrency: 0}"),
        "should be greater than or equal to 1",
        "spec.pools[0].worker.concurrency",
        "must be at least 1",
    ),
    Refused(
        "unlimited-prefetch",
        pool("worker: {prefetchMultiplier: 0}"),
        "should be greater than or equal to 1",
        "spec.pools[0].worker.prefetchMultiplier",
        "must be at least 1",
    ),
    Refused(
        "priority-too-high",
        pool("priority: 1001"),
        "should be less than or equal to 1000",
        "spec.pools[0].priority",
        "must be at most 1000",
    ),
    Refused(
        "min-above-max",
        pool("scaling: {min: 5, max: 4}"),
        "min may not be more than max",
        "spec.pools[0].scaling.min",
        "may not be more than scaling.max",
    ),
    Refused(
        "min-above-the-built-in-max",
        pool("scaling: {min: 11}"),
        "which is 10 unless given",
        "spec.pools[0].scaling.min",
    ),
    Refused(
        "min-above-the-inherited-max",
        "{defaults: {scaling: {max: 3}}, pools: [{name: a, queues: [q], scaling: {min: 4}}]}",
        "scaling.min may not be more than scaling.max",
        "spec.pools[0].scaling.min",
    ),
    Refused(
        "min-above-max-in-the-layout",
        "{defaults: {scaling: {min: 12}}}",
        "scaling.min may not be more than scaling.max",
        "spec.defaults.scaling.min",
    ),
    Refused(
        "mins-above-the-budget",
        "{maxWorkers: 5, defaults: {scaling: {min: 3}}, pools: [{name: a, queues: [q]}, {name: b, queues: [r]}]}",
        "together may not be more than maxWorkers",
        "spec.maxWorkers",
    ),
    Refused(
        "mins-of-the-layout-above-the-budget",
        "{maxWorkers: 10, defaults: {scaling: {min: 1}}}",
        "together may not be more than maxWorkers",
        "spec.maxWorkers",
    ),
    # Durations and quantities
    Refused(
        "bare-number",
        pool("scaling: {drainWithin: 600}"),
        'must be of type string: "integer"',
        "spec.pools[0].scaling.drainWithin",
        "a number has no unit; " + DURATION,
    ),
    Refused(
        "bare-number-in-quotes", pool('scaling: {drainWithin: "600"}'), DURATION, "spec.pools[0].scaling.drainWithin"
    ),
    Refused("days", pool("scaling: {drainWithin: 1d}"), DURATION, "spec.pools[0].scaling.drainWithin"),
    Refused("negative-duration", pool("scaling: {drainWithin: -5m}"), DURATION, "spec.pools[0].scaling.drainWithin"),
    Refused("duration-too-short", pool("scaling: {drainWithin: 500ms}"), DURATION, "spec.pools[0].scaling.drainWithin"),
    Refused("duration-too-long", pool("scaling: {drainWithin: 169h}"), DURATION, "spec.pools[0].scaling.drainWithin"),
    Refused("words-for-a-duration", pool("drainTimeout: one hour"), DURATION, "spec.pools[0].drainTimeout"),
    Refused(
        "memory-without-unit",
        pool('worker: {maxMemoryPerChild: "150"}'),
        "write memory with its unit",
        "spec.pools[0].worker.maxMemoryPerChild",
    ),
    Refused(
        "memory-as-a-number",
        pool("worker: {maxMemoryPerChild: 150000}"),
        'must be of type string: "integer"',
        "spec.pools[0].worker.maxMemoryPerChild",
        "write memory with its unit",
    ),
    Refused(
        "no-quantity",
        pool("worker: {resources: {limits: {memory: 2GB}}}"),
        "write a quantity such as 200m (CPU) or 512Mi (memory)",
        "spec.pools[0].worker.resources.limits.memory",
    ),
    Refused(
        "request-above-limit",
        pool("worker: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}"),
        "a request may not be more than its limit",
        "spec.pools[0].worker.resources.requests",
    ),
    # Choices, and what excludes another
    Refused(
        "unknown-mode", "mode: Manual", 'supported values: "Auto", "Preview", "Paused"', "spec.mode", "must be 'Auto'"
    ),
    Refused(
        "unknown-execution",
        pool("worker: {execution: eventlet}"),
        'supported values: "prefork", "threads", "gevent", "solo"',
        "spec.pools[0].worker.execution",
        "must be 'prefork'",
    ),
    Refused(
        "prefork-only",
        pool("worker: {execution: threads, maxTasksPerChild: 5}"),
        "which only prefork has",
        "spec.pools[0].worker",
    ),
    Refused(
        "prefork-only-inherited",
        "{defaults: {worker: {execution: gevent}}, pools: [{name: a, queues: [q], worker: {maxTasksPerChild: 5}}]}",
        "defaults.worker.execution is another",
        "spec.pools[0].worker",
    ),
    Refused(
        "solo-with-concurrency",
        pool("worker: {execution: solo, concurrency: 4}"),
        "one task at a time",
        "spec.pools[0].worker.concurrency",
    ),
    Refused(
        "solo-inherited",
        "{defaults: {worker: {execution: solo}}, pools: [{name: a, queues: [q], worker: {concurrency: 4}}]}",
        "defaults.worker.execution is solo",
        "spec.pools[0].worker.concurrency",
    ),
    *(
        Refused(f"worker-{name}", pool(f"worker: {{extraArgs: {arguments}}}"), says, WORKER_ARGUMENTS, remedy)
        for name, arguments, says, remedy in (
            ("queues", "['-Q', x]", "may not have a flag", "-Q: the operator sets it: use queues"),
            ("concurrency", "['-c4']", "may not have a flag", "-c: the operator sets it: use worker.concurrency"),
            ("app", "[--app=x]", "may not have a flag", "use spec.app"),
            ("autoscale", "['--autoscale=10,3']", "use scaling", "--autoscale: it ends child processes"),
            ("autoscale-in-two-words", "[--autoscale, '10,3']", "use scaling", "--autoscale: it ends child processes"),
            ("purge", "[--discard]", "throws away", "--discard: it throws away"),
            ("beat", "['-B']", "use spec.beat", "-B: a beat inside each worker"),
            ("beat-in-one-word", "['-EB']", "use spec.beat", "-B: a beat inside each worker"),
            ("beat-first-in-one-word", "['-BE']", "use spec.beat", "-B: a beat inside each worker"),
            ("beats-scheduler", "['--scheduler', a.b:C]", "use spec.beat", "--scheduler: a beat inside each worker"),
            ("statedb", "['--statedb=/tmp/state']", "--statedb", "--statedb: it is one file for one worker"),
            ("statedb-in-short", "['-S/tmp/state']", "--statedb", "-S: it is one file for one worker"),
            ("pidfile", "[--pidfile, /tmp/p]", "--pidfile", "stops the next"),
            ("detach", "['-D']", "--detach", "-D: the container would end at once"),
            ("user", "[--uid=1000]", "pod.securityContext", "--uid: a container has no right"),
            ("help", "[--help]", "--help", "--help: the worker would say it and end"),
            ("config", "[--config=x]", "CELERY_CONFIG_MODULE", "--config: it is an option of celery"),
            ("mute", "['--', worker.enable_remote_control=false]", "can't ask workers", "only remote control tells"),
            (
                "mute-without-dashes",
                "[worker_enable_remote_control=0]",
                "can't ask workers",
                "only remote control tells",
            ),
            ("mute-in-short", "['--', .Enable_Remote_Control=false]", "can't ask workers", "only remote control"),
            ("exchange", "['--', control.exchange=shop]", "spec.broker", "spec.broker.controlExchange"),
            ("serializer", "['--', task.serializer=pickle]", "spec.broker", "what is no JSON is never decoded"),
            (
                "prefetch",
                "['--', worker.prefetch_multiplier=8]",
                "the fields of worker",
                "use worker.prefetchMultiplier",
            ),
            ("broker", "['--', broker_url=amqp://a//]", "spec.broker", "use spec.broker.urlFrom"),
            (
                "soft-shutdown",
                "['--', worker.soft_shutdown_timeout=9]",
                "lead them out",
                "a soft shutdown cuts off tasks",
            ),
            ("no-option", "[fair]", "", "fair: it is no option"),
            ("no-name", "['=1']", "", "=1: it names no setting"),
            ("deaf", "['accept.content=(list)[\"pickle\"]']", "", "name json too"),
            ("no-value", "[--loglevel]", "", "--loglevel: it needs a value"),
        )
    ),
    Refused(
        "worker-of-the-defaults",
        "defaults: {worker: {extraArgs: [--purge]}}",
        "throws away",
        "spec.defaults.worker.extraArgs",
    ),
    Refused(
        "prefix-with-celery",
        "defaults: {worker: {commandPrefix: [poetry, run, celery]}}",
        "leave celery out",
        "spec.defaults.worker.commandPrefix",
    ),
    Refused(
        "prefix-of-a-script-that-runs-nothing",
        "beat: {commandPrefix: [sh, -c, . /env, sh]}",
        "is given celery's words",
        "spec.beat.commandPrefix",
    ),
    Refused(
        "prefix-without-the-scripts-name",
        pool("worker: {commandPrefix: [sh, -c, 'exec \"$@\"']}"),
        "",
        "spec.pools[0].worker.commandPrefix",
        "add one more word",
    ),
    Refused(
        "beat-schedule-flag",
        "beat: {extraArgs: ['-s', /tmp/x]}",
        "use beat.scheduler and beat.storage",
        "spec.beat.extraArgs",
    ),
    Refused("beat-pidfile", "beat: {extraArgs: ['--pidfile=/tmp/b.pid']}", "stops the next", "spec.beat.extraArgs"),
    Refused("beat-detached", "beat: {extraArgs: [--detach]}", "--detach", "spec.beat.extraArgs"),
    *(
        Refused(f"beat-{name}", f"beat: {{extraArgs: {arguments}}}", "", "spec.beat.extraArgs", remedy)
        for name, arguments, remedy in (
            (
                "sleeps-for-an-hour",
                "[--max-interval, '3600']",
                "--max-interval 3600: a beat that hasn't woken for 900 s",
            ),
            ("sleeps-for-an-hour-in-one-word", "['--max-interval=3600']", "write 900 or less"),
            ("sleeps-by-a-setting", "[beat.max_loop_interval=3600]", "beat.max_loop_interval 3600"),
            ("sleeps-by-a-setting-after-a-dash", "['--', beat_max_loop_interval=3600]", "write 900 or less"),
            ("writes-seldom", "[beat.sync_every=0]", "so that none is sent twice"),
            ("file-elsewhere", "[beat.schedule_filename=/tmp/s]", "on beat's own volume"),
            ("sleeps-by-a-setting-in-capitals", "[BEAT.Max_Loop.Interval=3600]", "write 900 or less"),
            ("sleeps-by-a-number-with-its-type", "['beat_max_loop_interval=(float)3600']", "write 900 or less"),
            ("sleeps-by-no-number", "['--max-interval=nan']", "write 900 or less"),
            ("never-sleeps", "['--max-interval=-5']", "write a number above 0"),
            ("writes-seldom-in-capitals", "[BEAT_SYNC_EVERY=10]", "so that none is sent twice"),
            ("scheduler-by-a-setting", "['beat.scheduler=app:S']", "use beat.scheduler"),
            ("broker-by-a-setting", "['broker_url=amqp://h']", "use spec.broker.urlFrom"),
            ("another-user", "['--uid', '5']", "use pod.securityContext"),
            ("ends-at-once", "[--help]", "leave it out"),
            ("option-of-celery", "[--workdir, /x]", "set PYTHONPATH in env"),
            ("no-option", "[often]", "often: it is no option"),
            ("no-value", "[--max-interval]", "--max-interval: it needs a value"),
        )
    ),
    Refused(
        "ephemeral-with-size",
        "beat: {storage: {ephemeral: true, size: 1Gi}}",
        "ephemeral storage has no volume",
        "spec.beat.storage",
    ),
    Refused(
        "switch-in-quotes",
        'beat: {enabled: "yes"}',
        'must be of type boolean: "string"',
        "spec.beat.enabled",
        "write true or false",
    ),
    Refused(
        "cert-without-key",
        "broker: {urlFrom: {secretKeyRef: {name: e, key: k}}, tls: {certFrom: {secretKeyRef: {name: e, key: c}}}}",
        "certFrom and keyFrom go together",
        "spec.broker.tls",
    ),
    # Schedules
    Refused(
        "cron-of-four-fields",
        pool('schedule: [{name: s, start: "0 0 1 *"}]'),
        "write a cron line of five fields",
        "spec.pools[0].schedule[0].start",
    ),
    Refused(
        "cron-alias",
        pool('schedule: [{name: s, start: "@monthly"}]'),
        "write a cron line of five fields",
        "spec.pools[0].schedule[0].start",
    ),
    Refused(
        "cron-nonsense",
        pool('schedule: [{name: s, start: "61 0 1 * *"}]'),
        "",
        "spec.pools[0].schedule[0].start",
        "not a cron line",
    ),
    Refused(
        "cron-never",
        pool('schedule: [{name: s, start: "0 0 30 2 *"}]'),
        "",
        "spec.pools[0].schedule[0].start",
        "not a cron line",
    ),
    Refused(
        "no-time-zone", 'timeZone: "+02:00"', "write a time zone, such as Europe/Stockholm or UTC", "spec.timeZone"
    ),
    Refused("unknown-time-zone", "timeZone: Europe/Stockholmm", "", "spec.timeZone", "no such time zone"),
    Refused(
        "duration-without-until",
        pool('schedule: [{name: s, start: "0 0 1 * *", duration: 6h}]'),
        "give both or neither",
        "spec.pools[0].schedule[0]",
    ),
    Refused(
        "until-without-duration",
        pool('schedule: [{name: s, start: "0 0 1 * *", until: Duration}]'),
        "give both or neither",
        "spec.pools[0].schedule[0]",
    ),
    Refused(
        "schedules-named-alike",
        pool('schedule: [{name: s, start: "0 0 1 * *"}, {name: s, start: "0 0 2 * *"}]'),
        'Duplicate value: {"name":"s"}',
        "spec.pools[0].schedule",
        NOT_TWICE,
    ),
    Refused(
        "run-above-max",
        pool('scaling: {max: 3}, schedule: [{name: s, start: "0 0 1 * *", workers: 4}]'),
        "a schedule's workers may not be more than scaling.max",
        "spec.pools[0].schedule[0].workers",
    ),
    Refused(
        "run-above-the-built-in-max",
        pool('schedule: [{name: s, start: "0 0 1 * *", workers: 11}]'),
        "which is 10 unless given",
        "spec.pools[0].schedule[0].workers",
    ),
    Refused(
        "hold-without-runs",
        pool("scaling: {outsideRuns: Hold}"),
        "would hold the work for ever",
        "spec.pools[0].scaling.outsideRuns",
    ),
    Refused(
        "hold-in-the-layout",
        "defaults: {scaling: {outsideRuns: Hold}}",
        "would hold the work for ever",
        "spec.defaults.scaling.outsideRuns",
    ),
    # Rollouts
    Refused(
        "recreate-with-a-surge",
        pool("rollout: {type: Recreate, maxSurge: 1}"),
        "all old workers go first",
        "spec.pools[0].rollout",
    ),
    *(
        Refused(
            f"nothing-moves-{name}",
            pool(f"rollout: {rollout}"),
            "give maxUnavailable of 1 or more",
            "spec.pools[0].rollout",
        )
        for name, rollout in (("by-default", "{maxSurge: 0}"), ("as-given", "{maxSurge: 0%, maxUnavailable: 0}"))
    ),
    Refused("surge-of-words", pool("rollout: {maxSurge: some}"), "a share of them", "spec.pools[0].rollout.maxSurge"),
    Refused(
        "negative-surge",
        pool("rollout: {maxUnavailable: -1}"),
        "a share of them",
        "spec.pools[0].rollout.maxUnavailable",
    ),
    Refused(
        "unknown-answer-to-secrets",
        pool("rollout: {onSecretChange: Restart}"),
        'supported values: "Roll", "Leave"',
        "spec.pools[0].rollout.onSecretChange",
        "must be 'Roll'",
    ),
    Refused(
        "grace-by-a-template",
        pool("pod: {template: {spec: {terminationGracePeriodSeconds: 1}}}"),
        "",
        "spec.pools[0].pod.template.spec.terminationGracePeriodSeconds",
        "use drainTimeout",
    ),
    # Environment and pods
    Refused(
        "env-number",
        "env: [{name: A, value: 5}]",
        'must be of type string: "integer"',
        "spec.env[0].value",
        "numbers and booleans need quotes",
    ),
    Refused(
        "env-twice",
        "env: [{name: A, value: x}, {name: A, value: y}]",
        'Duplicate value: {"name":"A"}',
        "spec.env",
        NOT_TWICE,
    ),
    Refused(
        "env-value-and-source",
        "env: [{name: A, value: x, valueFrom: {secretKeyRef: {name: e, key: k}}}]",
        "give either value or valueFrom",
        "spec.env[0]",
    ),
    Refused("env-without-source", "env: [{name: A, valueFrom: {}}]", "give exactly one of", "spec.env[0].valueFrom"),
    Refused("env-from-nothing", "envFrom: [{prefix: A}]", "give either secretRef or configMapRef", "spec.envFrom[0]"),
    Refused("own-label", "pod: {labels: {utilitarian.io/pool: x}}", "are the operator's", "spec.pod.labels"),
    Refused(
        "own-annotation", "pod: {annotations: {utilitarian.io/x: x}}", "are the operator's", "spec.pod.annotations"
    ),
    Refused(
        "toleration-for-nothing",
        "pod: {tolerations: [{value: x}]}",
        "needs operator: Exists",
        "spec.pod.tolerations[0]",
    ),
    Refused(
        "toleration-of-a-value-that-exists",
        "pod: {tolerations: [{key: k, operator: Exists, value: x}]}",
        "takes no value",
        "spec.pod.tolerations[0].value",
    ),
    Refused(
        "volumes-named-alike",
        "pod: {volumes: [{name: x, emptyDir: {}}, {name: x, emptyDir: {}}]}",
        'Duplicate value: {"name":"x"}',
        "spec.pod.volumes",
        NOT_TWICE,
    ),
    Refused(
        "two-mounts-at-one-path",
        "pod: {volumes: [{name: x, emptyDir: {}}], volumeMounts: [{name: x, mountPath: /x}, {name: x, mountPath: /x}]}",
        'Duplicate value: {"mountPath":"/x"}',
        "spec.pod.volumeMounts",
        NOT_TWICE,
    ),
    Refused(
        "pull-secrets-named-alike",
        "pod: {imagePullSecrets: [{name: x}, {name: x}]}",
        'Duplicate value: {"name":"x"}',
        "spec.pod.imagePullSecrets",
        NOT_TWICE,
    ),
    Refused(
        "volume-without-name",
        "pod: {volumes: [{emptyDir: {}}]}",
        "spec.pod.volumes[0].name: Required value",
        "spec.pod.volumes[0]",
        "name is required",
    ),
    Refused(
        "mount-of-nothing",
        "pod: {volumeMounts: [{name: x, mountPath: /x}]}",
        "",
        "spec.pools[0].pod.volumeMounts",
        "no volume is called x",
    ),
    Refused(
        "list-for-an-object",
        "pod: []",
        'must be of type object: "array"',
        "spec.pod",
        "must be an object with named fields",
    ),
)

VALID: dict[str, str] = {
    "nothing-else": "{}",
    "durations": pool("scaling: {drainWithin: 1h30m, taskDuration: 1.5s, stabilization: 0s, idleAfter: 500ms}"),
    "catch-all": "pools: [{name: a}]",
    "catch-all-under-defaults-of-zero": "{defaults: {scaling: {min: 0}}, pools: [{name: a}]}",
    "cron-of-the-last-day": pool('schedule: [{name: s, start: "0 0 L * *"}, {name: w, start: "0 0 LW * *"}]'),
    "leap-day": pool('schedule: [{name: s, start: "0 0 29 2 *"}]'),
    "budget-just-enough": "{maxWorkers: 11, defaults: {scaling: {min: 1}}}",
    "min-is-max": pool("scaling: {min: 10}"),
    "cpu-as-a-number": pool(
        "worker: {resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 1Gi, nvidia.com/gpu: 1}}}"
    ),
    "names-just-fit": f"pools: [{{name: {'p' * 40}, queues: [q]}}]",
    "queues-with-spaces-and-other-alphabets": "pools: [{name: a, queues: ['späte Aufgaben', 計算, 'a b c', x, 'ü']}]",
    "longest-queue-in-bytes": f"pools: [{{name: a, queues: [{'ö' * 127}]}}]",
    "longest-queue": f"pools: [{{name: a, queues: [{'q' * 255}]}}]",
    "defaults-for-children-and-gevent": (
        "{defaults: {worker: {maxTasksPerChild: 5}}, pools: [{name: a, queues: [q], worker: {execution: gevent}}]}"
    ),
    "hold-with-runs": pool('scaling: {outsideRuns: Hold}, schedule: [{name: s, start: "0 0 1 * *"}]'),
    "beat-awake-often": "beat: {extraArgs: [--max-interval, '900', -lDEBUG, -n, beat, beat.sync_every=1]}",
    "rollout": pool("rollout: {maxSurge: 0, maxUnavailable: 25%}, disruptionBudget: false"),
    "others-on-its-queues": pool("foreignConsumers: Expected"),
    "recreate": pool("rollout: {type: Recreate, onSecretChange: Leave}"),
    "forty-queues": f"pools: [{{name: a, queues: {[f'q{n}' for n in range(40)]}}}]",
    "template": pool("pod: {template: {spec: {securityContext: {fsGroup: null}, containers: [{name: x, image: y}]}}}"),
    "broker-in-parts": (
        "broker: {from: {host: h, port: 5672, scheme: amqps, vhost: a/b, "
        "username: {configMapKeyRef: {name: c, key: u}}, password: {secretKeyRef: {name: s, key: p}}}}"
    ),
    "wrapper": pool("worker: {commandPrefix: [/bin/bash, -c, '. /e; exec \"$@\"', bash]}"),
    "log-level": pool("worker: {extraArgs: ['--loglevel=DEBUG', '-E', '-l', DEBUG]}"),
    "limits": pool(
        "worker: {extraArgs: ['--time-limit=60', -Ofair, -EIa.b, '--', worker.enable_prefetch_count_reduction=0]}"
    ),
    "empty-variable": "env: [{name: A}]",
    "pod": (
        "{pod: {affinity: {nodeAffinity: {}}, volumes: [{name: x, emptyDir: {}}], tolerations: [{operator: Exists}], "
        "volumeMounts: [{name: x, mountPath: /x}], securityContext: {runAsNonRoot: true}}}"
    ),
}
