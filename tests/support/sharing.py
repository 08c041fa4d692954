"""Which tests of a run are done by the same process: those that would else make the same thing twice."""

from xdist.scheduler.loadscope import LoadScopeScheduling


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out tests in the order of the run, and those together that need the same thing."""

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)


def shared(nodeid: str) -> str:
    """What a test has in common with others: the one cluster, its module's fixtures, or nothing but itself.

    Args:
        nodeid: pytest's name of the test, which begins with the path of its file.
    """
    file, _, _ = nodeid.partition("::")
    if file.startswith("tests/e2e/"):
        return "tests/e2e"
    # The tests on a real broker share nothing by module, and take from a second to half a minute each.
    return nodeid if file.startswith("tests/integration/") else file
