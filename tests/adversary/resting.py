"""A world with long rests, and an operator beside the real one whose looks never rest: what it does sooner is told.

It is a value: at each look of the real one the same is decided a second time, from the same readings and the state
that a rest began with, as if there were no rests.
"""

import base64
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from tests.adversary import fleet, steering
from tests.adversary.world import World
from utilitarian_operator.core.at_rest import OF_THE_TIME, SHORTEST
from utilitarian_operator.core.engine import step
from utilitarian_operator.core.look import Seen, Spec, State
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.plan import Plan
from utilitarian_operator.core.spec.by_hand import PAUSED, RUN_NOW, pause_written, run_written
from utilitarian_operator.core.spec.override import PREFIX, written

PAUSES_S = (40, 120, 250)
"""Between what comes: long enough to come to rest, and to be at rest for longer and longer."""

HANDS_EACH_S = (20.0, 90.0)
TICK = timedelta(seconds=2)
"""A look each second, some of which are held up."""

AT_ONCE = ("scales", "drains", "replacements", "deletions", "objects", "guards")
"""What is done at the look at which it is due, and never later."""


class Late(NamedTuple):
    """What a look at rest has let wait for longer than it may.

    Args:
        at: seconds since the world began, when it was due.
        what: was to be done.
        waited: until it was decided.
    """

    at: float
    what: str
    waited: timedelta


@dataclass
class Beside:
    """The operator whose looks never rest; called in the place of `step`.

    Args:
        world: of the looks.
    """

    world: "Resting"

    def __post_init__(self) -> None:
        self.rested, self.late, self.other = 0, list[Late](), list[str]()
        self._beside: tuple[State, State] | None = None
        self._due: tuple[datetime, str, timedelta] | None = None

    def __call__(self, spec: Spec, seen: Seen, state: State, now: datetime) -> tuple[Plan, State]:
        """Decide a look of the real one, and beside it the same look without a rest."""
        plan, after = step(spec, seen, state, now)
        mine = self._beside is not None and self._beside[0] is state
        if state.rest is None or self.world.over or seen.read is None:
            self._beside = self._due = None
        else:
            before = self._beside[1] if mine and self._beside is not None else state
            other = step(spec, seen, replace(before, rest=None), now)
            self._compare(state.rest.since, seen.read.at, plan, other[0])
            self._beside = (after, other[1])
        if after.rest is None or plan.same is None:
            self._beside = self._due = None
        return plan, after

    def _compare(self, since: datetime, at: datetime, plan: Plan, other: Plan) -> None:
        if plan.same is not None:
            self.rested += 1
            self.late += [Late(self.world.loop.at, it, TICK) for it in AT_ONCE if _is_due(other, it)]
            if self._due is None and (what := ", ".join(_later(other))):
                self._due = at, what, max((at - since) / OF_THE_TIME, SHORTEST) + TICK
            return
        self.other += [f"{self.world.loop.at:.0f} s: {it}" for it in _differences(plan, other)]
        if self._due is not None and at - self._due[0] > self._due[2]:
            self.late.append(Late(self.world.loop.at, self._due[1], at - self._due[0]))


def _is_due(plan: Plan, what: str) -> bool:
    if what != "drains":
        return bool(getattr(plan, what))
    steps = ((it.resize, it.steps, it.gates, it.returns, it.slow, it.farewell) for it in plan.drains.values())
    return any(map(any, steps))


def _later(plan: Plan) -> Iterator[str]:
    """What time alone may bring about, and a rest may put off."""
    yield from (name for name in ("events", "postponed", "ahead", "behind", "status") if getattr(plan, name))
    if plan.beat.scaled_back or plan.beat.replace:
        yield "beat"


def _differences(plan: Plan, other: Plan) -> Iterator[str]:
    """What is decided and said otherwise at the end of a rest than it would be without one."""
    if plan.figures is None or other.figures is None:
        return
    for name, decision in plan.figures.decisions.items():
        beside = other.figures.decisions[name]
        if [(it.rule, it.after) for it in decision.trail] != [(it.rule, it.after) for it in beside.trail]:
            yield f"pool {name}: {decision.trail}, without rests {beside.trail}"
    for one, another in zip(plan.conditions, other.conditions, strict=True):
        if any(one[it] != another[it] for it in ("type", "status", "reason")):
            yield f"{one}, without rests {another}"


class Resting(World):
    """A world to which little comes, so that the fleet is at rest most of the time; people steer it meanwhile.

    Args:
        seed, plan, hours: as those of a world.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.beside = Beside(self)
        self._hands = random.Random(self.seed * 11 + 1)

    def _send_tasks(self) -> None:
        rng, end = random.Random(self.seed * 7 + 3), self.length
        at = rng.uniform(5, 60)
        while at < end:
            queue = rng.choice(["fast", "slow", "duo.a", "duo.b"])
            for _ in range(rng.randint(1, 4)):
                fleet.send_later(self, at + rng.uniform(0, 2), queue, rng.uniform(0.5, 10))
            at += rng.choice(PAUSES_S) * rng.uniform(0.5, 1.5)
        for at in range(fleet.SCHEDULED_EACH_S, int(end), fleet.SCHEDULED_EACH_S):
            run = [(rng.uniform(0, 5), rng.uniform(1, 4)) for _ in range(rng.randint(2, 6))]
            self.loop.call_later(at, self.beat.due, partial(fleet.send_a_run, self, run))
        at = self._hands.uniform(*HANDS_EACH_S)
        while at < self.length:
            self.loop.call_later(at, self._hands.choice(_HANDS), self)
            at += self._hands.uniform(*HANDS_EACH_S)

    def annotate(self, name: str, value: Callable[[datetime], str]) -> None:
        """A person steers the fleet.

        Args:
            name: of the annotation.
            value: of it, by a moment soon, by the operator's clock.
        """
        soon = self.machine.wall() + timedelta(seconds=round(self._hands.uniform(2, 60)))
        steering.annotate(self, name, value(soon))

    def one_of(self, names: Sequence[str]) -> str:
        """Of these by chance."""
        return self._hands.choice(names)


def _overrides(world: Resting) -> None:
    workers = int(world.one_of("012"))
    world.annotate(f"{PREFIX}{world.one_of(fleet.POOLS)}", lambda until: written(workers, until))


def _pauses(world: Resting) -> None:
    world.annotate(PAUSED, pause_written)


def _opens_a_run(world: Resting) -> None:
    world.annotate(f"{RUN_NOW}runs", lambda at: run_written("five", at))


def _says_something(world: Resting) -> None:
    world.annotate("example.com/note", timestamp)


def _renews_the_secret(world: Resting) -> None:
    """Another value beside those that are read."""
    secret = world.server.objects["secrets"]["broker"]
    note = base64.b64encode(str(world.server.version).encode()).decode()
    world.server.change("secrets", "broker", data={**secret["data"], "note": note})


def _deletes_a_queue(world: Resting) -> None:
    """One that is empty, and that nothing consumes: it is made again by who sends to it next."""
    world.rabbit.delete(world.one_of(fleet.QUEUES))


_HANDS = (_overrides, _pauses, _opens_a_run, _says_something, _renews_the_secret, _deletes_a_queue)
