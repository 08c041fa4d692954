"""The machine that a measurement runs on, as the first line of what the measurement prints."""

import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ADDED = 10_000_000
GIB = 1024**3


def machine(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """What is measured, when, by which command, and on what.

    Args:
        arguments: of the command, its module's file first; None is those of this process.
    """
    file, *rest = sys.argv if arguments is None else arguments
    name = Path(file).stem
    return {
        "bench": "machine",
        "of": name,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": " ".join(("build/venv/bin/python -m", f"bench.{name}", *rest)),
        "cores": os.cpu_count(),
        "processor": _after("/proc/cpuinfo", "model name", ":") or platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB),
        "system": _after("/etc/os-release", "PRETTY_NAME", "=").strip('"') or platform.system(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "loop_s": _loop_s(),
        "load": round(os.getloadavg()[0], 1),
    }


def _loop_s() -> float:
    """Seconds for ten million additions in a plain loop: how fast a core is beside what else the machine does."""
    begun, total = time.perf_counter(), 0
    for number in range(ADDED):
        total += number
    return round(time.perf_counter() - begun, 2)


def _after(file: str, name: str, sign: str) -> str:
    """The rest of a file's first line that begins with a name; nothing where there is none."""
    path = Path(file)
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(sign)[2].strip() for line in lines if line.startswith(name)), "")
