"""A Lease and its fences on a cluster in memory: late answers, clocks that jump, and others who take it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocked_cluster import Machine, cluster_of
from tests.support.examples import examples
from utilitarian_operator.adapters.cluster.client import ClusterClient
from utilitarian_operator.adapters.cluster.fake import FakeCluster
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.errors import ClusterError, Gone, LeadershipLost, LeaseUnsure, Rejected
from utilitarian_operator.host.leadership import TERMS, Leadership
from utilitarian_operator.host.lease import LONGEST_NAME, LONGEST_S, Lease, Terms
from utilitarian_operator.host.salt import salt_in

NAMESPACE, NAME = "utilitarian-system", "uo"


def lease(cluster: FakeCluster, machine: Machine, holder: str) -> Lease:
    return Lease(cluster.by(holder), NAMESPACE, NAME, holder, TERMS, machine.seconds)


@pytest.mark.parametrize(
    "late_s, left_s",
    [(0.0, 5.0), (1.5, 3.5), (6.0, -1.0), (22.0, -17.0)],
    ids=["at once", "a little late", "later than it lasts", "much later"],
)
async def test_it_lasts_from_before_the_request_was_sent(late_s: float, left_s: float) -> None:
    machine = Machine()
    held = lease(cluster_of(machine), machine, "one")
    await held.attempt()
    machine.late_s = iter([late_s])
    await held.attempt()
    assert held.left_s == pytest.approx(left_s)


async def test_a_machine_that_was_suspended_does_not_write_when_it_wakes() -> None:
    machine = Machine()
    held = lease(cluster_of(machine), machine, "one")
    await held.attempt()
    machine.now += 3600.0
    assert held.left_s <= 0


async def test_the_wall_clock_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = lease(cluster, machine, "one"), lease(cluster, machine, "two")
    await first.attempt()
    set_back = datetime(2001, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("utilitarian_operator.host.lease.utc_now", lambda: set_back)
    machine.now += TERMS.duration_s
    assert first.left_s <= 0
    await second.attempt()
    assert second.left_s <= 0, "it may be taken only after it was watched for its whole length"
    machine.now += TERMS.duration_s
    await second.attempt()
    assert second.left_s > 0


async def test_it_is_given_back_only_if_no_other_has_written_it() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = lease(cluster, machine, "one"), lease(cluster, machine, "two")
    await first.attempt()
    live = await cluster.read("Lease", NAMESPACE, NAME)
    await cluster.patch(live, {"spec": {"holderIdentity": "two"}})
    await first.give_back()
    assert (await cluster.read("Lease", NAMESPACE, NAME))["spec"]["holderIdentity"] == "two"
    await second.attempt()
    assert second.left_s > 0
    await second.give_back()
    assert "holderIdentity" not in (await cluster.read("Lease", NAMESPACE, NAME))["spec"]
    await first.attempt()
    assert first.left_s > 0


class Deaf(FakeCluster):
    """Where answers are lost, its writes are carried out, or come to nothing."""

    def __init__(self, *, carried_out: bool = True) -> None:
        super().__init__()
        self.carried_out, self.lost = carried_out, False

    async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
        found = await super().patch(live, change, subresource) if self.carried_out or not self.lost else {}
        if self.lost:
            raise ClusterError("no answer")
        return found


@pytest.mark.parametrize("carried_out", [True, False], ids=["it was carried out", "it came to nothing"])
async def test_it_is_given_back_although_the_answer_to_the_last_renewal_was_lost(*, carried_out: bool) -> None:
    """Else who comes next waits for its whole length."""
    machine, cluster = Machine(), Deaf(carried_out=carried_out)
    first, second = (Lease(cluster, NAMESPACE, NAME, who, TERMS, machine.seconds) for who in ("one", "two"))
    await first.attempt()
    cluster.lost = True
    await first.attempt()
    assert first.failure == "no answer"
    cluster.lost = False
    await first.give_back()
    await second.attempt()
    assert (first.left_s > 0, second.left_s > 0) == (False, True)


async def test_what_the_next_replica_of_the_same_operator_holds_is_not_given_back_by_the_one_before() -> None:
    """The fleets' Lease names the operator: by that alone it would be taken for this one's."""
    machine, cluster = Machine(), Deaf()
    first, second = (Lease(cluster, NAMESPACE, NAME, "system/uo", TERMS, machine.seconds) for _ in range(2))
    await first.attempt()
    cluster.lost = True
    await first.attempt()
    cluster.lost = False
    await second.attempt()
    await first.give_back()
    live = await cluster.read("Lease", NAMESPACE, NAME)
    assert (live["spec"]["holderIdentity"], second.left_s > 0) == ("system/uo", True)


async def test_one_that_is_given_back_while_it_is_asked_for_is_taken_at_once() -> None:
    """As when a leader ends while the next replica begins: the fleets' Lease names the operator, not the replica."""

    class Meanwhile(FakeCluster):
        async def patch(self, live: ReadOnlyObject, change: ReadOnlyObject, subresource: str = "") -> Object:
            if change["spec"]["holderIdentity"] is not None and not first.left_s <= 0:
                await first.give_back()
            return await super().patch(live, change, subresource)

    machine = Machine()
    cluster = Meanwhile()
    first, second = (Lease(cluster, NAMESPACE, NAME, "system/uo", TERMS, machine.seconds) for _ in range(2))
    await first.attempt()
    await second.attempt()
    assert first.left_s <= 0
    assert second.left_s > 0
    assert [it.verb for it in cluster.requests][-4:] == ["patch", "patch", "read", "patch"]


