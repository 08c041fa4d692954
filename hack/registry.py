"""Tells whether published images can be had, and pulls them; it makes none."""

from hack.commands import run
from hack.console import say, step
from hack.engine import Engine
from hack.failure import Failure

# The node image that kind's release notes name for this minor version, by digest as they ask.
NODE = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
PYTHON = "python:3.11-slim"  # the same minor version as the base made from packages
RABBITMQ = "rabbitmq:3.13-management"
ALL = (NODE, PYTHON, RABBITMQ)
PULL_WITHIN = 900.0  # seconds


def serves(engine: Engine, fallback: str) -> bool:
    """Whether published images serve here: only on an engine that is not ours, if they are there or can be pulled.

    Where an earlier run had to make `fallback` instead, nothing is tried again.
    """
    if engine.private or engine.has_image(fallback):
        return False
    return all(engine.has_image(image) for image in ALL) or _pulled(engine)


def _pulled(engine: Engine) -> bool:
    try:
        with step(f"pulling {', '.join(ALL)}"):
            for image in ALL:
                run("docker", "pull", "--quiet", image, env=engine.env, within=PULL_WITHIN)
    except Failure as refused:
        say(f"images can't be pulled, so they are made from packages here ({str(refused).splitlines()[-1].strip()})")
        return False
    return True
