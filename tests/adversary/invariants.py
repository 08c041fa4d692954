"""What must never be, whatever goes wrong; each breach is recorded once, with its moment."""

import math
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.adversary import fleet
from tests.adversary.api_server import Object, is_ready, leaving
from tests.adversary.controllers import controller
from tests.adversary.fleet import SETTLES_IN_S, asked_for, consumes_again, patience, queues_of
from tests.adversary.neighbour import fleet_of, is_of_neighbour
from utilitarian_operator.core.spec.revisions import KEPT

POOL, DRAINING = "utilitarian.io/pool", "utilitarian.io/draining"
MOST_WRITES_A_MINUTE = 400
MOST_TO_ONE_A_MINUTE = 40
MOST_QUESTIONS_A_MINUTE = 900
LARGEST_STATUS = 200 * 1024
LARGEST_MEMORY = 6000
OBEYS_IN_S = 5.0
WAKES_IN_S = 20.0
LONG_IDLE_S, LONG_BUSY_S = 8.0, 8.0
NEAR_S = 90.0
"""Before a run its warm-up, and before that a while in which its pool had better stay awake."""
TOGETHER_S = 0.5
"""Workers that are chosen at one look are all marked by then."""
NO_WORDS = re.compile(r"\b(None|nan|inf|datetime|timedelta)\b|<[\w.]+ object")
"""What a sentence holds that was made of a value nobody thought of."""
SILENT_NODE = re.compile(r"\bnode \S+ doesn't answer")
FOUGHT = "is changed by another client or by a webhook"
"""Of what the operator applies: in no world does anyone do that."""
LOOKS = 3
"""What is due within some seconds may take so many looks: one that sees it, one that does it, one that is told."""
GRACE_S = 240.0
"""The `drainTimeout` of every pool."""


class Breach(NamedTuple):
    """One thing that must never be.

    Args:
        at: seconds since the world began.
        what: its kind.
        detail: for a reader.
    """

    at: float
    what: str
    detail: str