async def test_an_outage_loses_nothing_and_writes_nothing() -> None:
    machine = Machine()
    leadership = Leadership(cluster_of(machine), NAMESPACE, NAME, "one", seconds=machine.seconds, sleep=asyncio.sleep)
    held = leadership._lease
    await held.attempt()
    machine.down = True
    for _ in range(120):
        machine.now += 1.0
        await held.attempt()
    with pytest.raises(LeaseUnsure, match="503"):
        leadership.check()
    assert not leadership.lost
    machine.down = False
    await held.attempt()
    assert leadership.check() == pytest.approx(5.0)


@pytest.mark.parametrize("between", ["another leads", "another led and gave it back", "it was deleted"])
async def test_who_was_followed_by_another_is_lost_for_good(between: str) -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    leadership = Leadership(cluster, NAMESPACE, NAME, "one", seconds=machine.seconds)
    await leadership._lease.attempt()
    live = await cluster.read("Lease", NAMESPACE, NAME)
    match between:
        case "another leads":
            await cluster.patch(live, {"spec": {"holderIdentity": "two"}})
        case "another led and gave it back":
            await cluster.patch(live, {"spec": {"holderIdentity": None}})
        case _:
            await cluster.delete(live)
    await leadership._lease.attempt()  # finds that the version it knows is gone
    await leadership._lease.attempt()
    assert leadership.lost
    with pytest.raises(LeadershipLost):
        leadership.check()


