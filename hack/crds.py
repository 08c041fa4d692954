"""Writes the CRD file and the chart's copy from the models; it holds no schema of its own. Runs in build/venv."""

import sys

from hack.commands import run
from hack.console import exit_code, say
from hack.places import ROOT, replace_file

FILE = "utilitarianworkerpools.yaml"
PLACES = (ROOT / "crds" / FILE, ROOT / "charts/utilitarian-operator/files/crds" / FILE)


def write() -> None:
    """Print the CRD by the models' own generator into both places."""
    text = run(sys.executable, "-m", "utilitarian_operator.api.generated.crd")
    for place in PLACES:
        replace_file(place, text)
        say(f"wrote {place.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(exit_code(write))
