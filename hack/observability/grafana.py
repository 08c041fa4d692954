"""Starts a real Grafana and Prometheus with our dashboards, where an engine may pull images, and asks each panel.

`python -m hack.observability.grafana up` leaves both running on loopback; `check` has Grafana run every query of every
dashboard and fails on an error; `down` ends both.
"""

import argparse
import base64
import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hack.commands import run
from hack.console import exit_code, say
from hack.failure import Failure
from hack.observability.dashboards import FOLDER
from hack.places import BUILD

GRAFANA, PROMETHEUS = "docker.io/grafana/grafana-oss:11.6.0", "docker.io/prom/prometheus:v3.5.0"
PORTS = {"grafana": 3000, "prometheus": 9090}
NAMES = {name: f"utilitarian-{name}" for name in PORTS}
STATE = BUILD / "grafana"
READY_WITHIN = 90.0  # seconds
LOGIN = base64.b64encode(b"admin:admin").decode()
VARIABLES = {"namespace": ".*", "fleet": ".*", "pool": ".*", "datasource": "utilitarian", "before": "1h"}


def up(target: str) -> None:
    """Start both; Prometheus scrapes the operator's metrics at `target`, HOST:PORT of this machine.

    Raises:
        Failure: an image can't be had, or one of them does not answer.
    """
    down()
    _configure(target)
    network = ("--network", "host", "--detach", "--rm")
    config = f"{STATE / 'prometheus.yml'}:/etc/prometheus/prometheus.yml:ro"
    remedy = "Does a Docker engine run, and may it pull images?"
    run("docker", "run", *network, "--name", NAMES["prometheus"], "--volume", config, PROMETHEUS, remedy=remedy)
    places = {
        STATE / "provisioning": "/etc/grafana/provisioning",
        FOLDER: "/var/lib/grafana/dashboards",
    }
    volumes = [word for here, there in places.items() for word in ("--volume", f"{here}:{there}:ro")]
    settings = ("--env", "GF_AUTH_ANONYMOUS_ENABLED=true", "--env", "GF_SERVER_HTTP_ADDR=127.0.0.1")
    run("docker", "run", *network, "--name", NAMES["grafana"], *settings, *volumes, GRAFANA, remedy=remedy)
    _wait()
    say(f"Grafana: http://127.0.0.1:{PORTS['grafana']}/d/utilitarian-fleet (Prometheus scrapes {target})")


def down() -> None:
    """End both, as far as they run."""
    for name in NAMES.values():
        run("docker", "rm", "--force", name)


def check() -> None:
    """Have Grafana run every query of every dashboard.

    Raises:
        Failure: a dashboard was not imported, or a query of a panel ended in an error; the message names them.
    """
    wrong = []
    for path in sorted(FOLDER.glob("*.json")):
        uid = path.stem
        board = _ask(f"/api/dashboards/uid/{uid}")["dashboard"]
        for title, expression in _queries(board):
            query = {"refId": "A", "expr": expression, "datasource": {"uid": "utilitarian"}, "range": True}
            answer = _ask("/api/ds/query", {"queries": [query], "from": "now-15m", "to": "now"})
            error = answer["results"]["A"].get("error")
            wrong += [f"{uid}: {title}: {error}"] if error else []
        say(f"{uid}: imported, {sum(1 for _ in _queries(board))} queries asked")
    if wrong:
        raise Failure("\n".join(wrong))


def _configure(target: str) -> None:
    provisioning = STATE / "provisioning"
    # JSON is YAML.
    scrape = {"job_name": "operator", "honor_labels": True, "static_configs": [{"targets": [target]}]}
    source = {"name": "Prometheus", "uid": "utilitarian", "type": "prometheus", "access": "proxy", "isDefault": True}
    files: dict[Path, Any] = {
        STATE / "prometheus.yml": {"global": {"scrape_interval": "5s"}, "scrape_configs": [scrape]},
        provisioning / "datasources/prometheus.yaml": {
            "apiVersion": 1,
            "datasources": [{**source, "url": f"http://127.0.0.1:{PORTS['prometheus']}"}],
        },
        provisioning / "dashboards/ours.yaml": {
            "apiVersion": 1,
            "providers": [{"name": "ours", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}}],
        },
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2))


def _queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            names = r"\$(namespace|fleet|pool|datasource|before)\b"
            yield panel["title"], re.sub(names, lambda found: VARIABLES[found[1]], target["expr"])


def _wait() -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            _ask("/api/dashboards/uid/utilitarian-fleet")
        except (OSError, Failure) as error:
            if time.monotonic() > deadline:
                raise Failure(f"Grafana did not answer within {READY_WITHIN:g} s: {error}") from error
            time.sleep(1.0)
        else:
            return


def _ask(path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    url = f"http://127.0.0.1:{PORTS['grafana']}{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        if path == "/api/ds/query":  # the error of a query comes with a status of its own
            found = json.loads(said)
            return found if "results" in found else {"results": {"A": {"error": said}}}
        raise Failure(f"{url}: HTTP {error.code}: {said[:300]}") from error


def main() -> int:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m hack.observability.grafana", description=__doc__)
    parser.add_argument("what", choices=["up", "check", "down"])
    parser.add_argument("--target", default="127.0.0.1:8080", help="HOST:PORT of the operator's metrics")
    asked = parser.parse_args()
    return exit_code({"up": lambda: up(asked.target), "check": check, "down": down}[asked.what])


if __name__ == "__main__":
    sys.exit(main())
