"""Reads lists of objects page by page, and a page object by object: what others wrote may be as large as they like."""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from aiohttp import ClientResponse

from utilitarian_operator.adapters.cluster import nested_json
from utilitarian_operator.errors import ClusterError

PAGE = 500
"""Objects of a page, as `kubectl` asks for them."""

MOST_OF_A_PAGE = 4 * 2**20
"""Bytes: a page that is longer is asked for again, with fewer objects."""

MOST_OF_ONE = 32 * 2**20
"""Bytes of a page with one object: etcd takes 1.5 MiB of it, and no way to spell that is so long."""

_FEWER = 8
"""Part of the objects that are asked for when a page was too long."""

_ITEMS = b'"items":['


class PageTooLong(ClusterError):
    """A page has more bytes than may be read of it."""


class Pages:
    """How many objects a page of one list has: few where they are large, so that no page is too long.

    Args:
        first: objects that are asked for at first.
    """

    def __init__(self, first: int = PAGE) -> None:
        self._limit = first

    async def read(self, ask: Callable[[int, int], Awaitable[bytes]]) -> bytes:
        """A page that is not too long.

        Args:
            ask: reads one, given how many objects and how many bytes it may have; raises PageTooLong.
        """
        while True:
            limit, most = self._limit, MOST_OF_A_PAGE if self._limit > 1 else MOST_OF_ONE
            try:
                text = await ask(limit, most)
            except PageTooLong:
                if limit == 1:
                    raise
                self._limit = max(limit // _FEWER, 1)
            else:
                self._limit = min(2 * limit, PAGE)
                return text


async def bounded(response: ClientResponse, most: int) -> bytes:
    """The body of an answer that another program may have made; raises PageTooLong where it is too large."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            response.close()
            raise PageTooLong(f"GET {response.url.path}: more than {most} bytes")
    return b"".join(parts)


def listed(text: bytes, each: Callable[[Any], Any]) -> Any:
    """The value of a page, of whose objects no two are in memory as a whole.

    Args:
        text: of the page.
        each: what is kept of an object; None leaves it out.

    Raises:
        ValueError: it is no JSON.
    """
    begin = text.find(_ITEMS) + len(_ITEMS)
    try:
        if begin >= len(_ITEMS):
            objects = _Objects(text, begin)
            items = [it for it in map(each, objects) if it is not None]
            return {**json.loads(text[:begin] + text[objects.at :]), "items": items}
    except RecursionError:
        return listed(nested_json.cut(text), each)
    except ValueError:  # it is not spelt as API servers do
        pass
    value = nested_json.load(text)
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        value["items"] = [it for it in map(each, value["items"]) if it is not None]
    return value


class _Objects:
    """The objects of a list, read one after the other.

    Args:
        text: of the page, spelt without blanks.
        at: where the first begins; once all are read, where their list ends.
    """

    def __init__(self, text: bytes, at: int) -> None:
        self.at, self._text = at, text
        # Each byte is a character: so nothing but strings is read wrongly, and a place in one is a place in the other.
        self._characters, self._plain = text.decode("latin-1"), text.isascii()

    def __iter__(self) -> Iterator[Any]:
        decoder = json.JSONDecoder()
        while self._characters.startswith("{", self.at):
            value, end = decoder.raw_decode(self._characters, self.at)
            yield value if self._plain else json.loads(self._text[self.at : end])
            self.at = end + self._characters.startswith(",", end)