class Invariants:
    """Watches a world.

    Args:
        world: told by it and by the parts of the model.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self.found: list[Breach] = []
        self._seen: set[tuple[str, str]] = set()
        self.writes: Counter[str] = Counter()
        self._recent: deque[tuple[float, str]] = deque()
        self.quiet_from = math.inf
        self._questions = 0
        self._over_since: float | None = None
        self._full_at = self._wrong_at = self._lost_at = -math.inf
        """When the pools had all workers that they may have together, the clock was wrong, a node was lost."""
        self._idle: dict[str, float] = {}
        self._takes: dict[str, float] = {}
        self._last_lead = 0
        self._memories: dict[str, Object] = {}
        """Of each pool the one that was judged last."""
        self._fine = set[str]()
        """The texts of the last status in which nothing was found; most of the next one are among them."""

    def late(self, seconds: float) -> float:
        """How long something may take, where a look each second would need so long: it may take three looks."""
        return seconds + LOOKS * max(float(self._world.tick_s) - 1.0, 0.0)

    def breach(self, what: str, detail: str, key: str = "") -> None:
        """Record one; a second of the same kind and key says nothing new."""
        if (what, key or detail) not in self._seen:
            self._seen.add((what, key or detail))
            self.found.append(Breach(round(self._world.loop.at, 2), what, detail))
            self._world.log(f"BREACH {what}: {detail}")
            self._world.breached(what)

    # told by the API server

    def wrote(self, method: str, path: str, body: Any) -> None:
        """The operator wrote something."""
        now, place = self._world.loop.now, path.partition("/ns/")[2]
        if place.startswith("events"):
            self.writes["event"] += 1
            self.readable(body.get("note", ""))
            return
        kind = "status" if place.startswith("utilitarianworkerpools") else f"{method} {place.partition('/')[0]}"
        self.writes[kind] += 1
        if kind != "status":
            self._world.log(f"{method} {place}")
        self._allowed(method, place)
        marks = ((body.get("metadata") or {}).get("annotations") or {}) if method == "PATCH" else {}
        if marks.get(DRAINING):
            self._chosen(place.rpartition("/")[2])
        if now > self.quiet_from and self.settled and not self._run_is_near:
            self.breach("not-quiet", f"{method} {place} at rest: {str(body)[:200]}", kind)
        self._recent.append((now, place))
        while self._recent[0][0] < now - 60:
            self._recent.popleft()
        same = sum(it == place for _, it in self._recent) if kind != "status" else 0
        often = min(self._world.tick_s, 1.0)  # a minute with more looks has more of all that each look does
        if same > MOST_TO_ONE_A_MINUTE / often:
            self.breach("write-loop", f"{same} times {method} {place} in 60 s", place)
        if len(self._recent) > MOST_WRITES_A_MINUTE / often:
            most = Counter(it for _, it in self._recent).most_common(2)
            self.breach("write-storm", f"{len(self._recent)} writes in 60 s: {most}", "storm")

    def wrote_as(self, lead: int) -> None:
        """A process wrote that led as the so manieth: none does after a later one has written."""
        if lead < self._last_lead:
            self.breach("two-writers", f"leader {lead} wrote after leader {self._last_lead}")
        self._last_lead = max(lead, self._last_lead)

    def scales(self, name: str, before: int, after: int, *, by: str) -> None:
        """Replicas of a Deployment are about to be changed."""
        world = self._world
        if by != "operator" or after == before:
            return
        if name in world.unseen and before:
            self.breach("blind-overwrite", f"{name}: {before}, which a person set unseen, became {after}", name)
        deployments = world.server.objects["deployments"]
        here = {it: body for it, body in deployments.items() if fleet_of(it) == fleet_of(name)}
        others = sum(it["spec"].get("replicas", 1) for other, it in here.items() if other != name)
        most = world.spec["maxWorkers"]
        fresh = world.unseen or world.loop.now - max(self._edited_at, world.by_hand_at) < self.late(OBEYS_IN_S)
        if after > before and others + after > most and not (before == 0 and after == 1) and not fresh:
            self.breach("max-workers", f"{name} {before} to {after}, {others} elsewhere, above {most}", name)
        pool = asked_for(world.spec, name.removeprefix(f"{world.name}-"))
        steered = world.loop.now < world.steered_until + self.late(WAKES_IN_S)
        asked = pool is not None and isinstance(pool["scaling"]["max"], int)  # else it is another version's
        if pool is not None and asked and not fresh and not steered:
            self._above_max(name, before, after, pool["scaling"])
            # At the ceiling a pool of higher priority may have what this one keeps otherwise.
            full = others + before >= most or world.loop.now - self._full_at < self.late(OBEYS_IN_S)
            least = 0 if full else pool["scaling"].get("min", 0)
            if after < min(before, least):
                self.breach("below-min", f"{name} {before} to {after}; {pool['scaling']}", name)

    def _above_max(self, name: str, before: int, after: int, scaling: Object) -> None:
        """Workers that are on their way out come on top of a pool's maximum."""
        pods = [it for it in self._world.server.objects["pods"].values() if controller(it)[1] == name]
        leave = sum(DRAINING in (it["metadata"].get("annotations") or {}) and not leaving(it) for it in pods)
        if after > before and after - leave > scaling["max"]:
            self.breach("above-max", f"{name} {before} to {after}, of which {leave} leave; {scaling}", name)

    def _allowed(self, method: str, place: str) -> None:
        """What the mode forbids, once the operator was shown it."""
        world, what = self._world, place.partition("/")[0]
        if is_of_neighbour(place.split("/")[1] if "/" in place else ""):
            return
        mode, since = world.mode
        later = world.loop.now - since > self.late(OBEYS_IN_S) and mode == world.spec.get("mode")
        scales = place.startswith("deployments") and place.endswith("/scale")
        pool = place.partition("/")[2].removesuffix("/scale").removeprefix(f"{world.name}-")
        if later and mode == "Paused" and scales and not self._is_removed(pool):
            self.breach("scaled-while-paused", f"{method} {place}, paused since {since:g}", place)
        if later and mode == "Preview" and what in {"deployments", "statefulsets"}:
            self.breach("wrote-in-preview", f"{method} {place}, Preview since {since:g}", place)

    def _chosen(self, name: str) -> None:
        """A worker is marked to leave: not one with tasks where another of its pool has long had none."""
        world, workers = self._world, self._world.kubelet.workers
        worker, now = workers.get(name), self._world.loop.now
        if worker is None or not worker.running or not world.sees or worker.begun_at > now - self.late(LONG_BUSY_S):
            return
        pods = world.server.objects["pods"]
        pool = pods[name]["metadata"]["labels"][POOL]
        if not is_ready(pods[name]):
            return  # a ReplicaSet takes one that isn't ready before all others: none of those can go while it is there
        if asked_for(world.spec, pool) is None or now - self._edited_at < self.late(OBEYS_IN_S):
            return  # all workers of a pool that is removed leave
        for other, body in pods.items():
            metadata, one = body["metadata"], workers.get(other)
            marked = DRAINING in (metadata.get("annotations") or {})
            if metadata["labels"].get(POOL) != pool or marked or one is None or not is_ready(body) or leaving(body):
                continue
            if one.hears and not one.holds and one.consuming and now - one.idle_since > self.late(LONG_IDLE_S):
                detail = f"{name} holds {worker.holds}, {other} has long held nothing"
                world.loop.call_later(self.late(TOGETHER_S), self._passed_over, other, detail, pool)

    def _passed_over(self, idle: str, detail: str, pool: str) -> None:
        """A worker with tasks was chosen: not beside the one that had none, whose mark comes a moment later."""
        live = self._world.server.get("pods", idle)
        if live is not None and not leaving(live) and DRAINING not in (live["metadata"].get("annotations") or {}):
            self.breach("busy-chosen", detail, pool)

    def status(self, _before: Object, status: Object) -> None:
        """A status is about to be written."""
        if (length := len(repr(status))) > LARGEST_STATUS:
            self.breach("status-size", f"{length} characters", "size")
        texts = _texts(status)
        doubtful = [it for it in texts if it not in self._fine and _is_doubtful(it)]
        self._fine = {*texts}.difference(doubtful)
        for said in doubtful:
            self.readable(said)
            if FOUGHT in said or (SILENT_NODE.search(said) and self._nodes_answer):
                self.breach("false-alarm", said, said[:20])
        for pool in status.get("pools") or []:
            memory = pool.get("memory") or {}
            if memory == self._memories.get(pool["name"]):
                continue
            self._memories[pool["name"]] = memory
            for path, value in _leaves(memory):
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                if number and (not math.isfinite(value) or value < 0):
                    self.breach("bad-memory", f"pool {pool['name']}: {path} is {value}", path.partition("[")[0])
            if len(repr(memory)) > LARGEST_MEMORY:
                self.breach("memory-size", f"pool {pool['name']}: {len(repr(memory))} characters", pool["name"])

    def readable(self, said: Any) -> None:
        """A sentence, or another value, is about to be shown to a person."""
        if isinstance(said, str) and NO_WORDS.search(said):
            self.breach("not-a-sentence", said)

    def told(self, generation: int, status: Object) -> None:
        """The operator's status was written: of the newest spec it says that it is rolled out only where it is."""
        said = {it["type"]: it["status"] for it in status.get("conditions") or []}
        if status.get("observedGeneration") != generation or said.get("Reconciling") != "False":
            return
        world, spec = self._world, self._world.spec
        if said.get("Stalled") != "False" or spec.get("mode", "Auto") != "Auto" or not world.sees:
            return
        wanted = spec["image"], [it["value"] for it in spec.get("env") or ()]
        for name, pod in world.server.objects["pods"].items():
            ours = POOL in pod["metadata"]["labels"] and fleet_of(name) == world.name and self._is_owned(pod)
            early = self._still_takes(name, pod) if self._is_of_removed(pod) else _made_of(pod) != wanted
            if ours and not leaving(pod) and early:
                self.breach(
                    "told-too-early", f"rolled out, generation {generation}, and {name} is not", "told-too-early"
                )

    def _is_of_removed(self, pod: Object) -> bool:
        return asked_for(self._world.spec, pod["metadata"]["labels"].get(POOL, "")) is None

    def _still_takes(self, name: str, pod: Object) -> bool:
        """Whether a worker takes tasks, as can be seen: of a pool that was removed it may end those that it has."""
        worker = self._world.kubelet.workers.get(name)
        return worker is not None and is_ready(pod) and worker.hears and bool(worker.consuming)

    def _is_owned(self, pod: Object) -> bool:
        """Whether the Deployment that made a pod is there: else it is about to be collected."""
        live = self._world.server.get("deployments", controller(pod)[1])
        owner = pod["metadata"]["ownerReferences"][0]["uid"].partition("/")[0]
        return live is not None and owner == live["metadata"]["uid"]

    # told by the controllers and the kubelet

    def victim(self, name: str, pod: Object, *, rolling: bool) -> None:
        """The ReplicaSet controller takes this pod because replicas were lowered."""
        world = self._world
        worker = world.kubelet.workers.get(pod["metadata"]["name"])
        if rolling or world.scaled_by.get(name) != "operator" or worker is None or not worker.alive:
            return
        if worker.born > world.scaled_at[name]:
            return  # it did not run yet when the step down was sent: its hook lets it end what it has begun since
        right = self._clock_is_right
        begun = [*worker.reserved, *(task for task, _, _ in worker.running.values())]
        # By a clock that is wrong what is due soon is due too late to wait for; it may have begun since.
        work = sum(right or task.eta is None for task in begun)
        if not work and not worker.consuming:
            soon = [it.number for it in worker.scheduled.values() if (it.eta or 0.0) < world.loop.now + GRACE_S / 2]
            if (
                soon and right and not self._is_removed(pod["metadata"]["labels"][POOL])
            ):  # what is due later goes back to its queue
                self.breach("eta-victim", f"{pod['metadata']['name']} holds tasks that are due soon: {soon}", name)
            return
        what = "busy-victim" if work else "consuming-victim"
        late = "-by-late-cache" if world.replica_sets_lag else ""
        marked = DRAINING in (pod["metadata"].get("annotations") or {})
        self.breach(
            what + late,
            f"{pod['metadata']['name']} holds {worker.holds}, consumes {sorted(worker.consuming)}, "
            f"is {'ready' if is_ready(pod) else 'not ready'} and {'marked' if marked else 'not marked'}",
            name,
        )

    def _works_at_its_most(self, queue: str) -> bool:
        """Whether a pool has all the workers that it may have, each with tasks: it was given more than can be done."""
        world = self._world
        pool = next((it for it in world.spec["pools"] if queue in queues_of(it)), None)
        if pool is None:
            return False
        pods = [
            it for it in world.server.objects["pods"].values() if it["metadata"]["labels"].get(POOL) == pool["name"]
        ]
        workers = [world.kubelet.workers.get(it["metadata"]["name"]) for it in pods]
        return len(workers) >= pool["scaling"]["max"] and all(it is not None and it.running for it in workers)

    def _is_removed(self, pool: str) -> bool:
        """Whether a pool is no longer asked for, or was not a moment ago.

        All that waits in its workers goes back, and they are led out in a pause, too.
        """
        gone = asked_for(self._world.spec, pool) is None
        return gone or self._world.loop.now - self._edited_at < self.late(OBEYS_IN_S)

    def deletes(self, pod: Object) -> None:
        """The operator itself deletes a pod."""
        worker = self._world.kubelet.workers.get(pod["metadata"]["name"])
        if worker is not None and worker.alive and worker.holds:
            self.breach("deleted-busy", f"{worker.pod} holds {worker.holds}")

    def beats(self) -> None:
        """A beat began."""
        there = sorted(self._world.kubelet.beats)
        if len(there) > 1 and not self._world.beat_scaled:
            self.breach("two-beats", f"{there}")

    def removes(self, name: str) -> None:
        """The operator deletes a Deployment: by then its workers have been led out, all that can be talked to."""
        for worker in self._workers_of(name) if self._world.sees else ():
            if worker.hears and (worker.holds or worker.consuming):
                self.breach("removed-busy", f"{worker.pod} holds {worker.holds}, consumes {sorted(worker.consuming)}")

    def _workers_of(self, name: str) -> list[Any]:
        """Of a Deployment."""
        pods = [it for it in self._world.server.objects["pods"].values() if controller(it)[1] == name]
        names = [it["metadata"]["name"] for it in pods if not leaving(it)]
        return [it for it in map(self._world.kubelet.workers.get, names) if it is not None]

    # each second

    def look(self) -> None:
        """What can be seen at any moment."""
        world = self._world
        ours = [it for name, it in world.server.objects["pods"].items() if fleet_of(name) == world.name]
        pods = [it for it in ours if POOL in it["metadata"]["labels"]]
        there, most = sum(not leaving(it) and not self._ends_its_tasks(it) for it in pods), world.spec["maxWorkers"]
        fine = there <= most or world.person_scaled or world.rolled
        self._over_since = None if fine else self._over_since or world.loop.now
        if self._over_since and world.loop.now - max(self._over_since, self._edited_at) > self.late(SETTLES_IN_S):
            self.breach("max-pods", f"{there} worker pods for {self.late(SETTLES_IN_S):g} s, above {most}", "pods")

        if not self._clock_is_right:
            self._wrong_at = world.loop.now
        if world.kubelet.lost:
            self._lost_at = world.loop.now
        self._look_at_sleepers()
        self._look_at_idlers()
        self._look_at_marked()
        self._look_at_removed()

    def _look_at_removed(self) -> None:
        """Workers of a pool that was removed take nothing more."""
        world = self._world
        obeys = world.sees and world.spec.get("mode", "Auto") == "Auto"
        if not obeys or world.loop.now - self._edited_at < self.late(WAKES_IN_S):
            return
        for pool in world.made_of:
            if asked_for(world.spec, pool) is not None:
                continue
            for worker in self._workers_of(f"{world.name}-{pool}"):
                if worker.hears and worker.consuming and world.loop.now - worker.born > self.late(WAKES_IN_S):
                    self.breach("removed-consumes", f"{worker.pod} consumes {sorted(worker.consuming)}", pool)

    def _ends_its_tasks(self, pod: Object) -> bool:
        """Whether a worker is chosen to leave and holds tasks: under a lower ceiling too it may end them."""
        worker = self._world.kubelet.workers.get(pod["metadata"]["name"])
        marked = DRAINING in (pod["metadata"].get("annotations") or {})
        return marked and worker is not None and worker.holds > 0

    def _look_at_idlers(self) -> None:
        """A ready worker that is not marked, and consumes nothing although it could."""
        world, idle = self._world, {}
        for name, worker in world.kubelet.workers.items():
            body = world.server.objects["pods"].get(name)
            if body is None or leaving(body) or not is_ready(body) or worker.consuming or not worker.hears:
                continue
            if DRAINING not in (body["metadata"].get("annotations") or {}):
                idle[name] = self._idle.get(name, world.loop.now)
        self._idle = idle
        for name, since in idle.items() if world.sees else ():
            if world.loop.now - since > self.late(WAKES_IN_S):
                self.breach("ready-but-idle", f"{name} is ready and not marked, and consumes nothing", name)

    def _look_at_marked(self) -> None:
        """A worker that is marked to leave is told to take nothing more; one that is told to go on has no mark."""
        world, takes = self._world, {}
        for name, worker in world.kubelet.workers.items():
            body = world.server.objects["pods"].get(name)
            if body is None or leaving(body) or not worker.hears or not worker.consuming or not world.sees:
                continue
            if DRAINING in (body["metadata"].get("annotations") or {}) and not self._waits_in_a_pause(body):
                takes[name] = self._takes.get(name, world.loop.now)
        self._takes = takes
        for name, since in takes.items():
            if world.loop.now - since > self.late(WAKES_IN_S):
                self.breach("marked-consumes", f"{name} is marked to leave, and consumes", name)

    def _waits_in_a_pause(self, pod: Object) -> bool:
        """Whether nothing is done about a worker that was chosen to leave: it can't be told to stay either."""
        pool = asked_for(self._world.spec, pod["metadata"]["labels"].get(POOL, ""))
        paused = self._world.spec.get("mode", "Auto") != "Auto"
        return paused and pool is not None and not consumes_again(pool)

    def _look_at_sleepers(self) -> None:
        """A pool that sleeps while its tasks wait, although the operator can see them."""
        world, now = self._world, self._world.loop.now
        rabbit = world.rabbit
        there = world.server.objects["deployments"]
        asked = sum(it["spec"].get("replicas", 1) for name, it in there.items() if fleet_of(name) == world.name)
        pods = [it for it in world.server.objects["pods"].values() if POOL in it["metadata"]["labels"]]
        if max(asked, sum(fleet_of(it["metadata"]["name"]) == world.name for it in pods)) >= world.spec["maxWorkers"]:
            self._full_at = now  # another one must leave first
        lied = max(rabbit.zero_until, rabbit.stale_until, rabbit.no_statistics_until)
        if (
            not world.sees
            or max(lied, self._edited_at, world.by_hand_at) > now - self.late(WAKES_IN_S)
            or world.spec.get("mode", "Auto") != "Auto"
        ):
            return
        if max(self._full_at + self.late(OBEYS_IN_S), world.steered_until + self.late(WAKES_IN_S)) > now:
            return
        if world.remade and world.tenants.claims:
            return  # it has become the younger of two that want the same queues
        for pool in world.made_of:
            live, asked = world.server.objects["deployments"].get(f"{world.name}-{pool}"), asked_for(world.spec, pool)
            if live is None or asked is None or live["spec"].get("replicas", 1):
                continue
            ready = [it for queue in queues_of(asked) if queue in rabbit.queues for it in rabbit.queues[queue].ready]
            # By a clock that is wrong what was given back for its ETA is due when that clock says so.
            trusts = now - self._wrong_at > self.late(WAKES_IN_S)
            waiting = [it.waits_since(now) for it in ready if trusts or it.eta is None]
            first = min((it for it in waiting if it is not None), default=now)
            if now - first > self.late(WAKES_IN_S) + patience(asked):
                self.breach("overslept", f"{pool}: a task has waited for {now - first:.0f} s", pool)

    @property
    def settled(self) -> bool:
        """Whether the last task ended so long ago that all is at rest: a pool may be asked to wait for long."""
        settles_in_s = self.late(max([SETTLES_IN_S, *map(fleet.settles_in_s, self._world.spec["pools"])]))
        return bool(self._world.loop.now > self._world.rabbit.worked_at + settles_in_s)

    @property
    def _run_is_near(self) -> bool:
        """Whether a run is prepared soon: its pool may say so."""
        before_s = fleet.SCHEDULED_EACH_S - self._world.loop.at % fleet.SCHEDULED_EACH_S
        return "runs" in self._world.made_of and before_s < NEAR_S

    @property
    def _edited_at(self) -> float:
        """When the operator was shown the last edit of the resource; now, while it has yet to be shown it."""
        return float(self._world.loop.now if self._world.edit_unseen else self._world.edited_at)

    @property
    def _nodes_answer(self) -> bool:
        """Whether all have for a while, as the operator could see, by a clock that was right."""
        since = self._world.loop.now - self.late(SETTLES_IN_S)
        return bool(self._world.sees) and max(self._lost_at, self._wrong_at) < since

    @property
    def _clock_is_right(self) -> bool:
        """Whether the operator judges ETAs, which come from other machines, as they are meant."""
        return abs(float(self._world.machine.wrong_by)) < GRACE_S / 4

    def look_at_questions(self) -> None:
        """Once a minute: how much the broker was asked."""
        asked = self._world.rabbit.questions
        if asked - self._questions > MOST_QUESTIONS_A_MINUTE / min(self._world.tick_s, 1.0):
            self.breach("question-storm", f"{asked - self._questions} questions in 60 s", "storm")
        self._questions = asked

    # at the end

    def end(self) -> None:
        """What became of the tasks, and whether all is at rest."""
        self.tasks_ended(self._world.rabbit.tasks)
        if self.settled:
            self._rest()

    def tasks_ended(self, tasks: Sequence[Any]) -> None:
        """All of a broker's tasks are done, but those that the world has lost."""
        for task in tasks:
            for what, cause in (("task-lost", task.lost_by), ("task-again", task.again_by)):
                if cause and not cause.startswith("world:"):
                    self.breach(what, f"task {task.number} of {task.queue} on {task.starts[-1]}: {cause}", cause)
        left = Counter(it.queue for it in tasks if not it.ended and not it.lost_by)
        left = Counter({queue: number for queue, number in left.items() if not self._works_at_its_most(queue)})
        if left:
            self.breach("unfinished", f"tasks that never ended: {dict(left)}", f"unfinished {sorted(left)}")

    def _rest(self) -> None:
        world, server = self._world, self._world.server
        said = {it["name"]: it.get("message") for it in world.status.get("pools") or []}
        for pool, least in world.least.items():
            live = server.get("deployments", f"{world.name}-{pool}")
            replicas = None if live is None else live["spec"].get("replicas", 1)
            if replicas != least:
                self.breach("not-at-rest", f"{pool} has {replicas} workers, min is {least}: {said.get(pool)}", pool)
        for pod in server.objects["pods"].values():
            worker = world.kubelet.workers.get(pod["metadata"]["name"])
            marked = DRAINING in (pod["metadata"].get("annotations") or {})
            if worker and worker.alive and is_ready(pod) and not marked and not worker.consuming and not leaving(pod):
                self.breach("ready-but-idle", f"{worker.pod} is ready and not marked, and consumes nothing", worker.pod)
            if marked and not leaving(pod):
                self.breach("not-at-rest", f"{pod['metadata']['name']} is marked still", "marked")
        records = sorted(it for it in server.objects["controllerrevisions"] if not is_of_neighbour(it))
        if len(records) > KEPT:
            self.breach("not-at-rest", f"accepted specs that should have gone: {records[:-KEPT]}", "records")
        for node, since in world.drains.since.items():
            self.breach("node-held-up", f"{node} has been drained for {world.loop.now - since:.0f} s", node)
        if len(world.kubelet.beats) != 1:
            self.breach("not-at-rest", f"beats: {sorted(world.kubelet.beats)}", "beats")


def _made_of(pod: Object) -> tuple[str, list[str]]:
    """Image of a worker, and the values of the variables that the spec gives it."""
    container = pod["spec"]["containers"][0]
    return container["image"], [it["value"] for it in container.get("env") or () if it["name"] == "X"]


def _is_doubtful(said: str) -> bool:
    return FOUGHT in said or bool(NO_WORDS.search(said) or SILENT_NODE.search(said))


def _texts(value: Any) -> list[str]:
    """All that is said in a value, in its order."""
    found: list[str] = []
    todo = [value]
    while todo:
        here = todo.pop()
        if isinstance(here, str):
            found.append(here)
        elif isinstance(here, dict):
            todo += reversed(here.values())
        elif isinstance(here, list):
            todo += reversed(here)
    return found


def _leaves(value: Any, path: str = "memory") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, it in value.items():
            yield from _leaves(it, f"{path}.{key}")
    elif isinstance(value, list):
        for index, it in enumerate(value):
            yield from _leaves(it, f"{path}[{index}]")
    else:
        yield path, value
