"""What `make grafana` asks of a real Grafana: each query of each dashboard, with no variable of ours left in it."""

import re

import pytest

from hack.observability import grafana
from hack.observability.dashboards import boards


@pytest.mark.parametrize("uid, board", boards().items(), ids=boards())
def test_each_query_is_asked_with_its_variables_filled_in(uid: str, board: dict[str, object]) -> None:
    asked = list(grafana._queries(board))
    assert len(asked) > 10, uid
    left = {name for _, expression in asked for name in re.findall(r"\$\w+", expression)}
    assert left <= {"$__rate_interval", "$__range"}  # Grafana's own
