"""Runs the demonstration on the test bed that is up, cleans up after it, and ends with a report and its verdict."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence

from demo.bed import DemoError, read_bed
from demo.report import Report, wording
from demo.scenario import TASKS, Scenario
from demo.table import Display, display

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 only if every task finished exactly once, beat was seen at work and the fleet is back at zero."""
    asked = _parser().parse_args(arguments)
    # A signal from outside gets the same cleaning up as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with display() as shown:
            report = _demonstrate(asked, shown)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    print("", *wording(report), sep="\n")
    return 1 if report.failures else 0


def _demonstrate(asked: argparse.Namespace, shown: Display) -> Report:
    scenario = Scenario(read_bed(), asked.namespace, tasks=asked.tasks, show=shown.show, phase=shown.phase)
    try:
        report = scenario.run()
    except BaseException:
        # What went wrong is the news, not that the cluster can't be tidied either.
        with contextlib.suppress(DemoError):
            _leave(scenario, asked, shown)
        raise
    _leave(scenario, asked, shown)
    return report


def _leave(scenario: Scenario, asked: argparse.Namespace, shown: Display) -> None:
    if asked.keep:
        shown.phase(f"kept: the namespace {asked.namespace}; the next demonstration deletes it")
    else:
        shown.phase(f"deleting the namespace {asked.namespace}")
        scenario.clean_up()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS, help=f"how many to send (default {TASKS})")
    parser.add_argument(
        "--namespace",
        default="utilitarian-demo",
        help="made for the demonstration, and deleted with all that is in it, before and after",
    )
    parser.add_argument("--keep", action="store_true", help="leave the namespace and the queues as they are at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
