"""Beat's liveness probe, run as the kubelet runs it, on a process that is not number 1; it judges nothing itself."""

import subprocess
import sys
from pathlib import Path

from utilitarian_operator.core.objects import beat_scripts


def alive(pid: int, note: Path, silent: float) -> bool:
    """Whether the probe leaves a process alone.

    Args:
        pid: in its container it is number 1.
        note: the probe's own file.
        silent: seconds without a sign that it allows; with 0 it asks for one since it was last run.
    """
    _, flag, script, *_ = beat_scripts.alive(str(note))
    script = script.replace("/proc/1/", f"/proc/{pid}/")
    return not subprocess.run([sys.executable, flag, script, note, str(silent)], check=False).returncode
