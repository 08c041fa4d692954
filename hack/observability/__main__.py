"""`python -m hack.observability` writes all that is made from code for those who look at the operator."""

import sys

from hack.console import exit_code, say
from hack.observability import dashboards, metrics_table
from hack.places import ROOT, replace_file


def write() -> None:
    """Write each file anew."""
    for place, text in {metrics_table.PAGE: metrics_table.page(), **dashboards.files()}.items():
        replace_file(place, text)
        say(f"wrote {place.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(exit_code(write))
