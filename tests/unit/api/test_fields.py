"""A kind of value checks in Python what its schema has the API server check, with the same words."""

import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from utilitarian_operator.api import fields
from utilitarian_operator.api.fields import DurationBetween

SECOND_TO_DAY = DurationBetween("1s", "24h")


@pytest.mark.parametrize(
    "kind,written,read",
    [
        pytest.param(fields.DnsLabel, "amr-daily", "amr-daily", id="a label"),
        pytest.param(fields.QueueName, "utilitarian.tasks.amr", "utilitarian.tasks.amr", id="a queue"),
        pytest.param(fields.AppName, "package.module:app", "package.module:app", id="an application"),
        pytest.param(fields.Cron, "*/5  * * * 1-5", "*/5  * * * 1-5", id="a cron line"),
        pytest.param(fields.Quantity, "500m", "500m", id="a quantity"),
        pytest.param(fields.Quantity, 2, "2", id="a quantity without quotes"),
        pytest.param(fields.MemoryText, "150Mi", "150Mi", id="memory"),
    ],
)
def test_what_is_taken(kind: Any, written: object, read: object) -> None:
    assert TypeAdapter(kind).validate_python(written) == read


@pytest.mark.parametrize(
    "kind,written,says",
    [
        pytest.param(fields.DnsLabel, "Amr", "write lower-case letters", id="a capital"),
        pytest.param(fields.DnsLabel, "amr\n", "write lower-case letters", id="a line's end"),
        pytest.param(fields.DnsLabel, "a" * 46, "may not be more than 45 characters", id="too long"),
        pytest.param(fields.DnsLabel, 5, "must be a string", id="a number"),
        pytest.param(fields.QueueName, "a,b", "without commas", id="two queues"),
        pytest.param(fields.QueueName, "-Q", "a leading hyphen", id="an option"),
        pytest.param(fields.Cron, "* * * *", "five fields", id="four fields"),
        pytest.param(fields.ZoneName, "Europe/", "write a time zone", id="no zone"),
        pytest.param(fields.Quantity, -1, "write a quantity", id="below zero"),
        pytest.param(fields.Quantity, True, "write a quantity", id="yes"),
        pytest.param(fields.MemoryText, "150", "with its unit", id="memory without a unit"),
        pytest.param(fields.LongText, "a" * 32769, "at most 32768", id="a long text"),
    ],
)
def test_what_is_refused_and_what_to_write_instead(kind: Any, written: object, says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        TypeAdapter(kind).validate_python(written)


@pytest.mark.parametrize(
    "written,read",
    [("90s", timedelta(seconds=90)), ("1s", timedelta(seconds=1)), (timedelta(hours=24), timedelta(hours=24))],
)
def test_a_duration_within_its_bounds(written: object, read: timedelta) -> None:
    assert SECOND_TO_DAY.check(written) == read


@pytest.mark.parametrize(
    "written,says",
    [
        ("500ms", "write a duration from 1s to 24h"),
        ("25h", "write a duration from 1s to 24h"),
        ("soon", "write a duration from 1s to 24h"),
        (None, "write a duration from 1s to 24h"),
        (90, "a number has no unit"),
        (True, "write a duration"),
    ],
)
def test_a_duration_out_of_its_bounds_or_without_a_unit(written: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SECOND_TO_DAY.check(written)


class Part(BaseModel):
    label: fields.DnsLabel
    many: fields.ManyObjectNames
    amount: fields.Quantity


def test_the_schema_has_the_same_bounds_and_words() -> None:
    schema = Part.model_json_schema()["properties"]
    assert schema["label"]["maxLength"] == 45
    (rule,) = schema["label"]["x-kubernetes-validations"]
    assert rule["message"].startswith("write lower-case letters")
    assert schema["many"]["pattern"], "many names would cost too much as rules"
    assert "x-kubernetes-validations" not in schema["many"]
    assert schema["amount"]["x-kubernetes-int-or-string"]
    assert fields.keyed_by("name").extra["x-kubernetes-list-map-keys"] == ["name"]
