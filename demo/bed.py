"""Says where the test bed is, as `make up` left it in build/testbed.json; it starts and stops nothing."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / "build" / "testbed.json"


class DemoError(Exception):
    """What a person sees instead of a traceback: what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Bed:
    """Addresses of the test bed.

    Args:
        kubeconfig: of the cluster.
        context: in that file.
        amqp_url: of the broker for this machine, with user and password.
        management_url: of its management API, likewise.
        cluster_amqp_url: of the broker for pods.
        worker_image: of the reference application.
    """

    kubeconfig: str
    context: str
    amqp_url: str
    management_url: str
    cluster_amqp_url: str
    worker_image: str


def read_bed(state: Path = STATE) -> Bed:
    """The test bed that is up.

    Raises:
        DemoError: there is none, or its file can't be read.
    """
    try:
        content = json.loads(state.read_text())
        return Bed(**{field.name: content[field.name] for field in fields(Bed)})
    except FileNotFoundError:
        raise DemoError(f"there is no cluster to show anything on ({state} is missing): run `make up`") from None
    except (OSError, ValueError, KeyError) as error:
        raise DemoError(f"{state} can't be used ({error!r}): run `make down`, then `make up`") from error
