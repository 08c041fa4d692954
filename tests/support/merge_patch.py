"""What an object is after a merge patch."""

from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    kept = target if isinstance(target, dict) else {}
    found = {**kept, **{key: merged(kept.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in found.items() if patch.get(key, value) is not None}
