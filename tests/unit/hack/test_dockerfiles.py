"""The two ways to the operator's image end in the same image, and fetch nothing whose hash is not known."""

import re

import pytest

from hack.places import ROOT

FILES = {name: (ROOT / "operator" / name).read_text() for name in ("Dockerfile", "source.Dockerfile")}


def last_stage(text: str) -> list[str]:
    """Its instructions, without what is copied from other stages."""
    lines = text[text.rindex("\nFROM ") :].splitlines()
    return [line for line in lines if line and not line.startswith(("#", "COPY --from="))]


def locked(name: str) -> dict[str, str]:
    """Each requirement of a file with its version and hashes."""
    text = (ROOT / "requirements" / name).read_text()
    return {
        found[1]: found[0].rstrip("\\ \n")
        for found in re.finditer(r"^([\w-]+)==[^\n]*\n(?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n)+", text, re.MULTILINE)
    }


def test_both_end_in_the_same_image() -> None:
    one, other = map(last_stage, FILES.values())
    assert one == other


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_base_is_an_argument_so_that_it_can_be_a_digest(text: str) -> None:
    assert text.count("\nARG BASE=python:3.11-slim\n") == 1
    from_elsewhere = re.findall(r"^FROM (?!\$\{BASE\}|dependencies )", text, re.MULTILINE)
    assert from_elsewhere == []


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_whatever_is_fetched_is_checked_by_its_hash(text: str) -> None:
    steps = re.findall(r"pip (?:--python \S+ )?install (.*?)(?: &&|$)", text.replace("\\\n", ""), re.MULTILINE)
    assert len(steps) >= 2
    assert [it for it in steps if "--require-hashes" not in it and "--no-index" not in it] == []


def test_what_builds_the_wheel_is_what_the_project_is_developed_with() -> None:
    build, dev = locked("build.txt"), locked("dev.txt")
    assert build.items() <= dev.items()
    assert "hatchling" in build


def test_what_is_copied_from_the_sources_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", FILES["source.Dockerfile"], re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert len(names) == 7
    assert [name for name in names if not (ROOT / name).exists()] == []
