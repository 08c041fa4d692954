"""Starts a real Prometheus on loopback, scraping the targets given, asks it, and runs promtool; it knows no metric."""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.http import request_json
from tests.support.ports import free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

STARTS_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True)
class Sample:
    """One series of an answer: its labels and its value, which may be NaN."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """One series of an answer over time: Unix seconds and values, which may be NaN."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Prometheus:
    """One Prometheus process with a storage of its own; use it as a context manager, or `start` and `stop`."""

    def __init__(
        self,
        targets: Sequence[str],
        *,
        folder: Path,
        path: str = "/metrics",
        scrape_every: timedelta = timedelta(seconds=1),
        rules: Path | None = None,
    ) -> None:
        """`targets` are `host:port` that answer `path`; configuration, data and log go to `folder`.

        `rules` is a file of alerts and recording rules, asked as often as is scraped.

        Raises:
            FileNotFoundError: no `prometheus` is installed.
        """
        program = installed("prometheus")
        self.targets = tuple(targets)
        self.url = f"http://127.0.0.1:{free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps(_configuration(self.targets, path, scrape_every, rules)))
        self.process = Process(
            "prometheus",
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--log.level=warn",
            ],
            log=folder / "prometheus.log",
        )

    def start(self) -> Self:
        """Starts the process and waits until it answers.

        Raises:
            ProcessEndedError: it ended, as with a port that is in use.
            NotInTimeError: it doesn't answer.
        """
        self.process.start()
        self.process.wait_ready(
            lambda: request_json("GET", f"{self.url}/-/ready"), within=STARTS_WITHIN, ignoring=(OSError, AssertionError)
        )
        return self

    def stop(self) -> None:
        """Ends the process by its pid."""
        self.process.stop()

    def query(self, expression: str) -> list[Sample]:
        """What an instant query answers now: one sample a series, a scalar as a sample without labels.

        Raises:
            HttpError: the expression is wrong; the message holds what Prometheus says about it.
        """
        return _samples(self._ask("query", query=expression))

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """What a query answers at each moment from `start` to `end` (Unix seconds), `step` seconds apart.

        Raises:
            HttpError: the expression is wrong; the message holds what Prometheus says about it.
        """
        asked = {"query": expression, "start": f"{start}", "end": f"{end}", "step": f"{step}"}
        found = self._ask("query_range", **asked)["result"]
        return [Series(it["metric"], [(float(at), _number(value)) for at, value in it["values"]]) for it in found]

    def all_series(self, names: str, start: float, end: float) -> list[Mapping[str, str]]:
        """The labels of all series with such names, a regular expression, that were there at some time."""
        match = f'{{__name__=~"{names}"}}'
        found: list[Mapping[str, str]] = self._ask("series", **{"match[]": match, "start": f"{start}", "end": f"{end}"})
        return found

    def alerts(self) -> list[tuple[str, str]]:
        """Name and state of each alert that fires, or is about to."""
        return [(it["labels"]["alertname"], it["state"]) for it in self._ask("alerts")["alerts"]]

    def rules(self) -> list[Mapping[str, Any]]:
        """All rules, each with its health and the last error."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def wait_scraped(self, *, times: int = 1, within: timedelta = STARTS_WITHIN) -> None:
        """Waits until every target has been scraped `times` times or more.

        Raises:
            NotInTimeError: a target doesn't answer; the message says which, and with what error.
        """

        def scraped() -> bool:
            counts = [sample.value for sample in self.query("count_over_time(up[1h])") if self._is_target(sample)]
            return len(counts) == len(self.targets) and min(counts) >= times and self._all_up()

        wait_until(scraped, within=within, describe=self.target_states)

    def target_states(self) -> list[str]:
        """A line for each target: address, health and the last error."""
        found = self._ask("targets", state="active")["activeTargets"]
        return [f"{target['scrapeUrl']} {target['health']} {target['lastError']}".strip() for target in found]

    def _all_up(self) -> bool:
        return all(sample.value == 1 for sample in self.query("up") if self._is_target(sample))

    def _is_target(self, sample: Sample) -> bool:
        return sample.labels.get("instance") in self.targets

    def _ask(self, what: str, **parameters: str) -> Any:
        return request_json("GET", f"{self.url}/api/v1/{what}?{urlencode(parameters)}")["data"]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def promtool(*arguments: str | Path, reads: str | None = None) -> str:
    """What `promtool ARGUMENTS` prints, reading a text where one is given.

    Raises:
        AssertionError: it failed; the message is what it said.
        FileNotFoundError: it is not installed.
    """
    command = [installed("promtool"), *arguments]
    rare = os.environ | {"GOGC": "400"}  # it collects garbage a quarter as often
    done = subprocess.run(command, input=reads, capture_output=True, text=True, check=False, timeout=300, env=rare)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def installed(program: str) -> str:
    """The path of `prometheus` or `promtool`.

    Raises:
        FileNotFoundError: it is not on the PATH.
    """
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"{program} is not on the PATH; it is in Debian's package prometheus")
    return found


def _configuration(targets: Sequence[str], path: str, scrape_every: timedelta, rules: Path | None) -> Mapping[str, Any]:
    interval = f"{scrape_every // timedelta(milliseconds=1)}ms"
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(rules)] if rules else [],
        "scrape_configs": [
            # As the chart's monitors do: the label "namespace" of a series is the fleet's.
            {
                "job_name": "operator",
                "honor_labels": True,
                "metrics_path": path,
                "static_configs": [{"targets": list(targets)}],
            }
        ],
    }


def _samples(data: Mapping[str, Any]) -> list[Sample]:
    if data["resultType"] == "scalar":
        return [Sample({}, _number(data["result"][1]))]
    return [Sample(series["metric"], _number(series["value"][1])) for series in data["result"]]


def _number(text: str) -> float:
    return math.nan if text == "NaN" else float(text)