class _Unheard:
    """A cluster of which the answers to writes are lost, after their effect, while `lost` is set."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster, self.lost = cluster, True

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            answer = await getattr(self._cluster, name)(*arguments)
            if self.lost and name in {"create", "patch"}:
                raise ClusterError("connection reset")
            return answer

        return call


async def _led(cluster: FakeCluster, machine: Machine, holder: str) -> None:
    other = lease(cluster, machine, holder)
    await other.attempt()
    assert other.left_s > 0
    await other.give_back()


@pytest.mark.parametrize("there", [False, True], ids=["made", "taken"])
async def test_it_leads_although_the_answer_that_said_so_was_lost(*, there: bool) -> None:
    """It renewed a Lease for ever that it believed not to hold, and nobody wrote."""
    machine = Machine()
    cluster = cluster_of(machine)
    if there:
        await _led(cluster, machine, "two")
    unheard: Any = _Unheard(cluster)
    leadership = Leadership(unheard, NAMESPACE, NAME, "one", seconds=machine.seconds)
    await leadership._lease.attempt()
    unheard.lost = False
    await leadership._lease.attempt()
    assert leadership.check() > 0
    assert not leadership.lost


async def test_who_was_followed_by_another_is_lost_although_the_answer_that_said_so_was_lost() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    unheard: Any = _Unheard(cluster)
    unheard.lost = False
    leadership = Leadership(unheard, NAMESPACE, NAME, "one", seconds=machine.seconds)
    await leadership._lease.attempt()
    live = await cluster.read("Lease", NAMESPACE, NAME)
    await cluster.patch(live, {"spec": {"holderIdentity": None}})
    await _led(cluster, machine, "two")
    machine.now += TERMS.duration_s
    unheard.lost = True
    await leadership._lease.attempt()
    unheard.lost = False
    await leadership._lease.attempt()
    assert leadership.lost


def test_two_processes_of_one_name_are_two() -> None:
    cluster = FakeCluster()
    one, two = (Leadership(cluster, NAMESPACE, NAME, "pod-1").identity for _ in range(2))
    assert one != two
    assert one.startswith("pod-1_")


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.floats(0.0, 8.0), st.floats(0.0, 30.0), st.sampled_from(["attempt", "back", "down"])
        ),
        max_size=40,
    )
)
def test_two_never_hold_it_at_once(steps: list[tuple[int, float, float, str]]) -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    both = [lease(cluster, machine, name) for name in ("one", "two")]

    async def play() -> None:
        for who, pause_s, late_s, what in steps:
            machine.now += pause_s
            machine.late_s, machine.down = iter([late_s]), what == "down"
            await (both[who].give_back() if what == "back" else both[who].attempt())
            assert sum(it.left_s > 0 for it in both) <= 1

    asyncio.run(play())


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0.0, 8.0), st.sampled_from(["attempt", "delete", "down"]))))
def test_two_that_know_of_each_other_never_hold_it_at_once_although_it_is_deleted(
    steps: list[tuple[int, float, str]],
) -> None:
    """Who had waited for it made a new one at once, and the holder went on for as long as it had renewed it."""
    machine = Machine()
    cluster = cluster_of(machine)
    both = [lease(cluster, machine, name) for name in ("one", "two")]

    async def play() -> None:
        for who, pause_s, what in steps:
            machine.now += pause_s
            machine.down = what == "down"
            await both[who].attempt()
            machine.down = False
            assert sum(it.left_s > 0 for it in both) <= 1
            other = both[1 - who]
            if other.left_s <= 0:
                await other.attempt()
            if what == "delete" and both[who].left_s > 0 and other.another:
                await cluster.delete(await cluster.read("Lease", NAMESPACE, NAME))

    asyncio.run(play())


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([0.0, 0.5, 2.5, 5.0, 6.0, 7.5]),
            st.sampled_from(["attempt", "delete", "anew", "first is away"]),
        )
    )
)
def test_one_that_has_seen_no_holder_waits_where_it_is_known_that_there_was_one(
    steps: list[tuple[int, float, str]],
) -> None:
    """A process that began after the Lease had been deleted, or whose own time was over, made a new one at once."""
    machine = Machine()
    cluster = cluster_of(machine)
    held = list[str]()

    async def was_held() -> bool:
        return bool(held)

    def made(name: str) -> Lease:
        return Lease(cluster, NAMESPACE, NAME, name, TERMS, machine.seconds, was_held)

    async def play() -> None:
        both = [made("one"), made("two")]
        await both[0].attempt()
        held.append("one")
        for who, pause_s, what in steps:
            machine.now += pause_s
            if what == "anew" and who:
                both[1] = made("two") if both[1].left_s <= 0 else both[1]
            there = both[1:] if what == "first is away" else both
            await (both[who] if both[who] in there else both[1]).attempt()
            assert sum(it.left_s > 0 for it in both) <= 1
            for it in there * 2:  # each sees what the other one made
                if it.left_s <= 0:
                    await it.attempt()
            assert sum(it.left_s > 0 for it in both) <= 1
            if what == "delete" or (what == "first is away" and both[1].left_s > 0 and len(held) == 1):
                held.append("deleted")
                with suppress(Gone):
                    await cluster.delete(await cluster.read("Lease", NAMESPACE, NAME))

    asyncio.run(play())


async def test_one_that_is_deleted_is_made_anew_at_once_by_its_holder_and_after_its_time_by_another() -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    first, second = lease(cluster, machine, "one"), lease(cluster, machine, "two")
    await first.attempt()
    await second.attempt()
    await cluster.delete(await cluster.read("Lease", NAMESPACE, NAME))
    await second.attempt()
    assert second.left_s <= 0
    await first.attempt()
    assert first.left_s > 0
    assert (await cluster.read("Lease", NAMESPACE, NAME))["spec"]["holderIdentity"] == "one"
    await second.attempt()
    await cluster.delete(await cluster.read("Lease", NAMESPACE, NAME))
    await second.attempt()
    machine.now += TERMS.duration_s
    await second.attempt()
    assert second.left_s > 0


async def test_a_request_that_hangs_is_given_up_in_time() -> None:
    class Hangs(FakeCluster):
        async def read(self, kind: str, namespace: str, name: str) -> dict[str, object]:
            del kind, namespace, name
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    held = Lease(Hangs(), NAMESPACE, NAME, "one", Terms(6, 1.0, 0.01))
    async with asyncio.timeout(5):
        await held.attempt()
    assert held.failure == "no answer within 0.01 s"


async def test_a_write_ends_before_the_lease_does() -> None:
    class Silent:
        async def param_serialize(self, *_: object, **__: object) -> tuple[str]:
            return ("request",)

        async def call_api(self, *_: object, **__: object) -> None:
            await asyncio.get_running_loop().create_future()

    client = ClusterClient(Silent(), lambda _: 0.05)  # type: ignore[arg-type]
    begun = asyncio.get_running_loop().time()
    with pytest.raises(ClusterError, match="no answer in time"):
        await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}})
    assert asyncio.get_running_loop().time() - begun < 5


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"spec": None},
        {"spec": {"holderIdentity": "two", "leaseTransitions": 2**31 - 1}},
        {"spec": {"holderIdentity": "two", "leaseDurationSeconds": 2**31 - 1, "renewTime": "9999-12-31T23:59:59Z"}},
        {"spec": {"holderIdentity": "two", "leaseDurationSeconds": -5, "leaseTransitions": -5}},
        {"spec": {"holderIdentity": "two\nWARNING all is well\x1b[2J", "strategy": "OldestEmulationVersion"}},
        {"spec": {"holderIdentity": "x" * 1_000_000}},
    ],
    ids=["nothing", "null", "most transitions", "for ever", "negative", "two lines", "a megabyte"],
)
async def test_whatever_another_has_written_into_it_it_is_taken_when_that_one_is_silent(
    written: dict[str, Any],
) -> None:
    machine = Machine()
    cluster = cluster_of(machine)
    metadata = {"name": NAME, "namespace": NAMESPACE}
    await cluster.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, **written})
    held = lease(cluster, machine, "one")
    await held.attempt()
    assert held.failure is None
    if written.get("spec"):
        assert held.another is not None
        assert held.another.isprintable()
        assert len(held.another) <= LONGEST_NAME + 1
        assert held.left_s <= 0
        machine.now += LONGEST_S
        await held.attempt()
    assert held.left_s > 0
    spec = (await cluster.read("Lease", NAMESPACE, NAME))["spec"]
    assert spec["holderIdentity"] == "one"
    assert spec["leaseTransitions"] < 2**31


async def test_one_that_lapsed_makes_no_new_one_while_it_may_be_another_s() -> None:
    """It had not seen who took it meanwhile."""
    machine = Machine()
    cluster = cluster_of(machine)
    second = lease(cluster, machine, "two")

    async def was_held() -> bool:
        return second.another is not None or second.taken > 0

    first = Lease(cluster, NAMESPACE, NAME, "one", TERMS, machine.seconds, was_held)
    await first.attempt()
    await second.attempt()
    machine.now += TERMS.duration_s
    await second.attempt()
    await cluster.delete(await cluster.read("Lease", NAMESPACE, NAME))
    await first.attempt()
    assert (first.left_s > 0, second.left_s > 0) == (False, True)


@pytest.mark.parametrize(
    "refused, waits", [(False, True), (True, True), (None, False)], ids=["a salt", "none may be read", "no salt"]
)
async def test_where_an_operator_has_worked_a_replica_waits_for_a_lease_that_was_deleted(
    refused: bool | None, waits: bool
) -> None:
    """It led at once, and the one before went on for a second."""
    machine = Machine()
    cluster = cluster_of(machine)
    if refused is not None:
        await salt_in(cluster, NAMESPACE, asyncio.Event())
    if refused:
        cluster.fails = lambda request: Rejected("forbidden") if request.kind == "Secret" else None
    leadership = Leadership(cluster, NAMESPACE, NAME, "two", seconds=machine.seconds)
    await leadership._lease.attempt()
    assert leadership.unsure is waits
    machine.now += TERMS.duration_s
    await leadership._lease.attempt()
    assert leadership.check() > 0
