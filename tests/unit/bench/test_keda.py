"""What KEDA is told in the measurements beside it: the documented defaults by silence, an expert's settings in full."""

from bench.keda import API_URL, Settings
from bench.systems import KEDA
from utilitarian_operator.api.objects import Object


def _spec(settings: Settings) -> Object:
    made = settings.scaled_object("fleet-a", ["utilitarian.tasks.a"], 20, 10)
    assert made["metadata"] == {"name": "fleet-a"}
    spec: Object = made["spec"]
    return spec


def test_the_defaults_are_left_to_keda() -> None:
    trigger = {"protocol": "amqp", "hostFromEnv": "CELERY_BROKER_URL", "queueName": "utilitarian.tasks.a"}
    assert _spec(KEDA["keda"]) == {
        "scaleTargetRef": {"name": "fleet-a"},
        "minReplicaCount": 0,
        "maxReplicaCount": 20,
        "triggers": [{"type": "rabbitmq", "metadata": {**trigger, "mode": "QueueLength", "value": "10"}}],
    }
    assert KEDA["keda"].grace_s == 30


def test_an_expert_polls_each_second_and_lets_the_autoscaler_grow_at_once() -> None:
    spec, defaults = _spec(KEDA["keda-tuned"]), _spec(KEDA["keda"])
    behavior = spec.pop("advanced")["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior.keys() == {"scaleUp"}
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 1000, "periodSeconds": 15}]
    assert spec == {**defaults, "pollingInterval": 1, "cooldownPeriod": 120}
    assert KEDA["keda-tuned"].grace_s is None


def test_unacknowledged_messages_are_read_from_the_management_api() -> None:
    spec = _spec(Settings(protocol="http", cooldown_s=60, stabilization_s=60))
    metadata = spec["triggers"][0]["metadata"]
    assert (metadata["protocol"], metadata["hostFromEnv"]) == ("http", API_URL)
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {"scaleDown": {"stabilizationWindowSeconds": 60}}


def test_a_pool_with_several_queues_has_a_trigger_for_each() -> None:
    made = Settings().scaled_object("fleet-a", ["one", "two"], 5, 100)
    assert [(it["metadata"]["queueName"], it["metadata"]["value"]) for it in made["spec"]["triggers"]] == [
        ("one", "100"),
        ("two", "100"),
    ]
