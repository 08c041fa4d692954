"""When the claim for beat's volume must be made, and for how many pods."""

from collections.abc import Sequence

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.actions import Action, Create
from utilitarian_operator.core.objects.manifests import READ_WRITE_ONCE, READ_WRITE_ONCE_POD, beat_claim
from utilitarian_operator.core.objects.wanted import Wanted
from utilitarian_operator.core.observation.beat import BeatReadings


def claims(owner: Owner, fleet: Fleet, read: BeatReadings, *, made: bool) -> list[tuple[Wanted, Action]]:
    """The claim, where it must be made: once, and again if it is gone; it outlives the resource and is left alone.

    Args:
        owner: the resource.
        fleet: what runs.
        read: of beat.
        made: whether it was made, or found, since the operator began.
    """
    if not fleet.beat.enabled or (made and not read.claim_is_gone):
        return []
    manifest = beat_claim(owner, fleet, access_mode(fleet, read.storage_classes, read.csi_drivers))
    return [(Wanted(manifest, "spec.beat.storage"), Create(manifest))] if manifest else []


def access_mode(fleet: Fleet, classes: Sequence[ReadOnlyObject], drivers: Sequence[ReadOnlyObject]) -> str:
    """Of a claim that is made: for one pod alone where a CSI driver serves the storage class, if one may see that.

    Kubernetes has ReadWriteOncePod for CSI drivers alone.

    Args:
        fleet: what runs.
        classes: of storage; empty where they may not be seen.
        drivers: of CSI.
    """
    wanted = fleet.beat.storage.storage_class_name
    fits = [it for it in classes if (it["metadata"]["name"] == wanted if wanted else _is_default(it))]
    names = {it["metadata"]["name"] for it in drivers}
    return READ_WRITE_ONCE_POD if fits and all(it["provisioner"] in names for it in fits) else READ_WRITE_ONCE


def _is_default(storage_class: ReadOnlyObject) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return annotations.get("storageclass.kubernetes.io/is-default-class") == "true"
