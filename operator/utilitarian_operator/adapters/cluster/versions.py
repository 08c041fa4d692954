"""Which of two bodies is the newer one, and whether both are of one object."""

from utilitarian_operator.api.objects import Object


def version(body: Object) -> int:
    """The object's resourceVersion as a number, to tell the newer of two (official from 1.35, so with etcd always)."""
    return int(body["metadata"].get("resourceVersion", 0))


def life(body: Object) -> tuple[object, bool]:
    """Which object of its name it is, and whether it is about to go."""
    return body["metadata"].get("uid"), "deletionTimestamp" in body["metadata"]


def is_successor(body: Object, gone: Object) -> bool:
    """Whether an object was made after another one of its name had gone."""
    return body["metadata"].get("uid") != gone["metadata"].get("uid") and version(body) > version(gone)
