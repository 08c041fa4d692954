"""Any text of an object is the same when it was read as YAML."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.cluster.yaml_body import as_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(text=TEXTS)
def test_a_text_is_read_as_it_was(text: str) -> None:
    assert yaml.safe_load(as_yaml({"said": text})) == {"said": text}


@given(text=st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_what_needs_no_more_is_json(text: str) -> None:
    assert json.loads(as_yaml({"said": text})) == {"said": text}


@pytest.mark.parametrize(
    "text, written",
    [
        pytest.param("💡", r'"\U0001f4a1"', id="above"),
        pytest.param("\\ud83d\\udca1", r'"\\ud83d\\udca1"', id="only looks so"),
        pytest.param("\\💡", r'"\\\U0001f4a1"', id="behind a backslash"),
        pytest.param("\x85", r'"\u0085"', id="a control character"),
    ],
)
def test_it_is_written_by_its_number(text: str, written: str) -> None:
    assert as_yaml({"said": text}) == f'{{"said": {written}}}'
