"""What a measurement says of the machine that it ran on."""

import re

import pytest

from bench.machine import machine


@pytest.mark.thorough
def test_it_says_what_was_measured_by_which_command_and_on_what() -> None:
    found = machine(["/anywhere/bench/day.py", "--minutes", "3"])
    assert (found["bench"], found["of"]) == ("machine", "day")
    assert found["command"] == "build/venv/bin/python -m bench.day --minutes 3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert found["cores"] >= 1
    assert found["memory_gib"] >= 1
    assert found["loop_s"] > 0
    assert all(found[name] for name in ("processor", "system", "kernel", "python"))
