"""What a piece of work takes of memory and of the event loop, measured in a process of its own."""

import asyncio
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVER_WITHIN_S = 300.0
TICK_S = 0.005


@dataclass(frozen=True)
class Taken:
    """What it took.

    Args:
        grown_mib: memory at its peak, beyond what the process had before (`VmHWM` and `VmRSS` of Linux).
        stall_s: the longest time for which the event loop came to nothing else, in seconds of the process' own work:
            what else the machine does is no fault of it.
        cpu_s: of the processor, all threads together.
        said: what the work returned.
    """

    grown_mib: float
    stall_s: float
    cpu_s: float
    said: str


def taken(work: str, *arguments: str) -> Taken:
    """What it takes to run `MODULE:FUNCTION`, which is async, takes texts and returns one."""
    command = [sys.executable, "-m", __name__, work, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=OVER_WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr
    return Taken(**json.loads(done.stdout))


def _mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


async def _measured(work: Callable[..., Awaitable[str]], arguments: list[str]) -> Taken:
    longest, over = 0.0, False

    async def tick() -> None:
        nonlocal longest
        while not over:
            before = time.process_time()
            await asyncio.sleep(TICK_S)
            longest = max(longest, time.process_time() - before)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(TICK_S)
    before, begun, longest = _mib("VmRSS"), time.process_time(), 0.0
    said = await work(*arguments)
    over = True
    await ticking
    return Taken(round(_mib("VmHWM") - before, 1), round(longest, 3), round(time.process_time() - begun, 2), said)


if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(":")
    work = getattr(importlib.import_module(module), function)
    sys.stdout.write(json.dumps(asdict(asyncio.run(_measured(work, sys.argv[2:])))))
