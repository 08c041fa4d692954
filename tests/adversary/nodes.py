"""Nodes that fall silent, and what is done about their pods: who calls them lost, gives them up, and collects them."""

import asyncio
from collections import Counter
from typing import Any

from tests.adversary.api_server import ApiServer, is_ready
from tests.adversary.loop import VirtualLoop

NODES = ("n1", "n2", "n3")
CALLED_LOST_AFTER_S, TOLERATED_S, REPLACED_AFTER_S = 50.0, 300.0, 900.0
"""The first two are Kubernetes' own: --node-monitor-grace-period, and tolerationSeconds where a pod says nothing."""


class Nodes:
    """All of them, with the controllers of node lifecycle and taints.

    Args:
        loop, server: of the world.
        kubelet: runs the pods.
    """

    def __init__(self, loop: VirtualLoop, server: ApiServer, kubelet: Any) -> None:
        self._loop, self._server, self._kubelet = loop, server, kubelet
        self.silent: set[str] = set()
        """Nobody hears of what happens there, and nothing is heard there."""
        self._dead: set[str] = set()
        self._called_lost: set[str] = set()
        self._given_up: dict[str, asyncio.TimerHandle] = {}
        self._times: Counter[str] = Counter()

    def takes_pods(self, node: str) -> bool:
        """Whether the scheduler gives it any: also to one that is silent, until it is called lost."""
        return node not in self._called_lost

    def gives_up(self, node: str) -> bool:
        """Whether its pods are to go after their time."""
        return node in self._given_up

    def lose(self, node: str) -> None:
        """A machine is gone for good: the broker notices after two heartbeats, the cluster in its own time."""
        if node not in self.silent:
            self._kubelet.died(node)
            self._dead.add(node)
            self.part(node)
            self._loop.call_later(REPLACED_AFTER_S, self._end, node, self._times[node])

    def part(self, node: str, lasts: float | None = None) -> None:
        """A node is cut off from the API server; what runs there runs on, and talks to the broker."""
        if node not in self.silent:
            self.silent.add(node)
            self._times[node] += 1
            self._loop.call_later(CALLED_LOST_AFTER_S, self._unheard, node, self._times[node])
            if lasts is not None:
                self._loop.call_later(lasts, self._end, node, self._times[node])

    def all_well(self) -> None:
        """Every silent node is replaced, or heard again."""
        for node in sorted(self.silent):
            self._end(node, self._times[node])

    def come_back(self, node: str) -> None:
        """It is heard again."""
        self._forget(node)
        self._kubelet.heard_again(node)

    def replace(self, node: str) -> None:
        """Its Node object goes, and with it its pods; another machine comes in its place."""
        self._forget(node)
        self._dead.discard(node)
        for pod in self._kubelet.on(node):
            self._kubelet.collected(pod)

    def _end(self, node: str, times: int) -> None:
        if node in self.silent and times == self._times[node]:
            (self.replace if node in self._dead else self.come_back)(node)

    def _forget(self, node: str) -> None:
        self.silent.discard(node)
        self._called_lost.discard(node)
        self._spare(node)
        self._weigh()

    def _spare(self, node: str) -> None:
        timer = self._given_up.pop(node, None)
        if timer is not None:
            timer.cancel()

    def _unheard(self, node: str, times: int) -> None:
        """Its grace is over: pkg/controller/nodelifecycle of Kubernetes."""
        if node not in self.silent or times != self._times[node]:
            return
        self._called_lost.add(node)
        for pod in self._kubelet.on(node):
            if is_ready(pod):
                self._server.put("pods", self._kubelet.with_status(pod, "Ready", "False"))
        self._weigh()

    def _weigh(self) -> None:
        """Where all are silent, the network is taken to be the cause: none is given up then."""
        if len(self._called_lost) == len(NODES):
            for node in NODES:
                self._spare(node)
            return
        for node in sorted(self._called_lost - self._given_up.keys()):
            self._given_up[node] = self._loop.call_later(TOLERATED_S, self._evict, node)

    def _evict(self, node: str) -> None:
        for pod in self._kubelet.on(node):
            self._kubelet.give_up(pod)
