"""YAML is read as the API server reads it."""

from typing import Any

import pytest
import yaml

from utilitarian_operator.api.strict_yaml import DEEPEST, StrictLoader, why_no_yaml


def read(text: str) -> Any:
    return yaml.load(text, Loader=StrictLoader)  # noqa: S506 - it is a safe one


@pytest.mark.parametrize(
    "text,value",
    [
        ("at: 2026-11-23", {"at": "2026-11-23"}),
        ("at: 2026-13-01T99:00:00Z", {"at": "2026-13-01T99:00:00Z"}),
        ("{a: 1, b: {a: 1}}", {"a": 1, "b": {"a": 1}}),
        ("[true, null, 1.5, text]", [True, None, 1.5, "text"]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
    ids=["a date is text", "no date is text", "the same key in another part", "scalars", "an anchor"],
)
def test_what_is_read(text: str, value: object) -> None:
    assert read(text) == value


ALIASES = "a0: &a0 [x]\n" + "".join(f"a{it}: &a{it} [*a{it - 1}, *a{it - 1}]\n" for it in range(1, 40))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{it}: &a{it} [*a{it - 1}]\n" for it in range(1, 200))


@pytest.mark.parametrize(
    "text,says",
    [
        pytest.param("a: 1\nb: 2\na: 3", "a stands there twice", id="a key twice"),
        pytest.param("a: {b: 1, b: 2}", "b stands there twice", id="a key twice within"),
        pytest.param("a: !!int soon", "this is no int", id="a tag that does not fit"),
        pytest.param("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "parts within each other", id="too deep"),
        pytest.param("a: &a [*a]", "a part stands within itself", id="within itself"),
        pytest.param("a: &a {<<: *a}", "a part stands within itself", id="merged into itself"),
        pytest.param(ALIASES, "its aliases make more than 100000 parts", id="many by aliases"),
        pytest.param(CHAIN, "more than 100 parts within each other", id="too deep by aliases"),
        pytest.param("a: !!python/object:os.system {}", "could not determine a constructor", id="an object of Python"),
        pytest.param("a: [", "expected the node content", id="no YAML"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(yaml.YAMLError, match=says):
        read(text)


@pytest.mark.parametrize(
    "text,says",
    [
        pytest.param("a: 1\nb: 2\na: 3", "a stands there twice at line 3, column 1", id="a key twice"),
        pytest.param('a: "\\geheim"', "found unknown escape character … at line 1, column 6", id="an escape"),
        pytest.param("a: *geheim", "found undefined alias … at line 1, column 4", id="an alias"),
        pytest.param('a: "geheim', "found unexpected end of stream at line 1, column 11", id="cut off"),
        pytest.param("a: geheim: b", "mapping values are not allowed here at line 1, column 10", id="a colon"),
        pytest.param(
            "a: !!geheim b", "could not determine a constructor for the tag … at line 1, column 4", id="a tag"
        ),
        pytest.param("a: geh\0eim", "special characters are not allowed", id="no text"),
    ],
)
def test_what_is_wrong_is_said_without_the_text(text: str, says: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        read(text)
    assert why_no_yaml(refused.value) == says


def test_aliases_are_read_for_what_they_stand_for() -> None:
    assert read("a: &a [1]\nb: [*a, *a]\nc: {<<: &m {d: *a}, e: 2}") == {
        "a": [1],
        "b": [[1], [1]],
        "c": {"d": [1], "e": 2},
    }


def test_an_anchor_of_one_document_is_not_that_of_the_next() -> None:
    assert list(yaml.load_all("&a [1]\n---\n[&a 2, *a]", StrictLoader)) == [[1], [2, 2]]
    with pytest.raises(yaml.YAMLError, match="within itself"):
        list(yaml.load_all("&a [1]\n---\n&a [*a]", StrictLoader))


def test_a_long_list_is_not_deep() -> None:
    assert len(read("[" + "{a: 1}," * 10 * DEEPEST + "]")) == 10 * DEEPEST


def test_keys_that_are_no_text_are_read_as_kubectl_reads_them() -> None:
    text = "{2: a, 1.5: b, true: c, off: d, 2026-01-01: e, x: f}"
    assert read(text) == {"2": "a", "1.5": "b", "true": "c", "false": "d", "2026-01-01": "e", "x": "f"}


@pytest.mark.parametrize(
    "text,said",
    [
        pytest.param("{null: 1}", "a key is no text", id="null"),
        pytest.param("{? [a] : 1}", "unhashable key", id="a-list"),
        pytest.param("{a: !!binary aGVsbG8=}", "JSON has no such value", id="bytes"),
        pytest.param("{a: !!set {b, c}}", "JSON has no such value", id="a-set"),
        pytest.param("{a: !!timestamp 2026-01-01}", "JSON has no such value", id="a-date"),
        pytest.param("{a: !!timestamp 2026-01-01T00:00:00Z}", "JSON has no such value", id="a-moment"),
        pytest.param("{a: [.nan]}", "JSON has no such value", id="no-number"),
        pytest.param("{a: -.inf}", "JSON has no such value", id="endless"),
    ],
)
def test_what_json_does_not_have_is_refused(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        read(text)
    assert said in why_no_yaml(refused.value)
