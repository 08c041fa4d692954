"""Which tests of a run are done by the same process, those that would else make the same thing twice, and when."""

from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

MEASURES = "tests/e2e/test_demo.py"
"""How fast a fleet wakes: nothing else runs beside these tests, and everything else after them."""


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out tests in the order of the run, and those together that need the same thing.

    The process with the tests that measure gets more at any time; the other processes wait until these are done.
    """

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Note that a test is done; the last of those that measure sets the other processes to work."""
        super().mark_test_complete(node, item_index, duration)
        if measures(self.registered_collections[node][item_index]):
            for other in self.nodes:
                # Two units, as at the start: a process begins a test when it knows the next.
                self._reschedule(other)
                self._reschedule(other)

    def schedule(self) -> None:
        """Hand out tests at the start, and to a process that takes the place of one that has ended."""
        super().schedule()
        self._give_each_its_next()

    def remove_node(self, node: WorkerController) -> str | None:
        """Give to others what a process that ended has not done; returns the test in which it ended, None if in none.

        That test is not played again: it would end the next process as well.
        """
        units = self.assigned_work[node]
        ended_in = next((nodeid for unit in units.values() for nodeid, done in unit.items() if not done), None)
        if ended_in is not None:
            units[shared(ended_in)][ended_in] = True
        for scope in [scope for scope, unit in units.items() if all(unit.values())]:
            del units[scope]
        super().remove_node(node)
        self._give_each_its_next()
        return ended_in

    def _give_each_its_next(self) -> None:
        # A process begins a test when it knows the next, or that there is none: with a single one it would wait for
        # ever, and only its own reports give it more.
        for node in self.nodes:
            if node in self.registered_collections and self._pending_of(self.assigned_work[node]) < 2:
                self._reschedule(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_measured_elsewhere(node):
            super()._assign_work_unit(node)

    def _is_measured_elsewhere(self, node: WorkerController) -> bool:
        return any(
            measures(nodeid) and not done
            for other, units in self.assigned_work.items()
            if other is not node
            for unit in units.values()
            for nodeid, done in unit.items()
        )

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)


def measures(nodeid: str) -> bool:
    """Whether a test wants the machine for itself; `nodeid` is pytest's name of it."""
    return nodeid.startswith(MEASURES)


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
