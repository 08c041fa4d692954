"""The parts of the resource that are Kubernetes' own shapes, passed on to pod templates as they were written.

Small ones are closed models; the deep ones (affinity, volumes, security contexts, spread constraints) are bounded in
number and left for the API server to check when the pod template is applied.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidatorFunctionWrapHandler,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api.cel_rules import with_rules
from utilitarian_operator.api.fields import (
    ATOMIC,
    ATOMIC_MAP,
    DataKey,
    LongText,
    ManyDataKeys,
    ManyObjectNames,
    ObjectName,
    Quantity,
    Schema,
    ShortText,
    keyed_by,
    ruled,
)


class Part(BaseModel):
    """Base of every part of the resource: frozen, closed, camelCase outside and snake_case inside."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a password may stand where it doesn't belong, and a traceback is read by others
    )


FreeObject = Annotated[dict[str, Any], Schema({"x-kubernetes-preserve-unknown-fields": True})]
"""An object of Kubernetes' own that is passed on as it is."""


def _named(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse an object without a name, which lists are merged by."""
    if not isinstance(value.get("name"), str) or not value["name"]:
        raise PydanticCustomError("unnamed", "name is required")
    return value


NamedObject = Annotated[
    dict[str, Any],
    AfterValidator(_named),
    Schema(
        {
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 63}},
            "required": ["name"],
        }
    ),
]
StringMap = Annotated[
    dict[
        Annotated[str, Field(strict=True, min_length=1, max_length=317)],
        Annotated[str, Field(strict=True, max_length=4096)],
    ],
    Field(max_length=64),
]
SelectorMap = Annotated[StringMap, ATOMIC_MAP]


class SecretKeyRef(Part):
    """One key of a Secret in the resource's own namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: DataKey
    """Key in the Secret's data."""


class SecretSource(Part):
    """A value that is read from a Secret; it never stands in the resource itself."""

    secret_key_ref: SecretKeyRef
    """Which Secret, and which key in it."""


class KeySource(Part):
    """One key of a Secret or ConfigMap in the resource's own namespace."""

    secret_key_ref: SecretKeyRef | None = None
    """Which Secret, and which key in it."""
    config_map_key_ref: SecretKeyRef | None = None
    """Which ConfigMap, and which key in it."""


class _ValueOrReference:
    """A text or whole number, or a KeySource; the API server checks none of it, as its schemas know one type only."""

    def check(self, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        """Return the text or the reference.

        Raises:
            PydanticCustomError: neither of them.
        """
        if isinstance(value, dict | KeySource):
            return handler(value)
        if isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value)) <= LONGEST_VALUE:
            return str(value)
        raise PydanticCustomError("value", "write a value, or {{secretKeyRef: {{name: …, key: …}}}} or configMapKeyRef")

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda it: it if isinstance(it, str) else it.model_dump(by_alias=True, exclude_none=True)
        )
        inner = handler.generate_schema(KeySource)
        return core_schema.no_info_wrap_validator_function(self.check, inner, serialization=written)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"x-kubernetes-preserve-unknown-fields": True}


LONGEST_VALUE = 4096
ValueOrReference = Annotated[str | KeySource, _ValueOrReference()]


class OptionalKeyRef(Part):
    """One key of a Secret or ConfigMap."""

    name: ManyObjectNames
    """Name of the Secret or ConfigMap."""
    key: ManyDataKeys
    """Key in its data."""
    optional: bool | None = Field(default=None, strict=True)
    """Start the container also without it."""


class FieldRef(Part):
    """A field of the pod."""

    api_version: ShortText | None = None
    """Version of the schema that the path is written in; v1 unless given."""
    field_path: ShortText
    """Path of the field, such as status.podIP."""


class ResourceFieldRef(Part):
    """A resource of a container."""

    container_name: ShortText | None = None
    """Name of the container."""
    resource: ShortText
    """Which resource, such as limits.memory."""
    divisor: Quantity | None = None
    """Unit of the value, such as 1Mi."""


class EnvSource(Part):
    """Where an environment variable's value comes from."""

    model_config = with_rules(rules.ONE_ENV_SOURCE)

    secret_key_ref: OptionalKeyRef | None = None
    """A key of a Secret."""
    config_map_key_ref: OptionalKeyRef | None = None
    """A key of a ConfigMap."""
    field_ref: FieldRef | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldRef | None = None
    """A resource of the container."""


class EnvVar(Part):
    """An environment variable."""

    model_config = with_rules(rules.ONE_VALUE)

    name: Annotated[str, Field(strict=True, min_length=1, max_length=256)]
    """Name of the variable."""
    value: LongText | None = None
    """Its value; numbers and booleans in quotes."""
    value_from: EnvSource | None = None
    """Source of its value, instead of `value`."""


