"""Names on live objects, which an upgrade may not change."""

from utilitarian_operator.core import labels


def test_what_stands_on_live_objects_keeps_its_name() -> None:
    assert labels.node_name("fleet-amr-1") == "celery@fleet-amr-1"
    assert {labels.POOL_LABEL, labels.TEMPLATE_HASH, labels.CONSUMING, labels.DRAINING, labels.CONFIG_CHECKSUM} == {
        f"utilitarian.io/{name}" for name in ("pool", "applied", "consuming", "draining", "config-checksum")
    }
    assert (labels.MOUNTS_CHECKSUM, labels.MOUNTS) == ("utilitarian.io/mounts-checksum", "utilitarian.io/mounts")
    assert labels.ENVIRONMENT == "utilitarian.io/environment"
    assert (labels.DELETION_COST, int(labels.CHEAPEST)) == ("controller.kubernetes.io/pod-deletion-cost", -(2**31))
