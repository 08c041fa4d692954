"""The names of the objects made for a fleet, and the rule that keeps them within Kubernetes' limits."""

import re

DNS_LABEL_PATTERN = "^[a-z]([-a-z0-9]*[a-z0-9])?$"

LONGEST_PAIR = 45
"""Characters that fleet and pool may have together: `NAME-POOL` and a Pod's suffixes must fit a label (63)."""

FLEETS_LEASE = "utilitarian-fleets"
"""The Lease, in each namespace that has fleets, of the operator that works on them."""

SALT = "utilitarian-operator-salt"
"""The Secret with the salt of checksums, in the operator's own namespace."""

BEAT = "beat"
"""Taken by beat's own objects, so no pool may be called so."""


def pool_object(fleet: str, pool: str) -> str:
    """Name of a pool's Deployment and PodDisruptionBudget."""
    return f"{fleet}-{pool}"


def beat_object(fleet: str) -> str:
    """Name of beat's StatefulSet and of its volume claim."""
    return f"{fleet}-{BEAT}"


def fits(fleet: str, pool: str) -> bool:
    """Whether names made of both are short enough for every object made from them."""
    return len(fleet) + len(pool) <= LONGEST_PAIR


def is_label(name: str) -> bool:
    """Whether a name may become part of other names: a DNS label that begins with a letter."""
    return re.fullmatch(DNS_LABEL_PATTERN.removesuffix("$"), name) is not None
