"""The broker's login: a Secret that people change or take away, and who is let in with which one."""

import base64
import re
from typing import Any

from utilitarian_operator.core.made import MOST_ROLLS, WITHIN

SECRET, PLACE = "broker", "u:p"
"""Name of the Secret, and what its address of the broker has for the login."""
_LOGIN = re.compile(rf"//{PLACE}\d*@")
AGAIN_S = 10.0
"""How long a container waits that was refused, before it begins again with the Secret as it is then."""


class Login:
    """Of the broker of a fleet.

    Args:
        world: whose Secret has it.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._number, self._changes = 0, list[float]()
        self.wrong_until = -1.0
        """When the Secret was there, and had the password, once more."""

    @property
    def _text(self) -> str:
        return f"{PLACE}{self._number}" if self._number else PLACE

    def lets_in(self, url: str) -> bool:
        """Whether an address has the password of now."""
        return f"//{self._text}@" in url

    @property
    def is_known(self) -> bool:
        """Whether a container that begins now is let in: what runs keeps the Secret that it began with."""
        secret = self._world.server.get("secrets", SECRET)
        return secret is None or self.lets_in(base64.b64decode(secret["data"]["url"]).decode())

    def change(self, after: float) -> None:
        """The broker gets another password, and the Secret has it a while later."""
        self._changes = [at for at in self._changes if self._world.loop.now - at < WITHIN.total_seconds()]
        if not self.is_known or len(self._changes) >= MOST_ROLLS:
            return  # the operator rolls pods no more often than so for what a Secret holds
        self._changes.append(self._world.loop.now)
        self._number += 1
        world = self._world
        world.rabbit.password_since = world.loop.now
        self.wrong_until = float("inf")
        world.log("the broker has another password")
        for worker in world.rabbit.workers.values():  # its hook has the old one
            worker.helpless.append((world.loop.now, float("inf")))

        def written() -> None:
            secret = world.server.get("secrets", SECRET)
            if secret is None:
                world.loop.call_later(AGAIN_S, written)
                return
            old = base64.b64decode(secret["data"]["url"]).decode()
            url = base64.b64encode(_LOGIN.sub(f"//{self._text}@", old).encode()).decode()
            world.log("the Secret has the new password")
            world.server.change("secrets", SECRET, data={**secret["data"], "url": url})
            self.wrong_until = world.loop.now

        world.loop.call_later(after, written)

    def take_away(self, lasts: float) -> None:
        """The Secret is deleted, and made again a while later."""
        world = self._world
        secret = world.server.get("secrets", SECRET)
        if secret is None:
            return
        world.log("the Secret is deleted")
        world.server.remove("secrets", SECRET)
        self.wrong_until = max(self.wrong_until, world.loop.now + lasts)
        world.kubelet.lacks_secret = True
        body = {"metadata": {"name": SECRET, "labels": {}}, "data": secret["data"]}

        def back() -> None:
            world.kubelet.lacks_secret = False
            world.server.add("secrets", body)

        world.loop.call_later(lasts, back)
