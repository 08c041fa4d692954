"""The kinds of value that a field of the resource can have: their bounds in Python and in the schema.

A kind is metadata of an annotation: it checks in Python and writes the same rule, with the same words, as CEL for the
API server. Nothing here knows where a field stands.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from utilitarian_operator.api import units
from utilitarian_operator.api.cel_rules import Rule, quoted
from utilitarian_operator.api.names import DNS_LABEL_PATTERN


@dataclass(frozen=True)
class Text:
    """A string of 1 to `longest` characters that matches `pattern` throughout; `message` says what to write instead."""

    pattern: str
    longest: int
    message: str
    plain: bool = False
    """Write a `pattern` to the schema, where so many may stand that rules with words of their own cost too much."""
    in_bytes: bool = False
    """Whether it may have no more bytes of UTF-8 than characters, which only the operator checks."""

    def check(self, value: object) -> str:
        """Return the text, or raise with the message.

        Raises:
            PydanticCustomError: not a string, too long, or not of the pattern.
        """
        if not isinstance(value, str):
            raise PydanticCustomError("text", "must be a string: {message}", {"message": self.message})
        if len(value) > self.longest:
            raise PydanticCustomError("text", "may not be more than {longest} characters", {"longest": self.longest})
        if self.in_bytes and len(value.encode(errors="replace")) > self.longest:
            raise PydanticCustomError(
                "text", "may not be more than {longest} bytes of UTF-8", {"longest": self.longest}
            )
        if not re.fullmatch(self.pattern.removesuffix("$"), value):
            raise PydanticCustomError("text", "{message}", {"message": self.message})
        return value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        bounds = {"type": "string", "minLength": 1, "maxLength": self.longest}
        if self.plain:
            return {**bounds, "pattern": self.pattern}
        cel = f"self.matches({quoted(self.pattern)})"
        return {**bounds, "x-kubernetes-validations": [Rule(cel, self.message).written()]}


@dataclass(frozen=True)
class DurationBetween:
    """A duration such as `500ms`, `90s` or `1h30m`, from `least` to `most` (written alike); in Python a `timedelta`."""

    least: str
    most: str

    @property
    def message(self) -> str:
        """What to write instead."""
        return f"write a duration from {self.least} to {self.most}, such as 500ms, 90s or 1h30m"

    def check(self, value: object) -> timedelta:
        """Return the duration, from text or as it is.

        Raises:
            PydanticCustomError: no duration, a bare number included, or out of bounds.
        """
        duration = value if isinstance(value, timedelta) else self._parsed(value)
        if not units.parse_duration(self.least) <= duration <= units.parse_duration(self.most):
            raise PydanticCustomError("duration", "{message}", {"message": self.message})
        return duration

    def _parsed(self, value: object) -> timedelta:
        if isinstance(value, str):
            try:
                return units.parse_duration(value)
            except ValueError as error:
                raise PydanticCustomError("duration", "{message}", {"message": self.message}) from error
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise PydanticCustomError(
                "duration", "a number has no unit; {message}", {"message": self.message, "number": value}
            )
        raise PydanticCustomError("duration", "{message}", {"message": self.message})

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(units.format_duration, when_used="json")
        return core_schema.no_info_plain_validator_function(self.check, serialization=written)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        cel = (
            f"self.matches({quoted(units.DURATION_PATTERN)}) && duration(self) >= duration('{self.least}') "
            f"&& duration(self) <= duration('{self.most}')"
        )
        return {
            "type": "string",
            "minLength": 2,
            "maxLength": units.DURATION_LENGTH,
            "x-kubernetes-validations": [Rule(cel, self.message).written()],
        }


@dataclass(frozen=True)
class QuantityText:
    """A Kubernetes quantity, given as text or as a whole number; text in Python, as it was written."""

    message: str = "write a quantity such as 200m (CPU) or 512Mi (memory)"

    def check(self, value: object) -> str:
        """Return the quantity as text.

        Raises:
            PydanticCustomError: no quantity, or below zero.
        """
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not re.fullmatch(units.QUANTITY_PATTERN.removesuffix("$"), text):
            raise PydanticCustomError("quantity", "{message}", {"message": self.message})
        return text

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        cel = f"type(self) == int ? self >= 0 : string(self).matches({quoted(units.QUANTITY_PATTERN)})"
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": units.QUANTITY_LENGTH,
            "x-kubernetes-validations": [Rule(cel, self.message).written()],
        }


@dataclass(frozen=True)
class CountOrPercent:
    """Pods as Kubernetes counts them in a rollout: a whole number, or a share such as 25%."""

    message: str = "write a number of pods such as 1, or a share of them such as 25%"

    def check(self, value: object) -> int | str:
        """Return it as it was written.

        Raises:
            PydanticCustomError: it is none.
        """
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}%", value):
            return value
        raise PydanticCustomError("count", "{message}", {"message": self.message})

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        cel = f"type(self) == int ? self >= 0 : string(self).matches({quoted('^[0-9]{1,3}%$')})"
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 4,
            "x-kubernetes-validations": [Rule(cel, self.message).written()],
        }


@dataclass(frozen=True, eq=False)
class Schema:
    """Extra lines for the schema of what it annotates; checks nothing in Python."""

    extra: dict[str, Any]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler.resolve_ref_schema(handler(core)), **self.extra}


def keyed_by(*keys: str) -> Schema:
    """A list whose items are distinguished by these fields, so that a name can't come twice and applies merge by it."""
    return Schema({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)})


