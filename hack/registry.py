"""Tells whether published images can be had, and pulls them; it makes none."""

import os

from hack import tools
from hack.commands import run
from hack.console import say, step
from hack.engine import Engine
from hack.failure import Failure

PINNED = tools.PINNED
# The node images that kind's release notes name for each minor version, by digest as they ask.
NODES = {
    PINNED: "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
    "1.33": "kindest/node:v1.33.4@sha256:25a6018e48dfcaee478f4a59af81157a437f15e6e140bf103f85a2e7cd0cbbf2",
    "1.32": "kindest/node:v1.32.8@sha256:abd489f042d2b644e2d033f5c2d900bc707798d075e8186cb65e3f1367a9d5a1",
    "1.31": "kindest/node:v1.31.12@sha256:0f5cc49c5e73c0c2bb6e2df56e7df189240d83cf94edfa30946482eb08ec57d2",
}
WANTED = os.environ.get("K8S") or PINNED
NODE = NODES.get(WANTED, "")
PYTHON = "python:3.11-slim"  # the same minor version as the base made from packages
RABBITMQ = "rabbitmq:3.13-management"
ALL = (NODE, PYTHON, RABBITMQ)
PULL_WITHIN = 900.0  # seconds


def serves(engine: Engine, fallback: str) -> bool:
    """Whether published images serve here: only on an engine that is not ours, if they are there or can be pulled.

    Where an earlier run had to make `fallback` instead, nothing is tried again.

    Raises:
        Failure: K8S asks for a version that there is no image for, or that only a published image has.
    """
    built = tools.versions()
    if not NODE and WANTED not in built:
        raise Failure(f"K8S={WANTED}: no node image is known for it; there are {', '.join(sorted({*NODES, *built}))}")
    own = not NODE or engine.private or engine.has_image(fallback)
    found = not own and (all(engine.has_image(image) for image in ALL) or _pulled(engine))
    if not found and WANTED not in built:
        why = "needs a published node image, and none can be pulled here"
        raise Failure(f"K8S={WANTED} {why}; what is built from its sources: {', '.join(built)}")
    return found


def _pulled(engine: Engine) -> bool:
    try:
        with step(f"pulling {', '.join(ALL)}"):
            for image in ALL:
                run("docker", "pull", "--quiet", image, env=engine.env, within=PULL_WITHIN)
    except Failure as refused:
        say(f"images can't be pulled, so they are made from packages here ({str(refused).splitlines()[-1].strip()})")
        return False
    return True
