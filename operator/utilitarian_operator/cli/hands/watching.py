"""Shows something again and again until a person has seen enough: a screen on a terminal, else what changes."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.cli.output import emit, harmless
from utilitarian_operator.errors import OperatorError

EVERY_S = 2.0
"""Between two looks: a status is written when something changes, and its figures each 30 s at most."""


def follow(frames: Callable[[], AsyncIterator[str]]) -> None:
    """Show each frame in the place of the one before, until Ctrl-C.

    Args:
        frames: made anew with a connection of their own.

    Raises:
        OperatorError: the first look failed; later ones are shown as an error under the last frame.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_screen(frames()) if sys.stdout.isatty() else _pipe(frames()))


async def looks(look: Callable[[], Awaitable[str]], every_s: float | None = None) -> AsyncIterator[str]:
    """A frame a look; a look that fails shows the last frame with the error under it.

    Args:
        look: makes one frame.
        every_s: seconds between two looks; None for `EVERY_S`.

    Raises:
        OperatorError: the first look failed.
    """
    frame = shown = await look()
    while True:
        yield shown
        await CLOCK.sleep(EVERY_S if every_s is None else every_s)
        try:
            frame = shown = await look()
        except OperatorError:
            shown = f"{frame}\nerror: the cluster does not answer; this is what it said last"


async def _pipe(frames: AsyncIterator[str]) -> None:
    last = None
    async for frame in frames:
        if frame != last:
            emit(frame if last is None else f"\n{frame}")
        last = frame


async def _screen(frames: AsyncIterator[str]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    frame, console = "", Console(highlight=False)
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            async for frame in frames:
                live.update(Text.from_ansi(harmless(frame), no_wrap=True, overflow="ellipsis"), refresh=True)
    finally:
        if frame:
            emit(frame)
