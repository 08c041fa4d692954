"""The memory that answers of all brokers may take at a time: a bound for each of many calls is none for their sum.

Who names fifty brokers in a namespace has fifty answers read at a time. Each may take half of what is left: however
much some say, others that say less are heard.
"""

import threading
from dataclasses import dataclass

MOST = 160 * 1024**2
"""Bytes of all at a time."""

SMALL = 1024**2
"""Bytes that each may take besides: what most brokers and workers say, whatever others do."""


class Room:
    """What is left of so much memory; threads share it.

    Args:
        most: bytes that may be taken at a time.
    """

    def __init__(self, most: int = MOST) -> None:
        self.left = most
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take so many bytes, if they are no more than half of what is left."""
        with self._lock:
            fits = size <= self.left // 2
            self.left -= size if fits else 0
        return fits

    def give_back(self, size: int) -> None:
        """They are taken no longer."""
        with self._lock:
            self.left += size


ALL = Room()
"""Of this process."""


@dataclass
class Share:
    """What one call, or one reading of pages, takes of it.

    Args:
        room: of which it is.
    """

    room: Room
    _small: int = 0
    _taken: int = 0

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more, which are taken then."""
        if self._small + size <= SMALL:
            self._small += size
            return True
        fits = self.room.take(size)
        self._taken += size if fits else 0
        return fits

    def give_back(self, size: int) -> None:
        """So many bytes that were taken are kept no longer."""
        back = min(size, self._taken)
        self._taken -= back
        self.room.give_back(back)

    def end(self) -> None:
        """Nothing is kept any longer."""
        self.give_back(self._taken)
        self._small = 0
