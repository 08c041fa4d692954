from datetime import UTC, datetime, timedelta
from typing import Any

from utilitarian_operator.core.objects.drift import AGAIN_AFTER, applied, drifted

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MANAGED = [{"manager": "utilitarian-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]
PERSON = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}]


def live(name: str = "fleet-a", **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": {"metadata": {}}}}


def test_an_object_has_drifted_when_a_field_of_ours_was_taken_over() -> None:
    there, changed = live(managedFields=MANAGED), live(managedFields=PERSON)
    last = applied(there, NOW)
    assert drifted(there, None, NOW)
    assert not drifted(there, last, NOW + timedelta(days=1))
    assert not drifted(changed, last, NOW)
    assert drifted(changed, last, NOW + AGAIN_AFTER)