def ruled(*rules: Rule) -> Schema:
    """Rules for what the annotation stands at."""
    return Schema({"x-kubernetes-validations": [rule.written() for rule in rules]})


SET = Schema({"x-kubernetes-list-type": "set"})
ATOMIC = Schema({"x-kubernetes-list-type": "atomic"})
ATOMIC_MAP = Schema({"x-kubernetes-map-type": "atomic"})

DnsLabel = Annotated[
    str,
    Text(
        DNS_LABEL_PATTERN,
        45,
        "write lower-case letters, digits and hyphens, a letter first, such as amr-daily",
    ),
]
_OBJECT_NAME = Text(
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    253,
    "write the name of an object of Kubernetes: lower-case letters, digits, hyphens and dots",
)
_DATA_KEY = Text("^[-._a-zA-Z0-9]+$", 253, "write a key of a Secret's data, such as CELERY_BROKER_URL")
ObjectName = Annotated[str, _OBJECT_NAME]
DataKey = Annotated[str, _DATA_KEY]
ManyObjectNames = Annotated[str, replace(_OBJECT_NAME, plain=True)]
ManyDataKeys = Annotated[str, replace(_DATA_KEY, plain=True)]
QueueName = Annotated[
    str,
    Text(
        "^[^\\x00- ,\\x2d\\x7f]([^\\x00-\\x1f,\\x7f]*[^\\x00- ,\\x7f])?$",
        255,
        "write the queue's name as the application declares it, without commas, a leading hyphen or spaces around it",
        in_bytes=True,
    ),
]
ExchangeName = Annotated[
    str, Text("^[!-~]+$", 240, "write the application's control_exchange, such as celery, in ASCII and without spaces")
]
ImageName = Annotated[
    str, Text("^[^\\s]+$", 1024, "write an image, such as quay.io/pwit/utilitarian:2026.11, without spaces")
]
AppName = Annotated[
    str,
    Text(
        "^[A-Za-z_][A-Za-z0-9_]*([.:][A-Za-z_][A-Za-z0-9_]*)*$",
        128,
        "write the application as for celery -A, such as utilitarian or package.module:app",
    ),
]
ZoneName = Annotated[
    str,
    Text("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$", 64, "write a time zone, such as Europe/Stockholm or UTC"),
]
Cron = Annotated[
    str,
    Text(
        "^[^\\s]+( +[^\\s]+){4}$",
        128,
        'write a cron line of five fields: minute, hour, day, month, weekday, such as "0 0 1 * *"',
    ),
]
MemoryText = Annotated[
    str, Text(units.MEMORY_PATTERN, units.QUANTITY_LENGTH, "write memory with its unit, such as 150Mi or 1Gi")
]
Quantity = Annotated[str, QuantityText()]
Pods = Annotated[int | str, CountOrPercent()]
ShortText = Annotated[str, Field(strict=True, min_length=1, max_length=255)]
PrefixWord = Annotated[str, Field(strict=True, min_length=1, max_length=1024)]
LongText = Annotated[str, Field(strict=True, max_length=32768)]