class OptionalRef(Part):
    """A Secret or ConfigMap."""

    name: ManyObjectNames
    """Name of the Secret or ConfigMap."""
    optional: bool | None = Field(default=None, strict=True)
    """Start the container also without it."""


class EnvFrom(Part):
    """A Secret or ConfigMap whose keys all become environment variables."""

    model_config = with_rules(rules.ONE_ENV_FROM)

    prefix: ShortText | None = None
    """Put before each key."""
    secret_ref: OptionalRef | None = None
    """The Secret."""
    config_map_ref: OptionalRef | None = None
    """The ConfigMap."""


ResourceMap = Annotated[
    dict[Annotated[str, Field(strict=True, min_length=1, max_length=128)], Quantity], Field(max_length=16)
]


class Resources(Part):
    """What a container asks for and may use at most."""

    model_config = with_rules(rules.REQUESTS_WITHIN_LIMITS)

    requests: ResourceMap | None = None
    """What is kept free for it on a node. Unless given: cpu 50m, memory 256Mi."""
    limits: ResourceMap | None = None
    """What it may use at most. Unless given: no limits."""


class Toleration(Part):
    """A taint of nodes that the pods accept."""

    model_config = with_rules(rules.TOLERATION_VALUE, rules.TOLERATION_KEY)

    key: ShortText | None = None
    """The taint's key; all keys unless given."""
    operator: Literal["Exists", "Equal"] | None = None
    """Whether the value counts."""
    value: ShortText | None = None
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; all effects unless given."""
    toleration_seconds: Annotated[int, Field(strict=True, ge=0, le=31_536_000)] | None = None
    """How long a pod stays on a node with a NoExecute taint, in seconds."""


class PullSecret(Part):
    """A Secret with the login to a registry."""

    name: ObjectName
    """Name of the Secret."""


class VolumeMount(Part):
    """A volume in the worker's container."""

    name: ShortText
    """Name of the volume in `volumes`."""
    mount_path: Annotated[str, Field(strict=True, min_length=1, max_length=1024)]
    """Where the container sees it."""
    sub_path: Annotated[str, Field(strict=True, min_length=1, max_length=1024)] | None = None
    """Only this path within the volume."""
    read_only: bool | None = Field(default=None, strict=True)
    """Whether writing is refused."""


class PodSpec(Part):
    """What pods need from Kubernetes. Maps merge, lists replace: the fleet's, then the defaults', then the pool's."""

    node_selector: SelectorMap | None = None
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32), ATOMIC] | None = None
    """Taints of nodes that the pods accept."""
    affinity: FreeObject | None = None
    """Nodes and other pods to be near or far from, as in a pod."""
    topology_spread_constraints: Annotated[tuple[FreeObject, ...], Field(max_length=8), ATOMIC] | None = None
    """How a pool's pods spread over nodes and zones, as in a pod. Unless given: over nodes, if possible."""
    priority_class_name: ObjectName | None = None
    """The PriorityClass of the pods."""
    service_account_name: ObjectName | None = None
    """The ServiceAccount of the pods; default unless given. Another has to be allowed (podSecurity)."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16), keyed_by("name")] | None = None
    """Secrets with logins to the image's registry."""
    labels: Annotated[StringMap, ruled(rules.OWN_LABELS)] | None = None
    """More labels for the pods. Those under utilitarian.io/ and app.kubernetes.io/ are the operator's."""
    annotations: Annotated[StringMap, ruled(rules.OWN_ANNOTATIONS)] | None = None
    """More annotations for the pods. Those under utilitarian.io/ are the operator's."""
    security_context: FreeObject | None = None
    """The pod's security context, as in a pod. Unless given: seccompProfile RuntimeDefault."""
    container_security_context: FreeObject | None = None
    """The container's security context, as in a pod. Unless given: no privilege escalation, no capabilities."""
    volumes: Annotated[tuple[NamedObject, ...], Field(max_length=32), keyed_by("name")] | None = None
    """Volumes of the pods, as in a pod."""
    volume_mounts: Annotated[tuple[VolumeMount, ...], Field(max_length=32), keyed_by("mountPath")] | None = None
    """Where the container sees them."""
    template: FreeObject | None = None
    """A partial PodTemplateSpec, laid over all else by strategic merge; ours is `worker` or `beat`; null takes away."""


EnvList = Annotated[tuple[EnvVar, ...], Field(max_length=128), keyed_by("name")]
EnvFromList = Annotated[tuple[EnvFrom, ...], Field(max_length=32), ATOMIC]
